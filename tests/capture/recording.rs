//! What was seen is in the capture, and can be read while it grows.

use super::*;

#[test]
fn tricky_lines_are_recorded_verbatim() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let long = format!("{{\"long\":\"{}\"}}", "é".repeat(1 << 20));
    let lines: Vec<&[u8]> = vec![
        br#"{"jsonrpc":"2.0","id":12345678901234567890,"a":1.0,"b":1e400,"a":2}"#,
        b" \t{ \"spaced\" : [ 1 , 2 ] } \r",
        br#"{"lone":"\ud800","escape":"\u00e9\/"}"#,
        deep.as_bytes(),
        long.as_bytes(),
        b"null",
        b"-0.0",
        br#""a string""#,
        b"",
        b"   ",
        b"\r",
        b"\xef\xbb\xbf{}",
        b"{\"cut\":",
        b"{}{}",
        b"Listening on \x1b[31mport\x1b[0m 80 \"\\",
        b"\xff\xfe\x00",
        "\u{2028}\u{2029}\u{85}".as_bytes(),
        br#"{"seq":1,"at":"2026-11-21T02:45:01.123456Z","session":1,"from":"client","message":{}}"#,
    ];
    let mut all = lines.join(&b'\n');
    all.push(b'\n');
    let records = Recording::of("c.jsonl", [stream(Party::Server, all)]);
    let expected: Vec<_> = lines
        .iter()
        .map(|it| line(Party::Server, it, is_json(it)))
        .collect();
    assert!(records == expected);
}

#[test]
fn every_kind_of_event_is_read_back() {
    let opened = Opened {
        by: "client".into(),
        transport: "stdio".into(),
        pid: Some(7),
    };
    let closed = Closed {
        exit: Some(0),
        ..Closed::default()
    };
    let records = Recording::of(
        "c.jsonl",
        [
            event(Body::Opened(opened.clone())),
            stream(Party::Client, "{}\nrest"),
            event(Body::Stderr {
                bytes: "one\ntw".into(),
            }),
            event(Body::Stderr {
                bytes: Bytes::from_static(b"o\n\xff"),
            }),
            event(Body::Line {
                from: Party::Operator,
                to: Party::Server,
                bytes: "{\"pretty\":\n1}\n".into(),
                replay_of: Some(2),
                via: None,
            }),
            event(Body::Note {
                text: "a \"note\"\n".into(),
            }),
            event(Body::Closed(closed.clone())),
        ],
    );
    let expected = [
        Read::Opened(opened),
        line(Party::Client, b"{}", true),
        Read::Stderr(b"one\n".into()),
        Read::Stderr(b"two\n".into()),
        line(Party::Operator, b"{\"pretty\":\n1}", true),
        Read::Note("a \"note\"\n".into()),
        // What was not ended by itself is ended by the session.
        Read::Line {
            from: Party::Client,
            bytes: b"rest".into(),
            terminated: false,
            json: false,
        },
        Read::Stderr(b"\xff".into()),
        Read::Closed(closed),
    ];
    assert_eq!(records, expected);
}

#[test]
fn a_follower_sees_messages_while_they_are_recorded() {
    for name in ["c.jsonl", "c.jsonl.zst"] {
        let recording = Recording::start(name, BUDGET, Overflow::Wait);
        let mut reader = Reader::open(&recording.path).unwrap();
        assert_eq!(reader.header().name, "test");
        for number in 0..20 {
            let text = format!("{{\"number\":{number}}}");
            recording
                .tap
                .push(stream(Party::Client, text.clone() + "\n"));
            recording.tap.wake();
            let mut seen = Vec::new();
            until("the message is there", || {
                reader.read(10, |record| seen.push(owned(&record))).unwrap();
                !seen.is_empty()
            });
            assert_eq!(seen, [line(Party::Client, text.as_bytes(), true)]);
        }
        let totals = recording.recorder.totals();
        recording.recorder.finish();
        assert_eq!(totals.client_messages.load(Ordering::Acquire), 20);
        assert_eq!(totals.latest_seq.load(Ordering::Acquire), 20);
        let size = recording.path.metadata().unwrap().len();
        assert_eq!(totals.bytes_written.load(Ordering::Acquire), size);
    }
}

#[test]
fn a_prompt_on_standard_error_does_not_wait_for_its_line_end() {
    let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
    recording.tap.push(event(Body::Stderr {
        bytes: "Password: ".into(),
    }));
    recording.tap.wake();
    until("the prompt is there", || {
        read(&recording.path) == [Read::Stderr(b"Password: ".into())]
    });
    recording.recorder.finish();
}

