//! A session of the operator's own, with no client in front of its server.

use crate::common::driver::{self, until};
use crate::{Operator, SESSION, call, lines, recorded};
use mcp_sentinel::capture::reader::Reader;
use mcp_sentinel::capture::record::{Header, Payload};
use mcp_sentinel::capture::recorder::Recorder;
use mcp_sentinel::mcp;
use mcp_sentinel::proxy::{self, Client, Config, Ended, ProxyError};
use mcp_sentinel::tap::{self, Command, Overflow, Party, Refused, Reply, Route, SessionId};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A proxy without a client, on a thread of this process.
pub struct Alone {
    pub operator: Operator,
    pub capture: PathBuf,
    shutdown: CancellationToken,
    proxy: JoinHandle<Result<Ended, ProxyError>>,
    recorder: Recorder,
    _home: tempfile::TempDir,
}

pub fn alone(words: &[&str], era: Option<mcp::Era>) -> Alone {
    let this = std::env::current_exe().unwrap();
    let command = [&[this.to_str().unwrap(), "peer"], words].concat();
    alone_with(unhurried(&command), era)
}

/// The same server, which leaves when its input ends and for no polite signal before: on a busy machine it may take longer
/// than the proxy waits until it sends one.
fn unhurried(command: &[&str]) -> Vec<std::ffi::OsString> {
    let shell = ["sh", "-c", r#"trap "" TERM; exec "$0" "$@""#];
    let command = shell.iter().chain(command);
    command.map(Into::into).collect()
}

fn alone_with(command: Vec<std::ffi::OsString>, era: Option<mcp::Era>) -> Alone {
    let home = tempfile::tempdir().unwrap();
    let capture = driver::capture(&home);
    let (tap, drain) = tap::queue(1 << 20, Overflow::Wait);
    let header = Header {
        capture: 1,
        ..Header::default()
    };
    let recorder = Recorder::start(capture.clone(), header, drain).unwrap();
    let (orders, received) = mpsc::channel(8);
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    let proxy = std::thread::spawn(move || {
        let config = Config {
            upstream: proxy::Upstream::Command(command),
            era,
            unattended: false,
            grace: Duration::from_secs(300),
            forward_stderr: false,
            started: CancellationToken::new(),
        };
        proxy::run(config, Client::Operator(None), tap, received, token)
    });
    Alone {
        operator: Operator::new(async { orders }),
        capture,
        shutdown,
        proxy,
        recorder,
        _home: home,
    }
}

impl Alone {
    pub fn end(self) -> Result<Ended, ProxyError> {
        self.shutdown.cancel();
        let ended = self.proxy.join().unwrap();
        self.recorder.finish();
        ended
    }
}

pub fn without_a_client_the_operator_lists_what_there_is() {
    let alone = alone(&["mcp"], None);
    let (session, from, to, ..) = recorded(&alone.capture, &["\"tools/list\""]);
    assert_eq!((session, from, to), (1, Party::Operator, None));
    for answer in [
        "\"tools\":[",
        "\"resources\":[",
        "\"resourceTemplates\":[",
        "\"prompts\":[",
    ] {
        assert_eq!(
            recorded(&alone.capture, &["\"result\"", answer]).1,
            Party::Server
        );
    }
    let lists = |alone: &Alone| {
        let all = lines(&alone.capture);
        all.iter()
            .filter(|line| line.4.contains("\"tools/list\""))
            .count()
    };
    assert_eq!(lists(&alone), 1);
    assert_eq!(alone.operator.order(Command::Refresh), Ok(Reply::Done));
    until("it is listed again", || lists(&alone) == 2);
    assert_eq!(alone.end().unwrap().code, 0);
}

/// A server that reads a line for each of these, and writes it.
fn scripted(answers: &[&str], era: Option<mcp::Era>) -> Alone {
    let script =
        r#"for answer; do read -r line; [ -z "$answer" ] || echo "$answer"; done; cat >/dev/null"#;
    alone_with(
        unhurried(&[&["sh", "-c", script, "sh"], answers].concat()),
        era,
    )
}

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}}"#;

pub fn an_entry_that_is_wrong_is_named_and_hides_no_further_pages() {
    let pages = [
        INITIALIZED,
        "",
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"good","inputSchema":{}},{"name":"bare"}],"nextCursor":"2"}}"#,
        r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"last","inputSchema":{}}]}}"#,
    ];
    let alone = scripted(&pages, Some(mcp::Era::Legacy));
    recorded(&alone.capture, &["\"last\""]);
    let mut notes = Vec::new();
    let mut reader = Reader::open(&alone.capture).unwrap();
    let read = reader.read(usize::MAX, |record| {
        if let Payload::Note(text) = record.payload {
            notes.push(text.to_string());
        }
    });
    read.unwrap();
    let said = "(entry 2, bare: missing field `inputSchema`)";
    assert!(notes.len() == 1 && notes[0].contains(said), "{notes:?}");
    alone.end().unwrap();
}

