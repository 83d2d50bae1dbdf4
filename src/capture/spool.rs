//! Lines and bodies that are too long for memory: they wait for their end in a file without a name, beside the capture.
//!
//! Only the end tells how one is recorded: as it stands when it is JSON, else as a string. So it is looked at while it
//! comes, and copied from its file into the capture a part at a time.

use super::tally::Tally;
use crate::tap::Gap;
use crate::wire::check::Checker;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// So much of a line or a body is held in memory.
pub(super) const WINDOW: usize = 1 << 20;
/// How much is read back at once. Divisible by three, so that base64 can be made of each part by itself.
const PART: usize = 96 << 10;
/// A byte order mark, which JSON forbids.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Something long whose end has not come.
#[derive(Debug)]
pub(super) struct Spool {
    /// Where it is; or why it is not.
    file: io::Result<File>,
    /// What is not in the file yet.
    window: Vec<u8>,
    filed: u64,
    /// What came after the file had refused.
    lost: u64,
    /// It begins with a byte order mark; what is said of its messages is said of what follows.
    marked: bool,
    has_line_feed: bool,
    checker: Checker,
    tally: Tally,
}

/// Something long that is whole.
#[derive(Debug)]
pub(super) struct Spooled {
    file: File,
    len: u64,
    /// It is one JSON value in UTF-8.
    pub is_json: bool,
    is_text: bool,
    pub has_line_feed: bool,
    /// What messages are in it, perhaps behind a byte order mark; none when it is not JSON.
    pub tally: Tally,
}

impl Spool {
    /// Goes on with what was held in memory so far, enough to tell a byte order mark, in a [`nameless_file`] in this
    /// directory.
    pub fn begin(directory: &Path, beginning: &[u8]) -> Self {
        let mut spool = Self {
            file: nameless_file(directory),
            window: Vec::with_capacity(WINDOW),
            filed: 0,
            lost: 0,
            marked: false,
            has_line_feed: false,
            checker: Checker::default(),
            tally: Tally::default(),
        };
        spool.file_away(beginning);
        spool
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if self.file.is_err() {
            self.lost += bytes.len() as u64;
            return;
        }
        if self.window.len() + bytes.len() > WINDOW {
            self.empty_window();
        }
        if bytes.len() > WINDOW {
            return self.file_away(bytes);
        }
        self.window.extend_from_slice(bytes);
    }

    /// How much has come.
    pub fn len(&self) -> u64 {
        self.filed + self.lost + self.window.len() as u64
    }

    /// No more comes. When the file refused, it is lost.
    pub fn finish(mut self) -> io::Result<Spooled> {
        self.empty_window();
        let (is_json, tally) = match self.checker.is_json() {
            true => (!self.marked, self.tally),
            false => (false, Tally::default()),
        };
        Ok(Spooled {
            file: self.file?,
            len: self.filed,
            is_json,
            is_text: self.checker.is_text(),
            has_line_feed: self.has_line_feed,
            tally,
        })
    }

    fn empty_window(&mut self) {
        let mut window = std::mem::take(&mut self.window);
        self.file_away(&window);
        window.clear();
        self.window = window;
    }

    fn file_away(&mut self, bytes: &[u8]) {
        let written = match &self.file {
            Ok(file) => file.write_all_at(bytes, self.filed),
            Err(_) => return self.lost += bytes.len() as u64,
        };
        if let Err(error) = written {
            // What is in it is of no use any more, and its room may be.
            self.file = Err(error);
            self.lost += bytes.len() as u64;
            return;
        }
        let mut text = bytes;
        if self.filed == 0
            && let Some(rest) = bytes.strip_prefix(MARK)
        {
            self.marked = true;
            text = rest;
        }
        self.filed += bytes.len() as u64;
        self.has_line_feed |= memchr::memchr(b'\n', bytes).is_some();
        self.checker.push(text, |message| self.tally.count(message));
    }
}

impl Spooled {
    pub fn len(&self) -> u64 {
        self.len
    }

    /// All of it, in memory.
    pub fn read_back(&self) -> io::Result<Bytes> {
        let len = usize::try_from(self.len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes.into())
    }

    /// How it can stand in a string.
    pub fn as_string(&self) -> Spelling {
        match self.is_text {
            true => Spelling::Escaped,
            false => Spelling::Base64,
        }
    }

    /// All of it, to be written in this spelling.
    pub fn passage(self, spelling: Spelling) -> Passage {
        Passage {
            file: self.file,
            rest: 0..self.len,
            spelling,
        }
    }
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    AsTheyAre,
    /// As the inside of a JSON string; they are UTF-8.
    Escaped,
    /// As the inside of a JSON string; they may be anything.
    Base64,
}

/// What of a spool is to be written still.
#[derive(Debug)]
pub(super) struct Passage {
    file: File,
    rest: std::ops::Range<u64>,
    spelling: Spelling,
}

impl Passage {
    /// How much there is, before it is spelled.
    pub fn len(&self) -> u64 {
        self.rest.end - self.rest.start
    }

