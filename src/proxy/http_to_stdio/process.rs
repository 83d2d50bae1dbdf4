//! A child that serves HTTP clients: lines in, lines out, and its end.
//!
//! Knows lines and processes; must not know which client a line is for: that is its ears' affair.

use super::Ground;
use super::outlet::Full;
use super::refusal::Refusal;
use super::routed::Routed;
use crate::proxy::ProxyError;
use crate::proxy::child::{self, Child, Pipes, READING_SHOWS};
use crate::proxy::ending::Ending;
use crate::proxy::gate::{Owner, Split, Verdict};
use crate::proxy::handshake::Watch;
use crate::proxy::live::Live;
use crate::proxy::pump::{self, Injection, Lane};
use crate::proxy::stdio::{Sink, Source};
use crate::proxy::stdio_to_stdio::Stop;
use crate::proxy::tail::Tail;
use crate::tap::{Body, Closed, Opened, Party, Via};
use crate::wire::framing::LineSplitter;
use bytes::{Bytes, BytesMut};
use std::io;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Lines that may wait for a child that is slow to read.
const LINES: usize = 16;
/// How long what a child said last may take to be recorded when we are told to end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Who hears what a child says.
pub trait Ears: Send + Sync + 'static {
    /// Takes one line, without its line feed, where it belongs.
    fn hear(&self, line: Bytes) -> Routed;
    /// The child is gone, and everything it said has been heard.
    fn over(&self, closed: &Closed);
}

/// A child, to those who speak to it.
#[derive(Debug)]
pub struct Process {
    pub live: Arc<Live>,
    pub lane: Lane,
    pub activity: Arc<Activity>,
    lines: mpsc::Sender<Line>,
    end: CancellationToken,
}

/// A line for a child.
#[derive(Debug)]
struct Line {
    bytes: Bytes,
    written: Option<oneshot::Sender<()>>,
    /// Cancelled when the child has read it, where that shows.
    heard: Option<CancellationToken>,
}

impl Process {
    /// Starts one more child. Nothing that a client says has a part in what is started.
    pub fn spawn(ground: &Arc<Ground>) -> Result<(Self, Started), Refusal> {
        let permit = ground.children.clone().try_acquire_owned();
        let permit = permit.map_err(|_| ground.too_many_children())?;
        let not_started = |error: ProxyError| Refusal::bad_gateway(error.to_string());
        let (mut child, pipes) = Child::spawn(&ground.command).map_err(not_started)?;
        child.guard(ground.config.grace).map_err(not_started)?;
        ground.config.started.cancel();
        let (live, injections) = ground.roster.open(Owner::Client);
        let lane = Lane {
            tap: ground.tap.clone(),
            session: live.id,
            from: Party::Client,
        };
        lane.push(Body::Opened(Opened {
            by: "client".into(),
            transport: "http".into(),
            pid: Some(child.pid),
        }));
        let (lines, received) = mpsc::channel(LINES);
        let process = Self {
            live: live.clone(),
            lane: lane.clone(),
            activity: Arc::default(),
            lines,
            end: CancellationToken::new(),
        };
        let started = Started {
            ground: ground.clone(),
            live,
            lane,
            child,
            pipes,
            lines: received,
            reply: process.lines.downgrade(),
            injections,
            activity: process.activity.clone(),
            end: process.end.clone(),
            permit,
        };
        Ok((process, started))
    }

    /// Whether it may still take what clients post.
    pub fn is_open(&self) -> bool {
        !self.end.is_cancelled() && self.live.closed().is_none()
    }

    /// Writes one line, given without a line end; whether the child has taken it. When this is dropped before the line
    /// has its place behind others, it is not sent.
    pub async fn write(&self, message: &[u8]) -> bool {
        self.ask(message, None).await
    }

