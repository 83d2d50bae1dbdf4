//! Replacing a value inside raw JSON or taking one out, leaving every other byte as it was.
//!
//! Where a key stands twice, the last member is the one that readers use, and so the one that is replaced.

use super::object::{Member, element_spans, spans, unescape};
use super::scan;
use std::ops::Range;

/// Returns `message` with the value at `path` (object keys from the root) replaced by the raw JSON `value`.
/// A missing last key is inserted as the last member of its parent object; missing parents are created as objects.
/// `None` when `message` is not an object, a parent on the path exists and is not an object, or `path` is empty.
pub fn set(message: &str, path: &[&str], value: &str) -> Option<String> {
    let mut object = 0..message.len();
    for (depth, key) in path.iter().enumerate() {
        let found = Walk::of(message, object, key)?;
        let rest = &path[depth + 1..];
        match found.member {
            Some(member) if rest.is_empty() => return Some(replaced(message, member.value, value)),
            Some(member) => object = member.value,
            None => {
                let comma = if found.is_empty { "" } else { "," };
                let member = nested(&path[depth..], value);
                return Some(replaced(
                    message,
                    found.end..found.end,
                    &format!("{comma}{member}"),
                ));
            }
        }
    }
    None
}

/// Returns `message` without the member at `path`, and without its doubles; unchanged when it is not there.
pub fn remove(message: &str, path: &[&str]) -> String {
    let without = || {
        let (last, parents) = path.split_last()?;
        let mut object = 0..message.len();
        for key in parents {
            object = Walk::of(message, object, key)?.member?.value;
        }
        let shortened = without_member(&message[object.clone()], last)?;
        Some(replaced(message, object, &shortened))
    };
    without().unwrap_or_else(|| message.to_owned())
}

/// What to leave out of the JSON array `array`, in order, so that only the elements stay whose place `stays` picks; an
/// element goes with the white space around it and one comma.
pub fn cuts(array: &str, stays: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let text = array.as_bytes();
    let mut start = scan::space(text, 0) + 1;
    let (mut cuts, mut any_stays) = (Vec::new(), false);
    for (place, element) in element_spans(array).enumerate() {
        // Where the comma after it is, or the closing bracket.
        let end = scan::space(text, element.end);
        if stays(place) {
            any_stays = true;
        } else if any_stays {
            cuts.push(start - 1..end);
        } else {
            cuts.push(start..end + usize::from(text.get(end) == Some(&b',')));
        }
        start = end + 1;
    }
    cuts
}

/// `text` without these ranges of it, which are in order.
pub fn without(text: &[u8], cuts: &[Range<usize>]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let mut from = 0;
    for cut in cuts {
        kept.extend_from_slice(&text[from..cut.start]);
        from = cut.end;
    }
    kept.extend_from_slice(&text[from..]);
    kept
}

/// What one object on the path holds, by place in the whole message.
struct Walk {
    /// The last member with the wanted key.
    member: Option<Member>,
    /// Where a new last member goes.
    end: usize,
    is_empty: bool,
}

impl Walk {
    /// `None` when the text at `object` is not an object.
    fn of(message: &str, object: Range<usize>, key: &str) -> Option<Self> {
        let (text, offset) = (&message[object.clone()], object.start);
        let mut walk = Walk {
            member: None,
            end: offset + scan::space(text.as_bytes(), 0) + 1,
            is_empty: true,
        };
        for member in spans(text) {
            let Member { key: at, value } = member.ok()?;
            walk.end = offset + value.end;
            walk.is_empty = false;
            if unescape(&text[at.clone()])? == key {
                walk.member = Some(Member {
                    key: at.start + offset..at.end + offset,
                    value: value.start + offset..value.end + offset,
                });
            }
        }
        Some(walk)
    }
}

/// A member `path[0]` that holds `value` at the rest of the path.
fn nested(path: &[&str], value: &str) -> String {
    let keys: Vec<String> = path
        .iter()
        .map(|key| serde_json::Value::from(*key).to_string())
        .collect();
    format!("{}:{value}{}", keys.join(":{"), "}".repeat(path.len() - 1))
}

fn replaced(text: &str, range: Range<usize>, with: &str) -> String {
    [&text[..range.start], with, &text[range.end..]].concat()
}

