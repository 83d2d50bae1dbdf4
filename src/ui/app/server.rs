//! The Server pane: who the server is, what it can do, the sessions, the counters, the capture.

use super::{Input, Part, World};
use crate::ui::event::Step;
use crate::ui::keymap::Context;
use ratatui::layout::Rect;

#[derive(Debug, Default)]
pub struct Server {}

impl Part for Server {
    fn contexts(&self) -> Vec<Context> {
        vec![Context::Server, Context::Move, Context::Global]
    }
    fn update(&mut self, _world: &World, _area: Rect, _input: Input<'_>) -> Vec<Step> {
        Vec::new()
    }
}
