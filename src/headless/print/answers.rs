//! Which request an answer is to: its method, what it was about, and how long the answer took; and which requests got none.

use crate::capture::record::Record;
use crate::mcp::methods;
use crate::tap::{Party, SessionId, Timestamp};
use crate::traffic::Side;
use crate::traffic::digest::{Carrier, Message, MessageKind};
use crate::traffic::gist::gist;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

/// Requests whose answer is awaited; of a peer that leaves more unanswered the oldest are forgotten.
const AWAITED: usize = 10_000;
/// Answered requests that a second answer is told to be to.
const REMEMBERED: usize = 1_000;
/// Whose id is longer gets its answer printed without its name.
const LONGEST_ID: usize = 256;

/// How a message came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub session: SessionId,
    pub at: Timestamp,
    pub from: Party,
    pub to: Option<Party>,
    pub exchange: Option<u64>,
}

impl Way {
    pub fn of(record: &Record<'_>, from: Party, to: Option<Party>, via: Option<Carrier>) -> Self {
        Self {
            session: record.session,
            at: record.at,
            from,
            to,
            exchange: via.map(|via| via.exchange),
        }
    }
}

/// The session, who asked, and the raw id token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key(SessionId, Side, Box<str>);

#[derive(Debug)]
struct Asked {
    number: u64,
    exchange: Option<u64>,
    at: Timestamp,
    method: Box<str>,
    name: Box<str>,
    cancelled: bool,
}

/// What an answer answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Answered {
    pub method: Box<str>,
    /// The tool, prompt or URI.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: Box<str>,
    /// Unknown when the clock was set back meanwhile.
    #[serde(rename = "took_us", serialize_with = "micros")]
    pub took: Option<Duration>,
    /// It had been cancelled.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

fn micros<S: serde::Serializer>(took: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    took.map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
        .serialize(to)
}

/// What an answer is to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Request(Answered),
    /// One that was answered before.
    Again,
    /// Nothing that was asked.
    Unasked,
}

impl Found {
    pub fn request(self) -> Option<Answered> {
        match self {
            Self::Request(answered) => Some(answered),
            Self::Again | Self::Unasked => None,
        }
    }
}

/// A request that nobody answers any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unanswered {
    pub method: Box<str>,
    pub name: Box<str>,
    /// The raw token.
    pub id: Box<str>,
}

/// The requests that an answer may yet come to.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Clients that share a session may use the same id at once: oldest first.
    awaited: HashMap<Key, Vec<Asked>>,
    /// The same, in the order in which they came.
    order: BTreeMap<u64, Key>,
    count: u64,
    answered: HashSet<Key>,
    answered_order: VecDeque<Key>,
}

impl Answers {
    /// Takes a message in; for an answer, what it is to.
    pub fn take_in(&mut self, way: Way, message: &Message) -> Option<Found> {
        let side = Side::of(way.from, way.to);
        if message.kind == MessageKind::Notification {
            if *message.method == *methods::CANCELLED {
                self.cancel(way, side, message.reference.clone()?);
            }
            return None;
        }
        let id = message.id.clone().filter(|id| id.len() <= LONGEST_ID);
        match message.kind {
            MessageKind::Request => {
                self.ask(Key(way.session, side, id?), way, message);
                None
            }
            MessageKind::Notification | MessageKind::Garbage => None,
            _ => Some(match id {
                Some(id) => self.found(Key(way.session, side.other(), id), way),
                None => Found::Unasked,
            }),
        }
    }

    fn ask(&mut self, key: Key, way: Way, message: &Message) {
        let number = self.count;
        self.count += 1;
        let asked = Asked {
            number,
            exchange: way.exchange,
            at: way.at,
            method: gist(&message.method),
            name: gist(&message.name),
            cancelled: false,
        };
        self.awaited.entry(key.clone()).or_default().push(asked);
        self.order.insert(number, key);
        if self.order.len() > AWAITED
            && let Some((oldest, key)) = self.order.pop_first()
        {
            self.forget(&key, oldest);
        }
    }

