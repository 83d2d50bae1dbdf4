//! The proxy's end of the link.

use super::{LONGEST_LINE, Request, Response, Said, to_line};
use crate::tap::{Order, Orders, Pulse, Refused};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Viewers at once. One more waits in the socket's own queue.
const VIEWERS: usize = 32;
/// Commands of one viewer that may wait for their outcome. Further ones stay in its socket.
const UNANSWERED: usize = 64;

/// A socket that listens, before anybody is served: from here on viewers may connect.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
}

impl Server {
    /// Listens on `socket` (0600), in place of whatever a dead process left there.
    pub fn bind(socket: &Path) -> io::Result<Self> {
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        fs::set_permissions(socket, Permissions::from_mode(0o600))?;
        Ok(Self { listener })
    }

    /// Serves until cancelled: each connection's commands go to `orders`, their outcomes back, and what `pulse` tells.
    /// A viewer that stalls or dies affects nobody else.
    pub async fn serve(self, orders: Orders, pulse: Pulse, shutdown: CancellationToken) {
        let seats = Arc::new(Semaphore::new(VIEWERS));
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = accept(&self.listener, &seats) => accepted,
            };
            // Failing to accept (out of file descriptors, say) passes; trying again at once would spin.
            let Ok((stream, seat)) = accepted else {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let (orders, pulse, shutdown) = (orders.clone(), pulse.clone(), shutdown.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = viewer(stream, orders, pulse) => {}
                }
                drop(seat);
            });
        }
    }
}

async fn accept(
    listener: &UnixListener,
    seats: &Arc<Semaphore>,
) -> io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let seat = seats
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, seat))
}

/// One connection. It ends when the viewer closes it, or sends what is not a command: nothing after that can be
/// trusted to be one.
async fn viewer(stream: UnixStream, orders: Orders, mut pulse: Pulse) {
    let (reading, mut writing) = stream.into_split();
    let (outcomes, mut answers) = mpsc::channel::<Vec<u8>>(UNANSWERED);
    let commands = async move {
        let mut reading = BufReader::new(reading);
        let unanswered = Arc::new(Semaphore::new(UNANSWERED));
        while let Ok(place) = unanswered.clone().acquire_owned().await {
            let Some(request) = next_request(&mut reading).await else {
                return;
            };
            let (orders, outcomes) = (orders.clone(), outcomes.clone());
            tokio::spawn(async move {
                let id = request.id;
                let outcome = carry_out(request, &orders).await.into();
                if let Ok(line) = to_line(&Said::Response(Response { id, outcome })) {
                    // The viewer may be gone: then nobody misses the answer.
                    let _ = outcomes.send(line).await;
                }
                drop(place);
            });
        }
    };
    let answering = async move {
        loop {
            let line = tokio::select! {
                line = answers.recv() => match line {
                    Some(line) => line,
                    None => return,
                },
                health = pulse.next() => match to_line(&Said::Health { health }) {
                    Ok(line) => line,
                    Err(_) => continue,
                },
            };
            if writing.write_all(&line).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(commands, answering);
}

async fn next_request(reading: &mut BufReader<OwnedReadHalf>) -> Option<Request> {
    let mut line = Vec::new();
    let mut limited = reading.take(LONGEST_LINE as u64);
    let length = limited.read_until(b'\n', &mut line).await.ok()?;
    if length == 0 {
        return None;
    }
    serde_json::from_slice(&line).ok()
}

async fn carry_out(request: Request, orders: &Orders) -> Result<crate::tap::Reply, Refused> {
    let gone = || Refused("the proxy is shutting down".to_owned());
    let (outcome, answer) = oneshot::channel();
    let order = Order {
        command: request.command,
        outcome,
    };
    orders.send(order).await.map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}
