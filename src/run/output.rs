//! A command's own output on stdout.

use super::failure::Failure;
use crate::traffic::gist::neutral;
use anyhow::Context as _;
use std::io::{self, IsTerminal as _, Write as _};

/// How many columns stdout has, where it is a terminal.
pub fn columns() -> Option<usize> {
    let stdout = io::stdout();
    let size = stdout
        .is_terminal()
        .then(|| rustix::termios::tcgetwinsize(stdout))?;
    let columns = size.ok()?.ws_col;
    (columns > 0).then_some(columns.into())
}

/// Writes it all. Who closes the pipe early has seen enough: that is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")?
        }
        _ => Ok(()),
    }
}

/// Writes what a server wrote: as it stands into a pipe, and without what could command a terminal onto one.
pub fn print_foreign(text: &str) -> Result<(), Failure> {
    if !io::stdout().is_terminal() {
        return print(text);
    }
    let lines: Vec<_> = text.split('\n').map(neutral).collect();
    print(&lines.join("\n"))
}
