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
    /// No more bytes of this half come; `broken` says in words why it is not whole.
    End {
        of: Half,
        /// Bytes of the body, as they were sent. `None` when the recorder has seen them all and can count.
        bytes: Option<u64>,
        broken: Option<String>,
    },
}

/// The head of a request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks: the client, the operator, or we ourselves (a stream that a bridge opens, a retry).
    pub by: Party,
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// As the asking side sent them. Secrets are masked by the recorder.
    pub headers: Headers,
    /// Headers that the other side got from us, in addition or instead.
    pub added: Headers,
}

/// The head of a response.
#[derive(Debug, Clone)]
pub struct Response {
    /// Who answers: the server, or we ourselves (an upstream that cannot be reached, a request that is refused).
    pub by: Party,
    pub status: StatusCode,
    /// As the answering side sent them.
    pub headers: Headers,
    /// What the asking side got instead, where that is not the same.
    pub rewritten: Vec<(HeaderName, String)>,
}

/// Names and values of headers, in the order of first appearance. Copied into one piece of memory: what the recorder reads
/// and lets go of is little, and no buffer of a connection is kept for its sake.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    /// One entry after another: the lengths of name and value, whether it is sensitive, name, value.
    entries: Vec<u8>,
}

/// Bytes of an entry before its name, and of a usual one.
const LENGTHS: usize = 7;
const USUAL: usize = 64;

/// One header.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// In lower case.
    pub name: &'a str,
    pub value: &'a [u8],
    /// Whoever set it knows that it is secret.
    pub is_sensitive: bool,
    /// The same for headers of which everything else is the same.
    pub entry: &'a [u8],
}

impl Headers {
    pub fn iter(&self) -> impl Iterator<Item = Header<'_>> {
        let mut rest = &self.entries[..];
        std::iter::from_fn(move || {
            let (&[n0, n1, v0, v1, v2, v3, sensitive], text) = rest.split_first_chunk()?;
            let name = usize::from(u16::from_le_bytes([n0, n1]));
            let value = u32::from_le_bytes([v0, v1, v2, v3]) as usize;
            let (entry, after) = rest.split_at_checked(LENGTHS + name + value)?;
            let (name, value) = text[..name + value].split_at(name);
            rest = after;
            Some(Header {
                name: std::str::from_utf8(name).ok()?,
                value,
                is_sensitive: sensitive != 0,
                entry,
            })
        })
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What they keep in memory.
    pub fn heft(&self) -> usize {
        self.entries.capacity()
    }
}

impl From<&HeaderMap> for Headers {
    fn from(map: &HeaderMap) -> Self {
        let mut entries = Vec::with_capacity(map.len() * USUAL);
        for (name, value) in map {
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
        Self { entries }
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
        let headers = Headers::from(&map);
        let told: Vec<_> = headers.iter().collect();
        assert_eq!(told.len(), map.len());
        for (told, (name, value)) in told.iter().zip(&map) {
            assert_eq!(told.name, name.as_str());
            assert_eq!(told.value, value.as_bytes());
            assert_eq!(told.is_sensitive, value.is_sensitive());
        }
        assert!(!headers.is_empty() && Headers::default().is_empty());
    }

    #[test]
    fn entries_are_the_same_only_for_the_same_header() {
        let entry = |name: &'static str, value: &'static str, is_sensitive| {
            let mut value = HeaderValue::from_static(value);
            value.set_sensitive(is_sensitive);
            let map = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
            Headers::from(&map).iter().next().unwrap().entry.to_vec()
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
