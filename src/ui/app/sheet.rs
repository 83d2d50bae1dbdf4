//! The sheet on which a call is written, sent and answered: a new one, a replay, or an edited replay.

use super::{Input, Part, World};
use crate::ui::event::{Call, Step};
use crate::ui::keymap::Context;
use ratatui::layout::Rect;

/// What outlives a closed sheet: drafts and the last arguments of each tool.
#[derive(Debug, Default)]
pub struct Drafts {}

#[derive(Debug)]
pub struct Sheet {}

impl Sheet {
    /// Opens the sheet. `drafts` brings back what was being typed for the same call. `Err` says why it cannot be.
    pub fn open(_world: &World, _drafts: &mut Drafts, _call: Call) -> Result<Self, String> {
        Ok(Self {})
    }
    /// Keeps what was typed; called before the sheet is dropped.
    pub fn keep(&self, _drafts: &mut Drafts) {}
}

impl Part for Sheet {
    fn contexts(&self) -> Vec<Context> {
        vec![Context::Sheet]
    }
    fn update(&mut self, _world: &World, _area: Rect, _input: Input<'_>) -> Vec<Step> {
        Vec::new()
    }
}
