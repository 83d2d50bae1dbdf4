//! What an HTTP exchange tells the tap. Knows events; must not know who forwards what.

use crate::tap::{
    Body, ExchangeId, Half, Http, Party, Request, Response, ServerSent, SessionId, Tap, Via,
};
use bytes::Bytes;

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
