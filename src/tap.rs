//! The contract between the data path and its observers: [`Event`]s out, [`Command`]s in.
//!
//! The data path pushes events on a queue with a byte budget and never parses for an observer. Observers never hold
//! a reference into the data path: they send commands and read the capture. The queue itself is in [`queue()`]'s file.

mod counts;
mod health;
mod http;
mod priority;
mod queue;

pub use counts::Counts;
pub use health::{Health, Pulse};
pub use http::{
    ASKED_AGAIN, CLIENT_GONE, ExchangeId, Half, Header, Headers, Http, LITTLE, Request, Response,
    ServerSent, Via,
};
pub use priority::give_way;
pub use queue::{Drain, Tap, queue};
pub(crate) use queue::{Lost, Queued, Source};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// One client-to-server conversation: a child process on stdio; over HTTP what a session id, an old event stream, or a
/// client without either makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u32);

impl SessionId {
    /// What belongs to no session: requests that were refused at the door, and what is said of them.
    pub const NONE: Self = Self(0);
}

/// Microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Nobody noted when it was.
    pub const UNKNOWN: Self = Self(0);

    pub fn is_known(self) -> bool {
        self != Self::UNKNOWN
    }

    /// The wall clock, which may be set back while we run.
    pub fn now() -> Self {
        SystemTime::now().into()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        Self(since.map_or(0, |it| i64::try_from(it.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// Who wrote a message. `Sentinel` marks anything we made up; it is never taken for a peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    Client,
    Server,
    Operator,
    Sentinel,
}

/// Something that happened on the data path.
#[derive(Debug, Clone)]
pub struct Event {
    pub at: Timestamp,
    pub session: SessionId,
    pub body: Body,
}

#[derive(Debug, Clone)]
pub enum Body {
    /// Bytes of a peer's stream, cut anywhere; the recorder puts the lines together again, per session and sender.
    Stream {
        from: Party,
        bytes: Bytes,
    },
    /// The sender's stream ended; a last line without a line end is complete now.
    End {
        from: Party,
    },
    /// One whole message that is not part of a byte stream which both peers see: sent by the operator, an answer to the
    /// operator that the client never gets, or one that a bridge carries from one transport to the other.
    Line {
        from: Party,
        to: Party,
        bytes: Bytes,
        replay_of: Option<u64>,
        /// The HTTP exchange that it came with, or went out with when it came on stdio.
        via: Option<Box<Via>>,
    },
    /// Part of an HTTP exchange.
    Http {
        exchange: ExchangeId,
        what: Http,
    },
    /// Bytes of the server's standard error, cut anywhere.
    Stderr {
        bytes: Bytes,
    },
    Opened(Opened),
    Closed(Closed),
    /// Something the operator should know, in words; recorded as from `sentinel`.
    Note {
        text: String,
    },
}

/// A session began.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Opened {
    /// `client` for the peer on our stdin, `operator` for the operator's own session.
    pub by: String,
    /// `stdio` or `http`.
    pub transport: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pid: Option<u32>,
}

/// What [`Closed::reason`] says when it was the client that ended the session.
pub const CLIENT_LEFT: &str = "the client has closed its side of the session";

/// What a note begins with that tells the operator that a server at an address cannot be reached any more, and what the
/// note says when it can again.
pub const NO_ANSWER: &str = "the server does not answer";
pub const ANSWERS_AGAIN: &str = "the server answers again";

/// A session ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Closed {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exit: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signal: Option<i32>,
    /// In words: what ended it.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub reason: String,
}

/// Messages that were forwarded but could not be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Gap {
    pub messages: u64,
    pub bytes: u64,
    /// In words: `disk slow`, `no space left on device`.
    pub reason: String,
}

/// What the operator asks of a live proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Sends one JSON-RPC request or notification as the operator. The proxy gives a request a fresh id and progress
    /// token, spliced into the bytes; its answer reaches the capture and never the client.
    Send {
        route: Route,
        message: String,
        replay_of: Option<u64>,
    },
    /// Answers a request that the server made in a session of the operator's.
    Answer { session: SessionId, message: String },
    /// Opens the operator's own session if it is not open, and lists what the server offers.
    Refresh,
    /// Ends the operator's own session.
    CloseOperator,
    /// Begins another session of the operator's own in place of the one that is open, if one is.
    Renew,
}

/// Where an operator's message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// Into a live session, beside its client.
    Session(SessionId),
    /// Into the operator's own session, which is opened when needed.
    Operator,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Written to the server, in this session, under this raw id token (`None` for a notification).
    Sent {
        session: SessionId,
        id: Option<String>,
    },
    Done,
}

/// A command that was not carried out: the reason, in a sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{0}")]
pub struct Refused(pub String);

impl Refused {
    /// With the end of its session, where that says more than the reason itself, and than that who asked has left.
    pub fn explained(self, end: &str) -> Self {
        match end == CLIENT_LEFT || self.0.contains(end) {
            true => self,
            false => Self(format!("{self} ({end})")),
        }
    }
}

/// A command and where its outcome goes.
#[derive(Debug)]
pub struct Order {
    pub command: Command,
    pub outcome: tokio::sync::oneshot::Sender<Result<Reply, Refused>>,
}

/// The sending end that the TUI and the link hold.
pub type Orders = tokio::sync::mpsc::Sender<Order>;

/// What a push does when the queue's byte budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The data path waits for the disk: lossless.
    Wait,
    /// The event is dropped and counted.
    Drop,
}
