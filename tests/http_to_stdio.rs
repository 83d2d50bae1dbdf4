//! HTTP clients in front of a stdio server: raw ones for every rule of the transport, rmcp's for the rest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

use common::http::{Answer, Client, Sentinel, within};
use common::{harness, peers};
use mcp_sentinel::proxy::listener::Listen;
use mcp_sentinel::proxy::{self, Config, Upstream};
use mcp_sentinel::tap::{Command, Order, Reply, Route, SessionId, Tap};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    peers::be_one_if_told();
    harness::run(tests![
        a_quiet_stream_says_that_it_is_alive,
        a_session_begins_with_initialize_and_ends_with_delete,
        every_session_has_a_child_of_its_own,
        a_session_that_is_missing_or_unknown_is_said_to_be,
        a_handshake_that_fails_makes_no_session,
        a_version_of_another_era_is_refused,
        progress_makes_a_stream_of_events_with_ids,
        a_stream_of_the_last_legacy_version_begins_with_how_to_resume,
        a_silent_request_becomes_a_stream_after_a_moment,
        a_client_that_takes_only_json_gets_json,
        what_belongs_to_no_request_goes_on_the_listening_stream,
        what_finds_no_stream_waits_for_the_next,
        what_belongs_to_a_task_goes_with_the_request_for_its_result,
        a_listening_stream_that_was_lost_goes_on_with_what_it_missed,
        a_child_may_open_as_many_files_as_without_us,
        the_server_asks_on_the_stream_and_is_answered_by_a_post,
        a_lost_stream_goes_on_after_the_last_event_and_nothing_was_cancelled,
        only_what_was_missed_of_a_stream_is_sent_again,
        a_batch_is_answered_as_the_server_does,
        a_pretty_printed_message_reaches_the_server_on_one_line,
        what_is_no_message_is_refused_as_such,
        what_http_forbids_has_its_status,
        a_page_that_was_let_in_may_read_the_response,
        the_death_of_a_child_is_told_at_once,
        there_are_only_so_many_children,
        a_session_that_nobody_uses_ends,
        what_the_server_logs_is_on_record_and_on_no_stream,
        every_message_is_on_record_once_with_its_exchange,
        the_operator_speaks_in_a_clients_session_unseen,
        a_deaf_child_blocks_no_other_session,
        a_modern_answer_has_the_status_of_its_error,
        a_server_of_the_legacy_era_is_not_taken_for_a_modern_one,
        a_server_that_is_silent_when_probed_is_no_modern_one,
        a_modern_stream_has_no_ids_and_no_session,
        headers_that_contradict_the_body_are_refused,
        a_lenient_proxy_only_notes_them,
        parameters_that_a_tool_wants_in_headers_are_checked_once_it_is_known,
        modern_bodies_are_one_request_or_one_notification,
        clients_that_use_the_same_ids_and_tokens_get_their_own_answers,
        a_modern_client_that_leaves_cancels_and_a_posted_cancel_does_not,
        a_subscription_gets_its_own_changes_and_nothing_else_does,
        log_messages_go_to_the_newest_request_that_wants_them,
        a_server_that_asks_in_the_modern_era_is_told_that_nobody_answers,
        a_modern_child_that_died_is_started_again,
        a_client_that_does_not_read_is_broken_off_and_stops_nobody,
        the_old_transport_is_served_when_it_is_wanted,
        an_old_client_that_leaves_ends_its_child_and_hears_of_its_death,
    ])
}

/// The built program in front of a counter.
struct Door {
    proxy: Sentinel,
    address: SocketAddr,
}

/// In front of a counter that knows this era.
async fn counter(era: &str) -> Door {
    counter_with(era, &[]).await
}

async fn counter_with(era: &str, options: &[&str]) -> Door {
    let own = std::env::current_exe().unwrap();
    let command = ["--", own.to_str().unwrap(), "peer", "counter", era];
    let proxy = Sentinel::listening(&[options, &command].concat()).await;
    let address = proxy.address();
    assert!(proxy.url().ends_with("/mcp"), "{}", proxy.url());
    Door { proxy, address }
}

impl Door {
    async fn post(&self, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        Client::post(self.address, "/mcp", headers, body).await
    }

    /// A legacy client that has shaken hands.
    async fn session(&self, version: &'static str) -> Session<'_> {
        let answer = self.post(&[], initialize(version)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let id = answer.head.get("mcp-session-id").unwrap().to_owned();
        let session = Session {
            door: self,
            id,
            version,
        };
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(session.post(initialized).await.status(), 202);
        session
    }

    /// A request of the modern era, with the headers that it needs.
    async fn modern(&self, body: &Value) -> Answer {
        let headers = modern_headers(body);
        self.post(&borrowed(&headers), body.to_string()).await
    }

    /// The same, without waiting for more than the head.
    async fn modern_stream(&self, body: &Value) -> Client {
        let headers = modern_headers(body);
        self.stream(&borrowed(&headers), body.to_string()).await
    }

    /// A POST that may be answered in events, one by one; the head is still to be read.
    async fn stream(&self, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Client {
        let mut client = Client::connect(self.address).await;
        let own = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        let headers = [&own[..], headers].concat();
        let posted = client.request("POST", "/mcp", &headers, body).await;
        posted.unwrap();
        client
    }

    /// Waits until the capture has a record with all of these texts in it.
    async fn recorded(&self, texts: &[&str]) {
        let has_all = |it: &Value| texts.iter().all(|text| it.to_string().contains(text));
        let what = format!("{texts:?} is on record");
        self.proxy
            .captured(&what, |capture| capture.iter().any(has_all))
            .await;
    }

    /// Everything captured, once the proxy has ended.
    async fn close(mut self) -> Vec<Value> {
        assert!(self.proxy.end().await.success(), "{}", self.proxy.errors());
        self.proxy.capture()
    }
}

struct Session<'d> {
    door: &'d Door,
    id: String,
    version: &'static str,
}

impl Session<'_> {
    fn headers(&self) -> [(&str, &str); 2] {
        [
            ("mcp-session-id", &self.id),
            ("mcp-protocol-version", self.version),
        ]
    }

    async fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        self.door.post(&self.headers(), body).await
    }

