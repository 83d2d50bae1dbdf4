//! Text from the wire, made safe to draw and exact to measure.
//!
//! Whatever a peer sends may end up in a cell: escape sequences, line breaks, marks that turn the writing direction
//! round, characters of no width or two. [`clean`] leaves nothing that a terminal obeys and shows what was there;
//! [`fit`] and its kin count columns as the terminal does.

use crate::wire::shown::{is_of_emoji, is_tone, shown};
use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What stands for a name that is not there, or not to be seen.
pub const NO_NAME: &str = "(no name)";

/// Characters of a text that are laid out where the whole can be read elsewhere.
const READ: usize = 4000;

/// More marks than this on one character say nothing to a reader and pile up over other lines.
const MARKS: usize = 2;

/// What stands for a character that must not be drawn; `None` when it may.
fn stand_in(c: char) -> Option<char> {
    Some(match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '␡',
        // Half of a flag: some terminals give a pair two columns, some four, and some two to each half.
        '\u{1f1e6}'..='\u{1f1ff}' => regional_letter(c),
        '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => '\u{fffd}',
        // Terminals disagree on their width.
        _ if is_tone(c) || shown(c) == '\u{fffd}' => '\u{fffd}',
        _ => return None,
    })
}

/// The letter that a regional indicator stands for.
fn regional_letter(c: char) -> char {
    u8::try_from(u32::from(c) - 0x1f1e6).map_or('\u{fffd}', |at| char::from(b'A' + at))
}

/// `text` with nothing left in it that a terminal would obey or measure differently than we do.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut marks = MARKS;
    let mut before = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if is_of_emoji(before.replace(c), c, rest.clone().next()) {
            continue;
        }
        if let Some(stand_in) = stand_in(c) {
            marks = 0;
            out.push(stand_in);
        } else if c.width() == Some(0) {
            // A mark with nothing to sit on (at the start, or on a stand-in) would sit on its neighbour's cell.
            if marks < MARKS && !out.is_empty() {
                marks += 1;
                out.push(c);
            }
        } else {
            marks = 0;
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// `text` for the clipboard, as it is but for controls: whoever pastes it into a shell must not run what a peer sent.
pub fn pasteable(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() => stand_in(c).unwrap_or(c),
            c => c,
        })
        .collect()
}

/// Whether nothing of `text` is to be seen.
pub fn is_blank(text: &str) -> bool {
    clean(text).trim().is_empty()
}

/// Columns that clean text takes.
pub fn width(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.graphemes(true).map(UnicodeWidthStr::width).sum()
    }
}

/// Cleans `text` and cuts it to at most `columns`, with `…` where something was cut.
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    // A name of megabytes is not read to its end for a few columns: a column holds at most a few marked characters.
    let enough = text
        .char_indices()
        .nth(columns.saturating_mul(4).saturating_add(16))
        .map_or(text.len(), |(at, _)| at);
    let whole = enough == text.len();
    let text = clean(&text[..enough]);
    if whole && width(&text) <= columns {
        return text;
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let next = UnicodeWidthStr::width(grapheme);
        if used + next > columns - 1 {
            break;
        }
        used += next;
        out.push_str(grapheme);
    }
    out.push('…');
    Cow::Owned(out)
}

/// As [`cut`], but keeps the end.
pub fn cut_start(text: &str, columns: usize) -> Cow<'_, str> {
    let enough = text
        .char_indices()
        .rev()
        .nth(columns.saturating_mul(4).saturating_add(16))
        .map_or(0, |(at, _)| at);
    let text = clean(&text[enough..]);
    if enough == 0 && width(&text) <= columns {
        return text;
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let mut left = columns - 1;
    let mut start = text.len();
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        let next = UnicodeWidthStr::width(grapheme);
        if next > left {
            break;
        }
        left -= next;
        start = at;
    }
    Cow::Owned(format!("…{}", &text[start..]))
}

