//! One line of the capture, read.
//!
//! Lines as [`super::write`] writes them go the short way: the members are taken in their fixed order, and a message,
//! which the recorder has checked, is the rest of the line. Anything else that is JSON goes the long way.

use super::record::{Encoding, HttpPart, HttpRecord, Location, Payload, Record};
use crate::tap::{Closed, ExchangeId, Gap, Half, Opened, Party, SessionId, Timestamp, Via};
use crate::wire::is_json;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny};
use serde_json::error::Category;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Reads lines; remembers the last second it saw.
#[derive(Debug, Default)]
pub(super) struct Parser {
    clock: Clock,
}

impl Parser {
    /// Reads one line, its line feed taken off, that begins at `offset`.
    pub fn read<'l>(&mut self, line: &'l [u8], offset: u64, line_number: u64) -> Record<'l> {
        let whole = Location {
            line: offset,
            start: 0,
            len: u32::try_from(line.len()).unwrap_or(u32::MAX),
            encoding: Encoding::Verbatim,
        };
        let known = self.known(line, whole, line_number);
        known.unwrap_or_else(|| match any(line, whole, line_number) {
            Ok(record) => record,
            Err(reason) => damaged(whole, line_number, reason),
        })
    }

    /// The short way.
    fn known<'l>(
        &mut self,
        line: &'l [u8],
        whole: Location,
        line_number: u64,
    ) -> Option<Record<'l>> {
        let mut rest = Rest(line);
        rest.eat(b"{\"seq\":")?;
        let seq = rest.decimal()?;
        rest.eat(b",\"at\":\"")?;
        let at = self.clock.read(rest.take(Clock::LEN)?)?;
        rest.eat(b"\",\"session\":")?;
        let session = SessionId(u32::try_from(rest.decimal()?).ok()?);
        rest.eat(b",\"")?;
        let (location, payload) = match rest.eat(b"from\":\"") {
            Some(()) => known_line(rest, whole)?,
            None => known_event(rest, whole)?,
        };
        Some(Record {
            seq,
            line_number,
            at,
            session,
            location,
            payload,
        })
    }
}

/// Finds out from the numbers of records, which the recorder counts up without a gap, that some are not there.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// The number that the next record should have; none where reading begins.
    next: Option<u64>,
    /// Lines since the last record that are none, or have a number that does not fit: each may have been one.
    damaged: u64,
}

impl Sequence {
    /// What is missing before a record, which one with the number `following` comes after, as far as that is known.
    pub fn missing_before(
        &mut self,
        record: &Record<'_>,
        following: impl FnOnce() -> Option<u64>,
    ) -> Option<Record<'static>> {
        let is_damaged = matches!(record.payload, Payload::Damaged { .. });
        if is_damaged || self.is_alone(record.seq, following) {
            self.damaged += 1;
            return None;
        }
        let damaged = std::mem::take(&mut self.damaged);
        let next = self.next.replace(record.seq.saturating_add(1))?;
        let count = record.seq.checked_sub(next)?.saturating_sub(damaged);
        (count > 0).then(|| Record {
            seq: next,
            line_number: record.line_number,
            at: record.at,
            session: SessionId::NONE,
            location: Location {
                line: record.location.line,
                ..Location::default()
            },
            payload: Payload::Missing {
                count,
                last: (damaged == 0).then_some(record.seq - 1),
            },
        })
    }

    /// Whether the numbers go on behind a record as if its own were another.
    fn is_alone(&self, seq: u64, following: impl FnOnce() -> Option<u64>) -> bool {
        let Some(next) = self.next.filter(|next| *next != seq) else {
            return false;
        };
        following().is_some_and(|following| following >= next && (seq < next || following <= seq))
    }
}

/// The number of the record whose line begins so.
pub(super) fn seq(beginning: &[u8]) -> Option<u64> {
    let mut rest = Rest(beginning);
    rest.eat(b"{\"seq\":")?;
    let seq = rest.decimal()?;
    rest.eat(b",").map(|()| seq)
}

pub(super) fn damaged(
    location: Location,
    line_number: u64,
    reason: impl Into<String>,
) -> Record<'static> {
    Record {
        seq: 0,
        line_number,
        at: Timestamp(0),
        session: SessionId::NONE,
        location,
        payload: Payload::Damaged {
            reason: reason.into(),
        },
    }
}

