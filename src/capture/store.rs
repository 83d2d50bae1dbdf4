//! Where captures live, how they are named, who may write one, and how long they stay.

use super::peek::peek;
use super::record::utc;
use super::recorder::RecordError;
use crate::tap::Timestamp;
use etcetera::BaseStrategy;
use rustix::fs::{FlockOperation, OFlags, flock};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    pub started: Timestamp,
    pub bytes: u64,
}

/// `$XDG_STATE_HOME/mcp-sentinel/captures`, created 0700 when missing.
pub fn directory() -> io::Result<PathBuf> {
    private(state_path("captures")?)
}

/// The same for `$XDG_STATE_HOME/mcp-sentinel/drafts`.
pub fn drafts_directory() -> io::Result<PathBuf> {
    private(state_path("drafts")?)
}

/// `$XDG_STATE_HOME/mcp-sentinel/<name>`, which need not be there.
pub fn state_path(name: &str) -> io::Result<PathBuf> {
    let base = etcetera::choose_base_strategy().map_err(io::Error::other)?;
    let state = base.state_dir().unwrap_or_else(|| base.data_dir());
    Ok(state.join("mcp-sentinel").join(name))
}

fn private(directory: PathBuf) -> io::Result<PathBuf> {
    match make_private(&directory) {
        Ok(()) => Ok(directory),
        Err(error) => Err(naming(&directory, &error)),
    }
}

/// The system's errors do not say of what.
fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Creates `directory` for us alone; one that is there already is closed to others.
pub fn make_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let permissions = directory.metadata()?.permissions();
    if permissions.mode() & 0o077 != 0 {
        std::fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Reserves a fresh path `<time>-<name>.jsonl` in `directory` by creating it empty, so that two proxies that start in
/// the same second get two; `name` is reduced to safe characters. The time is UTC.
pub fn fresh_path(directory: &Path, name: &str) -> io::Result<PathBuf> {
    let time = utc(Timestamp::now()).format(TIME);
    let name = safe(name);
    for copy in 1.. {
        let path = directory.join(match copy {
            1 => format!("{time}-{name}.jsonl"),
            _ => format!("{time}-{name}-{copy}.jsonl"),
        });
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
        {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|_| path),
        }
    }
    unreachable!("some number is free")
}

/// Newest first. Leaves out what was reserved and never written.
pub fn list(directory: &Path) -> io::Result<Vec<Saved>> {
    let mut saved = found(directory, |_| true)?;
    saved.retain(|it| it.bytes > 0);
    Ok(saved)
}

/// Capture files with such a stem, newest first.
fn found(directory: &Path, which: impl Fn(&str) -> bool) -> io::Result<Vec<Saved>> {
    let mut saved = Vec::new();
    let entries = directory.read_dir();
    for entry in entries.map_err(|error| naming(directory, &error))? {
        let path = entry?.path();
        let Some(stem) = stem(&path).filter(|stem| which(stem)) else {
            continue;
        };
        // Whoever removes a capture while we look is not our trouble.
        let Ok(data) = path.symlink_metadata() else {
            continue;
        };
        if !data.is_file() {
            continue;
        }
        let (started, name) = named(stem).unwrap_or_else(|| {
            let modified = data.modified().unwrap_or(std::time::UNIX_EPOCH);
            (Timestamp::from(modified), stem)
        });
        let (exactly, in_full) = told(&path);
        saved.push(Saved {
            name: in_full.unwrap_or_else(|| name.to_owned()),
            started: exactly.unwrap_or(started),
            bytes: data.len(),
            path,
        });
    }
    saved.sort_by(|a, b| (b.started, &b.path).cmp(&(a.started, &a.path)));
    Ok(saved)
}

/// Start and name as the capture itself has them, where it can be read: the file's name knows the second, and a word.
fn told(path: &Path) -> (Option<Timestamp>, Option<String>) {
    let Some(header) = peek(path) else {
        return (None, None);
    };
    let started = chrono::DateTime::parse_from_rfc3339(&header.started).ok();
    let name = Some(header.name).filter(|name| !name.trim().is_empty());
    (started.map(|it| Timestamp(it.timestamp_micros())), name)
}

