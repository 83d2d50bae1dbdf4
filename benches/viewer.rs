//! The viewer as a whole process, on a pseudo-terminal: opening a capture of a million messages, filtering it, moving
//! in it; and beside a proxy through which much is said. Prints figures; asserts nothing about time.
//!
//! `cargo bench --bench viewer [-- MESSAGES]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;
#[path = "../tests/pty/mod.rs"]
mod pty;

use common::{memory, messages, pipes};
use pty::Terminal;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-sentinel");
const TOOLS: [&str; 6] = [
    "get-sum",
    "echo",
    "search-notes",
    "forecast",
    "read-file",
    "long-operation",
];

/// Calls and answers a second, in bursts so far apart, for so long.
const LIVE: u32 = 20_000;
const BEAT: Duration = Duration::from_millis(10);
const LASTING: Duration = Duration::from_secs(5);

fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return pipes::serve();
    }
    let messages = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(1_000_000);
    let home = tempfile::tempdir().unwrap();
    let capture = home.path().join("flood.jsonl");
    let bytes = write_capture(&capture, messages);
    println!("a capture of {messages} messages, {} MB", bytes / 1_000_000);
    for round in 1..=3 {
        open(round, home.path(), &capture, messages);
    }
    for round in 1..=3 {
        live(round, home.path());
    }
}

/// A viewer on a conversation that goes on.
fn live(round: u32, home: &Path) {
    let mut proxy = Command::new(PROGRAM);
    proxy.arg("--").arg(std::env::current_exe().unwrap());
    proxy.arg("serve").stdin(Stdio::piped());
    proxy.stdout(Stdio::piped()).stderr(Stdio::null());
    proxy.envs(pty::HOME.map(|(name, folder)| (name, home.join(folder))));
    let mut proxy = proxy.spawn().unwrap();
    let mut to_server = proxy.stdin.take().unwrap();
    let mut answers = BufReader::new(proxy.stdout.take().unwrap());
    writeln!(to_server, "{}", messages::INITIALIZE).unwrap();
    answers.read_line(&mut String::new()).unwrap();
    let reading = std::thread::spawn(move || answers.lines().count());

    // Where it can be attached to.
    std::thread::sleep(common::AT_REST);
    let pid = proxy.id().to_string();
    let terminal = Terminal::start(PROGRAM, &["attach", &pid], home, 120, 40);
    terminal.wait_for("initialize");
    let (before, began) = (common::cpu(terminal.pid()), Instant::now());
    let beats = LASTING.as_millis() / BEAT.as_millis();
    let calls = LIVE as usize / 2 * BEAT.as_millis() as usize / 1000;
    for beat in 0..beats as usize {
        let requests = (1..=calls).map(|call| messages::request(beat * calls + call, "tools/call"));
        to_server
            .write_all(&requests.collect::<Vec<_>>().concat())
            .unwrap();
        std::thread::sleep((BEAT * (beat as u32 + 1)).saturating_sub(began.elapsed()));
    }
    let took = began.elapsed();
    let said = 2 + 2 * beats as usize * calls;
    let behind = terminal.wait("all of it, answered", |screen| {
        is_told(screen, said as u64) && screen.contents().contains(" 0 pending")
    });
    let share = share(terminal.pid(), before, began);
    drop(to_server);
    assert_eq!(reading.join().unwrap(), beats as usize * calls);
    assert!(proxy.wait().unwrap().success());
    println!(
        "live, round {round}: {said} messages in {took:.1?} · all of them on the screen, answered, {behind:?} after the \
         last was sent · {share:.0} % of a core"
    );
}

/// Whether the status bar counts so many messages.
fn is_told(screen: &vt100::Screen, messages: u64) -> bool {
    screen
        .contents()
        .replace([' ', ',', '\u{202f}', '\u{a0}'], "")
        .contains(&format!("{messages}messages"))
}

