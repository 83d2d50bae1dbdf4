//! The transport of 2024-11-05: one event stream for everything that the server says, one path for what the client posts.

use super::asked::Accept;
use super::names::Name;
use super::outlet::{Item, Outlet, outlet};
use super::posted::Posted;
use super::process::{Ears, Process};
use super::refusal::{Refusal, synthetic};
use super::routed::Routed;
use super::session::{gone, random_id};
use super::{Ground, Visit};
use crate::proxy::exchange::Exchange;
use crate::proxy::listener::Response;
use crate::tap::{Closed, Party, ServerSent, Via};
use crate::wire::sse::Event;
use crate::wire::{Envelope, Frame, Kind, parse};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where clients post.
pub const MESSAGES: &str = "/message";
const SESSION: &str = "sessionId=";

/// A client on one event stream, and its child.
#[derive(Debug)]
pub struct Old {
    id: String,
    process: Process,
    ground: Arc<Ground>,
    stream: Exchange,
    outlet: Outlet,
    /// The raw ids of requests that have no answer yet.
    waiting: Mutex<Vec<String>>,
}

impl Old {
    /// Starts a child, and opens the stream that lasts as long as the session.
    pub fn open(ground: &Arc<Ground>, visit: &Visit) -> Result<Response, Refusal> {
        Accept::of(&visit.headers).must_take_events()?;
        let id = random_id()?;
        let (process, started) = Process::spawn(ground)?;
        let (end, in_use) = (process.ending(), process.activity.enter());
        let answering = visit.at(process.live.id);
        let (outlet, intake) = outlet(answering.exchange.clone(), move || {
            end.cancel();
            drop(in_use);
        });
        let old = Arc::new(Self {
            id: id.clone(),
            process,
            ground: ground.clone(),
            stream: answering.exchange.clone(),
            outlet,
            waiting: Mutex::default(),
        });
        old.say_where();
        ground.old_sessions().insert(id, old.clone());
        started.start(old);
        Ok(answering.events(HeaderMap::new(), intake))
    }

    /// The first event tells the client where to post.
    fn say_where(&self) {
        let endpoint = format!("{MESSAGES}?{SESSION}{}", self.id);
        self.stream.event(ServerSent {
            name: Some("endpoint".into()),
            data: Some(endpoint.clone()),
            ..ServerSent::default()
        });
        self.outlet.push(Item::Event(Event {
            name: Some("endpoint".into()),
            data: Some(endpoint.into()),
            ..Event::default()
        }));
    }

    /// The session that a request's query names.
    pub fn named(query: Option<&str>) -> Option<&str> {
        let mut parts = query?.split('&');
        parts.find_map(|part| part.strip_prefix(SESSION))
    }

    /// Takes what the client posts; answers come on its stream.
    pub async fn post(&self, visit: &Visit, posted: &Posted) -> Response {
        let answering = visit.at(self.process.live.id);
        let ids = posted.requests.iter().map(|it| it.id.clone());
        self.waiting().extend(ids);
        match self.process.write(&posted.line).await {
            true => answering.nothing(Party::Server, StatusCode::ACCEPTED),
            false => answering.refuse(&gone().to(posted.id())),
        }
    }

    pub fn end(&self) {
        self.process.end();
    }

    /// Notes that a request has its answer.
    fn answered(&self, message: &Envelope<'_>) {
        if let (Kind::Result | Kind::Error, Some(id)) = (message.kind(), message.id) {
            let name = Name::of(id);
            self.waiting().retain(|it| Name::of(it) != name);
        }
    }

    fn send(&self, message: Bytes) {
        self.outlet.push(Item::Event(Event {
            name: Some("message".into()),
            data: Some(message),
            ..Event::default()
        }));
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ears for Old {
    fn hear(&self, line: Bytes) -> Routed {
        match parse(&line) {
            Frame::Message(message) => self.answered(&message),
            Frame::Batch(messages) => messages.iter().for_each(|it| self.answered(it)),
            Frame::Blank => return Routed::default(),
            Frame::NotJsonRpc | Frame::NotJson(_) => return Routed::no_message(),
        }
        if !self.outlet.is_open() {
            return Routed::nowhere("the client has left its stream");
        }
        self.send(line.slice(..line.trim_ascii_end().len()));
        Routed {
            via: Some(Via::body(self.stream.id)),
            full: self.outlet.full(),
            ..Routed::default()
        }
    }

    fn over(&self, closed: &Closed) {
        self.ground.old_sessions().remove(&self.id);
        for id in std::mem::take(&mut *self.waiting()) {
            let message = Bytes::from(synthetic(&id, &closed.reason));
            let to = Party::Client;
            self.stream
                .message(Party::Sentinel, to, message.clone(), None);
            self.send(message);
        }
        self.outlet.end();
    }
}
