//! The way to the client: one message a line, in the order in which they were recorded.
//!
//! Whoever brings a message waits until the client has taken those before it, so a client that does not read holds up
//! the streams and fills no memory.

use crate::proxy::pump::Lane;
use crate::proxy::stdio::Sink;
use bytes::{Bytes, BytesMut};
use std::io;
use tokio::sync::Mutex;

/// Above this a line's end is written by itself rather than the line copied.
const LARGE: usize = 64 * 1024;

#[derive(Debug)]
pub struct Outlet(Mutex<Option<Sink>>);

impl Outlet {
    pub fn new(sink: Sink) -> Self {
        Self(Mutex::new(Some(sink)))
    }

    /// Records the message, then writes it, in turn. Fails once, when the client reads no more; it is left alone then.
    pub async fn write(
        &self,
        message: &Bytes,
        lane: &Lane,
        record: impl FnOnce(),
    ) -> io::Result<()> {
        let mut sink = self.0.lock().await;
        record();
        // Nothing may follow a line that is given up in the middle.
        let Some(mut open) = sink.take() else {
            return Ok(());
        };
        lane.deliver(line(&mut open, message)).await?;
        *sink = Some(open);
        Ok(())
    }

    /// The end of the stream for the client.
    pub async fn close(&self) {
        *self.0.lock().await = None;
    }
}

async fn line(sink: &mut Sink, message: &Bytes) -> io::Result<()> {
    if message.len() > LARGE {
        sink.write(message).await?;
        return sink.write(&Bytes::from_static(b"\n")).await;
    }
    let mut line = BytesMut::with_capacity(message.len() + 1);
    line.extend_from_slice(message);
    line.extend_from_slice(b"\n");
    sink.write(&line.freeze()).await
}
