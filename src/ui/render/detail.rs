//! Draws the detail of the Traffic pane.

use super::{lines_below, put, standing_rule};
use crate::capture::record::Location;
use crate::traffic::{Part, Role as PartRole, Row, Status, party_word};
use crate::ui::app::World;
use crate::ui::app::detail::{Detail, Look, RawLine, Side, tab_width};
use crate::ui::event::Body;
use crate::ui::format;
use crate::ui::json::Ink;
use crate::ui::json::view::View;
use crate::ui::keymap::{self, Action, Context};
use crate::ui::layout::{self, below_heading};
use crate::ui::text::{cut, cut_start, fit, fit_right, width};
use crate::ui::theme::{Role, Theme};
use crate::wire::object;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

pub fn render(detail: &Detail, world: &World, frame: &mut Frame<'_>, area: Rect) {
    if area.height == 0 {
        return;
    }
    let theme = world.theme;
    let Some(row) = detail.row.and_then(|row| world.traffic.row(row)) else {
        return;
    };
    let sides = detail.sides();
    tabs(detail, world, &row, frame, sides.tabs);
    match detail.look(world) {
        Look::Messages => {
            standing_rule(theme, frame, sides.divider);
            side(detail, world, &row, frame, sides.request, false);
            side(detail, world, &row, frame, sides.answer, true);
        }
        Look::Http => super::http::render(detail, theme, frame, below_heading(area)),
        Look::Timing => timing(detail, world, &row, frame, below_heading(area)),
        Look::Raw => raw(detail, theme, frame, below_heading(area)),
        Look::Diff => comparison(detail, theme, frame, below_heading(area)),
    }
}

/// What it is, and the ways to look at it.
fn tabs(detail: &Detail, world: &World, row: &Row<'_>, frame: &mut Frame<'_>, area: Rect) {
    let theme = world.theme;
    let looks = detail.looks(world);
    let columns: u16 = looks.iter().map(|look| tab_width(*look)).sum();
    let name = if row.name.is_empty() {
        row.method.to_owned()
    } else {
        format!("{} {}", row.method, row.name)
    };
    let room = area.width.saturating_sub(columns + 2);
    let role = if detail.focused {
        Role::Accent
    } else {
        Role::Strong
    };
    put(
        frame,
        Rect {
            x: area.x + 1,
            width: room,
            ..area
        },
        vec![Span::styled(
            cut(&name, room.into()).into_owned(),
            theme.style(role),
        )],
    );
    let mut x = area.right().saturating_sub(columns);
    for look in looks {
        let open = look == detail.look(world);
        let (text, role) = match open {
            true => (format!("[{}] ", look.title()), Role::Accent),
            false => (format!(" {}  ", look.title()), Role::Dim),
        };
        put(
            frame,
            Rect {
                x,
                width: tab_width(look),
                ..area
            },
            vec![Span::styled(text, theme.style(role))],
        );
        x += tab_width(look);
    }
}

/// One message: a line of facts from its envelope, and the JSON.
fn side(
    detail: &Detail,
    world: &World,
    row: &Row<'_>,
    frame: &mut Frame<'_>,
    area: Rect,
    is_answer: bool,
) {
    if area.height == 0 {
        return;
    }
    let theme = world.theme;
    let side = if is_answer {
        &detail.answer
    } else {
        &detail.request
    };
    let looked_at = detail.focused && detail.on_answer() == is_answer;
    facts(detail, world, row, side, frame, area, is_answer);
    let text = layout::json(area);
    if let Some(json) = &side.json {
        let cursor = looked_at.then(|| theme.style(Role::Selected));
        let style = |ink: Ink| ink_style(theme, ink);
        for (line, y) in json
            .lines(&style, theme.style(Role::Found), cursor)
            .into_iter()
            .zip(text.top()..text.bottom())
        {
            let place = Rect {
                y,
                height: 1,
                ..text
            };
            if let Some(cursor) = cursor
                && line.style == cursor
            {
                frame.buffer_mut().set_style(place, cursor);
            }
            frame.render_widget(line, place);
        }
        return;
    }
    let sentence = match (&side.failed, side.part) {
        (Some(reason), _) => format!("cannot read this message: {reason}"),
        (None, Some(_)) => "…".to_owned(),
        (None, None) => no_answer(world, row),
    };
    let role = if side.failed.is_some() {
        Role::Error
    } else {
        Role::Dim
    };
    put(frame, text, vec![Span::styled(sentence, theme.style(role))]);
}

