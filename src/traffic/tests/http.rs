//! Over HTTP: the exchange says what belongs together, then the id.

use super::{check, consistent, fold, listing, records};
use crate::traffic::digest::digest;
use crate::traffic::{RowKind, Status};

#[test]
fn clients_that_share_a_session_and_ids_get_their_own_answers() {
    check(
        r#"
        http#1 POST /mcp
        client#1 {"id":1,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":1}}}
        http#2 POST /mcp
        client#2 {"id":1,"method":"tools/call","params":{"name":"b","_meta":{"progressToken":1}}}
        http#2 200 stream
        server#2 {"method":"notifications/progress","params":{"progressToken":1,"progress":1}}
        http#1 200 stream
        server#1 {"method":"notifications/progress","params":{"progressToken":1,"progress":1}}
        server#2 {"id":1,"result":{"content":[{"type":"text","text":"of b"}]}}
        server#1 {"id":1,"result":{"content":[{"type":"text","text":"of a"}]}}
        "#,
        r#"
        client · tools/call · a · of a · ok [2 8 10]
        client · tools/call · b · of b · ok [4 6 9]
        "#,
    );
}

#[test]
fn an_error_without_an_id_is_of_the_exchange_that_it_came_with() {
    check(
        r#"
        client#1 {"id":7,"method":"tools/list"}
        http#1 400
        server#1 {"id":null,"error":{"code":-32000,"message":"no session"}}
        client#2 {"id":8,"method":"tools/list"}
        server#2 {"error":{"code":-32000,"message":"no id"}}
        "#,
        r#"
        client · tools/list · -32000 no session · error [1 3]
        client · tools/list · -32000 no id · error [4 5]
        "#,
    );
}

#[test]
fn an_answer_that_the_proxy_kept_to_itself_leaves_its_request_open() {
    check(
        r#"
        client#1 {"id":7,"method":"tools/call","params":{"name":"t"}}
        server>sentinel#1 {"id":7,"error":{"code":-32020,"message":"headers"}}
        sentinel#2 {"id":"mcpx-1","method":"tools/list"}
        server>sentinel#2 {"id":"mcpx-1","result":{"tools":[]}}
        server {"id":7,"result":{"content":[]}}
        client#4 {"id":8,"method":"x"}
        server>sentinel#4 {"id":null,"error":{"code":-32000,"message":"no"}}
        sentinel>client#4 {"id":8,"error":{"code":-32603,"message":"mcp-sentinel: no"}}
        "#,
        r#"
        client · tools/call · t · empty · ok [1 2 5]
        sentinel · tools/list · 0 tools · ok [3 4]
        client · x · -32603 mcp-sentinel: no · error [6 7 8]
        "#,
    );
}

#[test]
fn how_long_a_tool_takes_is_told_by_answers_of_its_own_only() {
    let traffic = fold(
        r#"
        client#1 {"id":1,"method":"tools/call","params":{"name":"t"}}
        http#1 502
        sentinel>client#1 {"id":1,"error":{"code":-32603,"message":"no answer","data":{"sentinel":true}}}
        client#2 {"id":2,"method":"tools/call","params":{"name":"t"}}
        "#,
    );
    let stats = traffic.stats("tools/call", "t");
    assert_eq!((stats.calls, stats.errors, stats.p50), (2, 1, None));
    assert_eq!(stats.timed, 0);
}

#[test]
fn an_answer_of_another_id_is_not_of_the_exchange() {
    check(
        r#"
        client#1 {"id":7,"method":"tools/list"}
        server#1 {"id":"7","result":{"tools":[]}}
        client#2 {"id":8,"method":"tools/list"}
        server#2 {"id":9,"result":{"tools":[]}}
        "#,
        r#"
        client · tools/list · 0 tools · ok [1 2]
        client · tools/list · pending [3]
        server · unknown answer · 0 tools [4]
        "#,
    );
}

