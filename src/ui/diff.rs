//! Two answers, line by line: what a replay changed. Volatile values are shown like any other; only the id of the
//! message is left out, which is ours and new in every replay.
//!
//! Knows documents only, not where they come from.

use super::json::Document;
use similar::{Algorithm, DiffOp, TextDiff};

/// Past this many lines that differ, the two sides are shown one after the other instead of being matched.
const LINES: usize = 20_000;

/// A line of the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    Same(String),
    /// Only in the original.
    Removed(String),
    /// Only in the new one.
    Added(String),
    /// One line in both, with other content.
    Changed(String, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    pub rows: Vec<Row>,
    /// How many rows are not the same.
    pub changes: usize,
}

impl Diff {
    pub fn between(original: &Document, new: &Document) -> Self {
        let (original, new) = laid_out(original, new);
        let is_id = |line: &&str| line.starts_with("  \"id\":");
        let old: Vec<&str> = original.lines().filter(|line| !is_id(line)).collect();
        let new: Vec<&str> = new.lines().filter(|line| !is_id(line)).collect();
        let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let tail = old[head..]
            .iter()
            .rev()
            .zip(new[head..].iter().rev())
            .take_while(|(a, b)| a == b)
            .count();
        let mut rows: Vec<Row> = old[..head].iter().map(|line| same(line)).collect();
        compare(
            &old[head..old.len() - tail],
            &new[head..new.len() - tail],
            &mut rows,
        );
        rows.extend(old[old.len() - tail..].iter().map(|line| same(line)));
        let changes = rows
            .iter()
            .filter(|row| !matches!(row, Row::Same(_)))
            .count();
        Self { rows, changes }
    }

    pub fn is_same(&self) -> bool {
        self.changes == 0
    }

    /// The first row that is not the same, at or after `row`.
    pub fn next_change(&self, row: usize) -> Option<usize> {
        (row..self.rows.len()).find(|row| !matches!(self.rows[*row], Row::Same(_)))
    }

    /// The last row that is not the same, before `row`.
    pub fn previous_change(&self, row: usize) -> Option<usize> {
        (0..row.min(self.rows.len()))
            .rev()
            .find(|row| !matches!(self.rows[*row], Row::Same(_)))
    }
}

/// Both in one manner: what is short stands on one line only where that makes as many lines of the one as of the other.
/// The id has a line of its own in any case.
fn laid_out(original: &Document, new: &Document) -> (String, String) {
    let short = (original.pretty(), new.pretty());
    let lines = short.0.lines().count();
    match lines > 1 && lines == short.1.lines().count() {
        true => short,
        false => (original.one_value_a_line(), new.one_value_a_line()),
    }
}

fn same(line: &str) -> Row {
    Row::Same(line.to_owned())
}

fn compare(old: &[&str], new: &[&str], rows: &mut Vec<Row>) {
    if old.len() + new.len() > LINES {
        rows.extend(old.iter().map(|line| Row::Removed((*line).to_owned())));
        rows.extend(new.iter().map(|line| Row::Added((*line).to_owned())));
        return;
    }
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Patience)
        .diff_slices(old, new);
    for op in diff.ops() {
        match *op {
            DiffOp::Equal { old_index, len, .. } => {
                rows.extend(
                    old[old_index..old_index + len]
                        .iter()
                        .map(|line| same(line)),
                );
            }
            _ => {
                let (removed, added) = (&old[op.old_range()], &new[op.new_range()]);
                let both = removed.len().min(added.len());
                for (was, is) in removed.iter().zip(added) {
                    rows.push(Row::Changed((*was).to_owned(), (*is).to_owned()));
                }
                rows.extend(
                    removed[both..]
                        .iter()
                        .map(|line| Row::Removed((*line).to_owned())),
                );
                rows.extend(
                    added[both..]
                        .iter()
                        .map(|line| Row::Added((*line).to_owned())),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(old: &str, new: &str) -> Diff {
        let document = |text: &str| Document::new(text.as_bytes().to_vec());
        Diff::between(&document(old), &document(new))
    }

    #[test]
    fn only_what_differs_is_marked() {
        let diff = diff(
            r#"{"id":1,"result":{"content":[{"type":"text","text":"5"}],"isError":false}}"#,
            r#"{"id":"s-1","result":{"content":[{"type":"text","text":"5"}],"isError":false,"extra":[{}]}}"#,
        );
        let marks: Vec<&Row> = diff
            .rows
            .iter()
            .filter(|row| !matches!(row, Row::Same(_)))
            .collect();
        assert_eq!(diff.changes, marks.len());
        assert!(
            marks.contains(&&Row::Added(r"      {}".into())),
            "{marks:?}"
        );
        let first = diff.next_change(0).unwrap();
        assert!(first > 1, "not the id");
        assert_eq!(diff.previous_change(first), None);
    }

    #[test]
    fn the_same_documents_have_no_changes() {
        assert!(diff("[1, 2]", "[1,2]").is_same());
        assert!(!diff("[1,2]", "[2,1]").is_same());
    }

    #[test]
    fn both_sides_can_be_read_off_the_rows() {
        let (old, new) = ("a\nb\nc\nd\ne", "a\nx\nc\ne\nf\ng");
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for row in diff(old, new).rows {
            match row {
                Row::Same(line) => {
                    left.push(line.clone());
                    right.push(line);
                }
                Row::Removed(line) => left.push(line),
                Row::Added(line) => right.push(line),
                Row::Changed(was, is) => {
                    left.push(was);
                    right.push(is);
                }
            }
        }
        assert_eq!(
            (left.join("\n").as_str(), right.join("\n").as_str()),
            (old, new)
        );
    }

    #[test]
    fn documents_too_long_to_match_are_shown_one_after_the_other() {
        let lines = |from: usize| {
            (from..from + LINES)
                .map(|n| n.to_string())
                .collect::<Vec<_>>()
                .join("\n")
        };
        let diff = diff(&lines(0), &lines(7));
        assert_eq!(diff.changes, 2 * LINES);
    }

    #[test]
    fn one_text_that_differs_is_one_line_however_long_it_is() {
        let answer = |id: &str, text: &str| {
            let content = format!(r#"{{"type":"text","text":"{text}"}}"#);
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{content}]}}}}"#)
        };
        let long = "long ".repeat(100);
        let rows = diff(&answer("1", "short"), &answer("2", &long)).rows;
        let changes: Vec<_> = rows
            .iter()
            .filter(|row| !matches!(row, Row::Same(_)))
            .collect();
        assert!(matches!(changes[..], [Row::Changed(..)]), "{changes:?}");
    }

    #[test]
    fn an_answer_that_differs_in_its_id_only_is_the_same() {
        let same = |old: &str, new: &str| diff(old, new).is_same();
        let empty = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        assert!(same(empty, &empty.replace('1', "2")));
        let old = r#"{"jsonrpc":"2.0","id":1,"result":{"id":1,"text":"a"}}"#;
        assert!(same(old, &old.replacen(r#""id":1"#, r#""id":"x""#, 1)));
        assert!(!same(
            old,
            &old.replace(r#""id":1,"text"#, r#""id":2,"text"#)
        ));
    }
}
