//! Addresses that would lead the client past us, or that the upstream would not know as its own.
//!
//! Only what names the upstream's origin is rewritten, and only its origin: scheme, host and port.

use crate::wire::{object, splice};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use reqwest::Url;
use std::sync::Arc;

/// What the upstream is called there, and what we are called here, by this client.
#[derive(Debug, Clone)]
pub struct Places {
    upstream: Arc<Url>,
    /// The client's `Host`.
    here: Option<HeaderValue>,
}

impl Places {
    pub fn of(upstream: &Arc<Url>, headers: &HeaderMap) -> Self {
        Self {
            upstream: upstream.clone(),
            here: headers.get(header::HOST).cloned(),
        }
    }

    /// Our own origin, as the client dialled it. HTTP/1.0 has clients that do not say.
    pub fn here(&self) -> Option<String> {
        let host = self.here.as_ref()?.to_str().ok()?;
        Some(format!("http://{host}"))
    }

    /// An address of the upstream's as one of ours; `None` when it is none, or relative.
    pub fn moved(&self, address: &str) -> Option<String> {
        let named = match address.strip_prefix("//") {
            Some(_) => self.upstream.join(address).ok()?,
            None => Url::parse(address).ok()?,
        };
        if named.origin() != self.upstream.origin() {
            return None;
        }
        let authority = address.find("//")? + 2;
        let rest = &address[authority..];
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        Some(format!("{}{}", self.here()?, &rest[end..]))
    }

    /// Path and query of an address that the upstream gives, seen from where it was given; `None` when it leads elsewhere.
    pub fn target(&self, asked: &str, address: &str) -> Option<String> {
        let named = self.upstream.join(asked).ok()?.join(address).ok()?;
        let ours = named.origin() == self.upstream.origin();
        ours.then(|| match named.query() {
            Some(query) => format!("{}?{query}", named.path()),
            None => named.path().to_owned(),
        })
    }
}

/// The `Origin` of a page that we seem to have served, as the upstream expects it; `None` for every other.
pub fn origin(value: &HeaderValue, places: &Places) -> Option<HeaderValue> {
    let is_here = places.here()?.eq_ignore_ascii_case(value.to_str().ok()?);
    is_here.then(|| HeaderValue::try_from(places.upstream.origin().ascii_serialization()).ok())?
}

pub fn location(value: &HeaderValue, places: &Places) -> Option<HeaderValue> {
    HeaderValue::try_from(places.moved(value.to_str().ok()?)?).ok()
}

/// A `WWW-Authenticate` whose `resource_metadata` (RFC 9728, 5.1) leads to the upstream.
pub fn challenge(value: &HeaderValue, places: &Places) -> Option<HeaderValue> {
    const NAME: &str = "resource_metadata";
    let text = value.to_str().ok()?;
    let name = text.to_ascii_lowercase().find(NAME)?;
    let after = &text[name + NAME.len()..];
    let given = after.trim_start().strip_prefix('=')?.trim_start();
    let given = given.strip_prefix('"').unwrap_or(given);
    let start = text.len() - given.len();
    let end = given
        .find(['"', ',', ' '])
        .map_or(text.len(), |at| start + at);
    let moved = places.moved(&text[start..end])?;
    HeaderValue::try_from([&text[..start], &moved, &text[end..]].concat()).ok()
}

/// The old transport's `endpoint` event, when it names the upstream: the event and the address that is in it now.
pub fn endpoint(event: &Bytes, places: &Places) -> Option<(Bytes, String)> {
    let text = std::str::from_utf8(event).ok()?;
    let line = text
        .split(['\n', '\r'])
        .find(|line| line.starts_with("data:"))?;
    let value = &line["data:".len()..];
    let value = value.strip_prefix(' ').unwrap_or(value);
    let moved = places.moved(value)?;
    let start = value.as_ptr() as usize - text.as_ptr() as usize;
    let rewritten = [&text[..start], &moved, &text[start + value.len()..]].concat();
    Some((rewritten.into(), moved))
}

