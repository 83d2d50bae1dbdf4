//! The viewer's end of the link.

use super::{LONGEST_LINE, Request, Said, to_line};
use crate::tap::{Health, Order, Orders, Pulse, Refused, Reply};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// A connection to a live proxy.
#[derive(Debug, Clone)]
pub struct Link {
    /// Orders sent here travel over the socket; when the proxy is gone they are refused, saying so.
    pub orders: Orders,
    /// How the proxy's recording goes.
    pub pulse: Pulse,
    /// Cancelled when the proxy is gone.
    pub gone: CancellationToken,
}

/// Connects to a proxy's socket. The link lives as long as a clone of its `orders`, and as the runtime it was made on.
pub async fn connect(socket: &Path) -> io::Result<Link> {
    let (reading, writing) = UnixStream::connect(socket).await?.into_split();
    let (orders, received) = mpsc::channel(64);
    let health = watch::Sender::default();
    let gone = CancellationToken::new();
    let unanswered = Arc::new(Unanswered::default());
    let link = Link {
        orders,
        pulse: Pulse::of(&health),
        gone: gone.clone(),
    };
    tokio::spawn(listen(reading, unanswered.clone(), health, gone.clone()));
    tokio::spawn(write_commands(writing, received, unanswered, gone));
    Ok(link)
}

/// Commands sent and not answered yet, by their id on the socket; `None` once the proxy is gone.
#[derive(Debug)]
struct Unanswered(Mutex<Option<HashMap<u64, Outcome>>>);

/// Where the outcome of one command is awaited.
type Outcome = oneshot::Sender<Result<Reply, Refused>>;

impl Default for Unanswered {
    fn default() -> Self {
        Self(Mutex::new(Some(HashMap::new())))
    }
}

impl Unanswered {
    /// Remembers who waits; hands it back when the proxy is gone already.
    fn add(&self, id: u64, outcome: Outcome) -> Option<Outcome> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(waiting) => {
                waiting.insert(id, outcome);
                None
            }
            None => Some(outcome),
        }
    }

    fn settle(&self, id: u64, result: Result<Reply, Refused>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = waiting.as_mut().and_then(|waiting| waiting.remove(&id)) {
            // Whoever asked may have stopped waiting.
            let _ = outcome.send(result);
        }
    }

    fn refuse_all(&self) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        for outcome in waiting.into_iter().flat_map(HashMap::into_values) {
            let _ = outcome.send(Err(refusal()));
        }
    }
}

fn refusal() -> Refused {
    Refused("the connection to the proxy has ended".to_owned())
}

async fn listen(
    reading: OwnedReadHalf,
    unanswered: Arc<Unanswered>,
    health: watch::Sender<Health>,
    gone: CancellationToken,
) {
    let mut reading = BufReader::new(reading);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut reading).take(LONGEST_LINE as u64);
        match limited.read_until(b'\n', &mut line).await {
            Ok(length) if length > 0 => {}
            _ => break,
        }
        match serde_json::from_slice::<Said>(&line) {
            Ok(Said::Response(it)) => unanswered.settle(it.id, it.outcome.into()),
            Ok(Said::Health { health: new }) => drop(health.send_replace(new)),
            Err(_) => break,
        }
    }
    gone.cancel();
    unanswered.refuse_all();
}

