//! The recorder: a thread that turns events into capture lines. Nothing it does can stop the traffic.

use super::record::Header;
use crate::tap::Drain;
use std::path::PathBuf;
use std::sync::Arc;

/// Running totals that the recorder publishes; all monotonic.
#[derive(Debug, Default)]
pub struct Totals {
    pub client_messages: std::sync::atomic::AtomicU64,
    pub server_messages: std::sync::atomic::AtomicU64,
    pub errors: std::sync::atomic::AtomicU64,
    pub lost_messages: std::sync::atomic::AtomicU64,
    pub bytes_written: std::sync::atomic::AtomicU64,
}

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot create capture {path}: {source}")]
    Create {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// A running recorder. Dropping it without [`Recorder::finish`] leaves what the queue held unwritten.
#[derive(Debug)]
pub struct Recorder {}

impl Recorder {
    /// Creates the file (0600, never following a symbolic link into place), writes the header, starts the thread.
    pub fn start(_path: PathBuf, _header: Header, _drain: Drain) -> Result<Self, RecordError> {
        todo!()
    }
    pub fn totals(&self) -> Arc<Totals> {
        todo!()
    }
    /// Writes all that is queued, flushes, and ends the thread. Call when every [`crate::tap::Tap`] is done.
    pub fn finish(self) {
        todo!()
    }
}