    /// The same; `heard` is cancelled when the child has read the line, where that shows.
    pub async fn ask(&self, message: &[u8], heard: Option<CancellationToken>) -> bool {
        let (written, done) = oneshot::channel();
        let line = Line {
            bytes: with_line_end(message),
            written: Some(written),
            heard,
        };
        let unsent = Unsent(&self.lane);
        let sent = self.lines.send(line).await;
        // It was sent, or there is nobody to send it to.
        std::mem::forget(unsent);
        sent.is_ok() && done.await.is_ok()
    }

    /// Has a line of our own making written, whenever that is possible.
    pub fn tell(&self, message: String, via: Option<Via>) {
        tell(&self.lane, &self.lines, message, via);
    }

    /// Ends the child when it is cancelled, politely at first.
    pub fn ending(&self) -> CancellationToken {
        self.end.clone()
    }

    /// Ends the child, politely at first.
    pub fn end(&self) {
        self.live.close("the session is being ended");
        self.end.cancel();
    }
}

/// Says, when it is dropped, that a line was not sent.
struct Unsent<'l>(&'l Lane);

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        self.0.note(
            "the client went away before the server was ready to read what it had posted: it was not sent".into(),
        );
    }
}

fn tell(lane: &Lane, lines: &mpsc::Sender<Line>, message: String, via: Option<Via>) {
    let line = Line {
        bytes: with_line_end(message.as_bytes()),
        written: None,
        heard: None,
    };
    lane.push(Body::Line {
        from: Party::Sentinel,
        to: Party::Server,
        bytes: message.into(),
        replay_of: None,
        via: via.map(Box::new),
    });
    if let Err(mpsc::error::TrySendError::Full(line)) = lines.try_send(line) {
        let lines = lines.clone();
        tokio::spawn(async move { lines.send(line).await });
    }
}

fn with_line_end(message: &[u8]) -> Bytes {
    [message, b"\n"].concat().into()
}

/// Who uses a child, and since when nobody does.
#[derive(Debug, Default)]
pub struct Activity {
    users: AtomicUsize,
    last: Mutex<Option<Instant>>,
}

/// Somebody uses a child.
#[derive(Debug)]
pub struct InUse(Arc<Activity>);

impl Activity {
    pub fn enter(self: &Arc<Self>) -> InUse {
        self.users.fetch_add(1, Ordering::AcqRel);
        InUse(self.clone())
    }

