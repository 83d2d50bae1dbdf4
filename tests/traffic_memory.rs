//! How much memory the model takes for each message that it has folded in.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mcp_sentinel::capture::record::{Encoding, Location, Payload, Record};
use mcp_sentinel::tap::{Party, SessionId, Timestamp};
use mcp_sentinel::traffic::Traffic;
use mcp_sentinel::traffic::digest::digest;
use mcp_sentinel::traffic::view::View;

/// Resident memory of this process.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn apply(traffic: &mut Traffic, seq: u64, from: Party, text: &str) {
    let location = Location {
        line: seq * 250,
        start: 90,
        len: text.len() as u32,
        encoding: Encoding::Verbatim,
    };
    let bytes = text.as_bytes().into();
    let payload = Payload::Line {
        from,
        to: None,
        replay_of: None,
        via: None,
        terminated: true,
        json: true,
        bytes,
    };
    traffic.apply(digest(&Record {
        seq,
        at: Timestamp(seq as i64),
        session: SessionId(1),
        location,
        payload,
    }));
}

// The only test in this file: others would share the process, and so the figure.
#[test]
fn a_message_takes_at_most_128_bytes() {
    let mut traffic = Traffic::default();
    let mut view = View::default();
    apply(
        &mut traffic,
        0,
        Party::Client,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    );
    view.refresh(&traffic);
    let before = resident_bytes();
    let messages = 100_000;
    for seq in (1..=messages).step_by(2) {
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":{seq},"method":"tools/call","params":{{"name":"get-sum","arguments":{{"a":{seq},"b":"text"}},"_meta":{{"progressToken":{seq}}}}}}}"#
        );
        apply(&mut traffic, seq, Party::Client, &call);
        let answer = format!(
            r#"{{"jsonrpc":"2.0","id":{seq},"result":{{"content":[{{"type":"text","text":"The sum of {seq} and b."}}]}}}}"#
        );
        apply(&mut traffic, seq + 1, Party::Server, &answer);
        view.refresh(&traffic);
    }
    let each = (resident_bytes() - before) / messages;
    assert_eq!(u64::from(traffic.len()), messages / 2 + 1);
    assert!(each <= 128, "{each} bytes a message");
    assert!(
        each >= 60,
        "{each} bytes a message cannot be: what was measured?"
    );
}
