//! What was refused and is to be asked again, in an exchange of ours that says nothing itself: that the two belong together
//! stands nowhere, but their order tells.

use crate::tap::SessionId;
use std::collections::VecDeque;

/// What is to be asked again is asked at once.
const MOST: usize = 16;

#[derive(Debug, Default)]
pub struct Again(VecDeque<(SessionId, bool)>);

impl Again {
    /// Notes one, and whether it was a notification.
    pub fn note(&mut self, session: SessionId, is_notification: bool) {
        self.0.truncate(MOST - 1);
        self.0.push_front((session, is_notification));
    }

    /// Whether the exchange of ours that was begun now repeats a notification.
    pub fn repeats(&mut self, session: SessionId) -> bool {
        let oldest = self.0.iter().rposition(|(of, _)| *of == session);
        oldest
            .and_then(|at| self.0.remove(at))
            .is_some_and(|(_, is_notification)| is_notification)
    }
}
