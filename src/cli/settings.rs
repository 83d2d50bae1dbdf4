//! The configuration file, `$XDG_CONFIG_HOME/mcp-sentinel/config.toml`.

use crate::capture::store::Retention;
use crate::tap::Overflow;
use etcetera::BaseStrategy as _;
use serde::Deserialize;
use std::io;
use std::path::Path;

/// What the file can say, with what holds when it says nothing.
#[derive(Debug, Clone)]
pub struct Settings {
    pub overflow: Overflow,
    pub retention: Retention,
    /// What to mask in an argv, besides what looks like a secret anyway.
    pub redact: Vec<regex::Regex>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            overflow: Overflow::Wait,
            retention: Retention::default(),
            redact: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    overflow: Option<OverflowWord>,
    keep_captures: Option<usize>,
    keep_bytes: Option<Size>,
    #[serde(default)]
    redact: Vec<String>,
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

/// Reads the user's file; a missing one says nothing.
pub fn load() -> Result<Settings, String> {
    let Ok(base) = etcetera::choose_base_strategy() else {
        return Ok(Settings::default());
    };
    let path = base.config_dir().join("mcp-sentinel").join("config.toml");
    match std::fs::read_to_string(&path) {
        Ok(text) => read(&text, &path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

fn read(text: &str, path: &Path) -> Result<Settings, String> {
    let wrong = |what: String| format!("{}: {}", path.display(), what.trim_end());
    let file: File = toml::from_str(text).map_err(|error| wrong(plain(&error.to_string())))?;
    let mut settings = Settings::default();
    if let Some(word) = file.overflow {
        settings.overflow = match word {
            OverflowWord::Wait => Overflow::Wait,
            OverflowWord::Drop => Overflow::Drop,
        };
    }
    if let Some(captures) = file.keep_captures {
        settings.retention.captures = captures;
    }
    match file.keep_bytes {
        Some(Size::Bytes(bytes)) => settings.retention.bytes = bytes,
        Some(Size::Text(text)) => {
            settings.retention.bytes =
                size(&text).map_err(|error| wrong(format!("keep_bytes: {error}")))?;
        }
        None => {}
    }
    for pattern in &file.redact {
        let pattern =
            regex::Regex::new(pattern).map_err(|error| wrong(format!("redact: {error}")))?;
        settings.redact.push(pattern);
    }
    Ok(settings)
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
        let complaint = settings("keep_captures = 7\nkepe_bytes = 3").unwrap_err();
        assert!(complaint.contains("/home/me/config.toml"), "{complaint}");
        assert!(complaint.contains("line 2"), "{complaint}");
        assert!(complaint.contains("kepe_bytes"), "{complaint}");
    }

    #[test]
    fn a_value_of_another_kind_is_refused_in_plain_words() {
        for (text, expected) in [
            ("keep_captures = \"x\"", "a whole number"),
            ("redact = \"x\"", "a list"),
            ("keep_bytes = []", "a size"),
        ] {
            let complaint = settings(text).unwrap_err();
            assert!(complaint.contains(expected), "{complaint}");
        }
    }

    #[test]
    fn a_pattern_that_is_no_pattern_is_refused() {
        assert!(settings("redact = ['(']").unwrap_err().contains("redact"));
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
