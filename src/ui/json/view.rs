//! What a person does with a [`Document`]: move, fold, search, wrap, pick a value.
//!
//! Knows what the keys mean, but not which they are. Folding costs one pass over the rows; drawing costs what is on the screen, whatever the size of the document.

use super::expansion::{CUT, Expansion, holds_json, text_of};
use super::search::Search;
use super::{Document, Ink, NONE, Row, Shape};
use crate::ui::keymap::Action;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The size that the view is drawn in before anybody says.
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// One line of the layout as folded: a row, or (from 1) a part of the row's expansion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub row: u32,
    pub part: u32,
}

/// A document as somebody looks at it.
#[derive(Debug)]
pub struct View {
    pub(super) document: Arc<Document>,
    pub(super) folded: BTreeSet<u32>,
    pub(super) expanded: BTreeMap<u32, Expansion>,
    /// What folding leaves, in order.
    pub(super) entries: Vec<Entry>,
    pub(super) cursor: usize,
    /// The entry at the top, and how many of its wrapped lines are above.
    pub(super) top: (usize, usize),
    pub(super) left: usize,
    pub(super) wrap: bool,
    pub(super) size: (u16, u16),
    pub(super) search: Option<Search>,
    /// Somebody folded or unfolded: another width leaves that as it is.
    pub(super) arranged: bool,
}

/// Moves of the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
}

impl View {
    pub fn new(document: Arc<Document>) -> Self {
        let mut view = Self {
            document,
            folded: BTreeSet::new(),
            expanded: BTreeMap::new(),
            entries: Vec::new(),
            cursor: 0,
            top: (0, 0),
            left: 0,
            wrap: true,
            size: DEFAULT_SIZE,
            search: None,
            arranged: false,
        };
        view.fold_what_fits();
        view.layout();
        view
    }

    pub fn document(&self) -> &Arc<Document> {
        &self.document
    }

    /// Tells the view how many columns and rows it is drawn in.
    pub fn resize(&mut self, width: u16, height: u16) {
        if self.size == (width, height) {
            return;
        }
        let refit = width != self.size.0 && !self.arranged;
        self.size = (width, height);
        self.top.1 = 0;
        if refit {
            let at = self.at_cursor().map(|(index, _)| index);
            self.fold_what_fits();
            self.layout_around(at);
        }
        self.keep_cursor_in_sight();
    }

    /// Folds the short containers whose one line is no longer than the screen is wide.
    fn fold_what_fits(&mut self) {
        let fits = |row: &Row| row.shape == Shape::Open && self.fits(row);
        let rows = (0u32..).zip(&self.document.rows);
        let mut folded: BTreeSet<u32> = rows
            .filter(|(_, row)| fits(row))
            .map(|(index, _)| index)
            .collect();
        for index in self.expanded.keys() {
            folded.remove(&self.document.rows[*index as usize].parent);
        }
        self.folded = folded;
    }

    /// Whether a container can stand on one line: a few columns may be left that are thought to be needed.
    pub(super) fn fits(&self, row: &Row) -> bool {
        let bytes = |(start, end): (u32, u32)| (end - start) as usize;
        // Mark, colon, spaces inside and a comma; a space after each colon and comma within.
        let spaces = 7 + 2 * row.count as usize;
        let columns = row.depth as usize * 2 + bytes(row.key) + bytes(row.value) + spaces;
        row.short && columns <= usize::from(self.size.0)
    }

    /// Lines of the layout as folded.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where the cursor stands, from 0.
    pub fn position(&self) -> usize {
        self.cursor
    }

    pub fn go(&mut self, step: Move) {
        if self.moves_inside(step) {
            return;
        }
        let page = usize::from(self.size.1.saturating_sub(1)).max(1);
        let last = self.entries.len().saturating_sub(1);
        self.cursor = match step {
            Move::Up => self.cursor.saturating_sub(1),
            Move::Down => (self.cursor + 1).min(last),
            Move::PageUp => self.cursor.saturating_sub(page),
            Move::PageDown => (self.cursor + page).min(last),
            Move::Top => 0,
            Move::Bottom => last,
        };
        self.keep_cursor_in_sight();
    }

    /// What a key means here; keys that mean nothing are ignored.
    pub fn act(&mut self, action: Action) {
        match action {
            Action::Up => self.go(Move::Up),
            Action::Down => self.go(Move::Down),
            Action::PageUp => self.go(Move::PageUp),
            Action::PageDown => self.go(Move::PageDown),
            Action::Top => self.go(Move::Top),
            Action::Bottom => self.go(Move::Bottom),
            Action::Fold => self.toggle(),
            Action::FoldAll => self.fold_all(),
            Action::UnfoldAll => self.unfold_all(),
            Action::Wrap => self.toggle_wrap(),
            Action::NextMatch => self.next_match(),
            Action::PreviousMatch => self.previous_match(),
            // Sideways first, where there is something at the side.
            Action::Right if !self.unfold() => self.shift(8),
            Action::Left if self.left > 0 => self.shift(-8),
            Action::Left => self.fold(),
            _ => {}
        }
    }

