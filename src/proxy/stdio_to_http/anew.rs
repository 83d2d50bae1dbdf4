//! A session of the legacy era that the server has forgotten, begun anew where that is wanted: with the client's own
//! handshake, which the client does not see.
//!
//! Knows how the client shook hands, and what the server has asked in which session; must not know how lines wait, or what
//! is said of a letter that is refused for good.

use super::answer::Letter;
use super::bridge::Bridge;
use super::events::{Cursor, Events};
use super::outgoing::{self, Ask, Incoming};
use crate::mcp::headers::SESSION_ID;
use crate::mcp::methods;
use crate::proxy::exchange::Exchange;
use crate::tap::Party;
use crate::wire::{Envelope, Frame, Kind, object, parse};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tokio_util::sync::CancellationToken;

/// How long a server may take to let us in once more.
const PATIENCE: Duration = Duration::from_secs(30);
/// A session that has stood for so long was good for something, though nothing was asked of it.
const A_WHILE: Duration = Duration::from_secs(60);
/// How long it may take to hear that we do not stay.
const LAST_WORDS: Duration = Duration::from_secs(1);
const ANEW: &str = "the server had forgotten the session: it was begun anew with the client's handshake, and what the server kept for it is gone";
/// Of an answer to a question that nobody asks any more.
pub const MOOT: &str =
    "an answer of the client's was not sent: the server has forgotten the session that asked";
/// Of a request to a server that has not heard of it, as it has of its cancellation.
const UNWANTED: &str =
    "a request of the client's was not sent again: the client has cancelled it since";

/// Keeps everything else from being sent in the session.
pub type Turn = OwnedMutexGuard<()>;

#[derive(Debug)]
pub struct Anew {
    patience: Duration,
    /// Taken while a session is begun anew, and by each letter that it had refused until that is on its way again: those
    /// who wait come in the order in which they began to.
    turn: Arc<Mutex<()>>,
    known: std::sync::Mutex<Known>,
}

impl Default for Anew {
    fn default() -> Self {
        Self {
            patience: PATIENCE,
            turn: Arc::default(),
            known: std::sync::Mutex::default(),
        }
    }
}

#[derive(Debug, Default)]
struct Known {
    /// The client's own lines, once the server has taken them.
    initialize: Option<Bytes>,
    initialized: Option<Bytes>,
    /// When it was begun anew, if it has answered nothing since: to do it again at once would be to do it for ever.
    in_vain: Option<Instant>,
    /// Raw ids of what the server has asked in the session, and in those before it, and the client has not answered.
    asked: HashSet<String>,
    asked_before: HashSet<String>,
}

/// Whether a line of the client's answers the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// It does not, or nothing that we know of.
    Nothing,
    /// What was asked in this session.
    ThisSession,
    /// What was asked in one that is forgotten.
    AnotherSession,
}

impl Anew {
    /// The server has taken a letter with a good status.
    pub fn taken(&self, letter: &Letter) {
        let line = || Some(Bytes::copy_from_slice(&letter.line));
        let mut known = self.known();
        match letter.method.as_str() {
            methods::INITIALIZE => {
                known.initialize = line();
                known.initialized = None;
                known.next_session();
            }
            methods::INITIALIZED => known.initialized = line(),
            _ => {}
        }
    }

    /// The session is good for something.
    pub fn has_answered(&self) {
        self.known().in_vain = None;
    }

    /// It was begun anew in vain.
    pub fn was_in_vain(&self) -> bool {
        self.known().was_in_vain()
    }

    /// The server asks something of the client.
    pub fn asked(&self, id: &str) {
        self.known().asked.insert(id.to_owned());
    }

    /// Which of the server's questions a line answers; none of them is open any more.
    pub fn answers(&self, line: &[u8]) -> Answers {
        let frame = parse(line);
        let all = frame.messages();
        let mut known = self.known();
        let (mut here, mut before) = (false, false);
        for id in all.iter().filter(|it| is_answer(it)).filter_map(|it| it.id) {
            // A server that counts from one again asks again by the same id: it is the newer that is waited for.
            if known.asked.remove(id) {
                here = true;
            } else {
                before |= known.asked_before.remove(id);
            }
        }
        match (here, before) {
            (true, _) => Answers::ThisSession,
            (false, true) => Answers::AnotherSession,
            (false, false) => Answers::Nothing,
        }
    }

