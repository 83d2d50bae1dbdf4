//! Ids and progress tokens: which are the same, and giving one another name in raw bytes.
//!
//! Independent clients share one child, whose ids and tokens make one name space.

use crate::wire::{object, splice};
use bytes::Bytes;
use std::hash::{BuildHasher, RandomState};

/// An id or a token, by what it says and not by how it is spelled: `1`, `1.0` and `1e0` are one, `1` and `"1"` are two.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    Text(Box<str>),
    /// The bits of what most peers read it as.
    Number(u64),
    Other(Box<str>),
}

impl Name {
    pub fn of(raw: &str) -> Self {
        if let Some(text) = object::unescape(raw) {
            return Self::Text(text.into());
        }
        match raw.parse::<f64>() {
            // Both zeros are one.
            Ok(number) => Self::Number((number + 0.0).to_bits()),
            Err(_) => Self::Other(raw.into()),
        }
    }

    /// The same in the other type, as careless peers answer.
    pub fn loosely(&self) -> Option<Self> {
        match self {
            Self::Text(text) => match Self::of(text) {
                number @ Self::Number(_) => Some(number),
                _ => None,
            },
            Self::Number(bits) => Some(Self::Text(f64::from_bits(*bits).to_string().into())),
            Self::Other(_) => None,
        }
    }
}

/// A raw token that nobody else uses, now or later.
pub fn fresh(number: u64) -> String {
    let random = RandomState::new().hash_one(number);
    format!("\"mcps-{number}-{random:016x}\"")
}

/// The message with the value at `path` replaced by the raw token; as it is when there is nothing to replace.
pub fn rename(message: Bytes, path: &[&str], raw: &str) -> Bytes {
    let renamed = std::str::from_utf8(&message)
        .ok()
        .filter(|text| object::at(text, path).is_some())
        .and_then(|text| splice::set(text, path, raw));
    renamed.map_or(message, Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_however_they_are_spelled() {
        assert_eq!(Name::of("1"), Name::of("1.0"));
        assert_eq!(Name::of("1"), Name::of("10e-1"));
        assert_eq!(Name::of("-0"), Name::of("0"));
        assert_eq!(Name::of("\"a\""), Name::of("\"\\u0061\""));
        assert_eq!(Name::of("null"), Name::of("null"));
    }

    #[test]
    fn numbers_that_most_peers_cannot_tell_apart_are_one() {
        assert_eq!(Name::of("9007199254740992"), Name::of("9007199254740993"));
    }

    #[test]
    fn a_number_and_its_text_are_two_that_are_loosely_one() {
        assert_ne!(Name::of("1"), Name::of("\"1\""));
        assert_eq!(Name::of("1").loosely(), Some(Name::of("\"1\"")));
        assert_eq!(Name::of("\"1\"").loosely(), Some(Name::of("1")));
        assert_eq!(Name::of("\"a\"").loosely(), None);
    }

    #[test]
    fn only_the_name_is_replaced() {
        let message = Bytes::from_static(br#"{ "id":1.0, "result":{"id":1,"x":1e3}}"#);
        assert_eq!(
            rename(message.clone(), &["id"], "\"f\""),
            &br#"{ "id":"f", "result":{"id":1,"x":1e3}}"#[..]
        );
        assert_eq!(rename(message.clone(), &["params", "token"], "2"), message);
    }
}
