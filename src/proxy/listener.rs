//! The HTTP end towards clients: one socket, and who may use it.
//!
//! Accepts connections, refuses what must not come in, and hands requests on; must not know what they ask for.
//!
//! A client that closes its sending half is gone, also when it could still hear. Its system says the same, a FIN, of a
//! half that is closed and of a whole connection; only what is written to it would tell them apart, and before the server
//! has answered there is nothing to write. But that is when it matters: in the modern era a client cancels a call by
//! closing its connection, and the server must hear of it (2026-07-28, basic/transports/streamable-http), which with
//! hyper's `half_close` it would not before it has answered in vain. So a client that closes half and waits gets no
//! answer here, as little as from nginx or a server in Go.

pub mod address;
mod breaking;
mod crew;
mod guard;
mod neighbour;
mod refusals;

use super::ProxyError;
use super::compact::Compact;
use super::live::Roster;
use crate::tap::Tap;
use address::Address;
use breaking::{Breakable, Breaking, Broken};
use bytes::Bytes;
use crew::Crew;
use guard::{Guard, Refusal};
use http::Request;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use refusals::Refusals;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 8192;
/// Connections that may wait to be accepted, where the system allows as many. Of a crowd that does not fit Linux lets some
/// in by cookies, and resets those whose cookie it cannot make out any more.
const BACKLOG: u32 = 4096;
/// How long to wait after the system has refused a connection: for a file that somebody closes.
const BREATH: Duration = Duration::from_millis(100);
/// Of the body of a request that nobody wants any more: so much is read, and for so long.
const HEARD: usize = 16 << 20;
const HEARING: Duration = Duration::from_secs(5);
/// hyper reads no heads into less.
const LEAST_HEAD: usize = 8192;

/// What a client must show; nobody's to print.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Where to listen, and for whom.
#[derive(Debug, Clone)]
pub struct Listen {
    /// As [`Address`] reads it; port 0 takes a free one.
    pub address: String,
    /// What clients must show when it is set.
    pub token: Option<Token>,
    /// Refuses other users of this machine, where the system tells whose a connection is.
    pub private: bool,
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

impl Listen {
    /// There, with everything else as it is unless somebody says otherwise.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            token: None,
            private: false,
            allow_hosts: Vec::new(),
            allow_origins: Vec::new(),
            limits: Limits::default(),
            sse: false,
            lenient: false,
            bound: watch::Sender::default(),
        }
    }
}

/// What a client may ask of us.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request's body, where a bridge must hold it.
    pub body: usize,
    /// Bytes of a request's head.
    pub head: usize,
    /// For the head of a request, from when the connection could take one, and between two parts of its body.
    pub patience: Duration,
    /// Children at once.
    pub children: usize,
    /// How long a session without any request or stream stays open.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 64 << 20,
            head: 64 << 10,
            // Longer than clients keep a connection that they do not use: it must not end as they send on it.
            patience: Duration::from_secs(120),
            children: 64,
            idle: Duration::from_secs(1800),
        }
    }
}

/// The body of a request; an error means that the client has not sent all of it: gone, or too slow (`TimedOut`).
pub type RequestBody = BoxBody<Bytes, io::Error>;
/// A response body; an error breaks the connection off, which the client sees.
pub type ResponseBody = UnsyncBoxBody<Bytes, io::Error>;
pub type Response = http::Response<ResponseBody>;

/// Answers requests. When the client goes, the future or the response's body is dropped.
pub trait Handler: Send + Sync + 'static {
    fn handle(
        self: Arc<Self>,
        request: Request<RequestBody>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response> + Send;

    /// The same for another thread, whose runtime is entered; `None` where all must be handled on one.
    fn another(&self) -> Option<Arc<Self>> {
        None
    }
}

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    guard: Guard,
    private: bool,
    limits: Limits,
}

impl Listener {
    /// Binds the socket, and tells where. An address that others can reach needs a token, which is the command line's to
    /// see to.
    pub async fn bind(listen: Listen) -> Result<Self, ProxyError> {
        let cannot = |reason: String| ProxyError::Http {
            what: "cannot listen",
            reason,
        };
        let address = Address::parse(&listen.address)
            .map_err(|reason| cannot(format!("{}: {reason}", listen.address)))?;
        let (socket, bound) = bind(&address)
            .await
            .map_err(|error| cannot(in_words(&address, &error)))?;
        let guard = Guard::new(&listen, bound);
        listen.bound.send_replace(Some(bound));
        Ok(Self {
            socket,
            guard,
            private: listen.private,
            limits: listen.limits,
        })
    }

    /// Serves until `over` is cancelled; then open exchanges are broken off. Who is refused is on record.
    pub async fn serve(
        self,
        handler: Arc<impl Handler>,
        tap: Tap,
        roster: Arc<Roster>,
        over: CancellationToken,
    ) {
        let door = Arc::new(Door {
            guard: self.guard,
            private: self.private,
            refusals: Refusals::new(tap, roster),
            limits: self.limits,
        });
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut crew = Crew::new(handler);
        let accepting = async {
            loop {
                match accept(&self.socket, &room).await {
                    Ok((stream, peer, place)) => {
                        let (door, over) = (door.clone(), over.clone());
                        crew.serve(stream, move |stream, handler| async move {
                            let conversation = door.converse(stream, peer, handler);
                            over.run_until_cancelled(conversation).await;
                            drop(place);
                        });
                    }
                    Err(error) if is_of_one(&error) => {}
                    Err(error) => {
                        door.refusals
                            .trouble(|| format!("cannot accept a connection: {error}"));
                        tokio::time::sleep(BREATH).await;
                    }
                }
            }
        };
        over.run_until_cancelled(accepting).await;
        crew.finish().await;
        door.refusals.finish();
    }
}