    /// For how long nobody has used the child; nothing while somebody does, or before anybody did.
    fn idle(&self) -> Option<Duration> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = self.users.load(Ordering::Acquire) == 0;
        last.filter(|_| unused).map(|last| last.elapsed())
    }

    /// Returns when nobody has used the child for `limit`.
    async fn idle_for(&self, limit: Duration) {
        let mut wait = limit;
        loop {
            tokio::time::sleep(wait).await;
            wait = match self.idle() {
                Some(idle) if idle >= limit => return,
                Some(idle) => limit - idle,
                None => limit,
            };
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Instant::now());
        self.0.users.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A child that has been started, and nobody hears yet.
#[derive(Debug)]
pub struct Started {
    ground: Arc<Ground>,
    live: Arc<Live>,
    lane: Lane,
    child: Child,
    pipes: Pipes,
    lines: mpsc::Receiver<Line>,
    reply: mpsc::WeakSender<Line>,
    injections: mpsc::Receiver<Injection>,
    activity: Arc<Activity>,
    end: CancellationToken,
    /// One of the children that there may be at once.
    permit: OwnedSemaphorePermit,
}

impl Started {
    /// Lets the child run until its end.
    pub fn start(self, ears: Arc<impl Ears>) {
        let exited = CancellationToken::new();
        let server = Lane {
            from: Party::Server,
            ..self.lane.clone()
        };
        let reader = Reader {
            server: self.pipes.stdout,
            lane: server.clone(),
            live: self.live.clone(),
            ears: ears.clone(),
            lines: self.reply,
            exited: exited.clone(),
        };
        let writer = Writer {
            server: self.pipes.stdin,
            lane: self.lane.clone(),
            handshake: Watch::new(self.live.readiness()),
            unheard: Vec::new(),
        };
        let ground = self.ground.clone();
        let forward = move |chunk| ground.forward_stderr(chunk);
        let errors = pump::stderr(self.pipes.stderr, server, exited.clone(), forward);
        let running = Running {
            ending: Ending::new(self.ground.config.grace),
            reader: tokio::spawn(reader.run()),
            writer: tokio::spawn(writer.run(self.lines, self.injections)),
            errors: tokio::spawn(errors),
            live: self.live,
            lane: self.lane,
            child: self.child,
            activity: self.activity,
            end: self.end,
            exited,
            limit: self.ground.limits.idle,
            stop: self.ground.stop.clone(),
            _permit: self.permit,
        };
        self.ground.tasks.spawn(running.run(ears));
    }
}

/// A child under way.
struct Running {
    live: Arc<Live>,
    lane: Lane,
    child: Child,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
    errors: JoinHandle<()>,
    ending: Ending,
    activity: Arc<Activity>,
    /// For how long nobody may use it.
    limit: Duration,
    stop: watch::Receiver<Stop>,
    end: CancellationToken,
    exited: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Running {
    async fn run(mut self, ears: Arc<impl Ears>) {
        let closed = how(self.until_exit().await);
        self.exited.cancel();
        self.writer.abort();
        if !self.reader.is_finished() {
            self.last_words().await;
        }
        self.live.close(&closed.reason);
        ears.over(&closed);
        // What the child leaves behind may take a while to go, which is no reason for others to wait.
        let _ = tokio::task::spawn_blocking(move || drop(self.child)).await;
        let _ = self.errors.await;
        self.lane.push(Body::Closed(closed));
        self.lane.tap.wake();
    }

    /// Waits for what the child has said to be on its way, and on record; not for ever once we are told to end.
    async fn last_words(&mut self) {
        let stop = &mut self.stop;
        let enough = async {
            let told = stop.wait_for(|stop| *stop != Stop::No).await.is_ok();
            if !told {
                // No sender is no order to come.
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            _ = &mut self.reader => {}
            () = enough => self.reader.abort(),
        }
    }

    async fn until_exit(&mut self) -> io::Result<ExitStatus> {
        let idle = self.activity.clone();
        let idle = idle.idle_for(self.limit);
        tokio::pin!(idle);
        let mut reads = true;
        loop {
            tokio::select! {
                status = self.child.wait() => return status,
                Ok(()) = self.stop.changed() => match *self.stop.borrow_and_update() {
                    Stop::No => {}
                    Stop::Politely => self.end.cancel(),
                    Stop::By(signal) => self.ending.by(signal, &self.child),
                },
                () = self.end.cancelled(), if !self.ending.has_begun() => {
                    // Dropping the writer closes the child's input.
                    self.writer.abort();
                    self.ending.politely();
                }
                _ = &mut self.reader, if reads => {
                    // It cannot answer any more.
                    reads = false;
                    self.end.cancel();
                }
                () = &mut idle, if !self.end.is_cancelled() => {
                    self.lane.note("nobody has used this session for a while: it is ended".into());
                    self.end.cancel();
                }
                signal = self.ending.due() => self.child.signal(signal),
            }
        }
    }
}

fn how(status: io::Result<ExitStatus>) -> Closed {
    match status {
        Ok(status) => child::closed(status),
        Err(error) => Closed {
            reason: format!("cannot wait for the server: {error}"),
            ..Closed::default()
        },
    }
}

/// Client to server.
struct Writer {
    server: Sink,
    lane: Lane,
    handshake: Watch,
    /// Cancelled when the child has read everything.
    unheard: Vec<CancellationToken>,
}

impl Writer {
    /// Runs until nobody can send any more, or it is aborted. A child that has closed its input is tried again and again:
    /// each who sends learns that it is deaf.
    async fn run(
        mut self,
        mut lines: mpsc::Receiver<Line>,
        mut injections: mpsc::Receiver<Injection>,
    ) {
        let mut deaf = false;
        loop {
            let written = tokio::select! {
                biased;
                Some(injection) = injections.recv() => {
                    self.lane.inject(&mut self.server, injection).await
                }
                line = lines.recv() => match line {
                    Some(line) => self.write(line).await,
                    None => return,
                },
                () = self.server.drained(), if !self.unheard.is_empty() => {
                    self.unheard.drain(..).for_each(|it| it.cancel());
                    continue;
                }
            };
            if let Err(error) = written
                && !std::mem::replace(&mut deaf, true)
            {
                self.lane.note(format!(
                    "the server reads no more, what was last sent to it may not have arrived: {error}"
                ));
            }
        }
    }

    async fn write(&mut self, line: Line) -> io::Result<()> {
        self.lane.deliver(self.server.write(&line.bytes)).await?;
        self.handshake.look(&line.bytes);
        self.unheard.extend(line.heard.filter(|_| READING_SHOWS));
        if let Some(written) = line.written {
            // Nobody waiting is nobody to tell.
            let _ = written.send(());
        }
        Ok(())
    }
}

/// Server to clients.
struct Reader<E> {
    server: Source,
    lane: Lane,
    live: Arc<Live>,
    ears: Arc<E>,
    /// For what the server is told in return. Not held: who holds it keeps the server's input open.
    lines: mpsc::WeakSender<Line>,
    exited: CancellationToken,
}

impl<E: Ears> Reader<E> {
    /// Runs until the child has said its last.
    async fn run(mut self) {
        let mut lines = LineSplitter::default();
        let mut whole = Vec::new();
        let mut tail = Tail::new(self.exited.clone());
        loop {
            self.lane.room().await;
            // A session that is quiet holds no buffer.
            let mut buf = BytesMut::new();
            let read = tail.read(&mut self.server, &mut buf).await;
            drop(buf);
            match read {
                Ok(chunk) if !chunk.is_empty() => {
                    let read = chunk.len();
                    // A message that waits somewhere must not hold what came with it. A longer one was put together.
                    lines.push(chunk, |line| match line.len() > read {
                        true => whole.push(line),
                        false => whole.push(Bytes::copy_from_slice(&line)),
                    });
                }
                Ok(_) => break,
                Err(error) => {
                    self.lane
                        .note(format!("cannot read from the server: {error}"));
                    break;
                }
            }
            for line in whole.drain(..) {
                let line = without_line_feed(line);
                let verdict = self.live.gate.judge(&line);
                if let Some(full) = self.hear(line, verdict) {
                    self.lane.tap.wake();
                    // Of a child that is gone there is not much more to come: no client has to make room for it.
                    tokio::select! {
                        () = full.room() => {}
                        () = tail.lingered() => {}
                    }
                }
            }
            self.lane.tap.wake();
        }
        if let Some(line) = lines.finish() {
            let verdict = self.live.gate.judge_last(&line);
            self.hear(line, verdict);
        }
    }

    /// The response in which more waits now than should, if any.
    fn hear(&self, mut line: Bytes, verdict: Verdict) -> Option<Full> {
        match verdict {
            Verdict::Pass | Verdict::Asked => {}
            Verdict::Operator => {
                self.record(line, Party::Operator, None);
                return None;
            }
            Verdict::Both(split) => {
                self.record(split.for_operator(&line), Party::Operator, None);
                self.lane.note(Split::NOTE.into());
                line = split.for_client(&line);
            }
        }
        let routed = self.ears.hear(line.clone());
        self.record(line, Party::Client, routed.via);
        if let Some(note) = routed.note {
            self.lane.note(note);
        }
        if let (Some(reply), Some(lines)) = (routed.reply, self.lines.upgrade()) {
            tell(&self.lane, &lines, reply, None);
        }
        routed.full
    }

    fn record(&self, line: Bytes, to: Party, via: Option<Via>) {
        self.lane.push(Body::Line {
            from: Party::Server,
            to,
            bytes: line,
            replay_of: None,
            via: via.map(Box::new),
        });
    }
}

fn without_line_feed(mut line: Bytes) -> Bytes {
    if line.last() == Some(&b'\n') {
        line.truncate(line.len() - 1);
    }
    line
}

#[cfg(test)]
mod tests;
