//! A stream of server-sent events: the messages in it, and the events that are none. The data of a long one waits for
//! its end outside of memory.

use super::Content;
use super::body::{Each, Found, Setting};
use crate::capture::record::HttpPart;
use crate::capture::redact;
use crate::capture::spool::{self, Spool, WINDOW};
use crate::tap::ServerSent;
use crate::wire::sse::{self, Decoder};
use bytes::Bytes;
use regex::Regex;

#[derive(Default)]
pub(super) struct Events {
    decoder: Decoder,
    /// The data of the event that is not complete, but for what the decoder has of it.
    long: Option<Spool>,
}

impl From<Decoder> for Events {
    fn from(decoder: Decoder) -> Self {
        Self {
            decoder,
            long: None,
        }
    }
}

impl Events {
    pub fn push(&mut self, setting: Setting<'_>, bytes: &[u8], each: Each<'_>) {
        let long = &mut self.long;
        self.decoder.push(bytes, |event| {
            // A comment may be told of before its event is complete.
            let long = long.take_if(|_| event.data.is_some());
            found(event, long, setting.secret, each);
        });
        if let Some(data) = self.decoder.take_data(WINDOW) {
            match long {
                Some(long) => long.push(&data),
                None => *long = Some(Spool::begin(setting.directory, &data)),
            }
        }
    }

    /// What has come of an event that is not complete.
    pub fn pending(&self) -> u64 {
        self.decoder.pending() as u64 + self.long.as_ref().map_or(0, Spool::len)
    }

    /// The event without its end, as text, when nothing more comes.
    pub fn finish(mut self, each: Each<'_>) -> Option<Vec<u8>> {
        let pending = self.pending();
        if let Some(long) = self.long {
            match long.finish().and_then(|it| it.read_back()) {
                Ok(data) => self.decoder.put_back(&data),
                Err(error) => {
                    each(Found::Lost(spool::gap(0, pending, &error)));
                    return None;
                }
            }
        }
        Some(self.decoder.take_rest())
    }
}

/// An event with data is a message, whatever is in it, unless its type says that it is something else. The data of a
/// long one begins elsewhere.
pub(super) fn found(mut found: sse::Event, long: Option<Spool>, secret: &[Regex], each: Each<'_>) {
    let message = match long {
        None => found.message().cloned().map(|it| (Content::Here(it), None)),
        Some(mut long) => {
            long.push(found.data.as_deref().unwrap_or_default());
            let bytes = long.len();
            let whole = long.finish().and_then(|whole| {
                if found.is_of_messages() {
                    let is_json = Some(whole.is_json);
                    return Ok(Some((Content::Spooled(whole), is_json)));
                }
                found.data = Some(whole.read_back()?);
                Ok(None)
            });
            match whole {
                Ok(message) => message,
                Err(error) => {
                    let messages = u64::from(found.is_of_messages());
                    return each(Found::Lost(spool::gap(messages, bytes, &error)));
                }
            }
        }
    };
    let mut rest = ServerSent {
        retry: found.retry,
        comment: found.comment,
        ..ServerSent::default()
    };
    if let Some((content, is_json)) = message {
        if rest != ServerSent::default() {
            each(Found::Part(HttpPart::Event(rest)));
        }
        return each(Found::Message {
            content,
            event: found.id.map(Into::into),
            is_json,
            tally: None,
        });
    }
    let data = |data: Bytes| String::from_utf8_lossy(&data).into_owned();
    rest.data = found.data.map(data);
    rest.id = found.id;
    rest.name = found.name;
    each(Found::Part(HttpPart::Event(event(rest, secret))));
}

/// An event that is no message, secrets masked.
pub(super) fn event(event: ServerSent, secret: &[Regex]) -> ServerSent {
    let mask = match event.name.as_deref() {
        // Where an old client is to send its messages.
        Some("endpoint") => {
            |text: &str, secret: &[Regex]| redact::http::target(text, secret).into()
        }
        _ => redact::http::text,
    };
    ServerSent {
        data: event.data.map(|data| mask(&data, secret)),
        ..event
    }
}
