//! The handshake with which a forgotten session is begun anew: what may come back, and what the client is told when it
//! fails.

use crate::anew::SHAKEN;
use crate::client::{request, result};
use crate::common::http::{Call, Seen, Upstream, until};
use crate::forgetful::{Memory, begun, count, pairs, plain, posted, ready, scripted, unknown};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What a client is told when its server answers this message of the second handshake so.
async fn told_when<F, R>(method: &'static str, answer: F) -> (Upstream, String)
where
    F: Fn(Call, Value, Arc<Memory>) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let (is_first, answer) = (AtomicBool::new(true), Arc::new(answer));
    let (upstream, memory) = scripted(move |call, message, memory| {
        let is_it = message["method"] == method;
        let is_second = is_it && !is_first.swap(false, Ordering::SeqCst);
        let answer = answer.clone();
        async move {
            match is_second {
                true => answer(call, message, memory).await,
                false => plain(call, message, memory).await,
            }
        }
    })
    .await;
    let mut client = ready(&upstream).await;
    assert_eq!(client.ask(request(1, "x")).await["id"], 1);
    memory.forget();
    let error = client.ask(request(2, "x")).await;
    assert_eq!(
        (&error["id"], &error["error"]["code"]),
        (&json!(2), &json!(-32603))
    );
    assert_eq!(client.rest().await, (String::new(), Some(1)));
    assert_eq!(count(&upstream, "initialize"), 2);
    let message = error["error"]["message"].as_str().unwrap().to_owned();
    let why = message.strip_prefix("mcp-sentinel: ").unwrap();
    let errors = client.proxy.errors();
    assert!(errors.contains(why), "{errors}: {why}");
    assert!(why.ends_with("the client must start again"), "{why}");
    (upstream, message)
}

#[tokio::test]
async fn a_session_that_cannot_be_begun_anew_ends_and_says_why() {
    let refused = told_when("initialize", |mut call, _, _| async move {
        call.answer("503 Service Unavailable", &[], "later")
            .await
            .unwrap();
    });
    assert!(refused.await.1.contains("503"));
    let failed = told_when("initialize", |mut call, message, _| async move {
        let error = json!({"code": -32602, "message": "not you"});
        let answer = json!({"jsonrpc": "2.0", "id": message["id"], "error": error});
        call.answer_json(answer.to_string()).await.unwrap();
    });
    assert!(failed.await.1.contains("not you"));
    let silent = told_when("initialize", |mut call, _, _| async move {
        call.answer("202 Accepted", &[], "").await.unwrap();
    });
    assert!(silent.await.1.contains("202"));
    let forgotten = told_when("notifications/initialized", |mut call, _, _| async move {
        unknown(&mut call).await;
    });
    let (upstream, message) = forgotten.await;
    assert!(message.contains("404"), "{message}");
    assert_eq!(count(&upstream, "notifications/initialized"), 2);
    let gone = told_when("initialize", |call, _, _| async move { call.reset() });
    assert!(gone.await.1.contains("cannot reach the server"));
}

#[tokio::test]
async fn what_a_server_says_against_a_new_session_does_not_command_a_terminal() {
    let (upstream, memory) = scripted(|mut call, message, memory| async move {
        if message["method"] == "initialize" && memory.begun.load(Ordering::SeqCst) > 0 {
            let error =
                json!({"code": -32603, "message": "full\u{1b}[2J\u{7}\nmcp-sentinel: all is well"});
            let answer = json!({"jsonrpc": "2.0", "id": message["id"], "error": error});
            return call.answer_json(answer.to_string()).await.unwrap();
        }
        plain(call, message, memory).await;
    })
    .await;
    let mut client = ready(&upstream).await;
    memory.forget();
    client.send(request(2, "y")).await;
    client.rest().await;
    let errors = client.proxy.errors();
    assert!(errors.contains("the server says: full"), "{errors}");
    assert!(!errors.contains(['\u{1b}', '\u{7}']), "{errors:?}");
    assert!(!errors.contains("\nmcp-sentinel: all is well"), "{errors}");
}

#[tokio::test]
async fn a_session_with_another_version_than_the_client_knows_is_left() {
    let (upstream, message) = told_when("initialize", |mut call, message, memory| async move {
        memory.welcome_with(&mut call, &message, "2025-06-18").await;
    })
    .await;
    assert!(
        message.contains("2025-06-18") && message.contains("2025-11-25"),
        "{message}"
    );
    let left =
        |it: &Seen| it.head.method() == "DELETE" && it.head.get("mcp-session-id") == Some("s-2");
    assert!(
        upstream.seen().iter().any(left),
        "it is of no use to anybody"
    );
}

#[tokio::test]
async fn an_answer_to_the_second_handshake_may_come_as_a_stream_of_events() {
    let (upstream, memory) = scripted(|mut call, message, memory| async move {
        let begun = memory.begun.load(Ordering::SeqCst);
        if message["method"] != "initialize" || begun == 0 {
            return plain(call, message, memory).await;
        }
        memory.begun.store(2, Ordering::SeqCst);
        memory.known.store(2, Ordering::SeqCst);
        call.open_stream(&[("Mcp-Session-Id", "s-2")])
            .await
            .unwrap();
        let news = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}});
        let answer = result(&message, json!({"protocolVersion": "2025-11-25"}));
        call.chunk(format!(
            "id: 1\ndata:\n\ndata: {news}\n\ndata: {answer}\n\n"
        ))
        .await
        .unwrap();
        call.gone().await;
    })
    .await;
    let mut client = ready(&upstream).await;
    memory.forget();
    assert_eq!(
        client.ask(request(1, "x")).await["method"],
        "notifications/message"
    );
    assert_eq!(client.json().await["id"], 1);
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

#[tokio::test]
async fn a_handshake_that_the_server_forgets_halfway_is_finished_once() {
    let is_first = Mutex::new(true);
    let is_first = Arc::new(is_first);
    let (upstream, _) = scripted(move |mut call, message, memory| {
        let is_first = is_first.clone();
        async move {
            if message["method"] == "notifications/initialized" {
                let first = std::mem::take(&mut *is_first.lock().unwrap());
                if first {
                    return unknown(&mut call).await;
                }
            }
            plain(call, message, memory).await;
        }
    })
    .await;
    let mut client = begun(&upstream).await;
    assert_eq!(client.ask(request(1, "x")).await["id"], 1);
    let all = [
        SHAKEN[0],
        SHAKEN[1],
        SHAKEN[0],
        ("notifications/initialized", "s-2"),
        ("x", "s-2"),
    ];
    assert_eq!(posted(&upstream), pairs(&all));
    until("the session goes on", || count(&upstream, "x") == 1).await;
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}
