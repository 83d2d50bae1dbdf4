//! `mcp-sentinel` alone: live proxies and saved captures, to choose from.

use super::failure::Failure;
use super::screen;
use crate::ui;

pub fn run() -> Result<u8, Failure> {
    if !screen::possible() {
        return Err(Failure::usage(
            "no server to run; put its command after --, for example:\n  mcp-sentinel -- node server.js\nin a terminal, mcp-sentinel alone shows live proxies and saved captures",
        ));
    }
    screen::show(ui::hub())
}
