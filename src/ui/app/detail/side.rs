//! One message of a row, laid out to be read.

use crate::traffic::{Part, Role};
use crate::ui::app::World;
use crate::ui::event::{Body, Notice, Step};
use crate::ui::json::view::View;
use crate::ui::keymap::Action;
use ratatui::layout::Rect;
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Side {
    pub part: Option<Part>,
    pub json: Option<View>,
    pub failed: Option<Arc<str>>,
}

impl Side {
    pub fn set(&mut self, part: Option<Part>) {
        if self.part.map(|part| part.location) != part.map(|part| part.location) {
            (self.json, self.failed) = (None, None);
        }
        self.part = part;
    }

    /// `texts`: long texts are opened, for who came to read them.
    pub fn sync(&mut self, world: &World, area: Rect, texts: bool) {
        if let Some(part) = self.part
            && self.json.is_none()
        {
            match world.body(part.location) {
                Body::Loaded(document) => {
                    let mut json = View::new(document.clone());
                    if texts {
                        json.unfold_texts();
                    }
                    self.json = Some(json);
                }
                Body::Failed(reason) => self.failed = Some(reason.clone()),
                Body::Loading => {}
            }
        }
        if let Some(json) = &mut self.json {
            json.resize(area.width, area.height);
        }
    }

    /// What a key means in the message; sideways is between the messages.
    pub fn act(&mut self, action: Action) {
        if let Some(json) = &mut self.json
            && !matches!(action, Action::Left | Action::Right)
        {
            json.act(action);
        }
    }

    /// What is copied of it, in words.
    pub fn what(&self) -> &'static str {
        match self.part.map(|part| part.role) {
            Some(Role::Request) => "the request",
            Some(Role::Answer | Role::DuplicateAnswer | Role::WithheldAnswer) => "the answer",
            _ => "the message",
        }
    }

    pub fn copy(&self) -> Vec<Step> {
        vec![match &self.json {
            Some(json) if json.document().bytes().is_empty() => {
                Step::Say(Notice::info("there is nothing to copy"))
            }
            Some(json) => Step::copy(
                self.what(),
                String::from_utf8_lossy(json.document().bytes()),
            ),
            None => Step::Say(Notice::info("there is no message here yet")),
        }]
    }
}
