//! The sheet on which a call is written, sent and answered: a new one, a replay, or an edited replay.
//!
//! What is called and how it becomes a message is [`subject`]; where its text comes from, `sources`; what is wrong with
//! it, [`mod@check`]; what speaks against sending it, [`mod@concern`]; how it is sent and into which session, `sending`;
//! what became of it once it was sent, [`sent`]; how it goes on when the server wants more, `rounds`; what outlives the
//! sheet, [`drafts`]; what the server offers for an argument, `completion`. This file opens a sheet and says what keys, mouse
//! and time do to it.

pub mod check;
mod completion;
pub mod concern;
pub mod drafts;
pub mod places;
mod rounds;
mod sending;
pub mod sent;
mod sources;
pub mod subject;

pub use drafts::Drafts;

use super::editor::Editor;
use super::prompt::Prompt;
use super::{Input, Part, World};
use crate::capture::record::Location;
use crate::mcp::schema::{self, Argument};
use crate::tap::Route;
use crate::ui::event::{Call, Effect, Notice, Step};
use crate::ui::json::Document;
use crate::ui::keymap::{Action, Binding, Context};
use crate::wire::object;
use crate::wire::token::{TokenKind, tokens};
use check::{Check, check};
use completion::Completion;
use concern::is_message;
use ratatui::layout::Rect;
use sending::{cannot_send, default_route};
use sent::Sent;
use sources::{Earlier, Original};
use subject::{Rule, Subject};

/// Which half of the sheet has the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    Arguments,
    Answer,
}

/// Something to agree to before a message is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub text: String,
    message: String,
}

#[derive(Debug)]
pub struct Sheet {
    pub subject: Subject,
    /// The subject's name, for the heading.
    pub name: String,
    pub editor: Editor,
    /// The table of arguments below the text.
    pub arguments: Vec<Argument>,
    pub route: Route,
    pub check: Check,
    pub question: Option<Question>,
    /// Why nothing was sent, or could be brought in.
    pub trouble: Option<String>,
    pub focus: Focus,
    pub sent: Option<Sent>,
    /// What is looked for in the answer.
    pub search: Prompt,
    /// It is being typed.
    pub typing: bool,
    /// The message, or the earlier arguments, are still being read back.
    pub loading: bool,
    /// The message cannot be read back.
    failed: bool,
    completion: Option<Completion>,
    rule: Option<Rule>,
    original: Option<Original>,
    earlier: Earlier,
    /// What the editor held before anything was typed.
    untouched: String,
    /// Send as soon as there is something to send.
    due: bool,
    /// The text that was sent last.
    last_sent: Option<String>,
    /// What was sent and is not kept yet, the oldest first.
    sent_texts: Vec<String>,
    /// The draft that was kept when this was opened.
    found_draft: Option<String>,
    /// The draft, while the editor holds something else: it stays one unless something is typed there.
    hidden_draft: Option<String>,
    /// The call that the operator last said yes to, and where it went.
    agreed: Option<(Route, String)>,
    opened: u64,
    sends: u64,
}

/// Said until the proxy is gone, too.
const STRAYED: &str = "the client's session has ended: this goes through the operator's own";

