//! A client on stdio in front of HTTP servers: rmcp's, and raw ones for everything that a typed one hides.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;

mod anew;
mod bodies;
mod client;
mod endings;
mod failures;
mod forgetful;
mod modern;
mod old;
mod operator;
mod order;
mod scopes;
mod sdk;
mod second_handshake;
mod streams;
