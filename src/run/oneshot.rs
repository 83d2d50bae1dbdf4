//! One conversation with a server for a script: the operator's session, without anybody at a screen.
//!
//! What was said is read from a capture, as everywhere. What the server asks back is declined ([`declining`]).

use super::declining::{self, Next};
use super::failure::Failure;
use super::recording::{Identity, Recording};
use super::screen::block_on;
use crate::capture::reader::{ANY_LENGTH, Bodies, Reader};
use crate::cli::{CaptureTo, Oneshot};
use crate::headless::{self, Voice};
use crate::mcp::{compose, methods};
use crate::proxy::{self, Client, Config, Upstream};
use crate::tap::{Command, Order, Orders, Overflow, Party, Refused, Reply, Route, SessionId};
use crate::traffic::digest::digest;
use crate::traffic::gist::{cut, gist};
use crate::traffic::{Row, RowId, RowKind, Status, Traffic};
use crate::wire::{self, Frame, object};
use anyhow::Context as _;
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the growing log is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// How long a server may take to end once it is not needed any more.
const GRACE: Duration = Duration::from_secs(2);
/// How long the reason is waited for why nobody takes orders any more.
const EXPLANATION: Duration = Duration::from_millis(500);
/// The first pause and the longest one before a server is asked again that wants to be given time.
const NAPS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// A server that asks for input more often never comes to an end.
const ROUNDS: usize = 10;
/// Lines shown of what is no message.
const BABBLE: usize = 5;
/// Bytes of an error's message, and of its data, on stderr.
const ERROR: usize = 4000;

/// Starts the server, holds one conversation, and ends the server. The server lives on the calling thread.
pub fn converse(
    asked: Oneshot,
    talk: impl AsyncFnOnce(&mut Conversation) -> Result<u8, Failure> + Send,
) -> Result<u8, Failure> {
    let upstream = super::upstream::resolve(asked.upstream, Voice::default())?;
    let identity = Identity::new(&upstream, None, &asked.redact);
    let to = asked.capture.map_or(CaptureTo::Nowhere, CaptureTo::File);
    let (recording, tap) = Recording::start(&to, Overflow::Wait, &identity)?;
    let (orders, received) = mpsc::channel(64);
    let shutdown = CancellationToken::new();
    let over = CancellationToken::new();
    // To a command, initialize follows soon after it has read.
    let asks_long = matches!(upstream, Upstream::Http(_)) || cfg!(not(target_os = "linux"));
    let config = Config {
        upstream,
        era: asked.era,
        unattended: true,
        grace: GRACE,
        forward_stderr: true,
        started: CancellationToken::new(),
    };
    let patience = Patience {
        timeout: asked.timeout,
        finds_era: asked.era.is_none(),
        asks_long: asked.era.is_none() && asks_long,
    };
    let mut conversation = Conversation::new(&recording, orders, over.clone(), patience)?;
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
    drop(recording.finish(ended.is_ok()));
    if kept && let Some(lost) = headless::lost(&totals) {
        headless::complain(&lost);
    }
    // A server that did not start explains everything that went wrong after.
    let ended = ended.map_err(Failure::protocol)?;
    let outcome = outcome.map_err(|_| anyhow::anyhow!("the conversation failed"))?;
    if conversation.read_on().is_ok() {
        conversation.advise(outcome.is_err());
    }
    // What went wrong after a signal went wrong because of it.
    outcome.map_err(|failure| ended.signal.map_or(failure, Failure::interrupted))
}

/// What a server answered: raw JSON.
#[derive(Debug)]
pub enum Answer {
    Result(String),
    /// A result that is not the wanted one: why, of the server.
    Unusable(String),
    Error(ServerError),
}

/// The answer to one request, of which a tool may take several.
#[derive(Debug)]
enum Heard {
    Answer(Answer),
    /// The raw result that asks for input first.
    InputRequired(String),
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

/// Why an order came to nothing.
enum Failed {
    Refused(Refused),
    /// Nobody is left to take it.
    Gone,
}

/// How long the server is waited for.
struct Patience {
    timeout: Duration,
    /// The first question is which era it speaks.
    finds_era: bool,
    /// That question is waited for long, as nobody can tell whether the server has read it.
    asks_long: bool,
}

/// The operator's session, and what was said in it so far.
pub struct Conversation {
    orders: Orders,
    reader: Reader,
    bodies: Bodies,
    traffic: Traffic,
    over: CancellationToken,
    patience: Patience,
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
        patience: Patience,
    ) -> anyhow::Result<Self> {
        let reader = Reader::open(recording.path())?.pass_over(ANY_LENGTH);
        Ok(Self {
            orders,
            bodies: reader.bodies()?,
            reader,
            traffic: Traffic::default(),
            over,
            deadline: Instant::now() + patience.timeout,
            patience,
            answered: (String::new(), 0),
            declined: HashSet::new(),
        })
    }

