//! JSON being typed: the text, where the cursor is, and which part of it is on the screen.

use crate::wire::token::{Token, TokenKind, tokens};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::ops::Range;
use tui_textarea::{CursorMove, TextArea};

/// Columns left of the text, for marks.
pub const GUTTER: u16 = 2;

#[derive(Debug, Default)]
pub struct Editor {
    area: TextArea<'static>,
    top: usize,
}

impl Editor {
    pub fn new(text: &str) -> Self {
        let mut editor = Self {
            area: TextArea::from(lines_of(text)),
            top: 0,
        };
        editor.area.set_tab_length(2);
        editor
    }

    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Whether this is the text, without making it.
    pub fn holds(&self, text: &str) -> bool {
        let lines = self.area.lines().iter().map(String::as_str);
        lines.eq(text.split('\n'))
    }

    /// Replaces everything; undo brings the old text back.
    pub fn replace(&mut self, text: &str) {
        self.area.select_all();
        self.area.insert_str(lines_of(text).join("\n"));
        self.go_to(0, 0);
        self.top = 0;
    }

    pub fn lines(&self) -> &[String] {
        self.area.lines()
    }

    /// Line and column of the cursor, in characters.
    pub fn cursor(&self) -> (usize, usize) {
        let cursor = self.area.cursor();
        (cursor.0, cursor.1)
    }

    /// What is selected, from and to, as [`Editor::cursor`] counts.
    pub fn selection(&self) -> Option<((usize, usize), (usize, usize))> {
        self.area.selection_range()
    }

    /// The first line on the screen.
    pub fn top(&self) -> usize {
        self.top
    }

    /// Puts the cursor behind the first value, or into the first brackets that are empty: where one starts to type.
    pub fn go_to_first_value(&mut self) {
        let text = self.text();
        match first_value(&text) {
            Some(value) => self.go_to_offset(&text, value.end),
            // Broken off in the middle of one: that is where one goes on.
            None => self.go_to_end(),
        }
    }

    /// The same, and what is typed takes the place of that value.
    pub fn select_first_value(&mut self) {
        let text = self.text();
        if let Some(value) = first_value(&text).filter(|value| !value.is_empty()) {
            self.go_to_offset(&text, value.start);
            self.area.start_selection();
        }
        self.go_to_first_value();
    }

    /// Puts the cursor behind the value of the first member with this name, or the first value inside.
    pub fn go_to_value_of(&mut self, name: &str) {
        let text = self.text();
        let name = format!("\"{name}\"");
        let key = tokens(&text)
            .find(|token| token.kind == TokenKind::Key && text[token.range.clone()] == name);
        let from = key.map_or(text.len(), |key| key.range.end);
        if let Some(value) = first_value(&text[from..]) {
            self.go_to_offset(&text, from + value.end);
        }
    }

    /// Where the cursor is in the text, in bytes.
    pub fn offset(&self) -> usize {
        let (row, column) = self.cursor();
        let lines = self.area.lines();
        let above: usize = lines.iter().take(row).map(|line| line.len() + 1).sum();
        let within = lines.get(row).map_or(0, |line| {
            let mut characters = line.char_indices();
            characters.nth(column).map_or(line.len(), |(at, _)| at)
        });
        above + within
    }

    /// Puts a string in the place of another; the cursor comes before its closing quote.
    pub fn put(&mut self, place: Range<usize>, string: &str) {
        let end = place.start + string.len().saturating_sub(1);
        let mut text = self.text();
        text.replace_range(place, string);
        self.replace(&text);
        self.go_to_offset(&text, end);
    }

    /// Puts the cursor at a byte of the text.
    fn go_to_offset(&mut self, text: &str, offset: usize) {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        self.go_to(before.matches('\n').count(), line.chars().count());
    }

    /// Puts the cursor behind the last character.
    pub fn go_to_end(&mut self) {
        self.area.move_cursor(CursorMove::Bottom);
        self.area.move_cursor(CursorMove::End);
    }

