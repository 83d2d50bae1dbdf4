//! Puts streams together into lines, decides how each is recorded, and keeps account of what is not.
//!
//! A line is held until its end has come: only then is it known whether it is JSON and stands in the file as it is.

use super::output::Output;
use super::recorder::Totals;
use super::write::{Line, Writer};
use crate::tap::{Body, Event, Gap, Lost, Party, Queued, SessionId, Source, Timestamp};
use crate::wire::framing::LineSplitter;
use crate::wire::{Frame, Kind, envelope};
use bytes::Bytes;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::atomic::Ordering;

/// Standard error without a line end is recorded in parts of about this size.
const STDERR_PART: usize = 8 << 10;

pub(super) struct Scribe<W> {
    streams: HashMap<(SessionId, Source), LineSplitter>,
    page: Page<W>,
    /// When the last event happened.
    latest: Timestamp,
}

impl<W: Write> Scribe<W> {
    pub fn new(output: Output<W>) -> Self {
        Self {
            streams: HashMap::new(),
            page: Page {
                output,
                writer: Writer::default(),
                pending: Counts::default(),
                written: Counts::default(),
                lost_messages: 0,
                forgetting: false,
                missed: Vec::new(),
                blame: String::new(),
                error_member: memchr::memmem::Finder::new("\"error\""),
            },
            latest: Timestamp::default(),
        }
    }

    /// Turns an item into lines for the file.
    pub fn record(&mut self, item: Queued) {
        self.page.forgetting = false;
        self.take(item);
    }

    /// Counts what the item would have become as lost. What happened to sessions is kept, to be recorded later.
    pub fn forget(&mut self, item: Queued) {
        self.page.forgetting = true;
        self.take(item);
    }

    fn take(&mut self, item: Queued) {
        let Event { at, session, body } = match item {
            Queued::Event(event) => event,
            Queued::Lost(lost) => return self.lose(&lost),
        };
        self.latest = at;
        let page = &mut self.page;
        match body {
            Body::Stream { from, bytes } => {
                let line = Line {
                    at,
                    session,
                    from,
                    to: None,
                    replay_of: None,
                    terminated: true,
                };
                self.streams
                    .entry((session, Source::Stream(from)))
                    .or_default()
                    .push(bytes, |bytes| page.line(line, &without_line_feed(bytes)));
            }
            Body::End { from } => self.end_stream(at, session, Source::Stream(from)),
            Body::Line {
                from,
                to,
                bytes,
                replay_of,
                ..
            } => {
                let line = Line {
                    at,
                    session,
                    from,
                    to: (to == Party::Operator).then_some(to),
                    replay_of,
                    terminated: true,
                };
                page.line(line, &without_line_feed(bytes));
            }
            Body::Stderr { bytes } => {
                let key = (session, Source::Stderr);
                let splitter = self.streams.entry(key).or_default();
                splitter.push(bytes, |bytes| page.stderr(at, session, &bytes));
                if splitter.pending() >= STDERR_PART {
                    self.end_stream(at, session, Source::Stderr);
                }
            }
            Body::Closed(_) => {
                for source in self.sources(|of, _| of == session) {
                    self.end_stream(at, source.0, source.1);
                }
                self.page.event(at, session, body);
            }
            // todo: heads, bodies and the messages in them
            Body::Http { .. } => {}
            Body::Opened(_) | Body::Note { .. } => page.event(at, session, body),
        }
    }

    /// Lines that the tap dropped. The beginning of a line that lost its end is lost with it.
    fn lose(&mut self, lost: &Lost) {
        let beginning = self
            .streams
            .remove(&(lost.session, lost.source))
            .and_then(|mut it| it.finish());
        let reason = match lost.source {
            Source::Stderr => "the disk is too slow; this is standard error",
            Source::Stream(_) | Source::Apart => "the disk is too slow",
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
                    terminated: false,
                };
                self.page.line(line, &rest);
            }
            Source::Stderr | Source::Apart => self.page.stderr(at, session, &rest),
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
        self.own_up();
        for (session, source) in self.sources(|_, _| true) {
            self.end_stream(self.latest, session, source);
        }
    }

    /// The sources that are wanted, in a fixed order.
    fn sources(&self, wanted: impl Fn(SessionId, Source) -> bool) -> Vec<(SessionId, Source)> {
        let keys = self.streams.keys().copied();
        let mut sources: Vec<_> = keys.filter(|it| wanted(it.0, it.1)).collect();
        sources.sort();
        sources
    }

    /// Bytes of lines that were not handed to the file yet.
    pub fn pending(&mut self) -> usize {
        self.page.output.lines().len()
    }

    /// Gives back memory that only a burst needs.
    pub fn slim(&mut self) {
        self.page.output.lines().slim();
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.page.output.flush()?;
        self.page.settle();
        Ok(())
    }

    pub fn finish(&mut self) -> io::Result<()> {
        self.page.output.finish()?;
        self.page.settle();
        Ok(())
    }

    /// The file will not take what is pending any more.
    pub fn forget_pending(&mut self) {
        let pending = std::mem::take(&mut self.page.pending);
        self.page.lost_messages += pending.client + pending.server + pending.operator;
    }

    /// What is forgotten from now on is lost for this reason.
    pub fn blame(&mut self, error: &io::Error) {
        self.page.blame = error.to_string();
    }

    /// Records what was missed while the file refused.
    pub fn own_up(&mut self) {
        let page = &mut self.page;
        page.forgetting = false;
        for missed in std::mem::take(&mut page.missed) {
            match missed {
                Missed::Gap(at, session, gap) => page.write_gap(at, session, &gap),
                Missed::Event(at, session, body) => page.event(at, session, body),
            }
        }
    }

    pub fn publish(&self, totals: &Totals) {
        let written = self.page.written;
        for (total, value) in [
            (&totals.client_messages, written.client),
            (&totals.server_messages, written.server),
            (&totals.operator_messages, written.operator),
            (&totals.errors, written.errors),
            (&totals.lost_messages, self.page.lost_messages),
            (&totals.bytes_written, self.page.output.written()),
            (&totals.latest_seq, written.seq),
        ] {
            total.store(value, Ordering::Release);
        }
    }
}

