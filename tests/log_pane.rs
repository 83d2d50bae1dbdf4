//! The Log pane: what the server logs in messages, beside its standard error and our own sentences.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common_ui;

use common_ui::{Stage, State, capture, fixture};
use mcp_sentinel::tap::{Command, Reply, Route, SessionId, Timestamp};
use mcp_sentinel::ui::app::Session;
use mcp_sentinel::ui::event::{Body, Effect, Event, Notice};
use mcp_sentinel::ui::json::Document;
use ratatui::crossterm::event::MouseEventKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        matches!(effect, Effect::Copy { what: "the line", text } if text.starts_with("core: the last") && text.ends_with(" end"))
    });
    assert!(copied, "{:?}", stage.effects);
    stage.press("<enter>");
    assert!(stage.selected().contains("notifications/message"));
}

#[test]
fn a_log_message_is_taken_apart_once() {
    let mut stage = logs(State::Saved);
    stage.press("/emergency<enter>");
    let drawn = stage.text();
    assert!(drawn.contains("word end"), "{drawn}");
    let row = stage.app.log.selected_row().unwrap();
    let location = stage.app.world.traffic.row(row).unwrap().request;
    let other = br#"{"params":{"data":"another"}}"#.to_vec();
    stage.send(Event::Body {
        location,
        body: Body::Loaded(Arc::new(Document::new(other))),
    });
    assert_eq!(stage.text(), drawn);
    // For another width it is laid out anew.
    stage.send(Event::Resize {
        width: 90,
        height: 30,
    });
    assert!(stage.text().contains("another"), "{}", stage.text());
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
    let now = Timestamp(stage.app.world.traffic.latest().0 + 60_000_000);
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

const SET: &str = r#""from":"operator","message":{"jsonrpc":"2.0","id":"sentinel-1","method":"logging/setLevel","params":{"level":"warning"}}"#;

/// The fixture, and a wish for a level that was answered so.
fn with_answer(directory: &Path, answer: &str) -> (PathBuf, usize) {
    let mut text = std::fs::read_to_string(fixture("logs")).unwrap();
    let known = text.lines().count();
    let answer = format!(
        r#""from":"server","to":"operator","message":{{"jsonrpc":"2.0","id":"sentinel-1",{answer}}}"#
    );
    for (number, rest) in [SET, &answer].iter().enumerate() {
        let seq = known + number;
        let line = format!(
            r#"{{"seq":{seq},"at":"2026-11-21T12:05:0{number}.000000Z","session":1,{rest}}}"#
        );
        text.push_str(&line);
        text.push('\n');
    }
    let path = directory.join("level.jsonl");
    std::fs::write(&path, text).unwrap();
    (path, known - 1)
}

/// Chooses `warning`, and lets the server answer.
fn chosen(answer: &str) -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let (path, known) = with_answer(directory.path(), answer);
    let mut stage = Stage::start(100, 30, &path, State::Live, Session::default());
    stage.read(known);
    stage.press("6Ljj<enter>");
    let Some(Effect::Command { token, command }) = stage.effects.last().cloned() else {
        panic!("{:?}", stage.effects);
    };
    let Command::Send { route, message, .. } = command else {
        panic!("{command:?}");
    };
    assert_eq!(route, Route::Operator);
    assert!(message.contains(r#""method":"logging/setLevel","params":{"level":"warning"}"#));
    stage.send(Event::Outcome {
        token,
        outcome: Ok(Reply::Sent {
            session: SessionId(1),
            id: Some("\"sentinel-1\"".to_owned()),
        }),
    });
    assert!(!stage.status().contains("warning"), "{}", stage.status());
    stage.read(usize::MAX);
    stage
}

#[test]
fn a_level_is_chosen_from_a_list_and_known_once_the_server_agrees() {
    let mut stage = chosen(r#""result":{}"#);
    assert!(
        stage.status().contains("the server logs from warning on"),
        "{}",
        stage.status()
    );
    stage.press("L");
    assert!(stage.text().contains("(now warning)"), "{}", stage.text());
    let sent = stage.effects.len();
    stage.press("<esc>");
    assert!(!stage.text().contains("(now warning)"));
    assert_eq!(stage.effects.len(), sent);
}

#[test]
fn of_two_wishes_for_a_level_each_is_heard_of() {
    let directory = tempfile::tempdir().unwrap();
    let (path, known) = with_answer(directory.path(), r#""result":{}"#);
    let mut text = std::fs::read_to_string(&path).unwrap();
    for line in [
        SET.replace("sentinel-1", "sentinel-2").replace("warning", "emergency"),
        r#""from":"server","to":"operator","message":{"jsonrpc":"2.0","id":"sentinel-2","error":{"code":-32602,"message":"no"}}"#.to_owned(),
    ] {
        let seq = text.lines().count();
        text.push_str(&format!(
            "{{\"seq\":{seq},\"at\":\"2026-11-21T12:06:00.000000Z\",\"session\":1,{line}}}\n"
        ));
    }
    std::fs::write(&path, text).unwrap();
    let mut stage = Stage::start(100, 30, &path, State::Live, Session::default());
    stage.read(known);
    stage.press("6Ljj<enter>LG<enter>");
    let tokens = stage.effects.iter().filter_map(|effect| match effect {
        Effect::Command { token, .. } => Some(*token),
        _ => None,
    });
    let tokens: Vec<_> = tokens.collect();
    for (token, id) in tokens.into_iter().zip(["sentinel-1", "sentinel-2"]) {
        stage.send(Event::Outcome {
            token,
            outcome: Ok(Reply::Sent {
                session: SessionId(1),
                id: Some(format!("\"{id}\"")),
            }),
        });
    }
    stage.read(usize::MAX);
    stage.press("L");
    assert!(stage.text().contains("(now warning)"), "{}", stage.text());
    stage.press("<esc>");
    assert!(
        stage.text().contains("not set to emergency"),
        "{}",
        stage.text()
    );
}

#[test]
fn the_wheel_moves_one_level_at_a_time() {
    let mut stage = Stage::open(100, 30, &fixture("logs"), State::Live);
    stage.press("6Lg");
    let selected = |stage: &Stage| stage.app.log.level.choices.as_ref().unwrap().selected;
    assert_eq!(selected(&stage), 0);
    stage.wheel(5, 25, MouseEventKind::ScrollDown);
    assert_eq!(selected(&stage), 1);
}

#[test]
fn a_server_that_refuses_a_level_is_quoted() {
    let mut stage = chosen(r#""error":{"code":-32602,"message":"no such level"}"#);
    let status = stage.status();
    assert!(
        status.contains("the level was not set to warning: the server says")
            && status.contains("no such level"),
        "{status}"
    );
    stage.press("L");
    assert!(!stage.text().contains("(now"), "{}", stage.text());
}

#[test]
fn a_level_is_offered_only_where_a_server_that_logs_is_there_to_be_told() {
    let offered = |state| {
        let mut stage = Stage::open(160, 30, &fixture("logs"), state);
        stage.press("6");
        stage.status().contains("L level")
    };
    assert!(offered(State::Live) && !offered(State::Saved));
    let mut stage = logs(State::Saved);
    stage.press("L");
    assert!(stage.text().contains("no server to tell"));
    let mut stage = Stage::open(100, 30, &fixture("asked"), State::Live);
    stage.press("6L");
    assert!(
        stage.status().contains("does not say that it logs"),
        "{}",
        stage.status()
    );
    assert!(stage.effects.is_empty(), "{:?}", stage.effects);
}

/// A session of the modern era in which a tool was listed.
fn modern(directory: &Path) -> PathBuf {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
    let lines = [
        r#""opened":{"by":"operator","transport":"stdio"}"#.to_owned(),
        format!(
            r#""from":"operator","message":{{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{{{meta}}}}}"#
        ),
        r#""from":"server","message":{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"logging":{},"tools":{}}}}"#.to_owned(),
        format!(
            r#""from":"operator","message":{{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{{{meta}}}}}"#
        ),
        r#""from":"server","message":{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete","tools":[{"name":"echo","inputSchema":{"type":"object"}}]}}"#.to_owned(),
    ];
    let mut text = "{\"capture\":1,\"name\":\"modern\"}\n".to_owned();
    for (seq, rest) in (1..).zip(lines) {
        text.push_str(&format!(
            "{{\"seq\":{seq},\"at\":\"2026-11-21T12:00:0{seq}Z\",\"session\":1,{rest}}}\n"
        ));
    }
    let path = directory.join("modern.jsonl");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_server_of_the_modern_era_is_told_with_each_call() {
    let directory = tempfile::tempdir().unwrap();
    let mut stage = Stage::open(100, 30, &modern(directory.path()), State::Live);
    let call = |stage: &mut Stage| {
        stage.press("2<enter><f5>");
        let sent = stage.effects.iter().rev().find_map(|effect| match effect {
            Effect::Command {
                command: Command::Send { message, .. },
                ..
            } => Some(message.clone()),
            _ => None,
        });
        stage.press("<esc>");
        sent.unwrap()
    };
    assert!(!call(&mut stage).contains("logLevel"));
    stage.press("6Lg<enter>");
    assert!(
        stage.status().contains("logged from debug on"),
        "{}",
        stage.status()
    );
    let asks = call(&mut stage);
    let asked = r#""io.modelcontextprotocol/logLevel":"debug""#;
    assert!(asks.contains(asked), "{asks}");
    stage.press("6L");
    assert!(stage.text().contains("(now debug)"), "{}", stage.text());
}

#[test]
fn where_sessions_are_many_the_log_says_which_one_began() {
    let directory = tempfile::tempdir().unwrap();
    let opened = r#""opened":{"by":"client","transport":"http"}"#;
    let path = capture(directory.path(), &[opened, opened]);
    let read = || {
        let mut stage = Stage::open(100, 30, &path, State::Saved);
        stage.press("6");
        stage.text()
    };
    assert!(read().contains("session opened client http"), "{}", read());
    let text = std::fs::read_to_string(&path).unwrap();
    let at = text.rfind(r#""session":1"#).unwrap();
    std::fs::write(
        &path,
        format!("{}{}", &text[..at], text[at..].replacen('1', "2", 1)),
    )
    .unwrap();
    for line in [
        "session 1 opened client http",
        "session 2 opened client http",
    ] {
        assert!(read().contains(line), "{}", read());
    }
}

#[test]
fn what_is_written_on_stderr_keeps_its_blanks() {
    let directory = tempfile::tempdir().unwrap();
    let lines = [
        r#""stderr":"Traceback:\n""#,
        r#""stderr":"  File \"a.py\"\n""#,
        r#""stderr":"\tx  = 1\n""#,
    ];
    let path = capture(directory.path(), &lines);
    let mut stage = Stage::open(100, 24, &path, State::Saved);
    for keys in ["6", "1"] {
        stage.press(keys);
        let text = stage.text();
        for line in ["stderr    Traceback:", "  File \"a.py\"", "        x  = 1"] {
            assert!(
                text.contains(line) || keys == "1" && line.contains("Trace"),
                "{text}"
            );
        }
    }
}
