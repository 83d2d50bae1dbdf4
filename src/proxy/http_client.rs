//! The HTTP end towards the server: where it is, how it is trusted, and what is sent along.
//!
//! Sends requests and hands out responses as they come; must not know what bodies mean.

use super::ProxyError;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use reqwest::Url;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(30);
/// How long a connection is kept that nothing is sent on: less than servers wait before they close it (Node.js and
/// uvicorn 5 seconds), since what is sent while they do is lost.
const IDLE: Duration = Duration::from_secs(4);

/// The upstream server, and how to reach it.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The MCP endpoint.
    pub url: Url,
    /// Put on every request, in place of the client's of the same name.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Trusted besides the system's: PEM.
    pub cacert: Option<Vec<u8>>,
    /// Certificates are not verified.
    pub insecure: bool,
    /// Where the Authorization of requests without one comes from.
    pub credentials: Option<Arc<dyn Credentials>>,
}

/// A future that gives an `Authorization` value; the error says in a sentence what the operator should do.
pub type Authorization<'a> =
    Pin<Box<dyn Future<Output = Result<Option<HeaderValue>, String>> + Send + 'a>>;

/// Gives tokens for the upstream.
pub trait Credentials: fmt::Debug + Send + Sync {
    /// The value now; after a 401, another one than the `refused`, which whoever asked at the same time may have got
    /// already.
    fn authorization<'a>(&'a self, refused: Option<&'a HeaderValue>) -> Authorization<'a>;
}

/// A request for the upstream.
#[derive(Debug)]
pub struct Outgoing {
    pub method: Method,
    /// Path and query; never a scheme or a host: requests go to the configured origin only.
    pub target: String,
    /// End-to-end headers.
    pub headers: HeaderMap,
    pub body: reqwest::Body,
}

/// A client of one upstream. Its connections live on the runtime that made it.
#[derive(Debug, Clone)]
pub struct Client {
    origin: Arc<Origin>,
    http: reqwest::Client,
}

impl Client {
    pub fn new(origin: Arc<Origin>) -> Result<Self, ProxyError> {
        let mut builder = builder(origin.cacert.as_deref(), origin.insecure)
            .map_err(unusable)?
            .http1_only()
            .pool_idle_timeout(IDLE);
        if is_loopback(&origin.url) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(unusable)?;
        Ok(Self { origin, http })
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is put on a request with these headers, in addition or instead.
    pub async fn additions(&self, headers: &HeaderMap) -> Result<HeaderMap, String> {
        let mut added: HeaderMap = self.origin.headers.iter().cloned().collect();
        if let Some(credentials) = &self.origin.credentials
            && !headers.contains_key(header::AUTHORIZATION)
            && !added.contains_key(header::AUTHORIZATION)
            && let Some(value) = credentials.authorization(None).await?
        {
            added.insert(header::AUTHORIZATION, value);
        }
        Ok(added)
    }

    /// Sends a request; returns when the head of the response is there. The additions are the caller's to put on.
    pub async fn send(&self, request: Outgoing) -> Result<reqwest::Response, reqwest::Error> {
        let mut url = self.origin.url.clone();
        let (path, query) = match request.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (request.target.as_str(), None),
        };
        url.set_path(path);
        url.set_query(query);
        let mut built = reqwest::Request::new(request.method, url);
        *built.headers_mut() = request.headers;
        *built.body_mut() = Some(request.body);
        self.http.execute(built).await
    }
}

/// What every client of ours starts from: whom it trusts, and that it follows no redirect by itself.
pub fn builder(
    cacert: Option<&[u8]>,
    insecure: bool,
) -> Result<reqwest::ClientBuilder, reqwest::Error> {
    // A second call finds the provider installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT)
        .tls_danger_accept_invalid_certs(insecure);
    match cacert {
        Some(pem) => Ok(builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem)?)),
        None => Ok(builder),
    }
}

fn unusable(error: reqwest::Error) -> ProxyError {
    ProxyError::Http {
        what: "cannot set up the HTTP client",
        reason: in_words(&error),
    }
}

/// An error and its causes in one sentence: reqwest says the least itself.
pub fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = error.source();
    }
    words
}

/// Whether it names this machine, which no proxy server of the environment's leads to.
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|it| it.is_loopback())
    })
}

/// Headers that belong to one connection and not to the message (RFC 9110, 7.6.1), and those that `Connection` names.
pub fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ] {
        headers.remove(name);
    }
}
