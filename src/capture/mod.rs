//! The capture file: the append-only log that every consumer reads through one cursor.
//!
//! Format: UTF-8 JSON Lines; the first line a header, then one event a line, fixed key order, the message last and
//! verbatim. The recorder writes it, [`reader::Reader`] reads it, live or saved.

mod inflate;
mod lines;
mod output;
mod parse;
pub mod reader;
pub mod record;
pub mod recorder;
pub mod redact;
mod scribe;
pub mod store;
mod write;
