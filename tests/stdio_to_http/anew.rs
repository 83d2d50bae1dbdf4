//! Sessions that the server has forgotten and that are begun anew, unseen by the client.

use crate::client::{Client, INITIALIZE, INITIALIZED, request, result};
use crate::common::http::{Seen, Upstream, until, within};
use crate::forgetful::{Memory, begun, count, pairs, plain, posted, ready, scripted, unknown};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{Barrier, Notify};

pub const SHAKEN: [(&str, &str); 3] = [
    ("initialize", "-"),
    ("notifications/initialized", "s-1"),
    ("hello", "s-1"),
];

#[tokio::test]
async fn a_forgotten_session_is_begun_anew_and_the_client_sees_nothing_of_it() {
    let (upstream, memory) = scripted(plain).await;
    let mut client = ready(&upstream).await;
    assert_eq!(client.ask(request(1, "x")).await["result"], json!({}));
    memory.forget();
    let answer = client.ask(request(2, "y")).await;
    assert_eq!((&answer["id"], &answer["result"]), (&json!(2), &json!({})));
    assert_eq!(client.ask(request(3, "z")).await["id"], 3);
    let anew = [
        ("x", "s-1"),
        ("y", "s-1"),
        ("initialize", "-"),
        ("notifications/initialized", "s-2"),
        ("y", "s-2"),
        ("z", "s-2"),
    ];
    assert_eq!(posted(&upstream), pairs(&[&SHAKEN[..], &anew].concat()));
    let bodies = |part: &str| -> Vec<String> {
        let seen = upstream.seen().into_iter();
        let those = seen.filter(|it| it.text().contains(part));
        those.map(|it| it.text().to_owned()).collect()
    };
    assert_eq!(bodies("\"initialize\""), [INITIALIZE; 2]);
    assert_eq!(bodies("/initialized"), [INITIALIZED; 2]);
    let is_version = |it: Seen| it.head.get("mcp-protocol-version") == Some("2025-11-25");
    let after_hello = upstream.seen().into_iter().skip(1);
    assert_eq!(
        after_hello
            .filter(|it| it.text() != INITIALIZE)
            .filter(|it| !is_version(it.clone()))
            .count(),
        0
    );

    assert_eq!(client.leave().await, (String::new(), Some(0)));
    let last = upstream.seen().pop().unwrap();
    assert_eq!(
        (last.head.method(), last.head.get("mcp-session-id")),
        ("DELETE", Some("s-2"))
    );
}

