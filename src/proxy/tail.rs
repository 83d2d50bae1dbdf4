//! Reading what a process writes: to the end of its pipe, but not for ever after its own end, when something that it has
//! left behind holds the pipe open, or goes on writing.
//!
//! Knows a pipe and when its writer exited; must not know what flows through it.

use super::stdio::Source;
use bytes::{Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How long a pipe is read on after its writer has exited. What is in it by then is read, too.
const LINGER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Tail {
    exited: CancellationToken,
    exit: Pin<Box<WaitForCancellationFutureOwned>>,
    until: Option<Instant>,
    /// What was in the pipe when the time was over.
    left: Option<usize>,
}

impl Tail {
    /// `exited` is cancelled when the process has exited.
    pub fn new(exited: CancellationToken) -> Self {
        Self {
            exit: Box::pin(exited.clone().cancelled_owned()),
            exited,
            until: None,
            left: None,
        }
    }

    /// The next bytes, cut anywhere; empty at the end. Nothing is lost when the future is dropped.
    pub async fn read(&mut self, pipe: &mut Source, buf: &mut BytesMut) -> io::Result<Bytes> {
        if !self.exited.is_cancelled() {
            tokio::select! {
                biased;
                read = pipe.read(buf) => return read,
                () = &mut self.exit => {}
            }
        }
        if self.left.is_none() {
            // A pipe that is never empty must not hide that the time is over.
            tokio::select! {
                biased;
                () = self.lingered() => {}
                read = pipe.read(buf) => return read,
            }
        }
        let left = match self.left {
            Some(left) => left,
            None => pipe.at_hand(),
        };
        if left == 0 {
            return Ok(Bytes::new());
        }
        let read = pipe.read(buf).await?;
        self.left = Some(left.saturating_sub(read.len()));
        Ok(read)
    }

    /// Returns when the process has exited and the time after it is over.
    pub async fn lingered(&mut self) {
        self.exit.as_mut().await;
        let until = self.until.get_or_insert_with(|| Instant::now() + LINGER);
        tokio::time::sleep_until(*until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn pipe() -> (Source, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        (Source::pipe(reader.into()).unwrap(), writer)
    }

    fn exited() -> Tail {
        let exited = CancellationToken::new();
        exited.cancel();
        Tail::new(exited)
    }

    #[tokio::test]
    async fn what_is_left_behind_and_writes_on_is_not_read_for_ever() {
        let (mut pipe, mut writer) = pipe();
        let writing =
            std::thread::spawn(move || while writer.write_all(&[b'y'; 1 << 16]).is_ok() {});
        let (mut tail, mut buf) = (exited(), BytesMut::new());
        let reading = async {
            while !tail.read(&mut pipe, &mut buf).await.unwrap().is_empty() {
                // Slow enough to find more each time.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let too_long = LINGER * 300;
        tokio::time::timeout(too_long, reading).await.unwrap();
        drop(pipe);
        writing.join().unwrap();
    }

    #[tokio::test]
    async fn what_is_in_the_pipe_when_the_time_is_over_is_read() {
        let (mut pipe, mut writer) = pipe();
        writer.write_all(b"the last word").unwrap();
        let (mut tail, mut buf) = (exited(), BytesMut::new());
        tail.lingered().await;
        let read = tail.read(&mut pipe, &mut buf).await.unwrap();
        assert_eq!(read, "the last word");
        assert!(tail.read(&mut pipe, &mut buf).await.unwrap().is_empty());
    }
}
