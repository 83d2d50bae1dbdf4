//! The way to the upstream: direct or through the proxy server that the environment names, in the clear or over TLS.

use super::{Origin, SendError, in_words, is_loopback, tls};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri, header};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use reqwest::Url;
use rustls::pki_types::ServerName;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tower_service::Service;

/// A server that vanished without a word is noticed on a silent stream too: after this long without a sign of life it is
/// asked for one, so many times.
const PROBE: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;
/// For a connection over which a request can be sent.
const CONNECT: Duration = Duration::from_secs(30);

pub type Stream = Either<TcpStream, TlsStream<TcpStream>>;

pub struct Way {
    upstream: Uri,
    /// The `Host` of requests.
    host: HeaderValue,
    tcp: HttpConnector,
    proxy: Option<Proxy>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A proxy server that the environment names.
struct Proxy {
    address: Uri,
    authorization: Option<HeaderValue>,
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
            "https" => Some(secure(origin, url.host_str().unwrap_or_default())?),
            _ => None,
        };
        let proxy = match is_loopback(url) {
            true => None,
            false => Proxy::of_environment(&upstream)?,
        };
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
        if !self.is_forwarded() {
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
        if self.is_forwarded()
            && let Some(value) = self.proxy.as_ref().and_then(|it| it.authorization.clone())
        {
            headers.insert(header::PROXY_AUTHORIZATION, value);
        }
    }

    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// The proxy server reads the requests.
    fn is_forwarded(&self) -> bool {
        self.proxy.is_some() && self.tls.is_none()
    }

    pub async fn connect(&self) -> Result<Stream, SendError> {
        let connected = tokio::time::timeout(CONNECT, self.try_connect()).await;
        connected.unwrap_or_else(|_| {
            let reason = format!("no connection within {} seconds", CONNECT.as_secs());
            Err(SendError::Connect(reason.into()))
        })
    }

    async fn try_connect(&self) -> Result<Stream, SendError> {
        let tcp = self.reach().await.map_err(SendError::Connect)?;
        let Some((tls, name)) = &self.tls else {
            return Ok(Either::Left(tcp));
        };
        let secure = tls.connect(name.clone(), tcp).await;
        secure
            .map(Either::Right)
            .map_err(|error| SendError::Connect(error.into()))
    }

    async fn reach(&self) -> Result<TcpStream, Box<dyn std::error::Error + Send + Sync>> {
        let mut tcp = self.tcp.clone();
        let connected = match &self.proxy {
            None => tcp.call(self.upstream.clone()).await?,
            Some(proxy) if self.tls.is_none() => tcp.call(proxy.address.clone()).await?,
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.address.clone(), tcp);
                if let Some(authorization) = proxy.authorization.clone() {
                    tunnel = tunnel.with_auth(authorization);
                }
                tunnel.call(self.upstream.clone()).await?
            }
        };
        Ok(TokioIo::into_inner(connected))
    }
}

impl Proxy {
    fn of_environment(upstream: &Uri) -> Result<Option<Self>, String> {
        let Some(found) = Matcher::from_system().intercept(upstream) else {
            return Ok(None);
        };
        let address = found.uri().clone();
        if address.scheme_str() != Some("http") {
            // It may hold a password.
            let scheme = address.scheme_str().unwrap_or_default();
            return Err(format!(
                "the environment names a proxy server that is reached over {scheme}://; only http:// is supported"
            ));
        }
        Ok(Some(Self {
            address,
            authorization: found.basic_auth().cloned(),
        }))
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

fn secure(origin: &Origin, host: &str) -> Result<(TlsConnector, ServerName<'static>), String> {
    let mut configuration = tls::configuration(origin.cacert.as_deref(), origin.insecure)
        .map_err(|error| in_words(&error))?;
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .map_err(|error| in_words(&error))?;
    Ok((TlsConnector::from(Arc::new(configuration)), name))
}
