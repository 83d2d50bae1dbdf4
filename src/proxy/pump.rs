//! One direction of a session: read, tap, write.
//!
//! Knows chunks of bytes and where lines end; must not know what a message means. What is read is pushed on the tap
//! before it is written on, and the recorder is woken after.

mod sieve;

use super::gate::Gate;
use super::stdio::{Sink, Source};
use super::tail::Tail;
use crate::tap::{Body, Party, SessionId, Tap};
use crate::wire::framing::LineCounter;
use bytes::{Bytes, BytesMut};
use sieve::Sieve;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Who writes in this direction, and where it is recorded.
#[derive(Debug, Clone)]
pub struct Lane {
    pub tap: Tap,
    pub session: SessionId,
    pub from: Party,
}

impl Lane {
    /// Pushes an event stamped with the current time.
    pub fn push(&self, body: Body) {
        self.tap.record(self.session, body);
    }

    fn stream(&self, bytes: &Bytes) {
        if self.tap.is_enabled() {
            self.push(Body::Stream {
                from: self.from,
                bytes: bytes.clone(),
            });
        }
    }

    /// Counts the lines that have come, where nobody records them; as in a record, also what nobody took.
    fn count(&self, lines: &mut LineCounter, bytes: &[u8]) {
        if let Some(counts) = self.tap.counts() {
            counts.add(self.from, lines.push(bytes));
        }
    }

    /// Counts a last line without a line end.
    fn count_rest(&self, lines: &mut LineCounter) {
        if let Some(counts) = self.tap.counts() {
            counts.add(self.from, lines.finish());
        }
    }

    /// Records what the operator alone gets of the server.
    fn for_operator(&self, bytes: Bytes) {
        self.push(Body::Line {
            from: Party::Server,
            to: Party::Operator,
            bytes,
            replay_of: None,
            via: None,
        });
    }

    /// Tells the operator something.
    pub fn note(&self, text: String) {
        self.push(Body::Note { text });
        self.tap.wake();
    }

    /// Writes, and lets the recorder look once the bytes are on their way, or stuck.
    pub async fn deliver(&self, write: impl Future<Output = io::Result<()>>) -> io::Result<()> {
        let mut write = std::pin::pin!(write);
        let at_once = poll_fn(|context| Poll::Ready(write.as_mut().poll(context))).await;
        self.tap.wake();
        match at_once {
            Poll::Ready(written) => written,
            Poll::Pending => write.await,
        }
    }

    /// Lets a line of the operator's in, if it is still wanted.
    pub async fn inject(&self, server: &mut Sink, injection: Injection) -> io::Result<()> {
        if !injection.claim.take() {
            return Ok(());
        }
        self.push(Body::Line {
            from: Party::Operator,
            to: Party::Server,
            bytes: injection.line.clone(),
            replay_of: injection.replay_of,
            via: None,
        });
        let written = self.deliver(server.write(&injection.line)).await;
        if written.is_ok() {
            // Nobody waiting is nobody to tell.
            let _ = injection.written.send(());
        }
        written
    }

    /// Waits for the recorder where the operator chose that it must be waited for.
    pub async fn room(&self) {
        if self.tap.is_full() {
            self.tap.ready().await;
        }
    }
}

/// A line of the operator's, on its way to the server.
#[derive(Debug)]
pub struct Injection {
    /// With its line end.
    pub line: Bytes,
    pub replay_of: Option<u64>,
    /// Told when the line has been written.
    pub written: oneshot::Sender<()>,
    /// Taken by whoever comes first: the one who begins to write, or the one who wants it written no longer.
    pub claim: Claim,
}

/// Whether a line is still to be written, which two sides decide.
#[derive(Debug, Clone, Default)]
pub struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Whether it was still to be had.
    pub fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// Why a direction came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// The writer has closed its end.
    End,
    /// The reader has closed its end, and cannot be told anything any more; or what takes its bytes takes no more, for
    /// this reason: a file on a full disk.
    NoReader(Option<String>),
}

/// Client to server, with the operator's lines let in between the client's.
#[derive(Debug)]
pub struct Upstream {
    pub client: Source,
    pub server: Sink,
    pub lane: Lane,
    pub injections: mpsc::Receiver<Injection>,
    /// Sees what has been forwarded until it has seen enough.
    pub handshake: super::handshake::Watch,
    /// Cancelled when the server has read the first of it, where somebody wants to know.
    pub heard: Option<CancellationToken>,
    /// What has been forwarded.
    pub lines: LineCounter,
}

