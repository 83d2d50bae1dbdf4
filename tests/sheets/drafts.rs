//! What was typed and not sent, what was sent before, and how the one does not take the place of the other.

use super::sessions::to_be_repeated;
use super::*;

#[test]
fn escape_keeps_the_draft_and_what_was_sent_comes_back() {
    let mut stage = live(SUM);
    stage.press("<enter><end><bs><bs>41,<esc><esc>");
    assert!(stage.app.sheet.is_none());
    stage.press("<enter>");
    assert!(stage.text().contains("\"a\": 41,"), "{}", stage.text());
    stage.press("<f5>");
    written(&mut stage);
    stage.press("<esc><enter>");
    assert!(
        stage.text().contains("\"a\": 0,"),
        "a sent draft is done with"
    );
    stage.press("<c-r>");
    assert!(stage.text().contains("\"a\": 41,"), "{}", stage.text());
}

#[test]
fn what_is_being_typed_is_kept_when_the_typing_pauses() {
    let mut stage = live(SUM);
    stage.press("<enter><end><bs><bs>41,");
    let kept = |stage: &mut Stage, seconds: i64| {
        let now = Timestamp(stage.app.world.now.0 + seconds * 1_000_000);
        stage.effects.clear();
        stage.send(Event::Tick {
            now,
            utc_offset_seconds: 0,
        });
        let keeping = stage.effects.iter().find_map(|effect| match effect {
            Effect::Keep(drafts) => Some(format!("{drafts:?}")),
            _ => None,
        });
        keeping.is_some_and(|it| it.contains("41,"))
    };
    assert!(!kept(&mut stage, 0) && stage.app.ages());
    assert!(kept(&mut stage, 1));
    assert!(!kept(&mut stage, 1), "once is enough");
    stage.press("2");
    assert!(kept(&mut stage, 1), "and again with what came after");
    stage.send(Event::Edited(Ok("{\"a\": 41, \"b\": 5}".into())));
    assert!(kept(&mut stage, 1), "from an editor, too");
    assert!(stage.app.sheet.is_some());
}

#[test]
fn the_arguments_of_captured_calls_come_back() {
    let mut stage = live(SUM);
    stage.press("e");
    let text = stage.text();
    assert!(text.contains("\"a\": 2, \"b\": 3"), "{text}");
    stage.press("<c-r>");
    assert!(stage.text().contains("\"a\": \"x\""), "{}", stage.text());
    // What is typed next goes on with the first value.
    stage.press("y");
    assert!(stage.text().contains("\"a\": \"xy\""), "{}", stage.text());
}

#[test]
fn what_was_typed_comes_back_after_other_arguments_took_its_place() {
    let mut stage = live(SUM);
    stage.press("<enter><end><bs><bs>41,<esc>e");
    let text = stage.text();
    assert!(
        text.contains("\"a\": 2, \"b\": 3"),
        "the last call's: {text}"
    );
    // Only looked at: the draft is still one.
    stage.press("<esc><enter>");
    assert!(stage.text().contains("\"a\": 41,"), "{}", stage.text());
    stage.press("<end><bs>2,<c-r>");
    assert!(!stage.text().contains("412,"), "{}", stage.text());
    stage.press("<c-r><c-r>");
    let text = stage.text();
    assert!(text.contains("\"a\": 412,"), "it goes round: {text}");
    assert!(text.contains("earlier arguments (3)"), "{text}");
    // After a fresh start.
    stage.press("<c-r><c-r>7<esc><enter>");
    let text = stage.text();
    assert!(text.contains("\"a\": 27,"), "{text}");
    let kept = stage.app.drafts.clone();
    assert!(format!("{kept:?}").contains("412,"), "{kept:?}");
}

/// A tool that was never called: `a`, a number, is all that it takes.
fn never_called(directory: &Path) -> Stage {
    let path = capture(directory, &LISTED);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("2<enter>");
    stage
}

