//! The data path: bytes in, the same bytes out, and an [`crate::tap::Event`] for whoever looks later.
//!
//! Knows the wire, the tap and as much of MCP as operator calls need. Never sees the model or a screen.

mod arriving;
mod challenge;
pub mod child;
mod compact;
pub mod ending;
pub mod exchange;
mod files;
pub mod gate;
pub mod handshake;
pub mod http_client;
pub mod http_to_http;
pub mod http_to_stdio;
pub mod listener;
pub mod live;
mod mirror;
pub mod operator;
#[cfg(target_os = "linux")]
mod pages;
mod poller;
pub mod pump;
pub mod signals;
pub mod stderr;
pub mod stdio;
pub mod stdio_to_http;
pub mod stdio_to_stdio;
mod sys;
mod tail;

pub use files::suffice as files_suffice;
pub use sys::{give_back_memory, give_back_program};

use crate::mcp::Era;
use crate::tap::{Body, Closed, Event, Order, SessionId, Tap, Timestamp};
use gate::Owner;
use http_to_http::Reverse;
use http_to_stdio::Host;
use listener::{Listen, Listener};
use live::{Live, Roster};
use operator::Desk;
use pump::Injection;
use std::ffi::OsString;
use std::sync::Arc;
use stdio_to_stdio::{ClientEnd, Stop};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Config {
    pub upstream: Upstream,
    /// The era of the operator's own session; `None` finds out (modern first, then legacy).
    pub era: Option<Era>,
    /// Nobody looks at the operator's own session, nor answers what the server asks it: the server is told so from the
    /// start, and neither lists nor word of their changes are asked for unless ordered.
    pub unattended: bool,
    /// How long a server may take after SIGTERM before SIGKILL.
    pub grace: std::time::Duration,
    /// Where the server's stderr goes besides the tap: our own stderr when headless, nowhere under a TUI.
    pub forward_stderr: bool,
    /// Cancelled when a server has been started: until then nothing needs to be said or shown.
    pub started: CancellationToken,
}

/// The server.
#[derive(Debug, Clone)]
pub enum Upstream {
    /// Its argv, verbatim: never joined, never re-split, never given to a shell.
    Command(Vec<OsString>),
    Http(Arc<http_client::Origin>),
}

impl Upstream {
    /// Whether a command is there to be started when the first client comes.
    fn can_start(&self) -> Result<(), ProxyError> {
        match self {
            Self::Command(argv) => child::is_there(argv),
            Self::Http(_) => Ok(()),
        }
    }
}

/// Who is at the client end.
#[derive(Debug, Clone)]
pub enum Client {
    /// The peer on our stdin and stdout.
    Stdio,
    /// Nobody at first: the operator's own session is opened at start. HTTP clients can join where there is a listener,
    /// which is not missed when it cannot be had.
    Operator(Option<Listen>),
    /// HTTP clients; the operator's own session is opened when it is asked for.
    Http(Listen),
}

impl Client {
    /// Where HTTP clients can come in.
    pub fn listen(&self) -> Option<&Listen> {
        match self {
            Self::Stdio => None,
            Self::Operator(listen) => listen.as_ref(),
            Self::Http(listen) => Some(listen),
        }
    }
}

/// How the proxy ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code to hand on: the server's own, or 128+n for a signal.
    pub code: i32,
    /// In words, for the summary line.
    pub how: String,
    /// The signal that told us to end, if one did.
    pub signal: Option<i32>,
}

#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The server could not be started; `code` is 127 (not found) or 126 (not executable).
    #[error("cannot start {command}: {reason}")]
    Start {
        command: String,
        reason: String,
        code: i32,
    },
    /// The HTTP end towards the server or the clients cannot be set up.
    #[error("{what}: {reason}")]
    Http { what: &'static str, reason: String },
    #[error("{what}: {source}")]
    Io {
        what: &'static str,
        source: std::io::Error,
    },
}

