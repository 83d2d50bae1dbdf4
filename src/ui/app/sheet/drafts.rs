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
    /// What is not kept yet.
    news: News,
}

/// What a screen has changed since it last kept its drafts: the rest is another's to change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    unsent: HashMap<Subject, Change>,
    sent: HashMap<Subject, Vec<String>>,
    aside: HashMap<Subject, Vec<String>>,
    /// What is aside no more.
    gone: HashMap<Subject, Vec<String>>,
}

/// A draft as it was kept last, and as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Change {
    before: Option<String>,
    now: Option<String>,
}

/// Drafts as they are kept from one screen to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    unsent: Vec<(Subject, String)>,
    sent: Vec<(Subject, Vec<String>)>,
    aside: Vec<(Subject, Vec<String>)>,
}

/// Adds texts, the oldest first, to those known.
fn add<'t>(
    texts: &mut HashMap<Subject, Vec<String>>,
    subject: &Subject,
    new: impl ExactSizeIterator<Item = &'t String>,
) {
    if new.len() == 0 {
        return;
    }
    let known = texts.entry(subject.clone()).or_default();
    for text in new {
        known.retain(|other| !same(other, text));
        known.insert(0, text.clone());
    }
    known.truncate(TEXTS);
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
        let before = self.unsent(subject).map(str::to_owned);
        if before == text {
            return;
        }
        if subject.is_lasting() {
            let first = || Change {
                before,
                ..Change::default()
            };
            let change = self.news.unsent.entry(subject.clone());
            change.or_insert_with(first).now.clone_from(&text);
        }
        self.unsent.insert(subject.clone(), text);
    }

    /// Keeps texts that were sent, the oldest first.
    pub(super) fn keep_sent(&mut self, subject: &Subject, texts: &[String]) {
        forget(&mut self.aside, subject, texts);
        add(&mut self.sent, subject, texts.iter());
        if subject.is_lasting() {
            forget(&mut self.news.aside, subject, texts);
            add(&mut self.news.sent, subject, texts.iter());
        }
    }

    /// Keeps texts that were set aside, the newest first.
    pub(super) fn keep_aside(&mut self, subject: &Subject, texts: &[&String]) {
        let texts = &texts[..texts.len().min(TEXTS)];
        let known = |text: &String| self.aside(subject).iter().any(|known| same(known, text));
        let new = texts.iter().copied().filter(|text| !known(text));
        let new: Vec<&String> = new.collect();
        if subject.is_lasting() {
            add(&mut self.news.aside, subject, new.into_iter().rev());
        }
        add(&mut self.aside, subject, texts.iter().copied().rev());
    }

    /// What was set aside is a draft once more.
    pub(super) fn forget_aside(&mut self, subject: &Subject, texts: &[String]) {
        forget(&mut self.aside, subject, texts);
        if subject.is_lasting() {
            forget(&mut self.news.aside, subject, texts);
            add(&mut self.news.gone, subject, texts.iter());
        }
    }

    /// What is to be kept and was not taken before; `None` when that is nothing.
    pub fn take_news(&mut self) -> Option<News> {
        let news = std::mem::take(&mut self.news);
        (news != News::default()).then_some(news)
    }
}

