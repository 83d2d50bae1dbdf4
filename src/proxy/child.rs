//! The server as a child process: spawn, pipes, process group, signals, reaping.
//!
//! Knows processes; must not know what they say. The server gets a process group of its own, with a guardian in it that
//! outlives us by a moment: whatever ends this process, the server and all that it has started are ended, too.

use super::ProxyError;
use super::stdio::{Sink, Source};
use super::{files, sys};
use crate::tap::Closed;
use rustix::process::{Pid, Signal, WaitOptions};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Whether it is known what of its input a server has read: only Linux tells the writer of a pipe.
pub const READING_SHOWS: bool = cfg!(target_os = "linux");
/// How long processes that the server leaves behind may take after SIGTERM.
const LEFT_BEHIND: Duration = Duration::from_millis(500);

/// A server that has been started.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
    pub pid: u32,
    group: Group,
}

/// Our ends of a server's three pipes.
#[derive(Debug)]
pub struct Pipes {
    pub stdin: Sink,
    pub stdout: Source,
    pub stderr: Source,
}

impl Child {
    /// Starts `argv` with our environment and working directory, without a guardian yet. The calling thread must outlive
    /// the server.
    pub fn spawn(argv: &[OsString]) -> Result<(Self, Pipes), ProxyError> {
        let Some((program, arguments)) = argv.split_first() else {
            return Err(not_started(
                "the server",
                "its command is empty".into(),
                127,
            ));
        };
        let pipe = |what| move |source| ProxyError::Io { what, source };
        let making = pipe("cannot make a pipe");
        let (stdin, to_server) = std::io::pipe().map_err(making)?;
        let (from_server, stdout) = std::io::pipe().map_err(making)?;
        let (errors, stderr) = std::io::pipe().map_err(making)?;
        let pipes = Pipes {
            stdin: Sink::pipe(to_server.into()).map_err(making)?,
            stdout: Source::pipe(from_server.into()).map_err(making)?,
            stderr: Source::pipe(errors.into()).map_err(making)?,
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(stdout))
            .stderr(Stdio::from(stderr))
            .process_group(0);
        sys::die_with_parent(&mut command);
        if let Some(limit) = files::given() {
            sys::limit_files(&mut command, limit);
        }
        let process = tokio::process::Command::from(command)
            .spawn()
            .map_err(|error| {
                let (reason, code) = why_not(Path::new(program), &error);
                not_started(&program.to_string_lossy(), reason, code)
            })?;
        let pid = process.id().unwrap_or_default();
        let group = Group::of(pid).map_err(pipe("cannot find the server that was started"))?;
        Ok((
            Self {
                process,
                pid,
                group,
            },
            pipes,
        ))
    }

    /// Puts the guardian beside it, which has time: until it is there, the kernel's parent-death signal is.
    pub fn guard(&mut self, grace: Duration) -> Result<(), ProxyError> {
        self.group.guard(grace).map_err(|source| ProxyError::Io {
            what: "cannot fork the server's guardian",
            source,
        })
    }

    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Signals the server and everything that it has started.
    pub fn signal(&self, signal: Signal) {
        self.group.signal(signal);
    }
}

/// The server's process group, led by the server.
#[derive(Debug)]
struct Group {
    leader: Pid,
    guardian: Option<Guardian>,
}

/// A process in a server's group, which keeps the group's number from being given to somebody else when the server has
/// gone, and ends the group when we have.
#[derive(Debug)]
struct Guardian {
    pid: Pid,
    /// It acts when this is closed, which it is when we are gone.
    _alive: io::PipeWriter,
}

impl Drop for Guardian {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        let _ = rustix::process::waitpid(Some(self.pid), WaitOptions::empty());
    }
}

impl Group {
    fn of(server: u32) -> io::Result<Self> {
        let leader = i32::try_from(server).ok().and_then(Pid::from_raw);
        Ok(Self {
            leader: leader.ok_or(ErrorKind::NotFound)?,
            guardian: None,
        })
    }

