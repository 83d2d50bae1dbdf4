//! Which request an answer is to: its method, what it was about, and how long the answer took.

use crate::capture::record::Record;
use crate::tap::{Party, SessionId, Timestamp};
use crate::traffic::Side;
use crate::traffic::digest::{Carrier, Message, MessageKind};
use crate::traffic::gist::gist;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Requests whose answer is awaited; of a peer that leaves more unanswered the oldest are forgotten.
const AWAITED: usize = 10_000;
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
}

/// What an answer answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Answered {
    pub method: Box<str>,
    /// The tool, prompt or URI.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: Box<str>,
    #[serde(rename = "took_us", serialize_with = "micros")]
    pub took: Duration,
}

fn micros<S: serde::Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
}

/// The requests that an answer may yet come to.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Clients that share a session may use the same id at once.
    awaited: HashMap<Key, Vec<Asked>>,
    /// The same, in the order in which they came.
    order: BTreeMap<u64, Key>,
    count: u64,
}

impl Answers {
    /// Takes a message in; for an answer, what it is to, if that is known.
    pub fn take_in(&mut self, way: Way, message: &Message) -> Option<Answered> {
        let id = message.id.clone().filter(|id| id.len() <= LONGEST_ID)?;
        let side = Side::of(way.from, way.to);
        match message.kind {
            MessageKind::Request => {
                self.ask(Key(way.session, side, id), way, message);
                None
            }
            MessageKind::Notification | MessageKind::Garbage => None,
            _ => self.answered(&Key(way.session, side.other(), id), way),
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
        };
        self.awaited.entry(key.clone()).or_default().push(asked);
        self.order.insert(number, key);
        if self.order.len() > AWAITED
            && let Some((oldest, key)) = self.order.pop_first()
        {
            self.forget(&key, oldest);
        }
    }

    fn answered(&mut self, key: &Key, way: Way) -> Option<Answered> {
        let all = self.awaited.get(key)?;
        // By the exchange that it went with, otherwise the newest with this id.
        let here = |asked: &&Asked| way.exchange.is_some() && asked.exchange == way.exchange;
        let asked = all.iter().find(here).or_else(|| all.last())?;
        let took = u64::try_from(way.at.0 - asked.at.0).unwrap_or(0);
        let answered = Answered {
            method: asked.method.clone(),
            name: asked.name.clone(),
            took: Duration::from_micros(took),
        };
        let number = asked.number;
        // What we keep to ourselves leaves its request waiting.
        if way.to != Some(Party::Sentinel) {
            self.order.remove(&number);
            self.forget(key, number);
        }
        Some(answered)
    }

    fn forget(&mut self, key: &Key, number: u64) {
        if let Some(asked) = self.awaited.get_mut(key) {
            asked.retain(|asked| asked.number != number);
            if asked.is_empty() {
                self.awaited.remove(key);
            }
        }
    }

    /// The session is over: nobody answers any more.
    pub fn close(&mut self, session: SessionId) {
        self.awaited.retain(|key, _| key.0 != session);
        self.order.retain(|_, key| key.0 != session);
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
        let result = message(MessageKind::Result, "", id);
        let answered = answers.take_in(way(Party::Server, 25, exchange), &result)?;
        assert_eq!(answered.took, Duration::from_micros(15));
        Some(answered.method.into())
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
