//! Who belongs to whom: request ids, progress tokens, tasks and rounds, each within its session and side.
//!
//! Requests of the client's side and of the server's are separate namespaces, and `1` is not `"1"`; a peer that
//! re-spells an id is still understood. Keys live in the rows, the tables hold row numbers.

use super::RowId;
use super::digest::Round;
use super::storage::{NONE, Symbol, abridged};
use super::store::Store;
use crate::tap::Party;
use crate::wire::object;
use hashbrown::HashTable;
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// The side of a session that a message comes from. The operator speaks on the client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    /// What we made up stands in for the peer whom its receiver hears.
    pub fn of(from: Party, to: Option<Party>) -> Self {
        match (from, to) {
            (Party::Server, _) | (Party::Sentinel, Some(Party::Client | Party::Operator)) => {
                Self::Server
            }
            _ => Self::Client,
        }
    }
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Where ids and tokens are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    pub session: u32,
    pub side: Side,
}

/// The exchanges that used one id, oldest first along `next_same_id`.
#[derive(Debug, Clone, Copy)]
struct Users {
    /// None before it is pending.
    oldest_pending: RowId,
    newest: RowId,
    /// Half of the key's hash: a table of half a million ids must grow without a look at every row.
    hash: u32,
}

/// The tables.
#[derive(Debug, Default)]
pub struct Links {
    hasher: RandomState,
    ids: HashTable<Users>,
    tokens: HashTable<RowId>,
    /// The params of open requests that may still be asked for input.
    open_rounds: HashMap<RowId, u64>,
    /// What ends with its session.
    sessions: HashMap<u32, SessionLinks>,
}

#[derive(Debug, Default)]
struct SessionLinks {
    /// Ids that JSON lets one spell in several ways, by their plain spelling.
    respelled: HashMap<(Side, Box<str>), Box<str>>,
    /// The request that became each task.
    tasks: HashMap<Box<str>, RowId>,
    /// Results that asked for input, newest last, by what a retry must repeat.
    rounds: HashMap<RoundKey, Vec<RowId>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct RoundKey {
    method: Symbol,
    name: Symbol,
    /// The `requestState` when there is one (it is opaque and the server's own), otherwise the params.
    proof: Result<u64, u64>,
}

/// Identical questions that may wait for a retry at the same time.
const MOST_ROUNDS_ALIKE: usize = 16;

impl Links {
    fn hash(&self, scope: Scope, key: &[u8]) -> u64 {
        self.hasher.hash_one((scope, key))
    }
    fn find_users(&mut self, store: &Store, scope: Scope, id: &str) -> Option<&mut Users> {
        let id = abridged(id);
        let hash = self.hash(scope, id.as_bytes()) as u32;
        let same =
            |users: &Users| users.hash == hash && store.has_id(users.newest, scope, id.as_bytes());
        self.ids.find_mut(spread(hash), same)
    }

    /// Notes that `row`, just pushed, sent this id.
    pub fn add_id(&mut self, store: &mut Store, scope: Scope, id: &str, row: RowId) {
        if let Some(plain) = plain_spelling(id) {
            let respelled = &mut self.sessions.entry(scope.session).or_default().respelled;
            respelled.insert((scope.side, abridged(&plain).into()), abridged(id).into());
        }
        if let Some(users) = self.find_users(store, scope, id) {
            let older = std::mem::replace(&mut users.newest, row);
            if let Some(extra) = store.extra_mut(older) {
                extra.next_same_id = row;
            }
            return;
        }
        let hash = self.hash(scope, abridged(id).as_bytes()) as u32;
        let users = Users {
            oldest_pending: row,
            newest: row,
            hash,
        };
        self.ids
            .insert_unique(spread(hash), users, |users| spread(users.hash));
    }

    /// The exchange that a message naming `id` is about: the oldest pending one with this id, otherwise the newest.
    pub fn by_id(&mut self, store: &Store, scope: Scope, id: &str) -> Option<RowId> {
        if let Some(row) = self.by_exact_id(store, scope, id) {
            return Some(row);
        }
        // A peer that re-spells ids: 1.0 for 1, "1" for 1, "\u0061" for "a".
        let plain = plain_spelling(id).unwrap_or(Cow::Borrowed(id));
        if plain != id
            && let Some(row) = self.by_exact_id(store, scope, &plain)
        {
            return Some(row);
        }
        let key = (scope.side, abridged(&plain).into());
        let original = self
            .sessions
            .get(&scope.session)
            .and_then(|links| links.respelled.get(&key));
        if let Some(original) = original.cloned() {
            return self.by_exact_id(store, scope, &original);
        }
        let loose: Cow<'_, str> = match plain.strip_prefix('"').and_then(|id| id.strip_suffix('"'))
        {
            Some(number) if !number.is_empty() => number.into(),
            Some(_) => return None,
            None => format!("\"{plain}\"").into(),
        };
        self.by_exact_id(store, scope, &loose)
    }

    /// The newest exchange that sent exactly this id.
    pub fn newest_with_id(&self, store: &Store, scope: Scope, id: &str) -> Option<RowId> {
        let id = abridged(id);
        let hash = self.hash(scope, id.as_bytes()) as u32;
        let same = |users: &Users| store.has_id(users.newest, scope, id.as_bytes());
        self.ids.find(spread(hash), same).map(|users| users.newest)
    }

