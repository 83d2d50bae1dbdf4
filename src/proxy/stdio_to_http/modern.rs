//! What a session of the modern era must know of the server's tools: which parameters go into headers.
//!
//! Learns from the lists that pass, and asks for a list itself where a call was refused for headers that it lacked.

use super::bridge::Bridge;
use super::events::{Cursor, Events};
use super::outgoing::{self, Ask, Incoming};
use crate::mcp::headers::{self, Header, Mirrored};
use crate::mcp::methods;
use crate::proxy::exchange::Exchange;
use crate::tap::Party;
use crate::wire::{Envelope, Frame, Kind, object, parse};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// The server's word for headers that do not say what the body says.
const HEADER_MISMATCH: &str = "-32020";
/// A server that lists more pages than this goes on for ever.
const PAGES: usize = 100;
const REQUIRED: [&str; 3] = [
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/clientCapabilities",
];

/// The tools that want parameters mirrored, by name.
#[derive(Debug, Default)]
pub struct Tools(Mutex<HashMap<String, Mirrored>>);

impl Tools {
    /// The headers that go out with a message.
    pub fn headers(&self, message: &Envelope<'_>) -> Vec<Header> {
        let params = message.params.unwrap_or_default();
        let tools = self.all();
        let tool = match message.method.as_deref() {
            Some(methods::TOOLS_CALL) if !tools.is_empty() => object::string_at(params, &["name"]),
            _ => None,
        };
        headers::of(message, tool.and_then(|name| tools.get(&*name)))
    }

    /// Reads the raw result of a `tools/list`.
    pub fn learn(&self, result: &str) {
        let listed = object::at(result, &["tools"]).unwrap_or_default();
        let mut tools = self.all();
        for tool in object::elements(listed) {
            let Some(name) = object::string_at(tool, &["name"]) else {
                continue;
            };
            let schema = object::at(tool, &["inputSchema"]).unwrap_or_default();
            let mirrored = headers::mirrored(schema);
            if mirrored.parameters.is_empty() {
                tools.remove(&*name);
            } else {
                tools.insert(name.into_owned(), mirrored);
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Mirrored>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds headers that were composed as text.
pub fn put_on(headers: &mut HeaderMap, more: &[Header]) {
    for (name, value) in more {
        // What is composed is fit for a header; what is not could not be sent anyway.
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
}

/// Whether a tool call was refused because of its headers.
pub fn is_header_mismatch(answer: &[u8]) -> bool {
    match parse(answer) {
        Frame::Message(message) => message
            .error
            .is_some_and(|error| object::at(error, &["code"]) == Some(HEADER_MISMATCH)),
        _ => false,
    }
}

impl Bridge {
    /// Asks for the tools in our own name, so that the call `refused` can be sent with the headers that it lacked; those,
    /// when they are others than before.
    pub async fn headers_anew(
        &self,
        refused: &[u8],
        abort: &CancellationToken,
    ) -> Option<Vec<Header>> {
        let Frame::Message(call) = parse(refused) else {
            return None;
        };
        let before = self.tools.headers(&call);
        self.list_tools(&call, abort).await;
        Some(self.tools.headers(&call)).filter(|now| *now != before)
    }

    async fn list_tools(&self, call: &Envelope<'_>, abort: &CancellationToken) {
        let meta = object::at(call.params.unwrap_or_default(), &["_meta"]).unwrap_or_default();
        let required = object::members(meta).filter(|(key, _)| REQUIRED.contains(&&**key));
        let meta: Vec<String> = required
            .map(|(key, value)| format!("{}:{value}", serde_json::Value::from(&*key)))
            .collect();
        let mut cursor = String::new();
        for _ in 0..PAGES {
            let id = self.live.gate.fresh_id();
            let request = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{{cursor}"_meta":{{{}}}}}}}"#,
                meta.join(",")
            );
            let answer = self.own_request(Bytes::from(request), &id, abort).await;
            self.live.gate.forget(&id);
            let Some(result) = answer else { return };
            self.tools.learn(&result);
            match object::at(&result, &["nextCursor"]) {
                Some(next) if next.starts_with('"') => cursor = format!(r#""cursor":{next},"#),
                _ => return,
            }
        }
    }

    /// Sends a request of ours; the raw result, if it gets one.
    async fn own_request(
        &self,
        request: Bytes,
        id: &str,
        abort: &CancellationToken,
    ) -> Option<String> {
        let mut headers = outgoing::posting();
        if let Frame::Message(message) = parse(&request) {
            put_on(&mut headers, &headers::of(&message, None));
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
            return self.result_in_events(incoming, id, abort).await;
        }
        let body = incoming.whole(&self.lane, abort).await.ok()?;
        self.swallow(&incoming.exchange, body.clone(), None);
        result(&body, id)
    }

    async fn result_in_events(
        &self,
        incoming: Incoming,
        id: &str,
        abort: &CancellationToken,
    ) -> Option<String> {
        let (mut events, mut cursor) = (Events::of(incoming), Cursor::default());
        while let Ok(Some(event)) = events.next(&mut cursor, &self.lane, abort).await {
            events.record(&event);
            if let Some(message) = event.message() {
                self.swallow(events.exchange(), message.clone(), event.id.as_deref());
                if let Some(result) = result(message, id) {
                    events.leave("nothing more was wanted");
                    return Some(result);
                }
            }
        }
        None
    }
}

/// The raw result in an answer to the request with this id.
fn result(answer: &[u8], id: &str) -> Option<String> {
    match parse(answer) {
        Frame::Message(message) if message.kind() == Kind::Result && message.id == Some(id) => {
            message.result.map(str::to_owned)
        }
        _ => None,
    }
}
