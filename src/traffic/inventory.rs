//! What the server offers, as it last said in any session: pages merged, staleness noticed.

use super::digest::stable_hash;
use crate::tap::Timestamp;
use crate::wire::object;
use std::collections::HashMap;

/// One kind of thing the server lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// All pages of one walk were seen.
    pub complete: bool,
    /// When the last page came; `None` when it was never listed.
    pub listed_at: Option<Timestamp>,
    /// When a `list_changed` came after that.
    pub stale_since: Option<Timestamp>,
    /// What came again, by the hash of its key.
    pub(super) again: HashMap<u64, Again>,
}

/// What was listed once more under the same key: an item is what was listed first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Again {
    pub(super) times: u32,
    /// The second definition, raw JSON; empty where there was no room for it.
    pub(super) second: Box<str>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            complete: false,
            listed_at: None,
            stale_since: None,
            again: HashMap::new(),
        }
    }
}

impl<T> Listing<T> {
    /// How many of this name, or this URI, the server listed.
    pub fn times_listed(&self, key: &str) -> u32 {
        1 + self.again(key).map_or(0, |again| again.times)
    }

    /// What was listed second under this name or URI, raw JSON.
    pub fn second(&self, key: &str) -> Option<&str> {
        let second = self.again(key).map(|again| &*again.second);
        second.filter(|raw| !raw.is_empty())
    }

    fn again(&self, key: &str) -> Option<&Again> {
        self.again.get(&stable_hash(key.as_bytes()))
    }

    /// Whether it was listed, and there is more than what is known of it.
    pub fn is_partial(&self) -> bool {
        self.listed_at.is_some() && !self.complete
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tool {
    pub name: String,
    pub title: Option<String>,
    pub description: String,
    /// Raw JSON.
    pub input_schema: String,
    /// Raw JSON.
    pub output_schema: Option<String>,
    /// `readOnlyHint` and the like, as the server gave them.
    pub read_only: Option<bool>,
    pub destructive: Option<bool>,
    pub idempotent: Option<bool>,
    pub open_world: Option<bool>,
    /// The whole definition, raw JSON.
    pub raw: String,
    /// Called but never listed.
    pub unlisted: bool,
}

impl Tool {
    /// About how many tokens of a model's context the definition takes: four bytes to a token.
    pub fn tokens(&self) -> usize {
        self.raw.len().div_ceil(4)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resource {
    /// The URI, or the URI template when `template` is set.
    pub uri: String,
    pub template: bool,
    pub name: String,
    pub title: Option<String>,
    pub description: String,
    pub mime_type: Option<String>,
    pub size: Option<u64>,
    pub raw: String,
    /// Read but never listed.
    pub unlisted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PromptArgument {
    pub name: String,
    pub description: String,
    pub required: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prompt {
    pub name: String,
    pub title: Option<String>,
    pub description: String,
    pub arguments: Vec<PromptArgument>,
    pub raw: String,
    pub unlisted: bool,
}

/// What the server said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerInfo {
    pub name: String,
    pub title: Option<String>,
    pub version: String,
    pub protocol_version: String,
    pub supported_versions: Vec<String>,
    /// Raw JSON.
    pub capabilities: String,
    pub instructions: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Another number stands for other items.
    pub state: u64,
    pub server: Option<ServerInfo>,
    pub tools: Listing<Tool>,
    pub resources: Listing<Resource>,
    pub templates: Listing<Resource>,
    pub prompts: Listing<Prompt>,
}

impl Inventory {
    /// Whether the server has said that it can do this: a capability, or a part of one.
    pub fn offers(&self, capability: &[&str]) -> bool {
        let said = self.server.as_ref().map(|server| &*server.capabilities);
        let said = said.and_then(|capabilities| object::at(capabilities, capability));
        said.is_some_and(|raw| !matches!(raw, "false" | "null"))
    }
}
