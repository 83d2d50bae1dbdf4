//! What is copied and saved, and what is said of it.

use super::*;
use mcp_sentinel::ui::app::Kept;

/// The text that was copied last, which is called so.
fn copied(stage: &mut Stage, words: &str) -> String {
    let Some(Effect::Copy { what, text }) = stage.effects.pop() else {
        panic!("nothing copied")
    };
    assert_eq!(what, words);
    text
}

#[test]
fn copying_and_saving_take_the_exact_messages() {
    let mut stage = live();
    stage.press("/a=2<enter>gy");
    let text = copied(&mut stage, "request and answer");
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[0].starts_with(r#"{"jsonrpc":"2.0","id":5,"method":"tools/call""#),
        "{text}"
    );
    assert!(
        lines[1].contains(r#""structuredContent":{"result":5}"#),
        "{text}"
    );
    stage.press("<enter>y");
    let answer = copied(&mut stage, "the answer");
    assert_eq!(answer, lines[1]);
    stage.press("w");
    let Some(Effect::Save { what, places, .. }) = stage.effects.pop() else {
        panic!("nothing saved")
    };
    assert_eq!((what, places.len()), ("message", 2));
}

#[test]
fn whatever_is_copied_is_called_by_what_it_is() {
    for (keys, what) in [
        ("/a=2<enter>g<enter><left>y", "the request"),
        ("/a=2<enter>g<enter>Y", "the value"),
        ("/stderr<enter>gy", "the message"),
        ("2y", "the definition"),
        ("5y", "the capture's path"),
        ("6gy", "the line"),
    ] {
        let mut stage = live();
        stage.press(keys);
        let text = copied(&mut stage, what);
        assert!(!text.is_empty(), "{keys}");
    }
}

#[test]
fn where_there_is_nothing_to_copy_that_is_said() {
    let mut stage = live();
    stage.app.world.kept = Kept::Nowhere;
    stage.press("5y");
    assert!(
        stage.status().contains("no capture file"),
        "{}",
        stage.status()
    );
    stage.press("6/no such line<enter>y");
    assert!(
        stage.status().contains("no line here"),
        "{}",
        stage.status()
    );
    stage.press("2<enter><f2>y");
    assert!(stage.text().contains("no answer here"), "{}", stage.text());
    assert!(
        !stage
            .effects
            .iter()
            .any(|it| matches!(it, Effect::Copy { .. }))
    );
}
