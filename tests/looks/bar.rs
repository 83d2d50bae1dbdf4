//! What the bar at the bottom says: how things stand, what has come of what one did, and what one can do.

use super::*;

/// What the bar says when it has grown: its lines without the hints, put together again.
fn bar(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let rule = lines
        .iter()
        .rposition(|line| line.starts_with('─'))
        .unwrap();
    let words = lines[rule + 1..].iter().map(|line| line.trim());
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_bar_below_a_sheet_says_how_current_the_screen_is() {
    let mut stage = stage(120, 40, "live", State::Live);
    stage.press("2<enter>");
    assert!(stage.status().contains("● live"), "{}", stage.status());
}

#[test]
fn what_follows_nothing_does_not_say_that_it_follows() {
    let stage = stage(120, 40, "live", State::Ended);
    assert!(!stage.status().contains("follow"), "{}", stage.status());
}

#[test]
fn a_notice_longer_than_the_bar_is_read_to_its_end() {
    let long = format!(
        "cannot create {}/traffic.jsonl: Permission denied",
        "/folder".repeat(12)
    );
    let squeezed = |text: &str| text.replace(' ', "");
    for (width, height) in [(40, 12), (80, 24), (120, 40), (200, 60)] {
        let mut stage = stage(width, height, "live", State::Live);
        let before = stage.text();
        stage.send(Event::Notice(Notice::error(long.clone())));
        let text = stage.text();
        assert!(
            squeezed(&bar(&text)).starts_with(&squeezed(&long)),
            "{text}"
        );
        stage.press("6");
        assert!(
            !bar(&stage.text()).contains("Permission"),
            "{}",
            stage.text()
        );
        stage.press("1");
        assert_eq!(stage.text(), before);
    }
}

#[test]
fn a_notice_without_an_end_leaves_the_screen_and_is_marked_as_cut() {
    for (width, height) in [(40, 8), (80, 24)] {
        let mut stage = stage(width, height, "live", State::Live);
        stage.send(Event::Notice(Notice::error("and on ".repeat(10_000))));
        let text = stage.text();
        assert!(bar(&text).ends_with('…'), "{text}");
        assert!(
            text.lines().filter(|line| line.contains("and on")).count() <= usize::from(height) / 3
        );
    }
}

#[test]
fn a_capture_that_cannot_be_read_says_why_for_as_long_as_it_is_shown() {
    let reason = "/a/rather/long/path/to/what/somebody/took/for/a/capture.jsonl is not a capture: its first line is not a header";
    let mut stage = stage(80, 24, "empty", State::Loading);
    let (why, from) = (reason.to_owned(), None);
    stage.send(Event::Fed(Fed::Failed { why, from }));
    stage.press("<esc>");
    let text = stage.text();
    assert!(text.contains("its first line is not a header"), "{text}");
    assert!(stage.status().contains("the Log says why"), "{text}");
    assert!(stage.status().contains("? help"), "{text}");
    stage.press("6");
    assert!(stage.text().contains("not a header"), "{}", stage.text());
    let (why, from) = ("the capture is unreadable".to_owned(), Some(13_020));
    stage.send(Event::Fed(Fed::Failed { why, from }));
    stage.press("<esc>1");
    let told = "unreadable from byte 13 020 on: the Log says why";
    assert!(stage.status().contains(told), "{}", stage.status());
}

#[test]
fn who_is_asked_something_sees_the_answers_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("pending.jsonl");
    let of = r#""at":"2026-11-21T02:45:01.123456Z","session":1"#;
    let lines = [
        r#"{"capture":1,"name":"x"}"#.to_owned(),
        format!(r#"{{"seq":1,{of},"opened":{{"by":"operator","transport":"stdio"}}}}"#),
        format!(
            r#"{{"seq":2,{of},"from":"operator","message":{{"jsonrpc":"2.0","id":1,"method":"x"}}}}"#
        ),
    ];
    std::fs::write(&capture, lines.join("\n") + "\n").unwrap();
    let session = Session {
        quit_ends_session: true,
        ..Session::default()
    };
    let mut stage = Stage::with(80, 24, &capture, State::Live, session);
    stage.press("q");
    let text = bar(&stage.text());
    assert!(
        text.contains("would be lost. End the session and quit?") && text.contains("y yes"),
        "{text}"
    );
}

#[test]
fn what_one_can_do_is_in_the_bar_of_a_small_screen_too() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let stage = stage(width, height, "live", State::Saved);
        let bar = stage.status();
        for piece in ["2 errors", "/ filter", "Enter open", "? help"] {
            assert!(bar.contains(piece), "{width}: {bar}");
        }
    }
}

#[test]
fn gaps_and_failures_stand_in_the_status_bar_in_words() {
    let stage = Stage::open(80, 24, &fixture("trouble"), State::Ended);
    assert!(
        stage.status().contains("ended") && stage.status().contains("14 messages not captured")
    );
}

#[test]
fn what_nobody_keeps_is_not_called_by_a_file_name() {
    let mut stage = with(
        Session {
            kept: Kept::Nowhere,
            ..Session::default()
        },
        State::Live,
    );
    let status = stage.status();
    assert!(status.contains("not captured"), "{status}");
    assert!(!status.contains("jsonl"), "{status}");
    stage.press("5");
    let screen = stage.screen();
    assert!(screen.contains("none (--no-capture)"), "{screen}");
}

#[test]
fn what_is_kept_elsewhere_is_called_by_the_file_there() {
    let session = Session {
        capture: "/proc/self/fd/9".into(),
        kept: Kept::There("/far/away/20261121-c.jsonl".into()),
        ..Session::default()
    };
    let mut stage = with(session, State::Live);
    let status = stage.status();
    assert!(status.contains("20261121-c.jsonl"), "{status}");
    stage.press("5");
    let screen = stage.screen();
    assert!(screen.contains("/far/away/20261121-c.jsonl"), "{screen}");
    assert!(screen.contains("where the proxy runs"), "{screen}");
    // That command would delete a file of this machine.
    assert!(!screen.contains("rm "), "{screen}");
    stage.press("y");
    let copied = Effect::Copy {
        what: "the capture's path",
        text: "/far/away/20261121-c.jsonl".to_owned(),
    };
    assert!(stage.effects.contains(&copied), "{:?}", stage.effects);
}