    /// Puts a guardian into the group of a server that has not been waited for yet.
    fn guard(&mut self, grace: Duration) -> io::Result<()> {
        let (reader, alive) = std::io::pipe()?;
        let pid = sys::fork_guardian(&OwnedFd::from(reader), self.leader, grace)?;
        self.guardian = Some(Guardian { pid, _alive: alive });
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        // Gone already is as good as signalled.
        let _ = rustix::process::kill_process_group(self.leader, signal);
    }

    fn has_members(&self) -> bool {
        rustix::process::test_kill_process_group(self.leader).is_ok()
    }
}

impl Drop for Group {
    /// Dismisses the guardian and ends what the server has left behind.
    fn drop(&mut self) {
        self.guardian = None;
        if !self.has_members() {
            return;
        }
        self.signal(Signal::TERM);
        let deadline = Instant::now() + LEFT_BEHIND;
        while self.has_members() {
            if Instant::now() > deadline {
                return self.signal(Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// How the server ended, for the capture and for people.
pub fn closed(status: ExitStatus) -> Closed {
    let reason = match (status.code(), status.signal()) {
        (Some(code), _) => format!("the server exited with status {code}"),
        (None, Some(number)) => format!("the server was ended by {}", signal_name(number)),
        (None, None) => "the server ended".to_owned(),
    };
    Closed {
        exit: status.code(),
        signal: status.signal(),
        reason,
    }
}

fn signal_name(number: i32) -> String {
    let name = match number {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        _ => return format!("signal {number}"),
    };
    format!("{name} (signal {number})")
}

fn not_started(command: &str, reason: String, code: i32) -> ProxyError {
    ProxyError::Start {
        command: command.to_owned(),
        reason,
        code,
    }
}

/// Whether there is something to start, before anybody asks for it.
pub fn is_there(argv: &[OsString]) -> Result<(), ProxyError> {
    let Some(program) = argv.first() else {
        return Ok(());
    };
    let path = Path::new(program);
    let search = std::env::var_os("PATH").unwrap_or_default();
    let is_program = |path: &Path| path.is_file() && may_execute(path);
    let found = match program.as_bytes().contains(&b'/') {
        true => is_program(path),
        // Without one, the system has a search path of its own.
        false => search.is_empty() || candidates(path, &search).any(|it| is_program(&it)),
    };
    if found {
        return Ok(());
    }
    let (reason, code) = why_not(path, &ErrorKind::PermissionDenied.into());
    Err(not_started(&program.to_string_lossy(), reason, code))
}

/// Why a program did not start, in words, with the exit code that shells give: 127 for what is not there, 126 for
/// what is there and cannot be run.
fn why_not(program: &Path, error: &io::Error) -> (String, i32) {
    let by_path = program.as_os_str().as_bytes().contains(&b'/');
    let search = std::env::var_os("PATH").unwrap_or_default();
    let found = if by_path {
        program.exists().then(|| program.to_owned())
    } else {
        candidates(program, &search).find(|path| path.exists())
    };
    let Some(path) = found else {
        let reason = if by_path {
            "there is no such file"
        } else {
            "there is no such command in PATH"
        };
        // No shell splits it.
        let whole = program.to_string_lossy();
        let is_there = |first: &str| {
            let path = Path::new(first);
            path.is_file() || candidates(path, &search).any(|it| it.is_file())
        };
        let hint = match whole.split_once(' ').filter(|(first, _)| is_there(first)) {
            Some((first, _)) => format!("; give its words one by one: {first} …, without quotes"),
            None => String::new(),
        };
        return (format!("{reason}{hint}"), 127);
    };
    let shown = path.display();
    if path.is_dir() {
        return (format!("{shown} is a directory"), 126);
    }
    match error.kind() {
        ErrorKind::NotFound => match interpreter(&path) {
            Some(name) => (
                format!("its interpreter {name} (first line of {shown}) is not there"),
                127,
            ),
            None => (format!("the loader that {shown} needs is not there"), 127),
        },
        ErrorKind::PermissionDenied if !may_execute(&path) => {
            (format!("{shown} is not executable (chmod +x)"), 126)
        }
        _ if error.raw_os_error() == Some(libc::ENOEXEC) => (
            format!("{shown} is neither a program for this machine nor a script with a #! line"),
            126,
        ),
        _ => (format!("{shown}: {error}"), 126),
    }
}

fn candidates(program: &Path, search: &std::ffi::OsStr) -> impl Iterator<Item = PathBuf> {
    let directories: Vec<PathBuf> = std::env::split_paths(search).collect();
    directories
        .into_iter()
        .map(move |directory| directory.join(program))
}

fn may_execute(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|data| data.permissions().mode() & 0o111 != 0)
}

/// The program that the `#!` line of a script names.
fn interpreter(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut start = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(256).read_to_end(&mut start).ok()?;
    let line = start
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let name = line.trim_ascii().split(u8::is_ascii_whitespace).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(argv: &[&str]) -> (String, i32) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _in = runtime.enter();
        let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
        match Child::spawn(&argv) {
            Err(ProxyError::Start { reason, code, .. }) => (reason, code),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    fn file(name: &str, text: &str, mode: u32) -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (directory, path)
    }

    #[test]
    fn a_command_that_is_not_in_path_is_127() {
        let (reason, code) = refused(&["no-such-command-anywhere"]);
        assert_eq!(
            (reason.as_str(), code),
            ("there is no such command in PATH", 127)
        );
    }

    #[test]
    fn a_command_in_one_word_is_told_to_be_split() {
        let (reason, code) = refused(&["sh ./server.sh"]);
        assert!(reason.contains("one by one: sh …"), "{reason}");
        assert_eq!(code, 127);
        // There may be blanks in a name.
        let (reason, _) = refused(&["/no where/server"]);
        assert_eq!(reason, "there is no such file");
    }

    #[test]
    fn a_path_that_is_not_there_is_127() {
        let (reason, code) = refused(&["/nowhere/server"]);
        assert_eq!((reason.as_str(), code), ("there is no such file", 127));
    }

    #[test]
    fn what_could_not_be_started_is_known_before() {
        let (_directory, plain) = file("server", "#!/bin/sh\n", 0o644);
        for program in ["no-such-command-anywhere", "/nowhere/server", "/", &plain] {
            let argv = [OsString::from(program)];
            match is_there(&argv) {
                Err(ProxyError::Start { reason, code, .. }) => {
                    assert_eq!((reason, code), refused(&[program]));
                }
                other => panic!("{program}: {other:?}"),
            }
        }
        let (_directory, script) = file("server", "#!/bin/sh\n", 0o755);
        for program in ["sh", &script] {
            is_there(&[program.into()]).unwrap();
        }
    }

    #[test]
    fn a_file_without_the_execute_bit_is_126() {
        let (_directory, path) = file("server", "#!/bin/sh\n", 0o644);
        let (reason, code) = refused(&[&path]);
        assert!(reason.ends_with("is not executable (chmod +x)"), "{reason}");
        assert_eq!(code, 126);
    }

    #[test]
    fn a_missing_interpreter_is_named() {
        let (_directory, path) = file("server", "#!/nowhere/python -u\n", 0o755);
        let (reason, code) = refused(&[&path]);
        assert!(
            reason.starts_with("its interpreter /nowhere/python "),
            "{reason}"
        );
        assert_eq!(code, 127);
    }

    #[test]
    fn a_directory_is_126() {
        let (reason, code) = refused(&["/tmp/"]);
        assert!(reason.ends_with("is a directory"), "{reason}");
        assert_eq!(code, 126);
    }

    #[test]
    fn an_empty_command_is_127() {
        let (reason, code) = refused(&[]);
        assert_eq!((reason.as_str(), code), ("its command is empty", 127));
    }
}
