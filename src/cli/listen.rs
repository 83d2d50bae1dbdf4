//! `--listen`, and who may connect there.

use super::settings::size;
use super::time::some_seconds;
use super::upstream::{Environment, Upstream};
use crate::proxy::listener::address::Address;
use crate::proxy::listener::{Limits, Listen, Token};
use clap::Args;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(next_help_heading = "HTTP clients")]
pub(super) struct ListenArguments {
    /// Serve HTTP clients there: HOST:PORT, or a port of 127.0.0.1; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Serve clients that call us by this name, besides the loopback names and the address (repeatable)
    #[arg(long, value_name = "HOST", requires = "listen", value_parser = host)]
    allow_host: Vec<String>,
    /// Serve web pages of this origin, besides those of this machine (repeatable)
    #[arg(long, value_name = "ORIGIN", requires = "listen", value_parser = origin)]
    allow_origin: Vec<String>,
    /// Serve only who shows this token, as a bearer's or as X-Mcp-Sentinel-Token
    #[arg(long, value_name = "TOKEN")]
    token: Option<Token>,
    /// The same with the value of an environment variable
    #[arg(long, value_name = "VARIABLE", conflicts_with = "token")]
    token_env: Option<String>,
    /// Listen for other machines without a token
    #[arg(long, requires = "listen", conflicts_with_all = ["token", "token_env"])]
    insecure_no_token: bool,
    /// Children at once, one for each session [default: 64]
    #[arg(long, value_name = "N", requires = "listen", value_parser = at_least_one)]
    max_children: Option<usize>,
    /// The largest request [default: 64M]
    #[arg(long, value_name = "SIZE", requires = "listen", value_parser = some_bytes)]
    max_body: Option<u64>,
    /// How long a session that is not used stays open [default: 1800]
    #[arg(long, value_name = "SECONDS", requires = "listen", value_parser = some_seconds)]
    idle: Option<Duration>,
    /// Serve clients of the old HTTP+SSE transport too, at /sse
    #[arg(long, requires = "listen")]
    sse: bool,
    /// Serve requests whose headers contradict their body, and only note it
    #[arg(long, requires = "listen")]
    lenient: bool,
}

impl ListenArguments {
    pub(super) fn is_untouched(&self) -> bool {
        // Every other option needs the listener.
        self.listen.is_none() && self.token.is_none() && self.token_env.is_none()
    }

    pub(super) fn resolve(
        self,
        upstream: &Upstream,
        token: Option<Token>,
    ) -> Result<Option<Listen>, String> {
        let Some(text) = &self.listen else {
            return Ok(None);
        };
        let address = Address::parse(text).map_err(|why| {
            format!("--listen {text}: {why}; it takes HOST:PORT, such as 127.0.0.1:7777, or a port")
        })?;
        if let (Upstream::Http(_), Some(option)) = (upstream, self.for_commands()) {
            return Err(format!(
                "{option} is for a server that is a command; the limits of a server at a URL are its own"
            ));
        }
        if token.is_none() && !self.insecure_no_token && !address.is_loopback() {
            return Err(format!(
                "--listen {text} lets other machines use the server; ask them for a token, for example:\n  \
                 MCP_TOKEN=$(openssl rand -hex 16) mcp-sentinel --listen {text} --token-env MCP_TOKEN …\n\
                 or say --insecure-no-token"
            ));
        }
        let most = Limits::default();
        Ok(Some(Listen {
            token,
            allow_hosts: self.allow_host,
            allow_origins: self.allow_origin,
            limits: Limits {
                children: self.max_children.unwrap_or(most.children),
                body: self
                    .max_body
                    .map_or(most.body, |it| usize::try_from(it).unwrap_or(usize::MAX)),
                idle: self.idle.unwrap_or(most.idle),
                ..most
            },
            sse: self.sse,
            lenient: self.lenient,
            ..Listen::at(address.to_string())
        }))
    }

    /// An option that was given and only makes sense where we are the server ourselves.
    fn for_commands(&self) -> Option<&'static str> {
        [
            ("--max-children", self.max_children.is_some()),
            ("--max-body", self.max_body.is_some()),
            ("--idle", self.idle.is_some()),
            ("--sse", self.sse),
            ("--lenient", self.lenient),
        ]
        .into_iter()
        .find_map(|(name, given)| given.then_some(name))
    }

    /// What clients must show, wherever they connect.
    pub(super) fn token(&self, environment: &Environment) -> Result<Option<Token>, String> {
        let (option, token) = match (&self.token, &self.token_env) {
            (Some(token), _) => ("--token", token.as_str()),
            (None, Some(variable)) => (
                "--token-env",
                environment.text(variable)?.ok_or_else(|| {
                    format!("--token-env {variable}: the variable {variable} is not set")
                })?,
            ),
            (None, None) => return Ok(None),
        };
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{option}: a token is made of visible ASCII characters without spaces"
            ));
        }
        Ok(Some(token.into()))
    }
}

