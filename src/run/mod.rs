//! Composition: one file a mode; the only place that knows everybody.

mod aside;
mod attach;
mod auth;
mod call;
mod declining;
mod demo;
mod doorplate;
mod failure;
mod hub;
mod list;
mod naming;
mod oneshot;
mod open;
mod output;
mod proxy;
mod ps;
mod recording;
mod screen;
mod upstream;

use crate::cli::Mode;
use crate::headless::Voice;
use anyhow::Context as _;
use failure::Failure;

/// Runs what was asked for; the exit code.
pub fn run(mode: Mode) -> u8 {
    let voice = match &mode {
        Mode::Proxy(asked) => proxy::voice(&asked.recorded),
        _ => Voice::default(),
    };
    let is_oneshot = matches!(mode, Mode::Call(_) | Mode::List(_));
    let enough = crate::proxy::files_suffice().context("cannot start");
    let outcome = enough.map_err(Failure::from).and_then(|()| carry_out(mode));
    outcome.unwrap_or_else(|failure| {
        let failure = match is_oneshot {
            true => failure.told_from_a_no(),
            false => failure,
        };
        voice.complain(&failure.to_string());
        failure.code()
    })
}

fn carry_out(mode: Mode) -> Result<u8, Failure> {
    match mode {
        Mode::Proxy(config) => proxy::run(config),
        Mode::Hub => hub::run(),
        Mode::Attach { target } => attach::run(target.as_deref()),
        Mode::Ps { json } => ps::run(json),
        Mode::Open { file } => open::run(file),
        Mode::Call(call) => call::run(call),
        Mode::List(list) => list::run(list),
        Mode::Auth(what) => auth::run(what),
        Mode::Demo(recorded) => demo::run(recorded),
        Mode::DemoServer => demo::serve(),
    }
}
