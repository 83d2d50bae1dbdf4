//! The client's stream, cut into lines, read ahead of what can be sent by a little and no more.

use crate::proxy::pump::Lane;
use crate::proxy::stdio::Source;
use crate::wire::framing::LineSplitter;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// What is read ahead while lines must wait. An answer that the server waits for may be behind a good many requests.
const AHEAD: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub struct Inlet {
    client: Source,
    lane: Lane,
    buf: BytesMut,
    lines: LineSplitter,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// The client has closed its side.
    pub ended: bool,
}

impl Inlet {
    pub fn new(client: Source, lane: Lane) -> Self {
        Self {
            client,
            lane,
            buf: BytesMut::new(),
            lines: LineSplitter::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            ended: false,
        }
    }

    /// The line that has so many before it, with its line end.
    pub fn line(&self, at: usize) -> Option<&Bytes> {
        self.waiting.get(at)
    }

    /// Takes the line out that has so many before it.
    pub fn take(&mut self, at: usize) -> Option<Bytes> {
        let line = self.waiting.remove(at)?;
        self.waiting_bytes -= line.len();
        Some(line)
    }

    /// Reads no more: what has come of a line is all there will be of it.
    pub fn give_up(&mut self) {
        self.ended = true;
        if let Some(line) = self.lines.finish() {
            self.waiting_bytes += line.len();
            self.waiting.push_back(line);
        }
    }

    pub fn has_room(&self) -> bool {
        !self.ended && self.waiting_bytes < AHEAD
    }

    /// Reads once. Nothing is lost when the future is dropped.
    pub async fn read(&mut self) {
        self.lane.room().await;
        let chunk = match self.client.read(&mut self.buf).await {
            Ok(chunk) => chunk,
            Err(error) => {
                self.lane
                    .note(format!("cannot read from the client: {error}"));
                Bytes::new()
            }
        };
        if chunk.is_empty() {
            return self.give_up();
        }
        let (waiting, bytes) = (&mut self.waiting, &mut self.waiting_bytes);
        self.lines.push(chunk, |line| {
            *bytes += line.len();
            waiting.push_back(line);
        });
    }
}
