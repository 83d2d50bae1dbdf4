//! Bodies that are not the usual single message, and bodies that are under way at the same time.

use crate::common::http::{Client, Inside, Upstream, chunk, head, until, within};
use crate::{ACCEPT, before, http};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::task::JoinSet;

const JSON: (&str, &str) = ("content-type", "application/json");
const CHUNKED: (&str, &str) = ("transfer-encoding", "chunked");

/// What a client may say, and a server to it.
const BATCHES: [&str; 2] = [
    "[ {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"},\n {\"jsonrpc\":\"2.0\",\"method\":\"b\",\"params\":{\"x\":1.0}} ]",
    "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}} , {\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-1,\"message\":\"\"}}]\n",
];
const PRETTY: [&str; 2] = [
    "{\n  \"jsonrpc\": \"2.0\",\n  \"id\": 1,\n  \"method\": \"a\",\n  \"params\": {\n    \"x\": 1.0,\n    \"y\": \"\\u00e9\\n\"\n  }\n}\n",
    "\r\n{\r\n\t\"jsonrpc\" : \"2.0\" ,\r\n\t\"id\" : 1 ,\r\n\t\"result\" : { \"n\" : 12345678901234567890123 }\r\n}\r\n",
];
/// Nothing of this is a message; it passes all the same.
const ODD: [&[u8]; 4] = [b"{\"id\":1,", b"\xff\xfe{}", b" \n ", b"{\"a\":1}{\"b\":2}"];

/// Answers each request with its own body, sent in pieces of the size that the request names.
async fn mirror() -> Upstream {
    Upstream::start(|mut call| async move {
        let body = call.body().await;
        match call.head.get("x-pieces").map(|it| it.parse().unwrap()) {
            None => call.answer_json(body).await.unwrap(),
            Some(size) => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
                call.send(head).await.unwrap();
                for piece in body.chunks(size) {
                    call.chunk(piece).await.unwrap();
                }
                call.last_chunk().await.unwrap();
            }
        }
    })
    .await
}

/// Sends a body whole and in pieces, and gets it back the same way each time.
async fn there_and_back(proxy: &Inside, upstream: &Upstream, body: &[u8]) {
    let answer = Client::ask(proxy.address, "POST", "/mcp", &[ACCEPT, JSON], body).await;
    assert_eq!(answer.body, body);
    for size in [1, 7] {
        let mut client = Client::connect(proxy.address).await;
        let pieces = size.to_string();
        let headers = [ACCEPT, JSON, CHUNKED, ("x-pieces", &*pieces)];
        client.request("POST", "/mcp", &headers, "").await.unwrap();
        for piece in body.chunks(size) {
            client.send(chunk(piece)).await.unwrap();
        }
        client.send(chunk("")).await.unwrap();
        assert_eq!(client.answer().await.body, body);
    }
    for seen in upstream.seen().iter().rev().take(3) {
        assert_eq!(seen.body, body);
    }
}

/// Whether a record holds this message of somebody's: as it is when it is one line, else as text.
fn holds(record: &Value, from: &str, message: &str) -> bool {
    let is_it = match message.contains('\n') {
        true => record["text"] == message,
        false => record["message"] == serde_json::from_str::<Value>(message).unwrap(),
    };
    record["from"] == from && is_it
}

/// That three exchanges have each recorded the message as the client's and as the server's.
async fn on_record(proxy: &Inside, body: &str) {
    for from in ["client", "server"] {
        let mut exchanges = Vec::new();
        for _ in 0..3 {
            let found = |record: &Value| {
                let exchange = record["exchange"].as_u64();
                exchange.filter(|it| holds(record, from, body) && !exchanges.contains(it))
            };
            let exchange = proxy.record(body, found).await;
            exchanges.push(exchange);
        }
    }
}

async fn pass_and_are_recorded(bodies: [&str; 2]) {
    let upstream = mirror().await;
    let proxy = before(&upstream).await;
    for body in bodies {
        there_and_back(&proxy, &upstream, body.as_bytes()).await;
        on_record(&proxy, body).await;
    }
}

#[tokio::test]
async fn a_batch_passes_as_it_is_and_is_one_on_record() {
    pass_and_are_recorded(BATCHES).await;
}

#[tokio::test]
async fn pretty_printed_json_passes_with_all_its_white_space() {
    pass_and_are_recorded(PRETTY).await;
}

#[tokio::test]
async fn what_is_no_message_passes_like_every_other_body() {
    let upstream = mirror().await;
    let proxy = before(&upstream).await;
    for body in ODD {
        there_and_back(&proxy, &upstream, body).await;
    }
    assert!(proxy.capture().iter().all(|it| it.get("message").is_none()));
}

