//! The operator beside the client, on each transport that the client may speak.

use crate::common::http::{Client, Inside, Upstream, until, within};
use crate::{ACCEPT, INITIALIZE, INITIALIZED, before, closed, legacy_upstream, note, opened};
use mcp_sentinel::tap::{Command, Reply, Route, SessionId};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::mpsc;

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

/// Takes every post, says on the stream that listens what `tell` is told, and on that of a `speak` what this asks for.
async fn streaming_upstream() -> (Upstream, mpsc::UnboundedSender<String>) {
    let (tell, told) = mpsc::unbounded_channel::<String>();
    let told = Arc::new(tokio::sync::Mutex::new(told));
    let upstream = Upstream::start(move |mut call| {
        let told = told.clone();
        async move {
            if call.head.method() == "POST" {
                let message = call.json().await;
                return match message["method"].as_str() {
                    Some("speak") => {
                        call.open_stream(&[]).await.unwrap();
                        let text = message["params"]["text"].as_str().unwrap();
                        call.chunk(text).await.unwrap();
                        call.last_chunk().await.unwrap();
                    }
                    Some("initialize") => {
                        let headers = [
                            ("Content-Type", "application/json"),
                            ("Mcp-Session-Id", "s-1"),
                        ];
                        let answer = r#"{"jsonrpc":"2.0","id":0,"result":{}}"#;
                        call.answer("200 OK", &headers, answer).await.unwrap();
                    }
                    _ => call.answer("202 Accepted", &[], "").await.unwrap(),
                };
            }
            call.open_stream(&[]).await.unwrap();
            let mut told = told.lock().await;
            while let Some(text) = told.recv().await {
                call.chunk(text).await.unwrap();
            }
        }
    })
    .await;
    (upstream, tell)
}

const IN_SESSION: [(&str, &str); 2] = [ACCEPT, ("mcp-session-id", "s-1")];

/// A client has shaken hands with that upstream.
async fn in_session(upstream: &Upstream) -> (Inside, u64) {
    let proxy = before(upstream).await;
    Client::post(proxy.address, "/mcp", &[], INITIALIZE).await;
    Client::post(proxy.address, "/mcp", &IN_SESSION, INITIALIZED).await;
    let session = opened(&proxy).await;
    (proxy, session)
}

