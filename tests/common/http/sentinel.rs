//! The built program, behind its listener or on pipes.

use super::super::driver::at_home;
use super::until;
use mcp_sentinel::link;
use mcp_sentinel::tap::Orders;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tempfile::TempDir;

/// A proxy at work. Killed when it is dropped.
pub struct Sentinel {
    pub process: Child,
    /// Its client's side, when it has no listener.
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<ChildStdout>,
    /// Where it keeps its files, and tests theirs.
    pub home: TempDir,
    stderr: Arc<Mutex<String>>,
    /// Reads that to its end.
    listener: JoinHandle<()>,
    /// The listener's, from the line at the start.
    url: Option<String>,
}

impl Sentinel {
    /// With a listener on a free port in front of what `upstream` says (`["--", "command"]`, `["http://…"]`, and any
    /// options before), headless and recording.
    pub async fn listening(upstream: &[&str]) -> Self {
        let arguments = [&["--listen", "127.0.0.1:0"], upstream].concat();
        let mut proxy = Self::on_pipes(&arguments);
        let mut url = None;
        until("the listener's address is on stderr", || {
            let errors = proxy.errors();
            let ended = proxy.process.try_wait().unwrap();
            url = errors
                .lines()
                .filter_map(|line| line.split_once("http://"))
                .filter_map(|(_, url)| url.split([' ', ',', ';', ')']).next())
                .map(|rest| format!("http://{rest}"))
                .next();
            assert!(url.is_some() || ended.is_none(), "{ended:?}: {errors}");
            url.is_some()
        })
        .await;
        proxy.url = url;
        proxy
    }

    /// Whose client is on the pipes; headless and recording.
    pub fn on_pipes(arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = at_home(&home);
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        command.arg("--headless");
        if !arguments.contains(&"--no-capture") {
            command
                .arg("--capture")
                .arg(home.path().join("capture.jsonl"));
        }
        let mut process = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = Arc::new(Mutex::new(String::new()));
        let (mut lines, kept) = (
            BufReader::new(process.stderr.take().unwrap()),
            stderr.clone(),
        );
        let listener = std::thread::spawn(move || {
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|it| it > 0) {
                kept.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self {
            stdin: process.stdin.take(),
            stdout: process.stdout.take(),
            process,
            home,
            stderr,
            listener,
            url: None,
        }
    }

    /// Where its clients connect, with the path.
    pub fn url(&self) -> &str {
        self.url.as_deref().expect("a listener")
    }

    pub fn address(&self) -> SocketAddr {
        let authority = self.url()["http://".len()..].split('/').next().unwrap();
        authority.parse().unwrap()
    }

    /// The client's side of the pipes, for a client that is made of tasks.
    pub fn pipes(&mut self) -> (tokio::process::ChildStdout, tokio::process::ChildStdin) {
        let (stdout, stdin) = (self.stdout.take().unwrap(), self.stdin.take().unwrap());
        (
            tokio::process::ChildStdout::from_std(stdout).unwrap(),
            tokio::process::ChildStdin::from_std(stdin).unwrap(),
        )
    }

    /// Everything on stderr so far.
    pub fn errors(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    pub fn capture_file(&self) -> PathBuf {
        self.home.path().join("capture.jsonl")
    }

    /// Everything captured so far, record by record; a line that is still being written is left out.
    pub fn capture(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read(self.capture_file()).unwrap_or_default();
        text.split_inclusive(|byte| *byte == b'\n')
            .filter(|line| line.ends_with(b"\n"))
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    /// The capture once it holds what is looked for.
    pub async fn captured(
        &self,
        what: &str,
        is_there: impl Fn(&[serde_json::Value]) -> bool,
    ) -> Vec<serde_json::Value> {
        let mut capture = Vec::new();
        until(what, || {
            capture = self.capture();
            is_there(&capture)
        })
        .await;
        capture
    }

    /// For who attaches.
    pub async fn orders(&self) -> Orders {
        let registry = self.home.path().join("mcp-sentinel");
        let mut socket = None;
        until("the proxy is listed", || {
            let entry = link::registry::list(&registry)
                .ok()
                .and_then(|mut all| all.pop());
            socket = entry.map(|entry| entry.socket);
            socket.is_some()
        })
        .await;
        link::client::connect(&socket.unwrap())
            .await
            .unwrap()
            .orders
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.process.id().try_into().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// How it ends by itself; everything that it says on stderr is there then.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the proxy ends", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        })
        .await;
        until("its last words", || self.listener.is_finished()).await;
        status.unwrap()
    }

    /// Ends it by SIGTERM; how it ended.
    pub async fn end(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.ended().await
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the proxy said:\n{}", self.errors());
        }
    }
}
