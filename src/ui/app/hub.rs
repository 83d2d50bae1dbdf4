//! The hub: live proxies and saved captures, one of which is opened.

use super::help::Help;
use super::movement::moved;
use super::prompt::Prompt;
use crate::capture::store::Saved;
use crate::link::registry::Entry;
use crate::tap::Timestamp;
use crate::ui::event::{Effect, Event, Notice};
use crate::ui::keymap::{self, Action, Binding, Context};
use crate::ui::tally::Contents;
use crate::ui::theme::Theme;
use ratatui::crossterm::event::{MouseButton, MouseEventKind};
use ratatui::layout::Rect;
use std::collections::HashMap;
use std::path::PathBuf;

/// How often the lists are looked at again.
const AGAIN_MICROS: i64 = 2_000_000;

/// What there is to open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    pub live: Vec<Entry>,
    pub saved: Vec<Saved>,
    /// Why something is missing, in words.
    pub failure: Option<String>,
}

/// One thing to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    Live(&'a Entry),
    Saved(&'a Saved),
}

impl Item<'_> {
    fn matches(&self, words: &[String]) -> bool {
        let text = match self {
            Self::Live(entry) => {
                format!(
                    "{} {} {}",
                    entry.name,
                    entry.client.as_deref().unwrap_or_default(),
                    entry.upstream.join(" ")
                )
            }
            Self::Saved(saved) => format!("{} {}", saved.name, saved.path.display()),
        };
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    }

    /// Stays the same from one listing to the next.
    fn identity(&self) -> String {
        match self {
            Self::Live(entry) => format!("live {}", entry.socket.display()),
            Self::Saved(saved) => format!("saved {}", saved.path.display()),
        }
    }
}

/// A line of the hub's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The headings of the two lists.
    Live,
    Saved,
    /// By its place in [`Hub::items`].
    Item(usize),
    Blank,
}

#[derive(Debug, Default)]
pub struct Hub {
    /// `None` until the first look.
    pub listing: Option<Listing>,
    /// What saved captures held when they were so many bytes long.
    counted: HashMap<PathBuf, (u64, Contents)>,
    /// One is being counted.
    counting: bool,
    pub theme: Theme,
    pub now: Timestamp,
    pub utc_offset_seconds: i32,
    pub size: (u16, u16),
    pub filter: Prompt,
    pub typing: bool,
    /// What the selection stands on, wherever it is listed next time.
    chosen: Option<String>,
    listed_at: Timestamp,
    pub help: Option<Help>,
    /// How to put the program in front of a server, in words.
    pub how_to_wrap: bool,
    /// Asks whether this one is to be deleted.
    pub deleting: Option<Saved>,
    pub notice: Option<Notice>,
}

impl Hub {
    pub fn new(theme: Theme) -> Self {
        Self {
            theme,
            ..Self::default()
        }
    }

    /// Says that a proxy was asked, and how not to wait for it.
    pub fn wait_for(&mut self, entry: &Entry) {
        let said = format!("waiting for {} {} …; Esc leaves it", entry.pid, entry.name);
        self.notice = Some(Notice::info(said));
    }