impl Upstream {
    /// Runs until the client or the server's input is gone; on return both ends are closed.
    pub async fn run(mut self) -> Stopped {
        let mut buf = BytesMut::new();
        let mut waiting = VecDeque::new();
        let (mut mid_line, mut spoken) = (false, false);
        loop {
            if !mid_line {
                while let Some(injection) = waiting.pop_front() {
                    if let Err(error) = self.lane.inject(&mut self.server, injection).await {
                        return self.server_is_deaf(&error);
                    }
                }
            }
            self.lane.room().await;
            let read = tokio::select! {
                biased;
                Some(injection) = self.injections.recv() => {
                    waiting.push_back(injection);
                    continue;
                }
                read = self.client.read(&mut buf) => read,
                () = self.server.drained(), if spoken && self.heard.is_some() => {
                    if let Some(heard) = self.heard.take() {
                        heard.cancel();
                    }
                    continue;
                }
            };
            let mut chunk = match read {
                Ok(chunk) if !chunk.is_empty() => chunk,
                Ok(_) => break,
                Err(error) => {
                    self.lane
                        .note(format!("cannot read from the client: {error}"));
                    break;
                }
            };
            // Let what waits in at the first line end.
            if !waiting.is_empty()
                && let Some(end) = memchr::memchr(b'\n', &chunk)
            {
                let line_end = chunk.split_to(end + 1);
                if let Err(error) = self.forward(&line_end).await {
                    return self.server_is_deaf(&error);
                }
                while let Some(injection) = waiting.pop_front() {
                    if let Err(error) = self.lane.inject(&mut self.server, injection).await {
                        return self.server_is_deaf(&error);
                    }
                }
                mid_line = false;
            }
            if !chunk.is_empty() {
                mid_line = chunk.last() != Some(&b'\n');
                if let Err(error) = self.forward(&chunk).await {
                    return self.server_is_deaf(&error);
                }
            }
            spoken = true;
        }
        if let Some(heard) = self.heard.filter(|_| spoken && self.server.is_drained()) {
            heard.cancel();
        }
        self.lane.count_rest(&mut self.lines);
        self.lane.push(Body::End {
            from: self.lane.from,
        });
        self.lane.tap.wake();
        Stopped::End
    }

    async fn forward(&mut self, chunk: &Bytes) -> io::Result<()> {
        self.lane.stream(chunk);
        let written = self.lane.deliver(self.server.write(chunk)).await;
        self.handshake.look(chunk);
        self.lane.count(&mut self.lines, chunk);
        written
    }

    fn server_is_deaf(&mut self, error: &io::Error) -> Stopped {
        self.lane.count_rest(&mut self.lines);
        self.lane.note(format!(
            "the server reads no more, what was last sent to it may not have arrived: {error}"
        ));
        Stopped::NoReader(None)
    }
}

/// Server to client.
#[derive(Debug)]
pub struct Downstream {
    pub server: Source,
    pub client: Sink,
    pub lane: Lane,
    pub gate: Arc<Gate>,
    /// Cancelled when the server has exited.
    pub exited: CancellationToken,
    /// Cancelled when the client has closed its end.
    pub client_ended: CancellationToken,
}

impl Downstream {
    /// Runs until the server has said its last, or nobody hears it; on return both ends are closed.
    pub async fn run(mut self) -> Stopped {
        let mut buf = BytesMut::new();
        let mut sieve = Sieve::new(self.lane.clone(), self.gate.clone());
        let mut lines = LineCounter::default();
        let mut client_ended = false;
        let mut tail = Tail::new(self.exited.clone());
        let ending = self.client_ended.clone();
        let ending = ending.cancelled();
        tokio::pin!(ending);
        loop {
            self.lane.room().await;
            let read = tokio::select! {
                biased;
                read = tail.read(&mut self.server, &mut buf) => read,
                () = &mut ending, if !client_ended => {
                    client_ended = true;
                    continue;
                }
                // It left in order, with nothing on its way to it: no news.
                () = self.client.abandoned(), if client_ended => {
                    self.lane.count_rest(&mut lines);
                    return Stopped::NoReader(None);
                }
            };
            let chunk = match read {
                Ok(chunk) if !chunk.is_empty() => chunk,
                Ok(_) => break,
                Err(error) => {
                    self.lane
                        .note(format!("cannot read from the server: {error}"));
                    break;
                }
            };
            let chunk = if self.gate.is_closed() {
                sieve.sift(chunk)
            } else {
                sieve.passed(&chunk);
                self.lane.stream(&chunk);
                chunk
            };
            let written = self.lane.deliver(self.client.write(&chunk)).await;
            self.lane.count(&mut lines, &chunk);
            if let Err(error) = written {
                self.lane.count_rest(&mut lines);
                return self.client_is_deaf(&error);
            }
        }
        let rest = sieve.finish();
        let written = self.lane.deliver(self.client.write(&rest)).await;
        self.lane.count(&mut lines, &rest);
        self.lane.count_rest(&mut lines);
        self.lane.push(Body::End {
            from: self.lane.from,
        });
        self.lane.tap.wake();
        match written {
            Ok(()) => Stopped::End,
            Err(error) => Stopped::NoReader(refusal(&error)),
        }
    }

