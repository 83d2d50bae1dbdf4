//! `list`: what a server offers, for people and for scripts.

use super::failure::Failure;
use super::oneshot::{Answer, Conversation, converse};
use super::output;
use crate::cli::List;
use crate::headless;
use crate::mcp::{methods, schema};
use crate::traffic::gist::cut;
use crate::wire::object;
use std::collections::HashSet;
use std::fmt::Write as _;

/// A server that lists more pages than this goes on for ever.
const PAGES: usize = 1000;
/// Bytes of a cursor, which may be of any length.
const CURSOR: usize = 100;
const METHOD_NOT_FOUND: &str = "-32601";

/// One of the server's lists.
struct Kind {
    method: &'static str,
    /// What the server declares when it has such things.
    capability: &'static str,
    /// Where a page holds them, and where our JSON does.
    key: &'static str,
    title: &'static str,
}

const KINDS: [Kind; 4] = [
    Kind {
        method: methods::TOOLS_LIST,
        capability: "tools",
        key: "tools",
        title: "Tools",
    },
    Kind {
        method: methods::RESOURCES_LIST,
        capability: "resources",
        key: "resources",
        title: "Resources",
    },
    Kind {
        method: methods::TEMPLATES_LIST,
        capability: "resources",
        key: "resourceTemplates",
        title: "Resource templates",
    },
    Kind {
        method: methods::PROMPTS_LIST,
        capability: "prompts",
        key: "prompts",
        title: "Prompts",
    },
];

pub fn run(list: List) -> Result<u8, Failure> {
    let json = list.oneshot.json;
    converse(list.oneshot, async move |conversation| {
        let mut lists = Vec::new();
        for kind in &KINDS {
            lists.push(items(conversation, kind).await?);
        }
        let text = if json {
            as_json(&lists)
        } else {
            in_words(&lists)
        };
        output::print_foreign(&text)?;
        Ok(0)
    })
}

