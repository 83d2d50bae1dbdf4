//! The server's lists, asked for page by page; what they hold is read from the capture.

use super::own::note;
use crate::proxy::pump::Lane;
use rmcp::model::PaginatedRequestParams;
use rmcp::service::Peer;
use rmcp::{RoleClient, ServiceError};
use std::collections::HashSet;

/// A server that lists more pages than this goes on for ever.
const PAGES: usize = 1000;

/// Asks for every page of every list that the server says it has; what it answers is read from the capture.
pub(super) async fn list_everything(peer: &Peer<RoleClient>, lane: &Lane) {
    let Some(server) = peer.peer_info() else {
        return;
    };
    let has = &server.capabilities;
    // Side by side: a list that never comes holds up no other.
    tokio::join!(
        pages(has.tools.is_some(), "tools", lane, |page| async move {
            peer.list_tools(page).await.map(|list| list.next_cursor)
        }),
        pages(
            has.resources.is_some(),
            "resources",
            lane,
            |page| async move { peer.list_resources(page).await.map(|list| list.next_cursor) }
        ),
        pages(
            has.resources.is_some(),
            "resource templates",
            lane,
            |page| async move {
                let list = peer.list_resource_templates(page).await;
                list.map(|list| list.next_cursor)
            }
        ),
        pages(has.prompts.is_some(), "prompts", lane, |page| async move {
            peer.list_prompts(page).await.map(|list| list.next_cursor)
        }),
    );
}

async fn pages<F>(
    offered: bool,
    what: &str,
    lane: &Lane,
    list: impl Fn(Option<PaginatedRequestParams>) -> F,
) where
    F: Future<Output = Result<Option<String>, ServiceError>>,
{
    let mut cursor = None;
    let mut cursors = HashSet::new();
    for _ in 0..if offered { PAGES } else { 0 } {
        let page = cursor
            .is_some()
            .then(|| PaginatedRequestParams::default().with_cursor(cursor.take()));
        match list(page).await {
            Ok(Some(next)) => {
                if !cursors.insert(next.clone()) {
                    let text =
                        format!("the list of {what} does not end: the server gave a cursor twice");
                    return note(lane, text);
                }
                cursor = Some(next);
            }
            Ok(None) => return,
            // An answer that says no says so in the traffic.
            Err(ServiceError::McpError(_) | ServiceError::TransportClosed) => return,
            // What the screen makes of it, it does by itself.
            Err(ServiceError::UnexpectedResponse) => {
                return note(
                    lane,
                    format!(
                        "the server's list of {what} is not as the protocol has it (a member is missing, or of \
                         another type): no further pages were asked for"
                    ),
                );
            }
            Err(error) => {
                return note(
                    lane,
                    format!("the list of {what} was not asked for to its end: {error}"),
                );
            }
        }
    }
}
