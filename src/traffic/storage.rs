//! How a million messages fit: plain rows in chunks, all text in one arena, names interned.
//!
//! A message costs at most about 128 bytes: 64 for a row, 64 more for an exchange (two messages), and its text. An HTTP
//! exchange costs 80 more.
//! Knows nothing of what the rows mean.

use super::{RowId, RowKind, Status, gist};
use crate::capture::record::{Encoding, Location};
use crate::tap::Party;
use hashbrown::HashTable;
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

/// "No row", "no part": the links between rows are plain numbers.
pub const NONE: u32 = u32::MAX;

/// A list that grows without ever moving (and so without ever needing twice its size).
#[derive(Debug)]
pub struct Chunked<T> {
    chunks: Vec<Vec<T>>,
}

const CHUNK: usize = 4096;

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T> Chunked<T> {
    pub fn push(&mut self, value: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(value),
            _ => {
                // The first chunk starts small, so that an idle program does not pay for a flood.
                let room = if self.chunks.is_empty() { 16 } else { CHUNK };
                let mut chunk = Vec::with_capacity(room);
                chunk.push(value);
                self.chunks.push(chunk);
            }
        }
    }
    pub fn len(&self) -> u32 {
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        (full + self.chunks.last().map_or(0, Vec::len)) as u32
    }
    pub fn get(&self, index: u32) -> Option<&T> {
        self.chunks
            .get(index as usize / CHUNK)?
            .get(index as usize % CHUNK)
    }
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.chunks
            .get_mut(index as usize / CHUNK)?
            .get_mut(index as usize % CHUNK)
    }
    /// The first element that is not as those are that come first.
    pub fn first_not(&self, comes_first: impl Fn(&T) -> bool) -> u32 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(&comes_first) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
    /// The elements from `first` on, in order.
    pub fn iter_from(&self, first: u32) -> impl Iterator<Item = &T> {
        let (chunk, skip) = (first as usize / CHUNK, first as usize % CHUNK);
        let head = self
            .chunks
            .get(chunk)
            .map_or(&[][..], |c| c.get(skip..).unwrap_or(&[]));
        head.iter()
            .chain(self.chunks.iter().skip(chunk + 1).flatten())
    }
}

/// A text in the arena; the default one is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Text(u32);

/// Texts of at most [`Texts::LONGEST`] bytes, one length byte before each.
#[derive(Debug, Default)]
pub struct Texts {
    pages: Vec<Vec<u8>>,
}

const PAGE: usize = 1 << 16;

impl Texts {
    pub const LONGEST: usize = u8::MAX as usize;

    /// Keeps `text`, cut at [`Texts::LONGEST`] bytes. After 4 GiB of text everything new reads as empty.
    pub fn keep(&mut self, text: &str) -> Text {
        let text = gist::cut(text, Self::LONGEST);
        if text.is_empty() {
            return Text::default();
        }
        if self
            .pages
            .last()
            .is_none_or(|page| page.len() + text.len() >= PAGE)
        {
            if self.pages.len() > usize::from(u16::MAX) {
                return Text::default();
            }
            self.pages
                .push(Vec::with_capacity(if self.pages.is_empty() {
                    256
                } else {
                    PAGE
                }));
        }
        let number = self.pages.len() - 1;
        let page = &mut self.pages[number];
        if page.is_empty() {
            page.push(0); // so that no text is at 0, which means the empty text
        }
        let at = number * PAGE + page.len();
        page.push(text.len() as u8);
        page.extend_from_slice(text.as_bytes());
        Text(at as u32)
    }
    pub fn bytes(&self, text: Text) -> &[u8] {
        let (page, at) = (text.0 as usize / PAGE, text.0 as usize % PAGE);
        let stored = self.pages.get(page).and_then(|page| page.get(at..));
        match stored {
            Some([len, rest @ ..]) => rest.get(..usize::from(*len)).unwrap_or(&[]),
            _ => &[],
        }
    }
    pub fn get(&self, text: Text) -> &str {
        std::str::from_utf8(self.bytes(text)).unwrap_or_default()
    }
}

/// `text` itself when the arena can hold it, otherwise its head and a hash of it all: different texts stay different.
pub fn abridged(text: &str) -> Cow<'_, str> {
    if text.len() <= Texts::LONGEST {
        return text.into();
    }
    let head = gist::cut(text, Texts::LONGEST - 20);
    format!(
        "{head}…{:016x}",
        super::digest::stable_hash(text.as_bytes())
    )
    .into()
}

/// An interned method or name: as a peer wrote it, though what is shown of it may look like another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(pub u32);

