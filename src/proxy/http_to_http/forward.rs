//! One exchange: a request to the upstream, and its response back.

use super::Reverse;
use super::body::{Broken, Download, Upload, Witness};
use super::document::Document;
use super::made_up::whole;
use super::oauth::Concern;
use super::rewrite::{self, Places};
use super::sessions::{self, Visit};
use super::sieve::Sieve;
use crate::proxy::challenge::Refusal;
use crate::proxy::exchange::Exchange;
use crate::proxy::http_client::{Outgoing, OutgoingBody, UpstreamBody, drop_hop_by_hop, in_words};
use crate::proxy::listener::{RequestBody, Response, ResponseBody};
use crate::tap::{self, Half, LITTLE, Party};
use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt;
use std::io;
use std::sync::Arc;

/// A request on its way.
pub(super) struct Passage {
    pub exchange: Exchange,
    pub visit: Arc<Visit>,
    pub places: Places,
    pub method: Method,
    /// The client sent a token of its own.
    pub has_token: bool,
    /// We brought one.
    pub brings_token: bool,
    /// How the client spells its headers' names.
    pub extensions: Extensions,
}

pub(super) type Answer = http::Response<UpstreamBody>;

/// A request's body as far as it is at hand.
enum Payload {
    Nothing,
    Whole(Bytes),
    Begun(Option<Bytes>, RequestBody),
}

impl Payload {
    /// Waits for the first bytes, which say whose session this is.
    async fn of(mut body: RequestBody) -> io::Result<Self> {
        if body.is_end_stream() {
            return Ok(Self::Nothing);
        }
        let length = body.size_hint().exact();
        let first = match body.frame().await.transpose()? {
            Some(frame) => frame.into_data().ok(),
            None => return Ok(Self::Nothing),
        };
        Ok(match first {
            Some(bytes) if length == Some(bytes.len() as u64) => Self::Whole(bytes),
            first => Self::Begun(first, body),
        })
    }

    fn beginning(&self) -> &Bytes {
        static EMPTY: Bytes = Bytes::new();
        match self {
            Self::Whole(bytes) | Self::Begun(Some(bytes), _) => bytes,
            Self::Nothing | Self::Begun(None, _) => &EMPTY,
        }
    }

    /// All of it, when it is there.
    fn at_hand(&self) -> Option<Bytes> {
        match self {
            Self::Nothing => Some(Bytes::new()),
            Self::Whole(bytes) => Some(bytes.clone()),
            Self::Begun(..) => None,
        }
    }
}

impl Reverse {
    pub(super) async fn forward(&self, request: http::Request<RequestBody>) -> Response {
        if self.tap.is_full() {
            self.tap.ready().await;
        }
        let (mut head, body) = request.into_parts();
        let extensions = std::mem::take(&mut head.extensions);
        let target = head.uri.path_and_query().map_or("/", |it| it.as_str());
        let (payload, broken) = match Payload::of(body).await {
            Ok(payload) => (payload, None),
            Err(error) => (Payload::Nothing, Some(error)),
        };
        let visit = self.sessions.visit(&head, target, payload.beginning());
        let passage = Passage {
            exchange: Exchange {
                tap: self.tap.clone(),
                session: visit.session.live.id,
                id: self.roster.exchange(),
            },
            places: Places::of(&self.upstream, &head.headers),
            method: head.method.clone(),
            has_token: head.headers.contains_key(header::AUTHORIZATION),
            brings_token: false,
            extensions,
            visit,
        };
        if let Some(error) = broken {
            return self.unheard(&passage.exchange, head, &error);
        }
        self.ask(passage, head, payload).await
    }

    /// Sends the request on, and the response back.
    async fn ask(&self, mut passage: Passage, head: Parts, payload: Payload) -> Response {
        let told = self.tap.is_enabled().then(|| {
            let (by, method) = (Party::Client, head.method);
            tap::Request::new(by, method, passage.target(), &head.headers)
        });
        let mut headers = head.headers;
        drop_hop_by_hop(&mut headers);
        headers.insert(header::HOST, self.client.host().clone());
        let added = self.additions(&passage, &headers).await;
        put_on(&mut headers, &added);
        let token = added.get(header::AUTHORIZATION).cloned();
        passage.brings_token = token.is_some();
        let asked = payload.at_hand();
        let little = asked.as_deref().filter(|it| it.len() <= LITTLE);
        if let Some(told) = told.map(|it| it.adding(&added)) {
            passage.exchange.request(match little {
                Some(body) => told.whole(body),
                None => told,
            });
        }
        let is_told = little.is_some();
        // What it takes to ask again, where that may be of use.
        let again = token
            .filter(|_| self.client.origin().credentials.is_some())
            .zip(asked.clone())
            .map(|(token, body)| (token, body, headers.clone(), passage.extensions.clone()));
        let body = self.upload(&passage, payload, is_told);
        self.bell.ring();
        // Says on record that the client went away, should this future be dropped.
        let mut waiting = self.witness(&passage, Half::Response);
        let response = match self.send(&mut passage, headers, body).await {
            Ok(response) => response,
            Err(error) => return self.unreachable(waiting, asked.as_deref(), &error),
        };
        if let Some(refusal) = Refusal::of(response.status(), response.headers())
            && let Some((refused, body, headers, extensions)) = again
            && let Some(token) = self.another_token(&passage, &refused, &refusal).await
        {
            let (status, refusal) = (response.status(), response.headers());
            let told = tap::Response::new(Party::Server, status, refusal);
            passage.exchange.response(told);
            waiting.end(Some(tap::ASKED_AGAIN.into()));
            passage.extensions = extensions;
            return self.ask_again(passage, headers, token, body).await;
        }
        self.answer(passage, waiting, response).await
    }

