//! Draws the Log pane.

use super::{NOTHING_MATCHES, choices, empty, lines_below, put, rule};
use crate::traffic::{GAP, RowKind};
use crate::ui::app::World;
use crate::ui::app::log::{Entry, Log, areas};
use crate::ui::format;
use crate::ui::text::{cut, fit};
use crate::ui::theme::Role;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

pub fn render(log: &Log, world: &World, frame: &mut Frame<'_>, area: Rect) {
    entries(log, world, frame, area);
    if let Some(choices) = &log.level.choices {
        choices::render(choices, world.theme, frame, choices.at_bottom(area));
    }
}

fn entries(log: &Log, world: &World, frame: &mut Frame<'_>, area: Rect) {
    let theme = world.theme;
    if log.entries.is_empty() && !log.filter.is_empty() {
        return empty(theme, frame, area, &NOTHING_MATCHES);
    }
    if log.entries.is_empty() {
        return empty(
            theme,
            frame,
            area,
            &[
                "Nothing here.",
                "What the server logs or writes to its standard error appears here, and what goes wrong on our side.",
            ],
        );
    }
    let (list, whole) = areas(area);
    let top = log.top(list.height.into());
    for ((index, entry), y) in log
        .entries
        .iter()
        .enumerate()
        .skip(top)
        .zip(list.top()..list.bottom())
    {
        let place = Rect {
            y,
            height: 1,
            ..list
        };
        let selected = index == log.selected;
        put(
            frame,
            place,
            line(log, world, *entry, selected, list.width.into()),
        );
        if selected {
            frame
                .buffer_mut()
                .set_style(place, theme.style(Role::Selected));
        }
    }
    if whole.height > 1 {
        rule(theme, frame, whole);
        let lines = log.whole();
        let below = lines.len().saturating_sub(usize::from(whole.height) - 1);
        lines_below(theme, frame, whole, below);
        for (line, y) in lines.iter().zip(whole.top() + 1..whole.bottom()) {
            put(
                frame,
                Rect {
                    x: whole.x + 2,
                    y,
                    height: 1,
                    ..whole
                },
                vec![Span::raw(line.clone())],
            );
        }
    }
}

fn line(
    log: &Log,
    world: &World,
    entry: Entry,
    selected: bool,
    columns: usize,
) -> Vec<Span<'static>> {
    let theme = world.theme;
    let (source, text) = log.text(world, entry);
    let mut named = Role::Dim;
    let (at, role) = match entry {
        Entry::Note(number) => match log.noted(number) {
            Some(note) if note.notice.error => (note.at, Role::Error),
            Some(note) => (note.at, Role::Text),
            None => (world.now, Role::Dim),
        },
        Entry::Row(id) => match world.traffic.row(id) {
            Some(row) if row.kind == RowKind::Stderr => (row.at, Role::Text),
            Some(row) if row.kind == RowKind::Notification => {
                named = role_of(source);
                (row.at, named)
            }
            Some(row) if row.kind == RowKind::Garbage => (row.at, Role::Warn),
            Some(row) if row.method == GAP => (row.at, Role::Error),
            Some(row) => (row.at, Role::Dim),
            None => (world.now, Role::Dim),
        },
    };
    vec![
        Span::styled(
            if selected { "▌ " } else { "  " },
            theme.style(Role::Accent),
        ),
        Span::styled(
            format::time_of_day(at, world.utc_offset_seconds),
            theme.style(Role::Dim),
        ),
        Span::raw("  "),
        Span::styled(fit(source, 10), theme.style(named)),
        Span::styled(
            cut(&text, columns.saturating_sub(26)).into_owned(),
            theme.style(role),
        ),
    ]
}

/// How a log message of this level looks.
fn role_of(level: &str) -> Role {
    match level {
        "debug" => Role::Dim,
        "warning" => Role::Warn,
        "error" | "critical" | "alert" | "emergency" => Role::Error,
        _ => Role::Text,
    }
}
