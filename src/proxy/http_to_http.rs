//! HTTP clients in front of an HTTP server: a reverse proxy that adds nothing.
//!
//! Knows heads and bytes; messages are taken out of them on the other side of the tap. A body is looked into only for
//! what forwarding needs: whose session an exchange belongs to, and addresses that lead past us.

mod bell;
mod body;
mod forward;
mod made_up;
mod mended;
mod oauth;
mod operator;
mod rewrite;
mod sessions;
mod sieve;

use super::http_client::Client;
use super::listener::{Handler, RequestBody, Response};
use super::live::Roster;
use super::mirror::Tools;
use crate::tap::Tap;
use bell::Bell;
use operator::Desk;
use reqwest::Url;
use sessions::Sessions;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Forwards every request to the upstream.
#[derive(Debug)]
pub struct Reverse {
    client: Client,
    roster: Arc<Roster>,
    tap: Tap,
    bell: Bell,
    sessions: Arc<Sessions>,
    upstream: Arc<Url>,
    /// A client has been told that what it wants a token for is here.
    resource_moved: AtomicBool,
}

impl Reverse {
    /// Must be called on the runtime that serves.
    pub fn new(client: Client, roster: Arc<Roster>, tap: Tap) -> Arc<Self> {
        let bell = Bell::hang(tap.clone());
        let sessions = Sessions::new(Desk {
            client: client.clone(),
            roster: roster.clone(),
            tap: tap.clone(),
            bell: bell.clone(),
            tools: Tools::default(),
        });
        Arc::new(Self {
            upstream: Arc::new(client.origin().url.clone()),
            sessions,
            client,
            roster,
            tap,
            bell,
            resource_moved: AtomicBool::new(false),
        })
    }
}

impl Handler for Reverse {
    async fn handle(
        self: Arc<Self>,
        request: http::Request<RequestBody>,
        _peer: SocketAddr,
    ) -> Response {
        self.forward(request).await
    }
}
