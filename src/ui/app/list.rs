//! The list of the Traffic pane: which row is selected, which are on the screen, and what narrows them.
//!
//! The selection is a [`RowId`] and keeps its line on the screen, whatever arrives above or below it.

use super::World;
use super::prompt::Prompt;
use crate::traffic::view::{Filter, Hidden, Shown, View};
use crate::traffic::{RowId, Traffic};
use crate::ui::event::Effect;
use crate::ui::keymap::Action;
use std::collections::BTreeSet;

/// Rows whose messages are looked through at a time, and their bytes at most.
const SCAN_ROWS: usize = 1024;
const SCAN_BYTES: u64 = 4 << 20;

#[derive(Debug, Default)]
pub struct List {
    view: View,
    /// What the operator selected. It may be filtered out; then the nearest row is shown as selected.
    chosen: Option<RowId>,
    /// Lines between the top of the list and the selected row.
    offset: usize,
    pub follow: bool,
    /// Rows there were when the view was paused.
    paused_at: Option<u32>,
    pub filter: Prompt,
    /// The filter is being typed.
    pub typing: bool,
    scan: Scan,
}

/// The slower pass of the filter, over the messages themselves, some rows at a time.
#[derive(Debug, Default)]
struct Scan {
    generation: u64,
    filter: Filter,
    /// Every row below was looked through, but for those in `again`.
    next: RowId,
    /// Rows that changed after they were looked through: an answer came, or another.
    again: BTreeSet<RowId>,
    changes_seen: u64,
    busy: bool,
}

impl List {
    /// Follows the newest row from the start: for live conversations.
    pub fn following() -> Self {
        Self {
            follow: true,
            ..Self::default()
        }
    }

    pub fn len(&self) -> usize {
        self.view.len()
    }

    pub fn is_empty(&self) -> bool {
        self.view.is_empty()
    }

    pub fn hidden(&self) -> Hidden {
        self.view.hidden()
    }

    pub fn is_unfolded(&self, row: RowId) -> bool {
        self.view.is_unfolded(row)
    }

    pub fn is_paused(&self) -> bool {
        self.paused_at.is_some()
    }

    /// Rows that came since the view was paused.
    pub fn unseen(&self, traffic: &Traffic) -> u32 {
        self.paused_at.map_or(0, |rows| traffic.len() - rows)
    }

    /// Whether messages are still being looked through for the filter.
    pub fn is_scanning(&self, traffic: &Traffic) -> bool {
        let scan = &self.scan;
        let more = scan.next < traffic.len() || !scan.again.is_empty();
        scan.filter.finds_bodies() && (scan.busy || more)
    }

    /// The selected row and its position. The operator's choice, or the nearest row that is shown.
    pub fn selected(&self, traffic: &Traffic) -> Option<(RowId, usize)> {
        let last = self.view.len().checked_sub(1)?;
        let position = match self.chosen {
            None => 0,
            Some(row) => match self.view.position(traffic, row) {
                Some(position) => return Some((row, position)),
                None => self.nearest(traffic, row).min(last),
            },
        };
        Some((self.at(traffic, position)?, position))
    }

    fn at(&self, traffic: &Traffic, position: usize) -> Option<RowId> {
        self.view
            .window(traffic, position, 1)
            .first()
            .map(|shown| shown.row)
    }