/// Why there is nothing at the answer's place.
fn no_answer(world: &World, row: &Row<'_>) -> String {
    match row.status {
        Status::Pending if world.live => {
            let age = format::duration((world.now.0 - row.at.0).max(0));
            let progress = row
                .progress
                .map(|progress| format!("   {}", super::list::bar(progress)))
                .unwrap_or_default();
            format!("no answer yet, for {age}{progress}")
        }
        Status::Pending => "no answer yet".to_owned(),
        Status::Cancelled if row.outcome.is_empty() => "cancelled before an answer came".to_owned(),
        Status::Lost if row.outcome.is_empty() => {
            "the session ended before an answer came".to_owned()
        }
        _ if world.traffic.http(row.id).is_none() && !row.outcome.is_empty() => {
            row.outcome.to_owned()
        }
        _ if !row.outcome.is_empty() => {
            let more = keymap::label(Context::Detail, Action::NextView);
            format!("{}: {more} shows the HTTP exchange", row.outcome)
        }
        _ => "no answer".to_owned(),
    }
}

fn facts(
    detail: &Detail,
    world: &World,
    row: &Row<'_>,
    side: &Side,
    frame: &mut Frame<'_>,
    area: Rect,
    is_answer: bool,
) {
    let theme = world.theme;
    let (title, role) = match (detail.two, is_answer) {
        (true, false) => ("request", Role::Request),
        (true, true) => ("answer", Role::Answer),
        (false, _) => ("message", Role::Notification),
    };
    let looked_at = detail.focused && detail.two && detail.on_answer() == is_answer;
    let mark = if looked_at { "▌" } else { " " };
    let heading = [
        Span::styled(mark, theme.style(Role::Accent)),
        Span::styled(title, theme.style(role)),
    ];
    let mut facts: Vec<(u8, Role, String)> = Vec::new();
    let mut say = |rank: u8, role: Role, text: String| facts.push((rank, role, text));
    match side.json.as_ref().and_then(|json| json.matches()) {
        None => {}
        Some((_, 0)) => say(0, Role::Warn, "not found".to_owned()),
        Some((at, of)) => say(0, Role::Warn, format!("match {at} of {of}")),
    }
    if let Some(part) = side.part {
        let at = format::time_of_day(part.at, world.utc_offset_seconds);
        say(2, Role::Dim, at);
        if is_answer {
            if detail.answers > 1 {
                let (nth, of) = (detail.nth_answer + 1, detail.answers);
                say(0, Role::Warn, format!("{nth} of {of} (←→)"));
            }
            // How long it took and how it stands are told of the first.
            if detail.nth_answer == 0 {
                if let Some(took) = row.took {
                    say(1, Role::Text, format!("+{}", format::duration(took)));
                }
                let (word, role) = super::list::status(row);
                say(0, role, word.into_owned());
            }
        } else if !row.message_id.is_empty() {
            say(
                1,
                Role::Text,
                format!("id {}", cut_start(row.message_id, 24)),
            );
        }
        let bytes = format::plural(length(world, part.location), "byte");
        say(3, Role::Dim, bytes);
    }
    let below = side.json.as_ref().map_or(0, View::below);
    if below > 0 {
        say(
            2,
            Role::Dim,
            format!("{} below", format::plural(below as u64, "line")),
        );
    }
    // The other side is not on the screen: say how to get there.
    let sides = detail.sides();
    if detail.two && (sides.request.height == 0 || sides.answer.height == 0) {
        let other = if is_answer {
            "← request"
        } else {
            "→ answer"
        };
        say(0, Role::Dim, other.to_owned());
    }
    let room = usize::from(area.width).saturating_sub(title.len() + 1);
    keep_what_fits(&mut facts, room);
    let facts = facts
        .into_iter()
        .map(|(_, role, text)| Span::styled(format!("  {text}"), theme.style(role)));
    put(frame, area, heading.into_iter().chain(facts).collect());
}

