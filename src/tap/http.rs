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

/// Names and values of headers, in the order of first appearance. Copied into two pieces of memory: what the recorder
/// lets go of is little, and no buffer of a connection is kept for its sake.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    names: Vec<Name>,
    values: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Name {
    name: HeaderName,
    /// Where its value ends, which begins at the end of the one before.
    end: usize,
    is_sensitive: bool,
}

/// One header.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    pub name: &'a HeaderName,
    pub value: &'a [u8],
    /// Whoever set it knows that it is secret.
    pub is_sensitive: bool,
}

impl Headers {
    pub fn iter(&self) -> impl Iterator<Item = Header<'_>> {
        let mut start = 0;
        self.names.iter().map(move |it| {
            let value = &self.values[start..it.end];
            start = it.end;
            Header {
                name: &it.name,
                value,
                is_sensitive: it.is_sensitive,
            }
        })
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Bytes of all values.
    pub fn value_bytes(&self) -> usize {
        self.values.len()
    }
}

impl From<&HeaderMap> for Headers {
    fn from(map: &HeaderMap) -> Self {
        let mut values = Vec::with_capacity(map.values().map(|it| it.len()).sum());
        let names = map.iter().map(|(name, value)| {
            values.extend_from_slice(value.as_bytes());
            Name {
                name: name.clone(),
                end: values.len(),
                is_sensitive: value.is_sensitive(),
            }
        });
        Self {
            names: names.collect(),
            values,
        }
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
