//! The recorder: a thread that turns events into capture lines. Nothing it does can stop the traffic.
//!
//! When writing fails, it tries again with growing pauses and leaves the events in the queue as long as there is room.
//! When half of the queue's budget is used, it gives up what is there and counts it; the gap is recorded where it
//! happened as soon as writing works again.

use super::output::Output;
use super::record::Header;
use super::scribe::Scribe;
use super::{store, write};
use crate::tap::{Drain, Queued};
use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines are written when there are this many bytes of them, at the latest.
const CHUNK: usize = 1 << 20;
/// How long the recorder waits for the rest of a line on standard error before it records the part.
const PATIENCE: Duration = Duration::from_millis(100);
/// The pauses between attempts to write to a file that refuses.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Running totals that the recorder publishes; all monotonic but the trouble.
#[derive(Debug, Default)]
pub struct Totals {
    /// Lines in the file from the client, JSON or not.
    pub client_messages: AtomicU64,
    /// Lines in the file from the server, those that only the operator got included.
    pub server_messages: AtomicU64,
    /// Lines in the file from the operator.
    pub operator_messages: AtomicU64,
    /// JSON-RPC error responses in the file. (A tool's own error is a result, and the model's business.)
    pub errors: AtomicU64,
    /// Messages that were forwarded and are not and will not be in the file.
    pub lost_messages: AtomicU64,
    /// Size of the file.
    pub bytes_written: AtomicU64,
    /// Number of the last record in the file.
    pub latest_seq: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Totals {
    /// Why nothing can be written at the moment, in words.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    fn set_trouble(&self, words: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot create capture {path}: {source}")]
    Create {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot write capture {path}: it is not a regular file")]
    NotAFile { path: PathBuf },
    #[error("cannot write capture {path}: the file is not empty")]
    NotEmpty { path: PathBuf },
    #[error("cannot write capture {path}: another recorder is writing it")]
    InUse { path: PathBuf },
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
        let file = store::create(&path)?;
        let compress = path.extension().is_some_and(|it| it == "zst");
        let failed = |source| RecordError::Create { path, source };
        let output = Output::new(file, compress).map_err(failed)?;
        Self::record(output, &header, drain)
    }

    fn record<W: Write + Send + 'static>(
        mut output: Output<W>,
        header: &Header,
        drain: Drain,
    ) -> Result<Self, RecordError> {
        write::json(output.lines().tail(), header);
        output.lines().tail().push(b'\n');
        let totals = Arc::new(Totals::default());
        let ending = Arc::new(AtomicBool::new(false));
        let mut work = Work {
            drain,
            batch: VecDeque::new(),
            weight: 0,
            scribe: Scribe::new(output),
            trouble: None,
            totals: Arc::clone(&totals),
            ending: Arc::clone(&ending),
        };
        // The header is in the file before anybody is told of it. A disk that is full already is no reason to stop.
        work.flush();
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                yield_to_traffic();
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

/// On a busy machine the traffic goes first.
fn yield_to_traffic() {
    // Linux: a thread of its own to the scheduler. Elsewhere this would lower the whole process.
    #[cfg(target_os = "linux")]
    if let Ok(nice) = rustix::process::getpriority_process(None) {
        let _ = rustix::process::setpriority_process(None, nice + 5);
    }
}

/// The file refuses.
struct Trouble {
    next_try: Instant,
    pause: Duration,
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
                None if !idle => self.drain.nap(),
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
            self.weight += item.weight();
            self.scribe.record(item);
            if self.scribe.pending() >= CHUNK && !self.flush() {
                return;
            }
        }
        // A burst must not keep its memory for ever.
        self.batch.shrink_to(1024);
        if self.scribe.pending() > 0 || self.weight > 0 {
            self.flush();
        }
    }

    /// Writes what was recorded; whether the file took it.
    fn flush(&mut self) -> bool {
        let result = self.scribe.flush();
        match result {
            Ok(()) => {
                self.drain.release(std::mem::take(&mut self.weight));
                if self.trouble.take().is_some() {
                    self.totals.set_trouble(None);
                    self.scribe.own_up();
                    return self.flush();
                }
            }
            Err(error) => {
                let pause = match &self.trouble {
                    Some(trouble) => (trouble.pause * 2).min(PAUSES.1),
                    None => PAUSES.0,
                };
                self.scribe.blame(&error);
                self.totals.set_trouble(Some(error.to_string()));
                self.trouble = Some(Trouble {
                    next_try: Instant::now() + pause,
                    pause,
                });
            }
        }
        self.scribe.publish(&self.totals);
        self.trouble.is_none()
    }

    /// Counts everything that is queued as lost. What was recorded already waits for the file.
    fn give_up(&mut self) {
        loop {
            while let Some(item) = self.batch.pop_front() {
                self.weight += item.weight();
                self.scribe.forget(item);
            }
            self.drain.release(std::mem::take(&mut self.weight));
            if !self.drain.take(&mut self.batch) {
                break;
            }
        }
        self.scribe.publish(&self.totals);
    }

    /// There is nothing to do: sleeps until there is, with an eye on a prompt without a line end.
    fn wait(&mut self) {
        if !self.scribe.has_partial_stderr() {
            self.drain.park(None);
        } else if !self.drain.park(Some(PATIENCE)) {
            self.scribe.record_partial_stderr();
            self.flush();
        }
    }

    fn finish(&mut self) {
        self.scribe.end();
        if self.scribe.finish().is_err() {
            self.scribe.forget_pending();
        }
        self.scribe.publish(&self.totals);
    }
}
