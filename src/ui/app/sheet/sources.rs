//! Where a sheet's text comes from, and what becomes of the one that it takes the place of: a captured message, the
//! arguments of earlier calls, a draft.

use super::drafts::same;
use super::subject::Subject;
use super::{Drafts, Sheet, World};
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

/// Arguments of earlier calls, brought back one after the other: those sent from here, those captured, and what was
/// typed and never sent.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// They are being read back; the next is to be shown when it is there.
    pub(super) wanted: bool,
    /// What was sent from here, then what was captured; newest first, each once.
    texts: Vec<String>,
    /// What something else took the place of; newest first.
    aside: Vec<String>,
    /// Those of `aside` that are not among `texts`: comparing them takes too long for every frame.
    only_aside: Vec<usize>,
    /// Which one was brought back last; `None` for a fresh start.
    at: Option<usize>,
    /// Its words, until what was not sent is edited: then it is the draft, and nothing to bring back as it was.
    shown: Option<String>,
    /// What was aside and is so no more, to be forgotten where it is kept.
    gone: Vec<String>,
    /// Calls that were read back.
    read: HashSet<RowId>,
}

impl Earlier {
    /// Starts with what is kept; `wanted` shows the last call's at once.
    pub(super) fn new(drafts: &Drafts, subject: &Subject, wanted: bool) -> Self {
        let mut earlier = Self {
            wanted,
            texts: drafts.sent(subject).to_vec(),
            aside: drafts.aside(subject).to_vec(),
            ..Self::default()
        };
        earlier.compare();
        earlier
    }

    /// Called after each change of `texts` or `aside`.
    fn compare(&mut self) {
        let known = |text: &String| self.texts.iter().any(|known| same(known, text));
        let aside = self.aside.iter().enumerate();
        let only_aside = aside.filter(|(_, text)| !known(text)).map(|(at, _)| at);
        self.only_aside = only_aside.collect();
    }

    /// Whether this is what was brought back, unchanged.
    fn shows(&self, text: &str) -> bool {
        self.shown.as_deref() == Some(text)
    }

    pub(super) fn set_aside(&mut self, text: String) {
        self.aside.retain(|aside| !same(aside, &text));
        self.aside.insert(0, text);
        self.compare();
    }

    /// It is not aside any more: it was sent, or it is shown.
    pub(super) fn forget(&mut self, text: &str) {
        self.aside.retain(|aside| !same(aside, text));
        self.compare();
    }

    /// It is the draft, here and where it is kept.
    pub(super) fn take_up(&mut self, text: &str) {
        if self.aside.iter().any(|aside| same(aside, text)) {
            self.forget(text);
            self.gone.push(text.to_owned());
        }
    }

    /// What to bring back, in order: what was never sent comes last, which is before the newest.
    fn all(&self) -> Vec<&String> {
        let aside = self.only_aside.iter().filter_map(|at| self.aside.get(*at));
        self.texts.iter().chain(aside).collect()
    }
}

impl Sheet {
    /// Whether there are, or may be, earlier arguments to bring back: others than those on the screen. A replay has its
    /// original to go back to instead.
    pub fn has_earlier(&self, world: &World) -> bool {
        let replay = matches!(self.subject, Subject::Message(_));
        let mut kept = self.earlier.texts.iter().chain(&self.earlier.aside);
        !replay && (kept.any(|kept| !self.editor.holds(kept)) || !self.unread(world).is_empty())
    }

    /// Whether nobody is known to have called it, or to have written a call.
    fn is_unused(&self, world: &World) -> bool {
        let kept = self.earlier.texts.iter().chain(&self.earlier.aside);
        kept.count() == 0 && self.subject.earlier(&world.traffic).is_empty()
    }

    /// Whether there is a fresh start to go back to: arguments that are not what the sheet began with.
    pub fn can_start_afresh(&self) -> bool {
        !matches!(self.subject, Subject::Message(_)) && !self.editor.holds(&self.untouched)
    }

    /// How many there are, once those captured have been read: calls with the same arguments count once.
    pub fn earlier_count(&self, world: &World) -> Option<usize> {
        let all_read = self.unread(world).is_empty();
        all_read.then(|| self.earlier.all().len())
    }

