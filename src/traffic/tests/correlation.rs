//! One test for each rule that says which messages belong together.

use super::{check, fold, listing, records};
use crate::capture::record::{Payload, Record};
use crate::tap::SessionId;
use crate::traffic::digest::digest;
use crate::traffic::filter::Filter;
use crate::traffic::{Role, Status, Traffic};

#[test]
fn an_answer_finds_its_request_by_id() {
    check(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"get-sum","arguments":{"a":2,"b":3}}}
        client {"id":"1","method":"tools/list"}
        server {"id":"1","result":{"tools":[{"name":"x"},{"name":"y"}]}}
        server {"id":1,"result":{"content":[{"type":"text","text":"5"}]}}
        "#,
        "
        client · tools/call · get-sum · a=2 b=3 · ok [1 4]
        client · tools/list · 2 tools · ok [2 3]
        ",
    );
}

#[test]
fn a_tool_error_and_a_protocol_error_say_what_went_wrong() {
    check(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":"x"}}}
        client {"id":2,"method":"tools/call","params":{"name":"u"}}
        server {"id":1,"result":{"isError":true,"content":[{"type":"text","text":"a must be a number"}]}}
        server {"id":2,"error":{"code":-32602,"message":"Unknown tool: u"}}
        "#,
        r#"
        client · tools/call · t · a="x" → a must be a number · tool error [1 3]
        client · tools/call · u · -32602 Unknown tool: u · error [2 4]
        "#,
    );
}

#[test]
fn a_greeting_names_both() {
    check(
        r#"
        client {"id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"Inspector","version":"2.12"}}}
        server {"id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"everything","version":"2.0.0"}}}
        client {"method":"notifications/initialized"}
        "#,
        "
        client · initialize · Inspector 2.12 → everything 2.0.0 · ok [1 2]
        client · notifications/initialized [3]
        ",
    );
}

#[test]
fn the_same_id_from_both_sides_means_two_requests() {
    check(
        r#"
        client {"id":1,"method":"tools/list"}
        server {"id":1,"method":"ping"}
        client {"id":1,"result":{}}
        server {"id":1,"result":{"tools":[]}}
        "#,
        "
        client · tools/list · 0 tools · ok [1 4]
        server · ping · ok [2 3]
        ",
    );
}

#[test]
fn sessions_do_not_share_ids() {
    check(
        r#"
        client@1 {"id":1,"method":"ping"}
        client@2 {"id":1,"method":"ping"}
        server@2 {"id":1,"result":{}}
        "#,
        "
        client · ping · pending [1]
        client · ping · ok [2 3]
        ",
    );
}

#[test]
fn a_reused_id_is_answered_oldest_first() {
    check(
        r#"
        client {"id":1,"method":"a"}
        client {"id":1,"method":"b"}
        client {"id":1,"method":"c"}
        server {"id":1,"result":{}}
        server {"id":1,"result":{}}
        "#,
        "
        client · a · ok [1 4]
        client · b · ok [2 5]
        client · c · pending [3]
        ",
    );
}

#[test]
fn an_id_may_be_used_again_after_its_answer() {
    check(
        r#"
        client {"id":1,"method":"a"}
        server {"id":1,"result":{}}
        client {"id":1,"method":"b"}
        server {"id":1,"result":{}}
        "#,
        "
        client · a · ok [1 2]
        client · b · ok [3 4]
        ",
    );
}

#[test]
fn a_second_answer_stays_with_its_exchange() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"a"}
        server {"id":1,"result":{}}
        server {"id":1,"error":{"code":1,"message":"again"}}
        "#,
    );
    assert_eq!(listing(&traffic), "client · a · ok [1 2 3]\n");
    assert_eq!(traffic.parts(0)[2].role, Role::DuplicateAnswer);
    let row = traffic.row(0).unwrap();
    assert!(row.answered_again);
    assert_eq!(traffic.bodies(&row).len(), 3);
    assert!(Filter::parse("again").keeps(&traffic, 0));
    // Somebody got it.
    assert_eq!(traffic.counters().errors, 1);
}

