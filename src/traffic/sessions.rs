//! The sessions seen, by number.

use super::Session;
use crate::tap::{Closed, Opened, Timestamp};
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
    /// The session with this number; one that we join midway begins with the first thing heard of it.
    pub fn at(&mut self, id: u32, at: i64) -> &mut Session {
        let next = self.all.len();
        let index = *self.by_id.entry(id).or_insert(next);
        if index == next {
            self.all.push(Session {
                id,
                opened_at: Timestamp(at),
                ..Session::default()
            });
        }
        &mut self.all[index]
    }
    pub fn open(&mut self, id: u32, at: i64, opened: &Opened) {
        let session = self.at(id, at);
        session.by.clone_from(&opened.by);
        session.pid = opened.pid;
        session.closed_at = None;
        session.ended = None;
    }
    pub fn close(&mut self, id: u32, at: i64, closed: &Closed) {
        let session = self.at(id, at);
        session.closed_at = Some(Timestamp(at));
        session.ended = Some(in_words(closed));
    }
}

/// `exit status 0`, `signal 9`, and the reason when there is one.
pub fn in_words(closed: &Closed) -> String {
    let how = match (closed.exit, closed.signal) {
        (Some(status), _) => format!("exit status {status}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => String::new(),
    };
    match (how.is_empty(), closed.reason.is_empty()) {
        (false, false) => format!("{}, {how}", closed.reason),
        (true, true) => "closed".into(),
        (true, false) => closed.reason.clone(),
        (false, true) => how,
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
        assert_eq!(
            closed(None, Some(9), "server was killed"),
            "server was killed, signal 9"
        );
        assert_eq!(closed(None, None, ""), "closed");
    }
}
