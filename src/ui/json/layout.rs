//! From text to rows: one JSON value by its grammar, in one pass over its tokens; what is not one, line by line.
//!
//! Knows where each row's bytes stand; must not know how a row is shown or folded.

use super::Ink;
use crate::wire::token::{TokenKind, tokens};
use std::ops::Range;

/// A container that holds no other and is at most this long stands on one row.
const SHORT: usize = 60;
/// No such row.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar,
    /// `{` or `[` with rows inside; `pair` is its closing row.
    Open,
    /// `pair` is its opening row.
    Close,
    /// `{}` or `[]`.
    Empty,
    /// A line of a document that is not JSON.
    Raw,
}

/// One row of the layout with everything unfolded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub shape: Shape,
    pub ink: Ink,
    /// A comma follows.
    pub comma: bool,
    /// A short container without another inside: on one line when folded, where that is wide enough.
    pub short: bool,
    /// An object, where it is a container.
    pub object: bool,
    pub depth: u32,
    pub parent: u32,
    pub pair: u32,
    /// Members directly inside.
    pub count: u32,
    /// The key's token with its quotes; empty for elements.
    pub key: (u32, u32),
    /// The value's raw text; for an opening row the whole container.
    pub value: (u32, u32),
}

pub(super) fn ink_of(kind: TokenKind) -> Ink {
    match kind {
        TokenKind::Punctuation => Ink::Punctuation,
        TokenKind::Key => Ink::Key,
        TokenKind::String => Ink::String,
        TokenKind::Number => Ink::Number,
        TokenKind::Literal => Ink::Literal,
        TokenKind::Space | TokenKind::Garbage => Ink::Plain,
    }
}

/// The rows of one JSON value; `None` when `text` is not one, or too long to number its bytes.
pub(super) fn json_rows(text: &str) -> Option<Vec<Row>> {
    u32::try_from(text.len()).ok()?;
    let mut layout = Layout {
        rows: Vec::new(),
        open: Vec::new(),
        key: (0, 0),
        want: Want::Value,
    };
    for token in tokens(text) {
        let range = span(&token.range)?;
        match token.kind {
            TokenKind::Space => {}
            TokenKind::Garbage => return None,
            TokenKind::Punctuation => {
                layout.punctuation(text.as_bytes()[token.range.start], range)?;
            }
            TokenKind::Key | TokenKind::String
                if matches!(layout.want, Want::Key | Want::KeyOrEnd) =>
            {
                layout.key = range;
                layout.want = Want::Colon;
            }
            // What the lexer took for a key is a value where the grammar wants one.
            TokenKind::Key => layout.scalar(Ink::String, range)?,
            kind => layout.scalar(ink_of(kind), range)?,
        }
    }
    (layout.open.is_empty() && layout.want == Want::CommaOrEnd).then_some(layout.rows)
}

/// What the grammar allows next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

/// Lays out one JSON value, with a stack of its own.
struct Layout {
    rows: Vec<Row>,
    /// The containers that are open, by their opening rows; whether one holds another container.
    open: Vec<(u32, bool)>,
    key: (u32, u32),
    want: Want,
}

impl Layout {
    fn punctuation(&mut self, byte: u8, range: (u32, u32)) -> Option<()> {
        match (byte, self.want) {
            (b'{' | b'[', Want::Value | Want::ValueOrEnd) => {
                if let Some((_, nests)) = self.open.last_mut() {
                    *nests = true;
                }
                let index = self.push(Shape::Open, Ink::Punctuation, range)?;
                self.rows[index as usize].object = byte == b'{';
                self.open.push((index, false));
                self.want = match byte {
                    b'{' => Want::KeyOrEnd,
                    _ => Want::ValueOrEnd,
                };
            }
            (b'}' | b']', Want::KeyOrEnd | Want::ValueOrEnd | Want::CommaOrEnd) => {
                self.close(byte, range)?;
                self.want = Want::CommaOrEnd;
            }
            (b':', Want::Colon) => self.want = Want::Value,
            (b',', Want::CommaOrEnd) => {
                let (open, _) = *self.open.last()?;
                self.want = match self.rows[open as usize].object {
                    true => Want::Key,
                    false => Want::Value,
                };
                self.rows.last_mut()?.comma = true;
            }
            _ => return None,
        }
        Some(())
    }

    fn scalar(&mut self, ink: Ink, range: (u32, u32)) -> Option<()> {
        if !matches!(self.want, Want::Value | Want::ValueOrEnd) {
            return None;
        }
        self.push(Shape::Scalar, ink, range)?;
        self.want = Want::CommaOrEnd;
        Some(())
    }

    fn close(&mut self, byte: u8, range: (u32, u32)) -> Option<()> {
        let (index, nests) = self.open.pop()?;
        let next = u32::try_from(self.rows.len()).ok()?;
        let row = &mut self.rows[index as usize];
        if row.object != (byte == b'}') {
            return None;
        }
        row.value.1 = range.1;
        if row.count == 0 {
            row.shape = Shape::Empty;
            return Some(());
        }
        row.pair = next;
        row.short = !nests && (row.value.1 - row.value.0) as usize <= SHORT;
        let close = Row {
            shape: Shape::Close,
            pair: index,
            key: (0, 0),
            value: range,
            ..*row
        };
        self.rows.push(close);
        Some(())
    }

    fn push(&mut self, shape: Shape, ink: Ink, value: (u32, u32)) -> Option<u32> {
        let index = u32::try_from(self.rows.len()).ok()?;
        let parent = self.open.last().map_or(NONE, |(parent, _)| *parent);
        if let Some(parent) = self.rows.get_mut(parent as usize) {
            parent.count += 1;
        }
        self.rows.push(Row {
            shape,
            ink,
            comma: false,
            short: false,
            object: false,
            depth: u32::try_from(self.open.len()).ok()?,
            parent,
            pair: NONE,
            count: 0,
            key: std::mem::take(&mut self.key),
            value,
        });
        Some(index)
    }
}

fn span(range: &Range<usize>) -> Option<(u32, u32)> {
    Some((
        u32::try_from(range.start).ok()?,
        u32::try_from(range.end).ok()?,
    ))
}

/// The lines of what is not JSON; past 4 GiB nothing is shown.
pub(super) fn raw_rows(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let Some(value) = span(&(start..start + line.len())) else {
            break;
        };
        start += line.len() + 1;
        rows.push(Row {
            shape: Shape::Raw,
            ink: Ink::Plain,
            comma: false,
            short: false,
            object: false,
            depth: 0,
            parent: NONE,
            pair: NONE,
            count: 0,
            key: (0, 0),
            value,
        });
    }
    if rows.len() > 1 && text.ends_with('\n') {
        rows.pop();
    }
    rows
}
