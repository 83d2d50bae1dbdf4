//! The levels of a server's log messages, and how a request of the modern era asks for them.

/// Where a request says from which level on it wants to be told (specification 2026-07-28, basic).
pub const LEVEL: &[&str] = &["params", "_meta", "io.modelcontextprotocol/logLevel"];

/// From all there is to the gravest only (specification 2025-11-25, server/utilities/logging).
pub const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];