/// What every connection comes through.
#[derive(Debug)]
struct Door {
    guard: Guard,
    private: bool,
    refusals: Refusals,
    limits: Limits,
}

impl Door {
    /// Answers the requests of one connection until it ends.
    async fn converse(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        handler: Arc<impl Handler>,
    ) {
        // Without it a small answer may wait for an acknowledgement, and is right nevertheless.
        let _ = stream.set_nodelay(true);
        let stranger = self.stranger(&stream, peer).await;
        let broken = Broken::default();
        let stream = Breakable {
            stream: Compact(TokioIo::new(stream)),
            broken: broken.clone(),
        };
        let door = self.clone();
        let service = service_fn(move |request| {
            let (door, broken, handler) = (door.clone(), broken.clone(), handler.clone());
            let stranger = stranger.clone();
            async move {
                let response = door.answer(request, peer, stranger, handler).await;
                Ok::<_, Infallible>(response.map(|body| Breaking { body, broken }))
            }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.patience)
            .max_buf_size(self.limits.head.max(LEAST_HEAD))
            // A response has the headers that its server gave it.
            .auto_date_header(false)
            .preserve_header_case(true)
            .serve_connection(stream, service)
            .await;
        if let Err(error) = served
            && error.is_parse()
        {
            self.refusals
                .trouble(|| format!("{peer} sent what is no HTTP request: {error}"));
        }
    }

    /// Why nothing is let in that comes on this connection.
    async fn stranger(&self, stream: &TcpStream, peer: SocketAddr) -> Option<Refusal> {
        if !self.private {
            return None;
        }
        let admitted = match stream.local_addr() {
            Ok(ours) => neighbour::admit(peer, ours).await,
            Err(error) => Err(error.to_string()),
        };
        admitted.err().map(Refusal::forbidden)
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        stranger: Option<Refusal>,
        handler: Arc<impl Handler>,
    ) -> Response {
        let patience = self.limits.patience;
        let mut request = request.map(|body| Patient::new(body, patience));
        let admitted = match stranger {
            Some(refusal) => Err(refusal),
            None => self.guard.admit(&mut request),
        };
        if let Err(refusal) = admitted {
            let (asked, _unheard) = request.into_parts();
            self.refusals.request(&asked, peer, &refusal);
            return refuse(&refusal);
        }
        let request = request.map(Patient::boxed);
        handler.handle(request, peer).await
    }
}

async fn hear_out(mut body: Incoming) {
    let mut left = HEARD;
    while let Some(Ok(frame)) = body.frame().await {
        let size = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(size) {
            Some(less) => left = less,
            None => return,
        }
    }
}

fn refuse(refusal: &Refusal) -> Response {
    let text = format!("mcp-sentinel: {}\n", refusal.reason);
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = refusal.status;
    *response.headers_mut() = refusal.headers();
    response
}

/// A body whose next part must come in time, once somebody waits for it.
#[derive(Debug)]
struct Patient {
    /// Until it has failed.
    body: Option<Incoming>,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(body: Incoming, patience: Duration) -> Self {
        Self {
            body: Some(body),
            patience,
            waiting: None,
        }
    }

    fn fail(&mut self, error: io::Error) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.body = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for Patient {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Some(Err(io::ErrorKind::BrokenPipe.into())));
        };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            self.waiting = None;
            return match frame.transpose() {
                Ok(frame) => Poll::Ready(frame.map(Ok)),
                Err(error) => self.fail(io::Error::other(error)),
            };
        }
        let patience = self.patience;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(waiting.as_mut().poll(context));
        let late = io::Error::new(io::ErrorKind::TimedOut, "the client sent no more");
        self.fail(late)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_some_and(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map(Incoming::size_hint)
            .unwrap_or_default()
    }
}

impl Drop for Patient {
    /// A client that still sends does not read, and a connection that is closed on it takes its answer along.
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|it| !it.is_end_stream())
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(tokio::time::timeout(HEARING, hear_out(body)));
        }
    }
}

async fn bind(address: &Address) -> io::Result<(TcpListener, SocketAddr)> {
    let mut found: Vec<_> = lookup_host((address.host.as_str(), address.port))
        .await?
        .collect();
    // What the system says of `localhost` must not open it to others.
    found.retain(|it| it.ip().is_loopback() || !address.is_loopback());
    found.sort_by_key(SocketAddr::is_ipv6);
    let mut failed = None;
    for address in found {
        match listen(address) {
            Ok(socket) => {
                let bound = socket.local_addr()?;
                return Ok((socket, bound));
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A port that was listened on a moment ago can be taken again.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(
    socket: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = room.clone().acquire_owned().await;
    let place = place.map_err(io::Error::other)?;
    let (stream, peer) = socket.accept().await?;
    Ok((stream, peer, place))
}

/// A client that went away before it was let in; anything else is our own lack.
fn is_of_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

fn in_words(address: &Address, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{address} is in use; choose another port, or 0 for any that is free")
        }
        io::ErrorKind::AddrNotAvailable => format!("{address} is not an address of this machine"),
        io::ErrorKind::PermissionDenied => {
            format!("{address} may not be used; ports from 1024 on are free for everybody")
        }
        _ => format!("{address}: {error}"),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// More than the 128 of the standard library, and less than every Linux allows.
    #[tokio::test]
    async fn a_crowd_can_wait_to_be_accepted() {
        let listener = Listener::bind(Listen::at("127.0.0.1:0")).await.unwrap();
        let address = listener.socket.local_addr().unwrap();
        let mut waiting = Vec::new();
        for _ in 0..400 {
            let connecting = TcpStream::connect(address);
            let connected = tokio::time::timeout(Duration::from_secs(300), connecting).await;
            waiting.push(connected.unwrap().unwrap());
        }
    }
}
