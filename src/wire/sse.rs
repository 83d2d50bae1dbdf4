//! Server-sent events: taking them out of a byte stream, whatever the cuts it arrives in, and writing them
//! (WHATWG HTML, section 9.2).
//!
//! Lines end with LF, CR or CRLF; `data` lines are joined with LF; an event without the blank line at its end is none.

use bytes::Bytes;

/// One dispatched event, or a comment between events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The `event` field; `None` means `message`.
    pub name: Option<String>,
    /// The `id` field, when this event has one of its own. The empty id resets the last one.
    pub id: Option<String>,
    /// Milliseconds.
    pub retry: Option<u64>,
    /// The `data` lines, joined. `None` without any, `Some("")` for a priming event's empty one.
    pub data: Option<Bytes>,
    /// Comment lines before the event, joined with LF, the colon and one space after it taken off.
    pub comment: Option<String>,
}

/// Takes events out of a stream.
#[derive(Debug, Default)]
pub struct Decoder {}

impl Decoder {
    /// Takes the next chunk and hands each event that it completes to `each`. A block of comments alone, or an event
    /// with an id or a retry alone, is handed out too: the caller decides what it is worth.
    pub fn push(&mut self, chunk: &[u8], each: impl FnMut(Event)) {
        let _ = (chunk, each);
        todo!("decode server-sent events")
    }

    /// Bytes held of an event that is not complete yet.
    pub fn pending(&self) -> usize {
        todo!("count what is held")
    }
}

/// Appends one event to a stream: every line of `data` a `data` line of its own.
pub fn write(stream: &mut Vec<u8>, event: &Event) {
    let _ = (stream, event);
    todo!("write a server-sent event")
}
