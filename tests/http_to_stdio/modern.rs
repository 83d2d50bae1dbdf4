//! Clients of the modern era on the one shared child.

use crate::common::http::{Client, within};
use crate::door::*;
use serde_json::{Value, json};
use std::time::Duration;

pub fn a_modern_answer_has_the_status_of_its_error() {
    on(async {
        let door = counter("modern").await;
        prove(&door).await;
        for (code, status) in [
            (-32020, 400),
            (-32021, 400),
            (-32022, 400),
            (-32601, 404),
            (-32602, 200),
            (-32603, 200),
            (5, 200),
        ] {
            let body = modern(2, "error", json!({"code": code}), json!({}));
            let answer = door.modern_json(&body).await;
            assert_eq!(answer.status(), status, "{code}");
            assert_eq!(answer.json()["error"]["message"], "as you say");
        }
        let bare =
            json!({"jsonrpc": "2.0", "id": 3, "method": "error", "params": {"code": -32602}});
        let version = [("mcp-protocol-version", "2026-07-28")];
        let bare = door.post_json(&version, bare.to_string()).await;
        assert_eq!(bare.status(), 400);
        let nameless = door.modern(&plain(4, "error without an id")).await;
        assert_eq!(nameless.json()["error"]["message"], "what?");
    });
}

pub fn a_server_of_the_legacy_era_is_not_taken_for_a_modern_one() {
    on(async {
        let door = counter("legacy").await;
        let answer = door.modern(&plain(1, "server/discover")).await;
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.json()["error"]["code"], -32601);
        assert_eq!(
            answer.json()["error"]["data"],
            Value::Null,
            "it is the server's own"
        );
        let body = modern(2, "error", json!({"code": -32601}), json!({}));
        assert_eq!(door.modern_json(&body).await.status(), 400);
        assert_eq!(
            door.session("2025-11-25")
                .await
                .post(request(1, "hear"))
                .await
                .status(),
            200
        );
    });
}

pub fn a_server_that_is_silent_when_probed_is_no_modern_one() {
    on(async {
        let door = counter("silent").await;
        let answer = door.modern(&plain(1, "server/discover")).await;
        assert_eq!((answer.status(), answer.text()), (400, ""));
    });
}

pub fn a_server_that_starts_slowly_is_asked_as_long_as_it_takes() {
    on(async {
        let door = counter("slow").await;
        let answer = door.modern(&plain(1, "server/discover")).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(
            answer.json()["result"]["supportedVersions"][0],
            "2026-07-28"
        );
    });
}

pub fn a_server_that_dies_of_the_probe_is_no_modern_one() {
    on(async {
        let door = counter("legacy").await;
        let died = door.modern_json(&plain(1, "die")).await;
        assert_eq!(died.status(), 400);
        assert_eq!(died.json()["error"]["data"]["sentinel"], true);
    });
}

pub fn a_modern_stream_has_no_ids_and_no_session() {
    on(async {
        let door = counter("modern").await;
        let body = modern(1, "progress", json!({}), json!({"progressToken": "t"}));
        let mut headers = modern_headers(&body);
        headers.push(("mcp-session-id", "stray".into()));
        headers.push(("last-event-id", "1-1".into()));
        let answer = door.post(&borrowed(&headers), body.to_string()).await;
        assert_eq!(answer.head.get("content-type"), Some("text/event-stream"));
        assert_eq!(answer.head.get("mcp-session-id"), None);
        let events = answer.events();
        assert_eq!(events.len(), 2);
        assert!(
            events
                .iter()
                .all(|it| it.id.is_none() && it.retry.is_none())
        );
        let mut silent = door.modern_stream(&plain(2, "wait")).await;
        let head = silent.head().await;
        assert_eq!(
            (head.status(), head.get("x-accel-buffering")),
            (200, Some("no"))
        );
        door.modern(&plain(3, "go on")).await;
        assert_eq!(silent.event().await.unwrap().unwrap().json()["id"], 2);
        assert_eq!(silent.event().await.unwrap(), None);
    });
}

