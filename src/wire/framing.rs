//! Cutting a byte stream into lines, whatever the cuts it arrives in.

use bytes::{Bytes, BytesMut};
use std::borrow::Cow;

/// Reassembles lines. A line that lies within one chunk is a slice of it (no copy); the line end stays on the line.
#[derive(Debug, Default)]
pub struct LineSplitter {
    /// The start of a line whose end has not come yet.
    held: Vec<u8>,
}

impl LineSplitter {
    /// Takes the next chunk and hands each line that it completes to `each`, line end included.
    pub fn push(&mut self, chunk: Bytes, mut each: impl FnMut(Bytes)) {
        self.look(&chunk, |line| {
            each(match line {
                Cow::Borrowed(line) => chunk.slice_ref(line),
                Cow::Owned(line) => line.into(),
            });
        });
    }

    /// As [`Self::push`], for who does not keep the lines: counting who has a part of a chunk costs more than a look at a
    /// short line.
    pub fn look(&mut self, chunk: &[u8], mut each: impl FnMut(Cow<'_, [u8]>)) {
        let mut start = 0;
        for line_feed in memchr::memchr_iter(b'\n', chunk) {
            let end = line_feed + 1;
            if self.held.is_empty() {
                each(Cow::Borrowed(&chunk[start..end]));
            } else {
                self.held.extend_from_slice(&chunk[start..end]);
                each(Cow::Owned(std::mem::take(&mut self.held)));
            }
            start = end;
        }
        self.held.extend_from_slice(&chunk[start..]);
    }

    /// The last line, when the stream ended without a line end.
    pub fn finish(&mut self) -> Option<Bytes> {
        (!self.held.is_empty()).then(|| Bytes::from(std::mem::take(&mut self.held)))
    }

    /// What has come of a line that is not complete yet.
    pub fn begun(&self) -> &[u8] {
        &self.held
    }

    /// Bytes held of a line that is not complete yet.
    pub fn pending(&self) -> usize {
        self.held.len()
    }
}

/// Counts the lines of a stream that have something in them, whatever the cuts it arrives in, and holds none.
#[derive(Debug, Default)]
pub struct LineCounter {
    /// The line that is under way has something in it already.
    begun: bool,
}

impl LineCounter {
    /// How many of them end in the next chunk.
    pub fn push(&mut self, chunk: &[u8]) -> u64 {
        let (mut lines, mut start) = (0, 0);
        for line_feed in memchr::memchr_iter(b'\n', chunk) {
            let begun = std::mem::take(&mut self.begun);
            lines += u64::from(begun || !is_blank(&chunk[start..line_feed]));
            start = line_feed + 1;
        }
        self.begun |= !is_blank(&chunk[start..]);
        lines
    }

    /// The last one, when the stream ended without a line end.
    pub fn finish(&mut self) -> u64 {
        u64::from(std::mem::take(&mut self.begun))
    }
}

/// The last place up to `end` that cuts no character; `end` where the bytes are no text.
pub fn character_end(bytes: &[u8], end: usize) -> usize {
    if end >= bytes.len() {
        return bytes.len();
    }
    let mut places = (end.saturating_sub(3)..=end).rev();
    places.find(|&at| bytes[at] & 0xc0 != 0x80).unwrap_or(end)
}

/// Whether there is nothing but white space in a line.
pub fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii_start().is_empty()
}

