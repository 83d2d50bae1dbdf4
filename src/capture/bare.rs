//! Files of bare messages, one a line, as other programs log them and as a screen saves them: read like captures, but
//! they tell no times, and who sent a message only as far as that follows from its kind.

use super::parse::damaged;
use super::record::{Encoding, Header, Location, Payload, Record};
use crate::mcp::methods::{self, Sender};
use crate::tap::{Party, SessionId, Timestamp};
use crate::wire::{Envelope, Frame, Kind, object, parse};
use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::BuildHasher;
use std::path::Path;

/// Takes all messages of the file for one session.
const SESSION: SessionId = SessionId(1);

/// Requests of the server's that are remembered; when there are more, most will not be answered.
const MOST_ASKED: usize = 1 << 12;

/// What the messages so far tell of those to come.
#[derive(Debug, Default)]
pub(super) struct Bare {
    /// Hashes of the raw ids that the server asked with last, until they are answered: an id may be of any length. What
    /// answers no such request is the server's.
    asked: HashSet<u64>,
}

/// In the place of the one that there is not.
pub(super) fn header(path: &Path) -> Header {
    let name = path.file_stem().unwrap_or_default();
    Header {
        name: name.to_string_lossy().into_owned(),
        ..Header::default()
    }
}

/// Whether a line can be one of such a file.
pub(super) fn is_message(line: &[u8]) -> bool {
    parse(without_mark(line)).speaks()
}

pub(super) fn is_blank(line: &[u8]) -> bool {
    without_mark(line).trim_ascii().is_empty()
}

/// Some programs begin a file with a byte order mark.
pub(super) fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
}

impl Bare {
    /// Reads one line, its line feed taken off, that begins at `offset`.
    pub fn read<'l>(&mut self, line: &'l [u8], offset: u64, number: u64) -> Record<'l> {
        let marked = line.len();
        let line = without_mark(line);
        let start = u32::try_from(marked - line.len()).unwrap_or_default();
        let line = line.trim_ascii_end();
        let location = Location {
            line: offset,
            start,
            len: u32::try_from(line.len()).unwrap_or(u32::MAX),
            encoding: Encoding::Verbatim,
        };
        let from = match parse(line) {
            Frame::Message(message) if message.speaks() => self.sender(&message),
            Frame::Batch(batch) if batch.iter().any(Envelope::speaks) => {
                let senders: Vec<Party> = batch.iter().map(|it| self.sender(it)).collect();
                senders[0]
            }
            _ => return damaged(location, number, "it is no message of JSON-RPC"),
        };
        Record {
            seq: number,
            line_number: number,
            at: Timestamp::UNKNOWN,
            session: SESSION,
            location,
            payload: Payload::Line {
                from,
                to: None,
                replay_of: None,
                via: None,
                terminated: true,
                json: true,
                bytes: Cow::Borrowed(line),
            },
        }
    }

    fn sender(&mut self, message: &Envelope<'_>) -> Party {
        // Nothing is known of it; of a server's it would be said that it stands on its stdout.
        if message.kind() == Kind::Malformed {
            return Party::Client;
        }
        let Some(method) = message.method.as_deref() else {
            let key = message.id.map(|id| self.key(id));
            return match key.is_some_and(|key| self.asked.remove(&key)) {
                true => Party::Client,
                false => Party::Server,
            };
        };
        let known = methods::lookup(method).map(|known| known.sender);
        let from = match (known, message.id) {
            (Some(Sender::Client), _) => Party::Client,
            (Some(Sender::Server), _) => Party::Server,
            _ if method == methods::CANCELLED => self.canceller(message.params),
            // Either may: clients ask most, and servers tell most.
            (_, Some(_)) => Party::Client,
            (_, None) => Party::Server,
        };
        if let Some(id) = message.id {
            self.asked_by(from, self.key(id));
        }
        from
    }

    fn asked_by(&mut self, from: Party, id: u64) {
        if from != Party::Server {
            self.asked.remove(&id);
            return;
        }
        if self.asked.len() >= MOST_ASKED {
            self.asked.clear();
        }
        self.asked.insert(id);
    }

    fn key(&self, id: &str) -> u64 {
        self.asked.hasher().hash_one(id)
    }

    /// Whoever asks may cancel.
    fn canceller(&self, params: Option<&str>) -> Party {
        let id = params.and_then(|params| object::at(params, &["requestId"]));
        match id.is_some_and(|id| self.asked.contains(&self.key(id))) {
            true => Party::Server,
            false => Party::Client,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn senders(lines: &[&str]) -> String {
        let mut bare = Bare::default();
        let read = |line: &&str| match bare.read(line.as_bytes(), 0, 1).payload {
            Payload::Line {
                from: Party::Client,
                ..
            } => 'c',
            Payload::Line {
                from: Party::Server,
                ..
            } => 's',
            _ => '-',
        };
        lines.iter().map(read).collect()
    }

    #[test]
    fn who_sent_a_message_follows_from_its_method_and_from_what_it_answers() {
        let lines = [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1.0,"method":"roots/list"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1.0}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
            r#"{"jsonrpc":"2.0","id":1.0,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#,
            r#"{"jsonrpc":"2.0","id":9,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":2,"method":"acme/own"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#,
            r#"[{"jsonrpc":"2.0","method":"notifications/message"}]"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        ];
        assert_eq!(senders(&lines), "cssccsscssc");
    }

    #[test]
    fn what_is_remembered_of_requests_has_a_bound() {
        let mut bare = Bare::default();
        let mut read = |line: &str| {
            let record = bare.read(line.as_bytes(), 0, 1);
            let is_clients = matches!(
                record.payload,
                Payload::Line {
                    from: Party::Client,
                    ..
                }
            );
            (is_clients, bare.asked.len())
        };
        for id in 0..2 * MOST_ASKED {
            let asks = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"roots/list"}}"#);
            assert!(read(&asks).1 <= MOST_ASKED);
            let pings = format!(r#"{{"jsonrpc":"2.0","id":"c{id}","method":"ping"}}"#);
            assert!(read(&pings).1 <= MOST_ASKED);
        }
        let id = 2 * MOST_ASKED - 1;
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        assert!(read(&answer).0);
    }

    #[test]
    fn a_line_that_is_no_message_is_told_of_as_damaged() {
        assert_eq!(senders(&["listening", "{}", "[1]", "\"jsonrpc\""]), "----");
    }
}
