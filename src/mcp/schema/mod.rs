//! Reading a JSON Schema for people: an arguments table, a skeleton to start typing from, and validation.
//!
//! Schemas come from the server and are hostile: nothing is fetched, depth and size are bounded. They are read from
//! their raw text, so that properties keep the order in which the server wrote them.

mod references;
mod skeleton;
mod validate;

pub use skeleton::skeleton;
pub use validate::{Verdict, Violation, unusable, validate};

use crate::wire::object;
use std::cell::Cell;
use std::collections::HashSet;

/// How many `$ref` hops are followed before a schema counts as circular.
const MAX_REFS: usize = 16;
/// How deep nested objects are shown.
const MAX_DEPTH: usize = 5;
/// How many rows a table may have.
const MAX_ARGUMENTS: usize = 200;
/// How many bytes are read over, one time or many, before the rest of a schema counts as empty. A schema of 60
/// references to itself unfolds into more than a screen could wait for.
const MAX_WORK: usize = 16 << 20;
/// How many types are looked at to name one.
const MAX_TYPES: usize = 64;
/// How many alternatives are named before `…` stands for the rest.
const MAX_ALTERNATIVES: usize = 4;

/// One row of an arguments table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Dotted path for nested objects; `items[].sku` inside arrays.
    pub name: String,
    /// In words: `number`, `string (3 choices)`, `array of string`, `string or null`.
    pub type_name: String,
    pub required: bool,
    /// Raw JSON.
    pub default: Option<String>,
    /// Raw JSON of the permitted values, when they are listed.
    pub choices: Vec<String>,
    pub description: String,
    /// What else its value has to be, in words: lengths, a pattern.
    pub limits: Vec<String>,
}

impl Argument {
    /// The row that stands for those that are left out.
    fn left_out(name: String, type_name: &str) -> Self {
        Self {
            name,
            type_name: type_name.to_owned(),
            required: false,
            default: None,
            choices: Vec::new(),
            description: "see the schema".to_owned(),
            limits: Vec::new(),
        }
    }
}

/// The arguments of an object schema, in the order in which the schema names them. Where there are too many, or some
/// lie too deep, a row `…` says so.
pub fn arguments(schema: &str) -> Vec<Argument> {
    let mut rows = Vec::new();
    let left = Cell::new(MAX_WORK);
    collect(Node::root(schema, &left), "", &[], &mut rows);
    if rows.len() > MAX_ARGUMENTS || left.get() == 0 {
        rows.truncate(MAX_ARGUMENTS);
        rows.push(Argument::left_out("…".to_owned(), "more"));
    }
    rows
}

/// Sets of arguments one of which is needed, in words, where the schema leaves that choice.
pub fn needed_sets(schema: &str) -> Vec<String> {
    let left = Cell::new(MAX_WORK);
    let alternatives = Node::root(schema, &left).alternatives();
    let sets = alternatives.into_iter().take(MAX_TYPES).map(|alternative| {
        let names = alternative.get("required").into_iter();
        let names = names.flat_map(object::elements).take(MAX_TYPES);
        let names: Vec<_> = names.filter_map(object::unescape).collect();
        names.join(" and ")
    });
    let sets: Vec<String> = sets.filter(|set| !set.is_empty()).collect();
    if sets.len() > 1 { sets } else { Vec::new() }
}

/// `above` is what the node is nested in: what comes again inside itself is named and not unfolded.
fn collect<'a>(node: Node<'a>, prefix: &str, above: &[&'a str], rows: &mut Vec<Argument>) {
    let above = [above, &[node.raw]].concat();
    for property in node.properties().into_iter().chain(node.others()) {
        // One more says that there are too many.
        if rows.len() > MAX_ARGUMENTS {
            return;
        }
        let name = format!("{prefix}{}", property.name);
        let (mut type_name, choices) = property.says();
        let Property { node, stated, .. } = property;
        let items = node.innermost();
        let recursive =
            node.is_among(&above) || items.as_ref().is_some_and(|(it, _)| it.is_among(&above));
        if recursive {
            type_name.push_str(", recursive");
        }
        rows.push(Argument {
            type_name,
            required: property.required,
            default: stated
                .get("default")
                .or(node.get("default"))
                .map(str::to_owned),
            choices,
            // What stands beside a reference was written for this place.
            description: stated
                .text("description")
                .or_else(|| node.text("description"))
                .unwrap_or_default(),
            limits: node.limits(),
            name: name.clone(),
        });
        let within = |node: Node<'_>| !node.properties().is_empty() || !node.others().is_empty();
        match above.len() <= MAX_DEPTH {
            _ if recursive => {}
            true => {
                collect(node, &format!("{name}."), &above, rows);
                if let Some((items, brackets)) = items {
                    collect(items, &format!("{name}{brackets}."), &above, rows);
                }
            }
            false if within(node) || items.is_some_and(|(it, _)| within(it)) => {
                rows.push(Argument::left_out(format!("{name}.…"), "deeper"));
            }
            false => {}
        }
    }
}

