//! Whatever HTTP fails at: each request gets its answer, and the client is never left waiting.

use crate::client::{Client, INITIALIZE, legacy, request, result, welcome};
use crate::common::http::{Call, Upstream, unheard, until};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Notify;

/// What a client gets whose request is answered so.
async fn answered_with<F, R>(answer: F) -> (Client, Value)
where
    F: Fn(Call) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let upstream = legacy(move |call, _| answer(call)).await;
    let mut client = Client::ready(&upstream).await;
    let got = client.ask(request("r", "x")).await;
    assert_eq!(got["id"], "r");
    // It goes on.
    client
        .send(r#"{"jsonrpc":"2.0","method":"notifications/after"}"#)
        .await;
    upstream
        .wait("the next line", |seen| {
            seen.iter()
                .any(|it| it.text().contains("/after"))
                .then_some(())
        })
        .await;
    (client, got)
}

#[tokio::test]
async fn an_error_page_becomes_an_error_that_says_so() {
    let (client, got) = answered_with(|mut call| async move {
        let html = [("Content-Type", "text/html")];
        call.answer("503 Service Unavailable", &html, "<h1>later</h1>")
            .await
            .unwrap();
    })
    .await;
    let error = &got["error"];
    assert_eq!(error["code"], -32603);
    let message = error["message"].as_str().unwrap();
    assert!(
        message.starts_with("mcp-sentinel: ") && message.contains("503"),
        "{message}"
    );
    assert_eq!(
        error["data"],
        json!({"sentinel": true, "status": 503, "said": "<h1>later</h1>"})
    );
    let ours = client.recorded(&["-32603"]).await;
    assert_eq!(ours["from"], "sentinel");
    let theirs = client.recorded(&["\"http\"", "later</h1>"]).await;
    assert_eq!(theirs["http"]["body"]["of"], "response", "{theirs}");
}

#[tokio::test]
async fn an_answer_that_is_json_rpc_passes_whatever_its_status() {
    const ANSWER: &str = r#"{"jsonrpc":"2.0", "id":"r","error":{"code":-32601,"message":"no"}}"#;
    for status in [
        "400 Bad Request",
        "404 Not Found",
        "500 Internal Server Error",
    ] {
        let (_, got) = answered_with(move |mut call| async move {
            call.answer(status, &[("Content-Type", "application/json")], ANSWER)
                .await
                .unwrap();
        })
        .await;
        assert_eq!(
            got["error"],
            json!({"code": -32601, "message": "no"}),
            "{status}"
        );
    }
}

#[tokio::test]
async fn an_error_for_nobody_is_not_taken_for_an_answer() {
    let (_, got) = answered_with(|mut call| async move {
        let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"hm"}}"#;
        call.answer(
            "400 Bad Request",
            &[("Content-Type", "application/json")],
            body,
        )
        .await
        .unwrap();
    })
    .await;
    assert_eq!(got["error"]["data"]["status"], 400);
}

#[tokio::test]
async fn a_request_that_is_only_accepted_is_not_answered() {
    let (_, got) = answered_with(|mut call| async move {
        call.answer("202 Accepted", &[], "").await.unwrap();
    })
    .await;
    assert_eq!(got["error"]["data"]["status"], 202);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_none() {
    let (_, got) = answered_with(|mut call| async move {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"jsonrpc\":";
        call.send(head).await.unwrap();
        call.hang_up();
    })
    .await;
    assert!(
        got["error"]["message"]
            .as_str()
            .unwrap()
            .contains("broke off"),
        "{got}"
    );
}

#[tokio::test]
async fn what_came_before_an_answer_broke_off_is_on_record() {
    const TORN: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"torn"#;
    let upstream = legacy(|mut call, message| async move {
        match message["method"].as_str().unwrap() {
            "events" => {
                call.open_stream(&[]).await.unwrap();
                call.chunk(format!("data: {TORN}")).await.unwrap();
            }
            _ => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
                call.send(format!("{head}{TORN}")).await.unwrap();
            }
        }
        call.hang_up();
    })
    .await;
    for (method, rest) in [("x", TORN.to_owned()), ("events", format!("data: {TORN}"))] {
        let mut client = Client::ready(&upstream).await;
        assert!(client.ask(request(1, method)).await["error"].is_object());
        let told = |it: &Value| it["http"]["body"]["text"] == rest;
        let capture = client.proxy.captured(&rest, |all| all.iter().any(told));
        capture.await;
    }
}

#[tokio::test]
async fn a_packed_answer_is_not_taken_for_text() {
    let (_, got) = answered_with(|mut call| async move {
        let packed = [
            ("Content-Type", "application/json"),
            ("Content-Encoding", "gzip"),
        ];
        call.answer("200 OK", &packed, b"\x1f\x8b\x08")
            .await
            .unwrap();
    })
    .await;
    assert!(
        got["error"]["message"].as_str().unwrap().contains("gzip"),
        "{got}"
    );
}

