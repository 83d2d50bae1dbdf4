//! What happened in HTTP exchanges, beside the messages that they carried.

use super::Party;
use crate::wire::sse;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use serde::{Deserialize, Serialize};

/// The number of an HTTP exchange (one request and its response), unique in a capture; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExchangeId(pub u64);

/// The HTTP exchange that carried a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    pub exchange: ExchangeId,
    /// The id of the server-sent event that the message was the data of.
    pub event: Option<Box<str>>,
}

impl Via {
    /// In a body that was the message.
    pub fn body(exchange: ExchangeId) -> Self {
        Self {
            exchange,
            event: None,
        }
    }
}

/// What [`Http::End`] says in `broken` when the asking side went away; in the modern era that cancels what it asked.
pub const CLIENT_GONE: &str = "the client went away";

/// What [`Http::End`] says in `broken` of a refusal that is not the last word: we ask the same in another exchange, which
/// is ours.
pub const ASKED_AGAIN: &str = "asked again in another way";

/// Which half of an HTTP exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Half {
    Request,
    Response,
}

/// One thing that happened in an HTTP exchange.
#[derive(Debug, Clone)]
pub enum Http {
    Request(Request),
    Response(Response),
    /// Bytes of a body as they were sent, cut anywhere. The recorder takes messages out of them (JSON, server-sent
    /// events, compressed or not), so whoever pushes these does not push the messages too.
    Body {
        of: Half,
        bytes: Bytes,
        /// The half is over with these: as if an end of a whole body came after.
        is_last: bool,
    },
    /// A server-sent event that carried no message (priming, `endpoint`, a keep-alive comment), from a bridge, which
    /// takes the messages out itself.
    Event(ServerSent),
    /// A response's body, or what was read of it, that is no message; from a bridge, and perhaps after the half's end.
    NoMessage(Bytes),
    /// No more bytes of this half come; `broken` says in words why it is not whole.
    End {
        of: Half,
        /// Bytes of the body, as they were sent. `None` when the recorder has seen them all and can count.
        bytes: Option<u64>,
        broken: Option<String>,
    },
}

impl Http {
    /// Takes the body off a head, to be told by itself.
    pub(super) fn take_body(&mut self) -> Option<Self> {
        let (of, bytes) = match self {
            Self::Request(head) => (Half::Request, head.text.take_rest()?),
            Self::Response(head) => (Half::Response, head.text.take_rest()?),
            Self::Body { .. } | Self::Event(_) | Self::NoMessage(_) | Self::End { .. } => {
                return None;
            }
        };
        Some(match bytes.is_empty() {
            // Of nothing, nothing can be lost.
            true => Self::End {
                of,
                bytes: None,
                broken: None,
            },
            false => Self::Body {
                of,
                bytes,
                is_last: true,
            },
        })
    }

    /// What it keeps in memory beside itself.
    pub(super) fn heft(&self) -> usize {
        match self {
            Self::Request(head) => head.text.bytes.capacity(),
            Self::Response(head) => head.text.bytes.capacity(),
            Self::Body { bytes, .. } | Self::NoMessage(bytes) => bytes.len(),
            Self::Event(_) | Self::End { .. } => 0,
        }
    }
}

/// The head of a request, and its body where all of that came with the head.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks: the client, the operator, or we ourselves (a stream that a bridge opens, a retry).
    pub by: Party,
    pub method: Method,
    /// Target, headers, added headers, body.
    text: Text<3>,
}

/// The head of a response, and its body where all of that came with the head.
#[derive(Debug, Clone)]
pub struct Response {
    /// Who answers: the server, or we ourselves (an upstream that cannot be reached, a request that is refused).
    pub by: Party,
    pub status: StatusCode,
    /// What the asking side got instead, where that is not the same.
    pub rewritten: Vec<(HeaderName, String)>,
    /// Headers, body.
    text: Text<1>,
}

/// A body up to this size is sooner copied beside its head than shared.
pub const LITTLE: usize = 4 << 10;

impl Request {
    /// For path and query, with headers as the asking side sent them. Secrets are masked by the recorder.
    pub fn new(by: Party, method: Method, target: &str, headers: &HeaderMap) -> Self {
        let mut text = Text::with_room(target.len() + room(headers));
        text.bytes.extend_from_slice(target.as_bytes());
        text.end(0);
        pack(&mut text.bytes, headers);
        text.end(1);
        text.end(2);
        Self { by, method, text }
    }

