//! How recording goes, for those who show it.

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Whether what is seen is also recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// Why nothing can be written at the moment, in words.
    pub trouble: Option<String>,
    /// Messages that were forwarded and are not and will not be in the capture.
    pub lost: u64,
}

/// Follows a [`Health`]. Whoever is late misses what was in between, never what is.
#[derive(Debug, Clone)]
pub struct Pulse(watch::Receiver<Health>);

impl Pulse {
    pub fn of(health: &watch::Sender<Health>) -> Self {
        let mut receiver = health.subscribe();
        receiver.mark_changed();
        Self(receiver)
    }

    /// Where nothing is being recorded.
    pub fn none() -> Self {
        Self(watch::channel(Health::default()).1)
    }

    /// The health as it is at first, then whenever it has changed; never, once nobody can change it any more.
    pub async fn next(&mut self) -> Health {
        if self.0.changed().await.is_err() {
            return std::future::pending().await;
        }
        self.0.borrow_and_update().clone()
    }
}