/// As [`cut`], but keeps the beginning and the end.
pub fn cut_middle(text: &str, columns: usize) -> Cow<'_, str> {
    let whole = cut(text, columns);
    // The two differ in what is not whole.
    if whole == cut_start(text, columns) {
        return whole;
    }
    let kept = (columns - 1) / 2;
    let start = cut(text, columns - kept);
    let end = cut_start(text, kept + 1);
    let end = end.strip_prefix('…').unwrap_or_default();
    Cow::Owned(format!("{start}{end}"))
}

/// Exactly `columns` wide, text at the left.
pub fn fit(text: &str, columns: usize) -> String {
    let mut out = cut(text, columns).into_owned();
    let missing = columns.saturating_sub(width(&out));
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

/// Exactly `columns` wide, text at the right.
pub fn fit_right(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let mut out = " ".repeat(columns.saturating_sub(width(&text)));
    out.push_str(&text);
    out
}

/// The lines of `text`, cleaned one by one and wrapped at spaces to `columns`; inside of what has none and is longer than
/// a line, between its words.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut filling = Filling {
            lines: &mut lines,
            current: String::new(),
            used: 0,
            columns,
        };
        for piece in pieces(&clean(line)) {
            if width(piece) <= columns {
                filling.whole(piece);
            } else {
                piece
                    .split_word_bounds()
                    .for_each(|word| filling.whole(word));
            }
        }
        let rest = filling.current.trim_end().to_owned();
        lines.push(rest);
    }
    lines
}

/// Spaces, and what stands between them.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?.is_whitespace();
        let end = rest
            .find(|c: char| c.is_whitespace() != first)
            .unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// A line being filled, and those before it.
struct Filling<'l> {
    lines: &'l mut Vec<String>,
    current: String,
    used: usize,
    columns: usize,
}

impl Filling<'_> {
    /// Not broken if it fits a line.
    fn whole(&mut self, word: &str) {
        let columns = width(word);
        if self.used + columns <= self.columns {
            self.current.push_str(word);
            self.used += columns;
            return;
        }
        // What has to be broken anyway may as well begin here.
        if self.used > 0 && columns <= self.columns {
            self.end_line();
        }
        if word.trim().is_empty() {
            return;
        }
        for grapheme in word.graphemes(true) {
            let next = UnicodeWidthStr::width(grapheme);
            if self.used > 0 && self.used + next > self.columns {
                self.end_line();
            }
            self.current.push_str(grapheme);
            self.used += next;
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.current);
        self.lines.push(line.trim_end().to_owned());
        self.used = 0;
    }
}

/// The lines of `text`, cleaned one by one and cut into pieces of at most `columns`, wherever that falls.
pub fn chop(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = Vec::new();
    for line in text.split_terminator('\n') {
        let line = clean(line);
        let (mut piece, mut used) = (String::new(), 0);
        for grapheme in line.graphemes(true) {
            let next = UnicodeWidthStr::width(grapheme);
            if used + next > columns {
                lines.push(std::mem::take(&mut piece));
                used = 0;
            }
            piece.push_str(grapheme);
            used += next;
        }
        lines.push(piece);
    }
    lines
}

