//! Clients and servers of other makers, with nothing, and with the built program, between them.
//!
//! What a client prints must be the same both times.
//!
//! `.ci/run` installs the peers and says in `SENTINEL_PEERS` where.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod desk;
mod http;
mod installed;
#[path = "../ports/mod.rs"]
mod ports;
mod stdio;
