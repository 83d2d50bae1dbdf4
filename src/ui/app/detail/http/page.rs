//! The lines of the HTTP page, from what was read back.

use super::{EVENTS, LONG_BODY, Line, Step};
use crate::capture::record::{HttpPart, Location};
use crate::tap::{Half, Party, ServerSent, Timestamp};
use crate::traffic::http::{HttpEvent, HttpEventKind, HttpExchange, status_words};
use crate::traffic::party_word;
use crate::ui::format;
use crate::ui::text::{chop, clean, cut, fit, fit_right, width, wrap};
use crate::ui::theme::Role;

/// From this width on, request and response stand side by side.
const BESIDE: usize = 100;

/// Columns for the names of all headers, so that both halves line up.
fn name_column<'a>(parts: impl Iterator<Item = &'a HttpPart>, room: usize) -> usize {
    let widest = parts
        .flat_map(|part| match part {
            HttpPart::Request { headers, added, .. } => headers.iter().chain(added),
            HttpPart::Response {
                headers, rewritten, ..
            } => headers.iter().chain(rewritten),
            _ => [].iter().chain(&[]),
        })
        .map(|(name, _)| width(&clean(name)));
    widest.max().unwrap_or(0).clamp(8, (room * 2 / 5).max(8))
}

/// What stays at the top, the lines below it, and all of it as text.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub summary: Line,
    pub lines: Vec<Line>,
    pub plain: String,
    room: usize,
    name: usize,
    /// When the request came.
    since: Option<Timestamp>,
    utc_offset_seconds: i32,
}

type Found<'a> = Option<(Timestamp, &'a HttpPart)>;

