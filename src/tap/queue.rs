//! The queue between the data path and the recorder.
//!
//! What a push costs is what the traffic pays, so a push is a short lock and a refcount: it never waits for the disk,
//! never looks into a message, and makes no system call while the recorder is awake. The recorder swaps the whole
//! queue out at once. It naps after each batch before it looks again, unless plenty come, and parks only after finding
//! nothing. What it is done with goes back to be let go of by who pushed it.

mod slots;

use super::{Body, Counts, Event, ExchangeId, Half, Overflow, Party, SessionId, Timestamp};
use slots::Slots;
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

#[cfg(test)]
impl Tap {
    /// With a recorder that sleeps until it is woken, and then ends.
    pub(crate) fn of_sleeper() -> (Self, std::thread::JoinHandle<()>) {
        let (tap, mut drain) = queue(1 << 20, Overflow::Wait);
        let recorder = std::thread::spawn(move || while !drain.park(None) {});
        while !tap.is_asleep() {
            std::thread::yield_now();
        }
        (tap, recorder)
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
        let mut plenty = false;
        if may_drop && (self.is_full() || !slots.losses.is_empty()) {
            for part in event.in_parts() {
                if let Some(part) = slots.admit(part, self.is_full()) {
                    plenty |= self.put(&mut slots, part, thread);
                }
            }
        } else {
            plenty = self.put(&mut slots, event, thread);
        }
        let done = &mut slots.spent[thread];
        let spent = [done.pop_front(), done.pop_front()];
        drop(slots);
        drop(spent);
        if plenty {
            self.hurry();
        }
    }

    /// Whether there are plenty with it.
    fn put(&self, slots: &mut Slots, event: Event, thread: usize) -> bool {
        let item = Queued::Event(event, thread);
        let weight = item.weight();
        let before = self.queued_bytes.fetch_add(weight, Ordering::AcqRel);
        slots.items.push_back(item);
        before < PLENTY && before + weight >= PLENTY
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

#[cfg(test)]
mod tests;
