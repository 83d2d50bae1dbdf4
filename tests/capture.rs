//! What goes through the tap comes out of the capture: every byte, in order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "capture/http.rs"]
mod http;

use bytes::Bytes;
use mcp_sentinel::capture::reader::Reader;
use mcp_sentinel::capture::record::{Header, Payload, Record};
use mcp_sentinel::capture::recorder::Recorder;
use mcp_sentinel::tap::{
    self, Body, Closed, Event, Gap, Opened, Overflow, Party, SessionId, Tap, Timestamp,
};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const BUDGET: usize = 16 << 20;

fn header() -> Header {
    Header {
        capture: 1,
        program: "mcp-sentinel test".into(),
        name: "test".into(),
        ..Header::default()
    }
}

fn event(body: Body) -> Event {
    Event {
        at: Timestamp::now(),
        session: SessionId(1),
        body,
    }
}

fn stream(from: Party, bytes: impl Into<Bytes>) -> Event {
    event(Body::Stream {
        from,
        bytes: bytes.into(),
    })
}

/// A place for a capture, and a recorder that writes there.
struct Recording {
    _home: tempfile::TempDir,
    path: PathBuf,
    tap: Tap,
    recorder: Recorder,
}

impl Recording {
    fn start(name: &str, budget: usize, overflow: Overflow) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(name);
        let (tap, drain) = tap::queue(budget, overflow);
        let recorder = Recorder::start(path.clone(), header(), drain).unwrap();
        Self {
            _home: home,
            path,
            tap,
            recorder,
        }
    }

    /// Records the events, ends, and reads back.
    fn of(name: &str, events: impl IntoIterator<Item = Event>) -> Vec<Read> {
        let recording = Self::start(name, BUDGET, Overflow::Wait);
        for event in events {
            recording.tap.push(event);
        }
        recording.recorder.finish();
        read(&recording.path)
    }
}

/// A record that was read, on its own.
#[derive(Debug, PartialEq)]
enum Read {
    Line {
        from: Party,
        bytes: Vec<u8>,
        terminated: bool,
        json: bool,
    },
    Stderr(Vec<u8>),
    Opened(Opened),
    Closed(Closed),
    Gap(Gap),
    Note(String),
}

fn line(from: Party, bytes: &[u8], json: bool) -> Read {
    Read::Line {
        from,
        bytes: bytes.to_vec(),
        terminated: true,
        json,
    }
}

fn owned(record: &Record<'_>) -> Read {
    match record.payload.clone() {
        Payload::Line {
            from,
            bytes,
            terminated,
            json,
            ..
        } => Read::Line {
            from,
            bytes: bytes.into_owned(),
            terminated,
            json,
        },
        Payload::Stderr(bytes) => Read::Stderr(bytes.into_owned()),
        Payload::Opened(opened) => Read::Opened(opened),
        Payload::Closed(closed) => Read::Closed(closed),
        Payload::Gap(gap) => Read::Gap(gap),
        Payload::Note(note) => Read::Note(note),
        Payload::Http(_) | Payload::Damaged { .. } | Payload::Unknown => {
            panic!("not what we write: {record:?}")
        }
    }
}

/// Everything in a capture; checks that the numbers have no holes and that each payload can be fetched again.
fn read(path: &Path) -> Vec<Read> {
    let mut reader = Reader::open(path).unwrap();
    let bodies = reader.bodies().unwrap();
    let mut seq = 0;
    let mut all = Vec::new();
    let mut each = |record: Record<'_>| {
        seq += 1;
        assert_eq!(record.seq, seq);
        if let Payload::Line { bytes, .. } | Payload::Stderr(bytes) = &record.payload {
            assert_eq!(bodies.fetch(record.location).unwrap(), **bytes);
        }
        all.push(owned(&record));
    };
    while reader.read(7, &mut each).unwrap() > 0 {}
    all
}

fn is_json(line: &[u8]) -> bool {
    std::str::from_utf8(line)
        .is_ok_and(|it| serde_json::from_str::<serde::de::IgnoredAny>(it).is_ok())
}