    /// The position of the first shown row that came after `row`. Nested rows stand out of order by a little, so this
    /// may be off by as little.
    fn nearest(&self, traffic: &Traffic, row: RowId) -> usize {
        let (mut low, mut high) = (0, self.view.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at(traffic, middle) {
                Some(other) if other < row => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }

    /// Position of the first line on a screen of `height` lines.
    pub fn top(&self, traffic: &Traffic, height: usize) -> usize {
        let Some((_, position)) = self.selected(traffic) else {
            return 0;
        };
        let offset = if self.follow {
            height.saturating_sub(1)
        } else {
            self.offset
        };
        position
            .saturating_sub(offset.min(height.saturating_sub(1)))
            .min(self.view.len().saturating_sub(height))
    }

    /// What stands in the line above the screen.
    pub fn above(&self, traffic: &Traffic, height: usize) -> Option<RowId> {
        let top = self.top(traffic, height);
        self.at(traffic, top.checked_sub(1)?)
    }

    /// The lines on the screen.
    pub fn window(&self, traffic: &Traffic, height: usize) -> Vec<Shown> {
        self.view.window(traffic, self.top(traffic, height), height)
    }

    /// Moves by `lines`, keeping the screen still while the selection stays on it.
    pub fn step(&mut self, traffic: &Traffic, lines: isize, height: usize) {
        let Some((_, position)) = self.selected(traffic) else {
            return;
        };
        let to = position
            .saturating_add_signed(lines)
            .min(self.view.len() - 1);
        self.go(traffic, to, height);
    }

    fn go(&mut self, traffic: &Traffic, to: usize, height: usize) {
        let top = self.top(traffic, height);
        if to + 1 < self.view.len() {
            self.follow = false;
        }
        self.chosen = self.at(traffic, to).or(self.chosen);
        self.offset = to.saturating_sub(top).min(height.saturating_sub(1));
    }

    /// Selects the row drawn on this line of the list.
    pub fn click(&mut self, traffic: &Traffic, line: usize, height: usize) {
        let to = self.top(traffic, height) + line;
        if to < self.view.len() {
            self.go(traffic, to, height);
        }
    }

    /// Selects a row wherever it is; unfolds what hides it. `false` when a filter keeps it out.
    pub fn show(&mut self, traffic: &Traffic, row: RowId, height: usize) -> bool {
        self.follow = false;
        if self.view.position(traffic, row).is_none() {
            self.view.reveal(traffic, row);
        }
        self.chosen = Some(row);
        self.offset = height / 2;
        self.view.position(traffic, row).is_some()
    }

    /// Selects the next row that went wrong, or the one before, from the other end of the list when there is no more.
    /// What there is to say of it comes back.
    pub fn go_to_fault(
        &mut self,
        traffic: &Traffic,
        action: Action,
        height: usize,
    ) -> Option<&'static str> {
        let from = self.selected(traffic).map(|(row, _)| row);
        let find = |from| match action {
            Action::PreviousFault => self.view.previous_fault(traffic, from),
            _ => self.view.next_fault(traffic, from),
        };
        let (row, told) = match find(from) {
            Some(row) => (row, None),
            None => match find(None) {
                None => return Some("nothing in the list went wrong"),
                Some(row) if Some(row) == from => {
                    return Some("nothing else in the list went wrong");
                }
                Some(row) if action == Action::PreviousFault => (
                    row,
                    Some("past the first: this is the last that went wrong"),
                ),
                Some(row) => (
                    row,
                    Some("past the last: this is the first that went wrong"),
                ),
            },
        };
        let top = self.top(traffic, height);
        self.view.reveal(traffic, row);
        self.chosen = Some(row);
        let position = self.view.position(traffic, row)?;
        self.follow &= position + 1 == self.view.len();
        self.offset = match position.checked_sub(top) {
            Some(line) if line < height => line,
            _ => height / 2,
        };
        told
    }

    pub fn movement(&mut self, traffic: &Traffic, action: Action, height: usize) {
        let page = height.saturating_sub(1).max(1).cast_signed();
        match action {
            Action::Up => self.step(traffic, -1, height),
            Action::Down => self.step(traffic, 1, height),
            Action::PageUp => self.step(traffic, -page, height),
            Action::PageDown => self.step(traffic, page, height),
            Action::Top => self.step(traffic, isize::MIN, height),
            Action::Bottom => self.step(traffic, isize::MAX, height),
            Action::Left => self.fold(traffic, false, height),
            Action::Right => self.fold(traffic, true, height),
            _ => {}
        }
    }

    /// Unfolds the selected row, or goes on to what is nested under it; or folds it, or the row that it is nested under.
    /// The screen stays where it is as long as what is selected, and what was unfolded, is on it.
    fn fold(&mut self, traffic: &Traffic, open: bool, height: usize) {
        let Some((id, position)) = self.selected(traffic) else {
            return;
        };
        let Some(row) = traffic.row(id) else { return };
        let target = match row.parent {
            _ if row.children > 0 && (open || self.view.is_unfolded(id)) => id,
            Some(parent) if !open => parent,
            _ => return,
        };
        if open && self.view.is_unfolded(target) {
            let next = self.at(traffic, position + 1);
            let next = next.and_then(|next| traffic.row(next));
            if next.is_some_and(|next| next.parent == Some(id)) {
                self.go(traffic, position + 1, height);
            }
            return;
        }
        let (top, rows) = (self.top(traffic, height), self.view.len());
        if self.view.is_unfolded(target) != open {
            self.view.toggle(traffic, target);
        }
        self.chosen = Some(target);
        let Some(position) = self.view.position(traffic, target) else {
            return;
        };
        // What waits stands on below a row that was folded.
        self.follow &= position + 1 == self.view.len();
        let unfolded = self.view.len().saturating_sub(rows);
        let lowest = height.saturating_sub(1 + unfolded);
        self.offset = position.saturating_sub(top).min(lowest);
    }

    /// Follows the newest row or stays; a list that is held still goes on, since nothing is followed there.
    pub fn toggle_follow(&mut self, traffic: &Traffic) {
        self.follow = !self.follow || self.is_paused();
        if self.follow {
            self.paused_at = None;
            self.chosen = self
                .view
                .len()
                .checked_sub(1)
                .and_then(|last| self.at(traffic, last));
        }
    }

    /// Holds the list still, or lets it go on. What arrives meanwhile is read all the same.
    pub fn toggle_pause(&mut self, traffic: &Traffic) {
        self.paused_at = if self.is_paused() {
            None
        } else {
            Some(traffic.len())
        };
    }

    pub fn toggle_hidden(&mut self, traffic: &Traffic, action: Action) -> Hidden {
        let mut hidden = self.view.hidden();
        match action {
            Action::HideNotifications => hidden.notifications ^= true,
            Action::HideStderr => hidden.stderr ^= true,
            Action::HideGarbage => hidden.garbage ^= true,
            _ => {}
        }
        self.view.set_hidden(traffic, hidden);
        hidden
    }

    /// Takes the filter as it is typed now.
    pub fn apply_filter(&mut self, traffic: &Traffic) {
        let filter = Filter::parse(self.filter.text());
        self.view.set_filter(traffic, filter.clone());
        self.scan = Scan {
            generation: self.scan.generation + 1,
            filter,
            changes_seen: traffic.changes(),
            ..Scan::default()
        };
    }

    pub fn clear_filter(&mut self, traffic: &Traffic) {
        self.filter.clear();
        self.typing = false;
        self.apply_filter(traffic);
    }

    /// The answer to a scan.
    pub fn scanned(&mut self, traffic: &Traffic, generation: u64, matches: &[RowId]) {
        if generation == self.scan.generation {
            self.scan.busy = false;
            self.view.add_body_matches(traffic, matches);
        }
    }

    /// Takes in what the model learned; returns the next piece of the slower pass, if there is one to do.
    pub fn sync(&mut self, world: &World) -> Option<Effect> {
        if !self.is_paused() {
            self.view.refresh(&world.traffic);
        }
        let traffic = &world.traffic;
        if self.follow && !self.is_paused() {
            self.chosen = self
                .view
                .len()
                .checked_sub(1)
                .and_then(|last| self.at(traffic, last));
        } else if self.chosen.is_none() {
            self.chosen = self.at(traffic, 0);
        }
        self.scan.next(traffic)
    }
}

impl Scan {
    /// Notes what changed behind `next`.
    fn catch_up(&mut self, traffic: &Traffic) {
        match traffic.changed_since(self.changes_seen) {
            Some(changed) => self.again.extend(changed.filter(|row| *row < self.next)),
            None => self.next = 0,
        }
        self.changes_seen = traffic.changes();
    }

    fn next(&mut self, traffic: &Traffic) -> Option<Effect> {
        if !self.filter.finds_bodies() {
            return None;
        }
        self.catch_up(traffic);
        if self.busy {
            return None;
        }
        let mut rows = Vec::new();
        let mut bytes = 0;
        while bytes < SCAN_BYTES && rows.len() < SCAN_ROWS {
            let Some(id) = self.again.pop_first().or_else(|| {
                let next = self.next;
                self.next += u32::from(next < traffic.len());
                (next < traffic.len()).then_some(next)
            }) else {
                break;
            };
            if let Some(row) = traffic.row(id) {
                bytes += row.size;
                rows.push((id, traffic.bodies(&row)));
            }
        }
        if rows.is_empty() {
            return None;
        }
        self.busy = true;
        Some(Effect::Scan {
            generation: self.generation,
            filter: self.filter.clone(),
            rows,
        })
    }
}
