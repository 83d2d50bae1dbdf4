//! Which server is meant, a command after `--`, a URL, or the `UPSTREAM_*` variables; and how an HTTP one is reached.

use clap::Args;
use http::{HeaderName, HeaderValue, header};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The server behind the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// Its argv, never empty.
    Command(Vec<OsString>),
    Http(Remote),
}

impl Upstream {
    /// With `--auto-reinit` where that is wanted, which must make sense then.
    pub(super) fn with_auto_reinit(
        mut self,
        wanted: bool,
        has_listener: bool,
    ) -> Result<Self, String> {
        match &mut self {
            _ if !wanted => {}
            Self::Command(_) => {
                return Err(
                    "--auto-reinit is for a server at a URL; this one is a command, whose session ends when it does"
                        .to_owned(),
                );
            }
            Self::Http(_) if has_listener => {
                return Err(
                    "--auto-reinit is for a client on stdio; one on HTTP hears that its session is gone, and begins another by itself"
                        .to_owned(),
                );
            }
            Self::Http(remote) => remote.auto_reinit = true,
        }
        Ok(self)
    }
}

/// An HTTP server.
#[derive(Clone, PartialEq, Eq)]
pub struct Remote {
    pub url: String,
    /// Put on every request.
    pub headers: Vec<Header>,
    pub trust: Trust,
    /// Begin a session anew that the server has forgotten.
    pub auto_reinit: bool,
}

/// Of the headers the names: their values, and much of what may stand in an address, are often secrets.
impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Remote")
            .field("headers", &names)
            .field("trust", &self.trust)
            .field("auto_reinit", &self.auto_reinit)
            .finish_non_exhaustive()
    }
}

/// A header with its value.
pub type Header = (HeaderName, HeaderValue);

/// Whom to trust over TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Trust {
    /// Trust the certificates in FILE (PEM) besides the system's
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Verify no certificate, and send secrets over plain http:// too: whoever is on the way can
    /// read and change everything
    #[arg(long)]
    pub insecure: bool,
}

/// Environment variables. An empty one counts as unset.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

/// The names: values are often secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The error names the variable whose value is no text.
    pub fn text(&self, name: &str) -> Result<Option<&str>, String> {
        match self.0.get(std::ffi::OsStr::new(name)).map(|it| it.to_str()) {
            Some(None) => Err(format!("{name} is not valid UTF-8")),
            Some(Some("")) | None => Ok(None),
            Some(found) => Ok(found),
        }
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter();
        Self(
            variables
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Server at a URL")]
pub(super) struct RemoteArguments {
    /// Put this header on every request to the server, in place of the client's (repeatable)
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header_line)]
    headers: Vec<Header>,
    /// The same with the value of an environment variable, so that no secret stands in the command line
    #[arg(long = "header-env", value_name = "NAME=VARIABLE")]
    header_env: Vec<String>,
    #[command(flatten)]
    trust: Trust,
}

impl RemoteArguments {
    /// An option that was given, by name.
    pub(super) fn given(&self) -> Option<&'static str> {
        [
            ("--header", !self.headers.is_empty()),
            ("--header-env", !self.header_env.is_empty()),
            ("--cacert", self.trust.cacert.is_some()),
            ("--insecure", self.trust.insecure),
        ]
        .into_iter()
        .find_map(|(name, given)| given.then_some(name))
    }

    fn reach(self, url: String, environment: &Environment) -> Result<Remote, String> {
        let from_environment = self.header_env.iter().map(|argument| {
            let (name, variable) = argument.split_once('=').ok_or_else(|| {
                format!(
                    "--header-env takes a header and a variable, such as Authorization=MY_TOKEN, not `{argument}`"
                )
            })?;
            let value = environment.text(variable)?.ok_or_else(|| {
                format!("--header-env {argument}: the variable {variable} is not set")
            })?;
            header(name, value).map_err(|why| format!("--header-env {argument}: {why}"))
        });
        let from_environment: Vec<Header> = from_environment.collect::<Result<_, _>>()?;
        let mut headers = self.headers;
        headers.extend(from_environment);
        Ok(Remote {
            url,
            headers,
            trust: self.trust,
            auto_reinit: false,
        })
    }
}

