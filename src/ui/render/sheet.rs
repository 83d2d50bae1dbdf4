//! Draws [`crate::ui::app::sheet`].

use super::inventory::{READABLE, description};
use super::{choices, detail, diff, editor, form, json, list, put};
use crate::mcp::schema::Argument;
use crate::tap::Route;
use crate::traffic::{Row, RowId, Session, Status};
use crate::ui::app::World;
use crate::ui::app::sheet::sent::{Sent, State};
use crate::ui::app::sheet::subject::{Subject, expanded};
use crate::ui::app::sheet::{Focus, Sheet};
use crate::ui::format;
use crate::ui::keymap::{self, Action, Context};
use crate::ui::text::{NO_NAME, clean, cut, fit, is_blank, width, wrap};
use crate::ui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

pub fn render(sheet: &Sheet, world: &World, frame: &mut Frame<'_>, area: Rect) {
    let theme = world.theme;
    let places = sheet.places(area);
    title(sheet, world, frame, places.title);
    if let Some(round) = sheet.shown_round() {
        let (number, of) = round.number;
        let text = format!("{}   {number} of {of}", round.form.title);
        heading(&text, "", Role::Warn, theme, frame, places.editor_rule);
        return form::render(&round.form, theme, frame, sheet.round_place(area));
    }
    let writing = sheet.focus == Focus::Arguments && sheet.question.is_none();
    let (state, role) = state_of_text(sheet, places.help.height > 0);
    let what = match sheet.subject {
        Subject::Message(_) => "message",
        Subject::Template(_) => "variables",
        _ => "arguments",
    };
    heading(what, &state, role, theme, frame, places.editor_rule);
    if sheet.is_reading_back() {
        put(
            frame,
            places.editor,
            vec![Span::styled("  reading it back…", theme.style(Role::Dim))],
        );
    } else {
        let wrong = |line| sheet.check.on_line(line);
        editor::render(&sheet.editor, writing, &wrong, theme, frame, places.editor);
    }
    help(sheet, world, frame, places.help);
    if let Some(sent) = &sheet.sent {
        let (text, role) = state_of_answer(sent, world);
        heading(&text, "", role, theme, frame, places.answer_rule);
        let said = sent.doubts(places.doubts.union(places.answer));
        detail::doubts(said, theme, frame, inside(places.doubts));
        let focused = sheet.focus == Focus::Answer;
        answer(sent, focused, world, frame, inside(places.answer));
    }
    foot(sheet, theme, frame, places.foot);
    if let Some(offered) = sheet.choices() {
        let place = sheet.choices_place(offered, area);
        // What is covered in part would read like a part of the list.
        let end = match place.bottom() <= places.help.bottom() {
            true => places.help.bottom(),
            false => places.foot.y.max(place.bottom()),
        };
        let covered = Rect {
            height: end - place.y,
            ..place
        };
        frame.render_widget(Clear, covered);
        choices::render(offered, theme, frame, place);
    }
}

/// What is called, and through which session. The name is worth more room than the session.
fn title(sheet: &Sheet, world: &World, frame: &mut Frame<'_>, area: Rect) {
    let theme = world.theme;
    let verb = sheet.subject.verb();
    let room = usize::from(area.width).saturating_sub(verb.len() + 5);
    let called = match is_blank(&sheet.name) {
        true => NO_NAME,
        false => &sheet.name,
    };
    let wanted = width(&clean(called));
    let names = route_names(sheet.route, world);
    let fits = names.iter().find(|name| wanted + width(name) <= room);
    let through = fits.or(names.last()).cloned().unwrap_or_default();
    let room = room.saturating_sub(width(&through));
    let name = fit(&list::cut_name(called, room), room);
    let spans = vec![
        Span::raw(" "),
        Span::styled(format!("{verb} "), theme.style(Role::Accent)),
        Span::styled(name, theme.style(Role::Strong)),
        Span::raw("  "),
        Span::styled(through, theme.style(Role::Operator)),
    ];
    put(frame, area, spans);
}

