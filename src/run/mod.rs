//! Composition: one file a mode; the only place that knows everybody.

mod aside;
mod failure;
mod naming;
mod proxy;
mod recording;

use crate::cli::Mode;
use crate::headless;
use anyhow::Context as _;
use failure::Failure;

/// Runs what was asked for; the exit code.
pub fn run(mode: Mode) -> u8 {
    let outcome = match mode {
        Mode::Proxy(config) => proxy::run(config),
        _ => Err(Failure::usage("not built yet")),
    };
    outcome.unwrap_or_else(|failure| {
        headless::complain(&failure.to_string());
        failure.code()
    })
}

/// Runs the slow work of one thread.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(work)
}
