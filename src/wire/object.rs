//! Looking into raw JSON one level at a time, without building a tree: no depth limit, nothing re-spelled.
//!
//! Made for text that is known to be JSON. On anything else it stops where the text stops making sense.

use super::scan::{self, Container, Fault, Step};
use std::borrow::Cow;
use std::ops::Range;

/// The members of the JSON object `raw` in order: unescaped key, raw value. Empty when `raw` is not an object.
pub fn members(raw: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    spans(raw).map_while(Result::ok).map(|member| {
        (
            unescape_string(&raw[member.key]).unwrap_or_default(),
            &raw[member.value],
        )
    })
}

/// The elements of the JSON array `raw`, as raw values. Empty when `raw` is not an array.
pub fn elements(raw: &str) -> impl Iterator<Item = &str> {
    element_spans(raw).map(|element| &raw[element])
}

/// The elements of the JSON array `raw` by place.
pub(super) fn element_spans(raw: &str) -> impl Iterator<Item = Range<usize>> {
    let text = raw.as_bytes();
    let start = scan::space(text, 0);
    let mut next = (text.get(start) == Some(&b'[')).then(|| Container::Array.first(text, start));
    std::iter::from_fn(move || {
        let Some(Step::Item(start)) = next.take() else {
            return None;
        };
        let end = scan::value(text, start).ok()?;
        next = Container::Array.next(text, end).ok();
        Some(start..end)
    })
}

/// The raw value at `path` (object keys), the last member winning where a key stands twice.
pub fn at<'a>(raw: &'a str, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(raw, |object, wanted| {
        members(object)
            .filter(|(key, _)| key == wanted)
            .last()
            .map(|(_, value)| value)
    })
}

/// The string at `path`, unescaped; lone surrogates become U+FFFD. `None` when it is not a string.
pub fn string_at<'a>(raw: &'a str, path: &[&str]) -> Option<Cow<'a, str>> {
    unescape(at(raw, path)?)
}

/// Unescapes the raw token of a JSON string, lone surrogates becoming U+FFFD; `None` when `raw` is not one.
pub fn unescape(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.starts_with('"') || scan::string(raw.as_bytes(), 0) != Ok(raw.len()) {
        return None;
    }
    unescape_string(raw)
}

/// The same of what is known to be JSON: `None` when it is no string.
pub(super) fn unescape_string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    let Some(first) = memchr::memchr(b'\\', inner.as_bytes()) else {
        return Some(Cow::Borrowed(inner));
    };
    let mut plain = String::with_capacity(inner.len());
    let (before, mut rest) = inner.split_at(first);
    plain.push_str(before);
    while let Some(escape) = rest.strip_prefix('\\') {
        let (character, after) = unescape_one(escape)?;
        plain.push(character);
        let next = memchr::memchr(b'\\', after.as_bytes()).unwrap_or(after.len());
        plain.push_str(&after[..next]);
        rest = &after[next..];
    }
    Some(Cow::Owned(plain))
}

/// The character that `escape` (without its backslash) starts with, and what follows it.
fn unescape_one(escape: &str) -> Option<(char, &str)> {
    let simple = match escape.as_bytes().first()? {
        b'u' => return unescape_unicode(&escape[1..]),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        _ => return None,
    };
    Some((simple, &escape[1..]))
}

/// Two escapes that are a surrogate pair make one character; a surrogate by itself makes U+FFFD.
fn unescape_unicode(digits: &str) -> Option<(char, &str)> {
    let unit = |digits: &str| u32::from_str_radix(digits.get(..4)?, 16).ok();
    let high = unit(digits)?;
    let rest = &digits[4..];
    if let Some(character) = char::from_u32(high) {
        return Some((character, rest));
    }
    let pair = rest.strip_prefix("\\u").and_then(|digits| {
        let low = unit(digits).filter(|low| (0xdc00..0xe000).contains(low))?;
        let code = 0x10000 + (high.checked_sub(0xd800)? << 10) + (low - 0xdc00);
        Some((
            char::from_u32(code).filter(|_| high < 0xdc00)?,
            &digits[4..],
        ))
    });
    Some(pair.unwrap_or((char::REPLACEMENT_CHARACTER, rest)))
}

/// Where one member of an object stands: its key with the quotes, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub key: Range<usize>,
    pub value: Range<usize>,
}

/// The members of the object `raw` by place. Ends after the object's closing brace, or with the fault met on the way.
pub(super) fn spans(raw: &str) -> Spans<'_> {
    Spans {
        text: raw.as_bytes(),
        at: None,
        done: false,
    }
}

pub(super) struct Spans<'a> {
    text: &'a [u8],
    /// The end of the member given last, or of the object when there are no more.
    at: Option<usize>,
    done: bool,
}

