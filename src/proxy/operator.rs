//! The operator in a session: raw calls with ids of our own, and an own session whose handshake rmcp does.
//!
//! The desk takes orders one by one and never waits for a server: what must wait, waits in a task of its own.

mod handshake;
mod letter;
mod lists;
mod opening;
mod own;
mod subscriptions;

use super::gate::Owner;
use super::live::Live;
use super::pump::{Claim, Injection};
use super::{Floor, ProxyError, Upstream};
use crate::tap::{Closed, Command, Order, Refused, Reply, Route, SessionId};
use bytes::Bytes;
use letter::Letter;
use own::{Era, Own};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How long the server may take to read a line of the operator's.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a refusal waits for the session's end, which may explain it.
const EXPLANATION: Duration = Duration::from_millis(500);

type Outcome = Result<Reply, Refused>;

fn refused<T>(reason: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(reason.into()))
}

/// Takes the operator's orders.
#[derive(Debug)]
pub(super) struct Desk {
    floor: Floor,
    /// The operator's sessions, ended ones included; the last one is the current one unless it was closed.
    own: Vec<Arc<Own>>,
    current: bool,
    /// The proxy is ending: no session is opened any more.
    leaving: bool,
}

impl Desk {
    pub fn new(floor: Floor) -> Self {
        Self {
            floor,
            own: Vec::new(),
            current: false,
            leaving: false,
        }
    }

    /// Serves until `over` is cancelled. The operator's sessions end then, or at `leaving` already.
    pub async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        leaving: CancellationToken,
        over: CancellationToken,
    ) {
        loop {
            tokio::select! {
                Some(order) = orders.recv() => self.carry_out(order),
                () = leaving.cancelled(), if !self.leaving => self.leave(),
                () = over.cancelled() => break,
            }
        }
        self.leave();
        for own in &self.own {
            own.ended().await;
        }
    }

    fn leave(&mut self) {
        self.leaving = true;
        for own in &self.own {
            own.close();
        }
    }

    /// Opens the operator's own session; how it ended, once it has.
    pub fn open(&mut self) -> oneshot::Receiver<Result<Closed, ProxyError>> {
        let (ended, end) = oneshot::channel();
        self.start(ended, None);
        end
    }

    /// Once the one before it has ended, where there is one: two servers at once may want the same port, or file.
    fn start(
        &mut self,
        ended: oneshot::Sender<Result<Closed, ProxyError>>,
        before: Option<Arc<Own>>,
    ) -> Arc<Own> {
        let session = self.floor.roster.open(Owner::Operator);
        let own = Own::open(session, self.floor.clone(), before, ended);
        let own = Arc::new(own);
        self.own.push(own.clone());
        self.current = true;
        own
    }

    /// The current session of the operator's own, opened if there is none. One at an address that has ended is replaced:
    /// nothing has to be started for that, as a command has, which only the operator does.
    fn opened(&mut self) -> Result<Arc<Own>, Refused> {
        let is_http = matches!(self.floor.config.upstream, Upstream::Http(_));
        match self.current().filter(|own| !(is_http && own.is_spent())) {
            Some(own) => Ok(own),
            None if self.leaving => refused("the proxy is ending"),
            None => Ok(self.start(nobody_waits(), None)),
        }
    }

    fn carry_out(&mut self, order: Order) {
        let Order { command, outcome } = order;
        match command {
            Command::Send {
                route,
                message,
                replay_of,
            } => match self.destination(route) {
                Ok(destination) => answer(outcome, async move {
                    let (live, era) = destination.ready().await?;
                    let sent = send(&live, message, replay_of, era.as_ref()).await?;
                    if let Destination::Own(own) = &destination {
                        own.sent(&sent);
                    }
                    Ok(Reply::Sent {
                        session: live.id,
                        id: sent.id,
                    })
                }),
                Err(refusal) => drop(outcome.send(Err(refusal))),
            },
            Command::Answer { session, message } => match self.session(session) {
                Ok(destination) => answer(outcome, async move {
                    let (live, _) = destination.ready().await?;
                    reply(&live, message).await
                }),
                Err(refusal) => drop(outcome.send(Err(refusal))),
            },
            Command::Refresh => {
                self.current &= self.own.last().is_some_and(|own| !own.is_over());
                if let Some(own) = self.current() {
                    own.refresh();
                }
                self.answer_when_ready(outcome);
            }
            Command::Renew => {
                let before = self.current();
                if let Some(own) = &before {
                    own.close();
                }
                let is_command = matches!(self.floor.config.upstream, Upstream::Command(_));
                self.current = false;
                match self.leaving {
                    true => drop(outcome.send(refused("the proxy is ending"))),
                    false => {
                        let own = self.start(nobody_waits(), before.filter(|_| is_command));
                        answer(
                            outcome,
                            async move { own.ready().await.map(|_| Reply::Done) },
                        );
                    }
                }
            }
            Command::CloseOperator => {
                let Some(own) = self.current() else {
                    return drop(outcome.send(refused("the operator has no session of its own")));
                };
                self.current = false;
                own.close();
                answer(outcome, async move {
                    own.ended().await;
                    Ok(Reply::Done)
                });
            }
        }
    }

    /// Opens the operator's own session unless it is open.
    fn answer_when_ready(&mut self, outcome: oneshot::Sender<Outcome>) {
        match self.opened() {
            Ok(own) => answer(
                outcome,
                async move { own.ready().await.map(|_| Reply::Done) },
            ),
            Err(refusal) => drop(outcome.send(Err(refusal))),
        }
    }

    fn current(&self) -> Option<Arc<Own>> {
        self.own.last().filter(|_| self.current).cloned()
    }

    fn destination(&mut self, route: Route) -> Result<Destination, Refused> {
        let id = match route {
            Route::Operator => return self.opened().map(Destination::Own),
            Route::Session(id) => id,
        };
        self.session(id)
    }

    fn session(&self, id: SessionId) -> Result<Destination, Refused> {
        if let Some(client) = self.floor.roster.client(id) {
            return Ok(Destination::Client(client));
        }
        let is_it = |own: &&Arc<Own>| own.first == id || own.live().id == id;
        match self.own.iter().find(is_it) {
            Some(own) if own.live().id == id => Ok(Destination::Own(own.clone())),
            Some(own) => refused(format!(
                "session {} is over: the server was started once more, in session {}",
                id.0,
                own.live().id.0
            )),
            None => refused(format!("there is no session {}", id.0)),
        }
    }
}