impl Page {
    /// Lays it out; `steps` has what was read back of the records so far.
    pub fn of<'s>(
        http: &HttpExchange<'_>,
        events: &[HttpEvent],
        steps: impl Fn(Location) -> Option<&'s Step>,
        utc_offset_seconds: i32,
        columns: usize,
    ) -> Self {
        let part = |location: Option<Location>| match steps(location?) {
            Some(Step::Http(at, part)) => Some((*at, part)),
            _ => None,
        };
        let halves = [&http.request, &http.response];
        let lists = || halves.iter().filter_map(|half| Some(part(half[0])?.1));
        let page = |room: usize| Self {
            room,
            name: name_column(lists(), room),
            since: part(http.request[0]).map(|(at, _)| at),
            utc_offset_seconds,
            ..Self::default()
        };
        let room = columns.saturating_sub(1);
        let side = if room >= BESIDE { room / 2 - 2 } else { room };
        let steps = || events.iter().map(|event| (*event, steps(event.location)));
        let (mut request, mut response) = (page(side), page(side));
        request.request(http, part(http.request[0]), part(http.request[1]));
        request.bodies(Half::Request, steps());
        response.response(http, part(http.response[0]), part(http.response[1]));
        response.bodies(Half::Response, steps());
        let mut page = page(room);
        page.summary = page.summary(http, part(http.response[0]), part(http.response[1]));
        page.halves(request, response, side);
        page.events(http, steps());
        page
    }

    fn push(&mut self, pieces: Vec<(Role, String)>) {
        self.lines.push(Line { pieces });
    }

    fn gap(&mut self) {
        if !self.lines.is_empty() {
            self.push(Vec::new());
            self.plain.push('\n');
        }
    }

    fn after(&self, at: Timestamp) -> String {
        let since = self.since.unwrap_or(at);
        format!("+{}", format::duration(at.0.saturating_sub(since.0).max(0)))
    }

    /// What stays at the top: `POST /mcp → 200 OK  +12 ms`.
    fn summary(&self, http: &HttpExchange<'_>, head: Found<'_>, end: Found<'_>) -> Line {
        let method = Some(http.method).filter(|it| !it.is_empty());
        let asked = format!("{} {}", method.unwrap_or("HTTP"), http.path);
        let (said, role) = match http.status {
            Some(status) => (status_words(status), class(status)),
            None if http.cut_off || http.response[1].is_some() => {
                ("no response".to_owned(), Role::Error)
            }
            None => ("no response yet".to_owned(), Role::Dim),
        };
        let mut facts = Vec::new();
        facts.extend(head.map(|(at, _)| format!("first byte {}", self.after(at))));
        facts.extend(end.map(|(at, _)| format!("last {}", self.after(at))));
        let facts = facts.join("  ");
        let left = (self.room).saturating_sub(width(&said) + width(&facts) + 8);
        let mut pieces = vec![
            (Role::Strong, cut(&asked, left.max(12)).into_owned()),
            (Role::Dim, " → ".to_owned()),
            (role, said),
        ];
        pieces.push((Role::Dim, format!("  {facts}")));
        Line { pieces }
    }

    fn request(&mut self, http: &HttpExchange<'_>, head: Found<'_>, end: Found<'_>) {
        let Some((
            at,
            HttpPart::Request {
                by,
                method,
                target,
                headers,
                added,
            },
        )) = head
        else {
            let words = if http.request[0].is_some() {
                "…"
            } else {
                "the request was not captured"
            };
            return self.push(vec![(Role::Dim, words.to_owned())]);
        };
        let time = format::time_of_day(at, self.utc_offset_seconds);
        self.start_line(&format!("{method} {target}"), Role::Request, &time, *by);
        for (name, value) in headers {
            let instead = added.iter().any(|(other, _)| other == name);
            let note = if instead { "not passed on" } else { "" };
            self.header("  ", name, value, note);
        }
        for (name, value) in added {
            self.header("+ ", name, value, "added by us");
        }
        self.end_of_body(end, "body");
    }

    /// Puts the halves below each other, or beside each other where there is room for both.
    fn halves(&mut self, request: Page, response: Page, side: usize) {
        self.plain = format!("{}\n{}", request.plain, response.plain);
        if side == self.room {
            self.lines = request.lines;
            self.push(Vec::new());
            self.lines.extend(response.lines);
            return;
        }
        let height = request.lines.len().max(response.lines.len());
        let (mut left, mut right) = (request.lines.into_iter(), response.lines.into_iter());
        for _ in 0..height {
            let mut line = left.next().unwrap_or_default();
            let used = width(&line.text());
            let gap = " ".repeat((side + 1).saturating_sub(used));
            line.pieces.push((Role::Dim, format!("{gap}│ ")));
            line.pieces.extend(right.next().unwrap_or_default().pieces);
            self.lines.push(line);
        }
    }

    fn response(&mut self, http: &HttpExchange<'_>, head: Found<'_>, end: Found<'_>) {
        let Some((
            at,
            HttpPart::Response {
                by,
                status,
                headers,
                rewritten,
            },
        )) = head
        else {
            let words = if http.response[0].is_some() {
                "…"
            } else {
                "no response"
            };
            self.push(vec![(Role::Dim, words.to_owned())]);
            self.cut_off(http);
            return self.end_of_body(end, "");
        };
        let after = self.after(at);
        self.start_line(&status_words(*status), class(*status), &after, *by);
        for (name, value) in headers {
            let instead = rewritten.iter().find(|(other, _)| other == name);
            self.header(
                "  ",
                name,
                value,
                if instead.is_some() {
                    "not passed on"
                } else {
                    ""
                },
            );
            if let Some((_, value)) = instead {
                self.header("~ ", name, value, "rewritten by us");
            }
        }
        let new = |(name, _): &&(String, String)| !headers.iter().any(|(other, _)| other == name);
        for (name, value) in rewritten.iter().filter(new) {
            self.header("+ ", name, value, "added by us");
        }
        self.cut_off(http);
        match end {
            None if http.stream && !http.cut_off => {
                let text = format!("open, {}", format::plural(http.events.into(), "event"));
                self.header("  ", "body", &text, "");
            }
            end => self.end_of_body(end, "body"),
        }
    }

    /// The first line of a half: what it says, when, and who said it.
    fn start_line(&mut self, text: &str, role: Role, when: &str, by: Party) {
        self.plain.push_str(&format!("{text}\n"));
        let who = match by {
            Party::Sentinel => "by us".to_owned(),
            peer => format!("by the {}", party_word(peer)),
        };
        let tail = format!("  {when}  {who}");
        let mut lines = wrap(text, self.room.saturating_sub(width(&tail))).into_iter();
        let first = lines.next().unwrap_or_default();
        let who = if by == Party::Sentinel {
            Role::Operator
        } else {
            Role::Dim
        };
        self.push(vec![(role, first), (who, tail)]);
        for line in lines {
            self.push(vec![(role, line)]);
        }
    }

    /// `note` says what we had to do with it.
    fn header(&mut self, mark: &str, name: &str, value: &str, note: &str) {
        let noted = if note.is_empty() {
            String::new()
        } else {
            format!("  ({note})")
        };
        self.plain
            .push_str(&format!("{}{name}: {value}{noted}\n", mark.trim_start()));
        let ours = !mark.trim().is_empty();
        let roles = match (ours, note) {
            (true, _) => (Role::Operator, Role::Operator),
            (false, "") => (Role::JsonKey, Role::Text),
            (false, _) => (Role::Dim, Role::Dim),
        };
        let room = self.room.saturating_sub(self.name + 4).max(8);
        let mut values = wrap(value, room);
        if values.is_empty() {
            values.push(String::new());
        }
        let last = values.len() - 1;
        let spare = room.saturating_sub(width(&values[last])) > width(&noted);
        for (index, value) in values.into_iter().enumerate() {
            let (mark, name) = if index == 0 { (mark, name) } else { ("  ", "") };
            let mut pieces = vec![
                (Role::Operator, mark.to_owned()),
                (roles.0, format!("{}  ", fit(name, self.name))),
                (roles.1, value),
            ];
            if index == last && spare {
                pieces.push((Role::Dim, noted.clone()));
            }
            self.push(pieces);
        }
        if !spare {
            let indent = " ".repeat(self.name + 2);
            self.push(vec![(Role::Dim, format!("{indent}{noted}"))]);
        }
    }

    /// Nobody knows how it went on.
    fn cut_off(&mut self, http: &HttpExchange<'_>) {
        if http.cut_off {
            let text = "cut off: the capture ends here";
            self.push(vec![(Role::Error, format!("  {text}"))]);
            self.plain.push_str(&format!("{text}\n"));
        }
    }

    /// How long the body was, and when its last byte came.
    fn end_of_body(&mut self, end: Found<'_>, name: &str) {
        let Some((at, HttpPart::End { bytes, broken, .. })) = end else {
            return;
        };
        let after = self.after(at);
        if let Some(why) = broken {
            let text = format!(
                "broken off after {} at {after}: {why}",
                format::plural(*bytes, "byte")
            );
            for line in wrap(&text, self.room) {
                self.push(vec![(Role::Error, format!("  {line}"))]);
            }
            self.plain.push_str(&format!("{text}\n"));
        } else if !name.is_empty() && *bytes > 0 {
            let text = format!("{}, whole at {after}", format::plural(*bytes, "byte"));
            self.header("  ", name, &text, "");
        }
    }

    /// Bodies that were no messages.
    fn bodies<'a>(
        &mut self,
        half: Half,
        steps: impl Iterator<Item = (HttpEvent, Option<&'a Step>)>,
    ) {
        for (event, step) in steps.filter(|(event, _)| event.kind == HttpEventKind::Body(half)) {
            let text = match step {
                Some(Step::Body(text)) => text.as_str(),
                Some(Step::Http(_, HttpPart::Body { text, base64, .. })) => {
                    text.as_deref().or(base64.as_deref()).unwrap_or_default()
                }
                _ if event.location.len > LONG_BODY => "too long to be shown: w saves it",
                _ => "…",
            };
            self.plain.push_str(&format!("\n{text}\n"));
            for line in chop(text, self.room.saturating_sub(4).max(8)) {
                self.push(vec![(Role::Dim, "  │ ".to_owned()), (Role::Text, line)]);
            }
        }
    }

    fn events<'a>(
        &mut self,
        http: &HttpExchange<'_>,
        steps: impl Iterator<Item = (HttpEvent, Option<&'a Step>)>,
    ) {
        if !http.stream {
            return;
        }
        self.gap();
        let head = format!(
            "{}  {}  {}  DATA",
            fit_right("AFTER", 11),
            fit("ID", 10),
            fit("TYPE", 9)
        );
        self.push(vec![(Role::Dim, head)]);
        let earlier = u64::from(http.events).saturating_sub(EVENTS as u64);
        if earlier > 0 {
            let text = format!("{} before these", format::plural(earlier, "event"));
            self.push(vec![(Role::Dim, text)]);
        }
        let events = steps.filter(|(event, _)| !matches!(event.kind, HttpEventKind::Body(_)));
        for (_, step) in events {
            match step {
                Some(Step::Http(at, HttpPart::Event(event))) => {
                    let (role, said) = said_of(event);
                    let kind = event.name.as_deref().unwrap_or("message");
                    let kind = if event.comment.is_some() {
                        "comment"
                    } else {
                        kind
                    };
                    self.event(*at, event.id.as_deref(), kind, role, &said);
                }
                Some(Step::Message {
                    at,
                    event,
                    role,
                    said,
                }) => self.event(*at, event.as_deref(), "message", *role, said),
                Some(Step::Unreadable(why)) => {
                    let text = format!("cannot be read back: {why}");
                    self.push(vec![(Role::Error, cut(&text, self.room).into_owned())]);
                }
                Some(Step::Http(..) | Step::Body(_)) => {}
                None => self.push(vec![(Role::Dim, "…".to_owned())]),
            }
        }
    }

    fn event(&mut self, at: Timestamp, id: Option<&str>, kind: &str, role: Role, said: &str) {
        let after = self.after(at);
        let id = id.unwrap_or_default();
        self.plain
            .push_str(&format!("{after}  id: {id}  event: {kind}  {said}\n"));
        let room = self.room.saturating_sub(11 + 2 + 10 + 2 + 9 + 2);
        self.push(vec![
            (Role::Text, format!("{}  ", fit_right(&after, 11))),
            (Role::JsonNumber, format!("{}  ", fit(id, 10))),
            (Role::Dim, format!("{}  ", fit(kind, 9))),
            (role, cut(said, room).into_owned()),
        ]);
    }
}

/// What an event that is no message says.
fn said_of(event: &ServerSent) -> (Role, String) {
    let mut said = Vec::new();
    said.extend(event.retry.map(|retry| format!("retry after {retry} ms")));
    match (&event.data, &event.comment) {
        (Some(data), _) if !data.is_empty() => said.push(data.clone()),
        (_, Some(comment)) => said.push(comment.clone()),
        _ if event.id.is_some() => said.insert(0, "nothing yet: where to resume from".to_owned()),
        _ => {}
    }
    (Role::Dim, said.join("  "))
}

/// What the class of a status means.
pub fn class(status: u16) -> Role {
    match status {
        200..300 => Role::Ok,
        400..500 => Role::Warn,
        500.. => Role::Error,
        _ => Role::Accent,
    }
}
