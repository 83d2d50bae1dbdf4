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
            "the variables go like this:\n  UPSTREAM_TRANSPORT=stdio UPSTREAM_CMD='node server.js' {it}\n  UPSTREAM_TRANSPORT=http UPSTREAM_URL=https://host/mcp {it}"
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

    /// What to say to a tool's arguments that stand as they do in a shell: where they go, made from what was typed.
    fn loose_arguments(&self, words: &[String], command: &[OsString]) -> Option<String> {
        let Self(it) = self;
        let is_pair = |word: &&String| !is_url(word) && pair(word).is_some();
        let (pairs, others): (Vec<_>, Vec<_>) = words.iter().partition(is_pair);
        if pairs.is_empty() || !it.starts_with("mcp-sentinel call ") {
            return None;
        }
        let members: Vec<String> = pairs.iter().filter_map(|word| pair(word)).collect();
        let json = format!("{{{}}}", members.join(","));
        let server = match (others.as_slice(), command) {
            ([], []) => "-- node server.js".to_owned(),
            ([], command) => {
                let words: Vec<_> = command.iter().map(|it| it.to_string_lossy()).collect();
                format!("-- {}", shell_words::join(words))
            }
            ([url], []) if is_url(url) => (*url).clone(),
            _ => return None,
        };
        Some(format!(
            "`{}` would be arguments of the tool, which go into --args as JSON:\n  {it} --args {} {server}",
            shell_words::join(pairs),
            shell_words::quote(&json)
        ))
    }

    /// What to say to a subcommand that options stand before.
    fn late_mode(&self, words: &[String]) -> Option<String> {
        let mode = words
            .first()
            .filter(|word| self.0 == "mcp-sentinel" && super::explain::is_mode(word))?;
        Some(format!(
            "`{mode}` is a subcommand: it goes first, and its own options follow it; see mcp-sentinel {mode} --help"
        ))
    }

    /// What to say to a command that does not stand after `--`.
    pub fn undashed(&self, words: &[String]) -> String {
        let Self(it) = self;
        if let Some(mistake) = self.late_mode(words) {
            return mistake;
        }
        if let [address, ..] = words
            && address.contains("://")
        {
            return format!(
                "`{address}` is no address of a server; that is an http:// or https:// one, or a command after --, {}",
                self.example()
            );
        }
        if let [address] = words
            && is_host_and_port(address)
        {
            return format!(
                "`{address}` is a server's address without its beginning:\n  {it} http://{address}"
            );
        }
        let near = words
            .first()
            .filter(|_| it == "mcp-sentinel")
            .and_then(|word| super::explain::mode_like(word));
        let near = near.map_or(String::new(), |mode| {
            format!(" (did you mean mcp-sentinel {mode}?)")
        });
        let words = shell_words::join(words);
        format!(
            "`{words}` is neither a subcommand{near} nor an http:// or https:// address; a server's command goes after --:\n  {it} -- {words}"
        )
    }
}

/// `a=2` as a member of a JSON object: `"a":2`. What is no JSON is a string.
fn pair(word: &str) -> Option<String> {
    let (name, value) = word.split_once('=').filter(|(name, _)| !name.is_empty())?;
    let name = serde_json::to_string(name).ok()?;
    let value = match serde_json::from_str::<&serde_json::value::RawValue>(value) {
        Ok(value) => value.get().to_owned(),
        Err(_) => serde_json::to_string(value).ok()?,
    };
    Some(format!("{name}:{value}"))
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
    let named = match (words.first(), command.is_empty()) {
        (_, false) => Some("stdio"),
        (Some(word), true) if is_url(word) => Some("http"),
        (_, true) => None,
    };
    if let Some(named) = named {
        transport_agrees(named, environment)
            .map_err(|why| format!("{why}; {}", invocation.example_of_environment()))?;
    }
    if let Some(mistake) = invocation.loose_arguments(&words, &command) {
        return Err(mistake);
    }
    let url = match (words.as_slice(), command.is_empty()) {
        ([], true) => {
            let named = from_environment(environment)
                .map_err(|why| format!("{why}; {}", invocation.example_of_environment()))?;
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
            if let Some(mistake) = invocation.late_mode(words) {
                return Err(mistake);
            }
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

/// Such as `localhost:3000/mcp`.
fn is_host_and_port(text: &str) -> bool {
    let authority = text.split('/').next().unwrap_or(text);
    let is_host = |it: &str| {
        let mut bytes = it.bytes();
        !it.is_empty() && bytes.all(|it| it.is_ascii_alphanumeric() || b".-[:]".contains(&it))
    };
    authority
        .rsplit_once(':')
        .is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok())
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
        (Some(other), ..) => return Err(unknown_transport(other)),
    };
    Ok(Some(named))
}

/// What is named on the command line stands in place of `UPSTREAM_CMD` and `UPSTREAM_URL`. A transport without its
/// variable speaks of what is named there, and may not contradict it.
fn transport_agrees(named: &str, environment: &Environment) -> Result<(), String> {
    let Some(transport) = environment.text("UPSTREAM_TRANSPORT")? else {
        return Ok(());
    };
    let overridden = match transport {
        "stdio" => environment.text("UPSTREAM_CMD")?.is_some(),
        "http" => environment.text("UPSTREAM_URL")?.is_some(),
        other => return Err(unknown_transport(other)),
    };
    if overridden || transport == named {
        return Ok(());
    }
    let what = match named {
        "stdio" => "a command",
        _ => "an address",
    };
    Err(format!(
        "UPSTREAM_TRANSPORT is {transport} but the command line names {what}; unset the one or leave out the other"
    ))
}

fn unknown_transport(word: &str) -> String {
    format!("UPSTREAM_TRANSPORT is `{word}`; it can be stdio or http")
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
    // The rest of it may be secret.
    let start = match url.split_once("://") {
        Some((scheme, _)) => format!("; it starts with {scheme}://"),
        None => String::new(),
    };
    Err(format!(
        "UPSTREAM_URL is no http:// or https:// address{start}"
    ))
}

#[cfg(test)]
mod tests;
