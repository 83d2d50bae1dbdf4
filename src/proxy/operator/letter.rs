//! What the operator sends, made ready for the wire: one line, fresh ids, everything else as it was written.

use super::own::Era;
use super::refused;
use crate::mcp::methods::{self, Replay};
use crate::proxy::gate::Gate;
use crate::tap::Refused;
use crate::wire::envelope::{Envelope, Frame, Kind, parse};
use crate::wire::{object, splice};
use bytes::Bytes;

const TOKEN: &[&str] = &["params", "_meta", "progressToken"];

/// A line for the server.
#[derive(Debug)]
pub struct Letter {
    pub line: Bytes,
    /// The raw id token of a request.
    pub id: Option<String>,
    pub news: News,
}

/// What a message changes in what the server tells of unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    Same,
    /// From here on it tells more, until the request is answered or cancelled.
    More,
    /// No more of what the request with this raw id has asked for.
    Less(String),
}

impl News {
    fn of(envelope: &Envelope<'_>) -> Self {
        match envelope.method.as_deref() {
            Some(methods::LISTEN) => Self::More,
            Some(methods::CANCELLED) => cancelled(envelope).map_or(Self::Same, Self::Less),
            _ => Self::Same,
        }
    }
}

/// The raw id of the request that is cancelled.
fn cancelled(envelope: &Envelope<'_>) -> Option<String> {
    let id = object::at(envelope.params.unwrap_or_default(), &["requestId"]);
    id.map(str::to_owned)
}

/// Makes a request or a notification ready. A request gets an id that no peer uses; `era` is what is known of an own
/// session, and nothing of a client's, whose messages say by themselves what they need.
pub fn prepare(message: String, gate: &Gate, era: Option<&Era>) -> Result<Letter, Refused> {
    let mut message = on_one_line(message);
    let frame = parse(message.as_bytes());
    let envelope = single(&frame)?;
    let is_request = match envelope.kind() {
        Kind::Request => true,
        Kind::Notification => false,
        Kind::Result | Kind::Error => return refused("this is an answer, not a request"),
        Kind::Malformed => return refused("this is not a JSON-RPC request or notification"),
    };
    let method = envelope.method.as_deref().unwrap_or_default();
    if let Replay::Refused(reason) = methods::replay(method)
        && !is_own_affair(envelope, gate, era)
    {
        return refused(format!("{method} is not sent: {reason}"));
    }
    let news = News::of(envelope);
    if !is_request {
        return Ok(Letter {
            line: line(message),
            id: None,
            news,
        });
    }
    let has_token = object::at(&message, TOKEN).is_some();
    let id = gate.fresh_id();
    let spliced = (|| {
        message = splice::set(&message, &["id"], &id)?;
        if has_token {
            message = splice::set(&message, TOKEN, &id)?;
        }
        if let Some(Era::Modern(metadata)) = era {
            for (key, value) in metadata {
                let path = ["params", "_meta", *key];
                if object::at(&message, &path).is_none() {
                    message = splice::set(&message, &path, value)?;
                }
            }
        }
        Some(())
    })();
    if spliced.is_none() {
        gate.forget(&id);
        return refused("params and params._meta must be objects");
    }
    Ok(Letter {
        line: line(message),
        id: Some(id),
        news,
    })
}

/// Whether a message that would disturb a client disturbs nobody but the operator: it cancels a request of the
/// operator's, or the session is the operator's own.
fn is_own_affair(message: &Envelope<'_>, gate: &Gate, era: Option<&Era>) -> bool {
    match message.method.as_deref() {
        Some(methods::CANCELLED) => cancelled(message).is_some_and(|id| gate.is_ours(&id)),
        Some(method) => era.is_some() && methods::changes_own_session_only(method),
        None => false,
    }
}

/// Makes an answer ready: its line, and the raw id that it answers.
pub fn answer(message: String) -> Result<(Bytes, String), Refused> {
    let message = on_one_line(message);
    let frame = parse(message.as_bytes());
    let envelope = single(&frame)?;
    match (envelope.kind(), envelope.id) {
        (Kind::Result | Kind::Error, Some(id)) => {
            let id = id.to_owned();
            Ok((line(message), id))
        }
        _ => refused("this is not a JSON-RPC answer: it needs an id, and a result or an error"),
    }
}

fn single<'a, 'f>(frame: &'f Frame<'a>) -> Result<&'f Envelope<'a>, Refused> {
    match frame {
        Frame::Message(envelope) => Ok(envelope),
        Frame::Batch(_) => refused("one message at a time: this is a batch"),
        Frame::NotJsonRpc => refused("this is JSON, but not a JSON-RPC message"),
        Frame::NotJson(reason) => refused(format!("this is not JSON: {reason}")),
        Frame::Blank => refused("there is nothing to send"),
    }
}

