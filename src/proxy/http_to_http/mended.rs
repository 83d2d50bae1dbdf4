//! Calls of the operator's that a server refuses for the headers that they were sent with: they are sent again with
//! those that the server's list of tools asks for.

use super::operator::{Desk, Heard, head, outgoing};
use super::sessions::Session;
use crate::proxy::exchange::Exchange;
use crate::proxy::mirror;
use crate::tap::{ASKED_AGAIN, CLIENT_GONE, Half, Party};
use bytes::Bytes;
use http::{HeaderMap, Method};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A call as it was sent.
#[derive(Debug)]
pub struct Call {
    pub message: Bytes,
    pub headers: HeaderMap,
    /// Those of them that every request gets from us.
    pub added: HeaderMap,
}

impl Desk {
    /// Sends the call again if the list of tools says what it lacked; otherwise the refusal is its answer.
    pub async fn mend(
        self: &Arc<Self>,
        session: &Arc<Session>,
        first: &Exchange,
        mut call: Call,
        refusal: Bytes,
        over: &CancellationToken,
    ) -> Heard {
        let ask = |request, id| self.own_request(session, request, id);
        let gate = &session.live.gate;
        let asking = self.tools.headers_anew(&call.message, gate, ask);
        let Some(anew) = over.run_until_cancelled(asking).await.flatten() else {
            let mut heard = Heard::nothing(Party::Operator);
            self.refused(session, first, refusal, &mut heard);
            return heard;
        };
        let bytes = refusal.len() as u64;
        first.message(Party::Server, Party::Sentinel, refusal, None);
        first.end(Half::Response, Some(bytes), Some(ASKED_AGAIN.into()));
        mirror::put_on(&mut call.headers, &anew);
        let exchange = self.exchange(session);
        let length = call.message.len() as u64;
        let post = outgoing(session, Method::POST, call.headers, call.message.into());
        exchange.request(head(Party::Sentinel, &post, &call.added));
        // What it says is on record with the exchange that it repeats.
        exchange.end(Half::Request, Some(length), None);
        let to = Party::Operator;
        let post = self.hear(session, &exchange, post, to);
        let Some(mut heard) = over.run_until_cancelled(post).await else {
            exchange.end(Half::Response, None, Some(CLIENT_GONE.into()));
            self.bell.ring();
            return Heard::nothing(to);
        };
        if let Some(refusal) = heard.refusal.take() {
            self.refused(session, &exchange, refusal, &mut heard);
        }
        heard
    }

    /// The refusal is the answer.
    fn refused(&self, session: &Session, on: &Exchange, refusal: Bytes, heard: &mut Heard) {
        heard.message(session, on, &refusal, None);
        on.end(Half::Response, Some(refusal.len() as u64), None);
        self.bell.ring();
    }

    /// Sends a request of ours; the raw result, if it gets one.
    async fn own_request(
        self: &Arc<Self>,
        session: &Arc<Session>,
        request: Bytes,
        id: String,
    ) -> Option<String> {
        let heard = self.post(session, request, Party::Sentinel).await;
        mirror::result(&heard.answer?, &id)
    }
}
