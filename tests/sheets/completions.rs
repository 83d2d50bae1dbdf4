//! What the server offers for an argument: asked for with a key, chosen, and put into the text.

use super::*;

const OPENED: &str = r#""opened":{"by":"operator","transport":"stdio","pid":1}"#;
const PROMPTS: &str = r#""from":"server","message":{"jsonrpc":"2.0","id":2,"result":{"prompts":[{"name":"plan","arguments":[{"name":"place","required":true},{"name":"length","required":true}]}]}}"#;
const TEMPLATES: &str = r#""from":"server","message":{"jsonrpc":"2.0","id":3,"result":{"resourceTemplates":[{"uriTemplate":"harbour://{station}/{date}","name":"tides"}]}}"#;

/// A session of this revision with a server that can do this, and with its answer to a wish for values.
fn asked(version: &str, can: &str, answer: &str, keys: &str) -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let request = |id: &str, method: &str| {
        format!(
            r#""from":"operator","message":{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"protocolVersion":"{version}"}}}}"#
        )
    };
    let records = [
        OPENED,
        &request("1", "initialize"),
        &format!(
            r#""from":"server","message":{{"jsonrpc":"2.0","id":1,"result":{{"protocolVersion":"{version}","capabilities":{{"prompts":{{}},"resources":{{}}{can}}},"serverInfo":{{"name":"x","version":"1"}}}}}}"#
        ),
        &request("2", "prompts/list"),
        PROMPTS,
        &request("3", "resources/templates/list"),
        TEMPLATES,
        &request("\"sentinel-1\"", "completion/complete"),
        &format!(
            r#""from":"server","to":"operator","message":{{"jsonrpc":"2.0","id":"sentinel-1",{answer}}}"#
        ),
    ];
    let path = capture(directory.path(), &records);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press(keys);
    stage
}

const CAN: &str = r#","completions":{}"#;
const PLACES: &str = r#""result":{"completion":{"values":["pier","the \"outer\" bank","la\u001b[31mgoon"],"total":7,"hasMore":true}}"#;

/// The params of the only message that was sent.
fn params(stage: &Stage) -> serde_json::Value {
    let (_, route, message, _) = sent(stage);
    assert_eq!(route, Route::Operator);
    let message: serde_json::Value = serde_json::from_str(&message).unwrap();
    assert_eq!(message["method"], "completion/complete");
    message["params"].clone()
}