fn without_line_feed(mut bytes: Bytes) -> Bytes {
    if bytes.last() == Some(&b'\n') {
        bytes.truncate(bytes.len() - 1);
    }
    bytes
}

/// What lines are written on, and the accounts.
struct Page<W> {
    output: Output<W>,
    writer: Writer,
    /// Since the last time the file took everything.
    pending: Counts,
    written: Counts,
    lost_messages: u64,
    /// Nothing is written at the moment; everything goes into `missed`.
    forgetting: bool,
    /// What is to be recorded when the file takes lines again, in order.
    missed: Vec<Missed>,
    /// Why things are missed.
    blame: String,
    error_member: memchr::memmem::Finder<'static>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    client: u64,
    server: u64,
    operator: u64,
    errors: u64,
    seq: u64,
}

enum Missed {
    Gap(Timestamp, SessionId, Gap),
    Event(Timestamp, SessionId, Body),
}

impl<W: Write> Page<W> {
    fn line(&mut self, line: Line, bytes: &Bytes) {
        if self.forgetting {
            // The line feed is lost as well, where there was one.
            let gap = Gap {
                messages: 1,
                bytes: bytes.len() as u64 + u64::from(line.terminated),
                reason: String::new(),
            };
            return self.gap(line.at, line.session, gap);
        }
        let json = is_one_line(bytes) && envelope::is_json(bytes);
        self.writer.line(self.output.lines(), line, bytes, json);
        match line.from {
            Party::Client => self.pending.client += 1,
            Party::Server => self.pending.server += 1,
            Party::Operator => self.pending.operator += 1,
            Party::Sentinel => {}
        }
        // The envelope is read only where the word is found: rarely.
        if json && self.error_member.find(bytes).is_some() {
            self.pending.errors += errors(bytes);
        }
    }

    fn stderr(&mut self, at: Timestamp, session: SessionId, bytes: &[u8]) {
        if self.forgetting {
            let gap = Gap {
                messages: 0,
                bytes: bytes.len() as u64,
                reason: String::new(),
            };
            return self.gap(at, session, gap);
        }
        self.writer.stderr(self.output.lines(), at, session, bytes);
    }

    fn event(&mut self, at: Timestamp, session: SessionId, body: Body) {
        let out = self.output.lines();
        match &body {
            _ if self.forgetting => self.missed.push(Missed::Event(at, session, body)),
            Body::Opened(opened) => self.writer.event(out, at, session, "opened", opened),
            Body::Closed(closed) => self.writer.event(out, at, session, "closed", closed),
            Body::Note { text } => self.writer.note(out, at, session, text),
            Body::Stream { .. }
            | Body::Http { .. }
            | Body::End { .. }
            | Body::Line { .. }
            | Body::Stderr { .. } => {
                debug_assert!(false, "not an event of a session");
            }
        }
    }

    /// Something is lost for good.
    fn gap(&mut self, at: Timestamp, session: SessionId, gap: Gap) {
        self.lost_messages += gap.messages;
        if !self.forgetting {
            return self.write_gap(at, session, &gap);
        }
        let last = self.missed.iter_mut().rev().find(|it| match it {
            Missed::Gap(_, of, _) | Missed::Event(_, of, _) => *of == session,
        });
        match last {
            Some(Missed::Gap(_, _, last)) => {
                last.messages += gap.messages;
                last.bytes += gap.bytes;
            }
            Some(Missed::Event(..)) | None => {
                let reason = self.blame.clone();
                let gap = Gap { reason, ..gap };
                self.missed.push(Missed::Gap(at, session, gap));
            }
        }
    }

    fn write_gap(&mut self, at: Timestamp, session: SessionId, gap: &Gap) {
        self.writer
            .event(self.output.lines(), at, session, "gap", gap);
    }

    /// The file took everything that was written.
    fn settle(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.written = Counts {
            client: self.written.client + pending.client,
            server: self.written.server + pending.server,
            operator: self.written.operator + pending.operator,
            errors: self.written.errors + pending.errors,
            seq: self.writer.seq(),
        };
    }
}

/// A line of a stream is; one that the operator wrote may hold line feeds.
fn is_one_line(bytes: &[u8]) -> bool {
    memchr::memchr(b'\n', bytes).is_none()
}

/// The error responses in one frame.
fn errors(frame: &[u8]) -> u64 {
    let is_error = |kind| u64::from(kind == Kind::Error);
    match crate::wire::parse(frame) {
        Frame::Message(message) => is_error(message.kind()),
        Frame::Batch(batch) => batch.iter().map(|it| is_error(it.kind())).sum(),
        Frame::NotJsonRpc | Frame::NotJson(_) | Frame::Blank => 0,
    }
}
