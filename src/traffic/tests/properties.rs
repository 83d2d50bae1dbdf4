//! What holds for every conversation, however odd.

use super::{consistent, listing, record, shown};
use crate::capture::record::{Payload, Record};
use crate::traffic::digest::digest;
use crate::traffic::storage::NONE;
use crate::traffic::view::{Filter, Hidden, View};
use crate::traffic::{ANSWERED_AGAIN, Row, RowId, RowKind, Status, Traffic, party_word};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

/// One line of a conversation in which few ids, tokens and tasks are used again and again.
fn line() -> impl Strategy<Value = String> {
    let what = prop::sample::select(vec![
        r#"client {"id":ID,"method":"tools/call","params":{"name":"NAME","arguments":{"a":ID},"_meta":{"progressToken":OTHER}}}"#,
        r#"client {"id":"ID","method":"tools/call","params":{"name":"NAME","task":{},"_meta":{"progressToken":ID}}}"#,
        r#"client {"id":ID,"method":"tools/call","params":{"name":"NAME","requestState":"OTHER","inputResponses":{}}}"#,
        r#"client {"id":ID,"method":"tools/list"}"#,
        r#"operator {"id":"op-ID","method":"resources/read","params":{"uri":"file:///NAME"}}"#,
        r#"server {"id":ID,"method":"elicitation/create","params":{"message":"NAME?"}}"#,
        r#"server {"id":ID,"method":"roots/list","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t-OTHER"}}}}"#,
        r#"server {"id":ID,"result":{"content":[{"type":"text","text":"NAME"}]}}"#,
        r#"server {"id":"ID","result":{"task":{"taskId":"t-OTHER"}}}"#,
        r#"server {"id":ID,"result":{"resultType":"input_required","requestState":"OTHER"}}"#,
        r#"server {"id":ID,"result":{"isError":true,"content":[]}}"#,
        r#"server {"id":"op-ID","result":{"contents":[]}}"#,
        r#"server {"id":ID,"error":{"code":-OTHER,"message":"NAME"}}"#,
        r#"server {"id":ID.0,"result":{"tools":[{"name":"NAME"}]}}"#,
        r#"client {"id":ID,"result":{"action":"accept"}}"#,
        r#"server {"method":"notifications/progress","params":{"progressToken":OTHER,"progress":ID}}"#,
        r#"client {"method":"notifications/cancelled","params":{"requestId":ID}}"#,
        r#"server {"method":"notifications/cancelled","params":{"requestId":ID}}"#,
        r#"server {"method":"notifications/message","params":{"level":"info","data":"NAME"}}"#,
        r#"server {"method":"notifications/tools/list_changed"}"#,
        r#"client {"id":ID,"method":"subscriptions/listen","params":{}}"#,
        r#"server {"method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":ID}}}"#,
        "server NAME on stdout",
        r#"client#X {"id":ID,"method":"tools/call","params":{"name":"NAME","_meta":{"progressToken":OTHER}}}"#,
        r#"server#X {"id":ID,"result":{"content":[]}}"#,
        r#"server#X!ID {"id":OTHER,"method":"roots/list"}"#,
        r#"client#X {"id":OTHER,"result":{"roots":[]}}"#,
        r#"client#X {"method":"notifications/initialized"}"#,
        r#"server#X {"method":"notifications/progress","params":{"progressToken":OTHER,"progress":ID}}"#,
        r#"server#X {"error":{"code":-OTHER,"message":"NAME"}}"#,
        "http#X POST /mcp",
        "http#X GET /NAME?OTHER",
        "http#X POST /token",
        "http#X 200 stream",
        "http#X 401 challenge",
        "http#X 404",
        "http#X event ID",
        "http#X body NAME",
        "http#X asked",
        "http#X end",
        "http#X end the client went away",
        "stderr NAME",
        "opened operator",
        "closed",
        "note NAME",
    ]);
    let name = prop::sample::select(vec!["alpha", "beta", "GAMMA"]);
    let numbers = (0..4u32, 0..4u32, 0..4u32, 1..3u32);
    (what, name, numbers).prop_map(|(what, name, (id, other, exchange, session))| {
        let line = what
            .replace("#X", &format!("#{exchange}"))
            .replace("ID", &id.to_string())
            .replace("OTHER", &other.to_string())
            .replace("NAME", name);
        let (who, what) = line.split_once(' ').unwrap_or((&line, ""));
        format!("{who}@{session} {what}")
    })
}

fn conversation() -> impl Strategy<Value = Vec<Record<'static>>> {
    prop::collection::vec(line(), 0..120).prop_map(|lines| {
        lines
            .iter()
            .zip(1..)
            .map(|(line, seq)| record(seq, line))
            .collect()
    })
}

