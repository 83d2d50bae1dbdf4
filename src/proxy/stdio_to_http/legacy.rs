//! What a session of the legacy era carries along: its id, its version, and the stream beside its requests.

use super::bridge::Bridge;
use super::streams::Followed;
use crate::mcp::headers::{PROTOCOL_VERSION, SESSION_ID};
use crate::proxy::stdio_to_http::events::Cursor;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The first revision whose requests name it in a header.
const NAMED_FROM: &str = "2025-06-18";

#[derive(Debug, Default)]
pub struct Legacy {
    session: Option<HeaderValue>,
    version: Option<HeaderValue>,
    /// The version, however old, as the server has spelled it.
    pub agreed: Option<String>,
    /// How often a server has let us in.
    pub round: u32,
    /// Where messages are posted to, when the server speaks only the old HTTP+SSE transport.
    pub old: Option<String>,
    /// A handshake has begun.
    pub is_open: bool,
    /// The stream beside the requests.
    beside: Option<CancellationToken>,
}

impl Legacy {
    /// A server has let us in, perhaps once more.
    pub fn begin(&mut self, session: Option<&HeaderValue>) {
        self.is_open = true;
        self.session = session.cloned();
        self.round += 1;
        self.agree(None);
        if let Some(stream) = self.beside.take() {
            stream.cancel();
        }
    }

    /// The version that the server has chosen.
    pub fn agree(&mut self, version: Option<&str>) {
        self.agreed = version.map(Into::into);
        let named = version.filter(|version| *version >= NAMED_FROM);
        self.version = named.and_then(|version| HeaderValue::from_str(version).ok());
    }

    /// Puts on what every request after `initialize` carries, in place of what it carried before.
    pub fn put_on(&self, headers: &mut HeaderMap) {
        let ours = [
            (SESSION_ID, &self.session),
            (PROTOCOL_VERSION, &self.version),
        ];
        for (name, value) in ours {
            match value {
                Some(value) => headers.insert(HeaderName::from_static(name), value.clone()),
                None => headers.remove(name),
            };
        }
    }
}

impl Bridge {
    /// Opens the stream beside the requests, if the server has one.
    pub fn listen(self: &Arc<Self>) {
        let abort = self.over.child_token();
        let mut legacy = self.legacy();
        let (before, round) = (legacy.beside.replace(abort.clone()), legacy.round);
        drop(legacy);
        if let Some(before) = before {
            before.cancel();
        }
        let bridge = self.clone();
        self.tasks.spawn(async move {
            let status = match bridge.follow(None, round, Cursor::default(), &abort).await {
                Followed::Forgotten(status) if bridge.legacy().session.is_some() => {
                    if bridge.begin_anew(round, false).await.is_none() {
                        bridge.forgotten(status);
                    }
                    return;
                }
                Followed::Forgotten(status) | Followed::Refused(status) => status,
                Followed::Answered | Followed::Aborted | Followed::Unreachable(_) => return,
            };
            if status != StatusCode::METHOD_NOT_ALLOWED {
                bridge.note(&format!(
                    "the server has no stream beside its answers: it says {status}"
                ));
            }
        });
    }

    /// Tells the server that the session is over; it may not care.
    pub async fn take_leave(&self) {
        let mut headers = HeaderMap::new();
        self.legacy().put_on(&mut headers);
        if !headers.contains_key(SESSION_ID) {
            return;
        }
        let ask = self.own(Method::DELETE, headers);
        let never = CancellationToken::new();
        if let Ok(mut incoming) = self.ask(self.exchange(), ask, &never, |_| ()).await
            && let Ok(said) = incoming.glance(&self.lane, &never).await
        {
            self.swallow(&incoming.exchange, said, None);
        }
    }
}
