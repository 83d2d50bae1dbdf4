//! The operator: in a client's session, in one of its own, and in one call.

use crate::client::{Client, INITIALIZE, legacy, request, result};
use crate::common::http::sdk::{Server, Serving};
use crate::common::http::{Seen, Upstream as Peer, until, within};
use crate::forgetful::{plain, posted, scripted};
use http::HeaderValue;
use mcp_sentinel::mcp;
use mcp_sentinel::proxy::http_client::{Authorization, Credentials, Origin};
use mcp_sentinel::proxy::{self, Config, Upstream};
use mcp_sentinel::tap::{Command, Order, Orders, Reply, Route, SessionId, Tap};
use serde_json::{Value, json};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

async fn send(orders: &Orders, route: Route, message: String) -> Reply {
    let (outcome, answer) = oneshot::channel();
    let command = Command::Send {
        route,
        message,
        replay_of: None,
    };
    orders.send(Order { command, outcome }).await.unwrap();
    within("the order's outcome", answer)
        .await
        .unwrap()
        .unwrap()
}

/// The session in which a request of the operator's own is answered, and the result.
async fn asked(client: &Client, orders: &Orders, method: &str) -> (Value, Value) {
    let sent = send(orders, Route::Operator, request(0, method)).await;
    let Reply::Sent { id: Some(id), .. } = sent else {
        panic!("{sent:?}");
    };
    let id = serde_json::from_str::<String>(&id).unwrap();
    let mut answer = client.recorded(&["\"from\":\"server\"", &id]).await;
    (answer["session"].take(), answer["message"]["result"].take())
}