fn open(round: u32, home: &Path, capture: &Path, messages: u64) {
    let start = Instant::now();
    let mut terminal =
        Terminal::start(PROGRAM, &["open", capture.to_str().unwrap()], home, 120, 40);
    terminal.wait_for("tools/call");
    let first = start.elapsed();
    terminal.wait("all of it", |screen| is_told(screen, messages));
    let all = start.elapsed();
    let resident = memory(terminal.pid(), "VmRSS");
    let last = format!("needle{}\"", messages / 2);
    let keys: Vec<_> = (0..50)
        .map(|index| match index % 2 {
            0 => key(&mut terminal, "G", &last),
            _ => key(&mut terminal, "g", "needle1\""),
        })
        .collect();
    terminal.press("/");
    terminal.wait_for(" of ");
    let rows = filter(&mut terminal, "f", false);
    let bodies = filter(&mut terminal, "orecast needle", true);
    let idle = idle_share(terminal.pid());
    println!(
        "round {round}: first screen {first:?} · all {all:?} · {resident:.0} MB resident · key to screen p50 {:?} max {:?} · \
         filter over rows {rows:?}, over bodies {bodies:?} · idle {idle:.1} % of a core",
        median(&keys),
        keys.iter().max().unwrap(),
    );
}

/// From the last of the keys to a screen that shows `text`.
fn key(terminal: &mut Terminal, keys: &str, text: &str) -> Duration {
    terminal.press(keys);
    terminal.wait_for(text)
}

/// From the last of the keys to a narrower list; with `bodies`, until every message has been looked into.
fn filter(terminal: &mut Terminal, keys: &str, bodies: bool) -> Duration {
    let before = prompt(&terminal.contents());
    terminal.press(keys);
    terminal.wait("a narrower list", |screen| {
        let now = prompt(&screen.contents());
        now != before && !(bodies && now.contains("looking"))
    })
}

/// How many rows the filter leaves, as the prompt says it.
fn prompt(screen: &str) -> String {
    let last = screen
        .lines()
        .rfind(|line| line.contains(" of "))
        .unwrap_or_default();
    last.split("  ")
        .filter(|part| part.contains(" of "))
        .collect()
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

/// Per cent of a core that the process has used since then.
fn share(pid: u32, before: f64, began: Instant) -> f64 {
    (common::cpu(pid) - before) / began.elapsed().as_secs_f64() / 1e4
}

/// The same while nothing happens.
fn idle_share(pid: u32) -> f64 {
    std::thread::sleep(Duration::from_secs(1));
    let (before, began) = (common::cpu(pid), Instant::now());
    std::thread::sleep(Duration::from_secs(3));
    share(pid, before, began)
}

fn write_capture(path: &Path, messages: u64) -> u64 {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(
        file,
        r#"{{"capture":1,"program":"mcp-sentinel bench","started":"2026-11-21T02:45:00.000000Z","name":"flood","transport":"stdio","upstream":["flood"],"pid":1,"cwd":"/"}}"#
    )
    .unwrap();
    for seq in 1..=messages {
        let (call, tool) = (seq.div_ceil(2), TOOLS[(seq.div_ceil(2) % 6) as usize]);
        let at = format!(
            "2026-11-21T02:{:02}:{:02}.{:06}Z",
            seq / 60_000_000 % 60,
            seq / 1_000_000 % 60,
            seq % 1_000_000
        );
        let (from, message) = if seq % 2 == 1 {
            (
                "client",
                format!(
                    r#"{{"jsonrpc":"2.0","id":{call},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"query":"needle{call}","limit":10,"exact":false}}}}}}"#
                ),
            )
        } else {
            (
                "server",
                format!(
                    r#"{{"jsonrpc":"2.0","id":{call},"result":{{"content":[{{"type":"text","text":"There are {call} answers to this question, and this is one of them."}}],"isError":{}}}}}"#,
                    call % 97 == 0
                ),
            )
        };
        writeln!(
            file,
            r#"{{"seq":{seq},"at":"{at}","session":1,"from":"{from}","message":{message}}}"#
        )
        .unwrap();
    }
    file.flush().unwrap();
    std::fs::metadata(path).unwrap().len()
}
