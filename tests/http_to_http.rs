//! The reverse proxy between raw HTTP peers: what arrives on either socket is what was sent on the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

use common::http::{Client, Head, Inside, Upstream, head, within};
use mcp_sentinel::proxy::http_client::{Authorization, Credentials};
use mcp_sentinel::tap::{Command, Reply, Route, SessionId};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

const ACCEPT: (&str, &str) = ("accept", "application/json, text/event-stream");
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A proxy in front of an upstream.
async fn before(upstream: &Upstream) -> Inside {
    Inside::before(&upstream.url("/mcp")).await
}

/// The headers of a head, names in lower case, except the one that a proxy must change.
fn headers(head: &Head) -> Vec<(String, String)> {
    let lower = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
    let mut headers: Vec<_> = head.headers.iter().map(lower).collect();
    headers.retain(|(name, _)| name != "host");
    headers
}

fn pairs(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    headers.iter().map(owned).collect()
}

/// A record's session and what happened in it, for records of HTTP.
fn http(record: &Value) -> Option<&Value> {
    record.get("http")
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
        ("content-type", "application/json"),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("mcp-session-id", "abc"),
        ("set-cookie", "a=b; Path=/"),
        ("content-length", "13"),
    ];
    assert_eq!(headers(&answer.head), pairs(&expected));
    let seen = upstream.request(0).await;
    assert_eq!(seen.head.line, format!("POST {target} HTTP/1.1"));
    assert_eq!(seen.body, b"{ }");
    let expected = [&sent[..sent.len() - 1], &[("content-length", "3")]].concat();
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
        assert_eq!(headers(&answer.head), pairs(&[("etag", "\"a\"")]));
    }
    let mut client = Client::connect(proxy.address).await;
    client.request("HEAD", "/x", &[ACCEPT], "").await.unwrap();
    let head = client.head().await;
    client.reader.expect_no_body();
    assert_eq!(headers(&head), pairs(&[("content-length", "1234")]));
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
            ("content-type", "text/event-stream"),
            ("transfer-encoding", "chunked"),
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
    let mut client = Client::connect(proxy.address).await;
    let chunked = [ACCEPT, ("transfer-encoding", "chunked")];
    client.request("POST", "/mcp", &chunked, "").await.unwrap();
    client.send("5\r\nfirst\r\n").await.unwrap();
    let answer = client.answer().await;
    assert_eq!(answer.text(), "early");
    client.send("6\r\nsecond\r\n0\r\n\r\n").await.unwrap();
    let seen = upstream.request(0).await;
    assert_eq!(seen.text(), "firstsecond");
    assert_eq!(seen.head.get("transfer-encoding"), Some("chunked"));
    assert_eq!(seen.head.get("content-length"), None);
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
async fn a_client_that_goes_away_is_gone_for_the_upstream_too() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let upstream = Upstream::start(move |mut call| {
        let tell = tell.clone();
        async move {
            let target = call.head.target().to_owned();
            if target == "/body" {
                call.open_stream(&[]).await.unwrap();
                call.chunk("data: 1\n\n").await.unwrap();
            }
            if target != "/upload" {
                call.body().await;
            }
            tell.send("asked").unwrap();
            if target == "/upload" {
                while call.piece().await.is_ok_and(|piece| piece.is_some()) {}
            } else {
                call.gone().await;
            }
            tell.send("gone").unwrap();
            call.hang_up();
        }
    })
    .await;
    let proxy = before(&upstream).await;
    for (target, of) in [
        ("/head", "response"),
        ("/body", "response"),
        ("/upload", "request"),
    ] {
        let mut client = Client::connect(proxy.address).await;
        if target == "/upload" {
            let length = [ACCEPT, ("content-length", "100")];
            client.request("POST", target, &length, "").await.unwrap();
            client.send("{").await.unwrap();
        } else {
            client
                .request("POST", target, &[ACCEPT], "{}")
                .await
                .unwrap();
        }
        if target == "/body" {
            client.head().await;
            assert_eq!(client.event().await.unwrap().unwrap().data.unwrap(), "1");
        }
        assert_eq!(within("the request", told.recv()).await, Some("asked"));
        drop(client);
        assert_eq!(within("the end", told.recv()).await, Some("gone"));
        let exchange = exchange_of(&proxy, target).await;
        proxy
            .record("the end is on record", |record| {
                let http = http(record).filter(|it| it["exchange"] == exchange)?;
                (http["end"]["of"] == of && http["end"]["broken"].is_string()).then_some(())
            })
            .await;
    }
}

