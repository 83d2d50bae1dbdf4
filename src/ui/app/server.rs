//! The Server pane: who the server is, what it can do, the sessions, the counters, the capture.

use super::{Input, Part, World};
use crate::tap::Command;
use crate::ui::event::{Effect, Notice, Owner, Step, Token};
use crate::ui::keymap::{Action, Binding, Context};
use crate::ui::render;
use ratatui::layout::Rect;

#[derive(Debug, Default)]
pub struct Server {
    /// The first line on the screen.
    pub top: usize,
}

impl Server {
    fn go(&mut self, world: &World, area: Rect, lines: isize) {
        let height = render::server::lines(world, area.width).len();
        let last = height.saturating_sub(usize::from(area.height));
        self.top = self.top.saturating_add_signed(lines).min(last);
    }
}

impl Part for Server {
    fn contexts(&self) -> Vec<Context> {
        vec![Context::Server, Context::Move, Context::Global]
    }

    fn offers(&self, world: &World, binding: &Binding) -> &'static str {
        match binding.action {
            Action::Refresh if !world.live => "",
            Action::Copy if world.file().is_none() => "",
            _ => binding.hint,
        }
    }

    fn update(&mut self, world: &World, area: Rect, input: Input<'_>) -> Vec<Step> {
        let page = isize::from(area.height.saturating_sub(1).max(1).cast_signed());
        match input {
            Input::Action(Action::Up) => self.go(world, area, -1),
            Input::Action(Action::Down) => self.go(world, area, 1),
            Input::Action(Action::PageUp) => self.go(world, area, -page),
            Input::Action(Action::PageDown) => self.go(world, area, page),
            Input::Action(Action::Top) => self.go(world, area, isize::MIN),
            Input::Action(Action::Bottom) => self.go(world, area, isize::MAX),
            Input::Scroll { lines, .. } => self.go(world, area, isize::from(lines)),
            Input::Action(Action::Copy) => {
                return vec![match world.file() {
                    Some(file) => Step::copy("the capture's path", file.display().to_string()),
                    None => Step::Say(Notice::info("nothing to copy: there is no capture file")),
                }];
            }
            Input::Action(Action::Refresh) if world.live => {
                let token = Token {
                    owner: Owner::App,
                    number: 0,
                };
                return vec![
                    Step::Do(Effect::Command {
                        token,
                        command: Command::Refresh,
                    }),
                    Step::Say(super::inventory::asking(world)),
                ];
            }
            Input::Action(Action::Refresh) => {
                return vec![Step::Say(Notice::error(format!(
                    "nothing can be asked: {}",
                    world.why_read_only()
                )))];
            }
            _ => {}
        }
        Vec::new()
    }
}