    async fn stream(&self, body: impl AsRef<[u8]>) -> Client {
        self.door.stream(&self.headers(), body).await
    }

    /// The stream that listens, or goes on after an event.
    async fn listen(&self, after: Option<&str>) -> Client {
        let mut headers = vec![("accept", "text/event-stream")];
        headers.extend(self.headers());
        headers.extend(after.map(|id| ("last-event-id", id)));
        let mut client = Client::connect(self.door.address).await;
        client.request("GET", "/mcp", &headers, "").await.unwrap();
        let head = client.head().await;
        assert_eq!(head.status(), 200);
        assert_eq!(head.get("content-type"), Some("text/event-stream"));
        client
    }
}

fn on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

fn initialize(version: &str) -> String {
    json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    })
    .to_string()
}

fn request(id: impl Into<Value>, method: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method}).to_string()
}

/// A request with a progress token.
fn progressing(id: impl Into<Value>, method: &str, token: impl Into<Value>) -> String {
    let params = json!({"_meta": {"progressToken": token.into()}});
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params}).to_string()
}

/// A request of the modern era; `extra` is more of its `_meta`.
fn modern(id: impl Into<Value>, method: &str, params: Value, extra: Value) -> Value {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    for (key, value) in extra.as_object().into_iter().flatten() {
        params["_meta"][key] = value.clone();
    }
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

fn plain(id: impl Into<Value>, method: &str) -> Value {
    modern(id, method, json!({}), json!({}))
}

fn modern_headers(body: &Value) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("mcp-protocol-version", "2026-07-28".to_owned()),
        ("mcp-method", body["method"].as_str().unwrap().to_owned()),
    ];
    if body["method"] == "tools/call" {
        headers.push(("mcp-name", body["params"]["name"].as_str().unwrap().into()));
    }
    headers
}

fn borrowed<'h>(headers: &'h [(&'static str, String)]) -> Vec<(&'h str, &'h str)> {
    let headers = headers.iter();
    headers
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// Has the server show that it knows the modern era.
async fn prove(door: &Door) {
    let answer = door.modern(&plain("probe", "server/discover")).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

fn a_session_begins_with_initialize_and_ends_with_delete() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-11-25").await;
        assert!(session.id.len() >= 32 && session.id.bytes().all(|it| (0x21..0x7f).contains(&it)));
        let answer = session.post(request(1, "hear")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.head.get("content-type"), Some("application/json"));
        assert_eq!(answer.json()["result"]["line"], request(1, "hear"));
        let deleted = Client::ask(door.address, "DELETE", "/mcp", &session.headers(), "").await;
        assert_eq!(deleted.status(), 204);
        let after = session.post(request(2, "hear")).await;
        assert_eq!(after.status(), 404, "{}", after.text());
    });
}

fn every_session_has_a_child_of_its_own() {
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

fn a_session_that_is_missing_or_unknown_is_said_to_be() {
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

fn a_handshake_that_fails_makes_no_session() {
    on(async {
        let door = counter("legacy").await;
        let answer = door.post(&[], initialize("refused")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json()["error"]["code"], -32602);
        assert_eq!(answer.head.get("mcp-session-id"), None);
        door.recorded(&["\"closed\"", "\"exit\":0"]).await;
    });
}

fn a_version_of_another_era_is_refused() {
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

fn progress_makes_a_stream_of_events_with_ids() {
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

fn a_stream_of_the_last_legacy_version_begins_with_how_to_resume() {
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

fn a_silent_request_becomes_a_stream_after_a_moment() {
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

fn a_client_that_takes_only_json_gets_json() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let mut listening = session.listen(None).await;
        let mut headers = vec![
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ];
        headers.extend(session.headers());
        let body = progressing(1, "progress", "t");
        let answer = Client::ask(door.address, "POST", "/mcp", &headers, body).await;
        assert_eq!(answer.head.get("content-type"), Some("application/json"));
        assert_eq!(answer.json()["id"], 1);
        let progress = listening.event().await.unwrap().unwrap();
        assert_eq!(progress.json()["method"], "notifications/progress");
        let batch = json!([
            {"jsonrpc": "2.0", "id": 2, "method": "one by one"},
            {"jsonrpc": "2.0", "id": 3, "method": "x"}
        ]);
        let body = batch.to_string();
        let answer = Client::ask(door.address, "POST", "/mcp", &headers, body).await;
        assert_eq!(
            answer.json().as_array().unwrap().len(),
            2,
            "{}",
            answer.text()
        );
    });
}

fn what_belongs_to_no_request_goes_on_the_listening_stream() {
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

fn what_finds_no_stream_waits_for_the_next() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ];
        let headers = [&headers[..], &session.headers()].concat();
        let body = request(1, "notify");
        let answer = Client::ask(door.address, "POST", "/mcp", &headers, body).await;
        assert_eq!(answer.json()["id"], 1);
        let mut listening = session.listen(None).await;
        let event = listening.event().await.unwrap().unwrap();
        assert_eq!(event.json()["method"], "notifications/tools/list_changed");
    });
}

