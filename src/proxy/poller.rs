//! Futures on a thread of their own, which waits with poll(2).
//!
//! A pipe that stands in an epoll costs whoever writes to it a wake-up with every write, also while nobody waits for
//! it, and that is our peers' time. Here a pipe is watched only while its thread sleeps. What else such a future waits
//! for (timers, channels, other descriptors) is the runtime's that it was spawned from. What waits for a descriptor here
//! is looked at in every turn: a set of futures that polls only those that were woken would not find out.
//!
//! Knows descriptors and memory; must not know what flows through them.

use super::sys;
use futures_util::FutureExt as _;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

/// With so many bytes read there is a burst, which takes memory over and over.
const BURST: usize = 1 << 20;
/// When nothing has happened for so long, it is over.
const BREATH: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// How long to wait where the system has no means to wait by.
const SCARCE: Duration = Duration::from_millis(5);

thread_local! {
    /// What the future on this thread waits for, when there is one.
    static TURN: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

/// From one look at the futures to the next.
#[derive(Default)]
struct Turn {
    number: u64,
    waits: Vec<(Arc<OwnedFd>, PollFlags)>,
    /// Which of those of the turn before may be ready.
    ready: Vec<bool>,
    /// Bytes that were read since the last rest.
    burst: usize,
}

/// A future on its own thread. It is dropped there when this is dropped.
#[derive(Debug)]
pub struct Apart<T> {
    /// Until it has come.
    outcome: Option<oneshot::Receiver<T>>,
    end: CancellationToken,
    _ended: DropGuard,
}

impl<T> Apart<T> {
    /// Drops the future, soon.
    pub fn abort(&self) {
        self.end.cancel();
    }

    /// Drops the future, if it is still there, and returns when it has let go of all it had.
    pub async fn end(mut self) {
        self.abort();
        (&mut self).await;
    }
}

impl<T> Future for Apart<T> {
    /// Nothing when it was aborted, has panicked, or has been heard of already.
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(outcome) = &mut self.outcome else {
            return Poll::Ready(None);
        };
        let outcome = std::task::ready!(Pin::new(outcome).poll(context));
        self.outcome = None;
        Poll::Ready(outcome.ok())
    }
}

/// A thread that waits for what it is to run.
pub struct Poller {
    work: oneshot::Sender<Work>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Poller {
    /// Starts a thread, with the timers and channels of the runtime that this is called in.
    ///
    /// # Errors
    /// When there can be no more threads or descriptors.
    pub fn start(name: &str) -> io::Result<Self> {
        let (runtime, (bell, rope)) = (Handle::current(), Bell::hang()?);
        let (work, given) = oneshot::channel::<Work>();
        let run = async {
            // Nothing comes where what it should serve could not be started.
            if let Ok(work) = given.await {
                work.await;
            }
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _context = runtime.enter();
                block_on(bell, &rope, run);
            })?;
        Ok(Self { work })
    }

    /// Runs both futures in turn, until both are over.
    ///
    /// One thread for both costs a conversation less than two do: where each has an answer to wait for, the thread that
    /// has passed on a question is often still awake when the answer comes.
    pub fn run<A: Send + 'static, B: Send + 'static>(
        self,
        first: impl Future<Output = A> + Send + 'static,
        second: impl Future<Output = B> + Send + 'static,
    ) -> (Apart<A>, Apart<B>) {
        let ((first, one), (second, other)) = (apart(first), apart(second));
        // Without a thread the outcomes say that nothing came of it.
        let _ = self.work.send(Box::pin(async {
            tokio::join!(first, second);
        }));
        (one, other)
    }
}