#[test]
fn a_value_is_asked_for_chosen_and_put_into_the_text() {
    let mut stage = asked("2025-11-25", CAN, PLACES, "4<enter>p");
    assert!(commands(&stage).is_empty());
    stage.press("<f4>");
    let wanted = serde_json::json!({
        "ref": {"type": "ref/prompt", "name": "plan"},
        "argument": {"name": "place", "value": "p"},
    });
    assert_eq!(params(&stage), wanted);
    assert!(
        stage
            .text()
            .contains("asking the server for values of place"),
        "{}",
        stage.text()
    );
    written(&mut stage);
    insta::with_settings!({snapshot_path => "../snapshots"}, {
        insta::assert_snapshot!("values", shot(&stage));
    });
    stage.press("j<enter>");
    let text = stage.text();
    assert!(text.contains(r#""place": "the \"outer\" bank""#), "{text}");
    assert!(!text.contains("of 7 values"), "{text}");
    // One types on where the value ends.
    stage.press("!");
    assert!(stage.text().contains(r#"bank!","#), "{}", stage.text());
    assert_eq!(commands(&stage).len(), 1);
}

#[test]
fn the_other_arguments_are_told_where_the_revision_has_it() {
    for (version, told) in [("2025-06-18", true), ("2025-03-26", false)] {
        let keys = "4<enter>here<down><end><left>";
        let mut stage = asked(version, CAN, PLACES, keys);
        stage.press("<c-space>");
        let params = params(&stage);
        assert_eq!(params["argument"]["name"], "length");
        let context = serde_json::json!({"arguments": {"place": "here"}});
        assert_eq!(params.get("context"), told.then_some(&context), "{version}");
    }
}

#[test]
fn a_variable_of_a_template_is_completed_too() {
    let mut stage = asked("2025-11-25", CAN, PLACES, "3<enter><f4>");
    let wanted = serde_json::json!({
        "ref": {"type": "ref/resource", "uri": "harbour://{station}/{date}"},
        "argument": {"name": "station", "value": ""},
    });
    assert_eq!(params(&stage), wanted);
    written(&mut stage);
    stage.press("<enter>");
    assert!(stage.text().contains("harbour://pier/"), "{}", stage.text());
}

#[test]
fn who_leaves_the_values_or_types_on_keeps_the_text() {
    let mut stage = asked("2025-11-25", CAN, PLACES, "4<enter><f4>");
    written(&mut stage);
    stage.press("<esc>");
    let text = stage.text();
    assert!(!text.contains("of 7 values"), "{text}");
    assert!(text.contains(r#""place": """#), "{text}");
    let mut stage = asked("2025-11-25", CAN, PLACES, "4<enter><f4>l");
    written(&mut stage);
    let text = stage.text();
    assert!(text.contains(r#""place": "l""#), "{text}");
    assert!(!text.contains("of 7 values"), "{text}");
}

#[test]
fn why_there_are_no_values_is_said_in_a_sentence() {
    let shown = |answer: &str| {
        let mut stage = asked("2025-11-25", CAN, answer, "4<enter>zz<f4>");
        written(&mut stage);
        stage.text()
    };
    let refused = shown(r#""error":{"code":-32602,"message":"no such argument"}"#);
    let sentence = "no values for place: the server says -32602";
    assert!(refused.contains(sentence), "{refused}");
    assert!(refused.contains("no such argument"), "{refused}");
    let none = shown(r#""result":{"completion":{"values":[]}}"#);
    assert!(none.contains("none that fits “zz”"), "{none}");
    let odd = shown(r#""result":{"completion":{"values":"pier"}}"#);
    assert!(odd.contains("the answer has no list of them"), "{odd}");
    let mut stage = asked("2025-11-25", CAN, PLACES, "4<enter><f4>");
    outcome(&mut stage, Err(Refused("the server does not read".into())));
    let text = stage.text();
    assert!(text.contains("place: the server does not read"), "{text}");
}

#[test]
fn nothing_is_asked_of_a_server_that_offers_no_values_nor_for_what_is_no_text() {
    let stage = asked("2025-11-25", "", PLACES, "4<enter><f4>");
    let text = stage.text();
    assert!(text.contains("does not say that it offers"), "{text}");
    assert!(!text.contains("F4 values"), "{text}");
    assert!(commands(&stage).is_empty());
    let stage = asked("2025-11-25", CAN, PLACES, "4<enter><up><f4>");
    let text = stage.text();
    assert!(text.contains("put the cursor on an argument"), "{text}");
    assert!(text.contains("F4 values"), "{text}");
    assert!(commands(&stage).is_empty());
}

#[test]
fn on_a_small_screen_the_values_take_the_place_of_what_is_below_the_text() {
    let mut stage = asked("2025-11-25", CAN, PLACES, "");
    stage.send(Event::Resize {
        width: 60,
        height: 14,
    });
    stage.press("4<enter><f4>");
    written(&mut stage);
    let text = stage.text();
    assert!(text.contains("▌ pier"), "{text}");
    assert!(text.contains(r#""place": """#), "{text}");
}

#[test]
fn values_that_come_late_leave_the_keys_to_the_answer() {
    let mut stage = asked("2025-11-25", CAN, PLACES, "4<enter>zz<f5>");
    outcome(&mut stage, Err(Refused("the server does not read".into())));
    stage.press("e<f4><esc>");
    written(&mut stage);
    let text = stage.text();
    assert!(!text.contains("of 7 values"), "{text}");
    stage.press("e");
    let text = stage.text();
    assert!(!text.contains("of 7 values"), "{text}");
    assert!(text.contains(r#""place": "zz""#), "{text}");
}

#[test]
fn below_a_short_list_nothing_is_left_of_what_it_covers() {
    let one = r#""result":{"completion":{"values":["pier"]}}"#;
    let mut stage = asked("2025-11-25", CAN, one, "4<enter>");
    assert!(stage.text().contains("length"), "{}", stage.text());
    stage.press("<f4>");
    written(&mut stage);
    let text = stage.text();
    assert!(
        text.contains("1 value") && !text.contains("string, needed"),
        "{text}"
    );
}
