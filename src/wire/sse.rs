//! Server-sent events: taking them out of a byte stream, whatever the cuts it arrives in, writing them, and leaving out
//! some of what one says (WHATWG HTML, section 9.2).
//!
//! Lines end with LF, CR or CRLF; `data` lines are joined with LF; an event without the blank line at its end is none.

use bytes::{Buf, Bytes, BytesMut};
use std::ops::Range;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Comments are handed out once there are this many bytes of them: a server may keep a stream alive with nothing else.
const MUCH_COMMENT: usize = 16 << 10;

/// One dispatched event, or a comment between events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The `event` field; `None` means `message`.
    pub name: Option<String>,
    /// The `id` field, when this event has one of its own. The empty id resets the last one.
    pub id: Option<String>,
    /// Milliseconds.
    pub retry: Option<u64>,
    /// The `data` lines, joined. `None` without any, `Some("")` for a priming event's empty one.
    pub data: Option<Bytes>,
    /// Comment lines before the event, joined with LF, the colon and one space after it taken off.
    pub comment: Option<String>,
}

impl Event {
    /// The data of an event of type `message` that has some.
    pub fn message(&self) -> Option<&Bytes> {
        self.data
            .as_ref()
            .filter(|data| self.is_of_messages() && !data.is_empty())
    }

    /// Whether its type is `message`.
    pub fn is_of_messages(&self) -> bool {
        self.name.as_deref().is_none_or(|it| it == "message")
    }
}

/// Takes events out of a stream.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The start of a line whose end has not come yet.
    held: BytesMut,
    /// The first line, which may begin with a byte order mark, is over.
    begun: bool,
    /// The last byte was a carriage return: a line feed that comes next belongs to the same line end.
    after_return: bool,
    /// What has come of the next event. Its data is in `data`.
    event: Event,
    data: Option<BytesMut>,
    /// Some of its data was taken out; `data` has the rest.
    taken: Option<Taken>,
}

/// Data that was taken out of an event before its end.
#[derive(Debug)]
struct Taken {
    bytes: usize,
    /// The line that it was taken from goes on.
    line: Option<CutLine>,
}

#[derive(Debug, Clone, Copy)]
struct CutLine {
    /// Where in `held` its value goes on; before that is what introduced it.
    rest: usize,
    /// Where its value begins in all that was taken.
    start: usize,
}