/// Lines as peers may send them: messages, nearly messages, and anything.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let without_line_feed = |bytes: Vec<u8>| bytes.into_iter().filter(|it| *it != b'\n').collect();
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60).prop_map(without_line_feed),
        "[ \t]{0,2}\\{\"a\" ?: ?(1|1\\.0e3|\"[a-zé\\\\]{0,4}\"|null|\\[\\]|\\{\\})[ ,}]{0,2}\\}?\r?"
            .prop_map(String::into_bytes),
        "[0-9\"ntf.{}\\[\\],: ]{0,8}".prop_map(String::into_bytes),
    ]
}

/// A stream, its last line perhaps without an end, and how it is cut.
fn any_stream() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let lines = proptest::collection::vec(any_line(), 0..20);
    (
        lines,
        any::<bool>(),
        proptest::collection::vec(1..50_usize, 1..30),
    )
        .prop_map(|(lines, terminated, cuts)| {
            let mut bytes = lines.join(&b'\n');
            if terminated {
                bytes.push(b'\n');
            }
            (bytes, cuts)
        })
}

fn chunks((bytes, cuts): &(Vec<u8>, Vec<usize>)) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut chunks = Vec::new();
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        chunks.push(rest.split_to((*cut).min(rest.len())));
    }
    chunks
}

fn lines_of(bytes: &[u8]) -> Vec<(Vec<u8>, bool)> {
    bytes
        .split_inclusive(|it| *it == b'\n')
        .map(|line| match line.strip_suffix(b"\n") {
            Some(text) => (text.to_vec(), true),
            None => (line.to_vec(), false),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_bytes_in_any_cuts_are_read_back_as_they_went_in(
        client in any_stream(),
        server in any_stream(),
        compress in any::<bool>(),
    ) {
        let mut sides = [(Party::Client, chunks(&client)), (Party::Server, chunks(&server))];
        let mut events = Vec::new();
        while sides.iter().any(|(_, chunks)| !chunks.is_empty()) {
            for (from, chunks) in &mut sides {
                if !chunks.is_empty() {
                    events.push(stream(*from, chunks.remove(0)));
                }
            }
        }
        events.push(event(Body::End { from: Party::Client }));
        events.push(event(Body::End { from: Party::Server }));
        let name = if compress { "c.jsonl.zst" } else { "c.jsonl" };
        let records = Recording::of(name, events);
        for (from, bytes) in [(Party::Client, &client.0), (Party::Server, &server.0)] {
            let of_side: Vec<_> = records
                .iter()
                .filter_map(|it| match it {
                    Read::Line { from: of, bytes, terminated, json } if *of == from => {
                        assert_eq!(*json, is_json(bytes));
                        Some((bytes.clone(), *terminated))
                    }
                    _ => None,
                })
                .collect();
            prop_assert_eq!(of_side, lines_of(bytes));
        }
    }
}

#[test]
fn tricky_lines_are_recorded_verbatim() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let long = format!("{{\"long\":\"{}\"}}", "é".repeat(1 << 20));
    let lines: Vec<&[u8]> = vec![
        br#"{"jsonrpc":"2.0","id":12345678901234567890,"a":1.0,"b":1e400,"a":2}"#,
        b" \t{ \"spaced\" : [ 1 , 2 ] } \r",
        br#"{"lone":"\ud800","escape":"\u00e9\/"}"#,
        deep.as_bytes(),
        long.as_bytes(),
        b"null",
        b"-0.0",
        br#""a string""#,
        b"",
        b"   ",
        b"\r",
        b"\xef\xbb\xbf{}",
        b"{\"cut\":",
        b"{}{}",
        b"Listening on \x1b[31mport\x1b[0m 80 \"\\",
        b"\xff\xfe\x00",
        "\u{2028}\u{2029}\u{85}".as_bytes(),
        br#"{"seq":1,"at":"2026-11-21T02:45:01.123456Z","session":1,"from":"client","message":{}}"#,
    ];
    let mut all = lines.join(&b'\n');
    all.push(b'\n');
    let records = Recording::of("c.jsonl", [stream(Party::Server, all)]);
    let expected: Vec<_> = lines
        .iter()
        .map(|it| line(Party::Server, it, is_json(it)))
        .collect();
    assert!(records == expected);
}

#[test]
fn every_kind_of_event_is_read_back() {
    let opened = Opened {
        by: "client".into(),
        transport: "stdio".into(),
        pid: Some(7),
    };
    let closed = Closed {
        exit: Some(0),
        ..Closed::default()
    };
    let records = Recording::of(
        "c.jsonl",
        [
            event(Body::Opened(opened.clone())),
            stream(Party::Client, "{}\nrest"),
            event(Body::Stderr {
                bytes: "one\ntw".into(),
            }),
            event(Body::Stderr {
                bytes: Bytes::from_static(b"o\n\xff"),
            }),
            event(Body::Line {
                from: Party::Operator,
                to: Party::Server,
                bytes: "{\"pretty\":\n1}\n".into(),
                replay_of: Some(2),
                via: None,
            }),
            event(Body::Note {
                text: "a \"note\"\n".into(),
            }),
            event(Body::Closed(closed.clone())),
        ],
    );
    let expected = [
        Read::Opened(opened),
        line(Party::Client, b"{}", true),
        Read::Stderr(b"one\n".into()),
        Read::Stderr(b"two\n".into()),
        line(Party::Operator, b"{\"pretty\":\n1}", true),
        Read::Note("a \"note\"\n".into()),
        // What was not ended by itself is ended by the session.
        Read::Line {
            from: Party::Client,
            bytes: b"rest".into(),
            terminated: false,
            json: false,
        },
        Read::Stderr(b"\xff".into()),
        Read::Closed(closed),
    ];
    assert_eq!(records, expected);
}

/// Waits for something that another thread does.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_follower_sees_messages_while_they_are_recorded() {
    for name in ["c.jsonl", "c.jsonl.zst"] {
        let recording = Recording::start(name, BUDGET, Overflow::Wait);
        let mut reader = Reader::open(&recording.path).unwrap();
        assert_eq!(reader.header().name, "test");
        for number in 0..20 {
            let text = format!("{{\"number\":{number}}}");
            recording
                .tap
                .push(stream(Party::Client, text.clone() + "\n"));
            recording.tap.wake();
            let mut seen = Vec::new();
            until("the message is there", || {
                reader.read(10, |record| seen.push(owned(&record))).unwrap();
                !seen.is_empty()
            });
            assert_eq!(seen, [line(Party::Client, text.as_bytes(), true)]);
        }
        let totals = recording.recorder.totals();
        recording.recorder.finish();
        assert_eq!(totals.client_messages.load(Ordering::Acquire), 20);
        assert_eq!(totals.latest_seq.load(Ordering::Acquire), 20);
        let size = recording.path.metadata().unwrap().len();
        assert_eq!(totals.bytes_written.load(Ordering::Acquire), size);
    }
}

