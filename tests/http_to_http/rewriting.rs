//! What must not be the same on both sides: addresses, and headers that are ours.

use crate::common::http::{Client, Inside, Upstream};
use crate::{ACCEPT, before, http, note};
use mcp_sentinel::proxy::http_client::{Authorization, Credentials};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[tokio::test]
async fn what_names_the_upstream_names_the_proxy_instead() {
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        let here = format!("http://{}", call.head.get("host").unwrap());
        match call.head.target() {
            "/moved" => {
                let there = format!("{here}/new?a=b");
                call.answer("307 Moved", &[("Location", &there)], "").await.unwrap();
            }
            "/elsewhere" => {
                let there = "https://login.example/authorize?resource=x";
                call.answer("302 Found", &[("Location", there)], "").await.unwrap();
            }
            "/mcp" => {
                let challenge = format!(
                    "Bearer realm=\"x\", resource_metadata=\"{here}/.well-known/oauth-protected-resource/mcp\""
                );
                let headers = [("WWW-Authenticate", &*challenge)];
                call.answer("401 No", &headers, "").await.unwrap();
            }
            "/.well-known/oauth-protected-resource/mcp" => {
                assert_eq!(call.head.get("accept-encoding"), Some("identity"));
                let body = format!(
                    "{{ \"resource\" : \"{here}/mcp\",\n \"authorization_servers\":[\"{here}\"] }}"
                );
                call.answer_json(body).await.unwrap();
            }
            _ => call.answer("404 No", &[], "").await.unwrap(),
        }
    })
    .await;
    let proxy = before(&upstream).await;
    let ask = async |target: &str| {
        let headers = [ACCEPT, ("accept-encoding", "gzip")];
        Client::ask(proxy.address, "GET", target, &headers, "").await
    };
    let moved = ask("/moved").await;
    assert_eq!(moved.head.get("location"), Some(&*proxy.url("/new?a=b")));
    let elsewhere = ask("/elsewhere").await;
    let there = "https://login.example/authorize?resource=x";
    assert_eq!(elsewhere.head.get("location"), Some(there));
    let challenged = ask("/mcp").await;
    let metadata = proxy.url("/.well-known/oauth-protected-resource/mcp");
    assert_eq!(
        challenged.head.get("www-authenticate").unwrap(),
        format!("Bearer realm=\"x\", resource_metadata=\"{metadata}\"")
    );
    let document = ask("/.well-known/oauth-protected-resource/mcp").await;
    let expected = format!(
        "{{ \"resource\" : \"{}\",\n \"authorization_servers\":[\"{}\"] }}",
        proxy.url("/mcp"),
        upstream.url("")
    );
    assert_eq!(document.text(), expected);
    let length = document.head.get("content-length");
    assert_eq!(length, Some(&*expected.len().to_string()));
    proxy
        .record("what was rewritten is on record", |record| {
            let rewritten = &http(record)?["response"]["rewritten"];
            (rewritten[0][0] == "www-authenticate").then_some(())
        })
        .await;
    // A token for an address that is not the server's is refused, and the operator learns why.
    let token = [ACCEPT, ("authorization", "Bearer abc")];
    let refused = Client::ask(proxy.address, "POST", "/mcp", &token, "{}").await;
    assert_eq!(refused.status(), 401);
    note(&proxy, "auth login").await;
}

/// An event of the old transport that names the server itself, as the server packs it on its own account.
fn packed_endpoint(url: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    write!(gzip, "event: endpoint\ndata: {url}\n\n").unwrap();
    gzip.finish().unwrap()
}