fn header_line(line: &str) -> Result<Header, String> {
    let (name, value) = line
        .split_once(':')
        .ok_or("a header is NAME: VALUE, such as 'Authorization: Bearer …'")?;
    header(name, value)
}

/// Its value is nobody's to print.
fn header(name: &str, value: &str) -> Result<Header, String> {
    let name: HeaderName = name
        .trim()
        .parse()
        .map_err(|_| format!("`{name}` is not a header's name"))?;
    let own = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::HOST,
        header::TRANSFER_ENCODING,
    ];
    if own.contains(&name) {
        return Err(format!("{name} is the connection's own to set"));
    }
    let mut value = HeaderValue::from_str(value.trim())
        .map_err(|_| format!("what is given for {name} cannot be in a header"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// The command that a server is named to, as it is typed: `mcp-sentinel`, `mcp-sentinel list`.
#[derive(Debug, Clone)]
pub struct Invocation(String);

impl Invocation {
    pub fn new(words: &[&str]) -> Self {
        Self(shell_words::join([&["mcp-sentinel"], words].concat()))
    }

    fn example(&self) -> String {
        let Self(it) = self;
        format!("for example:\n  {it} -- node server.js\n  {it} https://host/mcp")
    }

    fn example_of_environment(&self) -> String {
        let Self(it) = self;
        format!(
            "for example:\n  UPSTREAM_TRANSPORT=stdio UPSTREAM_CMD='node server.js' {it}\n  UPSTREAM_TRANSPORT=http UPSTREAM_URL=https://host/mcp {it}"
        )
    }

    /// What to say when nothing names a server.
    pub fn missing(&self) -> String {
        let Self(it) = self;
        format!(
            "no server is named; put its command after --, or give its URL, {}\n  UPSTREAM_TRANSPORT=stdio UPSTREAM_CMD='node server.js' {it}",
            self.example()
        )
    }

    /// What to say to a command that does not stand after `--`.
    pub fn undashed(&self, words: &[String]) -> String {
        let Self(it) = self;
        if let [address, ..] = words
            && address.contains("://")
        {
            return format!(
                "`{address}` is no address of a server; that is an http:// or https:// one, or a command after --, {}",
                self.example()
            );
        }
        let words = shell_words::join(words);
        format!(
            "`{words}` is neither a subcommand nor an http:// or https:// address; a server's command goes after --:\n  {it} -- {words}"
        )
    }
}

/// The one server that the words, the command after `--`, or else the environment, name. `Ok(None)` when none does.
pub fn resolve(
    words: Vec<String>,
    command: Vec<OsString>,
    remote: RemoteArguments,
    environment: &Environment,
    invocation: &Invocation,
) -> Result<Option<Upstream>, String> {
    let given = remote.given();
    let url = match (words.as_slice(), command.is_empty()) {
        ([], true) => {
            let named = from_environment(environment)
                .map_err(|why| format!("{why}, {}", invocation.example_of_environment()))?;
            match named {
                Some(Named::Url(url)) => url,
                Some(Named::Command(command)) => return at_command(command, given).map(Some),
                None => return Ok(None),
            }
        }
        ([], false) if command.iter().take(1).any(|it| it.is_empty()) => {
            return Err(format!(
                "the command after -- is empty, {}",
                invocation.example()
            ));
        }
        ([], false) => return at_command(command, given).map(Some),
        ([url], true) if is_url(url) => url.clone(),
        ([url], false) if is_url(url) => {
            return Err(format!(
                "two servers are named, {url} and the command after --; leave one out, {}",
                invocation.example()
            ));
        }
        ([url, more, ..], true) if is_url(url) => {
            return Err(format!(
                "`{more}` stands after the server's address, where only options go, {}",
                invocation.example()
            ));
        }
        (words, true) => return Err(invocation.undashed(words)),
        (words, false) => {
            return Err(format!(
                "`{}` stands before the --, where options and subcommands go; {}",
                shell_words::join(words),
                invocation.example()
            ));
        }
    };
    Ok(Some(Upstream::Http(remote.reach(url, environment)?)))
}

fn at_command(command: Vec<OsString>, given: Option<&str>) -> Result<Upstream, String> {
    match given {
        Some(option) => Err(format!(
            "{option} is for a server at a URL; this one is a command, which takes what it needs from its arguments and its environment"
        )),
        None => Ok(Upstream::Command(command)),
    }
}

pub fn is_url(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        let start = text.get(..scheme.len());
        start.is_some_and(|it| it.eq_ignore_ascii_case(scheme))
    })
}

