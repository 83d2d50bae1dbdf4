//! A client on stdio in front of an HTTP server: we are the client of the Streamable HTTP transport, or of the old
//! HTTP+SSE one where the server speaks only that.
//!
//! The client is the peer on our stdin and stdout, or the operator's own. Here: how its session begins and ends. A line
//! goes from the `inlet` through the `uplink`, which keeps the order, out as a letter (`answer`); what comes back, by
//! whichever stream, goes through the `bridge` to the `outlet`; the `ledger` knows what is still due. A session
//! that the server has forgotten ends, or is begun `anew` where that is wanted.

mod anew;
mod answer;
mod bridge;
mod events;
mod fallback;
mod held;
mod inlet;
mod ledger;
mod legacy;
mod modern;
mod outgoing;
mod outlet;
mod streams;
mod uplink;

use super::handshake::Watch;
use super::http_client::{Client, Origin};
use super::live::{Live, Roster};
use super::pump::{Injection, Lane};
use super::stderr::Forwarder;
use super::stdio_to_stdio::{ClientEnd, Stop};
use super::{Config, ProxyError};
use crate::tap::{Body, CLIENT_LEFT, Closed, Opened, Tap};
use bridge::{Bridge, Failure, Reach};
use held::Held;
use inlet::Inlet;
use outlet::Outlet;
use rustix::process::Signal;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use uplink::Uplink;

/// How long requests in flight may take when we are the ones who end the session.
const LAST_REQUESTS: Duration = Duration::from_millis(500);
/// How long a server may take to hear that we leave, and a client that is being left to read what is left for it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Everything that a session is made of before it starts.
#[derive(Debug)]
pub struct Session {
    pub live: Arc<Live>,
    pub injections: mpsc::Receiver<Injection>,
    pub client: ClientEnd,
    pub origin: Arc<Origin>,
    pub config: Arc<Config>,
    pub roster: Arc<Roster>,
    pub tap: Tap,
    pub stop: watch::Receiver<Stop>,
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    ClientLeft,
    ServerLeft,
    Politely,
    By(Signal),
}

impl Session {
    /// Runs until the client has left or the server has ended the session, and the last words are delivered.
    pub async fn run(self) -> Result<Closed, ProxyError> {
        let client = Client::new(self.origin)?;
        let lane = Lane {
            tap: self.tap,
            session: self.live.id,
            from: self.client.party(),
        };
        lane.push(Body::Opened(Opened {
            by: self.client.word().into(),
            transport: "http".into(),
            pid: None,
        }));
        lane.tap.wake();
        let (source, sink) = self.client.open()?;
        self.config.started.cancel();
        let stderr = self.config.forward_stderr.then(Forwarder::start);
        let bridge = Arc::new(Bridge::new(
            client,
            self.roster,
            self.live.clone(),
            lane.clone(),
            Outlet::new(sink),
            stderr.and_then(Result::ok),
        ));
        let uplink = Uplink {
            client: Inlet::new(source, lane),
            injections: self.injections,
            handshake: Watch::new(self.live.readiness()),
            held: Held::default(),
            grace: self.config.grace,
            bridge: bridge.clone(),
        };
        let running = Running {
            bridge,
            uplink,
            stop: self.stop,
            grace: self.config.grace,
        };
        Ok(running.run().await)
    }
}

/// A session under way.
struct Running {
    bridge: Arc<Bridge>,
    uplink: Uplink,
    stop: watch::Receiver<Stop>,
    grace: Duration,
}

impl Running {
    async fn run(mut self) -> Closed {
        let mut end = tokio::select! {
            biased;
            end = told(&mut self.stop) => end,
            () = self.bridge.is_gone.cancelled() => End::ServerLeft,
            () = self.uplink.run() => End::ClientLeft,
        };
        self.bridge.live.close(match end {
            End::ClientLeft => CLIENT_LEFT,
            End::ServerLeft => self.bridge.why_gone().unwrap_or_default(),
            End::Politely | End::By(_) => "the session is being ended",
        });
        self.let_finish(&mut end).await;
        let (bridge, uplink) = (&self.bridge, &mut self.uplink);
        let last = async {
            answer_the_rest(bridge, uplink, end).await;
            if end != End::ServerLeft {
                // A server that does not answer is not waited for.
                let _ = tokio::time::timeout(LAST_WORDS, bridge.take_leave()).await;
            }
            bridge.over.cancel();
            bridge.tasks.close();
            bridge.tasks.wait().await;
            bridge.outlet.close().await;
        };
        // A client may read what is left for it; not for ever once we are told to end.
        let enough = async {
            if !matches!(end, End::Politely | End::By(_)) {
                told(&mut self.stop).await;
            }
            tokio::time::sleep(2 * LAST_WORDS).await;
        };
        tokio::select! {
            () = last => {}
            () = enough => self.bridge.over.cancel(),
        }
        if let Some(stderr) = self.bridge.take_stderr() {
            stderr.finish().await;
        }
        let closed = self.closed(end);
        self.bridge.lane.push(Body::Closed(closed.clone()));
        self.bridge.lane.tap.wake();
        closed
    }

    /// Lets what is in flight finish, for a moment.
    async fn let_finish(&mut self, end: &mut End) {
        let moment = match end {
            End::ClientLeft => self.grace,
            End::Politely => LAST_REQUESTS,
            End::ServerLeft | End::By(_) => return,
        };
        tokio::select! {
            () = self.bridge.ledger.settled() => {}
            () = tokio::time::sleep(moment) => {}
            () = self.bridge.is_gone.cancelled() => *end = End::ServerLeft,
            told = told(&mut self.stop) => *end = told,
        }
    }

    fn closed(&self, end: End) -> Closed {
        let (exit, signal, reason) = match end {
            End::ClientLeft => (Some(0), None, CLIENT_LEFT),
            End::ServerLeft => (Some(1), None, self.bridge.why_gone().unwrap_or_default()),
            End::Politely => (Some(0), None, "the session was closed"),
            End::By(signal) => (
                None,
                Some(signal.as_raw()),
                "the session was ended by a signal",
            ),
        };
        let closed = Closed {
            exit,
            signal,
            reason: reason.to_owned(),
        };
        let Reach { was_had, trouble } = self.bridge.reach();
        match trouble.filter(|_| end == End::ClientLeft) {
            // A client that could not talk to its server has left because of that.
            Some(reason) => Closed {
                exit: Some(i32::from(!was_had)),
                reason,
                ..closed
            },
            None => closed,
        }
    }
}

/// Nobody waits for ever for an answer that will not come.
async fn answer_the_rest(bridge: &Bridge, uplink: &mut Uplink, end: End) {
    let failure = Failure::new(match end {
        End::ServerLeft => bridge.why_gone().unwrap_or_default(),
        End::ClientLeft => "the client closed its side, and the answer has not come since",
        End::Politely | End::By(_) => "the session was ended before the answer came",
    });
    for line in bridge.ledger.open() {
        bridge.fail(line, &failure).await;
    }
    uplink.give_up(&failure).await;
}

/// Returns when the session is told to end, or told more.
async fn told(stop: &mut watch::Receiver<Stop>) -> End {
    loop {
        // No sender is no order to come.
        if stop.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        match *stop.borrow_and_update() {
            Stop::No => {}
            Stop::Politely => return End::Politely,
            Stop::By(signal) => return End::By(signal),
        }
    }
}
