//! Draws the Traffic pane: the list, and the selected message beside or below it.

mod columns;

use super::{NOTHING_MATCHES, empty, put, rule, standing_rule};
use crate::mcp::methods;
use crate::tap::{Party, SessionId};
use crate::traffic::view::Shown;
use crate::traffic::{ANSWERED_AGAIN, GAP, Progress, Row, RowId, RowKind, Status, elicited};
use crate::ui::app::detail::http::class;
use crate::ui::app::list::List;
use crate::ui::app::{App, Reading, World};
use crate::ui::format;
use crate::ui::layout::Panes;
use crate::ui::text::{NO_NAME, cut, fit, fit_right, is_blank, width};
use crate::ui::theme::{Role, Theme};
use columns::Columns;
use columns::cut_id;
pub use columns::cut_name;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;
use std::borrow::Cow;

/// In fewer columns an arrow says who wrote it.
const LEAST_FROM: usize = 7;

pub fn render(app: &App, frame: &mut Frame<'_>, panes: &Panes) {
    let world = &app.world;
    let theme = world.theme;
    let mut columns = Columns::of(panes.rows.width.into(), world.traffic.longest_id());
    let sessions = world.traffic.sessions();
    let is_beside = panes.divider.width == 1;
    if let Some(last) = sessions.last().filter(|_| is_beside && sessions.len() > 1) {
        columns = columns.with_session(last.id.to_string().len());
    }
    heading(theme, &columns, frame, panes.heading);
    let height = usize::from(panes.rows.height);
    if app.list.is_empty() {
        empty(theme, frame, panes.rows, &nothing(app));
    }
    let selected = app.list.selected(&world.traffic).map(|(row, _)| row);
    let mut above = app.list.above(&world.traffic, height);
    for (shown, y) in app
        .list
        .window(&world.traffic, height)
        .into_iter()
        .zip(panes.rows.y..)
    {
        let Some(row) = world.traffic.row(shown.row) else {
            continue;
        };
        let place = Rect {
            y,
            height: 1,
            ..panes.rows
        };
        let is_selected = selected == Some(shown.row);
        let mut spans = line(&app.list, world, &columns, shown, &row, is_selected);
        if let Some(day) = another_day(world, above.replace(shown.row), &row, columns.time) {
            spans[1] = Span::styled(day, theme.style(Role::Accent));
        }
        put(frame, place, spans);
        if is_selected {
            let focused = !app.detail.focused;
            frame.buffer_mut().set_style(
                place,
                theme.style(if focused {
                    Role::Selected
                } else {
                    Role::Strong
                }),
            );
        }
    }
    if panes.divider.width > 1 {
        rule(theme, frame, panes.divider);
        position(app, frame, panes.divider);
    } else {
        standing_rule(theme, frame, panes.divider);
    }
    super::detail::render(&app.detail, world, frame, panes.detail);
}

/// Where in the list one is, on the rule below it, when not all of it is to be seen.
fn position(app: &App, frame: &mut Frame<'_>, rule: Rect) {
    let (all, shown) = (app.list.len(), usize::from(app.panes().rows.height));
    let Some((_, at)) = app
        .list
        .selected(&app.world.traffic)
        .filter(|_| all > shown)
    else {
        return;
    };
    let text = format!(
        " {} of {} ",
        format::count(at as u64 + 1),
        format::count(all as u64)
    );
    let columns = u16::try_from(width(&text)).unwrap_or(0).min(rule.width);
    let place = Rect {
        x: rule.right().saturating_sub(columns + 2),
        width: columns,
        ..rule
    };
    put(
        frame,
        place,
        vec![Span::styled(text, app.world.theme.style(Role::Dim))],
    );
}

