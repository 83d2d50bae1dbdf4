//! The last step of a frame on its way to a terminal: nothing is left to what a terminal thinks of the width of a
//! character, so that no part of one stays when it is drawn over.
//!
//! A cluster of several characters with a width each (`कि`, `กำ`, and in an editor, whose text is nobody's to change, a
//! flag or a family) lies in one cell of the frame and in several of the terminal's: every such character gets a cell
//! of its own. The newest emoji are two columns to us and one, or nothing, to an older terminal: blanks go beneath.

use crate::ui::text::clean;
use ratatui::buffer::{Buffer, Cell, CellDiffOption};
use ratatui::crossterm::cursor::MoveTo;
use std::num::NonZeroU16;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

pub fn settle(buffer: &mut Buffer) {
    let area = buffer.area;
    let rows = buffer.content.chunks_mut(usize::from(area.width).max(1));
    for (row, y) in rows.zip(area.y..) {
        let mut at = 0;
        while at < row.len() {
            let mut covered = 1;
            if !is_undisputed(row[at].symbol()) {
                covered = give_cells(&mut row[at..]);
                for (cell, x) in row[at..at + covered].iter_mut().zip((area.x..).skip(at)) {
                    put_blanks_beneath(cell, MoveTo(x, y));
                }
            }
            at += covered;
        }
    }
}

/// One ASCII character, or one that was in Unicode long before there was emoji.
fn is_undisputed(symbol: &str) -> bool {
    symbol.len() < 4 && symbol.chars().nth(1).is_none()
}

/// Spreads the characters of the first cell over the cells that it covers, and says how many those are.
fn give_cells(row: &mut [Cell]) -> usize {
    let characters = clean(row[0].symbol()).into_owned();
    let room = row[0].symbol().width().clamp(1, row.len());
    let style = row[0].style();
    for cell in &mut row[..room] {
        cell.set_symbol(" ").set_style(style);
    }
    let mut used = 0;
    for (from, c) in characters.char_indices() {
        let width = c.width().unwrap_or(0);
        if width == 0 {
            continue;
        }
        if used + width > room {
            break;
        }
        let rest = &characters[from..];
        let marks = rest[c.len_utf8()..].find(|c: char| c.width().unwrap_or(0) > 0);
        let end = marks.map_or(rest.len(), |end| c.len_utf8() + end);
        row[used].set_symbol(&rest[..end]);
        used += width;
    }
    room
}

fn put_blanks_beneath(cell: &mut Cell, place: MoveTo) {
    if is_undisputed(cell.symbol()) {
        return;
    }
    let width = u16::try_from(cell.symbol().width()).unwrap_or(0);
    if let Some(columns) = NonZeroU16::new(width).filter(|width| width.get() > 1) {
        let blanks = " ".repeat(width.into());
        let symbol = format!("{place}{blanks}{place}{}", cell.symbol());
        cell.set_symbol(&symbol);
        cell.diff_option = CellDiffOption::ForcedWidth(columns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    fn drawn(text: &str) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 1));
        buffer.set_string(0, 0, text, Style::default());
        buffer
    }

    fn settled(text: &str) -> Vec<String> {
        let mut buffer = drawn(text);
        settle(&mut buffer);
        let cells = buffer.content.iter();
        cells.map(|cell| cell.symbol().to_owned()).collect()
    }

    #[test]
    fn every_character_with_a_width_has_its_own_cell() {
        assert_eq!(settled("कि|")[..3], ["क", "ि", "|"]);
        assert_eq!(settled("กำ|")[..3], ["ก", "ำ", "|"]);
        assert_eq!(settled("e\u{301}x|")[..3], ["e\u{301}", "x", "|"]);
    }

    #[test]
    fn what_an_editor_shows_is_cut_to_its_cells() {
        assert_eq!(settled("🇩🇪|")[..3], ["D", "E", "|"]);
        assert_eq!(settled("❤\u{fe0f}|")[..3], ["❤", " ", "|"]);
        for text in ["👩\u{200d}🚀|", "👩🏽|"] {
            let cells = settled(text);
            assert!(cells[0].ends_with('👩'), "{cells:?}");
            assert_eq!(cells[1..3], [" ", "|"]);
        }
    }

    #[test]
    fn blanks_lie_beneath_an_emoji() {
        assert_eq!(settled("ab🪿|")[2], "\u{1b}[1;3H  \u{1b}[1;3H🪿");
        assert_eq!(settled("ab🪿|")[3..5], [" ", "|"]);
        let syllables = settled("\u{1100}\u{1100}|");
        assert_eq!(syllables[2], "\u{1100}");
    }

    #[test]
    fn the_rest_stays_as_it_is() {
        for text in ["plain text", "日本 ─é", ""] {
            let mut after = drawn(text);
            settle(&mut after);
            assert_eq!(after, drawn(text));
        }
    }
}
