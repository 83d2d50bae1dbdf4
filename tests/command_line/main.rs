//! The built binary as scripts and client configurations see it: exit codes, what it says and where, what it leaves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../house/mod.rs"]
mod house;

mod beside;
mod call_and_list;
mod demo;
mod proxying;
mod rounds;
mod upstream;

use house::{DEMO, House, PROGRAM, Proxy, Ran, mode, until};
use std::io::Read as _;
use std::process::Stdio;

/// Options, then the demo's server.
fn before_demo<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &["--"], &DEMO].concat()
}
