//! The peers of other makers, and what is asked of them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub const SENTINEL: &str = env!("CARGO_BIN_EXE_mcp-sentinel");

pub const EVERYTHING_STEPS: &str = r#"[
    ["tools/list"],
    ["tools/call", "echo", {"message": "h\u00e9llo \ud83e\udd80\u2028\u0000"}],
    ["tools/call", "get-sum", {"a": 2, "b": 0.1}],
    ["tools/call", "get-sum", {"a": "two"}],
    ["tools/call", "no-such-tool", {}],
    ["tools/call", "get-tiny-image", {}],
    ["tools/call", "get-structured-content", {"location": "Chicago"}],
    ["tools/call", "get-annotated-message", {"messageType": "error", "includeImage": true}],
    ["tools/call", "get-resource-links", {"count": 3}],
    ["tools/call", "trigger-long-running-operation", {"duration": 1, "steps": 4}],
    ["tools/call", "trigger-sampling-request", {"prompt": "hi", "maxTokens": 5}],
    ["tools/call", "trigger-elicitation-request", {}],
    ["tools/call", "get-roots-list", {}],
    ["resources/list"],
    ["resources/templates/list"],
    ["resources/read", "demo://resource/static/document/features.md"],
    ["resources/read", "demo://no/such/resource"],
    ["prompts/list"],
    ["prompts/get", "args-prompt", {"city": "Lom"}],
    ["prompts/get", "simple-prompt", {}]
]"#;

pub const ODD_STEPS: &str = r#"[
    ["tools/list"],
    ["tools/call", "odd_text", {"times": 2000}],
    ["tools/call", "numbers", {}],
    ["tools/call", "steps", {"count": 40}],
    ["tools/call", "fails", {}],
    ["resources/list"],
    ["resources/templates/list"],
    ["resources/read", "odd://greeting/Ada"],
    ["prompts/list"],
    ["prompts/get", "review", {"code": "\u0001 \\ \" end"}]
]"#;

pub const TIME_STEPS: &str = r#"[
    ["tools/list"],
    ["tools/call", "convert_time",
        {"source_timezone": "UTC", "time": "12:30", "target_timezone": "Asia/Tokyo"}],
    ["tools/call", "convert_time",
        {"source_timezone": "Nowhere/At_All", "time": "12:30", "target_timezone": "Asia/Tokyo"}]
]"#;

pub const HARBOUR_STEPS: &str = r#"[
    ["tools/list"],
    ["tools/call", "get-forecast", {"place": "outer-bank"}],
    ["tools/call", "get-forecast", {"place": "nowhere"}],
    ["tools/call", "find-notes", {"text": null, "tags": ["repair"]}],
    ["tools/call", "save-note",
        {"title": "t", "body": "b", "author": {"name": "n"}, "due": {"kind": "in", "days": 2}}],
    ["tools/call", "delete-note", {"id": 4}],
    ["tools/call", "list-berths", {}],
    ["tools/call", "book-berth", {"boat": "Ida", "length": 5}],
    ["tools/call", "write-bulletin", {"note": 1, "tone": "plain"}],
    ["tools/call", "list-charts", {}],
    ["tools/call", "long-operation", {"duration": 0.2, "steps": 4}],
    ["tools/call", "read-gauge", {"gauge": 3}],
    ["tools/call", "open-sluice", {"gate": "west"}],
    ["tools/call", "take-photo", {}],
    ["tools/call", "export-log", {"entries": 30000}],
    ["tools/call", "set-shift", {"shift": "night"}],
    ["tools/list"],
    ["resources/list"],
    ["resources/templates/list"],
    ["resources/read", "harbour://webcam"],
    ["resources/read", "harbour://tides/pier/2026-11-21"],
    ["resources/read", "note://999"],
    ["prompts/list"],
    ["prompts/get", "handover", {}],
    ["prompts/get", "summarize", {"note": "1"}]
]"#;

/// Where the peers were installed.
pub fn peers() -> PathBuf {
    let peers = std::env::var_os("SENTINEL_PEERS");
    PathBuf::from(peers.expect("SENTINEL_PEERS says where .ci/run has installed the peers"))
}

/// A script that lies beside this file.
pub fn script(name: &str) -> OsString {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
    scripts.join(name).into_os_string()
}

pub fn python() -> OsString {
    peers().join("venv/bin/python").into_os_string()
}

pub fn package(path: &str) -> OsString {
    let modules = peers().join("node_modules/@modelcontextprotocol");
    modules.join(path).into_os_string()
}

pub fn everything() -> Vec<OsString> {
    vec!["node".into(), package("server-everything/dist/index.js")]
}

pub fn filesystem(folder: &Path) -> Vec<OsString> {
    let server = package("server-filesystem/dist/index.js");
    vec!["node".into(), server, folder.into()]
}

pub fn time() -> Vec<OsString> {
    vec![peers().join("venv/bin/mcp-server-time").into_os_string()]
}

pub fn odd() -> Vec<OsString> {
    vec![python(), script("server.py")]
}

/// The server that the program has built in.
pub fn harbour() -> Vec<OsString> {
    vec![SENTINEL.into(), "demo".into(), "--server".into()]
}

/// A client, without the server's command, which comes last in all of them.
pub fn python_client(era: &str, steps: &str) -> Vec<OsString> {
    vec![python(), script("client.py"), era.into(), steps.into()]
}

pub fn typescript_client(steps: &str) -> Vec<OsString> {
    vec!["node".into(), script("client.mjs"), steps.into()]
}

pub fn inspector(request: &[&str]) -> Vec<OsString> {
    let mut client = vec![
        "node".into(),
        peers()
            .join("node_modules/.bin/mcp-inspector")
            .into_os_string(),
        "--cli".into(),
    ];
    client.extend(request.iter().map(OsString::from));
    client.push("--".into());
    client
}
