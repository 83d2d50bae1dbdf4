//! One line on its way to the server, and what becomes of the answer.

use super::anew::complains_of_session;
use super::bridge::{Bridge, Failure};
use super::events::{Cursor, Events};
use super::outgoing::{Ask, Cut, Incoming, Unanswered};
use super::streams::Followed;
use crate::mcp::headers::SESSION_ID;
use crate::mcp::methods;
use crate::proxy::mirror;
use crate::tap::{ExchangeId, Party};
use crate::wire::{Frame, Kind, object, parse};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// A line that goes out as the body of a POST.
#[derive(Debug)]
pub struct Letter {
    pub exchange: ExchangeId,
    pub by: Party,
    /// Without its line end.
    pub line: Bytes,
    pub replay_of: Option<u64>,
    /// Empty for what has none, or several.
    pub method: String,
    pub modern: bool,
    pub headers: HeaderMap,
    /// In which session its headers are.
    pub round: u32,
    /// It answers what the server has asked in that session.
    pub answers: bool,
    pub abort: CancellationToken,
    /// Hangs up when the line is on its way.
    pub sent: Option<oneshot::Sender<()>>,
    /// It has gone out before, and was not what the server wanted.
    pub again: bool,
}

impl Bridge {
    /// Posts a line and delivers its answer.
    pub async fn carry(self: Arc<Self>, mut letter: Letter) {
        while self.attempt(&mut letter).await {
            letter.again = true;
        }
    }

    /// Whether the letter is to be sent again, as it is now.
    async fn attempt(self: &Arc<Self>, letter: &mut Letter) -> bool {
        let old = self.legacy().old.clone();
        let ask = Ask {
            by: if letter.again {
                Party::Sentinel
            } else {
                letter.by
            },
            method: Method::POST,
            target: old.unwrap_or_else(|| self.target()),
            headers: letter.headers.clone(),
            body: letter.line.clone(),
            sent: letter.sent.take(),
        };
        let asked = if letter.again {
            self.ask(self.exchange(), ask, &letter.abort, |_| ()).await
        } else {
            let exchange = self.exchange_numbered(letter.exchange);
            let record = |_: &_| {
                let line = letter.line.clone();
                let via = Some(letter.exchange);
                self.record(letter.by, Party::Server, line, letter.replay_of, via);
            };
            self.ask(exchange, ask, &letter.abort, record).await
        };
        if asked.is_ok() {
            self.reached();
        }
        match asked {
            Ok(incoming) if incoming.status().is_success() => {
                self.accepted(letter, incoming).await;
                false
            }
            Ok(incoming) => self.refused(letter, incoming).await,
            Err(Unanswered::Aborted) => {
                self.ledger.close(letter.exchange);
                false
            }
            Err(error) => {
                let failure = Failure::new(error.to_string());
                self.unreached(&failure.sentence);
                self.fail(letter.exchange, &failure).await;
                false
            }
        }
    }

    async fn accepted(self: &Arc<Self>, letter: &Letter, mut incoming: Incoming) {
        let is_old = self.legacy().old.is_some();
        if letter.method == methods::INITIALIZE && !letter.modern && !is_old {
            self.legacy().begin(incoming.header(SESSION_ID));
        }
        let owes = self.ledger.owes(letter.exchange);
        if let Some(anew) = self.anew.as_ref().filter(|_| !letter.modern && !is_old) {
            anew.taken(letter);
            if owes && letter.round == self.legacy().round {
                anew.has_answered();
            }
        }
        if !owes {
            self.ledger.release(letter.exchange);
            if letter.method == methods::INITIALIZED && !is_old {
                self.listen();
            }
        }
        if let Some(encoding) = incoming.encoding()
            && self.ledger.owes(letter.exchange)
        {
            let sentence =
                format!("the server packs its answer as {encoding}, though asked not to");
            incoming.leave("it is packed in a way that was not asked for");
            self.fail(letter.exchange, &Failure::new(sentence)).await;
        } else if incoming.is_events() && !is_old {
            self.answer_in_events(letter, incoming).await;
        } else {
            let status = incoming.status();
            let body = incoming.whole(&self.lane, &letter.abort).await;
            self.answer_in_body(letter, &incoming, body, is_old, status)
                .await;
        }
    }