#[test]
fn a_batch_is_answered_in_any_order() {
    check(
        r#"
        client#1 [{"jsonrpc":"2.0","id":1,"method":"tools/list"},{"jsonrpc":"2.0","id":2,"method":"prompts/list"}]
        http#1 200 stream
        server#1 {"id":2,"result":{"prompts":[]}}
        server#1 {"id":1,"result":{"tools":[]}}
        http#1 end
        "#,
        r#"
        client · tools/list · 0 tools · ok [1 4]
        client · prompts/list · 0 prompts · ok [1 3]
        "#,
    );
}

#[test]
fn what_another_stream_brings_is_found_by_its_id() {
    check(
        r#"
        client#1 {"id":1,"method":"tools/call","params":{"name":"slow"}}
        http#1 200 stream
        http#1 event 41
        http#1 end
        http#2 GET /mcp
        http#2 200 stream
        server#2!42 {"id":1,"result":{"content":[{"type":"text","text":"done"}]}}
        "#,
        r#"
        client · tools/call · slow · done · ok [1 7]
        client · GET · /mcp · streaming [5]
        "#,
    );
}

#[test]
fn the_server_asks_within_the_call_whose_stream_it_uses() {
    check(
        r#"
        client#1 {"id":1,"method":"tools/call","params":{"name":"a"}}
        client#2 {"id":2,"method":"tools/call","params":{"name":"b"}}
        http#1 200 stream
        server#1 {"id":1,"method":"roots/list"}
        http#3 POST /mcp
        client#3 {"id":1,"result":{"roots":[]}}
        http#3 202
        http#3 end
        "#,
        r#"
        client · tools/call · a · pending [1]
          server · roots/list · 0 roots · ok [4 6]
        client · tools/call · b · pending [2]
        "#,
    );
}

#[test]
fn requests_that_http_failed_say_how() {
    check(
        r#"
        client#1 {"id":1,"method":"tools/call","params":{"name":"a"}}
        http#1 502
        http#1 body upstream is gone
        http#1 end
        client#2 {"id":2,"method":"tools/list"}
        http#2 200
        http#2 body <html>
        http#2 end
        client#3 {"id":3,"method":"ping"}
        http#3 200 stream
        http#3 end
        client#4 {"id":4,"method":"ping"}
        http#4 200 stream
        http#4 end the server broke off
        client#5 {"method":"notifications/initialized"}
        http#5 404
        http#5 end
        client#6 {"id":6,"method":"ping"}
        http#6 202
        http#6 end
        "#,
        r#"
        client · tools/call · a · HTTP 502 Bad Gateway · error [1]
        client · tools/list · HTTP 200 OK without an answer · lost [5]
        client · ping · the stream ended without an answer · lost [9]
        client · ping · the server broke off · lost [12]
        client · notifications/initialized · HTTP 404 Not Found · error [15]
        client · ping · pending [18]
        "#,
    );
}

#[test]
fn a_client_that_goes_cancels_in_the_modern_era_only() {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    check(
        &format!(
            r#"
        client#1 {{"id":1,"method":"tools/call","params":{{"name":"a",{meta}}}}}
        http#1 200 stream
        http#1 end the client went away
        client#2@2 {{"id":1,"method":"tools/call","params":{{"name":"a"}}}}
        http#2@2 200 stream
        http#2@2 end the client went away
        "#
        ),
        r#"
        client · tools/call · a · the client went away · cancelled [1]
        client · tools/call · a · the client went away · lost [4]
        "#,
    );
}

#[test]
fn exchanges_without_messages_are_rows() {
    let traffic = fold(
        r#"
        http#1 GET /mcp
        http#1 405
        http#1 end
        http#2 DELETE /mcp
        http#2 200
        http#2 end
        http#3 OPTIONS /mcp?x=1
        http#3 204
        http#3 end
        http#4 POST /token
        http#4 body grant
        http#4 asked
        http#4 500
        http#4 end
        http#5 GET /mcp
        http#5 end the client went away
        "#,
    );
    assert_eq!(
        listing(&traffic),
        "client · GET · /mcp · 405 Method Not Allowed · ok [1]\n\
         client · DELETE · /mcp · 200 OK · ok [4]\n\
         client · OPTIONS · /mcp · ?x=1 · ok [7]\n\
         client · POST · /token · 500 Internal Server Error · error [11]\n\
         client · GET · /mcp · no response, the client went away · cancelled [15]\n"
    );
    consistent(&traffic);
    let row = traffic.row(3).unwrap();
    assert_eq!((row.kind, row.size), (RowKind::Http, 80));
    // Since its head, not since what showed that it has no message.
    assert_eq!(row.took, Some(4000));
    assert_eq!(traffic.counters().errors, 1);
}

