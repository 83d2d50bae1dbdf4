//! What the screen says and where, beyond the pictures: nothing that matters is cut away or out of date.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "looks/bar.rs"]
mod bar;
mod common_ui;
#[path = "looks/http.rs"]
mod http;
#[path = "looks/lists.rs"]
mod lists;
#[path = "looks/messages.rs"]
mod messages;

use common_ui::{Stage, State, fixture};
use mcp_sentinel::tap::Timestamp;
use mcp_sentinel::ui::app::{Kept, Session};
use mcp_sentinel::ui::event::{Effect, Event, Fed, Notice};
use mcp_sentinel::ui::theme::Ground;
use ratatui::style::Modifier;

fn stage(width: u16, height: u16, name: &str, state: State) -> Stage {
    Stage::open(width, height, &fixture(name), state)
}

fn with(session: Session, state: State) -> Stage {
    Stage::with(140, 40, &fixture("live"), state, session)
}

/// What stands left of a sheet.
fn left_of_sheet(text: &str) -> Vec<String> {
    let left = |line: &str| {
        line.split('│')
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned()
    };
    text.lines().map(left).collect()
}

#[test]
fn the_list_behind_a_sheet_is_whole() {
    for width in [110, 120, 150] {
        let mut stage = stage(width, 40, "live", State::Live);
        stage.press("/tools/call get-sum<enter>ge");
        let left = left_of_sheet(&stage.text());
        let heading = left.iter().find(|line| line.contains("TIME")).unwrap();
        assert!(heading.contains("STATUS"), "{width}: {heading}");
        let row = left.iter().find(|line| line.starts_with('▌')).unwrap();
        assert!(
            row.contains("a=2 b=3") && row.contains(" ok"),
            "{width}: {row}"
        );
    }
}

#[test]
fn a_sheet_covers_the_message_and_leaves_a_wide_list_as_it_is() {
    let mut stage = stage(200, 60, "live", State::Live);
    stage.press("/tools/call get-sum<enter>g");
    let before = left_of_sheet(&stage.text());
    stage.press("e");
    let after = left_of_sheet(&stage.text());
    assert_eq!(before[2..10], after[2..10]);
}

#[test]
fn the_rule_beside_a_list_stays_where_it_is_when_a_sheet_opens() {
    for (width, pane, open) in [
        (200, "/tools/call get-sum<enter>g", "e"),
        (200, "2", "<enter>"),
        (100, "2", "<enter>"),
    ] {
        let mut stage = stage(width, 30, "live", State::Live);
        stage.press(pane);
        let rule = |stage: &Stage| {
            let text = stage.text();
            let line = text.lines().nth(5).unwrap();
            line.chars().position(|c| c == '│').unwrap()
        };
        let at = rule(&stage);
        stage.press(open);
        assert_eq!(rule(&stage), at, "{}", stage.text());
    }
}

#[test]
fn a_server_that_fell_is_told_at_once() {
    let stage = stage(80, 24, "trouble", State::Live);
    let bar = stage.status();
    assert!(
        bar.contains("killed by signal 6") || bar.contains("not captured"),
        "{bar}"
    );
    let stage = self::stage(80, 24, "fallen", State::Live);
    let bar = stage.status();
    assert!(bar.contains("the server exited with status 3"), "{bar}");
}

#[test]
fn a_name_that_is_too_long_for_the_title_is_marked_as_cut() {
    let stage = stage(80, 24, "fallen", State::Live);
    let title = stage.text().lines().next().unwrap().to_owned();
    assert!(title.contains('…'), "{title}");
}

#[test]
fn the_server_pane_says_what_is_below() {
    let mut stage = stage(80, 24, "live", State::Live);
    stage.press("5");
    assert!(stage.text().contains("lines below"), "{}", stage.text());
    stage.press("G");
    assert!(!stage.text().contains("below"), "{}", stage.text());
}

#[test]
fn the_counters_add_up() {
    let mut stage = stage(120, 60, "http", State::Live);
    stage.press("5");
    let text = stage.text();
    let line = text
        .lines()
        .find(|line| line.contains("from clients"))
        .unwrap();
    let numbers: Vec<u64> = line
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    assert_eq!(numbers[0], numbers[1..].iter().sum::<u64>(), "{line}");
}

