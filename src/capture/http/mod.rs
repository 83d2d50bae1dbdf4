//! What HTTP exchanges become in the capture: heads with their secrets masked, the messages in their bodies, and what
//! in them is no message.
//!
//! Bodies come as they were sent, cut anywhere, perhaps compressed; each half is read by itself. What is known of an
//! exchange is forgotten when both of its halves have ended. A long body of JSON, or event of a stream, waits for
//! its end outside of memory; a document that is no message is masked a stretch at a time then. Only an event that is none
//! is held whole.

mod body;
mod coding;
mod events;
mod heads;
mod held;
mod masked;
mod outcome;
mod pieces;

use super::again::Again;
use super::record::{HttpPart, HttpRecord};
use super::redact;
use super::spool::Spooled;
use super::tally::Failed;
use crate::tap::{ASKED_AGAIN, ExchangeId, Gap, Half, Http, Lost, Party, SessionId, Via};
pub(super) use body::TOO_SLOW;
use body::{Body, Found, Setting};
use bytes::Bytes;
use hashbrown::HashMap;
use heads::Heads;
use outcome::Outcome;
use regex::Regex;
use std::path::PathBuf;

/// Something to record of an exchange.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    Message {
        from: Party,
        to: Option<Party>,
        via: Via,
        content: Content,
        /// Whether it is one JSON value, where that is known.
        is_json: Option<bool>,
        /// As in a line.
        blameless: bool,
    },
    Part(HttpRecord),
    /// A head, as a member of the exchange's object.
    Head(ExchangeId, &'a [u8]),
    /// This was not recorded.
    Lost(Gap),
    /// So much failed, and no message says so; the requests that were asked, as in a tally.
    Failed(Failed, Vec<u64>),
}

/// A message's bytes.
#[derive(Debug)]
pub(super) enum Content {
    Here(Bytes),
    Spooled(Spooled),
}

/// The exchanges that are going on.
#[derive(Default)]
pub(super) struct Exchanges {
    going: HashMap<ExchangeId, Exchange>,
    /// Of bridges.
    again: Again,
    heads: Heads,
    /// Where long bodies wait for their ends.
    directory: PathBuf,
}

/// What a half was, now that it is over.
#[derive(Default)]
struct EndedHalf {
    bytes: u64,
    /// What is wrong with them.
    trouble: Option<String>,
    /// With the response only.
    failed: Failed,
    asked: Vec<u64>,
}

/// What is known of one exchange.
struct Exchange {
    session: SessionId,
    asks: Party,
    answers: Party,
    /// None when it is over.
    request: Option<Body>,
    response: Option<Body>,
    outcome: Outcome,
}

impl Exchange {
    /// The body of a half, and what all of it comes to.
    fn half(&mut self, of: Half) -> (&mut Option<Body>, &mut Outcome) {
        let body = match of {
            Half::Request => &mut self.request,
            Half::Response => &mut self.response,
        };
        (body, &mut self.outcome)
    }

    /// Who wrote the messages of a half, and to whom when that is not as usual.
    fn parties(&self, of: Half) -> (Party, Option<Party>) {
        match of {
            Half::Request => {
                let to = (self.asks == Party::Sentinel).then_some(Party::Server);
                (self.asks, to)
            }
            Half::Response => {
                let to = match (self.asks, self.answers) {
                    (Party::Operator, _) => Some(Party::Operator),
                    (_, Party::Sentinel) => Some(Party::Client),
                    _ => None,
                };
                (self.answers, to)
            }
        }
    }
}

impl Exchanges {
    pub fn new(secret: Vec<Regex>, directory: PathBuf) -> Self {
        Self {
            going: HashMap::new(),
            again: Again::default(),
            heads: Heads::new(secret),
            directory,
        }
    }

