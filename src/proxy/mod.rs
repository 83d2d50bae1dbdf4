//! The data path: bytes in, the same bytes out, and an [`crate::tap::Event`] for whoever looks later.
//!
//! Knows the wire, the tap and as much of MCP as operator calls need. Never sees the model or a screen.

pub mod child;
pub mod gate;
pub mod handshake;
pub mod operator;
pub mod pump;
pub mod signals;
pub mod stderr;
pub mod stdio;
pub mod stdio_to_stdio;
mod sys;

use crate::mcp::Era;
use crate::tap::{Closed, Order, SessionId, Tap};
use gate::Owner;
use operator::Desk;
use std::ffi::OsString;
use std::sync::Arc;
use stdio_to_stdio::{ClientEnd, Live, Session, Stop};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server's argv, verbatim: never joined, never re-split, never given to a shell.
    pub command: Vec<OsString>,
    /// The era of the operator's own session; `None` finds out (modern first, then legacy).
    pub era: Option<Era>,
    /// How long a server may take after SIGTERM before SIGKILL.
    pub grace: std::time::Duration,
    /// Where the server's stderr goes besides the tap: our own stderr when headless, nowhere under a TUI.
    pub forward_stderr: bool,
    /// Cancelled when a server has been started: until then nothing needs to be said or shown.
    pub started: CancellationToken,
}

/// Who is at the client end of session 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// The peer on our stdin and stdout.
    Stdio,
    /// Nobody: the operator's own session is opened at start.
    Operator,
}

/// How the proxy ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code to hand on: the server's own, or 128+n for a signal.
    pub code: i32,
    /// In words, for the summary line.
    pub how: String,
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
        tokio::spawn(hand_on(signals, shutdown.clone(), stop));
        let config = Arc::new(config);
        match client {
            Client::Stdio => with_client(config, tap, orders, stopping).await,
            Client::Operator => without_client(config, tap, orders, stopping, shutdown).await,
        }
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

async fn with_client(
    config: Arc<Config>,
    tap: Tap,
    orders: mpsc::Receiver<Order>,
    stop: watch::Receiver<Stop>,
) -> Result<Ended, ProxyError> {
    let (live, injections) = Live::new(SessionId(1), Owner::Client);
    let desk = Desk::new(
        config.clone(),
        tap.clone(),
        stop.clone(),
        Some(live.clone()),
    );
    let session = Session {
        live,
        injections,
        client: ClientEnd::Stdio,
        config,
        tap,
        stop,
    };
    let over = CancellationToken::new();
    let desk = tokio::spawn(desk.run(orders, over.clone()));
    let closed = session.run().await;
    over.cancel();
    // It ends the operator's own sessions, within their grace.
    let _ = desk.await;
    closed.map(Ended::from)
}

async fn without_client(
    config: Arc<Config>,
    tap: Tap,
    orders: mpsc::Receiver<Order>,
    stop: watch::Receiver<Stop>,
    shutdown: CancellationToken,
) -> Result<Ended, ProxyError> {
    let mut desk = Desk::new(config, tap, stop, None);
    let mut first = desk.open();
    let mut ended = None;
    let desk = tokio::spawn(desk.run(orders, shutdown.clone()));
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
    if ended.is_none() {
        ended = first.await.ok().transpose()?;
    }
    Ok(ended.unwrap_or_default().into())
}

impl From<Closed> for Ended {
    fn from(closed: Closed) -> Self {
        let by_signal = closed.signal.map(|signal| 128 + signal);
        Self {
            code: closed.exit.or(by_signal).unwrap_or(0),
            how: closed.reason,
        }
    }
}
