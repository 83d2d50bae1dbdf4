//! The old HTTP+SSE transport (2024-11-05): one stream that carries everything from the server, and an endpoint, named
//! by its first event, that everything else is posted to.

use super::bridge::Bridge;
use super::events::{Cursor, Events};
use super::outgoing;
use http::Method;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the first event may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Bridge {
    /// Tries whether the server speaks the old transport; whether it does. Its stream is read from here on.
    pub async fn fall_back(self: &Arc<Self>, abort: &CancellationToken) -> bool {
        let ask = self.own(Method::GET, outgoing::listening(None));
        let Ok(mut incoming) = self.ask(self.exchange(), ask, abort, |_| ()).await else {
            return false;
        };
        if !incoming.is_events() {
            let said = incoming.glance(&self.lane, abort).await;
            self.swallow(&incoming.exchange, said.unwrap_or_default(), None);
            return false;
        }
        let mut events = Events::of(incoming);
        let Some(endpoint) = self.endpoint(&mut events, abort).await else {
            events.leave("it names no endpoint for messages");
            return false;
        };
        let Some(target) = self.within_origin(&endpoint) else {
            self.note(&format!(
                "the server wants messages posted to {endpoint:?}, which is not its own"
            ));
            events.leave("its endpoint for messages is at another origin");
            return false;
        };
        let mut legacy = self.legacy();
        legacy.old = Some(target);
        legacy.is_open = true;
        drop(legacy);
        let bridge = self.clone();
        self.tasks
            .spawn(async move { bridge.read_everything(events).await });
        true
    }

    /// Where the stream's first event says that messages go.
    async fn endpoint(&self, events: &mut Events, abort: &CancellationToken) -> Option<String> {
        let first = async {
            let mut cursor = Cursor::default();
            while let Ok(Some(event)) = events.next(&mut cursor, &self.lane, abort).await {
                events.exchange().beside(&event);
                if let Some(data) = event.data {
                    let is_endpoint = event.name.as_deref() == Some("endpoint");
                    return is_endpoint.then(|| String::from_utf8_lossy(&data).into_owned());
                }
            }
            None
        };
        tokio::time::timeout(PATIENCE, first).await.ok()?
    }

    /// The stream is the session: with its end, everything ends.
    async fn read_everything(&self, mut events: Events) {
        let read = self
            .read(&mut events, &mut Cursor::default(), &self.over)
            .await;
        match read {
            _ if self.over.is_cancelled() => {}
            Ok(()) => self.end("the server has ended its stream of events"),
            Err(error) => self.end(&format!("the server's stream of events broke off: {error}")),
        }
    }
}
