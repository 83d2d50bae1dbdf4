//! Streams of events: reading one to its end, and taking it up again where it broke off.

use super::anew::complains_of_session;
use super::bridge::Bridge;
use super::events::{Cursor, Events};
use super::outgoing::{self, Ask, Cut, Unanswered};
use crate::tap::{ExchangeId, Party};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio_util::sync::CancellationToken;

/// How often in a row a stream that somebody waits for is asked for in vain.
const TRIES: u32 = 5;

/// What came of following a stream.
#[derive(Debug)]
pub enum Followed {
    /// What was waited for has come.
    Answered,
    Aborted,
    /// The server does not give it.
    Refused(StatusCode),
    /// It gave it before, and knows nothing any more that it could belong to.
    Forgotten(StatusCode),
    Unreachable(String),
}

impl Bridge {
    /// A request of ours without a message.
    pub fn own(&self, method: Method, headers: HeaderMap) -> Ask {
        Ask {
            by: Party::Sentinel,
            method,
            target: self.target(),
            headers,
            body: Bytes::new(),
            sent: None,
        }
    }

    /// Delivers every message of a stream, to its end.
    pub async fn read(
        &self,
        events: &mut Events,
        cursor: &mut Cursor,
        abort: &CancellationToken,
    ) -> Result<(), Cut> {
        let exchange = events.exchange().clone();
        while let Some(event) = events.next(cursor, &self.lane, abort).await? {
            events.exchange().beside(&event);
            if let Some(message) = event.message() {
                let (message, id) = (message.clone(), event.id.as_deref());
                self.deliver(&exchange, Party::Server, message, id).await;
            }
        }
        Ok(())
    }

    /// Reads a stream of the legacy era that is asked for with GET, over and over: one that carries the answer to a line
    /// until that has come, any other as long as the server gives it; neither in another session than it began in.
    pub async fn follow(
        &self,
        awaited: Option<ExchangeId>,
        round: u32,
        mut cursor: Cursor,
        abort: &CancellationToken,
    ) -> Followed {
        let (mut is_new, mut failures) = (awaited.is_none(), 0);
        let mut was_open = false;
        loop {
            if !is_new {
                tokio::select! {
                    () = tokio::time::sleep(cursor.pause(failures)) => {}
                    () = abort.cancelled() => return Followed::Aborted,
                }
            }
            is_new = false;
            if self.legacy().round != round {
                return match abort.is_cancelled() {
                    true => Followed::Aborted,
                    false => Followed::Forgotten(StatusCode::NOT_FOUND),
                };
            }
            match self.stream_once(&mut cursor, abort).await {
                Ok(()) => (failures, was_open) = (0, true),
                Err(Followed::Unreachable(_)) if awaited.is_none() || failures < TRIES => {
                    failures += 1;
                }
                // What went before is lost; what is to come need not be.
                Err(Followed::Refused(_) | Followed::Forgotten(_))
                    if awaited.is_none() && cursor.id.is_some() =>
                {
                    cursor.id = None;
                }
                Err(
                    Followed::Refused(status @ StatusCode::NOT_FOUND) | Followed::Forgotten(status),
                ) if awaited.is_none() && was_open => return Followed::Forgotten(status),
                Err(Followed::Forgotten(status)) => return Followed::Refused(status),
                Err(end) => return end,
            }
            if awaited.is_some_and(|line| !self.ledger.owes(line)) {
                return Followed::Answered;
            }
        }
    }

    async fn stream_once(
        &self,
        cursor: &mut Cursor,
        abort: &CancellationToken,
    ) -> Result<(), Followed> {
        let mut headers = outgoing::listening(cursor.id.as_deref());
        self.legacy().put_on(&mut headers);
        let ask = self.own(Method::GET, headers);
        let mut incoming = match self.ask(self.exchange(), ask, abort, |_| ()).await {
            Ok(incoming) => incoming,
            Err(Unanswered::Aborted) => return Err(Followed::Aborted),
            Err(error) => return Err(Followed::Unreachable(error.to_string())),
        };
        if incoming.is_events() {
            let mut events = Events::of(incoming);
            return match self.read(&mut events, cursor, abort).await {
                Err(Cut::Aborted) => Err(Followed::Aborted),
                // It is taken up again, however it ended.
                Ok(()) | Err(Cut::Broken(_)) => Ok(()),
            };
        }
        let status = incoming.status();
        let said = incoming.glance(&self.lane, abort).await.unwrap_or_default();
        self.swallow(&incoming.exchange, said.clone(), None);
        if complains_of_session(status, &said) {
            return Err(Followed::Forgotten(status));
        }
        // These may pass.
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Followed::Unreachable(format!("the server says {status}")));
        }
        Err(Followed::Refused(status))
    }
}
