//! Draws [`Choices`].

use super::put;
use super::sheet::heading;
use crate::ui::app::choices::Choices;
use crate::ui::text::cut;
use crate::ui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;
use ratatui::widgets::Clear;

pub fn render(choices: &Choices, theme: Theme, frame: &mut Frame<'_>, place: Rect) {
    frame.render_widget(Clear, place);
    heading(&choices.title, "", Role::Strong, theme, frame, place);
    let top = choices.top(usize::from(place.height.saturating_sub(1)));
    let shown = choices.values.iter().enumerate().skip(top);
    for ((index, value), y) in shown.zip(place.top() + 1..place.bottom()) {
        let line = Rect {
            y,
            height: 1,
            ..place
        };
        let selected = index == choices.selected;
        let mark = if selected { "▌ " } else { "  " };
        let text = cut(value, usize::from(place.width).saturating_sub(2)).into_owned();
        let spans = vec![
            Span::styled(mark, theme.style(Role::Accent)),
            Span::raw(text),
        ];
        put(frame, line, spans);
        if selected {
            frame
                .buffer_mut()
                .set_style(line, theme.style(Role::Selected));
        }
    }
}
