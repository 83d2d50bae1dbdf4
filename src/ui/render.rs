//! Draws the state. Pure: the same [`App`] and the same size give the same cells. One file a pane, each a function
//! `render(&Part, &World, &mut Frame, Rect)`; only what is visible is built.

pub mod ask;
pub mod cells;
pub mod choices;
pub mod detail;
pub mod diff;
pub mod editor;
pub mod form;
pub mod help;
pub mod http;
pub mod hub;
pub mod inventory;
pub mod json;
pub mod list;
pub mod log;
pub mod server;
pub mod sheet;
pub mod status;
pub mod timing;

use super::app::{App, Question, Tab, World};
use super::format;
use super::layout::{self, LEAST};
use super::text;
use super::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

/// What a list says that its filter leaves nothing of.
const NOTHING_MATCHES: [&str; 2] = [
    "Nothing matches the filter.",
    "Esc clears it, / changes it. !word leaves out what has the word.",
];

pub fn render(app: &App, frame: &mut Frame<'_>) {
    let area = frame.area();
    if layout::is_too_small(area) {
        return what_matters(app, frame, area);
    }
    let panes = layout::panes(area, app);
    let world = &app.world;
    title(app, frame, panes.title);
    for area in panes.rules {
        rule(world.theme, frame, area);
    }
    standing(world, frame, panes.rules[0]);
    match app.tab {
        Tab::Traffic => list::render(app, frame, &panes),
        Tab::Tools => inventory::render(&app.tools, world, frame, panes.body),
        Tab::Resources => inventory::render(&app.resources, world, frame, panes.body),
        Tab::Prompts => inventory::render(&app.prompts, world, frame, panes.body),
        Tab::Server => server::render(&app.server, world, frame, panes.left),
        Tab::Log => log::render(&app.log, world, frame, panes.left),
    }
    if let Some(sheet) = &app.sheet {
        over(frame, &panes, panes.sheet, world.theme);
        sheet::render(sheet, world, frame, panes.sheet);
    }
    if let Some(ask) = &app.ask {
        over(frame, &panes, panes.sheet, world.theme);
        ask::render(ask, world, frame, panes.sheet);
    }
    if let Some(help) = &app.help {
        frame.render_widget(Clear, panes.body);
        help::render(help, world.theme, frame, panes.body);
    }
    status::render(app, frame, panes.status);
}

/// Clears the place of a sheet, with a rule at its left where something is left of it: where panes have theirs.
fn over(frame: &mut Frame<'_>, panes: &layout::Panes, area: Rect, theme: Theme) {
    frame.render_widget(Clear, area);
    let left = area.x - panes.body.x;
    if left > 0 {
        let gap = left.min(2);
        let edge = Rect {
            x: area.x - gap,
            width: gap,
            ..area
        };
        frame.render_widget(Clear, edge);
        standing_rule(theme, frame, Rect { width: 1, ..edge });
    }
}

/// A screen that nothing fits on says so, and keeps what matters most.
fn what_matters(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let counters = app.world.traffic.counters();
    let mut lines = vec![
        status::state_word(app).to_owned(),
        format::plural(counters.messages, "message"),
        format::plural(counters.errors, "error"),
    ];
    match app.question {
        Some(Question::Quit) => lines.push("quit? y / n".to_owned()),
        Some(Question::Renew) => lines.push("start again? y / n".to_owned()),
        None => lines.extend(ways_out(app.is_over_panes())),
    }
    only(&lines, frame, area);
}

/// Of a screen that is too small, or of what is open on it first.
fn ways_out(closes: bool) -> [String; 2] {
    [
        if closes { "Esc closes" } else { "q quits" }.to_owned(),
        format!("enlarge to {}x{}", LEAST.0, LEAST.1),
    ]
}

/// Lines, and nothing else.
fn only(lines: &[String], frame: &mut Frame<'_>, area: Rect) {
    // What to do comes first when there is room for one line only.
    let skip = lines.len().saturating_sub(usize::from(area.height));
    for (line, y) in lines.iter().skip(skip).zip(area.y..) {
        let place = Rect {
            y,
            height: 1,
            ..area
        };
        let line = text::cut(line, area.width.into()).into_owned();
        put(frame, place, vec![Span::raw(line)]);
    }
}

fn title(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let world = &app.world;
    let theme = world.theme;
    let tabs = layout::tabs(area, app);
    let room = tabs
        .first()
        .map_or(area.width, |(.., place)| place.x.saturating_sub(area.x + 2));
    let mut spans = vec![Span::raw(" ")];
    if room >= 54 {
        spans.push(Span::styled("MCP Sentinel", theme.style(Role::Accent)));
        spans.push(Span::raw("   "));
    }
    let taken: usize = spans.iter().map(Span::width).sum();
    let name = server_name(app);
    let name = text::cut(&name, usize::from(room).saturating_sub(taken));
    spans.push(Span::styled(name, theme.style(Role::Strong)));
    let mut facts: Vec<String> = world
        .header
        .iter()
        .map(|header| header.transport.clone())
        .collect();
    facts.extend(protocol(app));
    let mut left = usize::from(room).saturating_sub(spans.iter().map(Span::width).sum());
    for fact in facts.iter().filter(|fact| !fact.is_empty()) {
        let fact = format!(" · {}", text::cut(fact, 24));
        if text::width(&fact) > left {
            break;
        }
        left -= text::width(&fact);
        spans.push(Span::styled(fact, theme.style(Role::Dim)));
    }
    put(
        frame,
        Rect {
            width: room,
            ..area
        },
        spans,
    );
    for (tab, label, place) in tabs {
        let role = if tab == app.tab {
            Role::Accent
        } else {
            Role::Text
        };
        put(frame, place, vec![Span::styled(label, theme.style(role))]);
    }
}

