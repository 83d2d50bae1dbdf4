//! What must hold for any bytes at all: nothing is lost, nothing is re-spelled, and where `serde_json` can read, it
//! and the wire read the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use mcp_sentinel::wire::check::Checker;
use mcp_sentinel::wire::framing::{LineSplitter, on_one_line};
use mcp_sentinel::wire::sse::{self, Decoder, Event};
use mcp_sentinel::wire::{Envelope, Frame, Kind, is_json, object, parse, splice, token};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::borrow::Cow;

/// JSON text in any spelling: white space, escapes, duplicate keys, numbers that no number type holds.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
        string(),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let space = "[ \t\r\n]{0,2}";
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..5), space).prop_map(|(items, space)| format!(
                "[{space}{}{space}]",
                items.join(&format!("{space},{space}"))
            )),
            (prop::collection::vec((key(), inner), 0..5), space).prop_map(|(members, space)| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(key, value)| format!("{key}{space}:{space}{value}"))
                    .collect();
                format!("{{{space}{}{space}}}", members.join(&format!("{space},")))
            }),
        ]
    })
}

/// A JSON string token; some have lone surrogates.
fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z é😀/{}\\[\\]:,]{0,6}",
        1 => prop::sample::select(vec!["\\n", "\\\"", "\\\\", "\\/", "\\u0041", "\\ud83d\\ude00"]).prop_map(str::to_owned),
        1 => "\\\\u[0-9a-fA-F]{4}",
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// Few different keys, so that they repeat; JSON-RPC's own among them, also escaped.
fn key() -> impl Strategy<Value = String> {
    let names = [
        "a", "b", "id", "\\u0069d", "method", "params", "result", "error", "jsonrpc", "", "\\\"",
    ];
    prop::sample::select(names.to_vec()).prop_map(|name| format!("\"{name}\""))
}

/// Text with a good chance to be JSON, or nearly.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => prop::sample::select(b"0123456789-+.eE\"\\{}[],: \tun".to_vec()),
        1 => any::<u8>(),
    ];
    let damage =
        (json(), any::<prop::sample::Index>(), byte, 0..3).prop_map(|(text, at, byte, how)| {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => bytes.truncate(at),
            }
            bytes
        });
    prop_oneof![
        4 => json().prop_map(String::into_bytes),
        4 => damage,
        2 => "[-+]?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?".prop_map(String::into_bytes),
        2 => "[-+0-9.eE\\[\\]{}:, \"\\\\utrfalsn]{0,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

/// What an envelope says by its members alone: its kind, whether it names a version or an id, and whether the result is
/// an error.
fn outline(envelope: &Envelope<'_>) -> (Kind, bool, bool, bool) {
    let says_error = envelope.result.and_then(|it| object::at(it, &["isError"])) == Some("true");
    let (version, id) = (envelope.version.is_some(), envelope.id.is_some());
    (envelope.kind(), version, id, says_error)
}

/// A message, or nearly: with what is counted, in any order, twice, and spelled in escapes.
fn message() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("{\"isError\":true}".to_owned()),
        Just("{\"isErr\\u006fr\": true ,\"a\":{\"isError\":false}}".to_owned()),
        Just("{\"isError\":true,\"isError\":[true]}".to_owned()),
        Just("[{\"isError\":true}]".to_owned()),
        Just("{\"a\":{\"isError\":true},\"error\":1}".to_owned()),
        json(),
    ];
    let members = prop::collection::vec((key(), value), 0..5);
    members.prop_map(|members| {
        let member = |(key, value): (String, String)| format!("{key}:{value}");
        let members: Vec<_> = members.into_iter().map(member).collect();
        format!("{{{}}}", members.join(","))
    })
}

/// An object's text, and the paths of all values in it that objects alone lead to.
fn paths(value: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        path.push(key.clone());
        found.push(path.clone());
        paths(inner, path, found);
        path.pop();
    }
}

fn as_strs(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

fn value_at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// The members of an envelope by name, `method` left out.
fn raw_members<'a>(envelope: &Envelope<'a>) -> [(&'static str, Option<&'a str>); 5] {
    [
        ("jsonrpc", envelope.version),
        ("id", envelope.id),
        ("params", envelope.params),
        ("result", envelope.result),
        ("error", envelope.error),
    ]
}

