//! The screen on a capture, read-only; one that is being written is followed.

use super::failure::Failure;
use super::screen;
use crate::capture::reader::Reader;
use crate::ui;
use anyhow::Context as _;
use std::path::PathBuf;

pub fn run(file: PathBuf) -> Result<u8, Failure> {
    // What cannot be read is said before the terminal is taken.
    Reader::open_to_show(&file).map_err(anyhow::Error::from)?;
    screen::required("open")?;
    let capture = std::path::absolute(file).context("cannot find the working directory")?;
    screen::show(ui::run(ui::Source::saved(capture)))
}
