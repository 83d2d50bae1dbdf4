//! The HTTP exchange of the selected row: heads, times, sizes, what its stream carried, bodies that were no messages.
//!
//! Everything but the status is read back from the capture; this file makes lines of it.

use super::super::World;
use super::{Action, moved};
use crate::capture::reader;
use crate::capture::record::{Encoding, HttpPart, Location, Payload, Record};
use crate::tap::{Half, Party, ServerSent, Timestamp};
use crate::traffic::digest::{Content, Message, MessageKind, Messages, digest};
use crate::traffic::http::{HttpEvent, HttpEventKind, HttpExchange, status_words};
use crate::traffic::{RowId, party_word};
use crate::ui::event::Body;
use crate::ui::format;
use crate::ui::text::{chop, clean, cut, fit, fit_right, width, wrap};
use crate::ui::theme::Role;
use regex::{Regex, RegexBuilder};
use std::collections::HashMap;

/// Events shown of a stream: the newest.
const EVENTS: usize = 500;
/// Of a longer message only what stands before it is read back: when it came, and under which id.
const LONG_MESSAGE: u32 = 64 << 10;
/// A longer body is not shown.
const LONG_BODY: u32 = 1 << 20;

/// From this width on, request and response stand side by side.
const BESIDE: usize = 100;

/// One line: pieces of safe text, and what they mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    pub pieces: Vec<(Role, String)>,
}

impl Line {
    fn text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }
}

/// One record, read back.
#[derive(Debug)]
enum Step {
    Http(Timestamp, HttpPart),
    Message {
        at: Timestamp,
        event: Option<Box<str>>,
        role: Role,
        said: String,
    },
    /// Of a body that was no message.
    Body(String),
    Unreadable(String),
}

/// The page and where one is on it.
#[derive(Debug, Default)]
pub struct Http {
    row: Option<RowId>,
    /// Where all its records stand, for who wants to save them.
    pub records: Vec<Location>,
    steps: HashMap<u64, Step>,
    /// What the lines were made of: columns, events there are, records wanted and records read.
    made_of: (u16, u32, usize, usize),
    pub summary: Line,
    pub lines: Vec<Line>,
    /// As text, for the clipboard.
    plain: String,
    pub top: usize,
    height: usize,
    pub pattern: Option<Regex>,
    found: Vec<usize>,
    /// The match that was gone to last.
    at: usize,
}

impl Http {
    /// Takes in what was read back; returns what is still to be.
    pub fn sync(
        &mut self,
        world: &World,
        row: RowId,
        columns: u16,
        height: usize,
    ) -> Vec<Location> {
        if self.row != Some(row) {
            *self = Self {
                row: Some(row),
                ..Self::default()
            };
        }
        self.height = height;
        let Some(http) = world.traffic.http(row) else {
            return Vec::new();
        };
        let events = world.traffic.http_events(row, EVENTS);
        let heads = http.request.iter().chain(&http.response).flatten().copied();
        let wanted: Vec<Location> = heads.chain(events.iter().filter_map(readable)).collect();
        for location in &wanted {
            if !self.steps.contains_key(&location.line)
                && let Some(step) = read(world, *location)
            {
                self.steps.insert(location.line, step);
            }
        }
        if self.steps.len() > wanted.len() {
            self.steps
                .retain(|line, _| wanted.iter().any(|location| location.line == *line));
        }
        let made_of = (columns, http.events, wanted.len(), self.steps.len());
        if self.made_of != made_of {
            self.made_of = made_of;
            self.make(world, &http, &events, columns.into());
        }
        self.records = wanted.clone();
        wanted
    }

    fn make(
        &mut self,
        world: &World,
        http: &HttpExchange<'_>,
        events: &[HttpEvent],
        columns: usize,
    ) {
        let step = |location: Option<Location>| self.steps.get(&location?.line);
        let part = |location| match step(location) {
            Some(Step::Http(at, part)) => Some((*at, part)),
            _ => None,
        };
        let halves = [&http.request, &http.response];
        let lists = || halves.iter().filter_map(|half| Some(part(half[0])?.1));
        let page = |room: usize| Page {
            room,
            name: name_column(lists(), room),
            since: part(http.request[0]).map(|(at, _)| at),
            utc_offset_seconds: world.utc_offset_seconds,
            ..Page::default()
        };
        let room = columns.saturating_sub(1);
        let side = if room >= BESIDE { room / 2 - 2 } else { room };
        let steps = || {
            let of = |event: &HttpEvent| (*event, step(Some(event.location)));
            events.iter().map(of)
        };
        let (mut request, mut response) = (page(side), page(side));
        request.request(http, part(http.request[0]), part(http.request[1]));
        request.bodies(Half::Request, steps());
        response.response(http, part(http.response[0]), part(http.response[1]));
        response.bodies(Half::Response, steps());
        let mut page = page(room);
        self.summary = page.summary(http, part(http.response[0]), part(http.response[1]));
        page.halves(request, response, side);
        page.events(http, steps());
        (self.lines, self.plain) = (page.lines, page.plain);
        self.find();
    }

