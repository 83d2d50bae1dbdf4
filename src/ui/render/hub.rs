//! Draws the hub.

use super::{empty, help, only, put, rule, status, ways_out};
use crate::capture::store::Saved;
use crate::link::registry::{Counts, Entry};
use crate::ui::app::hub::{Hub, Item, Line};
use crate::ui::format;
use crate::ui::keymap::Binding;
use crate::ui::layout::is_too_small;
use crate::ui::text::{clean, cut, fit, fit_right, width};
use crate::ui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;
use std::collections::HashSet;

const NOTHING: &str = "Nothing is live, and nothing was recorded yet.";

const HOW_TO_WRAP: [&str; 9] = [
    "Put  mcp-sentinel --  in front of the server's command in your client's configuration.",
    " ",
    r#"before   "command": "npx", "args": ["-y", "server"]"#,
    r#"after    "command": "mcp-sentinel", "args": ["--", "npx", "-y", "server"]"#,
    " ",
    "Restart the client. The conversation appears here as soon as it starts the server.",
    " ",
    "No client at hand?   mcp-sentinel -- npx -y server   opens the server here.",
    "Nothing at hand?   mcp-sentinel demo   shows a conversation at once.",
];

pub fn render(hub: &Hub, frame: &mut Frame<'_>) {
    let area = frame.area();
    let theme = hub.theme;
    let live = hub.listing.as_ref().map_or(0, |listing| listing.live.len());
    let saved = hub
        .listing
        .as_ref()
        .map_or(0, |listing| listing.saved.len());
    if is_too_small(area) {
        let mut lines = vec![format!("{live} live"), format!("{saved} saved")];
        lines.extend(ways_out(false));
        return only(&lines, frame, area);
    }
    let line_at = |y: u16| Rect {
        y,
        height: 1.min(area.height),
        ..area
    };
    let bar = line_at(area.bottom().saturating_sub(1));
    let name = "MCP Sentinel";
    let room = usize::from(area.width).saturating_sub(width(name) + 1);
    put(
        frame,
        line_at(area.y),
        vec![
            Span::raw(" "),
            Span::styled(name, theme.style(Role::Accent)),
            Span::styled(
                cut("   live proxies and saved captures", room),
                theme.style(Role::Dim),
            ),
        ],
    );
    rule(theme, frame, line_at(area.y + 1));
    rule(theme, frame, line_at(bar.y.saturating_sub(1)));
    let body = Hub::body(area);
    if let Some(overlay) = &hub.help {
        help::render(overlay, theme, frame, body);
    } else if hub.how_to_wrap && !hub.is_bare() {
        empty(theme, frame, body, &HOW_TO_WRAP);
    } else {
        items(hub, frame, body);
    }
    if hub.typing {
        return status::prompt(
            theme,
            frame,
            bar,
            "/",
            &hub.filter,
            &match hub.items().len() as u64 {
                1 => "1 match".to_owned(),
                many => format!("{} matches", format::count(many)),
            },
        );
    }
    let standing = match hub.filter.is_empty() {
        true => (Role::Text, format!("{live} live, {saved} saved")),
        false => (Role::Accent, format!("/{}", cut(hub.filter.text(), 24))),
    };
    let said = match &hub.notice {
        Some(notice) => status::said(notice),
        None => (standing.0, standing.1.as_str()),
    };
    let question = hub.deleting.as_ref().map(question);
    let said = match &question {
        Some(question) => (Role::Warn, question.as_str()),
        None => said,
    };
    let offers = |binding: &Binding| hub.offers(binding);
    status::simple(theme, frame, bar, said, &hub.contexts(), offers);
}

fn question(saved: &Saved) -> String {
    let file = saved.path.file_name().unwrap_or_default().to_string_lossy();
    let size = format::size(saved.bytes);
    format!("Delete {file} ({size}) for good?")
}

fn items(hub: &Hub, frame: &mut Frame<'_>, body: Rect) {
    let theme = hub.theme;
    if hub.listing.is_none() {
        return;
    }
    if hub.is_bare() {
        let sentences: Vec<&str> = [NOTHING, " "].into_iter().chain(HOW_TO_WRAP).collect();
        return empty(theme, frame, body, &sentences);
    }
    let items = hub.items();
    if items.is_empty() {
        return empty(
            theme,
            frame,
            body,
            &["Nothing matches.", "Esc clears the filter."],
        );
    }
    let selected = hub.selected();
    let columns = Columns::of(body.width.into(), Longest::of(hub));
    for (line, y) in hub
        .lines(body.height.into())
        .into_iter()
        .zip(body.top()..body.bottom())
    {
        let place = Rect {
            y,
            height: 1,
            ..body
        };
        let dim = theme.style(Role::Dim);
        match line {
            Line::Blank => {}
            Line::Live => put(
                frame,
                place,
                vec![Span::styled(columns.live_headings(), dim)],
            ),
            Line::Saved => put(
                frame,
                place,
                vec![Span::styled(columns.saved_headings(), dim)],
            ),
            Line::Item(index) => {
                let mark = if index == selected { "▌ " } else { "  " };
                let mut spans = vec![Span::styled(mark, theme.style(Role::Accent))];
                spans.extend(match items[index] {
                    Item::Live(entry) => live(hub, &columns, entry),
                    Item::Saved(saved) => self::saved(hub, &columns, saved),
                });
                put(frame, place, spans);
                if index == selected {
                    frame
                        .buffer_mut()
                        .set_style(place, theme.style(Role::Selected));
                }
            }
        }
    }
}

