//! What is wrong with the text on a sheet, and on which line.

use super::subject::Rule;
use crate::mcp::schema;
use crate::ui::json::Document;
use crate::wire::object;
use serde_json::value::RawValue;

/// A longer text is not checked while it is typed.
const TYPED: usize = 64 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON Pointer into the text; empty for the whole.
    pub pointer: String,
    /// From 0.
    pub line: Option<usize>,
    pub message: String,
}

/// The state of the text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    pub problems: Vec<Problem>,
    /// Why the schema says nothing, when it does not.
    pub unchecked: Option<String>,
}

impl Check {
    pub fn on_line(&self, line: usize) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.line == Some(line))
    }
}

/// Checks a text as far as that is quick.
pub fn check(rule: Option<&Rule>, text: &str) -> Check {
    if text.len() > TYPED {
        return Check {
            unchecked: Some("too long to be checked while typing".to_owned()),
            ..Check::default()
        };
    }
    if let Err(error) = serde_json::from_str::<&RawValue>(text) {
        return only(Problem {
            pointer: String::new(),
            line: error.line().checked_sub(1),
            message: error.to_string(),
        });
    }
    if !text.trim_start().starts_with('{') {
        return only(Problem {
            pointer: String::new(),
            line: Some(0),
            message: "must be a JSON object".to_owned(),
        });
    }
    let Some(rule) = rule else {
        return Check::default();
    };
    let (instance, prefix) = match object::at(text, rule.path) {
        _ if rule.path.is_empty() => (text, String::new()),
        None => ("{}", String::new()),
        Some(instance) => {
            let prefix = rule
                .path
                .iter()
                .fold(String::new(), |path, step| path + "/" + step);
            (instance, prefix)
        }
    };
    match schema::validate(&rule.schema, instance) {
        Err(why) => Check {
            unchecked: Some(why),
            ..Check::default()
        },
        Ok(verdict) => {
            let document = Document::new(text.as_bytes().to_vec());
            let problems = verdict.violations.into_iter().map(|violation| {
                let pointer = format!("{prefix}{}", violation.pointer);
                Problem {
                    line: document.line_of(&pointer),
                    pointer,
                    message: violation.message,
                }
            });
            Check {
                problems: problems.collect(),
                unchecked: verdict.unchecked,
            }
        }
    }
}

fn only(problem: Problem) -> Check {
    Check {
        problems: vec![problem],
        unchecked: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &'static [&'static str]) -> Rule {
        let schema = r#"{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"object"}},"required":["a"]}"#;
        Rule {
            schema: schema.to_owned(),
            path,
        }
    }

    #[test]
    fn a_violation_is_found_on_its_line() {
        let text = "{\n  \"b\": {},\n  \"a\":\n    \"x\"\n}";
        let found = check(Some(&rule(&[])), text);
        assert_eq!(found.problems.len(), 1);
        assert_eq!(
            (found.problems[0].pointer.as_str(), found.problems[0].line),
            ("/a", Some(3))
        );
        assert!(found.on_line(3) && !found.problems.is_empty());
        assert!(check(Some(&rule(&[])), "{\"a\":1}").problems.is_empty());
    }

    #[test]
    fn arguments_inside_a_whole_message_are_checked_where_they_are() {
        let text = "{\"params\":{\n\"arguments\":{\n\"a\":null}}}";
        let found = check(Some(&rule(&["params", "arguments"])), text);
        assert_eq!(found.problems[0].pointer, "/params/arguments/a");
        assert_eq!(found.problems[0].line, Some(2));
    }

    #[test]
    fn text_that_is_not_json_says_where() {
        let found = check(None, "{\n  \"a\": \n}");
        assert_eq!(found.problems[0].line, Some(2));
        assert_eq!(
            check(None, "[1]").problems[0].message,
            "must be a JSON object"
        );
    }

    #[test]
    fn a_schema_that_cannot_be_used_does_not_stand_in_the_way() {
        let broken = Rule {
            schema: "{\"type\":7}".to_owned(),
            path: &[],
        };
        let found = check(Some(&broken), "{}");
        assert!(found.problems.is_empty() && found.unchecked.is_some());
    }
}
