//! The JSON-RPC 2.0 envelope, read without copying and without giving up a byte.

use super::object::{self, Member};
use super::scan::{self, Fault};
use std::borrow::Cow;

/// The members of one JSON-RPC object, as raw JSON text borrowed from the line. `null` is present, not absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The raw token of `jsonrpc`; a conforming peer sends `"2.0"`, quotes included.
    pub version: Option<&'a str>,
    /// The raw token of `id`: `1`, `"1"`, `1.0` and `null` are all different.
    pub id: Option<&'a str>,
    /// The method name, unescaped. `None` also when `method` is not a string.
    pub method: Option<Cow<'a, str>>,
    pub params: Option<&'a str>,
    pub result: Option<&'a str>,
    pub error: Option<&'a str>,
    /// `method` is there and is not a string.
    pub method_not_text: bool,
    /// One of these members stands twice; the last one is the one kept.
    pub duplicate_member: bool,
}

/// What an envelope is, by the members it has (JSON-RPC 2.0, sections 4 and 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Request,
    Notification,
    /// A response that carries `result`.
    Result,
    /// A response that carries `error`. It may lack an id, when the request's could not be read.
    Error,
    /// An object that is none of these, or several at once.
    Malformed,
}

/// What one frame (one line on stdio, one body or event on HTTP) holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    Message(Envelope<'a>),
    /// A top-level array with an object in it (protocol version 2025-03-26): all its elements, those that are not
    /// objects as malformed envelopes. [`object::elements`] gives their text, in the same order.
    Batch(Vec<Envelope<'a>>),
    /// Valid JSON, but neither an object with a JSON-RPC member nor an array with an object.
    NotJsonRpc,
    /// Not valid JSON; with the reason, in words.
    NotJson(String),
    /// Nothing but white space.
    Blank,
}

impl<'a> Envelope<'a> {
    pub fn kind(&self) -> Kind {
        let asks = self.method.is_some() || self.method_not_text;
        match (asks, self.result.is_some(), self.error.is_some()) {
            (true, false, false) if self.method_not_text => Kind::Malformed,
            (true, false, false) if self.id.is_some() => Kind::Request,
            (true, false, false) => Kind::Notification,
            (false, true, false) if self.id.is_some() => Kind::Result,
            (false, false, true) => Kind::Error,
            _ => Kind::Malformed,
        }
    }

    /// Whether it is an answer and says so, as no other document does by chance.
    fn is_answer(&self) -> bool {
        self.version.is_some() && matches!(self.kind(), Kind::Result | Kind::Error)
    }

    /// Whether it is meant for JSON-RPC. OAuth has an `error` member, too, and other documents have an `id`.
    pub fn speaks(&self) -> bool {
        match self.kind() {
            Kind::Request | Kind::Notification | Kind::Result => true,
            Kind::Error => self.version.is_some() || self.id.is_some(),
            Kind::Malformed => self.version.is_some(),
        }
    }

    /// Takes in one member of the object; whether it is one of JSON-RPC's.
    pub(super) fn take(&mut self, key: &str, value: &'a str) -> bool {
        let slot = match key {
            "jsonrpc" => &mut self.version,
            "id" => &mut self.id,
            "params" => &mut self.params,
            "result" => &mut self.result,
            "error" => &mut self.error,
            "method" => {
                self.duplicate_member |= self.method.is_some() || self.method_not_text;
                self.method = object::unescape_string(value);
                self.method_not_text = self.method.is_none();
                return true;
            }
            _ => return false,
        };
        self.duplicate_member |= slot.is_some();
        *slot = Some(value);
        true
    }
}

impl<'a> Frame<'a> {
    /// The one message, or all of a batch.
    pub fn messages(&self) -> &[Envelope<'a>] {
        match self {
            Self::Message(message) => std::slice::from_ref(message),
            Self::Batch(batch) => batch,
            Self::NotJsonRpc | Self::NotJson(_) | Self::Blank => &[],
        }
    }

