//! What a sheet is about, and how the text on it becomes a message.

use super::Drafts;
use crate::mcp::{compose, methods, schema, uri_template};
use crate::traffic::inventory::{Inventory, Prompt, Tool};
use crate::traffic::{RowId, Traffic};
use crate::ui::event::Call;
use crate::ui::json::{Document, minify};
use crate::wire::object;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Earlier calls that are looked at for their arguments.
const EARLIER: usize = 20;

/// What is called; also the key under which a draft is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    Tool(String),
    Resource(String),
    Template(String),
    Prompt(String),
    /// A captured message, sent again whole.
    Message(RowId),
}

/// The schema that a part of the text has to conform to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub schema: String,
    /// Where the instance lies in the text.
    pub path: &'static [&'static str],
}

impl Subject {
    /// What a call is about.
    ///
    /// # Errors
    /// For what is no call.
    pub fn of(call: Call) -> Result<Self, String> {
        Ok(match call {
            Call::Tool(name) => Self::Tool(name),
            Call::Resource {
                uri,
                template: true,
            } => Self::Template(uri),
            Call::Resource {
                uri,
                template: false,
            } => Self::Resource(uri),
            Call::Prompt(name) => Self::Prompt(name),
            Call::Replay { row, .. } => Self::Message(row),
            Call::Again(call) => Self::of(*call)?,
            Call::Answer(_) => return Err("there is nothing to call".to_owned()),
        })
    }

    /// Whether it means the same in another conversation with the same server.
    pub fn is_lasting(&self) -> bool {
        !matches!(self, Self::Message(_))
    }

    /// What it is called in headings.
    pub fn name(&self, traffic: &Traffic) -> String {
        let (method, name) = self.method_and_name(traffic);
        match self {
            Self::Message(_) if name.is_empty() => method.to_owned(),
            Self::Message(_) => format!("{method} {name}"),
            _ => name.to_owned(),
        }
    }

