//! Where a child's message goes in a legacy session: on exactly one stream, now or when the client comes back.

use super::super::asked::Accept;
use super::super::names::Name;
use super::super::outlet::{Item, Outlet};
use super::super::posted::Request;
use super::super::ring::{Place, Ring};
use super::super::routed::Routed;
use crate::mcp::methods;
use crate::proxy::exchange::Exchange;
use crate::tap::{ServerSent, Via};
use crate::wire::sse::Event;
use crate::wire::{Envelope, Frame, Kind, object, parse};
use bytes::Bytes;
use http::StatusCode;
use std::collections::{BTreeMap, VecDeque};

/// The first revision whose streams begin with an event that says only how to resume.
const PRIMES: &str = "2025-11-25";
/// How soon a client may come back, in milliseconds.
const RETRY: u64 = 1000;
/// Bytes of messages that may wait for a stream.
const UNPLACED: usize = 64 * 1024;
/// Streams without a request that a client left, and may come back for.
const LEFT: usize = 4;
const RELATED_TASK: &[&str] = &["_meta", "io.modelcontextprotocol/related-task", "taskId"];

/// One response of a session, on which messages go out.
#[derive(Debug)]
struct Stream {
    exchange: Exchange,
    /// Where its client reads; nothing after it has left.
    outlet: Option<Outlet>,
    /// How often a client was attached.
    attached: u64,
    accept: Accept,
    /// Its response is a stream of events; not decided before.
    has_events: bool,
    /// Events so far.
    events: u64,
    /// Requests that have no answer yet. A stream without any is one that the client opened to listen.
    waiting: Vec<Request>,
    is_listening: bool,
    is_cancelled: bool,
    /// Answers of a batch, for a client that takes only one JSON body.
    collected: Vec<Bytes>,
}

impl Stream {
    fn open(&self) -> Option<&Outlet> {
        self.outlet.as_ref().filter(|outlet| outlet.is_open())
    }

    /// Whether it can carry what is no answer.
    fn carries(&self) -> bool {
        self.accept.events && !self.is_cancelled && self.open().is_some()
    }
}

/// The streams of a session, and what is kept for them.
#[derive(Debug)]
pub struct Routes {
    streams: BTreeMap<u64, Stream>,
    next: u64,
    ring: Ring,
    /// What found no stream.
    unplaced: VecDeque<Bytes>,
    /// What was negotiated.
    version: Option<String>,
    /// The handshake has failed, or its client has not waited for it: there is no session.
    pub refused: bool,
}

impl Routes {
    /// With so many bytes of events kept.
    pub fn new(kept: usize) -> Self {
        Self {
            streams: BTreeMap::new(),
            next: 1,
            ring: Ring::new(kept),
            unplaced: VecDeque::new(),
            version: None,
            refused: false,
        }
    }

    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The number of the stream to come.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// A new response: for requests, or to listen when there are none.
    pub fn attach(
        &mut self,
        outlet: Outlet,
        exchange: Exchange,
        accept: Accept,
        waiting: Vec<Request>,
    ) {
        let number = self.next;
        self.next += 1;
        let is_listening = waiting.is_empty();
        let stream = Stream {
            exchange,
            outlet: Some(outlet),
            attached: 1,
            accept,
            has_events: false,
            events: 0,
            waiting,
            is_listening,
            is_cancelled: false,
            collected: Vec::new(),
        };
        self.streams.insert(number, stream);
        if is_listening {
            self.commit(number);
        }
        if accept.events {
            self.place_the_unplaced(number);
        }
    }

    /// Makes the response a stream of events, if it is still to be decided; whether it was.
    pub fn commit(&mut self, number: u64) -> bool {
        let primes = self.version.as_deref().is_some_and(|it| it >= PRIMES);
        let Some(stream) = self.streams.get_mut(&number) else {
            return false;
        };
        if std::mem::replace(&mut stream.has_events, true) {
            return false;
        }
        if let Some(outlet) = stream.outlet.as_ref().filter(|_| primes) {
            let id = Place {
                stream: number,
                event: 0,
            };
            stream.exchange.event(ServerSent {
                id: Some(id.id()),
                retry: Some(RETRY),
                data: Some(String::new()),
                ..ServerSent::default()
            });
            outlet.push(Item::Event(Event {
                id: Some(id.id()),
                retry: Some(RETRY),
                data: Some(Bytes::new()),
                ..Event::default()
            }));
        }
        true
    }

    /// Attaches a client that has seen everything up to `seen`; how much it had missed, and whether some of that is lost.
    pub fn resume(&mut self, seen: Place, outlet: &Outlet, exchange: &Exchange) -> (usize, bool) {
        let (missed, lost) = self.ring.after(seen);
        for (place, message) in &missed {
            outlet.push(event(*place, message.clone()));
        }
        match self.streams.get_mut(&seen.stream) {
            Some(stream) => {
                if let Some(before) = stream.outlet.replace(outlet.clone()) {
                    before.end();
                }
                stream.exchange = exchange.clone();
                stream.attached += 1;
                stream.has_events = true;
                stream.accept.events = true;
                self.place_the_unplaced(seen.stream);
            }
            None => outlet.end(),
        }
        (missed.len(), lost)
    }

