//! The detail of the Traffic pane: the messages of the selected row, when they came, and their exact bytes.

mod before;
mod compared;
pub mod http;
mod lines;
mod raw;
mod side;
mod taken;
mod timing;

use super::World;
use super::doubt::Doubt;
use super::prompt::Prompt;
use crate::capture::record::Location;
use crate::traffic::{Part, Role, Row, RowId, RowKind};
use crate::ui::event::{Body, Notice, Step};
use crate::ui::json::view::View;
use crate::ui::keymap::Action;
use crate::ui::layout::{self, Sides};
use before::{Before, Left};
use http::Http;
use lines::Lines;
use ratatui::layout::Rect;
pub use raw::RawLine;
pub use side::Side;
pub use timing::Timing;

/// Ways to look at a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Look {
    #[default]
    Messages,
    /// The HTTP exchange that carried them.
    Http,
    Timing,
    Raw,
    /// A replay against its original.
    Diff,
}

impl Look {
    pub fn title(self) -> &'static str {
        match self {
            Self::Messages => "Messages",
            Self::Http => "HTTP",
            Self::Timing => "Timing",
            Self::Raw => "Raw",
            Self::Diff => "Diff",
        }
    }
}

#[derive(Debug, Default)]
pub struct Detail {
    pub row: Option<RowId>,
    /// The keys go here, not to the list.
    pub focused: bool,
    look: Look,
    pub parts: Vec<Part>,
    pub request: Side,
    pub answer: Side,
    doubt: Doubt,
    /// Other rows, to come back to.
    before: Before,
    /// Whether the row has two sides: a request and what answers it.
    pub two: bool,
    /// The side that the operator chose; by itself it is the answer, once there is one.
    chosen: Option<bool>,
    /// The request may have been answered more than once: which of its answers is shown, and how many there are.
    pub nth_answer: usize,
    pub answers: usize,
    pub timing: Timing,
    /// Lines of Raw and Diff, and the first one shown.
    pub lines: Lines,
    pub http: Http,
    pub search: Prompt,
    /// The search is being typed.
    pub typing: bool,
    /// The word that the list was narrowed to when something was looked for.
    pub narrowed_to: String,
    area: Rect,
    /// Lines that request and answer want for themselves, of the row before while they are not there.
    wanted: [u16; 2],
}

impl Detail {
    pub fn looks(&self, world: &World) -> Vec<Look> {
        let row = self.row.and_then(|row| world.traffic.row(row));
        if row.as_ref().is_some_and(|row| row.kind == RowKind::Http) {
            return match self.parts.len() {
                // Of its own there is the head alone.
                ..2 => vec![Look::Http],
                _ => vec![Look::Messages, Look::Http],
            };
        }
        let mut looks = vec![Look::Messages, Look::Timing, Look::Raw];
        if row.is_some_and(|row| !row.at.is_known()) {
            looks.retain(|look| *look != Look::Timing);
        }
        if self
            .row
            .is_some_and(|row| world.traffic.http(row).is_some())
        {
            looks.insert(1, Look::Http);
        }
        if self.original(world).is_some() {
            looks.push(Look::Diff);
        }
        looks
    }

    /// How the row is looked at now.
    pub fn look(&self, world: &World) -> Look {
        let looks = self.looks(world);
        match looks.contains(&self.look) {
            true => self.look,
            false => looks[0],
        }
    }

    fn original(&self, world: &World) -> Option<RowId> {
        world.traffic.row(self.row?)?.replay_of
    }

    /// Whether the answer is the side that is looked at.
    pub fn on_answer(&self) -> bool {
        self.two && self.chosen.unwrap_or(self.answer.part.is_some())
    }

    fn side_mut(&mut self) -> &mut Side {
        if self.on_answer() {
            &mut self.answer
        } else {
            &mut self.request
        }
    }

    /// The side that is looked at.
    pub fn side(&self) -> &Side {
        if self.on_answer() {
            &self.answer
        } else {
            &self.request
        }
    }

    pub fn sides(&self) -> Sides {
        layout::sides(self.area, self.two, self.on_answer(), self.wanted)
    }

    /// Another row is selected; one that was looked at before is as it was left.
    fn turn_to(&mut self, row: Option<RowId>) {
        let mut old = std::mem::take(self);
        if let Some(row) = old.row {
            old.before.keep(Left {
                row,
                request: old.request,
                answer: old.answer,
                nth_answer: old.nth_answer,
            });
        }
        // What was looked for there can be looked for here, once somebody asks.
        old.search.clear();
        let left = row.and_then(|row| old.before.take(row));
        let (request, answer, nth_answer) = left
            .map(|it| (it.request, it.answer, it.nth_answer))
            .unwrap_or_default();
        *self = Self {
            row,
            focused: old.focused,
            look: old.look,
            chosen: old.chosen,
            search: old.search,
            narrowed_to: old.narrowed_to,
            before: old.before,
            wanted: old.wanted,
            request,
            answer,
            nth_answer,
            ..Self::default()
        };
    }