/// The number of the exchange that asked for a target.
async fn exchange_of(proxy: &Inside, target: &str) -> Value {
    proxy
        .record(target, |record| {
            let http = http(record)?;
            (http["request"]["target"] == target).then(|| http["exchange"].clone())
        })
        .await
}

#[tokio::test]
async fn a_response_that_breaks_off_breaks_off_for_the_client() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        match call.head.target() {
            "/chunks" => {
                call.open_stream(&[]).await.unwrap();
                call.chunk("data: 1\n\n").await.unwrap();
            }
            _ => {
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort";
                call.send(head).await.unwrap();
            }
        }
        call.hang_up();
    })
    .await;
    let proxy = before(&upstream).await;
    for target in ["/chunks", "/length"] {
        let mut client = Client::connect(proxy.address).await;
        client
            .request("POST", target, &[ACCEPT], "{}")
            .await
            .unwrap();
        assert_eq!(client.head().await.status(), 200);
        assert!(client.piece().await.unwrap().is_some());
        client.rest().await.unwrap_err();
        let exchange = exchange_of(&proxy, target).await;
        let broken = proxy
            .record("the break is on record", |record| {
                let http = http(record).filter(|it| it["exchange"] == exchange)?;
                (http["end"]["of"] == "response").then(|| http["end"]["broken"].clone())
            })
            .await;
        let broken = broken.as_str().unwrap().to_owned();
        assert!(broken.starts_with("the server broke it off"), "{broken}");
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_502_of_ours() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let proxy = Inside::before(&format!("http://{address}/mcp")).await;
    let request = r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#;
    let answer = Client::post(proxy.address, "/mcp", &[], request).await;
    assert_eq!(answer.status(), 502);
    let error = answer.json();
    assert_eq!(error["id"], "a");
    assert_eq!(error["error"]["code"], -32603);
    assert_eq!(error["error"]["data"]["sentinel"], true);
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("mcp-sentinel: "), "{message}");
    let answer = Client::ask(proxy.address, "GET", "/mcp", &[ACCEPT], "").await;
    assert_eq!(answer.status(), 502);
    assert!(answer.text().starts_with("mcp-sentinel: "));
    proxy
        .record("it is on record as ours", |record| {
            let response = &http(record)?["response"];
            (response["by"] == "sentinel" && response["status"] == 502).then_some(())
        })
        .await;
    proxy
        .record("and the error, too", |record| {
            (record["from"] == "sentinel" && record["message"]["id"] == "a").then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_connection_that_the_upstream_has_closed_meanwhile_is_no_error() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        call.answer_json("{}").await.unwrap();
        call.hang_up();
    })
    .await;
    let proxy = before(&upstream).await;
    let mut client = Client::connect(proxy.address).await;
    for _ in 0..50 {
        client
            .request("POST", "/mcp", &[ACCEPT], "{}")
            .await
            .unwrap();
        let answer = client.answer().await;
        assert_eq!((answer.status(), answer.text()), (200, "{}"));
    }
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
async fn what_names_the_upstream_names_the_proxy_instead() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        let here = format!("http://{}", call.head.get("host").unwrap());
        match call.head.target() {
            "/moved" => {
                let there = format!("{here}/new?a=b");
                call.answer("307 Moved", &[("Location", &there)], "").await.unwrap();
            }
            "/elsewhere" => {
                let there = "https://login.example/authorize?resource=x";
                call.answer("302 Found", &[("Location", there)], "").await.unwrap();
            }
            "/mcp" => {
                let challenge = format!(
                    "Bearer realm=\"x\", resource_metadata=\"{here}/.well-known/oauth-protected-resource/mcp\""
                );
                let headers = [("WWW-Authenticate", &*challenge)];
                call.answer("401 No", &headers, "").await.unwrap();
            }
            "/.well-known/oauth-protected-resource/mcp" => {
                assert_eq!(call.head.get("accept-encoding"), Some("identity"));
                let body = format!(
                    "{{ \"resource\" : \"{here}/mcp\",\n \"authorization_servers\":[\"{here}\"] }}"
                );
                call.answer_json(body).await.unwrap();
            }
            _ => call.answer("404 No", &[], "").await.unwrap(),
        }
    })
    .await;
    let proxy = before(&upstream).await;
    let ask = async |target: &str| {
        let headers = [ACCEPT, ("accept-encoding", "gzip")];
        Client::ask(proxy.address, "GET", target, &headers, "").await
    };
    let moved = ask("/moved").await;
    assert_eq!(moved.head.get("location"), Some(&*proxy.url("/new?a=b")));
    let elsewhere = ask("/elsewhere").await;
    let there = "https://login.example/authorize?resource=x";
    assert_eq!(elsewhere.head.get("location"), Some(there));
    let challenged = ask("/mcp").await;
    let metadata = proxy.url("/.well-known/oauth-protected-resource/mcp");
    assert_eq!(
        challenged.head.get("www-authenticate").unwrap(),
        format!("Bearer realm=\"x\", resource_metadata=\"{metadata}\"")
    );
    let document = ask("/.well-known/oauth-protected-resource/mcp").await;
    let expected = format!(
        "{{ \"resource\" : \"{}\",\n \"authorization_servers\":[\"{}\"] }}",
        proxy.url("/mcp"),
        upstream.url("")
    );
    assert_eq!(document.text(), expected);
    let length = document.head.get("content-length");
    assert_eq!(length, Some(&*expected.len().to_string()));
    proxy
        .record("what was rewritten is on record", |record| {
            let rewritten = &http(record)?["response"]["rewritten"];
            (rewritten[0][0] == "www-authenticate").then_some(())
        })
        .await;
    // A token for an address that is not the server's is refused, and the operator learns why.
    let token = [ACCEPT, ("authorization", "Bearer abc")];
    let refused = Client::ask(proxy.address, "POST", "/mcp", &token, "{}").await;
    assert_eq!(refused.status(), 401);
    note(&proxy, "auth login").await;
}

