//! Logging in by OAuth, and what the data path makes of it, against an authorization server in this process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../house/mod.rs"]
mod house;
#[path = "../oauth/mod.rs"]
mod oauth;
#[path = "../ports/mod.rs"]
mod ports;

mod login;
mod renewal;
mod through_the_proxy;

use common::http::{Answer, Client, sdk, until, within};
use house::{House, Ran, mode};
use http::HeaderValue;
use mcp_sentinel::auth::store::Store;
use mcp_sentinel::auth::{Bearer, Trust};
use mcp_sentinel::proxy::http_client::Credentials as _;
use oauth::{CERTIFICATE, Manners, Oauth, browse, redirect};
use reqwest::Url;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};

/// The program at work, and what it has said on stderr.
struct Running {
    process: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    fn start(house: &House, arguments: &[&str]) -> Self {
        Self::of(house.command(arguments))
    }

    fn of(command: std::process::Command) -> Self {
        let mut process = Command::from(command)
            .env("OAUTH_SECRET", "s3cret")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        Self {
            process,
            stderr,
            said: String::new(),
        }
    }

    /// `auth login`, which prints where to go.
    fn login(house: &House, oauth: &Oauth, options: &[&str]) -> Self {
        let url = oauth.url();
        let arguments = [&["auth", "login", url.as_str(), "--no-browser"], options].concat();
        Self::start(house, &arguments)
    }

    /// The first address on stderr.
    async fn address(&mut self) -> String {
        let reading = async {
            loop {
                let mut line = String::new();
                let read = self.stderr.read_line(&mut line).await.unwrap();
                self.said.push_str(&line);
                assert!(read > 0, "no address: {}", self.said);
                if let Some(word) = line.split_whitespace().find(|it| it.starts_with("http")) {
                    return word.to_owned();
                }
            }
        };
        within("an address", reading).await
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().unwrap().cast_signed());
        kill_process(pid.unwrap(), signal).unwrap();
    }

    async fn ended(mut self) -> Ran {
        let ending = async {
            self.stderr.read_to_string(&mut self.said).await.unwrap();
            self.process.wait_with_output().await.unwrap()
        };
        let Output { status, stdout, .. } = within("it ends", ending).await;
        Ran {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: self.said,
        }
    }
}

/// A login whose user opens the page; the last page, and how it ended.
async fn login(house: &House, oauth: &Oauth, options: &[&str]) -> (String, Ran) {
    let mut login = Running::login(house, oauth, options);
    let page = browse(&login.address().await).await;
    (page, login.ended().await)
}

async fn logged_in(house: &House, oauth: &Oauth) {
    let (page, ran) = login(house, oauth, &[]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(page.contains("is logged in"), "{page}");
}

async fn run(house: &House, arguments: &[&str]) -> Ran {
    Running::start(house, arguments).ended().await
}

fn logins(house: &House) -> PathBuf {
    house.path("state/mcp-sentinel/auth")
}

/// The file of the only login.
fn kept(house: &House) -> PathBuf {
    let files = logins(house).read_dir().unwrap();
    let mut files = files.map(|it| it.unwrap().path());
    files.find(|it| it.extension().unwrap() == "json").unwrap()
}
