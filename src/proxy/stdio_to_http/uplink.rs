//! The client's lines, one by one, in the order in which they may go to the server.
//!
//! HTTP keeps no order between requests. So a handshake is waited for to its end, and what needs no answer until the
//! server has taken it; a request only until it is on its way. Requests wait while too many are in flight; what needs no
//! answer passes them, because the server may be waiting for just that. All wait while a session is begun anew.

use super::anew::{Answers, MOOT};
use super::answer::Letter;
use super::bridge::{Bridge, Failure};
use super::held::Held;
use super::inlet::Inlet;
use super::ledger::Entry;
use super::outgoing;
use crate::mcp::{headers, methods};
use crate::proxy::handshake::Watch;
use crate::proxy::mirror;
use crate::proxy::pump::Injection;
use crate::tap::Party;
use crate::wire::{Envelope, Frame, Kind, object, parse};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How long the next line waits for a server to take one that needs no answer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Uplink {
    pub bridge: Arc<Bridge>,
    pub client: Inlet,
    pub injections: mpsc::Receiver<Injection>,
    pub handshake: Watch,
    /// The client's next lines, as far as they wait until less is in flight.
    pub held: Held,
    /// How long what holds up the last lines of a client may take.
    pub grace: Duration,
}

/// Whose line it is, and what it repeats.
#[derive(Debug, Clone, Copy)]
struct Author {
    by: Party,
    replay_of: Option<u64>,
}

/// What a line must wait for before the next one goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Until it is on its way.
    Sent,
    /// Until the server has taken it.
    Taken,
    /// Until it is answered.
    Answered,
}

/// What a line is to HTTP.
#[derive(Debug)]
struct Sort {
    method: String,
    /// Raw ids of the requests in it.
    ids: Vec<String>,
    modern: bool,
    pace: Pace,
    headers: Vec<headers::Header>,
}

impl Sort {
    /// The raw id of the request that the line cancels; empty when it names none.
    fn cancelled(&self, line: &[u8]) -> Option<String> {
        if self.method != methods::CANCELLED || !self.ids.is_empty() {
            return None;
        }
        let text = std::str::from_utf8(line).unwrap_or_default();
        let id = object::at(text, &["params", "requestId"]);
        Some(id.unwrap_or_default().to_owned())
    }
}

impl Uplink {
    /// Runs until the client has said its last and that is on its way.
    pub async fn run(&mut self) {
        let bridge = self.bridge.clone();
        loop {
            self.hold(bridge.session_stands()).await;
            if let Ok(injection) = self.injections.try_recv() {
                self.inject(injection).await;
            }
            if let Some(line) = self.next() {
                self.line(line, self.client_itself()).await;
                continue;
            }
            if self.client.ended && self.held.is_empty() {
                return;
            }
            tokio::select! {
                biased;
                Some(injection) = self.injections.recv() => self.inject(injection).await,
                () = bridge.ledger.room(), if !self.held.is_empty() => {}
                () = self.client.read(), if self.client.has_room() => {}
                // Nobody will send what a client that has gone leaves behind a server that answers nothing.
                () = tokio::time::sleep(self.grace), if self.client.ended => return,
            }
        }
    }

    /// The client's next line that may be sent.
    fn next(&mut self) -> Option<Bytes> {
        if self.bridge.ledger.has_room() {
            self.held.pop();
            return self.client.take(0);
        }
        while let Some(line) = self.client.line(self.held.len()) {
            let line = without_end(line);
            let sort = self.sort(&line);
            if self.may_pass(&sort, &line) {
                return self.client.take(self.held.len());
            }
            self.held.push(&sort.ids, sort.pace == Pace::Answered);
        }
        None
    }

    /// Whether a line may go before those that are held: it needs no answer, and is about none of them.
    fn may_pass(&self, sort: &Sort, line: &[u8]) -> bool {
        sort.ids.is_empty() && self.held.lets_pass(sort.cancelled(line).as_deref())
    }

    /// Lines that were read and will not be sent any more: they are recorded, and requests among them answered.
    pub async fn give_up(&mut self, failure: &Failure) {
        self.client.give_up();
        while let Some(line) = self.client.take(0) {
            let (line, by) = (without_end(&line), self.bridge.lane.from);
            let exchange = self.bridge.roster.exchange();
            self.bridge
                .record(by, Party::Server, line.clone(), None, None);
            let sort = self.sort(&line);
            let (entry, _, _) = entry(&sort, &self.bridge);
            self.bridge.ledger.enter(exchange, entry);
            self.bridge.fail(exchange, failure).await;
        }
    }

    fn client_itself(&self) -> Author {
        Author {
            by: self.bridge.lane.from,
            replay_of: None,
        }
    }

    async fn inject(&mut self, injection: Injection) {
        let bridge = self.bridge.clone();
        self.hold(bridge.session_stands()).await;
        if !injection.claim.take() {
            return;
        }
        let author = Author {
            by: Party::Operator,
            replay_of: injection.replay_of,
        };
        self.line(injection.line, author).await;
        // Nobody waiting is nobody to tell.
        let _ = injection.written.send(());
    }

    async fn line(&mut self, whole: Bytes, author: Author) {
        let line = without_end(&whole);
        if line.iter().all(u8::is_ascii_whitespace) {
            self.bridge
                .record(author.by, Party::Sentinel, line, author.replay_of, None);
            return self.bridge.lane.tap.wake();
        }
        let sort = self.sort(&line);
        if !self.translated(&sort, &line, author) {
            self.post(sort, line, author).await;
        }
        self.handshake.look(&whole);
    }

