//! The reverse proxy between raw HTTP peers: what arrives on either socket is what was sent on the other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;

mod bodies;
mod breaks;
mod bytes;
mod lengths;
mod mirroring;
mod operator;
mod rewriting;
mod sessions;
mod torn;

use common::http::{Inside, Upstream};
use serde_json::{Value, json};

const ACCEPT: (&str, &str) = ("accept", "application/json, text/event-stream");
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A proxy in front of an upstream.
async fn before(upstream: &Upstream) -> Inside {
    Inside::before(&upstream.url("/mcp")).await
}

/// A record's session and what happened in it, for records of HTTP.
fn http(record: &Value) -> Option<&Value> {
    record.get("http")
}

/// A note that holds these words.
async fn note(proxy: &Inside, words: &str) -> String {
    let note = |record: &Value| {
        let text = record["note"].as_str()?;
        text.contains(words).then(|| text.to_owned())
    };
    proxy.record(words, note).await
}

/// The first session that was opened, and the reason that it was closed for.
async fn opened(proxy: &Inside) -> u64 {
    let session = |record: &Value| {
        record.get("opened")?;
        record["session"].as_u64()
    };
    proxy.record("a session", session).await
}

async fn closed(proxy: &Inside, session: u64) -> String {
    let reason = |record: &Value| {
        let closed = record.get("closed")?;
        let reason = closed["reason"].as_str().unwrap().to_owned();
        (record["session"] == session).then_some(reason)
    };
    proxy.record("the end of a session", reason).await
}

/// Gives out a session, and answers everything.
async fn legacy_upstream() -> Upstream {
    Upstream::start(|mut call| async move {
        let session = call.head.get("mcp-session-id").map(str::to_owned);
        if call.head.method() == "DELETE" {
            return call.answer("200 OK", &[], "").await.unwrap();
        }
        let request = call.json().await;
        match (
            request["method"].as_str().unwrap_or_default(),
            session.as_deref(),
        ) {
            ("initialize", _) => {
                let id = format!("session-{}", call.request);
                let headers = [
                    ("Content-Type", "application/json"),
                    ("Mcp-Session-Id", &*id),
                ];
                let result = json!({"jsonrpc": "2.0", "id": request["id"], "result": {}});
                call.answer("200 OK", &headers, result.to_string())
                    .await
                    .unwrap();
            }
            (_, Some("gone") | None) => call.answer("404 Gone", &[], "").await.unwrap(),
            _ if request.get("id").is_none() => {
                call.answer("202 Accepted", &[], "").await.unwrap();
            }
            ("tools/call", _) => {
                // Pings and asks before it answers, as a legacy server may.
                call.open_stream(&[]).await.unwrap();
                let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
                call.chunk(format!("id: 1\ndata: {ping}\n\n"))
                    .await
                    .unwrap();
                let ask = r#"{"jsonrpc":"2.0","id":"e","method":"elicitation/create","params":{}}"#;
                call.chunk(format!("id: 2\ndata: {ask}\n\n")).await.unwrap();
                let result = json!({"jsonrpc": "2.0", "id": request["id"], "result": {}});
                call.chunk(format!("data: {result}\n\n")).await.unwrap();
                call.last_chunk().await.unwrap();
            }
            _ => {
                let result = json!({"jsonrpc": "2.0", "id": request["id"], "result": {}});
                call.answer_json(result.to_string()).await.unwrap();
            }
        }
    })
    .await
}
