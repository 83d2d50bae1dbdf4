//! Checking an instance against a schema that nobody has vouched for.

use super::references::{self, Targets};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;
use std::collections::HashMap;

/// Larger instances and schemas are not checked.
const MAX_BYTES: usize = 4 << 20;
const TOO_LARGE: &str = "too large to check (over 4 MiB)";
/// More violations than this are no help.
const MAX_VIOLATIONS: usize = 20;
/// How many subschemas an instance may meet at one place, references followed.
const MAX_UNFOLDED: usize = 50_000;
/// How deep a schema may be, references followed. Checking recurses, and a screen's thread has a small stack.
const MAX_DEPTH: usize = 400;
/// Longer values are not repeated in a message.
const MAX_SHOWN: usize = 40;

/// One thing that is wrong with an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer into the instance; empty for the root.
    pub pointer: String,
    pub message: String,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Empty when the instance conforms.
    pub violations: Vec<Violation>,
    /// Why a part of the schema said nothing, when one did not.
    pub unchecked: Option<String>,
}

/// What is wrong with `instance`. JSON Schema 2020-12 unless the schema names another draft,
/// as MCP says (specification 2026-07-28, basic). Formats count, whatever the draft says of them: whoever names one
/// wants it. No reference is fetched: what one that leads away asks for is not checked, the rest is. Patterns run in
/// linear time.
///
/// # Errors
/// In words, when the schema cannot be used or the instance is not JSON.
pub fn validate(schema: &str, instance: &str) -> Result<Verdict, String> {
    if schema.len() > MAX_BYTES || instance.len() > MAX_BYTES {
        return Err(TOO_LARGE.to_owned());
    }
    let instance: Value =
        serde_json::from_str(instance).map_err(|error| format!("not JSON: {error}"))?;
    let (validator, away) = prepared(schema)?;
    let violations = validator.iter_errors(&instance).take(MAX_VIOLATIONS);
    let violations = violations.map(|error| Violation {
        pointer: error.instance_path().to_string(),
        message: message(&error),
    });
    Ok(Verdict {
        violations: violations.collect(),
        unchecked: away.map(|reference| match reference.starts_with('#') {
            true => format!("what {reference} asks for, it leads nowhere"),
            false => format!("what {reference} asks for, it is never fetched"),
        }),
    })
}

/// Why nothing can be checked against a schema; `None` when something can.
pub fn unusable(schema: &str) -> Option<String> {
    prepared(schema).err()
}

/// What checks against a schema, and the first reference that it leaves out.
fn prepared(schema: &str) -> Result<(Validator, Option<String>), String> {
    if schema.len() > MAX_BYTES {
        return Err(TOO_LARGE.to_owned());
    }
    let mut schema: Value =
        serde_json::from_str(schema).map_err(|error| format!("the schema is not JSON: {error}"))?;
    let away = references::take_out_those_that_lead_away(&mut schema);
    let targets = Targets::of(&schema);
    if unfolded(&targets, &schema, 0, &mut HashMap::new()) > MAX_UNFOLDED {
        return Err("the schema unfolds too far to be checked".to_owned());
    }
    let draft = Draft::default().detect(&schema);
    let validator = jsonschema::options()
        .with_draft(draft)
        .with_pattern_options(PatternOptions::regex())
        .should_validate_formats(true)
        .offline()
        .build(&schema)
        .map_err(|error| format!("the schema cannot be used: {}", error.masked()))?;
    Ok((validator, away))
}