    /// With headers that the other side got from us, in addition or instead.
    #[must_use]
    pub fn adding(mut self, added: &HeaderMap) -> Self {
        debug_assert!(self.text.rest().is_empty(), "the body comes last");
        pack(&mut self.text.bytes, added);
        self.text.end(2);
        self
    }

    /// With all of its body: this half is over then. At most [`LITTLE`].
    #[must_use]
    pub fn whole(mut self, body: &[u8]) -> Self {
        self.text.put_rest(body);
        self
    }

    pub fn target(&self) -> &str {
        std::str::from_utf8(self.text.part(0)).unwrap_or_default()
    }

    pub fn headers(&self) -> Headers<'_> {
        Headers(self.text.part(1))
    }

    pub fn added(&self) -> Headers<'_> {
        Headers(self.text.part(2))
    }

    pub fn body(&self) -> Option<&[u8]> {
        self.text.whole_rest()
    }
}

impl Response {
    /// With headers as the answering side sent them.
    pub fn new(by: Party, status: StatusCode, headers: &HeaderMap) -> Self {
        let mut text = Text::with_room(room(headers));
        pack(&mut text.bytes, headers);
        text.end(0);
        Self {
            by,
            status,
            rewritten: Vec::new(),
            text,
        }
    }

    /// With all of its body: this half is over then. At most [`LITTLE`].
    #[must_use]
    pub fn whole(mut self, body: &[u8]) -> Self {
        self.text.put_rest(body);
        self
    }

    pub fn headers(&self) -> Headers<'_> {
        Headers(self.text.part(0))
    }

    pub fn body(&self) -> Option<&[u8]> {
        self.text.whole_rest()
    }
}

/// Parts one after another in one piece of memory: what crosses to the recorder and comes back is little, and no buffer
/// of a connection is kept for its sake.
#[derive(Debug, Clone)]
struct Text<const PARTS: usize> {
    bytes: Vec<u8>,
    ends: [usize; PARTS],
    /// What follows the parts is a whole body, which may be empty.
    has_rest: bool,
}

impl<const PARTS: usize> Text<PARTS> {
    fn with_room(room: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(room),
            ends: [0; PARTS],
            has_rest: false,
        }
    }

    /// The part ends here.
    fn end(&mut self, part: usize) {
        self.ends[part] = self.bytes.len();
    }

    fn part(&self, part: usize) -> &[u8] {
        let start = part.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[part]]
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.ends[PARTS - 1]..]
    }

    fn put_rest(&mut self, body: &[u8]) {
        debug_assert!(body.len() <= LITTLE, "it is shared");
        self.bytes.extend_from_slice(body);
        self.has_rest = true;
    }

    fn whole_rest(&self) -> Option<&[u8]> {
        self.has_rest.then(|| self.rest())
    }

    fn take_rest(&mut self) -> Option<Bytes> {
        let rest = self.whole_rest().map(Bytes::copy_from_slice);
        self.has_rest = false;
        self.bytes.truncate(self.ends[PARTS - 1]);
        rest
    }
}

/// Names and values of headers, in the order of first appearance.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a>(
    /// One entry after another: the lengths of name and value, whether it is sensitive, name, value.
    &'a [u8],
);

/// Bytes of an entry before its name, and of a usual one.
const LENGTHS: usize = 7;
const USUAL: usize = 64;
/// Room for a usual body behind a head.
const BODY: usize = 256;

/// One header.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// In lower case, ASCII.
    pub name: &'a [u8],
    pub value: &'a [u8],
    /// Whoever set it knows that it is secret.
    pub is_sensitive: bool,
    /// The same for headers of which everything else is the same.
    pub entry: &'a [u8],
}

impl<'a> Headers<'a> {
    pub fn iter(self) -> impl Iterator<Item = Header<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (&[n0, n1, v0, v1, v2, v3, sensitive], text) = rest.split_first_chunk()?;
            let name = usize::from(u16::from_le_bytes([n0, n1]));
            let value = u32::from_le_bytes([v0, v1, v2, v3]) as usize;
            let (entry, after) = rest.split_at_checked(LENGTHS + name + value)?;
            let (name, value) = text[..name + value].split_at(name);
            rest = after;
            Some(Header {
                name,
                value,
                is_sensitive: sensitive != 0,
                entry,
            })
        })
    }

    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// What a head with these headers usually takes, and a little body.
