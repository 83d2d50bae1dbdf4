//! What outlives a closed sheet: drafts, what was sent, and what was typed and gave way to something else.

use super::subject::Subject;
use crate::ui::json::minify;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Texts kept for each subject.
const TEXTS: usize = 20;

/// Whether two texts differ in white space at most.
pub(super) fn same(one: &str, other: &str) -> bool {
    one == other || minify(one) == minify(other)
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drafts {
    /// `None` where there was one: it was sent, or thrown away.
    unsent: HashMap<Subject, Option<String>>,
    /// Newest first, each once.
    sent: HashMap<Subject, Vec<String>>,
    /// Newest first, each once.
    aside: HashMap<Subject, Vec<String>>,
    /// Sheets opened so far: keeps the outcomes of one from another.
    pub(super) opened: u64,
    /// Something is to be kept that was not before.
    changed: bool,
}

/// Drafts as they are kept from one screen to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    unsent: Vec<(Subject, String)>,
    sent: Vec<(Subject, Vec<String>)>,
    aside: Vec<(Subject, Vec<String>)>,
}

/// Adds texts, the oldest first, to those known; whether that changed them.
fn add<'t>(
    texts: &mut HashMap<Subject, Vec<String>>,
    subject: &Subject,
    new: impl ExactSizeIterator<Item = &'t String>,
) -> bool {
    if new.len() == 0 {
        return false;
    }
    let known = texts.entry(subject.clone()).or_default();
    let before = known.clone();
    for text in new {
        known.retain(|other| !same(other, text));
        known.insert(0, text.clone());
    }
    known.truncate(TEXTS);
    *known != before
}

/// What was sent is not aside any more.
fn forget(aside: &mut HashMap<Subject, Vec<String>>, subject: &Subject, sent: &[String]) {
    if let Some(aside) = aside.get_mut(subject) {
        aside.retain(|text| !sent.iter().any(|sent| same(sent, text)));
    }
}

impl Drafts {
    pub fn unsent(&self, subject: &Subject) -> Option<&str> {
        self.unsent.get(subject)?.as_deref()
    }

    pub fn sent(&self, subject: &Subject) -> &[String] {
        self.sent.get(subject).map_or(&[], Vec::as_slice)
    }

    pub fn aside(&self, subject: &Subject) -> &[String] {
        self.aside.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Keeps a text that was not sent; `None` forgets it.
    pub(super) fn keep(&mut self, subject: &Subject, text: Option<String>) {
        if self.unsent(subject) != text.as_deref() {
            self.unsent.insert(subject.clone(), text);
            self.changed = true;
        }
    }

    /// Keeps texts that were sent, the oldest first.
    pub(super) fn keep_sent(&mut self, subject: &Subject, texts: &[String]) {
        forget(&mut self.aside, subject, texts);
        self.changed |= add(&mut self.sent, subject, texts.iter());
    }

    /// Keeps texts that were set aside, the newest first.
    pub(super) fn keep_aside(&mut self, subject: &Subject, texts: &[&String]) {
        self.changed |= add(&mut self.aside, subject, texts.iter().copied().rev());
    }

    /// Whether there is nothing to keep, and nothing to forget.
    pub fn is_empty(&self) -> bool {
        self.unsent.is_empty() && self.sent.is_empty() && self.aside.is_empty()
    }

    /// Whether something is new since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

impl From<Kept> for Drafts {
    fn from(kept: Kept) -> Self {
        let unsent = kept.unsent.into_iter();
        Self {
            unsent: unsent
                .map(|(subject, text)| (subject, Some(text)))
                .collect(),
            sent: kept.sent.into_iter().collect(),
            aside: kept.aside.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Kept {
    /// These, and what another screen may have kept meanwhile. A message to replay belongs to one capture and is left
    /// out.
    pub fn with(self, drafts: &Drafts) -> Self {
        let mut all = Drafts::from(self);
        for (subject, text) in drafts.unsent.iter().filter(|(it, _)| it.is_lasting()) {
            all.unsent.insert(subject.clone(), text.clone());
        }
        for (subject, texts) in drafts.sent.iter().filter(|(it, _)| it.is_lasting()) {
            forget(&mut all.aside, subject, texts);
            add(&mut all.sent, subject, texts.iter().rev());
        }
        for (subject, texts) in drafts.aside.iter().filter(|(it, _)| it.is_lasting()) {
            add(&mut all.aside, subject, texts.iter().rev());
        }
        let unsent = all.unsent.into_iter();
        let mut kept = Self {
            unsent: unsent
                .filter_map(|(subject, text)| Some((subject, text?)))
                .collect(),
            sent: all.sent.into_iter().collect(),
            aside: (all.aside.into_iter())
                .filter(|(_, texts)| !texts.is_empty())
                .collect(),
        };
        kept.unsent.sort();
        kept.sent.sort();
        kept.aside.sort();
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str) -> Subject {
        Subject::Tool(name.into())
    }

    #[test]
    fn what_two_screens_kept_is_kept_together() {
        let (mut one, mut other) = (Drafts::default(), Drafts::default());
        one.keep(&tool("a"), Some("1".into()));
        one.keep_sent(&tool("a"), &["x".into(), "y".into()]);
        one.keep(&Subject::Message(3), Some("of one capture".into()));
        other.keep(&tool("b"), Some("2".into()));
        other.keep_sent(&tool("a"), &["z".into()]);
        let kept = Kept::default().with(&one).with(&other);
        let text = serde_json::to_string(&kept).unwrap();
        let drafts = Drafts::from(serde_json::from_str::<Kept>(&text).unwrap());
        assert_eq!(drafts.unsent(&tool("a")), Some("1"));
        assert_eq!(drafts.unsent(&tool("b")), Some("2"));
        assert_eq!(drafts.sent(&tool("a")), ["z", "y", "x"]);
        assert_eq!(drafts.unsent(&Subject::Message(3)), None);
    }

    #[test]
    fn what_was_set_aside_and_then_sent_is_not_aside_any_more() {
        let mut drafts = Drafts::default();
        let aside = ["1".to_owned(), "2".to_owned()];
        drafts.keep_aside(&tool("a"), &[&aside[0], &aside[1]]);
        assert!(drafts.take_changed());
        let kept = Kept::default().with(&drafts);
        drafts.keep_aside(&tool("a"), &[&aside[0], &aside[1]]);
        assert!(!drafts.take_changed());
        drafts.keep_sent(&tool("a"), &aside[..1]);
        assert_eq!(drafts.aside(&tool("a")), ["2"]);
        assert_eq!(Drafts::from(kept.with(&drafts)).aside(&tool("a")), ["2"]);
    }

    #[test]
    fn a_draft_that_was_sent_is_no_draft_any_more() {
        let mut drafts = Drafts::default();
        drafts.keep(&tool("a"), Some("1".into()));
        assert!(drafts.take_changed() && !drafts.take_changed());
        let kept = Kept::default().with(&drafts);
        drafts.keep(&tool("a"), None);
        assert!(drafts.take_changed());
        assert_eq!(kept.with(&drafts), Kept::default());
    }
}
