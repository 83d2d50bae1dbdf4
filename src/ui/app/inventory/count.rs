//! How many things a server offers of a kind.

use super::What;
use crate::traffic::inventory::{Prompt, Resource, Tool};
use crate::ui::app::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Tools, resources or prompts that the server listed.
    pub items: usize,
    pub templates: usize,
    /// Used, but never listed.
    pub unlisted: usize,
}

impl Count {
    pub fn of(what: What, world: &World) -> Self {
        let offered = world.traffic.inventory();
        let resource = |resource: &Resource| resource.unlisted;
        let (items, unlisted) = match what {
            What::Tools => split(&offered.tools.items, |tool: &Tool| tool.unlisted),
            What::Resources => split(&offered.resources.items, resource),
            What::Prompts => split(&offered.prompts.items, |prompt: &Prompt| prompt.unlisted),
        };
        let templates = match what {
            What::Resources => offered.templates.items.len(),
            What::Tools | What::Prompts => 0,
        };
        Self {
            items,
            templates,
            unlisted,
        }
    }

    /// All that the server listed.
    pub fn listed(self) -> usize {
        self.items + self.templates
    }
}

/// Those that were listed, and the others, which stand behind them.
fn split<T>(items: &[T], is_unlisted: impl Fn(&T) -> bool) -> (usize, usize) {
    let unlisted = items.iter().rev().take_while(|item| is_unlisted(item));
    let unlisted = unlisted.count();
    (items.len() - unlisted, unlisted)
}
