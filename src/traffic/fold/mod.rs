//! Folding one digest into the model: which row it is, or which row it belongs to.

mod answer;
mod http;
mod refused;
mod request;

pub use refused::Challenges;

use super::digest::{Content, Detail, Digest, Message, MessageKind, Messages};
use super::gist::{Gist, line};
use super::links::{Scope, Side};
use super::sessions;
use super::stats::End;
use super::storage::{NONE, Symbol, Symbols, abridged};
use super::store::Source;
use super::summary::ACKNOWLEDGED;
use super::{DAMAGED_LINE, GAP, Progress, Role, RowId, RowKind, SESSION_CLOSED, Status, Traffic};
use crate::capture::record::Encoding;
use crate::mcp::methods;
use crate::tap::{ANSWERS_AGAIN, NO_ANSWER, Party, Timestamp};

/// Why the end of something is not known.
const CUT_OFF: &str = "the capture ends here";

/// `11 records (49 to 59) are missing here`
pub fn missing(first: u64, count: u64, last: Option<u64>) -> String {
    match (count, last) {
        (1, Some(_)) => format!("1 record ({first}) is missing here"),
        (1, None) => "1 record is missing here".to_owned(),
        (_, Some(last)) => format!("{count} records ({first} to {last}) are missing here"),
        (_, None) => format!("{count} records are missing here"),
    }
}

/// How a message came.
#[derive(Debug, Clone, Copy)]
struct Way {
    to: Option<Party>,
    replay_of: Option<u64>,
    /// The HTTP exchange that carried it.
    http: Option<u32>,
}

/// Whether it has no row of its own where what it is about is known.
fn is_about_another(message: &Message) -> bool {
    matches!(&*message.method, methods::CANCELLED | methods::PROGRESS)
}

impl Traffic {
    /// Folds in what [`super::digest::digest`] made of the next record of the capture.
    pub fn apply(&mut self, digest: Digest) {
        self.latest = self.latest.max(digest.at);
        self.counters.bytes += digest.bytes;
        let source = Source {
            seq: digest.seq,
            at: digest.at.0,
            session: digest.session.0,
            from: Party::Sentinel,
            place: digest.location.into(),
        };
        let told = match &digest.content {
            Content::Line { .. } => Some(source.place.wire_len()),
            Content::Stderr(_) => Some(source.place.stderr_len()),
            _ => None,
        };
        let is_written_otherwise = digest.location.encoding != Encoding::Verbatim;
        if is_written_otherwise && told.is_some_and(|told| told != digest.bytes) {
            self.store.set_wire_len(source.place, digest.bytes);
        }
        match digest.content {
            Content::Line {
                from,
                to,
                replay_of,
                via,
                messages,
            } => {
                let source = Source { from, ..source };
                let way = Way {
                    to,
                    replay_of,
                    http: via.map(|via| self.carried(source, to, via)),
                };
                match messages {
                    Messages::One(message) => {
                        let via = via.filter(|_| is_about_another(&message));
                        let brought = via.map(|via| (via, message.words()));
                        self.message(source, way, message);
                        if let Some((via, words)) = brought {
                            self.brought_only(source, to, via, &words);
                        }
                    }
                    Messages::Batch(batch) => {
                        for (location, message) in batch {
                            let place = location.into();
                            self.message(Source { place, ..source }, way, message);
                        }
                    }
                }
            }
            Content::Http(exchange, step) => self.http_step(source, exchange, *step),
            Content::Stderr(text) => {
                self.counters.stderr_lines += 1;
                let from = Party::Server;
                let source = Source { from, ..source };
                self.store
                    .push(source, RowKind::Stderr, "stderr", "", &text);
            }
            other => self.event(source, other),
        }
    }

