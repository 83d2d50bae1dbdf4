//! What recording wants to know of the messages in a text: how many there are, how many ask, answer and tell of a
//! failure, and whether any is one at all.

use super::write::Line;
use crate::mcp::methods;
use crate::tap::{ExchangeId, SessionId};
use crate::wire::{self, Envelope, Kind, object};
use memchr::memmem::Finder;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::AddAssign;

/// So many excuses are remembered: an answer comes soon or never. A client that gives up may cancel all that it has in
/// flight.
const EXCUSES: usize = 1024;
/// Of so many requests in one text it is known which they are.
const ASKED: usize = 1024;
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

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// The parts of a batch, whatever they are (numbers and the like only while it fits in memory); of anything else,
    /// whether it is a message.
    parts: u64,
    pub requests: u64,
    /// What stands for the ids of the first of them.
    pub asked: Vec<u64>,
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
        let frame = wire::parse(text);
        frame.messages().iter().for_each(|it| tally.count(it));
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
                let room = ASKED - self.asked.len().min(ASKED);
                self.asked
                    .extend(message.id.map(key).into_iter().take(room));
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
    /// What stands for the id.
    id: u64,
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
        for message in wire::parse(text).messages() {
            let (exchange, id) = match message.method.as_deref() {
                Some(methods::DISCOVER) => (line.via.map(|via| via.exchange), message.id),
                // Over HTTP it goes another way than what it cancels.
                Some(methods::CANCELLED) => {
                    let params = message.params.unwrap_or_default();
                    (None, object::at(params, &["requestId"]))
                }
                _ => continue,
            };
            let Some(id) = id else { continue };
            self.known.truncate(EXCUSES - 1);
            self.known.push_front(Excuse {
                session: line.session,
                exchange,
                is_for_client: !line.is_of_client_side(),
                id: key(id),
            });
        }
    }

    /// How many of the requests of the client's side that HTTP refused without a message were cancelled.
    pub fn cancelled(&self, session: SessionId, asked: &[u64]) -> u64 {
        let was_cancelled = |asked: &&u64| {
            self.known.iter().any(|it| {
                let is_cancelled = it.exchange.is_none() && !it.is_for_client;
                is_cancelled && it.session == session && it.id == **asked
            })
        };
        asked.iter().filter(was_cancelled).count() as u64
    }

    /// How many errors in a line of JSON answer one. Where the exchanges of both are known, they alone tell.
    pub fn cover(&mut self, line: Line<'_>, text: &[u8]) -> u64 {
        if self.known.is_empty() {
            return 0;
        }
        let exchange = line.via.map(|via| via.exchange);
        let mut covered = 0;
        for message in wire::parse(text).messages() {
            if message.kind() != Kind::Error {
                continue;
            }
            let id = message.id.map(key);
            let found = self.known.iter().position(|it| {
                let answers = match (it.exchange, exchange) {
                    (Some(one), Some(other)) => one == other,
                    _ => Some(it.id) == id,
                };
                answers
                    && it.session == line.session
                    && it.is_for_client == line.is_of_client_side()
            });
            let taken = found.and_then(|at| self.known.remove(at));
            covered += u64::from(taken.is_some());
        }
        covered
    }
}