    pub fn search(&mut self, text: &str) {
        let pattern = RegexBuilder::new(&regex::escape(text))
            .case_insensitive(true)
            .build();
        self.pattern = pattern.ok().filter(|_| !text.is_empty());
        self.find();
        if let Some(first) = self.found.iter().position(|line| *line >= self.top) {
            self.go_to(first);
        }
    }

    fn find(&mut self) {
        let pattern = self.pattern.as_ref();
        self.found = pattern.map_or_else(Vec::new, |pattern| {
            let has = |(_, line): &(usize, &Line)| pattern.is_match(&line.text());
            let lines = self.lines.iter().enumerate().filter(has);
            lines.map(|(index, _)| index).collect()
        });
        self.at = self.at.min(self.found.len().saturating_sub(1));
        self.top = self.top.min(self.last());
    }

    /// Which match was gone to, from 1, and how many lines have one; `None` without a search.
    pub fn matches(&self) -> Option<(usize, usize)> {
        self.pattern.as_ref()?;
        Some((self.at + 1, self.found.len()))
    }

    fn go_to(&mut self, found: usize) {
        self.at = found;
        let Some(line) = self.found.get(found) else {
            return;
        };
        if !(self.top..self.top + self.height).contains(line) {
            self.top = line.saturating_sub(self.height / 3).min(self.last());
        }
    }

    fn last(&self) -> usize {
        self.lines.len().saturating_sub(self.height)
    }

    pub fn act(&mut self, action: Action) {
        let count = self.found.len();
        match action {
            Action::NextMatch if count > 0 => self.go_to((self.at + 1) % count),
            Action::PreviousMatch if count > 0 => self.go_to((self.at + count - 1) % count),
            _ => self.top = moved(self.top, action, self.height, self.last()),
        }
    }

    /// The whole page as text, with nothing wrapped.
    pub fn plain(&self) -> &str {
        &self.plain
    }
}

/// What of an event is worth reading back; of a long message what stands before it.
fn readable(event: &HttpEvent) -> Option<Location> {
    let at = event.location;
    let line = |len| Location {
        line: at.line,
        start: 0,
        len,
        encoding: Encoding::Verbatim,
    };
    match event.kind {
        HttpEventKind::Body(_) if at.len > LONG_BODY => None,
        HttpEventKind::Body(_) | HttpEventKind::Event => Some(at),
        HttpEventKind::Message if at.len > LONG_MESSAGE => Some(line(at.start)),
        // Only the brace that ends the record stands after the message.
        HttpEventKind::Message => Some(line(at.start.saturating_add(at.len).saturating_add(1))),
    }
}

fn read(world: &World, location: Location) -> Option<Step> {
    let document = match world.body(location) {
        Body::Loading => return None,
        Body::Failed(why) => return Some(Step::Unreadable(why.to_string())),
        Body::Loaded(document) => document,
    };
    if location.start > 0 {
        let text = match document.is_json() {
            true => document.pretty(),
            false => String::from_utf8_lossy(document.bytes()).into_owned(),
        };
        return Some(Step::Body(text));
    }
    let step = step_of(reader::line(document.bytes()));
    Some(step.unwrap_or_else(|| {
        let cut_off = [document.bytes(), b"null}"].concat();
        let mut step = step_of(reader::line(&cut_off));
        if let Some(Step::Message { said, .. }) = &mut step {
            "a long message".clone_into(said);
        }
        step.unwrap_or_else(|| Step::Unreadable("not as this program writes it".to_owned()))
    }))
}

fn step_of(record: Record<'_>) -> Option<Step> {
    let at = record.at;
    if let Payload::Line { via, .. } = &record.payload {
        let event = via.as_ref().and_then(|via| via.event.clone());
        let Content::Line { messages, .. } = digest(&record).content else {
            return None;
        };
        let (role, said) = match &messages {
            Messages::One(message) => words(message),
            Messages::Batch(batch) => (
                Role::Text,
                format::plural(batch.len() as u64, "message") + " in a batch",
            ),
        };
        return Some(Step::Message {
            at,
            event,
            role,
            said,
        });
    }
    match record.payload {
        Payload::Http(http) => Some(Step::Http(at, http.part)),
        _ => None,
    }
}

fn words(message: &Message) -> (Role, String) {
    let id = cut(message.id.as_deref().unwrap_or_default(), 12);
    let (role, first) = match message.kind {
        MessageKind::Request => (Role::Request, message.method.to_string()),
        MessageKind::Notification => (Role::Notification, message.method.to_string()),
        MessageKind::Garbage => (Role::Warn, message.method.to_string()),
        MessageKind::Error | MessageKind::ToolError => (Role::Error, format!("error to {id}")),
        MessageKind::Result | MessageKind::InputRequired => {
            (Role::Answer, format!("answer to {id}"))
        }
    };
    (role, format!("{first}  {}", message.gist))
}

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

/// The lines while they are made.
#[derive(Debug, Default)]
struct Page {
    room: usize,
    name: usize,
    /// When the request came.
    since: Option<Timestamp>,
    utc_offset_seconds: i32,
    lines: Vec<Line>,
    plain: String,
}

type Found<'a> = Option<(Timestamp, &'a HttpPart)>;

impl Page {
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
        match end {
            None if http.stream => {
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
