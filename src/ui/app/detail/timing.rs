//! The messages of a row in time: one of them is selected, and opens in their place.

use super::Side;
use crate::capture::record::Location;
use crate::traffic::Part;
use crate::ui::app::World;
use crate::ui::app::movement::moved;
use crate::ui::keymap::Action;
use crate::ui::layout;
use ratatui::layout::Rect;

#[derive(Debug, Default)]
pub struct Timing {
    /// The selected line.
    pub moment: usize,
    /// The message that it stands for.
    pub selected: Side,
    /// That message is read, in place of the lines.
    pub open: bool,
}

impl Timing {
    /// Takes in the messages; returns those to load. `texts`: long texts are opened.
    pub fn sync(
        &mut self,
        world: &World,
        parts: &[Part],
        area: Rect,
        texts: bool,
    ) -> Vec<Location> {
        self.moment = self.moment.min(parts.len().saturating_sub(1));
        self.selected.set(parts.get(self.moment).copied());
        self.selected.sync(world, layout::json(area), texts);
        let height = usize::from(area.height);
        let shown = parts
            .iter()
            .skip(self.top(height, parts.len()))
            .take(height);
        shown.map(|part| part.location).collect()
    }

    /// The first line shown.
    pub fn top(&self, height: usize, count: usize) -> usize {
        self.moment
            .saturating_sub(height.saturating_sub(1) / 2)
            .min(count.saturating_sub(height))
    }

    pub fn act(&mut self, action: Action, height: usize, count: usize) {
        match action {
            _ if self.open => self.selected.act(action),
            _ if action == Action::Fold => self.open = self.selected.part.is_some(),
            _ => self.moment = moved(self.moment, action, height, count.saturating_sub(1)),
        }
    }

    /// Goes back to the lines; false when they were there.
    pub fn close(&mut self) -> bool {
        std::mem::take(&mut self.open)
    }
}
