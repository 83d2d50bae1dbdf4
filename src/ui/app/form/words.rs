//! The server's own words in a form, for reading: everything that it says of a completion, the host of a page.

use crate::ui::format;
use crate::ui::json::base64_len;
use crate::ui::text::cut;
use crate::wire::object;
use std::borrow::Cow;
use std::fmt::Write as _;

/// So much is shown of a parameter's JSON.
const LONGEST: usize = 4000;

/// A sampling request: its messages, then every other parameter.
pub(super) fn conversation(params: &str) -> String {
    let mut out = String::new();
    let mut say = |who: &str, text: &str| {
        let _ = writeln!(out, "{who}: {text}");
    };
    if let Some(system) = object::string_at(params, &["systemPrompt"]) {
        say("system", &system);
    }
    for message in object::at(params, &["messages"])
        .into_iter()
        .flat_map(object::elements)
    {
        let role = object::string_at(message, &["role"]).unwrap_or("?".into());
        let content = object::at(message, &["content"]).unwrap_or_default();
        let blocks: Vec<&str> = match content.starts_with('[') {
            true => object::elements(content).collect(),
            false => vec![content],
        };
        for content in blocks {
            say(&role, &block(content));
        }
    }
    for (name, value) in object::members(params) {
        if !["systemPrompt", "messages", "_meta"].contains(&&*name) {
            say(&name, &shortened(value));
        }
    }
    out
}

/// The tools of a completion may be long, and are in the capture.
fn shortened(json: &str) -> Cow<'_, str> {
    if json.len() <= LONGEST {
        return json.into();
    }
    let (start, bytes) = (cut(json, LONGEST), json.len() as u64);
    format!("{start} ({} bytes)", format::size(bytes)).into()
}

/// A piece of a message: its text, or what kind of data it is.
fn block(content: &str) -> String {
    if let Some(text) = object::string_at(content, &["text"]) {
        return text.into_owned();
    }
    let kind = object::string_at(content, &["mimeType"]);
    match (kind, object::string_at(content, &["data"])) {
        (Some(kind), Some(data)) => {
            format!("{kind}, {} bytes", format::size(base64_len(&data)))
        }
        _ => content.to_owned(),
    }
}

/// Whom an address leads to, the way browsers read it (WHATWG URL, 4.4): not the name that stands before an `@`, nor in
/// a script; with slashes of either kind and number, and whatever white space stands in it.
pub fn host(url: &str) -> Option<String> {
    let url = url.replace(['\t', '\n', '\r'], "");
    let (scheme, rest) = url.trim_matches(|c| c <= ' ').split_once(':')?;
    if !["http", "https"].contains(&&*scheme.to_ascii_lowercase()) {
        return None;
    }
    let rest = rest.trim_start_matches(['/', '\\']);
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_said_of_a_completion_is_there_and_data_is_named() {
        let params = r#"{"messages":[{"role":"user","content":{"type":"text","text":"Hi"}},
            {"role":"user","content":[{"type":"image","data":"AAAAAAAA","mimeType":"image/png"},{"type":"tool_use","id":"1"}]}],
            "systemPrompt":"Be","maxTokens":9,"stopSequences":["END"],"tools":[{"name":"t"}]}"#;
        assert_eq!(
            conversation(params),
            "system: Be\nuser: Hi\nuser: image/png, 6 bytes\nuser: {\"type\":\"tool_use\",\"id\":\"1\"}\n\
             maxTokens: 9\nstopSequences: [\"END\"]\ntools: [{\"name\":\"t\"}]\n"
        );
    }

    #[test]
    fn a_long_parameter_is_cut_and_its_length_told() {
        let params = format!(r#"{{"messages":[],"tools":["{}"]}}"#, "x".repeat(9000));
        let said = conversation(&params);
        assert!(said.ends_with("… (9.0k bytes)\n"), "{said}");
    }

    #[test]
    fn the_host_of_a_page_is_whom_it_leads_to() {
        for (url, expected) in [
            ("https://x.example/?a=b@c", Some("x.example")),
            (
                "https://good.example@bad.example:81/",
                Some("bad.example:81"),
            ),
            ("https://bad.example\\@good.example", Some("bad.example")),
            ("https:///evil.example", Some("evil.example")),
            ("https:\\\\evil.example", Some("evil.example")),
            ("HTTPS:evil.example", Some("evil.example")),
            (" ht\ntps://evil\t.example/", Some("evil.example")),
            ("https://", None),
            ("javascript:alert(1)", None),
            ("javascript://good.example/%0aalert(1)", None),
            ("file:///etc/passwd", None),
        ] {
            assert_eq!(host(url).as_deref(), expected, "{url}");
        }
    }
}
