//! What waits for what, over a transport that keeps no order.

use crate::client::{Client, INITIALIZE, INITIALIZED, accept, request, result, welcome};
use crate::common::http::Upstream;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server that takes its time with whatever must not be overtaken, and the log of what it heard and said.
async fn slow_server() -> (Upstream, Arc<Mutex<Vec<String>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept = log.clone();
    let upstream = Upstream::start(move |mut call| {
        let log = log.clone();
        async move {
            if call.head.method() != "POST" {
                return call
                    .answer("405 Method Not Allowed", &[], "")
                    .await
                    .unwrap();
            }
            let message = call.json().await;
            let what = match message["method"].as_str() {
                Some(method) => method.to_owned(),
                None => "an answer".to_owned(),
            };
            log.lock().unwrap().push(format!("heard {what}"));
            let is_request = message.get("id").is_some() && message.get("method").is_some();
            if !is_request || what == "initialize" {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            log.lock().unwrap().push(format!("said {what}"));
            match what.as_str() {
                "initialize" => welcome(&mut call, &message).await,
                _ if is_request => call.answer_json(result(&message, json!({}))).await.unwrap(),
                _ => accept(&mut call).await,
            }
        }
    })
    .await;
    (upstream, kept)
}

#[tokio::test]
async fn nothing_overtakes_the_handshake_or_what_needs_no_answer() {
    let (upstream, log) = slow_server().await;
    let mut client = Client::of(&upstream);
    let note = r#"{"jsonrpc":"2.0","method":"notifications/note"}"#;
    let answer = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    let lines = [INITIALIZE, INITIALIZED, note, answer, &request(1, "last")];
    client.send(lines.join("\n")).await;
    client.json().await;
    assert_eq!(client.json().await["id"], 1);
    let order = [
        "initialize",
        "notifications/initialized",
        "notifications/note",
        "an answer",
        "last",
    ];
    let want: Vec<String> = order
        .iter()
        .flat_map(|what| [format!("heard {what}"), format!("said {what}")])
        .collect();
    assert_eq!(*log.lock().unwrap(), want);
}

#[tokio::test]
async fn requests_arrive_in_the_order_of_their_lines() {
    let (upstream, _) = slow_server().await;
    let mut client = Client::ready(&upstream).await;
    let lines: Vec<String> = (0..50).map(|number| request(number, "x")).collect();
    client.send(lines.join("\n")).await;
    for _ in 0..50 {
        client.json().await;
    }
    let ids = |connection: usize| -> Vec<Value> {
        let seen = upstream.seen().into_iter();
        let seen = seen.filter(|it| it.connection == connection && !it.body.is_empty());
        let requests = seen.map(|it| it.json()).filter(|it| it["method"] == "x");
        requests.map(|it| it["id"].clone()).collect()
    };
    let connections = upstream
        .seen()
        .iter()
        .map(|it| it.connection)
        .max()
        .unwrap();
    let mut all = 0;
    for connection in 0..=connections {
        let ids = ids(connection);
        assert!(ids.is_sorted_by_key(|id| id.as_i64()), "{ids:?}");
        all += ids.len();
    }
    assert_eq!(all, 50);
}
