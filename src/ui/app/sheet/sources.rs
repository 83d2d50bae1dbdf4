//! Where a sheet's text comes from: a captured message, or the arguments of earlier calls.

use super::subject::Subject;
use super::{Sheet, World};
use crate::capture::record::Location;
use crate::traffic::RowId;
use crate::ui::app::editor::Editor;
use crate::ui::event::Body;
use std::collections::HashSet;

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
    /// They are being read back; the next is to be shown when it is there.
    pub(super) wanted: bool,
    /// What was sent from here, then what was captured; newest first.
    pub(super) texts: Vec<String>,
    shown: Option<usize>,
    /// Calls that were read back.
    read: HashSet<RowId>,
}

impl Earlier {
    /// Starts with what was sent from here; `wanted` shows the last of all at once.
    pub(super) fn new(sent: &[String], wanted: bool) -> Self {
        Self {
            wanted,
            texts: sent.to_vec(),
            ..Self::default()
        }
    }
}

impl Sheet {
    /// How many earlier arguments can be brought back. A replay has its original to go back to instead.
    pub fn earlier_count(&self, world: &World) -> usize {
        if matches!(self.subject, Subject::Message(_)) {
            return 0;
        }
        let captured = self.subject.earlier(&world.traffic).len();
        self.earlier.texts.len().max(captured)
    }

    /// Brings back the arguments before those shown, now or when they have been read.
    pub(super) fn show_earlier(&mut self, world: &World) {
        if let Some(original) = &self.original {
            // A replay has one text to go back to.
            self.editor.replace(&original.pretty);
            self.editor.go_to_value_of("arguments");
            return self.recheck();
        }
        let next = self.earlier.shown.map_or(0, |shown| shown + 1);
        let unread = self.unread(world);
        let next = match next < self.earlier.texts.len() || unread.is_empty() {
            true => next % self.earlier.texts.len().max(1),
            false => next,
        };
        match self.earlier.texts.get(next) {
            Some(text) => {
                self.editor.replace(&text.clone());
                self.editor.go_to_first_value();
                self.earlier.shown = Some(next);
                self.earlier.wanted = false;
                self.recheck();
            }
            None if unread.is_empty() => {
                self.trouble = Some("it was not called before".to_owned());
                self.earlier.wanted = false;
            }
            None => self.earlier.wanted = true,
        }
    }

    /// Captured calls whose arguments are not known yet, newest first.
    fn unread(&self, world: &World) -> Vec<(RowId, Location)> {
        let rows = self.subject.earlier(&world.traffic).into_iter();
        rows.filter(|row| !self.earlier.read.contains(row))
            .filter_map(|row| Some((row, world.traffic.row(row)?.request)))
            .filter(|(_, request)| request.len <= EDITABLE)
            .collect()
    }

    /// Reads captured calls for their arguments, in order; returns those that are not there yet.
    pub(super) fn sync_earlier(&mut self, world: &World) -> Vec<Location> {
        if !self.earlier.wanted {
            return Vec::new();
        }
        let unread = self.unread(world);
        for (row, request) in &unread {
            match world.body(*request) {
                Body::Loading => break,
                Body::Failed(_) => {}
                Body::Loaded(document) => {
                    let message = std::str::from_utf8(document.bytes()).ok();
                    let text = message.and_then(|message| self.subject.arguments_in(message));
                    let known = &mut self.earlier.texts;
                    known.extend(text.filter(|text| !known.contains(text)));
                }
            }
            self.earlier.read.insert(*row);
        }
        self.show_earlier(world);
        self.loading &= self.earlier.wanted;
        unread.into_iter().map(|(_, request)| request).collect()
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