#[derive(Debug, Clone)]
enum Step {
    Apply(Vec<String>),
    Toggle(RowId),
    Filter(&'static str),
    Hide(Hidden),
    Bodies(Vec<RowId>),
    Refresh,
}

fn step() -> impl Strategy<Value = Step> {
    let filters = vec![
        "",
        "ok",
        "pending",
        "!pending",
        "alpha",
        "BETA error",
        "server",
        "!server call",
        "a=1",
        "tools !gamma",
        "zzz",
        "op-1",
        "late",
        "input",
        "/mcp",
        "40",
        "post !401",
        "!ok",
        "alpha !error",
        "refused",
        "on stdout",
    ];
    prop_oneof![
        4 => prop::collection::vec(line(), 1..15).prop_map(Step::Apply),
        2 => (0..60u32).prop_map(Step::Toggle),
        1 => prop::sample::select(filters).prop_map(Step::Filter),
        1 => any::<[bool; 3]>().prop_map(|[notifications, stderr, garbage]| Step::Hide(Hidden {
            notifications,
            stderr,
            garbage
        })),
        1 => prop::collection::vec(0..60u32, 0..3).prop_map(Step::Bodies),
        2 => Just(Step::Refresh),
    ]
}

/// What a view should know and show, said again without any of its shortcuts.
#[derive(Default)]
struct Naive {
    filter: &'static str,
    hidden: Hidden,
    bodies: HashSet<RowId>,
    unfolded: HashSet<RowId>,
}

impl Naive {
    fn is_status(word: &str) -> bool {
        crate::traffic::STATUS_WORDS.contains(&word)
    }
    fn has(traffic: &Traffic, row: &Row<'_>, word: &str) -> bool {
        if Self::is_status(word) {
            return row.status_word.split(' ').any(|it| it == word);
        }
        // Not for what merely came with it. A request of the server's came with one exchange, and with another its
        // answer went.
        let extra = traffic.store.extra(row.id);
        let is_own = extra.is_some_and(|extra| extra.http != NONE);
        let http = traffic.http(row.id).filter(|_| is_own);
        let status = http.map_or(0, |http| http.status.unwrap_or(0)).to_string();
        let fields = [
            http.map_or("", |http| http.method),
            http.map_or("", |http| http.path),
            if http.is_some() { &status } else { "" },
            row.method,
            row.name,
            row.message_id,
            row.status_word,
            party_word(row.from),
            row.summary,
            if row.answered_again {
                ANSWERED_AGAIN
            } else {
                ""
            },
            if row.answer.is_none() {
                row.outcome
            } else {
                ""
            },
        ];
        fields
            .iter()
            .any(|field| field.to_lowercase().contains(&word.to_lowercase()))
    }
    fn hides(&self, row: &Row<'_>) -> bool {
        match row.kind {
            RowKind::Notification => self.hidden.notifications,
            RowKind::Stderr => self.hidden.stderr,
            RowKind::Garbage => self.hidden.garbage,
            _ => false,
        }
    }
    fn keeps(&self, traffic: &Traffic, row: &Row<'_>) -> bool {
        let words: Vec<&str> = self.filter.split_whitespace().collect();
        let (negated, wanted): (Vec<&str>, Vec<&str>) =
            words.iter().partition(|word| word.starts_with('!'));
        let excluded = negated
            .iter()
            .any(|word| Self::has(traffic, row, &word[1..]));
        let (status, texts): (Vec<&str>, Vec<&str>) =
            wanted.into_iter().partition(|word| Self::is_status(word));
        let stands_so = status.iter().all(|word| Self::has(traffic, row, word));
        let found = stands_so
            && (texts.iter().all(|word| Self::has(traffic, row, word))
                || self.bodies.contains(&row.id));
        !self.hides(row) && !excluded && found
    }
    fn lines(&self, traffic: &Traffic) -> Vec<String> {
        let rows: Vec<Row<'_>> = (0..traffic.len())
            .map(|id| traffic.row(id).unwrap())
            .collect();
        let mut lines = Vec::new();
        for row in &rows {
            let above = std::iter::successors(row.parent, |&id| rows[id as usize].parent);
            if self.keeps(traffic, row)
                && !above
                    .into_iter()
                    .any(|id| self.keeps(traffic, &rows[id as usize]))
            {
                self.nest(&rows, row.id, 0, &mut lines);
            }
        }
        lines
    }
    /// What went wrong, in the order of a list in which nothing is folded; and everything in that order.
    fn faults(&self, traffic: &Traffic) -> (Vec<RowId>, Vec<RowId>) {
        let open = Naive {
            unfolded: (0..traffic.len()).collect(),
            bodies: self.bodies.clone(),
            ..*self
        };
        let lines = open.lines(traffic);
        let all = lines
            .iter()
            .map(|line| line.split_once(':').unwrap().1.parse().unwrap());
        let all: Vec<RowId> = all.collect();
        let is_fault = |id: &RowId| {
            let row = traffic.row(*id).unwrap();
            let failed = matches!(
                row.status,
                Status::Error | Status::ToolError | Status::Late | Status::Lost
            );
            let odd = matches!(row.kind, RowKind::Garbage | RowKind::Orphan);
            // A later round is told of by its call.
            let goes_on = row.kind == RowKind::Exchange && traffic.store.first_round(*id) != *id;
            failed && !goes_on || odd || row.answered_again
        };
        (all.iter().copied().filter(is_fault).collect(), all)
    }
    fn waits(rows: &[Row<'_>], row: &Row<'_>) -> bool {
        let mut below = rows.iter().filter(|below| below.parent == Some(row.id));
        row.status == Status::Pending || below.any(|below| Self::waits(rows, below))
    }
    fn nest(&self, rows: &[Row<'_>], id: RowId, depth: u8, lines: &mut Vec<String>) {
        lines.push(format!("{depth}:{id}"));
        let shown = |row: &&Row<'_>| {
            row.parent == Some(id)
                && !self.hides(row)
                && (self.unfolded.contains(&id) || Self::waits(rows, row))
        };
        for child in rows.iter().filter(shown) {
            self.nest(rows, child.id, depth + 1, lines);
        }
    }
}

proptest! {
    #[test]
    fn every_message_is_one_row_or_part_of_one(conversation in conversation()) {
        let mut traffic = Traffic::default();
        conversation.iter().for_each(|record| traffic.apply(digest(record)));
        let mut times: HashMap<u64, usize> = HashMap::new();
        for id in 0..traffic.len() {
            let standing = traffic.row(id).unwrap().kind == RowKind::Http;
            let parts = traffic.parts(id).into_iter();
            if standing {
                // Beside its head, what its refusal says; also the only message that it brought, which is of another
                // row, too.
                parts.skip(1).for_each(|part| _ = times.entry(part.seq).or_insert(0));
            } else {
                parts.for_each(|part| *times.entry(part.seq).or_default() += 1);
            }
        }
        times.values_mut().for_each(|times| *times = (*times).max(1));
        // What is HTTP alone may be a row of its own, and is nobody's message.
        let http: HashSet<u64> = conversation
            .iter()
            .filter(|record| matches!(record.payload, Payload::Http(_)))
            .map(|record| record.seq)
            .collect();
        let messages = conversation.iter().filter(|record| !http.contains(&record.seq));
        let expected: HashMap<u64, usize> = messages.map(|record| (record.seq, 1)).collect();
        prop_assert_eq!(times, expected, "{}", listing(&traffic));
        consistent(&traffic);
    }

    #[test]
    fn a_view_shows_what_a_naive_scan_finds(steps in prop::collection::vec(step(), 1..25)) {
        let (mut traffic, mut view, mut naive) = (Traffic::default(), View::default(), Naive::default());
        let mut seq = 0;
        for step in steps {
            // Toggling and marking speak of what the view has seen.
            view.refresh(&traffic);
            match step {
                Step::Apply(lines) => {
                    for line in lines {
                        seq += 1;
                        traffic.apply(digest(&record(seq, &line)));
                    }
                }
                Step::Toggle(row) => {
                    view.toggle(&traffic, row);
                    if !naive.unfolded.remove(&row) {
                        naive.unfolded.insert(row);
                    }
                }
                Step::Filter(text) => {
                    view.set_filter(&traffic, Filter::parse(text));
                    naive.filter = text;
                    naive.bodies.clear();
                }
                Step::Hide(hidden) => {
                    view.set_hidden(&traffic, hidden);
                    naive.hidden = hidden;
                }
                Step::Bodies(rows) => {
                    view.add_body_matches(&traffic, &rows);
                    naive.bodies.extend(rows);
                }
                Step::Refresh => {}
            }
            view.refresh(&traffic);
            let expected = naive.lines(&traffic);
            prop_assert_eq!(&shown(&view, &traffic), &expected);
            for (position, shown) in view.window(&traffic, 0, view.len()).iter().enumerate() {
                prop_assert_eq!(view.position(&traffic, shown.row), Some(position));
            }
            let (faults, all) = naive.faults(&traffic);
            prop_assert_eq!(view.next_fault(&traffic, None), faults.first().copied());
            prop_assert_eq!(view.previous_fault(&traffic, None), faults.last().copied());
            for (place, row) in all.iter().enumerate() {
                let is_before = |fault: &&RowId| all[..place].contains(fault);
                let is_after = |fault: &&RowId| all[place + 1..].contains(fault);
                prop_assert_eq!(view.next_fault(&traffic, Some(*row)), faults.iter().find(is_after).copied());
                prop_assert_eq!(view.previous_fault(&traffic, Some(*row)), faults.iter().rfind(is_before).copied());
            }
            let filter = view.filter();
            for id in 0..traffic.len() {
                let row = traffic.row(id).unwrap();
                let naive = Naive { filter: naive.filter, ..Naive::default() };
                prop_assert_eq!(filter.keeps(&traffic, id), naive.keeps(&traffic, &row));
            }
        }
    }
}
