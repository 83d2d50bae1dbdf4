//! The JSON grammar (RFC 8259), as a scanner over bytes: where a value ends, and what is wrong when it does not.
//!
//! Strict, iterative, and with one bit of memory per level of nesting, so depth costs nothing. It does not look at
//! character encoding: every place that it reports is next to an ASCII byte, so cutting a `str` there is always sound.

/// Where text stops being JSON, and what would have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub at: usize,
    pub expected: &'static str,
}

fn fault<T>(at: usize, expected: &'static str) -> Result<T, Fault> {
    Err(Fault { at, expected })
}

/// The first place from `at` on that is not white space.
pub(super) fn space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// The end of the value that starts at `at`.
pub(super) fn value(text: &[u8], mut at: usize) -> Result<usize, Fault> {
    let mut nesting = Nesting::default();
    loop {
        let mut step = match text.get(at) {
            Some(b'"') => Step::End(string(text, at)?),
            Some(b'-' | b'0'..=b'9') => Step::End(number(text, at)?),
            Some(b't') => Step::End(literal(text, at, b"true")?),
            Some(b'f') => Step::End(literal(text, at, b"false")?),
            Some(b'n') => Step::End(literal(text, at, b"null")?),
            Some(b'{') => nesting.enter(Container::Object, text, at),
            Some(b'[') => nesting.enter(Container::Array, text, at),
            _ => return fault(at, "a value"),
        };
        // Where a value ended, perhaps the containers around it end too.
        at = loop {
            match (step, nesting.innermost()) {
                (Step::End(end), None) => return Ok(end),
                (Step::End(end), Some(container)) => {
                    step = container.next(text, end)?;
                    if let Step::End(_) = step {
                        nesting.pop();
                    }
                }
                (Step::Item(item), Some(Container::Object)) => break key(text, item)?.1,
                (Step::Item(item), _) => break item,
            }
        };
    }
}

/// Where a walk along a container gets to: its next item (a value, or an object's key), or what follows the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Item(usize),
    End(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Array,
    Object,
}

impl Container {
    /// From the opening bracket at `at`.
    pub fn first(self, text: &[u8], at: usize) -> Step {
        let close = if self == Self::Object { b'}' } else { b']' };
        let at = space(text, at + 1);
        if text.get(at) == Some(&close) {
            Step::End(at + 1)
        } else {
            Step::Item(at)
        }
    }

    /// From the end of an item.
    pub fn next(self, text: &[u8], at: usize) -> Result<Step, Fault> {
        let at = space(text, at);
        match (self, text.get(at)) {
            (_, Some(b',')) => Ok(Step::Item(space(text, at + 1))),
            (Self::Object, Some(b'}')) | (Self::Array, Some(b']')) => Ok(Step::End(at + 1)),
            (Self::Object, _) => fault(at, "`,` or `}`"),
            (Self::Array, _) => fault(at, "`,` or `]`"),
        }
    }
}

/// From the opening quote of a key: the end of the key, and the start of its value.
pub(super) fn key(text: &[u8], at: usize) -> Result<(usize, usize), Fault> {
    if text.get(at) != Some(&b'"') {
        return fault(at, "a key in double quotes");
    }
    let end = string(text, at)?;
    let colon = space(text, end);
    if text.get(colon) != Some(&b':') {
        return fault(colon, "`:`");
    }
    Ok((end, space(text, colon + 1)))
}

/// The end of the string whose opening quote is at `at`, closing quote included.
pub(super) fn string(text: &[u8], at: usize) -> Result<usize, Fault> {
    let mut at = at + 1;
    loop {
        at = plain(text, at);
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape(text, at)?,
            Some(_) => return fault(at, "no control character inside a string"),
            None => return fault(at, "the end of a string"),
        }
    }
}

fn escape(text: &[u8], at: usize) -> Result<usize, Fault> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match text.get(at + 2..at + 6) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
            _ => fault(at, "four hexadecimal digits after `\\u`"),
        },
        _ => fault(at, "a known escape after `\\`"),
    }
}

