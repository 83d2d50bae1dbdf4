//! Where logins are kept: one file a server, for this user alone.
//!
//! The files are small and on a local disk, so reading and writing them does not wait.

use crate::capture::store::{make_private, safe, state_path};
use reqwest::Url;
use rustix::fs::{FlockOperation, OFlags, flock};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A token that expires sooner than this is as good as expired.
const MARGIN: u64 = 30;
/// How often a lock is tried that somebody holds.
const LOOK: Duration = Duration::from_millis(20);
/// A renewal takes no longer.
const PATIENCE: Duration = Duration::from_secs(90);

/// What logging in to a server left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The MCP endpoint, as the login named it.
    #[serde(with = "address")]
    pub server: Url,
    /// Who gave the tokens; none for servers from before there was metadata.
    pub issuer: Option<String>,
    pub revocation_endpoint: Option<String>,
    pub client: Client,
    pub tokens: Tokens,
}

/// As whom the authorization server knows us.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    pub id: String,
    pub secret: Option<String>,
    pub redirect_uri: String,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: Option<String>,
    /// Seconds since the Unix epoch; `None` when the server does not say.
    pub expires: Option<u64>,
    pub scopes: Vec<String>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("expires", &self.expires)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// Whether the access token holds for long enough to be used, as far as anybody said.
    pub fn is_fresh(&self) -> bool {
        self.expires.is_none_or(|expires| now() + MARGIN < expires)
    }
}

/// Seconds since the Unix epoch.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot find out where logins are kept: {0}")]
    Nowhere(io::Error),
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("another mcp-sentinel holds {} and does not end", .0.display())]
    Locked(PathBuf),
}

/// The directory of logins.
#[derive(Debug, Clone)]
pub struct Store(PathBuf);

impl Store {
    /// `$XDG_STATE_HOME/mcp-sentinel/auth`, created with the first login.
    pub fn of_user() -> Result<Self, StoreError> {
        state_path("auth").map(Self).map_err(StoreError::Nowhere)
    }

    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    /// The login for exactly this server.
    pub fn load(&self, server: &Url) -> Result<Option<Login>, StoreError> {
        let login = read(&self.0.join(file_name(server)))?;
        Ok(login.filter(|login| canonical(&login.server) == canonical(server)))
    }

    /// The login that holds for `url`: its own, or that of the closest path above it on the same origin.
    pub fn find(&self, url: &Url) -> Result<Option<Login>, StoreError> {
        let mut server = url.clone();
        loop {
            if let Some(login) = self.load(&server)? {
                return Ok(Some(login));
            }
            if server.query().is_some() {
                server.set_query(None);
            } else if canonical(&server).path() == "/" {
                return Ok(None);
            } else {
                let path = canonical(&server).path().to_owned();
                server.set_path(path.rsplit_once('/').map_or("/", |(above, _)| above));
            }
        }
    }

    /// All logins, by server.
    pub fn list(&self) -> Result<Vec<Login>, StoreError> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed("read", &self.0))?,
        };
        let mut logins = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed("read", &self.0))?.path();
            if path.extension().is_some_and(|it| it == "json") {
                logins.extend(read(&path)?);
            }
        }
        logins.sort_by(|a, b| a.server.cmp(&b.server));
        Ok(logins)
    }

    /// Replaces the login for its server at once or not at all. Only with the lock that says so.
    pub fn save(&self, login: &Login, _lock: &Lock) -> Result<(), StoreError> {
        let path = self.0.join(file_name(&login.server));
        let draft = path.with_extension("new");
        write(&draft, login)
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(failed("write", &path))
    }

    /// Forgets the login for its server.
    pub fn remove(&self, login: &Login, _lock: &Lock) -> Result<(), StoreError> {
        let path = self.0.join(file_name(&login.server));
        fs::remove_file(&path).map_err(failed("remove", &path))
    }

    /// Keeps every other process from changing the login for `server`, so that no refresh token is spent twice.
    pub async fn lock(&self, server: &Url) -> Result<Lock, StoreError> {
        make_private(&self.0).map_err(failed("create", &self.0))?;
        // Beside the login, which is replaced and not written to.
        let path = self.0.join(file_name(server)).with_extension("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(failed("open", &path))?;
        let taken = async {
            loop {
                match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                    Err(rustix::io::Errno::WOULDBLOCK) => tokio::time::sleep(LOOK).await,
                    taken => break taken.map_err(|error| failed("lock", &path)(error.into())),
                }
            }
        };
        match tokio::time::timeout(PATIENCE, taken).await {
            Ok(taken) => taken.map(|()| Lock { _file: file }),
            Err(_) => Err(StoreError::Locked(path)),
        }
    }
}

/// The right to change a login, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The server's address without what is not the server's, such as a password.
pub fn bare(server: &Url) -> Url {
    let mut server = server.clone();
    server.set_fragment(None);
    // An http(s) address takes these.
    let _ = server.set_username("");
    let _ = server.set_password(None);
    server
}

/// The server's address without what does not tell servers apart.
fn canonical(server: &Url) -> Url {
    let mut server = bare(server);
    let path = server.path().trim_end_matches('/').to_owned();
    server.set_path(&path);
    server
}

