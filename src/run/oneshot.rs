//! One conversation with a server for a script: the operator's session, without anybody at a screen.
//!
//! What was said is read from a capture, as everywhere. What the server asks back is declined.

use super::failure::Failure;
use super::recording::{Identity, Recording};
use super::screen::block_on;
use crate::capture::reader::{ANY_LENGTH, Bodies, Reader};
use crate::cli::{CaptureTo, Oneshot};
use crate::headless;
use crate::mcp::{compose, methods};
use crate::proxy::{self, Client, Config};
use crate::tap::{Command, Order, Orders, Overflow, Refused, Reply, Route, SessionId};
use crate::traffic::{RowId, Status, Traffic, digest::digest, gist::cut};
use crate::wire::{self, Frame, object, splice};
use anyhow::Context as _;
use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the growing log is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// How long a server may take to end once it is not needed any more.
const GRACE: Duration = Duration::from_secs(2);
/// How long a refusal waits for the server's end.
const EXPLANATION: Duration = Duration::from_millis(500);
/// A server that asks for input more often never comes to an end.
const ROUNDS: usize = 10;
/// Bytes of an error's message, and of its data, on stderr.
const ERROR: usize = 4000;

/// Starts the server, holds one conversation, and ends the server. The server lives on the calling thread.
pub fn converse(
    asked: Oneshot,
    talk: impl AsyncFnOnce(&mut Conversation) -> Result<u8, Failure> + Send,
) -> Result<u8, Failure> {
    hold(asked, talk).map_err(Failure::told_from_a_no)
}

fn hold(
    asked: Oneshot,
    talk: impl AsyncFnOnce(&mut Conversation) -> Result<u8, Failure> + Send,
) -> Result<u8, Failure> {
    let upstream = super::upstream::resolve(asked.upstream)?;
    let identity = Identity::new(&upstream, None, &asked.redact);
    let to = asked.capture.map_or(CaptureTo::Nowhere, CaptureTo::File);
    let (recording, tap) = Recording::start(&to, Overflow::Wait, &identity)?;
    let (orders, received) = mpsc::channel(64);
    let shutdown = CancellationToken::new();
    let over = CancellationToken::new();
    let config = Config {
        upstream,
        era: asked.era,
        unattended: true,
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
        let ended = proxy::run(
            config,
            Client::Operator(None),
            tap,
            received,
            shutdown.clone(),
        );
        over.cancel();
        (talking.join(), ended)
    });
    let (kept, totals) = (recording.kept().is_some(), recording.totals());
    drop(recording.finish(true));
    let lost = totals.lost_messages.load(Ordering::Acquire);
    if kept && lost > 0 {
        headless::complain(&format!("{lost} messages are NOT in the capture"));
    }
    // A server that did not start explains everything that went wrong after.
    let ended = ended.map_err(Failure::protocol)?;
    let outcome = outcome.map_err(|_| anyhow::anyhow!("the conversation failed"))?;
    // What went wrong after a signal went wrong because of it.
    outcome.map_err(|failure| ended.signal.map_or(failure, Failure::interrupted))
}

/// What a server answered: raw JSON.
#[derive(Debug)]
pub enum Answer {
    Result(String),
    /// A result that asks for input which cannot be declined.
    InputRequired(String),
    Error(ServerError),
}

/// The raw error of a server.
#[derive(Debug)]
pub struct ServerError(pub String);

impl ServerError {
    pub fn code(&self) -> &str {
        object::at(&self.0, &["code"]).unwrap_or_default()
    }
}

/// `error -32000: why {"retry":true}`, of any length no more than a screen takes.
impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(raw) = self;
        let Some(message) = object::string_at(raw, &["message"]) else {
            return write!(f, "error {}", cut(raw, ERROR));
        };
        write!(
            f,
            "error {}: {}",
            cut(self.code(), ERROR),
            cut(&message, ERROR)
        )?;
        match object::at(raw, &["data"]) {
            Some(data) => write!(f, " {}", cut(data, ERROR)),
            None => Ok(()),
        }
    }
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
    /// The method that was asked last, and how often it was answered in a row: a list comes in pages.
    answered: (String, usize),
    declined: HashSet<RowId>,
}

