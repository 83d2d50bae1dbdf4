//! Bodies as they come, and what is recorded of them.

mod long;

use super::*;
use crate::tap::{Request, Response, ServerSent, Source, Timestamp};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use std::io::Write as _;

const SESSION: SessionId = SessionId(1);
const ID: ExchangeId = ExchangeId(7);

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_static(value))
    };
    pairs.iter().map(pair).collect()
}

fn request(by: Party, pairs: &[(&'static str, &'static str)]) -> Http {
    let target = "/mcp?code=secret";
    Http::Request(Request::new(by, Method::POST, target, &headers(pairs)))
}

fn response(by: Party, pairs: &[(&'static str, &'static str)]) -> Http {
    let mut head = Response::new(by, StatusCode::OK, &headers(pairs));
    head.rewritten = vec![(::http::header::LOCATION, "/x?code=1".into())];
    Http::Response(head)
}

fn body(of: Half, bytes: impl Into<Bytes>) -> Http {
    let bytes = bytes.into();
    let is_last = false;
    Http::Body { of, bytes, is_last }
}

fn end(of: Half) -> Http {
    Http::End {
        of,
        bytes: None,
        broken: None,
    }
}

/// What is recorded, in short.
#[derive(Default)]
struct Recorded {
    said: Vec<String>,
    /// How many messages were not in memory.
    spooled: usize,
}

impl Recorded {
    fn add(&mut self, entry: Entry<'_>) {
        let said = match entry {
            Entry::Message {
                from,
                to,
                via,
                content,
                is_json,
                blameless: _,
            } => {
                let bytes = match content {
                    Content::Here(bytes) => bytes,
                    Content::Spooled(spooled) => {
                        self.spooled += 1;
                        spooled.read_back().unwrap()
                    }
                };
                assert_eq!(via.exchange, ID);
                let found_out = crate::wire::envelope::is_json(&bytes);
                assert_eq!(is_json.unwrap_or(found_out), found_out);
                let to = to.map(|to| format!(" to {to:?}")).unwrap_or_default();
                let event = via.event.map(|id| format!(" #{id}")).unwrap_or_default();
                format!("{from:?}{to}{event}: {}", String::from_utf8_lossy(&bytes))
            }
            Entry::Lost(gap) => format!("lost({}, {})", gap.messages, gap.bytes),
            Entry::Failed(failed, _) => return assert_eq!(failed, Failed::default()),
            Entry::Head(exchange, member) => {
                let part = serde_json::from_slice(&[b"{", member, b"}"].concat()).unwrap();
                return self.add(Entry::Part(HttpRecord { exchange, part }));
            }
            Entry::Part(HttpRecord { exchange, part }) => {
                assert_eq!(exchange, ID);
                match part {
                    HttpPart::Request { method, target, .. } => format!("{method} {target}"),
                    HttpPart::Response {
                        status, rewritten, ..
                    } => format!("{status} {rewritten:?}"),
                    HttpPart::Event(event) => format!("event {event:?}"),
                    HttpPart::Body {
                        text: Some(text), ..
                    } => format!("text: {text}"),
                    HttpPart::Body { base64, .. } => format!("base64: {}", base64.unwrap()),
                    HttpPart::End { of, bytes, broken } => {
                        let broken = broken.map(|it| format!(", {it}")).unwrap_or_default();
                        format!("{of:?} over, {bytes} bytes{broken}")
                    }
                }
            }
        };
        self.said.push(said);
    }
}