fn known_line<'l>(mut rest: Rest<'l>, whole: Location) -> Option<(Location, Payload<'l>)> {
    let from = party(rest.word()?)?;
    let to = match rest.eat(b",\"to\":\"") {
        Some(()) => Some(party(rest.word()?)?),
        None => None,
    };
    let replay_of = match rest.eat(b",\"replay_of\":") {
        Some(()) => Some(rest.decimal()?),
        None => None,
    };
    let via = match rest.eat(b",\"exchange\":") {
        Some(()) => Some(rest.via()?),
        None => None,
    };
    let terminated = rest.eat(b",\"unterminated\":true").is_none();
    rest.eat(b",\"")?;
    let encoding = if rest.eat(b"message\":").is_some() {
        Encoding::Verbatim
    } else if rest.eat(b"text\":").is_some() {
        Encoding::Text
    } else if rest.eat(b"base64\":").is_some() {
        Encoding::Base64
    } else {
        rest.eat(b"note\":")?;
        return Some((whole, Payload::Note(rest.last_value()?)));
    };
    let value = rest.last()?;
    let bytes = match encoding {
        Encoding::Verbatim => Cow::Borrowed(looks_whole(value).then_some(value)?),
        Encoding::Text | Encoding::Base64 => decode(value, encoding)?,
    };
    let payload = Payload::Line {
        from,
        to,
        replay_of,
        via,
        terminated,
        json: encoding == Encoding::Verbatim || is_json_on_many_lines(&bytes),
        bytes,
    };
    Some((location(whole, 1, value, encoding), payload))
}

fn known_event<'l>(mut rest: Rest<'l>, whole: Location) -> Option<(Location, Payload<'l>)> {
    let kind = rest.word()?;
    rest.eat(b":")?;
    let encoding = match kind {
        b"stderr" => Encoding::Text,
        b"stderr_base64" => Encoding::Base64,
        b"opened" => return Some((whole, Payload::Opened(rest.last_value()?))),
        b"closed" => return Some((whole, Payload::Closed(rest.last_value()?))),
        b"gap" => return Some((whole, Payload::Gap(rest.last_value()?))),
        b"http" => {
            let body = known_body(rest, whole);
            return body.or_else(|| Some((whole, Payload::Http(rest.last_value()?))));
        }
        _ => return None,
    };
    let value = rest.last()?;
    let payload = Payload::Stderr(decode(value, encoding)?);
    Some((location(whole, 1, value, encoding), payload))
}

/// Part of a body is the one thing of an exchange that may be large, and that is read again.
fn known_body<'l>(mut rest: Rest<'l>, whole: Location) -> Option<(Location, Payload<'l>)> {
    rest.eat(b"{\"exchange\":")?;
    let exchange = ExchangeId(rest.decimal()?);
    rest.eat(b",\"body\":{\"of\":\"")?;
    let of = match rest.word()? {
        b"request" => Half::Request,
        b"response" => Half::Response,
        _ => return None,
    };
    let encoding = if rest.eat(b",\"text\":").is_some() {
        Encoding::Text
    } else {
        rest.eat(b",\"base64\":")?;
        Encoding::Base64
    };
    let value = rest.0.strip_suffix(b"}}}")?;
    let said: String = serde_json::from_slice(value).ok()?;
    let (text, base64) = match encoding {
        Encoding::Base64 => (None, Some(said)),
        _ => (Some(said), None),
    };
    let part = HttpPart::Body { of, text, base64 };
    let payload = Payload::Http(HttpRecord { exchange, part });
    Some((location(whole, 3, value, encoding), payload))
}

/// What is left of a line.
#[derive(Debug, Clone, Copy)]
struct Rest<'l>(&'l [u8]);

impl<'l> Rest<'l> {
    fn eat(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    fn take(&mut self, len: usize) -> Option<&'l [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn decimal(&mut self) -> Option<u64> {
        let len = self.0.iter().take_while(|it| it.is_ascii_digit()).count();
        let digits = self.take(len)?;
        if len == 0 {
            return None;
        }
        digits.iter().try_fold(0_u64, |number, digit| {
            number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })
    }

    /// A short word and the quote that ends it.
    fn word(&mut self) -> Option<&'l [u8]> {
        let len = self.0.iter().take(32).position(|it| *it == b'"')?;
        let word = self.take(len)?;
        self.eat(b"\"")?;
        Some(word)
    }

    /// The value of the last member.
    fn last(&self) -> Option<&'l [u8]> {
        self.0.strip_suffix(b"}")
    }

    fn last_value<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.last()?).ok()
    }

    /// What follows the name of a message's exchange. An event id that needs escapes goes the long way.
    fn via(&mut self) -> Option<Via> {
        let exchange = ExchangeId(self.decimal()?);
        let mut event = None;
        if self.eat(b",\"event\":\"").is_some() {
            let end = memchr::memchr2(b'"', b'\\', self.0)?;
            event = Some(std::str::from_utf8(self.take(end)?).ok()?.into());
            self.eat(b"\"")?;
        }
        Some(Via { exchange, event })
    }
}

