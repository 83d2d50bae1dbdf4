//! Why a request gets no answer from a server: status, JSON-RPC error, and words.

use http::StatusCode;
use serde_json::json;

/// JSON-RPC 2.0, section 5.1.
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const INTERNAL_ERROR: i64 = -32603;
/// Specification 2026-07-28: the headers contradict the body.
const HEADER_MISMATCH: i64 = -32020;

/// What a client is told instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    code: i64,
    words: String,
    /// The methods that there are, where it is the method that is refused.
    pub allow: Option<&'static str>,
    /// The raw id of the request that it answers.
    id: Option<String>,
}

impl Refusal {
    pub fn new(status: StatusCode, words: impl Into<String>) -> Self {
        Self {
            status,
            code: INTERNAL_ERROR,
            words: words.into(),
            allow: None,
            id: None,
        }
    }

    /// There are only these methods.
    pub fn method(allow: &'static str, words: impl Into<String>) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, words)
        }
    }

    /// What came cannot be understood at all.
    pub fn not_json(why: &str) -> Self {
        Self {
            code: PARSE_ERROR,
            ..Self::new(StatusCode::BAD_REQUEST, why)
        }
    }

    /// What came may not come like this.
    pub fn invalid(words: impl Into<String>) -> Self {
        Self {
            code: INVALID_REQUEST,
            ..Self::new(StatusCode::BAD_REQUEST, words)
        }
    }

    pub fn mismatch(words: impl Into<String>) -> Self {
        Self {
            code: HEADER_MISMATCH,
            ..Self::new(StatusCode::BAD_REQUEST, words)
        }
    }

    pub fn bad_gateway(words: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, words)
    }

    pub fn words(&self) -> &str {
        &self.words
    }

    pub fn to(self, id: Option<&str>) -> Self {
        Self {
            id: id.map(str::to_owned),
            ..self
        }
    }

    /// The JSON-RPC error, marked as ours.
    pub fn message(&self) -> String {
        error(self.id.as_deref(), self.code, &self.words)
    }
}

/// An error of our own for the request with this raw id.
pub fn synthetic(id: &str, words: &str) -> String {
    error(Some(id), INTERNAL_ERROR, words)
}

fn error(id: Option<&str>, code: i64, words: &str) -> String {
    let error = json!({
        "code": code,
        "message": format!("mcp-sentinel: {words}"),
        "data": {"sentinel": true},
    });
    let id = id.unwrap_or("null");
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, Kind, parse};

    #[test]
    fn a_refusal_is_an_error_that_is_marked_as_ours() {
        let refusal = Refusal::mismatch("the header \"a\" is missing").to(Some("\"x\""));
        let text = refusal.message();
        let Frame::Message(message) = parse(text.as_bytes()) else {
            panic!("{text}");
        };
        assert_eq!((message.kind(), message.id), (Kind::Error, Some("\"x\"")));
        assert!(text.contains("-32020") && text.contains("\"sentinel\":true"));
        assert!(text.contains(r#"mcp-sentinel: the header \"a\" is missing"#));
    }

    #[test]
    fn a_refusal_of_what_has_no_id_has_a_null_one() {
        assert!(Refusal::not_json("no").message().contains(r#""id":null"#));
    }
}
