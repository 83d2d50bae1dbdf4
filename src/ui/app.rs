//! The state of the screen and `update`, the only thing that changes it. Pure: no clock, no files, no terminal.
//!
//! # How a part of the screen plugs in
//! A part is a struct in `ui/app/` that implements [`Part`] and a function `render(&Part, &World, &mut Frame, Rect)` of
//! the same name in `ui/render/`. [`App`] owns the parts, gives the one with the focus its [`Input`], and carries out
//! the [`Step`]s that it returns. What parts share and only `App` changes is in [`World`].
//! A part never loads anything: [`Part::sync`] names the messages it wants to show, and finds them in
//! [`World::body`] once they are there.

pub mod ask;
pub mod bodies;
pub mod hub;
pub mod inventory;
pub mod server;
pub mod sheet;

use super::event::{Body, Effect, Event, Notice, Step, Token};
use super::keymap::{Action, Context};
use super::theme::Theme;
use crate::capture::record::{Header, Location};
use crate::tap::{Refused, Reply, Timestamp};
use crate::traffic::Traffic;
use bodies::Bodies;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use std::path::PathBuf;

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

/// What every part of the screen may look at.
#[derive(Debug, Default)]
pub struct World {
    pub traffic: Traffic,
    pub header: Option<Header>,
    pub capture: PathBuf,
    pub now: Timestamp,
    pub utc_offset_seconds: i32,
    /// A proxy is there and takes commands; `false` for a saved capture and after the end.
    pub live: bool,
    pub theme: Theme,
    pub bodies: Bodies,
}

impl World {
    /// A message that [`Part::sync`] asked for.
    pub fn body(&self, location: Location) -> &Body {
        self.bodies.get(location)
    }
}

/// What a part of the screen is given to react to.
#[derive(Debug)]
pub enum Input<'a> {
    Action(Action),
    /// A key that is text, in a context where one types.
    Key(KeyEvent),
    Paste(&'a str),
    /// The left button went down here, in screen coordinates.
    Click {
        x: u16,
        y: u16,
    },
    /// The wheel moved over this place; positive is down.
    Scroll {
        x: u16,
        y: u16,
        lines: i16,
    },
    Outcome {
        token: Token,
        outcome: &'a Result<Reply, Refused>,
    },
    /// The text came back from `$EDITOR`.
    Edited(&'a Result<String, String>),
}

/// A part of the screen with a state of its own.
pub trait Part {
    /// Where the part is now, innermost first; decides which keys mean what. A context that [`Context::is_text`] is
    /// the only one: everything not bound there comes as [`Input::Key`].
    fn contexts(&self) -> Vec<Context>;

    /// Reacts. `area` is what [`super::layout`] gives the part: the same that its `render` gets.
    fn update(&mut self, world: &World, area: Rect, input: Input<'_>) -> Vec<Step>;

    /// Takes in what changed in the world, after every update; returns the messages that it wants to show.
    fn sync(&mut self, _world: &World) -> Vec<Location> {
        Vec::new()
    }
}

/// The state of one conversation's screen.
#[derive(Debug, Default)]
pub struct App {
    pub world: World,
    pub tab: Tab,
    pub tools: inventory::Inventory,
    pub resources: inventory::Inventory,
    pub prompts: inventory::Inventory,
    pub server: server::Server,
    pub sheet: Option<sheet::Sheet>,
    pub ask: Option<ask::Ask>,
    pub notice: Option<Notice>,
}

/// Changes the state; what must be done outside comes back.
pub fn update(_app: &mut App, _event: Event) -> Vec<Effect> {
    Vec::new()
}
