//! Method names, who may send them in which revision, and which of them may be sent again.

pub const INITIALIZE: &str = "initialize";
pub const INITIALIZED: &str = "notifications/initialized";
pub const DISCOVER: &str = "server/discover";
pub const PING: &str = "ping";
pub const TOOLS_LIST: &str = "tools/list";
pub const TOOLS_CALL: &str = "tools/call";
pub const RESOURCES_LIST: &str = "resources/list";
pub const TEMPLATES_LIST: &str = "resources/templates/list";
pub const RESOURCES_READ: &str = "resources/read";
pub const RESOURCES_SUBSCRIBE: &str = "resources/subscribe";
pub const RESOURCES_UNSUBSCRIBE: &str = "resources/unsubscribe";
pub const PROMPTS_LIST: &str = "prompts/list";
pub const PROMPTS_GET: &str = "prompts/get";
pub const COMPLETE: &str = "completion/complete";
pub const SET_LEVEL: &str = "logging/setLevel";
pub const LISTEN: &str = "subscriptions/listen";
pub const TASKS_GET: &str = "tasks/get";
pub const TASKS_RESULT: &str = "tasks/result";
pub const TASKS_LIST: &str = "tasks/list";
pub const TASKS_UPDATE: &str = "tasks/update";
pub const TASKS_CANCEL: &str = "tasks/cancel";
pub const SAMPLING: &str = "sampling/createMessage";
pub const ELICITATION: &str = "elicitation/create";
pub const ROOTS: &str = "roots/list";
pub const CANCELLED: &str = "notifications/cancelled";
pub const PROGRESS: &str = "notifications/progress";
pub const LOG_MESSAGE: &str = "notifications/message";
pub const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
pub const PROMPTS_CHANGED: &str = "notifications/prompts/list_changed";
pub const RESOURCES_CHANGED: &str = "notifications/resources/list_changed";
pub const RESOURCE_UPDATED: &str = "notifications/resources/updated";
pub const ROOTS_CHANGED: &str = "notifications/roots/list_changed";
pub const TASK_STATUS: &str = "notifications/tasks/status";
pub const TASKS_NOTIFICATION: &str = "notifications/tasks";
pub const ELICITATION_COMPLETE: &str = "notifications/elicitation/complete";
pub const SUBSCRIPTION_ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// The revisions of the specification, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
}

/// Who sends a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    Client,
    Server,
    Either,
}

/// What the specification says of one method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    pub name: &'static str,
    pub sender: Sender,
    /// The first and the last revision that has it as a message of its own. In 2026-07-28 what a server asks (sampling,
    /// elicitation, roots) is embedded in results instead, and counts as gone.
    pub revisions: (Revision, Revision),
}

/// The methods of the specification and of its tasks extension, which belongs to 2026-07-28.
pub const METHODS: &[Method] = {
    use Revision::{
        V2024_11_05 as V2411, V2025_06_18 as V2506, V2025_11_25 as V2511, V2026_07_28 as V26,
    };
    use Sender::{Client, Either, Server};
    const fn method(name: &'static str, sender: Sender, first: Revision, last: Revision) -> Method {
        Method {
            name,
            sender,
            revisions: (first, last),
        }
    }
    &[
        method(INITIALIZE, Client, V2411, V2511),
        method(INITIALIZED, Client, V2411, V2511),
        method(DISCOVER, Client, V26, V26),
        method(PING, Either, V2411, V2511),
        method(TOOLS_LIST, Client, V2411, V26),
        method(TOOLS_CALL, Client, V2411, V26),
        method(RESOURCES_LIST, Client, V2411, V26),
        method(TEMPLATES_LIST, Client, V2411, V26),
        method(RESOURCES_READ, Client, V2411, V26),
        method(RESOURCES_SUBSCRIBE, Client, V2411, V2511),
        method(RESOURCES_UNSUBSCRIBE, Client, V2411, V2511),
        method(PROMPTS_LIST, Client, V2411, V26),
        method(PROMPTS_GET, Client, V2411, V26),
        method(COMPLETE, Client, V2411, V26),
        method(SET_LEVEL, Client, V2411, V2511),
        method(LISTEN, Client, V26, V26),
        method(TASKS_GET, Either, V2511, V26),
        method(TASKS_RESULT, Either, V2511, V2511),
        method(TASKS_LIST, Either, V2511, V2511),
        method(TASKS_UPDATE, Client, V26, V26),
        method(TASKS_CANCEL, Either, V2511, V26),
        method(SAMPLING, Server, V2411, V2511),
        method(ROOTS, Server, V2411, V2511),
        method(ELICITATION, Server, V2506, V2511),
        method(CANCELLED, Either, V2411, V26),
        method(PROGRESS, Either, V2411, V26),
        method(LOG_MESSAGE, Server, V2411, V26),
        method(TOOLS_CHANGED, Server, V2411, V26),
        method(PROMPTS_CHANGED, Server, V2411, V26),
        method(RESOURCES_CHANGED, Server, V2411, V26),
        method(RESOURCE_UPDATED, Server, V2411, V26),
        method(ROOTS_CHANGED, Client, V2411, V2511),
        method(TASK_STATUS, Either, V2511, V2511),
        method(TASKS_NOTIFICATION, Server, V26, V26),
        method(ELICITATION_COMPLETE, Server, V2511, V2511),
        method(SUBSCRIPTION_ACKNOWLEDGED, Server, V26, V26),
    ]
};

