//! How sessions end, from either side.

use crate::client::{Client, INITIALIZE, INITIALIZED, legacy, request, result, streaming, welcome};
use crate::common::http::{Upstream, until, within};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

#[tokio::test]
async fn without_a_capture_the_summary_counts_the_messages_all_the_same() {
    let upstream = legacy(|mut call, message| async move {
        call.answer_json(result(&message, json!({}))).await.unwrap();
    })
    .await;
    let mut client = Client::with(&["--no-capture", &upstream.url("/mcp")]);
    client.ask(INITIALIZE).await;
    client.send(INITIALIZED).await;
    client.send("").await;
    client.ask(request(1, "x")).await;
    assert_eq!(client.leave().await, (String::new(), Some(0)));
    let counted = "3 messages from the client, 2 from the server, errors not counted";
    until("the summary", || client.proxy.errors().contains(counted)).await;
}

#[tokio::test]
async fn what_is_in_flight_may_finish_when_the_client_leaves() {
    let go_on = Arc::new(Notify::new());
    let wait = go_on.clone();
    let upstream = legacy(move |mut call, message| {
        let wait = wait.clone();
        async move {
            wait.notified().await;
            call.answer_json(result(&message, json!({}))).await.unwrap();
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    client.send(request(1, "x")).await;
    client.stdin = None;
    let is_here = |seen: &[crate::common::http::Seen]| {
        seen.iter()
            .any(|it| it.text().contains("\"x\""))
            .then_some(())
    };
    upstream.wait("the request", is_here).await;
    go_on.notify_one();
    let (rest, code) = client.rest().await;
    let answer: Value = serde_json::from_str(&rest).unwrap();
    assert_eq!((&answer["result"], code), (&json!({}), Some(0)));
    let last = upstream.seen().pop().unwrap();
    assert_eq!(last.head.method(), "DELETE");
    assert_eq!(last.head.get("mcp-session-id"), Some("s-1"));
    client
        .recorded(&["closed", "the client has closed its side"])
        .await;
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for_without_end() {
    let upstream = legacy(|mut call, _| async move { call.gone().await }).await;
    let mut client = Client::with(&["--grace", "0.2", &upstream.url("/mcp")]);
    client.ask(INITIALIZE).await;
    client.send(request(1, "x")).await;
    let (rest, code) = client.leave().await;
    let error: Value = serde_json::from_str(&rest).unwrap();
    assert_eq!(
        (&error["id"], &error["error"]["code"], code),
        (&json!(1), &json!(-32603), Some(0))
    );
}

#[tokio::test]
async fn a_handshake_that_hangs_does_not_keep_a_client_that_leaves() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        call.gone().await;
    })
    .await;
    let mut client = Client::with(&["--grace", "0.2", &upstream.url("/mcp")]);
    client.send(INITIALIZE).await;
    upstream.request(0).await;
    client.send(request(1, "never sent")).await;
    let (rest, code) = client.leave().await;
    let ids: Vec<Value> = rest
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone())
        .collect();
    assert_eq!((ids, code), (vec![json!(0), json!(1)], Some(0)));
    client.recorded(&["never sent"]).await;
}

#[tokio::test]
async fn a_signal_ends_the_session_in_order() {
    let upstream = legacy(|mut call, _| async move { call.gone().await }).await;
    let mut client = Client::ready(&upstream).await;
    client.send(request(1, "x")).await;
    let is_here = |seen: &[crate::common::http::Seen]| {
        seen.iter()
            .any(|it| it.text().contains("\"x\""))
            .then_some(())
    };
    upstream.wait("the request", is_here).await;
    client.proxy.signal(Signal::TERM);
    let (rest, code) = client.rest().await;
    assert_eq!(code, Some(128 + 15));
    assert!(rest.contains("\"id\":1,\"error\""), "{rest}");
    assert_eq!(upstream.seen().pop().unwrap().head.method(), "DELETE");
}

