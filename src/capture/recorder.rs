//! The recorder: a thread that turns events into capture lines. Nothing it does can stop the traffic.
//!
//! When writing fails, it tries again with growing pauses and leaves the events in the queue as long as there is room.
//! When half of the queue's budget is used, it gives up what is there and counts it; the gap is recorded where it
//! happened as soon as writing works again.

use super::http::Exchanges;
use super::output::Output;
use super::page::Page;
use super::record::Header;
use super::scribe::Scribe;
use super::{store, write};
use crate::tap::{Drain, Health, Pulse, Queued, give_way};
use regex::Regex;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Lines are written when there are this many bytes of them, at the latest: as much as the buffer keeps. One that grows
/// for each burst is memory that the system has to find and clear again, which takes longer than all the rest.
const CHUNK: u64 = 64 << 10;
/// How long the recorder lets events gather before it looks again: at most a thousand looks a second, and a message in
/// the file a millisecond after it was forwarded.
const NAP: Duration = Duration::from_millis(1);
/// The same while a stream is dense: a burst passes first and is recorded after, and who asks as fast as answers come does
/// not meet the recorder with every other question. Chunks of a stream wait in the few buffers that they were read into;
/// the many parts of exchanges over HTTP would not be in the processor's cache any more.
const LONG_NAP: Duration = Duration::from_millis(20);
/// A stream is dense when one batch holds so much of it.
const DENSE: Streamed = Streamed {
    chunks: 16,
    bytes: 32 << 10,
};
/// The same while a stream is a flood, of which nobody reads a line as it comes: each message that is recorded now is
/// one that waits for a processor to be forwarded.
const LONGEST_NAP: Duration = Duration::from_millis(100);
/// A stream is a flood when it brings so many bytes a millisecond, more than one read takes.
const FLOOD: u128 = 96 << 10;
/// How long the recorder waits for the rest of a line on standard error before it records the part.
const PATIENCE: Duration = Duration::from_millis(100);
/// What passes through the queue lies in the heaps of the threads that read it, and an allocator keeps it there. After
/// this many bytes, and when nothing comes for so long, it is asked to give it back.
const BURST: usize = 8 << 20;
const BREATH: Duration = Duration::from_secs(1);
/// How often the recorder looks whether the file still has its name.
const LOOK: Duration = Duration::from_secs(1);
const REMOVED: &str = "its file was removed";
/// The pauses between attempts to write to a file that refuses.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Running totals that the recorder publishes; all monotonic but the health.
#[derive(Debug, Default)]
pub struct Totals {
    /// Messages in the file from the client: each part of a batch is one, and each other line, JSON or not.
    pub client_messages: AtomicU64,
    /// The same from the server, those that only the operator got included.
    pub server_messages: AtomicU64,
    /// The same from the operator.
    pub operator_messages: AtomicU64,
    /// JSON-RPC error responses in the file that somebody got who had asked; requests and notifications that HTTP refused
    /// (status 400 or more) without an answer in the same exchange; whatever else HTTP failed at (500 or more). That a
    /// server refuses to be discovered, or confirms that something was cancelled, is none; nor is what we ask of our own
    /// accord.
    pub errors: AtomicU64,
    /// Results in the file that say `isError: true`.
    pub tool_errors: AtomicU64,
    /// Messages that were forwarded and are not and will not be in the file.
    pub lost_messages: AtomicU64,
    /// Why the first of them were lost, in words.
    pub why_lost: OnceLock<String>,
    /// Size of the file.
    pub bytes_written: AtomicU64,
    /// Number of the last record in the file.
    pub latest_seq: AtomicU64,
    health: watch::Sender<Health>,
}