async fn write_commands(
    mut writing: OwnedWriteHalf,
    mut orders: mpsc::Receiver<Order>,
    unanswered: Arc<Unanswered>,
    gone: CancellationToken,
) {
    let mut id = 0;
    while let Some(order) = orders.recv().await {
        id += 1;
        if let Some(outcome) = unanswered.add(id, order.outcome) {
            let _ = outcome.send(Err(refusal()));
            continue;
        }
        let command = order.command;
        let line = match to_line(&Request { id, command }) {
            Ok(line) if line.len() <= LONGEST_LINE => line,
            _ => {
                let reason = "the message is too long to travel to the proxy".to_owned();
                unanswered.settle(id, Err(Refused(reason)));
                continue;
            }
        };
        tokio::select! {
            // A write to a dead socket fails; to a stopped proxy it waits, until that is gone too.
            _ = writing.write_all(&line) => {}
            () = gone.cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::registry::Entry;
    use crate::link::server::{Offer, Server};
    use crate::link::short_directory;
    use crate::tap::{Command, SessionId};
    use std::path::PathBuf;

    struct Proxy {
        directory: tempfile::TempDir,
        received: mpsc::Receiver<Order>,
        health: watch::Sender<Health>,
        shutdown: CancellationToken,
    }

    impl Proxy {
        fn start() -> Self {
            let directory = short_directory();
            let (orders, received) = mpsc::channel(64);
            let shutdown = CancellationToken::new();
            let health = watch::Sender::default();
            let server = Server::bind(&directory.path().join("p.sock")).unwrap();
            let offer = Offer {
                entry: Entry::default(),
                orders,
                pulse: Pulse::of(&health),
                recorded: CancellationToken::new(),
            };
            tokio::spawn(server.serve(offer, shutdown.clone()));
            Self {
                directory,
                received,
                health,
                shutdown,
            }
        }
        fn socket(&self) -> PathBuf {
            self.directory.path().join("p.sock")
        }
    }

    async fn send(orders: &Orders, command: Command) -> oneshot::Receiver<Result<Reply, Refused>> {
        let (outcome, answer) = oneshot::channel();
        orders.send(Order { command, outcome }).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_command_comes_out_as_it_went_in_and_so_does_its_outcome() {
        let mut proxy = Proxy::start();
        let link = connect(&proxy.socket()).await.unwrap();
        let command = Command::Send {
            route: crate::tap::Route::Session(SessionId(1)),
            message: "{\"id\":1.0,\"z\":\"\\u00e9\\n\"}".to_owned(),
            replay_of: Some(12),
        };
        let answer = send(&link.orders, command.clone()).await;

        let order = proxy.received.recv().await.unwrap();
        assert_eq!(order.command, command);
        let reply = Reply::Sent {
            session: SessionId(1),
            id: Some("\"a\"".to_owned()),
        };
        order.outcome.send(Ok(reply.clone())).unwrap();
        assert_eq!(answer.await.unwrap(), Ok(reply));
    }

    #[tokio::test]
    async fn outcomes_find_their_command_in_any_order() {
        let mut proxy = Proxy::start();
        let link = connect(&proxy.socket()).await.unwrap();
        let first = send(&link.orders, Command::Refresh).await;
        let second = send(&link.orders, Command::CloseOperator).await;
        let mut orders = [
            proxy.received.recv().await.unwrap(),
            proxy.received.recv().await.unwrap(),
        ];
        orders.sort_by_key(|order| order.command == Command::Refresh);
        for order in orders {
            let outcome = match order.command {
                Command::Refresh => Err(Refused("no server".to_owned())),
                _ => Ok(Reply::Done),
            };
            order.outcome.send(outcome).unwrap();
        }
        assert_eq!(first.await.unwrap(), Err(Refused("no server".to_owned())));
        assert_eq!(second.await.unwrap(), Ok(Reply::Done));
    }

    #[tokio::test]
    async fn when_the_proxy_goes_every_command_is_refused_in_words() {
        let mut proxy = Proxy::start();
        let link = connect(&proxy.socket()).await.unwrap();
        let waiting = send(&link.orders, Command::Refresh).await;
        let _never_answered = proxy.received.recv().await.unwrap();
        proxy.shutdown.cancel();

        assert_eq!(waiting.await.unwrap(), Err(refusal()));
        link.gone.cancelled().await;
        let later = send(&link.orders, Command::Refresh).await;
        assert_eq!(later.await.unwrap(), Err(refusal()));
    }

    #[tokio::test]
    async fn every_viewer_learns_how_recording_goes_whenever_it_comes() {
        let proxy = Proxy::start();
        let trouble = |reason: &str| Health {
            trouble: Some(reason.to_owned()),
            lost: 14,
        };
        let learns = async |link: &mut Link, health: Health| {
            let waiting = async { while link.pulse.next().await != health {} };
            let patience = std::time::Duration::from_secs(10);
            tokio::time::timeout(patience, waiting).await.unwrap();
        };
        let mut early = connect(&proxy.socket()).await.unwrap();
        proxy.health.send_replace(trouble("disk full"));
        learns(&mut early, trouble("disk full")).await;
        let mut late = connect(&proxy.socket()).await.unwrap();
        learns(&mut late, trouble("disk full")).await;
        proxy.health.send_replace(Health::default());
        learns(&mut early, Health::default()).await;
        learns(&mut late, Health::default()).await;
    }

    #[tokio::test]
    async fn a_viewer_that_stalls_or_babbles_takes_nothing_from_another() {
        let mut proxy = Proxy::start();
        let stalled = UnixStream::connect(proxy.socket()).await.unwrap();
        let mut babbling = UnixStream::connect(proxy.socket()).await.unwrap();
        babbling.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();

        let link = connect(&proxy.socket()).await.unwrap();
        let answer = send(&link.orders, Command::Refresh).await;
        let order = proxy.received.recv().await.unwrap();
        order.outcome.send(Ok(Reply::Done)).unwrap();
        assert_eq!(answer.await.unwrap(), Ok(Reply::Done));
        drop(stalled);
    }
}
