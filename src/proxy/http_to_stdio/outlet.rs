//! One response on its way to a client: what is to be sent, until the client takes it.
//!
//! Bounded: whoever fills it waits for a client that has the child for itself, unless it reads nothing at all. Among
//! others nobody waits for it: one that is too far behind is broken off. Must not know why something goes out here.

mod crowd;

pub use crowd::Crowd;

use super::answering::Answering;
use crate::proxy::exchange::Exchange;
use crate::tap::ServerSent;
use crate::wire::sse;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

/// What may wait for a client that is waited for. One message may overdraw it.
const BOUND: usize = 1024 * 1024;
/// How much a client that is not waited for may be behind. The longest message may overdraw it.
const BEHIND: usize = 8 * 1024 * 1024;
/// How long a client with that much before it may read nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// A response may be silent for so long before it becomes a stream of events. A client that leaves before that has no
/// event to come back after, so that its answer goes nowhere: to have one at once, every answer would have to be a stream.
const SILENCE: Duration = Duration::from_secs(1);
/// A stream that has been quiet for so long says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The most that is handed to a connection at once.
const PART: usize = 64 * 1024;

/// What goes out.
#[derive(Debug)]
pub enum Item {
    /// The whole response is this JSON.
    Whole(StatusCode, Bytes),
    /// The response is a stream of events, and this is its next one.
    Event(sse::Event),
}

impl Item {
    fn weight(&self) -> usize {
        match self {
            Self::Whole(_, bytes) => bytes.len(),
            Self::Event(event) => event.data.as_ref().map_or(0, Bytes::len) + size_of::<Self>(),
        }
    }
}

/// The end that is filled.
#[derive(Debug, Clone)]
pub struct Outlet(Arc<Shared>);

/// The end that a client reads from. When it is dropped before the outlet was ended, the client has gone.
#[derive(Debug)]
pub struct Intake {
    shared: Arc<Shared>,
}

struct Shared {
    exchange: Exchange,
    state: Mutex<State>,
    /// Those that share the child.
    crowd: Option<Arc<Crowd>>,
    /// The client has taken something, or is gone.
    taken: Notify,
    /// What is done when the client leaves before the end.
    gone: Mutex<Option<Gone>>,
}

type Gone = Box<dyn FnOnce() + Send>;

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    weight: usize,
    /// The weight of the longest item since nothing waited.
    longest: usize,
    ended: Option<Ended>,
    gone: bool,
    reader: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Whole,
    Broken,
}

/// A response in which more waits than should, and how far its client is waited for.
#[derive(Debug)]
pub struct Full {
    outlet: Outlet,
    waits: Waits,
}

#[derive(Debug)]
enum Waits {
    /// Nobody else uses the child.
    ForClient,
    /// Nobody else does until this is cancelled.
    UntilJoined(CancellationToken),
    ForNobody,
}

impl Full {
    /// Its client is the only one, until `joined` is cancelled.
    pub fn until(self, joined: CancellationToken) -> Self {
        Self {
            waits: Waits::UntilJoined(joined),
            ..self
        }
    }

    /// Returns when the child may say more.
    pub async fn room(self) {
        match self.waits {
            Waits::ForClient => self.outlet.room().await,
            Waits::UntilJoined(joined) => {
                tokio::select! {
                    biased;
                    () = joined.cancelled() => {}
                    () = self.outlet.room() => {}
                }
                self.outlet.trim();
            }
            Waits::ForNobody => self.outlet.trim(),
        }
    }
}

/// A client has not read what waited for it.
#[derive(Debug, thiserror::Error)]
#[error("the client did not read what waited for it")]
pub struct BrokenOff;

/// A new one, for a client that has the child for itself; `gone` is called when the client leaves before the end, or is
/// broken off.
pub fn outlet(exchange: Exchange, gone: impl FnOnce() + Send + 'static) -> (Outlet, Intake) {
    Outlet::open(Arc::new(Shared::new(exchange, Box::new(gone), None)))
}

impl Outlet {
    fn open(shared: Arc<Shared>) -> (Self, Intake) {
        let intake = Intake {
            shared: shared.clone(),
        };
        (Self(shared), intake)
    }

    /// Takes one more item, which goes nowhere when the client has gone.
    pub fn push(&self, item: Item) {
        self.0.change(|state| {
            if !state.gone && state.ended.is_none() {
                state.add(item);
                state.wake();
            }
        });
    }

    /// Nothing more comes.
    pub fn end(&self) {
        let mut state = self.0.state();
        if state.ended.is_none() {
            state.ended = Some(Ended::Whole);
            state.wake();
        }
    }

    /// Whether somebody may still read what is pushed.
    pub fn is_open(&self) -> bool {
        let state = self.0.state();
        !state.gone && state.ended.is_none()
    }

    /// Whether it should not grow before the client has read some of it.
    fn is_full(&self) -> bool {
        let state = self.0.state();
        !state.gone && state.weight > BOUND
    }

