//! The modern era: headers that mirror bodies, and cancellation by hanging up.

use crate::client::{Client, result};
use crate::common::http::{Call, Upstream, within};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Notify;

fn ask(id: i64, method: &str, mut params: Value) -> String {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": "p",
    });
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

fn tools(cursor: Option<&str>) -> Value {
    let tool = |name: &str, header: &str| {
        json!({"name": name, "inputSchema": {"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": header}}}})
    };
    match cursor {
        None => json!({"tools": [tool("other", "Other")], "nextCursor": "c\u{e9}"}),
        Some(_) => json!({"tools": [tool("t", "Region")]}),
    }
}

/// A server that lists two pages of tools, and refuses calls whose parameter is not mirrored.
async fn strict(mut call: Call) {
    let message = call.json().await;
    match message["method"].as_str().unwrap() {
        "tools/list" => {
            let page = tools(message["params"]["cursor"].as_str());
            call.answer_json(result(&message, page)).await.unwrap();
        }
        "tools/call" if call.head.get("mcp-param-region").is_none() => {
            let error = json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32020, "message": "header"}});
            let headers = [("Content-Type", "application/json")];
            call.answer("400 Bad Request", &headers, error.to_string())
                .await
                .unwrap();
        }
        _ => call.answer_json(result(&message, json!({}))).await.unwrap(),
    }
}

fn arguments() -> Value {
    json!({"name": "t", "arguments": {"region": "caf\u{e9}"}})
}

#[tokio::test]
async fn a_body_is_mirrored_in_headers() {
    let upstream = Upstream::start(strict).await;
    let mut client = Client::of(&upstream);
    client.ask(ask(1, "tools/list", json!({}))).await;
    client
        .ask(ask(2, "tools/list", json!({"cursor": "c\u{e9}"})))
        .await;
    assert_eq!(
        client.ask(ask(3, "tools/call", arguments())).await["result"],
        json!({})
    );
    let head = upstream.request(2).await.head;
    let header = |name| head.all(name);
    assert_eq!(header("mcp-protocol-version"), ["2026-07-28"]);
    assert_eq!(header("mcp-method"), ["tools/call"]);
    assert_eq!(header("mcp-name"), ["t"]);
    assert_eq!(header("mcp-param-region"), ["=?base64?Y2Fmw6k=?="]);
    assert_eq!(header("mcp-session-id"), [""; 0]);
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn headers_that_a_server_misses_are_looked_up_and_the_client_never_knows() {
    let upstream = Upstream::start(strict).await;
    let mut client = Client::of(&upstream);
    let call = ask(1, "tools/call", arguments());
    assert_eq!(client.ask(&call).await["result"], json!({}));
    let seen = upstream.seen();
    let methods: Vec<&str> = seen
        .iter()
        .filter_map(|it| it.head.get("mcp-method"))
        .collect();
    assert_eq!(
        methods,
        ["tools/call", "tools/list", "tools/list", "tools/call"]
    );
    assert_eq!((seen[0].text(), seen[3].text()), (&*call, &*call));
    let meta = &seen[1].json()["params"]["_meta"];
    assert_eq!(
        meta["io.modelcontextprotocol/protocolVersion"],
        "2026-07-28"
    );
    assert_eq!(meta.get("progressToken"), None);
    let hidden = client.recorded(&["-32020"]).await;
    assert_eq!(
        (&hidden["from"], &hidden["to"]),
        (&json!("server"), &json!("sentinel"))
    );
    let own = client
        .recorded(&["tools/list", "mcpx-", "\"from\":\"sentinel\""])
        .await;
    assert!(own["message"].is_object());
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

#[tokio::test]
async fn a_mismatch_that_no_list_explains_is_the_clients_to_see() {
    let upstream = Upstream::start(strict).await;
    let mut client = Client::of(&upstream);
    let call = ask(1, "tools/call", json!({"name": "unknown", "arguments": {}}));
    assert_eq!(client.ask(&call).await["error"]["code"], -32020);
    assert_eq!(upstream.seen().len(), 3, "one call and two pages");
}

#[tokio::test]
async fn a_cancellation_hangs_up_and_is_not_posted() {
    let gone = Arc::new(Notify::new());
    let hung_up = gone.clone();
    let upstream = Upstream::start(move |mut call| {
        let hung_up = hung_up.clone();
        async move {
            let message = call.json().await;
            if message["method"] == "x" {
                return call.answer_json(result(&message, json!({}))).await.unwrap();
            }
            call.open_stream(&[]).await.unwrap();
            let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "p", "progress": 1}});
            call.chunk(format!("data: {progress}\n\n")).await.unwrap();
            call.gone().await;
            hung_up.notify_one();
        }
    })
    .await;
    let mut client = Client::of(&upstream);
    client.ask(ask(1, "tools/call", arguments())).await;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    client.send(cancel).await;
    within("the server is hung up on", gone.notified()).await;
    assert_eq!(client.ask(ask(2, "x", json!({}))).await["id"], 2);
    assert_eq!(upstream.seen().len(), 2);
    client.recorded(&["note", "translated"]).await;
    let line = client.recorded(&["notifications/cancelled"]).await;
    assert_eq!(line["from"], "client");
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

#[tokio::test]
async fn a_subscription_whose_stream_ends_is_cancelled_towards_the_client() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        call.open_stream(&[]).await.unwrap();
        call.chunk("id: ignored\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\"}\n\n").await.unwrap();
        call.last_chunk().await.unwrap();
    })
    .await;
    let mut client = Client::of(&upstream);
    client
        .ask(ask(7, "subscriptions/listen", json!({"notifications": {}})))
        .await;
    let cancelled = client.json().await;
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], 7);
    assert_eq!(upstream.seen().len(), 1, "it is not taken up again");
    let ours = client.recorded(&["notifications/cancelled"]).await;
    assert_eq!(ours["from"], "sentinel");
}

#[tokio::test]
async fn a_server_of_the_older_era_refuses_the_probe_and_shakes_hands_then() {
    let upstream = crate::client::legacy(|mut call, _| async move {
        call.answer("400 Bad Request", &[], "no session")
            .await
            .unwrap();
    })
    .await;
    let mut client = Client::of(&upstream);
    let refused = client.ask(ask(1, "server/discover", json!({}))).await;
    assert_eq!(refused["error"]["data"]["status"], 400);
    let answer = client.ask(crate::client::INITIALIZE).await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
}
