//! Where everything is. `update` and `render` both ask here, so a click lands on what was drawn.

use super::app::App;
use ratatui::layout::Rect;

/// The places on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Panes {
    pub title: Rect,
    /// The open pane.
    pub body: Rect,
    pub status: Rect,
    /// The sheet: the right half of the body where it is wide, else all of it.
    pub sheet: Rect,
}

/// From this width on, things stand side by side that stand below each other otherwise.
pub const WIDE: u16 = 160;

pub fn panes(area: Rect, _app: &App) -> Panes {
    let below = |y: u16, height: u16| Rect {
        y: area.y + y.min(area.height),
        height: height.min(area.height.saturating_sub(y)),
        ..area
    };
    let body = below(2, area.height.saturating_sub(4));
    let half = if area.width >= 100 { area.width / 2 } else { 0 };
    Panes {
        title: below(0, 1),
        body,
        status: below(area.height.saturating_sub(1), 1),
        sheet: Rect {
            x: body.x + half,
            width: body.width - half,
            ..body
        },
    }
}
