//! Tools, Resources and Prompts: what the server offers, and what was called of it.

mod count;
mod following;
mod item;
mod known;
mod narrowed;

use super::prompt::Prompt;
use super::sheet::{Drafts, subject::Subject};
use super::{Input, Part, World};
use crate::capture::record::Location;
use crate::mcp::methods;
use crate::tap::{Command, Timestamp};
use crate::traffic::Status;
use crate::traffic::inventory::Listing;
use crate::ui::event::{Call, Effect, Notice, Owner, Step, Token};
use crate::ui::json::Document;
use crate::ui::json::view::View;
use crate::ui::keymap::{Action, Binding, Context};
use crate::ui::render;
use crate::wire::object;
pub use count::Count;
use following::Following;
pub use item::Item;
pub use known::{COMPARED, Known};
use narrowed::Narrowed;
use ratatui::layout::Rect;
use std::sync::Arc;

/// From this width on, the list stands left of the detail; above it otherwise.
const BESIDE: u16 = 60;

/// Which of the three it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum What {
    #[default]
    Tools,
    Resources,
    Prompts,
}

impl What {
    /// `tool`, `resource`, `prompt`.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Tools => "tool",
            Self::Resources => "resource",
            Self::Prompts => "prompt",
        }
    }
}

/// Where the parts of the pane are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// The line above the list: what narrows it, how fresh it is.
    pub head: Rect,
    pub list: Rect,
    /// The rule between the two, standing or lying.
    pub divider: Rect,
    pub detail: Rect,
    /// The line below the detail: what can be done.
    pub foot: Rect,
}

pub fn places(area: Rect) -> Places {
    let line = |area: Rect, from: u16, height: u16| Rect {
        y: area.y + from.min(area.height),
        height: height.min(area.height.saturating_sub(from)),
        ..area
    };
    let (left, divider, detail) = if area.width >= BESIDE {
        let width = (area.width * 36 / 100).clamp(24, 48);
        let left = Rect { width, ..area };
        let divider = Rect {
            x: area.x + width,
            width: 1,
            ..area
        };
        let gap = width + 2;
        (
            left,
            divider,
            Rect {
                x: area.x + gap,
                width: area.width - gap,
                ..area
            },
        )
    } else {
        let height = (area.height * 2 / 5).max(3);
        let below = line(area, height + 1, area.height);
        let margin = 2.min(below.width);
        let detail = Rect {
            x: below.x + margin,
            width: below.width - margin,
            ..below
        };
        (line(area, 0, height), line(area, height, 1), detail)
    };
    let foot = u16::from(detail.height > 5);
    Places {
        head: line(left, 0, 1),
        list: line(left, 1, left.height),
        divider,
        detail: line(detail, 0, detail.height - foot),
        foot: line(detail, detail.height - foot, foot),
    }
}

#[derive(Debug, Default)]
pub struct Inventory {
    pub what: What,
    pub filter: Prompt,
    /// The filter is being typed.
    pub typing: bool,
    /// Up and down scroll the detail, not the list.
    pub reading: bool,
    /// The definition as JSON, in place of the detail.
    pub schema: Option<View>,
    /// The first line of the list, and of the detail, on the screen.
    pub top: usize,
    pub scroll: usize,
    /// What is selected, by its key: it may vanish and come back.
    chosen: Option<String>,
    narrowed: Narrowed,
    /// What was learned of what is selected.
    pub known: Known,
    /// There are arguments that it was called with before.
    has_last: bool,
    /// What the server is asked to tell of.
    following: Following,
    refreshes: u64,
}

impl Inventory {
    pub fn new(what: What) -> Self {
        Self {
            what,
            ..Self::default()
        }
    }

