//! Clients and servers of other makers, with nothing, and with the built program, between them.
//!
//! What a client prints must be the same both times. A witness on each side of the program keeps what crosses the
//! pipes, so that the bytes are compared too, and the capture with them.
//!
//! `.ci/run` installs the peers and says in `SENTINEL_PEERS` where.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::Value;
use tempfile::TempDir;

const SENTINEL: &str = env!("CARGO_BIN_EXE_mcp-sentinel");

const EVERYTHING_STEPS: &str = r#"[
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

const ODD_STEPS: &str = r#"[
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

const TIME_STEPS: &str = r#"[
    ["tools/list"],
    ["tools/call", "convert_time",
        {"source_timezone": "UTC", "time": "12:30", "target_timezone": "Asia/Tokyo"}],
    ["tools/call", "convert_time",
        {"source_timezone": "Nowhere/At_All", "time": "12:30", "target_timezone": "Asia/Tokyo"}]
]"#;

const HARBOUR_STEPS: &str = r#"[
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
fn peers() -> PathBuf {
    let peers = std::env::var_os("SENTINEL_PEERS");
    PathBuf::from(peers.expect("SENTINEL_PEERS says where .ci/run has installed the peers"))
}

/// A script that lies beside this file.
fn script(name: &str) -> OsString {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
    scripts.join(name).into_os_string()
}

fn python() -> OsString {
    peers().join("venv/bin/python").into_os_string()
}

fn package(path: &str) -> OsString {
    let modules = peers().join("node_modules/@modelcontextprotocol");
    modules.join(path).into_os_string()
}

fn everything() -> Vec<OsString> {
    vec!["node".into(), package("server-everything/dist/index.js")]
}

fn filesystem(folder: &Path) -> Vec<OsString> {
    let server = package("server-filesystem/dist/index.js");
    vec!["node".into(), server, folder.into()]
}

fn time() -> Vec<OsString> {
    vec![peers().join("venv/bin/mcp-server-time").into_os_string()]
}

fn odd() -> Vec<OsString> {
    vec![python(), script("server.py")]
}

/// The server that the program has built in.
fn harbour() -> Vec<OsString> {
    vec![SENTINEL.into(), "demo".into(), "--server".into()]
}

/// A client, without the server's command, which comes last in all of them.
fn python_client(era: &str, steps: &str) -> Vec<OsString> {
    vec![python(), script("client.py"), era.into(), steps.into()]
}

fn typescript_client(steps: &str) -> Vec<OsString> {
    vec!["node".into(), script("client.mjs"), steps.into()]
}