pub fn headers_that_contradict_the_body_are_refused() {
    on(async {
        let door = counter("modern").await;
        let body = plain("a", "hear");
        for headers in [
            // Whoever reads only one of them must not read another than the server.
            vec![
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "hear"),
                ("mcp-method", "other"),
            ],
            vec![("mcp-method", "hear")],
            vec![("mcp-protocol-version", "2026-07-28")],
            vec![
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "other"),
            ],
            vec![
                ("mcp-protocol-version", "2099-01-01"),
                ("mcp-method", "hear"),
            ],
        ] {
            let answer = door.post(&headers, body.to_string()).await;
            assert_eq!(answer.status(), 400, "{headers:?}");
            let error = answer.json();
            assert_eq!(
                (&error["id"], &error["error"]["code"]),
                (&json!("a"), &json!(-32020))
            );
        }
        assert_eq!(door.modern(&body).await.status(), 200);
    });
}

pub fn a_lenient_proxy_only_notes_them() {
    on(async {
        let door = counter_with("modern", &["--lenient"]).await;
        assert_eq!(
            door.post(&[], plain("a", "hear").to_string())
                .await
                .status(),
            200
        );
        door.recorded(&["\"note\"", "mcp-protocol-version is missing"])
            .await;
    });
}

pub fn parameters_that_a_tool_wants_in_headers_are_checked_once_it_is_known() {
    on(async {
        let door = counter("modern").await;
        let params = json!({"name": "weather", "arguments": {"region": "north"}});
        let call = modern(1, "tools/call", params, json!({}));
        assert_eq!(
            door.modern(&call).await.status(),
            200,
            "its schema was not seen yet"
        );
        assert_eq!(door.modern(&plain(2, "tools/list")).await.status(), 200);
        let refused = door.modern(&call).await;
        assert_eq!(refused.status(), 400);
        assert_eq!(refused.json()["error"]["code"], -32020);
        let mut headers = modern_headers(&call);
        headers.push(("mcp-param-region", "north".into()));
        let answer = door.post(&borrowed(&headers), call.to_string()).await;
        assert_eq!(answer.status(), 200);
    });
}

pub fn modern_bodies_are_one_request_or_one_notification() {
    on(async {
        let door = counter("modern").await;
        let version = [("mcp-protocol-version", "2026-07-28")];
        let batch = Value::from(vec![plain(1, "hear")]).to_string();
        assert_eq!(door.post(&version, batch).await.status(), 400);
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        assert_eq!(door.post(&version, answer).await.status(), 400);
        let notification = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
        assert_eq!(door.post(&version, notification).await.status(), 202);
        // What earlier versions knew counts for nothing.
        let stray = [version[0], ("mcp-session-id", "nobody")];
        assert_eq!(door.post(&stray, notification).await.status(), 202);
        for method in ["GET", "DELETE"] {
            let accept = ("accept", "text/event-stream");
            for headers in [&[version[0], accept][..], &[version[0], accept, stray[1]]] {
                let answer = Client::ask(door.address, method, "/mcp", headers, "").await;
                assert_eq!(answer.status(), 405, "{method}");
                assert_eq!(answer.head.get("allow"), Some("POST"));
            }
        }
    });
}

pub fn clients_that_use_the_same_ids_and_tokens_get_their_own_answers() {
    on(async {
        let door = counter("modern").await;
        prove(&door).await;
        let mut first = door
            .modern_stream(&modern(1, "wait", json!({}), json!({"progressToken": 1})))
            .await;
        first.head().await;
        let body = modern(1, "progress", json!({}), json!({"progressToken": 1}));
        let events = door.modern(&body).await.events();
        assert_eq!(events[0].json()["params"]["progressToken"], 1);
        assert_eq!(events[1].json()["id"], 1);
        let heard = door.modern(&plain(1, "hear")).await.json();
        assert_eq!(heard["id"], 1);
        let line: Value = serde_json::from_str(heard["result"]["line"].as_str().unwrap()).unwrap();
        assert_ne!(line["id"], 1, "the server knows it by another");
        door.modern(&plain(2, "go on")).await;
        let answer = first.event().await.unwrap().unwrap().json();
        assert_eq!(
            (&answer["id"], &answer["result"]["waited"]),
            (&json!(1), &json!(true))
        );
        let all = door.close().await;
        let notes = all.iter().filter_map(|it| it["note"].as_str());
        let rewritten = notes.filter(|it| it.starts_with("rewritten")).count();
        assert_eq!(rewritten, 2);
        let verbatim = |it: &Value| {
            it["from"] == "server" && it["message"]["id"].to_string().contains("mcps-")
        };
        assert_eq!(all.iter().filter(|it| verbatim(it)).count(), 2);
    });
}

