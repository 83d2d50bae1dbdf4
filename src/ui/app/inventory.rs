//! Tools, Resources and Prompts: what the server offers, and what was called of it.

use super::{Input, Part, World};
use crate::ui::event::Step;
use crate::ui::keymap::Context;
use ratatui::layout::Rect;

/// Which of the three it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum What {
    #[default]
    Tools,
    Resources,
    Prompts,
}

#[derive(Debug, Default)]
pub struct Inventory {
    pub what: What,
}

impl Inventory {
    pub fn new(what: What) -> Self {
        Self { what }
    }
}

impl Part for Inventory {
    fn contexts(&self) -> Vec<Context> {
        vec![Context::Inventory, Context::Move, Context::Global]
    }
    fn update(&mut self, _world: &World, _area: Rect, _input: Input<'_>) -> Vec<Step> {
        Vec::new()
    }
}