#[tokio::test]
async fn a_session_that_the_server_says_is_not_valid_is_forgotten_too() {
    let (upstream, memory) = scripted(|mut call, message, memory| async move {
        if message["method"] == "initialize" || memory.knows(&call) {
            return plain(call, message, memory).await;
        }
        let said = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#;
        let json = [("Content-Type", "application/json")];
        call.answer("400 Bad Request", &json, said).await.unwrap();
    })
    .await;
    let mut client = ready(&upstream).await;
    memory.forget();
    assert_eq!(client.ask(request(2, "y")).await["result"], json!({}));
    assert_eq!(count(&upstream, "initialize"), 2);
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

#[tokio::test]
async fn the_new_handshake_is_on_record_as_ours_and_the_session_stays_the_same() {
    let (upstream, memory) = scripted(plain).await;
    let mut client = ready(&upstream).await;
    assert_eq!(client.ask(request(1, "x")).await["id"], 1);
    memory.forget();
    assert_eq!(client.ask(request(2, "y")).await["id"], 2);
    assert_eq!(client.leave().await, (String::new(), Some(0)));
    client.recorded(&["closed"]).await;
    let capture = client.proxy.captured("all", |_| true).await;
    let from_to = |part: &str| -> Vec<(Value, Value)> {
        let those = capture
            .iter()
            .filter(|it| it["message"].to_string().contains(part));
        those
            .map(|it| (it["from"].clone(), it["to"].clone()))
            .collect()
    };
    // Between the peers, where a message goes is left out.
    let (theirs, ours) = (
        |from: &str| (json!(from), Value::Null),
        |from: &str, to: &str| (json!(from), json!(to)),
    );
    let asked = [theirs("client"), ours("sentinel", "server")];
    assert_eq!(from_to("\"method\":\"initialize\""), asked);
    assert_eq!(from_to("notifications/initialized"), asked);
    let told = [theirs("server"), ours("server", "sentinel")];
    assert_eq!(from_to("serverInfo"), told);
    assert_eq!(
        from_to("\"method\":\"y\""),
        [theirs("client")],
        "once, however often it was sent"
    );
    let opened = capture.iter().filter(|it| it.get("opened").is_some());
    assert_eq!(opened.count(), 1);
    let sessions = capture.iter().filter_map(|it| it.get("session"));
    assert!(sessions.into_iter().all(|it| *it == 1), "{capture:?}");
    let note = client.recorded(&["note", "begun anew"]).await;
    assert!(
        note.to_string()
            .contains("the server had forgotten the session"),
        "{note}"
    );
}

#[tokio::test]
async fn requests_that_are_refused_at_the_same_time_begin_one_session_and_are_sent_again_once_each()
{
    let both = Arc::new(Barrier::new(2));
    let (upstream, memory) = scripted(move |mut call, message, memory| {
        let both = both.clone();
        async move {
            let is_refused = message["method"] == "x" && !memory.knows(&call);
            if is_refused {
                both.wait().await;
                // As some servers say it: to the request itself.
                let error = json!({"code": -32001, "message": "Session not found"});
                let answer = json!({"jsonrpc": "2.0", "id": message["id"], "error": error});
                let headers = [("Content-Type", "application/json")];
                let answer = call.answer("404 Not Found", &headers, answer.to_string());
                return answer.await.unwrap();
            }
            plain(call, message, memory).await;
        }
    })
    .await;
    let mut client = ready(&upstream).await;
    memory.forget();
    client
        .send([request(1, "x"), request(2, "x")].join("\n"))
        .await;
    let mut ids = [client.json().await, client.json().await].map(|it| {
        assert_eq!(it["result"], json!({}));
        it["id"].as_i64()
    });
    ids.sort_unstable();
    assert_eq!(ids, [Some(1), Some(2)]);
    assert_eq!(
        (count(&upstream, "initialize"), count(&upstream, "x")),
        (2, 4)
    );
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

/// A client whose request 1, `slow`, is with a server that has forgotten the session and says so when it is told to.
async fn refused_late() -> (Upstream, Client, Arc<Notify>) {
    let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (is_asked, refuse) = (asked.clone(), go_on.clone());
    let (upstream, memory) = scripted(move |mut call, message, memory| {
        let (asked, go_on) = (asked.clone(), go_on.clone());
        async move {
            if message["method"] == "slow" && !memory.knows(&call) {
                asked.notify_one();
                go_on.notified().await;
                return unknown(&mut call).await;
            }
            plain(call, message, memory).await;
        }
    })
    .await;
    let mut client = ready(&upstream).await;
    memory.forget();
    client.send(request(1, "slow")).await;
    within("the slow request", is_asked.notified()).await;
    (upstream, client, refuse)
}

#[tokio::test]
async fn what_was_sent_before_the_new_session_and_is_refused_after_is_only_sent_again() {
    let (upstream, mut client, refuse) = refused_late().await;
    assert_eq!(client.ask(request(2, "x")).await["id"], 2);
    refuse.notify_one();
    let answer = client.json().await;
    assert_eq!((&answer["id"], &answer["result"]), (&json!(1), &json!({})));
    assert_eq!(
        (count(&upstream, "initialize"), count(&upstream, "slow")),
        (2, 2)
    );
}

#[tokio::test]
async fn lines_that_come_meanwhile_wait_and_keep_their_order() {
    let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (is_asked, let_in) = (asked.clone(), go_on.clone());
    let (upstream, memory) = scripted(move |call, message, memory| {
        let (asked, go_on) = (asked.clone(), go_on.clone());
        async move {
            let again = memory.begun.load(Ordering::SeqCst) > 0;
            if message["method"] == "initialize" && again {
                asked.notify_one();
                go_on.notified().await;
            }
            plain(call, message, memory).await;
        }
    })
    .await;
    let mut client = ready(&upstream).await;
    memory.forget();
    client.send(request(1, "first")).await;
    within("the second handshake", is_asked.notified()).await;
    let note = r#"{"jsonrpc":"2.0","method":"note"}"#;
    client
        .send([&request(2, "second"), note, &request(3, "third")].join("\n"))
        .await;
    // As long as it would take them to overtake.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let_in.notify_one();
    for _ in 0..3 {
        assert!(client.json().await.get("result").is_some());
    }
    let anew = [
        ("first", "s-1"),
        ("initialize", "-"),
        ("notifications/initialized", "s-2"),
        ("first", "s-2"),
        ("second", "s-2"),
        ("note", "s-2"),
        ("third", "s-2"),
    ];
    assert_eq!(posted(&upstream), pairs(&[&SHAKEN[..], &anew].concat()));
}

#[tokio::test]
async fn what_needs_no_answer_is_sent_again_too() {
    let (upstream, memory) = scripted(plain).await;
    let mut client = ready(&upstream).await;
    assert_eq!(client.ask(request(1, "x")).await["id"], 1);
    memory.forget();
    let nobody_asked = r#"{"jsonrpc":"2.0","id":"odd","result":{}}"#;
    client.send(nobody_asked).await;
    assert_eq!(client.ask(request(2, "x")).await["id"], 2);
    memory.forget();
    client.send(r#"{"jsonrpc":"2.0","method":"note"}"#).await;
    assert_eq!(client.ask(request(3, "x")).await["id"], 3);
    let sessions = |what: &str| -> Vec<String> {
        let all = posted(&upstream).into_iter();
        all.filter(|(it, _)| it == what)
            .map(|(_, session)| session)
            .collect()
    };
    assert_eq!(sessions("\"odd\""), ["s-1", "s-2"]);
    assert_eq!(sessions("note"), ["s-2", "s-3"]);
    assert_eq!(client.leave().await, (String::new(), Some(0)));
    let errors = client.proxy.errors();
    assert!(errors.contains(", 0 errors,"), "{errors}");
}

#[tokio::test]
async fn what_needs_no_answer_and_is_refused_twice_is_one_error() {
    let (upstream, _) = scripted(|mut call, message, memory| async move {
        match message["method"] == "note" {
            true => unknown(&mut call).await,
            false => plain(call, message, memory).await,
        }
    })
    .await;
    let mut client = ready(&upstream).await;
    client.send(r#"{"jsonrpc":"2.0","method":"note"}"#).await;
    client.rest().await;
    let notes = posted(&upstream).into_iter().filter(|(it, _)| it == "note");
    assert_eq!(notes.count(), 2);
    let errors = client.proxy.errors();
    assert!(errors.contains(", 1 error,"), "{errors}");
}

/// A server that asks for roots with the answer to `ask`, once a session, always with the same id.
async fn asking() -> (Upstream, Arc<Memory>) {
    scripted(|mut call, message, memory| async move {
        if message["method"] != "ask" || !memory.knows(&call) {
            return plain(call, message, memory).await;
        }
        call.open_stream(&[]).await.unwrap();
        let asked = request("s", "roots/list");
        let answer = result(&message, json!({}));
        call.chunk(format!("data: {asked}\n\ndata: {answer}\n\n"))
            .await
            .unwrap();
        call.last_chunk().await.unwrap();
    })
    .await
}

const ROOTS: &str = r#"{"jsonrpc":"2.0","id":"s","result":{"roots":[]}}"#;

#[tokio::test]
async fn an_answer_to_what_a_forgotten_session_asked_is_not_sent_in_the_next() {
    for is_first_to_hear in [true, false] {
        let (upstream, memory) = asking().await;
        let mut client = ready(&upstream).await;
        assert_eq!(client.ask(request(1, "ask")).await["method"], "roots/list");
        assert_eq!(client.json().await["id"], 1);
        memory.forget();
        if !is_first_to_hear {
            assert_eq!(client.ask(request(2, "x")).await["id"], 2);
        }
        client.send(ROOTS).await;
        assert_eq!(client.ask(request(3, "x")).await["id"], 3);
        let tries = usize::from(is_first_to_hear);
        assert_eq!(count(&upstream, "\"s\""), tries, "{:?}", posted(&upstream));
        client.recorded(&["note", "the session that asked"]).await;
        client
            .recorded(&["\"from\":\"client\"", "roots\":[]"])
            .await;

        // Of the new session's it is one.
        assert_eq!(client.ask(request(4, "ask")).await["method"], "roots/list");
        assert_eq!(client.json().await["id"], 4);
        client.send(ROOTS).await;
        assert_eq!(client.ask(request(5, "x")).await["id"], 5);
        assert_eq!(count(&upstream, "\"s\""), tries + 1);
        assert_eq!(client.leave().await, (String::new(), Some(0)));
    }
}

/// A server whose streams beside the requests last as long as `opens` says, and are unknown in a session that is.
async fn beside(opens: impl Fn(usize) -> bool + Send + Sync + 'static) -> (Upstream, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    let (shared, opens) = (memory.clone(), Arc::new(opens));
    let upstream = Upstream::start(move |mut call| {
        let (memory, opens) = (shared.clone(), opens.clone());
        async move {
            if call.head.method() != "GET" {
                let body = call.body().await;
                let message = serde_json::from_slice(&body).unwrap_or_default();
                return plain(call, message, memory).await;
            }
            if !memory.knows(&call) {
                return unknown(&mut call).await;
            }
            call.open_stream(&[]).await.unwrap();
            call.chunk("id: 1\nretry: 10\ndata:\n\n").await.unwrap();
            if opens(memory.begun.load(Ordering::SeqCst)) {
                return call.gone().await;
            }
            call.last_chunk().await.unwrap();
            memory.forget();
        }
    })
    .await;
    (upstream, memory)
}

#[tokio::test]
async fn a_stream_that_the_server_knows_no_more_begins_a_quiet_session_anew() {
    let (upstream, _) = beside(|session| session == 2).await;
    let mut client = begun(&upstream).await;
    let listens_again = |seen: &[Seen]| {
        let is_it =
            |it: &Seen| it.head.method() == "GET" && it.head.get("mcp-session-id") == Some("s-2");
        seen.iter().any(is_it).then_some(())
    };
    upstream
        .wait("the stream of the new session", listens_again)
        .await;
    assert_eq!(client.ask(request(1, "x")).await["id"], 1);
    assert_eq!(count(&upstream, "initialize"), 2);
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

#[tokio::test]
async fn a_session_in_which_nothing_was_answered_is_not_begun_anew_a_second_time() {
    let (upstream, _) = beside(|_| false).await;
    let mut client = begun(&upstream).await;
    assert_eq!(client.rest().await, (String::new(), Some(1)));
    assert_eq!(count(&upstream, "initialize"), 2);
    let errors = client.proxy.errors();
    assert!(errors.contains("must start again"), "{errors}");
}

#[tokio::test]
async fn a_request_that_is_refused_in_the_new_session_too_ends_it() {
    let (upstream, _) = scripted(|mut call, message, memory| async move {
        if message["method"] == "x" {
            return unknown(&mut call).await;
        }
        plain(call, message, memory).await;
    })
    .await;
    let mut client = ready(&upstream).await;
    let error = client.ask(request(1, "x")).await;
    assert_eq!(error["error"]["data"]["status"], 404, "{error}");
    assert_eq!(client.rest().await, (String::new(), Some(1)));
    assert_eq!(
        (count(&upstream, "initialize"), count(&upstream, "x")),
        (2, 2)
    );
    assert!(client.proxy.errors().contains("must start again"));
}

#[tokio::test]
async fn a_session_can_be_begun_anew_as_often_as_it_has_answered_something() {
    let (upstream, memory) = scripted(plain).await;
    let mut client = ready(&upstream).await;
    for id in 1..=3 {
        memory.forget();
        assert_eq!(client.ask(request(id, "x")).await["id"], id);
    }
    assert_eq!(count(&upstream, "initialize"), 4);
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

#[tokio::test]
async fn a_request_that_needs_no_session_begins_none() {
    let (upstream, _) = scripted(|mut call, _, _| async move { unknown(&mut call).await }).await;
    let mut client = Client::with(&["--auto-reinit", &upstream.url("/mcp")]);
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    for id in 1..=2 {
        let params = json!({"_meta": meta});
        let asked = json!({"jsonrpc": "2.0", "id": id, "method": "tools/list", "params": params});
        let error = client.ask(asked.to_string()).await;
        assert_eq!(error["error"]["data"]["status"], 404, "{error}");
    }
    assert_eq!(posted(&upstream), pairs(&[("tools/list", "-"); 2]));
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

#[tokio::test]
async fn lines_that_wait_for_a_session_that_cannot_be_begun_are_answered() {
    let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (is_asked, refuse) = (asked.clone(), go_on.clone());
    let (upstream, memory) = scripted(move |mut call, message, memory| {
        let (asked, go_on) = (asked.clone(), go_on.clone());
        async move {
            if message["method"] == "initialize" && memory.begun.load(Ordering::SeqCst) > 0 {
                asked.notify_one();
                go_on.notified().await;
                let said = "503 Service Unavailable";
                return call.answer(said, &[], "later").await.unwrap();
            }
            plain(call, message, memory).await;
        }
    })
    .await;
    let mut client = ready(&upstream).await;
    memory.forget();
    client.send(request(1, "first")).await;
    within("the second handshake", is_asked.notified()).await;
    let more = [request(2, "second"), request(3, "third")];
    client.send(more.join("\n")).await;
    client.all_read().await;
    refuse.notify_one();
    let (rest, _) = client.rest().await;
    for id in 1..=3 {
        assert!(rest.contains(&format!("\"id\":{id}")), "{id}: {rest}");
    }
    for what in ["first", "second", "third"] {
        client.recorded(&[what]).await;
    }
}

#[tokio::test]
async fn a_stream_of_the_forgotten_session_is_not_taken_up_in_the_next() {
    let memory = Arc::new(Memory::default());
    let shared = memory.clone();
    let upstream = Upstream::start(move |mut call| {
        let memory = shared.clone();
        async move {
            if call.head.method() == "GET" {
                if call.head.get("last-event-id").is_none() {
                    return call.answer("405 No", &[], "").await.unwrap();
                }
                // To a server that does not know the event, it is a stream like any other.
                call.open_stream(&[]).await.unwrap();
                return call.gone().await;
            }
            let body = call.body().await;
            let message: Value = serde_json::from_slice(&body).unwrap_or_default();
            if message["method"] == "slow" && memory.knows(&call) {
                call.open_stream(&[]).await.unwrap();
                call.chunk("id: 7\nretry: 700\ndata:\n\n").await.unwrap();
                memory.forget();
                return call.last_chunk().await.unwrap();
            }
            plain(call, message, memory).await;
        }
    })
    .await;
    let mut client = ready(&upstream).await;
    client.send(request(1, "slow")).await;
    let has_forgotten = || memory.known.load(Ordering::SeqCst) == 0;
    until("the end of the session", has_forgotten).await;
    assert_eq!(client.ask(request(2, "x")).await["id"], 2);
    let error = within("an answer to the first", client.json()).await;
    assert_eq!(
        (&error["id"], &error["error"]["code"]),
        (&json!(1), &json!(-32603))
    );
    let resumed = |it: &Seen| it.head.get("last-event-id").is_some();
    assert!(!upstream.seen().iter().any(resumed));
}

#[tokio::test]
async fn a_request_that_was_cancelled_is_not_sent_again() {
    let (upstream, mut client, refuse) = refused_late().await;
    client
        .send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#)
        .await;
    assert_eq!(client.ask(request(2, "x")).await["id"], 2);
    refuse.notify_one();
    let why = "the client has cancelled it since";
    until("the note", || client.proxy.errors().contains(why)).await;
    assert_eq!(client.ask(request(3, "x")).await["id"], 3);
    assert_eq!(count(&upstream, "slow"), 1);
}