pub fn a_modern_client_that_leaves_cancels_and_a_posted_cancel_does_not() {
    on(async {
        let door = counter("modern").await;
        let mut leaving = door.modern_stream(&plain("gone", "wait")).await;
        leaving.head().await;
        let posted = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "gone"}
        });
        let version = [("mcp-protocol-version", "2026-07-28")];
        assert_eq!(door.post(&version, posted.to_string()).await.status(), 202);
        drop(leaving);
        door.recorded(&["\"from\":\"server\"", "\"late\":true"])
            .await;
        let again = door.modern(&plain("gone", "hear")).await.json();
        assert_eq!(again["id"], "gone");
        let all = door.close().await;
        let cancels: Vec<&Value> = all
            .iter()
            .filter(|it| it["message"]["method"] == "notifications/cancelled")
            .collect();
        assert_eq!(cancels.len(), 2, "{cancels:#?}");
        assert_eq!(cancels[1]["from"], "sentinel");
        assert_eq!(cancels[1]["message"]["params"]["requestId"], "gone");
        let late = all
            .iter()
            .filter(|it| it["message"]["result"]["late"] == true);
        let late: Vec<&Value> = late.collect();
        assert_eq!((late.len(), &late[0]["exchange"]), (1, &Value::Null));
    });
}

pub fn a_subscription_gets_its_own_changes_and_nothing_else_does() {
    on(async {
        let door = counter("modern").await;
        let listen = plain(7, "subscriptions/listen");
        let (mut one, mut other) = (
            door.modern_stream(&listen).await,
            door.modern_stream(&listen).await,
        );
        const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
        for stream in [&mut one, &mut other] {
            stream.head().await;
            let first = stream.event().await.unwrap().unwrap().json();
            assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
            assert_eq!(first["params"]["_meta"][SUBSCRIPTION], 7);
        }
        let changed = door.modern(&plain(8, "change")).await;
        assert_eq!(changed.json()["id"], 8, "and nothing besides");
        door.recorded(&["names no subscription"]).await;
        door.modern(&plain(9, "close up")).await;
        for stream in [&mut one, &mut other] {
            let change = stream.event().await.unwrap().unwrap().json();
            assert_eq!(change["params"]["_meta"][SUBSCRIPTION], 7);
            let end = stream.event().await.unwrap().unwrap().json();
            assert_eq!(
                (&end["id"], &end["result"]["_meta"][SUBSCRIPTION]),
                (&json!(7), &json!(7))
            );
            assert_eq!(stream.event().await.unwrap(), None);
        }
    });
}

pub fn log_messages_go_to_the_newest_request_that_wants_them() {
    on(async {
        let door = counter("modern").await;
        let wants = json!({"io.modelcontextprotocol/logLevel": "info"});
        let mut older = door
            .modern_stream(&modern(1, "wait", json!({}), wants.clone()))
            .await;
        older.head().await;
        let silent = door
            .modern(&modern(2, "log", json!({"data": "first"}), json!({})))
            .await;
        assert_eq!(silent.json()["id"], 2, "and nothing besides");
        assert_eq!(
            older.event().await.unwrap().unwrap().json()["params"]["data"],
            "first"
        );
        let newest = door
            .modern(&modern(3, "log", json!({"data": "second"}), wants))
            .await;
        assert_eq!(newest.events()[0].json()["params"]["data"], "second");
        door.recorded(&["\"note\"", "is ambiguous"]).await;
        door.modern(&plain(4, "go on")).await;
        older.event().await.unwrap();
        door.modern(&modern(5, "log", json!({"data": "third"}), json!({})))
            .await;
        door.recorded(&["no request under way has asked for log messages"])
            .await;
    });
}

pub fn log_messages_go_past_a_request_whose_client_takes_no_stream() {
    on(async {
        let door = counter("modern").await;
        let wants = json!({"io.modelcontextprotocol/logLevel": "info"});
        let mut older = door
            .modern_stream(&modern(1, "wait", json!({}), wants.clone()))
            .await;
        older.head().await;
        let body = modern(2, "log", json!({"data": "said"}), wants);
        assert_eq!(door.modern_json(&body).await.json()["id"], 2);
        let said = older.event().await.unwrap().unwrap().json();
        assert_eq!(said["params"]["data"], "said");
    });
}

