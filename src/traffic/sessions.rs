//! The sessions seen, by number.

use super::Session;
use crate::tap::{Closed, Opened, SessionId, Timestamp};
use std::collections::HashMap;

#[derive(Debug, Default)]
pub struct Sessions {
    all: Vec<Session>,
    by_id: HashMap<u32, usize>,
}

impl Sessions {
    pub fn all(&self) -> &[Session] {
        &self.all
    }
    pub fn get(&self, id: u32) -> Option<&Session> {
        self.all.get(*self.by_id.get(&id)?)
    }
    /// The session with this number; one that we join midway begins with the first thing heard of it. None for what
    /// belongs to no session.
    pub fn at(&mut self, id: u32, at: i64) -> Option<&mut Session> {
        if SessionId(id) == SessionId::NONE {
            return None;
        }
        let next = self.all.len();
        let index = *self.by_id.entry(id).or_insert(next);
        if index == next {
            self.all.push(Session {
                id,
                opened_at: Timestamp(at),
                ..Session::default()
            });
        }
        self.all.get_mut(index)
    }
    pub fn open(&mut self, id: u32, at: i64, opened: &Opened) {
        let Some(session) = self.at(id, at) else {
            return;
        };
        session.by.clone_from(&opened.by);
        session.transport.clone_from(&opened.transport);
        session.pid = opened.pid;
        session.closed_at = None;
        session.ended = None;
        (session.failed, session.cut_off) = (false, false);
    }
    /// What is open ends here.
    pub fn cut_off(&mut self, at: Timestamp, how: &str) {
        for session in self.all.iter_mut().filter(|it| it.closed_at.is_none()) {
            session.closed_at = Some(at);
            session.ended = Some(how.to_owned());
            session.cut_off = true;
        }
    }
    pub fn close(&mut self, id: u32, at: i64, closed: &Closed) {
        if let Some(session) = self.at(id, at) {
            session.closed_at = Some(Timestamp(at));
            session.ended = Some(in_words(closed));
            session.failed = failed(closed, session);
            session.cut_off = false;
        }
    }
}

/// Servers are ended with these signals once their clients have left; nobody ends the operator's session while it is
/// looked at.
fn failed(closed: &Closed, session: &Session) -> bool {
    let (kill, terminate) = (9, 15);
    session.by == "operator"
        || closed.exit.is_some_and(|status| status != 0)
        || closed
            .signal
            .is_some_and(|signal| signal != kill && signal != terminate)
}

/// The reason when there is one (it is a sentence of ours), otherwise `exit status 0` or `signal 9`.
pub fn in_words(closed: &Closed) -> String {
    match (closed.exit, closed.signal) {
        _ if !closed.reason.is_empty() => closed.reason.clone(),
        (Some(status), _) => format!("exit status {status}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "closed".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_in_words() {
        let closed = |exit, signal, reason: &str| {
            in_words(&Closed {
                exit,
                signal,
                reason: reason.into(),
            })
        };
        assert_eq!(closed(Some(0), None, ""), "exit status 0");
        assert_eq!(closed(None, Some(9), ""), "signal 9");
        assert_eq!(
            closed(None, Some(9), "the server was killed"),
            "the server was killed"
        );
        assert_eq!(closed(None, None, ""), "closed");
    }

    #[test]
    fn a_session_fails_unless_its_client_leaves_or_its_server_goes_in_peace() {
        let ended = |by: &str, exit, signal| {
            let mut sessions = Sessions::default();
            let by = by.to_owned();
            let opened = Opened {
                by,
                ..Opened::default()
            };
            sessions.open(1, 0, &opened);
            let closed = Closed {
                exit,
                signal,
                ..Closed::default()
            };
            sessions.close(1, 1, &closed);
            sessions.all[0].failed
        };
        assert!(ended("client", Some(3), None) && ended("client", None, Some(6)));
        assert!(!ended("client", Some(0), None) && !ended("client", None, Some(15)));
        assert!(ended("operator", Some(0), None));
    }
}
