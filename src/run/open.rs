//! The screen on a saved capture, read-only.

use super::failure::Failure;
use super::screen;
use crate::capture::reader::Reader;
use crate::tap::Pulse;
use crate::ui;
use anyhow::Context as _;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

pub fn run(file: PathBuf) -> Result<u8, Failure> {
    // What cannot be read is said before the terminal is taken.
    Reader::open(&file).map_err(anyhow::Error::from)?;
    screen::required("open")?;
    let ended = CancellationToken::new();
    ended.cancel();
    let capture = std::path::absolute(file).context("cannot find the working directory")?;
    screen::show(ui::run(ui::Source {
        capture,
        orders: None,
        pulse: Pulse::none(),
        ended,
        temporary: false,
        listening: None,
        quit_ends_session: false,
    }))
}
