//! The model: a pure fold of captured events into sessions, exchanges, inventory and counters. No clock, no I/O.
//!
//! [`digest::digest`] turns one record into a small owned [`digest::Digest`] (the costly part; any thread may do it),
//! [`Traffic::apply`] folds it in (the cheap part). Bodies stay in the capture file; a row knows where they are.
//!
//! | file | what it is for |
//! |---|---|
//! | `digest`, `summary`, `gist`, `number` | one record: what matters of it, in a few words, made harmless |
//! | `fold`, `links` | which messages belong together |
//! | `store`, `storage` | the rows, and how a million of them fit |
//! | `http` | the HTTP exchanges that carried the messages |
//! | `catalogue`, `inventory` | what the server offers |
//! | `subscriptions` | who is told of which changes, and what has changed |
//! | `sessions`, `stats` | who spoke; how often and how fast |
//! | `view`, `filter`, `lines` | the list as shown |

mod catalogue;
pub mod digest;
pub mod filter;
mod fold;
pub mod gist;
pub mod http;
pub mod inventory;
mod lines;
mod links;
pub mod number;
mod sessions;
mod stats;
mod storage;
mod store;
mod subscriptions;
mod summary;
#[cfg(test)]
mod tests;
pub mod view;

use crate::capture::again::Again;
use crate::capture::record::Location;
use crate::mcp::methods;
use crate::tap::{Party, SessionId, Timestamp};
use catalogue::Catalogue;
use fold::Challenges;
pub use fold::missing;
use inventory::Inventory;
pub use links::Side;
use links::{Links, Scope};
use sessions::Sessions;
use stats::AllStats;
pub use stats::Stats;
use std::collections::{BTreeSet, HashMap, VecDeque};
use storage::{NONE, RowData, Symbol};
use store::Store;
use subscriptions::Updates;
pub use summary::of_question;

/// A row of the traffic list: an exchange, a notification, HTTP without a message, or a line that is no message. Stable for the model's life.
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
    /// An HTTP exchange that carried no message of the asking side's: a stream, a preflight, a refusal, authorization.
    Http,
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
    /// The session, or the stream that should have brought it, ended before an answer came.
    Lost,
    /// A stream of events that is open, or a subscription that the server has taken on.
    Streaming,
}

/// Progress of an exchange as last reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    pub done: f64,
    pub total: Option<f64>,
}

/// Everything the list shows of one row; borrowed from the model. Its texts are safe to show: short, one line, no
/// control characters. What a peer wrote exactly is in the capture.
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
    /// What a person would say of it: `a=2 b=3`, `12 tools`, `a=2 → Unknown tool` when it failed.
    pub summary: &'a str,
    /// What a person would say of its answer alone: `5`, `12 tools`, an error's code and message.
    pub outcome: &'a str,
    /// Raw id token; empty when there is none.
    pub message_id: &'a str,
    pub status: Status,
    /// The word for that on the screen, which the filter finds.
    pub status_word: &'static str,
    /// Of the HTTP exchange that carried it; `None` before its response, and without one.
    pub http_status: Option<u16>,
    /// From the request on the wire to its answer, in microseconds; of a call that was asked for input, to the answer of
    /// its newest round.
    pub took: Option<i64>,
    /// Bytes of the request and its answer.
    pub size: u64,
    pub progress: Option<Progress>,
    pub parent: Option<RowId>,
    /// Rows nested under this one.
    pub children: u32,
    /// Of these, the ones that wait for their answers, or that something waits under.
    pub waiting: u32,
    /// Rounds of a call that was asked for input and went on; 0 of any other. It stands as the newest of them does.
    pub rounds: u32,
    /// The row that this one replays.
    pub replay_of: Option<RowId>,
    pub request: Location,
    pub answer: Option<Location>,
    /// The request was answered more than once.
    pub answered_again: bool,
}

/// What the server wrote to its standard output, and is no message.
const ON_STDOUT: &str = "on stdout!";
/// What is no message, and came over HTTP.
const NO_MESSAGE: &str = "no message";
/// An answer to nothing that was asked.
const UNASKED: &str = "unasked";
/// How a server of the older era answers the newer one's greeting.
const REFUSED: &str = "refused";

/// Of the words that say how a row stands, those that a filter takes for that alone. Others are words of names and texts
/// as well.
const STATUS_WORDS: [&str; 11] = [
    "ok",
    "error",
    "pending",
    "lost",
    "late",
    "cancelled",
    "accepted",
    "declined",
    "streaming",
    UNASKED,
    REFUSED,
];