/// Method and name symbols. The empty name is symbol 0.
#[derive(Debug)]
pub struct Symbols {
    /// As they are shown, and as they were written.
    texts: Chunked<(Text, Text)>,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Default for Symbols {
    fn default() -> Self {
        let mut texts = Chunked::default();
        texts.push((Text::default(), Text::default()));
        Self {
            texts,
            table: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl Symbols {
    pub const EMPTY: Symbol = Symbol(0);

    pub fn find(&self, arena: &Texts, text: &str) -> Option<Symbol> {
        if text.is_empty() {
            return Some(Self::EMPTY);
        }
        let text = abridged(text);
        let hash = self.hasher.hash_one(text.as_bytes());
        let same = |&symbol: &u32| arena.bytes(written(&self.texts, symbol)) == text.as_bytes();
        self.table.find(hash, same).copied().map(Symbol)
    }
    pub fn intern(&mut self, arena: &mut Texts, text: &str) -> Symbol {
        if let Some(symbol) = self.find(arena, text) {
            return symbol;
        }
        let shown = gist::neutral(text);
        let text = abridged(text);
        let symbol = self.texts.len();
        let written_as = arena.keep(&text);
        let shown_as = match shown {
            Cow::Borrowed(_) => written_as,
            Cow::Owned(shown) => arena.keep(&abridged(&shown)),
        };
        self.texts.push((shown_as, written_as));
        let (texts, hasher) = (&self.texts, &self.hasher);
        let rehash = |&symbol: &u32| hasher.hash_one(arena.bytes(written(texts, symbol)));
        self.table
            .insert_unique(hasher.hash_one(text.as_bytes()), symbol, rehash);
        Symbol(symbol)
    }
    /// As it is shown.
    pub fn text(&self, symbol: Symbol) -> Text {
        self.texts
            .get(symbol.0)
            .map_or_else(Text::default, |(shown, _)| *shown)
    }
    pub fn written(&self, symbol: Symbol) -> Text {
        written(&self.texts, symbol.0)
    }
    pub fn len(&self) -> u32 {
        self.texts.len()
    }
}

fn written(texts: &Chunked<(Text, Text)>, symbol: u32) -> Text {
    texts
        .get(symbol)
        .map_or_else(Text::default, |(_, written)| *written)
}

/// A [`Location`] in 16 bytes: the encoding shares a word with the start, which the recorder keeps small.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    line: u64,
    start_and_encoding: u32,
    len: u32,
}

const START_BITS: u32 = 30;

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        if location.start >> START_BITS != 0 {
            // No line of ours has a gigabyte before its payload: better no body than a wrong one.
            return Self {
                line: location.line,
                ..Self::default()
            };
        }
        let encoding = match location.encoding {
            Encoding::Verbatim => 0,
            Encoding::Text => 1,
            Encoding::Base64 => 2,
        };
        Self {
            line: location.line,
            start_and_encoding: location.start | encoding << START_BITS,
            len: location.len,
        }
    }
}

impl Place {
    pub fn location(self) -> Location {
        Location {
            line: self.line,
            start: self.start_and_encoding & ((1 << START_BITS) - 1),
            len: self.len,
            encoding: match self.start_and_encoding >> START_BITS {
                0 => Encoding::Verbatim,
                1 => Encoding::Text,
                _ => Encoding::Base64,
            },
        }
    }
    /// Bytes on the wire, as near as the place tells: exact for JSON.
    pub fn wire_len(self) -> u64 {
        let len = u64::from(self.len);
        match self.location().encoding {
            Encoding::Verbatim => len,
            Encoding::Text => len.saturating_sub(2),
            Encoding::Base64 => len.saturating_sub(2) / 4 * 3,
        }
    }
    /// The same for stderr: nearly every line of it ends in a line feed, and only that is escaped in most.
    pub fn stderr_len(self) -> u64 {
        let escape = u64::from(self.location().encoding == Encoding::Text);
        self.wire_len().saturating_sub(escape)
    }
}

/// What every row has.
#[derive(Debug)]
pub struct RowData {
    pub seq: u64,
    pub at: i64,
    pub place: Place,
    pub method: Symbol,
    pub name: Symbol,
    pub session: u32,
    pub parent: RowId,
    pub next_sibling: RowId,
    /// Index of its [`Extra`], or [`NONE`].
    pub extra: u32,
    pub summary: Text,
    pub from: Party,
    pub kind: RowKind,
    pub status: Status,
    pub depth: u8,
}

impl RowData {
    /// Bytes on the wire, as its place tells them.
    pub fn told_len(&self) -> u64 {
        match self.kind {
            RowKind::Stderr => self.place.stderr_len(),
            _ => self.place.wire_len(),
        }
    }
}

/// What only exchanges and a few other rows have.
#[derive(Debug)]
pub struct Extra {
    pub answer_seq: u64,
    /// When it was answered, cancelled or lost.
    pub ended_at: i64,
    pub answer: Place,
    pub id: Text,
    /// The raw progress token of the request.
    pub token: Text,
    /// What a person would say of the answer.
    pub outcome: Text,
    /// The next younger exchange of the same session and side with the same id.
    pub next_same_id: RowId,
    /// The next older exchange of the same method and name.
    pub previous_call: RowId,
    /// Index of its [`Kin`], or [`NONE`].
    pub kin: u32,
    /// Index of the HTTP exchange that carried it, or [`NONE`].
    pub http: u32,
    pub answer_from: Party,
    pub answered: bool,
    /// More answers came after the first.
    pub answered_again: bool,
    /// It became a task: its progress goes on after the answer.
    pub task: bool,
}

impl Default for Extra {
    fn default() -> Self {
        Self {
            answer_seq: 0,
            ended_at: 0,
            answer: Place::default(),
            id: Text::default(),
            token: Text::default(),
            outcome: Text::default(),
            next_same_id: NONE,
            previous_call: NONE,
            kin: NONE,
            http: NONE,
            answer_from: Party::Server,
            answered: false,
            answered_again: false,
            task: false,
        }
    }
}

/// What ties few rows to others: rows nested under it, messages beside request and answer, what it replays, rounds.
#[derive(Debug)]
pub struct Kin {
    pub first_child: RowId,
    pub last_child: RowId,
    pub children: u32,
    /// Of these, the ones that wait for their answers, or that something waits under.
    pub waiting: u32,
    pub first_part: u32,
    pub last_part: u32,
    pub replay_of: RowId,
    /// Of a call that was asked for input: how many rounds it went, and the newest of them.
    pub rounds: u32,
    pub newest_round: RowId,
    /// Of the same: its summary without the outcome of a round.
    pub asked: Text,
    /// Of a later round: the call that it goes on with.
    pub first_round: RowId,
}

impl Default for Kin {
    fn default() -> Self {
        Self {
            first_child: NONE,
            last_child: NONE,
            children: 0,
            waiting: 0,
            first_part: NONE,
            last_part: NONE,
            replay_of: NONE,
            rounds: 0,
            newest_round: NONE,
            asked: Text::default(),
            first_round: NONE,
        }
    }
}

/// A message of a row beyond its request and its answer.
#[derive(Debug)]
pub struct ExtraPart {
    pub seq: u64,
    pub at: i64,
    pub place: Place,
    pub next: u32,
    pub role: super::Role,
    pub from: Party,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_fits_a_cache_line_and_an_exchange_fits_its_budget() {
        assert_eq!(size_of::<RowData>(), 64);
        assert_eq!(size_of::<Extra>(), 64);
        assert!(size_of::<ExtraPart>() <= 40);
    }

