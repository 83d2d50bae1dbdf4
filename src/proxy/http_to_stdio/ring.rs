//! What was sent as events, for clients that come back for what they missed. Bounded in bytes.

use bytes::Bytes;
use std::collections::VecDeque;

/// What an event costs besides its message.
const OVERHEAD: usize = 64;

/// The place of an event in a session: the number of its stream, and its own in there, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub stream: u64,
    pub event: u64,
}

impl Place {
    /// As it stands in an event's `id`.
    pub fn id(self) -> String {
        format!("{}-{}", self.stream, self.event)
    }

    pub fn parse(id: &str) -> Option<Self> {
        let (stream, event) = id.split_once('-')?;
        Some(Self {
            stream: stream.parse().ok()?,
            event: event.parse().ok()?,
        })
    }
}

#[derive(Debug)]
pub struct Ring {
    events: VecDeque<(Place, Bytes)>,
    weight: usize,
    bound: usize,
    /// The newest event that was given up.
    lost: VecDeque<Place>,
}

impl Ring {
    pub fn new(bound: usize) -> Self {
        Self {
            events: VecDeque::new(),
            weight: 0,
            bound,
            lost: VecDeque::new(),
        }
    }

    /// Keeps one more; the oldest are given up for it, but never it itself.
    pub fn push(&mut self, place: Place, message: Bytes) {
        self.weight += message.len() + OVERHEAD;
        self.events.push_back((place, message));
        while self.weight > self.bound && self.events.len() > 1 {
            let Some((place, message)) = self.events.pop_front() else {
                return;
            };
            self.weight -= message.len() + OVERHEAD;
            self.lose(place);
        }
    }

    /// What came in the same stream after this place, oldest first; and whether something of it is not kept any more.
    pub fn after(&self, place: Place) -> (Vec<(Place, Bytes)>, bool) {
        let is_after = |it: &Place| it.stream == place.stream && it.event > place.event;
        let kept = self.events.iter().filter(|(it, _)| is_after(it));
        (kept.cloned().collect(), self.lost.iter().any(is_after))
    }

    /// Remembers the newest loss of a few streams.
    fn lose(&mut self, place: Place) {
        self.lost.retain(|it| it.stream != place.stream);
        self.lost.push_back(place);
        if self.lost.len() > 64 {
            self.lost.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(stream: u64, event: u64) -> Place {
        Place { stream, event }
    }

    fn after(ring: &Ring, stream: u64, event: u64) -> (Vec<String>, bool) {
        let (kept, lost) = ring.after(place(stream, event));
        (kept.iter().map(|(place, _)| place.id()).collect(), lost)
    }

    #[test]
    fn a_place_reads_back() {
        assert_eq!(Place::parse(&place(3, 14).id()), Some(place(3, 14)));
        for id in ["", "3", "3-", "-1", "a-1", "1-2-3"] {
            assert_eq!(Place::parse(id), None, "{id}");
        }
    }

    #[test]
    fn what_came_later_in_the_same_stream_is_found() {
        let mut ring = Ring::new(1 << 20);
        for (stream, event) in [(1, 1), (2, 1), (1, 2), (1, 3)] {
            ring.push(place(stream, event), Bytes::from_static(b"{}"));
        }
        assert_eq!(
            after(&ring, 1, 1),
            (vec!["1-2".into(), "1-3".into()], false)
        );
        assert_eq!(after(&ring, 2, 0), (vec!["2-1".into()], false));
        assert_eq!(after(&ring, 2, 1), (vec![], false));
    }

    #[test]
    fn the_oldest_are_given_up_and_missed() {
        let mut ring = Ring::new(3 * (2 + OVERHEAD));
        for event in 1..=5 {
            ring.push(place(1, event), Bytes::from_static(b"{}"));
        }
        assert_eq!(
            after(&ring, 1, 1),
            (vec!["1-3".into(), "1-4".into(), "1-5".into()], true)
        );
        assert!(!after(&ring, 1, 2).1);
    }

    #[test]
    fn the_newest_is_kept_however_long_it_is() {
        let mut ring = Ring::new(10);
        ring.push(place(1, 1), Bytes::from_static(b"{}"));
        ring.push(place(1, 2), Bytes::from(vec![b' '; 100]));
        assert_eq!(after(&ring, 1, 0), (vec!["1-2".into()], true));
    }
}
