//! What HTTP headers say of a message (specification 2026-07-28, basic/transports/streamable-http, and the session and
//! version headers of 2025-03-26 to 2025-11-25).
//!
//! Knows names and values as text; must not know how they travel.

use crate::wire::Envelope;

pub const SESSION_ID: &str = "mcp-session-id";
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
pub const METHOD: &str = "mcp-method";
pub const NAME: &str = "mcp-name";
/// Followed by the name that a tool's schema gives with `x-mcp-header`.
pub const PARAM_PREFIX: &str = "mcp-param-";
pub const LAST_EVENT_ID: &str = "last-event-id";

/// A header that a modern request carries besides its body: name in lower case, and the value as it is sent.
pub type Header = (String, String);

/// The parameters of one tool that its schema wants mirrored: header name (without prefix) and the path to the value in
/// `arguments`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mirrored {
    pub parameters: Vec<(String, Vec<String>)>,
}

/// Reads a tool's raw `inputSchema`: which of its parameters are mirrored. Annotations that break the rules count for
/// nothing.
pub fn mirrored(input_schema: &str) -> Mirrored {
    let _ = input_schema;
    todo!("read x-mcp-header")
}

/// The headers that a message of the modern era must be sent with; none for any other message.
pub fn of(message: &Envelope<'_>, tool: Option<&Mirrored>) -> Vec<Header> {
    let _ = (message, tool);
    todo!("mirror a body in headers")
}

/// What is wrong between the headers of a modern request and its body, in a sentence for the error `-32020`; `None` when
/// they agree. `header` finds a header's value by its name in lower case.
pub fn mismatch<'h>(
    message: &Envelope<'_>,
    header: &dyn Fn(&str) -> Option<&'h str>,
    tool: Option<&Mirrored>,
) -> Option<String> {
    let _ = (message, header, tool);
    todo!("compare headers and body")
}

/// A value as it is sent in a header: itself when it is plain, else `=?base64?…?=`.
pub fn encode(value: &str) -> String {
    let _ = value;
    todo!("encode a header value")
}

/// A value as it was meant; `None` for an encoded one that cannot be decoded.
pub fn decode(value: &str) -> Option<String> {
    let _ = value;
    todo!("decode a header value")
}
