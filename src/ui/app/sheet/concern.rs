//! What speaks against sending a message where it goes: what the method does to a session, what a tool says of itself.

use super::subject;
use crate::mcp::methods::{self, Replay};
use crate::tap::Route;
use crate::traffic::inventory::Inventory;
use crate::wire::{Frame, object, parse};

/// What speaks against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concern {
    None,
    /// A question to the operator.
    Ask(String),
    Refuse(String),
}

/// Whether it is a message at all, so that it can be sent whatever else may be wrong with it.
pub fn is_message(text: &str) -> bool {
    matches!(parse(text.as_bytes()), Frame::Message(_))
}

/// `agreed`: somebody was asked about this very call, and said yes. That goes for its repetition where nobody knows what
/// the tool does, but not where it says that it destroys.
pub fn concern(inventory: &Inventory, route: Route, message: &str, agreed: bool) -> Concern {
    let Frame::Message(envelope) = parse(message.as_bytes()) else {
        return Concern::Refuse("this is not one JSON-RPC message".to_owned());
    };
    let Some(method) = envelope.method.as_deref() else {
        return Concern::Refuse("an answer cannot be sent again".to_owned());
    };
    let own = route == Route::Operator && methods::changes_own_session_only(method);
    match methods::replay(method) {
        Replay::Refused(why) if !own => return Concern::Refuse(why.to_owned()),
        Replay::Asks(why) => return Concern::Ask(format!("{why}. Send it?")),
        Replay::Refused(_) | Replay::Allowed => {}
    }
    if method != methods::TOOLS_CALL {
        return Concern::None;
    }
    match object::string_at(message, &["params", "name"]) {
        Some(name) => of_tool(inventory, route, &name, agreed),
        None if !agreed && matches!(route, Route::Session(_)) => Concern::Ask(
            "Which tool this calls cannot be read, and it goes into the client's session. Send it?"
                .to_owned(),
        ),
        None => Concern::None,
    }
}

/// In a client's session, a tool that says nothing counts as one that destroys (specification 2025-11-25, schema,
/// `ToolAnnotations`); in the operator's own only one that says so.
fn of_tool(inventory: &Inventory, route: Route, name: &str, agreed: bool) -> Concern {
    let tool = subject::tool(inventory, name);
    if tool.and_then(|tool| tool.read_only) == Some(true) {
        return Concern::None;
    }
    match (route, tool.and_then(|tool| tool.destructive)) {
        (_, Some(true)) => {
            Concern::Ask(format!("{name} says that it may destroy things. Call it?"))
        }
        (Route::Session(_), None) if !agreed => Concern::Ask(format!(
            "{name} does not say that it leaves things as they are, and this goes into the client's session. Call it?"
        )),
        _ => Concern::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::SessionId;
    use crate::traffic::inventory::Tool;

    fn ask(destructive: Option<bool>, read_only: Option<bool>, route: Route) -> bool {
        let mut inventory = Inventory::default();
        let name = "t".to_owned();
        inventory.tools.items.push(Tool {
            name,
            destructive,
            read_only,
            ..Tool::default()
        });
        let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
        let asks = |agreed| matches!(concern(&inventory, route, message, agreed), Concern::Ask(_));
        assert_eq!(asks(true), asks(false) && destructive == Some(true));
        asks(false)
    }

    #[test]
    fn a_tool_is_asked_about_by_what_it_says_and_where_it_goes() {
        let (own, client) = (Route::Operator, Route::Session(SessionId(1)));
        assert!(ask(Some(true), None, own) && ask(Some(true), None, client));
        assert!(!ask(None, None, own) && ask(None, None, client));
        assert!(!ask(Some(false), None, own) && !ask(Some(false), None, client));
        assert!(!ask(Some(true), Some(true), own) && !ask(None, Some(true), client));
    }

    #[test]
    fn a_call_of_nobody_knows_which_tool_is_asked_about_in_a_clients_session() {
        for params in ["", r#","params":["destroy"]"#, r#","params":{"name":7}"#] {
            let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call"{params}}}"#);
            let asks = |route, agreed| {
                let concern = concern(&Inventory::default(), route, &message, agreed);
                matches!(concern, Concern::Ask(_))
            };
            let client = Route::Session(SessionId(1));
            assert!(asks(client, false) && !asks(client, true), "{params}");
            assert!(!asks(Route::Operator, false), "{params}");
        }
    }

    #[test]
    fn a_question_follows_its_reason_as_a_sentence_of_its_own() {
        let message = r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen"}"#;
        let route = Route::Session(SessionId(1));
        match concern(&Inventory::default(), route, message, false) {
            Concern::Ask(text) => assert!(text.ends_with("session ends. Send it?"), "{text}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_would_disturb_a_client_is_sent_only_where_there_is_none() {
        let message = r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe"}"#;
        let concern = |route| concern(&Inventory::default(), route, message, false);
        assert_eq!(concern(Route::Operator), Concern::None);
        assert!(matches!(
            concern(Route::Session(SessionId(1))),
            Concern::Refuse(_)
        ));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let concern = |message| concern(&Inventory::default(), Route::Operator, message, false);
        for message in [r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "[]", "7", ""] {
            assert!(matches!(concern(message), Concern::Refuse(_)), "{message}");
        }
        assert!(matches!(
            concern(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#),
            Concern::Refuse(_)
        ));
        assert_eq!(
            concern(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#),
            Concern::None
        );
    }
}
