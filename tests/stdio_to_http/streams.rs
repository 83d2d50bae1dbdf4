//! Streams of events: what reaches the client of them, and how they are taken up again.

use crate::client::{
    Client, INITIALIZE, INITIALIZED, accept, legacy, request, result, streaming, welcome,
};
use crate::common::http::{Upstream, within};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

fn note(number: usize) -> String {
    json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": number}})
        .to_string()
}

#[tokio::test]
async fn messages_of_a_stream_come_as_they_are_sent_and_nothing_else_of_it() {
    let go_on = Arc::new(Notify::new());
    let wait = go_on.clone();
    let upstream = legacy(move |mut call, message| {
        let wait = wait.clone();
        async move {
            call.open_stream(&[]).await.unwrap();
            let first = "id: e-1\ndata:\n\n: keep-alive\r\n\r\nevent: heartbeat\ndata: {\"not\":\"a message\"}\n\n";
            call.chunk(first).await.unwrap();
            // Cut within a character and within a line end.
            let second = "event: message\r\ndata: {\"jsonrpc\":\"2.0\",\r\ndata: \"method\":\"caf\u{e9}\"}\r\n\r\n";
            let (one, two) = second.as_bytes().split_at(second.find('\u{e9}').unwrap() + 1);
            call.chunk(one).await.unwrap();
            call.chunk(two).await.unwrap();
            wait.notified().await;
            let third = format!("id: e-2\nretry: 5\ndata: {}\n\ndata: torn", result(&message, json!({})));
            call.chunk(third).await.unwrap();
            call.last_chunk().await.unwrap();
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    client.send(request(1, "x")).await;
    assert_eq!(
        client.line().await,
        "{\"jsonrpc\":\"2.0\", \"method\":\"caf\u{e9}\"}\n"
    );
    go_on.notify_one();
    assert_eq!(client.json().await["id"], 1);
    for parts in [&["heartbeat"][..], &["e-1"], &["keep-alive"], &["e-2"]] {
        client.recorded(parts).await;
    }
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

#[tokio::test]
async fn a_request_of_the_server_is_answered_by_the_client() {
    let answered = Arc::new(Notify::new());
    let upstream = Upstream::start(move |mut call| {
        let answered = answered.clone();
        async move {
            let body = call.body().await;
            let message: Value = serde_json::from_slice(&body).unwrap_or_default();
            match message["method"].as_str() {
                Some("initialize") => welcome(&mut call, &message).await,
                Some("x") => {
                    call.open_stream(&[]).await.unwrap();
                    let asked = request("s", "roots/list");
                    call.chunk(format!("data: {asked}\n\n")).await.unwrap();
                    answered.notified().await;
                    let answer = result(&message, json!({}));
                    call.chunk(format!("data: {answer}\n\n")).await.unwrap();
                    call.last_chunk().await.unwrap();
                }
                _ if call.head.method() != "POST" => call.answer("405 No", &[], "").await.unwrap(),
                None => {
                    assert_eq!(message["id"], "s");
                    accept(&mut call).await;
                    answered.notify_one();
                }
                _ => accept(&mut call).await,
            }
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    let asked = client.ask(request(1, "x")).await;
    assert_eq!(asked["method"], "roots/list");
    let answer = client
        .ask(r#"{"jsonrpc":"2.0","id":"s","result":{"roots":[]}}"#)
        .await;
    assert_eq!(answer["id"], 1);
}

#[tokio::test]
async fn the_stream_beside_the_requests_is_taken_up_again_where_it_broke_off() {
    let gets = Arc::new(AtomicUsize::new(0));
    let upstream = streaming(move |mut call, _| {
        let number = gets.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!(call.head.method(), "GET");
            assert_eq!(call.head.get("accept"), Some("text/event-stream"));
            assert_eq!(call.head.get("mcp-session-id"), Some("s-1"));
            assert_eq!(call.head.get("mcp-protocol-version"), Some("2025-11-25"));
            let after = ["e-0", "e-1"].get(number.wrapping_sub(1)).copied();
            assert_eq!(call.head.get("last-event-id"), after);
            call.open_stream(&[]).await.unwrap();
            let event = format!("retry: 10\nid: e-{number}\ndata: {}\n\n", note(number));
            call.chunk(event).await.unwrap();
            match number {
                0 => call.last_chunk().await.unwrap(),
                1 => call.reset(),
                _ => call.gone().await,
            }
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    for number in 0..3 {
        assert_eq!(client.json().await["params"]["data"], number);
    }
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

#[tokio::test]
async fn a_stream_beside_the_requests_that_cannot_go_on_begins_anew() {
    let upstream = streaming(|mut call, _| async move {
        let seen = call.head.get("last-event-id").map(str::to_owned);
        if seen.is_some() {
            return call
                .answer("400 Bad Request", &[], "what event?")
                .await
                .unwrap();
        }
        call.open_stream(&[]).await.unwrap();
        let event = format!("retry: 10\nid: e-1\ndata: {}\n\n", note(call.request));
        call.chunk(event).await.unwrap();
        call.last_chunk().await.unwrap();
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    let first = client.json().await["params"]["data"].as_u64();
    let second = client.json().await["params"]["data"].as_u64();
    assert!(first < second, "{first:?} {second:?}");
}

#[tokio::test]
async fn an_answer_is_fetched_from_where_its_stream_ended() {
    let upstream = streaming(|mut call, message| async move {
        match (call.head.method(), call.head.get("last-event-id")) {
            ("POST", _) => {
                call.open_stream(&[]).await.unwrap();
                call.chunk("retry: 10\nid: p-1\ndata:\n\n").await.unwrap();
                call.last_chunk().await.unwrap();
                assert_eq!(message["id"], 1);
            }
            // Not yet.
            (_, Some("p-1")) => {
                call.open_stream(&[]).await.unwrap();
                call.chunk("id: p-2\ndata:\n\n").await.unwrap();
                call.last_chunk().await.unwrap();
            }
            (_, Some("p-2")) => {
                call.open_stream(&[]).await.unwrap();
                let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
                call.chunk(format!("data: {answer}\n\n")).await.unwrap();
                call.last_chunk().await.unwrap();
            }
            _ => call
                .answer("405 Method Not Allowed", &[], "")
                .await
                .unwrap(),
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    assert_eq!(client.ask(request(1, "x")).await["result"], json!({}));
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

#[tokio::test]
async fn an_answer_that_cannot_be_fetched_any_more_is_given_up() {
    let upstream = streaming(|mut call, _| async move {
        match (call.head.method(), call.head.get("last-event-id")) {
            ("POST", _) => {
                call.open_stream(&[]).await.unwrap();
                call.chunk("retry: 10\nid: p-1\ndata:\n\n").await.unwrap();
                call.last_chunk().await.unwrap();
            }
            _ => call
                .answer("400 Bad Request", &[], "what event?")
                .await
                .unwrap(),
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    let error = client.ask(request(1, "x")).await;
    assert_eq!(error["error"]["data"]["status"], 400, "{error}");
    assert_eq!(error["id"], 1);
}

#[tokio::test]
async fn a_stream_without_ids_that_ends_early_fails_its_request() {
    for breaks_off in [false, true] {
        let upstream = legacy(move |mut call, _| async move {
            call.open_stream(&[]).await.unwrap();
            call.chunk(format!("data: {}\n\n", note(1))).await.unwrap();
            match breaks_off {
                false => call.last_chunk().await.unwrap(),
                true => call.hang_up(),
            }
        })
        .await;
        let mut client = Client::ready(&upstream).await;
        assert_eq!(
            client.ask(request("one", "x")).await["method"],
            "notifications/message"
        );
        let error = client.json().await;
        assert_eq!(
            (&error["id"], &error["error"]["code"]),
            (&json!("one"), &json!(-32603))
        );
        assert_eq!(error["error"]["data"]["sentinel"], true);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_the_stream() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 200;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let upstream = legacy(move |mut call, message| {
        let count = count.clone();
        async move {
            call.open_stream(&[]).await.unwrap();
            for _ in 0..PIECES {
                let piece =
                    json!({"jsonrpc": "2.0", "method": "n", "params": {"x": "x".repeat(PIECE)}});
                call.chunk(format!("data: {piece}\n\n")).await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
            }
            call.chunk(format!("data: {}\n\n", result(&message, json!({}))))
                .await
                .unwrap();
            call.last_chunk().await.unwrap();
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    client.send(request(1, "x")).await;
    // Until it goes no further.
    let (mut before, mut still) = (0, 0);
    while still < 20 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let now = sent.load(Ordering::SeqCst);
        still = if now == before && now > 0 {
            still + 1
        } else {
            0
        };
        before = now;
    }
    assert!(
        before < PIECES / 2,
        "{before} MB were taken for a client that reads nothing"
    );
    for _ in 0..PIECES {
        assert!(client.line().await.len() > PIECE);
    }
    assert_eq!(client.json().await["id"], 1);
}

#[tokio::test]
async fn a_second_handshake_starts_afresh() {
    let streams = Arc::new(Notify::new());
    let gone = streams.clone();
    let upstream = streaming(move |mut call, _| {
        let gone = gone.clone();
        async move {
            call.open_stream(&[]).await.unwrap();
            call.gone().await;
            gone.notify_one();
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    let is_stream = |seen: &[crate::common::http::Seen]| {
        seen.iter()
            .any(|it| it.head.method() == "GET")
            .then_some(())
    };
    upstream.wait("the first stream", is_stream).await;
    client.ask(INITIALIZE).await;
    within("the first stream is left", streams.notified()).await;
    let is_handshake = |it: &&crate::common::http::Seen| it.text().contains("\"initialize\"");
    let seen = upstream.seen();
    let again = seen.iter().rfind(is_handshake).unwrap();
    assert_eq!(again.head.get("mcp-session-id"), None);
    client.send(INITIALIZED).await;
}
