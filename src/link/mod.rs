//! The local socket between a proxy and whoever attaches, and the registry of live proxies.
//!
//! The socket carries commands and their outcomes as JSON lines, and whether recording goes well. What was seen is read
//! from the capture file; to a viewer that cannot reach it, a connection of its own carries that too.

pub mod client;
pub mod registry;
pub mod server;
pub mod transfer;

use crate::tap::{Command, Health, Refused, Reply};
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
