//! Servers that forget their sessions, and clients whose proxy begins them anew.

use crate::client::{Client, INITIALIZE, INITIALIZED, accept, request, result};
use crate::common::http::{Call, Seen, Upstream};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a server knows of its sessions.
#[derive(Default)]
pub struct Memory {
    pub begun: AtomicUsize,
    /// Begun, and not forgotten.
    pub known: AtomicUsize,
}

impl Memory {
    /// As a server that is started again.
    pub fn forget(&self) {
        self.known.store(0, Ordering::SeqCst);
    }

    pub fn knows(&self, call: &Call) -> bool {
        let known = format!("s-{}", self.known.load(Ordering::SeqCst));
        call.head.get("mcp-session-id") == Some(&*known)
    }

    pub async fn welcome(&self, call: &mut Call, message: &Value) {
        self.welcome_with(call, message, "2025-11-25").await;
    }

    pub async fn welcome_with(&self, call: &mut Call, message: &Value, version: &str) {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        self.known.store(number, Ordering::SeqCst);
        let id = format!("s-{number}");
        let answer = result(
            message,
            json!({"protocolVersion": version, "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}),
        );
        let headers = [
            ("Content-Type", "application/json"),
            ("Mcp-Session-Id", &*id),
        ];
        call.answer("200 OK", &headers, answer).await.unwrap();
    }
}

pub async fn unknown(call: &mut Call) {
    let said = "Session not found";
    call.answer("404 Not Found", &[], said).await.unwrap();
}

pub async fn fulfil(call: &mut Call, message: &Value) {
    call.answer_json(result(message, json!({}))).await.unwrap();
}

/// A server that the script has all to itself, but for GET, which it does not take, and DELETE.
pub async fn scripted<F, R>(script: F) -> (Upstream, Arc<Memory>)
where
    F: Fn(Call, Value, Arc<Memory>) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let memory = Arc::new(Memory::default());
    let (shared, script) = (memory.clone(), Arc::new(script));
    let upstream = Upstream::start(move |mut call| {
        let (memory, script) = (shared.clone(), script.clone());
        async move {
            let body = call.body().await;
            let message: Value = serde_json::from_slice(&body).unwrap_or_default();
            match call.head.method() {
                "DELETE" => call.answer("204 No Content", &[], "").await.unwrap(),
                "GET" => call.answer("405 No", &[], "").await.unwrap(),
                _ => script(call, message, memory).await,
            }
        }
    })
    .await;
    (upstream, memory)
}

/// A server that answers everything in the session that it knows, and nothing in any other.
pub async fn plain(mut call: Call, message: Value, memory: Arc<Memory>) {
    match message["method"].as_str() {
        Some("initialize") => memory.welcome(&mut call, &message).await,
        _ if !memory.knows(&call) => unknown(&mut call).await,
        Some(_) if message.get("id").is_some() => fulfil(&mut call, &message).await,
        _ => accept(&mut call).await,
    }
}

/// A client whose proxy begins sessions anew, and that has shaken hands.
pub async fn begun(upstream: &Upstream) -> Client {
    let mut client = Client::with(&["--auto-reinit", &upstream.url("/mcp")]);
    let answer = client.ask(INITIALIZE).await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    client.send(INITIALIZED).await;
    client
}

/// The same, and the server has heard the last of it.
pub async fn ready(upstream: &Upstream) -> Client {
    let mut client = begun(upstream).await;
    assert_eq!(client.ask(request("h", "hello")).await["id"], "h");
    client
}

/// Of each message that was posted, its method or else its id, and the session that it named.
pub fn posted(upstream: &Upstream) -> Vec<(String, String)> {
    let posts = upstream.seen().into_iter().filter(|it| !it.body.is_empty());
    let told = |it: Seen| {
        let message = it.json();
        let method = message["method"].as_str().map(str::to_owned);
        let session = it.head.get("mcp-session-id").unwrap_or("-").to_owned();
        (method.unwrap_or_else(|| message["id"].to_string()), session)
    };
    posts.map(told).collect()
}

pub fn count(upstream: &Upstream, what: &str) -> usize {
    let all = posted(upstream).into_iter();
    all.filter(|(method, _)| method == what).count()
}

pub fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |&(one, other): &(&str, &str)| (one.to_owned(), other.to_owned());
    list.iter().map(owned).collect()
}
