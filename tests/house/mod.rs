//! A place of its own for each test: no file, socket or setting of the user's is seen or touched.

#![allow(dead_code, reason = "each test binary uses what it needs")]

#[allow(clippy::duplicate_mod, reason = "some tests have `common` too")]
#[path = "../common/signals.rs"]
mod signals;

use mcp_sentinel::link::registry::{self, Entry};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-sentinel");
/// The server that is always there.
pub const DEMO: [&str; 3] = [PROGRAM, "demo", "--server"];

/// With a longer `TMPDIR` than that, the path of a socket in a house is too long for some system.
const LONGEST: usize = 60;

/// Longer than anything here takes on a busy machine.
const TOO_LONG: Duration = Duration::from_secs(300);

pub struct House {
    directory: TempDir,
}

impl House {
    pub fn new() -> Self {
        // The paths of its sockets have to be short.
        let room = std::env::temp_dir();
        let is_long = room.as_os_str().len() > LONGEST;
        let room = if is_long { "/tmp".into() } else { room };
        let house = Self {
            directory: tempfile::tempdir_in(room).unwrap(),
        };
        for room in ["run", "state", "config", "tmp"] {
            std::fs::create_dir(house.path(room)).unwrap();
        }
        house
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn registry(&self) -> PathBuf {
        self.path("run/mcp-sentinel")
    }

    /// The live proxies of this house.
    pub fn live(&self) -> Vec<Entry> {
        registry::list(&self.registry()).unwrap_or_default()
    }

    /// The captures of this house, oldest first.
    pub fn captures(&self) -> Vec<PathBuf> {
        let Ok(files) = self.path("state/mcp-sentinel/captures").read_dir() else {
            return Vec::new();
        };
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }

    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        self.furnished(Command::new(PROGRAM), arguments)
    }

    /// The same under what a shell was told before, such as `ulimit`.
    pub fn command_after(&self, told: &str, arguments: &[&str]) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{told}; exec \"$0\" \"$@\""), PROGRAM]);
        self.furnished(shell, arguments)
    }

    fn furnished<S: AsRef<std::ffi::OsStr>>(
        &self,
        mut command: Command,
        arguments: &[S],
    ) -> Command {
        signals::by_default();
        command
            .args(arguments)
            .env("HOME", self.directory.path())
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("TMPDIR", self.path("tmp"))
            .env_remove("UPSTREAM_TRANSPORT")
            .env_remove("UPSTREAM_CMD")
            .env_remove("UPSTREAM_URL")
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// Runs to the end with something to read on stdin.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let file = self.write("input", input);
        let mut command = self.command(arguments);
        command.stdin(std::fs::File::open(file).unwrap());
        Ran::of(&mut command)
    }

    /// Starts a proxy whose client is the test.
    pub fn start(&self, options: &[&str], server: &[&str]) -> Proxy {
        let arguments = [options, &["--"], server].concat();
        Proxy::start(self.command(&arguments))
    }
}

/// What a run left.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(command: &mut Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        Self {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Ended with this code, and says this on stderr.
    #[track_caller]
    pub fn fails(&self, code: i32, saying: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains(saying), "{self:?}");
    }
}

/// A proxy at work.
pub struct Proxy {
    pub process: Child,
    pub stdin: Option<ChildStdin>,
    pub stdout: BufReader<ChildStdout>,
}

impl Proxy {
    pub fn start(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: process.stdin.take(),
            stdout: BufReader::new(process.stdout.take().unwrap()),
            process,
        }
    }

    /// One request, one answer.
    pub fn ask(&mut self, request: &str) -> String {
        self.send(request);
        self.line()
    }

    pub fn send(&mut self, message: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// A client's first words, to the demo's server.
    pub fn shake_hands(&mut self) {
        let answer = self.ask(
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"tester","version":"1.2"}}}"#,
        );
        assert!(answer.contains("serverInfo"), "{answer}");
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    }

    /// Calls the demo's echo, and checks that this and nothing else comes back.
    pub fn echo(&mut self, id: usize) {
        let answer = self.ask(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"message":"no {id}"}}}}}}"#
        ));
        assert!(answer.contains(&format!(r#""id":{id},"#)), "{answer}");
        assert!(answer.contains(&format!("no {id}")), "{answer}");
    }

    /// Hangs up; the exit code and everything on stderr.
    pub fn leave(mut self) -> (Option<i32>, String) {
        drop(self.stdin.take());
        let mut stderr = String::new();
        let mut pipe = self.process.stderr.take().unwrap();
        pipe.read_to_string(&mut stderr).unwrap();
        (self.process.wait().unwrap().code(), stderr)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until it is so; what is waited for is named when it never comes.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < TOO_LONG, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().unwrap().permissions().mode() & 0o777
}
