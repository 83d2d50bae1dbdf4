//! What is posted, and what comes back in bodies.

use crate::client::{Client, legacy, request, result};
use serde_json::{Value, json};

#[tokio::test]
async fn each_line_is_a_post_of_exactly_its_bytes() {
    let upstream = legacy(|mut call, message| async move {
        let answer = result(&message, json!({}));
        call.answer_json(answer).await.unwrap();
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    let odd = r#"  {"jsonrpc":"2.0", "id":1.0,"method":"x\u0041","params":{"n":1.50,"e":1e400}} "#;
    client.send("").await;
    client.send(" \t\r").await;
    client.send(format!("{odd}\r")).await;
    client.line().await;
    let posted = upstream.request(3).await;
    // Before it: the handshake, and a stream that the server does not have.
    assert_eq!(posted.text(), odd);
    assert_eq!(posted.head.target(), "/mcp?a=b");
    let header = |name| posted.head.all(name);
    assert_eq!(header("content-type"), ["application/json"]);
    assert_eq!(header("accept"), ["application/json, text/event-stream"]);
    assert_eq!(header("content-length"), [odd.len().to_string()]);
    assert_eq!(header("mcp-session-id"), ["s-1"]);
    assert_eq!(header("mcp-protocol-version"), ["2025-11-25"]);
    let first = upstream.request(0).await;
    assert_eq!(first.head.get("mcp-session-id"), None);
    assert_eq!(first.head.get("mcp-protocol-version"), None);
}

#[tokio::test]
async fn an_answer_of_many_lines_comes_as_one_with_every_other_byte_as_it_was() {
    let upstream = legacy(|mut call, _| async move {
        let body = "\u{feff}{\r\n  \"jsonrpc\": \"2.0\",\n\t\"id\": 1.0,\n  \"result\": {\"b\":1e3, \"a\":\"\\u00e9\"}\r}\n";
        call.answer_json(body).await.unwrap();
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    client
        .send(r#"{"jsonrpc":"2.0","id":1.0,"method":"x"}"#)
        .await;
    assert_eq!(
        client.line().await,
        "{    \"jsonrpc\": \"2.0\", \t\"id\": 1.0,   \"result\": {\"b\":1e3, \"a\":\"\\u00e9\"} }\n"
    );
}

#[tokio::test]
async fn a_batch_goes_as_it_is_and_its_answers_come_as_they_are() {
    let answers =
        r#"[{"jsonrpc":"2.0","id":"b","result":{}},{"jsonrpc":"2.0","id":"a","result":{}}]"#;
    let upstream = legacy(move |mut call, _| async move {
        call.answer_json(answers).await.unwrap();
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    let batch = format!("[{},{}]", request("a", "x"), request("b", "y"));
    client.send(&batch).await;
    assert_eq!(client.line().await, format!("{answers}\n"));
    assert_eq!(upstream.request(3).await.text(), batch);
}

#[tokio::test]
async fn answers_come_in_the_order_in_which_the_server_gives_them() {
    let second_came = std::sync::Arc::new(tokio::sync::Notify::new());
    let upstream = legacy(move |mut call, message| {
        let second_came = second_came.clone();
        async move {
            match message["id"].as_i64() {
                Some(1) => second_came.notified().await,
                _ => second_came.notify_one(),
            }
            call.answer_json(result(&message, json!({}))).await.unwrap();
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    client.send(request(1, "slow")).await;
    client.send(request(2, "fast")).await;
    let ids = [
        client.json().await["id"].clone(),
        client.json().await["id"].clone(),
    ];
    assert_eq!(ids, [json!(2), json!(1)]);
}

#[tokio::test]
async fn fifty_megabytes_go_through_both_ways() {
    let upstream = legacy(|mut call, message| async move {
        let answer = result(&message, message["params"].clone());
        call.answer_json(answer).await.unwrap();
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    let params = json!({"data": "x".repeat(50 << 20)});
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "x", "params": params});
    let answer: Value = client.ask(ask.to_string()).await;
    assert!(answer["result"] == params, "not the same");
}

#[tokio::test]
async fn the_exchange_stands_beside_the_message_on_record() {
    let upstream = legacy(|mut call, message| async move {
        call.answer_json(result(&message, json!({}))).await.unwrap();
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    client.ask(request(1, "x")).await;
    let message = client.recorded(&["\"method\":\"x\""]).await;
    assert_eq!(message["from"], "client");
    let exchange = &message["exchange"];
    assert!(exchange.is_u64(), "{message}");
    let asked = client
        .recorded(&[&format!("\"exchange\":{exchange},"), "\"added\""])
        .await;
    assert!(asked.to_string().contains("mcp-session-id"), "{asked}");
}
