//! The HTTP exchanges that carried the messages: few bytes each, and where in the capture the rest stands.

use super::storage::{Chunked, NONE, Place, Symbol, Symbols};
use super::{RowId, Traffic};
use crate::capture::record::{Encoding, Location};
use crate::tap::{Half, Party};
use http::StatusCode;
use std::collections::{HashMap, VecDeque};

/// The HTTP exchange of a row. Heads, times, bodies and events are read back from the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpExchange<'a> {
    pub method: &'a str,
    /// Without its query.
    pub path: &'a str,
    /// `None` before the response.
    pub status: Option<u16>,
    /// The response is a stream of events.
    pub stream: bool,
    /// The capture ends before it does.
    pub cut_off: bool,
    /// Events and pieces of bodies there are, see [`Traffic::http_events`].
    pub events: u32,
    /// Bytes of both bodies, as far as they are over.
    pub bytes: u64,
    /// The records of the head and the end of the request.
    pub request: [Option<Location>; 2],
    /// The records of the head and the end of the response.
    pub response: [Option<Location>; 2],
}

impl Traffic {
    /// The HTTP exchange that carried what this row's client sent; for what only the server sent, the one that brought
    /// it.
    pub fn http(&self, row: RowId) -> Option<HttpExchange<'_>> {
        let data = self.carrier(row)?;
        Some(HttpExchange {
            method: self.store.symbol(data.method),
            path: self.store.symbol(data.path),
            status: Some(data.status).filter(|status| *status != 0),
            stream: data.is(STREAM),
            cut_off: data.is(CUT_OFF) && data.goes_on(),
            events: data.count,
            bytes: data.bytes.into(),
            request: [data.record(REQUEST), data.record(REQUEST_END)],
            response: [data.record(RESPONSE), data.record(RESPONSE_END)],
        })
    }

    fn carrier(&self, row: RowId) -> Option<&HttpData> {
        let log = &self.store.http;
        let with = self.store.extra(row).and_then(|extra| log.get(extra.http));
        with.or_else(|| log.get(log.brought.find(row)?))
    }

    /// The newest `limit` events of the row's HTTP exchange, oldest first.
    pub fn http_events(&self, row: RowId, limit: usize) -> Vec<HttpEvent> {
        let log = &self.store.http;
        let last = self.carrier(row).map_or(NONE, |data| data.last_event);
        let mut found: Vec<HttpEvent> = log.back_from(last).take(limit).collect();
        found.reverse();
        found
    }
}

/// What a stream brought, or a piece of a body, and where in the capture it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpEvent {
    pub kind: HttpEventKind,
    pub location: Location,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpEventKind {
    /// A message of the stream.
    Message,
    /// An event that was no message: its record.
    Event,
    /// What was no message of a body: its text.
    Body(Half),
}

