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

/// Runs what was asked for; the exit code.
pub fn run(mode: Mode) -> u8 {
    let voice = match &mode {
        Mode::Proxy(asked) => proxy::voice(&asked.recorded),
        _ => Voice::default(),
    };
    let outcome = match mode {
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
    };
    outcome.unwrap_or_else(|failure| {
        voice.complain(&failure.to_string());
        failure.code()
    })
}
