//! One half's body: what its bytes turn out to be. Knows the forms of bodies and nothing of who sends them.

use super::coding::Unpacker;
use super::pieces::Pieces;
use crate::capture::record::HttpPart;
use crate::capture::redact;
use crate::capture::tally::Tally;
use crate::tap::{Half, Headers, ServerSent};
use crate::wire::sse::{self, Decoder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use regex::Regex;

/// What is no message is recorded in parts of at most this size.
const PART: usize = 64 << 10;
/// A byte order mark, which JSON forbids.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What a body turned out to hold.
#[derive(Debug)]
pub(super) enum Found {
    /// A message or a batch.
    Message {
        bytes: Bytes,
        /// The id of the event that it came in.
        event: Option<Box<str>>,
        /// Whether it is one JSON value, where that is known.
        is_json: Option<bool>,
    },
    Part(HttpPart),
    /// This much was not recorded, of so many messages.
    Lost {
        messages: u64,
        bytes: u64,
    },
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
    Blank(Pieces),
    /// Kept until its end: only of the whole can be said whether it is a message, and what of it is secret.
    Json(Pieces),
    /// Parameters of a request.
    Parameters(Pieces),
    Events(Box<Decoder>),
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
    pub fn announced(of: Half, headers: &Headers) -> Self {
        let (mut media_type, mut length, mut encodings) = (None, None, Vec::new());
        for header in headers.iter() {
            let text = || std::str::from_utf8(header.value).ok();
            match header.name {
                "content-type" if media_type.is_none() => media_type = text(),
                "content-length" if length.is_none() => length = text(),
                // What is no text names no coding that anybody knows.
                "content-encoding" => encodings.push(text().unwrap_or("?")),
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

    pub fn push(&mut self, of: Half, bytes: Bytes, secret: &[Regex], each: Each<'_>) {
        self.bytes += bytes.len() as u64;
        match (&mut self.unpacker, &mut self.form) {
            (_, Form::Lost(lost)) => *lost += bytes.len() as u64,
            (None, form) => form.push(of, bytes, secret, each),
            (Some(unpacker), form) => {
                let unpacked =
                    unpacker.push(bytes.clone(), |bytes| form.push(of, bytes, secret, each));
                if let Err(reason) = unpacked {
                    self.unpacker = None;
                    self.trouble = Some(reason);
                    form.finish(of, secret, each);
                    // The rest can only be kept as it is.
                    self.form = Form::Other(Vec::new());
                    self.form.push(of, bytes, secret, each);
                }
            }
        }
        if self.expected == Some(self.bytes) {
            self.complete(of, secret, each);
        }
    }

    /// No more bytes come: how many there were, and what is wrong with them.
    pub fn finish(mut self, of: Half, secret: &[Regex], each: Each<'_>) -> (u64, Option<String>) {
        self.complete(of, secret, each);
        (self.bytes, self.trouble)
    }

    /// That much was dropped before it came here, with so many blank lines in it.
    pub fn lose(&mut self, bytes: u64, blank_lines: u64, each: Each<'_>) {
        self.bytes += bytes;
        self.trouble = Some("part of it was not captured: the disk is too slow".into());
        let packed = self.unpacker.is_some();
        let (messages, held, form) = match std::mem::take(&mut self.form) {
            Form::Events(events) | Form::TornEvents(events) if !packed => {
                let held = events.pending();
                let mut rest = Decoder::default();
                // Whatever comes first ends an event that has begun.
                rest.push(b":\n", |_| ());
                (blank_lines, held, Form::TornEvents(Box::new(rest)))
            }
            Form::Events(events) | Form::TornEvents(events) => (1, events.pending(), Form::Lost(0)),
            Form::Json(pieces) => (1, pieces.len(), Form::Lost(0)),
            Form::Blank(pieces) | Form::Parameters(pieces) => (0, pieces.len(), Form::Lost(0)),
            Form::Unknown => (1, 0, Form::Lost(0)),
            Form::Other(held) if !packed => (0, 0, Form::Other(held)),
            Form::Other(held) => (0, held.len(), Form::Lost(0)),
            Form::Lost(more) => (0, 0, Form::Lost(more)),
            Form::Over => (0, 0, Form::Over),
        };
        self.form = form;
        let bytes = bytes + held as u64;
        each(Found::Lost { messages, bytes });
    }

    fn complete(&mut self, of: Half, secret: &[Regex], each: Each<'_>) {
        if let Some(mut unpacker) = self.unpacker.take()
            && let Err(reason) = unpacker.finish()
            && self.trouble.is_none()
        {
            self.trouble = Some(reason);
        }
        std::mem::replace(&mut self.form, Form::Over).finish(of, secret, each);
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
            _ if is("application/x-www-form-urlencoded") => Self::Parameters(Pieces::default()),
            _ if ends("/json") || ends("+json") => Self::Json(Pieces::default()),
            Half::Response if is("text/event-stream") => Self::Events(Box::default()),
            Half::Request => Self::Unknown,
            Half::Response => Self::Other(Vec::new()),
        }
    }

    fn push(&mut self, of: Half, bytes: Bytes, secret: &[Regex], each: Each<'_>) {
        match self {
            Self::Unknown => {
                *self = Self::Blank(Pieces::default());
                self.push(of, bytes, secret, each);
            }
            Self::Blank(pieces) => {
                let first = bytes.iter().find(|it| !it.is_ascii_whitespace()).copied();
                pieces.push(bytes);
                let Some(first) = first else { return };
                let pieces = std::mem::take(pieces);
                // A byte order mark before JSON is against the rules, and happens.
                *self = match first {
                    b'{' | b'[' | 0xef => Self::Json(pieces),
                    _ => {
                        let mut other = Self::Other(Vec::new());
                        other.push(of, pieces.join(), secret, each);
                        other
                    }
                };
            }
            Self::Json(pieces) | Self::Parameters(pieces) => pieces.push(bytes),
            Self::Events(events) => events.push(&bytes, |event| found_event(event, secret, each)),
            Self::TornEvents(events) => {
                let mut torn = true;
                let mut rest = Vec::new();
                events.push(&bytes, |event| match std::mem::take(&mut torn) {
                    true => each(Found::Lost {
                        messages: 1,
                        bytes: event.data.map_or(0, |it| it.len() as u64),
                    }),
                    false => rest.push(event),
                });
                rest.into_iter()
                    .for_each(|event| found_event(event, secret, each));
                if !torn {
                    *self = Self::Events(std::mem::take(events));
                }
            }
            Self::Other(held) => {
                held.extend_from_slice(&bytes);
                while held.len() > PART {
                    let end = character_end(held, PART);
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
                self.push(of, bytes, secret, each);
            }
        }
    }

    fn finish(&mut self, of: Half, secret: &[Regex], each: Each<'_>) {
        let any = |text: &str| redact::http::text(text, secret);
        match std::mem::take(self) {
            Self::Unknown | Self::Over => {}
            Self::Json(pieces) => {
                let body = pieces.join();
                let text = body.strip_prefix(MARK).unwrap_or(&body);
                match Tally::of(text).speaks {
                    true => each(Found::Message {
                        is_json: Some(text.len() == body.len()),
                        bytes: body,
                        event: None,
                    }),
                    false => record(of, &body, any, each),
                }
            }
            Self::Parameters(pieces) => {
                record(
                    of,
                    &pieces.join(),
                    |text| redact::http::form(text, secret),
                    each,
                );
            }
            Self::Blank(pieces) => record(of, &pieces.join(), any, each),
            // An event without its end is none; what there is of it is kept as a piece of text.
            Self::Events(mut events) => record(of, &events.take_rest(), any, each),
            Self::TornEvents(events) => each(Found::Lost {
                messages: 0,
                bytes: events.pending() as u64,
            }),
            Self::Other(held) => record(of, &held, any, each),
            Self::Lost(bytes) => each(Found::Lost { messages: 0, bytes }),
        }
    }
}

/// An event with data is a message, whatever is in it, unless its type says that it is something else.
fn found_event(found: sse::Event, secret: &[Regex], each: Each<'_>) {
    let mut rest = ServerSent {
        retry: found.retry,
        comment: found.comment.clone(),
        ..ServerSent::default()
    };
    if let Some(message) = found.message().cloned() {
        if rest != ServerSent::default() {
            each(Found::Part(HttpPart::Event(rest)));
        }
        return each(Found::Message {
            bytes: message,
            event: found.id.map(Into::into),
            is_json: None,
        });
    }
    let data = |data: Bytes| String::from_utf8_lossy(&data).into_owned();
    rest.data = found.data.map(data);
    rest.id = found.id;
    rest.name = found.name;
    each(Found::Part(HttpPart::Event(event(rest, secret))));
}

/// An event that is no message, secrets masked.
pub(super) fn event(event: ServerSent, secret: &[Regex]) -> ServerSent {
    let mask = match event.name.as_deref() {
        // Where an old client is to send its messages.
        Some("endpoint") => {
            |text: &str, secret: &[Regex]| redact::http::target(text, secret).into()
        }
        _ => redact::http::text,
    };
    ServerSent {
        data: event.data.map(|data| mask(&data, secret)),
        ..event
    }
}

/// Records bytes of which no more come, in parts, secrets masked.
fn record(of: Half, bytes: &[u8], mask: impl Fn(&str) -> String, each: Each<'_>) {
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

/// The last place up to `end` that cuts no character.
fn character_end(bytes: &[u8], end: usize) -> usize {
    if end == bytes.len() {
        return end;
    }
    let start = (end - 3..=end).rev().find(|&at| bytes[at] & 0xc0 != 0x80);
    start.unwrap_or(end)
}
