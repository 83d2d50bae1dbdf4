//! The operator's own session: one more client in front of a server of its own, on a thread of its own.
//!
//! rmcp shakes hands, answers pings and asks for the lists; its bytes go through the same pumps as any client's, so
//! they are recorded as any client's. The server's other requests are not given to it: they wait for the operator.
//! A server of the modern era is asked to say when its lists change.

use super::handshake::HandshakeError;
use super::letter::Letter;
use super::lists::list_everything;
use super::opening::{Opening, Question};
use super::subscriptions::Subscriptions;
use super::{EXPLANATION, refused};
use crate::mcp;
use crate::proxy::child::READING_SHOWS;
use crate::proxy::gate::Owner;
use crate::proxy::handshake::Spoken;
use crate::proxy::live::Live;
use crate::proxy::pump::{Injection, Lane};
use crate::proxy::stdio_to_stdio::{ClientEnd, Stop};
use crate::proxy::{Floor, ProxyError, Upstream};
use crate::tap::{Body, CLIENT_LEFT, Closed, Party, Refused, SessionId};
use rmcp::RoleClient;
use rmcp::model::{ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::{ClientCacheConfig, ClientLifecycleMode, ClientServiceExt, RunningService};
use rmcp::transport::async_rw::AsyncRwTransport;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

const LINE_BYTES: usize = 1 << 30;
const BEGUN_AGAIN: &str = "the server ended when it was asked for its era (server/discover), as some older ones do: it is started once more \
     and begun with initialize; --era legacy does so at once";
const LEFT: &str = "the server closed the connection before the handshake was over";
/// Between two looks at whether the handshake has reached the server, which it does at once.
const GLANCE: Duration = Duration::from_millis(1);

/// The era of a session whose handshake is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Era {
    Legacy,
    /// With the `_meta` that every request must carry: keys, and raw values.
    Modern(Vec<(&'static str, String)>),
}

#[derive(Debug, Clone)]
enum Phase {
    ShakingHands,
    Ready(Era),
    /// The server was gone before the handshake was over.
    Left,
    Failed(String),
    /// The server has answered, and the answer is no.
    Refused(String),
}

#[derive(Debug)]
pub struct Own {
    /// The number that it began with.
    pub first: SessionId,
    live: Current,
    phase: watch::Receiver<Phase>,
    refresh: Arc<Notify>,
    subscriptions: Subscriptions,
    close: CancellationToken,
    ended: CancellationToken,
}

/// The session that it is now: a server that ends at the question for its era is started once more, in another.
type Current = Arc<Mutex<Arc<Live>>>;

/// What the session's thread gets.
struct Parts {
    live: Current,
    floor: Floor,
    /// Ends first.
    before: Option<Arc<Own>>,
    close: CancellationToken,
    phase: Arc<watch::Sender<Phase>>,
    refresh: Arc<Notify>,
    subscriptions: Subscriptions,
}

impl Own {
    /// Starts the session on a thread of its own, which lives as long as its server.
    pub fn open(
        (live, injections): (Arc<Live>, mpsc::Receiver<Injection>),
        floor: Floor,
        before: Option<Arc<Self>>,
        outcome: oneshot::Sender<Result<Closed, ProxyError>>,
    ) -> Self {
        let (phase, phases) = watch::channel(Phase::ShakingHands);
        let first = live.id;
        let live = Arc::new(Mutex::new(live));
        let own = Self {
            first,
            live: live.clone(),
            phase: phases,
            refresh: Arc::default(),
            subscriptions: Subscriptions::default(),
            close: CancellationToken::new(),
            ended: CancellationToken::new(),
        };
        let parts = Parts {
            live,
            floor,
            before,
            close: own.close.clone(),
            phase: Arc::new(phase),
            refresh: own.refresh.clone(),
            subscriptions: own.subscriptions.clone(),
        };
        let ended = own.ended.clone().drop_guard();
        let thread = std::thread::Builder::new()
            .name("operator".into())
            .spawn(move || {
                let _ended = ended;
                // Only `run` may ask, and only for the first session.
                let _ = outcome.send(parts.run(injections));
            });
        if thread.is_err() {
            own.ended.cancel();
        }
        own
    }

    pub fn live(&self) -> Arc<Live> {
        current(&self.live)
    }

    /// Waits for the handshake; refuses when it failed or the session is over.
    pub async fn ready(&self) -> Result<Era, Refused> {
        let mut phase = self.phase.clone();
        let settled = phase
            .wait_for(|phase| !matches!(phase, Phase::ShakingHands))
            .await
            .map(|phase| phase.clone());
        match settled {
            Ok(Phase::Ready(era)) => return Ok(era),
            Ok(Phase::Refused(reason)) => return refused(reason),
            _ => {}
        }
        let _ = tokio::time::timeout(EXPLANATION, self.ended.cancelled()).await;
        let end = self.live().closed();
        match (settled, end) {
            (Ok(Phase::Failed(reason)), Some(end)) => Err(Refused(reason).explained(&end)),
            (Ok(Phase::Failed(reason)), None) => refused(reason),
            (_, Some(end)) if end != CLIENT_LEFT => {
                refused(format!("{end} before the handshake was over"))
            }
            (Ok(Phase::Left), _) => refused(LEFT),
            _ => refused("the operator's session could not be started"),
        }
    }

    /// It is over, and not about to begin once more.
    pub fn is_over(&self) -> bool {
        let begins = matches!(*self.phase.borrow(), Phase::ShakingHands);
        self.live().closed().is_some() && (!begins || self.ended.is_cancelled())
    }

    /// It is over, and was of use before.
    pub fn is_spent(&self) -> bool {
        let was_ready = matches!(*self.phase.borrow(), Phase::Ready(_));
        was_ready && self.live().closed().is_some()
    }

    /// Notes what was sent to it: subscriptions are ended before the session is.
    pub fn sent(&self, letter: &Letter) {
        self.subscriptions.sent(letter, &self.live().gate);
    }

    /// Asks the server for its lists again.
    pub fn refresh(&self) {
        self.refresh.notify_one();
    }

    pub fn close(&self) {
        self.close.cancel();
    }

    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

impl Parts {
    fn run(mut self, injections: mpsc::Receiver<Injection>) -> Result<Closed, ProxyError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(starting)?;
        let closed = runtime.block_on(async {
            if let Some(before) = self.before.take() {
                before.ended().await;
            }
            if !self.is_wanted() {
                let reason = "the session is being ended".to_owned();
                current(&self.live).close(&reason);
                return Ok(Closed {
                    reason,
                    ..Closed::default()
                });
            }
            let question = Question::default();
            let era = self.floor.config.era;
            let closed = self.converse(injections, era, &question).await;
            if !(closed.is_ok() && question.was_last_heard() && self.may_begin_again()) {
                return closed;
            }
            let (live, injections) = self.floor.roster.open(Owner::Operator);
            let lane = self.lane(&live);
            *self.live.lock().unwrap_or_else(PoisonError::into_inner) = live;
            note(&lane, BEGUN_AGAIN.to_owned());
            self.converse(injections, Some(mcp::Era::Legacy), &question)
                .await
        });
        runtime.shutdown_background();
        closed
    }

    /// Whether nobody wants it to end, and the handshake has come to nothing: no answer that says no, either.
    fn may_begin_again(&self) -> bool {
        let is_open = matches!(*self.phase.borrow(), Phase::ShakingHands);
        is_open && self.is_wanted()
    }

    /// Whether nobody has told it to end.
    fn is_wanted(&self) -> bool {
        !self.close.is_cancelled() && *self.floor.stop.borrow() == Stop::No
    }

    fn lane(&self, live: &Live) -> Lane {
        Lane {
            tap: self.floor.tap.clone(),
            session: live.id,
            from: Party::Operator,
        }
    }

    /// One session, until its end, and what becomes of the question for the era when it is asked.
    async fn converse(
        &self,
        injections: mpsc::Receiver<Injection>,
        era: Option<mcp::Era>,
        question: &Question,
    ) -> Result<Closed, ProxyError> {
        let (ours, theirs) = UnixStream::pair().map_err(starting)?;
        let live = current(&self.live);
        let mut floor = self.floor.clone();
        let (lifecycle, versions) = lifecycle(era, live.readiness().spoken());
        let asks = matches!(lifecycle, ClientLifecycleMode::Auto { .. });
        let is_child = matches!(floor.config.upstream, Upstream::Command(_));
        let heard = (asks && is_child && READING_SHOWS).then(|| question.heard.clone());
        let side = Side {
            identity: identity(floor.config.unattended),
            unattended: floor.config.unattended,
            era: floor.config.era,
            lane: self.lane(&live),
            live: live.clone(),
            lifecycle,
            versions,
            heard: heard.clone(),
            begun: question.begun.clone(),
            subscriptions: self.subscriptions.clone(),
        };
        let farewell = self.subscriptions.clone().end(live.clone());
        let (phase, refresh) = (self.phase.clone(), self.refresh.clone());
        let operator = tokio::spawn(side.converse(theirs, phase, refresh));
        floor.stop = either(floor.stop, self.close.clone(), farewell);
        let client = ClientEnd::Operator {
            socket: ours,
            heard,
        };
        let closed = floor.session(live, injections, client).await;
        operator.abort();
        closed
    }
}

fn starting(source: io::Error) -> ProxyError {
    ProxyError::Io {
        what: "cannot start the operator's session",
        source,
    }
}

fn current(live: &Current) -> Arc<Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// One receiver for both ways in which an own session is told to end, each after the farewell.
fn either(
    mut stop: watch::Receiver<Stop>,
    close: CancellationToken,
    farewell: impl Future<Output = ()> + Send + 'static,
) -> watch::Receiver<Stop> {
    let (sender, receiver) = watch::channel(Stop::No);
    tokio::spawn(async move {
        let mut closed = false;
        let mut farewell = Some(Box::pin(farewell));
        loop {
            let order = tokio::select! {
                Ok(()) = stop.changed() => *stop.borrow_and_update(),
                () = close.cancelled(), if !closed => {
                    closed = true;
                    Stop::Politely
                }
                () = sender.closed() => return,
            };
            if let Some(farewell) = farewell.take() {
                farewell.await;
            }
            if sender.send(order).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The operator's side of the conversation.
struct Side {
    identity: ClientConfig,
    /// Nobody looks at lists that were not asked for by an order.
    unattended: bool,
    era: Option<mcp::Era>,
    lane: Lane,
    live: Arc<Live>,
    lifecycle: ClientLifecycleMode,
    /// The modern versions that will do.
    versions: Vec<ProtocolVersion>,
    /// Cancelled when the server has read the question for its era, where it is asked and that can be known.
    heard: Option<CancellationToken>,
    /// Cancelled when `initialize` goes out.
    begun: CancellationToken,
    subscriptions: Subscriptions,
}

impl Side {
    /// The handshake, then the lists, once and whenever they are asked for; without an operator, the handshake alone.
    async fn converse(
        self,
        socket: UnixStream,
        phase: Arc<watch::Sender<Phase>>,
        refresh: Arc<Notify>,
    ) {
        let client = match self.shake_hands(socket).await {
            Ok(client) => client,
            Err(error) if error.is_end() => {
                if self.heard.is_some() {
                    // Its end, when it comes, decides whether it is started once more.
                    tokio::time::sleep(EXPLANATION).await;
                }
                note(&self.lane, LEFT.to_owned());
                let _ = phase.send(Phase::Left);
                return;
            }
            Err(error) => {
                let advice = error.advice(self.era);
                let reason = format!("the handshake with the server failed: {error}{advice}");
                note(&self.lane, reason.clone());
                let _ = phase.send(match error.is_answer() {
                    true => Phase::Refused(reason),
                    false => Phase::Failed(reason),
                });
                return;
            }
        };
        client
            .set_response_cache_config(ClientCacheConfig::disabled())
            .await;
        let era = self.era_of(&client);
        if era == Era::Legacy {
            self.introduced().await;
        }
        // Nobody may be waiting.
        let _ = phase.send(Phase::Ready(era.clone()));
        if !self.unattended {
            let (peer, subscriptions) = (client.peer(), &self.subscriptions);
            subscriptions
                .begin(peer, &self.live, &self.lane, &era)
                .await;
        }
        loop {
            if !self.unattended {
                list_everything(client.peer(), &self.lane).await;
            }
            refresh.notified().await;
        }
    }

    /// Returns when the server has been told that the handshake is over: rmcp has said so, but what the operator sends
    /// takes a shorter way and must not overtake it.
    async fn introduced(&self) {
        while !self.live.is_ready() && self.live.closed().is_none() {
            tokio::time::sleep(GLANCE).await;
        }
    }

    async fn shake_hands(&self, socket: UnixStream) -> Result<Client, HandshakeError> {
        socket.set_nonblocking(true)?;
        let (read, write) = tokio::net::UnixStream::from_std(socket)?.into_split();
        let transport = AsyncRwTransport::new_client(read, write).with_max_line_length(LINE_BYTES);
        let transport = Opening::new(
            transport,
            self.heard.clone(),
            self.begun.clone(),
            self.versions.clone(),
        );
        let client = self.identity.clone();
        let client = client
            .serve_with_lifecycle(transport, self.lifecycle.clone())
            .await;
        Ok(client.map_err(Box::new)?)
    }

    fn era_of(&self, client: &Client) -> Era {
        let version = client.peer_info().map(|info| info.protocol_version.clone());
        let Some(version) = version.filter(|version| !version.has_initialize()) else {
            return Era::Legacy;
        };
        let metadata = [
            (
                "io.modelcontextprotocol/protocolVersion",
                serde_json::to_string(&version).ok(),
            ),
            (
                "io.modelcontextprotocol/clientInfo",
                serde_json::to_string(&self.identity.client_info).ok(),
            ),
            (
                "io.modelcontextprotocol/clientCapabilities",
                serde_json::to_string(&self.identity.capabilities).ok(),
            ),
        ];
        let known = |(key, value): (&'static str, Option<String>)| value.map(|value| (key, value));
        Era::Modern(metadata.into_iter().filter_map(known).collect())
    }
}

/// The era that was chosen; else that which the server was seen to speak, in this session's like or a client's; else the
/// server is asked. One that was spoken to in the modern era is asked in any case: for what it offers, and it may be of
/// old. With the modern versions that will do.
fn lifecycle(
    era: Option<mcp::Era>,
    spoken: Option<Spoken>,
) -> (ClientLifecycleMode, Vec<ProtocolVersion>) {
    let mut versions = vec![ProtocolVersion::LATEST];
    let lifecycle = match (era, spoken) {
        (Some(mcp::Era::Legacy), _) | (None, Some(Spoken::Legacy)) => {
            ClientLifecycleMode::Initialize
        }
        (Some(mcp::Era::Modern), _) => ClientLifecycleMode::Discover {
            preferred_versions: versions.clone(),
        },
        (None, spoken) => {
            if let Some(Spoken::Modern(version)) = spoken {
                let version = serde_json::from_value(version.into()).ok();
                let version = version.filter(|it: &ProtocolVersion| !it.has_initialize());
                versions.splice(0..0, version);
            }
            ClientLifecycleMode::Auto {
                preferred_versions: versions.clone(),
                legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
            }
        }
    };
    (lifecycle, versions)
}

#[expect(
    deprecated,
    reason = "roots and sampling are deprecated in the modern era and alive in the legacy one"
)]
fn identity(unattended: bool) -> ClientConfig {
    let mut capabilities = ClientCapabilities::builder()
        .enable_roots()
        .enable_sampling()
        .enable_elicitation()
        .build();
    if unattended {
        // Everything else can be declined; a modern server's wish for a sample cannot.
        capabilities.sampling = None;
    }
    let name = Implementation::new("mcp-sentinel", env!("CARGO_PKG_VERSION"));
    ClientConfig::new(capabilities, name)
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
}

type Client = RunningService<RoleClient, ClientConfig>;

pub(super) fn note(lane: &Lane, text: String) {
    lane.push(Body::Note { text });
    lane.tap.wake();
}