/// Keeps the newest captures that are within the retention together, and removes what is older; how many. Stay: those
/// in `live`, those that somebody writes, and files that were not named by us.
pub fn prune(directory: &Path, retention: Retention, live: &[PathBuf]) -> io::Result<usize> {
    let (mut captures, mut bytes, mut removed) = (0, 0, 0);
    for saved in found(directory, |stem| named(stem).is_some())? {
        let empty = saved.bytes == 0;
        if empty && !is_abandoned(&saved.path) {
            continue;
        }
        captures += usize::from(!empty);
        bytes += saved.bytes;
        let within = captures <= retention.captures && bytes <= retention.bytes;
        if (within && !empty) || live.contains(&saved.path) || is_written(&saved.path) {
            continue;
        }
        match std::fs::remove_file(&saved.path) {
            // It still counts: nothing older than what did not fit is kept.
            Ok(()) => removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(naming(&saved.path, &error)),
        }
    }
    Ok(removed)
}

/// Removes a capture that nobody writes.
pub fn remove(path: &Path) -> io::Result<()> {
    match is_written(path) {
        true => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "it is being written",
        )),
        false => std::fs::remove_file(path),
    }
}

/// Opens a capture for writing, new or empty, readable by nobody else, and locked while it is open.
pub(super) fn create(path: &Path) -> Result<File, RecordError> {
    let failed = |source| RecordError::Create {
        path: path.to_owned(),
        source,
    };
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        // Never through a symbolic link, and never waiting for the other end of a pipe.
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)
        .map_err(|error| match path.symlink_metadata() {
            // What is there says more than the error does.
            Ok(data) if data.is_symlink() => RecordError::SymbolicLink { path: path.into() },
            Ok(data) if !data.is_file() => RecordError::NotAFile { path: path.into() },
            _ => match path.parent() {
                Some(directory)
                    if error.kind() == io::ErrorKind::NotFound && !directory.is_dir() =>
                {
                    RecordError::NoDirectory {
                        path: path.into(),
                        directory: directory.into(),
                    }
                }
                _ => failed(error),
            },
        })?;
    let data = file.metadata().map_err(failed)?;
    if !data.is_file() {
        return Err(RecordError::NotAFile { path: path.into() });
    }
    if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK)
    {
        return Err(RecordError::InUse { path: path.into() });
    }
    if data.len() > 0 {
        return Err(RecordError::NotEmpty { path: path.into() });
    }
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(failed)?;
    Ok(file)
}

/// Whether whoever reserved this path will not come back for it.
fn is_abandoned(path: &Path) -> bool {
    let reserved = path.symlink_metadata().and_then(|data| data.modified());
    reserved.is_ok_and(|at| at.elapsed().is_ok_and(|since| since > RESERVED))
}

/// Whether a recorder has this capture open.
pub fn is_written(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| {
        flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
    })
}

/// A recorder opens what was reserved for it at once.
const RESERVED: Duration = Duration::from_secs(60);
const TIME: &str = "%Y%m%d-%H%M%S";

/// The file name without the extensions of a capture; none for any other file.
fn stem(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".jsonl")
        .or_else(|| name.strip_suffix(".jsonl.zst"))
}

/// Start and name of a capture that we named.
fn named(stem: &str) -> Option<(Timestamp, &str)> {
    let (time, name) = stem.split_at_checked("20261121-024501".len())?;
    let started = chrono::NaiveDateTime::parse_from_str(time, TIME).ok()?;
    let name = name.strip_prefix('-')?;
    Some((Timestamp(started.and_utc().timestamp_micros()), name))
}

