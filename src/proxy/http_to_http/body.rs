//! Bodies on their way, each frame handed on as it comes and seen by the tap in passing.

use super::bell::Bell;
use super::sessions::Visit;
use super::sieve::Sieve;
use crate::proxy::exchange::Exchange;
use crate::proxy::listener::RequestBody;
use crate::tap::{CLIENT_GONE, Half, Tap};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What is pushed on the tap of one half of an exchange.
#[derive(Debug)]
pub struct Witness {
    pub exchange: Exchange,
    pub bell: Bell,
    pub of: Half,
    ended: bool,
}

impl Witness {
    pub fn new(exchange: Exchange, bell: Bell, of: Half) -> Self {
        Self {
            exchange,
            bell,
            of,
            ended: false,
        }
    }

    pub fn saw(&self, bytes: &Bytes) {
        self.exchange.body(self.of, bytes.clone());
        self.bell.ring();
    }

    /// The last bytes.
    pub fn saw_last(&mut self, bytes: &Bytes) {
        if !std::mem::replace(&mut self.ended, true) {
            self.exchange.last_of_body(self.of, bytes.clone());
            self.bell.ring();
        }
    }

    /// That the half is over is on record already.
    pub fn told(&mut self) {
        self.ended = true;
    }

    /// Only the first end counts.
    pub fn end(&mut self, broken: Option<String>) {
        if !self.ended {
            self.ended = true;
            self.exchange.end(self.of, None, broken);
            self.bell.ring();
        }
    }
}

impl Drop for Witness {
    /// A response that nobody polls to its end has lost its client; with a request it may be either side.
    fn drop(&mut self) {
        let words = match self.of {
            Half::Request => "it was given up before its end",
            Half::Response => CLIENT_GONE,
        };
        self.end(Some(words.into()));
    }
}

/// Waits for the recorder where the operator chose that it must be waited for.
#[derive(Default)]
struct Room(Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>);

impl fmt::Debug for Room {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Room").finish()
    }
}

impl Room {
    fn poll(&mut self, tap: &Tap, context: &mut Context<'_>) -> Poll<()> {
        if self.0.is_none() && tap.is_full() {
            let tap = tap.clone();
            self.0 = Some(Box::pin(async move { tap.ready().await }));
        }
        if let Some(waiting) = &mut self.0 {
            ready!(waiting.as_mut().poll(context));
            self.0 = None;
        }
        Poll::Ready(())
    }
}

/// A request's body that is longer than what was at hand when it was forwarded.
#[derive(Debug)]
pub struct Upload {
    /// What was read before, and is on record.
    first: Option<Bytes>,
    rest: RequestBody,
    witness: Witness,
    room: Room,
}

impl Upload {
    pub fn new(first: Option<Bytes>, rest: RequestBody, witness: Witness) -> Self {
        Self {
            first,
            rest,
            witness,
            room: Room::default(),
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        ready!(this.room.poll(&this.witness.exchange.tap, context));
        let frame = ready!(Pin::new(&mut this.rest).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    this.witness.saw(bytes);
                }
                if this.rest.is_end_stream() {
                    this.witness.end(None);
                }
            }
            Some(Err(error)) => this.witness.end(Some(broken_off("the client", error))),
            None => this.witness.end(None),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        longer(self.first.as_ref(), &self.rest.size_hint())
    }
}

/// A response's body.
#[derive(Debug)]
pub struct Download<B> {
    /// What was read before, and is on record.
    first: Option<Bytes>,
    inner: B,
    witness: Witness,
    /// Where some events are not for the client, or not as they are.
    sieve: Option<Box<Sieve>>,
    /// How it ended, as soon as all that came of it has been handed on.
    broken: Option<io::Error>,
    room: Room,
    /// The exchange is under way as long as its response is.
    _visit: Arc<Visit>,
}

impl<B: Body> Download<B> {
    pub fn new(
        first: Option<Bytes>,
        inner: B,
        mut witness: Witness,
        sieve: Option<Box<Sieve>>,
        visit: Arc<Visit>,
    ) -> Self {
        // Nobody polls a body that has nothing in it.
        if first.is_none() && inner.is_end_stream() {
            witness.end(None);
        }
        Self {
            first,
            inner,
            witness,
            sieve,
            broken: None,
            room: Room::default(),
            _visit: visit,
        }
    }
}

impl<B> Download<B> {
    /// What the sieve held of a body that has ended; after that, the error that it ended with.
    fn last(&mut self, broken: Option<String>) -> Option<io::Result<Frame<Bytes>>> {
        let left = self.sieve.as_mut();
        let left = left.and_then(|it| it.finish(&self.witness));
        self.witness.end(broken.clone());
        self.broken = broken.map(io::Error::other);
        match left {
            Some(bytes) => Some(Ok(Frame::data(bytes))),
            None => self.broken.take().map(Err),
        }
    }
}

impl<B> Drop for Download<B> {
    /// What was held for a client that goes away has come nevertheless.
    fn drop(&mut self) {
        if let Some(sieve) = &mut self.sieve {
            sieve.finish(&self.witness);
        }
    }
}

/// A body that breaks off after what is at hand.
#[derive(Debug)]
pub struct Broken(Bytes, Option<io::Error>);

impl Broken {
    pub fn off(came: Bytes, words: String) -> Self {
        Self(came, Some(io::Error::other(words)))
    }
}

impl Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !self.0.is_empty() {
            let came = std::mem::take(&mut self.0);
            return Poll::Ready(Some(Ok(Frame::data(came))));
        }
        Poll::Ready(self.1.take().map(Err))
    }
}

impl<B> Body for Download<B>
where
    B: Body<Data = Bytes, Error: Error> + Unpin,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            ready!(this.room.poll(&this.witness.exchange.tap, context));
            let frame = match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    return Poll::Ready(this.last(Some(broken_off("the server", &error))));
                }
                None => return Poll::Ready(this.last(None)),
            };
            let frame = match (frame.into_data(), &mut this.sieve) {
                (Ok(bytes), Some(sieve)) => match sieve.sift(bytes, &this.witness) {
                    Some(bytes) => Frame::data(bytes),
                    None => continue,
                },
                (Ok(bytes), None) => {
                    match this.inner.is_end_stream() {
                        true => this.witness.saw_last(&bytes),
                        false => this.witness.saw(&bytes),
                    }
                    Frame::data(bytes)
                }
                (Err(frame), _) => frame,
            };
            if this.inner.is_end_stream() {
                this.witness.end(None);
            }
            return Poll::Ready(Some(Ok(frame)));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.sieve.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        longer(self.first.as_ref(), &self.inner.size_hint())
    }
}

/// The size of a body whose beginning stands before the rest.
fn longer(first: Option<&Bytes>, rest: &SizeHint) -> SizeHint {
    let first = first.map_or(0, |first| first.len() as u64);
    let mut all = SizeHint::new();
    all.set_lower(first + rest.lower());
    if let Some(upper) = rest.upper() {
        all.set_upper(first + upper);
    }
    all
}

pub fn broken_off(who: &str, error: &dyn Error) -> String {
    let words = crate::proxy::http_client::in_words(error);
    format!("{who} broke it off: {words}")
}
