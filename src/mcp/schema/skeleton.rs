//! Arguments to start typing from.

use super::{MAX_DEPTH, MAX_WORK, Node};
use crate::wire::object;
use std::cell::Cell;
use std::fmt::Write;

/// Pretty-printed JSON to start editing from: required members, and of the others those that have a default or an
/// example. Values are the schema's own where it gives any (default, const, example, first choice), else empty ones.
pub fn skeleton(schema: &str) -> String {
    let mut text = String::new();
    let place = Place::default();
    write_object(Node::root(schema, &Cell::new(MAX_WORK)), place, &mut text);
    text
}

/// Where a value is written.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// How many schemas it lies in.
    depth: usize,
    /// How many objects it lies in.
    indent: usize,
}

impl Place {
    /// One schema further in, on the same line.
    fn within(self) -> Self {
        let depth = self.depth + 1;
        Self { depth, ..self }
    }

    fn line_within(self) -> Self {
        let indent = self.indent + 1;
        Self {
            indent,
            ..self.within()
        }
    }
}

fn write_value(node: Node<'_>, place: Place, text: &mut String) {
    if let Some(value) = given(node) {
        text.push_str(&value.replace(['\n', '\r'], " "));
        return;
    }
    let types = node.types();
    let main = types.iter().find(|name| *name != "null").or(types.first());
    match main.map(String::as_str) {
        Some("string") => text.push_str("\"\""),
        Some("number" | "integer") => text.push_str(node.get("minimum").unwrap_or("0")),
        Some("boolean") => text.push_str("false"),
        Some("null") => text.push_str("null"),
        Some("array") => write_array(node, place, text),
        Some("object") => write_object(node, place, text),
        _ => match node
            .alternatives()
            .into_iter()
            .find(|alternative| !alternative.is_null())
        {
            Some(alternative) if place.depth < MAX_DEPTH => {
                write_value(alternative, place.within(), text);
            }
            _ if !node.properties().is_empty() => write_object(node, place, text),
            _ => text.push_str("null"),
        },
    }
}

/// A value that the schema itself offers.
fn given(node: Node<'_>) -> Option<&str> {
    node.get("default")
        .or_else(|| node.get("const"))
        .or_else(|| {
            node.get("examples")
                .and_then(|list| object::elements(list).next())
        })
        .or_else(|| node.get("example"))
        .or_else(|| {
            node.get("enum")
                .and_then(|list| object::elements(list).next())
        })
}

/// One element where the schema wants at least one, else none.
fn write_array(node: Node<'_>, place: Place, text: &mut String) {
    let wanted = node.get("minItems").is_some_and(|least| least != "0");
    match node.child("items") {
        Some(items) if wanted && place.depth < MAX_DEPTH => {
            text.push('[');
            write_value(items, place.within(), text);
            text.push(']');
        }
        _ => text.push_str("[]"),
    }
}

/// Of several alternatives the first.
fn write_object(node: Node<'_>, place: Place, text: &mut String) {
    let mut properties = node.first_choice();
    properties.retain(|property| property.required || has_sample(property.node));
    if properties.is_empty() || place.depth > MAX_DEPTH {
        text.push_str("{}");
        return;
    }
    let indent = "  ".repeat(place.indent + 1);
    text.push('{');
    for (index, property) in properties.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let name = serde_json::Value::from(property.name.as_str());
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}\n{indent}{name}: ");
        write_value(property.node, place.line_within(), text);
    }
    let _ = write!(text, "\n{}}}", "  ".repeat(place.indent));
}

fn has_sample(node: Node<'_>) -> bool {
    ["default", "examples", "example"]
        .iter()
        .any(|key| node.get(key).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needed_members_come_with_empty_values_of_their_type() {
        let schema = r#"{"type":"object","required":["s","n","b","l","o"],"properties":{
            "s":{"type":"string"},"n":{"type":"integer"},"b":{"type":"boolean"},"l":{"type":"array"},
            "o":{"type":"object"},"skipped":{"type":"string"}}}"#;
        assert_eq!(
            skeleton(schema),
            "{\n  \"s\": \"\",\n  \"n\": 0,\n  \"b\": false,\n  \"l\": [],\n  \"o\": {}\n}"
        );
    }

    #[test]
    fn the_schemas_own_values_come_first() {
        let schema = r#"{"required":["unit","kind"],"properties":{"unit":{"enum":["c","f"]},"kind":{"const":1},
            "limit":{"type":"number","default":10},"q":{"type":"string","examples":["rain"]}}}"#;
        assert_eq!(
            skeleton(schema),
            "{\n  \"unit\": \"c\",\n  \"kind\": 1,\n  \"limit\": 10,\n  \"q\": \"rain\"\n}"
        );
    }

    #[test]
    fn nested_objects_are_indented() {
        let schema = r#"{"required":["p"],"properties":{"p":{"type":"object","required":["x"],"properties":{"x":{"type":"number"}}}}}"#;
        assert_eq!(skeleton(schema), "{\n  \"p\": {\n    \"x\": 0\n  }\n}");
    }

    #[test]
    fn of_alternatives_the_first_is_taken_wherever_they_stand() {
        let circle = r#"{"properties":{"r":{"type":"number"}},"required":["r"]}"#;
        let square = r#"{"properties":{"w":{"type":"number","default":1}},"required":["w"]}"#;
        let either = format!(r#"{{"oneOf":[{circle},{square}]}}"#);
        assert_eq!(skeleton(&either), "{\n  \"r\": 0\n}");
        let within = format!(r#"{{"required":["shape"],"properties":{{"shape":{either}}}}}"#);
        let shape = "{\n  \"shape\": {\n    \"r\": 0\n  }\n}";
        assert_eq!(skeleton(&within), shape);
        let typed = within.replace("oneOf", r#"type":"object","oneOf"#);
        assert_eq!(skeleton(&typed), shape);
    }

    #[test]
    fn what_stands_in_an_array_is_indented_by_the_objects_around_it() {
        let schema = r#"{"required":["l"],"properties":{"l":{"type":"array","minItems":1,
            "items":{"type":"object","required":["x"],"properties":{"x":{"type":"string"}}}}}}"#;
        assert_eq!(skeleton(schema), "{\n  \"l\": [{\n    \"x\": \"\"\n  }]\n}");
    }

    #[test]
    fn a_schema_without_arguments_or_sense_gives_an_empty_object() {
        for schema in ["", "{}", "null", r#"{"type":"object"}"#] {
            assert_eq!(skeleton(schema), "{}");
        }
    }

    #[test]
    fn a_circle_ends_and_the_skeleton_is_json() {
        let schema = r##"{"$defs":{"n":{"type":"object","required":["n"],"properties":{"n":{"$ref":"#/$defs/n"}}}},"$ref":"#/$defs/n"}"##;
        assert!(serde_json::from_str::<serde_json::Value>(&skeleton(schema)).is_ok());
    }
}
