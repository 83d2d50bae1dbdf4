//! Draws a [`Form`]: what the server says, and what is filled in.

use super::{editor, put};
use crate::ui::app::form::{Body, Field, Form, Value, words};
use crate::ui::format::plural;
use crate::ui::keymap::{self, Action, Context};
use crate::ui::text::{chop, clean, cut, fit, shortened, width, wrap};
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
    /// How much of them is not on the screen.
    pub more: Rect,
    /// What is filled in.
    pub body: Rect,
    /// What is wrong.
    pub foot: Rect,
}

pub fn places(form: &Form, area: Rect) -> Places {
    let said = form.lines(area.width).len();
    // What is filled in has the room that it needs, but the question never less than a third.
    let needed = match &form.body {
        Body::Url(_) | Body::Unknown => 1,
        Body::Json(editor) => editor.lines().len(),
        Body::Fields { fields, .. } => 2 * fields.len() + 1,
    };
    let needed = u16::try_from(needed).unwrap_or(u16::MAX);
    let trouble = u16::try_from(trouble(form, area.width).len()).unwrap_or(u16::MAX);
    // With next to no room, what one types comes first.
    let spare = u16::from(area.height > 4);
    let foot = match spare {
        0 => trouble.min(1),
        _ => trouble.saturating_add(1).min(area.height / 3),
    };
    let most = area
        .height
        .saturating_sub(needed.saturating_add(spare + foot));
    let most = most.max(area.height / 3);
    let words = u16::try_from(said).unwrap_or(u16::MAX).min(most);
    let line = |from: u16, height: u16| Rect {
        y: area.y + from.min(area.height),
        height: height.min(area.height.saturating_sub(from)),
        ..area
    };
    let body = area.height.saturating_sub(words + spare + foot);
    Places {
        words: line(0, words),
        more: line(words, spare),
        body: line(words + spare, body),
        foot: line(words + spare + body, foot),
    }
}

/// What is wrong, in lines.
fn trouble(form: &Form, columns: u16) -> Vec<String> {
    let trouble = form.trouble.as_ref();
    trouble.map_or_else(Vec::new, |it| wrap(&format!("✗ {it}"), columns.into()))
}

pub fn render(form: &Form, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let places = places(form, area);
    words(form, theme, frame, places);
    let mut more = String::new();
    match &form.body {
        Body::Fields {
            fields, selected, ..
        } => more = elsewhere(render_fields(fields, *selected, theme, frame, places.body)),
        Body::Json(text) => editor::render(text, true, &|_| false, theme, frame, places.body),
        Body::Url(url) => draw(address(url, theme, area.width.into()), frame, places.body),
        Body::Unknown => put(
            frame,
            places.body,
            vec![Span::styled(
                "The only answer that we know is: method not found.",
                theme.style(Role::Dim),
            )],
        ),
    }
    let trouble = trouble(form, area.width);
    let above = places
        .foot
        .height
        .saturating_sub(u16::try_from(trouble.len()).unwrap_or(u16::MAX));
    if above > 0 {
        let more = cut(&more, area.width.into()).into_owned();
        let taken = u16::try_from(width(&more)).unwrap_or(0);
        let place = Rect {
            x: places.foot.right() - taken,
            width: taken,
            height: 1,
            ..places.foot
        };
        put(
            frame,
            place,
            vec![Span::styled(more, theme.style(Role::Dim))],
        );
    }
    let style = theme.style(Role::Error);
    let place = Rect {
        y: places.foot.y + above,
        height: places.foot.height - above,
        ..places.foot
    };
    draw(
        trouble.into_iter().map(|line| Line::styled(line, style)),
        frame,
        place,
    );
}

/// The server's words, and how much of them is not on the screen.
fn words(form: &Form, theme: Theme, frame: &mut Frame<'_>, places: Places) {
    let said = form.lines(places.words.width);
    let height = usize::from(places.words.height);
    let above = form.top.min(said.len().saturating_sub(height));
    let below = said.len().saturating_sub(above + height);
    draw(
        said.iter().skip(above).take(height).cloned().map(Line::raw),
        frame,
        places.words,
    );
    let part = |lines: usize, place: &str, action: Action| {
        let key = keymap::label(Context::Ask, action);
        let lines = plural(lines as u64, "line");
        format!("{lines} {place}, {key}")
    };
    let more = [
        (above > 0).then(|| part(above, "above", Action::PageUp)),
        (below > 0).then(|| part(below, "below", Action::PageDown)),
    ];
    let more: Vec<String> = more.into_iter().flatten().collect();
    if !more.is_empty() {
        let more = format!("… {}", more.join("   "));
        let more = cut(&more, places.more.width.into()).into_owned();
        let span = Span::styled(more, theme.style(Role::Accent));
        put(frame, places.more, vec![span]);
    }
}

/// The host apart: what else stands in an address can be made to look like one.
fn address(url: &str, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let host = match words::host(url) {
        Some(host) => Span::styled(
            cut(&host, columns.saturating_sub(6)).into_owned(),
            theme.style(Role::Strong),
        ),
        None => Span::styled("none: this is no web address", theme.style(Role::Warn)),
    };
    let dim = theme.style(Role::Dim);
    let mut lines = vec![
        Line::from(vec![Span::styled("host  ", dim), host]),
        Line::default(),
    ];
    let pieces = chop(url, columns).into_iter();
    lines.extend(pieces.map(|line| Span::styled(line, theme.style(Role::Accent)).into()));
    lines.push(Line::default());
    let key = keymap::label(Context::Page, Action::Copy);
    let note = format!(
        "Nothing is opened for you. Look at the address before you visit it; {key} copies it."
    );
    let note = wrap(&note, columns).into_iter();
    lines.extend(note.map(|line| Span::styled(line, dim).into()));
    lines
}

