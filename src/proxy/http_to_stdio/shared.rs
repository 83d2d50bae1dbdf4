//! The one child for all requests of the modern era, which know no session: every request is an exchange of its own.
//!
//! Their clients know nothing of each other, so an id or a progress token that is in use is replaced on the way to the
//! child, and put back on the way from it.

mod calls;

use super::answering::Answering;
use super::asked::{self, Accept};
use super::names::Name;
use super::outlet::Crowd;
use super::posted::{Posted, Request};
use super::process::{Ears, Process};
use super::refusal::{Refusal, synthetic};
use super::routed::Routed;
use super::{Ground, Visit};
use crate::mcp::methods;
use crate::proxy::child::READING_SHOWS;
use crate::proxy::listener::Response;
use crate::tap::{Body, Closed, Party, Via};
use crate::wire::{Envelope, Frame, Kind, object, parse};
use bytes::Bytes;
use calls::{Call, Calls};
use http::{HeaderMap, StatusCode};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a server that may not know the era may be silent when it has read that it is asked for it. One that is being
/// downloaded has not, and is not taken for a silent one.
const PROBE: Duration = Duration::from_secs(5);
/// The same from when it was asked, where it does not show what it has read.
const BLIND_PROBE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub struct Shared {
    process: Process,
    ground: Arc<Ground>,
    calls: Mutex<Calls>,
    crowd: Arc<Crowd>,
}

impl Shared {
    /// Starts the child.
    pub fn open(ground: &Arc<Ground>) -> Result<Arc<Self>, Refusal> {
        let (process, started) = Process::spawn(ground)?;
        let shared = Arc::new(Self {
            process,
            ground: ground.clone(),
            calls: Mutex::default(),
            crowd: Arc::default(),
        });
        started.start(shared.clone());
        Ok(shared)
    }

    /// Whether it takes requests.
    pub fn is_open(&self) -> bool {
        self.process.is_open()
    }

    pub fn end(&self) {
        self.process.end();
    }

    pub async fn post(self: Arc<Self>, visit: &Visit, posted: Posted, accept: Accept) -> Response {
        let answering = visit.at(self.process.live.id);
        if posted.is_batch || posted.is_answer {
            let words = "in this era a body is one request or one notification";
            return answering.refuse(&Refusal::invalid(words).to(posted.id()));
        }
        let Some(request) = posted.requests.first().cloned() else {
            return self.notify(answering, &posted).await;
        };
        if let Some(words) = self.mismatch(&visit.headers, &posted.line) {
            if !self.ground.lenient {
                return answering.refuse(&Refusal::mismatch(words).to(Some(&request.id)));
            }
            self.process.lane.note(words);
        }
        let probes = request.method == methods::DISCOVER && !self.ground.is_modern();
        let heard = probes.then(CancellationToken::new);
        let (call, line) = {
            let mut calls = self.calls();
            let (line, sent) = calls.translate(&request, posted.line);
            if let Some(note) = sent.note(&request) {
                self.process.lane.note(note);
            }
            (
                Call::new(request, sent, answering.exchange.clone(), accept),
                line,
            )
        };
        let name = call.name();
        let (shared, in_use) = (self.clone(), self.process.activity.enter());
        let left = name.clone();
        let exchange = answering.exchange.clone();
        let (outlet, mut intake) = self.crowd.outlet(exchange, move || {
            shared.left(&left);
            drop(in_use);
        });
        self.calls().add(call, outlet);
        if !self.process.ask(&line, heard.clone()).await {
            self.fail(Some(&name), "the server reads no more");
        }
        if let Some(heard) = heard {
            // Nothing but an answer says that the server knows the era.
            let is_silent = tokio::select! {
                biased;
                () = intake.ready() => false,
                () = silence(&heard) => true,
            };
            if is_silent {
                drop(intake);
                return answering.nothing(Party::Sentinel, StatusCode::BAD_REQUEST);
            }
        }
        let commit = || self.calls().commit(&name);
        let first = intake.first(accept.events, commit).await;
        answering.respond(HeaderMap::new(), first, intake)
    }

    /// A notification. Over HTTP nothing is cancelled by one, and ids are the business of one exchange each.
    async fn notify(&self, answering: Answering, posted: &Posted) -> Response {
        if !posted.cancels.is_empty() {
            self.process.lane.note(
                "over HTTP a request is cancelled by closing its stream: the server, which others use too, does not get this"
                    .into(),
            );
            return answering.nothing(Party::Sentinel, StatusCode::ACCEPTED);
        }
        let _in_use = self.process.activity.enter();
        match self.process.write(&posted.line).await {
            true => answering.nothing(Party::Server, StatusCode::ACCEPTED),
            false => answering.refuse(&Refusal::bad_gateway("the server reads no more")),
        }
    }