/// The words for a request that was answered more than once, which the filter finds too.
pub const ANSWERED_AGAIN: &str = "answered again";

/// The word for messages that were not captured, or are no longer in the capture.
pub const GAP: &str = "gap";
const SESSION_CLOSED: &str = "session closed";
const DAMAGED_LINE: &str = "damaged line";

/// What one message has to do with a row, for the detail pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Request,
    Progress,
    Answer,
    /// A second answer to the same request.
    DuplicateAnswer,
    /// An answer that went no further than the proxy, which found another.
    WithheldAnswer,
    Cancel,
    /// A line that stands for itself.
    Line,
}

impl Role {
    /// The word on the screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Progress => "progress",
            Self::Answer => "answer",
            Self::DuplicateAnswer => "again!",
            Self::WithheldAnswer => "withheld",
            Self::Cancel => "cancel",
            Self::Line => "message",
        }
    }
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
    /// `stdio` or `http`.
    pub transport: String,
    /// Over HTTP: the session id that client and server use.
    pub key: Option<String>,
    /// Over HTTP: what the client calls itself in its headers.
    pub agent: Option<String>,
    pub pid: Option<u32>,
    /// Name and version from `clientInfo`.
    pub client: Option<String>,
    pub protocol_version: Option<String>,
    /// How it ended, in words.
    pub ended: Option<String>,
    /// It did not end because somebody wanted it to.
    pub failed: bool,
    /// Nobody closed it: the capture ends before it does.
    pub cut_off: bool,
    pub modern: bool,
}

/// Running totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// All but ours.
    pub messages: u64,
    pub client_messages: u64,
    pub server_messages: u64,
    pub operator_messages: u64,
    /// Ours, in the place of a server or a client.
    pub sentinel_messages: u64,
    /// Protocol errors and tool errors.
    pub errors: u64,
    pub pending: u64,
    /// Requests whose answers will not come: what should have brought them ended first.
    pub unanswered: u64,
    /// Streams of events that are open and carry no call, and subscriptions.
    pub streams: u64,
    pub garbage: u64,
    /// Of these, what the server wrote to its standard output.
    pub on_stdout: u64,
    pub stderr_lines: u64,
    /// Messages that were forwarded but not recorded.
    pub lost: u64,
    /// Lines of the capture that cannot be read.
    pub damaged: u64,
    /// Records that are no longer in the capture, as the numbers of the others show.
    pub missing: u64,
    pub bytes: u64,
}

impl Status {
    /// The word on the screen, which the filter finds too.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Pending => "pending",
            Self::Ok => "ok",
            Self::ToolError => "tool error",
            Self::Error => "error",
            Self::InputRequired => "input required",
            Self::Cancelled => "cancelled",
            Self::Late => "late",
            Self::Lost => "lost",
            Self::Streaming => "streaming",
        }
    }
}

/// The word for what the user did about an elicitation, on the screen in the place of `ok`; the filter finds it too.
pub fn elicited(method: &str, status: Status, outcome: &str) -> Option<&'static str> {
    // What was filled in stands after the word.
    let action = outcome.split(' ').next().unwrap_or_default();
    match (method, status, action) {
        (methods::ELICITATION, Status::Ok, "accept") => Some("accepted"),
        (methods::ELICITATION, Status::Ok, "decline") => Some("declined"),
        (methods::ELICITATION, Status::Ok, "cancel") => Some("cancelled"),
        _ => None,
    }
}

/// The word for a party.
pub fn party_word(party: Party) -> &'static str {
    match party {
        Party::Client => "client",
        Party::Server => "server",
        Party::Operator => "operator",
        Party::Sentinel => "sentinel",
    }
}

/// Which rows changed after they were added, for views to catch up with.
#[derive(Debug, Default)]
struct Changes {
    /// Changes ever noted.
    total: u64,
    /// The last of them; a view that is further behind looks at every row.
    recent: VecDeque<RowId>,
}

const MOST_CHANGES: usize = 1 << 16;

impl Changes {
    fn note(&mut self, row: RowId) {
        if self.recent.len() == MOST_CHANGES {
            self.recent.pop_front();
        }
        self.recent.push_back(row);
        self.total += 1;
    }
    /// The rows noted after the first `seen` changes; `None` when they are no longer all known.
    fn since(&self, seen: u64) -> Option<impl Iterator<Item = RowId>> {
        let missed = usize::try_from(self.total.checked_sub(seen)?).ok()?;
        let skip = self.recent.len().checked_sub(missed)?;
        Some(self.recent.iter().skip(skip).copied())
    }
}

