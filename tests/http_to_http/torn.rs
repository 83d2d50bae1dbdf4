//! What a server said before it broke off, or packed though asked not to: all of it is on record, and goes where it was
//! to go.

use crate::common::http::{Call, Client, Inside, Upstream};
use crate::operator::{answer_to, sent};
use crate::{ACCEPT, INITIALIZED, before, http, opened};
use serde_json::{Value, json};
use std::io::Write as _;

const IN_SESSION: [(&str, &str); 2] = [ACCEPT, ("mcp-session-id", "s-1")];

/// Answers the operator's call as the script says, and takes everything else.
async fn answering<F, R>(script: F) -> Upstream
where
    F: Fn(Call, Value) -> R + Send + Sync + Copy + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    Upstream::start(move |mut call| async move {
        let message = call.json().await;
        match message["method"].as_str() {
            Some("tools/call") => script(call, message).await,
            _ => call.answer("202 Accepted", &[], "").await.unwrap(),
        }
    })
    .await
}

/// The operator calls something in a client's session; the call's id.
async fn called(proxy: &Inside) -> String {
    Client::post(proxy.address, "/mcp", &IN_SESSION, INITIALIZED).await;
    let session = opened(proxy).await;
    let call = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"x"}}"#;
    sent(proxy, session, call).await
}

/// What of a response is on record as no message.
async fn told(proxy: &Inside, text: &str) {
    let is_it = |record: &Value| (http(record)?["body"]["text"] == text).then_some(());
    proxy.record(text, is_it).await;
}

#[tokio::test]
async fn what_breaks_off_of_an_answer_to_the_operator_is_on_record() {
    const TORN: &str = r#"{"jsonrpc":"2.0","result":{"torn"#;
    const WHOLE: &str = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
    let rest = format!("id: 7\ndata: {TORN}");
    let events = || format!(": beside it\ndata: {WHOLE}\n\nid: 7\ndata: {TORN}");
    let document = answering(|mut call, _| async move {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
        call.send(format!("{head}{TORN}")).await.unwrap();
        call.hang_up();
    });
    let stream = answering(move |mut call, _| async move {
        call.open_stream(&[]).await.unwrap();
        call.chunk(events()).await.unwrap();
        call.hang_up();
    });
    for (upstream, rest, bytes, beside) in [
        (document.await, TORN, TORN.len(), 0),
        (stream.await, &*rest, events().len(), 1),
    ] {
        let proxy = before(&upstream).await;
        called(&proxy).await;
        told(&proxy, rest).await;
        let end = |record: &Value| {
            let end = &http(record)?["end"];
            (end["of"] == "response" && end["broken"].is_string()).then(|| end["bytes"].clone())
        };
        assert_eq!(proxy.record("the end", end).await, bytes);
        let capture = proxy.capture();
        let comments = capture
            .iter()
            .filter(|it| it["http"]["event"]["comment"] == "beside it");
        assert_eq!(comments.count(), beside);
    }
}

#[tokio::test]
async fn an_answer_to_the_operator_that_is_packed_is_read_nevertheless() {
    let upstream = answering(|mut call, message| async move {
        let packed = ("Content-Encoding", "gzip");
        call.open_stream(&[packed]).await.unwrap();
        let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": {}});
        let level = flate2::Compression::fast();
        let mut packing = flate2::write::GzEncoder::new(Vec::new(), level);
        write!(packing, "data: {answer}\n\n").unwrap();
        call.chunk(packing.finish().unwrap()).await.unwrap();
        call.last_chunk().await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let id = called(&proxy).await;
    answer_to(&proxy, &id).await;
}

#[tokio::test]
async fn what_breaks_off_of_a_document_that_is_read_first_goes_on_to_the_client() {
    const TORN: &str = r#"{"resource":"#;
    let upstream = Upstream::start(|mut call| async move {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n";
        call.send(format!("{head}{TORN}")).await.unwrap();
        call.hang_up();
    })
    .await;
    let proxy = before(&upstream).await;
    let mut client = Client::connect(proxy.address).await;
    let target = "/.well-known/oauth-protected-resource";
    client.request("GET", target, &[], "").await.unwrap();
    client.head().await;
    let piece = client.piece().await.unwrap().unwrap();
    assert_eq!(piece, TORN.as_bytes());
    client.rest().await.unwrap_err();
    told(&proxy, TORN).await;
}
