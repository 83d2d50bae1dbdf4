//! Which of the server's messages are for the operator and not for the client.
//!
//! Knows ids and tokens; must not know how lines travel. While no operator has sent anything in a client's session
//! the gate is open and no message is looked at.

mod patience;

pub use patience::Patience;

use crate::mcp::methods;
use crate::wire::envelope::{Envelope, Frame, Kind, is_json, parse};
use crate::wire::{object, splice, sse};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What every id of ours begins with, so that most lines need no parsing.
const MARK: &str = "mcpx-";
const SUBSCRIPTION: &[&str] = &["_meta", "io.modelcontextprotocol/subscriptionId"];

/// Whose session the gate stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Client,
    Operator,
}

/// What becomes of one line from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// For the client: on it goes.
    Pass,
    /// An answer to the operator: recorded as such, and never seen by the client.
    Operator,
    /// A request in the operator's own session: it waits for the operator's answer.
    Asked,
    /// A batch that is partly the client's: each gets its own part.
    Both(Split),
}

/// Whose is what of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What of its bytes the client does not get.
    operators: Vec<Range<usize>>,
    /// What of its bytes is not for the operator.
    clients: Vec<Range<usize>>,
}

impl Split {
    /// What the operator should know of it.
    pub const NOTE: &str = "a batch of the server's was split: the client did not get what of it is for the operator, and both parts are on record";

    pub fn for_operator(&self, batch: &[u8]) -> Bytes {
        splice::without(batch, &self.clients).into()
    }

    pub fn for_client(&self, batch: &[u8]) -> Bytes {
        splice::without(batch, &self.operators).into()
    }

    /// The client's part of the event, as it was sent, whose data the batch is.
    pub fn event_for_client(&self, event: &[u8]) -> Bytes {
        sse::without(event, &self.operators).into()
    }
}

/// What is in a message, or a batch, that came on a stream of the operator's alone, beside a client's session. The rest
/// is something to read, or a request that waits for the operator's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aside {
    /// The answer to a request of the operator's.
    pub answers: bool,
    /// Raw ids of pings, which nobody but us can answer.
    pub pings: Vec<String>,
}

#[derive(Debug)]
pub struct Gate {
    owner: Owner,
    closed: AtomicBool,
    next: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Raw tokens of every id (which is the progress token, too) that we have given out in this session.
    ours: HashSet<String>,
    /// Those that have no answer yet.
    unanswered: HashSet<String>,
    /// Raw ids of the server's requests that wait for the operator.
    asked: HashSet<String>,
    /// The bytes of the longest answer to the operator so far.
    longest: usize,
}

impl Gate {
    pub fn new(owner: Owner) -> Self {
        Self {
            owner,
            closed: AtomicBool::new(owner == Owner::Operator),
            next: AtomicU64::new(1),
            state: Mutex::default(),
        }
    }

    /// Whether lines must be looked at.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether something is due that may be as long as it likes.
    pub fn awaits(&self) -> bool {
        self.owner == Owner::Operator || !self.state().unanswered.is_empty()
    }

    /// A raw id token that no peer uses, now or later; from here on the gate looks out for it.
    pub fn fresh_id(&self) -> String {
        use std::hash::{BuildHasher, RandomState};
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let random = RandomState::new().hash_one(number);
        let id = format!("\"{MARK}{number}-{random:016x}\"");
        let mut state = self.state();
        state.ours.insert(id.clone());
        state.unanswered.insert(id.clone());
        self.closed.store(true, Ordering::Release);
        id
    }

    /// The bytes of the longest answer to the operator so far.
    fn longest_answer(&self) -> usize {
        self.state().longest
    }

    /// The request with this id was not sent after all.
    pub fn forget(&self, id: &str) {
        self.state().unanswered.remove(id);
    }

    /// Whether the request with this id is still to be answered.
    pub fn is_due(&self, id: &str) -> bool {
        self.state().unanswered.contains(id)
    }

    /// Whether this raw token is one that we have given out.
    pub fn is_ours(&self, id: &str) -> bool {
        self.state().ours.contains(id)
    }

    /// Takes the server's open request with this raw id, if there is one, to answer it.
    pub fn take_asked(&self, id: &str) -> bool {
        self.state().asked.remove(id)
    }

    /// The answer could not be sent: the request is still open.
    pub fn put_back_asked(&self, id: String) {
        self.state().asked.insert(id);
    }

