//! What of a server's stream is not for the client, taken out of it line by line.
//!
//! Knows lines and who judges them; must not know where they are written.

use super::super::gate::{Gate, Patience, Split, Verdict};
use super::Lane;
use crate::tap::Body;
use crate::wire::framing::LineSplitter;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// Cuts the server's stream into lines and takes out those that are not for the client.
#[derive(Debug)]
pub(super) struct Sieve {
    lane: Lane,
    gate: Arc<Gate>,
    lines: LineSplitter,
    /// The line that is under way has been forwarded in part: the rest of it follows unseen.
    mid_line: bool,
    patience: Patience,
}

impl Sieve {
    pub(super) fn new(lane: Lane, gate: Arc<Gate>) -> Self {
        Self {
            lane,
            gate,
            lines: LineSplitter::default(),
            mid_line: false,
            patience: Patience::default(),
        }
    }

    /// Notes that a chunk went by unsifted.
    pub(super) fn passed(&mut self, chunk: &[u8]) {
        self.mid_line = chunk.last() != Some(&b'\n');
    }

    /// Records every complete line of `chunk`, and returns what the client gets of them.
    pub(super) fn sift(&mut self, mut chunk: Bytes) -> Bytes {
        let mut passing = BytesMut::new();
        if self.mid_line {
            let end = memchr::memchr(b'\n', &chunk).map_or(chunk.len(), |end| end + 1);
            let begun = chunk.split_to(end);
            self.passed(&begun);
            self.lane.stream(&begun);
            passing.extend_from_slice(&begun);
        }
        self.lines.push(chunk, |line| {
            let verdict = self.gate.judge(&line);
            deliver(line, verdict, &self.lane, &mut passing);
        });
        if self.patience.ends(self.lines.begun(), &self.gate) {
            passing.extend_from_slice(&self.let_through());
        }
        passing.freeze()
    }

    /// Gives up on an unfinished line: it is nothing of the operator's.
    fn let_through(&mut self) -> Bytes {
        let begun = self.lines.finish().unwrap_or_default();
        self.mid_line = !begun.is_empty();
        self.lane.stream(&begun);
        begun
    }

    /// What the client gets of a last line without a line end.
    pub(super) fn finish(&mut self) -> Bytes {
        let mut passing = BytesMut::new();
        if let Some(line) = self.lines.finish() {
            let verdict = self.gate.judge_last(&line);
            deliver(line, verdict, &self.lane, &mut passing);
        }
        passing.freeze()
    }
}

impl Drop for Sieve {
    /// What was held for a client that is gone has come nevertheless.
    fn drop(&mut self) {
        if !self.lines.begun().is_empty() {
            self.finish();
            self.lane.tap.wake();
        }
    }
}

