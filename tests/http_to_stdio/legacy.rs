//! Clients of the legacy era: sessions, streams and how they go on.

use crate::common::http::{Answer, Client, within};
use crate::door::*;
use serde_json::{Value, json};

pub fn a_session_begins_with_initialize_and_ends_with_delete() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-11-25").await;
        assert!(session.id.len() >= 32 && session.id.bytes().all(|it| (0x21..0x7f).contains(&it)));
        let answer = session.post(request(1, "hear")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json()["result"]["line"], request(1, "hear"));
        let deleted = Client::ask(door.address, "DELETE", "/mcp", &session.headers(), "").await;
        assert_eq!(deleted.status(), 204);
        let after = session.post(request(2, "hear")).await;
        assert_eq!(after.status(), 404, "{}", after.text());
    });
}

pub fn an_answer_that_comes_soon_is_json() {
    on(async {
        let door = counter("modern").await;
        let session = door.session("2025-11-25").await;
        let is_json = |it: Answer| it.head.get("content-type") == Some("application/json");
        // On a machine that is busy the first may take its time.
        let legacy = async { while !is_json(session.post(request(1, "hear")).await) {} };
        within("JSON in the legacy era", legacy).await;
        let modern = async { while !is_json(door.modern(&plain(1, "hear")).await) {} };
        within("JSON in the modern era", modern).await;
    });
}

pub fn every_session_has_a_child_of_its_own() {
    on(async {
        let door = counter("legacy").await;
        let (one, other) = (
            door.session("2025-06-18").await,
            door.session("2025-06-18").await,
        );
        let pid = async |it: &Session<'_>| {
            it.post(request(1, "hear")).await.json()["result"]["pid"].clone()
        };
        assert_ne!(pid(&one).await, pid(&other).await);
        assert_eq!(pid(&one).await, pid(&one).await);
    });
}

pub fn a_session_that_is_missing_or_unknown_is_said_to_be() {
    on(async {
        let door = counter("legacy").await;
        let missing = door.post(&[], request(7, "hear")).await;
        assert_eq!(missing.status(), 400);
        assert_eq!(missing.json()["id"], 7);
        assert_eq!(missing.json()["error"]["data"]["sentinel"], true);
        for method in ["GET", "DELETE"] {
            let accept = [("accept", "text/event-stream")];
            let missing = Client::ask(door.address, method, "/mcp", &accept, "").await;
            assert_eq!(missing.status(), 400, "{method}");
            let unknown = [("mcp-session-id", "nobody"), accept[0]];
            let unknown = Client::ask(door.address, method, "/mcp", &unknown, "").await;
            assert_eq!(unknown.status(), 404, "{method}");
        }
        let unknown = door.post(&[("mcp-session-id", "nobody")], request(7, "hear"));
        assert_eq!(unknown.await.status(), 404);
        let again = door.post(&[("mcp-session-id", "nobody")], initialize("2025-06-18"));
        assert_eq!(again.await.status(), 404);
    });
}

pub fn a_handshake_that_fails_makes_no_session() {
    on(async {
        let door = counter("legacy").await;
        let answer = door.post_json(&[], initialize("refused")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json()["error"]["code"], -32602);
        assert_eq!(answer.head.get("mcp-session-id"), None);
        door.recorded(&["\"closed\""]).await;
        let answer = door.post_json(&[], initialize("deadly")).await;
        assert_eq!(answer.json()["error"]["data"]["sentinel"], true);
        assert_eq!(answer.head.get("mcp-session-id"), None);
    });
}

pub fn a_session_that_its_client_does_not_wait_for_ends() {
    on(async {
        let door = counter("legacy").await;
        let answers = door.proxy.home.path().join("answers");
        let body = initialize(answers.to_str().unwrap());
        let waiting = door.stream(&[], body).await;
        door.recorded(&["\"initialize\""]).await;
        drop(waiting);
        door.recorded(&["\"end\"", "the client went away"]).await;
        std::fs::write(answers, "").unwrap();
        door.recorded(&["\"closed\""]).await;
    });
}

pub fn a_version_of_another_era_is_refused() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-11-25").await;
        let says = async |version: &str| {
            let headers = [
                ("mcp-session-id", &*session.id),
                ("mcp-protocol-version", version),
            ];
            door.post(&headers, request(1, "hear")).await.status()
        };
        assert_eq!(says("2025-11-25").await, 200);
        assert_eq!(says("2025-03-26").await, 200);
        assert_eq!(says("1999-01-01").await, 400);
    });
}

