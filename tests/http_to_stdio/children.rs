//! The children: how many, how they end, who speaks to them, and what is on record.

use crate::common::http::{Client, within};
use crate::door::*;
use mcp_sentinel::proxy::listener::Listen;
use mcp_sentinel::proxy::{self, Config, Upstream};
use mcp_sentinel::tap::{Command, Order, Reply, Route, SessionId, Tap};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub fn the_death_of_a_child_is_told_at_once() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let mut waiting = session.stream(request(1, "wait")).await;
        waiting.head().await;
        let mut listening = session.listen(None).await;
        let answer = session.post(request("x", "die")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json()["id"], "x");
        let error = answer.json()["error"].clone();
        assert_eq!(
            (&error["code"], &error["data"]["sentinel"]),
            (&json!(-32603), &json!(true))
        );
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("exited with status 3")
        );
        let told = waiting.event().await.unwrap().unwrap().json();
        assert_eq!(
            (&told["id"], &told["error"]["code"]),
            (&json!(1), &json!(-32603))
        );
        assert_eq!(waiting.event().await.unwrap(), None);
        assert_eq!(listening.event().await.unwrap(), None);
        assert_eq!(session.post(request(2, "hear")).await.status(), 404);
        let all = door.close().await;
        let ours = all
            .iter()
            .filter(|it| it["from"] == "sentinel" && it["message"]["error"].is_object());
        assert!(ours.count() >= 2);
    });
}

pub fn there_are_only_so_many_children() {
    on(async {
        let door = counter_with("legacy", &["--max-children", "2"]).await;
        let session = door.session("2025-06-18").await;
        let _other = door.session("2025-06-18").await;
        let refused = door.post(&[], initialize("2025-06-18")).await;
        assert_eq!(refused.status(), 503);
        assert!(refused.text().contains("2 servers run at once"));
        assert_eq!(door.modern(&plain(1, "hear")).await.status(), 503);
        Client::ask(door.address, "DELETE", "/mcp", &session.headers(), "").await;
        let opened = within("there is room for another child", async {
            loop {
                let opened = door.post(&[], initialize("2025-06-18")).await.status();
                if opened != 503 {
                    return opened;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert_eq!(opened.await, 200);
    });
}

pub fn a_session_that_nobody_uses_ends() {
    on(async {
        let door = counter_with("legacy", &["--idle", "2"]).await;
        let busy = door.session("2025-06-18").await;
        let _listening = busy.listen(None).await;
        let idle = door.session("2025-06-18").await;
        door.recorded(&["\"closed\"", "\"session\":2"]).await;
        assert_eq!(idle.post(request(1, "hear")).await.status(), 404);
        assert_eq!(busy.post(request(1, "hear")).await.status(), 200);
    });
}

pub fn what_the_server_logs_is_on_record_and_on_no_stream() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let answer = session.post(request(1, "chatter")).await;
        assert_eq!(answer.json()["result"]["spaced"], true);
        let complains =
            json!({"jsonrpc": "2.0", "id": 2, "method": "complain", "params": {"text": "ouch"}});
        assert_eq!(session.post(complains.to_string()).await.status(), 200);
        door.recorded(&["counter: ouch", "\"stderr\""]).await;
        door.recorded(&["\"text\":\"this is no JSON\"", "\"from\":\"server\""])
            .await;
        door.recorded(&["is no message, and no HTTP client gets it"])
            .await;
    });
}

pub fn every_message_is_on_record_once_with_its_exchange() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        session.post(progressing(41, "progress", "t")).await;
        session.post(request(42, "hear")).await;
        let all = door.close().await;
        let said = |from: &str, text: &str| {
            let same = |it: &&Value| it["from"] == from && it["message"].to_string().contains(text);
            let found: Vec<&Value> = all.iter().filter(same).collect();
            assert_eq!(found.len(), 1, "{from} {text}: {found:#?}");
            found[0].clone()
        };
        let asked = said("client", "\"id\":41");
        let progress = said("server", "notifications/progress");
        let answer = said("server", "\"id\":41");
        let via = |it: &Value| it["exchange"].clone();
        assert!(via(&asked).is_u64(), "{asked}");
        assert_eq!(via(&asked), via(&progress));
        assert_eq!(via(&asked), via(&answer));
        assert!(progress["event"].is_string(), "{progress}");
        assert_ne!(via(&said("client", "\"id\":42")), via(&asked));
        let opened = all.iter().find(|it| it["opened"].is_object()).unwrap();
        assert_eq!(opened["opened"]["transport"], "http");
        assert!(opened["opened"]["pid"].is_u64());
        let part = |kind: &str| {
            let of =
                |it: &&Value| it["http"]["exchange"] == via(&asked) && it["http"][kind].is_object();
            all.iter().filter(of).count()
        };
        assert_eq!((part("request"), part("response"), part("end")), (1, 1, 2));
    });
}

