//! Whether what was asked in an exchange came to nothing: HTTP refused it, and no message says so.
//!
//! The screen has the same rule, and its fold keeps it: what one request failed with is one error. A bridge answers
//! the requests that it was refused itself, and what is asked again is refused when that is. What we ask of our own
//! accord fails for nobody.

use super::Content;
use super::body::Found;
use crate::capture::tally::{Failed, Tally};
use crate::tap::{Half, Party, Request, Response};
use http::{Method, StatusCode};

/// What an exchange has come to so far.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    status: StatusCode,
    /// A bridge asks for somebody else, whom it answers itself.
    is_on_behalf: bool,
    is_ours: bool,
    is_post: bool,
    /// The asking side's messages came by themselves, and not in a body.
    says_so_itself: bool,
    /// It is asked again, or we cancelled it: what comes of it is told elsewhere.
    pub is_settled: bool,
    /// It is a bridge's, and sends a notification again that was refused before.
    pub repeats_notification: bool,
    requests: u64,
    /// As in a [`Tally`].
    asked: Vec<u64>,
    notifications: u64,
    answers: u64,
}

impl Outcome {
    pub fn asked(&mut self, head: &Request) {
        // A bridge makes all of it.
        self.is_post = head.method == Method::POST;
        self.is_on_behalf = head.headers().is_empty() && self.is_post;
        self.is_ours = head.by == Party::Sentinel;
    }

    pub fn answered(&mut self, head: &Response) {
        self.status = head.status;
    }

    /// A body turned out to hold this.
    pub fn found(&mut self, of: Half, found: &Found) {
        let Found::Message { content, tally, .. } = found else {
            return;
        };
        if of == Half::Response && !self.is_refusal() {
            return;
        }
        let tally = match (tally, content) {
            (Some(tally), _) => tally.clone(),
            (None, Content::Here(text)) => Tally::of(text),
            (None, Content::Spooled(text)) => text.tally.clone(),
        };
        match of {
            Half::Request => self.sent(tally),
            Half::Response => self.answers += tally.answers,
        }
    }

    /// A message of the asking side's came by itself.
    pub fn said(&mut self, message: &[u8]) {
        self.says_so_itself = true;
        if self.is_ours {
            return;
        }
        let tally = Tally::of(message);
        match self.is_on_behalf {
            // Of the rest it tells itself.
            true => self.notifications += tally.notifications,
            false => self.sent(tally),
        }
    }

    /// Whether a bridge sends something again with it, now that all of it is sent.
    pub fn repeats(&self) -> bool {
        self.is_on_behalf && self.is_ours && !self.says_so_itself
    }

    /// Whether it was a notification that a bridge sent with it, if a bridge did.
    pub fn is_bridged_notification(&self) -> Option<bool> {
        let is_one = self.notifications > 0 || self.repeats_notification;
        self.is_on_behalf.then_some(is_one)
    }

    fn sent(&mut self, tally: Tally) {
        self.requests += tally.requests;
        self.notifications += tally.notifications;
        self.asked.extend(tally.asked);
    }

    /// What was asked, which the client may have cancelled in another exchange.
    pub fn take_asked(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.asked)
    }

    /// An answer came by itself. Only one that tells of a failure comes with a refusal: the others are not read.
    pub fn carried(&mut self, message: &[u8]) {
        if memchr::memmem::find(message, b"\"error\"").is_some() {
            self.answers += Tally::of(message).answers;
        }
    }

    /// What failed without a message that says so, now that the response is over.
    pub fn failed(&self) -> Failed {
        let is_silent = self.answers == 0;
        let errors = match self.requests + self.notifications {
            _ if self.is_settled || !self.is_refusal() => 0,
            _ if self.is_on_behalf => self.notifications + u64::from(self.repeats_notification),
            // Ours, and in a client's place: what it says is on record with the exchange that it repeats.
            _ if self.is_ours => u64::from(self.is_post && !self.says_so_itself && is_silent),
            // Of what is no message, a refusal may be how things go: no stream here, a token first.
            0 => u64::from(self.status.is_server_error() && (is_silent || !self.is_post)),
            asked => asked.saturating_sub(self.answers),
        };
        Failed {
            errors,
            ..Failed::default()
        }
    }

    /// What is said now of a failure says why there is no stream, say, and not what a message failed with.
    pub fn refuses_no_message(&self) -> bool {
        self.is_refusal() && !self.is_post
    }

    fn is_refusal(&self) -> bool {
        self.status.as_u16() >= 400
    }
}