/// What an empty list says.
fn nothing(app: &App) -> Vec<&str> {
    if !app.world.traffic.is_empty() && !app.list.filter.is_empty() {
        let status = "error, ok and the other words of STATUS find what stands so, #2 finds session 2; in quotes, texts.";
        return [&NOTHING_MATCHES[..], &[status]].concat();
    }
    match &app.reading {
        Reading::Failed { why, .. } => vec!["This capture cannot be read.", why],
        Reading::Opening | Reading::Loading(..) => vec!["Reading the capture…"],
        Reading::Live if app.world.is_http() => vec![
            "No messages yet.",
            "They appear here as soon as a client talks to the server, or press 2 to call a tool yourself.",
        ],
        Reading::Live => vec![
            "No messages yet.",
            "The server is running. Messages appear here as soon as a client talks to it, or press 2 to call a tool \
             yourself.",
        ],
        Reading::Ended if app.world.is_http() => vec![
            "The conversation ended before any message.",
            "6 shows what went wrong here, if anything did.",
        ],
        Reading::Ended => vec![
            "The conversation ended before any message.",
            "6 shows what the server wrote to stderr.",
        ],
        Reading::Saved | Reading::Growing => vec!["This capture holds no messages."],
    }
}

fn heading(theme: Theme, columns: &Columns, frame: &mut Frame<'_>, area: Rect) {
    let gap = " ".repeat(columns.gap);
    let mut text = "  ".to_owned();
    let from = if columns.from >= LEAST_FROM {
        "FROM"
    } else {
        ""
    };
    let cells = [
        ("TIME", columns.time),
        (from, columns.from),
        ("ID", columns.id),
        ("KIND", columns.kind),
        ("MESSAGE", columns.message),
        ("STATUS", columns.status),
    ];
    for (title, width) in cells.into_iter().filter(|(_, width)| *width > 0) {
        text.push_str(&fit(title, width));
        text.push_str(&gap);
    }
    for (title, width) in [("TOOK", columns.took), ("SIZE", columns.size)] {
        if width > 0 {
            text.push_str(&fit_right(title, width));
            text.push_str(&gap);
        }
    }
    put(
        frame,
        area,
        vec![Span::styled(text, theme.style(Role::Dim))],
    );
}

fn line(
    list: &List,
    world: &World,
    columns: &Columns,
    shown: Shown,
    row: &Row<'_>,
    is_selected: bool,
) -> Vec<Span<'static>> {
    let theme = world.theme;
    let unanswered = columns.unanswered();
    let columns = match row.kind {
        RowKind::Mark | RowKind::Stderr => &unanswered,
        RowKind::Notification if row.status == Status::None && row.took.is_none() => &unanswered,
        _ => columns,
    };
    let gap = || Span::raw(" ".repeat(columns.gap));
    let mark = if is_selected { "▌ " } else { "  " };
    let mut time = format::time_of_day(row.at, world.utc_offset_seconds);
    if shown.depth > 0 {
        // Shorter and further in: it is part of something above.
        time = format!(
            "{:indent$}{time}",
            "",
            indent = usize::from(shown.depth.min(3)) * 2
        );
    }
    let mut spans = vec![Span::styled(mark, theme.style(Role::Accent))];
    spans.push(Span::styled(
        fit_time(&time, columns.time),
        theme.style(Role::Dim),
    ));
    spans.push(gap());
    from(theme, columns, row, &mut spans);
    spans.push(gap());
    if columns.id > 0 {
        spans.push(Span::styled(
            fit(&cut_id(row.message_id, columns.id), columns.id),
            theme.style(Role::Dim),
        ));
        spans.push(gap());
    }
    if columns.kind > 0 {
        spans.push(Span::styled(
            fit(kind_word(row.kind), columns.kind),
            theme.style(Role::Dim),
        ));
        spans.push(gap());
    }
    message(list, world, columns, shown, row, &mut spans);
    if columns.status > 0 {
        let (word, role) = status(row);
        let word = match row.status {
            Status::InputRequired if width(&word) > columns.status => "asks input".into(),
            _ => word,
        };
        spans.push(gap());
        spans.push(Span::styled(fit(&word, columns.status), theme.style(role)));
    }
    if columns.took > 0 {
        let (took, role) = took(world, row);
        spans.push(gap());
        spans.push(Span::styled(
            fit_right(&took, columns.took),
            theme.style(role),
        ));
    }
    if columns.size > 0 {
        spans.push(gap());
        spans.push(Span::styled(
            fit_right(&format::size(row.size), columns.size),
            theme.style(Role::Dim),
        ));
    }
    spans
}

