//! The viewer as a whole process, on a pseudo-terminal: opening a capture of a million messages, filtering it, moving
//! in it. Prints figures; asserts nothing about time.
//!
//! `cargo bench --bench viewer [-- MESSAGES]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../tests/pty/mod.rs"]
mod pty;

use pty::Terminal;
use std::io::Write;
use std::path::Path;
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

fn main() {
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
}

fn open(round: u32, home: &Path, capture: &Path, messages: u64) {
    let start = Instant::now();
    let mut terminal =
        Terminal::start(PROGRAM, &["open", capture.to_str().unwrap()], home, 120, 40);
    terminal.wait_for("tools/call");
    let first = start.elapsed();
    terminal.wait("all of it", |screen| {
        screen
            .contents()
            .replace([' ', ',', '\u{202f}', '\u{a0}'], "")
            .contains(&format!("{messages}messages"))
    });
    let all = start.elapsed();
    let resident = resident_megabytes(terminal.pid());
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
        "round {round}: first screen {first:?} · all {all:?} · {resident} MB resident · key to screen p50 {:?} max {:?} · \
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

fn resident_megabytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

/// Per cent of a core that the process uses while nothing happens.
fn idle_share(pid: u32) -> f64 {
    std::thread::sleep(Duration::from_secs(1));
    let before = cpu_ticks(pid);
    std::thread::sleep(Duration::from_secs(3));
    // The kernel counts in hundredths of a second.
    (cpu_ticks(pid) - before) as f64 / 3.0
}

fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    [11, 12]
        .iter()
        .filter_map(|&index| fields.get(index)?.parse::<u64>().ok())
        .sum()
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