/// A subschema, with the document that its local references point into.
#[derive(Debug, Clone, Copy)]
struct Node<'a> {
    document: &'a str,
    raw: &'a str,
    /// What is left of [`MAX_WORK`].
    left: &'a Cell<usize>,
}

/// A property of an object schema.
struct Property<'a> {
    name: String,
    node: Node<'a>,
    /// As it stands there, its reference not followed.
    stated: Node<'a>,
    required: bool,
    /// What other alternatives say of it, where one of several says the first.
    also: Option<Vec<Node<'a>>>,
}

impl<'a> Property<'a> {
    fn new(name: String, node: Node<'a>, raw: &'a str, required: bool) -> Self {
        Self {
            name,
            node: node.at(raw),
            stated: Node { raw, ..node },
            required,
            also: None,
        }
    }

    /// Its type in words, and the values that are listed for it: what any alternative permits.
    fn says(&self) -> (String, Vec<String>) {
        let nodes = || [&self.node].into_iter().chain(self.also.iter().flatten());
        let only = || (self.node.type_name(0), self.node.choices());
        if nodes().count() == 1 {
            return only();
        }
        let listed: Vec<_> = nodes().map(|node| node.choices()).collect();
        if listed.iter().any(Vec::is_empty) {
            let names = nodes().map(|node| node.type_name(0));
            return (either(names.collect()), Vec::new());
        }
        let choices = unique(listed.concat());
        match choices.len() {
            1 => only(),
            many => {
                let kinds = choices.iter().map(|raw| kind_of(raw).to_owned());
                let kinds = either(kinds.collect());
                (format!("{kinds} ({many} choices)"), choices)
            }
        }
    }
}

/// Names of types as one, each once, and not too many.
fn either(names: Vec<String>) -> String {
    let mut names = unique(names);
    if names.len() > MAX_ALTERNATIVES {
        names.truncate(MAX_ALTERNATIVES);
        names.push("…".to_owned());
    }
    names.join(" or ")
}

/// Each once. There may be as many as a schema has room for.
fn unique(mut texts: Vec<String>) -> Vec<String> {
    let mut known = HashSet::new();
    texts.retain(|text| known.insert(text.clone()));
    texts
}

impl<'a> Node<'a> {
    fn root(document: &'a str, left: &'a Cell<usize>) -> Self {
        Self {
            document,
            raw: document,
            left,
        }
        .resolved()
    }

    /// Whether there is work left for this many bytes more.
    fn spend(self, bytes: usize) -> bool {
        let left = self.left.get().checked_sub(bytes + 1);
        self.left.set(left.unwrap_or(0));
        left.is_some()
    }

    fn at(self, raw: &'a str) -> Self {
        Self { raw, ..self }.resolved()
    }

    /// Follows local references; one that leads nowhere, away or in a circle leaves the node as it is.
    fn resolved(self) -> Self {
        let mut node = self;
        for _ in 0..MAX_REFS {
            let Some(reference) = node.text("$ref") else {
                return node;
            };
            if !node.spend(node.document.len()) {
                return node;
            }
            let Some(raw) = local(node.document, &reference) else {
                return node;
            };
            node.raw = raw;
        }
        self
    }

