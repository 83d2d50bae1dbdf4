//! The demo: the built-in client and server, with a real proxy between them, and the screen attached to it.
//!
//! The proxy is this program once more, in front of this program as the server, exactly as in a client's
//! configuration; the client speaks to it from here.

use super::failure::{self, Failure};
use super::{attach, screen};
use crate::capture::store;
use crate::cli::{CaptureTo, Recorded};
use crate::demo;
use crate::headless::{self, Print};
use crate::link::registry::{self, Entry};
use crate::tap::{Overflow, Timestamp};
use crate::ui::{Left, app::Kept};
use anyhow::{Context as _, bail};
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long the conversation goes on when nobody watches: the client's first round through everything.
const VISIT: Duration = Duration::from_secs(8);
/// How long the proxy may take to appear in the registry.
const APPEARANCE: Duration = Duration::from_secs(10);

/// Only the server, on stdin and stdout.
pub fn serve() -> Result<u8, Failure> {
    let serving = demo::serve(tokio::io::stdin(), tokio::io::stdout());
    screen::block_on(serving)?;
    Ok(0)
}

pub fn run(mut recorded: Recorded) -> Result<u8, Failure> {
    if recorded.headless || !screen::possible() {
        recorded.print.get_or_insert(Print::Text);
        return Ok(failure::exit_code(screen::block_on(unwatched(&recorded))?));
    }
    recorded.print = None;
    let kept = match &recorded.capture {
        CaptureTo::Fresh => match store::directory() {
            Ok(_) => Kept::Here,
            Err(error) => Kept::Failed(format!("cannot use the captures directory: {error}")),
        },
        CaptureTo::File(_) => Kept::Here,
        CaptureTo::Nowhere => Kept::Nowhere,
    };
    if kept == Kept::Here {
        return screen::show(watched(&recorded, kept));
    }
    // The screen reads what the proxy writes, and that is another process.
    let passing = Passing::create().context("cannot create a temporary directory")?;
    recorded.capture = CaptureTo::File(passing.0.join("demo.jsonl"));
    screen::show(watched(&recorded, kept))
}

/// The conversation for a while, with the proxy printing it; the proxy's exit code.
async fn unwatched(recorded: &Recorded) -> anyhow::Result<i32> {
    let mut proxy = start(recorded, Stdio::inherit())?;
    let client = Client::start(&mut proxy)?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = proxy.wait() => {}
        () = tokio::time::sleep(VISIT) => {}
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    client.leave().await?;
    code(&mut proxy).await
}

/// A directory for a capture that goes with the screen.
struct Passing(PathBuf);

impl Passing {
    fn create() -> io::Result<Self> {
        let (pid, now) = (std::process::id(), Timestamp::now().0);
        let name = format!("mcp-sentinel-demo-{pid}-{now}");
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        // Where it cannot be removed, it is the system's to clear up.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The conversation under the screen, until that is left.
async fn watched(recorded: &Recorded, kept: Kept) -> anyhow::Result<Left> {
    let mut proxy = start(recorded, Stdio::piped())?;
    let errors = proxy.stderr.take().context("the proxy has no stderr")?;
    let errors = tokio::spawn(all_of(errors));
    let client = Client::start(&mut proxy)?;
    let left = match appearance(&mut proxy).await {
        Ok(entry) => attach::show(&entry, kept).await,
        Err(error) => Err(error),
    };
    let gone = client.leave().await;
    code(&mut proxy).await?;
    // Startup line, summary, and whatever went wrong: shown now that the terminal is free.
    repeat(&errors.await.unwrap_or_default());
    let left = left?;
    gone?;
    Ok(left)
}

/// The proxy's own lines, without the server's.
fn repeat(errors: &str) {
    for line in errors.lines() {
        if let Some(text) = line.strip_prefix("mcp-sentinel: ") {
            headless::complain(text);
        }
    }
}

/// The built-in client, at work on the proxy's stdin and stdout.
struct Client {
    stop: CancellationToken,
    work: JoinHandle<anyhow::Result<()>>,
}

impl Client {
    fn start(proxy: &mut Child) -> anyhow::Result<Self> {
        let says = proxy.stdout.take().context("the proxy has no stdout")?;
        let hears = proxy.stdin.take().context("the proxy has no stdin")?;
        let stop = CancellationToken::new();
        let work = tokio::spawn(demo::converse(says, hears, stop.clone()));
        Ok(Self { stop, work })
    }

    async fn leave(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.work.await?
    }
}

fn start(recorded: &Recorded, stderr: Stdio) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("cannot find this program")?;
    Command::new(&program)
        .args(options(recorded))
        .arg("--")
        .arg(&program)
        .args(["demo", "--server"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        // What a terminal sends to its foreground is for us to handle.
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// The options that make another proxy like the one that was asked for.
fn options(recorded: &Recorded) -> Vec<OsString> {
    let mut options: Vec<OsString> = vec!["--headless".into()];
    let mut option = |name: &str, value: OsString| options.extend([name.into(), value]);
    option(
        "--name",
        recorded
            .name
            .clone()
            .unwrap_or_else(|| "demo".to_owned())
            .into(),
    );
    option(
        "--keep-captures",
        recorded.retention.captures.to_string().into(),
    );
    option("--keep-bytes", recorded.retention.bytes.to_string().into());
    option("--grace", recorded.grace.as_secs_f64().to_string().into());
    let overflow = match recorded.overflow {
        Overflow::Wait => "wait",
        Overflow::Drop => "drop",
    };
    option("--overflow", overflow.into());
    match &recorded.capture {
        CaptureTo::Fresh => {}
        CaptureTo::File(path) => option("--capture", path.into()),
        CaptureTo::Nowhere => options.push("--no-capture".into()),
    }
    match recorded.print {
        None => {}
        Some(Print::Text) => options.push("--print=text".into()),
        Some(Print::Json) => options.push("--print=json".into()),
    }
    options
}

/// The proxy's entry, once it can be attached to.
async fn appearance(proxy: &mut Child) -> anyhow::Result<Entry> {
    let pid = proxy.id();
    let directory = registry::directory()?;
    let looking = async {
        loop {
            let live = registry::list(&directory)?;
            if let Some(entry) = live.into_iter().find(|entry| Some(entry.pid) == pid) {
                return Ok(entry);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        entry = looking => entry,
        _ = proxy.wait() => bail!("the proxy ended"),
        () = tokio::time::sleep(APPEARANCE) => bail!("the proxy did not appear"),
    }
}

async fn code(proxy: &mut Child) -> anyhow::Result<i32> {
    use std::os::unix::process::ExitStatusExt as _;
    let status = proxy.wait().await.context("cannot wait for the proxy")?;
    Ok(status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1))
}

async fn all_of(mut stream: impl AsyncRead + Unpin) -> String {
    let mut text = String::new();
    // What could be read before an error is still worth showing.
    let _ = stream.read_to_string(&mut text).await;
    text
}
