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
