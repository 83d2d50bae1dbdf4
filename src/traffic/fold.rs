//! Folding one digest into the model: which row it is, or which row it belongs to.

use super::digest::{
    AnswerDetail, Content, Detail, Digest, Message, MessageKind, Messages, RequestDetail,
};
use super::gist::{Gist, gist};
use super::links::{Scope, Side};
use super::sessions;
use super::stats::End;
use super::storage::{NONE, abridged};
use super::store::Source;
use super::{Progress, Role, RowId, RowKind, Status, Traffic};
use crate::mcp::methods;
use crate::tap::{Party, Timestamp};

/// Open requests looked at to find the one that caused a request of the server's. With more than these in flight
/// there is no telling anyway.
const MOST_CANDIDATES: usize = 64;

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
        match digest.content {
            Content::Line {
                from,
                to,
                replay_of,
                messages,
            } => {
                let source = Source { from, ..source };
                match messages {
                    Messages::One(message) => self.message(source, to, replay_of, message),
                    Messages::Batch(batch) => {
                        for (location, message) in batch {
                            let source = Source {
                                place: location.into(),
                                ..source
                            };
                            self.message(source, to, replay_of, message);
                        }
                    }
                }
            }
            Content::Stderr(text) => {
                self.counters.stderr_lines += 1;
                let source = Source {
                    from: Party::Server,
                    ..source
                };
                self.store
                    .push(source, RowKind::Stderr, "stderr", "", &text);
            }
            Content::Opened(opened) => {
                self.sessions.open(source.session, source.at, &opened);
                let mut summary = Gist::default();
                summary.push(&opened.by).push(" ").push(&opened.transport);
                if let Some(pid) = opened.pid {
                    summary.push(&format!(", process {pid}"));
                }
                self.mark(source, "session opened", &summary.finish());
            }
            Content::Closed(closed) => {
                self.sessions.close(source.session, source.at, &closed);
                self.lose_pending(source);
                self.mark(
                    source,
                    "session closed",
                    &gist(&sessions::in_words(&closed)),
                );
            }
            Content::Gap(gap) => {
                self.counters.lost += gap.messages;
                let summary = format!("{} messages not captured ({})", gap.messages, gap.reason);
                self.mark(source, "gap", &gist(&summary));
            }
            Content::Note(text) => self.mark(source, "note", &text),
            Content::Damaged {
                line_number,
                reason,
            } => {
                self.mark(
                    source,
                    "damaged line",
                    &gist(&format!("line {line_number}: {reason}")),
                );
            }
            Content::Unknown => self.mark(source, "unknown event", ""),
        }
    }

    fn mark(&mut self, source: Source, what: &str, summary: &str) {
        self.store.push(source, RowKind::Mark, what, "", summary);
    }

    fn message(
        &mut self,
        source: Source,
        to: Option<Party>,
        replay_of: Option<u64>,
        message: Message,
    ) {
        let counters = &mut self.counters;
        counters.messages += 1;
        match source.from {
            Party::Client => counters.client_messages += 1,
            Party::Server => counters.server_messages += 1,
            Party::Operator => counters.operator_messages += 1,
            Party::Sentinel => {}
        }
        self.sessions.at(source.session, source.at);
        let scope = Scope {
            session: source.session,
            side: Side::of(source.from, to),
        };
        match message.kind {
            MessageKind::Request => self.request(source, replay_of, message),
            MessageKind::Notification => self.notification(source, scope, replay_of, message),
            MessageKind::Garbage => {
                self.counters.garbage += 1;
                self.store
                    .push(source, RowKind::Garbage, &message.method, "", &message.gist);
            }
            _ => self.answer(source, scope, message),
        }
    }

    fn request(&mut self, source: Source, replay_of: Option<u64>, message: Message) {
        let Message {
            method,
            id,
            name,
            gist,
            reference,
            detail,
            ..
        } = message;
        let row = self
            .store
            .push(source, RowKind::Exchange, &method, &name, &gist);
        let id_text = self
            .store
            .texts
            .keep(&abridged(id.as_deref().unwrap_or_default()));
        let token_text = match &reference {
            Some(token) if id.as_ref() == Some(token) => id_text,
            Some(token) => self.store.texts.keep(&abridged(token)),
            None => Default::default(),
        };
        let key = self.call_key(row);
        let first_call = self.stats.newest(key) == NONE;
        let previous_call = self.stats.begin(key, row);
        let replayed = replay_of
            .and_then(|seq| self.store.row_of_seq(seq))
            .unwrap_or(NONE);
        if let Some(extra) = self.store.make_extra(row) {
            extra.id = id_text;
            extra.token = token_text;
            extra.previous_call = previous_call;
            extra.replay_of = replayed;
        }
        self.set_status(row, Status::Pending);
        let scope = self.store.scope(row);
        self.links.add_id(
            &mut self.store,
            scope,
            id.as_deref().unwrap_or_default(),
            row,
        );
        if reference.is_some() {
            self.links.add_token(&self.store, row);
        }
        let detail = match detail {
            Detail::Request(detail) => Some(detail),
            _ => None,
        };
        if let Some(parent) = self.cause(row, scope, &method, detail.as_deref()) {
            self.store.nest(row, parent);
            self.changes.note(parent);
        }
        self.open.insert((scope, row));
        if scope.side == Side::Client {
            if first_call {
                self.catalogue.called(&method, &name);
            }
            self.catalogue.asked(row, &method, detail.as_deref());
        }
        if let Some(detail) = detail {
            self.describe_session(source, &detail);
            if let Some(round) = detail.round {
                self.links.open_round(row, round);
            }
            if detail.becomes_task
                && let Some(extra) = self.store.extra_mut(row)
            {
                extra.task = true;
            }
        }
    }

    /// The exchange that a new request belongs under.
    fn cause(
        &mut self,
        row: RowId,
        scope: Scope,
        method: &str,
        detail: Option<&RequestDetail>,
    ) -> Option<RowId> {
        if let Some(task) = detail.and_then(|detail| detail.task.as_deref())
            && let Some(parent) = self.links.by_task(scope.session, task)
        {
            return Some(parent);
        }
        if let Some(round) = detail
            .and_then(|detail| detail.round)
            .filter(|round| round.retry)
        {
            let (method, name) = self.call_key(row);
            return self
                .links
                .answered_round(scope.session, method, name, round);
        }
        // A ping is caused by a clock, not by a call.
        if scope.side == Side::Client || method == methods::PING {
            return None;
        }
        let client = Scope {
            side: Side::Client,
            ..scope
        };
        let mut in_flight = self
            .open
            .range((client, 0)..=(client, NONE))
            .map(|&(_, row)| row);
        let candidates: Vec<RowId> = in_flight.by_ref().take(MOST_CANDIDATES).collect();
        if in_flight.next().is_some() {
            return None;
        }
        let only = |keep: &dyn Fn(RowId) -> bool| {
            let mut kept = candidates.iter().copied().filter(|&row| keep(row));
            kept.next().filter(|_| kept.next().is_none())
        };
        only(&|_| true)
            .or_else(|| only(&|row| self.may_ask_back(row)))
            .or_else(|| only(&|row| self.may_ask_back(row) && self.store.has_progress(row)))
    }

    /// Whether servers ask clients for anything while they work on a request of this kind.
    fn may_ask_back(&self, row: RowId) -> bool {
        let method = self
            .store
            .row(row)
            .map_or("", |row| self.store.symbol(row.method));
        matches!(
            method,
            methods::TOOLS_CALL
                | methods::PROMPTS_GET
                | methods::RESOURCES_READ
                | methods::COMPLETE
        )
    }

    fn describe_session(&mut self, source: Source, detail: &RequestDetail) {
        let session = self.sessions.at(source.session, source.at);
        session.modern |= detail.modern;
        // The operator's calls beside a client must not rename that client.
        if source.from == Party::Operator && session.by != "operator" {
            return;
        }
        if let Some(client) = &detail.client
            && session.client.as_deref() != Some(client)
        {
            session.client = Some(client.to_string());
        }
        if let Some(version) = &detail.protocol_version
            && session.protocol_version.as_deref() != Some(version)
        {
            session.protocol_version = Some(version.to_string());
        }
    }

    fn notification(
        &mut self,
        source: Source,
        scope: Scope,
        replay_of: Option<u64>,
        message: Message,
    ) {
        if let Some(reference) = message.reference.as_deref() {
            let taken = match &message.detail {
                Detail::Progress { done, total } => {
                    let progress = Progress {
                        done: *done,
                        total: *total,
                    };
                    self.progress(source, scope, reference, progress)
                }
                _ => self.cancel(source, scope, reference),
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
        if let Some(original) = replay_of.and_then(|seq| self.store.row_of_seq(seq))
            && let Some(extra) = self.store.make_extra(row)
        {
            extra.replay_of = original;
        }
    }

    fn progress(&mut self, source: Source, scope: Scope, token: &str, progress: Progress) -> bool {
        let asked = Scope {
            side: scope.side.other(),
            ..scope
        };
        let Some(row) = self.links.by_token(&self.store, asked, token) else {
            return false;
        };
        self.store.attach(row, Role::Progress, source);
        self.store.set_progress(row, progress);
        self.changes.note(row);
        true
    }

    fn cancel(&mut self, source: Source, scope: Scope, id: &str) -> bool {
        // A modern server ends a subscription by cancelling the client's own request.
        let theirs = Scope {
            side: scope.side.other(),
            ..scope
        };
        let found = self.links.by_id(&self.store, scope, id).or_else(|| {
            let row = self.links.by_id(&self.store, theirs, id)?;
            let listens = self.store.row(row)?.method == self.store.find_symbol(methods::LISTEN)?;
            (scope.side == Side::Server && listens).then_some(row)
        });
        let Some(row) = found else { return false };
        self.store.attach(row, Role::Cancel, source);
        if self.store.is_pending(row) {
            self.end(row, Status::Cancelled, source.at);
        }
        self.changes.note(row);
        true
    }

    fn answer(&mut self, source: Source, scope: Scope, message: Message) {
        let asked = Scope {
            side: scope.side.other(),
            ..scope
        };
        let found = match message.id.as_deref() {
            Some(id) => self.links.by_id(&self.store, asked, id),
            None => None,
        };
        let Some(row) = found else {
            return self.orphan(source, message);
        };
        if self.store.extra(row).is_some_and(|extra| extra.answered) {
            self.store.attach(row, Role::DuplicateAnswer, source);
            self.changes.note(row);
            return;
        }
        let answer = match message.detail {
            Detail::Answer(answer) => Some(answer),
            _ => None,
        };
        let was = self.store.row(row).map_or(Status::None, |row| row.status);
        let status = match (was, message.kind) {
            (Status::Cancelled, _) => Status::Late,
            (_, MessageKind::ToolError) => Status::ToolError,
            (_, MessageKind::InputRequired) => Status::InputRequired,
            (_, MessageKind::Error) => Status::Error,
            _ => Status::Ok,
        };
        let outcome = self.store.texts.keep(&message.gist);
        if let Some(extra) = self.store.extra_mut(row) {
            extra.answered = true;
            extra.answer_seq = source.seq;
            extra.answer = source.place;
            extra.answer_from = source.from;
            extra.outcome = outcome;
            extra.task |= answer.as_ref().is_some_and(|answer| answer.task.is_some());
        }
        if matches!(message.kind, MessageKind::Error | MessageKind::ToolError) {
            self.counters.errors += 1;
        }
        self.end(row, status, source.at);
        self.say_outcome(row, status, &message.gist);
        let asks = (message.kind == MessageKind::InputRequired)
            .then(|| answer.as_ref().and_then(|answer| answer.state));
        self.links.close_round(&self.store, row, asks);
        self.learn(row, scope, source, status, answer);
        self.changes.note(row);
    }

    /// What went wrong, and who answered a greeting, belongs beside what was asked.
    fn say_outcome(&mut self, row: RowId, status: Status, outcome: &str) {
        let Some(data) = self.store.row(row) else {
            return;
        };
        let greeting = self.store.symbol(data.method) == methods::INITIALIZE;
        let telling = greeting || matches!(status, Status::ToolError | Status::Error);
        let asked = self.store.texts.get(data.summary);
        if !telling || asked.is_empty() || outcome.is_empty() {
            return;
        }
        let mut both = Gist::default();
        both.push_at_most(asked, 40).push(" → ").push(outcome);
        let both = self.store.texts.keep(&both.finish());
        if let Some(data) = self.store.row_mut(row) {
            data.summary = both;
        }
    }

    /// What an answer tells of the server, of the session and of tasks.
    fn learn(
        &mut self,
        row: RowId,
        scope: Scope,
        source: Source,
        status: Status,
        answer: Option<Box<AnswerDetail>>,
    ) {
        let asked_of_server = scope.side == Side::Server;
        let Some(answer) = answer else {
            self.catalogue.unanswered(row);
            return;
        };
        let AnswerDetail {
            task,
            server_info,
            offer,
            ..
        } = *answer;
        if let Some(task) = task {
            self.links.add_task(source.session, task, row);
        }
        if !asked_of_server {
            return;
        }
        if let Some(info) = server_info {
            self.catalogue.server_info(&info);
        }
        let Some(offer) = offer.filter(|_| status == Status::Ok) else {
            self.catalogue.unanswered(row);
            return;
        };
        let method = self
            .store
            .row(row)
            .map_or("", |row| self.store.symbol(row.method));
        let version =
            self.catalogue
                .offered(row, scope.session, method, &offer, Timestamp(source.at));
        if let Some(version) = version {
            self.sessions.at(source.session, source.at).protocol_version = Some(version);
        }
    }

    fn orphan(&mut self, source: Source, message: Message) {
        let row = self
            .store
            .push(source, RowKind::Orphan, "unknown answer", "", &message.gist);
        let id = self
            .store
            .texts
            .keep(&abridged(message.id.as_deref().unwrap_or_default()));
        if let Some(extra) = self.store.make_extra(row) {
            extra.id = id;
        }
        if matches!(message.kind, MessageKind::Error | MessageKind::ToolError) {
            self.counters.errors += 1;
        }
    }

    /// An exchange stops being pending, or an ended one ends differently.
    fn end(&mut self, row: RowId, status: Status, at: i64) {
        let was_pending = self.store.is_pending(row);
        let Some(started) = self.store.row(row).map(|row| row.at) else {
            return;
        };
        let answered = self.store.extra(row).is_some_and(|extra| extra.answered);
        let task = self.store.extra(row).is_some_and(|extra| extra.task);
        self.set_status(row, status);
        if let Some(extra) = self.store.extra_mut(row) {
            extra.ended_at = at;
        }
        // The token lives until the answer; that of a task goes on after it.
        if (answered && !task) || status == Status::Lost {
            self.links.drop_token(&self.store, row);
        }
        if !was_pending {
            return;
        }
        self.open.remove(&(self.store.scope(row), row));
        let end = match status {
            Status::ToolError => End::ToolError,
            Status::Error => End::Error,
            Status::Cancelled | Status::Lost => End::Unanswered,
            _ => End::Ok,
        };
        let took = answered.then(|| at.saturating_sub(started));
        self.stats.end(self.call_key(row), end, took);
        if !answered {
            self.links.close_round(&self.store, row, None);
            self.catalogue.unanswered(row);
        }
    }

    fn set_status(&mut self, row: RowId, status: Status) {
        let Some(data) = self.store.row_mut(row) else {
            return;
        };
        let was = std::mem::replace(&mut data.status, status);
        self.counters.pending += u64::from(status == Status::Pending);
        self.counters.pending -= u64::from(was == Status::Pending);
    }

    /// The session ended: nobody will answer any more.
    fn lose_pending(&mut self, source: Source) {
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
                self.end(row, Status::Lost, source.at);
                self.changes.note(row);
            }
        }
        self.links.close_session(source.session);
        self.catalogue.close_session(source.session);
    }

    fn call_key(&self, row: RowId) -> (super::storage::Symbol, super::storage::Symbol) {
        let empty = super::storage::Symbols::EMPTY;
        self.store
            .row(row)
            .map_or((empty, empty), |row| (row.method, row.name))
    }
}
