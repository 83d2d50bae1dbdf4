//! Draws a [`Diff`]: side by side where there is room, else one line below the other.

use super::standing_rule;
use crate::ui::diff::{Diff, Row};
use crate::ui::format;
use crate::ui::text::{cut, fit, width};
use crate::ui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

/// From this width on, original and new stand side by side.
const BESIDE: u16 = 90;

/// The rows from `top` on, below a line that says how much differs.
pub fn render(diff: &Diff, top: usize, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let summary = match diff.changes {
        0 => ("the answers are the same".to_owned(), Role::Ok),
        changes => {
            let lines = format::plural(changes as u64, "line");
            (
                format!("{lines} differ   - original   + this one"),
                Role::Dim,
            )
        }
    };
    let mut lines = vec![Line::styled(
        format!("  {}", summary.0),
        theme.style(summary.1),
    )];
    let height = usize::from(area.height);
    let is_beside = fits_beside(diff, area.width);
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

fn beside(row: &Row, theme: Theme, columns: u16) -> Line<'static> {
    let half = usize::from(columns / 2);
    let rest = usize::from(columns).saturating_sub(half + 2);
    let (left, right) = match row {
        Row::Same(text) => (marked(' ', text, half), marked(' ', text, rest)),
        Row::Removed(text) => (marked('-', text, half), String::new()),
        Row::Added(text) => (" ".repeat(half), marked('+', text, rest)),
        Row::Changed(old, new) => (marked('-', old, half), marked('+', new, rest)),
    };
    let (old, new) = match row {
        Row::Same(_) => (Role::Dim, Role::Dim),
        _ => (Role::Error, Role::Ok),
    };
    Line::from(vec![
        Span::styled(left, theme.style(old).remove_modifier(Modifier::BOLD)),
        Span::styled("│ ", theme.style(Role::Dim)),
        Span::styled(right, theme.style(new)),
    ])
}

fn below(row: &Row, theme: Theme, width: u16, lines: &mut Vec<Line<'static>>) {
    let room = usize::from(width);
    let mut push = |mark, text: &str, role| {
        let style = theme.style(role).remove_modifier(Modifier::BOLD);
        lines.push(Line::styled(marked(mark, text, room), style));
    };
    match row {
        Row::Same(text) => push(' ', text, Role::Dim),
        Row::Removed(text) => push('-', text, Role::Error),
        Row::Added(text) => push('+', text, Role::Ok),
        Row::Changed(old, new) => {
            push('-', old, Role::Error);
            push('+', new, Role::Ok);
        }
    }
}

fn marked(mark: char, text: &str, room: usize) -> String {
    fit(
        &format!("{mark} {}", cut(text, room.saturating_sub(2))),
        room,
    )
}
