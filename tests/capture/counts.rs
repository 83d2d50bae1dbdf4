//! What the recorder counts while it records, beside what the screen counts once it has read the same capture.

use super::http::{body, end, http, request, response};
use super::*;
use ::http::{Method, StatusCode};
use mcp_sentinel::tap::{ExchangeId, Half, Http, Request, Response, Via};
use mcp_sentinel::traffic::{Traffic, digest::digest};

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#;
const NOTIFICATION: &str = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
const REFUSAL: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}"#;

/// Messages and errors, as they were counted while they were recorded and as they are counted when they are read.
#[derive(Debug, PartialEq)]
pub(super) struct Counted {
    live: (u64, u64),
    saved: (u64, u64),
}

pub(super) fn counted(events: impl IntoIterator<Item = Event>) -> Counted {
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

pub(super) fn both(messages: u64, errors: u64) -> Counted {
    Counted {
        live: (messages, errors),
        saved: (messages, errors),
    }
}

fn asked(method: Method, headers: &[(&str, &str)]) -> Event {
    let headers = super::http::headers(headers);
    let head = Request::new(Party::Client, method, "/mcp", &headers);
    http(1, Http::Request(head))
}

fn answered(status: u16, headers: &[(&str, &str)]) -> Event {
    let (status, headers) = (StatusCode::from_u16(status), super::http::headers(headers));
    let head = Response::new(Party::Server, status.unwrap(), &headers);
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
fn what_http_refuses_without_an_answer_is_an_error() {
    for status in [400, 401, 404, 501, 503] {
        let refused = posted(CALL, status, &[], "not here");
        assert_eq!(refused, both(1, 1), "{status}");
    }
    let document = r#"{"error":"invalid_token"}"#;
    assert_eq!(posted(CALL, 401, &[JSON], document), both(1, 1));
    assert_eq!(posted(NOTIFICATION, 501, &[], ""), both(1, 1));
}

#[test]
fn what_is_refused_and_answered_is_one_error() {
    assert_eq!(posted(CALL, 400, &[JSON], REFUSAL), both(2, 1));
    assert_eq!(posted(CALL, 500, &[JSON], RESULT), both(2, 0));
    let stream = [("content-type", "text/event-stream")];
    let event = format!("data: {REFUSAL}\n\n");
    assert_eq!(posted(CALL, 500, &stream, &event), both(2, 1));
    let note = format!("data: {NOTIFICATION}\n\n");
    assert_eq!(posted(CALL, 500, &stream, &note), both(2, 1));
}

#[test]
fn each_request_of_a_refused_batch_is_an_error() {
    let batch = format!("[{CALL},{},{NOTIFICATION}]", CALL.replace('1', "2"));
    assert_eq!(posted(&batch, 501, &[], ""), both(3, 3));
    let partly = format!("[{REFUSAL}]");
    assert_eq!(posted(&batch, 501, &[JSON], &partly), both(4, 3));
}

#[test]
fn what_carries_nothing_that_waits_for_an_answer_is_an_error_when_the_server_fails() {
    for (status, errors) in [(202, 0), (404, 0), (502, 1)] {
        assert_eq!(posted(RESULT, status, &[], ""), both(1, errors), "{status}");
        let form = posted("{\"x\":1}", status, &[], "");
        assert_eq!(form, both(0, errors), "{status}");
        let cancelled =
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
        let get = counted([
            asked(Method::GET, &[JSON]),
            end(1, Half::Request),
            answered(status, &[]),
            end(1, Half::Response),
        ]);
        assert_eq!(get, both(0, errors), "{status}");
        let call = stream(Party::Client, format!("{CALL}\n"));
        let cancel = counted([
            call,
            asked(Method::POST, &[JSON]),
            body(1, Half::Request, cancelled),
            end(1, Half::Request),
            answered(status, &[]),
            end(1, Half::Response),
        ]);
        assert_eq!(cancel, both(2, errors), "{status}");
    }
}

#[test]
fn a_bridge_answers_what_was_refused_itself() {
    let to_client = Body::Line {
        from: Party::Sentinel,
        to: Party::Client,
        bytes: REFUSAL.into(),
        replay_of: None,
        via: None,
    };
    let bridged = |method: Method| {
        counted([
            stream(Party::Client, format!("{CALL}\n")),
            asked(method, &[]),
            end(1, Half::Request),
            answered(503, &[]),
            end(1, Half::Response),
            event(to_client.clone()),
        ])
    };
    assert_eq!(bridged(Method::POST), both(1, 1));
    // The stream that it opens is for nobody who could be answered.
    assert_eq!(bridged(Method::GET), both(1, 2));
}

#[test]
fn a_refusal_with_an_answer_of_our_own_is_one_error() {
    let answer = event(Body::Line {
        from: Party::Sentinel,
        to: Party::Client,
        bytes: REFUSAL.into(),
        replay_of: None,
        via: Some(Box::new(Via::body(ExchangeId(1)))),
    });
    // Either may be told of first.
    for is_head_first in [true, false] {
        let mut events = vec![answered(502, &[JSON]), answer.clone()];
        if !is_head_first {
            events.reverse();
        }
        let asked = [asked(Method::POST, &[JSON]), body(1, Half::Request, CALL)];
        let counted = counted(
            asked
                .into_iter()
                .chain([end(1, Half::Request)])
                .chain(events)
                .chain([end(1, Half::Response)]),
        );
        assert_eq!((counted.live.1, counted.saved.1), (1, 1));
    }
}

#[test]
fn an_exchange_that_failed_is_one_error_however_often_it_ends() {
    let twice = counted([
        request(1, &[JSON]),
        body(1, Half::Request, CALL),
        end(1, Half::Request),
        answered(501, &[]),
        end(1, Half::Response),
        end(1, Half::Response),
        response(1, &[]),
        end(1, Half::Response),
    ]);
    assert_eq!(twice.live, (1, 1));
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

#[test]
fn what_is_said_in_a_servers_place_is_no_message_of_anybodys() {
    let call = stream(Party::Client, format!("{CALL}\n"));
    let ours = stream(Party::Sentinel, format!("{REFUSAL}\n"));
    assert_eq!(counted([call, ours]), both(1, 1));
}