impl Sheet {
    /// Opens the sheet. `drafts` brings back what was being typed for the same call.
    ///
    /// # Errors
    /// In words, when nothing can be sent.
    pub fn open(world: &World, drafts: &mut Drafts, call: Call) -> Result<Self, String> {
        if !world.live {
            return Err(cannot_send(world));
        }
        let again = matches!(call, Call::Again(_));
        let as_it_was = matches!(call, Call::Replay { edit: false, .. });
        let subject = Subject::of(call)?;
        let message = matches!(subject, Subject::Message(_));
        let due = as_it_was || (!again && subject.is_plain_read(&world.traffic));
        let last = again && subject.has_last(&world.traffic, drafts);
        let rule = subject.rule(&world.traffic);
        let arguments = rule.as_ref().map(|rule| schema::arguments(&rule.schema));
        let untouched = subject.skeleton(&world.traffic);
        let found_draft = drafts.unsent(&subject).map(str::to_owned);
        let draft = found_draft.as_deref();
        let shown = draft.filter(|_| !due && !last);
        let hidden_draft = draft.filter(|_| due || last).map(str::to_owned);
        let mut earlier = Earlier::new(drafts, &subject, last);
        if let Some(draft) = &hidden_draft {
            earlier.set_aside(draft.clone());
        }
        if let Some(draft) = shown {
            earlier.take_up(draft);
        }
        let mut editor = Editor::new(shown.unwrap_or(&untouched));
        match shown {
            Some(_) => editor.go_to_first_value(),
            None => editor.select_first_value(),
        }
        drafts.opened += 1;
        let name = subject.name(&world.traffic);
        let mut sheet = Self {
            name,
            route: default_route(world, &subject),
            check: Check::default(),
            question: None,
            trouble: None,
            focus: Focus::Arguments,
            sent: None,
            search: Prompt::default(),
            typing: false,
            loading: message || last,
            failed: false,
            completion: None,
            rule,
            arguments: arguments.unwrap_or_default(),
            original: None,
            earlier,
            untouched,
            due,
            last_sent: None,
            sent_texts: Vec::new(),
            found_draft,
            hidden_draft,
            agreed: None,
            opened: drafts.opened,
            sends: 0,
            editor,
            subject,
        };
        sheet.recheck();
        Ok(sheet)
    }

    /// Whether the text is held against a schema.
    pub fn has_rule(&self) -> bool {
        self.rule.is_some()
    }

    /// The name of the member on the cursor's line.
    pub fn argument_at_cursor(&self) -> Option<String> {
        let line = self.editor.lines().get(self.editor.cursor().0)?;
        let key = tokens(line).find(|token| token.kind == TokenKind::Key)?;
        object::unescape(&line[key.range]).map(|name| name.into_owned())
    }

    /// What is to be written on is not on the screen yet: what is typed meanwhile was not meant for it.
    pub fn is_reading_back(&self) -> bool {
        self.loading && !self.failed
    }

    /// After each change of the text.
    fn recheck(&mut self) {
        self.take_up();
        self.check = check(self.rule.as_ref(), &self.editor.text());
    }

    fn writing(&mut self, world: &World, area: Rect, action: Action) -> Vec<Step> {
        match action {
            Action::Send => return self.send(world, false),
            Action::SendInvalid => return self.send(world, true),
            Action::Editor | Action::Earlier | Action::Route if self.is_reading_back() => {}
            Action::Earlier => self.show_earlier(world),
            Action::Editor => return vec![Step::Do(Effect::Editor(self.editor.text()))],
            Action::Route => self.next_route(world),
            Action::Complete => return self.complete(world),
            // Back to the answer that was there; else out.
            Action::Back if self.sent.is_some() => self.focus = Focus::Answer,
            Action::Back => return vec![Step::Close],
            _ => {}
        }
        self.editor.keep_in_sight(self.places(area).editor.height);
        Vec::new()
    }

    fn reading(&mut self, world: &World, area: Rect, action: Action) -> Vec<Step> {
        let height = self.places(area).answer.height;
        let Some(sent) = &mut self.sent else {
            return Vec::new();
        };
        match action {
            Action::Back => return vec![Step::Close],
            Action::Open => {
                let row = sent.row.map(Step::Show);
                return row
                    .into_iter()
                    .flat_map(|show| [Step::Close, show])
                    .collect();
            }
            Action::Edit => self.focus = Focus::Arguments,
            Action::Search => self.typing = sent.answer.is_some(),
            Action::Replay => return self.send(world, false),
            Action::Diff => {
                if let Err(why) = sent.toggle_comparison(world) {
                    self.trouble = Some(why);
                }
            }
            Action::Copy => {
                let answer = sent.answer.as_ref().map(|view| view.document().bytes());
                return vec![match answer {
                    Some(bytes) => Step::copy("the answer", String::from_utf8_lossy(bytes)),
                    None => Step::Say(Notice::info("there is no answer here yet")),
                }];
            }
            other => sent.movement(other, height),
        }
        Vec::new()
    }

