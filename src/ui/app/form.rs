//! What a server asks of its user, as something to fill in: an elicitation's fields, a sampling's answer, roots.
//!
//! A form knows the request and what was typed, nothing of sessions or rows: it serves requests of the server's own and
//! the input requests inside a modern result alike.

mod field;
pub mod words;

pub use field::{Field, Value};

use super::Input;
use super::editor::Editor;
use crate::mcp::methods;
use crate::mcp::schema;
use crate::ui::event::{Effect, Step};
use crate::ui::json::{Document, minify};
use crate::ui::keymap::{Action, Binding, Context};
use crate::ui::render::form::{Places, places};
use crate::ui::text::wrap;
use crate::wire::object;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use std::borrow::Cow;
use std::fmt::Write;

/// The code that a client answers with when its user does not want to (specification 2025-11-25, client/sampling).
const REJECTED: i64 = -1;
const METHOD_NOT_FOUND: i64 = -32601;

const SAMPLED: &str = r#"{
  "role": "assistant",
  "content": {
    "type": "text",
    "text": ""
  },
  "model": "operator",
  "stopReason": "endTurn"
}"#;
const ROOTS: &str = "{\n  \"roots\": []\n}";

/// What is sent back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A raw JSON result.
    Result(String),
    Error {
        code: i64,
        message: String,
    },
}

/// A way out of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Accept,
    Decline,
    Cancel,
}

#[derive(Debug)]
pub struct Form {
    /// What the server wants, in a few words.
    pub title: &'static str,
    /// The server's own words, for reading.
    pub words: String,
    /// They in lines of so many columns: they may be long, and every frame needs them.
    wrapped: (u16, Vec<String>),
    /// The first line of them on the screen, unless that leaves room at their end.
    pub top: usize,
    pub body: Body,
    /// An answer can be an error. It cannot where it belongs to a call's next round.
    refusable: bool,
    /// What is wrong with what was typed, when it was last tried to send it.
    pub trouble: Option<String>,
}

#[derive(Debug)]
pub enum Body {
    Fields {
        schema: String,
        fields: Vec<Field>,
        selected: usize,
    },
    /// A page to visit: shown, never opened.
    Url(String),
    Json(Box<Editor>),
    /// Nothing that we know how to answer.
    Unknown,
}

/// An answer to fill in, with the cursor where one starts to.
fn editor_at(answer: &str, member: &str) -> Editor {
    let mut editor = Editor::new(answer);
    editor.go_to_value_of(member);
    editor
}

impl Form {
    /// For a request with this method and these raw params.
    pub fn new(method: &str, params: &str) -> Self {
        let said = object::string_at(params, &["message"]).unwrap_or_default();
        let (title, words, body) = match method {
            methods::ELICITATION => match object::string_at(params, &["url"]) {
                Some(url) => (
                    "The server asks you to visit a page",
                    said.into_owned(),
                    Body::Url(url.into_owned()),
                ),
                None => (
                    "The server asks you",
                    said.into_owned(),
                    fields(object::at(params, &["requestedSchema"]).unwrap_or("{}")),
                ),
            },
            methods::SAMPLING => {
                let editor = editor_at(SAMPLED, "text");
                let title = "The server asks for a completion";
                (
                    title,
                    words::conversation(params),
                    Body::Json(Box::new(editor)),
                )
            }
            methods::ROOTS => (
                "The server asks for your roots",
                "The directories that it may work in, as file:// URIs. An empty list is an answer."
                    .into(),
                Body::Json(Box::new(editor_at(ROOTS, "roots"))),
            ),
            other => (
                "The server sends a request",
                other.to_owned(),
                Body::Unknown,
            ),
        };
        Self {
            title,
            words,
            wrapped: (0, Vec::new()),
            top: 0,
            body,
            refusable: true,
            trouble: None,
        }
    }

    /// For one that belongs to a call's next round.
    pub fn in_round(method: &str, params: &str) -> Self {
        Self {
            refusable: false,
            ..Self::new(method, params)
        }
    }

