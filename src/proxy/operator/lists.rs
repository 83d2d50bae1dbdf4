//! The server's lists, asked for page by page; what they hold is read from the capture.

use super::own::note;
use crate::proxy::pump::Lane;
use crate::wire::shown::shortened;
use rmcp::model::{
    ClientRequest, CustomResult, PaginatedRequestParams, Prompt, RequestOptionalParam, Resource,
    ResourceTemplate, ServerResult, Tool,
};
use rmcp::service::Peer;
use rmcp::{RoleClient, ServiceError};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashSet;

/// A server that lists more pages than this goes on for ever.
const PAGES: usize = 1000;
/// Bytes shown of what the server says.
const SHOWN: usize = 300;

/// One of the lists.
struct List {
    what: &'static str,
    /// The member of an answer that holds the entries.
    member: &'static str,
    ask: fn(Option<PaginatedRequestParams>) -> ClientRequest,
    /// What is wrong with an entry.
    wrong: fn(&Value) -> Option<String>,
}

/// A list of one of the types that MCP has.
macro_rules! list {
    ($what:literal, $member:literal, $request:ident, $entry:ty) => {
        List {
            what: $what,
            member: $member,
            ask: |params| {
                ClientRequest::$request(RequestOptionalParam {
                    params,
                    ..RequestOptionalParam::default()
                })
            },
            wrong: misfit::<$entry>,
        }
    };
}

const TOOLS: List = list!("tools", "tools", ListToolsRequest, Tool);
const RESOURCES: List = list!("resources", "resources", ListResourcesRequest, Resource);
const TEMPLATES: List = list!(
    "resource templates",
    "resourceTemplates",
    ListResourceTemplatesRequest,
    ResourceTemplate
);
const PROMPTS: List = list!("prompts", "prompts", ListPromptsRequest, Prompt);

fn misfit<T: DeserializeOwned>(entry: &Value) -> Option<String> {
    let why = serde_json::from_value::<T>(entry.clone()).err()?;
    Some(why.to_string())
}

/// Asks for every page of every list that the server says it has; what it answers is read from the capture.
pub(super) async fn list_everything(peer: &Peer<RoleClient>, lane: &Lane) {
    let Some(server) = peer.peer_info() else {
        return;
    };
    let has = &server.capabilities;
    let pages = |offered: bool, list| async move {
        if offered {
            pages(peer, &list, lane).await;
        }
    };
    // Side by side: a list that never comes holds up no other.
    tokio::join!(
        pages(has.tools.is_some(), TOOLS),
        pages(has.resources.is_some(), RESOURCES),
        pages(has.resources.is_some(), TEMPLATES),
        pages(has.prompts.is_some(), PROMPTS),
    );
}

async fn pages(peer: &Peer<RoleClient>, list: &List, lane: &Lane) {
    let what = list.what;
    let mut cursor = None;
    let mut cursors = HashSet::new();
    let mut told = false;
    for _ in 0..PAGES {
        let page = cursor
            .take()
            .map(|cursor| PaginatedRequestParams::default().with_cursor(Some(cursor)));
        let next = match peer.send_request((list.ask)(page)).await {
            Ok(ServerResult::ListToolsResult(page)) => page.next_cursor,
            Ok(ServerResult::ListResourcesResult(page)) => page.next_cursor,
            Ok(ServerResult::ListResourceTemplatesResult(page)) => page.next_cursor,
            Ok(ServerResult::ListPromptsResult(page)) => page.next_cursor,
            // What the screen makes of it, it does by itself; whoever wrote the server wants to know, and see the rest.
            Ok(ServerResult::CustomResult(CustomResult(page))) => {
                if !told {
                    told = true;
                    note(lane, list.complaint(&page));
                }
                page.get("nextCursor")
                    .and_then(Value::as_str)
                    .map(Into::into)
            }
            Ok(_) => return note(lane, list.complaint(&Value::Null)),
            // An answer that says no says so in the traffic.
            Err(ServiceError::McpError(_) | ServiceError::TransportClosed) => return,
            Err(error) => {
                return note(
                    lane,
                    format!("the list of {what} was not asked for to its end: {error}"),
                );
            }
        };
        let Some(next) = next else {
            return;
        };
        if !cursors.insert(next.clone()) {
            let text = format!("the list of {what} does not end: the server gave a cursor twice");
            return note(lane, text);
        }
        cursor = Some(next);
    }
}

impl List {
    /// In what a page is not as the protocol has it, as far as can be said.
    fn complaint(&self, page: &Value) -> String {
        let entries = page.get(self.member).and_then(Value::as_array);
        let mut entries = entries.into_iter().flatten().enumerate();
        let wrong = entries.find_map(|(index, entry)| Some((index, entry, (self.wrong)(entry)?)));
        let which = match wrong {
            None => "a member is missing, or of another type".to_owned(),
            Some((index, entry, why)) => {
                let name = entry.get("name").and_then(Value::as_str);
                let name = name.map(|name| format!(", {name}")).unwrap_or_default();
                shortened(&format!("entry {}{name}: {why}", index + 1), SHOWN)
            }
        };
        format!(
            "the server's list of {} is not as the protocol has it ({which})",
            self.what
        )
    }
}
