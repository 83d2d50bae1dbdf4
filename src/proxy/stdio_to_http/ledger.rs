//! What is in flight: which requests wait for their answers, and who waits for them.
//!
//! Knows ids and methods; must not know how messages travel.

use crate::mcp::methods;
use crate::tap::ExchangeId;
use crate::wire::object;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// With more than these in flight the client's next request waits.
const MOST: usize = 512;

/// One line that was sent, as long as anything is due for it.
#[derive(Debug)]
pub struct Entry {
    /// Empty for what has none, or several.
    pub method: String,
    /// Raw ids of the requests that have no answer yet.
    pub owed: Vec<String>,
    pub modern: bool,
    /// The client has cancelled it; the answer is still due.
    pub is_cancelled: bool,
    /// Aborts its HTTP exchange.
    pub abort: CancellationToken,
    /// Hangs up when the next line may be sent.
    pub hold: Option<oneshot::Sender<()>>,
}

impl Entry {
    /// In words.
    pub fn what(&self) -> &str {
        match self.method.as_str() {
            "" => "a message",
            method => method,
        }
    }

    /// Nothing of it is due. What listens goes on until somebody ends it, and is not waited for.
    fn is_settled(&self) -> bool {
        let listens = self.modern && self.method == methods::LISTEN;
        listens || self.owed.is_empty() && self.hold.is_none()
    }
}

#[derive(Debug, Default)]
pub struct Ledger {
    /// By the first exchange that each went out with.
    entries: Mutex<BTreeMap<ExchangeId, Entry>>,
    changed: Notify,
}

impl Ledger {
    pub fn enter(&self, exchange: ExchangeId, entry: Entry) {
        self.entries().insert(exchange, entry);
    }

    /// Takes the entry out, whatever is still owed for it.
    pub fn close(&self, exchange: ExchangeId) -> Option<Entry> {
        let entry = self.entries().remove(&exchange);
        self.changed.notify_waiters();
        entry
    }

    /// All that is in flight.
    pub fn open(&self) -> Vec<ExchangeId> {
        self.entries().keys().copied().collect()
    }

    /// Lets the next line be sent.
    pub fn release(&self, exchange: ExchangeId) {
        if let Some(entry) = self.entries().get_mut(&exchange) {
            entry.hold = None;
        }
        self.changed.notify_waiters();
    }

    /// Notes that a request has its answer, which has come over an exchange, after `learn` has seen the method that it
    /// asked for. With the last answer to a line its entry goes, whatever is left of its exchange: the old transport
    /// answers elsewhere.
    pub fn answered(&self, id: &str, over: ExchangeId, learn: impl FnOnce(&str)) {
        let mut entries = self.entries();
        let place = |is_it: &dyn Fn(&str) -> bool| {
            // A client that uses an id twice gets the answer of each on its own exchange.
            let own = entries.get_key_value(&over).into_iter();
            own.chain(entries.iter()).find_map(|(exchange, entry)| {
                let place = entry.owed.iter().position(|owed| is_it(owed))?;
                Some((*exchange, place))
            })
        };
        let found = place(&|owed| owed == id).or_else(|| place(&|owed| alike(owed, id)));
        let Some((exchange, place)) = found else {
            return;
        };
        let Some(entry) = entries.get_mut(&exchange) else {
            return;
        };
        learn(&entry.method);
        entry.owed.swap_remove(place);
        if entry.owed.is_empty() {
            entries.remove(&exchange);
        }
        drop(entries);
        self.changed.notify_waiters();
    }

    /// The client cancels a request of this line. Of several, the others are wanted.
    pub fn cancel(&self, exchange: ExchangeId) {
        if let Some(entry) = self.entries().get_mut(&exchange) {
            entry.is_cancelled = entry.owed.len() == 1;
        }
    }

    pub fn is_cancelled(&self, exchange: ExchangeId) -> bool {
        let entries = self.entries();
        entries.get(&exchange).is_some_and(|it| it.is_cancelled)
    }

    /// Whether any request of this line waits for its answer.
    pub fn owes(&self, exchange: ExchangeId) -> bool {
        let entries = self.entries();
        entries.get(&exchange).is_some_and(|it| !it.owed.is_empty())
    }

    /// Whether this line's request with this id, however it is spelled, waits for its answer.
    pub fn waits(&self, exchange: ExchangeId, id: &str) -> bool {
        let entries = self.entries();
        let is_it = |owed: &String| owed == id || alike(owed, id);
        entries
            .get(&exchange)
            .is_some_and(|it| it.owed.iter().any(is_it))
    }

    /// Where the open request with this id went out, and whether it is of the modern era.
    pub fn find(&self, id: &str) -> Option<(ExchangeId, bool)> {
        let entries = self.entries();
        let mut found = entries
            .iter()
            .filter(|(_, entry)| entry.owed.iter().any(|owed| owed == id));
        found
            .next()
            .map(|(exchange, entry)| (*exchange, entry.modern))
    }

    /// Whether the next request may be sent.
    pub fn has_room(&self) -> bool {
        self.entries().len() < MOST
    }

    /// Returns when the next request may be sent.
    pub async fn room(&self) {
        self.until(|entries| entries.len() < MOST).await;
    }

    /// Returns when no answer is due any more.
    pub async fn settled(&self) {
        self.until(|entries| entries.values().all(Entry::is_settled))
            .await;
    }

    async fn until(&self, is_so: impl Fn(&BTreeMap<ExchangeId, Entry>) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Enlist first and look after: what changes in between is not missed.
            changed.as_mut().enable();
            if is_so(&self.entries()) {
                return;
            }
            changed.await;
        }
    }

    /// Nothing that can panic runs under the lock, so a poisoned one is as good as any.
    fn entries(&self) -> MutexGuard<'_, BTreeMap<ExchangeId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a peer that spells ids its own way may mean the one by the other.
fn alike(one: &str, other: &str) -> bool {
    match (object::unescape(one), object::unescape(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => match (one.parse::<f64>(), other.parse::<f64>()) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owing(ids: &[&str]) -> Entry {
        Entry {
            method: methods::TOOLS_CALL.to_owned(),
            owed: ids.iter().map(|id| (*id).to_owned()).collect(),
            modern: false,
            is_cancelled: false,
            abort: CancellationToken::new(),
            hold: None,
        }
    }

    const ELSEWHERE: ExchangeId = ExchangeId(99);

    #[test]
    fn a_line_is_in_flight_until_the_last_of_its_answers() {
        let ledger = Ledger::default();
        ledger.enter(ExchangeId(1), owing(&["1", "2"]));
        ledger.answered("1", ELSEWHERE, |_| ());
        assert_eq!(ledger.open(), [ExchangeId(1)]);
        ledger.answered("\"2\"", ELSEWHERE, |_| ());
        assert_eq!(ledger.open(), [ExchangeId(1)], "another id");
        ledger.answered("2", ELSEWHERE, |_| ());
        assert_eq!(ledger.open(), []);
    }

    #[test]
    fn an_id_that_the_server_spells_its_own_way_is_known_unless_another_is_spelled_so() {
        let ledger = Ledger::default();
        let ids = ["1.0", r#""\u0061""#, "9007199254740993", "9007199254740992"];
        for (number, id) in (1..).zip(ids) {
            ledger.enter(ExchangeId(number), owing(&[id]));
        }
        ledger.answered("1", ELSEWHERE, |_| ());
        ledger.answered(r#""a""#, ELSEWHERE, |_| ());
        ledger.answered("9007199254740992", ELSEWHERE, |_| ());
        assert_eq!(ledger.open(), [ExchangeId(3)]);
    }
}
