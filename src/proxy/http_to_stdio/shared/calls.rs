//! The requests of the modern era that are under way, by the names that the child knows them by.

use super::super::asked::Accept;
use super::super::names::{Name, fresh, rename};
use super::super::outlet::{Full, Item, Outlet};
use super::super::posted::Request;
use super::super::routed::Routed;
use crate::mcp::methods;
use crate::proxy::exchange::Exchange;
use crate::tap::Via;
use crate::wire::sse::Event;
use crate::wire::{Envelope, object};
use bytes::Bytes;
use http::StatusCode;
use std::collections::{HashMap, VecDeque};
use tokio_util::sync::CancellationToken;

const ID: &[&str] = &["id"];
const TOKEN: &[&str] = &["params", "_meta", "progressToken"];
const SUBSCRIPTION: &[&str] = &["_meta", "io.modelcontextprotocol/subscriptionId"];
/// Cancelled requests whose ids are not given to others yet, because an answer may still come.
const LATE: usize = 1024;

/// What the child knows a request by, raw.
#[derive(Debug, Clone)]
pub struct Sent {
    id: String,
    token: Option<String>,
}

impl Sent {
    /// What was replaced, in words.
    pub fn note(&self, request: &Request) -> Option<String> {
        let pairs = [
            ("id", Some(&request.id), Some(&self.id)),
            (
                "progress token",
                request.token.as_ref(),
                self.token.as_ref(),
            ),
        ];
        let replaced = pairs.into_iter().filter_map(|(what, from, to)| {
            let (from, to) = (from?, to?);
            (from != to).then(|| format!("the {what} {from} is {to}"))
        });
        let replaced: Vec<String> = replaced.collect();
        (!replaced.is_empty()).then(|| {
            format!(
                "rewritten on the way to the server and back, because another client uses the same: {}",
                replaced.join(", ")
            )
        })
    }
}

/// One request under way.
#[derive(Debug)]
pub struct Call {
    pub request: Request,
    pub exchange: Exchange,
    sent: Sent,
    accept: Accept,
    outlet: Option<Outlet>,
    /// Its response is a stream of events; not decided before.
    has_events: bool,
    /// The later, the higher.
    number: u64,
}

impl Call {
    pub fn new(request: Request, sent: Sent, exchange: Exchange, accept: Accept) -> Self {
        Self {
            request,
            exchange,
            sent,
            accept,
            outlet: None,
            has_events: false,
            number: 0,
        }
    }

    /// What the child calls it.
    pub fn name(&self) -> Name {
        Name::of(&self.sent.id)
    }

    /// The raw id that the child knows.
    pub fn sent_id(&self) -> &str {
        &self.sent.id
    }

    /// Sends the answer, and ends the response; what it went out with.
    pub fn finish(&self, status: StatusCode, message: Bytes) -> Option<Via> {
        let outlet = self.outlet.as_ref().filter(|it| it.is_open())?;
        outlet.push(if self.has_events || !self.accept.json {
            event(message)
        } else {
            Item::Whole(status, message)
        });
        outlet.end();
        Some(Via::body(self.exchange.id))
    }

    /// What there is to be done about its response before the child says more, if anything.
    pub fn full(&self) -> Option<Full> {
        self.outlet.as_ref()?.full()
    }

    /// Where its client reads events, if it does.
    fn events(&self) -> Option<&Outlet> {
        let outlet = self.outlet.as_ref();
        outlet.filter(|it| self.accept.events && it.is_open())
    }

    /// Sends what comes before the answer.
    fn tell(&mut self, message: Bytes) -> Routed {
        let Some(outlet) = self.events().cloned() else {
            return Routed::nowhere("the client takes no stream of events, or has left it");
        };
        self.has_events = true;
        outlet.push(event(message));
        Routed {
            via: Some(Via::body(self.exchange.id)),
            full: outlet.full(),
            ..Routed::default()
        }
    }