#[test]
fn a_list_that_nobody_asked_for_is_not_called_empty() {
    let mut stage = stage(120, 40, "empty", State::Live);
    stage.press("2");
    assert!(stage.text().contains("not listed yet"), "{}", stage.text());
    assert!(!stage.text().contains("0 tools"), "{}", stage.text());
}

#[test]
fn what_a_tool_says_of_itself_is_read_to_the_end() {
    let mut stage = stage(64, 24, "fallen", State::Live);
    stage.press("2");
    let text = stage.text();
    assert!(
        text.contains("not idempotent") && text.contains("closed world"),
        "{text}"
    );
}

#[test]
fn a_refused_discovery_is_not_shown_as_an_error_that_nobody_counts() {
    let mut stage = stage(120, 40, "fallen", State::Live);
    stage.press("/server/discover<enter>g");
    assert!(stage.selected().contains("refused"), "{}", stage.selected());
    assert!(stage.status().contains("1 error "), "{}", stage.status());
}

#[test]
fn what_is_told_of_a_message_is_told_whole_or_not_at_all() {
    for width in 40..130 {
        let mut stage = stage(width, 40, "live", State::Live);
        stage.press("/tools/list<enter>g<enter>/inputSchema<enter>");
        let text = stage.text();
        let heading = text
            .lines()
            .find(|line| line.contains("answer  match"))
            .unwrap();
        let whole = ["bytes", "ok", "request", "ms", "below"];
        assert!(
            whole.iter().any(|word| heading.trim_end().ends_with(word)),
            "{width}: {heading}"
        );
    }
}

#[test]
fn a_problem_is_named_as_it_is_above() {
    let mut stage = stage(80, 24, "live", State::Live);
    stage.press("2/get-sum<enter><enter><down><end><bs><bs>\"x\"<f5>");
    let text = stage.text();
    assert!(text.contains("not sent: b: "), "{text}");
}

#[test]
fn a_list_that_the_server_refused_is_not_called_unasked() {
    let mut stage = stage(120, 24, "fallen", State::Live);
    stage.press("4");
    let text = stage.text();
    assert!(
        text.contains("does not list its prompts") && text.contains("no prompts here"),
        "{text}"
    );
    assert!(stage.status().contains("r refresh"), "{}", stage.status());
}

#[test]
fn arguments_are_a_table_only_where_their_descriptions_can_be_read() {
    for width in [90, 100, 110, 120, 160] {
        let mut stage = stage(width, 40, "fallen", State::Live);
        stage.press("2");
        let text = stage.text();
        assert!(text.contains("Who is to be asked"), "{width}: {text}");
    }
}

#[test]
fn what_the_server_does_not_offer_is_not_waited_for() {
    let mut stage = stage(80, 24, "fallen", State::Live);
    stage.press("3");
    let text = stage.text();
    assert!(text.contains("offers no resources"), "{text}");
    assert!(!text.contains("not listed yet"), "{text}");
}

#[test]
fn help_is_there_while_one_types_and_leaves_what_was_typed() {
    let mut stage = stage(80, 24, "live", State::Live);
    stage.press("2/get-sum<enter><enter><f1>");
    assert!(stage.text().contains("Writing a call"), "{}", stage.text());
    stage.press("<esc>");
    assert!(stage.text().contains("Call get-sum"), "{}", stage.text());
    stage.press("<esc>1/abc<f1>");
    assert!(stage.text().contains("Typing a filter"), "{}", stage.text());
    stage.press("<esc>d");
    assert!(stage.status().contains("/abcd"), "{}", stage.status());
}

#[test]
fn nothing_on_the_selected_line_is_dim() {
    for ground in [Ground::Dark, Ground::Light, Ground::Plain] {
        let mut stage = stage(120, 40, "live", State::Live);
        stage.theme(ground);
        stage.press("gg");
        let buffer = stage.buffer();
        let dim = |x: u16| buffer[(x, 3)].modifier.contains(Modifier::DIM);
        assert!(stage.selected().contains("session opened"));
        assert!(!(0..120).any(dim), "{ground:?}");
    }
}

