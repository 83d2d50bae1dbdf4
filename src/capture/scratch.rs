//! A log that nobody asked to keep.

#[cfg(target_os = "linux")]
use super::spool::scratch_file;
#[cfg(not(target_os = "linux"))]
use crate::tap::Timestamp;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Keeps such a log readable, under a path of this process's own. On Linux it has no name from the start, so that not
/// even a kill -9 leaves it behind, and needs no directory that can be written; elsewhere it is removed at the end.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    #[cfg(target_os = "linux")]
    _file: File,
}

impl Scratch {
    /// An empty one for us alone, and where to write it.
    #[cfg(target_os = "linux")]
    pub fn create() -> io::Result<(Self, File)> {
        use std::os::fd::AsRawFd as _;
        let file = scratch_file()?;
        let kept = file.try_clone()?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", kept.as_raw_fd()));
        Ok((Self { path, _file: kept }, file))
    }

    #[cfg(not(target_os = "linux"))]
    pub fn create() -> io::Result<(Self, File)> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let name = format!(
            "mcp-sentinel-{}-{}.jsonl",
            std::process::id(),
            Timestamp::now().0
        );
        let path = std::env::temp_dir().join(name);
        let mut options = File::options();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok((Self { path }, file))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(not(target_os = "linux"))]
impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
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
