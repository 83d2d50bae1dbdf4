//! Which session an exchange belongs to.
//!
//! A session is what a session id names, what an old event stream serves, or what `initialize` began without either.
//! Everything else, which all modern requests are, shares one.

use super::operator::{self, Calls, Desk, Habits};
use crate::mcp::{headers, methods};
use crate::proxy::gate::Owner;
use crate::proxy::handshake::Spoken;
use crate::proxy::live::Live;
use crate::tap::{Body, Closed, Event, Opened, Timestamp};
use crate::wire::object;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Sessions at once; beyond, those that were quiet for longest are forgotten.
const SESSIONS: usize = 4096;
/// How many are forgotten at a time.
const FORGOTTEN: usize = SESSIONS / 8;

#[derive(Debug)]
pub struct Session {
    pub live: Arc<Live>,
    /// How its client sends.
    habits: Mutex<Habits>,
    calls: Mutex<Calls>,
    /// When it was last used, counted in visits.
    used: AtomicU64,
    /// Its `initialize` was not answered with success.
    refused: AtomicBool,
    /// What the server is spoken to was told.
    has_spoken: AtomicBool,
}

impl Session {
    pub fn habits(&self) -> MutexGuard<'_, Habits> {
        self.habits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ready(&self) {
        self.live.readiness().set_over();
    }

    /// A message of the client's was taken, in the version that it names; those of old do not.
    fn was_spoken(&self) {
        if self.has_spoken.load(Ordering::Relaxed) {
            return;
        }
        let spoken = match self.habits().version() {
            Some(version) if headers::is_modern(version.as_bytes()) => {
                Spoken::Modern(version.to_owned())
            }
            Some(_) => Spoken::Legacy,
            None => return,
        };
        self.has_spoken.store(true, Ordering::Relaxed);
        self.live.readiness().set_spoken(spoken);
    }
}

/// What an exchange means to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Initialize,
    /// A message that is not the first.
    Post,
    /// A stream that nobody asked for in a session: it may turn out to be one of the old transport.
    Stream,
    Delete,
    Other,
}

/// An exchange, in its session.
#[derive(Debug)]
pub struct Visit {
    pub session: Arc<Session>,
    pub role: Role,
    /// The session has an id, and the request named it.
    named: Option<HeaderValue>,
    /// Path and query of the request.
    target: String,
    sessions: Weak<Sessions>,
    is_answered: AtomicBool,
    /// It is a stream of the old transport.
    is_old: AtomicBool,
}

#[derive(Debug)]
pub struct Sessions {
    me: Weak<Self>,
    desk: Arc<Desk>,
    visits: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<Box<[u8]>, Arc<Session>>,
    by_endpoint: HashMap<String, Arc<Session>>,
    /// The newest that `initialize` began and that has no id.
    nameless: Option<Arc<Session>>,
    shared: Option<Arc<Session>>,
}

impl Known {
    fn forget_closed(&mut self) {
        let is_open = |session: &Arc<Session>| session.live.closed().is_none();
        self.by_id.retain(|_, session| is_open(session));
        self.by_endpoint.retain(|_, session| is_open(session));
        self.nameless = self.nameless.take().filter(is_open);
    }
}