    /// The same request with another token of ours, once: an exchange of its own, which is ours.
    async fn ask_again(
        &self,
        mut passage: Passage,
        mut headers: HeaderMap,
        token: HeaderValue,
        body: Bytes,
    ) -> Response {
        passage.exchange.id = self.roster.exchange();
        headers.insert(header::AUTHORIZATION, token.clone());
        let (by, method) = (Party::Sentinel, passage.method.clone());
        let told = tap::Request::new(by, method, passage.target(), &headers);
        let added = HeaderMap::from_iter([(header::AUTHORIZATION, token)]);
        passage.exchange.request(told.adding(&added));
        // What it says is on record with the exchange that it repeats.
        let length = body.len() as u64;
        passage.exchange.end(Half::Request, Some(length), None);
        let waiting = self.witness(&passage, Half::Response);
        match self.send(&mut passage, headers, body.clone().into()).await {
            Ok(response) => self.answer(passage, waiting, response).await,
            Err(error) => self.unreachable(waiting, Some(&body), &error),
        }
    }

    async fn send(
        &self,
        passage: &mut Passage,
        headers: HeaderMap,
        body: OutgoingBody,
    ) -> Result<Answer, String> {
        let outgoing = Outgoing {
            method: passage.method.clone(),
            target: passage.target().to_owned(),
            headers,
            extensions: std::mem::take(&mut passage.extensions),
            body,
        };
        let sent = self.client.send(outgoing).await;
        passage.exchange.sent(self.client.origin(), &sent);
        sent.map_err(|error| in_words(&error))
    }

    /// What the upstream gets from us, in addition or instead.
    async fn additions(&self, passage: &Passage, headers: &HeaderMap) -> HeaderMap {
        let added = self.client.additions(headers).await;
        let mut added = added.unwrap_or_else(|reason| {
            passage.exchange.note(reason);
            self.client.origin().headers.iter().cloned().collect()
        });
        if let Some(value) = headers.get(header::ORIGIN)
            && let Some(origin) = rewrite::origin(value, &passage.places)
        {
            added.entry(header::ORIGIN).or_insert(origin);
        }
        if passage.may_be_rewritten(headers)
            && headers
                .get(header::ACCEPT_ENCODING)
                .is_some_and(|it| it != "identity")
        {
            // What is to be rewritten must be readable.
            let plain = HeaderValue::from_static("identity");
            added.insert(header::ACCEPT_ENCODING, plain);
        }
        added
    }

    /// Another token in place of one of ours that was refused.
    async fn another_token(
        &self,
        passage: &Passage,
        token: &HeaderValue,
        refusal: &Refusal,
    ) -> Option<HeaderValue> {
        let origin = self.client.origin();
        let another = origin.another_token(Some(token), refusal).await;
        another.unwrap_or_else(|reason| {
            passage.exchange.note(reason);
            None
        })
    }

    /// The body for the upstream, and on record as far as it is at hand and was not told with its head.
    fn upload(&self, passage: &Passage, payload: Payload, is_told: bool) -> OutgoingBody {
        match payload {
            Payload::Nothing => OutgoingBody::default(),
            Payload::Whole(bytes) => {
                if !is_told {
                    self.witness(passage, Half::Request).saw_last(&bytes);
                }
                bytes.into()
            }
            Payload::Begun(first, rest) => {
                let witness = self.witness(passage, Half::Request);
                if let Some(first) = &first {
                    witness.saw(first);
                }
                OutgoingBody::flowing(Upload::new(first, rest, witness))
            }
        }
    }

    fn witness(&self, passage: &Passage, of: Half) -> Witness {
        Witness::new(passage.exchange.clone(), self.bell.clone(), of)
    }