#[tokio::test]
async fn who_waits_for_the_disk_loses_nothing() {
    let recording = Recording::start("c.jsonl", 2000, Overflow::Wait);
    let mut waited = 0;
    for number in 0..5000 {
        recording
            .tap
            .push(stream(Party::Client, format!("{number}\n")));
        recording.tap.wake();
        if recording.tap.is_full() {
            waited += 1;
            recording.tap.ready().await;
        }
    }
    assert!(waited > 0);
    recording.recorder.finish();
    let records = read(&recording.path);
    assert_eq!(records.len(), 5000);
    for (number, record) in records.iter().enumerate() {
        assert_eq!(
            *record,
            line(Party::Client, number.to_string().as_bytes(), true)
        );
    }
}

#[test]
fn what_overflow_drops_is_counted_to_the_byte() {
    let recording = Recording::start("c.jsonl", 2000, Overflow::Drop);
    let (mut sent, mut bytes) = (0, 0);
    // Cut within lines as often as at their ends, and faster than any disk.
    let text: String = (0..20_000).map(|number| format!("[{number}]\n")).collect();
    for chunk in text.as_bytes().chunks(97) {
        recording.tap.push(stream(Party::Client, chunk.to_vec()));
        recording.tap.wake();
        bytes += chunk.len() as u64;
        sent += chunk.iter().filter(|it| **it == b'\n').count() as u64;
    }
    recording.tap.push(event(Body::End {
        from: Party::Client,
    }));
    let totals = recording.recorder.totals();
    recording.recorder.finish();
    let (mut kept, mut kept_bytes, mut lost, mut lost_bytes) = (0, 0, 0, 0);
    let mut last = -1;
    for record in read(&recording.path) {
        match record {
            Read::Line { bytes, .. } => {
                kept += 1;
                kept_bytes += bytes.len() as u64 + 1;
                let text = String::from_utf8(bytes).unwrap();
                let number = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
                let number: i32 = number.unwrap().parse().unwrap();
                assert!(number > last, "{number} after {last}");
                last = number;
            }
            Read::Gap(gap) => {
                lost += gap.messages;
                lost_bytes += gap.bytes;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(lost > 0);
    assert_eq!((kept + lost, kept_bytes + lost_bytes), (sent, bytes));
    assert_eq!(totals.lost_messages.load(Ordering::Acquire), lost);
    assert_eq!(totals.client_messages.load(Ordering::Acquire), kept);
}

#[test]
fn error_responses_are_counted_and_words_are_not() {
    let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"error":"no"}}"#,
        r#"not json "error""#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#,
    ] {
        recording
            .tap
            .push(stream(Party::Server, format!("{text}\n")));
    }
    let totals = recording.recorder.totals();
    recording.recorder.finish();
    assert_eq!(totals.errors.load(Ordering::Acquire), 1);
    assert_eq!(totals.server_messages.load(Ordering::Acquire), 4);
}

#[test]
fn a_refused_discovery_is_no_error_and_whatever_else_is_refused_is_one() {
    let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
    let refusal = |id: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":""}}}}"#)
    };
    let asked = |id: &str, method: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{}}}}"#)
    };
    for (from, text) in [
        (Party::Client, asked("0", "server/discover")),
        (Party::Client, asked("\"0\"", "tools/list")),
        // Only a word.
        (
            Party::Client,
            r#"{"id":7,"method":"x","params":"server/discover"}"#.to_owned(),
        ),
        (Party::Server, refusal("\"0\"")),
        (Party::Server, refusal("7")),
        (Party::Server, refusal("0")),
        // It was answered.
        (Party::Server, refusal("0")),
    ] {
        recording.tap.push(stream(from, text + "\n"));
    }
    let totals = recording.recorder.totals();
    recording.recorder.finish();
    assert_eq!(totals.errors.load(Ordering::Acquire), 3);
}

#[test]
fn tool_errors_are_counted_however_they_are_written() {
    let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#,
        r#"{"jsonrpc":"2.0","id":2,"result":{"isError" : true,"content":[]}}"#,
        r#"[{"jsonrpc":"2.0","id":3,"result":{"isError":false}},{"jsonrpc":"2.0","id":4,"result":{"isError":true}}]"#,
        r#"{"jsonrpc":"2.0","id":5,"result":{"isError":false}}"#,
        r#"{"jsonrpc":"2.0","id":6,"result":{"isError":"true"}}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":{"structuredContent":{"isError":true}}}"#,
        r#"{"jsonrpc":"2.0","id":8,"result":{"content":[{"type":"text","text":"\"isError\":true"}]}}"#,
    ] {
        recording
            .tap
            .push(stream(Party::Server, format!("{text}\n")));
    }
    let totals = recording.recorder.totals();
    recording.recorder.finish();
    assert_eq!(totals.tool_errors.load(Ordering::Acquire), 3);
    assert_eq!(totals.errors.load(Ordering::Acquire), 0);
}
