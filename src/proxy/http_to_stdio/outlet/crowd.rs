//! The responses of clients that share a child. Nobody waits for another, so what waits for them is bounded for all of
//! them together, too.

use super::{Gone, Intake, Outlet, Shared};
use crate::proxy::exchange::Exchange;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What may wait for all clients. The longest message for each may overdraw it.
const TOGETHER: usize = 64 * 1024 * 1024;

#[derive(Debug, Default)]
pub struct Crowd {
    weight: AtomicUsize,
    members: Mutex<Vec<Weak<Shared>>>,
}

impl Crowd {
    /// A new response among the others.
    pub fn outlet(
        self: &Arc<Self>,
        exchange: Exchange,
        gone: impl FnOnce() + Send + 'static,
    ) -> (Outlet, Intake) {
        let gone: Gone = Box::new(gone);
        let shared = Arc::new(Shared::new(exchange, gone, Some(self.clone())));
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        if members.len() == members.capacity() {
            members.retain(|it| it.strong_count() > 0);
        }
        members.push(Arc::downgrade(&shared));
        Outlet::open(shared)
    }

    /// More or less waits for one of them now.
    pub(super) fn weigh(&self, before: usize, after: usize) {
        if after > before {
            self.weight.fetch_add(after - before, Ordering::AcqRel);
        } else {
            self.weight.fetch_sub(before - after, Ordering::AcqRel);
        }
    }

    pub(super) fn may_be_over(&self) -> bool {
        self.weight.load(Ordering::Acquire) > TOGETHER
    }

    /// The response that is furthest behind, when too much waits.
    pub(super) fn hindmost(&self) -> Option<Arc<Shared>> {
        if !self.may_be_over() {
            return None;
        }
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let members = members.iter().filter_map(Weak::upgrade);
        let mut all = 0;
        let mut most = (0, None);
        for member in members {
            let behind = member.state().behind();
            all += behind;
            if behind > most.0 {
                most = (behind, Some(member));
            }
        }
        most.1.filter(|_| all > TOGETHER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::http_to_stdio::outlet::tests::{event, exchange, sent};

    const PART: usize = 4 * 1024 * 1024;

    #[test]
    fn whoever_is_furthest_behind_is_broken_off_when_too_much_waits_for_all() {
        let crowd = Arc::new(Crowd::default());
        let mut all: Vec<_> = (0..20).map(|_| crowd.outlet(exchange(), || ())).collect();
        let fill = |outlet: &Outlet, parts: usize| {
            for _ in 0..parts {
                outlet.push(event(PART));
                outlet.trim();
            }
        };
        fill(&all[7].0, 3);
        for (outlet, _) in &all {
            fill(outlet, 2);
        }
        let is_open: Vec<bool> = all.iter().map(|(outlet, _)| outlet.is_open()).collect();
        let broken: Vec<usize> = (0..20).filter(|at| !is_open[*at]).collect();
        assert!(broken.contains(&7), "{broken:?}");
        assert!(broken.len() <= 5, "{broken:?}");
        let (_, steady) = all.last_mut().unwrap();
        assert!(sent(steady) >= 2 * PART);
    }

    #[test]
    fn one_long_message_for_each_harms_nobody() {
        let crowd = Arc::new(Crowd::default());
        let all: Vec<_> = (0..3).map(|_| crowd.outlet(exchange(), || ())).collect();
        for (outlet, _) in &all {
            outlet.push(event(10));
            outlet.push(event(TOGETHER));
            outlet.trim();
        }
        assert!(crowd.may_be_over());
        assert!(all.iter().all(|(outlet, _)| outlet.is_open()));
        drop(all);
        assert!(!crowd.may_be_over());
    }
}
