//! Whether a client has come far enough for the operator to speak in its session, and which era it speaks with the
//! server.
//!
//! Looks at the first few messages that the client sends, after they have been forwarded, and at none after that.

use crate::mcp::{headers, methods};
use crate::wire::envelope::{Envelope, Frame, parse};
use crate::wire::framing::LineSplitter;
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A client that has not shaken hands by then does not mean to.
const LINES: usize = 64;
const BYTES: usize = 1024 * 1024;

/// What a server is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spoken {
    Legacy,
    /// With this version of the protocol.
    Modern(String),
}

/// Whether a session's handshake is over; shared by those who watch it and those who wait for it.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    over: Arc<AtomicBool>,
    /// What the server was spoken to first in the newest session with it that tells.
    spoken: Arc<Mutex<Option<Spoken>>>,
}

impl Readiness {
    /// That of another session with the same server.
    pub fn another(&self) -> Self {
        Self {
            over: Arc::default(),
            spoken: self.spoken.clone(),
        }
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub fn set_over(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub fn set_spoken(&self, spoken: Spoken) {
        *self.locked() = Some(spoken);
    }

    pub fn spoken(&self) -> Option<Spoken> {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Option<Spoken>> {
        self.spoken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub struct Watch {
    lines: LineSplitter,
    left: usize,
    seen: Readiness,
}

impl Watch {
    /// Tells `seen` when the handshake is over: `notifications/initialized`, or a message of the modern era, which
    /// has no handshake. `server/discover` only asks which of the two it will be.
    pub fn new(seen: Readiness) -> Self {
        Self {
            lines: LineSplitter::default(),
            left: LINES,
            seen,
        }
    }

    pub fn look(&mut self, chunk: &Bytes) {
        if self.left == 0 {
            return;
        }
        let (left, mut spoken) = (&mut self.left, None);
        self.lines.push(chunk.clone(), |line| {
            if *left > 0 {
                *left -= 1;
                spoken = spoken.take().or_else(|| spoken_past_handshake(&line));
            }
        });
        if spoken.is_some() || self.left == 0 || self.lines.pending() > BYTES {
            self.left = 0;
            self.lines = LineSplitter::default();
            if let Some(spoken) = spoken {
                self.seen.set_spoken(spoken);
            }
            self.seen.set_over();
        }
    }
}

fn spoken_past_handshake(line: &[u8]) -> Option<Spoken> {
    match parse(line) {
        Frame::Message(message) => spoken(&message),
        Frame::Batch(messages) => messages.iter().find_map(spoken),
        _ => None,
    }
}

fn spoken(message: &Envelope<'_>) -> Option<Spoken> {
    match message.method.as_deref() {
        Some(methods::INITIALIZED) => Some(Spoken::Legacy),
        Some(methods::DISCOVER) => None,
        _ => headers::modern_version(message).map(|it| Spoken::Modern(it.into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen_after(chunks: &[&str]) -> bool {
        watched(chunks).is_over()
    }

    fn watched(chunks: &[&str]) -> Readiness {
        let seen = Readiness::default();
        let mut watch = Watch::new(seen.clone());
        for chunk in chunks {
            watch.look(&Bytes::copy_from_slice(chunk.as_bytes()));
        }
        seen
    }

    const INITIALIZE: &str =
        "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{}}\n";

    #[test]
    fn initialize_alone_is_not_the_end_of_the_handshake() {
        assert!(!seen_after(&[INITIALIZE]));
    }

    #[test]
    fn initialized_ends_the_handshake_however_it_is_cut() {
        let line = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";
        assert!(seen_after(&[INITIALIZE, line]));
        assert!(seen_after(&[INITIALIZE, &line[..20], &line[20..]]));
        assert_eq!(watched(&[line]).spoken(), Some(Spoken::Legacy));
    }

    #[test]
    fn a_message_of_the_modern_era_needs_no_handshake() {
        let line = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}}}\n";
        assert!(seen_after(&[line]));
        let spoken = Spoken::Modern("2026-07-28".into());
        assert_eq!(watched(&[line]).another().spoken(), Some(spoken));
        assert!(!watched(&[line]).another().is_over());
    }

    #[test]
    fn a_client_that_only_asks_for_the_era_may_still_shake_hands() {
        let line = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\",\"params\":{\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}}}\n";
        assert!(!seen_after(&[line, INITIALIZE]));
    }

    #[test]
    fn a_client_that_shakes_no_hands_is_not_watched_for_ever() {
        let line = "{\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n";
        assert!(!seen_after(&[line; LINES - 1]));
        assert!(seen_after(&[line; LINES]));
    }
}
