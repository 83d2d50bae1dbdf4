//! A client on the pipes of a proxy, and servers of the legacy era that it talks to.

use crate::common::http::{Call, Sentinel, Upstream, until, within};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout};

pub const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

pub struct Client {
    pub proxy: Sentinel,
    pub stdin: Option<ChildStdin>,
    pub stdout: BufReader<ChildStdout>,
}

impl Client {
    pub fn of(upstream: &Upstream) -> Self {
        Self::with(&[&upstream.url("/mcp?a=b")])
    }

    pub fn with(arguments: &[&str]) -> Self {
        let mut proxy = Sentinel::on_pipes(arguments);
        let (stdout, stdin) = proxy.pipes();
        Self {
            proxy,
            stdin: Some(stdin),
            stdout: BufReader::new(stdout),
        }
    }

    /// A client that has shaken hands with a server of the legacy era.
    pub async fn ready(upstream: &Upstream) -> Self {
        let mut client = Self::of(upstream);
        let answer = client.ask(INITIALIZE).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
        client.send(INITIALIZED).await;
        client
    }

    pub async fn send(&mut self, text: impl AsRef<str>) {
        let stdin = self.stdin.as_mut().unwrap();
        let line = format!("{}\n", text.as_ref());
        stdin.write_all(line.as_bytes()).await.unwrap();
    }

    /// Waits until the proxy has read all that was sent.
    pub async fn all_read(&self) {
        let stdin = self.stdin.as_ref().unwrap();
        let left = || rustix::io::ioctl_fionread(stdin).unwrap();
        until("all that was sent is read", || left() == 0).await;
    }

    /// The next line, with its line end; empty at the end.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        within("a line for the client", read).await.unwrap();
        line
    }

    pub async fn json(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))
    }

    pub async fn ask(&mut self, text: impl AsRef<str>) -> Value {
        self.send(text).await;
        self.json().await
    }

    /// Closes its side; everything else that it gets, and the exit code.
    pub async fn leave(&mut self) -> (String, Option<i32>) {
        self.stdin = None;
        self.rest().await
    }

    /// Everything else that it gets until the proxy ends by itself, and the exit code.
    pub async fn rest(&mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        let read = self.stdout.read_to_string(&mut rest);
        within("the end of the client's stream", read)
            .await
            .unwrap();
        (rest, self.proxy.ended().await.code())
    }

    /// Waits for a record that holds all of `parts`.
    pub async fn recorded(&self, parts: &[&str]) -> Value {
        let is_it = |record: &Value| {
            let text = record.to_string();
            parts.iter().all(|part| text.contains(part))
        };
        let what = format!("{parts:?}");
        let capture = self.proxy.captured(&what, |all| all.iter().any(is_it));
        capture.await.into_iter().find(is_it).unwrap()
    }
}

/// A request of the legacy era.
pub fn request(id: impl Into<Value>, method: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": {}}).to_string()
}

pub fn result(message: &Value, result: Value) -> String {
    json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string()
}

/// A server that plays along: answers `initialize` with a session, takes notifications and answers of the client's, has
/// no stream of its own, and lets sessions go. Everything else is the script's.
pub async fn legacy<F, R>(script: F) -> Upstream
where
    F: Fn(Call, Value) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let script = Arc::new(script);
    streaming(move |mut call, message| {
        let script = script.clone();
        async move {
            match call.head.method() {
                "GET" => call
                    .answer("405 Method Not Allowed", &[], "")
                    .await
                    .unwrap(),
                _ => script(call, message).await,
            }
        }
    })
    .await
}

/// The same, but what is asked for with GET is the script's, too.
pub async fn streaming<F, R>(script: F) -> Upstream
where
    F: Fn(Call, Value) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let script = Arc::new(script);
    Upstream::start(move |mut call| {
        let script = script.clone();
        async move {
            let body = call.body().await;
            let message: Value = serde_json::from_slice(&body).unwrap_or_default();
            let lacks = |member| message.is_object() && message.get(member).is_none();
            match (call.head.method(), message["method"].as_str()) {
                ("DELETE", _) => call.answer("204 No Content", &[], "").await.unwrap(),
                ("POST", Some("initialize")) => welcome(&mut call, &message).await,
                ("POST", _) if lacks("id") || lacks("method") => accept(&mut call).await,
                _ => script(call, message).await,
            }
        }
    })
    .await
}

pub async fn welcome(call: &mut Call, message: &Value) {
    let answer = result(
        message,
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}),
    );
    let headers = [
        ("Content-Type", "application/json"),
        ("Mcp-Session-Id", "s-1"),
    ];
    call.answer("200 OK", &headers, answer).await.unwrap();
}

pub async fn accept(call: &mut Call) {
    call.answer("202 Accepted", &[], "").await.unwrap();
}
