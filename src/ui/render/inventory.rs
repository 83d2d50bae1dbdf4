//! Draws [`crate::ui::app::inventory`].

use crate::ui::app::World;
use crate::ui::app::inventory::Inventory;
use ratatui::Frame;
use ratatui::layout::Rect;

pub fn render(_state: &Inventory, _world: &World, _frame: &mut Frame<'_>, _area: Rect) {}