/// All pages of one list: raw items. Empty when the server has no such thing.
async fn items(conversation: &mut Conversation, kind: &Kind) -> Result<Vec<String>, Failure> {
    let mut items = Vec::new();
    let mut params = "{}".to_owned();
    let mut cursors = HashSet::new();
    for _ in 0..PAGES {
        if conversation.offers(kind.capability) == Some(false) {
            return Ok(items);
        }
        let page = match conversation.ask(kind.method, &params).await? {
            Answer::Result(page) => page,
            // The handshake is over now: what was not declared may well be refused.
            _ if conversation.offers(kind.capability) == Some(false) => return Ok(items),
            Answer::Error { code, .. } if code == METHOD_NOT_FOUND => return Ok(items),
            Answer::Error { code, message } => {
                return Err(Failure::protocol(format!(
                    "{}: the server answered with error {code}: {message}",
                    kind.method
                )));
            }
            Answer::InputRequired(_) => {
                return Err(Failure::protocol(format!("{} asks for input", kind.method)));
            }
        };
        let found = object::at(&page, &[kind.key]).unwrap_or_default();
        items.extend(object::elements(found).map(str::to_owned));
        match object::at(&page, &["nextCursor"]) {
            Some(cursor) if cursor != "null" => {
                if !cursors.insert(cursor.to_owned()) {
                    return Err(Failure::protocol(format!(
                        "{}: the list does not end: the server gave the cursor {} twice",
                        kind.method,
                        cut(cursor, CURSOR)
                    )));
                }
                params = format!(r#"{{"cursor":{cursor}}}"#);
            }
            _ => return Ok(items),
        }
    }
    headless::complain(&format!(
        "{}: more than {PAGES} pages; the rest is left out",
        kind.method
    ));
    Ok(items)
}

/// The items as the server wrote them.
fn as_json(lists: &[Vec<String>]) -> String {
    let lists: Vec<String> = KINDS
        .iter()
        .zip(lists)
        .map(|(kind, items)| format!("\"{}\":[{}]", kind.key, items.join(",")))
        .collect();
    format!("{{{}}}\n", lists.join(","))
}

fn in_words(lists: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (kind, items) in KINDS
        .iter()
        .zip(lists)
        .filter(|(_, items)| !items.is_empty())
    {
        let gap = if text.is_empty() { "" } else { "\n" };
        // A String takes everything.
        let _ = writeln!(text, "{gap}{} ({})", kind.title, items.len());
        for item in items {
            let heading = heading(kind, item).replace(['\r', '\n'], " ");
            let _ = writeln!(text, "  {heading}");
            let described = string(item, "description").or_else(|| string(item, "title"));
            for line in described.unwrap_or_default().trim().lines() {
                let _ = writeln!(text, "      {}", line.trim_end());
            }
        }
    }
    if text.is_empty() {
        text.push_str("the server offers no tools, resources or prompts\n");
    }
    text
}

fn string(item: &str, key: &str) -> Option<String> {
    object::string_at(item, &[key]).map(Into::into)
}

/// `read_file(path: string, [limit: integer])`, `a://b  name  text/plain`.
fn heading(kind: &Kind, item: &str) -> String {
    let name = string(item, "name").unwrap_or_default();
    match kind.key {
        "tools" => {
            let input = object::at(item, &["inputSchema"]).unwrap_or("{}");
            let arguments = schema::arguments(input);
            // Dotted names stand inside an argument that is named itself.
            let top = arguments.iter().filter(|it| !it.name.contains(['.', '[']));
            let words =
                top.map(|it| optional(it.required, format!("{}: {}", it.name, it.type_name)));
            format!("{name}({})", words.collect::<Vec<_>>().join(", "))
        }
        "prompts" => {
            let arguments = object::at(item, &["arguments"]).unwrap_or_default();
            let words = object::elements(arguments).map(|it| {
                let required = object::at(it, &["required"]) == Some("true");
                optional(required, string(it, "name").unwrap_or_default())
            });
            format!("{name}({})", words.collect::<Vec<_>>().join(", "))
        }
        _ => {
            let uri = string(item, "uri").or_else(|| string(item, "uriTemplate"));
            let words = [uri, Some(name), string(item, "mimeType")];
            let words: Vec<String> = words
                .into_iter()
                .flatten()
                .filter(|it| !it.is_empty())
                .collect();
            words.join("  ")
        }
    }
}

fn optional(required: bool, words: String) -> String {
    if required {
        words
    } else {
        format!("[{words}]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_headed_by_how_it_is_used() {
        let tool = r#"{"name":"read_file","description":"Reads.\nAll of it.","inputSchema":{"type":"object",
            "properties":{"path":{"type":"string"},"limit":{"type":"integer"}},"required":["path"]}}"#;
        let resource = r#"{"uri":"a://b","name":"b","mimeType":"text/plain"}"#;
        let template = r#"{"uriTemplate":"a://{x}","name":"t"}"#;
        let prompt =
            r#"{"name":"plan","arguments":[{"name":"place","required":true},{"name":"day"}]}"#;
        let lists = [tool, resource, template, prompt].map(|item| vec![item.to_owned()]);
        assert_eq!(
            in_words(&lists),
            "Tools (1)\n  read_file(path: string, [limit: integer])\n      Reads.\n      All of it.\n\n\
             Resources (1)\n  a://b  b  text/plain\n\n\
             Resource templates (1)\n  a://{x}  t\n\n\
             Prompts (1)\n  plan(place, [day])\n"
        );
    }

    #[test]
    fn a_name_stays_on_its_line() {
        let tool = r#"{"name":"one\nTools (9)\r\n  two"}"#.to_owned();
        let text = in_words(&[vec![tool], vec![], vec![], vec![]]);
        assert_eq!(text, "Tools (1)\n  one Tools (9)    two()\n");
    }

    #[test]
    fn json_keeps_what_the_server_wrote() {
        let lists = [
            vec![r#"{"z":1.0, "a":1e3}"#.to_owned()],
            vec![],
            vec![],
            vec![],
        ];
        assert_eq!(
            as_json(&lists),
            "{\"tools\":[{\"z\":1.0, \"a\":1e3}],\"resources\":[],\"resourceTemplates\":[],\"prompts\":[]}\n"
        );
    }
}
