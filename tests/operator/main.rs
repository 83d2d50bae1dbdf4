//! The operator, end to end: calls beside a client that never notices, and a session of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;

mod own;

use common::driver::{self, Running, sentinel, until};
use common::{harness, peers};
use mcp_sentinel::capture::reader::Reader;
use mcp_sentinel::capture::record::Payload;
use mcp_sentinel::link;
use mcp_sentinel::tap::{Command, Order, Orders, Party, Refused, Reply, Route, SessionId};
use mcp_sentinel::traffic::digest::digest;
use mcp_sentinel::traffic::{Status, Traffic};
use own::*;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::oneshot;

fn main() -> ExitCode {
    peers::be_one_if_told();
    harness::run(tests![
        an_answer_to_the_operator_never_reaches_the_client,
        a_batch_for_both_is_split_and_nothing_else_of_it_is_changed,
        an_operators_line_waits_for_the_end_of_the_clients,
        nothing_is_sent_before_the_handshake_or_after_the_client_has_gone,
        a_session_of_its_own_stands_beside_the_clients,
        a_session_of_its_own_speaks_what_the_server_was_seen_to_speak,
        without_a_client_the_operator_lists_what_there_is,
        an_entry_that_is_wrong_is_named_and_hides_no_further_pages,
        a_result_that_says_nothing_of_eras_comes_from_a_server_of_old,
        a_server_of_the_modern_era_gets_what_every_request_needs,
        subscriptions_are_ended_before_their_session_is,
        a_request_of_the_server_waits_for_the_operators_answer,
        a_ping_of_the_server_is_answered_by_itself,
        a_handshake_that_fails_is_told_with_its_reason,
        a_closed_session_is_opened_again_by_the_next_order,
        a_session_that_was_begun_once_more_is_told_by_its_first_number,
        a_command_that_cannot_start_ends_the_proxy_at_once,
    ])
}

/// A line of a capture: session, who, to whom, replay of, text.
type Line = (u32, Party, Option<Party>, Option<u64>, String);

fn lines(capture: &Path) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Ok(mut reader) = Reader::open(capture) {
        let read = reader.read(usize::MAX, |record| {
            if let Payload::Line {
                from,
                to,
                replay_of,
                bytes,
                ..
            } = record.payload
            {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                lines.push((record.session.0, from, to, replay_of, text));
            }
        });
        read.unwrap();
    }
    lines
}

/// Waits for a line in the capture that holds all of `parts`.
fn recorded(capture: &Path, parts: &[&str]) -> Line {
    let mut found = None;
    until(&format!("{parts:?} in the capture"), || {
        let holds = |line: &Line| parts.iter().all(|part| line.4.contains(part));
        found = lines(capture).into_iter().find(holds);
        found.is_some()
    });
    found.unwrap()
}

/// Carries orders to a proxy and waits for what becomes of them.
struct Operator {
    runtime: tokio::runtime::Runtime,
    orders: Orders,
}

impl Operator {
    fn new(orders: impl Future<Output = Orders>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let orders = runtime.block_on(orders);
        Self { runtime, orders }
    }

    /// On the socket of a proxy in a process of its own.
    fn attached(proxy: &Running) -> Self {
        let registry = proxy.home.path().join("mcp-sentinel");
        let mut entry = None;
        until("the proxy is listed", || {
            entry = link::registry::list(&registry)
                .ok()
                .and_then(|mut all| all.pop());
            entry.is_some()
        });
        let socket = entry.unwrap().socket;
        Self::new(async move { link::client::connect(&socket).await.unwrap().orders })
    }

    fn order(&self, command: Command) -> Result<Reply, Refused> {
        self.runtime.block_on(async {
            let (outcome, answer) = oneshot::channel();
            self.orders.send(Order { command, outcome }).await.unwrap();
            // Longer than anything here takes on a busy machine.
            let patience = Duration::from_secs(300);
            tokio::time::timeout(patience, answer)
                .await
                .unwrap()
                .unwrap()
        })
    }

    /// Sends a request and gives the raw id that it went under.
    fn send(&self, route: Route, message: &str) -> Result<String, String> {
        let sent = self.order(Command::Send {
            route,
            message: message.to_owned(),
            replay_of: Some(42),
        });
        match sent {
            Ok(Reply::Sent { id: Some(id), .. }) => Ok(id),
            Ok(other) => panic!("not sent: {other:?}"),
            Err(Refused(reason)) => Err(reason),
        }
    }
}

const SESSION: Route = Route::Session(SessionId(1));

