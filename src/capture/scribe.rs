//! Puts streams together into lines, decides how each is recorded, and keeps account of what is not.
//!
//! A line is held until its end has come, in memory or, when it is long, in a spool: only then is it known whether it is
//! JSON and stands in the file as it is.

use super::http::{Entry, Exchanges, TOO_SLOW};
use super::page::Page;
use super::spool::{self, Spool, WINDOW};
use super::write::Line;
use crate::tap::{Body, Event, Gap, Lost, Party, Queued, SessionId, Source, Timestamp};
use crate::wire::framing::LineSplitter;
use bytes::Bytes;
use hashbrown::HashMap;
use std::borrow::Cow;
use std::io::Write;
use std::path::PathBuf;

/// Standard error without a line end is recorded in parts of about this size.
const STDERR_PART: usize = 8 << 10;

pub(super) struct Scribe<W> {
    streams: HashMap<(SessionId, Source), Stream>,
    /// Where long lines wait for their ends.
    directory: PathBuf,
    exchanges: Exchanges,
    pub page: Page<W>,
    /// When the last event happened.
    latest: Timestamp,
}

/// What was not recorded yet of a stream.
#[derive(Debug, Default)]
struct Stream {
    lines: LineSplitter,
    /// The line that began last, when it is too long for memory; the splitter has none of it then.
    long: Option<Box<Spool>>,
}

impl Stream {
    /// Whether the chunk begins with more of a long line: that line when it is whole, and what follows of the chunk.
    fn lengthen<'b>(&mut self, chunk: &'b [u8]) -> (Option<Box<Spool>>, &'b [u8]) {
        let Some(long) = &mut self.long else {
            return (None, chunk);
        };
        match memchr::memchr(b'\n', chunk) {
            Some(end) => {
                long.push(&chunk[..end]);
                (self.long.take(), &chunk[end + 1..])
            }
            None => {
                long.push(chunk);
                (None, &[])
            }
        }
    }

    fn pending(&self) -> u64 {
        self.lines.pending() as u64 + self.long.as_ref().map_or(0, |it| it.len())
    }
}

impl<W: Write> Scribe<W> {
    pub fn new(page: Page<W>, exchanges: Exchanges, directory: PathBuf) -> Self {
        Self {
            streams: HashMap::new(),
            directory,
            exchanges,
            page,
            latest: Timestamp::default(),
        }
    }

    /// Turns an item into lines for the file.
    pub fn record(&mut self, item: &Queued) {
        self.page.forgetting = false;
        self.take(item);
    }

    /// Counts what the item would have become as lost. What happened to sessions is kept, to be recorded later.
    pub fn forget(&mut self, item: &Queued) {
        self.page.forgetting = true;
        self.take(item);
    }

    fn take(&mut self, item: &Queued) {
        let Event { at, session, body } = match item {
            Queued::Event(event, _) => event,
            Queued::Lost(lost) => return self.lose(lost),
        };
        let (at, session) = (*at, *session);
        self.latest = at;
        let page = &mut self.page;
        match body {
            Body::Stream { from, bytes } => {
                let line = Line::of_stream(at, session, *from);
                let stream = self
                    .streams
                    .entry((session, Source::Stream(*from)))
                    .or_default();
                let (ended, rest) = stream.lengthen(bytes);
                if let Some(long) = ended {
                    end_long_line(page, line, *long);
                }
                stream.lines.look(rest, |bytes| match bytes {
                    Cow::Borrowed(bytes) => page.one_line(line, &bytes[..bytes.len() - 1]),
                    Cow::Owned(bytes) => page.line(line, &without_line_feed(bytes.into())),
                });
                if stream.lines.pending() > WINDOW
                    && let Some(beginning) = stream.lines.finish()
                {
                    let long = Spool::begin(&self.directory, &beginning);
                    stream.long = Some(Box::new(long));
                }
            }
            Body::End { from } => self.end_stream(at, session, Source::Stream(*from)),
            Body::Line {
                from,
                to,
                bytes,
                replay_of,
                via,
            } => {
                let exchange = via.as_deref().map(|via| via.exchange);
                let refuses_no_message =
                    exchange.is_some_and(|it| self.exchanges.refuses_no_message(it));
                let line = Line {
                    to: Some(*to).filter(|to| Some(*to) != expected(*from)),
                    replay_of: *replay_of,
                    via: via.as_deref(),
                    // Who asked hears nothing of it, or hears of it again.
                    blameless: *to == Party::Sentinel || refuses_no_message,
                    ..Line::of_stream(at, session, *from)
                };
                page.line(line, &without_line_feed(bytes.clone()));
                if let Some(exchange) = exchange {
                    self.exchanges.carried(exchange, *from, *to, bytes);
                }
            }
            Body::Stderr { bytes } => {
                let key = (session, Source::Stderr);
                let splitter = &mut self.streams.entry(key).or_default().lines;
                splitter.look(bytes, |bytes| page.stderr(at, session, &bytes));
                if splitter.pending() >= STDERR_PART {
                    self.end_stream(at, session, Source::Stderr);
                }
            }
            Body::Closed(_) => {
                for source in self.sources(|of, _| of == session) {
                    self.end_stream(at, source.0, source.1);
                }
                self.page.event(at, session, body.clone());
            }
            Body::Http { exchange, what } => {
                let mut each = |entry: Entry<'_>| page.entry(at, session, entry);
                self.exchanges.take(session, *exchange, what, &mut each);
            }
            Body::Opened(_) | Body::Note { .. } => page.event(at, session, body.clone()),
        }
    }