#[test]
fn what_is_typed_is_no_earlier_call() {
    let directory = tempfile::tempdir().unwrap();
    let mut stage = never_called(directory.path());
    stage.press("<c-r>");
    let text = stage.text();
    assert!(text.contains("it was not called before"), "{text}");
    stage.press("<end>97531");
    let text = stage.text();
    assert!(!text.contains("earlier arguments"), "{text}");
    // It is a draft all the same.
    stage.press("<esc><enter>");
    assert!(stage.text().contains("97531"), "{}", stage.text());
}

#[test]
fn what_has_no_last_arguments_is_written_as_any_call() {
    let directory = tempfile::tempdir().unwrap();
    let mut stage = never_called(directory.path());
    let fresh = stage.text();
    stage.press("<esc>e");
    assert_eq!(stage.text(), fresh);
    stage.press("<end>97531<esc>e");
    assert!(stage.text().contains("97531"), "{}", stage.text());
}

#[test]
fn a_spoiled_draft_makes_room_for_a_fresh_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut stage = never_called(directory.path());
    let fresh = stage.text();
    stage.press("<end>nonsense<esc>");
    // As after a restart.
    let kept = stage.app.drafts.clone();
    let mut stage = never_called(directory.path());
    stage.press("<esc>");
    stage.send(Event::Recalled(Box::new(kept)));
    stage.press("<enter>");
    let text = stage.text();
    assert!(text.contains("nonsense"), "{text}");
    assert!(text.contains("Ctrl-R makes a fresh start"), "{text}");
    stage.press("<c-r>");
    let text = stage.text();
    assert!(!text.contains("nonsense"), "{text}");
    // It does not come back by itself, and is not lost.
    stage.press("<esc><enter>");
    assert!(!stage.text().contains("nonsense"), "{}", stage.text());
    stage.press("<c-r>");
    assert!(stage.text().contains("nonsense"), "{}", stage.text());
    stage.press("<c-r><esc><enter>");
    let again = stage.text();
    let arguments = |text: &str| text.lines().take(7).collect::<Vec<_>>().join("\n");
    assert_eq!(arguments(&again), arguments(&fresh));
}

#[test]
fn a_fresh_start_comes_after_what_was_sent_and_empties_the_fields_of_a_template() {
    let mut stage = live(SUM);
    stage.press("e<c-r><c-r>");
    let text = stage.text();
    assert!(text.contains("\"a\": 0,"), "{text}");
    stage.press("<esc>3/{<enter><enter>hello");
    assert!(stage.text().contains("hello"), "{}", stage.text());
    stage.press("<c-r>");
    assert!(!stage.text().contains("hello"), "{}", stage.text());
}

#[test]
fn a_replay_that_was_edited_comes_back_after_its_original_and_after_a_replay_as_it_was() {
    let edited = |stage: &Stage| stage.text().contains("\"a\": 29");
    let mut stage = live("/tools/call get-sum<enter>ge9");
    assert!(edited(&stage));
    stage.press("<c-r>");
    assert!(!edited(&stage));
    stage.press("<c-r>");
    assert!(edited(&stage));
    stage.press("<esc>r");
    written(&mut stage);
    stage.press("<esc>e");
    assert!(edited(&stage));
}

#[test]
fn a_replay_speaks_of_its_original_and_not_of_earlier_arguments() {
    let stage = live("/tools/call get-sum<enter>ge<f5>y<esc>e");
    let text = stage.text();
    assert!(text.contains("Send again tools/call get-sum"), "{text}");
    assert!(text.contains("Ctrl-R original"), "{text}");
    assert!(!text.contains("earlier arguments"), "{text}");
}

#[test]
fn a_pasted_line_break_stays_in_the_editor_and_out_of_the_message() {
    let mut stage = live("2/echo<enter><enter>");
    stage.send(Event::Paste("größe\r\n".to_owned()));
    assert!(stage.text().contains("größe"), "{}", stage.text());
    stage.press("<f5><f2>");
    assert!(commands(&stage).is_empty());
}

