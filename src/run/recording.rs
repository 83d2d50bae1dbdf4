//! A recorder at work for one mode: what it writes, where it can be read, and what becomes of the file.

use super::naming;
use crate::capture::record::{Header, utc};
use crate::capture::recorder::{Options, Recorder, Totals};
use crate::capture::scratch::Scratch;
use crate::capture::{redact, store};
use crate::cli::CaptureTo;
use crate::proxy::{self, Upstream};
use crate::tap::{self, Overflow, Tap, Timestamp};
use anyhow::Context as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What may wait in memory for the disk.
const QUEUE_BYTES: usize = 64 << 20;

const NO_SCRATCH: &str =
    "cannot keep the temporary log that answers are read from; TMPDIR can name another directory";

/// How people see the server.
#[derive(Debug, Clone)]
pub struct Identity {
    pub name: String,
    /// `stdio` or `http`.
    pub transport: &'static str,
    /// Its argv, or its address; secrets masked.
    pub upstream: Vec<String>,
    /// Nobody knows whether it is who it says.
    pub insecure: bool,
    /// RFC 3339, UTC.
    pub started: String,
    /// What the configuration knows to be secret.
    secret: Vec<regex::Regex>,
}

impl Identity {
    pub fn new(upstream: &Upstream, name: Option<String>, redact: &[regex::Regex]) -> Self {
        let (transport, insecure) = match upstream {
            Upstream::Command(_) => ("stdio", false),
            Upstream::Http(origin) => ("http", origin.insecure),
        };
        let upstream = redact::argv(&super::upstream::words(upstream), redact);
        let now = utc(Timestamp::now());
        Self {
            name: name.unwrap_or_else(|| {
                let directory = std::env::current_dir().unwrap_or_default();
                naming::short_name(&upstream, &directory)
            }),
            transport,
            upstream,
            insecure,
            started: now.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            secret: redact.to_vec(),
        }
    }

    /// How far the recorder gives way. To a burst from a pipe, until it is over; several threads that serve connections
    /// in turn lose more to a recorder that comes seldom and then for long.
    fn niceness(&self) -> u8 {
        match self.transport {
            "stdio" => 10,
            _ => 3,
        }
    }

    fn options(&self) -> Options {
        Options {
            secret: self.secret.clone(),
            at_rest: Some(proxy::give_back_memory),
            niceness: self.niceness(),
        }
    }

    fn header(&self) -> Header {
        Header {
            capture: 1,
            program: concat!("mcp-sentinel ", env!("CARGO_PKG_VERSION")).to_owned(),
            started: self.started.clone(),
            name: self.name.clone(),
            transport: self.transport.to_owned(),
            upstream: self.upstream.clone(),
            insecure: self.insecure,
            pid: std::process::id(),
            cwd: std::env::current_dir()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
            ..Header::default()
        }
    }
}

/// A recorder and its file.
#[derive(Debug)]
pub struct Recording {
    recorder: Recorder,
    path: PathBuf,
    /// It was not there before.
    fresh: bool,
    /// When the file is not to be kept.
    scratch: Option<Scratch>,
    /// Why it is not, when it should have been.
    failed: Option<String>,
}

impl Recording {
    /// Records where `to` says; `Nowhere` means a file that nobody else can find and that goes with this process.
    pub fn start(
        to: &CaptureTo,
        overflow: Overflow,
        identity: &Identity,
    ) -> anyhow::Result<(Self, Tap)> {
        let path = match to {
            CaptureTo::File(path) => {
                std::path::absolute(path).context("cannot find the working directory")?
            }
            CaptureTo::Fresh => {
                let directory = store::directory().context("cannot use the captures directory")?;
                store::fresh_path(&directory, &identity.name)
                    .context("cannot create a file in the captures directory")?
            }
            CaptureTo::Nowhere => return Self::nowhere(overflow, identity),
        };
        // One in the captures directory has just been reserved.
        let fresh = *to == CaptureTo::Fresh || !path.exists();
        let (tap, drain) = tap::queue(QUEUE_BYTES, overflow);
        let options = identity.options();
        let recorder = Recorder::start_with(path.clone(), identity.header(), drain, options)?;
        let recording = Self {
            recorder,
            path,
            fresh,
            scratch: None,
            failed: None,
        };
        Ok((recording, tap))
    }

    fn nowhere(overflow: Overflow, identity: &Identity) -> anyhow::Result<(Self, Tap)> {
        let (tap, drain) = tap::queue(QUEUE_BYTES, overflow);
        let (scratch, file) = Scratch::create().context(NO_SCRATCH)?;
        let options = identity.options();
        let recorder = Recorder::start_in(file, identity.header(), drain, options);
        let recording = Self {
            recorder: recorder.context(NO_SCRATCH)?,
            path: scratch.path().to_owned(),
            fresh: true,
            scratch: Some(scratch),
            failed: None,
        };
        Ok((recording, tap))
    }

    /// For those who look now, where nothing can be kept for this reason.
    pub fn passing(
        why: String,
        overflow: Overflow,
        identity: &Identity,
    ) -> anyhow::Result<(Self, Tap)> {
        let (recording, tap) = Self::nowhere(overflow, identity)?;
        let failed = Some(why);
        Ok((
            Self {
                failed,
                ..recording
            },
            tap,
        ))
    }

    /// Why there is no file that stays, when there should have been one.
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Where to read what was recorded.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, when it stays.
    pub fn kept(&self) -> Option<&Path> {
        self.scratch.is_none().then_some(self.path.as_path())
    }

    pub fn totals(&self) -> Arc<Totals> {
        self.recorder.totals()
    }

    /// Writes all that is queued. The log can be read until the result is dropped. When nothing came of it and nothing
    /// was recorded, the file is as it was before: a second attempt may need its name.
    pub fn finish(self, telling: bool) -> Log {
        let totals = self.totals();
        self.recorder.finish();
        if !telling && self.scratch.is_none() && totals.latest_seq.load(Ordering::Acquire) == 0 {
            // Otherwise it stays, and says little.
            let _ = match self.fresh {
                true => fs::remove_file(&self.path),
                false => fs::File::create(&self.path).map(drop),
            };
        }
        Log {
            _scratch: self.scratch,
        }
    }
}

/// What keeps a temporary log readable.
#[derive(Debug)]
pub struct Log {
    _scratch: Option<Scratch>,
}
