//! Where the keys lead in a list of lines.

use crate::ui::keymap::Action;

/// Where a step leads on `0..=last`.
pub fn moved(at: usize, action: Action, height: usize, last: usize) -> usize {
    let page = height.saturating_sub(1).max(1);
    match action {
        Action::Up => at.saturating_sub(1),
        Action::Down => (at + 1).min(last),
        Action::PageUp => at.saturating_sub(page),
        Action::PageDown => (at + page).min(last),
        Action::Top => 0,
        Action::Bottom => last,
        _ => at.min(last),
    }
}