/// Runs the data path. Blocks the calling thread, which must outlive the proxy (the kernel's parent-death signal is
/// tied to it).
///
/// With a client, returns when the client's session is over. Without one, returns when `shutdown` is cancelled or a
/// signal says so, because the operator may want to look at what a server that is gone has said; only a server that
/// cannot be started ends it at once. SIGTERM, SIGINT and SIGHUP are handed on to the server, and cancel `shutdown`.
pub fn run(
    config: Config,
    client: Client,
    tap: Tap,
    orders: mpsc::Receiver<Order>,
    shutdown: CancellationToken,
) -> Result<Ended, ProxyError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| ProxyError::Io {
            what: "cannot start the data path",
            source,
        })?;
    let ended = runtime.block_on(async {
        let signals = signals::Signals::listen().map_err(|source| ProxyError::Io {
            what: "cannot listen for signals",
            source,
        })?;
        let (stop, stopping) = watch::channel(Stop::No);
        let told = stopping.clone();
        tokio::spawn(hand_on(signals, shutdown.clone(), stop));
        let floor = Floor {
            config: Arc::new(config),
            roster: Arc::default(),
            tap,
            stop: stopping,
        };
        let ended = match client {
            Client::Stdio => floor.with_client(orders).await,
            Client::Operator(listen) => floor.without_client(orders, shutdown, listen).await,
            Client::Http(listen) => match floor.config.upstream.can_start() {
                Ok(()) => floor.with_http_clients(orders, shutdown, listen).await,
                Err(error) => Err(error),
            },
        };
        let signal = match *told.borrow() {
            Stop::By(signal) => Some(signal.as_raw()),
            Stop::No | Stop::Politely => None,
        };
        ended.map(|ended| Ended { signal, ..ended })
    });
    // A thread may wait for a terminal for ever.
    runtime.shutdown_background();
    ended
}

/// Turns signals and the token into orders to stop.
async fn hand_on(
    mut signals: signals::Signals,
    shutdown: CancellationToken,
    stop: watch::Sender<Stop>,
) {
    loop {
        let order = tokio::select! {
            biased;
            signal = signals.next() => Stop::By(signal),
            () = shutdown.cancelled(), if *stop.borrow() == Stop::No => Stop::Politely,
        };
        // No session left is nobody to tell.
        let _ = stop.send(order);
        shutdown.cancel();
    }
}

/// What every session stands on.
#[derive(Debug, Clone)]
struct Floor {
    config: Arc<Config>,
    roster: Arc<Roster>,
    tap: Tap,
    stop: watch::Receiver<Stop>,
}

impl Floor {
    async fn with_client(self, orders: mpsc::Receiver<Order>) -> Result<Ended, ProxyError> {
        let (live, injections) = self.roster.open(Owner::Client);
        let over = CancellationToken::new();
        let desk = Desk::new(self.clone());
        // The operator's own sessions end beside the client's, not after it.
        let desk = tokio::spawn(desk.run(orders, live.over(), over.clone()));
        let closed = self.session(live, injections, ClientEnd::Stdio).await;
        over.cancel();
        let _ = desk.await;
        closed.map(Ended::from)
    }

    /// One session of a client on stdio or of the operator's, with the server that is configured.
    async fn session(
        self,
        live: Arc<Live>,
        injections: mpsc::Receiver<Injection>,
        client: ClientEnd,
    ) -> Result<Closed, ProxyError> {
        let Self {
            config,
            roster,
            tap,
            stop,
        } = self;
        let over = live.clone();
        let ended = match config.upstream.clone() {
            Upstream::Command(command) => {
                let session = stdio_to_stdio::Session {
                    live,
                    injections,
                    client,
                    command,
                    config,
                    tap,
                    stop,
                };
                session.run().await
            }
            Upstream::Http(origin) => {
                let session = stdio_to_http::Session {
                    live,
                    injections,
                    client,
                    origin,
                    config,
                    roster,
                    tap,
                    stop,
                };
                session.run().await
            }
        };
        match &ended {
            Ok(closed) => over.close(&closed.reason),
            Err(error) => over.close(&error.to_string()),
        }
        ended
    }

