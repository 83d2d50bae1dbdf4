//! What the model costs: digesting, folding, filtering, and drawing a window of a million messages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use divan::{Bencher, black_box, counter::ItemsCount};
use mcp_sentinel::capture::record::{Encoding, Location, Payload, Record};
use mcp_sentinel::tap::{Party, SessionId, Timestamp};
use mcp_sentinel::traffic::Traffic;
use mcp_sentinel::traffic::digest::{Digest, digest};
use mcp_sentinel::traffic::view::{Filter, Hidden, View};
use std::borrow::Cow;

const MILLION: u64 = 1_000_000;

fn main() {
    divan::main();
}

/// Message number `seq` of a busy session: calls and their answers, now and then a notification or a list.
fn message(seq: u64) -> (Party, String) {
    let id = seq / 2;
    let name = ["get-sum", "echo", "read_text_file", "search"][(id % 4) as usize];
    match (seq % 20, seq % 2) {
        (18, _) => (
            Party::Client,
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"resources/read","params":{{"uri":"file:///home/me/project/src/module_{}.rs"}}}}"#,
                id % 1000
            ),
        ),
        (16, _) => (
            Party::Server,
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","logger":"server","data":"request {id} took 3 ms"}}}}"#
            ),
        ),
        (17, _) => (
            Party::Server,
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"debug","data":{{"id":{id},"cached":true}}}}}}"#
            ),
        ),
        (_, 0) => (
            Party::Client,
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{{"a":{},"b":"some text of the call"}},"_meta":{{"progressToken":{id}}}}}}}"#,
                id % 97
            ),
        ),
        _ => (
            Party::Server,
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"The answer to question {id} is {}."}}]}}}}"#,
                id % 89
            ),
        ),
    }
}

fn record(seq: u64) -> Record<'static> {
    let (from, text) = message(seq);
    record_of(seq, from, text)
}

fn record_of(seq: u64, from: Party, text: String) -> Record<'static> {
    let location = Location {
        line: seq * 250,
        start: 90,
        len: text.len() as u32,
        encoding: Encoding::Verbatim,
    };
    let bytes = Cow::Owned(text.into_bytes());
    let payload = Payload::Line {
        from,
        to: None,
        replay_of: None,
        via: None,
        terminated: true,
        json: true,
        bytes,
    };
    Record {
        line_number: 0,
        seq,
        at: Timestamp(seq as i64 * 100),
        session: SessionId(1),
        location,
        payload,
    }
}

fn model(messages: u64) -> Traffic {
    let mut traffic = Traffic::default();
    (0..messages).for_each(|seq| traffic.apply(digest(&record(seq))));
    traffic
}

#[divan::bench(args = [0, 1, 16, 18])]
fn digest_one(bencher: Bencher<'_, '_>, seq: u64) {
    let record = record(seq);
    bencher.bench(|| digest(black_box(&record)));
}

/// An answer with a text of so many bytes.
#[divan::bench(args = [1_000, 100_000])]
fn digest_long_answer(bencher: Bencher<'_, '_>, len: usize) {
    let text = "lorem ipsum ".repeat(len / 12);
    let answer = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#
    );
    let record = record_of(1, Party::Server, answer);
    bencher.bench(|| digest(black_box(&record)));
}

#[divan::bench(sample_count = 3)]
fn apply_a_million(bencher: Bencher<'_, '_>) {
    let digests: Vec<Digest> = (0..MILLION).map(|seq| digest(&record(seq))).collect();
    bencher
        .counter(ItemsCount::new(MILLION))
        .with_inputs(|| digests.clone())
        .bench_local_values(|digests| {
            let mut traffic = Traffic::default();
            digests.into_iter().for_each(|digest| traffic.apply(digest));
            traffic
        });
}

#[divan::bench(sample_count = 3)]
fn digest_and_apply_a_million(bencher: Bencher<'_, '_>) {
    let records: Vec<Record<'_>> = (0..MILLION).map(record).collect();
    bencher.counter(ItemsCount::new(MILLION)).bench_local(|| {
        let mut traffic = Traffic::default();
        records
            .iter()
            .for_each(|record| traffic.apply(digest(record)));
        traffic
    });
}

#[divan::bench(sample_count = 10, args = ["", "get-sum", "question", "!ok", "nowhere to be found", "read 12"])]
fn filter_a_million(bencher: Bencher<'_, '_>, text: &str) {
    let traffic = model(MILLION);
    let mut view = View::default();
    view.refresh(&traffic);
    bencher.bench_local(|| view.set_filter(&traffic, Filter::parse(black_box(text))));
}

#[divan::bench(sample_count = 10)]
fn hide_notifications_of_a_million(bencher: Bencher<'_, '_>) {
    let traffic = model(MILLION);
    let mut view = View::default();
    bencher.bench_local(|| {
        view.set_hidden(
            &traffic,
            Hidden {
                notifications: true,
                ..Hidden::default()
            },
        )
    });
}

#[divan::bench]
fn window_in_the_middle_of_a_million(bencher: Bencher<'_, '_>) {
    let traffic = model(MILLION);
    let mut view = View::default();
    view.refresh(&traffic);
    bencher.bench_local(|| {
        let lines = view.window(&traffic, black_box(view.len() / 2), 50);
        view.position(&traffic, lines[0].row)
    });
}
