//! What the data path makes of a login.

use super::*;

#[tokio::test]
async fn a_list_gets_in_with_the_stored_login() {
    let (house, oauth) = (House::new(), Oauth::start(Manners::default()).await);
    let url = oauth.url();
    let stranger = run(&house, &["list", url.as_str()]).await;
    stranger.fails(3, &format!("mcp-sentinel auth login {url}"));
    logged_in(&house, &oauth).await;
    let ran = run(&house, &["list", url.as_str()]).await;
    assert!(ran.stdout.contains("open_sesame()"), "{ran:?}");
    // What is on the command line is what the operator wants.
    let other = [
        "list",
        url.as_str(),
        "--header",
        "Authorization: Bearer other",
    ];
    assert_eq!(run(&house, &other).await.code, Some(3));
}

/// What a client on stdin says to get to the tools.
const VISIT: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"tester","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":2,"method":"tools/list"}
"#;

/// A client on stdin that visits the server; what came of it, and the capture.
async fn visit(house: &House, oauth: &Oauth) -> (Ran, String) {
    let input = house.write("visit", VISIT);
    let (capture, url) = (house.path("visit.jsonl"), oauth.url());
    let _ = std::fs::remove_file(&capture);
    let arguments = [
        "--headless",
        "--capture",
        capture.to_str().unwrap(),
        url.as_str(),
    ];
    let mut command = house.command(&arguments);
    command.stdin(std::fs::File::open(input).unwrap());
    let ran = Running::of(command).ended().await;
    (ran, std::fs::read_to_string(capture).unwrap())
}

#[tokio::test]
async fn a_client_on_stdio_gets_in_with_the_stored_login_which_is_nowhere_to_be_seen() {
    let (house, oauth) = (House::new(), Oauth::start(Manners::default()).await);
    logged_in(&house, &oauth).await;
    let (ran, capture) = visit(&house, &oauth).await;
    assert!(ran.stdout.contains("open_sesame"), "{ran:?}");
    assert!(ran.stderr.contains("with the stored login"), "{ran:?}");
    assert!(capture.contains("open_sesame"), "{capture}");
    for text in [&ran.stdout, &ran.stderr, &capture] {
        oauth.keeps_secret_in(text);
    }
}

#[tokio::test]
async fn a_token_that_is_refused_on_the_way_is_renewed_once() {
    let (house, oauth) = (House::new(), Oauth::start(Manners::default()).await);
    logged_in(&house, &oauth).await;
    oauth.revoke_access();
    let (ran, capture) = visit(&house, &oauth).await;
    assert!(ran.stdout.contains("open_sesame"), "{ran:?} {capture}");
    assert_eq!(oauth.renewals(), 1);
    for text in [&ran.stdout, &ran.stderr, &capture] {
        oauth.keeps_secret_in(text);
    }
}

#[tokio::test]
async fn a_client_learns_that_the_login_cannot_be_renewed() {
    let (house, oauth) = (House::new(), Oauth::start(Manners::default()).await);
    logged_in(&house, &oauth).await;
    oauth.revoke_access();
    oauth.behave(|it| it.renews = false);
    let (ran, capture) = visit(&house, &oauth).await;
    let advice = format!("mcp-sentinel auth login {}", oauth.url());
    assert!(ran.stdout.contains(&advice), "{ran:?}");
    assert!(capture.contains(&advice), "{capture}");
}

/// The proxy with a listener, and where its clients connect.
async fn listening(house: &House, oauth: &Oauth) -> (Running, Url) {
    let url = oauth.url();
    let capture = house.path("visit.jsonl");
    let capture = ["--capture", capture.to_str().unwrap()];
    let listen = ["--headless", "--listen", "127.0.0.1:0", url.as_str()];
    let mut proxy = Running::start(house, &[&listen[..], &capture].concat());
    let listener: Url = proxy.address().await.parse().unwrap();
    (proxy, listener.join("/mcp").unwrap())
}

async fn tools(url: &Url, headers: &[(&str, &str)]) -> Answer {
    let address = url.socket_addrs(|| None).unwrap()[0];
    let request = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    Client::post(address, url.path(), headers, request).await
}

#[tokio::test]
async fn a_client_over_http_gets_in_with_the_stored_login() {
    let (house, oauth) = (House::new(), Oauth::start(Manners::default()).await);
    logged_in(&house, &oauth).await;
    let (proxy, url) = listening(&house, &oauth).await;
    assert!(tools(&url, &[]).await.text().contains("open_sesame"));
    oauth.revoke_access();
    assert!(tools(&url, &[]).await.text().contains("open_sesame"));
    assert_eq!(oauth.renewals(), 1);
    // A client that brings its own is heard and not helped.
    let own = tools(&url, &[("Authorization", "Bearer own")]).await;
    assert_eq!(own.status(), 401);
    assert_eq!(oauth.renewals(), 1);
    proxy.signal(Signal::TERM);
    let ran = proxy.ended().await;
    oauth.keeps_secret_in(&ran.stderr);
    oauth.keeps_secret_in(&std::fs::read_to_string(house.path("visit.jsonl")).unwrap());
}

#[tokio::test]
async fn rmcps_client_logs_in_through_the_proxy_by_itself() {
    let oauth = Oauth::start(Manners {
        checks_resource: false,
        ..Manners::default()
    })
    .await;
    let house = House::new();
    let (proxy, url) = listening(&house, &oauth).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut state = OAuthState::new(url.clone(), Some(http.clone()))
        .await
        .unwrap();
    let request = AuthorizationRequest::new("http://127.0.0.1:1/callback");
    within("rmcp finds the way", state.start_authorization(request))
        .await
        .unwrap();
    let authorization = state.get_authorization_url().await.unwrap();
    assert!(
        authorization.starts_with(&oauth.issuer()),
        "{authorization}"
    );
    let back = redirect(&authorization.parse().unwrap()).await;
    state.handle_callback_url(back.as_str()).await.unwrap();
    let manager = state.into_authorization_manager().unwrap();
    let config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
    let http = AuthClient::new(http, manager);
    let transport = StreamableHttpClientTransport::with_client(http, config);
    let client = sdk::connect_over(transport, sdk::Era::Legacy).await;
    let tools = within("the tools", client.list_tools(None)).await.unwrap();
    assert_eq!(tools.tools[0].name, "open_sesame");
    drop(client);
    proxy.signal(Signal::TERM);
    let ran = proxy.ended().await;
    oauth.keeps_secret_in(&ran.stderr);
    oauth.keeps_secret_in(&std::fs::read_to_string(house.path("visit.jsonl")).unwrap());
}
