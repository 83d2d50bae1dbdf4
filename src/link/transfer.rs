//! The capture on the socket, for a viewer that cannot reach the file: from another machine, or from outside a container.
//!
//! The viewer asks on a connection of its own. The proxy says who it is, then sends the bytes of the file as they are on
//! the disk, and what is appended, until the capture is complete or the viewer goes. Each JSON line that announces a
//! piece is followed by that many bytes. Must not know what a capture looks like inside.

use super::registry::Entry;
use super::{CaptureRequest, Said, to_line};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How the capture travels; raised when an end of an older version could not make sense of it.
const VERSION: u32 = 1;
/// Read and sent at once: other viewers have their turn after each.
const PIECE: usize = 64 << 10;
/// The longest announcement, and the longest piece, that a viewer accepts.
const LONGEST: usize = 1 << 20;
/// How often a growing file is looked at.
const POLL: Duration = Duration::from_millis(30);
/// How long a proxy may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon a forward without a proxy behind it hangs up.
const MOMENT: Duration = Duration::from_millis(500);

/// What the proxy announces, a line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Announced {
    /// Who this is, and how large the capture is now. Without a capture nothing follows.
    Opened { entry: Box<Entry>, size: u64 },
    /// So many bytes follow.
    Piece(usize),
    /// The proxy has ended, and all it recorded was sent.
    Complete,
    /// Nothing will come: why, in a sentence for the operator.
    Refused(String),
}

/// Why a far conversation cannot be seen, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum FarError {
    #[error(
        "there is no {}: `mcp-sentinel ps --json`, where the proxy runs, tells its socket, and `ssh -fN -L {}:SOCKET HOST` brings it here",
        .0.display(), .0.display()
    )]
    Missing(PathBuf),
    #[error("{} is not a socket; a capture is shown by mcp-sentinel open", .0.display())]
    NoSocket(PathBuf),
    #[error(
        "nobody listens on {}: the proxy has ended, or the ssh that forwarded it; remove the file before you forward it again",
        .0.display()
    )]
    Deserted(PathBuf),
    #[error("{} cannot be opened by this user: a proxy lets in only who runs it", .0.display())]
    Forbidden(PathBuf),
    #[error("cannot connect to {}: {source}", .path.display())]
    Connect { path: PathBuf, source: io::Error },
    #[error(
        "{} hangs up at once: no proxy is at the other end of the forward; `mcp-sentinel ps --json`, run there, tells which sockets live",
        .0.display()
    )]
    Unreached(PathBuf),
    #[error(
        "the proxy behind {} does not send its capture: it is of an older version of mcp-sentinel; update that, or attach where it runs",
        .0.display()
    )]
    Older(PathBuf),
    #[error("what answers on {} is no mcp-sentinel proxy", .0.display())]
    Stranger(PathBuf),
    #[error(
        "nothing answers on {}: what listens there is stopped, is no mcp-sentinel proxy, or has too many viewers",
        .0.display()
    )]
    Silent(PathBuf),
    /// On one line, so that nobody else speaks in our name.
    #[error("{}", .0.lines().collect::<Vec<_>>().join(" "))]
    Refused(String),
    #[error("the connection to the proxy has ended: the latest may be missing")]
    Broken,
}

/// Sends the capture until it is complete or the viewer goes.
pub(super) async fn send(
    asked: CaptureRequest,
    entry: &Entry,
    mut reading: impl AsyncRead + Unpin,
    writing: OwnedWriteHalf,
    recorded: &CancellationToken,
) {
    tokio::select! {
        // The viewer has nothing more to say: it is gone, or is none.
        _ = reading.read_u8() => {}
        // What goes wrong from here on is that it is gone.
        _ = send_all(asked, entry, writing, recorded) => {}
    }
}

