//! What the recorder writes on: lines for the file, and the account of what is in it and what is missing.

use super::http::{Content, Entry};
use super::output::Output;
use super::record::{HttpPart, HttpRecord};
use super::recorder::Totals;
use super::spool::Spooled;
use super::tally::{Excuses, Failed, Tally};
use super::write::{Line, Writer};
use crate::tap::{Body, Gap, Party, SessionId, Timestamp};
use crate::wire::envelope;
use bytes::Bytes;
use memchr::memmem::Finder;
use std::io::{self, Write};
use std::sync::atomic::Ordering;

/// How much of what is lost a compressed file has taken, nobody knows.
const DOUBT: &str = "; the compressed file may hold the first of them";
/// So many lines are remembered without giving their memory back.
const KEEP: usize = 1 << 10;

pub(super) struct Page<W> {
    output: Output<W>,
    writer: Writer,
    /// In all lines.
    counted: Counts,
    /// In all lines up to each that has a message in it and that the file has not taken.
    pending: Vec<Counts>,
    /// In the lines that are in the file.
    written: Counts,
    lost_messages: u64,
    /// Why the first of them were.
    why_lost: Option<String>,
    /// Nothing is written at the moment; everything goes into `missed`.
    pub forgetting: bool,
    /// What is to be recorded when the file takes lines again, in order.
    missed: Vec<Missed>,
    /// Why things are missed.
    blame: String,
    error_word: Finder<'static>,
    excuses: Excuses,
}

/// What is known of a message's text.
#[derive(Debug, Clone, Copy)]
struct Form {
    is_json: bool,
    is_one_line: bool,
}

/// How much there is up to the line with the number `seq`.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    client: u64,
    server: u64,
    operator: u64,
    failed: Failed,
    seq: u64,
}

impl Counts {
    fn messages(&self) -> u64 {
        self.client + self.server + self.operator
    }
}

enum Missed {
    Gap(Timestamp, SessionId, Gap),
    Event(Timestamp, SessionId, Body),
}

impl<W: Write> Page<W> {
    pub fn new(output: Output<W>) -> Self {
        Self {
            output,
            writer: Writer::default(),
            counted: Counts::default(),
            pending: Vec::new(),
            written: Counts::default(),
            lost_messages: 0,
            why_lost: None,
            forgetting: false,
            missed: Vec::new(),
            blame: String::new(),
            error_word: Finder::new(ERROR_WORD),
            excuses: Excuses::default(),
        }
    }

    pub fn line(&mut self, line: Line<'_>, bytes: &Bytes) {
        self.checked_line(line, bytes, envelope::is_json(bytes));
    }

    /// What a stream was cut into: there is no line feed in it.
    pub fn one_line(&mut self, line: Line<'_>, bytes: &[u8]) {
        let form = Form {
            is_json: envelope::is_json(bytes),
            is_one_line: true,
        };
        self.formed_line(line, bytes, form, || Bytes::copy_from_slice(bytes));
    }

    fn checked_line(&mut self, line: Line<'_>, bytes: &Bytes, is_json: bool) {
        let is_one_line = is_json && is_one_line(bytes);
        let form = Form {
            is_json,
            is_one_line,
        };
        self.formed_line(line, bytes, form, || bytes.clone());
    }

    /// Large ones are kept, and not copied into the lines.
    fn formed_line(
        &mut self,
        line: Line<'_>,
        bytes: &[u8],
        form: Form,
        keep: impl FnOnce() -> Bytes,
    ) {
        if self.forgetting {
            return self.forget_line(line, bytes.len() as u64);
        }
        let as_it_is = form.is_json && form.is_one_line;
        let out = self.output.lines();
        self.writer.line(out, line, bytes, as_it_is, keep);
        let messages = match form.is_json {
            true => self.look_into(line, bytes),
            false => 1,
        };
        self.count(line.from, messages);
    }

