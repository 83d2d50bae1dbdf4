//! What the server offers for the argument at the cursor: asked for with a key, chosen from, and put into the text
//! (specification 2025-11-25, server/utilities/completion).

use super::sending::cannot_send;
use super::subject::Subject;
use super::{Focus, Sheet, World};
use crate::capture::record::Location;
use crate::mcp::methods;
use crate::tap::{Refused, Reply};
use crate::ui::app::choices::Choices;
use crate::ui::app::errand::{Errand, News};
use crate::ui::event::{Body, Owner, Step, Token};
use crate::ui::format::{count, plural};
use crate::ui::json::Document;
use crate::ui::keymap::Action;
use crate::wire::object;
use crate::wire::token::{TokenKind, tokens};
use ratatui::layout::Rect;
use serde_json::Value;
use std::ops::Range;

/// Values that are shown. The specification allows a hundred.
const MOST: usize = 1000;
/// The first revision in which the server is told the other arguments, too.
const CONTEXT_SINCE: &str = "2025-06-18";
/// Lines below which a list of values takes the place of the text above it.
const LEAST: u16 = 4;

/// What the server was asked, and what it offers.
#[derive(Debug)]
pub struct Completion {
    /// The argument, and what had been typed of it.
    name: String,
    typed: String,
    errand: Errand,
    /// What it offers, once that is known.
    pub choices: Option<Choices>,
}

/// An argument in the text: its name, where its value stands, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    value: Range<usize>,
    text: String,
}

/// The texts that the object has as members, and where each member begins.
fn fields(text: &str) -> Vec<(usize, Field)> {
    let mut fields = Vec::new();
    let (mut depth, mut key) = (0_usize, None);
    for token in tokens(text) {
        let raw = &text[token.range.clone()];
        match token.kind {
            TokenKind::Punctuation if matches!(raw, "{" | "[") => depth += 1,
            TokenKind::Punctuation if matches!(raw, "}" | "]") => depth = depth.saturating_sub(1),
            TokenKind::Key if depth == 1 => {
                key = object::unescape(raw).map(|name| (token.range.start, name.into_owned()));
            }
            TokenKind::String if depth == 1 => {
                if let (Some((start, name)), Some(text)) = (key.take(), object::unescape(raw)) {
                    let field = Field {
                        name,
                        value: token.range,
                        text: text.into_owned(),
                    };
                    fields.push((start, field));
                }
            }
            _ => {}
        }
    }
    fields
}

/// The argument at this place of the text: the last that begins before it on its line or before, else the first of the line.
fn field_at(text: &str, offset: usize) -> Option<Field> {
    let line = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = text[offset..]
        .find('\n')
        .map_or(text.len(), |at| offset + at);
    let here = fields(text).into_iter();
    let here = here.filter(|(_, field)| field.value.end > line && field.value.start < end);
    let (before, after): (Vec<_>, Vec<_>) = here.partition(|(start, _)| *start <= offset);
    let found = before.into_iter().next_back();
    found.or(after.into_iter().next()).map(|(_, field)| field)
}

/// The params of the request.
fn params(reference: &Value, field: &Field, others: &[Field]) -> String {
    let mut params = serde_json::json!({
        "ref": reference,
        "argument": { "name": field.name, "value": field.text },
    });
    if !others.is_empty() {
        let arguments = others.iter();
        let arguments = arguments.map(|other| (other.name.clone(), other.text.clone().into()));
        params["context"] =
            serde_json::json!({ "arguments": arguments.collect::<serde_json::Map<_, _>>() });
    }
    params.to_string()
}

/// The values in an answer, and how many of how many they are, in words.
fn offered(answer: &str) -> Option<(Vec<String>, String)> {
    let completion = object::at(answer, &["result", "completion"])?;
    let list = object::at(completion, &["values"]).filter(|raw| raw.starts_with('['))?;
    let values: Vec<String> = object::elements(list)
        .take(MOST)
        .map(|raw| object::unescape(raw).map_or_else(|| raw.to_owned(), |text| text.into_owned()))
        .collect();
    let shown = values.len() as u64;
    let total = object::at(completion, &["total"]).and_then(|raw| raw.parse::<u64>().ok());
    let more = object::at(completion, &["hasMore"]) == Some("true")
        || object::elements(list).nth(MOST).is_some();
    let words = match total.filter(|total| *total > shown) {
        Some(total) => format!("{} of {}", count(shown), plural(total, "value")),
        None if more => format!("{}, and there are more", plural(shown, "value")),
        None => plural(shown, "value"),
    };
    Some((values, words))
}

