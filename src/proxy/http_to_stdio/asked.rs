//! What an HTTP request says by its head: what it may carry, and what may come back.

use super::refusal::Refusal;
use crate::mcp::headers::{self, METHOD, NAME, PARAM_PREFIX, PROTOCOL_VERSION};
use crate::proxy::arriving::Pieces;
use crate::proxy::listener::RequestBody;
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;

/// The forms in which a client takes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accept {
    pub json: bool,
    pub events: bool,
}

impl Accept {
    /// Whoever says nothing takes everything.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut said = headers.get_all(header::ACCEPT).iter().peekable();
        let silent = said.peek().is_none();
        let mut accept = Self {
            json: silent,
            events: silent,
        };
        let ranges = said.filter_map(|value| value.to_str().ok());
        for range in ranges.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let refused = parts.any(|part| {
                let weight = part.to_ascii_lowercase().replace(' ', "");
                weight
                    .strip_prefix("q=")
                    .is_some_and(|it| it.parse() == Ok(0.0))
            });
            accept.json |=
                !refused && matches!(&*media, "*/*" | "application/*" | "application/json");
            accept.events |= !refused && matches!(&*media, "*/*" | "text/*" | "text/event-stream");
        }
        accept
    }

    pub fn must_be_possible(self) -> Result<Self, Refusal> {
        if self.json || self.events {
            return Ok(self);
        }
        Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "answers are application/json or text/event-stream, and the Accept header takes neither",
        ))
    }

    pub fn must_take_events(self) -> Result<(), Refusal> {
        if self.events {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "this is a text/event-stream, and the Accept header does not take one",
        ))
    }
}

/// A header's value, when it is text.
pub fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// What is wrong with headers that mirror the body, where one of them is there twice and says two things.
pub fn contradiction(headers: &HeaderMap) -> Option<String> {
    let mirrors = |name: &&HeaderName| {
        let name = name.as_str();
        [PROTOCOL_VERSION, METHOD, NAME].contains(&name) || name.starts_with(PARAM_PREFIX)
    };
    let differ = |name: &&HeaderName| {
        let mut values = headers.get_all(*name).iter();
        let first = values.next();
        values.any(|it| Some(it) != first)
    };
    let name = headers.keys().filter(mirrors).find(differ)?;
    Some(format!("the header {name} says two things"))
}

/// Whether the head says that the message is of the modern era.
pub fn is_modern(headers: &HeaderMap) -> bool {
    text(headers, PROTOCOL_VERSION).is_some_and(|it| headers::is_modern(it.as_bytes()))
}

pub fn must_be_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let said = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let media = said.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "a message is sent as application/json",
    ))
}

/// Puts the whole body into `all`, when it is not longer than `limit`; what came of any other is there, too.
pub async fn whole(mut body: RequestBody, limit: usize, all: &mut Pieces) -> Result<(), Refusal> {
    let too_long = || {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("a message may have {limit} bytes here"),
        )
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_long());
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let status = match error.kind() {
                std::io::ErrorKind::TimedOut => StatusCode::REQUEST_TIMEOUT,
                _ => StatusCode::BAD_REQUEST,
            };
            Refusal::new(status, format!("the body is not whole: {error}"))
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        all.push(data);
        if all.len() > limit {
            return Err(too_long());
        }
    }
    Ok(())
}

/// What lets a page that the listener has let in read the response.
pub fn for_pages(asked: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(origin) = asked.get(header::ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let exposed = http::HeaderValue::from_static("mcp-session-id");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        headers.insert(header::VARY, http::HeaderValue::from_static("origin"));
    }
    headers
}

/// What a page may ask, when it asks that first.
pub fn preflight(asked: &HeaderMap) -> Option<HeaderMap> {
    let wanted: HeaderName = header::ACCESS_CONTROL_REQUEST_METHOD;
    if !asked.contains_key(header::ORIGIN) || !asked.contains_key(wanted) {
        return None;
    }
    let mut headers = HeaderMap::new();
    let methods = http::HeaderValue::from_static("GET, POST, DELETE");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(named) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, named.clone());
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn accept(values: &[&'static str]) -> (bool, bool) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT, HeaderValue::from_static(value));
        }
        let accept = Accept::of(&headers);
        (accept.json, accept.events)
    }

    #[test]
    fn both_forms_are_taken_by_whoever_says_so_or_nothing() {
        for values in [
            &["application/json, text/event-stream"][..],
            &["Text/Event-Stream;q=0.5", "application/*"],
            &["*/*"],
            &[],
        ] {
            assert_eq!(accept(values), (true, true), "{values:?}");
        }
    }

    #[test]
    fn one_form_may_be_left_out() {
        assert_eq!(accept(&["application/json"]), (true, false));
        assert_eq!(accept(&["text/*, application/json;q=0"]), (false, true));
        assert_eq!(accept(&["text/html"]), (false, false));
    }

    #[test]
    fn a_message_is_json_whatever_its_parameters() {
        let says = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            must_be_json(&headers).is_ok()
        };
        assert!(says("application/json"));
        assert!(says("Application/JSON; charset=utf-8"));
        assert!(!says("text/plain"));
        assert!(must_be_json(&HeaderMap::new()).is_err());
    }
}
