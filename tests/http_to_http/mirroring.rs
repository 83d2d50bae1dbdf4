//! The operator's calls of modern tools that want parameters mirrored in headers.

use crate::common::http::{Client, Inside, Upstream};
use crate::operator::{answer_to, sent};
use crate::{before, opened};
use serde_json::{Value, json};

/// Wants the region of a call of its tool in a header, and lists that tool on its second page.
async fn strict_upstream() -> Upstream {
    Upstream::start(|mut call| async move {
        let request = call.json().await;
        let result = match request["method"].as_str().unwrap() {
            "tools/list" if request["params"].get("cursor").is_none() => {
                json!({"tools": [], "nextCursor": "2"})
            }
            "tools/list" => {
                let region = json!({"type": "string", "x-mcp-header": "Region"});
                let schema = json!({"type": "object", "properties": {"region": region}});
                json!({"tools": [{"name": "t", "inputSchema": schema}]})
            }
            _ if call.head.get("mcp-param-region").is_none() => {
                let error = json!({"code": -32020, "message": "mcp-param-region"});
                let body = json!({"jsonrpc": "2.0", "id": request["id"], "error": error});
                let headers = [("Content-Type", "application/json")];
                let answer = call.answer("400 Bad Request", &headers, body.to_string());
                return answer.await.unwrap();
            }
            _ => json!({"resultType": "complete"}),
        };
        let result = json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
        call.answer_json(result.to_string()).await.unwrap();
    })
    .await
}

fn modern(method: &str, mut params: Value) -> String {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

/// A session of a modern client that has asked what there is on the first page.
async fn modern_session(proxy: &Inside) -> u64 {
    let said = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/list"),
    ];
    Client::post(
        proxy.address,
        "/mcp",
        &said,
        modern("tools/list", json!({})),
    )
    .await;
    opened(proxy).await
}

#[tokio::test]
async fn a_call_that_lacks_a_mirrored_parameter_is_sent_again_with_it() {
    let upstream = strict_upstream().await;
    let proxy = before(&upstream).await;
    let session = modern_session(&proxy).await;
    let arguments = json!({"name": "t", "arguments": {"region": "caf\u{e9}"}});
    let id = sent(&proxy, session, &modern("tools/call", arguments.clone())).await;
    let answer = answer_to(&proxy, &id).await;
    assert_eq!(answer["message"]["result"]["resultType"], "complete");
    let seen = upstream.seen();
    let methods: Vec<_> = seen
        .iter()
        .filter_map(|it| it.head.get("mcp-method"))
        .collect();
    let expected = [
        "tools/list",
        "tools/call",
        "tools/list",
        "tools/list",
        "tools/call",
    ];
    assert_eq!(methods, expected);
    assert_eq!(seen[1].body, seen[4].body);
    assert_eq!(seen[1].head.all("mcp-param-region"), [""; 0]);
    assert_eq!(
        seen[4].head.all("mcp-param-region"),
        ["=?base64?Y2Fmw6k=?="]
    );
    assert_eq!(seen[4].head.all("mcp-name"), ["t"]);
    // What we did about it is on record as ours.
    let capture = proxy.capture();
    let code = |it: &&Value| it["message"]["error"]["code"] == -32020;
    let refusals: Vec<_> = capture.iter().filter(code).collect();
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0]["to"], "sentinel");
    let ours = |it: &&Value| it["http"]["request"]["by"] == "sentinel";
    assert_eq!(capture.iter().filter(ours).count(), 3);
    let lists = |it: &&Value| it["to"] == "sentinel" && it["message"]["result"]["tools"].is_array();
    assert_eq!(capture.iter().filter(lists).count(), 2);
    // The next one knows.
    let id = sent(&proxy, session, &modern("tools/call", arguments)).await;
    answer_to(&proxy, &id).await;
    let last = upstream.request(5).await;
    assert_eq!(last.head.all("mcp-param-region"), ["=?base64?Y2Fmw6k=?="]);
}

#[tokio::test]
async fn a_list_that_the_operator_has_asked_for_tells_what_to_mirror() {
    let upstream = strict_upstream().await;
    let proxy = before(&upstream).await;
    let session = modern_session(&proxy).await;
    let id = sent(
        &proxy,
        session,
        &modern("tools/list", json!({"cursor": "2"})),
    )
    .await;
    answer_to(&proxy, &id).await;
    let arguments = json!({"name": "t", "arguments": {"region": "north"}});
    let id = sent(&proxy, session, &modern("tools/call", arguments)).await;
    answer_to(&proxy, &id).await;
    assert_eq!(
        upstream.request(2).await.head.all("mcp-param-region"),
        ["north"]
    );
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn a_refusal_that_no_list_explains_is_the_operators_to_see() {
    let upstream = strict_upstream().await;
    let proxy = before(&upstream).await;
    let session = modern_session(&proxy).await;
    let unknown = json!({"name": "unknown", "arguments": {}});
    let id = sent(&proxy, session, &modern("tools/call", unknown)).await;
    let answer = answer_to(&proxy, &id).await;
    assert_eq!(answer["message"]["error"]["code"], -32020);
    assert_eq!(upstream.seen().len(), 4, "one call and two pages");
}
