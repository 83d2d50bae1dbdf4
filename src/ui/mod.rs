//! The TUI. [`app`] is state and `update(App, Event) -> Vec<Effect>`, [`render`] draws it; both are pure: time, size
//! and the answers of slow work arrive as events, slow work leaves as effects. This file is the only async one.

pub mod app;
pub mod diff;
pub mod event;
pub mod format;
pub mod json;
pub mod keymap;
pub mod layout;
pub mod render;
pub mod text;
pub mod theme;

use crate::tap::Orders;
use std::path::PathBuf;

/// What the TUI shows.
#[derive(Debug, Clone)]
pub struct Source {
    /// The capture to read, growing or finished.
    pub capture: PathBuf,
    /// Where commands go; `None` for a saved capture, which is read-only.
    pub orders: Option<Orders>,
    /// Cancelled when the proxy behind a live source has ended.
    pub ended: tokio_util::sync::CancellationToken,
    /// Quitting ends a conversation that a client is having: ask first.
    pub quit_ends_session: bool,
}

/// Shows one conversation until the operator leaves it. Takes the terminal, and gives it back as it was.
pub async fn run(_source: Source) -> anyhow::Result<()> {
    todo!()
}

/// Shows live proxies and saved captures, and opens what the operator chooses.
pub async fn hub() -> anyhow::Result<()> {
    todo!()
}
