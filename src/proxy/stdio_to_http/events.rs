//! A response that is a stream of server-sent events, one event at a time.
//!
//! Knows events and where a stream can be taken up again; must not know what their data means.

use super::outgoing::{Cut, Incoming};
use crate::proxy::arriving::ArrivingEvents;
use crate::proxy::exchange::Exchange;
use crate::proxy::pump::Lane;
use crate::wire::sse::Event;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Where a stream can be taken up again, and when.
#[derive(Debug, Default)]
pub struct Cursor {
    /// The id of the last event that had one.
    pub id: Option<String>,
    /// What the server asked for.
    retry: Option<Duration>,
    /// How often in a row the stream was taken up and brought no message.
    in_vain: u32,
}

impl Cursor {
    /// How long to wait before the next try, after so many in a row that failed.
    pub fn pause(&mut self, failures: u32) -> Duration {
        let doubled = |times: u32| {
            let doubled = FIRST_WAIT.saturating_mul(1 << times.min(16));
            doubled.min(LONGEST_WAIT)
        };
        if failures > 0 {
            return doubled(failures - 1).max(self.retry.unwrap_or_default());
        }
        self.in_vain += 1;
        self.retry.unwrap_or_else(|| doubled(self.in_vain - 1))
    }

    fn note(&mut self, event: &Event) {
        if event.message().is_some() {
            self.in_vain = 0;
        }
        if let Some(id) = &event.id {
            self.id = Some(id.clone()).filter(|id| !id.is_empty());
        }
        if let Some(retry) = event.retry {
            self.retry = Some(Duration::from_millis(retry));
        }
    }
}

#[derive(Debug)]
pub struct Events {
    incoming: Incoming,
    arriving: ArrivingEvents,
}

impl Events {
    pub fn of(incoming: Incoming) -> Self {
        Self {
            arriving: ArrivingEvents::of(&incoming.exchange),
            incoming,
        }
    }

    pub fn exchange(&self) -> &Exchange {
        &self.incoming.exchange
    }

    /// The next event; `None` at the end of the stream.
    pub async fn next(
        &mut self,
        cursor: &mut Cursor,
        lane: &Lane,
        abort: &CancellationToken,
    ) -> Result<Option<Event>, Cut> {
        loop {
            if let Some(event) = self.arriving.next() {
                cursor.note(&event);
                return Ok(Some(event));
            }
            let Some(chunk) = self.incoming.chunk(lane, abort).await? else {
                return Ok(None);
            };
            self.arriving.push(&chunk);
        }
    }

    /// Nobody wants the rest of the stream.
    pub fn leave(self, why: &str) {
        self.incoming.leave(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_begin_anew_when_something_came() {
        let mut cursor = Cursor::default();
        let pauses: Vec<u128> = (0..8).map(|_| cursor.pause(0).as_millis()).collect();
        let doubled = [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000];
        assert_eq!(pauses, doubled);
        cursor.note(&Event::default());
        assert_eq!(cursor.pause(0), LONGEST_WAIT);
        cursor.note(&Event {
            data: Some("{}".into()),
            ..Event::default()
        });
        assert_eq!(cursor.pause(0), FIRST_WAIT);
    }

    #[test]
    fn the_servers_own_pause_is_kept_to() {
        let mut cursor = Cursor::default();
        cursor.note(&Event {
            retry: Some(10),
            ..Event::default()
        });
        let asked_for = Duration::from_millis(10);
        assert_eq!([cursor.pause(0), cursor.pause(0)], [asked_for; 2]);
        // A server that cannot be reached is not asked as often as it wished when it could.
        assert_eq!(
            [cursor.pause(1), cursor.pause(2)],
            [FIRST_WAIT, FIRST_WAIT * 2]
        );
    }

    #[test]
    fn the_last_id_stays_until_an_empty_one_resets_it() {
        let event = |id: Option<&str>| Event {
            id: id.map(Into::into),
            ..Event::default()
        };
        let mut cursor = Cursor::default();
        cursor.note(&event(Some("a")));
        cursor.note(&event(None));
        assert_eq!(cursor.id.as_deref(), Some("a"));
        cursor.note(&event(Some("")));
        assert_eq!(cursor.id, None);
    }
}
