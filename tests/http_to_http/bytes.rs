//! Heads and bodies, byte for byte.

use crate::common::http::{Client, Head, Upstream, head};
use crate::{ACCEPT, before};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// The headers of a head as they are spelled, except the one that a proxy must change.
fn headers(head: &Head) -> Vec<(String, String)> {
    let mut headers = head.headers.clone();
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
    headers
}

/// How long the body is said to be.
fn headers_of_length(head: &Head) -> Vec<(String, String)> {
    let mut found = headers(head);
    found.retain(|(name, _)| ["transfer-encoding", "content-length"].contains(&&**name));
    found
}

fn pairs(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    headers.iter().map(owned).collect()
}

#[tokio::test]
async fn a_request_and_its_response_pass_as_they_are() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Twice", "1"),
            ("x-twice", "2"),
            ("Mcp-Session-Id", "abc"),
            ("Set-Cookie", "a=b; Path=/"),
            ("Keep-Alive", "timeout=5"),
        ];
        let body = " {\n\"a\":1.0 }\n";
        call.answer("200 Fine", &headers, body).await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let sent = [
        ACCEPT,
        ("x-unknown", "a b"),
        ("x-unknown", "c"),
        ("mcp-param-x", "=?base64?YQ==?="),
        ("cookie", "a=b"),
        ("accept-encoding", "gzip, br"),
        ("authorization", "Bearer abc"),
        ("te", "trailers"),
    ];
    let target = "/mcp?a=%20b&c=//";
    let answer = Client::ask(proxy.address, "POST", target, &sent, "{ }").await;
    assert_eq!(answer.head.line, "HTTP/1.1 200 Fine");
    assert_eq!(answer.body, b" {\n\"a\":1.0 }\n");
    let expected = [
        ("Content-Type", "application/json"),
        ("X-Twice", "1"),
        ("x-twice", "2"),
        ("Mcp-Session-Id", "abc"),
        ("Set-Cookie", "a=b; Path=/"),
        ("Content-Length", "13"),
    ];
    assert_eq!(headers(&answer.head), pairs(&expected));
    let seen = upstream.request(0).await;
    assert_eq!(seen.head.line, format!("POST {target} HTTP/1.1"));
    assert_eq!(seen.body, b"{ }");
    let expected = [&sent[..sent.len() - 1], &[("Content-Length", "3")]].concat();
    assert_eq!(headers(&seen.head), pairs(&expected));
    assert_eq!(seen.head.get("host"), Some(&*upstream.address.to_string()));
}

#[tokio::test]
async fn every_method_path_and_status_passes() {
    let upstream = Upstream::start(|mut call| async move {
        let status = call.head.target().rsplit('/').next().unwrap().to_owned();
        match (call.head.method(), &*status) {
            (_, "204" | "304") => {
                let head = head(&format!("HTTP/1.1 {status} Void"), &[("ETag", "\"a\"")]);
                call.send(head).await.unwrap();
            }
            ("HEAD", _) => {
                let head = head("HTTP/1.1 200 OK", &[("Content-Length", "1234")]);
                call.send(head).await.unwrap();
            }
            _ => {
                let allow = [("Access-Control-Allow-Origin", "*"), ("Allow", "POST")];
                let body = format!("{} {status}", call.head.method());
                call.answer(&format!("{status} So"), &allow, body)
                    .await
                    .unwrap();
            }
        }
    })
    .await;
    let proxy = before(&upstream).await;
    for status in [200, 202, 400, 401, 403, 404, 405, 418, 500, 503] {
        for method in ["GET", "POST", "DELETE", "OPTIONS", "PUT", "PURGE"] {
            let target = format!("/any/path/{status}");
            let answer = Client::ask(proxy.address, method, &target, &[ACCEPT], "").await;
            assert_eq!(answer.head.line, format!("HTTP/1.1 {status} So"));
            assert_eq!(answer.text(), format!("{method} {status}"));
            assert_eq!(answer.head.get("access-control-allow-origin"), Some("*"));
        }
    }
    for status in [204, 304] {
        let target = format!("/x/{status}");
        let answer = Client::ask(proxy.address, "GET", &target, &[ACCEPT], "").await;
        assert_eq!(answer.head.line, format!("HTTP/1.1 {status} Void"));
        assert_eq!(headers(&answer.head), pairs(&[("ETag", "\"a\"")]));
    }
    let mut client = Client::connect(proxy.address).await;
    client.request("HEAD", "/x", &[ACCEPT], "").await.unwrap();
    let head = client.head().await;
    client.reader.expect_no_body();
    assert_eq!(headers(&head), pairs(&[("Content-Length", "1234")]));
    client
        .request("GET", "/x/200", &[ACCEPT], "")
        .await
        .unwrap();
    assert_eq!(client.answer().await.text(), "GET 200");
}