#[test]
fn an_exchange_that_carried_only_a_cancellation_says_so() {
    check(
        r#"
        http#1 POST /mcp
        client#1 {"id":7,"method":"tools/call","params":{"name":"slow"}}
        http#2 POST /mcp
        client#2 {"method":"notifications/cancelled","params":{"requestId":7,"reason":"bored"}}
        http#2 asked
        http#2 202
        http#2 end
        "#,
        r#"
        client · tools/call · slow · cancelled [2 4]
        client · POST · /mcp · notifications/cancelled request 7 bored · ok [4 4]
        "#,
    );
}

#[test]
fn what_was_refused_at_the_door_is_not_tried_again_by_whoever_comes_next() {
    check(
        r#"
        http@0#1 POST /mcp
        http@0#1 401 challenge
        http@0#1 end
        http@0#2 POST /mcp
        http@0#2 403
        http@0#2 end
        "#,
        r#"
        client · POST · /mcp · 401 Unauthorized · error [2]
        client · POST · /mcp · 403 Forbidden · error [5]
        "#,
    );
}

#[test]
fn the_way_to_a_token_stands_under_what_was_refused() {
    check(
        r#"
        http#1 POST /mcp
        client#1 {"id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}
        http#1 401 challenge
        http#1 end
        http#2 GET /.well-known/oauth-protected-resource/mcp
        http#2 200
        http#2 end
        http#3@2 POST /register
        http#3@2 body {}
        http#3@2 201
        http#3@2 end
        http#4 POST /mcp
        client#4 {"id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}
        http#4 401 challenge
        http#4 end
        http#5 POST /token
        http#5 200
        http#5 end
        http#6 POST /mcp
        client#6 {"id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}
        http#6 200
        server#6 {"id":0,"result":{"protocolVersion":"2025-11-25","serverInfo":{"name":"s","version":"1"}}}
        http#6 end
        http#7 POST /mcp
        client#7 {"id":1,"method":"tools/list"}
        "#,
        r#"
        client · initialize · HTTP 401 Unauthorized · error [2]
          client · GET · /.well-known/oauth-protected-resource/mcp · 200 OK · ok [5]
          client · POST · /register · 201 Created · ok [9]
          client · initialize · HTTP 401 Unauthorized · error [13]
          client · POST · /token · 200 OK · ok [17]
          client · initialize · s 1 · ok [20 22]
        client · tools/list · pending [25]
        "#,
    );
}

#[test]
fn an_answer_that_did_not_arrive_is_shown() {
    check(
        r#"
        http#1 GET /mcp
        http#1 200 stream
        server#1 {"id":1,"method":"ping"}
        http#2 POST /mcp
        client#2 {"id":1,"result":{}}
        http#2 404
        http#2 end
        "#,
        r#"
        client · GET · /mcp · streaming [1]
        server · ping · ok [3 5]
          client · POST · /mcp · 404 Not Found · error [7]
        "#,
    );
}

#[test]
fn open_streams_are_not_pending_calls() {
    let traffic =
        fold("http#1 GET /mcp\nhttp#1 200 stream\nhttp#1 event 1\nserver#1!2 {\"method\":\"x\"}");
    assert_eq!(traffic.counters().pending, 0);
    assert_eq!(traffic.row(0).unwrap().status, Status::Streaming);
    let http = traffic.http(0).unwrap();
    assert_eq!(
        (http.status, http.stream, http.events),
        (Some(200), true, 2)
    );
    let lines = |limit| -> Vec<u64> {
        let events = traffic.http_events(0, limit);
        events.iter().map(|event| event.location.line).collect()
    };
    assert_eq!(lines(9), [3000, 4000]);
    assert_eq!(lines(1), [4000]);
}