/// What is left to run, and what is told of it.
fn apart<T>(future: impl Future<Output = T>) -> (impl Future<Output = ()>, Apart<T>) {
    let (tell, outcome) = oneshot::channel();
    let end = CancellationToken::new();
    let apart = Apart {
        outcome: Some(outcome),
        _ended: end.clone().drop_guard(),
        end: end.clone(),
    };
    let future = async move {
        // What panics must not take the other with it; what it has left half done goes with it.
        let future = AssertUnwindSafe(future).catch_unwind();
        // The order first: a future that is looked at once more would ask for its descriptor once more.
        let outcome = tokio::select! {
            biased;
            () = end.cancelled() => return,
            outcome = future => outcome,
        };
        if let Ok(outcome) = outcome {
            // Nobody waiting is nobody to tell.
            let _ = tell.send(outcome);
        }
    };
    (future, apart)
}

/// Whether this thread waits with poll(2).
pub fn is_here() -> bool {
    TURN.with_borrow(Option::is_some)
}

/// Returns when something can be read from `fd` without waiting. Only on a thread of this kind.
pub async fn readable(fd: &Arc<OwnedFd>) {
    ready(fd, PollFlags::IN).await;
}

/// Notes that so many bytes were read on this thread.
pub fn took(bytes: usize) {
    TURN.with_borrow_mut(|turn| {
        if let Some(turn) = turn {
            let before = turn.burst;
            turn.burst = before.saturating_add(bytes);
            if before < BURST && turn.burst >= BURST {
                sys::keep_heap();
            }
        }
    });
}

/// The same as [`readable`] for writing.
pub async fn writable(fd: &Arc<OwnedFd>) {
    ready(fd, PollFlags::OUT).await;
}

async fn ready(fd: &Arc<OwnedFd>, flags: PollFlags) {
    let mut asked = None;
    poll_fn(|_| {
        TURN.with_borrow_mut(|turn| {
            let Some(turn) = turn else {
                return Poll::Ready(());
            };
            match asked {
                Some((number, _)) if number == turn.number => return Poll::Pending,
                Some((number, at)) if number + 1 == turn.number && turn.ready[at] => {
                    return Poll::Ready(());
                }
                _ => {}
            }
            asked = Some((turn.number, turn.waits.len()));
            turn.waits.push((fd.clone(), flags));
            Poll::Pending
        })
    })
    .await;
}

fn block_on<F: Future>(bell: Arc<Bell>, rope: &UnixStream, future: F) -> F::Output {
    let waker = Waker::from(bell.clone());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    TURN.set(Some(Turn::default()));
    loop {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut context) {
            TURN.set(None);
            return outcome;
        }
        let (waits, mut ready, breath) = TURN.with_borrow_mut(|turn| {
            let turn = turn.get_or_insert_default();
            let breath = (turn.burst >= BURST).then_some(&BREATH);
            let waits = std::mem::take(&mut turn.waits);
            (waits, std::mem::take(&mut turn.ready), breath)
        });
        let rest = bell.sleep(rope, &waits, &mut ready, breath);
        if rest {
            sys::give_back_heap();
        }
        TURN.with_borrow_mut(|turn| {
            let turn = turn.get_or_insert_default();
            turn.number += 1;
            turn.waits = waits;
            turn.waits.clear();
            turn.ready = ready;
            if rest {
                turn.burst = 0;
            }
        });
    }
}

/// Rung by whoever wakes the future.
struct Bell {
    state: AtomicU8,
    ring: UnixStream,
}

/// Nobody has rung.
const QUIET: u8 = 0;
/// Nobody has rung, and the thread sleeps or is about to.
const ASLEEP: u8 = 1;
const RUNG: u8 = 2;

impl Bell {
    /// The bell, and what the thread hears it by.
    fn hang() -> io::Result<(Arc<Self>, UnixStream)> {
        let (ring, rope) = UnixStream::pair()?;
        ring.set_nonblocking(true)?;
        rope.set_nonblocking(true)?;
        let state = AtomicU8::new(QUIET);
        Ok((Arc::new(Self { state, ring }), rope))
    }

