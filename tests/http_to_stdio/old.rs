//! Clients of the old HTTP+SSE transport.

use crate::common::http::Client;
use crate::door::*;
use serde_json::json;

pub fn the_old_transport_is_served_when_it_is_wanted() {
    on(async {
        let door = counter_with("legacy", &["--sse"]).await;
        let mut stream = Client::connect(door.address).await;
        let accept = [("accept", "text/event-stream")];
        stream.request("GET", "/sse", &accept, "").await.unwrap();
        assert_eq!(stream.head().await.status(), 200);
        let endpoint = stream.event().await.unwrap().unwrap();
        assert_eq!(endpoint.name.as_deref(), Some("endpoint"));
        let target = endpoint.data.unwrap();
        assert!(target.starts_with('/'), "{target}");
        let post = async |body: String| Client::post(door.address, &target, &[], body).await;
        assert_eq!(post(initialize("2024-11-05")).await.status(), 202);
        let answer = stream.event().await.unwrap().unwrap();
        assert_eq!(answer.name.as_deref(), Some("message"));
        assert_eq!(answer.json()["result"]["protocolVersion"], "2024-11-05");
        assert_eq!(post(progressing(1, "progress", "t")).await.status(), 202);
        let progress = stream.event().await.unwrap().unwrap().json();
        assert_eq!(progress["method"], "notifications/progress");
        assert_eq!(stream.event().await.unwrap().unwrap().json()["id"], 1);
        let unknown = Client::post(
            door.address,
            "/message?sessionId=x",
            &[],
            request(1, "hear"),
        );
        assert_eq!(unknown.await.status(), 404);
        let wrong = Client::ask(door.address, "PUT", "/sse", &[], "").await;
        assert_eq!(wrong.status(), 405);
        assert_eq!(wrong.head.get("allow"), Some("GET"));
    });
}

pub fn an_old_client_that_leaves_ends_its_child_and_hears_of_its_death() {
    on(async {
        let door = counter_with("legacy", &["--sse"]).await;
        let open = async || {
            let mut stream = Client::connect(door.address).await;
            let accept = [("accept", "text/event-stream")];
            stream.request("GET", "/sse", &accept, "").await.unwrap();
            stream.head().await;
            let target = stream.event().await.unwrap().unwrap().data.unwrap();
            (stream, target)
        };
        let (stream, _) = open().await;
        drop(stream);
        door.recorded(&["\"closed\"", "\"session\":1"]).await;
        let (mut stream, target) = open().await;
        let posted = Client::post(door.address, &target, &[], request(9, "die")).await;
        assert_eq!(posted.status(), 202);
        let told = stream.event().await.unwrap().unwrap().json();
        assert_eq!(
            (&told["id"], &told["error"]["code"]),
            (&json!(9), &json!(-32603))
        );
        assert_eq!(stream.event().await.unwrap(), None);
        let after = Client::post(door.address, &target, &[], request(10, "hear")).await;
        assert_eq!(after.status(), 404);
    });
}

pub fn a_quiet_stream_says_that_it_is_alive() {
    on(async {
        let door = counter("modern").await;
        let mut waiting = door.modern_stream(&plain(1, "wait")).await;
        waiting.head().await;
        let comment = waiting.piece().await.unwrap().unwrap();
        assert!(comment.starts_with(b":") && comment.ends_with(b"\n\n"));
        door.recorded(&["\"comment\""]).await;
        door.modern(&plain(2, "go on")).await;
        let answer = waiting.rest().await.unwrap();
        assert!(answer.starts_with(b"data: {"));
    });
}
