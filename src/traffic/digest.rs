//! One record, reduced to what the model keeps: parsed once, owned, small.
//!
//! Everything that must be looked up in the message's JSON is looked up here, so that folding never parses.
//! The exceptions are the answers that fill the inventory: they are rare, and travel as raw text.

use super::gist::{gist, gist_of_bytes, line, line_of_log};
use super::summary::{self, Answer, Meta, Params, SERVER_INFO};
use crate::capture::record::{
    Encoding, HttpHeaders, HttpPart, HttpRecord, Location, Payload, Record,
};
use crate::mcp::methods;
use crate::tap::{Closed, Gap, Half, Opened, Party, SessionId, Timestamp};
use crate::wire::{self, Envelope, Frame, Kind, object};
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

const SESSION_HEADER: &str = "mcp-session-id";

/// What [`super::Traffic::apply`] folds in.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    pub seq: u64,
    pub at: Timestamp,
    pub session: SessionId,
    pub location: Location,
    /// Bytes of the payload.
    pub bytes: u64,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Line {
        from: Party,
        to: Option<Party>,
        replay_of: Option<u64>,
        via: Option<Carrier>,
        messages: Messages,
    },
    /// Part of the HTTP exchange with this number.
    Http(u64, Box<HttpStep>),
    /// A preview of a line of the server's standard error.
    Stderr(Box<str>),
    Opened(Opened),
    Closed(Closed),
    Gap(Gap),
    Note(Box<str>),
    Damaged {
        line_number: u64,
        reason: Box<str>,
    },
    /// Records that should stand here and do not: how many, and the last of their numbers where that is known.
    Missing {
        count: u64,
        last: Option<u64>,
    },
    /// An event that a later version of this program knows.
    Unknown,
}

/// The HTTP exchange that carried a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carrier {
    pub exchange: u64,
    /// As the data of an event with an id.
    pub numbered: bool,
}

/// What happened in an HTTP exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpStep {
    Request {
        by: Party,
        /// All of it is of our making: a bridge sends a message on.
        ours: bool,
        method: Box<str>,
        path: Box<str>,
        query: Box<str>,
        /// The MCP session that it names.
        session: Option<Box<str>>,
        agent: Option<Box<str>>,
    },
    Response {
        status: u16,
        /// Events follow.
        stream: bool,
        /// It says how to be let in.
        challenge: bool,
        session: Option<Box<str>>,
    },
    Event {
        numbered: bool,
    },
    Body {
        of: Half,
    },
    End {
        of: Half,
        bytes: u64,
        broken: Option<Box<str>>,
    },
}

/// One line usually holds one message.
#[derive(Debug, Clone, PartialEq)]
pub enum Messages {
    One(Message),
    /// A batch: each message and where it stands.
    Batch(Vec<(Location, Message)>),
}

/// What one message is to the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub kind: MessageKind,
    /// Empty for an answer; a word for what is no message.
    pub method: Box<str>,
    /// The raw id token; of a line that is no message, that of the answer that it seems to be or to hold.
    pub id: Option<Box<str>>,
    /// The tool, prompt, URI or task it is about, exactly as the peer wrote it.
    pub name: Box<str>,
    /// What a person would say of it.
    pub gist: Box<str>,
    /// A raw token: a request's own progress token, the token that a progress notification reports on, the id of the
    /// request that a cancellation names or of the subscription that another notification belongs to.
    pub reference: Option<Box<str>>,
    pub detail: Detail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    Request,
    Notification,
    Result,
    /// A result that says `isError: true`.
    ToolError,
    /// A modern result that asks for more input.
    InputRequired,
    Error,
    /// Not JSON, not JSON-RPC, or malformed.
    Garbage,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub enum Detail {
    #[default]
    None,
    Request(Box<RequestDetail>),
    Answer(Box<AnswerDetail>),
    Progress {
        done: f64,
        total: Option<f64>,
    },
}

/// What only some requests say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RequestDetail {
    /// Name and version of the client, from `initialize` or modern metadata.
    pub client: Option<Box<str>>,
    pub protocol_version: Option<Box<str>>,
    /// It carries modern metadata.
    pub modern: bool,
    /// Page of a list.
    pub cursor: Option<Box<str>>,
    /// It belongs to this task.
    pub task: Option<Box<str>>,
    /// It asks to become a task.
    pub becomes_task: bool,
    pub round: Option<Round>,
}

