//! Live proxies, one 0600 JSON file each in a 0700 directory under the runtime directory.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A live proxy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    pub pid: u32,
    pub name: String,
    /// The upstream's argv, secrets masked.
    pub upstream: Vec<String>,
    /// RFC 3339, UTC.
    pub started: String,
    /// `None` under `--no-capture`: nothing to show.
    pub capture: Option<PathBuf>,
    pub socket: PathBuf,
    /// Client name and version, once seen.
    pub client: Option<String>,
}

/// `$XDG_RUNTIME_DIR/mcp-sentinel` or a directory of the user's own under the temporary directory; 0700, owned by us,
/// or an error.
pub fn directory() -> std::io::Result<PathBuf> {
    todo!()
}

/// An entry on disk; removed, with its socket, when dropped.
#[derive(Debug)]
pub struct Published {}

impl Published {
    pub fn publish(_directory: &Path, _entry: Entry) -> std::io::Result<Self> {
        todo!()
    }
    /// Rewrites the entry atomically, e.g. when the client's name becomes known.
    pub fn update(&mut self, _change: impl FnOnce(&mut Entry)) -> std::io::Result<()> {
        todo!()
    }
}

/// The live proxies, oldest first. Entries of dead processes are removed.
pub fn list(_directory: &Path) -> std::io::Result<Vec<Entry>> {
    todo!()
}
