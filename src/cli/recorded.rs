//! How a proxy shows and records what it forwards.

use super::settings::{self, Settings};
use super::time::seconds;
use crate::capture::store::Retention;
use crate::headless::Print;
use crate::mcp::Era;
use crate::tap::Overflow;
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

/// How a proxy shows and records what it forwards.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// No screen, also on a terminal.
    pub headless: bool,
    pub print: Option<Print>,
    pub name: Option<String>,
    /// `None` finds out.
    pub era: Option<Era>,
    pub grace: Duration,
    pub capture: CaptureTo,
    pub overflow: Overflow,
    pub retention: Retention,
    /// What else to mask in an argv, besides what looks like a secret anyway.
    pub redact: Vec<regex::Regex>,
    /// What of the configuration file could not be read.
    pub faults: Vec<String>,
}

/// Where the capture goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureTo {
    /// A new file in the captures directory.
    Fresh,
    File(PathBuf),
    Nowhere,
}

#[derive(Debug, Args)]
pub(super) struct RecordedArguments {
    /// No screen, also in a terminal
    #[arg(long)]
    headless: bool,
    /// Write the traffic to stderr: text, one line a message, or json, the capture's lines, among objects that tell of the
    /// start, the end and warnings
    #[arg(
        long,
        value_name = "text|json",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text",
        hide_possible_values = true
    )]
    print: Option<PrintArgument>,
    /// Record into FILE, which must be new or empty; .zst compresses [default: a new file in the captures directory]
    #[arg(long, value_name = "FILE", conflicts_with = "no_capture", value_parser = capture_file())]
    capture: Option<PathBuf>,
    /// Record nothing
    #[arg(long)]
    no_capture: bool,
    /// When the disk cannot keep up: wait (nothing is lost) or drop (what is lost is counted)
    #[arg(long, value_name = "wait|drop", hide_possible_values = true)]
    overflow: Option<OverflowArgument>,
    /// Protocol era of the operator's own session
    #[arg(
        long,
        value_name = "auto|legacy|modern",
        default_value = "auto",
        hide_possible_values = true
    )]
    era: EraArgument,
    /// What ps and the screens call this proxy [default: made from the command]
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// Captures kept in the captures directory [default: 50]
    #[arg(long, value_name = "N")]
    keep_captures: Option<usize>,
    /// Bytes kept in the captures directory, such as 500M or 2G [default: 2G]
    #[arg(long, value_name = "SIZE", value_parser = settings::size)]
    keep_bytes: Option<u64>,
    /// How long a server that is told to end (by a signal to us, or by leaving the screen) may take before it is killed;
    /// one whose client has left may take as long as it likes
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    grace: Duration,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PrintArgument {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OverflowArgument {
    Wait,
    Drop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum EraArgument {
    Auto,
    Legacy,
    Modern,
}

impl From<EraArgument> for Option<Era> {
    fn from(argument: EraArgument) -> Self {
        match argument {
            EraArgument::Auto => None,
            EraArgument::Legacy => Some(Era::Legacy),
            EraArgument::Modern => Some(Era::Modern),
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a name is not empty".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

impl RecordedArguments {
    /// Whether none of these options was given that only make sense with an upstream.
    pub(super) fn is_untouched(&self) -> bool {
        !self.headless
            && !self.no_capture
            && self.print.is_none()
            && self.capture.is_none()
            && self.overflow.is_none()
            && self.name.is_none()
    }

    pub(super) fn resolve(self, settings: Settings) -> Recorded {
        let capture = match (self.capture, self.no_capture) {
            (Some(file), _) => CaptureTo::File(file),
            (None, true) => CaptureTo::Nowhere,
            (None, false) => CaptureTo::Fresh,
        };
        let flagged = self.overflow.map(|overflow| match overflow {
            OverflowArgument::Wait => Overflow::Wait,
            OverflowArgument::Drop => Overflow::Drop,
        });
        Recorded {
            headless: self.headless,
            print: self.print.map(|print| match print {
                PrintArgument::Text => Print::Text,
                PrintArgument::Json => Print::Json,
            }),
            name: self.name,
            era: self.era.into(),
            grace: self.grace,
            capture,
            overflow: flagged.unwrap_or(settings.overflow),
            retention: Retention {
                captures: self.keep_captures.unwrap_or(settings.retention.captures),
                bytes: self.keep_bytes.unwrap_or(settings.retention.bytes),
            },
            redact: settings.redact,
            faults: settings.faults,
        }
    }
}

/// A file to record into.
pub(super) fn capture_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        let packed = path.extension().and_then(OsStr::to_str);
        match packed {
            _ if path.as_os_str() == "-" => {
                Err("a capture goes into a file; ./- is one that is called -".to_owned())
            }
            Some("gz" | "bz2" | "xz" | "zip") => {
                Err("a capture is compressed as .zst, or not at all".to_owned())
            }
            _ => Ok(path),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{complaint, proxy};
    use super::super::{Environment, Mode, mode};
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn print_takes_its_form_after_an_equals_sign_only() {
        assert_eq!(
            proxy(&["--print", "--", "x"]).recorded.print,
            Some(Print::Text)
        );
        assert_eq!(
            proxy(&["--print=json", "--", "x"]).recorded.print,
            Some(Print::Json)
        );
        assert!(complaint(&["--print=xml", "--", "x"]).contains("text, json"));
    }

    #[test]
    fn a_capture_goes_into_a_file_of_any_name_but_none() {
        use std::os::unix::ffi::OsStringExt as _;
        let name = OsString::from_vec(vec![b'a', 0xff]);
        let arguments = [
            "s".into(),
            "--capture".into(),
            name.clone(),
            "--".into(),
            "x".into(),
        ];
        let asked = mode(arguments, &Environment::default(), &|| {
            Ok(Settings::default())
        });
        match asked {
            Ok(Mode::Proxy(proxy)) => {
                assert_eq!(proxy.recorded.capture, CaptureTo::File(name.into()));
            }
            other => panic!("{other:?}"),
        }
        assert!(complaint(&["--capture", "-", "--", "x"]).contains("./- is one"));
        assert!(complaint(&["--capture", "", "--", "x"]).contains("a value is required"));
        assert!(complaint(&["--capture", "a.jsonl.gz", "--", "x"]).contains("as .zst"));
    }

    #[test]
    fn two_places_for_one_capture_contradict_each_other() {
        assert!(
            complaint(&["--capture", "a", "--no-capture", "--", "x"]).contains("cannot be used")
        );
    }
}
