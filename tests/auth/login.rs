//! Logging in, and out again.

use super::*;

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
    let taken = ports::quiet();
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

#[tokio::test]
async fn over_tls_a_login_and_its_renewal_go_to_whom_cacert_vouches_for_only() {
    let house = House::new();
    let oauth = Oauth::over_tls(Manners {
        lifetime: 1,
        ..Manners::default()
    })
    .await;
    let url = oauth.url();
    let stranger = run(&house, &["auth", "login", url.as_str(), "--no-browser"]).await;
    stranger.fails(1, "--cacert FILE trusts another issuer");

    let certificate = house.write("ca.pem", CERTIFICATE);
    let trusting = ["--cacert", certificate.to_str().unwrap()];
    let mut login = Running::login(&house, &oauth, &trusting);
    let address = login.address().await;
    assert!(address.starts_with("https://"), "{address}");
    let page = browse(&oauth.plain(&address)).await;
    assert!(page.contains("is logged in"), "{page}");
    assert_eq!(login.ended().await.code, Some(0));

    oauth.behave(|it| it.lifetime = 3600);
    let list = |trust: &[&str]| {
        let arguments = [&["list", url.as_str()], trust].concat();
        Running::start(&house, &arguments).ended()
    };
    let stranger = list(&[]).await;
    assert_ne!(stranger.code, Some(0));
    assert_eq!(oauth.renewals(), 0);
    let ran = list(&trusting).await;
    assert!(ran.stdout.contains("open_sesame"), "{ran:?}");
    assert_eq!(oauth.renewals(), 1);
}
