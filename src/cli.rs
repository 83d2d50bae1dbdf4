//! Arguments to plain configuration; the only place that knows clap.
//!
//! A flag wins over the environment (`UPSTREAM_*`), which wins over the configuration file.

mod arguments;
pub mod auth;
mod explain;
mod later;
mod listen;
mod oneshot;
mod recorded;
mod settings;
mod time;
mod upstream;

pub use oneshot::{ArgumentsFrom, Call, List, Oneshot};
pub use recorded::{CaptureTo, Recorded};
pub use upstream::{Remote, Trust, Upstream};

use crate::proxy::listener::{Listen, Token};
use arguments::{Arguments, ModeArguments};
use clap::Parser as _;
use explain::explained;
use later::Later;
use settings::Settings;
use std::ffi::OsString;
use std::path::PathBuf;
use upstream::{Environment, Invocation};

/// What was asked for.
#[derive(Debug, Clone)]
pub enum Mode {
    Proxy(Proxy),
    /// Live proxies and saved captures, to choose from.
    Hub,
    Attach {
        /// A pid, a name, or the path of a socket; `None` for the only live one.
        target: Option<OsString>,
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
    /// Where HTTP clients connect; `None` for the client on stdin and stdout.
    pub listen: Option<Listen>,
    /// What clients must show, also where one is open without being asked for.
    pub token: Option<Token>,
    pub recorded: Recorded,
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
    let environment = Environment::of_process();
    mode(std::env::args_os(), &environment, &settings::load)
}

fn mode(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    load: &dyn Fn() -> Result<Settings, String>,
) -> Result<Mode, Stop> {
    let mut words: Vec<OsString> = arguments.into_iter().collect();
    // clap's own `help` has no help.
    if words.len() == 3 && words[1] == "help" && (words[2] == "--help" || words[2] == "-h") {
        words.remove(1);
    }
    let arguments = Arguments::try_parse_from(&words).map_err(|error| explained(error, &words))?;
    let settings = || load().map_err(Stop::mistake);
    let sound = || match settings()? {
        Settings { faults, .. } if !faults.is_empty() => Err(Stop::mistake(faults.join("\n"))),
        settings => Ok(settings),
    };
    let Some(mode) = arguments.mode else {
        let Arguments {
            url,
            more,
            command,
            listen,
            remote,
            auto_reinit,
            recorded,
            mode: _,
        } = arguments;
        let is_bare = listen.is_untouched()
            && recorded.is_untouched()
            && remote.given().is_none()
            && !auto_reinit;
        let invocation = Invocation::new(&[]);
        let words = url.into_iter().chain(more).collect();
        let upstream = upstream::resolve(words, command, remote, environment, &invocation)
            .map_err(Stop::mistake)?;
        return match upstream {
            Some(upstream) => {
                let token = listen.token(environment).map_err(Stop::mistake)?;
                let listen = listen.resolve(&upstream, token.clone());
                let listen = listen.map_err(Stop::mistake)?;
                let upstream = upstream.with_auto_reinit(auto_reinit, listen.is_some());
                Ok(Mode::Proxy(Proxy {
                    upstream: upstream.map_err(Stop::mistake)?,
                    listen,
                    token,
                    recorded: recorded.resolve(settings()?),
                }))
            }
            None if is_bare => Ok(Mode::Hub),
            None => Err(Stop::mistake(invocation.missing())),
        };
    };
    Ok(match mode {
        ModeArguments::Attach { target } => Mode::Attach { target },
        ModeArguments::Ps { json } => Mode::Ps { json },
        ModeArguments::Open { file } => Mode::Open { file },
        ModeArguments::Call {
            tool,
            oneshot: Later(oneshot),
            ..
        } if tool.starts_with('-') && oneshot.has_stray_words() => {
            return Err(Stop::mistake(format!(
                "call has no option {tool}, and more follows than a tool of that name can have; see mcp-sentinel call --help"
            )));
        }
        ModeArguments::Call {
            tool,
            args,
            oneshot: Later(oneshot),
        } => Mode::Call(Call {
            arguments: oneshot::arguments_from(&args).map_err(Stop::mistake)?,
            oneshot: oneshot.resolve(environment, &Invocation::new(&["call", &tool]), sound)?,
            tool,
        }),
        ModeArguments::List {
            oneshot: Later(oneshot),
        } => Mode::List(List {
            oneshot: oneshot.resolve(environment, &Invocation::new(&["list"]), sound)?,
        }),
        ModeArguments::Auth { what: Later(what) } => Mode::Auth(what.into()),
        ModeArguments::Demo { server: true, .. } => Mode::DemoServer,
        ModeArguments::Demo {
            recorded: Later(recorded),
            ..
        } => Mode::Demo(recorded.resolve(sound()?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::Overflow;
    use clap::CommandFactory as _;

    fn parsed(line: &[&str], environment: &Environment) -> Result<Mode, Stop> {
        let arguments = std::iter::once("mcp-sentinel")
            .chain(line.iter().copied())
            .map(OsString::from);
        mode(arguments, environment, &|| Ok(Settings::default()))
    }

    /// The proxy that is asked for, or the mistake in words.
    pub(super) fn with(line: &[&str], environment: &Environment) -> Result<Proxy, String> {
        match parsed(line, environment) {
            Ok(Mode::Proxy(proxy)) => Ok(proxy),
            Ok(mode) => panic!("{line:?} gave {mode:?}"),
            Err(Stop(Kind::Mistake(text))) => Err(text),
            Err(Stop(Kind::Clap(error))) => Err(error.to_string()),
        }
    }

    pub(super) fn proxy(line: &[&str]) -> Proxy {
        with(line, &Environment::default()).unwrap()
    }

    pub(super) fn complaint(line: &[&str]) -> String {
        with(line, &Environment::default()).unwrap_err()
    }

    fn command(words: &[&str]) -> Upstream {
        Upstream::Command(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn the_arguments_agree_with_themselves() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_help_of_a_subcommand_says_what_the_list_of_them_says() {
        let arguments = Arguments::command();
        let mut built = arguments.clone();
        built.build();
        for listed in arguments.get_subcommands() {
            let of_its_own = built.find_subcommand(listed.get_name()).unwrap();
            let texts =
                |it: &clap::Command| [it.get_about(), it.get_long_about()].map(|it| it.cloned());
            assert_eq!(texts(of_its_own), texts(listed), "{}", listed.get_name());
        }
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
    fn a_tool_may_begin_with_a_hyphen_but_be_no_option() {
        for (line, tool) in [
            (&["call", "-x", "--json", "--", "srv"][..], "-x"),
            (&["call", "--json", "--export", "--", "srv"], "--export"),
        ] {
            match parsed(line, &Environment::default()) {
                Ok(Mode::Call(call)) => {
                    assert_eq!(call.tool, tool);
                    assert!(call.oneshot.json);
                }
                other => panic!("{other:?}"),
            }
        }
        let misspelt = complaint(&["call", "--arg", "{}", "echo", "--", "srv"]);
        assert!(misspelt.contains("has no option --arg,"), "{misspelt}");
        assert!(complaint(&["call", "--help"]).contains("Exit codes"));
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
    fn a_session_is_begun_anew_only_where_its_client_cannot_do_it() {
        let url = "http://host/mcp";
        let begins_anew = |line: &[&str]| match proxy(line).upstream {
            Upstream::Http(remote) => remote.auto_reinit,
            Upstream::Command(command) => panic!("{command:?}"),
        };
        assert!(begins_anew(&["--auto-reinit", url]) && !begins_anew(&[url]));
        let complaint_of = |more: &[&str]| complaint(&[&["--auto-reinit"], more].concat());
        assert!(complaint_of(&["--", "x"]).contains("for a server at a URL"));
        assert!(complaint_of(&["--listen", "1", url]).contains("for a client on stdio"));
        assert!(complaint_of(&[]).contains("no server is named"));
        assert!(complaint(&["list", "--auto-reinit", url]).contains("'--auto-reinit'"));
    }

    #[test]
    fn nothing_at_all_is_the_hub_and_options_without_an_upstream_are_a_mistake() {
        assert!(matches!(
            parsed(&[], &Environment::default()),
            Ok(Mode::Hub)
        ));
        assert!(complaint(&["--headless"]).contains("mcp-sentinel -- node server.js"));
        assert!(complaint(&["list"]).contains("mcp-sentinel list -- node server.js"));
        assert!(complaint(&["call", "t"]).contains("mcp-sentinel call t https://host/mcp"));
    }

    #[test]
    fn a_command_without_the_dashes_is_told_where_they_go() {
        assert!(complaint(&["node"]).contains("mcp-sentinel -- node"));
        for (before, example) in [
            (&[][..], "mcp-sentinel"),
            (&["--name", "x"], "mcp-sentinel"),
            (&["call", "tool"], "mcp-sentinel call tool"),
            (&["list"], "mcp-sentinel list"),
        ] {
            let complaint = complaint(&[before, &["node", "server.js", "--port", "3"]].concat());
            assert!(
                complaint.ends_with(&format!("\n  {example} -- node server.js --port 3")),
                "{complaint}"
            );
        }
        let same_word = complaint(&["call", "echo", "echo", "--x", "1"]);
        assert!(
            same_word.ends_with("\n  mcp-sentinel call echo -- echo --x 1"),
            "{same_word}"
        );
        for line in [
            &["--port", "3"][..],
            &["http://host/mcp", "--port", "3"],
            &["ps", "--port"],
        ] {
            assert!(complaint(line).contains("unexpected argument '--port'"));
        }
    }

    #[test]
    fn a_server_at_a_url_is_reached_as_it_is_told() {
        let environment = Environment::from_iter([("KEY", "k1"), ("UPSTREAM_URL", "https://h/m")]);
        let line = [
            "--header",
            "X-A: b",
            "--header-env",
            "Authorization=KEY",
            "--cacert",
            "ca.pem",
        ];
        let url = ["https://h/m"];
        for line in [[&line[..], &url].concat(), line.to_vec()] {
            let Upstream::Http(remote) = with(&line, &environment).unwrap().upstream else {
                panic!("a command");
            };
            assert_eq!(remote.url, url[0]);
            let headers: Vec<_> = remote
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            assert_eq!(headers, [("x-a", "b"), ("authorization", "k1")]);
            assert_eq!(remote.trust.cacert, Some("ca.pem".into()));
        }
        for (options, why) in [
            (
                ["--header-env", "Authorization"],
                "such as Authorization=MY_TOKEN",
            ),
            (["--header-env", "Authorization=NONE"], "NONE is not set"),
        ] {
            let complaint = with(&[&options[..], &url].concat(), &environment).unwrap_err();
            assert!(complaint.contains(why), "{complaint}");
        }
    }

    #[test]
    fn a_command_is_not_reached_over_http() {
        for option in [
            &["--header", "a: b"][..],
            &["--header-env", "a=PATH"],
            &["--cacert", "x"],
            &["--insecure"],
        ] {
            let complaint = complaint(&[option, &["--", "x"]].concat());
            assert!(complaint.starts_with(option[0]), "{complaint}");
        }
    }

    #[test]
    fn a_call_takes_a_url_too() {
        let line = ["call", "sum", "http://host/mcp", "--header", "a: b"];
        match parsed(&line, &Environment::default()) {
            Ok(Mode::Call(call)) => match call.oneshot.upstream {
                Upstream::Http(remote) => assert_eq!(remote.headers.len(), 1),
                Upstream::Command(command) => panic!("{command:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}
