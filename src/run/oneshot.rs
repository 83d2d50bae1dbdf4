//! One conversation with a server for a script: the operator's session, without anybody at a screen.
//!
//! What was said is read from a capture, as everywhere. What the server asks back is declined.

use super::failure::{self, Failure};
use super::recording::{Identity, Recording};
use crate::capture::reader::{Bodies, Reader};
use crate::cli::{CaptureTo, Oneshot};
use crate::mcp::{compose, methods};
use crate::proxy::{self, Client, Config};
use crate::tap::{Command, Order, Orders, Overflow, Refused, Reply, Route, SessionId};
use crate::traffic::{RowId, Status, Traffic, digest::digest};
use crate::wire::{self, Frame, object};
use anyhow::Context as _;
use std::collections::HashSet;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the growing log is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// How long a server may take to end once it is not needed any more.
const GRACE: Duration = Duration::from_secs(2);

/// Starts the server, holds one conversation, and ends the server. The server lives on the calling thread.
pub fn converse(
    asked: Oneshot,
    talk: impl AsyncFnOnce(&mut Conversation) -> Result<u8, Failure> + Send,
) -> Result<u8, Failure> {
    let command = failure::command(asked.upstream)?;
    let identity = Identity::new(&command, None, &asked.redact);
    let to = asked.capture.map_or(CaptureTo::Nowhere, CaptureTo::File);
    let (recording, tap) = Recording::start(&to, Overflow::Wait, &identity)?;
    let (orders, received) = mpsc::channel(64);
    let shutdown = CancellationToken::new();
    let over = CancellationToken::new();
    let config = Config {
        command,
        era: asked.era,
        grace: GRACE,
        forward_stderr: true,
        started: CancellationToken::new(),
    };
    let mut conversation = Conversation::new(&recording, orders, over.clone(), asked.timeout)?;
    let (outcome, ended) = std::thread::scope(|scope| {
        let talking = scope.spawn(|| {
            // However it ends, the server is needed no longer.
            let _done = shutdown.clone().drop_guard();
            block_on(talk(&mut conversation))
        });
        let ended = proxy::run(config, Client::Operator, tap, received, shutdown.clone());
        over.cancel();
        (talking.join(), ended)
    });
    drop(recording.finish(true));
    // A server that did not start explains everything that went wrong after.
    ended.map_err(Failure::protocol)?;
    outcome.map_err(|_| anyhow::anyhow!("the conversation failed"))?
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(work)
}

/// What a server answered: raw JSON.
#[derive(Debug)]
pub enum Answer {
    Result(String),
    /// A result that asks for input first.
    InputRequired,
    Error {
        code: String,
        message: String,
    },
}

/// The operator's session, and what was said in it so far.
pub struct Conversation {
    orders: Orders,
    reader: Reader,
    bodies: Bodies,
    traffic: Traffic,
    over: CancellationToken,
    timeout: Duration,
    deadline: Instant,
    declined: HashSet<RowId>,
}

impl Conversation {
    fn new(
        recording: &Recording,
        orders: Orders,
        over: CancellationToken,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let reader = Reader::open(recording.path())?;
        Ok(Self {
            orders,
            bodies: reader.bodies()?,
            reader,
            traffic: Traffic::default(),
            over,
            timeout,
            deadline: Instant::now() + timeout,
            declined: HashSet::new(),
        })
    }

    /// Whether the server says that it has `capability`, once the handshake is over.
    pub fn offers(&self, capability: &str) -> Option<bool> {
        let server = self.traffic.inventory().server.as_ref()?;
        Some(object::at(&server.capabilities, &[capability]).is_some())
    }

    /// Sends a request with raw `params`, and waits for its answer.
    pub async fn ask(&mut self, method: &str, params: &str) -> Result<Answer, Failure> {
        let sent = self.order(Command::Send {
            route: Route::Operator,
            message: compose::request(method, params),
            replay_of: None,
        });
        let Reply::Sent {
            session,
            id: Some(id),
        } = self.settled(sent, method).await?
        else {
            return Err(Failure::protocol(format!("{method} was not sent")));
        };
        loop {
            self.catch_up()?;
            let row = self.traffic.operator_exchange(session, &id);
            if let Some(row) = row.and_then(|row| self.traffic.row(row))
                && row.status != Status::Pending
            {
                let Some(answer) = row.answer else {
                    return Err(self.lost(method, session));
                };
                let asks_back = row.status == Status::InputRequired;
                let answer = self
                    .bodies
                    .fetch(answer)
                    .context("cannot read the answer")?;
                return if asks_back {
                    Ok(Answer::InputRequired)
                } else {
                    read(&answer)
                };
            }
            self.pause(method).await?;
        }
    }

