//! How wide the columns of the traffic list are, and how a message shares its column between what it is and what a
//! person would say of it. Knows nothing of colours.

use crate::ui::text::{cut, cut_middle, cut_start, fit, width};
use crate::wire;
use std::borrow::Cow;

/// Columns of a method that stands in a column of its own.
const METHOD: usize = 10;

/// Columns of an id that is a number.
const SHORT_ID: usize = 5;

/// A message in fewer columns has nothing to spare.
const LEAST_MESSAGE: usize = 30;

/// Columns of a name that nothing is kept from.
const NAME: usize = 12;

/// In fewer columns a beginning says more of a name than both its ends.
const BOTH_ENDS: usize = 10;

/// Columns, in characters. Those without a width are not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Columns {
    pub time: usize,
    /// Who, and in which session; below `LEAST_FROM` columns an arrow, and the number where it has room.
    pub from: usize,
    pub id: usize,
    pub kind: usize,
    pub message: usize,
    /// The part of the message that method and name have to themselves; 0 lets everything flow.
    pub label: usize,
    pub status: usize,
    pub took: usize,
    pub size: usize,
    pub gap: usize,
}

impl Columns {
    /// The same for what nobody answers: its words have the room of what tells of an answer.
    pub fn unanswered(&self) -> Self {
        let took = if self.took > 0 {
            self.gap + self.took
        } else {
            0
        };
        Self {
            message: self.message + self.gap + self.status + took,
            status: 0,
            took: 0,
            ..*self
        }
    }

    /// What fits: columns go from the right, the message keeps the rest. Long ids get more where there is more.
    pub fn of(columns: usize, longest_id: usize) -> Self {
        let most = match columns {
            140.. => 20,
            120.. => 12,
            106.. => 8,
            _ => SHORT_ID,
        };
        let all = Self {
            time: 12,
            from: 10,
            id: longest_id.clamp(SHORT_ID, most),
            kind: 4,
            status: 10,
            took: 8,
            size: 5,
            gap: 1,
            ..Self::default()
        };
        let mut fit = match columns {
            140.. => Self { gap: 2, ..all },
            100.. => all,
            92.. => Self { from: 1, ..all },
            66.. => Self {
                from: 1,
                id: 0,
                kind: 0,
                size: if columns >= 84 { 5 } else { 0 },
                ..all
            },
            52.. => Self {
                time: 8,
                from: 1,
                status: 10,
                gap: 1,
                ..Self::default()
            },
            _ => Self {
                time: 8,
                from: 1,
                status: 6,
                gap: 1,
                ..Self::default()
            },
        };
        let fixed = [
            fit.time, fit.from, fit.id, fit.kind, fit.status, fit.took, fit.size,
        ];
        let used: usize = fixed
            .iter()
            .filter(|width| **width > 0)
            .map(|width| width + fit.gap)
            .sum();
        fit.message = columns.saturating_sub(used + 3);
        if fit.message >= 48 {
            fit.label = (fit.message / 2).clamp(26, 46);
        }
        fit
    }

    /// The same with room for the number of a session beside the arrow, where there is only that.
    pub fn with_session(self, digits: usize) -> Self {
        let room = 1 + digits.clamp(1, 4);
        if self.from != 1 || self.message < LEAST_MESSAGE + room {
            return self;
        }
        Self {
            from: 1 + room,
            message: self.message - room,
            ..self
        }
    }

    pub fn gap_in_message(&self) -> usize {
        if self.label > 0 { 2 } else { 1 }
    }

    /// What of `room` is left for words beside a method, a name and marks; at least a third.
    pub fn left_of(&self, room: usize, method: &str, name: &str, marked: usize) -> usize {
        let gap = self.gap_in_message();
        let named = if name.is_empty() {
            0
        } else {
            width(name) + gap
        };
        let label = width(method).max(if named > 0 && gap > 1 { METHOD } else { 0 }) + named + gap;
        let most = room.saturating_sub(label).max(room / 3);
        most.saturating_sub(marked)
    }

    /// Method and name as they are written, the name with its gap in front, and how far in begins what is said of them,
    /// which wants `said` columns. `room` is what is left of the message. In wide lists what is said begins in a column
    /// of its own, and leaves it where it would be cut.
    pub fn share(
        &self,
        room: usize,
        method: &str,
        name: &str,
        said: usize,
    ) -> (String, String, usize) {
        let gap = self.gap_in_message();
        let aligned = self.label.saturating_sub(self.message - room);
        // Where both are long, a third is kept for what is said.
        let kept = if said == 0 {
            0
        } else {
            (said + gap).min(room / 3)
        };
        // In few columns the name comes first: what was called is worth more than with what.
        let label = width(method) + gap + width(name).min(NAME) + gap;
        let kept = match name.is_empty() {
            true => kept,
            false => kept.min(room.saturating_sub(label)),
        };
        let most = room - kept;
        let method = if aligned > 0 && !name.is_empty() {
            fit(method, METHOD.max(width(method)).min(most))
        } else {
            cut(method, most).into_owned()
        };
        let mut used = width(&method);
        let mut named = String::new();
        if !name.is_empty() && used + 4 < most {
            let name = cut_name(name, most - used - gap);
            named = format!("{:gap$}{name}", "");
            used += width(&named);
        }
        // Either in its column or right after the name: anything between would look like a mistake. What is said
        // of a name stays in its column where it would be cut in either place.
        let stays = aligned + said <= room || !name.is_empty() && used + gap + said > room;
        let start = if stays { aligned } else { 0 };
        (method, named, start.max(used + gap).min(room))
    }
}