/// A message that came in a body as one line for stdio, without a line end: a byte order mark and line breaks around it
/// are taken off, and line breaks inside it, which can only stand between the tokens of valid JSON, become spaces.
/// Everything else stays as it is; what has none inside is not copied.
pub fn on_one_line(message: Bytes) -> Bytes {
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let mark = if message.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    let text = &message[mark..];
    let start = mark + text.iter().take_while(|it| is_break(it)).count();
    let end = message.len() - text.iter().rev().take_while(|it| is_break(it)).count();
    let message = message.slice(start..end.max(start));
    let Some(first) = memchr::memchr2(b'\r', b'\n', &message) else {
        return message;
    };
    let mut line = BytesMut::from(message);
    for byte in line[first..].iter_mut().filter(|it| is_break(it)) {
        *byte = b' ';
    }
    line.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_have_something_in_them_are_counted_however_they_are_cut() {
        let stream = b"{}\n\n \t\r\n  [1]\r\n\nlast";
        for size in 1..=stream.len() {
            let mut lines = LineCounter::default();
            let ended: u64 = stream.chunks(size).map(|it| lines.push(it)).sum();
            assert_eq!((ended, lines.finish()), (2, 1), "{size}");
        }
    }

    fn lines(chunks: &[&'static [u8]]) -> (Vec<Bytes>, Option<Bytes>) {
        let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
        for chunk in chunks {
            splitter.push(Bytes::from_static(chunk), |line| lines.push(line));
        }
        (lines, splitter.finish())
    }

    #[test]
    fn line_ends_of_both_kinds_and_blank_lines_stay() {
        let (lines, last) = lines(&[b"a\r\n\n\r\nb\n"]);
        assert_eq!(lines, ["a\r\n", "\n", "\r\n", "b\n"].map(Bytes::from));
        assert_eq!(last, None);
    }

    #[test]
    fn a_line_is_put_together_from_many_chunks() {
        let (lines, last) = lines(&[b"a", b"", b"b", b"c\nd", b"\n", b"\ne"]);
        assert_eq!(lines, ["abc\n", "d\n", "\n"].map(Bytes::from));
        assert_eq!(last, Some(Bytes::from("e")));
    }

    #[test]
    fn a_line_within_one_chunk_is_not_copied() {
        let chunk = Bytes::from_static(b"one\ntwo\n");
        let start = chunk.as_ptr() as usize;
        let mut places = Vec::new();
        LineSplitter::default().push(chunk, |line| places.push(line.as_ptr() as usize - start));
        assert_eq!(places, [0, 4]);
    }

    #[test]
    fn what_is_pending_is_counted() {
        let mut splitter = LineSplitter::default();
        splitter.push(Bytes::from_static(b"a\nbcd"), drop);
        assert_eq!(splitter.pending(), 3);
        assert_eq!(splitter.finish(), Some(Bytes::from("bcd")));
        assert_eq!((splitter.pending(), splitter.finish()), (0, None));
    }

    #[test]
    fn a_message_of_several_lines_becomes_one() {
        for (message, line) in [
            (
                "{\n  \"a\": 1,\r\n\t\"b\":\"\\n\"\r}",
                "{   \"a\": 1,  \t\"b\":\"\\n\" }",
            ),
            ("\u{feff}{}", "{}"),
            ("\u{feff}\r\n{ }\r\n", "{ }"),
            ("[1]\n", "[1]"),
            (" [1] ", " [1] "),
            ("\u{feff}", ""),
            ("\n\r\n", ""),
            ("", ""),
        ] {
            assert_eq!(on_one_line(Bytes::from(message)), line);
        }
    }

    #[test]
    fn a_message_on_one_line_is_not_copied() {
        let message = Bytes::from_static(b"\xef\xbb\xbf{\"a\":1}\n");
        let line = on_one_line(message.clone());
        assert_eq!(line.as_ptr(), message[3..].as_ptr());
        assert_eq!(line.len(), message.len() - 4);
    }

    #[test]
    fn a_line_of_fifty_megabytes_goes_through() {
        let chunk = Bytes::from(vec![b'x'; 1 << 20]);
        let (mut splitter, mut lengths) = (LineSplitter::default(), Vec::new());
        for _ in 0..50 {
            splitter.push(chunk.clone(), |line| lengths.push(line.len()));
        }
        splitter.push(Bytes::from_static(b"\n"), |line| lengths.push(line.len()));
        assert_eq!(lengths, [(50 << 20) + 1]);
    }
}