    fn by_exact_id(&mut self, store: &Store, scope: Scope, id: &str) -> Option<RowId> {
        let users = self.find_users(store, scope, id)?;
        // What HTTP ended becomes pending again only as its answer comes, so this only ever moves on.
        while !store.is_open(users.oldest_pending) && users.oldest_pending != users.newest {
            users.oldest_pending = match store.extra(users.oldest_pending) {
                Some(extra) if extra.next_same_id != NONE => extra.next_same_id,
                _ => users.newest,
            };
        }
        Some(users.oldest_pending)
    }

    /// Notes that the open request `row` asked for progress under the token its row keeps.
    pub fn add_token(&mut self, store: &Store, row: RowId) {
        let (scope, token) = (store.scope(row), store.token_bytes(row));
        let hash = self.hash(scope, token);
        let (hasher, same) = (&self.hasher, |&other: &RowId| {
            store.has_token(other, scope, token)
        });
        // A token that two open requests share is a peer's mistake; the younger one owns it.
        if let Some(owner) = self.tokens.find_mut(hash, same) {
            *owner = row;
            return;
        }
        self.tokens.insert_unique(hash, row, |&row| {
            hasher.hash_one((store.scope(row), store.token_bytes(row)))
        });
    }
    pub fn by_token(&self, store: &Store, scope: Scope, token: &str) -> Option<RowId> {
        let token = abridged(token);
        let hash = self.hash(scope, token.as_bytes());
        self.tokens
            .find(hash, |&row| store.has_token(row, scope, token.as_bytes()))
            .copied()
    }
    pub fn drop_token(&mut self, store: &Store, row: RowId) {
        let hash = self.hash(store.scope(row), store.token_bytes(row));
        if let Ok(entry) = self.tokens.find_entry(hash, |&owner| owner == row) {
            entry.remove();
        }
    }

    pub fn add_task(&mut self, session: u32, task: &str, row: RowId) {
        let links = self.sessions.entry(session).or_default();
        links.tasks.insert(abridged(task).into(), row);
    }
    pub fn by_task(&self, session: u32, task: &str) -> Option<RowId> {
        self.sessions
            .get(&session)?
            .tasks
            .get(&*abridged(task))
            .copied()
    }

    /// Notes what a retry of the open request `row` would have to repeat.
    pub fn open_round(&mut self, row: RowId, round: Round) {
        self.open_rounds.insert(row, round.params);
    }
    /// The request was answered; with `asks`, by a result that asks for input and carries this state.
    pub fn close_round(&mut self, store: &Store, row: RowId, asks: Option<Option<u64>>) {
        let Some(params) = self.open_rounds.remove(&row) else {
            return;
        };
        if let (Some(state), Some(data)) = (asks, store.row(row)) {
            let key = RoundKey {
                method: data.method,
                name: data.name,
                proof: state.ok_or(params),
            };
            let links = self.sessions.entry(data.session).or_default();
            let waiting = links.rounds.entry(key).or_default();
            if waiting.len() == MOST_ROUNDS_ALIKE {
                waiting.remove(0);
            }
            waiting.push(row);
        }
    }
    /// The request whose questions this retry answers.
    pub fn answered_round(
        &mut self,
        session: u32,
        method: Symbol,
        name: Symbol,
        round: Round,
    ) -> Option<RowId> {
        let key = RoundKey {
            method,
            name,
            proof: round.state.ok_or(round.params),
        };
        let waiting = self.sessions.get_mut(&session)?.rounds.get_mut(&key)?;
        // One stays: several retries of one result are legal.
        if waiting.len() > 1 {
            waiting.pop()
        } else {
            waiting.last().copied()
        }
    }

    /// Forgets what no later message of this session can mean.
    pub fn close_session(&mut self, session: u32) {
        self.sessions.remove(&session);
    }
}

/// All 64 bits that a table wants, from the 32 that are kept.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Whether two id tokens mean the same to a peer that re-spells them.
pub fn alike(one: &str, other: &str) -> bool {
    let plain = |id| {
        let plain = plain_spelling(id).unwrap_or(Cow::Borrowed(id));
        plain.trim_matches('"').to_owned()
    };
    plain(one) == plain(other)
}

/// The usual spelling of an id token that is spelled unusually: `1` for `1.0` and `1e0`, no needless escapes.
fn plain_spelling(id: &str) -> Option<Cow<'_, str>> {
    match id.as_bytes().first()? {
        b'"' if id.contains('\\') => {
            let text = object::unescape(id)?;
            Some(format!("\"{text}\"").into())
        }
        b'-' | b'0'..=b'9' if id.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) => {
            let number: f64 = id.parse().ok()?;
            // Beyond 2^53 an integer has no one float.
            let exact = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
            exact.then(|| format!("{}", number as i64).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_spellings_of_ids_have_a_plain_one() {
        for (id, plain) in [
            ("1.0", Some("1")),
            ("1e0", Some("1")),
            ("12e2", Some("1200")),
            ("-0.0", Some("0")),
            ("1.5", None),
            ("1", None),
            ("90071992547409930", None),
            ("\"a\"", None),
            ("null", None),
            ("1e400", None),
        ] {
            assert_eq!(plain_spelling(id).as_deref(), plain, "{id}");
        }
    }

    #[test]
    fn what_we_made_up_stands_in_for_the_peer_that_its_receiver_hears() {
        assert_eq!(Side::of(Party::Sentinel, Some(Party::Client)), Side::Server);
        assert_eq!(Side::of(Party::Sentinel, Some(Party::Server)), Side::Client);
        assert_eq!(Side::of(Party::Operator, None), Side::Client);
    }
}
