//! What of a row is copied or saved.

use super::{Detail, Look};
use crate::ui::app::World;
use crate::ui::event::{Effect, Step};

impl Detail {
    /// Heads and bodies as HTTP writes them.
    pub(super) fn copy_http(&self) -> Vec<Step> {
        vec![Step::copy("the HTTP exchange", self.http.plain())]
    }

    /// Request and answer, one a line.
    pub fn copy_all(&self, world: &World) -> Vec<Step> {
        if self.looks(world) == [Look::Http] {
            return self.copy_http();
        }
        let sides: Vec<_> = [&self.request, &self.answer]
            .into_iter()
            .filter_map(|side| Some((side, side.json.as_ref()?.document())))
            .collect();
        let texts = sides.iter().map(|(_, document)| {
            let text = String::from_utf8_lossy(document.bytes());
            text.trim_end().to_owned()
        });
        let what = match sides[..] {
            [] => return self.side().copy(),
            [(side, _)] => side.what(),
            _ => "request and answer",
        };
        vec![Step::copy(what, texts.collect::<Vec<_>>().join("\n"))]
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
