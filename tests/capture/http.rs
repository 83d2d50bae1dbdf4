//! What HTTP carried, read back.

mod large;

use super::*;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use mcp_sentinel::capture::record::{Encoding, HttpPart, HttpRecord};
use mcp_sentinel::tap::{ExchangeId, Half, Http, Request, Response, ServerSent, Via};
use std::collections::BTreeMap;
use std::io::Write as _;

pub(super) fn http(exchange: u64, what: Http) -> Event {
    event(Body::Http {
        exchange: ExchangeId(exchange),
        what,
    })
}

pub(super) fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

pub(super) fn request(exchange: u64, pairs: &[(&str, &str)]) -> Event {
    let head = Request::new(Party::Client, Method::POST, "/mcp", &headers(pairs));
    http(exchange, Http::Request(head))
}

pub(super) fn response(exchange: u64, pairs: &[(&str, &str)]) -> Event {
    let head = Response::new(Party::Server, StatusCode::OK, &headers(pairs));
    http(exchange, Http::Response(head))
}

pub(super) fn body(exchange: u64, of: Half, bytes: impl Into<Bytes>) -> Event {
    let bytes = bytes.into();
    let is_last = false;
    http(exchange, Http::Body { of, bytes, is_last })
}

pub(super) fn end(exchange: u64, of: Half) -> Event {
    let end = Http::End {
        of,
        bytes: None,
        broken: None,
    };
    http(exchange, end)
}

/// Every payload of a capture, and what its location leads back to.
fn payloads(path: &Path) -> Vec<(Payload<'static>, Vec<u8>)> {
    let mut reader = Reader::open(path).unwrap();
    let bodies = reader.bodies().unwrap();
    let mut all = Vec::new();
    let mut each = |record: Record<'_>| {
        let fetched = bodies.fetch(record.location).unwrap();
        let payload = match record.payload {
            Payload::Line {
                from,
                to,
                replay_of,
                via,
                terminated,
                json,
                bytes,
            } => Payload::Line {
                from,
                to,
                replay_of,
                via,
                terminated,
                json,
                bytes: bytes.into_owned().into(),
            },
            Payload::Http(part) => Payload::Http(part),
            Payload::Gap(gap) => Payload::Gap(gap),
            other => panic!("{other:?}"),
        };
        all.push((payload, fetched));
    };
    while reader.read(100, &mut each).unwrap() > 0 {}
    all
}

fn packed(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::fast();
    match coding {
        "gzip" => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), level);
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }
        "deflate" => {
            let mut out = flate2::write::ZlibEncoder::new(Vec::new(), level);
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }
        "zstd" => zstd::encode_all(bytes, 1).unwrap(),
        _ => bytes.to_vec(),
    }
}

