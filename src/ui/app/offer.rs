//! What the hints say of a key here and now: its word, or nothing where it would do nothing or only say why not.

use super::detail::Look;
use super::{App, Part, Reading, Tab};
use crate::mcp::methods;
use crate::tap::Party;
use crate::traffic::{Row, RowKind};
use crate::ui::keymap::{Action, Binding, Context};

impl App {
    /// The word for a key in the hints; empty where it is not worth pressing.
    pub fn offers(&self, binding: &Binding) -> &'static str {
        let offered = match binding.context {
            Context::Traffic => self.offers_in_list(binding.action),
            Context::Detail if binding.action == Action::Fold && self.opens_a_moment() => {
                return "open";
            }
            Context::Detail => self.offers_in_detail(binding.action),
            Context::Log => self.offers_in_log(binding.action),
            Context::Sent if binding.action == Action::Stop => self.can_stop(),
            Context::Sheet
            | Context::Sent
            | Context::Ask
            | Context::Decline
            | Context::Fields
            | Context::Json
            | Context::Page => {
                let part = self.overlay();
                return part.map_or("", |part| part.offers(&self.world, binding));
            }
            Context::Inventory | Context::Server => {
                return match self.tab {
                    Tab::Resources => self.resources.offers(&self.world, binding),
                    Tab::Prompts => self.prompts.offers(&self.world, binding),
                    Tab::Server => self.server.offers(&self.world, binding),
                    Tab::Tools | Tab::Traffic | Tab::Log => self.tools.offers(&self.world, binding),
                };
            }
            _ => true,
        };
        if offered { binding.hint } else { "" }
    }

    fn offers_in_list(&self, action: Action) -> bool {
        match action {
            Action::Filter => !self.world.traffic.is_empty(),
            Action::Follow | Action::Pause => self.grows(),
            Action::NextFault => {
                let counters = self.world.traffic.counters();
                let counts = [
                    counters.errors,
                    counters.unanswered,
                    counters.garbage,
                    counters.lost,
                    counters.damaged,
                    counters.missing,
                ];
                counts.iter().any(|count| *count > 0)
            }
            Action::Open | Action::Copy => !self.list.is_empty(),
            Action::Replay | Action::Edit => self.can_send_again(),
            Action::Stop => self.can_stop(),
            _ => true,
        }
    }

    fn offers_in_detail(&self, action: Action) -> bool {
        let look = self.detail.look(&self.world);
        match action {
            Action::Replay | Action::Edit => self.can_send_again(),
            Action::Stop => self.can_stop(),
            Action::Fold => matches!(look, Look::Messages | Look::Http | Look::Timing),
            Action::NextMatch | Action::PreviousMatch => self.detail.has_matches(&self.world),
            Action::NextView => self.detail.looks(&self.world).len() > 1,
            _ => true,
        }
    }

    /// A line of the timeline is there to be opened.
    fn opens_a_moment(&self) -> bool {
        self.detail.look(&self.world) == Look::Timing && !self.detail.timing.open
    }

    fn offers_in_log(&self, action: Action) -> bool {
        match action {
            Action::Open => self.log.selected_row().is_some(),
            Action::Follow => self.grows(),
            Action::Copy => !self.log.entries.is_empty(),
            Action::Filter => self.log.count() > 0,
            Action::Level => self.log.can_choose_level(&self.world),
            _ => true,
        }
    }

    /// More may come.
    pub fn grows(&self) -> bool {
        !matches!(
            self.reading,
            Reading::Saved | Reading::Ended | Reading::Failed { .. }
        )
    }

    pub(super) fn selected_row(&self) -> Option<Row<'_>> {
        let (row, _) = self.list.selected(&self.world.traffic)?;
        self.world.traffic.row(row)
    }

    /// Why the selected row cannot be sent again by anybody: it is no request or notification to the server.
    pub(super) fn why_not_again(&self) -> Option<&'static str> {
        let row = self.selected_row()?;
        let is_message = matches!(row.kind, RowKind::Exchange | RowKind::Notification);
        match row.from {
            Party::Client | Party::Operator if is_message => None,
            Party::Client | Party::Operator if row.kind != RowKind::Mark => {
                Some("this is no request or notification, there is nothing to send again")
            }
            _ => Some("this was not sent to the server, there is nothing to send again"),
        }
    }

    /// Whether the selected row can be, and there is somewhere to send it to.
    fn can_send_again(&self) -> bool {
        let method = self.selected_row().map(|row| row.method);
        self.world.live
            && self.why_not_again().is_none()
            && method.is_some_and(methods::can_be_replayed)
    }
}