impl Decoder {
    /// Takes the next chunk and hands each event that it completes to `each`. A block of comments alone, or an event
    /// with an id or a retry alone, is handed out too: the caller decides what it is worth.
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(Event)) {
        let Some(&last) = chunk.last() else { return };
        let continues = self.after_return && chunk[0] == b'\n';
        self.after_return = last == b'\r';
        let mut rest = &chunk[usize::from(continues)..];
        while let Some(end) = memchr::memchr2(b'\r', b'\n', rest) {
            let (line, after) = rest.split_at(end);
            let whole = if self.held.is_empty() {
                self.line(line)
            } else {
                self.held.extend_from_slice(line);
                let held = std::mem::take(&mut self.held);
                self.held_line(held)
            };
            whole.into_iter().for_each(&mut each);
            rest = &after[if after.starts_with(b"\r\n") { 2 } else { 1 }..];
        }
        self.held.extend_from_slice(rest);
    }

    /// Bytes held of an event that is not complete yet; with those that were taken out, what has come of it.
    pub fn pending(&self) -> usize {
        let text = |it: &Option<String>| it.as_ref().map_or(0, String::len);
        let event = &self.event;
        let cut = self.taken.as_ref().and_then(|it| it.line);
        self.held.len()
            + self.data.as_ref().map_or(0, BytesMut::len)
            + text(&event.name)
            + text(&event.id)
            + text(&event.comment)
            // The line feed before a cut line was taken out, and counts when the line is complete.
            - usize::from(cut.is_some_and(|it| it.start > 0))
    }

    /// Takes out what has come of the data of an event that is not complete, if it is at least so much: the event will
    /// have the rest, and [`Decoder::put_back`] makes it whole when it is not completed.
    pub fn take_data(&mut self, at_least: usize) -> Option<Bytes> {
        let before = self.taken.as_ref();
        let cut = before.and_then(|it| it.line);
        let rest = cut.map(|it| it.rest).or_else(|| self.start_of_data());
        let of_line = rest.map_or(0, |rest| self.held.len() - rest);
        if self.data.as_ref().map_or(0, BytesMut::len) + of_line < at_least.max(1) {
            return None;
        }
        let before = before.map_or(0, |it| it.bytes);
        let is_first = self.data.is_none();
        let mut data = self.data.replace(BytesMut::new()).unwrap_or_default();
        let line = rest.map(|rest| {
            if cut.is_none() && !is_first {
                data.extend_from_slice(b"\n");
            }
            let start = cut.map_or(before + data.len(), |it| it.start);
            data.extend_from_slice(&self.held[rest..]);
            self.held.truncate(rest);
            CutLine { rest, start }
        });
        let bytes = before + data.len();
        self.taken = Some(Taken { bytes, line });
        Some(data.freeze())
    }

    /// Gives back all that was taken out of the event that is not complete.
    pub fn put_back(&mut self, data: &[u8]) {
        let Some(taken) = self.taken.take() else {
            return;
        };
        let Some(CutLine { rest, start }) = taken.line else {
            let mut data = BytesMut::from(data);
            data.extend_from_slice(&self.data.take().unwrap_or_default());
            self.data = Some(data);
            return;
        };
        let more = self.held.split_off(rest);
        self.held.extend_from_slice(&data[start..]);
        self.held.extend_from_slice(&more);
        self.data = start.checked_sub(1).map(|end| BytesMut::from(&data[..end]));
    }

    /// Where the value begins when the line that is not complete is one of data.
    fn start_of_data(&self) -> Option<usize> {
        let line = match self.begun {
            true => &self.held[..],
            false => self
                .held
                .strip_prefix(BYTE_ORDER_MARK)
                .unwrap_or(&self.held),
        };
        // Whether a space follows the colon must be known.
        let value = line.strip_prefix(b"data:").filter(|it| !it.is_empty())?;
        let value = value.strip_prefix(b" ").unwrap_or(value);
        Some(self.held.len() - value.len())
    }

    /// What has come of an event that will not be completed, as text: its fields so far and the start of a line.
    pub fn take_rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Some(event) = self.dispatch() {
            write(&mut rest, &event);
            // The blank line that did not come.
            rest.pop();
        }
        rest.extend_from_slice(&std::mem::take(&mut self.held));
        rest
    }

    /// A line that came in pieces. The first one of data, which may be large, is kept as it is.
    fn held_line(&mut self, mut line: BytesMut) -> Option<Event> {
        if let Some(cut) = self.taken.as_mut().and_then(|it| it.line.take()) {
            self.begun = true;
            let data = self.data.get_or_insert_default();
            data.extend_from_slice(&line[cut.rest..]);
            return None;
        }
        if self.begun
            && self.data.is_none()
            && let Some((b"data", value)) = field(&line)
        {
            line.advance(line.len() - value.len());
            self.data = Some(line);
            return None;
        }
        self.line(&line)
    }

    /// One line, its end taken off; the event that it completes.
    fn line(&mut self, line: &[u8]) -> Option<Event> {
        let line = match std::mem::replace(&mut self.begun, true) {
            false => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line),
            true => line,
        };
        let Some((name, value)) = field(line) else {
            return self.dispatch();
        };
        match name {
            b"data" => match &mut self.data {
                None => self.data = Some(BytesMut::from(value)),
                Some(data) => {
                    data.extend_from_slice(b"\n");
                    data.extend_from_slice(value);
                }
            },
            b"event" => self.event.name = Some(text(value)).filter(|it| !it.is_empty()),
            b"id" if !value.contains(&0) => self.event.id = Some(text(value)),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                self.event.retry = text(value).parse().ok().or(self.event.retry);
            }
            b"" => return self.comment(&text(value)),
            _ => {}
        }
        None
    }

    fn comment(&mut self, line: &str) -> Option<Event> {
        match &mut self.event.comment {
            None => self.event.comment = Some(line.to_owned()),
            Some(comment) => {
                comment.push('\n');
                comment.push_str(line);
            }
        }
        let comment = self.event.comment.take_if(|it| it.len() >= MUCH_COMMENT)?;
        Some(Event {
            comment: Some(comment),
            ..Event::default()
        })
    }

    fn dispatch(&mut self) -> Option<Event> {
        self.taken = None;
        let event = Event {
            data: self.data.take().map(BytesMut::freeze),
            ..std::mem::take(&mut self.event)
        };
        (event != Event::default()).then_some(event)
    }
}