/// A message in any spelling, on one line or on several.
fn any_message() -> impl Strategy<Value = String> {
    let value = "(1|1\\.0e3|12345678901234567890|null|\"[a-zé😀]{0,9}\"|\"\\\\ud800\")";
    (value, "[ \t\r\n]{0,3}", 0..4_u8).prop_map(|(value, space, shape)| match shape {
        0 => format!(
            r#"{{{space}"jsonrpc":{space}"2.0","method":"m","params":{{"x":{value}}}}}{space}"#
        ),
        1 => format!(r#"{{"id":{value},{space}"result":{{}}{space}}}"#),
        2 => format!(r#"[{{"method":"m"}},{space}{{"id":{value},"error":{{}}}}]"#),
        _ => format!(
            r#"{space}{{"jsonrpc":"2.0","id":{value},"method":"{}"}}"#,
            "m".repeat(300)
        ),
    })
}

fn any_cuts() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(1..60_usize, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_in_bodies_are_read_back_as_they_were_whatever_the_cuts_and_the_coding(
        exchanges in proptest::collection::vec((any_message(), any_message(), any_cuts()), 1..5),
        coding in prop::sample::select(vec!["", "gzip", "deflate", "zstd"]),
        compress in any::<bool>(),
    ) {
        let mut events = Vec::new();
        let mut expected = BTreeMap::new();
        for (exchange, (asked, answered, cuts)) in (1..).zip(&exchanges) {
            let coded = [("content-type", "application/json"), ("content-encoding", coding)];
            events.push(vec![request(exchange, &coded[..1])]);
            for (of, text) in [(Half::Request, asked), (Half::Response, answered)] {
                let (bytes, mut of_half) = match of {
                    Half::Request => (text.as_bytes().to_vec(), Vec::new()),
                    Half::Response => (packed(coding, text.as_bytes()), vec![response(exchange, &coded)]),
                };
                let chunks = chunks(&(bytes, cuts.clone()));
                of_half.extend(chunks.into_iter().map(|chunk| body(exchange, of, chunk)));
                of_half.push(end(exchange, of));
                let from = if of == Half::Request { Party::Client } else { Party::Server };
                expected.insert((exchange, of), (from, text.clone().into_bytes()));
                events.push(of_half);
            }
        }
        let name = if compress { "c.jsonl.zst" } else { "c.jsonl" };
        let recording = Recording::start(name, BUDGET, Overflow::Wait);
        events.into_iter().flatten().for_each(|event| recording.tap.push(event));
        recording.recorder.finish();
        let mut found = BTreeMap::new();
        let mut ends = 0;
        for (payload, fetched) in payloads(&recording.path) {
            match payload {
                Payload::Line { from, via, terminated, json, bytes, .. } => {
                    prop_assert!(terminated && json);
                    prop_assert_eq!(&fetched[..], &bytes[..]);
                    let via = via.unwrap();
                    prop_assert_eq!(&via, &Via::body(via.exchange));
                    let of = if from == Party::Client { Half::Request } else { Half::Response };
                    found.insert((via.exchange.0, of), (from, fetched));
                }
                Payload::Http(HttpRecord { part: HttpPart::End { broken, .. }, .. }) => {
                    prop_assert_eq!(broken, None);
                    ends += 1;
                }
                Payload::Http(HttpRecord { part: HttpPart::Request { .. } | HttpPart::Response { .. }, .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        prop_assert_eq!(ends, exchanges.len() * 2);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_capture_cut_anywhere_gives_what_was_whole(cut in any::<prop::sample::Index>()) {
        let text = r#"{"jsonrpc":"2.0","id":1,"result":{"é":1}}"#;
        let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
        for event in [
            request(1, &[("x-a", "1")]),
            end(1, Half::Request),
            response(1, &[("content-type", "text/event-stream")]),
            body(1, Half::Response, format!("id: \"1\"\ndata: {text}\n\nid: 2\ndata:\n\n")),
            end(1, Half::Response),
            response(2, &[("content-type", "text/plain")]),
            body(2, Half::Response, "hello"),
            body(2, Half::Response, &b"\xff"[..]),
            end(2, Half::Response),
        ] {
            recording.tap.push(event);
        }
        recording.recorder.finish();
        let whole = payloads(&recording.path);
        prop_assert_eq!(whole.len(), 9);
        let bytes = std::fs::read(&recording.path).unwrap();
        let header = memchr::memchr(b'\n', &bytes).unwrap() + 1;
        let cut = header + cut.index(bytes.len() - header + 1);
        std::fs::write(&recording.path, &bytes[..cut]).unwrap();
        let lines = memchr::memchr_iter(b'\n', &bytes[header..cut]).count();
        prop_assert_eq!(payloads(&recording.path), &whole[..lines]);
    }
}

#[test]
fn every_part_of_an_exchange_is_read_back() {
    let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
    for event in [
        request(1, &[("Accept", "*/*"), ("x-two", "a"), ("X-Two", "b")]),
        end(1, Half::Request),
        response(1, &[("content-type", "text/html")]),
        body(1, Half::Response, "<\"é\">"),
        end(1, Half::Response),
        response(2, &[("content-type", "image/png")]),
        body(2, Half::Response, &b"\xff\0"[..]),
        http(
            2,
            Http::Event(ServerSent {
                comment: Some("ping".into()),
                ..ServerSent::default()
            }),
        ),
        http(
            2,
            Http::End {
                of: Half::Response,
                bytes: Some(9),
                broken: Some("the server went away".into()),
            },
        ),
        event(Body::Line {
            from: Party::Server,
            to: Party::Operator,
            bytes: "{}".into(),
            replay_of: Some(3),
            via: Some(Box::new(Via {
                exchange: ExchangeId(2),
                event: Some("a \"b\" é".into()),
            })),
        }),
    ] {
        recording.tap.push(event);
    }
    recording.recorder.finish();
    let read = payloads(&recording.path);
    let parts: Vec<_> = read
        .iter()
        .filter_map(|(payload, _)| match payload {
            Payload::Http(record) => Some((record.exchange.0, &record.part)),
            _ => None,
        })
        .collect();
    let own = |(name, value): (&'static str, &'static str)| (name.into(), value.into());
    let ended = |of, bytes, broken: Option<&str>| HttpPart::End {
        of,
        bytes,
        broken: broken.map(str::to_owned),
    };
    let expected = [
        (
            1,
            HttpPart::Request {
                by: Party::Client,
                method: "POST".into(),
                target: "/mcp".into(),
                headers: [("accept", "*/*"), ("x-two", "a"), ("x-two", "b")]
                    .map(own)
                    .to_vec(),
                added: Vec::new(),
            },
        ),
        (1, ended(Half::Request, 0, None)),
        (
            1,
            HttpPart::Response {
                by: Party::Server,
                status: 200,
                headers: [("content-type", "text/html")].map(own).to_vec(),
                rewritten: Vec::new(),
            },
        ),
        (
            1,
            HttpPart::Body {
                of: Half::Response,
                text: Some("<\"é\">".into()),
                base64: None,
            },
        ),
        (1, ended(Half::Response, 6, None)),
        (
            2,
            HttpPart::Response {
                by: Party::Server,
                status: 200,
                headers: [("content-type", "image/png")].map(own).to_vec(),
                rewritten: Vec::new(),
            },
        ),
        (
            2,
            HttpPart::Event(ServerSent {
                comment: Some("ping".into()),
                ..ServerSent::default()
            }),
        ),
        (
            2,
            HttpPart::Body {
                of: Half::Response,
                text: None,
                base64: Some("/wA=".into()),
            },
        ),
        (2, ended(Half::Response, 9, Some("the server went away"))),
    ];
    assert_eq!(
        parts,
        expected
            .iter()
            .map(|(id, part)| (*id, part))
            .collect::<Vec<_>>()
    );
    // The bytes of a body are found again, whatever they are.
    let bodies: Vec<_> = read
        .iter()
        .filter(|(payload, _)| {
            let record = |it: &HttpRecord| matches!(it.part, HttpPart::Body { .. });
            matches!(payload, Payload::Http(it) if record(it))
        })
        .map(|(_, fetched)| fetched.as_slice())
        .collect();
    assert_eq!(bodies, ["<\"é\">".as_bytes(), b"\xff\0"]);
    let (last, _) = read.last().unwrap();
    let expected = Payload::Line {
        from: Party::Server,
        to: Some(Party::Operator),
        replay_of: Some(3),
        via: Some(Via {
            exchange: ExchangeId(2),
            event: Some("a \"b\" é".into()),
        }),
        terminated: true,
        json: true,
        bytes: b"{}".into(),
    };
    assert_eq!(*last, expected);
}

#[test]
fn records_of_exchanges_that_another_program_wrote_are_read_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("c.jsonl");
    let lines = [
        r#"{"capture":1}"#,
        r#"{"session":1,"http":{"body":{"more":1,"text":"a\"b","of":"request"},"exchange":4},"at":"2026-11-21T02:45:01Z","seq":1}"#,
        r#"{"seq":2,"at":"2026-11-21T02:45:01.000000Z","session":1,"http":{"exchange":4,"end":{"of":"request","bytes":1,"more":{}}}}"#,
        r#"{"seq":3,"at":"2026-11-21T02:45:01.000000Z","session":1,"event":"e","exchange":4,"message":{},"from":"client"}"#,
        r#"{"seq":4,"at":"2026-11-21T02:45:01.000000Z","session":1,"from":"client","message":{}}"#,
    ];
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let read = payloads(&path);
    let part = |it: &Payload<'_>| match it {
        Payload::Http(record) => (record.exchange.0, record.part.clone()),
        other => panic!("{other:?}"),
    };
    let text = HttpPart::Body {
        of: Half::Request,
        text: Some("a\"b".into()),
        base64: None,
    };
    assert_eq!(part(&read[0].0), (4, text));
    assert_eq!(read[0].1, b"a\"b");
    let ended = HttpPart::End {
        of: Half::Request,
        bytes: 1,
        broken: None,
    };
    assert_eq!(part(&read[1].0), (4, ended));
    let via = |it: &Payload<'_>| match it {
        Payload::Line { via, .. } => via.clone(),
        other => panic!("{other:?}"),
    };
    let event = Some("e".into());
    assert_eq!(
        via(&read[2].0),
        Some(Via {
            exchange: ExchangeId(4),
            event
        })
    );
    assert_eq!(via(&read[3].0), None);

    // A kind of part that this version does not know is no damage.
    let later = r#"{"seq":1,"at":"2026-11-21T02:45:01.000000Z","session":1,"http":{"exchange":4,"trailers":[]}}"#;
    std::fs::write(&path, format!("{}\n{later}\n", lines[0])).unwrap();
    let mut known = Vec::new();
    let mut reader = Reader::open(&path).unwrap();
    reader
        .read(9, |record| {
            assert_eq!(record.location.encoding, Encoding::Verbatim);
            known.push(record.payload == Payload::Unknown);
        })
        .unwrap();
    assert_eq!(known, [true]);
}

#[test]
fn no_secret_of_a_head_or_of_a_token_endpoint_reaches_the_file() {
    let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
    let secret = "hunter2hunter2";
    let bearer = format!("Bearer {secret}");
    let sent = headers(&[
        ("authorization", &bearer),
        ("cookie", &format!("sid={secret}")),
        ("x-api-key", secret),
        ("content-type", "application/x-www-form-urlencoded"),
    ]);
    let target = format!("/token?access_token={secret}");
    let head = Request::new(Party::Client, Method::POST, &target, &sent)
        .adding(&headers(&[("authorization", &bearer)]));
    let answer = format!(r#"{{"access_token":"{secret}","refresh_token":"{secret}"}}"#);
    let json = ("content-type", "application/json");
    for event in [
        http(1, Http::Request(head)),
        body(1, Half::Request, format!("code={secret}&code_verif")),
        body(
            1,
            Half::Request,
            format!("ier={secret}&client_secret={secret}"),
        ),
        end(1, Half::Request),
        response(
            1,
            &[
                json,
                ("content-encoding", "gzip"),
                ("set-cookie", &format!("sid={secret}; Path=/")),
            ],
        ),
        body(1, Half::Response, packed("gzip", answer.as_bytes())),
        end(1, Half::Response),
        response(2, &[json]),
        body(2, Half::Response, answer[..30].to_owned()),
        http(
            2,
            Http::End {
                of: Half::Response,
                bytes: None,
                broken: Some("it stopped".into()),
            },
        ),
    ] {
        recording.tap.push(event);
    }
    recording.recorder.finish();
    let text = std::fs::read_to_string(&recording.path).unwrap();
    assert!(text.contains("Bearer ***") && text.contains("refresh_token"));
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn messages_in_bodies_are_counted_as_any_other() {
    let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
    let error = "{\"jsonrpc\":\"2.0\",\n\"id\":1,\"error\":{\"code\":-1,\"message\":\"no\"}}";
    for event in [
        request(1, &[]),
        body(1, Half::Request, r#"{"id":1,"method":"m"}"#),
        end(1, Half::Request),
        response(1, &[("content-type", "text/event-stream")]),
        body(
            1,
            Half::Response,
            "data: {\"method\":\"m\"}\n\n: ping\n\ndata:\n\n",
        ),
        body(
            1,
            Half::Response,
            format!("data: {}\n\n", error.replace('\n', "\ndata: ")),
        ),
        end(1, Half::Response),
    ] {
        recording.tap.push(event);
    }
    let totals = recording.recorder.totals();
    recording.recorder.finish();
    let counts = [
        &totals.client_messages,
        &totals.server_messages,
        &totals.errors,
    ];
    assert_eq!(counts.map(|it| it.load(Ordering::Acquire)), [1, 2, 1]);
}
