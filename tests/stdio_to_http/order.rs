//! What waits for what, over a transport that keeps no order.

use crate::client::{Client, INITIALIZE, INITIALIZED, accept, request, result, welcome};
use crate::common::http::{Seen, Upstream};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

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

/// As many requests as may be in flight.
const MOST: i64 = 512;

/// A server that answers no request before the client has answered its own question, which it asks with the first one.
async fn server_that_asks_first() -> Upstream {
    let answered = watch::Sender::new(false);
    Upstream::start(move |mut call| {
        let (answered, mut is_answered) = (answered.clone(), answered.subscribe());
        async move {
            let body = call.body().await;
            let message: Value = serde_json::from_slice(&body).unwrap_or_default();
            match message["method"].as_str() {
                Some("initialize") => welcome(&mut call, &message).await,
                Some("x") => {
                    call.open_stream(&[]).await.unwrap();
                    if message["id"] == 1 {
                        let asked = request("s", "roots/list");
                        call.chunk(format!("data: {asked}\n\n")).await.unwrap();
                    }
                    is_answered.wait_for(|it| *it).await.unwrap();
                    let answer = result(&message, json!({}));
                    call.chunk(format!("data: {answer}\n\n")).await.unwrap();
                    call.last_chunk().await.unwrap();
                }
                _ if call.head.method() != "POST" => call.answer("405 No", &[], "").await.unwrap(),
                method => {
                    let is_answer = method.is_none();
                    accept(&mut call).await;
                    if is_answer {
                        answered.send_replace(true);
                    }
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn answers_and_notifications_pass_requests_of_which_too_many_are_in_flight() {
    let upstream = server_that_asks_first().await;
    let mut client = Client::ready(&upstream).await;
    let mut lines: Vec<String> = (1..=MOST + 10).map(|id| request(id, "x")).collect();
    let cancel = |id: i64| {
        let params = json!({"requestId": id});
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}).to_string()
    };
    lines.push(cancel(MOST + 10));
    lines.push(r#"{"jsonrpc":"2.0","method":"notifications/note"}"#.to_owned());
    client.send(lines.join("\n")).await;
    assert_eq!(client.json().await["method"], "roots/list");
    let is_noted = |seen: &[Seen]| {
        seen.iter()
            .any(|it| it.text().contains("/note"))
            .then_some(())
    };
    upstream.wait("the notification", is_noted).await;
    let is_request = |it: &&Seen| it.text().contains("\"x\"");
    let requests = upstream.seen().iter().filter(is_request).count();
    assert!(requests <= MOST as usize, "{requests}");
    client
        .send(r#"{"jsonrpc":"2.0","id":"s","result":{"roots":[]}}"#)
        .await;
    let mut ids = Vec::new();
    for _ in 0..MOST + 10 {
        ids.push(client.json().await["id"].as_i64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=MOST + 10).collect::<Vec<_>>());
    let is_cancelled = |seen: &[Seen]| {
        let place = |part: &str| seen.iter().position(|it| it.text().contains(part));
        Some((
            place(&format!("\"id\":{}", MOST + 10))?,
            place("/cancelled")?,
        ))
    };
    let (asked, cancelled) = upstream.wait("the cancellation", is_cancelled).await;
    assert!(asked < cancelled, "what is cancelled was not asked before");
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}
