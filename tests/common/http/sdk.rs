//! rmcp's own server and client of the Streamable HTTP transport, in both lifecycles.

use crate::common::upstream::Upstream;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rmcp::model::*;
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt as _, NotificationContext, RequestContext, RoleClient,
    RunningService,
};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::transport::{IntoTransport, StreamableHttpClientTransport};
use rmcp::{ClientHandler, ErrorData};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How rmcp's server treats legacy clients. Modern ones it serves without sessions in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// Sessions, server-sent events with ids, priming events, a GET stream.
    Sessions,
    /// No sessions; JSON answers where nothing else has to be said.
    Stateless,
}

/// The rmcp upstream on loopback, until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Server {
    pub async fn start(serving: Serving) -> Self {
        let sessions = serving == Serving::Sessions;
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(sessions)
            .with_json_response(!sessions);
        let manager = Arc::new(LocalSessionManager::default());
        let service = StreamableHttpService::new(|| Ok(Upstream), manager, config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let service = TowerToHyperService::new(service.clone());
                let http = hyper::server::conn::http1::Builder::new();
                let connection = http.serve_connection(TokioIo::new(stream), service);
                connections.spawn(async { drop(connection.await) });
            }
        });
        Self {
            address,
            _serving: serving,
        }
    }

    /// Any path does.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

/// The two lifecycles.
pub const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    Legacy,
    Modern,
}

impl Era {
    fn lifecycle(self) -> ClientLifecycleMode {
        match self {
            Self::Legacy => ClientLifecycleMode::Initialize,
            Self::Modern => ClientLifecycleMode::Discover {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            },
        }
    }
}

/// A client that can be asked for a name, and keeps the progress it hears of.
#[derive(Debug, Clone, Default)]
pub struct Guest {
    progress: Arc<Mutex<Vec<f64>>>,
}

impl ClientHandler for Guest {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_elicitation().build();
        ClientConfig::new(capabilities, Implementation::new("guest", "1"))
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({"name": "Ada"})))
    }

    async fn on_progress(
        &self,
        progress: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.progress.lock().unwrap().push(progress.progress);
    }
}

pub type Client = RunningService<RoleClient, Guest>;

/// Connects over HTTP.
pub async fn connect(url: &str, era: Era) -> Client {
    connect_over(transport(url), era).await
}

/// Connects over any transport, such as a pair of pipes.
pub async fn connect_over<T, E, A>(transport: T, era: Era) -> Client
where
    T: IntoTransport<RoleClient, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let serving = Guest::default().serve_with_lifecycle(transport, era.lifecycle());
    super::within("the client's handshake", serving)
        .await
        .unwrap()
}

/// rmcp's transport, which looks at no proxy settings.
pub fn transport(url: &str) -> StreamableHttpClientTransport<reqwest::Client> {
    // Both the program and its tests leave the choice of cryptography to whoever is first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    StreamableHttpClientTransport::with_client(http, config)
}

/// What a tool answers. `ask` has no way to ask a legacy client back when it is `Serving::Stateless`.
pub async fn call(client: &Client, tool: &'static str, arguments: Value) -> Value {
    let mut params = CallToolRequestParams::new(tool);
    params.arguments = arguments.as_object().cloned();
    within_json(tool, client.call_tool(params)).await
}

/// Everything that this upstream has for a client, except `ask`, as the client gets it, and in that order.
pub async fn visit(client: &Client) -> Vec<Value> {
    let info = client.peer_info().unwrap();
    let mut seen = vec![json!([
        info.capabilities,
        info.server_info,
        info.instructions
    ])];
    seen.push(within_json("tools/list", client.list_tools(None)).await);
    seen.push(call(client, "echo", json!({"text": "abc \u{1F980}\u{2028}"})).await);
    seen.push(call(client, "count", json!({})).await);
    seen.push(call(client, "no such tool", json!({})).await);
    seen.push(within_json("resources/list", client.list_resources(None)).await);
    let hello = ReadResourceRequestParams::new("resource://hello.txt");
    seen.push(within_json("resources/read", client.read_resource(hello)).await);
    seen.push(within_json("prompts/list", client.list_prompts(None)).await);
    let summarize = GetPromptRequestParams::new("summarize");
    seen.push(within_json("prompts/get", client.get_prompt(summarize)).await);
    // rmcp handles each notification in a task of its own: perhaps after the answer, and in no order.
    let heard = || client.service().progress.lock().unwrap().clone();
    super::until("all progress is heard", || heard().len() == 3).await;
    let mut heard = heard();
    heard.sort_by(f64::total_cmp);
    seen.push(json!(heard));
    seen
}

async fn within_json<T: serde::Serialize, E: std::fmt::Display>(
    what: &str,
    answer: impl Future<Output = Result<T, E>>,
) -> Value {
    match super::within(what, answer).await {
        Ok(answer) => json!(answer),
        Err(error) => json!({"error": error.to_string()}),
    }
}