/// Takes out what matters least, by the highest rank, until all is to be read.
fn keep_what_fits(facts: &mut Vec<(u8, Role, String)>, room: usize) {
    let taken = |facts: &[(u8, Role, String)]| -> usize {
        facts.iter().map(|(.., text)| width(text) + 2).sum()
    };
    while taken(facts) > room {
        let worst = (0..facts.len()).max_by_key(|index| facts[*index].0);
        match worst.filter(|index| facts[*index].0 > 0) {
            Some(worst) => drop(facts.remove(worst)),
            None => return,
        }
    }
}

/// The colour of a piece of JSON.
pub fn ink_style(theme: Theme, ink: Ink) -> Style {
    theme.style(match ink {
        Ink::Plain => Role::Text,
        Ink::Key => Role::JsonKey,
        Ink::String => Role::JsonString,
        Ink::Number => Role::JsonNumber,
        Ink::Literal => Role::JsonLiteral,
        Ink::Punctuation => Role::Text,
        Ink::Note => Role::Dim,
    })
}

/// The messages of the row in time: when, how long after the first, who, what, and where on the way that was.
fn timing(detail: &Detail, world: &World, row: &Row<'_>, frame: &mut Frame<'_>, area: Rect) {
    let theme = world.theme;
    let height = usize::from(area.height);
    let first = detail.parts.first().map_or(0, |part| part.at.0);
    let waits = row.status == Status::Pending && world.live;
    let last = if waits {
        world.now.0
    } else {
        detail.parts.last().map_or(first, |part| part.at.0)
    };
    let top = detail.moments_top(height);
    for ((index, part), y) in detail
        .parts
        .iter()
        .enumerate()
        .skip(top)
        .zip(area.top()..area.bottom())
    {
        let place = Rect {
            y,
            height: 1,
            ..area
        };
        let selected = detail.focused && index == detail.moment;
        let mut spans = vec![
            Span::styled(
                if selected { "▌ " } else { "  " },
                theme.style(Role::Accent),
            ),
            Span::styled(
                format::time_of_day(part.at, world.utc_offset_seconds),
                theme.style(Role::Dim),
            ),
            Span::raw(fit_right(
                &format!("+{}", format::duration(part.at.0 - first)),
                12,
            )),
            Span::raw("  "),
            Span::raw(fit(party_word(part.from), 9)),
            Span::styled(fit(part.role.word(), 10), theme.style(part_role(part.role))),
        ];
        if area.width >= 90 {
            spans.push(Span::styled(
                track(part.at.0 - first, last - first),
                theme.style(Role::Accent),
            ));
            spans.push(Span::raw("  "));
        }
        spans.push(Span::styled(
            fit_right(&format::size(length(world, part.location)), 6),
            theme.style(Role::Dim),
        ));
        spans.push(Span::raw("  "));
        let used: usize = spans.iter().map(Span::width).sum();
        let room = usize::from(area.width).saturating_sub(used);
        let said = cut(&said(world, part), room).into_owned();
        spans.push(Span::styled(said, theme.style(Role::Text)));
        put(frame, place, spans);
        if selected {
            frame
                .buffer_mut()
                .set_style(place, theme.style(Role::Selected));
        }
    }
    let used = detail.parts.len().saturating_sub(top);
    if used + 1 < height {
        let y = area.y + u16::try_from(used + 1).unwrap_or(area.height);
        put(
            frame,
            Rect {
                x: area.x + 2,
                y,
                ..area
            },
            vec![Span::styled(
                cut(&usual(world, row), area.width.saturating_sub(2).into()).into_owned(),
                theme.style(Role::Dim),
            )],
        );
    }
}

