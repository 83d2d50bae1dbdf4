//! The queue between the data path and the recorder.
//!
//! What a push costs is what the traffic pays, so a push is a short lock and a refcount: it never waits for the disk,
//! never looks into a message, and makes no system call while the recorder is awake. The recorder swaps the whole
//! queue out at once. It naps after each batch before it looks again, and parks only after finding nothing. What it is done
//! with goes back to be let go of by who pushed it.

use super::{Body, Counts, Event, ExchangeId, Half, Http, Overflow, Party, SessionId, Timestamp};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;
use tokio::sync::Notify;

/// With this much in the queue a nap is over: memory is worth something, too.
const PLENTY: usize = 16 << 20;

/// Events up to this weight go back to the thread that pushed them when they are done with, to be let go of there, two
/// with every push: an allocator has one thread wait for the other when either frees what the other has allocated.
const LIGHT: usize = 4 << 10;
/// So many of a thread's may wait for that.
const SPENT: usize = 2048;
/// Threads that are told apart.
const THREADS: usize = 4;

/// A queue with a budget in bytes, payloads and our own bookkeeping together.
pub fn queue(budget_bytes: usize, overflow: Overflow) -> (Tap, Drain) {
    let queue = Arc::new(Queue {
        slots: Mutex::default(),
        queued_bytes: AtomicUsize::new(0),
        budget_bytes: budget_bytes.max(1),
        overflow,
        room: Notify::new(),
        parked: AtomicBool::new(false),
        recorder: OnceLock::new(),
        threads: AtomicUsize::new(1),
    });
    (
        Tap {
            queue: Some(Arc::clone(&queue)),
            counts: None,
            thread: 0,
        },
        Drain {
            queue,
            spent: Spent::default(),
        },
    )
}

/// The pushing end of the queue; cheap to clone. A disabled tap takes events and forgets them.
#[derive(Debug, Clone)]
pub struct Tap {
    queue: Option<Arc<Queue>>,
    /// Only where there is no queue.
    counts: Option<Arc<Counts>>,
    /// Which of those that push.
    thread: usize,
}

/// What is done with, by the thread that pushed it.
type Spent = [VecDeque<Event>; THREADS];

impl Tap {
    /// A tap that records nothing (`--no-capture`).
    pub fn disabled() -> Self {
        Self {
            queue: None,
            counts: None,
            thread: 0,
        }
    }

    /// A disabled tap that counts the messages.
    pub fn counting() -> Self {
        Self {
            counts: Some(Arc::default()),
            ..Self::disabled()
        }
    }

    /// Where messages are counted because nobody records them.
    pub fn counts(&self) -> Option<&Arc<Counts>> {
        self.counts.as_ref()
    }

    /// The same queue, for another thread to push on: it gets back what it has pushed.
    pub fn on_another_thread(&self) -> Self {
        let mut tap = self.clone();
        if let Some(queue) = &tap.queue {
            tap.thread = queue.threads.fetch_add(1, Ordering::Relaxed) % THREADS;
        }
        tap
    }

    /// Whether anybody records: when not, the data path need not stamp or share anything.
    pub fn is_enabled(&self) -> bool {
        self.queue.is_some()
    }

    /// Takes what happens now. Where nobody records, no time is taken.
    pub fn record(&self, session: SessionId, body: Body) {
        if self.is_enabled() {
            self.push(Event {
                at: Timestamp::now(),
                session,
                body,
            });
        } else if let Some(counts) = &self.counts {
            counts.look(&body);
        }
    }

    /// Takes an event without waiting. Under [`Overflow::Wait`] the budget may be overdrawn by this one event: the
    /// data path calls [`Tap::ready`] before it reads again. Under [`Overflow::Drop`] an event that finds the budget
    /// used up is counted and forgotten, and a gap is recorded in its place.
    pub fn push(&self, event: Event) {
        if let Some(queue) = &self.queue {
            queue.push(event, self.thread);
        }
    }

