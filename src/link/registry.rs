//! Live proxies, one 0600 JSON file each in a 0700 directory under the runtime directory.
//!
//! A socket that refuses connections marks its entry as stale: that holds after a kill -9 and when the pid has been
//! given to another process since.

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect};
use serde::{Deserialize, Serialize, Serializer};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

/// So many proxies may have one pid, each in a container of its own, and share the directory.
const NAMESAKES: u32 = 64;
/// The longest path a Unix socket can be bound to, on the strictest system we run on (macOS: 104 with the NUL).
const SOCKET_PATH_LIMIT: usize = 103;

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
    /// Where HTTP clients can join.
    pub listening: Option<String>,
    /// Client name and version, once seen.
    pub client: Option<String>,
    /// What was said so far; half a second old. `None` where nothing is recorded, or by an older version.
    #[serde(flatten, serialize_with = "counts_or_null")]
    pub counts: Option<Counts>,
}

/// How much was said in a conversation, and how much of it went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    pub messages: u64,
    /// Protocol errors and tool errors.
    pub errors: u64,
}

/// The same keys whether they are known or not, for whoever reads the JSON.
fn counts_or_null<S: Serializer>(counts: &Option<Counts>, out: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Keys {
        messages: Option<u64>,
        errors: Option<u64>,
    }
    Keys {
        messages: counts.map(|it| it.messages),
        errors: counts.map(|it| it.errors),
    }
    .serialize(out)
}

/// Where a proxy publishes itself: below `$XDG_RUNTIME_DIR`, or where that usually is, or in a directory of the user's own
/// under the temporary directory. It is 0700 and owned by us, or an error.
pub fn directory() -> io::Result<PathBuf> {
    match below_named() {
        Some(named) => private_directory(named),
        None => unnamed(below_usual(&usual_runtime()), temporary()),
    }
}

/// Where nobody has said where. A sandbox may show the usual directory and let nothing be written there.
fn unnamed(usual: Option<PathBuf>, temporary: PathBuf) -> io::Result<PathBuf> {
    use rustix::fs::{Access, access};
    let usual = usual.and_then(|it| private_directory(it).ok());
    match usual.filter(|it| access(it, Access::WRITE_OK).is_ok()) {
        Some(usual) => Ok(usual),
        None => private_directory(temporary),
    }
}

fn below_named() -> Option<PathBuf> {
    let named = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    (named.is_absolute() && named.is_dir()).then(|| named.join("mcp-sentinel"))
}

fn below_usual(usual: &Path) -> Option<PathBuf> {
    is_own_directory(usual).then(|| usual.join("mcp-sentinel"))
}

/// What a login session's `$XDG_RUNTIME_DIR` is on Linux, also for those to whom nobody has said so.
fn usual_runtime() -> PathBuf {
    Path::new("/run/user").join(rustix::process::geteuid().as_raw().to_string())
}

fn temporary() -> PathBuf {
    std::env::temp_dir().join(own_name())
}

/// Where the proxy with this pid may listen: in `directory`, or in a shorter place when the path would be too long for a
/// socket. Where another one with this pid listens, it is the next.
pub fn socket_paths(directory: &Path, pid: u32) -> io::Result<Vec<PathBuf>> {
    let name = |number| match number {
        1 => format!("{pid}.sock"),
        _ => format!("{pid}-{number}.sock"),
    };
    let in_it = |directory: &Path| (1..=NAMESAKES).map(|it| directory.join(name(it))).collect();
    let paths: Vec<PathBuf> = in_it(directory);
    let is_too_long = |path: &PathBuf| path.as_os_str().len() > SOCKET_PATH_LIMIT;
    Ok(match paths.last().is_some_and(is_too_long) {
        true => in_it(&private_directory(Path::new("/tmp").join(own_name()))?),
        false => paths,
    })
}

fn own_name() -> String {
    format!("mcp-sentinel-{}", rustix::process::geteuid().as_raw())
}