fn the_server_asks_on_the_stream_and_is_answered_by_a_post() {
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

fn a_lost_stream_goes_on_after_the_last_event_and_nothing_was_cancelled() {
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

fn only_what_was_missed_of_a_stream_is_sent_again() {
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

fn a_batch_is_answered_as_the_server_does() {
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
        assert_eq!(whole.head.get("content-type"), Some("application/json"));
        assert_eq!(whole.json()[1]["result"]["did"], "b");
        let parts = session.post(batch(["one by one", "b"])).await.events();
        let ids: Vec<Value> = parts.iter().map(|it| it.json()["id"].clone()).collect();
        assert_eq!(ids, [json!(1), json!(2)]);
        let notifications = r#"[{"jsonrpc":"2.0","method":"notifications/x"}]"#;
        assert_eq!(session.post(notifications).await.status(), 202);
    });
}

fn a_pretty_printed_message_reaches_the_server_on_one_line() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let pretty =
            "\u{feff}{\r\n  \"jsonrpc\": \"2.0\",\n  \"id\": 1.0,\n  \"method\": \"hear\"\n}\n";
        let answer = session.post(pretty).await;
        let heard = answer.json()["result"]["line"].clone();
        assert_eq!(
            heard,
            "{    \"jsonrpc\": \"2.0\",   \"id\": 1.0,   \"method\": \"hear\" }"
        );
        assert!(answer.text().contains("\"id\":1.0"));
    });
}

fn what_is_no_message_is_refused_as_such() {
    on(async {
        let door = counter("legacy").await;
        for (body, code) in [
            ("{", -32700),
            ("", -32700),
            ("[1]", -32600),
            (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
            ("\"text\"", -32600),
        ] {
            let answer = door.post(&[], body).await;
            assert_eq!(answer.status(), 400, "{body}");
            assert_eq!(answer.json()["error"]["code"], code, "{body}");
            let message = answer.json()["error"]["message"].clone();
            assert!(message.as_str().unwrap().starts_with("mcp-sentinel: "));
        }
    });
}

fn what_http_forbids_has_its_status() {
    on(async {
        let door = counter_with("legacy", &["--max-body", "1000"]).await;
        let session = door.session("2025-06-18").await;
        let ask = async |method: &str, path: &str, headers: &[(&str, &str)], body: String| {
            let headers = [headers, &session.headers()].concat();
            let answer = Client::ask(door.address, method, path, &headers, body).await;
            (answer.status(), answer.head.get("allow").map(str::to_owned))
        };
        let json = ("content-type", "application/json");
        let body = || request(1, "hear");
        let allowed = Some("GET, POST, DELETE".to_owned());
        assert_eq!(ask("PUT", "/mcp", &[json], body()).await, (405, allowed));
        assert_eq!(ask("POST", "/elsewhere", &[json], body()).await.0, 404);
        assert_eq!(ask("GET", "/sse", &[], String::new()).await.0, 404);
        assert_eq!(
            ask("POST", "/mcp", &[("content-type", "text/plain")], body())
                .await
                .0,
            415
        );
        assert_eq!(ask("POST", "/mcp", &[], body()).await.0, 415);
        assert_eq!(
            ask("POST", "/mcp", &[json, ("accept", "text/html")], body())
                .await
                .0,
            406
        );
        let accept = ("accept", "application/json");
        assert_eq!(ask("GET", "/mcp", &[accept], String::new()).await.0, 406);
        let long = format!("{}{}", body(), " ".repeat(1000));
        assert_eq!(ask("POST", "/mcp", &[json], long.clone()).await.0, 413);
        let mut chunked = Client::connect(door.address).await;
        let headers = [
            json,
            ("transfer-encoding", "chunked"),
            ("host", "localhost"),
        ];
        let head = common::http::head("POST /mcp HTTP/1.1", &headers);
        chunked.send(head).await.unwrap();
        chunked.send(common::http::chunk(long)).await.unwrap();
        assert_eq!(chunked.head().await.status(), 413);
    });
}

fn a_page_that_was_let_in_may_read_the_response() {
    on(async {
        let door = counter("legacy").await;
        let origin = ("origin", "http://localhost:5173");
        let wanted = (
            "access-control-request-headers",
            "content-type, mcp-session-id",
        );
        let asks = [origin, wanted, ("access-control-request-method", "POST")];
        let may = Client::ask(door.address, "OPTIONS", "/mcp", &asks, "").await;
        assert_eq!(may.status(), 204);
        assert_eq!(may.head.get("access-control-allow-origin"), Some(origin.1));
        assert_eq!(may.head.get("access-control-allow-headers"), Some(wanted.1));
        let answer = door.post(&[origin], initialize("2025-06-18")).await;
        assert_eq!(
            answer.head.get("access-control-allow-origin"),
            Some(origin.1)
        );
        let exposed = answer.head.get("access-control-expose-headers");
        assert_eq!(exposed, Some("mcp-session-id"));
    });
}

fn the_death_of_a_child_is_told_at_once() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let mut waiting = session.stream(request(1, "wait")).await;
        waiting.head().await;
        let mut listening = session.listen(None).await;
        let answer = session.post(request("x", "die")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json()["id"], "x");
        let error = answer.json()["error"].clone();
        assert_eq!(
            (&error["code"], &error["data"]["sentinel"]),
            (&json!(-32603), &json!(true))
        );
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("exited with status 3")
        );
        let told = waiting.event().await.unwrap().unwrap().json();
        assert_eq!(
            (&told["id"], &told["error"]["code"]),
            (&json!(1), &json!(-32603))
        );
        assert_eq!(waiting.event().await.unwrap(), None);
        assert_eq!(listening.event().await.unwrap(), None);
        assert_eq!(session.post(request(2, "hear")).await.status(), 404);
        let all = door.close().await;
        let ours = all
            .iter()
            .filter(|it| it["from"] == "sentinel" && it["message"]["error"].is_object());
        assert!(ours.count() >= 2);
    });
}

