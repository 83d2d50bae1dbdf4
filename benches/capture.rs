//! What recording costs the data path, the recorder and whoever reads back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use mcp_sentinel::capture::reader::Reader;
use mcp_sentinel::capture::record::Header;
use mcp_sentinel::capture::recorder::Recorder;
use mcp_sentinel::tap::{self, Body, Event, Overflow, Party, SessionId, Tap, Timestamp};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const MESSAGES: usize = 100_000;
const BUDGET: usize = 64 << 20;

fn main() {
    divan::main();
}

/// A tool call of 200 bytes, line end included.
fn message(number: usize) -> String {
    let head = format!(
        r#"{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":""#
    );
    let tail = "\"}}}\n";
    let text = "a plain text ".repeat(20);
    format!("{head}{}{tail}", &text[..200 - head.len() - tail.len()])
}

/// The messages in chunks of so many, as a pump reads them when they come one by one or all at once.
fn chunks(messages: usize) -> Vec<Bytes> {
    let lines: Vec<_> = (0..MESSAGES).map(message).collect();
    lines
        .chunks(messages)
        .map(|it| it.concat().into())
        .collect()
}

fn push(tap: &Tap, bytes: Bytes) {
    tap.push(Event {
        at: Timestamp::now(),
        session: SessionId(1),
        body: Body::Stream {
            from: Party::Client,
            bytes,
        },
    });
}

fn start(path: &Path) -> (Tap, Recorder) {
    let (tap, drain) = tap::queue(BUDGET, Overflow::Wait);
    let header = Header {
        capture: 1,
        ..Header::default()
    };
    (tap, Recorder::start(path.into(), header, drain).unwrap())
}

/// Stamp, push and wake: all that the data path does for the recorder, which is not running.
#[divan::bench]
fn push_and_wake(bencher: Bencher<'_, '_>) {
    let chunks = chunks(1);
    bencher
        .counter(ItemsCount::new(MESSAGES))
        .with_inputs(|| tap::queue(BUDGET, Overflow::Wait))
        .bench_refs(|(tap, _drain)| {
            for bytes in &chunks {
                push(tap, bytes.clone());
                tap.wake();
            }
        });
}

/// From the first push to the end of the recorder.
#[divan::bench(args = [1, 300], consts = [false, true], sample_count = 10)]
fn record<const COMPRESS: bool>(bencher: Bencher<'_, '_>, messages_in_a_chunk: usize) {
    let chunks = chunks(messages_in_a_chunk);
    bencher
        .counter(ItemsCount::new(MESSAGES))
        .with_inputs(|| {
            let home = tempfile::tempdir().unwrap();
            let (tap, recorder) = start(&capture(&home, COMPRESS));
            (home, tap, recorder)
        })
        .bench_values(|(home, tap, recorder)| {
            for bytes in &chunks {
                push(&tap, bytes.clone());
                tap.wake();
            }
            recorder.finish();
            home
        });
}

#[divan::bench(consts = [false, true], sample_count = 10)]
fn read<const COMPRESSED: bool>(bencher: Bencher<'_, '_>) {
    let home = tempfile::tempdir().unwrap();
    let path = capture(&home, COMPRESSED);
    let (tap, recorder) = start(&path);
    for bytes in chunks(300) {
        push(&tap, bytes);
    }
    recorder.finish();
    bencher.counter(ItemsCount::new(MESSAGES)).bench(|| {
        let mut reader = Reader::open(&path).unwrap();
        let mut count = 0;
        while reader
            .read(4096, |record| {
                black_box(record);
            })
            .unwrap()
            > 0
        {
            count += 1;
        }
        count
    });
}

fn capture(home: &TempDir, compress: bool) -> PathBuf {
    let name = if compress { "c.jsonl.zst" } else { "c.jsonl" };
    home.path().join(name)
}
