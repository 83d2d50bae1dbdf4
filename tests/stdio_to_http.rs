//! A client on stdio in front of HTTP servers: rmcp's, and raw ones for everything that a typed one hides.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

use common::http::sdk::{self, ERAS, Server, Serving};
use common::http::{Call, Sentinel, Upstream, within};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout};

/// A client on the pipes of a proxy.
struct Client {
    proxy: Sentinel,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Client {
    fn of(upstream: &Upstream) -> Self {
        Self::with(&[&upstream.url("/mcp?a=b")])
    }

    fn with(arguments: &[&str]) -> Self {
        let mut proxy = Sentinel::on_pipes(arguments);
        let (stdout, stdin) = proxy.pipes();
        Self {
            proxy,
            stdin: Some(stdin),
            stdout: BufReader::new(stdout),
        }
    }

    async fn send(&mut self, text: impl AsRef<str>) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(text.as_ref().as_bytes()).await.unwrap();
        stdin.write_all(b"\n").await.unwrap();
    }

    /// The next line, with its line end; empty at the end.
    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        within("a line for the client", read).await.unwrap();
        line
    }

    async fn json(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))
    }

    async fn ask(&mut self, text: impl AsRef<str>) -> Value {
        self.send(text).await;
        self.json().await
    }

    /// The handshake of the legacy era, with a server that plays along.
    async fn shake_hands(&mut self) {
        let answer = self.ask(INITIALIZE).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
        self.send(INITIALIZED).await;
    }

    /// Closes its side; everything else that it gets, and the exit code.
    async fn leave(mut self) -> (String, Option<i32>) {
        self.stdin = None;
        self.rest().await
    }

    async fn rest(&mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        let read = self.stdout.read_to_string(&mut rest);
        within("the end of the client's stream", read)
            .await
            .unwrap();
        (rest, self.proxy.ended().await.code())
    }
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A server of the legacy era, with a session, that leaves everything but the handshake to `script`.
async fn legacy<F, R>(script: F) -> Upstream
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
            match (call.head.method(), message["method"].as_str()) {
                ("POST", Some("initialize")) => {
                    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": {
                        "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}});
                    let headers = [("Content-Type", "application/json"), ("Mcp-Session-Id", "s-1")];
                    call.answer("200 OK", &headers, answer.to_string()).await.unwrap();
                }
                ("POST", Some("notifications/initialized")) => {
                    call.answer("202 Accepted", &[], "").await.unwrap();
                }
                ("GET", _) | ("DELETE", _) => {
                    call.answer("405 Method Not Allowed", &[], "").await.unwrap();
                }
                _ => script(call, message).await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_a_client_gets_is_what_it_gets_without_us() {
    for serving in [Serving::Sessions, Serving::Stateless] {
        for era in ERAS {
            let server = Server::start(serving).await;
            let direct = sdk::connect(&server.url(), era).await;
            let mut proxy = Sentinel::on_pipes(&[&server.url()]);
            let bridged = sdk::connect_over(proxy.pipes(), era).await;
            assert_eq!(
                sdk::visit(&bridged).await,
                sdk::visit(&direct).await,
                "{serving:?} {era:?}"
            );
            bridged.cancel().await.unwrap();
            assert_eq!(proxy.ended().await.code(), Some(0));
        }
    }
}

#[tokio::test]
async fn a_server_asks_the_client_back_in_both_eras() {
    for era in ERAS {
        let server = Server::start(Serving::Sessions).await;
        let mut proxy = Sentinel::on_pipes(&[&server.url()]);
        let client = sdk::connect_over(proxy.pipes(), era).await;
        let answer = sdk::call(&client, "ask", json!({})).await;
        assert!(answer.to_string().contains("Ada"), "{era:?}: {answer}");
    }
}

#[tokio::test]
async fn an_answer_of_many_lines_comes_as_one_with_every_other_byte_as_it_was() {
    let upstream = legacy(|mut call, _| async move {
        let body = "\u{feff}{\r\n  \"jsonrpc\": \"2.0\",\n\t\"id\": 1.0,\n  \"result\": {\"b\":1e3, \"a\":\"\\u00e9\"}\r}\n";
        call.answer_json(body).await.unwrap();
    })
    .await;
    let mut client = Client::of(&upstream);
    client.shake_hands().await;
    client
        .send(r#"{"jsonrpc":"2.0", "id":1.0,"method":"x","params":{"n":1.50}}"#)
        .await;
    assert_eq!(
        client.line().await,
        "{    \"jsonrpc\": \"2.0\", \t\"id\": 1.0,   \"result\": {\"b\":1e3, \"a\":\"\\u00e9\"} }\n"
    );
}