    /// Gives an order; its outcome comes later.
    fn order(&self, command: Command) -> impl Future<Output = Result<Reply, Refused>> + use<> {
        let orders = self.orders.clone();
        async move {
            let gone = || Refused("the server has ended".to_owned());
            let (outcome, settled) = oneshot::channel();
            orders
                .send(Order { command, outcome })
                .await
                .map_err(|_| gone())?;
            settled.await.map_err(|_| gone())?
        }
    }

    /// Waits for an order's outcome; meanwhile the server may ask back.
    async fn settled(
        &mut self,
        order: impl Future<Output = Result<Reply, Refused>>,
        what: &str,
    ) -> Result<Reply, Failure> {
        let mut order = std::pin::pin!(order);
        loop {
            tokio::select! {
                reply = &mut order => return reply.map_err(Failure::protocol),
                () = tokio::time::sleep(LOOK) => {}
            }
            self.catch_up()?;
            self.pause(what).await?;
        }
    }

    /// Reads on, and declines what the server asks.
    fn catch_up(&mut self) -> Result<(), Failure> {
        let traffic = &mut self.traffic;
        self.reader
            .read(usize::MAX, |record| traffic.apply(digest(&record)))
            .map_err(anyhow::Error::from)?;
        for row in self.traffic.waiting_for_operator() {
            if let Some(row) = self.traffic.row(row)
                && self.declined.insert(row.id)
            {
                let message = decline(row.method, row.message_id);
                let session = row.session;
                // When it cannot be sent, the conversation is over, and says so by itself.
                drop(tokio::spawn(
                    self.order(Command::Answer { session, message }),
                ));
            }
        }
        Ok(())
    }

    /// Waits for more to read; fails when no more will come, or it takes too long.
    async fn pause(&self, what: &str) -> Result<(), Failure> {
        if self.over.is_cancelled() {
            return Err(Failure::protocol(format!(
                "{what}: interrupted before the server answered"
            )));
        }
        if Instant::now() >= self.deadline {
            return Err(Failure::protocol(format!(
                "{what}: no answer within {} s; --timeout SECONDS waits longer",
                self.timeout.as_secs_f64()
            )));
        }
        tokio::time::sleep(LOOK).await;
        Ok(())
    }

    fn lost(&self, what: &str, session: SessionId) -> Failure {
        let mut sessions = self.traffic.sessions().iter();
        let session = sessions.find(|it| it.id == session.0);
        let how = session
            .and_then(|it| it.ended.as_deref())
            .unwrap_or("the session ended");
        Failure::protocol(format!("{what} was not answered: {how}"))
    }
}

fn read(answer: &[u8]) -> Result<Answer, Failure> {
    if let Frame::Message(envelope) = wire::parse(answer) {
        if let Some(result) = envelope.result {
            return Ok(Answer::Result(result.to_owned()));
        }
        if let Some(error) = envelope.error {
            let message = object::string_at(error, &["message"]);
            return Ok(Answer::Error {
                code: object::at(error, &["code"]).unwrap_or_default().to_owned(),
                message: message.map_or_else(|| error.to_owned(), Into::into),
            });
        }
    }
    Err(Failure::protocol(
        "the server's answer is neither a result nor an error",
    ))
}

/// Says no to a request of the server's, in the way that each one foresees.
fn decline(method: &str, id: &str) -> String {
    match method {
        methods::ELICITATION => compose::result(id, r#"{"action":"decline"}"#),
        methods::ROOTS => compose::result(id, r#"{"roots":[]}"#),
        methods::SAMPLING => compose::error(id, -1, "User rejected sampling request"),
        _ => compose::error(id, -32601, "Method not found"),
    }
}
