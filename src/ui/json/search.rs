//! Finding text in a [`View`]: every occurrence is a match of its own, inside a long string, too.

use super::expansion::{Expansion, cut_at, nested_in, pieces_of, text_of};
use super::view::{Entry, View};
use super::{Document, Ink, Piece, Row, Shape};
use crate::ui::text::clean;
use regex::{Regex, RegexBuilder};
use unicode_width::UnicodeWidthStr;

/// Matches are not looked for any further: one letter may stand millions of times in a large document.
pub const MOST_MATCHES: usize = 100_000;

/// What is looked for, and where it stands.
#[derive(Debug)]
pub(super) struct Search {
    pub pattern: Regex,
    /// In order.
    hits: Vec<Hit>,
    /// The hit that was gone to last.
    at: usize,
}

/// One occurrence.
#[derive(Debug, Clone, Copy)]
struct Hit {
    /// The line that shows it, once all that hides it is open.
    entry: Entry,
    /// About how far into that line it is, in bytes.
    offset: usize,
}

impl View {
    /// Marks what matches `text` (letters of either case) and goes to the first match from the cursor on.
    pub fn search(&mut self, text: &str) {
        self.search = None;
        let pattern = RegexBuilder::new(&regex::escape(text))
            .case_insensitive(true)
            .build();
        let (Ok(pattern), false) = (pattern, text.is_empty()) else {
            return;
        };
        let mut hits = Vec::new();
        for (index, row) in (0u32..).zip(&self.document.rows) {
            self.hits_of(&pattern, index, row, &mut hits);
            if hits.len() >= MOST_MATCHES {
                break;
            }
        }
        self.search = Some(Search {
            pattern,
            hits,
            at: 0,
        });
        self.go_to_match(|search, here| search.first_from(here));
    }

    pub fn next_match(&mut self) {
        self.go_to_match(|search, here| match search.hit_on(here) {
            Some(at) => at + 1,
            None => search.first_from(here),
        });
    }

    pub fn previous_match(&mut self) {
        self.go_to_match(|search, here| {
            let at = search.hit_on(here);
            let at = at.unwrap_or_else(|| search.first_from(here));
            at.checked_sub(1)
                .unwrap_or(search.hits.len().saturating_sub(1))
        });
    }

    /// Which match the cursor is on (from 1, 0 for none) and how many there are, at most [`MOST_MATCHES`]; `None`
    /// without a search.
    pub fn matches(&self) -> Option<(usize, usize)> {
        let search = self.search.as_ref()?;
        let on = self.entries.get(self.cursor);
        let at = on.and_then(|entry| search.hit_on(*entry));
        Some((at.map_or(0, |at| at + 1), search.hits.len()))
    }

    /// Goes to a hit by its number; after the last comes the first.
    fn go_to_match(&mut self, number: impl Fn(&Search, Entry) -> usize) {
        let here = self.entries.get(self.cursor).copied();
        let (Some(search), Some(here)) = (&mut self.search, here) else {
            return;
        };
        let at = number(search, here);
        search.at = if at < search.hits.len() { at } else { 0 };
        if let Some(hit) = search.hits.get(search.at).copied() {
            self.show(hit);
        }
    }

    /// Opens what hides a hit and goes there.
    fn show(&mut self, hit: Hit) {
        self.arranged = true;
        let row = hit.entry.row;
        let mut up = self.document.rows[row as usize].parent;
        while let Some(parent) = self.document.rows.get(up as usize) {
            self.folded.remove(&up);
            up = parent.parent;
        }
        if hit.entry.part > 0 && !self.expanded.contains_key(&row) {
            self.expand(row);
        }
        self.layout_around(Some(row));
        self.cursor += hit.entry.part as usize;
        self.keep_cursor_in_sight();
        self.keep_in_sight(hit);
    }

    /// Scrolls to a hit inside its line, where that line is longer than the screen.
    fn keep_in_sight(&mut self, hit: Hit) {
        let (width, screen) = (usize::from(self.size.0), usize::from(self.size.1).max(1));
        let (indent, pieces) = self.pieces(hit.entry);
        if !self.wrap {
            let column = indent.min(width / 2) + self.column_of(hit, &pieces);
            if !(self.left..self.left + width * 3 / 4).contains(&column) {
                self.left = column.saturating_sub(width / 2);
            }
            return;
        }
        let bytes: usize = pieces.iter().map(|(_, text)| text.len()).sum();
        let height = self.height_of(self.cursor);
        if height > screen {
            let line = hit.offset * height / bytes.max(1);
            let above = line.saturating_sub(screen / 2).min(height - screen);
            self.top = (self.cursor, above);
        }
    }

