//! The old HTTP+SSE transport, when that is all that a server speaks.

use crate::client::{Client, INITIALIZE, INITIALIZED, request, result};
use crate::common::http::Upstream;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{Mutex, Notify, mpsc};

/// Answers by its one stream, which ends when it is told; the endpoint is what it is told.
async fn old_server(endpoint: &'static str, end: Arc<Notify>) -> Upstream {
    let (answers, queue) = mpsc::unbounded_channel::<String>();
    let queue = Arc::new(Mutex::new(queue));
    Upstream::start(move |mut call| {
        let (answers, queue, end) = (answers.clone(), queue.clone(), end.clone());
        async move {
            let target = call.head.target().to_owned();
            match (call.head.method(), target.as_str()) {
                ("GET", "/mcp?a=b") => {
                    call.open_stream(&[]).await.unwrap();
                    call.chunk(format!("event: endpoint\ndata: {endpoint}\n\n")).await.unwrap();
                    let mut queue = queue.lock().await;
                    loop {
                        tokio::select! {
                            Some(answer) = queue.recv() => {
                                call.chunk(format!("event: message\ndata: {answer}\n\n")).await.unwrap();
                            }
                            () = end.notified() => return call.last_chunk().await.unwrap(),
                        }
                    }
                }
                ("POST", "/messages?session=1") => {
                    let message: Value = call.json().await;
                    if message["method"] == "lost" {
                        let said = "Session not found";
                        return call.answer("404 Not Found", &[], said).await.unwrap();
                    }
                    // As the first SDKs have it.
                    call.answer("202 Accepted", &[], "Accepted").await.unwrap();
                    match message["method"].as_str() {
                        Some("initialize") => {
                            let info = json!({"protocolVersion": "2024-11-05", "capabilities": {}});
                            answers.send(result(&message, info)).unwrap();
                        }
                        Some("silent") => {}
                        _ if message.get("id").is_none() => {}
                        _ => answers.send(result(&message, json!({"old": true}))).unwrap(),
                    }
                }
                _ => call.answer("404 Not Found", &[], "Cannot POST").await.unwrap(),
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_server_of_the_old_transport_is_served_all_the_same() {
    served(&[]).await;
}

/// Its stream is its session, so there is nothing to begin anew.
#[tokio::test]
async fn a_session_of_the_old_transport_is_not_begun_anew() {
    served(&["--auto-reinit"]).await;
}

async fn served(options: &[&str]) {
    let end = Arc::new(Notify::new());
    let upstream = old_server("/messages?session=1", end.clone()).await;
    let mut client = Client::with(&[options, &[&*upstream.url("/mcp?a=b")]].concat());
    let answer = client.ask(INITIALIZE).await;
    assert_eq!(answer["result"]["protocolVersion"], "2024-11-05");
    client.send(INITIALIZED).await;
    assert_eq!(client.ask(request(1, "x")).await["result"]["old"], true);
    assert_eq!(client.ask(request(2, "x")).await["id"], 2);
    let refused = client.ask(request("lost", "lost")).await;
    assert_eq!(refused["error"]["data"]["status"], 404, "{refused}");
    // Its stream is the session.
    client.send(request(3, "silent")).await;
    let is_here = |seen: &[crate::common::http::Seen]| {
        seen.iter()
            .any(|it| it.text().contains("silent"))
            .then_some(())
    };
    upstream.wait("the last request", is_here).await;
    end.notify_one();
    let (rest, code) = client.rest().await;
    let error: Value = serde_json::from_str(&rest).unwrap();
    assert_eq!((&error["id"], code), (&json!(3), Some(1)));
    let handshakes = upstream
        .seen()
        .into_iter()
        .filter(|it| it.text().contains("\"initialize\""));
    assert_eq!(handshakes.count(), 2, "once in vain, once where it belongs");
}

/// It belongs to its HTTP exchange, as what any other server says beside its messages.
#[tokio::test]
async fn what_a_post_is_accepted_with_is_not_taken_for_a_message() {
    let upstream = old_server("/messages?session=1", Arc::default()).await;
    let mut client = Client::of(&upstream);
    client.ask(INITIALIZE).await;
    client.send(INITIALIZED).await;
    client.ask(request(1, "x")).await;
    let said = |it: &Value| it["http"]["body"]["text"].as_str().map(str::to_owned);
    let capture = client.proxy.captured("three times", |all| {
        all.iter()
            .filter_map(said)
            .filter(|it| it == "Accepted")
            .count()
            == 3
    });
    let capture = capture.await;
    let refused = capture
        .iter()
        .filter_map(said)
        .filter(|it| it == "Cannot POST");
    assert_eq!(refused.count(), 1);
    let no_json = |it: &&Value| it["from"] == "server" && it["message"].is_null();
    assert_eq!(capture.iter().find(no_json), None);
}

#[tokio::test]
async fn an_endpoint_at_another_origin_is_not_posted_to() {
    let upstream = old_server("http://example.invalid/messages", Arc::default()).await;
    let mut client = Client::of(&upstream);
    let refused = client.ask(INITIALIZE).await;
    assert_eq!(refused["error"]["data"]["status"], 404);
    client.recorded(&["note", "example.invalid"]).await;
}
