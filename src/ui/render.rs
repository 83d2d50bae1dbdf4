//! Draws the state. Pure: the same [`App`] and the same size give the same cells. One file a pane, each a function
//! `render(&Part, &World, &mut Frame, Rect)`; only what is visible is built.

pub mod ask;
pub mod inventory;
pub mod server;
pub mod sheet;

use super::app::App;
use ratatui::Frame;

pub fn render(_app: &App, _frame: &mut Frame<'_>) {}
