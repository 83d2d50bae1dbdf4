//! Event streams of which not every byte is the client's as it is: the old transport's `endpoint` event may name the
//! upstream, and an answer to the operator may come on the client's stream.
//!
//! Works on raw bytes: an event that is the client's passes exactly as it came. Unless something is looked for, chunks
//! pass whole.
//!
//! A stream that comes compressed is not sifted: what is left of it would have to be compressed anew, or its client be
//! made to ask for less than it can take, and a proxy changes neither. Where a stream of the old transport may come, on
//! which alone the operator is answered, it is asked for plain; elsewhere the operator's own posts are, and their answers
//! come there. A server that says something to the operator on a compressed stream of the client's nevertheless says it to
//! the client, too, which has asked nothing of that id.

use super::body::Witness;
use super::rewrite::{self, Places};
use super::sessions::Visit;
use crate::proxy::gate::{Patience, Split, Verdict};
use crate::tap::Party;
use crate::wire::sse::Decoder;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// An `endpoint` event is short, and comes first.
const FIRST: usize = 16 * 1024;

#[derive(Debug)]
pub struct Sieve {
    cutter: Cutter,
    /// The start of an event whose end has not come yet.
    held: BytesMut,
    patience: Patience,
    /// What `endpoint` may have to become, while one may come.
    endpoint: Option<Places>,
    visit: Arc<Visit>,
}

impl Sieve {
    /// `endpoint` is where the stream may be one of the old transport.
    pub fn new(visit: Arc<Visit>, endpoint: Option<Places>) -> Self {
        Self {
            cutter: Cutter::default(),
            held: BytesMut::new(),
            patience: Patience::default(),
            endpoint,
            visit,
        }
    }

    /// Records a chunk as what it is; what the client gets of it, if anything.
    pub fn sift(&mut self, chunk: Bytes, witness: &Witness) -> Option<Bytes> {
        if !self.looks() && self.held.is_empty() {
            self.cutter.pass(&chunk);
            witness.saw(&chunk);
            return Some(chunk);
        }
        let mut passing = BytesMut::new();
        let mut rest = chunk;
        if self.held.is_empty() {
            let line_end = rest.split_to(self.cutter.rest_of_line_end(&rest));
            if !line_end.is_empty() {
                witness.saw(&line_end);
                passing.extend_from_slice(&line_end);
            }
        }
        while !rest.is_empty() {
            let begun = self.cutter.passed_on;
            let end = self.cutter.next_end(&rest);
            let piece = rest.split_to(end.unwrap_or(rest.len()));
            if begun {
                // Its beginning has gone by unseen.
                witness.saw(&piece);
                passing.extend_from_slice(&piece);
                continue;
            }
            self.held.extend_from_slice(&piece);
            if end.is_some() {
                let event = self.held.split().freeze();
                self.deliver(event, witness, &mut passing);
            }
        }
        if self.held.len() > FIRST {
            self.endpoint = None;
        }
        let gate = &self.visit.session.live.gate;
        if !self.looks() || self.patience.ends(&self.held, gate) {
            self.let_through(witness, &mut passing);
        }
        (!passing.is_empty()).then(|| passing.freeze())
    }

    /// What the client gets of an event that never ended.
    pub fn finish(&mut self, witness: &Witness) -> Option<Bytes> {
        let mut passing = BytesMut::new();
        let (mut decoder, mut data) = (Decoder::default(), None);
        for bytes in [&self.held[..], b"\n\n"] {
            decoder.push(bytes, |event| data = event.data);
        }
        match data {
            Some(data) if self.visit.session.live.gate.judge_last(&data) == Verdict::Operator => {
                self.held.clear();
                for_operator(data, None, witness);
            }
            _ => self.let_through(witness, &mut passing),
        }
        (!passing.is_empty()).then(|| passing.freeze())
    }

    fn looks(&self) -> bool {
        self.endpoint.is_some() || self.visit.session.live.gate.is_closed()
    }

    fn let_through(&mut self, witness: &Witness, passing: &mut BytesMut) {
        if !self.held.is_empty() {
            let begun = self.held.split().freeze();
            witness.saw(&begun);
            passing.extend_from_slice(&begun);
            self.cutter.passed_on = true;
        }
    }

