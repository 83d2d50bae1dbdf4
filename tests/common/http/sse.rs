//! Server-sent events as they are, comments and all; written for tests, apart from the program's own reading of them.

use super::Reader;
use std::collections::VecDeque;
use std::io::Result;

/// One block of a stream, up to its blank line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    pub id: Option<String>,
    pub name: Option<String>,
    pub retry: Option<u64>,
    /// Its lines, joined by line feeds.
    pub data: Option<String>,
    pub comments: Vec<String>,
}

impl Event {
    pub fn json(&self) -> serde_json::Value {
        let data = self.data.as_deref().unwrap_or_else(|| panic!("{self:?}"));
        serde_json::from_str(data).unwrap_or_else(|_| panic!("{self:?}"))
    }

    fn line(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "" => self.comments.push(value),
            "id" => self.id = Some(value),
            "event" => self.name = Some(value),
            "retry" => self.retry = value.parse().ok(),
            "data" => match &mut self.data {
                Some(data) => *data = format!("{data}\n{value}"),
                None => self.data = Some(value),
            },
            _ => {}
        }
    }
}

/// Takes events out of a body.
#[derive(Debug, Default)]
pub struct Events {
    line: Vec<u8>,
    after_return: bool,
    open: Event,
    whole: VecDeque<Event>,
}

impl Events {
    /// Those of a body that is here already; one without its blank line is none.
    pub fn of(body: &[u8]) -> Vec<Event> {
        let mut events = Self::default();
        events.feed(body);
        events.whole.into()
    }

    /// The next event, as soon as its blank line is here.
    pub async fn next(&mut self, reader: &mut Reader) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.whole.pop_front() {
                return Ok(Some(event));
            }
            match reader.piece().await? {
                Some(piece) => self.feed(&piece),
                None => return Ok(None),
            }
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let second_half = *byte == b'\n' && self.after_return;
            self.after_return = *byte == b'\r';
            match byte {
                b'\n' if second_half => {}
                b'\n' | b'\r' => self.end_line(),
                _ => self.line.push(*byte),
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.open.line(std::str::from_utf8(&line).unwrap());
        } else if self.open != Event::default() {
            self.whole.push_back(std::mem::take(&mut self.open));
        }
    }
}