    /// What there is to be done about it before the child says more, if anything.
    pub fn full(&self) -> Option<Full> {
        let crowd = self.0.crowd.as_ref();
        if !self.is_full() && !crowd.is_some_and(|it| it.may_be_over()) {
            return None;
        }
        Some(Full {
            outlet: self.clone(),
            waits: match crowd {
                None => Waits::ForClient,
                Some(_) => Waits::ForNobody,
            },
        })
    }

    /// Returns when there is room. A client that takes nothing for a while is not waited for: it is broken off.
    async fn room(&self) {
        while self.is_full() {
            let taken = self.0.taken.notified();
            tokio::pin!(taken);
            taken.as_mut().enable();
            if self.is_full() && tokio::time::timeout(PATIENCE, taken).await.is_err() {
                self.0.break_off();
            }
        }
    }

    /// Breaks it off when its client is too far behind, and of all that share the child whoever is furthest behind.
    fn trim(&self) {
        if self.0.state().behind() > BEHIND {
            self.0.break_off();
        }
        let crowd = self.0.crowd.as_ref();
        while let Some(hindmost) = crowd.and_then(|it| it.hindmost()) {
            hindmost.break_off();
        }
    }
}

impl Shared {
    fn new(exchange: Exchange, gone: Gone, crowd: Option<Arc<Crowd>>) -> Self {
        Self {
            exchange,
            state: Mutex::default(),
            crowd,
            taken: Notify::new(),
            gone: Mutex::new(Some(gone)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what waits.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let before = state.weight;
        let changed = change(&mut state);
        if let Some(crowd) = &self.crowd {
            crowd.weigh(before, state.weight);
        }
        changed
    }

    /// Gives up what waits: the client did not read it.
    fn break_off(&self) {
        let was_ended = self.change(|state| {
            state.clear();
            state.wake();
            state.ended.replace(Ended::Broken)
        });
        let exchange = &self.exchange;
        exchange.note(format!(
            "HTTP exchange {} was broken off: {BrokenOff}",
            exchange.id.0
        ));
        exchange.tap.wake();
        // Who has sent everything has no part in it any more.
        match was_ended {
            None => self.tell_gone(),
            Some(_) => drop(self.forget_gone()),
        }
    }

    fn tell_gone(&self) {
        if let Some(gone) = self.forget_gone() {
            gone();
        }
    }

    fn forget_gone(&self) -> Option<Gone> {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.take()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.state).finish()
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn add(&mut self, item: Item) {
        self.longest = match self.items.is_empty() {
            true => item.weight(),
            false => self.longest.max(item.weight()),
        };
        self.weight += item.weight();
        self.items.push_back(item);
    }

    fn take(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.weight -= item.weight();
        Some(item)
    }

    fn clear(&mut self) {
        self.items = VecDeque::new();
        self.weight = 0;
    }

    /// How much the client is behind. What is long takes its time, so that the longest item does not count.
    fn behind(&self) -> usize {
        self.weight.saturating_sub(self.longest)
    }
}

/// How a response begins.
#[derive(Debug)]
pub enum First {
    /// It is all of this.
    Whole(StatusCode, Bytes),
    /// It is a stream of events.
    Events,
    /// It was broken off before it began.
    Nothing,
}

impl Intake {
    /// How the response begins, when that is decided. A client that takes events is not left without a word for longer
    /// than a moment: `commit` then makes the response a stream of them, unless something else was decided meanwhile.
    pub async fn first(&mut self, takes_events: bool, commit: impl FnOnce() -> bool) -> First {
        if takes_events && tokio::time::timeout(SILENCE, self.ready()).await.is_err() && commit() {
            return First::Events;
        }
        self.ready().await;
        self.shared.change(|state| match state.items.front() {
            Some(Item::Event(_)) => First::Events,
            Some(Item::Whole(..)) => match state.take() {
                Some(Item::Whole(status, body)) => First::Whole(status, body),
                _ => First::Nothing,
            },
            None => First::Nothing,
        })
    }

    /// Returns when there is something to send, or nothing will come.
    pub async fn ready(&self) {
        poll_fn(|context| {
            let mut state = self.shared.state();
            if !state.items.is_empty() || state.ended.is_some() {
                return Poll::Ready(());
            }
            state.reader = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// What waits, as it is written on the wire. `None` at the end.
    fn poll_events(&mut self, context: &Context<'_>) -> Poll<Option<io::Result<Vec<u8>>>> {
        let said = self.shared.change(|state| {
            let mut part = Vec::new();
            while part.len() < PART
                && let Some(item) = state.take()
            {
                let event = match item {
                    Item::Event(event) => event,
                    Item::Whole(_, body) => sse::Event {
                        data: Some(body),
                        ..sse::Event::default()
                    },
                };
                sse::write(&mut part, &event);
            }
            match state.ended {
                _ if !part.is_empty() => Poll::Ready(Some(Ok(part))),
                Some(Ended::Whole) => Poll::Ready(None),
                Some(Ended::Broken) => Poll::Ready(Some(Err(io::Error::other(BrokenOff)))),
                None => {
                    state.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        });
        if said.is_ready() {
            self.shared.taken.notify_waiters();
        }
        said
    }

    fn is_broken_off(&self) -> bool {
        self.shared.state().ended == Some(Ended::Broken)
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        let left = self.shared.change(|state| {
            state.gone = true;
            state.clear();
            state.ended != Some(Ended::Whole)
        });
        self.shared.taken.notify_waiters();
        if left {
            self.shared.tell_gone();
        } else {
            self.shared.forget_gone();
        }
    }
}

/// A response body of server-sent events.
#[derive(Debug)]
pub struct EventStream {
    intake: Intake,
    answering: Answering,
    keep_alive: Pin<Box<Sleep>>,
    spoke: Instant,
}

impl EventStream {
    pub fn new(intake: Intake, answering: Answering) -> Self {
        Self {
            intake,
            answering,
            keep_alive: Box::pin(tokio::time::sleep(KEEP_ALIVE)),
            spoke: Instant::now(),
        }
    }

    /// The comment that says that the stream is alive, when it is time for it.
    fn poll_keep_alive(&mut self, context: &mut Context<'_>) -> Poll<Vec<u8>> {
        while self.keep_alive.as_mut().poll(context).is_ready() {
            let due = self.spoke + KEEP_ALIVE;
            if due <= Instant::now() {
                self.answering.exchange.event(ServerSent {
                    comment: Some(String::new()),
                    ..ServerSent::default()
                });
                return Poll::Ready(b":\n\n".to_vec());
            }
            self.keep_alive.as_mut().reset(due);
        }
        Poll::Pending
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        // A client that does not read hears of it only when it goes.
        if self.intake.is_broken_off() {
            self.answering.broken(&BrokenOff.to_string());
        }
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let part = match this.intake.poll_events(context) {
            Poll::Ready(Some(Ok(part))) => part,
            Poll::Ready(Some(Err(error))) => {
                this.answering.broken(&error.to_string());
                return Poll::Ready(Some(Err(error)));
            }
            Poll::Ready(None) => {
                this.answering.whole();
                return Poll::Ready(None);
            }
            Poll::Pending => match this.poll_keep_alive(context) {
                Poll::Ready(part) => part,
                Poll::Pending => {
                    this.answering.exchange.tap.wake();
                    return Poll::Pending;
                }
            },
        };
        this.spoke = Instant::now();
        if this.keep_alive.is_elapsed() {
            this.keep_alive.as_mut().reset(this.spoke + KEEP_ALIVE);
        }
        this.answering.sent(part.len());
        Poll::Ready(Some(Ok(Frame::data(part.into()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::{ExchangeId, SessionId, Tap};
    use std::sync::atomic::{AtomicUsize, Ordering};

    pub(super) fn exchange() -> Exchange {
        Exchange {
            tap: Tap::disabled(),
            session: SessionId(1),
            id: ExchangeId(1),
        }
    }

    pub(super) fn event(bytes: usize) -> Item {
        Item::Event(sse::Event {
            data: Some(vec![b'x'; bytes].into()),
            ..sse::Event::default()
        })
    }

    /// Bytes that are to be sent at once.
    pub(super) fn sent(intake: &mut Intake) -> usize {
        let context = Context::from_waker(Waker::noop());
        let mut sent = 0;
        while let Poll::Ready(Some(Ok(part))) = intake.poll_events(&context) {
            sent += part.len();
        }
        sent
    }

    #[test]
    fn a_client_too_far_behind_is_broken_off_and_the_longest_message_does_not_count() {
        let gone = Arc::new(AtomicUsize::new(0));
        let count = gone.clone();
        let crowd = Arc::new(Crowd::default());
        let (outlet, mut intake) = crowd.outlet(exchange(), move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        for _ in 0..3 {
            for bytes in [10, 3 * BEHIND, BEHIND / 2] {
                outlet.push(event(bytes));
                outlet.trim();
            }
            assert!(outlet.is_open() && sent(&mut intake) > 3 * BEHIND);
        }
        for _ in 0..2 {
            outlet.push(event(BEHIND / 2));
            outlet.trim();
            assert!(outlet.is_open());
        }
        outlet.push(event(BEHIND));
        outlet.push(event(1));
        outlet.trim();
        assert!(!outlet.is_open() && intake.is_broken_off());
        assert_eq!((sent(&mut intake), gone.load(Ordering::SeqCst)), (0, 1));
    }

    #[tokio::test]
    async fn the_only_client_is_waited_for_until_another_comes() {
        let crowd = Arc::new(Crowd::default());
        let (outlet, mut intake) = crowd.outlet(exchange(), || ());
        outlet.push(event(2 * BOUND));
        let joined = CancellationToken::new();
        let room = outlet.full().unwrap().until(joined.clone()).room();
        tokio::pin!(room);
        assert!(poll_once(room.as_mut()).await.is_pending());
        joined.cancel();
        room.await;
        assert!(outlet.is_open(), "it is not too far behind");
        let room = outlet.full().unwrap().until(CancellationToken::new());
        let room = room.room();
        tokio::pin!(room);
        assert!(poll_once(room.as_mut()).await.is_pending());
        assert!(sent(&mut intake) > BOUND);
        room.await;
        assert!(outlet.is_open() && outlet.full().is_none());
    }

    async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
    }
}
