//! The TUI. [`app`] is state and `update(App, Event) -> Vec<Effect>`, [`render`] draws it; both are pure: time, size
//! and the answers of slow work arrive as events, slow work leaves as effects. Only this file, `work`, `clipboard` and
//! [`attach`] wait for anything.

pub mod app;
pub mod attach;
mod clipboard;
pub mod diff;
pub mod event;
mod feed;
pub mod format;
pub mod json;
mod keep;
pub mod keymap;
pub mod layout;
pub mod render;
pub mod tally;
pub mod terminal;
pub mod text;
pub mod theme;
mod work;

use crate::link::registry::Entry;
use crate::tap::{Orders, Pulse, Timestamp};
use anyhow::Context as _;
use app::{App, Kept, Session, hub::Hub};
use chrono::TimeZone as _;
use clipboard::Clipboard;
use event::{Effect, Event, Fed, Notice};
use futures_util::StreamExt as _;
use keep::Keeping;
use keymap::{Action, Context};
use ratatui::Frame;
use ratatui::crossterm::event::{Event as Input, EventStream, KeyEventKind, MouseEventKind};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use terminal::Screen;
use theme::Theme;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use work::{Editing, Worker};

/// At least this long from one frame to the next while things arrive.
const FRAME: Duration = Duration::from_millis(33);
/// And after a key, which somebody is waiting for.
const KEY_FRAME: Duration = Duration::from_millis(8);

/// What the TUI shows.
#[derive(Debug)]
pub struct Source {
    /// The capture to read, growing or finished.
    pub capture: PathBuf,
    pub kept: Kept,
    /// What brings the capture here, when it is a copy.
    pub copy: Option<attach::Transfer>,
    /// Where HTTP clients can join.
    pub listening: Option<String>,
    /// Where commands go; `None` for a saved capture, which is read-only.
    pub orders: Option<Orders>,
    /// How the recording goes that a live source is read from.
    pub pulse: Pulse,
    /// Cancelled when the proxy behind a live source has ended.
    pub ended: CancellationToken,
    /// Quitting ends the proxy and its server's sessions: ask first when something is under way.
    pub quit_ends_session: bool,
}

impl Source {
    /// A capture that nobody writes any more, as far as we know.
    pub fn saved(capture: PathBuf) -> Self {
        let ended = CancellationToken::new();
        ended.cancel();
        Self {
            capture,
            kept: Kept::Here,
            copy: None,
            listening: None,
            orders: None,
            pulse: Pulse::none(),
            ended,
            quit_ends_session: false,
        }
    }
}

/// Why the screen was left. The terminal is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Left {
    ByOperator,
    /// A signal told us to end: its number.
    Signalled(i32),
}

/// Shows one conversation until the operator leaves it. Takes the terminal, and gives it back as it was.
pub async fn run(source: Source) -> anyhow::Result<Left> {
    Stage::enter()?.conversation(source, false).await
}

/// Shows live proxies and saved captures, and opens what the operator chooses.
pub async fn hub() -> anyhow::Result<Left> {
    let mut stage = Stage::enter()?;
    let mut hub = Hub::new(stage.theme);
    loop {
        let source = match stage.drive(&mut hub, Behind::default()).await? {
            Exit::Left(left) => return Ok(left),
            Exit::Open(capture) => Ok(Source::saved(capture)),
            Exit::Attach(entry) => {
                hub.wait_for(&entry);
                tokio::select! { biased;
                    source = attach::listed(&entry) => source,
                    signal = stage.signals.next() => return Ok(Left::Signalled(signal)),
                    enough = has_enough(&mut hub, &mut stage.screen, &mut stage.input) => {
                        enough?;
                        Err(anyhow::anyhow!("{} has not answered yet", entry.name))
                    }
                }
            }
        };
        hub.notice = None;
        match source {
            Ok(source) => {
                if let Left::Signalled(signal) = stage.conversation(source, true).await? {
                    return Ok(Left::Signalled(signal));
                }
            }
            Err(error) => hub.notice = Some(Notice::error(format!("{error:#}"))),
        }
    }
}