    /// Keeps what was typed, and what something else took the place of; called at each pause in typing and before the
    /// sheet is closed, each time that it is.
    pub fn keep(&mut self, drafts: &mut Drafts) {
        let text = self.editor.text();
        let sent = self.last_sent.as_ref() == Some(&text);
        let typed = text != self.untouched && !sent && !self.earlier.shows(&text);
        // A draft of another sheet's is not forgotten by this one, nor written over by one that was only hidden here.
        let is_ours = drafts.unsent(&self.subject) == self.found_draft.as_deref();
        let draft = match typed {
            true => Some(text),
            false => self.hidden_draft.clone().filter(|_| is_ours),
        };
        drafts.forget_aside(&self.subject, &std::mem::take(&mut self.earlier.gone));
        let aside = self.earlier.aside.iter();
        let aside: Vec<&String> = aside.filter(|text| Some(*text) != draft.as_ref()).collect();
        drafts.keep_aside(&self.subject, &aside);
        let others = drafts.unsent(&self.subject).filter(|_| typed && !is_ours);
        if let Some(others) = others.map(str::to_owned) {
            drafts.keep_aside(&self.subject, &[&others]);
        }
        if typed || is_ours {
            drafts.keep(&self.subject, draft.clone());
            self.found_draft = draft;
        }
        drafts.keep_sent(&self.subject, &std::mem::take(&mut self.sent_texts));
    }

    /// Puts what was typed where it can be brought back from, before something else takes its place.
    fn set_aside(&mut self) {
        let text = self.editor.text();
        let sent = self.last_sent.as_ref() == Some(&text);
        if text == self.untouched || sent || self.earlier.shows(&text) {
            return;
        }
        self.earlier.set_aside(text.clone());
        self.hidden_draft = Some(text);
    }

    /// Called after each change of the text: what was brought back, was never sent, and is edited gives way to what it becomes.
    pub(super) fn take_up(&mut self) {
        let edited = |shown: &mut String| {
            let unsent = self.earlier.aside.contains(shown);
            unsent && !self.editor.holds(shown)
        };
        if let Some(shown) = self.earlier.shown.take_if(edited) {
            self.hidden_draft.take_if(|draft| *draft == shown);
            self.earlier.take_up(&shown);
        }
    }

    /// A replay goes back to its original, and from there to what was typed last.
    fn show_original(&mut self, pretty: &str) {
        let text = match (self.editor.text() == pretty, self.earlier.aside.first()) {
            (true, Some(typed)) => typed.clone(),
            _ => {
                self.set_aside();
                pretty.to_owned()
            }
        };
        self.editor.replace(&text);
        self.editor.go_to_value_of("arguments");
        self.earlier.shown = Some(text);
        self.recheck();
    }

    /// Brings back the arguments before those shown, now or when they have been read.
    pub(super) fn show_earlier(&mut self, world: &World) {
        if let Some(original) = &self.original {
            let pretty = original.pretty.clone();
            return self.show_original(&pretty);
        }
        let unread = !self.unread(world).is_empty();
        let text = self.editor.text();
        self.set_aside();
        let next = self.earlier.at.map_or(0, |at| at + 1);
        if unread && next >= self.earlier.texts.len() {
            self.earlier.wanted = true;
            return;
        }
        self.earlier.wanted = false;
        let mut all = self.earlier.all();
        let fresh = all.len();
        all.push(&self.untouched);
        // What is on the screen already is nothing to bring back.
        let round = (0..all.len()).map(|step| (next + step) % all.len());
        let other = round
            .map(|at| (at, all[at]))
            .find(|(_, it)| !same(it, &text));
        match other.map(|(at, other)| (at, other.clone())) {
            Some((at, other)) => self.bring_back((at != fresh).then_some(at), other),
            None => {
                self.earlier.forget(&text);
                // A sheet that was opened with the last arguments shows them.
                let why = match (self.is_unused(world), self.loading) {
                    (true, _) => Some("it was not called before"),
                    (false, true) => None,
                    (false, false) => Some("there are no other arguments"),
                };
                self.trouble = why.map(str::to_owned);
            }
        }
    }

    /// Shows what is at this place of all there is; at none is what the schema gives, and a draft has to go for that.
    fn bring_back(&mut self, at: Option<usize>, text: String) {
        self.editor.replace(&text);
        if text == self.untouched {
            self.editor.select_first_value();
            self.hidden_draft = None;
        } else {
            self.editor.go_to_first_value();
        }
        if at >= Some(self.earlier.texts.len()) && text != self.untouched {
            self.hidden_draft = Some(text.clone());
        }
        (self.earlier.at, self.earlier.shown) = (at, Some(text));
        self.recheck();
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
                    let new = |text: &String| !known.iter().any(|known| same(known, text));
                    let new = text.filter(new);
                    known.extend(new);
                    self.earlier.compare();
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
        self.failed = true;
        self.due = false;
    }
}