#[test]
fn no_status_is_cut_where_the_list_has_room_for_its_columns() {
    for width in [52, 80, 120, 200] {
        let stage = stage(width, 24, "rounds", State::Live);
        let text = stage.text();
        assert!(text.contains("asks input"), "{width}: {text}");
    }
}

#[test]
fn the_help_says_what_is_below_without_writing_over_a_line() {
    let mut stage = stage(40, 12, "live", State::Live);
    stage.press("?");
    let text = stage.text();
    let rule = text.lines().rev().nth(1).unwrap();
    assert!(
        rule.starts_with('─') && rule.contains("lines below"),
        "{text}"
    );
}

#[test]
fn long_ids_are_shown_whole_where_there_is_room_and_else_by_their_end() {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("ids.jsonl");
    let mut text = "{\"capture\":1,\"name\":\"x\"}\n".to_owned();
    for id in ["request-41", "request-42"] {
        text.push_str(&format!(
            r#"{{"seq":1,"at":"2026-11-21T02:45:01.123456Z","session":1,"from":"client","message":{{"jsonrpc":"2.0","id":"{id}","method":"ping"}}}}"#
        ));
        text.push('\n');
    }
    std::fs::write(&capture, text).unwrap();
    for (width, shown) in [
        (100, "  …t-42 "),
        (120, " request-42 "),
        (250, " request-42 "),
    ] {
        let stage = Stage::open(width, 24, &capture, State::Live);
        assert!(
            stage.selected().contains(shown),
            "{width}: {}",
            stage.selected()
        );
    }
}

#[test]
fn a_saved_capture_does_not_tell_to_call_anything() {
    for (state, offered) in [(State::Live, true), (State::Saved, false)] {
        let mut stage = stage(120, 40, "live", state);
        stage.press("4");
        let text = stage.text();
        assert_eq!(text.contains("none yet; Enter gets it"), offered, "{text}");
        assert!(text.contains("CALLS      none"), "{text}");
    }
}

#[test]
fn why_a_session_ended_is_read_to_its_end() {
    let reason = "the capture ends here";
    for width in [60, 80, 120, 200] {
        let mut stage = stage(width, 60, "live", State::Saved);
        stage.press("5");
        let text = stage.text();
        assert_eq!(text.matches(reason).count(), 2, "{width}: {text}");
        assert!(width < 80 || text.contains("ENDED"), "{width}: {text}");
    }
}

#[test]
fn a_line_of_the_log_that_goes_on_below_says_so() {
    let mut stage = stage(80, 24, "live", State::Live);
    stage.press("6");
    stage.send(Event::Notice(Notice::error("and on ".repeat(100))));
    stage.press("G");
    let text = stage.text();
    assert!(text.contains("lines below"), "{text}");
}

#[test]
fn a_torn_last_line_is_told_once_nobody_will_finish_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cut.jsonl");
    let mut torn = std::fs::read(fixture("live")).unwrap();
    torn.truncate(torn.len() - 9);
    let bytes = torn.len() - 1 - torn.iter().rposition(|byte| *byte == b'\n').unwrap();
    std::fs::write(&path, torn).unwrap();
    let mut stage = Stage::start(120, 40, &path, State::Saved, Session::default());
    stage.read(usize::MAX);
    stage.send(Event::Fed(Fed::CaughtUp));
    assert!(!stage.status().contains("torn"), "{}", stage.status());
    stage.arrive();
    let told = format!("the last line is torn ({bytes} bytes)");
    assert!(stage.status().contains(&told), "{}", stage.status());
    stage.press("6");
    let told = format!("the last line of the capture is torn ({bytes} bytes)");
    assert!(stage.text().contains(&told), "{}", stage.text());
    stage.send(Event::Fed(Fed::Batch {
        digests: Vec::new(),
        progress: (1, 1),
    }));
    assert!(!stage.status().contains("torn"), "{}", stage.status());
}

