//! New tokens for old ones, and the end of both.

use super::Trust;
use super::http::Http;
use super::protocol::{Authority, kept, reason, received};
use super::store::{Client, Login, Tokens};
use crate::proxy::http_client::in_words;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{Request, header};
use reqwest::Url;
use rmcp::transport::auth::{
    AuthError, CredentialStore as _, InMemoryCredentialStore, OAuthClientConfig,
};
use std::sync::Arc;
use std::time::Duration;

/// How long the end of a login may take.
const FAREWELL: Duration = Duration::from_secs(15);

/// Why there is no new token.
#[derive(Debug, thiserror::Error)]
pub enum Renewal {
    /// The refresh token will never work again.
    #[error("{0}")]
    Rejected(String),
    /// This time.
    #[error("{0}")]
    Failed(String),
}

/// Asks for new tokens. The authorization server is looked up again: it may have moved its endpoints, and a token
/// must never go to another one than that which gave it.
pub async fn renew(login: &Login, trust: &Trust) -> Result<Tokens, Renewal> {
    let failed = Renewal::Failed;
    if login.tokens.refresh_token.is_none() {
        return Err(Renewal::Rejected("there is no refresh token".to_owned()));
    }
    let http = Arc::new(Http::new(&login.server, trust).map_err(failed)?);
    let mut authority = Authority::of(&login.server, &http).await.map_err(failed)?;
    if authority.metadata.issuer != login.issuer {
        return Err(Renewal::Failed(format!(
            "the server now names another authorization server, {}",
            authority.name()
        )));
    }
    let words = |error: AuthError| match error {
        AuthError::TokenRefreshRejected(words) => Renewal::Rejected(words),
        error => Renewal::Failed(reason(&error, &http)),
    };
    let memory = InMemoryCredentialStore::new();
    let credentials = kept(&login.client, &login.tokens);
    let credentials = credentials.map_err(|error| failed(error.to_string()))?;
    memory.save(credentials).await.map_err(words)?;
    authority.manager.set_credential_store(memory);
    let Client {
        id,
        secret,
        redirect_uri,
    } = &login.client;
    let mut client = OAuthClientConfig::new(id, redirect_uri);
    client.client_secret.clone_from(secret);
    authority.manager.configure_client(client).map_err(words)?;
    let response = authority.manager.refresh_token().await.map_err(words)?;
    let scopes = authority.manager.get_current_scopes().await;
    received(&response, scopes).map_err(failed)
}

/// Tells the authorization server that the tokens are needed no longer (RFC 7009); false when it does not want to know.
pub async fn revoke(login: &Login, trust: &Trust) -> Result<bool, String> {
    let Some(endpoint) = &login.revocation_endpoint else {
        return Ok(false);
    };
    let http = Http::new(&login.server, trust)?;
    let tokens = &login.tokens;
    let (token, kind) = match &tokens.refresh_token {
        Some(token) => (token, "refresh_token"),
        None => (&tokens.access_token, "access_token"),
    };
    let body = form(&[
        ("token", token),
        ("token_type_hint", kind),
        ("client_id", &login.client.id),
    ]);
    let mut request =
        Request::post(endpoint).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(secret) = &login.client.secret {
        let pair = format!("{}:{}", form_value(&login.client.id), form_value(secret));
        let basic = format!("Basic {}", BASE64_STANDARD.encode(pair));
        request = request.header(header::AUTHORIZATION, basic);
    }
    let request = request
        .body(body.into_bytes())
        .map_err(|it| it.to_string())?;
    let response = http.send(request, Some(FAREWELL)).await;
    let status = response.map_err(|error| in_words(error.as_ref()))?.status();
    match status.is_success() {
        true => Ok(true),
        false => Err(format!("it answered with {status}")),
    }
}

fn form(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", form_value(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// As application/x-www-form-urlencoded writes it.
fn form_value(value: &str) -> String {
    Url::parse_with_params("http://localhost", [("", value)])
        .ok()
        .and_then(|url| {
            url.query()
                .map(|query| query.trim_start_matches('=').to_owned())
        })
        .unwrap_or_default()
}