    fn sort(&self, line: &[u8]) -> Sort {
        match parse(line) {
            Frame::Message(message) => self.sort_message(&message),
            Frame::Batch(all) => {
                let requests = all.iter().filter(|it| it.kind() == Kind::Request);
                let ids: Vec<String> = requests.filter_map(|it| it.id).map(Into::into).collect();
                Sort {
                    method: String::new(),
                    modern: false,
                    pace: if ids.is_empty() {
                        Pace::Taken
                    } else {
                        Pace::Sent
                    },
                    headers: Vec::new(),
                    ids,
                }
            }
            Frame::NotJsonRpc | Frame::NotJson(_) | Frame::Blank => Sort {
                method: String::new(),
                ids: Vec::new(),
                modern: false,
                pace: Pace::Taken,
                headers: Vec::new(),
            },
        }
    }

    fn sort_message(&self, message: &Envelope<'_>) -> Sort {
        let method = message.method.as_deref().unwrap_or_default();
        let is_request = message.kind() == Kind::Request;
        let modern = headers::modern_version(message).is_some();
        let pace = match (is_request, method) {
            (true, methods::INITIALIZE) if !modern => Pace::Answered,
            (true, _) => Pace::Sent,
            (false, _) => Pace::Taken,
        };
        Sort {
            method: method.to_owned(),
            ids: message
                .id
                .filter(|_| is_request)
                .map(Into::into)
                .into_iter()
                .collect(),
            modern,
            pace,
            headers: self.bridge.tools.headers(message),
        }
    }

    /// Whether the line is a cancellation that is not posted: in the modern era, over HTTP, a request is cancelled by
    /// ending its exchange.
    fn translated(&self, sort: &Sort, line: &Bytes, author: Author) -> bool {
        let Some(cancelled) = sort.cancelled(line) else {
            return false;
        };
        let found = self.bridge.ledger.find(&cancelled);
        let is_modern = match found {
            Some((_, modern)) => modern,
            None => sort.modern || !self.bridge.legacy().is_open,
        };
        if !is_modern {
            if let Some((exchange, _)) = found {
                self.bridge.ledger.cancel(exchange);
            }
            return false;
        }
        self.bridge.record(
            author.by,
            Party::Server,
            line.clone(),
            author.replay_of,
            None,
        );
        match found.and_then(|(exchange, _)| self.bridge.ledger.close(exchange)) {
            Some(entry) => {
                self.bridge.lane.note(format!(
                    "translated: the exchange of request {cancelled} was ended, which over HTTP is how it is cancelled"
                ));
                entry.abort.cancel();
            }
            None => self.bridge.lane.note(format!(
                "translated: request {cancelled} is not in flight, so there is nothing to cancel"
            )),
        }
        true
    }

    async fn post(&mut self, sort: Sort, line: Bytes, author: Author) {
        let bridge = self.bridge.clone();
        let answers = self.answers(&sort, &line);
        if answers == Answers::AnotherSession {
            bridge.record(author.by, Party::Sentinel, line, author.replay_of, None);
            return bridge.note(MOOT);
        }
        let mut headers = outgoing::posting();
        if sort.modern {
            mirror::put_on(&mut headers, &sort.headers);
        } else if sort.pace != Pace::Answered {
            bridge.legacy().put_on(&mut headers);
        }
        let round = bridge.legacy().round;
        let exchange = bridge.roster.exchange();
        let (entry, taken, abort) = entry(&sort, &bridge);
        bridge.ledger.enter(exchange, entry);
        let (sent, is_sent) = oneshot::channel();
        let letter = Letter {
            exchange,
            by: author.by,
            line,
            replay_of: author.replay_of,
            method: sort.method,
            modern: sort.modern,
            headers,
            round,
            answers: answers == Answers::ThisSession,
            abort,
            sent: Some(sent),
            again: false,
        };
        bridge.tasks.spawn(bridge.clone().carry(letter));
        // They hang up, whatever comes of it.
        match sort.pace {
            Pace::Sent => self.hold(async { drop(is_sent.await) }).await,
            Pace::Taken => {
                let in_time = tokio::time::timeout(PATIENCE, taken);
                self.hold(async { drop(in_time.await) }).await;
            }
            Pace::Answered => self.hold(async { drop(taken.await) }).await,
        }
    }

    /// Which of the server's questions a line answers, where that makes a difference.
    fn answers(&self, sort: &Sort, line: &[u8]) -> Answers {
        let may_answer = sort.method.is_empty() && sort.ids.is_empty();
        let anew = self.bridge.anew.as_ref().filter(|_| may_answer);
        anew.map_or(Answers::Nothing, |anew| anew.answers(line))
    }

    /// Waits, and reads on meanwhile, as far as there is room. A client that has gone is not waited for without end.
    async fn hold(&mut self, wait: impl Future<Output = ()>) {
        tokio::pin!(wait);
        loop {
            tokio::select! {
                biased;
                () = &mut wait => return,
                () = self.client.read(), if self.client.has_room() => {}
                () = tokio::time::sleep(self.grace), if self.client.ended => return,
            }
        }
    }
}

fn without_end(line: &Bytes) -> Bytes {
    let line_end = line.strip_suffix(b"\n").unwrap_or(line);
    line.slice(..line_end.strip_suffix(b"\r").unwrap_or(line_end).len())
}

/// What the ledger holds of a line; when the next one may go, and what aborts it.
fn entry(sort: &Sort, bridge: &Bridge) -> (Entry, oneshot::Receiver<()>, CancellationToken) {
    let (hold, taken) = oneshot::channel();
    let abort = bridge.over.child_token();
    let entry = Entry {
        method: sort.method.clone(),
        owed: sort.ids.clone(),
        modern: sort.modern,
        is_cancelled: false,
        abort: abort.clone(),
        hold: (sort.pace != Pace::Sent).then_some(hold),
    };
    (entry, taken, abort)
}
