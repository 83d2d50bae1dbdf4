//! Draws [`crate::ui::app::server`].

use super::lines_below;
use crate::tap::Timestamp;
use crate::traffic::Session;
use crate::ui::app::server::Server;
use crate::ui::app::{Kept, World};
use crate::ui::format;
use crate::ui::text::{clean, cut, fit, width, wrap};
use crate::ui::theme::{Role, Theme};
use crate::wire::object;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// What `--insecure` means.
pub const NOT_VERIFIED: &str = "its certificate is not verified";
/// Columns of the headings at the left.
const HEADING: usize = 14;

pub fn render(state: &Server, world: &World, frame: &mut Frame<'_>, area: Rect) {
    let lines = lines(world, area.width);
    let last = lines.len().saturating_sub(area.height.into());
    let top = state.top.min(last);
    let shown = lines.into_iter().skip(top);
    for (line, y) in shown.zip(area.top()..area.bottom()) {
        frame.render_widget(
            line,
            Rect {
                y,
                height: 1,
                ..area
            },
        );
    }
    lines_below(world.theme, frame, area, last.saturating_sub(top));
}

/// The whole pane, however high.
pub fn lines(world: &World, columns: u16) -> Vec<Line<'static>> {
    let mut page = Page {
        theme: world.theme,
        room: usize::from(columns.saturating_sub(3)),
        lines: Vec::new(),
    };
    page.server(world);
    page.sessions(world);
    page.counters(world);
    page.capture(world);
    page.lines
}

struct Page {
    theme: Theme,
    room: usize,
    lines: Vec<Line<'static>>,
}

impl Page {
    fn heading(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.lines.push(Line::default());
        }
        self.lines.push(Line::styled(
            format!("  {text}"),
            self.theme.style(Role::Accent),
        ));
    }

    fn fact(&mut self, name: &str, value: &str, role: Role) {
        let room = self.room.saturating_sub(HEADING);
        let mut lines = wrap(value, room);
        if lines.is_empty() {
            lines.push(String::new());
        }
        for (index, line) in lines.into_iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            self.lines.push(Line::from(vec![
                Span::styled(
                    format!("  {}", fit(name, HEADING)),
                    self.theme.style(Role::Dim),
                ),
                Span::styled(line, self.theme.style(role)),
            ]));
        }
    }

    fn server(&mut self, world: &World) {
        self.heading("Server");
        match &world.traffic.inventory().server {
            None => {
                let text = "it has not said who it is: no session has finished its handshake yet";
                self.fact("name", text, Role::Dim);
            }
            Some(server) => {
                self.fact(
                    "name",
                    &format!("{} {}", server.name, server.version),
                    Role::Strong,
                );
                if let Some(title) = server
                    .title
                    .as_deref()
                    .filter(|title| *title != server.name)
                {
                    self.fact("title", title, Role::Text);
                }
                self.fact("protocol", &server.protocol_version, Role::Text);
                if !server.supported_versions.is_empty() {
                    self.fact("speaks", &server.supported_versions.join(", "), Role::Text);
                }
                self.capabilities(&server.capabilities);
                if let Some(instructions) = &server.instructions {
                    self.fact("instructions", instructions, Role::Text);
                }
            }
        }
        if let Some(url) = world.listening.as_ref().filter(|_| world.live) {
            self.fact("listening on", url, Role::Text);
        }
        if let Some(header) = &world.header {
            if !header.upstream.is_empty() {
                self.fact("upstream", &header.upstream.join(" "), Role::Text);
            }
            if header.insecure {
                self.fact("", NOT_VERIFIED, Role::Error);
            }
            if !header.cwd.is_empty() {
                self.fact("directory", &header.cwd, Role::Text);
            }
        }
    }

    /// One line each: the capability, and what of it.
    fn capabilities(&mut self, raw: &str) {
        let mut first = true;
        for (name, value) in object::members(raw) {
            let parts: Vec<String> = object::members(value)
                .filter(|(_, value)| *value != "false")
                .map(|(part, value)| match value {
                    "true" | "{}" => part.into_owned(),
                    value => format!("{part} {value}"),
                })
                .collect();
            let heading = if std::mem::take(&mut first) {
                "can do"
            } else {
                ""
            };
            self.fact(
                heading,
                &format!("{}  {}", fit(&name, 13), parts.join(", ")),
                Role::Text,
            );
        }
        if first {
            self.fact("can do", "nothing that it names", Role::Dim);
        }
    }

    fn sessions(&mut self, world: &World) {
        self.heading("Sessions");
        if world.traffic.sessions().is_empty() {
            self.fact("", "none yet", Role::Dim);
            return;
        }
        let head = [
            "#", "BY", "CLIENT", "PROTOCOL", "ERA", "THROUGH", "OPENED", "ENDED",
        ];
        let sessions = world.traffic.sessions();
        let highest = sessions.iter().map(|session| session.id).max();
        let digits = highest.unwrap_or(0).to_string().len().max(3);
        let head = session_line(head, digits, self.room);
        self.lines
            .push(Line::styled(head, self.theme.style(Role::Dim)));
        for session in sessions {
            let cells = session_cells(session, world);
            let line = session_line(cells.each_ref().map(String::as_str), digits, self.room);
            let role = match session.closed_at {
                Some(_) => Role::Dim,
                None => Role::Text,
            };
            self.ended(line, session.ended.as_deref().unwrap_or_default(), role);
        }
    }

    /// A session, and why it ended: in the lines below where it does not fit.
    fn ended(&mut self, line: String, why: &str, role: Role) {
        let style = self.theme.style(role);
        let whole = format!("{line} {why}");
        if why.is_empty() || width(&clean(&whole)) <= self.room + 2 {
            let line = cut(&whole, self.room + 2).into_owned();
            return self.lines.push(Line::styled(line, style));
        }
        self.lines.push(Line::styled(line, style));
        for line in wrap(why, self.room.saturating_sub(4)) {
            self.lines
                .push(Line::styled(format!("      {line}"), style));
        }
    }

    fn counters(&mut self, world: &World) {
        let counters = world.traffic.counters();
        self.heading("Counters");
        let ours = match counters.sentinel_messages {
            0 => String::new(),
            ours => format!("; {} of ours in another's place", format::count(ours)),
        };
        let by = format!(
            "{}: {} from clients, {} from the server, {} yours{ours}",
            format::count(counters.messages),
            format::count(counters.client_messages),
            format::count(counters.server_messages),
            format::count(counters.operator_messages)
        );
        self.fact("messages", &by, Role::Text);
        let role = |number: u64, role: Role| if number > 0 { role } else { Role::Text };
        self.fact(
            "errors",
            &format::count(counters.errors),
            role(counters.errors, Role::Error),
        );
        self.fact("pending", &format::count(counters.pending), Role::Text);
        if counters.unanswered > 0 {
            let lost = format::count(counters.unanswered);
            self.fact("lost answers", &lost, Role::Error);
        }
        self.fact(
            "not messages",
            &format::count(counters.garbage),
            role(counters.garbage, Role::Warn),
        );
        self.fact(
            "stderr lines",
            &format::count(counters.stderr_lines),
            Role::Text,
        );
        self.fact(
            "not captured",
            &format::count(counters.lost),
            role(counters.lost, Role::Error),
        );
        for (what, number) in [
            ("damaged lines", counters.damaged),
            ("missing", counters.missing),
        ] {
            if number > 0 {
                self.fact(what, &format::count(number), Role::Error);
            }
        }
        self.fact("bytes", &format::size(counters.bytes), Role::Text);
    }

    fn capture(&mut self, world: &World) {
        self.heading("Capture");
        let Some(file) = world.file() else {
            let (role, why) = match &world.kept {
                Kept::Failed(why) => (Role::Error, format!("not capturing: {why}")),
                _ => (Role::Text, "--no-capture".to_owned()),
            };
            let words = format!("none ({why}): all this goes when you leave");
            return self.fact("file", &words, role);
        };
        let path = file.display().to_string();
        self.fact("file", &path, Role::Text);
        if let Some(started) = started(world) {
            let zone = world.utc_offset_seconds;
            let (date, time) = (format::date_of(started, zone), format::clock(started, zone));
            let started = format!("{date} {time} {}", format::offset(zone));
            self.fact("started", &started, Role::Text);
        }
        if world.kept != Kept::Here {
            let words =
                "where the proxy runs; what is shown here is a copy, which goes when you leave";
            return self.fact("", words, Role::Dim);
        }
        let quoted = shell_words::quote(&path).into_owned();
        self.fact("to delete it", &format!("rm {quoted}"), Role::Dim);
    }
}

