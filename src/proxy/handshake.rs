//! Whether a client has come far enough for the operator to speak in its session.
//!
//! Looks at the first few messages that the client sends, after they have been forwarded, and at none after that.

use crate::mcp::methods;
use crate::wire::envelope::{Envelope, Frame, parse};
use crate::wire::framing::LineSplitter;
use crate::wire::object;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A client that has not shaken hands by then does not mean to.
const LINES: usize = 64;
const BYTES: usize = 1024 * 1024;
const VERSION: &[&str] = &["_meta", "io.modelcontextprotocol/protocolVersion"];

#[derive(Debug)]
pub struct Watch {
    lines: LineSplitter,
    left: usize,
    seen: Arc<AtomicBool>,
}

impl Watch {
    /// Sets `seen` when the handshake is over: `notifications/initialized`, or a message of the modern era, which
    /// has no handshake. `server/discover` only asks which of the two it will be.
    pub fn new(seen: Arc<AtomicBool>) -> Self {
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
        let (left, mut over) = (&mut self.left, false);
        self.lines.push(chunk.clone(), |line| {
            if *left > 0 {
                *left -= 1;
                over |= ends_handshake(&line);
            }
        });
        if over || self.left == 0 || self.lines.pending() > BYTES {
            self.left = 0;
            self.lines = LineSplitter::default();
            self.seen.store(true, Ordering::Release);
        }
    }
}

fn ends_handshake(line: &[u8]) -> bool {
    match parse(line) {
        Frame::Message(message) => is_past_handshake(&message),
        Frame::Batch(messages) => messages.iter().any(is_past_handshake),
        _ => false,
    }
}

fn is_past_handshake(message: &Envelope<'_>) -> bool {
    match message.method.as_deref() {
        Some(methods::INITIALIZED) => true,
        Some(methods::DISCOVER) => false,
        _ => message
            .params
            .is_some_and(|params| object::at(params, VERSION).is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen_after(chunks: &[&str]) -> bool {
        let seen = Arc::new(AtomicBool::new(false));
        let mut watch = Watch::new(seen.clone());
        for chunk in chunks {
            watch.look(&Bytes::copy_from_slice(chunk.as_bytes()));
        }
        seen.load(Ordering::Acquire)
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
    }

    #[test]
    fn a_message_of_the_modern_era_needs_no_handshake() {
        let line = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}}}\n";
        assert!(seen_after(&[line]));
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
