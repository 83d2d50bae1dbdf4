//! Calling, replaying and answering from the screen: keys in, commands out, answers folded in from a capture.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common_ui;

use common_ui::{Stage, State, fixture, styles_of, text_of};
use mcp_sentinel::tap::{Command, Refused, Reply, Route, SessionId, Timestamp};
use mcp_sentinel::ui::app::Session;
use mcp_sentinel::ui::event::{Effect, Event, Token};
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
fn the_arguments_of_captured_calls_come_back() {
    let mut stage = live(SUM);
    stage.press("e");
    let text = stage.text();
    assert!(text.contains("\"a\": 2, \"b\": 3"), "{text}");
    stage.press("<c-r>");
    assert!(stage.text().contains("\"a\": \"x\""), "{}", stage.text());
    // What is typed next goes into the first value.
    stage.press("y");
    assert!(stage.text().contains("\"a\": \"yx\""), "{}", stage.text());
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
    stage.press("<c-r>7<esc><enter>");
    let text = stage.text();
    assert!(text.contains("\"a\": 72,"), "{text}");
    let kept = stage.app.drafts.clone();
    assert!(format!("{kept:?}").contains("412,"), "{kept:?}");
}

#[test]
fn what_is_typed_is_no_earlier_call() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &LISTED);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("2<enter><end>97531<c-r>");
    let text = stage.text();
    assert!(text.contains("it was not called before"), "{text}");
    assert!(!text.contains("earlier arguments"), "{text}");
    // It is a draft all the same.
    stage.press("<esc><enter>");
    assert!(stage.text().contains("97531"), "{}", stage.text());
}