    /// How often a client was attached to this stream.
    pub fn attached(&self, number: u64) -> u64 {
        self.streams.get(&number).map_or(0, |it| it.attached)
    }

    /// A client has left a stream before its end, when it was attached for the given time; whether it may come back.
    pub fn left(&mut self, number: u64, attached: u64) -> bool {
        let Some(stream) = self.streams.get_mut(&number) else {
            return false;
        };
        if stream.attached != attached {
            return false;
        }
        stream.outlet = None;
        if stream.is_cancelled {
            self.streams.remove(&number);
            return false;
        }
        let resumable = stream.has_events;
        let is_left = |it: &Stream| it.is_listening && it.outlet.is_none();
        if self.streams.values().filter(|it| is_left(it)).count() > LEFT {
            let oldest = self.streams.iter().find(|(_, it)| is_left(it));
            if let Some(number) = oldest.map(|(number, _)| *number) {
                self.streams.remove(&number);
            }
        }
        resumable
    }

    /// The client waits no more for the answers to these requests, which may still come.
    pub fn cancelled(&mut self, requests: &[Name]) {
        for stream in self.streams.values_mut() {
            stream.is_cancelled |= !stream.waiting.is_empty()
                && stream
                    .waiting
                    .iter()
                    .all(|it| requests.contains(&Name::of(&it.id)));
        }
        // Whose client has left them already: it does not come back.
        self.streams
            .retain(|_, it| !it.is_cancelled || it.outlet.is_some());
    }

    /// Takes one line of the child's.
    pub fn hear(&mut self, line: &Bytes) -> Routed {
        match parse(line) {
            Frame::Message(message) => self.route(line, std::slice::from_ref(&message)),
            Frame::Batch(messages) => self.route(line, &messages),
            Frame::Blank => Routed::default(),
            Frame::NotJsonRpc | Frame::NotJson(_) => Routed::no_message(),
        }
    }

