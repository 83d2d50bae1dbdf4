//! Positions of a list whose lines are some of the rows, each with any number of nested lines after it.
//!
//! One bit a row and one sum for each 4096 rows: adding or removing a line anywhere costs next to nothing, and a
//! position is found by a few hundred additions at a million rows.

use super::RowId;
use super::view::Shown;
use std::collections::BTreeMap;

/// A set of rows.
#[derive(Debug, Default, Clone)]
pub struct RowSet {
    words: Vec<u64>,
}

const WORD: u32 = u64::BITS;

impl RowSet {
    pub fn contains(&self, row: RowId) -> bool {
        self.words
            .get((row / WORD) as usize)
            .is_some_and(|word| word >> (row % WORD) & 1 == 1)
    }
    /// Whether the set changed.
    pub fn set(&mut self, row: RowId, member: bool) -> bool {
        let index = (row / WORD) as usize;
        if index >= self.words.len() {
            if !member {
                return false;
            }
            self.words.resize(index + 1, 0);
        }
        let bit = 1 << (row % WORD);
        let changed = (self.words[index] & bit != 0) != member;
        self.words[index] ^= if changed { bit } else { 0 };
        changed
    }
    pub fn clear(&mut self) {
        self.words.clear();
    }
    /// The members before `end`, descending.
    fn iter_before(&self, end: RowId) -> impl Iterator<Item = RowId> {
        let words = self.words.len().min((end / WORD) as usize + 1);
        (0..words as u32).rev().flat_map(move |index| {
            let word = self.words[index as usize];
            let kept = if index == end / WORD {
                word & !(u64::MAX << (end % WORD))
            } else {
                word
            };
            let highest = |word: u64| WORD - 1 - word.leading_zeros();
            let rest =
                move |&word: &u64| Some(word & !(1 << highest(word))).filter(|&word| word != 0);
            std::iter::successors(Some(kept).filter(|&word| word != 0), rest)
                .map(move |word| index * WORD + highest(word))
        })
    }
    /// The members from `first` on, ascending.
    fn iter_from(&self, first: RowId) -> impl Iterator<Item = RowId> {
        let start = first / WORD;
        self.words
            .iter()
            .enumerate()
            .skip(start as usize)
            .flat_map(move |(index, &word)| {
                let kept = if index as u32 == start {
                    word & (u64::MAX << (first % WORD))
                } else {
                    word
                };
                let rest =
                    |&word: &u64| Some(word & word.wrapping_sub(1)).filter(|&word| word != 0);
                std::iter::successors(Some(kept).filter(|&word| word != 0), rest)
                    .map(move |word| index as u32 * WORD + word.trailing_zeros())
            })
    }
}

/// Rows that one sum stands for.
const GROUP: u32 = 4096;

/// The lines of a list.
#[derive(Debug, Default)]
pub struct Lines {
    rows: RowSet,
    /// Lines of each group of rows, nested ones included.
    sums: Vec<u32>,
    /// The nested lines after a row that is a line.
    nested: BTreeMap<RowId, Vec<Shown>>,
    total: usize,
}

impl Lines {
    pub fn len(&self) -> usize {
        self.total
    }
    pub fn clear(&mut self) {
        *self = Self::default();
    }
    pub fn contains(&self, row: RowId) -> bool {
        self.rows.contains(row)
    }
    /// The rows that are lines, from `first` on.
    pub fn rows_from(&self, first: RowId) -> impl Iterator<Item = RowId> {
        self.rows.iter_from(first)
    }
    /// The rows that are lines and stand before `end`, the last of them first.
    pub fn rows_before(&self, end: RowId) -> impl Iterator<Item = RowId> {
        self.rows.iter_before(end)
    }
    /// Makes `row` a line, or not; one that stops being a line loses its nested ones.
    pub fn set(&mut self, row: RowId, line: bool) {
        if !line {
            self.set_nested(row, Vec::new());
        }
        if self.rows.set(row, line) {
            self.count(row, if line { 1 } else { -1 });
        }
    }
    /// Replaces the lines nested after `row`, which is a line.
    pub fn set_nested(&mut self, row: RowId, nested: Vec<Shown>) {
        let new = nested.len();
        let old = if new == 0 {
            self.nested.remove(&row)
        } else {
            self.nested.insert(row, nested)
        };
        self.count(row, new as i64 - old.map_or(0, |old| old.len()) as i64);
    }
    /// Whether `nested` is among the lines after `row`.
    pub fn has_nested(&self, row: RowId, nested: RowId) -> bool {
        self.index_of_nested(row, nested).is_some()
    }
    /// Adds one line after those nested after `row`, which is a line.
    pub fn push_nested(&mut self, row: RowId, shown: Shown) {
        self.nested.entry(row).or_default().push(shown);
        self.count(row, 1);
    }
    fn count(&mut self, row: RowId, change: i64) {
        let group = (row / GROUP) as usize;
        if change != 0 && group >= self.sums.len() {
            self.sums.resize(group + 1, 0);
        }
        if let Some(sum) = self.sums.get_mut(group) {
            *sum = (i64::from(*sum) + change) as u32;
            self.total = (self.total as i64 + change) as usize;
        }
    }