/// Line breaks of a pretty-printed message stand between tokens, where a space says the same. Inside a string they
/// are not JSON, and stay for the parser to find.
fn on_one_line(message: String) -> String {
    if !message.contains(['\n', '\r']) {
        return message;
    }
    let (mut in_string, mut escaped) = (false, false);
    let folded: String = message
        .trim_end()
        .chars()
        .map(|character| {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = in_string,
                '"' => in_string = !in_string,
                '\n' | '\r' if !in_string => return ' ',
                _ => {}
            }
            character
        })
        .collect();
    folded
}

fn line(mut message: String) -> Bytes {
    message.push('\n');
    message.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::gate::Owner;

    fn prepared(message: &str, era: Option<&Era>) -> Result<(String, Option<String>), String> {
        let gate = Gate::new(Owner::Client);
        let letter = prepare(message.to_owned(), &gate, era).map_err(|refusal| refusal.0)?;
        let line = String::from_utf8(letter.line.to_vec()).unwrap();
        if let Some(id) = &letter.id {
            assert!(gate.is_ours(id) && gate.awaits());
        }
        Ok((line, letter.id))
    }

    #[test]
    fn a_request_gets_a_fresh_id_and_token_and_nothing_else_changes() {
        let (line, id) = prepared(
            r#"{"id":1,  "method":"tools/call","params":{"b":1.0,"_meta":{"progressToken":7,"x":1e3}},"extra":"\u00e9","jsonrpc":"2.0"}"#,
            None,
        )
        .unwrap();
        let id = id.unwrap();
        let expected = format!(
            r#"{{"id":{id},  "method":"tools/call","params":{{"b":1.0,"_meta":{{"progressToken":{id},"x":1e3}}}},"extra":"\u00e9","jsonrpc":"2.0"}}"#
        );
        assert_eq!(line, expected + "\n");
    }

    #[test]
    fn a_request_without_a_progress_token_gets_none() {
        let (line, id) =
            prepared(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, None).unwrap();
        let id = id.unwrap();
        assert_eq!(
            line,
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/list\"}}\n")
        );
    }

    #[test]
    fn a_notification_goes_as_it_is() {
        let message = r#"{"method":"notifications/roots/list_changed", "jsonrpc":"2.0"}"#;
        assert_eq!(prepared(message, None), Ok((format!("{message}\n"), None)));
    }

    #[test]
    fn a_pretty_printed_request_becomes_one_line() {
        let (line, id) = prepared(
            "{\n  \"jsonrpc\": \"2.0\",\r\n  \"id\": 1,\n  \"method\": \"a\\\"\\n\"\n}\n",
            None,
        )
        .unwrap();
        let id = id.unwrap();
        assert_eq!(
            line,
            format!("{{   \"jsonrpc\": \"2.0\",    \"id\": {id},   \"method\": \"a\\\"\\n\" }}\n")
        );
    }

    #[test]
    fn a_request_of_the_modern_era_gets_the_metadata_that_it_lacks() {
        let era = Era::Modern(vec![("v", "\"new\"".into()), ("c", "{}".into())]);
        let (line, id) = prepared(
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"v":"mine"}}}"#,
            Some(&era),
        )
        .unwrap();
        let id = id.unwrap();
        let expected = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"m","params":{{"_meta":{{"v":"mine","c":{{}}}}}}}}"#
        );
        assert_eq!(line, expected + "\n");
    }

    #[test]
    fn what_is_not_one_request_is_refused_with_a_reason() {
        for (message, reason) in [
            ("", "there is nothing to send"),
            ("{", "this is not JSON"),
            ("\"a\nb\"", "this is not JSON"),
            (
                "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}]",
                "one message at a time",
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}",
                "this is an answer",
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}",
                "initialize is not sent",
            ),
        ] {
            let refusal = prepared(message, None).unwrap_err();
            assert!(refusal.starts_with(reason), "{message}: {refusal}");
        }
    }

    #[test]
    fn only_a_request_of_ours_can_be_cancelled() {
        let gate = Gate::new(Owner::Client);
        let id = gate.fresh_id();
        let cancel = |id: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
            )
        };
        assert!(prepare(cancel(&id), &gate, None).is_ok());
        assert!(prepare(cancel("1"), &gate, None).is_err());
    }

    #[test]
    fn a_subscription_disturbs_nobody_in_an_own_session() {
        let message =
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a:b"}}"#;
        assert!(prepared(message, Some(&Era::Legacy)).is_ok());
        assert!(prepared(message, None).is_err());
    }

    #[test]
    fn an_answer_needs_an_id_and_an_outcome() {
        let (line, id) = answer(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#.into()).unwrap();
        assert_eq!(id, "7");
        assert_eq!(&line[..], b"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n");
        assert!(answer(r#"{"jsonrpc":"2.0","id":7,"method":"m"}"#.into()).is_err());
        assert!(answer(r#"{"jsonrpc":"2.0","result":{}}"#.into()).is_err());
    }
}