#[cfg(test)]
impl News {
    /// A draft that was typed.
    pub fn draft(subject: &Subject, text: &str) -> Self {
        let mut drafts = Drafts::default();
        drafts.keep(subject, Some(text.to_owned()));
        drafts.news
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
    /// These, and what is new on a screen. Another may have kept its own meanwhile: a draft of that one's is put aside, or
    /// stays where there is none to take its place.
    pub fn with(self, news: &News) -> Self {
        let mut all = Drafts::from(self);
        for (subject, texts) in &news.gone {
            forget(&mut all.aside, subject, texts);
        }
        for (subject, Change { before, now }) in &news.unsent {
            let kept = all.unsent(subject).map(str::to_owned);
            let others = kept.filter(|kept| ![before, now].contains(&&Some(kept.clone())));
            if others.is_none() || now.is_some() {
                all.unsent.insert(subject.clone(), now.clone());
                add(&mut all.aside, subject, others.as_slice().iter());
            }
        }
        for (subject, texts) in &news.aside {
            add(&mut all.aside, subject, texts.iter().rev());
        }
        for (subject, texts) in &news.sent {
            add(&mut all.sent, subject, texts.iter().rev());
        }
        for (subject, texts) in &all.sent {
            forget(&mut all.aside, subject, texts);
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
        let [one, other] = [one, other].map(|mut it| it.take_news().unwrap());
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
        let kept = Kept::default().with(&drafts.take_news().unwrap());
        drafts.keep_aside(&tool("a"), &[&aside[0], &aside[1]]);
        assert_eq!(drafts.take_news(), None);
        drafts.keep_sent(&tool("a"), &aside[..1]);
        assert_eq!(drafts.aside(&tool("a")), ["2"]);
        let kept = kept.with(&drafts.take_news().unwrap());
        assert_eq!(Drafts::from(kept).aside(&tool("a")), ["2"]);
    }

    #[test]
    fn a_draft_that_was_sent_is_no_draft_any_more() {
        let mut drafts = Drafts::default();
        drafts.keep(&tool("a"), Some("1".into()));
        let kept = Kept::default().with(&drafts.take_news().unwrap());
        assert_eq!(drafts.take_news(), None);
        drafts.keep(&tool("a"), None);
        let news = drafts.take_news().unwrap();
        assert_eq!(kept.with(&news), Kept::default());
    }

    #[test]
    fn what_was_set_aside_and_then_edited_is_not_aside_any_more() {
        let mut drafts = Drafts::default();
        let aside = ["1".to_owned(), "2".to_owned()];
        drafts.keep_aside(&tool("a"), &[&aside[0], &aside[1]]);
        let kept = Kept::default().with(&drafts.take_news().unwrap());
        drafts.forget_aside(&tool("a"), &aside[..1]);
        assert_eq!(drafts.aside(&tool("a")), ["2"]);
        let kept = kept.with(&drafts.take_news().unwrap());
        assert_eq!(Drafts::from(kept.clone()).aside(&tool("a")), ["2"]);
        // Typed once more, it is set aside once more.
        drafts.forget_aside(&tool("a"), &aside[1..]);
        drafts.keep_aside(&tool("a"), &[&aside[1]]);
        let kept = kept.with(&drafts.take_news().unwrap());
        assert_eq!(Drafts::from(kept).aside(&tool("a")), ["2"]);
    }

    /// What is kept, and two screens that began with it.
    fn two_screens(text: &str) -> (Kept, [Drafts; 2]) {
        let mut drafts = Drafts::default();
        drafts.keep(&tool("a"), Some(text.into()));
        drafts.keep_aside(&tool("a"), &[&"aside".to_owned()]);
        let kept = Kept::default().with(&drafts.take_news().unwrap());
        (kept.clone(), [kept.clone(), kept].map(Drafts::from))
    }

    #[test]
    fn a_screen_does_not_bring_back_what_another_has_changed() {
        let (kept, [mut one, mut other]) = two_screens("old");
        one.keep(&tool("a"), None);
        one.keep_sent(&tool("a"), &["old".into(), "aside".into()]);
        let kept = kept.with(&one.take_news().unwrap());
        // The other knows both still, and has something of its own to keep.
        other.keep_aside(&tool("a"), &[&"aside".to_owned(), &"old".to_owned()]);
        other.keep(&tool("b"), Some("new".into()));
        let drafts = Drafts::from(kept.with(&other.take_news().unwrap()));
        assert_eq!(drafts.unsent(&tool("a")), None);
        assert_eq!(drafts.sent(&tool("a")), ["aside", "old"]);
        assert!(drafts.aside(&tool("a")).is_empty());
        assert_eq!(drafts.unsent(&tool("b")), Some("new"));
    }

    #[test]
    fn a_draft_of_another_screens_is_put_aside_or_stays() {
        let (kept, [mut one, mut other]) = two_screens("old");
        one.keep(&tool("a"), Some("one".into()));
        let kept = kept.with(&one.take_news().unwrap());
        other.keep(&tool("a"), None);
        let kept = kept.with(&other.take_news().unwrap());
        assert_eq!(Drafts::from(kept.clone()).unsent(&tool("a")), Some("one"));
        other.keep(&tool("a"), Some("other".into()));
        let drafts = Drafts::from(kept.with(&other.take_news().unwrap()));
        assert_eq!(drafts.unsent(&tool("a")), Some("other"));
        assert_eq!(drafts.aside(&tool("a")), ["one", "aside"]);
    }
}