    /// Whether something in it is meant for JSON-RPC.
    pub fn speaks(&self) -> bool {
        self.messages().iter().any(Envelope::speaks)
    }
}

/// Whether `bytes` are exactly one JSON value in UTF-8, white space around it allowed.
pub fn is_json(bytes: &[u8]) -> bool {
    let well_formed = scan::value(bytes, scan::space(bytes, 0))
        .is_ok_and(|end| scan::space(bytes, end) == bytes.len());
    well_formed && std::str::from_utf8(bytes).is_ok()
}

/// Classifies one frame. The line end, if any, may be part of `frame`.
pub fn parse(frame: &[u8]) -> Frame<'_> {
    let text = match std::str::from_utf8(frame) {
        Ok(text) => text,
        Err(error) => {
            return Frame::NotJson(format!("not UTF-8 at byte {}", error.valid_up_to() + 1));
        }
    };
    if text.starts_with('\u{feff}') {
        return Frame::NotJson("begins with a byte order mark, which JSON forbids".to_owned());
    }
    let start = scan::space(frame, 0);
    let read = match frame.get(start) {
        None => return Frame::Blank,
        Some(b'{') => message(&text[start..]),
        Some(b'[') => batch(&text[start..]),
        Some(_) => scan::value(&frame[start..], 0).map(|length| (Frame::NotJsonRpc, length)),
    };
    match read {
        Ok((found, length)) => match scan::space(frame, start + length) {
            end if end == frame.len() => found,
            end => Frame::NotJson(in_words(text, end, "the end of the line")),
        },
        Err(Fault { at, expected }) => Frame::NotJson(in_words(text, start + at, expected)),
    }
}

/// An answer that stands among other text, as where a line break is missing.
pub fn answer_within(line: &[u8]) -> Option<Envelope<'_>> {
    // Many braces must not cost as many readings.
    const TRIED: usize = 8;
    let text = std::str::from_utf8(line).ok()?;
    let mut at = 0;
    for _ in 0..TRIED {
        at += text[at..].find('{')?;
        at += match message(&text[at..]) {
            Ok((Frame::Message(found), _)) if found.is_answer() => return Some(found),
            Ok((_, length)) => length,
            Err(_) => 1,
        };
    }
    None
}

/// The object at the start of `text`, and its length.
fn message(text: &str) -> Result<(Frame<'_>, usize), Fault> {
    let mut envelope = Envelope::default();
    let mut speaks_json_rpc = false;
    let mut spans = object::spans(text);
    for member in &mut spans {
        let Member { key, value } = member?;
        let key = object::unescape_string(&text[key]).unwrap_or_default();
        speaks_json_rpc |= envelope.take(&key, &text[value]);
    }
    let frame = if speaks_json_rpc {
        Frame::Message(envelope)
    } else {
        Frame::NotJsonRpc
    };
    Ok((frame, spans.end()))
}

/// The array at the start of `text`, and its length.
fn batch(text: &str) -> Result<(Frame<'_>, usize), Fault> {
    let length = scan::value(text.as_bytes(), 0)?;
    if !object::elements(text).any(|element| element.starts_with('{')) {
        return Ok((Frame::NotJsonRpc, length));
    }
    let envelopes = object::elements(text).map(|element| match message(element) {
        Ok((Frame::Message(envelope), _)) => envelope,
        _ => Envelope::default(),
    });
    Ok((Frame::Batch(envelopes.collect()), length))
}

