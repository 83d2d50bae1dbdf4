//! The two built-in peers with each other, and the server with a client of either era.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use rmcp::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig,
    CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
    ElicitationAction, ErrorData, GetPromptRequestParams, Implementation, ListRootsResult,
    ProtocolVersion, ReadResourceRequestParams, Root, SamplingMessage,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt as _, RequestContext, RoleClient, RunningService,
    ServiceError,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use super::{converse, serve};

struct Skipper;

impl ClientHandler for Skipper {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder()
            .enable_roots()
            .enable_sampling()
            .enable_elicitation()
            .build();
        ClientConfig::new(capabilities, Implementation::new("skipper", "1"))
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
    }

    async fn list_roots(
        &self,
        _context: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![Root::new("file:///charts")]))
    }

    async fn create_message(
        &self,
        _params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let message = SamplingMessage::assistant_text("Mind the rope.");
        Ok(CreateMessageResult::new(message, "model".to_owned()))
    }

    async fn create_elicitation(
        &self,
        _params: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let form = json!({"skipper": "Ada", "arrival": "morning"});
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(form))
    }
}

fn both_eras() -> [ClientLifecycleMode; 2] {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    [
        ClientLifecycleMode::Initialize,
        ClientLifecycleMode::Discover { preferred_versions },
    ]
}

async fn visit(era: ClientLifecycleMode) -> RunningService<RoleClient, Skipper> {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (reader, writer) = tokio::io::split(server);
    tokio::spawn(serve(reader, writer));
    Skipper.serve_with_lifecycle(client, era).await.unwrap()
}

async fn call(
    desk: &RunningService<RoleClient, Skipper>,
    tool: &'static str,
    arguments: Value,
) -> Result<CallToolResult, ServiceError> {
    let mut params = CallToolRequestParams::new(tool);
    params.arguments = arguments.as_object().cloned();
    desk.call_tool(params).await
}

fn words(result: &CallToolResult) -> &str {
    &result.content[0].as_text().unwrap().text
}

#[tokio::test]
async fn every_tool_answers_as_its_description_says_in_both_eras() {
    for era in both_eras() {
        let desk = visit(era).await;
        let sum = call(&desk, "get-sum", json!({"a": 2, "b": 0.5}))
            .await
            .unwrap();
        assert_eq!(sum.structured_content.unwrap()["result"], 2.5);

        let days = json!({"place": "outer-bank", "unit": "fahrenheit"});
        let forecast = call(&desk, "get-forecast", days).await.unwrap();
        assert_eq!(
            forecast.structured_content.unwrap()["days"]
                .as_array()
                .unwrap()
                .len(),
            3
        );

        let silent = call(&desk, "read-gauge", json!({"gauge": 3}))
            .await
            .unwrap();
        assert_eq!(silent.is_error, Some(true));

        let sluice = call(&desk, "open-sluice", json!({"gate": "west"})).await;
        assert!(matches!(sluice, Err(ServiceError::McpError(error)) if error.code.0 == -32603));

        let log = call(&desk, "export-log", json!({"entries": 3000}))
            .await
            .unwrap();
        assert_eq!(words(&log).lines().count(), 3000);

        let photo = call(&desk, "take-photo", json!({})).await.unwrap();
        assert!(photo.content[1].as_image().is_some());

        let long = json!({"duration": 0, "steps": 2});
        let done = call(&desk, "long-operation", long).await.unwrap();
        assert_eq!(done.is_error, Some(false));
    }
}