    async fn answer_in_body(
        &self,
        letter: &Letter,
        incoming: &Incoming,
        body: Result<Bytes, Cut>,
        is_old: bool,
        status: StatusCode,
    ) {
        let mut failure = Failure {
            status: Some(status),
            ..Failure::new(format!(
                "the server says {status}, and nothing else to this request"
            ))
        };
        match body {
            Err(Cut::Aborted) => {
                self.ledger.close(letter.exchange);
                return;
            }
            Err(Cut::Broken(reason)) => {
                failure.sentence = format!("the server's answer broke off: {reason}");
            }
            Ok(body) if !is_old && is_for_client(&body, incoming) => {
                let exchange = &incoming.exchange;
                self.deliver(exchange, Party::Server, body, None).await;
            }
            Ok(body) => {
                self.swallow(&incoming.exchange, body.clone(), None);
                failure.said = body;
            }
        }
        if !self.ledger.owes(letter.exchange) {
            self.ledger.close(letter.exchange);
        } else if !is_old {
            self.fail(letter.exchange, &failure).await;
        }
    }

    async fn answer_in_events(&self, letter: &Letter, incoming: Incoming) {
        let (mut events, mut cursor) = (Events::of(incoming), Cursor::default());
        let read = self.read(&mut events, &mut cursor, &letter.abort).await;
        let how = match read {
            Err(Cut::Aborted) => {
                self.ledger.close(letter.exchange);
                return;
            }
            Err(Cut::Broken(reason)) => format!(": {reason}"),
            Ok(()) => String::new(),
        };
        if !self.ledger.owes(letter.exchange) {
            self.ledger.close(letter.exchange);
        } else if letter.modern && letter.method == methods::LISTEN {
            self.no_more_news(letter.exchange).await;
        } else if !letter.modern && cursor.id.is_some() {
            self.resume(letter, cursor).await;
        } else {
            let sentence = format!("the server's stream ended before the answer came{how}");
            self.fail(letter.exchange, &Failure::new(sentence)).await;
        }
    }

    async fn resume(&self, letter: &Letter, cursor: Cursor) {
        let line = letter.exchange;
        // A session begins with the answer to `initialize`.
        let round = letter.round + u32::from(letter.method == methods::INITIALIZE);
        let followed = self.follow(Some(line), round, cursor, &letter.abort).await;
        let (status, how) = match followed {
            Followed::Answered | Followed::Aborted => {
                self.ledger.close(line);
                return;
            }
            Followed::Refused(status) => (Some(status), format!("the server says {status}")),
            Followed::Forgotten(_) => (None, "the server knows it no more".to_owned()),
            Followed::Unreachable(reason) => (None, reason),
        };
        let failure = Failure {
            status,
            ..Failure::new(format!(
                "the server's stream ended before the answer came, and cannot be taken up again: {how}"
            ))
        };
        self.fail(line, &failure).await;
    }

