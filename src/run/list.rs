//! `list`: what a server offers, for people and for scripts.

use super::failure::{Failure, PROTOCOL};
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

/// What came of each list, in the order of [`KINDS`]; `None` when nothing did.
type Lists = [Option<Vec<String>>; KINDS.len()];

pub fn run(list: List) -> Result<u8, Failure> {
    let json = list.oneshot.json;
    converse(list.oneshot, async move |conversation| {
        let mut lists = Lists::default();
        let mut outcome = Ok(0);
        for (kind, list) in KINDS.iter().zip(&mut lists) {
            match fill(list, conversation, kind).await {
                Ok(()) => {}
                Err(Trouble::List(what)) => {
                    headless::complain(&format!("{}: {what}", kind.method));
                    outcome = Ok(PROTOCOL);
                }
                Err(Trouble::Conversation(failure)) => {
                    outcome = Err(failure);
                    break;
                }
            }
        }
        let text = if json {
            as_json(&lists)
        } else {
            in_words(&lists)
        };
        output::print_foreign(&text)?;
        outcome
    })
}

/// Why a list is not whole.
enum Trouble {
    /// The others may still come.
    List(String),
    Conversation(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Conversation(failure)
    }
}

/// Asks for all pages of one list: raw items. There are none when the server has no such thing.
async fn fill(
    list: &mut Option<Vec<String>>,
    conversation: &mut Conversation,
    kind: &Kind,
) -> Result<(), Trouble> {
    let mut params = "{}".to_owned();
    let mut cursors = HashSet::new();
    for _ in 0..PAGES {
        if conversation.offers(kind.capability) == Some(false) {
            list.get_or_insert_default();
            return Ok(());
        }
        let answer = conversation.ask(kind.method, &params).await?;
        // The handshake is over now: what was not declared may well be refused.
        let is_offered = conversation.offers(kind.capability) != Some(false);
        let page = match answer {
            Answer::Result(page) => page,
            Answer::Error(error) if !is_offered || error.code() == METHOD_NOT_FOUND => {
                list.get_or_insert_default();
                return Ok(());
            }
            Answer::Error(error) => {
                return Err(Trouble::List(format!("the server answered with {error}")));
            }
            Answer::Unusable(why) => return Err(Trouble::List(format!("the server {why}"))),
        };
        let found = object::at(&page, &[kind.key]).filter(|found| found.starts_with('['));
        if found.is_none() && is_offered {
            let what = format!("the server's answer holds no list of `{}`", kind.key);
            return Err(Trouble::List(what));
        }
        let found = object::elements(found.unwrap_or_default());
        list.get_or_insert_default()
            .extend(found.map(str::to_owned));
        match object::at(&page, &["nextCursor"]) {
            Some(cursor) if cursor != "null" => {
                if !cursors.insert(cursor.to_owned()) {
                    return Err(Trouble::List(format!(
                        "the list does not end: the server gave the cursor {} twice",
                        cut(cursor, CURSOR)
                    )));
                }
                params = format!(r#"{{"cursor":{cursor}}}"#);
            }
            _ => return Ok(()),
        }
    }
    Err(Trouble::List(format!(
        "more than {PAGES} pages; the rest is left out"
    )))
}

/// The items as the server wrote them. Nothing at all when nothing came.
fn as_json(lists: &Lists) -> String {
    let lists: Vec<String> = came(lists)
        .map(|(kind, items)| format!("\"{}\":[{}]", kind.key, items.join(",")))
        .collect();
    if lists.is_empty() {
        return String::new();
    }
    format!("{{{}}}\n", lists.join(","))
}

fn in_words(lists: &Lists) -> String {
    let mut text = String::new();
    for (kind, items) in came(lists).filter(|(_, items)| !items.is_empty()) {
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
    if text.is_empty() && lists.iter().all(Option::is_some) {
        text.push_str("the server offers no tools, resources or prompts\n");
    }
    text
}

fn came(lists: &Lists) -> impl Iterator<Item = (&'static Kind, &Vec<String>)> {
    let lists = KINDS.iter().zip(lists);
    lists.filter_map(|(kind, items)| Some((kind, items.as_ref()?)))
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
        let lists = [tool, resource, template, prompt].map(|item| Some(vec![item.to_owned()]));
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
        let text = in_words(&[Some(vec![tool]), None, None, None]);
        assert_eq!(text, "Tools (1)\n  one Tools (9)    two()\n");
    }

    #[test]
    fn json_keeps_what_the_server_wrote_and_has_no_list_that_did_not_come() {
        let tool = r#"{"z":1.0, "a":1e3}"#.to_owned();
        assert_eq!(
            as_json(&[Some(vec![tool]), None, None, Some(vec![])]),
            "{\"tools\":[{\"z\":1.0, \"a\":1e3}],\"prompts\":[]}\n"
        );
        assert_eq!(as_json(&Lists::default()), "");
    }

    #[test]
    fn a_server_is_said_to_offer_nothing_only_when_all_lists_came() {
        let none = Lists::default().map(|_| Some(vec![]));
        assert!(in_words(&none).starts_with("the server offers no tools"));
        assert_eq!(
            in_words(&[Some(vec![]), Some(vec![]), None, Some(vec![])]),
            ""
        );
    }
}
