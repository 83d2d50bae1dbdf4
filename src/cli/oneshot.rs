//! `call` and `list`: one conversation with a server, for a script.

use super::Stop;
use super::recorded::EraArgument;
use super::recorded::capture_file;
use super::settings::Settings;
use super::time::some_seconds;
use super::upstream::{self, Environment, Invocation, RemoteArguments, Upstream};
use crate::mcp::Era;
use clap::Args;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One tool call from a script.
#[derive(Debug, Clone)]
pub struct Call {
    pub tool: String,
    pub arguments: ArgumentsFrom,
    pub oneshot: Oneshot,
}

/// What the server offers, for a script.
#[derive(Debug, Clone)]
pub struct List {
    pub oneshot: Oneshot,
}

/// What `call` and `list` share.
#[derive(Debug, Clone)]
pub struct Oneshot {
    pub upstream: Upstream,
    pub json: bool,
    pub timeout: Duration,
    pub era: Option<Era>,
    /// `None` keeps no capture.
    pub capture: Option<PathBuf>,
    pub redact: Vec<regex::Regex>,
}

/// Where a call's arguments stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgumentsFrom {
    Text(String),
    File(PathBuf),
    Stdin,
}

/// As it was typed, but for text.
impl fmt::Display for ArgumentsFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("--args"),
            Self::File(path) => write!(f, "--args @{}", path.display()),
            Self::Stdin => f.write_str("--args - (stdin)"),
        }
    }
}

pub(super) const CALL_HELP: &str = "\
What the server asks back is declined, as nobody is there to answer, and said on stderr.
A modern server's request for a sample cannot be declined, and ends the call with 3.

Exit codes:
  0      ok
  1      the tool answered with an error
  2      a mistake in the command line
  3      the protocol or the connection failed, or anything else went wrong
  128+n  ended by a signal";

pub(super) const LIST_HELP: &str = "\
Exit codes:
  0      ok
  2      a mistake in the command line
  3      the protocol or the connection failed, or anything else went wrong;
         what came is printed, and a list that did not come is missing
  128+n  ended by a signal";

#[derive(Debug, Args)]
pub(super) struct OneshotArguments {
    /// Print raw JSON: the result, or {"error": …} with an error of the protocol; the lists as one object
    #[arg(long)]
    json: bool,
    /// How long to wait for the server
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = some_seconds)]
    timeout: Duration,
    /// Protocol era to speak
    #[arg(
        long,
        value_name = "auto|legacy|modern",
        default_value = "auto",
        hide_possible_values = true
    )]
    era: EraArgument,
    /// Record into FILE, which must be new or empty [default: nothing is kept]
    #[arg(long, value_name = "FILE", value_parser = capture_file())]
    capture: Option<PathBuf>,
    /// The server's http:// or https:// address
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// A mistake, of which more can be said than that it is one.
    #[arg(hide = true, num_args = 0..)]
    more: Vec<String>,
    /// The server's command; everything after -- is passed on as it stands
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten)]
    remote: RemoteArguments,
}

impl OneshotArguments {
    /// Whether something stands before the `--` that is no address.
    pub(super) fn has_stray_words(&self) -> bool {
        self.url.iter().any(|word| !upstream::is_url(word))
    }

    pub(super) fn resolve(
        self,
        environment: &Environment,
        invocation: &Invocation,
        settings: impl FnOnce() -> Result<Settings, Stop>,
    ) -> Result<Oneshot, Stop> {
        let words = self.url.into_iter().chain(self.more).collect();
        let upstream = upstream::resolve(words, self.command, self.remote, environment, invocation)
            .and_then(|upstream| upstream.ok_or_else(|| invocation.missing()))
            .map_err(Stop::mistake)?;
        Ok(Oneshot {
            upstream,
            json: self.json,
            timeout: self.timeout,
            era: self.era.into(),
            capture: self.capture,
            redact: settings()?.redact,
        })
    }
}

pub(super) fn arguments_from(argument: &OsString) -> Result<ArgumentsFrom, String> {
    let bytes = argument.as_encoded_bytes();
    Ok(match bytes {
        b"-" => ArgumentsFrom::Stdin,
        b"@" => {
            return Err(
                "--args @ names no file; put its name after the @, for example --args @arguments.json"
                    .to_owned(),
            );
        }
        [b'@', ..] => ArgumentsFrom::File(PathBuf::from(path_after_at(argument))),
        _ => ArgumentsFrom::Text(argument.to_string_lossy().into_owned()),
    })
}

fn path_after_at(argument: &OsString) -> OsString {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::OsStr::from_bytes(&argument.as_bytes()[1..]).to_owned()
}
