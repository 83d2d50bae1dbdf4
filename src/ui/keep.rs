//! Drafts on disk, one 0600 file a server: what was typed and what was sent last come back with the next screen.

use super::app::sheet::Drafts;
use super::app::sheet::drafts::{Kept, News};
use crate::capture::reader::Reader;
use crate::capture::record::Header;
use crate::capture::store;
use std::fs::{self, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Where the drafts for one server are kept.
#[derive(Debug, Clone)]
pub struct Keeper {
    path: PathBuf,
    /// What is not written yet, the oldest first.
    waiting: Arc<Mutex<Vec<News>>>,
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
            waiting: Arc::default(),
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

    /// What the next save is to keep besides what another screen has kept meanwhile.
    pub fn hand_over(&self, news: News) {
        self.waiting().push(news);
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<News>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was handed over, in that order; what cannot be written waits for the next time.
    pub fn save(&self) -> io::Result<()> {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let news = std::mem::take(&mut *self.waiting());
        if news.is_empty() {
            return Ok(());
        }
        self.write(&news)
            .inspect_err(|_| drop(self.waiting().splice(..0, news)))
    }

    fn write(&self, news: &[News]) -> io::Result<()> {
        let kept = news.iter().fold(self.kept(), Kept::with);
        let text = serde_json::to_vec(&kept)?;
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

/// The keeper for the server of a capture, which on a full disk may not be begun yet.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    /// None where nothing is drafted.
    capture: Option<PathBuf>,
    /// Set once it is known; none where there cannot be one.
    keeper: Arc<OnceLock<Option<Keeper>>>,
}

impl Keeping {
    pub fn of(capture: Option<PathBuf>) -> Self {
        let keeper = Arc::default();
        Self { capture, keeper }
    }

    pub fn keeper(&self) -> Option<&Keeper> {
        if self.keeper.get().is_none() {
            let keeper = match Reader::open(self.capture.as_ref()?) {
                Err(error) if error.is_unbegun() => return None,
                opened => opened
                    .ok()
                    .and_then(|capture| Keeper::of(capture.header()).ok()),
            };
            // Who was faster looked at the same file.
            let _ = self.keeper.set(keeper);
        }
        self.keeper.get()?.as_ref()
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
        let echo = Subject::Tool("echo".into());
        keeper.hand_over(News::draft(&echo, r#"{"a":1}"#));
        keeper.save().unwrap();
        assert_eq!(keeper.load().unsent(&echo), Some(r#"{"a":1}"#));
        let other = Keeper::within(directory.path(), &header("other"));
        assert_eq!(other.load().unsent(&echo), None);
        let files: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let mode = fs::metadata(&keeper.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_written_is_written_the_next_time() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("drafts");
        let keeper = Keeper::within(&directory, &header("one"));
        let [a, b] = ["a", "b"].map(|name| Subject::Tool(name.into()));
        keeper.hand_over(News::draft(&a, "1"));
        keeper.save().unwrap_err();
        fs::create_dir(&directory).unwrap();
        keeper.hand_over(News::draft(&b, "2"));
        keeper.save().unwrap();
        let kept = keeper.load();
        assert_eq!((kept.unsent(&a), kept.unsent(&b)), (Some("1"), Some("2")));
        // With nothing new, the file is another's.
        fs::remove_file(&keeper.path).unwrap();
        keeper.save().unwrap();
        assert_eq!(keeper.load(), Drafts::default());
    }

    #[test]
    fn a_file_that_makes_no_sense_is_no_draft() {
        let directory = tempfile::tempdir().unwrap();
        let keeper = Keeper::within(directory.path(), &header("one"));
        fs::write(&keeper.path, "{").unwrap();
        assert_eq!(keeper.load(), Drafts::default());
    }

    #[test]
    fn a_capture_that_is_begun_later_gets_its_keeper() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let keeping = Keeping::of(Some(file.path().to_owned()));
        assert!(keeping.keeper().is_none());
        let header = r#"{"capture":1,"program":"mcp-sentinel 0","name":"n"}"#;
        fs::write(file.path(), format!("{header}\n")).unwrap();
        assert!(keeping.keeper().is_some());
        assert!(Keeping::default().keeper().is_none());
    }
}
