//! Where a sheet's text comes from: a captured message, or the arguments of earlier calls.

use super::subject::Subject;
use super::{Sheet, World};
use crate::capture::record::Location;
use crate::ui::app::editor::Editor;
use crate::ui::event::Body;

/// A message longer than this is not brought into the editor.
const EDITABLE: u32 = 4 << 20;

/// A captured message that is sent again.
#[derive(Debug)]
pub(super) struct Original {
    pub(super) text: String,
    /// As it was put into the editor.
    pub(super) pretty: String,
}

/// Arguments of earlier calls, brought back one after the other.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    pub(super) wanted: bool,
    pub(super) texts: Vec<String>,
    pub(super) shown: Option<usize>,
    /// Calls that are not read back yet.
    pub(super) missing: bool,
}

impl Sheet {
    /// Brings back the arguments before those shown.
    pub(super) fn show_earlier(&mut self) {
        self.earlier.wanted = true;
        if let Some(original) = &self.original {
            // A replay has one text to go back to.
            self.editor.replace(&original.pretty);
            return self.recheck();
        }
        if self.earlier.texts.is_empty() {
            if !self.earlier.missing {
                self.trouble = Some("it was not called before".to_owned());
            }
            return;
        }
        let next = self.earlier.shown.map_or(0, |shown| shown + 1) % self.earlier.texts.len();
        self.earlier.shown = Some(next);
        self.editor.replace(&self.earlier.texts[next].clone());
        self.recheck();
    }

    /// Reads captured calls for their arguments; returns those that are not there yet.
    pub(super) fn sync_earlier(&mut self, world: &World) -> Vec<Location> {
        if !self.earlier.wanted {
            return Vec::new();
        }
        let mut wanted = Vec::new();
        let rows = self.subject.earlier(&world.traffic);
        let requests = rows
            .iter()
            .filter_map(|row| Some(world.traffic.row(*row)?.request));
        let mut missing = false;
        for request in requests.filter(|request| request.len <= EDITABLE) {
            wanted.push(request);
            match world.body(request) {
                Body::Loading => missing = true,
                Body::Failed(_) => {}
                Body::Loaded(document) => {
                    let text = std::str::from_utf8(document.bytes()).ok();
                    let found = text.and_then(|message| self.subject.arguments_in(message));
                    if let Some(found) = found.filter(|found| !self.earlier.texts.contains(found)) {
                        self.earlier.texts.push(found);
                    }
                }
            }
        }
        self.earlier.missing = missing;
        let first = self.earlier.shown.is_none() && (!missing || !self.earlier.texts.is_empty());
        if self.loading && first {
            self.loading = false;
            if !self.earlier.texts.is_empty() {
                self.show_earlier();
            } else {
                self.trouble = Some("it was not called before".to_owned());
            }
        }
        wanted
    }

    /// Brings the captured message into the editor.
    pub(super) fn sync_original(&mut self, world: &World) -> Option<Location> {
        let Subject::Message(row) = self.subject else {
            return None;
        };
        if self.original.is_some() {
            return None;
        }
        let request = world.traffic.row(row)?.request;
        if request.len > EDITABLE {
            self.fail("it is too long to be brought into the editor");
            return None;
        }
        match world.body(request) {
            Body::Loading => {}
            Body::Failed(why) => self.fail(why),
            Body::Loaded(document) => match std::str::from_utf8(document.bytes()) {
                Err(_) => self.fail("it is not UTF-8 and cannot be sent as text"),
                Ok(text) => {
                    let pretty = document.pretty();
                    if self.editor.text() == self.untouched {
                        self.editor = Editor::new(&pretty);
                        self.editor.go_to_value_of("arguments");
                    }
                    self.untouched.clone_from(&pretty);
                    self.original = Some(Original {
                        text: text.to_owned(),
                        pretty,
                    });
                    self.loading = false;
                    self.recheck();
                }
            },
        }
        Some(request)
    }

    fn fail(&mut self, why: &str) {
        self.trouble = Some(format!("the message cannot be sent again: {why}"));
        self.due = false;
    }
}
