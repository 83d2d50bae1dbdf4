//! A JSON document laid out for reading, over raw bytes that may be anything.

/// A document, laid out. Costs one pass to build; immutable after.
#[derive(Debug)]
pub struct Document {
    bytes: Vec<u8>,
}

impl Document {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }
    /// The bytes as they came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
