//! Arguments to plain configuration; the only place that knows clap.
//!
//! A flag wins over the environment (`UPSTREAM_*`), which wins over the configuration file.

pub mod auth;
mod settings;
mod upstream;

pub use upstream::Upstream;

use crate::capture::store::Retention;
use crate::headless::Print;
use crate::mcp::Era;
use crate::tap::Overflow;
use clap::{Args, Parser, Subcommand, ValueEnum};
use settings::Settings;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What was asked for.
#[derive(Debug, Clone)]
pub enum Mode {
    Proxy(Proxy),
    /// Live proxies and saved captures, to choose from.
    Hub,
    Attach {
        /// A pid or a name; `None` for the only live one.
        target: Option<String>,
    },
    Ps {
        json: bool,
    },
    Open {
        file: PathBuf,
    },
    Call(Call),
    List(List),
    /// Logging in to servers.
    Auth(auth::Auth),
    Demo(Recorded),
    /// The demo's server alone, on stdin and stdout.
    DemoServer,
}

/// A proxy in front of one upstream.
#[derive(Debug, Clone)]
pub struct Proxy {
    pub upstream: Upstream,
    /// Where HTTP clients would connect; `None` for the client on stdin and stdout.
    pub listen: Option<String>,
    pub recorded: Recorded,
}

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
}

/// Where the capture goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureTo {
    /// A new file in the captures directory.
    Fresh,
    File(PathBuf),
    Nowhere,
}

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

/// Why there is nothing to run: help that was asked for, or a mistake in words.
#[derive(Debug)]
pub struct Stop(Kind);

#[derive(Debug)]
enum Kind {
    Clap(clap::Error),
    Mistake(String),
}

impl Stop {
    fn mistake(text: impl Into<String>) -> Self {
        Self(Kind::Mistake(text.into()))
    }

    /// Says it where it belongs (help to stdout, a mistake to stderr); the exit code.
    pub fn report(&self) -> u8 {
        match &self.0 {
            Kind::Clap(error) => {
                // A closed stdout or stderr is the reader's choice.
                let _ = error.print();
                u8::try_from(error.exit_code()).unwrap_or(2)
            }
            Kind::Mistake(text) => {
                crate::headless::complain(text);
                2
            }
        }
    }
}

/// Reads the process's own arguments, environment and configuration file.
pub fn parse() -> Result<Mode, Stop> {
    let environment = upstream::Environment::of_process();
    mode(std::env::args_os(), &environment, &settings::load)
}

fn mode(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &upstream::Environment,
    load: &dyn Fn() -> Result<Settings, String>,
) -> Result<Mode, Stop> {
    let arguments =
        Arguments::try_parse_from(arguments).map_err(|error| Stop(Kind::Clap(error)))?;
    let settings = || load().map_err(Stop::mistake);
    let Some(mode) = arguments.mode else {
        // More words than one are a command without its --, to be named in full.
        let argument = (!arguments.url.is_empty()).then(|| arguments.url.join(" "));
        let upstream =
            upstream::resolve(argument, arguments.command, environment).map_err(Stop::mistake)?;
        return match upstream {
            Some(upstream) => Ok(Mode::Proxy(Proxy {
                upstream,
                listen: arguments.listen,
                recorded: arguments.recorded.resolve(settings()?),
            })),
            None if arguments.listen.is_none() && arguments.recorded.is_untouched() => {
                Ok(Mode::Hub)
            }
            None => Err(Stop::mistake(upstream::missing())),
        };
    };
    Ok(match mode {
        ModeArguments::Attach { target } => Mode::Attach { target },
        ModeArguments::Ps { json } => Mode::Ps { json },
        ModeArguments::Open { file } => Mode::Open { file },
        ModeArguments::Call {
            tool,
            args,
            oneshot,
        } => Mode::Call(Call {
            tool,
            arguments: arguments_from(&args),
            oneshot: oneshot.resolve(environment, settings)?,
        }),
        ModeArguments::List { oneshot } => Mode::List(List {
            oneshot: oneshot.resolve(environment, settings)?,
        }),
        ModeArguments::Auth { what } => Mode::Auth(what.into()),
        ModeArguments::Demo { server: true, .. } => Mode::DemoServer,
        ModeArguments::Demo { recorded, .. } => Mode::Demo(recorded.resolve(settings()?)),
    })
}

