//! Whether bytes that come in pieces are one JSON value in UTF-8, and what messages are in it, without keeping them.
//!
//! The grammar of `scan` again, which wants a text whole and is faster on short ones; a property test holds the two
//! together. Memory is a bit for each level of nesting, as there.

use super::envelope::Envelope;
use super::outline::Outline;
use super::scan::{self, Container, Nesting};

/// Reads on wherever the last piece ended.
#[derive(Debug, Default)]
pub struct Checker {
    state: State,
    nesting: Nesting,
    /// The string that is being read is a key.
    in_key: bool,
    outline: Outline,
    text: Text,
}

/// What may come next.
#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Value,
    /// The first item of a container, or its end.
    First,
    Key,
    Colon,
    /// What follows a value: a comma or the end of the container, and nothing outside of any.
    Next,
    String,
    Escape,
    /// So many hexadecimal digits.
    Hex(u8),
    Number(Number),
    /// The rest of a literal.
    Word(&'static [u8]),
    /// Nothing: it is not JSON.
    Broken,
}

/// What of a number was read last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

impl Number {
    fn next(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus | Self::Whole, b'0'..=b'9') => Self::Whole,
            (Self::Zero | Self::Whole, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::Sign,
            (Self::Exponent | Self::Sign | Self::Power, b'0'..=b'9') => Self::Power,
            _ => return None,
        })
    }

    fn may_end(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Whole | Self::Fraction | Self::Power
        )
    }
}