    /// Whether the server says that it has `capability`, once the handshake is over.
    pub fn offers(&self, capability: &str) -> Option<bool> {
        let server = self.traffic.inventory().server.as_ref()?;
        Some(object::at(&server.capabilities, &[capability]).is_some())
    }

    fn is_modern(&self) -> bool {
        let server = self.traffic.inventory().server.as_ref();
        server.is_some_and(|it| !it.supported_versions.is_empty())
    }

    /// Sends a request with raw `params`, and waits for its answer; a modern server that asks for input first is told
    /// that there is none.
    pub async fn ask(&mut self, method: &str, params: &str) -> Result<Answer, Failure> {
        if self.answered.0 != method {
            self.answered = (method.to_owned(), 0);
        }
        let mut current = params.to_owned();
        let (mut rounds, mut nap) = (0, NAPS.0);
        loop {
            let heard = self.ask_once(method, &current).await?;
            self.answered.1 += 1;
            let asked = match heard {
                Heard::InputRequired(asked) => asked,
                Heard::Answer(Answer::Result(result)) if self.is_modern() => {
                    let odd = odd(&result).map(Answer::Unusable);
                    return Ok(odd.unwrap_or(Answer::Result(result)));
                }
                Heard::Answer(answer) => return Ok(answer),
            };
            // Made from what the caller wants: nothing of an earlier round belongs in it.
            current = match declining::after(params, &asked) {
                Ok(Next::Declined(retry)) => {
                    rounds += 1;
                    retry
                }
                Ok(Next::Later(retry)) => {
                    self.sleep(nap, method).await?;
                    nap = NAPS.1.min(nap * 2);
                    retry
                }
                Err(why) => return Ok(Answer::Unusable(why)),
            };
            if rounds == ROUNDS {
                let why = "asks for input again and again".to_owned();
                return Ok(Answer::Unusable(why));
            }
        }
    }

    async fn ask_once(&mut self, method: &str, params: &str) -> Result<Heard, Failure> {
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
    fn order(&self, command: Command) -> impl Future<Output = Result<Reply, Failed>> + use<> {
        let orders = self.orders.clone();
        async move {
            let (outcome, settled) = oneshot::channel();
            let sent = orders.send(Order { command, outcome }).await;
            sent.map_err(|_| Failed::Gone)?;
            let outcome = settled.await.map_err(|_| Failed::Gone)?;
            outcome.map_err(Failed::Refused)
        }
    }

    /// Waits for an order's outcome; meanwhile the server may ask back.
    async fn settled(
        &mut self,
        order: impl Future<Output = Result<Reply, Failed>>,
        what: &str,
    ) -> Result<Reply, Failure> {
        let mut order = std::pin::pin!(order);
        loop {
            tokio::select! {
                reply = &mut order => return match reply {
                    Ok(reply) => Ok(reply),
                    Err(Failed::Refused(refused)) => Err(Failure::protocol(refused)),
                    Err(Failed::Gone) => Err(self.gone().await),
                },
                () = tokio::time::sleep(LOOK) => {}
            }
            self.catch_up()?;
            self.pause(what).await?;
        }
    }

    /// That nobody takes orders any more, with the server's end, which may be known a moment later.
    async fn gone(&mut self) -> Failure {
        let refused = Refused("the server has ended".to_owned());
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

    fn read_on(&mut self) -> anyhow::Result<()> {
        let traffic = &mut self.traffic;
        self.reader
            .read(usize::MAX, |record| traffic.apply(digest(&record)))?;
        Ok(())
    }

    /// Reads on, and declines what the server asks.
    fn catch_up(&mut self) -> Result<(), Failure> {
        self.read_on()?;
        for row in self.traffic.waiting_for_operator() {
            if let Some(row) = self.traffic.row(row)
                && self.declined.insert(row.id)
            {
                let message = declining::decline(row.method, row.summary, row.message_id);
                let session = row.session;
                // When it cannot be sent, the conversation is over, and says so by itself.
                drop(tokio::spawn(
                    self.order(Command::Answer { session, message }),
                ));
            }
        }
        Ok(())
    }

    /// Gives the server time.
    async fn sleep(&mut self, time: Duration, what: &str) -> Result<(), Failure> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.catch_up()?;
            self.pause(what).await?;
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
        let seconds = self.patience.timeout.as_secs_f64();
        let was_initialized = || self.rows().any(|row| row.method == methods::INITIALIZE);
        let mut advice = "--timeout SECONDS waits longer";
        let undone = match self.answered.1 {
            _ if self.is_shaking_hands() => {
                if self.patience.asks_long && !was_initialized() {
                    advice = "--timeout SECONDS waits longer, and --era legacy speaks at once with an older server that \
                              does not answer server/discover";
                }
                format!("the server did not answer the handshake within {seconds} s")
            }
            0 => format!("{what}: no answer within {seconds} s"),
            1 => format!("{what}: not over within {seconds} s, after one answer"),
            answers => format!("{what}: not over within {seconds} s, after {answers} answers"),
        };
        Failure::protocol(format!("{undone}; {advice}"))
    }

    fn is_shaking_hands(&self) -> bool {
        self.traffic.inventory().server.is_none()
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.traffic.len()).filter_map(|row| self.traffic.row(row))
    }

