//! HTTP clients in front of a stdio server: we are the server of the Streamable HTTP transport, and of the old HTTP+SSE
//! one.
//!
//! One child for each legacy session, one for all modern requests. Here a request finds the one that it is for; nothing
//! in it has a part in what is started.

mod answering;
mod asked;
mod names;
mod old;
mod outlet;
mod posted;
mod process;
mod refusal;
mod ring;
mod routed;
mod session;
mod shared;

use super::Config;
use super::arriving::Pieces;
use super::exchange::Exchange;
use super::listener::{Handler, Limits, Listen, RequestBody, Response};
use super::live::Roster;
use super::mirror::Tools;
use super::stderr::Forwarder;
use super::stdio_to_stdio::Stop;
use crate::mcp::headers::SESSION_ID;
use crate::mcp::methods;
use crate::tap::{self, CLIENT_GONE, ExchangeId, Half, Party, SessionId, Tap};
use crate::wire::framing::on_one_line;
use crate::wire::{Envelope, object};
use answering::Answering;
use asked::Accept;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use old::Old;
use posted::Posted;
use refusal::Refusal;
use session::{Session, gone};
use shared::Shared;
use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

/// Where clients find the server.
const ENDPOINT: &str = "/mcp";
/// Where those of the old transport do.
const OLD_ENDPOINT: &str = "/sse";
/// Bytes of events that are kept for clients that come back, of all sessions together.
const KEPT: usize = 32 * 1024 * 1024;

/// Serves a command to HTTP clients.
#[derive(Debug)]
pub struct Host {
    ground: Arc<Ground>,
    /// The child of the modern era, when there is one.
    shared: Mutex<Option<Arc<Shared>>>,
}

/// What every child stands on.
#[derive(Debug)]
struct Ground {
    command: Vec<OsString>,
    config: Arc<Config>,
    roster: Arc<Roster>,
    tap: Tap,
    stop: watch::Receiver<Stop>,
    limits: Limits,
    lenient: bool,
    sse: bool,
    /// Our own stderr, where the children's goes to it.
    stderr: Mutex<Option<Forwarder>>,
    /// One permit for each child that there may be.
    children: Arc<Semaphore>,
    /// The children that there are.
    tasks: TaskTracker,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    old_sessions: Mutex<HashMap<String, Arc<Old>>>,
    /// The server has shown that it knows the modern era.
    modern: AtomicBool,
    tools: Tools,
}

impl Host {
    pub fn new(
        command: Vec<OsString>,
        listen: &Listen,
        config: Arc<Config>,
        roster: Arc<Roster>,
        tap: Tap,
        stop: watch::Receiver<Stop>,
    ) -> Arc<Self> {
        let forwarder = config.forward_stderr.then(Forwarder::start);
        let ground = Ground {
            command,
            config,
            roster,
            tap,
            stop,
            lenient: listen.lenient,
            sse: listen.sse,
            stderr: Mutex::new(forwarder.and_then(Result::ok)),
            children: Arc::new(Semaphore::new(listen.limits.children)),
            limits: listen.limits.clone(),
            tasks: TaskTracker::new(),
            sessions: Mutex::default(),
            old_sessions: Mutex::default(),
            modern: AtomicBool::default(),
            tools: Tools::default(),
        };
        Arc::new(Self {
            ground: Arc::new(ground),
            shared: Mutex::default(),
        })
    }

    /// Ends every child, politely; returns when they are gone.
    pub async fn close(&self) {
        self.ground.children.close();
        let sessions = std::mem::take(&mut *self.ground.sessions());
        let old = std::mem::take(&mut *self.ground.old_sessions());
        let shared = locked(&self.shared).take();
        for session in sessions.values() {
            session.end();
        }
        for old in old.values() {
            old.end();
        }
        if let Some(shared) = shared {
            shared.end();
        }
        self.ground.tasks.close();
        self.ground.tasks.wait().await;
        let forwarder = locked(&self.ground.stderr).take();
        if let Some(forwarder) = forwarder {
            forwarder.finish().await;
        }
    }