    /// The word for a key in the hints; empty where it would do nothing.
    pub fn offers(&self, binding: &Binding) -> &'static str {
        match (binding.action, &self.body) {
            (Action::Accept, Body::Unknown) if self.refusable => "refuse",
            (Action::Accept, Body::Unknown) => "",
            (Action::Down, Body::Fields { fields, .. }) if fields.len() < 2 => "",
            _ => binding.hint,
        }
    }

    /// Where keys go: those that are text are typed, but there is nothing to type beside an address.
    pub fn contexts(&self) -> Vec<Context> {
        match &self.body {
            Body::Url(_) => vec![Context::Ask, Context::Decline, Context::Page],
            Body::Json(_) if self.refusable => vec![Context::Ask, Context::Decline, Context::Json],
            Body::Json(_) => vec![Context::Ask, Context::Json],
            Body::Unknown => vec![Context::Ask],
            Body::Fields {
                fields, selected, ..
            } => {
                let here = fields.get(*selected).map(|field| &field.value);
                let options = match here {
                    None | Some(Value::Text(_)) => None,
                    Some(Value::Chosen(_) | Value::Several { .. }) => Some(Context::Options),
                };
                let contexts = [Context::Ask, Context::Decline, Context::Fields].into_iter();
                contexts.chain(options).collect()
            }
        }
    }

    /// Takes what is typed and what only looks; `area` is all of the form's. What answers is up to whoever has the form.
    pub fn update(&mut self, input: Input<'_>, area: Rect) -> Vec<Step> {
        let places = places(self, area);
        match (input, &self.body) {
            (Input::Action(Action::Copy), Body::Url(url)) => {
                return vec![Step::copy("the address", url)];
            }
            (Input::Action(Action::Editor), Body::Json(editor)) => {
                return vec![Step::Do(Effect::Editor(editor.text()))];
            }
            (Input::Action(Action::PageUp), _) => self.page(-1, places),
            (Input::Action(Action::PageDown), _) => self.page(1, places),
            (Input::Action(action), Body::Fields { .. }) => self.fill_in(action),
            (Input::Scroll { y, lines, .. }, _) => self.wheel(y, lines, places),
            (Input::Key(key), _) => self.key(&key, places.body.height),
            (Input::Paste(text), _) => self.paste(text, places.body.height),
            (Input::Edited(Ok(text)), _) => self.edited(text),
            _ => {}
        }
        Vec::new()
    }

    /// Turns the pages of the server's words; of what is filled in where all of them are in sight.
    fn page(&mut self, pages: i16, Places { words, body, .. }: Places) {
        let lines = |place: Rect| i16::try_from(place.height).unwrap_or(i16::MAX);
        if usize::from(words.height) < self.lines(words.width).len() {
            let page = lines(words).saturating_sub(1).max(1);
            self.scroll(pages.saturating_mul(page), words);
            return;
        }
        match &mut self.body {
            Body::Json(editor) => editor.scroll(pages.saturating_mul(lines(body)), body.height),
            Body::Fields {
                fields, selected, ..
            } => {
                // A field has two lines at least.
                let page = pages.saturating_mul((lines(body) / 2).max(1));
                let last = fields.len().saturating_sub(1);
                *selected = selected.saturating_add_signed(page.into()).min(last);
            }
            Body::Url(_) | Body::Unknown => {}
        }
    }

    /// The wheel, at this line.
    fn wheel(&mut self, y: u16, lines: i16, Places { words, body, .. }: Places) {
        match &mut self.body {
            Body::Json(editor) if y >= body.y => editor.scroll(lines, body.height),
            _ => self.scroll(lines, words),
        }
    }

    /// Moves the server's words, which are shown at `words`.
    fn scroll(&mut self, lines: i16, words: Rect) {
        let last = self.lines(words.width).len();
        let last = last.saturating_sub(words.height.into());
        let top = self.top.min(last).saturating_add_signed(lines.into());
        self.top = top.min(last);
    }

    /// Has the words wrapped for a place that is so wide.
    pub fn resize(&mut self, columns: u16) {
        if self.wrapped.0 != columns {
            self.wrapped = (columns, wrap(&self.words, columns.into()));
        }
    }

    /// The server's words in lines of so many columns.
    pub fn lines(&self, columns: u16) -> Cow<'_, [String]> {
        match &self.wrapped {
            (known, lines) if *known == columns => lines.into(),
            _ => wrap(&self.words, columns.into()).into(),
        }
    }

    /// Takes a key that is text.
    fn key(&mut self, key: &KeyEvent, height: u16) {
        self.trouble = None;
        match &mut self.body {
            Body::Json(editor) => {
                editor.key(key, height);
            }
            Body::Fields {
                fields, selected, ..
            } => {
                if let Some(field) = fields.get_mut(*selected) {
                    field.key(key);
                }
            }
            Body::Url(_) | Body::Unknown => {}
        }
    }

    /// What is no text in a form with fields: going from one to the next, and choosing.
    fn fill_in(&mut self, action: Action) {
        self.trouble = None;
        let Body::Fields {
            fields, selected, ..
        } = &mut self.body
        else {
            return;
        };
        match action {
            Action::Up => *selected = selected.saturating_sub(1),
            Action::Down => *selected = (*selected + 1).min(fields.len().saturating_sub(1)),
            _ => {
                if let Some(field) = fields.get_mut(*selected) {
                    field.choose(action);
                }
            }
        }
    }

    fn paste(&mut self, text: &str, height: u16) {
        match &mut self.body {
            Body::Json(editor) => editor.paste(text, height),
            Body::Fields {
                fields, selected, ..
            } => {
                if let Some(Field {
                    value: Value::Text(prompt),
                    ..
                }) = fields.get_mut(*selected)
                {
                    prompt.paste(text);
                }
            }
            Body::Url(_) | Body::Unknown => {}
        }
    }

    fn select(&mut self, at: usize) {
        if let Body::Fields { selected, .. } = &mut self.body {
            *selected = at;
        }
    }

    fn edited(&mut self, text: &str) {
        if let Body::Json(editor) = &mut self.body {
            editor.replace(text.trim_end());
        }
    }

    /// What to send back. `None` while what was typed cannot be sent; [`Form::trouble`] then says why.
    pub fn answer(&mut self, choice: Choice) -> Option<Answer> {
        let action = |action: &str| Some(Answer::Result(format!(r#"{{"action":"{action}"}}"#)));
        let rejected = |message: &str| {
            Some(Answer::Error {
                code: REJECTED,
                message: message.to_owned(),
            })
        };
        match (&self.body, choice) {
            (Body::Unknown, _) => Some(Answer::Error {
                code: METHOD_NOT_FOUND,
                message: "Method not found".to_owned(),
            }),
            (Body::Url(_), Choice::Accept) => action("accept"),
            (Body::Fields { .. } | Body::Url(_), Choice::Decline) => action("decline"),
            (Body::Fields { .. } | Body::Url(_), Choice::Cancel) => action("cancel"),
            (Body::Fields { schema, fields, .. }, Choice::Accept) => {
                let content = content(fields);
                if let Some((at, why)) = wrong(schema, fields, &content) {
                    self.trouble = Some(why);
                    self.select(at);
                    return None;
                }
                Some(Answer::Result(format!(
                    r#"{{"action":"accept","content":{content}}}"#
                )))
            }
            (Body::Json(editor), Choice::Accept) => {
                let text = minify(&editor.text());
                let json =
                    Document::new(text.clone().into_bytes()).is_json() && !text.contains('\n');
                if !json || !text.starts_with('{') {
                    self.trouble = Some("an answer must be one JSON object".to_owned());
                    return None;
                }
                Some(Answer::Result(text))
            }
            (Body::Json(_), _) => rejected("The user declined the request"),
        }
    }
}

/// The first field with something wrong, and what that is.
fn wrong(schema: &str, fields: &[Field], content: &str) -> Option<(usize, String)> {
    let missing = |field: &Field| field.argument.required && field.json().is_none();
    if let Some(at) = fields.iter().position(missing) {
        return Some((at, format!("{} is needed", fields[at].label)));
    }
    // A schema that cannot be used does not stand in the way.
    let verdict = schema::validate(schema, content).ok()?;
    let first = verdict.violations.into_iter().next()?;
    let name = first.pointer.split('/').nth(1).unwrap_or_default();
    let at = fields.iter().position(|field| field.argument.name == name);
    let place = at.map_or_else(String::new, |at| format!("{}: ", fields[at].label));
    Some((at.unwrap_or(0), format!("{place}{}", first.message)))
}

fn fields(schema: &str) -> Body {
    let fields = schema::arguments(schema)
        .into_iter()
        // What lies inside a member is typed as the member's JSON.
        .filter_map(|argument| {
            let property = object::at(schema, &["properties", &argument.name])?;
            Some(Field::new(argument, property))
        })
        .collect();
    Body::Fields {
        schema: schema.to_owned(),
        fields,
        selected: 0,
    }
}

fn content(fields: &[Field]) -> String {
    let mut content = String::from("{");
    for field in fields {
        if let Some(json) = field.json() {
            let comma = if content.len() > 1 { "," } else { "" };
            let name = serde_json::Value::from(field.argument.name.as_str());
            let _ = write!(content, "{comma}{name}:{json}");
        }
    }
    content.push('}');
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::keymap;
    use ratatui::crossterm::event::{KeyCode, KeyModifiers};

    fn press(form: &mut Form, code: KeyCode) {
        let key = KeyEvent::new(code, KeyModifiers::NONE);
        let action = keymap::lookup(&form.contexts(), &key);
        form.update(
            action.map_or(Input::Key(key), Input::Action),
            Rect::new(0, 0, 80, 24),
        );
    }

    fn type_text(form: &mut Form, text: &str) {
        for c in text.chars() {
            press(form, KeyCode::Char(c));
        }
    }

    const ELICITATION: &str = r#"{"message":"Who?","requestedSchema":{"type":"object","properties":{
        "name":{"type":"string"},"age":{"type":"integer","default":7},"ok":{"type":"boolean"},
        "size":{"type":"string","enum":["s","m"]},"pet":{"type":"string","oneOf":[{"const":"c","title":"Cat"}]}},
        "required":["name"]}}"#;

    #[test]
    fn a_form_answers_with_the_types_that_were_asked_for() {
        let mut form = Form::new(methods::ELICITATION, ELICITATION);
        assert_eq!(form.words, "Who?");
        type_text(&mut form, "42");
        press(&mut form, KeyCode::Down);
        press(&mut form, KeyCode::Down);
        press(&mut form, KeyCode::Char('n'));
        press(&mut form, KeyCode::Down);
        press(&mut form, KeyCode::Right);
        press(&mut form, KeyCode::Right);
        press(&mut form, KeyCode::Down);
        press(&mut form, KeyCode::Char('c'));
        let answer = r#"{"action":"accept","content":{"name":"42","age":7,"ok":false,"size":"m","pet":"c"}}"#;
        assert_eq!(
            form.answer(Choice::Accept),
            Some(Answer::Result(answer.into()))
        );
    }

    #[test]
    fn what_the_schema_forbids_is_not_sent_and_said() {
        let mut form = Form::new(methods::ELICITATION, ELICITATION);
        assert_eq!(form.answer(Choice::Accept), None);
        assert!(
            form.trouble
                .as_deref()
                .is_some_and(|why| why.contains("name")),
            "{:?}",
            form.trouble
        );
        type_text(&mut form, "x");
        press(&mut form, KeyCode::Down);
        type_text(&mut form, "x");
        assert_eq!(form.answer(Choice::Accept), None);
        assert_eq!(
            form.answer(Choice::Decline),
            Some(Answer::Result(r#"{"action":"decline"}"#.into()))
        );
        assert_eq!(
            form.answer(Choice::Cancel),
            Some(Answer::Result(r#"{"action":"cancel"}"#.into()))
        );
    }

    #[test]
    fn a_completion_is_typed_into_a_skeleton() {
        let params = r#"{"messages":[{"role":"user","content":{"type":"text","text":"Hi"}},
            {"role":"user","content":[{"type":"image","data":"…"}]}],"systemPrompt":"Be","maxTokens":9}"#;
        let mut form = Form::new(methods::SAMPLING, params);
        assert_eq!(
            form.words,
            "system: Be\nuser: Hi\nuser: {\"type\":\"image\",\"data\":\"…\"}\nmaxTokens: 9\n"
        );
        type_text(&mut form, "Hello");
        let Some(Answer::Result(answer)) = form.answer(Choice::Accept) else {
            panic!("{:?}", form.trouble)
        };
        assert_eq!(
            object::string_at(&answer, &["content", "text"]).as_deref(),
            Some("Hello")
        );
        assert!(matches!(
            form.answer(Choice::Decline),
            Some(Answer::Error { code: -1, .. })
        ));
        type_text(&mut form, "\"");
        assert_eq!(form.answer(Choice::Accept), None);
    }

    #[test]
    fn a_page_is_shown_and_never_more() {
        let mut form = Form::new(
            methods::ELICITATION,
            r#"{"mode":"url","url":"https://x","message":"Pay"}"#,
        );
        assert!(matches!(&form.body, Body::Url(url) if url == "https://x"));
        assert_eq!(
            form.answer(Choice::Accept),
            Some(Answer::Result(r#"{"action":"accept"}"#.into()))
        );
    }

    #[test]
    fn roots_may_be_none_and_what_nobody_knows_is_not_found() {
        let mut form = Form::new(methods::ROOTS, "{}");
        assert_eq!(
            form.answer(Choice::Accept),
            Some(Answer::Result(r#"{"roots":[]}"#.into()))
        );
        type_text(&mut form, r#"{"uri":"file:///a"}"#);
        assert_eq!(
            form.answer(Choice::Accept),
            Some(Answer::Result(r#"{"roots":[{"uri":"file:///a"}]}"#.into()))
        );
        assert!(matches!(
            Form::new("vendor/thing", "").answer(Choice::Accept),
            Some(Answer::Error {
                code: METHOD_NOT_FOUND,
                ..
            })
        ));
    }
}
