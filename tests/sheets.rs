//! Calling, replaying and answering from the screen: keys in, commands out, answers folded in from a capture.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common_ui;
#[path = "sheets/completions.rs"]
mod completions;
#[path = "sheets/drafts.rs"]
mod drafts;
#[path = "sheets/forms.rs"]
mod forms;
#[path = "sheets/hostile.rs"]
mod hostile;
#[path = "sheets/problems.rs"]
mod problems;
#[path = "sheets/replays.rs"]
mod replays;
#[path = "sheets/sessions.rs"]
mod sessions;

use common_ui::{Stage, State, capture, fixture, styles_of, text_of};
use mcp_sentinel::tap::{Command, Refused, Reply, Route, SessionId, Timestamp};
use mcp_sentinel::ui::app::Session;
use mcp_sentinel::ui::event::{Effect, Event, Fed, Token};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::path::Path;

fn open(width: u16, height: u16, name: &str, keys: &str) -> Stage {
    let mut stage = Stage::open(width, height, &fixture(name), State::Live);
    stage.press(keys);
    stage
}

fn live(keys: &str) -> Stage {
    open(120, 40, "live", keys)
}

/// What is drawn in the sheet's place: its text, then one line per run of styled cells.
fn shot(stage: &Stage) -> String {
    let (whole, place) = (stage.buffer(), stage.app.panes().sheet);
    let mut sheet = Buffer::empty(Rect::new(0, 0, place.width, place.height));
    for (x, y) in (0..place.width).flat_map(|x| (0..place.height).map(move |y| (x, y))) {
        sheet[(x, y)] = whole[(place.x + x, place.y + y)].clone();
    }
    format!("{}{}", text_of(&sheet), styles_of(&sheet))
}

/// The commands that the screen gave, oldest first.
fn commands(stage: &Stage) -> Vec<(Token, Command)> {
    let command = |effect: &Effect| match effect {
        Effect::Command { token, command } => Some((*token, command.clone())),
        _ => None,
    };
    stage.effects.iter().filter_map(command).collect()
}

/// The only message that was sent.
fn sent(stage: &Stage) -> (Token, Route, String, Option<u64>) {
    match commands(stage).as_slice() {
        [
            (
                token,
                Command::Send {
                    route,
                    message,
                    replay_of,
                },
            ),
        ] => (*token, *route, message.clone(), *replay_of),
        other => panic!("not one message sent: {other:?}"),
    }
}

/// What the proxy would say; the fixture holds the exchange with this id.
fn outcome(stage: &mut Stage, outcome: Result<Reply, Refused>) {
    let (token, ..) = commands(stage).pop().map(|(token, _)| (token,)).unwrap();
    stage.send(Event::Outcome { token, outcome });
}

fn written(stage: &mut Stage) {
    let reply = Reply::Sent {
        session: SessionId(1),
        id: Some("\"sentinel-1\"".to_owned()),
    };
    outcome(stage, Ok(reply));
}

const SUM: &str = "2/get-sum<enter>";

#[test]
fn a_call_is_prefilled_checked_and_sent_as_typed() {
    let mut stage = live(SUM);
    stage.press("<enter>");
    assert!(stage.text().contains("\"a\": 0"), "{}", stage.text());
    stage.press("<end><bs><bs>1.50,");
    stage.press("<f5>");
    let (_, route, message, replay_of) = sent(&stage);
    assert_eq!((route, replay_of), (Route::Operator, None));
    assert!(
        message.contains(
            r#""method":"tools/call","params":{"name":"get-sum","arguments":{"a":1.50,"b":0},"_meta":{"progressToken":0}}}"#
        ),
        "{message}"
    );
    written(&mut stage);
    insta::assert_snapshot!("sheet-answered-120x40", shot(&stage));
}

#[test]
fn what_the_schema_forbids_is_marked_and_sent_only_on_purpose() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut stage = open(width, height, "live", SUM);
        stage.press("<enter><end><bs><bs>\"x\",<f5>");
        assert!(commands(&stage).is_empty());
        insta::assert_snapshot!(format!("sheet-invalid-{width}x{height}"), shot(&stage));
        stage.press("<f2>");
        assert!(sent(&stage).2.contains(r#""arguments":{"a":"x","b":0}"#));
    }
}

