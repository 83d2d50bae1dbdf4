//! One record, reduced to what the model keeps: parsed once, owned, small.

use crate::capture::record::Record;

/// What [`super::Traffic::apply`] folds in.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {}

/// Pure, and safe for any thread.
pub fn digest(_record: &Record<'_>) -> Digest {
    todo!()
}