    pub fn take(
        &mut self,
        session: SessionId,
        id: ExchangeId,
        what: &Http,
        each: &mut impl FnMut(Entry<'_>),
    ) {
        match what {
            Http::Request(head) => {
                let exchange = self.exchange(session, id);
                exchange.asks = head.by;
                exchange.outcome.asked(head);
                exchange.request = Some(Body::announced(Half::Request, head.headers()));
                each(Entry::Head(id, self.heads.request(head)));
                self.whole(session, id, Half::Request, head.body(), each);
            }
            Http::Response(head) => {
                let exchange = self.exchange(session, id);
                exchange.answers = head.by;
                exchange.outcome.answered(head);
                exchange.response = Some(Body::announced(Half::Response, head.headers()));
                each(Entry::Head(id, self.heads.response(head)));
                self.whole(session, id, Half::Response, head.body(), each);
            }
            Http::Body { of, bytes, is_last } => {
                self.read(session, id, *of, each, |body, setting, found| {
                    body.push(setting, bytes.clone(), found);
                });
                if *is_last {
                    self.close(id, *of, None, None, each);
                }
            }
            Http::Event(event) => each(part(
                id,
                HttpPart::Event(events::event(event.clone(), self.heads.secret())),
            )),
            Http::NoMessage(bytes) => {
                let secret = self.heads.secret();
                let mask = |text: &str| redact::http::text(text, secret);
                let found = &mut |found| each(entry(id, (Party::Server, None), found, false));
                body::record(Half::Response, bytes, mask, found);
            }
            Http::End { of, bytes, broken } => {
                self.close(id, *of, *bytes, broken.clone(), each);
            }
        }
    }

    /// A message that an exchange carried came by itself, and not in a body.
    pub fn carried(&mut self, id: ExchangeId, from: Party, to: Party, message: &[u8]) {
        let Some(exchange) = self.going.get_mut(&id) else {
            return;
        };
        match (from, to) {
            _ if from == exchange.asks => exchange.outcome.said(message),
            // We cancel what nobody waits for any more.
            (Party::Sentinel, Party::Server) => exchange.outcome.is_settled = true,
            (_, Party::Sentinel) => {}
            _ => exchange.outcome.carried(message),
        }
    }

    /// Whether what is said in this exchange of a failure is no message's.
    pub fn refuses_no_message(&self, id: ExchangeId) -> bool {
        let exchange = self.going.get(&id);
        exchange.is_some_and(|it| it.outcome.refuses_no_message())
    }

    /// A body that came with its head.
    fn whole(
        &mut self,
        session: SessionId,
        id: ExchangeId,
        of: Half,
        body: Option<&[u8]>,
        each: &mut impl FnMut(Entry<'_>),
    ) {
        let Some(bytes) = body else { return };
        if !bytes.is_empty() {
            self.read(session, id, of, each, |body, setting, found| {
                body.push(setting, Bytes::copy_from_slice(bytes), found);
            });
        }
        self.close(id, of, None, None, each);
    }

    /// A half is over: so many bytes of it came, if that is not what was seen of it.
    fn close(
        &mut self,
        id: ExchangeId,
        of: Half,
        bytes: Option<u64>,
        broken: Option<String>,
        each: &mut impl FnMut(Entry<'_>),
    ) {
        if let Some(exchange) = self.going.get_mut(&id) {
            let outcome = &mut exchange.outcome;
            if of == Half::Request && outcome.repeats() {
                outcome.repeats_notification = self.again.repeats(exchange.session);
            }
            if broken.as_deref() == Some(ASKED_AGAIN) {
                outcome.is_settled = true;
                if let Some(is_notification) = outcome.is_bridged_notification() {
                    self.again.note(exchange.session, is_notification);
                }
            }
        }
        let ended = self.end_half(id, of, each);
        let reasons: Vec<_> = broken.into_iter().chain(ended.trouble).collect();
        let end = HttpPart::End {
            of,
            bytes: bytes.unwrap_or(ended.bytes),
            broken: (!reasons.is_empty()).then(|| reasons.join("; ")),
        };
        each(part(id, end));
        each(Entry::Failed(ended.failed, ended.asked));
    }

    /// Bytes of a body were dropped before they came here.
    pub fn lose(
        &mut self,
        session: SessionId,
        (id, of): (ExchangeId, Half),
        lost: &Lost,
        each: &mut impl FnMut(Entry<'_>),
    ) {
        self.read(session, id, of, each, |body, _, found| {
            body.lose(lost.bytes, lost.messages, found);
        });
    }

    /// Nothing more comes: what was held of every body is all there is of it.
    pub fn end(&mut self, mut each: impl FnMut(SessionId, Entry<'_>)) {
        let mut left: Vec<_> = self
            .going
            .iter()
            .map(|(id, it)| (*id, it.session))
            .collect();
        left.sort();
        for (id, session) in left {
            for of in [Half::Request, Half::Response] {
                self.end_half(id, of, &mut |entry| each(session, entry));
            }
        }
    }

    /// Gives back memory that only a burst needs.
    pub fn slim(&mut self) {
        self.going.shrink_to(64);
    }

    fn exchange(&mut self, session: SessionId, id: ExchangeId) -> &mut Exchange {
        going(&mut self.going, session, id)
    }

    /// Lets a half's body be read, and says who wrote what is found.
    fn read(
        &mut self,
        session: SessionId,
        id: ExchangeId,
        of: Half,
        each: &mut impl FnMut(Entry<'_>),
        read: impl FnOnce(&mut Body, Setting<'_>, &mut dyn FnMut(Found)),
    ) {
        let exchange = going(&mut self.going, session, id);
        let parties = exchange.parties(of);
        let (body, outcome) = exchange.half(of);
        let body = body.get_or_insert_default();
        let setting = Setting {
            of,
            secret: self.heads.secret(),
            directory: &self.directory,
        };
        read(body, setting, &mut |found| {
            outcome.found(of, &found);
            each(entry(id, parties, found, outcome.refuses_no_message()));
        });
    }

    fn end_half(
        &mut self,
        id: ExchangeId,
        of: Half,
        each: &mut impl FnMut(Entry<'_>),
    ) -> EndedHalf {
        let mut ended = EndedHalf::default();
        let Some(exchange) = self.going.get_mut(&id) else {
            return ended;
        };
        let parties = exchange.parties(of);
        let (body, outcome) = exchange.half(of);
        if let Some(body) = body.take() {
            let setting = Setting {
                of,
                secret: self.heads.secret(),
                directory: &self.directory,
            };
            (ended.bytes, ended.trouble) = body.finish(setting, &mut |found| {
                outcome.found(of, &found);
                each(entry(id, parties, found, outcome.refuses_no_message()));
            });
            if of == Half::Response {
                (ended.failed, ended.asked) = (outcome.failed(), outcome.take_asked());
            }
        }
        if exchange.request.is_none() && exchange.response.is_none() {
            self.going.remove(&id);
        }
        ended
    }
}

fn going(
    all: &mut HashMap<ExchangeId, Exchange>,
    session: SessionId,
    id: ExchangeId,
) -> &mut Exchange {
    all.entry(id).or_insert_with(|| Exchange {
        session,
        asks: Party::Client,
        answers: Party::Server,
        request: Some(Body::default()),
        response: Some(Body::default()),
        outcome: Outcome::default(),
    })
}

fn part(exchange: ExchangeId, part: HttpPart) -> Entry<'static> {
    Entry::Part(HttpRecord { exchange, part })
}

fn entry(
    exchange: ExchangeId,
    (from, to): (Party, Option<Party>),
    found: Found,
    blameless: bool,
) -> Entry<'static> {
    match found {
        Found::Message {
            content,
            event,
            is_json,
            ..
        } => Entry::Message {
            from,
            to,
            via: Via { exchange, event },
            content,
            is_json,
            blameless,
        },
        Found::Part(found) => part(exchange, found),
        Found::Lost(gap) => Entry::Lost(gap),
    }
}

#[cfg(test)]
mod tests;