    /// How many messages a text is. That reads no envelope but in a batch and where a word for a failure is found.
    fn look_into(&mut self, line: Line<'_>, text: &[u8]) -> u64 {
        self.excuses.look(line, text);
        let is_batch = text.trim_ascii_start().starts_with(b"[");
        if !is_batch && !may_have_failed(&self.error_word, text) {
            return 1;
        }
        let tally = Tally::of(text);
        if !line.blameless {
            let mut failed = tally.failed;
            failed.errors -= self.excuses.cover(line, text).min(failed.errors);
            self.counted.failed += failed;
        }
        tally.messages()
    }

    /// A line that was too long for memory.
    pub fn long_line(&mut self, line: Line<'_>, bytes: Spooled) {
        if self.forgetting {
            return self.forget_line(line, bytes.len());
        }
        let tally = match bytes.is_json {
            true => bytes.tally.clone(),
            false => Tally::default(),
        };
        if !line.blameless {
            self.counted.failed += tally.failed;
        }
        let as_it_is = bytes.is_json && !bytes.has_line_feed;
        let out = self.output.lines();
        self.writer.long_line(out, line, bytes, as_it_is);
        self.count(line.from, tally.messages());
    }

    fn forget_line(&mut self, line: Line<'_>, bytes: u64) {
        // The line feed is lost as well, where there was one.
        let gap = Gap {
            messages: 1,
            bytes: bytes + u64::from(line.terminated),
            reason: String::new(),
        };
        self.gap(line.at, line.session, gap);
    }

    fn count(&mut self, from: Party, messages: u64) {
        match from {
            Party::Client => self.counted.client += messages,
            Party::Server => self.counted.server += messages,
            Party::Operator => self.counted.operator += messages,
            Party::Sentinel => {}
        }
        self.counted.seq = self.writer.seq();
        self.pending.push(self.counted);
    }

