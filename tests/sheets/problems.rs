//! What stands in the way of a call is said to its end, and what helps.

use super::*;

/// A sheet on the only tool, which has this schema.
fn with_schema(schema: &str) -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let listed = format!(
        r#""from":"server","message":{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{{"name":"book","inputSchema":{schema}}}]}}}}"#
    );
    let path = capture(directory.path(), &[LISTED[0], LISTED[1], &listed]);
    let mut stage = Stage::open(100, 40, &path, State::Live);
    stage.press("2<enter>");
    stage
}

#[test]
fn what_is_wrong_with_an_argument_is_read_to_the_end() {
    let schema = r#"{"type":"object","properties":{"when":{"type":"string","format":"date-time"}},"required":["when"]}"#;
    let stage = with_schema(schema);
    let text = stage.text();
    assert!(text.contains("such as") && !text.contains('…'), "{text}");
}

#[test]
fn why_a_schema_cannot_be_used_is_read_to_the_end() {
    let stage = with_schema(r#"{"type":"objekt","properties":{}}"#);
    let text = stage.text();
    assert!(
        text.contains("Not checked: the schema cannot be used"),
        "{text}"
    );
    assert!(!text.contains('…'), "{text}");
}

#[test]
fn no_letter_of_what_is_wrong_is_lost_at_any_width() {
    let letters = |stage: &Stage| -> String {
        let text = shot(stage);
        text.chars().filter(|it| it.is_alphanumeric()).collect()
    };
    let mut stage = with_schema(r#"{"type":"objekt","properties":{}}"#);
    stage.send(Event::Resize {
        width: 250,
        height: 60,
    });
    let text = stage.text();
    let line = text.lines().find(|line| line.contains("Not checked: "));
    let whole: String = line
        .unwrap()
        .chars()
        .filter(|it| it.is_alphanumeric())
        .collect();
    // At some of these widths a line below the first is full.
    for width in 40..120 {
        stage.send(Event::Resize { width, height: 60 });
        let shown = letters(&stage);
        assert!(shown.contains(&whole), "{width}: {}", stage.text());
    }
}

#[test]
fn what_is_wrong_leaves_room_for_the_arguments() {
    let schema = r#"{"type":"object","properties":{"when":{"type":"string","format":"date-time"},"till":{"type":"string","format":"date-time"}},"required":["when","till"]}"#;
    let mut stage = with_schema(schema);
    for height in [16, 18, 20] {
        stage.send(Event::Resize { width: 60, height });
        let text = stage.text();
        assert!(text.contains("✗ when") && text.contains("✗ till"), "{text}");
        assert!(
            text.contains("  till  string (date-time), needed"),
            "{text}"
        );
    }
}

#[test]
fn a_type_has_the_room_of_descriptions_that_nobody_gave() {
    let kind = "array of array of array of array of string";
    let inner = r#"{"type":"string"}"#.to_owned();
    let deep = (0..4).fold(inner, |inner, _| {
        format!(r#"{{"type":"array","items":{inner}}}"#)
    });
    let schema = format!(r#"{{"type":"object","properties":{{"m":{deep}}},"required":["m"]}}"#);
    let mut stage = with_schema(&schema);
    stage.send(Event::Resize {
        width: 80,
        height: 24,
    });
    let text = stage.text();
    assert!(text.contains(&format!("{kind}, needed")), "{text}");
    stage.press("<esc>");
    stage.send(Event::Resize {
        width: 120,
        height: 40,
    });
    let text = stage.text();
    assert!(text.contains(&format!("{kind}  yes")), "{text}");
    assert!(!text.contains("DESCRIPTION"), "{text}");
}

#[test]
fn of_many_arguments_the_one_at_the_cursor_is_in_sight_and_the_others_are_counted() {
    let names: Vec<_> = (0..30).map(|n| format!("p{n:02}")).collect();
    let members = names
        .iter()
        .map(|name| format!(r#""{name}":{{"type":"number"}}"#));
    let members: Vec<_> = members.collect();
    let schema = format!(
        r#"{{"type":"object","properties":{{{}}},"required":{}}}"#,
        members.join(","),
        serde_json::json!(names)
    );
    let mut stage = with_schema(&schema);
    stage.send(Event::Resize {
        width: 80,
        height: 24,
    });
    for (keys, shown, marks) in [
        ("", "▸ p00", [false, true]),
        (&"<down>".repeat(15), "▸ p15", [true, true]),
        (&"<down>".repeat(14), "▸ p29", [true, false]),
    ] {
        stage.press(keys);
        let text = stage.text();
        assert!(text.contains(shown), "{text}");
        assert_eq!(
            ["above", "below"].map(|it| text.contains(&format!("lines {it}"))),
            marks,
            "{text}"
        );
    }
}

#[test]
fn an_answer_that_breaks_the_promise_of_its_tool_says_so_where_it_was_called() {
    let tool = r#"{"name":"book","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"sum":{"type":"number"}},"required":["sum"]}}"#;
    let listed = format!(
        r#""from":"server","message":{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tool}]}}}}"#
    );
    let content = vec![r#"{"type":"text","text":"seat"}"#; 20].join(",");
    let doubt = "/structuredContent/sum: \"5\" is not of type";
    for (sum, wrong) in [("\"5\"", true), ("5", false)] {
        let directory = tempfile::tempdir().unwrap();
        let answer = format!(
            r#""from":"server","message":{{"jsonrpc":"2.0","id":"sentinel-1","result":{{"content":[{content}],"structuredContent":{{"sum":{sum}}}}}}}"#
        );
        let path = capture(
            directory.path(),
            &[LISTED[0], LISTED[1], &listed, BOOKED, &answer],
        );
        let mut stage = Stage::open(80, 24, &path, State::Live);
        stage.press("2<enter><f5>");
        written(&mut stage);
        let text = stage.text();
        let at = |what: &str| text.find(what);
        assert_eq!(at(doubt).is_some(), wrong, "{text}");
        assert!(at(doubt) < at("\"jsonrpc\""), "{text}");
        // What is last in the answer is within reach below what is said.
        stage.press("G");
        let text = stage.text();
        assert!(text.contains(&format!("\"sum\": {sum}")), "{text}");
    }
}

#[test]
fn why_nothing_is_checked_is_said_beside_an_answer_too() {
    let mut stage = with_schema(r#"{"type":"objekt","properties":{}}"#);
    stage.press("<f5>");
    let text = stage.text();
    assert!(text.contains("not checked: the schema cannot"), "{text}");
}

#[test]
fn a_call_that_fell_with_its_server_says_how_to_start_it_again() {
    let directory = tempfile::tempdir().unwrap();
    let closed = r#""closed":{"exit":3,"reason":"the server exited with status 3"}"#;
    let records = [LISTED.as_slice(), &[BOOKED, closed]].concat();
    let path = capture(directory.path(), &records);
    let mut stage = Stage::start(120, 40, &path, State::Live, Session::default());
    stage.read(LISTED.len() + 1);
    stage.arrive();
    stage.press("2<enter><f5>");
    written(&mut stage);
    stage.read(1);
    let text = stage.text();
    assert!(text.contains("status 3. R starts"), "{text}");
}
