//! What every part of a session holds: the way to the server, the way to the client, and what is known of both.

use super::anew::Anew;
use super::ledger::Ledger;
use super::legacy::Legacy;
use super::outgoing::{self, Ask, Cut, Incoming, Unanswered};
use super::outlet::Outlet;
use crate::mcp::methods;
use crate::proxy::challenge::Refusal;
use crate::proxy::exchange::Exchange;
use crate::proxy::gate::{Split, Verdict};
use crate::proxy::http_client::Client;
use crate::proxy::live::{Live, Roster};
use crate::proxy::mirror::Tools;
use crate::proxy::pump::Lane;
use crate::proxy::stderr::Forwarder;
use crate::tap::{Body, ExchangeId, Party, Via};
use crate::wire::framing::on_one_line;
use crate::wire::shown::{neutral, shortened};
use crate::wire::{Envelope, Frame, Kind, object, parse};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often in a row a server may send us elsewhere.
const REDIRECTS: usize = 4;
/// What is repeated of what a server said.
pub const SAID: usize = 300;

#[derive(Debug)]
pub struct Bridge {
    pub client: Client,
    pub roster: Arc<Roster>,
    pub live: Arc<Live>,
    /// Of the client: the peer on stdio, or the operator.
    pub lane: Lane,
    pub outlet: Outlet,
    pub ledger: Ledger,
    pub tools: Tools,
    legacy: Mutex<Legacy>,
    /// Where a forgotten session is begun anew.
    pub anew: Option<Anew>,
    /// Path and query of the MCP endpoint.
    target: Mutex<String>,
    reach: Mutex<Reach>,
    /// Our own stderr, where that is wanted.
    stderr: Mutex<Option<Forwarder>>,
    /// Cancelled when nothing is to go on any more.
    pub over: CancellationToken,
    pub tasks: TaskTracker,
    /// Why the server has ended the session.
    gone: OnceLock<String>,
    pub is_gone: CancellationToken,
}

/// Whether the server can be reached.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// It has been, once.
    pub was_had: bool,
    /// Why it could not be the last time, or why it refused the handshake, if so.
    pub trouble: Option<String>,
}

/// What went wrong with a request, for whoever waits for its answer.
#[derive(Debug, Default)]
pub struct Failure {
    pub sentence: String,
    pub status: Option<StatusCode>,
    /// What the server said.
    pub said: Bytes,
}

impl Failure {
    pub fn new(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            ..Self::default()
        }
    }

    /// The error that answers the request with this raw id.
    fn answer(&self, id: &str) -> Bytes {
        let mut data = json!({"sentinel": true});
        if let Some(status) = self.status {
            data["status"] = Value::from(status.as_u16());
        }
        if !self.said.is_empty() {
            let said = String::from_utf8_lossy(&self.said);
            data["said"] = Value::from(said.chars().take(SAID).collect::<String>());
        }
        let message = Value::from(format!("mcp-sentinel: {}", self.sentence));
        let error = format!(r#"{{"code":-32603,"message":{message},"data":{data}}}"#);
        Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
    }
}

impl Bridge {
    pub fn new(
        client: Client,
        roster: Arc<Roster>,
        live: Arc<Live>,
        lane: Lane,
        outlet: Outlet,
        stderr: Option<Forwarder>,
    ) -> Self {
        let url = &client.origin().url;
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let anew = client.origin().auto_reinit.then(Anew::default);
        Self {
            client,
            roster,
            live,
            lane,
            outlet,
            anew,
            ledger: Ledger::default(),
            tools: Tools::default(),
            legacy: Mutex::default(),
            target: Mutex::new(target),
            reach: Mutex::default(),
            stderr: Mutex::new(stderr),
            over: CancellationToken::new(),
            tasks: TaskTracker::new(),
            gone: OnceLock::new(),
            is_gone: CancellationToken::new(),
        }
    }

    pub fn exchange(&self) -> Exchange {
        self.exchange_numbered(self.roster.exchange())
    }

    pub fn exchange_numbered(&self, id: ExchangeId) -> Exchange {
        Exchange {
            tap: self.lane.tap.clone(),
            session: self.lane.session,
            id,
        }
    }

