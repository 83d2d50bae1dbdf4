//! The built-in client: somebody at work at the harbour, calmly and for ever.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rmcp::ClientHandler;
use rmcp::model::{
    ArgumentInfo, CallToolRequest, CallToolRequestParams, ClientCapabilities, ClientConfig,
    ClientRequest, CompleteRequestParams, CreateMessageRequestParams, CreateMessageResult,
    ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData, GetPromptRequestParams,
    Implementation, ListRootsResult, LoggingLevel, PingRequest, ProtocolVersion,
    ReadResourceRequestParams, Reference, Root, SamplingMessage, SetLevelRequestParams,
    SubscribeRequestParams,
};
use rmcp::service::{
    NotificationContext, Peer, PeerRequestOptions, RequestContext, RoleClient, ServiceError,
    ServiceExt as _,
};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Between two steps of the opening, and of everything after it: quick enough to have something to look at from
/// the first second on, then slow enough to read along.
const BRISK: Duration = Duration::from_millis(120);
const CALM: Duration = Duration::from_millis(1800);

/// Talks to a server until `stop` is cancelled or the server hangs up. `reader` is what the server says, `writer`
/// is what it hears; closing `writer` is how the client leaves.
pub async fn converse<R, W>(reader: R, writer: W, stop: CancellationToken) -> anyhow::Result<()>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let session = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        session = Person::default().serve((reader, writer)) => {
            session.context("begin the session with the server")?
        }
    };
    let visit = Visit {
        server: session.peer().clone(),
    };
    tokio::select! {
        () = stop.cancelled() => visit.say_goodbye().await,
        ControlFlow::Break(ServerGone) = visit.stay() => {}
    }
    session.cancel().await.context("leave the server")?;
    Ok(())
}

/// The server hung up, which is the only reason to end a visit early: errors are a part of it.
struct ServerGone;

type Step = ControlFlow<ServerGone>;

struct Visit {
    server: Peer<RoleClient>,
}

impl Visit {
    async fn stay(&self) -> Step {
        self.look_around().await?;
        for round in 0.. {
            self.work(round).await?;
        }
        Step::Continue(())
    }

    /// Leaving takes back the call that was running; once a ping is answered, the server knows. Without that it
    /// would finish the call for nobody.
    async fn say_goodbye(&self) {
        let ping = ClientRequest::PingRequest(PingRequest::default());
        let _ = timeout(Duration::from_millis(500), self.server.send_request(ping)).await;
    }

    /// What every client does when it arrives.
    async fn look_around(&self) -> Step {
        let server = &self.server;
        self.went_on(server.list_all_tools().await)?;
        sleep(BRISK).await;
        self.went_on(server.list_all_resources().await)?;
        self.went_on(server.list_all_resource_templates().await)?;
        self.went_on(server.list_all_prompts().await)?;
        sleep(BRISK).await;
        let level = SetLevelRequestParams::new(LoggingLevel::Info);
        self.went_on(server.set_level(level).await)?;
        let berths = SubscribeRequestParams::new("harbour://berths");
        self.went_on(server.subscribe(berths).await)?;
        sleep(BRISK).await;
        self.call("echo", json!({"message": "Good morning! ☀"}))
            .await?;
        sleep(BRISK).await;
        self.call("get-sum", json!({"a": 2, "b": 3})).await?;
        sleep(BRISK).await;
        self.call("get-forecast", json!({"place": "lagoon", "days": 2}))
            .await?;
        sleep(BRISK).await;
        self.read("harbour://guide").await?;
        sleep(CALM / 2).await;
        self.call("long-operation", json!({"duration": 4, "steps": 8}))
            .await
    }

    /// A round of work: a minute or so with a bit of everything that goes well and of what does not.
    async fn work(&self, round: u32) -> Step {
        self.pace().await;
        self.call("list-berths", json!({})).await?;
        self.pace().await;
        self.call("read-gauge", json!({"gauge": round % 3 + 1}))
            .await?;
        self.pace().await;
        self.call("find-notes", json!({"tags": ["repair"], "limit": 3}))
            .await?;
        self.pace().await;
        let boat = ["Petrel", "Ida", "Sula"][(round % 3) as usize];
        self.call("book-berth", json!({"boat": boat, "length": 7.5}))
            .await?;
        self.pace().await;
        self.read("harbour://berths").await?;
        self.pace().await;
        // A long wait does not keep anybody from asking for other things meanwhile.
        let (slow, meanwhile) = tokio::join!(self.call("slow", json!({"seconds": 5})), async {
            self.pace().await;
            self.call("get-sum", json!({"a": 0.1, "b": round})).await
        });
        slow?;
        meanwhile?;
        self.call("get-sum", json!({"a": "two", "b": 3})).await?;
        self.pace().await;
        self.call("write-bulletin", json!({"note": 2, "tone": "stern"}))
            .await?;
        self.pace().await;
        self.prompt("summarize", json!({"note": "1", "length": "paragraph"}))
            .await?;
        self.complete("plan-day", "place", "la").await?;
        self.prompt("plan-day", json!({"place": "lagoon", "wishes": "seals"}))
            .await?;
        self.pace().await;
        self.call("open-sluice", json!({"gate": "west"})).await?;
        self.pace().await;
        self.give_up("slow", json!({"seconds": 60})).await?;
        self.pace().await;
        self.keep_notes(round).await?;
        self.pace().await;
        self.call("take-photo", json!({})).await?;
        self.call("list-charts", json!({})).await?;
        self.pace().await;
        self.read("harbour://tides/pier/2026-11-21").await?;
        self.read("note://999").await?;
        self.pace().await;
        self.call("export-log", json!({"entries": 5000})).await?;
        self.pace().await;
        self.call("long-operation", json!({"duration": 6, "steps": 12}))
            .await?;
        self.change_shift(round).await
    }