/// Where a value lies that ends `behind` bytes before the line does.
fn location(whole: Location, behind: u32, value: &[u8], encoding: Encoding) -> Location {
    let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
    Location {
        line: whole.line,
        start: whole.len.saturating_sub(len).saturating_sub(behind),
        len,
        encoding,
    }
}

/// What is JSON on one line was recorded as such; a message that stands on several is text to the file.
fn is_json_on_many_lines(bytes: &[u8]) -> bool {
    memchr::memchr(b'\n', bytes).is_some() && is_json(bytes)
}

fn party(word: &[u8]) -> Option<Party> {
    match word {
        b"client" => Some(Party::Client),
        b"server" => Some(Party::Server),
        b"operator" => Some(Party::Operator),
        b"sentinel" => Some(Party::Sentinel),
        _ => None,
    }
}

/// Whether this can be one JSON value from its first byte to its last. A line that was cut short is caught here, and one
/// to which another program added members, unless what it added ends as the value itself may: who reads the message
/// finds out.
fn looks_whole(value: &[u8]) -> bool {
    let json_space = |it: &u8| matches!(it, b' ' | b'\t' | b'\r');
    let first = value.iter().find(|it| !json_space(it));
    let last = value.iter().rfind(|it| !json_space(it));
    match (first, last) {
        (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')) => true,
        _ => serde_json::from_slice::<IgnoredAny>(value).is_ok(),
    }
}

/// What a JSON string says, or what it holds in base64.
pub(super) fn decode(value: &[u8], encoding: Encoding) -> Option<Cow<'_, [u8]>> {
    let plain = value
        .strip_prefix(b"\"")
        .and_then(|it| it.strip_suffix(b"\""))
        .filter(|it| memchr::memchr2(b'"', b'\\', it).is_none());
    match (encoding, plain) {
        (Encoding::Verbatim, _) => Some(Cow::Borrowed(value)),
        (Encoding::Text, Some(plain)) => Some(Cow::Borrowed(plain)),
        (Encoding::Text, None) => {
            let text: String = serde_json::from_slice(value).ok()?;
            Some(Cow::Owned(text.into_bytes()))
        }
        (Encoding::Base64, Some(plain)) => STANDARD.decode(plain).ok().map(Cow::Owned),
        (Encoding::Base64, None) => {
            let text: String = serde_json::from_slice(value).ok()?;
            STANDARD.decode(text).ok().map(Cow::Owned)
        }
    }
}

/// The members that this version knows, in any order, among any others.
#[derive(Debug, serde::Deserialize)]
struct Members<'l> {
    seq: u64,
    #[serde(borrow)]
    at: Cow<'l, str>,
    #[serde(default)]
    session: Option<SessionId>,
    #[serde(borrow, default)]
    from: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    to: Option<Cow<'l, str>>,
    #[serde(default)]
    replay_of: Option<u64>,
    #[serde(default)]
    exchange: Option<ExchangeId>,
    #[serde(default)]
    event: Option<Box<str>>,
    #[serde(default)]
    unterminated: bool,
    #[serde(borrow, default, deserialize_with = "present")]
    message: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    text: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    base64: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    stderr: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    stderr_base64: Option<&'l RawValue>,
    #[serde(default)]
    opened: Option<Opened>,
    #[serde(default)]
    closed: Option<Closed>,
    #[serde(default)]
    gap: Option<Gap>,
    #[serde(borrow, default)]
    http: Option<&'l RawValue>,
    #[serde(default)]
    note: Option<String>,
}

/// Where the bytes of a body stand, within its record.
#[derive(Debug, serde::Deserialize)]
struct HttpMembers<'l> {
    #[serde(borrow)]
    body: Option<BodyMembers<'l>>,
}

#[derive(Debug, serde::Deserialize)]
struct BodyMembers<'l> {
    #[serde(borrow)]
    text: Option<&'l RawValue>,
    #[serde(borrow)]
    base64: Option<&'l RawValue>,
}

/// `null` is a message like any other.
fn present<'l, D: Deserializer<'l>>(value: D) -> Result<Option<&'l RawValue>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}

/// What is wrong with a line, for whoever never heard of the types that read it.
fn in_words(line: &[u8], error: &serde_json::Error) -> String {
    if std::str::from_utf8(line).is_err() {
        return "it is not UTF-8".into();
    }
    match error.classify() {
        Category::Eof => "it breaks off".into(),
        Category::Data => "it is no record of a capture".into(),
        Category::Syntax | Category::Io => {
            format!("it is not JSON from byte {} on", error.column())
        }
    }
}

