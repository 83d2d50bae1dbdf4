//! The proxy's end of the link.

use super::registry::{Entry, answers};
use super::{CaptureRequest, LONGEST_LINE, Request, Response, Said, from_line, to_line, transfer};
use crate::tap::{Order, Orders, Pulse, Refused};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Viewers at once. One more waits in the socket's own queue.
const VIEWERS: usize = 32;
/// Commands of one viewer that may wait for their outcome. Further ones stay in its socket.
const UNANSWERED: usize = 64;

/// What viewers are given.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Who this is, and where its capture is read that is sent to those who ask for it.
    pub entry: Entry,
    /// Where their commands go.
    pub orders: Orders,
    pub pulse: Pulse,
    /// Cancelled when nothing more will be written into the capture.
    pub recorded: CancellationToken,
}

/// A socket that listens, before anybody is served: from here on viewers may connect.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
}

impl Server {
    /// Listens on the first of these sockets where nobody does.
    pub fn bind_one(sockets: Vec<PathBuf>) -> io::Result<(Self, PathBuf)> {
        let mut taken = io::ErrorKind::InvalidInput.into();
        for socket in sockets {
            match Self::bind(&socket) {
                Ok(server) => return Ok((server, socket)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken = error,
                Err(error) => {
                    let what = format!("{}: {error}", socket.display());
                    return Err(io::Error::new(error.kind(), what));
                }
            }
        }
        Err(taken)
    }

    /// Listens on `socket` (0600), in place of whatever a dead process left there.
    pub fn bind(socket: &Path) -> io::Result<Self> {
        let listener = match UnixListener::bind(socket) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && !answers(socket) => {
                fs::remove_file(socket)?;
                UnixListener::bind(socket)?
            }
            bound => bound?,
        };
        fs::set_permissions(socket, Permissions::from_mode(0o600))?;
        Ok(Self { listener })
    }

    /// Serves until cancelled: each connection's commands are carried out, and their outcomes go back, and what the pulse
    /// tells. A viewer that stalls or dies affects nobody else. What comes back are those that are still being sent the
    /// capture, to whom its end is yet to come.
    pub async fn serve(self, offer: Offer, shutdown: CancellationToken) -> TaskTracker {
        let seats = Arc::new(Semaphore::new(VIEWERS));
        let offer = Arc::new(offer);
        let copies = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = accept(&self.listener, &seats) => accepted,
            };
            // Failing to accept (out of file descriptors, say) passes; trying again at once would spin.
            let Ok((stream, seat)) = accepted else {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let (offer, copies, shutdown) = (offer.clone(), copies.clone(), shutdown.clone());
            tokio::spawn(async move {
                let wish = tokio::select! {
                    () = shutdown.cancelled() => None,
                    wish = viewer(stream, &offer) => wish,
                };
                if let Some((asked, reading, writing)) = wish {
                    let (entry, recorded) = (&offer.entry, &offer.recorded);
                    let sending = transfer::send(asked, entry, reading, writing, recorded);
                    copies.track_future(sending).await;
                }
                drop(seat);
            });
        }
        copies.close();
        copies
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

/// A viewer that wants the capture, and the connection to send it on.
type Wish = (CaptureRequest, BufReader<OwnedReadHalf>, OwnedWriteHalf);

/// One connection. It ends when the viewer closes it, asks for the capture, or sends what makes no sense: nothing after
/// that can be trusted to be a command.
async fn viewer(stream: UnixStream, offer: &Offer) -> Option<Wish> {
    let (reading, mut writing) = stream.into_split();
    let (outcomes, mut answers) = mpsc::channel::<Vec<u8>>(UNANSWERED);
    let commands = async move {
        let mut reading = BufReader::new(reading);
        let unanswered = Arc::new(Semaphore::new(UNANSWERED));
        loop {
            let place = unanswered.clone().acquire_owned().await.ok()?;
            let request = match next_asked(&mut reading).await? {
                Asked::Command(request) => request,
                Asked::Capture(asked) => return Some((asked, reading)),
            };
            let (orders, outcomes) = (offer.orders.clone(), outcomes.clone());
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
    let mut pulse = offer.pulse.clone();
    let answering = async move {
        loop {
            let line = tokio::select! {
                line = answers.recv() => match line {
                    Some(line) => line,
                    None => return Some(writing),
                },
                health = pulse.next() => match to_line(&Said::Health { health }) {
                    Ok(line) => line,
                    Err(_) => continue,
                },
            };
            writing.write_all(&line).await.ok()?;
        }
    };
    let (commands, answering) = tokio::join!(commands, answering);
    let (asked, reading) = commands?;
    Some((asked, reading, answering?))
}

/// What a viewer may say.
enum Asked {
    Command(Request),
    Capture(CaptureRequest),
}

async fn next_asked(reading: &mut BufReader<OwnedReadHalf>) -> Option<Asked> {
    let mut line = Vec::new();
    let mut limited = reading.take(LONGEST_LINE as u64);
    let length = limited.read_until(b'\n', &mut line).await.ok()?;
    if length == 0 {
        return None;
    }
    let command = from_line(&line).map(Asked::Command);
    command.or_else(|| from_line(&line).map(Asked::Capture))
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
