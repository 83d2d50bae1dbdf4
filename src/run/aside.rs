//! What a proxy does beside the traffic: it registers itself, lets viewers in (and sends them the capture where they
//! cannot read it), prunes old captures, finds out who the client is, keeps count, and says when recording fails. All on
//! one thread of its own; whatever fails here is said and changes nothing for the traffic.

use super::doorplate::Doorplate;
use crate::capture::reader::Reader;
use crate::capture::recorder::Totals;
use crate::capture::store::{self, Retention};
use crate::headless::{self, Voice};
use crate::link::registry::{self, Counts, Entry, Published};
use crate::link::server::{Offer, Server};
use crate::proxy;
use crate::tap::{Body, Event, Orders, Pulse, SessionId, Tap, Timestamp, give_way};
use crate::traffic::{Traffic, digest::digest};
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How far all this gives way to the traffic.
const NICENESS: u8 = 10;
/// For so long a server that starts has the processor to itself: half a millisecond's work waits.
const HEAD_START: Duration = Duration::from_millis(15);
/// After so long it runs, and what only its start has needed can go.
const STARTED: Duration = Duration::from_secs(1);
/// Messages within which a client that says who it is has said it.
const INTRODUCTION: u64 = 1000;
/// No introduction is longer.
const LONGEST_INTRODUCTION: usize = 1 << 20;
/// How often a growing capture is looked at for that.
const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_secs(2);
/// How often the registry is told how much was said.
const COUNTED: Duration = Duration::from_millis(500);
/// How long viewers that are sent the capture may take to receive its end.
const FAREWELL: Duration = Duration::from_millis(500);

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    /// Without its socket, which is chosen here, and without where it listens, which is not known yet.
    pub entry: Entry,
    pub doorplate: Option<Doorplate>,
    /// Whether a stored login is used.
    pub login: bool,
    pub orders: Orders,
    pub tap: Tap,
    pub pulse: Pulse,
    /// Where the traffic can be read.
    pub log: Option<PathBuf>,
    /// What the recorder counts, when there is one.
    pub totals: Option<Arc<Totals>>,
    /// What to keep in the captures directory, when this proxy adds to it.
    pub retention: Option<Retention>,
    /// Cancelled when the server runs: before that there is nothing to attach to.
    pub started: CancellationToken,
    /// Cancelled when the startup line has been said, where it is.
    pub announced: CancellationToken,
    /// Of the face without a screen, which says the startup line and warnings.
    pub voice: Option<Voice>,
}

/// The thread, until it is told to end.
#[derive(Debug)]
pub struct Aside {
    over: CancellationToken,
    recorded: CancellationToken,
    /// Disconnected when the plan is over.
    closed: mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Aside {
    pub fn start(plan: Plan) -> anyhow::Result<Self> {
        let (over, recorded) = (CancellationToken::new(), CancellationToken::new());
        let (closing, closed) = mpsc::channel();
        let work = {
            let (over, recorded) = (over.clone(), recorded.clone());
            move || {
                give_way(NICENESS);
                plan.carry_out(over, recorded, closing);
            }
        };
        let thread = std::thread::Builder::new()
            .name("aside".to_owned())
            .spawn(work)
            .context("cannot start a thread")?;
        Ok(Self {
            over,
            recorded,
            closed,
            thread,
        })
    }

    /// Takes the proxy off the list and lets go of the tap.
    pub fn close(&self) {
        self.over.cancel();
        // Nothing is ever sent: this waits for the other end to go, a panic included.
        let _ = self.closed.recv();
    }

    /// Call when the capture is complete: whoever is being sent it gets the rest, when that does not take long.
    pub fn finish(self) {
        self.recorded.cancel();
        // A panic there has been reported already, and is no reason to lose the end of the capture.
        let _ = self.thread.join();
    }
}

impl Plan {
    fn carry_out(
        self,
        over: CancellationToken,
        recorded: CancellationToken,
        closing: mpsc::Sender<()>,
    ) {
        // Also where nothing comes to be said: somebody waits for it.
        let _announced = self.announced.clone().drop_guard();
        // A server that starts needs the processor more than what is made ready for the rest.
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() {
            runtime.block_on(self.is_running(&over));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return self.tell(&format!("nobody can attach: {error}")),
        };
        let shelf = self.shelf();
        runtime.block_on(async {
            let copies = self.welcome(&over, &recorded).await;
            drop(closing);
            if copies.is_none() && shelf.is_none() {
                return;
            }
            recorded.cancelled().await;
            if let Some(shelf) = shelf {
                // Only now it is known how large the capture is. What is in use is locked, so nobody is asked, who might
                // not answer; and there is nobody left to tell of trouble, of which the next proxy tells.
                let _ = shelf.prune(&[]);
            }
            if let Some(copies) = copies {
                // Whoever takes no more by then has stalled, and holds nobody up.
                let _ = tokio::time::timeout(FAREWELL, copies.wait()).await;
            }
        });
    }