    /// Whether the next read must wait for [`Tap::ready`] first.
    pub fn is_full(&self) -> bool {
        self.queue
            .as_ref()
            .is_some_and(|queue| queue.overflow == Overflow::Wait && queue.is_full())
    }

    /// Returns when there is room again (at once under [`Overflow::Drop`]).
    pub async fn ready(&self) {
        let Some(queue) = &self.queue else { return };
        while self.is_full() {
            let room = queue.room.notified();
            tokio::pin!(room);
            // Enlist first and look again after: room made in between is not missed.
            room.as_mut().enable();
            if !self.is_full() {
                return;
            }
            queue.hurry();
            room.await;
        }
    }

    /// Whether the recorder has gone to sleep for want of events; while it has not, it looks by itself.
    pub fn is_asleep(&self) -> bool {
        self.queue
            .as_ref()
            .is_some_and(|queue| queue.parked.load(Ordering::Acquire))
    }

    /// Lets the recorder look; called after the bytes have been written on, and before waiting for a peer that does
    /// not take them. Costs a system call only when the recorder has gone to sleep for want of events.
    pub fn wake(&self) {
        if self.is_asleep()
            && let Some(queue) = &self.queue
            && queue.parked.swap(false, Ordering::AcqRel)
        {
            queue.hurry();
        }
    }
}

/// The recorder's end of the queue. When it is gone the tap takes events and forgets them, and nobody waits for room.
#[derive(Debug)]
pub struct Drain {
    queue: Arc<Queue>,
    /// Done with, and to go back.
    spent: Spent,
}

impl Drain {
    /// Swaps everything queued into `batch`, which must be empty; whether there was anything. What was taken counts
    /// against the budget until it is released.
    pub(crate) fn take(&mut self, batch: &mut VecDeque<Queued>) -> bool {
        let mut slots = self.queue.slots();
        slots.settle();
        std::mem::swap(&mut slots.items, batch);
        for (back, spent) in slots.spent.iter_mut().zip(&mut self.spent) {
            if back.is_empty() {
                std::mem::swap(back, spent);
            }
        }
        !batch.is_empty()
    }

    /// Lets go of an item: here of the part of a read buffer that it shares, which may be read into again then; of the
    /// rest where it was made.
    pub(crate) fn dismiss(&mut self, item: Queued) {
        let Queued::Event(mut event, thread) = item else {
            return;
        };
        event.body.let_go_of_shared();
        let is_light = event.body.heft() <= LIGHT;
        if is_light && self.spent[thread].len() < SPENT {
            self.spent[thread].push_back(event);
        }
    }

    /// No more events come: what was dropped of torn lines is all there will be of them.
    pub(crate) fn end_losses(&mut self) {
        let mut slots = self.queue.slots();
        let sessions: Vec<_> = slots.losses.iter().map(|it| it.lost.session).collect();
        for session in sessions {
            slots.end(session, None);
        }
    }

    /// Gives back what taken items weighed, when they are in the file or given up.
    pub(crate) fn release(&mut self, bytes: usize) {
        let before = self.queue.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
        let budget = self.queue.budget_bytes;
        if before >= budget && before - bytes < budget {
            self.queue.room.notify_waiters();
        }
    }

    /// Whether half of the budget is used: who waits for a disk to recover must not wait longer.
    pub(crate) fn is_pressed(&self) -> bool {
        self.queue.queued_bytes.load(Ordering::Acquire) >= self.queue.budget_bytes.div_ceil(2)
    }

    /// Lets events gather for so long, or until there are plenty.
    pub(crate) fn nap(&self, time: Duration) {
        let queued = self.queue.queued_bytes.load(Ordering::Acquire);
        if queued < PLENTY.min(self.queue.budget_bytes) {
            self.sleep(time);
        }
    }

    /// Sleeps, whatever is queued; cut short by a full queue, or by unparking the thread.
    pub(crate) fn sleep(&self, time: Duration) {
        self.queue.recorder.get_or_init(std::thread::current);
        std::thread::park_timeout(time);
    }