/// Whether a path is one of protected-resource metadata (RFC 9728, 3).
pub fn is_protected_resource(path: &str) -> bool {
    path.strip_prefix("/.well-known/oauth-protected-resource")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Protected-resource metadata whose `resource` is the upstream's: the document and the address that is in it now.
pub fn protected_resource(document: &[u8], places: &Places) -> Option<(String, String)> {
    let document = std::str::from_utf8(document).ok()?;
    let moved = places.moved(&object::string_at(document, &["resource"])?)?;
    let raw = serde_json::Value::from(moved.as_str()).to_string();
    Some((splice::set(document, &["resource"], &raw)?, moved))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            upstream: Arc::new("https://mcp.example/mcp".parse().unwrap()),
            here: Some(HeaderValue::from_static("127.0.0.1:7777")),
        }
    }

    #[test]
    fn only_what_names_the_upstream_is_moved() {
        let moved = |address| places().moved(address);
        for (address, expected) in [
            (
                "https://mcp.example/a?b=c#d",
                "http://127.0.0.1:7777/a?b=c#d",
            ),
            ("https://MCP.example:443/a", "http://127.0.0.1:7777/a"),
            ("https://mcp.example", "http://127.0.0.1:7777"),
            ("//mcp.example/a", "http://127.0.0.1:7777/a"),
        ] {
            assert_eq!(moved(address).as_deref(), Some(expected), "{address}");
        }
        for address in [
            "/a",
            "a",
            "",
            "http://mcp.example/a",
            "https://mcp.example:444/a",
            "https://mcp.example.evil/a",
            "https://auth.example/a",
            "mailto:a@mcp.example",
        ] {
            assert_eq!(moved(address), None, "{address}");
        }
    }

    #[test]
    fn a_challenge_keeps_everything_but_the_origin() {
        let challenged = |value| challenge(&HeaderValue::from_static(value), &places());
        assert_eq!(
            challenged(
                r#"Bearer realm="x", resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp", scope="a b""#
            )
            .unwrap(),
            r#"Bearer realm="x", resource_metadata="http://127.0.0.1:7777/.well-known/oauth-protected-resource/mcp", scope="a b""#
        );
        assert_eq!(
            challenged("Bearer Resource_Metadata = https://mcp.example/x, a=b").unwrap(),
            "Bearer Resource_Metadata = http://127.0.0.1:7777/x, a=b"
        );
        assert_eq!(
            challenged(r#"Bearer resource_metadata="https://other.example/x""#),
            None
        );
        assert_eq!(challenged("Basic realm=x"), None);
    }

    #[test]
    fn an_endpoint_event_keeps_its_bytes_but_for_the_origin() {
        for (event, expected) in [
            (
                "event: endpoint\r\ndata: https://mcp.example/m?sessionId=1\r\n\r\n",
                "event: endpoint\r\ndata: http://127.0.0.1:7777/m?sessionId=1\r\n\r\n",
            ),
            (
                ": hi\rdata:https://mcp.example/m\revent:endpoint\r\r",
                ": hi\rdata:http://127.0.0.1:7777/m\revent:endpoint\r\r",
            ),
        ] {
            let (rewritten, _) = endpoint(&Bytes::from(event), &places()).unwrap();
            assert_eq!(rewritten, expected);
        }
        let relative = Bytes::from("event: endpoint\ndata: /m?sessionId=1\n\n");
        assert_eq!(endpoint(&relative, &places()), None);
    }

    #[test]
    fn an_endpoint_is_known_by_path_and_query() {
        let target = |address| places().target("/a/sse?x=1", address);
        assert_eq!(target("/m?id=1").as_deref(), Some("/m?id=1"));
        assert_eq!(target("m?id=1").as_deref(), Some("/a/m?id=1"));
        assert_eq!(target("https://mcp.example/m#f").as_deref(), Some("/m"));
        assert_eq!(target("https://other.example/m"), None);
    }

    #[test]
    fn only_the_resource_of_a_document_is_rewritten() {
        let document = r#"{ "resource" : "https:\/\/mcp.example/mcp", "authorization_servers":["https://mcp.example"],"x":1.0}"#;
        let (rewritten, _) = protected_resource(document.as_bytes(), &places()).unwrap();
        assert_eq!(
            rewritten,
            r#"{ "resource" : "http://127.0.0.1:7777/mcp", "authorization_servers":["https://mcp.example"],"x":1.0}"#
        );
        assert!(protected_resource(b"{\"resource\":\"https://other/\"}", &places()).is_none());
        assert!(protected_resource(b"<html>", &places()).is_none());
    }

    #[test]
    fn our_own_origin_becomes_the_upstreams() {
        let sent = |value| origin(&HeaderValue::from_static(value), &places());
        assert_eq!(
            sent("http://127.0.0.1:7777").unwrap(),
            "https://mcp.example"
        );
        assert_eq!(sent("http://localhost:6274"), None);
        assert_eq!(sent("null"), None);
    }
}
