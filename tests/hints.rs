//! What the bottom line offers: only keys that do something where one is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common_ui;

use common_ui::{Stage, State, fixture};
use mcp_sentinel::tap::Timestamp;
use mcp_sentinel::ui::event::{Event, Notice};

/// Wide enough for all hints.
fn stage(name: &str, state: State) -> Stage {
    Stage::open(240, 40, &fixture(name), state)
}

fn hints(stage: &mut Stage, keys: &str) -> String {
    stage.press(keys);
    stage.status()
}

#[track_caller]
fn offers(line: &str, offered: &[&str], not: &[&str]) {
    for hint in offered {
        assert!(line.contains(hint), "{hint} is missing: {line}");
    }
    for hint in not {
        assert!(!line.contains(hint), "{hint} is offered: {line}");
    }
}

#[test]
fn nothing_is_sent_from_a_saved_capture_and_nothing_new_comes() {
    let mut stage = stage("live", State::Saved);
    let list = hints(&mut stage, "/tools/call get-sum<enter>g");
    offers(
        &list,
        &["Enter open", "y copy", "/ filter"],
        &["replay", "edit", "f follow", "p pause"],
    );
    let message = hints(&mut stage, "<enter>");
    offers(&message, &["Enter fold", "/ search"], &["replay", "edit"]);
    offers(
        &hints(&mut stage, "2"),
        &["s schema"],
        &["call", "last", "refresh"],
    );
    offers(&hints(&mut stage, "5"), &["y copy"], &["refresh"]);
    offers(&hints(&mut stage, "6"), &["Enter open"], &["follow"]);
}

#[test]
fn only_what_a_client_sends_is_offered_for_sending_again() {
    let mut stage = stage("live", State::Live);
    offers(
        &hints(&mut stage, "/tools/call get-sum<enter>g"),
        &["r replay", "e edit"],
        &[],
    );
    offers(&hints(&mut stage, "<enter>"), &["r replay", "e edit"], &[]);
    for row in ["initialize", "stderr", "notifications/message", "not json"] {
        let keys = format!("<esc><esc>/{row}<enter>g");
        offers(&hints(&mut stage, &keys), &[], &["replay", "edit"]);
    }
}

#[test]
fn each_inventory_names_what_one_does_with_its_items() {
    let mut stage = stage("live", State::Live);
    let called = hints(&mut stage, "2/get-sum<enter>");
    offers(
        &called,
        &["Enter call", "e last arguments", "s schema", "t in Traffic"],
        &[],
    );
    let read = hints(&mut stage, "3");
    offers(
        &read,
        &["Enter read", "s as JSON"],
        &["call", "arguments", "schema"],
    );
    let got = hints(&mut stage, "4");
    offers(&got, &["Enter get", "s as JSON"], &["call ", "schema"]);
    // The line below the detail says the same.
    assert!(!stage.text().contains("Enter call"), "{}", stage.text());
}

#[test]
fn last_arguments_are_offered_of_what_was_called_before() {
    let mut stage = stage("live", State::Live);
    offers(
        &hints(&mut stage, "2/get-env<enter>"),
        &["Enter call"],
        &["last arguments"],
    );
    assert!(!stage.text().contains("last arguments"), "{}", stage.text());
    // From an earlier run, or from this screen.
    stage.press("<enter><f2>");
    assert_eq!(stage.effects.len(), 1, "{:?}", stage.effects);
    offers(&hints(&mut stage, "<esc>"), &["e last arguments"], &[]);
}

#[test]
fn an_empty_list_offers_nothing_to_do_with_an_item() {
    let mut stage = stage("empty", State::Live);
    let bar = hints(&mut stage, "1");
    offers(&bar, &["? help"], &["open", "replay", "edit", "copy"]);
    let bar = hints(&mut stage, "2");
    offers(
        &bar,
        &["r refresh"],
        &["call", "arguments", "schema", "copy"],
    );
    let bar = hints(&mut stage, "6");
    offers(&bar, &[], &["open", "copy"]);
}