/// A terminal inspector-proxy for the Model Context Protocol.
///
/// Put it in front of a server's command. In a terminal it opens a screen and talks to the server itself; in a
/// client's configuration it passes every byte through, and `mcp-sentinel attach` shows the conversation.
#[derive(Debug, Parser)]
#[command(
    name = "mcp-sentinel",
    version,
    args_conflicts_with_subcommands = true,
    override_usage = "mcp-sentinel [OPTIONS] -- COMMAND [ARGS]...\n       mcp-sentinel <SUBCOMMAND>\n       mcp-sentinel",
    after_help = AFTER_HELP
)]
struct Arguments {
    /// A server's http:// or https:// address (not built in this version)
    #[arg(value_name = "URL", num_args = 0..)]
    url: Vec<String>,
    /// The server's command; everything after -- is passed on as it stands
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    /// Address on which HTTP clients connect (not built in this version)
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    #[command(flatten)]
    recorded: RecordedArguments,
    #[command(subcommand)]
    mode: Option<ModeArguments>,
}

const AFTER_HELP: &str = "\
Examples:
  mcp-sentinel demo                              see it work, with nothing else installed
  mcp-sentinel -- npx -y @modelcontextprotocol/server-everything
  mcp-sentinel                                   live proxies and saved captures
  mcp-sentinel call get-sum --args '{\"a\":2,\"b\":3}' -- npx -y @modelcontextprotocol/server-everything

In a client's configuration:
  \"command\": \"mcp-sentinel\", \"args\": [\"--\", \"node\", \"server.js\"]

Environment:
  UPSTREAM_CMD        the server's command in one string, when there is no --
  UPSTREAM_URL        the server's address, when there is no --
  UPSTREAM_TRANSPORT  stdio or http: which of the two, when both are set

Exit codes:
  a proxy exits as its server did (128+n for a signal; 127 not found, 126 not executable);
  call and list: 0 ok, 1 tool error, 2 usage, 3 protocol or transport error";

#[derive(Debug, Subcommand)]
enum ModeArguments {
    /// Show a live proxy's conversation since its first message
    Attach {
        /// The proxy's pid or name (see ps); needed when several are live
        #[arg(value_name = "PID|NAME")]
        target: Option<String>,
    },
    /// List live proxies and recent captures
    Ps {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a saved capture, read-only
    Open {
        /// A capture file, also .zst
        file: PathBuf,
    },
    /// Call one tool of a server and print the answer
    Call {
        tool: String,
        /// The arguments, a JSON object: as text, @FILE, or - for stdin
        #[arg(long, value_name = "JSON|@FILE|-", default_value = "{}")]
        args: OsString,
        #[command(flatten)]
        oneshot: OneshotArguments,
    },
    /// List a server's tools, resources and prompts
    List {
        #[command(flatten)]
        oneshot: OneshotArguments,
    },
    /// Log in to servers that ask for OAuth
    Auth {
        #[command(subcommand)]
        what: auth::AuthArguments,
    },
    /// Watch a built-in client and server talk through the proxy
    Demo {
        /// Only the server, on stdin and stdout
        #[arg(long)]
        server: bool,
        #[command(flatten)]
        recorded: RecordedArguments,
    },
}

#[derive(Debug, Args)]
struct RecordedArguments {
    /// No screen, also in a terminal
    #[arg(long)]
    headless: bool,
    /// Write the traffic to stderr: text, one line a message, or json, the capture's lines
    #[arg(
        long,
        value_name = "text|json",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text",
        hide_possible_values = true
    )]
    print: Option<PrintArgument>,
    /// Record into FILE; .zst compresses [default: a new file in the captures directory]
    #[arg(long, value_name = "FILE", conflicts_with = "no_capture")]
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
    #[arg(long)]
    name: Option<String>,
    /// Captures kept in the captures directory [default: 50]
    #[arg(long, value_name = "N")]
    keep_captures: Option<usize>,
    /// Bytes kept in the captures directory, such as 500M or 2G [default: 2G]
    #[arg(long, value_name = "SIZE", value_parser = settings::size)]
    keep_bytes: Option<u64>,
    /// How long a server may take to end before it is killed
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    grace: Duration,
}

#[derive(Debug, Args)]
struct OneshotArguments {
    /// Print raw JSON
    #[arg(long)]
    json: bool,
    /// How long to wait for the server
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,
    /// Protocol era to speak
    #[arg(
        long,
        value_name = "auto|legacy|modern",
        default_value = "auto",
        hide_possible_values = true
    )]
    era: EraArgument,
    /// Record into FILE [default: nothing is kept]
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
    /// The server's command; everything after -- is passed on as it stands
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
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
enum EraArgument {
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

impl RecordedArguments {
    /// Whether none of these options was given that only make sense with an upstream.
    fn is_untouched(&self) -> bool {
        !self.headless
            && !self.no_capture
            && self.print.is_none()
            && self.capture.is_none()
            && self.overflow.is_none()
            && self.name.is_none()
    }

    fn resolve(self, settings: Settings) -> Recorded {
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
        }
    }
}

