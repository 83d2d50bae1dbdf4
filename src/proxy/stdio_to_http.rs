//! A client on stdio in front of an HTTP server: we are the client of the Streamable HTTP transport, or of the old
//! HTTP+SSE one where the server speaks only that.
//!
//! The client is the peer on our stdin and stdout, or the operator's own.

use super::http_client::Origin;
use super::live::{Live, Roster};
use super::pump::Injection;
use super::stdio_to_stdio::{ClientEnd, Stop};
use super::{Config, ProxyError};
use crate::tap::{Closed, Tap};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Everything that a session is made of before it starts.
#[derive(Debug)]
pub struct Session {
    pub live: Arc<Live>,
    pub injections: mpsc::Receiver<Injection>,
    pub client: ClientEnd,
    pub origin: Arc<Origin>,
    pub config: Arc<Config>,
    pub roster: Arc<Roster>,
    pub tap: Tap,
    pub stop: watch::Receiver<Stop>,
}

impl Session {
    /// Runs until the client has left or the server has ended the session, and the last words are delivered.
    pub async fn run(self) -> Result<Closed, ProxyError> {
        todo!("bridge stdio to HTTP")
    }
}