/// In four letters: a request with its answer, a notification, an answer to nothing, bytes that are no message, HTTP
/// without one, stderr.
fn kind_word(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Exchange => "req",
        RowKind::Notification => "ntf",
        RowKind::Orphan => "ans",
        RowKind::Garbage => "raw",
        RowKind::Http => "http",
        RowKind::Stderr => "err",
        RowKind::Mark => "",
    }
}

/// A time is cut at its fraction, without a mark: everybody knows what is missing.
fn fit_time(time: &str, columns: usize) -> String {
    format!(
        "{:columns$}",
        time.chars()
            .take(columns)
            .collect::<String>()
            .trim_end_matches('.')
    )
}

/// The date in the place of the time, in the first row of a day that is another than that of the row above.
fn another_day(
    world: &World,
    above: Option<RowId>,
    row: &Row<'_>,
    columns: usize,
) -> Option<String> {
    let above = world.traffic.row(above?)?;
    let zone = world.utc_offset_seconds;
    let day = |row: &Row<'_>| row.at.is_known().then(|| format::day(row.at, zone));
    if day(&above)? == day(row)? {
        return None;
    }
    let date = format::date_of(row.at, zone);
    let (_, date) = date.split_once('-').unwrap_or_default();
    Some(date_and_minute(
        date,
        &format::minute(row.at, zone),
        columns,
    ))
}

/// The minute only where it is whole: a lone hour would be taken for a part of the date.
fn date_and_minute(date: &str, minute: &str, columns: usize) -> String {
    let both = format!("{date} {minute}");
    fit_time(if both.len() > columns { date } else { &both }, columns)
}

/// Who wrote it, and in which session if in any.
fn from(theme: Theme, columns: &Columns, row: &Row<'_>, spans: &mut Vec<Span<'static>>) {
    let (word, arrow, role) = match (row.kind, row.from) {
        (RowKind::Mark, _) | (_, Party::Sentinel) => ("sentinel", "·", Role::Dim),
        (_, Party::Client) => ("client", "→", Role::Request),
        (_, Party::Server) => ("server", "←", Role::Answer),
        (_, Party::Operator) => ("operator", "»", Role::Operator),
    };
    let session = match row.session {
        SessionId::NONE => String::new(),
        session => format!(" {}", session.0),
    };
    if columns.from < LEAST_FROM {
        spans.push(Span::styled(arrow, theme.style(role)));
        let rest = fit(&session, columns.from - 1);
        return spans.push(Span::styled(rest, theme.style(Role::Dim)));
    }
    // The number tells sessions from each other, the word is told by its beginning.
    let room = columns.from.saturating_sub(session.len());
    let word = cut(word, room);
    let rest = columns.from.saturating_sub(width(&word));
    spans.push(Span::styled(word, theme.style(role)));
    spans.push(Span::styled(fit(&session, rest), theme.style(Role::Dim)));
}

/// Method, name, and what a person would say of it.
fn message(
    list: &List,
    world: &World,
    columns: &Columns,
    shown: Shown,
    row: &Row<'_>,
    spans: &mut Vec<Span<'static>>,
) {
    let theme = world.theme;
    let mut room = columns.message;
    let mut push = |text: String, role: Role, room: &mut usize| {
        *room = room.saturating_sub(width(&text));
        spans.push(Span::styled(text, theme.style(role)));
    };
    if shown.depth > 0 {
        let indent = format!("{}└ ", "  ".repeat(usize::from(shown.depth.min(8)) - 1));
        push(cut(&indent, room).into_owned(), Role::Dim, &mut room);
    }
    let quiet = matches!(
        row.kind,
        RowKind::Notification | RowKind::Stderr | RowKind::Mark
    );
    let role = match row.kind {
        _ if is_gap(row) => Role::Error,
        RowKind::Garbage | RowKind::Orphan => Role::Warn,
        _ if quiet => Role::Dim,
        _ => Role::Text,
    };
    let marks = marks(list, world, row);
    let marked: usize = marks.iter().map(|(mark, _)| width(mark)).sum();
    let (name, name_role) = match is_nameless(row) {
        true => (NO_NAME, Role::Dim),
        false => (row.name, Role::Strong),
    };
    let words = gist(world, row, columns.left_of(room, row.method, name, marked));
    let said = marked + width(&words);
    let (method, name, start) = columns.share(room, row.method, name, said);
    let used = width(&method) + width(&name);
    // Its words have no name beside them anywhere: one column for all.
    let start = match row.kind {
        RowKind::Stderr => used + columns.gap_in_message(),
        _ => start,
    };
    push(method, role, &mut room);
    push(name, name_role, &mut room);
    push(" ".repeat(start.saturating_sub(used)), role, &mut room);
    for (mark, role) in marks {
        push(cut(&mark, room).into_owned(), role, &mut room);
    }
    let said = match row.status {
        Status::Error | Status::ToolError | Status::Lost => Role::Text,
        _ if is_gap(row) => Role::Error,
        _ => Role::Dim,
    };
    push(fit(&words, room), said, &mut room);
}

