//! A client in front of a stdio server: both pumps, and the rules by which their session ends.
//!
//! The client is the peer on our stdin and stdout, or the operator's own. Knows streams and processes; must not know
//! what messages mean.

use super::child::{self, Child};
use super::ending::Ending;
use super::handshake::Watch;
use super::live::Live;
use super::poller::{Apart, Poller};
use super::pump::{self, Downstream, Injection, Lane, Stopped, Upstream};
use super::stderr::Forwarder;
use super::stdio::{Sink, Source};
use super::{Config, ProxyError};
use crate::tap::{Body, CLIENT_LEFT, Closed, Opened, Party, Tap};
use crate::wire::framing::LineCounter;
use rustix::process::Signal;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixStream;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long what is left may take to be recorded, and to be read by a client that is being left.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often the others go first: so that a server can start, be told what has been said already, and answer.
const FIRST_WORDS: usize = 3;

/// How a session is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Nobody has said so.
    No,
    /// As a client would: by closing the server's input first.
    Politely,
    /// By a signal, which the server gets, too.
    By(Signal),
}

/// The client end of a session.
#[derive(Debug)]
pub enum ClientEnd {
    Stdio,
    /// The operator's own client.
    Operator {
        /// It has the other end of the pair.
        socket: UnixStream,
        /// To be cancelled when a server on a pipe has read the first of what it was sent, where that is waited for.
        heard: Option<CancellationToken>,
    },
}

impl ClientEnd {
    pub fn party(&self) -> Party {
        match self {
            Self::Stdio => Party::Client,
            Self::Operator { .. } => Party::Operator,
        }
    }

    /// As it stands in a capture.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stdio => "client",
            Self::Operator { .. } => "operator",
        }
    }

    fn heard(&self) -> Option<CancellationToken> {
        match self {
            Self::Stdio => None,
            Self::Operator { heard, .. } => heard.clone(),
        }
    }

    pub fn open(self) -> Result<(Source, Sink), ProxyError> {
        let opened = || match self {
            Self::Stdio => Ok((Source::stdin()?, Sink::stdout()?)),
            Self::Operator { socket, .. } => {
                let other = socket.try_clone()?;
                Ok((Source::socket(socket.into()), Sink::socket(other.into())))
            }
        };
        opened().map_err(|source| ProxyError::Io {
            what: "cannot use our own stdin and stdout",
            source,
        })
    }
}

/// Everything that a session is made of before it starts.
#[derive(Debug)]
pub struct Session {
    pub live: Arc<Live>,
    pub injections: mpsc::Receiver<Injection>,
    pub client: ClientEnd,
    /// The server's argv.
    pub command: Vec<OsString>,
    pub config: Arc<Config>,
    pub tap: Tap,
    pub stop: watch::Receiver<Stop>,
}

/// Longer than it takes to see that a pipe has been emptied.
const INSIGHT: Duration = Duration::from_millis(150);

