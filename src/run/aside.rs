//! What a proxy does beside the traffic: it registers itself, lets viewers in, prunes old captures, finds out who the
//! client is, keeps count, and says when recording fails. All on one thread of its own; whatever fails here is said and
//! changes nothing for the traffic.

use super::doorplate::Doorplate;
use crate::capture::reader::Reader;
use crate::capture::recorder::Totals;
use crate::capture::store::{self, Retention};
use crate::headless;
use crate::link::registry::{self, Counts, Entry, Published};
use crate::link::server::Server;
use crate::tap::{Body, Event, Orders, Pulse, SessionId, Tap, Timestamp};
use crate::traffic::{Traffic, digest::digest};
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Messages within which a client that says who it is has said it.
const INTRODUCTION: u64 = 1000;
/// How often a growing capture is looked at for that.
const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_secs(2);
/// How often the registry is told how much was said.
const COUNTED: Duration = Duration::from_secs(2);

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
    /// The face without a screen: says the startup line and warnings.
    pub headless: bool,
}

/// The thread, until it is told to end.
#[derive(Debug)]
pub struct Aside {
    over: CancellationToken,
    thread: JoinHandle<()>,
}

impl Aside {
    pub fn start(plan: Plan) -> anyhow::Result<Self> {
        let over = CancellationToken::new();
        let until = over.clone();
        let thread = std::thread::Builder::new()
            .name("aside".to_owned())
            .spawn(move || plan.carry_out(until))
            .context("cannot start a thread")?;
        Ok(Self { over, thread })
    }

    /// Takes the proxy off the list and lets go of the tap.
    pub fn finish(self) {
        self.over.cancel();
        // A panic there has been reported already, and is no reason to lose the end of the capture.
        let _ = self.thread.join();
    }
}

impl Plan {
    fn carry_out(mut self, over: CancellationToken) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return self.tell(&format!("nobody can attach: {error}")),
        };
        runtime.block_on(async {
            tokio::select! {
                biased;
                // Also of one that has ended already.
                () = self.started.cancelled() => {}
                () = over.cancelled() => return,
            }
            self.entry.listening = self.doorplate.as_ref().and_then(Doorplate::url);
            if self.headless {
                headless::say(&headless::Startup {
                    listening: self.entry.listening.as_deref(),
                    upstream: &self.entry.upstream,
                    login: self.login,
                    capture: self.entry.capture.as_deref(),
                });
            }
            tokio::select! {
                () = self.receive(&over) => {}
                () = self.report_health(), if self.headless => {}
            }
        });
    }

    /// Lets viewers in until it is over.
    async fn receive(&self, over: &CancellationToken) {
        let door = self.register();
        self.prune();
        match door {
            Ok((server, mut published)) => {
                let (orders, pulse) = (self.orders.clone(), self.pulse.clone());
                let serving = server.serve(orders, pulse, over.clone());
                let describing = self.describe(&mut published, over);
                tokio::join!(serving, describing);
            }
            Err(error) => {
                self.tell(&format!("nobody can attach: {error:#}"));
                over.cancelled().await;
            }
        }
    }

    /// One line when the capture cannot be written, and one when it can be again.
    async fn report_health(&self) {
        let mut pulse = self.pulse.clone();
        let mut troubled = false;
        loop {
            let health = pulse.next().await;
            if health.trouble.is_some() != troubled {
                troubled = !troubled;
                headless::health(&health);
            }
        }
    }

    fn register(&self) -> anyhow::Result<(Server, Published)> {
        let directory = registry::directory().context("no runtime directory")?;
        let socket = registry::socket_path(&directory, self.entry.pid)?;
        let server = Server::bind(&socket)
            .with_context(|| format!("cannot listen on {}", socket.display()))?;
        let entry = Entry {
            socket,
            ..self.entry.clone()
        };
        let published = Published::publish(&directory, entry)
            .with_context(|| format!("cannot write to {}", directory.display()))?;
        Ok((server, published))
    }

    fn prune(&self) {
        let Some(retention) = self.retention else {
            return;
        };
        let live = || registry::list(&registry::directory()?);
        let mut spared: Vec<PathBuf> = live()
            .unwrap_or_default()
            .into_iter()
            .filter_map(|entry| entry.capture)
            .collect();
        spared.extend(self.entry.capture.clone());
        let pruned = store::directory().and_then(|it| store::prune(&it, retention, &spared));
        if let Err(error) = pruned {
            self.tell(&format!("cannot remove old captures: {error}"));
        }
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
                () = tokio::time::sleep(COUNTED) => {}
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
            self.tell(&format!("cannot find the client's name: {error:#}"));
            None
        })
    }

    fn tell(&self, warning: &str) {
        if self.headless {
            headless::complain(warning);
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
    let mut reader = Reader::open(log)?;
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
