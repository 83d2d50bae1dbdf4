//! Drafts on disk, one 0600 file a server: what was typed and what was sent last come back with the next screen.

use super::app::sheet::Drafts;
use super::app::sheet::drafts::Kept;
use crate::capture::record::Header;
use crate::capture::store;
use std::fs::{self, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Where the drafts for one server are kept.
#[derive(Debug, Clone)]
pub struct Keeper {
    path: PathBuf,
    /// One save at a time.
    saving: Arc<Mutex<()>>,
}

impl Keeper {
    /// The server is known by what starts it, or its address.
    pub fn of(header: &Header) -> io::Result<Self> {
        Ok(Self::within(&store::drafts_directory()?, header))
    }

    fn within(directory: &Path, header: &Header) -> Self {
        let mut hasher = DefaultHasher::new();
        header.upstream.hash(&mut hasher);
        let name = store::safe(&header.name);
        Self {
            path: directory.join(format!("{name}-{:016x}.json", hasher.finish())),
            saving: Arc::default(),
        }
    }

    /// What was kept; nothing when it cannot be read.
    pub fn load(&self) -> Drafts {
        self.kept().into()
    }

    fn kept(&self) -> Kept {
        let text = fs::read(&self.path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Keeps these, and what another screen has kept meanwhile.
    pub fn save(&self, drafts: &Drafts) -> io::Result<()> {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::to_vec(&self.kept().with(drafts))?;
        let beside = self.path.with_extension(format!("{}", std::process::id()));
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)?;
            file.write_all(&text)?;
            fs::rename(&beside, &self.path)
        };
        write().inspect_err(|_| drop(fs::remove_file(&beside)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::app::sheet::subject::Subject;
    use std::os::unix::fs::PermissionsExt as _;

    fn header(upstream: &str) -> Header {
        Header {
            name: "../a server".into(),
            upstream: vec![upstream.into()],
            ..Header::default()
        }
    }

    #[test]
    fn drafts_come_back_for_the_same_server_only() {
        let directory = tempfile::tempdir().unwrap();
        let keeper = Keeper::within(directory.path(), &header("one"));
        let text = r#"{"unsent":[[{"tool":"echo"},"{\"a\":1}"]]}"#;
        let drafts = Drafts::from(serde_json::from_str::<Kept>(text).unwrap());
        keeper.save(&drafts).unwrap();
        let echo = Subject::Tool("echo".into());
        assert_eq!(keeper.load().unsent(&echo), Some(r#"{"a":1}"#));
        let other = Keeper::within(directory.path(), &header("other"));
        assert_eq!(other.load().unsent(&echo), None);
        let files: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let mode = fs::metadata(&keeper.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_no_draft() {
        let directory = tempfile::tempdir().unwrap();
        let keeper = Keeper::within(directory.path(), &header("one"));
        fs::write(&keeper.path, "{").unwrap();
        assert_eq!(keeper.load(), Drafts::default());
    }
}
