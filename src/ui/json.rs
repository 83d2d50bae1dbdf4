//! A JSON document laid out for reading, over raw bytes that may be anything.
//!
//! [`Document`] is the text with its rows, which `layout` finds once and without a tree: depth, size and spelling do not
//! matter, and every row knows which bytes it stands for. What is not one JSON value is shown as the lines that it has.
//! [`view::View`] is what a person does with it. Knows nothing of MCP, panes or keys.

mod draw;
mod expansion;
mod layout;
mod search;
pub mod view;

use crate::ui::format::plural;
use crate::wire::object;
use crate::wire::token::{TokenKind, tokens};
pub use expansion::base64_len;
use layout::{NONE, Row, Shape, ink_of, json_rows, raw_rows};
pub use search::MOST_MATCHES;

/// Deeper levels are not indented any further: a deep document must not grow with the square of its depth.
const INDENTED: u32 = 40;

/// What a piece of text means, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    Plain,
    Key,
    String,
    Number,
    Literal,
    Punctuation,
    /// What the view adds: fold marks, counts, cuts.
    Note,
}

/// A run of text in one ink. Still raw: whoever draws it neutralises control characters.
pub type Piece = (Ink, String);

/// A document, laid out. Costs one pass to build; immutable after.
#[derive(Debug)]
pub struct Document {
    text: String,
    /// The bytes as they came, when they are not UTF-8 and `text` is only a likeness.
    original: Option<Vec<u8>>,
    rows: Vec<Row>,
    json: bool,
}

impl Document {
    pub fn new(bytes: Vec<u8>) -> Self {
        let (text, original) = match String::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let bytes = error.into_bytes();
                (String::from_utf8_lossy(&bytes).into_owned(), Some(bytes))
            }
        };
        let rows = match original {
            None => json_rows(&text),
            Some(_) => None,
        };
        let json = rows.is_some();
        let rows = rows.unwrap_or_else(|| raw_rows(&text));
        Self {
            text,
            original,
            rows,
            json,
        }
    }

    /// The bytes as they came.
    pub fn bytes(&self) -> &[u8] {
        self.original.as_deref().unwrap_or(self.text.as_bytes())
    }

    /// Whether it is one JSON value.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Laid out as text, everything unfolded and nothing cut, what is short on one line: for editors.
    pub fn pretty(&self) -> String {
        self.laid_out(true)
    }

    /// The same with each value on a line of its own: for comparisons, in which what is short on one side may be long
    /// on the other.
    pub fn one_value_a_line(&self) -> String {
        self.laid_out(false)
    }

    fn laid_out(&self, compact: bool) -> String {
        let mut out = String::with_capacity(self.text.len() * 2);
        let mut index = 0;
        while let Some(row) = self.rows.get(index) {
            for _ in 0..row.depth.min(INDENTED) {
                out.push_str("  ");
            }
            self.write_key(row, &mut out);
            match row.shape {
                Shape::Open if row.short && compact => {
                    for (_, text) in self.compact(row) {
                        out.push_str(&text);
                    }
                }
                Shape::Open => out.push(self.bracket(row)),
                Shape::Close => out.push(self.bracket(row)),
                Shape::Empty => {
                    let open = self.bracket(row);
                    out.push(open);
                    out.push(closing(open));
                }
                Shape::Scalar | Shape::Raw => out.push_str(self.slice(row.value)),
            }
            let last = if row.shape == Shape::Open && row.short && compact {
                row.pair as usize
            } else {
                index
            };
            if self.rows[last].comma {
                out.push(',');
            }
            out.push('\n');
            index = last + 1;
        }
        out.pop();
        out
    }

    fn write_key(&self, row: &Row, out: &mut String) {
        if row.key.0 != row.key.1 {
            out.push_str(self.slice(row.key));
            out.push_str(": ");
        }
    }

    fn slice(&self, (start, end): (u32, u32)) -> &str {
        &self.text[start as usize..end as usize]
    }

    /// The row's own bracket.
    fn bracket(&self, row: &Row) -> char {
        let text = self.slice(row.value);
        let bracket = match row.shape {
            Shape::Close => text.chars().next_back(),
            _ => text.chars().next(),
        };
        bracket.unwrap_or(' ')
    }

    /// A short container on one row.
    fn compact(&self, row: &Row) -> Vec<Piece> {
        let text = self.slice(row.value);
        let mut pieces: Vec<Piece> = Vec::new();
        let last = text.len() - 1;
        for token in tokens(text) {
            let (ink, spelled) = (ink_of(token.kind), &text[token.range.clone()]);
            let spelled = match spelled {
                _ if token.kind == TokenKind::Space => continue,
                ":" => ": ".to_owned(),
                "," => ", ".to_owned(),
                "{" | "[" => format!("{spelled} "),
                "}" | "]" if token.range.start == last => format!(" {spelled}"),
                other => other.to_owned(),
            };
            pieces.push((ink, spelled));
        }
        pieces
    }

    /// A folded container by the names or the number of what is inside.
    fn outlined(&self, index: u32) -> Vec<Piece> {
        const NAMES: usize = 100;
        let row = &self.rows[index as usize];
        let open = self.bracket(row);
        let mut inside = String::new();
        if open == '[' {
            inside = row.count.to_string();
        } else {
            let mut child = index + 1;
            while child < row.pair {
                let member = &self.rows[child as usize];
                if !inside.is_empty() {
                    inside.push_str(", ");
                }
                if inside.len() > NAMES {
                    inside.push('…');
                    break;
                }
                let key = self.slice(member.key);
                inside.extend(key.trim_matches('"').chars().take(NAMES));
                child = self.next_sibling(child);
            }
        }
        vec![
            (Ink::Punctuation, format!("{open} ")),
            (Ink::Note, inside),
            (Ink::Punctuation, format!(" {}", closing(open))),
        ]
    }

    /// What a string in base64 holds: one beside a `mimeType`, or the `blob` of a resource.
    fn blob(&self, row: &Row) -> Option<String> {
        const MEMBERS: usize = 20;
        if row.shape != Shape::Scalar || row.ink != Ink::String {
            return None;
        }
        let bytes = expansion::decoded_len(self.slice(row.value))?;
        let parent = self.rows.get(row.parent as usize)?;
        let members = std::iter::successors(Some(row.parent + 1), |member| {
            Some(self.next_sibling(*member))
        });
        let kind = members
            .take_while(|member| *member < parent.pair)
            .take(MEMBERS)
            .map(|member| &self.rows[member as usize])
            .find(|member| self.slice(member.key) == r#""mimeType""#);
        let size = plural(bytes, "byte");
        let Some(kind) = kind else {
            return (self.slice(row.key) == r#""blob""#).then_some(size);
        };
        let kind = object::unescape(self.slice(kind.value))?;
        let kind: String = kind.chars().take(60).collect();
        Some(format!("{kind}, {size}"))
    }

    /// What a row stands for, as it stands in the document.
    fn value(&self, index: u32) -> &str {
        let row = &self.rows[index as usize];
        self.slice(row.value)
    }

    /// Where the row stands in the document, as a JSON Pointer.
    fn pointer(&self, index: u32) -> String {
        let mut steps = Vec::new();
        let mut at = index;
        while let Some(row) = self.rows.get(at as usize) {
            if row.shape == Shape::Close {
                at = row.pair;
                continue;
            }
            if row.parent == NONE {
                break;
            }
            steps.push(if row.key.0 == row.key.1 {
                self.position_in(row.parent, at).to_string()
            } else {
                let key = object::unescape(self.slice(row.key)).unwrap_or_default();
                key.replace('~', "~0").replace('/', "~1")
            });
            at = row.parent;
        }
        steps.iter().rev().fold(String::new(), |mut path, step| {
            path.push('/');
            path.push_str(step);
            path
        })
    }

    /// The line of the text, from 0, on which the value at a JSON Pointer starts.
    pub fn line_of(&self, pointer: &str) -> Option<usize> {
        let row = self.rows.get(self.find(pointer)? as usize)?;
        Some(self.text[..row.value.0 as usize].matches('\n').count())
    }

    fn find(&self, pointer: &str) -> Option<u32> {
        let mut at = 0;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let parent = self.rows.get(at as usize)?;
            if parent.shape != Shape::Open {
                return None;
            }
            let mut found = None;
            let (mut child, mut position) = (at + 1, 0);
            while child < parent.pair {
                let row = &self.rows[child as usize];
                let named = match parent.object {
                    true => object::unescape(self.slice(row.key)).is_some_and(|key| key == *step),
                    false => step.parse() == Ok(position),
                };
                // The last of members with the same name is the one that counts.
                if named {
                    found = Some(child);
                }
                child = self.next_sibling(child);
                position += 1;
            }
            at = found?;
        }
        Some(at)
    }

    fn next_sibling(&self, index: u32) -> u32 {
        let row = &self.rows[index as usize];
        match row.shape {
            Shape::Open => row.pair + 1,
            _ => index + 1,
        }
    }

    fn position_in(&self, parent: u32, index: u32) -> usize {
        let mut position = 0;
        let mut child = parent + 1;
        while child < index {
            child = self.next_sibling(child);
            position += 1;
        }
        position
    }
}