/// Creates the directory when missing and makes sure that nobody else can have put anything into it.
fn private_directory(path: PathBuf) -> io::Result<PathBuf> {
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(io::Error::new(
                error.kind(),
                format!("cannot create {}: {error}", path.display()),
            ));
        }
        _ => {}
    }
    if !is_own_directory(&path) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{} is not a directory of this user's", path.display()),
        ));
    }
    if fs::symlink_metadata(&path)?.mode() & 0o077 != 0 {
        fs::set_permissions(&path, Permissions::from_mode(0o700))?;
    }
    Ok(path)
}

fn is_own_directory(path: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == own)
}

/// An entry on disk; removed, with its socket, when dropped.
#[derive(Debug)]
pub struct Published {
    file: PathBuf,
    entry: Entry,
}

impl Published {
    /// Call when the socket is listening: an entry whose socket refuses is taken for a dead proxy's.
    pub fn publish(directory: &Path, entry: Entry) -> io::Result<Self> {
        let name = entry.socket.with_extension("json");
        let name = name.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let published = Self {
            file: directory.join(name),
            entry,
        };
        published.write(&published.entry)?;
        Ok(published)
    }

    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Rewrites the entry atomically, e.g. when the client's name becomes known; not where nothing has changed.
    pub fn update(&mut self, change: impl FnOnce(&mut Entry)) -> io::Result<()> {
        let mut entry = self.entry.clone();
        change(&mut entry);
        if entry != self.entry {
            self.write(&entry)?;
            self.entry = entry;
        }
        Ok(())
    }

    fn write(&self, entry: &Entry) -> io::Result<()> {
        let draft = self.file.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        serde_json::to_writer(&mut file, entry)?;
        file.write_all(b"\n")?;
        fs::rename(&draft, &self.file)
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        // Nothing to be done about a failure here: the next list() tidies up.
        let _ = fs::remove_file(&self.file);
        let _ = fs::remove_file(&self.entry.socket);
    }
}

/// The live proxies of this user, oldest first.
///
/// The SDKs' clients start a server without `XDG_RUNTIME_DIR`: a proxy among those has published itself where the variable
/// usually points, or under the temporary directory, and is found from where it is set, too.
pub fn live() -> io::Result<Vec<Entry>> {
    let usual = below_usual(&usual_runtime());
    live_in([below_named(), usual, Some(temporary())])
}

/// A directory that cannot be listed is passed over when another one can.
fn live_in(directories: [Option<PathBuf>; 3]) -> io::Result<Vec<Entry>> {
    let (mut live, mut listed, mut refused) = (Vec::new(), Vec::new(), None);
    for directory in directories.into_iter().flatten().filter(|it| it.exists()) {
        let found = private_directory(directory).and_then(|directory| {
            // One may be another by a link.
            let real = directory.canonicalize()?;
            if !listed.contains(&real) {
                live.extend(list(&directory)?);
                listed.push(real);
            }
            Ok(())
        });
        refused = refused.or(found.err());
    }
    match refused {
        Some(error) if listed.is_empty() => Err(error),
        _ => {
            in_order(&mut live);
            Ok(live)
        }
    }
}

/// The live proxies of one directory, oldest first. Entries of dead processes are removed.
pub fn list(directory: &Path) -> io::Result<Vec<Entry>> {
    let mut live = Vec::new();
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        match path.extension().and_then(OsStr::to_str) {
            Some("json") => live.extend(live_entry(&path)),
            Some("sock" | "new") => remove_if_orphan(&path),
            _ => {}
        }
    }
    in_order(&mut live);
    Ok(live)
}

fn in_order(live: &mut [Entry]) {
    live.sort_by(|a, b| (&a.started, a.pid).cmp(&(&b.started, b.pid)));
}