#[tokio::test]
async fn a_stream_passes_chunk_by_chunk_whatever_is_in_it() {
    const PIECES: [&[u8]; 9] = [
        b": hello\n\n",
        b"id: 1\nretry: 5\ndata:\n\n",
        b"data: {\"jsonrpc\":\"2.0\",\r\ndata: \"method\":\"a\"}\r",
        b"\n\r\n",
        b"event: x\rdata: \xf0\x9f",
        b"\xa6\x80\r\r",
        b"\xff\xfe",
        b"\n",
        b"data: cut",
    ];
    let (go, going) = mpsc::unbounded_channel::<()>();
    let going = Arc::new(tokio::sync::Mutex::new(going));
    let upstream = Upstream::start(move |mut call| {
        let going = going.clone();
        async move {
            call.body().await;
            call.open_stream(&[]).await.unwrap();
            let mut going = going.lock().await;
            for piece in PIECES {
                call.chunk(piece).await.unwrap();
                // The next one comes when this one has arrived.
                going.recv().await.unwrap();
            }
            call.last_chunk().await.unwrap();
        }
    })
    .await;
    let proxy = before(&upstream).await;
    for (method, body) in [("POST", "{}"), ("GET", "")] {
        let mut client = Client::connect(proxy.address).await;
        client
            .request(method, "/mcp", &[ACCEPT], body)
            .await
            .unwrap();
        let head = client.head().await;
        let expected = [
            ("Content-Type", "text/event-stream"),
            ("Transfer-Encoding", "chunked"),
        ];
        assert_eq!(headers(&head), pairs(&expected));
        let mut all: Vec<u8> = Vec::new();
        for piece in PIECES {
            // Only an event that may be the old transport's endpoint is waited for to its end.
            if method == "POST" {
                assert_eq!(client.piece().await.unwrap().unwrap(), piece);
            }
            all.extend(piece);
            go.send(()).unwrap();
        }
        if method == "GET" {
            assert_eq!(client.rest().await.unwrap(), all);
        } else {
            assert_eq!(client.piece().await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn nothing_is_added_to_a_request_and_no_path_is_tidied_up() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        call.answer("200 OK", &[], "").await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let sent = [("X-ODD-Spelling", "1"), ("x-oDD-other", "2")];
    let targets = ["//a/../b/./%7e%ZZ;v=1?x=[y]&&", "/mcp?", "/", "/a|b{c}"];
    for (number, target) in targets.into_iter().enumerate() {
        Client::ask(proxy.address, "GET", target, &sent, "").await;
        let seen = upstream.request(number).await;
        assert_eq!(seen.head.line, format!("GET {target} HTTP/1.1"));
        assert_eq!(headers(&seen.head), pairs(&sent));
    }
}

#[tokio::test]
async fn a_body_passes_while_it_is_being_sent() {
    let upstream = Upstream::start(|mut call| async move {
        let first = call.piece().await.unwrap().unwrap();
        assert_eq!(first, b"first");
        call.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            .await
            .unwrap();
        call.send("early").await.unwrap();
        call.body().await;
    })
    .await;
    let proxy = before(&upstream).await;
    for (number, (name, value, first, second)) in [
        (
            "transfer-encoding",
            "chunked",
            "5\r\nfirst\r\n",
            "6\r\nsecond\r\n0\r\n\r\n",
        ),
        ("content-length", "11", "first", "second"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = Client::connect(proxy.address).await;
        let headers = [ACCEPT, (name, value)];
        client.request("POST", "/mcp", &headers, "").await.unwrap();
        client.send(first).await.unwrap();
        let answer = client.answer().await;
        assert_eq!(answer.text(), "early");
        client.send(second).await.unwrap();
        let seen = upstream.request(number).await;
        assert_eq!(seen.text(), "firstsecond");
        assert_eq!(
            headers_of_length(&seen.head),
            [(name.to_owned(), value.to_owned())]
        );
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let upstream = Upstream::start(|mut call| async move {
        let body = call.body().await;
        call.answer_json(body).await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let mut client = Client::connect(proxy.address).await;
    let length = ("content-length", "2");
    let expect = [ACCEPT, length, ("expect", "100-continue")];
    client.request("POST", "/mcp", &expect, "").await.unwrap();
    assert_eq!(client.head().await.status(), 100);
    client.send("{}").await.unwrap();
    assert_eq!(client.answer().await.text(), "{}");
}

#[tokio::test]
async fn an_upgrade_is_not_taken_up() {
    // Java's client offers HTTP/2 with its first request.
    let upstream = Upstream::start(|mut call| async move {
        assert_eq!(call.head.get("upgrade"), None);
        assert_eq!(call.head.get("http2-settings"), None);
        assert_eq!(call.head.get("connection"), None);
        call.body().await;
        call.answer_json("{}").await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let offer = [
        ("connection", "Upgrade, HTTP2-Settings"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"),
    ];
    let answer = Client::post(proxy.address, "/mcp", &offer, "{}").await;
    assert_eq!(answer.text(), "{}");
}

#[tokio::test]
async fn large_bodies_pass_and_are_not_held() {
    const LARGE: usize = 100 << 20;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let upstream = Upstream::start(move |mut call| {
        let counter = counter.clone();
        async move {
            let mut received = 0;
            while let Some(piece) = call.piece().await.unwrap() {
                received += piece.len();
            }
            let length = received.to_string();
            let head = head("HTTP/1.1 200 OK", &[("Content-Length", &length)]);
            call.send(head).await.unwrap();
            let piece = vec![b'x'; 1 << 20];
            for _ in 0..received >> 20 {
                call.send(&piece).await.unwrap();
                counter.fetch_add(piece.len(), Ordering::Relaxed);
            }
        }
    })
    .await;
    let proxy = before(&upstream).await;
    let mut client = Client::connect(proxy.address).await;
    let length = LARGE.to_string();
    let headers = [ACCEPT, ("content-length", &length)];
    client.request("POST", "/mcp", &headers, "").await.unwrap();
    let piece = vec![b'y'; 1 << 20];
    for _ in 0..LARGE >> 20 {
        client.send(&piece).await.unwrap();
    }
    client.head().await;
    client.piece().await.unwrap();
    // Nobody reads on: the upstream must come to a stop, far from its end.
    let mut before = usize::MAX;
    while before != sent.load(Ordering::Relaxed) {
        before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    assert!(before < LARGE / 2, "{before} bytes are held somewhere");
    let mut received = client.reader.raw().len();
    while let Some(piece) = client.piece().await.unwrap() {
        received += piece.len();
    }
    assert_eq!(received, LARGE);
}

#[tokio::test]
async fn a_compressed_body_passes_as_it_is_and_is_read_for_the_record() {
    use std::io::Write as _;
    let message = r#"{"jsonrpc":"2.0","id":1,"result":{"text":"squeezed"}}"#;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(message.as_bytes()).unwrap();
    let squeezed = gzip.finish().unwrap();
    let body = squeezed.clone();
    let upstream = Upstream::start(move |mut call| {
        let body = body.clone();
        async move {
            call.body().await;
            let headers = [
                ("Content-Type", "application/json"),
                ("Content-Encoding", "gzip"),
            ];
            call.answer("200 OK", &headers, &body).await.unwrap();
        }
    })
    .await;
    let proxy = before(&upstream).await;
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let answer = Client::post(proxy.address, "/mcp", &[], request).await;
    assert_eq!(answer.body, squeezed);
    assert_eq!(answer.head.get("content-encoding"), Some("gzip"));
    let recorded = proxy
        .record("the message", |record| {
            (record["from"] == "server").then(|| record["message"].clone())
        })
        .await;
    assert_eq!(recorded, serde_json::from_str::<Value>(message).unwrap());
}

#[tokio::test]
async fn trailers_pass_to_a_client_that_wants_them() {
    let upstream = Upstream::start(|mut call| async move {
        let headers = [("Transfer-Encoding", "chunked"), ("Trailer", "x-sum")];
        let head = head("HTTP/1.1 200 OK", &headers);
        call.send(head).await.unwrap();
        call.send("2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n").await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let headers = [ACCEPT, ("te", "trailers")];
    let answer = Client::ask(proxy.address, "GET", "/x", &headers, "").await;
    assert_eq!(answer.text(), "ok");
    let raw = String::from_utf8(answer.raw).unwrap();
    assert_eq!(raw, "2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n");
}

#[tokio::test]
async fn a_resumed_stream_and_an_empty_chunked_body_pass() {
    let upstream = Upstream::start(|mut call| async move {
        let body = call.body().await;
        match call.head.get("last-event-id") {
            Some(last) => {
                let last = last.to_owned();
                call.open_stream(&[]).await.unwrap();
                call.chunk(format!("id: {last}0\ndata: {{}}\n\n"))
                    .await
                    .unwrap();
                call.last_chunk().await.unwrap();
            }
            None => call.answer("202 Accepted", &[], body).await.unwrap(),
        }
    })
    .await;
    let proxy = before(&upstream).await;
    let headers = [ACCEPT, ("mcp-session-id", "a"), ("last-event-id", "7")];
    let answer = Client::ask(proxy.address, "GET", "/mcp", &headers, "").await;
    assert_eq!(answer.text(), "id: 70\ndata: {}\n\n");
    let mut client = Client::connect(proxy.address).await;
    let chunked = [ACCEPT, ("transfer-encoding", "chunked")];
    client.request("POST", "/mcp", &chunked, "").await.unwrap();
    client.send("0\r\n\r\n").await.unwrap();
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.text()), (202, ""));
}