/// `401 Unauthorized`
pub fn status_words(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok();
    match reason.and_then(|status| status.canonical_reason()) {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

/// Whether a request for this path belongs to finding out how to be let in.
pub fn is_authorization(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    path.contains("/.well-known/")
        || path.contains("/oauth")
        || matches!(last, "authorize" | "register" | "token")
}

/// Which of its records a place is for.
const REQUEST: usize = 0;
const REQUEST_END: usize = 1;
const RESPONSE: usize = 2;
const RESPONSE_END: usize = 3;

/// The response is a stream of events.
pub const STREAM: u8 = 1;
/// Its events have ids, so another stream may bring what this one did not.
pub const RESUMABLE: u8 = 2;
/// It carried a request of the modern era.
pub const MODERN: u8 = 4;
/// A bridge sent it, and tells itself what becomes of what it carried.
pub const BRIDGED: u8 = 8;

/// The capture ends before it does.
pub const CUT_OFF: u8 = 16;
/// It is ours, and sends a notification again that was refused before.
pub const REPEATS: u8 = 32;

/// Exchanges that are over and whose number is still known.
const REMEMBERED: usize = 1024;

/// What is kept of an HTTP exchange.
#[derive(Debug)]
pub struct HttpData {
    /// Where its four records begin, and how long they are.
    lines: [u64; 4],
    lens: [u32; 4],
    /// The first row of what the asking side sent with it, or the row that stands for it; a batch's other rows come
    /// right after.
    pub row: RowId,
    last_event: u32,
    pub method: Symbol,
    pub path: Symbol,
    bytes: u32,
    count: u32,
    /// 0 before the response.
    pub status: u16,
    flags: u8,
    /// Errors that say why it was refused: for each, something that failed with it is counted already.
    explained: u32,
}

impl HttpData {
    fn record(&self, which: usize) -> Option<Location> {
        (self.lens[which] > 0).then(|| Location {
            line: self.lines[which],
            start: 0,
            len: self.lens[which],
            encoding: Encoding::Verbatim,
        })
    }
    fn keep(&mut self, which: usize, place: Place) {
        let location = place.location();
        (self.lines[which], self.lens[which]) = (location.line, location.len);
    }
    pub fn request_head(&self) -> Option<Place> {
        self.record(REQUEST).map(Place::from)
    }
    pub fn head(&mut self, of: Half, place: Place) {
        let which = if of == Half::Request {
            REQUEST
        } else {
            RESPONSE
        };
        self.keep(which, place);
    }
    pub fn end(&mut self, of: Half, place: Place, bytes: u64) {
        let which = match of {
            Half::Request => REQUEST_END,
            Half::Response => RESPONSE_END,
        };
        self.keep(which, place);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.bytes = self.bytes.saturating_add(bytes);
    }
    pub fn bytes(&self) -> u64 {
        self.bytes.into()
    }
    pub fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
    pub fn is_refused(&self) -> bool {
        self.status >= 400
    }
    pub fn mark(&mut self, flag: u8, so: bool) {
        if so {
            self.flags |= flag;
        }
    }
    /// It was refused with an error that says why.
    pub fn explain(&mut self) {
        self.explained = self.explained.saturating_add(1);
    }
    /// Something failed with it. Whether one of the errors that say why is counted in its place.
    pub fn take_explanation(&mut self) -> bool {
        let left = self.explained.checked_sub(1);
        self.explained = left.unwrap_or_default();
        left.is_some()
    }
    /// Whether this half has ended.
    pub fn has_ended(&self, of: Half) -> bool {
        match of {
            Half::Request => self.lens[REQUEST_END] > 0,
            Half::Response => self.lens[RESPONSE_END] > 0,
        }
    }
    /// The response has not ended.
    pub fn goes_on(&self) -> bool {
        !self.has_ended(Half::Response)
    }
    pub fn is_over(&self) -> bool {
        self.has_ended(Half::Request) && self.has_ended(Half::Response)
    }
}

/// What is kept of an [`HttpEvent`].
#[derive(Debug)]
struct EventData {
    place: Place,
    previous: u32,
    kind: HttpEventKind,
}

/// What is only needed until it has a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub at: i64,
    pub by: Party,
    pub query: Box<str>,
}

#[derive(Debug)]
struct Open {
    index: u32,
    asked: Option<Asked>,
}

/// Rows that one side sent within what the other had asked for, and by which exchange they came; in the order of the
/// rows. Kept apart from what an exchange was made for, whose end means something to it.
#[derive(Debug, Default)]
pub struct Brought(Chunked<(RowId, u32)>);

impl Brought {
    pub fn add(&mut self, row: RowId, by: u32) {
        let last = self.0.len().checked_sub(1).and_then(|at| self.0.get(at));
        if last.is_none_or(|last| last.0 < row) {
            self.0.push((row, by));
        }
    }
    pub fn find(&self, row: RowId) -> Option<u32> {
        let (mut low, mut high) = (0, self.0.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.0.get(middle)?.0 < row {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let &(found, by) = self.0.get(low)?;
        (found == row).then_some(by)
    }
}

/// Every HTTP exchange seen.
#[derive(Debug, Default)]
pub struct HttpLog {
    pub brought: Brought,
    exchanges: Chunked<HttpData>,
    events: Chunked<EventData>,
    /// Those that are not over, or were not a while ago, by their number in the capture.
    open: HashMap<u64, Open>,
    /// Those of them that are over, oldest first.
    over: VecDeque<u64>,
}

impl HttpLog {
    pub fn get(&self, index: u32) -> Option<&HttpData> {
        self.exchanges.get(index)
    }
    pub fn get_mut(&mut self, index: u32) -> Option<&mut HttpData> {
        self.exchanges.get_mut(index)
    }
    /// The exchange with this number; one that we join midway begins with the first thing heard of it.
    pub fn enter(&mut self, number: u64) -> u32 {
        let next = self.exchanges.len();
        let index = self
            .open
            .entry(number)
            .or_insert(Open {
                index: next,
                asked: None,
            })
            .index;
        if index == next {
            self.exchanges.push(HttpData {
                lines: [0; 4],
                lens: [0; 4],
                row: NONE,
                last_event: NONE,
                method: Symbols::EMPTY,
                path: Symbols::EMPTY,
                bytes: 0,
                count: 0,
                status: 0,
                flags: 0,
                explained: 0,
            });
        }
        index
    }
    pub fn set_asked(&mut self, number: u64, asked: Asked) {
        if let Some(open) = self.open.get_mut(&number) {
            open.asked = Some(asked);
        }
    }
    pub fn take_asked(&mut self, number: u64) -> Option<Asked> {
        self.open.get_mut(&number)?.asked.take()
    }
    /// Who asked, until it has a row.
    pub fn asked_by(&self, number: u64) -> Option<Party> {
        Some(self.open.get(&number)?.asked.as_ref()?.by)
    }
    /// It is over. A bridge may still have a message to tell of that came with it.
    pub fn leave(&mut self, number: u64) {
        self.over.push_back(number);
        if self.over.len() > REMEMBERED
            && let Some(oldest) = self.over.pop_front()
        {
            self.open.remove(&oldest);
        }
    }
    /// Those whose response has not ended, oldest first.
    pub fn going_on(&self) -> Vec<u32> {
        let all = self.open.values().map(|open| open.index);
        let mut open: Vec<u32> = all
            .filter(|&index| self.get(index).is_some_and(HttpData::goes_on))
            .collect();
        open.sort_unstable();
        open
    }
    pub fn add_event(&mut self, index: u32, kind: HttpEventKind, place: Place) {
        let next = self.events.len();
        let Some(data) = self.exchanges.get_mut(index) else {
            return;
        };
        data.count = data.count.saturating_add(1);
        let previous = std::mem::replace(&mut data.last_event, next);
        self.events.push(EventData {
            place,
            previous,
            kind,
        });
    }
    /// The events from this one back.
    fn back_from(&self, event: u32) -> impl Iterator<Item = HttpEvent> {
        std::iter::successors(self.events.get(event), |event| {
            self.events.get(event.previous)
        })
        .map(|event| HttpEvent {
            kind: event.kind,
            location: event.place.location(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_fits_its_budget() {
        assert_eq!(size_of::<HttpData>(), 80);
        assert!(size_of::<EventData>() <= 24);
    }

    #[test]
    fn what_is_asked_of_an_authorization_server_is_recognised() {
        for path in [
            "/.well-known/oauth-protected-resource/mcp",
            "/.well-known/openid-configuration",
            "/register",
            "/oauth2/v1/token",
            "/authorize",
        ] {
            assert!(is_authorization(path), "{path}");
        }
        for path in ["/mcp", "/sse", "/", "", "/tokens", "/v1/registered"] {
            assert!(!is_authorization(path), "{path}");
        }
    }

    #[test]
    fn a_status_is_told_with_its_reason() {
        assert_eq!(status_words(401), "401 Unauthorized");
        assert_eq!(status_words(599), "599");
        assert_eq!(status_words(7), "7");
    }
}
