//! One response on its way to a client: what is to be sent, until the client takes it.
//!
//! Bounded: whoever fills it waits for the client, and one who reads nothing is broken off. Must not know why something
//! goes out here.

use super::answering::Answering;
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

/// What may wait for a client. One message may overdraw it.
const BOUND: usize = 1024 * 1024;
/// How long a client with that much before it may read nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// A response may be silent for so long before it becomes a stream of events.
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
    state: Mutex<State>,
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
    ended: Option<Ended>,
    gone: bool,
    reader: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Whole,
    Broken,
}

/// A client has not read what waited for it.
#[derive(Debug, thiserror::Error)]
#[error("the client did not read what waited for it")]
pub struct BrokenOff;

/// A new one; `gone` is called when the client leaves before the end, or is broken off.
pub fn outlet(gone: impl FnOnce() + Send + 'static) -> (Outlet, Intake) {
    let shared = Arc::new(Shared {
        state: Mutex::default(),
        taken: Notify::new(),
        gone: Mutex::new(Some(Box::new(gone))),
    });
    let intake = Intake {
        shared: shared.clone(),
    };
    (Outlet(shared), intake)
}

impl Outlet {
    /// Takes one more item, which goes nowhere when the client has gone.
    pub fn push(&self, item: Item) {
        let mut state = self.0.state();
        if !state.gone && state.ended.is_none() {
            state.weight += item.weight();
            state.items.push_back(item);
            state.wake();
        }
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
    pub fn is_full(&self) -> bool {
        let state = self.0.state();
        !state.gone && state.weight > BOUND
    }

    /// Returns when there is room. A client that takes nothing for a while is not waited for: it is broken off, and this
    /// says so.
    pub async fn room(&self) -> Result<(), BrokenOff> {
        while self.is_full() {
            let taken = self.0.taken.notified();
            tokio::pin!(taken);
            taken.as_mut().enable();
            if self.is_full() && tokio::time::timeout(PATIENCE, taken).await.is_err() {
                let mut state = self.0.state();
                state.items.clear();
                state.weight = 0;
                state.ended = Some(Ended::Broken);
                state.wake();
                drop(state);
                self.0.tell_gone();
                return Err(BrokenOff);
            }
        }
        Ok(())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn take(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.weight -= item.weight();
        Some(item)
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
        let mut state = self.shared.state();
        match state.items.front() {
            Some(Item::Event(_)) => First::Events,
            Some(Item::Whole(..)) => match state.take() {
                Some(Item::Whole(status, body)) => First::Whole(status, body),
                _ => First::Nothing,
            },
            None => First::Nothing,
        }
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
        let mut state = self.shared.state();
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
        if !part.is_empty() {
            drop(state);
            self.shared.taken.notify_waiters();
            return Poll::Ready(Some(Ok(part)));
        }
        match state.ended {
            Some(Ended::Whole) => Poll::Ready(None),
            Some(Ended::Broken) => Poll::Ready(Some(Err(io::Error::other(BrokenOff)))),
            None => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.gone = true;
        state.items = VecDeque::new();
        state.weight = 0;
        let left = state.ended != Some(Ended::Whole);
        drop(state);
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
