//! The built binary on a pseudo-terminal, driven with keys, watched as a person would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod pty;

use pty::Terminal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-sentinel");