    /// The message with the client's own name at this place, if the child knows another one.
    fn restored(&self, message: Bytes, path: &[&str]) -> Bytes {
        if self.sent.id == self.request.id {
            return message;
        }
        rename(message, path, &self.request.id)
    }

    /// The answer as the client's own request would have got it.
    pub fn restored_answer(&self, message: Bytes) -> Bytes {
        let subscription = [&["result"][..], SUBSCRIPTION].concat();
        self.restored(self.restored(message, ID), &subscription)
    }
}

fn event(message: Bytes) -> Item {
    Item::Event(Event {
        data: Some(message),
        ..Event::default()
    })
}

#[derive(Debug, Default)]
pub struct Calls {
    calls: HashMap<Name, Call>,
    /// Which call a progress token belongs to.
    tokens: HashMap<Name, Name>,
    late: VecDeque<Name>,
    next: u64,
    /// Cancelled when another request comes, for whoever waits for the client of the only one.
    joined: Option<CancellationToken>,
}

impl Calls {
    /// A request's line as the child gets it: as it came, unless a name in it is in use.
    pub fn translate(&mut self, request: &Request, line: Bytes) -> (Bytes, Sent) {
        let (mut line, mut sent) = (
            line,
            Sent {
                id: request.id.clone(),
                token: request.token.clone(),
            },
        );
        let name = Name::of(&request.id);
        if self.calls.contains_key(&name) || self.late.contains(&name) {
            sent.id = self.fresh();
            line = rename(line, ID, &sent.id);
        }
        let token = request.token.as_deref().map(Name::of);
        if token.is_some_and(|it| self.tokens.contains_key(&it)) {
            let token = self.fresh();
            line = rename(line, TOKEN, &token);
            sent.token = Some(token);
        }
        (line, sent)
    }

    fn fresh(&mut self) -> String {
        self.next += 1;
        fresh(self.next)
    }

    pub fn add(&mut self, mut call: Call, outlet: Outlet) {
        if let Some(joined) = self.joined.take() {
            joined.cancel();
        }
        self.next += 1;
        call.number = self.next;
        call.outlet = Some(outlet);
        if let Some(token) = &call.sent.token {
            self.tokens.insert(Name::of(token), call.name());
        }
        self.calls.insert(call.name(), call);
    }

    /// Makes the response a stream of events, if it is still to be decided; whether it was.
    pub fn commit(&mut self, name: &Name) -> bool {
        let call = self.calls.get_mut(name);
        call.is_some_and(|it| !std::mem::replace(&mut it.has_events, true))
    }

    /// Forgets a request that nobody waits for any more.
    pub fn cancel(&mut self, name: &Name) -> Option<Call> {
        let call = self.remove(name)?;
        self.late.push_back(name.clone());
        if self.late.len() > LATE {
            self.late.pop_front();
        }
        Some(call)
    }

    /// Takes one call out, or all.
    pub fn take(&mut self, one: Option<&Name>) -> Vec<Call> {
        match one {
            Some(name) => self.remove(name).into_iter().collect(),
            None => {
                self.tokens.clear();
                self.calls.drain().map(|(_, call)| call).collect()
            }
        }
    }

