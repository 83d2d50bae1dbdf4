//! Where captures live, how they are named, and how long they stay.

use std::path::{Path, PathBuf};

/// How much is kept in the captures directory. Captures of live proxies are never pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub captures: usize,
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            captures: 50,
            bytes: 2 << 30,
        }
    }
}

/// One saved capture, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub path: PathBuf,
    pub name: String,
    /// Microseconds since the Unix epoch.
    pub started: crate::tap::Timestamp,
    pub bytes: u64,
}

/// `$XDG_STATE_HOME/mcp-sentinel/captures`, created 0700 when missing.
pub fn directory() -> std::io::Result<PathBuf> {
    todo!()
}
/// A fresh path `<time>-<name>.jsonl` in `directory`; `name` is reduced to safe characters.
pub fn fresh_path(_directory: &Path, _name: &str) -> PathBuf {
    todo!()
}
/// Newest first.
pub fn list(_directory: &Path) -> std::io::Result<Vec<Saved>> {
    todo!()
}
/// Removes the oldest captures beyond the retention, except those in `live`.
pub fn prune(
    _directory: &Path,
    _retention: Retention,
    _live: &[PathBuf],
) -> std::io::Result<usize> {
    todo!()
}