async fn send_all(
    asked: CaptureRequest,
    entry: &Entry,
    mut to: OwnedWriteHalf,
    recorded: &CancellationToken,
) -> io::Result<()> {
    if asked.capture != VERSION {
        let why = format!(
            "this proxy (mcp-sentinel {}) cannot send its capture as it was asked to: use the same version of mcp-sentinel at both ends",
            env!("CARGO_PKG_VERSION")
        );
        return announce(&mut to, &Announced::Refused(why)).await;
    }
    let opened = |size| Announced::Opened {
        entry: Box::new(entry.clone()),
        size,
    };
    let Some(path) = &entry.capture else {
        return announce(&mut to, &opened(0)).await;
    };
    let found = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let file = match found {
        Ok((size, file)) => {
            announce(&mut to, &opened(size)).await?;
            file
        }
        Err(error) => return announce(&mut to, &unreadable(path, &error)).await,
    };
    let mut piece = vec![0; PIECE];
    let mut sent = 0;
    loop {
        // Looked at before reading: what was written before the end is sent before the end is.
        let last = recorded.is_cancelled();
        match file.read_at(&mut piece, sent) {
            Ok(0) if last => return announce(&mut to, &Announced::Complete).await,
            Ok(0) => tokio::select! {
                () = recorded.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            },
            Ok(count) => {
                announce(&mut to, &Announced::Piece(count)).await?;
                to.write_all(&piece[..count]).await?;
                sent += count as u64;
                // A socket that always has room must not keep other viewers waiting.
                tokio::task::yield_now().await;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return announce(&mut to, &unreadable(path, &error)).await,
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Announced {
    Announced::Refused(format!(
        "the proxy cannot read its capture {}: {error}",
        path.display()
    ))
}

async fn announce(to: &mut OwnedWriteHalf, announced: &Announced) -> io::Result<()> {
    to.write_all(&to_line(announced)?).await
}

/// A capture on its way here.
#[derive(Debug)]
pub struct Incoming {
    /// Whose it is.
    pub entry: Entry,
    /// How large it was when it was asked for.
    pub size: u64,
    from: BufReader<OwnedReadHalf>,
    /// Closing it would say that nobody looks any more.
    _open: OwnedWriteHalf,
}

impl Incoming {
    /// Asks the proxy behind a socket for its capture.
    pub async fn ask(socket: &Path) -> Result<Self, FarError> {
        match timeout(PATIENCE, Self::introduced(socket)).await {
            Ok(Err(FarError::Broken)) => Err(hung_up(socket).await),
            Ok(result) => result,
            Err(_) => Err(FarError::Silent(socket.into())),
        }
    }

    async fn introduced(socket: &Path) -> Result<Self, FarError> {
        let (reading, mut writing) = connect(socket).await?.into_split();
        let broken = |_| FarError::Broken;
        let request = CaptureRequest { capture: VERSION };
        let request = to_line(&request).map_err(|_| FarError::Broken)?;
        // Should it not be read, what was said instead tells more.
        let _ = writing.write_all(&request).await;
        let mut from = BufReader::new(reading);
        loop {
            let line = line(&mut from).await.map_err(broken)?;
            match serde_json::from_slice(&line) {
                Ok(Announced::Opened { entry, size }) => {
                    return Ok(Self {
                        entry: *entry,
                        size,
                        from,
                        _open: writing,
                    });
                }
                Ok(Announced::Refused(why)) => return Err(FarError::Refused(why)),
                Ok(_) => return Err(FarError::Stranger(socket.into())),
                // Every viewer is told how the recording goes, before it has asked for anything.
                Err(_) if serde_json::from_slice::<Said>(&line).is_ok() => {}
                Err(_) => return Err(FarError::Stranger(socket.into())),
            }
        }
    }

    /// The next bytes of the file, in place of what is in `piece`; `false` when there will be no more.
    pub async fn next(&mut self, piece: &mut Vec<u8>) -> Result<bool, FarError> {
        let line = line(&mut self.from).await.map_err(|_| FarError::Broken)?;
        match serde_json::from_slice(&line) {
            Ok(Announced::Piece(count)) if count <= LONGEST => {
                piece.resize(count, 0);
                let read = self.from.read_exact(piece).await;
                read.map(|_| true).map_err(|_| FarError::Broken)
            }
            Ok(Announced::Complete) => Ok(false),
            Ok(Announced::Refused(why)) => Err(FarError::Refused(why)),
            _ => Err(FarError::Broken),
        }
    }
}

async fn line(from: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut limited = from.take(LONGEST as u64);
    match limited.read_until(b'\n', &mut line).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line),
    }
}

async fn connect(socket: &Path) -> Result<UnixStream, FarError> {
    let is_socket = |path: &Path| path.metadata().map(|data| data.file_type().is_socket());
    if let Ok(false) = is_socket(socket) {
        return Err(FarError::NoSocket(socket.into()));
    }
    let stream = UnixStream::connect(socket).await;
    stream.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FarError::Missing(socket.into()),
        io::ErrorKind::ConnectionRefused => FarError::Deserted(socket.into()),
        io::ErrorKind::PermissionDenied => FarError::Forbidden(socket.into()),
        _ => FarError::Connect {
            path: socket.into(),
            source,
        },
    })
}

