//! The JSON-RPC 2.0 envelope, read without copying and without giving up a byte.

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
    /// A member stands twice; the last one is the one kept.
    pub duplicate_member: bool,
}

/// What an envelope is, by the members it has (JSON-RPC 2.0, sections 4 and 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Request,
    Notification,
    /// A response that carries `result`.
    Result,
    /// A response that carries `error`.
    Error,
    /// An object that is none of these, or several at once.
    Malformed,
}

/// What one frame (one line on stdio, one body or event on HTTP) holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    Message(Envelope<'a>),
    /// A top-level array (protocol version 2025-03-26): its elements, those that are not objects as malformed envelopes.
    Batch(Vec<Envelope<'a>>),
    /// Valid JSON, but neither an object with a JSON-RPC member nor an array of objects.
    NotJsonRpc,
    /// Not valid JSON; with the reason, in words.
    NotJson(String),
    /// Nothing but white space.
    Blank,
}

impl Envelope<'_> {
    pub fn kind(&self) -> Kind {
        todo!()
    }
}

/// Classifies one frame. The line end, if any, may be part of `frame`.
pub fn parse(_frame: &[u8]) -> Frame<'_> {
    todo!()
}
