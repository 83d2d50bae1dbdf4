//! Draws [`crate::ui::app::server`].

use crate::ui::app::World;
use crate::ui::app::server::Server;
use ratatui::Frame;
use ratatui::layout::Rect;

pub fn render(_state: &Server, _world: &World, _frame: &mut Frame<'_>, _area: Rect) {}
