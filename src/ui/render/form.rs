//! Draws a [`Form`]: what the server says, and what is filled in.

use super::inventory::shortened;
use super::{editor, put};
use crate::ui::app::form::{Body, Field, Form, Value};
use crate::ui::format::plural;
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
        let line = match last {
            true => cut(&format!("{line} …"), area.width.into()).into_owned(),
            false => line,
        };
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
    let mut more = String::new();
    match &form.body {
        Body::Fields {
            fields, selected, ..
        } => more = elsewhere(render_fields(fields, *selected, theme, frame, places.body)),
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
    let columns = usize::from(area.width);
    let more = cut(&more, columns).into_owned();
    let room = match width(&more) {
        0 => columns,
        taken => columns.saturating_sub(taken + 2),
    };
    if let Some(trouble) = &form.trouble {
        let text = cut(&format!("✗ {trouble}"), room).into_owned();
        let span = Span::styled(text, theme.style(Role::Error));
        put(frame, places.foot, vec![span]);
    }
    let taken = u16::try_from(width(&more)).unwrap_or(0);
    let place = Rect {
        x: places.foot.right() - taken,
        width: taken,
        ..places.foot
    };
    let span = Span::styled(more, theme.style(Role::Dim));
    put(frame, place, vec![span]);
}

/// Name and value of each field, and what is said of it below: on one line, in full for the selected one. Returns how
/// many fields lie above and below.
fn render_fields(
    fields: &[Field],
    selected: usize,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
) -> (usize, usize) {
    let Some(here) = fields.get(selected) else {
        let text = "Nothing is to be filled in: accept or decline.";
        put(
            frame,
            area,
            vec![Span::styled(text, theme.style(Role::Dim))],
        );
        return (0, 0);
    };
    let columns = fields
        .iter()
        .map(|field| width(&clean(&field.argument.name)))
        .max();
    let columns = columns.unwrap_or(0).min(usize::from(area.width) / 3);
    let from = u16::try_from(columns + 4).unwrap_or(0);
    let room = usize::from(area.width.saturating_sub(from));
    let height = usize::from(area.height);
    let in_full = said_in_full(here, room, height.saturating_sub(1).max(1));
    // As many as fit above the selected one.
    let above = height.saturating_sub(1 + in_full.len()) / 2;
    let first = selected.saturating_sub(above);
    let mut y = area.y;
    let mut end = first;
    for (index, field) in fields.iter().enumerate().skip(first) {
        if y >= area.bottom() {
            break;
        }
        let is_here = index == selected;
        let place = Rect {
            y,
            height: 1,
            ..area
        };
        name_and_value(field, is_here, columns, theme, frame, place);
        let said = match is_here {
            true => &in_full,
            false => &vec![cut(&said(field), room).into_owned()],
        };
        for (text, y) in said.iter().zip(y + 1..area.bottom()) {
            let place = Rect {
                x: area.x + from,
                y,
                width: area.width.saturating_sub(from),
                height: 1,
            };
            let span = Span::styled(text.clone(), theme.style(Role::Dim));
            put(frame, place, vec![span]);
        }
        y += 1 + u16::try_from(said.len()).unwrap_or(area.height);
        end = index + 1;
    }
    (first, fields.len() - end)
}

fn name_and_value(
    field: &Field,
    here: bool,
    columns: usize,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let mark = if here { "▌ " } else { "  " };
    let mut spans = vec![
        Span::styled(mark, theme.style(Role::Accent)),
        Span::styled(
            fit(&field.argument.name, columns),
            theme.style(if here { Role::Strong } else { Role::Text }),
        ),
        Span::raw("  "),
    ];
    let from = columns + 4;
    let room = usize::from(area.width).saturating_sub(from + 1);
    let (value, cursor) = value(field, here, room, theme);
    spans.push(value);
    put(frame, area, spans);
    if let Some(column) = cursor {
        let x = area.x + u16::try_from(from + column).unwrap_or(0);
        if x < area.right() {
            frame.set_cursor_position(Position { x, y: area.y });
        }
    }
}

/// What kind of value a field takes, and what the server says of it.
fn said(field: &Field) -> String {
    let argument = &field.argument;
    let needed = if argument.required { ", needed" } else { "" };
    let hint = match field.choices.is_empty() {
        true => "",
        false => "← → choose   ",
    };
    format!(
        "{hint}{}{needed}   {}",
        argument.type_name, argument.description
    )
}

/// The same in lines, and what there is to choose from; `…` where it takes more than `most`.
fn said_in_full(field: &Field, room: usize, most: usize) -> Vec<String> {
    let mut lines = wrap(&shortened(&said(field)), room);
    let names: Vec<&str> = field
        .choices
        .iter()
        .map(|(_, name)| name.as_str())
        .collect();
    lines.extend(wrap(&shortened(&names.join(" · ")), room));
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = format!("{} …", cut(last, room.saturating_sub(2)));
        }
    }
    lines
}

/// How many fields are not on the screen.
fn elsewhere((above, below): (usize, usize)) -> String {
    let fields = |number: usize, place: &str| {
        let number = number as u64;
        (number > 0).then(|| format!("{} {place}", plural(number, "field")))
    };
    let places = [fields(above, "above"), fields(below, "below")];
    places.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A field's value, and the cursor's column where one types.
fn value(field: &Field, here: bool, room: usize, theme: Theme) -> (Span<'static>, Option<usize>) {
    let mut cursor = None;
    let (text, empty) = match &field.value {
        Value::Text(prompt) if here => {
            let (text, column) = prompt.shown(room);
            cursor = Some(column);
            // A field has a place to type in, even when it is empty.
            let columns = width(&text).max(24).min(room);
            (fit(&text, columns), prompt.is_empty())
        }
        Value::Text(prompt) => (cut(prompt.text(), room).into_owned(), prompt.is_empty()),
        Value::Chosen(Some(at)) => {
            let name = cut(&field.choices[*at].1, room.saturating_sub(4));
            (format!("‹ {name} ›"), false)
        }
        Value::Chosen(None) => ("‹ not chosen ›".to_owned(), true),
    };
    let mut style = theme.style(if empty { Role::Dim } else { Role::JsonString });
    if here {
        style = style.add_modifier(Modifier::UNDERLINED);
    }
    (Span::styled(text, style), cursor)
}