#[test]
fn text_that_is_no_json_is_never_sent() {
    let mut stage = live(SUM);
    stage.press("<enter><end>}");
    let status = stage.status();
    assert!(!status.contains("although invalid"), "{status}");
    stage.press("<f5><f2>");
    assert!(commands(&stage).is_empty());
    assert!(
        stage.text().contains("not one JSON object"),
        "{}",
        stage.text()
    );
}

#[test]
fn a_quote_too_many_is_not_taken_for_a_line_break_in_a_string() {
    let said = |keys: &str| {
        let mut stage = live("2/echo<enter><enter>");
        stage.press(keys);
        stage.press("<f5>");
        assert!(commands(&stage).is_empty());
        stage.text()
    };
    let quote = said("a\"b");
    assert!(quote.contains("not one JSON object"), "{quote}");
    let line_break = said("a<enter>b");
    assert!(line_break.contains("holds a line break"), "{line_break}");
}

#[test]
fn what_says_that_it_destroys_asks_in_any_session() {
    let mut stage = live("2/delete<enter><enter><f5>");
    assert!(commands(&stage).is_empty());
    for (width, height) in [(80, 24), (120, 40)] {
        stage.send(Event::Resize { width, height });
        insta::assert_snapshot!(format!("sheet-asks-{width}x{height}"), shot(&stage));
    }
    // The key that opened the sheet is no yes.
    stage.press("<enter>");
    assert!(commands(&stage).is_empty());
    stage.press("y");
    assert_eq!(sent(&stage).1, Route::Operator);
}

#[test]
fn every_act_of_what_destroys_is_asked_about_its_repetition_too() {
    let mut stage = live("2/delete<enter><enter><f5>y");
    written(&mut stage);
    stage.effects.clear();
    for keys in ["r", "<esc>e<f5>"] {
        stage.press(keys);
        assert!(commands(&stage).is_empty(), "{keys}");
        assert!(stage.text().contains("Call it?"), "{}", stage.text());
        stage.press("n");
    }
}

