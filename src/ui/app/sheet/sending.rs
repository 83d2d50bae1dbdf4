//! How what is written is sent: as which message, into which session, and what stands in the way.

use super::concern::{Concern, concern};
use super::sent::Sent;
use super::sources::Original;
use super::subject::Subject;
use super::{Focus, Question, Sheet, World};
use crate::mcp::logging;
use crate::tap::{Command, Party, Route, SessionId};
use crate::ui::event::{Effect, Owner, Step, Token};
use crate::wire::{object, splice};

pub(super) fn cannot_send(world: &World) -> String {
    format!("nothing can be sent: {}", world.why_read_only())
}

impl Sheet {
    /// The sessions that a message can go into, in the order in which a key goes through them.
    pub(super) fn routes(world: &World) -> Vec<Route> {
        let open = world
            .traffic
            .sessions()
            .iter()
            .filter(|session| session.closed_at.is_none() && session.by != "operator");
        std::iter::once(Route::Operator)
            .chain(open.map(|session| Route::Session(SessionId(session.id))))
            .collect()
    }

    pub(super) fn next_route(&mut self, world: &World) {
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
    pub(super) fn message(&self) -> Result<String, String> {
        let text = self.editor.text();
        match &self.original {
            Some(original) if original.pretty == text => {
                Ok(original.text.trim_end_matches(['\r', '\n']).to_owned())
            }
            _ => self.subject.compose(&text),
        }
    }

    /// The message with the wish for log messages, which a server of the modern era is told with each call. What is sent
    /// again stays as it was.
    fn with_log_level(&self, world: &World, message: String) -> String {
        let wanted = world.log_level.filter(|_| {
            self.route == Route::Operator && self.subject.is_lasting() && world.is_modern()
        });
        let told =
            wanted.and_then(|level| splice::set(&message, logging::LEVEL, &format!("\"{level}\"")));
        told.unwrap_or(message)
    }

    /// Whether it is to go out once more as it did: what is wrong with it did not stand in the way then.
    fn was_sent_before(&self) -> bool {
        let text = self.editor.text();
        let captured = self.original.as_ref().map(|original| &original.pretty);
        captured == Some(&text) || self.last_sent.as_ref() == Some(&text)
    }

    /// Whether something was typed for what the proxy writes anew.
    fn is_replaced(&self, message: &str) -> bool {
        const ANEW: [&[&str]; 2] = [&["id"], &["params", "_meta", "progressToken"]];
        let differs = |original: &Original| {
            ANEW.iter().any(|path| {
                let typed = object::at(message, path);
                typed.is_some() && typed != object::at(&original.text, path)
            })
        };
        self.original.as_ref().is_some_and(differs)
    }

    /// Sends, or says what stands in the way. `insist`: although something is wrong with it.
    pub(super) fn send(&mut self, world: &World, insist: bool) -> Vec<Step> {
        self.trouble = None;
        if self.loading {
            return Vec::new();
        }
        if !world.live {
            self.trouble = Some(cannot_send(world));
            return Vec::new();
        }
        let message = match self.message() {
            Ok(message) => self.with_log_level(world, message),
            Err(why) => {
                self.trouble = Some(why);
                return Vec::new();
            }
        };
        let insist = insist || self.was_sent_before();
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
            Concern::None if !agreed && self.is_replaced(&message) => {
                let text = "Each sending gets an id and a progress token of its own, whatever is typed for them. Send it?";
                self.question = Some(Question {
                    text: text.to_owned(),
                    message,
                });
                Vec::new()
            }
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

    pub(super) fn dispatch(&mut self, world: &World, message: String) -> Vec<Step> {
        let text = self.editor.text();
        self.earlier.forget(&text);
        self.hidden_draft.take_if(|draft| *draft == text);
        self.sent_texts.retain(|other| *other != text);
        self.sent_texts.push(text.clone());
        self.last_sent = Some(text);
        self.focus = Focus::Answer;
        self.completion = None;
        self.hand_over(world, self.route, message, 0)
    }

    /// Sends without a question: what was agreed to, or what goes on with it.
    pub(super) fn hand_over(
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
}

/// For a replay the session that the original went through, a client's while that client is there, also where the
/// operator had sent it beside the client's calls; else the operator's own.
pub(super) fn default_route(world: &World, subject: &Subject) -> Route {
    let Subject::Message(row) = subject else {
        return Route::Operator;
    };
    let Some(row) = world.traffic.row(*row) else {
        return Route::Operator;
    };
    let route = Route::Session(row.session);
    let sent = matches!(row.from, Party::Client | Party::Operator);
    match sent && Sheet::routes(world).contains(&route) {
        true => route,
        false => Route::Operator,
    }
}