/// The model.
#[derive(Debug, Default)]
pub struct Traffic {
    store: Store,
    links: Links,
    /// The exchanges that may yet be answered.
    open: BTreeSet<(Scope, RowId)>,
    /// The first greetings of a server that has said nothing so far.
    greetings: Vec<RowId>,
    stats: AllStats,
    catalogue: Catalogue,
    updates: Updates,
    counters: Counters,
    sessions: Sessions,
    changes: Changes,
    challenges: Challenges,
    again: Again,
    latest: Timestamp,
    longest_id: usize,
    /// Lines that are no message and seem to be or to hold the answer to a request, and such requests: each by the other.
    glued: HashMap<RowId, RowId>,
    /// Why the server at the address cannot be reached, in a sentence.
    unreachable: Option<Box<str>>,
}

impl Traffic {
    /// Number of rows; ids are `0..len`.
    pub fn len(&self) -> u32 {
        self.store.len()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    pub fn row(&self, id: RowId) -> Option<Row<'_>> {
        self.store.view(id)
    }
    /// Why the server at the address cannot be reached, in a sentence, if it cannot.
    pub fn unreachable(&self) -> Option<&str> {
        self.unreachable.as_deref()
    }
    /// The messages of a row, oldest first.
    pub fn parts(&self, id: RowId) -> Vec<Part> {
        self.store.parts_of(id)
    }
    /// The request whose answer seems to stand in this row, which is no message; or the other way round.
    pub fn glued(&self, id: RowId) -> Option<Row<'_>> {
        self.row(*self.glued.get(&id)?)
    }
    /// Where the newest progress of a row lies.
    pub fn newest_progress(&self, id: RowId) -> Option<Location> {
        self.store.newest_progress(id)
    }
    /// Where the messages lie that ask and answer, oldest first: what a search of a row looks through.
    pub fn bodies(&self, row: &Row<'_>) -> Vec<Location> {
        if !row.answered_again {
            return std::iter::once(row.request).chain(row.answer).collect();
        }
        let is_body = |part: &Part| {
            matches!(
                part.role,
                Role::Request | Role::Answer | Role::DuplicateAnswer
            )
        };
        let parts = self.parts(row.id).into_iter().filter(is_body);
        parts.map(|part| part.location).collect()
    }
    /// Where the answer lies that ends the row, or its newest round.
    pub fn final_answer(&self, id: RowId) -> Option<Location> {
        self.newest_round(id)?.answer
    }
    /// The last request of a call that goes in rounds; else the call.
    pub fn newest_round(&self, id: RowId) -> Option<Row<'_>> {
        self.row(self.store.newest_round(id))
    }
    /// The rows nested directly under a row, oldest first.
    pub fn children(&self, id: RowId) -> impl Iterator<Item = RowId> {
        self.store.children(id)
    }
    /// The row that the message with this sequence number began.
    pub fn row_of_seq(&self, seq: u64) -> Option<RowId> {
        self.store.row_of_seq(seq)
    }
    /// Bytes of the longest id that a peer gave to a request, without the quotes of a text. Peers stay with one shape of
    /// ids, so this hardly grows.
    pub fn longest_id(&self) -> usize {
        self.longest_id
    }
    /// The exchange that sent this request id in this session on behalf of the operator.
    pub fn operator_exchange(&self, session: SessionId, message_id: &str) -> Option<RowId> {
        let scope = Scope {
            session: session.0,
            side: Side::Client,
        };
        let row = self.links.newest_with_id(&self.store, scope, message_id)?;
        self.store
            .row(row)
            .filter(|data| data.from == Party::Operator)
            .map(|_| row)
    }
    /// Calls of the operator's in sessions of its own that wait for their answers.
    pub fn own_calls(&self) -> u64 {
        let calls = self.open.iter().filter(|&&(_, row)| self.is_call(row));
        let rows = calls.filter_map(|&(_, row)| self.store.row(row));
        let is_own = |row: &&RowData| {
            let session = self.sessions.get(row.session);
            let waits = row.from == Party::Operator && row.status == Status::Pending;
            waits && session.is_some_and(|session| session.by == "operator")
        };
        rows.filter(is_own).count() as u64
    }
    /// Subscriptions of the operator's own that are open.
    pub fn own_subscriptions(&self) -> u64 {
        let rows = self.open.iter().filter_map(|&(_, row)| self.store.row(row));
        let is_own =
            |row: &&RowData| row.from == Party::Operator && row.status == Status::Streaming;
        rows.filter(is_own).count() as u64
    }
    /// The greeting that a server which has never said anything was sent, and has not answered.
    pub fn unanswered_greeting(&self) -> Option<Row<'_>> {
        let silent = self.counters.server_messages == 0;
        let mut greetings = self.greetings.iter().filter(|_| silent);
        let open = greetings.find(|row| self.store.is_open(**row))?;
        self.row(*open)
    }
    /// Whether a request to the server waits for its answer, other than those by which the operator's session finds out
    /// what there is.
    pub fn has_call_under_way(&self) -> bool {
        let finds_out = |row: &RowData| {
            row.from == Party::Operator && methods::finds_out(self.store.symbol(row.method))
        };
        self.someone_waits(Side::Client, |row| !finds_out(row))
    }
    /// Whether the server waits for the answer to a request of its own.
    pub fn has_question_open(&self) -> bool {
        self.someone_waits(Side::Server, |_| true)
    }
    fn someone_waits(&self, side: Side, counts: impl Fn(&RowData) -> bool) -> bool {
        let mut open = self.open.iter().filter(|(scope, _)| scope.side == side);
        open.any(|&(_, row)| self.store.waits(row) && self.store.row(row).is_some_and(&counts))
    }
    /// Requests of the server's in the operator's sessions that wait for the operator's answer, oldest first.
    pub fn waiting_for_operator(&self) -> Vec<RowId> {
        let operators = self
            .sessions
            .all()
            .iter()
            .filter(|session| session.by == "operator");
        let mut rows: Vec<RowId> = operators
            .flat_map(|session| {
                let scope = Scope {
                    session: session.id,
                    side: Side::Server,
                };
                self.open
                    .range((scope, 0)..=(scope, NONE))
                    .map(|&(_, row)| row)
            })
            .filter(|&row| {
                // The session answers pings by itself.
                let method = self.store.row(row).map(|row| self.store.symbol(row.method));
                method != Some(crate::mcp::methods::PING)
            })
            .collect();
        rows.sort_unstable();
        rows
    }
    fn call_of(&self, method: &str, name: &str) -> Option<(Symbol, Symbol)> {
        Some((
            self.store.find_symbol(method)?,
            self.store.find_symbol(name)?,
        ))
    }
    /// Exchanges that use this tool, prompt or resource, newest first, at most `limit`.
    pub fn calls_of(&self, method: &str, name: &str, limit: usize) -> Vec<RowId> {
        let newest = self
            .call_of(method, name)
            .map_or(NONE, |call| self.stats.newest(call));
        std::iter::successors(Some(newest), |&row| {
            self.store.extra(row).map(|extra| extra.previous_call)
        })
        .take_while(|&row| row != NONE)
        .take(limit)
        .collect()
    }
    /// How the calls of this method and name went.
    pub fn stats(&self, method: &str, name: &str) -> Stats {
        self.call_of(method, name)
            .map_or_else(Stats::default, |call| self.stats.get(call))
    }
    /// `took` at the given percentile (0 to 100) over the answered exchanges of the row's method and name.
    pub fn percentile_of(&self, row: RowId, percentile: u8) -> Option<i64> {
        self.stats.percentile(self.call_key(row), percentile)
    }
    /// The name of a row as its peer wrote it, which that in the list need not be; at least the start of a long one.
    pub fn written_name(&self, row: RowId) -> &str {
        self.store.written(self.call_key(row).1)
    }
    /// How the calls of a row's method and name went.
    pub fn stats_of(&self, row: RowId) -> Stats {
        self.stats.get(self.call_key(row))
    }
    pub fn inventory(&self) -> &Inventory {
        self.catalogue.inventory()
    }
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
    pub fn sessions(&self) -> &[Session] {
        self.sessions.all()
    }
    /// Whether a row did not go as it should.
    fn went_wrong(&self, data: &RowData) -> bool {
        let fell = || {
            let session = self.sessions.get(data.session);
            // The operator's ends with whoever looks at it.
            session.is_some_and(|session| session.failed && session.by != "operator")
        };
        self.store.went_wrong(data)
            || data.kind == RowKind::Mark
                && self.store.symbol(data.method) == SESSION_CLOSED
                && fell()
    }
    /// How often rows changed after they were added.
    pub fn changes(&self) -> u64 {
        self.changes.total
    }
    /// The rows that changed after so many changes; `None` when they are no longer all known.
    pub fn changed_since(&self, changes: u64) -> Option<impl Iterator<Item = RowId>> {
        self.changes.since(changes)
    }
    /// The newest timestamp folded in.
    pub fn latest(&self) -> Timestamp {
        self.latest
    }
}