impl Sheet {
    /// Whether there is something to ask for.
    pub(super) fn can_complete(&self, world: &World) -> bool {
        self.why_no_completion(world).is_none()
    }

    fn why_no_completion(&self, world: &World) -> Option<String> {
        if !world.live {
            return Some(cannot_send(world));
        }
        if !matches!(self.subject, Subject::Prompt(_) | Subject::Template(_)) {
            let why = "values are offered for prompts and resource templates only";
            return Some(why.to_owned());
        }
        let offers = world.traffic.inventory().offers(&["completions"]);
        (!offers).then(|| "the server does not say that it offers values".to_owned())
    }

    /// Asks for the values that fit the argument at the cursor.
    pub(super) fn complete(&mut self, world: &World) -> Vec<Step> {
        self.trouble = self.why_no_completion(world);
        if self.trouble.is_some() || self.loading {
            return Vec::new();
        }
        let text = self.editor.text();
        let is_object = Document::new(text.clone().into_bytes()).is_json();
        let field = field_at(&text, self.editor.offset()).filter(|_| is_object);
        let Some(field) = field else {
            let why =
                "put the cursor on an argument with a text in quotes; only those are completed";
            self.trouble = Some(why.to_owned());
            return Vec::new();
        };
        let reference = match &self.subject {
            Subject::Template(uri) => serde_json::json!({ "type": "ref/resource", "uri": uri }),
            _ => serde_json::json!({ "type": "ref/prompt", "name": self.name }),
        };
        let told = world.protocol_version(self.route) >= Some(CONTEXT_SINCE);
        let others = fields(&text).into_iter().map(|(_, other)| other);
        let others = others.filter(|other| told && other.name != field.name);
        let others: Vec<Field> = others.filter(|other| !other.text.is_empty()).collect();
        let params = params(&reference, &field, &others);
        self.sends += 1;
        let token = Token {
            owner: Owner::Sheet,
            number: self.opened << 32 | self.sends,
        };
        let (errand, step) = Errand::new(token, self.route, methods::COMPLETE, &params);
        self.completion = Some(Completion {
            name: field.name,
            typed: field.text,
            errand,
            choices: None,
        });
        vec![step]
    }

    /// The values that one chooses from, while the text has the keys.
    pub fn choices(&self) -> Option<&Choices> {
        let asked = self.completion.as_ref().filter(|_| self.is_writing());
        asked?.choices.as_ref()
    }

    /// Whether the keys go to the text: no answer, no question and no form has them.
    fn is_writing(&self) -> bool {
        let writes = self.focus == Focus::Arguments && self.question.is_none();
        writes && self.shown_round().is_none()
    }

    /// Where they are: below the text, or over its lower part where nothing is below it.
    pub fn choices_place(&self, choices: &Choices, area: Rect) -> Rect {
        let places = self.places(area);
        let top = places.help.y;
        let below = Rect {
            y: top,
            height: places.foot.y.saturating_sub(top),
            ..area
        };
        match below.height >= LEAST {
            true => choices.at_top(below),
            false => choices.at_bottom(Rect {
                y: area.y + area.height / 2,
                height: area.height - area.height / 2,
                ..area
            }),
        }
    }

    /// Whether the command was about values.
    pub(super) fn settle_completion(
        &mut self,
        token: Token,
        outcome: &Result<Reply, Refused>,
    ) -> bool {
        let errand = self.completion.as_mut().map(|it| &mut it.errand);
        errand.is_some_and(|errand| errand.settle(token, outcome))
    }

    /// Follows what the server says; returns the message that is needed.
    pub(super) fn sync_completion(&mut self, world: &World) -> Option<Location> {
        // Who went on to something else does not want values to come up over it.
        if !self.is_writing() {
            self.completion = None;
        }
        let asked = self.completion.as_mut()?;
        if asked.choices.is_some() {
            return None;
        }
        let answer = match asked.errand.news(world) {
            News::OnItsWay => return None,
            News::Failed(why) => return self.give_up(&why),
            News::Done(row) => world.traffic.row(row)?.answer?,
        };
        let read = match world.body(answer) {
            Body::Loading => return Some(answer),
            Body::Failed(why) => Err(format!("the answer cannot be read back: {why}")),
            Body::Loaded(document) => {
                let text = std::str::from_utf8(document.bytes()).unwrap_or_default();
                offered(text).ok_or_else(|| "the answer has no list of them".to_owned())
            }
        };
        match read {
            Err(why) => self.give_up(&why),
            Ok((values, _)) if values.is_empty() && asked.typed.is_empty() => {
                self.give_up("the server has none")
            }
            Ok((values, _)) if values.is_empty() => {
                let why = format!("the server has none that fits “{}”", asked.typed);
                self.give_up(&why)
            }
            Ok((values, words)) => {
                asked.choices = Some(Choices {
                    title: format!("{}   {words}", asked.name),
                    values,
                    selected: 0,
                });
                None
            }
        }
    }

