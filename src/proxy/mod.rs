//! The data path: bytes in, the same bytes out, and an [`crate::tap::Event`] for whoever looks later.
//!
//! Knows the wire, the tap and as much of MCP as operator calls need. Never sees the model or a screen.

pub mod child;
pub mod operator;
pub mod pump;
pub mod stdio;
pub mod stdio_to_stdio;

use crate::mcp::Era;
use crate::tap::{Order, Tap};
use std::ffi::OsString;
use tokio_util::sync::CancellationToken;

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server's argv, verbatim: never joined, never re-split, never given to a shell.
    pub command: Vec<OsString>,
    /// The era of the operator's own session; `None` finds out (modern first, then legacy).
    pub era: Option<Era>,
    /// How long a server may take after SIGTERM before SIGKILL.
    pub grace: std::time::Duration,
    /// Where the server's stderr goes besides the tap: our own stderr when headless, nowhere under a TUI.
    pub forward_stderr: bool,
}

/// Who is at the client end of session 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// The peer on our stdin and stdout.
    Stdio,
    /// Nobody: the operator's own session is opened at start.
    Operator,
}

/// How the proxy ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code to hand on: the server's own, or 128+n for a signal.
    pub code: i32,
    /// In words, for the summary line.
    pub how: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The server could not be started; `code` is 127 (not found) or 126 (not executable).
    #[error("cannot start {command}: {reason}")]
    Start {
        command: String,
        reason: String,
        code: i32,
    },
    #[error("{what}: {source}")]
    Io {
        what: &'static str,
        source: std::io::Error,
    },
}

/// Runs the data path until the client or the server is gone, or `shutdown` is cancelled. Blocks the calling thread,
/// which must outlive the proxy (the kernel's parent-death signal is tied to it).
pub fn run(
    _config: Config,
    _client: Client,
    _tap: Tap,
    _orders: tokio::sync::mpsc::Receiver<Order>,
    _shutdown: CancellationToken,
) -> Result<Ended, ProxyError> {
    todo!()
}
