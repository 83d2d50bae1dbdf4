//! The signals that end us: what arrives is handed on to the server's process group, so nothing here exits.

pub use super::sys::is_ignored;
use rustix::process::Signal;
use std::io;
use tokio::signal::unix::{self, SignalKind};

/// Listens for SIGTERM, SIGINT and SIGHUP, except those that whoever started us wants ignored (`nohup`).
#[derive(Debug)]
pub struct Signals {
    terminate: Option<unix::Signal>,
    interrupt: Option<unix::Signal>,
    hangup: Option<unix::Signal>,
    /// A capture that may not grow any further (`ulimit -f`) is the recorder's trouble: caught, so that the write
    /// fails and nobody dies of it.
    _file_size: Option<unix::Signal>,
}

impl Signals {
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: listen(Signal::TERM)?,
            interrupt: listen(Signal::INT)?,
            hangup: listen(Signal::HUP)?,
            _file_size: listen(Signal::XFSZ)?,
        })
    }

    /// The next one to arrive.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            () = arrival(&mut self.terminate) => Signal::TERM,
            () = arrival(&mut self.interrupt) => Signal::INT,
            () = arrival(&mut self.hangup) => Signal::HUP,
        }
    }
}

fn listen(signal: Signal) -> io::Result<Option<unix::Signal>> {
    if is_ignored(signal) {
        return Ok(None);
    }
    unix::signal(SignalKind::from_raw(signal.as_raw())).map(Some)
}

async fn arrival(signal: &mut Option<unix::Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}
