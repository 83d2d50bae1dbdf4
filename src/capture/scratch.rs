//! A log that nobody asked to keep.

use crate::tap::Timestamp;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Keeps such a log readable, under a path of this process's own. On Linux it has no name from the start, so that not
/// even a kill -9 leaves it behind; elsewhere it is removed at the end.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    #[cfg(target_os = "linux")]
    _file: File,
}

impl Scratch {
    /// Where such a log can be created.
    pub fn fresh_path() -> PathBuf {
        let name = format!(
            "mcp-sentinel-{}-{}.jsonl",
            std::process::id(),
            Timestamp::now().0
        );
        std::env::temp_dir().join(name)
    }

    /// An empty one for us alone, and where to write it.
    pub fn create() -> io::Result<(Self, File)> {
        let path = Self::fresh_path();
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok((Self::hide(&path)?, file))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes one of a log that somebody writes.
    #[cfg(target_os = "linux")]
    pub fn hide(path: &Path) -> io::Result<Self> {
        use std::os::fd::AsRawFd as _;
        let file = File::open(path)?;
        fs::remove_file(path)?;
        Ok(Self {
            path: PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())),
            _file: file,
        })
    }

    #[cfg(not(target_os = "linux"))]
    pub fn hide(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
        })
    }
}

#[cfg(not(target_os = "linux"))]
impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_written_can_be_read_by_us_and_goes_at_the_end() {
        let (scratch, mut file) = Scratch::create().unwrap();
        file.write_all(b"a log").unwrap();
        assert_eq!(fs::read(scratch.path()).unwrap(), b"a log");
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let path = scratch.path().to_owned();
        drop(scratch);
        assert_ne!(fs::read(path).unwrap_or_default(), b"a log");
    }
}
