//! Bodies that are long, and more of them than there is room for.

use super::*;

#[test]
fn a_body_of_fifty_megabytes_is_one_message() {
    let recording = Recording::start("c.jsonl", 64 << 20, Overflow::Wait);
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    recording
        .tap
        .push(response(1, &[("content-type", "application/json")]));
    recording
        .tap
        .push(body(1, Half::Response, r#"{"id":1,"result":""#));
    for _ in 0..50 {
        recording.tap.push(body(1, Half::Response, chunk.clone()));
        recording.tap.wake();
    }
    recording.tap.push(body(1, Half::Response, "\"}"));
    recording.tap.push(end(1, Half::Response));
    recording.recorder.finish();
    let read = payloads(&recording.path);
    let line = read.iter().find_map(|(payload, fetched)| match payload {
        Payload::Line { json, .. } => Some((*json, fetched)),
        _ => None,
    });
    let (json, bytes) = line.unwrap();
    assert!(json && bytes.starts_with(b"{\"id\":1,") && bytes.ends_with(b"x\"}"));
    assert_eq!(bytes.len(), (50 << 20) + 20);
}

#[test]
fn bodies_that_overflow_drops_are_gaps_and_no_message_is_torn() {
    let recording = Recording::start("c.jsonl", 4000, Overflow::Drop);
    recording
        .tap
        .push(response(1, &[("content-type", "text/event-stream")]));
    let mut sent = 0;
    for number in 0..5000 {
        let event = format!("id: {number}\ndata: {{\"method\":\"m{number}\"}}\n\n");
        sent += event.len() as u64;
        recording.tap.push(body(1, Half::Response, event));
        recording.tap.wake();
    }
    recording.tap.push(end(1, Half::Response));
    let totals = recording.recorder.totals();
    recording.recorder.finish();
    let (mut kept, mut lost, mut last) = (0, 0, -1);
    let mut ended = None;
    for (payload, fetched) in payloads(&recording.path) {
        match payload {
            Payload::Line { via, bytes, .. } => {
                let id: i32 = via.unwrap().event.unwrap().parse().unwrap();
                assert!(id > last);
                last = id;
                assert_eq!(fetched, bytes.into_owned());
                assert_eq!(fetched, format!("{{\"method\":\"m{id}\"}}").as_bytes());
                kept += 1;
            }
            Payload::Gap(gap) => lost += gap.messages,
            Payload::Http(HttpRecord {
                part: HttpPart::End { bytes, broken, .. },
                ..
            }) => {
                ended = Some((bytes, broken.unwrap()));
            }
            _ => {}
        }
    }
    assert!(lost > 0);
    assert_eq!(kept + lost, 5000);
    assert_eq!(totals.lost_messages.load(Ordering::Acquire), lost);
    let (bytes, broken) = ended.unwrap();
    assert_eq!(bytes, sent);
    assert!(broken.contains("not captured"), "{broken}");
}

#[test]
fn a_long_message_in_a_body_stands_in_the_capture_as_a_short_one_does() {
    let fill = "é".repeat(1 << 20);
    let message = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{{\"x\":\"{fill}\"}}}}");
    let on_two_lines = message.replacen(',', ",\n", 1);
    for (name, coding) in [("c.jsonl", "identity"), ("c.jsonl.zst", "gzip")] {
        let recording = Recording::start(name, BUDGET, Overflow::Wait);
        let json = [
            ("content-type", "application/json"),
            ("content-encoding", coding),
        ];
        let sent = [(1, &message), (2, &on_two_lines)];
        for (exchange, text) in sent {
            recording.tap.push(response(exchange, &json));
            for chunk in packed(coding, text.as_bytes()).chunks(60_001) {
                let piece = body(exchange, Half::Response, chunk.to_vec());
                recording.tap.push(piece);
            }
            recording.tap.push(end(exchange, Half::Response));
        }
        let totals = recording.recorder.totals();
        recording.recorder.finish();
        assert_eq!(totals.errors.load(Ordering::Acquire), 2);
        let (mut lines, mut encodings) = (Vec::new(), Vec::new());
        let mut reader = Reader::open(&recording.path).unwrap();
        let mut each = |record: Record<'_>| {
            if let Payload::Line { json, bytes, .. } = record.payload {
                assert!(json);
                lines.push(bytes.into_owned());
                encodings.push(record.location.encoding);
            }
        };
        while reader.read(100, &mut each).unwrap() > 0 {}
        assert!(lines == [message.as_bytes(), on_two_lines.as_bytes()]);
        // What has several lines cannot stand in one as it is.
        assert_eq!(encodings, [Encoding::Verbatim, Encoding::Text]);
    }
}