    /// The method and the name under which earlier calls are found.
    pub fn method_and_name<'a>(&'a self, traffic: &'a Traffic) -> (&'a str, &'a str) {
        match self {
            Self::Tool(name) => (methods::TOOLS_CALL, name),
            Self::Resource(uri) | Self::Template(uri) => (methods::RESOURCES_READ, uri),
            Self::Prompt(name) => (methods::PROMPTS_GET, name),
            Self::Message(row) => traffic
                .row(*row)
                .map_or(("", ""), |row| (row.method, traffic.written_name(row.id))),
        }
    }

    /// `Call`, `Read`, `Get`, `Send again`.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Tool(_) => "Call",
            Self::Resource(_) | Self::Template(_) => "Read",
            Self::Prompt(_) => "Get",
            Self::Message(_) => "Send again",
        }
    }

    /// What the text has to conform to, as far as the server said.
    pub fn rule(&self, traffic: &Traffic) -> Option<Rule> {
        let inventory = traffic.inventory();
        match self {
            Self::Tool(name) => tool(inventory, name).and_then(|tool| input_rule(tool, &[])),
            Self::Resource(_) => Some(Rule {
                schema: strings(&[("uri", "", true)]),
                path: &[],
            }),
            Self::Template(uri) => {
                let names = uri_template::variables(uri);
                let variables: Vec<_> = names
                    .iter()
                    .map(|name| (name.as_str(), "", false))
                    .collect();
                Some(Rule {
                    schema: strings(&variables),
                    path: &[],
                })
            }
            Self::Prompt(name) => {
                let prompt = prompt(inventory, name)?;
                let arguments: Vec<_> = prompt
                    .arguments
                    .iter()
                    .map(|argument| {
                        (
                            argument.name.as_str(),
                            argument.description.as_str(),
                            argument.required,
                        )
                    })
                    .collect();
                Some(Rule {
                    schema: strings(&arguments),
                    path: &[],
                })
            }
            Self::Message(row) => {
                let name = traffic.written_name(*row);
                let row = traffic.row(*row)?;
                let called =
                    (row.method == methods::TOOLS_CALL).then(|| tool(inventory, name))??;
                input_rule(called, &["params", "arguments"])
            }
        }
    }

    /// What to start typing from. Of a template, what it cannot do without: an empty value is one, too.
    pub fn skeleton(&self, traffic: &Traffic) -> String {
        match self {
            Self::Resource(uri) => pretty(&json!({ "uri": uri }).to_string()),
            Self::Template(uri) => {
                let names = uri_template::path_variables(uri);
                let members: Vec<String> = names
                    .iter()
                    .map(|name| format!("  {}: \"\"", Value::from(name.as_str())))
                    .collect();
                match members.is_empty() {
                    true => "{}".to_owned(),
                    false => format!("{{\n{}\n}}", members.join(",\n")),
                }
            }
            Self::Message(_) => String::new(),
            Self::Tool(_) | Self::Prompt(_) => self
                .rule(traffic)
                .map_or_else(|| "{}".to_owned(), |rule| schema::skeleton(&rule.schema)),
        }
    }

    /// Whether there is nothing to type, and sending changes nothing.
    pub fn is_plain_read(&self, traffic: &Traffic) -> bool {
        match self {
            Self::Resource(_) => true,
            Self::Prompt(name) => {
                prompt(traffic.inventory(), name).is_some_and(|prompt| prompt.arguments.is_empty())
            }
            _ => false,
        }
    }

    /// The message to send, on one line.
    ///
    /// # Errors
    /// In words, when the text cannot become one.
    pub fn compose(&self, text: &str) -> Result<String, String> {
        let text = minify(text);
        let is_object =
            |text: &str| text.starts_with('{') && Document::new(text.as_bytes().to_vec()).is_json();
        // Only where nothing else is wrong: a quote too many makes a string of what follows it.
        if text.contains(['\n', '\r']) && is_object(&text.replace(['\n', '\r'], " ")) {
            return Err("a string holds a line break: write \\n instead".to_owned());
        }
        if !is_object(&text) {
            return Err("this is not one JSON object".to_owned());
        }
        let named = |name: &str, more: &str| {
            let name = Value::from(name);
            format!(r#"{{"name":{name},"arguments":{text}{more}}}"#)
        };
        Ok(match self {
            // What a tool reports on its way is worth seeing; the token is a placeholder as the id is.
            Self::Tool(name) => compose::request(
                methods::TOOLS_CALL,
                &named(name, r#","_meta":{"progressToken":0}"#),
            ),
            Self::Prompt(name) => compose::request(methods::PROMPTS_GET, &named(name, "")),
            Self::Resource(_) => compose::request(methods::RESOURCES_READ, &text),
            Self::Template(template) => {
                let uri = Value::from(expanded(template, &text));
                compose::request(methods::RESOURCES_READ, &format!(r#"{{"uri":{uri}}}"#))
            }
            Self::Message(_) => text,
        })
    }

    /// What an earlier message of the same kind was called with, laid out for editing.
    pub fn arguments_in(&self, message: &str) -> Option<String> {
        match self {
            Self::Tool(_) | Self::Prompt(_) => Some(pretty(
                object::at(message, &["params", "arguments"]).unwrap_or("{}"),
            )),
            Self::Resource(_) => Some(pretty(object::at(message, &["params"])?)),
            Self::Template(_) => None,
            Self::Message(_) => Some(pretty(message)),
        }
    }

    /// Whether there are arguments that it was called with before.
    pub fn has_last(&self, traffic: &Traffic, drafts: &Drafts) -> bool {
        !drafts.sent(self).is_empty() || !self.earlier(traffic).is_empty()
    }

    /// Earlier calls, newest first.
    pub fn earlier(&self, traffic: &Traffic) -> Vec<RowId> {
        match self {
            Self::Message(_) | Self::Template(_) => Vec::new(),
            _ => {
                let (method, name) = self.method_and_name(traffic);
                traffic.calls_of(method, name, EARLIER)
            }
        }
    }
}

/// The URI that a template and a JSON object of variables make.
pub fn expanded(template: &str, variables: &str) -> String {
    let values: Vec<(String, String)> = object::members(variables)
        .map(|(name, raw)| {
            let text =
                object::unescape(raw).map_or_else(|| raw.to_owned(), |text| text.into_owned());
            (name.into_owned(), text)
        })
        .collect();
    uri_template::expand(template, &values)
}

pub fn tool<'a>(inventory: &'a Inventory, name: &str) -> Option<&'a Tool> {
    inventory.tools.items.iter().find(|tool| tool.name == name)
}

pub fn prompt<'a>(inventory: &'a Inventory, name: &str) -> Option<&'a Prompt> {
    inventory
        .prompts
        .items
        .iter()
        .find(|prompt| prompt.name == name)
}

fn input_rule(tool: &Tool, path: &'static [&'static str]) -> Option<Rule> {
    let schema = tool.input_schema.clone();
    (!schema.is_empty()).then_some(Rule { schema, path })
}

/// A schema of strings, in the given order: name, description, needed.
fn strings(members: &[(&str, &str, bool)]) -> String {
    let property = |(name, description, _): &(&str, &str, bool)| {
        let (name, description) = (Value::from(*name), Value::from(*description));
        format!(r#"{name}:{{"type":"string","description":{description}}}"#)
    };
    let properties: Vec<String> = members.iter().map(property).collect();
    let required: Vec<&str> = members
        .iter()
        .filter(|member| member.2)
        .map(|member| member.0)
        .collect();
    format!(
        r#"{{"type":"object","properties":{{{}}},"required":{}}}"#,
        properties.join(","),
        Value::from(required)
    )
}

pub fn pretty(text: &str) -> String {
    Document::new(text.as_bytes().to_vec()).pretty()
}