#[test]
fn a_prompt_on_standard_error_does_not_wait_for_its_line_end() {
    let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
    recording.tap.push(event(Body::Stderr {
        bytes: "Password: ".into(),
    }));
    recording.tap.wake();
    until("the prompt is there", || {
        read(&recording.path) == [Read::Stderr(b"Password: ".into())]
    });
    recording.recorder.finish();
}

#[tokio::test]
async fn who_waits_for_the_disk_loses_nothing() {
    let recording = Recording::start("c.jsonl", 2000, Overflow::Wait);
    let mut waited = 0;
    for number in 0..5000 {
        recording
            .tap
            .push(stream(Party::Client, format!("{number}\n")));
        recording.tap.wake();
        if recording.tap.is_full() {
            waited += 1;
            recording.tap.ready().await;
        }
    }
    assert!(waited > 0);
    recording.recorder.finish();
    let records = read(&recording.path);
    assert_eq!(records.len(), 5000);
    for (number, record) in records.iter().enumerate() {
        assert_eq!(
            *record,
            line(Party::Client, number.to_string().as_bytes(), true)
        );
    }
}

#[test]
fn what_overflow_drops_is_counted_to_the_byte() {
    let recording = Recording::start("c.jsonl", 2000, Overflow::Drop);
    let (mut sent, mut bytes) = (0, 0);
    // Cut within lines as often as at their ends, and faster than any disk.
    let text: String = (0..20_000).map(|number| format!("[{number}]\n")).collect();
    for chunk in text.as_bytes().chunks(97) {
        recording.tap.push(stream(Party::Client, chunk.to_vec()));
        recording.tap.wake();
        bytes += chunk.len() as u64;
        sent += chunk.iter().filter(|it| **it == b'\n').count() as u64;
    }
    recording.tap.push(event(Body::End {
        from: Party::Client,
    }));
    let totals = recording.recorder.totals();
    recording.recorder.finish();
    let (mut kept, mut kept_bytes, mut lost, mut lost_bytes) = (0, 0, 0, 0);
    let mut last = -1;
    for record in read(&recording.path) {
        match record {
            Read::Line { bytes, .. } => {
                kept += 1;
                kept_bytes += bytes.len() as u64 + 1;
                let text = String::from_utf8(bytes).unwrap();
                let number = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
                let number: i32 = number.unwrap().parse().unwrap();
                assert!(number > last, "{number} after {last}");
                last = number;
            }
            Read::Gap(gap) => {
                lost += gap.messages;
                lost_bytes += gap.bytes;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(lost > 0);
    assert_eq!((kept + lost, kept_bytes + lost_bytes), (sent, bytes));
    assert_eq!(totals.lost_messages.load(Ordering::Acquire), lost);
    assert_eq!(totals.client_messages.load(Ordering::Acquire), kept);
}

#[test]
fn error_responses_are_counted_and_words_are_not() {
    let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"error":"no"}}"#,
        r#"not json "error""#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#,
    ] {
        recording
            .tap
            .push(stream(Party::Server, format!("{text}\n")));
    }
    let totals = recording.recorder.totals();
    recording.recorder.finish();
    assert_eq!(totals.errors.load(Ordering::Acquire), 1);
    assert_eq!(totals.server_messages.load(Ordering::Acquire), 4);
}

