//! The Log pane: what the server wrote to its standard error, or instead of messages, what the proxy noted, and what
//! this screen had to say.

use super::World;
use super::detail::moved;
use super::prompt::Prompt;
use crate::capture::record::Location;
use crate::tap::{Party, Timestamp};
use crate::traffic::view::Filter;
use crate::traffic::{RowId, RowKind};
use crate::ui::event::{Body, Effect, Notice, Step};
use crate::ui::keymap::Action;
use crate::wire::shown::unstyled;
use ratatui::layout::Rect;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A line of stderr, a mark, or what the server wrote where a message should be.
    Row(RowId),
    /// A sentence of this screen's.
    Note { at: Timestamp, notice: Notice },
}

#[derive(Debug)]
pub struct Log {
    /// What is shown: all of them, or those that the filter keeps.
    pub entries: Vec<Entry>,
    pub filter: Prompt,
    /// The filter is being typed.
    pub typing: bool,
    all: Vec<Entry>,
    /// So many of them were held against the filter.
    taken: usize,
    /// Rows of the model below this were looked at.
    next: RowId,
    pub selected: usize,
    pub follow: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            filter: Prompt::default(),
            typing: false,
            all: Vec::new(),
            taken: 0,
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

impl Entry {
    /// What stands in the list, after who said it.
    pub fn text(&self, world: &World) -> (&'static str, String) {
        match self {
            Self::Note { notice, .. } => ("screen", notice.text.clone()),
            Self::Row(id) => match world.traffic.row(*id) {
                Some(row) if row.kind == RowKind::Stderr => ("stderr", row.summary.to_owned()),
                Some(row) if row.kind == RowKind::Garbage => {
                    ("stdout", format!("{} {}", row.method, row.summary))
                }
                Some(row) => ("sentinel", format!("{} {}", row.method, row.summary)),
                None => ("", String::new()),
            },
        }
    }

    fn is_kept(&self, world: &World, filter: &Filter) -> bool {
        filter.is_empty() || {
            let (source, text) = self.text(world);
            filter.keeps_texts(&[source, &text])
        }
    }
}

impl Log {
    pub fn note(&mut self, at: Timestamp, notice: Notice) {
        self.all.push(Entry::Note { at, notice });
    }

    /// How many there are, shown or not.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Takes the filter as it is now; the selection stays on its entry, or on the next that is left.
    pub fn apply_filter(&mut self, world: &World) {
        let chosen = self.entries.get(self.selected).cloned();
        let chosen = chosen.and_then(|chosen| self.all.iter().position(|entry| *entry == chosen));
        let filter = Filter::parse(self.filter.text());
        let mut kept = Vec::new();
        self.selected = 0;
        for (index, entry) in self.all.iter().enumerate() {
            if !entry.is_kept(world, &filter) {
                continue;
            }
            if chosen.is_some_and(|chosen| index <= chosen) {
                self.selected = kept.len();
            }
            kept.push(entry.clone());
        }
        self.entries = kept;
        self.taken = self.all.len();
    }

    /// The keys of the filter while it is typed.
    fn type_filter(&mut self, world: &World, action: Action) {
        match action {
            Action::Earlier => {
                self.filter.recall();
                self.apply_filter(world);
            }
            _ => self.typing = false,
        }
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
                        let text = String::from_utf8_lossy(document.bytes());
                        Some(match row.kind {
                            RowKind::Stderr => unstyled(&text).into_owned(),
                            _ => text.into_owned(),
                        })
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
            _ if self.typing => self.type_filter(world, action),
            Action::Filter => self.typing = true,
            Action::Back => {
                self.filter.clear();
                self.apply_filter(world);
            }
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
            let belongs = world.traffic.row(id).is_some_and(|row| match row.kind {
                RowKind::Stderr | RowKind::Mark => true,
                RowKind::Garbage => row.from == Party::Server && world.traffic.http(id).is_none(),
                _ => false,
            });
            if belongs {
                self.all.push(Entry::Row(id));
            }
        }
        self.next = world.traffic.len();
        let filter = Filter::parse(self.filter.text());
        let fresh = self.all[self.taken..].iter();
        let kept = fresh.filter(|entry| entry.is_kept(world, &filter));
        self.entries.extend(kept.cloned());
        self.taken = self.all.len();
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
