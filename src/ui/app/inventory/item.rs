//! One thing that the server offers, and what is said of it in all three panes alike.

use crate::mcp::methods;
use crate::traffic::inventory::{Listing, Prompt, Resource, Tool};
use crate::ui::app::World;
use crate::ui::event::Call;
use crate::ui::text::{NO_NAME, is_blank};

/// One thing that the server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    Tool(&'a Tool),
    Resource(&'a Resource),
    Prompt(&'a Prompt),
}

impl<'a> Item<'a> {
    /// What it is called by: a name or a URI.
    pub fn key(self) -> &'a str {
        match self {
            Self::Tool(tool) => &tool.name,
            Self::Resource(resource) => &resource.uri,
            Self::Prompt(prompt) => &prompt.name,
        }
    }

    /// What stands in the list.
    pub fn label(self) -> &'a str {
        match self {
            Self::Resource(resource) if !resource.name.is_empty() => &resource.name,
            other => other.key(),
        }
    }

    /// Nothing of its name is to be seen.
    pub fn is_nameless(self) -> bool {
        is_blank(self.label())
    }

    /// The name as it is shown.
    pub fn shown_label(self) -> &'a str {
        match self.is_nameless() {
            true => NO_NAME,
            false => self.label(),
        }
    }

    pub fn title(self) -> Option<&'a str> {
        match self {
            Self::Tool(tool) => tool.title.as_deref(),
            Self::Resource(resource) => resource.title.as_deref(),
            Self::Prompt(prompt) => prompt.title.as_deref(),
        }
    }

    pub fn description(self) -> &'a str {
        match self {
            Self::Tool(tool) => &tool.description,
            Self::Resource(resource) => &resource.description,
            Self::Prompt(prompt) => &prompt.description,
        }
    }

    /// The whole definition; empty when nobody listed it.
    pub fn raw(self) -> &'a str {
        match self {
            Self::Tool(tool) => &tool.raw,
            Self::Resource(resource) => &resource.raw,
            Self::Prompt(prompt) => &prompt.raw,
        }
    }

    /// Used, but never listed.
    pub fn unlisted(self) -> bool {
        match self {
            Self::Tool(tool) => tool.unlisted,
            Self::Resource(resource) => resource.unlisted,
            Self::Prompt(prompt) => prompt.unlisted,
        }
    }

    /// How many of this name, or this URI, the server listed: this is the first.
    pub fn times_listed(self, world: &World) -> u32 {
        let offered = world.traffic.inventory();
        match self {
            Self::Tool(tool) => offered.tools.times_listed(&tool.name),
            Self::Resource(resource) => resources(world, resource).times_listed(&resource.uri),
            Self::Prompt(prompt) => offered.prompts.times_listed(&prompt.name),
        }
    }

    /// The definition of the second, raw JSON.
    pub(super) fn second(self, world: &World) -> Option<&str> {
        let offered = world.traffic.inventory();
        match self {
            Self::Tool(tool) => offered.tools.second(&tool.name),
            Self::Resource(resource) => resources(world, resource).second(&resource.uri),
            Self::Prompt(prompt) => offered.prompts.second(&prompt.name),
        }
    }

    /// What one does with it, in a word.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Tool(_) => "call",
            Self::Resource(_) => "read",
            Self::Prompt(_) => "get",
        }
    }

    /// Whether it is called with something that can differ from one time to the next.
    pub(super) fn takes_arguments(self) -> bool {
        match self {
            Self::Tool(_) => true,
            Self::Resource(resource) => resource.template,
            Self::Prompt(prompt) => prompt.unlisted || !prompt.arguments.is_empty(),
        }
    }

    pub fn method(self) -> &'static str {
        match self {
            Self::Tool(_) => methods::TOOLS_CALL,
            Self::Resource(_) => methods::RESOURCES_READ,
            Self::Prompt(_) => methods::PROMPTS_GET,
        }
    }

    pub fn call(self) -> Call {
        match self {
            Self::Tool(tool) => Call::Tool(tool.name.clone()),
            Self::Resource(resource) => Call::Resource {
                uri: resource.uri.clone(),
                template: resource.template,
            },
            Self::Prompt(prompt) => Call::Prompt(prompt.name.clone()),
        }
    }

    pub(super) fn is_named(self, words: &[String]) -> bool {
        let name = format!("{}\n{}", self.key(), self.label()).to_lowercase();
        words.iter().all(|word| name.contains(word))
    }

    pub(super) fn matches(self, words: &[String]) -> bool {
        let texts = [
            self.key(),
            self.label(),
            self.title().unwrap_or_default(),
            self.description(),
        ];
        let text = texts.join("\n").to_lowercase();
        words.iter().all(|word| text.contains(word))
    }
}

/// The list that it stands in.
fn resources<'a>(world: &'a World, resource: &Resource) -> &'a Listing<Resource> {
    let offered = world.traffic.inventory();
    match resource.template {
        true => &offered.templates,
        false => &offered.resources,
    }
}