pub fn a_server_that_asks_in_the_modern_era_is_told_that_nobody_answers() {
    on(async {
        let door = counter("modern").await;
        let answer = door.modern(&plain(1, "ask")).await;
        let heard = answer.json()["result"]["heard"].clone();
        assert_eq!(
            (&heard["id"], &heard["error"]["code"]),
            (&json!("s1"), &json!(-32603))
        );
        door.recorded(&["\"from\":\"sentinel\"", "\"id\":\"s1\""])
            .await;
    });
}

pub fn a_modern_child_that_died_is_started_again() {
    on(async {
        let door = counter("modern").await;
        prove(&door).await;
        let mut waiting = door.modern_stream(&plain(1, "wait")).await;
        waiting.head().await;
        let before = door.modern(&plain(2, "hear")).await.json()["result"]["pid"].clone();
        let died = door.modern(&plain(3, "die")).await;
        assert_eq!(died.status(), 200);
        assert_eq!(died.json()["error"]["data"]["sentinel"], true);
        let told = waiting.event().await.unwrap().unwrap().json();
        assert_eq!(
            (&told["id"], &told["error"]["code"]),
            (&json!(1), &json!(-32603))
        );
        assert_eq!(waiting.event().await.unwrap(), None);
        let after = door.modern(&plain(4, "hear")).await.json()["result"]["pid"].clone();
        assert_ne!(before, after);
    });
}

pub fn a_client_that_does_not_read_is_broken_off_and_stops_nobody() {
    on(async {
        let door = counter("modern").await;
        let flood = modern(
            1,
            "flood",
            json!({"count": 20_000}),
            json!({"progressToken": 1}),
        );
        let mut stuck = door.modern_stream(&flood).await;
        stuck.head().await;
        // Answered behind the flood, which it could only be when that stands in nobody's way.
        assert_eq!(door.modern(&plain(2, "hear")).await.status(), 200);
        door.recorded(&["the client did not read"]).await;
        assert!(
            stuck.rest().await.is_err(),
            "it sees that its stream was not whole"
        );
        door.recorded(&["notifications/cancelled"]).await;
    });
}

pub fn nobody_waits_for_a_client_that_reads_slowly() {
    const COUNT: usize = 30_000;
    on(async {
        let door = counter("modern").await;
        let _listening = door.modern_stream(&plain("listen", "wait")).await;
        let (count, token) = (json!({"count": COUNT}), json!({"progressToken": 1}));
        let flood = modern(1, "flood", count, token);
        let slow = Client::connect_taking(door.address, 1 << 15).await;
        let mut slow = door.modern_stream_on(slow, &flood).await;
        slow.head().await;
        // Slower than the server by far, and never still for as long as one that reads nothing.
        let reading = tokio::spawn(async move {
            loop {
                match slow.piece().await {
                    Ok(Some(_)) => tokio::time::sleep(Duration::from_millis(60)).await,
                    end => return end,
                }
            }
        });
        assert_eq!(door.modern(&plain(2, "hear")).await.status(), 200);
        let end = within("the end of what the slow one gets", reading).await;
        assert!(
            end.unwrap().is_err(),
            "it sees that its stream was not whole"
        );
        door.recorded(&["\"note\"", "was broken off", "did not read"])
            .await;
        let said = |it: &&Value| it["message"]["method"] == "notifications/progress";
        let all = door.close().await;
        assert_eq!(all.iter().filter(said).count(), COUNT, "all is on record");
    });
}

pub fn an_answer_of_a_hundred_megabytes_passes_while_others_are_served() {
    const BYTES: usize = 100_000_000;
    on(async {
        let door = counter("modern").await;
        let _listening = door.modern_stream(&plain("listen", "wait")).await;
        let (bytes, token) = (json!({"bytes": BYTES}), json!({"progressToken": 1}));
        let mut big = door.modern_stream(&modern(1, "grow", bytes, token)).await;
        let head = big.head().await;
        assert_eq!(head.get("content-type"), Some("text/event-stream"));
        let (served, body) = tokio::join!(
            async {
                for id in 2..50 {
                    assert_eq!(door.modern(&plain(id, "hear")).await.status(), 200);
                }
            },
            big.rest()
        );
        let ((), body) = (served, body.unwrap());
        assert!(body.len() > BYTES && body.ends_with(b"}}\n\n"));
    });
}
