//! A lossless JSON lexer for views: every byte of the input belongs to exactly one token, valid JSON or not.

use super::scan;
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
    let text = text.as_bytes();
    let mut start = 0;
    std::iter::from_fn(move || {
        let (kind, end) = token(text, start)?;
        let range = start..end;
        start = end;
        Some(Token { kind, range })
    })
}

/// The token that starts at `start`, and where it ends: always next to an ASCII byte or at the end of the text.
fn token(text: &[u8], start: usize) -> Option<(TokenKind, usize)> {
    let token = match text.get(start)? {
        b'{' | b'}' | b'[' | b']' | b':' | b',' => (TokenKind::Punctuation, start + 1),
        b' ' | b'\t' | b'\r' | b'\n' => (TokenKind::Space, scan::space(text, start)),
        b'"' => string(text, start),
        _ => word(text, start),
    };
    Some(token)
}

/// A string is a key when a colon follows it; that is true of no other string in valid JSON.
fn string(text: &[u8], start: usize) -> (TokenKind, usize) {
    match scan::string(text, start) {
        Ok(end) if text.get(scan::space(text, end)) == Some(&b':') => (TokenKind::Key, end),
        Ok(end) => (TokenKind::String, end),
        Err(_) => (TokenKind::Garbage, broken_string_end(text, start)),
    }
}

/// Up to the next quote that no backslash stands before, so that what follows is read in step again.
fn broken_string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(offset) = text
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
    {
        at += offset;
        if text[at] == b'"' {
            return at + 1;
        }
        // The escaped byte is passed over only where it could end the string: it may be the start of a character.
        at += if matches!(text.get(at + 1), Some(b'"' | b'\\')) {
            2
        } else {
            1
        };
    }
    text.len()
}

/// A run of anything up to the next byte that starts another token.
fn word(text: &[u8], start: usize) -> (TokenKind, usize) {
    let ends = |byte: &u8| {
        matches!(
            byte,
            b'{' | b'}' | b'[' | b']' | b':' | b',' | b'"' | b' ' | b'\t' | b'\r' | b'\n'
        )
    };
    let length = text[start..]
        .iter()
        .position(ends)
        .unwrap_or(text.len() - start);
    let end = start + length;
    let kind = match &text[start..end] {
        b"true" | b"false" | b"null" => TokenKind::Literal,
        _ if scan::number(text, start) == Ok(end) => TokenKind::Number,
        _ => TokenKind::Garbage,
    };
    (kind, end)
}

#[cfg(test)]
mod tests {
    use super::TokenKind::*;
    use super::*;

    fn lex(text: &str) -> Vec<(TokenKind, &str)> {
        tokens(text)
            .map(|token| (token.kind, &text[token.range]))
            .collect()
    }

    #[test]
    fn keys_are_told_from_strings() {
        let want = [
            (Punctuation, "{"),
            (Key, "\"a\""),
            (Space, " "),
            (Punctuation, ":"),
            (String, "\"b\""),
            (Punctuation, ","),
            (Key, r#""\"""#),
            (Punctuation, ":"),
            (Punctuation, "["),
            (Number, "-1.5e3"),
            (Punctuation, ","),
            (Literal, "null"),
            (Punctuation, "]"),
            (Punctuation, "}"),
            (Space, "\r\n"),
        ];
        assert_eq!(lex("{\"a\" :\"b\",\"\\\"\":[-1.5e3,null]}\r\n"), want);
    }

    #[test]
    fn garbage_does_not_swallow_what_follows() {
        assert_eq!(
            lex("NaN,01"),
            [(Garbage, "NaN"), (Punctuation, ","), (Garbage, "01")]
        );
        assert_eq!(
            lex("\"\\x\\\"\u{e9}\",1"),
            [
                (Garbage, "\"\\x\\\"\u{e9}\""),
                (Punctuation, ","),
                (Number, "1")
            ]
        );
        assert_eq!(
            lex("caf\u{e9} {"),
            [(Garbage, "caf\u{e9}"), (Space, " "), (Punctuation, "{")]
        );
    }

    #[test]
    fn a_string_without_an_end_is_garbage_to_the_end() {
        assert_eq!(
            lex("[\"a\\\u{e9}, 1]"),
            [(Punctuation, "["), (Garbage, "\"a\\\u{e9}, 1]")]
        );
        assert_eq!(lex("\""), [(Garbage, "\"")]);
        assert_eq!(lex("\"\\"), [(Garbage, "\"\\")]);
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
            assert_eq!(lex(number), [(Number, number)]);
        }
        for literal in ["true", "false", "null"] {
            assert_eq!(lex(literal), [(Literal, literal)]);
        }
    }

    #[test]
    fn what_is_no_json_is_garbage() {
        for garbage in [
            "1.",
            "-",
            "1e",
            "+1",
            "nul",
            "\u{dc}n\u{ef}code",
            "\u{7}",
            "\"\t\"",
        ] {
            assert_eq!(lex(garbage), [(Garbage, garbage)]);
        }
    }
}
