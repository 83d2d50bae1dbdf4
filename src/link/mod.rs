//! The local socket between a proxy and whoever attaches, and the registry of live proxies.
//!
//! The socket carries commands and their outcomes as JSON lines; what was seen is read from the capture file.

pub mod client;
pub mod registry;
pub mod server;