/// Waits, and says so, until the operator does not want to wait any more.
async fn has_enough(
    hub: &mut Hub,
    screen: &mut Screen,
    input: &mut EventStream,
) -> anyhow::Result<()> {
    loop {
        let draw = |frame: &mut Frame<'_>| render::hub::render(hub, frame);
        screen.draw(draw).context("cannot draw")?;
        match understood(next_input(input).await?) {
            Some(Event::Key(key)) => {
                let action = keymap::lookup(&[Context::Hub, Context::Global], &key);
                if let Some(Action::Back | Action::Quit) = action {
                    return Ok(());
                }
            }
            Some(Event::Resize { width, height }) => hub.size = (width, height),
            _ => {}
        }
    }
}

async fn next_input(input: &mut EventStream) -> anyhow::Result<Input> {
    let next = input.next().await.context("the terminal is gone")?;
    next.context("cannot read the terminal")
}

/// What the loop shows: a conversation or the hub.
trait Face {
    fn update(&mut self, event: Event) -> Vec<Effect>;
    fn render(&self, frame: &mut Frame<'_>);
    /// Whether something on the screen changes with time alone.
    fn ages(&self) -> bool;
}

impl Face for App {
    fn update(&mut self, event: Event) -> Vec<Effect> {
        App::update(self, event)
    }
    fn render(&self, frame: &mut Frame<'_>) {
        render::render(self, frame);
    }
    fn ages(&self) -> bool {
        App::ages(self)
    }
}

impl Face for Hub {
    fn update(&mut self, event: Event) -> Vec<Effect> {
        Hub::update(self, event)
    }
    fn render(&self, frame: &mut Frame<'_>) {
        render::hub::render(self, frame);
    }
    fn ages(&self) -> bool {
        true
    }
}

/// How a face was left.
enum Exit {
    Left(Left),
    Open(PathBuf),
    Attach(Entry),
}

/// What a face shows and commands; nothing behind the hub.
struct Behind {
    feed: Option<mpsc::Receiver<Fed>>,
    copy: Option<attach::Transfer>,
    bodies: Arc<OnceLock<crate::capture::reader::Bodies>>,
    orders: Option<Orders>,
    pulse: Pulse,
    keeping: Keeping,
}

impl Default for Behind {
    fn default() -> Self {
        Self {
            feed: None,
            copy: None,
            bodies: Arc::default(),
            orders: None,
            pulse: Pulse::none(),
            keeping: Keeping::default(),
        }
    }
}

/// The terminal, the keyboard and the signals, for as long as the TUI runs.
struct Stage {
    screen: Screen,
    clipboard: Clipboard,
    theme: Theme,
    input: EventStream,
    signals: Signals,
}

/// The signals that end the screen.
struct Signals {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => 15,
            _ = self.hangup.recv() => 1,
            _ = self.interrupt.recv() => 2,
        }
    }

    /// The same while another program has the keyboard: an interrupt from there is that program's.
    async fn next_from_elsewhere(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => 15,
            _ = self.hangup.recv() => 1,
        }
    }
}

impl Stage {
    fn enter() -> anyhow::Result<Self> {
        Ok(Self {
            signals: Signals::listen()?,
            screen: Screen::take().context("cannot use the terminal")?,
            clipboard: Clipboard::new(std::env::temp_dir()),
            theme: Theme::detect(|name| std::env::var(name).ok()),
            input: EventStream::new(),
        })
    }

    async fn conversation(&mut self, source: Source, from_hub: bool) -> anyhow::Result<Left> {
        // Where nothing can be sent, nothing is drafted.
        let drafted = source.orders.as_ref().map(|_| source.capture.clone());
        let keeping = Keeping::of(drafted);
        let coming = source.copy.as_ref().map_or(0, |copy| copy.size);
        let feed = feed::start(source.capture.clone(), coming, source.ended)
            .context("cannot start a thread")?;
        let mut app = App::new(Session {
            capture: source.capture,
            kept: source.kept,
            listening: source.listening,
            live: source.orders.is_some(),
            quit_ends_session: source.quit_ends_session,
            from_hub,
            theme: self.theme,
        });
        let behind = Behind {
            feed: Some(feed.batches),
            copy: source.copy,
            bodies: feed.bodies,
            orders: source.orders,
            pulse: source.pulse,
            keeping: keeping.clone(),
        };
        let exit = self.drive(&mut app, behind).await;
        if let Some(keeper) = keeping.keeper() {
            if let Some(news) = app.leave() {
                keeper.hand_over(news);
            }
            // Too late to complain on this screen; the next one finds what was kept before.
            let _ = keeper.save();
        }
        match exit? {
            Exit::Left(left) => Ok(left),
            Exit::Open(_) | Exit::Attach(_) => Ok(Left::ByOperator),
        }
    }

