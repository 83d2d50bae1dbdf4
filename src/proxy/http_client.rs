//! The HTTP end towards the server: where it is, how it is trusted, and what is sent along.
//!
//! Sends requests and hands out responses as they come; must not know what bodies mean.
//!
//! It stands on hyper's connections and not on reqwest, which logging in uses: a general client adds headers of its own,
//! tidies paths up and spells headers its own way, and its connections run apart from whoever waits for them.

mod body;
mod connection;
mod pool;
mod proxy_server;
mod tls;
mod way;

pub use body::{OutgoingBody, UpstreamBody};
pub use tls::configuration;

use super::ProxyError;
use connection::Connection;
use http::uri::InvalidUri;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, header};
use pool::Pool;
use reqwest::Url;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use way::Way;

/// What says nothing beside its cause.
const LAYERS: [&str; 5] = [
    "error sending request",
    "client error (Connect)",
    "client error (SendRequest)",
    "tcp connect error",
    "error reading a body from connection",
];

/// The upstream server, and how to reach it.
#[derive(Clone)]
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
    /// A session that it has forgotten is begun anew, where the client cannot know that it must.
    pub auto_reinit: bool,
    /// It could not be reached the last time that somebody tried to.
    pub is_away: Arc<AtomicBool>,
}

/// Of the headers the names, and of the address no more than the server: the rest may be secret.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Origin")
            .field("server", &self.url.origin().ascii_serialization())
            .field("headers", &names)
            .field("insecure", &self.insecure)
            .field("credentials", &self.credentials)
            .field("auto_reinit", &self.auto_reinit)
            .finish_non_exhaustive()
    }
}

impl Origin {
    /// There, with nothing added and trusted as the system trusts.
    pub fn at(url: Url) -> Self {
        Self {
            url,
            headers: Vec::new(),
            cacert: None,
            insecure: false,
            credentials: None,
            auto_reinit: false,
            is_away: Arc::default(),
        }
    }

    /// Whether it brings a fixed Authorization.
    pub fn has_authorization(&self) -> bool {
        let fixed = |(name, _): &(HeaderName, HeaderValue)| name == header::AUTHORIZATION;
        self.headers.iter().any(fixed)
    }
}

/// A future that gives an `Authorization` value; the error says in a sentence what the operator should do.
pub type Authorization<'a> =
    Pin<Box<dyn Future<Output = Result<Option<HeaderValue>, String>> + Send + 'a>>;

/// Gives tokens for the upstream.
pub trait Credentials: fmt::Debug + Send + Sync {
    /// The value now; after a 401, another one than the `refused`, which whoever asked at the same time may have got
    /// already.
    fn authorization<'a>(&'a self, refused: Option<&'a HeaderValue>) -> Authorization<'a>;

