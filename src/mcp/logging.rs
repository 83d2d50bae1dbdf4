//! The levels of a server's log messages.

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
