//! The state of the screen and `update`, the only thing that changes it. Pure: no clock, no files, no terminal.
//!
//! # How a part of the screen plugs in
//! A part is a struct in `ui/app/` that implements [`Part`] and a function `render(&Part, &World, &mut Frame, Rect)` of
//! the same name in `ui/render/`. [`App`] owns the parts, gives the one with the focus its [`Input`], and carries out
//! the [`Step`]s that it returns. What parts share and only `App` changes is in [`World`].
//! A part never loads anything: [`Part::sync`] names the messages it wants to show, and finds them in
//! [`World::body`] once they are there.
//!
//! What `App` does itself stands here as far as it is about all parts; keys, paste and mouse are in `input`, what comes from
//! the capture in `reading`, the Traffic pane in `traffic`, what the hints say in `offer`, and going away in `leave`.

pub mod ask;
pub mod bodies;
pub mod choices;
pub mod detail;
mod doubt;
pub mod editor;
pub mod errand;
pub mod form;
pub mod help;
pub mod hub;
mod input;
pub mod inventory;
mod leave;
pub mod list;
pub mod log;
mod movement;
mod offer;
mod part;
pub mod prompt;
mod reading;
pub mod server;
pub mod sheet;
mod stop;
mod traffic;

use super::event::{Call, Effect, Event, Notice, Owner, Step};
use super::keymap::{Action, Context};
use super::layout::{self, Panes};
use super::theme::Theme;
use crate::tap::{Health, Timestamp};
use crate::traffic::RowId;
use ask::Ask;
use detail::Detail;
use help::Help;
use inventory::{Inventory, What};
use list::List;
use log::Log;
pub use part::{Input, Kept, Part, World};
use ratatui::layout::Rect;
pub use reading::Reading;
use server::Server;
use sheet::{Drafts, Sheet};
use std::path::PathBuf;
pub use stop::Question;

/// How long a notice stands in the place of how things are, if no key takes it away; microseconds.
const SHORT: i64 = 10_000_000;
/// The same for one of something that went wrong.
const LONG: i64 = 30_000_000;

/// The panes, in the order of their tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tab {
    #[default]
    Traffic,
    Tools,
    Resources,
    Prompts,
    Server,
    Log,
}

impl Tab {
    pub const ALL: [Self; 6] = [
        Self::Traffic,
        Self::Tools,
        Self::Resources,
        Self::Prompts,
        Self::Server,
        Self::Log,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Traffic => "Traffic",
            Self::Tools => "Tools",
            Self::Resources => "Resources",
            Self::Prompts => "Prompts",
            Self::Server => "Server",
            Self::Log => "Log",
        }
    }
}

/// What a screen is opened with.
#[derive(Debug, Clone, Default)]
pub struct Session {
    pub capture: PathBuf,
    pub kept: Kept,
    /// Where HTTP clients can join.
    pub listening: Option<String>,
    /// A proxy is there and takes commands.
    pub live: bool,
    /// Quitting ends the proxy and its server's sessions.
    pub quit_ends_session: bool,
    /// Leaving leads back to the hub.
    pub from_hub: bool,
    pub theme: Theme,
}

/// The state of one conversation's screen.
#[derive(Debug, Default)]
pub struct App {
    pub world: World,
    pub session: Session,
    pub size: Rect,
    pub tab: Tab,
    pub reading: Reading,
    /// Bytes of the capture's last line, when nobody will finish it.
    pub torn: u64,
    pub health: Health,
    pub list: List,
    pub detail: Detail,
    pub tools: Inventory,
    pub resources: Inventory,
    pub prompts: Inventory,
    pub server: Server,
    pub log: Log,
    pub sheet: Option<Sheet>,
    pub ask: Option<Ask>,
    /// Requests of the server's that were opened and left for later.
    pub aside: Vec<Ask>,
    /// Sheets that were closed while the server wants to know something, or may yet.
    pub unfinished: Vec<Sheet>,
    pub drafts: Drafts,
    /// When something was typed last that is not kept yet.
    typed: Option<Timestamp>,
    /// What is done once the operator says yes.
    pub question: Option<Question>,
    pub help: Option<Help>,
    pub notice: Option<Notice>,
    /// What the clock said first when it was there.
    noticed: Option<Timestamp>,
    pub mouse: bool,
}

impl App {
    pub fn new(session: Session) -> Self {
        Self {
            world: World {
                capture: session.capture.clone(),
                kept: session.kept.clone(),
                listening: session.listening.clone(),
                live: session.live,
                theme: session.theme,
                ..World::default()
            },
            list: if session.live {
                List::following()
            } else {
                List::default()
            },
            tools: Inventory::new(What::Tools),
            resources: Inventory::new(What::Resources),
            prompts: Inventory::new(What::Prompts),
            mouse: true,
            session,
            ..Self::default()
        }
    }

