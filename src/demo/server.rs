//! The built-in server: the desk of a small harbour office, in both protocol eras.
//!
//! What is on offer is in `tools`, `prompts` and here (resources, completion, logging, subscriptions); what it
//! knows is in `harbour`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use base64::Engine as _;
use rmcp::handler::server::router::prompt::PromptRouter;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, CompletionInfo, ErrorData, Implementation,
    ListResourceTemplatesResult, ListResourcesResult, LoggingLevel,
    LoggingMessageNotificationParam, PaginatedRequestParams, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, Reference, Resource, ResourceContents,
    ResourceTemplate, ResourceUpdatedNotificationParam, ServerCapabilities, ServerConfig,
    SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{
    NotificationContext, RequestContext, RoleServer, ServerInitializeError, SubscriptionContext,
    SubscriptionSink,
};
use rmcp::{ServerHandler, ServiceExt as _, prompt_handler, tool_handler};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, MutexGuard};

use super::asking::is_modern;
use super::harbour::{self, Books, Place};

/// So many resources a page, few enough that there is a second page.
const PAGE: usize = 4;

/// Serves one client until it hangs up. `reader` and `writer` are the server's stdin and stdout.
pub async fn serve<R, W>(reader: R, writer: W) -> anyhow::Result<()>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let desk = Desk::new();
    eprintln!("harbour: the desk is open, 3 notes and 6 berths in the books");
    let session = match desk.serve((reader, writer)).await {
        Ok(session) => session,
        // Nobody came.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(error).context("begin the session with the client"),
    };
    session
        .waiting()
        .await
        .context("serve the client to its end")?;
    eprintln!("harbour: the client has left, good night");
    Ok(())
}

/// The one who answers. Cheap to clone; all clones write in the same books.
#[derive(Clone)]
pub(super) struct Desk {
    office: Arc<Office>,
    day_tools: ToolRouter<Self>,
    night_tools: ToolRouter<Self>,
    prompts: PromptRouter<Self>,
}

struct Office {
    books: Mutex<Books>,
    night: AtomicBool,
    /// What a client of the older era asked to be logged, and which resources it follows.
    level: Mutex<LoggingLevel>,
    followed: Mutex<BTreeSet<String>>,
    /// Where clients of the newer era hear of changes.
    listeners: Mutex<Vec<SubscriptionSink>>,
}

impl Desk {
    pub(super) fn new() -> Self {
        let day_tools = Self::day_tools();
        Self {
            office: Arc::new(Office {
                books: Mutex::new(Books::new()),
                night: AtomicBool::new(false),
                level: Mutex::new(LoggingLevel::Info),
                followed: Mutex::default(),
                listeners: Mutex::default(),
            }),
            night_tools: day_tools.clone() + Self::night_tools(),
            day_tools,
            prompts: Self::prompt_router(),
        }
    }

    pub(super) async fn books(&self) -> MutexGuard<'_, Books> {
        self.office.books.lock().await
    }

    /// True when that is a change.
    pub(super) fn set_night(&self, night: bool) -> bool {
        self.office.night.swap(night, Ordering::Relaxed) != night
    }

    fn tools(&self) -> &ToolRouter<Self> {
        if self.office.night.load(Ordering::Relaxed) {
            &self.night_tools
        } else {
            &self.day_tools
        }
    }

    /// Tells whoever wants to know; a client that has just gone needs no news.
    pub(super) async fn tools_changed(&self, context: &RequestContext<RoleServer>) {
        if !is_modern(context) {
            let _ = context.peer.notify_tool_list_changed().await;
        }
        for listener in self.office.listeners.lock().await.iter() {
            let _ = listener.notify_tool_list_changed().await;
        }
    }

    pub(super) async fn resources_changed(&self, context: &RequestContext<RoleServer>) {
        if !is_modern(context) {
            let _ = context.peer.notify_resource_list_changed().await;
        }
        for listener in self.office.listeners.lock().await.iter() {
            let _ = listener.notify_resource_list_changed().await;
        }
    }

    pub(super) async fn resource_updated(&self, uri: &str, context: &RequestContext<RoleServer>) {
        if self.office.followed.lock().await.contains(uri) {
            let param = ResourceUpdatedNotificationParam::new(uri);
            let _ = context.peer.notify_resource_updated(param).await;
        }
        for listener in self.office.listeners.lock().await.iter() {
            let _ = listener.notify_resource_updated(uri).await;
        }
    }

    pub(super) async fn log(
        &self,
        context: &RequestContext<RoleServer>,
        level: LoggingLevel,
        data: Value,
    ) {
        let wanted = match context.meta.log_level() {
            Some(wanted) => Some(wanted),
            None if is_modern(context) => None,
            None => Some(*self.office.level.lock().await),
        };
        if wanted.is_some_and(|wanted| level as u8 >= wanted as u8) {
            let message = LoggingMessageNotificationParam::new(level, data).with_logger("harbour");
            let _ = context.peer.notify_logging_message(message).await;
        }
    }

    async fn resources(&self) -> Vec<Resource> {
        let mut resources = vec![
            Resource::new("harbour://guide", "guide")
                .with_title("Guide to the harbour")
                .with_description("Berths, weather, notes: how things are done here")
                .with_mime_type("text/markdown")
                .with_size(harbour::GUIDE.len() as u64),
            Resource::new("harbour://berths", "berths")
                .with_title("Berths")
                .with_description("Who lies where")
                .with_mime_type("application/json"),
            Resource::new("harbour://webcam", "webcam")
                .with_title("Webcam on the pier")
                .with_mime_type("image/png")
                .with_size(harbour::WEBCAM.len() as u64),
            Resource::new("harbour://log", "log")
                .with_title("Log book")
                .with_description("The last 200 movements")
                .with_mime_type("text/plain"),
        ];
        resources.extend(self.books().await.notes.iter().map(|note| {
            Resource::new(format!("note://{}", note.id), format!("note {}", note.id))
                .with_title(note.title.clone())
                .with_mime_type("application/json")
        }));
        resources
    }

    async fn read(&self, uri: &str) -> Option<ResourceContents> {
        Some(match uri {
            "harbour://guide" => {
                ResourceContents::text(harbour::GUIDE, uri).with_mime_type("text/markdown")
            }
            "harbour://berths" => json_contents(uri, &self.books().await.berths)?,
            "harbour://webcam" => {
                let photo = base64::engine::general_purpose::STANDARD.encode(harbour::WEBCAM);
                ResourceContents::blob(photo, uri).with_mime_type("image/png")
            }
            "harbour://log" => ResourceContents::text(harbour::log_book(200), uri),
            _ => {
                if let Some(id) = uri.strip_prefix("note://") {
                    json_contents(uri, self.books().await.note(id.parse().ok()?)?)?
                } else {
                    let (station, date) = uri.strip_prefix("harbour://tides/")?.split_once('/')?;
                    ResourceContents::text(harbour::tides(station, date), uri)
                }
            }
        })
    }
}

