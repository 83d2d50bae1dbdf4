//! Replacing a value inside raw JSON, leaving every other byte as it was.

use super::object;
use std::ops::Range;

/// Returns `message` with the value at `path` (object keys from the root) replaced by the raw JSON `value`; where a
/// key stands twice, the last member, which is the one that readers take.
/// A missing last key is inserted as the last member of its parent object; missing parents are created as objects.
/// `None` when `message` is not an object, or a parent on the path exists and is not an object.
pub fn set(message: &str, path: &[&str], value: &str) -> Option<String> {
    let mut parent = is_object(message).then_some(message)?;
    let (last, parents) = path.split_last()?;
    for (depth, key) in parents.iter().enumerate() {
        match object::at(parent, &[key]) {
            Some(inner) if is_object(inner) => parent = inner,
            Some(_) => return None,
            None => {
                let nested = path[depth + 1..]
                    .iter()
                    .rev()
                    .fold(value.to_owned(), |inner, key| {
                        format!("{{{}:{inner}}}", quoted(key))
                    });
                return Some(inserted(message, parent, key, &nested));
            }
        }
    }
    Some(match object::at(parent, &[last]) {
        Some(old) => replaced(message, span(message, old), value),
        None => inserted(message, parent, last, value),
    })
}

/// Returns `message` without the member at `path`, however often its key stands there; unchanged when it does not.
pub fn remove(message: &str, path: &[&str]) -> String {
    let mut message = message.to_owned();
    while let Some(range) = member(&message, path) {
        message = replaced(&message, range, "");
    }
    message
}

/// What to cut out so that one member at `path` is gone and its neighbours are still separated by one comma.
fn member(message: &str, path: &[&str]) -> Option<Range<usize>> {
    let (last, parents) = path.split_last()?;
    let parent = object::at(message, parents)?;
    let open = span(message, parent).start + parent.find('{')? + 1;
    let mut previous = None;
    for (key, value) in object::members(parent) {
        let value = span(message, value);
        if key == *last {
            let start = previous.unwrap_or(open);
            let rest = &message[value.end..];
            let comma = rest
                .trim_start()
                .starts_with(',')
                .then(|| rest.find(','))
                .flatten();
            return Some(match (previous, comma) {
                (None, Some(comma)) => start..value.end + comma + 1,
                _ => start..value.end,
            });
        }
        previous = Some(value.end);
    }
    None
}

fn is_object(raw: &str) -> bool {
    raw.trim_start().starts_with('{')
}

/// Where `part`, a slice of `whole`, lies in it.
fn span(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

fn quoted(key: &str) -> String {
    serde_json::Value::from(key).to_string()
}

fn replaced(message: &str, range: Range<usize>, value: &str) -> String {
    [&message[..range.start], value, &message[range.end..]].concat()
}

/// `message` with one more member at the end of `parent`, an object that is a slice of it.
fn inserted(message: &str, parent: &str, key: &str, value: &str) -> String {
    let member = format!("{}:{value}", quoted(key));
    let (at, member) = match object::members(parent).last() {
        Some((_, last)) => (span(message, last).end, format!(",{member}")),
        None => (
            span(message, parent).start + parent.find('{').unwrap_or(0) + 1,
            member,
        ),
    };
    replaced(message, at..at, &member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_value_leaves_every_other_byte_alone() {
        let message = "{ \"id\" : 1.0 ,\"params\":{\"b\":1e3,  \"a\":[ 1 ]},\"x\":\"\\u00e9\" }\r";
        assert_eq!(
            set(message, &["id"], "\"n\"").unwrap(),
            message.replace("1.0", "\"n\"")
        );
        assert_eq!(
            set(message, &["params", "a"], "{}").unwrap(),
            message.replace("[ 1 ]", "{}")
        );
    }

    #[test]
    fn a_missing_member_is_inserted_last() {
        assert_eq!(
            set(r#"{"a":1 }"#, &["b"], "2").unwrap(),
            r#"{"a":1,"b":2 }"#
        );
        assert_eq!(set("{ }", &["b"], "2").unwrap(), r#"{"b":2 }"#);
        assert_eq!(
            set(
                r#"{"params":{}}"#,
                &["params", "_meta", "progressToken"],
                "7"
            )
            .unwrap(),
            r#"{"params":{"_meta":{"progressToken":7}}}"#
        );
    }

    #[test]
    fn what_is_in_the_way_is_not_overwritten() {
        assert_eq!(set("[1]", &["a"], "1"), None);
        assert_eq!(set(r#"{"params":[1]}"#, &["params", "a"], "1"), None);
    }

    #[test]
    fn of_two_members_with_one_key_the_last_is_replaced() {
        assert_eq!(
            set(r#"{"a":1,"a":2}"#, &["a"], "3").unwrap(),
            r#"{"a":1,"a":3}"#
        );
    }

    #[test]
    fn escaped_keys_are_found() {
        assert_eq!(
            set(r#"{"\u0069d":1}"#, &["id"], "2").unwrap(),
            r#"{"\u0069d":2}"#
        );
    }

    #[test]
    fn a_removed_member_takes_its_comma_along() {
        for (message, without) in [
            (r#"{"a":1}"#, "{}"),
            (r#"{"a":1,"b":2}"#, r#"{"b":2}"#),
            (r#"{"b":2,"a":1}"#, r#"{"b":2}"#),
            (r#"{"b":2, "a":1 , "c":3}"#, r#"{"b":2 , "c":3}"#),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"b":2}"#),
            (r#"{"b":2}"#, r#"{"b":2}"#),
            ("7", "7"),
        ] {
            assert_eq!(remove(message, &["a"]), without, "{message}");
        }
        assert_eq!(
            remove(r#"{"p":{"m":{"t":1},"n":2}}"#, &["p", "m"]),
            r#"{"p":{"n":2}}"#
        );
    }
}