    /// Sleeps until there is something to take, or the time is over, or the thread is unparked; whether there is.
    pub(crate) fn park(&mut self, time: Option<Duration>) -> bool {
        self.queue.recorder.get_or_init(std::thread::current);
        self.queue.parked.store(true, Ordering::Release);
        // A push that came before the flag has nobody to wake us; one that comes after sees the flag.
        let mut slots = self.queue.slots();
        let news = slots.has_news();
        let mut spent = Spent::default();
        if !news {
            // A burst must not keep its memory for ever.
            slots.items.shrink_to(1024);
            spent = std::mem::take(&mut slots.spent);
        }
        drop(slots);
        drop(spent);
        self.spent = Spent::default();
        if !news {
            match time {
                Some(time) => std::thread::park_timeout(time),
                None => std::thread::park(),
            }
        }
        self.queue.parked.store(false, Ordering::Release);
        self.queue.slots().has_news()
    }
}

impl std::ops::Drop for Drain {
    fn drop(&mut self) {
        let mut slots = self.queue.slots();
        slots.closed = true;
        slots.items = VecDeque::new();
        slots.spent = Spent::default();
        drop(slots);
        self.queue.queued_bytes.store(0, Ordering::Release);
        self.queue.room.notify_waiters();
    }
}

/// What the recorder takes from the queue.
#[derive(Debug)]
pub(crate) enum Queued {
    /// And which thread pushed it.
    Event(Event, usize),
    /// Events of one source were dropped here.
    Lost(Lost),
}

impl Queued {
    /// What it counts against the budget.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Event(event, _) => event.body.heft() + size_of::<Self>(),
            Self::Lost(_) => 0,
        }
    }

    /// The bytes of a chunk of a stream.
    pub(crate) fn streamed(&self) -> Option<usize> {
        match self {
            Self::Event(event, _) => match &event.body {
                Body::Stream { bytes, .. } => Some(bytes.len()),
                _ => None,
            },
            Self::Lost(_) => None,
        }
    }
}

/// Where bytes come from, within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Source {
    Stream(Party),
    Stderr,
    /// Lines that are whole by themselves and part of no stream.
    Apart,
    Body(ExchangeId, Half),
}

/// What was dropped of one source, up to a line end. An incomplete line that came before it lost its end. Of a body, which
/// has no lines, the blank lines in it are counted: if it holds events, they end so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    pub at: Timestamp,
    pub session: SessionId,
    pub source: Source,
    pub messages: u64,
    pub bytes: u64,
}

#[derive(Debug)]
struct Queue {
    slots: Mutex<Slots>,
    /// What was pushed and not released yet.
    queued_bytes: AtomicUsize,
    budget_bytes: usize,
    overflow: Overflow,
    room: Notify,
    /// The recorder found nothing and sleeps until it is woken.
    parked: AtomicBool,
    recorder: OnceLock<Thread>,
    /// Those that push, so far.
    threads: AtomicUsize,
}

impl Queue {
    fn push(&self, event: Event, thread: usize) {
        let mut slots = self.slots();
        if slots.closed {
            return;
        }
        let may_drop = self.overflow == Overflow::Drop;
        if may_drop && (self.is_full() || !slots.losses.is_empty()) {
            for part in event.in_parts() {
                if let Some(part) = slots.admit(part, self.is_full()) {
                    self.put(&mut slots, part, thread);
                }
            }
        } else {
            self.put(&mut slots, event, thread);
        }
        let done = &mut slots.spent[thread];
        let spent = [done.pop_front(), done.pop_front()];
        drop(slots);
        drop(spent);
    }

    fn put(&self, slots: &mut Slots, event: Event, thread: usize) {
        let item = Queued::Event(event, thread);
        let weight = item.weight();
        let before = self.queued_bytes.fetch_add(weight, Ordering::AcqRel);
        slots.items.push_back(item);
        if before < PLENTY && before + weight >= PLENTY {
            self.hurry();
        }
    }

