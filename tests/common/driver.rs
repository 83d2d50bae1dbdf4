//! The built proxy as a child process, and the processes around it.

use super::signals;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
const TOO_LONG: Duration = Duration::from_secs(300);

/// A peer's own command, without us.
pub fn peer(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("peer").args(words);
    command
}

/// A proxy, or a peer without one, with its stdio in our hands.
pub struct Running {
    pub process: Child,
    pub stdin: Option<ChildStdin>,
    pub stdout: Box<dyn BufRead>,
    /// Where this proxy keeps its files, and tests theirs.
    pub home: TempDir,
}

/// Puts a proxy in front of a peer.
pub fn sentinel(words: &[&str]) -> Running {
    sentinel_with(&[], words)
}

pub fn sentinel_with(options: &[&str], words: &[&str]) -> Running {
    in_front_of(options, |command| {
        command.arg(std::env::current_exe().unwrap());
        command.arg("peer").args(words);
    })
}

/// Puts a proxy in front of any command line.
pub fn in_front_of(options: &[&str], server: impl FnOnce(&mut Command)) -> Running {
    let home = tempfile::tempdir().unwrap();
    let mut command = at_home(&home);
    if !options.contains(&"--no-capture") {
        command.arg("--capture").arg(capture(&home));
    }
    command.args(options).arg("--");
    server(&mut command);
    start(command, home)
}

/// The built program with a home of its own.
pub fn at_home(home: &TempDir) -> Command {
    signals::by_default();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-sentinel"));
    for name in [
        "HOME",
        "XDG_STATE_HOME",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
    ] {
        command.env(name, home.path());
    }
    command
}

pub fn capture(home: &TempDir) -> PathBuf {
    home.path().join("capture.jsonl")
}

/// The same without us between.
pub fn direct(words: &[&str]) -> Running {
    start(peer(words), tempfile::tempdir().unwrap())
}

/// Any command, its stdio in our hands.
pub fn start(mut command: Command, home: TempDir) -> Running {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Running {
        stdin: process.stdin.take(),
        stdout: Box::new(BufReader::new(process.stdout.take().unwrap())),
        process,
        home,
    }
}

impl Running {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stdin
            .as_mut()
            .unwrap()
            .write_all(bytes.as_ref())
            .unwrap();
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// One request, one answer.
    pub fn ask(&mut self, request: &str) -> String {
        self.send(format!("{request}\n"));
        self.line()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(pid(self.process.id()), signal).unwrap();
    }

    /// Writes `bytes` from a thread of its own, then closes stdin.
    pub fn pour(&mut self, bytes: Vec<u8>) -> JoinHandle<std::io::Result<()>> {
        let mut stdin = self.stdin.take().unwrap();
        std::thread::spawn(move || stdin.write_all(&bytes))
    }

    /// Everything else on stdout.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stdout.read_to_end(&mut rest).unwrap();
        rest
    }

    /// Everything on stderr.
    pub fn errors(&mut self) -> String {
        let mut errors = Vec::new();
        let mut stderr = self.process.stderr.take().unwrap();
        stderr.read_to_end(&mut errors).unwrap();
        String::from_utf8(errors).unwrap()
    }

    /// How it ended; it must end by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the process has ended", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub fn code(&mut self) -> Option<i32> {
        self.ended().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn pid(number: u32) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(number.try_into().unwrap()).unwrap()
}

/// Whether a process is there and not just waiting to be reaped.
pub fn is_alive(number: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{number}/stat")) else {
        return Path::new("/proc").read_dir().is_err()
            && rustix::process::test_kill_process(pid(number)).is_ok();
    };
    !stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .trim_start()
        .starts_with('Z')
}

/// The numbers of a line that says `pids 1 2`.
pub fn pids(line: &str) -> Vec<u32> {
    let numbers = line
        .trim_end()
        .strip_prefix("pids ")
        .unwrap_or_else(|| panic!("{line:?}"));
    numbers
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect()
}

/// Waits until it is so; what is waited for is named when it never comes.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < TOO_LONG, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