    /// A line that is higher than the screen is scrolled through before it is left.
    fn moves_inside(&mut self, step: Move) -> bool {
        let screen = usize::from(self.size.1).max(1);
        let hidden = self.height_of(self.cursor).saturating_sub(screen);
        if hidden == 0 || self.top.0 != self.cursor {
            return false;
        }
        let above = match step {
            Move::Up => self.top.1.checked_sub(1),
            Move::PageUp if self.top.1 > 0 => Some(self.top.1.saturating_sub(screen)),
            Move::Down if self.top.1 < hidden => Some(self.top.1 + 1),
            Move::PageDown if self.top.1 < hidden => Some((self.top.1 + screen).min(hidden)),
            _ => None,
        };
        if let Some(above) = above {
            self.top.1 = above;
        }
        above.is_some()
    }

    /// Moves the view by lines (the wheel), the cursor with it.
    pub fn scroll(&mut self, lines: isize) {
        let last = self.entries.len().saturating_sub(1);
        let top = self.top.0.saturating_add_signed(lines).min(last);
        let moved = top as isize - self.top.0 as isize;
        self.top = (top, 0);
        self.cursor = self.cursor.saturating_add_signed(moved).min(last);
        self.keep_cursor_in_sight();
    }

    /// Sideways, when long lines are not wrapped.
    pub fn shift(&mut self, columns: isize) {
        if !self.wrap {
            self.left = self.left.saturating_add_signed(columns);
        }
    }

    pub fn toggle_wrap(&mut self) {
        self.wrap = !self.wrap;
        self.left = 0;
        self.top.1 = 0;
        self.keep_cursor_in_sight();
    }

    /// Lines of the layout below those on the screen.
    pub fn below(&self) -> usize {
        let mut room = usize::from(self.size.1) + self.top.1;
        let on_screen = (self.top.0..self.entries.len()).take_while(|entry| {
            let height = self.height_of(*entry);
            let begins = room > 0;
            room = room.saturating_sub(height);
            begins
        });
        self.entries.len() - self.top.0.min(self.entries.len()) - on_screen.count()
    }

    /// Puts the cursor on the line that is drawn at `y`; false when there is none.
    pub fn click(&mut self, y: u16) -> bool {
        let mut below = usize::from(y) + self.top.1;
        for entry in self.top.0..self.entries.len() {
            let height = self.height_of(entry);
            if below < height {
                self.cursor = entry;
                return true;
            }
            below -= height;
        }
        false
    }

    /// Folds or unfolds what the cursor is on.
    pub fn toggle(&mut self) {
        let Some((index, row)) = self.at_cursor() else {
            return;
        };
        match row.shape {
            Shape::Open if self.folded.contains(&index) => self.unfold_row(index),
            Shape::Open => self.fold_row(index),
            Shape::Close => self.fold_row(row.pair),
            _ if self.expanded.contains_key(&index) => self.fold_row(index),
            _ => self.unfold_row(index),
        }
    }

    /// Opens what the cursor is on; false when there was nothing to open.
    pub fn unfold(&mut self) -> bool {
        let Some((index, row)) = self.at_cursor() else {
            return false;
        };
        let closed = match row.shape {
            Shape::Open => self.folded.contains(&index),
            Shape::Scalar | Shape::Raw => {
                !self.expanded.contains_key(&index) && self.can_expand(&row)
            }
            Shape::Close | Shape::Empty => false,
        };
        if closed {
            self.unfold_row(index);
        }
        closed
    }

    /// Folds what the cursor is on, or goes to what holds it.
    pub fn fold(&mut self) {
        let Some((index, row)) = self.at_cursor() else {
            return;
        };
        let open = match row.shape {
            Shape::Open => !self.folded.contains(&index),
            _ => self.expanded.contains_key(&index),
        };
        match row.shape {
            Shape::Close => self.fold_row(row.pair),
            _ if open => self.fold_row(index),
            _ if row.parent != NONE => {
                self.cursor = self.entry_of(row.parent);
                self.keep_cursor_in_sight();
            }
            _ => {}
        }
    }

    /// Folds every container inside the outermost one.
    pub fn fold_all(&mut self) {
        let at = self.at_cursor().map(|(index, _)| index);
        self.folded = (0u32..)
            .zip(&self.document.rows)
            .filter(|(_, row)| row.shape == Shape::Open && (row.depth > 0 || row.short))
            .map(|(index, _)| index)
            .collect();
        self.arranged = true;
        self.expanded.clear();
        self.layout_around(at);
    }

    pub fn unfold_all(&mut self) {
        let at = self.at_cursor().map(|(index, _)| index);
        let mut folded = std::mem::take(&mut self.folded);
        folded.retain(|row| self.fits(&self.document.rows[*row as usize]));
        self.folded = folded;
        self.layout_around(at);
    }

