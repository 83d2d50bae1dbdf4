//! Draws the help overlay.

use super::{lines_below, put};
use crate::ui::app::help::{Help, Line};
use crate::ui::keymap;
use crate::ui::text::{cut, fit, width};
use crate::ui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

pub fn render(help: &Help, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let lines = help.lines();
    let columns = Help::columns(area.width);
    let height = usize::from(area.height).max(1);
    let width = area.width / u16::try_from(columns).unwrap_or(1);
    for (column, lines) in lines
        .get(help.top..)
        .unwrap_or_default()
        .chunks(height)
        .take(columns)
        .enumerate()
    {
        let x = area.x + width * u16::try_from(column).unwrap_or(0);
        for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
            put(
                frame,
                Rect {
                    x,
                    y,
                    width,
                    height: 1,
                },
                spans(line, width.into(), theme),
            );
        }
    }
    let below = lines.len().saturating_sub(help.top + height * columns);
    lines_below(theme, frame, area, below);
}

fn spans(line: &Line, columns: usize, theme: Theme) -> Vec<Span<'static>> {
    match line {
        Line::Title(context) => vec![Span::styled(
            format!("  {}", context.title()),
            theme.style(Role::Accent),
        )],
        Line::Key(binding) => explained(
            Span::styled(keymap::labels(binding), theme.style(Role::Strong)),
            binding.help,
            columns,
        ),
        Line::Words(words, find) => explained(Span::raw(*words), find, columns),
        Line::Blank => Vec::new(),
    }
}

/// What can be pressed or typed, and beside it what that does.
fn explained(what: Span<'static>, does: &'static str, columns: usize) -> Vec<Span<'static>> {
    // In few columns what a key does is worth more than that all begin below each other.
    let least = columns.saturating_sub(width(does) + 5);
    let wide = what.width();
    let keys = fit(&what.content, least.clamp(wide.min(19), 19));
    let room = columns.saturating_sub(width(&keys) + 5);
    vec![
        Span::raw("    "),
        Span::styled(keys, what.style),
        Span::raw(" "),
        Span::raw(cut(does, room)),
    ]
}
