//! Draws a [`View`]: what is on the screen and no more.

use super::expansion::{CUT, Expansion, cut_at};
use super::view::{Entry, View};
use super::{Document, Ink, Piece, Row, Shape};
use crate::ui::format;
use crate::ui::text::clean;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// How a container is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folding {
    Unfolded,
    /// Folded, and the whole of it fits.
    OnOneLine,
    /// Folded to what it consists of.
    Outlined,
}

impl View {
    fn folding(&self, index: u32) -> Folding {
        match self.folded.contains(&index) {
            false => Folding::Unfolded,
            true if self.fits(&self.document.rows[index as usize]) => Folding::OnOneLine,
            true => Folding::Outlined,
        }
    }

    fn marked(&self, index: u32, row: &Row) -> &'static str {
        let open = match row.shape {
            Shape::Open => match self.folding(index) {
                Folding::Unfolded => true,
                Folding::Outlined => false,
                Folding::OnOneLine => return "  ",
            },
            Shape::Scalar | Shape::Raw if self.can_expand(row) => {
                self.expanded.contains_key(&index)
            }
            _ => return "  ",
        };
        if open { "▾ " } else { "▸ " }
    }

    /// What an entry says, uncut by the screen.
    pub(super) fn pieces(&self, entry: Entry) -> (usize, Vec<Piece>) {
        let row = &self.document.rows[entry.row as usize];
        let indent = row.depth as usize * 2;
        if entry.part > 0 {
            return self.expanded_pieces(entry, indent + 2);
        }
        let mut pieces = vec![(Ink::Note, self.marked(entry.row, row).to_owned())];
        if let Some(expansion) = self.expanded.get(&entry.row) {
            self.document.key_pieces(row, &mut pieces);
            let what = match expansion {
                Expansion::Text { extent, .. } => extent.clone(),
                Expansion::Nested(_) => "JSON in a string".to_owned(),
            };
            pieces.push((Ink::Note, what));
        } else {
            let folding = self.folding(entry.row);
            self.document.row_pieces(entry.row, folding, &mut pieces);
        }
        (indent, pieces)
    }

    fn expanded_pieces(&self, entry: Entry, indent: usize) -> (usize, Vec<Piece>) {
        let rule = (Ink::Note, "│ ".to_owned());
        match self.expanded.get(&entry.row) {
            Some(Expansion::Text { parts, .. }) => {
                let part = parts.get(entry.part as usize - 1);
                // The rule marks lines; where one goes on, it looks as if it were wrapped.
                let start = match part.is_some_and(|part| part.goes_on) {
                    true => (Ink::Plain, " ".repeat(4)),
                    false => rule,
                };
                let text = part.map(|part| part.text.clone());
                (indent, vec![start, (Ink::String, text.unwrap_or_default())])
            }
            Some(Expansion::Nested(document)) => {
                let nested = entry.part - 1;
                let depth = document.rows[nested as usize].depth as usize;
                let mut pieces = vec![rule, (Ink::Plain, " ".repeat((depth * 2).min(40)))];
                document.row_pieces(nested, Folding::Unfolded, &mut pieces);
                (indent, pieces)
            }
            None => (indent, Vec::new()),
        }
    }

    /// Breaks an entry into the lines that it takes on the screen.
    pub(super) fn wrapped(&self, (indent, pieces): (usize, Vec<Piece>)) -> Vec<Vec<Piece>> {
        let width = usize::from(self.size.0).max(4);
        let indent = indent.min(width / 2);
        let hang = (indent + 4).min(width / 2);
        let mut lines = vec![vec![(Ink::Plain, " ".repeat(indent))]];
        let mut used = indent;
        for (ink, text) in pieces {
            let text = clean(&text);
            let mut run = String::new();
            // A short piece is not taken apart.
            let whole = text.trim_end().width();
            if used > hang && used + whole > width && whole <= width / 3 {
                lines.push(vec![(Ink::Plain, " ".repeat(hang))]);
                used = hang;
            }
            for grapheme in text.graphemes(true) {
                let columns = grapheme.width();
                if used + columns > width {
                    let word = word_at_end(&mut run, width / 3);
                    push(&mut lines, ink, &mut run);
                    lines.push(vec![(Ink::Plain, " ".repeat(hang))]);
                    used = hang + word.width();
                    run = word;
                }
                run.push_str(grapheme);
                used += columns;
            }
            push(&mut lines, ink, &mut run);
        }
        lines
    }

    /// One line of an entry that is not wrapped, from `left` on, with a mark where it goes on.
    fn clipped(&self, (indent, pieces): (usize, Vec<Piece>)) -> Vec<Piece> {
        let width = usize::from(self.size.0).max(4);
        let mut line = vec![Vec::new()];
        let (mut column, end) = (0, self.left + width - 1);
        let indent = (Ink::Plain, " ".repeat(indent.min(width / 2)));
        for (ink, text) in std::iter::once(indent).chain(pieces) {
            let text = clean(&text);
            let mut run = String::new();
            for grapheme in text.graphemes(true) {
                let columns = grapheme.width();
                if column + columns > end {
                    push(&mut line, ink, &mut run);
                    push(&mut line, Ink::Note, &mut "…".to_owned());
                    return line.remove(0);
                }
                if column >= self.left {
                    run.push_str(grapheme);
                }
                column += columns;
            }
            push(&mut line, ink, &mut run);
        }
        line.remove(0)
    }

    /// The lines to draw, at most as many as the size says. `style` gives an ink its colour, `found` marks matches,
    /// `cursor` the cursor's line when the view has the keys.
    pub fn lines(
        &self,
        style: &dyn Fn(Ink) -> Style,
        found: Style,
        cursor: Option<Style>,
    ) -> Vec<Line<'static>> {
        let height = usize::from(self.size.1);
        let mut lines = Vec::with_capacity(height);
        let mut skip = self.top.1;
        for (index, entry) in self.entries.iter().enumerate().skip(self.top.0) {
            let pieces = self.pieces(*entry);
            let parts = match self.wrap {
                true => self.wrapped(pieces),
                false => vec![self.clipped(pieces)],
            };
            for part in parts.into_iter().skip(std::mem::take(&mut skip)) {
                if lines.len() == height {
                    return lines;
                }
                let mut spans = Vec::with_capacity(part.len());
                for (ink, text) in part {
                    self.spans(text, style(ink), found, &mut spans);
                }
                let line = Line::from(spans);
                lines.push(match cursor {
                    Some(cursor) if index == self.cursor => line.patch_style(cursor),
                    _ => line,
                });
            }
        }
        lines
    }

    fn spans(&self, text: String, style: Style, found: Style, spans: &mut Vec<Span<'static>>) {
        let Some(search) = &self.search else {
            spans.push(Span::styled(text, style));
            return;
        };
        let mut done = 0;
        for hit in search.pattern.find_iter(&text) {
            spans.push(Span::styled(text[done..hit.start()].to_owned(), style));
            spans.push(Span::styled(
                hit.as_str().to_owned(),
                style.patch(found).add_modifier(Modifier::UNDERLINED),
            ));
            done = hit.end();
        }
        spans.push(Span::styled(text[done..].to_owned(), style));
    }
}