    fn go_to(&mut self, row: usize, column: usize) {
        let clamp = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        self.area
            .move_cursor(CursorMove::Jump(clamp(row), clamp(column)));
    }

    /// Types a key; whether the text changed. A new line starts where the one before does, deeper after a bracket.
    pub fn key(&mut self, key: &KeyEvent, height: u16) -> bool {
        let plain = !key
            .modifiers
            .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let page = i16::try_from(height).unwrap_or(i16::MAX);
        let changed = match key.code {
            KeyCode::Enter if plain => {
                self.area.insert_str(format!("\n{}", self.indent()));
                true
            }
            KeyCode::PageUp => {
                self.scroll(-page, height);
                false
            }
            KeyCode::PageDown => {
                self.scroll(page, height);
                false
            }
            _ => self.area.input(*key),
        };
        self.keep_in_sight(height);
        changed
    }

    pub fn paste(&mut self, text: &str, height: u16) {
        self.area.insert_str(lines_of(text).join("\n"));
        self.keep_in_sight(height);
    }

    /// The wheel: the cursor comes along.
    pub fn scroll(&mut self, lines: i16, height: u16) {
        let last = self.area.lines().len().saturating_sub(1);
        let row = self
            .cursor()
            .0
            .saturating_add_signed(isize::from(lines))
            .min(last);
        self.go_to(row, self.cursor().1);
        self.keep_in_sight(height);
    }

    /// Puts the cursor on a place of the screen, counted from the text's upper left corner.
    pub fn click(&mut self, column: u16, line: u16) {
        let row = (self.top + usize::from(line)).min(self.area.lines().len().saturating_sub(1));
        self.area.cancel_selection();
        self.go_to(row, usize::from(column));
    }

    /// Moves what is shown so that the cursor's line is in it, and no room is left below what could be shown above.
    pub fn keep_in_sight(&mut self, height: u16) {
        let (row, _) = self.cursor();
        let height = usize::from(height).max(1);
        let lowest = (row + 1).saturating_sub(height);
        let last = self.lines().len().saturating_sub(height);
        self.top = self.top.min(last).clamp(lowest, row);
    }

    fn indent(&self) -> String {
        let (row, column) = self.cursor();
        let before: String = self.area.lines()[row].chars().take(column).collect();
        let spaces = before.len() - before.trim_start_matches(' ').len();
        let deeper = matches!(before.trim_end().chars().next_back(), Some('{' | '['));
        " ".repeat(spaces + if deeper { 2 } else { 0 })
    }
}

/// The first value that has no other inside, without its quotes or brackets.
fn first_value(text: &str) -> Option<Range<usize>> {
    let mut opened = None;
    for Token { kind, range } in tokens(text) {
        match (kind, &text[range.clone()]) {
            (TokenKind::String, _) => {
                let start = range.start + 1;
                return Some(start..range.end.saturating_sub(1).max(start));
            }
            (TokenKind::Number | TokenKind::Literal, _) => return Some(range),
            (TokenKind::Punctuation, "{" | "[") => opened = Some(range.end),
            (TokenKind::Punctuation, "}" | "]") if opened.is_some() => {
                return opened.map(|at| at..at);
            }
            (TokenKind::Space, _) => {}
            _ => opened = None,
        }
    }
    opened.map(|at| at..at)
}