    /// Nothing that can panic runs under the lock, so a poisoned one is as good as any.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn was_in_vain(&self) -> bool {
        self.in_vain.is_some_and(|since| since.elapsed() < A_WHILE)
    }

    fn next_session(&mut self) {
        self.in_vain = None;
        let asked = std::mem::take(&mut self.asked);
        self.asked_before.extend(asked);
    }
}

fn is_answer(message: &Envelope<'_>) -> bool {
    matches!(message.kind(), Kind::Result | Kind::Error)
}

impl Bridge {
    /// Waits until the session is not being begun anew.
    pub async fn session_stands(&self) {
        if let Some(anew) = &self.anew {
            drop(anew.turn.lock().await);
        }
    }

    /// Whether there is any sense in trying what was refused in this session once more; `again` if that was done before.
    pub fn may_begin_anew(&self, round: u32, again: bool) -> bool {
        let Some(anew) = &self.anew else { return false };
        let is_over = self.is_gone.is_cancelled() || self.over.is_cancelled();
        let is_another = self.legacy().round != round;
        let known = anew.known();
        !is_over && (is_another || !again && !known.was_in_vain() && known.initialize.is_some())
    }

    /// Sees to it that there is another session than the one that was refused: begins it, unless somebody has since. Where
    /// it cannot be had, the session has ended.
    pub async fn begin_anew(self: &Arc<Self>, round: u32, again: bool) -> Option<Turn> {
        let anew = self.anew.as_ref()?;
        let turn = anew.turn.clone().lock_owned().await;
        if !self.may_begin_anew(round, again) {
            return None;
        }
        if self.legacy().round != round {
            return Some(turn);
        }
        let abort = self.over.child_token();
        let outcome = {
            let greeting = self.shake_hands(anew, &abort);
            tokio::pin!(greeting);
            tokio::select! {
                outcome = &mut greeting => outcome,
                () = tokio::time::sleep(anew.patience) => {
                    // To its end, so that what was begun is on record as ended.
                    abort.cancel();
                    let _ = greeting.await;
                    Err("the server does not answer".to_owned())
                }
            }
        };
        match outcome {
            Ok(()) => {
                anew.known().in_vain = Some(Instant::now());
                self.note(ANEW);
                return Some(turn);
            }
            Err(_) if self.over.is_cancelled() => {}
            Err(why) => self.not_begun(&why, round).await,
        }
        None
    }

    async fn not_begun(&self, why: &str, round: u32) {
        if self.legacy().round != round {
            let _ = tokio::time::timeout(LAST_WORDS, self.take_leave()).await;
        }
        self.end(&format!(
            "the server knows this session no more, and it cannot be begun anew: {why}; the client must start again"
        ));
    }

    /// Says to the server what the client said, and hears it in the client's place. The error is a sentence.
    async fn shake_hands(
        self: &Arc<Self>,
        anew: &Anew,
        abort: &CancellationToken,
    ) -> Result<(), String> {
        let (initialize, initialized) = {
            let known = anew.known();
            (known.initialize.clone(), known.initialized.clone())
        };
        let before = self.legacy().agreed.clone();
        let Some(initialize) = initialize else {
            return Err("the client has not shaken hands itself".to_owned());
        };
        let incoming = self.repeat(initialize, outgoing::posting(), abort);
        let incoming = incoming.await?;
        self.legacy().begin(incoming.header(SESSION_ID));
        anew.known().next_session();
        let version = self.hear(incoming, abort).await?;
        if version != before {
            let named = |it: &Option<String>| it.clone().unwrap_or_else(|| "none".to_owned());
            return Err(format!(
                "the server wants protocol version {} now, and the client has agreed to {}",
                named(&version),
                named(&before)
            ));
        }
        self.legacy().agree(version.as_deref());
        // A client that has not come so far says it itself.
        if let Some(line) = initialized {
            let mut headers = outgoing::posting();
            self.legacy().put_on(&mut headers);
            let mut incoming = self.repeat(line, headers, abort).await?;
            if incoming.is_events() {
                incoming.leave("nothing more was wanted");
            } else {
                let said = incoming.glance(&self.lane, abort).await;
                self.swallow(&incoming.exchange, said.unwrap_or_default(), None);
            }
            self.listen();
        }
        Ok(())
    }