    fn is_full(&self) -> bool {
        self.queued_bytes.load(Ordering::Acquire) >= self.budget_bytes
    }

    fn hurry(&self) {
        if let Some(recorder) = self.recorder.get() {
            recorder.unpark();
        }
    }

    /// Nothing that can panic runs under the lock, so a poisoned one is as good as any.
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Slots {
    items: VecDeque<Queued>,
    /// To be let go of by who pushed it.
    spent: Spent,
    /// Losses that are not in `items` yet; a few at most, and none under [`Overflow::Wait`].
    losses: Vec<Loss>,
    closed: bool,
}

/// A loss that may still grow.
#[derive(Debug)]
struct Loss {
    lost: Lost,
    /// The last dropped byte was not a line end: what comes next is the rest of a torn line.
    torn: bool,
}

impl Slots {
    /// What of the event is to be queued when events may be dropped.
    fn admit(&mut self, mut event: Event, full: bool) -> Option<Event> {
        if self.losses.is_empty() && !full {
            return Some(event);
        }
        let source = event.body.source();
        if let Some(source) = source {
            if full {
                self.lose(&event, source);
                event = event.end_of_dropped()?;
            } else {
                self.mend(&mut event, source)?;
            }
        }
        match &event.body {
            Body::End { from } => self.end(event.session, Some(Source::Stream(*from))),
            Body::Closed(_) => self.end(event.session, None),
            _ => {}
        }
        self.settle();
        Some(event)
    }

    /// Counts an event as lost.
    fn lose(&mut self, event: &Event, source: Source) {
        let bytes = event.body.payload().map_or(&b""[..], |it| it);
        let messages = match source {
            Source::Stream(_) => memchr::memchr_iter(b'\n', bytes).count() as u64,
            Source::Stderr => 0,
            Source::Apart => 1,
            Source::Body(..) => blank_lines(bytes),
        };
        // Only who reads a body knows what its last bytes are.
        let in_lines = matches!(source, Source::Stream(_) | Source::Stderr);
        let torn = in_lines && bytes.last().is_some_and(|last| *last != b'\n');
        let loss = match self.loss(event.session, source) {
            Some(index) => &mut self.losses[index],
            None => {
                self.losses.push(Loss {
                    lost: Lost {
                        at: event.at,
                        session: event.session,
                        source,
                        messages: 0,
                        bytes: 0,
                    },
                    torn: false,
                });
                let last = self.losses.len() - 1;
                &mut self.losses[last]
            }
        };
        loss.lost.messages += messages;
        loss.lost.bytes += bytes.len() as u64;
        if !bytes.is_empty() {
            loss.torn = torn;
        }
    }

    /// Cuts the rest of a torn line off the front of an event that there is room for; nothing when no more is left.
    fn mend(&mut self, event: &mut Event, source: Source) -> Option<()> {
        let Some(index) = self
            .loss(event.session, source)
            .filter(|&it| self.losses[it].torn)
        else {
            return Some(());
        };
        let Some(bytes) = event.body.payload_mut() else {
            return Some(());
        };
        let Some(line_end) = memchr::memchr(b'\n', bytes) else {
            self.lose(event, source);
            return None;
        };
        let rest = bytes.split_off(line_end + 1);
        self.lose(event, source);
        if rest.is_empty() {
            return None;
        }
        if let Some(bytes) = event.body.payload_mut() {
            *bytes = rest;
        }
        debug_assert!(!self.losses[index].torn);
        Some(())
    }

    /// The source ended (every source of the session, when none is given): a torn line will get no more.
    fn end(&mut self, session: SessionId, source: Option<Source>) {
        let ended = |lost: &Lost| {
            lost.session == session && source.is_none_or(|source| source == lost.source)
        };
        for loss in self.losses.iter_mut().filter(|it| ended(&it.lost)) {
            if std::mem::take(&mut loss.torn) && loss.lost.source != Source::Stderr {
                loss.lost.messages += 1;
            }
        }
    }