    /// All that is done until it is over. What comes back are those that are still being sent the capture.
    async fn welcome(
        mut self,
        over: &CancellationToken,
        recorded: &CancellationToken,
    ) -> Option<TaskTracker> {
        if !self.is_running(over).await {
            return None;
        }
        self.entry.listening = self.doorplate.as_ref().and_then(Doorplate::url);
        if let Some(voice) = self.voice {
            voice.tell(&headless::Startup {
                listening: self.entry.listening.as_deref(),
                upstream: &self.entry.upstream,
                login: self.login,
                capture: self.entry.capture.as_deref(),
            });
        }
        self.announced.cancel();
        tokio::select! {
            () = tokio::time::sleep(HEAD_START) => {}
            () = over.cancelled() => {}
        }
        tokio::select! {
            copies = self.receive(over, recorded) => copies,
            () = self.report_health() => None,
            () = settle() => None,
        }
    }

    /// Waits until the server runs; whether it ever does.
    async fn is_running(&self, over: &CancellationToken) -> bool {
        tokio::select! {
            biased;
            // Also of one that has ended already.
            () = self.started.cancelled() => true,
            () = over.cancelled() => false,
        }
    }

    /// Lets viewers in until it is over.
    async fn receive(
        &self,
        over: &CancellationToken,
        recorded: &CancellationToken,
    ) -> Option<TaskTracker> {
        let door = self.register();
        let live = registry::live().unwrap_or_default();
        let captures: Vec<_> = live.into_iter().filter_map(|it| it.capture).collect();
        if let Some(Err(error)) = self.shelf().map(|it| it.prune(&captures)) {
            self.tell(&format!("cannot remove old captures: {error}"));
        }
        match door {
            Ok((server, mut published)) => {
                let offer = Offer {
                    entry: published.entry().clone(),
                    orders: self.orders.clone(),
                    pulse: self.pulse.clone(),
                    recorded: recorded.clone(),
                };
                let serving = server.serve(offer, over.clone());
                let describing = self.describe(&mut published, over);
                let (copies, ()) = tokio::join!(serving, describing);
                Some(copies)
            }
            Err(error) => {
                self.tell(&format!("nobody can attach: {error:#}"));
                over.cancelled().await;
                None
            }
        }
    }

    /// One line when the capture cannot be written, and one when it can be again.
    async fn report_health(&self) {
        let Some(voice) = self.voice else {
            return std::future::pending().await;
        };
        let mut pulse = self.pulse.clone();
        let mut troubled = false;
        loop {
            let health = pulse.next().await;
            if health.trouble.is_some() != troubled {
                troubled = !troubled;
                headless::health(voice, &health);
            }
        }
    }