/// Records one line as what it is, and appends it to what the client gets when it is the client's.
fn deliver(line: Bytes, verdict: Verdict, lane: &Lane, passing: &mut BytesMut) {
    match verdict {
        Verdict::Pass => {
            lane.stream(&line);
            passing.extend_from_slice(&line);
        }
        Verdict::Asked => lane.stream(&line),
        Verdict::Operator => lane.for_operator(line),
        Verdict::Both(split) => {
            lane.for_operator(split.for_operator(&line));
            let rest = split.for_client(&line);
            lane.stream(&rest);
            lane.push(Body::Note {
                text: Split::NOTE.into(),
            });
            passing.extend_from_slice(&rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::gate::Owner;
    use super::super::tests::lane;
    use super::*;
    use crate::tap::Tap;
    use proptest::prelude::*;

    /// What the client gets of a stream that arrives in these chunks.
    fn sifted<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, gate: &Arc<Gate>) -> Vec<u8> {
        let (mut sieve, mut passed) = (Sieve::new(lane(), gate.clone()), Vec::new());
        for chunk in chunks {
            passed.extend(sieve.sift(Bytes::copy_from_slice(chunk)));
        }
        passed.extend(sieve.finish());
        passed
    }

    proptest! {
        #[test]
        fn whatever_is_not_the_operators_passes_unchanged(
            stream in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'{'), any::<u8>()], 0..400),
            size in 1_usize..50,
        ) {
            let gate = Arc::new(Gate::new(Owner::Client));
            gate.fresh_id();
            prop_assert_eq!(sifted(stream.chunks(size), &gate), stream);
        }

        #[test]
        fn an_answer_to_the_operator_is_taken_out_however_it_is_cut(size in 1_usize..120) {
            let gate = Arc::new(Gate::new(Owner::Client));
            let id = gate.fresh_id();
            let (before, after) = ("{\"id\":1,\"result\":{}}\r\nnot json\n", "{\"id\":2,\"result\":1.0}");
            let stream = format!("{before}{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n{after}");
            let rest = format!("{before}{after}");
            prop_assert_eq!(sifted(stream.as_bytes().chunks(size), &gate), rest.into_bytes());
        }
    }

    #[test]
    fn a_recorder_that_sleeps_hears_of_what_was_held() {
        let (tap, recorder) = Tap::of_sleeper();
        let gate = Arc::new(Gate::new(Owner::Client));
        gate.fresh_id();
        let lane = Lane {
            tap: tap.clone(),
            ..lane()
        };
        let mut sieve = Sieve::new(lane, gate);
        assert!(sieve.sift(Bytes::from_static(b"half")).is_empty());
        drop(sieve);
        assert!(!tap.is_asleep());
        recorder.join().unwrap();
    }

    #[test]
    fn the_rest_of_a_line_that_is_half_forwarded_follows_at_once() {
        let gate = Arc::new(Gate::new(Owner::Client));
        gate.fresh_id();
        let mut sieve = Sieve::new(lane(), gate.clone());
        sieve.passed(b"{\"half\":");
        let chunk = Bytes::from_static(b"true");
        assert_eq!(sieve.sift(chunk), &b"true"[..]);
        let chunk = Bytes::from_static(b"}\n{\"held");
        assert_eq!(sieve.sift(chunk), &b"}\n"[..]);
    }

    #[test]
    fn a_long_answer_to_the_operator_is_taken_out_also_when_it_comes_again() {
        let gate = Arc::new(Gate::new(Owner::Client));
        let id = gate.fresh_id();
        let long = "x".repeat(2 << 16);
        let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":\"{long}\"}}\n");
        let behind = format!("{{\"jsonrpc\":\"2.0\",\"result\":\"{long}\",\"id\":{id}}}\n");
        let theirs = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"{long}\"}}\n");
        let stream = format!("{answer}{answer}{behind}{theirs}");
        let passed = sifted(stream.as_bytes().chunks(1000), &gate);
        assert!(passed == theirs.as_bytes());
    }

    #[test]
    fn an_answer_to_the_operator_that_breaks_off_is_kept_from_the_client() {
        let gate = Arc::new(Gate::new(Owner::Client));
        let id = gate.fresh_id();
        let theirs = "{\"id\":1,\"result\":{}}\n{\"id\":2,\"res";
        assert_eq!(sifted([theirs.as_bytes()], &gate), theirs.as_bytes());
        let (theirs, _) = theirs.split_at(theirs.find('\n').unwrap() + 1);
        let torn = format!("{theirs}{{\"id\":{id},\"res");
        assert_eq!(sifted([torn.as_bytes()], &gate), theirs.as_bytes());
    }

    #[test]
    fn a_long_line_is_held_back_only_while_an_answer_is_due() {
        let gate = Arc::new(Gate::new(Owner::Client));
        let id = gate.fresh_id();
        let mut sieve = Sieve::new(lane(), gate.clone());
        let long = Bytes::from(vec![b'x'; 1 << 17]);
        assert!(sieve.sift(long.clone()).is_empty());
        gate.forget(&id);
        let passed = sieve.sift(Bytes::from_static(b"y"));
        assert_eq!(passed.len(), long.len() + 1);
        let rest = Bytes::from_static(b"z\n");
        assert_eq!(sieve.sift(rest), &b"z\n"[..]);
    }
}
