//! `call`: one tool call from a script.

use super::failure::Failure;
use super::oneshot::{Answer, converse};
use super::output;
use crate::cli::{ArgumentsFrom, Call};
use crate::mcp::methods;
use crate::wire::{self, Frame, object};
use std::io::Read as _;

const OK: u8 = 0;
const TOOL_ERROR: u8 = 1;

pub fn run(call: Call) -> Result<u8, Failure> {
    let arguments = arguments(call.arguments)?;
    let name = serde_json::Value::from(call.tool.as_str());
    let params = format!(r#"{{"name":{name},"arguments":{arguments}}}"#);
    let json = call.oneshot.json;
    converse(call.oneshot, async move |conversation| {
        match conversation.ask(methods::TOOLS_CALL, &params).await? {
            Answer::Result(result) => {
                let said = if json {
                    result.clone()
                } else {
                    in_words(&result)
                };
                output::print_foreign(&with_line_end(said))?;
                if !is_tool_result(&result) {
                    let what = "the server's answer is no tool result: it has no content";
                    return Err(Failure::protocol(format!("{}: {what}", call.tool)));
                }
                let failed = object::at(&result, &["isError"]) == Some("true");
                Ok(if failed { TOOL_ERROR } else { OK })
            }
            Answer::Unusable(why) => Err(Failure::protocol(format!(
                "{}: the server {why}",
                call.tool
            ))),
            Answer::Error(error) => {
                if json {
                    output::print_foreign(&format!("{{\"error\":{}}}\n", error.0))?;
                }
                let what = format!("{}: the server answered with {error}", call.tool);
                Err(Failure::protocol(what))
            }
        }
    })
}

/// The raw JSON object that was meant.
fn arguments(from: ArgumentsFrom) -> Result<String, Failure> {
    let source = from.to_string();
    let text = match from {
        ArgumentsFrom::Text(text) => text,
        ArgumentsFrom::File(path) => std::fs::read_to_string(&path)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?,
        ArgumentsFrom::Stdin => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::usage(format!("cannot read stdin: {error}")))?;
            text
        }
    };
    let text = text.trim();
    let wrong = match wire::parse(text.as_bytes()) {
        Frame::Blank => {
            "is empty and has to be a JSON object; without arguments that is {}".to_owned()
        }
        Frame::NotJson(reason) => format!("is not JSON: {reason}"),
        _ if !text.starts_with('{') => r#"has to be a JSON object, such as {"a": 2}"#.to_owned(),
        _ => return Ok(text.to_owned()),
    };
    Err(Failure::usage(format!("{source} {wrong}")))
}

/// Content is required; structured content alone, and the one `toolResult` of before there were blocks, say as much.
fn is_tool_result(result: &str) -> bool {
    let members = ["content", "structuredContent", "toolResult"];
    members.iter().any(|it| object::at(result, &[it]).is_some())
}

/// The result's content for people: text as it stands, and one line for whatever is no text.
fn in_words(result: &str) -> String {
    let content = object::at(result, &["content"]).unwrap_or_default();
    let blocks: Vec<String> = object::elements(content).map(block).collect();
    if !blocks.is_empty() {
        return blocks.join("\n");
    }
    let structured = object::at(result, &["structuredContent"]);
    structured.unwrap_or(result).to_owned()
}

fn block(block: &str) -> String {
    let string = |path: &[&str]| object::string_at(block, path).unwrap_or_default();
    let kind = string(&["type"]);
    match &*kind {
        "text" => string(&["text"]).into_owned(),
        "image" | "audio" => {
            let base64 = string(&["data"]).len();
            format!(
                "[{kind} {}, {base64} characters of base64]",
                string(&["mimeType"])
            )
        }
        "resource" => match object::string_at(block, &["resource", "text"]) {
            Some(text) => text.into_owned(),
            None => format!("[resource {}]", string(&["resource", "uri"])),
        },
        "resource_link" => format!("[resource {} {}]", string(&["uri"]), string(&["name"])),
        _ => block.to_owned(),
    }
}

fn with_line_end(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_it_stands_and_the_rest_is_named() {
        let result = r#"{"content":[
            {"type":"text","text":"two\nlines"},
            {"type":"image","mimeType":"image/png","data":"QUJD"},
            {"type":"resource","resource":{"uri":"a://b","text":"inside"}},
            {"type":"resource_link","uri":"a://c","name":"c"}]}"#;
        assert_eq!(
            in_words(result),
            "two\nlines\n[image image/png, 4 characters of base64]\ninside\n[resource a://c c]"
        );
    }

    #[test]
    fn without_content_the_structured_answer_is_shown() {
        assert_eq!(
            in_words(r#"{"content":[],"structuredContent":{"v":1.0}}"#),
            r#"{"v":1.0}"#
        );
        assert_eq!(in_words(r#"{"odd":1}"#), r#"{"odd":1}"#);
    }

    #[test]
    fn arguments_have_to_be_an_object_and_keep_their_spelling() {
        let read = |text: &str| arguments(ArgumentsFrom::Text(text.to_owned()));
        assert_eq!(read(" {\"a\": 1.0} \n").unwrap(), "{\"a\": 1.0}");
        assert!(read("[1]").unwrap_err().to_string().contains("JSON object"));
        assert!(read("{a:1}").unwrap_err().to_string().contains("not JSON"));
        assert!(
            read(" \n")
                .unwrap_err()
                .to_string()
                .starts_with("--args is empty")
        );
        assert_eq!(read("{a:1}").unwrap_err().code(), 2);
    }
}
