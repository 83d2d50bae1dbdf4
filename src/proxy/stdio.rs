//! The ends of a byte stream: pipes and sockets without waiting, anything else through a thread.
//!
//! Knows descriptors; must not know what flows through them. Flags that another process may share with us are left
//! alone: an inherited pipe is opened a second time, and a socket is asked not to wait call by call. Only where a
//! pipe cannot be opened again is it set to non-blocking, and set back when we are done.

use super::{poller, sys};
use bytes::{Bytes, BytesMut};
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// The most that one read takes.
pub const CHUNK: usize = 64 * 1024;
/// A buffer with less room than this is not worth a read.
const ROOM: usize = 16 * 1024;

/// The first pause and the longest one between two looks at whether a pipe was read.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// How a descriptor is asked not to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// By its flags.
    Pipe,
    /// Call by call.
    Socket,
}

/// A pipe or a socket that answers without waiting.
#[derive(Debug)]
struct Ready {
    fd: Arc<OwnedFd>,
    kind: Kind,
    restore: Option<Restore>,
}

/// Sets the flags of an inherited pipe back to what they were.
#[derive(Debug)]
struct Restore {
    fd: OwnedFd,
    flags: OFlags,
}

impl Drop for Restore {
    fn drop(&mut self) {
        let _ = rustix::fs::fcntl_setfl(&self.fd, self.flags);
    }
}

impl Ready {
    /// Our end of a pipe that we made.
    fn pipe(fd: OwnedFd) -> io::Result<Self> {
        set_nonblocking(&fd)?;
        Ok(Self::new(fd, Kind::Pipe))
    }

    fn new(fd: OwnedFd, kind: Kind) -> Self {
        Self {
            fd: Arc::new(fd),
            kind,
            restore: None,
        }
    }

    /// Appends what one read gives.
    fn read(&self, buf: &mut BytesMut) -> io::Result<usize> {
        match self.kind {
            Kind::Pipe => sys::read(self.fd.as_fd(), buf),
            Kind::Socket => sys::receive(self.fd.as_fd(), buf),
        }
    }

    /// Reads when the runtime says that there is something to read.
    async fn read_watched(
        &self,
        watch: &mut Option<AsyncFd<Arc<OwnedFd>>>,
        buf: &mut BytesMut,
    ) -> io::Result<usize> {
        let watch = match watch {
            Some(watch) => watch,
            // For reading only: a socket would report each message that its peer takes, too.
            None => watch.insert(sys::watch(self.fd.clone(), Interest::READABLE)?),
        };
        let mut guard = watch.readable().await?;
        let room = buf.capacity() - buf.len();
        let read = self.read(buf);
        // A read that does not fill the buffer has emptied the pipe: no second read to find that out.
        let emptied = match &read {
            Ok(count) => *count < room,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        if emptied {
            guard.clear_ready();
        }
        read
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Pipe => Ok(rustix::io::write(&self.fd, bytes)?),
            Kind::Socket => sys::send(self.fd.as_fd(), bytes),
        }
    }

    /// Returns when it is worth trying to write again. Watched only until then, for the same reason as in reading.
    async fn room(&self) -> io::Result<()> {
        if poller::is_here() {
            poller::writable(&self.fd).await;
        } else {
            let full = sys::watch_borrowed(self.fd.as_fd(), Interest::WRITABLE)?;
            let _ = full.writable().await?;
        }
        Ok(())
    }
}

/// Where bytes come from.
#[derive(Debug)]
pub struct Source(Reading);

#[derive(Debug)]
enum Reading {
    Ready {
        ready: Ready,
        /// Made by the first read that needs it.
        watch: Option<AsyncFd<Arc<OwnedFd>>>,
    },
    Thread(mpsc::Receiver<io::Result<Bytes>>),
}