/// Not a test by itself: what the test below starts, and kills.
#[test]
fn records_until_it_is_killed() {
    let Some(path) = std::env::var_os("CAPTURE_TEST_KILL") else {
        return;
    };
    let (tap, drain) = tap::queue(BUDGET, Overflow::Wait);
    let _recorder = Recorder::start(path.into(), header(), drain).unwrap();
    for number in 0.. {
        tap.push(stream(Party::Client, format!("[{number}]\n")));
        tap.wake();
        std::thread::sleep(Duration::from_micros(20));
    }
}

#[test]
fn a_capture_whose_recorder_was_killed_can_be_read() {
    for name in ["c.jsonl", "c.jsonl.zst"] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(name);
        let mut child = alone("records_until_it_is_killed", "CAPTURE_TEST_KILL", &path)
            .spawn()
            .unwrap();
        until("the child records", || {
            path.metadata().is_ok_and(|it| it.len() > 4000)
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let records = read(&path);
        assert!(records.len() > 10);
        for (number, record) in records.iter().enumerate() {
            let text = format!("[{number}]");
            assert_eq!(*record, line(Party::Client, text.as_bytes(), true));
        }
    }
}

/// Not a test by itself: what the test below starts, with a limit on the size of its files.
#[tokio::test]
async fn records_beyond_its_file_size_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Some(path) = std::env::var_os("CAPTURE_TEST_LIMIT") else {
        return;
    };
    // Without a handler, the signal that comes with the error would end the process.
    let too_large = tokio::signal::unix::SignalKind::from_raw(25);
    let _handler = tokio::signal::unix::signal(too_large).unwrap();
    let limit = |current| {
        let maximum = getrlimit(Resource::Fsize).maximum;
        setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
    };
    let (tap, drain) = tap::queue(BUDGET, Overflow::Wait);
    let recorder = Recorder::start(path.into(), header(), drain).unwrap();
    let totals = recorder.totals();
    limit(Some(4000));
    for number in 0..1000 {
        tap.push(stream(Party::Client, format!("[{number}]\n")));
    }
    tap.wake();
    until("writing fails", || totals.health().trouble.is_some());
    limit(getrlimit(Resource::Fsize).maximum);
    until("writing works", || totals.health().trouble.is_none());
    recorder.finish();
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_may_not_grow_is_written_on_when_it_may() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("c.jsonl");
    let mut child = alone(
        "records_beyond_its_file_size_limit",
        "CAPTURE_TEST_LIMIT",
        &path,
    );
    assert!(child.status().unwrap().success());
    let expected: Vec<_> = (0..1000)
        .map(|number| line(Party::Client, format!("[{number}]").as_bytes(), true))
        .collect();
    assert_eq!(read(&path), expected);
}

