//! The one cursor over a capture, finished or growing, plain or compressed.

use super::record::{Header, Location, Record};
use std::path::Path;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot open capture {path}: {source}")]
    Open {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error("cannot read capture: {0}")]
    Read(#[from] std::io::Error),
    #[error("{path} is not a capture: {reason}")]
    NotACapture {
        path: std::path::PathBuf,
        reason: String,
    },
}

/// Reads records in order. At the end of a growing file [`Reader::read`] returns 0 and may be called again later.
#[derive(Debug)]
pub struct Reader {}

impl Reader {
    /// Opens from the start. A `.zst` capture is decompressed into an unlinked temporary file as it is read.
    pub fn open(_path: &Path) -> Result<Self, ReadError> {
        todo!()
    }
    pub fn header(&self) -> &Header {
        todo!()
    }
    /// Hands at most `limit` complete records to `each`; how many there were. A torn last line stays unread.
    pub fn read(
        &mut self,
        _limit: usize,
        _each: impl FnMut(Record<'_>),
    ) -> Result<usize, ReadError> {
        todo!()
    }
    /// Bytes read so far and bytes there are now (of the file as stored), for a progress display.
    pub fn progress(&self) -> (u64, u64) {
        todo!()
    }
    /// Random access to payloads that this reader has passed; independent of the cursor, usable from another thread.
    pub fn bodies(&self) -> Result<Bodies, ReadError> {
        todo!()
    }
}

/// Reads payloads back by location.
#[derive(Debug)]
pub struct Bodies {}

impl Bodies {
    /// The payload's bytes, decoded: what was on the wire.
    pub fn fetch(&self, _location: Location) -> Result<Vec<u8>, ReadError> {
        todo!()
    }
}
