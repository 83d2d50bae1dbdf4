//! The tokens of a login, for the data path: kept in memory while they hold, renewed when they do not.

use super::Trust;
use super::renewal::{Renewal, renew};
use super::store::{Store, StoreError, Tokens};
use crate::proxy::http_client::{Authorization, Credentials};
use http::HeaderValue;
use reqwest::Url;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nobody is asked again who could not renew just now.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// A token that is refused sooner than this is refused for another reason than its age.
const AFTER_RENEWAL: Duration = Duration::from_secs(30);

/// The stored login for one server.
#[derive(Clone)]
pub struct Bearer(Arc<Inner>);

struct Inner {
    store: Store,
    server: Url,
    trust: Trust,
    /// What was read last: other processes renew as well.
    held: Mutex<Option<Tokens>>,
    /// Held while the tokens are read again or renewed; a file lock keeps other processes away.
    renewing: tokio::sync::Mutex<Option<Attempt>>,
}

/// The last renewal, for those who waited meanwhile or come soon after.
struct Attempt {
    at: Instant,
    failure: Option<String>,
}

impl Attempt {
    fn now(failure: Option<String>) -> Option<Self> {
        let at = Instant::now();
        Some(Self { at, failure })
    }

    /// Why another one would be no better. `fresh` is the last one's token, which did not help.
    fn settles(&self, fresh: bool) -> Option<&str> {
        match &self.failure {
            Some(reason) if self.at.elapsed() < AFTER_FAILURE => Some(reason),
            None if fresh && self.at.elapsed() < AFTER_RENEWAL => {
                Some("the server refuses the token that it has just got anew")
            }
            _ => None,
        }
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer({})", self.0.server)
    }
}

impl Bearer {
    /// The login that `store` has for `url`, if any.
    pub fn of(store: &Store, url: &Url, trust: Trust) -> Result<Option<Self>, StoreError> {
        Ok(store.find(url)?.map(|login| {
            Self(Arc::new(Inner {
                store: store.clone(),
                server: login.server,
                trust,
                held: Mutex::new(Some(login.tokens)),
                renewing: tokio::sync::Mutex::default(),
            }))
        }))
    }
}

impl Credentials for Bearer {
    fn authorization<'a>(&'a self, refused: Option<&'a HeaderValue>) -> Authorization<'a> {
        Box::pin(async move {
            if let Some(value) = self.0.usable(refused) {
                return Ok(Some(value));
            }
            let (inner, refused) = (Arc::clone(&self.0), refused.cloned());
            // Goes on when whoever asked is gone: a refresh token works once, and what came for it must be kept.
            let asked = tokio::spawn(async move { inner.replace(refused.as_ref()).await });
            let replaced = asked.await.map_err(|error| error.to_string())?;
            replaced.map(Some)
        })
    }

    fn of_later_login<'a>(&'a self, refused: &'a HeaderValue) -> Authorization<'a> {
        Box::pin(async move {
            if let Some(value) = self.0.usable(Some(refused)) {
                return Ok(Some(value));
            }
            let login = self.0.store.load(&self.0.server);
            // It may have been removed; its token holds as long as it does.
            if let Some(login) = login.map_err(|error| error.to_string())? {
                self.0.hold(&login.tokens);
            }
            Ok(self.0.usable(Some(refused)))
        })
    }
}

impl Inner {
    /// The token that is held, unless it has expired or is the refused one.
    fn usable(&self, refused: Option<&HeaderValue>) -> Option<HeaderValue> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = held.as_ref().filter(|tokens| tokens.is_fresh())?;
        value(tokens).filter(|value| Some(value) != refused)
    }

    fn hold(&self, tokens: &Tokens) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokens.clone());
    }

    /// A token that somebody else has renewed in the meantime, or a new one.
    async fn replace(&self, refused: Option<&HeaderValue>) -> Result<HeaderValue, String> {
        let mut last = self.renewing.lock().await;
        if let Some(value) = self.usable(refused) {
            return Ok(value);
        }
        let again = |error: StoreError| self.log_in_again(&error.to_string());
        let lock = self.store.lock(&self.server).await.map_err(again)?;
        let login = self.store.load(&self.server).map_err(again)?;
        let mut login = login.ok_or_else(|| self.log_in_again("it has been removed"))?;
        self.hold(&login.tokens);
        if let Some(value) = self.usable(refused) {
            return Ok(value);
        }
        let fresh = self.usable(None).is_some();
        if let Some(reason) = last.as_ref().and_then(|last| last.settles(fresh)) {
            return Err(self.log_in_again(reason));
        }
        match renew(&login, &self.trust).await {
            Ok(tokens) => login.tokens = tokens,
            Err(Renewal::Failed(reason)) => {
                *last = Attempt::now(Some(reason.clone()));
                return Err(self.log_in_again(&reason));
            }
            Err(Renewal::Rejected(reason)) => {
                // Nobody needs to ask again.
                if login.tokens.refresh_token.take().is_some() {
                    self.store.save(&login, &lock).map_err(again)?;
                }
                return Err(self.log_in_again(&reason));
            }
        }
        *last = Attempt::now(None);
        self.hold(&login.tokens);
        self.store.save(&login, &lock).map_err(again)?;
        value(&login.tokens).ok_or_else(|| self.log_in_again("no header can carry the new token"))
    }

    fn log_in_again(&self, reason: &str) -> String {
        let server = &self.server;
        format!(
            "the stored login for {server} cannot be renewed: {reason}; to log in again: mcp-sentinel auth login {server}"
        )
    }
}

/// The header that carries it.
fn value(tokens: &Tokens) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", tokens.access_token)).ok()?;
    value.set_sensitive(true);
    Some(value)
}