#[tokio::test]
async fn the_operator_speaks_in_a_clients_session_and_the_client_hears_nothing_of_it() {
    let upstream = legacy(|mut call, message| async move {
        assert_eq!(call.head.get("mcp-session-id"), Some("s-1"));
        let answer = result(&message, json!({"to": message["method"]}));
        call.answer_json(answer).await.unwrap();
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    client.ask(request(1, "clients")).await;
    let orders = client.proxy.orders().await;
    let sent = send(
        &orders,
        Route::Session(SessionId(1)),
        request(0, "operators"),
    )
    .await;
    let Reply::Sent { id: Some(id), .. } = sent else {
        panic!("{sent:?}");
    };
    let asked = client.recorded(&["\"method\":\"operators\""]).await;
    assert_eq!(asked["from"], "operator");
    let answer = client.recorded(&["\"to\":\"operators\""]).await;
    assert_eq!(
        (&answer["from"], &answer["to"]),
        (&json!("server"), &json!("operator"))
    );
    assert_eq!(answer["message"]["id"].to_string(), id);
    assert_eq!(client.ask(request(2, "clients")).await["id"], 2);
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

#[tokio::test]
async fn a_batch_for_both_is_split_and_nothing_else_of_it_is_changed() {
    let (tell, told) = watch::channel(None);
    let upstream = legacy(move |mut call, message| {
        let (tell, mut told) = (tell.clone(), told.clone());
        async move {
            if message["method"] == "hello" {
                let answer = result(&message, json!({}));
                return call.answer_json(answer).await.unwrap();
            }
            call.open_stream(&[]).await.unwrap();
            if message["method"] == "operators" {
                tell.send(Some(message["id"].clone())).unwrap();
                return call.gone().await;
            }
            let ours = told.wait_for(Option::is_some).await.unwrap().clone();
            let ours = json!({"id": ours, "result": {"to": "operator"}});
            let theirs = format!(r#"{{"z" : 1.0e3,"id":{}, "result":{{}}}}"#, message["id"]);
            let event = format!("id: e-1\ndata: [ {ours}\ndata: ,{theirs} ]\n\n");
            call.chunk(event).await.unwrap();
            // What is left when the operator has its part is nothing.
            call.chunk(format!("data: [{ours}]\n\n")).await.unwrap();
            call.last_chunk().await.unwrap();
        }
    })
    .await;
    let mut client = Client::ready(&upstream).await;
    client.ask(request(0, "hello")).await;
    let orders = client.proxy.orders().await;
    let route = Route::Session(SessionId(1));
    send(&orders, route, request(0, "operators")).await;
    client.send(request(1, "clients")).await;
    let theirs = r#"[{"z" : 1.0e3,"id":1, "result":{}} ]"#;
    assert_eq!(client.line().await, format!("{theirs}\n"));
    let operators = client
        .recorded(&["\"to\":\"operator\"", "\"result\""])
        .await;
    assert_eq!(
        (&operators["from"], &operators["to"]),
        (&json!("server"), &json!("operator"))
    );
    assert_eq!(operators["message"].as_array().unwrap().len(), 1);
    let clients = client.recorded(&["1000.0", "\"from\":\"server\""]).await;
    for member in ["exchange", "event"] {
        assert_eq!(clients[member], operators[member], "{member}");
    }
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

#[tokio::test]
async fn a_session_of_the_operators_own_stands_beside_the_clients() {
    let server = Server::start(Serving::Sessions).await;
    let mut client = Client::with(&[&server.url()]);
    client.ask(INITIALIZE).await;
    let orders = client.proxy.orders().await;
    send(&orders, Route::Operator, request(0, "tools/list")).await;
    let answer = client
        .recorded(&["\"to\":\"operator\"", "mcpx-", "echo"])
        .await;
    assert_eq!(answer["session"], 2, "{answer}");
    assert_eq!(client.leave().await.1, Some(0));
}

#[tokio::test]
async fn a_session_of_the_operators_own_is_begun_anew_as_a_clients_is() {
    let (upstream, memory) = scripted(plain).await;
    let url = upstream.url("/mcp");
    let mut client = Client::with(&["--auto-reinit", "--era", "legacy", &url]);
    let orders = client.proxy.orders().await;
    send(&orders, Route::Operator, request(0, "x")).await;
    client.recorded(&["\"to\":\"operator\"", "mcpx-"]).await;
    memory.forget();
    let answer = asked(&client, &orders, "y").await;
    assert_eq!(answer, (json!(2), json!({})));
    let note = client.recorded(&["note", "begun anew"]).await;
    assert_eq!(note["session"], 2);
    let tries: Vec<_> = posted(&upstream)
        .into_iter()
        .filter(|(method, _)| method == "y")
        .map(|(_, session)| session)
        .collect();
    assert_eq!(tries, ["s-1", "s-2"]);
    assert_eq!(client.leave().await, (String::new(), Some(0)));
}

/// A server that is started again knows none of its sessions, which those made after the SDKs' examples say by 400.
#[tokio::test]
async fn a_session_of_the_operators_own_that_is_forgotten_ends_and_the_next_call_begins_another() {
    let words = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#;
    for (status, said) in [
        ("404 Not Found", "Session not found"),
        ("400 Bad Request", words),
    ] {
        let (upstream, memory) = scripted(move |mut call, message, memory| async move {
            let greets = message["method"] == "initialize";
            match greets || memory.knows(&call) {
                true => plain(call, message, memory).await,
                false => call.answer(status, &[], said).await.unwrap(),
            }
        })
        .await;
        let client = Client::with(&["--era", "legacy", &upstream.url("/mcp")]);
        let orders = client.proxy.orders().await;
        send(&orders, Route::Operator, request(0, "x")).await;
        memory.forget();
        send(&orders, Route::Operator, request(0, "y")).await;
        let why = format!("the server knows this session no more ({})", &status[..3]);
        let closed = client.recorded(&["\"closed\"", &why]).await;
        assert_eq!(closed["session"], 2, "{closed}");
        let answer = asked(&client, &orders, "z").await;
        assert_eq!(answer, (json!(3), json!({})), "{status}");
    }
}

#[tokio::test]
async fn another_session_of_the_operators_own_can_be_begun_at_any_time() {
    let (upstream, _) = scripted(plain).await;
    let client = Client::with(&["--era", "legacy", &upstream.url("/mcp")]);
    let orders = client.proxy.orders().await;
    for session in [2, 3] {
        let (outcome, answer) = oneshot::channel();
        let command = Command::Renew;
        orders.send(Order { command, outcome }).await.unwrap();
        let done = within("the order's outcome", answer).await.unwrap();
        assert_eq!(done, Ok(Reply::Done));
        let sent = send(&orders, Route::Operator, request(0, "x")).await;
        assert!(
            matches!(sent, Reply::Sent { session: SessionId(id), .. } if id == session),
            "{sent:?}"
        );
    }
    let closed = client.recorded(&["\"closed\""]).await;
    assert_eq!(closed["session"], 2);
}

#[tokio::test]
async fn a_session_of_the_operators_own_that_could_not_begin_ends_with_the_reason() {
    let error = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"not today"}}"#;
    for (status, said, why) in [
        (
            "401 Unauthorized",
            "",
            "who asks (401): run `mcp-sentinel auth login",
        ),
        ("500 Internal Server Error", "", "the server says 500"),
        (
            "200 OK",
            error,
            "the server refuses the handshake: not today",
        ),
    ] {
        let upstream = Peer::start(move |mut call| async move {
            call.body().await;
            let json = [("Content-Type", "application/json")];
            call.answer(status, &json, said).await.unwrap();
        })
        .await;
        let client = Client::with(&["--era", "legacy", &upstream.url("/mcp")]);
        let orders = client.proxy.orders().await;
        let (outcome, answer) = oneshot::channel();
        let command = Command::Refresh;
        orders.send(Order { command, outcome }).await.unwrap();
        within("the order's outcome", answer)
            .await
            .unwrap()
            .unwrap_err();
        let closed = client.recorded(&["\"closed\""]).await;
        let reason = closed["closed"]["reason"].as_str().unwrap();
        assert!(reason.contains(why), "{status}: {reason}");
    }
}

async fn one_shot(arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_mcp-sentinel"));
    command
        .args(arguments)
        .env("HOME", home.path())
        .env("XDG_STATE_HOME", home.path());
    within("the call's end", command.output()).await.unwrap()
}

#[tokio::test]
async fn one_call_or_list_takes_an_address() {
    for era in ["legacy", "modern", "auto"] {
        let server = Server::start(Serving::Sessions).await;
        let url = server.url();
        let arguments = [
            "call",
            "echo",
            &url,
            "--era",
            era,
            "--args",
            r#"{"text":"hi"}"#,
        ];
        let called = one_shot(&arguments).await;
        assert_eq!(
            String::from_utf8_lossy(&called.stdout),
            "echo: hi\n",
            "{era}: {called:?}"
        );
        assert!(called.status.success());
        let listed = one_shot(&["list", &url, "--era", era]).await;
        assert!(
            String::from_utf8_lossy(&listed.stdout).contains("hello.txt"),
            "{era}: {listed:?}"
        );
    }
}

#[tokio::test]
async fn a_call_does_not_overtake_its_own_handshake() {
    for _ in 0..5 {
        let upstream = legacy(|mut call, message| async move {
            match message["method"].as_str() {
                Some("server/discover") => {
                    let nothing = call.answer("404 Not Found", &[], "");
                    nothing.await.unwrap();
                }
                _ => {
                    let answer = result(&message, json!({"content": []}));
                    call.answer_json(answer).await.unwrap();
                }
            }
        })
        .await;
        let called = one_shot(&["call", "echo", &upstream.url("/mcp")]).await;
        assert!(called.status.success(), "{called:?}");
        let seen = upstream.seen();
        let place = |method: &str| {
            let is_it = |it: &Seen| it.whole && it.text().contains(method);
            seen.iter().position(is_it).unwrap()
        };
        assert!(place("notifications/initialized") < place("tools/call"));
    }
}

#[tokio::test]
async fn a_call_to_nobody_says_why() {
    let called = one_shot(&["call", "echo", "http://127.0.0.1:1/mcp"]).await;
    assert_eq!(called.status.code(), Some(3));
    let errors = String::from_utf8_lossy(&called.stderr).into_owned();
    assert!(errors.contains("Connection refused"), "{errors}");
}

/// Has one token that is no longer good, and another for whoever was refused with it.
#[derive(Debug)]
struct Renewed;

impl Credentials for Renewed {
    fn authorization<'a>(&'a self, refused: Option<&'a HeaderValue>) -> Authorization<'a> {
        let token = match refused.map(|it| it.to_str().unwrap()) {
            None => Some(HeaderValue::from_static("Bearer old")),
            Some("Bearer old") => Some(HeaderValue::from_static("Bearer new")),
            Some(_) => None,
        };
        Box::pin(async { Ok(token) })
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once_and_the_request_sent_again() {
    let upstream = Peer::start(|mut call| async move {
        call.body().await;
        call.answer("401 Unauthorized", &[], "").await.unwrap();
    })
    .await;
    let shutdown = CancellationToken::new();
    let over = shutdown.clone();
    let origin = Origin {
        headers: vec![("x-key".parse().unwrap(), HeaderValue::from_static("k"))],
        credentials: Some(Arc::new(Renewed)),
        ..Origin::at(upstream.url("/mcp").parse().unwrap())
    };
    let config = Config {
        upstream: Upstream::Http(Arc::new(origin)),
        era: Some(mcp::Era::Modern),
        unattended: true,
        grace: Duration::from_secs(1),
        forward_stderr: false,
        started: CancellationToken::new(),
    };
    let proxy = std::thread::spawn(move || {
        let (_orders, received) = mpsc::channel(1);
        let operator = proxy::Client::Operator(None);
        proxy::run(config, operator, Tap::disabled(), received, over)
    });
    upstream.request(1).await;
    shutdown.cancel();
    until("the proxy ends", || proxy.is_finished()).await;
    let seen = upstream.seen();
    let header = |name| -> Vec<_> { seen.iter().map(|it| it.head.get(name)).collect() };
    assert_eq!(
        header("authorization"),
        [Some("Bearer old"), Some("Bearer new")]
    );
    assert_eq!(header("x-key"), [Some("k"); 2]);
    assert_eq!(seen[0].body, seen[1].body);
}