    /// Hands the upstream's answer on.
    async fn answer(&self, passage: Passage, mut witness: Witness, response: Answer) -> Response {
        let (mut head, body) = response.into_parts();
        passage.visit.answered(head.status, &head.headers);
        let told = self.tap.is_enabled().then(|| {
            let by = Party::Server;
            tap::Response::new(by, head.status, &head.headers)
        });
        drop_hop_by_hop(&mut head.headers);
        head.version = http::Version::HTTP_11;
        let mut rewritten = passage.rewrite(head.status, &mut head.headers);
        let document = match Concern::of(&passage.method, passage.target(), head.status) {
            Some(concern) => self.document(&passage, concern, body).await,
            None => Document::at_hand(body).await,
        };
        if let Document::Read {
            replaced: Some(it), ..
        } = &document
            && let Some(length) = head.headers.get_mut(header::CONTENT_LENGTH)
        {
            *length = HeaderValue::from(it.len());
            rewritten.push((header::CONTENT_LENGTH, it.len().to_string()));
        }
        let little = match &document {
            Document::Read { bytes, .. } if bytes.len() <= LITTLE => Some(bytes),
            _ => None,
        };
        if let Some(mut told) = told {
            told.rewritten = rewritten;
            passage.exchange.response(match little {
                Some(body) => told.whole(body),
                None => told,
            });
        }
        if little.is_some() {
            witness.told();
        }
        self.bell.ring();
        self.explain(&passage, head.status, &head.headers);
        let body = passage.download(&head, document, witness);
        Response::from_parts(head, body)
    }
}

impl Passage {
    pub(super) fn target(&self) -> &str {
        self.visit.target()
    }

    fn path(&self) -> &str {
        let target = self.target();
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    /// Whether the body of the answer to a request with these headers may hold an address that leads past us.
    fn may_be_rewritten(&self, headers: &HeaderMap) -> bool {
        rewrite::is_protected_resource(self.path())
            || (self.method == Method::GET
                && self.visit.may_be_old()
                && sessions::accepts_events(headers))
    }

    /// Turns what leads to the upstream towards us; what was changed.
    fn rewrite(&self, status: StatusCode, headers: &mut HeaderMap) -> Vec<(HeaderName, String)> {
        let mut rewritten = Vec::new();
        let mut turn = |name: HeaderName, how: fn(&HeaderValue, &Places) -> Option<HeaderValue>| {
            let header::Entry::Occupied(mut values) = headers.entry(name.clone()) else {
                return;
            };
            for value in values.iter_mut() {
                if let Some(turned) = how(value, &self.places) {
                    let text = String::from_utf8_lossy(turned.as_bytes()).into_owned();
                    rewritten.push((name.clone(), text));
                    *value = turned;
                }
            }
        };
        turn(header::LOCATION, rewrite::location);
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            turn(header::WWW_AUTHENTICATE, rewrite::challenge);
        }
        rewritten
    }

    /// The body for the client, and on record as far as it was not told with its head.
    fn download(
        self,
        head: &http::response::Parts,
        document: Document,
        mut witness: Witness,
    ) -> ResponseBody {
        match document {
            Document::Unread(first, rest) => {
                if let Some(first) = &first {
                    witness.saw(first);
                }
                let sieve = self.sieve(head.status, &head.headers);
                Download::new(first, rest, witness, sieve, self.visit).boxed_unsync()
            }
            Document::Read { bytes, replaced } => {
                witness.saw_last(&bytes);
                whole(replaced.unwrap_or(bytes))
            }
            Document::Broken(came, words) => {
                if !came.is_empty() {
                    witness.saw(&came);
                }
                witness.end(Some(words.clone()));
                Broken::off(came, words).boxed_unsync()
            }
        }
    }

    /// For an event stream that may hold more than this client's messages: one that the client listens to, and one that
    /// answers what it posted, on which a server only should say nothing else. A body of JSON answers its own post and
    /// nothing besides (specification 2025-03-26, basic/transports), so it is the client's.
    fn sieve(&self, status: StatusCode, headers: &HeaderMap) -> Option<Box<Sieve>> {
        let listens = self.method == Method::GET;
        let may_be_old = listens && self.visit.may_be_old();
        let sifted = (listens || self.visit.session.live.gate.is_closed())
            && status.is_success()
            && sessions::is_event_stream(headers)
            && !headers.contains_key(header::CONTENT_LENGTH);
        if !sifted {
            return None;
        }
        if headers.contains_key(header::CONTENT_ENCODING) {
            if may_be_old {
                self.exchange.note(
                    "this event stream is compressed, though it was asked not to be: if it is one of the old HTTP+SSE transport, an endpoint in it that names the server itself leads the client past this proxy".into(),
                );
            }
            return None;
        }
        let endpoint = may_be_old.then(|| self.places.clone());
        Some(Box::new(Sieve::new(self.visit.clone(), endpoint)))
    }
}

/// Headers in place of those of the same name.
pub(super) fn put_on(headers: &mut HeaderMap, added: &HeaderMap) {
    for name in added.keys() {
        headers.remove(name);
    }
    headers.extend(added.clone());
}
