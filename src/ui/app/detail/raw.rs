//! The exact bytes of a row's messages.

use super::{Detail, Lines, Look};
use crate::capture::record::Location;
use crate::traffic::{Part, Role};
use crate::ui::app::World;
use crate::ui::event::Body;
use crate::ui::{format, layout, text};

/// So much of a message is shown as raw bytes; the rest can be saved.
const BYTES: usize = 256 << 10;
/// So many reports of progress are shown.
const PROGRESS: usize = 50;

/// A line above the bytes of a message, or some of these bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum RawLine {
    Heading(String),
    Bytes(String),
}

impl Detail {
    /// Lays the messages out as lines; returns those to load.
    pub(super) fn make_raw(&mut self, world: &World) -> Vec<Location> {
        let wanted = self.raw_parts();
        let shown = |part: &Part| match world.body(part.location) {
            Body::Loaded(document) => Some((*part, document.clone())),
            Body::Loading | Body::Failed(_) => None,
        };
        let messages: Vec<_> = wanted.iter().filter_map(shown).collect();
        let lines = messages.iter().map(|(part, _)| part.location.line);
        let columns = layout::json(self.area).width;
        let key = (Look::Raw, lines.collect(), columns);
        let locations = wanted.iter().map(|part| part.location).collect();
        if self.lines.made_of.as_ref() == Some(&key) {
            return locations;
        }
        let mut raw = Vec::new();
        for (part, document) in messages {
            let bytes = document.bytes();
            if !raw.is_empty() {
                raw.push(RawLine::Bytes(String::new()));
            }
            let note = if std::str::from_utf8(bytes).is_ok() {
                ""
            } else {
                ", not UTF-8"
            };
            let heading = format!(
                "{}  record {}, {}{note}",
                part.role.word(),
                part.seq,
                format::plural(bytes.len() as u64, "byte")
            );
            raw.push(RawLine::Heading(heading));
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(BYTES)]);
            let pieces = text::chop(&text, columns.into());
            raw.extend(pieces.into_iter().map(RawLine::Bytes));
            if let Some(more @ 1..) = bytes.len().checked_sub(BYTES) {
                let more = format::plural(more as u64, "byte");
                raw.push(RawLine::Heading(format!(
                    "… {more} more: w saves all of them"
                )));
            }
        }
        if let Some(more @ 1..) = self.parts.len().checked_sub(wanted.len()) {
            let more = format::plural(more as u64, "message");
            raw.push(RawLine::Bytes(String::new()));
            raw.push(RawLine::Heading(format!(
                "… {more} of progress more: Timing shows them, w saves all of them"
            )));
        }
        // More messages do not move those that are being read.
        let top = match self.lines.made_of {
            Some((Look::Raw, ..)) => self.lines.top,
            _ => 0,
        };
        self.lines = Lines {
            made_of: Some(key),
            raw,
            top,
            ..Lines::default()
        };
        locations
    }

    /// The messages of the row in time, of much progress the beginning.
    fn raw_parts(&self) -> Vec<Part> {
        let mut progress = 0;
        let parts = self.parts.iter().filter(|part| {
            progress += usize::from(part.role == Role::Progress);
            part.role != Role::Progress || progress <= PROGRESS
        });
        parts.copied().collect()
    }
}
