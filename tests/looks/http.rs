//! What is said of HTTP: of exchanges, and of a server at an address.

use super::*;
use crate::common_ui::capture;

const POST: &str = r#""http":{"exchange":1,"request":{"by":"client","method":"POST","target":"/mcp","headers":[["host","h"]]}}"#;

#[test]
fn an_exchange_that_broke_off_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let lines = [
        r#""http":{"exchange":1,"request":{"by":"client","method":"GET","target":"/mcp","headers":[["host","h"]]}}"#,
        r#""http":{"exchange":1,"end":{"of":"request","bytes":0}}"#,
        r#""http":{"exchange":1,"end":{"of":"response","bytes":0,"broken":"Connection refused"}}"#,
    ];
    let path = capture(directory.path(), &lines[..2]);
    let stage = Stage::open(120, 40, &path, State::Live);
    assert!(stage.text().contains("→ no response yet"));
    let path = capture(directory.path(), &lines);
    let text = Stage::open(120, 40, &path, State::Live).text();
    assert!(text.contains("→ no response"), "{text}");
    assert!(!text.contains("no response yet"), "{text}");
}

#[test]
fn what_an_exchange_carried_that_is_about_another_is_read_below_it() {
    let directory = tempfile::tempdir().unwrap();
    let cancel = r#""from":"client","exchange":1,"message":{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":12,"reason":"bored"}}"#;
    let lines = [
        r#""from":"client","message":{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"slow"}}"#,
        POST,
        cancel,
        r#""http":{"exchange":1,"end":{"of":"request","bytes":90}}"#,
        r#""http":{"exchange":1,"response":{"by":"server","status":202,"headers":[]}}"#,
        r#""http":{"exchange":1,"end":{"of":"response","bytes":0}}"#,
    ];
    let path = capture(directory.path(), &lines);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("G");
    let text = stage.text();
    let row = stage.selected();
    for words in ["POST", "notifications/cancelled request 12 bored", "202"] {
        assert!(row.contains(words), "{text}");
    }
    for words in ["[Messages]", r#""reason": "bored""#] {
        assert!(text.contains(words), "{text}");
    }
    stage.press("]");
    assert!(
        stage.text().contains("POST /mcp → 202 Accepted"),
        "{}",
        stage.text()
    );
}