    fn deliver(&mut self, raw: Bytes, witness: &Witness, passing: &mut BytesMut) {
        let mut found = None;
        Decoder::default().push(&raw, |event| {
            if event.data.is_some() {
                found = Some(event);
            }
        });
        let Some(event) = found else {
            witness.saw(&raw);
            passing.extend_from_slice(&raw);
            return;
        };
        let data = event.data.unwrap_or_default();
        if let Some(places) = self.endpoint.take()
            && event.name.as_deref() == Some("endpoint")
        {
            witness.saw(&raw);
            let address = String::from_utf8_lossy(&data);
            if let Some(target) = places.target(self.visit.target(), &address) {
                self.visit.endpoint(target);
            }
            match rewrite::endpoint(&raw, &places) {
                Some((rewritten, address)) => {
                    witness.exchange.note(format!(
                        "the client was given {address} as the endpoint to post to, so that it comes through here"
                    ));
                    passing.extend_from_slice(&rewritten);
                }
                None => passing.extend_from_slice(&raw),
            }
            return;
        }
        match self.visit.session.live.gate.judge(&data) {
            Verdict::Pass | Verdict::Asked => {
                witness.saw(&raw);
                passing.extend_from_slice(&raw);
            }
            Verdict::Operator => for_operator(data, event.id.as_deref(), witness),
            Verdict::Both(split) => {
                for_operator(split.for_operator(&data), event.id.as_deref(), witness);
                witness.exchange.note(Split::NOTE.into());
                let rest = split.event_for_client(&raw);
                witness.saw(&rest);
                passing.extend_from_slice(&rest);
            }
        }
    }
}

/// Records what the operator alone gets of a stream of the client's.
fn for_operator(message: Bytes, event: Option<&str>, witness: &Witness) {
    let (from, to) = (Party::Server, Party::Operator);
    witness.exchange.message(from, to, message, event);
    witness.bell.ring();
}

/// Finds where events end: at a blank line, whichever way lines end.
#[derive(Debug)]
struct Cutter {
    line_is_empty: bool,
    after_return: bool,
    /// The beginning of the current event has been handed on.
    passed_on: bool,
}

impl Default for Cutter {
    fn default() -> Self {
        Self {
            line_is_empty: true,
            after_return: false,
            passed_on: false,
        }
    }
}

impl Cutter {
    /// Notes that a chunk goes by whole.
    fn pass(&mut self, chunk: &[u8]) {
        let mut rest = &chunk[self.rest_of_line_end(chunk)..];
        while let Some(end) = self.next_end(rest) {
            rest = &rest[end..];
        }
        if !rest.is_empty() {
            self.passed_on = true;
        }
    }

    /// How many bytes of a chunk belong to the line end that the last event ended with: its second half begins nothing.
    /// Nothing of the current event is held back.
    fn rest_of_line_end(&mut self, chunk: &[u8]) -> usize {
        let between_events = self.line_is_empty && !self.passed_on;
        if !(between_events && self.after_return && chunk.starts_with(b"\n")) {
            return 0;
        }
        self.after_return = false;
        1
    }

    /// How many bytes of `bytes` the current event ends after; all of them are taken note of up to there.
    fn next_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            let Some(found) = memchr::memchr2(b'\n', b'\r', &bytes[at..]) else {
                self.line_is_empty = false;
                self.after_return = false;
                return None;
            };
            if found > 0 {
                self.line_is_empty = false;
                self.after_return = false;
            }
            at += found;
            let is_return = bytes[at] == b'\r';
            at += 1;
            if self.after_return && !is_return {
                // The second half of a line end.
                self.after_return = false;
                continue;
            }
            self.after_return = is_return;
            if self.line_is_empty {
                self.passed_on = false;
                if is_return && bytes.get(at) == Some(&b'\n') {
                    self.after_return = false;
                    at += 1;
                }
                return Some(at);
            }
            self.line_is_empty = true;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::bell::Bell;
    use super::super::sessions::tests::{post, sessions};
    use super::*;
    use crate::proxy::exchange::Exchange;
    use crate::tap::{ExchangeId, Half, SessionId, Tap};
    use http::HeaderMap;

    fn cut(chunks: &[&str]) -> Vec<String> {
        let (mut cutter, mut events, mut held) = (Cutter::default(), Vec::new(), String::new());
        for chunk in chunks {
            let mut rest = *chunk;
            while let Some(end) = cutter.next_end(rest.as_bytes()) {
                held.push_str(&rest[..end]);
                rest = &rest[end..];
                events.push(std::mem::take(&mut held));
            }
            held.push_str(rest);
        }
        events.push(held);
        events
    }