#[tokio::test]
async fn the_server_asks_the_client_back_in_both_eras() {
    for era in both_eras() {
        let desk = visit(era).await;
        let booked = call(&desk, "book-berth", json!({"boat": "Sula", "length": 8})).await;
        assert_eq!(
            words(&booked.unwrap()),
            "Berth A2 is kept for Sula (Ada), 1 night(s)."
        );
        let bulletin = json!({"note": 1, "tone": "plain"});
        let bulletin = call(&desk, "write-bulletin", bulletin).await.unwrap();
        assert_eq!(words(&bulletin), "NOTICE TO MARINERS\n\nMind the rope.");
        let charts = call(&desk, "list-charts", json!({})).await.unwrap();
        assert_eq!(words(&charts), "1 folder(s) to look for charts in.");
    }
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_gets_an_error_of_the_tool() {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (reader, writer) = tokio::io::split(server);
    tokio::spawn(serve(reader, writer));
    let desk = ().serve_with_lifecycle(client, ClientLifecycleMode::Initialize).await.unwrap();
    let arguments = json!({"boat": "Sula", "length": 8});
    let params = CallToolRequestParams::new("book-berth")
        .with_arguments(arguments.as_object().unwrap().clone());
    let answer = desk.call_tool(params).await.unwrap();
    assert_eq!(answer.is_error, Some(true));
    assert!(words(&answer).contains("client that can be asked"));
}

#[tokio::test]
async fn notes_tools_and_resources_change_together() {
    let desk = visit(ClientLifecycleMode::Initialize).await;
    let before = desk.list_all_resources().await.unwrap().len();
    let note = json!({"title": "t", "body": "b", "author": {"name": "n"}, "due": null});
    let saved = call(&desk, "save-note", note).await.unwrap();
    assert_eq!(words(&saved), "Saved as note 4.");
    assert_eq!(desk.list_all_resources().await.unwrap().len(), before + 1);
    let read = desk.read_resource(ReadResourceRequestParams::new("note://4"));
    assert_eq!(read.await.unwrap().contents.len(), 1);
    let prompt = GetPromptRequestParams::new("summarize")
        .with_arguments(json!({"note": "4"}).as_object().unwrap().clone());
    assert_eq!(desk.get_prompt(prompt).await.unwrap().messages.len(), 1);
    call(&desk, "delete-note", json!({"id": 4})).await.unwrap();
    assert_eq!(desk.list_all_resources().await.unwrap().len(), before);

    let tools = desk.list_all_tools().await.unwrap().len();
    call(&desk, "set-shift", json!({"shift": "night"}))
        .await
        .unwrap();
    assert_eq!(desk.list_all_tools().await.unwrap().len(), tools + 1);
}

#[tokio::test]
async fn every_schema_on_offer_is_one_that_a_validator_accepts() {
    let desk = visit(ClientLifecycleMode::Initialize).await;
    for tool in desk.list_all_tools().await.unwrap() {
        let schema = Value::Object(tool.input_schema.as_ref().clone());
        assert!(
            jsonschema::validator_for(&schema).is_ok(),
            "{}: {schema}",
            tool.name
        );
    }
}

/// The built-in client against the built-in server, each line seen on its way as (said by the client, line).
#[tokio::test]
async fn the_built_in_client_has_said_something_of_every_kind_before_its_first_long_call() {
    let (client_side, client_far) = tokio::io::duplex(64 * 1024);
    let (server_side, server_far) = tokio::io::duplex(64 * 1024);
    let (server_reader, server_writer) = tokio::io::split(server_side);
    let server = tokio::spawn(serve(server_reader, server_writer));
    let stop = CancellationToken::new();
    let (reader, writer) = tokio::io::split(client_side);
    let client = tokio::spawn(converse(reader, writer, stop.clone()));

    let (client_says, mut client_hears) = tokio::io::split(client_far);
    let (server_says, mut server_hears) = tokio::io::split(server_far);
    let (under_way, long_call) = oneshot::channel();
    let said = tokio::spawn(async move {
        let mut under_way = Some(under_way);
        let mut lines = BufReader::new(client_says).lines();
        let mut said = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            let message: Value = serde_json::from_str(&line).unwrap();
            server_hears
                .write_all(format!("{line}\n").as_bytes())
                .await
                .unwrap();
            match message["params"]["name"] == "long-operation" {
                true => drop(under_way.take().map(|it| it.send(()))),
                false if under_way.is_none() => {}
                false => said.push(message["method"].as_str().unwrap_or("answer").to_owned()),
            }
        }
        server_hears.shutdown().await.unwrap();
        said
    });
    tokio::spawn(async move {
        let mut server_says = server_says;
        let _ = tokio::io::copy(&mut server_says, &mut client_hears).await;
    });

    long_call.await.unwrap();
    stop.cancel();
    let asked_to_leave = Instant::now();
    client.await.unwrap().unwrap();
    let said = said.await.unwrap();
    server.await.unwrap().unwrap();
    // The call takes four.
    assert!(asked_to_leave.elapsed() < Duration::from_secs(4));
    for method in [
        "initialize",
        "notifications/initialized",
        "tools/list",
        "resources/list",
        "resources/templates/list",
        "prompts/list",
        "tools/call",
        "resources/read",
    ] {
        assert!(said.iter().any(|it| it == method), "{method} in {said:?}");
    }
}

#[tokio::test]
async fn the_built_in_client_leaves_when_the_server_is_gone() {
    let (client_side, server_side) = tokio::io::duplex(64 * 1024);
    let (server_reader, server_writer) = tokio::io::split(server_side);
    let server = tokio::spawn(serve(server_reader, server_writer));
    let (reader, writer) = tokio::io::split(client_side);
    let client = tokio::spawn(converse(reader, writer, CancellationToken::new()));
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.abort();
    tokio::time::timeout(Duration::from_secs(300), client)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