fn call(method: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"_meta":{{"progressToken":5}}}}}}"#
    )
}

/// A client that has shaken hands with the helpful server.
fn client() -> Running {
    let mut client = sentinel(&["helpful"]);
    client.ask(&call("initialize"));
    client.send("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
    client.ask(&call("tools/list"));
    client
}

fn an_answer_to_the_operator_never_reaches_the_client() {
    let mut client = client();
    let capture = driver::capture(&client.home);
    let operator = Operator::attached(&client);
    for method in ["progress", "twice"] {
        let id = operator.send(SESSION, &call(method)).unwrap();
        let (_, from, to, replay_of, _) =
            recorded(&capture, &[&id, "\"method\":\"", "\"params\":{\"_meta\""]);
        assert_eq!((from, to, replay_of), (Party::Operator, None, Some(42)));
        let (session, from, to, ..) = recorded(&capture, &[&id, "\"result\":{"]);
        assert_eq!(
            (session, from, to),
            (1, Party::Server, Some(Party::Operator))
        );
    }
    let answer = client.ask(&call("mine"));
    assert_eq!(
        answer,
        "{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":{\"method\":\"mine\"}}\n"
    );
    drop(client.stdin.take());
    assert_eq!(client.rest(), b"");
    assert_eq!(client.code(), Some(0));
    let to_operator = |line: &&Line| line.2 == Some(Party::Operator);
    let all = lines(&capture);
    assert_eq!(
        all.iter().filter(to_operator).count(),
        4,
        "two answers, one twice, one progress"
    );
}

/// Has the helpful server say a line, `$waiting` in it being the id of the request that waits.
fn say(client: &mut Running, text: &str) {
    let params = serde_json::json!({"text": text});
    let request = serde_json::json!({"jsonrpc": "2.0", "id": 7, "method": "say", "params": params});
    client.send(format!("{request}\n"));
}

const THEIRS: &str = r#"{"z" : 1.0e3,"id":7 , "result":{"\u0061":$waiting}}"#;
const OURS: &str = r#"{"id": $waiting,"result":{}}"#;
const PROGRESS: &str =
    r#"{"method":"notifications/progress","params":{"progressToken":$waiting,"progress":1}}"#;

fn a_batch_for_both_is_split_and_nothing_else_of_it_is_changed() {
    let mut client = client();
    let capture = driver::capture(&client.home);
    // What is said before any order is nobody's business.
    say(&mut client, &format!("[{THEIRS},{OURS}]"));
    let whole = format!("[{THEIRS},{OURS}]\n").replace("$waiting", "null");
    assert_eq!(client.line(), whole);
    let operator = Operator::attached(&client);
    let id = operator.send(SESSION, &call("wait")).unwrap();
    let named = |text: String| text.replace("$waiting", &id);
    for (said, clients, operators) in [
        (
            format!(" [ {THEIRS}\t, {OURS} ] \r"),
            format!(" [ {THEIRS}\t] \r"),
            format!(" [ {OURS} ] \r"),
        ),
        (
            format!("[{OURS} ,{THEIRS},5,{PROGRESS},[{OURS}]]"),
            format!("[{THEIRS},5,[{OURS}]]"),
            format!("[{OURS} ,{PROGRESS}]"),
        ),
    ] {
        say(&mut client, &said);
        assert_eq!(client.line(), named(format!("{clients}\n")));
        let (session, from, to, _, text) = recorded(&capture, &[&named(operators.clone())]);
        let (server, operator) = (Party::Server, Some(Party::Operator));
        assert_eq!((session, from, to), (1, server, operator));
        assert_eq!(text, named(operators));
        let (session, from, to, ..) = recorded(&capture, &[&named(clients)]);
        assert_eq!((session, from, to), (1, server, None));
    }
    // Whoever asked has the answer.
    let mut traffic = Traffic::default();
    let mut reader = Reader::open(&capture).unwrap();
    let read = reader.read(usize::MAX, |record| traffic.apply(digest(&record)));
    read.unwrap();
    let rows = (0..traffic.len()).map(|row| traffic.row(row).unwrap());
    let asked = rows.filter(|row| ["say", "wait"].contains(&row.method));
    let asked: Vec<_> = asked.map(|row| (row.method, row.status)).collect();
    let answered = |method| (method, Status::Ok);
    assert_eq!(asked, ["say", "wait", "say", "say"].map(answered));
    // Nothing of this is the client's, not even an empty line.
    say(&mut client, &format!("[{OURS},{PROGRESS}]"));
    assert!(client.ask(&call("mine")).contains("mine"));
    drop(client.stdin.take());
    assert_eq!(client.rest(), b"");
}

fn an_operators_line_waits_for_the_end_of_the_clients() {
    // What comes back has been through the proxy, also the half of a line.
    let mut client = driver::in_front_of(&[], |command| {
        command.arg("cat");
    });
    let initialized = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";
    assert_eq!(client.ask(initialized), format!("{initialized}\n"));
    let operator = Operator::attached(&client);
    let capture = driver::capture(&client.home);
    let mine = call("mine");
    let (first, second) = mine.split_at(20);
    client.send(first);
    let mut back = vec![0; first.len()];
    client.stdout.read_exact(&mut back).unwrap();
    assert_eq!(back, first.as_bytes());
    let sending = std::thread::spawn(move || operator.send(SESSION, &call("x")).unwrap());
    std::thread::sleep(Duration::from_millis(100));
    assert!(!sending.is_finished(), "the line is only half written");
    client.send(format!("{second}\n"));
    assert_eq!(client.line(), format!("{second}\n"));
    let id = sending.join().unwrap();
    let (_, from, ..) = recorded(&capture, &[&id, "\"method\":\"x\""]);
    assert_eq!(from, Party::Operator);
}

fn nothing_is_sent_before_the_handshake_or_after_the_client_has_gone() {
    let mut client = sentinel(&["deaf"]);
    let operator = Operator::attached(&client);
    let refused = |route| operator.send(route, &call("x")).unwrap_err();
    assert_eq!(
        refused(SESSION),
        "the client has not finished its handshake yet"
    );
    assert_eq!(
        refused(Route::Session(SessionId(9))),
        "there is no session 9"
    );
    client.send("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
    drop(client.stdin.take());
    let gone = "session 1 is over: the client has closed its side of the session";
    // Between the two something may be sent.
    until("the end is seen", || {
        operator.send(SESSION, &call("x")) == Err(gone.to_owned())
    });
}

fn a_session_of_its_own_stands_beside_the_clients() {
    let mut client = client();
    let capture = driver::capture(&client.home);
    let operator = Operator::attached(&client);
    let id = operator.send(Route::Operator, &call("x")).unwrap();
    let (session, from, to, ..) = recorded(&capture, &[&id, "\"result\""]);
    assert_eq!(
        (session, from, to),
        (2, Party::Server, Some(Party::Operator))
    );
    drop(client.stdin.take());
    assert_eq!(client.rest(), b"");
    assert_eq!(client.code(), Some(0));
}

/// What the operator's own session number `session` has sent first, as far as the call of `x`.
fn sent_in(session: u32, capture: &Path) -> Vec<String> {
    let mut sent: Vec<String> = Vec::new();
    until("the call is in the capture", || {
        let all = lines(capture).into_iter();
        let own = all.filter(|line| (line.0, line.1) == (session, Party::Operator));
        sent = own.map(|line| line.4).collect();
        sent.iter().any(|line| line.contains("\"method\":\"x\""))
    });
    sent
}

fn a_session_of_its_own_speaks_what_the_server_was_seen_to_speak() {
    let beside = client();
    let operator = Operator::attached(&beside);
    operator.send(Route::Operator, &call("x")).unwrap();
    let sent = sent_in(2, &driver::capture(&beside.home));
    assert!(sent[0].contains("\"initialize\""), "{sent:?}");
    // So does the one after its own.
    let alone = alone(&["helpful"], None);
    alone.operator.send(Route::Operator, &call("x")).unwrap();
    assert!(sent_in(1, &alone.capture)[0].contains("server/discover"));
    alone.operator.order(Command::CloseOperator).unwrap();
    alone.operator.send(Route::Operator, &call("x")).unwrap();
    let sent = sent_in(2, &alone.capture);
    assert!(sent[0].contains("\"initialize\""), "{sent:?}");
    alone.end().unwrap();
    // What a modern server offers is asked in the version that it was spoken to; these turn out to be of old.
    for server in [&["helpful"][..], &["helpful", "mute"]] {
        let mut client = sentinel(server);
        let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2027-01-01"}}"#;
        client.ask(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{meta}}}"#
        ));
        let operator = Operator::attached(&client);
        operator.send(Route::Operator, &call("x")).unwrap();
        let sent = sent_in(2, &driver::capture(&client.home));
        assert!(sent[0].contains("server/discover") && sent[0].contains("2027-01-01"));
        assert!(sent[1].contains("\"initialize\""), "{sent:?}");
    }
}