/// A command as one says it: without the folder of its program.
fn command(argv: &[String]) -> String {
    let Some((program, arguments)) = argv.split_first() else {
        return String::new();
    };
    let name = match program.contains("://") {
        true => program.as_str(),
        false => program.rsplit('/').next().unwrap_or(program),
    };
    let words: Vec<&str> = std::iter::once(name)
        .chain(arguments.iter().map(String::as_str))
        .collect();
    words.join(" ")
}

/// How wide the columns are; those without a width are not shown. The numbers of both lists stand below each other.
#[derive(Debug, Clone, Copy)]
struct Columns {
    /// Of a live proxy.
    name: usize,
    client: usize,
    /// Of a saved capture, which says more before it and less after it.
    saved_name: usize,
    saved_client: usize,
    started: usize,
    messages: usize,
    errors: usize,
    /// Where it came from, in words: the upstream, the file.
    origin: usize,
}

const MARK: usize = 2;
const PID: usize = 9;
const UPTIME: usize = 11;
/// When it was started: to the second where several were in one minute, and there is room for it.
const STARTED: (usize, usize) = (19, 17);
const SIZE: usize = 7;
/// Name and client of a saved capture in fewer columns would say nothing.
const LEAST_FOR_BOTH: usize = 28;
/// A client in fewer columns is hardly known, where a name needs the rest.
const LEAST_CLIENT: usize = 15;
/// An origin in fewer columns says nothing.
const LEAST_ORIGIN: usize = 16;

/// What the names in both lists need.
#[derive(Debug, Clone, Copy, Default)]
struct Longest {
    live: usize,
    saved: usize,
    /// Several saved captures began in one minute.
    same_minute: bool,
}

impl Longest {
    /// Of all there are: a filter moves no column.
    fn of(hub: &Hub) -> Self {
        let needs = |name: &str| width(&clean(name));
        let Some(listing) = &hub.listing else {
            return Self::default();
        };
        let live = listing.live.iter().map(|entry| needs(&entry.name)).max();
        let saved = listing.saved.iter().map(|it| needs(&it.name)).max();
        let mut minutes = HashSet::new();
        let mut started = listing.saved.iter().map(|it| it.started.0);
        let same_minute = started.any(|at| !minutes.insert(at.div_euclid(60_000_000)));
        Self {
            live: live.unwrap_or(0),
            saved: saved.unwrap_or(0),
            same_minute,
        }
    }
}

impl Columns {
    fn of(width: usize, longest: Longest) -> Self {
        let to_the_second = longest.same_minute && width >= 72;
        let started = if to_the_second { STARTED.0 } else { STARTED.1 };
        let (messages, errors) = if width >= 72 { (9, 7) } else { (0, 0) };
        let counts = if messages > 0 {
            messages + errors + 2
        } else {
            0
        };
        let fixed = MARK + MARK + PID + 1 + 1 + UPTIME + counts;
        let left = width.saturating_sub(fixed + 2);
        let before_saved = MARK + MARK + started + 2 + SIZE;
        let before_counts =
            |name: usize, client: usize| MARK + MARK + PID + name + 1 + client + 1 + UPTIME;
        let client = (left / 4).clamp(18, 28);
        let (name, client, origin) = match left.saturating_sub(2 * client) {
            // A name has what it needs, as long as the origin has as much.
            LEAST_ORIGIN.. => {
                let both = before_saved + longest.saved + 1 + LEAST_CLIENT;
                let needed = longest
                    .live
                    .max(both.saturating_sub(before_counts(0, client)));
                let name = needed.clamp(client, client.max((left - client) / 2));
                (name, client, left - name - client)
            }
            _ => ((left + 2) / 2, (left + 2) / 2, 0),
        };
        let saved = before_counts(name, client).saturating_sub(before_saved);
        let half = saved.saturating_sub(1) / 2;
        let saved_client = match saved {
            LEAST_FOR_BOTH.. => (saved - 1)
                .saturating_sub(longest.saved)
                .clamp(half.min(LEAST_CLIENT), half),
            _ => 0,
        };
        Self {
            name,
            client,
            saved_name: saved - saved_client - usize::from(saved_client > 0),
            saved_client,
            started,
            messages,
            errors,
            origin,
        }
    }

    fn live_headings(&self) -> String {
        format!(
            "  {} {} {} {}{}",
            fit("LIVE", PID + 1),
            fit("NAME", self.name),
            fit("CLIENT", self.client),
            fit_right("UPTIME", UPTIME),
            self.last_headings("UPSTREAM"),
        )
    }