/// What one exchange comes to; nothing of it may stay behind when both halves are over.
fn recorded(steps: impl IntoIterator<Item = Http>) -> Vec<String> {
    let (mut exchanges, mut recorded) = (Exchanges::default(), Recorded::default());
    for step in steps {
        exchanges.take(SESSION, ID, &step, &mut |entry| recorded.add(entry));
    }
    let open: Vec<_> = exchanges.going.values().collect();
    assert!(
        open.iter()
            .all(|it| it.request.is_some() || it.response.is_some())
    );
    exchanges.end(|_, entry: Entry<'_>| recorded.add(entry));
    recorded.said
}

#[test]
fn an_end_that_comes_with_the_last_bytes_is_an_end() {
    let head = || request(Party::Client, &[("content-type", "application/json")]);
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let apart = [head(), body(Half::Request, message), end(Half::Request)];
    let bytes = Bytes::from_static(message.as_bytes());
    let last = Http::Body {
        of: Half::Request,
        bytes,
        is_last: true,
    };
    assert_eq!(recorded([head(), last]), recorded(apart));
}

/// What a response of one type with one body comes to, its head and end left out, when it arrives in these pieces.
fn answered(pairs: &[(&'static str, &'static str)], pieces: &[&[u8]]) -> Vec<String> {
    let mut steps = vec![response(Party::Server, pairs)];
    let piece = |piece: &&[u8]| body(Half::Response, Bytes::copy_from_slice(piece));
    steps.extend(pieces.iter().map(piece));
    steps.push(end(Half::Response));
    let mut said = recorded(steps);
    said.remove(0);
    said
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json; charset=utf-8")];
const EVENTS: &[(&str, &str)] = &[("content-type", "text/event-stream")];

#[test]
fn an_exchange_is_its_heads_its_messages_and_its_ends_and_is_then_forgotten() {
    let ask = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let steps = [
        request(Party::Client, &[]),
        body(Half::Request, &ask[..5]),
        body(Half::Request, &ask[5..]),
        end(Half::Request),
        response(Party::Server, JSON),
        body(Half::Response, answer),
        end(Half::Response),
    ];
    let mut exchanges = Exchanges::default();
    let mut said = Recorded::default();
    for step in steps {
        exchanges.take(SESSION, ID, &step, &mut |entry| said.add(entry));
    }
    assert!(exchanges.going.is_empty());
    let expected = [
        "POST /mcp?code=***".to_owned(),
        format!("Client: {ask}"),
        format!("Request over, {} bytes", ask.len()),
        r#"200 [("location", "/x?code=***")]"#.to_owned(),
        format!("Server: {answer}"),
        format!("Response over, {} bytes", answer.len()),
    ];
    assert_eq!(said.said, expected);
}

#[test]
fn a_request_whose_length_is_known_is_a_message_before_its_end_is_told() {
    let said = recorded([
        request(Party::Client, &[("content-length", "15")]),
        body(Half::Request, r#"{"method":"#),
        body(Half::Request, r#""m"} "#),
        response(Party::Server, &[]),
        end(Half::Request),
        end(Half::Response),
    ]);
    assert_eq!(said[1], r#"Client: {"method":"m"} "#);
    assert!(said[2].starts_with("200"));
}

#[test]
fn what_the_operator_asks_is_answered_to_the_operator_and_what_we_answer_is_ours() {
    let said = recorded([
        request(Party::Operator, &[]),
        body(Half::Request, r#"{"id":1,"method":"m"}"#),
        end(Half::Request),
        response(Party::Sentinel, JSON),
        body(Half::Response, r#"{"id":1,"result":1}"#),
        end(Half::Response),
    ]);
    assert_eq!(said[1], r#"Operator: {"id":1,"method":"m"}"#);
    assert_eq!(said[4], r#"Sentinel to Operator: {"id":1,"result":1}"#);
}

#[test]
fn what_we_ask_and_answer_ourselves_says_whom() {
    let said = recorded([
        request(Party::Sentinel, &[]),
        body(Half::Request, r#"{"id":1,"method":"m"}"#),
        end(Half::Request),
    ]);
    assert_eq!(said[1], r#"Sentinel to Server: {"id":1,"method":"m"}"#);
    let said = recorded([
        request(Party::Client, &[]),
        response(Party::Sentinel, JSON),
        body(Half::Response, r#"{"id":1,"error":{}}"#),
        end(Half::Response),
    ]);
    assert_eq!(said[2], r#"Sentinel to Client: {"id":1,"error":{}}"#);
}

#[test]
fn a_body_of_json_is_a_message_only_when_it_speaks_json_rpc() {
    for message in [
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        "{\n  \"id\": 1,\r\n  \"error\": {}\n}\n",
        r#"[{"method":"a"},{"id":1,"result":2}]"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"no"}}"#,
        r#"{"jsonrpc":"2.0","id":null}"#,
        "\u{feff}{\"method\":\"m\"}",
    ] {
        assert_eq!(
            answered(JSON, &[message.as_bytes()])[0],
            format!("Server: {message}")
        );
    }
    for other in [
        r#"{"error":"invalid_grant","error_description":"no"}"#,
        r#"{"id":7,"name":"a document"}"#,
        r#"{"issuer":"https://as"}"#,
        "[1,2]",
        "null",
        r#"{"jsonrpc":"2.0","id":1,"result":"#,
    ] {
        assert_eq!(
            answered(JSON, &[other.as_bytes()])[0],
            format!("text: {other}")
        );
    }
    assert_eq!(answered(JSON, &[b""]), ["Response over, 0 bytes"]);
}

#[test]
fn tokens_in_bodies_are_masked_however_they_are_cut() {
    let body = br#"{"access_token":"hunter2hunter2","token_type":"Bearer"}"#;
    for cut in 0..body.len() {
        assert_eq!(
            answered(JSON, &[&body[..cut], &body[cut..]])[0],
            r#"text: {"access_token":"***","token_type":"Bearer"}"#
        );
    }
    let form = &[("content-type", "application/x-www-form-urlencoded")];
    let steps = [
        request(Party::Client, form),
        super::tests::body(Half::Request, "grant_type=refresh_token&refresh_to"),
        super::tests::body(Half::Request, "ken=hunter2"),
        end(Half::Request),
    ];
    assert_eq!(
        recorded(steps)[1],
        "text: grant_type=refresh_token&refresh_token=***"
    );
    // Not even beside bytes that are no text.
    assert_eq!(
        answered(JSON, &[b"{\"access_token\":\"hunter2\",\"x\":\"\xff\"}"])[0],
        "text: {\"access_token\":\"***\",\"x\":\"\u{fffd}\"}"
    );
}

#[test]
fn a_secret_where_two_parts_of_a_text_meet_is_masked() {
    let secret = "ghp_0123456789abcdefghijABCDEFGHIJ456789";
    for separator in ["\n", ", "] {
        let page = format!("some words{separator}token {secret}{separator}").repeat(5000);
        let said = answered(&[("content-type", "text/plain")], &[page.as_bytes()]).concat();
        assert!(said.matches("***").count() == 5000);
        assert!(!said.contains("0123") && !said.contains("6789"));
    }
}

#[test]
fn a_private_key_where_two_parts_of_a_text_meet_is_masked() {
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----\n",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n".repeat(60)
    );
    let page = format!("{}{key}{}", "words\n".repeat(10_700), "more\n".repeat(9));
    let said = answered(&[("content-type", "text/plain")], &[page.as_bytes()]);
    assert!(said[1].starts_with("text: -----BEGIN PRIVATE KEY-----***"));
    assert!(!said.concat().contains("MIIE"));
}

#[test]
fn events_are_messages_or_what_they_are() {
    let stream = b"id: 1\ndata:\n\n: ping\n\nretry: 9\nid: 2\ndata: {\"method\":\ndata: \"m\"}\n\n\
        event: endpoint\ndata: /m?sessionId=0123456789abcdef01\n\nevent: message\ndata: hello\n\ndata: torn";
    let whole = answered(EVENTS, &[stream]);
    let event = |event: ServerSent| format!("event {event:?}");
    let empty = ServerSent::default;
    let expected = [
        event(ServerSent {
            id: Some("1".into()),
            data: Some(String::new()),
            ..empty()
        }),
        event(ServerSent {
            comment: Some("ping".into()),
            ..empty()
        }),
        event(ServerSent {
            retry: Some(9),
            ..empty()
        }),
        "Server #2: {\"method\":\n\"m\"}".to_owned(),
        event(ServerSent {
            name: Some("endpoint".into()),
            data: Some("/m?sessionId=01234567***".into()),
            ..empty()
        }),
        "Server: hello".to_owned(),
        "text: data: torn".to_owned(),
        format!("Response over, {} bytes", stream.len()),
    ];
    assert_eq!(whole, expected);
    for cut in 0..stream.len() {
        assert_eq!(answered(EVENTS, &[&stream[..cut], &stream[cut..]]), whole);
    }
}

#[test]
fn what_is_no_message_is_kept_in_parts_that_cut_no_character() {
    let page = "é<>".repeat(50_000);
    let said = answered(&[("content-type", "text/html")], &[page.as_bytes()]);
    let parts: Vec<_> = said
        .iter()
        .filter_map(|it| it.strip_prefix("text: "))
        .collect();
    assert!(parts.len() > 3 && parts.iter().all(|it| it.len() <= 64 << 10));
    assert_eq!(parts.concat(), page);

    let said = answered(&[("content-type", "image/png")], &[b"\x89PNG\xff\0\xff"]);
    assert_eq!(said[0], "base64: iVBOR/8A/w==");
}

#[test]
fn a_response_without_a_type_is_looked_at() {
    assert_eq!(
        answered(&[], &[b" \n", b" {\"method\":\"m\"}"])[0],
        "Server:  \n {\"method\":\"m\"}"
    );
    assert_eq!(answered(&[], &[b" \n", b"hello"])[0], "text:  \nhello");
    assert_eq!(answered(&[], &[b" \n"])[0], "text:  \n");
}

fn packed(how: &str, text: &[u8]) -> Vec<u8> {
    use flate2::{Compression, write};
    match how {
        "gzip" => {
            let mut out = write::GzEncoder::new(Vec::new(), Compression::fast());
            out.write_all(text).unwrap();
            out.finish().unwrap()
        }
        "deflate" => {
            let mut out = write::ZlibEncoder::new(Vec::new(), Compression::fast());
            out.write_all(text).unwrap();
            out.finish().unwrap()
        }
        "bare deflate" => {
            let mut out = write::DeflateEncoder::new(Vec::new(), Compression::fast());
            out.write_all(text).unwrap();
            out.finish().unwrap()
        }
        "zstd" => zstd::encode_all(text, 3).unwrap(),
        // Made with the reference encoder, since only a decoder is at hand: `{"id":1,"result":{"a":"` + 40 `x` + `"}}`.
        _ => BROTLI.to_vec(),
    }
}

const BROTLI: &[u8] =
    b"\x1b\x41\x00\xf8\x1d\x07\x76\x73\xce\x87\x19\x0c\xbc\x76\x76\x62\x2d\xb2\x47\x16\x33\
    \xc3\xd2\xf0\x52\x87\xa5\x2f\x35\xe1\xc5\x9f\x42\x40\x85\xa6\xb3\x7c\x10\x18\x0f";

fn brotli_text() -> String {
    format!(r#"{{"id":1,"result":{{"a":"{}"}}}}"#, "x".repeat(40))
}

#[test]
fn compressed_bodies_are_read_whatever_the_cuts() {
    let text = brotli_text();
    for how in ["gzip", "deflate", "bare deflate", "zstd", "br"] {
        let coding = how.rsplit(' ').next().unwrap();
        let pairs = &[
            ("content-type", "application/json"),
            ("content-encoding", coding),
        ];
        let bytes = packed(how, text.as_bytes());
        for cut in 0..=bytes.len() {
            let said = answered(pairs, &[&bytes[..cut], &bytes[cut..]]);
            let end = format!("Response over, {} bytes", bytes.len());
            assert_eq!(said, [format!("Server: {text}"), end], "{how} at {cut}");
        }
        // Byte by byte, and without its last byte.
        let mut single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(
            answered(pairs, &single)[0],
            format!("Server: {text}"),
            "{how}"
        );
        single.pop();
        let said = answered(pairs, &single);
        assert!(
            said.last().unwrap().contains("ends before its end"),
            "{how}: {said:?}"
        );
    }
}

#[test]
fn several_codings_are_undone_in_one_header_or_in_many() {
    let text = r#"{"id":1,"result":{}}"#;
    let bytes = packed("zstd", &packed("gzip", text.as_bytes()));
    for encodings in [&["x-gzip, identity, zstd"][..], &["gzip", "zstd"]] {
        let mut pairs = vec![("content-type", "application/json")];
        pairs.extend(encodings.iter().map(|it| ("content-encoding", *it)));
        assert_eq!(answered(&pairs, &[&bytes])[0], format!("Server: {text}"));
    }
}

#[test]
fn events_come_out_of_a_compressed_stream_as_soon_as_they_are_in_it() {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut exchanges = Exchanges::default();
    let pairs = &[
        ("content-type", "text/event-stream"),
        ("content-encoding", "gzip"),
    ];
    exchanges.take(SESSION, ID, &response(Party::Server, pairs), &mut |_| ());
    for number in 0..3 {
        write!(out, "data: {number}\n\n").unwrap();
        out.flush().unwrap();
        let bytes = std::mem::take(out.get_mut());
        let mut said = Recorded::default();
        exchanges.take(SESSION, ID, &body(Half::Response, bytes), &mut |entry| {
            said.add(entry)
        });
        assert_eq!(said.said, [format!("Server: {number}")]);
    }
}

#[test]
fn a_broken_compressed_body_is_noted_and_the_rest_is_kept_as_it_is() {
    for coding in ["gzip", "deflate", "zstd", "br"] {
        let pairs = &[("content-type", "text/plain"), ("content-encoding", coding)];
        let said = answered(pairs, &[b"\xffno", b"\xfe such thing"]);
        assert!(said[0].starts_with("base64: "), "{coding}: {said:?}");
        assert!(
            said[1].contains(&format!("cannot decode the {coding} body")),
            "{said:?}"
        );
    }
    let unknown = &[("content-encoding", "compress")];
    let said = answered(unknown, &[b"x"]);
    assert_eq!(said[0], "text: x");
    assert!(said[1].contains("cannot decode the content encoding \"compress\""));
}

fn lost(of: Half, bytes: &str) -> Lost {
    Lost {
        at: Timestamp(1),
        session: SESSION,
        source: Source::Body(ID, of),
        messages: bytes.matches("\n\n").count() as u64,
        bytes: bytes.len() as u64,
    }
}

/// A response in pieces, of which those that begin with `!` were dropped.
fn with_losses(pairs: &[(&'static str, &'static str)], pieces: &[&'static str]) -> Vec<String> {
    let (mut exchanges, mut said) = (Exchanges::default(), Recorded::default());
    exchanges.take(SESSION, ID, &response(Party::Server, pairs), &mut |_| ());
    for piece in pieces {
        let mut each = |entry: Entry<'_>| said.add(entry);
        match piece.strip_prefix('!') {
            Some(dropped) => {
                let lost = lost(Half::Response, dropped);
                exchanges.lose(SESSION, (ID, Half::Response), &lost, &mut each);
            }
            None => exchanges.take(SESSION, ID, &body(Half::Response, *piece), &mut each),
        }
    }
    exchanges.take(SESSION, ID, &end(Half::Response), &mut |entry| {
        said.add(entry)
    });
    said.said
}

#[test]
fn a_body_that_lost_a_part_is_a_gap_and_marked_as_broken() {
    let said = with_losses(JSON, &["{\"id\":", "!1,\"resul", "t\":1}"]);
    assert_eq!(said[..2], ["lost(1, 14)", "lost(0, 5)"]);
    assert!(said[2].starts_with("Response over, 19 bytes, part of it was not captured"));
}

#[test]
fn a_stream_of_events_goes_on_behind_what_it_lost() {
    let said = with_losses(
        EVENTS,
        &[
            "data: 1\n\ndata: 2",
            "!2\n\ndata: 3\n\nda",
            "ta: 4\n\ndata: 5\n\n",
        ],
    );
    assert_eq!(said[..3], ["Server: 1", "lost(2, 21)", "lost(1, 0)"]);
    assert_eq!(said[3], "Server: 5");
    assert!(said[4].contains("part of it was not captured"));
}

#[test]
fn what_a_recording_ends_within_is_kept() {
    let said = recorded([
        request(Party::Client, &[]),
        body(Half::Request, "{\"method\":\"m\"}"),
    ]);
    assert_eq!(said[1], "Client: {\"method\":\"m\"}");
    let said = recorded([
        response(Party::Server, JSON),
        body(Half::Response, "{\"method\":"),
    ]);
    assert_eq!(said[1], "text: {\"method\":");
}

#[test]
fn a_hundred_thousand_exchanges_leave_nothing_behind() {
    let mut exchanges = Exchanges::default();
    for number in 0..100_000 {
        let id = ExchangeId(number);
        for step in [
            body(Half::Request, "{}"),
            end(Half::Request),
            end(Half::Response),
        ] {
            exchanges.take(SESSION, id, &step, &mut |_| ());
        }
    }
    assert!(exchanges.going.is_empty());
    exchanges.slim();
    assert!(exchanges.going.capacity() < 1000);
}