/// When the recording began, or what is known of it.
fn started(world: &World) -> Option<Timestamp> {
    let header = world.header.as_ref()?;
    let first = || world.traffic.row(0).map(|row| row.at);
    let started = format::parsed(&header.started).or_else(first);
    started.filter(|at| at.is_known())
}

/// Number, who opened it, client, protocol, era, transport, opened, ended. What is spare goes to the client's name; the
/// era, which the protocol tells as well, goes first.
fn session_line(cells: [&str; 8], digits: usize, room: usize) -> String {
    let [id, by, client, version, era, through, opened, ended] = cells;
    let era = match room >= 90 {
        true => fit(era, 7),
        false => String::new(),
    };
    let others = 55 + digits + era.len();
    let client = fit(client, room.saturating_sub(others).clamp(10, 24));
    let line = format!(
        "  {} {} {client} {} {era}{} {}  {ended}",
        fit(id, digits),
        fit(by, 8),
        fit(version, 10),
        fit(through, 14),
        fit(opened, 8)
    );
    cut(&line, room + 2).into_owned()
}

fn session_cells(session: &Session, world: &World) -> [String; 8] {
    let clock = |at| format::clock(at, world.utc_offset_seconds);
    let ended = session.closed_at.map_or_else(|| "open".to_owned(), clock);
    let through = match (&session.key, session.pid) {
        (Some(key), _) => format!("{} {key}", session.transport),
        (None, Some(pid)) => format!("{} {pid}", session.transport),
        (None, None) => session.transport.clone(),
    };
    let or_dash = |text: Option<&String>| text.cloned().unwrap_or_else(|| "–".to_owned());
    [
        session.id.to_string(),
        session.by.clone(),
        or_dash(session.client.as_ref().or(session.agent.as_ref())),
        or_dash(session.protocol_version.as_ref()),
        match (session.modern, &session.protocol_version) {
            (true, _) => "modern",
            (false, Some(_)) => "legacy",
            (false, None) => "–",
        }
        .to_owned(),
        through,
        clock(session.opened_at),
        ended,
    ]
}
