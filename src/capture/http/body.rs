//! One half's body: what its bytes turn out to be. Knows the forms of bodies and nothing of who sends them.

use super::Content;
use super::coding::Unpacker;
use super::events::{self, Events};
use super::held::Held;
use super::masked::{self, Masked};
use crate::capture::record::HttpPart;
use crate::capture::spool::{Spelling, Spooled};
use crate::capture::tally::Tally;
use crate::capture::{redact, spool};
use crate::tap::{Gap, Half, Headers};
use crate::wire::framing::character_end;
use crate::wire::sse::Decoder;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use regex::Regex;
use std::path::Path;

/// What is no message is recorded in parts of at most this size.
const PART: usize = 64 << 10;
/// Why the tap drops anything.
pub(in crate::capture) const TOO_SLOW: &str = "the disk is too slow";
/// A byte order mark, which JSON forbids.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What a body turned out to hold.
#[derive(Debug)]
pub(super) enum Found {
    /// A message or a batch.
    Message {
        content: Content,
        /// The id of the event that it came in.
        event: Option<Box<str>>,
        /// Whether it is one JSON value, where that is known.
        is_json: Option<bool>,
        /// What is in it, where that is known.
        tally: Option<Tally>,
    },
    Part(HttpPart),
    /// This was not recorded.
    Lost(Gap),
}

impl Found {
    /// The tap dropped this much, of so many messages.
    fn dropped(messages: u64, bytes: u64) -> Self {
        Self::Lost(Gap {
            messages,
            bytes,
            reason: TOO_SLOW.into(),
        })
    }
}

/// What reading a body takes beside its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    pub of: Half,
    /// What the configuration knows to be secret.
    pub secret: &'a [Regex],
    /// Where a long body waits for its end.
    pub directory: &'a Path,
}

/// Who takes what is found.
pub(super) type Each<'a> = &'a mut dyn FnMut(Found);

/// A body that is being read.
#[derive(Default)]
pub(super) struct Body {
    unpacker: Option<Unpacker>,
    form: Form,
    /// As they were sent.
    bytes: u64,
    /// What the head says of them.
    expected: Option<u64>,
    /// Why what is recorded is not all that was sent, in words.
    trouble: Option<String>,
}

#[derive(Default)]
enum Form {
    /// Nobody said; its first byte that is no white space tells.
    #[default]
    Unknown,
    Blank(Held),
    /// Kept until its end: only of the whole can be said whether it is a message.
    Json(Held),
    /// Parameters of a request.
    Parameters(Masked),
    Events(Box<Events>),
    /// Part of an event was lost: what comes first is the rest of it.
    TornEvents(Box<Decoder>),
    /// Anything else: what was not recorded yet.
    Other(Vec<u8>),
    /// Nothing can be made of what comes now but to count it, since so many bytes.
    Lost(u64),
    /// All that was expected has come.
    Over,
}

impl Body {
    /// What the head of this half says of it.
    pub fn announced(of: Half, headers: Headers<'_>) -> Self {
        let (mut media_type, mut length, mut encodings) = (None, None, Vec::new());
        for header in headers.iter() {
            let text = || std::str::from_utf8(header.value).ok();
            match header.name {
                b"content-type" if media_type.is_none() => media_type = text(),
                b"content-length" if length.is_none() => length = text(),
                // What is no text names no coding that anybody knows.
                b"content-encoding" => encodings.push(text().unwrap_or("?")),
                _ => {}
            }
        }
        let (unpacker, form, trouble) = match Unpacker::of(encodings) {
            Ok(unpacker) => (unpacker, Form::announced(of, media_type), None),
            Err(reason) => (None, Form::Other(Vec::new()), Some(reason)),
        };
        Self {
            unpacker,
            form,
            bytes: 0,
            expected: length.and_then(|it| it.parse().ok()),
            trouble,
        }
    }

    pub fn push(&mut self, setting: Setting<'_>, bytes: Bytes, each: Each<'_>) {
        self.bytes += bytes.len() as u64;
        match (&mut self.unpacker, &mut self.form) {
            (_, Form::Lost(lost)) => *lost += bytes.len() as u64,
            (None, form) => form.push(setting, bytes, each),
            (Some(unpacker), form) => {
                let unpacked =
                    unpacker.push(bytes.clone(), |bytes| form.push(setting, bytes, each));
                if let Err(reason) = unpacked {
                    self.unpacker = None;
                    self.trouble = Some(reason);
                    form.finish(setting, each);
                    // The rest can only be kept as it is.
                    self.form = Form::Other(Vec::new());
                    self.form.push(setting, bytes, each);
                }
            }
        }
        if self.expected == Some(self.bytes) {
            self.complete(setting, each);
        }
    }

    /// No more bytes come: how many there were, and what is wrong with them.
    pub fn finish(mut self, setting: Setting<'_>, each: Each<'_>) -> (u64, Option<String>) {
        self.complete(setting, each);
        (self.bytes, self.trouble)
    }

