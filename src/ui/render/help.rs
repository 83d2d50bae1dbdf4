//! Draws the help overlay.

use super::put;
use crate::ui::app::help::{Help, Line};
use crate::ui::keymap;
use crate::ui::text::fit;
use crate::ui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

pub fn render(help: &Help, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let lines = help.lines();
    for (line, y) in lines.iter().skip(help.top).zip(area.top()..area.bottom()) {
        let spans = match line {
            Line::Title(context) => vec![Span::styled(
                format!("  {}", context.title()),
                theme.style(Role::Accent),
            )],
            Line::Key(binding) => vec![
                Span::raw("    "),
                Span::styled(fit(&keymap::labels(binding), 20), theme.style(Role::Strong)),
                Span::raw(binding.help),
            ],
            Line::Blank => Vec::new(),
        };
        put(
            frame,
            Rect {
                y,
                height: 1,
                ..area
            },
            spans,
        );
    }
    let below = lines
        .len()
        .saturating_sub(help.top + usize::from(area.height));
    if below > 0 {
        let text = format!("{below} more ↓ ");
        let width = u16::try_from(text.chars().count())
            .unwrap_or(0)
            .min(area.width);
        let place = Rect {
            x: area.right() - width,
            y: area.bottom().saturating_sub(1),
            width,
            height: 1,
        };
        put(
            frame,
            place,
            vec![Span::styled(text, theme.style(Role::Dim))],
        );
    }
}
