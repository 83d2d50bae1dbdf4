//! HTTP clients in front of a stdio server: raw ones for every rule of the transport, rmcp's for the rest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

use common::http::{Answer, Client, sdk, until};
use common::{harness, peers};
use mcp_sentinel::capture::record::Header;
use mcp_sentinel::capture::recorder::Recorder;
use mcp_sentinel::proxy::listener::Listen;
use mcp_sentinel::proxy::{self, Config, Upstream};
use mcp_sentinel::tap::{self, Orders, Overflow};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    peers::be_one_if_told();
    harness::run(tests![
        a_session_begins_with_initialize_and_ends_with_delete,
        every_session_has_a_child_of_its_own,
    ])
}

/// The proxy in this process, behind a listener of its own.
struct Door {
    address: SocketAddr,
    capture: PathBuf,
    orders: Orders,
    shutdown: CancellationToken,
    running: Option<(JoinHandle<()>, Recorder)>,
    _home: TempDir,
}

/// In front of a counter that knows this era.
async fn counter(era: &str) -> Door {
    counter_with(era, |_| {}).await
}

async fn counter_with(era: &str, adjust: impl FnOnce(&mut Listen)) -> Door {
    let own = std::env::current_exe().unwrap();
    let words = [
        own.as_os_str(),
        "peer".as_ref(),
        "counter".as_ref(),
        era.as_ref(),
    ];
    Door::open(words.map(OsString::from).to_vec(), adjust).await
}

impl Door {
    async fn open(command: Vec<OsString>, adjust: impl FnOnce(&mut Listen)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let capture = home.path().join("capture.jsonl");
        let (tap, drain) = tap::queue(1 << 20, Overflow::Wait);
        let header = Header {
            capture: 1,
            ..Header::default()
        };
        let recorder = Recorder::start(capture.clone(), header, drain).unwrap();
        let (orders, received) = mpsc::channel(8);
        let shutdown = CancellationToken::new();
        let mut listen = Listen::at("127.0.0.1:0");
        adjust(&mut listen);
        let mut bound = listen.bound.subscribe();
        let token = shutdown.clone();
        let proxy = std::thread::spawn(move || {
            let config = Config {
                upstream: Upstream::Command(command),
                era: None,
                unattended: false,
                grace: Duration::from_secs(1),
                forward_stderr: false,
                started: CancellationToken::new(),
            };
            let client = proxy::Client::Http(listen);
            let ended = proxy::run(config, client, tap, received, token);
            assert_eq!(ended.unwrap().code, 0);
        });
        let address = bound.wait_for(Option::is_some).await.unwrap().unwrap();
        Self {
            address,
            capture,
            orders,
            shutdown,
            running: Some((proxy, recorder)),
            _home: home,
        }
    }

    async fn post(&self, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        Client::post(self.address, "/mcp", headers, body).await
    }

    /// A legacy client that has shaken hands.
    async fn session(&self, version: &'static str) -> Session<'_> {
        let answer = self.post(&[], initialize(version)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let id = answer.head.get("mcp-session-id").unwrap().to_owned();
        let session = Session {
            door: self,
            id,
            version,
        };
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(session.post(initialized).await.status(), 202);
        session
    }

    /// Everything captured, once the proxy has ended.
    fn close(mut self) -> Vec<Value> {
        self.end();
        let text = std::fs::read_to_string(&self.capture).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn end(&mut self) {
        self.shutdown.cancel();
        if let Some((proxy, recorder)) = self.running.take() {
            proxy.join().unwrap();
            recorder.finish();
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

struct Session<'d> {
    door: &'d Door,
    id: String,
    version: &'static str,
}

impl Session<'_> {
    fn headers(&self) -> [(&str, &str); 2] {
        [
            ("mcp-session-id", &self.id),
            ("mcp-protocol-version", self.version),
        ]
    }

    async fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        self.door.post(&self.headers(), body).await
    }
}

fn on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

fn initialize(version: &str) -> String {
    json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    })
    .to_string()
}

fn request(id: impl Into<Value>, method: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method}).to_string()
}

fn a_session_begins_with_initialize_and_ends_with_delete() {
    on(async {
        let door = counter("legacy").await;
        let session = door.session("2025-11-25").await;
        assert!(session.id.len() >= 32 && session.id.bytes().all(|it| (0x21..0x7f).contains(&it)));
        let answer = session.post(request(1, "hear")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.head.get("content-type"), Some("application/json"));
        assert_eq!(answer.json()["result"]["line"], request(1, "hear"));
        let deleted = Client::ask(door.address, "DELETE", "/mcp", &session.headers(), "").await;
        assert_eq!(deleted.status(), 204);
        let after = session.post(request(2, "hear")).await;
        assert_eq!(after.status(), 404, "{}", after.text());
    });
}

fn every_session_has_a_child_of_its_own() {
    on(async {
        let door = counter("legacy").await;
        let (one, other) = (
            door.session("2025-06-18").await,
            door.session("2025-06-18").await,
        );
        let pid = async |it: &Session<'_>| {
            it.post(request(1, "hear")).await.json()["result"]["pid"].clone()
        };
        assert_ne!(pid(&one).await, pid(&other).await);
        assert_eq!(pid(&one).await, pid(&one).await);
    });
}