    async fn serve(&self, visit: &mut Visit, body: RequestBody) -> Result<Response, Refusal> {
        match (visit.path.as_str(), &visit.method) {
            (ENDPOINT, &Method::POST) => self.post(visit, body).await,
            (ENDPOINT, &Method::GET) => {
                let session = self.session(visit)?;
                Accept::of(&visit.headers).must_take_events()?;
                Ok(session.listen(visit))
            }
            (ENDPOINT, &Method::DELETE) => Ok(self.session(visit)?.close(visit)),
            (OLD_ENDPOINT, &Method::GET) if self.ground.sse => Old::open(&self.ground, visit),
            (old::MESSAGES, &Method::POST) if self.ground.sse => {
                self.post_to_old(visit, body).await
            }
            (ENDPOINT | OLD_ENDPOINT | old::MESSAGES, _) if visit.is_known(&self.ground) => {
                let methods = match visit.path.as_str() {
                    ENDPOINT => "GET, POST, DELETE",
                    OLD_ENDPOINT => "GET",
                    _ => "POST",
                };
                let words = format!("{} is not for {}", visit.path, visit.method);
                Err(Refusal::method(methods, words))
            }
            _ => Err(Refusal::new(
                StatusCode::NOT_FOUND,
                format!(
                    "there is nothing at {}: the server is at {ENDPOINT}",
                    visit.path
                ),
            )),
        }
    }

    async fn post(&self, visit: &mut Visit, body: RequestBody) -> Result<Response, Refusal> {
        asked::must_be_json(&visit.headers)?;
        let accept = Accept::of(&visit.headers).must_be_possible()?;
        let posted = visit.read(body, self.ground.limits.body).await?;
        let session = self.session(visit);
        // What is said of a session that is none counts for nothing in the modern era.
        if posted.is_modern || session.is_err() && asked::is_modern(&visit.headers) {
            let shared = self.shared().map_err(|it| it.to(posted.id()))?;
            return Ok(shared.post(visit, posted, accept).await);
        }
        let named = visit.headers.contains_key(SESSION_ID);
        let session = if !named && posted.is_initialize() {
            Session::open(&self.ground)
        } else {
            session
        };
        let session = session.map_err(|it| it.to(posted.id()))?;
        Ok(session.post(visit, posted, accept).await)
    }

    async fn post_to_old(&self, visit: &mut Visit, body: RequestBody) -> Result<Response, Refusal> {
        let named = Old::named(visit.query.as_deref()).unwrap_or_default();
        let old = self.ground.old_sessions().get(named).cloned();
        let old = old.ok_or_else(gone)?;
        let posted = visit.read(body, self.ground.limits.body).await?;
        Ok(old.post(visit, &posted).await)
    }

    /// The session that a request names.
    fn session(&self, visit: &Visit) -> Result<Arc<Session>, Refusal> {
        let named = visit.headers.get(SESSION_ID);
        let name = named.map(|it| it.to_str().unwrap_or_default());
        let known = name.and_then(|it| self.ground.sessions().get(it).cloned());
        known.ok_or_else(|| match (&visit.method, named) {
            (&Method::GET | &Method::DELETE, _) if asked::is_modern(&visit.headers) => {
                Refusal::method("POST", "in this era there is only POST")
            }
            (_, Some(_)) => gone(),
            (_, None) => Refusal::new(
                StatusCode::BAD_REQUEST,
                "the header Mcp-Session-Id is missing: a session begins with initialize",
            ),
        })
    }

    /// The child of the modern era, started when there is none.
    fn shared(&self) -> Result<Arc<Shared>, Refusal> {
        let mut shared = locked(&self.shared);
        if let Some(shared) = shared.as_ref().filter(|it| it.is_open()) {
            return Ok(shared.clone());
        }
        let fresh = Shared::open(&self.ground)?;
        *shared = Some(fresh.clone());
        Ok(fresh)
    }
}

impl Handler for Host {
    async fn handle(
        self: Arc<Self>,
        request: http::Request<RequestBody>,
        _peer: SocketAddr,
    ) -> Response {
        if self.ground.tap.is_full() {
            self.ground.tap.ready().await;
        }
        let (head, body) = request.into_parts();
        let mut visit = Visit::new(&self.ground, head);
        if let Some(headers) = asked::preflight(&visit.headers)
            && visit.method == Method::OPTIONS
        {
            visit.always.extend(headers);
            let status = StatusCode::NO_CONTENT;
            return visit.at(SessionId::NONE).nothing(Party::Sentinel, status);
        }
        match self.serve(&mut visit, body).await {
            Ok(response) => response,
            Err(refusal) => visit.at(SessionId::NONE).refuse(&refusal),
        }
    }
}