fn closing(open: char) -> char {
    if open == '{' { '}' } else { ']' }
}

/// Valid JSON without the white space between its tokens; nothing else is touched. One line, unless a string holds a
/// raw line break, which JSON forbids.
pub fn minify(text: &str) -> String {
    tokens(text)
        .filter(|token| token.kind != TokenKind::Space)
        .map(|token| &text[token.range])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::new(text.as_bytes().to_vec())
    }

    #[test]
    fn laying_out_keeps_every_spelling() {
        let text = r#"{"a":[1.0,1e400,-0,12345678901234567890],"a":"\ud800","b":{"c":{"d":null}}}"#;
        let pretty = document(text).pretty();
        assert_eq!(minify(&pretty), text);
        assert_eq!(
            pretty,
            "{\n  \"a\": [ 1.0, 1e400, -0, 12345678901234567890 ],\n  \"a\": \"\\ud800\",\n  \"b\": {\n    \"c\": { \"d\": null }\n  }\n}"
        );
    }

    #[test]
    fn what_is_not_one_json_value_is_shown_as_its_lines() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\"}",
            "1 2",
            "{]",
            "[}",
            "nope",
            "[1}",
            ",",
            ":",
            "]",
            "{1:2}",
        ] {
            let document = document(text);
            assert!(!document.is_json(), "{text}");
            assert_eq!(document.pretty(), text);
        }
        assert_eq!(document("a\nb\n").rows.len(), 2);
        for text in ["1", " \"a\" ", "{}", "[]", "[[],{}]", "null\r\n"] {
            assert!(document(text).is_json(), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_not_text_come_back_as_they_were() {
        let bytes = b"[\"\xff\xfe\"]".to_vec();
        let document = Document::new(bytes.clone());
        assert_eq!(document.bytes(), bytes);
        assert!(!document.is_json());
    }

    #[test]
    fn depth_costs_nothing() {
        let text = format!("{}1{}", "{\"a\":[".repeat(50_000), "]}".repeat(50_000));
        let document = document(&text);
        assert!(document.is_json());
        assert_eq!(
            document.pointer(document.rows.len() as u32 / 2).len(),
            50_000 * 4
        );
        assert!(document.pretty().len() < text.len() * 50);
    }
}