    /// Lines that the tap dropped. The beginning of a line that lost its end is lost with it.
    fn lose(&mut self, lost: &Lost) {
        if let Source::Body(exchange, of) = lost.source {
            let (page, place) = (&mut self.page, (exchange, of));
            let mut each = |entry: Entry<'_>| page.entry(lost.at, lost.session, entry);
            return self.exchanges.lose(lost.session, place, lost, &mut each);
        }
        let beginning = self.streams.remove(&(lost.session, lost.source));
        let reason = match lost.source {
            Source::Stderr => "the disk is too slow; this is standard error",
            Source::Stream(_) | Source::Apart | Source::Body(..) => TOO_SLOW,
        };
        let gap = Gap {
            messages: lost.messages,
            bytes: lost.bytes + beginning.map_or(0, |it| it.pending()),
            reason: reason.into(),
        };
        self.page.gap(lost.at, lost.session, gap);
    }

    /// What is left of a stream is its last line.
    fn end_stream(&mut self, at: Timestamp, session: SessionId, source: Source) {
        let Some(mut stream) = self.streams.remove(&(session, source)) else {
            return;
        };
        let rest = stream.lines.finish();
        let Source::Stream(from) = source else {
            return rest
                .into_iter()
                .for_each(|it| self.page.stderr(at, session, &it));
        };
        let line = Line {
            terminated: false,
            ..Line::of_stream(at, session, from)
        };
        match (stream.long, rest) {
            (Some(long), _) => end_long_line(&mut self.page, line, *long),
            (None, Some(rest)) => self.page.line(line, &rest),
            (None, None) => {}
        }
    }

    /// Whether a line on standard error waits for its end.
    pub fn has_partial_stderr(&self) -> bool {
        self.streams
            .iter()
            .any(|((_, source), it)| *source == Source::Stderr && it.pending() > 0)
    }

    pub fn record_partial_stderr(&mut self) {
        self.page.forgetting = false;
        for (session, source) in self.sources(|_, source| source == Source::Stderr) {
            self.end_stream(self.latest, session, source);
        }
    }

    /// Nothing more will come: what is left of every stream is its last line.
    pub fn end(&mut self) {
        self.page.forgetting = false;
        self.page.own_up();
        for (session, source) in self.sources(|_, _| true) {
            self.end_stream(self.latest, session, source);
        }
        let (page, at) = (&mut self.page, self.latest);
        let mut each = |session, entry: Entry<'_>| page.entry(at, session, entry);
        self.exchanges.end(&mut each);
    }

    /// The sources that are wanted, in a fixed order.
    fn sources(&self, wanted: impl Fn(SessionId, Source) -> bool) -> Vec<(SessionId, Source)> {
        let keys = self.streams.keys().copied();
        let mut sources: Vec<_> = keys.filter(|it| wanted(it.0, it.1)).collect();
        sources.sort();
        sources
    }

    /// Gives back memory that only a burst needs.
    pub fn slim(&mut self) {
        self.page.slim();
        self.exchanges.slim();
    }
}

/// What could not be kept until here is lost.
fn end_long_line<W: Write>(page: &mut Page<W>, line: Line<'_>, long: Spool) {
    let bytes = long.len() + u64::from(line.terminated);
    match long.finish() {
        Ok(spooled) => page.long_line(line, spooled),
        Err(error) => page.gap(line.at, line.session, spool::gap(1, bytes, &error)),
    }
}

fn without_line_feed(mut bytes: Bytes) -> Bytes {
    if bytes.last() == Some(&b'\n') {
        bytes.truncate(bytes.len() - 1);
    }
    bytes
}
/// To whom a message is, unless the file says otherwise.
fn expected(from: Party) -> Option<Party> {
    match from {
        Party::Client | Party::Operator => Some(Party::Server),
        Party::Server => Some(Party::Client),
        Party::Sentinel => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::output::Output;

    #[test]
    fn the_beginning_of_a_long_line_is_lost_with_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.jsonl");
        let output = Output::new(std::fs::File::create(&path).unwrap(), false).unwrap();
        let page = Page::new(output);
        let exchanges = Exchanges::new(Vec::new(), directory.path().into());
        let mut scribe = Scribe::new(page, exchanges, directory.path().into());
        let (at, session, from) = (Timestamp(1), SessionId(1), Party::Client);
        let stream = |bytes: Bytes| {
            let body = Body::Stream { from, bytes };
            Queued::Event(Event { at, session, body }, 0)
        };
        for _ in 0..3 {
            scribe.record(&stream(vec![b'x'; WINDOW].into()));
        }
        scribe.record(&Queued::Lost(Lost {
            at,
            session,
            source: Source::Stream(from),
            messages: 1,
            bytes: 7,
        }));
        scribe.record(&stream("[1]\n".into()));
        scribe.end();
        scribe.page.flush().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let bytes = 3 * WINDOW + 7;
        assert!(lines[0].contains(&format!("\"gap\":{{\"messages\":1,\"bytes\":{bytes},")));
        assert!(lines[1].ends_with(",\"message\":[1]}"));
        assert_eq!(lines.len(), 2);
    }
}