impl Conversation {
    fn new(
        recording: &Recording,
        orders: Orders,
        over: CancellationToken,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let reader = Reader::open(recording.path())?.pass_over(ANY_LENGTH);
        Ok(Self {
            orders,
            bodies: reader.bodies()?,
            reader,
            traffic: Traffic::default(),
            over,
            timeout,
            deadline: Instant::now() + timeout,
            answered: (String::new(), 0),
            declined: HashSet::new(),
        })
    }

    /// Whether the server says that it has `capability`, once the handshake is over.
    pub fn offers(&self, capability: &str) -> Option<bool> {
        let server = self.traffic.inventory().server.as_ref()?;
        Some(object::at(&server.capabilities, &[capability]).is_some())
    }

    /// Sends a request with raw `params`, and waits for its answer; a modern server that asks for input first is told
    /// that there is none.
    pub async fn ask(&mut self, method: &str, params: &str) -> Result<Answer, Failure> {
        if self.answered.0 != method {
            self.answered = (method.to_owned(), 0);
        }
        let mut params = params.to_owned();
        for _ in 0..ROUNDS {
            let answer = self.ask_once(method, &params).await?;
            self.answered.1 += 1;
            match answer {
                Answer::InputRequired(asked) => match without_input(&params, &asked) {
                    Some(retry) => params = retry,
                    None => return Ok(Answer::InputRequired(asked)),
                },
                answer => return Ok(answer),
            }
        }
        Err(Failure::protocol(format!(
            "{method}: the server asks for input again and again"
        )))
    }

