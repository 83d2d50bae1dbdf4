//! Method names and what a proxy needs to know of each.
pub const INITIALIZE: &str = "initialize";
pub const INITIALIZED: &str = "notifications/initialized";
pub const DISCOVER: &str = "server/discover";
pub const PING: &str = "ping";
pub const TOOLS_LIST: &str = "tools/list";
pub const TOOLS_CALL: &str = "tools/call";
pub const RESOURCES_LIST: &str = "resources/list";
pub const TEMPLATES_LIST: &str = "resources/templates/list";
pub const RESOURCES_READ: &str = "resources/read";
pub const PROMPTS_LIST: &str = "prompts/list";
pub const PROMPTS_GET: &str = "prompts/get";
pub const COMPLETE: &str = "completion/complete";
pub const SAMPLING: &str = "sampling/createMessage";
pub const ELICITATION: &str = "elicitation/create";
pub const ROOTS: &str = "roots/list";
pub const CANCELLED: &str = "notifications/cancelled";
pub const PROGRESS: &str = "notifications/progress";
pub const LOG_MESSAGE: &str = "notifications/message";
pub const LISTEN: &str = "subscriptions/listen";

/// What replaying a captured message may do to the live session (protocol notes, section "Replay").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    Allowed,
    /// Allowed after one question to the operator; the sentence says why.
    Asks(&'static str),
    /// Refused by default; the sentence says why.
    Refused(&'static str),
}

/// Whether a request or notification with this method may be sent again in a live session.
pub fn replay(_method: &str) -> Replay {
    todo!()
}