    /// Whose a line of the server's is, which is looked at only when the gate is closed.
    pub fn judge(&self, line: &[u8]) -> Verdict {
        if !self.is_closed() {
            return Verdict::Pass;
        }
        if self.owner == Owner::Client && !may_name_ours(line) && !has_escapes(line) {
            return Verdict::Pass;
        }
        let mut state = self.state();
        match parse(line) {
            Frame::Message(envelope) if state.is_for_operator(&envelope) => {
                state.longest = state.longest.max(line.len());
                Verdict::Operator
            }
            Frame::Message(envelope) if self.owner == Owner::Operator => {
                state.note_asked(&envelope)
            }
            Frame::Batch(all) => {
                let is_ours = |it| {
                    state.is_for_operator(it)
                        || self.owner == Owner::Operator && state.note_asked(it) == Verdict::Asked
                };
                split(line, &all.iter().map(is_ours).collect::<Vec<_>>())
            }
            _ => Verdict::Pass,
        }
    }

    /// Whose the last line of a server that is gone is, which may break off. Then nobody can read it; but its id, or where
    /// none has come, a token of ours in it, tells that it was for the operator.
    pub fn judge_last(&self, begun: &[u8]) -> Verdict {
        let may_be_ours = may_name_ours(begun) || has_escapes(begun);
        if self.owner == Owner::Operator || !may_be_ours || is_json(begun) {
            return self.judge(begun);
        }
        let state = self.state();
        let text = readable(begun);
        let is_ours = match object::at(text, &["id"]) {
            Some(id) => state.ours.contains(&*plain(id)),
            None => state.names_ours(text),
        };
        match is_ours {
            true => Verdict::Operator,
            false => Verdict::Pass,
        }
    }