/// The object `text` without its members called `key`. What stands between two members goes with the later one.
fn without_member(text: &str, key: &str) -> Option<String> {
    let mut kept = String::with_capacity(text.len());
    let (mut last_end, mut any_kept) = (None, false);
    for member in spans(text) {
        let Member { key: at, value } = member.ok()?;
        if last_end.is_none() {
            kept.push_str(&text[..at.start]);
        }
        if unescape(&text[at.clone()])? != key {
            let from = last_end.filter(|_| any_kept).unwrap_or(at.start);
            kept.push_str(&text[from..value.end]);
            any_kept = true;
        }
        last_end = Some(value.end);
    }
    kept.push_str(&text[last_end.unwrap_or(0)..]);
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_in(message: &str, path: &[&str], value: &str) -> String {
        set(message, path, value).expect("an object")
    }

    #[test]
    fn a_value_is_replaced_and_nothing_else() {
        let message = " {\"a\" : 1.0 ,\t\"id\":  7 , \"b\":[ 1e3 ]}\r\n";
        assert_eq!(
            set_in(message, &["id"], "\"x\""),
            message.replace("7", "\"x\"")
        );
        let message = r#"{"params":{"_meta":{"progressToken" : 1},"n":1.0}}"#;
        assert_eq!(
            set_in(message, &["params", "_meta", "progressToken"], "\"t\""),
            r#"{"params":{"_meta":{"progressToken" : "t"},"n":1.0}}"#
        );
    }

    #[test]
    fn a_missing_member_becomes_the_last_one() {
        assert_eq!(set_in(r#"{"a":1 }"#, &["b"], "2"), r#"{"a":1,"b":2 }"#);
        assert_eq!(set_in("{ }", &["b"], "2"), r#"{"b":2 }"#);
        assert_eq!(
            set_in(r#"{"p":{}}"#, &["p", "_meta", "x\"y"], "2"),
            r#"{"p":{"_meta":{"x\"y":2}}}"#
        );
        assert_eq!(
            set_in("{}", &["p", "q", "r"], "[]"),
            r#"{"p":{"q":{"r":[]}}}"#
        );
    }

    #[test]
    fn what_is_no_object_is_left_alone() {
        for (message, path) in [
            ("[1]", ["a"].as_slice()),
            (r#"{"a":1}"#, &["a", "b"]),
            ("{\"a\":", &["b"]),
            ("{}", &[]),
            ("", &["a"]),
        ] {
            assert_eq!(set(message, path, "1"), None, "{message}");
            assert_eq!(remove(message, path), message);
        }
    }

    #[test]
    fn the_last_of_two_equal_keys_is_replaced() {
        assert_eq!(
            set_in(r#"{"id":1,"\u0069d":2,"x":3}"#, &["id"], "9"),
            r#"{"id":1,"\u0069d":9,"x":3}"#
        );
        assert_eq!(
            set_in(r#"{"p":{"a":1},"p":{"a":2}}"#, &["p", "a"], "9"),
            r#"{"p":{"a":1},"p":{"a":9}}"#
        );
    }

    #[test]
    fn a_member_goes_with_its_comma() {
        let message = r#"{ "a" : 1 , "b" : 2 , "c" : 3 }"#;
        assert_eq!(remove(message, &["a"]), r#"{ "b" : 2 , "c" : 3 }"#);
        assert_eq!(remove(message, &["b"]), r#"{ "a" : 1 , "c" : 3 }"#);
        assert_eq!(remove(message, &["c"]), r#"{ "a" : 1 , "b" : 2 }"#);
        assert_eq!(remove(message, &["d"]), message);
        assert_eq!(remove("{ \"a\" : 1 }", &["a"]), "{  }");
        assert_eq!(
            remove(r#"{"p":{"a":1,"b":2}}"#, &["p", "a"]),
            r#"{"p":{"b":2}}"#
        );
    }

    #[test]
    fn an_element_goes_with_its_white_space_and_one_comma() {
        let picked = |array: &str, stays: &[usize]| {
            let cuts = cuts(array, |place| stays.contains(&place));
            String::from_utf8(without(array.as_bytes(), &cuts)).expect("UTF-8")
        };
        let array = " [ {\"a\":1} ,2\t, [3]\r\n]\r\n";
        assert_eq!(picked(array, &[0]), " [ {\"a\":1} ]\r\n");
        assert_eq!(picked(array, &[1]), " [2\t]\r\n");
        assert_eq!(picked(array, &[2]), " [ [3]\r\n]\r\n");
        assert_eq!(picked(array, &[0, 1]), " [ {\"a\":1} ,2\t]\r\n");
        assert_eq!(picked(array, &[0, 2]), " [ {\"a\":1} , [3]\r\n]\r\n");
        assert_eq!(picked(array, &[1, 2]), " [2\t, [3]\r\n]\r\n");
        assert_eq!(picked(array, &[0, 1, 2]), array);
        assert_eq!(picked(array, &[]), " []\r\n");
        for none in ["[ ]", "{\"a\":1}", "[", ""] {
            assert_eq!(picked(none, &[]), none);
        }
    }

    #[test]
    fn doubles_are_removed_together() {
        assert_eq!(
            remove(r#"{"a":1,"b":2,"a":3,"c":4,"a":5}"#, &["a"]),
            r#"{"b":2,"c":4}"#
        );
        assert_eq!(remove(r#"{"a":1,"a":3}"#, &["a"]), "{}");
    }
}