impl Session {
    /// Starts the server on the calling thread, and runs until it has ended and its last words are delivered.
    pub async fn run(self) -> Result<Closed, ProxyError> {
        let (mut child, pipes) = Child::spawn(&self.command)?;
        // It starts while the server does.
        let poller = Poller::start("traffic").map_err(|source| ProxyError::Io {
            what: "cannot start a thread",
            source,
        })?;
        let lane = Lane {
            tap: self.tap,
            session: self.live.id,
            from: self.client.party(),
        };
        lane.push(Body::Opened(Opened {
            by: self.client.word().into(),
            transport: "stdio".into(),
            pid: Some(child.pid),
        }));
        let traffic = Lane {
            tap: lane.tap.on_another_thread(),
            ..lane.clone()
        };
        let heard = self.client.heard();
        let (source, sink) = self.client.open()?;
        let exited = CancellationToken::new();
        let client_ended = CancellationToken::new();
        let upstream = Upstream {
            client: source,
            server: pipes.stdin,
            lane: traffic.clone(),
            injections: self.injections,
            handshake: Watch::new(self.live.readiness()),
            heard: heard.clone(),
            lines: LineCounter::default(),
        };
        let downstream = Downstream {
            server: pipes.stdout,
            client: sink,
            lane: Lane {
                from: Party::Server,
                ..traffic
            },
            gate: self.live.gate.clone(),
            exited: exited.clone(),
            client_ended: client_ended.clone(),
        };
        let (up, down) = poller.run(upstream.run(), downstream.run());
        child.guard(self.config.grace)?;
        // What has been said already goes first, where there is one core for all.
        for _ in 0..FIRST_WORDS {
            std::thread::yield_now();
        }
        self.config.started.cancel();
        lane.tap.wake();
        Running {
            errors: tokio::spawn(errors(
                pipes.stderr,
                lane.clone(),
                exited.clone(),
                self.config.forward_stderr,
            )),
            up,
            down,
            down_runs: true,
            ending: Ending::new(self.config.grace),
            live: self.live,
            stop: self.stop,
            child,
            lane,
            exited,
            client_ended,
            heard,
            nobody_listens: false,
            refused: None,
        }
        .run()
        .await
    }
}

/// Reads the server's standard error, and forwards it where that is wanted.
async fn errors(source: Source, lane: Lane, exited: CancellationToken, forward: bool) {
    let mut forwarder = forward.then(Forwarder::start).and_then(Result::ok);
    pump::stderr(source, lane, exited, |chunk| {
        if let Some(forwarder) = &mut forwarder {
            forwarder.forward(chunk);
        }
    })
    .await;
    if let Some(forwarder) = forwarder {
        forwarder.finish().await;
    }
}

/// A session under way.
struct Running {
    live: Arc<Live>,
    child: Child,
    lane: Lane,
    up: Apart<Stopped>,
    down: Apart<Stopped>,
    /// What it came to has not been looked at yet.
    down_runs: bool,
    errors: JoinHandle<()>,
    stop: watch::Receiver<Stop>,
    ending: Ending,
    exited: CancellationToken,
    client_ended: CancellationToken,
    heard: Option<CancellationToken>,
    /// The client does not read any more.
    nobody_listens: bool,
    /// Why what takes the client's bytes takes no more.
    refused: Option<String>,
}

impl Running {
    async fn run(mut self) -> Result<Closed, ProxyError> {
        let status = self.until_exit().await.map_err(|source| ProxyError::Io {
            what: "cannot wait for the server",
            source,
        })?;
        self.exited.cancel();
        if let Some(heard) = &self.heard {
            // Whether it has read what it was asked is seen a moment later.
            let _ = tokio::time::timeout(INSIGHT, heard.cancelled()).await;
        }
        self.up.abort();
        self.last_words().await;
        // What was changed of descriptors that others have, too, is as it was when we are gone.
        tokio::join!(self.up.end(), self.down.end());
        drop(self.child);
        let mut closed = child::closed(status);
        if let Some(why) = self.refused {
            let _ = write!(
                closed.reason,
                "; not all that it said could be written to the client: {why}"
            );
        }
        self.lane.push(Body::Closed(closed.clone()));
        self.lane.tap.wake();
        Ok(closed)
    }

    async fn until_exit(&mut self) -> io::Result<ExitStatus> {
        let mut up_runs = true;
        loop {
            tokio::select! {
                status = self.child.wait() => return status,
                Ok(()) = self.stop.changed() => {
                    let stop = *self.stop.borrow_and_update();
                    self.obey(stop);
                }
                stopped = &mut self.up, if up_runs => {
                    up_runs = false;
                    self.up_stopped(stopped);
                }
                stopped = &mut self.down, if self.down_runs => {
                    self.down_runs = false;
                    self.down_stopped(stopped);
                    self.end_for_nobody();
                }
                signal = self.ending.due() => self.child.signal(signal),
            }
        }
    }

