//! The tokens of a login, as the data path gets them.

use super::*;

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
