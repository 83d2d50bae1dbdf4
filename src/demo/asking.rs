//! Asking the client something while one of its calls is running, as its protocol era has it: a request of our own,
//! or an answer that asks back and is tried again with the reply.

use std::ops::ControlFlow;

use rmcp::model::{
    CallToolResult, ContentBlock, InputRequest, InputRequests, InputRequiredResult, InputResponses,
    ProtocolVersion,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;

/// The name under which the only question of a round is asked.
const QUESTION: &str = "question";

/// `Continue` with the client's reply, or `Break` with what the call has to answer now.
pub(super) type Reply = ControlFlow<CallOutcome, Value>;

/// The two ways in which a call that could not get its reply ends.
pub(super) enum CallOutcome {
    AskBack(InputRequiredResult),
    Failed(CallToolResult),
}

impl From<CallOutcome> for rmcp::model::CallToolResponse {
    fn from(outcome: CallOutcome) -> Self {
        match outcome {
            CallOutcome::AskBack(result) => result.into(),
            CallOutcome::Failed(result) => result.into(),
        }
    }
}

/// True when the call speaks the newer era: every request for itself, nothing sent to the client unasked.
pub(super) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context
        .protocol_version()
        .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

fn failed(text: impl Into<String>) -> Reply {
    let content = vec![ContentBlock::text(text)];
    Reply::Break(CallOutcome::Failed(CallToolResult::error(content)))
}

pub(super) async fn ask(
    request: InputRequest,
    replies: Option<InputResponses>,
    context: &RequestContext<RoleServer>,
) -> Reply {
    if !can_answer(&request, context) {
        return failed("this needs a client that can be asked, and yours did not say that it can");
    }
    if !is_modern(context) {
        return match send(request, context).await {
            Ok(reply) => Reply::Continue(reply),
            Err(error) => failed(format!("the client did not answer: {error}")),
        };
    }
    match replies.and_then(|mut replies| replies.remove(QUESTION)) {
        Some(reply) => Reply::Continue(reply),
        None => {
            let requests = InputRequests::from([(QUESTION.to_owned(), request)]);
            let result = InputRequiredResult::new(Some(requests), Some("asked-once".to_owned()));
            Reply::Break(CallOutcome::AskBack(result))
        }
    }
}

fn can_answer(request: &InputRequest, context: &RequestContext<RoleServer>) -> bool {
    let Some(client) = context.client_capabilities() else {
        return false;
    };
    match request {
        InputRequest::CreateMessage(_) => client.sampling.is_some(),
        InputRequest::Elicitation(_) => client.elicitation.is_some(),
        InputRequest::ListRoots(_) => client.roots.is_some(),
        _ => false,
    }
}

async fn send(
    request: InputRequest,
    context: &RequestContext<RoleServer>,
) -> anyhow::Result<Value> {
    let peer = &context.peer;
    Ok(match request {
        InputRequest::CreateMessage(it) => {
            serde_json::to_value(peer.create_message(it.params).await?)?
        }
        InputRequest::Elicitation(it) => {
            serde_json::to_value(peer.create_elicitation(it.params).await?)?
        }
        InputRequest::ListRoots(_) => serde_json::to_value(peer.list_roots().await?)?,
        _ => anyhow::bail!("a kind of question that this server does not know"),
    })
}
