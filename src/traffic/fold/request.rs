//! A request: its row, its place among the others, and what it says of its sender.

use super::Way;
use crate::mcp::methods;
use crate::tap::Party;
use crate::traffic::digest::{Detail, Message, RequestDetail};
use crate::traffic::http::MODERN;
use crate::traffic::links::{Scope, Side};
use crate::traffic::storage::{NONE, abridged};
use crate::traffic::store::Source;
use crate::traffic::{RowId, RowKind, Status, Traffic};

/// Open requests looked at to find the one that caused a request of the server's. With more than these in flight
/// there is no telling anyway.
const MOST_CANDIDATES: usize = 64;
/// Greetings remembered to say that none of them is answered.
const MOST_GREETINGS: usize = 16;

impl Traffic {
    pub(super) fn request(&mut self, source: Source, way: Way, message: Message) {
        let (id, token) = (message.id.as_deref(), message.reference.as_deref());
        let (method, name) = (&*message.method, &*message.name);
        let kind = RowKind::Exchange;
        let row = self.store.push(source, kind, method, name, &message.gist);
        let first_call = self.stats.newest(self.call_key(row)) == NONE;
        let detail = match message.detail {
            Detail::Request(detail) => Some(detail),
            _ => None,
        };
        let answered = self.answered_round(row, detail.as_deref());
        self.open_exchange(row, id.unwrap_or_default(), token, way.replay_of);

        let scope = self.store.scope(row);
        self.sent_with(row, scope, way.http);
        let cause = answered.or_else(|| self.cause(scope, way.http, method, detail.as_deref()));
        if let Some(parent) = cause.or_else(|| self.retried(row)) {
            self.store.nest(row, parent);
            self.changes.note(parent);
        }
        self.open.insert((scope, row));
        self.greets(row, method);
        if scope.side == Side::Client {
            if first_call {
                self.catalogue.called(method, name);
            }
            self.catalogue.asked(row, method, detail.as_deref());
        }
        let Some(detail) = detail else { return };
        self.describe_session(source, method, &detail);
        if let Some(http) = way.http.and_then(|http| self.store.http.get_mut(http)) {
            http.mark(MODERN, detail.modern);
        }
        if let Some(round) = detail.round {
            self.links.open_round(row, round);
        }
        if let Some(extra) = self.store.extra_mut(row) {
            extra.task = detail.becomes_task;
        }
    }

    /// Notes a greeting while the server is silent.
    fn greets(&mut self, row: RowId, method: &str) {
        let greets = matches!(method, methods::INITIALIZE | methods::DISCOVER);
        if greets && self.counters.server_messages == 0 {
            self.greetings.retain(|row| self.store.is_open(*row));
            if self.greetings.len() < MOST_GREETINGS {
                self.greetings.push(row);
            }
        }
    }

    /// Makes the new row a pending exchange that its answer and its progress will find.
    fn open_exchange(&mut self, row: RowId, id: &str, token: Option<&str>, replay_of: Option<u64>) {
        let id_text = self.store.texts.keep(&abridged(id));
        let token_text = match token {
            Some(token) if token == id => id_text,
            Some(token) => self.store.texts.keep(&abridged(token)),
            None => Default::default(),
        };
        let key = self.call_key(row);
        let previous_call = if self.store.first_round(row) == row {
            self.stats.begin(key, row)
        } else {
            self.stats.go_on(key);
            NONE
        };
        let replayed = self.original(row, replay_of);
        if let Some(extra) = self.store.make_extra(row) {
            extra.id = id_text;
            extra.token = token_text;
            extra.previous_call = previous_call;
        }
        if let Some(original) = replayed {
            self.store.set_replay_of(row, original);
        }
        if let Some(Party::Client | Party::Server) = self.store.row(row).map(|row| row.from) {
            self.longest_id = self.longest_id.max(id.trim_matches('"').len());
        }
        self.set_status(row, Status::Pending);
        let scope = self.store.scope(row);
        self.links.add_id(&mut self.store, scope, id, row);
        if token.is_some() {
            self.links.add_token(&self.store, row);
        }
    }

    /// The call whose questions the new request answers. It becomes the next round of the call, unless another went on
    /// with it before.
    fn answered_round(&mut self, row: RowId, detail: Option<&RequestDetail>) -> Option<RowId> {
        let round = detail?.round.filter(|round| round.retry)?;
        let ((method, name), session) = (self.call_key(row), self.store.row(row)?.session);
        let asked = self.links.answered_round(session, method, name, round)?;
        let call = self.store.first_round(asked);
        let newest = self.store.row(self.store.newest_round(call))?;
        if newest.status == Status::InputRequired {
            self.store.add_round(call, row);
        }
        Some(call)
    }

    /// The exchange that a new request belongs under.
    fn cause(
        &mut self,
        scope: Scope,
        http: Option<u32>,
        method: &str,
        detail: Option<&RequestDetail>,
    ) -> Option<RowId> {
        if let Some(task) = detail.and_then(|detail| detail.task.as_deref())
            && let Some(parent) = self.links.by_task(scope.session, task)
        {
            return Some(parent);
        }
        // A ping is caused by a clock, not by a call.
        if scope.side == Side::Client || method == methods::PING {
            return None;
        }
        let client = Scope {
            side: Side::Client,
            ..scope
        };
        if let Some(call) = self.asked_with(http, client, |store, row| store.is_open(row)) {
            return Some(call);
        }
        let mut in_flight = self
            .open
            .range((client, 0)..=(client, NONE))
            .map(|&(_, row)| row)
            .filter(|&row| self.store.is_exchange(row));
        let candidates: Vec<RowId> = in_flight.by_ref().take(MOST_CANDIDATES).collect();
        if in_flight.next().is_some() {
            return None;
        }
        let only = |keep: &dyn Fn(RowId) -> bool| {
            let mut kept = candidates.iter().copied().filter(|&row| keep(row));
            kept.next().filter(|_| kept.next().is_none())
        };
        only(&|_| true)
            .or_else(|| only(&|row| self.is_call(row)))
            .or_else(|| only(&|row| self.is_call(row) && self.store.has_progress(row)))
    }

    /// Whether it is a call: while servers work on one, they may ask the client for things.
    pub(in crate::traffic) fn is_call(&self, row: RowId) -> bool {
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

    fn describe_session(&mut self, source: Source, method: &str, detail: &RequestDetail) {
        let Some(session) = self.sessions.at(source.session, source.at) else {
            return;
        };
        // Who is refused as modern greets in the old way.
        let proposes = matches!(method, methods::INITIALIZE | methods::DISCOVER);
        session.modern =
            detail.modern && !proposes || session.modern && method != methods::INITIALIZE;
        // The operator's calls beside a client must not rename that client.
        if source.from == Party::Operator && session.by != "operator" {
            return;
        }
        if let Some(client) = &detail.client
            && session.client.as_deref() != Some(client)
        {
            session.client = Some(client.to_string());
        }
        // What a greeting proposes holds once the server agrees.
        if let Some(version) = detail.protocol_version.as_ref().filter(|_| !proposes)
            && session.protocol_version.as_deref() != Some(version)
        {
            session.protocol_version = Some(version.to_string());
        }
    }
}
