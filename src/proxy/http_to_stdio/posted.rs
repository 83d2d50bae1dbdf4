//! A message that a client has posted, as far as it matters for where its answers go.

use super::names::Name;
use super::refusal::Refusal;
use crate::mcp::{headers, methods};
use crate::wire::{Envelope, Frame, Kind, object, parse};
use bytes::Bytes;

const TOKEN: &[&str] = &["_meta", "progressToken"];
const LOG_LEVEL: &[&str] = &["_meta", "io.modelcontextprotocol/logLevel"];
const CAPABILITIES: &[&str] = &["_meta", "io.modelcontextprotocol/clientCapabilities"];

/// One message, or a batch of them.
#[derive(Debug)]
pub struct Posted {
    /// On one line, and otherwise as it came.
    pub line: Bytes,
    pub requests: Vec<Request>,
    /// What its notifications cancel.
    pub cancels: Vec<Name>,
    /// It belongs to the modern era by what its body says.
    pub is_modern: bool,
    pub is_batch: bool,
    /// It answers something.
    pub is_answer: bool,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Raw.
    pub id: String,
    pub method: String,
    /// The raw progress token.
    pub token: Option<String>,
    /// The task that it is about.
    pub task: Option<String>,
    /// It wants log messages.
    pub logs: bool,
    /// It has the metadata that the modern era demands.
    pub is_complete: bool,
}

impl Posted {
    /// Reads what came, which was put on one line before.
    pub fn read(line: Bytes) -> Result<Self, Refusal> {
        let mut posted = Self {
            line: line.clone(),
            requests: Vec::new(),
            cancels: Vec::new(),
            is_modern: false,
            is_batch: false,
            is_answer: false,
        };
        match parse(&line) {
            Frame::Message(message) => posted.take(&message)?,
            Frame::Batch(messages) => {
                posted.is_batch = true;
                for message in &messages {
                    posted.take(message)?;
                }
            }
            Frame::NotJsonRpc => return Err(Refusal::invalid("this is no JSON-RPC message")),
            Frame::NotJson(reason) => {
                return Err(Refusal::not_json(&format!("this is not JSON: {reason}")));
            }
            Frame::Blank => return Err(Refusal::not_json("there is no message in the body")),
        }
        Ok(posted)
    }

    /// The one request that opens a session.
    pub fn is_initialize(&self) -> bool {
        !self.is_batch
            && self
                .requests
                .iter()
                .any(|it| it.method == methods::INITIALIZE)
    }

    /// The raw id to refuse it by.
    pub fn id(&self) -> Option<&str> {
        self.requests
            .first()
            .filter(|_| !self.is_batch)
            .map(|it| &*it.id)
    }

    fn take(&mut self, message: &Envelope<'_>) -> Result<(), Refusal> {
        let params = message.params.unwrap_or_default();
        self.is_modern |= headers::modern_version(message).is_some();
        match (message.kind(), &message.method, message.id) {
            (Kind::Request, Some(method), Some(id)) => self.requests.push(Request {
                id: id.to_owned(),
                method: method.clone().into_owned(),
                token: object::at(params, TOKEN).map(str::to_owned),
                task: object::string_at(params, &["taskId"]).map(Into::into),
                logs: object::at(params, LOG_LEVEL).is_some(),
                is_complete: object::at(params, CAPABILITIES).is_some()
                    && headers::modern_version(message).is_some(),
            }),
            (Kind::Notification, Some(method), _) if method == methods::CANCELLED => {
                self.cancels
                    .extend(object::at(params, &["requestId"]).map(Name::of));
            }
            (Kind::Notification, ..) => {}
            (Kind::Result | Kind::Error, ..) => self.is_answer = true,
            _ => {
                return Err(Refusal::invalid(
                    "this is no JSON-RPC request, notification or answer",
                )
                .to(message.id));
            }
        }
        Ok(())
    }
}
