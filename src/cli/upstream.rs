//! Which server is meant: a command after `--`, a URL, or the `UPSTREAM_*` variables.

use std::ffi::OsString;

/// The server behind the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// Its argv, never empty.
    Command(Vec<OsString>),
    Url(String),
}

/// The variables that stand in for the argument. An empty one counts as unset.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    pub transport: Option<OsString>,
    pub command: Option<OsString>,
    pub url: Option<OsString>,
}

impl Environment {
    pub fn of_process() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            transport: variable("UPSTREAM_TRANSPORT"),
            command: variable("UPSTREAM_CMD"),
            url: variable("UPSTREAM_URL"),
        }
    }
}

const EXAMPLE: &str = "for example:\n  mcp-sentinel -- node server.js\n  UPSTREAM_TRANSPORT=stdio UPSTREAM_CMD='node server.js' mcp-sentinel";

/// What to say when nothing names a server.
pub fn missing() -> String {
    format!("no server to run; put its command after --, {EXAMPLE}")
}

/// The one server that the argument, or else the environment, names. `Ok(None)` when neither names any.
pub fn resolve(
    argument: Option<String>,
    command: Vec<OsString>,
    environment: &Environment,
) -> Result<Option<Upstream>, String> {
    match (argument, command.is_empty()) {
        (Some(url), true) if is_url(&url) => Ok(Some(Upstream::Url(url))),
        (Some(url), false) if is_url(&url) => Err(format!(
            "two servers are named, {url} and the command after --; leave one out"
        )),
        (Some(word), true) => Err(format!(
            "`{word}` is neither a subcommand nor a URL; a server's command goes after --:\n  mcp-sentinel -- {word}"
        )),
        (Some(word), false) => Err(format!(
            "`{word}` stands before the --, where options and subcommands go; {EXAMPLE}"
        )),
        (None, false) => Ok(Some(Upstream::Command(command))),
        (None, true) => from_environment(environment),
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

fn from_environment(environment: &Environment) -> Result<Option<Upstream>, String> {
    let transport = text("UPSTREAM_TRANSPORT", environment.transport.as_ref())?;
    let command = text("UPSTREAM_CMD", environment.command.as_ref())?;
    let url = text("UPSTREAM_URL", environment.url.as_ref())?;
    let upstream = match (transport, command, url) {
        (None, None, None) => return Ok(None),
        (None, Some(_), Some(_)) => {
            return Err(
                "UPSTREAM_CMD and UPSTREAM_URL are both set; say which one with UPSTREAM_TRANSPORT=stdio or UPSTREAM_TRANSPORT=http"
                    .to_owned(),
            );
        }
        (None | Some("stdio"), Some(command), _) => Upstream::Command(words(command)?),
        (None | Some("http"), _, Some(url)) => Upstream::Url(address(url)?),
        (Some("stdio"), None, _) => {
            return Err(
                "UPSTREAM_TRANSPORT is stdio but UPSTREAM_CMD is not set, for example:\n  UPSTREAM_TRANSPORT=stdio UPSTREAM_CMD='node server.js' mcp-sentinel"
                    .to_owned(),
            );
        }
        (Some("http"), _, None) => {
            return Err(
                "UPSTREAM_TRANSPORT is http but UPSTREAM_URL is not set, for example:\n  UPSTREAM_TRANSPORT=http UPSTREAM_URL=https://host/mcp mcp-sentinel"
                    .to_owned(),
            );
        }
        (Some(other), ..) => {
            return Err(format!(
                "UPSTREAM_TRANSPORT is `{other}`; it can be stdio or http"
            ));
        }
    };
    Ok(Some(upstream))
}

fn text<'a>(name: &str, value: Option<&'a OsString>) -> Result<Option<&'a str>, String> {
    match value.map(|value| value.to_str()) {
        Some(None) => Err(format!("{name} is not valid UTF-8")),
        Some(found) => Ok(found),
        None => Ok(None),
    }
}

fn words(command: &str) -> Result<Vec<OsString>, String> {
    match shell_words::split(command) {
        Ok(words) if words.is_empty() => Err("UPSTREAM_CMD holds no command".to_owned()),
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
        let set = |value: &str| (!value.is_empty()).then(|| OsString::from(value));
        let environment = Environment {
            transport: set(transport),
            command: set(command),
            url: set(url),
        };
        resolve(None, Vec::new(), &environment)
    }

    fn command(words: &[&str]) -> Option<Upstream> {
        Some(Upstream::Command(
            words.iter().map(OsString::from).collect(),
        ))
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
        assert_eq!(
            environment("http", "srv", url).unwrap(),
            Some(Upstream::Url(url.to_owned()))
        );
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

    #[test]
    fn the_argument_wins_over_the_environment() {
        let environment = Environment {
            command: Some("other".into()),
            ..Environment::default()
        };
        assert_eq!(
            resolve(None, vec!["srv".into()], &environment).unwrap(),
            command(&["srv"])
        );
    }

    #[test]
    fn a_url_and_a_command_contradict_each_other() {
        let both = resolve(
            Some("https://host/mcp".to_owned()),
            vec!["srv".into()],
            &Environment::default(),
        );
        assert!(both.unwrap_err().contains("two servers"));
    }
}
