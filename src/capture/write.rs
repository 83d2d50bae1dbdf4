//! One event as one line of the capture. Knows the format and nothing of files.
//!
//! Every line begins `{"seq":N,"at":"…","session":S`, in that order, and a payload comes last: who greps a capture may
//! rely on it, and so does the reader's fast path.

use super::output::Buffer;
use super::record::{HttpPart, HttpRecord, YEARS};
use super::spool::{Spelling, Spooled};
use crate::tap::{ExchangeId, Half, Party, SessionId, Timestamp, Via};
use base64::Engine;
use bytes::Bytes;
use chrono::DateTime;
use serde::Serialize;

/// Payloads from here on are not copied into the line but queued beside it.
const LARGE: usize = 64 << 10;

/// What is said of a peer's line besides its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub at: Timestamp,
    pub session: SessionId,
    pub from: Party,
    pub to: Option<Party>,
    pub replay_of: Option<u64>,
    pub via: Option<&'a Via>,
    pub terminated: bool,
    /// A failure that it tells of is told of elsewhere as well, or is none.
    pub blameless: bool,
}

impl Line<'_> {
    /// One of a stream that has gone the usual way.
    pub fn of_stream(at: Timestamp, session: SessionId, from: Party) -> Self {
        Self {
            at,
            session,
            from,
            to: None,
            replay_of: None,
            via: None,
            terminated: true,
            blameless: false,
        }
    }

    /// Whether it comes from the side that has the server's requests answered.
    pub fn is_of_client_side(&self) -> bool {
        match self.from {
            Party::Client | Party::Operator => true,
            Party::Server => false,
            Party::Sentinel => self.to == Some(Party::Server),
        }
    }
}

/// Numbers the lines and writes them to a buffer.
#[derive(Debug, Default)]
pub(super) struct Writer {
    seq: u64,
    clock: Clock,
}

impl Writer {
    /// The number of the last line written.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// A peer's line, its line feed taken off: embedded as it stands when `json`, else as a string. A large one is kept
    /// beside the lines.
    pub fn line(
        &mut self,
        out: &mut Buffer,
        line: Line<'_>,
        bytes: &[u8],
        json: bool,
        keep: impl FnOnce() -> Bytes,
    ) {
        let text = self.begin_line(out, line);
        if json {
            text.extend_from_slice(b",\"message\":");
            if bytes.len() < LARGE {
                text.extend_from_slice(bytes);
            } else {
                out.splice(keep());
            }
        } else {
            string(text, "text", "base64", bytes);
        }
        end(out.tail());
    }

    /// The same of one that is not in memory.
    pub fn long_line(&mut self, out: &mut Buffer, line: Line<'_>, bytes: Spooled, json: bool) {
        let spelling = match json {
            true => Spelling::AsTheyAre,
            false => bytes.as_string(),
        };
        let (before, after) = match spelling {
            Spelling::AsTheyAre => (",\"message\":", ""),
            Spelling::Escaped => (",\"text\":\"", "\""),
            Spelling::Base64 => (",\"base64\":\"", "\""),
        };
        let text = self.begin_line(out, line);
        text.extend_from_slice(before.as_bytes());
        out.refer(bytes.passage(spelling));
        out.tail().extend_from_slice(after.as_bytes());
        end(out.tail());
    }

    /// All of a line but its bytes.
    fn begin_line<'b>(&mut self, out: &'b mut Buffer, line: Line<'_>) -> &'b mut Vec<u8> {
        let text = self.begin(out, line.at, line.session);
        text.extend_from_slice(b",\"from\":\"");
        text.extend_from_slice(party(line.from).as_bytes());
        text.push(b'"');
        if let Some(to) = line.to {
            text.extend_from_slice(b",\"to\":\"");
            text.extend_from_slice(party(to).as_bytes());
            text.push(b'"');
        }
        if let Some(seq) = line.replay_of {
            text.extend_from_slice(b",\"replay_of\":");
            decimal(text, seq);
        }
        if let Some(via) = line.via {
            text.extend_from_slice(b",\"exchange\":");
            decimal(text, via.exchange.0);
            if let Some(event) = &via.event {
                text.extend_from_slice(b",\"event\":");
                self::json(text, &**event);
            }
        }
        if !line.terminated {
            text.extend_from_slice(b",\"unterminated\":true");
        }
        text
    }

    /// A line of the server's standard error, line end included, or a part of one.
    pub fn stderr(&mut self, out: &mut Buffer, at: Timestamp, session: SessionId, bytes: &[u8]) {
        let text = self.begin(out, at, session);
        string(text, "stderr", "stderr_base64", bytes);
        end(text);
    }

    /// A note of ours.
    pub fn note(&mut self, out: &mut Buffer, at: Timestamp, session: SessionId, note: &str) {
        let text = self.begin(out, at, session);
        text.extend_from_slice(b",\"from\":\"sentinel\",\"note\":");
        json(text, note);
        end(text);
    }

