//! Calls whose session matters: repeated, cancelled, refused, and what is left when the server is gone.

use super::*;

/// A call that the server wants once more; `then` is captured, but not read yet.
pub fn to_be_repeated(then: &[&str]) -> Stage {
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
fn a_refusal_is_said_when_another_sheet_is_open() {
    let mut stage = live(SUM);
    stage.press("<enter><f5><esc>");
    stage.press("/echo<enter><enter>");
    outcome(&mut stage, Err(Refused("the pipe is full".to_owned())));
    let status = stage.status();
    assert!(status.contains("the pipe is full"), "{status}");
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
    let question = "Your server runs. End it and start it again?";
    stage.press("R");
    assert!(stage.status().contains(question), "{}", stage.status());
    stage.press("n");
    assert!(commands(&stage).is_empty() && !stage.status().contains(question));
    stage.press("Ry");
    let (_, command) = commands(&stage).pop().unwrap();
    assert_eq!(command, Command::Renew);

    let theirs = LISTED.map(|it| it.replace("operator", "client"));
    let path = capture(directory.path(), &theirs.each_ref().map(String::as_str));
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("R");
    let status = stage.status();
    assert!(status.contains("where the client is"), "{status}");
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

#[test]
fn with_the_proxy_gone_a_sheet_does_not_say_where_it_sends() {
    let directory = tempfile::tempdir().unwrap();
    let client = LISTED[0].replace("operator", "client");
    let closed = r#""closed":{"signal":9,"reason":"the server was ended by SIGKILL"}"#;
    let path = capture(directory.path(), &[&client, LISTED[1], LISTED[2], closed]);
    for live in [true, false] {
        let mut stage = Stage::start(200, 50, &path, State::Live, Session::default());
        stage.read(3);
        stage.arrive();
        stage.press("2<enter><tab>");
        let text = stage.text();
        assert!(text.contains("through session 1"), "{text}");
        stage.app.world.live = live;
        stage.read(1);
        let text = stage.text();
        let said = text.contains("this goes through the operator's own");
        assert_eq!(said, live, "{text}");
        stage.app.world.live = false;
        stage.send(Event::Fed(Fed::CaughtUp));
        let text = stage.text();
        assert!(!text.contains("the operator's own"), "{text}");
        assert_eq!(text.contains("nothing can be sent"), live, "{text}");
    }
}

#[test]
fn a_growing_capture_offers_no_answer_to_what_the_server_asks() {
    let directory = tempfile::tempdir().unwrap();
    let asked = r#""from":"server","message":{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}"#;
    let path = capture(directory.path(), &[LISTED[0], asked]);
    for (state, offers) in [(State::Live, true), (State::Saved, false)] {
        let mut stage = Stage::start(160, 40, &path, state, Session::default());
        stage.read(usize::MAX);
        stage.send(Event::Fed(Fed::CaughtUp));
        let status = stage.status();
        assert_eq!(status.contains("the server asks you"), offers, "{status}");
    }
}
