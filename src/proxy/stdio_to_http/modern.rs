//! Requests of our own in a session of the modern era.

use super::bridge::Bridge;
use super::events::{Cursor, Events};
use super::outgoing::{self, Ask, Incoming};
use crate::mcp::headers::{self, Header};
use crate::proxy::exchange::Exchange;
use crate::proxy::mirror;
use crate::tap::Party;
use crate::wire::{Frame, parse};
use bytes::Bytes;
use http::Method;
use tokio_util::sync::CancellationToken;

impl Bridge {
    /// The headers that a call lacked which was refused for them.
    pub async fn headers_anew(
        &self,
        refused: &[u8],
        abort: &CancellationToken,
    ) -> Option<Vec<Header>> {
        let ask = |request, id| self.own_request(request, id, abort);
        self.tools.headers_anew(refused, &self.live.gate, ask).await
    }

    /// Sends a request of ours; the raw result, if it gets one.
    async fn own_request(
        &self,
        request: Bytes,
        id: String,
        abort: &CancellationToken,
    ) -> Option<String> {
        let mut headers = outgoing::posting();
        if let Frame::Message(message) = parse(&request) {
            mirror::put_on(&mut headers, &headers::of(&message, None));
        }
        let ask = Ask {
            by: Party::Sentinel,
            method: Method::POST,
            target: self.target(),
            headers,
            body: request.clone(),
            sent: None,
        };
        let record = |exchange: &Exchange| {
            exchange.message(Party::Sentinel, Party::Server, request, None);
        };
        let mut incoming = self.ask(self.exchange(), ask, abort, record).await.ok()?;
        if incoming.is_events() {
            return self.result_in_events(incoming, &id, abort).await;
        }
        let body = incoming.whole(&self.lane, abort).await.ok()?;
        self.swallow(&incoming.exchange, body.clone(), None);
        mirror::result(&body, &id)
    }

    async fn result_in_events(
        &self,
        incoming: Incoming,
        id: &str,
        abort: &CancellationToken,
    ) -> Option<String> {
        let (mut events, mut cursor) = (Events::of(incoming), Cursor::default());
        while let Ok(Some(event)) = events.next(&mut cursor, &self.lane, abort).await {
            events.exchange().beside(&event);
            if let Some(message) = event.message() {
                self.swallow(events.exchange(), message.clone(), event.id.as_deref());
                if let Some(result) = mirror::result(message, id) {
                    events.leave("nothing more was wanted");
                    return Some(result);
                }
            }
        }
        None
    }
}
