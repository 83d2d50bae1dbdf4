//! Whose exchange it is.

use crate::common::files::room_for;
use crate::common::http::{Client, Upstream, until, within};
use crate::{ACCEPT, INITIALIZE, INITIALIZED, before, closed, http, legacy_upstream};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::mpsc;

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
    // Both ends of two connections are ours.
    let sessions = room_for(1000, 4);
    for number in 0..sessions {
        let (ready, proxy, mut going) = (ready.clone(), proxy.clone(), going.clone());
        clients.spawn(async move {
            let mut client = Client::connect(proxy.address).await;
            client
                .request("POST", "/mcp", &[ACCEPT], INITIALIZE)
                .await
                .unwrap();
            let begun = client.answer().await;
            assert_eq!(begun.status(), 200, "{}", begun.text());
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
    let opened = || {
        let capture = proxy.capture();
        capture
            .iter()
            .filter(|it| it.get("opened").is_some())
            .count()
    };
    until("every session is on record", || opened() >= sessions).await;
    assert_eq!(opened(), sessions);
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
    let requests = || -> Vec<_> {
        let capture = proxy.capture();
        let requests = capture
            .iter()
            .filter(|record| http(record).is_some_and(|http| http.get("request").is_some()));
        requests
            .map(|record| record["session"].as_u64().unwrap())
            .collect()
    };
    until("every request is on record", || requests().len() >= 5).await;
    assert_eq!(requests(), [1, 1, 1, 1, 2]);
}