    #[test]
    fn texts_come_back_over_many_pages() {
        let mut texts = Texts::default();
        let kept: Vec<(String, Text)> = (0..20_000)
            .map(|n| {
                let text = format!("text number {n}");
                let handle = texts.keep(&text);
                (text, handle)
            })
            .collect();
        assert!(kept.iter().all(|(text, handle)| texts.get(*handle) == text));
        assert_eq!(texts.get(Text::default()), "");
    }

    #[test]
    fn long_texts_that_differ_at_the_end_stay_different() {
        let (one, two) = ("x".repeat(300) + "1", "x".repeat(300) + "2");
        assert_ne!(abridged(&one), abridged(&two));
        assert!(abridged(&"é".repeat(300)).len() <= Texts::LONGEST);
    }

    #[test]
    fn symbols_are_found_again() {
        let (mut arena, mut symbols) = (Texts::default(), Symbols::default());
        let first: Vec<Symbol> = (0..5000)
            .map(|n| symbols.intern(&mut arena, &format!("name {n}")))
            .collect();
        let again: Vec<Symbol> = (0..5000)
            .map(|n| symbols.intern(&mut arena, &format!("name {n}")))
            .collect();
        assert_eq!(first, again);
        assert_eq!(symbols.intern(&mut arena, ""), Symbols::EMPTY);
    }

    #[test]
    fn places_keep_locations() {
        for encoding in [Encoding::Verbatim, Encoding::Text, Encoding::Base64] {
            let location = Location {
                line: 1 << 40,
                start: 99,
                len: 12,
                encoding,
            };
            assert_eq!(Place::from(location).location(), location);
        }
    }

    #[test]
    fn a_chunked_list_reads_from_anywhere() {
        let mut list = Chunked::default();
        (0..10_000u32).for_each(|n| list.push(n));
        assert_eq!(list.len(), 10_000);
        assert_eq!(list.get(4096), Some(&4096));
        assert_eq!(list.get(10_000), None);
        assert!(list.iter_from(4095).copied().eq(4095..10_000));
        assert!(list.iter_from(10_000).next().is_none());
    }
}
