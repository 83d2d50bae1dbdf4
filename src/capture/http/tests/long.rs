//! Bodies and events that are too long for memory.

use super::*;
use std::path::Path;

/// What a half comes to that has this head and whose body arrives in pieces, and how many messages were not in memory.
fn in_pieces(head: Http, of: Half, bytes: &[u8], directory: &Path) -> (Vec<String>, usize) {
    let mut exchanges = Exchanges::new(Vec::new(), directory.into());
    let mut recorded = Recorded::default();
    let piece = |piece: &[u8]| body(of, Bytes::copy_from_slice(piece));
    let mut steps = vec![head];
    steps.extend(bytes.chunks(300_000).map(piece));
    steps.push(end(of));
    for step in steps {
        exchanges.take(SESSION, ID, &step, &mut |entry| recorded.add(entry));
    }
    recorded.said.remove(0);
    recorded.said.pop();
    (recorded.said, recorded.spooled)
}

/// A body of JSON.
fn long(body_of: Half, bytes: &[u8], directory: &Path) -> (Vec<String>, usize) {
    let json = [("content-type", "application/json")];
    let head = match body_of {
        Half::Request => request(Party::Client, &json),
        Half::Response => response(Party::Server, &json),
    };
    in_pieces(head, body_of, bytes, directory)
}

/// A stream of events.
fn streamed(stream: &str, directory: &Path) -> (Vec<String>, usize) {
    let events = [("content-type", "text/event-stream")];
    let head = response(Party::Server, &events);
    in_pieces(head, Half::Response, stream.as_bytes(), directory)
}

#[test]
fn a_long_message_in_a_body_is_not_held_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let fill = "é".repeat(1 << 20);
    for message in [
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\n\"result\":\"{fill}\"}}"),
        format!("[1,{{\"id\":\"{fill}\",\"method\":\"m\"}}]"),
        format!("\u{feff}{{\"x\":\"{fill}\",\"id\":1,\"error\":{{}}}}"),
    ] {
        for (of, who) in [(Half::Request, "Client"), (Half::Response, "Server")] {
            let (said, spooled) = long(of, message.as_bytes(), directory.path());
            assert_eq!(spooled, 1);
            assert!(said == [format!("{who}: {message}")]);
        }
    }
}

#[test]
fn a_long_body_that_is_no_message_is_masked_and_kept_in_parts() {
    let directory = tempfile::tempdir().unwrap();
    let fill = "é ".repeat(1 << 20);
    for body in [
        format!("{{\"access_token\":\"abc\",\"x\":\"{fill}\"}}"),
        format!("{{\"jsonrpc\":\"2.0\",\"access_token\":\"abc\",\"x\":\"{fill}\""),
    ] {
        let (said, spooled) = long(Half::Response, body.as_bytes(), directory.path());
        assert_eq!(spooled, 0);
        let text: String = said
            .iter()
            .map(|it| it.strip_prefix("text: ").unwrap())
            .collect();
        assert!(text == body.replace("abc", "***"));
    }
}

#[test]
fn a_document_is_masked_in_stretches_of_which_none_ends_within_a_value() {
    let directory = tempfile::tempdir().unwrap();
    let secret =
        |at: usize| format!("{{\"client_secret\" : \"a,\\\"b{at}\", \"x\":[{at},\"{{\"]}}");
    let masked = |at: usize| format!("{{\"client_secret\" : \"***\", \"x\":[{at},\"{{\"]}}");
    let all = |one: &dyn Fn(usize) -> String| {
        let all: Vec<_> = (0..30_000).map(one).collect();
        format!("[{}]", all.join(","))
    };
    let (said, _) = long(Half::Response, all(&secret).as_bytes(), directory.path());
    let text: String = said
        .iter()
        .map(|it| it.strip_prefix("text: ").unwrap())
        .collect();
    assert!(text == all(&masked));
}

#[test]
fn what_is_only_called_json_is_masked_behind_a_quote_that_stands_alone() {
    let directory = tempfile::tempdir().unwrap();
    let lines = |secret: &str| {
        let line = format!("{{\"client_secret\":\"{secret}\", \"x\":1}}\n");
        "a 5\" disk\n".to_owned() + &line.repeat(40_000)
    };
    let document = lines("a,b,c,d");
    let (said, _) = long(Half::Response, document.as_bytes(), directory.path());
    let text: String = said
        .iter()
        .map(|it| it.strip_prefix("text: ").unwrap())
        .collect();
    assert!(text == lines("***"));
}

/// What becomes of parameters that arrive in pieces.
fn parameters(text: &str) -> Vec<String> {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let head = request(Party::Client, &form);
    in_pieces(head, Half::Request, text.as_bytes(), Path::new("/nowhere")).0
}