#[tokio::test]
async fn a_batch_that_is_answered_event_by_event_passes_and_is_read() {
    const EVENTS: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n\ndata: [\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}]\n\n";
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        call.open_stream(&[]).await.unwrap();
        call.chunk(EVENTS).await.unwrap();
        call.last_chunk().await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let answer = Client::post(proxy.address, "/mcp", &[], BATCHES[0]).await;
    assert_eq!(answer.text(), EVENTS);
    for expected in [
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}",
        "[\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}]",
    ] {
        proxy
            .record("an event of the answer", |record| {
                holds(record, "server", expected).then_some(())
            })
            .await;
    }
}

#[tokio::test]
async fn many_bodies_pass_in_both_directions_at_once() {
    const PIECES: usize = 50;
    let upstream = Upstream::start(|mut call| async move {
        call.open_stream(&[]).await.unwrap();
        while let Some(piece) = call.piece().await.unwrap() {
            call.chunk(piece).await.unwrap();
        }
        call.last_chunk().await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let mut clients = JoinSet::new();
    for number in 0..8 {
        let mut client = Client::connect(proxy.address).await;
        clients.spawn(async move {
            client
                .request("POST", "/mcp", &[ACCEPT, CHUNKED], "")
                .await
                .unwrap();
            let mut back = Vec::new();
            for piece in 0..PIECES {
                let sent = format!("<{number}.{piece}>").repeat(1 + 400 * (piece % 7));
                client.send(chunk(&sent)).await.unwrap();
                if piece == 0 {
                    assert_eq!(client.head().await.status(), 200);
                }
                // What was sent is back before there is more.
                while back.len() < sent.len() {
                    back.extend(client.piece().await.unwrap().unwrap());
                }
                assert_eq!(back, sent.as_bytes());
                back.clear();
            }
            client.send(chunk("")).await.unwrap();
            assert_eq!(client.piece().await.unwrap(), None);
        });
    }
    while let Some(outcome) = within("both directions", clients.join_next()).await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn requests_that_are_sent_without_waiting_are_answered_in_their_order() {
    let upstream = mirror().await;
    let proxy = before(&upstream).await;
    let mut client = Client::connect(proxy.address).await;
    let bodies: Vec<String> = (0..20)
        .map(|number| format!("{{\"n\":{number}}}"))
        .collect();
    for body in &bodies {
        client
            .request("POST", "/mcp", &[ACCEPT, JSON], body)
            .await
            .unwrap();
    }
    for body in &bodies {
        assert_eq!(client.answer().await.text(), body);
    }
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_every_event() {
    const EVENTS: usize = 20_000;
    let event = |number: usize| {
        let text = "x".repeat(900);
        format!("id: {number}\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"{text}\"}}\n\n")
    };
    let upstream = Upstream::start(move |mut call| async move {
        call.body().await;
        call.open_stream(&[]).await.unwrap();
        for number in 0..EVENTS {
            call.chunk(event(number)).await.unwrap();
        }
        call.last_chunk().await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    for method in ["POST", "GET"] {
        let mut client = Client::connect(proxy.address).await;
        client.request(method, "/mcp", &[ACCEPT], "").await.unwrap();
        client.head().await;
        let mut got = Vec::new();
        while let Some(piece) = client.piece().await.unwrap() {
            got.extend(piece);
            if got.len() % 500 < 5 {
                // Long enough for the server to fill whatever is between.
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
        let sent: String = (0..EVENTS).map(event).collect();
        assert!(got == sent.as_bytes(), "{method}: {} bytes", got.len());
    }
    let recorded = || {
        let capture = proxy.capture();
        capture.iter().filter(|it| it["from"] == "server").count()
    };
    until("every event is on record", || recorded() == 2 * EVENTS).await;
}

#[tokio::test]
async fn a_head_request_is_answered_without_a_body_whatever_its_head_says() {
    let heads = [
        ("Content-Length", "1234"),
        ("Transfer-Encoding", "chunked"),
        ("X-Neither", "1"),
    ];
    let is_of_the_connection = |name| name == "Transfer-Encoding";
    let upstream = Upstream::start(move |mut call| async move {
        let which: usize = call.head.target()[1..].parse().unwrap();
        let head = head(
            "HTTP/1.1 200 OK",
            &[("Content-Type", "text/event-stream"), heads[which]],
        );
        call.send(head).await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let mut client = Client::connect(proxy.address).await;
    for (which, (name, value)) in heads.iter().enumerate() {
        let target = format!("/{which}");
        client
            .request("HEAD", &target, &[ACCEPT], "")
            .await
            .unwrap();
        let head = client.head().await;
        client.reader.expect_no_body();
        let expected = (!is_of_the_connection(*name)).then_some(*value);
        assert_eq!(head.get(name), expected);
        assert_eq!(upstream.request(which).await.head.method(), "HEAD");
    }
    let ends = || {
        let capture = proxy.capture();
        let ends = capture
            .iter()
            .filter_map(|it| http(it)?.get("end").cloned());
        ends.filter(|it| it["of"] == "response").collect::<Vec<_>>()
    };
    until("three ends", || ends().len() == 3).await;
    for end in ends() {
        assert_eq!((&end["bytes"], end.get("broken")), (&Value::from(0), None));
    }
}

/// A client that has announced a body of this length, and has been told to go on.
async fn expecting(proxy: SocketAddr, length: &str) -> Client {
    let mut client = Client::connect(proxy).await;
    let expect = [
        ACCEPT,
        JSON,
        ("content-length", length),
        ("expect", "100-continue"),
    ];
    client.request("POST", "/mcp", &expect, "").await.unwrap();
    assert_eq!(client.head().await.status(), 100);
    client
}

#[tokio::test]
async fn what_a_server_says_before_its_answer_does_not_take_its_place() {
    let upstream = Upstream::start(|mut call| async move {
        call.send("HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        call.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            .await
            .unwrap();
        let body = call.body().await;
        call.answer_json(body).await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let mut client = expecting(proxy.address, "2").await;
    client.send("{}").await.unwrap();
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.text()), (200, "{}"));
    assert_eq!(answer.head.get("link"), None);
}

#[tokio::test]
async fn a_body_that_the_server_does_not_want_to_see_is_refused_to_its_client() {
    let upstream = Upstream::start(|mut call| async move {
        let headers = [("Connection", "close"), ("WWW-Authenticate", "Bearer")];
        call.answer("401 No", &headers, "first a token")
            .await
            .unwrap();
        call.finish().await.unwrap();
        call.body().await;
    })
    .await;
    let proxy = before(&upstream).await;
    let mut client = expecting(proxy.address, "9").await;
    client.send("{\"a\"").await.unwrap();
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.text()), (401, "first a token"));
    assert_eq!(answer.head.get("www-authenticate"), Some("Bearer"));
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_a_stream_to_the_end_of_its_connection() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        call.open_stream(&[]).await.unwrap();
        call.chunk("data: 1\n\n").await.unwrap();
        call.chunk("data: 2\n\n").await.unwrap();
        call.last_chunk().await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let mut client = Client::connect(proxy.address).await;
    let request = format!(
        "POST /mcp HTTP/1.0\r\nHost: {}\r\nContent-Length: 2\r\n\r\n{{}}",
        proxy.address
    );
    client.send(request).await.unwrap();
    let answer = client.answer().await;
    assert_eq!(answer.head.line, "HTTP/1.0 200 OK");
    assert_eq!(answer.text(), "data: 1\n\ndata: 2\n\n");
    assert_eq!(answer.raw, answer.body);
}

#[tokio::test]
async fn a_stream_that_ends_early_is_taken_up_again_by_its_client() {
    const PRIMING: &str = "id: 7-0\nretry: 3\ndata:\n\n";
    const REST: &str = "id: 7-1\ndata: {\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}\n\n";
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        call.open_stream(&[]).await.unwrap();
        let resumed = call.head.get("last-event-id") == Some("7-0");
        call.chunk(if resumed { REST } else { PRIMING })
            .await
            .unwrap();
        call.last_chunk().await.unwrap();
        call.hang_up();
    })
    .await;
    let proxy = before(&upstream).await;
    let session = ("mcp-session-id", "a");
    let request = r#"{"jsonrpc":"2.0","id":3,"method":"tools/call"}"#;
    let begun = Client::post(proxy.address, "/mcp", &[session], request).await;
    assert_eq!(begun.text(), PRIMING);
    let headers = [ACCEPT, session, ("last-event-id", "7-0")];
    let rest = Client::ask(proxy.address, "GET", "/mcp", &headers, "").await;
    assert_eq!(rest.text(), REST);
    proxy
        .record("the answer", |record| {
            let is_it = record["from"] == "server" && record["message"]["id"] == 3;
            is_it.then(|| assert_eq!(record["session"], 1))
        })
        .await;
    let priming = proxy.capture();
    let priming = priming
        .iter()
        .find_map(|it| http(it)?.get("event").cloned());
    assert_eq!(priming.unwrap()["id"], "7-0");
}