fn draw(lines: impl IntoIterator<Item = Line<'static>>, frame: &mut Frame<'_>, area: Rect) {
    for (line, y) in lines.into_iter().zip(area.top()..area.bottom()) {
        let place = Rect {
            y,
            height: 1,
            ..area
        };
        frame.render_widget(line, place);
    }
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
    let columns = fields.iter().map(|field| width(&clean(&field.label))).max();
    let columns = columns.unwrap_or(0).min(usize::from(area.width) / 3);
    let from = u16::try_from(columns + 4).unwrap_or(0);
    let room = usize::from(area.width.saturating_sub(from));
    let height = usize::from(area.height);
    let in_full = said_in_full(here, room, height.saturating_sub(1).max(1), theme);
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
            true => in_full.clone(),
            false => {
                let said = cut(&said(field), room).into_owned();
                vec![Span::styled(said, theme.style(Role::Dim)).into()]
            }
        };
        let lines = u16::try_from(said.len()).unwrap_or(area.height);
        let below = Rect {
            x: area.x + from,
            y: y + 1,
            width: area.width.saturating_sub(from),
            height: lines.min(area.bottom() - y - 1),
        };
        draw(said, frame, below);
        y += 1 + lines;
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
            fit(&field.label, columns),
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
    let key = |action| keymap::label(Context::Options, action);
    let (left, right) = (key(Action::Left), key(Action::Right));
    let hint = match field.value {
        Value::Text(_) => String::new(),
        Value::Chosen(_) => format!("{left} {right} choose   "),
        Value::Several { .. } => {
            let chooses = key(Action::Choose);
            format!("{left} {right} move   {chooses} chooses   ")
        }
    };
    format!("{hint}{}{needed}   {}", field.kind, argument.description)
}

/// The same in lines, and what there is to choose from; `…` where it takes more than `most`.
fn said_in_full(field: &Field, room: usize, most: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = wrap(&shortened(&said(field)), room);
    let mut boxes = Vec::new();
    if let Value::Several { chosen, at } = &field.value {
        let taken = lines.len().min(most / 2);
        let is_chosen = |choice| chosen.contains(&choice);
        boxes = checkboxes(field, is_chosen, *at, room, most - taken, theme);
    } else {
        let names: Vec<&str> = field
            .choices
            .iter()
            .map(|(_, name)| name.as_str())
            .collect();
        lines.extend(wrap(&shortened(&names.join(" · ")), room));
    }
    let most = most - boxes.len();
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = format!("{} …", cut(last, room.saturating_sub(2)));
        }
    }
    let lines = lines.into_iter();
    let lines = lines.map(|line| Span::styled(line, theme.style(Role::Dim)).into());
    lines.chain(boxes).collect()
}

/// `[x] one  [ ] other`, in at most so many lines: those around the choice that the keys are at.
fn checkboxes(
    field: &Field,
    is_chosen: impl Fn(usize) -> bool,
    at: usize,
    room: usize,
    most: usize,
    theme: Theme,
) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = vec![Line::default()];
    let (mut used, mut here) = (0, 0);
    for (index, (_, name)) in field.choices.iter().enumerate() {
        let mark = if is_chosen(index) { "[x] " } else { "[ ] " };
        let text = format!("{mark}{}", cut(name, room.saturating_sub(4)));
        let columns = width(&text);
        if used > 0 && used + 2 + columns > room {
            lines.push(Line::default());
            used = 0;
        }
        let mut style = theme.style(if is_chosen(index) {
            Role::JsonString
        } else {
            Role::Dim
        });
        if index == at {
            here = lines.len() - 1;
            style = style.add_modifier(Modifier::UNDERLINED);
        }
        if let Some(line) = lines.last_mut() {
            let gap = if used > 0 { "  " } else { "" };
            line.push_span(Span::raw(gap));
            line.push_span(Span::styled(text, style));
            used += gap.len() + columns;
        }
    }
    let first = (here + 1).saturating_sub(most.max(1));
    lines.into_iter().skip(first).take(most).collect()
}

/// How many fields are not on the screen.
fn elsewhere((above, below): (usize, usize)) -> String {
    let fields = |number: usize, place: &str| {
        let number = number as u64;
        (number > 0).then(|| format!("{} {place}", plural(number, "field")))
    };
    let places = [fields(above, "above ↑"), fields(below, "below ↓")];
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
        Value::Several { chosen, .. } if chosen.is_empty() => ("none chosen".to_owned(), true),
        Value::Several { chosen, .. } => {
            let names: Vec<&str> = chosen.iter().map(|at| &*field.choices[*at].1).collect();
            (cut(&names.join(", "), room).into_owned(), false)
        }
    };
    let mut style = theme.style(if empty { Role::Dim } else { Role::JsonString });
    if here {
        style = style.add_modifier(Modifier::UNDERLINED);
    }
    (Span::styled(text, style), cursor)
}
