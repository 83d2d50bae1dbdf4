//! The Log pane: what the server wrote to its standard error, or instead of messages, what it logs in messages, what the
//! proxy noted, and what this screen had to say; in the order of time.

mod level;

use super::World;
use super::movement::moved;
use super::prompt::Prompt;
use crate::capture::record::Location;
use crate::mcp::{logging, methods};
use crate::tap::{Party, Timestamp};
use crate::traffic::view::Filter;
use crate::traffic::{Row, RowId, RowKind};
use crate::ui::event::{Body, Effect, Notice, Step};
use crate::ui::json::Document;
use crate::ui::keymap::Action;
use crate::wire::framing::character_end;
use crate::wire::object;
use crate::wire::shown::unstyled;
use level::Level;
use ratatui::layout::Rect;
use std::borrow::Cow;

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

/// The level that a log message has, and what else there is of its summary. What is no level stands among the words.
fn leveled(summary: &str) -> (&'static str, &str) {
    let (level, rest) = summary.split_once(' ').unwrap_or((summary, ""));
    match logging::LEVELS.iter().find(|known| **known == level) {
        Some(level) => (level, rest),
        None => ("log", summary),
    }
}

/// Bytes of an entry that are drawn: they are taken from the message for every frame.
const SHOWN: usize = 64 << 10;
/// The longest escape of one character in JSON text: a pair of surrogates.
const LONGEST_ESCAPE: usize = 12;

/// What a log message says, in full; the start of it as it came where its data has more bytes than `most`.
fn logged(message: &str, most: usize) -> String {
    let param = |name| object::at(message, &["params", name]);
    let data = param("data").unwrap_or_default();
    let start = start_of(data, most);
    let said = match object::unescape(&start) {
        Some(text) => text.into_owned(),
        None if start.len() < data.len() => start.into_owned(),
        None => Document::new(data.as_bytes().to_vec()).pretty(),
    };
    match param("logger").and_then(object::unescape) {
        Some(logger) => format!("{logger}: {said}"),
        None => said,
    }
}

/// As much of a JSON value; of a text that is cut, what is a text again.
fn start_of(data: &str, most: usize) -> Cow<'_, str> {
    if data.len() <= most {
        return data.into();
    }
    let is_text = data.starts_with('"');
    let ends = (most.saturating_sub(LONGEST_ESCAPE)..=most).rev();
    let closed = |end| {
        let text = format!("{}\"", data.get(..end)?);
        object::unescape(&text).is_some().then_some(text)
    };
    let text = ends.filter(|_| is_text).find_map(closed);
    let cut = || data.get(..character_end(data.as_bytes(), most));
    text.map_or_else(|| cut().unwrap_or_default().into(), Cow::from)
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

    /// The selected entry's text, when it is there: as much as is worth drawing.
    pub fn shown(&self, world: &World) -> Option<String> {
        let mut text = self.selected_text(world, SHOWN)?;
        text.truncate(character_end(text.as_bytes(), SHOWN));
        Some(text)
    }

    /// The selected entry's text, from about as many bytes of its message.
    fn selected_text(&self, world: &World, most: usize) -> Option<String> {
        match self.entries.get(self.selected)? {
            Entry::Note(number) => Some(self.noted(*number)?.notice.text.clone()),
            Entry::Row(id) => {
                let row = world.traffic.row(*id)?;
                match world.body(row.request) {
                    _ if row.kind == RowKind::Mark => {
                        Some(format!("{} {}", row.method, row.summary))
                    }
                    Body::Loaded(document) => {
                        let bytes = document.bytes();
                        let start = || {
                            let end = character_end(bytes, most);
                            String::from_utf8_lossy(&bytes[..end])
                        };
                        Some(match row.kind {
                            RowKind::Stderr => unstyled(&start()).into_owned(),
                            RowKind::Notification => logged(&String::from_utf8_lossy(bytes), most),
                            _ => start().into_owned(),
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
                return self
                    .selected_text(world, usize::MAX)
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

    /// Takes in new rows; `visible` when the pane is open and wants its selected line.
    pub fn sync(&mut self, world: &World, visible: bool, steps: &mut Vec<Step>) -> Vec<Location> {
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

/// What a row of ours tells of; of which session, where there are more.
fn what(row: &Row<'_>, world: &World) -> String {
    match row.method.strip_prefix("session ") {
        Some(what) if world.traffic.sessions().len() > 1 => {
            format!("session {} {what}", row.session.0)
        }
        _ => row.method.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(data: &str, most: usize) -> String {
        logged(
            &format!(r#"{{"params":{{"logger":"db","data":{data}}}}}"#),
            most,
        )
    }

    #[test]
    fn long_data_is_not_taken_apart_to_be_drawn() {
        assert_eq!(said(r#"{"a":[1,2]}"#, 6), r#"db: {"a":["#);
        assert_eq!(said(r#"["ä"]"#, 3), r#"db: [""#);
        let whole = said(r#"{"a":[1,2]}"#, 11);
        assert!(whole.contains("\n") && whole.ends_with('}'), "{whole}");
    }

    #[test]
    fn a_long_text_is_cut_between_its_characters() {
        let text = r#""one\ntwo \ud83d\ude00 ä""#;
        for (most, said_so) in [
            (text.len(), "one\ntwo \u{1f600} ä"),
            (23, "one\ntwo \u{1f600} "),
            (22, "one\ntwo \u{1f600}"),
            (10, "one\ntwo "),
            (5, "one"),
        ] {
            assert_eq!(said(text, most), format!("db: {said_so}"), "{most}");
        }
    }
}