impl Checker {
    /// Takes the next piece and hands each message that it completes to `each`: an envelope of which only is known which
    /// members it has, whether the method is a string, and whether the result says `isError: true`. All of it is true
    /// only if the whole turns out to be JSON.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&Envelope<'_>)) {
        self.text.push(bytes);
        let mut at = 0;
        while at < bytes.len() {
            let start = at;
            let in_key = self.in_key;
            at = match self.state {
                State::String => scan::plain(bytes, at),
                State::Broken => return,
                _ => at,
            };
            if let Some(&byte) = bytes.get(at) {
                self.step(byte, &mut each);
                at += 1;
            }
            if in_key {
                self.outline.spell(&bytes[start..at]);
            }
        }
    }

    /// Whether all that came is exactly one JSON value in UTF-8, white space around it allowed.
    pub fn is_json(&self) -> bool {
        let ended = match self.state {
            State::Next => true,
            State::Number(number) => number.may_end(),
            _ => false,
        };
        ended && self.nesting.depth() == 0 && self.is_text()
    }

    /// Whether all that came is UTF-8.
    pub fn is_text(&self) -> bool {
        self.text.is_whole()
    }

    fn step(&mut self, byte: u8, each: &mut impl FnMut(&Envelope<'_>)) {
        let is_space = matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        self.state = match self.state {
            State::Value | State::First | State::Key | State::Colon | State::Next if is_space => {
                return;
            }
            State::Value => self.value(byte),
            State::First => match (self.nesting.innermost(), byte) {
                (Some(Container::Object), b'}') | (Some(Container::Array), b']') => {
                    self.close(each)
                }
                (Some(Container::Object), _) => self.key(byte),
                _ => self.value(byte),
            },
            State::Key => self.key(byte),
            State::Colon if byte == b':' => State::Value,
            State::Next => match (self.nesting.innermost(), byte) {
                (Some(Container::Object), b',') => State::Key,
                (Some(Container::Array), b',') => State::Value,
                (Some(Container::Object), b'}') | (Some(Container::Array), b']') => {
                    self.close(each)
                }
                _ => State::Broken,
            },
            State::String => match byte {
                b'\\' => State::Escape,
                b'"' if std::mem::take(&mut self.in_key) => State::Colon,
                b'"' => State::Next,
                _ => State::Broken,
            },
            State::Escape => match byte {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::String,
                b'u' => State::Hex(4),
                _ => State::Broken,
            },
            State::Hex(left) if byte.is_ascii_hexdigit() => match left {
                1 => State::String,
                _ => State::Hex(left - 1),
            },
            State::Number(number) => match number.next(byte) {
                Some(next) => State::Number(next),
                None if number.may_end() => {
                    self.state = State::Next;
                    return self.step(byte, each);
                }
                None => State::Broken,
            },
            State::Word([next, rest @ ..]) if byte == *next => match rest {
                [] => State::Next,
                _ => State::Word(rest),
            },
            State::Colon | State::Hex(_) | State::Word(_) | State::Broken => State::Broken,
        };
    }

    fn value(&mut self, first: u8) -> State {
        self.outline.value(self.nesting.depth(), first);
        match first {
            b'"' => State::String,
            b'-' => State::Number(Number::Minus),
            b'0' => State::Number(Number::Zero),
            b'1'..=b'9' => State::Number(Number::Whole),
            b't' => State::Word(b"rue"),
            b'f' => State::Word(b"alse"),
            b'n' => State::Word(b"ull"),
            b'{' => self.open(Container::Object),
            b'[' => self.open(Container::Array),
            _ => State::Broken,
        }
    }

    fn key(&mut self, first: u8) -> State {
        if first != b'"' {
            return State::Broken;
        }
        self.in_key = true;
        self.outline.key(self.nesting.depth());
        State::String
    }

    fn open(&mut self, container: Container) -> State {
        self.nesting.push(container);
        State::First
    }

    fn close(&mut self, each: &mut impl FnMut(&Envelope<'_>)) -> State {
        self.outline.close(self.nesting.depth(), each);
        self.nesting.pop();
        State::Next
    }
}

/// Whether pieces are UTF-8.
#[derive(Debug, Default)]
struct Text {
    /// The beginning of a character whose end has not come yet.
    torn: Vec<u8>,
    broken: bool,
}

impl Text {
    fn push(&mut self, mut bytes: &[u8]) {
        while !self.torn.is_empty()
            && let Some((first, rest)) = bytes.split_first()
        {
            self.torn.push(*first);
            bytes = rest;
            match std::str::from_utf8(&self.torn) {
                Ok(_) => self.torn.clear(),
                Err(error) if error.error_len().is_none() => {}
                Err(_) => self.broken = true,
            }
            if self.broken {
                return;
            }
        }
        if self.broken {
            return;
        }
        if let Err(error) = std::str::from_utf8(bytes) {
            self.broken = error.error_len().is_some();
            if !self.broken {
                self.torn.extend_from_slice(&bytes[error.valid_up_to()..]);
            }
        }
    }

    fn is_whole(&self) -> bool {
        !self.broken && self.torn.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::is_json;

    fn accepts(text: &str) -> bool {
        let mut checker = Checker::default();
        checker.push(text.as_bytes(), |_| ());
        checker.is_json()
    }

    #[test]
    fn containers_are_told_apart_at_every_depth() {
        for depth in [1, 2, 63, 64, 65, 127, 128, 129, 1000] {
            let is_object = |level: usize| level * level % 7 < 3;
            let opening = |level| if is_object(level) { "{\"a\":" } else { "[" };
            let opening: String = (0..depth).map(opening).collect();
            let closing = |wrong: Option<usize>| {
                let close = |level| match is_object(level) != (wrong == Some(level)) {
                    true => '}',
                    false => ']',
                };
                (0..depth).rev().map(close).collect::<String>()
            };
            assert!(accepts(&format!("{opening}1{}", closing(None))));
            assert!(!accepts(&format!("{opening}1{}", &closing(None)[1..])));
            for level in [0, depth / 2, depth - 1] {
                let text = format!("{opening}1{}", closing(Some(level)));
                assert!(!is_json(text.as_bytes()) && !accepts(&text));
            }
        }
    }

    #[test]
    fn a_key_as_long_as_the_text_is_not_kept() {
        let mut checker = Checker::default();
        checker.push(b"{\"", |_| ());
        for _ in 0..1000 {
            checker.push(&[b'k'; 1000], |_| ());
        }
        checker.push(b"\":1,\"\\u0069d\":1,\"result\":{\"isError\":true}", |_| ());
        let mut found = 0;
        checker.push(b"}", |envelope| {
            assert_eq!(envelope.kind(), crate::wire::Kind::Result);
            assert_eq!(envelope.result, Some("{\"isError\":true}"));
            found += 1;
        });
        assert!(checker.is_json() && found == 1);
    }

    #[test]
    fn a_key_is_of_the_value_after_it_and_of_no_other() {
        let mut found = Vec::new();
        let batch = br#"[{"id":1,"result":{"error":1}},[2]]"#;
        Checker::default().push(batch, |it| found.push((it.kind(), it.error.is_some())));
        assert_eq!(found[0], (crate::wire::Kind::Result, false));
        assert!(found[1..].iter().all(|it| !it.1), "{found:?}");
    }

    #[test]
    fn characters_may_be_cut_and_must_be_whole() {
        for (pieces, is_text) in [
            (&[b"\"\xf0".as_slice(), b"\x9f", b"\x98\x80\""][..], true),
            (&[b"\"\xc3", b"\""], false),
            (&[b"\"\"", b"\xc3"], false),
            (&[b"\"\xe2\x82", b"\xac\xff\""], false),
            (&[b"\"\xed", b"\xa0\x80\""], false),
        ] {
            let mut checker = Checker::default();
            pieces.iter().for_each(|it| checker.push(it, |_| ()));
            assert_eq!((checker.is_text(), checker.is_json()), (is_text, is_text));
        }
    }
}