#[test]
fn a_sheet_offers_what_its_text_and_its_answer_allow() {
    let mut stage = stage("live", State::Live);
    let writing = hints(&mut stage, "2/get-sum<enter><enter>");
    offers(&writing, &["F5 send", "Ctrl-R earlier"], &[]);
    let invalid = writing.contains("although invalid");
    assert_eq!(invalid, stage.text().contains('✗'), "{}", stage.text());
    let replay = hints(&mut stage, "<esc>1/tools/call get-sum<enter>ge");
    offers(&replay, &["F5 send", "Ctrl-R original"], &["although"]);
}

#[test]
fn what_cannot_be_searched_gives_way_to_what_can() {
    let mut stage = stage("live", State::Live);
    stage.press("/tools/call get-sum<enter>g<enter>[");
    assert!(stage.text().contains("[Raw]"));
    stage.press("/get-sum<enter>");
    assert!(stage.text().contains("[Messages]"));
}

#[test]
fn the_way_back_is_worth_more_than_the_number_of_sessions() {
    let mut stage = Stage::open(80, 24, &fixture("live"), State::Live);
    stage.press("/a=2<enter>g<enter>");
    let bar = stage.status();
    offers(&bar, &["Esc back", "? help", "errors", "pending"], &[]);
}

#[test]
fn an_editor_is_offered_for_a_text_and_not_for_fields() {
    let text = hints(
        &mut stage("live", State::Live),
        "/tools/call get-sum<enter>ge",
    );
    offers(&text, &["F5 send", "$EDITOR"], &[]);
    let fields = hints(&mut stage("asked", State::Live), "a");
    offers(&fields, &["F5 accept"], &["EDITOR"]);
}

#[test]
fn only_ways_to_answer_that_there_are_are_offered() {
    let form = hints(&mut stage("asked", State::Live), "a");
    offers(
        &form,
        &["F5 accept", "F8 decline", "F9 cancel", "Esc later"],
        &["copy"],
    );
}

#[test]
fn where_one_writes_the_way_to_help_is_a_key_that_is_no_text() {
    for (name, keys) in [
        ("asked", "a"),
        ("live", "2/get-sum<enter><enter>"),
        ("live", "2/get-sum<enter><enter><end>x"),
    ] {
        let mut stage = Stage::open(80, 24, &fixture(name), State::Live);
        let bar = hints(&mut stage, keys);
        offers(&bar, &["Esc", "F1 help"], &["? help"]);
        stage.press("<f1>");
        offers(&stage.status(), &["Esc close"], &["send", "accept"]);
    }
    let mut stage = Stage::open(80, 24, &fixture("live"), State::Live);
    let bar = hints(&mut stage, "2/get-sum<enter><enter><end><bs><bs>\"x\",");
    let all = ["F5 send", "F2 although invalid", "Ctrl-R earlier"];
    offers(&bar, &all, &[]);
    let bar = hints(&mut stage, "<bs><bs><bs><bs>1,");
    offers(&bar, &["Ctrl-R earlier", "Tab session"], &["F2"]);
}

#[test]
fn the_keys_of_a_search_are_offered_while_there_is_something_to_go_to() {
    let mut stage = stage("live", State::Live);
    let before = hints(&mut stage, "/tools/list<enter>g<enter>");
    offers(&before, &["/ search"], &["n next match"]);
    let found = hints(&mut stage, "/get-sum<enter>");
    offers(&found, &["n next match", "N previous"], &[]);
    offers(
        &hints(&mut stage, "/zzz<enter>"),
        &["/ search"],
        &["next match"],
    );
}

#[test]
fn who_only_watches_sees_again_how_things_stand() {
    let mut stage = stage("live", State::Live);
    let before = stage.status();
    // The clock stood still while nothing happened.
    let told = stage.app.world.now.0 + 3_600_000_000;
    let after = |seconds: i64| Event::Tick {
        now: Timestamp(told + seconds * 1_000_000),
        utc_offset_seconds: 0,
    };
    for (notice, seen, gone) in [
        (Notice::info("it is done"), 8, 12),
        (Notice::error("it is not done"), 25, 35),
    ] {
        stage.send(Event::Notice(notice.clone()));
        for seconds in [0, seen] {
            stage.send(after(seconds));
            assert!(
                stage.status().contains(&notice.text),
                "{seconds}: {}",
                stage.status()
            );
            assert!(stage.app.ages());
        }
        stage.send(after(gone));
        assert!(!stage.status().contains(&notice.text), "{}", stage.status());
    }
    assert_eq!(stage.status(), before);
}