    fn act(&mut self, world: &World, area: Rect, action: Action) -> Vec<Step> {
        if let Some(question) = self
            .question
            .take_if(|_| matches!(action, Action::Yes | Action::No))
        {
            if action == Action::No {
                return Vec::new();
            }
            self.agreed = Some((self.route, question.message.clone()));
            return self.dispatch(world, question.message);
        }
        match self.focus {
            Focus::Arguments => self.writing(world, area, action),
            Focus::Answer => self.reading(world, area, action),
        }
    }

    /// Typing what to look for in the answer.
    fn searching(&mut self, input: Input<'_>) {
        match input {
            Input::Action(Action::Earlier) => drop(self.search.recall()),
            Input::Action(_) => self.typing = false,
            Input::Key(key) => drop(self.search.key(&key)),
            Input::Paste(text) => self.search.paste(text),
            _ => return,
        }
        let answer = self.sent.as_mut().and_then(|sent| sent.answer.as_mut());
        if let Some(answer) = answer {
            answer.search(self.search.text());
        }
    }

    fn typed(&mut self, area: Rect, type_into: impl FnOnce(&mut Editor, u16) -> bool) {
        let height = self.places(area).editor.height;
        if type_into(&mut self.editor, height) {
            self.trouble = None;
            self.completion = None;
            self.recheck();
            self.editor.keep_in_sight(self.places(area).editor.height);
        }
    }

    fn clicked(&mut self, area: Rect, x: u16, y: u16) {
        if let Some(place) = self.choices().map(|it| self.choices_place(it, area)) {
            return self.point_at_choice(place, y);
        }
        // What is asked comes first.
        if self.question.is_some() || self.shown_round().is_some() {
            return;
        }
        let places = self.places(area);
        let inside = |area: Rect| area.contains(ratatui::layout::Position { x, y });
        if inside(places.editor) {
            self.focus = Focus::Arguments;
            let gutter = super::editor::GUTTER;
            self.editor.click(
                x.saturating_sub(places.editor.x + gutter),
                y - places.editor.y,
            );
        } else if inside(places.answer)
            && let Some(sent) = &mut self.sent
        {
            self.focus = Focus::Answer;
            if let (None, Some(view)) = (&sent.comparison, &mut sent.answer) {
                view.click(y - places.answer.y);
            }
        }
    }
}

impl Part for Sheet {
    fn contexts(&self) -> Vec<Context> {
        if self.question.is_some() {
            vec![Context::Question]
        } else if self.choices().is_some() {
            vec![Context::Choice, Context::Move]
        } else if let Some(round) = self.shown_round() {
            round.form.contexts()
        } else if self.typing {
            vec![Context::Prompt]
        } else {
            match self.focus {
                Focus::Arguments => vec![Context::Sheet],
                Focus::Answer => vec![Context::Sent, Context::Move, Context::Global],
            }
        }
    }