    /// The lines of the rows in `rows`, which lie in one group.
    fn lines_in(&self, rows: std::ops::Range<RowId>) -> usize {
        let own = self
            .rows
            .iter_from(rows.start)
            .take_while(|&row| row < rows.end)
            .count();
        own + self
            .nested
            .range(rows)
            .map(|(_, nested)| nested.len())
            .sum::<usize>()
    }
    fn lines_before_group(&self, group: usize) -> usize {
        self.sums.iter().take(group).map(|&sum| sum as usize).sum()
    }
    /// The position of the line of `row`.
    pub fn position(&self, row: RowId) -> Option<usize> {
        let group = row / GROUP;
        self.contains(row)
            .then(|| self.lines_before_group(group as usize) + self.lines_in(group * GROUP..row))
    }
    /// The position of `nested`, one of the lines after `row`.
    pub fn position_nested(&self, row: RowId, nested: RowId) -> Option<usize> {
        Some(self.position(row)? + 1 + self.index_of_nested(row, nested)?)
    }
    fn index_of_nested(&self, row: RowId, nested: RowId) -> Option<usize> {
        let lines = self.nested.get(&row)?;
        // They ascend, but for those that are nested deeper. There may be a million.
        let found = lines.binary_search_by_key(&nested, |shown| shown.row).ok();
        found.or_else(|| lines.iter().position(|shown| shown.row == nested))
    }
    /// The `height` lines from position `top` on.
    pub fn window(&self, top: usize, height: usize) -> Vec<Shown> {
        let mut skip = top;
        let mut group = 0;
        while let Some(&sum) = self.sums.get(group)
            && skip >= sum as usize
        {
            skip -= sum as usize;
            group += 1;
        }
        let mut shown = Vec::with_capacity(height.min(self.total.saturating_sub(top)));
        for row in self.rows.iter_from(group as u32 * GROUP) {
            if shown.len() >= height {
                break;
            }
            let nested = self.nested.get(&row).map_or(&[][..], Vec::as_slice);
            if skip > nested.len() {
                skip -= nested.len() + 1;
                continue;
            }
            if skip == 0 {
                shown.push(Shown { row, depth: 0 });
            }
            let room = height - shown.len();
            shown.extend(nested.iter().skip(skip.saturating_sub(1)).take(room));
            skip = 0;
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flat(lines: &Lines) -> Vec<Shown> {
        let nested = |row| lines.nested.get(&row).into_iter().flatten().copied();
        lines
            .rows
            .iter_from(0)
            .flat_map(|row| [Shown { row, depth: 0 }].into_iter().chain(nested(row)))
            .collect()
    }

    proptest! {
        #[test]
        fn positions_and_windows_agree_with_the_whole_list(
            steps in prop::collection::vec((0u32..20_000, 0usize..4), 0..200), top in 0usize..150, height in 0usize..40,
            split in 0u32..20_100
        ) {
            let mut lines = Lines::default();
            for (row, what) in steps {
                match what {
                    0 => lines.set(row, false),
                    1 => lines.set(row, true),
                    _ => {
                        lines.set(row, true);
                        let nested = (0..what as u32 * 3).map(|n| Shown { row: 100_000 + row + n, depth: 1 });
                        lines.set_nested(row, nested.collect());
                        lines.push_nested(row, Shown { row: 1_000_000 + row, depth: 1 });
                    }
                }
            }
            let all = flat(&lines);
            let (before, from): (Vec<RowId>, Vec<RowId>) = lines.rows_from(0).partition(|&row| row < split);
            prop_assert_eq!(lines.rows_from(split).collect::<Vec<_>>(), from);
            prop_assert_eq!(lines.rows_before(split).collect::<Vec<_>>(), before.into_iter().rev().collect::<Vec<_>>());
            prop_assert_eq!(lines.len(), all.len());
            let expected: Vec<Shown> = all.iter().copied().skip(top).take(height).collect();
            prop_assert_eq!(lines.window(top, height), expected);
            for (position, shown) in all.iter().enumerate().filter(|(_, shown)| shown.depth == 0) {
                prop_assert_eq!(lines.position(shown.row), Some(position));
            }
            for (row, nested) in &lines.nested {
                let position = lines.position(*row).unwrap() + nested.len();
                prop_assert_eq!(lines.position_nested(*row, nested[nested.len() - 1].row), Some(position));
            }
        }
    }
}
