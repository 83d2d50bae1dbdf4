//! What is no message, on its way to the record with its secrets masked, however long it is: one stretch at a time, each
//! cut where one value ends and the next begins, so that no secret lies across.

use super::body::{Each, Found, record};
use crate::capture::redact;
use crate::tap::{Gap, Half};
use regex::Regex;

/// As soon as so much is held, what of it is whole is recorded.
const STRETCH: usize = 1 << 20;
/// A single value that is longer is not looked for secrets, and so not recorded; nor is what follows it.
const LONGEST: usize = 16 << 20;

/// How one value is told from the next.
#[derive(Debug)]
pub(super) enum Form {
    /// By a comma outside of strings.
    Json { in_string: bool, escaped: bool },
    /// By an ampersand.
    Parameters,
}

impl Form {
    pub const JSON: Self = Self::Json {
        in_string: false,
        escaped: false,
    };

    /// Whether a value ends with the next byte.
    fn ends_with(&mut self, byte: u8) -> bool {
        let (in_string, escaped) = match self {
            Self::Parameters => return byte == b'&',
            Self::Json { in_string, escaped } => (in_string, escaped),
        };
        let is_literal = std::mem::take(escaped);
        match byte {
            b'\\' => *escaped = *in_string && !is_literal,
            b'"' if !is_literal => *in_string = !*in_string,
            // No string of JSON has one in it: this is something else, where a quote stood alone.
            b'\n' => *in_string = false,
            _ => {}
        }
        byte == b',' && !*in_string
    }

    fn mask(&self, text: &str, secret: &[Regex]) -> String {
        match self {
            Self::Json { .. } => redact::http::text(text, secret),
            Self::Parameters => redact::http::form(text, secret),
        }
    }
}

#[derive(Debug)]
pub(super) struct Masked {
    form: Form,
    held: Vec<u8>,
    /// How much of it is whole values.
    whole: usize,
    /// So much came since a value was too long.
    lost: u64,
}

impl Masked {
    pub fn new(form: Form) -> Self {
        Self {
            form,
            held: Vec::new(),
            whole: 0,
            lost: 0,
        }
    }

    /// What is neither recorded nor told to be lost.
    pub fn len(&self) -> u64 {
        self.held.len() as u64 + self.lost
    }

    pub fn push(&mut self, of: Half, secret: &[Regex], bytes: &[u8], each: Each<'_>) {
        if self.lost > 0 {
            self.lost += bytes.len() as u64;
            return;
        }
        let before = self.held.len();
        self.held.extend_from_slice(bytes);
        for (at, &byte) in bytes.iter().enumerate() {
            if self.form.ends_with(byte) {
                self.whole = before + at + 1;
            }
        }
        if self.held.len() > STRETCH && self.whole > 0 {
            let rest = self.held.split_off(std::mem::take(&mut self.whole));
            let stretch = std::mem::replace(&mut self.held, rest);
            self.record(of, secret, &stretch, each);
        }
        if self.held.len() > LONGEST {
            self.lost = std::mem::take(&mut self.held).len() as u64;
        }
    }

    /// No more comes.
    pub fn finish(mut self, of: Half, secret: &[Regex], each: Each<'_>) {
        if self.lost > 0 {
            return each(Found::Lost(Gap {
                messages: 0,
                bytes: self.lost,
                reason: "a value that is no message was too long to look for secrets in it".into(),
            }));
        }
        let rest = std::mem::take(&mut self.held);
        self.record(of, secret, &rest, each);
    }

    fn record(&self, of: Half, secret: &[Regex], bytes: &[u8], each: Each<'_>) {
        record(of, bytes, |text| self.form.mask(text, secret), each);
    }
}
