//! Values too long for their row, opened up below it.

use super::Document;
use crate::wire::object;

/// A string longer than this is cut, with a mark, until it is expanded.
pub const CUT: usize = 400;
/// An expanded text is laid out in lines of at most this many bytes.
const PART: usize = 1000;

/// A value opened up below its row.
#[derive(Debug)]
pub enum Expansion {
    /// A string's text, line by line.
    Text(Vec<String>),
    /// A string that holds a JSON document.
    Nested(Document),
}

impl Expansion {
    /// Opens a raw value; a string shows its text, or the document that it holds.
    pub fn of(raw: &str, string: bool) -> Self {
        let text = match string {
            true => object::unescape(raw).unwrap_or(raw.into()),
            false => raw.into(),
        };
        if holds_json(raw) {
            let nested = Document::new(text.clone().into_owned().into_bytes());
            if nested.is_json() {
                return Self::Nested(nested);
            }
        }
        Self::Text(parts(&text))
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Text(lines) => lines.len(),
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

/// Text in lines that are not too long.
fn parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for line in text.lines() {
        let mut rest = line;
        while rest.len() > PART {
            let (part, more) = rest.split_at(cut_at(rest, PART));
            parts.push(part.to_owned());
            rest = more;
        }
        parts.push(rest.to_owned());
    }
    parts
}
