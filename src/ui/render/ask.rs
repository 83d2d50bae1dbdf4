//! Draws [`crate::ui::app::ask`].

use super::{form, put, rule};
use crate::ui::app::World;
use crate::ui::app::ask::Ask;
use crate::ui::format;
use crate::ui::text::{cut, wrap};
use crate::ui::theme::Role;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

/// Where the form is: below the heading and its rule.
pub fn inside(area: Rect) -> Rect {
    let indent = u16::from(area.width > 20);
    Rect {
        x: area.x + indent,
        y: area.y + 2.min(area.height),
        width: area.width.saturating_sub(2 * indent),
        height: area.height.saturating_sub(2),
    }
}

pub fn render(state: &Ask, world: &World, frame: &mut Frame<'_>, area: Rect) {
    let theme = world.theme;
    let row = world.traffic.row(state.row);
    let title = state
        .form
        .as_ref()
        .map_or("The server asks you", |form| form.title);
    let waiting = match &row {
        _ if state.over => "it does not wait any more".to_owned(),
        Some(row) => {
            let since = format::duration((world.now.0 - row.at.0).max(0));
            let more = match world.traffic.waiting_for_operator().len() {
                0 | 1 => String::new(),
                all => format!(" · {} more: Esc, a", all - 1),
            };
            let session = match world.traffic.sessions().len() {
                0 | 1 => String::new(),
                _ => format!(" · session {}", row.session.0),
            };
            format!("waiting for {since}{more}{session}")
        }
        None => String::new(),
    };
    let spans = vec![
        Span::raw(" "),
        Span::styled(title, theme.style(Role::Accent)),
        Span::styled(format!("   {waiting}"), theme.style(Role::Dim)),
    ];
    put(frame, area, spans);
    rule(
        theme,
        frame,
        Rect {
            y: area.y + 1.min(area.height),
            height: area.height.saturating_sub(1).min(1),
            ..area
        },
    );
    let inside = inside(area);
    match &state.form {
        Some(form) => form::render(form, theme, frame, inside),
        None if state.trouble.is_none() => {
            put(
                frame,
                inside,
                vec![Span::styled("reading the request…", theme.style(Role::Dim))],
            );
        }
        None => {}
    }
    if let Some(trouble) = &state.trouble {
        let lines = wrap(trouble, inside.width.into());
        let first = inside
            .bottom()
            .saturating_sub(u16::try_from(lines.len()).unwrap_or(1));
        for (line, y) in lines.into_iter().zip(first.max(inside.y)..inside.bottom()) {
            let line = cut(&line, inside.width.into()).into_owned();
            put(
                frame,
                Rect {
                    y,
                    height: 1,
                    ..inside
                },
                vec![Span::styled(line, theme.style(Role::Error))],
            );
        }
    }
}
