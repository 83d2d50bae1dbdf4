//! What takes time to learn of the selected item: read once in its definition, and again when that changes.

use super::Item;
use crate::mcp::schema::{self, Argument};
use crate::traffic::inventory::{PromptArgument, Tool};

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
}

impl Known {
    /// Reads the definition, unless it has.
    pub fn look(&mut self, item: Option<Item<'_>>) {
        let raw = item.map_or("", Item::raw);
        if self.raw == raw {
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
