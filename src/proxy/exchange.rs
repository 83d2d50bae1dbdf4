//! What an HTTP exchange tells the tap. Knows events; must not know who forwards what.

use super::http_client::{Origin, SendError, in_words};
use crate::tap::{
    self, Body, ExchangeId, Half, Http, Party, Request, Response, ServerSent, SessionId, Tap, Via,
};
use crate::wire::sse;
use bytes::Bytes;
use std::sync::atomic::Ordering;

/// One HTTP exchange, on record.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub tap: Tap,
    pub session: SessionId,
    pub id: ExchangeId,
}

impl Exchange {
    pub fn request(&self, request: Request) {
        self.http(Http::Request(request));
    }

    pub fn response(&self, response: Response) {
        self.http(Http::Response(response));
    }

    /// Bytes of a body as they pass; for whoever does not take messages out of them.
    pub fn body(&self, of: Half, bytes: Bytes) {
        let is_last = false;
        self.http(Http::Body { of, bytes, is_last });
    }

    /// The last bytes of a body: an end of it is told with them.
    pub fn last_of_body(&self, of: Half, bytes: Bytes) {
        let is_last = true;
        self.http(Http::Body { of, bytes, is_last });
    }

    /// A server-sent event that carried no message.
    pub fn event(&self, event: ServerSent) {
        self.http(Http::Event(event));
    }

    /// What a server-sent event says beside its message; all of it, when it has none.
    pub fn beside(&self, event: &sse::Event) {
        let said = match event.message() {
            None => event.clone().into(),
            Some(_) => ServerSent {
                retry: event.retry,
                comment: event.comment.clone(),
                ..ServerSent::default()
            },
        };
        if said != ServerSent::default() {
            self.event(said);
        }
    }

    /// A response's body that is no message, for whoever takes messages out of bodies.
    pub fn no_message(&self, bytes: Bytes) {
        self.http(Http::NoMessage(bytes));
    }

    /// The half is over, whole or broken off.
    pub fn end(&self, of: Half, bytes: Option<u64>, broken: Option<String>) {
        self.http(Http::End { of, bytes, broken });
    }

    /// A message that this exchange carried, for whoever takes messages out of bodies.
    pub fn message(&self, from: Party, to: Party, bytes: Bytes, event: Option<&str>) {
        let via = Via {
            exchange: self.id,
            event: event.map(Into::into),
        };
        self.line(from, to, bytes, None, via);
    }

    /// A message of the operator's, which this exchange takes to the server.
    pub fn call(&self, bytes: Bytes, replay_of: Option<u64>) {
        let (from, to) = (Party::Operator, Party::Server);
        self.line(from, to, bytes, replay_of, Via::body(self.id));
    }

    fn line(&self, from: Party, to: Party, bytes: Bytes, replay_of: Option<u64>, via: Via) {
        self.push(Body::Line {
            from,
            to,
            bytes,
            replay_of,
            via: Some(Box::new(via)),
        });
    }

    /// Tells, once for all exchanges, that the server cannot be reached any more, or can again. One that breaks off a
    /// connection is there.
    pub fn sent<T>(&self, to: &Origin, outcome: &Result<T, SendError>) {
        let refusal = match outcome {
            Ok(_) => None,
            Err(SendError::Connect(error)) => Some(error),
            Err(_) => return,
        };
        let is_away = refusal.is_some();
        // Nearly always it is as before, and is only looked at.
        if to.is_away.load(Ordering::Relaxed) == is_away
            || to.is_away.swap(is_away, Ordering::Relaxed) == is_away
        {
            return;
        }
        self.note(match refusal {
            Some(error) => {
                let why = in_words(error.as_ref());
                let why = why.split_once(" (os error").map_or(&*why, |(why, _)| why);
                format!("{}: {why}", tap::NO_ANSWER)
            }
            None => tap::ANSWERS_AGAIN.to_owned(),
        });
    }

    /// Something the operator should know of it.
    pub fn note(&self, text: String) {
        self.push(Body::Note { text });
    }

    fn http(&self, what: Http) {
        self.push(Body::Http {
            exchange: self.id,
            what,
        });
    }

    fn push(&self, body: Body) {
        self.tap.record(self.session, body);
    }
}
