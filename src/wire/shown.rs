//! What stands on a screen for the text of a hostile peer.

use std::borrow::Cow;

/// What stands in for `c` on a screen: a space for white space, U+FFFD for anything that would move the cursor, turn
/// the writing direction, hide text, or not be seen itself.
pub fn shown(c: char) -> char {
    match c {
        ' '..='~' => c,
        '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Whether `c` only chooses how the emoji before it is drawn, so that nothing is lost without it: a joiner between two,
/// a variation selector or the tone of a skin behind one. Anywhere else two texts would differ in it that look the same.
pub fn is_of_emoji(before: Option<char>, c: char, after: Option<char>) -> bool {
    let behind = |is: fn(char) -> bool| before.is_some_and(is);
    match c {
        '\u{fe0e}' | '\u{fe0f}' => {
            let is_keycap = after == Some('\u{20e3}');
            behind(is_emoji) || is_keycap && behind(|c| matches!(c, '0'..='9' | '#' | '*'))
        }
        '\u{200d}' => {
            behind(|c| is_emoji(c) || is_tone(c) || c == '\u{fe0f}') && after.is_some_and(is_emoji)
        }
        c => is_tone(c) && behind(is_emoji),
    }
}

fn is_emoji(c: char) -> bool {
    let others = ['©', '®', '‼', '⁉', '™', 'ℹ', '〰', '〽', '㊗', '㊙'];
    let is_one = matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}');
    (is_one || others.contains(&c)) && !is_tone(c)
}

/// The tone of a skin.
pub fn is_tone(c: char) -> bool {
    matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

/// The characters of `text`, each as it is [`shown`], without those that only [are of emoji](is_of_emoji).
pub fn all_shown(text: &str) -> impl Iterator<Item = char> {
    let mut before = None;
    let mut rest = text.chars();
    std::iter::from_fn(move || {
        loop {
            let c = rest.next()?;
            let before = before.replace(c);
            let stand_in = shown(c);
            if stand_in == c || !is_of_emoji(before, c, rest.clone().next()) {
                return Some(stand_in);
            }
        }
    })
}

/// `text` with everything replaced that could deceive or disturb a screen; borrowed when nothing was.
pub fn neutral(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(all_shown(text).collect())
}

/// The longest head of `text` of at most `max` bytes.
pub fn cut(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// At most `max` bytes of `text`, and a mark where there are more.
pub fn shortened(text: &str, max: usize) -> String {
    let head = cut(text, max);
    let more = if head.len() < text.len() { "…" } else { "" };
    format!("{head}{more}")
}

/// `text` without the whole escape sequences that colour a log or move the cursor in it: CSI (`ESC [` … final byte) and
/// OSC (`ESC ]` … `BEL` or `ESC \`). Anything less is left for [`neutral`] and its kin to show.
pub fn unstyled(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = text[at..].find('\u{1b}') {
        at += found;
        match sequence(&text[at..]) {
            Some(length) => {
                out.push_str(&text[copied..at]);
                at += length;
                copied = at;
            }
            None => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// How long the escape sequence is that `text` begins with, if it is whole.
fn sequence(text: &str) -> Option<usize> {
    let body = text.get(2..)?;
    let end = match text.as_bytes()[1] {
        b'[' => {
            let after = body.trim_start_matches(|c| matches!(c, '0'..='?'));
            let after = after.trim_start_matches(|c| matches!(c, ' '..='/'));
            after.strip_prefix(|c| matches!(c, '@'..='~'))?
        }
        b']' => {
            let end = &body[body.find(char::is_control)?..];
            let end_marks = ["\u{7}", "\u{1b}\\"];
            end_marks.iter().find_map(|mark| end.strip_prefix(mark))?
        }
        _ => return None,
    };
    Some(text.len() - end.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_shortened_is_marked_and_never_split_inside_a_character() {
        assert_eq!(shortened("añb", 4), "añb");
        assert_eq!(shortened("añb", 3), "añ…");
        assert_eq!(shortened("añb", 2), "a…");
        assert_eq!(shortened("ñ", 0), "…");
    }

    #[test]
    fn the_colours_of_a_log_are_taken_out() {
        let line = "\u{1b}[32mINFO\u{1b}[0m \u{1b}[1;38:5:9mup\u{1b}[m \u{1b}[2 q\u{1b}[?25lok";
        assert_eq!(unstyled(line), "INFO up ok");
        let link = "\u{1b}]8;;http://a/ü\u{1b}\\here\u{1b}]8;;\u{7} \u{1b}]0;title\u{7}there";
        assert_eq!(unstyled(link), "here there");
    }

    #[test]
    fn what_is_no_whole_sequence_stays() {
        for text in [
            "\u{1b}",
            "\u{1b}[",
            "\u{1b}[31",
            "\u{1b}[3é1m",
            "\u{1b}[3\u{1b}",
            "\u{1b}é",
            "\u{1b}c",
            "\u{1b}]0;no end",
            "\u{1b}]0;no end\nbut a line\u{1b}",
            "\u{9b}31m",
        ] {
            assert_eq!(unstyled(text), text);
        }
        assert_eq!(unstyled("\u{1b}\u{1b}[0m[31m"), "\u{1b}[31m");
    }

    #[test]
    fn what_cannot_be_seen_is_marked_unless_it_belongs_to_an_emoji() {
        for (text, expected) in [
            (
                "ok ✔\u{fe0f} 👩🏿\u{200d}🚀 ❤\u{fe0f}\u{200d}🔥",
                "ok ✔ 👩🏿🚀 ❤🔥",
            ),
            ("1\u{fe0f}\u{20e3} 1\u{fe0f}", "1\u{20e3} 1\u{fffd}"),
            ("pay\u{200d}ment", "pay\u{fffd}ment"),
            (
                "pay\u{200c}m\u{fe0f}e\u{e0100}nt",
                "pay\u{fffd}m\u{fffd}e\u{fffd}nt",
            ),
            (
                "\u{200d}👍\u{200d} 👍\u{fe0f}\u{fe0f}",
                "\u{fffd}👍\u{fffd} 👍\u{fffd}",
            ),
        ] {
            assert_eq!(neutral(text), expected, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn a_blank_that_is_no_space_is_marked() {
        for c in [
            '\u{2800}',
            '\u{1bca0}',
            '\u{1bca3}',
            '\u{e01f0}',
            '\u{e0fff}',
        ] {
            assert_eq!(shown(c), '\u{fffd}', "{}", c.escape_unicode());
        }
        assert_eq!(shown('\u{2801}'), '\u{2801}');
    }

    proptest! {
        #[test]
        fn no_control_comes_out_and_text_without_escapes_is_unchanged(
            text in "([\\[\\]0-9;m\\\\\u{7}\u{1b}\u{9b}é\n]|\\PC){0,24}",
        ) {
            prop_assert!(!neutral(&unstyled(&text)).contains(char::is_control));
            let plain = text.replace('\u{1b}', "");
            prop_assert_eq!(unstyled(&plain), plain.as_str());
        }

        #[test]
        fn colours_put_around_words_are_all_that_goes(words in "\\PC{0,9}", codes in "[0-9;]{0,5}") {
            let styled = format!("{words}\u{1b}[{codes}m{words}\u{1b}[0m{words}");
            prop_assert_eq!(unstyled(&styled), words.repeat(3));
        }
    }
}
