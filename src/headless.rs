//! The face without a screen: the startup line, `--print`, the summary. Writes to stderr; stdout is the protocol's.

/// How `--print` writes traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Print {
    /// One readable line a message.
    Text,
    /// The capture's own lines.
    Json,
}
