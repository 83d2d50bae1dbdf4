//! Leaving the screen, or a sheet on it: what that would take from others, and what is kept.

use super::App;
use super::sheet::drafts::News;
use crate::tap::Timestamp;
use crate::traffic;

/// So long after the last key what is being typed is kept, in microseconds: nobody hears of every end.
const PAUSE: i64 = 1_000_000;

impl App {
    /// What quitting would take from others, here, at another viewer or at the listener; `None` when it is nothing.
    pub fn quitting_ends(&self) -> Option<String> {
        if !self.session.quit_ends_session || !self.world.live {
            return None;
        }
        // Over HTTP a client without a session of its own has nothing to lose but what is under way.
        let holds = |it: &&traffic::Session| it.key.is_some() || it.transport != "http";
        let clients = self.clients_here().filter(holds).count();
        let traffic = &self.world.traffic;
        let streams = traffic.counters().streams - traffic.own_subscriptions();
        Some(match clients {
            0 if traffic.has_call_under_way() => {
                "A call is under way, and its answer would be lost. End the session and quit?"
                    .to_owned()
            }
            0 if traffic.has_question_open() => {
                "The server waits for an answer to its own request. End the session and quit?"
                    .to_owned()
            }
            0 if streams > 0 => {
                "A client listens to the server. End its stream and quit?".to_owned()
            }
            0 => return None,
            1 => "A client is connected. End its session and quit?".to_owned(),
            more => format!("{more} clients are connected. End their sessions and quit?"),
        })
    }

    /// Open sessions of clients through the proxy in this process.
    pub(super) fn clients_here(&self) -> impl Iterator<Item = &traffic::Session> {
        let ours = self.session.quit_ends_session && self.world.live;
        let open =
            move |it: &&traffic::Session| ours && it.closed_at.is_none() && it.by == "client";
        self.world.traffic.sessions().iter().filter(open)
    }

    /// What is being typed is a draft from here on; called before the screen is left. What there is to keep.
    pub fn leave(&mut self) -> Option<News> {
        self.close_sheet();
        self.drafts.take_news()
    }

    /// What a key or a paste has changed in a sheet will have to be kept.
    pub(super) fn note_typed(&mut self) {
        self.typed = self.sheet.as_ref().map(|_| self.world.now);
    }

    /// Makes a draft of what is being typed, once there was a pause in it; whether that was now.
    pub(super) fn keeps_typed(&mut self) -> bool {
        let now = self.world.now.0;
        let over = |typed: &mut Timestamp| now.saturating_sub(typed.0) >= PAUSE;
        if self.typed.take_if(over).is_none() {
            return false;
        }
        if let Some(sheet) = &mut self.sheet {
            sheet.keep(&mut self.drafts);
        }
        true
    }

    pub(super) fn close_sheet(&mut self) {
        if let Some(mut sheet) = self.sheet.take() {
            sheet.keep(&mut self.drafts);
            if sheet.may_ask(&self.world) {
                self.unfinished.push(sheet);
            }
        }
    }
}
