//! What recording wants to know of the messages in a text: how many there are, how many ask, answer and tell of a
//! failure, and whether any is one at all.

use super::write::Line;
use crate::mcp::methods;
use crate::tap::{ExchangeId, SessionId};
use crate::wire::{self, Envelope, Frame, Kind, object};
use memchr::memmem::Finder;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::AddAssign;

/// So many excuses are remembered: an answer comes soon or never.
const EXCUSES: usize = 16;
/// Who cancels something says little more than that.
const LITTLE: usize = 4 << 10;

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
    /// What stands for the id of the last of them.
    pub asked: Option<u64>,
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
            Kind::Request => {
                self.requests += 1;
                self.asked = message.id.map(key);
            }
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

/// Ids may be of any length.
fn key(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// What an error may answer without anything having gone wrong.
#[derive(Debug)]
struct Excuse {
    session: SessionId,
    exchange: Option<ExchangeId>,
    /// Who answers it is on the client's side.
    is_for_client: bool,
    id: Box<str>,
}

/// The last discoveries, which a server of the older era refuses, and the last requests that were cancelled, which some
/// servers confirm by an error.
#[derive(Debug)]
pub(super) struct Excuses {
    discovers: Finder<'static>,
    cancels: Finder<'static>,
    known: VecDeque<Excuse>,
}

impl Default for Excuses {
    fn default() -> Self {
        Self {
            discovers: Finder::new(methods::DISCOVER),
            cancels: Finder::new(methods::CANCELLED),
            known: VecDeque::new(),
        }
    }
}

impl Excuses {
    /// Looks whether a line of JSON is one.
    pub fn look(&mut self, line: Line<'_>, text: &[u8]) {
        let discovers = || line.is_of_client_side() && self.discovers.find(text).is_some();
        let cancels = || text.len() <= LITTLE && self.cancels.find(text).is_some();
        if !discovers() && !cancels() {
            return;
        }
        let Frame::Message(message) = wire::parse(text) else {
            return;
        };
        let (exchange, id) = match message.method.as_deref() {
            Some(methods::DISCOVER) => (line.via.map(|via| via.exchange), message.id),
            // Over HTTP it goes another way than what it cancels.
            Some(methods::CANCELLED) => {
                let params = message.params.unwrap_or_default();
                (None, object::at(params, &["requestId"]))
            }
            _ => return,
        };
        let Some(id) = id else { return };
        self.known.truncate(EXCUSES - 1);
        self.known.push_front(Excuse {
            session: line.session,
            exchange,
            is_for_client: !line.is_of_client_side(),
            id: id.into(),
        });
    }

    /// Whether what HTTP refused without a message was cancelled, a request of the client's side with this id.
    pub fn was_cancelled(&self, session: SessionId, asked: u64) -> bool {
        self.known.iter().any(|it| {
            let is_cancelled = it.exchange.is_none() && !it.is_for_client;
            is_cancelled && it.session == session && key(&it.id) == asked
        })
    }

    /// Whether a line of JSON is an error that answers one. Where the exchanges of both are known, they alone tell.
    pub fn cover(&mut self, line: Line<'_>, text: &[u8]) -> bool {
        if self.known.is_empty() {
            return false;
        }
        let Frame::Message(message) = wire::parse(text) else {
            return false;
        };
        let exchange = line.via.map(|via| via.exchange);
        let is_answered = |it: &Excuse| {
            let answers = match (it.exchange, exchange) {
                (Some(one), Some(other)) => one == other,
                _ => Some(&*it.id) == message.id,
            };
            answers && it.session == line.session && it.is_for_client == line.is_of_client_side()
        };
        let found = match message.kind() {
            Kind::Error => self.known.iter().position(is_answered),
            _ => None,
        };
        found.and_then(|at| self.known.remove(at)).is_some()
    }
}
