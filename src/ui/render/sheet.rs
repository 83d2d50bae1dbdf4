//! Draws [`crate::ui::app::sheet`].

use crate::ui::app::World;
use crate::ui::app::sheet::Sheet;
use ratatui::Frame;
use ratatui::layout::Rect;

pub fn render(_state: &Sheet, _world: &World, _frame: &mut Frame<'_>, _area: Rect) {}