impl Ground {
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        locked(&self.sessions)
    }

    fn old_sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Old>>> {
        locked(&self.old_sessions)
    }

    fn too_many_children(&self) -> Refusal {
        let words = if self.children.is_closed() {
            "this proxy is being ended".to_owned()
        } else {
            let most = self.limits.children;
            format!("{most} servers run at once here, which is the limit: try again later")
        };
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, words)
    }

    /// Bytes of events that one session keeps.
    fn kept(&self) -> usize {
        KEPT / self.limits.children.max(1)
    }

    fn forward_stderr(&self, chunk: Bytes) {
        if let Some(forwarder) = &mut *locked(&self.stderr) {
            forwarder.forward(chunk);
        }
    }

    fn is_modern(&self) -> bool {
        self.modern.load(Ordering::Acquire)
    }

    /// Looks at an answer to a modern request: whether only a server of the era gives it, and what tools want.
    fn learn(&self, method: &str, answer: &Envelope<'_>) {
        let code = answer
            .error
            .and_then(|error| object::at(error, &["code"]))
            .unwrap_or_default();
        let result = answer.result.unwrap_or_default();
        let discovered = || object::at(result, &["supportedVersions"]).is_some();
        if matches!(code, "-32020" | "-32021" | "-32022")
            || object::at(result, &["resultType"]).is_some()
            || method == methods::DISCOVER && discovered()
        {
            self.modern.store(true, Ordering::Release);
        }
        if method == methods::TOOLS_LIST {
            self.tools.learn(result);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request, before it is known whose it is.
#[derive(Debug)]
struct Visit {
    ground: Arc<Ground>,
    id: ExchangeId,
    method: Method,
    path: String,
    query: Option<String>,
    target: String,
    headers: HeaderMap,
    /// What the response says in any case.
    always: HeaderMap,
    /// What has come of the body so far.
    arriving: Pieces,
    /// What came of it.
    body: Bytes,
    /// Why that is not all of it.
    broken: Option<String>,
    is_on_record: AtomicBool,
}

impl Visit {
    fn new(ground: &Arc<Ground>, head: http::request::Parts) -> Self {
        let target = head.uri.path_and_query();
        Self {
            ground: ground.clone(),
            id: ground.roster.exchange(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            target: target.map_or_else(|| head.uri.to_string(), |it| it.as_str().to_owned()),
            method: head.method,
            always: asked::for_pages(&head.headers),
            headers: head.headers,
            arriving: Pieces::default(),
            body: Bytes::new(),
            broken: None,
            is_on_record: AtomicBool::new(false),
        }
    }

    /// Whether there is something at this path.
    fn is_known(&self, ground: &Ground) -> bool {
        self.path == ENDPOINT || ground.sse
    }

    /// Takes the message out of the body.
    async fn read(&mut self, body: RequestBody, limit: usize) -> Result<Posted, Refusal> {
        let whole = asked::whole(body, limit, &mut self.arriving).await;
        self.body = self.arriving.take();
        self.broken = whole.as_ref().err().map(|it| it.words().to_owned());
        whole?;
        Posted::read(on_one_line(self.body.clone()))
    }

    /// Puts what was asked on record, in the session that it turned out to be for.
    fn at(&self, session: SessionId) -> Answering {
        self.is_on_record.store(true, Ordering::Relaxed);
        let exchange = Exchange {
            tap: self.ground.tap.clone(),
            session,
            id: self.id,
        };
        let (method, headers) = (self.method.clone(), &self.headers);
        exchange.request(tap::Request::new(
            Party::Client,
            method,
            &self.target,
            headers,
        ));
        let body = self.body.clone();
        match &self.broken {
            _ if body.is_empty() => {}
            None => exchange.message(Party::Client, Party::Server, body, None),
            Some(_) => exchange.body(Half::Request, body),
        }
        let bytes = self.body.len() as u64;
        exchange.end(Half::Request, Some(bytes), self.broken.clone());
        Answering::new(exchange, self.always.clone())
    }
}

impl Drop for Visit {
    /// A client that went away before it had said all is answered by nobody.
    fn drop(&mut self) {
        if !self.is_on_record.load(Ordering::Relaxed) {
            self.body = self.arriving.take();
            self.broken = Some(CLIENT_GONE.into());
            drop(self.at(SessionId::NONE));
        }
    }
}
