//! A message that was sent: what became of it, its answer, the comparison with an original, another round.

use super::super::World;
use super::super::doubt::Doubt;
use super::super::form::{Answer, Choice, Form};
use crate::capture::record::Location;
use crate::tap::{Refused, Reply, Route, SessionId, Timestamp};
use crate::traffic::{Row, RowId};
use crate::ui::diff::Diff;
use crate::ui::event::{Body, Token};
use crate::ui::json::view::View;
use crate::ui::keymap::Action;
use crate::wire::{object, splice};
use ratatui::layout::Rect;

/// How far it has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Given to the proxy.
    Handed,
    /// Written to the server under this id.
    Written {
        session: SessionId,
        id: String,
    },
    /// A notification: there is no answer to wait for.
    Notified,
    Refused(String),
}

#[derive(Debug)]
pub struct Sent {
    pub token: Token,
    /// Where it went; what goes on with it goes there, too.
    pub route: Route,
    pub message: String,
    pub state: State,
    /// Where it stands in Traffic.
    pub row: Option<RowId>,
    /// What the server says of how far it is.
    pub progress: Option<String>,
    pub answer: Option<View>,
    /// Why the answer cannot be shown.
    pub trouble: Option<String>,
    doubt: Doubt,
    pub comparison: Option<Comparison>,
    /// What the server wants to know before it goes on.
    pub round: Option<Round>,
    /// It only wants the call again.
    pub again: Option<Again>,
    /// How often that was done.
    pub repeated: u32,
    /// What it replays.
    original: Option<RowId>,
    compare: bool,
}

#[derive(Debug)]
pub struct Comparison {
    pub diff: Diff,
    pub top: usize,
}

/// The same call again, for a server that gave only its state (specification 2026-07-28, multi-round requests).
#[derive(Debug)]
pub struct Again {
    /// `None` when it was called often enough.
    message: Option<String>,
    at: Timestamp,
}

/// So often a call is repeated for a server that wants nothing else.
const MOST_REPEATED: u32 = 10;

/// Another round of a modern request that was answered with `input_required` (specification 2026-07-28, basic).
#[derive(Debug)]
pub struct Round {
    pub form: Form,
    /// Which question of how many, from 1.
    pub number: (usize, usize),
    /// The form is before the operator, not put aside.
    pub open: bool,
    /// Keys, methods and params of what is asked after this.
    rest: Vec<(String, String, String)>,
    key: String,
    answers: Vec<(String, String)>,
    state: Option<String>,
}

impl From<&Result<Reply, Refused>> for State {
    fn from(outcome: &Result<Reply, Refused>) -> Self {
        match outcome {
            Ok(Reply::Sent {
                session,
                id: Some(id),
            }) => Self::Written {
                session: *session,
                id: id.clone(),
            },
            Ok(Reply::Sent { id: None, .. } | Reply::Done) => Self::Notified,
            Err(Refused(why)) => Self::Refused(why.clone()),
        }
    }
}

impl Sent {
    pub fn new(token: Token, route: Route, message: String, original: Option<RowId>) -> Self {
        Self {
            token,
            route,
            message,
            state: State::Handed,
            row: None,
            progress: None,
            answer: None,
            trouble: None,
            doubt: Doubt::default(),
            comparison: None,
            round: None,
            again: None,
            repeated: 0,
            original,
            compare: false,
        }
    }

    pub fn outcome(&mut self, outcome: &Result<Reply, Refused>) {
        self.state = outcome.into();
    }