    fn get(self, key: &str) -> Option<&'a str> {
        self.spend(self.raw.len())
            .then(|| object::at(self.raw, &[key]))?
    }

    fn child(self, key: &str) -> Option<Self> {
        self.get(key).map(|raw| self.at(raw))
    }

    fn text(self, key: &str) -> Option<String> {
        let text = object::unescape(self.get(key)?)?;
        Some(text.into_owned())
    }

    fn list(self, key: &str) -> impl Iterator<Item = Self> {
        self.get(key)
            .into_iter()
            .flat_map(object::elements)
            .map(move |raw| self.at(raw))
    }

    fn choices(self) -> Vec<String> {
        match self.get("const") {
            Some(only) => vec![only.to_owned()],
            None => self.get("enum").map_or_else(Vec::new, |list| {
                object::elements(list).map(str::to_owned).collect()
            }),
        }
    }

    /// What `type` says: none, one or several names.
    fn types(self) -> Vec<String> {
        let Some(raw) = self.get("type") else {
            return Vec::new();
        };
        match object::unescape(raw) {
            Some(one) => vec![one.into_owned()],
            None => object::elements(raw)
                .take(MAX_TYPES)
                .filter_map(object::unescape)
                .map(|name| name.into_owned())
                .collect(),
        }
    }

    fn is_null(self) -> bool {
        self.types() == ["null"]
    }

    /// The alternatives of `anyOf` or `oneOf`.
    fn alternatives(self) -> Vec<Self> {
        ["anyOf", "oneOf"]
            .into_iter()
            .flat_map(|key| self.list(key))
            .collect()
    }

    /// The properties of this object schema, those of `allOf` included. Of several alternatives all are shown, and
    /// none of theirs is needed, unless there is only one that is not null.
    fn properties(self) -> Vec<Property<'a>> {
        let mut found = Vec::new();
        self.gather(false, true, 0, &mut found);
        found
    }

    /// Those that it has when the first alternative is taken.
    fn first_choice(self) -> Vec<Property<'a>> {
        let mut found = Vec::new();
        self.gather(true, true, 0, &mut found);
        found
    }

    fn gather(self, first: bool, counts: bool, depth: usize, found: &mut Vec<Property<'a>>) {
        if depth > MAX_DEPTH {
            return;
        }
        let required: Vec<_> = self
            .get("required")
            .into_iter()
            .flat_map(object::elements)
            .filter_map(object::unescape)
            .collect();
        for (name, raw) in self.get("properties").into_iter().flat_map(object::members) {
            if !self.spend(found.len() + required.len()) {
                return;
            }
            let required = counts && required.contains(&name);
            match found.iter_mut().find(|known| known.name == name) {
                Some(known) => {
                    known.required |= required;
                    if let Some(also) = known.also.as_mut().filter(|it| it.len() < MAX_TYPES) {
                        also.push(self.at(raw));
                    }
                }
                None => {
                    let also = (!counts).then(Vec::new);
                    let property = Property::new(name.into_owned(), self, raw, required);
                    found.push(Property { also, ..property });
                }
            }
        }
        for part in self.list("allOf") {
            part.gather(first, counts, depth + 1, found);
        }
        let mut alternatives = self.alternatives();
        alternatives.retain(|alternative| !alternative.is_null());
        if first {
            alternatives.truncate(1);
        }
        let only = alternatives.len() == 1;
        for alternative in alternatives {
            alternative.gather(first, counts && only, depth + 1, found);
        }
    }

    /// What the properties that have no name of their own have to be: those that match a pattern, as a property
    /// `/pattern/`, and the rest, as a property `*`.
    fn others(self) -> Vec<Property<'a>> {
        let matching = self.get("patternProperties").into_iter();
        let matching = matching.flat_map(object::members);
        let rest = self.get("additionalProperties");
        let rest = rest.filter(|raw| raw.starts_with('{'));
        matching
            .take(MAX_ARGUMENTS)
            .map(|(pattern, raw)| Property::new(format!("/{pattern}/"), self, raw, false))
            .chain(rest.map(|raw| Property::new("*".to_owned(), self, raw, false)))
            .collect()
    }

    /// The items of this array, of the arrays in it and so on, with a pair of brackets for each.
    fn innermost(self) -> Option<(Self, String)> {
        let mut items = self.child("items")?;
        let mut brackets = "[]".to_owned();
        for _ in 0..MAX_DEPTH {
            let Some(inner) = items.child("items") else {
                break;
            };
            items = inner;
            brackets.push_str("[]");
        }
        Some((items, brackets))
    }

    /// Whether it is one of these schemas, or leaves the choice of one.
    fn is_among(self, schemas: &[&str]) -> bool {
        let known = |node: Self| schemas.iter().any(|raw| std::ptr::eq(*raw, node.raw));
        known(self)
            || self
                .alternatives()
                .into_iter()
                .chain(self.list("allOf"))
                .any(known)
    }

    /// What the type does not say.
    fn limits(self) -> Vec<String> {
        let range = |least: &str, most: &str, noun: &str| {
            let counted = |number: &str| match number {
                "1" => format!("1 {noun}"),
                many => format!("{many} {noun}s"),
            };
            Some(match (self.get(least), self.get(most)) {
                (Some(least), Some(most)) => format!("{least}..{}", counted(most)),
                (Some(least), None) => format!("at least {}", counted(least)),
                (None, Some(most)) => format!("at most {}", counted(most)),
                (None, None) => return None,
            })
        };
        let raw = |key: &str, words: &str| self.get(key).map(|raw| format!("{words} {raw}"));
        let elsewhere = self.text("$ref").filter(|it| !it.starts_with('#'));
        [
            range("minLength", "maxLength", "character"),
            self.text("pattern")
                .map(|pattern| format!("matches {pattern}")),
            range("minItems", "maxItems", "item"),
            raw("exclusiveMinimum", "above"),
            raw("exclusiveMaximum", "below"),
            raw("multipleOf", "a multiple of"),
            elsewhere.map(|it| format!("defined in {it}, which is never fetched")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The type in words.
    fn type_name(self, depth: usize) -> String {
        if depth > MAX_DEPTH {
            return "…".to_owned();
        }
        if let Some(only) = self.get("const") {
            return format!("always {only}");
        }
        let mut names: Vec<String> = self
            .types()
            .into_iter()
            .map(|name| self.qualified(name, depth))
            .collect();
        if names.is_empty() {
            for alternative in self.alternatives().into_iter().take(MAX_TYPES) {
                names.push(alternative.type_name(depth + 1));
            }
        }
        if names.is_empty() {
            names.extend(
                self.list("allOf")
                    .next()
                    .map(|part| part.type_name(depth + 1)),
            );
        }
        if names.is_empty() {
            names.push(self.implied_type(depth));
        }
        let names = either(names);
        let choices = self
            .get("enum")
            .map_or(0, |list| object::elements(list).count());
        match choices {
            0 => names,
            1 => format!("{names} (1 choice)"),
            n => format!("{names} ({n} choices)"),
        }
    }

    /// A type name with what narrows it: an array's items, a string's format, a number's bounds.
    fn qualified(self, name: String, depth: usize) -> String {
        match name.as_str() {
            "array" if self.get("prefixItems").is_some() => {
                let items = self.list("prefixItems").take(MAX_ALTERNATIVES);
                let items: Vec<_> = items.map(|item| item.type_name(depth + 1)).collect();
                format!("{name} [{}]", items.join(", "))
            }
            "array" => match self.child("items") {
                Some(items) => format!("array of {}", items.type_name(depth + 1)),
                None => name,
            },
            "string" => match self.text("format") {
                Some(format) => format!("string ({format})"),
                None => name,
            },
            "number" | "integer" => match (self.get("minimum"), self.get("maximum")) {
                (Some(low), Some(high)) => format!("{name} {low}..{high}"),
                (Some(low), None) => format!("{name} ≥ {low}"),
                (None, Some(high)) => format!("{name} ≤ {high}"),
                (None, None) => name,
            },
            _ => name,
        }
    }

    fn implied_type(self, depth: usize) -> String {
        if self.get("properties").is_some() || self.get("additionalProperties").is_some() {
            "object".to_owned()
        } else if self.get("items").is_some() || self.get("prefixItems").is_some() {
            self.qualified("array".to_owned(), depth)
        } else {
            match self
                .get("enum")
                .and_then(|list| object::elements(list).next())
            {
                Some(first) => kind_of(first).to_owned(),
                None => "any".to_owned(),
            }
        }
    }
}

/// The JSON type of a raw value.
fn kind_of(raw: &str) -> &'static str {
    match raw.bytes().next() {
        Some(b'"') => "string",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        Some(_) => "number",
        None => "any",
    }
}

/// The value that a reference within the document (`#`, `#/$defs/x`, RFC 6901) points to.
fn local<'a>(document: &'a str, reference: &str) -> Option<&'a str> {
    let pointer = reference.strip_prefix('#')?;
    pointer.split('/').skip(1).try_fold(document, |raw, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        match step.parse::<usize>() {
            Ok(index) if raw.starts_with('[') => object::elements(raw).nth(index),
            _ => object::at(raw, &[&step]),
        }
    })
}

#[cfg(test)]
mod tests;
