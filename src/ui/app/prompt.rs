//! One line of text being typed: a filter or a search.

use crate::ui::text;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Columns kept to the right of the cursor.
const AHEAD: usize = 4;

/// The text and where the cursor stands in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt {
    text: String,
    /// A byte offset on a character border.
    cursor: usize,
    /// What was cleared last.
    earlier: String,
}

impl Prompt {
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Empties it. What it held can be brought back.
    pub fn clear(&mut self) {
        if !self.text.is_empty() {
            self.earlier = std::mem::take(&mut self.text);
        }
        self.cursor = 0;
    }

    /// Brings back what was cleared last; whether that changed anything.
    pub fn recall(&mut self) -> bool {
        if self.earlier.is_empty() {
            return false;
        }
        std::mem::swap(&mut self.text, &mut self.earlier);
        self.cursor = self.text.len();
        true
    }

    /// What of it is shown in so many columns, and the column of the cursor therein: what is typed stays in sight.
    pub fn shown(&self, columns: usize) -> (String, usize) {
        let (before, after) = self.text.split_at(self.cursor);
        let ahead = text::width(&text::clean(after)).clamp(1, AHEAD);
        let before = text::cut_start(before, columns.saturating_sub(ahead));
        let column = text::width(&before);
        let after = text::cut(after, columns.saturating_sub(column));
        (format!("{before}{after}"), column)
    }

    pub fn paste(&mut self, pasted: &str) {
        for c in pasted.chars() {
            self.insert(if c.is_control() { ' ' } else { c });
        }
    }

    /// Whether the text changed.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        let before = self.text.len();
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => drop(self.text.drain(..self.cursor)),
            KeyCode::Char('w') if control => drop(self.text.drain(self.word_start()..self.cursor)),
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.text.len(),
            KeyCode::Char(c) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.insert(c)
            }
            KeyCode::Backspace => drop(self.text.drain(self.left()..self.cursor)),
            KeyCode::Delete => drop(self.text.drain(self.cursor..self.right())),
            KeyCode::Left => self.cursor = self.left(),
            KeyCode::Right => self.cursor = self.right(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => {}
        }
        let changed = self.text.len() != before;
        if changed
            && !matches!(key.code, KeyCode::Char(_) if !control)
            && key.code != KeyCode::Delete
        {
            // What was drained stood before the cursor.
            self.cursor = self.cursor.saturating_sub(before - self.text.len());
        }
        changed
    }

    fn insert(&mut self, c: char) {
        self.text.insert(self.cursor, c);
        self.cursor += c.len_utf8();
    }

    fn left(&self) -> usize {
        self.text[..self.cursor]
            .char_indices()
            .next_back()
            .map_or(0, |(at, _)| at)
    }

    fn right(&self) -> usize {
        self.text[self.cursor..]
            .chars()
            .next()
            .map_or(self.cursor, |c| self.cursor + c.len_utf8())
    }

    fn word_start(&self) -> usize {
        let before = self.text[..self.cursor].trim_end();
        before.rfind(char::is_whitespace).map_or(0, |at| {
            at + before[at..].chars().next().map_or(0, char::len_utf8)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(prompt: &mut Prompt, code: KeyCode, modifiers: KeyModifiers) -> bool {
        prompt.key(&KeyEvent::new(code, modifiers))
    }

    #[test]
    fn typing_moving_and_deleting_respect_characters() {
        let mut prompt = Prompt::default();
        for c in "añ日".chars() {
            assert!(typed(&mut prompt, KeyCode::Char(c), KeyModifiers::NONE));
        }
        assert_eq!(prompt.shown(80).1, 4);
        typed(&mut prompt, KeyCode::Left, KeyModifiers::NONE);
        assert!(typed(&mut prompt, KeyCode::Backspace, KeyModifiers::NONE));
        assert_eq!((prompt.text(), prompt.shown(80).1), ("a日", 1));
        assert!(typed(&mut prompt, KeyCode::Delete, KeyModifiers::NONE));
        assert_eq!((prompt.text(), prompt.shown(80).1), ("a", 1));
        assert!(!typed(&mut prompt, KeyCode::Delete, KeyModifiers::NONE));
    }

    #[test]
    fn the_cursor_stays_in_sight() {
        let mut prompt = Prompt::default();
        prompt.paste("abcdefghij");
        assert_eq!(prompt.shown(11), ("abcdefghij".into(), 10));
        assert_eq!(prompt.shown(10), ("…cdefghij".into(), 9));
        for _ in 0..3 {
            typed(&mut prompt, KeyCode::Left, KeyModifiers::NONE);
        }
        assert_eq!(prompt.shown(8), ("…defghij".into(), 5));
        typed(&mut prompt, KeyCode::Home, KeyModifiers::NONE);
        assert_eq!(prompt.shown(8), ("abcdefg…".into(), 0));
        prompt.paste("日本語");
        for columns in 0..20 {
            let (text, column) = prompt.shown(columns);
            assert!(text::width(&text) <= columns && column <= columns.saturating_sub(1));
        }
    }

    #[test]
    fn what_was_cleared_comes_back() {
        let mut prompt = Prompt::default();
        assert!(!prompt.recall());
        prompt.paste("needle");
        prompt.clear();
        assert!(prompt.is_empty());
        assert!(prompt.recall());
        assert_eq!((prompt.text(), prompt.shown(80).1), ("needle", 6));
    }

    #[test]
    fn words_and_lines_go_at_once() {
        let mut prompt = Prompt::default();
        prompt.paste("one two\nthree");
        assert_eq!(prompt.text(), "one two three");
        typed(&mut prompt, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!((prompt.text(), prompt.shown(80).1), ("one two ", 8));
        typed(&mut prompt, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(prompt.text(), "one ");
        typed(&mut prompt, KeyCode::Char('u'), KeyModifiers::CONTROL);
        assert!(prompt.is_empty() && prompt.shown(80).1 == 0);
    }
}
