//! Draws the hub.

use super::{empty, help, put, rule, status};
use crate::capture::store::Saved;
use crate::link::registry::Entry;
use crate::tap::Timestamp;
use crate::ui::app::hub::{Hub, Item, Line};
use crate::ui::format;
use crate::ui::keymap::Binding;
use crate::ui::text::{cut, fit, fit_right};
use crate::ui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

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
    let line_at = |y: u16| Rect {
        y,
        height: 1.min(area.height),
        ..area
    };
    let bar = line_at(area.bottom().saturating_sub(1));
    if area.height >= 5 {
        put(
            frame,
            line_at(area.y),
            vec![
                Span::raw(" "),
                Span::styled("MCP Sentinel", theme.style(Role::Accent)),
                Span::styled("   live proxies and saved captures", theme.style(Role::Dim)),
            ],
        );
        rule(theme, frame, line_at(area.y + 1));
        rule(theme, frame, line_at(bar.y.saturating_sub(1)));
    }
    let body = Hub::body(area);
    if let Some(overlay) = &hub.help {
        help::render(overlay, theme, frame, body);
    } else if hub.how_to_wrap {
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
            &format::plural(hub.items().len() as u64, "match"),
        );
    }
    let live = hub.listing.as_ref().map_or(0, |listing| listing.live.len());
    let saved = hub
        .listing
        .as_ref()
        .map_or(0, |listing| listing.saved.len());
    let (role, said) = match &hub.notice {
        Some(notice) => (
            if notice.error {
                Role::Error
            } else {
                Role::Text
            },
            notice.text.clone(),
        ),
        None if hub.filter.is_empty() => (Role::Text, format!("{live} live, {saved} saved")),
        None => (Role::Accent, format!("/{}", cut(hub.filter.text(), 24))),
    };
    let offers = |binding: &Binding| hub.offers(binding);
    status::simple(theme, frame, bar, role, &said, &hub.contexts(), offers);
}

fn items(hub: &Hub, frame: &mut Frame<'_>, body: Rect) {
    let theme = hub.theme;
    let Some(listing) = &hub.listing else { return };
    if listing.live.is_empty() && listing.saved.is_empty() {
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
                vec![Span::styled(headings(body.width.into()), dim)],
            ),
            Line::Saved => put(frame, place, vec![Span::styled("  SAVED", dim)]),
            Line::Item(index) => {
                let spans = match items[index] {
                    Item::Live(entry) => {
                        live(hub, theme, entry, index == selected, body.width.into())
                    }
                    Item::Saved(saved) => {
                        self::saved(hub, theme, saved, index == selected, body.width.into())
                    }
                };
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

/// Columns of a live proxy: name, client, uptime; the upstream has the rest.
fn columns(width: usize) -> (usize, usize) {
    if width >= 100 { (24, 24) } else { (18, 16) }
}

fn headings(width: usize) -> String {
    let (name, client) = columns(width);
    format!(
        "  {} {} {} {}  UPSTREAM",
        fit("LIVE", 10),
        fit("NAME", name),
        fit("CLIENT", client),
        fit_right("UPTIME", 11)
    )
}

fn live(
    hub: &Hub,
    theme: Theme,
    entry: &Entry,
    selected: bool,
    width: usize,
) -> Vec<Span<'static>> {
    let (name, client) = columns(width);
    let started = parse_time(&entry.started);
    let uptime = started
        .map(|at| format::uptime(hub.now.0 - at.0))
        .unwrap_or_default();
    let rest = width.saturating_sub(name + client + 30);
    let upstream = command(&entry.upstream);
    // Beside a command that is cut to nothing it would say less than the command.
    let listening = entry.listening.as_ref().filter(|_| rest >= 40);
    let listening = listening.map_or_else(String::new, |url| format!("{url} → "));
    let unseen = if entry.capture.is_none() {
        " (not captured)"
    } else {
        ""
    };
    vec![
        Span::styled(
            if selected { "▌ " } else { "  " },
            theme.style(Role::Accent),
        ),
        Span::styled("● ", theme.style(Role::Ok)),
        Span::styled(fit(&entry.pid.to_string(), 9), theme.style(Role::Dim)),
        Span::styled(fit(&entry.name, name), theme.style(Role::Strong)),
        Span::raw(" "),
        Span::raw(fit(
            entry.client.as_deref().unwrap_or("no client yet"),
            client,
        )),
        Span::raw(" "),
        Span::raw(fit_right(&uptime, 11)),
        Span::raw("  "),
        Span::styled(
            cut(&format!("{listening}{upstream}{unseen}"), rest).into_owned(),
            theme.style(Role::Dim),
        ),
    ]
}

fn saved(
    hub: &Hub,
    theme: Theme,
    saved: &Saved,
    selected: bool,
    width: usize,
) -> Vec<Span<'static>> {
    let (name, _) = columns(width);
    let file = saved
        .path
        .file_name()
        .map(|file| file.to_string_lossy().into_owned())
        .unwrap_or_default();
    vec![
        Span::styled(
            if selected { "▌ " } else { "  " },
            theme.style(Role::Accent),
        ),
        Span::styled("○ ", theme.style(Role::Dim)),
        Span::styled(
            fit(
                &format::day_and_time(saved.started, hub.now, hub.utc_offset_seconds),
                17,
            ),
            theme.style(Role::Dim),
        ),
        Span::styled(fit(&saved.name, name), theme.style(Role::Strong)),
        Span::raw(fit_right(&format::size(saved.bytes), 7)),
        Span::raw("  "),
        Span::styled(
            cut(&file, width.saturating_sub(name + 32)).into_owned(),
            theme.style(Role::Dim),
        ),
    ]
}

fn parse_time(rfc3339: &str) -> Option<Timestamp> {
    chrono::DateTime::parse_from_rfc3339(rfc3339)
        .ok()
        .map(|time| Timestamp(time.timestamp_micros()))
}
