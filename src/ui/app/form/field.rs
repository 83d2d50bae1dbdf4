//! A field of a form: what it takes, what is typed or chosen, and the JSON that this makes.

use crate::mcp::schema::Argument;
use crate::ui::app::prompt::Prompt;
use crate::ui::format::plural;
use crate::ui::json::{Document, minify};
use crate::ui::keymap::Action;
use crate::wire::object;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use std::collections::BTreeSet;

#[derive(Debug)]
pub struct Field {
    pub argument: Argument,
    /// What the server calls it for people; else its name.
    pub label: String,
    /// What is asked of its value, in words.
    pub kind: String,
    /// Raw JSON to choose from, and what to call it.
    pub choices: Vec<(String, String)>,
    pub value: Value,
}

#[derive(Debug)]
pub enum Value {
    Text(Prompt),
    /// One of the choices, or none yet.
    Chosen(Option<usize>),
    /// Any of the choices, and the one that the keys are at.
    Several {
        chosen: BTreeSet<usize>,
        at: usize,
    },
}

impl Field {
    /// `property` is the field's own schema.
    pub(super) fn new(argument: Argument, property: &str) -> Self {
        let items = object::at(property, &["items"]).unwrap_or_default();
        let several = choices(items);
        let is_several = !several.is_empty() && argument.type_name.starts_with("array");
        let is_boolean = argument.type_name == "boolean";
        let choices = match (is_several, is_boolean) {
            (true, _) => several,
            (_, true) => vec![("true".into(), "yes".into()), ("false".into(), "no".into())],
            _ => choices(property),
        };
        let kind = match (is_several, choices.is_empty()) {
            (true, _) => how_many(property, choices.len()),
            // The type of alternatives with titles would name them without.
            (false, false) if argument.choices.is_empty() && !is_boolean => {
                format!("one of {}", choices.len())
            }
            _ => format!("{}{}", argument.type_name, length(property)),
        };
        let default = argument.default.as_deref();
        let place = |raw: &str| choices.iter().position(|(choice, _)| choice == raw);
        let value = if is_several {
            let defaults = default.into_iter().flat_map(object::elements);
            Value::Several {
                chosen: defaults.filter_map(place).collect(),
                at: 0,
            }
        } else if choices.is_empty() {
            let mut prompt = Prompt::default();
            prompt.paste(&default.map(label).unwrap_or_default());
            Value::Text(prompt)
        } else {
            Value::Chosen(default.and_then(place))
        };
        let title = object::string_at(property, &["title"]);
        let title = title.filter(|title| !title.trim().is_empty());
        Self {
            label: title.map_or_else(|| argument.name.clone(), |title| title.into_owned()),
            argument,
            kind,
            choices,
            value,
        }
    }

    /// What is typed: text, or how a choice begins.
    pub(super) fn key(&mut self, key: &KeyEvent) {
        let begins = |c: char| {
            let begins = move |(_, name): &(String, String)| {
                name.to_lowercase().starts_with(c.to_ascii_lowercase())
            };
            self.choices.iter().position(begins)
        };
        match (&mut self.value, key.code) {
            (Value::Text(prompt), _) => {
                prompt.key(key);
            }
            (Value::Chosen(chosen), KeyCode::Char(c)) => *chosen = begins(c).or(*chosen),
            (Value::Several { at, .. }, KeyCode::Char(c)) => *at = begins(c).unwrap_or(*at),
            _ => {}
        }
    }

    /// Among choices; there is at least one.
    pub(super) fn choose(&mut self, action: Action) {
        let count = self.choices.len();
        match (&mut self.value, action) {
            (Value::Chosen(chosen), Action::Left) => {
                *chosen = chosen.map_or(Some(count - 1), |at| at.checked_sub(1));
            }
            (Value::Chosen(chosen), Action::Right | Action::Choose) => {
                *chosen = Some(chosen.map_or(0, |at| (at + 1) % count));
            }
            (Value::Chosen(chosen), Action::Clear) => *chosen = None,
            (Value::Several { at, .. }, Action::Left) => *at = (*at + count - 1) % count,
            (Value::Several { at, .. }, Action::Right) => *at = (*at + 1) % count,
            (Value::Several { chosen, at }, Action::Choose) => {
                *chosen = &*chosen ^ &BTreeSet::from([*at]);
            }
            (Value::Several { chosen, .. }, Action::Clear) => chosen.clear(),
            _ => {}
        }
    }

    /// Raw JSON; `None` when it is left out.
    pub(super) fn json(&self) -> Option<String> {
        let prompt = match &self.value {
            Value::Chosen(chosen) => return chosen.map(|at| self.choices[at].0.clone()),
            Value::Several { chosen, .. } => {
                // Left out, a default would come back.
                let wanted = self.argument.required || self.argument.default.is_some();
                let raw: Vec<&str> = chosen.iter().map(|at| &*self.choices[*at].0).collect();
                return (wanted || !raw.is_empty()).then(|| format!("[{}]", raw.join(",")));
            }
            Value::Text(prompt) => prompt,
        };
        let text = prompt.text();
        if text.is_empty() {
            return None;
        }
        let raw = !self.argument.type_name.starts_with("string")
            && Document::new(text.as_bytes().to_vec()).is_json();
        Some(if raw {
            minify(text)
        } else {
            serde_json::Value::from(text).to_string()
        })
    }
}

