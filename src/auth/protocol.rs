//! rmcp's OAuth in our terms: a manager that knows its authorization server, and tokens as we keep them.

use super::http::Http;
use super::store::{Client, Tokens, now};
use crate::proxy::http_client::in_words;
use reqwest::Url;
use rmcp::transport::auth::{
    AuthError, AuthorizationManager, AuthorizationMetadata, AuthorizationMetadataSource,
    OAuthTokenResponse, StoredCredentials,
};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// An authorization server, and the manager that is set up to use it.
pub struct Authority {
    pub manager: AuthorizationManager,
    pub metadata: AuthorizationMetadata,
    /// Whether somebody says so; otherwise these are the addresses that servers of 2025-03-26 use.
    pub published: bool,
}

impl Authority {
    /// The one that `server` names.
    pub async fn of(server: &Url, http: &Arc<Http>) -> Result<Self, String> {
        let words = |error: AuthError| in_words(&error);
        let client = Arc::clone(http) as _;
        let mut manager = AuthorizationManager::new_with_oauth_http_client(server.as_str(), client)
            .await
            .map_err(words)?;
        let found = manager.resolve_metadata().await.map_err(words)?;
        manager.set_metadata(found.metadata.clone());
        Ok(Self {
            manager,
            metadata: found.metadata,
            published: found.source != AuthorizationMetadataSource::LegacyEndpointFallback,
        })
    }

    /// What people call it.
    pub fn name(&self) -> String {
        let named = self.metadata.issuer.as_ref();
        named.unwrap_or(&self.metadata.token_endpoint).clone()
    }

    /// Something that it says besides what rmcp reads.
    pub fn says(&self, name: &str) -> Option<&serde_json::Value> {
        self.metadata.additional_fields.get(name)
    }
}

/// An error of rmcp's in one sentence; the reason that it leaves out is the HTTP client's last.
pub fn reason(error: &AuthError, http: &Http) -> String {
    match http.trouble() {
        Some(trouble) => trouble,
        None => in_words(error),
    }
}

/// The form in which tokens travel (RFC 6749, 5.1).
#[derive(Deserialize)]
struct Response {
    access_token: String,
    token_type: String,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
}

/// Tokens that have just arrived.
pub fn received(response: &OAuthTokenResponse, scopes: Vec<String>) -> Result<Tokens, String> {
    let response = serde_json::to_value(response).and_then(serde_json::from_value);
    let response: Response = response.map_err(|error| error.to_string())?;
    if !response.token_type.eq_ignore_ascii_case("bearer") {
        return Err(format!(
            "its token is of the type {}, and we can only send bearer tokens",
            response.token_type
        ));
    }
    Ok(Tokens {
        access_token: response.access_token,
        refresh_token: response.refresh_token,
        expires: response
            .expires_in
            .map(|seconds| now().saturating_add(seconds)),
        scopes,
    })
}

/// Kept tokens as rmcp takes them.
pub fn kept(client: &Client, tokens: &Tokens) -> Result<StoredCredentials, serde_json::Error> {
    let response = json!({
        "access_token": tokens.access_token,
        "token_type": "bearer",
        "refresh_token": tokens.refresh_token,
    });
    Ok(StoredCredentials::new(
        client.id.clone(),
        Some(serde_json::from_value(response)?),
        tokens.scopes.clone(),
        None,
    ))
}
