//! The configuration file, `$XDG_CONFIG_HOME/mcp-sentinel/config.toml`.

use crate::capture::store::Retention;
use crate::tap::Overflow;
use etcetera::BaseStrategy as _;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use std::io;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What must not be gone on without.
const REDACT: &str = "redact";

/// What the file can say, with what holds when it says nothing.
#[derive(Debug, Clone)]
pub struct Settings {
    pub overflow: Overflow,
    pub retention: Retention,
    /// What to mask in an argv, besides what looks like a secret anyway.
    pub redact: Vec<regex::Regex>,
    /// What of the file could not be read, each with its place.
    pub faults: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            overflow: Overflow::Wait,
            retention: Retention::default(),
            redact: Vec::new(),
            faults: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum OverflowWord {
    Wait,
    Drop,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Bytes(u64),
    Text(String),
}

/// Reads the user's file; a missing one says nothing. What cannot be read of it is a fault, and holds as if it was not
/// said; but not of what is to be masked, which would be recorded.
pub fn load() -> Result<Settings, String> {
    let Ok(base) = etcetera::choose_base_strategy() else {
        return Ok(Settings::default());
    };
    let path = base.config_dir().join("mcp-sentinel").join("config.toml");
    match std::fs::read(&path) {
        Ok(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => read(text, &path),
            Err(error) => {
                let fault = format!("{}: {error}", path.display());
                unread(fault, &String::from_utf8_lossy(&bytes))
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
        // What is to be masked may stand in it.
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// Nothing of the file can be read.
fn unread(fault: String, text: &str) -> Result<Settings, String> {
    match text.contains(REDACT) {
        true => Err(fault),
        false => Ok(Settings {
            faults: vec![fault],
            ..Settings::default()
        }),
    }
}

fn read(text: &str, path: &Path) -> Result<Settings, String> {
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let fault = format!("{}: {}", path.display(), error.to_string().trim_end());
            return unread(fault, text);
        }
    };
    let mut settings = Settings::default();
    for (key, value) in table {
        let before = text.get(..key.span().start).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        if let Err(why) = settings.set(key.get_ref(), value) {
            let fault = format!("{}, line {line}: {why}", path.display());
            match key.get_ref().as_ref() {
                REDACT => return Err(fault),
                _ => settings.faults.push(fault),
            }
        }
    }
    // It may stand in another table, as in one of these that nobody knows.
    if !settings.faults.is_empty() && settings.redact.is_empty() && text.contains(REDACT) {
        return Err(settings.faults.join("\n"));
    }
    Ok(settings)
}

impl Settings {
    fn set(&mut self, name: &str, value: Spanned<DeValue<'_>>) -> Result<(), String> {
        match name {
            "overflow" => {
                self.overflow = match value_of(name, value)? {
                    OverflowWord::Wait => Overflow::Wait,
                    OverflowWord::Drop => Overflow::Drop,
                }
            }
            "keep_captures" => self.retention.captures = value_of(name, value)?,
            "keep_bytes" => {
                self.retention.bytes = match value_of(name, value)? {
                    Size::Bytes(bytes) => bytes,
                    Size::Text(text) => size(&text).map_err(|why| format!("{name}: {why}"))?,
                }
            }
            REDACT => {
                for pattern in value_of::<Vec<String>>(name, value)? {
                    let pattern = regex::Regex::new(&pattern);
                    self.redact
                        .push(pattern.map_err(|why| format!("{name}: {why}"))?);
                }
            }
            _ => {
                return Err(format!(
                    "there is no `{name}`; there are overflow, keep_captures, keep_bytes and {REDACT}"
                ));
            }
        }
        Ok(())
    }
}

fn value_of<T: DeserializeOwned>(name: &str, value: Spanned<DeValue<'_>>) -> Result<T, String> {
    let value = T::deserialize(value.into_deserializer());
    value.map_err(|error| format!("{name}: {}", plain(error.message())))
}

/// What serde calls things, as people do.
fn plain(error: &str) -> String {
    [
        ("expected usize", "expected a whole number, such as 50"),
        ("expected a sequence", "expected a list, such as [\"…\"]"),
        (
            "data did not match any variant of untagged enum Size",
            "expected a size, such as \"500M\"",
        ),
    ]
    .iter()
    .fold(error.to_owned(), |text, (theirs, ours)| {
        text.replace(theirs, ours)
    })
}

/// `1048576`, `500M`, `2G`, `1.5 GiB`: powers of 1024.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size such as 500M or 2G");
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let exponent = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Ok((number * 1024_f64.powi(exponent)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, String> {
        read(text, Path::new("/home/me/config.toml"))
    }

    #[test]
    fn each_setting_is_read() {
        let settings = settings(
            "overflow = \"drop\"\nkeep_captures = 7\nkeep_bytes = \"1.5 GiB\"\nredact = ['acme-\\w+']",
        )
        .unwrap();
        assert_eq!(settings.overflow, Overflow::Drop);
        assert_eq!(settings.retention.captures, 7);
        assert_eq!(settings.retention.bytes, 3 << 29);
        assert!(settings.redact[0].is_match("acme-x"));
    }

    #[test]
    fn a_setting_that_is_not_there_is_named_with_its_line() {
        let read = settings("keep_captures = 7\nkepe_bytes = 3\noverflow = 'drop'").unwrap();
        assert_eq!(read.retention.captures, 7);
        assert_eq!(read.overflow, Overflow::Drop);
        let [complaint] = &read.faults[..] else {
            panic!("{read:?}");
        };
        assert!(complaint.contains("/home/me/config.toml"), "{complaint}");
        assert!(complaint.contains("line 2"), "{complaint}");
        assert!(complaint.contains("kepe_bytes"), "{complaint}");
    }

    #[test]
    fn a_value_of_another_kind_is_a_fault_in_plain_words() {
        for (text, expected) in [
            ("keep_captures = \"x\"", "a whole number"),
            ("keep_captures = -1", "a whole number"),
            ("keep_bytes = []", "a size"),
            ("keep_bytes = 'much'", "not a size"),
            ("overflow = 'later'", "`wait` or `drop`"),
            ("overflow = ", "line 1"),
        ] {
            let complaint = settings(text).unwrap().faults.concat();
            assert!(complaint.contains(expected), "{complaint}");
        }
    }

    #[test]
    fn what_is_to_be_masked_is_not_gone_on_without() {
        for text in [
            "redact = ['(']",
            "redact = 'x'",
            "redact = [7]",
            "[redact]",
            "keep_captures = \nredact = ['x']",
            "[recording]\nredact = ['x']",
        ] {
            let complaint = settings(text).unwrap_err();
            assert!(complaint.contains("config.toml"), "{complaint}");
        }
    }

    #[test]
    fn sizes_read_as_people_write_them() {
        assert_eq!(size("1048576"), Ok(1 << 20));
        assert_eq!(size("500M"), Ok(500 << 20));
        assert_eq!(size("2 GiB"), Ok(2 << 30));
        assert_eq!(size("2gb"), Ok(2 << 30));
        for wrong in ["", "G", "-1", "1.2.3M", "5 parsecs"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