/// How many subschemas there are when every reference is replaced by what it refers to, at most once along a path:
/// a few hundred bytes can unfold into more than anybody can check.
fn unfolded<'a>(
    targets: &Targets<'a>,
    node: &'a Value,
    depth: usize,
    known: &mut HashMap<&'a str, usize>,
) -> usize {
    if depth > MAX_DEPTH {
        return usize::MAX;
    }
    let mut sum = 1usize;
    let members: &mut dyn Iterator<Item = (&'a str, &'a Value)> = match node {
        Value::Object(members) => &mut members.iter().map(|(key, value)| (key.as_str(), value)),
        Value::Array(elements) => &mut elements.iter().map(|value| ("", value)),
        _ => return sum,
    };
    for (key, value) in members {
        let part = match (key, value) {
            (key, Value::String(reference)) if references::KEYS.contains(&key) => {
                match known.get(reference.as_str()) {
                    Some(&count) => count,
                    None => {
                        let Some(target) = targets.get(reference) else {
                            return usize::MAX;
                        };
                        // A circle costs nothing more: going round it takes a deeper instance.
                        known.insert(reference, 0);
                        let count = unfolded(targets, target, depth + 1, known);
                        known.insert(reference, count);
                        count
                    }
                }
            }
            _ => unfolded(targets, value, depth + 1, known),
        };
        sum = sum.saturating_add(part);
    }
    sum
}

fn message(error: &jsonschema::ValidationError<'_>) -> String {
    let instance = error.instance().to_string();
    let short = instance.len() <= MAX_SHOWN;
    if let ValidationErrorKind::Format { format } = error.kind()
        && let Some(wanted) = wanted(format)
    {
        let value = if short { &instance } else { "value" };
        return format!("{value} is not {wanted}");
    }
    match short {
        true => error.to_string(),
        false => error.masked().to_string(),
    }
}