pub fn progress_makes_a_stream_of_events_with_ids() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let answer = session.post(progressing(1, "progress", "t")).await;
        assert_eq!(answer.head.get("content-type"), Some("text/event-stream"));
        let events = answer.events();
        assert_eq!(events.len(), 2);
        assert_eq!(events[0].json()["params"]["progressToken"], "t");
        assert_eq!(events[1].json()["id"], 1);
        let ids: Vec<_> = events.iter().map(|it| it.id.clone().unwrap()).collect();
        assert_ne!(ids[0], ids[1]);
        assert!(events.iter().all(|it| it.retry.is_none()));
    });
}

pub fn a_stream_of_the_last_legacy_version_begins_with_how_to_resume() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-11-25").await;
        let events = session.post(progressing(1, "progress", 5)).await.events();
        assert_eq!(events.len(), 3);
        assert_eq!(events[0].data.as_deref(), Some(""));
        assert!(events[0].id.is_some() && events[0].retry.is_some());
        assert_eq!(events[2].json()["id"], 1);
    });
}

pub fn a_silent_request_becomes_a_stream_after_a_moment() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-11-25").await;
        let mut waiting = session.stream(request(1, "wait")).await;
        let head = waiting.head().await;
        assert_eq!(head.get("content-type"), Some("text/event-stream"));
        assert_eq!(session.post(request(2, "go on")).await.status(), 200);
        assert_eq!(
            waiting.event().await.unwrap().unwrap().data.as_deref(),
            Some("")
        );
        let answer = waiting.event().await.unwrap().unwrap().json();
        assert_eq!(answer["result"]["waited"], true);
        assert_eq!(
            waiting.event().await.unwrap(),
            None,
            "the stream ends with its answer"
        );
    });
}

pub fn a_client_that_takes_only_json_gets_json() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let mut listening = session.listen(None).await;
        let body = progressing(1, "progress", "t");
        let answer = session.post_json(body).await;
        assert_eq!(answer.head.get("content-type"), Some("application/json"));
        assert_eq!(answer.json()["id"], 1);
        let progress = listening.event().await.unwrap().unwrap();
        assert_eq!(progress.json()["method"], "notifications/progress");
        let batch = json!([
            {"jsonrpc": "2.0", "id": 2, "method": "one by one"},
            {"jsonrpc": "2.0", "id": 3, "method": "x"}
        ]);
        let answer = session.post_json(batch.to_string()).await;
        assert_eq!(
            answer.json().as_array().unwrap().len(),
            2,
            "{}",
            answer.text()
        );
    });
}

pub fn what_belongs_to_no_request_goes_on_the_listening_stream() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let mut listening = session.listen(None).await;
        let (mut one, mut other) = (
            session.stream(request(1, "wait")).await,
            session.stream(request(2, "wait")).await,
        );
        one.head().await;
        other.head().await;
        // Three requests are under way, so it is not clear that this belongs to one of them.
        let answer = session.post(request(3, "notify")).await;
        assert_eq!(answer.json()["id"], 3);
        let event = listening.event().await.unwrap().unwrap();
        assert_eq!(event.json()["method"], "notifications/tools/list_changed");
    });
}

pub fn what_finds_no_stream_waits_for_the_next() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let answer = session.post_json(request(1, "notify")).await;
        assert_eq!(answer.json()["id"], 1);
        let mut listening = session.listen(None).await;
        let event = listening.event().await.unwrap().unwrap();
        assert_eq!(event.json()["method"], "notifications/tools/list_changed");
    });
}

pub fn the_server_asks_on_the_stream_and_is_answered_by_a_post() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let mut asking = session.stream(request(1, "ask")).await;
        asking.head().await;
        let asked = asking.event().await.unwrap().unwrap().json();
        assert_eq!(asked["method"], "elicitation/create");
        let said = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "decline"}});
        let accepted = session.post(said.to_string()).await;
        assert_eq!((accepted.status(), accepted.text()), (202, ""));
        let answer = asking.event().await.unwrap().unwrap().json();
        assert_eq!(answer["result"]["heard"], said);
    });
}

