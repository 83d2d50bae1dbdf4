//! The model: a pure fold of captured events into sessions, exchanges, inventory and counters. No clock, no I/O.
//!
//! [`digest::digest`] turns one record into a small owned [`digest::Digest`] (the costly part; any thread may do it),
//! [`Traffic::apply`] folds it in (the cheap part). Bodies stay in the capture file; a row knows where they are.

pub mod digest;
pub mod inventory;
pub mod view;

use crate::capture::record::Location;
use crate::tap::{Party, SessionId, Timestamp};
use digest::Digest;
use inventory::Inventory;

/// A row of the traffic list: an exchange, a notification, or a line that is no message. Stable for the model's life.
pub type RowId = u32;

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// A request with all that belongs to it.
    Exchange,
    Notification,
    /// A response that answers nothing we saw.
    Orphan,
    /// Bytes where a message should be: not JSON, not JSON-RPC, malformed.
    Garbage,
    Stderr,
    /// A session opened or closed, a gap, a note of ours.
    Mark,
}

/// How an exchange stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Not an exchange.
    None,
    Pending,
    Ok,
    /// A result with `isError: true`.
    ToolError,
    /// A JSON-RPC error.
    Error,
    /// A modern result that asks for more input; the chain goes on in a later request.
    InputRequired,
    Cancelled,
    /// Answered after it was cancelled.
    Late,
    /// The session ended before an answer came.
    Lost,
}

/// Progress of an exchange as last reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    pub done: f64,
    pub total: Option<f64>,
}

/// Everything the list shows of one row; borrowed from the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<'a> {
    pub id: RowId,
    pub seq: u64,
    pub at: Timestamp,
    pub session: SessionId,
    pub from: Party,
    pub kind: RowKind,
    /// Method, or what a person would call it (`not JSON`, `stderr`, `session opened`).
    pub method: &'a str,
    /// Tool, prompt or URI; empty when there is none.
    pub name: &'a str,
    /// What a person would say of it: `a=2 b=3`, `12 tools`, an error's message.
    pub summary: &'a str,
    /// Raw id token; empty when there is none.
    pub message_id: &'a str,
    pub status: Status,
    /// From the request on the wire to its answer, in microseconds.
    pub took: Option<i64>,
    /// Bytes of the request and its answer.
    pub size: u64,
    pub progress: Option<Progress>,
    pub parent: Option<RowId>,
    /// Rows nested under this one.
    pub children: u32,
    /// The row that this one replays.
    pub replay_of: Option<RowId>,
    pub request: Location,
    pub answer: Option<Location>,
}

/// What one message has to do with a row, for the detail pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Request,
    Progress,
    Answer,
    /// A second answer to the same request.
    DuplicateAnswer,
    Cancel,
    /// A line that stands for itself.
    Line,
}

/// One captured message that belongs to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub role: Role,
    pub seq: u64,
    pub at: Timestamp,
    pub from: Party,
    pub location: Location,
}

/// A session as the Server pane shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    pub id: u32,
    pub opened_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    /// `client` or `operator`.
    pub by: String,
    pub pid: Option<u32>,
    /// Name and version from `clientInfo`.
    pub client: Option<String>,
    pub protocol_version: Option<String>,
    /// How it ended, in words.
    pub ended: Option<String>,
    pub modern: bool,
}

/// Running totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    pub messages: u64,
    pub client_messages: u64,
    pub server_messages: u64,
    pub operator_messages: u64,
    /// Protocol errors and tool errors.
    pub errors: u64,
    pub pending: u64,
    pub garbage: u64,
    pub stderr_lines: u64,
    /// Messages that were forwarded but not recorded.
    pub lost: u64,
    pub bytes: u64,
}

/// The model.
#[derive(Debug, Default)]
pub struct Traffic {
    inventory: Inventory,
    counters: Counters,
    sessions: Vec<Session>,
}

impl Traffic {
    pub fn apply(&mut self, _digest: Digest) {
        todo!()
    }
    /// Number of rows; ids are `0..len`.
    pub fn len(&self) -> u32 {
        todo!()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    pub fn row(&self, _id: RowId) -> Option<Row<'_>> {
        todo!()
    }
    /// The messages of a row, oldest first.
    pub fn parts(&self, _id: RowId) -> Vec<Part> {
        todo!()
    }
    /// The exchange that sent this request id in this session on behalf of the operator.
    pub fn operator_exchange(&self, _session: SessionId, _message_id: &str) -> Option<RowId> {
        todo!()
    }
    /// Requests of the server's in the operator's sessions that wait for the operator's answer, oldest first.
    pub fn waiting_for_operator(&self) -> Vec<RowId> {
        todo!()
    }
    /// Rows that use this tool, prompt or resource, newest first, at most `limit`.
    pub fn calls_of(&self, _method: &str, _name: &str, _limit: usize) -> Vec<RowId> {
        todo!()
    }
    /// `took` at the given percentile (0 to 100) over the answered exchanges of this method and name.
    pub fn percentile(&self, _method: &str, _name: &str, _percentile: u8) -> Option<i64> {
        todo!()
    }
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }
    /// The newest timestamp folded in.
    pub fn latest(&self) -> Timestamp {
        todo!()
    }
}
