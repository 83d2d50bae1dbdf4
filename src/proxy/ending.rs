//! How a server is brought to its end: from patience over SIGTERM to SIGKILL.
//!
//! Knows signals and time; must not know why the server has to go.

use super::child::Child;
use rustix::process::Signal;
use std::time::Duration;
use tokio::time::Instant;

/// How long a server may take to go after its input was closed, when we are the ones who close.
const EOF_GRACE: Duration = Duration::from_millis(500);

/// The escalation, which only its first cause starts.
#[derive(Debug)]
pub struct Ending {
    grace: Duration,
    begun: bool,
    next: Option<(Instant, Signal)>,
}

impl Ending {
    /// `grace` is how long the server may take after each step.
    pub fn new(grace: Duration) -> Self {
        Self {
            grace,
            begun: false,
            next: None,
        }
    }

    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Its input has been closed, by us: that should be enough.
    pub fn politely(&mut self) {
        self.begin(EOF_GRACE, Signal::TERM);
    }

    /// It goes on though nobody needs it.
    pub fn patiently(&mut self) {
        self.begin(self.grace, Signal::TERM);
    }

    /// Hands a signal on.
    pub fn by(&mut self, signal: Signal, child: &Child) {
        child.signal(signal);
        let next = if signal == Signal::TERM {
            Signal::KILL
        } else {
            Signal::TERM
        };
        self.begin(self.grace, next);
    }

    fn begin(&mut self, after: Duration, signal: Signal) {
        if !self.begun {
            self.begun = true;
            self.next = Some((Instant::now() + after, signal));
        }
    }

    /// The next signal, when it is time for it.
    pub async fn due(&mut self) -> Signal {
        let Some((at, signal)) = self.next else {
            return std::future::pending().await;
        };
        tokio::time::sleep_until(at).await;
        self.next = (signal != Signal::KILL).then(|| (at + self.grace, Signal::KILL));
        signal
    }
}
