//! The sessions that are open, for those who speak in them beside the client: numbers, gates, and ways in.
//!
//! Knows that a session takes lines; must not know on which transport they travel.

use super::gate::{Gate, Owner};
use super::handshake::Readiness;
use super::pump::Injection;
use crate::tap::{ExchangeId, SessionId};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Ended sessions whose end can still be told to whoever asks for them.
const REMEMBERED: usize = 1024;

/// What a session shares with the operator's desk.
#[derive(Debug)]
pub struct Live {
    pub id: SessionId,
    pub gate: Arc<Gate>,
    /// Lines for the server, between the client's.
    pub injections: mpsc::Sender<Injection>,
    /// The client's handshake is over.
    ready: Readiness,
    /// Why the session takes no more lines, in words.
    closed: Mutex<Option<String>>,
    over: CancellationToken,
}

impl Live {
    pub fn is_ready(&self) -> bool {
        self.ready.is_over()
    }

    /// For whoever watches the handshake.
    pub fn readiness(&self) -> Readiness {
        self.ready.clone()
    }

    pub fn closed(&self) -> Option<String> {
        let closed = self.closed.lock();
        closed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last reason counts: in the end it is the server's exit status.
    pub fn close(&self, reason: &str) {
        let closed = self.closed.lock();
        *closed.unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        self.over.cancel();
    }

    /// Closes it unless it is closed; whether it was open.
    pub fn close_first(&self, reason: &str) -> bool {
        let closed = self.closed.lock();
        let mut closed = closed.unwrap_or_else(PoisonError::into_inner);
        let is_first = closed.is_none();
        closed.get_or_insert_with(|| reason.to_owned());
        self.over.cancel();
        is_first
    }

    /// Cancelled when the session takes no more lines.
    pub fn over(&self) -> CancellationToken {
        self.over.clone()
    }
}

/// Gives out the numbers of sessions and HTTP exchanges, and finds sessions by theirs.
#[derive(Debug, Default)]
pub struct Roster {
    sessions: AtomicU32,
    exchanges: AtomicU64,
    clients: Mutex<BTreeMap<SessionId, Arc<Live>>>,
    /// What every session knows of the server that they share.
    readiness: Readiness,
}

impl Roster {
    /// A new session; a client's can be found by its number from here on.
    pub fn open(&self, owner: Owner) -> (Arc<Live>, mpsc::Receiver<Injection>) {
        let (injections, receiver) = mpsc::channel(16);
        let live = Arc::new(Live {
            id: SessionId(self.sessions.fetch_add(1, Ordering::Relaxed) + 1),
            gate: Arc::new(Gate::new(owner)),
            injections,
            ready: self.readiness.another(),
            closed: Mutex::default(),
            over: CancellationToken::new(),
        });
        if owner == Owner::Client {
            let mut clients = self.clients();
            clients.insert(live.id, live.clone());
            if clients.len() > REMEMBERED {
                let over = clients.iter().find(|(_, live)| live.closed().is_some());
                if let Some(id) = over.map(|(id, _)| *id) {
                    clients.remove(&id);
                }
            }
        }
        (live, receiver)
    }

    pub fn exchange(&self) -> ExchangeId {
        ExchangeId(self.exchanges.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A client's session, also for a while after its end.
    pub fn client(&self, id: SessionId) -> Option<Arc<Live>> {
        self.clients().get(&id).cloned()
    }

    fn clients(&self) -> MutexGuard<'_, BTreeMap<SessionId, Arc<Live>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
