//! The built-in MCP server and client: ordinary peers that happen to live in this program.
//!
//! They speak only to the pipes that they are given and know nothing of proxies, captures or screens, so what
//! `mcp-sentinel demo` shows is what any two strangers would show.

mod client;
mod server;

pub use client::converse;
pub use server::serve;