#[test]
fn sessions_know_how_they_are_reached() {
    let traffic = fold(
        r#"
        http#1 POST /mcp
        client#1 {"id":0,"method":"initialize"}
        http#1 200
        "#,
    );
    let session = &traffic.sessions()[0];
    assert_eq!(session.key.as_deref(), Some("a-session"));
    assert_eq!(session.agent.as_deref(), Some("a-client/1"));
}

#[test]
fn every_message_that_names_an_exchange_leads_to_it() {
    let traffic = fold(
        r#"
        http#1 GET /mcp
        http#1 200 stream
        server#1 {"method":"notifications/message"}
        http#2 POST /other
        client#2 {"id":1,"method":"tools/call","params":{"name":"add"}}
        http#2 200 stream
        server#1 {"id":7,"method":"ping"}
        server#2 {"method":"notifications/tools/list_changed"}
        server#2 nonsense
        server#2 {"id":99,"result":{}}
        server#2 {"id":1,"result":{}}
        server {"method":"notifications/message"}
        http#2 end
        "#,
    );
    consistent(&traffic);
    let paths: Vec<&str> = (0..traffic.len())
        .map(|row| traffic.http(row).map_or("", |http| http.path))
        .collect();
    assert_eq!(
        paths,
        [
            "/mcp", "/mcp", "/other", "/mcp", "/other", "/other", "/other", ""
        ]
    );
    assert_eq!(traffic.http_events(1, 9).len(), 2);
    // What is brought ends no differently for that.
    assert_eq!(traffic.row(2).unwrap().status, Status::Ok);
    assert_eq!(traffic.row(4).unwrap().status, Status::None);
}

#[test]
fn what_has_no_end_is_cut_off_where_the_capture_ends() {
    let mut traffic = fold(
        r#"
        http#1 GET /mcp
        http#1 200 stream
        http#2 GET /other
        http#3 POST /mcp
        client#3 {"id":1,"method":"tools/call","params":{"name":"add"}}
        http#3 200 stream
        client {"id":2,"method":"ping"}
        http#4 GET /mcp
        http#4 405
        http#4 end
        "#,
    );
    traffic.cut_off();
    consistent(&traffic);
    assert_eq!(
        listing(&traffic),
        "client · GET · /mcp · 200 OK, the capture ends here · lost [1]\n\
         client · GET · /other · no response, the capture ends here · lost [3]\n\
         client · tools/call · add · the capture ends here · lost [5]\n\
         client · ping · the capture ends here · lost [7]\n\
         client · GET · /mcp · 405 Method Not Allowed · ok [8]\n"
    );
    let cut_off = |row| traffic.http(row).unwrap().cut_off;
    assert_eq!([0, 1, 2, 4].map(cut_off), [true, true, true, false]);
    assert_eq!(
        traffic.sessions()[0].ended.as_deref(),
        Some("the capture ends here")
    );
    // Somebody wrote on all the same.
    for record in &records("closed\nhttp#1 end\nserver#3 {\"id\":1,\"result\":{}}")[1..] {
        traffic.apply(digest(record));
    }
    consistent(&traffic);
    assert_eq!(traffic.row(0).unwrap().status, Status::Ok);
    assert_eq!(traffic.row(2).unwrap().status, Status::Ok);
    assert!(!traffic.http(0).unwrap().cut_off);
}