/// What the variables name.
enum Named {
    Command(Vec<OsString>),
    Url(String),
}

fn from_environment(environment: &Environment) -> Result<Option<Named>, String> {
    let transport = environment.text("UPSTREAM_TRANSPORT")?;
    let command = environment.text("UPSTREAM_CMD")?;
    let url = environment.text("UPSTREAM_URL")?;
    let named = match (transport, command, url) {
        (None, None, None) => return Ok(None),
        (None, Some(_), Some(_)) => {
            return Err(
                "UPSTREAM_CMD and UPSTREAM_URL are both set; say which one with UPSTREAM_TRANSPORT=stdio or UPSTREAM_TRANSPORT=http"
                    .to_owned(),
            );
        }
        (None | Some("stdio"), Some(command), _) => Named::Command(words(command)?),
        (None | Some("http"), _, Some(url)) => Named::Url(address(url)?),
        (Some("stdio"), None, _) => {
            return Err("UPSTREAM_TRANSPORT is stdio but UPSTREAM_CMD is not set".to_owned());
        }
        (Some("http"), _, None) => {
            return Err("UPSTREAM_TRANSPORT is http but UPSTREAM_URL is not set".to_owned());
        }
        (Some(other), ..) => {
            return Err(format!(
                "UPSTREAM_TRANSPORT is `{other}`; it can be stdio or http"
            ));
        }
    };
    Ok(Some(named))
}

fn words(command: &str) -> Result<Vec<OsString>, String> {
    match shell_words::split(command) {
        Ok(words) if words.first().is_none_or(String::is_empty) => {
            Err("UPSTREAM_CMD holds no command".to_owned())
        }
        Ok(words) => Ok(words.into_iter().map(OsString::from).collect()),
        Err(error) => Err(format!("cannot split UPSTREAM_CMD into words: {error}")),
    }
}