/// What the specification says of this method; `None` when it is not one of its own.
pub fn lookup(method: &str) -> Option<&'static Method> {
    METHODS.iter().find(|known| known.name == method)
}

/// What replaying a captured message may do to the live session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    Allowed,
    /// Allowed after one question to the operator; the sentence says why.
    Asks(&'static str),
    /// Refused by default; the sentence says why.
    Refused(&'static str),
}

/// Whether a client begins with it, to find out who the server is and what it offers.
pub fn finds_out(method: &str) -> bool {
    matches!(
        method,
        INITIALIZE | DISCOVER | TOOLS_LIST | RESOURCES_LIST | TEMPLATES_LIST | PROMPTS_LIST
    )
}

/// Whether it changes only what its session is told from now on: harmless in a session that nobody else has.
pub fn changes_own_session_only(method: &str) -> bool {
    matches!(
        method,
        SET_LEVEL | RESOURCES_SUBSCRIBE | RESOURCES_UNSUBSCRIBE
    )
}

/// Whether there is a session in which it may be sent again.
pub fn can_be_replayed(method: &str) -> bool {
    changes_own_session_only(method) || !matches!(replay(method), Replay::Refused(_))
}

/// Whether a request or notification with this method may be sent again in a live session. Tools that call themselves
/// destructive are the caller's to ask about: that stands in the inventory, not in the method.
pub fn replay(method: &str) -> Replay {
    match method {
        INITIALIZE | INITIALIZED => {
            Replay::Refused("a session is opened once; a second handshake would upset the client's")
        }
        CANCELLED => {
            Replay::Refused("it would cancel a request of the client's, if one has that id now")
        }
        PROGRESS => Replay::Refused("the request that it tells about is over"),
        SET_LEVEL => Replay::Refused("it would change which log messages the client gets"),
        RESOURCES_SUBSCRIBE | RESOURCES_UNSUBSCRIBE => {
            Replay::Refused("it would change which resources the client is told about")
        }
        TASKS_CANCEL => Replay::Asks("this ends a task that the client may be waiting for"),
        TASKS_UPDATE => Replay::Asks("this answers a question that a task of the client's asked"),
        TASKS_RESULT => Replay::Asks("the server may hand a task's result out only once"),
        LISTEN => Replay::Asks(
            "the server will keep sending notifications for this until the session ends",
        ),
        ROOTS_CHANGED => Replay::Asks("the server will ask the client for its roots"),
        _ => match lookup(method).map(|known| known.sender) {
            Some(Sender::Server) => Replay::Refused("only a server sends this"),
            _ => Replay::Allowed,
        },
    }
}

/// Whether an answer to a request of the server's may be sent again: never.
pub const REPLAY_OF_RESPONSE: Replay =
    Replay::Refused("the request that it answers has been answered already");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_stands_once_in_the_table() {
        for (index, method) in METHODS.iter().enumerate() {
            assert!(
                METHODS[..index]
                    .iter()
                    .all(|other| other.name != method.name),
                "{}",
                method.name
            );
            assert!(method.revisions.0 <= method.revisions.1, "{}", method.name);
        }
    }

    #[test]
    fn reading_and_calling_may_be_replayed() {
        for method in [
            TOOLS_CALL,
            RESOURCES_READ,
            PROMPTS_GET,
            TOOLS_LIST,
            PING,
            DISCOVER,
            COMPLETE,
            "acme/own",
        ] {
            assert_eq!(replay(method), Replay::Allowed, "{method}");
        }
    }

    #[test]
    fn what_changes_the_clients_session_is_refused() {
        for method in [
            INITIALIZE,
            INITIALIZED,
            CANCELLED,
            SET_LEVEL,
            RESOURCES_SUBSCRIBE,
            RESOURCES_UNSUBSCRIBE,
        ] {
            assert!(matches!(replay(method), Replay::Refused(_)), "{method}");
        }
    }

    #[test]
    fn what_reaches_further_than_its_answer_asks_first() {
        for method in [
            TASKS_CANCEL,
            TASKS_UPDATE,
            TASKS_RESULT,
            LISTEN,
            ROOTS_CHANGED,
        ] {
            assert!(matches!(replay(method), Replay::Asks(_)), "{method}");
        }
    }

    #[test]
    fn what_only_servers_send_is_refused() {
        for method in METHODS
            .iter()
            .filter(|method| method.sender == Sender::Server)
        {
            assert!(
                matches!(replay(method.name), Replay::Refused(_)),
                "{}",
                method.name
            );
        }
    }
}
