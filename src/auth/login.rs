//! One login: find out where, become known there, send the browser, and turn what it brings back into tokens.

use super::Trust;
use super::callback::{Answer, Callback, Outcome};
use super::http::Http;
use super::protocol::{Authority, reason, received};
use super::store::{Client, Login, Store, StoreError, bare};
use crate::proxy::http_client::in_words;
use http::Method;
use reqwest::Url;
use rmcp::transport::auth::{AuthorizationMetadata, AuthorizationRequest, AuthorizationSession};
use std::fmt;
use std::sync::Arc;

/// What the user is asked to trust.
const CLIENT_NAME: &str = "MCP Sentinel";

/// What to log in to, and as whom.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub server: Url,
    /// Empty takes what the server asks for.
    pub scopes: Vec<String>,
    pub identity: Identity,
    /// 0 takes a free one.
    pub redirect_port: u16,
    pub trust: Trust,
}

/// As whom the authorization server is to know us.
#[derive(Clone)]
pub enum Identity {
    /// Registered before, by hand.
    Registered { id: String, secret: Option<String> },
    /// Described at this https:// address, where the server understands that; else registered now.
    Described(String),
    /// Registered now.
    New,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered { id, .. } => write!(f, "Registered({id:?})"),
            Self::Described(url) => write!(f, "Described({url:?})"),
            Self::New => f.write_str("New"),
        }
    }
}

