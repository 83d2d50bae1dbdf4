//! Which rows are shown, in which order: filter, hidden kinds, nesting. Kept up to date as rows arrive and change.
//!
//! A row is a line of its own when it is kept and nothing that it is nested under is: so what the filter finds inside
//! a call that it does not find stays reachable. Under an unfolded line stands everything nested in it, found or not, save what is
//! hidden. Under a folded one only what still waits for its answer, and what that is nested under: somebody may have to
//! give it.

pub use super::filter::Filter;
use super::filter::Verdicts;
use super::lines::{Lines, RowSet};
use super::storage::{NONE, RowData};
use super::{RowId, RowKind, Traffic};
use std::collections::HashSet;

/// Kinds of rows that can be hidden with one key each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hidden {
    pub notifications: bool,
    pub stderr: bool,
    pub garbage: bool,
}

impl Hidden {
    fn hides(self, kind: RowKind) -> bool {
        match kind {
            RowKind::Notification => self.notifications,
            RowKind::Stderr => self.stderr,
            RowKind::Garbage => self.garbage,
            RowKind::Exchange | RowKind::Orphan | RowKind::Http | RowKind::Mark => false,
        }
    }
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
pub struct View {
    filter: Filter,
    verdicts: Verdicts,
    hidden: Hidden,
    /// Rows whose bodies match the filter.
    body_matches: HashSet<RowId>,
    /// Rows that pass the filter and are not hidden.
    kept: RowSet,
    lines: Lines,
    unfolded: HashSet<RowId>,
    rows_seen: u32,
    changes_seen: u64,
}

impl View {
    pub fn set_filter(&mut self, traffic: &Traffic, filter: Filter) {
        self.filter = filter;
        self.verdicts = Verdicts::default();
        self.body_matches.clear();
        self.rebuild(traffic);
    }
    pub fn filter(&self) -> &Filter {
        &self.filter
    }
    pub fn set_hidden(&mut self, traffic: &Traffic, hidden: Hidden) {
        self.hidden = hidden;
        self.rebuild(traffic);
    }
    pub fn hidden(&self) -> Hidden {
        self.hidden
    }
    /// Unfolds or folds the rows nested under `row`.
    pub fn toggle(&mut self, traffic: &Traffic, row: RowId) {
        if !self.unfolded.remove(&row) {
            self.unfolded.insert(row);
        }
        if let Some(line) = self.line_above(traffic, row) {
            self.lines
                .set_nested(line, self.nested_lines(traffic, line));
        }
    }
    pub fn is_unfolded(&self, row: RowId) -> bool {
        self.unfolded.contains(&row)
    }
    /// Takes in what was applied to the model since the last call.
    pub fn refresh(&mut self, traffic: &Traffic) {
        let behind = self.rows_seen <= traffic.len();
        let Some(changed) = traffic.changes.since(self.changes_seen).filter(|_| behind) else {
            return self.rebuild(traffic);
        };
        self.changes_seen = traffic.changes.total;
        let known = self.rows_seen;
        let changed: Vec<RowId> = changed.filter(|&row| row < known).collect();
        for &row in &changed {
            self.update(traffic, row);
        }
        let outdated: HashSet<RowId> = changed
            .iter()
            .filter_map(|&row| self.line_that_folds(traffic, row))
            .collect();
        for line in outdated {
            self.lines
                .set_nested(line, self.nested_lines(traffic, line));
        }
        self.take_new(traffic);
    }
    /// Marks rows as matching because their bodies match the filter (found by the slower pass).
    pub fn add_body_matches(&mut self, traffic: &Traffic, rows: &[RowId]) {
        self.body_matches.extend(rows);
        let known = self.rows_seen;
        for &row in rows.iter().filter(|&&row| row < known) {
            self.update(traffic, row);
        }
    }
    pub fn len(&self) -> usize {
        self.lines.len()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    pub fn window(&self, _traffic: &Traffic, top: usize, height: usize) -> Vec<Shown> {
        self.lines.window(top, height)
    }
    /// Where `row` is shown; `None` when it is filtered out, hidden or folded away.
    pub fn position(&self, traffic: &Traffic, row: RowId) -> Option<usize> {
        self.lines.position(row).or_else(|| {
            let line = self.line_above(traffic, row)?;
            self.lines.position_nested(line, row)
        })
    }

    /// Unfolds what hides `row`.
    pub fn reveal(&mut self, traffic: &Traffic, row: RowId) {
        if let Some(line) = self.line_above(traffic, row) {
            let above = ancestors(traffic, row).skip(1);
            self.unfolded
                .extend(above.take_while(|&above| above >= line));
            self.lines
                .set_nested(line, self.nested_lines(traffic, line));
        }
    }
    /// The next row after `row` that went wrong, or the first of all, in the order of the list, as if nothing in it
    /// were folded.
    pub fn next_fault(&self, traffic: &Traffic, row: Option<RowId>) -> Option<RowId> {
        let line = row.and_then(|row| self.line_above(traffic, row));
        let here = line.and_then(|line| {
            let after = self.family(traffic, line).skip_while(|&it| Some(it) != row);
            after.skip(1).find(|&row| went_wrong(traffic, row))
        });
        let below = line.map_or(0, |line| line + 1);
        here.or_else(|| {
            self.lines.rows_from(below).find_map(|line| {
                let mut family = self.family(traffic, line);
                family.find(|&row| went_wrong(traffic, row))
            })
        })
    }
    /// The last row before `row` that went wrong, or the last of all.
    pub fn previous_fault(&self, traffic: &Traffic, row: Option<RowId>) -> Option<RowId> {
        let line = row.and_then(|row| self.line_above(traffic, row));
        let here = line.and_then(|line| {
            let before = self.family(traffic, line).take_while(|&it| Some(it) != row);
            before.filter(|&row| went_wrong(traffic, row)).last()
        });
        here.or_else(|| {
            let mut above = self.lines.rows_before(line.unwrap_or(self.rows_seen));
            above.find_map(|line| {
                let family = self.family(traffic, line);
                family.filter(|&row| went_wrong(traffic, row)).last()
            })
        })
    }

    /// `line` and what would stand under it if all of it were unfolded.
    fn family(&self, traffic: &Traffic, line: RowId) -> impl Iterator<Item = RowId> {
        let wanted = |row, data: &RowData| row < self.rows_seen && !self.hidden.hides(data.kind);
        traffic.store.family(line, wanted)
    }

    fn rebuild(&mut self, traffic: &Traffic) {
        self.kept.clear();
        self.lines.clear();
        self.rows_seen = 0;
        self.changes_seen = traffic.changes.total;
        self.take_new(traffic);
    }

    fn take_new(&mut self, traffic: &Traffic) {
        let mut outdated = HashSet::new();
        for (row, data) in (self.rows_seen..).zip(traffic.store.rows_from(self.rows_seen)) {
            let keeps = self.keeps(traffic, row, data);
            self.kept.set(row, keeps);
            if data.parent == NONE {
                self.set_line(traffic, row, keeps);
                continue;
            }
            match self.line_above(traffic, data.parent) {
                // The youngest child of a line comes last under it; deeper ones come in between.
                Some(line) if line == data.parent && !outdated.contains(&line) => {
                    if self.shows_nested(traffic, line, row, data) {
                        self.lines.push_nested(line, Shown { row, depth: 1 });
                    }
                }
                Some(line) => {
                    outdated.insert(line);
                }
                None => self.set_line(traffic, row, keeps),
            }
        }
        self.rows_seen = traffic.len();
        for line in outdated {
            self.lines
                .set_nested(line, self.nested_lines(traffic, line));
        }
    }

    /// Looks at a known row again.
    fn update(&mut self, traffic: &Traffic, row: RowId) {
        let Some(data) = traffic.store.row(row) else {
            return;
        };
        let keeps = self.keeps(traffic, row, data);
        if !self.kept.set(row, keeps) {
            return;
        }
        // What is nested under it may become lines of their own, or stop to be.
        let mut family = vec![row];
        while let Some(member) = family.pop() {
            let above = traffic.store.row(member).map_or(NONE, |data| data.parent);
            let line = self.kept.contains(member) && self.line_above(traffic, above).is_none();
            self.set_line(traffic, member, line);
            family.extend(
                traffic
                    .children(member)
                    .filter(|&child| child < self.rows_seen),
            );
        }
    }

    /// The line under which a changed row may have to be shown now, or no longer.
    fn line_that_folds(&self, traffic: &Traffic, row: RowId) -> Option<RowId> {
        let parent = traffic.store.row(row)?.parent;
        let line = self.line_above(traffic, parent)?;
        let folded = ancestors(traffic, parent)
            .take_while(|&row| row >= line)
            .any(|row| !self.unfolded.contains(&row));
        let outdated = self.lines.has_nested(line, row) != traffic.store.waits(row);
        (folded && outdated).then_some(line)
    }

    /// Whether `row`, which is nested under `parent`, is shown there.
    fn shows_nested(&self, traffic: &Traffic, parent: RowId, row: RowId, data: &RowData) -> bool {
        (self.unfolded.contains(&parent) || traffic.store.waits(row))
            && !self.hidden.hides(data.kind)
    }

    fn keeps(&mut self, traffic: &Traffic, row: RowId, data: &RowData) -> bool {
        if self.hidden.hides(data.kind) {
            return false;
        }
        self.filter
            .keeps_row(&traffic.store, data, &mut self.verdicts)
            || self.body_matches.contains(&row)
                && !self
                    .filter
                    .excludes(&traffic.store, data, &mut self.verdicts)
    }

    /// The line that `row` is or that it stands under: its farthest ancestor that is kept.
    fn line_above(&self, traffic: &Traffic, row: RowId) -> Option<RowId> {
        ancestors(traffic, row)
            .filter(|&row| self.kept.contains(row))
            .last()
    }

    fn set_line(&mut self, traffic: &Traffic, row: RowId, line: bool) {
        self.lines.set(row, line);
        if line {
            self.lines.set_nested(row, self.nested_lines(traffic, row));
        }
    }

    /// Everything nested under `line`, as far as it is unfolded, each parent before its children.
    fn nested_lines(&self, traffic: &Traffic, line: RowId) -> Vec<Shown> {
        let mut shown = Vec::new();
        let mut pending: Vec<Shown> = Vec::new();
        let unfold = |row: RowId, depth: u8, pending: &mut Vec<Shown>| {
            if !self.unfolded.contains(&row) && traffic.store.waiting_under(row) == 0 {
                return;
            }
            let start = pending.len();
            let children = traffic
                .children(row)
                .take_while(|&child| child < self.rows_seen)
                .filter(|&child| {
                    let data = traffic.store.row(child);
                    data.is_some_and(|data| self.shows_nested(traffic, row, child, data))
                });
            pending.extend(children.map(|row| Shown {
                row,
                depth: depth.saturating_add(1),
            }));
            pending[start..].reverse();
        };
        unfold(line, 0, &mut pending);
        while let Some(next) = pending.pop() {
            shown.push(next);
            unfold(next.row, next.depth, &mut pending);
        }
        shown
    }
}

fn went_wrong(traffic: &Traffic, row: RowId) -> bool {
    let data = traffic.store.row(row);
    data.is_some_and(|data| traffic.went_wrong(data))
}

/// `row`, and what it is nested under.
fn ancestors(traffic: &Traffic, row: RowId) -> impl Iterator<Item = RowId> {
    let parent = |&row: &RowId| traffic.store.row(row).map(|data| data.parent);
    std::iter::successors(Some(row), parent).take_while(|&row| row != NONE)
}
