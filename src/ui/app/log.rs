//! The Log pane: what the server wrote to its standard error, or instead of messages, what it logs in messages, what the
//! proxy noted, and what this screen had to say; in the order of time.

mod level;
mod whole;

use super::World;
use super::movement::moved;
use super::prompt::Prompt;
use crate::capture::record::Location;
use crate::mcp::{logging, methods};
use crate::tap::{Party, Timestamp};
use crate::traffic::view::Filter;
use crate::traffic::{Row, RowId, RowKind};
use crate::ui::event::{Notice, Step};
use crate::ui::keymap::Action;
use level::Level;
use ratatui::layout::Rect;
use whole::Whole;

/// There may be a million of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A line of stderr, a log message, a mark, or what the server wrote where a message should be.
    Row(RowId),
    /// The sentence of this screen's with this number.
    Note(u32),
}

/// A sentence of this screen's.
#[derive(Debug)]
pub struct Note {
    pub at: Timestamp,
    pub notice: Notice,
}

#[derive(Debug)]
pub struct Log {
    /// What is shown: all of them, or those that the filter keeps.
    pub entries: Vec<Entry>,
    pub filter: Prompt,
    /// The filter is being typed.
    pub typing: bool,
    all: Vec<Entry>,
    notes: Vec<Note>,
    /// Rows of the model below this were looked at.
    next: RowId,
    pub selected: usize,
    pub follow: bool,
    /// From which level on the server logs.
    pub level: Level,
    whole: Whole,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            filter: Prompt::default(),
            typing: false,
            all: Vec::new(),
            notes: Vec::new(),
            next: 0,
            selected: 0,
            follow: true,
            level: Level::default(),
            whole: Whole::default(),
        }
    }
}

/// Who says what this screen has to say.
const SCREEN: &str = "screen";

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

/// Columns of its text: a margin of two at each side.
fn columns(whole: Rect) -> usize {
    usize::from(whole.width).saturating_sub(4)
}

/// The level that a log message has, and what else there is of its summary. What is no level stands among the words.
fn leveled(summary: &str) -> (&'static str, &str) {
    let (level, rest) = summary.split_once(' ').unwrap_or((summary, ""));
    match logging::LEVELS.iter().find(|known| **known == level) {
        Some(level) => (level, rest),
        None => ("log", summary),
    }
}

/// Whether it is here that one looks for it.
fn belongs(world: &World, row: &Row<'_>) -> bool {
    match row.kind {
        RowKind::Stderr | RowKind::Mark => true,
        RowKind::Notification => row.from == Party::Server && row.method == methods::LOG_MESSAGE,
        RowKind::Garbage => row.from == Party::Server && world.traffic.http(row.id).is_none(),
        _ => false,
    }
}

impl Log {
    pub fn note(&mut self, world: &World, notice: Notice) {
        // The clock is read only where something is drawn that ages.
        let at = world.now.max(world.traffic.latest());
        let text = notice.text.as_str();
        let kept = Filter::parse(self.filter.text()).keeps_texts(&[SCREEN, text]);
        let number = u32::try_from(self.notes.len()).unwrap_or(u32::MAX);
        self.notes.push(Note { at, notice });
        self.add(Entry::Note(number), at, kept);
    }

    /// A sentence of this screen's.
    pub fn noted(&self, number: u32) -> Option<&Note> {
        self.notes.get(number as usize)
    }

    /// What stands in the list, after who said it or how grave it is.
    pub fn text(&self, world: &World, entry: Entry) -> (&'static str, String) {
        let row = match entry {
            Entry::Note(number) => {
                let note = self.noted(number);
                return (
                    SCREEN,
                    note.map(|it| it.notice.text.clone()).unwrap_or_default(),
                );
            }
            Entry::Row(id) => world.traffic.row(id),
        };
        match row {
            Some(row) if row.kind == RowKind::Stderr => ("stderr", row.summary.to_owned()),
            Some(row) if row.kind == RowKind::Notification => {
                let (level, words) = leveled(row.summary);
                (level, words.to_owned())
            }
            Some(row) if row.kind == RowKind::Garbage => {
                ("stdout", format!("{} {}", row.method, row.summary))
            }
            Some(row) => ("sentinel", format!("{} {}", what(&row, world), row.summary)),
            None => ("", String::new()),
        }
    }

    fn is_kept(&self, world: &World, filter: &Filter, entry: Entry) -> bool {
        filter.is_empty() || {
            let (source, text) = self.text(world, entry);
            filter.keeps_texts(&[source, &text])
        }
    }

