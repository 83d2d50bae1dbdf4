//! Short texts that are safe to show, made of what a hostile peer wrote.

use crate::wire::shown::{all_shown, unstyled};
pub use crate::wire::shown::{cut, neutral};
use std::borrow::Cow;

/// Characters of a gist; the list has no room for more.
const CHARS: usize = 80;
/// Characters of what has a whole line for itself in the Log pane.
const LINE_CHARS: usize = 160;
/// Bytes of a gist: what the arena holds of one text.
const BYTES: usize = 250;

/// A tabulator goes on at the next multiple of so many columns.
const TAB: usize = 8;

/// A text under construction that never gets longer than a list can show. White space is collapsed, unless it is to stay
/// as it was written.
#[derive(Debug)]
pub struct Gist {
    text: String,
    chars: usize,
    limit: usize,
    full: bool,
    as_written: bool,
}

impl Default for Gist {
    fn default() -> Self {
        Self::limited_to(CHARS)
    }
}

impl Gist {
    /// For what has a line for itself.
    pub fn line() -> Self {
        Self::limited_to(LINE_CHARS)
    }
    fn limited_to(limit: usize) -> Self {
        Self {
            text: String::new(),
            chars: 0,
            limit,
            full: false,
            as_written: false,
        }
    }
    /// Whether more text would not be taken.
    pub fn is_full(&self) -> bool {
        self.full
    }
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
    pub fn push(&mut self, text: &str) -> &mut Self {
        for c in all_shown(text) {
            if self.full {
                break;
            }
            self.push_char(c);
        }
        self
    }
    /// Like [`Gist::push`], giving this text no more than `chars` of the room that is left.
    pub fn push_at_most(&mut self, text: &str, chars: usize) -> &mut Self {
        let limit = self.limit;
        self.limit = (self.chars + chars).min(limit);
        self.push(text);
        self.limit = limit;
        self.full = self.chars >= limit || self.text.len() >= BYTES;
        self
    }
    fn push_char(&mut self, c: char) {
        let is_more = self.text.is_empty() || self.text.ends_with(' ');
        if c == ' ' && is_more && !self.as_written {
            return;
        }
        if self.chars + 1 >= self.limit || self.text.len() + c.len_utf8() + '…'.len_utf8() > BYTES
        {
            self.full = true;
            self.chars = self.limit;
            self.text.push('…');
            return;
        }
        self.text.push(c);
        self.chars += 1;
    }
    pub fn finish(mut self) -> Box<str> {
        self.text.truncate(self.text.trim_end().len());
        self.text.into_boxed_str()
    }
}

/// One text as a gist.
pub fn gist(text: &str) -> Box<str> {
    let mut gist = Gist::default();
    gist.push(text);
    gist.finish()
}

/// One text that has a line for itself.
pub fn line(text: &str) -> Box<str> {
    let mut gist = Gist::line();
    gist.push(text);
    gist.finish()
}

/// Bytes of any kind as a gist: only their head is looked at.
pub fn gist_of_bytes(bytes: &[u8]) -> Box<str> {
    gist(&head(bytes))
}

/// A line written for a terminal, without its colours: its blanks say what belongs under what.
pub fn line_of_log(bytes: &[u8]) -> Box<str> {
    let head = head(bytes);
    let mut line = Gist {
        as_written: true,
        ..Gist::line()
    };
    for (number, piece) in unstyled(&head).trim_end().split('\t').enumerate() {
        if number > 0 {
            let columns = TAB - line.chars % TAB;
            line.push(&" ".repeat(columns));
        }
        line.push(piece);
    }
    line.finish()
}

fn head(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(4 * BYTES)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::shown::shown;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_and_direction_tricks_are_neutralised() {
        assert_eq!(&*gist("\u{1b}[31mred\u{202e}evil\u{7}"), "�[31mred�evil�");
        assert_eq!(neutral("a\u{200b}b\u{9b}c"), "a�b�c");
        assert_eq!(neutral("tags \u{e0041}"), "tags �");
    }

    #[test]
    fn the_words_of_a_log_line_lose_their_colours() {
        assert_eq!(
            &*line_of_log(b"\x1b[2m12:00\x1b[0m \x1b[32m INFO\x1b[0m up\x1b[3"),
            "12:00  INFO up�[3"
        );
    }

    #[test]
    fn the_words_of_a_log_line_stay_where_they_were() {
        assert_eq!(&*line_of_log(b"    x  = 1 \r\n"), "    x  = 1");
        assert_eq!(
            &*line_of_log(b"\tab\t\x1b[1mc\x1b[0m\td\n"),
            "        ab      c       d"
        );
        assert_eq!(&*line_of_log(b" \t \n"), "");
        assert_eq!(line_of_log(&[b'\t'; 500]).chars().count(), 0);
        assert_eq!(
            line_of_log(&[b'\t', b'x'].repeat(500)).chars().count(),
            LINE_CHARS
        );
    }

    #[test]
    fn lines_become_one_line() {
        assert_eq!(&*gist("  one\r\n\t two\u{2028}three  "), "one two three");
    }

    #[test]
    fn emoji_survive() {
        assert_eq!(&*gist("ok ✔\u{fe0f} 日本"), "ok ✔ 日本");
    }

    #[test]
    fn a_long_text_ends_in_an_ellipsis() {
        let text = gist(&"x".repeat(500));
        assert_eq!(text.chars().count(), 80);
        assert!(text.ends_with('…'));
        assert_eq!(&*gist(&"x".repeat(79)), "x".repeat(79));
        assert_eq!(line(&"x".repeat(500)).chars().count(), LINE_CHARS);
        assert!(line(&"語".repeat(500)).len() <= BYTES);
    }

    #[test]
    fn a_long_part_leaves_room_for_the_next() {
        let mut gist = Gist::default();
        gist.push("a=")
            .push_at_most(&"x".repeat(100), 10)
            .push(" b=2");
        assert_eq!(&*gist.finish(), "a=xxxxxxxxx… b=2");
    }

    proptest! {
        #[test]
        fn a_gist_is_short_and_harmless(text in any::<String>(), tail in "[\\x00-\\x1f\u{200b}-\u{206f}é日]{0,100}") {
            let text = gist(&(text + &tail));
            prop_assert!(text.chars().count() <= CHARS && text.len() <= BYTES);
            let harmful = |c: char| c.is_control() || shown(c) != c;
            prop_assert!(!text.chars().any(harmful), "{:?}", text);
        }
        #[test]
        fn cutting_never_splits_a_character(text in any::<String>(), max in 0usize..40) {
            prop_assert!(cut(&text, max).len() <= max);
        }
    }
}
