//! Draws a [`View`] of a JSON document.

use crate::ui::format::count;
use crate::ui::json::view::View;
use crate::ui::json::{Ink, MOST_MATCHES};
use crate::ui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

pub fn style(theme: Theme, ink: Ink) -> Style {
    theme.style(match ink {
        Ink::Plain | Ink::Punctuation => Role::Text,
        Ink::Key => Role::JsonKey,
        Ink::String => Role::JsonString,
        Ink::Number => Role::JsonNumber,
        Ink::Literal => Role::JsonLiteral,
        Ink::Note => Role::Dim,
    })
}

/// How a search in it stands: `match 4 of 5 585`. `None` without one.
pub fn found(view: &View) -> Option<String> {
    let (at, of) = view.matches()?;
    Some(match of {
        0 => "no match".to_owned(),
        of => {
            let least = if of < MOST_MATCHES { "" } else { "at least " };
            let (at, of) = (count(at as u64), count(of as u64));
            format!("match {at} of {least}{of}")
        }
    })
}

/// `looked_at`: the view has the keys, and its cursor is shown.
pub fn render(view: &View, looked_at: bool, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let cursor = looked_at.then(|| theme.style(Role::Selected));
    let lines = view.lines(&|ink| style(theme, ink), theme.style(Role::Found), cursor);
    for (line, y) in lines.into_iter().zip(area.top()..area.bottom()) {
        let place = Rect {
            y,
            height: 1,
            ..area
        };
        if let Some(cursor) = cursor.filter(|cursor| line.style == *cursor) {
            frame.buffer_mut().set_style(place, cursor);
        }
        frame.render_widget(line, place);
    }
}