/// It asks for something by its name, and nothing of that is to be seen.
fn is_nameless(row: &Row<'_>) -> bool {
    let asks = [
        methods::TOOLS_CALL,
        methods::PROMPTS_GET,
        methods::RESOURCES_READ,
    ];
    asks.contains(&row.method) && is_blank(row.name)
}

/// What stands before the words: how much is folded away, what it is a replay of, how far it has got.
fn marks(list: &List, world: &World, row: &Row<'_>) -> Vec<(String, Role)> {
    let mut marks = Vec::new();
    if row.children > 0 {
        // What waits is shown in any case.
        let folded = row.children - row.waiting;
        let mark = if list.is_unfolded(row.id) || folded == 0 {
            format!("▾{} ", row.children)
        } else {
            format!("▸{folded} ")
        };
        marks.push((mark, Role::Accent));
    }
    if row.rounds > 0 {
        marks.push((format!("{} rounds  ", row.rounds), Role::Dim));
    }
    let original = row.replay_of.and_then(|row| world.traffic.row(row));
    if let Some(original) = original {
        let at = format::clock(original.at, world.utc_offset_seconds);
        marks.push((format!("↺ {at}  "), Role::Operator));
    }
    if row.answered_again {
        marks.push((format!("{ANSWERED_AGAIN}  "), Role::Warn));
    }
    if let Some(progress) = row.progress.filter(|_| row.status == Status::Pending) {
        marks.push((format!("{}  ", bar(progress)), Role::Accent));
    }
    marks
}

/// What a person would say of the row. What went wrong matters more than what was asked, when there is no room for both.
fn gist<'r>(world: &World, row: &Row<'r>, room: usize) -> Cow<'r, str> {
    let failed = matches!(row.status, Status::Error | Status::ToolError | Status::Lost);
    let events = world.traffic.http(row.id).map(|http| http.events.into());
    if let (RowKind::Http, Status::Streaming, Some(events)) = (row.kind, row.status, events) {
        return format::plural(events, "event").into();
    }
    // The number stands in a column of its own, where it is how the row stands.
    if row.kind == RowKind::Http && status(row).0.starts_with(|c: char| c.is_ascii_digit()) {
        let words = row.summary.trim_start_matches(|c: char| c.is_ascii_digit());
        return words.trim_start().into();
    }
    if !failed || row.outcome.is_empty() || row.outcome == row.summary {
        return row.summary.into();
    }
    // An answer that failed is already told with what was asked.
    let both: Cow<'_, str> = match row.answer {
        Some(_) => row.summary.into(),
        None => format!("{}{BECAUSE}{}", cut(row.summary, 40), row.outcome).into(),
    };
    if width(&both) <= room {
        return both;
    }
    // What fell with its session is told from the others by what was asked: the reason is that of all of them.
    let why = width(row.outcome).min(room / 2);
    match room.saturating_sub(why + ARROW) {
        asked @ LEAST_ASKED.. if row.status == Status::Lost => {
            let asked = cut(row.summary, asked.min(40));
            let why = cut(row.outcome, room - width(&asked) - ARROW);
            format!("{asked}{BECAUSE}{why}").into()
        }
        _ => row.outcome.into(),
    }
}

