//! A replay against its original.

use super::{Detail, Lines, Look};
use crate::capture::record::Location;
use crate::traffic::RowId;
use crate::ui::app::World;
use crate::ui::diff::Diff;
use crate::ui::event::Body;

impl Detail {
    /// Compares the answers, or what stands in place of them.
    pub(super) fn make_diff(&mut self, world: &World) -> Vec<Location> {
        let answer = |row: RowId| {
            let answer = world.traffic.final_answer(row);
            Some(answer.unwrap_or(world.traffic.row(row)?.request))
        };
        let (Some(id), Some(original)) = (self.row, self.original(world)) else {
            return Vec::new();
        };
        let (Some(before), Some(after)) = (answer(original), answer(id)) else {
            return Vec::new();
        };
        if let (Body::Loaded(old), Body::Loaded(new)) = (world.body(before), world.body(after)) {
            let key = (Look::Diff, vec![before.line, after.line], 0);
            if self.lines.made_of.as_ref() != Some(&key) {
                let diff = Some(Diff::between(old, new));
                self.lines = Lines {
                    made_of: Some(key),
                    diff,
                    ..Lines::default()
                };
            }
        }
        vec![before, after]
    }
}
