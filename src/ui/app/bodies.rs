//! The messages that the screen shows, kept while they are looked at and a little longer.

use crate::capture::record::Location;
use crate::ui::event::Body;
use std::collections::{HashMap, HashSet};

/// Messages kept that no part of the screen wants any more.
const KEPT: usize = 64;
/// A message this long is forgotten as soon as nobody looks at it.
const LARGE: u32 = 1 << 20;

/// By place: of one line, the message, the messages of a batch and the whole record may be wanted.
#[derive(Debug, Default)]
pub struct Bodies {
    known: HashMap<Place, (Location, Body)>,
}

/// Line, first byte and length.
type Place = (u64, u32, u32);

fn place(location: Location) -> Place {
    (location.line, location.start, location.len)
}

impl Bodies {
    pub fn get(&self, location: Location) -> &Body {
        self.known
            .get(&place(location))
            .map_or(&Body::Loading, |(_, body)| body)
    }

    /// Makes room for what is wanted and returns what has to be loaded.
    pub fn want(&mut self, wanted: &[Location]) -> Vec<Location> {
        let crowded = self.known.len() > KEPT + wanted.len();
        let all: HashSet<Place> = wanted.iter().copied().map(place).collect();
        self.known.retain(|place, (location, _)| {
            all.contains(place) || (!crowded && location.len < LARGE)
        });
        let mut missing = Vec::new();
        for location in wanted {
            self.known.entry(place(*location)).or_insert_with(|| {
                missing.push(*location);
                (*location, Body::Loading)
            });
        }
        missing
    }

    /// Takes in an answer; ignored when nobody waits for it any more.
    pub fn arrived(&mut self, location: Location, body: Body) {
        if let Some(entry) = self.known.get_mut(&place(location)) {
            entry.1 = body;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u64, len: u32) -> Location {
        Location {
            line,
            len,
            ..Location::default()
        }
    }

    fn failed() -> Body {
        Body::Failed("gone".into())
    }

    #[test]
    fn a_message_is_asked_for_once() {
        let mut bodies = Bodies::default();
        assert_eq!(bodies.want(&[at(1, 10), at(2, 10)]), [at(1, 10), at(2, 10)]);
        assert_eq!(bodies.want(&[at(1, 10), at(3, 10)]), [at(3, 10)]);
        bodies.arrived(at(2, 10), failed());
        assert!(matches!(bodies.get(at(2, 10)), Body::Failed(_)));
        assert!(bodies.want(&[at(2, 10)]).is_empty());
    }

    #[test]
    fn messages_of_one_line_are_told_apart() {
        let mut bodies = Bodies::default();
        let second = Location {
            start: 40,
            ..at(1, 10)
        };
        assert_eq!(bodies.want(&[at(1, 10), second]), [at(1, 10), second]);
        bodies.arrived(second, failed());
        assert!(matches!(bodies.get(at(1, 10)), Body::Loading));
        assert!(matches!(bodies.get(second), Body::Failed(_)));
    }

    #[test]
    fn large_messages_go_first_and_small_ones_when_there_are_many() {
        let mut bodies = Bodies::default();
        bodies.want(&[at(1, LARGE)]);
        bodies.arrived(at(1, LARGE), failed());
        bodies.want(&[]);
        assert!(matches!(bodies.get(at(1, LARGE)), Body::Loading));
        for line in 0..1000 {
            bodies.want(&[at(line, 10)]);
        }
        assert!(bodies.known.len() <= KEPT + 2);
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_dropped() {
        let mut bodies = Bodies::default();
        bodies.arrived(at(1, 10), failed());
        assert!(matches!(bodies.get(at(1, 10)), Body::Loading));
    }
}
