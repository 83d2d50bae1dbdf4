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

use std::io::{BufRead, BufReader, BufWriter, Read, Write, stdin, stdout};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const ROUND_TRIPS: usize = 20_000;
const IN_FLIGHT: usize = 64;
const FLOWING: usize = 200_000;
const BURST: usize = 100_000;
const STARTS: usize = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve"] => serve(),
        ["copy"] => copy(None),
        ["copy", file] => copy(Some(Path::new(file))),
        _ => bench(&words),
    }
}

fn bench(words: &[&str]) {
    let rounds = words
        .iter()
        .position(|word| *word == "--rounds")
        .map_or(3, |at| words[at + 1].parse().unwrap());
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
    report(&results);
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
        let mut command = Command::new(match self {
            Self::Us | Self::UsWithoutCapture => Path::new(env!("CARGO_BIN_EXE_mcp-sentinel")),
            _ => &this,
        });
        for name in [
            "HOME",
            "XDG_STATE_HOME",
            "XDG_RUNTIME_DIR",
            "XDG_CONFIG_HOME",
        ] {
            command.env(name, home);
        }
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

#[derive(Debug, Clone, Copy)]
struct Figures {
    p50: f64,
    p99: f64,
    flow: f64,
    burst: f64,
    cpu_single: f64,
    cpu_flow: f64,
    idle_mb: f64,
    peak_mb: f64,
    start_ms: f64,
}

/// Each figure: its heading, how to get it, and whether it is compared.
type Column = (&'static str, fn(&Figures) -> f64, bool);
const COLUMNS: [Column; 9] = [
    ("p50 us", |it| it.p50, true),
    ("p99 us", |it| it.p99, true),
    ("k/s 64 in flight", |it| it.flow / 1e3, true),
    ("k/s burst", |it| it.burst / 1e3, true),
    ("cpu us, c=1", |it| it.cpu_single, true),
    ("cpu us, c=64", |it| it.cpu_flow, true),
    ("idle MB", |it| it.idle_mb, false),
    ("peak MB", |it| it.peak_mb, false),
    ("start ms", |it| it.start_ms, false),
];

fn report(results: &[Vec<Figures>]) {
    print!("{:<20}", "");
    for (heading, _, compared) in COLUMNS {
        print!("{heading:>width$}", width = if compared { 18 } else { 10 });
    }
    println!();
    for (setup, rounds) in SETUPS.iter().zip(results) {
        print!("{:<20}", setup.name());
        for (_, figure, compared) in COLUMNS {
            let value = median(rounds.iter().map(figure).collect());
            if compared {
                let ratios = rounds.iter().zip(&results[BASELINE]);
                let ratio = median(ratios.map(|(us, them)| figure(us) / figure(them)).collect());
                print!("{value:>10.1} (x{ratio:>4.2})");
            } else {
                print!("{value:>10.1}");
            }
        }
        println!();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A conversation with a server, whatever is between.
struct Conversation {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Conversation {
    fn start(setup: Setup, home: &Path) -> Self {
        let mut process = setup
            .command(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            stdin: process.stdin.take().unwrap(),
            stdout: BufReader::with_capacity(1 << 16, process.stdout.take().unwrap()),
            process,
        }
    }

    fn ask(&mut self, request: &[u8], line: &mut Vec<u8>) {
        self.stdin.write_all(request).unwrap();
        line.clear();
        self.stdout.read_until(b'\n', line).unwrap();
        assert!(line.ends_with(b"\n"), "the answer is whole");
    }

    /// Time on a processor of all threads of whatever is between, in microseconds.
    fn cpu(&self) -> f64 {
        let tasks = format!("/proc/{}/task", self.process.id());
        let nanoseconds: f64 = std::fs::read_dir(tasks)
            .unwrap()
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
            .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
            .sum();
        nanoseconds / 1e3
    }

    fn memory(&self, key: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<f64>()
            .unwrap()
            / 1024.0
    }

    fn end(mut self) {
        drop(self.stdin);
        self.stdout.read_to_end(&mut Vec::new()).unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

fn request(id: usize, method: &str) -> Vec<u8> {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{{\"name\":\"echo\",\"arguments\":{{\"text\":\"the quick brown fox jumps over the lazy dog\"}}}}}}\n"
    )
    .into_bytes()
}

fn measure(setup: Setup, home: &Path) -> Figures {
    let start_ms = median((0..STARTS).map(|_| start_up(setup, home)).collect());
    let mut server = Conversation::start(setup, home);
    let mut line = Vec::new();
    for id in 0..ROUND_TRIPS / 10 {
        server.ask(&request(id, "tools/call"), &mut line);
    }
    std::thread::sleep(Duration::from_millis(50));
    let idle_mb = server.memory("VmRSS");
    let requests: Vec<_> = (0..ROUND_TRIPS)
        .map(|id| request(id, "tools/call"))
        .collect();
    let before = server.cpu();
    let mut times: Vec<f64> = requests
        .iter()
        .map(|request| {
            let start = Instant::now();
            server.ask(request, &mut line);
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    let cpu_single = (server.cpu() - before) / (2 * ROUND_TRIPS) as f64;
    times.sort_by(f64::total_cmp);
    let before = server.cpu();
    let flow = in_flight(&mut server);
    let cpu_flow = (server.cpu() - before) / (2 * FLOWING) as f64;
    let burst = burst(&mut server);
    let peak_mb = server.memory("VmHWM");
    server.end();
    Figures {
        p50: times[ROUND_TRIPS / 2],
        p99: times[ROUND_TRIPS / 100 * 99],
        flow,
        burst,
        cpu_single,
        cpu_flow,
        idle_mb,
        peak_mb,
        start_ms,
    }
}

/// From the start of the process to its first answer.
fn start_up(setup: Setup, home: &Path) -> f64 {
    let start = Instant::now();
    let mut server = Conversation::start(setup, home);
    server.ask(&request(0, "initialize"), &mut Vec::new());
    let time = start.elapsed().as_secs_f64() * 1e3;
    server.end();
    time
}

/// Messages a second with a window of requests always on the way.
fn in_flight(server: &mut Conversation) -> f64 {
    let requests: Vec<_> = (0..FLOWING).map(|id| request(id, "tools/call")).collect();
    let start = Instant::now();
    let mut sent = IN_FLIGHT;
    let mut answered = 0;
    server.stdin.write_all(&requests[..sent].concat()).unwrap();
    while answered < FLOWING {
        let chunk = server.stdout.fill_buf().unwrap();
        assert!(!chunk.is_empty(), "the server is still there");
        let (length, lines) = (chunk.len(), memchr::memchr_iter(b'\n', chunk).count());
        server.stdout.consume(length);
        answered += lines;
        let next = (sent + lines).min(FLOWING);
        if next > sent {
            server
                .stdin
                .write_all(&requests[sent..next].concat())
                .unwrap();
            sent = next;
        }
    }
    FLOWING as f64 / start.elapsed().as_secs_f64()
}

/// Notifications a second when a server sends many at once; each is looked at, in order.
fn burst(server: &mut Conversation) -> f64 {
    let start = Instant::now();
    server.stdin.write_all(&request(1, "burst")).unwrap();
    let mut line = Vec::new();
    for number in 0..BURST {
        line.clear();
        server.stdout.read_until(b'\n', &mut line).unwrap();
        assert_eq!(number_in(&line), Some(number));
    }
    let time = start.elapsed().as_secs_f64();
    line.clear();
    server.stdout.read_until(b'\n', &mut line).unwrap();
    BURST as f64 / time
}

/// The number of a notification in a burst.
fn number_in(line: &[u8]) -> Option<usize> {
    let text = &line[memchr::memmem::find(line, b"\"progress\":")? + 11..];
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..digits]).ok()?.parse().ok()
}

/// Ten bursts: nothing lost and nothing out of order in the capture.
fn check_captures(home: &Path) {
    let mut server = Conversation::start(Setup::Us, home);
    for _ in 0..10 {
        burst(&mut server);
    }
    server.end();
    let capture = BufReader::new(std::fs::File::open(home.join("log")).unwrap());
    let mut expected = 0;
    for line in capture.split(b'\n') {
        if let Some(number) = number_in(&line.unwrap()) {
            assert_eq!(number, expected % BURST, "in order");
            expected += 1;
        }
    }
    assert_eq!(expected, 10 * BURST, "nothing lost");
    println!("capture of ten bursts of {BURST}: nothing lost, nothing out of order");
}

/// The server: answers each line, and bursts when asked to.
fn serve() {
    let mut input = BufReader::with_capacity(1 << 16, stdin());
    let mut output = BufWriter::with_capacity(1 << 16, stdout());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line).unwrap() > 0 {
        if memchr::memmem::find(&line, b"\"burst\"").is_some() {
            for number in 0..BURST {
                writeln!(
                    output,
                    "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":1,\"progress\":{number},\"message\":\"some words\"}}}}"
                )
                .unwrap();
            }
        }
        let id = memchr::memmem::find(&line, b"\"id\":").unwrap() + 5;
        let digits = line[id..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        output.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":").unwrap();
        output.write_all(&line[id..id + digits]).unwrap();
        output
            .write_all(b",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"the quick brown fox jumps over the lazy dog\"}]}}\n")
            .unwrap();
        if input.buffer().is_empty() {
            output.flush().unwrap();
        }
        line.clear();
    }
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
