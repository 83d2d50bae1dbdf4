//! The operator in a client's session: its messages are posted beside the client's, and what is answered on those
//! posts is the operator's alone.

use super::bell::Bell;
use super::forward::put_on;
use super::mended::Call;
use super::sessions::{Session, is_event_stream};
use crate::mcp::{headers, methods};
use crate::proxy::arriving::{Arriving, ArrivingEvents};
use crate::proxy::exchange::Exchange;
use crate::proxy::http_client::{Client, Outgoing, OutgoingBody, UpstreamBody, in_words};
use crate::proxy::live::Roster;
use crate::proxy::mirror::{self, Tools};
use crate::proxy::pump::Injection;
use crate::tap::{self, CLIENT_GONE, Half, Party, Tap};
use crate::wire::object;
use crate::wire::{Envelope, Frame, Kind, parse};
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::{Body, Frame as Part, SizeHint};
use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How long a stream that ended before the answer is left alone, unless it says itself.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A server that has not answered after so many streams does not mean to.
const STREAMS: usize = 100;

/// How a client posts in its session: where to, and with which headers that say who and where it is.
#[derive(Debug, Default)]
pub struct Habits {
    /// Path and query.
    pub target: String,
    headers: [Option<HeaderValue>; 4],
}

const KEPT: [HeaderName; 4] = [
    HeaderName::from_static(headers::SESSION_ID),
    HeaderName::from_static(headers::PROTOCOL_VERSION),
    header::AUTHORIZATION,
    header::COOKIE,
];

impl Habits {
    /// Takes note of a post. Values are copied: those of a request hold on to the buffer that it was read into.
    pub fn note(&mut self, target: &str, headers: &HeaderMap) {
        if self.target != target {
            target.clone_into(&mut self.target);
        }
        for (kept, name) in self.headers.iter_mut().zip(KEPT) {
            let value = headers.get(name);
            if kept.as_ref() != value {
                *kept = value.and_then(|it| HeaderValue::from_bytes(it.as_bytes()).ok());
            }
        }
    }

    /// The version of the protocol that the client names.
    pub fn version(&self) -> Option<&str> {
        let [_, version, ..] = &self.headers;
        version.as_ref()?.to_str().ok()
    }

    /// Those of a request of ours. What is answered is read here, so it must not be compressed.
    fn headers(&self) -> HeaderMap {
        let plain = HeaderValue::from_static("identity");
        let kept = KEPT.into_iter().zip(self.headers.iter().cloned());
        kept.filter_map(|(name, value)| Some((name, value?)))
            .chain([(header::ACCEPT_ENCODING, plain)])
            .collect()
    }
}

/// The operator's requests of the modern era that wait for their answers, by raw id. There, closing the stream is how a
/// request is cancelled.
#[derive(Debug, Default)]
pub struct Calls(HashMap<String, CancellationToken>);

impl Calls {
    /// Whether the message cancels one of these, which it then is.
    fn cancel(&mut self, message: &Envelope<'_>) -> bool {
        message.method.as_deref() == Some(methods::CANCELLED)
            && object::at(message.params.unwrap_or_default(), &["requestId"])
                .and_then(|id| self.0.remove(id))
                .inspect(CancellationToken::cancel)
                .is_some()
    }
}

/// What it takes to post.
#[derive(Debug)]
pub struct Desk {
    pub client: Client,
    pub roster: Arc<Roster>,
    pub tap: Tap,
    pub bell: Bell,
    pub tools: Tools,
    /// Where the client's connections live.
    pub runtime: Handle,
}

/// Posts the operator's lines until the session is over.
pub async fn serve(
    session: Weak<Session>,
    over: CancellationToken,
    mut injections: mpsc::Receiver<Injection>,
    desk: Arc<Desk>,
) {
    while let Some(Some(injection)) = over.run_until_cancelled(injections.recv()).await {
        let Some(session) = session.upgrade() else {
            return;
        };
        if injection.claim.take() {
            tokio::spawn(desk.clone().deliver(session, injection));
        }
    }
}

/// A request to where the client posts. Asked for once: on record stands what was sent.
pub(super) fn outgoing(
    session: &Session,
    method: Method,
    headers: HeaderMap,
    body: OutgoingBody,
) -> Outgoing {
    Outgoing {
        method,
        target: session.habits().target.clone(),
        headers,
        extensions: Extensions::new(),
        body,
    }
}