    /// The loop. Keys come first, so that no flood of traffic makes the screen deaf; the frame comes before the feed,
    /// so that no flood keeps it from being drawn.
    async fn drive(&mut self, face: &mut impl Face, behind: Behind) -> anyhow::Result<Exit> {
        let Behind {
            mut feed,
            mut copy,
            mut pulse,
            ..
        } = behind;
        let (answers, mut answered) = mpsc::channel(256);
        let worker = Worker {
            answers,
            bodies: behind.bodies,
            orders: behind.orders,
            keeping: behind.keeping,
        };
        let mut clock = interval(Duration::from_millis(200));
        clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (width, height) = self.screen.size()?;
        let mut waiting = vec![tick(), Event::Resize { width, height }];
        let mut drawn = Instant::now() - FRAME;
        let mut next_frame = Some(drawn);
        loop {
            for event in waiting.drain(..) {
                if let Some(exit) = self.hand_over(face, &worker, event).await? {
                    return Ok(exit);
                }
            }
            let mut pace = FRAME;
            let event = tokio::select! { biased;
                input = next_input(&mut self.input) => {
                    pace = KEY_FRAME;
                    match understood(input?) {
                        Some(event) => event,
                        None => continue,
                    }
                }
                signal = self.signals.next() => return Ok(Exit::Left(Left::Signalled(signal))),
                () = due(next_frame) => {
                    if let Some(exit) = self.hand_over(face, &worker, tick()).await? {
                        return Ok(exit);
                    }
                    self.screen.draw(|frame| face.render(frame)).context("cannot draw")?;
                    (drawn, next_frame) = (Instant::now(), None);
                    // A feed that is always ready would keep timers and signals from being looked at.
                    tokio::task::yield_now().await;
                    continue;
                }
                Some(event) = answered.recv() => event,
                health = pulse.next() => Event::Health(health),
                Some(warning) = warning(&mut copy) => Event::CutOff(warning),
                fed = next(&mut feed) => {
                    waiting.extend(recalled(&fed, &worker.keeping));
                    Event::Fed(fed)
                }
                _ = clock.tick(), if face.ages() => tick(),
            };
            let soonest = drawn + pace;
            next_frame = Some(next_frame.map_or(soonest, |earlier| earlier.min(soonest)));
            waiting.push(event);
        }
    }

    async fn hand_over(
        &mut self,
        face: &mut impl Face,
        worker: &Worker,
        event: Event,
    ) -> anyhow::Result<Option<Exit>> {
        for effect in face.update(event) {
            if let Some(exit) = self.carry_out(worker, effect).await? {
                return Ok(Some(exit));
            }
        }
        Ok(None)
    }

    /// Effects that need the terminal are carried out here, all others by the worker.
    async fn carry_out(&mut self, worker: &Worker, effect: Effect) -> anyhow::Result<Option<Exit>> {
        let Some(effect) = worker.start(effect) else {
            return Ok(None);
        };
        match effect {
            Effect::Quit => return Ok(Some(Exit::Left(Left::ByOperator))),
            Effect::Open(capture) => return Ok(Some(Exit::Open(capture))),
            Effect::Attach(entry) => return Ok(Some(Exit::Attach(entry))),
            Effect::Copy { what, text } => {
                let copied = self.clipboard.copy(&mut self.screen, what, &text).await;
                self.answer(worker, Event::Notice(work::told(copied)));
            }
            Effect::Mouse(on) => self.screen.set_mouse(on)?,
            Effect::Editor(text) => {
                // The editor reads the keyboard now; the stream would take keys from it.
                self.input = EventStream::new();
                self.screen.suspend()?;
                let edited = match Editing::start(&text) {
                    Ok(mut editing) => {
                        let edited = tokio::select! { biased;
                            edited = editing.end() => Ok(edited),
                            signal = self.signals.next_from_elsewhere() => Err(signal),
                        };
                        match edited {
                            Ok(edited) => edited,
                            Err(signal) => {
                                editing.stop().await;
                                self.screen.tidy();
                                return Ok(Some(Exit::Left(Left::Signalled(signal))));
                            }
                        }
                    }
                    Err(error) => Err(error),
                };
                self.signals = Signals::listen()?;
                self.back(worker)?;
                self.answer(
                    worker,
                    Event::Edited(edited.map_err(|error| format!("{error:#}"))),
                );
            }
            Effect::Suspend => {
                self.screen.suspend()?;
                rustix::process::kill_process(
                    rustix::process::getpid(),
                    rustix::process::Signal::TSTP,
                )
                .context("cannot suspend")?;
                self.back(worker)?;
            }
            _ => {}
        }
        Ok(None)
    }