    /// Opens the strings that hold line breaks or JSON, as long as that stays readable: for who came to read the text.
    pub fn unfold_texts(&mut self) {
        const BYTES: usize = 20_000;
        let mut bytes = 0;
        let rows = u32::try_from(self.document.rows.len()).unwrap_or(NONE);
        for index in 0..rows {
            let row = self.document.rows[index as usize];
            let value = self.document.slice(row.value);
            let text = row.shape == Shape::Scalar && row.ink == Ink::String;
            if text && self.can_expand(&row) && self.document.blob(&row).is_none() {
                bytes += value.len();
                if bytes > BYTES {
                    break;
                }
                self.expand(index);
                self.folded.remove(&row.parent);
            }
        }
        self.layout_around(Some(0));
    }

    /// Raw text of the value under the cursor: these bytes stand in the document.
    pub fn value(&self) -> &str {
        self.at_cursor().map_or("", |(index, row)| {
            let index = match row.shape {
                Shape::Close => row.pair,
                _ => index,
            };
            self.document.value(index)
        })
    }

    /// The same for reading: of a string its text.
    pub fn text(&self) -> Cow<'_, str> {
        text_of(self.value(), true)
    }

    /// JSON Pointer of the value under the cursor.
    pub fn pointer(&self) -> String {
        self.at_cursor()
            .map(|(index, _)| self.document.pointer(index))
            .unwrap_or_default()
    }

    pub(super) fn at_cursor(&self) -> Option<(u32, Row)> {
        let entry = self.entries.get(self.cursor)?;
        Some((entry.row, self.document.rows[entry.row as usize]))
    }

    fn fold_row(&mut self, row: u32) {
        self.arranged = true;
        match self.document.rows[row as usize].shape {
            Shape::Open => {
                self.folded.insert(row);
            }
            _ => {
                self.expanded.remove(&row);
            }
        }
        self.layout_around(Some(row));
    }

    fn unfold_row(&mut self, row: u32) {
        self.arranged = true;
        match self.document.rows[row as usize].shape {
            Shape::Open => {
                self.folded.remove(&row);
            }
            _ => self.expand(row),
        }
        self.layout_around(Some(row));
    }

    /// Whether a scalar has more to show than its row does.
    pub(super) fn can_expand(&self, row: &Row) -> bool {
        let value = self.document.slice(row.value);
        match row.shape {
            Shape::Raw => value.len() > CUT,
            Shape::Scalar if row.ink == Ink::String => {
                value.len() > CUT || value.contains("\\n") || holds_json(value)
            }
            Shape::Scalar => value.len() > CUT,
            _ => false,
        }
    }

    pub(super) fn expand(&mut self, index: u32) {
        let row = self.document.rows[index as usize];
        if !self.can_expand(&row) {
            return;
        }
        let expansion = Expansion::of(self.document.slice(row.value), row.ink == Ink::String);
        self.expanded.insert(index, expansion);
    }

    /// Works out what folding leaves.
    fn layout(&mut self) {
        self.entries.clear();
        let mut row = 0;
        while let Some(at) = self.document.rows.get(row as usize) {
            self.entries.push(Entry { row, part: 0 });
            if let Some(expansion) = self.expanded.get(&row) {
                let parts = u32::try_from(expansion.len()).unwrap_or(u32::MAX - 1);
                self.entries
                    .extend((1..=parts).map(|part| Entry { row, part }));
            }
            row = match at.shape {
                Shape::Open if self.folded.contains(&row) => at.pair + 1,
                _ => row + 1,
            };
        }
    }

    pub(super) fn layout_around(&mut self, row: Option<u32>) {
        let top = self.entries.get(self.top.0).copied();
        self.layout();
        if let Some(top) = top {
            let at = self.entries.partition_point(|entry| *entry < top);
            // What fits the screen is not above its edge.
            let last = self.entries.len().saturating_sub(1);
            self.top = (at.min(self.first_of_screen_to(last)), 0);
        }
        if let Some(row) = row {
            self.cursor = self.entry_of(row);
        }
        self.keep_cursor_in_sight();
    }

    /// The entry of a row, or of what hides it.
    fn entry_of(&self, row: u32) -> usize {
        let wanted = Entry { row, part: 0 };
        match self.entries.binary_search(&wanted) {
            Ok(at) => at,
            Err(at) => at.saturating_sub(1),
        }
    }

    /// Moves the top so that the cursor's line is drawn.
    pub(super) fn keep_cursor_in_sight(&mut self) {
        let last = self.entries.len().saturating_sub(1);
        self.cursor = self.cursor.min(last);
        if self.cursor <= self.top.0 {
            if self.cursor < self.top.0 {
                self.top = (self.cursor, 0);
            }
            return;
        }
        let first = self.first_of_screen_to(self.cursor);
        if self.top.0 < first {
            self.top = (first, 0);
        }
    }

    /// The first entry of a screen whose last one this is.
    fn first_of_screen_to(&self, last: usize) -> usize {
        let height = usize::from(self.size.1).max(1);
        let mut used = 0;
        let mut first = last;
        loop {
            used += self.height_of(first);
            if used > height {
                return (first + 1).min(last);
            }
            if first == 0 {
                return 0;
            }
            first -= 1;
        }
    }

    pub(super) fn height_of(&self, entry: usize) -> usize {
        match self.entries.get(entry) {
            Some(entry) if self.wrap => self.wrapped(self.pieces(*entry)).len(),
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests;
