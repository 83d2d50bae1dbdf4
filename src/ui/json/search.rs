//! Finding text in a [`View`]: every occurrence is a match of its own, inside a long string, too.

use super::expansion::{Expansion, text_of};
use super::view::{Entry, View};
use super::{Document, Ink, Row, Shape};
use regex::{Regex, RegexBuilder};

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

    /// Which match the cursor is on (from 1, 0 for none) and how many there are; `None` without a search.
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
            let column = indent + hit.offset;
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

    /// Every occurrence in a row.
    fn hits_of(&self, pattern: &Regex, index: u32, row: &Row, hits: &mut Vec<Hit>) {
        let mut hit = |part: u32, offset: usize| {
            let entry = Entry { row: index, part };
            hits.push(Hit { entry, offset });
        };
        let document = &self.document;
        if !self.can_expand(row) {
            return document.offsets(pattern, row, |offset| hit(0, offset));
        }
        let key = document.slice(row.key);
        offsets(pattern, key, Ink::Key, |offset| hit(0, offset));
        let value = document.slice(row.value);
        let text = text_of(value, row.ink == Ink::String);
        if !pattern.is_match(&text) {
            // As it is spelled, with its quotes and escapes.
            return offsets(pattern, value, Ink::Plain, |offset| {
                hit(0, key.len() + offset);
            });
        }
        match Expansion::of(value, row.ink == Ink::String) {
            Expansion::Text { parts, .. } => {
                for found in pattern.find_iter(&text) {
                    let above = parts.partition_point(|part| part.start <= found.start());
                    let start = parts
                        .get(above.wrapping_sub(1))
                        .map_or(0, |part| part.start);
                    hit(u32::try_from(above).unwrap_or(0), found.start() - start);
                }
            }
            Expansion::Nested(document) => {
                for (part, row) in (1u32..).zip(&document.rows) {
                    document.offsets(pattern, row, |offset| hit(part, offset));
                }
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
    /// Where a row's key and its own value match.
    fn offsets(&self, pattern: &Regex, row: &Row, mut hit: impl FnMut(usize)) {
        let key = self.slice(row.key);
        offsets(pattern, key, Ink::String, &mut hit);
        if matches!(row.shape, Shape::Scalar | Shape::Raw) {
            let value = self.slice(row.value);
            offsets(pattern, value, row.ink, |offset| hit(key.len() + offset));
        }
    }
}

/// Where a token matches: what it says, else how it is spelled.
fn offsets(pattern: &Regex, token: &str, ink: Ink, hit: impl FnMut(usize)) {
    let text = text_of(token, ink == Ink::String);
    let text = match pattern.is_match(&text) {
        true => &text,
        false => token,
    };
    pattern
        .find_iter(text)
        .map(|found| found.start())
        .for_each(hit);
}