#[tokio::test]
async fn a_stream_that_may_be_of_the_old_transport_is_asked_for_as_it_is() {
    let upstream = Upstream::start(|mut call| async move {
        let here = format!("http://{}/messages", call.head.get("host").unwrap());
        let packs = call.head.target() == "/stubborn"
            || call.head.get("accept-encoding") != Some("identity");
        if packs {
            call.open_stream(&[("Content-Encoding", "gzip")])
                .await
                .unwrap();
            call.chunk(packed_endpoint(&here)).await.unwrap();
        } else {
            call.open_stream(&[]).await.unwrap();
            call.chunk(format!("event: endpoint\ndata: {here}\n\n"))
                .await
                .unwrap();
        }
        call.last_chunk().await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let ask = async |target: &str, more: &[(&str, &str)]| {
        let headers = [&[ACCEPT, ("accept-encoding", "gzip, br")], more].concat();
        let answer = Client::ask(proxy.address, "GET", target, &headers, "").await;
        let asked = upstream.seen().pop().unwrap();
        let encoding = asked.head.all("accept-encoding").join(";");
        (encoding, answer)
    };
    let (encoding, old) = ask("/sse", &[]).await;
    assert_eq!(encoding, "identity");
    assert_eq!(old.head.get("content-encoding"), None);
    let here = proxy.url("/messages");
    assert_eq!(old.text(), format!("event: endpoint\ndata: {here}\n\n"));
    proxy
        .record("what was added is on record", |record| {
            let request = &http(record)?["request"];
            let added = &request["added"];
            (added[0][0] == "accept-encoding" && added[0][1] == "identity").then_some(())
        })
        .await;

    // What has a session is no stream of the old transport.
    let packed = packed_endpoint(&upstream.url("/messages"));
    let (encoding, young) = ask("/sse", &[("mcp-session-id", "a")]).await;
    assert_eq!((&*encoding, young.body), ("gzip, br", packed.clone()));
    let is_noted = |record: &serde_json::Value| {
        let text = record["note"].as_str()?;
        text.contains("compressed").then_some(())
    };
    assert!(!proxy.capture().iter().any(|it| is_noted(it).is_some()));

    // Nothing can be done about a server that packs whatever it is asked.
    let (encoding, stubborn) = ask("/stubborn", &[]).await;
    assert_eq!((&*encoding, stubborn.body), ("identity", packed));
    note(&proxy, "though it was asked not to be").await;
}

#[tokio::test]
async fn a_token_that_is_refused_for_the_proxys_address_is_explained() {
    const REFUSED: &str = "{ \"error\" : \"invalid_target\" }";
    let upstream = Upstream::start(|mut call| async move {
        call.body().await;
        let json = [("Content-Type", "application/json")];
        match call.head.target() {
            "/oauth/token" => call.answer("400 No", &json, REFUSED).await.unwrap(),
            "/other/token" => {
                let other = "{\"error\":\"invalid_grant\"}";
                call.answer("400 No", &json, other).await.unwrap();
            }
            target => {
                let there = match target {
                    "/authorize" => "http://localhost:1/back?state=x&error=invalid_target",
                    _ => "http://localhost:1/back?state=x&error=access_denied",
                };
                let headers = [("Location", there)];
                call.answer("302 Found", &headers, "").await.unwrap();
            }
        }
    })
    .await;
    for (method, target, explained) in [
        ("POST", "/oauth/token", true),
        ("GET", "/authorize", true),
        ("POST", "/other/token", false),
        ("GET", "/denied", false),
    ] {
        let proxy = before(&upstream).await;
        let answer = Client::ask(proxy.address, method, target, &[ACCEPT], "a=b").await;
        let expected = ["{\"error\":\"invalid_grant\"}", REFUSED][usize::from(explained)];
        let body = if method == "POST" { expected } else { "" };
        assert_eq!(answer.text(), body, "{target}");
        // Notes come before the end.
        proxy
            .record("the end", |record| {
                (http(record)?["end"]["of"] == "response").then_some(())
            })
            .await;
        let notes: Vec<_> = proxy
            .capture()
            .iter()
            .filter_map(|record| record["note"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(notes.len(), usize::from(explained), "{target}: {notes:?}");
        for note in notes {
            let way_out = format!("mcp-sentinel auth login {}", upstream.url("/mcp"));
            assert!(
                note.contains("invalid_target") && note.ends_with(&way_out),
                "{note}"
            );
        }
    }
}

#[tokio::test]
async fn a_page_of_our_own_origin_is_one_of_the_upstreams_and_every_other_is_itself() {
    let upstream = Upstream::start(|mut call| async move {
        call.answer_json("{}").await.unwrap();
    })
    .await;
    let proxy = before(&upstream).await;
    let (ours, theirs) = (proxy.url(""), upstream.url(""));
    let origins = [
        (&*ours, &*theirs),
        ("http://localhost:1234", "http://localhost:1234"),
    ];
    for (number, (sent, arrives)) in origins.into_iter().enumerate() {
        let headers = [ACCEPT, ("origin", sent)];
        Client::ask(proxy.address, "GET", "/mcp", &headers, "").await;
        let seen = upstream.request(number).await;
        assert_eq!(seen.head.get("origin"), Some(arrives));
    }
}

/// Gives another token whenever one is refused.
#[derive(Debug, Default)]
struct Tokens(AtomicUsize);

impl Credentials for Tokens {
    fn authorization<'a>(&'a self, refused: Option<&'a http::HeaderValue>) -> Authorization<'a> {
        Box::pin(async move {
            let number = match refused {
                Some(_) => self.0.fetch_add(1, Ordering::Relaxed) + 1,
                None => self.0.load(Ordering::Relaxed),
            };
            let token = format!("Bearer token-{number}");
            Ok(Some(http::HeaderValue::try_from(token).unwrap()))
        })
    }
}

#[tokio::test]
async fn a_token_of_ours_that_is_refused_is_replaced_once() {
    let upstream = Upstream::start(|mut call| async move {
        let body = call.body().await;
        match call.head.get("authorization") {
            Some("Bearer token-1") => call.answer_json(body).await.unwrap(),
            _ => call.answer("401 No", &[], "").await.unwrap(),
        }
    })
    .await;
    let url = upstream.url("/mcp");
    let proxy = Inside::with(&url, |origin| {
        origin.credentials = Some(Arc::new(Tokens::default()));
        origin.headers = vec![(
            http::HeaderName::from_static("x-added"),
            http::HeaderValue::from_static("yes"),
        )];
    })
    .await;
    let answer = Client::post(proxy.address, "/mcp", &[("x-added", "no")], "{}").await;
    assert_eq!((answer.status(), answer.text()), (200, "{}"));
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2);
    for seen in &seen {
        assert_eq!(seen.head.all("x-added"), ["yes"]);
        assert_eq!(seen.body, b"{}");
    }
    proxy
        .record("what was added is on record", |record| {
            let added = http(record)?["request"]["added"].as_array()?;
            let names: Vec<&str> = added.iter().filter_map(|it| it[0].as_str()).collect();
            (names == ["x-added", "authorization"]).then_some(())
        })
        .await;
    proxy
        .record("the second request is ours", |record| {
            (http(record)?["request"]["by"] == "sentinel").then_some(())
        })
        .await;
    // The client's own token is the client's affair.
    let own = [("authorization", "Bearer own")];
    let refused = Client::post(proxy.address, "/mcp", &own, "{}").await;
    assert_eq!(refused.status(), 401);
    assert_eq!(upstream.seen().len(), 3);
}

const WANTED: &str = "Bearer error=\"insufficient_scope\", scope=\"files:read it's\"";

/// Has a token that allows too little, until somebody logs in for another.
#[derive(Debug, Default)]
struct Narrow {
    logged_in_again: AtomicBool,
}

impl Credentials for Narrow {
    fn authorization<'a>(&'a self, _: Option<&'a http::HeaderValue>) -> Authorization<'a> {
        let token = http::HeaderValue::from_static("Bearer token-0");
        Box::pin(std::future::ready(Ok(Some(token))))
    }

    fn of_later_login<'a>(&'a self, refused: &'a http::HeaderValue) -> Authorization<'a> {
        assert_eq!(refused, "Bearer token-0");
        let later = self.logged_in_again.load(Ordering::Relaxed);
        let token = later.then_some(http::HeaderValue::from_static("Bearer token-1"));
        Box::pin(std::future::ready(Ok(token)))
    }
}

/// Lets in only the bearer of the other one.
async fn narrow_upstream(challenge: &'static str) -> Upstream {
    Upstream::start(move |mut call| async move {
        let body = call.body().await;
        match call.head.get("authorization") {
            Some("Bearer token-1") => call.answer_json(body).await.unwrap(),
            _ => {
                let headers = [("WWW-Authenticate", challenge)];
                call.answer("403 No", &headers, "not for you")
                    .await
                    .unwrap();
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_scope_that_our_token_lacks_is_named_and_so_is_the_way_to_get_it() {
    let upstream = narrow_upstream(WANTED).await;
    let url = upstream.url("/mcp");
    let narrow = Arc::new(Narrow::default());
    let lent = narrow.clone();
    let proxy = Inside::with(&url, |origin| origin.credentials = Some(lent)).await;
    let answer = Client::post(proxy.address, "/mcp", &[], "{}").await;
    assert_eq!((answer.status(), answer.text()), (403, "not for you"));
    assert_eq!(answer.head.get("www-authenticate"), Some(WANTED));
    let told = note(&proxy, "scope").await;
    assert_eq!(
        told,
        format!(
            "the token of the stored login does not allow this: the server wants the scopes files:read it's; \
             to log in again with more: mcp-sentinel auth login {url} --scope files:read --scope 'it'\\''s'"
        )
    );
    assert_eq!(upstream.seen().len(), 1);
    // Whoever does that needs not start the proxy again.
    narrow.logged_in_again.store(true, Ordering::Relaxed);
    let answer = Client::post(proxy.address, "/mcp", &[], "{}").await;
    assert_eq!((answer.status(), answer.text()), (200, "{}"));
}

#[tokio::test]
async fn a_refusal_that_is_not_about_a_scope_of_ours_is_left_alone() {
    let notes = |proxy: &Inside| {
        let capture = proxy.capture();
        let notes = capture.iter().filter_map(|it| it["note"].as_str());
        notes.map(str::to_owned).collect::<Vec<_>>()
    };
    for (challenge, own) in [
        (WANTED, &[("authorization", "Bearer own")][..]),
        (
            "Bearer error=\"invalid_request\", scope=\"insufficient_scope\"",
            &[],
        ),
    ] {
        let upstream = narrow_upstream(challenge).await;
        let proxy = Inside::with(&upstream.url("/mcp"), |origin| {
            origin.credentials = Some(Arc::new(Narrow::default()));
        })
        .await;
        let answer = Client::post(proxy.address, "/mcp", own, "{}").await;
        assert_eq!(answer.status(), 403);
        proxy
            .record("the end", |record| {
                (http(record)?["end"]["of"] == "response").then_some(())
            })
            .await;
        assert_eq!(notes(&proxy), [""; 0]);
    }
    // A token that the operator has put on by hand is not of a login.
    let upstream = narrow_upstream("Bearer error=insufficient_scope").await;
    let proxy = Inside::with(&upstream.url("/mcp"), |origin| {
        let fixed = http::HeaderValue::from_static("Bearer fixed");
        origin.headers = vec![(http::header::AUTHORIZATION, fixed)];
    })
    .await;
    Client::post(proxy.address, "/mcp", &[], "{}").await;
    let told = note(&proxy, "insufficient_scope").await;
    assert!(told.starts_with("the token that --header brings"), "{told}");
}