/// Whether sending in the operator's own session starts a server beside the one that a client has.
fn starts_a_server(world: &World) -> bool {
    let open = |session: &&Session| session.closed_at.is_none();
    let mut open = world.traffic.sessions().iter().filter(open).peekable();
    !world.is_http() && open.peek().is_some() && open.all(|session| session.by != "operator")
}

/// What a session is called, the longest name first.
fn route_names(route: Route, world: &World) -> Vec<String> {
    let Route::Session(id) = route else {
        let mut names = vec!["through your own session", "your own session", "yours"];
        if starts_a_server(world) {
            names[0] = "through your own session, on another server";
            names[1] = "yours, on another server";
        }
        return names.into_iter().map(str::to_owned).collect();
    };
    let session = world
        .traffic
        .sessions()
        .iter()
        .find(|session| session.id == id.0);
    let mut names = Vec::new();
    if let Some(client) = session.and_then(|session| session.client.as_deref()) {
        names.push(format!("through the session of {}", cut(client, 24)));
        names.push(format!("beside {}", cut(client, 24)));
    }
    names.extend([format!("through session {}", id.0), "client's".to_owned()]);
    names
}

/// A rule with words in it.
pub(super) fn heading(
    left: &str,
    right: &str,
    role: Role,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let columns = usize::from(area.width);
    let left = cut(left, columns.saturating_sub(6)).into_owned();
    let room = columns.saturating_sub(width(&left) + 8);
    let right = cut(right, room).into_owned();
    let rule = columns
        .saturating_sub(width(&left) + width(&right) + 6 + if right.is_empty() { 0 } else { 2 });
    let dim = theme.style(Role::Dim);
    let mut spans = vec![
        Span::styled("── ", dim),
        Span::styled(
            left,
            theme.style(if right.is_empty() { role } else { Role::Strong }),
        ),
        Span::styled(format!(" {}", "─".repeat(rule)), dim),
    ];
    if !right.is_empty() {
        spans.push(Span::styled(format!(" {right} "), theme.style(role)));
    }
    spans.push(Span::styled("──", dim));
    put(frame, area, spans);
}

/// `helped`: why nothing was checked is said below the text.
fn state_of_text(sheet: &Sheet, helped: bool) -> (String, Role) {
    let problems = sheet.check.problems.len() as u64;
    match (&sheet.check.unchecked, problems) {
        _ if sheet.loading => (String::new(), Role::Dim),
        (Some(why), 0) if !helped => (format!("not checked: {why}"), Role::Dim),
        (Some(_), 0) => ("not checked".to_owned(), Role::Dim),
        (_, 0) if sheet.has_rule() => ("✓ as the schema wants it".to_owned(), Role::Ok),
        (_, 0) => (String::new(), Role::Dim),
        (_, problems) => (
            format!("✗ {}", format::plural(problems, "problem")),
            Role::Error,
        ),
    }
}

