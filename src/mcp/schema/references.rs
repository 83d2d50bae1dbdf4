//! Where the references in a schema lead, as far as they stay in it.

use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// The keywords that refer to a schema elsewhere.
pub const KEYS: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];
const ANCHORS: [&str; 2] = ["$anchor", "$dynamicAnchor"];
/// Below these stand values, not schemas.
const VALUES: [&str; 4] = ["const", "enum", "default", "examples"];

/// What can be referred to.
#[derive(Debug)]
pub struct Targets<'a> {
    root: &'a Value,
    anchors: HashMap<&'a str, &'a Value>,
}

impl<'a> Targets<'a> {
    pub fn of(root: &'a Value) -> Self {
        let mut anchors = HashMap::new();
        walk(root, &mut |node| {
            for name in ANCHORS.iter().filter_map(|key| node.get(key)?.as_str()) {
                anchors.insert(name, node);
            }
        });
        Self { root, anchors }
    }

    pub fn get(&self, reference: &str) -> Option<&'a Value> {
        let id = self.root.get("$id").and_then(Value::as_str);
        let own = id.and_then(|id| reference.strip_prefix(id.trim_end_matches('#')));
        let fragment = own.unwrap_or(reference);
        if fragment.is_empty() {
            return Some(self.root);
        }
        let fragment = fragment.strip_prefix('#')?;
        let named = self.anchors.get(fragment).copied();
        named.or_else(|| self.root.pointer(fragment))
    }
}

/// Takes the references out that lead nowhere or to other documents; the first of them.
pub fn take_out_those_that_lead_away(root: &mut Value) -> Option<String> {
    let targets = Targets::of(root);
    let (mut first, mut away) = (None, HashSet::new());
    walk(root, &mut |node| {
        for reference in KEYS.iter().filter_map(|key| node.get(key)?.as_str()) {
            if targets.get(reference).is_none() {
                first.get_or_insert_with(|| reference.to_owned());
                away.insert(reference.to_owned());
            }
        }
    });
    if first.is_some() {
        take_out(root, &away);
    }
    first
}

fn take_out(node: &mut Value, away: &HashSet<String>) {
    match node {
        Value::Object(members) => {
            let leads_away = |value: &Value| value.as_str().is_some_and(|it| away.contains(it));
            members.retain(|key, value| !(KEYS.contains(&&**key) && leads_away(value)));
            let schemas = members
                .iter_mut()
                .filter(|(key, _)| !VALUES.contains(&&***key));
            schemas.for_each(|(_, value)| take_out(value, away));
        }
        Value::Array(elements) => elements.iter_mut().for_each(|it| take_out(it, away)),
        _ => {}
    }
}

fn walk<'a>(node: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    match node {
        Value::Object(members) => {
            visit(node);
            let schemas = members.iter().filter(|(key, _)| !VALUES.contains(&&***key));
            schemas.for_each(|(_, value)| walk(value, visit));
        }
        Value::Array(elements) => elements.iter().for_each(|it| walk(it, visit)),
        _ => {}
    }
}
