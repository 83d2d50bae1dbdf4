//! Draws [`crate::ui::app::inventory`].

mod line;
mod page;

pub use page::{READABLE, description, detail};

use super::{empty, json, put, rule, standing_rule};
use crate::tap::Timestamp;
use crate::ui::app::inventory::{Inventory, Item, places};
use crate::ui::app::{Part, Tab, World};
use crate::ui::format;
use crate::ui::keymap::{self, Action, Context};
use crate::ui::text::{cut, width};
use crate::ui::theme::Role;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Span;

pub fn render(state: &Inventory, world: &World, frame: &mut Frame<'_>, area: Rect) {
    let theme = world.theme;
    let places = places(area);
    let items = state.items(world);
    let selected = state.selected(world);
    head(state, world, items.len(), frame, places.head);
    if items.is_empty() {
        let (what, next) = nothing(state, world);
        let below = Rect {
            y: area.y + 1,
            height: area.height.saturating_sub(1),
            ..area
        };
        return empty(theme, frame, below, &[&what, &next]);
    }
    match places.divider.width {
        1 => standing_rule(theme, frame, places.divider),
        _ => rule(theme, frame, places.divider),
    }
    let position = selected.map_or(0, |(_, position)| position);
    let shown = items.iter().enumerate().skip(state.top);
    for ((index, item), y) in shown.zip(places.list.top()..places.list.bottom()) {
        let place = Rect {
            y,
            height: 1,
            ..places.list
        };
        line::render(*item, index == position, world, frame, place);
    }
    let Some((item, _)) = selected else { return };
    let more = match &state.schema {
        Some(schema) => {
            json::render(schema, state.reading, theme, frame, places.detail);
            schema.below()
        }
        None => text(state, world, item, frame, places.detail),
    };
    let mark = match more {
        0 => String::new(),
        more => format!(" {} below", format::plural(more as u64, "line")),
    };
    let columns = u16::try_from(width(&mark))
        .unwrap_or(0)
        .min(places.foot.width);
    let room = places.foot.width - columns;
    keys(
        state,
        world,
        frame,
        Rect {
            width: room,
            ..places.foot
        },
    );
    let place = Rect {
        x: places.foot.x + room,
        width: columns,
        ..places.foot
    };
    put(
        frame,
        place,
        vec![Span::styled(mark, theme.style(Role::Dim))],
    );
}

/// What is known of the selected item; how many lines of it are below.
fn text(
    state: &Inventory,
    world: &World,
    item: Item<'_>,
    frame: &mut Frame<'_>,
    area: Rect,
) -> usize {
    let mut lines = detail(world, item, &state.known, area.width);
    if let (true, Some(title)) = (state.reading, lines.first_mut()) {
        let mark = Span::styled("▌ ", world.theme.style(Role::Accent));
        title.spans.insert(0, mark);
    }
    let last = lines.len().saturating_sub(area.height.into());
    let top = state.scroll.min(last);
    for (line, y) in lines.into_iter().skip(top).zip(area.top()..area.bottom()) {
        let place = Rect {
            y,
            height: 1,
            ..area
        };
        frame.render_widget(line, place);
    }
    last - top
}

/// What can be done with the selected item, as far as there is room to say it.
fn keys(state: &Inventory, world: &World, frame: &mut Frame<'_>, area: Rect) {
    let theme = world.theme;
    let mut spans = Vec::new();
    let mut room = usize::from(area.width);
    for binding in keymap::of(Context::Inventory) {
        let (Some(key), said) = (binding.keys.first(), state.offers(world, binding)) else {
            continue;
        };
        if said.is_empty() {
            continue;
        }
        let (key, hint) = (key.label(), format!(" {said}  "));
        let Some(rest) = room.checked_sub(width(&key) + width(&hint)) else {
            break;
        };
        room = rest;
        spans.push(Span::styled(key, theme.style(Role::Accent)));
        spans.push(Span::styled(hint, theme.style(Role::Dim)));
    }
    put(frame, area, spans);
}

