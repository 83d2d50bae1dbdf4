//! What recording wants to know of the messages in a text: how many there are, how many ask, answer and tell of a
//! failure, and whether any is one at all.

use super::write::Line;
use crate::mcp::methods;
use crate::tap::{ExchangeId, Party, SessionId};
use crate::wire::{self, Envelope, Frame, Kind, object};
use memchr::memmem::Finder;
use std::collections::VecDeque;
use std::ops::AddAssign;

/// So many discoveries are remembered: an answer comes soon or never.
const DISCOVERIES: usize = 16;

/// Answers that say that something went wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Failed {
    /// JSON-RPC error responses.
    pub errors: u64,
    /// Results that say `isError: true`.
    pub tool_errors: u64,
}

impl AddAssign for Failed {
    fn add_assign(&mut self, more: Self) {
        self.errors += more.errors;
        self.tool_errors += more.tool_errors;
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// The parts of a batch, whatever they are (numbers and the like only while it fits in memory); of anything else,
    /// whether it is a message.
    parts: u64,
    pub requests: u64,
    /// Those that are about something else are not among them: that something was cancelled, or goes on.
    pub notifications: u64,
    pub answers: u64,
    pub failed: Failed,
    /// Something in it speaks JSON-RPC.
    pub speaks: bool,
}

impl Tally {
    /// Of one message or batch; nothing of anything else.
    pub fn of(text: &[u8]) -> Self {
        let mut tally = Self::default();
        match wire::parse(text) {
            Frame::Message(message) => tally.count(&message),
            Frame::Batch(batch) => batch.iter().for_each(|it| tally.count(it)),
            Frame::NotJsonRpc | Frame::NotJson(_) | Frame::Blank => {}
        }
        tally
    }

    pub fn count(&mut self, message: &Envelope<'_>) {
        self.speaks |= message.speaks();
        self.parts += 1;
        match message.kind() {
            Kind::Error => {
                self.answers += 1;
                self.failed.errors += 1;
            }
            Kind::Result => {
                let says_so = message.result.and_then(|it| object::at(it, &["isError"]));
                self.answers += 1;
                self.failed.tool_errors += u64::from(says_so == Some("true"));
            }
            Kind::Request => self.requests += 1,
            Kind::Notification => {
                let method = message.method.as_deref();
                let of_another = matches!(method, Some(methods::CANCELLED | methods::PROGRESS));
                self.notifications += u64::from(!of_another);
            }
            Kind::Malformed => {}
        }
    }

    /// How many messages the text counts as. What is no message counts as one.
    pub fn messages(&self) -> u64 {
        self.parts.max(1)
    }
}

/// A request to be told what the server is.
#[derive(Debug)]
struct Discovery {
    session: SessionId,
    exchange: Option<ExchangeId>,
    id: Box<str>,
}

/// The last discoveries. A server of the older era refuses them: that is its answer, and nothing went wrong.
#[derive(Debug)]
pub(super) struct Discoveries {
    word: Finder<'static>,
    asked: VecDeque<Discovery>,
}

impl Default for Discoveries {
    fn default() -> Self {
        Self {
            word: Finder::new(methods::DISCOVER),
            asked: VecDeque::new(),
        }
    }
}

impl Discoveries {
    /// Looks whether a line of JSON is one.
    pub fn look(&mut self, line: Line<'_>, text: &[u8]) {
        if line.from == Party::Server || self.word.find(text).is_none() {
            return;
        }
        if let Frame::Message(message) = wire::parse(text)
            && message.method.as_deref() == Some(methods::DISCOVER)
            && let Some(id) = message.id
        {
            self.asked.truncate(DISCOVERIES - 1);
            self.asked.push_front(Discovery {
                session: line.session,
                exchange: line.via.map(|via| via.exchange),
                id: id.into(),
            });
        }
    }

    /// Whether a line of JSON refuses one. Where the exchanges of both are known, they are the same.
    pub fn are_refused(&mut self, line: Line<'_>, text: &[u8]) -> bool {
        if self.asked.is_empty() {
            return false;
        }
        let Frame::Message(message) = wire::parse(text) else {
            return false;
        };
        let exchange = line.via.map(|via| via.exchange);
        let is_refused = |it: &Discovery| {
            let elsewhere = exchange.is_some() && it.exchange.is_some() && exchange != it.exchange;
            it.session == line.session && !elsewhere && Some(&*it.id) == message.id
        };
        let found = match message.kind() {
            Kind::Error => self.asked.iter().position(is_refused),
            _ => None,
        };
        found.and_then(|at| self.asked.remove(at)).is_some()
    }
}