#[test]
#[cfg(target_os = "linux")]
fn traffic_goes_on_when_the_capture_may_not_grow() {
    let home = tempfile::tempdir().unwrap();
    let sent = home.path().join("sent");
    let lines: String = (0..50_000).map(|number| format!("[{number}]\n")).collect();
    std::fs::write(&sent, &lines).unwrap();
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -f 8; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_mcp-sentinel"))
        .arg("--capture")
        .arg(home.path().join("c.jsonl"))
        .args(["--", "cat"])
        .stdin(std::fs::File::open(&sent).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout == lines.as_bytes());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("NOT captured"), "{told}");
    assert!(read(&home.path().join("c.jsonl")).len() > 10);
}

#[test]
#[cfg(target_os = "linux")]
fn a_capture_that_cannot_be_written_is_told_on_standard_error_and_so_is_the_end_of_it() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    use std::io::{BufRead as _, Write as _};
    use std::process::Stdio;
    let home = tempfile::tempdir().unwrap();
    let mut proxy = std::process::Command::new("sh")
        .args(["-c", "ulimit -S -f 8; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_mcp-sentinel"))
        .arg("--capture")
        .arg(home.path().join("c.jsonl"))
        .args(["--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut client = proxy.stdin.take().unwrap();
    let mut told = std::io::BufReader::new(proxy.stderr.take().unwrap()).lines();
    let mut next = |words| {
        told.by_ref()
            .map(Result::unwrap)
            .find(|it| it.contains(words))
    };
    let lines: String = (0..1000).map(|number| format!("[{number}]\n")).collect();
    client.write_all(lines.as_bytes()).unwrap();
    let trouble = next("cannot write the capture").unwrap();
    assert!(trouble.contains("File too large"), "{trouble}");

    let pid = Pid::from_child(&proxy);
    let maximum = rustix::process::getrlimit(Resource::Fsize).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    prlimit(Some(pid), Resource::Fsize, raised).unwrap();
    next("the capture is being written again").unwrap();
    drop(client);
    let summary = next("1000 messages from the client").unwrap();
    assert!(!summary.contains("NOT captured"), "{summary}");
    assert!(proxy.wait().unwrap().success());
    let lines_of = |from| {
        let records = read(&home.path().join("c.jsonl"));
        let of = |it: &&Read| matches!(it, Read::Line { from: of, .. } if *of == from);
        records.iter().filter(of).count()
    };
    assert_eq!(
        (lines_of(Party::Client), lines_of(Party::Server)),
        (1000, 1000)
    );
}

/// Runs one of the tests below in a process of its own, with a variable that tells it so.
fn alone(test: &str, variable: &str, value: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test])
        .env(variable, value)
        .stdout(std::process::Stdio::null());
    command
}

#[test]
#[cfg(target_os = "linux")]
fn steady_traffic_wakes_the_recorder_about_once_a_millisecond() {
    // Alone, because the other tests have recorders, too.
    if std::env::var_os("CAPTURE_TEST_STEADY").is_none() {
        let name = "steady_traffic_wakes_the_recorder_about_once_a_millisecond";
        let status = alone(name, "CAPTURE_TEST_STEADY", "1").status().unwrap();
        assert!(status.success());
        return;
    }
    let sleeps_of_recorder = || {
        let mut tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let sleeps = tasks.find_map(|task| {
            let status = std::fs::read_to_string(task.ok()?.path().join("status")).ok()?;
            let field = |name| {
                let line = status.lines().find_map(|it| it.strip_prefix(name))?;
                Some(line.trim().to_owned())
            };
            (field("Name:")? == "recorder").then_some(())?;
            field("voluntary_ctxt_switches:")?.parse::<u128>().ok()
        });
        sleeps.unwrap()
    };
    let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < Duration::from_millis(300) {
        recording.tap.push(stream(Party::Client, "{}\n"));
        recording.tap.wake();
        sent += 1;
        let next = start.elapsed() + Duration::from_micros(20);
        while start.elapsed() < next {
            std::hint::spin_loop();
        }
    }
    let (sleeps, took) = (sleeps_of_recorder(), start.elapsed().as_millis());
    recording.recorder.finish();
    assert_eq!(read(&recording.path).len(), sent);
    assert!(sleeps < took * 2, "{sleeps} sleeps in {took} ms");
}
