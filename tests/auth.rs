//! Logging in by OAuth, and what the data path makes of it, against an authorization server in this process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;
mod house;
mod oauth;

use common::http::{Answer, Client, sdk, until, within};
use house::{House, Ran, mode};
use http::HeaderValue;
use mcp_sentinel::auth::store::Store;
use mcp_sentinel::auth::{Bearer, Trust};
use mcp_sentinel::proxy::http_client::Credentials as _;
use oauth::{Manners, Oauth, browse, redirect};
use reqwest::Url;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};

/// The program at work, and what it has said on stderr.
struct Running {
    process: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    fn start(house: &House, arguments: &[&str]) -> Self {
        Self::of(house.command(arguments))
    }

    fn of(command: std::process::Command) -> Self {
        let mut process = Command::from(command)
            .env("OAUTH_SECRET", "s3cret")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        Self {
            process,
            stderr,
            said: String::new(),
        }
    }

    /// `auth login`, which prints where to go.
    fn login(house: &House, oauth: &Oauth, options: &[&str]) -> Self {
        let url = oauth.url();
        let arguments = [&["auth", "login", url.as_str(), "--no-browser"], options].concat();
        Self::start(house, &arguments)
    }

    /// The first address on stderr.
    async fn address(&mut self) -> String {
        let reading = async {
            loop {
                let mut line = String::new();
                let read = self.stderr.read_line(&mut line).await.unwrap();
                self.said.push_str(&line);
                assert!(read > 0, "no address: {}", self.said);
                if let Some(word) = line.split_whitespace().find(|it| it.starts_with("http")) {
                    return word.to_owned();
                }
            }
        };
        within("an address", reading).await
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().unwrap().cast_signed());
        kill_process(pid.unwrap(), signal).unwrap();
    }

    async fn ended(mut self) -> Ran {
        let ending = async {
            self.stderr.read_to_string(&mut self.said).await.unwrap();
            self.process.wait_with_output().await.unwrap()
        };
        let Output { status, stdout, .. } = within("it ends", ending).await;
        Ran {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: self.said,
        }
    }
}

/// A login whose user opens the page; the last page, and how it ended.
async fn login(house: &House, oauth: &Oauth, options: &[&str]) -> (String, Ran) {
    let mut login = Running::login(house, oauth, options);
    let page = browse(&login.address().await).await;
    (page, login.ended().await)
}

async fn logged_in(house: &House, oauth: &Oauth) {
    let (page, ran) = login(house, oauth, &[]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(page.contains("is logged in"), "{page}");
}

async fn run(house: &House, arguments: &[&str]) -> Ran {
    Running::start(house, arguments).ended().await
}

fn logins(house: &House) -> PathBuf {
    house.path("state/mcp-sentinel/auth")
}

/// The file of the only login.
fn kept(house: &House) -> PathBuf {
    let files = logins(house).read_dir().unwrap();
    let mut files = files.map(|it| it.unwrap().path());
    files.find(|it| it.extension().unwrap() == "json").unwrap()
}

// Logging in

#[tokio::test]
async fn a_login_goes_through_the_browser_and_is_kept_for_this_user_alone() {
    let oauth = Oauth::start(Manners {
        lifetime: 150_000,
        ..Manners::default()
    })
    .await;
    let house = House::new();
    let (page, ran) = login(&house, &oauth, &[]).await;
    assert!(page.contains("MCP Sentinel is logged in"), "{page}");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stdout, "");
    let last = ran.stderr.lines().last().unwrap();
    let expected = format!(
        "mcp-sentinel: logged in to {} · at {}",
        oauth.url(),
        oauth.issuer()
    );
    assert!(last.starts_with(&expected), "{last}");
    oauth.keeps_secret_in(&ran.stderr);
    // What was asked for is what the challenge says, for this server.
    let asked = &oauth.asked("/authorize")[0];
    assert_eq!(asked["scope"], "read");
    assert_eq!(asked["resource"], oauth.url().as_str());
    assert_eq!(oauth.asked("/token")[0]["resource"], oauth.url().as_str());
    assert_eq!(mode(&logins(&house)), 0o700);
    assert_eq!(mode(&kept(&house)), 0o600);
    let status = run(&house, &["auth", "status"]).await;
    assert!(
        status
            .stdout
            .contains("read · expires in 41 h, renewed by itself"),
        "{status:?}"
    );
    oauth.keeps_secret_in(&status.stdout);
}

