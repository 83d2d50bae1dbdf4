//! Draws the messages of a row in time, and one of them when it is opened.

use super::{json as draw, put};
use crate::capture::record::Location;
use crate::traffic::{Part, Role as PartRole, Row, Status, party_word};
use crate::ui::app::World;
use crate::ui::app::detail::{Detail, Side};
use crate::ui::event::Body;
use crate::ui::format;
use crate::ui::layout;
use crate::ui::text::{cut, fit, fit_right};
use crate::ui::theme::Role;
use crate::wire::object;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

pub fn render(detail: &Detail, world: &World, row: &Row<'_>, frame: &mut Frame<'_>, area: Rect) {
    match detail.timing.open {
        true => opened(detail, world, frame, area),
        false => lines(detail, world, row, frame, area),
    }
}

/// The message of the selected line: what the line says, and the JSON.
fn opened(detail: &Detail, world: &World, frame: &mut Frame<'_>, area: Rect) {
    let theme = world.theme;
    let Side { part, json, failed } = &detail.timing.selected;
    let Some(part) = part else { return };
    let mark = if detail.focused { "▌" } else { " " };
    let mut facts = vec![
        Span::styled(mark, theme.style(Role::Accent)),
        Span::styled(part.role.word(), theme.style(part_role(part.role))),
    ];
    let mut say = |role: Role, text: String| {
        facts.push(Span::styled(format!("  {text}"), theme.style(role)));
    };
    if let Some(found) = json.as_ref().and_then(draw::found) {
        say(Role::Warn, found);
    }
    let (nth, of) = (detail.timing.moment + 1, detail.parts.len());
    say(Role::Dim, format!("{nth} of {of}"));
    say(Role::Dim, party_word(part.from).to_owned());
    say(
        Role::Dim,
        format::time_of_day(part.at, world.utc_offset_seconds),
    );
    say(
        Role::Dim,
        format::plural(length(world, part.location), "byte"),
    );
    put(frame, area, facts);
    let text = layout::json(area);
    match (json, failed) {
        (Some(json), _) => draw::render(json, detail.focused, theme, frame, text),
        (None, Some(why)) => {
            let why = format!("cannot read this message: {why}");
            put(
                frame,
                text,
                vec![Span::styled(why, theme.style(Role::Error))],
            );
        }
        (None, None) => {}
    }
}

/// When, how long after the first, who, what, and where on the way that was.
fn lines(detail: &Detail, world: &World, row: &Row<'_>, frame: &mut Frame<'_>, area: Rect) {
    let theme = world.theme;
    let height = usize::from(area.height);
    let first = detail.parts.first().map_or(0, |part| part.at.0);
    let waits = row.status == Status::Pending && world.live;
    let last = if waits {
        world.now.0
    } else {
        detail.parts.last().map_or(first, |part| part.at.0)
    };
    let top = detail.timing.top(height, detail.parts.len());
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
        let selected = detail.focused && index == detail.timing.moment;
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
pub fn length(world: &World, location: Location) -> u64 {
    match world.body(location) {
        Body::Loaded(document) => document.bytes().len() as u64,
        _ => location.len.into(),
    }
}

/// How long calls like this one usually take.
fn usual(world: &World, row: &Row<'_>) -> String {
    // Of one call, that is this one.
    if world.traffic.stats_of(row.id).timed < 2 {
        return String::new();
    }
    let at = |percent| {
        world
            .traffic
            .percentile_of(row.id, percent)
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

/// What a progress notification or a cancellation says of itself.
pub fn said(world: &World, part: &Part) -> String {
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