/// Readable, and different for different servers.
fn file_name(server: &Url) -> String {
    let server = canonical(server);
    let address = server.as_str();
    let readable = safe(address.split_once("://").map_or(address, |(_, rest)| rest));
    format!("{readable}-{:016x}.json", fnv(address.as_bytes()))
}

/// FNV-1a: the same in every version of this program, unlike the standard library's.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn read(path: &Path) -> Result<Option<Login>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| failed("read", path)(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

fn write(path: &Path, login: &Login) -> io::Result<()> {
    // What a crash left there may have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    serde_json::to_writer_pretty(&mut file, login)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

mod address {
    use super::Url;
    use serde::de::{Deserialize as _, Deserializer, Error as _};
    use serde::ser::Serializer;

    pub fn serialize<S: Serializer>(url: &Url, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(url.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::File { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn login(server: &str) -> Login {
        Login {
            server: url(server),
            issuer: Some("https://as.example".to_owned()),
            revocation_endpoint: None,
            client: Client {
                id: "me".to_owned(),
                secret: Some("hush".to_owned()),
                redirect_uri: "http://127.0.0.1:1/callback".to_owned(),
            },
            tokens: Tokens {
                access_token: "at-secret".to_owned(),
                refresh_token: Some("rt-secret".to_owned()),
                expires: Some(now() + 3600),
                scopes: vec!["read".to_owned()],
            },
        }
    }

    async fn keep(store: &Store, login: &Login) {
        let lock = store.lock(&login.server).await.unwrap();
        store.save(login, &lock).unwrap();
    }

    fn found(store: &Store, at: &str) -> Option<String> {
        let login = store.find(&url(at)).unwrap();
        login.map(|login| login.server.to_string())
    }

    #[tokio::test]
    async fn a_login_is_found_again_and_is_nobody_elses_to_read() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::at(home.path().join("auth"));
        let login = login("https://mcp.example/mcp");
        assert_eq!(store.list().unwrap(), []);
        keep(&store, &login).await;
        assert_eq!(store.load(&login.server).unwrap().as_ref(), Some(&login));
        assert_eq!(store.list().unwrap(), [login]);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&home.path().join("auth")), 0o700);
        for file in fs::read_dir(home.path().join("auth")).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{path:?}");
        }
    }

    #[tokio::test]
    async fn a_login_holds_for_its_path_and_below_on_its_origin_only() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::at(home.path());
        keep(&store, &login("https://mcp.example/team/")).await;
        for below in [
            "https://mcp.example/team",
            "HTTPS://MCP.EXAMPLE:443/team/#x",
            "https://mcp.example/team/a/b?c=d",
            "https://user:pass@mcp.example/team",
        ] {
            let expected = Some("https://mcp.example/team/".to_owned());
            assert_eq!(found(&store, below), expected, "{below}");
        }
        for other in [
            "http://mcp.example/team",
            "https://mcp.example:444/team",
            "https://mcp.example/teams",
            "https://mcp.example/",
            "https://example/team",
            "https://mcp.example.evil/team",
        ] {
            assert_eq!(found(&store, other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn the_closest_login_holds() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::at(home.path());
        for server in ["https://h/", "https://h/a/b", "https://h/a?tenant=1"] {
            keep(&store, &login(server)).await;
        }
        let found = |at| found(&store, at).unwrap();
        assert_eq!(found("https://h/a/b/c"), "https://h/a/b");
        assert_eq!(found("https://h/a"), "https://h/");
        assert_eq!(found("https://h/a?tenant=1"), "https://h/a?tenant=1");
        assert_eq!(found("https://h/a?tenant=2"), "https://h/");
    }

    #[tokio::test]
    async fn a_file_that_is_no_login_is_named() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::at(home.path());
        let server = url("https://h/mcp");
        fs::write(home.path().join(file_name(&server)), "{").unwrap();
        let complaint = store.find(&server).unwrap_err().to_string();
        assert!(complaint.contains(&file_name(&server)), "{complaint}");
    }

    #[tokio::test]
    async fn a_lock_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::at(home.path());
        let server = url("https://h/mcp");
        let held = store.lock(&server).await.unwrap();
        let mut other = std::pin::pin!(store.lock(&server));
        let early = tokio::time::timeout(LOOK * 3, &mut other).await;
        assert!(early.is_err(), "the lock was given out twice");
        drop(held);
        other.await.unwrap();
    }

    #[test]
    fn what_is_shown_for_debugging_holds_no_secret() {
        let shown = format!("{:?}", login("https://h/mcp"));
        assert!(shown.contains("https"), "{shown}");
        assert!(
            !shown.contains("secret") && !shown.contains("hush"),
            "{shown}"
        );
    }

    #[test]
    fn a_token_is_fresh_until_shortly_before_its_end() {
        let mut tokens = login("https://h").tokens;
        assert!(tokens.is_fresh());
        tokens.expires = Some(now() + MARGIN / 2);
        assert!(!tokens.is_fresh());
        tokens.expires = None;
        assert!(tokens.is_fresh());
    }
}