    /// What is shown, in order.
    pub fn items(&self) -> Vec<Item<'_>> {
        let words: Vec<String> = self
            .filter
            .text()
            .split_whitespace()
            .map(str::to_lowercase)
            .collect();
        let Some(listing) = &self.listing else {
            return Vec::new();
        };
        let live = listing.live.iter().map(Item::Live);
        let saved = listing.saved.iter().map(Item::Saved);
        live.chain(saved)
            .filter(|item| item.matches(&words))
            .collect()
    }

    /// Whether there is nothing to list: then how to wrap a server stands there without a key.
    pub fn is_bare(&self) -> bool {
        let listing = self.listing.as_ref();
        listing.is_some_and(|it| it.live.is_empty() && it.saved.is_empty())
    }

    pub fn selected(&self) -> usize {
        let chosen = self.chosen.as_deref();
        self.items()
            .iter()
            .position(|item| Some(item.identity().as_str()) == chosen)
            .unwrap_or(0)
    }

    pub fn contexts(&self) -> Vec<Context> {
        if self.deleting.is_some() {
            vec![Context::Question]
        } else if self.help.is_some() {
            vec![Context::Help, Context::Move]
        } else if self.typing {
            vec![Context::Prompt]
        } else {
            vec![Context::Hub, Context::Move, Context::Global]
        }
    }

    /// The word for a key in the hints; empty where it is not worth pressing.
    pub fn offers(&self, binding: &Binding) -> &'static str {
        let items = !self.items().is_empty() || !self.filter.is_empty();
        match (binding.context, binding.action) {
            (Context::Hub, Action::HowToWrap) if self.is_bare() => "",
            (Context::Hub, Action::HowToWrap) if self.how_to_wrap => "back",
            (Context::Hub, _) if self.how_to_wrap => "",
            (Context::Hub, Action::Open | Action::Filter) if !items => "",
            (Context::Hub, Action::Delete) => match self.items().get(self.selected()) {
                Some(Item::Saved(_)) => binding.hint,
                Some(Item::Live(_)) | None => "",
            },
            _ => binding.hint,
        }
    }

    /// The lines between title and status.
    pub fn body(area: Rect) -> Rect {
        Rect {
            y: area.y + 2.min(area.height),
            height: area.height.saturating_sub(4),
            ..area
        }
    }

    /// The lines on a screen of `height` lines, around the selected one.
    pub fn lines(&self, height: usize) -> Vec<Line> {
        let (items, chosen) = (self.items(), self.selected());
        let live = items
            .iter()
            .take_while(|item| matches!(item, Item::Live(_)))
            .count();
        let mut lines = Vec::with_capacity(items.len() + 4);
        let mut selected = 0;
        for index in 0..items.len() {
            if index == live && live > 0 {
                lines.push(Line::Blank);
            }
            if index == 0 && live > 0 {
                lines.push(Line::Live);
            }
            if index == live {
                lines.push(Line::Saved);
            }
            if index == chosen {
                selected = lines.len();
            }
            lines.push(Line::Item(index));
        }
        let top = selected
            .saturating_sub(height / 2)
            .min(lines.len().saturating_sub(height));
        lines.drain(..top);
        lines.truncate(height);
        lines
    }

    fn page(&self) -> usize {
        usize::from(self.size.1.saturating_sub(6)).max(1)
    }

    pub fn update(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = self.react(event);
        if effects.is_empty() {
            effects.extend(self.count_next());
        }
        effects
    }

    fn react(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Tick {
                now,
                utc_offset_seconds,
            } => {
                (self.now, self.utc_offset_seconds) = (now, utc_offset_seconds);
                if now.0 - self.listed_at.0 >= AGAIN_MICROS {
                    self.listed_at = now;
                    return vec![Effect::List];
                }
            }
            Event::Resize { width, height } => self.size = (width, height),
            Event::Listed(listing) => {
                // Said once, not at each look.
                let known = self.listing.as_ref().map(|it| &it.failure);
                if let Some(failure) = &listing.failure
                    && known != Some(&listing.failure)
                {
                    self.notice = Some(Notice::error(failure.clone()));
                }
                self.listing = Some(listing);
            }
            Event::Counted(saved, contents) => {
                self.counting = false;
                self.counted.insert(saved.path, (saved.bytes, contents));
            }
            Event::Notice(notice) => self.notice = Some(notice),
            Event::Paste(text) if self.typing => self.filter.paste(&text),
            Event::Key(key) => {
                self.notice = None;
                match keymap::lookup(&self.contexts(), &key) {
                    Some(action) => return self.act(action),
                    None if self.typing => drop(self.filter.key(&key)),
                    None => {}
                }
            }
            // A question is answered with a key.
            Event::Mouse(_) if self.deleting.is_some() => {}
            Event::Mouse(mouse) => match mouse.kind {
                MouseEventKind::ScrollUp => return self.act(Action::Up),
                MouseEventKind::ScrollDown => return self.act(Action::Down),
                MouseEventKind::Down(MouseButton::Left) => self.click(mouse.row),
                _ => {}
            },
            _ => {}
        }
        Vec::new()
    }

    /// What the capture holds, once it was looked at.
    pub fn contents(&self, saved: &Saved) -> Option<&Contents> {
        self.counted.get(&saved.path).map(|(_, contents)| contents)
    }

    /// Asks for the next capture on the screen to be counted: one at a time, and only what somebody sees.
    fn count_next(&mut self) -> Option<Effect> {
        if self.counting {
            return None;
        }
        let items = self.items();
        let height = Self::body(Rect::new(0, 0, self.size.0, self.size.1)).height;
        let next = self.lines(height.into()).into_iter().find_map(|line| {
            let Line::Item(index) = line else { return None };
            let Some(Item::Saved(saved)) = items.get(index) else {
                return None;
            };
            let known = self.counted.get(&saved.path);
            (known.map(|(bytes, _)| *bytes) != Some(saved.bytes)).then_some(*saved)
        })?;
        let next = next.clone();
        self.counting = true;
        Some(Effect::Count(next))
    }

    fn click(&mut self, y: u16) {
        let body = Self::body(Rect::new(0, 0, self.size.0, self.size.1));
        let lines = self.lines(usize::from(body.height));
        let line = y
            .checked_sub(body.y)
            .and_then(|line| lines.get(usize::from(line)));
        if let Some(Line::Item(index)) = line {
            self.select(*index);
        }
    }

    fn select(&mut self, index: usize) {
        self.chosen = self.items().get(index).map(Item::identity);
    }

    fn act(&mut self, action: Action) -> Vec<Effect> {
        let height = self.page();
        if let Some(saved) = self.deleting.take() {
            return self.delete(saved, action);
        }
        if let Some(help) = &mut self.help {
            if !help.update(action, (height + 2) * Help::columns(self.size.0)) {
                self.help = None;
            }
            return Vec::new();
        }
        match action {
            Action::Quit => return vec![Effect::Quit],
            Action::Suspend => return vec![Effect::Suspend],
            Action::Help => {
                self.help = Some(Help::new(&[Context::Hub, Context::Move, Context::Global]))
            }
            Action::Back if self.typing => self.typing = false,
            Action::Back if self.how_to_wrap => self.how_to_wrap = false,
            Action::Back => self.filter.clear(),
            Action::Earlier => drop(self.filter.recall()),
            Action::Open if self.typing => self.typing = false,
            Action::Open if self.how_to_wrap => self.how_to_wrap = false,
            Action::Open => return self.open(),
            Action::Filter => (self.typing, self.how_to_wrap) = (true, false),
            Action::Refresh => return vec![Effect::List],
            // The list is covered.
            Action::Delete if self.how_to_wrap => {}
            Action::Delete => self.ask_to_delete(),
            Action::HowToWrap => self.how_to_wrap = !self.how_to_wrap && !self.is_bare(),
            _ => {
                let last = self.items().len().saturating_sub(1);
                self.select(moved(self.selected(), action, height, last));
            }
        }
        Vec::new()
    }

    fn ask_to_delete(&mut self) {
        let selected = self.items().get(self.selected()).copied();
        match selected {
            Some(Item::Saved(saved)) => self.deleting = Some(saved.clone()),
            Some(Item::Live(_)) => {
                self.notice = Some(Notice::info("a live conversation is not deleted"));
            }
            None => {}
        }
    }

    fn delete(&mut self, saved: Saved, answer: Action) -> Vec<Effect> {
        if answer != Action::Yes {
            return Vec::new();
        }
        // The selection stays where it is, on what takes the place.
        let (at, count) = (self.selected(), self.items().len());
        self.select(if at + 1 < count {
            at + 1
        } else {
            at.saturating_sub(1)
        });
        vec![Effect::Delete(saved)]
    }

    fn open(&mut self) -> Vec<Effect> {
        let effect = match self.items().get(self.selected()) {
            Some(Item::Live(entry)) => Effect::Attach((*entry).clone()),
            Some(Item::Saved(saved)) => Effect::Open(saved.path.clone()),
            None => return Vec::new(),
        };
        // Nobody waits for the answer any more.
        self.counting = false;
        vec![effect]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_a_list_cannot_be_read_is_said_once() {
        let mut hub = Hub::new(Theme::default());
        let mut told = |failure: Option<&str>| {
            hub.notice = None;
            hub.update(Event::Listed(Listing {
                failure: failure.map(str::to_owned),
                ..Listing::default()
            }));
            hub.notice.is_some()
        };
        assert!(told(Some("no")));
        assert!(!told(Some("no")));
        assert!(!told(None));
        assert!(told(Some("no")));
    }
}