#[test]
fn a_resource_is_read_at_once_and_a_template_when_it_is_filled_in() {
    let mut stage = live("3<enter>");
    assert!(
        sent(&stage)
            .2
            .contains(r#""method":"resources/read","params":{"uri":"demo://"#)
    );
    stage.effects.clear();
    stage.press("<esc>/dynamic<enter><enter>");
    assert!(commands(&stage).is_empty());
    stage.press("a b");
    assert!(
        stage
            .text()
            .contains("→ demo://resource/dynamic/text/a%20b"),
        "{}",
        stage.text()
    );
    stage.press("<f5>");
    assert!(
        sent(&stage)
            .2
            .contains(r#""uri":"demo://resource/dynamic/text/a%20b""#)
    );
}

#[test]
fn a_prompt_without_arguments_is_got_at_once() {
    let mut stage = live("4/simple<enter><enter>");
    assert!(
        sent(&stage)
            .2
            .contains(r#""params":{"name":"simple-prompt","arguments":{}}"#)
    );
    stage = live("4/args<enter><enter>");
    assert!(commands(&stage).is_empty());
    assert!(stage.text().contains("\"city\": \"\""), "{}", stage.text());
}

#[test]
fn a_replay_is_byte_for_byte_and_compared_with_its_original() {
    let mut stage = live("/tools/call get-sum<enter>gr");
    let (_, route, message, replay_of) = sent(&stage);
    assert_eq!(
        route,
        Route::Session(SessionId(1)),
        "beside the client that sent it"
    );
    assert_eq!(replay_of, Some(14));
    assert_eq!(
        message,
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get-sum","arguments":{"a":2,"b":3}}}"#
    );
    written(&mut stage);
    stage.press("d");
    for (width, height) in [(80, 24), (120, 40), (200, 50)] {
        stage.send(Event::Resize { width, height });
        insta::assert_snapshot!(format!("sheet-diff-{width}x{height}"), shot(&stage));
    }
}

#[test]
fn an_answer_is_searched() {
    let mut stage = live(SUM);
    stage.press("<enter><f5>");
    written(&mut stage);
    stage.press("/sum");
    assert!(stage.status().contains("search /sum"), "{}", stage.status());
    stage.press("<bs><bs><bs>5.0<enter>");
    assert!(stage.text().contains("match 1 of 2"), "{}", stage.text());
    stage.press("n");
    assert!(stage.text().contains("match 2 of 2"), "{}", stage.text());
    stage.press("N/zzz<esc>");
    assert!(stage.text().contains("no match"), "{}", stage.text());
}

#[test]
fn the_editor_outside_brings_its_text_back() {
    let mut stage = live(SUM);
    stage.press("<enter><c-o>");
    assert!(matches!(stage.effects.as_slice(), [Effect::Editor(text)] if text.contains("\"a\"")));
    stage.send(Event::Edited(Ok("{\"a\": 7, \"b\": 8}\n".to_owned())));
    stage.effects.clear();
    stage.press("<f5>");
    assert!(sent(&stage).2.contains(r#""arguments":{"a":7,"b":8}"#));
}

#[test]
fn a_saved_capture_is_read_only_and_says_so() {
    let mut stage = Stage::open(80, 24, &fixture("live"), State::Saved);
    stage.press("2<enter>r");
    assert!(stage.app.sheet.is_none() && commands(&stage).is_empty());
    assert!(stage.text().contains("over"), "{}", stage.text());
}

#[test]
fn the_server_is_answered_in_its_own_form() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut stage = open(width, height, "asked", "a");
        insta::assert_snapshot!(format!("ask-{width}x{height}"), shot(&stage));
        stage.press("<f5>");
        assert!(
            stage.text().contains("Harbour is needed"),
            "{}",
            stage.text()
        );
        stage.press("Le<lt>Havre<esc>");
        assert!(stage.app.ask.is_none());
        stage.press("a<down>3<down><right><f5>");
        let answer =
            r#"{"action":"accept","content":{"harbour":"Le<Havre","berths":23,"night":true}}"#;
        match commands(&stage).as_slice() {
            [(_, Command::Answer { session, message })] => {
                assert_eq!(*session, SessionId(1));
                assert_eq!(
                    *message,
                    format!(r#"{{"jsonrpc":"2.0","id":0,"result":{answer}}}"#)
                );
            }
            other => panic!("{other:?}"),
        }
        outcome(&mut stage, Ok(Reply::Done));
        assert!(stage.app.ask.is_none());
    }
}

#[test]
fn the_panes_are_walked_with_keys_and_mouse() {
    let mut stage = live("2s");
    insta::assert_snapshot!("tools-schema-120x40", shot(&stage));
    stage.press("<esc><esc>");
    stage.click(5, 5);
    let second = stage.text();
    stage.press("y");
    assert!(
        matches!(stage.effects.pop(), Some(Effect::Copy { text, .. }) if text.starts_with("{\"name\":"))
    );
    stage.press("j");
    assert_ne!(stage.text(), second);
    stage.press("/no such thing");
    assert!(stage.text().contains("No tool has"), "{}", stage.text());
    stage.press("<enter><esc>gt");
    assert!(stage.app.tab == mcp_sentinel::ui::app::Tab::Traffic);
    stage.press("2r");
    assert!(matches!(
        commands(&stage).as_slice(),
        [(_, Command::Refresh)]
    ));
}

const LISTED: [&str; 3] = [
    r#""opened":{"by":"operator","transport":"stdio","pid":1}"#,
    r#""from":"operator","message":{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
    r#""from":"server","message":{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"book","inputSchema":{"type":"object"}}]}}"#,
];

#[test]
fn a_long_form_shows_the_choices_of_a_field_and_how_many_fields_are_elsewhere() {
    let fields: Vec<String> = (1..10)
        .map(|n| {
            format!(
                r#""f{n}":{{"enum":["red","green","blue"],"description":"Colour {}"}}"#,
                "of it ".repeat(20)
            )
        })
        .collect();
    let asked = format!(
        r#""from":"server","message":{{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{{"message":"?","requestedSchema":{{"type":"object","properties":{{{}}}}}}}}}"#,
        fields.join(",")
    );
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &[LISTED[0], &asked]);
    let mut stage = Stage::open(80, 24, &path, State::Live);
    stage.press("a");
    insta::assert_snapshot!("ask-long-80x24", shot(&stage));
    stage.press(&"<down>".repeat(8));
    let text = stage.text();
    assert!(
        text.contains("f9") && text.contains("fields above"),
        "{text}"
    );
}

#[test]
fn an_arguments_values_and_all_that_is_said_of_it_are_shown_where_there_is_room() {
    let words =
        "Choose the city that is closest to where the parcel was handed in, by its short name";
    let tool = format!(
        r#""from":"server","message":{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{{"name":"send","inputSchema":{{"type":"object","properties":{{"city":{{"type":"string","enum":["Oslo","Riga"],"description":"{words}"}}}},"required":["city"]}}}}]}}}}"#
    );
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &[LISTED[0], LISTED[1], &tool]);
    let mut stage = Stage::open(80, 24, &path, State::Live);
    stage.press("2<enter>");
    insta::assert_snapshot!("sheet-choices-80x24", shot(&stage));
    // The definition takes all of the pane's width at once.
    for (width, words) in [(80, "short name"), (200, words)] {
        let mut stage = Stage::open(width, 24, &path, State::Live);
        stage.press("2s");
        let text = stage.text();
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_list_that_has_changed_since_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let changed = r#""from":"server","message":{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    let path = capture(directory.path(), &[LISTED.as_slice(), &[changed]].concat());
    let mut stage = Stage::open(120, 24, &path, State::Live);
    stage.press("2");
    let text = stage.text();
    assert!(text.contains("stale since 12:05, r refreshes"), "{text}");
    stage.send(Event::Resize {
        width: 80,
        height: 24,
    });
    let text = stage.text();
    assert!(text.contains("stale since 12:05   r "), "{text}");
}

#[test]
fn a_call_that_reports_on_its_way_shows_how_far_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let call = r#""from":"operator","message":{"jsonrpc":"2.0","id":"sentinel-1","method":"tools/call","params":{"name":"book","arguments":{},"_meta":{"progressToken":"sentinel-1"}}}"#;
    let progress = r#""from":"server","message":{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"sentinel-1","progress":3,"total":8,"message":"Tying up"}}"#;
    let records = [LISTED.as_slice(), &[call, progress]].concat();
    let path = capture(directory.path(), &records);
    let mut stage = Stage::open(80, 24, &path, State::Live);
    stage.press("2<enter><f5>");
    written(&mut stage);
    let text = stage.text();
    assert!(
        text.contains("░ 3/8") && text.contains("Tying up"),
        "{text}"
    );
}

#[test]
fn only_the_call_that_the_server_asks_for_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let call = |id: u32| {
        format!(
            r#""from":"operator","message":{{"jsonrpc":"2.0","id":"sentinel-{id}","method":"tools/call","params":{{"name":"book","arguments":{{}}}}}}"#
        )
    };
    let asked = r#""from":"server","message":{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{"message":"?","requestedSchema":{}}}"#;
    for (calls, says) in [([1, 2], true), ([2, 1], false)] {
        let records = [&*call(calls[0]), asked, &*call(calls[1])];
        let path = capture(directory.path(), &[LISTED.as_slice(), &records].concat());
        let mut stage = Stage::open(80, 24, &path, State::Live);
        stage.press("2<enter><f5>");
        written(&mut stage);
        let text = stage.text();
        assert!(text.contains("Waiting for the answer"), "{text}");
        assert_eq!(text.contains("asks you something first"), says, "{text}");
    }
}

#[test]
fn a_call_that_asks_for_more_is_answered_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let call = r#""from":"operator","message":{"jsonrpc":"2.0","id":"sentinel-1","method":"tools/call","params":{"name":"book","arguments":{}}}"#;
    let more = r#""from":"server","message":{"jsonrpc":"2.0","id":"sentinel-1","result":{"resultType":"input_required","requestState":"opaque","inputRequests":{"who":{"method":"elicitation/create","params":{"message":"Who comes?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}}}}}"#;
    let path = capture(
        directory.path(),
        &[LISTED.as_slice(), &[call, more]].concat(),
    );
    let mut stage = Stage::open(80, 24, &path, State::Live);
    stage.press("2<enter><f5>");
    written(&mut stage);
    assert!(
        stage
            .text()
            .contains("The server asks 1 question before it goes on"),
        "{}",
        stage.text()
    );
    stage.press("a");
    assert!(stage.text().contains("1 of 1"), "{}", stage.text());
    // Put aside, closed, and brought back from another pane.
    stage.press("<esc><esc>1");
    assert!(!stage.text().contains("1 of 1"), "{}", stage.text());
    assert!(
        stage.status().contains("the server asks you"),
        "{}",
        stage.status()
    );
    stage.press("a");
    assert!(stage.text().contains("1 of 1"), "{}", stage.text());
    stage.effects.clear();
    stage.press("Ann<f5>");
    let message = sent(&stage).2;
    assert!(
        message.contains(r#""params":{"name":"book","arguments":{},"_meta":{"progressToken":0},"inputResponses":{"who":{"action":"accept","content":{"name":"Ann"}}},"requestState":"opaque"}"#),
        "{message}"
    );
}

const BOOKED: &str = r#""from":"operator","message":{"jsonrpc":"2.0","id":"sentinel-1","method":"tools/call","params":{"name":"book","arguments":{}}}"#;
const ONLY_STATE: &str = r#""from":"server","message":{"jsonrpc":"2.0","id":"sentinel-1","result":{"resultType":"input_required","requestState":"s"}}"#;

#[test]
fn a_call_that_went_rounds_is_cancelled_by_its_newest_request() {
    let directory = tempfile::tempdir().unwrap();
    let round = r#""from":"operator","message":{"jsonrpc":"2.0","id":"sentinel-2","method":"tools/call","params":{"name":"book","arguments":{},"requestState":"s"}}"#;
    let records = [LISTED.as_slice(), &[BOOKED, ONLY_STATE, round]].concat();
    let path = capture(directory.path(), &records);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("G");
    assert!(!stage.selected().contains('└'), "{}", stage.text());
    stage.press("x");
    let message = sent(&stage).2;
    assert!(message.contains(r#""requestId":"sentinel-2""#), "{message}");
}

/// A request of the server's, opened.
fn asked(width: u16, height: u16, method: &str, params: &str) -> Stage {
    let asked = format!(
        r#""from":"server","message":{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#
    );
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &[LISTED[0], &asked]);
    let mut stage = Stage::open(width, height, &path, State::Live);
    stage.press("a");
    stage
}

/// What the server is answered.
fn answered(stage: &Stage) -> String {
    match commands(stage).pop() {
        Some((_, Command::Answer { message, .. })) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn several_of_a_list_are_chosen_by_their_titles() {
    let params = r#"{"message":"Which?","requestedSchema":{"type":"object","properties":{
        "who":{"type":"string","title":"Your name","minLength":2,"description":"as on the passport"},
        "tags":{"type":"array","minItems":1,"maxItems":2,"title":"Colours","items":{"anyOf":[{"const":"r","title":"Red"},{"const":"g","title":"Green"},{"const":"b","title":"Blue"}]}}},"required":["tags"]}}"#
        .replace('\n', "");
    let mut stage = asked(80, 24, "elicitation/create", &params);
    stage.press("<down><f5>");
    stage.press(" <right><right> ");
    insta::assert_snapshot!("ask-several-80x24", shot(&stage));
    stage.press("<f5>");
    assert!(answered(&stage).contains(r#""content":{"tags":["r","b"]}"#));
}

#[test]
fn all_that_is_said_of_a_completion_can_be_read() {
    let params = format!(
        r#"{{"messages":[{{"role":"user","content":{{"type":"text","text":"{}"}}}},{{"role":"user","content":{{"type":"image","data":"AAAA","mimeType":"image/png"}}}}],"maxTokens":50,"temperature":0.3,"modelPreferences":{{"hints":[{{"name":"claude"}}]}}}}"#,
        "lorem ipsum ".repeat(80)
    );
    let mut stage = asked(80, 24, "sampling/createMessage", &params);
    insta::assert_snapshot!("ask-completion-80x24", shot(&stage));
    stage.press("<pgdn><pgdn><pgdn><pgdn>");
    let text = stage.text();
    assert!(
        text.contains("image/png, 3 bytes") && text.contains(r#"{"hints":[{"name":"claude"}]}"#),
        "{text}"
    );
    assert!(text.contains("lines above, PgUp"), "{text}");
    let high = asked(120, 60, "sampling/createMessage", &params).text();
    assert!(
        high.contains("temperature: 0.3") && !high.contains("PgDn"),
        "{high}"
    );
}

#[test]
fn a_page_to_visit_is_shown_by_its_host_and_copied_whole() {
    let url = format!(
        "https://login.example@evil.example/?token={}",
        "a1".repeat(60)
    );
    let params = format!(r#"{{"mode":"url","message":"Log in","url":"{url}"}}"#);
    let mut stage = asked(80, 24, "elicitation/create", &params);
    insta::assert_snapshot!("ask-page-80x24", shot(&stage));
    stage.press("y");
    assert!(matches!(stage.effects.pop(), Some(Effect::Copy { text, .. }) if text == url));
}
