//! What outlives a closed sheet: drafts, what was sent, what was agreed to.

use super::subject::Subject;
use std::collections::{HashMap, HashSet};

/// Texts kept for each subject.
const SENT: usize = 20;

#[derive(Debug, Default)]
pub struct Drafts {
    unsent: HashMap<Subject, String>,
    /// Newest first, each once.
    sent: HashMap<Subject, Vec<String>>,
    /// Tools that the operator said yes to.
    pub(super) agreed: HashSet<String>,
    /// Sheets opened so far: keeps the outcomes of one from another.
    pub(super) opened: u64,
}

impl Drafts {
    pub fn unsent(&self, subject: &Subject) -> Option<&str> {
        self.unsent.get(subject).map(String::as_str)
    }

    pub fn sent(&self, subject: &Subject) -> &[String] {
        self.sent.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Keeps a text that was not sent; `None` forgets it.
    pub(super) fn keep(&mut self, subject: &Subject, text: Option<String>) {
        match text {
            Some(text) => self.unsent.insert(subject.clone(), text),
            None => self.unsent.remove(subject),
        };
    }

    pub(super) fn keep_sent(&mut self, subject: &Subject, texts: &[String]) {
        let known = self.sent.entry(subject.clone()).or_default();
        for text in texts {
            known.retain(|other| other != text);
            known.insert(0, text.clone());
        }
        known.truncate(SENT);
    }
}
