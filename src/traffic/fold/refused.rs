//! What HTTP refused: which error says why, and what the client does to be let in.

use crate::tap::SessionId;
use crate::traffic::http::{HttpData, is_authorization};
use crate::traffic::storage::{RowData, Symbol};
use crate::traffic::store::Source;
use crate::traffic::{Role, RowId, RowKind, Traffic};

/// Refusals that may still be followed by what gets the client in.
const MOST_CHALLENGES: usize = 16;

/// What was refused until the client is authorized, newest last.
#[derive(Debug, Default)]
pub struct Challenges(Vec<Challenge>);

#[derive(Debug, Clone, Copy)]
struct Challenge {
    session: u32,
    /// The row that was refused; what follows is nested under it.
    refused: RowId,
    call: (Symbol, Symbol),
}

impl Traffic {
    /// Whether an error that answers no request is one more of what failed. In the refusal of what is no message, it
    /// says why there is no stream, say; what we asked again has failed as it was asked first.
    pub(super) fn explains(&mut self, http: Option<u32>) -> bool {
        let data = http.and_then(|index| self.store.http.get(index));
        let Some(data) = data.filter(|data| data.is_refused()) else {
            return true;
        };
        let explains = self.store.symbol(data.method) == "POST" && !self.is_ours(data.row);
        if explains && let Some(data) = http.and_then(|index| self.store.http.get_mut(index)) {
            data.explain();
        }
        explains
    }

    /// Something failed with this HTTP exchange. Whether an error that says why is counted in its place.
    pub(super) fn take_explanation(&mut self, index: u32) -> bool {
        let data = self.store.http.get_mut(index);
        data.is_some_and(HttpData::take_explanation)
    }

    /// Whether an error that answers no request is what the only row of a refused exchange was refused with.
    pub(super) fn refused(
        &mut self,
        source: Source,
        http: Option<u32>,
        is_kept: bool,
        why: &str,
    ) -> bool {
        let Some((index, data)) = http.and_then(|it| Some((it, self.store.http.get(it)?))) else {
            return false;
        };
        let (row, is_refused) = (data.row, data.is_refused());
        let is_only = self.rows_with(index).nth(1).is_none();
        let role = match self.kind(row) {
            Some(RowKind::Http) => Role::Line,
            Some(RowKind::Notification | RowKind::Garbage) if is_kept => Role::WithheldAnswer,
            Some(RowKind::Notification | RowKind::Garbage) => Role::Answer,
            _ => return false,
        };
        if !is_refused || !is_only {
            return false;
        }
        self.store.attach(row, role, source);
        let why = self.store.texts.keep(why);
        if role == Role::Line
            && let Some(data) = self.store.row_mut(row)
        {
            data.summary = why;
        } else if let Some(extra) = self.store.extra_mut(row) {
            extra.outcome = why;
        }
        self.changes.note(row);
        true
    }

    /// The row was refused: what the client does to be let in, and its next try, belong under it.
    pub(super) fn challenged(&mut self, row: RowId) {
        // At the door, the next to come may be anybody.
        let of_session = |data: &&RowData| SessionId(data.session) != SessionId::NONE;
        let Some(data) = self.store.row(row).filter(of_session) else {
            return;
        };
        // Refused again: still the same story.
        let before = self.store.row(data.parent).map(|_| data.parent);
        let was_refused = |&row: &RowId| {
            let http = self.store.row(row).and_then(|row| self.store.http_of(row));
            http.is_some_and(|http| matches!(http.status, 401 | 403))
        };
        let challenge = Challenge {
            session: data.session,
            refused: before.filter(was_refused).unwrap_or(row),
            call: (data.method, data.name),
        };
        let list = &mut self.challenges.0;
        list.retain(|other| other.refused != challenge.refused);
        if list.len() == MOST_CHALLENGES {
            list.remove(0);
        }
        list.push(challenge);
    }

    /// The refused row that the new one tries again.
    pub(super) fn retried(&mut self, row: RowId) -> Option<RowId> {
        if self.challenges.0.is_empty() {
            return None;
        }
        let (call, session) = (self.call_key(row), self.store.row(row)?.session);
        let list = &mut self.challenges.0;
        let at = list
            .iter()
            .rposition(|other| other.call == call && other.session == session)?;
        Some(list.remove(at).refused)
    }

    /// The refused row that the new one, which asks for a way in, belongs to.
    pub(super) fn authorizes(&self, row: RowId) -> Option<RowId> {
        let data = self.store.row(row)?;
        let list = &self.challenges.0;
        let latest = list
            .last()
            .filter(|_| is_authorization(self.store.symbol(data.name)))?;
        let here = list.iter().rfind(|other| other.session == data.session);
        Some(here.unwrap_or(latest).refused)
    }
}
