//! The hub: live proxies and saved captures, one of which is opened.

use crate::capture::store::Saved;
use crate::link::registry::Entry;

/// What there is to open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    pub live: Vec<Entry>,
    pub saved: Vec<Saved>,
}
