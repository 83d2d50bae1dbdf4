//! The sheet on which a call is written, sent and answered: a new one, a replay, or an edited replay.
//!
//! What is called and how it becomes a message is [`subject`]; what is wrong with it, [`mod@check`]; what became of it once
//! it was sent, [`sent`]; what outlives the sheet, [`drafts`]. This file is the order of events.

pub mod check;
pub mod drafts;
pub mod sent;
pub mod subject;

pub use drafts::Drafts;

use super::editor::Editor;
use super::form::{Choice, Form};
use super::{Input, Part, World};
use crate::capture::record::Location;
use crate::mcp::methods::{self, Replay};
use crate::tap::{Command, Party, Route, SessionId};
use crate::ui::event::{Body, Call, Effect, Owner, Step, Token};
use crate::ui::format;
use crate::ui::keymap::{self, Action, Context};
use crate::ui::render;
use crate::ui::text::wrap;
use crate::ui::theme::Role;
use crate::wire::token::{TokenKind, tokens};
use crate::wire::{Frame, object, parse};
use check::{Check, check};
use ratatui::layout::Rect;
use sent::Sent;
use std::collections::HashSet;
use subject::{Rule, Subject};

/// A message longer than this is not brought into the editor.
const EDITABLE: u32 = 4 << 20;
/// Lines at the foot, at most.
const FOOT: u16 = 4;

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

/// A captured message that is sent again.
#[derive(Debug)]
struct Original {
    text: String,
    /// As it was put into the editor.
    pretty: String,
}

/// Arguments of earlier calls, brought back one after the other.
#[derive(Debug, Default)]
struct Earlier {
    wanted: bool,
    texts: Vec<String>,
    shown: Option<usize>,
    /// Calls that are not read back yet.
    missing: bool,
}

#[derive(Debug)]
pub struct Sheet {
    pub subject: Subject,
    /// The subject's name, for the heading.
    pub name: String,
    pub editor: Editor,
    pub route: Route,
    pub check: Check,
    pub question: Option<Question>,
    /// Why nothing was sent, or could be brought in.
    pub trouble: Option<String>,
    pub focus: Focus,
    pub sent: Option<Sent>,
    /// The message, or the earlier arguments, are still being read back.
    pub loading: bool,
    rule: Option<Rule>,
    original: Option<Original>,
    earlier: Earlier,
    /// What the editor held before anything was typed.
    untouched: String,
    /// Send as soon as there is something to send.
    due: bool,
    sent_texts: Vec<String>,
    agreed: HashSet<Subject>,
    opened: u64,
    sends: u64,
}

/// Where the parts of a sheet are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    pub title: Rect,
    /// A rule with a heading.
    pub editor_rule: Rect,
    pub editor: Rect,
    /// What is wrong, and what the arguments mean.
    pub help: Rect,
    pub answer_rule: Rect,
    pub answer: Rect,
    /// A question, or what stood in the way.
    pub foot: Rect,
}

