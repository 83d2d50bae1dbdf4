//! What clients and servers say in a bench.

use std::io::Write;

/// One line with its line feed.
pub fn request(id: usize, method: &str) -> Vec<u8> {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{{\"name\":\"echo\",\"arguments\":{{\"text\":\"the quick brown fox jumps over the lazy dog\"}}}}}}\n"
    )
    .into_bytes()
}

pub const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The answer to a request, without a line feed; none to what is no request.
pub fn answer(request: &[u8], to: &mut Vec<u8>) {
    let Some(id) = memchr::memmem::find(request, b"\"id\":") else {
        return;
    };
    let id = &request[id + 5..];
    let digits = id.iter().take_while(|byte| byte.is_ascii_digit()).count();
    to.extend(b"{\"jsonrpc\":\"2.0\",\"id\":");
    to.extend(&id[..digits]);
    to.extend(if is_initialize(request) {
        &b",\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"bench\",\"version\":\"1\"}}}"[..]
    } else {
        b",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"the quick brown fox jumps over the lazy dog\"}]}}"
    });
}

pub fn is_initialize(request: &[u8]) -> bool {
    memchr::memmem::find(request, b"\"initialize\"").is_some()
}

/// Whether a burst of notifications is asked for.
pub fn is_burst(request: &[u8]) -> bool {
    memchr::memmem::find(request, b"\"burst\"").is_some()
}

/// The same, each written as soon as it is made, as the SDKs do.
pub fn is_drizzle(request: &[u8]) -> bool {
    memchr::memmem::find(request, b"\"drizzle\"").is_some()
}

/// One notification of a burst, without a line feed.
pub fn write_progress(number: usize, to: &mut impl Write) {
    write!(
        to,
        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":1,\"progress\":{number},\"message\":\"some words\"}}}}"
    )
    .unwrap();
}

/// The number of a notification in a burst.
pub fn number_in(line: &[u8]) -> Option<usize> {
    let text = &line[memchr::memmem::find(line, b"\"progress\":")? + 11..];
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..digits]).ok()?.parse().ok()
}
