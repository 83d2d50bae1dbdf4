//! Live proxies and recent captures, as a table or as JSON.

use super::failure::Failure;
use super::output;
use crate::capture::reader::{ReadError, Reader};
use crate::capture::record::utc;
use crate::capture::store::{self, Saved};
use crate::headless;
use crate::link::registry::{self, Counts, Entry};
use crate::tap::Timestamp;
use crate::ui::format;
use crate::ui::text::{cut, cut_start};
use crate::wire::shown::{neutral, shortened};
use anyhow::Context as _;
use chrono::{DateTime, Local, TimeZone as _, Utc};
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr as _;

const HEADS: [&str; 9] = [
    "PID",
    "NAME",
    "CLIENT",
    "UPTIME",
    "MESSAGES",
    "ERRORS",
    "LISTENING",
    "UPSTREAM",
    "CAPTURE",
];
/// Captures that are recent.
const RECENT: usize = 10;
/// Bytes at the end of a capture within which its last record is looked for, and if it is longer, then within these.
const ENDS: [u64; 2] = [16 << 10, 4 << 20];
/// Bytes of a command; `--json` has all of it.
const UPSTREAM: usize = 60;
/// The same of a name.
const NAME: usize = 40;
/// Columns of a capture's path that still say something, and of any other cell.
const LEAST_PATH: usize = 16;
const LEAST_CELL: usize = 8;