    pub fn legacy(&self) -> MutexGuard<'_, Legacy> {
        lock(&self.legacy)
    }

    pub fn target(&self) -> String {
        lock(&self.target).clone()
    }

    /// Sends a request, and again where the server wants another token or has moved within its origin.
    pub async fn ask(
        &self,
        exchange: Exchange,
        ask: Ask,
        abort: &CancellationToken,
        record: impl FnOnce(&Exchange),
    ) -> Result<Incoming, Unanswered> {
        let mut next = ask.again();
        let mut incoming = outgoing::ask(&self.client, exchange, ask, abort, record).await?;
        for _ in 0..REDIRECTS {
            let had_another = next.headers.contains_key(header::AUTHORIZATION);
            let refusal = incoming.refusal().filter(|_| !had_another);
            if let Some(refusal) = refusal
                && let Some(token) = self.another_token(&incoming, &refusal).await?
            {
                next.headers.insert(header::AUTHORIZATION, token);
            } else if let Some(target) = self.moved(&incoming) {
                let mut known = lock(&self.target);
                if *known == next.target {
                    known.clone_from(&target);
                }
                drop(known);
                next.target = target;
            } else {
                break;
            }
            let said = incoming.look(&self.lane, abort).await;
            incoming.over(!matches!(said, Err(Cut::Aborted)));
            self.swallow(&incoming.exchange, said.unwrap_or_default(), None);
            let again = next.again();
            incoming = outgoing::ask(&self.client, self.exchange(), again, abort, |_| ()).await?;
        }
        if let Some(advice) = self.more_scope(&incoming) {
            incoming.exchange.note(advice);
        }
        Ok(incoming)
    }

    /// What to try instead of a token that was refused.
    async fn another_token(
        &self,
        refused: &Incoming,
        refusal: &Refusal,
    ) -> Result<Option<HeaderValue>, Unanswered> {
        let (origin, token) = (self.client.origin(), refused.authorization.as_ref());
        let another = origin.another_token(token, refusal).await;
        another.map_err(Unanswered::NotAuthorized)
    }

    /// What to do about a refusal of a token that allows too little.
    pub fn more_scope(&self, refused: &Incoming) -> Option<String> {
        refused.authorization.as_ref()?;
        match refused.refusal()? {
            Refusal::Scope(scopes) => Some(self.client.origin().more_scope(&scopes)),
            Refusal::Token => None,
        }
    }

    /// Where within the same origin the request must go instead.
    fn moved(&self, incoming: &Incoming) -> Option<String> {
        let keeps_method = matches!(
            incoming.status(),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
        );
        let location = incoming.header(header::LOCATION).filter(|_| keeps_method)?;
        self.within_origin(location.to_str().ok()?)
    }

    /// Path and query of a reference that stays within the server's origin.
    pub fn within_origin(&self, reference: &str) -> Option<String> {
        let base = &self.client.origin().url;
        let url = base.join(reference).ok()?;
        let path = url.path();
        (url.origin() == base.origin()).then(|| match url.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        })
    }

    /// Records what the server said to nobody but us.
    pub fn swallow(&self, exchange: &Exchange, said: Bytes, event: Option<&str>) {
        if said.is_empty() {
            return;
        }
        if event.is_some() || parse(&said).speaks() {
            exchange.message(Party::Server, Party::Sentinel, said, event);
        } else {
            exchange.no_message(said);
        }
        self.lane.tap.wake();
    }

    /// Hands a message to whom it is for: the client, or the operator beside it.
    pub async fn deliver(
        &self,
        exchange: &Exchange,
        from: Party,
        message: Bytes,
        event: Option<&str>,
    ) {
        let mut message = on_one_line(message);
        if from == Party::Server {
            self.look(&message, exchange.id);
        }
        let record = |to, message: &Bytes| exchange.message(from, to, message.clone(), event);
        match self.live.gate.judge(&message) {
            Verdict::Pass => {}
            Verdict::Asked => {
                record(self.lane.from, &message);
                return self.lane.tap.wake();
            }
            Verdict::Operator => {
                record(Party::Operator, &message);
                return self.lane.tap.wake();
            }
            Verdict::Both(split) => {
                record(Party::Operator, &split.for_operator(&message));
                exchange.note(Split::NOTE.into());
                message = split.for_client(&message);
            }
        }
        let record = || record(self.lane.from, &message);
        let written = self.outlet.write(&message, &self.lane, record).await;
        if written.is_err() {
            self.note("the client reads no more, what was last sent to it may not have arrived");
        }
    }

    /// Notes what is answered, and what an answer says that later requests depend on.
    fn look(&self, message: &[u8], over: ExchangeId) {
        match parse(message) {
            Frame::Message(envelope) => self.look_at(&envelope, over),
            Frame::Batch(all) => all.iter().for_each(|it| self.look_at(it, over)),
            _ => {}
        }
    }

    fn look_at(&self, envelope: &Envelope<'_>, over: ExchangeId) {
        let id = match (envelope.kind(), envelope.id) {
            (Kind::Result | Kind::Error, Some(id)) => id,
            (Kind::Request, Some(id)) => {
                if let Some(anew) = &self.anew {
                    anew.asked(id);
                }
                return;
            }
            _ => return,
        };
        let learn = |method: &str| match (method, envelope.result) {
            (methods::INITIALIZE, Some(result)) => {
                self.legacy()
                    .agree(object::string_at(result, &["protocolVersion"]).as_deref());
            }
            (methods::TOOLS_LIST, Some(result)) => self.tools.learn(result),
            (methods::INITIALIZE, None) => {
                let words = envelope
                    .error
                    .and_then(|it| object::string_at(it, &["message"]));
                let words = words.unwrap_or_default();
                self.kept_out(&format!(
                    "the server refuses the handshake: {}",
                    shortened(&words, SAID)
                ));
            }
            _ => {}
        };
        self.ledger.answered(id, over, learn);
    }

    /// Answers what is still due for a line: nobody else will.
    pub async fn fail(&self, line: ExchangeId, failure: &Failure) {
        let Some(entry) = self.ledger.close(line) else {
            return;
        };
        if entry.owed.is_empty() {
            self.note(&format!(
                "{} was not delivered: {}",
                entry.what(),
                failure.sentence
            ));
        }
        entry.abort.cancel();
        for id in &entry.owed {
            let exchange = self.exchange_numbered(line);
            self.deliver(&exchange, Party::Sentinel, failure.answer(id), None)
                .await;
        }
    }

    /// The operator's, and no client's.
    pub fn is_own(&self) -> bool {
        self.lane.from == Party::Operator
    }

    /// A client on stdio cannot know that it must initialize anew: it starts again. The operator begins another session.
    pub fn forgotten(&self, status: StatusCode) {
        // One that is over needs no other end.
        if self.over.is_cancelled() {
            return;
        }
        let in_vain = match self.anew.as_ref().is_some_and(Anew::was_in_vain) {
            true => ", which was begun anew and has answered nothing since",
            false => "",
        };
        let advice = match self.is_own() {
            true => "",
            false => ": the client must start again",
        };
        let status = status.as_u16();
        self.end(&format!(
            "the server knows this session no more ({status}){in_vain}{advice}"
        ));
    }

    /// Ends the session from the server's side.
    pub fn end(&self, why: &str) {
        let why = neutral(why);
        if self.gone.set(why.clone().into_owned()).is_ok() {
            self.note(&why);
        }
        self.is_gone.cancel();
    }

    pub fn reached(&self) {
        *lock(&self.reach) = Reach {
            was_had: true,
            trouble: None,
        };
    }

    /// Tells, once, that the server cannot be reached. An operator is told by the answer, and needs no second word.
    pub fn unreached(&self, why: &str) {
        let before = lock(&self.reach).trouble.replace(why.to_owned());
        if before.as_deref() == Some(why) {
            return;
        }
        // That there was no connection to be had was noted when it was tried.
        if !self.client.origin().is_away.load(Ordering::Relaxed) {
            self.lane.note(why.to_owned());
        }
        if !self.is_own() {
            self.complain(why);
        }
    }

    /// The server refuses the handshake, and is not worth staying for.
    pub fn kept_out(&self, why: &str) {
        lock(&self.reach).trouble = Some(why.to_owned());
    }

    pub fn reach(&self) -> Reach {
        lock(&self.reach).clone()
    }

    pub fn why_gone(&self) -> Option<&str> {
        self.gone.get().map(String::as_str)
    }

    /// Tells the operator.
    pub fn note(&self, text: &str) {
        self.lane.note(text.to_owned());
        self.complain(text);
    }

    fn complain(&self, text: &str) {
        if let Some(stderr) = &mut *lock(&self.stderr) {
            // It may repeat what the server said.
            stderr.forward(Bytes::from(format!("mcp-sentinel: {}\n", neutral(text))));
        }
    }

    pub fn take_stderr(&self) -> Option<Forwarder> {
        lock(&self.stderr).take()
    }

    /// Records a line of the client's side, with the exchange that it goes out with, if it does.
    pub fn record(
        &self,
        by: Party,
        to: Party,
        line: Bytes,
        replay_of: Option<u64>,
        via: Option<ExchangeId>,
    ) {
        self.lane.push(Body::Line {
            from: by,
            to,
            bytes: line,
            replay_of,
            via: via.map(|exchange| Box::new(Via::body(exchange))),
        });
    }
}

/// Nothing that can panic runs under these locks, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