/// A stream in pieces, cut at these places.
fn pieces(stream: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut cuts: Vec<usize> = cuts
        .iter()
        .map(|cut| cut.index(stream.len() + 1))
        .chain([0, stream.len()])
        .collect();
    cuts.sort_unstable();
    let piece = |cut: &[usize]| stream[cut[0]..cut[1]].to_vec();
    cuts.windows(2).map(piece).collect()
}

/// Something that looks like a stream of server-sent events.
fn event_stream() -> impl Strategy<Value = Vec<u8>> {
    let names = ["data", "id", "event", "retry", "", "dat", "database"];
    let field = (
        prop::sample::select(names.to_vec()),
        prop::sample::select(vec!["", ":", ": ", ":  "]),
        prop::collection::vec(
            prop_oneof![3 => Just(b'7'), 2 => Just(0xc3), 1 => any::<u8>()],
            0..4,
        ),
    )
        .prop_map(|(name, colon, value)| [name.as_bytes(), colon.as_bytes(), &value].concat());
    let line = prop_oneof![3 => field, 2 => Just(Vec::new()), 1 => Just(b"\xef\xbb\xbf".to_vec())];
    let end = prop::sample::select(vec!["\n", "\r", "\r\n"]);
    prop::collection::vec((line, end), 0..12).prop_map(|lines| {
        let whole = |(line, end): (Vec<u8>, &str)| [line, end.as_bytes().to_vec()].concat();
        lines.into_iter().flat_map(whole).collect()
    })
}

fn event() -> impl Strategy<Value = Event> {
    let text = "[ -~é😀]{0,6}";
    let lines = "[ -~é😀\n]{0,8}";
    (
        prop::option::of("[ -~é😀]{1,6}"),
        prop::option::of(text),
        any::<Option<u64>>(),
        prop::option::of(lines),
        prop::option::of(lines),
    )
        .prop_map(|(name, id, retry, data, comment)| Event {
            name,
            id,
            retry,
            data: data.map(Bytes::from),
            comment,
        })
}

