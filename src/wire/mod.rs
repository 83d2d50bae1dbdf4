//! What a message is: the JSON-RPC envelope over borrowed bytes, line framing, and splicing an edit into raw bytes; and how a
//! peer's text is made fit to be shown.
//!
//! Nothing here knows MCP, performs I/O or reads a clock. Nothing here ever fails on input: whatever arrives is
//! classified, and every byte of it can be found again.

pub mod check;
pub mod envelope;
pub mod framing;
pub mod object;
mod outline;
mod scan;
pub mod shown;
pub mod splice;
pub mod sse;
pub mod token;

pub use envelope::{Envelope, Frame, Kind, answer_within, is_json, parse};