/// The entry in this file, when its proxy lives; an entry that cannot be read was not written by us.
fn live_entry(file: &Path) -> Option<Entry> {
    let mut entry: Entry = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    // A container has another name for the directory.
    let beside = file.with_extension("sock");
    if beside.exists() {
        entry.socket = beside;
    }
    if answers(&entry.socket) {
        return Some(entry);
    }
    let _ = fs::remove_file(file);
    let _ = fs::remove_file(&entry.socket);
    None
}

/// Whether anybody listens on the socket. A proxy that is stopped or overrun still counts, and is not waited for: only a
/// refusal is final.
pub(super) fn answers(socket: &Path) -> bool {
    let connected = || connect(&socket_without_waiting()?, &SocketAddrUnix::new(socket)?);
    !matches!(connected(), Err(Errno::CONNREFUSED | Errno::NOENT))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn socket_without_waiting() -> rustix::io::Result<OwnedFd> {
    use rustix::net::{SocketFlags, socket_with};
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn socket_without_waiting() -> rustix::io::Result<OwnedFd> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&socket, rustix::fs::OFlags::NONBLOCK)?;
    Ok(socket)
}

/// Removes what a proxy left that died before or while it published its entry.
fn remove_if_orphan(path: &Path) {
    let pid = path
        .file_stem()
        .and_then(OsStr::to_str)
        .and_then(|stem| stem.split('-').next()?.parse().ok())
        .and_then(rustix::process::Pid::from_raw);
    let dead = pid
        .is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH));
    // Of a pid in another container nothing is known here but whether it answers.
    let listens = || path.extension().is_some_and(|it| it == "sock") && answers(path);
    if dead && !path.with_extension("json").exists() && !listens() {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::server::Server;
    use crate::link::short_directory;
    #[cfg(target_os = "linux")]
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    #[cfg(target_os = "linux")]
    use std::fs::File;
    use std::os::unix::net::UnixListener;

    fn entry(directory: &Path, pid: u32) -> Entry {
        Entry {
            pid,
            name: "everything".to_owned(),
            socket: directory.join(format!("{pid}.sock")),
            ..Entry::default()
        }
    }

    #[test]
    fn a_published_entry_is_listed_while_its_socket_answers() {
        let directory = short_directory();
        let entry = entry(directory.path(), 41);
        let _listener = UnixListener::bind(&entry.socket).unwrap();
        let mut published = Published::publish(directory.path(), entry).unwrap();
        published
            .update(|entry| entry.client = Some("Inspector 2.12".to_owned()))
            .unwrap();

        let live = list(directory.path()).unwrap();
        assert_eq!(live.len(), 1);
        assert_eq!(live[0].client.as_deref(), Some("Inspector 2.12"));

        let mode = fs::metadata(directory.path().join("41.json"))
            .unwrap()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(published);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_entry_tells_how_much_was_said_where_it_is_known() {
        let mut entry = entry(Path::new("/run"), 43);
        let written = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&written).unwrap(), entry);
        entry.counts = Some(Counts {
            messages: 214,
            errors: 2,
        });
        let written = serde_json::to_string(&entry).unwrap();
        assert!(
            written.contains(r#""messages":214,"errors":2"#),
            "{written}"
        );
        assert_eq!(serde_json::from_str::<Entry>(&written).unwrap(), entry);
    }

    #[test]
    fn a_socket_is_found_beside_its_entry_whatever_the_directory_is_called_there() {
        let directory = short_directory();
        let mut inside = entry(directory.path(), 1);
        let _listener = UnixListener::bind(&inside.socket).unwrap();
        inside.socket = "/run/sentinel/mcp-sentinel/1.sock".into();
        std::mem::forget(Published::publish(directory.path(), inside).unwrap());
        let live = list(directory.path()).unwrap();
        assert_eq!(live[0].socket, directory.path().join("1.sock"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_proxy_that_lets_nobody_in_any_more_is_listed_without_waiting_for_it() {
        let directory = short_directory();
        let entry = entry(directory.path(), 44);
        let listener = socket_without_waiting().unwrap();
        let address = SocketAddrUnix::new(&entry.socket).unwrap();
        rustix::net::bind(&listener, &address).unwrap();
        rustix::net::listen(&listener, 1).unwrap();
        let _published = Published::publish(directory.path(), entry).unwrap();
        // It is stopped, say, and as many wait as can.
        let mut waiting = Vec::new();
        loop {
            let socket = socket_without_waiting().unwrap();
            if connect(&socket, &address).is_err() {
                break;
            }
            waiting.push(socket);
        }
        let path = directory.path().to_owned();
        let (told, listed) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(list(&path).unwrap().len()));
        let listed = listed.recv_timeout(std::time::Duration::from_secs(60));
        assert_eq!(listed, Ok(1));
    }

    #[test]
    fn an_entry_whose_socket_refuses_is_removed() {
        let directory = short_directory();
        let entry = entry(directory.path(), 42);
        drop(UnixListener::bind(&entry.socket).unwrap());
        std::mem::forget(Published::publish(directory.path(), entry).unwrap());

        assert_eq!(list(directory.path()).unwrap(), []);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_socket_that_was_never_published_goes_with_its_process() {
        let directory = short_directory();
        let dead = i32::MAX as u32;
        let own = std::process::id();
        for pid in [dead, own] {
            drop(UnixListener::bind(directory.path().join(format!("{pid}.sock"))).unwrap());
        }

        list(directory.path()).unwrap();
        assert!(!directory.path().join(format!("{dead}.sock")).exists());
        assert!(directory.path().join(format!("{own}.sock")).exists());
    }

    #[tokio::test]
    async fn proxies_of_one_pid_in_different_containers_stand_beside_each_other() {
        let directory = short_directory();
        let bind = || Server::bind_one(socket_paths(directory.path(), 1).unwrap()).unwrap();
        let mut published = Vec::new();
        for _ in 0..3 {
            let (listener, socket) = bind();
            let mut entry = entry(directory.path(), 1);
            entry.socket = socket;
            let entry = Published::publish(directory.path(), entry).unwrap();
            published.push((entry, listener));
        }
        assert_eq!(list(directory.path()).unwrap().len(), 3);
        published.remove(0);
        assert_eq!(list(directory.path()).unwrap().len(), 2);
        assert!(bind().1.ends_with("1.sock"));
    }

    #[test]
    fn a_proxy_that_nobody_told_of_the_runtime_directory_uses_the_usual_one() {
        let usual = short_directory();
        let elsewhere = short_directory();
        let temporary = elsewhere.path().join("own");
        let used = |usual| unnamed(below_usual(usual), temporary.clone()).unwrap();
        assert_eq!(used(usual.path()), usual.path().join("mcp-sentinel"));
        assert_eq!(used(Path::new("/nowhere")), temporary);
    }

    #[test]
    fn a_proxy_that_cannot_use_the_usual_directory_uses_the_temporary_one() {
        let usual = short_directory();
        let elsewhere = short_directory();
        let temporary = elsewhere.path().join("own");
        std::os::unix::fs::symlink("/", usual.path().join("mcp-sentinel")).unwrap();
        let used = unnamed(below_usual(usual.path()), temporary.clone()).unwrap();
        assert_eq!(used, temporary);
    }

    /// A directory into which nobody can write as long as this lives.
    #[cfg(target_os = "linux")]
    struct Closed(File, IFlags);

    #[cfg(target_os = "linux")]
    impl Closed {
        /// None where root cannot be kept out: not every file system can.
        fn create(path: &Path) -> Option<Self> {
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o500)).unwrap();
            let directory = File::open(path).unwrap();
            let flags = ioctl_getflags(&directory).unwrap_or(IFlags::empty());
            let locked = ioctl_setflags(&directory, flags | IFlags::IMMUTABLE);
            (locked.is_ok() || !rustix::process::geteuid().is_root())
                .then_some(Self(directory, flags))
        }
    }

    #[cfg(target_os = "linux")]
    impl Drop for Closed {
        fn drop(&mut self) {
            let _ = ioctl_setflags(&self.0, self.1);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_proxy_that_may_not_write_to_the_usual_directory_uses_the_temporary_one() {
        let usual = short_directory();
        let elsewhere = short_directory();
        let temporary = elsewhere.path().join("own");
        let Some(_closed) = Closed::create(&usual.path().join("mcp-sentinel")) else {
            return;
        };
        let used = unnamed(below_usual(usual.path()), temporary.clone()).unwrap();
        assert_eq!(used, temporary);
    }

    #[test]
    fn proxies_are_live_wherever_they_may_have_published_themselves() {
        let named = short_directory();
        let usual = short_directory();
        let temporary = short_directory();
        let mut kept = Vec::new();
        for (directory, pid, started) in
            [(&named, 61, "3"), (&usual, 62, "2"), (&temporary, 63, "1")]
        {
            let mut entry = entry(directory.path(), pid);
            started.clone_into(&mut entry.started);
            kept.push(UnixListener::bind(&entry.socket).unwrap());
            std::mem::forget(Published::publish(directory.path(), entry).unwrap());
        }
        let live = |directories: [&Path; 3]| {
            let live = live_in(directories.map(|it| Some(it.to_owned())));
            live.map(|it| it.iter().map(|it| it.pid).collect::<Vec<_>>())
        };
        let (named, usual, temporary) = (named.path(), usual.path(), temporary.path());
        let nowhere = Path::new("/nowhere");
        assert_eq!(live([named, usual, temporary]).unwrap(), [63, 62, 61]);
        assert_eq!(live([named, named, named]).unwrap(), [61]);
        assert_eq!(live([named, nowhere, nowhere]).unwrap(), [61]);
        assert!(live([nowhere; 3]).unwrap().is_empty());
        let link = named.join("link");
        std::os::unix::fs::symlink(temporary, &link).unwrap();
        assert_eq!(live([named, nowhere, &link]).unwrap(), [61]);
        assert_eq!(live([&link, usual, nowhere]).unwrap(), [62]);
        assert!(live([&link; 3]).is_err());
        // A way through a link leads to the same place.
        std::os::unix::fs::symlink(usual.parent().unwrap(), usual.join("up")).unwrap();
        let around = usual.join("up").join(usual.file_name().unwrap());
        assert_eq!(live([usual, &around, nowhere]).unwrap(), [62]);
    }

    #[test]
    fn an_entry_that_is_not_ours_to_read_is_passed_over() {
        let directory = short_directory();
        fs::write(directory.path().join("7.json"), "not json").unwrap();
        assert_eq!(list(directory.path()).unwrap(), []);
    }

    #[test]
    fn a_directory_open_to_others_is_closed() {
        let parent = short_directory();
        let path = parent.path().join("mcp-sentinel");
        DirBuilder::new().mode(0o755).create(&path).unwrap();
        private_directory(path.clone()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_link_in_place_of_the_directory_is_refused() {
        let parent = short_directory();
        let path = parent.path().join("mcp-sentinel");
        std::os::unix::fs::symlink(parent.path(), &path).unwrap();
        assert!(private_directory(path).is_err());
    }

    #[test]
    fn a_socket_path_too_long_to_bind_moves_to_a_shorter_place() {
        let deep = PathBuf::from(format!("/{}", "x".repeat(120)));
        let paths = socket_paths(&deep, 9).unwrap();
        let fits = |path: &PathBuf| path.as_os_str().len() <= SOCKET_PATH_LIMIT;
        assert!(paths.iter().all(fits));
        assert!(paths[0].ends_with("9.sock") && paths[1].ends_with("9-2.sock"));
    }
}
