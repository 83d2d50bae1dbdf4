//! The Log pane: what the server wrote to its standard error, what the proxy noted, and what this screen had to say.

use super::World;
use super::detail::moved;
use crate::capture::record::Location;
use crate::tap::Timestamp;
use crate::traffic::{RowId, RowKind};
use crate::ui::event::{Body, Effect, Notice, Step};
use crate::ui::keymap::Action;
use ratatui::layout::Rect;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A line of stderr or a mark.
    Row(RowId),
    /// A sentence of this screen's.
    Note { at: Timestamp, notice: Notice },
}

#[derive(Debug)]
pub struct Log {
    pub entries: Vec<Entry>,
    /// Rows of the model below this were looked at.
    next: RowId,
    pub selected: usize,
    pub follow: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            next: 0,
            selected: 0,
            follow: true,
        }
    }
}

/// The lines of the list, and below it the selected line whole.
pub fn areas(area: Rect) -> (Rect, Rect) {
    let whole = if area.height >= 12 {
        area.height / 4
    } else {
        0
    };
    let list = Rect {
        height: area.height - whole,
        ..area
    };
    (
        list,
        Rect {
            y: list.bottom(),
            height: whole,
            ..area
        },
    )
}

impl Log {
    pub fn note(&mut self, at: Timestamp, notice: Notice) {
        self.entries.push(Entry::Note { at, notice });
    }

    /// The first entry on a screen of `height` lines.
    pub fn top(&self, height: usize) -> usize {
        let half = if self.follow {
            height.saturating_sub(1)
        } else {
            height / 2
        };
        self.selected
            .saturating_sub(half)
            .min(self.entries.len().saturating_sub(height))
    }

    /// The selected entry's row in Traffic; a sentence of this screen's has none.
    pub fn selected_row(&self) -> Option<RowId> {
        match self.entries.get(self.selected)? {
            Entry::Row(row) => Some(*row),
            Entry::Note { .. } => None,
        }
    }

    /// The selected entry's text in full, when it is there.
    pub fn whole(&self, world: &World) -> Option<String> {
        match self.entries.get(self.selected)? {
            Entry::Note { notice, .. } => Some(notice.text.clone()),
            Entry::Row(id) => {
                let row = world.traffic.row(*id)?;
                match world.body(row.request) {
                    _ if row.kind == RowKind::Mark => {
                        Some(format!("{} {}", row.method, row.summary))
                    }
                    Body::Loaded(document) => {
                        Some(String::from_utf8_lossy(document.bytes()).into_owned())
                    }
                    Body::Failed(reason) => Some(reason.to_string()),
                    Body::Loading => None,
                }
            }
        }
    }

    pub fn update(&mut self, world: &World, area: Rect, action: Action) -> Vec<Step> {
        let height = usize::from(areas(area).0.height);
        let last = self.entries.len().saturating_sub(1);
        match action {
            Action::Follow => {
                self.follow = !self.follow;
                if self.follow {
                    self.selected = last;
                }
            }
            Action::Copy => {
                return self
                    .whole(world)
                    .map(|text| Step::Do(Effect::Copy(text)))
                    .into_iter()
                    .collect();
            }
            Action::Open => return self.selected_row().map(Step::Show).into_iter().collect(),
            _ => {
                let to = moved(self.selected, action, height, last);
                self.follow &= to >= self.selected;
                self.selected = to;
            }
        }
        Vec::new()
    }

    pub fn click(&mut self, area: Rect, y: u16) {
        let list = areas(area).0;
        let to = self.top(usize::from(list.height)) + usize::from(y.saturating_sub(list.y));
        if y < list.bottom() && to < self.entries.len() {
            self.selected = to;
            self.follow = false;
        }
    }

    /// Takes in new rows; `visible` when the pane is open and wants its selected line.
    pub fn sync(&mut self, world: &World, visible: bool) -> Vec<Location> {
        for id in self.next..world.traffic.len() {
            let kind = world.traffic.row(id).map(|row| row.kind);
            if matches!(kind, Some(RowKind::Stderr | RowKind::Mark)) {
                self.entries.push(Entry::Row(id));
            }
        }
        self.next = world.traffic.len();
        if self.follow {
            self.selected = self.entries.len().saturating_sub(1);
        }
        match self.entries.get(self.selected) {
            Some(Entry::Row(id)) if visible => world
                .traffic
                .row(*id)
                .map(|row| row.request)
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }
}
