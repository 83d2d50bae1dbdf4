//! A proxy in front of one server: headless between a client and its server, listening for HTTP clients, or with a
//! screen whose operator is the client.

use super::aside::{Aside, Plan};
use super::doorplate::Doorplate;
use super::failure::{self, Failure};
use super::recording::{Identity, Recording};
use crate::capture::recorder::RecordError;
use crate::cli::{self, CaptureTo, Recorded};
use crate::headless::{Counted, Print, Printer, Summary, Voice};
use crate::link::registry::Entry;
use crate::proxy::listener::Listen;
use crate::proxy::{self, Client, Config, Upstream};
use crate::tap::{Orders, Pulse, Tap};
use crate::ui::{self, app::Kept};
use anyhow::{Context as _, anyhow};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How it speaks on stderr.
pub fn voice(recorded: &Recorded) -> Voice {
    printed(recorded).into()
}

/// How the traffic is printed. Where stderr is the terminal that the screen is on, it is not.
fn printed(recorded: &Recorded) -> Option<Print> {
    let free = !has_screen(recorded) || !std::io::stderr().is_terminal();
    recorded.print.filter(|_| free)
}

fn has_screen(recorded: &Recorded) -> bool {
    !recorded.headless && super::screen::possible()
}

pub fn run(asked: cli::Proxy) -> Result<u8, Failure> {
    let recorded = asked.recorded;
    let screen = has_screen(&recorded);
    if recorded.print.is_some() && printed(&recorded).is_none() {
        let why = "--print writes to stderr, and there the screen is; add --headless, or send stderr elsewhere: 2>FILE";
        return Err(Failure::usage(why));
    }
    if asked.token.is_some() && asked.listen.is_none() && !screen {
        let why = "a token is for clients on HTTP; --listen ADDRESS says where they connect";
        return Err(Failure::usage(why));
    }
    if screen && !recorded.faults.is_empty() {
        return Err(Failure::usage(recorded.faults.join("\n")));
    }
    // Without one, every client on this machine would lose its servers.
    for fault in &recorded.faults {
        voice(&recorded).complain(&format!("{fault}; going on without it"));
    }
    let upstream = super::upstream::resolve(asked.upstream, voice(&recorded))?;
    let began = Instant::now();
    let client = match asked.listen {
        Some(listen) => Client::Http(listen),
        None if screen => Client::Operator(Some(Listen {
            token: asked.token,
            private: true,
            ..Listen::at("127.0.0.1:0")
        })),
        None => Client::Stdio,
    };
    let (orders, received) = mpsc::channel(64);
    let around = Around::prepare(&recorded, &upstream, &client, orders)?;
    let config = Config {
        upstream,
        era: recorded.era,
        unattended: false,
        grace: recorded.grace,
        // With `--print` it is there already, among the messages.
        forward_stderr: !screen && recorded.print.is_none(),
        started: around.started.clone(),
    };
    let aside = Aside::start(around.plan(&recorded))?;
    let face = around.face(&recorded)?;

    let (tap, shutdown) = (around.tap.clone(), around.shutdown.clone());
    let outcome = proxy::run(config, client, tap, received, shutdown);

    let voice = around.voice;
    let capture = around.capture_on_screen();
    let (counted, shown) = around.end(aside, face, outcome.is_ok());
    let outcome = outcome?;
    voice.tell(&Summary {
        counted,
        took: began.elapsed(),
        how: &outcome.how,
        capture: capture.as_deref(),
    });
    shown?;
    Ok(failure::exit_code(outcome.code))
}

/// All that is around the data path: who records, who watches, and how they hear of each other.
struct Around {
    identity: Identity,
    voice: Voice,
    screen: bool,
    doorplate: Option<Doorplate>,
    /// Whether a stored login is used.
    login: bool,
    recording: Option<Recording>,
    tap: Tap,
    orders: Orders,
    /// Cancelled when the server runs.
    started: CancellationToken,
    /// Cancelled when the startup line has been said.
    announced: CancellationToken,
    /// Cancelled when the capture is complete.
    ended: CancellationToken,
    /// To be cancelled by whoever wants the proxy to end.
    shutdown: CancellationToken,
}

impl Around {
    fn prepare(
        recorded: &Recorded,
        upstream: &Upstream,
        client: &Client,
        orders: Orders,
    ) -> anyhow::Result<Self> {
        let screen = has_screen(recorded);
        let identity = Identity::new(upstream, recorded.name.clone(), &recorded.redact);
        let (recording, tap) = start_recording(recorded, screen, &identity)?.unzip();
        Ok(Self {
            voice: voice(recorded),
            screen,
            doorplate: client
                .listen()
                .map(|listen| Doorplate::of(listen, upstream)),
            login: matches!(upstream, Upstream::Http(origin) if origin.credentials.is_some()),
            identity,
            recording,
            tap: tap.unwrap_or_else(|| match (client, upstream) {
                // Messages lie in bodies there, into which nobody looks then.
                (Client::Http(_), Upstream::Http(_)) => Tap::disabled(),
                _ => Tap::counting(),
            }),
            orders,
            started: CancellationToken::new(),
            announced: CancellationToken::new(),
            ended: CancellationToken::new(),
            shutdown: CancellationToken::new(),
        })
    }

    fn pulse(&self) -> Pulse {
        self.recording
            .as_ref()
            .map_or_else(Pulse::none, |it| it.totals().pulse())
    }

