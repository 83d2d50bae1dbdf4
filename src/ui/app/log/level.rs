//! From which level on the server logs: chosen here, asked of a server of the older era at once, and of one of the newer
//! era with each call (specification 2026-07-28, server/utilities/logging).

use crate::mcp::{logging, methods};
use crate::tap::{Refused, Reply, Route};
use crate::ui::app::World;
use crate::ui::app::choices::Choices;
use crate::ui::app::errand::{Errand, News};
use crate::ui::event::{Notice, Owner, Step, Token};
use crate::ui::keymap::Action;
use ratatui::layout::Rect;

/// What most servers start with.
const USUAL: usize = 1;

#[derive(Debug, Default)]
pub struct Level {
    /// The list of levels, while one chooses.
    pub choices: Option<Choices>,
    /// What is not answered yet.
    asked: Vec<(Errand, usize)>,
    /// The level that a session of the operator's has.
    told: Option<(u32, usize)>,
    errands: u64,
}

impl Level {
    /// Why there is nothing to choose.
    pub fn why_not(world: &World) -> Option<String> {
        if !world.live {
            let why = world.why_read_only();
            return Some(format!("there is no server to tell: {why}"));
        }
        let offered = world.traffic.inventory().offers(&["logging"]);
        (!offered).then(|| "the server does not say that it logs in messages".to_owned())
    }

    fn current(&self, world: &World) -> Option<usize> {
        let known = |level| logging::LEVELS.iter().position(|known| *known == level);
        if world.is_modern() {
            return world.log_level.and_then(known);
        }
        let (session, level) = self.told?;
        let mut sessions = world.traffic.sessions().iter();
        sessions
            .any(|it| it.id == session && it.closed_at.is_none())
            .then_some(level)
    }

    pub fn open(&mut self, world: &World) -> Vec<Step> {
        if let Some(why) = Self::why_not(world) {
            return vec![Step::Say(Notice::info(why))];
        }
        let current = self.current(world);
        let title = match current {
            Some(level) => format!("log from this level on (now {})", logging::LEVELS[level]),
            None => "log from this level on".to_owned(),
        };
        self.choices = Some(Choices {
            title,
            values: logging::LEVELS.map(str::to_owned).to_vec(),
            selected: current.unwrap_or(USUAL),
        });
        Vec::new()
    }

    /// The keys while one chooses; `area` is the pane's.
    pub fn act(&mut self, world: &World, area: Rect, action: Action) -> Vec<Step> {
        let Some(choices) = &mut self.choices else {
            return Vec::new();
        };
        match action {
            Action::Open => {
                let level = choices.selected;
                self.choices = None;
                return self.choose(world, level);
            }
            Action::Back => self.choices = None,
            _ => choices.movement(action, choices.at_bottom(area)),
        }
        Vec::new()
    }

    fn choose(&mut self, world: &World, level: usize) -> Vec<Step> {
        let name = logging::LEVELS[level];
        if world.is_modern() {
            let text =
                format!("new calls in your own session ask for what is logged from {name} on");
            return vec![Step::LogLevel(name), Step::Say(Notice::info(text))];
        }
        self.errands += 1;
        let token = Token {
            owner: Owner::Log,
            number: self.errands,
        };
        let params = format!(r#"{{"level":"{name}"}}"#);
        let (errand, step) = Errand::new(token, Route::Operator, methods::SET_LEVEL, &params);
        self.asked.push((errand, level));
        vec![step]
    }

    pub fn settle(&mut self, token: Token, outcome: &Result<Reply, Refused>) {
        for (errand, _) in &mut self.asked {
            errand.settle(token, outcome);
        }
    }

    /// Says what became of each wish, once.
    pub fn sync(&mut self, world: &World) -> Vec<Step> {
        let mut steps = Vec::new();
        for (errand, level) in std::mem::take(&mut self.asked) {
            let name = logging::LEVELS[level];
            let notice = match errand.news(world) {
                News::OnItsWay => {
                    self.asked.push((errand, level));
                    continue;
                }
                News::Done(row) => {
                    let row = world.traffic.row(row);
                    self.told = row.map(|row| (row.session.0, level));
                    Notice::info(format!(
                        "in your own session the server logs from {name} on"
                    ))
                }
                News::Failed(why) => {
                    Notice::error(format!("the level was not set to {name}: {why}"))
                }
            };
            steps.push(Step::Say(notice));
        }
        steps
    }
}
