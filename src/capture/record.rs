//! One line of the capture, as data.

use crate::tap::{
    Closed, ExchangeId, Gap, Half, Opened, Party, ServerSent, SessionId, Timestamp, Via,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// As a date, of which clocks may be far off: one with a year of four digits.
pub fn utc(at: Timestamp) -> DateTime<Utc> {
    let second = at.0.div_euclid(1_000_000);
    let micros = (at.0.rem_euclid(1_000_000)) as u32;
    DateTime::from_timestamp(second.clamp(YEARS.0, YEARS.1), micros * 1000).unwrap_or_default()
}

/// The first and the last second that four digits of a year can say.
pub(super) const YEARS: (i64, i64) = (-62_167_219_200, 253_402_300_799);

/// The first line of a capture.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// Format version; this program writes 1.
    pub capture: u32,
    /// Program name and version.
    pub program: String,
    /// RFC 3339, UTC.
    pub started: String,
    /// Short name of the upstream, as shown in lists.
    pub name: String,
    /// `stdio` or `http`.
    pub transport: String,
    /// The upstream's argv or address, secrets masked.
    pub upstream: Vec<String>,
    /// The upstream's certificates were not verified.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    pub pid: u32,
    /// Environment entries that look relevant and not secret may be added by later versions; unknown keys are ignored.
    pub cwd: String,
    /// There is none: these are bare messages, and times and directions are not known.
    #[serde(skip)]
    pub bare: bool,
    /// There is none: these are records that somebody took out of a capture.
    #[serde(skip)]
    pub part: bool,
}

/// Where a payload lies in the capture (in the uncompressed file, for compressed ones). For a record without a payload
/// of its own kind of bytes (a session's events, a note, a damaged line), the whole line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Location {
    /// Offset of the first byte of the record's line.
    pub line: u64,
    /// Offset of the payload's first byte, counted from the start of the line.
    pub start: u32,
    /// Length of the payload as it stands in the file, in bytes.
    pub len: u32,
    pub encoding: Encoding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// The payload stands in the file as it was on the wire.
    #[default]
    Verbatim,
    /// A JSON string, quotes included in the range.
    Text,
    /// A JSON string in base64, quotes included in the range.
    Base64,
}

/// One event read back from a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    pub seq: u64,
    /// Of its line in the file, counted from 1.
    pub line_number: u64,
    pub at: Timestamp,
    pub session: SessionId,
    pub location: Location,
    pub payload: Payload<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload<'a> {
    /// One line (or what a peer sent as one), exactly as on the wire, without its line feed.
    Line {
        from: Party,
        /// `Some(Operator)` for an answer that only the operator got.
        to: Option<Party>,
        /// Seq of the message that this one replays.
        replay_of: Option<u64>,
        /// The HTTP exchange that carried it.
        via: Option<Via>,
        /// `false` for a last line that ended without a line feed.
        terminated: bool,
        /// Whether it is one JSON value in valid UTF-8, perhaps on several lines (a pretty-printed body).
        json: bool,
        bytes: Cow<'a, [u8]>,
    },
    /// Part of an HTTP exchange. Messages that it carried are lines, which name it. The location of a body is that of
    /// its text.
    Http(HttpRecord),
    Stderr(Cow<'a, [u8]>),
    Opened(Opened),
    Closed(Closed),
    Gap(Gap),
    Note(String),
    /// A line of the file that is no record, and what is wrong with it. Such a record has no seq, time and session of
    /// its own: all are 0.
    Damaged {
        reason: String,
    },
    /// The record after this one has a number that shows that others stood before it: how many, and, where no damaged
    /// line may have been one of them, the last of their numbers. The first is that of this record, which stands
    /// nowhere in the file.
    Missing {
        count: u64,
        last: Option<u64>,
    },
    /// A kind of event that this version does not know.
    Unknown,
}

/// One thing that happened in an HTTP exchange; in the file one object, `{"exchange":…,"request":{…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HttpRecord {
    pub exchange: ExchangeId,
    #[serde(flatten)]
    pub part: HttpPart,
}

/// Names and values.
pub type HttpHeaders = Vec<(String, String)>;

/// Header names are in lower case, in the order of first appearance; secret values are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpPart {
    Request {
        by: Party,
        method: String,
        /// Path and query, secrets masked.
        target: String,
        headers: HttpHeaders,
        /// What the other side got from us, in addition or instead.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        added: HttpHeaders,
    },
    Response {
        by: Party,
        status: u16,
        headers: HttpHeaders,
        /// What the asking side got instead.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        rewritten: HttpHeaders,
    },
    /// A server-sent event that is no message.
    Event(ServerSent),
    /// A body, or a part of one, that is no message: text, or base64 of what is not UTF-8. Decompressed.
    Body {
        of: Half,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        text: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        base64: Option<String>,
    },
    /// This half is over.
    End {
        of: Half,
        /// Of the body as it was sent, compressed or not.
        bytes: u64,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        broken: Option<String>,
    },
}
