//! Heads as they stand in the capture: a member of their exchange's object, secrets masked.
//!
//! The headers of a client hardly change from one request to the next, nor do a server's. So what a header became is
//! kept, and most heads are written by copying.

use crate::capture::redact;
use crate::capture::write::{decimal, json, party};
use crate::tap::{Header, Headers, Party, Request, Response};
use hashbrown::HashMap;
use regex::Regex;

/// So many headers are kept, each with its value up to so long.
const KEPT: usize = 512;
const LONGEST: usize = 512;

#[derive(Default)]
pub(super) struct Heads {
    /// What the configuration knows to be secret.
    secret: Vec<Regex>,
    /// Texts in which nothing is masked, by what they were made from: targets, and entries of headers, which begin with
    /// bytes that no target has. No secret is kept.
    known: HashMap<Box<[u8]>, Box<[u8]>>,
    /// The head that is being written.
    text: Vec<u8>,
}

impl Heads {
    pub fn new(secret: Vec<Regex>) -> Self {
        Self {
            secret,
            ..Self::default()
        }
    }

    /// What the configuration knows to be secret.
    pub fn secret(&self) -> &[Regex] {
        &self.secret
    }

    pub fn request(&mut self, head: &Request) -> &[u8] {
        self.begin(b"\"request\":{\"by\":\"", head.by);
        self.text.extend_from_slice(b",\"method\":");
        json(&mut self.text, head.method.as_str());
        self.text.extend_from_slice(b",\"target\":");
        self.target(head.target());
        self.text.extend_from_slice(b",\"headers\":");
        self.headers(head.headers());
        if !head.added().is_empty() {
            self.text.extend_from_slice(b",\"added\":");
            self.headers(head.added());
        }
        self.end()
    }

    pub fn response(&mut self, head: &Response) -> &[u8] {
        self.begin(b"\"response\":{\"by\":\"", head.by);
        self.text.extend_from_slice(b",\"status\":");
        decimal(&mut self.text, head.status.as_u16().into());
        self.text.extend_from_slice(b",\"headers\":");
        self.headers(head.headers());
        if !head.rewritten.is_empty() {
            let rewritten = head.rewritten.iter().map(|(name, value)| {
                let value = redact::http::header(name.as_str(), value.into(), &self.secret);
                (name.as_str(), value)
            });
            self.text.extend_from_slice(b",\"rewritten\":");
            json(&mut self.text, &rewritten.collect::<Vec<_>>());
        }
        self.end()
    }

    fn begin(&mut self, up_to_party: &[u8], by: Party) {
        self.text.clear();
        self.text.extend_from_slice(up_to_party);
        self.text.extend_from_slice(party(by).as_bytes());
        self.text.push(b'"');
    }

    fn end(&mut self) -> &[u8] {
        self.text.push(b'}');
        &self.text
    }

    fn target(&mut self, target: &str) {
        if self.is_copied(target.as_bytes()) {
            return;
        }
        let start = self.text.len();
        let masked = redact::http::target(target, &self.secret);
        json(&mut self.text, &masked);
        if masked == target {
            self.keep(target.as_bytes(), start);
        }
    }

    fn headers(&mut self, headers: Headers<'_>) {
        self.text.push(b'[');
        for (at, header) in headers.iter().enumerate() {
            if at > 0 {
                self.text.push(b',');
            }
            self.header(header);
        }
        self.text.push(b']');
    }

    fn header(&mut self, header: Header<'_>) {
        if self.is_copied(header.entry) {
            return;
        }
        let start = self.text.len();
        let masked = redact::http::value(header, &self.secret);
        let name = std::str::from_utf8(header.name).unwrap_or_default();
        json(&mut self.text, &(name, &masked));
        if masked.as_bytes() == header.value {
            self.keep(header.entry, start);
        }
    }