    /// Says what helps the next time.
    fn advise(&self, failed: bool) {
        if self.is_shaking_hands() {
            if failed {
                self.show_babble();
            }
            return;
        }
        let never_answered =
            |row: &Row<'_>| row.method == methods::DISCOVER && row.answer.is_none();
        let asked = self.rows().find(never_answered);
        let Some(asked) = asked.filter(|_| self.patience.finds_era) else {
            return;
        };
        let newest = self.traffic.sessions().last();
        headless::complain(match newest.is_some_and(|it| it.id == asked.session.0) {
            true => {
                "the server never answered server/discover; with --era legacy nobody waits for that"
            }
            false => {
                "the server ended at server/discover, and was started once more; with --era legacy it is started once"
            }
        });
    }

    /// Says what a program wrote that turned out to be no server: often how it wants to be used.
    fn show_babble(&self) {
        let is_babble = |row: &Row<'_>| {
            let is_garbage = row.kind == RowKind::Garbage && row.from == Party::Server;
            is_garbage && self.traffic.http(row.id).is_none()
        };
        let lines: Vec<_> = self
            .rows()
            .filter(is_babble)
            .take(BABBLE)
            .map(|row| format!("\n  {}", row.summary))
            .collect();
        if !lines.is_empty() {
            let lines = lines.concat();
            headless::complain(&format!(
                "on stdout stood no message of the protocol, but:{lines}"
            ));
        }
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

fn read(method: &str, answer: &[u8], status: Status) -> Result<Heard, Failure> {
    if let Frame::Message(envelope) = wire::parse(answer) {
        match (envelope.result, envelope.error) {
            (Some(result), _) if status == Status::InputRequired => {
                return Ok(Heard::InputRequired(result.to_owned()));
            }
            (Some(result), _) => return Ok(Heard::Answer(Answer::Result(result.to_owned()))),
            (None, Some(error)) => {
                if object::at(error, &["data", "sentinel"]) == Some("true") {
                    let message = object::string_at(error, &["message"]);
                    let why = message.as_deref().unwrap_or_default();
                    let why = why.strip_prefix("mcp-sentinel: ").unwrap_or(why);
                    return Err(Failure::protocol(format!(
                        "{method} was not answered: {why}"
                    )));
                }
                let error = ServerError(error.to_owned());
                return Ok(Heard::Answer(Answer::Error(error)));
            }
            (None, None) => {}
        }
    }
    Err(Failure::protocol(
        "the server's answer is neither a result nor an error",
    ))
}

/// Why a result of the modern era is none, of the server.
fn odd(result: &str) -> Option<String> {
    let kind = object::at(result, &["resultType"])?;
    if object::unescape(kind).as_deref() == Some("complete") {
        return None;
    }
    let kind = gist(kind);
    Some(format!(
        "answers with the resultType {kind}, which is not known here"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(matches!(read(""), Ok(Heard::Answer(Answer::Error(_)))));
    }
}