    async fn keep_notes(&self, round: u32) -> Step {
        let note = json!({
            "title": format!("Round {}", round + 1),
            "body": "All lines checked, bilge of the pilot boat pumped dry.",
            "tags": ["round", "checked"],
            "author": {"name": "Demo client", "email": "demo@harbour.example"},
            "due": {"kind": "in", "days": 3},
        });
        self.call("save-note", note).await?;
        self.pace().await;
        self.call("find-notes", json!({"text": "round"})).await?;
        self.pace().await;
        // The three first notes stay, so the round's own is the fourth and onwards.
        self.call("delete-note", json!({"id": round + 4})).await
    }

    async fn change_shift(&self, round: u32) -> Step {
        let night = round.is_multiple_of(2);
        let shift = if night { "night" } else { "day" };
        self.call("set-shift", json!({"shift": shift})).await?;
        self.pace().await;
        // By day nobody offers this, so every other time the answer is an error.
        self.call("light-beacon", json!({"colour": "white", "period": 2.5}))
            .await
    }

    async fn pace(&self) {
        sleep(CALM).await;
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> Step {
        let result = self.server.call_tool(call_params(tool, arguments)).await;
        self.went_on(result)
    }

    async fn read(&self, uri: &str) -> Step {
        let params = ReadResourceRequestParams::new(uri);
        self.went_on(self.server.read_resource(params).await)
    }

    async fn prompt(&self, name: &str, arguments: Value) -> Step {
        let mut params = GetPromptRequestParams::new(name);
        params.arguments = arguments.as_object().cloned();
        self.went_on(self.server.get_prompt(params).await)
    }

    async fn complete(&self, prompt: &str, argument: &str, typed: &str) -> Step {
        let argument = ArgumentInfo::new(argument, typed);
        let params = CompleteRequestParams::new(Reference::for_prompt(prompt), argument);
        self.went_on(self.server.complete(params).await)
    }

    /// Calls a tool and loses patience.
    async fn give_up(&self, tool: &'static str, arguments: Value) -> Step {
        let request = CallToolRequest::new(call_params(tool, arguments));
        let sent = self
            .server
            .send_cancellable_request(
                ClientRequest::CallToolRequest(request),
                PeerRequestOptions::no_options(),
            )
            .await;
        match sent {
            Ok(call) => {
                sleep(CALM).await;
                let reason = "took too long".to_owned();
                self.went_on(call.cancel(Some(reason)).await)
            }
            Err(error) => self.went_on(Err::<(), _>(error)),
        }
    }

    /// An error answer is an answer; only a closed connection ends the visit.
    fn went_on<T>(&self, result: Result<T, ServiceError>) -> Step {
        match result {
            Err(ServiceError::TransportClosed | ServiceError::TransportSend(_)) => {
                Step::Break(ServerGone)
            }
            _ if self.server.is_transport_closed() => Step::Break(ServerGone),
            _ => Step::Continue(()),
        }
    }
}

fn call_params(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    let mut params = CallToolRequestParams::new(tool);
    params.arguments = arguments.as_object().cloned();
    params
}

/// Who answers when the server asks back.
#[derive(Default)]
struct Person {
    forms_seen: AtomicU32,
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder()
            .enable_roots()
            .enable_sampling()
            .enable_elicitation()
            .build();
        ClientConfig::new(
            capabilities,
            Implementation::new("demo-client", env!("CARGO_PKG_VERSION")).with_title("Demo client"),
        )
        .with_protocol_version(ProtocolVersion::V_2025_11_25)
    }

    async fn list_roots(
        &self,
        _context: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![
            Root::new("file:///srv/charts/coast").with_name("Coastal charts"),
            Root::new("file:///srv/charts/harbour").with_name("Harbour plans"),
        ]))
    }

    async fn create_message(
        &self,
        _params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        sleep(CALM / 2).await;
        let words = "Pump 2 is out of order until Thursday. Skippers shall pay by the dipstick.";
        let message = SamplingMessage::assistant_text(words);
        Ok(CreateMessageResult::new(message, "demo-model".to_owned()).with_stop_reason("endTurn"))
    }

    async fn create_elicitation(
        &self,
        _params: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        sleep(CALM).await;
        let seen = self.forms_seen.fetch_add(1, Ordering::Relaxed);
        if seen % 3 == 1 {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        }
        let form =
            json!({"skipper": "Ingrid", "crew": 2, "shorePower": true, "arrival": "evening"});
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(form))
    }

    async fn on_tool_list_changed(&self, context: NotificationContext<RoleClient>) {
        // A list that cannot be had now is asked for again at the next change.
        let _ = context.peer.list_all_tools().await;
    }

    async fn on_resource_list_changed(&self, context: NotificationContext<RoleClient>) {
        let _ = context.peer.list_all_resources().await;
    }
}
