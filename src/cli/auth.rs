//! `auth`: logging in to servers that ask for OAuth.

use super::time::some_seconds;
use super::upstream::Trust;
use clap::Subcommand;
use std::time::Duration;

/// What to do about logins.
#[derive(Debug, Clone)]
pub enum Auth {
    Login(Login),
    /// Of one server, or of all.
    Status {
        url: Option<String>,
    },
    Logout {
        url: String,
        trust: Trust,
    },
}

#[derive(Debug, Clone)]
pub struct Login {
    pub url: String,
    pub scopes: Vec<String>,
    pub client_id: Option<String>,
    /// The variable that holds the client's secret.
    pub client_secret_env: Option<String>,
    pub client_metadata_url: Option<String>,
    pub browser: bool,
    pub redirect_port: u16,
    pub timeout: Duration,
    pub trust: Trust,
}

#[derive(Debug, Subcommand)]
pub(super) enum AuthArguments {
    /// Log in to a server in the browser; the proxy uses the login from then on
    Login {
        /// The server's address, as the proxy is given it
        url: String,
        /// Ask for this scope, besides those of the stored login [default: what the server asks for]
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// A client that was registered by hand [default: one is registered]
        #[arg(long, value_name = "ID")]
        client_id: Option<String>,
        /// The environment variable that holds this client's secret
        #[arg(long, value_name = "VARIABLE", requires = "client_id")]
        client_secret_env: Option<String>,
        /// Where a client metadata document describes us, for servers that understand that
        #[arg(long, value_name = "URL", conflicts_with = "client_id")]
        client_metadata_url: Option<String>,
        /// Only print the address that the browser has to open
        #[arg(long)]
        no_browser: bool,
        /// The local port to which the browser comes back [default: a free one]
        #[arg(
            long,
            value_name = "PORT",
            default_value_t = 0,
            hide_default_value = true
        )]
        redirect_port: u16,
        /// How long to wait for the browser
        #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = some_seconds)]
        timeout: Duration,
        #[command(flatten)]
        trust: Trust,
    },
    /// Show the stored logins, without their tokens
    Status {
        /// Only the one that the proxy would use for this address
        url: Option<String>,
    },
    /// Forget a login, and tell the authorization server so
    Logout {
        /// The server's address, as auth status shows it
        url: String,
        #[command(flatten)]
        trust: Trust,
    },
}

impl From<AuthArguments> for Auth {
    fn from(arguments: AuthArguments) -> Self {
        match arguments {
            AuthArguments::Login {
                url,
                scopes,
                client_id,
                client_secret_env,
                client_metadata_url,
                no_browser,
                redirect_port,
                timeout,
                trust,
            } => Self::Login(Login {
                url,
                scopes,
                client_id,
                client_secret_env,
                client_metadata_url,
                browser: !no_browser,
                redirect_port,
                timeout,
                trust,
            }),
            AuthArguments::Status { url } => Self::Status { url },
            AuthArguments::Logout { url, trust } => Self::Logout { url, trust },
        }
    }
}
