//! MCP Sentinel: a terminal inspector-proxy for the Model Context Protocol.
//!
//! It stands between a real MCP client and a real MCP server, forwards every byte untouched, records every
//! message and shows the conversation. Three promises, in this order:
//!
//! 1. **Transparent.** The same bytes, the same order, both ways: forward first, look after.
//! 2. **Nothing lost.** What was seen is in the capture.
//! 3. **Never in the way.** No screen and no viewer slows or stops the traffic.
//!
//! # The house
//! Modules import only from modules further down this list; `tests/layering.rs` fails on any import that points up.
//!
//! | module | what it is for |
//! |---|---|
//! | [`run`] | composition: one file a mode; the only place that knows everybody |
//! | [`cli`] | arguments to plain configuration; the only place that knows clap |
//! | [`demo`] | the built-in MCP server and client of `mcp-sentinel demo`, which are ordinary peers |
//! | [`ui`] | the TUI: `update(App, Event) -> Vec<Effect>` and `render(&App)`; the only place that knows ratatui |
//! | [`headless`] | the other face: startup line, summary, `--print` |
//! | [`traffic`] | the model: a pure fold of captured events into sessions, exchanges and the inventory |
//! | [`link`] | the local socket between a proxy and whoever attaches; the registry of live proxies |
//! | [`auth`] | logging in to a server by OAuth, keeping its tokens, and giving them to the data path |
//! | [`proxy`] | the data path: one file for each pair of ends, the ends themselves, operator calls |
//! | [`capture`] | the file that is the log: recorder, reader, redaction, retention |
//! | [`tap`] | the contract between data path and observers: events out, commands in |
//! | [`mcp`] | what MCP says: methods, eras, composing requests, schemas |
//! | [`wire`] | what a message is: JSON-RPC envelope over borrowed bytes, line framing, splicing |
//!
//! `proxy` and `traffic` never see each other; `ui` and `headless` never see `proxy`: they hold a sender of
//! [`tap::Command`]s.
//!
//! # The threads
//! What a client and a server on pipes say to each other passes on a thread of its own (`traffic`), which waits with
//! poll(2), because that costs those who write less than an event loop does; whatever else belongs to the data path runs
//! on the main thread, on one event loop; HTTP connections beyond the eighth in front of an HTTP server get further
//! threads (`connections`). Nothing else runs there. `recorder` turns what they push on the tap into
//! the capture, `screen` and `feed` draw what they read in it, `aside` lets viewers in, sends the capture to those who
//! cannot reach the file, and keeps house: old captures, and memory that only the start has needed. Where an end is a
//! terminal or a file, which cannot be waited for without a thread, it has one (`stdin`, `stdout`, `stderr`).

#![cfg_attr(test, allow(clippy::expect_used, clippy::panic, clippy::unwrap_used))]

pub mod auth;
pub mod capture;
pub mod cli;
pub mod demo;
pub mod headless;
pub mod link;
pub mod mcp;
pub mod proxy;
pub mod run;
pub mod tap;
pub mod traffic;
pub mod ui;
pub mod wire;
