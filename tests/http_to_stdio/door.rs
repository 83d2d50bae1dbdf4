//! The built program in front of a counter, and what clients of each era say to it.

use crate::common::http::{Answer, Client, Sentinel};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// The built program in front of a counter.
pub struct Door {
    pub proxy: Sentinel,
    pub address: SocketAddr,
}

/// In front of a counter that knows this era.
pub async fn counter(era: &str) -> Door {
    counter_with(era, &[]).await
}

pub async fn counter_with(era: &str, options: &[&str]) -> Door {
    let own = std::env::current_exe().unwrap();
    let command = ["--", own.to_str().unwrap(), "peer", "counter", era];
    let proxy = Sentinel::listening(&[options, &command].concat()).await;
    let address = proxy.address();
    assert!(proxy.url().ends_with("/mcp"), "{}", proxy.url());
    Door { proxy, address }
}

impl Door {
    pub async fn post(&self, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        Client::post(self.address, "/mcp", headers, body).await
    }

    /// A legacy client that has shaken hands.
    pub async fn session(&self, version: &'static str) -> Session<'_> {
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

    /// A request of the modern era, with the headers that it needs.
    pub async fn modern(&self, body: &Value) -> Answer {
        let headers = modern_headers(body);
        self.post(&borrowed(&headers), body.to_string()).await
    }

    /// The same of a client that takes no events: however long the child takes, the answer is one JSON body and its status
    /// is the child's to decide.
    pub async fn modern_json(&self, body: &Value) -> Answer {
        let headers = modern_headers(body);
        self.post_json(&borrowed(&headers), body.to_string()).await
    }

    pub async fn post_json(&self, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        let own = [
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ];
        let headers = [&own[..], headers].concat();
        Client::ask(self.address, "POST", "/mcp", &headers, body).await
    }

    /// The same, without waiting for more than the head.
    pub async fn modern_stream(&self, body: &Value) -> Client {
        let client = Client::connect(self.address).await;
        self.modern_stream_on(client, body).await
    }

    pub async fn modern_stream_on(&self, client: Client, body: &Value) -> Client {
        let headers = modern_headers(body);
        posted(client, &borrowed(&headers), body.to_string()).await
    }

    /// A POST that may be answered in events, one by one; the head is still to be read.
    pub async fn stream(&self, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Client {
        posted(Client::connect(self.address).await, headers, body).await
    }

    /// Waits until the capture has a record with all of these texts in it.
    pub async fn recorded(&self, texts: &[&str]) {
        let has_all = |it: &Value| texts.iter().all(|text| it.to_string().contains(text));
        let what = format!("{texts:?} is on record");
        self.proxy
            .captured(&what, |capture| capture.iter().any(has_all))
            .await;
    }

    /// Everything captured, once the proxy has ended.
    pub async fn close(mut self) -> Vec<Value> {
        assert!(self.proxy.end().await.success(), "{}", self.proxy.errors());
        self.proxy.capture()
    }
}

async fn posted(mut client: Client, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Client {
    let own = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    let headers = [&own[..], headers].concat();
    let posted = client.request("POST", "/mcp", &headers, body).await;
    posted.unwrap();
    client
}

pub struct Session<'d> {
    pub door: &'d Door,
    pub id: String,
    pub version: &'static str,
}

impl Session<'_> {
    pub fn headers(&self) -> [(&str, &str); 2] {
        [
            ("mcp-session-id", &self.id),
            ("mcp-protocol-version", self.version),
        ]
    }

    pub async fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        self.door.post(&self.headers(), body).await
    }

    /// Of a client that takes no events.
    pub async fn post_json(&self, body: impl AsRef<[u8]>) -> Answer {
        self.door.post_json(&self.headers(), body).await
    }

    pub async fn stream(&self, body: impl AsRef<[u8]>) -> Client {
        self.door.stream(&self.headers(), body).await
    }

    /// The stream that listens, or goes on after an event.
    pub async fn listen(&self, after: Option<&str>) -> Client {
        let mut headers = vec![("accept", "text/event-stream")];
        headers.extend(self.headers());
        headers.extend(after.map(|id| ("last-event-id", id)));
        let mut client = Client::connect(self.door.address).await;
        client.request("GET", "/mcp", &headers, "").await.unwrap();
        let head = client.head().await;
        assert_eq!(head.status(), 200);
        assert_eq!(head.get("content-type"), Some("text/event-stream"));
        client
    }
}

pub fn on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

pub fn initialize(version: &str) -> String {
    json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    })
    .to_string()
}

pub fn request(id: impl Into<Value>, method: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method}).to_string()
}

/// A request with a progress token.
pub fn progressing(id: impl Into<Value>, method: &str, token: impl Into<Value>) -> String {
    let params = json!({"_meta": {"progressToken": token.into()}});
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params}).to_string()
}

/// A request of the modern era; `extra` is more of its `_meta`.
pub fn modern(id: impl Into<Value>, method: &str, params: Value, extra: Value) -> Value {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    for (key, value) in extra.as_object().into_iter().flatten() {
        params["_meta"][key] = value.clone();
    }
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

pub fn plain(id: impl Into<Value>, method: &str) -> Value {
    modern(id, method, json!({}), json!({}))
}

pub fn modern_headers(body: &Value) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("mcp-protocol-version", "2026-07-28".to_owned()),
        ("mcp-method", body["method"].as_str().unwrap().to_owned()),
    ];
    if body["method"] == "tools/call" {
        headers.push(("mcp-name", body["params"]["name"].as_str().unwrap().into()));
    }
    headers
}

pub fn borrowed<'h>(headers: &'h [(&'static str, String)]) -> Vec<(&'h str, &'h str)> {
    let headers = headers.iter();
    headers
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// Has the server show that it knows the modern era.
pub async fn prove(door: &Door) {
    let answer = door.modern(&plain("probe", "server/discover")).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}
