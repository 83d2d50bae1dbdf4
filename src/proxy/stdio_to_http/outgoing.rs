//! One HTTP request of ours and its response, each on record as it passes.
//!
//! Knows HTTP; must not know what bodies mean.

use crate::mcp::headers::LAST_EVENT_ID;
use crate::proxy::arriving::Arriving;
use crate::proxy::challenge::Refusal;
use crate::proxy::exchange::Exchange;
use crate::proxy::http_client::{self, Client, Outgoing, OutgoingBody, UpstreamBody};
use crate::proxy::pump::Lane;
use crate::tap::{self, Half, Party};
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// What is read of a body that is not forwarded.
const GLANCE: usize = 1024 * 1024;

/// A request before it is sent.
#[derive(Debug)]
pub struct Ask {
    pub by: Party,
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    /// Empty for none.
    pub body: Bytes,
    /// Hangs up when the request is on its way.
    pub sent: Option<oneshot::Sender<()>>,
}

impl Ask {
    /// The same once more, in our own name.
    pub fn again(&self) -> Self {
        Self {
            by: Party::Sentinel,
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            sent: None,
        }
    }
}

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    #[error("{0}")]
    NotAuthorized(String),
    #[error("cannot reach the server: {0}")]
    Unreachable(String),
    /// Whoever asked does not want it any more.
    #[error("the request was aborted")]
    Aborted,
}

/// The headers of a request that carries a message.
pub fn posting() -> HeaderMap {
    let fixed = HeaderValue::from_static;
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, fixed("application/json")),
        (header::ACCEPT, fixed("application/json, text/event-stream")),
        (header::ACCEPT_ENCODING, fixed("identity")),
    ])
}

/// The headers of a request for a stream of events, which goes on after the event with this id.
pub fn listening(after: Option<&str>) -> HeaderMap {
    let fixed = HeaderValue::from_static;
    let mut headers = HeaderMap::from_iter([
        (header::ACCEPT, fixed("text/event-stream")),
        (header::ACCEPT_ENCODING, fixed("identity")),
        (header::CACHE_CONTROL, fixed("no-cache")),
    ]);
    if let Some(id) = after.and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok()) {
        headers.insert(HeaderName::from_static(LAST_EVENT_ID), id);
    }
    headers
}

/// Sends a request; returns when the head of its response is there. `record` says what the body is.
pub async fn ask(
    client: &Client,
    exchange: Exchange,
    ask: Ask,
    abort: &CancellationToken,
    record: impl FnOnce(&Exchange),
) -> Result<Incoming, Unanswered> {
    let added = tokio::select! {
        biased;
        added = client.additions(&ask.headers) => added,
        () = abort.cancelled() => Err(tap::CLIENT_GONE.into()),
    };
    let mut headers = ask.headers;
    for (name, value) in added.iter().flatten() {
        headers.insert(name, value.clone());
    }
    let told = tap::Request::new(ask.by, ask.method.clone(), &ask.target, &HeaderMap::new());
    exchange.request(told.adding(&headers));
    record(&exchange);
    if let Err(reason) = added {
        exchange.end(Half::Request, Some(0), Some(reason.clone()));
        return Err(match abort.is_cancelled() {
            true => Unanswered::Aborted,
            false => Unanswered::NotAuthorized(reason),
        });
    }
    // What comes of it is told by the response, or by its end without one.
    exchange.end(Half::Request, Some(ask.body.len() as u64), None);
    let authorization = headers.get(header::AUTHORIZATION).cloned();
    let body = if ask.body.is_empty() {
        OutgoingBody::default()
    } else {
        OutgoingBody::ready(Told {
            body: Some(ask.body),
            sent: ask.sent,
        })
    };
    let outgoing = Outgoing {
        method: ask.method,
        target: ask.target,
        headers,
        extensions: Extensions::new(),
        body,
    };
    let response = tokio::select! {
        biased;
        response = client.send(outgoing) => response,
        () = abort.cancelled() => {
            exchange.end(Half::Response, None, Some(tap::CLIENT_GONE.into()));
            return Err(Unanswered::Aborted);
        }
    };
    exchange.sent(client.origin(), &response);
    exchange.tap.wake();
    match response {
        Ok(response) => {
            let (status, headers) = (response.status(), response.headers());
            exchange.response(tap::Response::new(Party::Server, status, headers));
            Ok(Incoming {
                exchange,
                response,
                authorization,
                bytes: 0,
                is_looked_at: false,
                broken: None,
            })
        }
        Err(error) => {
            let reason = http_client::in_words(&error);
            exchange.end(Half::Response, None, Some(reason.clone()));
            Err(Unanswered::Unreachable(reason))
        }
    }
}