fn inspector(request: &[&str]) -> Vec<OsString> {
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

/// A directory for everything that a client, a server or the program writes in one test.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["home", "run", "client-side", "server-side"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, command: &[OsString]) -> Output {
        // A client that waits for ever must not make the whole run wait.
        Command::new("timeout")
            .arg("120")
            .args(command)
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("SENTINEL_PEERS", peers())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What the client prints.
    fn printed(&self, client: &[OsString], server: &[OsString]) -> String {
        let command = [client, server].concat();
        let output = self.run(&command);
        let errors = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{command:?} failed: {errors}");
        assert!(!printed.is_empty(), "{command:?} printed nothing: {errors}");
        printed
    }

    /// The server's command with the program before it, and a witness on each side of that.
    fn watched(&self, server: &[OsString]) -> Vec<OsString> {
        let witness = |side: &str| vec![python(), script("witness.py"), self.path(side).into()];
        let sentinel = [
            SENTINEL.into(),
            "--capture".into(),
            self.path("capture.jsonl").into(),
            "--".into(),
        ];
        [
            witness("client-side"),
            sentinel.to_vec(),
            witness("server-side"),
            server.to_vec(),
        ]
        .concat()
    }

    fn kept(&self, file: &str) -> Vec<u8> {
        fs::read(self.path(file)).unwrap_or_default()
    }

    /// The session may end a little later than the client does.
    fn wait_for_the_end(&self) {
        let patience = Instant::now() + Duration::from_secs(20);
        let ended = || {
            String::from_utf8_lossy(&self.kept("capture.jsonl")).contains(r#""closed":{"#)
                && self.kept("client-side/said") == self.kept("server-side/said")
        };
        while !ended() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn assert_nothing_was_touched(&self) {
        self.wait_for_the_end();
        let captured = Captured::of(&self.kept("capture.jsonl"));
        for (pipe, captured) in [("heard", captured.client), ("said", captured.server)] {
            let before = self.kept(&format!("client-side/{pipe}"));
            let after = self.kept(&format!("server-side/{pipe}"));
            assert!(!before.is_empty(), "nothing was {pipe}");
            assert!(
                before == after,
                "the two sides differ in what was {pipe}:\n{}\n---\n{}",
                before.escape_ascii(),
                after.escape_ascii()
            );
            assert!(
                before == captured,
                "the capture differs in what was {pipe}:\n{}\n---\n{}",
                before.escape_ascii(),
                captured.escape_ascii()
            );
        }
    }
}

/// What a capture holds of each peer's stream.
#[derive(Default)]
struct Captured {
    client: Vec<u8>,
    server: Vec<u8>,
}

impl Captured {
    fn of(capture: &[u8]) -> Self {
        let mut captured = Self::default();
        for line in capture.split_inclusive(|byte| *byte == b'\n') {
            let line = std::str::from_utf8(line)
                .expect("a capture is UTF-8")
                .trim_end();
            let record: Value = serde_json::from_str(line).expect("a capture is JSON Lines");
            let stream = match record["from"].as_str() {
                Some("client") => &mut captured.client,
                Some("server") => &mut captured.server,
                _ => continue,
            };
            // The message is the last member and stands there as it was on the wire.
            if let Some(at) = line.find(r#","message":"#) {
                stream.extend(&line.as_bytes()[at + 11..line.len() - 1]);
            } else if let Some(text) = record["text"].as_str() {
                stream.extend(text.trim_end_matches('\n').as_bytes());
            } else if let Some(text) = record["base64"].as_str() {
                let standard = base64::engine::general_purpose::STANDARD;
                stream.extend(standard.decode(text).unwrap());
            }
            stream.push(b'\n');
        }
        captured
    }
}

/// The whole comparison: nothing between client and server, then the program with its witnesses.
fn assert_no_difference(client: &[OsString], server: &[OsString]) {
    let desk = Desk::new();
    let direct = desk.printed(client, server);
    let through = desk.printed(client, &desk.watched(server));
    assert_eq!(direct, through);
    desk.assert_nothing_was_touched();
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn the_inspector_sees_no_difference() {
    for request in [
        &["--method", "tools/list"][..],
        &["--method", "resources/list"],
        &["--method", "resources/templates/list"],
        &["--method", "prompts/list"],
        &[
            "--method",
            "tools/call",
            "--tool-name",
            "get-sum",
            "--tool-arg",
            "a=2",
            "b=3",
        ],
        &[
            "--method",
            "tools/call",
            "--tool-name",
            "echo",
            "--tool-arg",
            "message=žluť 🦀",
        ],
        &[
            "--method",
            "prompts/get",
            "--prompt-name",
            "args-prompt",
            "--prompt-args",
            "city=Lom",
        ],
    ] {
        assert_no_difference(&inspector(request), &everything());
    }
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn the_python_sdk_sees_no_difference_with_server_everything() {
    for era in ["legacy", "auto"] {
        assert_no_difference(&python_client(era, EVERYTHING_STEPS), &everything());
    }
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn the_typescript_sdk_sees_no_difference_with_server_everything() {
    assert_no_difference(&typescript_client(EVERYTHING_STEPS), &everything());
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn both_sdks_see_no_difference_with_a_fastmcp_server_in_either_era() {
    for era in ["legacy", "auto"] {
        assert_no_difference(&python_client(era, ODD_STEPS), &odd());
    }
    assert_no_difference(&typescript_client(ODD_STEPS), &odd());
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn both_sdks_understand_the_built_in_server_in_either_era() {
    for era in ["legacy", "auto"] {
        assert_no_difference(&python_client(era, HARBOUR_STEPS), &harbour());
    }
    assert_no_difference(&typescript_client(HARBOUR_STEPS), &harbour());
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn both_sdks_see_no_difference_with_the_time_server() {
    assert_no_difference(&python_client("auto", TIME_STEPS), &time());
    assert_no_difference(&typescript_client(TIME_STEPS), &time());
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn both_sdks_see_no_difference_with_the_filesystem_server() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    fs::write(
        folder.join("long.txt"),
        "a line\r\nof text\n".repeat(20_000),
    )
    .unwrap();
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let steps = serde_json::json!([
        ["tools/list"],
        ["tools/call", "write_file", {"path": at("new file.txt"), "content": "ünï\r\n\u{7f}"}],
        ["tools/call", "read_text_file", {"path": at("new file.txt")}],
        ["tools/call", "read_text_file", {"path": at("long.txt")}],
        ["tools/call", "read_text_file", {"path": "/etc/hostname"}],
        ["tools/call", "list_directory", {"path": at("")}],
        ["tools/call", "list_allowed_directories", {}],
    ])
    .to_string();
    assert_no_difference(&python_client("legacy", &steps), &filesystem(&folder));
    assert_no_difference(&typescript_client(&steps), &filesystem(&folder));
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn scripts_call_and_list_real_servers() {
    let desk = Desk::new();
    let sentinel = |arguments: &[&str], server: Vec<OsString>| {
        let mut command: Vec<OsString> = vec![SENTINEL.into()];
        command.extend(arguments.iter().map(OsString::from));
        command.push("--".into());
        command.extend(server);
        desk.run(&command)
    };
    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();

    let sum = sentinel(
        &["call", "get-sum", "--args", r#"{"a":2,"b":3}"#],
        everything(),
    );
    assert!(text(&sum).contains("The sum of 2 and 3 is 5."), "{sum:?}");
    assert_eq!(sum.status.code(), Some(0));

    let refused = sentinel(&["call", "fails"], odd());
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");

    let gone = sentinel(&["call", "x"], vec!["/no/such/server".into()]);
    assert_eq!(gone.status.code(), Some(3), "{gone:?}");

    let list = sentinel(&["list", "--json"], everything());
    let list: Value = serde_json::from_str(&text(&list)).unwrap();
    let steps = r#"[["tools/list"]]"#;
    let seen = desk.printed(&typescript_client(steps), &everything());
    for tool in list["tools"].as_array().unwrap() {
        assert!(
            seen.contains(&format!(r#""name":{}"#, tool["name"])),
            "{tool}"
        );
    }
    assert!(list["tools"].as_array().unwrap().len() >= 10);
}