/// What is wrong, and what the arguments mean.
fn help(sheet: &Sheet, world: &World, frame: &mut Frame<'_>, area: Rect) {
    if area.height == 0 {
        return;
    }
    let theme = world.theme;
    let room = usize::from(area.width.saturating_sub(1));
    let arguments = &sheet.arguments;
    let mut last = Vec::new();
    if let Some(text) = brings_back(sheet, world) {
        last.push(Line::default());
        last.push(Line::styled(
            cut(&text, room).into_owned(),
            theme.style(Role::Dim),
        ));
    }
    // The arguments have a line each, and one above them.
    let below = arguments.len() + usize::from(!arguments.is_empty()) + last.len();
    let height = usize::from(area.height).saturating_sub(below);
    let mut lines = wrong(sheet, room, height, theme);
    if let Subject::Template(template) = &sheet.subject {
        let uri = expanded(template, &sheet.editor.text());
        lines.push(Line::styled(
            format!("  → {}", cut(&uri, room.saturating_sub(4))),
            theme.style(Role::Accent),
        ));
    }
    if !lines.is_empty() && !arguments.is_empty() {
        lines.push(Line::default());
    }
    let here = sheet.argument_at_cursor();
    let widest = |of: &dyn Fn(&Argument) -> String, most: usize| {
        let columns = arguments
            .iter()
            .map(|argument| width(&clean(&of(argument))))
            .max();
        columns.unwrap_or(0).min(most)
    };
    let name = widest(&|argument| argument.name.clone(), room / 3);
    // What no description needs is for the types.
    let most = match widest(&description, room) {
        0 => room.saturating_sub(name + 4),
        _ => room / 2,
    };
    let columns = (name, widest(&kind, most));
    let is_here = |argument: &Argument| here.as_deref() == Some(&argument.name);
    let table = |in_full: &dyn Fn(&Argument) -> bool| -> Vec<Line<'static>> {
        let of = |argument: &Argument| {
            let full = in_full(argument);
            argument_lines(argument, is_here(argument), full, columns, room, theme)
        };
        arguments.iter().flat_map(of).collect()
    };
    let all = table(&|_| true);
    let free = usize::from(area.height).saturating_sub(lines.len());
    if all.len() + last.len() <= free {
        lines.extend(all);
        lines.extend(last);
    } else {
        // A line for each, but for the one at the cursor.
        let at = arguments.iter().position(is_here).unwrap_or(0);
        let table = table(&is_here);
        let fits = table.len() + last.len() <= free;
        lines.extend(around(table, at, free, theme));
        lines.extend(last.into_iter().filter(|_| fits));
    }
    for (line, y) in lines.into_iter().zip(area.top()..area.bottom()) {
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

/// The arguments that can take the place of those on the screen.
fn brings_back(sheet: &Sheet, world: &World) -> Option<String> {
    let key = keymap::label(Context::Sheet, Action::Earlier);
    let count = || {
        let count = sheet.earlier_count(world);
        count.map_or_else(String::new, |count| format!(" ({count})"))
    };
    Some(match (sheet.has_earlier(world), sheet.can_start_afresh()) {
        _ if sheet.sent.is_some() => return None,
        (false, false) => return None,
        (true, false) => format!("  {key} brings back earlier arguments{}", count()),
        (true, true) => format!(
            "  {key} brings back earlier arguments{}, then a fresh start",
            count()
        ),
        (false, true) => format!("  {key} makes a fresh start"),
    })
}

/// As many of the lines as there is room for, among them this one, and how many there are beside them.
fn around(lines: Vec<Line<'static>>, at: usize, room: usize, theme: Theme) -> Vec<Line<'static>> {
    let above = at.saturating_sub(room / 2);
    let above = above.min(lines.len().saturating_sub(room));
    let below = lines.len().saturating_sub(above + room);
    let mut shown: Vec<_> = lines.into_iter().skip(above).take(room).collect();
    // Fewer are all needed.
    if room >= 3 {
        let said = |hidden: usize, where_to: &str| {
            let hidden = format::plural(hidden as u64 + 1, "line");
            Line::styled(format!("  … {hidden} {where_to}"), theme.style(Role::Dim))
        };
        if above > 0 {
            shown[0] = said(above, "above");
        }
        if below > 0 {
            shown[room - 1] = said(below, "below");
        }
    }
    shown
}

/// What is wrong with the text, or why nobody can say: to its end where there is room for that.
fn wrong(sheet: &Sheet, room: usize, height: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut said: Vec<(&str, String, Role)> = Vec::new();
    if let (Some(why), []) = (&sheet.check.unchecked, &sheet.check.problems[..]) {
        said.push(("  ", format!("Not checked: {why}."), Role::Dim));
    }
    for problem in &sheet.check.problems {
        let text = match problem.pointer.trim_start_matches('/') {
            "" => problem.message.clone(),
            place => format!("{place}: {}", problem.message),
        };
        said.push(("  ✗ ", text, Role::Error));
    }
    let whole: Vec<Line<'static>> = said
        .iter()
        .flat_map(|(mark, text, role)| {
            let lines = wrap(text, room.saturating_sub(width(mark)));
            lines.into_iter().enumerate().map(move |(index, line)| {
                let mark = match index {
                    0 => (*mark).to_owned(),
                    _ => " ".repeat(width(mark)),
                };
                Line::styled(format!("{mark}{line}"), theme.style(*role))
            })
        })
        .collect();
    if whole.len() <= height {
        return whole;
    }
    let short = |(mark, text, role): &(&str, String, Role)| {
        let text = cut(text, room.saturating_sub(width(mark)));
        Line::styled(format!("{mark}{text}"), theme.style(*role))
    };
    said.iter().map(short).collect()
}

/// `number, needed`
fn kind(argument: &Argument) -> String {
    let needed = if argument.required { ", needed" } else { "" };
    format!("{}{needed}", argument.type_name)
}

/// A row of the table, with all that is said of the argument or with what fits one line; `columns` are those of name and
/// kind.
fn argument_lines(
    argument: &Argument,
    here: bool,
    in_full: bool,
    columns: (usize, usize),
    room: usize,
    theme: Theme,
) -> Vec<Line<'static>> {
    let mark = if here { "▸ " } else { "  " };
    let beside = columns.0 + columns.1 + 6;
    let rest = room.saturating_sub(beside);
    let said = description(argument);
    let (first, more) = match in_full {
        true if rest >= READABLE || width(&clean(&said)) <= rest => {
            let mut lines = wrap(&said, rest).into_iter();
            (lines.next().unwrap_or_default(), indented(lines, beside))
        }
        true => {
            let lines = wrap(&said, room.saturating_sub(4)).into_iter();
            (String::new(), indented(lines, 4))
        }
        false => (cut(&said, rest).into_owned(), Vec::new()),
    };
    let row = Line::from(vec![
        Span::styled(mark, theme.style(Role::Accent)),
        Span::styled(fit(&argument.name, columns.0), theme.style(Role::JsonKey)),
        Span::styled(
            format!("  {}  ", fit(&kind(argument), columns.1)),
            theme.style(Role::Dim),
        ),
        Span::raw(first),
    ]);
    std::iter::once(row).chain(more).collect()
}

fn indented(lines: impl Iterator<Item = String>, columns: usize) -> Vec<Line<'static>> {
    let indent = " ".repeat(columns);
    lines
        .map(|line| Line::raw(format!("{indent}{line}")))
        .collect()
}

