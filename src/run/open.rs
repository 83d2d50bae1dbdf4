//! The screen on a saved capture, read-only; or on the live proxy that is writing it.

use super::failure::Failure;
use super::{attach, screen};
use crate::capture::reader::Reader;
use crate::link::registry::{self, Entry};
use crate::ui;
use anyhow::Context as _;
use std::path::{Path, PathBuf};

pub fn run(file: PathBuf) -> Result<u8, Failure> {
    // What cannot be read is said before the terminal is taken.
    Reader::open(&file).map_err(anyhow::Error::from)?;
    screen::required("open")?;
    let capture = std::path::absolute(file).context("cannot find the working directory")?;
    if let Some(entry) = writer(&capture) {
        return screen::show(attach::show(&entry));
    }
    screen::show(ui::run(ui::Source::saved(capture)))
}

/// The live proxy that writes this capture. Without a registry there is none that we could ask.
fn writer(capture: &Path) -> Option<Entry> {
    let same = |entry: &Entry| {
        let theirs = entry.capture.as_ref()?.canonicalize().ok()?;
        Some(theirs == capture.canonicalize().ok()?)
    };
    let live = registry::list(&registry::directory().ok()?).ok()?;
    live.into_iter().find(|entry| same(entry) == Some(true))
}
