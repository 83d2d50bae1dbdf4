//! The sheet on which a call is written, sent and answered: a new one, a replay, or an edited replay.
//!
//! What is called and how it becomes a message is [`subject`]; where its text comes from, `sources`; what is wrong with
//! it, [`mod@check`]; what speaks against sending it, [`mod@concern`]; what became of it once it was sent, [`sent`]; what
//! outlives the sheet, [`drafts`]. This file is the order of events.

pub mod check;
pub mod concern;
pub mod drafts;
pub mod places;
pub mod sent;
mod sources;
pub mod subject;

pub use drafts::Drafts;

use super::editor::Editor;
use super::form::Choice;
use super::prompt::Prompt;
use super::{Input, Part, World};
use crate::capture::record::Location;
use crate::mcp::schema::{self, Argument};
use crate::tap::{Command, Party, Refused, Reply, Route, SessionId};
use crate::traffic::{Row, Status};
use crate::ui::event::{Call, Effect, Notice, Owner, Step, Token};
use crate::ui::json::Document;
use crate::ui::keymap::{Action, Binding, Context};
use crate::wire::object;
use crate::wire::token::{TokenKind, tokens};
use check::{Check, check};
use concern::{Concern, concern, is_message};
use ratatui::layout::Rect;
use sent::{Sent, State};
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
    /// The call that the operator last said yes to, and where it went: each act is asked about, but not its repetition.
    agreed: Option<(Route, String)>,
    opened: u64,
    sends: u64,
}

fn cannot_send(world: &World) -> String {
    format!("nothing can be sent: {}", world.why_read_only())
}

impl Sheet {
    /// Opens the sheet. `drafts` brings back what was being typed for the same call.
    ///
    /// # Errors
    /// In words, when nothing can be sent.
    pub fn open(world: &World, drafts: &mut Drafts, call: Call) -> Result<Self, String> {
        if !world.live {
            return Err(cannot_send(world));
        }
        let last = matches!(call, Call::Again(_));
        let as_it_was = matches!(call, Call::Replay { edit: false, .. });
        let subject = Subject::of(call)?;
        let message = matches!(subject, Subject::Message(_));
        let due = as_it_was || (!last && subject.is_plain_read(&world.traffic));
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
        let mut editor = Editor::new(shown.unwrap_or(&untouched));
        editor.go_to_first_value();
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

    fn recheck(&mut self) {
        self.check = check(self.rule.as_ref(), &self.editor.text());
    }

    /// The sessions that a message can go into, in the order in which a key goes through them.
    fn routes(world: &World) -> Vec<Route> {
        let open = world
            .traffic
            .sessions()
            .iter()
            .filter(|session| session.closed_at.is_none() && session.by != "operator");
        std::iter::once(Route::Operator)
            .chain(open.map(|session| Route::Session(SessionId(session.id))))
            .collect()
    }

    fn next_route(&mut self, world: &World) {
        let routes = Self::routes(world);
        let at = routes
            .iter()
            .position(|route| *route == self.route)
            .unwrap_or(0);
        self.route = routes[(at + 1) % routes.len()];
        self.trouble = match routes.len() {
            1 => {
                Some("no client is connected: only the operator's own session is there".to_owned())
            }
            _ => None,
        };
    }

    /// The message as the text says it; the captured bytes where nothing was changed.
    fn message(&self) -> Result<String, String> {
        let text = self.editor.text();
        match &self.original {
            Some(original) if original.pretty == text => {
                Ok(original.text.trim_end_matches(['\r', '\n']).to_owned())
            }
            _ => self.subject.compose(&text),
        }
    }

    /// Sends, or says what stands in the way. `insist`: although something is wrong with it.
    fn send(&mut self, world: &World, insist: bool) -> Vec<Step> {
        self.trouble = None;
        if self.loading {
            return Vec::new();
        }
        if !world.live {
            self.trouble = Some(cannot_send(world));
            return Vec::new();
        }
        let message = match self.message() {
            Ok(message) => message,
            Err(why) => {
                self.trouble = Some(why);
                return Vec::new();
            }
        };
        if !insist && let Some(problem) = self.check.problems.first() {
            let place = match problem.pointer.trim_start_matches('/') {
                "" => String::new(),
                place => format!("{place}: "),
            };
            self.trouble = Some(format!(
                "not sent: {place}{}; F2 sends it all the same",
                problem.message
            ));
            return Vec::new();
        }
        let last = self.agreed.as_ref();
        let agreed = last.is_some_and(|(route, call)| (*route, call) == (self.route, &message));
        let inventory = world.traffic.inventory();
        match concern(inventory, self.route, &message, agreed) {
            Concern::None => self.dispatch(world, message),
            Concern::Refuse(why) => {
                self.trouble = Some(format!("not sent: {why}"));
                Vec::new()
            }
            Concern::Ask(text) => {
                self.question = Some(Question { text, message });
                Vec::new()
            }
        }
    }

    fn dispatch(&mut self, world: &World, message: String) -> Vec<Step> {
        let text = self.editor.text();
        self.earlier.forget(&text);
        self.hidden_draft.take_if(|draft| *draft == text);
        self.sent_texts.retain(|other| *other != text);
        self.sent_texts.push(text.clone());
        self.last_sent = Some(text);
        self.focus = Focus::Answer;
        self.hand_over(world, self.route, message, 0)
    }

    /// Sends without a question: what was agreed to, or what goes on with it.
    fn hand_over(
        &mut self,
        world: &World,
        route: Route,
        message: String,
        repeated: u32,
    ) -> Vec<Step> {
        self.sends += 1;
        let token = Token {
            owner: Owner::Sheet,
            number: self.opened << 32 | self.sends,
        };
        let original = match self.subject {
            Subject::Message(row) => Some(row),
            _ => None,
        };
        let command = Command::Send {
            route,
            message: message.clone(),
            replay_of: original
                .and_then(|row| world.traffic.row(row))
                .map(|row| row.seq),
        };
        let mut sent = Sent::new(token, route, message, original);
        sent.repeated = repeated;
        self.sent = Some(sent);
        vec![Step::Do(Effect::Command { token, command })]
    }

    fn writing(&mut self, world: &World, area: Rect, action: Action) -> Vec<Step> {
        match action {
            Action::Send => return self.send(world, false),
            Action::SendInvalid => return self.send(world, true),
            Action::Earlier => self.show_earlier(world),
            Action::Editor => return vec![Step::Do(Effect::Editor(self.editor.text()))],
            Action::Route => self.next_route(world),
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
                let text = answer.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                return text
                    .map(|text| Step::Do(Effect::Copy(text)))
                    .into_iter()
                    .collect();
            }
            other => sent.movement(other, height),
        }
        Vec::new()
    }

