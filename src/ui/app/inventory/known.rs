//! What takes time to learn of the selected item: read once in its definition, and again when that changes.

use super::Item;
use crate::mcp::schema::{self, Argument};
use crate::traffic::inventory::{PromptArgument, Tool};
use crate::ui::json::{Document, minify};
use crate::wire::object;

/// Members that are compared in two definitions; the specification has fewer.
const MEMBERS: usize = 20;

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
    /// Where the server lists it once more: what the second definition says differently, and how; `None` for what it
    /// leaves out.
    pub second: Vec<(String, Option<String>)>,
    /// The second definition that was read.
    second_raw: String,
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
            self.second = differences(raw, second);
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

/// What the second definition says otherwise than the first, member by member.
fn differences(first: &str, second: &str) -> Vec<(String, Option<String>)> {
    let is_new = |name: &str| object::at(first, &[name]).is_none();
    let names = object::members(first).map(|(name, _)| name);
    let more = object::members(second).map(|(name, _)| name);
    let names = names.chain(more.filter(|name| is_new(name)));
    let differ = names.take(MEMBERS).filter_map(|name| {
        let [first, other] = [first, second].map(|raw| object::at(raw, &[&*name]));
        let differs = first.map(minify) != other.map(minify);
        differs.then(|| (name.into_owned(), other.map(read)))
    });
    differ.collect()
}

/// A raw value for reading: a text without its quotes, other things laid out.
fn read(raw: &str) -> String {
    match object::unescape(raw) {
        Some(text) => text.into_owned(),
        None => Document::new(raw.as_bytes().to_vec()).pretty(),
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
