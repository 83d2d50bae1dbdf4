//! A lossless JSON lexer for views: every byte of the input belongs to exactly one token, valid JSON or not.

use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// `{ } [ ] : ,`
    Punctuation,
    /// A string that is an object's key.
    Key,
    String,
    Number,
    /// `true`, `false`, `null`
    Literal,
    Space,
    /// What no JSON token can be.
    Garbage,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub kind: TokenKind,
    pub range: Range<usize>,
}

/// The tokens of `text`, in order and without a gap. Iterative: any depth.
pub fn tokens(text: &str) -> impl Iterator<Item = Token> {
    let bytes = text.as_bytes();
    let mut start = 0;
    std::iter::from_fn(move || {
        let &first = bytes.get(start)?;
        let (kind, end) = token(bytes, start, first);
        let range = start..end;
        start = end;
        Some(Token { kind, range })
    })
}

fn token(bytes: &[u8], start: usize, first: u8) -> (TokenKind, usize) {
    match first {
        b'{' | b'}' | b'[' | b']' | b':' | b',' => (TokenKind::Punctuation, start + 1),
        b'"' => string(bytes, start),
        b'-' | b'0'..=b'9' => {
            let end = run(bytes, start, is_number_byte);
            let kind = if is_number(&bytes[start..end]) {
                TokenKind::Number
            } else {
                TokenKind::Garbage
            };
            (kind, end)
        }
        _ if is_space(first) => (TokenKind::Space, run(bytes, start, is_space)),
        _ => {
            let end = run(bytes, start, is_word_byte);
            let kind = match &bytes[start..end] {
                b"true" | b"false" | b"null" => TokenKind::Literal,
                _ => TokenKind::Garbage,
            };
            (kind, end)
        }
    }
}

/// The end of the run of bytes that `belongs` accepts; the first one is not asked.
fn run(bytes: &[u8], start: usize, belongs: fn(u8) -> bool) -> usize {
    let length = bytes[start + 1..]
        .iter()
        .take_while(|&&byte| belongs(byte))
        .count();
    start + 1 + length
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_number_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Everything that starts no other token: so words and foreign characters are never cut inside.
fn is_word_byte(byte: u8) -> bool {
    !is_space(byte) && !matches!(byte, b'{' | b'}' | b'[' | b']' | b':' | b',' | b'"')
}

/// A string is a key when a colon follows: in valid JSON nothing else can have one.
fn string(bytes: &[u8], start: usize) -> (TokenKind, usize) {
    let mut at = start + 1;
    loop {
        match memchr::memchr2(b'"', b'\\', &bytes[at..]) {
            None => return (TokenKind::Garbage, bytes.len()),
            Some(found) if bytes[at + found] == b'"' => {
                at += found + 1;
                break;
            }
            Some(found) if at + found + 1 < bytes.len() => at = after_escape(bytes, at + found + 1),
            Some(_) => return (TokenKind::Garbage, bytes.len()),
        }
    }
    let colon = bytes[at..].iter().find(|&&byte| !is_space(byte)) == Some(&b':');
    (
        if colon {
            TokenKind::Key
        } else {
            TokenKind::String
        },
        at,
    )
}

/// Behind the escaped character, which in invalid JSON may be longer than a byte.
fn after_escape(bytes: &[u8], at: usize) -> usize {
    let rest = bytes[at + 1..]
        .iter()
        .take_while(|&&byte| byte & 0xC0 == 0x80)
        .count();
    at + 1 + rest
}

/// The number grammar of RFC 8259, section 6.
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    let rest = match rest.strip_prefix(b".") {
        Some(fraction) => match digits(fraction) {
            (0, _) => return false,
            (_, rest) => rest,
        },
        None => rest,
    };
    let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) else {
        return rest.is_empty();
    };
    let exponent = exponent
        .strip_prefix(b"+")
        .or_else(|| exponent.strip_prefix(b"-"))
        .unwrap_or(exponent);
    matches!(digits(exponent), (1.., []))
}

fn digits(text: &[u8]) -> (usize, &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count, &text[count..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use TokenKind::*;
    use proptest::prelude::*;

    fn kinds(text: &str) -> Vec<(TokenKind, &str)> {
        tokens(text)
            .map(|token| (token.kind, &text[token.range]))
            .collect()
    }

    #[test]
    fn keys_are_told_from_strings() {
        assert_eq!(
            kinds(r#"{"a" : "b"}"#),
            [
                (Punctuation, "{"),
                (Key, "\"a\""),
                (Space, " "),
                (Punctuation, ":"),
                (Space, " "),
                (String, "\"b\""),
                (Punctuation, "}"),
            ]
        );
    }

    #[test]
    fn numbers_and_literals_are_recognised() {
        for number in [
            "0",
            "-0",
            "12.50",
            "1e3",
            "1E+9",
            "123456789012345678901234567890",
        ] {
            assert_eq!(kinds(number), [(Number, number)]);
        }
        for literal in ["true", "false", "null"] {
            assert_eq!(kinds(literal), [(Literal, literal)]);
        }
    }

    #[test]
    fn what_is_no_json_is_garbage() {
        for garbage in [
            "01",
            "1.",
            "-",
            "1e",
            "+1",
            "NaN",
            "nul",
            "Ünïcode",
            "\"open",
            "\"open\\",
            "\u{7}",
        ] {
            assert_eq!(kinds(garbage), [(Garbage, garbage)]);
        }
    }

    #[test]
    fn escapes_do_not_end_a_string() {
        assert_eq!(kinds(r#""a\"b\\""#), [(String, r#""a\"b\\""#)]);
    }

    proptest! {
        #[test]
        fn every_byte_belongs_to_one_token(text in r#"[\\"\{\}\[\]:,a-z0-9\.\-é \n]{0,60}|\PC{0,40}"#) {
            let mut end = 0;
            for token in tokens(&text) {
                prop_assert_eq!(token.range.start, end);
                prop_assert!(text.is_char_boundary(token.range.end));
                prop_assert!(token.range.end > end);
                end = token.range.end;
            }
            prop_assert_eq!(end, text.len());
        }
    }
}
