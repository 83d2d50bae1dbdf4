//! What is said of HTTP: of exchanges, and of a server at an address.

use super::*;
use crate::common_ui::capture;
use mcp_sentinel::tap::Command;

const POST: &str = r#""http":{"exchange":1,"request":{"by":"client","method":"POST","target":"/mcp","headers":[["host","h"]]}}"#;

#[test]
fn an_exchange_that_broke_off_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let lines = [
        r#""http":{"exchange":1,"request":{"by":"client","method":"GET","target":"/mcp","headers":[["host","h"]]}}"#,
        r#""http":{"exchange":1,"end":{"of":"request","bytes":0}}"#,
        r#""http":{"exchange":1,"end":{"of":"response","bytes":0,"broken":"Connection refused"}}"#,
    ];
    let path = capture(directory.path(), &lines[..2]);
    let stage = Stage::open(120, 40, &path, State::Live);
    assert!(stage.text().contains("→ no response yet"));
    let path = capture(directory.path(), &lines);
    let text = Stage::open(120, 40, &path, State::Live).text();
    assert!(text.contains("→ no response"), "{text}");
    assert!(!text.contains("no response yet"), "{text}");
}

#[test]
fn what_an_exchange_carried_that_is_about_another_is_read_below_it() {
    let directory = tempfile::tempdir().unwrap();
    let cancel = r#""from":"client","exchange":1,"message":{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":12,"reason":"bored"}}"#;
    let lines = [
        r#""from":"client","message":{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"slow"}}"#,
        POST,
        cancel,
        r#""http":{"exchange":1,"end":{"of":"request","bytes":90}}"#,
        r#""http":{"exchange":1,"response":{"by":"server","status":202,"headers":[]}}"#,
        r#""http":{"exchange":1,"end":{"of":"response","bytes":0}}"#,
    ];
    let path = capture(directory.path(), &lines);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("G");
    let text = stage.text();
    let row = stage.selected();
    for words in ["POST", "notifications/cancelled", "202"] {
        assert!(row.contains(words), "{text}");
    }
    for words in ["[Messages]", r#""reason": "bored""#] {
        assert!(text.contains(words), "{text}");
    }
    stage.press("]");
    assert!(
        stage.text().contains("POST /mcp → 202 Accepted"),
        "{}",
        stage.text()
    );
}

const ASKED: &str = r#""http":{"exchange":1,"end":{"of":"request","bytes":7}}"#;
const REFUSED: &str =
    r#""http":{"exchange":1,"response":{"by":"server","status":400,"headers":[]}}"#;
const PARSE_ERROR: &str = r#""from":"server","exchange":1,"message":{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#;
const OVER: &str = r#""http":{"exchange":1,"end":{"of":"response","bytes":80}}"#;

#[test]
fn the_error_of_a_body_that_could_not_be_read_is_told_by_its_post() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &[POST, ASKED, REFUSED, PARSE_ERROR, OVER]);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("G");
    let row = stage.selected();
    for words in ["POST", "-32700 Parse error", "400"] {
        assert!(row.contains(words), "{row}");
    }
    let text = stage.text();
    assert!(!text.contains("unasked"), "{text}");
    assert!(text.contains(r#""message": "Parse error""#), "{text}");
    assert!(stage.status().contains("1 error"), "{}", stage.status());
}

#[test]
fn what_is_saved_of_an_exchange_is_in_order_and_called_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let event = r#""http":{"exchange":1,"event":{"comment":"keep-alive"}}"#;
    let opened = r#""http":{"exchange":1,"response":{"by":"server","status":200,"headers":[["content-type","text/event-stream"]]}}"#;
    let records = [POST, ASKED, opened, event, OVER];
    for (records, keys, what, lines) in [
        (records, "Gw", "record", 5),
        (
            [POST, ASKED, REFUSED, PARSE_ERROR, OVER],
            "Gw",
            "message",
            1,
        ),
        (
            [POST, ASKED, REFUSED, PARSE_ERROR, OVER],
            "G]w",
            "record",
            4,
        ),
    ] {
        let path = capture(directory.path(), &records);
        let mut stage = Stage::open(120, 40, &path, State::Live);
        stage.press(keys);
        let Some(Effect::Save {
            what: said, places, ..
        }) = stage.effects.last()
        else {
            panic!("{:?}", stage.effects);
        };
        assert_eq!((*said, places.len()), (what, lines), "{keys}");
        assert!(places.is_sorted_by_key(|place| place.line), "{places:?}");
    }
}

