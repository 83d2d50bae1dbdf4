//! The Traffic pane's keys: the list, the detail below it, and the prompt in which one types for either.

use super::detail::Look;
use super::{App, Tab};
use crate::traffic::RowId;
use crate::ui::event::{Call, Effect, Notice, Step};
use crate::ui::keymap::{self, Action, Context};

impl App {
    pub(super) fn list_height(&self) -> usize {
        usize::from(self.panes().rows.height)
    }

    pub(super) fn act_on_traffic(&mut self, action: Action, effects: &mut Vec<Effect>) {
        let traffic = &self.world.traffic;
        let height = self.list_height();
        if self.list.typing || self.detail.typing {
            return self.act_on_prompt(action);
        }
        match action {
            Action::Replay | Action::Edit => {
                if let Some((row, _)) = self.list.selected(traffic) {
                    if let Some(why) = self.why_not_again() {
                        return self.say(Notice::info(why));
                    }
                    let steps = vec![Step::Call(Call::Replay {
                        row,
                        edit: action == Action::Edit,
                    })];
                    self.carry_out(steps, effects);
                }
            }
            Action::Search => {
                self.detail.look_where_it_can_search(&self.world);
                self.detail.narrowed_to = self.filter_word();
                self.detail.typing = true;
            }
            Action::NextMatch | Action::PreviousMatch if self.searches_for_nothing() => {
                self.search_again(action, effects);
            }
            _ if self.detail.focused => {
                let steps = self.detail.update(&self.world, action);
                self.carry_out(steps, effects);
            }
            Action::Open if !self.list.is_empty() => {
                // Who reads a message does not want it to be replaced by the next.
                self.list.follow = false;
                self.detail.focused = true;
            }
            Action::Filter => self.list.typing = true,
            Action::Back => self.list.clear_filter(traffic),
            Action::Follow => self.list.toggle_follow(traffic),
            Action::Pause => self.list.toggle_pause(traffic),
            Action::HideNotifications | Action::HideStderr | Action::HideGarbage => {
                let hidden = self.list.toggle_hidden(traffic, action);
                let (what, hidden) = match action {
                    Action::HideNotifications => ("notifications", hidden.notifications),
                    Action::HideStderr => ("stderr", hidden.stderr),
                    _ => ("what is no message", hidden.garbage),
                };
                self.say(Notice::info(format!(
                    "{what} {}",
                    if hidden { "hidden" } else { "shown" }
                )));
            }
            Action::NextFault | Action::PreviousFault => {
                let told = self.list.go_to_fault(traffic, action, height);
                if let Some(told) = told {
                    self.say(Notice::info(told));
                }
            }
            Action::Copy => {
                let steps = self.detail.copy_all(&self.world);
                self.carry_out(steps, effects);
            }
            Action::Save | Action::NextView | Action::PreviousView | Action::Diff => {
                let steps = self.detail.update(&self.world, action);
                self.carry_out(steps, effects);
            }
            _ => self.list.movement(traffic, action, height),
        }
    }

    fn act_on_prompt(&mut self, action: Action) {
        let traffic = &self.world.traffic;
        match action {
            Action::Earlier if self.list.typing => {
                if self.list.filter.recall() {
                    self.list.apply_filter(traffic);
                }
            }
            Action::Earlier => {
                self.detail.search.recall();
                self.detail.find();
            }
            _ => (self.list.typing, self.detail.typing) = (false, false),
        }
    }

    fn searches_for_nothing(&self) -> bool {
        let compares = self.detail.look(&self.world) == Look::Diff;
        self.detail.focused && !compares && self.detail.search.is_empty()
    }

    /// The longest word that the list is narrowed to; empty where there is none.
    fn filter_word(&self) -> String {
        let words = self.list.filter.text().split_whitespace();
        let mut leaves_out = false;
        let wanted = words.filter(|word| {
            let is_left_out = std::mem::take(&mut leaves_out) || word.starts_with('!');
            leaves_out = *word == "!";
            !is_left_out
        });
        let longest = wanted.max_by_key(|word| word.len());
        longest.unwrap_or_default().to_owned()
    }

    /// Looks for what the list has been narrowed to since something was looked for, else for what that was.
    fn search_again(&mut self, action: Action, effects: &mut Vec<Effect>) {
        let word = self.filter_word();
        let search = &mut self.detail.search;
        let is_new = !word.is_empty() && word != self.detail.narrowed_to;
        if is_new || !search.recall() {
            search.paste(&word);
        }
        self.detail.narrowed_to = word;
        if self.detail.search.is_empty() {
            let key = keymap::label(Context::Detail, Action::Search);
            return self.say(Notice::info(format!(
                "nothing is looked for: {key} searches in the message"
            )));
        }
        self.detail.look_where_it_can_search(&self.world);
        self.detail.find();
        if action == Action::PreviousMatch {
            let steps = self.detail.update(&self.world, action);
            self.carry_out(steps, effects);
        }
    }

    pub(super) fn show(&mut self, row: RowId) {
        self.tab = Tab::Traffic;
        self.detail.focused = false;
        let height = self.list_height();
        if !self.list.show(&self.world.traffic, row, height) {
            self.list.clear_filter(&self.world.traffic);
            self.list.show(&self.world.traffic, row, height);
        }
    }
}