#[test]
fn many_parameters_are_masked_before_all_have_come() {
    let said = parameters(&"client_secret=abcdefgh&scope=x&".repeat(40_000));
    let text: String = said
        .iter()
        .map(|it| it.strip_prefix("text: ").unwrap())
        .collect();
    assert!(text == "client_secret=***&scope=x&".repeat(40_000));
}

#[test]
fn a_value_that_is_too_long_to_be_masked_is_not_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let long_value = "x".repeat(17 << 20);
    let document = format!("{{\"a\":1,\"token\":\"{long_value}\",\"b\":2}}");
    let (said, _) = long(Half::Response, document.as_bytes(), directory.path());
    let rest = document.len() - "{\"a\":1,".len();
    assert_eq!(
        said,
        ["text: {\"a\":1,".to_owned(), format!("lost(0, {rest})")]
    );
    let said = parameters(&format!("a=1&token={long_value}&b=2"));
    let rest = "token=".len() + long_value.len() + "&b=2".len();
    assert_eq!(said, ["text: a=1&".to_owned(), format!("lost(0, {rest})")]);
}

#[test]
fn a_long_body_that_nothing_can_hold_is_a_lost_message() {
    let nowhere = std::path::Path::new("/nowhere/at/all");
    let body = format!("{{\"id\":1,\"result\":\"{}\"}}", "x".repeat(3 << 20));
    let (said, _) = long(Half::Response, body.as_bytes(), nowhere);
    assert_eq!(said, [format!("lost(1, {})", body.len())]);
}

#[test]
fn a_long_beginning_without_a_sign_of_its_kind_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let blank = " \n".repeat(1 << 20);
    for (rest, message) in [("{\"id\":1,\"result\":1}", true), ("words", false)] {
        let mut exchanges = Exchanges::new(Vec::new(), directory.path().into());
        let mut recorded = Recorded::default();
        for step in [
            request(Party::Client, &[]),
            body(Half::Request, blank.clone()),
            body(Half::Request, rest),
            end(Half::Request),
        ] {
            exchanges.take(SESSION, ID, &step, &mut |entry| recorded.add(entry));
        }
        assert_eq!(recorded.spooled, usize::from(message));
        let said = &recorded.said[1..recorded.said.len() - 1];
        let prefix = if message { "Client: " } else { "text: " };
        let text: String = said
            .iter()
            .map(|it| it.strip_prefix(prefix).unwrap())
            .collect();
        assert!(text == format!("{blank}{rest}"));
    }
}

#[test]
fn a_long_event_is_not_held_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let fill = "é".repeat(1 << 20);
    let lines = "\"xxxxxxxxx\",\ndata: ".repeat(200_000);
    let stream = format!(
        "data: {{\"a\":\"{fill}\"}}\n\ndata: 1\nid: 7\n\n: note\nid: 8\ndata: [{lines}\ndata:1]\n\ndata: 2\n\n"
    );
    let (said, spooled) = streamed(&stream, directory.path());
    assert_eq!(spooled, 2);
    let joined = lines.replace("data: ", "");
    let expected = [
        format!("Server: {{\"a\":\"{fill}\"}}"),
        "Server #7: 1".into(),
        said[2].clone(),
        format!("Server #8: [{joined}\n1]"),
        "Server: 2".into(),
    ];
    assert!(said[2].starts_with("event ") && said[2].contains("note"));
    assert!(said == expected);
}

#[test]
fn a_long_event_that_is_no_message_or_has_no_end_is_masked() {
    let directory = tempfile::tempdir().unwrap();
    let secret = format!(
        "{{\"access_token\":\"abc\",\"x\":\"{}\"}}",
        "x".repeat(3 << 20)
    );
    let masked = secret.replace("abc", "***");
    let (said, spooled) = streamed(&format!("event: e\ndata: {secret}\n\n"), directory.path());
    assert_eq!((said.len(), spooled), (1, 0));
    assert!(said[0].contains(&masked.replace('"', "\\\"")));
    for torn in ["data:", "data: one\ndata: "] {
        let (said, spooled) = streamed(&format!("{torn}{secret}"), directory.path());
        assert_eq!(spooled, 0);
        let text: String = said
            .iter()
            .map(|it| it.strip_prefix("text: ").unwrap())
            .collect();
        assert!(text == format!("{torn}{masked}"));
    }
}

#[test]
fn a_long_event_that_nothing_can_hold_is_lost_and_the_next_is_not() {
    let nowhere = std::path::Path::new("/nowhere/at/all");
    let long = "x".repeat(3 << 20);
    let (said, _) = streamed(&format!("data: {long}\n\ndata: 2\n\n"), nowhere);
    assert_eq!(
        said,
        [format!("lost(1, {})", long.len()), "Server: 2".into()]
    );
}