fn json_contents<T: serde::Serialize>(uri: &str, value: &T) -> Option<ResourceContents> {
    let text = serde_json::to_string_pretty(value).ok()?;
    Some(ResourceContents::text(text, uri).with_mime_type("application/json"))
}

#[tool_handler(router = self.tools())]
#[prompt_handler(router = self.prompts)]
impl ServerHandler for Desk {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_logging()
            .enable_completions()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(
                Implementation::new("harbour", env!("CARGO_PKG_VERSION"))
                    .with_title("Harbour office")
                    .with_description("A made-up harbour office to try things on"),
            )
            .with_instructions(
                "The desk of a small harbour. Ask for the forecast before planning a day out, and confirm with \
                 the skipper before booking a berth. Gauge 3 is broken.",
            )
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if let Some(client) = context.peer.peer_info() {
            let client = &client.client_info;
            eprintln!("harbour: {} {} is here", client.name, client.version);
        }
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        *self.office.level.lock().await = request.level;
        Ok(())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        let start = match cursor.as_deref().map(str::parse::<usize>) {
            None => 0,
            Some(Ok(start)) => start,
            Some(Err(_)) => {
                return Err(ErrorData::invalid_params(
                    "this cursor is not one of ours",
                    None,
                ));
            }
        };
        let all = self.resources().await;
        let page = all.iter().skip(start).take(PAGE).cloned().collect();
        let mut result = ListResourcesResult::with_all_items(page);
        result.next_cursor = (start + PAGE < all.len()).then(|| (start + PAGE).to_string());
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(vec![
            ResourceTemplate::new("note://{id}", "note")
                .with_title("A note")
                .with_mime_type("application/json"),
            ResourceTemplate::new("harbour://tides/{station}/{date}", "tides")
                .with_title("Tide table")
                .with_description("High and low water of one day; the date as 2026-11-21")
                .with_mime_type("text/plain"),
        ]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match self.read(&request.uri).await {
            Some(contents) => Ok(ReadResourceResult::new(vec![contents]).into()),
            None => Err(ErrorData::resource_not_found(
                format!("there is nothing at {}", request.uri),
                None,
            )),
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let known: Vec<String> = match (&request.r#ref, request.argument.name.as_str()) {
            (Reference::Prompt(_), "place") | (Reference::Resource(_), "station") => {
                Place::NAMES.map(str::to_owned).to_vec()
            }
            (Reference::Prompt(_), "note") | (Reference::Resource(_), "id") => {
                let books = self.books().await;
                books.notes.iter().map(|note| note.id.to_string()).collect()
            }
            (Reference::Prompt(_), "length") => {
                ["line", "paragraph", "page"].map(str::to_owned).to_vec()
            }
            _ => Vec::new(),
        };
        let fitting = known
            .into_iter()
            .filter(|value| value.starts_with(&request.argument.value))
            .take(CompletionInfo::MAX_VALUES)
            .collect();
        CompletionInfo::with_all_values(fitting)
            .map(CompleteResult::new)
            .map_err(|error| ErrorData::internal_error(error, None))
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.office.followed.lock().await.insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.office.followed.lock().await.remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let listeners = &self.office.listeners;
        listeners.lock().await.push(context.sink().clone());
        context.cancelled().await;
        let id = context.sink().id();
        listeners
            .lock()
            .await
            .retain(|listener| listener.id() != id);
        Ok(())
    }
}
