//! Values too long for their row, opened up below it.

use super::Document;
use crate::ui::format::plural;
use crate::wire::object;
use std::borrow::Cow;

/// A string longer than this is cut, with a mark, until it is expanded.
pub const CUT: usize = 400;
/// An expanded text is laid out in lines of at most this many bytes.
const PART: usize = 1000;

/// A value opened up below its row.
#[derive(Debug)]
pub enum Expansion {
    /// A string's text, line by line, and how much that is.
    Text { parts: Vec<Part>, extent: String },
    /// A string that holds a JSON document.
    Nested(Document),
}

/// A line of a text, or a piece of a long one.
#[derive(Debug)]
pub struct Part {
    pub text: String,
    /// The line began in an earlier part.
    pub goes_on: bool,
}

impl Expansion {
    /// Opens a raw value; a string shows its text, or the document that it holds.
    pub fn of(raw: &str, string: bool) -> Self {
        let text = text_of(raw, string);
        if let Some(nested) = nested_in(raw, &text) {
            return Self::Nested(nested);
        }
        let lines = text.lines().count();
        let extent = match lines {
            0 | 1 => plural(text.chars().count() as u64, "character"),
            lines => plural(lines as u64, "line"),
        };
        Self::Text {
            parts: pieces_of(&text).map(Part::from).collect(),
            extent,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Text { parts, .. } => parts.len(),
            Self::Nested(document) => document.rows.len(),
        }
    }
}

/// The last character boundary at or before `limit`.
pub fn cut_at(text: &str, limit: usize) -> usize {
    let mut cut = limit.min(text.len());
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    cut
}

/// Whether a string's token looks as if an object or an array stood inside.
pub fn holds_json(token: &str) -> bool {
    let inside = token.trim_start_matches('"').trim_start();
    token.len() > 4 && (inside.starts_with('{') || inside.starts_with('['))
}

/// What a raw value says: a string without its quotes and escapes, anything else as it is.
pub fn text_of(raw: &str, string: bool) -> Cow<'_, str> {
    let text = string.then(|| object::unescape(raw)).flatten();
    text.unwrap_or(raw.into())
}

/// How many bytes a string's token stands for, when it looks like base64.
pub fn decoded_len(token: &str) -> Option<u64> {
    let inside = token.strip_prefix('"')?.strip_suffix('"')?;
    let digits = inside.trim_end_matches('=');
    let digit =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let looks = inside.len() > CUT && digits.as_bytes()[..CUT.min(digits.len())].iter().all(digit);
    looks.then(|| base64_len(inside))
}

/// How many bytes base64 stands for.
pub fn base64_len(text: &str) -> u64 {
    text.trim_end_matches('=').len() as u64 * 3 / 4
}

/// The document that a string's token holds, laid out from its text.
pub fn nested_in(token: &str, text: &str) -> Option<Document> {
    let nested = holds_json(token).then(|| Document::new(text.as_bytes().to_vec()));
    nested.filter(Document::is_json)
}

/// A [`Part`] before it is kept.
#[derive(Debug, Clone, Copy)]
pub struct TextPiece<'a> {
    text: &'a str,
    /// Where in the whole text it begins, in bytes.
    pub start: usize,
    goes_on: bool,
}

impl From<TextPiece<'_>> for Part {
    fn from(piece: TextPiece<'_>) -> Self {
        Self {
            text: piece.text.to_owned(),
            goes_on: piece.goes_on,
        }
    }
}

/// Text in lines that are not too long.
pub fn pieces_of(text: &str) -> impl Iterator<Item = TextPiece<'_>> {
    let mut next = 0;
    text.split_inclusive('\n').flat_map(move |line| {
        let start = next;
        next += line.len();
        let mut rest = Some((line.lines().next().unwrap_or_default(), start));
        std::iter::from_fn(move || {
            let (line, at) = rest.take()?;
            let (text, more) = line.split_at(cut_at(line, PART));
            rest = Some((more, at + text.len())).filter(|(more, _)| !more.is_empty());
            let goes_on = at > start;
            Some(TextPiece {
                text,
                start: at,
                goes_on,
            })
        })
    })
}
