//! The HTTP end towards clients: one socket, and who may use it.
//!
//! Accepts connections, refuses what must not come in, and hands requests on; must not know what they ask for.

use super::ProxyError;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Where to listen, and for whom.
#[derive(Debug, Clone)]
pub struct Listen {
    /// `host:port`; port 0 takes a free one.
    pub address: String,
    /// What clients must show when it is set.
    pub token: Option<String>,
    /// Hosts and origins that are welcome besides the loopback ones.
    pub allow_hosts: Vec<String>,
    pub allow_origins: Vec<String>,
    pub limits: Limits,
    /// Old HTTP+SSE clients are served too (`/sse`), by the bridge to stdio.
    pub sse: bool,
    /// Modern requests whose headers contradict their body are only noted, not refused.
    pub lenient: bool,
    /// Told the real address once the socket is bound.
    pub bound: watch::Sender<Option<SocketAddr>>,
}

/// What a client may ask of us.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request's body, where a bridge must hold it.
    pub body: usize,
    /// Bytes of a request's head.
    pub head: usize,
    /// For the head of a request, and between two parts of its body.
    pub patience: Duration,
    /// Children at once.
    pub children: usize,
    /// How long a session without any request or stream stays open.
    pub idle: Duration,
}

/// A response body; an error breaks the connection off, which the client sees.
pub type ResponseBody = UnsyncBoxBody<Bytes, io::Error>;
pub type Response = http::Response<ResponseBody>;

/// Answers requests. When the client goes, the future or the response's body is dropped.
pub trait Handler: Send + Sync + 'static {
    fn handle(
        self: Arc<Self>,
        request: http::Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response> + Send;
}

/// A bound socket.
#[derive(Debug)]
pub struct Listener {}

impl Listener {
    /// Binds the socket, and tells where. An address that others can reach needs a token, which is the command line's to
    /// see to.
    pub async fn bind(listen: Listen) -> Result<Self, ProxyError> {
        let _ = listen;
        todo!("bind")
    }

    /// Serves until `over` is cancelled; then open exchanges are broken off.
    pub async fn serve(self, handler: Arc<impl Handler>, over: CancellationToken) {
        let _ = (handler, over);
        todo!("serve")
    }
}
