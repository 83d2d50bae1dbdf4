//! A frame, and a key with its frame, at a thousand, a hundred thousand and a million rows: they should cost the same.
//!
//! `cargo bench --bench frame`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use divan::Bencher;
use mcp_sentinel::capture::record::{Location, Payload, Record};
use mcp_sentinel::tap::{Party, SessionId, Timestamp};
use mcp_sentinel::traffic::digest::digest;
use mcp_sentinel::ui::app::{App, Session};
use mcp_sentinel::ui::event::{Event, Fed};
use mcp_sentinel::ui::render;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::borrow::Cow;

const ROWS: [u32; 3] = [1_000, 100_000, 1_000_000];

fn main() {
    divan::main();
}

/// A screen on a live conversation of so many calls, each answered.
fn app(rows: u32) -> App {
    let mut app = App::new(Session {
        live: true,
        ..Session::default()
    });
    app.update(Event::Resize {
        width: 200,
        height: 50,
    });
    let mut digests = Vec::new();
    for call in 0..rows {
        let request = format!(
            r#"{{"jsonrpc":"2.0","id":{call},"method":"tools/call","params":{{"name":"echo","arguments":{{"n":{call}}}}}}}"#
        );
        let answer = format!(
            r#"{{"jsonrpc":"2.0","id":{call},"result":{{"content":[{{"type":"text","text":"{call}"}}]}}}}"#
        );
        for (from, message) in [(Party::Client, request), (Party::Server, answer)] {
            digests.push(digest(&record(u64::from(call) * 2, from, &message)));
        }
        if digests.len() >= 4096 || call + 1 == rows {
            let digests = std::mem::take(&mut digests);
            app.update(Event::Fed(Fed::Batch {
                digests,
                progress: (1, 1),
            }));
        }
    }
    app.update(Event::Fed(Fed::CaughtUp));
    app
}

fn record(seq: u64, from: Party, message: &str) -> Record<'_> {
    Record {
        seq,
        line_number: seq,
        at: Timestamp(1_795_000_000_000_000 + i64::try_from(seq).unwrap() * 1000),
        session: SessionId(1),
        location: Location {
            line: seq * 200,
            start: 90,
            len: 100,
            ..Location::default()
        },
        payload: Payload::Line {
            from,
            to: None,
            replay_of: None,
            via: None,
            terminated: true,
            json: true,
            bytes: Cow::Borrowed(message.as_bytes()),
        },
    }
}

#[divan::bench(args = ROWS)]
fn frame(bencher: Bencher<'_, '_>, rows: u32) {
    let app = app(rows);
    let mut terminal = Terminal::new(TestBackend::new(200, 50)).unwrap();
    bencher.bench_local(|| {
        terminal.draw(|frame| render::render(&app, frame)).unwrap();
    });
}

#[divan::bench(args = ROWS)]
fn key_and_frame(bencher: Bencher<'_, '_>, rows: u32) {
    let mut app = app(rows);
    let mut terminal = Terminal::new(TestBackend::new(200, 50)).unwrap();
    let mut up = true;
    bencher.bench_local(|| {
        up = !up;
        let code = if up {
            KeyCode::PageUp
        } else {
            KeyCode::PageDown
        };
        app.update(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        terminal.draw(|frame| render::render(&app, frame)).unwrap();
    });
}

#[divan::bench(args = ROWS, sample_count = 5, sample_size = 1)]
fn filter_key(bencher: Bencher<'_, '_>, rows: u32) {
    let mut app = app(rows);
    let press = |app: &mut App, code| {
        app.update(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    };
    for c in "/ech".chars() {
        press(&mut app, KeyCode::Char(c));
    }
    let mut typed = false;
    bencher.bench_local(|| {
        typed = !typed;
        press(
            &mut app,
            if typed {
                KeyCode::Char('o')
            } else {
                KeyCode::Backspace
            },
        );
    });
}
