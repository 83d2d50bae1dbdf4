//! The list as shown: filtered, folded, kept up to date.

use super::{fold, record, records, shown};
use crate::traffic::digest::digest;
use crate::traffic::view::{Filter, Hidden, View};
use crate::traffic::{RowId, Traffic};

const CONVERSATION: &str = r#"
    client {"id":1,"method":"tools/call","params":{"name":"ask","arguments":{"city":"Oslo"}}}
    server {"id":1,"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"text","text":"Weather?"}}]}}
    stderr thinking
    server {"id":2,"method":"elicitation/create","params":{"message":"Which day?"}}
    server {"method":"notifications/message","params":{"level":"info","data":"asked"}}
    server not a message
    operator {"id":"mcpx-1","method":"tools/list"}
"#;

fn viewed(traffic: &Traffic) -> View {
    let mut view = View::default();
    view.refresh(traffic);
    view
}

/// Answers what the server asks in the conversation, as far as the last of so many requests.
fn answer(traffic: &mut Traffic, requests: u64) {
    for id in 1..=requests {
        let answer = format!(r#"client {{"id":{id},"result":{{}}}}"#);
        traffic.apply(digest(&record(7 + id, &answer)));
    }
}

fn filtered(traffic: &Traffic, text: &str) -> Vec<String> {
    let mut view = viewed(traffic);
    view.set_filter(traffic, Filter::parse(text));
    shown(&view, traffic)
}

#[test]
fn nested_rows_are_folded_away_until_their_call_is_unfolded() {
    let mut traffic = fold(CONVERSATION);
    answer(&mut traffic, 2);
    let mut view = viewed(&traffic);
    assert_eq!(shown(&view, &traffic), ["0:0", "0:2", "0:4", "0:5", "0:6"]);
    assert_eq!(view.position(&traffic, 1), None);
    view.toggle(&traffic, 0);
    assert!(view.is_unfolded(0));
    assert_eq!(
        shown(&view, &traffic),
        ["0:0", "1:1", "1:3", "0:2", "0:4", "0:5", "0:6"]
    );
    assert_eq!(view.position(&traffic, 3), Some(2));
    assert_eq!(view.position(&traffic, 2), Some(3));
    view.toggle(&traffic, 0);
    assert_eq!(view.len(), 5);
}

#[test]
fn what_waits_for_its_answer_is_never_folded_away() {
    let mut traffic = fold(CONVERSATION);
    let mut view = viewed(&traffic);
    assert_eq!(
        shown(&view, &traffic),
        ["0:0", "1:1", "1:3", "0:2", "0:4", "0:5", "0:6"]
    );
    answer(&mut traffic, 1);
    view.refresh(&traffic);
    assert_eq!(
        shown(&view, &traffic),
        ["0:0", "1:3", "0:2", "0:4", "0:5", "0:6"]
    );
    answer(&mut traffic, 2);
    view.refresh(&traffic);
    assert_eq!(shown(&view, &traffic), ["0:0", "0:2", "0:4", "0:5", "0:6"]);
}

#[test]
fn what_leads_to_something_that_waits_is_shown_with_it() {
    let mut traffic = fold(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"book","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        server {"id":1,"result":{"resultType":"input_required","requestState":"s"}}
        client {"id":2,"method":"tools/call","params":{"name":"book","requestState":"s","inputResponses":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        server {"id":7,"method":"elicitation/create","params":{"message":"Which day?"}}
        server {"id":2,"result":{}}
        "#,
    );
    let mut view = viewed(&traffic);
    assert_eq!(shown(&view, &traffic), ["0:0", "1:1", "2:2"]);
    traffic.apply(digest(&record(6, r#"client {"id":7,"result":{}}"#)));
    view.refresh(&traffic);
    assert_eq!(shown(&view, &traffic), ["0:0"]);
}

#[test]
fn a_call_that_failed_after_rounds_is_one_fault() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"book","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        server {"id":1,"result":{"resultType":"input_required","requestState":"s"}}
        client {"id":2,"method":"tools/call","params":{"name":"book","requestState":"s","inputResponses":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        server {"id":2,"error":{"code":-32603,"message":"broke"}}
        "#,
    );
    let view = viewed(&traffic);
    assert_eq!(view.next_fault(&traffic, None), Some(0));
    assert_eq!(view.next_fault(&traffic, Some(0)), None);
}

#[test]
fn what_went_wrong_is_found_and_what_only_looks_like_it_is_not() {
    let traffic = fold(
        r#"
        client {"id":0,"method":"server/discover"}
        server {"id":0,"error":{"code":-32601,"message":"Method not found"}}
        client {"id":1,"method":"tools/call","params":{"name":"ask"}}
        stderr Error: not really
        gap the disk is full
        server {"id":1,"result":{}}
        note on we go
        damaged not JSON
        server {"id":9,"result":{}}
        closed
        "#,
    );
    let view = viewed(&traffic);
    let next = |row: &u32| view.next_fault(&traffic, Some(*row));
    let first = view.next_fault(&traffic, None);
    let faults = std::iter::successors(first, next).map(|row| traffic.row(row).unwrap().method);
    assert_eq!(
        faults.collect::<Vec<_>>(),
        ["gap", "damaged line", "unknown answer"]
    );
}

#[test]
fn a_filter_finds_what_was_done_about_an_elicitation() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"ask"}}
        server {"id":7,"method":"elicitation/create","params":{"message":"Sure?"}}
        client {"id":7,"result":{"action":"decline"}}
        server {"id":8,"method":"elicitation/create","params":{"message":"Who?"}}
        client {"id":8,"result":{"action":"accept","content":{"name":"Ann"}}}
        "#,
    );
    assert_eq!(filtered(&traffic, "declined"), ["0:1"]);
    assert_eq!(filtered(&traffic, "accepted"), ["0:2"]);
}

#[test]
fn a_filter_looks_at_everything_that_a_row_shows() {
    let traffic = fold(CONVERSATION);
    for (text, rows) in [
        ("", vec!["0:0", "1:1", "1:3", "0:2", "0:4", "0:5", "0:6"]),
        ("TOOLS/", vec!["0:0", "1:1", "1:3", "0:6"]),
        ("ask", vec!["0:0", "1:1", "1:3", "0:4"]),
        ("oslo", vec!["0:0", "1:1", "1:3"]),
        ("operator", vec!["0:6"]),
        ("mcpx", vec!["0:6"]),
        ("pending tools !operator", vec!["0:0", "1:1", "1:3"]),
        ("not", vec!["0:4", "0:5"]),
        ("which day", vec!["0:3"]),
        ("!pending", vec!["0:2", "0:4", "0:5"]),
        ("nowhere", vec![]),
    ] {
        assert_eq!(filtered(&traffic, text), rows, "{text}");
    }
}

#[test]
fn a_filter_leaves_the_rows_of_one_session_or_those_of_all_others() {
    let traffic = fold(
        r#"
        client@1 {"id":1,"method":"tools/call","params":{"name":"beta"}}
        client@2 {"id":1,"method":"tools/call","params":{"name":"beta"}}
        client@12 {"id":1,"method":"tools/call","params":{"name":"gamma"}}
        "#,
    );
    for (text, rows) in [
        ("#2", vec!["0:1"]),
        ("#12 beta", vec![]),
        ("!#2", vec!["0:0", "0:2"]),
        ("beta !#2", vec!["0:0"]),
        ("#3", vec![]),
    ] {
        assert_eq!(filtered(&traffic, text), rows, "{text}");
    }
    // What a body has in it is no matter where the session is another.
    let mut view = viewed(&traffic);
    view.set_filter(&traffic, Filter::parse("delta #2"));
    view.add_body_matches(&traffic, &[0, 1]);
    assert_eq!(shown(&view, &traffic), ["0:1"]);
}

#[test]
fn what_matches_inside_a_call_that_does_not_is_a_line_of_its_own() {
    let traffic = fold(CONVERSATION);
    assert_eq!(filtered(&traffic, "weather"), ["0:1"]);
    assert_eq!(
        filtered(&traffic, "server"),
        ["0:1", "0:2", "0:3", "0:4", "0:5"]
    );
}

#[test]
fn an_unfolded_match_shows_all_that_is_inside() {
    let traffic = fold(CONVERSATION);
    let mut view = viewed(&traffic);
    view.set_filter(&traffic, Filter::parse("oslo"));
    view.toggle(&traffic, 0);
    assert_eq!(shown(&view, &traffic), ["0:0", "1:1", "1:3"]);
}

#[test]
fn kinds_are_hidden_one_by_one() {
    let traffic = fold(CONVERSATION);
    let mut view = viewed(&traffic);
    view.set_hidden(
        &traffic,
        Hidden {
            notifications: true,
            stderr: true,
            garbage: false,
        },
    );
    assert_eq!(shown(&view, &traffic), ["0:0", "1:1", "1:3", "0:5", "0:6"]);
    view.set_hidden(
        &traffic,
        Hidden {
            garbage: true,
            ..Hidden::default()
        },
    );
    assert_eq!(
        shown(&view, &traffic),
        ["0:0", "1:1", "1:3", "0:2", "0:4", "0:6"]
    );
}

#[test]
fn rows_come_and_go_as_their_state_changes() {
    let all = records(
        r#"
        client {"id":1,"method":"a"}
        client {"id":2,"method":"b"}
        server {"id":1,"result":{}}
        server {"id":2,"error":{"code":1,"message":"broken pipe"}}
        "#,
    );
    let mut traffic = Traffic::default();
    let mut view = View::default();
    view.set_filter(&traffic, Filter::parse("pending"));
    let mut lines = Vec::new();
    for record in &all {
        traffic.apply(digest(record));
        view.refresh(&traffic);
        lines.push(shown(&view, &traffic).join(" "));
    }
    assert_eq!(lines, ["0:0", "0:0 0:1", "0:1", ""]);
    view.set_filter(&traffic, Filter::parse("broken"));
    assert_eq!(shown(&view, &traffic), ["0:1"]);
}

#[test]
fn matches_in_bodies_join_the_others_unless_they_are_excluded() {
    let traffic = fold(CONVERSATION);
    let mut view = viewed(&traffic);
    view.set_filter(&traffic, Filter::parse("oslo !operator"));
    view.add_body_matches(&traffic, &[5, 6, 3]);
    assert_eq!(
        shown(&view, &traffic),
        ["0:0", "1:1", "1:3", "0:5"],
        "3 is inside 0, 6 is the operator's"
    );
    view.set_filter(&traffic, Filter::parse("oslo"));
    assert_eq!(
        shown(&view, &traffic),
        ["0:0", "1:1", "1:3"],
        "another filter, other matches"
    );
}

#[test]
fn a_new_child_appears_under_its_unfolded_call() {
    let all = records(CONVERSATION);
    let mut traffic = Traffic::default();
    let mut view = View::default();
    for record in &all[..2] {
        traffic.apply(digest(record));
    }
    view.refresh(&traffic);
    view.toggle(&traffic, 0);
    for record in &all[2..] {
        traffic.apply(digest(record));
        view.refresh(&traffic);
    }
    assert_eq!(
        shown(&view, &traffic),
        ["0:0", "1:1", "1:3", "0:2", "0:4", "0:5", "0:6"]
    );
}

#[test]
fn a_view_that_fell_far_behind_catches_up() {
    let mut traffic = Traffic::default();
    let mut view = View::default();
    view.set_filter(&traffic, Filter::parse("ok"));
    let apply = |traffic: &mut Traffic, text: &str| {
        records(text)
            .iter()
            .for_each(|record| traffic.apply(digest(record)));
    };
    apply(&mut traffic, r#"client {"id":0,"method":"first"}"#);
    view.refresh(&traffic);
    apply(&mut traffic, r#"server {"id":0,"result":{}}"#);
    for _ in 0..70_000 {
        apply(
            &mut traffic,
            "client {\"id\":1,\"method\":\"x\"}\nserver {\"id\":1,\"error\":{}}",
        );
    }
    view.refresh(&traffic);
    assert_eq!(shown(&view, &traffic), ["0:0"]);
}

#[test]
fn another_model_is_shown_from_its_start() {
    let (long, short) = (fold(CONVERSATION), fold(r#"client {"id":1,"method":"a"}"#));
    let mut view = viewed(&long);
    view.refresh(&short);
    assert_eq!(shown(&view, &short), ["0:0"]);
}

#[test]
fn a_request_that_comes_after_its_answer_changes_no_row() {
    let mut records = records(
        r#"
        client#1@1 {"id":0,"result":{"roots":[]}}
        client {"id":9,"method":"tools/call","params":{"name":"t"}}
        http#1@1 401 challenge
        http#1@1 end
        http#1@1 GET /beta?0
        "#,
    );
    let late = records.pop().unwrap();
    let mut traffic = Traffic::default();
    records.iter().for_each(|it| traffic.apply(digest(it)));
    let filtered = |view: &mut View, traffic: &Traffic| {
        view.set_filter(traffic, Filter::parse("beta error"));
        view.refresh(traffic);
    };
    let (mut before, mut after) = (View::default(), View::default());
    filtered(&mut before, &traffic);
    traffic.apply(digest(&late));
    before.refresh(&traffic);
    filtered(&mut after, &traffic);
    assert_eq!(shown(&before, &traffic), shown(&after, &traffic));
}

#[test]
fn a_word_for_a_status_means_the_status() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"lookup"}}
        server {"id":1,"result":{"isError":false,"content":[]}}
        client {"id":2,"method":"tools/call","params":{"name":"book"}}
        server {"id":2,"result":{"isError":true,"content":[]}}
        client {"id":3,"method":"tools/call","params":{"name":"token"}}
        server {"id":3,"error":{"code":-32601,"message":"no"}}
        client {"id":4,"method":"server/discover"}
        server {"id":4,"error":{"code":-32601,"message":"no"}}
        server DEBUG: up
        client {"id":5,"method":"tools/call","params":{"name":"x","arguments":{"a":"no error"}}}
        "#,
    );
    let kept = |text: &str| -> Vec<RowId> {
        let filter = Filter::parse(text);
        (0..traffic.len())
            .filter(|row| filter.keeps(&traffic, *row))
            .collect()
    };
    assert_eq!(kept("ok"), [0]);
    assert_eq!(kept("!ok"), [1, 2, 3, 4, 5]);
    assert_eq!(kept("error"), [1, 2]);
    assert_eq!(kept("\"error\""), [1, 2, 5]);
    assert_eq!(kept("tool error"), [1, 2]);
    assert_eq!(kept("\"tool error\""), [1]);
    assert_eq!(
        (kept("refused"), kept("stdout"), kept("\"on stdout\"")),
        (vec![3], vec![4], vec![4])
    );
    assert_eq!(kept("lookup !ok"), [] as [RowId; 0]);
    assert_eq!(kept("!\"ok\""), [3, 4, 5]);
}
