//! Either side goes away, or was never there.

use crate::common::http::{Answer, Client, Inside, Upstream, unheard, within};
use crate::{ACCEPT, before, http, note};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

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

/// How an upstream ends a connection in the middle of what it says.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// Says no more, and still listens.
    Half,
    /// As a process that dies does.
    Reset,
}

#[tokio::test]
async fn a_stream_that_is_cut_in_the_middle_of_an_event_gives_what_came_of_it() {
    const SAID: &[u8] = b": hello\n\nid: 1\ndata: torn";
    for ending in [Ending::Half, Ending::Reset] {
        let arrived = Arc::new(Notify::new());
        let go_on = arrived.clone();
        let upstream = Upstream::start(move |mut call| {
            let arrived = arrived.clone();
            async move {
                call.body().await;
                match call.head.target() {
                    "/chunks" => {
                        call.open_stream(&[]).await.unwrap();
                        call.chunk(SAID).await.unwrap();
                    }
                    _ => {
                        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100\r\n\r\n";
                        call.send(head).await.unwrap();
                        call.send(SAID).await.unwrap();
                    }
                }
                arrived.notified().await;
                match ending {
                    Ending::Reset => call.reset(),
                    Ending::Half => {
                        call.finish().await.unwrap();
                        call.gone().await;
                    }
                }
            }
        })
        .await;
        for (method, target) in [
            ("POST", "/chunks"),
            ("GET", "/chunks"),
            ("POST", "/length"),
            ("GET", "/length"),
        ] {
            let proxy = before(&upstream).await;
            let mut client = Client::connect(proxy.address).await;
            client.request(method, target, &[ACCEPT], "").await.unwrap();
            assert_eq!(client.head().await.status(), 200);
            let first = client.piece().await.unwrap().unwrap();
            go_on.notify_one();
            let mut got = first;
            let broken = loop {
                match client.piece().await {
                    Ok(Some(piece)) => got.extend(piece),
                    other => break other.is_err(),
                }
            };
            assert!(broken, "{ending:?} {method} {target} looks whole");
            assert_eq!(got, SAID, "{ending:?} {method} {target}");
            let end = proxy
                .record("the break is on record", |record| {
                    let end = http(record)?.get("end")?;
                    (end["of"] == "response").then(|| end.clone())
                })
                .await;
            let reason = end["broken"].as_str().unwrap();
            assert!(reason.starts_with("the server broke it off"), "{reason}");
            assert_eq!(end["bytes"], SAID.len());
        }
    }
}

#[tokio::test]
async fn a_body_without_a_length_ends_where_its_connection_does() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        call.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it")
            .await
            .unwrap();
        call.finish().await.unwrap();
        call.gone().await;
    })
    .await;
    let proxy = before(&upstream).await;
    let answer = Client::post(proxy.address, "/mcp", &[], "{}").await;
    assert_eq!(answer.text(), "all of it");
    let end = proxy
        .record("the end", |record| {
            let end = http(record)?.get("end")?;
            (end["of"] == "response").then(|| end.clone())
        })
        .await;
    assert_eq!((&end["bytes"], end.get("broken")), (&Value::from(9), None));
}

#[tokio::test]
async fn what_is_held_of_a_stream_is_on_record_when_its_client_goes() {
    let upstream = Upstream::start(|mut call| async move {
        call.open_stream(&[]).await.unwrap();
        call.chunk(": hello\n\ndata: held").await.unwrap();
        call.gone().await;
    })
    .await;
    let proxy = before(&upstream).await;
    let mut client = Client::connect(proxy.address).await;
    client.request("GET", "/sse", &[ACCEPT], "").await.unwrap();
    client.head().await;
    client.event().await.unwrap().unwrap();
    drop(client);
    proxy
        .record("the rest", |record| {
            (http(record)?["body"]["text"] == "data: held").then_some(())
        })
        .await;
}

/// What a client hears that sends all of a large body before it listens.
async fn uploaded(proxy: &Inside) -> Answer {
    const LARGE: usize = 4 << 20;
    let mut client = Client::connect(proxy.address).await;
    let length = LARGE.to_string();
    let headers = [ACCEPT, ("content-length", &*length)];
    client.request("POST", "/mcp", &headers, "").await.unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..LARGE >> 20 {
        let sent = within("a piece is taken", client.send(&piece)).await;
        sent.unwrap();
    }
    client.answer().await
}

#[tokio::test]
async fn an_answer_that_comes_before_the_upload_is_over_reaches_a_client_that_only_sends() {
    let upstream = Upstream::start(|mut call| async move {
        call.piece().await.unwrap();
        let headers = [("Content-Type", "text/plain"), ("Connection", "close")];
        call.answer("413 Much", &headers, "too much").await.unwrap();
        call.finish().await.unwrap();
        // As servers do that want their answer to be read.
        call.gone().await;
    })
    .await;
    let proxy = before(&upstream).await;
    let answer = uploaded(&proxy).await;
    assert_eq!((answer.status(), answer.text()), (413, "too much"));
    assert_eq!(answer.head.get("content-type"), Some("text/plain"));
}

#[tokio::test]
async fn an_upstream_that_dies_during_an_upload_is_a_502_for_a_client_that_only_sends() {
    let upstream = Upstream::start(|mut call| async move {
        call.piece().await.unwrap();
        call.reset();
    })
    .await;
    let proxy = before(&upstream).await;
    let answer = uploaded(&proxy).await;
    assert_eq!(answer.status(), 502);
    assert!(
        answer.text().starts_with("mcp-sentinel: "),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_502_of_ours() {
    let nobody = unheard();
    let address = nobody.local_addr().unwrap();
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
async fn a_server_that_cannot_be_reached_is_noted_once_and_again_when_it_is_back() {
    let nobody = unheard();
    let address = nobody.local_addr().unwrap();
    let proxy = Inside::before(&format!("http://{address}/mcp")).await;
    for _ in 0..3 {
        let answer = Client::post(proxy.address, "/mcp", &[], "{}").await;
        assert_eq!(answer.status(), 502);
    }
    let _back = Upstream::on(nobody, |mut call| async move {
        call.body().await;
        call.answer_json("{}").await.unwrap();
    })
    .await;
    let answer = Client::post(proxy.address, "/mcp", &[], "{}").await;
    assert_eq!(answer.status(), 200);
    note(&proxy, "answers again").await;
    let capture = proxy.capture();
    let notes: Vec<_> = capture
        .iter()
        .filter_map(|it| it["note"].as_str())
        .collect();
    assert_eq!(
        notes,
        [
            "the server does not answer: Connection refused",
            "the server answers again"
        ]
    );
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