#[test]
fn what_has_no_name_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nameless.jsonl");
    let record = |seq: u32, from: &str, rest: &str| {
        format!(
            r#"{{"seq":{seq},"at":"2026-11-21T12:04:01.000000Z","session":1,"from":"{from}","message":{{"jsonrpc":"2.0","id":{seq},{rest}}}}}"#
        )
    };
    let lines = [
        r#"{"capture":1,"name":"x"}"#.to_owned(),
        record(
            1,
            "client",
            r#""method":"tools/call","params":{"name":" "}"#,
        ),
        record(
            2,
            "client",
            r#""method":"prompts/get","params":{"name":""}"#,
        ),
    ];
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    for (width, height) in [(40, 10), (80, 24), (120, 40)] {
        let mut stage = Stage::open(width, height, &path, State::Saved);
        assert!(stage.text().contains("tools/call"), "{}", stage.text());
        let nameless = |stage: &Stage| stage.text().matches("(no na").count();
        assert_eq!(nameless(&stage), 2, "{}", stage.text());
        stage.press("2");
        assert!(nameless(&stage) > 0, "{}", stage.text());
    }
}

#[test]
fn a_screen_that_is_too_small_says_how_to_leave_it() {
    let mut stage = Stage::with(
        20,
        5,
        &fixture("live"),
        State::Live,
        Session {
            quit_ends_session: true,
            ..Session::default()
        },
    );
    let text = stage.text();
    assert!(
        text.contains("q quits") && text.contains("enlarge"),
        "{text}"
    );
    stage.press("q");
    assert!(stage.text().contains("y / n"), "{}", stage.text());
}

#[test]
fn of_records_that_are_missing_nothing_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let ping = r#""from":"client","message":{"jsonrpc":"2.0","method":"notifications/x"}"#;
    let path = common_ui::capture(directory.path(), &[ping, ping, ping, ping]);
    let text = std::fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains(r#""seq":2,"#) && !line.contains(r#""seq":3,"#))
        .collect();
    std::fs::write(&path, format!("{}\n", kept.join("\n"))).unwrap();
    let mut stage = Stage::open(120, 40, &path, State::Saved);
    stage.press("gj<enter>");
    for (key, said) in [("w", "nothing to save"), ("y", "nothing to copy")] {
        stage.press(key);
        assert!(stage.text().contains(said), "{key}: {}", stage.text());
    }
    stage.press("5");
    assert!(stage.text().contains("missing       2"), "{}", stage.text());
}

#[test]
fn a_line_of_stderr_is_as_long_as_it_was_written() {
    let mut stage = Stage::open(120, 40, &fixture("live"), State::Saved);
    stage.press("gj<enter>");
    let text = stage.text();
    let line = "Starting default (STDIO) server...\n";
    assert!(text.contains(&format!("{} bytes", line.len())), "{text}");
}

#[test]
fn what_nobody_listed_and_templates_are_counted_apart() {
    let directory = tempfile::tempdir().unwrap();
    let lines = [
        r#""opened":{"by":"client","transport":"stdio","pid":1}"#,
        r#""from":"client","message":{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        r#""from":"server","message":{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b"}]}}"#,
        r#""from":"client","message":{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"nope"}}"#,
        r#""from":"client","message":{"jsonrpc":"2.0","id":3,"method":"resources/list"}"#,
        r#""from":"server","message":{"jsonrpc":"2.0","id":3,"result":{"resources":[{"name":"r","uri":"a://r"}]}}"#,
        r#""from":"client","message":{"jsonrpc":"2.0","id":4,"method":"resources/templates/list"}"#,
        r#""from":"server","message":{"jsonrpc":"2.0","id":4,"result":{"resourceTemplates":[{"name":"t","uriTemplate":"a://{x}"}]}}"#,
        r#""from":"client","message":{"jsonrpc":"2.0","id":5,"method":"resources/read","params":{"uri":"a://1"}}"#,
    ];
    let path = common_ui::capture(directory.path(), &lines);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("2");
    let text = stage.text();
    assert!(text.contains("2 Tools 2  3 Resources 2  "), "{text}");
    assert!(text.contains("  2 tools, 1 not listed"), "{text}");
    stage.press("3");
    let text = stage.text();
    assert!(
        text.contains("  1 resource, 1 template, 1 not listed"),
        "{text}"
    );
}