#[test]
fn what_a_server_at_an_address_says_instead_of_a_message_is_on_no_stdout() {
    let directory = tempfile::tempdir().unwrap();
    let text = r#""from":"server","exchange":1,"text":"hello""#;
    let path = capture(directory.path(), &[POST, ASKED, text]);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("G");
    let row = stage.selected();
    assert!(row.contains("hello") && row.contains("no message"), "{row}");
}

/// A screen before a server at an address, with these records.
fn at_an_address(lines: &[&str]) -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), lines);
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replacen(r#""transport":"stdio""#, r#""transport":"http""#, 1);
    std::fs::write(&path, text).unwrap();
    Stage::open(120, 40, &path, State::Live)
}

const OWN: &str = r#""opened":{"by":"operator","transport":"http"}"#;

#[test]
fn a_server_that_cannot_be_reached_is_said_to_be_so_while_it_lasts() {
    let away = r#""note":"the server does not answer: Connection refused""#;
    let back = r#""note":"the server answers again""#;
    let client = r#""opened":{"by":"client","transport":"http"}"#;
    let stage = at_an_address(&[client, away]);
    let bar = stage.status();
    for words in [
        "■ unreachable",
        "the server does not answer: Connection refused",
    ] {
        assert!(bar.contains(words), "{bar}");
    }
    let mut stage = at_an_address(&[client, away, back]);
    let bar = stage.status();
    assert!(
        bar.contains("● live") && !bar.contains("does not answer"),
        "{bar}"
    );
    stage.press("6");
    assert!(stage.text().contains("Connection refused"));
}

#[test]
fn of_an_own_session_over_http_that_is_over_one_reads_why_and_nothing_else_has_ended() {
    let forgotten = r#""closed":{"exit":1,"reason":"the server knows this session no more (404)"}"#;
    let greeted = [
        OWN,
        r#""from":"operator","message":{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{"name":"c","version":"1"}}}"#,
        r#""from":"server","message":{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}}"#,
        forgotten,
    ];
    let mut stage = at_an_address(&greeted);
    let bar = stage.status();
    for words in [
        "● live",
        "your session is over: the server knows this session no more (404): R begins another",
    ] {
        assert!(bar.contains(words), "{bar}");
    }
    stage.press("2");
    let text = stage.text();
    let words = "The server knows this session no more (404). R tries again.";
    assert!(text.contains(words), "{text}");
    stage.press("R");
    let begun = |effect: &Effect| matches!(effect, Effect::Command { command, .. } if *command == Command::Renew);
    assert!(stage.effects.iter().any(begun));

    let locked = r#""closed":{"exit":0,"reason":"the server wants to know who asks (401): run `mcp-sentinel auth login http://h/mcp`, or give a header with --header"}"#;
    let mut stage = at_an_address(&[OWN, locked]);
    let bar = stage.status();
    assert!(
        bar.contains("who asks (401): run `mcp-sentinel auth"),
        "{bar}"
    );
    stage.press("2");
    let text = stage.text();
    for words in [
        "Your session with the server could not begin.",
        "The server wants to know who asks (401): run `mcp-sentinel auth login http://h/mcp`",
    ] {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_call_that_waits_is_not_dropped_for_another_session() {
    let call = r#""from":"operator","message":{"jsonrpc":"2.0","id":"mcpx-1","method":"tools/call","params":{"name":"slow"}}"#;
    let answer =
        r#""from":"server","message":{"jsonrpc":"2.0","id":"mcpx-1","result":{"content":[]}}"#;
    for (lines, begins) in [(&[OWN, call][..], false), (&[OWN, call, answer], true)] {
        let mut stage = at_an_address(lines);
        stage.press("R");
        let commands = stage.effects.iter();
        let is_command = |it: &&Effect| matches!(it, Effect::Command { .. });
        assert_eq!(commands.filter(is_command).count(), usize::from(begins));
        assert_eq!(stage.status().contains("x cancels it"), !begins);
    }
}
