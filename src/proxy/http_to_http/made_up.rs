//! Responses that are ours, because there is none of the upstream's. They are on record as ours.

use super::Reverse;
use super::body::Witness;
use crate::proxy::exchange::Exchange;
use crate::proxy::listener::{Response, ResponseBody};
use crate::tap::{self, Half, Party};
use crate::wire::{Frame, Kind, parse};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Full};
use std::io;

impl Reverse {
    /// A client that broke off in its first words: there is nobody to answer, or somebody very slow.
    pub(super) fn unheard(&self, exchange: &Exchange, head: Parts, error: &io::Error) -> Response {
        let target = head.uri.path_and_query().map_or("/", |it| it.as_str());
        exchange.request(tap::Request::new(
            Party::Client,
            head.method,
            target,
            &head.headers,
        ));
        let words = error.to_string();
        exchange.end(Half::Request, None, Some(words.clone()));
        let status = match error.kind() {
            io::ErrorKind::TimedOut => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        };
        let witness = Witness::new(exchange.clone(), self.bell.clone(), Half::Response);
        made_up(
            status,
            Body::Text(format!("mcp-sentinel: {words}\n")),
            witness,
        )
    }

    /// The upstream could not be asked, or did not answer. Never a status that means something to a client that finds
    /// out which transport or era the server speaks.
    pub(super) fn unreachable(
        &self,
        witness: Witness,
        asked: Option<&[u8]>,
        reason: &str,
    ) -> Response {
        let url = &self.client.origin().url;
        let text = format!("mcp-sentinel: no answer from {url}: {reason}");
        let error = asked.and_then(|asked| json_rpc_error(asked, &text));
        let body = error.map_or_else(|| Body::Text(format!("{text}\n")), Body::Message);
        made_up(StatusCode::BAD_GATEWAY, body, witness)
    }
}

enum Body {
    Text(String),
    Message(String),
}

fn made_up(status: StatusCode, body: Body, mut witness: Witness) -> Response {
    let (media_type, text) = match &body {
        Body::Text(text) => ("text/plain; charset=utf-8", text),
        Body::Message(text) => ("application/json", text),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    let told = tap::Response::new(Party::Sentinel, status, &headers);
    witness.exchange.response(told);
    let bytes = Bytes::from(text.clone());
    match body {
        Body::Text(_) => witness.saw(&bytes),
        Body::Message(_) => {
            let (from, to) = (Party::Sentinel, Party::Client);
            witness.exchange.message(from, to, bytes.clone(), None);
        }
    }
    witness.end(None);
    let mut response = Response::new(whole(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

pub fn whole(bytes: Bytes) -> ResponseBody {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// What a client can make sense of that waits for an answer to this request.
fn json_rpc_error(asked: &[u8], text: &str) -> Option<String> {
    let Frame::Message(message) = parse(asked) else {
        return None;
    };
    if message.kind() != Kind::Request {
        return None;
    }
    let (id, text) = (message.id?, serde_json::Value::from(text));
    Some(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32603,"message":{text},"data":{{"sentinel":true,"status":502}}}}}}"#
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_is_answered_with_an_error() {
        let error = |asked: &str| json_rpc_error(asked.as_bytes(), "mcp-sentinel: \"x\"");
        assert_eq!(
            error(r#"{"jsonrpc":"2.0","id":1.0,"method":"m"}"#).unwrap(),
            r#"{"jsonrpc":"2.0","id":1.0,"error":{"code":-32603,"message":"mcp-sentinel: \"x\"","data":{"sentinel":true,"status":502}}}"#
        );
        assert_eq!(error(r#"{"jsonrpc":"2.0","method":"m"}"#), None);
        assert_eq!(error("[]"), None);
        assert_eq!(error(""), None);
    }
}