    fn plan(&self, recorded: &Recorded) -> Plan {
        let recording = self.recording.as_ref();
        Plan {
            entry: Entry {
                pid: std::process::id(),
                name: self.identity.name.clone(),
                upstream: self.identity.upstream.clone(),
                started: self.identity.started.clone(),
                capture: recording.and_then(|it| it.kept().map(Into::into)),
                ..Entry::default()
            },
            doorplate: self.doorplate.clone(),
            login: self.login,
            orders: self.orders.clone(),
            tap: self.tap.clone(),
            pulse: self.pulse(),
            log: recording.map(|it| it.path().into()),
            totals: recording.map(Recording::totals),
            retention: (recorded.capture == CaptureTo::Fresh && recording.is_some())
                .then_some(recorded.retention),
            started: self.started.clone(),
            announced: self.announced.clone(),
            voice: (!self.screen || printed(recorded).is_some()).then_some(self.voice),
        }
    }

    fn face(&self, recorded: &Recorded) -> anyhow::Result<Face> {
        let mut face = Face::default();
        let Some(recording) = &self.recording else {
            return Ok(face);
        };
        if let Some(print) = printed(recorded) {
            let (announced, ended) = (self.announced.clone(), self.ended.clone());
            let printer = Printer::start(recording.path(), print, announced, ended);
            face.printer = Some(printer.context("cannot start a thread")?);
        }
        if self.screen {
            let source = ui::Source {
                capture: recording.path().into(),
                orders: Some(self.orders.clone()),
                pulse: self.pulse(),
                ended: self.ended.clone(),
                kept: match (recording.kept(), recording.failed()) {
                    (Some(_), _) => Kept::Here,
                    (None, Some(why)) => Kept::Failed(why.to_owned()),
                    (None, None) => Kept::Nowhere,
                },
                copy: None,
                listening: None,
                quit_ends_session: true,
            };
            let (started, shutdown) = (self.started.clone(), self.shutdown.clone());
            let screen = screen(source, self.doorplate.clone(), started, shutdown);
            face.screen = Some(screen?);
        }
        Ok(face)
    }

    /// The capture that stays, when only a screen that is left told its name.
    fn capture_on_screen(&self) -> Option<PathBuf> {
        let recording = self.recording.as_ref().filter(|_| self.screen)?;
        recording.kept().map(Path::to_owned)
    }

    /// Waits until all is recorded and shown. What comes back was counted, and whether the screen failed.
    fn end(self, aside: Aside, face: Face, ran: bool) -> (Counted, anyhow::Result<()>) {
        aside.close();
        let counted = match &self.recording {
            Some(recording) => Counted::Recorded(recording.totals()),
            None => self
                .tap
                .counts()
                .cloned()
                .map_or(Counted::Nothing, Counted::Passed),
        };
        // The recorder waits for whoever could still push something.
        drop(self.tap);
        let log = self.recording.map(|it| it.finish(ran));
        self.ended.cancel();
        aside.finish();
        let shown = face.finish();
        drop(log);
        (counted, shown)
    }
}

/// No recording when none is wanted and nobody looks. A file that was asked for by name must be there; a
/// captures directory that cannot be used is no reason to keep a client from its server.
fn start_recording(
    recorded: &Recorded,
    screen: bool,
    identity: &Identity,
) -> anyhow::Result<Option<(Recording, Tap)>> {
    let watched = screen || recorded.print.is_some();
    if recorded.capture == CaptureTo::Nowhere && !watched {
        return Ok(None);
    }
    match Recording::start(&recorded.capture, recorded.overflow, identity) {
        Ok(started) => Ok(Some(started)),
        Err(error) if recorded.capture == CaptureTo::Fresh => {
            let why = format!("{error:#}");
            if !screen {
                voice(recorded).complain(&format!("not capturing: {why}"));
            }
            let passing = || Recording::passing(why, recorded.overflow, identity);
            watched.then(passing).transpose()
        }
        Err(error) => Err(match error.downcast() {
            Ok(full @ RecordError::NotEmpty { .. }) => {
                anyhow!("{full}; without --capture, each run gets a file of its own")
            }
            Ok(error) => error.into(),
            Err(error) => error,
        }),
    }
}

/// Takes the terminal, on a thread of its own, once there is something to see; leaving the screen ends the proxy.
fn screen(
    mut source: ui::Source,
    doorplate: Option<Doorplate>,
    started: CancellationToken,
    shutdown: CancellationToken,
) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    let show = move || {
        let shown = super::screen::block_on(async {
            tokio::select! {
                () = started.cancelled() => {}
                () = source.ended.cancelled() => return Ok(()),
            }
            source.listening = doorplate.as_ref().and_then(Doorplate::url);
            ui::run(source).await.map(drop)
        });
        shutdown.cancel();
        shown
    };
    let thread = std::thread::Builder::new().name("screen".to_owned());
    thread.spawn(show).context("cannot start a thread")
}

/// Who watches, each on a thread of its own.
#[derive(Default)]
struct Face {
    printer: Option<Printer>,
    screen: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Face {
    /// Returns when everything has been shown, and the operator has left.
    fn finish(self) -> anyhow::Result<()> {
        if let Some(printer) = self.printer {
            printer.finish();
        }
        match self.screen {
            Some(screen) => screen.join().map_err(|_| anyhow!("the screen failed"))?,
            None => Ok(()),
        }
    }
}
