//! Ending what is the operator's own, and starting it again: a call, wherever it is looked at, and the session.

use super::App;
use super::sheet::sent::Sent;
use crate::tap::{Command, Party, Route};
use crate::traffic::{Row, RowKind, Session, Status};
use crate::ui::event::{Effect, Notice, Owner, Token};

/// A refusal is said; there is nothing else to wait for.
const NOBODYS: Token = Token {
    owner: Owner::App,
    number: 0,
};

/// What takes something from somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Quit,
    /// End the server of the operator's own session, and start it again.
    Renew,
}

impl App {
    pub fn question_in_words(&self) -> Option<String> {
        Some(match self.question? {
            Question::Quit => self.quitting_ends().unwrap_or_else(|| "Quit?".to_owned()),
            Question::Renew => "Your server runs. End it and start it again?".to_owned(),
        })
    }

    /// The call that the sheet shows, or the selected one.
    fn looked_at(&self) -> Option<Row<'_>> {
        match &self.sheet {
            Some(sheet) => sheet.sent.as_ref()?.row(&self.world),
            None => self.selected_row(),
        }
    }

    /// The newest request of that call, while it is the operator's to cancel, and there is still something to cancel.
    fn stoppable(&self) -> Option<Row<'_>> {
        let goes_on = |row: &Row<'_>| {
            row.kind == RowKind::Exchange
                && row.from == Party::Operator
                && matches!(row.status, Status::Pending | Status::Streaming)
        };
        let call = self.looked_at().filter(|_| self.world.live)?;
        self.world.traffic.newest_round(call.id).filter(goes_on)
    }

    /// What was sent last for that call, while it is to be sent again by itself.
    fn to_repeat(&self) -> Option<Token> {
        let sheet = match &self.sheet {
            Some(sheet) => Some(sheet),
            None => {
                let newest = self.world.traffic.newest_round(self.looked_at()?.id)?.id;
                let its = |sent: &Sent| sent.row == Some(newest);
                let mut sheets = self.unfinished.iter();
                sheets.find(|sheet| sheet.sent.as_ref().is_some_and(its))
            }
        };
        let sent = sheet?.sent.as_ref()?;
        sent.is_to_repeat().then_some(sent.token)
    }

    pub(super) fn can_stop(&self) -> bool {
        self.stoppable().is_some() || self.to_repeat().is_some()
    }

    pub(super) fn stop(&mut self, effects: &mut Vec<Effect>) {
        if let Some(token) = self.to_repeat() {
            let sheets = self.sheet.iter_mut().chain(&mut self.unfinished);
            let mut sent = sheets.filter_map(|sheet| sheet.sent.as_mut());
            if let Some(sent) = sent.find(|sent| sent.token == token) {
                sent.again = None;
            }
            return self.say(Notice::info("the server is not called once more"));
        }
        if !self.world.live {
            return self.say_over("nothing can be cancelled");
        }
        let Some(row) = self.stoppable() else {
            return self.say(Notice::info(
                "nothing to cancel: this is no call of yours that waits for its answer",
            ));
        };
        let id = row.message_id;
        let message = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"cancelled by the operator"}}}}"#
        );
        let command = Command::Send {
            route: Route::Session(row.session),
            message,
            replay_of: None,
        };
        effects.push(Effect::Command {
            token: NOBODYS,
            command,
        });
        self.say(Notice::info(
            "cancelling: the server is told that nobody waits for the answer any more",
        ));
    }

    /// What cannot be done where no proxy takes commands, and why.
    pub(super) fn say_over(&mut self, what: &str) {
        let why = self.world.why_read_only();
        self.say(Notice::info(format!("{what}: {why}")));
    }

    /// Begins a session of the operator's own, and so starts a command anew. A command that serves anybody is left alone,
    /// and what a client had is the client's to begin.
    pub(super) fn restart(&mut self, effects: &mut Vec<Effect>) {
        if !self.world.live {
            return self.say_over("nothing can be started again");
        }
        if self.world.is_http() {
            return self.begin_another(effects);
        }
        let Some(why) = self.world.server_gone().map(str::to_owned) else {
            return self.restart_living();
        };
        effects.push(Effect::Command {
            token: NOBODYS,
            command: Command::Refresh,
        });
        self.say(Notice::info(format!(
            "starting the server again, in a new session of yours ({why})"
        )));
    }

    /// A server that runs is the operator's to end in a session of the operator's own only.
    fn restart_living(&mut self) {
        let sessions = self.world.traffic.sessions().iter();
        let mut open = sessions.filter(|it| it.closed_at.is_none()).peekable();
        let nobody = open.peek().is_none();
        if open.any(|it| it.by == "operator") {
            self.question = Some(Question::Renew);
            return;
        }
        self.say(Notice::info(match nobody {
            true => "nothing to start again: no server has ended that somebody used",
            false => "the server runs for its client: it is started again where the client is",
        }));
    }

    pub(super) fn renew(&mut self, effects: &mut Vec<Effect>) {
        effects.push(Effect::Command {
            token: NOBODYS,
            command: Command::Renew,
        });
        self.say(Notice::info(
            "ending the server, and starting it again in a new session of yours",
        ));
    }

    /// Over HTTP another session takes nothing from anybody but from the one before it.
    fn begin_another(&mut self, effects: &mut Vec<Effect>) {
        if self.world.traffic.own_calls() > 0 {
            return self.say(Notice::info(
                "a call of yours still waits in your session: x cancels it, and then another session can begin",
            ));
        }
        effects.push(Effect::Command {
            token: NOBODYS,
            command: Command::Renew,
        });
        self.say(Notice::info(match self.world.own_gone() {
            Some(Session {
                ended: Some(why), ..
            }) => format!("beginning a new session of yours with the server ({why})"),
            _ => "beginning a new session of yours with the server".to_owned(),
        }));
    }
}
