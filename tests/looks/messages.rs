//! Messages as they are read below the list.

use super::*;
use crate::common_ui::capture;

const OPENED: &str = r#""opened":{"by":"client","transport":"stdio","pid":1}"#;

#[test]
fn what_a_tool_answered_is_read_without_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let lines = [
        OPENED,
        r#""from":"client","message":{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"weather"}}"#,
        r#""from":"server","message":{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"{\"sky\":\"clear\",\"wind\":3}"},{"type":"text","text":"first\nsecond"}]}}"#,
    ];
    let path = capture(directory.path(), &lines);
    let mut stage = Stage::open(120, 60, &path, State::Live);
    stage.press("G");
    let text = stage.text();
    for words in [r#"│   "sky": "clear""#, "│ second"] {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn the_outline_of_a_list_stays_short() {
    let directory = tempfile::tempdir().unwrap();
    let lines = [
        OPENED,
        r#""from":"client","message":{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#,
        r#""from":"server","message":{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"weather","description":"first\nsecond"}]}}"#,
    ];
    let path = capture(directory.path(), &lines);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("G");
    let text = stage.text();
    assert!(text.contains(r"first\nsecond"), "{text}");
}

const CALLS: [&str; 5] = [
    OPENED,
    r#""from":"client","message":{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t"}}"#,
    r#""from":"server","message":{"jsonrpc":"2.0","id":7,"result":{"a":"x","b":"the needle","c":"a needle"}}"#,
    r#""from":"client","message":{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"t"}}"#,
    r#""from":"server","message":{"jsonrpc":"2.0","id":8,"result":{"b":"one needle more"}}"#,
];

#[test]
fn what_the_list_was_narrowed_to_is_found_in_the_message() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &CALLS);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("/!absent needle<enter>g<enter>n");
    assert!(stage.text().contains("match 1 of 2"), "{}", stage.text());
    stage.press("n");
    assert!(stage.text().contains("match 2 of 2"), "{}", stage.text());
}

#[test]
fn a_search_goes_on_in_the_next_message() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &CALLS);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("gj<enter>/needle<enter><esc>j<enter>n");
    assert!(stage.text().contains("match 1 of 1"), "{}", stage.text());
}

#[test]
fn the_next_match_of_nothing_says_how_to_search() {
    let mut stage = stage(120, 40, "live", State::Live);
    stage.press("g<enter>n");
    assert!(
        stage.status().contains("/ searches in the message"),
        "{}",
        stage.status()
    );
}

#[test]
fn what_has_no_name_is_saved_without_one() {
    let mut stage = stage(120, 40, "live", State::Live);
    for (keys, stem) in [
        ("/stderr<enter>gw", "stderr-"),
        ("<esc>/tools/call get-sum<enter>gw", "tools/call-get-sum-"),
    ] {
        stage.press(keys);
        let Some(Effect::Save { stem: said, .. }) = stage.effects.last() else {
            panic!("{:?}", stage.effects);
        };
        let number = said.strip_prefix(stem).unwrap();
        assert!(number.parse::<u64>().is_ok(), "{said}");
    }
}