    fn mismatch(&self, sent: &HeaderMap, line: &[u8]) -> Option<String> {
        let Frame::Message(message) = parse(line) else {
            return None;
        };
        let header = |name: &str| asked::text(sent, name);
        let mismatch = self.ground.tools.mismatch(&message, &header);
        mismatch.or_else(|| asked::contradiction(sent))
    }

    /// A client has closed its stream before the answer: that cancels the request.
    fn left(&self, name: &Name) {
        let Some(call) = self.calls().cancel(name) else {
            return;
        };
        let message = format!(
            r#"{{"jsonrpc":"2.0","method":"{}","params":{{"requestId":{},"reason":"the client closed the stream of its response"}}}}"#,
            methods::CANCELLED,
            call.sent_id()
        );
        self.process
            .tell(message, Some(Via::body(call.exchange.id)));
        self.process.lane.tap.wake();
    }

    /// Answers what waits, one request or all, in the child's place.
    fn fail(&self, one: Option<&Name>, why: &str) {
        let calls = self.calls().take(one);
        let status = match self.ground.is_modern() {
            true => StatusCode::OK,
            // A server of the legacy era may die of what it does not know.
            false => StatusCode::BAD_REQUEST,
        };
        for call in calls {
            let message = Bytes::from(synthetic(&call.request.id, why));
            let via = call.finish(status, message.clone());
            self.process.lane.push(Body::Line {
                from: Party::Sentinel,
                to: Party::Client,
                bytes: message,
                replay_of: None,
                via: via.map(Box::new),
            });
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, line: Bytes, message: &Envelope<'_>) -> Routed {
        let call = match self.calls().answered(message.id) {
            Ok(call) => call,
            Err(why) => return Routed::nowhere(why),
        };
        self.ground.learn(&call.request.method, message);
        let status = status(&call.request, message, self.ground.is_modern());
        let via = call.finish(status, call.restored_answer(line));
        match via {
            Some(via) => Routed {
                via: Some(via),
                full: call.full(),
                ..Routed::default()
            },
            None => Routed::nowhere("the client has not waited for this answer"),
        }
    }
}

/// Returns when a server has been silent for long enough that `heard` the question for its era.
async fn silence(heard: &CancellationToken) {
    if READING_SHOWS {
        heard.cancelled().await;
    }
    let patience = if READING_SHOWS { PROBE } else { BLIND_PROBE };
    tokio::time::sleep(patience).await;
}

/// The status of an answer that is sent as one body (specification 2026-07-28, basic/transports/streamable-http).
fn status(request: &Request, message: &Envelope<'_>, is_modern: bool) -> StatusCode {
    let code = message
        .error
        .map(|error| object::at(error, &["code"]).unwrap_or_default());
    match code {
        None => StatusCode::OK,
        Some("-32020" | "-32021" | "-32022") => StatusCode::BAD_REQUEST,
        // A server of the legacy era does not know the method either. A client takes a 404 for the word of a modern one.
        Some(_) if !is_modern => StatusCode::BAD_REQUEST,
        Some("-32601") => StatusCode::NOT_FOUND,
        Some("-32602") if !request.is_complete => StatusCode::BAD_REQUEST,
        Some(_) => StatusCode::OK,
    }
}

impl Ears for Shared {
    fn hear(&self, line: Bytes) -> Routed {
        let line = line.slice(..line.trim_ascii_end().len());
        let frame = parse(&line);
        let message = match &frame {
            Frame::Message(message) => message,
            Frame::Blank => return Routed::default(),
            Frame::Batch(_) => {
                return Routed::nowhere("in this era there are no batches: no client gets this");
            }
            Frame::NotJsonRpc | Frame::NotJson(_) => return Routed::no_message(),
        };
        match (message.kind(), message.id) {
            (Kind::Result | Kind::Error, _) => self.answer(line.clone(), message),
            (Kind::Notification, _) => self.calls().notify(line.clone(), message),
            (Kind::Request, Some(id)) => {
                let words = "in this era a server asks nothing: no client gets this request";
                Routed {
                    // Whoever asks nevertheless should not wait for ever.
                    reply: Some(synthetic(id, words)),
                    ..Routed::nowhere(words)
                }
            }
            _ => Routed::no_message(),
        }
    }

    fn over(&self, closed: &Closed) {
        self.fail(None, &closed.reason);
    }
}
