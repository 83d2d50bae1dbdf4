//! `--print`: the traffic on stderr, read from the capture like any viewer does.

mod answers;
mod exchanges;
mod json;
mod stderr;
mod text;

use super::{Print, Voice};
use crate::capture::reader::{ANY_LENGTH, ReadError, Reader};
use crate::capture::record::{Location, Payload};
use crate::tap::{SessionId, Timestamp};
use crate::traffic::gist::neutral;
use chrono::{Local, TimeZone as _};
use json::Json;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use text::Text;
use tokio_util::sync::CancellationToken;

/// How often a capture that grows no more is looked at.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the end waits for a stderr that nobody reads.
const STUCK: Duration = Duration::from_secs(2);
const BATCH: usize = 500;

/// A thread that prints what a capture holds, and what it comes to hold.
#[derive(Debug)]
pub struct Printer {
    thread: JoinHandle<()>,
    printed: Arc<AtomicU64>,
}

impl Printer {
    /// Prints what there is once `begun` (the startup line comes first) or `ended`, until the capture is read to its end
    /// after `ended`.
    pub fn start(
        capture: &Path,
        print: Print,
        begun: CancellationToken,
        ended: CancellationToken,
    ) -> io::Result<Self> {
        // Before anybody takes its name away.
        let reader = Reader::open(capture);
        let path = capture.to_owned();
        let printed = Arc::new(AtomicU64::new(0));
        let progress = printed.clone();
        let work = move || {
            let mut out = Counting {
                out: io::stderr(),
                written: progress,
            };
            let tame = io::stderr().is_terminal();
            while !begun.is_cancelled() && !ended.is_cancelled() {
                std::thread::sleep(PAUSE);
            }
            let followed = once_begun(reader, &path, &ended)
                .and_then(|reader| follow(reader, print, tame, &ended, &mut out));
            if let Err(error) = followed {
                let voice = Voice::from(Some(print));
                voice.complain(&format!("cannot print the traffic: {error}"));
            }
        };
        let thread = std::thread::Builder::new().name("print".to_owned());
        Ok(Self {
            thread: thread.spawn(work)?,
            printed,
        })
    }

    /// Waits for the end, as long as stderr is being read.
    pub fn finish(self) {
        let mut seen = (self.printed.load(Ordering::Relaxed), Instant::now());
        while !self.thread.is_finished() && seen.1.elapsed() < STUCK {
            std::thread::sleep(Duration::from_millis(1));
            let printed = self.printed.load(Ordering::Relaxed);
            if printed != seen.0 {
                seen = (printed, Instant::now());
            }
        }
    }
}

/// Waits for the header: on a full disk there is none until there is room.
fn once_begun(
    mut reader: Result<Reader, ReadError>,
    capture: &Path,
    ended: &CancellationToken,
) -> Result<Reader, ReadError> {
    let mut over = false;
    while reader.as_ref().is_err_and(ReadError::is_unbegun) && !over {
        std::thread::sleep(PAUSE);
        // What was written before the end is there to be read after it.
        over = ended.is_cancelled();
        reader = Reader::open(capture);
    }
    reader
}

/// `tame` leaves nothing in the capture's own lines that a terminal would obey.
fn follow(
    reader: Reader,
    print: Print,
    tame: bool,
    ended: &CancellationToken,
    out: &mut impl Write,
) -> Result<(), ReadError> {
    let mut reader = reader.pass_over(ANY_LENGTH);
    let bodies = reader.bodies()?;
    let (mut text, mut json) = (Text::default(), Json::default());
    let mut lines = Vec::new();
    if print == Print::Json {
        lines.push(bodies.line(Location::default())?);
    }
    loop {
        let over = ended.is_cancelled();
        let read = reader.read(BATCH, |record| match print {
            Print::Text => lines.extend(text.lines(&record)),
            // It has no line of its own.
            Print::Json if matches!(record.payload, Payload::Missing { .. }) => {}
            // A line that can be read once can be read twice.
            Print::Json => lines.extend(
                bodies
                    .line(record.location)
                    .map(|line| json.line(line, &record)),
            ),
        })?;
        for mut line in lines.drain(..) {
            if tame {
                line = tamed(&line);
            }
            // Who closed stderr wants to read no more.
            if out.write_all(&line).is_err() {
                return Ok(());
            }
        }
        if read == 0 && !over {
            lines.extend(text.waited());
            std::thread::sleep(PAUSE);
        } else if read == 0 {
            lines.extend(text.end());
            if lines.is_empty() {
                return Ok(());
            }
        }
    }
}

/// JSON may hold C1 controls and marks that turn the writing direction as they are.
fn tamed(line: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    format!("{}\n", neutral(text)).into_bytes()
}

/// One line, whatever a peer wrote into it.
fn line(at: Timestamp, session: SessionId, said: &str) -> Vec<u8> {
    let time = Local.timestamp_micros(at.0).single();
    let time = time
        .map(|it| it.format("%H:%M:%S%.3f").to_string())
        .unwrap_or_default();
    let session = match session {
        SessionId::NONE | SessionId(1) => String::new(),
        SessionId(other) => format!("#{other} "),
    };
    format!("{time} {session}{}\n", neutral(said)).into_bytes()
}

/// Counts what has gone out, so that somebody else can see whether anything does.
struct Counting<W> {
    out: W,
    written: Arc<AtomicU64>,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.out.write(bytes)?;
        self.written.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