    /// The next part, spelled; nothing at the end.
    pub fn next(&mut self) -> io::Result<Bytes> {
        let mut part = vec![0; PART.min(usize::try_from(self.len()).unwrap_or(PART))];
        self.file.read_exact_at(&mut part, self.rest.start)?;
        let (spelled, taken) = match self.spelling {
            Spelling::AsTheyAre => (Bytes::from(part), PART),
            Spelling::Base64 => (Bytes::from(STANDARD.encode(&part)), PART),
            Spelling::Escaped => {
                let text = match std::str::from_utf8(&part) {
                    Ok(text) => text,
                    // The rest of a character comes with the next part.
                    Err(error) => std::str::from_utf8(&part[..error.valid_up_to()]).unwrap_or(""),
                };
                let mut spelled = Vec::with_capacity(text.len() + 2);
                super::write::json(&mut spelled, text);
                let inside = 1..spelled.len() - 1;
                (Bytes::from(spelled).slice(inside), text.len())
            }
        };
        if taken == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.rest.start = self.rest.end.min(self.rest.start + taken as u64);
        Ok(spelled)
    }
}

/// What is missing when the disk refused.
pub(super) fn gap(messages: u64, bytes: u64, error: &io::Error) -> Gap {
    Gap {
        messages,
        bytes,
        reason: format!("it was too long for memory: {error}"),
    }
}

/// A file that goes away with its last handle, whatever happens to us, and that nobody else can open. The empty path
/// stands for no directory in particular.
pub(super) fn nameless_file(directory: &Path) -> io::Result<File> {
    match directory.as_os_str().is_empty() {
        true => scratch_file(),
        false => in_directory(directory),
    }
}

/// Such a file for a log that nobody asked to keep. Where the temporary directory takes none it is in memory, as much of
/// that directory often is. Not so what lies beside a capture: it may be longer than memory.
pub(super) fn scratch_file() -> io::Result<File> {
    scratch_in(&std::env::temp_dir())
}

fn scratch_in(directory: &Path) -> io::Result<File> {
    let on_disk = in_directory(directory).and_then(tried);
    on_disk.or_else(|refused| in_memory().and_then(tried).map_err(|_| refused))
}

/// Such a file for what is unpacked. It may be long, too: it is in memory only where the temporary directory takes no file
/// at all, not where that is full.
pub(super) fn unpacking_file() -> io::Result<File> {
    unpacking_in(&std::env::temp_dir())
}

fn unpacking_in(directory: &Path) -> io::Result<File> {
    let on_disk = in_directory(directory);
    on_disk.or_else(|refused| in_memory().map_err(|_| refused))
}

/// A full directory may take a file, and nothing in it.
fn tried(file: File) -> io::Result<File> {
    file.write_all_at(b"\n", 0)?;
    file.set_len(0)?;
    Ok(file)
}

#[cfg(target_os = "linux")]
fn in_memory() -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    Ok(memfd_create("mcp-sentinel", MemfdFlags::CLOEXEC)?.into())
}

#[cfg(not(target_os = "linux"))]
fn in_memory() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

fn in_directory(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    #[cfg(target_os = "linux")]
    {
        let without_name = rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::EXCL;
        let mut options = options.clone();
        options.custom_flags(without_name.bits().cast_signed());
        // Not every file system can do this.
        if let Ok(file) = options.open(directory) {
            return Ok(file);
        }
    }
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!("mcp-sentinel-{}-{count}", std::process::id()));
    // What lies there under the name of our process is not in use any more.
    let _ = std::fs::remove_file(&path);
    let file = options.create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_spool_leaves_no_name_and_is_for_us_alone() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::begin(directory.path(), b"{}");
        let file = spool.file.as_ref().unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_may_be_long_is_in_memory_only_where_no_directory_takes_it() {
        use std::os::fd::AsRawFd as _;
        let lies_in = |file: io::Result<File>, place: &Path| {
            let file = file.unwrap();
            let link = format!("/proc/self/fd/{}", file.as_raw_fd());
            std::fs::read_link(link).unwrap().starts_with(place)
        };
        let directory = tempfile::tempdir().unwrap();
        let gone = directory.path().join("gone");
        let memory = Path::new("/memfd:mcp-sentinel (deleted)");
        for file in [scratch_in, unpacking_in] {
            assert!(lies_in(file(directory.path()), directory.path()));
            assert!(lies_in(file(&gone), memory));
        }
        // Beside a capture it may be longer than memory.
        assert!(lies_in(nameless_file(directory.path()), directory.path()));
        nameless_file(&gone).unwrap_err();
        assert!(lies_in(nameless_file(Path::new("")), &std::env::temp_dir()));
    }

    #[test]
    fn memory_holds_a_window_and_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::begin(directory.path(), b"[");
        for _ in 0..100 {
            spool.push(&[b' '; WINDOW / 7]);
            assert!(spool.window.capacity() <= WINDOW);
        }
        spool.push(b"]");
        assert_eq!(spool.len(), (WINDOW / 7 * 100) as u64 + 2);
        let spooled = spool.finish().unwrap();
        assert!(spooled.is_json);
        assert_eq!(spooled.len(), (WINDOW / 7 * 100) as u64 + 2);
    }

    #[test]
    fn what_a_full_disk_refused_is_counted_and_reported_at_the_end() {
        let full = OpenOptions::new().write(true).open("/dev/full");
        let Ok(full) = full else { return };
        let mut spool = Spool::begin(Path::new("/nowhere"), b"");
        spool.file = Ok(full);
        spool.push(&[b'x'; WINDOW]);
        spool.push(b"more");
        spool.push(b"and more");
        assert_eq!(spool.len(), WINDOW as u64 + 12);
        let error = spool.finish().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