#[test]
fn an_answer_to_nothing_is_a_row_of_its_own() {
    check(
        r#"
        server {"id":9,"result":{"content":[{"type":"text","text":"hi"}]}}
        server {"id":null,"error":{"code":-32700,"message":"Parse error"}}
        server {"error":{"code":-32700,"message":"Parse error"}}
        "#,
        "
        server · unknown answer · hi [1]
        server · unknown answer · -32700 Parse error [2]
        server · unknown answer · -32700 Parse error [3]
        ",
    );
}

#[test]
fn an_id_that_was_respelled_still_finds_its_request() {
    for (asked, answered) in [
        ("1.0", "1"),
        ("1", "1.0"),
        ("1", "\"1\""),
        ("\"1\"", "1"),
        ("1e0", "1.0"),
        (r#""\u0061""#, r#""a""#),
        (r#""a""#, r#""\u0061""#),
    ] {
        let conversation = format!(
            "client {{\"id\":{asked},\"method\":\"a\"}}\nserver {{\"id\":{answered},\"result\":{{}}}}"
        );
        assert_eq!(
            listing(&fold(&conversation)),
            "client · a · ok [1 2]\n",
            "{asked} {answered}"
        );
    }
}

#[test]
fn an_exact_id_goes_before_a_respelled_one() {
    check(
        r#"
        client {"id":1,"method":"number"}
        client {"id":"1","method":"string"}
        server {"id":"1","result":{}}
        "#,
        "
        client · number · pending [1]
        client · string · ok [2 3]
        ",
    );
}

#[test]
fn large_integer_ids_are_not_confused() {
    check(
        r#"
        client {"id":9007199254740993,"method":"a"}
        client {"id":9007199254740992,"method":"b"}
        server {"id":9007199254740992,"result":{}}
        "#,
        "
        client · a · pending [1]
        client · b · ok [2 3]
        ",
    );
}

#[test]
fn progress_belongs_to_the_request_with_its_token() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"long","_meta":{"progressToken":"t"}}}
        client {"id":2,"method":"tools/call","params":{"name":"long","_meta":{"progressToken":7}}}
        server {"method":"notifications/progress","params":{"progressToken":"t","progress":3,"total":5,"message":"working"}}
        server {"method":"notifications/progress","params":{"progressToken":"7","progress":1}}
        server {"method":"notifications/progress","params":{"progressToken":7,"progress":0.5}}
        "#,
    );
    assert_eq!(
        listing(&traffic),
        "client · tools/call · long · pending [1 3]\nclient · tools/call · long · pending [2 5]\n\
         server · notifications/progress · 1 [4]\n"
    );
    let progress = traffic.row(0).unwrap().progress.unwrap();
    assert_eq!((progress.done, progress.total), (3.0, Some(5.0)));
}

#[test]
fn progress_after_the_answer_is_a_row_of_its_own() {
    check(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"long","_meta":{"progressToken":1}}}
        server {"id":1,"result":{"content":[]}}
        server {"method":"notifications/progress","params":{"progressToken":1,"progress":5,"total":5,"message":"done"}}
        "#,
        "
        client · tools/call · long · empty · ok [1 2]
        server · notifications/progress · 5/5 done [3]
        ",
    );
}

#[test]
fn a_token_used_again_belongs_to_the_younger_request() {
    check(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":1}}}
        client {"id":2,"method":"tools/call","params":{"name":"b","_meta":{"progressToken":1}}}
        server {"method":"notifications/progress","params":{"progressToken":1,"progress":1}}
        server {"id":1,"result":{"content":[]}}
        server {"method":"notifications/progress","params":{"progressToken":1,"progress":2}}
        "#,
        "
        client · tools/call · a · empty · ok [1 4]
        client · tools/call · b · pending [2 3 5]
        ",
    );
}

#[test]
fn a_cancelled_request_that_is_answered_after_all_is_late() {
    let traffic = fold(
        r#"
        client {"id":12,"method":"tools/call","params":{"name":"slow"}}
        client {"id":13,"method":"tools/call","params":{"name":"slower"}}
        client {"method":"notifications/cancelled","params":{"requestId":12,"reason":"bored"}}
        client {"method":"notifications/cancelled","params":{"requestId":13}}
        server {"id":12,"result":{"content":[{"type":"text","text":"at last"}]}}
        "#,
    );
    assert_eq!(
        listing(&traffic),
        "client · tools/call · slow · at last · late [1 3 5]\nclient · tools/call · slower · cancelled [2 4]\n"
    );
    assert_eq!(traffic.row(0).unwrap().took, Some(4000));
    assert_eq!(traffic.row(1).unwrap().took, Some(2000));
    assert_eq!(traffic.parts(1)[1].role, Role::Cancel);
}