/// Why a socket that took a connection has closed it: a proxy, of whatever version, waits for what it is asked; a
/// forward that leads nowhere does not.
async fn hung_up(socket: &Path) -> FarError {
    let said = async {
        // A proxy hangs up, too, when the other half is closed.
        let (reading, _open) = connect(socket).await.ok()?.into_split();
        line(&mut BufReader::new(reading)).await.ok()
    };
    match timeout(MOMENT, said).await {
        Ok(None) => FarError::Unreached(socket.into()),
        Ok(Some(line)) if serde_json::from_slice::<Said>(&line).is_err() => {
            FarError::Stranger(socket.into())
        }
        Ok(Some(_)) | Err(_) => FarError::Older(socket.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::client;
    use crate::link::server::{Offer, Server};
    use crate::link::short_directory;
    use crate::tap::{Command, Health, Order, Pulse, Reply};
    use std::io::Write as _;
    use tokio::net::UnixListener;
    use tokio::sync::{mpsc, oneshot, watch};
    use tokio_util::task::TaskTracker;

    /// A proxy whose capture the test writes.
    struct Proxy {
        directory: tempfile::TempDir,
        capture: File,
        received: mpsc::Receiver<Order>,
        health: watch::Sender<Health>,
        recorded: CancellationToken,
        shutdown: CancellationToken,
        serving: tokio::task::JoinHandle<TaskTracker>,
    }

    impl Proxy {
        fn start() -> Self {
            Self::changed(|_| {})
        }

        fn changed(change: impl FnOnce(&mut Entry)) -> Self {
            let directory = short_directory();
            let path = directory.path().join("c.jsonl");
            let mut entry = Entry {
                pid: 7,
                name: "far".to_owned(),
                capture: Some(path.clone()),
                ..Entry::default()
            };
            change(&mut entry);
            let (orders, received) = mpsc::channel(64);
            let health = watch::Sender::default();
            let (recorded, shutdown) = (CancellationToken::new(), CancellationToken::new());
            let offer = Offer {
                entry,
                orders,
                pulse: Pulse::of(&health),
                recorded: recorded.clone(),
            };
            let server = Server::bind(&directory.path().join("p.sock")).unwrap();
            Self {
                capture: File::create(path).unwrap(),
                directory,
                received,
                health,
                recorded,
                serving: tokio::spawn(server.serve(offer, shutdown.clone())),
                shutdown,
            }
        }

        fn socket(&self) -> PathBuf {
            self.directory.path().join("p.sock")
        }

        fn write(&mut self, bytes: &[u8]) {
            self.capture.write_all(bytes).unwrap();
        }

        /// What it says to somebody who asks with this line: all of it, to the end of the connection.
        async fn answers(&self, asked: &str) -> String {
            let mut stream = UnixStream::connect(self.socket()).await.unwrap();
            stream.write_all(asked.as_bytes()).await.unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            said
        }
    }

    async fn receive(incoming: &mut Incoming, count: usize) -> Vec<u8> {
        let (mut bytes, mut piece) = (Vec::new(), Vec::new());
        while bytes.len() < count {
            assert!(incoming.next(&mut piece).await.unwrap());
            bytes.extend_from_slice(&piece);
        }
        bytes
    }

    #[tokio::test]
    async fn the_bytes_come_as_they_are_in_the_file_and_as_they_are_appended() {
        let mut proxy = Proxy::start();
        let long: Vec<u8> = (0..300_000_u32).map(|it| (it % 251) as u8).collect();
        proxy.write(&long);
        let mut incoming = Incoming::ask(&proxy.socket()).await.unwrap();
        assert_eq!((incoming.entry.pid, incoming.size), (7, 300_000));
        assert!(receive(&mut incoming, long.len()).await == long);
        for more in [&b"half a line"[..], b"\nand more\n"] {
            proxy.write(more);
            assert_eq!(receive(&mut incoming, more.len()).await, more);
        }
    }

    #[tokio::test]
    async fn what_is_recorded_after_the_door_is_closed_is_sent_before_the_end_is() {
        let mut proxy = Proxy::start();
        proxy.write(b"first");
        let mut incoming = Incoming::ask(&proxy.socket()).await.unwrap();
        assert_eq!(receive(&mut incoming, 5).await, b"first");
        proxy.shutdown.cancel();
        let copies = (&mut proxy.serving).await.unwrap();
        proxy.write(b"last");
        proxy.recorded.cancel();
        assert_eq!(receive(&mut incoming, 4).await, b"last");
        assert!(!incoming.next(&mut Vec::new()).await.unwrap());
        copies.wait().await;
    }

    #[tokio::test]
    async fn a_line_that_is_cut_is_not_taken_for_the_end_of_the_capture() {
        let mut proxy = Proxy::start();
        proxy.write(b"first");
        let listener = UnixListener::bind(proxy.directory.path().join("forward")).unwrap();
        let cut = CancellationToken::new();
        let forward = async {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = UnixStream::connect(proxy.socket()).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                () = cut.cancelled() => {}
            }
        };
        let forwarded = proxy.directory.path().join("forward");
        let viewer = async {
            let mut incoming = Incoming::ask(&forwarded).await.unwrap();
            assert_eq!(receive(&mut incoming, 5).await, b"first");
            cut.cancel();
            incoming.next(&mut Vec::new()).await
        };
        let (end, ()) = tokio::join!(viewer, forward);
        assert!(matches!(end, Err(FarError::Broken)), "{end:?}");
    }

    #[tokio::test]
    async fn a_viewer_that_takes_nothing_costs_the_others_nothing() {
        let mut proxy = Proxy::start();
        proxy.write(&vec![b'x'; 8 << 20]);
        let stalled = Incoming::ask(&proxy.socket()).await.unwrap();
        let link = client::connect(&proxy.socket()).await.unwrap();
        let (outcome, answer) = oneshot::channel();
        let command = Command::Refresh;
        link.orders.send(Order { command, outcome }).await.unwrap();
        let order = proxy.received.recv().await.unwrap();
        order.outcome.send(Ok(Reply::Done)).unwrap();
        assert_eq!(answer.await.unwrap(), Ok(Reply::Done));

        let mut other = Incoming::ask(&proxy.socket()).await.unwrap();
        assert_eq!(receive(&mut other, 8 << 20).await.len(), 8 << 20);
        drop(stalled);
    }

    #[tokio::test]
    async fn a_viewer_that_leaves_gives_its_place_back() {
        let proxy = Proxy::start();
        // More than there are places at once.
        for _ in 0..100 {
            let incoming = Incoming::ask(&proxy.socket()).await.unwrap();
            assert_eq!(incoming.size, 0);
        }
    }

    #[tokio::test]
    async fn a_proxy_without_a_capture_says_only_who_it_is() {
        let proxy = Proxy::changed(|entry| entry.capture = None);
        let mut incoming = Incoming::ask(&proxy.socket()).await.unwrap();
        assert_eq!(
            (incoming.entry.name.as_str(), &incoming.entry.capture),
            ("far", &None)
        );
        assert!(incoming.next(&mut Vec::new()).await.is_err());
    }

    #[tokio::test]
    async fn a_capture_that_the_proxy_cannot_read_is_refused_in_its_words() {
        let proxy = Proxy::changed(|entry| entry.capture = Some("/nowhere/c.jsonl".into()));
        let refused = Incoming::ask(&proxy.socket()).await.unwrap_err();
        assert!(matches!(refused, FarError::Refused(_)), "{refused:?}");
        let words = refused.to_string();
        assert!(
            words.contains("cannot read its capture /nowhere/c.jsonl: No such file"),
            "{words}"
        );
    }

    #[tokio::test]
    async fn why_one_is_refused_stays_one_sentence_whoever_says_it() {
        let said = b"{\"refused\":\"no\\nmcp-sentinel: all is well\"}\n";
        let error = ask_one_who_says(said, true).await;
        assert_eq!(error.to_string(), "no mcp-sentinel: all is well");
    }

    #[tokio::test]
    async fn a_newer_viewer_is_refused_in_words_and_nonsense_without() {
        let proxy = Proxy::start();
        proxy.health.send_replace(Health::default());
        let refused = proxy.answers("{\"capture\":2}\n").await;
        assert!(refused.contains("same version"), "{refused}");
        proxy.recorded.cancel();
        for nonsense in [
            "GET / HTTP/1.1\r\n",
            "{\"capture\":\"all\"}\n",
            "[1]\n",
            "{}\n",
        ] {
            let said = proxy.answers(nonsense).await;
            assert!(!said.contains("opened"), "{said}");
        }
    }

    /// Somebody else's socket, which says this to everybody; whoever says nothing more hangs up.
    async fn ask_one_who_says(words: &'static [u8], waits: bool) -> FarError {
        let directory = short_directory();
        let socket = directory.path().join("s.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    stream.write_all(words).await.unwrap();
                    if waits {
                        let _ = BufReader::new(stream).read_line(&mut String::new()).await;
                    }
                });
            }
        });
        Incoming::ask(&socket).await.unwrap_err()
    }

    #[tokio::test]
    async fn whoever_else_listens_is_told_apart() {
        // A version that knew only commands: what it cannot read ends the connection.
        let health = b"{\"health\":{\"trouble\":null,\"lost\":0}}\n";
        for said in [&b""[..], health] {
            let error = ask_one_who_says(said, true).await;
            assert!(matches!(error, FarError::Older(_)), "{error:?}");
        }
        let error = ask_one_who_says(b"", false).await;
        assert!(matches!(error, FarError::Unreached(_)), "{error:?}");
        for waits in [true, false] {
            let error = ask_one_who_says(b"HTTP/1.1 400 Bad Request\r\n", waits).await;
            assert!(matches!(error, FarError::Stranger(_)), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_path_that_leads_nowhere_is_told_why() {
        let directory = short_directory();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("file"), "").unwrap();
        drop(UnixListener::bind(path("deserted")).unwrap());
        let ask = async |name: &str| Incoming::ask(&path(name)).await.unwrap_err();
        assert!(matches!(ask("missing").await, FarError::Missing(_)));
        assert!(matches!(ask("file").await, FarError::NoSocket(_)));
        assert!(matches!(ask("file/s").await, FarError::Missing(_)));
        assert!(matches!(ask("deserted").await, FarError::Deserted(_)));
        let long = "x".repeat(200);
        assert!(matches!(
            ask(&long).await,
            FarError::Missing(_) | FarError::Connect { .. }
        ));
    }
}