    /// Takes the terminal again, which may have another size now: nobody told us while it was not ours.
    fn back(&mut self, worker: &Worker) -> anyhow::Result<()> {
        self.input = EventStream::new();
        self.screen.resume().context("cannot use the terminal")?;
        let (width, height) = self.screen.size()?;
        self.answer(worker, Event::Resize { width, height });
        Ok(())
    }

    fn answer(&self, worker: &Worker, event: Event) {
        let answers = worker.answers.clone();
        tokio::spawn(async move { answers.send(event).await });
    }
}

/// When it is time; never for `None`. Looks at the clock itself: the runtime's timers stand still while something
/// else is always ready.
async fn due(frame: Option<Instant>) {
    match frame {
        None => std::future::pending().await,
        Some(frame) if frame > Instant::now() => sleep_until(frame).await,
        Some(_) => {}
    }
}

/// The next piece of the capture; never, when there is no feed or it has ended.
async fn next(feed: &mut Option<mpsc::Receiver<Fed>>) -> Fed {
    if let Some(batches) = feed
        && let Some(fed) = batches.recv().await
    {
        return fed;
    }
    *feed = None;
    std::future::pending().await
}

/// What an earlier screen has kept, once the capture tells of which server: on a full disk that may be late.
fn recalled(fed: &Fed, keeping: &Keeping) -> Option<Event> {
    let keeper = match fed {
        Fed::Opened(_) => keeping.keeper(),
        _ => None,
    };
    keeper.map(|keeper| Event::Recalled(Box::new(keeper.load())))
}

/// Why a copy of a capture lacks something.
async fn warning(copy: &mut Option<attach::Transfer>) -> Option<String> {
    copy.as_mut()?.warnings.recv().await
}

fn tick() -> Event {
    let now = Timestamp::now();
    // A clock may be so far off that no calendar has a day for it.
    let local = chrono::Local.timestamp_micros(now.0).single();
    Event::Tick {
        now,
        utc_offset_seconds: local.map_or(0, |it| it.offset().local_minus_utc()),
    }
}

fn understood(input: Input) -> Option<Event> {
    Some(match input {
        Input::Key(key) if key.kind != KeyEventKind::Release => Event::Key(key),
        // Terminals tell every move of the mouse; here only buttons and wheel mean something.
        Input::Mouse(mouse)
            if !matches!(mouse.kind, MouseEventKind::Moved | MouseEventKind::Drag(_)) =>
        {
            Event::Mouse(mouse)
        }
        Input::Paste(text) => Event::Paste(text.replace("\r\n", "\n").replace('\r', "\n")),
        Input::Resize(width, height) => Event::Resize { width, height },
        Input::Key(_) | Input::Mouse(_) | Input::FocusGained | Input::FocusLost => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_come_with_the_beginning_of_a_capture_that_is_begun_later() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let keeping = Keeping::of(Some(file.path().to_owned()));
        assert!(keeping.keeper().is_none());
        std::fs::write(file.path(), "{\"capture\":1,\"name\":\"n\"}\n").unwrap();
        let opened = Fed::Opened(Box::default());
        assert!(recalled(&Fed::CaughtUp, &keeping).is_none());
        let recalled = |keeping| recalled(&opened, keeping);
        assert!(matches!(recalled(&keeping), Some(Event::Recalled(_))));
        // Where nothing is drafted.
        assert!(recalled(&Keeping::default()).is_none());
    }
}