/// What links the rounds of a modern request that needed more input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Hash of the params without what a retry adds or changes.
    pub params: u64,
    /// Hash of the raw `requestState`.
    pub state: Option<u64>,
    /// It answers an earlier result's questions.
    pub retry: bool,
}

/// What only some answers say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnswerDetail {
    /// Hash of the raw `requestState`.
    pub state: Option<u64>,
    /// The task that the request became.
    pub task: Option<Box<str>>,
    /// Raw `serverInfo` of modern metadata.
    pub server_info: Option<Box<str>>,
    /// The whole raw result, when the inventory may want it.
    pub offer: Option<Box<str>>,
}

/// The same on every run, so that digests can be made anywhere.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Pure, and safe for any thread.
pub fn digest(record: &Record<'_>) -> Digest {
    let mut location = record.location;
    let (bytes, content) = match &record.payload {
        Payload::Line {
            from,
            to,
            replay_of,
            via,
            bytes,
            json,
            ..
        } => {
            let mut bytes = &bytes[..];
            let mut frame = wire::parse(bytes);
            if *json
                && location.encoding == Encoding::Verbatim
                && matches!(frame, Frame::NotJson(_))
                && let Some(alone) = without_members_behind(bytes)
            {
                (bytes, frame) = (alone, wire::parse(alone));
                location.len = u32::try_from(alone.len()).unwrap_or(location.len);
            }
            let is_message = *json && location.encoding == Encoding::Verbatim;
            let content = match frame {
                // The recorder writes as a message what is JSON, and nothing else.
                Frame::NotJson(_) if is_message => damaged(record, "its message is not JSON"),
                frame => Content::Line {
                    from: *from,
                    to: *to,
                    replay_of: *replay_of,
                    via: via.as_ref().map(|via| Carrier {
                        exchange: via.exchange.0,
                        numbered: via.event.is_some(),
                    }),
                    messages: messages(frame, bytes, location),
                },
            };
            (bytes.len(), content)
        }
        Payload::Stderr(bytes) => (bytes.len(), Content::Stderr(line_of_log(bytes))),
        Payload::Opened(opened) => (0, Content::Opened(opened.clone())),
        Payload::Closed(closed) => (0, Content::Closed(closed.clone())),
        Payload::Gap(gap) => (0, Content::Gap(gap.clone())),
        Payload::Note(text) => (0, Content::Note(line(text))),
        Payload::Damaged { reason } => (0, damaged(record, reason)),
        Payload::Missing { count, last } => (
            0,
            Content::Missing {
                count: *count,
                last: *last,
            },
        ),
        Payload::Http(HttpRecord { exchange, part }) => {
            (0, Content::Http(exchange.0, Box::new(http_step(part))))
        }
        Payload::Unknown => (0, Content::Unknown),
    };
    Digest {
        seq: record.seq,
        at: record.at,
        session: record.session,
        location,
        bytes: bytes as u64,
        content,
    }
}

fn damaged(record: &Record<'_>, reason: &str) -> Content {
    Content::Damaged {
        line_number: record.line_number,
        reason: gist(reason),
    }
}

