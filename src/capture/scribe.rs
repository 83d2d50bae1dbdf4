//! Puts streams together into lines, decides how each is recorded, and keeps account of what is not.
//!
//! A line is held until its end has come: only then is it known whether it is JSON and stands in the file as it is.

use super::http::{Entry, Exchanges};
use super::page::Page;
use super::write::Line;
use crate::tap::{Body, Event, Gap, Lost, Party, Queued, SessionId, Source, Timestamp};
use crate::wire::framing::LineSplitter;
use bytes::Bytes;
use hashbrown::HashMap;
use std::borrow::Cow;
use std::io::Write;

/// Why the tap drops anything.
pub(super) const TOO_SLOW: &str = "the disk is too slow";
/// Standard error without a line end is recorded in parts of about this size.
const STDERR_PART: usize = 8 << 10;

pub(super) struct Scribe<W> {
    streams: HashMap<(SessionId, Source), LineSplitter>,
    exchanges: Exchanges,
    pub page: Page<W>,
    /// When the last event happened.
    latest: Timestamp,
}

impl<W: Write> Scribe<W> {
    pub fn new(page: Page<W>, exchanges: Exchanges) -> Self {
        Self {
            streams: HashMap::new(),
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
                let from = *from;
                let line = Line {
                    at,
                    session,
                    from,
                    to: None,
                    replay_of: None,
                    via: None,
                    terminated: true,
                };
                self.streams
                    .entry((session, Source::Stream(from)))
                    .or_default()
                    .look(bytes, |bytes| match bytes {
                        Cow::Borrowed(bytes) => page.one_line(line, &bytes[..bytes.len() - 1]),
                        Cow::Owned(bytes) => page.line(line, &without_line_feed(bytes.into())),
                    });
            }
            Body::End { from } => self.end_stream(at, session, Source::Stream(*from)),
            Body::Line {
                from,
                to,
                bytes,
                replay_of,
                via,
            } => {
                let line = Line {
                    at,
                    session,
                    from: *from,
                    to: Some(*to).filter(|to| Some(*to) != expected(*from)),
                    replay_of: *replay_of,
                    via: via.as_deref(),
                    terminated: true,
                };
                page.line(line, &without_line_feed(bytes.clone()));
            }
            Body::Stderr { bytes } => {
                let key = (session, Source::Stderr);
                let splitter = self.streams.entry(key).or_default();
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
        let beginning = self
            .streams
            .remove(&(lost.session, lost.source))
            .and_then(|mut it| it.finish());
        let reason = match lost.source {
            Source::Stderr => "the disk is too slow; this is standard error",
            Source::Stream(_) | Source::Apart | Source::Body(..) => TOO_SLOW,
        };
        let gap = Gap {
            messages: lost.messages,
            bytes: lost.bytes + beginning.map_or(0, |it| it.len() as u64),
            reason: reason.into(),
        };
        self.page.gap(lost.at, lost.session, gap);
    }

    /// What is left of a stream is its last line.
    fn end_stream(&mut self, at: Timestamp, session: SessionId, source: Source) {
        let rest = self.streams.remove(&(session, source));
        let Some(rest) = rest.and_then(|mut it| it.finish()) else {
            return;
        };
        match source {
            Source::Stream(from) => {
                let line = Line {
                    at,
                    session,
                    from,
                    to: None,
                    replay_of: None,
                    via: None,
                    terminated: false,
                };
                self.page.line(line, &rest);
            }
            Source::Stderr | Source::Apart | Source::Body(..) => {
                self.page.stderr(at, session, &rest);
            }
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