#[tokio::test]
async fn a_session_that_the_server_has_forgotten_ends_so_that_the_client_starts_again() {
    let asked = Arc::new(Notify::new());
    let both = asked.clone();
    let upstream = legacy(move |mut call, message| {
        let asked = asked.clone();
        async move {
            if message["id"] == 1 {
                asked.notify_one();
                return call.gone().await;
            }
            call.answer("404 Not Found", &[], "Session not found")
                .await
                .unwrap();
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    client.send(request(1, "slow")).await;
    within("the first request", both.notified()).await;
    client.send(request(2, "x")).await;
    let (rest, code) = client.rest().await;
    let mut ids: Vec<Value> = rest
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .inspect(|error| assert_eq!(error["error"]["code"], -32603))
        .map(|error| error["id"].clone())
        .collect();
    ids.sort_by_key(Value::as_i64);
    assert_eq!((ids, code), (vec![json!(1), json!(2)], Some(1)));
    assert!(client.proxy.errors().contains("must start again"));
    let deleted = upstream
        .seen()
        .into_iter()
        .any(|it| it.head.method() == "DELETE");
    assert!(!deleted, "there is nothing left to delete");
    let seen = upstream.seen().into_iter();
    let greetings = seen.filter(|it| it.text() == INITIALIZE);
    assert_eq!(
        greetings.count(),
        1,
        "nobody has asked for it to be begun anew"
    );
}

/// That is how those made after the SDKs' examples say it.
#[tokio::test]
async fn a_session_that_the_server_has_forgotten_ends_also_where_the_status_is_400() {
    let words = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#;
    let upstream = legacy(move |mut call, _| async move {
        call.answer("400 Bad Request", &[], words).await.unwrap();
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    client.send(request(1, "x")).await;
    let (rest, code) = client.rest().await;
    let error: Value = serde_json::from_str(&rest).unwrap();
    assert_eq!((&error["id"], code), (&json!(1), Some(1)));
    let errors = client.proxy.errors();
    assert!(
        errors.contains("no more (400): the client must start again"),
        "{errors}"
    );
}

#[tokio::test]
async fn a_cancellation_of_the_older_era_is_posted_and_hangs_up_on_nobody() {
    let go_on = Arc::new(Notify::new());
    let upstream = Upstream::start(move |mut call| {
        let go_on = go_on.clone();
        async move {
            let body = call.body().await;
            let message: Value = serde_json::from_slice(&body).unwrap_or_default();
            match message["method"].as_str() {
                Some("initialize") => welcome(&mut call, &message).await,
                Some("slow") => {
                    go_on.notified().await;
                    call.answer_json(result(&message, json!({"late": true})))
                        .await
                        .unwrap();
                }
                Some("notifications/cancelled") => {
                    call.answer("202 Accepted", &[], "").await.unwrap();
                    go_on.notify_one();
                }
                _ => call.answer("202 Accepted", &[], "").await.unwrap(),
            }
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    client.send(request(1, "slow")).await;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(client.ask(cancel).await["result"]["late"], true);
}

#[tokio::test]
async fn a_stream_that_the_server_knows_no_more_ends_a_session_that_is_quiet() {
    let was_open = Arc::new(AtomicBool::new(false));
    let upstream = streaming(move |mut call, _| {
        let was_open = was_open.clone();
        async move {
            // It has been started again after the first, and knows nobody.
            if was_open.swap(true, Ordering::SeqCst) {
                return call.answer("404 Not Found", &[], "").await.unwrap();
            }
            call.open_stream(&[]).await.unwrap();
            call.chunk("id: 1\nretry: 10\ndata:\n\n").await.unwrap();
            call.last_chunk().await.unwrap();
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    assert_eq!(client.rest().await, (String::new(), Some(1)));
    let errors = client.proxy.errors();
    assert!(
        errors.contains("the server knows this session no more (404)"),
        "{errors}"
    );
}

#[tokio::test]
async fn a_stream_that_never_was_says_nothing_of_its_session() {
    let upstream = streaming(|mut call, message| async move {
        match call.head.method() {
            "GET" => call.answer("404 Not Found", &[], "").await.unwrap(),
            _ => call.answer_json(result(&message, json!({}))).await.unwrap(),
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    client
        .recorded(&["note", "has no stream beside its answers"])
        .await;
    assert_eq!(client.ask(request(1, "x")).await["result"], json!({}));
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}
