//! The messages in a text that is read once and not kept: which members they have, and little more.

use super::envelope::Envelope;
use super::object;

/// No name of a member that matters is longer, spelled all in escapes and with its quotes.
const LONGEST_KEY: usize = 64;
/// Stand for the values of members, of which the kind is all that matters.
const STRING: &str = "\"\"";
const OTHER: &str = "{}";
const SAYS_ERROR: &str = "{\"isError\":true}";

/// Is told of keys, of the first bytes of values, and of the ends of containers, with how many containers are around.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// How deep the members of messages lie: in the object, or in the objects of the batch.
    level: usize,
    envelope: Envelope<'static>,
    /// The key read last, where it matters, as it is spelled.
    key: Vec<u8>,
    is_spelled: bool,
    /// What is being read is the result, and an object.
    in_result: bool,
}

impl Outline {
    /// A key begins.
    pub fn key(&mut self, depth: usize) {
        self.key.clear();
        self.is_spelled = depth == self.level || (depth == self.level + 1 && self.in_result);
        self.spell(b"\"");
    }

    /// More of the key, up to its closing quote.
    pub fn spell(&mut self, bytes: &[u8]) {
        if self.is_spelled {
            let room = LONGEST_KEY.saturating_sub(self.key.len());
            self.key.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    /// A value begins.
    pub fn value(&mut self, depth: usize, first: u8) {
        if depth == 0 {
            self.level = if first == b'[' { 2 } else { 1 };
        } else if depth == self.level {
            let key = name(&self.key);
            self.in_result = first == b'{' && key == "result";
            self.envelope
                .take(&key, if first == b'"' { STRING } else { OTHER });
        } else if self.in_result && depth == self.level + 1 && name(&self.key) == "isError" {
            // Of valid JSON only `true` begins so.
            self.envelope.result = Some(if first == b't' { SAYS_ERROR } else { OTHER });
        }
        // It is of no other value: not of the first in an array where an object was.
        self.key.clear();
    }

    /// A container ends; it counts itself.
    pub fn close(&mut self, depth: usize, each: &mut impl FnMut(&Envelope<'_>)) {
        if depth == self.level {
            each(&std::mem::take(&mut self.envelope));
            self.in_result = false;
        }
    }
}

/// What a key says. One that was cut short says nothing that matters.
fn name(key: &[u8]) -> std::borrow::Cow<'_, str> {
    let key = std::str::from_utf8(key).ok();
    key.and_then(object::unescape_string).unwrap_or_default()
}