    /// Posts a line of the client's in our own name, which the server must take.
    async fn repeat(
        &self,
        line: Bytes,
        headers: HeaderMap,
        abort: &CancellationToken,
    ) -> Result<Incoming, String> {
        let ask = Ask {
            body: line.clone(),
            ..self.own(Method::POST, headers)
        };
        let record = |exchange: &Exchange| {
            exchange.message(Party::Sentinel, Party::Server, line, None);
        };
        let asked = self.ask(self.exchange(), ask, abort, record).await;
        let mut incoming = asked.map_err(|error| error.to_string())?;
        if incoming.status().is_success() {
            return Ok(incoming);
        }
        let said = incoming.glance(&self.lane, abort).await;
        self.swallow(&incoming.exchange, said.unwrap_or_default(), None);
        Err(self.refusal(&incoming, false))
    }

    /// The version that an answer to `initialize` says. What else comes with it is the client's.
    async fn hear(
        &self,
        mut incoming: Incoming,
        abort: &CancellationToken,
    ) -> Result<Option<String>, String> {
        let status = incoming.status();
        let silent = format!("the server says {status}, and nothing else to the handshake");
        if !incoming.is_events() {
            let body = incoming.whole(&self.lane, abort).await;
            let body = body.map_err(|cut| format!("the server's answer broke off: {cut}"))?;
            self.swallow(&incoming.exchange, body.clone(), None);
            return chosen(&body).unwrap_or(Err(silent));
        }
        let (mut events, mut cursor) = (Events::of(incoming), Cursor::default());
        while let Ok(Some(event)) = events.next(&mut cursor, &self.lane, abort).await {
            events.exchange().beside(&event);
            let Some(message) = event.message() else {
                continue;
            };
            let (exchange, id) = (events.exchange(), event.id.as_deref());
            if let Some(chosen) = chosen(message) {
                self.swallow(exchange, message.clone(), id);
                events.leave("nothing more was wanted");
                return chosen;
            }
            self.deliver(exchange, Party::Server, message.clone(), id)
                .await;
        }
        Err("the server's stream ended before it answered the handshake".to_owned())
    }

    /// Whether a letter that a forgotten session had refused goes out again, as it is now. The next one has its turn when
    /// this one is on its way.
    pub fn readdress(&self, letter: &mut Letter, turn: Turn) -> bool {
        let moot = match letter.answers {
            true => Some(MOOT),
            false => self
                .ledger
                .is_cancelled(letter.exchange)
                .then_some(UNWANTED),
        };
        if let Some(why) = moot {
            self.ledger.close(letter.exchange);
            self.note(why);
            return false;
        }
        let legacy = self.legacy();
        legacy.put_on(&mut letter.headers);
        letter.round = legacy.round;
        drop(legacy);
        let (sent, is_sent) = oneshot::channel();
        letter.sent = Some(sent);
        self.tasks.spawn(async move {
            // They hang up, whatever comes of it.
            let _ = is_sent.await;
            drop(turn);
        });
        true
    }
}

/// Whether a refusal means that the session is forgotten, though it does not say so by 404: servers made after the SDKs'
/// examples say 400, and why in words. Without a session that they know they say nothing else any more.
pub fn complains_of_session(status: StatusCode, said: &[u8]) -> bool {
    status == StatusCode::BAD_REQUEST && names_session(said)
}

/// Whether an error that answers no request is about the session.
fn names_session(said: &[u8]) -> bool {
    let Frame::Message(message) = parse(said) else {
        return false;
    };
    let answers_none = message.id.is_none_or(|id| id == "null");
    let error = message.error.filter(|_| answers_none);
    let words = error.and_then(|it| object::string_at(it, &["message"]));
    words.is_some_and(|it| {
        let words = it.to_lowercase();
        words.contains("session") || words.contains("not initialized")
    })
}