    /// The sender takes a request of its own back, or the server ends a subscription of the client's.
    fn cancel(&mut self, way: Way, side: Side, id: Box<str>) {
        for whose in [side, side.other()] {
            let meant = |asked: &&mut Asked| {
                !asked.cancelled && (whose == side || *asked.method == *methods::LISTEN)
            };
            let asked = self.awaited.get_mut(&Key(way.session, whose, id.clone()));
            if let Some(asked) = asked.and_then(|all| all.iter_mut().find(meant)) {
                asked.cancelled = true;
                return;
            }
        }
    }

    fn found(&mut self, key: Key, way: Way) -> Found {
        // By the exchange that it went with, otherwise the oldest with this id.
        let here = |asked: &&Asked| way.exchange.is_some() && asked.exchange == way.exchange;
        let all = self.awaited.get(&key).map_or(&[][..], Vec::as_slice);
        let Some(asked) = all.iter().find(here).or_else(|| all.first()) else {
            return match self.answered.contains(&key) {
                true => Found::Again,
                false => Found::Unasked,
            };
        };
        let took = u64::try_from(way.at.0.saturating_sub(asked.at.0)).ok();
        let answered = Answered {
            method: asked.method.clone(),
            name: asked.name.clone(),
            took: took.map(Duration::from_micros),
            late: asked.cancelled,
        };
        let number = asked.number;
        // What we keep to ourselves leaves its request waiting.
        if way.to != Some(Party::Sentinel) {
            self.order.remove(&number);
            self.forget(&key, number);
            self.remember(key);
        }
        Found::Request(answered)
    }

    fn forget(&mut self, key: &Key, number: u64) {
        if let Some(asked) = self.awaited.get_mut(key) {
            asked.retain(|asked| asked.number != number);
            if asked.is_empty() {
                self.awaited.remove(key);
            }
        }
    }

    fn remember(&mut self, key: Key) {
        if self.answered.insert(key.clone()) {
            self.answered_order.push_back(key);
        }
        if self.answered_order.len() > REMEMBERED
            && let Some(oldest) = self.answered_order.pop_front()
        {
            self.answered.remove(&oldest);
        }
    }