    /// Queues the losses that end with a line.
    fn settle(&mut self) {
        for loss in self.losses.extract_if(.., |it| !it.torn) {
            self.items.push_back(Queued::Lost(loss.lost));
        }
    }

    fn loss(&self, session: SessionId, source: Source) -> Option<usize> {
        self.losses
            .iter()
            .position(|it| it.lost.session == session && it.lost.source == source)
    }

    fn has_news(&self) -> bool {
        !self.items.is_empty() || self.losses.iter().any(|it| !it.torn)
    }
}

impl Event {
    /// A head and its body by themselves: the one is never dropped, and the other may be.
    fn in_parts(mut self) -> impl Iterator<Item = Self> {
        let body = match &mut self.body {
            Body::Http { exchange, what } => what.take_body().map(|what| Self {
                at: self.at,
                session: self.session,
                body: Body::Http {
                    exchange: *exchange,
                    what,
                },
            }),
            _ => None,
        };
        [Some(self), body].into_iter().flatten()
    }

    /// What must be told of an event whose bytes were dropped.
    fn end_of_dropped(mut self) -> Option<Self> {
        let Body::Http { what, .. } = &mut self.body else {
            return None;
        };
        let Http::Body {
            of, is_last: true, ..
        } = *what
        else {
            return None;
        };
        *what = Http::End {
            of,
            bytes: None,
            broken: None,
        };
        Some(self)
    }
}

/// Blank lines: where events end, if the bytes are some.
fn blank_lines(bytes: &[u8]) -> u64 {
    let mut ends = memchr::memchr_iter(b'\n', bytes).peekable();
    let mut blank = 0;
    while let Some(end) = ends.next() {
        let next = ends.peek().map(|next| &bytes[end + 1..*next]);
        blank += u64::from(matches!(next, Some(b"" | b"\r")));
    }
    blank
}

impl Body {
    /// The source of an event that may be dropped; none for those that never are.
    fn source(&self) -> Option<Source> {
        match self {
            Self::Stream { from, .. } => Some(Source::Stream(*from)),
            Self::Stderr { .. } => Some(Source::Stderr),
            Self::Line { .. } => Some(Source::Apart),
            Self::Http { exchange, what } => match what {
                Http::Body { of, .. } => Some(Source::Body(*exchange, *of)),
                _ => None,
            },
            Self::End { .. } | Self::Opened(_) | Self::Closed(_) | Self::Note { .. } => None,
        }
    }

    /// What it keeps in memory beside itself.
    fn heft(&self) -> usize {
        match self {
            Self::Http { what, .. } => what.heft(),
            _ => self.payload().map_or(0, Bytes::len),
        }
    }

    fn payload(&self) -> Option<&Bytes> {
        match self {
            Self::Stream { bytes, .. } | Self::Stderr { bytes } | Self::Line { bytes, .. } => {
                Some(bytes)
            }
            Self::Http { what, .. } => match what {
                Http::Body { bytes, .. } => Some(bytes),
                _ => None,
            },
            Self::End { .. } | Self::Opened(_) | Self::Closed(_) | Self::Note { .. } => None,
        }
    }

    /// Bytes on their way are a part of the buffer that they were read into.
    fn let_go_of_shared(&mut self) {
        if let Some(bytes) = self.payload_mut() {
            *bytes = Bytes::new();
        }
    }

    fn payload_mut(&mut self) -> Option<&mut Bytes> {
        match self {
            Self::Stream { bytes, .. } | Self::Stderr { bytes } | Self::Line { bytes, .. } => {
                Some(bytes)
            }
            Self::Http { what, .. } => match what {
                Http::Body { bytes, .. } => Some(bytes),
                _ => None,
            },
            Self::End { .. } | Self::Opened(_) | Self::Closed(_) | Self::Note { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
