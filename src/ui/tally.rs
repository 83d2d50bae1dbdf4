//! What a list says of a saved capture: who spoke with what, and how much, as the screen would count it.

use crate::capture::reader::{ReadError, Reader};
use crate::link::registry::Counts;
use crate::traffic::{Traffic, digest::digest};
use std::path::Path;

/// A capture with more bytes than this is not read for two numbers.
const MOST_BYTES: u64 = 64 << 20;
/// Records after which it is asked whether anybody still waits.
const STRETCH: usize = 100;

/// What a capture tells of its conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// The upstream's argv or address; empty where the capture cannot be read.
    pub upstream: Vec<String>,
    /// Name and version of the first client that gave them.
    pub client: Option<String>,
    /// `None` where counting would take long.
    pub counts: Option<Counts>,
}

/// As far as it can be read in a while, and as long as somebody waits for it.
pub fn look(capture: &Path, is_awaited: impl Fn() -> bool) -> Contents {
    let mut contents = Contents::default();
    if let Ok(reader) = Reader::open(capture) {
        contents.upstream.clone_from(&reader.header().upstream);
        let mut traffic = Traffic::default();
        let counts = count(reader, &mut traffic, is_awaited);
        contents.counts = counts.ok().flatten();
        let mut clients = traffic.sessions().iter().filter(|it| it.by == "client");
        contents.client = clients.find_map(|it| it.client.clone());
    }
    contents
}

fn count(
    mut reader: Reader,
    traffic: &mut Traffic,
    is_awaited: impl Fn() -> bool,
) -> Result<Option<Counts>, ReadError> {
    let (_, stored) = reader.progress();
    let mut more = stored <= MOST_BYTES;
    while more {
        more = reader.read(STRETCH, |record| traffic.apply(digest(&record)))? > 0;
        // A compressed one holds more than it takes.
        if traffic.counters().bytes > MOST_BYTES || !is_awaited() {
            return Ok(None);
        }
    }
    let counters = traffic.counters();
    Ok((stored <= MOST_BYTES).then_some(Counts {
        messages: counters.messages,
        errors: counters.errors,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn capture(lines: &[&str]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(
            file,
            r#"{{"capture":1,"name":"x","upstream":["npx","server"]}}"#
        )
        .unwrap();
        for (seq, line) in (1..).zip(lines) {
            let at = "2026-11-21T12:00:00.000000Z";
            writeln!(file, r#"{{"seq":{seq},"at":"{at}","session":1,{line}}}"#).unwrap();
        }
        file
    }

    #[test]
    fn messages_and_both_kinds_of_errors_are_counted() {
        let file = capture(&[
            r#""from":"client","message":{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
            r#""from":"server","message":{"jsonrpc":"2.0","id":1,"result":{"isError":true}}"#,
            r#""from":"client","message":{"jsonrpc":"2.0","id":2,"method":"x"}"#,
            r#""from":"server","message":{"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":""}}"#,
            r#""stderr":"no message""#,
        ]);
        let counts = Counts {
            messages: 4,
            errors: 2,
        };
        assert_eq!(look(file.path(), || true).counts, Some(counts));
    }

    #[test]
    fn a_capture_tells_who_spoke_with_what() {
        let file = capture(&[
            r#""opened":{"by":"client","transport":"stdio"}"#,
            r#""from":"client","message":{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"clientInfo":{"name":"a","version":"1"}}}"#,
        ]);
        let contents = look(file.path(), || true);
        assert_eq!(contents.client.as_deref(), Some("a 1"));
        assert_eq!(contents.upstream, ["npx", "server"]);
    }

    #[test]
    fn what_is_too_much_or_no_longer_awaited_or_no_capture_is_not_counted() {
        let message = r#""from":"client","message":{"jsonrpc":"2.0","method":"x"}"#;
        let file = capture(&[message]);
        assert_eq!(look(file.path(), || false).counts, None);
        file.as_file().set_len(MOST_BYTES + 1).unwrap();
        assert_eq!(look(file.path(), || true).counts, None);
        assert_eq!(look(Path::new("/nowhere/at/all"), || true).counts, None);
    }

    #[test]
    fn what_unpacks_to_too_much_is_not_counted() {
        let header = b"{\"capture\":1}\n".as_slice();
        let text = "x".repeat(1 << 20);
        let line = format!(
            r#"{{"seq":1,"at":"2026-11-21T12:00:00Z","session":1,"from":"client","message":"{text}"}}"#
        );
        let lines = format!("{line}\n").repeat(65);
        let file = tempfile::NamedTempFile::new().unwrap();
        let packed = zstd::encode_all(&[header, lines.as_bytes()].concat()[..], 1).unwrap();
        std::fs::write(file.path(), packed).unwrap();
        assert!(file.path().metadata().unwrap().len() < MOST_BYTES);
        assert_eq!(look(file.path(), || true).counts, None);
    }
}
