//! Draws a [`Diff`]: side by side where there is room, else one line below the other.

use super::standing_rule;
use crate::ui::diff::{Diff, Row};
use crate::ui::format;
use crate::ui::text::{clean, cut, fit, width};
use crate::ui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

/// From this width on, original and new stand side by side.
const BESIDE: u16 = 90;

/// The rows from `top` on, below a line that says how much differs.
pub fn render(diff: &Diff, top: usize, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let height = usize::from(area.height);
    let is_beside = fits_beside(diff, area.width);
    let mut lines = vec![heading(diff, is_beside, theme, area.width)];
    for row in diff.rows.iter().skip(top) {
        if lines.len() >= height {
            break;
        }
        match is_beside {
            true => lines.push(beside(row, theme, area.width)),
            false => below(row, theme, area.width, &mut lines),
        }
    }
    if is_beside && !diff.is_same() {
        let half = area.width / 2;
        standing_rule(
            theme,
            frame,
            Rect {
                x: area.x + half,
                y: area.y + 1,
                width: 1,
                height: area.height.saturating_sub(1),
            },
        );
    }
    for (line, y) in lines.into_iter().zip(area.top()..area.bottom()) {
        frame.render_widget(
            line,
            Rect {
                y,
                height: 1,
                ..area
            },
        );
    }
}

/// How much differs, and which is which.
fn heading(diff: &Diff, is_beside: bool, theme: Theme, width: u16) -> Line<'static> {
    if diff.is_same() {
        return Line::styled("  the answers are the same", theme.style(Role::Ok));
    }
    let lines = format::plural(diff.changes as u64, "line");
    let verb = if diff.changes == 1 {
        "differs"
    } else {
        "differ"
    };
    let dim = theme.style(Role::Dim);
    if !is_beside {
        return Line::styled(format!("  {lines} {verb}   - original   + this one"), dim);
    }
    let left = format!("- original   {lines} {verb}");
    let left = fit(&left, usize::from(width / 2));
    Line::styled(format!("{left}│ + this one"), dim)
}

/// Whether what differs can be seen with the two side by side: a difference that is cut off is none.
fn fits_beside(diff: &Diff, columns: u16) -> bool {
    let room = usize::from(columns / 2).saturating_sub(4);
    let fits = |text: &String| width(text) <= room;
    columns >= BESIDE
        && diff.rows.iter().all(|row| match row {
            Row::Same(_) => true,
            Row::Removed(text) | Row::Added(text) => fits(text),
            Row::Changed(old, new) => fits(old) && fits(new),
        })
}

fn beside(row: &Row, theme: Theme, width: u16) -> Line<'static> {
    let half = usize::from(width / 2);
    let rest = usize::from(width).saturating_sub(half + 2);
    let nothing = || vec![Span::raw(" ".repeat(half))];
    let (left, right) = match row {
        Row::Same(text) => (
            marked(' ', text, half, Role::Dim, theme),
            marked(' ', text, rest, Role::Dim, theme),
        ),
        Row::Removed(text) => (marked('-', text, half, Role::Error, theme), Vec::new()),
        Row::Added(text) => (nothing(), marked('+', text, rest, Role::Ok, theme)),
        Row::Changed(old, new) => {
            let common = Common::of(old, new);
            (
                changed('-', old, common, half, Role::Error, theme),
                changed('+', new, common, rest, Role::Ok, theme),
            )
        }
    };
    let between = Span::styled("│ ", theme.style(Role::Dim));
    Line::from_iter(left.into_iter().chain([between]).chain(right))
}

fn below(row: &Row, theme: Theme, width: u16, lines: &mut Vec<Line<'static>>) {
    let room = usize::from(width);
    match row {
        Row::Same(text) => lines.push(marked(' ', text, room, Role::Dim, theme).into()),
        Row::Removed(text) => lines.push(marked('-', text, room, Role::Error, theme).into()),
        Row::Added(text) => lines.push(marked('+', text, room, Role::Ok, theme).into()),
        Row::Changed(old, new) => {
            let common = Common::of(old, new);
            lines.push(changed('-', old, common, room, Role::Error, theme).into());
            lines.push(changed('+', new, common, room, Role::Ok, theme).into());
        }
    }
}