#[test]
fn an_error_after_the_cancellation_confirms_it() {
    let traffic = fold(
        r#"
        client {"id":12,"method":"tools/call","params":{"name":"slow"}}
        client {"method":"notifications/cancelled","params":{"requestId":12}}
        server {"id":12,"error":{"code":-32800,"message":"Request cancelled"}}
        "#,
    );
    assert_eq!(
        listing(&traffic),
        "client · tools/call · slow · -32800 Request cancelled · cancelled [1 2 3]\n"
    );
    assert_eq!(traffic.counters().errors, 0);
    assert_eq!(traffic.stats("tools/call", "slow").unanswered, 1);
}

#[test]
fn a_cancellation_names_a_request_of_its_sender() {
    check(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"t"}}
        server {"id":1,"method":"roots/list"}
        server {"method":"notifications/cancelled","params":{"requestId":1}}
        client {"method":"notifications/cancelled","params":{"requestId":99,"reason":"never asked"}}
        "#,
        "
        client · tools/call · t · pending [1]
          server · roots/list · cancelled [2 3]
        client · notifications/cancelled · request 99 never asked [4]
        ",
    );
}

#[test]
fn a_batch_is_as_many_rows_as_it_has_messages() {
    let traffic = fold(
        r#"
        client [{"jsonrpc":"2.0","id":1,"method":"ping"}, {"jsonrpc":"2.0","id":2,"method":"tools/list"}, 7]
        server [{"jsonrpc":"2.0","id":2,"result":{"tools":[]}},{"jsonrpc":"2.0","id":1,"result":{}}]
        "#,
    );
    assert_eq!(
        listing(&traffic),
        "client · ping · ok [1 2]\nclient · tools/list · 0 tools · ok [1 2]\nclient · malformed · 7 [1]\n"
    );
    let request = traffic.row(1).unwrap().request;
    assert_eq!(
        (request.start, request.len),
        (100 + 43, 46),
        "the second element"
    );
}

#[test]
fn both_parts_of_a_batch_that_was_split_answer_whom_they_are_for() {
    check(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"theirs"}}
        operator {"id":"mcpx-1","method":"tools/call","params":{"name":"ours","_meta":{"progressToken":"mcpx-1"}}}
        server>operator#3!7 [{"method":"notifications/progress","params":{"progressToken":"mcpx-1","progress":1}}, {"id":"mcpx-1","result":{"content":[]}}]
        note it was split
        server#3!7 [{"id":1,"result":{"content":[]}} ]
        "#,
        r#"
        client · tools/call · theirs · empty · ok [1 5]
        operator · tools/call · ours · empty · ok [2 3 3]
        sentinel · note · it was split [4]
        "#,
    );
}

#[test]
fn the_end_of_a_session_loses_what_was_pending_in_it() {
    let traffic = fold(
        r#"
        opened@1 client
        opened@2 operator
        client@1 {"id":1,"method":"tools/call","params":{"name":"t"}}
        server@1 {"id":1,"method":"roots/list"}
        operator@2 {"id":1,"method":"tools/list"}
        closed@1 server exited
        "#,
    );
    let status = |row| traffic.row(row).unwrap().status;
    assert_eq!(
        [status(2), status(3), status(4)],
        [Status::Lost, Status::Lost, Status::Pending]
    );
    assert_eq!(traffic.row(2).unwrap().took, Some(3000));
    assert_eq!(
        traffic.sessions()[0].ended.as_deref(),
        Some("server exited")
    );
    assert_eq!(traffic.counters().pending, 1);
}

#[test]
fn a_replay_of_what_is_missing_has_no_original() {
    let text = r#"operator^1 {"id":"mcpx-1","method":"tools/call","params":{"name":"t"}}"#;
    let mut replay = records(text).remove(0);
    replay.seq = 3;
    let gap = Record {
        seq: 1,
        payload: Payload::Missing {
            count: 2,
            last: Some(2),
        },
        ..replay.clone()
    };
    let mut traffic = Traffic::default();
    for record in [gap, replay] {
        traffic.apply(digest(&record));
    }
    assert_eq!(traffic.row(1).unwrap().replay_of, None);
}