    /// Where the keys go, innermost first.
    pub fn contexts(&self) -> Vec<Context> {
        if self.question.is_some() {
            return vec![Context::Question];
        }
        if self.help.is_some() {
            return vec![Context::Help, Context::Move];
        }
        if let Some(part) = self.overlay() {
            return part.contexts();
        }
        match self.tab {
            Tab::Traffic if self.list.typing || self.detail.typing => vec![Context::Prompt],
            Tab::Traffic if self.detail.focused => {
                vec![Context::Detail, Context::Move, Context::Global]
            }
            Tab::Traffic => vec![Context::Traffic, Context::Move, Context::Global],
            Tab::Log if self.log.typing => vec![Context::Prompt],
            Tab::Log if self.log.level.choices.is_some() => {
                vec![Context::Choice, Context::Move, Context::Global]
            }
            Tab::Log => vec![Context::Log, Context::Move, Context::Global],
            Tab::Server => self.server.contexts(),
            Tab::Tools => self.tools.contexts(),
            Tab::Resources => self.resources.contexts(),
            Tab::Prompts => self.prompts.contexts(),
        }
    }

    pub fn overlay_is_open(&self) -> bool {
        self.overlay().is_some()
    }

    fn overlay(&self) -> Option<&dyn Part> {
        match (&self.ask, &self.sheet) {
            (Some(ask), _) => Some(ask),
            (None, Some(sheet)) => Some(sheet),
            (None, None) => None,
        }
    }

    pub fn panes(&self) -> Panes {
        layout::panes(self.size, self)
    }

