//! What reaches the screen and what leaves it. Everything slow, everything with a clock or a file behind it, crosses
//! this border as data: that is what makes a screen a pure function of the events before it.

use super::app::hub::Listing;
use super::app::sheet::Drafts;
use super::app::sheet::drafts::News;
use super::json::Document;
use super::tally::Contents;
use crate::capture::record::{Header, Location};
use crate::capture::store::Saved;
use crate::link::registry::Entry;
use crate::tap::{Command, Health, Refused, Reply, Timestamp};
use crate::traffic::RowId;
use crate::traffic::digest::Digest;
use crate::traffic::view::Filter;
use ratatui::crossterm::event::{KeyEvent, MouseEvent};
use std::path::PathBuf;
use std::sync::Arc;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize {
        width: u16,
        height: u16,
    },
    /// What the clock says; comes before a frame that shows something that ages.
    Tick {
        now: Timestamp,
        utc_offset_seconds: i32,
    },
    Fed(Fed),
    /// The drafts that an earlier screen has kept; before anything of the capture that they could be for.
    Recalled(Box<Drafts>),
    /// How recording goes, when it has changed.
    Health(Health),
    /// The answer to [`Effect::Load`].
    Body {
        location: Location,
        body: Body,
    },
    /// The answer to [`Effect::Command`].
    Outcome {
        token: Token,
        outcome: Result<Reply, Refused>,
    },
    /// The answer to [`Effect::Scan`]: of the rows asked about, those with a matching body.
    Scanned {
        generation: u64,
        matches: Vec<RowId>,
    },
    /// The answer to [`Effect::Editor`]: the text as the editor left it.
    Edited(Result<String, String>),
    /// Something to tell the operator that no part of the screen waits for.
    Notice(Notice),
    /// The copy of a far capture that is shown lacks what comes from here on: why.
    CutOff(String),
    /// What the hub shows.
    Listed(Listing),
    /// The answer to [`Effect::Count`].
    Counted(Saved, Contents),
}

/// A piece of the capture, as the feed reads it.
#[derive(Debug)]
pub enum Fed {
    /// The capture was opened; always first.
    Opened(Box<Header>),
    Batch {
        digests: Vec<Digest>,
        /// Bytes read and bytes there are.
        progress: (u64, u64),
    },
    /// All that is there has been read; more may come.
    CaughtUp,
    /// The last batch was sent before this: nobody writes the capture any more.
    Ended {
        /// Bytes of a last line that nobody finished.
        torn: u64,
    },
    Failed {
        why: String,
        /// All before this byte has been read.
        from: Option<u64>,
    },
}

/// A message read back from the capture.
#[derive(Debug, Clone)]
pub enum Body {
    Loading,
    /// The bytes as on the wire, laid out for reading.
    Loaded(Arc<Document>),
    Failed(Arc<str>),
}

/// Which part of the screen gave a command, and which of its commands it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    pub owner: Owner,
    pub number: u64,
}

/// A part of the screen that gives commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    Inventory,
    Resources,
    Log,
    Sheet,
    Ask,
    App,
}

/// A sentence for the status bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub text: String,
    pub error: bool,
}

impl Notice {
    pub fn info(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            error: false,
        }
    }
    pub fn error(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            error: true,
        }
    }
}

/// Work for the world outside. Carried out by `ui::mod`; in tests it is compared as data.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Read a message back.
    Load(Location),
    Command {
        token: Token,
        command: Command,
    },
    /// To the terminal's clipboard, or to a file when it is too long for that.
    Copy {
        /// In words: `the answer`.
        what: &'static str,
        text: String,
    },
    /// Write what stands at these places, one a line, to a new file in the working directory.
    Save {
        stem: String,
        /// The word for one of them: `message`, `record`.
        what: &'static str,
        places: Vec<Location>,
    },
    /// Look for the filter in these rows' messages.
    Scan {
        generation: u64,
        filter: Filter,
        rows: Vec<(RowId, Vec<Location>)>,
    },
    /// Keep these for the next screen.
    Keep(Box<News>),
    /// Open this text in the operator's `$EDITOR`.
    Editor(String),
    /// List live proxies and saved captures.
    List,
    /// Count what this capture holds, if that can be had soon.
    Count(Saved),
    /// Remove a capture for good, and list again.
    Delete(Saved),
    Open(PathBuf),
    Attach(Entry),
    /// Whether the mouse is ours or the terminal's own.
    Mouse(bool),
    /// Stop the process as Ctrl-Z does, with the terminal restored.
    Suspend,
    /// Leave this screen: back to the hub if it was opened from there, else end.
    Quit,
}

/// What one part of the screen asks of the others, or of the world. [`super::app::App`] carries it out within the
/// same update.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Do(Effect),
    Say(Notice),
    /// Go to Traffic and select this row.
    Show(RowId),
    /// Open the sheet.
    Call(Call),
    /// Ask with each call of the operator's for what is logged from this level on.
    LogLevel(&'static str),
    /// Close the sheet or overlay that says so. Its draft stays.
    Close,
}

impl Step {
    pub fn copy(what: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::Do(Effect::Copy { what, text })
    }
}

/// What a sheet is opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    Tool(String),
    Resource {
        uri: String,
        template: bool,
    },
    Prompt(String),
    /// The same, with the arguments of the last time.
    Again(Box<Call>),
    /// Send a captured request again, as it was or edited first.
    Replay {
        row: RowId,
        edit: bool,
    },
    /// Answer a request that the server made of the operator.
    Answer(RowId),
}