impl Sessions {
    pub fn new(desk: Desk) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            desk: Arc::new(desk),
            visits: AtomicU64::new(0),
            known: Mutex::default(),
        })
    }

    /// The session of a request, of whose body `beginning` is at hand.
    pub fn visit(&self, head: &Parts, target: &str, beginning: &[u8]) -> Arc<Visit> {
        let named = head.headers.get(headers::SESSION_ID);
        let (session, role) = {
            let mut known = self.known();
            match named {
                Some(id) => (self.named(&mut known, id.as_bytes()), role_of(&head.method)),
                None => self.unnamed(&mut known, head, target, beginning),
            }
        };
        let now = self.visits.fetch_add(1, Ordering::Relaxed);
        session.used.store(now, Ordering::Relaxed);
        if head.method == Method::POST {
            session.habits().note(target, &head.headers);
        }
        Arc::new(Visit {
            session,
            role,
            named: named.cloned(),
            target: target.to_owned(),
            sessions: self.me.clone(),
            is_answered: AtomicBool::new(false),
            is_old: AtomicBool::new(false),
        })
    }

    fn named(&self, known: &mut Known, id: &[u8]) -> Arc<Session> {
        if let Some(session) = known.by_id.get(id) {
            return session.clone();
        }
        // It began before we were there, and is past its handshake.
        let session = self.open(known);
        session.ready();
        known.by_id.insert(id.into(), session.clone());
        session
    }

    fn unnamed(
        &self,
        known: &mut Known,
        head: &Parts,
        target: &str,
        beginning: &[u8],
    ) -> (Arc<Session>, Role) {
        let role = role_of(&head.method);
        if role == Role::Post {
            if let Some(session) = known.by_endpoint.get(target) {
                return (session.clone(), role);
            }
            if is_initialize(beginning) {
                // A client that was sent away for a token comes back with one.
                let again = known
                    .nameless
                    .take_if(|it| it.refused.load(Ordering::Relaxed));
                let session = again.unwrap_or_else(|| self.open(known));
                return (session, Role::Initialize);
            }
        }
        let is_modern = is_modern(&head.headers);
        if let Some(session) = known.nameless.as_ref().filter(|_| !is_modern)
            && (role == Role::Post
                || session.refused.load(Ordering::Relaxed)
                || session.habits().target == target)
        {
            return (session.clone(), role);
        }
        if head.method == Method::GET && accepts_events(&head.headers) {
            return (self.open(known), Role::Stream);
        }
        let session = match &known.shared {
            Some(session) => session.clone(),
            None => {
                let session = self.open(known);
                known.shared.insert(session).clone()
            }
        };
        if is_modern {
            session.ready();
        }
        (session, role)
    }

    fn open(&self, known: &mut Known) -> Arc<Session> {
        if known.by_id.len() + known.by_endpoint.len() >= SESSIONS {
            self.forget_some(known);
        }
        let (live, injections) = self.desk.roster.open(Owner::Client);
        let session = Arc::new(Session {
            live,
            habits: Mutex::default(),
            calls: Mutex::default(),
            used: AtomicU64::new(0),
            refused: AtomicBool::new(false),
            has_spoken: AtomicBool::new(false),
        });
        self.push(
            &session,
            Body::Opened(Opened {
                by: "client".into(),
                transport: "http".into(),
                pid: None,
            }),
        );
        self.desk.runtime.spawn(operator::serve(
            Arc::downgrade(&session),
            session.live.over(),
            injections,
            self.desk.clone(),
        ));
        session
    }

    /// Forgets sessions that nothing was heard of for longest, and that have no exchange under way.
    fn forget_some(&self, known: &mut Known) {
        let mut quiet: Vec<(u64, Arc<Session>)> = known
            .by_id
            .values()
            .chain(known.by_endpoint.values())
            .filter(|session| Arc::strong_count(session) == 1)
            .map(|session| (session.used.load(Ordering::Relaxed), session.clone()))
            .collect();
        quiet.sort_unstable_by_key(|(used, _)| *used);
        quiet.truncate(FORGOTTEN);
        for (_, session) in quiet {
            self.close(&session, "nothing was heard of it for long");
        }
        known.forget_closed();
    }

    /// Says that a session is over; only the first time counts.
    fn close(&self, session: &Session, reason: &str) {
        if session.live.close_first(reason) {
            self.push(
                session,
                Body::Closed(Closed {
                    reason: reason.to_owned(),
                    ..Closed::default()
                }),
            );
        }
    }

    fn push(&self, session: &Session, body: Body) {
        if self.desk.tap.is_enabled() {
            self.desk.tap.push(Event {
                at: Timestamp::now(),
                session: session.live.id,
                body,
            });
            self.desk.bell.ring();
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        let known = std::mem::take(&mut *self.known());
        let all = known.by_id.values().chain(known.by_endpoint.values());
        let rest = known.nameless.iter().chain(&known.shared);
        for session in all.chain(rest) {
            self.close(session, "the proxy was stopped");
        }
    }
}

impl Visit {
    /// Learns from the head of the response.
    pub fn answered(&self, status: StatusCode, response: &HeaderMap) {
        let Some(sessions) = self.sessions.upgrade() else {
            return;
        };
        let session = &self.session;
        self.is_answered.store(true, Ordering::Relaxed);
        match self.role {
            Role::Initialize => sessions.begun(session, status, response),
            Role::Post if status.is_success() => {
                session.was_spoken();
                session.ready();
            }
            Role::Delete if status.is_success() && self.named.is_some() => {
                sessions.end(session, "the client ended it");
            }
            Role::Stream if !(status.is_success() && is_event_stream(response)) => {
                let reason = format!("its event stream was answered with {}", status.as_u16());
                sessions.end(session, &reason);
            }
            _ => {}
        }
        if status == StatusCode::NOT_FOUND
            && self.named.is_some()
            && session.habits().target == self.target
        {
            sessions.end(session, "the server does not know it any more");
        }
    }

    /// The old transport's stream has said where its messages go.
    pub fn endpoint(&self, target: String) {
        let Some(sessions) = self.sessions.upgrade() else {
            return;
        };
        self.is_old.store(true, Ordering::Relaxed);
        self.session.habits().target.clone_from(&target);
        let mut known = sessions.known();
        let is_this = |it: &mut Arc<Session>| Arc::ptr_eq(it, &self.session);
        known.nameless.take_if(is_this);
        known.by_endpoint.insert(target, self.session.clone());
    }

