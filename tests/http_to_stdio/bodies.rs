//! What a request must be like, and what a response is like.

use crate::common::http::{Client, chunk};
use crate::door::*;
use serde_json::Value;

pub fn a_pretty_printed_message_reaches_the_server_on_one_line() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-06-18").await;
        let pretty =
            "\u{feff}{\r\n  \"jsonrpc\": \"2.0\",\n  \"id\": 1.0,\n  \"method\": \"hear\"\n}\n";
        let answer = session.post(pretty).await;
        let heard = answer.json()["result"]["line"].clone();
        assert_eq!(
            heard,
            "{    \"jsonrpc\": \"2.0\",   \"id\": 1.0,   \"method\": \"hear\" }"
        );
        assert!(answer.text().contains("\"id\":1.0"));
    });
}

pub fn what_is_no_message_is_refused_as_such() {
    on(async {
        let door = counter("legacy").await;
        for (body, code) in [
            ("{", -32700),
            ("", -32700),
            ("[1]", -32600),
            (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
            ("\"text\"", -32600),
        ] {
            let answer = door.post(&[], body).await;
            assert_eq!(answer.status(), 400, "{body}");
            assert_eq!(answer.json()["error"]["code"], code, "{body}");
            let message = answer.json()["error"]["message"].clone();
            assert!(message.as_str().unwrap().starts_with("mcp-sentinel: "));
        }
    });
}

pub fn what_came_of_a_body_that_is_not_taken_is_on_record() {
    on(async {
        let door = counter_with("legacy", &["--max-body", "1000"]).await;
        let long = "long".repeat(200);
        let pieces = format!("{long}{long}");
        let chunks = [chunk(&long), chunk(&long)].concat();
        let torn = r#"{"torn":"#;
        for (length, sent, came, refused) in [
            (("content-length", "100"), torn.as_bytes(), torn, false),
            (("transfer-encoding", "chunked"), &chunks, &pieces, true),
        ] {
            let mut client = Client::connect(door.address).await;
            let head = [("content-type", "application/json"), length];
            client.request("POST", "/mcp", &head, "").await.unwrap();
            client.send(sent).await.unwrap();
            if refused {
                assert_eq!(client.head().await.status(), 413);
            }
            drop(client);
            let body = |it: &Value| it["http"]["body"]["text"] == came;
            let all = door.proxy.captured(came, |all| all.iter().any(body)).await;
            let exchange = &all.iter().find(|it| body(it)).unwrap()["http"]["exchange"];
            let is_end = |it: &Value| {
                it["http"]["exchange"] == *exchange && it["http"]["end"]["of"] == "request"
            };
            let all = door
                .proxy
                .captured(came, |all| all.iter().any(is_end))
                .await;
            let end = &all.iter().find(|it| is_end(it)).unwrap()["http"]["end"];
            assert_eq!(end["bytes"], came.len());
            assert!(end["broken"].is_string(), "{end}");
        }
    });
}

pub fn what_http_forbids_has_its_status() {
    on(async {
        let door = counter_with("legacy", &["--max-body", "1000"]).await;
        let session = door.session("2025-06-18").await;
        let ask = async |method: &str, path: &str, headers: &[(&str, &str)], body: String| {
            let headers = [headers, &session.headers()].concat();
            let answer = Client::ask(door.address, method, path, &headers, body).await;
            (answer.status(), answer.head.get("allow").map(str::to_owned))
        };
        let json = ("content-type", "application/json");
        let body = || request(1, "hear");
        let allowed = Some("GET, POST, DELETE".to_owned());
        assert_eq!(ask("PUT", "/mcp", &[json], body()).await, (405, allowed));
        assert_eq!(ask("POST", "/elsewhere", &[json], body()).await.0, 404);
        assert_eq!(ask("GET", "/sse", &[], String::new()).await.0, 404);
        assert_eq!(
            ask("POST", "/mcp", &[("content-type", "text/plain")], body())
                .await
                .0,
            415
        );
        assert_eq!(ask("POST", "/mcp", &[], body()).await.0, 415);
        assert_eq!(
            ask("POST", "/mcp", &[json, ("accept", "text/html")], body())
                .await
                .0,
            406
        );
        let accept = ("accept", "application/json");
        assert_eq!(ask("GET", "/mcp", &[accept], String::new()).await.0, 406);
        let long = format!("{}{}", body(), " ".repeat(1000));
        assert_eq!(ask("POST", "/mcp", &[json], long.clone()).await.0, 413);
        let mut chunked = Client::connect(door.address).await;
        let headers = [
            json,
            ("transfer-encoding", "chunked"),
            ("host", "localhost"),
        ];
        let head = crate::common::http::head("POST /mcp HTTP/1.1", &headers);
        chunked.send(head).await.unwrap();
        chunked
            .send(crate::common::http::chunk(long))
            .await
            .unwrap();
        assert_eq!(chunked.head().await.status(), 413);
    });
}

pub fn a_page_that_was_let_in_may_read_the_response() {
    on(async {
        let door = counter("legacy").await;
        let origin = ("origin", "http://localhost:5173");
        let wanted = (
            "access-control-request-headers",
            "content-type, mcp-session-id",
        );
        let asks = [origin, wanted, ("access-control-request-method", "POST")];
        let may = Client::ask(door.address, "OPTIONS", "/mcp", &asks, "").await;
        assert_eq!(may.status(), 204);
        assert_eq!(may.head.get("access-control-allow-origin"), Some(origin.1));
        assert_eq!(may.head.get("access-control-allow-headers"), Some(wanted.1));
        let answer = door.post(&[origin], initialize("2025-06-18")).await;
        assert_eq!(
            answer.head.get("access-control-allow-origin"),
            Some(origin.1)
        );
        let exposed = answer.head.get("access-control-expose-headers");
        assert_eq!(exposed, Some("mcp-session-id"));
    });
}