    /// What is no message.
    fn event(&mut self, mut source: Source, content: Content) {
        let (what, summary) = match content {
            Content::Opened(opened) => {
                self.sessions.open(source.session, source.at, &opened);
                let mut summary = Gist::default();
                summary.push(&opened.by).push(" ").push(&opened.transport);
                if let Some(pid) = opened.pid {
                    summary.push(&format!(", process {pid}"));
                }
                ("session opened", summary.finish())
            }
            Content::Closed(closed) => {
                self.sessions.close(source.session, source.at, &closed);
                let words = line(&sessions::in_words(&closed));
                self.lose_pending(source, &words);
                (SESSION_CLOSED, words)
            }
            Content::Gap(gap) => {
                // The file may claim any number.
                self.counters.lost = self.counters.lost.saturating_add(gap.messages);
                let summary = format!("{} messages not captured ({})", gap.messages, gap.reason);
                (GAP, line(&summary))
            }
            Content::Note(text) => {
                if text.starts_with(NO_ANSWER) {
                    self.unreachable = Some(text.clone());
                } else if *text == *ANSWERS_AGAIN {
                    self.unreachable = None;
                }
                ("note", text)
            }
            Content::Damaged {
                line_number,
                reason,
            } => {
                self.counters.damaged += 1;
                // It tells no time: it was written about when the line before it was.
                source.at = self.latest.0;
                (DAMAGED_LINE, line(&format!("{line_number}: {reason}")))
            }
            Content::Missing { count, last } => {
                self.counters.missing = self.counters.missing.saturating_add(count);
                (GAP, line(&missing(source.seq, count, last)))
            }
            Content::Unknown | Content::Line { .. } | Content::Http(..) | Content::Stderr(_) => {
                ("unknown event", Box::default())
            }
        };
        self.store.push(source, RowKind::Mark, what, "", &summary);
    }

    fn message(&mut self, source: Source, way: Way, message: Message) {
        let counters = &mut self.counters;
        counters.messages += u64::from(source.from != Party::Sentinel);
        match source.from {
            Party::Client => counters.client_messages += 1,
            Party::Server => counters.server_messages += 1,
            Party::Operator => counters.operator_messages += 1,
            Party::Sentinel => counters.sentinel_messages += 1,
        }
        self.sessions.at(source.session, source.at);
        let scope = Scope {
            session: source.session,
            side: Side::of(source.from, way.to),
        };
        match message.kind {
            MessageKind::Request => self.request(source, way, message),
            MessageKind::Notification => self.notification(source, scope, way, message),
            MessageKind::Garbage => {
                self.counters.garbage += 1;
                let on_stdout = source.from == Party::Server && way.http.is_none();
                self.counters.on_stdout += u64::from(on_stdout);
                let row =
                    self.store
                        .push(source, RowKind::Garbage, &message.method, "", &message.gist);
                self.sent_with(row, scope, way.http);
                if let Some(id) = message.id.filter(|_| on_stdout) {
                    self.tie_glued(row, scope, &id);
                }
                if way.http.is_some() {
                    self.store.make_extra(row);
                }
            }
            _ => self.answer(source, scope, way, message),
        }
    }

    /// What is no message seems to be or to hold the answer with this id. The request goes on being waited for: the client
    /// waits, too.
    fn tie_glued(&mut self, row: RowId, scope: Scope, id: &str) {
        let asked = Scope {
            side: scope.side.other(),
            ..scope
        };
        let request = self.links.by_id(&self.store, asked, id);
        if let Some(request) = request.filter(|request| self.store.is_open(*request)) {
            self.glued.insert(row, request);
            self.glued.insert(request, row);
        }
    }

    fn notification(&mut self, source: Source, scope: Scope, way: Way, message: Message) {
        let mut parent = None;
        if let Some(reference) = message.reference.as_deref() {
            let taken = match (&message.detail, &*message.method) {
                (Detail::Progress { done, total }, _) => {
                    let progress = Progress {
                        done: *done,
                        total: *total,
                    };
                    self.progress(source, scope, way.http, reference, progress)
                }
                (_, methods::CANCELLED) => self.cancel(source, scope, way.http, reference),
                (_, method) => {
                    parent = self.subscription(scope, way.http, reference);
                    self.subscribed(parent.filter(|_| method == ACKNOWLEDGED));
                    false
                }
            };
            if taken {
                return;
            }
        }
        if scope.side == Side::Server {
            self.catalogue
                .list_changed(&message.method, Timestamp(source.at));
        }
        let row = self.store.push(
            source,
            RowKind::Notification,
            &message.method,
            &message.name,
            &message.gist,
        );
        self.sent_with(row, scope, way.http);
        if scope.side == Side::Server && &*message.method == methods::RESOURCE_UPDATED {
            self.updates.note(&message.name, row);
        }
        if let Some(original) = self.original(row, way.replay_of) {
            self.store.set_replay_of(row, original);
        }
        if let Some(parent) = parent {
            self.store.nest(row, parent);
            self.changes.note(parent);
        }
    }

