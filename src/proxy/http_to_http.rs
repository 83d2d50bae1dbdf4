//! HTTP clients in front of an HTTP server: a reverse proxy that adds nothing.
//!
//! Knows heads and bytes; messages are taken out of them on the other side of the tap. A body is looked into only for
//! what forwarding needs: whose session an exchange belongs to, and addresses that lead past us.
//!
//! What a server says before its response (1xx) stays here: hyper lets nobody send it but itself, which asks a client that
//! waits for that to go on (100) as soon as its body is wanted.
//!
//! Many connections are served on several threads: what exchanges share stands behind locks and is told in one step, and
//! the operator's part stays where the proxy was started.

mod bell;
mod body;
mod document;
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
use tokio::runtime::Handle;

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
    resource_moved: Arc<AtomicBool>,
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
            runtime: Handle::current(),
        });
        Arc::new(Self {
            upstream: Arc::new(client.origin().url.clone()),
            sessions,
            client,
            roster,
            tap,
            bell,
            resource_moved: Arc::default(),
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

    /// With connections of its own to the upstream: one that is shared wakes a thread by another.
    fn another(&self) -> Option<Arc<Self>> {
        let tap = self.tap.on_another_thread();
        Some(Arc::new(Self {
            client: self.client.with_own_connections(),
            roster: self.roster.clone(),
            bell: Bell::hang(tap.clone()),
            tap,
            sessions: self.sessions.clone(),
            upstream: self.upstream.clone(),
            resource_moved: self.resource_moved.clone(),
        }))
    }
}
