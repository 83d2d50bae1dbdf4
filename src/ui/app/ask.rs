//! A request of the server's that waits for the operator: elicitation as a form, sampling as an editable answer, roots.

use super::{Input, Part, World};
use crate::traffic::RowId;
use crate::ui::event::Step;
use crate::ui::keymap::Context;
use ratatui::layout::Rect;

#[derive(Debug)]
pub struct Ask {
    pub row: RowId,
}

impl Ask {
    /// For a row of [`crate::traffic::Traffic::waiting_for_operator`].
    pub fn open(_world: &World, row: RowId) -> Self {
        Self { row }
    }
}

impl Part for Ask {
    fn contexts(&self) -> Vec<Context> {
        vec![Context::Ask]
    }
    fn update(&mut self, _world: &World, _area: Rect, _input: Input<'_>) -> Vec<Step> {
        Vec::new()
    }
}