/// The version that a message chooses, or what it says instead; `None` if it answers nothing. Nothing but `initialize` can
/// be answered where this is looked for.
fn chosen(message: &[u8]) -> Option<Result<Option<String>, String>> {
    let Frame::Message(message) = parse(message) else {
        return None;
    };
    match (message.kind(), message.result, message.error) {
        (Kind::Result, Some(result), _) => {
            let version = object::string_at(result, &["protocolVersion"]);
            Some(Ok(version.map(Into::into)))
        }
        (Kind::Error, _, Some(error)) => {
            let said = object::string_at(error, &["message"]).unwrap_or_default();
            let said: String = said.chars().take(super::bridge::SAID).collect();
            Some(Err(format!("the server says: {said}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::outlet::Outlet;
    use super::*;
    use crate::proxy::gate::Owner;
    use crate::proxy::http_client::{Client, Origin};
    use crate::proxy::live::Roster;
    use crate::proxy::pump::Lane;
    use crate::proxy::stdio::Sink;
    use crate::tap::Tap;
    use std::os::unix::net::UnixStream;

    #[tokio::test]
    async fn a_server_that_does_not_answer_the_second_handshake_is_waited_for_so_long_and_no_longer()
     {
        assert_eq!(Anew::default().patience, Duration::from_secs(30));
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mcp", silent.local_addr().unwrap());
        let origin = Origin::at(url.parse().unwrap());
        let roster = Arc::<Roster>::default();
        let (live, _injections) = roster.open(Owner::Client);
        let lane = Lane {
            tap: Tap::disabled(),
            session: live.id,
            from: Party::Client,
        };
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let outlet = Outlet::new(Sink::socket(ours.into()));
        let client = Client::new(origin.into()).unwrap();
        let mut bridge = Bridge::new(client, roster, live, lane, outlet, None);
        let anew = Anew {
            patience: Duration::from_millis(50),
            ..Anew::default()
        };
        anew.known().initialize = Some(Bytes::from_static(b"{}"));
        bridge.anew = Some(anew);
        let bridge = Arc::new(bridge);
        let begun = Instant::now();
        assert!(bridge.begin_anew(0, false).await.is_none());
        assert!(begun.elapsed() >= Duration::from_millis(50));
        assert!(begun.elapsed() < Duration::from_secs(15));
        let why = bridge.why_gone().unwrap();
        assert!(
            why.contains("cannot be begun anew: the server does not answer"),
            "{why}"
        );
    }

    #[test]
    fn an_answer_is_to_the_newest_question_of_its_id() {
        let anew = Anew::default();
        let answer = |id: &str| anew.answers(format!(r#"{{"id":{id},"result":{{}}}}"#).as_bytes());
        anew.asked("1");
        anew.asked("2");
        anew.known().next_session();
        anew.asked("2");
        assert_eq!(answer("1"), Answers::AnotherSession);
        assert_eq!(answer("2"), Answers::ThisSession);
        assert_eq!(answer("2"), Answers::AnotherSession);
        assert_eq!(answer("2"), Answers::Nothing);
        assert_eq!(anew.answers(br#"{"id":2,"method":"x"}"#), Answers::Nothing);
        anew.asked("3");
        assert_eq!(
            anew.answers(br#"[{"id":3,"error":{}},{"id":9,"result":1}]"#),
            Answers::ThisSession
        );
    }

    #[test]
    fn a_session_is_in_vain_that_is_forgotten_at_once_and_not_one_that_stood() {
        let anew = Anew::default();
        assert!(!anew.was_in_vain());
        anew.known().in_vain = Some(Instant::now());
        assert!(anew.was_in_vain());
        anew.known().in_vain = Instant::now().checked_sub(A_WHILE);
        assert!(!anew.was_in_vain());
        anew.known().in_vain = Some(Instant::now());
        anew.has_answered();
        assert!(!anew.was_in_vain());
    }

    #[test]
    fn an_error_to_no_request_that_names_the_session_is_about_it() {
        let error = |id: &str, message: &str| {
            let error = format!(r#"{{"code":-32000,"message":"{message}"}}"#);
            format!(r#"{{"jsonrpc":"2.0",{id}"error":{error}}}"#)
        };
        let lost = "Bad Request: No valid session ID provided";
        for said in [
            error("", lost),
            error(r#""id":null,"#, lost),
            error(r#""id":null,"#, "Bad Request: Server not initialized"),
        ] {
            assert!(names_session(said.as_bytes()), "{said}");
        }
        for said in [
            error(r#""id":1,"#, lost),
            error("", "Bad Request: Unsupported protocol version"),
            lost.to_owned(),
            r#"{"jsonrpc":"2.0","method":"session"}"#.to_owned(),
        ] {
            assert!(!names_session(said.as_bytes()), "{said}");
        }
    }

    #[test]
    fn what_a_server_chooses_is_a_version_or_a_complaint() {
        let version = |text: &str| chosen(text.as_bytes());
        assert_eq!(
            version(r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"v"}}"#),
            Some(Ok(Some("v".to_owned())))
        );
        assert_eq!(
            version(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"no"}}"#),
            Some(Err("the server says: no".to_owned()))
        );
        assert_eq!(version(r#"{"jsonrpc":"2.0","method":"x"}"#), None);
        assert_eq!(version(""), None);
    }
}