fn there_are_only_so_many_children() {
    on(async {
        let door = counter_with("legacy", &["--max-children", "2"]).await;
        let session = door.session("2025-06-18").await;
        let _other = door.session("2025-06-18").await;
        let refused = door.post(&[], initialize("2025-06-18")).await;
        assert_eq!(refused.status(), 503);
        assert!(refused.text().contains("2 servers run at once"));
        assert_eq!(door.modern(&plain(1, "hear")).await.status(), 503);
        Client::ask(door.address, "DELETE", "/mcp", &session.headers(), "").await;
        let opened = within("there is room for another child", async {
            loop {
                let opened = door.post(&[], initialize("2025-06-18")).await.status();
                if opened != 503 {
                    return opened;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert_eq!(opened.await, 200);
    });
}

fn a_session_that_nobody_uses_ends() {
    on(async {
        let door = counter_with("legacy", &["--idle", "1"]).await;
        let (idle, busy) = (
            door.session("2025-06-18").await,
            door.session("2025-06-18").await,
        );
        let _listening = busy.listen(None).await;
        door.recorded(&["\"closed\"", "\"exit\":0", "\"session\":1"])
            .await;
        assert_eq!(idle.post(request(1, "hear")).await.status(), 404);
        assert_eq!(busy.post(request(1, "hear")).await.status(), 200);
    });
}

fn what_the_server_logs_is_on_record_and_on_no_stream() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let answer = session.post(request(1, "chatter")).await;
        assert_eq!(answer.json()["result"]["spaced"], true);
        let complains =
            json!({"jsonrpc": "2.0", "id": 2, "method": "complain", "params": {"text": "ouch"}});
        assert_eq!(session.post(complains.to_string()).await.status(), 200);
        door.recorded(&["counter: ouch", "\"stderr\""]).await;
        door.recorded(&["\"text\":\"this is no JSON\"", "\"from\":\"server\""])
            .await;
        door.recorded(&["is no message, and no HTTP client gets it"])
            .await;
    });
}

fn every_message_is_on_record_once_with_its_exchange() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        session.post(progressing(41, "progress", "t")).await;
        session.post(request(42, "hear")).await;
        let all = door.close().await;
        let said = |from: &str, text: &str| {
            let same = |it: &&Value| it["from"] == from && it["message"].to_string().contains(text);
            let found: Vec<&Value> = all.iter().filter(same).collect();
            assert_eq!(found.len(), 1, "{from} {text}: {found:#?}");
            found[0].clone()
        };
        let asked = said("client", "\"id\":41");
        let progress = said("server", "notifications/progress");
        let answer = said("server", "\"id\":41");
        let via = |it: &Value| it["exchange"].clone();
        assert!(via(&asked).is_u64(), "{asked}");
        assert_eq!(via(&asked), via(&progress));
        assert_eq!(via(&asked), via(&answer));
        assert!(progress["event"].is_string(), "{progress}");
        assert_ne!(via(&said("client", "\"id\":42")), via(&asked));
        let opened = all.iter().find(|it| it["opened"].is_object()).unwrap();
        assert_eq!(opened["opened"]["transport"], "http");
        assert!(opened["opened"]["pid"].is_u64());
        let part = |kind: &str| {
            let of =
                |it: &&Value| it["http"]["exchange"] == via(&asked) && it["http"][kind].is_object();
            all.iter().filter(of).count()
        };
        assert_eq!((part("request"), part("response"), part("end")), (1, 1, 2));
    });
}

