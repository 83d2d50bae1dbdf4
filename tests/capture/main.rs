//! What goes through the tap comes out of the capture: every byte, in order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod counts;
mod http;
mod kinds;
mod long;
mod recording;
mod trouble;

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
        Payload::Http(_) | Payload::Damaged { .. } | Payload::Missing { .. } | Payload::Unknown => {
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

/// Waits for something that another thread does.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(300), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
