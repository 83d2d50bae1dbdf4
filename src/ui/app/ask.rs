//! A request of the server's that waits for the operator: elicitation as a form, sampling as an editable answer, roots.

use super::form::{Answer, Choice, Form};
use super::{Input, Part, World};
use crate::capture::record::Location;
use crate::mcp::compose;
use crate::tap::{Command, Refused, SessionId};
use crate::traffic::{RowId, Status};
use crate::ui::event::{Body, Effect, Notice, Owner, Step, Token};
use crate::ui::keymap::{Action, Binding, Context};
use crate::ui::render;
use crate::wire::{Frame, parse};
use ratatui::layout::Rect;

#[derive(Debug)]
pub struct Ask {
    pub row: RowId,
    /// `None` while the request is being read back.
    pub form: Option<Form>,
    /// Why there is no form, or the answer was not taken.
    pub trouble: Option<String>,
    /// The server does not wait any more: it was answered, cancelled, or went away.
    pub over: bool,
    session: SessionId,
    /// Raw token.
    id: String,
    /// The answer on its way.
    answering: Option<Token>,
}

impl Ask {
    /// For a row of [`crate::traffic::Traffic::waiting_for_operator`].
    pub fn open(world: &World, row: RowId) -> Self {
        let found = world.traffic.row(row);
        Self {
            row,
            form: None,
            trouble: None,
            over: false,
            session: found.as_ref().map_or(SessionId::NONE, |row| row.session),
            id: found
                .map(|row| row.message_id.to_owned())
                .unwrap_or_default(),
            answering: None,
        }
    }

    /// The request's own words become a form, once they are there.
    fn read(&mut self, body: &Body) {
        let document = match body {
            Body::Loading => return,
            Body::Failed(why) => {
                self.trouble = Some(why.to_string());
                return;
            }
            Body::Loaded(document) => document,
        };
        match parse(document.bytes()) {
            Frame::Message(envelope) => {
                let method = envelope.method.as_deref().unwrap_or_default();
                self.form = Some(Form::new(method, envelope.params.unwrap_or("{}")));
                if let Some(id) = envelope.id {
                    id.clone_into(&mut self.id);
                }
            }
            _ => self.trouble = Some("the request is not one JSON-RPC message".to_owned()),
        }
    }

    fn answer(&mut self, choice: Choice) -> Vec<Step> {
        let Some(form) = &mut self.form else {
            return Vec::new();
        };
        if self.over || self.answering.is_some() {
            return Vec::new();
        }
        let Some(answer) = form.answer(choice) else {
            return Vec::new();
        };
        let message = match answer {
            Answer::Result(result) => compose::result(&self.id, &result),
            Answer::Error { code, message } => compose::error(&self.id, code, &message),
        };
        let token = Token {
            owner: Owner::Ask,
            number: u64::from(self.row),
        };
        self.answering = Some(token);
        self.trouble = None;
        let command = Command::Answer {
            session: self.session,
            message,
        };
        vec![Step::Do(Effect::Command { token, command })]
    }
}

impl Part for Ask {
    fn contexts(&self) -> Vec<Context> {
        let form = self.form.as_ref();
        form.map_or_else(|| vec![Context::Ask], Form::contexts)
    }

    fn offers(&self, _world: &World, binding: &Binding) -> &'static str {
        match (&self.form, binding.action) {
            (_, Action::Back) if self.over => "close",
            (_, Action::Back) => binding.hint,
            (Some(form), Action::Copy) => form.offers(binding),
            (Some(form), _) if !self.over => form.offers(binding),
            _ => "",
        }
    }

    fn update(&mut self, _world: &World, area: Rect, input: Input<'_>) -> Vec<Step> {
        let inside = render::ask::inside(area);
        match (input, &mut self.form) {
            (Input::Action(Action::Accept), _) => return self.answer(Choice::Accept),
            (Input::Action(Action::Decline), _) => return self.answer(Choice::Decline),
            (Input::Action(Action::Cancel), _) => return self.answer(Choice::Cancel),
            (Input::Action(Action::Back), _) => return vec![Step::Close],
            (Input::Outcome { token, outcome }, _) if self.answering == Some(token) => {
                self.answering = None;
                match outcome {
                    Ok(_) => {
                        self.over = true;
                        return vec![
                            Step::Close,
                            Step::Say(Notice::info("the server has your answer")),
                        ];
                    }
                    Err(why) => self.trouble = Some(format!("not answered: {why}")),
                }
            }
            // An answer to something else.
            (Input::Outcome { outcome, .. }, _) => {
                let refused = outcome.as_ref().err();
                let say = |why: &Refused| Step::Say(Notice::error(why.to_string()));
                return refused.map(say).into_iter().collect();
            }
            (Input::Edited(Err(why)), _) => self.trouble = Some(why.clone()),
            (input, Some(form)) => return form.update(input, inside),
            (_, None) => {}
        }
        Vec::new()
    }

    fn sync(&mut self, world: &World, area: Rect, _steps: &mut Vec<Step>) -> Vec<Location> {
        let Some(row) = world.traffic.row(self.row) else {
            return Vec::new();
        };
        self.over |= row.status != Status::Pending;
        if self.form.is_none() {
            self.read(world.body(row.request));
        }
        if let Some(form) = &mut self.form {
            form.resize(render::ask::inside(area).width);
        }
        vec![row.request]
    }
}