    fn client_is_deaf(&self, error: &io::Error) -> Stopped {
        let refusal = refusal(error);
        self.lane.note(match &refusal {
            Some(why) => format!("cannot write to the client: {why}"),
            None => {
                "the client reads no more, what was last sent to it may not have arrived".into()
            }
        });
        Stopped::NoReader(refusal)
    }
}

/// Why the client could not be written to, other than that it is gone.
fn refusal(error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => None,
        _ => Some(error.to_string()),
    }
}

/// Reads the server's standard error to its end and hands every chunk to `forward`.
pub async fn stderr(
    mut errors: Source,
    lane: Lane,
    exited: CancellationToken,
    mut forward: impl FnMut(Bytes),
) {
    let mut buf = BytesMut::new();
    let mut tail = Tail::new(exited);
    loop {
        lane.room().await;
        match tail.read(&mut errors, &mut buf).await {
            Ok(bytes) if !bytes.is_empty() => {
                lane.push(Body::Stderr {
                    bytes: bytes.clone(),
                });
                lane.tap.wake();
                forward(bytes);
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::gate::Owner;
    use super::*;
    use crate::tap::{Overflow, Queued, queue};
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    pub(super) fn lane() -> Lane {
        Lane {
            tap: Tap::disabled(),
            session: SessionId(1),
            from: Party::Server,
        }
    }

    /// From a server that has said this, and is there, to a client.
    fn downstream(said: &str, tap: Tap) -> (Downstream, UnixStream, UnixStream) {
        let (mut server, source) = UnixStream::pair().unwrap();
        let (sink, client) = UnixStream::pair().unwrap();
        let downstream = Downstream {
            server: Source::socket(source.into()),
            client: Sink::socket(sink.into()),
            lane: Lane { tap, ..lane() },
            gate: Arc::new(Gate::new(Owner::Client)),
            exited: CancellationToken::new(),
            client_ended: CancellationToken::new(),
        };
        server.write_all(said.as_bytes()).unwrap();
        (downstream, server, client)
    }

    #[tokio::test]
    async fn a_last_line_is_counted_although_nobody_takes_it() {
        let tap = Tap::counting();
        let counts = tap.counts().unwrap().clone();
        let (downstream, _server, client) = downstream("{}\nhalf", tap);
        drop(client);
        assert_eq!(downstream.run().await, Stopped::NoReader(None));
        assert_eq!(counts.from(Party::Server), 2);
    }

    #[tokio::test]
    async fn what_is_held_for_a_client_that_is_gone_is_recorded() {
        for has_left in [false, true] {
            let (tap, mut drain) = queue(1 << 20, Overflow::Wait);
            let said = if has_left { "half" } else { "{}\nhalf" };
            let (downstream, _server, client) = downstream(said, tap);
            downstream.gate.fresh_id();
            if has_left {
                downstream.client_ended.cancel();
            }
            drop(client);
            assert_eq!(downstream.run().await, Stopped::NoReader(None));
            let mut batch = VecDeque::new();
            drain.take(&mut batch);
            let streamed = batch.iter().filter_map(|item| match item {
                Queued::Event(event, _) => match &event.body {
                    Body::Stream { bytes, .. } => Some(&bytes[..]),
                    _ => None,
                },
                Queued::Lost(_) => None,
            });
            assert_eq!(streamed.collect::<Vec<_>>().concat(), said.as_bytes());
        }
    }
}