/// An id as it is told from others: without the quotes of a text, where it would be no other JSON value without them, and
/// by its end where it is too long, since that is where one counts.
pub fn cut_id(id: &str, columns: usize) -> Cow<'_, str> {
    let bare = id.strip_prefix('"').and_then(|id| id.strip_suffix('"'));
    let bare = bare.filter(|bare| !wire::is_json(bare.as_bytes()) && !bare.contains('\\'));
    cut_start(bare.unwrap_or(id), columns)
}

/// The end of a URI tells it from others; of any other name it may be the beginning or the end.
pub fn cut_name(name: &str, columns: usize) -> Cow<'_, str> {
    match columns {
        _ if name.contains("://") => cut_start(name, columns),
        BOTH_ENDS.. => cut_middle(name, columns),
        _ => cut(name, columns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_keeps_its_end_and_another_name_both_ends() {
        assert_eq!(cut_name("file:///folder/end.txt", 9), "…/end.txt");
        assert_eq!(cut_name("file:///höhe/end.txt", 9), "…/end.txt");
        assert_eq!(cut_name("workflow_customer_delete", 11), "workf…elete");
        assert_eq!(cut_name("workflow_customer_delete", 9), "workflow…");
        let hostile = cut_name("file:///folder/\x1b[2J\x07end.txt", 12);
        assert!(!hostile.contains(char::is_control), "{hostile:?}");
    }

    #[test]
    fn ids_are_told_from_each_other_by_what_is_left_of_them() {
        assert_eq!(cut_id("42", 5), "42");
        assert_eq!(cut_id(r#""request-42""#, 5), "…t-42");
        assert_eq!(cut_id(r#""request-42""#, 10), "request-42");
        // A number is another id than the text of its digits.
        assert_eq!(cut_id(r#""42""#, 5), r#""42""#);
        assert_eq!(cut_id(r#""null""#, 9), r#""null""#);
        assert_eq!(cut_id(r#""a\"b""#, 9), r#""a\"b""#);
        assert_eq!(cut_id("", 5), "");
    }

    #[test]
    fn an_id_gets_the_columns_that_it_needs_where_there_are_many() {
        assert_eq!(Columns::of(120, 2).id, Columns::of(120, 0).id);
        assert_eq!(Columns::of(120, 10).id, 10);
        assert_eq!(Columns::of(100, 10).id, 5);
        assert_eq!(Columns::of(300, 1000).id, 20);
    }

    #[test]
    fn columns_never_exceed_the_width_and_leave_room_for_the_message() {
        let ids = [0, 10, 1000];
        for (width, id) in (40..300).flat_map(|width| ids.map(|id| (width, id))) {
            let columns = Columns::of(width, id);
            let all = [
                columns.time,
                columns.from,
                columns.id,
                columns.kind,
                columns.message,
                columns.status,
                columns.took,
                columns.size,
            ];
            let used: usize = all
                .iter()
                .filter(|width| **width > 0)
                .map(|width| width + columns.gap)
                .sum();
            assert!(used <= width + columns.gap, "{width}: {columns:?}");
            assert!(columns.message >= 18, "{width}: {columns:?}");
        }
    }

    #[test]
    fn all_columns_are_there_where_the_list_has_a_hundred_characters() {
        for width in 100..300 {
            let columns = Columns::of(width, 0);
            for column in [columns.from, columns.id, columns.kind, columns.size] {
                assert!(column > 1, "{width}: {columns:?}");
            }
        }
    }

    fn written(columns: &Columns, method: &str, name: &str, said: &str) -> String {
        let (method, name, start) = columns.share(columns.message, method, name, width(said));
        let label = format!("{method}{name}");
        format!("{label:start$}{}", cut(said, columns.message - start))
    }

    #[test]
    fn nothing_is_cut_while_there_is_room_for_it() {
        let columns = Columns::of(120, 0);
        let words = [
            ("tools/call", "echo", r#"message="Good morning! ☀""#),
            ("initialize", "", "demo-client 0.1.0 → harbour 0.1.0"),
            ("resources/read", "harbour://guide", "# Harbour office"),
            ("session opened", "", "client stdio, process 21721"),
        ];
        for (method, name, said) in words {
            let line = written(&columns, method, name, said);
            assert!(
                !line.contains('…') && width(&line) <= columns.message,
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_said_stands_in_a_column_while_it_fits() {
        let columns = Columns::of(120, 0);
        let at = |said| written(&columns, "tools/call", "echo", said).find(said);
        assert_eq!(at("a=2 b=3"), at("no arguments"));
        assert_eq!(at("a=2"), Some(columns.label));
    }

    #[test]
    fn what_is_said_of_a_name_stays_in_its_column_where_it_is_cut_in_any_case() {
        let columns = Columns::of(120, 0);
        let long = "count 1 at 179 and much more than there is any room for";
        let at = |name| written(&columns, "tools/call", name, long).find("count");
        assert_eq!(at("sleep"), at("a-longer-name"));
    }

    #[test]
    fn a_name_is_seen_in_the_narrowest_list() {
        for width in 40..80 {
            let columns = Columns::of(width, 0);
            let line = written(
                &columns,
                "tools/call",
                "get-sum",
                "a=2 b=3 and more of them",
            );
            assert!(line.contains("get-sum"), "{width}: {line}");
        }
    }

    #[test]
    fn where_both_are_long_a_third_is_kept_for_what_is_said() {
        let long = "word ".repeat(40);
        for width in [80, 100, 120, 200] {
            let columns = Columns::of(width, 0);
            let name = format!("file:///{}end.txt", "folder/".repeat(20));
            let line = written(&columns, "resources/read", &name, &long);
            assert!(line.contains("end.txt"), "{line}");
            assert_eq!(super::width(&line), columns.message, "{line}");
        }
    }
}
