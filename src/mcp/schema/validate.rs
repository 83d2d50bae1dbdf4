//! Checking an instance against a schema that nobody has vouched for.

use jsonschema::{Draft, PatternOptions};
use serde_json::Value;

/// Larger instances and schemas are not checked.
const MAX_BYTES: usize = 4 << 20;
/// More violations than this are no help.
const MAX_VIOLATIONS: usize = 20;
/// Longer values are not repeated in a message.
const MAX_SHOWN: usize = 40;

/// One thing that is wrong with an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer into the instance; empty for the root.
    pub pointer: String,
    pub message: String,
}

/// What is wrong with `instance`; empty when it conforms. JSON Schema 2020-12 unless the schema names another draft,
/// as MCP says (specification 2026-07-28, basic). No reference is fetched, and patterns run in linear time.
///
/// # Errors
/// In words, when the schema cannot be used or the instance is not JSON.
pub fn validate(schema: &str, instance: &str) -> Result<Vec<Violation>, String> {
    if schema.len() > MAX_BYTES || instance.len() > MAX_BYTES {
        return Err(format!("too large to check (over {} MiB)", MAX_BYTES >> 20));
    }
    let schema: Value =
        serde_json::from_str(schema).map_err(|error| format!("the schema is not JSON: {error}"))?;
    let instance: Value =
        serde_json::from_str(instance).map_err(|error| format!("not JSON: {error}"))?;
    let draft = Draft::default().detect(&schema);
    let validator = jsonschema::options()
        .with_draft(draft)
        .with_pattern_options(PatternOptions::regex())
        .offline()
        .build(&schema)
        .map_err(|error| format!("the schema cannot be used: {}", error.masked()))?;
    Ok(validator
        .iter_errors(&instance)
        .take(MAX_VIOLATIONS)
        .map(|error| Violation {
            pointer: error.instance_path().to_string(),
            message: message(&error),
        })
        .collect())
}

fn message(error: &jsonschema::ValidationError<'_>) -> String {
    let full = error.to_string();
    if error.instance().to_string().len() <= MAX_SHOWN {
        full
    } else {
        error.masked().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = r#"{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}},"required":["a","b"]}"#;

    #[test]
    fn what_conforms_has_no_violations() {
        assert_eq!(validate(SUM, r#"{"a":1,"b":2}"#), Ok(vec![]));
    }

    #[test]
    fn a_violation_names_its_place() {
        let found = validate(SUM, r#"{"a":1,"b":"x"}"#).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].pointer, "/b");
        assert!(
            found[0].message.contains("\"x\" is not of type"),
            "{}",
            found[0].message
        );
    }

    #[test]
    fn a_missing_member_is_named() {
        let found = validate(SUM, r#"{"a":1}"#).unwrap();
        assert!(found[0].message.contains("\"b\""), "{}", found[0].message);
    }

    #[test]
    fn long_values_are_not_repeated() {
        let long = format!(r#"{{"a":1,"b":"{}"}}"#, "x".repeat(500));
        let found = validate(SUM, &long).unwrap();
        assert!(found[0].message.len() < 200);
    }

    #[test]
    fn remote_references_are_refused_and_not_fetched() {
        for reference in ["http://127.0.0.1:9/s.json", "file:///etc/passwd"] {
            let schema = format!(r#"{{"$ref":"{reference}"}}"#);
            assert!(
                validate(&schema, "{}")
                    .unwrap_err()
                    .starts_with("the schema cannot be used")
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
    }

    #[test]
    fn a_catastrophic_pattern_ends() {
        let schema = r#"{"type":"string","pattern":"^(a+)+$"}"#;
        let instance = format!("\"{}b\"", "a".repeat(5000));
        assert_eq!(validate(schema, &instance).unwrap().len(), 1);
    }
}