#[test]
fn what_was_refused_at_the_door_is_of_no_session() {
    let traffic = fold(
        r#"
        http#1@0 POST /mcp
        http#1@0 403
        http#1@0 end
        note@0 refused POST /mcp with 403
        http#2 POST /mcp
        client#2 {"id":0,"method":"initialize"}
        "#,
    );
    let sessions: Vec<u32> = traffic.sessions().iter().map(|it| it.id).collect();
    assert_eq!(sessions, [1]);
    assert_eq!(
        listing(&traffic),
        "client · POST · /mcp · 403 Forbidden · error [2]\n\
         sentinel · note · refused POST /mcp with 403 [4]\n\
         client · initialize · pending [6]\n"
    );
}

#[test]
fn the_filter_finds_path_status_and_method() {
    use crate::traffic::view::{Filter, View};
    let traffic = fold(
        r#"
        http#1 POST /mcp
        client#1 {"id":1,"method":"ping"}
        http#1 202
        http#2 DELETE /mcp
        http#2 204
        "#,
    );
    let found = |text| {
        let mut view = View::default();
        view.set_filter(&traffic, Filter::parse(text));
        super::shown(&view, &traffic)
    };
    assert_eq!(found("202"), ["0:0"]);
    assert_eq!(found("delete"), ["0:1"]);
    assert_eq!(found("/mcp"), ["0:0", "0:1"]);
    assert_eq!(found("post /mcp"), ["0:0"]);
}

#[test]
fn an_error_that_no_request_is_refused_with_is_what_its_exchange_says() {
    check(
        r#"
        http#1 GET /mcp
        http#1 400
        server#1 {"id":null,"error":{"code":-32600,"message":"no session"}}
        http#1 end
        http#2 POST /mcp
        http#2 400
        server#2 {"id":null,"error":{"code":-32700,"message":"Parse error"}}
        http#2 end
        http#3 POST /mcp
        client#3 {"method":"notifications/initialized"}
        http#3 400
        server#3 {"id":"server-error","error":{"code":-32600,"message":"no session"}}
        http#3 end
        http#4 POST /mcp
        client#4 {"id":1,"method":"tools/list"}
        http#4 400
        server#4 {"id":"server-error","error":{"code":-32600,"message":"no session"}}
        http#4 end
        "#,
        r#"
        client · GET · /mcp · -32600 no session · error [1 3]
        client · POST · /mcp · -32700 Parse error · error [6 7]
        client · notifications/initialized · -32600 no session · error [10 12]
        client · tools/list · -32600 no session · error [15 17]
        "#,
    );
}

#[test]
fn an_error_without_an_id_on_a_stream_stands_under_it() {
    check(
        r#"
        http#1 GET /mcp
        http#1 200 stream
        server#1 {"id":null,"error":{"code":-32600,"message":"no session"}}
        "#,
        r#"
        client · GET · /mcp · streaming [1]
          server · unknown answer · -32600 no session [3]
        "#,
    );
}

#[test]
fn a_subscription_whose_stream_the_server_ends_lost_nothing() {
    let listen = r#"
        client#1 {"id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}}}
        http#1 200 stream
        "#;
    let taken_on = r#"server#1 {"method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}
        "#;
    let traffic = fold(&format!("{listen}{taken_on}http#1 end"));
    assert_eq!(traffic.row(0).unwrap().status, Status::Cancelled);
    assert_eq!(traffic.counters().unanswered, 0);
    assert_eq!(traffic.stats("subscriptions/listen", "").unanswered, 0);
    consistent(&traffic);
    let traffic = fold(&format!("{listen}http#1 end"));
    assert_eq!(traffic.row(0).unwrap().status, Status::Lost);
}

#[test]
fn what_a_bridge_tells_of_a_body_when_it_is_over_belongs_to_its_exchange() {
    check(
        r#"
        http#1 BRIDGED /messages
        client#1 {"id":7,"method":"tools/list"}
        http#1 asked
        http#1 202
        http#1 end
        http#1 body Accepted
        server#2 {"id":7,"result":{"tools":[]}}
        http#3 DELETE /mcp
        http#3 asked
        http#3 405
        http#3 end
        http#3 body no
        "#,
        r#"
        client · tools/list · 0 tools · ok [2 7]
        client · DELETE · /mcp · 405 Method Not Allowed · ok [8]
        "#,
    );
}