    /// Any other event: one member, named for what it is.
    pub fn event(
        &mut self,
        out: &mut Buffer,
        at: Timestamp,
        session: SessionId,
        kind: &str,
        value: &impl Serialize,
    ) {
        let text = self.begin(out, at, session);
        text.extend_from_slice(b",\"");
        text.extend_from_slice(kind.as_bytes());
        text.extend_from_slice(b"\":");
        json(text, value);
        end(text);
    }

    /// Something of an HTTP exchange.
    pub fn http(
        &mut self,
        out: &mut Buffer,
        at: Timestamp,
        session: SessionId,
        record: &HttpRecord,
    ) {
        let text = self.exchange(out, at, session, record.exchange);
        // Every exchange has two of these.
        if let HttpPart::End {
            of,
            bytes,
            broken: None,
        } = record.part
        {
            text.extend_from_slice(match of {
                Half::Request => b",\"end\":{\"of\":\"request\",\"bytes\":".as_slice(),
                Half::Response => b",\"end\":{\"of\":\"response\",\"bytes\":",
            });
            decimal(text, bytes);
            text.extend_from_slice(b"}}");
            return end(text);
        }
        // The part is an object of one member, which becomes another one of this object.
        let brace = text.len();
        json(text, &record.part);
        text[brace] = b',';
        end(text);
    }

    /// A head, as a member of the exchange's object.
    pub fn head(
        &mut self,
        out: &mut Buffer,
        at: Timestamp,
        session: SessionId,
        exchange: ExchangeId,
        member: &[u8],
    ) {
        let text = self.exchange(out, at, session, exchange);
        text.push(b',');
        text.extend_from_slice(member);
        text.push(b'}');
        end(text);
    }

    fn exchange<'b>(
        &mut self,
        out: &'b mut Buffer,
        at: Timestamp,
        session: SessionId,
        exchange: ExchangeId,
    ) -> &'b mut Vec<u8> {
        let text = self.begin(out, at, session);
        text.extend_from_slice(b",\"http\":{\"exchange\":");
        decimal(text, exchange.0);
        text
    }

    fn begin<'b>(
        &mut self,
        out: &'b mut Buffer,
        at: Timestamp,
        session: SessionId,
    ) -> &'b mut Vec<u8> {
        self.seq += 1;
        let text = out.tail();
        text.extend_from_slice(b"{\"seq\":");
        decimal(text, self.seq);
        text.extend_from_slice(b",\"at\":\"");
        self.clock.write(text, at);
        text.extend_from_slice(b"\",\"session\":");
        decimal(text, u64::from(session.0));
        text
    }
}

fn end(text: &mut Vec<u8>) {
    text.extend_from_slice(b"}\n");
}

/// Bytes as a JSON string: themselves when they are UTF-8, in base64 under another key when they are not.
fn string(text: &mut Vec<u8>, key: &str, base64_key: &str, bytes: &[u8]) {
    let utf8 = std::str::from_utf8(bytes);
    text.extend_from_slice(b",\"");
    text.extend_from_slice(if utf8.is_ok() { key } else { base64_key }.as_bytes());
    text.extend_from_slice(b"\":");
    match utf8 {
        Ok(utf8) => json(text, utf8),
        Err(_) => {
            let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
            text.push(b'"');
            text.extend_from_slice(encoded.as_bytes());
            text.push(b'"');
        }
    }
}

/// Header, events and strings of ours: nothing that can refuse to be JSON.
#[expect(
    clippy::expect_used,
    reason = "strings and plain structs always serialise, and a Vec takes every byte"
)]
pub(super) fn json<T: Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(text, value).expect("serialises");
}

pub(super) fn party(party: Party) -> &'static str {
    match party {
        Party::Client => "client",
        Party::Server => "server",
        Party::Operator => "operator",
        Party::Sentinel => "sentinel",
    }
}

pub(super) fn decimal(text: &mut Vec<u8>, number: u64) {
    text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// RFC 3339 in UTC with microseconds. All but those stay the same for a second.
#[derive(Debug)]
pub(super) struct Clock {
    second: i64,
    text: [u8; 27],
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            second: 0,
            text: *b"1970-01-01T00:00:00.000000Z",
        }
    }
}