    /// All that the server offers.
    pub fn all<'a>(&self, world: &'a World) -> Vec<Item<'a>> {
        let offered = world.traffic.inventory();
        match self.what {
            What::Tools => offered.tools.items.iter().map(Item::Tool).collect(),
            What::Prompts => offered.prompts.items.iter().map(Item::Prompt).collect(),
            What::Resources => {
                let resources = offered.resources.items.iter();
                resources
                    .chain(&offered.templates.items)
                    .map(Item::Resource)
                    .collect()
            }
        }
    }

    /// The whole list in numbers.
    pub fn count(&self, world: &World) -> Count {
        Count::of(self.what, world)
    }

    /// What is in the list, as narrowed: what is called so first.
    pub fn items<'a>(&self, world: &'a World) -> Vec<Item<'a>> {
        let all = self.all(world);
        let filter = self.filter.text();
        match filter.trim() {
            "" => all,
            _ => self.narrowed.items(filter, state_of(world), &all),
        }
    }

    /// Finds out what the filter leaves.
    fn narrow(&mut self, world: &World) {
        let filter = self.filter.text();
        if !filter.trim().is_empty() {
            let all = self.all(world);
            self.narrowed.find(filter, state_of(world), &all);
        }
    }

    /// The selected item and its position.
    pub fn selected<'a>(&self, world: &'a World) -> Option<(Item<'a>, usize)> {
        let items = self.items(world);
        let chosen = items
            .iter()
            .position(|item| Some(item.key()) == self.chosen.as_deref());
        let at = chosen.unwrap_or(0);
        items.get(at).map(|item| (*item, at))
    }

    /// When the list was last read, and since when it may be wrong.
    pub fn freshness(&self, world: &World) -> (Option<Timestamp>, Option<Timestamp>) {
        fn of<T>(listing: &Listing<T>) -> (Option<Timestamp>, Option<Timestamp>) {
            (listing.listed_at, listing.stale_since)
        }
        let offered = world.traffic.inventory();
        match self.what {
            What::Tools => of(&offered.tools),
            What::Prompts => of(&offered.prompts),
            What::Resources => {
                let (resources, templates) = (of(&offered.resources), of(&offered.templates));
                (resources.0.or(templates.0), resources.1.or(templates.1))
            }
        }
    }

    /// Whether the server has more than what it was seen to list, or than is kept.
    pub fn is_partial(&self, world: &World) -> bool {
        let offered = world.traffic.inventory();
        match self.what {
            What::Tools => offered.tools.is_partial(),
            What::Prompts => offered.prompts.is_partial(),
            What::Resources => offered.resources.is_partial() || offered.templates.is_partial(),
        }
    }

    /// Whether the server has said what it can do, and this was not among it.
    pub fn is_not_offered(&self, world: &World) -> bool {
        let name = format!("{}s", self.what.noun());
        let server = world.traffic.inventory().server.as_ref();
        let said = server.filter(|server| !server.capabilities.is_empty());
        said.is_some_and(|server| {
            object::members(&server.capabilities).all(|(offered, _)| offered != name)
        })
    }

    /// What the server said when it was asked for the list and did not give it.
    pub fn refusal(&self, world: &World) -> Option<String> {
        let method = match self.what {
            What::Tools => methods::TOOLS_LIST,
            What::Resources => methods::RESOURCES_LIST,
            What::Prompts => methods::PROMPTS_LIST,
        };
        let last = *world.traffic.calls_of(method, "", 1).first()?;
        let row = world.traffic.row(last)?;
        (row.status == Status::Error).then(|| row.outcome.to_owned())
    }

    /// Learns what there is to know of what is selected, while the pane is open.
    pub fn look(&mut self, world: &World, drafts: &Drafts) {
        self.narrow(world);
        let selected = self.selected(world).map(|(item, _)| item);
        let second = selected.and_then(|item| item.second(world));
        self.known.look(selected, second);
        let subject = selected.and_then(|item| Subject::of(item.call()).ok());
        self.has_last = subject.is_some_and(|it| it.has_last(&world.traffic, drafts));
    }

    fn select(&mut self, world: &World, at: usize, height: u16) {
        let items = self.items(world);
        let Some(at) = items.len().checked_sub(1).map(|last| at.min(last)) else {
            return;
        };
        let key = items[at].key();
        if self.chosen.as_deref() != Some(key) {
            self.chosen = Some(key.to_owned());
            self.scroll = 0;
            if self.schema.is_some() {
                self.show_schema(items[at]);
            }
        }
        let lowest = (at + 1).saturating_sub(usize::from(height).max(1));
        self.top = self.top.clamp(lowest, at);
    }

    fn show_schema(&mut self, item: Item<'_>) {
        self.schema = Some(View::new(Arc::new(Document::new(
            item.raw().as_bytes().to_vec(),
        ))));
    }

    fn move_in_list(&mut self, world: &World, lines: isize, height: u16) {
        let at = self.selected(world).map_or(0, |(_, at)| at);
        self.select(world, at.saturating_add_signed(lines), height);
    }

    fn scroll_detail(&mut self, world: &World, lines: isize, area: Rect) {
        let Some((item, _)) = self.selected(world) else {
            return;
        };
        let height = render::inventory::detail(world, item, &self.known, area.width).len();
        let last = height.saturating_sub(usize::from(area.height));
        self.scroll = self.scroll.saturating_add_signed(lines).min(last);
    }

    fn movement(&mut self, world: &World, area: Rect, action: Action) {
        let Places { list, detail, .. } = places(area);
        if self.reading
            && let Some(schema) = &mut self.schema
        {
            let outermost = schema.position() == 0;
            match action {
                Action::Left if outermost => self.reading = false,
                action => schema.act(action),
            }
            return;
        }
        let page = |height: u16| isize::from(height.saturating_sub(1).max(1).cast_signed());
        let lines = |height: u16| match action {
            Action::Up => -1,
            Action::Down => 1,
            Action::PageUp => -page(height),
            Action::PageDown => page(height),
            Action::Top => isize::MIN,
            Action::Bottom => isize::MAX,
            _ => 0,
        };
        match action {
            Action::Left => self.reading = false,
            Action::Right => self.reading = true,
            _ if self.reading => self.scroll_detail(world, lines(detail.height), detail),
            _ => self.move_in_list(world, lines(list.height), list.height),
        }
    }

    fn back(&mut self, world: &World, height: u16) {
        if self.schema.take().is_some() || std::mem::take(&mut self.reading) {
            self.reading = false;
        } else {
            self.filter.clear();
            self.move_in_list(world, 0, height);
        }
    }

    fn act(&mut self, world: &World, area: Rect, action: Action) -> Vec<Step> {
        let selected = self.selected(world).map(|(item, _)| item);
        match (action, selected) {
            (Action::Filter, _) => {
                self.typing = true;
                self.reading = false;
            }
            (Action::Back, _) => self.back(world, places(area).list.height),
            (Action::Refresh, _) => return self.refresh(world),
            (Action::Call, Some(item)) => return vec![Step::Call(item.call())],
            (Action::Edit, Some(item)) => {
                return vec![Step::Call(Call::Again(Box::new(item.call())))];
            }
            (Action::Schema, Some(_)) if self.schema.is_some() => {
                self.back(world, places(area).list.height);
            }
            (Action::Schema, Some(item)) => {
                self.show_schema(item);
                self.reading = true;
            }
            (Action::Subscribe, Some(Item::Resource(resource))) => {
                return self.following.toggle(world, resource);
            }
            (Action::Copy, Some(item)) if item.raw().is_empty() => {
                let text = "nothing to copy: the server did not list it";
                return vec![Step::Say(Notice::info(text))];
            }
            (Action::Copy, Some(item)) => return vec![Step::copy("the definition", item.raw())],
            (Action::ShowCalls, Some(item)) => {
                let last = world.traffic.calls_of(item.method(), item.key(), 1);
                return match last.first() {
                    Some(row) => vec![Step::Show(*row)],
                    None => vec![Step::Say(Notice::info(format!(
                        "{} was never called",
                        item.key()
                    )))],
                };
            }
            _ => self.movement(world, area, action),
        }
        Vec::new()
    }

    fn refresh(&mut self, world: &World) -> Vec<Step> {
        if !world.live {
            return vec![Step::Say(Notice::error(format!(
                "nothing can be asked: {}",
                world.why_read_only()
            )))];
        }
        self.refreshes += 1;
        let token = Token {
            owner: Owner::Inventory,
            number: self.refreshes,
        };
        vec![
            Step::Do(Effect::Command {
                token,
                command: Command::Refresh,
            }),
            Step::Say(asking(world)),
        ]
    }

    /// The filter, being typed.
    fn type_filter(&mut self, action: Action) {
        match action {
            Action::Earlier if self.filter.recall() => self.forget_selection(),
            Action::Earlier => {}
            _ => self.typing = false,
        }
    }

    /// Another filter puts what matches best on top, which is what whoever typed it goes on with.
    fn forget_selection(&mut self) {
        self.chosen = None;
        self.top = 0;
    }
}