    /// Takes in the selected row and what was loaded of it; returns the messages to load.
    pub fn sync(&mut self, world: &World, row: Option<RowId>, area: Rect) -> Vec<Location> {
        if self.row != row {
            self.turn_to(row);
        }
        self.area = area;
        let Some(id) = row else { return Vec::new() };
        self.parts = world.traffic.parts(id);
        let shown = world.traffic.row(id);
        self.two = shown
            .as_ref()
            .is_some_and(|row| row.kind == RowKind::Exchange);
        // What stands first of an HTTP exchange is its head, which is no message.
        let is_http = |row: &Row<'_>| row.kind == RowKind::Http;
        let heads = usize::from(shown.as_ref().is_some_and(is_http));
        // A list is for its outline: its descriptions stay folded.
        let texts = shown.is_some_and(|row| !row.method.ends_with("/list"));
        let is_request = |part: &&Part| matches!(part.role, Role::Request | Role::Line);
        let request = self.parts.iter().skip(heads).find(is_request).copied();
        let answers = all_answers(&self.parts);
        self.answers = answers.len();
        self.nth_answer = self.nth_answer.min(self.answers.saturating_sub(1));
        let answer = answers.get(self.nth_answer).copied();
        let first = request.or_else(|| self.parts.first().copied());
        // An orphan is an answer and nothing else.
        self.request.set(if self.two { request } else { first });
        self.answer.set(if self.two { answer } else { None });
        self.doubt(world, id);
        self.sync_sides(world, texts);
        if self.weigh() {
            self.sync_sides(world, texts);
        }
        let mut wanted: Vec<Location> = [self.request.part, self.answer.part.or(self.cancel())]
            .iter()
            .flatten()
            .map(|part| part.location)
            .collect();
        match self.look(world) {
            Look::Messages => {}
            Look::Http => {
                let height = self.text_height().saturating_sub(1);
                let columns = self.area.width.saturating_sub(1);
                wanted.extend(self.http.sync(world, id, columns, height));
            }
            Look::Timing => {
                wanted.extend(self.timing.sync(
                    world,
                    &self.parts,
                    layout::below_heading(area),
                    texts,
                ));
            }
            Look::Raw => wanted.extend(self.make_raw(world)),
            Look::Diff => wanted.extend(self.make_diff(world)),
        }
        wanted
    }

    fn sync_sides(&mut self, world: &World, texts: bool) {
        let sides = self.sides();
        self.request
            .sync(world, self.text(sides.request, false), texts);
        self.answer
            .sync(world, self.text(sides.answer, true), texts);
    }

    /// Takes in how long the messages are; whether that changes their places.
    fn weigh(&mut self) -> bool {
        let lines = |side: &Side, more: usize| match (&side.json, side.part) {
            (Some(json), _) => Some(u16::try_from(json.len() + more).unwrap_or(u16::MAX)),
            (None, Some(_)) => None,
            // Whoever waits for an answer does not want it to push the request away.
            (None, None) => Some(u16::MAX),
        };
        let doubts = self.doubt.lines(layout::json(self.area)).len();
        // A heading each, and a line between them.
        let request = lines(&self.request, 2).unwrap_or(self.wanted[0]);
        let answer = lines(&self.answer, 1 + doubts).unwrap_or(self.wanted[1]);
        let before = std::mem::replace(&mut self.wanted, [request, answer]);
        before != self.wanted
    }

    fn doubt(&mut self, world: &World, row: RowId) {
        let shown = self.answer.part.map(|part| part.location);
        let answer = shown.and_then(|at| match world.body(at) {
            Body::Loaded(document) => Some((at.line, &**document)),
            Body::Loading | Body::Failed(_) => None,
        });
        if let Some(row) = world.traffic.row(row) {
            self.doubt.look(world, &row, answer);
        }
    }

    /// What is to be said above the JSON of a side, in this place for both: of an answer, or of what stands alone.
    pub fn doubts(&self, place: Rect, is_answer: bool) -> Vec<String> {
        match is_answer == self.two {
            true => self.doubt.lines(place),
            false => Vec::new(),
        }
    }

    /// The JSON of a side.
    pub fn text(&self, side: Rect, is_answer: bool) -> Rect {
        let text = layout::json(side);
        let doubts = self.doubts(text, is_answer).len() as u16;
        Rect {
            y: text.y + doubts,
            height: text.height - doubts,
            ..text
        }
    }

    fn text_height(&self) -> usize {
        usize::from(self.area.height.saturating_sub(1))
    }

    /// The notice that nobody waits for the answer any more.
    pub fn cancel(&self) -> Option<Part> {
        let is_cancel = |part: &&Part| part.role == Role::Cancel;
        self.parts.iter().find(is_cancel).copied()
    }

