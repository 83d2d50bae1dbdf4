//! How a call goes on once it was sent: what the server asks before it answers, and the calls that it wants repeated.

use super::sent::{Round, Sent, State};
use super::{Focus, Sheet, World};
use crate::capture::record::Location;
use crate::tap::{Refused, Reply};
use crate::traffic::{Row, Status};
use crate::ui::app::Input;
use crate::ui::app::form::Choice;
use crate::ui::event::{Step, Token};
use crate::ui::keymap::Action;
use ratatui::layout::Rect;

impl Sheet {
    /// The keys of a form that belongs to another round; `None` where there is none before the operator.
    pub(super) fn answering(
        &mut self,
        world: &World,
        area: Rect,
        input: &Input<'_>,
    ) -> Option<Vec<Step>> {
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
    pub fn shown_round(&self) -> Option<&Round> {
        self.sent
            .as_ref()?
            .round
            .as_ref()
            .filter(|round| round.open)
    }

    /// Looks what became of what was sent; the places that must be read for that.
    pub(super) fn sync_sent(
        &mut self,
        world: &World,
        area: Rect,
        steps: &mut Vec<Step>,
    ) -> Vec<Location> {
        let form = self.round_place(area);
        let Some(sent) = &mut self.sent else {
            return Vec::new();
        };
        if let Some(round) = &mut sent.round {
            round.form.resize(form.width);
        }
        let wanted = sent.sync(world);
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
        wanted
    }
}