/// For a session whose end nobody waits for.
fn nobody_waits<T>() -> oneshot::Sender<T> {
    oneshot::channel().0
}

/// Where a message of the operator's goes.
enum Destination {
    Client(Arc<Live>),
    Own(Arc<Own>),
}

impl Destination {
    /// Waits for the handshake of an own session; a client's handshake is the client's affair.
    async fn ready(&self) -> Result<(Arc<Live>, Option<Era>), Refused> {
        match self {
            Self::Own(own) => {
                let era = own.ready().await?;
                Ok((own.live(), Some(era)))
            }
            Self::Client(live) => {
                if live.closed().is_none() && !live.is_ready() {
                    return refused("the client has not finished its handshake yet");
                }
                Ok((live.clone(), None))
            }
        }
    }
}

fn answer(outcome: oneshot::Sender<Outcome>, work: impl Future<Output = Outcome> + Send + 'static) {
    tokio::spawn(async move {
        // Whoever ordered may be gone by now.
        let _ = outcome.send(work.await);
    });
}

/// Sends a request under a fresh id, or a notification as it is.
async fn send(
    live: &Live,
    message: String,
    replay_of: Option<u64>,
    era: Option<&Era>,
) -> Result<Letter, Refused> {
    still_open(live)?;
    let letter = letter::prepare(message, &live.gate, era)?;
    let sent = inject(live, letter.line.clone(), replay_of).await;
    // One that was begun may still arrive, and be answered.
    if let (Err(Unsent { begun: false, .. }), Some(id)) = (&sent, &letter.id) {
        live.gate.forget(id);
    }
    sent.map_err(|unsent| unsent.refusal)?;
    Ok(letter)
}

/// Sends an answer to a request that the server has made.
async fn reply(live: &Live, message: String) -> Outcome {
    still_open(live)
        .map_err(|Refused(why)| Refused(format!("{why}; nobody waits for this answer any more")))?;
    let (line, id) = letter::answer(message)?;
    if !live.gate.take_asked(&id) {
        return refused(format!("the server waits for no answer to {id}"));
    }
    if let Err(unsent) = inject(live, line, None).await {
        if !unsent.begun {
            live.gate.put_back_asked(id);
        }
        return Err(unsent.refusal);
    }
    Ok(Reply::Sent {
        session: live.id,
        id: Some(id),
    })
}

fn still_open(live: &Live) -> Result<(), Refused> {
    match live.closed() {
        Some(reason) => refused(format!("session {} is over: {reason}", live.id.0)),
        None => Ok(()),
    }
}

/// A line that was not written, not wholly at least.
struct Unsent {
    refusal: Refused,
    /// A part of it may have reached the server, and the rest may follow.
    begun: bool,
}

async fn inject(live: &Live, line: Bytes, replay_of: Option<u64>) -> Result<(), Unsent> {
    let (written, done) = oneshot::channel();
    let claim = Claim::default();
    let injection = Injection {
        line,
        replay_of,
        written,
        claim: claim.clone(),
    };
    let writing = async {
        live.injections.send(injection).await.ok()?;
        done.await.ok()
    };
    let in_time = tokio::time::timeout(PATIENCE, writing).await;
    let begun = !claim.take();
    let refusal = match in_time {
        Ok(Some(())) => return Ok(()),
        Ok(None) => {
            // The reason is set by the session when it has seen its pump end.
            let _ = tokio::time::timeout(EXPLANATION, live.over().cancelled()).await;
            let closed = || Refused("the session's input was closed meanwhile".into());
            still_open(live).err().unwrap_or_else(closed)
        }
        Err(_) if begun => Refused(
            "the server does not read its input: it has not taken all of this yet, and still may"
                .into(),
        ),
        Err(_) => Refused("the server does not read its input: this was not sent".into()),
    };
    Err(Unsent { refusal, begun })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::live::Roster;

    #[tokio::test]
    async fn the_answer_to_a_request_that_may_still_arrive_is_waited_for() {
        for begun in [false, true] {
            let (live, mut injections) = Roster::default().open(Owner::Client);
            let request = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
            let sending = send(&live, request.to_owned(), None, None);
            let writing = async {
                let injection = injections.recv().await.unwrap();
                assert!(!begun || injection.claim.take());
                live.close("it is over");
            };
            let (sent, ()) = tokio::join!(sending, writing);
            sent.unwrap_err();
            assert_eq!(live.gate.awaits(), begun);
        }
    }
}