    /// That much was dropped before it came here, with so many blank lines in it.
    pub fn lose(&mut self, bytes: u64, blank_lines: u64, each: Each<'_>) {
        self.bytes += bytes;
        self.trouble = Some(format!("part of it was not captured: {TOO_SLOW}"));
        let packed = self.unpacker.is_some();
        let (messages, held, form) = match std::mem::take(&mut self.form) {
            Form::Events(events) if !packed => (blank_lines, events.pending(), Form::torn()),
            Form::TornEvents(events) if !packed => {
                (blank_lines, events.pending() as u64, Form::torn())
            }
            Form::Events(events) => (1, events.pending(), Form::Lost(0)),
            Form::TornEvents(events) => (1, events.pending() as u64, Form::Lost(0)),
            Form::Json(held) => (1, held.len(), Form::Lost(0)),
            Form::Blank(held) => (0, held.len(), Form::Lost(0)),
            Form::Parameters(held) => (0, held.len(), Form::Lost(0)),
            Form::Unknown => (1, 0, Form::Lost(0)),
            Form::Other(held) if !packed => (0, 0, Form::Other(held)),
            Form::Other(held) => (0, held.len() as u64, Form::Lost(0)),
            Form::Lost(more) => (0, 0, Form::Lost(more)),
            Form::Over => (0, 0, Form::Over),
        };
        self.form = form;
        each(Found::dropped(messages, bytes + held));
    }

    fn complete(&mut self, setting: Setting<'_>, each: Each<'_>) {
        if let Some(mut unpacker) = self.unpacker.take()
            && let Err(reason) = unpacker.finish()
            && self.trouble.is_none()
        {
            self.trouble = Some(reason);
        }
        std::mem::replace(&mut self.form, Form::Over).finish(setting, each);
    }
}

impl Form {
    fn announced(of: Half, media_type: Option<&str>) -> Self {
        let Some(media_type) = media_type else {
            return Self::Unknown;
        };
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let is = |wanted: &str| essence.eq_ignore_ascii_case(wanted);
        let ends = |wanted: &str| {
            let start = essence.len().checked_sub(wanted.len());
            let end = start.and_then(|start| essence.as_bytes().get(start..));
            end.is_some_and(|end| end.eq_ignore_ascii_case(wanted.as_bytes()))
        };
        match of {
            _ if is("application/x-www-form-urlencoded") => {
                Self::Parameters(Masked::new(masked::Form::Parameters))
            }
            _ if ends("/json") || ends("+json") => Self::Json(Held::default()),
            Half::Response if is("text/event-stream") => Self::Events(Box::default()),
            Half::Request => Self::Unknown,
            Half::Response => Self::Other(Vec::new()),
        }
    }

    /// Events of which a part was lost.
    fn torn() -> Self {
        let mut rest = Decoder::default();
        // Whatever comes first ends an event that has begun.
        rest.push(b":\n", |_| ());
        Self::TornEvents(Box::new(rest))
    }

    fn push(&mut self, setting: Setting<'_>, bytes: Bytes, each: Each<'_>) {
        let Setting { of, secret, .. } = setting;
        match self {
            Self::Unknown => {
                *self = Self::Blank(Held::default());
                self.push(setting, bytes, each);
            }
            Self::Blank(held) => {
                let first = bytes.iter().find(|it| !it.is_ascii_whitespace()).copied();
                held.push(bytes, setting.directory);
                let Some(first) = first else { return };
                let held = std::mem::take(held);
                // A byte order mark before JSON is against the rules, and happens.
                *self = match first {
                    b'{' | b'[' | 0xef => Self::Json(held),
                    _ => {
                        let mut other = Self::Other(Vec::new());
                        if let Some(bytes) = in_memory(held, each) {
                            other.push(setting, bytes, each);
                        }
                        other
                    }
                };
            }
            Self::Json(held) => held.push(bytes, setting.directory),
            Self::Parameters(held) => held.push(of, secret, &bytes, each),
            Self::Events(events) => events.push(setting, &bytes, each),
            Self::TornEvents(events) => {
                let mut torn = true;
                let mut rest = Vec::new();
                events.push(&bytes, |event| match std::mem::take(&mut torn) {
                    true => each(Found::dropped(
                        1,
                        event.data.map_or(0, |it| it.len() as u64),
                    )),
                    false => rest.push(event),
                });
                rest.into_iter()
                    .for_each(|event| events::found(event, None, secret, each));
                if !torn {
                    let decoder = std::mem::take(&mut **events);
                    *self = Self::Events(Box::new(decoder.into()));
                }
            }
            Self::Other(held) => {
                held.extend_from_slice(&bytes);
                while held.len() > PART {
                    let end = place_between(held);
                    record(
                        of,
                        &held[..end],
                        |text| redact::http::text(text, secret),
                        each,
                    );
                    held.drain(..end);
                }
            }
            Self::Lost(lost) => *lost += bytes.len() as u64,
            // More than was announced.
            Self::Over => {
                *self = Self::Other(Vec::new());
                self.push(setting, bytes, each);
            }
        }
    }