fn room(headers: &HeaderMap) -> usize {
    headers.len() * USUAL + BODY
}

fn pack(entries: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        let name = name.as_str().as_bytes();
        // Neither is ever as long: no head is.
        let (Ok(name_length), Ok(value_length)) =
            (u16::try_from(name.len()), u32::try_from(value.len()))
        else {
            continue;
        };
        entries.extend_from_slice(&name_length.to_le_bytes());
        entries.extend_from_slice(&value_length.to_le_bytes());
        entries.push(value.is_sensitive().into());
        entries.extend_from_slice(name);
        entries.extend_from_slice(value.as_bytes());
    }
}

/// A server-sent event that is no message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServerSent {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// Its type; `None` for `message`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub comment: Option<String>,
}

impl From<sse::Event> for ServerSent {
    fn from(event: sse::Event) -> Self {
        Self {
            id: event.id,
            name: event.name,
            retry: event.retry,
            data: event
                .data
                .map(|it| String::from_utf8_lossy(&it).into_owned()),
            comment: event.comment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn headers_come_out_as_they_went_in() {
        let mut map = HeaderMap::new();
        let mut secret = HeaderValue::from_static("open sesame");
        secret.set_sensitive(true);
        let long = HeaderValue::try_from("x".repeat(70_000)).unwrap();
        let old = HeaderValue::from_bytes(b"caf\xe9").unwrap();
        map.append("Accept", HeaderValue::from_static(""));
        map.append("x-door", secret);
        map.append("x-long", long);
        map.append("accept", old);
        let request = Request::new(Party::Client, Method::GET, "/mcp?a", &map);
        let told: Vec<_> = request.headers().iter().collect();
        assert_eq!(told.len(), map.len());
        for (told, (name, value)) in told.iter().zip(&map) {
            assert_eq!(told.name, name.as_str().as_bytes());
            assert_eq!(told.value, value.as_bytes());
            assert_eq!(told.is_sensitive, value.is_sensitive());
        }
        assert!(!request.headers().is_empty() && request.added().is_empty());
        assert_eq!((request.target(), request.body()), ("/mcp?a", None));
    }

    #[test]
    fn a_body_is_told_with_its_head_until_it_is_taken_off() {
        let map = HeaderMap::from_iter([(HeaderName::from_static("a"), HeaderValue::from(1))]);
        let entries = |headers: Headers<'_>| headers.iter().count();
        for body in ["", "{}"] {
            let body = body.as_bytes();
            let request = Request::new(Party::Client, Method::POST, "/", &map).adding(&map);
            let response = Response::new(Party::Server, StatusCode::OK, &map);
            let mut asked = Http::Request(request.whole(body));
            let mut answered = Http::Response(response.whole(body));
            for (half, told) in [(Half::Request, &mut asked), (Half::Response, &mut answered)] {
                let taken = match told.take_body() {
                    Some(Http::Body {
                        of,
                        bytes,
                        is_last: true,
                    }) => (of, bytes),
                    Some(Http::End { of, .. }) => (of, Bytes::new()),
                    other => panic!("there is a body: {other:?}"),
                };
                assert_eq!((taken.0, &*taken.1), (half, body));
                assert!(told.take_body().is_none());
            }
            let (Http::Request(asked), Http::Response(answered)) = (asked, answered) else {
                panic!("they are heads");
            };
            assert_eq!((asked.body(), answered.body()), (None, None));
            assert_eq!((entries(asked.headers()), entries(asked.added())), (1, 1));
            assert_eq!((entries(answered.headers()), asked.target()), (1, "/"));
        }
    }

    #[test]
    fn entries_are_the_same_only_for_the_same_header() {
        let entry = |name: &'static str, value: &'static str, is_sensitive| {
            let mut value = HeaderValue::from_static(value);
            value.set_sensitive(is_sensitive);
            let map = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
            let response = Response::new(Party::Server, StatusCode::OK, &map);
            response.headers().iter().next().unwrap().entry.to_vec()
        };
        let one = entry("ab", "c", false);
        assert_eq!(entry("ab", "c", false), one);
        for other in [
            entry("a", "bc", false),
            entry("ab", "d", false),
            entry("ab", "c", true),
        ] {
            assert_ne!(other, one);
        }
    }
}