fn in_words(text: &str, at: usize, expected: &str) -> String {
    match text[at..].chars().next() {
        Some(found) => format!("expected {expected} at byte {}, found {found:?}", at + 1),
        None => format!("expected {expected}, but the text ends there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Envelope<'_> {
        match parse(text.as_bytes()) {
            Frame::Message(envelope) => envelope,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn reason(text: impl AsRef<[u8]>) -> String {
        assert!(!is_json(text.as_ref()));
        match parse(text.as_ref()) {
            Frame::NotJson(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn members_are_raw_tokens() {
        let envelope = one(
            "{\"jsonrpc\": \"2.0\", \"id\" :1.0,\"method\":\"tools/call\",\"params\":{ \"a\":1e3 },\"x\":0}\r\n",
        );
        assert_eq!(envelope.version, Some("\"2.0\""));
        assert_eq!(envelope.id, Some("1.0"));
        assert_eq!(envelope.method.as_deref(), Some("tools/call"));
        assert_eq!(envelope.params, Some("{ \"a\":1e3 }"));
        assert_eq!(
            (envelope.result, envelope.error, envelope.duplicate_member),
            (None, None, false)
        );
    }

    #[test]
    fn ids_of_different_spelling_are_different() {
        for id in [
            "1",
            "\"1\"",
            "1.0",
            "1e0",
            "12345678901234567890",
            "null",
            "-0",
            "\"\\u0031\"",
            "[1]",
        ] {
            assert_eq!(
                one(&format!("{{\"id\":{id},\"method\":\"m\"}}")).id,
                Some(id)
            );
        }
    }

    #[test]
    fn the_kind_follows_from_the_members() {
        for (text, kind) in [
            (r#"{"id":1,"method":"m"}"#, Kind::Request),
            (r#"{"id":null,"method":"m","params":null}"#, Kind::Request),
            (r#"{"method":"m"}"#, Kind::Notification),
            (r#"{"id":1,"result":null}"#, Kind::Result),
            (r#"{"id":1,"error":{}}"#, Kind::Error),
            (r#"{"error":{}}"#, Kind::Error),
            (r#"{"id":null,"error":{}}"#, Kind::Error),
            (r#"{"result":1}"#, Kind::Malformed),
            (r#"{"id":1}"#, Kind::Malformed),
            (r#"{"jsonrpc":"2.0"}"#, Kind::Malformed),
            (r#"{"id":1,"method":"m","result":1}"#, Kind::Malformed),
            (r#"{"id":1,"result":1,"error":{}}"#, Kind::Malformed),
            (r#"{"id":1,"method":2}"#, Kind::Malformed),
            (r#"{"id":1,"method":2,"result":1}"#, Kind::Malformed),
            (r#"{"method":null}"#, Kind::Malformed),
        ] {
            assert_eq!(one(text).kind(), kind, "{text}");
        }
    }

    #[test]
    fn the_last_of_two_equal_members_is_kept_and_flagged() {
        let envelope = one(r#"{"id":1,"i\u0064":2,"method":"a"}"#);
        assert_eq!((envelope.id, envelope.duplicate_member), (Some("2"), true));
        let envelope = one(r#"{"method":"a","method":"b"}"#);
        assert_eq!(
            (envelope.method.as_deref(), envelope.duplicate_member),
            (Some("b"), true)
        );
        let envelope = one(r#"{"method":3,"method":"b"}"#);
        assert_eq!(
            (envelope.kind(), envelope.duplicate_member),
            (Kind::Notification, true)
        );
        assert!(!one(r#"{"method":"a","x":1,"x":2}"#).duplicate_member);
    }

    #[test]
    fn escaped_keys_and_methods_are_read() {
        let envelope = one(r#"{"\u0069d":7,"m\u0065thod":"tools\/call"}"#);
        assert_eq!(
            (envelope.id, envelope.method.as_deref()),
            (Some("7"), Some("tools/call"))
        );
        assert_eq!(
            one(r#"{"method":"\ud800"}"#).method.as_deref(),
            Some("\u{fffd}")
        );
    }

    #[test]
    fn a_batch_holds_an_envelope_for_each_element() {
        let Frame::Batch(elements) =
            parse(b" [ {\"id\":1,\"method\":\"m\"}, 5, {\"x\":{}} ,{\"method\":\"n\"}]\n")
        else {
            panic!("not a batch");
        };
        let kinds: Vec<Kind> = elements.iter().map(Envelope::kind).collect();
        assert_eq!(
            kinds,
            [
                Kind::Request,
                Kind::Malformed,
                Kind::Malformed,
                Kind::Notification
            ]
        );
        assert_eq!(elements[0].id, Some("1"));
    }

    #[test]
    fn json_that_is_no_message_is_told_apart_from_what_is_not_json() {
        for text in [
            "1",
            "null",
            "\"{}\"",
            "{}",
            r#"{"x":{"id":1}}"#,
            "[]",
            "[1,[{}]]",
            " true\r\n",
        ] {
            assert!(is_json(text.as_bytes()));
            assert_eq!(parse(text.as_bytes()), Frame::NotJsonRpc, "{text}");
        }
        for text in [
            "Server listening...",
            "{",
            "{\"id\":1",
            "{\"id\":1}}",
            "{\"id\":1} {\"id\":2}",
            "[{\"id\":1},]",
            "NaN",
        ] {
            reason(text);
        }
    }

    #[test]
    fn the_reason_names_the_place() {
        assert_eq!(reason("Hi"), "expected a value at byte 1, found 'H'");
        assert_eq!(
            reason(" \""),
            "expected the end of a string, but the text ends there"
        );
        assert_eq!(
            reason(" {\"id\":1 2}"),
            "expected `,` or `}` at byte 10, found '2'"
        );
        assert_eq!(
            reason("{\"id\":"),
            "expected a value, but the text ends there"
        );
        assert_eq!(
            reason("{}\u{e9}"),
            "expected the end of the line at byte 3, found 'é'"
        );
        assert_eq!(reason(b"{\"id\":\"\xff\"}"), "not UTF-8 at byte 8");
        assert_eq!(reason(b"{\"x\":\"\xff\",\"id\":1}"), "not UTF-8 at byte 7");
        assert!(reason("\u{feff}{\"id\":1}").contains("byte order mark"));
    }

    #[test]
    fn white_space_alone_is_blank() {
        for text in ["", "\n", "\r\n", " \t\r\n"] {
            assert_eq!(parse(text.as_bytes()), Frame::Blank);
            assert!(!is_json(text.as_bytes()));
        }
    }

    #[test]
    fn numbers_and_strings_that_no_value_type_holds_pass() {
        let text = r#"{"id":1e400,"result":["\ud800",-0.0e-999999999999]}"#;
        assert_eq!(one(text).kind(), Kind::Result);
        assert!(is_json(text.as_bytes()));
    }

    #[test]
    fn a_hundred_thousand_levels_are_no_trouble() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let (opening, closing) = (open.repeat(100_000), close.repeat(100_000));
            let text = format!("{{\"id\":1,\"result\":{opening}0{closing}}}");
            assert_eq!(
                one(&text).result.map(str::len),
                Some(opening.len() + 1 + closing.len())
            );
            assert!(is_json(text.as_bytes()));
            reason(format!("{{\"id\":1,\"result\":{opening}"));
            assert_eq!(
                parse(format!("{opening}0{closing}").as_bytes()),
                Frame::NotJsonRpc
            );
        }
    }

    #[test]
    fn an_answer_is_found_among_other_text() {
        let answer = r#"{"jsonrpc":"2.0","id":3,"result":{}}"#;
        let id = |line: &str| {
            answer_within(line.as_bytes()).and_then(|found| found.id.map(str::to_owned))
        };
        for line in [
            format!("DEBUG x{answer}"),
            format!("DEBUG {{x}} {{\"a\":1}}{answer}"),
            format!("{answer}DEBUG"),
            format!("é{{{answer}"),
        ] {
            assert_eq!(id(&line).as_deref(), Some("3"), "{line}");
        }
        for line in [
            "DEBUG {}".to_owned(),
            format!(r#"DEBUG {{"sent":{answer}}}"#),
            r#"DEBUG {"id":3,"result":1}"#.to_owned(),
            r#"DEBUG {"jsonrpc":"2.0","id":3,"method":"ping"}"#.to_owned(),
            format!("{}{answer}", "{".repeat(9)),
            format!("DEBUG {}", &answer[..30]),
        ] {
            assert_eq!(id(&line), None, "{line}");
        }
    }
}