/// The first byte from `at` on that means something inside a string: a quote, a backslash or a control character.
/// Eight bytes at a time: most of a large message is the inside of strings.
pub(super) fn plain(text: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // Marks the high bit of each byte below `limit`. A borrow may mark bytes above a true hit as well, never below it.
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGHS;
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let hits = below(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while matches!(text.get(at), Some(&byte) if byte >= 0x20 && byte != b'"' && byte != b'\\') {
        at += 1;
    }
    at
}

/// The end of the number that starts at `at`. A number of any size or precision is a number.
pub(super) fn number(text: &[u8], at: usize) -> Result<usize, Fault> {
    let start = at + usize::from(text.get(at) == Some(&b'-'));
    let mut end = match text.get(start) {
        Some(b'0') => start + 1,
        _ => digits(text, start)?,
    };
    if text.get(end) == Some(&b'.') {
        end = digits(text, end + 1)?;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end = digits(text, end + 1 + sign)?;
    }
    Ok(end)
}

fn digits(text: &[u8], at: usize) -> Result<usize, Fault> {
    let mut end = at;
    while matches!(text.get(end), Some(b'0'..=b'9')) {
        end += 1;
    }
    if end == at {
        return fault(at, "a digit");
    }
    Ok(end)
}

fn literal(text: &[u8], at: usize, word: &[u8]) -> Result<usize, Fault> {
    if text[at..].starts_with(word) {
        Ok(at + word.len())
    } else {
        fault(at, "a value")
    }
}

/// The containers around a place, innermost first, as bits: no allocation above 64 levels.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    depth: usize,
    bits: u64,
    spilled: Vec<u64>,
}

impl Nesting {
    /// Steps into the container that opens at `at`; an empty one is over at once.
    fn enter(&mut self, container: Container, text: &[u8], at: usize) -> Step {
        let step = container.first(text, at);
        if let Step::Item(_) = step {
            self.push(container);
        }
        step
    }

    pub fn depth(&self) -> usize {
        self.depth
    }

    pub fn push(&mut self, container: Container) {
        if self.depth != 0 && self.depth.is_multiple_of(64) {
            self.spilled.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(container == Container::Object);
        self.depth += 1;
    }

    pub fn pop(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth.is_multiple_of(64)
            && let Some(bits) = self.spilled.pop()
        {
            self.bits = bits;
        }
    }

    pub fn innermost(&self) -> Option<Container> {
        match (self.depth, self.bits & 1) {
            (0, _) => None,
            (_, 0) => Some(Container::Array),
            _ => Some(Container::Object),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Result<(), Fault> {
        let end = value(text.as_bytes(), 0)?;
        assert!(end <= text.len());
        if end == text.len() {
            Ok(())
        } else {
            fault(end, "the end")
        }
    }

    #[test]
    fn every_kind_of_value_is_accepted() {
        for text in [
            "0",
            "-0",
            "-1.5e+10",
            "1e400",
            "123456789012345678901234567890",
            "true",
            "false",
            "null",
            r#""""#,
            r#""\"\\\/\b\f\n\r\té\ud800""#,
            "{}",
            "[]",
            "[ ]",
            "{ }",
            r#"{"a":[1,{"b":null}],"c":{}}"#,
            "[[],[[]],{}]",
            "\"\u{e9}\u{1f600}\u{7f}\u{85}\"",
            " [1]".trim(),
            "[1 , 2\t,\r\n3]",
            r#"{ "a" : 1 , "b" : 2 }"#,
        ] {
            assert_eq!(whole(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_json_forbids_is_refused() {
        for text in [
            "",
            " ",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "1e+",
            "nul",
            "True",
            "NaN",
            "Infinity",
            "'a'",
            r#"""#,
            r#""\x""#,
            r#""\u12""#,
            r#""\u12g4""#,
            "\"\t\"",
            "\"\u{0}\"",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            "{1:2}",
            "[1}",
            r#"{"a":1]"#,
            "[",
            "{",
            "[[]",
            "1 2",
            "// c\n1",
        ] {
            assert!(whole(text).is_err(), "{text}");
            assert!(
                serde_json::from_str::<serde::de::IgnoredAny>(text).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn containers_are_told_apart_at_every_depth() {
        for depth in [1, 2, 63, 64, 65, 127, 128, 129, 1000] {
            let kinds: Vec<bool> = (0..depth).map(|level| level * level % 7 < 3).collect();
            let opening: String = kinds
                .iter()
                .map(|&object| if object { "{\"a\":" } else { "[" })
                .collect();
            let closing: Vec<char> = kinds
                .iter()
                .rev()
                .map(|&object| if object { '}' } else { ']' })
                .collect();
            let text = format!("{opening}1{}", closing.iter().collect::<String>());
            assert_eq!(whole(&text), Ok(()));
            for level in [0, depth / 2, depth - 1] {
                let mut wrong = closing.clone();
                wrong[level] = if wrong[level] == '}' { ']' } else { '}' };
                let text = format!("{opening}1{}", wrong.iter().collect::<String>());
                let at = opening.len() + 1 + level;
                assert_eq!(whole(&text).map_err(|fault| fault.at), Err(at));
            }
        }
    }

    #[test]
    fn every_stop_byte_is_found_at_every_offset() {
        for length in 0..20 {
            for at in 0..length {
                for stop in [b'"', b'\\', 0, 0x1f] {
                    let mut text = vec![0xc3; length];
                    text[at] = stop;
                    assert_eq!(plain(&text, 0), at);
                }
            }
            assert_eq!(plain(&vec![0x20; length], 0), length);
        }
    }
}