impl Sheet {
    /// Opens the sheet. `drafts` brings back what was being typed for the same call.
    ///
    /// # Errors
    /// In words, when nothing can be sent.
    pub fn open(world: &World, drafts: &mut Drafts, call: Call) -> Result<Self, String> {
        if !world.live {
            return Err("nothing can be sent: this conversation is over".to_owned());
        }
        let last = matches!(call, Call::Again(_));
        let as_it_was = matches!(call, Call::Replay { edit: false, .. });
        let subject = Subject::of(call)?;
        let message = matches!(subject, Subject::Message(_));
        let due = as_it_was || (!last && subject.is_plain_read(&world.traffic));
        let rule = subject.rule(&world.traffic);
        let untouched = subject.skeleton(&world.traffic);
        let draft = drafts.unsent(&subject).filter(|_| !due && !last);
        let mut editor = Editor::new(draft.unwrap_or(&untouched));
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
            loading: message || last,
            rule,
            original: None,
            earlier: Earlier {
                wanted: last,
                texts: drafts.sent(&subject).to_vec(),
                ..Earlier::default()
            },
            untouched,
            due,
            sent_texts: Vec::new(),
            agreed: drafts.agreed.clone(),
            opened: drafts.opened,
            sends: 0,
            editor,
            subject,
        };
        if message && let Some(draft) = drafts.unsent(&sheet.subject).filter(|_| !sheet.due) {
            // The original still comes, to compare with; the draft stays.
            sheet.editor = Editor::new(draft);
        }
        sheet.recheck();
        Ok(sheet)
    }

    /// Keeps what was typed; called before the sheet is dropped.
    pub fn keep(&self, drafts: &mut Drafts) {
        let text = self.editor.text();
        let sent = self.sent_texts.last() == Some(&text);
        let typed = (text != self.untouched && !sent && !self.loading).then_some(text);
        drafts.keep(&self.subject, typed);
        drafts.keep_sent(&self.subject, &self.sent_texts);
        drafts.agreed.clone_from(&self.agreed);
    }

    /// How many earlier arguments can be brought back.
    pub fn earlier_count(&self, world: &World) -> usize {
        let captured = self.subject.earlier(&world.traffic).len();
        self.earlier.texts.len().max(captured)
    }

    pub fn places(&self, area: Rect) -> Places {
        let line = |from: u16, height: u16| Rect {
            y: area.y + from.min(area.height),
            height: height.min(area.height.saturating_sub(from)),
            ..area
        };
        let said = wrap(&self.foot().0, area.width.saturating_sub(2).into()).len();
        let foot = u16::try_from(said)
            .unwrap_or(FOOT)
            .min(FOOT)
            .min(area.height / 2);
        let room = area.height.saturating_sub(2 + foot);
        let lines = u16::try_from(self.editor.lines().len()).unwrap_or(u16::MAX);
        let (editor, help) = match (&self.sent, self.focus) {
            (None, _) => {
                let editor = lines
                    .saturating_add(1)
                    .clamp(4, (room * 6 / 10).max(4))
                    .min(room);
                (editor, room - editor)
            }
            (Some(_), Focus::Arguments) => {
                let editor = lines.clamp(2, (room / 2).max(2)).min(room);
                (editor, room.saturating_sub(editor).min(room / 5))
            }
            (Some(_), Focus::Answer) => (lines.clamp(1, (room / 4).max(1)).min(room), 0),
        };
        let below = 2 + editor + help;
        let rule = u16::from(self.sent.is_some());
        let answer = if self.sent.is_some() {
            (room + 2).saturating_sub(below + 1)
        } else {
            0
        };
        Places {
            title: line(0, 1),
            editor_rule: line(1, 1),
            editor: line(2, editor),
            help: line(2 + editor, help),
            answer_rule: line(below, rule),
            answer: line(below + 1, answer),
            foot: line(area.height - foot, foot),
        }
    }

    /// Where the form of another round is.
    pub fn round_place(&self, area: Rect) -> Rect {
        Rect {
            x: area.x + 1,
            y: area.y + 2.min(area.height),
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(2),
        }
    }

    /// A question, or what stood in the way, or what there is to do.
    pub fn foot(&self) -> (String, Role) {
        if let Some(question) = &self.question {
            let key = |action| keymap::label(Context::Question, action);
            let (yes, no) = (key(Action::Yes), key(Action::No));
            return (
                format!("{}   {yes} yes   {no} no", question.text),
                Role::Warn,
            );
        }
        if let Some(trouble) = &self.trouble {
            return (trouble.clone(), Role::Error);
        }
        let round = self.sent.as_ref().and_then(|sent| sent.round.as_ref());
        match round.filter(|round| !round.open) {
            Some(round) => {
                let key = keymap::label(Context::Global, Action::Answer);
                let questions = format::plural(round.number.1 as u64, "question");
                (
                    format!("The server asks {questions} before it goes on: {key} answers."),
                    Role::Warn,
                )
            }
            None => (String::new(), Role::Dim),
        }
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
        let message = match self.message() {
            Ok(message) => message,
            Err(why) => {
                self.trouble = Some(why);
                return Vec::new();
            }
        };
        if !insist && let Some(problem) = self.check.problems.first() {
            let place = if problem.pointer.is_empty() {
                ""
            } else {
                &problem.pointer
            };
            self.trouble = Some(format!(
                "not sent: {place} {}; F2 sends it all the same",
                problem.message
            ));
            return Vec::new();
        }
        match self.concern(world, &message, insist) {
            Concern::None => self.dispatch(world, message),
            Concern::Refuse(why) => {
                self.trouble = Some(format!("not sent: {why}; F2 asks to send it all the same"));
                Vec::new()
            }
            Concern::Ask(text) => {
                self.question = Some(Question { text, message });
                Vec::new()
            }
        }
    }

    /// What speaks against sending a message where it goes.
    fn concern(&self, world: &World, message: &str, insist: bool) -> Concern {
        let Frame::Message(envelope) = parse(message.as_bytes()) else {
            return Concern::Refuse("this is not one JSON-RPC message".to_owned());
        };
        let Some(method) = envelope.method.as_deref() else {
            return match insist {
                true => Concern::Ask(
                    "This has no method: it answers a request that is long over. Send it?".into(),
                ),
                false => Concern::Refuse("an answer cannot be sent again".into()),
            };
        };
        match methods::replay(method) {
            Replay::Refused(why) if insist => {
                return Concern::Ask(format!("{why} Send it all the same?"));
            }
            Replay::Refused(why) => return Concern::Refuse(why.trim_end_matches('.').to_owned()),
            Replay::Asks(why) => return Concern::Ask(format!("{why} Send it?")),
            Replay::Allowed => {}
        }
        if method != methods::TOOLS_CALL || self.agreed.contains(&self.subject) {
            return Concern::None;
        }
        let name = envelope
            .params
            .and_then(|params| object::string_at(params, &["name"]));
        let name = name.unwrap_or_default();
        let tool = subject::tool(world.traffic.inventory(), &name);
        let destructive = tool.and_then(|tool| tool.destructive);
        let read_only = tool.and_then(|tool| tool.read_only) == Some(true);
        match (self.route, destructive) {
            (_, _) if read_only => Concern::None,
            (_, Some(true)) => {
                Concern::Ask(format!("{name} says that it may destroy things. Call it?"))
            }
            (Route::Session(_), None) => Concern::Ask(format!(
                "{name} does not say that it leaves things as they are, and this goes into the client's session. Call it?"
            )),
            _ => Concern::None,
        }
    }

    fn dispatch(&mut self, world: &World, message: String) -> Vec<Step> {
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
            route: self.route,
            message: message.clone(),
            replay_of: original
                .and_then(|row| world.traffic.row(row))
                .map(|row| row.seq),
        };
        let text = self.editor.text();
        self.sent_texts.retain(|other| *other != text);
        self.sent_texts.push(text);
        self.focus = Focus::Answer;
        self.sent = Some(Sent::new(token, message, original));
        vec![Step::Do(Effect::Command { token, command })]
    }

    /// Brings back the arguments before those shown.
    fn show_earlier(&mut self) {
        self.earlier.wanted = true;
        if self.earlier.texts.is_empty() {
            if !self.earlier.missing {
                self.trouble = Some("it was not called before".to_owned());
            }
            return;
        }
        let next = self.earlier.shown.map_or(0, |shown| shown + 1) % self.earlier.texts.len();
        self.earlier.shown = Some(next);
        self.editor.replace(&self.earlier.texts[next].clone());
        self.recheck();
    }

    /// Reads captured calls for their arguments; returns those that are not there yet.
    fn sync_earlier(&mut self, world: &World) -> Vec<Location> {
        if !self.earlier.wanted {
            return Vec::new();
        }
        let mut wanted = Vec::new();
        let rows = self.subject.earlier(&world.traffic);
        let requests = rows
            .iter()
            .filter_map(|row| Some(world.traffic.row(*row)?.request));
        let mut missing = false;
        for request in requests.filter(|request| request.len <= EDITABLE) {
            wanted.push(request);
            match world.body(request) {
                Body::Loading => missing = true,
                Body::Failed(_) => {}
                Body::Loaded(document) => {
                    let text = std::str::from_utf8(document.bytes()).ok();
                    let found = text.and_then(|message| self.subject.arguments_in(message));
                    if let Some(found) = found.filter(|found| !self.earlier.texts.contains(found)) {
                        self.earlier.texts.push(found);
                    }
                }
            }
        }
        self.earlier.missing = missing;
        let first = self.earlier.shown.is_none() && (!missing || !self.earlier.texts.is_empty());
        if self.loading && first {
            self.loading = false;
            if !self.earlier.texts.is_empty() {
                self.show_earlier();
            } else {
                self.trouble = Some("it was not called before".to_owned());
            }
        }
        wanted
    }

    /// Brings the captured message into the editor.
    fn sync_original(&mut self, world: &World) -> Option<Location> {
        let Subject::Message(row) = self.subject else {
            return None;
        };
        if self.original.is_some() {
            return None;
        }
        let request = world.traffic.row(row)?.request;
        if request.len > EDITABLE {
            self.fail("it is too long to be brought into the editor");
            return None;
        }
        match world.body(request) {
            Body::Loading => {}
            Body::Failed(why) => self.fail(why),
            Body::Loaded(document) => match std::str::from_utf8(document.bytes()) {
                Err(_) => self.fail("it is not UTF-8 and cannot be sent as text"),
                Ok(text) => {
                    let pretty = document.pretty();
                    if self.editor.text() == self.untouched {
                        self.editor = Editor::new(&pretty);
                        self.editor.go_to_value_of("arguments");
                    }
                    self.untouched.clone_from(&pretty);
                    self.original = Some(Original {
                        text: text.to_owned(),
                        pretty,
                    });
                    self.loading = false;
                    self.recheck();
                }
            },
        }
        Some(request)
    }

    fn fail(&mut self, why: &str) {
        self.trouble = Some(format!("the message cannot be sent again: {why}"));
        self.due = false;
    }

    fn writing(&mut self, world: &World, area: Rect, action: Action) -> Vec<Step> {
        match action {
            Action::Send => return self.send(world, false),
            Action::SendInvalid => return self.send(world, true),
            Action::Earlier => self.show_earlier(),
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

    /// The keys of a form that belongs to another round.
    fn answering(&mut self, world: &World, action: Action) -> Vec<Step> {
        let Some(sent) = &mut self.sent else {
            return Vec::new();
        };
        let Some(round) = &mut sent.round else {
            return Vec::new();
        };
        let choice = match action {
            Action::Accept => Choice::Accept,
            Action::Decline => Choice::Decline,
            Action::Cancel => Choice::Cancel,
            Action::Back => {
                round.open = false;
                return Vec::new();
            }
            Action::Editor => {
                let text = round.form.for_editor();
                return text
                    .map(|text| Step::Do(Effect::Editor(text)))
                    .into_iter()
                    .collect();
            }
            _ => return Vec::new(),
        };
        match round.answer(choice, &sent.message) {
            Some(message) => self.dispatch(world, message),
            None => Vec::new(),
        }
    }

    fn act(&mut self, world: &World, area: Rect, action: Action) -> Vec<Step> {
        if let Some(question) = self
            .question
            .take_if(|_| matches!(action, Action::Yes | Action::No))
        {
            if action == Action::No {
                return Vec::new();
            }
            self.agreed.insert(self.subject.clone());
            return self.dispatch(world, question.message);
        }
        if self.shown_round().is_some() {
            return self.answering(world, action);
        }
        match self.focus {
            Focus::Arguments => self.writing(world, area, action),
            Focus::Answer => self.reading(world, area, action),
        }
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

/// What speaks against sending a message.
enum Concern {
    None,
    Ask(String),
    Refuse(String),
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
        } else if self.shown_round().is_some() {
            vec![Context::Ask]
        } else {
            match self.focus {
                Focus::Arguments => vec![Context::Sheet],
                Focus::Answer => vec![Context::Sent, Context::Move, Context::Global],
            }
        }
    }

    fn update(&mut self, world: &World, area: Rect, input: Input<'_>) -> Vec<Step> {
        let height = self.places(area).editor.height;
        let place = self.round_place(area);
        let form_height = |form: &Form| render::form::places(form, place).body.height;
        let round = match &mut self.sent {
            Some(Sent {
                round: Some(round), ..
            }) if round.open => Some(round),
            _ => None,
        };
        match (input, round) {
            (Input::Action(action), _) => return self.act(world, area, action),
            (Input::Key(key), Some(round)) => {
                let height = form_height(&round.form);
                round.form.key(&key, height);
            }
            (Input::Paste(text), Some(round)) => {
                let height = form_height(&round.form);
                round.form.paste(text, height);
            }
            (Input::Key(key), None) => self.typed(area, |editor, height| editor.key(&key, height)),
            (Input::Paste(text), None) => self.typed(area, |editor, height| {
                editor.paste(text, height);
                true
            }),
            (Input::Edited(Ok(text)), Some(round)) => round.form.edited(text),
            (Input::Edited(Ok(text)), None) => self.typed(area, |editor, _| {
                editor.replace(text.trim_end());
                true
            }),
            (Input::Edited(Err(why)), _) => self.trouble = Some(why.clone()),
            (Input::Outcome { token, outcome }, _) => {
                if let Some(sent) = self.sent.as_mut().filter(|sent| sent.token == token) {
                    sent.outcome(outcome);
                }
            }
            (Input::Click { x, y }, _) => self.clicked(area, x, y),
            (Input::Scroll { y, lines, .. }, _) => {
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
        let answer = self.places(area).answer;
        if let Some(sent) = &mut self.sent {
            wanted.extend(sent.sync(world, answer));
        }
        wanted
    }
}
