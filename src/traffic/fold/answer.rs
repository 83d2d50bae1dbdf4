//! An answer: the exchange that it ends, and what it teaches.

use super::Way;
use crate::mcp::methods;
use crate::tap::{Party, Timestamp};
use crate::traffic::digest::{AnswerDetail, Detail, Message, MessageKind};
use crate::traffic::gist::Gist;
use crate::traffic::links::{Scope, Side};
use crate::traffic::storage::abridged;
use crate::traffic::store::Source;
use crate::traffic::{Role, RowId, RowKind, Status, Traffic};

impl Traffic {
    pub(super) fn answer(&mut self, source: Source, scope: Scope, way: Way, message: Message) {
        let http = way.http;
        let asked = Scope {
            side: scope.side.other(),
            ..scope
        };
        let id = message.id.as_deref();
        let found = self.answered_with(http, asked, id).or_else(|| {
            let id = id?;
            self.links.by_id(&self.store, asked, id)
        });
        let Some(row) = found else {
            return self.orphan(source, scope, way, message);
        };
        self.sent_with(row, scope, http);
        let is_error = matches!(message.kind, MessageKind::Error | MessageKind::ToolError);
        if way.to == Some(Party::Sentinel) && !self.is_ours(row) {
            // Who asked still waits.
            self.store.attach(row, Role::WithheldAnswer, source);
            self.changes.note(row);
            return;
        }
        if let Some(extra) = self.store.extra_mut(row)
            && extra.answered
        {
            extra.answered_again = true;
            self.counters.errors += u64::from(is_error);
            self.store.attach(row, Role::DuplicateAnswer, source);
            self.changes.note(row);
            return;
        }
        self.reopen(row);
        let answer = match message.detail {
            Detail::Answer(answer) => Some(answer),
            _ => None,
        };
        let was = self.store.row(row).map_or(Status::None, |row| row.status);
        let status = match (was, message.kind) {
            // That is how a server confirms it: in the older era it may say so instead of nothing.
            (Status::Cancelled, MessageKind::Error) => Status::Cancelled,
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
        // A server of the older era refuses to be discovered: that is its answer, and nothing went wrong.
        let is_refusal = self
            .store
            .row(row)
            .is_some_and(|row| self.store.symbol(row.method) == methods::DISCOVER);
        if is_error && !is_refusal && status != Status::Cancelled && !self.is_ours(row) {
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

    /// What went wrong, who answered a greeting and how much a page of a list holds belong beside what was asked.
    pub(super) fn say_outcome(&mut self, row: RowId, status: Status, outcome: &str) {
        let Some(data) = self.store.row(row) else {
            return;
        };
        let method = self.store.symbol(data.method);
        let telling = matches!(status, Status::ToolError | Status::Error)
            || method == methods::INITIALIZE
            || method.ends_with("/list");
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
            self.links.add_task(source.session, &task, row);
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
        let discovered = method == methods::DISCOVER;
        let version =
            self.catalogue
                .offered(row, scope.session, method, &offer, Timestamp(source.at));
        if let Some(version) = version
            && let Some(session) = self.sessions.at(source.session, source.at)
        {
            session.protocol_version = Some(version);
            session.modern |= discovered;
        }
    }

    fn orphan(&mut self, source: Source, scope: Scope, way: Way, message: Message) {
        let http = way.http;
        let is_error = matches!(message.kind, MessageKind::Error | MessageKind::ToolError);
        let is_kept = way.to == Some(Party::Sentinel);
        if is_error && !is_kept {
            self.counters.errors += u64::from(self.explains(http));
        }
        if is_error && self.refused(source, http, is_kept, &message.gist) {
            return;
        }
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
        self.sent_with(row, scope, http);
        // To an HTTP request that is no message, JSON-RPC can answer without an id only.
        let unnamed = message.id.as_deref().is_none_or(|id| id == "null");
        if let Some(parent) = self.without_message(http).filter(|_| unnamed) {
            self.store.nest(row, parent);
            self.changes.note(parent);
        }
    }
}