    /// The keys of a form that belongs to another round; `None` where there is none before the operator.
    fn answering(&mut self, world: &World, area: Rect, input: &Input<'_>) -> Option<Vec<Step>> {
        let place = self.round_place(area);
        let sent = self.sent.as_mut()?;
        let round = sent.round.as_mut().filter(|round| round.open)?;
        let choice = match input {
            Input::Action(Action::Accept) => Choice::Accept,
            Input::Action(Action::Decline) => Choice::Decline,
            Input::Action(Action::Cancel) => Choice::Cancel,
            Input::Action(Action::Back) => {
                round.open = false;
                return Some(Vec::new());
            }
            Input::Outcome { .. } | Input::Edited(Err(_)) => return None,
            input => return Some(round.form.update(*input, place)),
        };
        // The server gave its state to this session, wherever the next call goes.
        let (message, route) = (round.answer(choice, &sent.message), sent.route);
        let Some(message) = message else {
            return Some(Vec::new());
        };
        self.focus = Focus::Answer;
        Some(self.hand_over(world, route, message, 0))
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

    /// Whether the server wants to know something before it goes on.
    pub fn has_round(&self) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.round.is_some())
    }

    /// Whether it does, or may once it answers.
    pub fn may_ask(&self, world: &World) -> bool {
        world.live && (self.waits(world) || self.has_round() || self.is_to_repeat())
    }

    /// Whether the answer is still to come.
    fn waits(&self, world: &World) -> bool {
        let pending = |row: Row<'_>| row.status == Status::Pending;
        self.sent.as_ref().is_some_and(|sent| {
            let on_its_way = matches!(sent.state, State::Handed | State::Written { .. });
            on_its_way && sent.answer.is_none() && sent.row(world).is_none_or(pending)
        })
    }

    /// Takes in what became of a command; false when it was not this sheet's last.
    pub fn settle(&mut self, token: Token, outcome: &Result<Reply, Refused>) -> bool {
        let sent = self.sent.as_mut().filter(|sent| sent.token == token);
        sent.map(|sent| sent.outcome(outcome)).is_some()
    }

    /// Whether the server will be called again in a while.
    pub fn is_to_repeat(&self) -> bool {
        self.sent.as_ref().is_some_and(Sent::is_to_repeat)
    }

    /// Brings up what the server wants to know before it goes on; false when that is nothing.
    pub fn open_round(&mut self) -> bool {
        let round = self.sent.as_mut().and_then(|sent| sent.round.as_mut());
        round.map(|round| round.open = true).is_some()
    }

    /// The form that is before the operator.
    pub fn shown_round(&self) -> Option<&sent::Round> {
        self.sent
            .as_ref()?
            .round
            .as_ref()
            .filter(|round| round.open)
    }

    fn typed(&mut self, area: Rect, type_into: impl FnOnce(&mut Editor, u16) -> bool) {
        let height = self.places(area).editor.height;
        if type_into(&mut self.editor, height) {
            self.trouble = None;
            self.recheck();
            self.editor.keep_in_sight(self.places(area).editor.height);
        }
    }

    fn clicked(&mut self, area: Rect, x: u16, y: u16) {
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

/// The session that the original came from while its client is there, for a replay; else the operator's own.
fn default_route(world: &World, subject: &Subject) -> Route {
    let Subject::Message(row) = subject else {
        return Route::Operator;
    };
    let Some(row) = world.traffic.row(*row) else {
        return Route::Operator;
    };
    let route = Route::Session(row.session);
    match row.from == Party::Client && Sheet::routes(world).contains(&route) {
        true => route,
        false => Route::Operator,
    }
}

impl Part for Sheet {
    fn contexts(&self) -> Vec<Context> {
        if self.question.is_some() {
            vec![Context::Question]
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
            return round.form.offers(binding, true);
        }
        let answered = |sent: &Sent| sent.answer.is_some();
        let offered = match binding.action {
            Action::Send | Action::Replay => world.live,
            Action::SendInvalid => {
                world.live
                    && !self.check.problems.is_empty()
                    && self.message().is_ok_and(|message| is_message(&message))
            }
            Action::Earlier => self.original.is_some() || self.has_earlier(world),
            Action::Route => Self::routes(world).len() > 1,
            Action::Open => self.sent.as_ref().is_some_and(|sent| sent.row.is_some()),
            Action::Diff => self.original.is_some(),
            Action::Copy | Action::Search => self.sent.as_ref().is_some_and(answered),
            _ => true,
        };
        match (offered, binding.action, &self.original) {
            (false, ..) => "",
            (true, Action::Earlier, Some(_)) => "original",
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
            Input::Action(action) => return self.act(world, area, action),
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
            Input::Outcome { token, outcome } => {
                // Its sheet is closed, or has sent something else; a refusal is still worth knowing.
                if let (false, Err(refused)) = (self.settle(token, outcome), outcome) {
                    return vec![Step::Say(Notice::error(refused.to_string()))];
                }
            }
            Input::Click { x, y } => self.clicked(area, x, y),
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
        if !Self::routes(world).contains(&self.route) {
            self.route = Route::Operator;
            self.trouble = Some(
                "the client's session has ended: this goes through the operator's own".to_owned(),
            );
        }
        let mut wanted: Vec<Location> = self.sync_original(world).into_iter().collect();
        wanted.extend(self.sync_earlier(world));
        if self.due && !self.loading {
            self.due = false;
            steps.extend(self.send(world, false));
        }
        let (answer, form) = (self.places(area).answer, self.round_place(area));
        if let Some(sent) = &mut self.sent {
            if let Some(round) = &mut sent.round {
                round.form.resize(form.width);
            }
            wanted.extend(sent.sync(world, answer));
            if sent.is_to_repeat() && sent.session_is_over(world) {
                sent.again = None;
                self.trouble = Some(
                    "the server is not called once more: the session that it wanted that in has ended"
                        .to_owned(),
                );
            } else if let Some(message) = sent.take_due(world.now) {
                let (route, repeated) = (sent.route, sent.repeated + 1);
                steps.extend(self.hand_over(world, route, message, repeated));
            }
        }
        wanted
    }
}
