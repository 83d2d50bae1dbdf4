//! What is known of the client's lines that wait until less is in flight: enough to tell what may pass them.
//!
//! Knows ids; must not know lines. There may be hundreds of thousands of them, so none is looked at for what passes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The lines that wait, in their order.
#[derive(Debug, Default)]
pub struct Held {
    lines: VecDeque<Line>,
    /// How many lines each raw id is in.
    ids: HashMap<Arc<str>, usize>,
    handshakes: usize,
}

#[derive(Debug)]
struct Line {
    /// Raw ids of the requests in it.
    ids: Box<[Arc<str>]>,
    is_handshake: bool,
}

impl Held {
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Puts one behind the others.
    pub fn push(&mut self, ids: &[String], is_handshake: bool) {
        let ids = ids.iter().map(|id| self.count(id)).collect();
        self.handshakes += usize::from(is_handshake);
        self.lines.push_back(Line { ids, is_handshake });
    }

    fn count(&mut self, id: &str) -> Arc<str> {
        let known = self.ids.get_key_value(id).map(|(known, _)| known.clone());
        let id = known.unwrap_or_else(|| id.into());
        *self.ids.entry(id.clone()).or_default() += 1;
        id
    }

    /// The first of them waits no more.
    pub fn pop(&mut self) {
        let Some(line) = self.lines.pop_front() else {
            return;
        };
        self.handshakes -= usize::from(line.is_handshake);
        for id in &line.ids {
            if let Some(count) = self.ids.get_mut(id) {
                *count -= 1;
                if *count == 0 {
                    self.ids.remove(id);
                }
            }
        }
    }

    /// Whether what needs no answer, and cancels the request with this raw id if any, may go before all of them.
    pub fn lets_pass(&self, cancelled: Option<&str>) -> bool {
        self.handshakes == 0 && cancelled.is_none_or(|id| !self.ids.contains_key(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_a_handshake_and_no_cancellation_what_it_cancels() {
        let mut held = Held::default();
        for (id, is_handshake) in [("1", false), ("2", true), ("1", false)] {
            held.push(&[id.to_owned()], is_handshake);
        }
        held.push(&[], false);
        assert!(!held.lets_pass(None));
        held.pop();
        assert!(!held.lets_pass(None));
        held.pop();
        assert!(held.lets_pass(None) && held.lets_pass(Some("2")));
        assert!(!held.lets_pass(Some("1")), "it is in another line still");
        held.pop();
        assert!(held.lets_pass(Some("1")));
        held.pop();
        assert!(held.is_empty());
        held.pop();
        assert_eq!(held.len(), 0);
    }
}