    fn register(&self) -> anyhow::Result<(Server, Published)> {
        let directory = registry::directory().context("no runtime directory")?;
        let sockets = registry::socket_paths(&directory, self.entry.pid)?;
        let (server, socket) = Server::bind_one(sockets).context("cannot listen on a socket")?;
        let entry = Entry {
            socket,
            counts: self.totals.as_deref().map(counts),
            ..self.entry.clone()
        };
        let published = Published::publish(&directory, entry)
            .with_context(|| format!("cannot write to {}", directory.display()))?;
        Ok((server, published))
    }

    fn shelf(&self) -> Option<Shelf> {
        Some(Shelf {
            retention: self.retention?,
            own: self.entry.capture.clone(),
        })
    }

    /// Keeps the entry in the registry true: who the client is, once it has said it, and how much was said.
    async fn describe(&self, published: &mut Published, over: &CancellationToken) {
        let mut client = None;
        let mut introduction = pin!(self.introduction());
        let mut introduced = false;
        let mut told = true;
        loop {
            tokio::select! {
                () = over.cancelled() => return,
                found = &mut introduction, if !introduced => (introduced, client) = (true, found),
                () = tokio::time::sleep(COUNTED), if self.totals.is_some() => {}
            }
            let written = published.update(|entry| {
                entry.client.clone_from(&client);
                entry.counts = self.totals.as_deref().map(counts);
            });
            // Said once, not every time.
            if let Err(error) = &written
                && told
            {
                self.tell(&format!(
                    "cannot bring the list of live proxies up to date: {error}"
                ));
            }
            told = written.is_ok();
        }
    }

    /// The client's name and version, when it says them.
    async fn introduction(&self) -> Option<String> {
        let found = client_of(self.log.as_deref()?).await;
        found.unwrap_or_else(|error| {
            // Where nothing can be written, that has been said.
            let health = self.totals.as_ref().map(|it| it.health());
            if health.is_none_or(|it| it.trouble.is_none()) {
                self.tell(&format!("cannot find the client's name: {error:#}"));
            }
            None
        })
    }

    fn tell(&self, warning: &str) {
        if let Some(voice) = self.voice {
            voice.complain(warning);
        }
        self.tap.push(Event {
            at: Timestamp::now(),
            session: SessionId(1),
            body: Body::Note {
                text: warning.to_owned(),
            },
        });
        self.tap.wake();
    }
}

/// The captures directory, to which this proxy adds one.
#[derive(Debug)]
struct Shelf {
    retention: Retention,
    own: Option<PathBuf>,
}

impl Shelf {
    /// Removes what is too old or too much, but for these; how many.
    fn prune(&self, spared: &[PathBuf]) -> std::io::Result<usize> {
        let spared = [spared, self.own.as_slice()].concat();
        store::prune(&store::directory()?, self.retention, &spared)
    }
}

/// Lets go of what the start has needed; nothing comes of it.
async fn settle() {
    tokio::time::sleep(STARTED).await;
    proxy::give_back_program();
    std::future::pending().await
}

fn counts(totals: &Totals) -> Counts {
    let sum = |parts: &[&AtomicU64]| parts.iter().map(|it| it.load(Ordering::Relaxed)).sum();
    Counts {
        messages: sum(&[
            &totals.client_messages,
            &totals.server_messages,
            &totals.operator_messages,
        ]),
        errors: sum(&[&totals.errors, &totals.tool_errors]),
    }
}

/// Name and version of the client of a growing capture; `None` when it does not introduce itself.
async fn client_of(log: &Path) -> anyhow::Result<Option<String>> {
    let mut reader = Reader::open(log)?.pass_over(LONGEST_INTRODUCTION);
    let mut traffic = Traffic::default();
    let mut pause = SOON;
    while traffic.counters().messages < INTRODUCTION {
        let read = reader.read(100, |record| traffic.apply(digest(&record)))?;
        let mut sessions = traffic.sessions().iter();
        if let Some(client) = sessions.find_map(|session| session.client.clone()) {
            return Ok(Some(client));
        }
        if read == 0 {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LATER);
        }
    }
    Ok(None)
}