    fn offers(&self, world: &World, binding: &Binding) -> &'static str {
        if let Some(round) = self.shown_round() {
            return round.form.offers(binding);
        }
        let answered = |sent: &Sent| sent.answer.is_some();
        let offered = match binding.action {
            Action::Send | Action::Replay => world.live,
            Action::SendInvalid => {
                world.live
                    && !self.check.problems.is_empty()
                    && self.message().is_ok_and(|message| is_message(&message))
            }
            Action::Earlier => {
                self.original.is_some() || self.has_earlier(world) || self.can_start_afresh()
            }
            Action::Route => Self::routes(world).len() > 1,
            Action::Complete => self.can_complete(world),
            Action::Open => self.sent.as_ref().is_some_and(|sent| sent.row.is_some()),
            Action::Diff => self.original.is_some(),
            Action::Copy | Action::Search => self.sent.as_ref().is_some_and(answered),
            _ => true,
        };
        match (offered, binding.action, &self.original) {
            (false, ..) => "",
            (true, Action::Earlier, Some(_)) => "original",
            (true, Action::Earlier, None) if !self.has_earlier(world) => "afresh",
            (true, ..) => binding.hint,
        }
    }

    fn update(&mut self, world: &World, area: Rect, input: Input<'_>) -> Vec<Step> {
        let types = matches!(input, Input::Action(_) | Input::Key(_) | Input::Paste(_));
        if types && self.contexts() == [Context::Prompt] {
            self.searching(input);
            return Vec::new();
        }
        if let Some(steps) = self.answering(world, area, &input) {
            return steps;
        }
        let height = self.places(area).editor.height;
        match input {
            Input::Action(action) if self.choices().is_some() => self.choose(area, action),
            Input::Action(action) => return self.act(world, area, action),
            Input::Key(_) | Input::Paste(_) if self.is_reading_back() => {}
            Input::Key(key) => self.typed(area, |editor, height| editor.key(&key, height)),
            Input::Paste(text) => {
                // A whole object takes the place of what nobody has touched.
                let whole = text.trim_start().starts_with('{')
                    && self.editor.text() == self.untouched
                    && Document::new(text.trim().as_bytes().to_vec()).is_json();
                self.typed(area, |editor, height| {
                    match whole {
                        true => {
                            editor.replace(text.trim());
                            editor.go_to_end();
                        }
                        false => editor.paste(text, height),
                    }
                    true
                });
            }
            Input::Edited(Ok(text)) => self.typed(area, |editor, _| {
                editor.replace(text.trim_end());
                true
            }),
            Input::Edited(Err(why)) => self.trouble = Some(why.clone()),
            Input::Outcome { token, outcome } if self.settle_completion(token, outcome) => {}
            Input::Outcome { token, outcome } => {
                // Its sheet is closed, or has sent something else; a refusal is still worth knowing.
                if let (false, Err(refused)) = (self.settle(token, outcome), outcome) {
                    return vec![Step::Say(Notice::error(refused.to_string()))];
                }
            }
            Input::Click { x, y } => self.clicked(area, x, y),
            Input::Scroll { lines, .. } if self.choices().is_some() => {
                let action = if lines < 0 { Action::Up } else { Action::Down };
                self.choose(area, action);
            }
            Input::Scroll { y, lines, .. } => {
                let places = self.places(area);
                match &mut self.sent {
                    Some(sent) if y >= places.answer_rule.y => {
                        sent.scroll(lines, places.answer.height)
                    }
                    _ => self.editor.scroll(lines, height),
                }
            }
        }
        Vec::new()
    }

    fn sync(&mut self, world: &World, area: Rect, steps: &mut Vec<Step>) -> Vec<Location> {
        // The screen may be larger than it was.
        self.editor.keep_in_sight(self.places(area).editor.height);
        // With the proxy gone, nothing goes anywhere.
        if world.live && !Self::routes(world).contains(&self.route) {
            self.route = Route::Operator;
            self.trouble = Some(STRAYED.to_owned());
        }
        if !world.live && self.trouble.as_deref() == Some(STRAYED) {
            self.trouble = Some(sending::cannot_send(world));
        }
        let mut wanted: Vec<Location> = self.sync_original(world).into_iter().collect();
        wanted.extend(self.sync_earlier(world));
        wanted.extend(self.sync_completion(world));
        if self.due && !self.loading {
            self.due = false;
            steps.extend(self.send(world, false));
        }
        wanted.extend(self.sync_sent(world, area, steps));
        // What is said above the answer takes some of its room.
        let answer = self.places(area).answer;
        if let Some(sent) = &mut self.sent {
            sent.resize(answer);
        }
        wanted
    }
}