    /// After a 403 that asks for more than the `refused` one may do, which no renewal changes: another one, if somebody
    /// has logged in again since.
    fn of_later_login<'a>(&'a self, _refused: &'a HeaderValue) -> Authorization<'a> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// A request for the upstream.
#[derive(Debug)]
pub struct Outgoing {
    pub method: Method,
    /// Path and query; never a scheme or a host: requests go to the configured origin only.
    pub target: String,
    /// End-to-end headers.
    pub headers: HeaderMap,
    /// What the listener keeps of a request beside its headers: how their names were spelled.
    pub extensions: Extensions,
    pub body: OutgoingBody,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("the path cannot be asked for: {0}")]
    Target(#[from] InvalidUri),
    #[error(transparent)]
    Connect(Box<dyn Error + Send + Sync>),
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// A client of one upstream. Its connections live on the runtime that made it.
#[derive(Debug, Clone)]
pub struct Client {
    origin: Arc<Origin>,
    way: Arc<Way>,
    pool: Pool,
}

impl Client {
    pub fn new(origin: Arc<Origin>) -> Result<Self, ProxyError> {
        let way = Way::to(&origin).map_err(|reason| ProxyError::Http {
            what: "cannot set up the HTTP client",
            reason,
        })?;
        Ok(Self {
            origin,
            way: Arc::new(way),
            pool: Pool::default(),
        })
    }

    /// The same for another runtime.
    pub fn with_own_connections(&self) -> Self {
        Self {
            pool: Pool::default(),
            ..self.clone()
        }
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The `Host` of requests that name no other.
    pub fn host(&self) -> &HeaderValue {
        self.way.host()
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
    pub async fn send(
        &self,
        outgoing: Outgoing,
    ) -> Result<http::Response<UpstreamBody>, SendError> {
        let mut request = http::Request::new(outgoing.body);
        *request.method_mut() = outgoing.method;
        *request.uri_mut() = self.way.target(&outgoing.target)?;
        *request.headers_mut() = outgoing.headers;
        *request.extensions_mut() = outgoing.extensions;
        self.way.introduce(request.headers_mut());
        while let Some(kept) = self.pool.take().await {
            match kept.ask(request, &self.pool).await {
                Ok(response) => return Ok(response),
                // The server closed it before anything was sent.
                Err(connection::Unsent {
                    request: Some(it), ..
                }) => request = *it,
                Err(unsent) => return Err(unsent.error.into()),
            }
        }
        let fresh = Connection::open(&self.way).await?;
        let answered = fresh.ask(request, &self.pool).await;
        answered.map_err(|unsent| unsent.error.into())
    }
}

/// An error and its causes in one sentence: what the libraries say of themselves left out, and addresses, which may hold
/// secrets.
pub fn in_words(error: &dyn Error) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = without_address(&error.to_string());
        if !words.iter().any(|it| it.contains(&text)) {
            words.push(text);
        }
        next = error.source();
    }
    if words.len() > 1 {
        words.retain(|text| !LAYERS.contains(&text.as_str()));
    }
    let words = words.join(": ");
    if words.contains("invalid peer certificate") {
        return format!("{words}; --cacert FILE trusts another issuer");
    }
    if words.contains("InvalidContentType") {
        return format!("{words}; the server may speak plain http:// there");
    }
    words
}

/// `… for url (https://…)` is what reqwest says.
fn without_address(text: &str) -> String {
    let parts = text.split_once(" for url (").and_then(|(before, rest)| {
        let (_, after) = rest.split_once(')')?;
        Some(format!("{before}{after}"))
    });
    parts.unwrap_or_else(|| text.to_owned())
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

/// Whether a header belongs to one connection and not to the message (RFC 9110, 7.6.1).
fn is_hop_by_hop(name: &HeaderName) -> bool {
    let name = name.as_str();
    // Most headers are none, which their length tells at once.
    match name.len() {
        2 => name == "te",
        7 => name == "upgrade",
        10 => matches!(name, "connection" | "keep-alive"),
        16 => name == "proxy-connection",
        17 => name == "transfer-encoding",
        18 => name == "proxy-authenticate",
        19 => name == "proxy-authorization",
        _ => false,
    }
}

/// Drops such headers, those that `Connection` names, and a length that does not count (RFC 9112, 6.3).
pub fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let is_one = |name: &&HeaderName| is_hop_by_hop(name);
    let mut dropped: Vec<HeaderName> = headers.keys().filter(is_one).cloned().collect();
    if dropped.contains(&header::CONNECTION) {
        let values = headers.get_all(header::CONNECTION).iter();
        let named = values
            .filter(|value| *value != "keep-alive" && *value != "close")
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok());
        dropped.extend(named);
    }
    if dropped.contains(&header::TRANSFER_ENCODING) {
        dropped.push(header::CONTENT_LENGTH);
    }
    for name in dropped {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_connection_is_dropped_and_nothing_else() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Named"),
            ("connection", "x-too"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authenticate", "Basic"),
            ("proxy-authorization", "Basic eA=="),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-named", "1"),
            ("x-too", "2"),
            ("trailer", "x-sum"),
            ("authorization", "Bearer x"),
            ("mcp-session-id", "s"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("content-length", "3"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        drop_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [
                "authorization",
                "cookie",
                "cookie",
                "mcp-session-id",
                "trailer"
            ]
        );
    }

    #[test]
    fn an_address_with_its_secrets_is_nobodys_to_read() {
        for (text, left) in [
            (
                "error sending request for url (http://h/?key=s3cret)",
                "error sending request",
            ),
            ("odd for url (here) and more", "odd and more"),
            ("nothing to leave out (here)", "nothing to leave out (here)"),
            ("no end for url (", "no end for url ("),
        ] {
            assert_eq!(without_address(text), left);
        }
    }
    #[test]
    fn what_is_shown_for_debugging_holds_no_secret() {
        let mut origin = Origin::at(Url::parse("https://h/mcp?key=s3cret").unwrap());
        let value = HeaderValue::from_static("Bearer s3cret");
        origin.headers.push((header::AUTHORIZATION, value));
        let shown = format!("{origin:?}");
        assert!(shown.contains("https://h") && shown.contains("authorization"));
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