/// A name that is one harmless word in every shell and on every file system.
pub fn safe(name: &str) -> String {
    let mut safe = String::new();
    for part in name
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
        .filter(|part| !part.trim_matches('.').is_empty())
    {
        if !safe.is_empty() {
            safe.push('-');
        }
        safe.push_str(part);
    }
    safe.truncate(64);
    match safe.trim_matches(['.', '-']) {
        "" => "server".into(),
        name => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_was_open_to_others_is_closed() {
        let home = tempfile::tempdir().unwrap();
        for directory in [home.path().join("new/deep"), home.path().join("open")] {
            if directory.ends_with("open") {
                std::fs::create_dir(&directory).unwrap();
                std::fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
            }
            make_private(&directory).unwrap();
            let mode = directory.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{directory:?}");
        }
    }

    fn put(directory: &Path, name: &str, bytes: usize) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, "x".repeat(bytes)).unwrap();
        path
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = directory
            .read_dir()
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_fresh_path_is_ours_alone_and_private() {
        let home = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..3)
            .map(|_| fresh_path(home.path(), "everything").unwrap())
            .collect();
        assert_ne!(paths[0], paths[1]);
        assert_ne!(paths[1], paths[2]);
        for path in paths {
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert!(
                named(stem(&path).unwrap())
                    .unwrap()
                    .1
                    .starts_with("everything")
            );
            create(&path).unwrap();
        }
    }

    #[test]
    fn a_name_becomes_one_safe_word() {
        for (name, expected) in [
            ("server-everything", "server-everything"),
            ("@scope/pkg@1.2", "scope-pkg-1.2"),
            ("../../etc/passwd", "etc-passwd"),
            ("...", "server"),
            ("", "server"),
            ("ünï", "n"),
            ("-rf", "rf"),
            ("a\nb\u{1b}[31m", "a-b-31m"),
        ] {
            assert_eq!(safe(name), expected, "{name:?}");
        }
        assert_eq!(safe(&"x".repeat(1000)).len(), 64);
    }

    #[test]
    fn captures_are_listed_newest_first() {
        let home = tempfile::tempdir().unwrap();
        put(home.path(), "20261121-024501-a.jsonl", 1);
        put(home.path(), "20261121-024502-b-2.jsonl.zst", 2);
        put(home.path(), "20261121-024503-reserved.jsonl", 0);
        put(home.path(), "notes.txt", 1);
        std::fs::create_dir(home.path().join("20261121-024504-d.jsonl")).unwrap();
        let listed: Vec<_> = list(home.path())
            .unwrap()
            .into_iter()
            .map(|it| (it.name, it.started.0, it.bytes))
            .collect();
        let second = 1_795_229_101_000_000;
        assert_eq!(
            listed,
            [
                ("b-2".to_owned(), second + 1_000_000, 2),
                ("a".to_owned(), second, 1),
            ]
        );
    }

    #[test]
    fn captures_of_one_second_are_in_the_order_in_which_they_began() {
        let home = tempfile::tempdir().unwrap();
        for (micros, file, name) in [(1, "web", "wéb"), (2, "db", "db"), (3, "a", "")] {
            let header = format!(
                r#"{{"capture":1,"started":"2026-11-21T02:45:01.00000{micros}Z","name":"{name}"}}"#
            );
            let path = home.path().join(format!("20261121-024501-{file}.jsonl"));
            std::fs::write(path, header + "\n").unwrap();
        }
        let listed = || -> Vec<String> {
            let saved = list(home.path()).unwrap().into_iter();
            saved.map(|it| it.name).collect()
        };
        assert_eq!(listed(), ["a", "db", "wéb"]);
        let two = Retention {
            captures: 2,
            bytes: 1000,
        };
        assert_eq!(prune(home.path(), two, &[]).unwrap(), 1);
        assert_eq!(listed(), ["a", "db"]);
    }

    #[test]
    fn what_was_reserved_and_never_written_goes_after_a_while() {
        let home = tempfile::tempdir().unwrap();
        for name in ["20261121-024501-left.jsonl", "20261121-024502-new.jsonl"] {
            put(home.path(), name, 0);
        }
        let left = File::options()
            .write(true)
            .open(home.path().join("20261121-024501-left.jsonl"))
            .unwrap();
        left.set_modified(std::time::SystemTime::now() - RESERVED * 2)
            .unwrap();
        assert_eq!(prune(home.path(), Retention::default(), &[]).unwrap(), 1);
        assert_eq!(names(home.path()), ["20261121-024502-new.jsonl"]);
    }

    #[test]
    fn a_capture_that_we_did_not_name_is_listed_by_its_file_and_never_pruned() {
        let home = tempfile::tempdir().unwrap();
        put(home.path(), "keep me.jsonl", 5);
        assert_eq!(list(home.path()).unwrap()[0].name, "keep me");
        let none = Retention {
            captures: 0,
            bytes: 0,
        };
        assert_eq!(prune(home.path(), none, &[]).unwrap(), 0);
        assert_eq!(names(home.path()), ["keep me.jsonl"]);
    }

    #[test]
    fn the_oldest_beyond_count_and_bytes_are_removed() {
        let home = tempfile::tempdir().unwrap();
        for second in 1..=5 {
            put(home.path(), &format!("20261121-02450{second}-a.jsonl"), 10);
        }
        let count = Retention {
            captures: 3,
            bytes: 1000,
        };
        assert_eq!(prune(home.path(), count, &[]).unwrap(), 2);
        let bytes = Retention {
            captures: 50,
            bytes: 25,
        };
        assert_eq!(prune(home.path(), bytes, &[]).unwrap(), 1);
        let left = ["20261121-024504-a.jsonl", "20261121-024505-a.jsonl"];
        assert_eq!(names(home.path()), left);
    }

    #[test]
    fn nothing_older_is_kept_than_what_did_not_fit() {
        let home = tempfile::tempdir().unwrap();
        put(home.path(), "20261121-024501-small.jsonl", 1);
        for second in 2..=4 {
            put(home.path(), &format!("20261121-02450{second}-a.jsonl"), 60);
        }
        let bytes = Retention {
            captures: 50,
            bytes: 70,
        };
        assert_eq!(prune(home.path(), bytes, &[]).unwrap(), 3);
        assert_eq!(names(home.path()), ["20261121-024504-a.jsonl"]);
    }

    #[test]
    fn a_live_capture_is_never_removed() {
        let home = tempfile::tempdir().unwrap();
        let told = put(home.path(), "20261121-024501-told.jsonl", 10);
        let written = home.path().join("20261121-024502-written.jsonl");
        let mut file = create(&written).unwrap();
        io::Write::write_all(&mut file, b"x").unwrap();
        put(home.path(), "20261121-024500-old.jsonl", 10);
        let none = Retention {
            captures: 0,
            bytes: 0,
        };
        assert_eq!(
            prune(home.path(), none, std::slice::from_ref(&told)).unwrap(),
            1
        );
        assert_eq!(list(home.path()).unwrap().len(), 2);
        drop(file);
        assert_eq!(prune(home.path(), none, &[told]).unwrap(), 1);
    }

    #[test]
    fn a_capture_is_removed_on_demand_unless_somebody_writes_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("20261121-024501-x.jsonl");
        let file = create(&path).unwrap();
        assert_eq!(
            remove(&path).unwrap_err().kind(),
            io::ErrorKind::ResourceBusy
        );
        drop(file);
        remove(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn only_a_new_or_empty_regular_file_becomes_a_capture() {
        let home = tempfile::tempdir().unwrap();
        let refused = |path: &Path| create(path).unwrap_err().to_string();
        let full = put(home.path(), "full", 1);
        assert!(refused(&full).contains("not empty"));
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&full, &link).unwrap();
        assert!(refused(&link).contains("a symbolic link"));
        let pipe = home.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
        assert!(refused(&pipe).contains("not a regular file"));
        assert!(refused(Path::new("/dev/null")).contains("not a regular file"));
        let empty = put(home.path(), "empty", 0);
        std::fs::set_permissions(&empty, Permissions::from_mode(0o644)).unwrap();
        let file = create(&empty).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(refused(&empty).contains("another"));
    }
}