/// What narrows the list, or how fresh it is.
fn head(state: &Inventory, world: &World, count: usize, frame: &mut Frame<'_>, area: Rect) {
    let theme = world.theme;
    let mut room = usize::from(area.width.saturating_sub(4));
    if state.typing || !state.filter.is_empty() {
        let notes = beside_filter(state, world, count, room);
        let columns: usize = notes.iter().map(Span::width).sum();
        room = room.saturating_sub(columns + 1);
        let (text, column) = match state.typing {
            true => state.filter.shown(room),
            false => (cut(state.filter.text(), room).into_owned(), 0),
        };
        let role = if state.typing { Role::Text } else { Role::Dim };
        put(
            frame,
            area,
            vec![
                Span::styled("  / ", theme.style(Role::Accent)),
                Span::styled(text, theme.style(role)),
            ],
        );
        let columns = u16::try_from(columns).unwrap_or(area.width);
        let place = Rect {
            x: area.right().saturating_sub(columns + 1),
            width: columns,
            ..area
        };
        put(frame, place, notes);
        if state.typing {
            let column = u16::try_from(column).unwrap_or(0);
            frame.set_cursor_position(Position {
                x: area.x + 4 + column,
                y: area.y,
            });
        }
        return;
    }
    let (listed, stale) = state.freshness(world);
    let failed = listed.and_then(|_| state.refusal(world));
    let (text, role) = match (listed, stale) {
        _ if failed.is_some() => {
            let why = failed.unwrap_or_default();
            (format!("not refreshed: {why}"), Role::Error)
        }
        (_, Some(stale)) => {
            let stale = since(stale, world);
            let key = keymap::label(Context::Inventory, Action::Refresh);
            let refresh = match (world.live, room >= 30) {
                (true, true) => format!(", {key} refreshes"),
                (true, false) => format!("   {key}"),
                (false, _) => String::new(),
            };
            (format!("{stale}{refresh}"), Role::Warn)
        }
        (None, None) if count == 0 && !state.is_not_offered(world) => {
            ("not listed yet".to_owned(), Role::Dim)
        }
        (Some(_), None) | (None, None) => {
            let all = match (state.is_partial(world), room >= 30) {
                (true, true) => ", not all pages seen",
                (true, false) => ", not all",
                (false, _) => "",
            };
            (format!("{}{all}", counted(state, world)), Role::Dim)
        }
    };
    put(
        frame,
        area,
        vec![Span::styled(
            format!("  {}", cut(&text, room + 2)),
            theme.style(role),
        )],
    );
}

/// How many there are of each kind, those apart that nobody listed.
fn counted(state: &Inventory, world: &World) -> String {
    let count = state.count(world);
    let plural = |count: usize, noun| format::plural(count as u64, noun);
    let mut kinds = Vec::new();
    if count.items > 0 || count.listed() + count.unlisted == 0 {
        kinds.push(plural(count.items, state.what.noun()));
    }
    if count.templates > 0 {
        kinds.push(plural(count.templates, "template"));
    }
    if count.unlisted > 0 {
        kinds.push(format!(
            "{} not listed",
            format::count(count.unlisted as u64)
        ));
    }
    kinds.join(", ")
}

/// How many are left of how many, and since when that may be wrong: as much of it as leaves room for the filter.
fn beside_filter(
    state: &Inventory,
    world: &World,
    count: usize,
    room: usize,
) -> Vec<Span<'static>> {
    const TYPED: usize = 12;
    let all = format::count(state.all(world).len() as u64);
    let of = format!("  {} of {all}", format::count(count as u64));
    let (mut long, mut short) = (String::new(), String::new());
    if let (_, Some(stale)) = state.freshness(world) {
        let stale = since(stale, world);
        (long, short) = (format!("  {stale}"), "  stale".to_owned());
    }
    let text = width(state.filter.text());
    let most = room.saturating_sub(
        1 + if state.typing {
            text.max(TYPED)
        } else {
            text.min(TYPED)
        },
    );
    let choices = [[&of, &long], [&of, &short], [&String::new(), &short]];
    let fits =
        |choice: &&[&String; 2]| choice.iter().map(|note| width(note)).sum::<usize>() <= most;
    let Some([of, stale]) = choices.iter().find(fits) else {
        return Vec::new();
    };
    vec![
        Span::styled((*of).clone(), world.theme.style(Role::Dim)),
        Span::styled((*stale).clone(), world.theme.style(Role::Warn)),
    ]
}

