//! What is wrong with an answer whose row says `ok`: nobody may use it as it is. Or with one that seems to stand in a
//! line that is no message: nobody gets it.
//!
//! Looked for when the answer is shown, not when it comes: a check against a schema takes time.

use crate::mcp::{methods, schema};
use crate::traffic::digest::MALFORMED;
use crate::traffic::gist::gist;
use crate::traffic::{Row, RowKind, Status};
use crate::ui::app::World;
use crate::ui::app::sheet::subject;
use crate::ui::format;
use crate::ui::json::Document;
use crate::ui::text::{cut, wrap};
use crate::wire::object;
use ratatui::layout::Rect;

/// A longer value is not checked while somebody waits for the screen.
const CHECKED: usize = 256 << 10;
/// What the protocol and its tasks know.
const TYPES: [&str; 3] = ["complete", "input_required", "task"];
/// The most lines that are said about an answer, and how high its place must be for them.
const LINES: usize = 3;
const HEIGHT: u16 = 5;

/// What of an answer was looked at: its line, and the schema to go by, which a later list may replace.
#[derive(Debug)]
struct Looked {
    line: u64,
    schema: Option<String>,
}

/// The doubt about the answer that is shown, or missed.
#[derive(Debug, Default)]
pub struct Doubt {
    looked: Option<Looked>,
    text: Option<String>,
}

impl Doubt {
    /// Looks at an answer, unless it has.
    pub fn look(&mut self, world: &World, row: &Row<'_>, answer: Option<(u64, &Document)>) {
        if let Some(text) = glued(world, row) {
            self.looked = None;
            self.text = Some(text);
            return;
        }
        let Some((line, document)) = answer.filter(|_| row.status == Status::Ok) else {
            *self = Self::default();
            return;
        };
        let rule = output_schema(world, row);
        let last = self.looked.as_ref();
        if last.is_none_or(|last| (last.line, last.schema.as_deref()) != (line, rule)) {
            self.looked = Some(Looked {
                line,
                schema: rule.map(str::to_owned),
            });
            self.text = std::str::from_utf8(document.bytes())
                .ok()
                .and_then(|text| doubt(object::at(text, &["result"])?, rule));
        }
    }

    /// What is to be said above it, in this place for it and its JSON.
    pub fn lines(&self, place: Rect) -> Vec<String> {
        let columns = place.width.into();
        let mut lines = match (&self.text, place.height) {
            (Some(text), HEIGHT..) => wrap(text, columns),
            _ => Vec::new(),
        };
        if lines.len() > LINES {
            let rest = lines.split_off(LINES - 1).join(" ");
            lines.push(cut(&rest, columns).into_owned());
        }
        lines
    }
}

/// Of a line that is no message and seems to be or to hold an answer, or of the request that goes without.
fn glued(world: &World, row: &Row<'_>) -> Option<String> {
    let other = world.traffic.glued(row.id)?;
    let looks = match (row.kind, row.answer) {
        (RowKind::Garbage, _) => {
            format!("this looks like the answer to request {}", other.message_id)
        }
        (_, None) => {
            let at = format::time_of_day(other.at, world.utc_offset_seconds);
            let at = if at.is_empty() {
                at
            } else {
                format!(" ({at})")
            };
            format!("a line on stdout{at} looks like the answer")
        }
        (_, Some(_)) => return None,
    };
    let malformed = row.method == MALFORMED || other.method == MALFORMED;
    Some(match malformed {
        true => format!("{looks} and is none: that has either a result or an error"),
        false => format!("{looks} among other text: a message has to be a line of its own"),
    })
}

fn output_schema<'w>(world: &'w World, row: &Row<'_>) -> Option<&'w str> {
    let is_call = row.method == methods::TOOLS_CALL;
    let name = world.traffic.written_name(row.id);
    let tool = subject::tool(world.traffic.inventory(), name).filter(|_| is_call);
    tool?.output_schema.as_deref()
}

fn doubt(result: &str, rule: Option<&str>) -> Option<String> {
    let kind = object::at(result, &["resultType"]);
    if let Some(kind) = kind {
        let word = object::unescape(kind);
        if !TYPES.contains(&word.as_deref().unwrap_or_default()) {
            return Some(format!(
                "resultType is {}, which the protocol does not know: a client takes this for no result",
                gist(kind)
            ));
        }
    }
    let is_done = kind.is_none_or(|it| it == "\"complete\"")
        && object::at(result, &["isError"]) != Some("true")
        && object::at(result, &["task"]).is_none();
    let rule = rule.filter(|_| is_done)?;
    let Some(content) = object::at(result, &["structuredContent"]) else {
        return Some(
            "there is no structuredContent, which the tool's outputSchema asks for".to_owned(),
        );
    };
    if content.len() > CHECKED {
        return None;
    }
    let violations = schema::validate(rule, content).ok()?.violations;
    let first = violations.first()?;
    let more = match violations.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!(
        "/structuredContent{}: {}, says the tool's outputSchema{more}",
        first.pointer, first.message
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str =
        r#"{"type":"object","properties":{"sum":{"type":"number"}},"required":["sum"]}"#;

    #[test]
    fn a_result_that_nobody_may_use_is_doubted() {
        for (result, about) in [
            (
                r#"{"resultType":"banana","content":[]}"#,
                "resultType is \"banana\", which",
            ),
            (r#"{"resultType":7}"#, "resultType is 7, which"),
            (r#"{"content":[]}"#, "there is no structuredContent, which"),
            (
                r#"{"content":[],"structuredContent":{"sum":"5"}}"#,
                "/structuredContent/sum: \"5\" is not of type \"number\", says the tool's outputSchema",
            ),
            (
                r#"{"resultType":"complete","structuredContent":null}"#,
                "/structuredContent: null is not of type",
            ),
        ] {
            let doubt = doubt(result, Some(SUM)).unwrap();
            assert!(doubt.starts_with(about), "{doubt}");
        }
    }

    #[test]
    fn a_result_that_is_as_it_should_be_or_that_promises_nothing_is_not() {
        for result in [
            r#"{"content":[],"structuredContent":{"sum":5}}"#,
            r#"{"resultType":"complete","structuredContent":{"sum":5}}"#,
            r#"{"content":[],"isError":true}"#,
            r#"{"resultType":"input_required","requestState":"s"}"#,
            r#"{"resultType":"task","taskId":"1"}"#,
            r#"{"task":{"taskId":"1"}}"#,
        ] {
            assert_eq!(doubt(result, Some(SUM)), None, "{result}");
        }
        assert_eq!(doubt(r#"{"structuredContent":{"sum":"5"}}"#, None), None);
        assert_eq!(
            doubt(r#"{"structuredContent":{}}"#, Some("{\"type\":7}")),
            None
        );
    }
}
