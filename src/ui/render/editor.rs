//! Draws an [`Editor`]: JSON colours, marks at lines with something wrong, the cursor. Drawn by hand, and not by the
//! text area itself, because what is edited may come from the wire.

use crate::ui::app::editor::{Editor, GUTTER};
use crate::ui::json::Ink;
use crate::ui::text::{clean, width};
use crate::ui::theme::{Role, Theme};
use crate::wire::token::{TokenKind, tokens};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns kept to the right of the cursor.
const AHEAD: usize = 4;

/// `wrong` says which lines are marked; the cursor is shown when the editor has the keys.
pub fn render(
    editor: &Editor,
    focused: bool,
    wrong: &dyn Fn(usize) -> bool,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let room = usize::from(area.width.saturating_sub(GUTTER)).max(1);
    let (row, column) = editor.cursor();
    let before: String = editor
        .lines()
        .get(row)
        .into_iter()
        .flat_map(|line| line.chars().take(column))
        .collect();
    let cursor = width(&clean(&before));
    let left = (cursor + AHEAD).saturating_sub(room);
    let lines = editor.lines().iter().enumerate().skip(editor.top());
    for ((index, text), y) in lines.zip(area.top()..area.bottom()) {
        let mark = match wrong(index) {
            true => Span::styled("✗ ", theme.style(Role::Error)),
            false => Span::raw("  "),
        };
        // Other lines stay where they are while one line is longer than the screen.
        let left = if index == row { left } else { 0 };
        let mut spans = vec![mark];
        spans.extend(clipped(text, left, room, theme));
        let selected = selection(editor, index, text);
        let place = Rect {
            y,
            height: 1,
            ..area
        };
        frame.render_widget(Line::from(spans), place);
        if let Some((from, to)) = selected {
            let from = from.saturating_sub(left).min(room);
            let to = to.saturating_sub(left).min(room);
            let marked = Rect {
                x: area.x + GUTTER + u16::try_from(from).unwrap_or(0),
                width: u16::try_from(to - from.min(to)).unwrap_or(0),
                ..place
            };
            frame
                .buffer_mut()
                .set_style(marked, theme.style(Role::Selected));
        }
        if focused && index == row {
            let x = area.x + GUTTER + u16::try_from(cursor - left).unwrap_or(0);
            if x < area.right() {
                let style = Style::new().add_modifier(Modifier::REVERSED);
                frame.buffer_mut().set_style(
                    Rect {
                        x,
                        y,
                        width: 1,
                        height: 1,
                    },
                    style,
                );
                frame.set_cursor_position(Position { x, y });
            }
        }
    }
}

/// The columns of a line that are selected.
fn selection(editor: &Editor, index: usize, text: &str) -> Option<(usize, usize)> {
    let (from, to) = editor.selection()?;
    if !(from.0..=to.0).contains(&index) {
        return None;
    }
    let columns = |chars: usize| width(&clean(&text.chars().take(chars).collect::<String>()));
    let start = if index == from.0 { columns(from.1) } else { 0 };
    let end = if index == to.0 {
        columns(to.1)
    } else {
        columns(usize::MAX) + 1
    };
    Some((start, end))
}

/// The coloured columns of a line from `left` on.
fn clipped(text: &str, left: usize, room: usize, theme: Theme) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    let mut column = 0;
    for token in tokens(text) {
        let ink = match token.kind {
            TokenKind::Key => Ink::Key,
            TokenKind::String => Ink::String,
            TokenKind::Number => Ink::Number,
            TokenKind::Literal => Ink::Literal,
            TokenKind::Punctuation | TokenKind::Space | TokenKind::Garbage => Ink::Plain,
        };
        let mut run = String::new();
        for grapheme in clean(&text[token.range]).graphemes(true) {
            let next = UnicodeWidthStr::width(grapheme);
            if column >= left && column + next <= left + room {
                run.push_str(grapheme);
            }
            column += next;
            if column > left + room {
                break;
            }
        }
        spans.push(Span::styled(run, super::json::style(theme, ink)));
        if column > left + room {
            break;
        }
    }
    spans
}
