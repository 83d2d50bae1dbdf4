//! Reading the definition of a tool, a resource, a template or a prompt.

use crate::traffic::inventory::{Prompt, PromptArgument, Resource, Tool};
use crate::wire::object;
use std::borrow::Cow;

/// The string members that every kind of item has.
#[derive(Default)]
struct Common {
    name: String,
    title: Option<String>,
    description: String,
}

impl Common {
    fn read(&mut self, key: &str, value: &str) {
        let text = || object::unescape(value).map(Cow::into_owned);
        match key {
            "name" => self.name = text().unwrap_or_default(),
            "title" => self.title = text(),
            "description" => self.description = text().unwrap_or_default(),
            _ => {}
        }
    }
}

pub(super) fn tool(raw: &str) -> Tool {
    let (mut tool, mut common) = (
        Tool {
            raw: raw.into(),
            ..Tool::default()
        },
        Common::default(),
    );
    for (key, value) in object::members(raw) {
        match &*key {
            "inputSchema" => tool.input_schema = value.into(),
            "outputSchema" => tool.output_schema = Some(value.into()),
            "annotations" => {
                let hint = |key| match object::at(value, &[key]) {
                    Some("true") => Some(true),
                    Some("false") => Some(false),
                    _ => None,
                };
                tool.read_only = hint("readOnlyHint");
                tool.destructive = hint("destructiveHint");
                tool.idempotent = hint("idempotentHint");
                tool.open_world = hint("openWorldHint");
                // Before 2025-06-18 the title stood among the annotations.
                let title = object::string_at(value, &["title"]).map(Cow::into_owned);
                common.title = common.title.or(title);
            }
            _ => common.read(&key, value),
        }
    }
    Tool {
        name: common.name,
        title: common.title,
        description: common.description,
        ..tool
    }
}

pub(super) fn template(raw: &str) -> Resource {
    Resource {
        template: true,
        ..resource(raw)
    }
}

pub(super) fn resource(raw: &str) -> Resource {
    let mut resource = Resource {
        raw: raw.into(),
        ..Resource::default()
    };
    let mut common = Common::default();
    let text = |value| object::unescape(value).map(Cow::into_owned);
    for (key, value) in object::members(raw) {
        match &*key {
            "uri" | "uriTemplate" => resource.uri = text(value).unwrap_or_default(),
            "mimeType" => resource.mime_type = text(value),
            "size" => resource.size = value.parse().ok(),
            _ => common.read(&key, value),
        }
    }
    Resource {
        name: common.name,
        title: common.title,
        description: common.description,
        ..resource
    }
}

pub(super) fn prompt(raw: &str) -> Prompt {
    let (mut prompt, mut common) = (
        Prompt {
            raw: raw.into(),
            ..Prompt::default()
        },
        Common::default(),
    );
    for (key, value) in object::members(raw) {
        if key == "arguments" {
            prompt.arguments = object::elements(value).map(argument).collect();
        } else {
            common.read(&key, value);
        }
    }
    Prompt {
        name: common.name,
        title: common.title,
        description: common.description,
        ..prompt
    }
}

fn argument(raw: &str) -> PromptArgument {
    let text = |key| {
        object::string_at(raw, &[key])
            .unwrap_or_default()
            .into_owned()
    };
    PromptArgument {
        name: text("name"),
        description: text("description"),
        required: object::at(raw, &["required"]) == Some("true"),
    }
}
