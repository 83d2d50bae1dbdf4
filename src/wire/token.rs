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
pub fn tokens(_text: &str) -> impl Iterator<Item = Token> {
    std::iter::empty()
}