/// A note that holds these words.
async fn note(proxy: &Inside, words: &str) -> String {
    let note = |record: &Value| {
        let text = record["note"].as_str()?;
        text.contains(words).then(|| text.to_owned())
    };
    proxy.record(words, note).await
}

#[tokio::test]
async fn a_page_of_our_own_origin_is_one_of_the_upstreams_and_every_other_is_itself() {
    let upstream = Upstream::start(|mut call| async move {
        call.answer_json("{}").await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let (ours, theirs) = (proxy.url(""), upstream.url(""));
    let origins = [
        (&*ours, &*theirs),
        ("http://localhost:1234", "http://localhost:1234"),
    ];
    for (number, (sent, arrives)) in origins.into_iter().enumerate() {
        let headers = [ACCEPT, ("origin", sent)];
        Client::ask(proxy.address, "GET", "/mcp", &headers, "").await;
        let seen = upstream.request(number).await;
        assert_eq!(seen.head.get("origin"), Some(arrives));
    }
}

/// Speaks the old transport: a stream whose first event says where to post, and what comes back comes on the stream.
async fn old_upstream(absolute: bool, pieces: usize) -> Upstream {
    let (post, posts) = mpsc::unbounded_channel::<String>();
    let posts = Arc::new(tokio::sync::Mutex::new(posts));
    Upstream::start(move |mut call| {
        let (post, posts) = (post.clone(), posts.clone());
        async move {
            if call.head.method() == "POST" {
                assert_eq!(call.head.target(), "/messages?sessionId=1");
                let request = call.json().await;
                if let Some(id) = request.get("id") {
                    let result = json!({"jsonrpc": "2.0", "id": id, "result": {}});
                    post.send(result.to_string()).unwrap();
                }
                call.answer("202 Accepted", &[], "Accepted").await.unwrap();
                return;
            }
            call.open_stream(&[]).await.unwrap();
            let here = format!("http://{}", call.head.get("host").unwrap());
            let here = if absolute { &*here } else { "" };
            let event =
                format!(": hi\r\n\r\nevent: endpoint\r\ndata: {here}/messages?sessionId=1\r\n\r\n");
            for piece in event.as_bytes().chunks(pieces) {
                call.chunk(piece).await.unwrap();
            }
            let mut posts = posts.lock().await;
            while let Some(message) = posts.recv().await {
                let event = format!("event: message\ndata: {message}\n\n");
                call.chunk(event).await.unwrap();
            }
        }
    })
    .await
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

#[tokio::test]
async fn the_old_transport_comes_back_through_the_proxy_and_so_does_the_operator() {
    for (absolute, pieces) in [(false, 1000), (true, 1000), (true, 1)] {
        let upstream = old_upstream(absolute, pieces).await;
        let proxy = before(&upstream).await;
        let mut stream = Client::connect(proxy.address).await;
        stream.request("GET", "/sse", &[ACCEPT], "").await.unwrap();
        stream.head().await;
        let hello = stream.event().await.unwrap().unwrap();
        assert_eq!(hello.comments, ["hi"]);
        let endpoint = stream.event().await.unwrap().unwrap();
        let here = if absolute {
            proxy.url("")
        } else {
            String::new()
        };
        let endpoint = endpoint.data.unwrap();
        assert_eq!(endpoint, format!("{here}/messages?sessionId=1"));
        if absolute {
            note(&proxy, &endpoint).await;
        }
        let post = async |message: &str| {
            let target = "/messages?sessionId=1";
            let answer = Client::post(proxy.address, target, &[], message).await;
            assert_eq!((answer.status(), answer.text()), (202, "Accepted"));
        };
        post(INITIALIZE).await;
        assert_eq!(stream.event().await.unwrap().unwrap().json()["id"], 0);
        post(INITIALIZED).await;
        let session = opened(&proxy).await;
        // The answer to the operator comes on the client's stream, and is not the client's.
        replayed(&proxy, session).await;
        post(r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#).await;
        assert_eq!(stream.event().await.unwrap().unwrap().json()["id"], 7);
        drop(stream);
        assert_eq!(closed(&proxy, session).await, "its event stream ended");
        let sessions = proxy
            .capture()
            .into_iter()
            .filter(|it| it.get("opened").is_some());
        assert_eq!(sessions.count(), 1);
    }
}

/// Sends a call as the operator, and waits for its answer on record.
async fn replayed(proxy: &Inside, session: u64) -> Value {
    let message = r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#;
    let id = sent(proxy, session, message).await;
    answer_to(proxy, &id).await
}

async fn sent(proxy: &Inside, session: u64, message: &str) -> String {
    let command = Command::Send {
        route: Route::Session(SessionId(session.try_into().unwrap())),
        message: message.into(),
        replay_of: None,
    };
    match proxy.order(command).await {
        Ok(Reply::Sent { id: Some(id), .. }) => serde_json::from_str(&id).unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn answer_to(proxy: &Inside, id: &str) -> Value {
    proxy
        .record("the operator's answer", |record| {
            let is_it = record["to"] == "operator" && record["message"]["id"] == id;
            is_it.then(|| record.clone())
        })
        .await
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

#[tokio::test]
async fn the_operator_speaks_in_the_session_of_a_client() {
    let upstream = legacy_upstream().await;
    let proxy = before(&upstream).await;
    let begun = Client::post(proxy.address, "/mcp", &[], INITIALIZE).await;
    let id = begun.head.get("mcp-session-id").unwrap().to_owned();
    let session = opened(&proxy).await;
    let route = Route::Session(SessionId(session.try_into().unwrap()));
    let early = Command::Send {
        route,
        message: r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#.into(),
        replay_of: None,
    };
    proxy.order(early).await.unwrap_err();
    let habits = [
        ("mcp-session-id", &*id),
        ("mcp-protocol-version", "2025-06-18"),
        ("authorization", "Bearer current"),
    ];
    let answer = Client::post(proxy.address, "/mcp", &habits, INITIALIZED).await;
    assert_eq!(answer.status(), 202);

    let call = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"x"}}"#;
    let ours = sent(&proxy, session, call).await;
    let answer = answer_to(&proxy, &ours).await;
    assert_eq!(answer["session"], session);
    let seen = upstream.request(2).await;
    assert_eq!(seen.json()["id"], Value::from(ours));
    assert_eq!(seen.json()["params"], json!({"name": "x"}));
    for (name, value) in habits {
        assert_eq!(seen.head.get(name), Some(value), "{name}");
    }
    // The ping was answered for it, and the server's question waits for the operator.
    let pong = upstream.request(3).await;
    assert_eq!(
        pong.json(),
        json!({"jsonrpc": "2.0", "id": "p", "result": {}})
    );
    let decline = r#"{"jsonrpc":"2.0","id":"e","result":{"action":"decline"}}"#;
    let answer = |message: &str| Command::Answer {
        session: SessionId(session.try_into().unwrap()),
        message: message.into(),
    };
    proxy.order(answer(decline)).await.unwrap();
    let answered = upstream.request(4).await;
    assert_eq!(answered.text(), decline);
    assert_eq!(answered.head.get("mcp-session-id"), Some(&*id));
    proxy.order(answer(decline)).await.unwrap_err();

    let ended = Client::ask(proxy.address, "DELETE", "/mcp", &habits, "").await;
    assert_eq!(ended.status(), 200);
    assert_eq!(closed(&proxy, session).await, "the client ended it");
    let late = Command::Send {
        route,
        message: call.into(),
        replay_of: None,
    };
    let refused = proxy.order(late).await.unwrap_err();
    assert!(refused.0.contains("the client ended it"), "{refused}");
}

#[tokio::test]
async fn exchanges_belong_to_the_session_that_they_name() {
    let upstream = legacy_upstream().await;
    let proxy = before(&upstream).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let begun = Client::post(proxy.address, "/mcp", &[], INITIALIZE).await;
        ids.push(begun.head.get("mcp-session-id").unwrap().to_owned());
    }
    for id in [&*ids[0], &*ids[1], "unheard-of", &*ids[0]] {
        let ping = format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"ping"}}"#);
        let headers = [("mcp-session-id", id)];
        Client::post(proxy.address, "/mcp", &headers, ping).await;
    }
    let session_of = async |id: &str| {
        let record = |record: &Value| {
            let is_it = record["from"] == "client" && record["message"]["id"] == id;
            is_it.then(|| record["session"].as_u64().unwrap())
        };
        proxy.record(id, record).await
    };
    assert_eq!(session_of(&ids[0]).await, 1);
    assert_eq!(session_of(&ids[1]).await, 2);
    assert_eq!(session_of("unheard-of").await, 3);
    let ping = r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#;
    let gone = [("mcp-session-id", "gone")];
    let answer = Client::post(proxy.address, "/mcp", &gone, ping).await;
    assert_eq!(answer.status(), 404);
    let reason = closed(&proxy, 4).await;
    assert_eq!(reason, "the server does not know it any more");
}

#[tokio::test]
async fn a_thousand_sessions_at_once_are_served() {
    let upstream = legacy_upstream().await;
    let proxy = Arc::new(before(&upstream).await);
    let (ready, mut all_ready) = mpsc::channel::<()>(1);
    let mut clients = tokio::task::JoinSet::new();
    let (go, going) = tokio::sync::watch::channel(false);
    for number in 0..1000 {
        let (ready, proxy, mut going) = (ready.clone(), proxy.clone(), going.clone());
        clients.spawn(async move {
            let mut client = Client::connect(proxy.address).await;
            client
                .request("POST", "/mcp", &[ACCEPT], INITIALIZE)
                .await
                .unwrap();
            let begun = client.answer().await;
            let id = begun.head.get("mcp-session-id").unwrap().to_owned();
            drop(ready);
            going.wait_for(|go| *go).await.unwrap();
            let ping = format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"ping"}}"#);
            let headers = [ACCEPT, ("mcp-session-id", &*id)];
            client
                .request("POST", "/mcp", &headers, ping)
                .await
                .unwrap();
            assert_eq!(client.answer().await.json()["id"], number);
        });
    }
    drop(ready);
    within("a thousand sessions", all_ready.recv()).await;
    go.send(true).unwrap();
    while let Some(outcome) = clients.join_next().await {
        outcome.unwrap();
    }
    let sessions = proxy
        .capture()
        .into_iter()
        .filter(|it| it.get("opened").is_some());
    assert_eq!(sessions.count(), 1000);
}

