//! How much memory the model takes for each message that it has folded in.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mcp_sentinel::capture::record::{Encoding, HttpPart, HttpRecord, Location, Payload, Record};
use mcp_sentinel::tap::{ExchangeId, Half, Party, SessionId, Timestamp, Via};
use mcp_sentinel::traffic::Traffic;
use mcp_sentinel::traffic::digest::digest;
use mcp_sentinel::traffic::view::View;

/// Resident memory of this process.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// A model, and the number of the next record.
#[derive(Default)]
struct Folded {
    traffic: Traffic,
    view: View,
    seq: u64,
}

impl Folded {
    fn apply(&mut self, len: usize, payload: Payload<'_>) {
        let location = Location {
            line: self.seq * 250,
            start: 90,
            len: len as u32,
            encoding: Encoding::Verbatim,
        };
        self.traffic.apply(digest(&Record {
            seq: self.seq,
            line_number: self.seq,
            at: Timestamp(self.seq as i64),
            session: SessionId(1),
            location,
            payload,
        }));
        self.seq += 1;
    }

    fn message(&mut self, from: Party, text: &str, via: Option<u64>) {
        let payload = Payload::Line {
            from,
            to: None,
            replay_of: None,
            via: via.map(|exchange| Via::body(ExchangeId(exchange))),
            terminated: true,
            json: true,
            bytes: text.as_bytes().into(),
        };
        self.apply(text.len(), payload);
    }

    fn http(&mut self, exchange: u64, part: HttpPart) {
        let exchange = ExchangeId(exchange);
        self.apply(200, Payload::Http(HttpRecord { exchange, part }));
    }

    /// A call and its answer; over HTTP when `http`.
    fn call(&mut self, id: u64, http: bool) {
        let via = http.then_some(id);
        let end = |of| HttpPart::End {
            of,
            bytes: 200,
            broken: None,
        };
        if http {
            let request = HttpPart::Request {
                by: Party::Client,
                method: "POST".into(),
                target: "/mcp".into(),
                headers: vec![("mcp-session-id".into(), "a".into())],
                added: Vec::new(),
            };
            self.http(id, request);
        }
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"get-sum","arguments":{{"a":{id},"b":"text"}},"_meta":{{"progressToken":{id}}}}}}}"#
        );
        self.message(Party::Client, &call, via);
        if http {
            self.http(id, end(Half::Request));
            let response = HttpPart::Response {
                by: Party::Server,
                status: 200,
                headers: vec![("content-type".into(), "application/json".into())],
                rewritten: Vec::new(),
            };
            self.http(id, response);
        }
        let answer = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"The sum of {id} and b."}}]}}}}"#
        );
        self.message(Party::Server, &answer, via);
        if http {
            self.http(id, end(Half::Response));
        }
        self.view.refresh(&self.traffic);
    }
}

/// What a message takes, when so many are folded in.
fn bytes_a_message(messages: u64, http: bool) -> u64 {
    let mut folded = Folded::default();
    folded.call(0, http);
    let before = resident_bytes();
    for id in 1..=messages / 2 {
        folded.call(id, http);
    }
    let each = (resident_bytes() - before) / messages;
    assert_eq!(u64::from(folded.traffic.len()), messages / 2 + 1);
    assert!(
        each >= 60,
        "{each} bytes a message cannot be: what was measured?"
    );
    // What is measured next must not find room that this one leaves.
    std::mem::forget(folded);
    each
}

// The only test in this file: others would share the process, and so the figure.
#[test]
fn a_message_takes_little_and_http_little_more() {
    let stdio = bytes_a_message(100_000, false);
    assert!(stdio <= 112, "{stdio} bytes a message");
    let http = bytes_a_message(100_000, true);
    assert!(http <= 160, "{http} bytes a message over HTTP");
}