/// Between what was asked and what became of it.
const BECAUSE: &str = " → ";
const ARROW: usize = 3;
/// What was asked says nothing in fewer columns.
const LEAST_ASKED: usize = 8;

fn is_gap(row: &Row<'_>) -> bool {
    row.kind == RowKind::Mark && row.method == GAP
}

/// `▓▓▓▓░░ 3/5`.
pub fn bar(progress: Progress) -> String {
    const CELLS: f64 = 10.0;
    let number = |value: f64| {
        if value.fract() == 0.0 {
            format!("{value:.0}")
        } else {
            format!("{value:.1}")
        }
    };
    let Some(total) = progress.total.filter(|total| *total > 0.0) else {
        return format!("▓… {}", number(progress.done));
    };
    let share = (progress.done / total).clamp(0.0, 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 10"
    )]
    let full = if share.is_nan() {
        0
    } else {
        (share * CELLS).round() as usize
    };
    format!(
        "{}{} {}/{}",
        "▓".repeat(full),
        "░".repeat(10 - full),
        number(progress.done),
        number(total)
    )
}

/// How it stands, in a word, and what the word means.
pub fn status(row: &Row<'_>) -> (Cow<'static, str>, Role) {
    let role = match row.status {
        Status::None if row.kind == RowKind::Garbage && row.from == Party::Server => Role::Warn,
        Status::None if row.kind == RowKind::Orphan => Role::Warn,
        Status::Error if row.method == methods::DISCOVER => Role::Dim,
        Status::None | Status::Cancelled | Status::Late => Role::Dim,
        Status::Pending | Status::InputRequired => Role::Warn,
        Status::Ok | Status::Streaming => Role::Ok,
        Status::ToolError | Status::Error | Status::Lost => Role::Error,
    };
    let role = match elicited(row.method, row.status, row.outcome) {
        None | Some("accepted") => role,
        Some(_) => Role::Dim,
    };
    match (row.kind, row.status, row.http_status) {
        (RowKind::Http, Status::Ok | Status::Error, Some(status)) => {
            (status.to_string().into(), class(status))
        }
        _ => (row.status_word.into(), role),
    }
}

/// How long it took; or how long it has been waiting, with `…`. Amber when nearly all others were faster.
pub fn took(world: &World, row: &Row<'_>) -> (String, Role) {
    let running = row.status == Status::Pending && world.live;
    let Some(micros) = row
        .took
        .or_else(|| running.then(|| (world.now.0 - row.at.0).max(0)))
    else {
        let ended = matches!(row.kind, RowKind::Exchange | RowKind::Http)
            && !matches!(row.status, Status::Pending | Status::Streaming);
        // The clock was set back meanwhile.
        let unknown = if ended && row.at.is_known() { "?" } else { "" };
        return (unknown.to_owned(), Role::Dim);
    };
    let slow = world
        .traffic
        .percentile_of(row.id, 95)
        .is_some_and(|most| micros > most);
    let role = if slow { Role::Warn } else { Role::Text };
    let text = format::duration(micros);
    (if running { format!("{text}…") } else { text }, role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_day_stands_with_its_minute_or_alone() {
        assert_eq!(date_and_minute("11-22", "13:05", 12), "11-22 13:05 ");
        assert_eq!(date_and_minute("11-22", "13:05", 11), "11-22 13:05");
        assert_eq!(date_and_minute("11-22", "13:05", 8), "11-22   ");
    }

    #[test]
    fn progress_is_drawn_whatever_the_server_says() {
        let bar = |done, total| bar(Progress { done, total });
        assert_eq!(bar(3.0, Some(5.0)), "▓▓▓▓▓▓░░░░ 3/5");
        assert_eq!(bar(7.0, Some(5.0)), "▓▓▓▓▓▓▓▓▓▓ 7/5");
        assert_eq!(bar(0.5, None), "▓… 0.5");
        assert_eq!(bar(1.0, Some(0.0)), "▓… 1");
        assert_eq!(bar(f64::NAN, Some(2.0)), "░░░░░░░░░░ NaN/2");
    }
}