    /// Takes out the call that this answers, or says why there is none.
    pub fn answered(&mut self, id: Option<&str>) -> Result<Call, &'static str> {
        let Some(name) = id.filter(|it| *it != "null").map(Name::of) else {
            // Its request could not be read: it is clear whose it is when only one is under way.
            let only = self.calls.keys().next().cloned();
            let only = only.filter(|_| self.calls.len() == 1);
            return only
                .and_then(|name| self.remove(&name))
                .ok_or("this answer names no request");
        };
        if let Some(at) = self.late.iter().position(|it| *it == name) {
            self.late.remove(at);
            return Err("the client has not waited for this answer");
        }
        let call = self.remove(&name);
        call.or_else(|| self.remove(&name.loosely()?))
            .ok_or("no client waits for this answer")
    }

    fn remove(&mut self, name: &Name) -> Option<Call> {
        let call = self.calls.remove(name)?;
        if let Some(token) = &call.sent.token {
            self.tokens.remove(&Name::of(token));
        }
        Some(call)
    }

    /// Takes a notification of the child's to the one stream that it belongs to.
    pub fn notify(&mut self, line: Bytes, message: &Envelope<'_>) -> Routed {
        let is_only = self.calls.len() == 1;
        let mut routed = self.tell(line, message);
        if let Some(full) = routed.full.take_if(|_| is_only) {
            let joined = self.joined.get_or_insert_default();
            routed.full = Some(full.until(joined.clone()));
        }
        routed
    }

    fn tell(&mut self, line: Bytes, message: &Envelope<'_>) -> Routed {
        let params = message.params.unwrap_or_default();
        match message.method.as_deref().unwrap_or_default() {
            methods::PROGRESS => self.progress(line, params),
            methods::CANCELLED => self.end_listening(line, params),
            methods::LOG_MESSAGE => self.log(line),
            _ => match object::at(params, SUBSCRIPTION).map(Name::of) {
                Some(name) => self.on_subscription(line, &name),
                None => {
                    Routed::nowhere("the notification names no subscription, so no client gets it")
                }
            },
        }
    }

    fn progress(&mut self, line: Bytes, params: &str) -> Routed {
        let token = object::at(params, &["progressToken"]).map(Name::of);
        let tokens = &self.tokens;
        let name = token.and_then(|it| tokens.get(&it).or_else(|| tokens.get(&it.loosely()?)));
        let Some(call) = name.and_then(|it| self.calls.get_mut(it)) else {
            return Routed::nowhere("no request is under way with this progress token");
        };
        let line = match (&call.request.token, &call.sent.token) {
            (Some(own), Some(sent)) if own != sent => {
                rename(line, &["params", "progressToken"], own)
            }
            _ => line,
        };
        call.tell(line)
    }

    fn on_subscription(&mut self, line: Bytes, name: &Name) -> Routed {
        let Some(call) = self.calls.get_mut(name) else {
            return Routed::nowhere("no client listens with this subscription");
        };
        let line = call.restored(line, &[&["params"][..], SUBSCRIPTION].concat());
        call.tell(line)
    }

    /// A server ends a subscription by cancelling the request that opened it.
    fn end_listening(&mut self, line: Bytes, params: &str) -> Routed {
        let name = object::at(params, &["requestId"]).map(Name::of);
        let listens = |it: &Call| it.request.method == methods::LISTEN;
        let call = name
            .filter(|name| self.calls.get(name).is_some_and(listens))
            .and_then(|name| self.remove(&name));
        let Some(mut call) = call else {
            return Routed::nowhere("no client listens with this subscription");
        };
        let line = call.restored(line, &["params", "requestId"]);
        let routed = call.tell(line);
        if let Some(outlet) = &call.outlet {
            outlet.end();
        }
        routed
    }

    /// Nothing says which request a log message belongs to: it can only be one that has asked for them.
    fn log(&mut self, line: Bytes) -> Routed {
        let asks = |it: &&mut Call| it.request.logs && it.events().is_some();
        let mut asking = self.calls.values_mut().filter(asks);
        let Some(mut newest) = asking.next() else {
            return Routed::nowhere(
                "no request under way has asked for log messages and takes a stream of events",
            );
        };
        let mut others = 0;
        for call in asking {
            others += 1;
            if call.number > newest.number {
                newest = call;
            }
        }
        let mut routed = newest.tell(line);
        if others > 0 && routed.note.is_none() {
            let exchange = newest.exchange.id.0;
            routed.note = Some(format!(
                "the log message goes to the newest of {} requests that have asked for them, on HTTP exchange {exchange}: whose it is, is ambiguous",
                others + 1
            ));
        }
        routed
    }
}