#[test]
fn a_replay_that_was_edited_comes_back_after_its_original_and_after_a_replay_as_it_was() {
    let edited = |stage: &Stage| stage.text().contains("\"arguments\": {9");
    let mut stage = live("/tools/call get-sum<enter>ge<right>9");
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
fn the_route_goes_round_and_the_clients_session_is_asked_about() {
    let mut stage = live("2/long<enter><enter>");
    stage.press("<tab>");
    assert!(stage.text().contains("the session of"), "{}", stage.text());
    stage.press("<f5>");
    assert!(commands(&stage).is_empty());
    assert!(stage.text().contains("Call it?"), "{}", stage.text());
    stage.press("n<f5>y");
    assert_eq!(sent(&stage).1, Route::Session(SessionId(1)));
    stage.effects.clear();
    stage.press("r");
    assert_eq!(commands(&stage).len(), 1, "asked once");
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
fn every_act_of_what_destroys_is_asked_about_but_not_its_repetition() {
    let mut stage = live("2/delete<enter><enter><f5>y");
    written(&mut stage);
    stage.effects.clear();
    stage.press("r");
    assert_eq!(commands(&stage).len(), 1, "the same once more");
    written(&mut stage);
    stage.effects.clear();
    stage.press("e 1<f5>");
    assert!(commands(&stage).is_empty(), "other arguments");
    assert!(stage.text().contains("Call it?"), "{}", stage.text());
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
    assert!(stage.text().contains("not found"), "{}", stage.text());
}

#[test]
fn an_edited_replay_sends_what_was_edited_and_nothing_else() {
    let mut stage = live("/tools/call get-sum<enter>ge");
    assert!(commands(&stage).is_empty());
    assert!(
        stage
            .text()
            .contains("\"arguments\": { \"a\": 2, \"b\": 3 }"),
        "{}",
        stage.text()
    );
    // The cursor stands where the arguments begin.
    stage.press("<right><right><right><right><right><right><right><right><bs>40<f5>");
    let (_, _, message, replay_of) = sent(&stage);
    assert_eq!(replay_of, Some(14));
    assert_eq!(
        message,
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get-sum","arguments":{"a":40,"b":3}}}"#
    );
}

#[test]
fn what_must_not_be_replayed_says_why() {
    let mut stage = live("/initialize<enter>gr");
    assert!(commands(&stage).is_empty());
    assert!(stage.text().contains("not sent:"), "{}", stage.text());
    // There is no sending it anyway: the proxy would refuse it, too.
    stage.press("<f2>");
    assert!(commands(&stage).is_empty());
    assert!(stage.text().contains("not sent:"), "{}", stage.text());
}

#[test]
fn a_refusal_is_a_sentence_and_the_text_stays() {
    let mut stage = live(SUM);
    stage.press("<enter><f5>");
    outcome(
        &mut stage,
        Err(Refused("the client's session has just ended".to_owned())),
    );
    assert!(
        stage.text().contains("the client's session has just ended"),
        "{}",
        stage.text()
    );
    stage.press("e");
    assert!(stage.text().contains("\"b\": 0"), "{}", stage.text());
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
fn the_server_can_be_declined() {
    let mut stage = open(80, 24, "asked", "a<f8>");
    let declined = |stage: &Stage, action: &str| match commands(stage).pop() {
        Some((_, Command::Answer { message, .. })) => {
            message.contains(&format!(r#"{{"action":"{action}"}}"#))
        }
        other => panic!("{other:?}"),
    };
    assert!(declined(&stage, "decline"));
    outcome(&mut stage, Err(Refused("it has gone".to_owned())));
    assert!(
        stage.text().contains("not answered: it has gone"),
        "{}",
        stage.text()
    );
    stage.press("<f9>");
    assert!(declined(&stage, "cancel"));
}

/// A capture whose server says nothing that is fit for a screen.
fn hostile(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("hostile.jsonl");
    let nasty = "\\u001b[31m\\u202eevil\\u0007\\r\\n\\u009b2J";
    let long = "x".repeat(10_000);
    let tool = |name: &str, schema: &str| {
        format!(
            r#"{{"name":"{name}","title":"{nasty}","description":"{nasty} {long}","inputSchema":{schema}}}"#
        )
    };
    let schema = format!(
        r#"{{"type":"object","properties":{{"{nasty}":{{"type":"string","description":"{nasty}"}},"{long}":{{"enum":["{nasty}"]}}}}}}"#
    );
    let tools = [
        tool(nasty, &schema),
        tool(&long, "7"),
        tool("日本語🦀\\u200d", "{}"),
    ]
    .join(",");
    let lines = [
        r#"{"capture":1,"program":"mcp-sentinel","started":"2026-11-21T12:04:00.900Z","name":"x","transport":"stdio","upstream":["x"],"pid":1,"cwd":"/"}"#.to_owned(),
        r#"{"seq":1,"at":"2026-11-21T12:04:01.120000Z","session":1,"opened":{"by":"operator","transport":"stdio","pid":1}}"#.to_owned(),
        r#"{"seq":2,"at":"2026-11-21T12:04:01.120000Z","session":1,"from":"operator","message":{"jsonrpc":"2.0","id":1,"method":"tools/list"}}"#.to_owned(),
        format!(r#"{{"seq":3,"at":"2026-11-21T12:04:01.120000Z","session":1,"from":"server","message":{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tools}]}}}}}}"#),
        format!(r#"{{"seq":4,"at":"2026-11-21T12:04:01.120000Z","session":1,"from":"operator","message":{{"jsonrpc":"2.0","id":"sentinel-1","method":"tools/call","params":{{"name":"{nasty}","arguments":{{"{nasty}":"{nasty}"}}}}}}}}"#),
        format!(r#"{{"seq":5,"at":"2026-11-21T12:04:01.120000Z","session":1,"from":"server","message":{{"jsonrpc":"2.0","id":"sentinel-1","result":{{"content":[{{"type":"text","text":"{nasty}{long}"}}]}}}}}}"#),
        format!(r#"{{"seq":6,"at":"2026-11-21T12:04:01.120000Z","session":1,"from":"server","message":{{"jsonrpc":"2.0","id":"{nasty}","method":"elicitation/create","params":{{"message":"{nasty}{long}","requestedSchema":{schema}}}}}}}"#),
    ];
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

#[test]
fn nothing_that_a_server_says_is_obeyed_by_the_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let capture = hostile(directory.path());
    for (width, height) in [(40, 8), (80, 24), (120, 40), (200, 50)] {
        for keys in [
            "2",
            "2s",
            "2<enter>",
            "2e",
            "2j<enter>",
            "2jj<enter>",
            "2<enter><f5>",
            "a",
            "a<down>x<f5>",
            "5",
            "ge",
        ] {
            let mut stage = Stage::open(width, height, &capture, State::Live);
            stage.press(keys);
            if !commands(&stage).is_empty() {
                written(&mut stage);
            }
            let buffer = stage.buffer();
            for cell in buffer.content() {
                let bad = |c: char| {
                    c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{200d}'
                };
                assert!(
                    !cell.symbol().chars().any(bad),
                    "{keys}: {:?}",
                    cell.symbol()
                );
            }
        }
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
        matches!(stage.effects.pop(), Some(Effect::Copy(text)) if text.starts_with("{\"name\":"))
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

/// A capture with these lines after its header.
fn capture(directory: &Path, lines: &[&str]) -> std::path::PathBuf {
    let path = directory.join("made.jsonl");
    let header = r#"{"capture":1,"program":"mcp-sentinel","started":"2026-11-21T12:04:00.900Z","name":"x","transport":"stdio","upstream":["x"],"pid":1,"cwd":"/"}"#;
    let lines: Vec<String> = (1..)
        .zip(lines)
        .map(|(seq, line)| {
            format!(r#"{{"seq":{seq},"at":"2026-11-21T12:05:0{seq}.000000Z","session":1,{line}}}"#)
        })
        .collect();
    std::fs::write(&path, format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    path
}

const LISTED: [&str; 3] = [
    r#""opened":{"by":"operator","transport":"stdio","pid":1}"#,
    r#""from":"operator","message":{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
    r#""from":"server","message":{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"book","inputSchema":{"type":"object"}}]}}"#,
];

#[test]
fn what_was_not_sent_to_the_server_cannot_be_sent_again() {
    for keys in ["gr", "ge", "gjr", "gje"] {
        let stage = live(keys);
        assert!(stage.app.sheet.is_none(), "{keys}");
        let status = stage.status();
        assert!(
            status.contains("not sent to the server"),
            "{keys}: {status}"
        );
    }
}

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

/// A call that the server wants once more; `then` is captured, but not read yet.
fn to_be_repeated(then: &[&str]) -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let records = [LISTED.as_slice(), &[BOOKED, ONLY_STATE], then].concat();
    let path = capture(directory.path(), &records);
    let mut stage = Stage::start(120, 40, &path, State::Live, Session::default());
    stage.read(LISTED.len() + 2);
    stage.arrive();
    stage.press("2<enter><f5>");
    written(&mut stage);
    stage
}

/// How many commands there are once the pause is over.
fn after_the_pause(stage: &mut Stage) -> usize {
    stage.send(Event::Tick {
        now: Timestamp(i64::MAX / 2),
        utc_offset_seconds: 0,
    });
    commands(stage).len()
}

#[test]
fn a_call_is_repeated_in_the_session_that_wants_it_and_nowhere_else() {
    let mut stage = to_be_repeated(&[]);
    stage.press("e<tab>");
    assert_eq!(after_the_pause(&mut stage), 2);
    let closed = r#""closed":{"signal":9,"reason":"the server was ended by SIGKILL"}"#;
    let mut stage = to_be_repeated(&[closed]);
    stage.read(1);
    assert_eq!(after_the_pause(&mut stage), 1);
    assert!(stage.text().contains("not called once more"));
}

#[test]
fn a_call_that_is_to_be_repeated_is_stopped_with_the_key_that_cancels() {
    for keys in ["x", "<esc>1Gx"] {
        let mut stage = to_be_repeated(&[]);
        let (way, key) = keys.split_at(keys.len() - 1);
        stage.press(way);
        assert!(!way.is_empty() || stage.status().contains("x cancel it"));
        stage.press(key);
        assert!(stage.status().contains("not called once more"), "{keys}");
        assert_eq!(after_the_pause(&mut stage), 1, "{keys}");
    }
}

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
fn a_refusal_is_said_when_another_sheet_is_open() {
    let mut stage = live(SUM);
    stage.press("<enter><f5><esc>");
    stage.press("/echo<enter><enter>");
    outcome(&mut stage, Err(Refused("the pipe is full".to_owned())));
    let status = stage.status();
    assert!(status.contains("the pipe is full"), "{status}");
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
    assert!(matches!(stage.effects.pop(), Some(Effect::Copy(text)) if text == url));
}

#[test]
fn a_request_is_offered_only_the_answers_that_it_can_have() {
    let unknown = asked(120, 24, "foo/bar", "{}").status();
    assert!(
        unknown.contains("F5 refuse") && !unknown.contains("F8"),
        "{unknown}"
    );
    let directory = tempfile::tempdir().unwrap();
    let records = [
        LISTED[0],
        r#""from":"server","message":{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{"message":"?","requestedSchema":{}}}"#,
        r#""from":"server","message":{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#,
    ];
    let path = capture(directory.path(), &records);
    let mut stage = Stage::start(120, 24, &path, State::Live, Session::default());
    stage.read(2);
    stage.arrive();
    stage.press("a");
    assert!(stage.status().contains("F5 accept"), "{}", stage.status());
    stage.read(1);
    let withdrawn = stage.status();
    assert!(
        withdrawn.contains("Esc close") && !withdrawn.contains("F5"),
        "{withdrawn}"
    );
}

#[test]
fn a_call_of_ones_own_is_cancelled_with_one_key_wherever_it_is_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let call = r#""from":"operator","message":{"jsonrpc":"2.0","id":"sentinel-1","method":"tools/call","params":{"name":"book","arguments":{}}}"#;
    let path = capture(directory.path(), &[LISTED.as_slice(), &[call]].concat());
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"sentinel-1","reason":"cancelled by the operator"}}"#;
    for keys in ["Gx", "G<enter>x"] {
        let mut stage = Stage::open(120, 40, &path, State::Live);
        stage.press(keys);
        let (_, route, message, _) = sent(&stage);
        assert_eq!(
            (route, message.as_str()),
            (Route::Session(SessionId(1)), cancelled)
        );
    }
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("2<enter><f5>");
    written(&mut stage);
    stage.effects.clear();
    assert!(stage.status().contains("x cancel it"), "{}", stage.status());
    stage.press("x");
    assert_eq!(sent(&stage).2, cancelled);

    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("gx");
    assert!(commands(&stage).is_empty());
    assert!(
        stage.status().contains("nothing to cancel"),
        "{}",
        stage.status()
    );
}

#[test]
fn a_server_that_has_ended_is_shown_as_ended_and_one_key_starts_it_again() {
    let directory = tempfile::tempdir().unwrap();
    let call = r#""from":"operator","message":{"jsonrpc":"2.0","id":"sentinel-1","method":"tools/call","params":{"name":"book","arguments":{}}}"#;
    let closed = r#""closed":{"signal":9,"reason":"the server was ended by SIGKILL"}"#;
    let path = capture(
        directory.path(),
        &[LISTED.as_slice(), &[call, closed]].concat(),
    );
    let mut stage = Stage::open(120, 40, &path, State::Live);
    let status = stage.status();
    for words in ["■ ended", "SIGKILL: R restarts it", "1 lost"] {
        assert!(status.contains(words), "{status}");
    }
    stage.press("R");
    let (_, command) = commands(&stage).pop().unwrap();
    assert_eq!(command, Command::Refresh);

    // In a filter the key is a letter.
    stage.press("2/");
    let status = stage.status();
    assert!(
        status.contains("SIGKILL") && !status.contains("R restarts"),
        "{status}"
    );

    let path = capture(directory.path(), LISTED.as_slice());
    let mut stage = Stage::open(120, 40, &path, State::Live);
    assert!(stage.status().contains("● live"), "{}", stage.status());
    stage.press("R");
    assert!(commands(&stage).is_empty());
}

#[test]
fn a_server_that_says_nothing_is_wondered_about_after_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let probe = r#""from":"operator","message":{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let path = capture(directory.path(), &[LISTED[0], probe]);
    let mut stage = Stage::open(160, 24, &path, State::Live);
    let asked = stage.app.world.traffic.row(1).unwrap().at;
    let mut after = |seconds: i64| {
        stage.send(Event::Tick {
            now: Timestamp(asked.0 + seconds * 1_000_000),
            utc_offset_seconds: 0,
        });
        (stage.status(), stage.text())
    };
    assert!(!after(2).0.contains("no answer"));
    let (bar, screen) = after(12);
    assert!(
        bar.contains(
            "no answer for 12 s: is it an MCP server on stdio? (--era legacy skips the probe)"
        ),
        "{bar}"
    );
    assert!(!screen.contains("· 2026-07-28"), "{screen}");
}