    fn give_up<T>(&mut self, why: &str) -> Option<T> {
        if let Some(asked) = self.completion.take() {
            self.trouble = Some(format!("no values for {}: {why}", asked.name));
        }
        None
    }

    /// What is being asked for.
    pub(super) fn asks_for_values_of(&self) -> Option<&str> {
        let asked = self.completion.as_ref()?;
        asked.choices.is_none().then_some(&asked.name)
    }

    /// The keys while one chooses.
    pub(super) fn choose(&mut self, area: Rect, action: Action) {
        let Some(place) = self.choices().map(|it| self.choices_place(it, area)) else {
            return;
        };
        let Some(asked) = &mut self.completion else {
            return;
        };
        match (action, &mut asked.choices) {
            (Action::Open, Some(choices)) => {
                let value = choices.value().map(str::to_owned);
                if let Some(value) = value {
                    self.take(&value);
                    self.editor.keep_in_sight(self.places(area).editor.height);
                }
                self.completion = None;
            }
            (Action::Back, _) => self.completion = None,
            (_, Some(choices)) => choices.movement(action, place),
            (_, None) => {}
        }
    }

    pub(super) fn point_at_choice(&mut self, place: Rect, y: u16) {
        let choices = self.completion.as_mut().and_then(|it| it.choices.as_mut());
        if let Some(choices) = choices {
            choices.click(place, y);
        }
    }

    /// Puts a value into the text in place of the one that is there.
    fn take(&mut self, value: &str) {
        let Some(asked) = &self.completion else {
            return;
        };
        let text = self.editor.text();
        let fields = fields(&text).into_iter().map(|(_, field)| field);
        let mut its = fields.filter(|field| field.name == asked.name);
        if let Some(field) = its.next() {
            let value = Value::from(value).to_string();
            self.editor.put(field.value, &value);
            self.recheck();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_at(text: &str, before: &str) -> Option<String> {
        let offset = text.find(before).unwrap();
        field_at(text, offset).map(|field| field.name)
    }

    #[test]
    fn the_argument_at_the_cursor_is_the_one_that_one_types() {
        let text = "{\n  \"a\": \"x\",\n  \"b\": \"y\"\n}";
        assert_eq!(name_at(text, "x\"").as_deref(), Some("a"));
        assert_eq!(name_at(text, "  \"b").as_deref(), Some("b"));
        assert_eq!(name_at(text, "y").as_deref(), Some("b"));
        assert_eq!(name_at(text, "}"), None);
        let text = r#"{"a": "x", "b": "y", "c": 1, "d": {"e": "z"}}"#;
        assert_eq!(name_at(text, "{\"a").as_deref(), Some("a"));
        assert_eq!(name_at(text, ", \"b").as_deref(), Some("a"));
        assert_eq!(name_at(text, "y").as_deref(), Some("b"));
        assert_eq!(fields(text).len(), 2);
    }

    #[test]
    fn what_an_answer_offers_is_said_with_how_much_there_is() {
        let offered = |completion: &str| {
            let answer = format!(r#"{{"id":1,"result":{{"completion":{completion}}}}}"#);
            offered(&answer)
        };
        let (values, words) =
            offered(r#"{"values":["a","b\n"],"total":7,"hasMore":true}"#).unwrap();
        assert_eq!(
            (values, &*words),
            (vec!["a".to_owned(), "b\n".to_owned()], "2 of 7 values")
        );
        assert_eq!(
            offered(r#"{"values":["a"],"total":1}"#).unwrap().1,
            "1 value"
        );
        let more = r#"{"values":["a","b"],"hasMore":true}"#;
        assert_eq!(offered(more).unwrap().1, "2 values, and there are more");
        let flood = format!(r#"{{"values":[{}1]}}"#, "1,".repeat(5000));
        let (values, words) = offered(&flood).unwrap();
        assert_eq!(
            (values.len(), &*words),
            (MOST, "1 000 values, and there are more")
        );
        assert_eq!(offered(r#"{"values":"a"}"#), None);
        assert_eq!(offered("[]"), None);
    }
}