fn plain(role: Role, theme: Theme) -> Style {
    theme.style(role).remove_modifier(Modifier::BOLD)
}

/// Exactly `room` columns: the mark, and the text as far as it fits.
fn marked(mark: char, text: &str, room: usize, role: Role, theme: Theme) -> Vec<Span<'static>> {
    vec![Span::styled(
        fit(&format!("{mark} {text}"), room),
        plain(role, theme),
    )]
}

/// What two lines have in common, in bytes at their heads and tails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Common {
    head: usize,
    tail: usize,
}

impl Common {
    fn of(old: &str, new: &str) -> Self {
        let same = |(a, b): &(char, char)| a == b;
        let pairs = old.chars().zip(new.chars());
        let head: usize = pairs.take_while(same).map(|(c, _)| c.len_utf8()).sum();
        let pairs = old[head..].chars().rev().zip(new[head..].chars().rev());
        let tail = pairs.take_while(same).map(|(c, _)| c.len_utf8()).sum();
        Self { head, tail }
    }
}

/// Exactly `room` columns of a changed line: what is different is strong, and always among what is shown.
fn changed(
    mark: char,
    text: &str,
    common: Common,
    room: usize,
    role: Role,
    theme: Theme,
) -> Vec<Span<'static>> {
    let (head, rest) = text.split_at(common.head);
    let (middle, tail) = rest.split_at(rest.len() - common.tail);
    let middle = clean(middle);
    // The head gives way to the difference, down to a few columns before it.
    let least = room / 3;
    let spare = room
        .saturating_sub(2 + width(&middle))
        .max(least)
        .saturating_sub(4);
    let head = last_columns(&clean(head), spare);
    let used = 2 + width(&head);
    let middle = cut(&middle, room.saturating_sub(used)).into_owned();
    let tail = fit(tail, room.saturating_sub(used + width(&middle)));
    vec![
        Span::styled(format!("{mark} {head}"), plain(role, theme)),
        Span::styled(
            middle,
            plain(role, theme).add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        ),
        Span::styled(tail, plain(role, theme)),
    ]
}

/// The end of clean text, with `…` where something is left out: its indentation stays.
fn last_columns(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let indent = text.len() - text.trim_start_matches(' ').len();
    let indent = indent.min(columns / 2);
    let mut kept = columns.saturating_sub(indent + 1);
    let mut from = text.len();
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        let next = width(grapheme);
        if next > kept {
            break;
        }
        kept -= next;
        from = at;
    }
    format!("{}…{}", " ".repeat(indent), &text[from..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::json::Document;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(old: &str, new: &str, columns: u16) -> Vec<String> {
        let document = |text: &str| Document::new(text.as_bytes().to_vec());
        let diff = Diff::between(&document(old), &document(new));
        let mut terminal = Terminal::new(TestBackend::new(columns, 8)).unwrap();
        terminal
            .draw(|frame| render(&diff, 0, Theme::default(), frame, frame.area()))
            .unwrap();
        let buffer = terminal.backend().buffer().clone();
        let line = |y| {
            (0..columns)
                .map(|x| buffer[(x, y)].symbol())
                .collect::<String>()
        };
        (0..8).map(|y| line(y).trim_end().to_owned()).collect()
    }

    #[test]
    fn a_difference_at_the_end_of_a_long_line_is_shown() {
        let (old, new) = (
            format!("[\"{} is 5.\"]", "x".repeat(300)),
            format!("[\"{} is 7.\"]", "x".repeat(300)),
        );
        for columns in [30, 60, 120] {
            let text = drawn(&old, &new, columns).join("\n");
            assert!(
                text.contains(" is 5.\"") && text.contains(" is 7.\""),
                "{text}"
            );
        }
    }

    #[test]
    fn lines_that_fit_are_shown_whole() {
        let lines = drawn(r#"{"a":1,"b":[{"c":1}]}"#, r#"{"a":22,"b":[{"c":1}]}"#, 60);
        assert_eq!(lines[0], "  1 line differs   - original   + this one");
        assert_eq!(
            (lines[2].as_str(), lines[3].as_str()),
            ("-   \"a\": 1,", "+   \"a\": 22,")
        );
    }
}
