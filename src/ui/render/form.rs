//! Draws a [`Form`]: what the server says, and what is filled in.

use super::{editor, put};
use crate::ui::app::form::{Body, Field, Form, Value};
use crate::ui::text::{clean, cut, fit, width, wrap};
use crate::ui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

/// Where a form's parts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// The server's words.
    pub words: Rect,
    /// What is filled in.
    pub body: Rect,
    /// What is wrong.
    pub foot: Rect,
}

pub fn places(form: &Form, area: Rect) -> Places {
    let said = wrap(&form.words, area.width.into()).len();
    let most = match &form.body {
        // The only thing to look at.
        Body::Url(_) | Body::Unknown => area.height.saturating_sub(3),
        _ => area.height / 3,
    };
    let words = u16::try_from(said).unwrap_or(u16::MAX).min(most.max(1));
    let line = |from: u16, height: u16| Rect {
        y: area.y + from.min(area.height),
        height: height.min(area.height.saturating_sub(from)),
        ..area
    };
    let body = area.height.saturating_sub(words + 2);
    Places {
        words: line(0, words),
        body: line(words + 1, body),
        foot: line(words + 1 + body, 1),
    }
}

pub fn render(form: &Form, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let places = places(form, area);
    let said = wrap(&form.words, area.width.into());
    let cut_off = said.len() > usize::from(places.words.height);
    for (line, y) in said
        .into_iter()
        .zip(places.words.top()..places.words.bottom())
    {
        let last = cut_off && y + 1 == places.words.bottom();
        let line = if last { format!("{line} …") } else { line };
        put(
            frame,
            Rect {
                y,
                height: 1,
                ..area
            },
            vec![Span::raw(line)],
        );
    }
    match &form.body {
        Body::Fields {
            fields, selected, ..
        } => render_fields(fields, *selected, theme, frame, places.body),
        Body::Json(text) => editor::render(text, true, &|_| false, theme, frame, places.body),
        Body::Url(url) => {
            let lines = wrap(url, area.width.into()).into_iter();
            let mut lines: Vec<Line<'_>> = lines
                .map(|line| Line::styled(line, theme.style(Role::Accent)))
                .collect();
            lines.push(Line::default());
            let note = "Nothing is opened for you. Look at the address before you visit it.";
            lines.extend(
                wrap(note, area.width.into())
                    .into_iter()
                    .map(|line| Line::styled(line, theme.style(Role::Dim))),
            );
            for (line, y) in lines
                .into_iter()
                .zip(places.body.top()..places.body.bottom())
            {
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
        Body::Unknown => put(
            frame,
            places.body,
            vec![Span::styled(
                "The only answer that we know is: method not found.",
                theme.style(Role::Dim),
            )],
        ),
    }
    if let Some(trouble) = &form.trouble {
        let text = cut(&format!("✗ {trouble}"), area.width.into()).into_owned();
        put(
            frame,
            places.foot,
            vec![Span::styled(text, theme.style(Role::Error))],
        );
    }
}

/// Two lines a field: name and value, and what is said of it.
fn render_fields(
    fields: &[Field],
    selected: usize,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    if fields.is_empty() {
        let text = "Nothing is to be filled in: accept or decline.";
        return put(
            frame,
            area,
            vec![Span::styled(text, theme.style(Role::Dim))],
        );
    }
    let columns = fields
        .iter()
        .map(|field| width(&clean(&field.argument.name)))
        .max();
    let columns = columns.unwrap_or(0).min(usize::from(area.width) / 3);
    let shown = usize::from(area.height / 2).max(1);
    let first = (selected + 1).saturating_sub(shown);
    for (place, (index, field)) in fields
        .iter()
        .enumerate()
        .skip(first)
        .take(shown)
        .enumerate()
    {
        let y = area.y + u16::try_from(place * 2).unwrap_or(0);
        let line = |below: u16| Rect {
            y: y + below,
            height: 1,
            ..area
        };
        let here = index == selected;
        let mark = if here { "▌ " } else { "  " };
        let mut spans = vec![
            Span::styled(mark, theme.style(Role::Accent)),
            Span::styled(
                fit(&field.argument.name, columns),
                theme.style(if here { Role::Strong } else { Role::Text }),
            ),
            Span::raw("  "),
        ];
        let from = u16::try_from(columns + 4).unwrap_or(0);
        let room = usize::from(area.width.saturating_sub(from + 1));
        spans.push(value(field, here, room, theme));
        put(frame, line(0), spans);
        if here && let Value::Text(prompt) = &field.value {
            let column = u16::try_from(prompt.cursor_column().min(room)).unwrap_or(0);
            let (x, y) = (area.x + from + column, y);
            if x < area.right() && y < area.bottom() {
                frame.set_cursor_position(Position { x, y });
            }
        }
        if y + 1 < area.bottom() {
            let needed = if field.argument.required {
                ", needed"
            } else {
                ""
            };
            let hint = match field.choices.is_empty() {
                true => "",
                false => "← → choose   ",
            };
            let text = format!(
                "{hint}{}{needed}   {}",
                field.argument.type_name, field.argument.description
            );
            let room = usize::from(area.width.saturating_sub(from));
            let spans = vec![
                Span::raw(" ".repeat(from.into())),
                Span::styled(cut(&text, room).into_owned(), theme.style(Role::Dim)),
            ];
            put(frame, line(1), spans);
        }
    }
}

fn value(field: &Field, here: bool, room: usize, theme: Theme) -> Span<'static> {
    let (text, empty) = match &field.value {
        Value::Text(prompt) => (prompt.text().to_owned(), prompt.is_empty()),
        Value::Chosen(Some(at)) => (format!("‹ {} ›", field.choices[*at].1), false),
        Value::Chosen(None) => ("‹ not chosen ›".to_owned(), true),
    };
    let mut style = theme.style(if empty { Role::Dim } else { Role::JsonString });
    if here {
        style = style.add_modifier(Modifier::UNDERLINED);
    }
    // A field has a place to type in, even when it is empty.
    let text = match (&field.value, here) {
        (Value::Text(_), true) => fit(&text, room.min(width(&clean(&text)).max(24))),
        _ => cut(&text, room).into_owned(),
    };
    Span::styled(text, style)
}