    /// How many columns of its line stand before a hit, about, where the line shows something else than is searched.
    fn column_of(&self, hit: Hit, pieces: &[Piece]) -> usize {
        let shown: String = pieces.iter().map(|(_, text)| clean(text)).collect();
        let found = self.search.as_ref().and_then(|search| {
            let nth = search.at.checked_sub(search.first_from(hit.entry))?;
            search.pattern.find_iter(&shown).nth(nth)
        });
        let start = found.map_or_else(|| cut_at(&shown, hit.offset), |found| found.start());
        shown[..start].width()
    }

    /// Every occurrence in a row, as long as there are not too many.
    fn hits_of(&self, pattern: &Regex, index: u32, row: &Row, hits: &mut Vec<Hit>) {
        let mut hit = |part: u32, offset: usize| {
            let entry = Entry { row: index, part };
            hits.push(Hit { entry, offset });
            hits.len() < MOST_MATCHES
        };
        let document = &self.document;
        let expansion = self.expanded.get(&index);
        let as_blob = expansion.is_none() && document.blob(row).is_some();
        if as_blob || !self.can_expand(row) {
            return document.offsets(pattern, row, |offset| hit(0, offset));
        }
        let key = document.slice(row.key);
        offsets(pattern, key, Ink::String, |offset| hit(0, offset));
        let value = document.slice(row.value);
        let text = text_of(value, row.ink == Ink::String);
        if !pattern.is_match(&text) {
            // As it is spelled, with its quotes and escapes.
            return offsets(pattern, value, Ink::Plain, |offset| {
                hit(0, key.len() + offset)
            });
        }
        let laid_out = match expansion {
            Some(_) => None,
            None => nested_in(value, &text),
        };
        let nested = match expansion {
            Some(Expansion::Nested(document)) => Some(document),
            _ => laid_out.as_ref(),
        };
        if let Some(document) = nested {
            for (part, row) in (1u32..).zip(&document.rows) {
                document.offsets(pattern, row, |offset| hit(part, offset));
            }
            return;
        }
        let mut below = pieces_of(&text).map(|piece| piece.start).peekable();
        let (mut part, mut start) = (0, 0);
        for found in pattern.find_iter(&text) {
            while let Some(next) = below.next_if(|next| *next <= found.start()) {
                (part, start) = (part + 1, next);
            }
            if !hit(part, found.start() - start) {
                break;
            }
        }
    }
}

impl Search {
    /// The first hit on a line or after it.
    fn first_from(&self, place: Entry) -> usize {
        self.hits.partition_point(|hit| hit.entry < place)
    }

    /// The hit on a line: the one that was gone to, where the line has several.
    fn hit_on(&self, place: Entry) -> Option<usize> {
        [self.at, self.first_from(place)]
            .into_iter()
            .find(|at| self.hits.get(*at).is_some_and(|hit| hit.entry == place))
    }
}

impl Document {
    /// Where a row's key and its own value match, as far as `hit` wants to know.
    fn offsets(&self, pattern: &Regex, row: &Row, mut hit: impl FnMut(usize) -> bool) {
        let key = self.slice(row.key);
        offsets(pattern, key, Ink::String, &mut hit);
        if !matches!(row.shape, Shape::Scalar | Shape::Raw) {
            return;
        }
        let hit = |offset| hit(key.len() + offset);
        match self.blob(row) {
            // Its letters are not shown, and mean nothing.
            Some(what) => offsets(pattern, &what, Ink::Plain, hit),
            None => offsets(pattern, self.slice(row.value), row.ink, hit),
        }
    }
}

/// Where a token matches: what it says, else how it is spelled.
fn offsets(pattern: &Regex, token: &str, ink: Ink, mut hit: impl FnMut(usize) -> bool) {
    let text = text_of(token, ink == Ink::String);
    let text = match pattern.is_match(&text) {
        true => &text,
        false => token,
    };
    for found in pattern.find_iter(text) {
        if !hit(found.start()) {
            break;
        }
    }
}