    fn route(&mut self, line: &Bytes, messages: &[Envelope<'_>]) -> Routed {
        let is_answer = |it: &&Envelope<'_>| matches!(it.kind(), Kind::Result | Kind::Error);
        let answers: Vec<_> = messages.iter().filter(is_answer).collect();
        if !answers.is_empty() {
            return self.answer(line, &answers);
        }
        let Some(message) = messages.iter().find(|it| it.method.is_some()) else {
            return Routed::no_message();
        };
        match self.related(message).or_else(|| self.unrelated()) {
            Some(number) => self.send(number, line),
            None => self.keep(line),
        }
    }

    fn answer(&mut self, line: &Bytes, answers: &[&Envelope<'_>]) -> Routed {
        let number = match answers.iter().find_map(|it| named_by(it)) {
            Some(name) => self.waits_for(&name),
            // An error whose request could not be read: it is clear whose it is when only one is under way.
            None => self.only_one_under_way(),
        };
        let Some((number, stream)) = number.and_then(|it| Some((it, self.streams.get_mut(&it)?)))
        else {
            return Routed::nowhere("no client waits for this answer");
        };
        for answer in answers {
            let name = named_by(answer);
            let of = |it: &Request| match &name {
                Some(name) => is_named(it, name),
                None => true,
            };
            let Some(at) = stream.waiting.iter().position(of) else {
                continue;
            };
            let request = stream.waiting.remove(at);
            if request.method == methods::INITIALIZE {
                let version = answer.result.unwrap_or_default();
                // Nor can it come back for it, when it has seen no event.
                let is_unheard = stream.open().is_none() && stream.events == 0;
                self.refused = answer.kind() == Kind::Error || is_unheard && self.version.is_none();
                self.version = object::string_at(version, &["protocolVersion"]).map(Into::into);
            }
        }
        self.send(number, line)
    }

    fn waits_for(&self, name: &Name) -> Option<u64> {
        let find = |name: &Name| {
            let mut streams = self.streams.iter();
            streams
                .find(|(_, it)| it.waiting.iter().any(|it| Name::of(&it.id) == *name))
                .map(|(number, _)| *number)
        };
        find(name).or_else(|| find(&name.loosely()?))
    }

    fn only_one_under_way(&self) -> Option<u64> {
        let mut under_way = self.streams.iter().filter(|(_, it)| !it.is_listening);
        let number = under_way.next().map(|(number, _)| *number);
        number.filter(|_| under_way.next().is_none())
    }

    /// The stream whose request a message names.
    fn related(&self, message: &Envelope<'_>) -> Option<u64> {
        let params = message.params?;
        let is_about: Box<dyn Fn(&Request) -> bool> =
            if message.method.as_deref() == Some(methods::PROGRESS) {
                let token = Name::of(object::at(params, &["progressToken"])?);
                Box::new(move |it| it.token.as_deref().is_some_and(|it| Name::of(it) == token))
            } else {
                let task = object::string_at(params, RELATED_TASK)?;
                Box::new(move |it| it.task.as_deref() == Some(&*task))
            };
        let mut newest_first = self.streams.iter().rev();
        newest_first
            .find(|(_, it)| it.accept.events && it.waiting.iter().any(&is_about))
            .map(|(number, _)| *number)
    }

    /// The stream for what names no request: the only one with a request, one that listens, the newest with a request.
    fn unrelated(&self) -> Option<u64> {
        let carrying = || self.streams.iter().rev().filter(|(_, it)| it.carries());
        let mut asking = carrying().filter(|(_, it)| !it.is_listening);
        let newest = asking.next();
        let only = newest.filter(|_| asking.next().is_none());
        let found = only
            .or_else(|| carrying().find(|(_, it)| it.is_listening))
            .or(newest);
        found.map(|(number, _)| *number)
    }

    /// Sends a message on a stream, which it ends when nothing more is to come on it.
    pub fn send(&mut self, number: u64, line: &Bytes) -> Routed {
        let Some(stream) = self.streams.get_mut(&number) else {
            return Routed::nowhere("its stream is over");
        };
        let message = line.slice(..line.trim_ascii_end().len());
        let is_last = !stream.is_listening && stream.waiting.is_empty();
        let whole = !stream.has_events && is_last && stream.accept.json;
        let via = if whole || !stream.accept.events {
            stream.collected.push(message);
            Self::send_whole(stream, is_last)
        } else {
            self.send_event(number, message)
        };
        let mut routed = Routed {
            via,
            ..Routed::default()
        };
        let Some(stream) = self.streams.get(&number) else {
            return routed;
        };
        if routed.via.is_none() {
            let why = if stream.has_events {
                "the client has left this stream: the message is kept for its return"
            } else {
                "the client has not waited for this"
            };
            routed.note = Some(why.into());
        }
        let outlet = stream.open();
        routed.full = outlet.and_then(Outlet::full);
        if is_last {
            if let Some(outlet) = outlet {
                outlet.end();
            }
            self.streams.remove(&number);
        }
        routed
    }

    /// One JSON body, once all of it is there.
    fn send_whole(stream: &Stream, is_last: bool) -> Option<Via> {
        let outlet = stream.open()?;
        if is_last {
            let body = match &stream.collected[..] {
                [message] => message.clone(),
                messages => [b"[".as_slice(), &messages.join(&b','), b"]"]
                    .concat()
                    .into(),
            };
            outlet.push(Item::Whole(StatusCode::OK, body));
        }
        Some(Via::body(stream.exchange.id))
    }

    fn send_event(&mut self, number: u64, message: Bytes) -> Option<Via> {
        self.commit(number);
        let stream = self.streams.get_mut(&number)?;
        stream.events += 1;
        let place = Place {
            stream: number,
            event: stream.events,
        };
        self.ring.push(place, message.clone());
        let outlet = stream.open()?;
        outlet.push(event(place, message));
        Some(Via {
            exchange: stream.exchange.id,
            event: Some(place.id().into()),
        })
    }

    /// Keeps what has no stream now for the next one.
    fn keep(&mut self, line: &Bytes) -> Routed {
        self.unplaced.push_back(line.clone());
        let mut weight: usize = self.unplaced.iter().map(Bytes::len).sum();
        let mut given_up = 0;
        while weight > UNPLACED && self.unplaced.len() > 1 {
            weight -= self.unplaced.pop_front().map_or(0, |it| it.len());
            given_up += 1;
        }
        match given_up {
            0 => Routed::default(),
            _ => Routed::nowhere(format!(
                "the client has no stream open: it never gets {given_up} of the oldest messages that wait for one"
            )),
        }
    }

    fn place_the_unplaced(&mut self, number: u64) {
        for message in std::mem::take(&mut self.unplaced) {
            self.send_event(number, message);
        }
    }

    /// The requests of a stream that have no answer, or of all.
    pub fn unanswered(&self, of: Option<u64>) -> Vec<(u64, Vec<Request>)> {
        let streams = self.streams.iter();
        let wanted = streams.filter(|(number, _)| of.is_none_or(|it| it == **number));
        wanted
            .map(|(number, it)| (*number, it.waiting.clone()))
            .collect()
    }

    /// An answer of our own to a request; the exchange that it goes out with.
    pub fn answer_ourselves(&mut self, number: u64, request: &Request, message: &Bytes) -> Routed {
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.waiting.retain(|it| it.id != request.id);
        }
        self.refused |= request.method == methods::INITIALIZE;
        self.send(number, message)
    }

    /// Ends the streams that wait for nothing.
    pub fn end(&mut self) {
        for stream in std::mem::take(&mut self.streams).into_values() {
            if let Some(outlet) = stream.outlet {
                outlet.end();
            }
        }
    }
}

/// The request that an answer names, unless it answers what could not be read.
fn named_by(answer: &Envelope<'_>) -> Option<Name> {
    answer.id.filter(|id| *id != "null").map(Name::of)
}

fn is_named(request: &Request, name: &Name) -> bool {
    let of = Name::of(&request.id);
    of == *name || of.loosely().as_ref() == Some(name)
}

fn event(place: Place, message: Bytes) -> Item {
    Item::Event(Event {
        id: Some(place.id()),
        data: Some(message),
        ..Event::default()
    })
}