/// What goes on record of it, with the headers of it that we added.
pub(super) fn head(by: Party, request: &Outgoing, added: &HeaderMap) -> tap::Request {
    tap::Request::new(
        by,
        request.method.clone(),
        &request.target,
        &request.headers,
    )
    .adding(added)
}

/// A stream of answers that has ended.
#[derive(Debug)]
pub(super) struct Heard {
    /// Whose answers they are.
    to: Party,
    /// A server may refuse it for headers that we can look up.
    is_call: bool,
    /// The answer itself, when it has come.
    pub answer: Option<Bytes>,
    /// What refuses a call for the headers that it was sent with: neither it nor its end is on record.
    pub refusal: Option<Bytes>,
    /// So much of it has come.
    bytes: u64,
    /// It was taken, and is answered on another stream, if at all.
    accepted: bool,
    /// Where the stream can be taken up again.
    last_event: Option<String>,
    pause: Option<Duration>,
    /// Raw ids of the server's pings.
    pings: Vec<String>,
}

impl Heard {
    /// Before anything has been heard.
    pub fn nothing(to: Party) -> Self {
        Self {
            to,
            is_call: false,
            answer: None,
            refusal: None,
            bytes: 0,
            accepted: false,
            last_event: None,
            pause: None,
            pings: Vec::new(),
        }
    }
}

impl Desk {
    async fn deliver(self: Arc<Self>, session: Arc<Session>, injection: Injection) {
        let message = without_line_end(&injection.line);
        let frame = parse(&message);
        let envelope = match &frame {
            Frame::Message(envelope) => Some(envelope),
            _ => None,
        };
        if envelope.is_some_and(|message| session.calls().cancel(message)) {
            // Nobody waiting is nobody to tell.
            let _ = injection.written.send(());
            return;
        }
        let asked = envelope.filter(|it| it.kind() == Kind::Request);
        let id = asked.and_then(|it| it.id.map(str::to_owned));
        let lists = asked.is_some_and(|it| it.method.as_deref() == Some(methods::TOOLS_LIST));
        let over = session.live.over().child_token();
        if let (Some(id), Some(_)) = (&id, envelope.and_then(headers::modern_version)) {
            session.calls().0.insert(id.clone(), over.clone());
        }
        let mut headers = self.said_of(&session, envelope);
        let exchange = self.exchange(&session);
        let added = self.put_on(&exchange, &mut headers).await;
        let call = Call {
            message: message.clone(),
            headers: headers.clone(),
            added: added.clone(),
        };
        let body = OutgoingBody::ready(Told::new(message.clone(), injection.written));
        let post = outgoing(&session, Method::POST, headers, body);
        exchange.request(head(Party::Operator, &post, &added));
        let length = message.len() as u64;
        exchange.call(message, injection.replay_of);
        exchange.end(Half::Request, Some(length), None);
        let hearing = self.hear(&session, &exchange, post, Party::Operator);
        let mut heard = match over.run_until_cancelled(hearing).await {
            Some(heard) => heard,
            None => {
                exchange.end(Half::Response, None, Some(CLIENT_GONE.into()));
                self.bell.ring();
                Heard::nothing(Party::Operator)
            }
        };
        if let Some(refusal) = heard.refusal.take() {
            let mended = self.mend(&session, &exchange, call, refusal, &over);
            heard = mended.await;
        }
        let Some(id) = id else { return };
        if lists && let Some(result) = heard.answer.as_ref().and_then(|it| mirror::result(it, &id))
        {
            self.tools.learn(&result);
        }
        session.calls().0.remove(&id);
        if !heard.accepted && !self.hear_out(&session, heard, &over).await {
            session.live.gate.forget(&id);
        }
    }

    /// Waits for the answer also when the server ends streams before it comes; whether it has come.
    async fn hear_out(
        self: &Arc<Self>,
        session: &Arc<Session>,
        mut heard: Heard,
        over: &CancellationToken,
    ) -> bool {
        for _ in 0..STREAMS {
            let Some(last) = heard.last_event.take().filter(|_| heard.answer.is_none()) else {
                break;
            };
            let resumed = over.run_until_cancelled(async {
                tokio::time::sleep(heard.pause.unwrap_or(PAUSE)).await;
                self.resume(session, &last, heard.pause).await
            });
            match resumed.await {
                Some(resumed) => heard = resumed,
                None => return false,
            }
        }
        heard.answer.is_some()
    }