/// In this process, because orders are given in one.
pub fn the_operator_speaks_in_a_clients_session_unseen() {
    on(async {
        let own = std::env::current_exe().unwrap();
        let command = [
            own.as_os_str(),
            "peer".as_ref(),
            "counter".as_ref(),
            "legacy".as_ref(),
        ];
        let config = Config {
            upstream: Upstream::Command(command.map(Into::into).to_vec()),
            era: None,
            unattended: false,
            grace: Duration::from_secs(1),
            forward_stderr: false,
            started: CancellationToken::new(),
        };
        let listen = Listen::at("127.0.0.1:0");
        let mut bound = listen.bound.subscribe();
        let (orders, received) = mpsc::channel(8);
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let proxy = std::thread::spawn(move || {
            let client = proxy::Client::Http(listen);
            proxy::run(config, client, Tap::disabled(), received, token).unwrap()
        });
        let address = bound.wait_for(Option::is_some).await.unwrap().unwrap();
        let opened = Client::post(address, "/mcp", &[], initialize("2025-06-18")).await;
        let id = opened.head.get("mcp-session-id").unwrap();
        let headers = [("mcp-session-id", id), ("accept", "text/event-stream")];
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        Client::post(address, "/mcp", &headers[..1], initialized).await;
        let mut listening = Client::connect(address).await;
        let asked = listening.request("GET", "/mcp", &headers, "").await;
        asked.unwrap();
        listening.head().await;

        let (outcome, told) = oneshot::channel();
        let command = Command::Send {
            route: Route::Session(SessionId(1)),
            message: progressing(1, "progress", "t"),
            replay_of: None,
        };
        orders.send(Order { command, outcome }).await.unwrap();
        assert!(matches!(
            told.await.unwrap(),
            Ok(Reply::Sent { id: Some(_), .. })
        ));
        // The child answers in order: when this is here, the other was said.
        let answer = Client::post(address, "/mcp", &headers[..1], request(2, "hear")).await;
        assert_eq!(answer.json()["id"], 2);
        Client::ask(address, "DELETE", "/mcp", &headers, "").await;
        let heard = listening.event().await.unwrap();
        assert_eq!(heard, None, "nothing of the operator's");
        shutdown.cancel();
        assert_eq!(proxy.join().unwrap().code, 0);
    });
}

pub fn a_batch_for_both_is_split_and_nothing_else_of_it_is_changed() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-03-26").await;
        let theirs = r#"{"z" : 1.0e3,"id":7, "result":{}}"#;
        let ours = r#"{"id": $waiting,"result":{}}"#;
        let say = |text: String| {
            let params = json!({"text": text});
            session.post_json(
                json!({"jsonrpc": "2.0", "id": 7, "method": "say", "params": params}).to_string(),
            )
        };
        // What is said before any order is nobody's business.
        let early = say(format!("[{ours} ,{theirs}]")).await;
        assert_eq!(
            early.text(),
            format!("[{ours} ,{theirs}]").replace("$waiting", "null")
        );
        let (outcome, told) = oneshot::channel();
        let command = Command::Send {
            route: Route::Session(SessionId(1)),
            message: request(1, "wait"),
            replay_of: None,
        };
        let orders = door.proxy.orders().await;
        orders.send(Order { command, outcome }).await.unwrap();
        let Ok(Reply::Sent { id: Some(id), .. }) = told.await.unwrap() else {
            panic!("not sent");
        };
        // The operator's comes first: the rest must find its way without it.
        let answer = say(format!("[ {ours} ,{theirs}]\r")).await;
        assert_eq!(
            (answer.status(), answer.text()),
            (200, &*format!("[{theirs}]"))
        );
        let all = door.close().await;
        let part = |to: Value, id: &Value| {
            let is_it = |it: &&Value| {
                let ids = it["message"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|it| &it["id"]);
                it["from"] == "server" && it["to"] == to && ids.eq([id])
            };
            let found = all.iter().find(is_it);
            found.unwrap_or_else(|| panic!("nothing to {to}: {all:#?}"))
        };
        let id = serde_json::from_str(&id).unwrap();
        assert!(part(json!("operator"), &id)["exchange"].is_null());
        assert!(part(Value::Null, &json!(7))["exchange"].is_u64());
    });
}

pub fn a_deaf_child_blocks_no_other_session() {
    on(async {
        let door = counter("legacy").await;
        let (deaf, other) = (
            door.session("2025-06-18").await,
            door.session("2025-06-18").await,
        );
        let mut waiting = vec![deaf.stream(request(0, "go deaf")).await];
        for id in 1..20 {
            let long = json!({"jsonrpc": "2.0", "id": id, "method": "x".repeat(100_000)});
            waiting.push(deaf.stream(long.to_string()).await);
        }
        for id in 0..20 {
            assert_eq!(other.post(request(id, "hear")).await.status(), 200);
        }
        let deleted = Client::ask(door.address, "DELETE", "/mcp", &deaf.headers(), "").await;
        assert_eq!(deleted.status(), 204);
        for mut client in waiting {
            let answer = client.answer().await;
            assert!(matches!(answer.status(), 200 | 404), "{}", answer.text());
            assert!(
                answer.text().contains("mcp-sentinel: "),
                "{}",
                answer.text()
            );
        }
    });
}

pub fn a_child_may_open_as_many_files_as_without_us() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let own = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let answer = session.post(request(1, "files")).await.json();
        assert_eq!(answer["result"]["files"], json!(own.current));
    });
}
