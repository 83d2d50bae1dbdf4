//! What recording wants to know of the messages in a text: how many tell of a failure, and whether any is one at all.

use crate::wire::{self, Envelope, Frame, Kind, object};
use std::ops::AddAssign;

/// Answers that say that something went wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Failed {
    /// JSON-RPC error responses.
    pub errors: u64,
    /// Results that say `isError: true`.
    pub tool_errors: u64,
}

impl AddAssign for Failed {
    fn add_assign(&mut self, more: Self) {
        self.errors += more.errors;
        self.tool_errors += more.tool_errors;
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub failed: Failed,
    /// Something in it speaks JSON-RPC.
    pub speaks: bool,
}

impl Tally {
    /// Of one message or batch; nothing of anything else.
    pub fn of(text: &[u8]) -> Self {
        let mut tally = Self::default();
        match wire::parse(text) {
            Frame::Message(message) => tally.count(&message),
            Frame::Batch(batch) => batch.iter().for_each(|it| tally.count(it)),
            Frame::NotJsonRpc | Frame::NotJson(_) | Frame::Blank => {}
        }
        tally
    }

    pub fn count(&mut self, message: &Envelope<'_>) {
        // OAuth has an `error` member, too, and other documents have an `id`.
        self.speaks |= match message.kind() {
            Kind::Request | Kind::Notification | Kind::Result => true,
            Kind::Error => message.version.is_some() || message.id.is_some(),
            Kind::Malformed => message.version.is_some(),
        };
        match message.kind() {
            Kind::Error => self.failed.errors += 1,
            Kind::Result => {
                let says_so = message.result.and_then(|it| object::at(it, &["isError"]));
                self.failed.tool_errors += u64::from(says_so == Some("true"));
            }
            Kind::Request | Kind::Notification | Kind::Malformed => {}
        }
    }
}
