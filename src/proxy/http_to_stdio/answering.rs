//! An HTTP exchange under way, and the responses that end it. What is sent is put on record here.

use super::outlet::{EventStream, First, Intake};
use super::refusal::Refusal;
use crate::proxy::exchange::Exchange;
use crate::proxy::listener::{Response, ResponseBody};
use crate::tap::{self, CLIENT_GONE, Half, Party};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full};

/// An exchange whose response is not over. Dropped before, it was left by its client.
#[derive(Debug)]
pub struct Answering {
    pub exchange: Exchange,
    /// What every response to this client says.
    always: HeaderMap,
    sent: u64,
    over: bool,
}

impl Answering {
    pub fn new(exchange: Exchange, always: HeaderMap) -> Self {
        Self {
            exchange,
            always,
            sent: 0,
            over: false,
        }
    }

    /// A response without a body.
    pub fn nothing(mut self, by: Party, status: StatusCode) -> Response {
        let headers = self.head(by, status, HeaderMap::new());
        self.whole();
        let body = ResponseBody::new(Empty::new().map_err(never));
        built(status, headers, body)
    }

    /// One JSON body, which has been recorded as a message.
    pub fn json(
        mut self,
        by: Party,
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        let headers = self.head(by, status, of_json(headers));
        self.with(status, headers, body)
    }

    fn with(mut self, status: StatusCode, headers: HeaderMap, body: Bytes) -> Response {
        self.sent(body.len());
        self.whole();
        let body = ResponseBody::new(Full::new(body).map_err(never));
        built(status, headers, body)
    }

    /// A stream of events.
    pub fn events(mut self, mut headers: HeaderMap, intake: Intake) -> Response {
        for (name, value) in [
            (header::CONTENT_TYPE.as_str(), "text/event-stream"),
            (header::CACHE_CONTROL.as_str(), "no-cache"),
            ("x-accel-buffering", "no"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let headers = self.head(Party::Server, StatusCode::OK, headers);
        let body = ResponseBody::new(EventStream::new(intake, self));
        built(StatusCode::OK, headers, body)
    }

    /// The server's response, which begins like this.
    pub fn respond(self, headers: HeaderMap, first: First, rest: Intake) -> Response {
        match first {
            First::Whole(status, body) => self.json(Party::Server, status, headers, body),
            First::Events => self.events(headers, rest),
            First::Nothing => self.refuse(&Refusal::bad_gateway("the server gave no answer")),
        }
    }

    /// An answer of our own, in the server's place. What is refused is known before it is said why.
    pub fn refuse(mut self, refusal: &Refusal) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(methods) = refusal.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        let headers = self.head(Party::Sentinel, refusal.status, of_json(headers));
        let body = Bytes::from(refusal.message());
        self.exchange
            .message(Party::Sentinel, Party::Client, body.clone(), None);
        self.with(refusal.status, headers, body)
    }

    /// Records the head, and hands out its headers.
    fn head(&mut self, by: Party, status: StatusCode, mut headers: HeaderMap) -> HeaderMap {
        headers.extend(std::mem::take(&mut self.always));
        self.exchange
            .response(tap::Response::new(by, status, &headers));
        headers
    }

    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    pub fn whole(&mut self) {
        self.end(None);
    }

    pub fn broken(&mut self, why: &str) {
        self.end(Some(why.to_owned()));
    }

    fn end(&mut self, broken: Option<String>) {
        if !std::mem::replace(&mut self.over, true) {
            self.exchange.end(Half::Response, Some(self.sent), broken);
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.broken(CLIENT_GONE);
        self.exchange.tap.wake();
    }
}

fn of_json(mut headers: HeaderMap) -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    headers
}

fn built(status: StatusCode, headers: HeaderMap, body: ResponseBody) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn never(never: std::convert::Infallible) -> std::io::Error {
    match never {}
}