fn state_of_answer(sent: &Sent, world: &World) -> (String, Role) {
    let Some(row) = sent.row(world) else {
        return match &sent.state {
            State::Refused(_) => ("not sent".to_owned(), Role::Error),
            State::Notified => ("sent".to_owned(), Role::Ok),
            State::Handed | State::Written { .. } => ("on its way".to_owned(), Role::Dim),
        };
    };
    let (word, role) = list::status(&row);
    let (took, _) = list::took(world, &row);
    let mut facts = vec![
        if sent.comparison.is_some() {
            "difference"
        } else {
            "answer"
        }
        .to_owned(),
        word.into_owned(),
    ];
    facts.extend([took].into_iter().filter(|took| !took.trim().is_empty()));
    if let Some(answer) = row.answer {
        let unit = if answer.len < 1000 { " bytes" } else { "" };
        facts.push(format!("{}{unit}", format::size(answer.len.into())));
    }
    let searched = (sent.answer.as_ref())
        .filter(|_| sent.comparison.is_none())
        .and_then(json::found);
    facts.extend(searched);
    (facts.join(" · "), role)
}

/// A column in.
fn inside(area: Rect) -> Rect {
    Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(1),
        ..area
    }
}

fn answer(sent: &Sent, focused: bool, world: &World, frame: &mut Frame<'_>, inside: Rect) {
    let theme = world.theme;
    match (&sent.comparison, &sent.answer) {
        (Some(comparison), _) => {
            diff::render(&comparison.diff, comparison.top, theme, frame, inside)
        }
        (None, Some(view)) => json::render(view, focused, theme, frame, inside),
        (None, None) => {
            let row = sent.row(world);
            let (text, role) = without_answer(sent, row.as_ref(), world);
            let mut lines: Vec<(String, Role)> = wrap(&text, inside.width.into())
                .into_iter()
                .map(|line| (line, role))
                .collect();
            if let Some(progress) = row.as_ref().and_then(|row| row.progress) {
                lines.push((list::bar(progress), Role::Accent));
                let words = sent.progress.as_deref().unwrap_or_default();
                let words = wrap(words, inside.width.into()).into_iter();
                lines.extend(words.map(|line| (line, Role::Text)));
            }
            if let Some(first) = row.as_ref().and_then(|row| asks(world, row)) {
                let key = keymap::label(Context::Global, Action::Answer);
                lines.push((
                    format!("The server asks you something{first}: {key} shows it."),
                    Role::Warn,
                ));
            }
            for ((line, role), y) in lines.into_iter().zip(inside.top()..inside.bottom()) {
                put(
                    frame,
                    Rect {
                        y,
                        height: 1,
                        ..inside
                    },
                    vec![Span::styled(line, theme.style(role))],
                );
            }
        }
    }
}