impl Document {
    fn key_pieces(&self, row: &Row, pieces: &mut Vec<Piece>) {
        if row.key.0 != row.key.1 {
            pieces.push((Ink::Key, shortened(self.slice(row.key))));
            pieces.push((Ink::Punctuation, ": ".to_owned()));
        }
    }

    /// One row as it stands, long values cut.
    fn row_pieces(&self, index: u32, folding: Folding, pieces: &mut Vec<Piece>) {
        let row = &self.rows[index as usize];
        self.key_pieces(row, pieces);
        let mut comma = row.comma;
        if row.shape == Shape::Open && folding != Folding::Unfolded {
            comma = self.rows[row.pair as usize].comma;
        }
        match row.shape {
            Shape::Open if folding == Folding::OnOneLine => pieces.extend(self.compact(row)),
            Shape::Open if folding == Folding::Outlined => pieces.extend(self.outlined(index)),
            Shape::Open | Shape::Close => {
                pieces.push((Ink::Punctuation, self.bracket(row).to_string()));
            }
            Shape::Empty => {
                let open = self.bracket(row);
                pieces.push((Ink::Punctuation, format!("{open}{}", super::closing(open))));
            }
            Shape::Scalar | Shape::Raw => {
                let value = self.slice(row.value);
                let blob = self.blob(row);
                let whole = blob.is_some() || value.len() <= CUT;
                pieces.push(match blob {
                    Some(what) => (Ink::Note, what),
                    None => (row.ink, value[..cut_at(value, CUT)].to_owned()),
                });
                if !whole {
                    let more = (value.len() - cut_at(value, CUT)) as u64;
                    pieces.push((Ink::Note, format!("… {} more", format::size(more))));
                }
            }
        }
        if comma {
            pieces.push((Ink::Punctuation, ",".to_owned()));
        }
    }
}

fn push(lines: &mut [Vec<Piece>], ink: Ink, run: &mut String) {
    if let Some(line) = lines.last_mut()
        && !run.is_empty()
    {
        line.push((ink, std::mem::take(run)));
    }
}

/// Takes the last word off a line that is full, when it is short enough to be moved to the next.
fn word_at_end(run: &mut String, most: usize) -> String {
    match run.rfind(' ') {
        Some(space) if run[space + 1..].width() <= most => run.split_off(space + 1),
        _ => String::new(),
    }
}

fn shortened(text: &str) -> String {
    let cut = cut_at(text, CUT);
    match cut < text.len() {
        true => format!("{}…", &text[..cut]),
        false => text.to_owned(),
    }
}
