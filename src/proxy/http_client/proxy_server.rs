//! The proxy server that the environment names, where it names one: how it is reached, and how it leads on.
//!
//! Knows what such servers understand (whole addresses, CONNECT, SOCKS); must not know what is sent through them.

use super::tls::Tls;
use super::{Origin, is_loopback};
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tower_service::Service;

type Failure = Box<dyn Error + Send + Sync>;

/// What leads to the upstream: straight there, or through a proxy server that may speak TLS itself.
pub type Hop = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Where SOCKS servers are that are named without a port.
const SOCKS: u16 = 1080;

pub struct ProxyServer {
    address: Uri,
    tls: Option<Tls>,
    kind: Kind,
}

enum Kind {
    Http {
        authorization: Option<HeaderValue>,
    },
    Socks {
        login: Option<(String, String)>,
        /// It is to be asked for addresses, not for names.
        wants_address: bool,
    },
}

/// So that nobody looks for the fault at the upstream.
#[derive(Debug, thiserror::Error)]
#[error("the proxy server that the environment names")]
struct AtProxy(#[source] Failure);

impl ProxyServer {
    /// The one for the upstream, if any; the error says in words why it cannot be used.
    pub fn of_environment(origin: &Origin, upstream: &Uri) -> Result<Option<Self>, String> {
        if is_loopback(&origin.url) {
            return Ok(None);
        }
        let found = Matcher::from_system().intercept(upstream);
        found.map(|it| Self::at(&it, origin)).transpose()
    }

    fn at(found: &Intercept, origin: &Origin) -> Result<Self, String> {
        let address = found.uri().clone();
        let scheme = address.scheme_str().unwrap_or_default();
        let host = address.host().unwrap_or_default();
        let tls = match scheme {
            "https" => Some(Tls::towards(host, origin)?),
            _ => None,
        };
        let kind = match scheme {
            "http" | "https" => Kind::Http {
                authorization: found.basic_auth().cloned(),
            },
            "socks5" | "socks5h" => Kind::Socks {
                login: found
                    .raw_auth()
                    .map(|(name, word)| (name.to_owned(), word.to_owned())),
                wants_address: scheme == "socks5",
            },
            // The rest of the address may hold a password.
            _ => {
                return Err(format!(
                    "the environment names a proxy server that is reached over {scheme}://; only http://, https://, socks5:// and socks5h:// are supported"
                ));
            }
        };
        let address = match (&kind, address.port()) {
            (Kind::Socks { .. }, None) => {
                somewhere(&format!("{host}:{SOCKS}")).map_err(|error: Failure| error.to_string())?
            }
            _ => address,
        };
        Ok(Self { address, tls, kind })
    }

    /// Whether it reads requests that are not for itself, other than those that ask it for a tunnel.
    pub fn reads_requests(&self) -> bool {
        matches!(self.kind, Kind::Http { .. })
    }

    /// What says who asks, to a server that reads the requests.
    pub fn authorization(&self) -> Option<&HeaderValue> {
        match &self.kind {
            Kind::Http { authorization } => authorization.as_ref(),
            Kind::Socks { .. } => None,
        }
    }

    /// To the server itself.
    pub async fn reach(&self, tcp: &HttpConnector) -> Result<Hop, Failure> {
        self.try_reach(tcp).await.map_err(at_proxy)
    }

    /// Through the server, to another place.
    pub async fn tunnel(&self, tcp: &HttpConnector, to: &Uri) -> Result<Hop, Failure> {
        let led = match &self.kind {
            Kind::Http { authorization } => {
                let mut tunnel = Tunnel::new(self.address.clone(), self.there(tcp).await?);
                if let Some(authorization) = authorization.clone() {
                    tunnel = tunnel.with_auth(authorization);
                }
                tunnel.call(to.clone()).await.map_err(Into::into)
            }
            Kind::Socks {
                login,
                wants_address,
            } => {
                let places = places(to, *wants_address).await?;
                self.socks(tcp, places, login.as_ref()).await
            }
        };
        led.map(TokioIo::into_inner).map_err(at_proxy)
    }

    /// To the first of these places that the server leads to.
    async fn socks(
        &self,
        tcp: &HttpConnector,
        places: Vec<Uri>,
        login: Option<&(String, String)>,
    ) -> Result<TokioIo<Hop>, Failure> {
        let mut refused = Failure::from("there is no address to ask it for");
        for place in places {
            let mut socks = SocksV5::new(self.address.clone(), self.there(tcp).await?);
            if let Some((name, word)) = login.cloned() {
                socks = socks.with_auth(name, word);
            }
            match socks.call(place).await {
                Ok(led) => return Ok(led),
                Err(error) => refused = error.into(),
            }
        }
        Err(refused)
    }

    async fn there(&self, tcp: &HttpConnector) -> Result<There, Failure> {
        let hop = self.reach(tcp).await?;
        Ok(There(Some(TokioIo::new(hop))))
    }

    async fn try_reach(&self, tcp: &HttpConnector) -> Result<Hop, Failure> {
        let stream = tcp.clone().call(self.address.clone()).await?.into_inner();
        match &self.tls {
            None => Ok(Either::Left(stream)),
            Some(tls) => Ok(Either::Right(Box::new(tls.connect(stream).await?))),
        }
    }
}

fn at_proxy(cause: Failure) -> Failure {
    match cause.is::<AtProxy>() {
        true => cause,
        false => AtProxy(cause).into(),
    }
}

/// What a SOCKS server is asked for: the name itself, or the addresses that it has here.
async fn places(to: &Uri, as_addresses: bool) -> Result<Vec<Uri>, Failure> {
    let host = to.host().unwrap_or_default();
    let port = to.port_u16().unwrap_or(match to.scheme_str() {
        Some("https") => 443,
        _ => 80,
    });
    if !as_addresses {
        return Ok(vec![somewhere(&format!("{host}:{port}"))?]);
    }
    let name = host.trim_matches(['[', ']']);
    let found = tokio::net::lookup_host((name, port)).await?;
    found.map(|it| somewhere(&it.to_string())).collect()
}

fn somewhere(authority: &str) -> Result<Uri, Failure> {
    let place = Uri::builder().scheme("http").authority(authority);
    Ok(place.path_and_query("/").build()?)
}

/// A connection to the server that is there already, for what asks it to lead on.
struct There(Option<TokioIo<Hop>>);

impl Service<Uri> for There {
    type Response = TokioIo<Hop>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<Hop>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or(io::ErrorKind::NotConnected.into()))
    }
}