fn address(url: &str) -> Result<String, String> {
    if is_url(url) {
        return Ok(url.to_owned());
    }
    Err(format!(
        "UPSTREAM_URL is `{url}`; it has to start with http:// or https://"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(transport: &str, command: &str, url: &str) -> Result<Option<Upstream>, String> {
        let environment = Environment::from_iter([
            ("UPSTREAM_TRANSPORT", transport),
            ("UPSTREAM_CMD", command),
            ("UPSTREAM_URL", url),
        ]);
        resolve(
            Vec::new(),
            Vec::new(),
            RemoteArguments::default(),
            &environment,
            &Invocation::new(&["list"]),
        )
    }

    fn command(words: &[&str]) -> Option<Upstream> {
        Some(Upstream::Command(
            words.iter().map(OsString::from).collect(),
        ))
    }

    #[test]
    fn what_is_shown_for_debugging_holds_no_secret() {
        let variable = (OsString::from("KEY"), OsString::from("s3cret"));
        let environment: Environment = [variable].into_iter().collect();
        let remote = Remote {
            url: "https://user:s3cret@h/mcp".to_owned(),
            headers: vec![header("X-Key", "s3cret").unwrap()],
            trust: Trust::default(),
            auto_reinit: false,
        };
        let shown = format!("{environment:?} {remote:?}");
        assert!(shown.contains("KEY") && shown.contains("x-key"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn the_command_variable_is_split_once_as_a_posix_shell_would() {
        let upstream = environment("", r#"node 'my server.js' --x="a b" $HOME \;"#, "");
        assert_eq!(
            upstream.unwrap(),
            command(&["node", "my server.js", "--x=a b", "$HOME", ";"])
        );
        assert!(
            environment("", "node 'open", "")
                .unwrap_err()
                .contains("UPSTREAM_CMD")
        );
    }

    #[test]
    fn the_transport_decides_between_two() {
        let url = "https://host/mcp";
        assert_eq!(environment("stdio", "srv", url).unwrap(), command(&["srv"]));
        assert_eq!(environment("http", "srv", url).unwrap(), Some(at(url)));
        assert!(
            environment("", "srv", url)
                .unwrap_err()
                .contains("UPSTREAM_TRANSPORT")
        );
    }

    #[test]
    fn a_transport_without_its_server_says_what_is_missing() {
        assert!(
            environment("stdio", "", "https://host")
                .unwrap_err()
                .contains("UPSTREAM_CMD=")
        );
        assert!(
            environment("http", "srv", "")
                .unwrap_err()
                .contains("UPSTREAM_URL=")
        );
        assert!(environment("sse", "srv", "").unwrap_err().contains("`sse`"));
        assert!(
            environment("http", "", "host/mcp")
                .unwrap_err()
                .contains("https://")
        );
    }

    fn named(words: &[&str], command: &[&str]) -> Result<Option<Upstream>, String> {
        let words = words.iter().map(|it| (*it).to_owned()).collect();
        let command = command.iter().map(OsString::from).collect();
        let environment = Environment::from_iter([("UPSTREAM_CMD", "other")]);
        resolve(
            words,
            command,
            RemoteArguments::default(),
            &environment,
            &Invocation::new(&["call", "a tool"]),
        )
    }

    fn at(url: &str) -> Upstream {
        Upstream::Http(Remote {
            url: url.to_owned(),
            headers: Vec::new(),
            trust: Trust::default(),
            auto_reinit: false,
        })
    }

    #[test]
    fn the_argument_wins_over_the_environment() {
        assert_eq!(named(&[], &["srv"]).unwrap(), command(&["srv"]));
        let url = "http://host/mcp";
        assert_eq!(named(&[url], &[]).unwrap(), Some(at(url)));
        assert_eq!(named(&[], &[]).unwrap(), command(&["other"]));
    }

    #[test]
    fn words_that_name_no_server_are_told_where_they_go() {
        let complaint = |words: &[&str], command: &[&str]| named(words, command).unwrap_err();
        let url = "https://host/mcp";
        assert!(complaint(&[url], &["srv"]).contains("two servers"));
        assert!(complaint(&[url, "more"], &[]).contains("`more` stands after"));
        assert!(
            complaint(&["a b", "c"], &[]).ends_with("\n  mcp-sentinel call 'a tool' -- 'a b' c")
        );
        assert!(complaint(&["host:80"], &[]).contains("http://"));
        assert!(complaint(&["word"], &["srv"]).contains("before the --"));
    }

    #[test]
    fn every_mistake_comes_with_an_example_of_the_same_command() {
        let url = "https://host/mcp";
        let words: [(&[&str], &[&str]); 5] = [
            (&[url], &["srv"]),
            (&[url, "more"], &[]),
            (&["word"], &["srv"]),
            (&["ftp://x/"], &[]),
            (&[], &["", "x"]),
        ];
        for (words, command) in words {
            let complaint = named(words, command).unwrap_err();
            let example = "\n  mcp-sentinel call 'a tool' -- node server.js\n";
            assert!(complaint.contains(example), "{complaint}");
        }
        for (transport, command, url) in [
            ("", "node 'open", ""),
            ("", "  ", ""),
            ("", "''", ""),
            ("sse", "srv", url),
            ("", "srv", url),
            ("", "", "host/mcp"),
            ("stdio", "", ""),
            ("http", "", ""),
        ] {
            let complaint = environment(transport, command, url).unwrap_err();
            let example = "UPSTREAM_CMD='node server.js' mcp-sentinel list\n";
            assert!(complaint.contains(example), "{complaint}");
        }
    }

    #[test]
    fn a_header_is_a_name_and_a_value_that_nobody_prints() {
        let (name, value) = header_line("X-Api-Key:  a: b ").unwrap();
        assert_eq!(
            (name.as_str(), value.as_bytes()),
            ("x-api-key", &b"a: b"[..])
        );
        assert!(!format!("{value:?}").contains("a: b"));
        for (line, why) in [
            ("no colon", "NAME: VALUE"),
            ("a b: c", "not a header's name"),
            (": c", "not a header's name"),
            ("a: b\nc", "cannot be in a header"),
            ("Host: other", "connection's own"),
            ("Content-Length: 0", "connection's own"),
        ] {
            let complaint = header_line(line).unwrap_err();
            assert!(complaint.contains(why), "{line}: {complaint}");
        }
    }
}
