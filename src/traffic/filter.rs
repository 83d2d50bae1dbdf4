//! The text filter of the list: which words a row must have and must not have.

use super::storage::{RowData, Symbol};
use super::store::Store;
use super::{ANSWERED_AGAIN, RowId, STATUS_WORDS, Traffic, party_word};
use crate::tap::Party;
use memchr::memchr2_iter;

/// A text filter over method, name, id, status, sender and summary, and the method, path and status of the
/// HTTP exchange that was made for it. `!text` negates; several words must all match; case is ignored. An empty filter keeps everything.
/// A word that is one for a status, as `ok` and `error` are, is about that alone, and `#2` about session 2; in quotes it
/// is a text like any other, and so is what has blanks in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    words: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    wanted: Wanted,
    negated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Text(Needle),
    /// A row that stands so.
    Status(&'static str),
    /// A row of this session.
    Session(u32),
}

impl Wanted {
    fn new(word: &str, quoted: bool) -> Self {
        let status = STATUS_WORDS.iter().find(|it| it.eq_ignore_ascii_case(word));
        let session = word.strip_prefix('#').and_then(|word| word.parse().ok());
        match (status, session) {
            (Some(status), _) if !quoted => Self::Status(status),
            (_, Some(session)) if !quoted => Self::Session(session),
            _ => Self::Text(Needle::new(word)),
        }
    }
}

/// The next word of a filter that is being typed, whether it stands in quotes, and what follows.
fn next_word(text: &str) -> Option<(&str, bool, &str)> {
    let text = text.trim_start();
    let ends = |at: &usize| {
        text[at + 1..]
            .chars()
            .next()
            .is_none_or(char::is_whitespace)
    };
    let closing = |inner: &str| inner.find('"').map(|at| at + 1).filter(ends);
    if let Some(end) = text
        .strip_prefix('"')
        .and_then(closing)
        .filter(|end| *end > 1)
    {
        return Some((&text[1..end], true, &text[end + 1..]));
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    // An exclamation mark may stand before quotes.
    let end = match text.starts_with("!\"") {
        true => 1,
        false => end,
    };
    (end > 0).then(|| (&text[..end], false, &text[end..]))
}

/// What a search looks for, whatever the case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Needle {
    /// Lower-case bytes, and which of them is the least common: the one to look for first.
    Ascii { lower: Box<[u8]>, rarest: usize },
    /// Lower-case characters.
    Unicode(Box<[char]>),
}

/// From common to rare in JSON and English; what is not here is rarer still.
const COMMON: &[u8] = b"\" eatosnirlcdpmu,:gfhybvwk0123_-xqjz";

impl Needle {
    fn new(text: &str) -> Self {
        if !text.is_ascii() {
            return Self::Unicode(text.chars().flat_map(char::to_lowercase).collect());
        }
        let lower = text.to_ascii_lowercase().into_bytes().into_boxed_slice();
        let rarity = |byte: &u8| {
            COMMON
                .iter()
                .position(|common| common == byte)
                .unwrap_or(COMMON.len())
        };
        let rarest = (0..lower.len())
            .max_by_key(|&index| rarity(&lower[index]))
            .unwrap_or(0);
        Self::Ascii { lower, rarest }
    }
    fn is_in(&self, text: &[u8]) -> bool {
        match self {
            Self::Ascii { lower, rarest } => is_ascii_in(lower, *rarest, text),
            Self::Unicode(lower) => text
                .utf8_chunks()
                .any(|chunk| is_unicode_in(lower, chunk.valid())),
        }
    }
}

fn is_ascii_in(lower: &[u8], rarest: usize, text: &[u8]) -> bool {
    let Some(&byte) = lower.get(rarest) else {
        return true;
    };
    memchr2_iter(byte, byte.to_ascii_uppercase(), text).any(|at| {
        at.checked_sub(rarest)
            .and_then(|start| text.get(start..start + lower.len()))
            .is_some_and(|here| here.eq_ignore_ascii_case(lower))
    })
}

fn is_unicode_in(lower: &[char], text: &str) -> bool {
    text.char_indices().any(|(start, _)| {
        let mut here = text[start..].chars().flat_map(char::to_lowercase);
        lower.iter().all(|&wanted| here.next() == Some(wanted))
    })
}