impl Source {
    /// Our end of a pipe that we made.
    pub fn pipe(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self::ready(Ready::pipe(fd)?))
    }

    pub fn socket(fd: OwnedFd) -> Self {
        Self::ready(Ready::new(fd, Kind::Socket))
    }

    /// Our stdin. It is ours alone from here on: descriptor 0 becomes `/dev/null`.
    pub fn stdin() -> io::Result<Self> {
        match inherited(rustix::stdio::stdin(), OFlags::RDONLY)? {
            Inherited::Ready(ready) => {
                rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
                Ok(Self::ready(ready))
            }
            Inherited::Other(fd) => Ok(Self(Reading::Thread(reading_thread(fd)?))),
        }
    }

    fn ready(ready: Ready) -> Self {
        Self(Reading::Ready { ready, watch: None })
    }

    /// The next bytes, cut anywhere; empty at the end of the stream. Nothing is lost when the future is dropped.
    pub async fn read(&mut self, buf: &mut BytesMut) -> io::Result<Bytes> {
        let (ready, watch) = match &mut self.0 {
            Reading::Ready { ready, watch } => (ready, watch),
            Reading::Thread(chunks) => return chunks.recv().await.unwrap_or(Ok(Bytes::new())),
        };
        if buf.capacity() - buf.len() < ROOM {
            buf.reserve(CHUNK);
        }
        loop {
            let read = if poller::is_here() {
                poller::readable(&ready.fd).await;
                ready.read(buf)
            } else {
                ready.read_watched(watch, buf).await
            };
            match read {
                Ok(count) => {
                    poller::took(count);
                    return Ok(buf.split().freeze());
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    /// How many bytes can be read without waiting, where that is known.
    pub fn at_hand(&self) -> usize {
        let waiting = match &self.0 {
            Reading::Ready { ready, .. } => rustix::io::ioctl_fionread(&ready.fd).unwrap_or(0),
            Reading::Thread(_) => 0,
        };
        usize::try_from(waiting).unwrap_or(usize::MAX)
    }
}

/// Where bytes go.
#[derive(Debug)]
pub struct Sink(Writing);

#[derive(Debug)]
enum Writing {
    Ready(Ready),
    Thread {
        chunks: mpsc::Sender<Bytes>,
        written: mpsc::Receiver<io::Result<()>>,
    },
}

impl Sink {
    /// Our end of a pipe that we made.
    pub fn pipe(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self(Writing::Ready(Ready::pipe(fd)?)))
    }

    pub fn socket(fd: OwnedFd) -> Self {
        Self(Writing::Ready(Ready::new(fd, Kind::Socket)))
    }

    /// Our stdout. It is ours alone from here on: descriptor 1 becomes `/dev/null`, so that dropping the sink is
    /// the end of the stream for its reader.
    pub fn stdout() -> io::Result<Self> {
        match inherited(rustix::stdio::stdout(), OFlags::WRONLY)? {
            Inherited::Ready(ready) => {
                let null = File::options().write(true).open("/dev/null")?;
                rustix::stdio::dup2_stdout(null)?;
                Ok(Self(Writing::Ready(ready)))
            }
            Inherited::Other(fd) => {
                let (chunks, written) = writing_thread(fd)?;
                Ok(Self(Writing::Thread { chunks, written }))
            }
        }
    }

    /// Writes all of `bytes`, waiting for the reader where it must.
    pub async fn write(&mut self, bytes: &Bytes) -> io::Result<()> {
        let ready = match &mut self.0 {
            Writing::Ready(ready) => ready,
            Writing::Thread { chunks, written } => {
                let gone = || io::Error::from(ErrorKind::BrokenPipe);
                chunks.send(bytes.clone()).await.map_err(|_| gone())?;
                return written.recv().await.unwrap_or_else(|| Err(gone()));
            }
        };
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match ready.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready.room().await?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns when everything that was written to a pipe has been read. Only Linux tells its writer.
    pub async fn drained(&self) {
        let mut pause = PAUSES.0;
        while !self.is_drained() {
            tokio::time::sleep(pause).await;
            pause = PAUSES.1.min(pause * 2);
        }
    }

    /// Whether all that was written has been read, where that can be known.
    pub fn is_drained(&self) -> bool {
        match &self.0 {
            Writing::Ready(ready) if ready.kind == Kind::Pipe => {
                rustix::io::ioctl_fionread(&ready.fd) == Ok(0)
            }
            _ => false,
        }
    }

    /// Returns when nobody can read any more what is written here; never, where that cannot be known.
    pub async fn abandoned(&self) {
        // A pipe without a reader is an error. A socket whose peer has gone is only closed, which is told unasked; that it
        // can be written to is not.
        if let Writing::Ready(ready) = &self.0
            && let Ok(fd) = sys::watch_borrowed(ready.fd.as_fd(), Interest::ERROR)
            && fd.ready(Interest::ERROR | Interest::WRITABLE).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

enum Inherited {
    Ready(Ready),
    /// A terminal, a file, a device: what must be left in blocking mode, as a second descriptor.
    Other(OwnedFd),
}

fn inherited(fd: BorrowedFd<'_>, access: OFlags) -> io::Result<Inherited> {
    let kind = FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode);
    if kind == FileType::Fifo
        && let Ok(fd) = open_again(fd, access)
    {
        return Ok(Inherited::Ready(Ready::new(fd, Kind::Pipe)));
    }
    let fd = rustix::io::fcntl_dupfd_cloexec(fd, 3)?;
    Ok(match kind {
        FileType::Fifo => {
            let restore = Restore {
                fd: fd.try_clone()?,
                flags: rustix::fs::fcntl_getfl(&fd)?,
            };
            let mut ready = Ready::pipe(fd)?;
            ready.restore = Some(restore);
            Inherited::Ready(ready)
        }
        FileType::Socket => Inherited::Ready(Ready::new(fd, Kind::Socket)),
        _ => Inherited::Other(fd),
    })
}

/// The same pipe under flags of our own. Fails where there is no `/proc`, and on a pipe of another user.
fn open_again(fd: BorrowedFd<'_>, access: OFlags) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    Ok(rustix::fs::fcntl_setfl(fd, flags | OFlags::NONBLOCK)?)
}

fn reading_thread(fd: OwnedFd) -> io::Result<mpsc::Receiver<io::Result<Bytes>>> {
    let (sender, receiver) = mpsc::channel(1);
    let mut file = File::from(fd);
    std::thread::Builder::new()
        .name("stdin".into())
        .spawn(move || {
            let mut chunk = vec![0; CHUNK];
            loop {
                let read = match file.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(count) => Ok(Bytes::copy_from_slice(&chunk[..count])),
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = read.is_err();
                if sender.blocking_send(read).is_err() || failed {
                    break;
                }
            }
        })?;
    Ok(receiver)
}

type Acknowledged = (mpsc::Sender<Bytes>, mpsc::Receiver<io::Result<()>>);

fn writing_thread(fd: OwnedFd) -> io::Result<Acknowledged> {
    let (chunks, mut queue) = mpsc::channel::<Bytes>(1);
    let (acknowledge, written) = mpsc::channel(1);
    let mut file = File::from(fd);
    std::thread::Builder::new()
        .name("stdout".into())
        .spawn(move || {
            while let Some(chunk) = queue.blocking_recv() {
                if acknowledge.blocking_send(file.write_all(&chunk)).is_err() {
                    break;
                }
            }
        })?;
    Ok((chunks, written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    /// Nobody comes back from `abandoned` before that.
    const MOMENT: Duration = Duration::from_millis(50);
    const TOO_LONG: Duration = Duration::from_secs(300);

    async fn is_abandoned_after(sink: Sink, goes: impl FnOnce()) {
        let abandoned = sink.abandoned();
        tokio::pin!(abandoned);
        let early = tokio::time::timeout(MOMENT, abandoned.as_mut()).await;
        assert!(early.is_err(), "its reader is there");
        goes();
        tokio::time::timeout(TOO_LONG, abandoned).await.unwrap();
    }

    #[tokio::test]
    async fn a_pipe_whose_reader_has_gone_is_abandoned() {
        let (reader, writer) = io::pipe().unwrap();
        let sink = Sink::pipe(writer.into()).unwrap();
        is_abandoned_after(sink, || drop(reader)).await;
    }

    /// Node.js gives the programs that it starts sockets.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_socket_whose_reader_has_gone_is_abandoned_and_not_one_that_only_says_no_more() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"a word").unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        is_abandoned_after(Sink::socket(ours.into()), || drop(theirs)).await;
    }
}