/// Gives another token whenever one is refused.
#[derive(Debug, Default)]
struct Tokens(AtomicUsize);

impl Credentials for Tokens {
    fn authorization<'a>(&'a self, refused: Option<&'a http::HeaderValue>) -> Authorization<'a> {
        Box::pin(async move {
            let number = match refused {
                Some(_) => self.0.fetch_add(1, Ordering::Relaxed) + 1,
                None => self.0.load(Ordering::Relaxed),
            };
            let token = format!("Bearer token-{number}");
            Ok(Some(http::HeaderValue::try_from(token).unwrap()))
        })
    }
}

#[tokio::test]
async fn a_token_of_ours_that_is_refused_is_replaced_once() {
    let upstream = Upstream::start(|mut call| async move {
        let body = call.body().await;
        match call.head.get("authorization") {
            Some("Bearer token-1") => call.answer_json(body).await.unwrap(),
            _ => call.answer("401 No", &[], "").await.unwrap(),
        }
    })
    .await;
    let url = upstream.url("/mcp");
    let proxy = Inside::with(&url, |origin| {
        origin.credentials = Some(Arc::new(Tokens::default()));
        origin.headers = vec![(
            http::HeaderName::from_static("x-added"),
            http::HeaderValue::from_static("yes"),
        )];
    })
    .await;
    let answer = Client::post(proxy.address, "/mcp", &[("x-added", "no")], "{}").await;
    assert_eq!((answer.status(), answer.text()), (200, "{}"));
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2);
    for seen in &seen {
        assert_eq!(seen.head.all("x-added"), ["yes"]);
        assert_eq!(seen.body, b"{}");
    }
    proxy
        .record("what was added is on record", |record| {
            let added = http(record)?["request"]["added"].as_array()?;
            let names: Vec<&str> = added.iter().filter_map(|it| it[0].as_str()).collect();
            (names == ["x-added", "authorization"]).then_some(())
        })
        .await;
    proxy
        .record("the second request is ours", |record| {
            (http(record)?["request"]["by"] == "sentinel").then_some(())
        })
        .await;
    // The client's own token is the client's affair.
    let own = [("authorization", "Bearer own")];
    let refused = Client::post(proxy.address, "/mcp", &own, "{}").await;
    assert_eq!(refused.status(), 401);
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn a_modern_message_of_the_operators_is_sent_with_the_headers_that_it_needs() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let upstream = Upstream::start(move |mut call| {
        let tell = tell.clone();
        async move {
        let request = call.json().await;
        if request["method"] == "subscriptions/listen" {
            call.open_stream(&[]).await.unwrap();
            call.gone().await;
            return tell.send(()).unwrap();
        }
        let result = json!({"jsonrpc": "2.0", "id": request["id"], "result": {"resultType": "complete"}});
        call.answer_json(result.to_string()).await.unwrap();
    }})
    .await;
    let proxy = before(&upstream).await;
    let modern = |method: &str, name: &str| {
        let version = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
        let params = json!({"_meta": version, "name": name});
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
    };
    let said = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/list"),
    ];
    let list = modern("tools/list", "");
    Client::post(proxy.address, "/mcp", &said, list).await;
    let session = opened(&proxy).await;
    let id = sent(&proxy, session, &modern("tools/call", "e\u{301}")).await;
    answer_to(&proxy, &id).await;
    let seen = upstream.request(1).await;
    for (name, value) in [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "=?base64?ZcyB?="),
        ACCEPT,
        ("content-type", "application/json"),
    ] {
        assert_eq!(seen.head.all(name), [value], "{name}");
    }
    // On HTTP it cancels by leaving.
    let id = sent(&proxy, session, &modern("subscriptions/listen", "")).await;
    let params = json!({"requestId": id});
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
    let command = Command::Send {
        route: Route::Session(SessionId(session.try_into().unwrap())),
        message: cancelled.to_string(),
        replay_of: None,
    };
    proxy.order(command).await.unwrap();
    within("the end of the stream", told.recv()).await.unwrap();
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn a_client_that_is_sent_away_for_a_token_comes_back_to_its_session() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        match call.head.get("authorization") {
            Some(_) => call.answer_json("{}").await.unwrap(),
            None => call.answer("401 No", &[], "").await.unwrap(),
        }
    })
    .await;
    let proxy = before(&upstream).await;
    let token = ("authorization", "Bearer abc");
    Client::post(proxy.address, "/mcp", &[], INITIALIZE).await;
    let metadata = "/.well-known/oauth-protected-resource";
    Client::ask(proxy.address, "GET", metadata, &[ACCEPT], "").await;
    Client::post(proxy.address, "/mcp", &[token], INITIALIZE).await;
    Client::post(proxy.address, "/mcp", &[token], INITIALIZED).await;
    // Another client of a server that gives out no ids.
    Client::post(proxy.address, "/mcp", &[token], INITIALIZE).await;
    let reason = closed(&proxy, 1).await;
    assert_eq!(reason, "a newer session without an id has begun");
    let capture = proxy.capture();
    let requests: Vec<_> = capture
        .iter()
        .filter(|record| http(record).is_some_and(|http| http.get("request").is_some()))
        .map(|record| record["session"].as_u64().unwrap())
        .collect();
    assert_eq!(requests, [1, 1, 1, 1, 2]);
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