impl OneshotArguments {
    fn resolve(
        self,
        environment: &upstream::Environment,
        settings: impl FnOnce() -> Result<Settings, Stop>,
    ) -> Result<Oneshot, Stop> {
        let upstream = upstream::resolve(None, self.command, environment)
            .and_then(|upstream| upstream.ok_or_else(upstream::missing))
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

fn arguments_from(argument: &OsString) -> ArgumentsFrom {
    let bytes = argument.as_encoded_bytes();
    match bytes {
        b"-" => ArgumentsFrom::Stdin,
        [b'@', ..] => ArgumentsFrom::File(PathBuf::from(path_after_at(argument))),
        _ => ArgumentsFrom::Text(argument.to_string_lossy().into_owned()),
    }
}

fn path_after_at(argument: &OsString) -> OsString {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::OsStr::from_bytes(&argument.as_bytes()[1..]).to_owned()
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "not a possible number of seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use upstream::Environment;

    fn parsed(line: &[&str], environment: &Environment) -> Result<Mode, Stop> {
        let arguments = std::iter::once("mcp-sentinel")
            .chain(line.iter().copied())
            .map(OsString::from);
        mode(arguments, environment, &|| Ok(Settings::default()))
    }

    fn proxy(line: &[&str]) -> Proxy {
        match parsed(line, &Environment::default()) {
            Ok(Mode::Proxy(proxy)) => proxy,
            other => panic!("{line:?} gave {other:?}"),
        }
    }

    fn complaint(line: &[&str]) -> String {
        match parsed(line, &Environment::default()) {
            Err(Stop(Kind::Mistake(text))) => text,
            Err(Stop(Kind::Clap(error))) => error.to_string(),
            Ok(mode) => panic!("{line:?} gave {mode:?}"),
        }
    }

    fn command(words: &[&str]) -> Upstream {
        Upstream::Command(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn the_arguments_agree_with_themselves() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_stands_after_the_dashes_is_the_servers_whatever_it_looks_like() {
        let line = ["--", "call", "--headless", "x", "--", "-h", ""];
        let proxy = proxy(&line);
        assert_eq!(proxy.upstream, command(&line[1..]));
        assert!(!proxy.recorded.headless);
    }

    #[test]
    fn an_argv_that_is_no_utf8_stays_as_it_is() {
        use std::os::unix::ffi::OsStringExt as _;
        let odd = OsString::from_vec(vec![0xff, b'a', 0x80]);
        let arguments = ["mcp-sentinel".into(), "--".into(), odd.clone()];
        let mode = mode(arguments, &Environment::default(), &|| {
            Ok(Settings::default())
        });
        match mode {
            Ok(Mode::Proxy(proxy)) => assert_eq!(proxy.upstream, Upstream::Command(vec![odd])),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_reads_its_own_options_before_the_dashes_only() {
        let line = ["call", "sum", "--args", "@a.json", "--", "srv", "--json"];
        match parsed(&line, &Environment::default()) {
            Ok(Mode::Call(call)) => {
                assert_eq!(call.tool, "sum");
                assert_eq!(call.arguments, ArgumentsFrom::File("a.json".into()));
                assert!(!call.oneshot.json);
                assert_eq!(call.oneshot.upstream, command(&["srv", "--json"]));
            }
            other => panic!("{other:?}"),
        }
    }

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
    fn a_flag_wins_over_the_configuration_file() {
        let settings = || {
            Ok(Settings {
                overflow: Overflow::Drop,
                ..Settings::default()
            })
        };
        let parse = |line: &[&str]| {
            let arguments = line.iter().map(OsString::from);
            match mode(arguments, &Environment::default(), &settings) {
                Ok(Mode::Proxy(proxy)) => proxy.recorded.overflow,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(parse(&["s", "--", "x"]), Overflow::Drop);
        assert_eq!(
            parse(&["s", "--overflow", "wait", "--", "x"]),
            Overflow::Wait
        );
    }

    #[test]
    fn nothing_at_all_is_the_hub_and_options_without_an_upstream_are_a_mistake() {
        assert!(matches!(
            parsed(&[], &Environment::default()),
            Ok(Mode::Hub)
        ));
        assert!(complaint(&["--headless"]).contains("mcp-sentinel -- node server.js"));
        assert!(complaint(&["list"]).contains("mcp-sentinel -- node server.js"));
    }

    #[test]
    fn a_command_without_the_dashes_is_told_where_they_go() {
        assert!(complaint(&["node"]).contains("mcp-sentinel -- node"));
        assert!(complaint(&["node", "server.js"]).contains("--"));
    }

    #[test]
    fn two_places_for_one_capture_contradict_each_other() {
        assert!(
            complaint(&["--capture", "a", "--no-capture", "--", "x"]).contains("cannot be used")
        );
    }
}
