//! What one message costs once it is past the data path: the envelope, the recorder's question, the line splitter.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use mcp_sentinel::wire::framing::LineSplitter;
use mcp_sentinel::wire::{is_json, parse};
use serde::de::IgnoredAny;

const SIZES: [usize; 3] = [200, 10_000, 1_000_000];

fn main() {
    divan::main();
}

/// A `tools/call` result of about `size` bytes: records with short keys, numbers and prose, as servers send them.
fn message(size: usize) -> String {
    let mut text =
        r#"{"jsonrpc":"2.0","id":4711,"result":{"content":[{"type":"text","text":"found"}"#
            .to_owned();
    let mut index = 0;
    while text.len() + 60 < size {
        text += &format!(
            r#",{{"id":{index},"name":"entry \"{index}\"","score":{}.25,"tags":["a","b"],"ok":true,"note":"{}"}}"#,
            index * 7,
            "the quick brown fox ".repeat(index % 5)
        );
        index += 1;
    }
    text + r#"],"isError":false}}"#
}

#[divan::bench(args = SIZES)]
fn envelope(bencher: Bencher<'_, '_>, size: usize) {
    let line = message(size);
    bencher
        .counter(BytesCount::of_str(&line))
        .bench(|| drop(parse(black_box(line.as_bytes()))));
}

#[divan::bench(args = SIZES)]
fn is_json_ours(bencher: Bencher<'_, '_>, size: usize) {
    let line = message(size);
    bencher
        .counter(BytesCount::of_str(&line))
        .bench(|| is_json(black_box(line.as_bytes())));
}

/// What [`is_json_ours`] is worth: the same answer from `serde_json`.
#[divan::bench(args = SIZES)]
fn is_json_serde(bencher: Bencher<'_, '_>, size: usize) {
    let line = message(size);
    bencher.counter(BytesCount::of_str(&line)).bench(|| {
        let text = std::str::from_utf8(black_box(line.as_bytes()));
        text.is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
    });
}

/// Chunks of 64 KiB, full of lines of about 100 bytes.
#[divan::bench]
fn split_small_lines(bencher: Bencher<'_, '_>) {
    let line = format!(
        "{:<99}\n",
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#
    );
    let stream = Bytes::from(line.repeat(10_000));
    let chunks: Vec<Bytes> = (0..stream.len())
        .step_by(65_536)
        .map(|at| stream.slice(at..stream.len().min(at + 65_536)))
        .collect();
    bencher
        .counter(ItemsCount::new(10_000_usize))
        .counter(BytesCount::new(stream.len()))
        .bench(|| {
            let (mut splitter, mut lines) = (LineSplitter::default(), 0);
            for chunk in &chunks {
                splitter.push(chunk.clone(), |line| {
                    lines += usize::from(!black_box(line).is_empty())
                });
            }
            lines
        });
}
