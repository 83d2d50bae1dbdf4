//! Why the handshake of an own session failed, in words.

use crate::mcp::Era;
use crate::wire::shown::shortened;
use rmcp::model::{ErrorCode, ErrorData, ProtocolVersion};
use rmcp::service::ClientInitializeError;
use serde::Serialize;
use std::fmt::Display;
use std::io;

/// What an error that we made up starts with.
const OURS: &str = "mcp-sentinel: ";
/// Bytes shown of what the server says.
const SHOWN: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error("{}", in_words(.0))]
    Protocol(#[from] Box<ClientInitializeError>),
}

impl HandshakeError {
    /// Whether it only says that the server's end of the connection is gone, seen while reading or while writing.
    pub fn is_end(&self) -> bool {
        match self {
            Self::Protocol(error) => matches!(
                last(error),
                ClientInitializeError::ConnectionClosed(_)
                    | ClientInitializeError::TransportError { .. }
            ),
            Self::Socket(_) => false,
        }
    }

    /// Whether it is an answer of the server's: what becomes of the server then explains nothing.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::Protocol(error) => match last(error) {
                ClientInitializeError::JsonRpcError(error) => !error.message.starts_with(OURS),
                error => matches!(
                    error,
                    ClientInitializeError::NoCompatibleProtocolVersion { .. }
                        | ClientInitializeError::ExpectedInitResponse(_)
                        | ClientInitializeError::ExpectedInitResult(_)
                ),
            },
            Self::Socket(_) => false,
        }
    }

    /// What to try instead, when only this era was tried.
    pub fn advice(&self, era: Option<Era>) -> &'static str {
        match era {
            Some(Era::Modern) if self.is_answer() => {
                "; a server of an older version of the protocol answers to --era legacy"
            }
            Some(Era::Legacy) if self.is_answer() => {
                "; a server of a newer version of the protocol answers to --era modern"
            }
            _ => "",
        }
    }
}

/// The error of the last attempt.
fn last(error: &ClientInitializeError) -> &ClientInitializeError {
    match error {
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => last(fallback),
        error => error,
    }
}

/// An error of rmcp's as whoever refused puts it, and as it stands when we made it up.
fn in_words(error: &ClientInitializeError) -> String {
    match last(error) {
        ClientInitializeError::JsonRpcError(error) => match error.message.strip_prefix(OURS) {
            Some(words) => words.to_owned(),
            None => other_versions(error).unwrap_or_else(|| shortened(&error.to_string(), SHOWN)),
        },
        ClientInitializeError::NoCompatibleProtocolVersion {
            server_supported, ..
        } => speaks(server_supported),
        ClientInitializeError::ExpectedInitResponse(got) => unexpected(got),
        ClientInitializeError::ExpectedInitResult(got) => unexpected(got),
        error => error.to_string(),
    }
}

fn unexpected(got: &impl Serialize) -> String {
    let got = serde_json::to_string(got).unwrap_or_default();
    format!(
        "the answer is not as the protocol has it (a member is missing, or of another type): {}",
        shortened(&got, SHOWN)
    )
}

/// The versions that a server has instead of the one that it was asked for.
fn other_versions(error: &ErrorData) -> Option<String> {
    let data = error.data.as_ref()?;
    let supported = data.get("supported")?.as_array()?;
    let supported: Vec<&str> = supported.iter().filter_map(|it| it.as_str()).collect();
    (error.code == ErrorCode::UNSUPPORTED_PROTOCOL_VERSION && !supported.is_empty())
        .then(|| speaks(&supported))
}

fn speaks(versions: &[impl Display]) -> String {
    let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
    let versions = match versions.is_empty() {
        true => "no version of the protocol that it names".to_owned(),
        false => {
            let versions = versions.join(", ");
            format!("version {} of the protocol", shortened(&versions, SHOWN))
        }
    };
    format!(
        "the server speaks {versions}; mcp-sentinel speaks {} and older ones",
        ProtocolVersion::LATEST
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(code: i32, message: &'static str, data: serde_json::Value) -> HandshakeError {
        let error = ErrorData::new(ErrorCode(code), message, Some(data));
        Box::new(ClientInitializeError::JsonRpcError(error)).into()
    }

    #[test]
    fn versions_that_do_not_meet_are_named() {
        let asked_for = ProtocolVersion::LATEST;
        let data = json!({"supported": ["2027-01-01", "2028-01-01"], "requested": asked_for});
        let refused = error(-32022, "Unsupported protocol version", data);
        let speaks = "the server speaks version 2027-01-01, 2028-01-01 of the protocol; mcp-sentinel speaks \
                      2026-07-28 and older ones";
        assert_eq!(refused.to_string(), speaks);
        let none = ClientInitializeError::NoCompatibleProtocolVersion {
            client_supported: vec![asked_for],
            server_supported: vec![],
        };
        let none = HandshakeError::from(Box::new(none));
        assert!(none.is_answer());
        let speaks =
            "the server speaks no version of the protocol that it names; mcp-sentinel speaks";
        assert!(none.to_string().starts_with(speaks), "{none}");
    }

    #[test]
    fn of_a_long_answer_only_the_beginning_is_said() {
        // Of two bytes a character, so that a bound may fall into one.
        for head in ["", "x"] {
            let long = format!("{head}{}", "é".repeat(1_000_000));
            let data = json!({"supported": [long]});
            assert!(error(-32022, "no", data).to_string().len() < 1200);
            assert!(error(-32000, "no", json!(long)).to_string().len() < 1200);
            assert!(unexpected(&long).len() < 1200);
        }
    }

    #[test]
    fn the_other_era_is_advised_when_the_server_refuses_the_only_one_that_was_tried() {
        let refused = error(-32601, "Method not found", json!(null));
        assert!(refused.advice(Some(Era::Modern)).contains("--era legacy"));
        assert!(refused.advice(Some(Era::Legacy)).contains("--era modern"));
        assert_eq!(refused.advice(None), "");
        let ours = error(-32603, "mcp-sentinel: the server says 503", json!(null));
        assert_eq!(ours.advice(Some(Era::Modern)), "");
        assert_eq!(ours.to_string(), "the server says 503");
    }
}
