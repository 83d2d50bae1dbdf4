//! Whether what was asked in an exchange came to nothing: HTTP refused it, and no message says so.
//!
//! The screen's rule, as far as one exchange can tell. The screen also takes a request for failed that a response
//! below 400 does not answer, and takes that back when the answer comes another way; that is left out here, as is what
//! was cancelled or answered elsewhere.

use super::Content;
use super::body::Found;
use crate::capture::tally::{Failed, Tally};
use crate::tap::{Half, Request, Response};
use http::{Method, StatusCode};

/// What an exchange has come to so far.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    status: StatusCode,
    /// A bridge asks for somebody else, whom it answers itself.
    is_on_behalf: bool,
    requests: u64,
    notifications: u64,
    answers: u64,
}

impl Outcome {
    pub fn asked(&mut self, head: &Request) {
        // A bridge makes all of it.
        self.is_on_behalf = head.headers().is_empty() && head.method == Method::POST;
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
            (Some(tally), _) => *tally,
            (None, Content::Here(text)) => Tally::of(text),
            (None, Content::Spooled(text)) => text.tally,
        };
        match of {
            Half::Request => {
                self.requests += tally.requests;
                self.notifications += tally.notifications;
            }
            Half::Response => self.answers += tally.answers,
        }
    }

    /// An answer came by itself. Only one that tells of a failure comes with a refusal: the others are not read.
    pub fn carried(&mut self, message: &[u8]) {
        if memchr::memmem::find(message, b"\"error\"").is_some() {
            self.answers += Tally::of(message).answers;
        }
    }

    /// What failed without a message that says so, now that the response is over.
    pub fn failed(&self) -> Failed {
        let errors = match self.requests + self.notifications {
            _ if self.is_on_behalf || !self.is_refusal() => 0,
            // Of what is no message, a refusal may be how things go: no stream here, a token first.
            0 => u64::from(self.status.is_server_error()),
            _ => self.requests.saturating_sub(self.answers) + self.notifications,
        };
        Failed {
            errors,
            ..Failed::default()
        }
    }

    fn is_refusal(&self) -> bool {
        self.status.as_u16() >= 400
    }
}