    /// Takes up a stream that the server ended before it had answered.
    async fn resume(
        self: &Arc<Self>,
        session: &Arc<Session>,
        last: &str,
        pause: Option<Duration>,
    ) -> Heard {
        let mut headers = session.habits().headers();
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("text/event-stream"),
        );
        if let Ok(last) = HeaderValue::from_str(last) {
            headers.insert(HeaderName::from_static(headers::LAST_EVENT_ID), last);
        }
        let exchange = self.exchange(session);
        let added = self.put_on(&exchange, &mut headers).await;
        let get = outgoing(session, Method::GET, headers, OutgoingBody::default());
        exchange.request(head(Party::Operator, &get, &added));
        exchange.end(Half::Request, Some(0), None);
        let mut heard = self.hear(session, &exchange, get, Party::Operator).await;
        heard.pause = heard.pause.or(pause);
        heard
    }

    /// Sends a request of the operator's, or one of ours beside it, and records what is answered, and to whom.
    pub(super) async fn hear(
        self: &Arc<Self>,
        session: &Arc<Session>,
        exchange: &Exchange,
        outgoing: Outgoing,
        to: Party,
    ) -> Heard {
        self.bell.ring();
        let mut heard = Heard::nothing(to);
        let asked = outgoing.headers.get(headers::METHOD);
        heard.is_call = asked.is_some_and(|it| it == methods::TOOLS_CALL);
        let sent = self.client.send(outgoing).await;
        exchange.sent(self.client.origin(), &sent);
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                exchange.end(Half::Response, Some(0), Some(in_words(&error)));
                self.bell.ring();
                return heard;
            }
        };
        let (status, headers) = (response.status(), response.headers());
        exchange.response(tap::Response::new(Party::Server, status, headers));
        heard.accepted = response.status() == StatusCode::ACCEPTED;
        let is_stream = is_event_stream(response.headers());
        let read = if is_packed(response.headers()) {
            self.packed(exchange, response, &mut heard).await
        } else if is_stream {
            self.events(session, exchange, response, &mut heard).await
        } else {
            self.document(session, exchange, response, &mut heard).await
        };
        let broken = read.err().map(|error| in_words(&error));
        if heard.refusal.is_none() {
            exchange.end(Half::Response, Some(heard.bytes), broken);
        }
        self.bell.ring();
        self.answer_pings(session, &mut heard);
        heard
    }

    async fn events(
        self: &Arc<Self>,
        session: &Arc<Session>,
        exchange: &Exchange,
        response: http::Response<UpstreamBody>,
        heard: &mut Heard,
    ) -> Result<(), hyper::Error> {
        let mut events = ArrivingEvents::of(exchange);
        let mut body = response.into_body();
        while let Some(chunk) = body.chunk().await? {
            heard.bytes += chunk.len() as u64;
            events.push(&chunk);
            while let Some(event) = events.next() {
                if let Some(id) = event.id.as_ref().filter(|id| !id.is_empty()) {
                    heard.last_event = Some(id.clone());
                }
                if let Some(retry) = event.retry {
                    heard.pause = Some(Duration::from_millis(retry).min(LONGEST));
                }
                exchange.beside(&event);
                if let Some(data) = event.message() {
                    heard.message(session, exchange, data, event.id.as_deref());
                }
            }
            self.bell.ring();
            self.answer_pings(session, heard);
        }
        Ok(())
    }

    /// Asked not to be, a server has packed its answer: the recorder can unpack it.
    async fn packed(
        &self,
        exchange: &Exchange,
        response: http::Response<UpstreamBody>,
        heard: &mut Heard,
    ) -> Result<(), hyper::Error> {
        let mut body = response.into_body();
        while let Some(chunk) = body.chunk().await? {
            heard.bytes += chunk.len() as u64;
            exchange.body(Half::Response, chunk);
            self.bell.ring();
        }
        Ok(())
    }

    async fn document(
        &self,
        session: &Session,
        exchange: &Exchange,
        response: http::Response<UpstreamBody>,
        heard: &mut Heard,
    ) -> Result<(), hyper::Error> {
        let (mut arriving, mut body) = (Arriving::of(exchange), response.into_body());
        while let Some(chunk) = body.chunk().await? {
            heard.bytes += chunk.len() as u64;
            arriving.pieces.push(chunk);
        }
        let bytes = arriving.pieces.take();
        match parse(&bytes) {
            _ if heard.is_call && mirror::is_header_mismatch(&bytes) => {
                heard.refusal = Some(bytes.clone());
            }
            Frame::Message(_) | Frame::Batch(_) => heard.message(session, exchange, &bytes, None),
            Frame::Blank => {}
            _ => exchange.body(Half::Response, bytes.clone()),
        }
        Ok(())
    }

    /// On a stream which the client does not see nobody else does.
    fn answer_pings(self: &Arc<Self>, session: &Arc<Session>, heard: &mut Heard) {
        for id in heard.pings.drain(..) {
            tokio::spawn(self.clone().pong(session.clone(), id));
        }
    }

    async fn pong(self: Arc<Self>, session: Arc<Session>, id: String) {
        let message = Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
        self.post(&session, message, Party::Operator).await;
    }

    /// Sends a message of ours, and records what is answered, and to whom.
    pub(super) async fn post(
        self: &Arc<Self>,
        session: &Arc<Session>,
        message: Bytes,
        to: Party,
    ) -> Heard {
        let mut headers = match parse(&message) {
            Frame::Message(envelope) => self.said_of(session, Some(&envelope)),
            _ => self.said_of(session, None),
        };
        let exchange = self.exchange(session);
        let added = self.put_on(&exchange, &mut headers).await;
        let post = outgoing(session, Method::POST, headers, message.clone().into());
        exchange.request(head(Party::Sentinel, &post, &added));
        let length = message.len() as u64;
        exchange.message(Party::Sentinel, Party::Server, message, None);
        exchange.end(Half::Request, Some(length), None);
        self.hear(session, &exchange, post, to).await
    }

    pub(super) fn exchange(&self, session: &Session) -> Exchange {
        Exchange {
            tap: self.tap.clone(),
            session: session.live.id,
            id: self.roster.exchange(),
        }
    }

    /// The headers of a post of ours in a client's session.
    fn said_of(&self, session: &Session, message: Option<&Envelope<'_>>) -> HeaderMap {
        let mut all = session.habits().headers();
        all.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        let both = HeaderValue::from_static("application/json, text/event-stream");
        all.insert(header::ACCEPT, both);
        if let Some(message) = message {
            mirror::put_on(&mut all, &self.tools.headers(message));
        }
        all
    }

    /// Puts on what every request to the upstream gets from us.
    async fn put_on(&self, exchange: &Exchange, headers: &mut HeaderMap) -> HeaderMap {
        let added = self.client.additions(headers).await;
        let added = added.unwrap_or_else(|reason| {
            exchange.note(reason);
            HeaderMap::new()
        });
        put_on(headers, &added);
        added
    }
}