    /// The row that the new row replays.
    fn original(&self, row: RowId, replay_of: Option<u64>) -> Option<RowId> {
        let original = self.store.row_of_seq(replay_of?)?;
        // What tells of a gap has the number of the first record that is missing.
        let is_message = self.store.row(original)?.kind != RowKind::Mark;
        (original < row && is_message).then_some(original)
    }

    fn progress(
        &mut self,
        source: Source,
        scope: Scope,
        http: Option<u32>,
        token: &str,
        progress: Progress,
    ) -> bool {
        let asked = Scope {
            side: scope.side.other(),
            ..scope
        };
        let here = self.asked_with(http, asked, |store, row| {
            store.token_bytes(row) == abridged(token).as_bytes()
        });
        let Some(row) = here.or_else(|| self.links.by_token(&self.store, asked, token)) else {
            return false;
        };
        self.store.attach(row, Role::Progress, source);
        self.store.set_progress(row, progress);
        self.changes.note(row);
        true
    }

    fn cancel(&mut self, source: Source, scope: Scope, http: Option<u32>, id: &str) -> bool {
        let own = self.links.by_id(&self.store, scope, id);
        let found = match own.filter(|&row| self.store.is_open(row)) {
            None => self.subscription(scope, http, id).or(own),
            pending => pending,
        };
        let Some(row) = found else { return false };
        self.store.attach(row, Role::Cancel, source);
        if self.store.is_open(row) {
            self.end(row, Status::Cancelled, source.at);
        }
        self.changes.note(row);
        true
    }

    /// The client's subscription with this id, which a message of the server's names.
    fn subscription(&mut self, scope: Scope, http: Option<u32>, id: &str) -> Option<RowId> {
        let client = Scope {
            side: Side::Client,
            ..scope
        };
        let here = self.asked_with(http, client, |store, row| {
            store.has_id(row, client, abridged(id).as_bytes())
        });
        let row = here.or_else(|| self.links.by_id(&self.store, client, id))?;
        let listens = self.store.symbol(self.store.row(row)?.method) == methods::LISTEN;
        (scope.side == Side::Server && listens).then_some(row)
    }

    /// The server took on a subscription: nothing is awaited any more, and all that it brings is welcome.
    fn subscribed(&mut self, listen: Option<RowId>) {
        let awaited = |row: &RowId| {
            let data = self.store.row(*row);
            data.is_some_and(|data| data.status == Status::Pending)
        };
        if let Some(listen) = listen.filter(awaited) {
            self.set_status(listen, Status::Streaming);
            self.changes.note(listen);
        }
    }

    /// An exchange stops being pending, or an ended one ends differently.
    fn end(&mut self, row: RowId, status: Status, at: i64) {
        let was_open = self.store.is_open(row);
        self.stop(row, status, at);
        if was_open && self.store.extra(row).is_none_or(|extra| !extra.answered) {
            self.links.close_round(&self.store, row, None);
            self.catalogue.unanswered(row);
        }
    }