    pub fn row<'a>(&self, world: &'a World) -> Option<Row<'a>> {
        world.traffic.row(self.row?)
    }

    /// Whether the session that it was written to has ended.
    pub fn session_is_over(&self, world: &World) -> bool {
        let State::Written { session, .. } = &self.state else {
            return false;
        };
        let mut sessions = world.traffic.sessions().iter();
        sessions.any(|it| it.id == session.0 && it.closed_at.is_some())
    }

    /// Follows the exchange; returns the messages that are needed to show it.
    pub fn sync(&mut self, world: &World) -> Vec<Location> {
        if let (State::Written { session, id }, None) = (&self.state, self.row) {
            self.row = world.traffic.operator_exchange(*session, id);
        }
        let row = self.row(world);
        let Some(answer) = row.as_ref().and_then(|row| row.answer) else {
            if let Some(row) = row {
                self.doubt.look(world, &row, None);
            }
            return self.sync_progress(world).into_iter().collect();
        };
        if self.answer.is_none() {
            match world.body(answer) {
                Body::Loading => {}
                Body::Failed(why) => self.trouble = Some(why.to_string()),
                Body::Loaded(document) => {
                    let text = std::str::from_utf8(document.bytes()).unwrap_or_default();
                    self.round = Round::of(text);
                    self.again = Again::of(text, &self.message, self.repeated, world.now);
                    let mut view = View::new(document.clone());
                    view.unfold_texts();
                    self.answer = Some(view);
                }
            }
        }
        if let Some(row) = row {
            let shown = self.answer.as_ref();
            let shown = shown.map(|view| (answer.line, &**view.document()));
            self.doubt.look(world, &row, shown);
        }
        let mut wanted = vec![answer];
        if self.compare && self.comparison.is_none() {
            let original = self
                .original
                .and_then(|row| world.traffic.final_answer(row));
            wanted.extend(original);
            if let (Some(Body::Loaded(old)), Body::Loaded(new)) =
                (original.map(|at| world.body(at)), world.body(answer))
            {
                self.comparison = Some(Comparison {
                    diff: Diff::between(old, new),
                    top: 0,
                });
                self.compare = false;
            }
        }
        wanted
    }

    /// Gives the answer its place.
    pub fn resize(&mut self, place: Rect) {
        if let Some(view) = &mut self.answer {
            view.resize(place.width.saturating_sub(1), place.height);
        }
    }

    /// What is to be said above the answer, in this place for both.
    pub fn doubts(&self, place: Rect) -> Vec<String> {
        match &self.comparison {
            Some(_) => Vec::new(),
            None => self.doubt.lines(Rect {
                width: place.width.saturating_sub(1),
                ..place
            }),
        }
    }

    /// Follows what the server says on its way; the last words stay until the next are there.
    fn sync_progress(&mut self, world: &World) -> Option<Location> {
        let newest = world.traffic.newest_progress(self.row?)?;
        if let Body::Loaded(document) = world.body(newest) {
            let message = std::str::from_utf8(document.bytes()).ok();
            let words = message.and_then(|it| object::string_at(it, &["params", "message"]));
            self.progress = words.map(|words| words.into_owned());
        }
        Some(newest)
    }

    /// The message to send again, when its time has come.
    pub fn take_due(&mut self, now: Timestamp) -> Option<String> {
        let again = self.again.as_mut().filter(|again| again.at <= now)?;
        again.message.take()
    }

    /// Whether time alone brings the next message.
    pub fn is_to_repeat(&self) -> bool {
        let again = self.again.as_ref();
        again.is_some_and(|again| again.message.is_some())
    }

    /// Shows the comparison with the original, or the answer again. `Err` says why it cannot.
    pub fn toggle_comparison(&mut self, world: &World) -> Result<(), String> {
        let Some(original) = self.original else {
            return Err("only a replay has an original to compare with".to_owned());
        };
        if self.comparison.take().is_some() {
            return Ok(());
        }
        if world.traffic.final_answer(original).is_none() {
            return Err("the original has no answer to compare with".to_owned());
        }
        self.compare = true;
        Ok(())
    }

    /// Moves in what is shown.
    pub fn movement(&mut self, action: Action, height: u16) {
        if let Some(comparison) = &mut self.comparison {
            return comparison.movement(action, usize::from(height));
        }
        if let Some(view) = &mut self.answer {
            view.act(action);
        }
    }

    pub fn scroll(&mut self, lines: i16, height: u16) {
        match (&mut self.comparison, &mut self.answer) {
            (Some(comparison), _) => comparison.go(isize::from(lines), usize::from(height)),
            (None, Some(view)) => view.scroll(isize::from(lines)),
            (None, None) => {}
        }
    }
}

impl Comparison {
    fn go(&mut self, lines: isize, height: usize) {
        let last = self.diff.rows.len().saturating_sub(height);
        self.top = self.top.saturating_add_signed(lines).min(last);
    }

    fn movement(&mut self, action: Action, height: usize) {
        let page = height.saturating_sub(1).max(1).cast_signed();
        let change = match action {
            Action::NextMatch => self.diff.next_change(self.top + 1),
            Action::PreviousMatch => self.diff.previous_change(self.top),
            _ => None,
        };
        match action {
            Action::Up => self.go(-1, height),
            Action::Down => self.go(1, height),
            Action::PageUp => self.go(-page, height),
            Action::PageDown => self.go(page, height),
            Action::Top => self.go(isize::MIN, height),
            Action::Bottom => self.go(isize::MAX, height),
            _ => {}
        }
        self.top = change.unwrap_or(self.top);
    }
}

impl Again {
    /// Reads an answer; `None` when it wants something else.
    fn of(answer: &str, before: &str, repeated: u32, now: Timestamp) -> Option<Self> {
        let result = object::at(answer, &["result"])?;
        let questions = object::at(result, &["inputRequests"]).unwrap_or_default();
        if object::string_at(result, &["resultType"])? != "input_required"
            || object::members(questions).next().is_some()
        {
            return None;
        }
        let state = object::at(result, &["requestState"])?;
        let plain = splice::remove(before, &["params", "inputResponses"]);
        let message = splice::set(&plain, &["params", "requestState"], state)?;
        // From a quarter of a second to eight seconds.
        let pause = 250_000 << repeated.min(5);
        Some(Self {
            message: Some(message).filter(|_| repeated < MOST_REPEATED),
            at: Timestamp(now.0 + pause),
        })
    }
}