/// A line with a point on it.
fn track(at: i64, of: i64) -> String {
    const CELLS: i64 = 24;
    let point = if of <= 0 {
        0
    } else {
        (at.clamp(0, of) * (CELLS - 1)) / of
    };
    (0..CELLS)
        .map(|cell| if cell == point { '●' } else { '─' })
        .collect()
}

/// Bytes as they were on the wire; what is no JSON takes more in the capture.
fn length(world: &World, location: Location) -> u64 {
    match world.body(location) {
        Body::Loaded(document) => document.bytes().len() as u64,
        _ => location.len.into(),
    }
}

/// How long calls like this one usually take.
fn usual(world: &World, row: &Row<'_>) -> String {
    let at = |percent| {
        world
            .traffic
            .percentile(row.method, row.name, percent)
            .map(format::duration)
    };
    match (at(50), at(95)) {
        (Some(half), Some(most)) => {
            let what = if row.name.is_empty() {
                row.method
            } else {
                row.name
            };
            format!(
                "{}: half within {half}, 95 of 100 within {most}",
                cut(what, 40)
            )
        }
        _ => String::new(),
    }
}

fn part_role(role: PartRole) -> Role {
    match role {
        PartRole::Request => Role::Request,
        PartRole::Progress => Role::Notification,
        PartRole::Answer => Role::Answer,
        PartRole::DuplicateAnswer | PartRole::WithheldAnswer | PartRole::Cancel => Role::Warn,
        PartRole::Line => Role::Text,
    }
}

/// What a progress notification says of itself.
fn said(world: &World, part: &Part) -> String {
    let Body::Loaded(document) = world.body(part.location) else {
        return String::new();
    };
    let Ok(message) = std::str::from_utf8(document.bytes()) else {
        return String::new();
    };
    let raw = |key: &str| {
        object::at(message, &["params", key])
            .unwrap_or_default()
            .to_owned()
    };
    match part.role {
        PartRole::Progress => {
            let text = object::string_at(message, &["params", "message"]).unwrap_or_default();
            let total = raw("total");
            let of = if total.is_empty() {
                String::new()
            } else {
                format!("/{}", cut(&total, 12))
            };
            format!("{}{of}  {}", cut(&raw("progress"), 12), cut(&text, 200))
        }
        PartRole::Cancel => cut(
            &object::string_at(message, &["params", "reason"]).unwrap_or_default(),
            200,
        )
        .into_owned(),
        _ => String::new(),
    }
}

fn raw(detail: &Detail, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let lines = &detail.lines.raw;
    let below = lines
        .len()
        .saturating_sub(detail.lines.top + usize::from(area.height));
    lines_below(theme, frame, area, below);
    let lines = lines.iter().skip(detail.lines.top);
    for (line, y) in lines.zip(area.top()..area.bottom()) {
        let (text, role) = match line {
            RawLine::Heading(text) => (text, Role::Dim),
            RawLine::Bytes(text) => (text, Role::Text),
        };
        let place = Rect {
            y,
            height: 1,
            ..area
        };
        put(frame, place, vec![Span::styled(text, theme.style(role))]);
    }
}

fn comparison(detail: &Detail, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    match &detail.lines.diff {
        Some(diff) => super::diff::render(diff, detail.lines.top, theme, frame, area),
        None => put(
            frame,
            area,
            vec![Span::styled(
                " no answer to compare yet",
                theme.style(Role::Dim),
            )],
        ),
    }
}
