//! What MCP says: methods and their directions by version, the two eras, composing requests, reading schemas.
//!
//! Knows no transport, no clock and no I/O.

pub mod compose;
pub mod headers;
pub mod logging;
pub mod methods;
pub mod schema;
pub mod uri_template;

/// The two eras of the protocol (specification 2026-07-28, basic/versioning): `legacy` opens with `initialize`,
/// `modern` carries its metadata in every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Era {
    Legacy,
    Modern,
}
