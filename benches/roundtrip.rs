//! What the proxy costs, measured from outside: whole processes, in interleaved rounds, against a line copier that
//! also appends to a file, which is the least that anything that records can do.
//!
//! `cargo bench --bench roundtrip [-- --rounds 5]`. Free, then pinned to one core (where there is `taskset`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

use common::messages::INITIALIZE;
use common::pipes::{self, Conversation};
use common::{Client as _, Figures, check_bursts, median, report};
use std::io::{Read, Write, stdin, stdout};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const ROUND_TRIPS: usize = 20_000;
const FLOWING: usize = 200_000;
const STARTS: usize = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve"] => pipes::serve(),
        ["copy"] => copy(None),
        ["copy", file] => copy(Some(Path::new(file))),
        _ => bench(&words),
    }
}

fn bench(words: &[&str]) {
    let rounds = common::rounds(words);
    let home = tempfile::tempdir().unwrap();
    let name = words
        .iter()
        .find(|word| **word == "pinned")
        .map_or("free", |_| "pinned to one core");
    println!("\n{name}, {rounds} rounds, medians; x = against copier + file, round by round");
    let mut results: Vec<Vec<Figures>> = vec![Vec::new(); SETUPS.len()];
    for _ in 0..rounds {
        for (setup, figures) in SETUPS.iter().zip(&mut results) {
            figures.push(measure(*setup, home.path()));
        }
    }
    report(&SETUPS.map(Setup::name), &results, BASELINE, "start ms");
    if name != "free" {
        return;
    }
    check_captures(home.path());
    let pinned = Command::new("taskset")
        .args(["-c", "1"])
        .arg(std::env::current_exe().unwrap())
        .args(["pinned", "--rounds", &rounds.to_string()])
        .status();
    if pinned.is_err() {
        println!("not pinned: there is no taskset");
    }
}

/// What stands between client and server.
#[derive(Clone, Copy, PartialEq)]
enum Setup {
    Direct,
    Copier,
    CopierWithFile,
    UsWithoutCapture,
    Us,
}

const SETUPS: [Setup; 5] = [
    Setup::Direct,
    Setup::Copier,
    Setup::CopierWithFile,
    Setup::UsWithoutCapture,
    Setup::Us,
];
/// The one that the others are compared with.
const BASELINE: usize = 2;

impl Setup {
    fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Copier => "line copier",
            Self::CopierWithFile => "line copier + file",
            Self::UsWithoutCapture => "us, --no-capture",
            Self::Us => "us, recording",
        }
    }

    fn command(self, home: &Path) -> Command {
        let this = std::env::current_exe().unwrap();
        let file = home.join("log");
        let _ = std::fs::remove_file(&file);
        let mut command = match self {
            Self::Us | Self::UsWithoutCapture => common::sentinel(home),
            _ => Command::new(&this),
        };
        match self {
            Self::Direct => command.arg("serve"),
            Self::Copier => command.arg("copy"),
            Self::CopierWithFile => command.arg("copy").arg(file),
            Self::UsWithoutCapture => command.args(["--no-capture", "--"]).arg(this).arg("serve"),
            Self::Us => command
                .arg("--capture")
                .arg(file)
                .arg("--")
                .arg(this)
                .arg("serve"),
        };
        command
    }
}

fn measure(setup: Setup, home: &Path) -> Figures {
    let start_ms = median((0..STARTS).map(|_| start_up(setup, home)).collect());
    let mut server = Conversation::start(setup.command(home));
    let between = server.id();
    let mut figures = common::measure(&mut server, &[between], ROUND_TRIPS, FLOWING);
    server.end();
    figures.own = start_ms;
    figures
}

/// From the start of the process to its first answer.
fn start_up(setup: Setup, home: &Path) -> f64 {
    let start = Instant::now();
    let mut server = Conversation::start(setup.command(home));
    server.ask(format!("{INITIALIZE}\n").as_bytes());
    let time = start.elapsed().as_secs_f64() * 1e3;
    server.end();
    time
}

/// Ten bursts: nothing lost and nothing out of order in the capture.
fn check_captures(home: &Path) {
    let mut server = Conversation::start(Setup::Us.command(home));
    for _ in 0..10 {
        server.burst();
    }
    server.end();
    check_bursts(&home.join("log"), 10);
}

/// The least that stands between two processes: whole lines, as many as there are, in one write; two threads.
fn copy(file: Option<&Path>) {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let open = || {
        file.map(|path| {
            std::fs::File::options()
                .create(true)
                .append(true)
                .open(path)
                .unwrap()
        })
    };
    let (up, down) = (open(), open());
    let to_server = server.stdin.take().unwrap();
    std::thread::spawn(move || copy_lines(raw(stdin()), to_server, up));
    copy_lines(server.stdout.take().unwrap(), raw(stdout()), down);
    server.wait().unwrap();
}

/// Without the buffering of the standard library.
fn raw(stdio: impl std::os::fd::AsFd) -> std::fs::File {
    stdio.as_fd().try_clone_to_owned().unwrap().into()
}

fn copy_lines(mut from: impl Read, mut to: impl Write, mut file: Option<std::fs::File>) {
    let mut buffer = vec![0; 1 << 16];
    let mut held = 0;
    loop {
        let count = from.read(&mut buffer[held..]).unwrap();
        let filled = held + count;
        let end = memchr::memrchr(b'\n', &buffer[..filled]).map_or(0, |end| end + 1);
        let end = if count == 0 || end == 0 && filled == buffer.len() {
            filled
        } else {
            end
        };
        if let Some(file) = &mut file {
            file.write_all(&buffer[..end]).unwrap();
        }
        to.write_all(&buffer[..end]).unwrap();
        to.flush().unwrap();
        if count == 0 {
            return;
        }
        buffer.copy_within(end..filled, 0);
        held = filled - end;
    }
}
