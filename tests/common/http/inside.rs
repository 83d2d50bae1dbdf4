//! The data path and its recorder within the test's own process, where the test is the operator.

use super::{TOO_LONG, until};
use mcp_sentinel::capture::record::Header;
use mcp_sentinel::capture::recorder::Recorder;
use mcp_sentinel::proxy::http_client::Origin;
use mcp_sentinel::proxy::listener::Listen;
use mcp_sentinel::proxy::{self, Config};
use mcp_sentinel::tap::{self, Command, Order, Overflow, Refused, Reply};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// A proxy in front of an HTTP upstream; stopped when it is dropped.
pub struct Inside {
    pub address: SocketAddr,
    orders: mpsc::Sender<Order>,
    over: CancellationToken,
    _recorder: Recorder,
    home: tempfile::TempDir,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

impl Inside {
    pub async fn before(url: &str) -> Self {
        Self::with(url, |_| {}).await
    }

    /// With what is to be different about the upstream.
    pub async fn with(url: &str, change: impl FnOnce(&mut Origin)) -> Self {
        let mut origin = Origin::at(url.parse().unwrap());
        change(&mut origin);
        let config = Config {
            upstream: proxy::Upstream::Http(Arc::new(origin)),
            era: None,
            unattended: false,
            grace: Duration::from_secs(2),
            forward_stderr: false,
            started: CancellationToken::new(),
        };
        let home = tempfile::tempdir().unwrap();
        let (tap, drain) = tap::queue(64 << 20, Overflow::Wait);
        let capture = home.path().join("capture.jsonl");
        let recorder = Recorder::start(capture, Header::default(), drain).unwrap();
        let listen = Listen::at("127.0.0.1:0");
        let mut bound = listen.bound.subscribe();
        let (orders, inbox) = mpsc::channel(16);
        let over = CancellationToken::new();
        let stopping = over.clone();
        std::thread::spawn(move || {
            let client = proxy::Client::Http(listen);
            proxy::run(config, client, tap, inbox, stopping).unwrap();
        });
        let address = tokio::time::timeout(TOO_LONG, bound.wait_for(Option::is_some)).await;
        let address = address.unwrap().unwrap().unwrap();
        Self {
            address,
            orders,
            over,
            _recorder: recorder,
            home,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What comes of a command of the operator's.
    pub async fn order(&self, command: Command) -> Result<Reply, Refused> {
        let (outcome, answer) = oneshot::channel();
        let order = Order { command, outcome };
        self.orders.send(order).await.unwrap();
        super::within("the outcome of an order", answer)
            .await
            .unwrap()
    }

    /// Everything captured so far, without the header; a line that is still being written is left out.
    pub fn capture(&self) -> Vec<Value> {
        let text = std::fs::read(self.home.path().join("capture.jsonl")).unwrap();
        text.split_inclusive(|byte| *byte == b'\n')
            .filter(|line| line.ends_with(b"\n"))
            .skip(1)
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    /// The first record that `found` finds, once it is there.
    pub async fn record<T>(&self, what: &str, found: impl Fn(&Value) -> Option<T>) -> T {
        let mut record = None;
        until(what, || {
            record = self.capture().iter().find_map(&found);
            record.is_some()
        })
        .await;
        record.unwrap()
    }
}