/// In this process, because orders are given in one.
fn the_operator_speaks_in_a_clients_session_unseen() {
    on(async {
        let own = std::env::current_exe().unwrap();
        let command = [
            own.as_os_str(),
            "peer".as_ref(),
            "counter".as_ref(),
            "legacy".as_ref(),
        ];
        let config = Config {
            upstream: Upstream::Command(command.map(Into::into).to_vec()),
            era: None,
            unattended: false,
            grace: Duration::from_secs(1),
            forward_stderr: false,
            started: CancellationToken::new(),
        };
        let listen = Listen::at("127.0.0.1:0");
        let mut bound = listen.bound.subscribe();
        let (orders, received) = mpsc::channel(8);
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let proxy = std::thread::spawn(move || {
            let client = proxy::Client::Http(listen);
            proxy::run(config, client, Tap::disabled(), received, token).unwrap()
        });
        let address = bound.wait_for(Option::is_some).await.unwrap().unwrap();
        let opened = Client::post(address, "/mcp", &[], initialize("2025-06-18")).await;
        let id = opened.head.get("mcp-session-id").unwrap();
        let headers = [("mcp-session-id", id), ("accept", "text/event-stream")];
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        Client::post(address, "/mcp", &headers[..1], initialized).await;
        let mut listening = Client::connect(address).await;
        let asked = listening.request("GET", "/mcp", &headers, "").await;
        asked.unwrap();
        listening.head().await;

        let (outcome, told) = oneshot::channel();
        let command = Command::Send {
            route: Route::Session(SessionId(1)),
            message: progressing(1, "progress", "t"),
            replay_of: None,
        };
        orders.send(Order { command, outcome }).await.unwrap();
        assert!(matches!(
            told.await.unwrap(),
            Ok(Reply::Sent { id: Some(_), .. })
        ));
        // The child answers in order: when this is here, the other was said.
        let answer = Client::post(address, "/mcp", &headers[..1], request(2, "hear")).await;
        assert_eq!(answer.json()["id"], 2);
        Client::ask(address, "DELETE", "/mcp", &headers, "").await;
        let heard = listening.event().await.unwrap();
        assert_eq!(heard, None, "nothing of the operator's");
        shutdown.cancel();
        assert_eq!(proxy.join().unwrap().code, 0);
    });
}

fn a_deaf_child_blocks_no_other_session() {
    on(async {
        let door = counter("legacy").await;
        let (deaf, other) = (
            door.session("2025-06-18").await,
            door.session("2025-06-18").await,
        );
        let mut waiting = vec![deaf.stream(request(0, "go deaf")).await];
        for id in 1..20 {
            let long = json!({"jsonrpc": "2.0", "id": id, "method": "x".repeat(100_000)});
            waiting.push(deaf.stream(long.to_string()).await);
        }
        for id in 0..20 {
            assert_eq!(other.post(request(id, "hear")).await.status(), 200);
        }
        let deleted = Client::ask(door.address, "DELETE", "/mcp", &deaf.headers(), "").await;
        assert_eq!(deleted.status(), 204);
        for mut client in waiting {
            let answer = client.answer().await;
            assert!(matches!(answer.status(), 200 | 404), "{}", answer.text());
            assert!(
                answer.text().contains("mcp-sentinel: "),
                "{}",
                answer.text()
            );
        }
    });
}

fn a_modern_answer_has_the_status_of_its_error() {
    on(async {
        let door = counter("modern").await;
        prove(&door).await;
        let answer = door.modern(&plain(1, "hear")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.head.get("content-type"), Some("application/json"));
        for (code, status) in [
            (-32020, 400),
            (-32021, 400),
            (-32022, 400),
            (-32601, 404),
            (-32602, 200),
            (-32603, 200),
            (5, 200),
        ] {
            let body = modern(2, "error", json!({"code": code}), json!({}));
            let answer = door.modern(&body).await;
            assert_eq!(answer.status(), status, "{code}");
            assert_eq!(answer.json()["error"]["message"], "as you say");
        }
        let bare =
            json!({"jsonrpc": "2.0", "id": 3, "method": "error", "params": {"code": -32602}});
        let version = [("mcp-protocol-version", "2026-07-28")];
        assert_eq!(door.post(&version, bare.to_string()).await.status(), 400);
        let nameless = door.modern(&plain(4, "error without an id")).await;
        assert_eq!(nameless.json()["error"]["message"], "what?");
    });
}

fn a_server_of_the_legacy_era_is_not_taken_for_a_modern_one() {
    on(async {
        let door = counter("legacy").await;
        let answer = door.modern(&plain(1, "server/discover")).await;
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.json()["error"]["code"], -32601);
        assert_eq!(
            answer.json()["error"]["data"],
            Value::Null,
            "it is the server's own"
        );
        let body = modern(2, "error", json!({"code": -32601}), json!({}));
        assert_eq!(door.modern(&body).await.status(), 400);
        assert_eq!(
            door.session("2025-11-25")
                .await
                .post(request(1, "hear"))
                .await
                .status(),
            200
        );
    });
}

fn a_server_that_is_silent_when_probed_is_no_modern_one() {
    on(async {
        let door = counter("silent").await;
        let answer = door.modern(&plain(1, "server/discover")).await;
        assert_eq!((answer.status(), answer.text()), (400, ""));
    });
}

