//! Subscribing to a resource from the Resources pane, and the mark on what has changed since it was read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common_ui;

use common_ui::{Stage, State, capture};
use mcp_sentinel::tap::{Command, Refused, Reply, Route, SessionId};
use mcp_sentinel::ui::app::Session;
use mcp_sentinel::ui::event::{Effect, Event, Token};
use std::path::{Path, PathBuf};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

fn write(directory: &Path, lines: &[String]) -> PathBuf {
    let mut text = "{\"capture\":1,\"name\":\"harbour\"}\n".to_owned();
    for (seq, line) in lines.iter().enumerate() {
        let (from, message) = line.split_once(' ').unwrap();
        let rest = match from {
            "opened" | "closed" => format!(r#""{from}":{message}"#),
            from => {
                let message = message.replacen('{', "{\"jsonrpc\":\"2.0\",", 1);
                format!(r#""from":"{from}","message":{message}"#)
            }
        };
        let seq = seq + 1;
        text.push_str(&format!(
            "{{\"seq\":{seq},\"at\":\"2026-11-21T12:04:{seq:02}.000000Z\",\"session\":1,{rest}}}\n"
        ));
    }
    let path = directory.join("harbour.jsonl");
    std::fs::write(&path, text).unwrap();
    path
}

/// A server of this era that lists two resources and a template.
fn listed(modern: bool, can: &str) -> Vec<String> {
    let meta = if modern { META } else { "\"x\":1" };
    let (greeting, answer) = match modern {
        true => (
            "server/discover",
            r#""resultType":"complete","supportedVersions":["2026-07-28"]"#,
        ),
        false => ("initialize", r#""protocolVersion":"2025-11-25""#),
    };
    let ask = |id: u32, method: &str| {
        format!(r#"operator {{"id":{id},"method":"{method}","params":{{{meta}}}}}"#)
    };
    let info = r#""serverInfo":{"name":"harbour","version":"1"}"#;
    vec![
        r#"opened {"by":"operator","transport":"stdio"}"#.to_owned(),
        ask(1, greeting),
        format!(r#"server {{"id":1,"result":{{{answer},"capabilities":{{"resources":{{{can}}}}},{info}}}}}"#),
        ask(2, "resources/list"),
        r#"server {"id":2,"result":{"resources":[{"uri":"harbour://berths","name":"berths"},{"uri":"harbour://log","name":"log"}]}}"#.to_owned(),
        ask(3, "resources/templates/list"),
        r#"server {"id":3,"result":{"resourceTemplates":[{"uriTemplate":"note://{id}","name":"note"}]}}"#.to_owned(),
    ]
}

const CAN: &str = r#""subscribe":true"#;
const READ: [&str; 2] = [
    r#"operator {"id":4,"method":"resources/read","params":{"uri":"harbour://berths"}}"#,
    r#"server {"id":4,"result":{"contents":[]}}"#,
];
const UPDATED: &str =
    r#"server {"method":"notifications/resources/updated","params":{"uri":"harbour://berths"}}"#;

/// The screen on what is listed; the rest is captured, and read by [`Stage::read`].
fn stage(size: (u16, u16), modern: bool, can: &str, then: &[&str]) -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let mut lines = listed(modern, can);
    let known = lines.len();
    lines.extend(then.iter().map(|line| (*line).to_owned()));
    let path = write(directory.path(), &lines);
    let mut stage = Stage::start(size.0, size.1, &path, State::Live, Session::default());
    stage.read(known);
    stage.arrive();
    stage.press("3");
    stage
}

fn wide(modern: bool, then: &[&str]) -> Stage {
    stage((120, 30), modern, CAN, then)
}

fn sent(stage: &Stage) -> Vec<(Token, Route, String)> {
    let sent = |effect: &Effect| match effect {
        Effect::Command {
            token,
            command: Command::Send { route, message, .. },
        } => Some((*token, *route, message.clone())),
        _ => None,
    };
    stage.effects.iter().filter_map(sent).collect()
}

/// The proxy has written the last command under this id.
fn written(stage: &mut Stage, id: &str) {
    let (token, ..) = sent(stage).pop().unwrap();
    written_as(stage, token, id);
}

fn written_as(stage: &mut Stage, token: Token, id: &str) {
    stage.send(Event::Outcome {
        token,
        outcome: Ok(Reply::Sent {
            session: SessionId(1),
            id: Some(format!("\"{id}\"")),
        }),
    });
}

fn line(stage: &Stage, words: &str) -> String {
    let text = stage.text();
    let line = text.lines().find(|line| line.contains(words));
    line.unwrap_or_else(|| panic!("{words} is missing: {text}"))
        .to_owned()
}

const SUBSCRIBE: [&str; 2] = [
    r#"operator {"id":"s-1","method":"resources/subscribe","params":{"uri":"harbour://berths"}}"#,
    r#"server {"id":"s-1","result":{}}"#,
];
const UNSUBSCRIBE: [&str; 2] = [
    r#"operator {"id":"s-2","method":"resources/unsubscribe","params":{"uri":"harbour://berths"}}"#,
    r#"server {"id":"s-2","result":{}}"#,
];

#[test]
fn a_key_subscribes_to_a_resource_and_ends_that_again() {
    let then = [SUBSCRIBE.as_slice(), &READ, &[UPDATED], &UNSUBSCRIBE].concat();
    let mut stage = wide(false, &then);
    assert!(line(&stage, "▌ berths").contains("never called"));
    stage.press("u");
    let (_, route, message) = sent(&stage).pop().unwrap();
    assert_eq!(route, Route::Operator);
    assert!(
        message.contains(r#""method":"resources/subscribe","params":{"uri":"harbour://berths"}"#),
        "{message}"
    );
    written(&mut stage, "s-1");
    assert!(!stage.text().contains("● subscribed"));
    stage.read(2);
    assert!(line(&stage, "▌ berths").contains("● subscribed"));
    assert!(
        stage
            .text()
            .contains("the server tells of changes of harbour://berths")
    );
    stage.read(2);
    assert!(line(&stage, "▌ berths").contains("● subscribed"));
    stage.read(1);
    assert!(line(&stage, "▌ berths").contains("● changed"));
    for size in [(80, 24), (120, 40)] {
        let (width, height) = size;
        stage.send(Event::Resize { width, height });
        insta::assert_snapshot!(format!("changed-{width}x{height}"), stage.screen());
    }
    assert!(stage.status().contains("? help"));
    stage.press("u");
    let (_, route, message) = sent(&stage).pop().unwrap();
    assert_eq!(route, Route::Session(SessionId(1)));
    assert!(message.contains("resources/unsubscribe"), "{message}");
    written(&mut stage, "s-2");
    stage.read(2);
    let berths = line(&stage, "▌ berths");
    assert!(
        berths.contains("changed") && !berths.contains('●'),
        "{berths}"
    );
    assert_eq!(sent(&stage).len(), 2);
}

#[test]
fn what_was_read_again_is_no_longer_marked() {
    let again = READ.map(|line| line.replace("\"id\":4", "\"id\":5"));
    let then = [READ[0], READ[1], UPDATED, &again[0], &again[1]];
    let mut stage = wide(false, &then);
    stage.read(3);
    let berths = line(&stage, "▌ berths");
    assert!(berths.contains("changed"), "{berths}");
    assert!(line(&stage, "CHANGED").contains("12:04:10, and not read since"));
    stage.read(2);
    assert!(line(&stage, "▌ berths").contains("2 calls"));
}

const LISTEN: &str = r#"operator {"id":"s-1","method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["harbour://berths"]}}}"#;

fn acknowledged(honoured: &str) -> String {
    format!(
        r#"server {{"method":"notifications/subscriptions/acknowledged","params":{{"notifications":{honoured},"_meta":{{"io.modelcontextprotocol/subscriptionId":"s-1"}}}}}}"#
    )
}

#[test]
fn a_server_of_the_modern_era_gets_a_subscription_for_the_one_resource() {
    let taken = acknowledged(r#"{"resourceSubscriptions":["harbour://berths"]}"#);
    let end = r#"operator {"method":"notifications/cancelled","params":{"requestId":"s-1"}}"#;
    let mut stage = wide(true, &[LISTEN, &taken, end]);
    stage.press("u");
    let (_, _, message) = sent(&stage).pop().unwrap();
    assert!(
        message.contains(
            r#""method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["harbour://berths"]}}"#
        ),
        "{message}"
    );
    written(&mut stage, "s-1");
    stage.read(2);
    assert!(line(&stage, "▌ berths").contains("● subscribed"));
    stage.press("u");
    let (_, route, message) = sent(&stage).pop().unwrap();
    assert_eq!(route, Route::Session(SessionId(1)));
    assert!(
        message.contains(r#""method":"notifications/cancelled","params":{"requestId":"s-1"}"#),
        "{message}"
    );
    assert!(stage.text().contains("cancelling: the server is told"));
    assert!(!stage.text().contains("no longer tells"));
    stage.read(1);
    assert!(!line(&stage, "▌ berths").contains('●'));
}

#[test]
fn a_server_of_the_modern_era_is_known_when_all_sessions_are_over() {
    let mut stage = wide(true, &[r#"closed {"reason":"the client left"}"#]);
    stage.read(1);
    stage.press("u");
    let (_, _, message) = sent(&stage).pop().unwrap();
    assert!(message.contains("subscriptions/listen"), "{message}");
}

#[test]
fn nothing_is_asked_twice_while_the_answer_is_awaited() {
    let mut stage = wide(true, &[LISTEN]);
    stage.press("uu");
    written(&mut stage, "s-1");
    stage.read(1);
    stage.press("u");
    assert!(stage.status().contains("has not answered yet"));
    assert_eq!(sent(&stage).len(), 1);
}

#[test]
fn a_server_that_does_not_take_a_subscription_on_is_said_not_to() {
    let mut stage = wide(true, &[LISTEN, &acknowledged("{}")]);
    stage.press("u");
    written(&mut stage, "s-1");
    stage.read(2);
    let text = stage.text();
    assert!(
        text.contains("does not include changes of harbour://berths"),
        "{text}"
    );
    let (_, route, message) = sent(&stage).pop().unwrap();
    assert_eq!(route, Route::Session(SessionId(1)));
    assert!(
        message.contains(r#""method":"notifications/cancelled","params":{"requestId":"s-1"}"#),
        "{message}"
    );
    assert!(!line(&stage, "▌ berths").contains('●'));
    let refused = r#"server {"id":"s-1","error":{"code":-32602,"message":"no such resource"}}"#;
    let mut stage = wide(false, &[SUBSCRIBE[0], refused]);
    stage.press("u");
    written(&mut stage, "s-1");
    stage.read(2);
    let text = stage.text();
    assert!(
        text.contains("does not tell of changes of harbour://berths: the server says"),
        "{text}"
    );
    let mut stage = wide(false, &[]);
    stage.press("u");
    let (token, ..) = sent(&stage).pop().unwrap();
    stage.send(Event::Outcome {
        token,
        outcome: Err(Refused("the server does not read".into())),
    });
    assert!(stage.text().contains("the server does not read"));
}

#[test]
fn nothing_is_asked_of_a_server_that_tells_of_no_changes_nor_for_a_template() {
    let mut silent = stage((120, 30), false, "", &[]);
    assert!(!silent.text().contains("u subscribe"));
    silent.press("u");
    assert!(
        silent
            .text()
            .contains("does not say that it tells of changes")
    );
    assert!(sent(&silent).is_empty());
    let mut stage = stage((120, 30), false, CAN, &[]);
    assert!(stage.text().contains("u subscribe"), "{}", stage.text());
    stage.press("G");
    assert!(!stage.text().contains("u subscribe"));
    stage.press("u");
    assert!(stage.text().contains("a template is no resource"));
    stage.press("2u4u");
    assert!(sent(&stage).is_empty());
}

#[test]
fn two_wishes_in_quick_succession_are_both_followed() {
    let other = SUBSCRIBE.map(|line| line.replace("s-1", "s-2").replace("berths", "log"));
    let then = [SUBSCRIBE[0], &other[0], &other[1], SUBSCRIBE[1]];
    let mut stage = wide(false, &then);
    stage.press("uju");
    let wishes = sent(&stage);
    assert_eq!(wishes.len(), 2);
    for ((token, ..), id) in wishes.iter().zip(["s-1", "s-2"]) {
        written_as(&mut stage, *token, id);
    }
    stage.read(3);
    assert!(stage.text().contains("tells of changes of harbour://log"));
    stage.press("ku");
    assert!(stage.status().contains("has not answered yet"));
    stage.read(1);
    let text = stage.text();
    assert!(
        text.contains("tells of changes of harbour://berths"),
        "{text}"
    );
    for name in ["berths", "log"] {
        assert!(
            line(&stage, &format!(" {name} ")).contains("● subscribed"),
            "{text}"
        );
    }
    assert_eq!(sent(&stage).len(), 2);
}

#[test]
fn what_a_client_is_told_of_is_marked_too() {
    let theirs = SUBSCRIBE.map(|line| line.replace("operator", "client"));
    let then = [&*theirs[0], &theirs[1], READ[0], READ[1], UPDATED];
    let mut stage = wide(false, &then);
    stage.read(4);
    let told = line(&stage, "SUBSCRIBED");
    assert!(told.contains("a client is told when it changes"), "{told}");
    assert!(!line(&stage, "▌ berths").contains('●'));
    stage.read(1);
    assert!(
        line(&stage, "▌ berths").contains("changed"),
        "{}",
        stage.text()
    );
}

#[test]
fn a_list_that_could_not_be_read_again_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let list = r#""from":"client","message":{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#;
    let again = list.replace("\"id\":1", "\"id\":2");
    let mut lines = vec![
        r#""opened":{"by":"client","transport":"stdio","pid":1}"#,
        list,
        r#""from":"server","message":{"jsonrpc":"2.0","id":1,"result":{"resources":[{"name":"r","uri":"a://r"}]}}"#,
        &again,
        r#""from":"server","message":{"jsonrpc":"2.0","id":2,"error":{"code":-32603,"message":"the disk is away"}}"#,
    ];
    let head = |lines: &[&str]| {
        let path = capture(directory.path(), lines);
        let mut stage = Stage::open(120, 40, &path, State::Live);
        stage.press("3");
        stage.text()
    };
    let text = head(&lines);
    assert!(
        text.contains("  not refreshed: -32603 the disk") && text.contains("a://r"),
        "{text}"
    );
    let third = list.replace("\"id\":1", "\"id\":3");
    lines.push(&third);
    lines.push(r#""from":"server","message":{"jsonrpc":"2.0","id":3,"result":{"resources":[{"name":"r","uri":"a://r"}]}}"#);
    assert!(head(&lines).contains("  1 resource "), "{}", head(&lines));
}
