//! What of a row is copied or saved.

use super::{Detail, Look};
use crate::capture::record::Location;
use crate::traffic::RowKind;
use crate::ui::app::World;
use crate::ui::event::{Effect, Notice, Step};

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
            .filter(|(_, document)| !document.bytes().is_empty())
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
        let parts = || self.parts.iter().map(|part| part.location);
        let (what, mut places): (_, Vec<Location>) = match (self.look(world), row.kind) {
            (Look::Http, _) => ("record", self.http.records.clone()),
            (_, RowKind::Mark | RowKind::Stderr) => ("record", parts().collect()),
            // What stands first is the head.
            (_, RowKind::Http) => ("message", parts().skip(1).collect()),
            _ => ("message", parts().collect()),
        };
        // What tells of records that are missing stands nowhere.
        places.retain(|place| place.len > 0);
        if places.is_empty() {
            return vec![Step::Say(Notice::info("there is nothing to save"))];
        }
        places.sort_by_key(|place| (place.line, place.start));
        vec![Step::Do(Effect::Save { stem, what, places })]
    }
}