/// Reads exactly as much as is expected, whatever comes.
async fn read(stream: &mut Client, length: usize) -> String {
    let mut read = Vec::new();
    while read.len() < length {
        read.extend(within("a piece", stream.piece()).await.unwrap().unwrap());
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn a_batch_for_both_is_split_and_nothing_else_of_its_event_is_changed() {
    let (upstream, tell) = streaming_upstream().await;
    let (proxy, session) = in_session(&upstream).await;
    let mut stream = Client::connect(proxy.address).await;
    let asked = stream.request("GET", "/mcp", &IN_SESSION, "").await;
    asked.unwrap();
    stream.head().await;
    let theirs = r#"{"z" : 1.0e3,"id":7 , "result":{}}"#;
    // What is said before any order is nobody's business.
    let early = format!("data: [{theirs},{{\"id\":\"mcpx-1\",\"result\":{{}}}}]\r\n\r\n");
    tell.send(early.clone()).unwrap();
    assert_eq!(read(&mut stream, early.len()).await, early);
    let message = r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#;
    let id = sent(&proxy, session, message).await;
    let ours = format!(r#"{{"id":"{id}","result":{{}}}}"#);
    let (between, last) = (": hi\r\nid: e-1\r\n", "event: message\r\n\r\n");
    let said = format!(
        "{between}data:  [ {ours} \r\ndata: , {theirs},\r\nretry: 5\r\ndata:{ours}]\r\n{last}"
    );
    let clients = format!("{between}data:  [\r\ndata:  {theirs}\r\nretry: 5\r\ndata:]\r\n{last}");
    // Of the second nothing is left for the client.
    tell.send(format!("{said}data: [{ours}]\n\n{early}"))
        .unwrap();
    let heard = read(&mut stream, clients.len() + early.len()).await;
    assert_eq!(heard, format!("{clients}{early}"));
    let part = async |to: Value, messages: &[&str]| {
        let found = |record: &Value| {
            let messages: Value = serde_json::from_str(record["text"].as_str()?).ok()?;
            let is_it = record["event"] == "e-1" && record["to"] == to;
            is_it.then(|| (messages, record.clone()))
        };
        let (said, record) = proxy.record("a part of the batch", found).await;
        let messages = format!("[{}]", messages.join(","));
        assert_eq!(said, serde_json::from_str::<Value>(&messages).unwrap());
        assert_eq!(record["from"], "server");
        record["exchange"].clone()
    };
    let exchange = part(json!("operator"), &[&ours, &ours]).await;
    assert_eq!(exchange, part(Value::Null, &[theirs]).await);
    note(&proxy, "split").await;
}

#[tokio::test]
async fn what_is_the_operators_on_the_stream_of_a_clients_post_is_not_the_clients() {
    let (upstream, _tell) = streaming_upstream().await;
    let (proxy, session) = in_session(&upstream).await;
    let speak = async |text: &str| {
        let message =
            json!({"jsonrpc": "2.0", "id": 7, "method": "speak", "params": {"text": text}});
        let answer = Client::ask(
            proxy.address,
            "POST",
            "/mcp",
            &IN_SESSION,
            message.to_string(),
        );
        answer.await.text().to_owned()
    };
    let progress = |token: &str| {
        let params = json!({"progressToken": token, "progress": 1});
        json!({"method": "notifications/progress", "params": params}).to_string()
    };
    // What is said before any order is nobody's business.
    let early = format!("data: [{}]\n\ndata: torn", progress("mcpx-1"));
    assert_eq!(speak(&early).await, early);
    let message = r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#;
    let ours = progress(&sent(&proxy, session, message).await);
    let said =
        format!("data: {ours}\n\nid: 1\ndata: [{ours}, {{\"id\":7,\"result\":1.0}}]\n\n{early}");
    let clients = format!("id: 1\ndata: [ {{\"id\":7,\"result\":1.0}}]\n\n{early}");
    assert_eq!(speak(&said).await, clients);
}

/// Sends a call as the operator, and waits for its answer on record.
async fn replayed(proxy: &Inside, session: u64) -> Value {
    let message = r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#;
    let id = sent(proxy, session, message).await;
    answer_to(proxy, &id).await
}

pub async fn sent(proxy: &Inside, session: u64, message: &str) -> String {
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

pub async fn answer_to(proxy: &Inside, id: &str) -> Value {
    proxy
        .record("the operator's answer", |record| {
            let is_it = record["to"] == "operator" && record["message"]["id"] == id;
            is_it.then(|| record.clone())
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
    for (name, value) in habits.into_iter().chain([("accept-encoding", "identity")]) {
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

/// A server whose stream for a call ends early, and which answers at the third of the operator's attempts to take it
/// up again, or never.
async fn ending_upstream(answers: bool) -> Upstream {
    Upstream::start(move |mut call| async move {
        let session = [
            ("Content-Type", "application/json"),
            ("Mcp-Session-Id", "a"),
        ];
        if call.head.method() == "POST" {
            let request = call.json().await;
            match request["method"].as_str().unwrap() {
                "tools/call" => {
                    call.open_stream(&[]).await.unwrap();
                    let id = request["id"].as_str().unwrap();
                    call.chunk(format!("id: {id}/0\nretry: 1\ndata:\n\n"))
                        .await
                        .unwrap();
                    call.last_chunk().await.unwrap();
                }
                _ => call.answer("200 OK", &session, "{}").await.unwrap(),
            }
            return;
        }
        let last = call.head.get("last-event-id").unwrap().to_owned();
        let (id, number) = last.split_once('/').unwrap();
        let number: usize = number.parse().unwrap();
        if !answers && number == 1 {
            return call.answer("405 No", &[], "").await.unwrap();
        }
        call.open_stream(&[]).await.unwrap();
        let said = match number {
            2 => json!({"jsonrpc": "2.0", "id": id, "result": {"number": number}}),
            _ => json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}}),
        };
        let next = number + 1;
        call.chunk(format!("id: {id}/{next}\ndata: {said}\n\n"))
            .await
            .unwrap();
        call.last_chunk().await.unwrap();
    })
    .await
}

#[tokio::test]
async fn the_operators_own_stream_is_taken_up_again_until_the_answer_has_come() {
    let upstream = ending_upstream(true).await;
    let proxy = before(&upstream).await;
    let habits = [("mcp-session-id", "a"), ("authorization", "Bearer current")];
    Client::post(proxy.address, "/mcp", &habits, INITIALIZED).await;
    let session = opened(&proxy).await;
    let call = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"x"}}"#;
    let id = sent(&proxy, session, call).await;
    let answer = answer_to(&proxy, &id).await;
    assert_eq!(answer["message"]["result"], json!({"number": 2}));
    assert_eq!(answer["session"], session);
    let seen = upstream.seen();
    let resumed: Vec<_> = seen.iter().filter(|it| it.head.method() == "GET").collect();
    assert_eq!(resumed.len(), 3);
    for (number, seen) in resumed.iter().enumerate() {
        let last = format!("{id}/{number}");
        let expected = [
            habits[0],
            habits[1],
            ("last-event-id", &*last),
            ("accept", "text/event-stream"),
            ("accept-encoding", "identity"),
        ];
        for (name, value) in expected {
            assert_eq!(seen.head.all(name), [value], "{name}");
        }
    }
    // What came on the way is the operator's, and so are the requests.
    let capture = proxy.capture();
    let told = |it: &&Value| it["to"] == "operator" && it["message"].get("method").is_some();
    assert_eq!(capture.iter().filter(told).count(), 2);
    let asked = |it: &&Value| it["http"]["request"]["by"] == "operator";
    assert_eq!(capture.iter().filter(asked).count(), 4);
}

#[tokio::test]
async fn a_stream_of_the_operators_that_cannot_be_taken_up_is_given_up() {
    let upstream = ending_upstream(false).await;
    let proxy = before(&upstream).await;
    let habits = [("mcp-session-id", "a")];
    Client::post(proxy.address, "/mcp", &habits, INITIALIZED).await;
    let session = opened(&proxy).await;
    let call = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"x"}}"#;
    sent(&proxy, session, call).await;
    proxy
        .record("the refusal", |record| {
            (record["http"]["response"]["status"] == 405).then_some(())
        })
        .await;
    // The session is as good as before.
    replayed_as_list(&proxy, session).await;
    let seen = upstream.seen();
    let resumed = seen.iter().filter(|it| it.head.method() == "GET");
    assert_eq!(resumed.count(), 2);
}

/// Sends a message that is answered at once, and waits for that.
async fn replayed_as_list(proxy: &Inside, session: u64) {
    let before = proxy.capture().len();
    sent(
        proxy,
        session,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
    )
    .await;
    until("the list is answered", || {
        let capture = proxy.capture();
        let later = capture.iter().skip(before);
        later
            .filter(|it| it["http"]["response"]["status"] == 200)
            .count()
            == 1
    })
    .await;
}