/// The long way.
fn any(line: &[u8], whole: Location, line_number: u64) -> Result<Record<'_>, String> {
    let members: Members<'_> = serde_json::from_slice(line).map_err(|it| in_words(line, &it))?;
    let at = chrono::DateTime::parse_from_rfc3339(&members.at)
        .map_err(|_| "the time cannot be read".to_owned())?;
    let from = members.from.as_deref().and_then(|it| party(it.as_bytes()));
    let mut location = whole;
    let mut found = |value: &RawValue, encoding| {
        let value = value.get().as_bytes();
        location = within(line, value, whole, encoding);
        decode_any(&line[location.start as usize..][..value.len()], encoding)
    };
    let line_found = if let Some(value) = members.message {
        Some((true, found(value, Encoding::Verbatim)?))
    } else if let Some(value) = members.text {
        Some((false, found(value, Encoding::Text)?))
    } else if let Some(value) = members.base64 {
        Some((false, found(value, Encoding::Base64)?))
    } else {
        None
    };
    let payload = match (line_found, from) {
        (Some((json, bytes)), Some(from)) => Payload::Line {
            from,
            to: members.to.as_deref().and_then(|it| party(it.as_bytes())),
            replay_of: members.replay_of,
            via: members.exchange.map(|exchange| Via {
                exchange,
                event: members.event,
            }),
            terminated: !members.unterminated,
            json: json || is_json_on_many_lines(&bytes),
            bytes,
        },
        // From nobody, or from somebody that this version does not know.
        (Some(_), None) => Payload::Unknown,
        (None, _) => {
            if let Some(value) = members.stderr {
                Payload::Stderr(found(value, Encoding::Text)?)
            } else if let Some(value) = members.stderr_base64 {
                Payload::Stderr(found(value, Encoding::Base64)?)
            } else if let Some(opened) = members.opened {
                Payload::Opened(opened)
            } else if let Some(closed) = members.closed {
                Payload::Closed(closed)
            } else if let Some(gap) = members.gap {
                Payload::Gap(gap)
            } else if let Some(value) = members.http {
                location = body_location(line, value.get(), whole).unwrap_or(whole);
                // A part that a later version of this program knows.
                serde_json::from_str(value.get()).map_or(Payload::Unknown, Payload::Http)
            } else {
                members.note.map_or(Payload::Unknown, Payload::Note)
            }
        }
    };
    Ok(Record {
        seq: members.seq,
        line_number,
        at: Timestamp(at.timestamp_micros()),
        session: members.session.unwrap_or(SessionId::NONE),
        location,
        payload,
    })
}

fn body_location(line: &[u8], http: &str, whole: Location) -> Option<Location> {
    let body = serde_json::from_str::<HttpMembers<'_>>(http).ok()?.body?;
    let (value, encoding) = match (body.text, body.base64) {
        (Some(text), _) => (text, Encoding::Text),
        (None, base64) => (base64?, Encoding::Base64),
    };
    Some(within(line, value.get().as_bytes(), whole, encoding))
}

fn decode_any(value: &[u8], encoding: Encoding) -> Result<Cow<'_, [u8]>, String> {
    decode(value, encoding).ok_or_else(|| "the payload cannot be decoded".into())
}

/// Where `value`, a part of `line`, lies in it.
fn within(line: &[u8], value: &[u8], whole: Location, encoding: Encoding) -> Location {
    let start = value.as_ptr().addr() - line.as_ptr().addr();
    Location {
        line: whole.line,
        start: u32::try_from(start).unwrap_or(u32::MAX),
        len: u32::try_from(value.len()).unwrap_or(u32::MAX),
        encoding,
    }
}

/// Reads the one spelling of a time that [`super::write`] has.
#[derive(Debug, Default)]
struct Clock {
    /// The text up to the second, and what it says.
    text: [u8; 19],
    second: i64,
}

impl Clock {
    const LEN: usize = "2026-11-21T02:45:01.123456Z".len();

    fn read(&mut self, text: &[u8]) -> Option<Timestamp> {
        let (to_second, fraction) = text.split_first_chunk::<19>()?;
        if *to_second != self.text {
            let whole = std::str::from_utf8(to_second).ok()?;
            let time = chrono::NaiveDateTime::parse_from_str(whole, "%Y-%m-%dT%H:%M:%S").ok()?;
            self.second = time.and_utc().timestamp();
            self.text = *to_second;
        }
        let digits = fraction.strip_prefix(b".")?.strip_suffix(b"Z")?;
        let micros = digits.iter().try_fold(0, |micros, digit| {
            digit
                .is_ascii_digit()
                .then(|| micros * 10 + i64::from(digit - b'0'))
        })?;
        Some(Timestamp(self.second * 1_000_000 + micros))
    }
}