/// What a screen needs of a text that may have any length.
pub fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(READ) {
        Some((at, _)) => format!("{}…", &text[..at]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_pasted_is_what_was_there_without_controls() {
        assert_eq!(
            pasteable("{\n\t\"é 👨\u{200d}👩\": 1}\r\n"),
            "{\n\t\"é 👨\u{200d}👩\": 1}\n"
        );
        assert_eq!(pasteable("\x1b[201~rm\r\u{9b}x"), "␛[201~rm␍\u{fffd}x");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        assert_eq!(clean("\x1b[31mred\x07\r\n"), "␛[31mred␇␍␊");
        assert_eq!(
            clean("a\u{202e}b\u{200b}c\u{9b}d\u{feff}"),
            "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}"
        );
        assert_eq!(
            clean("pay\u{200d}m\u{fe0f}e\u{200c}nt🏽"),
            "pay\u{fffd}m\u{fffd}e\u{fffd}nt\u{fffd}"
        );
        assert!(matches!(clean("plain"), Cow::Borrowed("plain")));
        assert_eq!(clean("día 日本 é"), "día 日本 é");
    }

    #[test]
    fn piled_up_marks_are_thinned_out() {
        let zalgo = format!("a{}b", "\u{301}".repeat(500));
        assert_eq!(clean(&zalgo), "a\u{301}\u{301}b");
        assert_eq!(clean("\u{301}a"), "a");
    }

    #[test]
    fn joined_emoji_fall_apart_into_parts_of_known_width() {
        let family = "👨\u{200d}👩\u{200d}👧";
        assert_eq!(clean(family), "👨👩👧");
        assert_eq!(width(&clean(family)), 6);
    }

    #[test]
    fn flags_are_their_letters_and_skin_has_no_tone() {
        assert_eq!(clean("🇩🇪 x 🇯🇵🇿"), "DE x JPZ");
        assert_eq!(clean("👍🏽 👩🏿\u{200d}🚀"), "👍 👩🚀");
    }

    proptest! {
        #[test]
        fn terminals_that_measure_characters_agree_with_those_that_measure_clusters(
            text in "([🇩🇪👍🏽👨🏿❤✔한글日é1*#\\x{200d}\\x{fe0f}\\x{20e3}\\x{301}\\x{200f}\\x{1112}\\x{1161}\\x{11ab}क्षषा]|\\PC){0,12}",
        ) {
            let clean = clean(&text);
            let by_character: usize = clean.chars().filter_map(UnicodeWidthChar::width).sum();
            prop_assert_eq!(width(&clean), by_character, "{:?}", clean);
        }
    }

    #[test]
    fn every_text_fits_exactly() {
        let long = "x".repeat(10_000);
        let marks = "e\u{301}".repeat(300);
        for text in [
            "",
            "a",
            "日本語テキスト",
            "🦀🦀🦀🦀",
            "\u{202e}abc",
            &long,
            &marks,
            "שלום עולם",
            "한국어 e\u{301}",
        ] {
            for columns in 0..30 {
                assert!(width(&cut_start(text, columns)) <= columns, "{text:.20}");
                assert!(width(&cut_middle(text, columns)) <= columns, "{text:.20}");
                assert_eq!(
                    width(&fit(text, columns)),
                    columns,
                    "{text:.20} in {columns}"
                );
                assert_eq!(
                    width(&fit_right(text, columns)),
                    columns,
                    "{text:.20} in {columns}"
                );
            }
        }
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日… ");
        assert_eq!(cut_start("日本語", 4), "…語");
        assert_eq!(cut_start("request-42", 5), "…t-42");
        assert_eq!(cut_start("a\u{1b}[2J", 4), "…[2J");
        assert_eq!(cut_middle("customer_create", 9), "cust…eate");
        assert_eq!(cut_middle("customer_create", 8), "cust…ate");
        assert_eq!(cut_middle("customer_create", 15), "customer_create");
        assert_eq!(cut_middle("customer_create", 1), "…");
        assert_eq!(cut_middle("日本語日本語", 6), "日…語");
        assert_eq!(cut_middle("a\u{1b}[2Jb", 5), "a␛…Jb");
    }

    #[test]
    fn chopping_loses_nothing() {
        assert_eq!(chop("abcde\nfg\n", 2), ["ab", "cd", "e", "fg"]);
        assert_eq!(chop("a日本", 2), ["a", "日", "本"]);
        assert_eq!(chop("a\r\n", 9), ["a␍"]);
    }

    #[test]
    fn wrapping_keeps_words_and_breaks_what_is_longer_than_a_line() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("a\n\nb", 10), ["a", "", "b"]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(wrap("of 2025-11-25, too", 12), ["of", "2025-11-25,", "too"]);
        assert_eq!(wrap("a day out.", 9), ["a day", "out."]);
        assert_eq!(wrap("see /a/long-path", 8), ["see /a/", "long-", "path"]);
        assert_eq!(wrap("00-abcdefghij", 5), ["00-ab", "cdefg", "hij"]);
    }
}