impl Totals {
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// The health, for those who wait for it to change.
    pub fn pulse(&self) -> Pulse {
        Pulse::of(&self.health)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot create capture {path}: {source}")]
    Create {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot create capture {path}: there is no directory {directory}; make it first")]
    NoDirectory { path: PathBuf, directory: PathBuf },
    #[error("cannot write capture {path}: it is not a regular file")]
    NotAFile { path: PathBuf },
    #[error("cannot write capture {path}: it is a symbolic link")]
    SymbolicLink { path: PathBuf },
    #[error("cannot write capture {path}: the file is not empty; give another name, or remove it")]
    NotEmpty { path: PathBuf },
    #[error("cannot write capture {path}: another recorder is writing it")]
    InUse { path: PathBuf },
}

/// What a recorder is told beside where to write.
#[derive(Debug, Default)]
pub struct Options {
    /// What these match is masked in all that HTTP carries beside messages, as are names and shapes that are known to
    /// be secret.
    pub secret: Vec<Regex>,
    /// Called when nothing comes after a burst that took much memory.
    pub at_rest: Option<fn()>,
    /// How far it gives way to the traffic on a busy machine: by so much its niceness is raised, on Linux.
    pub niceness: u8,
}

/// A running recorder. Dropping it without [`Recorder::finish`] lets the thread end alone, if the process lives on.
#[derive(Debug)]
pub struct Recorder {
    totals: Arc<Totals>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Creates the file (0600, never following a symbolic link into place), writes the header, starts the thread. A
    /// name that ends with `.zst` makes a compressed capture.
    pub fn start(path: PathBuf, header: Header, drain: Drain) -> Result<Self, RecordError> {
        Self::start_with(path, header, drain, Options::default())
    }

    /// As [`Recorder::start`].
    pub fn start_with(
        path: PathBuf,
        header: Header,
        drain: Drain,
        options: Options,
    ) -> Result<Self, RecordError> {
        let file = store::create(&path)?;
        let compress = path.extension().is_some_and(|it| it == "zst");
        let failed = |source| RecordError::Create {
            path: path.clone(),
            source,
        };
        let name = Name::of(&file).map_err(failed)?;
        let output = Output::new(file, compress).map_err(failed)?;
        let mut directory = std::path::absolute(&path).map_err(failed)?;
        directory.pop();
        Self::record(output, name, directory, &header, drain, options)
    }

    /// As [`Recorder::start`], in a file that nobody keeps.
    pub fn start_in(
        file: File,
        header: Header,
        drain: Drain,
        options: Options,
    ) -> io::Result<Self> {
        let output = Output::new(file, false)?;
        // What is too long for memory lies beside no file.
        let directory = PathBuf::new();
        let recorder = Self::record(output, None, directory, &header, drain, options);
        recorder.map_err(io::Error::other)
    }

    fn record<W: Write + Send + 'static>(
        mut output: Output<W>,
        name: Option<Name>,
        directory: PathBuf,
        header: &Header,
        drain: Drain,
        options: Options,
    ) -> Result<Self, RecordError> {
        write::json(output.lines().tail(), header);
        output.lines().tail().push(b'\n');
        let totals = Arc::new(Totals::default());
        let ending = Arc::new(AtomicBool::new(false));
        let mut work = Work {
            drain,
            batch: VecDeque::new(),
            weight: 0,
            scribe: Scribe::new(
                Page::new(output),
                Exchanges::new(options.secret, directory.clone()),
                directory,
            ),
            trouble: None,
            name,
            streamed: Streamed::default(),
            looked: Instant::now(),
            burst: 0,
            at_rest: options.at_rest,
            totals: Arc::clone(&totals),
            ending: Arc::clone(&ending),
        };
        // The header is in the file before anybody is told of it. A disk that is full already is no reason to stop.
        work.flush();
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                give_way(options.niceness);
                work.run();
            });
        Ok(Self {
            totals,
            ending,
            thread: Some(thread.map_err(|source| RecordError::Create {
                path: PathBuf::from("recorder thread"),
                source,
            })?),
        })
    }

    pub fn totals(&self) -> Arc<Totals> {
        Arc::clone(&self.totals)
    }

    /// Writes all that is queued, flushes, and ends the thread. Call when every [`crate::tap::Tap`] is done.
    pub fn finish(mut self) {
        if let Some(thread) = self.end() {
            // A panic in the recorder has been reported by the panic hook; there is nothing to add.
            let _ = thread.join();
        }
    }

    fn end(&mut self) -> Option<JoinHandle<()>> {
        self.ending.store(true, Ordering::Release);
        let thread = self.thread.take()?;
        thread.thread().unpark();
        Some(thread)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end();
    }
}

/// How much of streams was recorded.
#[derive(Debug, Default)]
struct Streamed {
    chunks: usize,
    bytes: usize,
}

impl Streamed {
    fn count(&mut self, item: &Queued) {
        if let Some(bytes) = item.streamed() {
            self.chunks += 1;
            self.bytes += bytes;
        }
    }

    /// How long the next batch may gather, when this one has gathered for `time`.
    fn nap_after(&self, time: Duration) -> Duration {
        if self.bytes as u128 * 1000 / time.max(NAP).as_micros() >= FLOOD {
            LONGEST_NAP
        } else if self.chunks >= DENSE.chunks || self.bytes >= DENSE.bytes {
            LONG_NAP
        } else {
            NAP
        }
    }
}

/// The file refuses.
struct Trouble {
    /// In words.
    reason: String,
    next_try: Instant,
    pause: Duration,
}

/// The name of the file, which anybody may take away while we write: then nobody can read what we write.
struct Name {
    file: File,
    looked: Instant,
    removed: bool,
}

impl Name {
    /// None where the file system counts no names: there a look would tell nothing.
    fn of(file: &File) -> io::Result<Option<Self>> {
        if file.metadata()?.nlink() == 0 {
            return Ok(None);
        }
        Ok(Some(Self {
            file: file.try_clone()?,
            looked: Instant::now(),
            removed: false,
        }))
    }

    /// Looks, when it has not for a while.
    fn is_removed(&mut self, at_once: bool) -> bool {
        if !self.removed && (at_once || self.looked.elapsed() >= LOOK) {
            self.looked = Instant::now();
            self.removed = self.file.metadata().is_ok_and(|file| file.nlink() == 0);
        }
        self.removed
    }
}

