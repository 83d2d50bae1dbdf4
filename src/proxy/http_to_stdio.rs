//! HTTP clients in front of a stdio server: we are the server of the Streamable HTTP transport, and of the old HTTP+SSE
//! one.
//!
//! One child for each legacy session, one for all modern requests.

use super::Config;
use super::listener::{Handler, Listen, RequestBody, Response};
use super::live::Roster;
use super::stdio_to_stdio::Stop;
use crate::tap::Tap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// Serves a command to HTTP clients.
#[derive(Debug)]
pub struct Host {}

impl Host {
    pub fn new(
        command: Vec<OsString>,
        listen: &Listen,
        config: Arc<Config>,
        roster: Arc<Roster>,
        tap: Tap,
        stop: watch::Receiver<Stop>,
    ) -> Arc<Self> {
        let _ = (command, listen, config, roster, tap, stop);
        todo!("bridge HTTP to stdio")
    }

    /// Ends every child, politely; returns when they are gone.
    pub async fn close(&self) {
        todo!("close")
    }
}

impl Handler for Host {
    async fn handle(
        self: Arc<Self>,
        request: http::Request<RequestBody>,
        peer: SocketAddr,
    ) -> Response {
        let _ = (request, peer);
        todo!("serve")
    }
}