    /// Changes the state; what must be done outside comes back.
    pub fn update(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Tick {
                now,
                utc_offset_seconds,
            } => {
                (self.world.now, self.world.utc_offset_seconds) = (now, utc_offset_seconds);
                self.outlive_notice();
                let kept = self.keeps_typed();
                if !self.is_to_repeat() && !kept {
                    return effects;
                }
            }
            Event::Resize { width, height } => self.size = Rect::new(0, 0, width, height),
            Event::Key(key) => {
                self.notice = None;
                self.key(&key, &mut effects);
                self.note_typed();
            }
            Event::Paste(text) => {
                self.paste(&text, &mut effects);
                self.note_typed();
            }
            Event::Mouse(mouse) => self.mouse(&mouse, &mut effects),
            Event::Fed(fed) => self.feed(fed),
            Event::Recalled(drafts) => self.drafts = *drafts,
            Event::Health(health) => self.feel(health),
            Event::Body { location, body } => self.world.bodies.arrived(location, body),
            Event::Outcome { token, outcome } => {
                self.tell(
                    token.owner,
                    Input::Outcome {
                        token,
                        outcome: &outcome,
                    },
                    &mut effects,
                );
            }
            Event::Edited(text) => {
                let owner = if self.ask.is_some() {
                    Owner::Ask
                } else {
                    Owner::Sheet
                };
                self.tell(owner, Input::Edited(&text), &mut effects);
                self.note_typed();
            }
            Event::Scanned {
                generation,
                matches,
            } => self.list.scanned(&self.world.traffic, generation, &matches),
            Event::Notice(notice) => self.say(notice),
            Event::CutOff(why) => {
                self.world.cut_off = true;
                self.say(Notice::error(why));
            }
            Event::Listed(_) | Event::Counted(..) => {}
        }
        self.settle(&mut effects);
        effects
    }

    /// Shows a sentence, and keeps it in the log when it is about something that went wrong.
    fn say(&mut self, notice: Notice) {
        if notice.error {
            self.log.note(&self.world, notice.clone());
        }
        self.notice = Some(notice);
        self.noticed = None;
    }

    /// Whoever only watches wants to see how things stand. What went wrong stays in the log.
    fn outlive_notice(&mut self) {
        let Some(notice) = &self.notice else { return };
        let patience = if notice.error { LONG } else { SHORT };
        let now = self.world.now.0;
        let since = self.noticed.get_or_insert(self.world.now).0;
        if !(since..since.saturating_add(patience)).contains(&now) {
            self.notice = None;
        }
    }

    fn act(&mut self, action: Action, effects: &mut Vec<Effect>) {
        if let Some(question) = self.question.take() {
            match question {
                _ if action != Action::Yes => {}
                Question::Quit => effects.push(Effect::Quit),
                Question::Renew => self.renew(effects),
            }
            return;
        }
        let body = self.panes().body;
        let height = usize::from(body.height) * Help::columns(body.width);
        if let Some(help) = &mut self.help {
            if !help.update(action, height) {
                self.help = None;
            }
            return;
        }
        match action {
            Action::Quit if self.quitting_ends().is_some() => {
                self.question = Some(Question::Quit);
            }
            Action::Quit => effects.push(Effect::Quit),
            // The proxy in this process would stand still, and its clients with it.
            Action::Suspend if self.clients_here().next().is_some() => self.say(Notice::error(
                "a client is connected, and stopping would stop it too; `mcp-sentinel attach` in another terminal can be stopped",
            )),
            Action::Suspend => effects.push(Effect::Suspend),
            Action::Help => self.help = Some(Help::new(&self.contexts())),
            Action::MouseToggle => {
                self.mouse = !self.mouse;
                effects.push(Effect::Mouse(self.mouse));
                self.say(Notice::info(if self.mouse {
                    "mouse on"
                } else {
                    "mouse off: the terminal selects text"
                }));
            }
            Action::Answer => self.answer(),
            Action::Stop => self.stop(effects),
            Action::Restart => self.restart(effects),
            Action::Pane(tab) => self.turn_to(tab),
            Action::NextPane => self.turn(1),
            Action::PreviousPane => self.turn(Tab::ALL.len() - 1),
            _ if self.overlay().is_some() => self.give(Input::Action(action), effects),
            _ => match self.tab {
                Tab::Traffic => self.act_on_traffic(action, effects),
                Tab::Log => {
                    let steps = self.log.update(&self.world, self.panes().body, action);
                    self.carry_out(steps, effects);
                }
                _ => self.give(Input::Action(action), effects),
            },
        }
    }

    fn turn(&mut self, by: usize) {
        let at = Tab::ALL
            .iter()
            .position(|tab| *tab == self.tab)
            .unwrap_or(0);
        self.turn_to(Tab::ALL[(at + by) % Tab::ALL.len()]);
    }

    /// A sheet stays where the pane can be seen beside it.
    fn turn_to(&mut self, tab: Tab) {
        self.tab = tab;
        let panes = self.panes();
        if panes.sheet == panes.body {
            self.close_sheet();
        }
    }

    /// Brings up what the server waits for, as far as it was answered before it was put aside: what the call on the sheet
    /// waits for before other things, and what was not seen before what was.
    fn answer(&mut self) {
        if !self.world.live {
            return self.say_over("nothing can be answered");
        }
        let waiting = self.world.traffic.waiting_for_operator();
        self.aside.retain(|ask| waiting.contains(&ask.row));
        let call = self
            .sheet
            .as_ref()
            .and_then(|sheet| sheet.sent.as_ref()?.row);
        let asks_for_call = |row: &RowId| {
            let row = self.world.traffic.row(*row);
            call.is_some() && row.is_some_and(|row| row.parent == call)
        };
        let is_aside = |row: &RowId| self.aside.iter().any(|ask| ask.row == *row);
        let mut unseen: Vec<RowId> = waiting.into_iter().filter(|row| !is_aside(row)).collect();
        unseen.sort_by_key(|row| !asks_for_call(row));
        self.ask = match unseen.first() {
            Some(row) => Some(Ask::open(&self.world, *row)),
            None if self.aside.is_empty() => return self.answer_round(),
            None => Some(self.aside.remove(0)),
        };
    }

    /// Brings up what the server wants to know before a call goes on, here or on a sheet that was closed.
    fn answer_round(&mut self) {
        if self.sheet.as_mut().is_some_and(Sheet::open_round) {
            return;
        }
        let Some(at) = self.unfinished.iter_mut().rposition(Sheet::open_round) else {
            return self.say(Notice::info("the server asks nothing of you now"));
        };
        let sheet = self.unfinished.remove(at);
        self.close_sheet();
        self.sheet = Some(sheet);
    }

    /// Whether the server wants to know something before a call goes on that was put aside.
    pub fn has_unfinished(&self) -> bool {
        self.world.live && self.unfinished.iter().any(Sheet::has_round)
    }

    fn is_to_repeat(&self) -> bool {
        let sheets = self.sheet.iter().chain(&self.unfinished);
        self.world.live && sheets.into_iter().any(Sheet::is_to_repeat)
    }

    /// Whether something on the screen changes with time alone.
    pub fn ages(&self) -> bool {
        let waits = self.world.live && self.world.traffic.counters().pending > 0;
        waits || self.is_to_repeat() || self.notice.is_some() || self.typed.is_some()
    }

    /// Gives input to the part that has the focus.
    fn give(&mut self, input: Input<'_>, effects: &mut Vec<Effect>) {
        let panes = self.panes();
        let world = &self.world;
        let steps = if let Some(ask) = &mut self.ask {
            ask.update(world, panes.sheet, input)
        } else if let Some(sheet) = &mut self.sheet {
            sheet.update(world, panes.sheet, input)
        } else {
            match self.tab {
                Tab::Tools => self.tools.update(world, panes.body, input),
                Tab::Resources => self.resources.update(world, panes.body, input),
                Tab::Prompts => self.prompts.update(world, panes.body, input),
                Tab::Server => self.server.update(world, panes.body, input),
                Tab::Traffic | Tab::Log => Vec::new(),
            }
        };
        self.carry_out(steps, effects);
    }

    /// Gives input to a part wherever the focus is.
    fn tell(&mut self, owner: Owner, input: Input<'_>, effects: &mut Vec<Effect>) {
        let panes = self.panes();
        let world = &self.world;
        if let Input::Outcome { token, outcome } = &input {
            for sheet in &mut self.unfinished {
                sheet.settle(*token, outcome);
            }
        }
        let steps = match (owner, &mut self.sheet, &mut self.ask) {
            (Owner::Sheet, Some(sheet), _) => sheet.update(world, panes.sheet, input),
            (Owner::Ask, _, Some(ask)) => ask.update(world, panes.sheet, input),
            (Owner::Inventory, ..) => self.tools.update(world, panes.body, input),
            (Owner::Resources, ..) => self.resources.update(world, panes.body, input),
            (Owner::Log, ..) => {
                if let Input::Outcome { token, outcome } = input {
                    self.log.level.settle(token, outcome);
                }
                Vec::new()
            }
            // Whoever asked is closed; a refusal is still worth knowing.
            _ => match input {
                Input::Outcome {
                    outcome: Err(refused),
                    ..
                } => vec![Step::Say(Notice::error(refused.to_string()))],
                _ => Vec::new(),
            },
        };
        self.carry_out(steps, effects);
    }

    fn carry_out(&mut self, steps: Vec<Step>, effects: &mut Vec<Effect>) {
        for step in steps {
            match step {
                Step::Do(effect) => effects.push(effect),
                Step::Say(notice) => self.say(notice),
                Step::Show(row) => self.show(row),
                Step::Call(call) => self.call(call),
                Step::LogLevel(level) => self.world.log_level = Some(level),
                Step::Close if self.ask.is_some() => {
                    self.aside.extend(self.ask.take().filter(|ask| !ask.over));
                }
                Step::Close => self.close_sheet(),
            }
        }
    }

    fn call(&mut self, call: Call) {
        if !self.world.live {
            return self.say(Notice::error(format!(
                "there is no server to send to: {}",
                self.world.why_read_only()
            )));
        }
        self.close_sheet();
        match Sheet::open(&self.world, &mut self.drafts, call) {
            Ok(sheet) => self.sheet = Some(sheet),
            Err(reason) => self.say(Notice::error(reason)),
        }
    }

    /// Lets every part take in what changed, and asks for the messages that they want to show.
    fn settle(&mut self, effects: &mut Vec<Effect>) {
        effects.extend(self.list.sync(&self.world));
        let panes = self.panes();
        let world = &self.world;
        let mut steps = Vec::new();
        let log = (self.tab == Tab::Log).then_some(panes.left);
        let mut wanted = self.log.sync(world, log, &mut steps);
        let selected = self.list.selected(&world.traffic).map(|(row, _)| row);
        wanted.extend(self.detail.sync(world, selected, panes.detail));
        for pane in [&mut self.tools, &mut self.resources, &mut self.prompts] {
            wanted.extend(pane.sync(world, panes.body, &mut steps));
        }
        match self.tab {
            Tab::Tools => self.tools.look(world, &self.drafts),
            Tab::Resources => self.resources.look(world, &self.drafts),
            Tab::Prompts => self.prompts.look(world, &self.drafts),
            Tab::Traffic | Tab::Server | Tab::Log => {}
        }
        wanted.extend(self.server.sync(world, panes.body, &mut steps));
        if let Some(sheet) = &mut self.sheet {
            wanted.extend(sheet.sync(world, panes.sheet, &mut steps));
        }
        self.unfinished.retain(|sheet| sheet.may_ask(world));
        for sheet in &mut self.unfinished {
            wanted.extend(sheet.sync(world, panes.sheet, &mut steps));
        }
        if let Some(ask) = &mut self.ask {
            wanted.extend(ask.sync(world, panes.sheet, &mut steps));
        }
        effects.extend(
            self.world
                .bodies
                .want(&wanted)
                .into_iter()
                .map(Effect::Load),
        );
        self.carry_out(steps, effects);
        let news = self.drafts.take_news();
        effects.extend(news.map(|news| Effect::Keep(Box::new(news))));
    }
}
