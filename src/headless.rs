//! The face without a screen: the startup line, `--print`, the summary. Writes to stderr; stdout is the protocol's.

/// How `--print` writes traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Print {
    /// One readable line a message.
    Text,
    /// The capture's own lines.
    Json,
}

/// Says on stderr, in our name, what went wrong.
pub fn complain(text: &str) {
    say(text);
}

/// One line of ours on stderr; a closed stderr is nobody's loss.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stderr().write_all(format!("mcp-sentinel: {text}\n").as_bytes());
}
