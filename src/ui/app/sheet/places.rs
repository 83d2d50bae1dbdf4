//! Where the parts of a sheet are, and what stands at its foot.

use super::{Focus, Sheet};
use crate::ui::format;
use crate::ui::keymap::{self, Action, Context};
use crate::ui::text::wrap;
use crate::ui::theme::Role;
use ratatui::layout::Rect;

/// Lines at the foot, at most.
const FOOT: u16 = 4;

/// Where the parts of a sheet are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    pub title: Rect,
    /// A rule with a heading.
    pub editor_rule: Rect,
    pub editor: Rect,
    /// What is wrong, and what the arguments mean.
    pub help: Rect,
    pub answer_rule: Rect,
    /// What is wrong with the answer.
    pub doubts: Rect,
    pub answer: Rect,
    /// A question, or what stood in the way.
    pub foot: Rect,
}

impl Sheet {
    pub fn places(&self, area: Rect) -> Places {
        let line = |from: u16, height: u16| Rect {
            y: area.y + from.min(area.height),
            height: height.min(area.height.saturating_sub(from)),
            ..area
        };
        let said = wrap(&self.foot().0, area.width.saturating_sub(2).into()).len();
        let foot = u16::try_from(said)
            .unwrap_or(FOOT)
            .min(FOOT)
            .min(area.height / 2);
        let room = area.height.saturating_sub(2 + foot);
        let lines = u16::try_from(self.editor.lines().len()).unwrap_or(u16::MAX);
        let (editor, help) = match (&self.sent, self.focus) {
            (None, _) => {
                let editor = lines
                    .saturating_add(1)
                    .clamp(4, (room * 6 / 10).max(4))
                    .min(room);
                (editor, room - editor)
            }
            (Some(_), Focus::Arguments) => {
                let editor = lines.clamp(2, (room / 2).max(2)).min(room);
                (editor, room.saturating_sub(editor).min(room / 5))
            }
            (Some(_), Focus::Answer) => (lines.clamp(1, (room / 4).max(1)).min(room), 0),
        };
        let below = 2 + editor + help;
        let rule = u16::from(self.sent.is_some());
        let answer = if self.sent.is_some() {
            (room + 2).saturating_sub(below + 1)
        } else {
            0
        };
        let sent = self.sent.as_ref();
        let doubts = sent.map_or(0, |sent| sent.doubts(line(below + 1, answer)).len() as u16);
        Places {
            title: line(0, 1),
            editor_rule: line(1, 1),
            editor: line(2, editor),
            help: line(2 + editor, help),
            answer_rule: line(below, rule),
            doubts: line(below + 1, doubts),
            answer: line(below + 1 + doubts, answer - doubts),
            foot: line(area.height - foot, foot),
        }
    }

    /// Where the form of another round is.
    pub fn round_place(&self, area: Rect) -> Rect {
        Rect {
            x: area.x + 1,
            y: area.y + 2.min(area.height),
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(2),
        }
    }

    /// A question, or what stood in the way, or what there is to do.
    pub fn foot(&self) -> (String, Role) {
        if let Some(question) = &self.question {
            let key = |action| keymap::label(Context::Question, action);
            let (yes, no) = (key(Action::Yes), key(Action::No));
            return (
                format!("{}   {yes} yes   {no} no", question.text),
                Role::Warn,
            );
        }
        if let Some(trouble) = &self.trouble {
            return (trouble.clone(), Role::Error);
        }
        if let Some(name) = self.asks_for_values_of() {
            let text = format!("asking the server for values of {name}…");
            return (text, Role::Dim);
        }
        let round = self.sent.as_ref().and_then(|sent| sent.round.as_ref());
        match round.filter(|round| !round.open) {
            Some(round) => {
                let key = keymap::label(Context::Global, Action::Answer);
                let questions = format::plural(round.number.1 as u64, "question");
                (
                    format!("The server asks {questions} before it goes on: {key} answers."),
                    Role::Warn,
                )
            }
            None => match self.sent.as_ref().and_then(|sent| sent.again.as_ref()) {
                Some(_) if self.is_to_repeat() => (
                    "The server wants the call once more, and gets it in a moment.".to_owned(),
                    Role::Warn,
                ),
                Some(_) => (
                    "The server wants the call once more, as often as it gets it: this is left."
                        .to_owned(),
                    Role::Warn,
                ),
                None => (String::new(), Role::Dim),
            },
        }
    }
}
