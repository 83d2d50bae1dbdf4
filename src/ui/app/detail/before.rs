//! The messages that were looked at last, as they were left: what was folded, and how far one had read.
//!
//! Only a few, and none that are large: each keeps its text in memory.

use super::Side;
use crate::traffic::RowId;
use std::collections::VecDeque;

const ROWS: usize = 16;
/// Bytes of both messages of a row.
const LARGE: usize = 256 * 1024;
/// Lines of their layout: each costs more than its bytes.
const LONG: usize = 4096;

#[derive(Debug, Default)]
pub struct Before(VecDeque<Left>);

/// The messages of a row.
#[derive(Debug)]
pub struct Left {
    pub row: RowId,
    pub request: Side,
    pub answer: Side,
    pub nth_answer: usize,
}

impl Before {
    pub fn keep(&mut self, mut left: Left) {
        let sides = [&mut left.request, &mut left.answer];
        let views = sides.into_iter().filter_map(|side| side.json.as_mut());
        let (mut bytes, mut lines) = (0, 0);
        for view in views {
            bytes += view.document().bytes().len();
            lines += view.len();
            view.search("");
        }
        if bytes <= LARGE && lines <= LONG {
            self.0.truncate(ROWS - 1);
            self.0.push_front(left);
        }
    }

    pub fn take(&mut self, row: RowId) -> Option<Left> {
        let at = self.0.iter().position(|left| left.row == row)?;
        self.0.remove(at)
    }
}
