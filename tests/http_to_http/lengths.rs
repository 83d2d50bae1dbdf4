//! What servers say of how long a message is and what they speak, where that is odd.

use crate::before;
use crate::common::http::{Client, Upstream};

#[tokio::test]
async fn a_length_beside_chunks_says_nothing_and_does_not_pass() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        let both = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        call.send(both).await.unwrap();
        for chunk in ["so", " many more", ""] {
            call.chunk(chunk).await.unwrap();
        }
    })
    .await;
    let proxy = before(&upstream).await;
    let answer = Client::ask(proxy.address, "GET", "/mcp", &[], "").await;
    assert_eq!((answer.status(), answer.text()), (200, "so many more"));
    assert_eq!(answer.head.get("content-length"), None);
}

#[tokio::test]
async fn a_server_of_http_1_0_gets_every_request_as_it_is() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        let kept = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok";
        call.send(kept).await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let chunked = [("transfer-encoding", "chunked")];
    let body = "6\r\nchunks\r\n0\r\n\r\n";
    for number in 0..3 {
        let mut client = Client::connect(proxy.address).await;
        client.request("POST", "/mcp", &chunked, "").await.unwrap();
        client.send(body).await.unwrap();
        assert_eq!(client.answer().await.text(), "ok");
        let seen = upstream.request(number).await;
        assert_eq!(seen.head.line, "POST /mcp HTTP/1.1");
        assert_eq!(seen.text(), "chunks");
    }
}
