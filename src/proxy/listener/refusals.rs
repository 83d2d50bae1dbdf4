//! What the listener keeps out, on record: the operator sees why a client fails, and a flood of them fills no disk.

use super::guard::Refusal;
use crate::proxy::exchange::Exchange;
use crate::proxy::live::Roster;
use crate::tap::{Body, Event, Half, Party, Request, Response, SessionId, Tap, Timestamp};
use http::request::Parts;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many are told within this time; more are counted.
const TOLD: u64 = 20;
const WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Refusals {
    tap: Tap,
    roster: Arc<Roster>,
    recent: Mutex<Recent>,
}

#[derive(Debug)]
struct Recent {
    since: Instant,
    told: u64,
    untold: u64,
}

impl Refusals {
    pub(super) fn new(tap: Tap, roster: Arc<Roster>) -> Self {
        let recent = Mutex::new(Recent {
            since: Instant::now(),
            told: 0,
            untold: 0,
        });
        Self {
            tap,
            roster,
            recent,
        }
    }

    /// A request that was answered by us.
    pub(super) fn request(&self, asked: &Parts, peer: SocketAddr, refusal: &Refusal) {
        if !self.is_told() {
            return;
        }
        let exchange = Exchange {
            tap: self.tap.clone(),
            session: SessionId::NONE,
            id: self.roster.exchange(),
        };
        let (method, target) = (asked.method.clone(), asked.uri.to_string());
        exchange.request(Request::new(Party::Client, method, &target, &asked.headers));
        let headers = refusal.headers();
        exchange.response(Response::new(Party::Sentinel, refusal.status, &headers));
        exchange.end(Half::Response, None, None);
        self.note(format!(
            "refused {} {} of {peer} with {}: {}",
            asked.method,
            asked.uri.path(),
            refusal.status.as_u16(),
            refusal.reason
        ));
        self.tap.wake();
    }

    /// Something else that went wrong before there was a request.
    pub(super) fn trouble(&self, what: impl FnOnce() -> String) {
        if self.is_told() {
            self.note(what());
            self.tap.wake();
        }
    }

    /// Tells how many have not been told.
    pub(super) fn finish(&self) {
        self.tell_untold(&mut self.recent());
        self.tap.wake();
    }

    /// Whether there is room to tell one more.
    fn is_told(&self) -> bool {
        let mut recent = self.recent();
        if recent.since.elapsed() > WITHIN {
            self.tell_untold(&mut recent);
            recent.told = 0;
            recent.since = Instant::now();
        }
        if recent.told < TOLD {
            recent.told += 1;
            return true;
        }
        recent.untold += 1;
        false
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_untold(&self, recent: &mut Recent) {
        match std::mem::take(&mut recent.untold) {
            0 => {}
            untold => self.note(format!("{untold} more requests were refused")),
        }
    }

    fn note(&self, text: String) {
        self.tap.push(Event {
            at: Timestamp::now(),
            session: SessionId::NONE,
            body: Body::Note { text },
        });
    }
}
