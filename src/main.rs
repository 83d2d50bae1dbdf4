//! Parse, run, exit code; no logic.

fn main() {}
