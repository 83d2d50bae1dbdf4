//! A token of ours that the server takes, and that allows too little.

use crate::client::{Client, legacy, request, result};
use crate::common::http::{Inside, Seen, Upstream};
use http::HeaderValue;
use mcp_sentinel::proxy::http_client::{Authorization, Credentials};
use mcp_sentinel::tap::{Command, Reply, Route};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const WANTED: &str = "Bearer error=\"insufficient_scope\", scope=\"files:read it's\"";

/// Has a token that allows too little, until somebody logs in for another.
#[derive(Debug, Default)]
struct Narrow {
    logged_in_again: AtomicBool,
}

impl Credentials for Narrow {
    fn authorization<'a>(&'a self, _: Option<&'a HeaderValue>) -> Authorization<'a> {
        let token = HeaderValue::from_static("Bearer narrow");
        Box::pin(std::future::ready(Ok(Some(token))))
    }

    fn of_later_login<'a>(&'a self, refused: &'a HeaderValue) -> Authorization<'a> {
        assert_eq!(refused, "Bearer narrow");
        let later = self.logged_in_again.load(Ordering::Relaxed);
        let token = later.then_some(HeaderValue::from_static("Bearer wide"));
        Box::pin(std::future::ready(Ok(token)))
    }
}

/// Lets everybody in; calls only for the bearer of the wide token, whom it tells so in an error of its own when asked to.
async fn upstream(challenge: &'static str) -> Upstream {
    legacy(move |mut call, message| async move {
        let may_call = call.head.get("authorization") == Some("Bearer wide");
        let error =
            json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": 1, "message": "no"}});
        let page = match message["method"].as_str() {
            Some("tools/call") if !may_call => "no".to_owned(),
            Some("tools/call/speaking") if !may_call => error.to_string(),
            Some("server/discover") => return call.answer("404 No", &[], "").await.unwrap(),
            _ => return call.answer_json(result(&message, json!({}))).await.unwrap(),
        };
        let challenge = [("WWW-Authenticate", challenge)];
        call.answer("403 No", &challenge, page).await.unwrap();
    })
    .await
}

/// What the operator is answered in its own session.
async fn asked(proxy: &Inside, method: &str) -> Value {
    let command = Command::Send {
        route: Route::Operator,
        message: request(0, method),
        replay_of: None,
    };
    let Reply::Sent { id: Some(id), .. } = proxy.order(command).await.unwrap() else {
        panic!("it was not sent");
    };
    let id: Value = serde_json::from_str(&id).unwrap();
    proxy
        .record("the answer", |record| {
            let message = &record["message"];
            let is_it = record["to"] == "operator" && message["id"] == id;
            is_it.then(|| message.clone())
        })
        .await
}

fn calls(upstream: &Upstream) -> Vec<Seen> {
    let seen = upstream.seen().into_iter();
    seen.filter(|it| it.whole && it.text().contains("tools/call"))
        .collect()
}

#[tokio::test]
async fn a_scope_that_our_token_lacks_is_named_and_so_is_the_way_to_get_it() {
    let upstream = upstream(WANTED).await;
    let url = upstream.url("/mcp");
    let narrow = Arc::new(Narrow::default());
    let lent = narrow.clone();
    let proxy = Inside::with(&url, |origin| origin.credentials = Some(lent)).await;
    let advice = format!(
        "the token of the stored login does not allow this: the server wants the scopes files:read it's; \
         to log in again with more: mcp-sentinel auth login {url} --scope files:read --scope 'it'\\''s'"
    );
    let refused = asked(&proxy, "tools/call").await;
    assert_eq!(
        refused["error"]["message"],
        format!("mcp-sentinel: the server says 403 Forbidden: {advice}")
    );
    assert_eq!(refused["error"]["data"]["status"], 403);
    let noted = |record: &Value| (record["note"] == advice.as_str()).then_some(());
    proxy.record("the advice", noted).await;
    assert_eq!(calls(&upstream).len(), 1);
    // Whoever takes it needs not start the proxy again.
    narrow.logged_in_again.store(true, Ordering::Relaxed);
    assert_eq!(asked(&proxy, "tools/call").await["result"], json!({}));
    let calls = calls(&upstream);
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[1].body, calls[2].body);
}

#[tokio::test]
async fn a_client_gets_the_servers_own_word_and_the_record_the_advice() {
    let upstream = upstream("Bearer error=insufficient_scope, scope=write").await;
    let url = upstream.url("/mcp");
    let mut client = Client::with(&["--header", "Authorization: Bearer fixed", &url]);
    let said = client.ask(request(1, "tools/call/speaking")).await;
    assert_eq!(said["error"], json!({"code": 1, "message": "no"}));
    client
        .recorded(&[
            "\"note\"",
            "the token that --header brings does not allow this: the server wants the scope write",
        ])
        .await;
}

#[tokio::test]
async fn a_refusal_that_is_not_about_a_scope_of_ours_is_left_alone() {
    let silent = upstream("Bearer error=\"invalid_request\", scope=\"insufficient_scope\"").await;
    let wanting = upstream(WANTED).await;
    let fixed = ["--header", "Authorization: Bearer fixed"];
    for (upstream, options) in [(silent, &fixed[..]), (wanting, &[])] {
        let mut client = Client::with(&[options, &[&upstream.url("/mcp")]].concat());
        let refused = client.ask(request(1, "tools/call")).await;
        assert_eq!(
            refused["error"]["message"],
            "mcp-sentinel: the server says 403 Forbidden"
        );
    }
}
