//! A live proxy to look at: through its capture, or where that cannot be read through a copy that comes over the socket.

use super::Source;
use super::app::Kept;
use crate::capture::reader::Reader;
use crate::capture::scratch::Scratch;
use crate::link::client;
use crate::link::registry::Entry;
use crate::link::transfer::{FarError, Incoming};
use anyhow::{Context as _, bail};
use std::fs::File;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long the beginning of a capture may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// The conversation of a proxy on this machine's list.
pub async fn listed(entry: &Entry) -> anyhow::Result<Source> {
    let capture = capture(entry)?;
    // The proxy may run in a container of which only this list can be seen.
    if File::open(capture).is_err() {
        return far(&entry.socket).await;
    }
    let link = client::connect(&entry.socket)
        .await
        .with_context(|| format!("cannot reach the proxy {} ({})", entry.pid, entry.name))?;
    Ok(Source {
        capture: capture.to_owned(),
        kept: Kept::Here,
        copy: None,
        orders: Some(link.orders),
        pulse: link.pulse,
        ended: link.gone,
        listening: entry.listening.clone(),
        quit_ends_session: false,
    })
}

/// The conversation of the proxy behind a socket of which nothing else can be reached.
pub async fn far(socket: &Path) -> anyhow::Result<Source> {
    let mut incoming = Incoming::ask(socket).await?;
    let kept = Kept::There(capture(&incoming.entry)?.to_owned());
    let link = client::connect(socket)
        .await
        .with_context(|| format!("cannot connect to {}", socket.display()))?;
    let (scratch, file) = Scratch::create().context("cannot create a temporary file")?;
    let mut file = tokio::fs::File::from_std(file);
    let begun = begin(&mut incoming, &mut file, scratch.path());
    match tokio::time::timeout(PATIENCE, begun).await {
        Ok(begun) => begun?,
        Err(_) => bail!("the beginning of the capture does not arrive"),
    }
    let (warn, warnings) = mpsc::channel(1);
    let (listening, size) = (incoming.entry.listening.clone(), incoming.size);
    let ended = CancellationToken::new();
    let over = ended.clone().drop_guard();
    let task = tokio::spawn(async move {
        let _over = over;
        if let Err(error) = fetch(&mut incoming, &mut file).await {
            // The screen may be gone: then nobody misses it.
            let _ = warn.send(format!("{error:#}")).await;
        }
    });
    Ok(Source {
        capture: scratch.path().to_owned(),
        kept,
        copy: Some(Transfer {
            size,
            warnings,
            task,
            _scratch: scratch,
        }),
        orders: Some(link.orders),
        pulse: link.pulse,
        ended,
        listening,
        quit_ends_session: false,
    })
}

/// What brings a capture here, for as long as somebody looks at it.
#[derive(Debug)]
pub struct Transfer {
    /// How large the capture was when it was asked for.
    pub size: u64,
    /// Why the copy lacks what the capture has.
    pub warnings: mpsc::Receiver<String>,
    task: JoinHandle<()>,
    _scratch: Scratch,
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Receives until there is a capture to open.
async fn begin(
    incoming: &mut Incoming,
    file: &mut tokio::fs::File,
    path: &Path,
) -> anyhow::Result<()> {
    while next(incoming, file).await? {
        if Reader::open(path).is_ok() {
            return Ok(());
        }
    }
    Err(FarError::Broken.into())
}

/// Receives until all is there.
async fn fetch(incoming: &mut Incoming, file: &mut tokio::fs::File) -> anyhow::Result<()> {
    while next(incoming, file).await? {}
    Ok(())
}

async fn next(incoming: &mut Incoming, file: &mut tokio::fs::File) -> anyhow::Result<bool> {
    let mut piece = Vec::new();
    if !incoming.next(&mut piece).await? {
        return Ok(false);
    }
    let written = async {
        file.write_all(&piece).await?;
        file.flush().await
    };
    written
        .await
        .context("cannot write the copy of the capture that is shown here")?;
    Ok(true)
}

fn capture(entry: &Entry) -> anyhow::Result<&Path> {
    let Some(capture) = &entry.capture else {
        bail!(
            "the proxy {} ({}) records nothing, so there is nothing to show: it was started with --no-capture, or its capture could not be created",
            entry.pid,
            entry.name
        );
    };
    Ok(capture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_without_a_capture_says_why_there_is_nothing_to_see() {
        let complaint = capture(&Entry::default()).unwrap_err().to_string();
        assert!(complaint.contains("--no-capture"), "{complaint}");
    }
}