/// Name and value of a line; the name of a comment is empty. A blank line is none.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if line.is_empty() {
        return None;
    }
    // No field that means anything has a longer name; the value may be very long.
    let colon = memchr::memchr(b':', &line[..line.len().min(8)]);
    Some(colon.map_or((line, b""), |colon| {
        let value = &line[colon + 1..];
        (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
    }))
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// Appends one event to a stream: every line of `data` a `data` line of its own.
pub fn write(stream: &mut Vec<u8>, event: &Event) {
    let mut field = |name: &str, value: &[u8]| {
        for line in lines(value) {
            stream.extend_from_slice(name.as_bytes());
            stream.extend_from_slice(b": ");
            stream.extend_from_slice(line);
            stream.push(b'\n');
        }
    };
    if let Some(comment) = &event.comment {
        field("", comment.as_bytes());
    }
    if let Some(name) = &event.name {
        field("event", name.as_bytes());
    }
    if let Some(id) = &event.id {
        field("id", id.as_bytes());
    }
    if let Some(retry) = event.retry {
        field("retry", retry.to_string().as_bytes());
    }
    if let Some(data) = &event.data {
        field("data", data);
    }
    stream.push(b'\n');
}

/// One event as it was sent, without these ranges of its data, which are in order. Every other byte stays, so a `data`
/// line stays a line when nothing is left in it.
pub fn without(event: &[u8], cuts: &[Range<usize>]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(event.len());
    // Where the value of the next `data` line stands in the data.
    let mut place = 0;
    let mut cuts = cuts.iter().peekable();
    for line in event.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
        let end = line.len() - usize::from(line.ends_with(b"\r") || line.ends_with(b"\n"));
        let text = match kept.is_empty() {
            true => line[..end].strip_prefix(BYTE_ORDER_MARK),
            false => None,
        };
        let Some((b"data", value)) = field(text.unwrap_or(&line[..end])) else {
            kept.extend_from_slice(line);
            continue;
        };
        kept.extend_from_slice(&line[..end - value.len()]);
        for (at, &byte) in (place..).zip(value) {
            while cuts.next_if(|cut| cut.end <= at).is_some() {}
            if cuts.peek().is_none_or(|cut| at < cut.start) {
                kept.push(byte);
            }
        }
        kept.extend_from_slice(&line[end..]);
        place += value.len() + 1;
    }
    kept
}