fn a_modern_stream_has_no_ids_and_no_session() {
    on(async {
        let door = counter("modern").await;
        let body = modern(1, "progress", json!({}), json!({"progressToken": "t"}));
        let mut headers = modern_headers(&body);
        headers.push(("mcp-session-id", "stray".into()));
        headers.push(("last-event-id", "1-1".into()));
        let answer = door.post(&borrowed(&headers), body.to_string()).await;
        assert_eq!(answer.head.get("content-type"), Some("text/event-stream"));
        assert_eq!(answer.head.get("mcp-session-id"), None);
        let events = answer.events();
        assert_eq!(events.len(), 2);
        assert!(
            events
                .iter()
                .all(|it| it.id.is_none() && it.retry.is_none())
        );
        let mut silent = door.modern_stream(&plain(2, "wait")).await;
        let head = silent.head().await;
        assert_eq!(
            (head.status(), head.get("x-accel-buffering")),
            (200, Some("no"))
        );
        door.modern(&plain(3, "go on")).await;
        assert_eq!(silent.event().await.unwrap().unwrap().json()["id"], 2);
        assert_eq!(silent.event().await.unwrap(), None);
    });
}

fn headers_that_contradict_the_body_are_refused() {
    on(async {
        let door = counter("modern").await;
        let body = plain("a", "hear");
        for headers in [
            vec![("mcp-method", "hear")],
            vec![("mcp-protocol-version", "2026-07-28")],
            vec![
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "other"),
            ],
            vec![
                ("mcp-protocol-version", "2099-01-01"),
                ("mcp-method", "hear"),
            ],
        ] {
            let answer = door.post(&headers, body.to_string()).await;
            assert_eq!(answer.status(), 400, "{headers:?}");
            let error = answer.json();
            assert_eq!(
                (&error["id"], &error["error"]["code"]),
                (&json!("a"), &json!(-32020))
            );
        }
        assert_eq!(door.modern(&body).await.status(), 200);
    });
}

fn a_lenient_proxy_only_notes_them() {
    on(async {
        let door = counter_with("modern", &["--lenient"]).await;
        assert_eq!(
            door.post(&[], plain("a", "hear").to_string())
                .await
                .status(),
            200
        );
        door.recorded(&["\"note\"", "mcp-protocol-version is missing"])
            .await;
    });
}

fn parameters_that_a_tool_wants_in_headers_are_checked_once_it_is_known() {
    on(async {
        let door = counter("modern").await;
        let params = json!({"name": "weather", "arguments": {"region": "north"}});
        let call = modern(1, "tools/call", params, json!({}));
        assert_eq!(
            door.modern(&call).await.status(),
            200,
            "its schema was not seen yet"
        );
        assert_eq!(door.modern(&plain(2, "tools/list")).await.status(), 200);
        let refused = door.modern(&call).await;
        assert_eq!(refused.status(), 400);
        assert_eq!(refused.json()["error"]["code"], -32020);
        let mut headers = modern_headers(&call);
        headers.push(("mcp-param-region", "north".into()));
        let answer = door.post(&borrowed(&headers), call.to_string()).await;
        assert_eq!(answer.status(), 200);
    });
}

fn modern_bodies_are_one_request_or_one_notification() {
    on(async {
        let door = counter("modern").await;
        let version = [("mcp-protocol-version", "2026-07-28")];
        let batch = Value::from(vec![plain(1, "hear")]).to_string();
        assert_eq!(door.post(&version, batch).await.status(), 400);
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        assert_eq!(door.post(&version, answer).await.status(), 400);
        let notification = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
        assert_eq!(door.post(&version, notification).await.status(), 202);
        for method in ["GET", "DELETE"] {
            let headers = [version[0], ("accept", "text/event-stream")];
            let answer = Client::ask(door.address, method, "/mcp", &headers, "").await;
            assert_eq!(answer.status(), 405, "{method}");
        }
    });
}

fn clients_that_use_the_same_ids_and_tokens_get_their_own_answers() {
    on(async {
        let door = counter("modern").await;
        prove(&door).await;
        let mut first = door
            .modern_stream(&modern(1, "wait", json!({}), json!({"progressToken": 1})))
            .await;
        first.head().await;
        let body = modern(1, "progress", json!({}), json!({"progressToken": 1}));
        let events = door.modern(&body).await.events();
        assert_eq!(events[0].json()["params"]["progressToken"], 1);
        assert_eq!(events[1].json()["id"], 1);
        let heard = door.modern(&plain(1, "hear")).await.json();
        assert_eq!(heard["id"], 1);
        let line: Value = serde_json::from_str(heard["result"]["line"].as_str().unwrap()).unwrap();
        assert_ne!(line["id"], 1, "the server knows it by another");
        door.modern(&plain(2, "go on")).await;
        let answer = first.event().await.unwrap().unwrap().json();
        assert_eq!(
            (&answer["id"], &answer["result"]["waited"]),
            (&json!(1), &json!(true))
        );
        let all = door.close().await;
        let notes = all.iter().filter_map(|it| it["note"].as_str());
        let rewritten = notes.filter(|it| it.starts_with("rewritten")).count();
        assert_eq!(rewritten, 2);
        let verbatim = |it: &Value| {
            it["from"] == "server" && it["message"]["id"].to_string().contains("mcps-")
        };
        assert_eq!(all.iter().filter(|it| verbatim(it)).count(), 2);
    });
}