    async fn ask_once(&mut self, method: &str, params: &str) -> Result<Answer, Failure> {
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
                let answer = self
                    .bodies
                    .fetch(answer)
                    .context("cannot read the answer")?;
                return read(method, &answer, row.status);
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
                reply = &mut order => return match reply {
                    Ok(reply) => Ok(reply),
                    Err(refused) => Err(self.explained(refused).await),
                },
                () = tokio::time::sleep(LOOK) => {}
            }
            self.catch_up()?;
            self.pause(what).await?;
        }
    }

    /// A refusal with the server's end, which may be the reason for it and be known a moment later.
    async fn explained(&mut self, refused: Refused) -> Failure {
        let patience = Instant::now() + EXPLANATION;
        while Instant::now() < patience {
            if let Err(failure) = self.catch_up() {
                return failure;
            }
            let ended = self
                .traffic
                .sessions()
                .iter()
                .find_map(|it| it.ended.as_deref());
            if let Some(how) = ended {
                return Failure::protocol(refused.explained(how));
            }
            tokio::time::sleep(LOOK).await;
        }
        Failure::protocol(refused)
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
                "{what}: the conversation ended before the server answered"
            )));
        }
        if Instant::now() >= self.deadline {
            return Err(self.late(what));
        }
        tokio::time::sleep(LOOK).await;
        Ok(())
    }

    /// What the server has left undone when the time is over.
    fn late(&self, what: &str) -> Failure {
        let seconds = self.timeout.as_secs_f64();
        let undone = match self.answered.1 {
            _ if self.traffic.inventory().server.is_none() => {
                format!("the server did not answer the handshake within {seconds} s")
            }
            0 => format!("{what}: no answer within {seconds} s"),
            1 => format!("{what}: not over within {seconds} s, after one answer"),
            answers => format!("{what}: not over within {seconds} s, after {answers} answers"),
        };
        Failure::protocol(format!("{undone}; --timeout SECONDS waits longer"))
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

fn read(method: &str, answer: &[u8], status: Status) -> Result<Answer, Failure> {
    if let Frame::Message(envelope) = wire::parse(answer) {
        match (envelope.result, envelope.error) {
            (Some(result), _) if status == Status::InputRequired => {
                return Ok(Answer::InputRequired(result.to_owned()));
            }
            (Some(result), _) => return Ok(Answer::Result(result.to_owned())),
            (None, Some(error)) => {
                if object::at(error, &["data", "sentinel"]) == Some("true") {
                    let message = object::string_at(error, &["message"]);
                    let why = message.as_deref().unwrap_or_default();
                    let why = why.strip_prefix("mcp-sentinel: ").unwrap_or(why);
                    return Err(Failure::protocol(format!(
                        "{method} was not answered: {why}"
                    )));
                }
                return Ok(Answer::Error(ServerError(error.to_owned())));
            }
            (None, None) => {}
        }
    }
    Err(Failure::protocol(
        "the server's answer is neither a result nor an error",
    ))
}

/// The request once more, with everything declined that the server asked for. `None` when that cannot be said.
fn without_input(params: &str, asked: &str) -> Option<String> {
    let requests = object::at(asked, &["inputRequests"]).unwrap_or_default();
    let mut responses = Vec::new();
    for (key, request) in object::members(requests) {
        let method = object::string_at(request, &["method"])?;
        let key = serde_json::Value::from(&*key);
        responses.push(format!("{key}:{}", declined(&method)?));
    }
    let responses = format!("{{{}}}", responses.join(","));
    let retry = splice::set(params, &["inputResponses"], &responses)?;
    match object::at(asked, &["requestState"]) {
        Some(state) => splice::set(&retry, &["requestState"], state),
        None => Some(retry),
    }
}

/// The result by which a request of the server's is declined, where a result can say so.
fn declined(method: &str) -> Option<&'static str> {
    match method {
        methods::ELICITATION => Some(r#"{"action":"decline"}"#),
        methods::ROOTS => Some(r#"{"roots":[]}"#),
        _ => None,
    }
}

/// Says no to a request of the server's, in the way that each one foresees.
fn decline(method: &str, id: &str) -> String {
    match (declined(method), method) {
        (Some(result), _) => compose::result(id, result),
        (None, methods::SAMPLING) => compose::error(id, -1, "User rejected sampling request"),
        (None, _) => compose::error(id, -32601, "Method not found"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_declines_by_key_and_gives_the_state_back_as_it_was() {
        let asked = r#"{"resultType":"input_required","inputRequests":{"q\"1":{"method":"elicitation/create","params":{}},
            "r":{"method":"roots/list"}},"requestState":"s\u00e9"}"#;
        assert_eq!(
            without_input(r#"{"name":"t", "arguments":{"a":1.0}}"#, asked).unwrap(),
            r#"{"name":"t", "arguments":{"a":1.0},"inputResponses":{"q\"1":{"action":"decline"},"r":{"roots":[]}},"requestState":"s\u00e9"}"#
        );
    }

    #[test]
    fn an_error_of_our_own_is_no_answer_of_the_server() {
        let error = |data: &str| {
            let message = "mcp-sentinel: the server says 503";
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":-32603,"message":"{message}"{data}}}}}"#
            )
        };
        let read = |data: &str| read("tools/call", error(data).as_bytes(), Status::Ok);
        let ours = read(r#","data":{"sentinel":true}"#).unwrap_err();
        let why = "tools/call was not answered: the server says 503";
        assert_eq!((ours.to_string().as_str(), ours.code()), (why, 3));
        assert!(matches!(read(""), Ok(Answer::Error(_))));
    }

    #[test]
    fn what_only_a_model_could_answer_cannot_be_declined_in_a_retry() {
        let asked = r#"{"inputRequests":{"m":{"method":"sampling/createMessage"}}}"#;
        assert_eq!(without_input("{}", asked), None);
    }
}
