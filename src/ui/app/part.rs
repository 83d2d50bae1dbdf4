//! What the parts of the screen share: what they may look at, what they are given, and what they must be able to do.

use super::bodies::Bodies;
use crate::capture::record::{Header, Location};
use crate::mcp::methods;
use crate::tap::{Refused, Reply, Route, Timestamp};
use crate::traffic::{Session, Traffic};
use crate::ui::event::{Body, Step, Token};
use crate::ui::keymap::{Action, Binding, Context};
use crate::ui::theme::Theme;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use std::path::{Path, PathBuf};

/// Where the conversation can be read when this screen is gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Kept {
    /// In the capture that is read.
    #[default]
    Here,
    /// In this file, where the proxy runs: the capture that is read is a copy, and goes with the screen.
    There(PathBuf),
    /// Nowhere: the capture has no name and goes with the proxy.
    Nowhere,
    /// Nowhere either, but not because somebody wished it: this is why.
    Failed(String),
}

/// Seconds after which no answer to a greeting is worth a word.
const SILENCE: i64 = 3;

/// What every part of the screen may look at.
#[derive(Debug, Default)]
pub struct World {
    pub traffic: Traffic,
    pub header: Option<Header>,
    pub capture: PathBuf,
    pub kept: Kept,
    /// Where HTTP clients can join, while the proxy lives.
    pub listening: Option<String>,
    pub now: Timestamp,
    pub utc_offset_seconds: i32,
    /// A proxy is there and takes commands; `false` for a saved capture and after the end.
    pub live: bool,
    /// The capture grows, but nobody told us of the proxy that writes it.
    pub growing: bool,
    /// Nothing more comes from a proxy on another machine, which may be at work all the same.
    pub cut_off: bool,
    /// What the operator's calls ask a server of the modern era to log.
    pub log_level: Option<&'static str>,
    pub theme: Theme,
    pub bodies: Bodies,
}

impl World {
    /// The file that has the conversation for good.
    pub fn file(&self) -> Option<&Path> {
        match &self.kept {
            Kept::Here => Some(&self.capture),
            Kept::There(path) => Some(path),
            Kept::Nowhere | Kept::Failed(_) => None,
        }
    }

    /// Whether the server is reached over HTTP: nobody here starts it, or sees its stderr.
    pub fn is_http(&self) -> bool {
        let header = self.header.as_ref();
        header.is_some_and(|header| header.transport == "http")
    }

    /// How the server went, when the newest session fell to it and no other is left: nobody can be served. One that is
    /// reached over HTTP goes on without any session.
    pub fn server_gone(&self) -> Option<&str> {
        if self.is_http() {
            return None;
        }
        let sessions = self.traffic.sessions();
        let newest = sessions.last().filter(|newest| newest.failed)?;
        let over = self.live && sessions.iter().all(|session| session.closed_at.is_some());
        newest.ended.as_deref().filter(|_| over)
    }

    /// The operator's own session over HTTP, when it is over and no other was begun: clients are served all the same.
    pub fn own_gone(&self) -> Option<&Session> {
        let mut sessions = self.traffic.sessions().iter().rev();
        let own = sessions.find(|session| session.by == "operator")?;
        let is_over = self.live && self.is_http() && own.closed_at.is_some();
        Some(own).filter(|own| is_over && own.ended.is_some())
    }

    /// Why the server at the address cannot be reached.
    pub fn unreachable(&self) -> Option<&str> {
        self.traffic.unreachable().filter(|_| self.live)
    }

    /// Whether the newest session is the operator's, and server and operator have not agreed on a version yet.
    pub fn is_greeting(&self) -> bool {
        let newest = self.traffic.sessions().last().filter(|_| self.live);
        newest.is_some_and(|it| {
            it.by == "operator" && it.closed_at.is_none() && it.protocol_version.is_none()
        })
    }

    /// What to think of a server that has been greeted for a while and says nothing at all.
    pub fn silence(&self) -> Option<String> {
        let greeting = self.traffic.unanswered_greeting().filter(|_| self.live)?;
        let waited = self.now.0.saturating_sub(greeting.at.0);
        let seconds = waited / 1_000_000;
        if seconds < SILENCE {
            return None;
        }
        let local = greeting.http_status.is_none() && self.traffic.http(greeting.id).is_none();
        Some(match (local, greeting.method) {
            (true, methods::DISCOVER) => format!(
                "no answer for {seconds} s: is it an MCP server on stdio? (--era legacy skips the probe)"
            ),
            (true, _) => format!("no answer for {seconds} s: is it an MCP server on stdio?"),
            (false, _) => format!("no answer for {seconds} s"),
        })
    }

    /// Whether what the operator asks for goes to a server of the modern era, as far as is known: where no session is
    /// open, the last one says it that agreed on a version.
    pub fn is_modern(&self) -> bool {
        let sessions = self.traffic.sessions().iter();
        let open = sessions
            .clone()
            .filter(|session| session.closed_at.is_none());
        let own = open.max_by_key(|session| session.by == "operator");
        let last = || {
            sessions
                .rev()
                .find(|session| session.protocol_version.is_some())
        };
        own.or_else(last).is_some_and(|session| session.modern)
    }

    /// The version of the protocol that is spoken where this goes to, as far as is known.
    pub fn protocol_version(&self, route: Route) -> Option<&str> {
        let mut sessions = self.traffic.sessions().iter().rev();
        let its = sessions.find(|session| match route {
            Route::Session(id) => session.id == id.0,
            Route::Operator => session.by == "operator" && session.closed_at.is_none(),
        });
        let server = self.traffic.inventory().server.as_ref();
        its.and_then(|session| session.protocol_version.as_deref())
            .or(server.map(|server| &*server.protocol_version))
    }

    /// Why nothing can be sent where no proxy takes commands.
    pub fn why_read_only(&self) -> &'static str {
        match (self.growing, self.cut_off) {
            (true, _) => {
                "this capture is shown read-only; mcp-sentinel attach talks to the live proxy"
            }
            (false, true) => {
                "nothing connects this screen to the proxy any more (mcp-sentinel attach does once more)"
            }
            (false, false) => "this conversation is over (mcp-sentinel -- COMMAND starts another)",
        }
    }

    /// A message that [`Part::sync`] asked for.
    pub fn body(&self, location: Location) -> &Body {
        self.bodies.get(location)
    }
}

/// What a part of the screen is given to react to.
#[derive(Debug, Clone, Copy)]
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
    /// Where the part is now, innermost first; decides which keys mean what. Among them a
    /// context that [`Context::is_text`]: everything not bound there comes as [`Input::Key`].
    fn contexts(&self) -> Vec<Context>;

    /// The word for a key in the hints; empty where it is not worth pressing.
    fn offers(&self, _world: &World, binding: &Binding) -> &'static str {
        binding.hint
    }

    /// Reacts. `area` is what [`super::layout`] gives the part: the same that its `render` gets.
    fn update(&mut self, world: &World, area: Rect, input: Input<'_>) -> Vec<Step>;

    /// Takes in what changed in the world, after every update; returns the messages that it wants to show. What became
    /// due without a key goes to `steps`.
    fn sync(&mut self, _world: &World, _area: Rect, _steps: &mut Vec<Step>) -> Vec<Location> {
        Vec::new()
    }
}