    /// Puts an entry where its time is; the selection stays where it was.
    fn add(&mut self, entry: Entry, at: Timestamp, kept: bool) {
        let index = self.place(&self.all, at);
        self.all.insert(index, entry);
        if kept {
            let index = self.place(&self.entries, at);
            let before = index < self.entries.len() && index <= self.selected;
            self.selected += usize::from(before);
            self.entries.insert(index, entry);
        }
    }

    /// Behind all but our own sentences that are later: what is read of a capture comes in its order.
    fn place(&self, entries: &[Entry], at: Timestamp) -> usize {
        let is_later = |entry: &&Entry| match entry {
            Entry::Note(number) => self.noted(*number).is_some_and(|note| note.at > at),
            Entry::Row(_) => false,
        };
        entries.len() - entries.iter().rev().take_while(is_later).count()
    }

    pub fn can_choose_level(&self, world: &World) -> bool {
        Level::why_not(world).is_none()
    }

    /// How many there are, shown or not.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Takes the filter as it is now; the selection stays on its entry, or on the next that is left.
    pub fn apply_filter(&mut self, world: &World) {
        let chosen = self.entries.get(self.selected);
        let chosen = chosen.and_then(|chosen| self.all.iter().position(|entry| entry == chosen));
        let filter = Filter::parse(self.filter.text());
        let mut kept = Vec::new();
        self.selected = 0;
        for (index, entry) in self.all.iter().enumerate() {
            if !self.is_kept(world, &filter, *entry) {
                continue;
            }
            if chosen.is_some_and(|chosen| index <= chosen) {
                self.selected = kept.len();
            }
            kept.push(*entry);
        }
        self.entries = kept;
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
            Entry::Note(_) => None,
        }
    }

    /// The lines of the selected entry, as much as is worth drawing.
    pub fn whole(&self) -> &[String] {
        self.whole.lines()
    }

    pub fn update(&mut self, world: &World, area: Rect, action: Action) -> Vec<Step> {
        let height = usize::from(areas(area).0.height);
        let last = self.entries.len().saturating_sub(1);
        match action {
            _ if self.typing => self.type_filter(world, action),
            _ if self.level.choices.is_some() => return self.level.act(world, area, action),
            Action::Level => return self.level.open(world),
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
                let selected = self.entries.get(self.selected);
                let text = selected.and_then(|entry| whole::text(self, world, *entry, usize::MAX));
                return vec![match text {
                    Some(text) => Step::copy("the line", text),
                    None => Step::Say(Notice::info("there is no line here yet")),
                }];
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
        if let Some(choices) = &mut self.level.choices {
            return choices.click(choices.at_bottom(area), y);
        }
        let list = areas(area).0;
        let to = self.top(usize::from(list.height)) + usize::from(y.saturating_sub(list.y));
        if y < list.bottom() && to < self.entries.len() {
            self.selected = to;
            self.follow = false;
        }
    }

    /// Takes in new rows; `area` is the pane's where it is open and wants its selected line.
    pub fn sync(
        &mut self,
        world: &World,
        area: Option<Rect>,
        steps: &mut Vec<Step>,
    ) -> Vec<Location> {
        steps.extend(self.level.sync(world));
        let filter = Filter::parse(self.filter.text());
        for id in self.next..world.traffic.len() {
            let row = world.traffic.row(id);
            if let Some(row) = row.filter(|row| belongs(world, row)) {
                let entry = Entry::Row(id);
                self.add(entry, row.at, self.is_kept(world, &filter, entry));
            }
        }
        self.next = world.traffic.len();
        if self.follow {
            self.selected = self.entries.len().saturating_sub(1);
        }
        let selected = self.entries.get(self.selected).copied();
        if let Some(area) = area {
            let columns = columns(areas(area).1);
            let mut whole = std::mem::take(&mut self.whole);
            whole.show(self, world, selected, columns);
            self.whole = whole;
        }
        match selected {
            Some(Entry::Row(id)) if area.is_some() => world
                .traffic
                .row(id)
                .map(|row| row.request)
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// What a row of ours tells of; of which session, where there are more.
fn what(row: &Row<'_>, world: &World) -> String {
    match row.method.strip_prefix("session ") {
        Some(what) if world.traffic.sessions().len() > 1 => {
            format!("session {} {what}", row.session.0)
        }
        _ => row.method.to_owned(),
    }
}
