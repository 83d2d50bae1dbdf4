//! Cutting a byte stream into lines, whatever the cuts it arrives in.

use bytes::Bytes;

/// Reassembles lines. A line that lies within one chunk is a slice of it (no copy); the line end stays on the line.
#[derive(Debug, Default)]
pub struct LineSplitter {}

impl LineSplitter {
    /// Takes the next chunk and hands each line that it completes to `each`, line end included.
    pub fn push(&mut self, _chunk: Bytes, _each: impl FnMut(Bytes)) {
        todo!()
    }
    /// The last line, when the stream ended without a line end.
    pub fn finish(&mut self) -> Option<Bytes> {
        todo!()
    }
    /// Bytes held of a line that is not complete yet.
    pub fn pending(&self) -> usize {
        todo!()
    }
}