/// Whether the server asks something before it goes on with this call; without that word where it does not say for which
/// call it asks.
fn asks(world: &World, call: &Row<'_>) -> Option<&'static str> {
    let waiting = world.traffic.waiting_for_operator();
    let rows = waiting.iter().filter_map(|row| world.traffic.row(*row));
    let parents: Vec<Option<RowId>> = rows
        .filter(|row| row.session == call.session)
        .map(|row| row.parent)
        .collect();
    if parents.contains(&Some(call.id)) {
        return Some(" first");
    }
    parents.contains(&None).then_some("")
}

/// What helps where the server is gone.
fn restart(world: &World) -> String {
    let key = keymap::label(Context::Global, Action::Restart);
    match (world.own_gone(), world.server_gone()) {
        (Some(_), _) => format!(" {key} begins another session."),
        (_, Some(_)) => format!(" {key} starts the server again."),
        (None, None) => String::new(),
    }
}

fn without_answer(sent: &Sent, row: Option<&Row<'_>>, world: &World) -> (String, Role) {
    let outcome = row.map_or("", |row| row.outcome);
    match (&sent.state, row.map(|row| row.status)) {
        (State::Refused(why), _) => match restart(world).as_str() {
            "" => (why.clone(), Role::Error),
            helps => (format!("{why}.{helps}"), Role::Error),
        },
        (State::Notified, _) => ("A notification has no answer.".to_owned(), Role::Dim),
        _ if sent.trouble.is_some() => {
            let why = sent.trouble.as_deref().unwrap_or_default();
            (
                format!("The answer cannot be read back: {why}"),
                Role::Error,
            )
        }
        (_, Some(Status::Lost)) if !outcome.is_empty() => (
            format!("No answer came: {outcome}.{}", restart(world)),
            Role::Error,
        ),
        (_, Some(Status::Lost)) => (
            "No answer came: the session ended first.".to_owned(),
            Role::Error,
        ),
        (_, Some(Status::Cancelled)) => (
            "No answer came: the call was cancelled.".to_owned(),
            Role::Dim,
        ),
        (State::Handed, _) => ("Handing it to the proxy…".to_owned(), Role::Dim),
        (State::Written { .. }, _) => ("Waiting for the answer…".to_owned(), Role::Dim),
    }
}

/// The question, or what stood in the way.
fn foot(sheet: &Sheet, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let (text, role) = sheet.foot();
    let lines = wrap(&text, area.width.saturating_sub(2).into());
    for (line, y) in lines.into_iter().zip(area.top()..area.bottom()) {
        let place = Rect {
            x: area.x + 1,
            y,
            width: area.width.saturating_sub(1),
            height: 1,
        };
        put(frame, place, vec![Span::styled(line, theme.style(role))]);
    }
}