impl Filter {
    /// Never fails: any text is a filter.
    pub fn parse(text: &str) -> Self {
        // An exclamation mark that stands by itself is that of the word behind it.
        let mut leaves_out = false;
        let mut words = Vec::new();
        let mut rest = text;
        while let Some((word, quoted, behind)) = next_word(rest) {
            rest = behind;
            let text = word.strip_prefix('!').filter(|_| !quoted);
            let negated = std::mem::take(&mut leaves_out) || text.is_some();
            let text = text.unwrap_or(word);
            leaves_out = text.is_empty();
            if !leaves_out {
                let wanted = Wanted::new(text, quoted);
                words.push(Word { wanted, negated });
            }
        }
        Self { words }
    }
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
    pub fn keeps(&self, traffic: &Traffic, row: RowId) -> bool {
        let store = &traffic.store;
        store
            .row(row)
            .is_some_and(|row| self.keeps_row(store, row, &mut Verdicts::default()))
    }
    /// Whether something matches that is no row, by the texts that it is shown with: what tells of a row's status or
    /// session is text there.
    pub fn keeps_texts(&self, texts: &[&str]) -> bool {
        let has = |needle: &Needle| texts.iter().any(|text| needle.is_in(text.as_bytes()));
        let is_in = |word: &Word| match &word.wanted {
            Wanted::Text(needle) => has(needle),
            Wanted::Status(word) => has(&Needle::new(word)),
            Wanted::Session(number) => has(&Needle::new(&format!("#{number}"))),
        };
        self.words.iter().all(|word| is_in(word) != word.negated)
    }
    /// Whether there is anything to look for in bodies: a text that is wanted.
    pub fn finds_bodies(&self) -> bool {
        let is_wanted = |word: &Word| !word.negated && matches!(word.wanted, Wanted::Text(_));
        self.words.iter().any(is_wanted)
    }
    /// Whether a raw body matches, for the slower pass over bodies. A filter without a text that is wanted finds no
    /// bodies. What is asked of the row is looked at where that is known.
    pub fn keeps_body(&self, body: &[u8]) -> bool {
        let mut words = self.words.iter();
        self.finds_bodies()
            && words.all(|word| match &word.wanted {
                Wanted::Text(needle) => needle.is_in(body) != word.negated,
                Wanted::Status(_) | Wanted::Session(_) => true,
            })
    }
    /// Whether the row itself has a word that it must not have, or has another status or session than it must, so that
    /// no match in its body may bring it back.
    pub(super) fn excludes(&self, store: &Store, row: &RowData, verdicts: &mut Verdicts) -> bool {
        let mut words = self.words.iter().enumerate();
        words.any(|(number, word)| {
            let decides = word.negated || !matches!(word.wanted, Wanted::Text(_));
            decides && word.is_in_row(number, store, row, verdicts) == word.negated
        })
    }
    pub(super) fn keeps_row(&self, store: &Store, row: &RowData, verdicts: &mut Verdicts) -> bool {
        let mut words = self.words.iter().enumerate();
        words.all(|(number, word)| word.is_in_row(number, store, row, verdicts) != word.negated)
    }
}

impl Word {
    fn is_in_row(
        &self,
        number: usize,
        store: &Store,
        row: &RowData,
        verdicts: &mut Verdicts,
    ) -> bool {
        let needle = match &self.wanted {
            Wanted::Text(needle) => needle,
            // Of `tool error`, which is two words, each.
            Wanted::Status(word) => return store.status_word(row).split(' ').any(|it| it == *word),
            Wanted::Session(number) => return row.session == *number,
        };
        let known = verdicts.of_word(number);
        known.symbol(row.method, store, needle)
            || known.symbol(row.name, store, needle)
            || needle.is_in(store.status_word(row).as_bytes())
            || known.party(row.from, needle)
            || needle.is_in(store.texts.bytes(store.summary(row)))
            || needle.is_in(store.id_of(row))
            || needle.is_in(store.texts.bytes(store.failure(row)))
            || store.is_answered_again(row) && needle.is_in(ANSWERED_AGAIN.as_bytes())
            || store.http_of(row).is_some_and(|http| {
                known.symbol(http.method, store, needle)
                    || known.symbol(http.path, store, needle)
                    || needle.is_in(http.status.to_string().as_bytes())
            })
    }
}

/// What is already known of a filter's words: methods, names and senders repeat in every row.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    words: Vec<Known>,
}

#[derive(Debug, Default)]
struct Known {
    symbols: Vec<Option<bool>>,
    parties: [Option<bool>; 4],
}

impl Verdicts {
    fn of_word(&mut self, number: usize) -> &mut Known {
        if number >= self.words.len() {
            self.words.resize_with(number + 1, Known::default);
        }
        &mut self.words[number]
    }
}