impl Heard {
    pub(super) fn message(
        &mut self,
        session: &Session,
        exchange: &Exchange,
        data: &Bytes,
        event: Option<&str>,
    ) {
        let aside = session.live.gate.judge_aside(data);
        if aside.answers {
            self.answer = Some(data.clone());
        }
        self.pings.extend(aside.pings);
        exchange.message(Party::Server, self.to, data.clone(), event);
    }
}

fn is_packed(headers: &HeaderMap) -> bool {
    let coding = headers.get(header::CONTENT_ENCODING);
    coding.is_some_and(|it| !it.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn without_line_end(line: &Bytes) -> Bytes {
    let end = line.strip_suffix(b"\n").map_or(line.len(), <[u8]>::len);
    line.slice(..end)
}

/// A body that tells when it is being sent.
#[derive(Debug)]
struct Told {
    bytes: Option<Bytes>,
    sent: Option<oneshot::Sender<()>>,
}

impl Told {
    fn new(bytes: Bytes, sent: oneshot::Sender<()>) -> Self {
        Self {
            bytes: Some(bytes),
            sent: Some(sent),
        }
    }
}

impl Body for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Part<Bytes>, Infallible>>> {
        if let Some(sent) = self.sent.take() {
            // Nobody waiting is nobody to tell.
            let _ = sent.send(());
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Part::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
