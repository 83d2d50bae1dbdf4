//! The local socket between a proxy and whoever attaches, and the registry of live proxies.
//!
//! The socket carries commands and their outcomes as JSON lines, and whether recording goes well. What was seen is read
//! from the capture file; to a viewer that cannot reach it, a connection of its own carries that too.

pub mod client;
pub mod registry;
pub mod server;
pub mod transfer;

use crate::tap::{Command, Health, Refused, Reply};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest line either end accepts: an edited message travels in one.
const LONGEST_LINE: usize = 64 << 20;

/// One command on the socket.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    id: u64,
    command: Command,
}

/// Asks for the capture, in this version of [`transfer`]: from here on the connection carries nothing else.
#[derive(Debug, Serialize, Deserialize)]
struct CaptureRequest {
    capture: u32,
}

/// What a proxy says to a viewer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Said {
    Response(Response),
    /// At the beginning, and whenever it has changed.
    Health {
        health: Health,
    },
}

/// What became of a command.
#[derive(Debug, Serialize, Deserialize)]
struct Response {
    id: u64,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Ok(Reply),
    Error(Refused),
}

impl From<Result<Reply, Refused>> for Outcome {
    fn from(outcome: Result<Reply, Refused>) -> Self {
        match outcome {
            Ok(reply) => Self::Ok(reply),
            Err(refused) => Self::Error(refused),
        }
    }
}

impl From<Outcome> for Result<Reply, Refused> {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok(reply) => Ok(reply),
            Outcome::Error(refused) => Err(refused),
        }
    }
}

/// A command that travelled as JSON, for both ends.
fn to_line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads such a line. It holds an object; serde alone would read our structs from an array as well.
fn from_line<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let is_object = line.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(line).ok())?
}

/// A place for sockets, whose paths have to be short however long `TMPDIR` is.
#[cfg(test)]
fn short_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/tmp").unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_asks_for_nothing() {
        let line = to_line(&CaptureRequest { capture: 1 }).unwrap();
        assert!(from_line::<CaptureRequest>(&line).is_some());
        assert!(from_line::<CaptureRequest>(b"[1]\n").is_none());
        let (id, command) = (1, Command::Refresh);
        let line = to_line(&Request { id, command }).unwrap();
        assert!(from_line::<Request>(&line).is_some());
        assert!(from_line::<Request>(b"[1,\"refresh\"]\n").is_none());
    }
}
