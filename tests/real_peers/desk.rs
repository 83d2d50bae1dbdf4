//! A place for everything that a client, a server or the program writes in one test.

use crate::installed::{SENTINEL, peers, python, script};
use base64::Engine as _;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A directory for everything that a client, a server or the program writes in one test.
pub struct Desk {
    folder: TempDir,
}

impl Desk {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["home", "run", "client-side", "server-side"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn run(&self, command: &[OsString]) -> Output {
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
    pub fn printed(&self, client: &[OsString], server: &[OsString]) -> String {
        let command = [client, server].concat();
        let output = self.run(&command);
        let errors = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{command:?} failed: {errors}");
        assert!(!printed.is_empty(), "{command:?} printed nothing: {errors}");
        printed
    }

    /// The server's command with the program before it, and a witness on each side of that.
    pub fn watched(&self, server: &[OsString]) -> Vec<OsString> {
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

    pub fn kept(&self, file: &str) -> Vec<u8> {
        fs::read(self.path(file)).unwrap_or_default()
    }

    /// The session may end a little later than the client does.
    pub fn wait_for_the_end(&self) {
        let patience = Instant::now() + Duration::from_secs(300);
        let ended = || {
            String::from_utf8_lossy(&self.kept("capture.jsonl")).contains(r#""closed":{"#)
                && self.kept("client-side/said") == self.kept("server-side/said")
        };
        while !ended() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn assert_nothing_was_touched(&self) {
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
pub struct Captured {
    client: Vec<u8>,
    server: Vec<u8>,
}

impl Captured {
    pub fn of(capture: &[u8]) -> Self {
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