    #[test]
    fn events_end_at_blank_lines_of_every_kind() {
        assert_eq!(
            cut(&["a\n\nb\r\n\r\nc\r\rd\r\n\n"]),
            ["a\n\n", "b\r\n\r\n", "c\r\r", "d\r\n\n", ""]
        );
    }

    #[test]
    fn a_line_end_that_is_cut_in_two_is_one() {
        assert_eq!(
            cut(&["a\r", "\nb\r", "\n\r", "\nc"]),
            ["a\r\nb\r\n\r", "\nc"]
        );
        assert_eq!(cut(&["a\n", "\n", "b"]), ["a\n\n", "b"]);
    }

    /// A sieve in whose session a request of the operator's with this id waits.
    fn sieve() -> (Sieve, Witness, String) {
        let visit = post(&sessions(), 1);
        let id = visit.session.live.gate.fresh_id();
        let exchange = Exchange {
            tap: Tap::disabled(),
            session: SessionId(1),
            id: ExchangeId(1),
        };
        let witness = Witness::new(exchange, Bell::hang(Tap::disabled()), Half::Response);
        (Sieve::new(visit, None), witness, id)
    }

    #[tokio::test]
    async fn an_answer_to_the_operator_that_breaks_off_is_kept_from_the_client() {
        for (ours, end) in [(true, "res"), (true, "res\r"), (false, "\"result\":")] {
            let (mut sieve, witness, id) = sieve();
            let id = if ours { &id } else { "1" };
            let torn = format!("event: message\ndata: {{\"jsonrpc\":\"2.0\",\"id\":{id},{end}");
            let chunk = Bytes::copy_from_slice(torn.as_bytes());
            assert_eq!(sieve.sift(chunk, &witness), None);
            let passes = (!ours).then_some(torn.as_bytes());
            assert_eq!(sieve.finish(&witness).as_deref(), passes);
            assert_eq!(sieve.finish(&witness), None);
        }
    }

    #[tokio::test]
    async fn a_first_event_that_is_no_endpoint_is_not_held_for_nothing() {
        let (_, witness, _) = sieve();
        let places = Places::of(&Arc::new("http://h/".parse().unwrap()), &HeaderMap::new());
        let visit = post(&sessions(), 2);
        let mut sieve = Sieve::new(visit, Some(places));
        let begun = Bytes::from(format!("data: {{\"result\":\"{}", "x".repeat(FIRST)));
        assert_eq!(sieve.sift(begun.slice(..100), &witness), None);
        let passed = sieve.sift(begun.slice(100..), &witness);
        assert!(passed == Some(begun));
        let rest = Bytes::from("\"}\n\n");
        assert_eq!(sieve.sift(rest.clone(), &witness), Some(rest));
    }

    #[tokio::test]
    async fn the_second_half_of_a_line_end_does_not_wait_for_the_next_event() {
        let (mut sieve, witness, id) = sieve();
        let answer = format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\r\n\r");
        for (chunk, passes) in [
            ("data: a\r\n\r", Some("data: a\r\n\r")),
            ("\n", Some("\n")),
            (&answer, None),
            ("data: b\r", None),
            ("\n\r\n", Some("data: b\r\n\r\n")),
        ] {
            let passed = sieve.sift(Bytes::copy_from_slice(chunk.as_bytes()), &witness);
            assert_eq!(passed.as_deref(), passes.map(str::as_bytes), "{chunk:?}");
        }
    }

    #[test]
    fn an_event_whose_beginning_has_passed_is_known() {
        let mut cutter = Cutter::default();
        cutter.pass(b"data: a\n\ndata");
        assert!(cutter.passed_on);
        cutter.pass(b": b\n\n");
        assert!(!cutter.passed_on);
    }

    #[test]
    fn the_second_half_of_a_line_end_begins_no_event() {
        let mut cutter = Cutter::default();
        for (chunk, begins) in [
            ("data: a\r\n\r", false),
            ("\n", false),
            ("\n", false),
            ("data: b\r", true),
            ("\n", true),
            ("\r\n", false),
            ("\ndata", true),
        ] {
            cutter.pass(chunk.as_bytes());
            assert_eq!(cutter.passed_on, begins, "{chunk:?}");
        }
    }
}
