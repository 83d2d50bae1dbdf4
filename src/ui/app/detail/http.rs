//! The HTTP exchange of the selected row: heads, times, sizes, what its stream carried, bodies that were no messages.
//!
//! Everything but the status is read back from the capture; `page` makes lines of it.

mod page;

use super::super::World;
use super::super::movement::moved;
use super::Action;
use crate::capture::reader;
use crate::capture::record::{Encoding, HttpPart, Location, Payload, Record};
use crate::tap::Timestamp;
use crate::traffic::RowId;
use crate::traffic::digest::{Content, Message, MessageKind, Messages, digest};
use crate::traffic::http::{HttpEvent, HttpEventKind};
use crate::ui::event::Body;
use crate::ui::format;
use crate::ui::text::cut;
use crate::ui::theme::Role;
use page::Page;
pub use page::class;
use regex::{Regex, RegexBuilder};
use std::collections::HashMap;

/// Events shown of a stream: the newest.
const EVENTS: usize = 500;
/// Of a longer message only what stands before it is read back: when it came, and under which id.
const LONG_MESSAGE: u32 = 64 << 10;
/// A longer body is not shown.
const LONG_BODY: u32 = 1 << 20;

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
    /// What the lines were made of: columns, events there are, whether it was cut off, records wanted and records read.
    made_of: (u16, u32, bool, usize, usize),
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
        let (wants, has) = (wanted.len(), self.steps.len());
        let made_of = (columns, http.events, http.cut_off, wants, has);
        if self.made_of != made_of {
            self.made_of = made_of;
            let steps = |location: Location| self.steps.get(&location.line);
            let page = Page::of(
                &http,
                &events,
                steps,
                world.utc_offset_seconds,
                columns.into(),
            );
            (self.summary, self.lines, self.plain) = (page.summary, page.lines, page.plain);
            self.find();
        }
        self.records = wanted.clone();
        wanted
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