    /// Writes what this became before, if it is known.
    fn is_copied(&mut self, from: &[u8]) -> bool {
        let known = self.known.get(from);
        known
            .inspect(|it| self.text.extend_from_slice(it))
            .is_some()
    }

    /// What was written from `start` on is what this becomes.
    fn keep(&mut self, from: &[u8], start: usize) {
        if from.len() > LONGEST {
            return;
        }
        if self.known.len() == KEPT {
            self.known.clear();
        }
        let text = &self.text[start..];
        self.known.insert(from.into(), text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::record::{HttpHeaders, HttpPart};
    use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

    fn map(pairs: &[(&'static str, &'static [u8])]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static [u8])| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_bytes(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn pairs(all: &[(&str, &str)]) -> HttpHeaders {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        all.iter().map(owned).collect()
    }

    fn read(text: &[u8]) -> HttpPart {
        let whole = [b"{", text, b"}"].concat();
        serde_json::from_slice(&whole).unwrap()
    }

    #[test]
    fn a_head_is_the_same_however_often_it_was_written() {
        let mut heads = Heads::new(vec![Regex::new("sesame").unwrap()]);
        let mut hidden = map(&[("x-door", b"open")]);
        hidden.get_mut("x-door").unwrap().set_sensitive(true);
        let headers = map(&[
            ("accept", b"a/b, \"c\""),
            ("authorization", b"Bearer x"),
            ("x-old", b"caf\xe9"),
            ("x-say", b"open sesame"),
            ("mcp-session-id", b"0123456789abcdef"),
            ("x-door", b"open"),
        ]);
        let target = "/mcp?a=\"&code=1";
        let request = Request::new(Party::Client, Method::POST, target, &headers).adding(&hidden);
        let headers = map(&[("content-type", b"text/plain"), ("accept", b"")]);
        let mut response = Response::new(Party::Server, StatusCode::NOT_FOUND, &headers);
        response.rewritten = vec![(header::LOCATION, "/x?code=1".into())];
        for _ in 0..3 {
            let expected = HttpPart::Request {
                by: Party::Client,
                method: "POST".into(),
                target: "/mcp?a=\"&code=***".into(),
                headers: pairs(&[
                    ("accept", "a/b, \"c\""),
                    ("authorization", "Bearer ***"),
                    ("x-old", "caf\u{fffd}"),
                    ("x-say", "open ***"),
                    ("mcp-session-id", "01234567***"),
                    ("x-door", "open"),
                ]),
                added: pairs(&[("x-door", "***")]),
            };
            assert_eq!(read(heads.request(&request)), expected);
            let expected = HttpPart::Response {
                by: Party::Server,
                status: 404,
                headers: pairs(&[("content-type", "text/plain"), ("accept", "")]),
                rewritten: pairs(&[("location", "/x?code=***")]),
            };
            assert_eq!(read(heads.response(&response)), expected);
        }
        let mut kept: Vec<_> = heads.known.values().map(|it| &**it).collect();
        kept.sort();
        let open: [&[u8]; 3] = [
            br#"["accept",""]"#,
            br#"["accept","a/b, \"c\""]"#,
            br#"["content-type","text/plain"]"#,
        ];
        assert_eq!(kept[..3], open);
        assert_eq!(kept[3..], [br#"["x-door","open"]"#]);
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut heads = Heads::default();
        let long = "x".repeat(LONGEST);
        for value in (0..2 * KEPT).map(|it| it.to_string()).chain([long]) {
            let map = HeaderMap::from_iter([(header::ETAG, value.parse().unwrap())]);
            let response = Response::new(Party::Server, StatusCode::OK, &map);
            let HttpPart::Response { headers, .. } = read(heads.response(&response)) else {
                panic!("a response is one");
            };
            assert_eq!(headers, pairs(&[("etag", &value)]));
            assert!(heads.known.len() <= KEPT);
        }
        assert!(heads.known.keys().all(|it| it.len() <= LONGEST));
    }
}