#[test]
fn a_replay_knows_its_original() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"t"}}
        server {"id":1,"result":{"content":[]}}
        operator^1 {"id":"mcpx-1","method":"tools/call","params":{"name":"t"}}
        server>operator {"id":"mcpx-1","result":{"content":[]}}
        operator^2 {"id":"mcpx-2","method":"tools/call","params":{"name":"t"}}
        "#,
    );
    assert_eq!(traffic.row(1).unwrap().replay_of, Some(0));
    assert_eq!(
        traffic.row(2).unwrap().replay_of,
        None,
        "an answer cannot be replayed"
    );
    assert_eq!(
        traffic.operator_exchange(SessionId(1), "\"mcpx-1\""),
        Some(1)
    );
    assert_eq!(
        traffic.operator_exchange(SessionId(1), "1"),
        None,
        "the client's own"
    );
    assert_eq!(traffic.operator_exchange(SessionId(2), "\"mcpx-1\""), None);
}

#[test]
fn only_the_operators_sessions_wait_for_the_operator() {
    let traffic = fold(
        r#"
        opened@1 client
        opened@2 operator
        server@1 {"id":1,"method":"elicitation/create","params":{"message":"?"}}
        server@2 {"id":1,"method":"elicitation/create","params":{"message":"?"}}
        server@2 {"id":2,"method":"ping"}
        server@2 {"id":3,"method":"roots/list"}
        operator@2 {"id":3,"result":{"roots":[]}}
        "#,
    );
    assert_eq!(traffic.waiting_for_operator(), [3]);
}

#[test]
fn rows_never_nest_deeper_than_a_byte_can_say() {
    let mut conversation = String::new();
    for id in 0..300 {
        conversation += &format!(
            "client {{\"id\":{id},\"method\":\"tasks/get\",\"params\":{{\"taskId\":\"{}\"}}}}\n\
             server {{\"id\":{id},\"result\":{{\"resultType\":\"task\",\"taskId\":\"{id}\"}}}}\n",
            id - 1
        );
    }
    let traffic = fold(&conversation);
    assert_eq!(traffic.store.row(299).unwrap().depth, u8::MAX);
    assert_eq!(traffic.row(299).unwrap().parent, Some(254));
}

#[test]
fn what_a_greeting_proposes_is_no_version_until_the_server_agrees() {
    let probe = r#"
        opened@1 operator
        operator@1 {"id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        "#;
    let told = |traffic: &Traffic| {
        let session = &traffic.sessions()[0];
        (session.modern, session.protocol_version.clone())
    };
    let silent = fold(probe);
    assert_eq!(told(&silent), (false, None));
    assert_eq!(silent.unanswered_greeting().map(|row| row.id), Some(1));
    let agreed = fold(&format!(
        r#"{probe}server@1 {{"id":1,"result":{{"supportedVersions":["2026-07-28"],"capabilities":{{}}}}}}"#
    ));
    assert_eq!(told(&agreed), (true, Some("2026-07-28".to_owned())));
    assert!(agreed.unanswered_greeting().is_none());
    let refused = fold(&format!(
        r#"{probe}server@1 {{"id":1,"error":{{"code":-32601,"message":"?"}}}}
        operator@1 {{"id":2,"method":"initialize","params":{{"protocolVersion":"2025-11-25"}}}}"#
    ));
    assert_eq!(told(&refused), (false, None));
}

#[test]
fn an_answer_among_other_text_is_tied_to_its_request_and_leaves_it_waiting() {
    let traffic = fold(
        r#"
        client {"id":3,"method":"tools/call","params":{"name":"t"}}
        client {"id":4,"method":"ping"}
        server {"id":4,"result":{}}
        server DEBUG x{"jsonrpc":"2.0","id":3,"result":{}}
        server DEBUG x{"jsonrpc":"2.0","id":4,"result":{}}
        client DEBUG x{"jsonrpc":"2.0","id":3,"result":{}}
        "#,
    );
    let glued = |row| traffic.glued(row).map(|row| row.id);
    let all: Vec<_> = (0..traffic.len()).map(glued).collect();
    assert_eq!(all, [Some(2), None, Some(0), None, None]);
    assert_eq!(traffic.row(0).unwrap().status, Status::Pending);
    assert_eq!(traffic.counters().on_stdout, 2);
}
