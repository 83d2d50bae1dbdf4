//! What the recorder counts while it records, beside what the screen counts once it has read the same capture.

use super::http::{body, end, http};
use super::*;
use ::http::{Method, StatusCode};
use mcp_sentinel::tap::{Half, Headers, Http, Request, Response};
use mcp_sentinel::traffic::{Traffic, digest::digest};

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#;
const NOTIFICATION: &str = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
const REFUSAL: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}"#;

/// Messages and errors, as they were counted while they were recorded and as they are counted when they are read.
#[derive(Debug, PartialEq)]
struct Counted {
    live: (u64, u64),
    saved: (u64, u64),
}

fn counted(events: impl IntoIterator<Item = Event>) -> Counted {
    let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
    events.into_iter().for_each(|it| recording.tap.push(it));
    let totals = recording.recorder.totals();
    recording.recorder.finish();
    let mut traffic = Traffic::default();
    let mut reader = Reader::open(&recording.path).unwrap();
    while reader
        .read(100, |record| traffic.apply(digest(&record)))
        .unwrap()
        > 0
    {}
    let sum = |parts: &[&std::sync::atomic::AtomicU64]| {
        parts.iter().map(|it| it.load(Ordering::Acquire)).sum()
    };
    Counted {
        live: (
            sum(&[
                &totals.client_messages,
                &totals.server_messages,
                &totals.operator_messages,
            ]),
            sum(&[&totals.errors, &totals.tool_errors]),
        ),
        saved: (traffic.counters().messages, traffic.counters().errors),
    }
}

fn both(messages: u64, errors: u64) -> Counted {
    Counted {
        live: (messages, errors),
        saved: (messages, errors),
    }
}

fn asked(method: Method, headers: &[(&str, &str)]) -> Event {
    let head = Request {
        by: Party::Client,
        method,
        target: "/mcp".into(),
        headers: (&super::http::headers(headers)).into(),
        added: Headers::default(),
    };
    http(1, Http::Request(head))
}

fn answered(status: u16, headers: &[(&str, &str)]) -> Event {
    let head = Response {
        by: Party::Server,
        status: StatusCode::from_u16(status).unwrap(),
        headers: (&super::http::headers(headers)).into(),
        rewritten: Vec::new(),
    };
    http(1, Http::Response(head))
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// A body that is posted, and what it is answered with.
fn posted(sent: &str, status: u16, headers: &[(&str, &str)], reply: &str) -> Counted {
    counted([
        asked(Method::POST, &[JSON]),
        body(1, Half::Request, sent.to_owned()),
        end(1, Half::Request),
        answered(status, headers),
        body(1, Half::Response, reply.to_owned()),
        end(1, Half::Response),
    ])
}

#[test]
fn a_batch_is_as_many_messages_as_it_has_parts() {
    let fill = "x".repeat(2 << 20);
    for (line, messages, errors) in [
        (format!("[{CALL},{NOTIFICATION}]"), 2, 0),
        (format!("  [{CALL}, {CALL} , {REFUSAL}]"), 3, 1),
        (format!("[{CALL},7,[]]"), 3, 0),
        (format!("[{CALL},{NOTIFICATION}"), 1, 0),
        ("[1,2]".to_owned(), 1, 0),
        ("[]".to_owned(), 1, 0),
        (CALL.replace("tools/call", "[{},{}]"), 1, 0),
        (format!("[{CALL},{{\"x\":\"{fill}\"}},{REFUSAL}]"), 3, 1),
        (format!("[{CALL},{{\"x\":\"{fill}\"}},{REFUSAL}"), 1, 0),
        (format!("\"{fill}\""), 1, 0),
    ] {
        let found = counted([stream(Party::Client, format!("{line}\n"))]);
        let start = &line[..line.len().min(40)];
        assert_eq!(found, both(messages, errors), "{start}");
        if line.starts_with('[') && line.ends_with(']') && line.contains('{') {
            let found = posted(&line, 202, &[], "");
            assert_eq!(found, both(messages, errors), "{start}");
        }
    }
}
