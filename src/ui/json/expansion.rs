//! Values too long for their row, opened up below it.

use super::Document;
use crate::ui::format::plural;
use crate::wire::object;

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
        let lines = text.lines().count();
        let extent = match lines {
            0 | 1 => plural(text.chars().count() as u64, "character"),
            lines => plural(lines as u64, "line"),
        };
        Self::Text {
            parts: parts(&text),
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

/// Text in lines that are not too long.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for line in text.lines() {
        let (mut rest, mut goes_on) = (line, false);
        while rest.len() > PART {
            let (part, more) = rest.split_at(cut_at(rest, PART));
            let text = part.to_owned();
            parts.push(Part { text, goes_on });
            (rest, goes_on) = (more, true);
        }
        let text = rest.to_owned();
        parts.push(Part { text, goes_on });
    }
    parts
}
