//! Keys, pasted text and the mouse, and which part of the screen they are for.

use super::{App, Input, Panes, Tab, layout};
use crate::ui::app::help::Help;
use crate::ui::event::Effect;
use crate::ui::keymap::{self, Action, Context};
use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

/// Lines that one notch of the wheel moves.
const WHEEL: i16 = 3;

impl App {
    /// Something is open over the panes, or is being typed, which the key closes that goes back.
    pub fn is_over_panes(&self) -> bool {
        let types = self.contexts().into_iter().any(Context::is_text);
        self.overlay_is_open() || self.help.is_some() || types
    }

    /// What has the keys is not on the screen, which is too small: nothing is to be typed into it, or sent, unseen.
    fn is_unseen(&self) -> bool {
        let answers = self.help.is_some() || self.question.is_some();
        layout::is_too_small(self.size) && self.is_over_panes() && !answers
    }

    pub(super) fn key(&mut self, key: &KeyEvent, effects: &mut Vec<Effect>) {
        let contexts = self.contexts();
        // What is no text means the same wherever one types: Ctrl-C, Ctrl-Z, F1.
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let is_text = !control && !matches!(key.code, KeyCode::F(_));
        let everywhere: &[Context] = if is_text { &[] } else { &[Context::Global] };
        match keymap::lookup(&contexts, key).or_else(|| keymap::lookup(everywhere, key)) {
            Some(action) if self.is_unseen() && !leaves(action) => {}
            None if self.is_unseen() => {}
            Some(action) => self.act(action, effects),
            None if contexts.iter().any(|context| context.is_text()) => self.type_key(key, effects),
            None => {}
        }
    }

    fn type_key(&mut self, key: &KeyEvent, effects: &mut Vec<Effect>) {
        if self.overlay().is_none() && self.tab == Tab::Traffic {
            if self.list.typing && self.list.filter.key(key) {
                self.list.apply_filter(&self.world.traffic);
            } else if self.detail.typing && self.detail.search.key(key) {
                self.detail.find();
            }
            return;
        }
        if self.overlay().is_none() && self.tab == Tab::Log {
            if self.log.filter.key(key) {
                self.log.apply_filter(&self.world);
            }
            return;
        }
        self.give(Input::Key(*key), effects);
    }

    pub(super) fn paste(&mut self, text: &str, effects: &mut Vec<Effect>) {
        if self.is_unseen() {
            return;
        }
        if self.overlay().is_none() && self.tab == Tab::Traffic {
            if self.list.typing {
                self.list.filter.paste(text);
                self.list.apply_filter(&self.world.traffic);
            } else if self.detail.typing {
                self.detail.search.paste(text);
                self.detail.find();
            }
            return;
        }
        if self.overlay().is_none() && self.tab == Tab::Log {
            if self.log.typing {
                self.log.filter.paste(text);
                self.log.apply_filter(&self.world);
            }
            return;
        }
        self.give(Input::Paste(text), effects);
    }

    pub(super) fn mouse(&mut self, mouse: &MouseEvent, effects: &mut Vec<Effect>) {
        if self.is_unseen() {
            return;
        }
        let (x, y) = (mouse.column, mouse.row);
        let input = match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => Input::Click { x, y },
            MouseEventKind::ScrollUp => Input::Scroll {
                x,
                y,
                lines: -WHEEL,
            },
            MouseEventKind::ScrollDown => Input::Scroll { x, y, lines: WHEEL },
            _ => return,
        };
        let panes = self.panes();
        if let Some(help) = &mut self.help {
            if let Input::Scroll { lines, .. } = input {
                let action = if lines < 0 { Action::Up } else { Action::Down };
                for _ in 0..WHEEL {
                    help.update(
                        action,
                        usize::from(panes.body.height) * Help::columns(panes.body.width),
                    );
                }
            }
        } else if self.question.is_some() {
        } else if self.overlay().is_some() {
            if layout::within(panes.sheet, x, y) {
                self.give(input, effects);
            }
        } else if layout::within(panes.title, x, y) {
            let clicked = layout::tabs(panes.title, self)
                .into_iter()
                .find(|(.., place)| layout::within(*place, x, y));
            if let (Some((tab, ..)), Input::Click { .. }) = (clicked, input) {
                self.tab = tab;
            }
        } else if layout::within(panes.body, x, y) {
            match self.tab {
                Tab::Traffic => self.point_at_traffic(&panes, &input),
                Tab::Log => match input {
                    Input::Scroll { lines, .. } => {
                        let action = if lines < 0 { Action::Up } else { Action::Down };
                        let steps = match self.log.level.choices {
                            Some(_) => 1,
                            None => WHEEL,
                        };
                        for _ in 0..steps {
                            self.log.update(&self.world, panes.body, action);
                        }
                    }
                    _ => self.log.click(panes.body, y),
                },
                _ => self.give(input, effects),
            }
        }
    }

    fn point_at_traffic(&mut self, panes: &Panes, input: &Input<'_>) {
        let height = usize::from(panes.rows.height);
        let traffic = &self.world.traffic;
        match *input {
            Input::Click { x, y } if layout::within(panes.rows, x, y) => {
                self.detail.focused = false;
                self.list
                    .click(traffic, usize::from(y - panes.rows.y), height);
            }
            Input::Scroll { x, y, lines } if layout::within(panes.rows, x, y) => {
                self.list.step(traffic, isize::from(lines), height);
            }
            Input::Click { x, y } if layout::within(panes.detail, x, y) => {
                self.detail.click(&self.world, x, y)
            }
            Input::Scroll { x, y, lines } if layout::within(panes.detail, x, y) => {
                self.detail.scroll(&self.world, x, lines);
            }
            _ => {}
        }
    }
}

/// What does nothing to what is open but put it away.
fn leaves(action: Action) -> bool {
    matches!(
        action,
        Action::Back | Action::No | Action::Quit | Action::Suspend
    )
}
