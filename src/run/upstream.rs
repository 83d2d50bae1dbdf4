//! The server that was asked for, as the data path wants it.

use super::failure::Failure;
use crate::cli;
use crate::proxy::Upstream;
use crate::proxy::http_client::Origin;
use anyhow::Context as _;
use reqwest::Url;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Checks and resolves what the command line says of the server.
pub fn resolve(upstream: cli::Upstream) -> Result<Upstream, Failure> {
    match upstream {
        cli::Upstream::Command(command) => Ok(Upstream::Command(command)),
        cli::Upstream::Http(remote) => {
            let mut origin = Origin {
                url: address(&remote.url)?,
                headers: remote.headers,
                cacert: certificates(&remote.trust)?,
                insecure: remote.trust.insecure,
                credentials: None,
            };
            origin.credentials = super::auth::stored(&origin);
            Ok(Upstream::Http(Arc::new(origin)))
        }
    }
}

/// The address of a server.
pub fn address(text: &str) -> Result<Url, Failure> {
    let unusable = |why: &dyn fmt::Display| {
        Failure::usage(format!("{text} is not an address that can be used: {why}"))
    };
    let url: Url = text.parse().map_err(|error| unusable(&error))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(unusable(&"it has to start with https:// or http://")),
    }
}

/// The certificates to trust besides the system's: PEM.
pub fn certificates(trust: &cli::Trust) -> anyhow::Result<Option<Vec<u8>>> {
    let read =
        |path| std::fs::read(path).with_context(|| format!("cannot read {}", Path::display(path)));
    trust.cacert.as_deref().map(read).transpose()
}

/// How people see it: its argv, or its address.
pub fn words(upstream: &Upstream) -> Vec<String> {
    match upstream {
        Upstream::Command(command) => command
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        Upstream::Http(origin) => vec![origin.url.to_string()],
    }
}
