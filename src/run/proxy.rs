//! A proxy in front of one server: headless between a client and its server, listening for HTTP clients, or with a
//! screen whose operator is the client.

use super::aside::{Aside, Plan};
use super::doorplate::Doorplate;
use super::failure::{self, Failure};
use super::recording::{Identity, Recording};
use crate::capture::recorder::RecordError;
use crate::cli::{self, CaptureTo, Recorded};
use crate::headless::{self, Counted, Printer, Summary, Voice};
use crate::link::registry::Entry;
use crate::proxy::listener::Listen;
use crate::proxy::{self, Client, Config, Upstream};
use crate::tap::{Pulse, Tap};
use crate::ui::{self, app::Kept};
use anyhow::{Context as _, anyhow};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How it speaks on stderr. A screen takes precedence over `--print`.
pub fn voice(recorded: &Recorded) -> Voice {
    match has_screen(recorded) {
        true => Voice::default(),
        false => recorded.print.into(),
    }
}

fn has_screen(recorded: &Recorded) -> bool {
    !recorded.headless && super::screen::possible()
}

pub fn run(asked: cli::Proxy) -> Result<u8, Failure> {
    let recorded = asked.recorded;
    let screen = has_screen(&recorded);
    let voice = voice(&recorded);
    let upstream = super::upstream::resolve(asked.upstream, voice)?;
    let began = Instant::now();
    let identity = Identity::new(&upstream, recorded.name.clone(), &recorded.redact);
    let client = match asked.listen {
        Some(listen) => Client::Http(listen),
        None if screen => Client::Operator(Some(Listen::at("127.0.0.1:0"))),
        None => Client::Stdio,
    };
    let doorplate = client
        .listen()
        .map(|listen| Doorplate::of(listen, &upstream));
    let login = matches!(&upstream, Upstream::Http(origin) if origin.credentials.is_some());
    let (recording, tap) = start_recording(&recorded, screen, &identity)?.unzip();
    let tap = tap.unwrap_or_else(|| match (&client, &upstream) {
        // Messages lie in bodies there, into which nobody looks then.
        (Client::Http(_), Upstream::Http(_)) => Tap::disabled(),
        _ => Tap::counting(),
    });
    let counts = tap.counts().cloned();
    let (orders, received) = mpsc::channel(64);
    let shutdown = CancellationToken::new();
    let (announced, ended) = (CancellationToken::new(), CancellationToken::new());
    let config = Config {
        upstream,
        era: recorded.era,
        unattended: false,
        grace: recorded.grace,
        // With `--print` it is there already, among the messages.
        forward_stderr: !screen && recorded.print.is_none(),
        started: CancellationToken::new(),
    };

    let pulse = recording
        .as_ref()
        .map_or_else(Pulse::none, |it| it.totals().pulse());
    let totals = recording.as_ref().map(Recording::totals);
    let aside = Aside::start(Plan {
        entry: Entry {
            pid: std::process::id(),
            name: identity.name,
            upstream: identity.upstream,
            started: identity.started,
            capture: recording.as_ref().and_then(|it| it.kept().map(Into::into)),
            ..Entry::default()
        },
        doorplate: doorplate.clone(),
        login,
        orders: orders.clone(),
        tap: tap.clone(),
        pulse: pulse.clone(),
        log: recording.as_ref().map(|it| it.path().into()),
        totals: totals.clone(),
        retention: (recorded.capture == CaptureTo::Fresh && recording.is_some())
            .then_some(recorded.retention),
        started: config.started.clone(),
        announced: announced.clone(),
        voice: (!screen).then_some(voice),
    })?;
    let face = match (&recording, recorded.print) {
        (Some(recording), _) if screen => {
            let source = ui::Source {
                capture: recording.path().into(),
                orders: Some(orders),
                pulse,
                ended: ended.clone(),
                kept: match recording.kept() {
                    Some(_) => Kept::Here,
                    None => Kept::Nowhere,
                },
                copy: None,
                listening: None,
                quit_ends_session: true,
            };
            Face::screen(source, doorplate, config.started.clone(), shutdown.clone())?
        }
        (Some(recording), Some(print)) => Face::Printer(
            Printer::start(recording.path(), print, announced, ended.clone())
                .context("cannot start a thread")?,
        ),
        _ => Face::Nobody,
    };

    let outcome = proxy::run(config, client, tap, received, shutdown);

    aside.close();
    let log = recording.map(|it| it.finish(outcome.is_ok()));
    ended.cancel();
    aside.finish();
    let shown = face.finish();
    drop(log);
    let outcome = outcome?;
    voice.tell(&Summary {
        counted: match (&totals, &counts) {
            (Some(totals), _) => Counted::Recorded(totals),
            (None, Some(counts)) => Counted::Passed(counts),
            (None, None) => Counted::Nothing,
        },
        took: began.elapsed(),
        how: &outcome.how,
    });
    shown?;
    Ok(failure::exit_code(outcome.code))
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
        Err(error) if recorded.capture == CaptureTo::Fresh && !watched => {
            headless::complain(&format!("not capturing: {error:#}"));
            Ok(None)
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

/// Who watches, on a thread of its own.
enum Face {
    Nobody,
    Printer(Printer),
    Screen(JoinHandle<anyhow::Result<()>>),
}

impl Face {
    /// Takes the terminal once there is something to see; leaving the screen ends the proxy.
    fn screen(
        mut source: ui::Source,
        doorplate: Option<Doorplate>,
        started: CancellationToken,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
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
        Ok(Self::Screen(
            thread.spawn(show).context("cannot start a thread")?,
        ))
    }

    /// Returns when everything has been shown, and the operator has left.
    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Nobody => Ok(()),
            Self::Printer(printer) => {
                printer.finish();
                Ok(())
            }
            Self::Screen(thread) => thread
                .join()
                .map_err(|_| anyhow::anyhow!("the screen failed"))?,
        }
    }
}