/// What a schema lists to choose from: raw JSON, and what to call it.
fn choices(schema: &str) -> Vec<(String, String)> {
    let elements = |key: &str| {
        object::at(schema, &[key])
            .into_iter()
            .flat_map(object::elements)
    };
    // The names beside an `enum` are those of specification 2025-06-18; the titles, of 2025-11-25 (client/elicitation).
    let mut names = elements("enumNames").map(label);
    let listed = object::at(schema, &["const"])
        .into_iter()
        .chain(elements("enum"));
    let listed = listed.map(|raw| {
        let name = names.next().unwrap_or_else(|| label(raw));
        (raw.to_owned(), name)
    });
    let titled = ["oneOf", "anyOf"].into_iter().flat_map(elements);
    let titled = titled.filter_map(|choice| {
        let raw = object::at(choice, &["const"])?;
        let title = object::string_at(choice, &["title"]);
        let name = title.map_or_else(|| label(raw), |title| title.into_owned());
        Some((raw.to_owned(), name))
    });
    listed.chain(titled).collect()
}

/// A raw value for reading: a string without its quotes.
fn label(raw: &str) -> String {
    object::unescape(raw).map_or_else(|| raw.to_owned(), |text| text.into_owned())
}

/// `1 to 2`, `at least 1`, `at most 2`.
fn between(schema: &str, least: &str, most: &str) -> Option<String> {
    let least = object::at(schema, &[least]).filter(|least| *least != "0");
    match (least, object::at(schema, &[most])) {
        (Some(least), Some(most)) if least == most => Some(format!("exactly {least}")),
        (Some(least), Some(most)) => Some(format!("{least} to {most}")),
        (Some(least), None) => Some(format!("at least {least}")),
        (None, Some(most)) => Some(format!("at most {most}")),
        (None, None) => None,
    }
}

/// How many of the choices are asked for.
fn how_many(schema: &str, choices: usize) -> String {
    match between(schema, "minItems", "maxItems") {
        Some(number) => format!("{number} of {}", plural(choices as u64, "choice")),
        None => format!("any of {}", plural(choices as u64, "choice")),
    }
}

/// What is asked of a text.
fn length(schema: &str) -> String {
    let characters = between(schema, "minLength", "maxLength");
    let characters = characters.map(|number| match number.ends_with(" 1") {
        true => format!(", {number} character"),
        false => format!(", {number} characters"),
    });
    let pattern = object::string_at(schema, &["pattern"]);
    let pattern = pattern.map(|pattern| format!(", like {pattern}"));
    [characters, pattern].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::schema;

    fn field(property: &str) -> Field {
        let schema = format!(r#"{{"type":"object","properties":{{"x":{property}}}}}"#);
        Field::new(schema::arguments(&schema).remove(0), property)
    }

    #[test]
    fn several_of_a_list_are_chosen_one_by_one() {
        let mut tags = field(
            r#"{"type":"array","minItems":1,"maxItems":2,"items":{"anyOf":[{"const":"x","title":"The X"},{"const":"y","title":"The Y"}]}}"#,
        );
        assert_eq!(tags.kind, "1 to 2 of 2 choices");
        assert_eq!(tags.choices[1].1, "The Y");
        assert_eq!(tags.json(), None);
        tags.choose(Action::Choose);
        tags.choose(Action::Right);
        tags.choose(Action::Choose);
        assert_eq!(tags.json().as_deref(), Some(r#"["x","y"]"#));
        tags.choose(Action::Right);
        tags.choose(Action::Choose);
        assert_eq!(tags.json().as_deref(), Some(r#"["y"]"#));
    }

    #[test]
    fn a_default_of_a_list_can_be_taken_away() {
        let mut tags =
            field(r#"{"type":"array","items":{"type":"string","enum":["a","b"]},"default":["b"]}"#);
        assert_eq!(tags.json().as_deref(), Some(r#"["b"]"#));
        tags.choose(Action::Clear);
        assert_eq!(tags.json().as_deref(), Some("[]"));
    }

    #[test]
    fn names_for_people_are_taken_where_the_server_gives_them() {
        let name = field(r#"{"type":"string","title":"Your name","minLength":2}"#);
        assert_eq!(
            (&*name.label, &*name.kind),
            ("Your name", "string, at least 2 characters")
        );
        let one = field(r#"{"type":"string","minLength":1}"#).kind;
        assert_eq!(one, "string, at least 1 character");
        let colour =
            field(r#"{"type":"string","enum":["red","green"],"enumNames":["Rot","Grün"]}"#);
        let names: Vec<_> = colour.choices.iter().map(|(_, name)| &**name).collect();
        assert_eq!((&*colour.label, names), ("x", vec!["Rot", "Grün"]));
        assert_eq!(
            field(r#"{"oneOf":[{"const":"s","title":"Small"}]}"#).kind,
            "one of 1"
        );
    }
}