fn host(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(['/', '@', ' ']) {
        return Err("not a host, such as proxy.lan or proxy.lan:7777".to_owned());
    }
    Ok(text.to_owned())
}

fn origin(text: &str) -> Result<String, String> {
    let of_page = text
        .split_once("://")
        .is_some_and(|(_, host)| !host.is_empty() && !host.trim_end_matches('/').contains('/'));
    if !of_page && text != "null" {
        return Err("not an origin, such as https://app.example".to_owned());
    }
    Ok(text.to_owned())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("not a number from 1 on".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// Nothing at all would be a listener that serves nobody.
fn some_bytes(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("not a size from 1 on".to_owned()),
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{complaint, proxy, with};
    use super::*;

    const SERVER: [&str; 2] = ["--", "x"];

    fn listen(options: &[&str]) -> Listen {
        proxy(&[options, &SERVER].concat()).listen.unwrap()
    }

    #[test]
    fn an_address_is_made_whole_and_loopback_needs_no_token() {
        assert_eq!(listen(&["--listen", "7777"]).address, "127.0.0.1:7777");
        let listen = listen(&["--listen", "[::1]:0", "--sse"]);
        assert_eq!(listen.address, "[::1]:0");
        assert!(listen.sse && listen.token.is_none());
        assert!(proxy(&SERVER).listen.is_none());
        assert!(complaint(&["--listen", "nowhere", "--", "x"]).contains("HOST:PORT"));
    }

    #[test]
    fn other_machines_need_a_token_or_a_word_that_they_do_not() {
        for address in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "sentinel.lan:1"] {
            let line = ["--listen", address, "--", "x"];
            let complaint = complaint(&line);
            assert!(complaint.contains("--token-env MCP_TOKEN"), "{complaint}");
            listen(&["--listen", address, "--insecure-no-token"]);
            let listen = listen(&["--listen", address, "--token", "t"]);
            assert_eq!(listen.token, Some("t".into()));
        }
    }

    #[test]
    fn a_token_comes_from_the_environment_so_that_nobody_sees_it() {
        let environment = Environment::from_iter([("MY_TOKEN", "s3cret"), ("ODD", "a b")]);
        let line = |variable| ["--listen", "1", "--token-env", variable, "--", "x"];
        let listen = with(&line("MY_TOKEN"), &environment).unwrap().listen;
        assert_eq!(listen.unwrap().token, Some("s3cret".into()));
        let complaint = |variable| with(&line(variable), &environment).unwrap_err();
        assert!(complaint("OTHER").contains("OTHER is not set"));
        assert!(complaint("ODD").contains("visible ASCII"));
    }

    #[test]
    fn options_that_make_no_sense_together_are_refused() {
        let alone = complaint(&["--insecure-no-token", "--", "x"]);
        assert!(alone.contains("--listen"), "{alone}");
        let url = "http://host/mcp";
        for option in [
            &["--max-children", "2"][..],
            &["--max-body", "1M"],
            &["--idle", "2"],
            &["--sse"],
            &["--lenient"],
        ] {
            listen(&[&["--listen", "1"], option].concat());
            let complaint = complaint(&[&["--listen", "1"], option, &[url]].concat());
            assert!(complaint.contains(option[0]), "{complaint}");
        }
        for limit in ["--max-children", "--max-body"] {
            assert!(complaint(&["--listen", "1", limit, "0", "--", "x"]).contains("from 1"));
        }
    }

    #[test]
    fn a_host_and_an_origin_that_could_never_match_are_refused() {
        let given = listen(&[
            "--listen",
            "1",
            "--allow-host",
            "a.lan:7",
            "--allow-host",
            "b.lan",
            "--allow-origin",
            "https://app.example",
            "--allow-origin",
            "null",
        ]);
        assert_eq!(given.allow_hosts, ["a.lan:7", "b.lan"]);
        assert_eq!(given.allow_origins, ["https://app.example", "null"]);
        for wrong in [
            ["--allow-host", "http://a.lan"],
            ["--allow-host", ""],
            ["--allow-origin", "app.example"],
            ["--allow-origin", "https://app.example/page"],
            ["--allow-origin", "*"],
        ] {
            let complaint = complaint(&[&["--listen", "1"], &wrong[..], &SERVER].concat());
            assert!(complaint.contains("such as"), "{complaint}");
        }
    }

    #[test]
    fn limits_are_taken_over() {
        let options = [
            "--listen",
            "1",
            "--max-children",
            "2",
            "--max-body",
            "1M",
            "--idle",
            "3",
        ];
        let limits = listen(&options).limits;
        assert_eq!((limits.children, limits.body), (2, 1 << 20));
        assert_eq!(limits.idle, Duration::from_secs(3));
    }
}