/// Why there are no tokens, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("cannot set up the HTTP client: {0}")]
    Client(String),
    #[error(
        "cannot listen on 127.0.0.1:{port} for the browser's return: {source}; --redirect-port takes another port"
    )]
    Redirect { port: u16, source: std::io::Error },
    #[error("cannot find out how to log in to {server}: {reason}")]
    Discovery { server: Url, reason: String },
    #[error(
        "{server} does not say how to log in: it publishes no OAuth metadata, and old servers' way does not work either ({reason}); it may need no login, or a fixed token: --header-env Authorization=VARIABLE"
    )]
    NoMetadata { server: Url, reason: String },
    #[error(
        "{issuer} lets no client register by itself; register one there by hand, with the redirect address {redirect_uri}, and name it: --client-id ID --redirect-port PORT (and --client-secret-env VARIABLE when it has a secret)"
    )]
    NoRegistration {
        issuer: String,
        redirect_uri: String,
    },
    #[error(
        "{issuer} did not register us: {reason}; a client that was registered by hand is named with --client-id ID"
    )]
    Registration { issuer: String, reason: String },
    #[error("{0} is no client metadata address: that starts with https:// and has a path")]
    ClientMetadata(String),
    #[error("cannot log in at {issuer}: {reason}")]
    Unusable { issuer: String, reason: String },
    #[error("the login was refused: {0}")]
    Refused(String),
    #[error(
        "the browser came back from {got}, but was sent to {expected}: that may be an attack, and the login is not used"
    )]
    WrongIssuer { expected: String, got: String },
    #[error("{issuer} gave no token: {reason}")]
    NoTokens { issuer: String, reason: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A login that waits for the browser.
pub struct Pending {
    server: Url,
    http: Arc<Http>,
    callback: Callback,
    session: AuthorizationSession,
    /// What the browser has to bring back.
    state: String,
    /// Who the browser is sent to.
    issuer: String,
    metadata: AuthorizationMetadata,
    client: Client,
}

/// Finds out where to log in, and becomes known there.
pub async fn begin(wanted: Wanted) -> Result<Pending, LoginError> {
    let server = bare(&wanted.server);
    let http = Http::new(&server, &wanted.trust).map_err(LoginError::Client)?;
    let http = Arc::new(http);
    let callback = Callback::bind(wanted.redirect_port).await;
    let callback = callback.map_err(|source| LoginError::Redirect {
        port: wanted.redirect_port,
        source,
    })?;
    let authority = Authority::of(&server, &http).await;
    let mut authority = authority.map_err(|reason| LoginError::Discovery {
        server: server.clone(),
        reason,
    })?;
    let scopes = match wanted.scopes.as_slice() {
        [] => authority.manager.select_initial_scopes(&[]).await,
        scopes => scopes.to_vec(),
    };
    let redirect_uri = callback.redirect_uri();
    let known = become_known(
        &mut authority,
        &http,
        wanted.identity,
        &scopes,
        redirect_uri,
    )
    .await;
    let client = known.map_err(|error| match error {
        LoginError::Registration { reason, .. } if !authority.published => {
            let server = server.clone();
            LoginError::NoMetadata { server, reason }
        }
        error => error,
    })?;
    let (issuer, metadata) = (authority.name(), authority.metadata.clone());
    let unusable = |reason| LoginError::Unusable {
        issuer: issuer.clone(),
        reason,
    };
    let session = open(authority, &client, scopes).await.map_err(unusable)?;
    let state = check(session.get_authorization_url(), &http).map_err(unusable)?;
    Ok(Pending {
        server,
        http,
        callback,
        session,
        state,
        issuer,
        metadata,
        client,
    })
}

/// The order of the specification: known by hand, described, registered. Registered here and not by rmcp's session,
/// which would keep the secret to itself.
async fn become_known(
    authority: &mut Authority,
    http: &Http,
    identity: Identity,
    scopes: &[String],
    redirect_uri: String,
) -> Result<Client, LoginError> {
    let described = authority.says("client_id_metadata_document_supported");
    let understands = described.and_then(serde_json::Value::as_bool) == Some(true);
    let (id, secret) = match identity {
        Identity::Registered { id, secret } => (id, secret),
        Identity::Described(url) if !is_described(&url) => {
            return Err(LoginError::ClientMetadata(url));
        }
        Identity::Described(url) if understands => (url, None),
        Identity::Described(_) | Identity::New => {
            let issuer = authority.name();
            if authority.metadata.registration_endpoint.is_none() {
                return Err(LoginError::NoRegistration {
                    issuer,
                    redirect_uri,
                });
            }
            let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
            let registered = authority
                .manager
                .register_client(CLIENT_NAME, &redirect_uri, &scopes)
                .await
                .map_err(|error| LoginError::Registration {
                    issuer,
                    reason: reason(&error, http),
                })?;
            (registered.client_id, registered.client_secret)
        }
    };
    Ok(Client {
        id,
        secret,
        redirect_uri,
    })
}

fn is_described(url: &str) -> bool {
    url.parse::<Url>()
        .is_ok_and(|url| url.scheme() == "https" && url.path() != "/")
}

async fn open(
    authority: Authority,
    client: &Client,
    scopes: Vec<String>,
) -> Result<AuthorizationSession, String> {
    let mut request = AuthorizationRequest::new(&client.redirect_uri)
        .with_scopes(scopes)
        .with_initial_scope_selection()
        .with_preregistered_client(&client.id);
    if let Some(secret) = &client.secret {
        request = request.with_client_secret(secret);
    }
    let session = AuthorizationSession::new(authority.manager, request).await;
    session.map_err(|(_, error)| in_words(&error))
}

/// That a browser may be sent there; the state that it has to bring back.
fn check(authorization: &str, http: &Http) -> Result<String, String> {
    let url: Url = authorization
        .parse()
        .map_err(|error| format!("its login page has no usable address: {error}"))?;
    // What is typed there is as secret as a token.
    http.check(&url, &Method::POST)?;
    let state = url.query_pairs().find(|(key, _)| key == "state");
    let state = state.map(|(_, state)| state.into_owned());
    state.ok_or_else(|| "the address of its login page leaves no room for ours".to_owned())
}

impl Pending {
    /// Where the operator's browser has to go.
    pub fn url(&self) -> &str {
        self.session.get_authorization_url()
    }

    /// Waits for the browser, exchanges what it brings, and keeps that in `store`.
    pub async fn finish(self, store: &Store) -> Result<Login, LoginError> {
        let Self {
            callback, state, ..
        } = &self;
        let (answer, browser) = callback.wait(state).await;
        let kept = self.keep(answer, store).await;
        browser.tell(kept.is_ok()).await;
        kept
    }

    async fn keep(&self, answer: Answer, store: &Store) -> Result<Login, LoginError> {
        let no_tokens = |reason| LoginError::NoTokens {
            issuer: self.issuer.clone(),
            reason,
        };
        let code = self.code(&answer)?;
        let response = self
            .session
            .handle_callback_with_issuer(code, &self.state, answer.issuer.as_deref())
            .await
            .map_err(|error| no_tokens(reason(&error, &self.http)))?;
        let scopes = self.session.auth_manager.get_current_scopes().await;
        let revocation = self.metadata.additional_fields.get("revocation_endpoint");
        let login = Login {
            server: self.server.clone(),
            issuer: self.metadata.issuer.clone(),
            revocation_endpoint: revocation.and_then(|it| it.as_str()).map(str::to_owned),
            client: self.client.clone(),
            tokens: received(&response, scopes).map_err(no_tokens)?,
        };
        let lock = store.lock(&login.server).await?;
        store.save(&login, &lock)?;
        Ok(login)
    }

    /// The code, when it comes from whom the browser was sent to. rmcp looks as well; but a refusal, which it never
    /// sees, must not come from anybody else either.
    fn code<'a>(&self, answer: &'a Answer) -> Result<&'a str, LoginError> {
        if let (Some(expected), Some(got)) = (&self.metadata.issuer, &answer.issuer)
            && expected != got
        {
            return Err(LoginError::WrongIssuer {
                expected: expected.clone(),
                got: got.clone(),
            });
        }
        match &answer.outcome {
            Outcome::Code(code) => Ok(code),
            Outcome::Refused { error, description } => Err(LoginError::Refused(
                [Some(error), description.as_ref()]
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(": "),
            )),
        }
    }
}