    /// Path and query of the request.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whether the response may be a stream of the old transport, which knows no ids.
    pub fn may_be_old(&self) -> bool {
        self.named.is_none()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let Some(sessions) = self.sessions.upgrade() else {
            return;
        };
        // An old transport's session is its stream.
        if self.role == Role::Stream || self.is_old.load(Ordering::Relaxed) {
            sessions.end(&self.session, "its event stream ended");
        }
        if self.role == Role::Initialize && !self.is_answered.load(Ordering::Relaxed) {
            sessions.end(&self.session, "its initialize was not answered");
        }
    }
}

impl Sessions {
    /// An `initialize` was answered: from here on the session can be found.
    fn begun(&self, session: &Arc<Session>, status: StatusCode, response: &HeaderMap) {
        let mut known = self.known();
        let accepted = status.is_success();
        session.refused.store(!accepted, Ordering::Relaxed);
        match response.get(headers::SESSION_ID).filter(|_| accepted) {
            Some(id) => {
                known.by_id.insert(id.as_bytes().into(), session.clone());
            }
            None => {
                let last = known.nameless.replace(session.clone());
                if let Some(last) = last.filter(|last| !Arc::ptr_eq(last, session)) {
                    self.close(&last, "a newer session without an id has begun");
                }
            }
        }
    }

    fn end(&self, session: &Arc<Session>, reason: &str) {
        self.close(session, reason);
        self.known().forget_closed();
    }
}

fn role_of(method: &Method) -> Role {
    match *method {
        Method::POST => Role::Post,
        Method::DELETE => Role::Delete,
        _ => Role::Other,
    }
}

/// Whether a body, or the beginning of one, is an `initialize` request.
fn is_initialize(beginning: &[u8]) -> bool {
    memchr::memmem::find(beginning, b"\"initialize\"").is_some() && {
        let text = match std::str::from_utf8(beginning) {
            Ok(text) => text,
            Err(error) => {
                std::str::from_utf8(&beginning[..error.valid_up_to()]).unwrap_or_default()
            }
        };
        object::string_at(text, &["method"]).as_deref() == Some(methods::INITIALIZE)
    }
}

fn is_modern(headers: &HeaderMap) -> bool {
    headers.contains_key(headers::METHOD)
        || headers
            .get(headers::PROTOCOL_VERSION)
            .is_some_and(|version| headers::is_modern(version.as_bytes()))
}

/// Whether an event stream is asked for.
pub fn accepts_events(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|value| {
        memchr::memmem::find(&value.as_bytes().to_ascii_lowercase(), b"text/event-stream").is_some()
    })
}

/// Whether a response is an event stream.
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
        media_type
            .trim_ascii()
            .eq_ignore_ascii_case(b"text/event-stream")
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::bell::Bell;
    use super::*;
    use crate::proxy::http_client::{Client, Origin};
    use crate::tap::Tap;

    pub(in super::super) fn sessions() -> Arc<Sessions> {
        let origin = Origin::at("http://127.0.0.1:1/mcp".parse().unwrap());
        let tap = Tap::disabled();
        Sessions::new(Desk {
            client: Client::new(Arc::new(origin)).unwrap(),
            roster: Arc::default(),
            bell: Bell::hang(tap.clone()),
            tap,
            tools: crate::proxy::mirror::Tools::default(),
            runtime: tokio::runtime::Handle::current(),
        })
    }

    pub(in super::super) fn post(sessions: &Sessions, id: usize) -> Arc<Visit> {
        let request = http::Request::post("/mcp").header(headers::SESSION_ID, id);
        let (head, ()) = request.body(()).unwrap().into_parts();
        sessions.visit(&head, "/mcp", b"{}")
    }

    #[tokio::test]
    async fn sessions_that_are_quiet_for_longest_are_forgotten_unless_they_are_in_use() {
        let sessions = sessions();
        let in_use = post(&sessions, 0);
        let first = post(&sessions, 1).session.live.clone();
        for id in 2..SESSIONS {
            post(&sessions, id);
        }
        let second = post(&sessions, 2).session.live.clone();
        assert_eq!(first.closed(), None);
        post(&sessions, SESSIONS);
        assert_eq!(sessions.known().by_id.len(), SESSIONS - FORGOTTEN + 1);
        assert!(first.closed().is_some());
        assert_eq!(in_use.session.live.closed(), None);
        assert_eq!(second.closed(), None);
    }

    #[test]
    fn an_initialize_is_known_by_its_method_also_when_its_end_is_missing() {
        for (body, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#,
                true,
            ),
            (r#"{"method" : "initialize", "params":{"a":"b"#, true),
            (
                r#"{"method":"tools/call","params":{"name":"initialize"}}"#,
                false,
            ),
            (r#"{"params":{"method":"initialize"},"method":"x"}"#, false),
            (r#"["initialize"]"#, false),
        ] {
            assert_eq!(is_initialize(body.as_bytes()), expected, "{body}");
        }
    }
}