    /// Sleeps until somebody rings, or one of these may be ready; whether it was the time that was over first.
    fn sleep(
        &self,
        rope: &UnixStream,
        waits: &[(Arc<OwnedFd>, PollFlags)],
        ready: &mut Vec<bool>,
        time: Option<&Timespec>,
    ) -> bool {
        let mut fds = Vec::with_capacity(1 + waits.len());
        fds.push(PollFd::new(rope, PollFlags::IN));
        fds.extend(waits.iter().map(|(fd, flags)| PollFd::new(fd, *flags)));
        let quiet = self
            .state
            .compare_exchange(QUIET, ASLEEP, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        // An interrupted wait is one more look at the futures.
        let looked = rustix::event::poll(&mut fds, if quiet { time } else { Some(&AT_ONCE) });
        if looked.is_err_and(|error| error != Errno::INTR) {
            // The next look may find the memory that this one has not got.
            std::thread::sleep(SCARCE);
        }
        ready.clear();
        ready.extend(fds[1..].iter().map(|it| !it.revents().is_empty()));
        // Whoever has rung may pull the rope only later, when nothing tells of it any more but the rope.
        let pulled = !fds[0].revents().is_empty();
        if self.state.swap(QUIET, Ordering::AcqRel) == RUNG || pulled {
            let _ = rustix::io::read(rope.as_fd(), &mut [0; 16]);
        }
        quiet && looked == Ok(0)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(RUNG, Ordering::AcqRel) == ASLEEP {
            // A full socket wakes as well.
            let _ = rustix::io::write(&self.ring, &[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stdio::Source;
    use super::*;
    use bytes::BytesMut;
    use std::io::{PipeWriter, Write as _};
    use tokio::sync::mpsc;

    fn pipe() -> (Source, PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        (Source::pipe(reader.into()).unwrap(), writer)
    }

    /// One future, with another beside it that never ends by itself.
    fn alone<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Apart<T> {
        let poller = Poller::start("apart").unwrap();
        let (future, other) = poller.run(future, std::future::pending::<()>());
        drop(other);
        future
    }

    #[tokio::test]
    async fn a_future_apart_waits_for_pipes_channels_and_timers_alike() {
        let (mut source, mut writer) = pipe();
        let (sender, mut receiver) = mpsc::channel::<u8>(1);
        let (told, mut heard) = mpsc::unbounded_channel();
        let future = alone(async move {
            let (mut buf, mut open) = (BytesMut::new(), true);
            loop {
                let news = tokio::select! {
                    read = source.read(&mut buf) => match read.unwrap() {
                        bytes if bytes.is_empty() => return "the end",
                        bytes => format!("{} read", bytes.len()),
                    },
                    news = receiver.recv(), if open => {
                        open = news.is_some();
                        format!("{news:?} received")
                    }
                };
                tokio::time::sleep(Duration::from_millis(1)).await;
                told.send(news).unwrap();
            }
        });
        sender.send(7).await.unwrap();
        assert_eq!(heard.recv().await.unwrap(), "Some(7) received");
        writer.write_all(b"four").unwrap();
        assert_eq!(heard.recv().await.unwrap(), "4 read");
        drop(sender);
        assert_eq!(heard.recv().await.unwrap(), "None received");
        drop(writer);
        assert_eq!(future.await, Some("the end"));
    }

    #[tokio::test]
    async fn no_wake_is_missed_whenever_it_comes() {
        let (sender, mut receiver) = mpsc::channel(1);
        let sum = alone(async move {
            let mut sum = 0;
            while let Some(number) = receiver.recv().await {
                sum += number;
            }
            sum
        });
        let sending = std::thread::spawn(move || {
            for number in 0..50_000_u64 {
                sender.blocking_send(number).unwrap();
            }
        });
        assert_eq!(sum.await, Some(50_000 * 49_999 / 2));
        sending.join().unwrap();
    }

    #[tokio::test]
    async fn an_ended_future_has_let_go_of_what_it_had_although_nothing_ever_came() {
        let (mut source, _writer) = pipe();
        let kept = Arc::new(());
        let left = Arc::downgrade(&kept);
        let future = alone(async move {
            let _kept = kept;
            source.read(&mut BytesMut::new()).await.map(|_| ())
        });
        future.end().await;
        assert_eq!(left.strong_count(), 0);
    }

    #[tokio::test]
    async fn an_ended_future_holds_no_descriptor_while_the_other_waits_on() {
        let ((mut source, writer), (mut silent, _kept)) = (pipe(), pipe());
        let ended = async move { source.read(&mut BytesMut::new()).await.map(|_| ()) };
        let waiting = async move { silent.read(&mut BytesMut::new()).await.map(|_| ()) };
        let (ended, _waiting) = Poller::start("apart").unwrap().run(ended, waiting);
        ended.end().await;
        // The writer of a pipe is told when its last reader is gone, which a child of another test may have for a moment.
        let mut watch = [PollFd::new(&writer, PollFlags::empty())];
        rustix::event::poll(&mut watch, None).unwrap();
        assert!(watch[0].revents().contains(PollFlags::ERR));
    }

    #[test]
    fn a_rope_that_is_pulled_late_wakes_once() {
        let (bell, rope) = Bell::hang().unwrap();
        let short = Timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000,
        };
        (&bell.ring).write_all(&[1]).unwrap();
        let sleep = || bell.sleep(&rope, &[], &mut Vec::new(), Some(&short));
        assert!(!sleep(), "the rope was pulled");
        assert!(sleep(), "only the time ends this sleep");
    }

    #[tokio::test]
    async fn a_flood_keeps_no_order_to_end_from_coming() {
        let (mut source, mut writer) = pipe();
        let flood = std::thread::spawn(move || while writer.write_all(&[b'y'; 1 << 16]).is_ok() {});
        let future = alone(async move {
            let mut buf = BytesMut::new();
            while source.read(&mut buf).await.is_ok() {}
        });
        future.abort();
        assert!(future.await.is_none());
        flood.join().unwrap();
    }

    #[tokio::test]
    async fn a_panic_of_one_of_two_leaves_the_other_alone() {
        let (sender, receiver) = oneshot::channel();
        let panicking = async { panic!("as a test wants it") };
        let (panicked, other) = Poller::start("apart").unwrap().run(panicking, receiver);
        let outcome: Option<()> = panicked.await;
        assert!(outcome.is_none());
        sender.send("still here").unwrap();
        assert_eq!(other.await, Some(Ok("still here")));
    }

    #[tokio::test]
    async fn whoever_drops_it_ends_it() {
        let (sender, mut receiver) = mpsc::channel::<()>(1);
        let future = alone(async move {
            let _sender = sender;
            std::future::pending::<()>().await;
        });
        drop(future);
        assert!(receiver.recv().await.is_none());
    }

    #[tokio::test]
    async fn what_one_of_two_waits_for_does_not_keep_the_other() {
        let ((mut source, mut writer), (mut silent, _kept)) = (pipe(), pipe());
        let (echo, mut heard) = mpsc::unbounded_channel();
        let speaking = async move {
            let mut buf = BytesMut::new();
            loop {
                let bytes = source.read(&mut buf).await.unwrap();
                if bytes.is_empty() {
                    return;
                }
                echo.send(bytes).unwrap();
            }
        };
        let silent = async move { silent.read(&mut BytesMut::new()).await.map(|_| ()) };
        let (speaking, silent) = Poller::start("apart").unwrap().run(speaking, silent);
        for word in ["one", "two", "three"] {
            writer.write_all(word.as_bytes()).unwrap();
            assert_eq!(heard.recv().await.unwrap(), word);
        }
        drop(writer);
        assert_eq!(speaking.await, Some(()));
        silent.end().await;
    }
}
