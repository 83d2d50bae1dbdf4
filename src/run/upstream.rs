//! The server that was asked for, as the data path wants it.

use super::failure::Failure;
use crate::cli;
use crate::proxy::Upstream;
use crate::proxy::http_client::Origin;
use reqwest::Url;
use std::fmt;
use std::sync::Arc;

/// Checks and resolves what the command line says of the server.
pub fn resolve(upstream: cli::Upstream) -> Result<Upstream, Failure> {
    match upstream {
        cli::Upstream::Command(command) => Ok(Upstream::Command(command)),
        cli::Upstream::Url(url) => {
            let mut origin = Origin {
                url: address(&url)?,
                headers: Vec::new(),
                cacert: None,
                insecure: false,
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
