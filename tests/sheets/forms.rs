//! What the server asks: how it is filled in, and in which order requests come up.

use super::*;

/// A form with these properties, at 80x24.
fn form(properties: &str) -> Stage {
    let params = format!(
        r#"{{"message":"?","requestedSchema":{{"type":"object","properties":{{{properties}}}}}}}"#
    );
    asked(80, 24, "elicitation/create", &params)
}

#[test]
fn why_a_form_is_not_sent_is_read_to_its_end() {
    let mut stage = form(
        r#""mail":{"type":"string","format":"email","title":"Where the harbour master writes to"}"#,
    );
    stage.press("nomail<f5>");
    let text = stage.text();
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = words.join(" ");
    assert!(
        words.contains("is not an email address, such as ann@example.org"),
        "{text}"
    );
}

#[test]
fn what_one_types_is_seen_on_the_smallest_screen_too() {
    let params = r#"{"message":"Who are you, and why do you ask?","requestedSchema":{"type":"object","required":["name"],"properties":{"name":{"type":"string","minLength":5},"age":{"type":"integer"}}}}"#;
    let mut stage = asked(40, 8, "elicitation/create", params);
    stage.press("Ann");
    assert!(stage.text().contains("Ann"), "{}", stage.text());
    stage.press("<f5>");
    let text = stage.text();
    assert!(text.contains("Ann") && text.contains('✗'), "{text}");
    stage.press("<tab>42");
    assert!(stage.text().contains("42"), "{}", stage.text());
}

#[test]
fn pages_of_fields_are_turned() {
    let fields: Vec<String> = (1..20)
        .map(|n| format!(r#""f{n}":{{"type":"string"}}"#))
        .collect();
    let mut stage = form(&fields.join(","));
    let here = |stage: &Stage| {
        let text = stage.text();
        let line = text
            .lines()
            .find(|line| line.contains("▌ f"))
            .unwrap()
            .to_owned();
        line.trim().to_owned()
    };
    assert!(stage.text().contains("fields below ↓"), "{}", stage.text());
    stage.press("<pgdn>");
    assert!(here(&stage).contains("▌ f8"), "{}", stage.text());
    stage.press("<pgdn><pgdn><pgdn>");
    assert!(here(&stage).contains("f19"), "{}", stage.text());
    stage.press("<pgup><pgup><pgup><pgup>");
    assert!(here(&stage).ends_with("▌ f1"), "{}", stage.text());
}

fn elicitation(id: u32, words: &str) -> String {
    format!(
        r#""from":"server","message":{{"jsonrpc":"2.0","id":{id},"method":"elicitation/create","params":{{"message":"{words}","requestedSchema":{{"type":"object","properties":{{}}}}}}}}"#
    )
}

#[test]
fn every_request_that_waits_comes_up_in_its_turn() {
    let directory = tempfile::tempdir().unwrap();
    let asked = [
        elicitation(7, "Which harbour?"),
        elicitation(8, "Which pier?"),
    ];
    let path = capture(directory.path(), &[LISTED[0], &asked[0], &asked[1]]);
    let mut stage = Stage::open(80, 24, &path, State::Live);
    for words in [
        "Which harbour?",
        "Which pier?",
        "Which harbour?",
        "Which pier?",
    ] {
        stage.press("a");
        assert!(stage.text().contains(words), "{words}: {}", stage.text());
        assert!(stage.text().contains("1 more: Esc, a"), "{}", stage.text());
        stage.press("<esc>");
    }
}

#[test]
fn what_the_call_on_the_sheet_waits_for_comes_up_first() {
    let directory = tempfile::tempdir().unwrap();
    let call = r#""from":"operator","message":{"jsonrpc":"2.0","id":"sentinel-1","method":"tools/call","params":{"name":"book","arguments":{}}}"#;
    let older = elicitation(7, "Who are you?");
    let asked = elicitation(8, "Which pier?");
    let records = [LISTED[0], LISTED[1], LISTED[2], &older, call, &asked];
    let path = capture(directory.path(), &records);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("2<enter><f5>");
    written(&mut stage);
    stage.press("a");
    assert!(stage.text().contains("Which pier?"), "{}", stage.text());
    stage.press("<esc>a");
    assert!(stage.text().contains("Who are you?"), "{}", stage.text());
}

/// The lines of the help between two of its headings.
fn helped(stage: &Stage, from: &str, to: &str) -> String {
    let text = stage.text();
    let lines = text.lines().map(str::trim);
    let lines = lines.skip_while(|line| *line != from);
    let lines: Vec<&str> = lines.take_while(|line| *line != to).collect();
    lines.join("\n")
}

#[test]
fn the_help_of_a_form_tells_its_own_keys_and_no_others() {
    let mut stage = form(r#""name":{"type":"string"},"ok":{"type":"boolean"}"#);
    assert!(
        stage.status().contains("Tab next field"),
        "{}",
        stage.status()
    );
    stage.press("<tab><f1>");
    let own = helped(&stage, "Answering the server", "An answer in JSON");
    for keys in ["Tab Down", "Shift-Tab", "←", "→", "Space", "Backspace"] {
        let keys = keys.replace("Down", "↓");
        assert!(own.contains(&keys), "{keys}: {own}");
    }
    assert!(!own.contains("$EDITOR"), "{own}");
    // There is one way to refuse what is answered in JSON.
    let mut json = asked(80, 24, "sampling/createMessage", r#"{"messages":[]}"#);
    json.press("<f1>");
    let own = helped(
        &json,
        "Answering the server",
        "Filling in what the server asks",
    );
    assert!(own.contains("$EDITOR") && !own.contains("F9"), "{own}");
    // One key after the other does what it says.
    stage.press("<esc>");
    for (key, shown) in [("<space>", "yes"), ("<right>", "no"), ("<left>", "yes")] {
        stage.press(key);
        let text = stage.text();
        let line = text.lines().find(|line| line.contains("▌ ok"));
        assert!(line.unwrap().contains(shown), "{key}: {text}");
    }
    stage.press("<bs><backtab>a b<left><bs>");
    assert!(stage.text().contains("▌ name  ab"), "{}", stage.text());
}

/// The help as it opens here: what holds here comes first.
fn keys_here(stage: &mut Stage) -> String {
    stage.press("<f1>");
    let text = stage.text();
    stage.press("<esc>");
    text
}

#[test]
fn the_help_says_how_to_decline_only_where_that_can_be() {
    let json = r#"{"messages":[],"maxTokens":5}"#;
    let mut own = asked(80, 24, "sampling/createMessage", json);
    let declines = |text: &str| {
        let (here, _) = text.split_once("An answer in JSON").unwrap();
        here.contains("F8")
    };
    let help = keys_here(&mut own);
    assert!(declines(&help), "{help}");
    own.press("<f8>");
    assert!(answered(&own).contains("declined"), "{}", answered(&own));

    let directory = tempfile::tempdir().unwrap();
    let more = format!(
        r#""from":"server","message":{{"jsonrpc":"2.0","id":"sentinel-1","result":{{"resultType":"input_required","inputRequests":{{"k":{{"method":"sampling/createMessage","params":{json}}}}}}}}}"#
    );
    let records = [LISTED.as_slice(), &[BOOKED, &more]].concat();
    let path = capture(directory.path(), &records);
    let mut stage = Stage::open(80, 24, &path, State::Live);
    stage.press("2<enter><f5>");
    written(&mut stage);
    stage.press("a");
    assert!(!stage.status().contains("F8"), "{}", stage.status());
    let help = keys_here(&mut stage);
    assert!(!declines(&help), "{help}");
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
