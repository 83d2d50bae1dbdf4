//! A request that a part of the screen makes by itself, followed until it is answered.

use super::World;
use super::sheet::sent::State;
use crate::mcp::compose;
use crate::tap::{Command, Refused, Reply, Route};
use crate::traffic::{RowId, Status};
use crate::ui::event::{Effect, Step, Token};

#[derive(Debug)]
pub struct Errand {
    token: Token,
    state: State,
}

/// How it goes.
#[derive(Debug)]
pub enum News {
    OnItsWay,
    /// Where it stands in Traffic.
    Done(RowId),
    /// Why it was not done, in words.
    Failed(String),
}

impl Errand {
    /// The request, and the step that sends it.
    pub fn new(token: Token, route: Route, method: &str, params: &str) -> (Self, Step) {
        let state = State::Handed;
        let command = Command::Send {
            route,
            message: compose::request(method, params),
            replay_of: None,
        };
        let step = Step::Do(Effect::Command { token, command });
        (Self { token, state }, step)
    }

    /// Whether this was about it.
    pub fn settle(&mut self, token: Token, outcome: &Result<Reply, Refused>) -> bool {
        let is_its = self.token == token;
        if is_its {
            self.state = outcome.into();
        }
        is_its
    }

    pub fn news(&self, world: &World) -> News {
        let (session, id) = match &self.state {
            State::Refused(why) => return News::Failed(why.clone()),
            State::Written { session, id } => (*session, id),
            State::Handed | State::Notified => return News::OnItsWay,
        };
        let row = world.traffic.operator_exchange(session, id);
        let Some(row) = row.and_then(|row| world.traffic.row(row)) else {
            return News::OnItsWay;
        };
        match row.status {
            Status::Pending => News::OnItsWay,
            Status::Ok | Status::Late | Status::Streaming => News::Done(row.id),
            Status::Error => News::Failed(format!("the server says {}", row.outcome)),
            _ if row.outcome.is_empty() => News::Failed("no answer came".to_owned()),
            _ => News::Failed(format!("no answer came: {}", row.outcome)),
        }
    }
}