pub fn a_lost_stream_goes_on_after_the_last_event_and_nothing_was_cancelled() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-11-25").await;
        let mut waiting = session.stream(request(1, "wait")).await;
        waiting.head().await;
        let primed = waiting.event().await.unwrap().unwrap().id.unwrap();
        drop(waiting);
        door.recorded(&["\"end\"", "the client went away"]).await;
        assert_eq!(session.post(request(2, "go on")).await.status(), 200);
        door.recorded(&["\"waited\":true"]).await;
        let mut resumed = session.listen(Some(&primed)).await;
        let answer = resumed.event().await.unwrap().unwrap().json();
        assert_eq!(
            (&answer["id"], &answer["result"]["waited"]),
            (&json!(1), &json!(true))
        );
        assert_eq!(resumed.event().await.unwrap(), None);
        let all = door.close().await;
        assert!(
            !all.iter()
                .any(|it| it.to_string().contains("notifications/cancelled"))
        );
        let notes = all.iter().filter_map(|it| it["note"].as_str());
        assert!(
            notes
                .into_iter()
                .any(|it| it.contains("goes on after event"))
        );
    });
}

pub fn nothing_is_kept_for_a_request_that_was_left_and_then_cancelled() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let mut waiting = session.stream(request(1, "wait")).await;
        waiting.head().await;
        drop(waiting);
        door.recorded(&["\"end\"", "the client went away"]).await;
        let cancelled = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}
        });
        assert_eq!(session.post(cancelled.to_string()).await.status(), 202);
        door.recorded(&["no client waits for this answer"]).await;
    });
}

pub fn only_what_was_missed_of_a_stream_is_sent_again() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let events = session.post(progressing(1, "progress", "a")).await.events();
        session.post(progressing(2, "progress", "b")).await;
        let mut resumed = session.listen(events[0].id.as_deref()).await;
        let again = resumed.event().await.unwrap().unwrap();
        assert_eq!(again, events[1]);
        assert_eq!(
            resumed.event().await.unwrap(),
            None,
            "the other stream's are not sent"
        );
    });
}

pub fn a_batch_is_answered_as_the_server_does() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-03-26").await;
        let batch = |methods: [&str; 2]| {
            json!([
                {"jsonrpc": "2.0", "id": 1, "method": methods[0]},
                {"jsonrpc": "2.0", "method": "notifications/x"},
                {"jsonrpc": "2.0", "id": 2, "method": methods[1]}
            ])
            .to_string()
        };
        let whole = session.post(batch(["a", "b"])).await;
        assert_eq!(whole.json()[1]["result"]["did"], "b");
        let parts = session.post(batch(["one by one", "b"])).await.events();
        let ids: Vec<Value> = parts.iter().map(|it| it.json()["id"].clone()).collect();
        assert_eq!(ids, [json!(1), json!(2)]);
        let notifications = r#"[{"jsonrpc":"2.0","method":"notifications/x"}]"#;
        assert_eq!(session.post(notifications).await.status(), 202);
    });
}

pub fn what_belongs_to_a_task_goes_with_the_request_for_its_result() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-11-25").await;
        let body =
            json!({"jsonrpc": "2.0", "id": 1, "method": "tasks/result", "params": {"taskId": "T"}});
        let mut result = session.stream(body.to_string()).await;
        result.head().await;
        assert_eq!(
            result.event().await.unwrap().unwrap().data.as_deref(),
            Some("")
        );
        let body = json!({"jsonrpc": "2.0", "id": 2, "method": "relate", "params": {"task": "T"}});
        assert_eq!(session.post(body.to_string()).await.json()["id"], 2);
        let event = result.event().await.unwrap().unwrap().json();
        assert_eq!(event["method"], "notifications/message");
    });
}

pub fn a_listening_stream_that_was_lost_goes_on_with_what_it_missed() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-11-25").await;
        let mut listening = session.listen(None).await;
        let primed = listening.event().await.unwrap().unwrap().id.unwrap();
        drop(listening);
        door.recorded(&["\"end\"", "the client went away"]).await;
        let answer = session.post_json(request(1, "notify")).await;
        assert_eq!(answer.status(), 200);
        let mut resumed = session.listen(Some(&primed)).await;
        let missed = resumed.event().await.unwrap().unwrap();
        assert_eq!(missed.json()["method"], "notifications/tools/list_changed");
        let stream = |id: &str| id.split('-').next().unwrap().to_owned();
        assert_eq!(stream(&missed.id.unwrap()), stream(&primed));
    });
}

pub fn an_error_for_a_request_that_could_not_be_read_ends_its_response() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-11-25").await;
        let mut nameless: Value = serde_json::from_str(&request(2, "say")).unwrap();
        let error = r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"what?"}}"#;
        nameless["params"]["text"] = error.into();
        for body in [request(1, "error without an id"), nameless.to_string()] {
            let answer = session.post(body).await;
            assert_eq!(answer.json()["error"]["code"], -32700);
        }
    });
}