/// The lines of a text, one at least, whatever they end with.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some(end) = memchr::memchr2(b'\r', b'\n', text) else {
            return Some(text);
        };
        let (line, after) = text.split_at(end);
        rest = Some(&after[if after.starts_with(b"\r\n") { 2 } else { 1 }..]);
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_out_of_data_leaves_every_other_byte() {
        let event = b"\xef\xbb\xbfdata: ab\r\nid: data: cd\r: c\ndata\ndata:de\ndatab\n\n";
        let left = |cuts: &[Range<usize>]| without(event, cuts);
        assert_eq!(left(&[]), event);
        // The data is "ab\n\nde".
        let expected = b"\xef\xbb\xbfdata: a\r\nid: data: cd\r: c\ndata\ndata:\ndatab\n\n";
        assert_eq!(left(&[1..5, 5..6]), expected);
        let expected = b"\xef\xbb\xbfdata: b\r\nid: data: cd\r: c\ndata\ndata:d\ndatab\n\n";
        assert_eq!(left(&[0..1, 5..9]), expected);
    }

    fn decode(chunks: &[&[u8]]) -> Vec<Event> {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        for chunk in chunks {
            decoder.push(chunk, |event| events.push(event));
        }
        events
    }

    fn data(data: &'static [u8]) -> Event {
        Event {
            data: Some(Bytes::from_static(data)),
            ..Event::default()
        }
    }

    #[test]
    fn lines_may_end_in_three_ways_even_within_one_event() {
        let stream = b"data: a\rdata:b\r\ndata: c\n\ndata: d\r\rdata: e\r\n\r\n";
        assert_eq!(
            decode(&[stream]),
            [data(b"a\nb\nc"), data(b"d"), data(b"e")]
        );
    }

    #[test]
    fn a_line_end_cut_in_two_is_one_line_end() {
        assert_eq!(
            decode(&[
                b"data: a\r",
                b"\ndata: b\r",
                b"",
                b"\n\r",
                b"\ndata: c\n\r\n"
            ]),
            [data(b"a\nb"), data(b"c")]
        );
        // The event is complete with the carriage return: nobody waits for a line feed that may never come.
        assert_eq!(decode(&[b"data: a\r\r"]), [data(b"a")]);
    }

    #[test]
    fn every_field_is_read_and_unknown_ones_are_passed_over() {
        let stream =
            b": one\n:two\nevent: endpoint\nid: 7\nretry: 250\nmood: good\nnothing\ndata:  x\n\n";
        let expected = Event {
            name: Some("endpoint".into()),
            id: Some("7".into()),
            retry: Some(250),
            comment: Some("one\ntwo".into()),
            ..data(b" x")
        };
        assert_eq!(decode(&[stream]), [expected]);
    }

    #[test]
    fn ids_with_a_nul_and_retries_that_are_no_number_are_ignored() {
        let stream =
            b"id: a\nid: b\0\nretry: 5\nretry: 5s\nretry:\nretry: -1\n\nid\nevent:\ndata\n\n";
        let first = Event {
            id: Some("a".into()),
            retry: Some(5),
            ..Event::default()
        };
        let second = Event {
            id: Some(String::new()),
            ..data(b"")
        };
        assert_eq!(decode(&[stream]), [first, second]);
        assert_eq!(decode(&[b"retry: 99999999999999999999\n\n"]), []);
    }

    #[test]
    fn a_byte_order_mark_counts_only_at_the_start() {
        let marked = b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n";
        assert_eq!(decode(&[marked]), [data(b"a")]);
        assert_eq!(decode(&[&marked[..2], &marked[2..]]), [data(b"a")]);
        assert_eq!(decode(&[b"\xef\xbb\xbf\ndata: a\n\n"]), [data(b"a")]);
    }

    #[test]
    fn empty_data_is_told_from_none_and_is_no_message() {
        let events = decode(&[
            b"id: 1\ndata:\n\nid: 2\n\n: ping\n\n\n\ndata\ndata\n\nevent: x\ndata: y\n\n",
        ]);
        assert_eq!(events.len(), 5);
        assert_eq!(events[0].data, Some(Bytes::new()));
        assert_eq!(events[1].data, None);
        assert_eq!(events[2].comment.as_deref(), Some("ping"));
        assert_eq!(events[3], data(b"\n"));
        let messages: Vec<_> = events.iter().map(|it| it.message().is_some()).collect();
        assert_eq!(messages, [false, false, false, true, false]);
    }

    #[test]
    fn an_event_without_the_blank_line_at_its_end_is_held_and_never_handed_out() {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        decoder.push(b"data: abc\nid: 1\nda", |event| events.push(event));
        assert!(events.is_empty());
        assert_eq!(decoder.pending(), 3 + 1 + 2);
        assert_eq!(decoder.take_rest(), b"id: 1\ndata: abc\nda");
        assert_eq!((decoder.pending(), decoder.take_rest()), (0, Vec::new()));
    }

    #[test]
    fn bytes_that_are_not_utf8_stay_in_the_data_and_are_replaced_elsewhere() {
        let events = decode(&[b"id: \xff\ndata: \xc3", b"\xa9 \xff\n\n"]);
        assert_eq!(events[0].data.as_deref(), Some(&b"\xc3\xa9 \xff"[..]));
        assert_eq!(events[0].id.as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn a_large_event_that_comes_in_pieces_is_not_copied_at_its_end() {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        decoder.push(b"\ndata: ", |event| events.push(event));
        decoder.push(&vec![b'x'; 1 << 20], |event| events.push(event));
        assert_eq!(decoder.pending(), (1 << 20) + 6);
        let held = decoder.held.as_ptr() as usize;
        decoder.push(b"\n\n", |event| events.push(event));
        let data = events[0].data.as_ref().unwrap();
        assert_eq!((data.as_ptr() as usize, data.len()), (held + 6, 1 << 20));
        assert_eq!(decoder.pending(), 0);
    }

    #[test]
    fn comments_without_an_end_are_handed_out_in_parts() {
        let events = decode(&[&b": still here\n".repeat(10_000)]);
        assert!(events.len() > 5);
        assert!(
            events
                .iter()
                .all(|it| it.comment.as_ref().unwrap().len() < MUCH_COMMENT + 100)
        );
    }

    #[test]
    fn what_is_written_stands_on_lines_of_its_own() {
        let event = Event {
            name: Some("message".into()),
            id: Some("a\nb".into()),
            retry: Some(9),
            comment: Some(String::new()),
            ..data(b"{\r\n}\r\n")
        };
        let mut stream = b"before\n\n".to_vec();
        write(&mut stream, &event);
        let expected =
            "before\n\n: \nevent: message\nid: a\nid: b\nretry: 9\ndata: {\ndata: }\ndata: \n\n";
        assert_eq!(String::from_utf8(stream).unwrap(), expected);
    }
}