impl Spans<'_> {
    /// How far the walk has come; the object's end when it is over.
    pub fn end(&self) -> usize {
        self.at.unwrap_or(0)
    }

    fn advance(&mut self) -> Result<Option<Member>, Fault> {
        let step = match self.at {
            Some(end) => Container::Object.next(self.text, end)?,
            None => {
                let at = scan::space(self.text, 0);
                if self.text.get(at) != Some(&b'{') {
                    return Err(Fault {
                        at,
                        expected: "`{`",
                    });
                }
                Container::Object.first(self.text, at)
            }
        };
        let key_start = match step {
            Step::Item(start) => start,
            Step::End(end) => {
                self.at = Some(end);
                return Ok(None);
            }
        };
        let (key_end, start) = scan::key(self.text, key_start)?;
        let end = scan::value(self.text, start)?;
        self.at = Some(end);
        Ok(Some(Member {
            key: key_start..key_end,
            value: start..end,
        }))
    }
}

impl Iterator for Spans<'_> {
    type Item = Result<Member, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let member = self.advance().transpose();
        self.done = !matches!(member, Some(Ok(_)));
        member
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(raw: &str) -> Vec<(String, &str)> {
        members(raw)
            .map(|(key, value)| (key.into_owned(), value))
            .collect()
    }

    #[test]
    fn members_keep_order_spelling_and_duplicates() {
        let raw = r#" { "b" : 1.0, "\u0061":[1, 2 ],"b":{"c":"}"} , "":null} "#;
        let want = [
            ("b", "1.0"),
            ("a", "[1, 2 ]"),
            ("b", r#"{"c":"}"}"#),
            ("", "null"),
        ];
        assert_eq!(pairs(raw), want.map(|(key, value)| (key.to_owned(), value)));
        assert_eq!(pairs("{}"), []);
    }

    #[test]
    fn what_is_not_an_object_has_no_members() {
        for raw in ["", "[1]", "1", "nonsense", r#""{""#] {
            assert_eq!(pairs(raw), []);
        }
    }

    #[test]
    fn broken_text_gives_what_came_before_the_break() {
        assert_eq!(pairs(r#"{"a":1,"b":}"#), [("a".to_owned(), "1")]);
        assert_eq!(elements("[1,2,").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(elements("[1 2]").collect::<Vec<_>>(), ["1"]);
    }

    #[test]
    fn elements_are_raw_values() {
        assert_eq!(
            elements(r#"[1e400, "a,b",[ ],{"x":[2]}]"#).collect::<Vec<_>>(),
            ["1e400", r#""a,b""#, "[ ]", r#"{"x":[2]}"#]
        );
        assert_eq!(elements(" [ ] ").count(), 0);
        assert_eq!(elements(r#"{"a":1}"#).count(), 0);
    }

    #[test]
    fn the_last_of_two_equal_keys_is_found() {
        let raw = r#"{"a":{"b":1},"a":{"b":2,"b":3}}"#;
        assert_eq!(at(raw, &["a", "b"]), Some("3"));
        assert_eq!(at(raw, &["a", "c"]), None);
        assert_eq!(at(raw, &["a", "b", "c"]), None);
        assert_eq!(at(raw, &[]), Some(raw));
    }

    #[test]
    fn a_string_is_unescaped_and_nothing_else_is() {
        let raw = r#"{"s":"tools\/call \ud83d\ude00","n":1}"#;
        assert_eq!(
            string_at(raw, &["s"]).as_deref(),
            Some("tools/call \u{1f600}")
        );
        assert_eq!(string_at(raw, &["n"]), None);
        for raw in ["", "\"", "\"a", "a\"", "\"a\"b\"", r#""\x""#, " \"a\""] {
            assert_eq!(unescape(raw), None, "{raw}");
        }
    }

    #[test]
    fn lone_surrogates_become_the_replacement_character() {
        for (raw, want) in [
            (r#""\ud800""#, "\u{fffd}"),
            (r#""\udc00x""#, "\u{fffd}x"),
            (r#""\ud800\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud800\u0041""#, "\u{fffd}A"),
            (r#""\ud800\n""#, "\u{fffd}\n"),
            (r#""\udc00\udc00""#, "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(unescape(raw).as_deref(), Some(want), "{raw}");
        }
    }

    #[test]
    fn plain_strings_are_borrowed() {
        assert!(matches!(
            unescape("\"caf\u{e9}\""),
            Some(Cow::Borrowed("caf\u{e9}"))
        ));
    }

    #[test]
    fn depth_does_not_matter() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(at(&deep, &["a"]).map(str::len), Some(200_001));
    }
}