    /// The session is over: who is not answered any more, oldest first. Subscriptions have no answer, and who took a
    /// request back waits for none.
    pub fn close(&mut self, session: SessionId) -> Vec<Unanswered> {
        let gone = self.awaited.extract_if(|key, _| key.0 == session);
        let mut left: Vec<_> = gone
            .flat_map(|(key, all)| all.into_iter().map(move |asked| (asked, key.2.clone())))
            .filter(|(asked, _)| !asked.cancelled && *asked.method != *methods::LISTEN)
            .collect();
        left.sort_by_key(|(asked, _)| asked.number);
        self.order.retain(|_, key| key.0 != session);
        self.answered.retain(|key| key.0 != session);
        self.answered_order.retain(|key| key.0 != session);
        left.into_iter()
            .map(|(asked, id)| Unanswered {
                method: asked.method,
                name: asked.name,
                id,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::digest::Detail;

    fn message(kind: MessageKind, method: &str, id: u64) -> Message {
        Message {
            kind,
            method: method.into(),
            id: Some(id.to_string().into()),
            name: "x".into(),
            gist: "".into(),
            reference: None,
            detail: Detail::None,
        }
    }

    fn way(from: Party, at: i64, exchange: Option<u64>) -> Way {
        Way {
            session: SessionId(1),
            at: Timestamp(at),
            from,
            to: None,
            exchange,
        }
    }

    fn ask(answers: &mut Answers, method: &str, id: u64, exchange: Option<u64>) {
        let request = message(MessageKind::Request, method, id);
        let way = way(Party::Client, 10, exchange);
        assert_eq!(answers.take_in(way, &request), None);
    }

    fn answer(answers: &mut Answers, id: u64, exchange: Option<u64>) -> Option<String> {
        let answered = found(answers, id, exchange).request()?;
        assert_eq!(answered.took, Some(Duration::from_micros(15)));
        Some(answered.method.into())
    }

    fn found(answers: &mut Answers, id: u64, exchange: Option<u64>) -> Found {
        let result = message(MessageKind::Result, "", id);
        let way = way(Party::Server, 25, exchange);
        answers.take_in(way, &result).unwrap()
    }

    #[test]
    fn of_two_open_requests_with_one_id_the_older_is_answered_first() {
        let mut answers = Answers::default();
        ask(&mut answers, "tools/call", 1, None);
        ask(&mut answers, "ping", 1, None);
        assert_eq!(answer(&mut answers, 1, None).as_deref(), Some("tools/call"));
        assert_eq!(answer(&mut answers, 1, None).as_deref(), Some("ping"));
        assert_eq!(found(&mut answers, 1, None), Found::Again);
        assert_eq!(found(&mut answers, 2, None), Found::Unasked);
    }

    #[test]
    fn an_answer_to_what_was_taken_back_is_late() {
        let mut answers = Answers::default();
        ask(&mut answers, "tools/call", 1, None);
        ask(&mut answers, "ping", 2, None);
        let mut cancel = message(MessageKind::Notification, methods::CANCELLED, 0);
        (cancel.id, cancel.reference) = (None, Some("1".into()));
        answers.take_in(way(Party::Client, 20, None), &cancel);
        let late = found(&mut answers, 1, None).request().unwrap();
        assert!(late.late);
        assert!(!found(&mut answers, 2, None).request().unwrap().late);
    }

    #[test]
    fn who_waits_in_vain_is_known_at_the_end() {
        let mut answers = Answers::default();
        ask(&mut answers, "tools/call", 7, None);
        ask(&mut answers, methods::LISTEN, 8, None);
        ask(&mut answers, "ping", 9, None);
        answer(&mut answers, 9, None).unwrap();
        let left = answers.close(SessionId(1));
        assert_eq!(left.len(), 1);
        assert_eq!((&*left[0].method, &*left[0].id), ("tools/call", "7"));
    }

    #[test]
    fn an_answer_is_to_the_request_of_its_id_once() {
        let mut answers = Answers::default();
        ask(&mut answers, "tools/call", 1, None);
        assert_eq!(answer(&mut answers, 2, None), None);
        assert_eq!(answer(&mut answers, 1, None).as_deref(), Some("tools/call"));
        assert_eq!(answer(&mut answers, 1, None), None);
        assert!(answers.awaited.is_empty() && answers.order.is_empty());
    }

    #[test]
    fn clients_that_use_the_same_id_at_once_are_told_apart_by_their_exchange() {
        let mut answers = Answers::default();
        ask(&mut answers, "tools/call", 1, Some(5));
        ask(&mut answers, "prompts/get", 1, Some(6));
        assert_eq!(
            answer(&mut answers, 1, Some(5)).as_deref(),
            Some("tools/call")
        );
        // Another stream may bring it.
        assert_eq!(
            answer(&mut answers, 1, Some(9)).as_deref(),
            Some("prompts/get")
        );
    }

    #[test]
    fn only_so_many_are_awaited_and_none_of_a_session_that_is_over() {
        let mut answers = Answers::default();
        (0..=AWAITED as u64).for_each(|id| ask(&mut answers, "ping", id, None));
        assert_eq!(answers.order.len(), AWAITED);
        assert_eq!(answer(&mut answers, 0, None), None);
        assert!(answer(&mut answers, 1, None).is_some());
        answers.close(SessionId(1));
        assert!(answers.awaited.is_empty() && answers.order.is_empty());
    }
}