    pub fn update(&mut self, world: &World, action: Action) -> Vec<Step> {
        match action {
            Action::Back if self.look(world) == Look::Timing && self.timing.close() => {}
            Action::Back => self.focused = false,
            Action::NextView => self.turn(world, 1),
            Action::PreviousView => self.turn(world, -1),
            Action::Diff if self.original(world).is_some() => self.look = Look::Diff,
            Action::Diff => {
                return vec![Step::Say(Notice::info(
                    "nothing to compare: this is not a replay (r replays)",
                ))];
            }
            Action::Copy if self.look(world) == Look::Http => return self.copy_http(),
            Action::Copy => return self.looked_at(world).copy(),
            Action::CopyValue => {
                if let Some(json) = &self.looked_at(world).json {
                    return vec![Step::copy("the value", json.text())];
                }
            }
            Action::Save => return self.save(world),
            _ => match self.look(world) {
                Look::Messages => self.read(action),
                Look::Http => self.http.act(action),
                Look::Timing => self
                    .timing
                    .act(action, self.text_height(), self.parts.len()),
                Look::Raw | Look::Diff => self.lines.act(action, self.text_height()),
            },
        }
        Vec::new()
    }

    fn turn(&mut self, world: &World, by: isize) {
        let looks = self.looks(world);
        let at = looks
            .iter()
            .position(|look| *look == self.look(world))
            .unwrap_or(0);
        self.look = looks[(at + looks.len()).wrapping_add_signed(by) % looks.len()];
        self.timing.close();
    }

    /// What is looked for is marked in the messages and in their HTTP exchange only.
    pub fn look_where_it_can_search(&mut self, world: &World) {
        match self.look(world) {
            Look::Messages | Look::Http => {}
            Look::Timing if self.timing.open => {}
            Look::Timing | Look::Raw | Look::Diff => self.look = Look::Messages,
        }
    }

    /// The message that the keys are for.
    fn looked_at(&self, world: &World) -> &Side {
        match self.look(world) {
            Look::Timing => &self.timing.selected,
            _ => self.side(),
        }
    }

    /// Whether what is looked for is where the keys are.
    pub fn has_matches(&self, world: &World) -> bool {
        let matches = match self.look(world) {
            Look::Messages | Look::Timing => {
                let json = self.looked_at(world).json.as_ref();
                json.and_then(View::matches)
            }
            Look::Http => self.http.matches(),
            Look::Raw | Look::Diff => None,
        };
        matches.is_some_and(|(_, of)| of > 0)
    }

    pub fn set_look(&mut self, look: Look) {
        self.look = look;
    }

    fn read(&mut self, action: Action) {
        match action {
            Action::Left if self.on_answer() && self.nth_answer > 0 => self.nth_answer -= 1,
            Action::Right if self.on_answer() => self.nth_answer += 1,
            Action::Left if self.two => self.chosen = Some(false),
            Action::Right if self.two => self.chosen = Some(true),
            _ => {}
        }
        self.side_mut().act(action);
    }

    pub fn scroll(&mut self, world: &World, x: u16, lines: i16) {
        let (action, times) = if lines < 0 {
            (Action::Up, -lines)
        } else {
            (Action::Down, lines)
        };
        match self.look(world) {
            Look::Messages => {
                let sides = self.sides();
                let over_answer = self.two && (sides.answer.height > 0) && x >= sides.answer.x;
                let side = if over_answer {
                    &mut self.answer
                } else {
                    &mut self.request
                };
                if let Some(json) = &mut side.json {
                    json.scroll(isize::from(lines));
                }
            }
            Look::Http => (0..times).for_each(|_| self.http.act(action)),
            Look::Timing => {
                let height = self.text_height();
                (0..times).for_each(|_| self.timing.act(action, height, self.parts.len()));
            }
            Look::Raw | Look::Diff => {
                (0..times).for_each(|_| self.lines.act(action, self.text_height()))
            }
        }
    }

    pub fn click(&mut self, world: &World, x: u16, y: u16) {
        self.focused = true;
        let sides = self.sides();
        let mut at = sides.tabs.right();
        for look in self.looks(world).into_iter().rev() {
            let width = tab_width(look);
            at = at.saturating_sub(width);
            if y == sides.tabs.y && (at..at + width).contains(&x) {
                self.look = look;
                return;
            }
        }
        if self.look(world) != Look::Messages {
            return;
        }
        for (area, answer) in [(sides.request, false), (sides.answer, true)] {
            if layout::within(area, x, y) {
                self.chosen = Some(answer);
                let text = self.text(area, answer);
                if let Some(json) = &mut self.side_mut().json
                    && y >= text.y
                    && json.click(y - text.y)
                    && x < text.x + 40
                {
                    json.toggle();
                }
            }
        }
    }

    /// Looks for what is typed, in both messages and in their HTTP exchange.
    pub fn find(&mut self) {
        self.http.search(self.search.text());
        for side in [
            &mut self.request,
            &mut self.answer,
            &mut self.timing.selected,
        ] {
            if let Some(json) = &mut side.json {
                json.search(self.search.text());
            }
        }
    }
}

/// The answers to a request; all but the first are against the protocol.
fn all_answers(parts: &[Part]) -> Vec<Part> {
    let is_answer = |part: &&Part| matches!(part.role, Role::Answer | Role::DuplicateAnswer);
    parts.iter().filter(is_answer).copied().collect()
}

/// Columns of a view's tab: its title in brackets, and a space.
pub fn tab_width(look: Look) -> u16 {
    u16::try_from(look.title().len() + 3).unwrap_or(0)
}