/// Why there is no session of the operator's own that could list them, and what to do about it.
fn without_session(world: &World, noun: &str) -> (String, String) {
    let own = world.own_gone();
    let why = own.and_then(|own| own.ended.as_deref()).unwrap_or_default();
    let began = own.is_some_and(|own| own.protocol_version.is_some());
    (
        match began {
            true => format!("Your session ended before the server listed its {noun}s."),
            false => "Your session with the server could not begin.".to_owned(),
        },
        format!(
            "{}. {} tries again.",
            capitalized(&cut(why, 200)),
            keymap::label(Context::Global, Action::Restart),
        ),
    )
}

/// As a sentence begins.
fn capitalized(words: &str) -> String {
    let mut rest = words.chars();
    let first = rest.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(rest).collect()
}

/// Why the list is empty, and what to do about it.
fn nothing(state: &Inventory, world: &World) -> (String, String) {
    let noun = state.what.noun();
    let key = |action| keymap::label(Context::Inventory, action);
    if !state.filter.is_empty() {
        let what = format!("No {noun} has “{}” in it.", cut(state.filter.text(), 30));
        return (what, format!("{} clears the filter.", key(Action::Back)));
    }
    match (state.freshness(world).0, world.live) {
        (Some(_), _) => (
            format!("The server offers no {noun}s."),
            "It was asked, and that is its answer.".to_owned(),
        ),
        (None, _) if state.refusal(world).is_some() => (
            format!("The server does not list its {noun}s."),
            format!(
                "It answered: {}",
                cut(&state.refusal(world).unwrap_or_default(), 200)
            ),
        ),
        (None, _) if state.is_not_offered(world) => (
            format!("The server offers no {noun}s."),
            "They are not among what it says it can do (5 shows that).".to_owned(),
        ),
        // Not all that ends such a session is the server's end, and it has no stderr here.
        (None, true) if world.own_gone().is_some() => without_session(world, noun),
        (None, true) if world.server_gone().is_some() => (
            format!("The server ended before it listed its {noun}s."),
            format!(
                "{} starts it again; {} shows what it wrote on stderr.",
                keymap::label(Context::Global, Action::Restart),
                keymap::label(Context::Global, Action::Pane(Tab::Log)),
            ),
        ),
        (None, true) if world.silence().is_some() => (
            "The server has not said a word yet.".to_owned(),
            "It is asked what it offers as soon as it has.".to_owned(),
        ),
        (None, true) if world.is_greeting() => (
            "The handshake with the server is not over yet.".to_owned(),
            "It is asked what it offers as soon as it is.".to_owned(),
        ),
        (None, true) => (
            format!("Nobody has listed this server's {noun}s yet."),
            format!(
                "{} asks the server now, in a session of your own.",
                key(Action::Refresh)
            ),
        ),
        (None, false) if world.growing => (
            format!("Nobody has listed the server's {noun}s yet."),
            "It cannot be asked from here: mcp-sentinel attach talks to the live proxy.".to_owned(),
        ),
        (None, false) => (
            format!("Nobody listed the server's {noun}s in this conversation."),
            "It is over, so the server cannot be asked any more; mcp-sentinel -- COMMAND starts another."
                .to_owned(),
        ),
    }
}

/// `stale since 12:05`
fn since(stale: Timestamp, world: &World) -> String {
    match stale.is_known() {
        true => {
            let minute = format::minute(stale, world.utc_offset_seconds);
            format!("stale since {minute}")
        }
        false => "stale".to_owned(),
    }
}
