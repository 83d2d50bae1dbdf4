//! Folding short conversations, and how they are written down for the tests.

mod bridged;
mod correlation;
mod http;
mod inventory;
mod nesting;
mod properties;
mod records;
mod subscriptions;
mod view;

use super::digest::digest;
use super::view::View;
use super::{RowId, Traffic, elicited, party_word};
use crate::capture::record::{Encoding, HttpPart, HttpRecord, Location, Payload, Record};
use crate::tap::{
    Closed, ExchangeId, Gap, Half, Opened, Party, ServerSent, SessionId, Timestamp, Via,
};
use std::borrow::Cow;

/// A record a line, a millisecond apart: who, and what. `@2` after who is another session than 1, `^7` says that it
/// replays the message with that number, `>operator` that only the operator got it, `#3` that the HTTP exchange 3
/// carried it, `!7` as an event with this id. Messages lack `jsonrpc`, to be
/// short. Numbers start at 1.
pub fn records(text: &str) -> Vec<Record<'static>> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines
        .zip(1..)
        .map(|(line, seq)| record(seq, line))
        .collect()
}

fn record(seq: u64, line: &str) -> Record<'static> {
    let (who, what) = line.split_once(' ').unwrap_or((line, ""));
    let cut = |mark| who.split_once(mark).map(|(_, rest): (&str, &str)| rest);
    let number = |text: &str| {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        text[..end].parse().unwrap()
    };
    let what = what.trim().to_owned();
    let carrier = || ExchangeId(number(cut('#').expect("an exchange")));
    let from = match &who[..who.find(['@', '^', '>', '#', '!']).unwrap_or(who.len())] {
        "client" => Some(Party::Client),
        "server" => Some(Party::Server),
        "operator" => Some(Party::Operator),
        "sentinel" => Some(Party::Sentinel),
        _ => None,
    };
    let payload = match (from, who.split(['@', '#']).next().unwrap()) {
        (Some(from), _) => {
            let text = match what.strip_prefix('{') {
                Some(rest) => format!("{{\"jsonrpc\":\"2.0\",{rest}"),
                None => what,
            };
            Payload::Line {
                from,
                to: cut('>').map(|to| match to {
                    _ if to.starts_with("client") => Party::Client,
                    _ if to.starts_with("sentinel") => Party::Sentinel,
                    _ => Party::Operator,
                }),
                replay_of: cut('^').map(number),
                via: cut('#').map(|_| Via {
                    exchange: carrier(),
                    event: cut('!').map(|event| number(event).to_string().into()),
                }),
                terminated: true,
                json: crate::wire::is_json(text.as_bytes()),
                bytes: Cow::Owned(text.into_bytes()),
            }
        }
        (None, "http") => Payload::Http(HttpRecord {
            exchange: carrier(),
            part: http_part(&what),
        }),
        (None, "stderr") => Payload::Stderr(Cow::Owned(what.into_bytes())),
        (None, "opened") => Payload::Opened(Opened {
            by: what,
            transport: "stdio".into(),
            pid: Some(7),
        }),
        (None, "closed") => Payload::Closed(Closed {
            exit: Some(0),
            signal: None,
            reason: what,
        }),
        (None, "gap") => Payload::Gap(Gap {
            messages: 14,
            bytes: 900,
            reason: what,
        }),
        (None, "note") => Payload::Note(what),
        (None, "damaged") => Payload::Damaged { reason: what },
        (None, who) => panic!("who is {who}?"),
    };
    let len = match &payload {
        Payload::Line { bytes, .. } | Payload::Stderr(bytes) => bytes.len() as u32,
        Payload::Http(_) => 200,
        _ => 0,
    };
    Record {
        seq,
        line_number: seq,
        at: Timestamp(seq as i64 * 1000),
        session: SessionId(cut('@').map_or(1, |text| number(text) as u32)),
        location: Location {
            line: seq * 1000,
            start: if matches!(payload, Payload::Http(_)) {
                0
            } else {
                100
            },
            len,
            encoding: Encoding::Verbatim,
        },
        payload,
    }
}

/// `GET /mcp`, `200`, `200 stream`, `401 challenge`, `event`, `event 7`, `body text`, `asked`, `end`, `end why`.
fn http_part(text: &str) -> HttpPart {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let header = |name: &'static str, value: &'static str| (name.into(), value.into());
    let end = |of| HttpPart::End {
        of,
        bytes: 40,
        broken: Some(rest.to_owned()).filter(|why| !why.is_empty()),
    };
    match (word, word.parse()) {
        (_, Ok(status)) => HttpPart::Response {
            by: Party::Server,
            status,
            headers: match rest {
                "stream" => vec![header("content-type", "text/event-stream; charset=utf-8")],
                "challenge" => vec![header("www-authenticate", "Bearer")],
                _ => vec![header("mcp-session-id", "a-session")],
            },
            rewritten: Vec::new(),
        },
        ("event", _) => HttpPart::Event(ServerSent {
            id: Some(rest.to_owned()).filter(|id| !id.is_empty()),
            ..ServerSent::default()
        }),
        ("body", _) => HttpPart::Body {
            of: Half::Response,
            text: Some(rest.to_owned()),
            base64: None,
        },
        ("asked", _) => end(Half::Request),
        ("end", _) => end(Half::Response),
        _ => HttpPart::Request {
            by: Party::Client,
            method: word.replace("BRIDGED", "POST"),
            target: rest.to_owned(),
            headers: match word {
                "BRIDGED" => Vec::new(),
                _ => vec![header("user-agent", "a-client/1")],
            },
            added: Vec::new(),
        },
    }
}