fn a_modern_client_that_leaves_cancels_and_a_posted_cancel_does_not() {
    on(async {
        let door = counter("modern").await;
        let mut leaving = door.modern_stream(&plain("gone", "wait")).await;
        leaving.head().await;
        let posted = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "gone"}
        });
        let version = [("mcp-protocol-version", "2026-07-28")];
        assert_eq!(door.post(&version, posted.to_string()).await.status(), 202);
        drop(leaving);
        door.recorded(&["\"from\":\"server\"", "\"late\":true"])
            .await;
        let again = door.modern(&plain("gone", "hear")).await.json();
        assert_eq!(again["id"], "gone");
        let all = door.close().await;
        let cancels: Vec<&Value> = all
            .iter()
            .filter(|it| it["message"]["method"] == "notifications/cancelled")
            .collect();
        assert_eq!(cancels.len(), 2, "{cancels:#?}");
        assert_eq!(cancels[1]["from"], "sentinel");
        assert_eq!(cancels[1]["message"]["params"]["requestId"], "gone");
        let late = all
            .iter()
            .filter(|it| it["message"]["result"]["late"] == true);
        let late: Vec<&Value> = late.collect();
        assert_eq!((late.len(), &late[0]["exchange"]), (1, &Value::Null));
    });
}

fn a_subscription_gets_its_own_changes_and_nothing_else_does() {
    on(async {
        let door = counter("modern").await;
        let listen = plain(7, "subscriptions/listen");
        let (mut one, mut other) = (
            door.modern_stream(&listen).await,
            door.modern_stream(&listen).await,
        );
        const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
        for stream in [&mut one, &mut other] {
            stream.head().await;
            let first = stream.event().await.unwrap().unwrap().json();
            assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
            assert_eq!(first["params"]["_meta"][SUBSCRIPTION], 7);
        }
        let changed = door.modern(&plain(8, "change")).await;
        assert_eq!(changed.head.get("content-type"), Some("application/json"));
        door.recorded(&["names no subscription"]).await;
        door.modern(&plain(9, "close up")).await;
        for stream in [&mut one, &mut other] {
            let change = stream.event().await.unwrap().unwrap().json();
            assert_eq!(change["params"]["_meta"][SUBSCRIPTION], 7);
            let end = stream.event().await.unwrap().unwrap().json();
            assert_eq!(
                (&end["id"], &end["result"]["_meta"][SUBSCRIPTION]),
                (&json!(7), &json!(7))
            );
            assert_eq!(stream.event().await.unwrap(), None);
        }
    });
}

fn log_messages_go_to_the_newest_request_that_wants_them() {
    on(async {
        let door = counter("modern").await;
        let wants = json!({"io.modelcontextprotocol/logLevel": "info"});
        let mut older = door
            .modern_stream(&modern(1, "wait", json!({}), wants.clone()))
            .await;
        older.head().await;
        let silent = door
            .modern(&modern(2, "log", json!({"data": "first"}), json!({})))
            .await;
        assert_eq!(silent.head.get("content-type"), Some("application/json"));
        assert_eq!(
            older.event().await.unwrap().unwrap().json()["params"]["data"],
            "first"
        );
        let newest = door
            .modern(&modern(3, "log", json!({"data": "second"}), wants))
            .await;
        assert_eq!(newest.events()[0].json()["params"]["data"], "second");
        door.recorded(&["\"note\"", "is ambiguous"]).await;
        door.modern(&plain(4, "go on")).await;
        older.event().await.unwrap();
        door.modern(&modern(5, "log", json!({"data": "third"}), json!({})))
            .await;
        door.recorded(&["no request under way has asked for log messages"])
            .await;
    });
}

fn a_server_that_asks_in_the_modern_era_is_told_that_nobody_answers() {
    on(async {
        let door = counter("modern").await;
        let answer = door.modern(&plain(1, "ask")).await;
        let heard = answer.json()["result"]["heard"].clone();
        assert_eq!(
            (&heard["id"], &heard["error"]["code"]),
            (&json!("s1"), &json!(-32603))
        );
        door.recorded(&["\"from\":\"sentinel\"", "\"id\":\"s1\""])
            .await;
    });
}

fn a_modern_child_that_died_is_started_again() {
    on(async {
        let door = counter("modern").await;
        let mut waiting = door.modern_stream(&plain(1, "wait")).await;
        waiting.head().await;
        let before = door.modern(&plain(2, "hear")).await.json()["result"]["pid"].clone();
        let died = door.modern(&plain(3, "die")).await;
        assert_eq!(died.status(), 200);
        assert_eq!(died.json()["error"]["data"]["sentinel"], true);
        let told = waiting.event().await.unwrap().unwrap().json();
        assert_eq!(
            (&told["id"], &told["error"]["code"]),
            (&json!(1), &json!(-32603))
        );
        assert_eq!(waiting.event().await.unwrap(), None);
        let after = door.modern(&plain(4, "hear")).await.json()["result"]["pid"].clone();
        assert_ne!(before, after);
    });
}

