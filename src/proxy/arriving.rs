//! Bodies that are read here: whole, or event by event. What never became either is put on record when whoever read it
//! lets go of it, however that comes.
//!
//! Knows pieces; must not know what is in them.

use super::exchange::Exchange;
use crate::tap::Party;
use crate::wire::sse::{Decoder, Event};
use bytes::Bytes;
use std::collections::VecDeque;

/// Pieces of a body, put together. One that comes in one piece is not copied.
#[derive(Debug, Default)]
pub struct Pieces {
    first: Bytes,
    all: Vec<u8>,
}

impl Pieces {
    pub fn push(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        self.all.extend_from_slice(&std::mem::take(&mut self.first));
        self.all.extend_from_slice(&piece);
    }

    pub fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    /// All of it so far.
    pub fn take(&mut self) -> Bytes {
        match self.all.is_empty() {
            true => std::mem::take(&mut self.first),
            false => std::mem::take(&mut self.all).into(),
        }
    }
}

/// A response's body that is wanted whole.
#[derive(Debug)]
pub struct Arriving {
    pub pieces: Pieces,
    exchange: Exchange,
}

impl Arriving {
    pub fn of(exchange: &Exchange) -> Self {
        Self {
            pieces: Pieces::default(),
            exchange: exchange.clone(),
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        leave(&self.exchange, self.pieces.take());
    }
}

/// A response's body that is a stream of events.
#[derive(Debug)]
pub struct ArrivingEvents {
    decoder: Decoder,
    waiting: VecDeque<Event>,
    exchange: Exchange,
}

impl ArrivingEvents {
    pub fn of(exchange: &Exchange) -> Self {
        Self {
            decoder: Decoder::default(),
            waiting: VecDeque::new(),
            exchange: exchange.clone(),
        }
    }

    pub fn push(&mut self, chunk: &[u8]) {
        let waiting = &mut self.waiting;
        self.decoder.push(chunk, |event| waiting.push_back(event));
    }

    /// The next event that is whole.
    pub fn next(&mut self) -> Option<Event> {
        self.waiting.pop_front()
    }
}

impl Drop for ArrivingEvents {
    fn drop(&mut self) {
        let is_unread = !self.waiting.is_empty();
        for event in self.waiting.drain(..) {
            self.exchange.beside(&event);
            if let Some(message) = event.message() {
                let (from, to) = (Party::Server, Party::Sentinel);
                let id = event.id.as_deref();
                self.exchange.message(from, to, message.clone(), id);
            }
        }
        if is_unread {
            self.exchange.tap.wake();
        }
        leave(&self.exchange, self.decoder.take_rest().into());
    }
}

fn leave(exchange: &Exchange, rest: Bytes) {
    if !rest.is_empty() {
        exchange.no_message(rest);
        exchange.tap.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::{ExchangeId, SessionId, Tap};

    #[test]
    fn a_recorder_that_sleeps_hears_of_events_that_nobody_reads() {
        let (tap, recorder) = Tap::of_sleeper();
        let mut events = ArrivingEvents::of(&Exchange {
            tap: tap.clone(),
            session: SessionId(1),
            id: ExchangeId(1),
        });
        events.push(b"data: {}\n\n");
        drop(events);
        assert!(!tap.is_asleep());
        recorder.join().unwrap();
    }
}
