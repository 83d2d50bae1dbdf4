//! What of a row is copied or saved.

use super::{Detail, Look};
use crate::ui::app::World;
use crate::ui::event::{Effect, Step};

impl Detail {
    /// Heads and bodies as HTTP writes them.
    pub(super) fn copy_http(&self) -> Vec<Step> {
        vec![Step::Do(Effect::Copy(self.http.plain().to_owned()))]
    }

    /// Request and answer, one a line.
    pub fn copy_all(&self, world: &World) -> Vec<Step> {
        if self.looks(world) == [Look::Http] {
            return self.copy_http();
        }
        let texts: Vec<_> = [&self.request, &self.answer]
            .iter()
            .filter_map(|side| side.json.as_ref())
            .map(|json| {
                String::from_utf8_lossy(json.document().bytes())
                    .trim_end()
                    .to_owned()
            })
            .collect();
        if texts.is_empty() {
            self.side().copy()
        } else {
            vec![Step::Do(Effect::Copy(texts.join("\n")))]
        }
    }

    pub fn save(&self, world: &World) -> Vec<Step> {
        let Some(row) = self.row.and_then(|row| world.traffic.row(row)) else {
            return Vec::new();
        };
        let stem = match row.name {
            "" => format!("{}-{}", row.method, row.seq),
            name => format!("{}-{name}-{}", row.method, row.seq),
        };
        let messages = match self.look(world) {
            Look::Http => self.http.records.clone(),
            _ => self.parts.iter().map(|part| part.location).collect(),
        };
        vec![Step::Do(Effect::Save { stem, messages })]
    }
}