/// A body that tells when it is asked for: the head of the request has been written then.
struct Told {
    body: Option<Bytes>,
    sent: Option<oneshot::Sender<()>>,
}

impl Body for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.sent = None;
        Poll::Ready(self.body.take().map(|body| Ok(Frame::data(body))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.as_ref().map_or(0, |body| body.len() as u64))
    }
}

/// A response whose body is still to come.
#[derive(Debug)]
pub struct Incoming {
    pub exchange: Exchange,
    response: http::Response<UpstreamBody>,
    /// What the request was authorized with.
    pub authorization: Option<HeaderValue>,
    bytes: u64,
    /// Its end is not told yet.
    is_looked_at: bool,
    broken: Option<String>,
}

/// Why a body is not whole.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    #[error("{0}")]
    Broken(String),
    #[error("the request was aborted")]
    Aborted,
}

impl Incoming {
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&HeaderValue> {
        self.response.headers().get(name)
    }

    /// Why its request was refused, where that is about who asked.
    pub fn refusal(&self) -> Option<Refusal> {
        Refusal::of(self.status(), self.response.headers())
    }

    /// Its media type, in lower case and without parameters; empty when it has none.
    pub fn media_type(&self) -> String {
        let value = self.header(header::CONTENT_TYPE);
        let value = value.and_then(|value| value.to_str().ok()).unwrap_or("");
        let media_type = value.split(';').next().unwrap_or("");
        media_type.trim().to_ascii_lowercase()
    }

    pub fn is_events(&self) -> bool {
        self.status().is_success() && self.media_type() == "text/event-stream"
    }

    /// How its body is packed, though we never ask for that.
    pub fn encoding(&self) -> Option<&str> {
        let encoding = self.header(header::CONTENT_ENCODING)?.to_str().ok()?;
        Some(encoding).filter(|it| !it.eq_ignore_ascii_case("identity"))
    }

    /// The next bytes of the body; `None` at its end, which is recorded.
    pub async fn chunk(
        &mut self,
        lane: &Lane,
        abort: &CancellationToken,
    ) -> Result<Option<Bytes>, Cut> {
        lane.room().await;
        let chunk = tokio::select! {
            biased;
            chunk = self.response.body_mut().chunk() => chunk,
            () = abort.cancelled() => {
                self.end(Some(tap::CLIENT_GONE.into()));
                return Err(Cut::Aborted);
            }
        };
        match chunk {
            Ok(Some(chunk)) => {
                self.bytes += chunk.len() as u64;
                Ok(Some(chunk))
            }
            Ok(None) => {
                self.end(None);
                Ok(None)
            }
            Err(error) => {
                let reason = http_client::in_words(&error);
                self.end(Some(reason.clone()));
                Err(Cut::Broken(reason))
            }
        }
    }

    /// The whole body, not copied when it comes in one piece.
    pub async fn whole(&mut self, lane: &Lane, abort: &CancellationToken) -> Result<Bytes, Cut> {
        self.up_to(usize::MAX, lane, abort).await
    }

    /// The start of a body that is looked at for what went wrong.
    pub async fn glance(&mut self, lane: &Lane, abort: &CancellationToken) -> Result<Bytes, Cut> {
        self.up_to(GLANCE, lane, abort).await
    }

    /// The same of a refusal that may not be the last word: its end is told by [`Self::over`].
    pub async fn look(&mut self, lane: &Lane, abort: &CancellationToken) -> Result<Bytes, Cut> {
        self.is_looked_at = true;
        self.glance(lane, abort).await
    }

    /// It was looked at, and the same is asked again, or not.
    pub fn over(&mut self, is_asked_again: bool) {
        self.is_looked_at = false;
        let is_refused = self.status().as_u16() >= 400;
        let broken = match is_asked_again && is_refused {
            true => Some(tap::ASKED_AGAIN.into()),
            false => self.broken.take(),
        };
        self.end(broken);
    }

    async fn up_to(
        &mut self,
        limit: usize,
        lane: &Lane,
        abort: &CancellationToken,
    ) -> Result<Bytes, Cut> {
        let mut body = Arriving::of(&self.exchange);
        while body.pieces.len() < limit {
            match self.chunk(lane, abort).await? {
                Some(chunk) => body.pieces.push(chunk),
                None => return Ok(body.pieces.take()),
            }
        }
        self.end(Some(format!("only {limit} bytes of it were read")));
        Ok(body.pieces.take())
    }

    /// Nobody wants the rest of the body.
    pub fn leave(mut self, why: &str) {
        self.end(Some(why.to_owned()));
    }

    fn end(&mut self, broken: Option<String>) {
        if self.is_looked_at {
            self.broken = broken;
            return;
        }
        self.exchange.end(Half::Response, Some(self.bytes), broken);
        self.exchange.tap.wake();
    }
}
