//! The way to the upstream: direct or through the proxy server that the environment names, in the clear or over TLS.

use super::proxy_server::{Hop, ProxyServer};
use super::tls::Tls;
use super::{Origin, SendError, in_words};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri, header};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Url;
use std::fmt;
use std::time::Duration;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tower_service::Service;

/// A server that vanished without a word is noticed on a silent stream too: after this long without a sign of life it is
/// asked for one, so many times.
const PROBE: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;
/// For a connection over which a request can be sent.
const CONNECT: Duration = Duration::from_secs(30);

pub type Stream = Either<Hop, TlsStream<Hop>>;

pub struct Way {
    upstream: Uri,
    /// The `Host` of requests.
    host: HeaderValue,
    tcp: HttpConnector,
    proxy: Option<ProxyServer>,
    tls: Option<Tls>,
}

impl fmt::Debug for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Way");
        debug.field("is_through_proxy", &self.proxy.is_some());
        debug.field("is_secure", &self.tls.is_some()).finish()
    }
}

impl Way {
    /// The error says in words what cannot be used.
    pub fn to(origin: &Origin) -> Result<Self, String> {
        let url = &origin.url;
        let place = format!("{}://{}", url.scheme(), url.authority());
        let upstream: Uri = place.parse().map_err(|error| in_words(&error))?;
        let tls = match url.scheme() {
            "https" => Some(Tls::towards(url.host_str().unwrap_or_default(), origin)?),
            _ => None,
        };
        let proxy = ProxyServer::of_environment(origin, &upstream)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_keepalive(Some(PROBE));
        tcp.set_keepalive_interval(Some(PROBE));
        tcp.set_keepalive_retries(Some(PROBES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(PROBE * PROBES));
        Ok(Self {
            upstream,
            host: host(url),
            tcp,
            proxy,
            tls,
        })
    }

    /// What a request line asks for: path and query as they are, after the server's name where a proxy server must know
    /// it.
    pub fn target(&self, path: &str) -> Result<Uri, SendError> {
        let path = PathAndQuery::try_from(path)?;
        if self.reader().is_none() {
            return Ok(path.into());
        }
        let mut parts = self.upstream.clone().into_parts();
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).map_err(|error| SendError::Connect(error.into()))
    }

    /// Says who is asked, to a proxy server also who asks.
    pub fn introduce(&self, headers: &mut HeaderMap) {
        headers
            .entry(header::HOST)
            .or_insert_with(|| self.host.clone());
        if let Some(value) = self.reader().and_then(ProxyServer::authorization) {
            headers.insert(header::PROXY_AUTHORIZATION, value.clone());
        }
    }

    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// The proxy server, if it reads the requests.
    fn reader(&self) -> Option<&ProxyServer> {
        let proxy = self.proxy.as_ref().filter(|it| it.reads_requests());
        proxy.filter(|_| self.tls.is_none())
    }

    pub async fn connect(&self) -> Result<Stream, SendError> {
        let connected = tokio::time::timeout(CONNECT, self.try_connect()).await;
        connected.unwrap_or_else(|_| {
            let reason = format!("no connection within {} seconds", CONNECT.as_secs());
            Err(SendError::Connect(reason.into()))
        })
    }

    async fn try_connect(&self) -> Result<Stream, SendError> {
        let hop = self.reach().await.map_err(SendError::Connect)?;
        let Some(tls) = &self.tls else {
            return Ok(Either::Left(hop));
        };
        let secure = tls.connect(hop).await;
        secure
            .map(Either::Right)
            .map_err(|error| SendError::Connect(error.into()))
    }

    async fn reach(&self) -> Result<Hop, Box<dyn std::error::Error + Send + Sync>> {
        if let Some(proxy) = self.reader() {
            return proxy.reach(&self.tcp).await;
        }
        if let Some(proxy) = &self.proxy {
            return proxy.tunnel(&self.tcp, &self.upstream).await;
        }
        let direct = self.tcp.clone().call(self.upstream.clone()).await?;
        Ok(Either::Left(direct.into_inner()))
    }
}

fn host(upstream: &Url) -> HeaderValue {
    let host = upstream.host_str().unwrap_or_default();
    let host = match upstream.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    HeaderValue::try_from(host).unwrap_or_else(|_| HeaderValue::from_static(""))
}