/// Lines without the line ends that other systems and terminals write.
fn lines_of(text: &str) -> Vec<String> {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .split('\n')
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(editor: &mut Editor, code: KeyCode) -> bool {
        editor.key(&KeyEvent::new(code, KeyModifiers::NONE), 10)
    }

    #[test]
    fn typing_starts_at_the_first_value_and_new_lines_are_indented() {
        let mut editor = Editor::new("{\n  \"name\": \"\"\n}");
        editor.go_to_first_value();
        assert!(press(&mut editor, KeyCode::Char('x')));
        assert_eq!(editor.text(), "{\n  \"name\": \"x\"\n}");
        press(&mut editor, KeyCode::End);
        press(&mut editor, KeyCode::Char(','));
        press(&mut editor, KeyCode::Enter);
        assert_eq!(editor.lines()[2], "  ");
        press(&mut editor, KeyCode::Char('['));
        press(&mut editor, KeyCode::Enter);
        assert_eq!(editor.lines()[3], "    ");
        assert!(!press(&mut editor, KeyCode::Left));
    }

    #[test]
    fn what_is_typed_first_takes_the_place_of_the_first_value() {
        for (text, typed) in [
            (
                "{\n  \"a\": 0,\n  \"b\": 0\n}",
                "{\n  \"a\": 5,\n  \"b\": 0\n}",
            ),
            ("{\n  \"größe\": true\n}", "{\n  \"größe\": 5\n}"),
            ("{\n  \"unit\": \"metric\"\n}", "{\n  \"unit\": \"5\"\n}"),
            ("{\n  \"unit\": \"\"\n}", "{\n  \"unit\": \"5\"\n}"),
            (
                "{\n  \"at\": {\n    \"x\": 0\n  }\n}",
                "{\n  \"at\": {\n    \"x\": 5\n  }\n}",
            ),
            ("{\n  \"list\": []\n}", "{\n  \"list\": [5]\n}"),
            (
                "{\n  \"at\": { \"x\": 0 }\n}",
                "{\n  \"at\": { \"x\": 5 }\n}",
            ),
            ("{}", "{5}"),
            ("{\n}", "{5\n}"),
        ] {
            let mut editor = Editor::new(text);
            editor.select_first_value();
            press(&mut editor, KeyCode::Char('5'));
            assert_eq!(editor.text(), typed);
        }
    }

    #[test]
    fn what_was_typed_before_is_typed_on_behind_its_first_value() {
        for (text, typed) in [
            ("{\n  \"a\": 7\n}", "{\n  \"a\": 75\n}"),
            ("{\"a\": \"x\"}", "{\"a\": \"x5\"}"),
        ] {
            let mut editor = Editor::new(text);
            editor.go_to_first_value();
            press(&mut editor, KeyCode::Char('5'));
            assert_eq!(editor.text(), typed);
        }
        let mut editor = Editor::new("{\n  \"id\": 1,\n  \"arguments\": {\n    \"a\": 7\n  }\n}");
        editor.go_to_value_of("arguments");
        press(&mut editor, KeyCode::Char('5'));
        assert_eq!(editor.lines()[3], "    \"a\": 75");
    }

    #[test]
    fn pasted_lines_keep_their_breaks_and_replaced_text_can_be_brought_back() {
        let mut editor = Editor::new("old");
        editor.replace("{\r\n}");
        assert_eq!(editor.lines(), ["{", "}"]);
        assert!(editor.holds(&editor.text()) && !editor.holds("{") && !editor.holds("{\n}\n"));
        editor.paste("a\rb", 10);
        assert_eq!(editor.text(), "a\nb{\n}");
        for _ in 0..3 {
            editor.key(
                &KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL),
                10,
            );
        }
        assert_eq!(editor.text(), "old");
    }

    #[test]
    fn a_string_takes_the_place_of_another_and_one_types_on_at_its_end() {
        let mut editor = Editor::new("{\n  \"größe\": \"ä\"\n}");
        editor.go_to_first_value();
        let end = editor.offset() + 1;
        editor.put(end - "\"ä\"".len()..end, "\"öl\"");
        press(&mut editor, KeyCode::Char('x'));
        assert_eq!(editor.text(), "{\n  \"größe\": \"ölx\"\n}");
        editor.go_to_end();
        assert_eq!(editor.offset(), editor.text().len());
    }

    #[test]
    fn the_cursor_stays_on_the_screen() {
        let mut editor = Editor::new(&"\n".repeat(100));
        for _ in 0..50 {
            press(&mut editor, KeyCode::Down);
        }
        assert_eq!(editor.top(), 41);
        editor.click(0, 0);
        assert_eq!(editor.cursor().0, 41);
        editor.scroll(-45, 10);
        assert_eq!(editor.top(), 0);
    }
}