    fn finish(&mut self, setting: Setting<'_>, each: Each<'_>) {
        let Setting { of, secret, .. } = setting;
        let any = |text: &str| redact::http::text(text, secret);
        match std::mem::take(self) {
            Self::Unknown | Self::Over => {}
            Self::Json(held) => json(held, setting, each),
            Self::Parameters(held) => held.finish(of, secret, each),
            Self::Blank(held) => {
                if let Some(bytes) = in_memory(held, each) {
                    record(of, &bytes, any, each);
                }
            }
            // An event without its end is none; what there is of it is kept as a piece of text.
            Self::Events(events) => {
                if let Some(rest) = events.finish(each) {
                    record(of, &rest, any, each);
                }
            }
            Self::TornEvents(events) => each(Found::dropped(0, events.pending() as u64)),
            Self::Other(held) => record(of, &held, any, each),
            Self::Lost(bytes) => each(Found::dropped(0, bytes)),
        }
    }
}

/// Where the next part of what is longer than one ends: at a line's end if there is one, else between two values, so that
/// a secret is not cut in two, of which neither half is known for one.
fn place_between(held: &[u8]) -> usize {
    let half = PART / 2;
    let late = &held[half..PART];
    let place = memchr::memrchr(b'\n', late).or_else(|| memchr::memrchr3(b',', b';', b'&', late));
    let end = place.map_or_else(|| character_end(held, PART), |place| half + place + 1);
    unended_block(&held[..end]).unwrap_or(end)
}

/// Where a PEM block begins that ends in the next part: a private key is known by its first line only.
fn unended_block(part: &[u8]) -> Option<usize> {
    let begin = memchr::memmem::rfind(part, b"-----BEGIN")?;
    let is_whole = memchr::memmem::find(&part[begin..], b"-----END").is_some();
    // What is longer than a part has to be cut.
    (begin > 0 && !is_whole).then_some(begin)
}

/// A whole body of JSON: a message, or a document.
fn json(held: Held, setting: Setting<'_>, each: Each<'_>) {
    let bytes = held.len();
    let message = |content, is_json, tally| Found::Message {
        content,
        event: None,
        is_json: Some(is_json),
        // Behind a byte order mark, nobody reads it as a message.
        tally: Some(if is_json { tally } else { Tally::default() }),
    };
    match held.finish() {
        Ok(Content::Here(body)) => {
            let text = body.strip_prefix(MARK).unwrap_or(&body);
            let is_json = text.len() == body.len();
            let tally = Tally::of(text);
            if tally.speaks {
                return each(message(Content::Here(body), is_json, tally));
            }
            let mask = |text: &str| redact::http::text(text, setting.secret);
            record(setting.of, &body, mask, each);
        }
        Ok(Content::Spooled(spooled)) if spooled.tally.speaks => {
            let (is_json, tally) = (spooled.is_json, spooled.tally.clone());
            each(message(Content::Spooled(spooled), is_json, tally));
        }
        Ok(Content::Spooled(spooled)) => document(spooled, setting, each),
        Err(error) => each(Found::Lost(spool::gap(1, bytes, &error))),
    }
}

/// A long body of JSON that is no message.
fn document(spooled: Spooled, setting: Setting<'_>, each: Each<'_>) {
    let Setting { of, secret, .. } = setting;
    let mut passage = spooled.passage(Spelling::AsTheyAre);
    let mut masked = Masked::new(masked::Form::JSON);
    while passage.len() > 0 {
        match passage.next() {
            Ok(bytes) => masked.push(of, secret, &bytes, each),
            Err(error) => {
                let left = masked.len() + passage.len();
                return each(Found::Lost(spool::gap(0, left, &error)));
            }
        }
    }
    masked.finish(of, secret, each);
}

/// All of what was held and is no message.
fn in_memory(held: Held, each: Each<'_>) -> Option<Bytes> {
    let bytes = held.len();
    let joined = held.join();
    joined
        .map_err(|error| each(Found::Lost(spool::gap(0, bytes, &error))))
        .ok()
}

/// Records bytes of which no more come, in parts, secrets masked.
pub(super) fn record(of: Half, bytes: &[u8], mask: impl Fn(&str) -> String, each: Each<'_>) {
    // What is secret may lie across the border of two parts, so masking comes first. Where bytes that are no text
    // would show a secret, they are text enough.
    let text = String::from_utf8_lossy(bytes);
    let masked = mask(&text);
    let mut rest = match masked == text {
        true => bytes,
        false => masked.as_bytes(),
    };
    while !rest.is_empty() {
        let (part, after) = rest.split_at(character_end(rest, PART.min(rest.len())));
        let (text, base64) = match std::str::from_utf8(part) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(STANDARD.encode(part))),
        };
        each(Found::Part(HttpPart::Body { of, text, base64 }));
        rest = after;
    }
}
