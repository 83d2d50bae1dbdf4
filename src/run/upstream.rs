//! The server that was asked for, as the data path wants it.

use super::failure::Failure;
use crate::cli;
use crate::proxy::Upstream;
use crate::proxy::http_client::Origin;
use std::sync::Arc;

/// Checks and resolves what the command line says of the server.
pub fn resolve(upstream: cli::Upstream) -> Result<Upstream, Failure> {
    match upstream {
        cli::Upstream::Command(command) => Ok(Upstream::Command(command)),
        cli::Upstream::Url(url) => {
            let url = url.parse().map_err(|error| {
                Failure::usage(format!("{url} is not an address that can be used: {error}"))
            })?;
            Ok(Upstream::Http(Arc::new(Origin {
                url,
                headers: Vec::new(),
                cacert: None,
                insecure: false,
                credentials: None,
            })))
        }
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
