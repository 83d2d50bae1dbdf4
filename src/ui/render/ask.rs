//! Draws [`crate::ui::app::ask`].

use crate::ui::app::World;
use crate::ui::app::ask::Ask;
use ratatui::Frame;
use ratatui::layout::Rect;

pub fn render(_state: &Ask, _world: &World, _frame: &mut Frame<'_>, _area: Rect) {}
