//! The rmcp upstream: tool `echo`, resource `resource://hello.txt`, prompt `summarize`, fixed outputs; and the tools
//! `count`, which reports progress, and `ask`, which asks the client back as its era has it.

use rmcp::model::*;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde_json::json;

pub struct Upstream;

pub const HELLO: &str = "Hello, résumé \u{1F980}!\n";

impl ServerHandler for Upstream {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("upstream", "1.0.0"))
            .with_instructions("Say something.")
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]});
        let schema = schema.as_object().unwrap().clone();
        let echo = Tool::new("echo", "Says it again.", schema);
        let nothing = || json!({"type": "object"}).as_object().unwrap().clone();
        let count = Tool::new("count", "Counts to three, aloud.", nothing());
        let ask = Tool::new("ask", "Asks for a name.", nothing());
        Ok(ListToolsResult::with_all_items(vec![echo, count, ask]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        match request.name.as_ref() {
            "echo" => {}
            "count" => return Ok(count(&context).await),
            "ask" => return ask(request.input_responses, &context).await,
            name => return Err(ErrorData::invalid_params(format!("no tool {name}"), None)),
        }
        let text = request
            .arguments
            .and_then(|arguments| arguments.get("text")?.as_str().map(str::to_owned))
            .unwrap_or_default();
        Ok(say(&format!("echo: {text}")))
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let hello = Resource::new("resource://hello.txt", "hello.txt");
        Ok(ListResourcesResult::with_all_items(vec![hello]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(ReadResourceResult::new(vec![ResourceContents::text(HELLO, request.uri)]).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let summarize = Prompt::new("summarize", Some("Makes it short."), None);
        Ok(ListPromptsResult::with_all_items(vec![summarize]))
    }

    async fn get_prompt(
        &self,
        _: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let message = PromptMessage::new_text(Role::User, "Make it short.");
        Ok(GetPromptResult::new(vec![message]).into())
    }
}

fn say(text: &str) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

async fn count(context: &RequestContext<RoleServer>) -> CallToolResponse {
    for number in [1.0, 2.0, 3.0] {
        if let Some(token) = context.meta.get_progress_token() {
            let progress = ProgressNotificationParam::new(token, number).with_total(3.0);
            context.peer.notify_progress(progress).await.unwrap();
        }
    }
    say("three")
}

async fn ask(
    answers: Option<InputResponses>,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let question = ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: "Who are you?".to_owned(),
        requested_schema: ElicitationSchema::builder()
            .required_string("name")
            .build()
            .unwrap(),
    };
    let modern = context.protocol_version() >= Some(ProtocolVersion::V_2026_07_28);
    let answer = match answers.and_then(|mut answers| answers.remove("name")) {
        Some(answer) => answer,
        None if modern => {
            let question = InputRequest::Elicitation(ElicitRequest::new(question));
            let questions = InputRequests::from([("name".to_owned(), question)]);
            let state = Some("asked".to_owned());
            return Ok(InputRequiredResult::new(Some(questions), state).into());
        }
        None => json!(context.peer.create_elicitation(question).await.unwrap()),
    };
    Ok(say(&format!("hello, {}", answer["content"]["name"])))
}

pub fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stdio = (tokio::io::stdin(), tokio::io::stdout());
        let server = Upstream.serve(stdio).await.unwrap();
        server.waiting().await.unwrap();
    });
    // Its stdin is read by a thread that may not come back.
    runtime.shutdown_background();
}
