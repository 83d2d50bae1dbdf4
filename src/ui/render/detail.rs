//! Draws the detail of the Traffic pane.

use super::{lines_below, put, standing_rule};
use crate::traffic::{Row, Status};
use crate::ui::app::World;
use crate::ui::app::detail::{Detail, Look, RawLine, Side, tab_width};
use crate::ui::format;
use crate::ui::json::view::View;
use crate::ui::keymap::{self, Action, Context};
use crate::ui::layout::{self, below_heading};
use crate::ui::text::{clean, cut_middle, cut_start, width, wrap};
use crate::ui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
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
        Look::Timing => super::timing::render(detail, world, &row, frame, below_heading(area)),
        Look::Raw => raw(detail, theme, frame, layout::json(area)),
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
        named(world, row, &name, role, room.into()),
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

/// What it is, and, where there are several, in which session, and of whose: as much of that as has room.
fn named(world: &World, row: &Row<'_>, name: &str, role: Role, room: usize) -> Vec<Span<'static>> {
    let theme = world.theme;
    let name = cut_middle(name, room).into_owned();
    let left = room - width(&name);
    let sessions = world.traffic.sessions();
    let of = sessions.iter().find(|session| session.id == row.session.0);
    let said = of.filter(|_| sessions.len() > 1).map(|session| {
        let who = session.client.as_ref().or(session.agent.as_ref());
        let who = who.map_or_else(String::new, |who| format!(" · {}", clean(who)));
        let number = format!(" · session {}", session.id);
        (format!("{number}{who}"), number)
    });
    let said = said.and_then(|(whole, number)| {
        let fits = |said: &String| width(said) <= left;
        Some(whole).filter(fits).or(Some(number).filter(fits))
    });
    let mut spans = vec![Span::styled(name, theme.style(role))];
    spans.extend(said.map(|said| Span::styled(said, theme.style(Role::Dim))));
    spans
}

/// What is wrong with an answer, above it.
pub(super) fn doubts(said: Vec<String>, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    for (line, y) in said.into_iter().zip(area.top()..area.bottom()) {
        let place = Rect {
            y,
            height: 1,
            ..area
        };
        put(
            frame,
            place,
            vec![Span::styled(line, theme.style(Role::Warn))],
        );
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
    let text = detail.text(area, is_answer);
    let place = layout::json(area);
    doubts(detail.doubts(place, is_answer), theme, frame, place);
    if let Some(json) = &side.json {
        super::json::render(json, looked_at, theme, frame, text);
        return;
    }
    let sentence = match (&side.failed, side.part) {
        (Some(reason), _) => format!("cannot read this message: {reason}"),
        (None, Some(_)) => "…".to_owned(),
        (None, None) => no_answer(detail, world, row),
    };
    let role = if side.failed.is_some() {
        Role::Error
    } else {
        Role::Dim
    };
    for (line, y) in wrap(&sentence, text.width.into())
        .into_iter()
        .zip(text.rows())
    {
        put(frame, y, vec![Span::styled(line, theme.style(role))]);
    }
}

/// Why there is nothing at the answer's place.
fn no_answer(detail: &Detail, world: &World, row: &Row<'_>) -> String {
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
        Status::Cancelled if row.outcome.is_empty() => {
            let cancel = detail.cancel();
            match cancel.map(|part| super::timing::said(world, &part)) {
                Some(why) if !why.is_empty() => format!("cancelled before an answer came: {why}"),
                _ => "cancelled before an answer came".to_owned(),
            }
        }
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

/// Columns that a long id keeps where others are to be read, too.
const SHORT_ID: usize = 24;

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
    let mut say = |rank: u8, role: Role, text: String| {
        facts.push((rank, role, text));
        facts.len() - 1
    };
    let mut id = None;
    if let Some(found) = side.json.as_ref().and_then(super::json::found) {
        say(0, Role::Warn, found);
    }
    if let Some(part) = side.part {
        let at = format::time_of_day(part.at, world.utc_offset_seconds);
        if part.at.is_known() {
            say(2, Role::Dim, at);
        }
        if is_answer {
            if detail.answers > 1 {
                let (nth, of) = (detail.nth_answer + 1, detail.answers);
                say(0, Role::Warn, format!("{nth} of {of} (←→)"));
            }
            // How long it took and how it stands are told of the first.
            if detail.nth_answer == 0 {
                // A call that went rounds is told of in the list; here is what its first one brought.
                let first = Row {
                    status: Status::InputRequired,
                    took: row.at.is_known().then(|| (part.at.0 - row.at.0).max(0)),
                    ..row.clone()
                };
                let row = if row.rounds > 0 { &first } else { row };
                if let Some(took) = row.took {
                    say(1, Role::Text, format!("+{}", format::duration(took)));
                }
                let (word, role) = super::list::status(row);
                say(0, role, word.into_owned());
            }
        } else if !row.message_id.is_empty() {
            let whole = cut_start(row.message_id, area.width.into());
            id = Some(say(1, Role::Text, format!("id {whole}")));
        }
        let bytes = format::plural(super::timing::length(world, part.location), "byte");
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
    if let Some(index) = id {
        let whole = width(&facts[index].2).saturating_sub("id ".len());
        // It gives way to as many of the others as it can.
        let columns = [3, 2, 1]
            .map(|rank| whole.saturating_sub(taken(&facts, rank).saturating_sub(room)))
            .into_iter()
            .find(|columns| *columns >= SHORT_ID.min(whole))
            .unwrap_or(SHORT_ID);
        facts[index].2 = format!("id {}", cut_start(row.message_id, columns));
    }
    keep_what_fits(&mut facts, room);
    let facts = facts
        .into_iter()
        .map(|(_, role, text)| Span::styled(format!("  {text}"), theme.style(role)));
    put(frame, area, heading.into_iter().chain(facts).collect());
}

/// Columns of the facts up to this rank.
fn taken(facts: &[(u8, Role, String)], rank: u8) -> usize {
    let facts = facts.iter().filter(|fact| fact.0 <= rank);
    facts.map(|(.., text)| width(text) + 2).sum()
}

/// Takes out what matters least, by the highest rank, until all is to be read.
fn keep_what_fits(facts: &mut Vec<(u8, Role, String)>, room: usize) {
    while taken(facts, u8::MAX) > room {
        let worst = (0..facts.len()).max_by_key(|index| facts[*index].0);
        match worst.filter(|index| facts[*index].0 > 0) {
            Some(worst) => drop(facts.remove(worst)),
            None => return,
        }
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
