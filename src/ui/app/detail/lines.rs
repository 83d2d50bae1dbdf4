//! The lines of Raw and Diff, scrolled.

use super::{Look, RawLine};
use crate::ui::app::movement::moved;
use crate::ui::diff::Diff;
use crate::ui::keymap::Action;

#[derive(Debug, Default)]
pub struct Lines {
    pub made_of: Option<(Look, Vec<u64>, u16)>,
    pub raw: Vec<RawLine>,
    pub diff: Option<Diff>,
    pub top: usize,
}

impl Lines {
    fn count(&self) -> usize {
        self.diff
            .as_ref()
            .map_or(self.raw.len(), |diff| diff.rows.len())
    }

    pub fn act(&mut self, action: Action, height: usize) {
        let last = self.count().saturating_sub(height);
        let change = self.diff.as_ref().and_then(|diff| match action {
            Action::NextMatch => diff.next_change(self.top + 1),
            Action::PreviousMatch => diff.previous_change(self.top),
            _ => None,
        });
        self.top = change.map_or_else(
            || moved(self.top, action, height, last),
            |row| row.min(last),
        );
    }
}
