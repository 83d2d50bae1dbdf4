//! The capture file: the append-only log that every consumer reads through one cursor.
//!
//! Format: UTF-8 JSON Lines; the first line a header, then one event a line, fixed key order, the message last and
//! verbatim. The [`recorder`] writes it, [`reader::Reader`] reads it, live or saved:
//!
//! ```text
//! tap ─▶ recorder (when) ─▶ scribe (streams to lines; http: bodies to messages) ─▶ page (the accounts)
//!     ─▶ write (lines to text) ─▶ output (text to the file)
//!     (what is too long for memory waits in a spool for its end)
//! file ─▶ lines (where lines are; inflate makes them of a compressed file) ─▶ parse (text to records) ─▶ reader
//!     (bare: messages without a capture around them)
//! ```
//!
//! [`redact`] masks what must not be recorded, [`store`] names captures and decides how long they stay,
//! [`scratch`] hides those that nobody asked to keep. Nothing here knows what a message means, beyond counting
//! messages and failures, and who sends which.

pub mod again;
mod bare;
mod http;
mod inflate;
mod lines;
mod output;
mod page;
mod parse;
mod peek;
pub mod reader;
pub mod record;
pub mod recorder;
pub mod redact;
pub mod scratch;
mod scribe;
mod spool;
pub mod store;
mod tally;
mod write;