fn decoded(chunks: &[Vec<u8>]) -> Vec<Event> {
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    for chunk in chunks {
        decoder.push(chunk, |event| events.push(event));
    }
    events
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_come_out_as_they_went_in(
        stream in prop::collection::vec(prop_oneof![2 => Just(b'\n'), 1 => Just(b'\r'), 5 => any::<u8>()], 0..200),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
        for piece in pieces(&stream, &cuts) {
            splitter.push(Bytes::from(piece), |line| lines.push(line));
        }
        for line in &lines {
            prop_assert_eq!(memchr::memchr(b'\n', line), Some(line.len() - 1));
        }
        let pending = splitter.pending();
        let last = splitter.finish();
        prop_assert_eq!(pending, last.as_ref().map_or(0, Bytes::len));
        lines.extend(last);
        prop_assert_eq!(lines.concat(), stream);
    }

    #[test]
    fn an_event_stream_cut_anywhere_gives_the_same_events(
        stream in event_stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = decoded(std::slice::from_ref(&stream));
        prop_assert_eq!(&decoded(&pieces(&stream, &cuts)), &whole);
        let bytes: Vec<_> = stream.iter().map(|byte| vec![*byte]).collect();
        prop_assert_eq!(&decoded(&bytes), &whole);
    }

    #[test]
    fn data_that_is_taken_out_early_is_part_of_the_event(
        stream in event_stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        at_least in 0..5_usize,
    ) {
        let (mut whole, mut decoder) = (Decoder::default(), Decoder::default());
        let (mut expected, mut events) = (Vec::new(), Vec::new());
        let mut taken: Option<Vec<u8>> = None;
        for piece in pieces(&stream, &cuts) {
            whole.push(&piece, |event| expected.push(event));
            decoder.push(&piece, |mut event| {
                if let Some(data) = &mut event.data && let Some(taken) = taken.take() {
                    *data = Bytes::from([taken, data.to_vec()].concat());
                }
                events.push(event);
            });
            if let Some(data) = decoder.take_data(at_least) {
                taken.get_or_insert_default().extend_from_slice(&data);
            }
            let pending = decoder.pending() + taken.as_ref().map_or(0, Vec::len);
            prop_assert_eq!(pending, whole.pending());
        }
        prop_assert_eq!(events, expected);
        if let Some(taken) = taken {
            decoder.put_back(&taken);
        }
        prop_assert_eq!(decoder.take_rest(), whole.take_rest());
    }

    #[test]
    fn events_are_read_as_they_were_written(events in prop::collection::vec(event(), 0..6)) {
        let mut stream = Vec::new();
        for event in &events {
            sse::write(&mut stream, event);
        }
        let said: Vec<_> = events.into_iter().filter(|it| *it != Event::default()).collect();
        prop_assert_eq!(decoded(&[stream]), said);
    }

    #[test]
    fn a_message_on_one_line_says_what_it_said(text in json(), marked in any::<bool>(), around in "[\r\n]{0,2}") {
        let mark = if marked { "\u{feff}" } else { "" };
        let line = on_one_line(Bytes::from(format!("{mark}{around}{text}{around}")));
        prop_assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
        let spaced = |byte: u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte };
        let expected: Vec<_> = text.trim_matches(['\r', '\n']).bytes().map(spaced).collect();
        prop_assert_eq!(&line[..], &expected[..]);
        prop_assert!(is_json(&line));
    }

    #[test]
    fn what_serde_json_accepts_is_json_and_nothing_else(bytes in nearly_json()) {
        let accepted = std::str::from_utf8(&bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        prop_assert_eq!(is_json(&bytes), accepted);
        let parsed = !matches!(parse(&bytes), Frame::NotJson(_) | Frame::Blank);
        prop_assert_eq!(parsed, accepted);
    }

    #[test]
    fn what_comes_in_pieces_is_json_when_the_whole_is(
        bytes in nearly_json(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut checker = Checker::default();
        for piece in pieces(&bytes, &cuts) {
            checker.push(&piece, |_| ());
        }
        prop_assert_eq!(checker.is_json(), is_json(&bytes));
        prop_assert_eq!(checker.is_text(), std::str::from_utf8(&bytes).is_ok());
        let mut checker = Checker::default();
        bytes.iter().for_each(|byte| checker.push(&[*byte], |_| ()));
        prop_assert_eq!(checker.is_json(), is_json(&bytes));
    }

    #[test]
    fn messages_that_come_in_pieces_have_the_members_of_the_whole(
        text in prop_oneof![
            message(),
            prop::collection::vec(prop_oneof![3 => message(), 1 => json()], 0..4)
                .prop_map(|all| format!("[{}]", all.join(","))),
            json(),
        ],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let (mut checker, mut found) = (Checker::default(), Vec::new());
        for piece in pieces(text.as_bytes(), &cuts) {
            checker.push(&piece, |envelope| found.push(outline(envelope)));
        }
        prop_assert!(checker.is_json());
        let nothing = outline(&Envelope::default());
        let expected = match parse(text.as_bytes()) {
            Frame::Message(envelope) => vec![outline(&envelope)],
            Frame::Batch(envelopes) => envelopes.iter().map(outline).collect(),
            _ => Vec::new(),
        };
        // What has no member of JSON-RPC is told of in one way and passed over in the other.
        found.retain(|it| *it != nothing);
        let expected: Vec<_> = expected.into_iter().filter(|it| *it != nothing).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn the_envelope_says_what_value_says(text in json()) {
        let Ok(value) = serde_json::from_str::<Value>(&text) else {
            return Ok(());
        };
        let Frame::Message(envelope) = parse(text.as_bytes()) else {
            let known = ["jsonrpc", "id", "method", "params", "result", "error"];
            prop_assert!(known.iter().all(|key| value.get(key).is_none()));
            return Ok(());
        };
        for (key, raw) in raw_members(&envelope) {
            let reparsed: Option<Value> = raw.map(|raw| serde_json::from_str(raw).unwrap());
            prop_assert_eq!(reparsed.as_ref(), value.get(key));
            if let Some(raw) = raw {
                prop_assert!(text.contains(raw));
                prop_assert_eq!(raw, raw.trim());
            }
        }
        let method = value.get("method");
        prop_assert_eq!(envelope.method.as_deref(), method.and_then(Value::as_str));
        prop_assert_eq!(envelope.method_not_text, method.is_some_and(|method| !method.is_string()));
    }

    #[test]
    fn a_batch_is_its_elements(elements in prop::collection::vec(json(), 0..5)) {
        let text = format!("[{}]", elements.join(" ,\n"));
        prop_assert_eq!(object::elements(&text).collect::<Vec<_>>(), elements.iter().map(|text| text.trim()).collect::<Vec<_>>());
        match parse(text.as_bytes()) {
            Frame::Batch(envelopes) => for (envelope, text) in envelopes.into_iter().zip(&elements) {
                match parse(text.as_bytes()) {
                    Frame::Message(alone) => prop_assert_eq!(envelope, alone),
                    _ => prop_assert_eq!(envelope, Envelope::default()),
                }
            },
            other => {
                prop_assert_eq!(other, Frame::NotJsonRpc);
                let without_object = elements.iter().all(|element| !element.starts_with('{'));
                prop_assert!(without_object);
            }
        }
    }

    #[test]
    fn members_and_paths_are_those_of_value(text in json()) {
        let Ok(value) = serde_json::from_str::<Value>(&text) else {
            return Ok(());
        };
        let mut found = Vec::new();
        paths(&value, &mut Vec::new(), &mut found);
        for path in found {
            let raw = object::at(&text, &as_strs(&path)).expect("serde_json found it");
            let expected = value_at(&value, &path).expect("the path comes from it");
            prop_assert_eq!(&serde_json::from_str::<Value>(raw).unwrap(), expected);
            let unescaped = object::string_at(&text, &as_strs(&path)).map(Cow::into_owned);
            prop_assert_eq!(unescaped.as_deref(), expected.as_str());
        }
    }

    #[test]
    fn looking_into_anything_stays_calm(bytes in nearly_json()) {
        let text = String::from_utf8_lossy(&bytes);
        let members: usize = object::members(&text).map(|(_, value)| value.len()).sum();
        let elements: usize = object::elements(&text).map(str::len).sum();
        prop_assert!(members + elements <= text.len());
        let _ = object::unescape(&text);
        let _ = splice::set(&text, &["a", "b"], "1");
        let _ = splice::remove(&text, &["a"]);
        let cuts = splice::cuts(&text, |place| place % 2 == 0);
        let _ = splice::without(text.as_bytes(), &cuts);
        let _ = sse::without(&bytes, &cuts);
    }

    #[test]
    fn strings_unescape_as_serde_json_does(raw in string()) {
        let ours = object::unescape(&raw).expect("a string token").into_owned();
        match serde_json::from_str::<String>(&raw) {
            Ok(theirs) => prop_assert_eq!(ours, theirs),
            Err(_) => prop_assert!(ours.contains('\u{fffd}'), "only lone surrogates differ"),
        }
    }

    #[test]
    fn every_byte_belongs_to_one_token(bytes in nearly_json()) {
        let text = String::from_utf8_lossy(&bytes);
        let mut end = 0;
        for token in token::tokens(&text) {
            prop_assert_eq!(token.range.start, end);
            prop_assert!(token.range.end > end && text.is_char_boundary(token.range.end));
            end = token.range.end;
        }
        prop_assert_eq!(end, text.len());
        if is_json(text.as_bytes()) {
            prop_assert!(token::tokens(&text).all(|token| token.kind != token::TokenKind::Garbage));
        }
    }

    #[test]
    fn a_splice_changes_one_value_and_no_other_byte(
        text in json(), pick in any::<prop::sample::Index>(), new in "\\[[0-9], \"new\"\\]",
    ) {
        let Ok(value) = serde_json::from_str::<Value>(&text) else {
            return Ok(());
        };
        let mut found = Vec::new();
        paths(&value, &mut Vec::new(), &mut found);
        if found.is_empty() {
            return Ok(());
        }
        let path = &found[pick.index(found.len())];
        let old = object::at(&text, &as_strs(path)).expect("it is there");
        let start = old.as_ptr() as usize - text.as_ptr() as usize;
        let spliced = splice::set(&text, &as_strs(path), &new).expect("objects all the way");
        prop_assert_eq!(&spliced, &[&text[..start], new.as_str(), &text[start + old.len()..]].concat());
        prop_assert_eq!(object::at(&spliced, &as_strs(path)), Some(new.as_str()));
    }

    #[test]
    fn an_array_in_two_parts_has_every_byte_in_one_of_them_but_a_comma(
        elements in prop::collection::vec((json(), "[ \t\r\n]{0,2}", any::<bool>()), 1..6),
        around in "[ \r\n]{0,2}",
    ) {
        let spaced = |(element, space, _): &(String, String, bool)| format!("{space}{element}{space}");
        let array = |elements: Vec<String>| format!("{around}[{}]{around}", elements.join(","));
        let whole = array(elements.iter().map(spaced).collect());
        for stays in [true, false] {
            let cuts = splice::cuts(&whole, |place| elements[place].2 == stays);
            let part = splice::without(whole.as_bytes(), &cuts);
            let picked = elements.iter().filter(|it| it.2 == stays);
            prop_assert_eq!(String::from_utf8(part).unwrap(), array(picked.map(spaced).collect()));
        }
    }

    #[test]
    fn what_is_cut_out_of_an_event_is_gone_from_its_data_and_nothing_else_is(
        elements in prop::collection::vec((json(), any::<bool>()), 1..6),
        ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r", "\r\n"]), 1..4),
        colon in prop::sample::select(vec![":", ": "]),
    ) {
        let mut ends = ends.into_iter().cycle();
        let joined: Vec<_> = elements.iter().map(|(element, _)| element.as_str()).collect();
        let array = format!("[{}]", joined.join("\n,\n")).replace('\r', " ");
        let mut raw = ": c\nid: 1\n".to_owned();
        for line in array.split('\n') {
            let line = format!("data{colon}{line}{0}data-: x{0}", ends.next().unwrap());
            raw.push_str(&line);
        }
        raw.push_str("retry: 7\n\n");
        // A space at the start of a line is the field's, and not the data's.
        let data = decoded(&[raw.clone().into_bytes()]).remove(0).data.unwrap();
        let cuts = splice::cuts(std::str::from_utf8(&data).unwrap(), |place| elements[place].1);
        let kept = sse::without(raw.as_bytes(), &cuts);
        let [event] = &decoded(&[kept])[..] else {
            panic!("one event stays one");
        };
        prop_assert_eq!((event.id.as_deref(), event.retry, event.comment.as_deref()), (Some("1"), Some(7), Some("c")));
        let said = std::str::from_utf8(&data).unwrap();
        let stays = object::elements(said).zip(&elements).filter(|(_, it)| it.1);
        let left = event.data.clone().unwrap();
        let left = object::elements(std::str::from_utf8(&left).unwrap());
        prop_assert_eq!(left.collect::<Vec<_>>(), stays.map(|(it, _)| it).collect::<Vec<_>>());
        prop_assert_eq!(sse::without(raw.as_bytes(), &[]), raw.as_bytes());
    }

    #[test]
    fn what_is_inserted_is_found_and_what_is_removed_is_gone(text in json()) {
        let Ok(Value::Object(value)) = serde_json::from_str::<Value>(&text) else {
            return Ok(());
        };
        let inserted = splice::set(&text, &["new", "\"er"], "1.50").expect("an object");
        prop_assert_eq!(object::at(&inserted, &["new", "\"er"]), Some("1.50"));
        prop_assert_eq!(splice::remove(&splice::set(&text, &["new"], "0").unwrap(), &["new"]), text.clone());
        for key in ["id", "a", "absent"] {
            let without: Value = serde_json::from_str(&splice::remove(&text, &[key])).unwrap();
            let mut expected = value.clone();
            expected.remove(key);
            prop_assert_eq!(without, Value::Object(expected));
        }
    }
}