    /// Tells the client, as servers on stdio do, that what it listens to has ended.
    async fn no_more_news(&self, line: ExchangeId) {
        let Some(entry) = self.ledger.close(line) else {
            return;
        };
        for id in &entry.owed {
            let cancelled = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"mcp-sentinel: the server's stream ended"}}}}"#
            );
            let exchange = self.exchange_numbered(line);
            self.deliver(&exchange, Party::Sentinel, cancelled.into(), None)
                .await;
        }
    }

    /// Whether the letter is to be sent again.
    async fn refused(self: &Arc<Self>, letter: &mut Letter, mut incoming: Incoming) -> bool {
        let status = incoming.status();
        let body = match incoming.look(&self.lane, &letter.abort).await {
            Ok(body) => body,
            Err(Cut::Aborted) => {
                incoming.over(false);
                self.ledger.close(letter.exchange);
                return false;
            }
            Err(Cut::Broken(_)) => Bytes::new(),
        };
        let code = self.error_for(letter, &body);
        if self.mends(letter, status, &body, code.is_some()).await {
            incoming.over(true);
            self.swallow(&incoming.exchange, body, None);
            return true;
        }
        let in_session = letter.headers.contains_key(SESSION_ID);
        let unknown = status == StatusCode::NOT_FOUND && code.as_deref() != Some("-32601");
        let forgotten = in_session && (unknown || complains_of_session(status, &body));
        if forgotten && self.may_begin_anew(letter.round, letter.again) {
            self.swallow(&incoming.exchange, body.clone(), None);
            let turn = self.begin_anew(letter.round, letter.again).await;
            let again = turn.map(|turn| self.readdress(letter, turn));
            incoming.over(again == Some(true));
            if let Some(again) = again {
                return again;
            }
            self.fail_refused(letter, &incoming, body, true).await;
        } else if code.is_some() {
            incoming.over(false);
            let exchange = &incoming.exchange;
            self.deliver(exchange, Party::Server, body, None).await;
            self.ledger.close(letter.exchange);
        } else {
            incoming.over(false);
            self.swallow(&incoming.exchange, body.clone(), None);
            self.fail_refused(letter, &incoming, body, forgotten).await;
        }
        if forgotten {
            self.forgotten(status);
        }
        false
    }

    async fn fail_refused(
        &self,
        letter: &Letter,
        incoming: &Incoming,
        said: Bytes,
        forgotten: bool,
    ) {
        let failure = Failure {
            sentence: self.refusal(incoming, forgotten),
            status: Some(incoming.status()),
            said,
        };
        if matches!(&*letter.method, methods::INITIALIZE | methods::DISCOVER) {
            self.kept_out(&failure.sentence);
        }
        self.fail(letter.exchange, &failure).await;
    }

    /// The code of the error with which a body answers a letter's request, if that is what it does.
    fn error_for(&self, letter: &Letter, body: &[u8]) -> Option<String> {
        let Frame::Message(message) = parse(body) else {
            return None;
        };
        let answers =
            message.kind() == Kind::Error && self.ledger.waits(letter.exchange, message.id?);
        let code = object::at(message.error?, &["code"]).unwrap_or_default();
        answers.then(|| code.to_owned())
    }

    /// Whether what the server refused can be said so that it will not.
    async fn mends(
        self: &Arc<Self>,
        letter: &mut Letter,
        status: StatusCode,
        body: &[u8],
        is_answer: bool,
    ) -> bool {
        if letter.again {
            return false;
        }
        if letter.modern && letter.method == methods::TOOLS_CALL && mirror::is_header_mismatch(body)
        {
            let anew = self.headers_anew(&letter.line, &letter.abort).await;
            return anew.is_some_and(|anew| {
                mirror::put_on(&mut letter.headers, &anew);
                true
            });
        }
        let may_be_old = matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
        );
        letter.method == methods::INITIALIZE
            && may_be_old
            && !is_answer
            && self.fall_back(&letter.abort).await
    }

    /// What a refusal means, in a sentence.
    pub fn refusal(&self, incoming: &Incoming, forgotten: bool) -> String {
        let (status, origin) = (incoming.status(), self.client.origin());
        match status {
            _ if forgotten => match self.why_gone() {
                Some(why) if self.anew.is_some() => why.to_owned(),
                _ => "the server knows this session no more".to_owned(),
            },
            StatusCode::UNAUTHORIZED if origin.credentials.is_none() => format!(
                "the server wants to know who asks (401): run `mcp-sentinel auth login {}`, or give a header with --header",
                origin.url
            ),
            _ if status.is_redirection() => {
                let location = incoming.header(http::header::LOCATION);
                let location = location.and_then(|value| value.to_str().ok());
                format!(
                    "the server says {status}: it is at {}",
                    location.unwrap_or("another address")
                )
            }
            StatusCode::NOT_FOUND if self.legacy().old.is_none() => {
                let target = self.target();
                let path = target.split('?').next().unwrap_or_default();
                format!("the server says {status} at {path}")
            }
            _ => match self.more_scope(incoming) {
                Some(advice) => format!("the server says {status}: {advice}"),
                None => format!("the server says {status}"),
            },
        }
    }
}

/// Whether a body with a good status goes to the client: what claims to be JSON, and what is a message whatever it claims.
fn is_for_client(body: &[u8], incoming: &Incoming) -> bool {
    match parse(body) {
        Frame::Message(message) => message.kind() != Kind::Malformed,
        Frame::Batch(_) => true,
        Frame::Blank => false,
        Frame::NotJsonRpc | Frame::NotJson(_) => {
            incoming.status() == StatusCode::OK && incoming.media_type() == "application/json"
        }
    }
}
