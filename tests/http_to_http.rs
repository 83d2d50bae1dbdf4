//! The reverse proxy between raw HTTP peers: what arrives on either socket is what was sent on the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

use common::http::{Client, Inside, Upstream};

/// A proxy in front of an upstream.
async fn before(upstream: &Upstream) -> Inside {
    Inside::before(&upstream.url("/mcp")).await
}

#[tokio::test]
async fn a_request_and_its_response_pass_as_they_are() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Twice", "1"),
            ("Mcp-Session-Id", "abc"),
            ("x-twice", "2"),
        ];
        call.answer("200 Fine", &headers, " {\n\"a\":1.0 }\n")
            .await
            .unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let headers = [
        ("X-Unknown", "a b"),
        ("mcp-param-x", "=?base64?YQ==?="),
        ("Cookie", "a=b"),
        ("x-unknown", "c"),
    ];
    let answer = Client::ask(proxy.address, "POST", "/mcp?a=%20b&c=//", &headers, "{ }").await;
    assert_eq!(answer.head.line, "HTTP/1.1 200 Fine");
    assert_eq!(answer.body, b" {\n\"a\":1.0 }\n");
    let seen = upstream.request(0).await;
    assert_eq!(seen.head.line, "POST /mcp?a=%20b&c=// HTTP/1.1");
    assert_eq!(seen.body, b"{ }");
}