pub fn a_result_that_says_nothing_of_eras_comes_from_a_server_of_old() {
    let answers = [r#"{"jsonrpc":"2.0","id":0,"result":{}}"#, INITIALIZED];
    let initialized = INITIALIZED.replace("\"id\":0", "\"id\":1");
    let alone = scripted(&[answers[0], &initialized], None);
    recorded(&alone.capture, &["\"notifications/initialized\""]);
    alone.end().unwrap();
}

pub fn a_server_of_the_modern_era_gets_what_every_request_needs() {
    let alone = alone(&["mcp"], Some(mcp::Era::Modern));
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"}}}"#;
    let id = alone.operator.send(Route::Operator, request).unwrap();
    let sent = recorded(&alone.capture, &[&id, "tools/call"]).4;
    for key in [
        "protocolVersion\":\"2026-07-28\"",
        "clientInfo\":{",
        "clientCapabilities\":{",
    ] {
        assert!(
            sent.contains(&format!("io.modelcontextprotocol/{key}")),
            "{sent}"
        );
    }
    recorded(&alone.capture, &[&id, "echo: hi"]);
    assert!(
        lines(&alone.capture)
            .iter()
            .all(|line| !line.4.contains("\"initialize\""))
    );
    alone.end().unwrap();
}

pub fn subscriptions_are_ended_before_their_session_is() {
    let demo = [env!("CARGO_BIN_EXE_mcp-sentinel"), "demo", "--server"];
    let alone = alone_with(unhurried(&demo), Some(mcp::Era::Modern));
    let subscribe = |uri: &str| {
        let listen = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"notifications":{{"resourceSubscriptions":["{uri}"]}}}}}}"#
        );
        let id = alone.operator.send(Route::Operator, &listen).unwrap();
        recorded(&alone.capture, &["subscriptions/acknowledged", &id]);
        id
    };
    let ids = [subscribe("harbour://guide"), subscribe("harbour://log")];
    let cancel = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{}}}}}"#,
        ids[0]
    );
    let order = Command::Send {
        route: Route::Operator,
        message: cancel,
        replay_of: None,
    };
    alone.operator.order(order).unwrap();
    let Alone {
        capture,
        shutdown,
        proxy,
        recorder,
        _home,
        ..
    } = alone;
    shutdown.cancel();
    // By itself, and not by a signal after a wait.
    assert_eq!(proxy.join().unwrap().unwrap().code, 0);
    recorder.finish();
    for id in ids {
        let lines = lines(&capture).into_iter();
        let cancels = lines.filter(|line| {
            line.1 == Party::Operator
                && line.4.contains("notifications/cancelled")
                && line.4.contains(&id)
        });
        assert_eq!(cancels.count(), 1, "{id}");
    }
}

pub fn a_request_of_the_server_waits_for_the_operators_answer() {
    let alone = alone(&["helpful"], Some(mcp::Era::Legacy));
    let id = alone.operator.send(Route::Operator, &call("ask")).unwrap();
    recorded(&alone.capture, &["elicitation/create"]);
    let answer = |text: &str| {
        alone.operator.order(Command::Answer {
            session: SessionId(1),
            message: text.to_owned(),
        })
    };
    let wrong = answer(r#"{"jsonrpc":"2.0","id":"z","result":{}}"#);
    assert_eq!(
        wrong,
        Err(Refused("the server waits for no answer to \"z\"".into()))
    );
    answer("{\"jsonrpc\":\"2.0\",\"id\":\"q\",\n\"result\":{\"action\":\"accept\"}}").unwrap();
    let heard = recorded(&alone.capture, &[&id, "accept"]);
    assert_eq!((heard.1, heard.2), (Party::Server, Some(Party::Operator)));
    alone.end().unwrap();
}

pub fn a_ping_of_the_server_is_answered_by_itself() {
    let alone = alone(&["helpful"], None);
    let id = alone
        .operator
        .send(Route::Operator, &call("ping me"))
        .unwrap();
    recorded(
        &alone.capture,
        &[&id, "heard", "\"id\":\"p\"", "\"result\":{}"],
    );
    alone.end().unwrap();
}

pub fn a_handshake_that_fails_is_told_with_its_reason() {
    let alone = alone(&["exit", "3"], None);
    let reason = alone
        .operator
        .send(Route::Operator, &call("x"))
        .unwrap_err();
    assert!(
        reason.contains("the server exited with status 3"),
        "{reason}"
    );
    assert!(reason.contains("handshake"), "{reason}");
    assert_eq!(alone.end().unwrap().code, 3);
}

pub fn a_closed_session_is_opened_again_by_the_next_order() {
    let alone = alone(&["helpful"], Some(mcp::Era::Legacy));
    alone.operator.send(Route::Operator, &call("x")).unwrap();
    assert_eq!(
        alone.operator.order(Command::CloseOperator),
        Ok(Reply::Done)
    );
    let gone = alone.operator.send(SESSION, &call("x")).unwrap_err();
    assert_eq!(gone, "session 1 is over: the server exited with status 0");
    let id = alone.operator.send(Route::Operator, &call("x")).unwrap();
    assert_eq!(recorded(&alone.capture, &[&id, "\"result\""]).0, 2);
    alone.end().unwrap();
}

pub fn a_session_that_was_begun_once_more_is_told_by_its_first_number() {
    // Elsewhere nobody knows that the server has read what ended it.
    if !cfg!(target_os = "linux") {
        return;
    }
    let this = std::env::current_exe().unwrap();
    let script = r#"read -r line; case $line in *discover*) exit 1 ;; esac; { echo "$line"; cat; } | "$0" peer helpful"#;
    let command = ["sh", "-c", script, this.to_str().unwrap()];
    let alone = alone_with(command.map(Into::into).to_vec(), None);
    alone.operator.send(Route::Operator, &call("x")).unwrap();
    let gone = alone.operator.send(SESSION, &call("x")).unwrap_err();
    let told = "session 1 is over: the server was started once more, in session 2";
    assert_eq!(gone, told);
    let second = Route::Session(SessionId(2));
    alone.operator.send(second, &call("x")).unwrap();
    alone.end().unwrap();
}

pub fn a_command_that_cannot_start_ends_the_proxy_at_once() {
    let alone = alone_with(vec!["no-such-server-anywhere".into()], None);
    match alone.proxy.join().unwrap() {
        Err(ProxyError::Start { code: 127, .. }) => {}
        other => panic!("{other:?}"),
    }
}
