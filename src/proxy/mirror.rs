//! Which arguments of tool calls are mirrored in headers: what both sides of HTTP must know of the server's tools in the
//! modern era, to put the headers on or to check them.
//!
//! Learns from the lists that it is shown, and says how to ask for a list where a call was refused for headers that it
//! lacked; must not know how requests are sent.

use crate::mcp::headers::{self, Header, Mirrored, PARAM_PREFIX};
use crate::mcp::methods;
use crate::proxy::gate::Gate;
use crate::wire::{Envelope, Frame, Kind, object, parse};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
        headers::of(message, self.called(message).as_ref())
    }

    /// What is wrong with the headers that came with a message, in a sentence.
    pub fn mismatch<'h>(
        &self,
        message: &Envelope<'_>,
        header: &dyn Fn(&str) -> Option<&'h str>,
    ) -> Option<String> {
        headers::mismatch(message, header, self.called(message).as_ref())
    }

    /// What the tool that a message calls wants.
    fn called(&self, message: &Envelope<'_>) -> Option<Mirrored> {
        let tools = self.all();
        if tools.is_empty() || message.method.as_deref() != Some(methods::TOOLS_CALL) {
            return None;
        }
        let name = object::string_at(message.params?, &["name"])?;
        tools.get(&*name).cloned()
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

    /// Asks for the tools in our own name, so that the call `refused` can be sent with the headers that it lacked; those,
    /// when they are others than before. `ask` sends a request and returns the raw result of the one with this id.
    pub async fn headers_anew<R: Future<Output = Option<String>>>(
        &self,
        refused: &[u8],
        gate: &Gate,
        ask: impl Fn(Bytes, String) -> R,
    ) -> Option<Vec<Header>> {
        let Frame::Message(call) = parse(refused) else {
            return None;
        };
        let before = self.headers(&call);
        let meta = object::at(call.params.unwrap_or_default(), &["_meta"]).unwrap_or_default();
        let required = object::members(meta).filter(|(key, _)| REQUIRED.contains(&&**key));
        let meta: Vec<String> = required
            .map(|(key, value)| format!("{}:{value}", serde_json::Value::from(&*key)))
            .collect();
        let mut cursor = String::new();
        for _ in 0..PAGES {
            let id = gate.fresh_id();
            let request = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{{cursor}"_meta":{{{}}}}}}}"#,
                meta.join(",")
            );
            let answer = ask(Bytes::from(request), id.clone()).await;
            gate.forget(&id);
            let Some(result) = answer else { break };
            self.learn(&result);
            match object::at(&result, &["nextCursor"]) {
                Some(next) if next.starts_with('"') => cursor = format!(r#""cursor":{next},"#),
                _ => break,
            }
        }
        Some(self.headers(&call)).filter(|now| *now != before)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Mirrored>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds headers that were composed as text; no other parameters are mirrored.
pub fn put_on(headers: &mut HeaderMap, more: &[Header]) {
    let is_parameter = |name: &&HeaderName| name.as_str().starts_with(PARAM_PREFIX);
    let before: Vec<HeaderName> = headers.keys().filter(is_parameter).cloned().collect();
    for name in before {
        headers.remove(name);
    }
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

/// The raw result in an answer to the request with this id.
pub fn result(answer: &[u8], id: &str) -> Option<String> {
    match parse(answer) {
        Frame::Message(message) if message.kind() == Kind::Result && message.id == Some(id) => {
            message.result.map(str::to_owned)
        }
        _ => None,
    }
}