pub fn run(json: bool) -> Result<u8, Failure> {
    let live = registry::live().context("cannot list the live proxies")?;
    // What is live is worth showing, whatever became of the captures.
    let (saved, failure) = match captures(&live) {
        Ok(saved) => (saved, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    if json {
        output::print_foreign(&as_json(&live, &saved))?;
    } else {
        let room = output::columns();
        output::print(&as_tables(&live, &saved, utc(Timestamp::now()), room))?;
    }
    match failure {
        None => Ok(0),
        Some(error) => Err(error.context("cannot list the captures").into()),
    }
}

/// Those that no live proxy writes, newest first.
fn captures(live: &[Entry]) -> anyhow::Result<Vec<Saved>> {
    let mut saved = store::list(&store::directory()?)?;
    let is_live = |saved: &Saved| {
        let mut written = live.iter().filter_map(|entry| entry.capture.as_ref());
        written.any(|path| *path == saved.path)
    };
    saved.retain(|saved| !is_live(saved));
    Ok(saved)
}

fn as_json(live: &[Entry], saved: &[Saved]) -> String {
    let captures: Vec<_> = saved
        .iter()
        .map(|saved| {
            serde_json::json!({
                "path": saved.path,
                "name": saved.name,
                "started": time(saved.started).map(|it| it.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
                "bytes": saved.bytes,
                "records": records(saved).unwrap_or_default(),
            })
        })
        .collect();
    let all = serde_json::json!({ "live": live, "captures": captures });
    format!("{all:#}\n")
}

/// In lines of at most `room` columns, where that is known.
fn as_tables(live: &[Entry], saved: &[Saved], now: DateTime<Utc>, room: Option<usize>) -> String {
    let mut text = String::new();
    if live.is_empty() {
        text.push_str("no proxy is live\n");
    } else {
        let rows = live.iter().map(|entry| live_row(entry, now));
        table(&mut text, HEADS, rows, room);
    }
    if !saved.is_empty() {
        text.push('\n');
        table(
            &mut text,
            ["STARTED", "NAME", "SIZE", "RECORDS", "CAPTURE"],
            saved.iter().take(RECENT).map(saved_row),
            room,
        );
        let older = saved.len().saturating_sub(RECENT);
        if older > 0 {
            // A String takes everything.
            let _ = writeln!(text, "and {older} older; mcp-sentinel ps --json lists all");
        }
    }
    text
}

fn live_row(entry: &Entry, now: DateTime<Utc>) -> [String; HEADS.len()] {
    let started: Option<DateTime<Utc>> = entry.started.parse().ok();
    let uptime = started.and_then(|started| (now - started).num_microseconds());
    // Nothing is told of one whose start is still to come.
    let uptime = uptime.filter(|micros| *micros >= 0);
    let upstream = headless::words(&entry.upstream);
    let capture = entry
        .capture
        .as_ref()
        .map(|path| path.display().to_string());
    let count = |of: fn(&Counts) -> u64| {
        let count = entry.counts.as_ref().map(of);
        count.map_or_else(|| "-".to_owned(), |it| it.to_string())
    };
    [
        entry.pid.to_string(),
        shortened(&entry.name, NAME),
        shortened(entry.client.as_deref().unwrap_or("-"), NAME),
        uptime.map_or_else(|| "-".to_owned(), format::uptime),
        count(|counts| counts.messages),
        count(|counts| counts.errors),
        entry.listening.clone().unwrap_or_else(|| "-".to_owned()),
        shortened(&upstream, UPSTREAM),
        capture.unwrap_or_else(|| "-".to_owned()),
    ]
}

fn saved_row(saved: &Saved) -> [String; 5] {
    let started = time(saved.started).map(|it| it.with_timezone(&Local));
    [
        started
            .map(|it| it.format("%Y-%m-%d %H:%M").to_string())
            .unwrap_or_default(),
        shortened(&saved.name, NAME),
        size(saved.bytes),
        match records(saved) {
            Ok(Some(records)) => records.to_string(),
            Ok(None) => "-".to_owned(),
            Err(_) => "unreadable".to_owned(),
        },
        saved.path.display().to_string(),
    ]
}

/// How many records a capture holds: they are numbered, so the end tells. `None` where that would take long to find.
fn records(saved: &Saved) -> Result<Option<u64>, ReadError> {
    if saved.path.extension().is_some_and(|it| it == "zst") {
        return Ok(None);
    }
    for end in ENDS {
        let mut reader = Reader::open_at(&saved.path, saved.bytes.saturating_sub(end))?;
        let mut last = 0;
        reader.read(usize::MAX, |record| last = last.max(record.seq))?;
        if last > 0 || saved.bytes <= end {
            return Ok(Some(last));
        }
    }
    Ok(None)
}

fn time(at: Timestamp) -> Option<DateTime<Utc>> {
    Utc.timestamp_micros(at.0).single()
}

/// `812 B`, `1.2 MB`: powers of 1000, as file managers have it.
pub fn size(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 999.5 {
            let decimals = usize::from(unit != "B" && size < 9.95);
            return format!("{size:.decimals$} {unit}");
        }
        size /= 1000.0;
    }
    format!("{size:.1} TB")
}

/// Columns as wide as their widest cell, as far as there is room.
fn table<const N: usize>(
    text: &mut String,
    heads: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    room: Option<usize>,
) {
    let heads = heads.map(str::to_owned);
    let rows: Vec<[String; N]> = std::iter::once(heads)
        .chain(rows.map(|row| row.map(|cell| neutral(&cell).into_owned())))
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].width())
            .max()
            .unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..N).map(width).collect();
    if let Some(room) = room {
        narrow(&mut widths, room);
    }
    for row in &rows {
        let mut line = String::new();
        for (cell, columns) in row.iter().zip(&widths) {
            let cell = match cell.starts_with('/') || cell.contains("://") {
                // The end tells addresses and paths from each other.
                true => cut_start(cell, *columns),
                false => cut(cell, *columns),
            };
            let pad = columns + 2 - cell.width();
            // A String takes everything.
            let _ = write!(line, "{cell}{:pad$}", "");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// Takes from the last column what is too much, all of it where little would be left, and then from the widest of the
/// others.
fn narrow(widths: &mut Vec<usize>, room: usize) {
    let all = |widths: &[usize]| widths.iter().map(|width| width + 2).sum::<usize>();
    let too_much = |widths: &[usize]| all(widths).saturating_sub(room + 2);
    let Some(last) = widths.last().copied() else {
        return;
    };
    match last.checked_sub(too_much(widths)) {
        Some(left) if left >= last.min(LEAST_PATH) => *widths.last_mut().unwrap_or(&mut 0) = left,
        _ => drop(widths.pop()),
    }
    while too_much(widths) > 0 {
        match widths.iter_mut().max_by_key(|width| **width) {
            Some(widest) if *widest > LEAST_CELL => *widest -= 1,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_table_lines_up_whatever_names_hold() {
        let entry = Entry {
            pid: 4121,
            name: "日本\u{1b}[2J".to_owned(),
            upstream: vec!["npx".to_owned(), "-y".to_owned(), "x y".to_owned()],
            started: "2026-11-21T02:00:00Z".to_owned(),
            capture: Some("/c/a.jsonl".into()),
            client: Some("Inspector 2.12".to_owned()),
            listening: Some("http://127.0.0.1:7777/mcp".to_owned()),
            counts: Some(Counts {
                messages: 214,
                errors: 2,
            }),
            ..Entry::default()
        };
        let now = "2026-11-21T02:12:04.900Z".parse().unwrap();
        let text = as_tables(&[entry], &[], now, None);
        assert_eq!(
            text,
            "PID   NAME      CLIENT          UPTIME    MESSAGES  ERRORS  LISTENING                  UPSTREAM      CAPTURE\n\
             4121  日本\u{fffd}[2J  Inspector 2.12  00:12:04  214       2       http://127.0.0.1:7777/mcp  npx -y 'x y'  /c/a.jsonl\n"
        );
    }

    #[test]
    fn a_name_makes_no_table_wider_than_a_screen_and_older_captures_are_counted() {
        let entry = Entry {
            name: "é".repeat(300),
            started: "2026-11-21T02:00:00Z".to_owned(),
            ..Entry::default()
        };
        let saved = Saved {
            path: "/nowhere/c.jsonl".into(),
            name: "n".repeat(300),
            started: Timestamp(0),
            bytes: 3,
        };
        let now = "2026-11-21T02:00:07.200Z".parse().unwrap();
        let text = as_tables(&[entry], &vec![saved; RECENT + 3], now, None);
        assert!(text.lines().all(|line| line.width() < 120), "{text}");
        assert!(text.contains("00:00:07"), "{text}");
        assert_eq!(text.lines().count(), 2 + 1 + 1 + RECENT + 1);
        assert!(text.contains("and 3 older"), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let entry = Entry {
            pid: 1_234_567,
            name: "everything".to_owned(),
            upstream: vec![
                "npx".into(),
                "-y".into(),
                "a-rather-long-name-of-a-server".into(),
            ],
            started: "2026-11-21T02:00:00Z".to_owned(),
            capture: Some(
                "/home/me/.local/state/mcp-sentinel/captures/20261121-everything.jsonl".into(),
            ),
            client: Some("Inspector 2.12".to_owned()),
            listening: Some("http://127.0.0.1:7777/mcp".to_owned()),
            ..Entry::default()
        };
        let saved = Saved {
            path: "/home/me/.local/state/mcp-sentinel/captures/20261120-日本語.jsonl".into(),
            name: "日本語".into(),
            started: Timestamp(0),
            bytes: 3,
        };
        let now = "2026-11-21T02:00:07.200Z".parse().unwrap();
        let tables = |room: usize| {
            as_tables(
                std::slice::from_ref(&entry),
                std::slice::from_ref(&saved),
                now,
                Some(room),
            )
        };
        for room in 76..200 {
            let text = tables(room);
            assert!(
                text.lines().all(|line| line.width() <= room),
                "{room}: {text}"
            );
            assert!(
                text.contains("語.jsonl") && text.contains("00:00:07"),
                "{room}: {text}"
            );
        }
        assert!(tables(160).contains("everything.jsonl"), "{}", tables(160));
        assert!(tables(80).contains("1234567  everyt"), "{}", tables(80));
    }

    #[test]
    fn nothing_live_is_said() {
        assert_eq!(
            as_tables(&[], &[], utc(Timestamp(0)), None),
            "no proxy is live\n"
        );
    }

    #[test]
    fn json_has_both_lists() {
        let saved = Saved {
            path: "/c/b.jsonl".into(),
            name: "b".to_owned(),
            started: Timestamp(1_700_000_000_000_000),
            bytes: 3,
        };
        let live = Entry::default();
        let json: serde_json::Value = serde_json::from_str(&as_json(&[live], &[saved])).unwrap();
        let live = json["live"][0].as_object().unwrap();
        for unknown in ["capture", "client", "messages", "errors"] {
            assert_eq!(
                live.get(unknown),
                Some(&serde_json::Value::Null),
                "{unknown}"
            );
        }
        assert_eq!(json["captures"][0]["started"], "2023-11-14T22:13:20Z");
    }

    #[test]
    fn the_end_of_a_capture_tells_how_many_records_it_has() {
        let capture = |longest: usize| {
            let file = tempfile::NamedTempFile::new().unwrap();
            let mut text = "{\"capture\":1}\n".to_owned();
            for seq in 1..=3000 {
                let message = "x".repeat(if seq == 3000 { longest } else { 9 });
                text.push_str(&format!(
                    "{{\"seq\":{seq},\"at\":\"2026-11-21T02:45:01.123456Z\",\"session\":1,\"from\":\"client\",\"message\":\"{message}\"}}\n"
                ));
            }
            std::fs::write(file.path(), text + "{\"seq\":3001,\"torn").unwrap();
            let saved = Saved {
                path: file.path().to_owned(),
                name: "c".to_owned(),
                started: Timestamp(0),
                bytes: file.path().metadata().unwrap().len(),
            };
            records(&saved).unwrap()
        };
        assert_eq!(capture(9), Some(3000));
        assert_eq!(capture(100_000), Some(3000));
        assert_eq!(capture(5 << 20), None);
    }

    #[test]
    fn a_size_has_two_or_three_digits() {
        assert_eq!(size(812), "812 B");
        assert_eq!(size(1_234_567), "1.2 MB");
        assert_eq!(size(999_600), "1.0 MB");
        assert_eq!(size(45_600), "46 kB");
    }
}