fn a_client_that_does_not_read_is_broken_off_and_stops_nobody() {
    on(async {
        let door = counter("modern").await;
        let flood = modern(
            1,
            "flood",
            json!({"count": 20_000}),
            json!({"progressToken": 1}),
        );
        let mut stuck = door.modern_stream(&flood).await;
        stuck.head().await;
        // Answered behind the flood, which it could only be when that stands in nobody's way.
        assert_eq!(door.modern(&plain(2, "hear")).await.status(), 200);
        door.recorded(&["the client did not read"]).await;
        assert!(
            stuck.rest().await.is_err(),
            "it sees that its stream was not whole"
        );
        door.recorded(&["notifications/cancelled"]).await;
    });
}

fn the_old_transport_is_served_when_it_is_wanted() {
    on(async {
        let door = counter_with("legacy", &["--sse"]).await;
        let mut stream = Client::connect(door.address).await;
        let accept = [("accept", "text/event-stream")];
        stream.request("GET", "/sse", &accept, "").await.unwrap();
        assert_eq!(stream.head().await.status(), 200);
        let endpoint = stream.event().await.unwrap().unwrap();
        assert_eq!(endpoint.name.as_deref(), Some("endpoint"));
        let target = endpoint.data.unwrap();
        assert!(target.starts_with('/'), "{target}");
        let post = async |body: String| Client::post(door.address, &target, &[], body).await;
        assert_eq!(post(initialize("2024-11-05")).await.status(), 202);
        let answer = stream.event().await.unwrap().unwrap();
        assert_eq!(answer.name.as_deref(), Some("message"));
        assert_eq!(answer.json()["result"]["protocolVersion"], "2024-11-05");
        assert_eq!(post(progressing(1, "progress", "t")).await.status(), 202);
        let progress = stream.event().await.unwrap().unwrap().json();
        assert_eq!(progress["method"], "notifications/progress");
        assert_eq!(stream.event().await.unwrap().unwrap().json()["id"], 1);
        let unknown = Client::post(
            door.address,
            "/message?sessionId=x",
            &[],
            request(1, "hear"),
        );
        assert_eq!(unknown.await.status(), 404);
        let wrong = Client::ask(door.address, "PUT", "/sse", &[], "").await;
        assert_eq!(wrong.status(), 405);
    });
}

fn an_old_client_that_leaves_ends_its_child_and_hears_of_its_death() {
    on(async {
        let door = counter_with("legacy", &["--sse"]).await;
        let open = async || {
            let mut stream = Client::connect(door.address).await;
            let accept = [("accept", "text/event-stream")];
            stream.request("GET", "/sse", &accept, "").await.unwrap();
            stream.head().await;
            let target = stream.event().await.unwrap().unwrap().data.unwrap();
            (stream, target)
        };
        let (stream, _) = open().await;
        drop(stream);
        door.recorded(&["\"closed\"", "\"session\":1"]).await;
        let (mut stream, target) = open().await;
        let posted = Client::post(door.address, &target, &[], request(9, "die")).await;
        assert_eq!(posted.status(), 202);
        let told = stream.event().await.unwrap().unwrap().json();
        assert_eq!(
            (&told["id"], &told["error"]["code"]),
            (&json!(9), &json!(-32603))
        );
        assert_eq!(stream.event().await.unwrap(), None);
        let after = Client::post(door.address, &target, &[], request(10, "hear")).await;
        assert_eq!(after.status(), 404);
    });
}

fn a_quiet_stream_says_that_it_is_alive() {
    on(async {
        let door = counter("modern").await;
        let mut waiting = door.modern_stream(&plain(1, "wait")).await;
        waiting.head().await;
        let comment = waiting.piece().await.unwrap().unwrap();
        assert!(comment.starts_with(b":") && comment.ends_with(b"\n\n"));
        door.recorded(&["\"comment\""]).await;
        door.modern(&plain(2, "go on")).await;
        let answer = waiting.rest().await.unwrap();
        assert!(answer.starts_with(b"data: {"));
    });
}

fn what_belongs_to_a_task_goes_with_the_request_for_its_result() {
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

fn a_listening_stream_that_was_lost_goes_on_with_what_it_missed() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-11-25").await;
        let mut listening = session.listen(None).await;
        let primed = listening.event().await.unwrap().unwrap().id.unwrap();
        drop(listening);
        door.recorded(&["\"end\"", "the client went away"]).await;
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ];
        let headers = [&headers[..], &session.headers()].concat();
        let body = request(1, "notify");
        let answer = Client::ask(door.address, "POST", "/mcp", &headers, body).await;
        assert_eq!(answer.status(), 200);
        let mut resumed = session.listen(Some(&primed)).await;
        let missed = resumed.event().await.unwrap().unwrap();
        assert_eq!(missed.json()["method"], "notifications/tools/list_changed");
        let stream = |id: &str| id.split('-').next().unwrap().to_owned();
        assert_eq!(stream(&missed.id.unwrap()), stream(&primed));
    });
}

fn a_child_may_open_as_many_files_as_without_us() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let own = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let answer = session.post(request(1, "files")).await.json();
        assert_eq!(answer["result"]["files"], json!(own.current));
    });
}
