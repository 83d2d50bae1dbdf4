//! The help overlay: every key, those of the place it was opened from first.

use super::movement::moved;
use crate::ui::keymap::{self, Action, Binding, Context};

/// Columns of the screen that a line of help takes.
pub const COLUMN: u16 = 60;

/// Words that a filter of Traffic takes for more than texts.
const WORDS: (&str, &str) = ("ok error … #2", "that STATUS; session 2; \"ok\" a text");

#[derive(Debug, Clone)]
pub struct Help {
    /// In which order the contexts stand.
    contexts: Vec<Context>,
    pub top: usize,
}

/// A line of the help.
#[derive(Debug, Clone, Copy)]
pub enum Line {
    Title(Context),
    Key(&'static Binding),
    /// What can be typed, and what it finds.
    Words(&'static str, &'static str),
    Blank,
}

impl Help {
    pub fn new(here: &[Context]) -> Self {
        let mut contexts = here.to_vec();
        // What is near comes before the rest.
        let is_near = |table: &&[Binding]| table.iter().any(|it| here.contains(&it.context));
        let tables = keymap::TABLE.iter().copied();
        let near = tables.clone().filter(is_near);
        for binding in near.chain(tables).flatten() {
            if !contexts.contains(&binding.context) {
                contexts.push(binding.context);
            }
        }
        Self { contexts, top: 0 }
    }

    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for context in &self.contexts {
            let mut keys = keymap::of(*context).peekable();
            if keys.peek().is_none() {
                continue;
            }
            if !lines.is_empty() {
                lines.push(Line::Blank);
            }
            lines.push(Line::Title(*context));
            for binding in keys {
                lines.push(Line::Key(binding));
                if (*context, binding.action) == (Context::Traffic, Action::Filter) {
                    lines.push(Line::Words(WORDS.0, WORDS.1));
                }
            }
        }
        lines
    }

    /// Columns of lines side by side.
    pub fn columns(width: u16) -> usize {
        usize::from(width / COLUMN).max(1)
    }

    /// `false` when the help is to be closed. `lines`: as many as are shown.
    pub fn update(&mut self, action: Action, lines: usize) -> bool {
        if action == Action::Back {
            return false;
        }
        let last = self.lines().len().saturating_sub(lines);
        // There is no cursor here: a step is a line of text.
        self.top = moved(self.top, action, lines, last);
        true
    }
}