/// The reader takes the rest of a line for the message, which it is as the recorder writes it. Somebody else may have put
/// more behind it.
fn without_members_behind(rest: &[u8]) -> Option<&[u8]> {
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let (message, behind) = rest.split_at(values.byte_offset());
    let record = [br#"{"message":"""#, behind, b"}"].concat();
    serde_json::from_slice::<IgnoredAny>(&record)
        .is_ok()
        .then_some(message)
}

fn http_step(part: &HttpPart) -> HttpStep {
    let header = |headers: &HttpHeaders, name: &str| {
        let found = headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| gist(value))
    };
    match part {
        HttpPart::Request {
            by,
            method,
            target,
            headers,
            ..
        } => {
            let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
            HttpStep::Request {
                by: *by,
                ours: headers.is_empty(),
                method: gist(method),
                path: path.into(),
                query: gist(query),
                session: header(headers, SESSION_HEADER),
                agent: header(headers, "user-agent"),
            }
        }
        HttpPart::Response {
            status, headers, ..
        } => HttpStep::Response {
            status: *status,
            stream: header(headers, "content-type").is_some_and(|it| {
                let (kind, _) = it.split_at(it.find(';').unwrap_or(it.len()));
                kind.trim().eq_ignore_ascii_case("text/event-stream")
            }),
            challenge: header(headers, "www-authenticate").is_some(),
            session: header(headers, SESSION_HEADER),
        },
        HttpPart::Event(event) => HttpStep::Event {
            numbered: event.id.is_some(),
        },
        HttpPart::Body { of, .. } => HttpStep::Body { of: *of },
        HttpPart::End { of, bytes, broken } => HttpStep::End {
            of: *of,
            bytes: *bytes,
            broken: broken.as_deref().map(gist),
        },
    }
}

fn messages(frame: Frame<'_>, bytes: &[u8], location: Location) -> Messages {
    match frame {
        Frame::Message(envelope) => Messages::One(message(&envelope, bytes)),
        Frame::Batch(envelopes) => {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            let mut elements = object::elements(text);
            let place = |envelope: Envelope<'_>| {
                let raw = elements.next().unwrap_or(text);
                (
                    within(location, text, raw),
                    message(&envelope, raw.as_bytes()),
                )
            };
            Messages::Batch(envelopes.into_iter().map(place).collect())
        }
        Frame::NotJsonRpc => Messages::One(garbage("not JSON-RPC", bytes)),
        Frame::NotJson(_) => Messages::One(Message {
            id: wire::answer_within(bytes)
                .and_then(|answer| answer.id)
                .map(Box::from),
            ..garbage("not JSON", bytes)
        }),
        Frame::Blank => Messages::One(garbage("blank line", bytes)),
    }
}

/// Where `part`, a slice of `whole`, lies when `whole` lies at `location`.
fn within(location: Location, whole: &str, part: &str) -> Location {
    let offset = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize);
    match (
        location.encoding,
        offset.map(u32::try_from),
        u32::try_from(part.len()),
    ) {
        (Encoding::Verbatim, Some(Ok(offset)), Ok(len))
            if offset
                .checked_add(len)
                .is_some_and(|end| end <= location.len) =>
        {
            Location {
                start: location.start.saturating_add(offset),
                len,
                ..location
            }
        }
        _ => location,
    }
}

impl Message {
    /// `notifications/cancelled request 12`
    pub fn words(&self) -> String {
        format!("{} {}", self.method, self.gist)
    }

    fn of(kind: MessageKind, method: &str, gist: Box<str>) -> Self {
        Self {
            kind,
            method: method.into(),
            id: None,
            name: Box::default(),
            gist,
            reference: None,
            detail: Detail::None,
        }
    }
}

/// The word for what is JSON-RPC, and is none of its kinds of messages.
pub const MALFORMED: &str = "malformed";

fn garbage(what: &str, bytes: &[u8]) -> Message {
    Message::of(MessageKind::Garbage, what, gist_of_bytes(bytes))
}

fn message(envelope: &Envelope<'_>, bytes: &[u8]) -> Message {
    let id = envelope.id.map(Box::from);
    match envelope.kind() {
        Kind::Request | Kind::Notification => {
            let method = envelope.method.as_deref().unwrap_or_default();
            Message {
                id,
                ..outgoing(
                    method,
                    envelope.params.unwrap_or_default(),
                    envelope.id.is_some(),
                )
            }
        }
        Kind::Result => Message {
            id,
            ..result(envelope.result.unwrap_or_default())
        },
        Kind::Error => {
            let gist = summary::of_error(envelope.error.unwrap_or_default());
            Message {
                id,
                ..Message::of(MessageKind::Error, "", gist)
            }
        }
        Kind::Malformed => Message {
            id: id.filter(|_| envelope.method.is_none() && !envelope.method_not_text),
            ..garbage(MALFORMED, bytes)
        },
    }
}

