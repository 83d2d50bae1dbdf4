//! The HTTP end towards servers: whom it trusts over TLS, and what it says when there is no way there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use http::{Extensions, HeaderMap, Method};
use http_body_util::BodyExt as _;
use mcp_sentinel::proxy::http_client::{
    Client, Origin, Outgoing, OutgoingBody, UpstreamBody, in_words,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Barrier, Notify};
use tokio::task::JoinSet;

/// Signed by itself, for 127.0.0.1 and sentinel.test, valid until 2099.
const CERTIFICATE: &[u8] = include_bytes!("fixtures/tls/cert.pem");
const KEY: &[u8] = include_bytes!("fixtures/tls/key.pem");

/// A server over TLS, for as long as the test runs, which answers every connection's first request with `response`.
fn server(response: &'static str) -> SocketAddr {
    // A second call finds the provider installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut connection = ServerConnection::new(config.clone()).unwrap();
            let mut tls = Stream::new(&mut connection, &mut stream);
            let (mut head, mut byte) = (Vec::new(), [0]);
            // A client that does not trust us hangs up instead.
            while !head.ends_with(b"\r\n\r\n") && tls.read(&mut byte).is_ok_and(|read| read > 0) {
                head.push(byte[0]);
            }
            if head.ends_with(b"\r\n\r\n") {
                tls.write_all(response.as_bytes()).unwrap();
                tls.conn.send_close_notify();
                tls.flush().unwrap();
            }
        }
    });
    address
}

async fn ask(
    url: &str,
    change: impl FnOnce(&mut Origin),
) -> Result<http::Response<UpstreamBody>, String> {
    let mut origin = Origin::at(url.parse().unwrap());
    change(&mut origin);
    let client = Client::new(Arc::new(origin)).map_err(|error| error.to_string())?;
    let request = Outgoing {
        method: Method::GET,
        target: "/mcp?key=s3cret".to_owned(),
        headers: HeaderMap::new(),
        extensions: Extensions::new(),
        body: OutgoingBody::default(),
    };
    client.send(request).await.map_err(|error| in_words(&error))
}

async fn text(response: http::Response<UpstreamBody>) -> String {
    let body = response.into_body().collect().await.unwrap();
    String::from_utf8(body.to_bytes().into()).unwrap()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_with_the_way_out() {
    let url = format!("https://{}/mcp", server(OK));
    let refused = ask(&url, |_| {}).await.unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
    assert!(
        refused.ends_with("--cacert FILE trusts another issuer"),
        "{refused}"
    );
    assert!(!refused.contains("s3cret"), "{refused}");
}

#[tokio::test]
async fn a_certificate_is_trusted_when_it_is_given_and_for_its_own_names_only() {
    let address = server(OK);
    let trusting = |origin: &mut Origin| origin.cacert = Some(CERTIFICATE.to_vec());
    let answer = ask(&format!("https://{address}/mcp"), trusting)
        .await
        .unwrap();
    assert_eq!(text(answer).await, "ok");
    let other = format!("https://localhost:{}/mcp", address.port());
    let refused = ask(&other, trusting).await.unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
}

#[tokio::test]
async fn without_verification_anybody_is_trusted() {
    let url = format!("https://localhost:{}/mcp", server(OK).port());
    let answer = ask(&url, |origin| origin.insecure = true).await.unwrap();
    assert_eq!(text(answer).await, "ok");
}

#[tokio::test]
async fn certificates_that_are_none_are_refused_before_anything_is_sent() {
    let garbage = |origin: &mut Origin| {
        origin.cacert =
            Some(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_vec());
    };
    let refused = ask("https://127.0.0.1:9/mcp", garbage).await.unwrap_err();
    assert!(
        refused.starts_with("cannot set up the HTTP client: "),
        "{refused}"
    );
}

#[tokio::test]
async fn no_redirect_is_followed_and_nothing_is_decompressed() {
    const MOVED: &str = "HTTP/1.1 307 Temporary Redirect\r\nLocation: /other\r\n\
        Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone";
    let url = format!("https://{}/mcp", server(MOVED));
    let answer = ask(&url, |origin| origin.insecure = true).await.unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(text(answer).await, "none");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_in_one_sentence() {
    // Bound, so that nobody else gets it, and without a listener.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = nobody.local_addr().unwrap();
    let refused = ask(&format!("http://{address}/mcp"), |_| {})
        .await
        .unwrap_err();
    assert!(refused.starts_with("Connection refused"), "{refused}");
    // Where the environment names a proxy server, that is asked instead.
    let elsewhere = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
    if elsewhere.iter().all(|it| std::env::var_os(it).is_none()) {
        let unknown = ask("http://no-such-host.invalid/mcp", |_| {})
            .await
            .unwrap_err();
        assert!(unknown.starts_with("dns error"), "{unknown}");
    }
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = deaf.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    });
    let secure = ask(&format!("https://{address}/mcp"), |_| {})
        .await
        .unwrap_err();
    assert!(secure.ends_with("plain http:// there"), "{secure}");
    let plain = ask(&format!("http://{}/mcp", server(OK)), |_| {})
        .await
        .unwrap_err();
    assert!(!plain.contains("s3cret"), "{plain}");
}

/// Answers every request, `together` at first not before they are all there; on `close` hangs up on all who are connected.
async fn hang_up_on_many(
    listener: tokio::net::TcpListener,
    together: usize,
    close: Arc<Notify>,
    closed: Arc<Barrier>,
) {
    let all_here = Arc::new(Barrier::new(together));
    for number in 0.. {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (all_here, close, closed) = (all_here.clone(), close.clone(), closed.clone());
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut head).await.unwrap() > 0);
            }
            if number < together {
                all_here.wait().await;
            }
            let closing = close.notified();
            stream.write_all(OK.as_bytes()).await.unwrap();
            closing.await;
            drop(stream);
            closed.wait().await;
        });
    }
}

#[tokio::test]
async fn many_kept_connections_that_the_server_closed_hold_no_request_up() {
    const MANY: usize = 300;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let (close, closed) = (Arc::new(Notify::new()), Arc::new(Barrier::new(MANY + 1)));
    tokio::spawn(hang_up_on_many(
        listener,
        MANY,
        close.clone(),
        closed.clone(),
    ));
    let client = Client::new(Arc::new(Origin::at(url.parse().unwrap()))).unwrap();
    let ask = || {
        let client = client.clone();
        async move {
            let request = Outgoing {
                method: Method::GET,
                target: "/mcp".to_owned(),
                headers: HeaderMap::new(),
                extensions: Extensions::new(),
                body: OutgoingBody::default(),
            };
            text(client.send(request).await.unwrap()).await
        }
    };
    let mut asking = JoinSet::new();
    for _ in 0..MANY {
        asking.spawn(ask());
    }
    while let Some(answer) = asking.join_next().await {
        assert_eq!(answer.unwrap(), "ok");
    }
    close.notify_waiters();
    closed.wait().await;
    // The runtime looks at its sockets while nobody has anything to do.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let again = tokio::time::timeout(Duration::from_secs(300), ask());
    assert_eq!(again.await.expect("an answer"), "ok");
}
