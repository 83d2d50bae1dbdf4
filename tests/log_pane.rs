//! The Log pane: what the server logs in messages, beside its standard error and our own sentences.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common_ui;

use common_ui::{Stage, State, fixture};
use mcp_sentinel::ui::app::Session;
use mcp_sentinel::ui::event::{Effect, Event, Notice};

fn logs(state: State) -> Stage {
    let mut stage = Stage::open(100, 30, &fixture("logs"), state);
    stage.press("6");
    stage
}

/// The line of the list that has these words.
fn line(stage: &Stage, words: &str) -> String {
    let text = stage.text();
    let line = text.lines().find(|line| line.contains(words));
    line.unwrap_or_else(|| panic!("{words} is missing: {text}"))
        .to_owned()
}

#[test]
fn a_log_message_stands_beside_stderr_with_its_level_and_logger() {
    let stage = logs(State::Saved);
    assert!(line(&stage, "falling back").contains("warning   cache: falling back to memory"));
    assert!(line(&stage, "slow disk").contains("stderr    WARN slow disk"));
    assert!(line(&stage, "cached").contains("debug     db: cached=true rows=17"));
    let text = stage.text();
    let at = |words| text.find(words).unwrap();
    assert!(at("listening") < at("slow disk") && at("slow disk") < at("configuration read"));
}

#[test]
fn a_level_that_is_none_stands_among_the_words() {
    let stage = logs(State::Saved);
    assert!(line(&stage, "what is this").contains("log       chatty odd: what is this level?"));
}

#[test]
fn what_a_log_message_says_is_obeyed_by_no_terminal() {
    let mut stage = logs(State::Saved);
    stage.press("/door<enter>");
    let text = stage.text();
    assert!(text.contains("evil"), "{text}");
    let harmful = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!text.contains(harmful), "{text:?}");
}

#[test]
fn a_long_log_message_is_read_and_copied_to_its_end_and_opens_in_traffic() {
    let mut stage = logs(State::Saved);
    stage.press("/emergency<enter>");
    assert!(line(&stage, "12:04:").trim_end().ends_with('…'));
    assert!(stage.text().contains("word end"), "{}", stage.text());
    stage.press("y");
    let copied = stage.effects.iter().any(|effect| {
        matches!(effect, Effect::Copy(text) if text.starts_with("core: the last") && text.ends_with(" end"))
    });
    assert!(copied, "{:?}", stage.effects);
    stage.press("<enter>");
    assert!(stage.selected().contains("notifications/message"));
}

#[test]
fn data_that_is_no_text_is_read_as_json() {
    let mut stage = logs(State::Saved);
    stage.press("/no<space>space<enter>");
    let text = stage.text();
    assert!(text.contains("\"host\": \"db-1\""), "{text}");
}

#[test]
fn the_filter_finds_a_level() {
    let mut stage = logs(State::Saved);
    stage.press("/warning<enter>");
    assert_eq!(stage.app.log.entries.len(), 1);
}

#[test]
fn what_is_read_later_stands_before_a_sentence_of_ours_that_is_later() {
    let mut stage = Stage::start(100, 30, &fixture("logs"), State::Live, Session::default());
    stage.read(4);
    stage.press("6");
    let now = mcp_sentinel::tap::Timestamp(stage.app.world.traffic.latest().0 + 60_000_000);
    stage.send(Event::Tick {
        now,
        utc_offset_seconds: 0,
    });
    stage.send(Event::Notice(Notice::error("something went wrong here")));
    stage.press("k<down>");
    assert!(stage.selected().contains("went wrong"), "{}", stage.text());
    stage.read(usize::MAX);
    let text = stage.text();
    assert!(
        text.find("falling back").unwrap() < text.find("went wrong").unwrap(),
        "{text}"
    );
    assert!(stage.selected().contains("went wrong"), "{text}");
}