impl Known {
    fn symbol(&mut self, symbol: Symbol, store: &Store, needle: &Needle) -> bool {
        let index = symbol.0 as usize;
        if index >= self.symbols.len() {
            self.symbols.resize(store.symbols.len() as usize, None);
        }
        match self.symbols.get_mut(index) {
            Some(known) => {
                *known.get_or_insert_with(|| needle.is_in(store.symbol(symbol).as_bytes()))
            }
            None => false,
        }
    }
    fn party(&mut self, party: Party, needle: &Needle) -> bool {
        *self.parties[party as usize]
            .get_or_insert_with(|| needle.is_in(party_word(party).as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_is_ignored_in_every_script() {
        for (needle, text, found) in [
            ("SUM", "get-sum", true),
            ("sum", "GET-SUM", true),
            ("straße", "Große STRAßE", true),
            ("ÉTÉ", "un été", true),
            ("日本", "in 日本", true),
            ("zz", "z z", false),
            ("abc", "ab", false),
        ] {
            assert_eq!(
                Needle::new(needle).is_in(text.as_bytes()),
                found,
                "{needle} in {text}"
            );
        }
    }

    #[test]
    fn a_lone_exclamation_mark_excludes_nothing() {
        assert!(Filter::parse("  ! ").is_empty());
    }

    #[test]
    fn texts_have_all_words_among_them_and_none_that_is_left_out() {
        let texts = ["stderr", "Harbour: the desk is open"];
        for (filter, kept) in [
            ("", true),
            ("STDERR desk", true),
            ("stderr ship", false),
            ("desk !sentinel", true),
            ("desk !harbour", false),
            ("desk ! harbour", false),
            ("! sentinel desk", true),
            ("! sentinel stderr", true),
            ("errHar", false),
        ] {
            assert_eq!(Filter::parse(filter).keeps_texts(&texts), kept, "{filter}");
        }
    }

    #[test]
    fn bodies_must_have_every_word_and_none_that_is_excluded() {
        let filter = Filter::parse("hello !world");
        assert!(filter.keeps_body(b"{\"text\":\"Hello\"}"));
        assert!(!filter.keeps_body(b"{\"text\":\"hello World\"}"));
        assert!(!Filter::parse("!world").keeps_body(b"anything"));
        assert!(Filter::parse("caf\u{e9}").keeps_body(b"\xff broken CAF\xc3\x89"));
    }

    #[test]
    fn what_stands_in_quotes_is_one_text() {
        let text = |text: &str| Wanted::Text(Needle::new(text));
        let words = |filter: &str| -> Vec<(Wanted, bool)> {
            let words = Filter::parse(filter).words.into_iter();
            words.map(|word| (word.wanted, word.negated)).collect()
        };
        assert_eq!(words("OK"), [(Wanted::Status("ok"), false)]);
        assert_eq!(words("!error"), [(Wanted::Status("error"), true)]);
        assert_eq!(words("!#19"), [(Wanted::Session(19), true)]);
        assert_eq!(words("#"), [(text("#"), false)]);
        assert_eq!(words("#19a"), [(text("#19a"), false)]);
        assert_eq!(words("\"#19\""), [(text("#19"), false)]);
        assert_eq!(words("\"ok\""), [(text("ok"), false)]);
        assert_eq!(
            words("!\"ok\" tool"),
            [(text("ok"), true), (text("tool"), false)]
        );
        assert_eq!(
            words("\"tool error\" x"),
            [(text("tool error"), false), (text("x"), false)]
        );
        assert_eq!(words("!\"a b\""), [(text("a b"), true)]);
        // What is typed so far, and JSON.
        assert_eq!(words("\"ok"), [(text("\"ok"), false)]);
        assert_eq!(words("!\"ok"), [(text("\"ok"), true)]);
        assert_eq!(
            words("\"isError\":true"),
            [(text("\"isError\":true"), false)]
        );
        assert_eq!(words("\"\""), [(text("\"\""), false)]);
        assert_eq!(
            words("\"isError\":true \"x\""),
            [(text("\"isError\":true"), false), (text("x"), false)]
        );
    }

    #[test]
    fn the_status_is_no_matter_of_a_body() {
        assert!(Filter::parse("oslo error").keeps_body(b"in Oslo"));
        for (filter, finds) in [("ok !x", false), ("!x", false), ("ok x", true), ("", false)] {
            assert_eq!(Filter::parse(filter).finds_bodies(), finds, "{filter}");
        }
        assert!(Filter::parse("oslo !ok").keeps_body(b"Oslo is ok"));
        assert!(!Filter::parse("error").keeps_body(b"{\"isError\":false}"));
        assert!(Filter::parse("\"error\"").keeps_body(b"{\"isError\":false}"));
    }

    proptest! {
        #[test]
        fn a_search_finds_what_a_lower_cased_search_finds(needle in "[a-cA-C \"é]{1,4}", text in "[a-cA-C \"éÉ]{0,40}") {
            let expected = text.to_lowercase().contains(&needle.to_lowercase());
            prop_assert_eq!(Needle::new(&needle).is_in(text.as_bytes()), expected);
        }
    }
}
