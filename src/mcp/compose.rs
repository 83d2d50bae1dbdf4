//! Writing requests and answers as raw JSON text: what the operator sends, and nothing a peer sent.

use serde_json::Value;

/// A JSON-RPC request with the raw `params` (an object) placed verbatim. The id is a placeholder that the proxy
/// replaces by a fresh one.
pub fn request(method: &str, params: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":{},"params":{params}}}"#,
        Value::from(method)
    )
}

/// A JSON-RPC result for the request with the raw id token `id`.
pub fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// A JSON-RPC error for the request with the raw id token `id`.
pub fn error(id: &str, code: i64, message: &str) -> String {
    let message = Value::from(message);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, Kind, object, parse};

    fn kind(text: &str) -> Kind {
        match parse(text.as_bytes()) {
            Frame::Message(envelope) => envelope.kind(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = request("a \"quoted\"\nmethod", r#"{"n": 1.0}"#);
        assert_eq!(kind(&text), Kind::Request);
        assert_eq!(
            object::string_at(&text, &["method"]).as_deref(),
            Some("a \"quoted\"\nmethod")
        );
        assert_eq!(object::at(&text, &["params"]), Some(r#"{"n": 1.0}"#));
        assert_eq!(kind(&result("\"x\"", "{}")), Kind::Result);
        let text = error("1.0", -1, "user said \"no\"");
        assert_eq!(kind(&text), Kind::Error);
        assert_eq!(object::at(&text, &["id"]), Some("1.0"));
        assert_eq!(
            object::string_at(&text, &["error", "message"]).as_deref(),
            Some("user said \"no\"")
        );
    }
}
