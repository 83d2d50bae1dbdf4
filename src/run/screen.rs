//! What the modes with a screen share.

use super::failure::{self, Failure};
use crate::ui::Left;
use anyhow::Context as _;
use std::io::IsTerminal as _;

/// Whether there is a terminal to draw on and to read keys from.
pub fn possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

pub fn required(mode: &str) -> Result<(), Failure> {
    if possible() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{mode} opens a screen and needs a terminal on stdin and stdout"
    )))
}

/// Runs the screen to its end; the exit code.
pub fn show(screen: impl Future<Output = anyhow::Result<Left>>) -> Result<u8, Failure> {
    Ok(match block_on(screen)? {
        Left::ByOperator => 0,
        Left::Signalled(signal) => failure::exit_code(128 + signal),
    })
}

/// Runs the slow work of one thread.
pub fn block_on<T, E: From<anyhow::Error>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(work)
}