    fn saved_headings(&self) -> String {
        format!(
            "  {} {}{} {}{}",
            fit("SAVED", MARK + self.started),
            fit("NAME", self.saved_name),
            self.client_of_saved("CLIENT"),
            fit_right("SIZE", SIZE),
            self.last_headings("UPSTREAM"),
        )
    }

    fn client_of_saved(&self, client: &str) -> String {
        match self.saved_client {
            0 => String::new(),
            columns => format!(" {}", fit(client, columns)),
        }
    }

    fn last_headings(&self, origin: &str) -> String {
        let mut text = String::new();
        for (heading, width) in [("MESSAGES", self.messages), ("ERRORS", self.errors)] {
            if width > 0 {
                text.push(' ');
                text.push_str(&fit_right(heading, width));
            }
        }
        if self.origin > 0 {
            text.push_str("  ");
            text.push_str(origin);
        }
        text
    }

    /// What both kinds of rows end with. `None` for numbers that may still come, `Some(None)` where they are unknown.
    fn last(
        &self,
        theme: Theme,
        counts: Option<Option<Counts>>,
        origin: &str,
    ) -> Vec<Span<'static>> {
        let known = counts.flatten();
        let unknown = if counts.is_some() { "–" } else { "" };
        let cell = |number: Option<u64>, width: usize, role: Role| {
            let text = number.map_or_else(|| unknown.to_owned(), |it| short_count(it, width));
            Span::styled(format!(" {}", fit_right(&text, width)), theme.style(role))
        };
        let mut spans = Vec::new();
        if self.messages > 0 {
            let role = known.map_or(Role::Dim, |_| Role::Text);
            spans.push(cell(known.map(|it| it.messages), self.messages, role));
            let failed = known.is_some_and(|it| it.errors > 0);
            let role = if failed { Role::Error } else { Role::Dim };
            spans.push(cell(known.map(|it| it.errors), self.errors, role));
        }
        if self.origin > 0 {
            let origin = format!("  {}", cut(origin, self.origin));
            spans.push(Span::styled(origin, theme.style(Role::Dim)));
        }
        spans
    }
}

/// A time without its seconds, where they have no room.
fn cut_seconds(time: &str, columns: usize) -> &str {
    match (columns < STARTED.0, time.rsplit_once(':')) {
        (true, Some((minute, _))) => minute,
        _ => time,
    }
}

/// To the last digit where there is room for it.
fn short_count(number: u64, columns: usize) -> String {
    let exact = format::count(number);
    if exact.len() <= columns {
        exact
    } else {
        format::size(number)
    }
}

fn live(hub: &Hub, columns: &Columns, entry: &Entry) -> Vec<Span<'static>> {
    let theme = hub.theme;
    let started = format::parsed(&entry.started);
    let uptime = started
        .map(|at| format::uptime(hub.now.0 - at.0))
        .unwrap_or_default();
    let upstream = command(&entry.upstream);
    // Beside a command that is cut to nothing it would say less than the command.
    let listening = entry.listening.as_ref().filter(|_| columns.origin >= 40);
    let listening = listening.map_or_else(String::new, |url| format!("{url} → "));
    let unseen = if entry.capture.is_none() {
        " (not captured)"
    } else {
        ""
    };
    let client = entry.client.as_deref().unwrap_or("no client yet");
    let mut spans = vec![
        Span::styled("● ", theme.style(Role::Ok)),
        Span::styled(fit(&entry.pid.to_string(), PID), theme.style(Role::Dim)),
        Span::styled(fit(&entry.name, columns.name), theme.style(Role::Strong)),
        Span::raw(format!(" {} ", fit(client, columns.client))),
        Span::raw(fit_right(&uptime, UPTIME)),
    ];
    let origin = format!("{listening}{upstream}{unseen}");
    spans.extend(columns.last(theme, Some(entry.counts), &origin));
    spans
}

fn saved(hub: &Hub, columns: &Columns, saved: &Saved) -> Vec<Span<'static>> {
    let theme = hub.theme;
    let started = format::day_and_time(saved.started, hub.now, hub.utc_offset_seconds);
    let started = cut_seconds(&started, columns.started);
    let contents = hub.contents(saved);
    let client = contents.and_then(|it| it.client.as_deref());
    let mut spans = vec![
        Span::styled("○ ", theme.style(Role::Dim)),
        Span::styled(fit(started, columns.started), theme.style(Role::Dim)),
        Span::raw(" "),
        Span::styled(
            fit(&saved.name, columns.saved_name),
            theme.style(Role::Strong),
        ),
        Span::raw(columns.client_of_saved(client.unwrap_or_default())),
        Span::raw(format!(" {}", fit_right(&format::size(saved.bytes), SIZE))),
    ];
    let origin = contents.map_or_else(String::new, |it| command(&it.upstream));
    // A capture that tells nothing of itself is known by its file.
    let origin = match contents {
        Some(_) if origin.is_empty() => {
            let file = saved.path.file_name().unwrap_or_default();
            file.to_string_lossy().into_owned()
        }
        _ => origin,
    };
    spans.extend(columns.last(theme, contents.map(|it| it.counts), &origin));
    spans
}