    /// The same, for one whose answer may yet be told.
    fn stop(&mut self, row: RowId, status: Status, at: i64) {
        let was_open = self.store.is_open(row);
        let call = self.store.first_round(row);
        let Some(started) = self.store.row(call).map(|row| row.at) else {
            return;
        };
        let answered = self.store.extra(row).is_some_and(|extra| extra.answered);
        let task = self.store.extra(row).is_some_and(|extra| extra.task);
        let was = self.store.row(row).map_or(Status::None, |row| row.status);
        self.set_status(row, status);
        if let Some(extra) = self.store.extra_mut(row) {
            extra.ended_at = at;
        }
        // The token lives until the answer; that of a task goes on after it.
        if (answered && !task) || status == Status::Lost {
            self.links.drop_token(&self.store, row);
        }
        self.tell_call(row, status);
        if !was_open {
            return;
        }
        self.open.remove(&(self.store.scope(row), row));
        let end = match status {
            Status::ToolError => End::ToolError,
            Status::Error => End::Error,
            // A subscription that was taken on got all that it asked for.
            Status::Cancelled if was == Status::Streaming => End::Ok,
            Status::Cancelled | Status::Lost => End::Unanswered,
            Status::InputRequired => End::Asking,
            _ => End::Ok,
        };
        // An error of ours came at once, or after a patience of ours: neither says how fast the server is.
        let is_ours =
            (self.store.extra(row)).is_some_and(|extra| extra.answer_from == Party::Sentinel);
        // Not a time that a clock which was set back makes of it, or that nobody noted.
        let noted = at >= started && Timestamp(started).is_known();
        let took = (answered && !is_ours && noted).then(|| at.saturating_sub(started));
        self.stats.end(self.call_key(row), end, took);
    }

    /// A call stands as its newest round does, and says what that one said.
    fn tell_call(&mut self, round: RowId, status: Status) {
        let call = self.store.first_round(round);
        if call == round || self.store.newest_round(call) != round {
            return;
        }
        let said = self.store.extra(round).map(|extra| extra.outcome);
        if let (Some(extra), Some(said)) = (self.store.extra_mut(call), said) {
            extra.outcome = said;
        }
        self.store.forget_outcome(call); // That of a round which is told more of.
        self.store.set_status(call, status); // Its round is what counts.
        let said = said
            .map_or("", |said| self.store.texts.get(said))
            .to_owned();
        self.say_outcome(call, status, &said);
        self.changes.note(call);
    }

    fn set_status(&mut self, row: RowId, status: Status) {
        let Some(was) = self.store.set_status(row, status) else {
            return;
        };
        let is_exchange = self.store.is_exchange(row);
        let counters = &mut self.counters;
        counters.unanswered += u64::from(is_exchange && status == Status::Lost);
        counters.unanswered -= u64::from(is_exchange && was == Status::Lost);
        counters.pending += u64::from(status == Status::Pending);
        counters.pending -= u64::from(was == Status::Pending);
        counters.streams += u64::from(status == Status::Streaming);
        counters.streams -= u64::from(was == Status::Streaming);
    }

    /// Nobody writes the capture any more: what was still going on is cut off with it. Should more come all the same,
    /// it is taken in as before.
    pub fn cut_off(&mut self) {
        self.cut_off_http(CUT_OFF);
        let open: Vec<RowId> = self.open.iter().map(|&(_, row)| row).collect();
        for row in open {
            let why = self.store.texts.keep(CUT_OFF);
            if let Some(extra) = self.store.extra_mut(row) {
                extra.outcome = why;
            }
            self.end(row, self.cut_short(row), self.latest.0);
            self.changes.note(row);
        }
        self.sessions.cut_off(self.latest, CUT_OFF);
    }

    /// The session ended: nobody will answer any more.
    fn lose_pending(&mut self, source: Source, why: &str) {
        let why = self.store.texts.keep(why);
        for side in [Side::Client, Side::Server] {
            let scope = Scope {
                session: source.session,
                side,
            };
            let open: Vec<RowId> = self
                .open
                .range((scope, 0)..=(scope, NONE))
                .map(|&(_, row)| row)
                .collect();
            for row in open {
                if let Some(extra) = self.store.extra_mut(row) {
                    extra.outcome = why;
                }
                self.end(row, self.cut_short(row), source.at);
                self.changes.note(row);
            }
        }
        self.links.close_session(source.session);
        self.catalogue.close_session(source.session);
    }

    /// How an exchange ends with its session, or with what should bring its answer. A subscription lasts no longer than that: nothing of it is lost.
    fn cut_short(&self, row: RowId) -> Status {
        match self.store.row(row).map(|row| row.status) {
            Some(Status::Streaming) => Status::Cancelled,
            _ => Status::Lost,
        }
    }

    pub(super) fn call_key(&self, row: RowId) -> (Symbol, Symbol) {
        let empty = Symbols::EMPTY;
        self.store
            .row(row)
            .map_or((empty, empty), |row| (row.method, row.name))
    }
}
