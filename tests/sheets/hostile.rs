//! What a server says to do harm.

use super::*;

/// A capture whose server says nothing that is fit for a screen.
fn hostile(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("hostile.jsonl");
    let nasty = "\\u001b[31m\\u202eevil\\u0007\\r\\n\\u009b2J";
    let long = "x".repeat(10_000);
    let tool = |name: &str, schema: &str| {
        format!(
            r#"{{"name":"{name}","title":"{nasty}","description":"{nasty} {long}","inputSchema":{schema}}}"#
        )
    };
    let schema = format!(
        r#"{{"type":"object","properties":{{"{nasty}":{{"type":"string","description":"{nasty}"}},"{long}":{{"enum":["{nasty}"]}}}}}}"#
    );
    let tools = [
        tool(nasty, &schema),
        tool(&long, "7"),
        tool("日本語🦀\\u200d", "{}"),
    ]
    .join(",");
    let lines = [
        r#"{"capture":1,"program":"mcp-sentinel","started":"2026-11-21T12:04:00.900Z","name":"x","transport":"stdio","upstream":["x"],"pid":1,"cwd":"/"}"#.to_owned(),
        r#"{"seq":1,"at":"2026-11-21T12:04:01.120000Z","session":1,"opened":{"by":"operator","transport":"stdio","pid":1}}"#.to_owned(),
        r#"{"seq":2,"at":"2026-11-21T12:04:01.120000Z","session":1,"from":"operator","message":{"jsonrpc":"2.0","id":1,"method":"tools/list"}}"#.to_owned(),
        format!(r#"{{"seq":3,"at":"2026-11-21T12:04:01.120000Z","session":1,"from":"server","message":{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tools}]}}}}}}"#),
        format!(r#"{{"seq":4,"at":"2026-11-21T12:04:01.120000Z","session":1,"from":"operator","message":{{"jsonrpc":"2.0","id":"sentinel-1","method":"tools/call","params":{{"name":"{nasty}","arguments":{{"{nasty}":"{nasty}"}}}}}}}}"#),
        format!(r#"{{"seq":5,"at":"2026-11-21T12:04:01.120000Z","session":1,"from":"server","message":{{"jsonrpc":"2.0","id":"sentinel-1","result":{{"content":[{{"type":"text","text":"{nasty}{long}"}}]}}}}}}"#),
        format!(r#"{{"seq":6,"at":"2026-11-21T12:04:01.120000Z","session":1,"from":"server","message":{{"jsonrpc":"2.0","id":"{nasty}","method":"elicitation/create","params":{{"message":"{nasty}{long}","requestedSchema":{schema}}}}}}}"#),
    ];
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

#[test]
fn nothing_that_a_server_says_is_obeyed_by_the_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let capture = hostile(directory.path());
    for (width, height) in [(40, 8), (80, 24), (120, 40), (200, 50)] {
        for keys in [
            "2",
            "2s",
            "2<enter>",
            "2e",
            "2j<enter>",
            "2jj<enter>",
            "2<enter><f5>",
            "a",
            "a<down>x<f5>",
            "5",
            "ge",
        ] {
            let mut stage = Stage::open(width, height, &capture, State::Live);
            stage.press(keys);
            if !commands(&stage).is_empty() {
                written(&mut stage);
            }
            let buffer = stage.buffer();
            for cell in buffer.content() {
                let bad = |c: char| {
                    c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{200d}'
                };
                assert!(
                    !cell.symbol().chars().any(bad),
                    "{keys}: {:?}",
                    cell.symbol()
                );
            }
        }
    }
}