/// What stands in the rule under the title as long as the proxy does: where clients can join, and whether the server is
/// known to be who it says. For bare messages and a part of a capture, what is not known of them.
fn standing(world: &World, frame: &mut Frame<'_>, rule: Rect) {
    let theme = world.theme;
    let listening = world.listening.as_ref().filter(|_| world.live);
    let listening =
        listening.map(|url| (format!(" listening on {} ", text::clean(url)), Role::Text));
    let insecure = world.header.as_ref().is_some_and(|header| header.insecure);
    let insecure = insecure.then(|| (" TLS not verified ".to_owned(), Role::Error));
    let said = world.header.as_ref().and_then(|header| {
        if header.bare {
            return Some(" bare messages, without times or directions of their own ");
        }
        let is_part = " a part of a capture: its header is missing, and perhaps more ";
        header.part.then_some(is_part)
    });
    let bare = said.map(|words| (words.to_owned(), Role::Warn));
    let spans: Vec<Span<'_>> = [bare, insecure, listening]
        .into_iter()
        .flatten()
        .flat_map(|(said, role)| [Span::styled(said, theme.style(role)), Span::raw("─")])
        .collect();
    let width: usize = spans.iter().map(Span::width).sum();
    let width = u16::try_from(width).unwrap_or(u16::MAX).min(rule.width);
    let place = Rect {
        x: rule.right() - width,
        width,
        ..rule
    };
    put(frame, place, spans);
}

/// The protocol version that is spoken: what the server chose, or what the newest session uses.
fn protocol(app: &App) -> Option<String> {
    let traffic = &app.world.traffic;
    let chosen = traffic
        .inventory()
        .server
        .as_ref()
        .map(|server| server.protocol_version.clone());
    chosen.filter(|version| !version.is_empty()).or_else(|| {
        traffic
            .sessions()
            .iter()
            .rev()
            .find_map(|session| session.protocol_version.clone())
    })
}

/// What the server calls itself, or what it was started as.
fn server_name(app: &App) -> String {
    let world = &app.world;
    let said = world
        .traffic
        .inventory()
        .server
        .as_ref()
        .map(|server| format!("{} {}", server.name, server.version));
    let started = || world.header.as_ref().map(|header| header.name.clone());
    let name = said
        .filter(|name| !name.trim().is_empty())
        .or_else(started)
        .unwrap_or_default();
    text::cut(name.trim(), 40).into_owned()
}

/// Draws spans from the left end of one line.
pub fn put(frame: &mut Frame<'_>, area: Rect, spans: Vec<Span<'_>>) {
    frame.render_widget(
        Line::from(spans),
        Rect {
            height: area.height.min(1),
            ..area
        },
    );
}

/// A lying rule.
pub fn rule(theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    put(
        frame,
        area,
        vec![Span::styled(
            "─".repeat(area.width.into()),
            theme.style(Role::Dim),
        )],
    );
}

/// A standing rule.
pub fn standing_rule(theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    for y in area.top()..area.bottom() {
        put(
            frame,
            Rect {
                y,
                height: 1,
                ..area
            },
            vec![Span::styled("│", theme.style(Role::Dim))],
        );
    }
}

/// How much there is below `area`, on the rule under it.
fn lines_below(theme: Theme, frame: &mut Frame<'_>, area: Rect, lines: usize) {
    if lines == 0 {
        return;
    }
    let mark = format!(" {} below ", format::plural(lines as u64, "line"));
    let columns = u16::try_from(text::width(&mark)).unwrap_or(0);
    let place = Rect {
        x: area.right().saturating_sub(columns + 2),
        y: area.bottom(),
        width: columns,
        height: 1,
    };
    let place = place.intersection(frame.area());
    put(
        frame,
        place,
        vec![Span::styled(mark, theme.style(Role::Dim))],
    );
}

/// Sentences in the middle of an empty pane: what there is not, and what to do about it.
pub fn empty(theme: Theme, frame: &mut Frame<'_>, area: Rect, sentences: &[&str]) {
    let width = area.width.saturating_sub(4);
    let mut lines: Vec<(usize, String)> = sentences
        .iter()
        .enumerate()
        .flat_map(|(index, sentence)| {
            text::wrap(sentence, width.into())
                .into_iter()
                .map(move |line| (index, line))
        })
        .collect();
    let height = usize::from(area.height);
    if lines.len() > height {
        lines.retain(|(_, line)| !line.is_empty());
    }
    if lines.len() > height {
        lines.truncate(height);
        if let Some((_, last)) = lines.last_mut() {
            last.push_str(" …");
            *last = text::cut(last, width.into()).into_owned();
        }
    }
    let first = area.y
        + (area
            .height
            .saturating_sub(u16::try_from(lines.len()).unwrap_or(area.height)))
            / 3;
    for ((index, line), y) in lines.into_iter().zip(first..area.bottom()) {
        let role = if index == 0 { Role::Strong } else { Role::Dim };
        let place = Rect {
            x: area.x + 2,
            y,
            width,
            height: 1,
        };
        put(frame, place, vec![Span::styled(line, theme.style(role))]);
    }
}