impl Clock {
    pub fn write(&mut self, out: &mut Vec<u8>, at: Timestamp) {
        let second = at.0.div_euclid(1_000_000).clamp(YEARS.0, YEARS.1);
        if second != self.second
            && let Some(time) = DateTime::from_timestamp(second, 0)
        {
            let text = time.format("%Y-%m-%dT%H:%M:%S").to_string();
            self.text[..19].copy_from_slice(&text.as_bytes()[..19]);
            self.second = second;
        }
        let mut micros = at.0.rem_euclid(1_000_000);
        for digit in self.text[20..26].iter_mut().rev() {
            *digit = b'0' + (micros % 10) as u8;
            micros /= 10;
        }
        out.extend_from_slice(&self.text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::spool::Spool;

    fn written(each: impl FnOnce(&mut Writer, &mut Buffer)) -> String {
        let mut out = Buffer::default();
        each(&mut Writer::default(), &mut out);
        let mut text = Vec::new();
        out.write_to(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    const LINE: Line<'_> = Line {
        at: Timestamp(1_795_229_101_123_456),
        session: SessionId(1),
        from: Party::Client,
        to: None,
        replay_of: None,
        via: None,
        terminated: true,
        blameless: false,
    };

    #[test]
    fn a_message_stands_in_its_line_as_it_was() {
        let text = written(|writer, out| {
            let bytes = Bytes::from_static(b" {\"z\" :1.0e3}\r");
            writer.line(out, LINE, &bytes, true, || bytes.clone());
        });
        assert_eq!(
            text,
            "{\"seq\":1,\"at\":\"2026-11-21T02:45:01.123456Z\",\"session\":1,\"from\":\"client\",\
             \"message\": {\"z\" :1.0e3}\r}\n"
        );
    }

    #[test]
    fn optional_members_stand_in_a_fixed_order_before_the_payload() {
        let via = Via {
            exchange: ExchangeId(3),
            event: Some("\"7".into()),
        };
        let line = Line {
            from: Party::Server,
            to: Some(Party::Operator),
            replay_of: Some(12),
            via: Some(&via),
            terminated: false,
            ..LINE
        };
        let text = written(|writer, out| {
            writer.line(out, line, b"Ready \"\x1b\n", false, Bytes::new);
            writer.line(out, line, b"\xff\xfe", false, Bytes::new);
        });
        let members = r#""from":"server","to":"operator","replay_of":12,"exchange":3,"event":"\"7","unterminated":true"#;
        let expected = [
            format!(
                r#"{{"seq":1,"at":"2026-11-21T02:45:01.123456Z","session":1,{members},"text":"Ready \"\u001b\n"}}"#
            ),
            format!(
                r#"{{"seq":2,"at":"2026-11-21T02:45:01.123456Z","session":1,{members},"base64":"//4="}}"#
            ),
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_end_reads_back_as_it_was() {
        for of in [Half::Request, Half::Response] {
            for broken in [None, Some("gone".to_owned())] {
                let part = HttpPart::End {
                    of,
                    bytes: 7,
                    broken,
                };
                let exchange = ExchangeId(3);
                let record = HttpRecord { exchange, part };
                let text = written(|writer, out| {
                    writer.http(out, LINE.at, LINE.session, &record);
                });
                let (_, http) = text.trim_end().split_once(",\"http\":").unwrap();
                let read: HttpRecord = serde_json::from_str(&http[..http.len() - 1]).unwrap();
                assert_eq!(read, record);
            }
        }
    }

    #[test]
    fn a_large_payload_is_not_copied_and_comes_out_in_its_place() {
        let payload = format!("\"{}\"", "x".repeat(LARGE));
        let text = written(|writer, out| {
            let keep = || Bytes::from(payload.clone());
            writer.line(out, LINE, payload.as_bytes(), true, keep);
            writer.note(out, LINE.at, LINE.session, "after");
        });
        let mut lines = text.lines();
        assert!(
            lines
                .next()
                .unwrap()
                .ends_with(&format!("\"message\":{payload}}}"))
        );
        assert!(
            lines
                .next()
                .unwrap()
                .ends_with(r#""from":"sentinel","note":"after"}"#)
        );
    }

    #[test]
    fn what_was_spooled_is_written_as_if_it_were_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let long = "é\u{1f600}\"\\\n".repeat(30_000);
        for shift in 0..8 {
            let shifted = "x".repeat(shift) + &long;
            let escaped = serde_json::to_string(&shifted).unwrap();
            let marked = format!("\u{feff}{escaped}");
            let broken = [shifted.as_bytes(), b"\xff", &long.as_bytes()[shift..]].concat();
            for bytes in [
                shifted.as_bytes(),
                escaped.as_bytes(),
                marked.as_bytes(),
                &broken,
                b"",
            ] {
                let mut spool = Spool::begin(directory.path(), &bytes[..bytes.len() / 3]);
                spool.push(&bytes[bytes.len() / 3..]);
                assert_eq!(spool.len(), bytes.len() as u64);
                let spooled = spool.finish().unwrap();
                let is_json = crate::wire::is_json(bytes);
                assert_eq!(spooled.is_json, is_json);
                let of_spool = written(|writer, out| {
                    writer.long_line(out, LINE, spooled, is_json);
                });
                let of_memory = written(|writer, out| {
                    let keep = || Bytes::copy_from_slice(bytes);
                    writer.line(out, LINE, bytes, is_json, keep);
                });
                assert!(of_spool == of_memory);
            }
        }
    }

    #[test]
    fn times_are_written_to_the_microsecond_and_years_in_four_digits() {
        let mut clock = Clock::default();
        let mut written = |at| {
            let mut text = Vec::new();
            clock.write(&mut text, Timestamp(at));
            String::from_utf8(text).unwrap()
        };
        assert_eq!(written(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(written(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(
            written(1_795_229_101_000_009),
            "2026-11-21T02:45:01.000009Z"
        );
        assert_eq!(written(i64::MAX).len(), 27);
        assert_eq!(written(i64::MIN).len(), 27);
    }

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 9, 10, u64::MAX] {
            let mut text = Vec::new();
            decimal(&mut text, number);
            assert_eq!(text, number.to_string().as_bytes());
        }
    }
}
