//! What takes time to learn of the selected item: read once in its definition, and again when that changes.

use super::Item;
use crate::mcp::schema::{self, Argument};
use crate::traffic::inventory::{PromptArgument, Tool};
use crate::ui::json::{Document, minify};
use crate::ui::text::shortened;
use crate::wire::object;
use std::borrow::Cow;
use std::collections::HashMap;

/// Members that are shown of those in which two definitions differ; the specification has fewer.
const MEMBERS: usize = 20;
/// Members of either that are compared: a hostile definition may have millions.
pub const COMPARED: usize = 10_000;
/// A longer value is not laid out: a screen shows its start only.
const LAID_OUT: usize = 64 << 10;

#[derive(Debug, Default)]
pub struct Known {
    /// The definition that was read.
    raw: String,
    pub arguments: Vec<Argument>,
    /// Sets of arguments one of which is needed.
    pub needed: Vec<String>,
    /// The members of a structured answer, in words.
    pub answer: Option<String>,
    /// Why what one sends, or what the tool answers, cannot be checked.
    pub unchecked: Vec<String>,
    /// What the second definition says otherwise, where the server lists it once more and that was kept.
    pub second: Option<Differences>,
    /// The second definition that was read.
    second_raw: String,
}

/// What a second definition says otherwise than the first.
#[derive(Debug, PartialEq, Eq)]
pub struct Differences {
    /// Members by name with what the second says, shortened; `None` for what it leaves out.
    pub members: Vec<(String, Option<String>)>,
    /// How many differ besides these.
    pub more: usize,
    /// There are members that were not compared.
    pub cut: bool,
}

impl Known {
    /// Reads the definition, and what was listed second under its name, unless it has.
    pub fn look(&mut self, item: Option<Item<'_>>, second: Option<&str>) {
        let raw = item.map_or("", Item::raw);
        let second = second.unwrap_or_default();
        if self.raw == raw && self.second_raw == second {
            return;
        }
        *self = match item {
            Some(Item::Tool(tool)) => Self::of_tool(tool),
            Some(Item::Prompt(prompt)) => Self {
                arguments: prompt.arguments.iter().map(of_prompt).collect(),
                ..Self::default()
            },
            Some(Item::Resource(_)) | None => Self::default(),
        };
        raw.clone_into(&mut self.raw);
        second.clone_into(&mut self.second_raw);
        if !second.is_empty() {
            self.second = Some(differences(raw, second));
        }
    }

    fn of_tool(tool: &Tool) -> Self {
        let output = tool.output_schema.as_deref();
        let schemas = [
            ("arguments", Some(&*tool.input_schema)),
            ("answers", output),
        ];
        let unchecked = schemas.into_iter().filter_map(|(what, schema)| {
            let why = schema::unusable(schema.filter(|schema| !schema.is_empty())?)?;
            Some(format!("Its {what} cannot be checked: {why}."))
        });
        let answer = output.map(|schema| {
            let members = schema::arguments(schema).into_iter();
            let members = members.filter(|member| !member.name.contains(['.', '[']));
            let members = members.map(|it| format!("{}: {}", it.name, it.type_name));
            members.collect::<Vec<_>>().join(", ")
        });
        Self {
            unchecked: unchecked.collect(),
            arguments: schema::arguments(&tool.input_schema),
            needed: schema::needed_sets(&tool.input_schema),
            answer,
            ..Self::default()
        }
    }
}

/// What the second definition says otherwise than the first, found in one walk through each.
fn differences(first: &str, second: &str) -> Differences {
    let mut places = HashMap::new();
    let mut members: Vec<(Cow<'_, str>, [Option<&str>; 2])> = Vec::new();
    let mut cut = false;
    for (which, raw) in [first, second].into_iter().enumerate() {
        let mut read = object::members(raw);
        for (name, value) in read.by_ref().take(COMPARED) {
            let at = *places.entry(name.clone()).or_insert(members.len());
            if at == members.len() {
                members.push((name, [None; 2]));
            }
            members[at].1[which] = Some(value);
        }
        cut |= read.next().is_some();
    }
    let differs = |[first, other]: [Option<&str>; 2]| first.map(minify) != other.map(minify);
    let mut differing = members.into_iter().filter(|(_, said)| differs(*said));
    let shown = differing.by_ref().take(MEMBERS);
    let shown = shown.map(|(name, [_, other])| (shortened(&name).into_owned(), other.map(read)));
    Differences {
        members: shown.collect(),
        more: differing.count(),
        cut: cut && first != second,
    }
}

/// The start of a raw value for reading: a text without its quotes, other things laid out.
fn read(raw: &str) -> String {
    if let Some(text) = object::unescape(raw) {
        return shortened(&text).into_owned();
    }
    let value = minify(raw);
    match value.len() > LAID_OUT {
        true => shortened(&value).into_owned(),
        false => shortened(&Document::new(value.into_bytes()).pretty()).into_owned(),
    }
}

fn of_prompt(argument: &PromptArgument) -> Argument {
    Argument {
        name: argument.name.clone(),
        type_name: "string".to_owned(),
        required: argument.required,
        default: None,
        choices: Vec::new(),
        description: argument.description.clone(),
        limits: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_of_very_many_members_is_compared_in_one_walk() {
        let first = format!(r#"{{"name":"x","a":[{}]}}"#, vec!["[]"; 300_000].join(","));
        let second = format!("{{{}}}", vec![r#""name":"x""#; 200_000].join(","));
        let found = differences(&first, &second);
        assert_eq!(found.members, [("a".to_owned(), None)]);
        assert!(found.cut && !differences(&second, &second).cut);
        let found = differences(&second, &first);
        let said = found.members[0].1.as_ref().unwrap();
        assert!(said.chars().count() < 5000, "{}", said.len());
    }

    #[test]
    fn every_member_is_compared_and_those_not_shown_are_counted() {
        let same: Vec<String> = (0..40).map(|at| format!(r#""p{at}":1"#)).collect();
        let other: Vec<String> = (0..40).map(|at| format!(r#""p{at}":2"#)).collect();
        let [same, other] = [same, other].map(|members| members.join(","));
        let first = format!(r#"{{{same},"description":"adds"}}"#);
        let second = format!(r#"{{{same},"description":"deletes"}}"#);
        let found = differences(&first, &second);
        let deletes = ("description".to_owned(), Some("deletes".to_owned()));
        assert_eq!((found.members, found.more), (vec![deletes], 0));
        assert!(!found.cut);
        let found = differences(&first, &format!("{{{other}}}"));
        assert_eq!((found.members.len(), found.more), (MEMBERS, 21));
    }
}
