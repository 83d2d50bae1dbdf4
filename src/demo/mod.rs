//! The built-in MCP server and client: ordinary peers that happen to live in this program.
//!
//! They speak only to the pipes that they are given and know nothing of proxies, captures or screens, so what
//! `mcp-sentinel demo` shows is what any two strangers would show.

#![expect(
    deprecated,
    reason = "sampling, roots and logging are on their way out of the protocol, and every client of today has them"
)]

mod arguments;
mod asking;
mod client;
mod harbour;
mod prompts;
mod server;
mod tools;

pub use client::converse;
pub use server::serve;

#[cfg(test)]
mod tests;