#[tokio::test]
async fn a_redirect_within_the_origin_is_followed_and_no_other_is() {
    let upstream = legacy(|mut call, message| async move {
        let target = call.head.target().to_owned();
        let location = match target.as_str() {
            "/mcp?a=b" => "/mcp/",
            _ if message["method"] == "away" => "http://example.invalid/mcp",
            _ => return call.answer_json(result(&message, json!({}))).await.unwrap(),
        };
        call.answer("307 Temporary Redirect", &[("Location", location)], "")
            .await
            .unwrap();
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    assert_eq!(client.ask(request(1, "x")).await["result"], json!({}));
    assert_eq!(client.ask(request(2, "x")).await["result"], json!({}));
    let refused = client.ask(request(3, "away")).await;
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("http://example.invalid/mcp"), "{message}");
    let posts = upstream
        .seen()
        .into_iter()
        .filter(|it| it.text().contains("\"x\""));
    let targets: Vec<String> = posts.map(|it| it.head.target().to_owned()).collect();
    assert_eq!(targets, ["/mcp?a=b", "/mcp/", "/mcp/"]);
}

#[tokio::test]
async fn a_server_that_asks_who_is_there_is_answered_with_what_to_do() {
    let (_, got) = answered_with(|mut call| async move {
        let headers = [("WWW-Authenticate", "Bearer")];
        call.answer("401 Unauthorized", &headers, "").await.unwrap();
    })
    .await;
    let message = got["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("mcp-sentinel auth login http://127.0.0.1"),
        "{message}"
    );
}

#[tokio::test]
async fn a_notification_that_is_refused_is_noted_and_nothing_is_made_up_for_it() {
    let upstream = Upstream::start(|mut call| async move {
        let body = call.body().await;
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        match message["method"].as_str() {
            Some("initialize") => welcome(&mut call, &message).await,
            Some("x") => call.answer_json(result(&message, json!({}))).await.unwrap(),
            _ => call
                .answer("500 Internal Server Error", &[], "oh")
                .await
                .unwrap(),
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    assert_eq!(client.ask(request(1, "x")).await["result"], json!({}));
    client
        .recorded(&["note", "notifications/initialized was not delivered"])
        .await;
    until("it is told on stderr", || {
        let errors = client.proxy.errors();
        errors.contains("notifications/initialized was not delivered")
    })
    .await;
    client.leave().await;
    let errors = client.proxy.errors();
    assert!(errors.contains(", 1 error,"), "{errors}");
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_can_be_tried_again() {
    let nobody = unheard();
    let address = nobody.local_addr().unwrap();
    let mut client = Client::with(&[&format!("http://{address}/mcp?secret=1")]);
    let refused = client.ask(INITIALIZE).await;
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("cannot reach the server"), "{message}");
    assert!(!message.contains("secret"), "{message}");
    let refused = client.ask(INITIALIZE).await;
    assert_eq!(refused["id"], 0);
    client
        .recorded(&["note", "the server does not answer"])
        .await;
    until("it is told on stderr", || {
        client.proxy.errors().contains("cannot reach the server")
    })
    .await;
    let errors = client.proxy.errors();
    assert_eq!(
        errors.matches("cannot reach the server").count(),
        1,
        "{errors}"
    );
    assert_eq!(client.leave().await, (String::new(), Some(1)));
}

#[tokio::test]
async fn a_server_that_was_reached_and_then_is_not_is_no_failure_of_the_whole() {
    let upstream = legacy(|mut call, message| async move {
        call.answer_json(result(&message, json!({}))).await.unwrap();
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    client.ask(request(1, "x")).await;
    drop(upstream);
    let refused = client.ask(request(2, "x")).await;
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("cannot reach the server"), "{message}");
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

#[tokio::test]
async fn two_requests_of_one_id_get_an_answer_each() {
    let others = Arc::new(Notify::new());
    let are_answered = others.clone();
    let upstream = legacy(move |mut call, message| { let others = others.clone(); async move {
        match message["method"].as_str() {
            Some("slow") => others.notified().await,
            Some("wrong") => {
                let error = json!({"jsonrpc": "2.0", "id": 6.0, "error": {"code": -32602, "message": "no"}});
                let answer = call.answer("400 No", &[], error.to_string());
                return answer.await.unwrap();
            }
            _ => {}
        }
        let answer = result(&message, json!({"to": message["method"]}));
        call.answer_json(answer).await.unwrap();
    }})
    .await;
    let mut client = Client::ready(&upstream).await;
    client.send(request(6, "slow")).await;
    assert_eq!(
        client.ask(request(6, "quick")).await["result"],
        json!({"to": "quick"})
    );
    assert_eq!(
        client.ask(request(6, "wrong")).await["error"]["code"],
        -32602
    );
    are_answered.notify_one();
    assert_eq!(client.json().await["result"], json!({"to": "slow"}));
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}
