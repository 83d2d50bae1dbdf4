//! What leaving the screen asks about, and what ends with it.

use super::*;

#[test]
fn escape_never_quits_and_q_asks_when_an_answer_would_be_lost() {
    let mut stage = with(
        Session {
            quit_ends_session: true,
            ..Session::default()
        },
        State::Live,
    );
    stage.press("<esc><esc><esc>");
    assert!(stage.effects.is_empty());
    stage.press("q");
    assert!(
        stage.effects.is_empty() && stage.status().contains("quit?"),
        "{}",
        stage.status()
    );
    stage.press("<esc>");
    assert!(stage.status().contains("live"));
    stage.press("qy");
    assert_eq!(stage.effects, [Effect::Quit]);

    for (capture, state) in [("live", State::Ended), ("empty", State::Live)] {
        let session = Session {
            quit_ends_session: true,
            ..Session::default()
        };
        let mut stage = Stage::with(120, 40, &fixture(capture), state, session);
        stage.press("q");
        assert_eq!(stage.effects, [Effect::Quit], "{capture}");
    }
}

#[test]
fn q_asks_when_clients_that_joined_would_lose_their_sessions() {
    let session = Session {
        quit_ends_session: true,
        ..Session::default()
    };
    let mut stage = Stage::with(120, 40, &fixture("http"), State::Live, session.clone());
    stage.press("q");
    assert!(
        stage.status().contains("A client is connected."),
        "{}",
        stage.status()
    );
    stage.press("n");
    assert!(stage.effects.is_empty() && stage.status().contains("live"));
    // A stream that a client without a session listens to.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("old.jsonl");
    let text = std::fs::read_to_string(fixture("http")).unwrap();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("{\"capture\"") || line.contains("\"exchange\":8,"));
    let text: String = lines
        .map(|line| line.replace("mcp-session-id", "x-session") + "\n")
        .collect();
    std::fs::write(&path, text).unwrap();
    let mut listened = Stage::with(120, 40, &path, State::Live, session.clone());
    listened.press("q");
    assert!(
        listened.status().contains("A client listens"),
        "{}",
        listened.status()
    );
    // Somebody else's proxy goes on without us.
    let mut attached = Stage::with(
        120,
        40,
        &fixture("http"),
        State::Live,
        Session {
            quit_ends_session: false,
            ..session
        },
    );
    attached.press("q");
    assert_eq!(attached.effects, [Effect::Quit]);
}

#[test]
fn nobody_who_joined_is_stopped_with_the_screen() {
    for (quit_ends_session, suspended) in [(true, false), (false, true)] {
        let session = Session {
            quit_ends_session,
            ..Session::default()
        };
        let mut stage = Stage::with(120, 40, &fixture("http"), State::Live, session);
        stage.press("<c-z>");
        assert_eq!(!stage.effects.is_empty(), suspended);
        assert_eq!(
            stage.text().contains("a client is connected"),
            !suspended,
            "{}",
            stage.text()
        );
    }
}

#[test]
fn a_capture_that_somebody_writes_on_is_not_called_saved() {
    let mut stage = Stage::start(120, 40, &fixture("live"), State::Saved, Session::default());
    stage.read(20);
    stage.send(Event::Fed(Fed::CaughtUp));
    assert!(stage.status().contains("growing"), "{}", stage.status());
    stage.send(Event::Fed(Fed::Ended { torn: 0 }));
    assert!(stage.status().contains("saved"), "{}", stage.status());
    stage.read(5);
    assert!(stage.status().contains("growing"), "{}", stage.status());
    stage.press("2r");
    assert!(
        stage.status().contains("mcp-sentinel attach"),
        "{}",
        stage.status()
    );
}

#[test]
fn what_has_no_end_is_cut_off_once_nobody_writes_any_more() {
    let mut stage = Stage::start(120, 40, &fixture("http"), State::Saved, Session::default());
    stage.read(usize::MAX);
    stage.send(Event::Fed(Fed::CaughtUp));
    let open = stage.app.world.traffic.counters();
    assert!(open.pending + open.streams > 0);
    stage.send(Event::Fed(Fed::Ended { torn: 0 }));
    let open = stage.app.world.traffic.counters();
    assert_eq!((open.pending, open.streams), (0, 0));
    stage.press("/lost<enter><enter>");
    let text = stage.text();
    assert!(text.contains("cut off: the capture ends here"), "{text}");
}

#[test]
fn a_proxy_that_is_gone_is_told_and_by_every_key_that_needs_one() {
    let mut stage = Stage::open(80, 24, &fixture("live"), State::Ended);
    let status = stage.status();
    assert!(
        status.contains("■ ended  the proxy is gone: the capture ends here"),
        "{status}"
    );
    for keys in ["R", "x", "a", "r", "e", "3u", "r", "c", "e", "6L", "5r"] {
        stage.press(keys);
        let text = stage.text();
        assert!(text.contains("this conversation is over"), "{keys}: {text}");
    }
    assert!(stage.effects.is_empty(), "{:?}", stage.effects);
    // Also where a call is being written.
    let mut stage = Stage::open(80, 24, &fixture("live"), State::Live);
    stage.press("2<enter>");
    stage.send(Event::Fed(Fed::Ended { torn: 0 }));
    let status = stage.status();
    assert!(status.contains("the proxy is gone"), "{status}");
    stage.press("<f5>");
    let text = stage.text();
    assert!(
        text.contains("nothing can be sent: this conversation is over"),
        "{text}"
    );
    // Nobody used it any more.
    let stage = Stage::open(80, 24, &fixture("empty"), State::Ended);
    let status = stage.status();
    assert!(status.contains("■ ended  the proxy has ended"), "{status}");
}

#[test]
fn a_proxy_behind_a_connection_that_broke_is_not_said_to_be_gone() {
    for name in ["live", "empty"] {
        let mut stage = Stage::open(80, 24, &fixture(name), State::Live);
        stage.send(Event::CutOff(
            "the connection to the proxy has ended".into(),
        ));
        stage.send(Event::Fed(Fed::Ended { torn: 0 }));
        let status = stage.status();
        assert!(
            status.contains("the connection to the proxy has ended"),
            "{status}"
        );
        stage.press("j");
        let status = stage.status();
        let said = "■ cut off  the proxy may be at work still: attach once more";
        assert!(status.contains(said), "{status}");
        stage.press("R");
        let text = stage.text();
        assert!(
            text.contains("nothing connects this screen to the proxy"),
            "{text}"
        );
        assert!(!text.contains("over"), "{text}");
    }
}