pub fn fold(text: &str) -> Traffic {
    let mut traffic = Traffic::default();
    records(text)
        .iter()
        .for_each(|record| traffic.apply(digest(record)));
    traffic
}

/// Every row on a line of its own, nested ones indented under their parents: sender, method, name, summary, status,
/// and `seq` of each part.
pub fn listing(traffic: &Traffic) -> String {
    let mut out = String::new();
    let top = (0..traffic.len()).filter(|&id| traffic.row(id).unwrap().parent.is_none());
    let mut pending: Vec<(RowId, usize)> = top.map(|id| (id, 0)).collect();
    pending.reverse();
    while let Some((id, depth)) = pending.pop() {
        let row = traffic.row(id).unwrap();
        let parts: Vec<String> = traffic
            .parts(id)
            .iter()
            .map(|part| part.seq.to_string())
            .collect();
        let words = [
            party_word(row.from),
            row.method,
            row.name,
            row.summary,
            elicited(row.method, row.status, row.outcome).unwrap_or(row.status.word()),
        ];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        out += &format!(
            "{}{} [{}]\n",
            "  ".repeat(depth),
            words.join(" · "),
            parts.join(" ")
        );
        let children: Vec<(RowId, usize)> =
            traffic.children(id).map(|id| (id, depth + 1)).collect();
        pending.extend(children.into_iter().rev());
    }
    out
}

/// Checks the listing of a conversation; indentation common to all lines does not count.
#[track_caller]
pub fn check(conversation: &str, expected: &str) {
    let lines: Vec<&str> = expected
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let margin = lines
        .iter()
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let expected: String = lines
        .iter()
        .map(|line| format!("{}\n", line[margin..].trim_end()))
        .collect();
    let traffic = fold(conversation);
    assert_eq!(listing(&traffic), expected);
    consistent(&traffic);
}

/// What must hold of every model.
#[track_caller]
pub fn consistent(traffic: &Traffic) {
    use super::{RowKind, Status};
    let rows: Vec<_> = (0..traffic.len())
        .map(|id| traffic.row(id).unwrap())
        .collect();
    let count =
        |keep: &dyn Fn(&super::Row<'_>) -> bool| rows.iter().filter(|row| keep(row)).count() as u64;
    let counters = traffic.counters();
    assert_eq!(
        counters.pending,
        count(&|row| row.status == Status::Pending)
    );
    assert_eq!(
        counters.streams,
        count(&|row| row.status == Status::Streaming)
    );
    // A call that went rounds is lost with the last of them.
    let is_lost = |row: &super::Row<'_>| {
        row.status == Status::Lost && row.kind == RowKind::Exchange && row.rounds == 0
    };
    assert_eq!(counters.unanswered, count(&is_lost));
    assert_eq!(counters.garbage, count(&|row| row.kind == RowKind::Garbage));
    assert_eq!(
        counters.stderr_lines,
        count(&|row| row.kind == RowKind::Stderr)
    );
    let subscriptions =
        count(&|row| row.status == Status::Streaming && row.kind == RowKind::Exchange);
    assert_eq!(traffic.open.len() as u64, counters.pending + subscriptions);
    for row in &rows {
        let ends = matches!(row.kind, RowKind::Exchange | RowKind::Http);
        assert!(
            ends == (row.status != Status::None) || row.kind == RowKind::Notification,
            "{row:?}"
        );
        let goes_on = matches!(row.status, Status::Pending | Status::Streaming);
        assert!(!goes_on || (ends && row.took.is_none()), "{row:?}");
        assert!(ends || row.took.is_none(), "{row:?}");
        assert!(row.parent.is_none_or(|parent| parent < row.id));
        assert_eq!(traffic.children(row.id).count() as u32, row.children);
        let waiting = traffic
            .children(row.id)
            .map(|child| &rows[child as usize])
            .filter(|child| child.status == Status::Pending || child.waiting > 0);
        assert_eq!(waiting.count() as u32, row.waiting, "{row:?}");
    }
    let calls: std::collections::HashSet<_> = rows
        .iter()
        .filter(|row| row.kind == RowKind::Exchange)
        .map(|row| (row.method, row.name))
        .collect();
    for (method, name) in calls {
        let stats = traffic.stats(method, name);
        let ended = stats.ok + stats.tool_errors + stats.errors + stats.unanswered + stats.asking;
        assert_eq!(stats.calls, ended + stats.pending, "{method} {name}");
        assert_eq!(
            traffic.calls_of(method, name, usize::MAX).len() as u32,
            stats.calls
        );
    }
}

/// The lines of a view: `depth:row`.
pub fn shown(view: &View, traffic: &Traffic) -> Vec<String> {
    let lines = view.window(traffic, 0, view.len() + 1);
    lines
        .iter()
        .map(|shown| format!("{}:{}", shown.depth, shown.row))
        .collect()
}
