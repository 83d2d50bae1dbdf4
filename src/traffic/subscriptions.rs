//! Who is subscribed to which resources, and which have changed since they were read.

use super::catalogue::LONGEST_NAME;
use super::summary::ACKNOWLEDGED;
use super::{Row, RowId, Status, Traffic};
use crate::mcp::methods;
use crate::tap::{Party, Timestamp};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// URIs whose changes are remembered; of more, those that changed last.
const MOST_URIS: usize = 1000;
/// Calls looked at to find one of the operator's, or one that was answered.
const MOST_CALLS: usize = 32;
/// A kind that the summary of an acknowledgement lists, where the wish for one resource is taken on (see `summary`).
const TAKEN_ON: &str = "1 resourceSubscriptions";

/// The newest notification of each URI that changed.
#[derive(Debug, Default)]
pub struct Updates {
    rows: BTreeMap<Arc<str>, RowId>,
    /// The same by age.
    uris: BTreeMap<RowId, Arc<str>>,
}

impl Updates {
    pub fn note(&mut self, uri: &str, row: RowId) {
        if uri.len() > LONGEST_NAME {
            return;
        }
        let uri = Arc::<str>::from(uri);
        if let Some(before) = self.rows.insert(Arc::clone(&uri), row) {
            self.uris.remove(&before);
        }
        self.uris.insert(row, uri);
        if self.uris.len() > MOST_URIS
            && let Some((_, oldest)) = self.uris.pop_first()
        {
            self.rows.remove(&oldest);
        }
    }

    /// The newest that was about this resource, or about a part of it (specification 2025-11-25, schema).
    fn of(&self, uri: &str) -> Option<RowId> {
        let from = (Bound::Included(uri), Bound::Unbounded);
        let parts = self.rows.range::<str, _>(from);
        let parts = parts.take_while(|(other, _)| other.starts_with(uri));
        let is_part = |other: &str| {
            let rest = &other[uri.len()..];
            rest.is_empty() || rest.starts_with('/') || uri.ends_with('/')
        };
        parts
            .filter(|(other, _)| is_part(other))
            .map(|(_, row)| *row)
            .max()
    }
}

impl Traffic {
    /// The request of the operator's by which the server tells of changes of this resource now.
    pub fn own_subscription(&self, uri: &str) -> Option<Row<'_>> {
        self.subscription_by(Party::Operator, uri)
    }

    /// Whether a client is told of them.
    pub fn is_client_subscribed(&self, uri: &str) -> bool {
        self.subscription_by(Party::Client, uri).is_some()
    }

    fn subscription_by(&self, by: Party, uri: &str) -> Option<Row<'_>> {
        let is_its = |row: &Row<'_>, status| row.from == by && row.status == status;
        let listens = self.newest_call(methods::LISTEN, uri, |row| {
            is_its(row, Status::Streaming) && self.is_taken_on(row.id)
        });
        let ended = |subscribed: &Row<'_>| {
            self.newest_call(methods::RESOURCES_UNSUBSCRIBE, uri, |row| {
                is_its(row, Status::Ok)
                    && row.session == subscribed.session
                    && row.id > subscribed.id
            })
        };
        let subscribed = || {
            self.newest_call(methods::RESOURCES_SUBSCRIBE, uri, |row| {
                let session = self.sessions.get(row.session.0);
                is_its(row, Status::Ok)
                    && session.is_some_and(|session| session.closed_at.is_none())
                    && ended(row).is_none()
            })
        };
        listens.or_else(subscribed)
    }

    /// Whether the server has said that it tells of the one resource that was asked for.
    fn is_taken_on(&self, listen: RowId) -> bool {
        let rows = self.children(listen).filter_map(|row| self.row(row));
        let mut words = rows.filter(|row| row.method == ACKNOWLEDGED);
        let kinds = words.next().map(|row| row.summary.split(", "));
        kinds.is_some_and(|mut kinds| kinds.any(|kind| kind == TAKEN_ON))
    }

    /// When this resource changed, if nobody has read it since.
    pub fn changed_since_read(&self, uri: &str) -> Option<Timestamp> {
        let update = self.updates.of(uri)?;
        let read = self.newest_call(methods::RESOURCES_READ, uri, |row| row.status == Status::Ok);
        let is_newer = read.is_none_or(|read| read.id < update);
        self.row(update).filter(|_| is_newer).map(|row| row.at)
    }

    fn newest_call(
        &self,
        method: &str,
        name: &str,
        wanted: impl Fn(&Row<'_>) -> bool,
    ) -> Option<Row<'_>> {
        let mut calls = self.calls_of(method, name, MOST_CALLS).into_iter();
        calls.find_map(|row| self.row(row).filter(|row| wanted(row)))
    }
}
