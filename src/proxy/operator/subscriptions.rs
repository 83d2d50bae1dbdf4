//! What a server of the modern era is asked to tell the operator: when its lists change. It ends with the session.

use super::letter::{Letter, News};
use super::own::{Era, note};
use crate::mcp::methods;
use crate::proxy::gate::Gate;
use crate::proxy::live::Live;
use crate::proxy::pump::Lane;
use crate::tap::Refused;
use rmcp::RoleClient;
use rmcp::service::Peer;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a subscription may take to be ended before the session is.
const FAREWELL: Duration = Duration::from_millis(100);

/// The raw ids of the requests by which the server tells of changes, as far as they were neither cancelled nor answered,
/// by which a server ends them.
#[derive(Debug, Clone, Default)]
pub(super) struct Subscriptions(Arc<Mutex<Vec<String>>>);

impl Subscriptions {
    fn ids(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what was sent.
    pub fn sent(&self, letter: &Letter, gate: &Gate) {
        let mut ids = self.ids();
        ids.retain(|id| gate.is_due(id));
        match &letter.news {
            News::More => ids.extend(letter.id.clone()),
            News::Less(cancelled) => ids.retain(|id| id != cancelled),
            News::Same => {}
        }
    }

    /// Asks a server of the modern era to say when its lists change, as far as it offers that: it tells nobody else.
    pub async fn begin(&self, peer: &Peer<RoleClient>, live: &Live, lane: &Lane, era: &Era) {
        let Some(server) = peer.peer_info().filter(|_| *era != Era::Legacy) else {
            return;
        };
        let has = &server.capabilities;
        let (tools, prompts, resources) = (&has.tools, &has.prompts, &has.resources);
        let offered = [
            (
                "toolsListChanged",
                tools.as_ref().and_then(|it| it.list_changed),
            ),
            (
                "promptsListChanged",
                prompts.as_ref().and_then(|it| it.list_changed),
            ),
            (
                "resourcesListChanged",
                resources.as_ref().and_then(|it| it.list_changed),
            ),
        ];
        let offered = offered.iter().filter(|(_, offered)| *offered == Some(true));
        let wishes: Vec<String> = offered
            .map(|(wish, _)| format!("\"{wish}\":true"))
            .collect();
        if wishes.is_empty() {
            return;
        }
        let message = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"{}","params":{{"notifications":{{{}}}}}}}"#,
            methods::LISTEN,
            wishes.join(",")
        );
        match super::send(live, message, None, Some(era)).await {
            Ok(letter) => self.sent(&letter, &live.gate),
            Err(Refused(why)) => {
                note(lane, format!("changes of the lists are not told: {why}"));
            }
        }
    }

    /// A server may wait for the end of its subscriptions before it goes.
    pub async fn end(self, live: Arc<Live>) {
        let ids = std::mem::take(&mut *self.ids());
        let goodbyes = async {
            for id in ids.into_iter().filter(|id| live.gate.is_due(id)) {
                let message = format!(
                    r#"{{"jsonrpc":"2.0","method":"{}","params":{{"requestId":{id}}}}}"#,
                    methods::CANCELLED
                );
                let _ = super::send(&live, message, None, None).await;
            }
        };
        // One that does not read is not waited for.
        let _ = tokio::time::timeout(FAREWELL, goodbyes).await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::letter;
    use super::*;
    use crate::proxy::gate::Owner;

    #[test]
    fn a_subscription_that_the_server_has_ended_is_forgotten() {
        let gate = Gate::new(Owner::Operator);
        let subscriptions = Subscriptions::default();
        let sent = || {
            let listen = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#,
                methods::LISTEN
            );
            let letter = letter::prepare(listen, &gate, Some(&Era::Legacy)).unwrap();
            subscriptions.sent(&letter, &gate);
            letter.id.unwrap()
        };
        let ended = sent();
        gate.judge(format!(r#"{{"jsonrpc":"2.0","id":{ended},"result":{{}}}}"#).as_bytes());
        let open = sent();
        assert_eq!(*subscriptions.ids(), [open]);
    }
}
