//! Writing requests and answers as raw JSON text: what the operator sends, and nothing a peer sent.

/// A JSON-RPC request with the raw `params` (an object) placed verbatim. The id is a placeholder that the proxy
/// replaces by a fresh one.
pub fn request(_method: &str, _params: &str) -> String {
    todo!()
}
/// A JSON-RPC result for the request with the raw id token `id`.
pub fn result(_id: &str, _result: &str) -> String {
    todo!()
}
/// A JSON-RPC error for the request with the raw id token `id`.
pub fn error(_id: &str, _code: i64, _message: &str) -> String {
    todo!()
}
