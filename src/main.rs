//! Parse, run, exit code; no logic.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(match mcp_sentinel::cli::parse() {
        Ok(mode) => mcp_sentinel::run::run(mode),
        Err(stop) => stop.report(),
    })
}