/// Another number stands for other lists.
fn state_of(world: &World) -> u64 {
    world.traffic.inventory().state
}

/// What is said of a wish for the lists.
pub(super) fn asking(world: &World) -> Notice {
    Notice::info(match world.traffic.unanswered_greeting() {
        Some(_) => "the server has not answered yet: it is asked what it offers once it has",
        None => "asking the server what it offers",
    })
}

impl Part for Inventory {
    fn contexts(&self) -> Vec<Context> {
        match self.typing {
            true => vec![Context::Prompt],
            false => vec![Context::Inventory, Context::Move, Context::Global],
        }
    }

    fn offers(&self, world: &World, binding: &Binding) -> &'static str {
        let selected = self.selected(world).map(|(item, _)| item);
        match (binding.action, selected) {
            (Action::Refresh, _) if !world.live => "",
            (Action::Refresh, _) => binding.hint,
            (Action::Filter, None) if self.filter.is_empty() => "",
            (Action::Filter, _) => binding.hint,
            (_, None) => "",
            (Action::Call | Action::Edit, _) if !world.live => "",
            (Action::Call, Some(item)) => item.verb(),
            (Action::Edit, Some(item)) if !item.takes_arguments() || !self.has_last => "",
            (Action::Schema | Action::Copy, Some(item)) if item.raw().is_empty() => "",
            (Action::Subscribe, Some(Item::Resource(resource))) => {
                match following::why_not(world, resource) {
                    Some(_) => "",
                    None if world.traffic.own_subscription(&resource.uri).is_some() => {
                        "unsubscribe"
                    }
                    None => binding.hint,
                }
            }
            (Action::Subscribe, _) => "",
            (Action::Schema, Some(item)) if !matches!(item, Item::Tool(_)) => "as JSON",
            (Action::ShowCalls, Some(item))
                if world.traffic.stats(item.method(), item.key()).calls == 0 =>
            {
                ""
            }
            _ => binding.hint,
        }
    }

    fn update(&mut self, world: &World, area: Rect, input: Input<'_>) -> Vec<Step> {
        let Places { list, detail, .. } = places(area);
        let inside = |area: Rect, x, y| area.contains(ratatui::layout::Position { x, y });
        match input {
            Input::Action(action) if self.typing => self.type_filter(action),
            Input::Action(action) => return self.act(world, area, action),
            Input::Key(key) if self.filter.key(&key) => self.forget_selection(),
            Input::Paste(text) if self.typing => {
                self.filter.paste(text);
                self.forget_selection();
            }
            Input::Click { x, y } if inside(list, x, y) => {
                self.reading = false;
                self.select(world, self.top + usize::from(y - list.y), list.height);
            }
            Input::Click { x, y } if inside(detail, x, y) => {
                self.reading = true;
                if let Some(schema) = &mut self.schema {
                    schema.click(y - detail.y);
                }
            }
            Input::Scroll { x, y, lines } if inside(detail, x, y) => match &mut self.schema {
                Some(schema) => schema.scroll(isize::from(lines)),
                None => self.scroll_detail(world, isize::from(lines), detail),
            },
            Input::Scroll { lines, .. } => {
                self.move_in_list(world, isize::from(lines), list.height)
            }
            Input::Outcome { token, outcome } if self.following.settle(token, outcome) => {}
            Input::Outcome {
                outcome: Err(why), ..
            } => {
                return vec![Step::Say(Notice::error(format!(
                    "the server was not asked: {why}"
                )))];
            }
            _ => {}
        }
        self.narrow(world);
        self.move_in_list(world, 0, list.height);
        Vec::new()
    }

    fn sync(&mut self, world: &World, area: Rect, steps: &mut Vec<Step>) -> Vec<Location> {
        steps.extend(self.following.sync(world));
        let detail = places(area).detail;
        if let Some(schema) = &mut self.schema {
            schema.resize(detail.width, detail.height);
        }
        Vec::new()
    }
}