    fn obey(&mut self, stop: Stop) {
        match stop {
            Stop::No => {}
            Stop::Politely => {
                // Dropping the pump closes the server's input.
                self.up.abort();
                self.ending.politely();
            }
            Stop::By(signal) => self.ending.by(signal, &self.child),
        }
    }

    fn up_stopped(&mut self, stopped: Option<Stopped>) {
        match stopped {
            Some(Stopped::NoReader(_)) => self.live.close("the server has closed its input"),
            Some(Stopped::End) => {
                self.live.close(CLIENT_LEFT);
                self.client_ended.cancel();
                self.end_for_nobody();
            }
            None => self.live.close("the session is being ended"),
        }
    }

    fn down_stopped(&mut self, stopped: Option<Stopped>) {
        if let Some(Stopped::NoReader(refused)) = stopped {
            self.nobody_listens = true;
            self.refused = refused;
        }
    }

    /// A server that reads the end of its input and goes on is left alone as long as somebody may listen to it.
    fn end_for_nobody(&mut self) {
        if self.nobody_listens && self.client_ended.is_cancelled() {
            self.ending.patiently();
        }
    }

    /// Waits for all that the server has left to be recorded, and for the client to read its part; not for ever once we are
    /// told to end.
    async fn last_words(&mut self) {
        let told = self.ending.has_begun();
        let stop = &mut self.stop;
        let enough = async {
            if !told {
                // No sender is no order to come.
                if stop.changed().await.is_err() {
                    std::future::pending().await
                }
            }
            tokio::time::sleep(LAST_WORDS).await;
        };
        let mut stopped = None;
        let words = async {
            if self.down_runs {
                stopped = (&mut self.down).await;
            }
            // The tail of a pipe has its end, and so has the patience with whoever reads our own stderr.
            let _ = (&mut self.errors).await;
        };
        tokio::select! {
            () = words => {}
            () = enough => {
                self.down.abort();
                self.errors.abort();
            }
        }
        self.down_stopped(stopped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy;
    use crate::proxy::gate::Owner;
    use crate::proxy::live::Roster;
    use crate::tap::{Overflow, Queued, queue};
    use std::collections::VecDeque;

    #[tokio::test]
    async fn what_a_server_says_last_is_recorded_however_slow_the_recorder_is() {
        let (tap, mut drain) = queue(4096, Overflow::Wait);
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let (live, injections) = Roster::default().open(Owner::Operator);
        let script = "head -c 9000 /dev/zero >&2; sleep 0.3; echo gone >&2";
        let command: Vec<OsString> = ["sh", "-c", script].map(Into::into).into();
        let (_stop, stop) = watch::channel(Stop::No);
        let session = Session {
            live,
            injections,
            client: ClientEnd::Operator {
                socket: ours,
                heard: None,
            },
            config: Arc::new(Config {
                upstream: proxy::Upstream::Command(command.clone()),
                era: None,
                unattended: true,
                grace: LAST_WORDS,
                forward_stderr: false,
                started: CancellationToken::new(),
            }),
            command,
            tap,
            stop,
        };
        let recorder = std::thread::spawn(move || {
            // The first of it takes all the room that there is until then.
            std::thread::sleep(3 * LAST_WORDS);
            let (mut batch, mut bodies) = (VecDeque::new(), Vec::new());
            while !matches!(bodies.last(), Some(Body::Closed(_))) {
                drain.take(&mut batch);
                drain.release(batch.iter().map(Queued::weight).sum());
                bodies.extend(batch.drain(..).filter_map(|item| match item {
                    Queued::Event(event, _) => Some(event.body),
                    Queued::Lost(_) => None,
                }));
                std::thread::sleep(Duration::from_millis(5));
            }
            bodies
        });
        session.run().await.unwrap();
        let bodies = recorder.join().unwrap();
        // In whatever pieces it was read.
        let said = bodies.iter().filter_map(|body| match body {
            Body::Stderr { bytes } => Some(&bytes[..]),
            _ => None,
        });
        assert!(said.collect::<Vec<_>>().concat().ends_with(b"gone\n"));
    }
}
