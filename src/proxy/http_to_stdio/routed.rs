//! What became of a message of a child's.

use super::outlet::Full;
use crate::tap::Via;

#[derive(Debug, Default)]
pub struct Routed {
    /// What it goes out with.
    pub via: Option<Via>,
    /// Why it goes nowhere, or late.
    pub note: Option<String>,
    /// The response that it went to, when more waits in that than should.
    pub full: Option<Full>,
    /// What the child is told in return.
    pub reply: Option<String>,
}

impl Routed {
    pub fn nowhere(why: impl Into<String>) -> Self {
        Self {
            note: Some(why.into()),
            ..Self::default()
        }
    }

    pub fn no_message() -> Self {
        Self::nowhere("what the server wrote is no message, and no HTTP client gets it")
    }
}
