//! The server's standard error in whole lines, each under a prefix; nothing of them is left out.

use super::line;
use crate::tap::{SessionId, Timestamp};
use crate::wire::framing::character_end;
use crate::wire::shown::unstyled;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A line that is longer is told in parts.
const LONGEST: usize = 64 << 10;
/// How long a line without its end waits for it: a prompt has none.
const PATIENCE: Duration = Duration::from_secs(2);

/// The lines whose end has not come, of each session.
#[derive(Debug, Default)]
pub(super) struct Stderr {
    begun: HashMap<SessionId, Begun>,
}

#[derive(Debug)]
struct Begun {
    at: Timestamp,
    since: Instant,
    bytes: Vec<u8>,
}

impl Begun {
    /// Without the line end.
    fn text(&self) -> &[u8] {
        let end = self.bytes.iter().rposition(|it| !b"\n\r".contains(it));
        &self.bytes[..end.map_or(0, |end| end + 1)]
    }

    /// The beginning of a line that is too long.
    fn part(&mut self, session: SessionId) -> Option<Vec<u8>> {
        (self.text().len() > LONGEST).then(|| {
            let rest = self.bytes.split_off(character_end(&self.bytes, LONGEST));
            let told = self.told(session);
            self.bytes = rest;
            told
        })
    }

    fn told(&self, session: SessionId) -> Vec<u8> {
        let text = String::from_utf8_lossy(self.text());
        let text = unstyled(&text);
        line(self.at, session, &format!("server stderr: {text}"))
    }
}

impl Stderr {
    /// The lines that are complete now.
    pub fn take_in(&mut self, at: Timestamp, session: SessionId, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut told = Vec::new();
        let lines = bytes.split_inclusive(|&byte| byte == b'\n');
        for part in lines.flat_map(|line| line.chunks(LONGEST)) {
            let begun = self.begun.entry(session).or_insert_with(|| Begun {
                at,
                since: Instant::now(),
                bytes: Vec::new(),
            });
            begun.bytes.extend_from_slice(part);
            told.extend(std::iter::from_fn(|| begun.part(session)));
            if part.ends_with(b"\n") {
                told.extend(self.end(session));
            }
        }
        told
    }

    /// Those that have waited long enough.
    pub fn waited(&mut self) -> Vec<Vec<u8>> {
        self.end_those(|begun| begun.since.elapsed() >= PATIENCE)
    }

    pub fn end_all(&mut self) -> Vec<Vec<u8>> {
        self.end_those(|_| true)
    }

    /// Nothing more comes in this session.
    pub fn end(&mut self, session: SessionId) -> Vec<Vec<u8>> {
        let begun = self.begun.remove(&session);
        begun.map(|it| it.told(session)).into_iter().collect()
    }

    fn end_those(&mut self, which: impl Fn(&Begun) -> bool) -> Vec<Vec<u8>> {
        let ended = self.begun.extract_if(|_, begun| which(begun));
        ended.map(|(session, begun)| begun.told(session)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[Vec<u8>]) -> Vec<String> {
        let line = |line: &Vec<u8>| {
            let line = String::from_utf8_lossy(line);
            line.trim_end()["12:04:01.120 server stderr: ".len()..].to_owned()
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn a_line_is_told_whole_with_its_indentation_however_it_came() {
        let mut stderr = Stderr::default();
        let mut take_in = |bytes: &str| {
            let told = stderr.take_in(Timestamp(0), SessionId(1), bytes.as_bytes());
            text(&told)
        };
        let long = "x  ".repeat(100) + "y";
        assert_eq!(
            take_in(&format!("    at {long}\r\n")),
            [format!("    at {long}")]
        );
        assert!(take_in("  hal").is_empty());
        assert_eq!(
            take_in("f\n\u{1b}[31mred\u{1b}[0m\nrest"),
            ["  half", "red"]
        );
        assert_eq!(text(&stderr.end(SessionId(1))), ["rest"]);
        assert!(stderr.end_all().is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_is_told_in_parts_that_cut_no_character() {
        for (size, end) in [(usize::MAX, "\r\n"), (1000, "\n"), (LONGEST, "")] {
            let mut stderr = Stderr::default();
            let line = "x".to_owned() + &"é".repeat(LONGEST) + end;
            let mut told = Vec::new();
            for chunk in line.as_bytes().chunks(size) {
                told.extend(stderr.take_in(Timestamp(0), SessionId(1), chunk));
            }
            told.extend(stderr.end_all());
            let told = text(&told);
            let lengths: Vec<_> = told.iter().map(String::len).collect();
            assert_eq!(lengths, [LONGEST - 1, LONGEST, 2]);
            assert!(told.concat() == line.trim_end());
        }
    }
}