impl Round {
    /// Reads an answer; `None` when it asks for nothing.
    pub fn of(answer: &str) -> Option<Self> {
        let result = object::at(answer, &["result"])?;
        if object::string_at(result, &["resultType"])? != "input_required" {
            return None;
        }
        let requests = object::at(result, &["inputRequests"]).unwrap_or("{}");
        let mut rest: Vec<_> = object::members(requests)
            .map(|(key, request)| {
                let method = object::string_at(request, &["method"]).unwrap_or_default();
                let params = object::at(request, &["params"]).unwrap_or("{}");
                (key.into_owned(), method.into_owned(), params.to_owned())
            })
            .collect();
        let state = object::at(result, &["requestState"]).map(str::to_owned);
        let count = rest.len();
        let (key, method, params) = match rest.is_empty() {
            true => return None,
            false => rest.remove(0),
        };
        Some(Self {
            form: Form::in_round(&method, &params),
            number: (1, count),
            open: false,
            rest,
            key,
            answers: Vec::new(),
            state,
        })
    }

    /// Takes the answer to this question and goes on to the next; the message to send after the last one, made from
    /// the one that was sent before.
    pub fn answer(&mut self, choice: Choice, before: &str) -> Option<String> {
        match self.form.answer(choice)? {
            Answer::Error { .. } => {
                self.form.trouble = Some(
                    "this cannot be declined in words: leave it, and the call stays unfinished"
                        .to_owned(),
                );
                return None;
            }
            Answer::Result(result) => self.answers.push((std::mem::take(&mut self.key), result)),
        }
        if self.rest.is_empty() {
            return self.retry(before);
        }
        let (key, method, params) = self.rest.remove(0);
        self.number.0 += 1;
        self.key = key;
        self.form = Form::in_round(&method, &params);
        None
    }

    fn retry(&self, before: &str) -> Option<String> {
        let answers: Vec<String> = self
            .answers
            .iter()
            .map(|(key, result)| format!("{}:{result}", serde_json::Value::from(key.as_str())))
            .collect();
        let responses = format!("{{{}}}", answers.join(","));
        let message = splice::set(before, &["params", "inputResponses"], &responses)?;
        match &self.state {
            Some(state) => splice::set(&message, &["params", "requestState"], state),
            None => Some(splice::remove(&message, &["params", "requestState"])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_round_repeats_the_call_with_the_answers_and_the_state() {
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"s\u00e9",
            "inputRequests":{"who":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{}}},
            "where":{"method":"roots/list"}}}}"#;
        let mut round = Round::of(answer).unwrap();
        assert_eq!(round.number, (1, 2));
        let before = r#"{"id":1,"method":"tools/call","params":{"name":"x","requestState":"old"}}"#;
        assert_eq!(round.answer(Choice::Accept, before), None);
        assert_eq!(round.number, (2, 2));
        assert_eq!(
            round.answer(Choice::Accept, before).as_deref(),
            Some(
                r#"{"id":1,"method":"tools/call","params":{"name":"x","requestState":"s\u00e9","inputResponses":{"who":{"action":"accept","content":{}},"where":{"roots":[]}}}}"#
            )
        );
    }

    #[test]
    fn a_server_that_gives_only_its_state_is_called_again_after_a_pause_but_not_for_ever() {
        let answer = r#"{"id":1,"result":{"resultType":"input_required","requestState":"two"}}"#;
        let before = r#"{"id":1,"method":"tools/call","params":{"name":"x","inputResponses":{},"requestState":"one"}}"#;
        let mut sent = Sent::new(token(), Route::Operator, before.to_owned(), None);
        sent.again = Again::of(answer, before, 1, Timestamp(0));
        assert!(sent.is_to_repeat());
        assert_eq!(sent.take_due(Timestamp(400_000)), None);
        let again = sent.take_due(Timestamp(500_000));
        assert_eq!(
            again.as_deref(),
            Some(r#"{"id":1,"method":"tools/call","params":{"name":"x","requestState":"two"}}"#)
        );
        assert!(!sent.is_to_repeat());
        sent.again = Again::of(answer, before, MOST_REPEATED, Timestamp(0));
        assert!(!sent.is_to_repeat());
        let asks = r#"{"result":{"resultType":"input_required","inputRequests":{"k":{}},"requestState":"s"}}"#;
        assert!(Again::of(asks, before, 0, Timestamp(0)).is_none());
    }

    fn token() -> Token {
        Token {
            owner: crate::ui::event::Owner::Sheet,
            number: 1,
        }
    }

    #[test]
    fn a_complete_answer_asks_for_nothing() {
        for answer in [
            r#"{"result":{"content":[]}}"#,
            r#"{"error":{}}"#,
            "",
            r#"{"result":{"resultType":"complete"}}"#,
        ] {
            assert!(Round::of(answer).is_none());
        }
    }
}
