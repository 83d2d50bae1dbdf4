//! The server that was asked for, as the data path wants it.

use super::failure::Failure;
use crate::cli;
use crate::headless::Voice;
use crate::proxy::Upstream;
use crate::proxy::http_client::{self, Origin};
use anyhow::{Context as _, bail};
use http::header::AUTHORIZATION;
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Somebody may have left it in a configuration.
const INSECURE: &str = "WARNING: --insecure: the server's certificate is not verified; whoever is on the way can read and change everything";

/// Checks and resolves what the command line says of the server.
pub fn resolve(upstream: cli::Upstream, voice: Voice) -> Result<Upstream, Failure> {
    match upstream {
        cli::Upstream::Command(command) => Ok(Upstream::Command(command)),
        cli::Upstream::Http(remote) => {
            let mut origin = Origin {
                headers: remote.headers,
                cacert: certificates(&remote.trust)?,
                insecure: remote.trust.insecure,
                auto_reinit: remote.auto_reinit,
                ..Origin::at(address(&remote.url)?)
            };
            if origin.insecure {
                voice.complain(INSECURE);
            }
            show_pass(&mut origin)?;
            origin.credentials = super::auth::stored(&origin, voice);
            Ok(Upstream::Http(Arc::new(origin)))
        }
    }
}

/// A name and a password in the address are sent as the header that they stand for, and shown nowhere.
fn show_pass(origin: &mut Origin) -> anyhow::Result<()> {
    if origin.url.username().is_empty() && origin.url.password().is_none() {
        return Ok(());
    }
    // It only reads the address; nothing is sent by it.
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(http_client::configuration(None, true)?)
        .build()?;
    let mut request = client.get(origin.url.clone()).build()?;
    origin.url = request.url().clone();
    let given = origin.headers.iter().any(|(name, _)| name == AUTHORIZATION);
    if let Some(value) = request.headers_mut().remove(AUTHORIZATION)
        && !given
    {
        origin.headers.push((AUTHORIZATION, value));
    }
    Ok(())
}

/// The address of a server.
pub fn address(text: &str) -> Result<Url, Failure> {
    let unusable = |why: &dyn fmt::Display| {
        let shown = without_secrets(text);
        Failure::usage(format!("{shown} is not an address that can be used: {why}"))
    };
    let url: Url = text.parse().map_err(|error| unusable(&error))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(unusable(&"it has to start with https:// or http://")),
    }
}

/// An address that may be none, without what may be a password or a key in it.
fn without_secrets(text: &str) -> String {
    let (address, query) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    let more = if query.is_empty() { "" } else { "?…" };
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    match rest.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}://…@{place}{more}"),
        None => format!("{address}{more}"),
    }
}

/// The certificates to trust besides the system's: PEM.
pub fn certificates(trust: &cli::Trust) -> anyhow::Result<Option<Vec<u8>>> {
    let read = |path: &Path| {
        let pem = std::fs::read(path);
        let pem = pem.with_context(|| format!("cannot read {}", path.display()))?;
        if CertificateDer::pem_slice_iter(&pem).next().is_none() {
            bail!("{} holds no certificate in PEM", path.display());
        }
        Ok(pem)
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str, headers: &[&str]) -> Arc<Origin> {
        let header = |value: &&str| (AUTHORIZATION, value.parse().unwrap());
        let remote = cli::Remote {
            url: url.to_owned(),
            headers: headers.iter().map(header).collect(),
            trust: cli::Trust::default(),
            auto_reinit: false,
        };
        match resolve(cli::Upstream::Http(remote), Voice::default()) {
            Ok(Upstream::Http(origin)) => origin,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_address_that_cannot_be_used_is_told_without_its_secrets() {
        for (text, shown) in [
            ("http://ana:pw@:/x?token=abc", "http://…@:/x?…"),
            ("http://[::1", "http://[::1"),
        ] {
            let complaint = address(text).unwrap_err().to_string();
            assert!(
                complaint.starts_with(&format!("{shown} is not")),
                "{complaint}"
            );
        }
    }

    #[test]
    fn a_password_in_the_address_becomes_a_header() {
        let origin = origin("http://ana:p%40ss@127.0.0.1:9/mcp?a=b", &[]);
        assert_eq!(origin.url.as_str(), "http://127.0.0.1:9/mcp?a=b");
        let [(_, value)] = &origin.headers[..] else {
            panic!("{:?}", origin.headers);
        };
        // ana:p@ss
        assert_eq!(value, "Basic YW5hOnBAc3M=");
        assert!(value.is_sensitive());
    }

    #[test]
    fn a_header_that_is_given_wins_over_the_address() {
        let origin = origin("http://ana:pw@127.0.0.1:9/mcp", &["Bearer given"]);
        assert_eq!(origin.headers.len(), 1);
        assert_eq!(origin.headers[0].1, "Bearer given");
        assert_eq!(origin.url.as_str(), "http://127.0.0.1:9/mcp");
    }
}