#[test]
fn a_pasted_object_takes_the_place_of_what_nobody_touched() {
    let mut stage = live(SUM);
    stage.press("<enter>");
    let pasted = || Event::Paste("{\"a\": 1,\n \"b\": 5}\n".to_owned());
    stage.send(pasted());
    // The cursor stands behind it.
    stage.press("<bs>}<f5>");
    assert!(sent(&stage).2.contains(r#""arguments":{"a":1,"b":5}"#));
    let mut stage = live(SUM);
    stage.press("<enter>7");
    stage.send(pasted());
    assert!(stage.text().contains("7{"), "{}", stage.text());
}

#[test]
fn a_draft_outlives_an_older_sheet_that_is_closed_after_it() {
    let mut stage = to_be_repeated(&[]);
    stage.press("<esc><enter><end>97<esc>");
    // The older one, once more.
    let old = stage.app.unfinished.pop();
    stage.app.sheet = old;
    stage.press("<esc><enter>");
    assert!(stage.text().contains("97"), "{}", stage.text());
}

#[test]
fn a_draft_that_was_hidden_does_not_take_the_place_of_a_newer_one() {
    let mut stage = live(SUM);
    stage.press("<enter><end><bs><bs>41,<esc>e<f5><esc><enter>");
    assert!(stage.text().contains("\"a\": 41,"), "{}", stage.text());
    stage.press("<end><bs>2,<esc>");
    // The call that waits is looked at once more.
    stage.app.sheet = stage.app.unfinished.pop();
    stage.press("<esc><enter>");
    assert!(stage.text().contains("\"a\": 412,"), "{}", stage.text());
    let kept = format!("{:?}", stage.app.drafts);
    assert!(kept.contains("41,"), "{kept}");
}

#[test]
fn what_is_typed_on_an_older_sheet_puts_a_newer_draft_aside() {
    let mut stage = to_be_repeated(&[]);
    stage.press("<esc><enter><end>97<esc>");
    stage.app.sheet = stage.app.unfinished.pop();
    stage.press("e<end>53<esc><esc><enter>");
    assert!(stage.text().contains("53"), "{}", stage.text());
    let kept = format!("{:?}", stage.app.drafts);
    assert!(kept.contains("97"), "{kept}");
}

#[test]
fn what_was_called_is_not_said_never_to_have_been() {
    let directory = tempfile::tempdir().unwrap();
    let call = r#""from":"operator","message":{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"book","arguments":{}}}"#;
    let answer = r#""from":"server","message":{"jsonrpc":"2.0","id":2,"result":{"content":[]}}"#;
    let path = capture(
        directory.path(),
        &[LISTED.as_slice(), &[call, answer]].concat(),
    );
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("2e");
    let text = stage.text();
    assert!(text.contains("{}"), "{text}");
    for words in ["not called before", "no other", "Ctrl-R"] {
        assert!(!text.contains(words), "{words}: {text}");
    }
    stage.press("<c-r>");
    let text = stage.text();
    assert!(text.contains("there are no other arguments"), "{text}");
}

#[test]
fn what_is_typed_after_a_fresh_start_gives_way_to_the_newest_call() {
    let mut stage = live(SUM);
    stage.press("<enter><c-r><c-r><c-r>");
    assert!(stage.text().contains("\"a\": 0,"), "{}", stage.text());
    stage.press("7<c-r>");
    let text = stage.text();
    assert!(text.contains("\"a\": 2, \"b\": 3"), "{text}");
}

/// What each press of a key leads to, so many times.
fn walked(stage: &mut Stage, key: &str, times: usize) -> Vec<String> {
    let walk = (0..times).map(|_| {
        stage.press(key);
        stage.text()
    });
    walk.collect()
}

#[test]
fn what_was_brought_back_and_edited_does_not_come_up_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let mut stage = never_called(directory.path());
    let is_as_it_was = |text: &String| text.contains("{}foo") && !text.contains("{}foobar");
    // Two texts that were not sent, the older one of them brought back.
    stage.press("<end>foo<c-r><end>more<c-r>");
    let text = stage.text();
    assert!(is_as_it_was(&text), "{text}");
    stage.press("<end>bar");
    let others = |walked: &[String]| {
        let shown = |words: &str| walked.iter().filter(|text| text.contains(words)).count();
        (shown("{}foobar"), shown("{}more"))
    };
    let round = walked(&mut stage, "<c-r>", 3);
    assert!(!round.iter().any(is_as_it_was), "{}", round.join("\n"));
    assert_eq!(others(&round), (1, 1), "{}", round.join("\n"));
    // Nor on the next sheet.
    stage.press("<esc><enter>");
    let round = walked(&mut stage, "<c-r>", 3);
    assert!(!round.iter().any(is_as_it_was), "{}", round.join("\n"));
    assert_eq!(others(&round), (1, 1), "{}", round.join("\n"));
}

#[test]
fn a_draft_that_was_brought_back_edited_and_sent_is_done_with() {
    let mut stage = live(SUM);
    stage.press("<enter><end><bs><bs>41,<c-r><c-r><c-r>");
    assert!(stage.text().contains("\"a\": 41,"), "{}", stage.text());
    stage.press("<end><bs>2,<f5>");
    written(&mut stage);
    stage.press("<esc><enter>");
    assert!(stage.text().contains("\"a\": 0,"), "{}", stage.text());
    let round = walked(&mut stage, "<c-r>", 4);
    let again = round.iter().find(|text| text.contains("\"a\": 41,"));
    assert_eq!(again, None);
}

#[test]
fn an_edit_that_is_taken_back_leaves_the_draft() {
    let mut stage = live(SUM);
    stage.press("<enter><end><bs><bs>41,<c-r><c-r><c-r><end>2<bs><esc><enter>");
    assert!(stage.text().contains("\"a\": 41,"), "{}", stage.text());
}

#[test]
fn a_replay_that_was_edited_again_and_sent_does_not_come_back_as_it_was() {
    let mut stage = live("/tools/call get-sum<enter>ge9<c-r><c-r>8<f5>");
    assert!(stage.text().contains("\"a\": 298"), "{}", stage.text());
    written(&mut stage);
    stage.press("<esc>e");
    assert!(!stage.text().contains("\"a\": 29"), "{}", stage.text());
}

#[test]
fn nothing_is_typed_into_a_draft_that_is_not_on_the_screen() {
    let mut stage = live(SUM);
    let resize = |stage: &mut Stage, width, height| stage.send(Event::Resize { width, height });
    stage.press("<enter>");
    let draft = |stage: &Stage| stage.app.sheet.as_ref().map(|sheet| sheet.editor.text());
    let before = draft(&stage);
    let size = stage.app.size;
    resize(&mut stage, 20, 5);
    let text = stage.text();
    assert!(
        text.contains("Esc closes") && !text.contains("q quits"),
        "{text}"
    );
    stage.press("Zqq<enter><bs>");
    stage.send(Event::Paste("pasted".into()));
    stage.press("<f5>");
    assert!(
        stage
            .app
            .sheet
            .as_ref()
            .is_some_and(|sheet| sheet.sent.is_none())
    );
    resize(&mut stage, size.width, size.height);
    assert_eq!(draft(&stage), before);
    resize(&mut stage, 20, 5);
    stage.press("<esc>");
    assert!(draft(&stage).is_none() && stage.text().contains("q quits"));
}

#[test]
fn a_sheet_that_was_small_shows_its_beginning_again() {
    let mut stage = live(SUM);
    let size = stage.app.size;
    stage.press("<enter><down>");
    for (width, height) in [(40, 8), (20, 5)] {
        stage.send(Event::Resize { width, height });
        let (width, height) = (size.width, size.height);
        stage.send(Event::Resize { width, height });
        assert_eq!(stage.app.sheet.as_ref().unwrap().editor.top(), 0);
    }
}

#[test]
fn a_draft_that_is_broken_off_is_gone_on_with_where_it_ends() {
    let mut stage = live(SUM);
    stage.press("<enter><c-a>");
    stage.send(Event::Edited(Ok("{\n  \"a\": \"hel\nlo".into())));
    stage.press("<esc><enter>!");
    let text = stage.app.sheet.as_ref().unwrap().editor.text();
    assert!(text.ends_with("lo!"), "{text}");
}