/// The formats that a server may ask a user for (specification 2025-11-25, client/elicitation), and their like, in words.
fn wanted(format: &str) -> Option<&'static str> {
    Some(match format {
        "email" => "an email address, such as ann@example.org",
        "uri" => "a whole URI, such as https://example.org/",
        "date" => "a date, such as 2026-11-22",
        "date-time" => "a date and time with its zone, such as 2026-11-22T09:30:00Z",
        "time" => "a time with its zone, such as 09:30:00Z",
        "duration" => "a duration, such as PT30M",
        "uuid" => "a UUID, such as 6ba7b810-9dad-41d1-80b4-00c04fd430c8",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = r#"{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}},"required":["a","b"]}"#;

    fn violations(schema: &str, instance: &str) -> Vec<Violation> {
        validate(schema, instance).unwrap().violations
    }

    #[test]
    fn what_conforms_has_no_violations() {
        assert_eq!(validate(SUM, r#"{"a":1,"b":2}"#), Ok(Verdict::default()));
    }

    #[test]
    fn a_violation_names_its_place() {
        let found = violations(SUM, r#"{"a":1,"b":"x"}"#);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].pointer, "/b");
        assert!(
            found[0].message.contains("\"x\" is not of type"),
            "{}",
            found[0].message
        );
    }

    #[test]
    fn formats_count_and_are_said_in_words() {
        for (format, good, bad) in [
            ("email", "ann@example.org", "ann"),
            ("uri", "https://example.org/", "example"),
            ("date", "2026-11-22", "22.11.2026"),
            ("date-time", "2026-11-22T09:30:00Z", "2026-11-22 09:30"),
            ("time", "09:30:00Z", "half past nine"),
            ("duration", "PT30M", "30 min"),
            ("uuid", "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "6ba7"),
        ] {
            let schema = format!(r#"{{"type":"string","format":"{format}"}}"#);
            let check = |text: &str| violations(&schema, &format!("{text:?}"));
            assert_eq!(check(good), []);
            let found = &check(bad)[0].message;
            assert!(found.starts_with(&format!("{bad:?} is not a")), "{found}");
            let long = &check(&"x".repeat(500))[0].message;
            assert!(long.starts_with("value is not a"), "{long}");
        }
        let unknown = r#"{"type":"integer","format":"uint32"}"#;
        assert_eq!(violations(unknown, "7"), []);
    }

    #[test]
    fn a_missing_member_is_named() {
        let found = violations(SUM, r#"{"a":1}"#);
        assert!(found[0].message.contains("\"b\""), "{}", found[0].message);
    }

    #[test]
    fn long_values_are_not_repeated() {
        let long = format!(r#"{{"a":1,"b":"{}"}}"#, "x".repeat(500));
        let found = violations(SUM, &long);
        assert!(found[0].message.len() < 200);
    }

    #[test]
    fn remote_references_are_not_fetched_and_the_rest_is_checked() {
        for reference in [
            "http://127.0.0.1:9/s.json",
            "file:///etc/passwd",
            "#/no",
            "#no",
        ] {
            let schema = format!(
                r#"{{"properties":{{"a":{{"$ref":"{reference}"}},"b":{{"type":"number"}}}}}}"#
            );
            let found = validate(&schema, r#"{"a":1,"b":"x"}"#).unwrap();
            assert_eq!(found.violations[0].pointer, "/b");
            assert!(found.unchecked.unwrap().contains(reference));
        }
    }

    #[test]
    fn anchors_are_followed() {
        for reference in [r##""$ref":"#n""##, r##""$dynamicRef":"#n""##] {
            let schema = format!(
                r#"{{"$defs":{{"n":{{"$anchor":"n","$dynamicAnchor":"n","type":"number"}}}},
                    "properties":{{"a":{{{reference}}}}}}}"#
            );
            let found = validate(&schema, r#"{"a":"x"}"#).unwrap();
            assert_eq!(
                (found.violations.len(), found.unchecked),
                (1, None),
                "{reference}"
            );
        }
    }

    #[test]
    fn bad_schemas_and_instances_are_said_in_words() {
        assert!(
            validate("{", "{}")
                .unwrap_err()
                .starts_with("the schema is not JSON")
        );
        assert!(validate(SUM, "{").unwrap_err().starts_with("not JSON"));
        assert!(validate(r#"{"type":"nonsense"}"#, "{}").is_err());
        assert!(validate(r#"{"pattern":"("}"#, "\"\"").is_err());
        assert_eq!(unusable(SUM), None);
        let why = unusable(r#"{"pattern":"("}"#).unwrap();
        assert!(why.starts_with("the schema cannot be used: "), "{why}");
    }

    #[test]
    fn a_schema_that_doubles_at_every_level_is_not_checked() {
        let mut definitions: Vec<_> = (0..40)
            .map(|level| {
                let next = format!(r##"{{"$ref":"#/$defs/d{}"}}"##, level + 1);
                format!(r#""d{level}":{{"allOf":[{next},{next}]}}"#)
            })
            .collect();
        definitions.push(r#""d40":{"type":"object"}"#.to_owned());
        let schema = format!(
            r##"{{"$defs":{{{}}},"$ref":"#/$defs/d0"}}"##,
            definitions.join(",")
        );
        assert!(validate(&schema, "7").unwrap_err().contains("too far"));
    }

    #[test]
    fn a_long_chain_of_deep_references_does_not_exhaust_the_stack() {
        let nest = |inner: &str| format!("{}{inner}{}", r#"{"not":"#.repeat(100), "}".repeat(100));
        // The screen's thread has no more.
        let on_a_small_stack = |links: usize| {
            let mut definitions: Vec<_> = (0..links)
                .map(|link| {
                    let next = format!(r##"{{"$ref":"#/$defs/d{}"}}"##, link + 1);
                    format!(r#""d{link}":{}"#, nest(&next))
                })
                .collect();
            definitions.push(format!(r#""d{links}":{{}}"#));
            let schema = format!(
                r##"{{"$defs":{{{}}},"$ref":"#/$defs/d0"}}"##,
                definitions.join(",")
            );
            let check = move || validate(&schema, "7");
            let thread = std::thread::Builder::new().stack_size(2 << 20);
            thread.spawn(check).unwrap().join().unwrap()
        };
        assert_eq!(on_a_small_stack(3), Ok(Verdict::default()));
        assert!(on_a_small_stack(400).is_err());
    }

    #[test]
    fn a_schema_for_a_tree_is_checked() {
        let schema = r##"{"type":"object","properties":{"v":{"type":"number"},
            "children":{"type":"array","items":{"$ref":"#"}}}}"##;
        let tree = r#"{"v":1,"children":[{"v":"x","children":[]}]}"#;
        assert_eq!(violations(schema, tree)[0].pointer, "/children/0/v");
    }

    #[test]
    fn a_catastrophic_pattern_ends() {
        let schema = r#"{"type":"string","pattern":"^(a+)+$"}"#;
        let instance = format!("\"{}b\"", "a".repeat(5000));
        assert_eq!(violations(schema, &instance).len(), 1);
    }
}
