//! How many messages pass where nothing is recorded.

use super::{Body, Party};
use crate::wire::framing::is_blank;
use std::sync::atomic::{AtomicU64, Ordering};

/// Messages by who sent them: each line is one that is not blank, whatever is in it, and a batch, too.
#[derive(Debug, Default)]
pub struct Counts {
    client: AtomicU64,
    server: AtomicU64,
    operator: AtomicU64,
    sentinel: AtomicU64,
}

impl Counts {
    pub fn from(&self, party: Party) -> u64 {
        self.counter(party).load(Ordering::Relaxed)
    }

    pub fn add(&self, party: Party, messages: u64) {
        self.counter(party).fetch_add(messages, Ordering::Relaxed);
    }

    /// Counts an event that is a message. Of a byte stream, who forwards it counts the lines.
    pub(super) fn look(&self, body: &Body) {
        if let Body::Line { from, bytes, .. } = body
            && !is_blank(bytes)
        {
            self.add(*from, 1);
        }
    }

    fn counter(&self, party: Party) -> &AtomicU64 {
        match party {
            Party::Client => &self.client,
            Party::Server => &self.server,
            Party::Operator => &self.operator,
            Party::Sentinel => &self.sentinel,
        }
    }
}