#[tokio::test]
async fn scopes_that_are_named_are_asked_for() {
    let (house, oauth) = (House::new(), Oauth::start(Manners::default()).await);
    let options = ["--scope", "write", "--scope", "admin"];
    login(&house, &oauth, &options).await;
    assert_eq!(oauth.asked("/authorize")[0]["scope"], "write admin");
    // The new login takes the old one's place, and allows no less.
    login(&house, &oauth, &["--scope", "read", "--scope", "write"]).await;
    assert_eq!(oauth.asked("/authorize")[1]["scope"], "write admin read");
}

#[tokio::test]
async fn the_browser_comes_back_to_the_port_that_is_named() {
    let (house, oauth) = (House::new(), Oauth::start(Manners::default()).await);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let options = ["--redirect-port", &port];
    let ran = Running::login(&house, &oauth, &options).ended().await;
    ran.fails(1, "--redirect-port takes another port");
    drop(taken);
    login(&house, &oauth, &options).await;
    let expected = format!("http://127.0.0.1:{port}/callback");
    assert_eq!(oauth.asked("/authorize")[0]["redirect_uri"], expected);
}

#[tokio::test]
async fn a_client_that_was_registered_by_hand_proves_itself_with_its_secret() {
    let oauth = Oauth::start(Manners {
        registers: false,
        known: Some(("by-hand", "s3cret")),
        ..Manners::default()
    })
    .await;
    let house = House::new();
    let ran = Running::login(&house, &oauth, &[]).ended().await;
    ran.fails(1, "--client-id ID --redirect-port PORT");
    let options = [
        "--client-id",
        "by-hand",
        "--client-secret-env",
        "OAUTH_SECRET",
    ];
    let (page, ran) = login(&house, &oauth, &options).await;
    assert!(page.contains("is logged in"), "{page} {ran:?}");
    assert_eq!(oauth.asked("/authorize")[0]["client_id"], "by-hand");
    let unset = ["--client-id", "by-hand", "--client-secret-env", "NOT_SET"];
    let ran = Running::login(&house, &oauth, &unset).ended().await;
    ran.fails(2, "NOT_SET");
    // The secret is needed to renew as well.
    let store = Store::at(logins(&house));
    let bearer = Bearer::of(&store, &oauth.url(), Trust::default());
    let bearer = bearer.unwrap().unwrap();
    let first = bearer.authorization(None).await.unwrap();
    let second = bearer.authorization(first.as_ref()).await.unwrap();
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_client_metadata_address_is_the_clients_name_where_that_is_understood() {
    let (house, oauth) = (House::new(), Oauth::start(Manners::default()).await);
    let described = "https://client.example/about.json";
    let options = ["--client-metadata-url", described];
    login(&house, &oauth, &options).await;
    oauth.behave(|it| it.metadata = json!({"client_id_metadata_document_supported": true}));
    login(&house, &oauth, &options).await;
    let asked = oauth.asked("/authorize");
    let [first, second] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(first["client_id"], "client-0");
    assert_eq!(second["client_id"], described);
    let login = Running::login(
        &house,
        &oauth,
        &["--client-metadata-url", "http://client.example/a"],
    );
    login.ended().await.fails(1, "starts with https://");
}

#[tokio::test]
async fn a_user_who_says_no_is_believed() {
    let oauth = Oauth::start(Manners {
        consents: false,
        ..Manners::default()
    })
    .await;
    let house = House::new();
    let (page, ran) = login(&house, &oauth, &[]).await;
    assert!(page.contains("could not log in"), "{page}");
    assert!(!page.contains("said no"), "{page}");
    ran.fails(
        1,
        "mcp-sentinel: the login was refused: access_denied: <b>the user",
    );
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
    assert!(Store::at(logins(&house)).list().unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_from_another_authorization_server_is_not_used() {
    let oauth = Oauth::start(Manners {
        poses_as: Some("https://evil.example"),
        ..Manners::default()
    })
    .await;
    let house = House::new();
    let (page, ran) = login(&house, &oauth, &[]).await;
    assert!(page.contains("could not log in"), "{page}");
    ran.fails(1, "the browser came back from https://evil.example");
    assert!(oauth.asked("/token").is_empty());
}

#[tokio::test]
async fn a_page_that_guesses_cannot_end_the_login() {
    let (house, oauth) = (House::new(), Oauth::start(Manners::default()).await);
    let mut login = Running::login(&house, &oauth, &[]);
    let address = login.address().await;
    let asked: reqwest::Url = address.parse().unwrap();
    let redirect = asked
        .query_pairs()
        .find(|(key, _)| key == "redirect_uri")
        .unwrap()
        .1;
    for guess in ["?code=mine&state=guessed", "?error=access_denied", ""] {
        let page = browse(&format!("{redirect}{guess}")).await;
        assert!(page.contains("not the answer"), "{page}");
    }
    let page = browse(&address).await;
    assert!(page.contains("is logged in"), "{page}");
    assert_eq!(login.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_server_without_metadata_is_named() {
    let oauth = Oauth::start(Manners {
        publishes: false,
        ..Manners::default()
    })
    .await;
    let house = House::new();
    let login = Running::login(&house, &oauth, &[]);
    let says = format!("{} does not say how to log in", oauth.url());
    login.ended().await.fails(1, &says);
}

#[tokio::test]
async fn nobody_is_sent_where_a_password_could_be_read_on_the_way() {
    let oauth = Oauth::start(Manners {
        metadata: json!({"authorization_endpoint": "http://as.example/authorize"}),
        ..Manners::default()
    })
    .await;
    let house = House::new();
    let login = Running::login(&house, &oauth, &[]);
    let ran = login.ended().await;
    ran.fails(1, "is plain http://");
    assert!(!ran.stderr.contains("to log in, open"), "{ran:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let house = House::new();
    let ran = run(
        &house,
        &["auth", "login", "http://127.0.0.1:1/mcp", "--no-browser"],
    )
    .await;
    ran.fails(
        1,
        "cannot find out how to log in to http://127.0.0.1:1/mcp: ",
    );
    let ran = run(&house, &["auth", "login", "ftp://host/"]).await;
    ran.fails(2, "it has to start with https://");
}

#[tokio::test]
async fn a_browser_that_does_not_come_back_is_waited_for_only_so_long() {
    let (house, oauth) = (House::new(), Oauth::start(Manners::default()).await);
    let login = Running::login(&house, &oauth, &["--timeout", "0.05"]);
    login
        .ended()
        .await
        .fails(1, "nobody came back from the browser within 0.05 s");
}

#[tokio::test]
async fn an_interrupted_login_ends_at_once_and_leaves_nothing() {
    let (house, oauth) = (House::new(), Oauth::start(Manners::default()).await);
    let mut login = Running::login(&house, &oauth, &[]);
    login.address().await;
    login.signal(Signal::INT);
    login.ended().await.fails(130, "interrupted");
    assert!(!logins(&house).exists());
}

// Logging out

#[tokio::test]
async fn a_logout_revokes_and_forgets() {
    let (house, oauth) = (House::new(), Oauth::start(Manners::default()).await);
    let url = oauth.url();
    let nobody = run(&house, &["auth", "logout", url.as_str()]).await;
    nobody.fails(1, &format!("mcp-sentinel auth login {url}"));
    logged_in(&house, &oauth).await;
    assert!(oauth.knows_somebody());
    // What it holds for as well is not what it is for.
    let below = format!("{url}/below");
    assert_eq!(run(&house, &["auth", "status", &below]).await.code, Some(0));
    run(&house, &["auth", "logout", &below])
        .await
        .fails(1, "no login is stored");
    let ran = run(&house, &["auth", "logout", url.as_str()]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("its tokens are revoked"), "{ran:?}");
    assert!(!oauth.knows_somebody());
    assert!(Store::at(logins(&house)).list().unwrap().is_empty());
    let status = run(&house, &["auth", "status", url.as_str()]).await;
    status.fails(1, "no login is stored");
}

// Renewing

/// A login, and the tokens as the data path gets them.
async fn bearer(manners: Manners) -> (House, Oauth, Bearer) {
    let (house, oauth) = (House::new(), Oauth::start(manners).await);
    logged_in(&house, &oauth).await;
    let bearer = another(&house, &oauth);
    (house, oauth, bearer)
}

/// The same tokens, in what could be another process.
fn another(house: &House, oauth: &Oauth) -> Bearer {
    let store = Store::at(logins(house));
    let bearer = Bearer::of(&store, &oauth.url(), Trust::default());
    bearer.unwrap().unwrap()
}

async fn token(bearer: &Bearer, refused: Option<&HeaderValue>) -> HeaderValue {
    let token = within("a token", bearer.authorization(refused)).await;
    token.unwrap().unwrap()
}

#[tokio::test]
async fn a_token_that_holds_is_used_without_asking_anybody() {
    let (_house, oauth, bearer) = bearer(Manners::default()).await;
    let asked = oauth.authority.seen().len();
    let first = token(&bearer, None).await;
    assert_eq!(token(&bearer, None).await, first);
    assert!(first.is_sensitive());
    assert_eq!(oauth.authority.seen().len(), asked);
    oauth.keeps_secret_in(&format!("{bearer:?} {first:?}"));
}

#[tokio::test]
async fn an_expired_token_is_renewed_before_it_is_used() {
    let (house, oauth, bearer) = bearer(Manners {
        lifetime: 1,
        ..Manners::default()
    })
    .await;
    oauth.behave(|it| it.lifetime = 3600);
    let renewed = token(&bearer, None).await;
    assert_eq!(oauth.renewals(), 1);
    // It is kept: here, and for others.
    assert_eq!(token(&bearer, None).await, renewed);
    assert_eq!(token(&another(&house, &oauth), None).await, renewed);
    assert_eq!(oauth.renewals(), 1);
    assert_eq!(oauth.asked("/token")[1]["scope"], "read");
}

#[tokio::test]
async fn a_token_that_is_refused_many_times_at_once_is_renewed_once() {
    let (house, oauth, bearer) = bearer(Manners::default()).await;
    let others = [another(&house, &oauth), another(&house, &oauth)];
    let refused = token(&bearer, None).await;
    oauth.revoke_access();
    let mut asking = tokio::task::JoinSet::new();
    for bearer in [&bearer, &bearer, &others[0], &others[1], &others[1]] {
        let (bearer, refused) = (bearer.clone(), refused.clone());
        asking.spawn(async move { token(&bearer, Some(&refused)).await });
    }
    let given = within("every token", asking.join_all()).await;
    assert!(
        given.iter().all(|it| *it == given[0] && *it != refused),
        "{given:?}"
    );
    assert_eq!(oauth.renewals(), 1);
}

#[tokio::test]
async fn a_renewal_goes_on_when_whoever_asked_is_gone() {
    let (house, oauth, bearer) = bearer(Manners::default()).await;
    let refused = token(&bearer, None).await;
    {
        let mut asking = bearer.authorization(Some(&refused));
        let once = std::future::poll_fn(|context| {
            std::task::Poll::Ready(asking.as_mut().poll(context).is_pending())
        });
        assert!(once.await, "it was renewed without waiting");
    }
    let store = Store::at(logins(&house));
    until("the new tokens are kept", || {
        let kept = store.load(&oauth.url()).unwrap().unwrap().tokens;
        refused != *format!("Bearer {}", kept.access_token).as_str()
    })
    .await;
    assert_eq!(oauth.renewals(), 1);
}

#[tokio::test]
async fn a_login_that_cannot_be_renewed_says_what_to_do_and_asks_no_more() {
    let (house, oauth, bearer) = bearer(Manners::default()).await;
    oauth.behave(|it| it.renews = false);
    let refused = token(&bearer, None).await;
    let advice = format!("mcp-sentinel auth login {}", oauth.url());
    for bearer in [&bearer, &bearer, &another(&house, &oauth)] {
        let complaint = bearer.authorization(Some(&refused)).await.unwrap_err();
        assert!(complaint.contains(&advice), "{complaint}");
        oauth.keeps_secret_in(&complaint);
    }
    assert_eq!(oauth.renewals(), 1);
    // Whoever logs in again needs not start the proxy again.
    oauth.behave(|it| it.renews = true);
    logged_in(&house, &oauth).await;
    assert_ne!(token(&bearer, Some(&refused)).await, refused);
}

#[tokio::test]
async fn a_new_token_that_is_refused_as_well_is_not_renewed_again_at_once() {
    let (_house, oauth, bearer) = bearer(Manners::default()).await;
    let refused = token(&bearer, None).await;
    let renewed = token(&bearer, Some(&refused)).await;
    for _ in 0..3 {
        let complaint = bearer.authorization(Some(&renewed)).await.unwrap_err();
        assert!(complaint.contains("has just got anew"), "{complaint}");
    }
    assert_eq!(oauth.renewals(), 1);
}

#[tokio::test]
async fn a_token_that_allows_too_little_is_not_renewed_but_replaced_by_that_of_a_later_login() {
    let (house, oauth, bearer) = bearer(Manners::default()).await;
    let narrow = token(&bearer, None).await;
    for _ in 0..2 {
        assert_eq!(bearer.of_later_login(&narrow).await, Ok(None));
    }
    assert_eq!(oauth.renewals(), 0);
    login(&house, &oauth, &["--scope", "write"]).await;
    let wide = bearer.of_later_login(&narrow).await.unwrap().unwrap();
    assert_ne!(wide, narrow);
    assert_eq!(token(&bearer, None).await, wide);
    assert_eq!(bearer.of_later_login(&wide).await, Ok(None));
}

#[tokio::test]
async fn a_server_that_names_another_authorization_server_gets_no_token() {
    let (_house, oauth, bearer) = bearer(Manners::default()).await;
    let refused = token(&bearer, None).await;
    let other = Oauth::start(Manners::default()).await;
    oauth.behave(|it| it.names = Some(other.issuer()));
    let complaint = bearer.authorization(Some(&refused)).await.unwrap_err();
    assert!(
        complaint.contains("another authorization server"),
        "{complaint}"
    );
    assert_eq!(oauth.renewals() + other.renewals(), 0);
}

// Through the proxy

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