    async fn without_client(
        self,
        orders: mpsc::Receiver<Order>,
        shutdown: CancellationToken,
        listen: Option<Listen>,
    ) -> Result<Ended, ProxyError> {
        // Before the server is started, so that whoever is told of that can tell where to join.
        let serving = match listen {
            Some(listen) => self.serve_if_it_can(listen, shutdown.clone()).await,
            None => None,
        };
        let mut desk = Desk::new(self.clone());
        let mut first = desk.open();
        let mut ended = None;
        let desk = tokio::spawn(desk.run(orders, shutdown.clone(), shutdown.clone()));
        tokio::select! {
            closed = &mut first => match closed {
                Ok(Err(error)) => return Err(error),
                Ok(Ok(closed)) => {
                    ended = Some(closed);
                    shutdown.cancelled().await;
                }
                Err(_) => {}
            },
            () = shutdown.cancelled() => {}
        }
        let _ = desk.await;
        if let Some(serving) = serving {
            let _ = serving.await;
        }
        if ended.is_none() {
            ended = first.await.ok().transpose()?;
        }
        Ok(ended.unwrap_or_default().into())
    }

    async fn with_http_clients(
        self,
        orders: mpsc::Receiver<Order>,
        shutdown: CancellationToken,
        listen: Listen,
    ) -> Result<Ended, ProxyError> {
        let desk =
            tokio::spawn(Desk::new(self.clone()).run(orders, shutdown.clone(), shutdown.clone()));
        let serving = self.serve(listen, shutdown).await?;
        self.config.started.cancel();
        let _ = serving.await;
        let _ = desk.await;
        // Being told to end is how a listener ends: no failure.
        let how = match *self.stop.borrow() {
            Stop::By(signal) => format!("ended by signal {}", signal.as_raw()),
            Stop::No | Stop::Politely => "the listener was closed".to_owned(),
        };
        Ok(Ended {
            code: 0,
            how,
            signal: None,
        })
    }

    /// A listener that nobody asked for is no condition: without it, the operator is alone.
    async fn serve_if_it_can(
        &self,
        listen: Listen,
        over: CancellationToken,
    ) -> Option<JoinHandle<()>> {
        match self.serve(listen, over).await {
            Ok(serving) => Some(serving),
            Err(error) => {
                self.tap.push(Event {
                    at: Timestamp::now(),
                    session: SessionId(1),
                    body: Body::Note {
                        text: format!("no HTTP client can join: {error}"),
                    },
                });
                None
            }
        }
    }

    /// Serves HTTP clients until `over`, then ends their sessions.
    async fn serve(
        &self,
        listen: Listen,
        over: CancellationToken,
    ) -> Result<JoinHandle<()>, ProxyError> {
        let listener = Listener::bind(listen.clone()).await?;
        files::take();
        let (config, roster) = (self.config.clone(), self.roster.clone());
        let (tap, stop) = (self.tap.clone(), self.stop.clone());
        Ok(match config.upstream.clone() {
            Upstream::Command(command) => {
                let host = Host::new(command, &listen, config, roster, tap, stop);
                let (tap, roster) = (self.tap.clone(), self.roster.clone());
                tokio::spawn(async move {
                    listener.serve(host.clone(), tap, roster, over).await;
                    host.close().await;
                })
            }
            Upstream::Http(origin) => {
                let client = http_client::Client::new(origin)?;
                let reverse = Reverse::new(client, roster.clone(), tap.clone());
                tokio::spawn(listener.serve(reverse, tap, roster, over))
            }
        })
    }
}

impl From<Closed> for Ended {
    fn from(closed: Closed) -> Self {
        let by_signal = closed.signal.map(|signal| 128 + signal);
        Self {
            code: closed.exit.or(by_signal).unwrap_or(0),
            how: closed.reason,
            signal: None,
        }
    }
}
