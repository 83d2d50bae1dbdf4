//! HTTP clients in front of an HTTP server: a reverse proxy that adds nothing.
//!
//! Knows heads and bytes; messages are taken out of them on the other side of the tap.

use super::Config;
use super::http_client::Client;
use super::listener::{Handler, RequestBody, Response};
use super::live::Roster;
use crate::tap::Tap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Forwards every request to the upstream.
#[derive(Debug)]
pub struct Reverse {}

impl Reverse {
    pub fn new(client: Client, config: Arc<Config>, roster: Arc<Roster>, tap: Tap) -> Arc<Self> {
        let _ = (client, config, roster, tap);
        todo!("reverse proxy")
    }
}

impl Handler for Reverse {
    async fn handle(
        self: Arc<Self>,
        request: http::Request<RequestBody>,
        peer: SocketAddr,
    ) -> Response {
        let _ = (request, peer);
        todo!("forward")
    }
}