    pub fn stderr(&mut self, at: Timestamp, session: SessionId, bytes: &[u8]) {
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

    /// Something of an HTTP exchange.
    pub fn entry(&mut self, at: Timestamp, session: SessionId, entry: Entry<'_>) {
        match entry {
            Entry::Message {
                from,
                to,
                via,
                content,
                is_json,
                blameless,
            } => {
                let line = Line {
                    to,
                    via: Some(&via),
                    blameless,
                    ..Line::of_stream(at, session, from)
                };
                match content {
                    Content::Here(bytes) => {
                        let is_json = is_json.unwrap_or_else(|| envelope::is_json(&bytes));
                        self.checked_line(line, &bytes, is_json);
                    }
                    Content::Spooled(bytes) => self.long_line(line, bytes),
                }
            }
            Entry::Part(part) => self.http(at, session, &part),
            Entry::Head(exchange, member) if !self.forgetting => {
                let out = self.output.lines();
                self.writer.head(out, at, session, exchange, member);
            }
            Entry::Head(..) => self.gap(at, session, Gap::default()),
            Entry::Failed(..) if self.forgetting => {}
            Entry::Failed(mut failed, asked) => {
                let cancelled = self.excuses.cancelled(session, &asked);
                failed.errors = failed.errors.saturating_sub(cancelled);
                self.counted.failed += failed;
            }
            Entry::Lost(gap) => self.gap(at, session, gap),
        }
    }

    fn http(&mut self, at: Timestamp, session: SessionId, record: &HttpRecord) {
        if !self.forgetting {
            let out = self.output.lines();
            return self.writer.http(out, at, session, record);
        }
        let bytes = match &record.part {
            HttpPart::Body { text, base64, .. } => {
                [text, base64].into_iter().flatten().map(String::len).sum()
            }
            _ => 0,
        };
        let gap = Gap {
            messages: 0,
            bytes: bytes as u64,
            reason: String::new(),
        };
        self.gap(at, session, gap);
    }

    pub fn event(&mut self, at: Timestamp, session: SessionId, body: Body) {
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
    pub fn gap(&mut self, at: Timestamp, session: SessionId, gap: Gap) {
        let reason = match self.forgetting {
            true => &self.blame,
            false => &gap.reason,
        };
        self.lost_messages += gap.messages;
        if gap.messages > 0 {
            self.why_lost.get_or_insert_with(|| reason.clone());
        }
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

    /// Bytes of lines that were not handed to the file yet.
    pub fn len(&mut self) -> u64 {
        self.output.lines().len()
    }

    /// Gives back memory that only a burst needs.
    pub fn slim(&mut self) {
        self.output.lines().slim();
        self.pending.shrink_to(KEEP);
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()?;
        self.settle();
        Ok(())
    }

    pub fn finish(&mut self) -> io::Result<()> {
        self.output.finish()?;
        self.settle();
        Ok(())
    }

    /// The file took everything that was written.
    fn settle(&mut self) {
        self.pending.clear();
        self.counted.seq = self.writer.seq();
        self.written = self.counted;
    }

    /// The file will not take any more: what it has not taken is lost.
    pub fn forget_pending(&mut self) {
        let left = self.output.lines_left();
        if let Some(left) = left {
            let last = self.writer.seq().saturating_sub(left);
            let taken = self.pending.partition_point(|it| it.seq <= last);
            self.written = *self.pending[..taken].last().unwrap_or(&self.written);
            self.written.seq = last;
        }
        let lost = self.counted.messages() - self.written.messages();
        self.lost_messages += lost;
        if lost > 0 {
            // What came when the file took no more may be told of already.
            let why = self.why_lost.get_or_insert_with(|| self.blame.clone());
            if left.is_none() && !why.ends_with(DOUBT) {
                why.push_str(DOUBT);
            }
        }
    }

    /// What is forgotten from now on is lost for this reason.
    pub fn blame(&mut self, error: &io::Error) {
        self.blame = error.to_string();
    }

    /// Records what was missed while the file refused.
    pub fn own_up(&mut self) {
        self.forgetting = false;
        for missed in std::mem::take(&mut self.missed) {
            match missed {
                Missed::Gap(at, session, gap) => self.write_gap(at, session, &gap),
                Missed::Event(at, session, body) => self.event(at, session, body),
            }
        }
    }

    /// Where all that was written is `lost` as well, because nobody will read it, with the reason for that.
    pub fn publish(&self, totals: &Totals, lost: Option<&str>, at_the_end: bool) {
        let written = self.written;
        let lost_messages = self.lost_messages + lost.map_or(0, |_| written.messages());
        for (total, value) in [
            (&totals.client_messages, written.client),
            (&totals.server_messages, written.server),
            (&totals.operator_messages, written.operator),
            (&totals.errors, written.failed.errors),
            (&totals.tool_errors, written.failed.tool_errors),
            (&totals.lost_messages, lost_messages),
            (&totals.bytes_written, self.output.written()),
            (&totals.latest_seq, written.seq),
        ] {
            total.store(value, Ordering::Release);
        }
        // What a compressed file holds of it is asked at the end.
        let is_certain = || at_the_end || self.output.lines_left().is_some();
        if let Some(reason) = self.why_lost.as_deref().or(lost)
            && is_certain()
        {
            totals.why_lost.get_or_init(|| reason.to_owned());
        }
    }
}

/// A line of a stream is; one that the operator wrote, or that came in a body, may hold line feeds.
fn is_one_line(bytes: &[u8]) -> bool {
    memchr::memchr(b'\n', bytes).is_none()
}

/// What ends the names of both members that tell of a failure, `error` and `isError`: the text is searched once.
const ERROR_WORD: &[u8] = b"rror\"";

/// Whether `error` stands anywhere in a frame, or `isError` and then `true`.
fn may_have_failed(error_word: &Finder<'_>, frame: &[u8]) -> bool {
    error_word.find_iter(frame).any(|at| {
        let (before, after) = (&frame[..at], &frame[at + ERROR_WORD.len()..]);
        let says_so = || {
            let value = after.trim_ascii_start().strip_prefix(b":");
            value.is_some_and(|it| it.trim_ascii_start().starts_with(b"true"))
        };
        before.ends_with(b"\"e") || (before.ends_with(b"\"isE") && says_so())
    })
}
