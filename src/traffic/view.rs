//! Which rows are shown, in which order: filter, hidden kinds, nesting. Kept up to date as rows arrive and change.

use super::{RowId, Traffic};

/// A text filter over method, name, id, status and summary. `!text` negates; several words must all match;
/// case is ignored. An empty filter keeps everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {}

impl Filter {
    /// Never fails: any text is a filter.
    pub fn parse(_text: &str) -> Self {
        todo!()
    }
    pub fn is_empty(&self) -> bool {
        todo!()
    }
    pub fn keeps(&self, _traffic: &Traffic, _row: RowId) -> bool {
        todo!()
    }
    /// Whether a raw body matches, for the slower pass over bodies.
    pub fn keeps_body(&self, _body: &[u8]) -> bool {
        todo!()
    }
}

/// Kinds of rows that can be hidden with one key each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hidden {
    pub notifications: bool,
    pub stderr: bool,
    pub garbage: bool,
}

/// One line of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    pub row: RowId,
    /// 0 for a row of its own, 1 and more for rows nested under another.
    pub depth: u8,
}

/// The list as shown. Positions are `0..len`; a selection is kept as a [`RowId`] and found again by
/// [`View::position`].
#[derive(Debug, Default)]
pub struct View {}

impl View {
    pub fn set_filter(&mut self, _traffic: &Traffic, _filter: Filter) {
        todo!()
    }
    pub fn set_hidden(&mut self, _traffic: &Traffic, _hidden: Hidden) {
        todo!()
    }
    pub fn hidden(&self) -> Hidden {
        todo!()
    }
    /// Unfolds or folds the rows nested under `row`.
    pub fn toggle(&mut self, _traffic: &Traffic, _row: RowId) {
        todo!()
    }
    pub fn is_unfolded(&self, _row: RowId) -> bool {
        todo!()
    }
    /// Takes in what was applied to the model since the last call.
    pub fn refresh(&mut self, _traffic: &mut Traffic) {
        todo!()
    }
    /// Marks rows as matching because their bodies match the filter (found by the slower pass).
    pub fn add_body_matches(&mut self, _traffic: &Traffic, _rows: &[RowId]) {
        todo!()
    }
    pub fn len(&self) -> usize {
        todo!()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    pub fn window(&self, _traffic: &Traffic, _top: usize, _height: usize) -> Vec<Shown> {
        todo!()
    }
    pub fn position(&self, _traffic: &Traffic, _row: RowId) -> Option<usize> {
        todo!()
    }
}