/// What the thread owns.
struct Work<W> {
    drain: Drain,
    /// Taken from the queue and not recorded yet.
    batch: VecDeque<Queued>,
    /// What was recorded and is not in the file yet weighs this much of the queue's budget.
    weight: usize,
    scribe: Scribe<W>,
    trouble: Option<Trouble>,
    name: Option<Name>,
    /// In this batch.
    streamed: Streamed,
    /// When the queue was looked into last.
    looked: Instant,
    /// What was recorded since the last rest.
    burst: usize,
    at_rest: Option<fn()>,
    totals: Arc<Totals>,
    ending: Arc<AtomicBool>,
}

impl<W: Write> Work<W> {
    fn run(mut self) {
        loop {
            // Read before the queue is: what was pushed before the end was announced is taken.
            let ending = self.ending.load(Ordering::Acquire);
            if ending {
                self.drain.end_losses();
            }
            if self.batch.is_empty() {
                self.drain.take(&mut self.batch);
            }
            let gathered = std::mem::replace(&mut self.looked, Instant::now()).elapsed();
            let idle = self.batch.is_empty();
            self.record(ending);
            match &self.trouble {
                Some(_) if ending => break self.give_up(),
                Some(trouble) => {
                    let pause = trouble.next_try.saturating_duration_since(Instant::now());
                    if self.drain.is_pressed() {
                        self.give_up();
                    }
                    self.drain.sleep(pause);
                }
                None if !idle => {
                    let streamed = std::mem::take(&mut self.streamed);
                    self.drain.nap(streamed.nap_after(gathered));
                }
                None if ending => break,
                None => self.wait(),
            }
        }
        self.finish();
    }

    /// Records the batch, or as much of it as the file takes.
    fn record(&mut self, at_once: bool) {
        if let Some(trouble) = &self.trouble {
            if !at_once && Instant::now() < trouble.next_try {
                return;
            }
            if !self.flush() {
                return;
            }
        }
        while let Some(item) = self.batch.pop_front() {
            let weight = item.weight();
            self.weight += weight;
            self.burst = self.burst.saturating_add(weight);
            self.streamed.count(&item);
            self.scribe.record(&item);
            self.drain.dismiss(item);
            if self.scribe.page.len() >= CHUNK && !self.flush() {
                return;
            }
        }
        if self.scribe.page.len() > 0 || self.weight > 0 {
            self.flush();
        }
    }

    /// Writes what was recorded; whether the file took it.
    fn flush(&mut self) -> bool {
        let result = self.scribe.page.flush();
        match result {
            Ok(()) => {
                self.drain.release(std::mem::take(&mut self.weight));
                if self.trouble.take().is_some() {
                    self.scribe.page.own_up();
                    return self.flush();
                }
            }
            Err(error) => {
                let pause = match &self.trouble {
                    Some(trouble) => (trouble.pause * 2).min(PAUSES.1),
                    None => PAUSES.0,
                };
                self.scribe.page.blame(&error);
                self.trouble = Some(Trouble {
                    reason: error.to_string(),
                    next_try: Instant::now() + pause,
                    pause,
                });
            }
        }
        self.publish(false);
        self.trouble.is_none()
    }

    fn publish(&mut self, at_the_end: bool) {
        let name = self.name.as_mut();
        let removed = name.is_some_and(|name| name.is_removed(at_the_end));
        let removed = removed.then_some(REMOVED);
        self.scribe.page.publish(&self.totals, removed, at_the_end);
        let trouble = self.trouble.as_ref().map(|it| it.reason.as_str());
        let trouble = removed.or(trouble).map(str::to_owned);
        let health = Health {
            trouble,
            lost: self.totals.lost_messages.load(Ordering::Relaxed),
        };
        self.totals.health.send_if_modified(|known| {
            let changed = *known != health;
            *known = health;
            changed
        });
    }

    /// Counts everything that is queued as lost. What was recorded already waits for the file.
    fn give_up(&mut self) {
        loop {
            while let Some(item) = self.batch.pop_front() {
                self.weight += item.weight();
                self.scribe.forget(&item);
            }
            self.drain.release(std::mem::take(&mut self.weight));
            if !self.drain.take(&mut self.batch) {
                break;
            }
        }
        self.publish(false);
    }

    /// There is nothing to do: sleeps until there is, with an eye on a prompt without a line end.
    fn wait(&mut self) {
        // A burst must not keep its memory for ever.
        self.batch.shrink_to(1024);
        self.scribe.slim();
        if self.scribe.has_partial_stderr() {
            if !self.drain.park(Some(PATIENCE)) {
                self.scribe.record_partial_stderr();
                self.flush();
            }
        } else if self.burst < BURST {
            self.drain.park(None);
        } else if !self.drain.park(Some(BREATH)) {
            self.burst = 0;
            if let Some(rest) = self.at_rest
                && !self.ending.load(Ordering::Acquire)
            {
                rest();
            }
        }
    }

    fn finish(&mut self) {
        self.scribe.end();
        if self.scribe.page.finish().is_err() {
            self.scribe.page.forget_pending();
        }
        self.publish(true);
    }
}

#[cfg(test)]
mod tests;
