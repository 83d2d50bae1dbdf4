//! The server's standard error on its way to ours, which may be a terminal, a file, or a pipe that nobody reads.
//!
//! A thread writes it, in blocking mode, because the descriptor is shared with whoever started us. What that reader
//! does not take in time is left out and counted, not waited for: the protocol must not stand still for a log.

use bytes::Bytes;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What may wait for the reader of our stderr.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
const PIECE: usize = 4 * 1024;
/// How long the end waits for that reader to take something. Longer than a client takes to look what went wrong.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Forwarder {
    queue: mpsc::Sender<Bytes>,
    queued: Arc<AtomicUsize>,
    left_out: usize,
    /// The last line has not ended.
    is_within_line: bool,
    /// Hangs up when the thread has written everything.
    done: oneshot::Receiver<()>,
}

impl Forwarder {
    pub fn start() -> io::Result<Self> {
        let (queue, chunks) = mpsc::channel::<Bytes>();
        let (finished, done) = oneshot::channel::<()>();
        let queued = Arc::new(AtomicUsize::new(0));
        let waiting = queued.clone();
        std::thread::Builder::new()
            .name("stderr".into())
            .spawn(move || {
                let _finished = finished;
                for chunk in chunks {
                    write_all(&chunk, &waiting);
                }
            })?;
        Ok(Self {
            queue,
            queued,
            left_out: 0,
            is_within_line: false,
            done,
        })
    }

    pub fn forward(&mut self, chunk: Bytes) {
        if self.queued.load(Ordering::Relaxed) > QUEUE_BYTES {
            self.left_out += chunk.len();
            return;
        }
        if self.left_out > 0 {
            let count = std::mem::take(&mut self.left_out);
            self.enqueue(Bytes::from(format!(
                "\nmcp-sentinel: {count} bytes of the server's stderr left out here, they were not read in time\n"
            )));
        }
        self.is_within_line = !chunk.ends_with(b"\n");
        self.enqueue(chunk);
    }

    fn enqueue(&self, chunk: Bytes) {
        self.queued.fetch_add(chunk.len(), Ordering::Relaxed);
        // The thread only ends when this queue does.
        let _ = self.queue.send(chunk);
    }

    /// Waits until what is queued has been read, or nothing of it is. What we say next begins a line.
    pub async fn finish(mut self) {
        if self.is_within_line {
            self.enqueue(Bytes::from_static(b"\n"));
        }
        drop(self.queue);
        let mut left = self.queued.load(Ordering::Relaxed);
        while tokio::time::timeout(PATIENCE, &mut self.done)
            .await
            .is_err()
        {
            let before = left;
            left = self.queued.load(Ordering::Relaxed);
            if left == before {
                return;
            }
        }
    }
}

/// Writes to descriptor 2 itself: the lock of `std::io::stderr` would make others wait for our reader. In pieces, so that
/// it is seen when one is taken.
fn write_all(mut bytes: &[u8], waiting: &AtomicUsize) {
    while !bytes.is_empty() {
        let piece = &bytes[..bytes.len().min(PIECE)];
        match rustix::io::write(rustix::stdio::stderr(), piece) {
            Ok(count) => {
                bytes = &bytes[count..];
                waiting.fetch_sub(count, Ordering::Relaxed);
            }
            Err(rustix::io::Errno::INTR) => {}
            // Somebody else made it non-blocking.
            Err(rustix::io::Errno::AGAIN) => std::thread::sleep(Duration::from_millis(5)),
            Err(_) => {
                waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
                return;
            }
        }
    }
}
