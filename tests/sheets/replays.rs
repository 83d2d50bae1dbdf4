//! What is sent again, as it was or edited, and what is not.

use super::*;

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
    // The cursor stands behind the first of the arguments.
    stage.press("<bs>40<f5>");
    let (_, _, message, replay_of) = sent(&stage);
    assert_eq!(replay_of, Some(14));
    assert_eq!(
        message,
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get-sum","arguments":{"a":40,"b":3}}}"#
    );
}

#[test]
fn what_is_typed_before_the_message_is_there_is_no_part_of_it() {
    for (typed, later) in [
        ("ry", ""),
        ("r<c-o>", ""),
        ("exyz", "<f5>"),
        ("e<c-r>xyz", "<f5>"),
        ("e<tab>xyz", "<f5>"),
    ] {
        let mut stage = live("/tools/call get-sum<enter>");
        stage.press_ahead(&format!("g{typed}"));
        stage.press(later);
        let (_, _, message, replay_of) = sent(&stage);
        assert_eq!(replay_of, Some(14));
        assert_eq!(
            message,
            r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get-sum","arguments":{"a":2,"b":3}}}"#
        );
        let edits = |effect: &Effect| matches!(effect, Effect::Editor(_));
        assert!(!stage.effects.iter().any(edits), "nothing to edit is there");
    }
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
fn what_went_beside_a_client_goes_there_again() {
    let directory = tempfile::tempdir().unwrap();
    let lines = [
        r#""opened":{"by":"client","transport":"stdio","pid":1}"#,
        r#""from":"operator","message":{"jsonrpc":"2.0","id":"o-1","method":"tools/list"}"#,
        r#""from":"server","message":{"jsonrpc":"2.0","id":"o-1","result":{"tools":[]}}"#,
    ];
    let path = capture(directory.path(), &lines);
    for keys in ["Gr", "Ge<f5>"] {
        let mut stage = Stage::open(120, 40, &path, State::Live);
        stage.press(keys);
        assert_eq!(sent(&stage).1, Route::Session(SessionId(1)), "{keys}");
    }
}

#[test]
fn what_fails_against_its_schema_is_sent_again_as_it_was_and_checked_once_it_is_edited() {
    let directory = tempfile::tempdir().unwrap();
    let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"book","arguments":{"n":"two"}}}"#;
    let lines = [
        LISTED[0],
        LISTED[1],
        r#""from":"server","message":{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"book","inputSchema":{"type":"object","properties":{"n":{"type":"integer"}}}}]}}"#,
        &format!(r#""from":"client","message":{call}"#),
        r#""from":"server","message":{"jsonrpc":"2.0","id":2,"result":{"content":[],"isError":true}}"#,
    ];
    let path = capture(directory.path(), &lines);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("Gr");
    assert_eq!(sent(&stage).2, call);
    assert!(stage.text().contains("1 problem"), "{}", stage.text());
    written(&mut stage);
    stage.effects.clear();
    stage.press("<esc>e!<f5>");
    assert!(commands(&stage).is_empty());
    assert!(
        stage.text().contains("F2 sends it all the same"),
        "{}",
        stage.text()
    );
    stage.press("<f2>");
    assert!(
        sent(&stage).2.contains(r#""n":"two!""#),
        "{}",
        sent(&stage).2
    );
}

#[test]
fn what_is_typed_for_an_id_is_said_not_to_be_sent() {
    let mut stage = live("/tools/call get-sum<enter>ge");
    stage.press("<up><up><up><up><end><left>0<f5>");
    assert!(commands(&stage).is_empty(), "{}", stage.text());
    let text = stage.text();
    assert!(
        text.contains("gets an id and a progress token of its own"),
        "{text}"
    );
    stage.press("y");
    assert!(sent(&stage).2.contains(r#""id":50"#), "{}", sent(&stage).2);
}

#[test]
fn a_session_that_would_start_another_server_says_so() {
    let mut stage = live("/tools/call get-sum<enter>ge");
    stage.send(Event::Resize {
        width: 200,
        height: 50,
    });
    assert!(
        !stage.text().contains("another server"),
        "an own session is open"
    );
    let directory = tempfile::tempdir().unwrap();
    let client = LISTED[0].replace("operator", "client");
    let path = capture(directory.path(), &[&client, LISTED[1], LISTED[2]]);
    let mut stage = Stage::open(200, 50, &path, State::Live);
    stage.press("2<enter>");
    let text = stage.text();
    assert!(
        text.contains("through your own session, on another server"),
        "{text}"
    );
}
