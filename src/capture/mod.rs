//! The capture file: the append-only log that every consumer reads through one cursor.
//!
//! Format: UTF-8 JSON Lines; the first line a header, then one event a line, fixed key order, the message last and
//! verbatim. The recorder writes it, [`reader::Reader`] reads it, live or saved.

pub mod reader;
pub mod record;
pub mod recorder;
pub mod redact;
pub mod store;
