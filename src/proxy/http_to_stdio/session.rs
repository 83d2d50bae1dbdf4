//! A session of the legacy era: one client, one child, and as many HTTP exchanges as the client likes.

mod routes;

use super::answering::Answering;
use super::asked::{self, Accept};
use super::outlet::{Intake, Outlet, outlet};
use super::posted::Posted;
use super::process::{Ears, Process};
use super::refusal::{Refusal, synthetic};
use super::ring::Place;
use super::routed::Routed;
use super::{Ground, Visit};
use crate::mcp::headers::{LAST_EVENT_ID, PROTOCOL_VERSION, SESSION_ID};
use crate::proxy::listener::Response;
use crate::tap::{Body, Closed, Party};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use routes::Routes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The revisions of the era, one of which a client has to name once one is agreed.
const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

#[derive(Debug)]
pub struct Session {
    /// What the client names it by.
    id: String,
    process: Process,
    ground: Arc<Ground>,
    routes: Mutex<Routes>,
}

impl Session {
    /// Starts a child for a client that wants to initialize.
    pub fn open(ground: &Arc<Ground>) -> Result<Arc<Self>, Refusal> {
        let id = random_id()?;
        let (process, started) = Process::spawn(ground)?;
        let session = Arc::new(Self {
            id: id.clone(),
            process,
            ground: ground.clone(),
            routes: Mutex::new(Routes::new(ground.kept())),
        });
        ground.sessions().insert(id, session.clone());
        started.start(session.clone());
        Ok(session)
    }

    /// Takes what the client posts, and answers when the child has.
    pub async fn post(self: Arc<Self>, visit: &Visit, posted: Posted, accept: Accept) -> Response {
        let answering = visit.at(self.process.live.id);
        if let Err(refusal) = self.check_version(&visit.headers) {
            return answering.refuse(&refusal.to(posted.id()));
        }
        if posted.requests.is_empty() {
            let _in_use = self.process.activity.enter();
            self.routes().cancelled(&posted.cancels);
            return match self.process.write(&posted.line).await {
                true => answering.nothing(Party::Server, StatusCode::ACCEPTED),
                false => answering.refuse(&gone()),
            };
        }
        if !self.process.is_open() {
            return answering.refuse(&gone().to(posted.id()));
        }
        let (number, mut intake) = {
            let mut routes = self.routes();
            let number = routes.next();
            let (outlet, intake) = self.outlet(&answering, number, 1);
            let exchange = answering.exchange.clone();
            routes.attach(outlet, exchange, accept, posted.requests.clone());
            (number, intake)
        };
        if !self.process.write(&posted.line).await {
            self.fail(Some(number), "the server reads no more");
        }
        let commit = || self.routes().commit(number);
        let first = intake.first(accept.events, commit).await;
        let headers = self.headers(&posted);
        answering.respond(headers, first, intake)
    }

    /// Opens a stream that listens, or one that goes on where the client has lost another.
    pub fn listen(self: Arc<Self>, visit: &Visit) -> Response {
        let answering = visit.at(self.process.live.id);
        if let Err(refusal) = self.check_version(&visit.headers) {
            return answering.refuse(&refusal);
        }
        let seen = asked::text(&visit.headers, LAST_EVENT_ID).and_then(Place::parse);
        let intake = self.listening(&answering, seen);
        answering.events(HeaderMap::new(), intake)
    }

    fn listening(self: &Arc<Self>, answering: &Answering, seen: Option<Place>) -> Intake {
        let mut routes = self.routes();
        if let Some(seen) = seen.filter(|it| it.stream < routes.next()) {
            let attached = routes.attached(seen.stream) + 1;
            let (outlet, intake) = self.outlet(answering, seen.stream, attached);
            let (missed, lost) = routes.resume(seen, &outlet, &answering.exchange);
            self.tell_resumed(answering, seen, missed, lost);
            return intake;
        }
        let (outlet, intake) = self.outlet(answering, routes.next(), 1);
        let accept = Accept {
            json: false,
            events: true,
        };
        routes.attach(outlet, answering.exchange.clone(), accept, Vec::new());
        intake
    }

    fn tell_resumed(&self, answering: &Answering, seen: Place, missed: usize, lost: bool) {
        let exchange = answering.exchange.id.0;
        let lost = if lost {
            "; older ones are not kept any more"
        } else {
            ""
        };
        self.process.lane.note(format!(
            "HTTP exchange {exchange} goes on after event {}: {missed} messages are sent again{lost}",
            seen.id()
        ));
    }

    /// Ends the session: the client says so.
    pub fn close(&self, visit: &Visit) -> Response {
        self.ground.sessions().remove(&self.id);
        self.process.end();
        let answering = visit.at(self.process.live.id);
        answering.nothing(Party::Sentinel, StatusCode::NO_CONTENT)
    }

    pub fn end(&self) {
        self.process.end();
    }

    /// Both ends of a stream. A client that leaves may come back: that cancels nothing.
    fn outlet(
        self: &Arc<Self>,
        answering: &Answering,
        number: u64,
        attached: u64,
    ) -> (Outlet, Intake) {
        let (session, in_use) = (self.clone(), self.process.activity.enter());
        outlet(answering.exchange.clone(), move || {
            session.routes().left(number, attached);
            drop(in_use);
        })
    }

    fn check_version(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(said) = headers.get(PROTOCOL_VERSION) else {
            return Ok(());
        };
        let said = said.to_str().unwrap_or_default();
        if self.routes().version().is_none_or(|it| it == said) || VERSIONS.contains(&said) {
            return Ok(());
        }
        let words = format!("the version {said:?} is not one of this session's era");
        if self.ground.lenient {
            self.process.lane.note(words);
            return Ok(());
        }
        Err(Refusal::new(StatusCode::BAD_REQUEST, words))
    }

    /// The client learns the session's id with the result of `initialize`.
    fn headers(&self, posted: &Posted) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if posted.is_initialize()
            && !self.routes().refused
            && let Ok(id) = HeaderValue::from_str(&self.id)
        {
            headers.insert(SESSION_ID, id);
        }
        headers
    }

    /// Answers what waits, on one stream or on all, in the child's place.
    fn fail(&self, stream: Option<u64>, why: &str) {
        let mut routes = self.routes();
        for (number, requests) in routes.unanswered(stream) {
            for request in requests {
                let message = Bytes::from(synthetic(&request.id, why));
                let routed = routes.answer_ourselves(number, &request, &message);
                self.process.lane.push(Body::Line {
                    from: Party::Sentinel,
                    to: Party::Client,
                    bytes: message,
                    replay_of: None,
                    via: routed.via.map(Box::new),
                });
            }
        }
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ears for Session {
    fn hear(&self, line: Bytes) -> Routed {
        let mut routes = self.routes();
        let routed = routes.hear(&line);
        let refused = routes.refused;
        drop(routes);
        if refused && self.ground.sessions().remove(&self.id).is_some() {
            // There will be no session: a client that tries again starts over.
            self.process.end();
        }
        routed
    }

    fn over(&self, closed: &Closed) {
        self.ground.sessions().remove(&self.id);
        self.fail(None, &closed.reason);
        self.routes().end();
    }
}

/// What a client is told whose session is over.
pub fn gone() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "there is no such session, or it is over: initialize a new one",
    )
}

/// Visible ASCII that nobody can guess.
pub fn random_id() -> Result<String, Refusal> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| {
        let words = format!("there is no randomness for a session's id: {error}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, words)
    })?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
