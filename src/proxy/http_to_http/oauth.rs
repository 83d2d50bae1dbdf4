//! OAuth through the proxy: what clients learn of the upstream must fit the address that they know it by.
//!
//! Documents that matter to it are read whole before they are handed on; nothing else is.

use super::Reverse;
use super::document::Document;
use super::forward::Passage;
use super::rewrite;
use crate::proxy::challenge::Refusal;
use crate::proxy::http_client::UpstreamBody;
use http::{HeaderMap, Method, StatusCode, header};
use std::sync::atomic::Ordering;

/// Why a document is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// It says what the protected resource is called.
    Metadata,
    /// It says why there is no token.
    NoToken,
}

impl Concern {
    pub fn of(method: &Method, target: &str, status: StatusCode) -> Option<Self> {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        match (method, status) {
            (&Method::GET, StatusCode::OK) if rewrite::is_protected_resource(path) => {
                Some(Self::Metadata)
            }
            (&Method::POST, StatusCode::BAD_REQUEST) if path.ends_with("/token") => {
                Some(Self::NoToken)
            }
            _ => None,
        }
    }
}

impl Reverse {
    pub(super) async fn document(
        &self,
        passage: &Passage,
        concern: Concern,
        body: UpstreamBody,
    ) -> Document {
        let mut document = Document::read(body).await;
        let Document::Read { bytes, replaced } = &mut document else {
            return document;
        };
        match concern {
            Concern::Metadata => {
                if let Some((moved, resource)) = rewrite::protected_resource(bytes, &passage.places)
                {
                    *replaced = Some(moved.into());
                    self.resource_moved.store(true, Ordering::Relaxed);
                    passage.exchange.note(format!(
                        "the client was told that the protected resource is {resource}: it would not accept another address than the one it knows"
                    ));
                }
            }
            Concern::NoToken => {
                if memchr::memmem::find(bytes, b"invalid_target").is_some() {
                    self.invalid_target(passage);
                }
            }
        }
        document
    }

    /// Tells the operator what a refusal means that comes of our standing in between.
    pub(super) fn explain(&self, passage: &Passage, status: StatusCode, headers: &HeaderMap) {
        match Refusal::of(status, headers) {
            Some(Refusal::Token)
                if passage.has_token && self.resource_moved.load(Ordering::Relaxed) =>
            {
                passage.exchange.note(format!(
                    "the server refuses the client's token: it was asked for under this proxy's address, and the server may take only tokens for its own; {}",
                    self.way_out()
                ));
            }
            Some(Refusal::Scope(scopes)) if passage.brings_token => {
                let origin = self.client.origin();
                passage.exchange.note(origin.more_scope(&scopes));
            }
            _ => {}
        }
        let redirect = headers.get(header::LOCATION).map(|it| it.as_bytes());
        if status.is_redirection()
            && redirect
                .is_some_and(|to| memchr::memmem::find(to, b"error=invalid_target").is_some())
        {
            self.invalid_target(passage);
        }
    }

    fn invalid_target(&self, passage: &Passage) {
        passage.exchange.note(format!(
            "the authorization server gives no token for this proxy's address (invalid_target); {}",
            self.way_out()
        ));
    }

    fn way_out(&self) -> String {
        format!(
            "let the proxy bring the token instead: --header 'Authorization: Bearer ...', or mcp-sentinel auth login {}",
            self.client.origin().url
        )
    }
}