fn outgoing(method: &str, raw: &str, request: bool) -> Message {
    let params = Params::read(raw);
    let meta = Meta::read(params.meta.unwrap_or_default());
    let reference = match method {
        methods::CANCELLED => params.request_id,
        methods::PROGRESS => params.progress_token,
        _ if request => meta.progress_token,
        _ => meta.subscription,
    };
    let detail = if request {
        request_detail(method, raw, &params, &meta)
    } else if method == methods::PROGRESS {
        Detail::Progress {
            done: params
                .progress
                .and_then(|raw| raw.parse().ok())
                .unwrap_or(0.0),
            total: params.total.and_then(|raw| raw.parse().ok()),
        }
    } else {
        Detail::None
    };
    let kind = if request {
        MessageKind::Request
    } else {
        MessageKind::Notification
    };
    Message {
        name: summary::subject(method, &params),
        reference: reference.map(Box::from),
        detail,
        ..Message::of(kind, method, summary::of_params(method, raw, &params))
    }
}

fn string(raw: Option<&str>) -> Option<Box<str>> {
    raw.and_then(object::unescape)
        .map(Cow::into_owned)
        .map(Into::into)
}

fn request_detail(method: &str, raw: &str, params: &Params<'_>, meta: &Meta<'_>) -> Detail {
    let greeting = method == methods::INITIALIZE;
    let client = meta.client_info.or(params.client_info.filter(|_| greeting));
    let version = meta
        .protocol_version
        .or(params.protocol_version.filter(|_| greeting));
    let follow_up = params.task_id.filter(|_| method.starts_with("tasks/"));
    let related = || {
        meta.related_task
            .and_then(|related| object::at(related, &["taskId"]))
    };
    let mut detail = RequestDetail {
        client: client.map(summary::implementation),
        protocol_version: string(version),
        modern: meta.protocol_version.is_some(),
        cursor: string(params.cursor),
        task: string(follow_up.or_else(related)),
        becomes_task: params.task.is_some(),
        round: None,
    };
    let retry = params.request_state.is_some() || params.input_responses.is_some();
    let may_go_rounds = matches!(
        method,
        methods::TOOLS_CALL | methods::RESOURCES_READ | methods::PROMPTS_GET
    );
    if may_go_rounds && (detail.modern || retry) {
        detail.round = Some(Round {
            params: params_hash(raw),
            state: params.request_state.map(|raw| stable_hash(raw.as_bytes())),
            retry,
        });
    }
    if detail == RequestDetail::default() {
        Detail::None
    } else {
        Detail::Request(Box::new(detail))
    }
}

/// Independent of the order of members, and of what differs between the rounds of one request.
fn params_hash(raw: &str) -> u64 {
    object::members(raw)
        .filter(|(key, _)| !matches!(&**key, "_meta" | "requestState" | "inputResponses"))
        .map(|(key, value)| {
            let mut hasher = DefaultHasher::new();
            (key.as_bytes(), value).hash(&mut hasher);
            hasher.finish()
        })
        .fold(0, u64::wrapping_add)
}

fn result(raw: &str) -> Message {
    let answer = Answer::read(raw);
    let kind = if answer.is_error == Some("true") {
        MessageKind::ToolError
    } else if answer.result_type_is("input_required") {
        MessageKind::InputRequired
    } else {
        MessageKind::Result
    };
    let describes_server = answer.server_info.is_some() || answer.supported_versions.is_some();
    let lists = matches!(
        answer.list,
        Some((_, "tool" | "resource" | "template" | "prompt"))
    );
    let detail = AnswerDetail {
        state: answer.request_state.map(|raw| stable_hash(raw.as_bytes())),
        task: match answer.task {
            Some(task) => string(object::at(task, &["taskId"])),
            None if answer.result_type_is("task") => string(answer.task_id),
            None => None,
        },
        server_info: answer
            .meta
            .and_then(|meta| object::at(meta, &[SERVER_INFO]))
            .map(Box::from),
        offer: (describes_server || lists).then(|| raw.into()),
    };
    let detail = match detail == AnswerDetail::default() {
        true => Detail::None,
        false => Detail::Answer(Box::new(detail)),
    };
    Message {
        detail,
        ..Message::of(kind, "", summary::of_result(raw, &answer))
    }
}