    /// For what came on a stream that only the operator hears, so that the client cannot answer it.
    pub fn judge_aside(&self, message: &[u8]) -> Aside {
        let mut state = self.state();
        let frame = parse(message);
        let all = match &frame {
            Frame::Message(envelope) => std::slice::from_ref(envelope),
            Frame::Batch(all) => all,
            _ => &[],
        };
        let mut aside = Aside::default();
        for envelope in all {
            match (envelope.kind(), envelope.id) {
                (Kind::Request, Some(id)) if envelope.method.as_deref() == Some(methods::PING) => {
                    aside.pings.push(id.to_owned());
                }
                (Kind::Result | Kind::Error, _) if state.is_for_operator(envelope) => {
                    state.longest = state.longest.max(message.len());
                    aside.answers = true;
                }
                _ => {
                    state.note_asked(envelope);
                }
            }
        }
        aside
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_for_operator(&mut self, envelope: &Envelope<'_>) -> bool {
        let Some(method) = &envelope.method else {
            let Some(id) = envelope.id.map(plain) else {
                return false;
            };
            self.unanswered.remove(&*id);
            return self.ours.contains(&*id);
        };
        if envelope.kind() != Kind::Notification {
            return false;
        }
        let params = envelope.params.unwrap_or_default();
        let token = match method.as_ref() {
            methods::PROGRESS => object::at(params, &["progressToken"]),
            methods::CANCELLED => object::at(params, &["requestId"]),
            _ => object::at(params, SUBSCRIPTION),
        };
        token.is_some_and(|token| self.ours.contains(&*plain(token)))
    }

    /// Whether one of our tokens stands anywhere in a text, or its beginning at the end.
    fn names_ours(&self, text: &str) -> bool {
        let mut strings = text.match_indices(MARK).filter_map(|(at, _)| {
            let begin = text[..at].strip_suffix('"')?.len();
            Some(&text[begin..])
        });
        strings.any(|string| match string[1..].find('"') {
            Some(inside) => self.ours.contains(&string[..inside + 2]),
            None => self.ours.iter().any(|it| it.starts_with(string)),
        })
    }

    fn note_asked(&mut self, envelope: &Envelope<'_>) -> Verdict {
        match (envelope.kind(), envelope.id, envelope.method.as_deref()) {
            (Kind::Request, Some(id), Some(method)) if method != methods::PING => {
                self.asked.insert(id.to_owned());
                Verdict::Asked
            }
            _ => Verdict::Pass,
        }
    }
}

fn may_name_ours(text: &[u8]) -> bool {
    memchr::memmem::find(text, MARK.as_bytes()).is_some()
}

/// What is text of what may break off in a character.
fn readable(begun: &[u8]) -> &str {
    match std::str::from_utf8(begun) {
        Ok(text) => text,
        Err(error) => str::from_utf8(&begun[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// Whether characters that an id of ours is made of are spelled in another way. (Some programs so spell all that is not
/// ASCII, which tells nothing.)
fn has_escapes(text: &[u8]) -> bool {
    let mut escapes = memchr::memmem::find_iter(text, b"\\u00");
    // A dash, digits, and the two rows of small letters.
    escapes.any(|at| matches!(text.get(at + 4), None | Some(b'2' | b'3' | b'6' | b'7')))
}

/// The token as we would have written it.
fn plain(token: &str) -> Cow<'_, str> {
    match object::unescape(token) {
        Some(Cow::Owned(text)) => Cow::Owned(format!("\"{text}\"")),
        _ => Cow::Borrowed(token),
    }
}

/// Whose a batch is, each message of which is the operator's or not.
fn split(batch: &[u8], is_ours: &[bool]) -> Verdict {
    match (is_ours.contains(&true), is_ours.contains(&false)) {
        (false, _) => Verdict::Pass,
        (true, false) => Verdict::Operator,
        (true, true) => {
            let batch = String::from_utf8_lossy(batch);
            Verdict::Both(Split {
                operators: splice::cuts(&batch, |place| !is_ours[place]),
                clients: splice::cuts(&batch, |place| is_ours[place]),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(gate: &Gate, line: &str) -> Verdict {
        gate.judge(line.as_bytes())
    }

    #[test]
    fn a_gate_of_a_client_is_open_until_an_operator_sends_something() {
        let gate = Gate::new(Owner::Client);
        assert!(!gate.is_closed());
        gate.fresh_id();
        assert!(gate.is_closed());
    }

    #[test]
    fn an_answer_to_the_operator_is_kept_from_the_client_also_when_it_comes_twice() {
        let gate = Gate::new(Owner::Client);
        let id = gate.fresh_id();
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        assert!(gate.awaits());
        assert_eq!(judge(&gate, &answer), Verdict::Operator);
        assert!(!gate.awaits());
        assert_eq!(judge(&gate, &answer), Verdict::Operator);
    }

    #[test]
    fn an_id_is_the_same_however_it_is_spelled() {
        let gate = Gate::new(Owner::Client);
        let id = gate.fresh_id().replace("mcpx", "\\u006dc\\u0070x");
        for message in [
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#),
            format!(r#"{{"method":"notifications/progress","params":{{"progressToken":{id}}}}}"#),
        ] {
            assert_eq!(judge(&gate, &message), Verdict::Operator, "{message}");
        }
        assert!(!gate.awaits());
        let long = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":"{}"#,
            "x".repeat(100_000)
        );
        assert_eq!(gate.judge_last(long.as_bytes()), Verdict::Operator);
        assert!(!Patience::default().ends(long.as_bytes(), &gate));
        let other = r#"{"jsonrpc":"2.0","id":"\u006dcpx-1-0","result":{}}"#;
        assert_eq!(judge(&gate, other), Verdict::Pass);
        for (text, may_be) in [("\\u002d", true), ("caf\\u00e9", false), ("\\u00", true)] {
            assert_eq!(has_escapes(text.as_bytes()), may_be, "{text}");
        }
    }

    #[test]
    fn progress_and_subscriptions_of_the_operator_are_kept_from_the_client() {
        let gate = Gate::new(Owner::Client);
        let id = gate.fresh_id();
        let progress = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":1}}}}"#
        );
        let changed = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
        );
        assert_eq!(judge(&gate, &progress), Verdict::Operator);
        assert_eq!(judge(&gate, &changed), Verdict::Operator);
        assert!(gate.awaits(), "the answer itself is still due");
    }

    #[test]
    fn what_only_mentions_an_id_of_ours_is_the_clients() {
        let gate = Gate::new(Owner::Client);
        let id = gate.fresh_id();
        for line in [
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"text":{id}}}}}"#),
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":{id}}}}}"#
            ),
            r#"{"jsonrpc":"2.0","id":"mcpx-9","result":{}}"#.to_owned(),
            format!("{{{id}"),
        ] {
            assert_eq!(judge(&gate, &line), Verdict::Pass, "{line}");
        }
    }

    #[test]
    fn what_breaks_off_is_the_operators_when_it_names_an_id_of_ours() {
        let gate = Gate::new(Owner::Client);
        let judge = |torn: &str| gate.judge_last(torn.as_bytes());
        let early = r#"{"jsonrpc":"2.0","id":"mcpx-1-"#;
        assert_eq!(judge(early), Verdict::Pass, "nothing is due");
        let id = gate.fresh_id();
        let open = id.trim_end_matches('"');
        for ours in [
            format!(r#"{{"jsonrpc":"2.0","id":{id},"res"#),
            format!(r#"{{"result":{{}},"id":{open}"#),
            early.to_owned(),
            format!(r#"{{"method":"notifications/progress","params":{{"progressToken":{id},"#),
            format!("[{{\"id\":{id}}},"),
        ] {
            assert_eq!(judge(&ours), Verdict::Operator, "{ours}");
        }
        for theirs in [
            format!(r#"{{"id":1,"result":{{"text":{id},"#),
            format!(r#"{{"id":{open}0","result":"#),
            r#"{"id":1,"result":"#.to_owned(),
            r#"{"result":{"te"#.to_owned(),
            "mcpx-".to_owned(),
        ] {
            assert_eq!(judge(&theirs), Verdict::Pass, "{theirs}");
        }
        let broken = [early.as_bytes(), b"\xff"].concat();
        assert_eq!(gate.judge_last(&broken), Verdict::Operator);
        let whole = format!(r#"[{{"id":1,"result":{{}}}},{{"id":{id},"result":{{}}}}]"#);
        assert!(matches!(judge(&whole), Verdict::Both(_)));
    }

    #[test]
    fn a_batch_for_both_is_split() {
        let gate = Gate::new(Owner::Client);
        let id = gate.fresh_id();
        let ours = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        let theirs = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let batch = format!("[5, {ours},{theirs} ,{ours}]\r\n");
        let Verdict::Both(split) = judge(&gate, &batch) else {
            panic!("not split");
        };
        assert!(!gate.awaits());
        let batch = batch.as_bytes();
        assert_eq!(split.for_client(batch), format!("[5,{theirs} ]\r\n"));
        assert_eq!(split.for_operator(batch), format!("[ {ours},{ours}]\r\n"));
        assert_eq!(judge(&gate, &format!("[{ours}]")), Verdict::Operator);
        assert_eq!(judge(&gate, &format!("[{theirs},[{ours}]]")), Verdict::Pass);
    }

    #[test]
    fn a_request_in_a_batch_of_the_operators_own_session_waits_for_its_answer() {
        let gate = Gate::new(Owner::Operator);
        let ask = r#"{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{}}"#;
        let ping = r#"{"jsonrpc":"2.0","id":8,"method":"ping"}"#;
        let batch = format!("[{ping},{ask}]");
        let Verdict::Both(split) = judge(&gate, &batch) else {
            panic!("not split");
        };
        assert_eq!(split.for_client(batch.as_bytes()), format!("[{ping}]"));
        assert!(gate.take_asked("7"));
        assert!(!gate.take_asked("8"));
        assert_eq!(judge(&gate, &format!("[{ping}]")), Verdict::Pass);
    }

    #[test]
    fn a_request_in_the_operators_own_session_waits_for_one_answer() {
        let gate = Gate::new(Owner::Operator);
        let request = r#"{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{}}"#;
        assert_eq!(judge(&gate, request), Verdict::Asked);
        assert!(gate.take_asked("7"));
        assert!(!gate.take_asked("7"));
        gate.put_back_asked("7".into());
        assert!(
            gate.take_asked("7"),
            "an answer that was not sent can be given again"
        );
    }

    #[test]
    fn beside_a_clients_session_the_operator_is_asked_and_answered() {
        let gate = Gate::new(Owner::Client);
        let id = gate.fresh_id();
        let aside = |message: &str| gate.judge_aside(message.as_bytes());
        let ask = r#"{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{}}"#;
        assert_eq!(aside(ask), Aside::default());
        assert!(gate.take_asked("7"));
        let ping = r#"{"jsonrpc":"2.0","id":8,"method":"ping"}"#;
        assert_eq!(aside(ping).pings, ["8"]);
        assert!(!gate.take_asked("8"));
        let other = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        assert_eq!(aside(other), Aside::default());
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        let all = aside(&format!("[{answer},{ping},{other},{ask},{ping}]"));
        assert!(all.answers && !gate.awaits() && gate.take_asked("7"));
        assert_eq!(all.pings, ["8", "8"]);
    }

    #[test]
    fn a_ping_in_the_operators_own_session_is_answered_by_its_client() {
        let gate = Gate::new(Owner::Operator);
        let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
        assert_eq!(judge(&gate, ping), Verdict::Pass);
    }
}
