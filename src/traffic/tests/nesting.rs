//! What is nested under what: questions of the server's, rounds of a call, what comes of a subscription.

use super::{check, consistent, fold};
use crate::traffic::{Status, Traffic};

#[test]
fn a_subscription_has_its_acknowledgement_inside_and_may_be_cancelled_by_the_server() {
    check(
        r#"
        client {"id":5,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["a:b","a:c"]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        server {"method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/subscriptionId":5}}}
        server {"method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":5}}}
        server {"method":"notifications/cancelled","params":{"requestId":5}}
        "#,
        "
        client · subscriptions/listen · toolsListChanged, 2 resourceSubscriptions · cancelled [1 4]
          server · notifications/subscriptions/acknowledged · toolsListChanged [2]
          server · notifications/tools/list_changed [3]
        ",
    );
}

#[test]
fn a_subscription_that_was_taken_on_is_no_call_that_hangs() {
    let story = r#"
        opened@1 client
        client@1 {"id":"s","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}}}
        "#;
    let taken_on = format!(
        r#"{story}server@1 {{"method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":"s"}}}}}}
        "#
    );
    let status = |traffic: &Traffic| traffic.row(1).unwrap().status;
    let asked = fold(story);
    assert_eq!(
        (status(&asked), asked.counters().pending),
        (Status::Pending, 1)
    );

    let traffic = fold(&taken_on);
    let counters = traffic.counters();
    assert_eq!((counters.pending, counters.streams), (0, 1));
    assert_eq!(status(&traffic), Status::Streaming);
    assert!(!traffic.has_call_under_way());
    consistent(&traffic);

    let answered = fold(&format!(
        "{taken_on}server@1 {{\"id\":\"s\",\"result\":{{}}}}"
    ));
    assert_eq!(status(&answered), Status::Ok);
    let over = fold(&format!("{taken_on}closed@1 client left"));
    assert_eq!(status(&over), Status::Cancelled);
    consistent(&over);
}

#[test]
fn a_request_of_the_servers_nests_under_the_only_call_in_flight() {
    check(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"ask"}}
        server {"id":1,"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"text","text":"Summarize this"}}]}}
        server {"id":2,"method":"elicitation/create","params":{"message":"Your name?"}}
        client {"id":2,"result":{"action":"decline"}}
        client {"id":1,"result":{"role":"assistant","model":"m","content":{"type":"text","text":"Short."}}}
        server {"id":1,"result":{"content":[]}}
        server {"id":3,"method":"roots/list"}
        "#,
        r#"
        client · tools/call · ask · empty · ok [1 6]
          server · sampling/createMessage · "Summarize this" · ok [2 5]
          server · elicitation/create · Your name? · declined [3 4]
        server · roots/list · pending [7]
        "#,
    );
}

#[test]
fn of_several_calls_the_only_one_that_may_ask_back_is_the_cause() {
    check(
        r#"
        client {"id":1,"method":"tools/list"}
        client {"id":2,"method":"tools/call","params":{"name":"ask"}}
        server {"id":1,"method":"elicitation/create","params":{"message":"Sure?"}}
        "#,
        "
        client · tools/list · pending [1]
        client · tools/call · ask · pending [2]
          server · elicitation/create · Sure? · pending [3]
        ",
    );
}

#[test]
fn of_several_that_may_ask_the_only_one_with_progress_is_the_cause() {
    check(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":1}}}
        client {"id":2,"method":"tools/call","params":{"name":"b"}}
        server {"id":1,"method":"roots/list"}
        server {"method":"notifications/progress","params":{"progressToken":1,"progress":1}}
        server {"id":2,"method":"roots/list"}
        "#,
        "
        client · tools/call · a · pending [1 4]
          server · roots/list · pending [5]
        client · tools/call · b · pending [2]
        server · roots/list · pending [3]
        ",
    );
}

#[test]
fn a_related_task_says_what_a_request_belongs_to() {
    check(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"long","task":{"ttl":1000},"_meta":{"progressToken":1}}}
        client {"id":2,"method":"tools/call","params":{"name":"other"}}
        server {"id":1,"result":{"task":{"taskId":"t-1","status":"working"}}}
        server {"id":1,"method":"elicitation/create","params":{"message":"Go on?","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t-1"}}}}
        client {"id":3,"method":"tasks/get","params":{"taskId":"t-1"}}
        server {"method":"notifications/progress","params":{"progressToken":1,"progress":2}}
        "#,
        "
        client · tools/call · long · task t-1 · ok [1 3 6]
          server · elicitation/create · Go on? · pending [4]
          client · tasks/get · t-1 · pending [5]
        client · tools/call · other · pending [2]
        ",
    );
}

#[test]
fn a_retry_nests_under_the_request_whose_questions_it_answers() {
    check(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"book","arguments":{"to":"Oslo"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        server {"id":1,"result":{"resultType":"input_required","inputRequests":{"date":{"method":"elicitation/create","params":{}}},"requestState":"s1"}}
        client {"id":2,"method":"tools/call","params":{"name":"book","arguments":{"to":"Oslo"},"inputResponses":{"date":{"action":"accept"}},"requestState":"s1","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        server {"id":2,"result":{"resultType":"input_required","inputRequests":{"seat":{"method":"elicitation/create","params":{}}},"requestState":"s2"}}
        client {"id":3,"method":"tools/call","params":{"name":"book","arguments":{"to":"Oslo"},"inputResponses":{"seat":{"action":"accept"}},"requestState":"s2","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        server {"id":3,"result":{"resultType":"complete","content":[{"type":"text","text":"booked"}]}}
        "#,
        r#"
        client · tools/call · book · to="Oslo" · ok [1 2]
          client · tools/call · book · answers: accept · input required [3 4]
          client · tools/call · book · answers: accept · ok [5 6]
        "#,
    );
}

#[test]
fn a_call_with_many_rounds_ends_as_the_last_of_them_and_counts_once() {
    let round = |id: u32, more: &str, answer: &str| {
        format!(
            r#"client {{"id":{id},"method":"tools/call","params":{{"name":"book"{more},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}}}}
            server {{"id":{id},"result":{{{answer}}}}}
            "#
        )
    };
    let first = round(
        1,
        "",
        r#""resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"message":"When?"}}},"requestState":"s""#,
    );
    let answers =
        r#","inputResponses":{"k":{"action":"accept","content":{"day":3}}},"requestState":"s""#;
    let second = round(
        2,
        answers,
        r#""isError":true,"content":[{"type":"text","text":"no seat"}]"#,
    );

    let asked = fold(&first);
    let call = asked.row(0).unwrap();
    assert_eq!(
        (call.status, call.outcome, call.rounds),
        (Status::InputRequired, "asks: When?", 0)
    );
    let stats = asked.stats("tools/call", "book");
    assert_eq!((stats.calls, stats.ok, stats.asking), (1, 0, 1));

    let pending = fold(&(first.clone() + second.lines().next().unwrap()));
    let call = pending.row(0).unwrap();
    assert_eq!(
        (call.status, call.took),
        (Status::InputRequired, Some(1000))
    );
    assert_eq!(pending.row(1).unwrap().summary, "answers: day=3");
    assert_eq!(pending.stats("tools/call", "book").pending, 1);

    let over = fold(&(first + &second));
    let call = over.row(0).unwrap();
    assert_eq!(
        (call.status, call.outcome, call.rounds, call.took),
        (Status::ToolError, "no seat", 2, Some(3000))
    );
    assert_eq!(over.final_answer(0), over.row(1).unwrap().answer);
    let stats = over.stats("tools/call", "book");
    assert_eq!(
        (stats.calls, stats.tool_errors, stats.asking, stats.pending),
        (1, 1, 0, 0)
    );
    assert_eq!(over.calls_of("tools/call", "book", 9), [0]);
    assert_eq!(over.counters().errors, 1);
}

#[test]
fn without_a_state_a_retry_is_known_by_its_params() {
    check(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"a","arguments":{"n":1},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        client {"id":2,"method":"tools/call","params":{"name":"a","arguments":{"n":2},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        server {"id":1,"result":{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list"}}}}
        server {"id":2,"result":{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list"}}}}
        client {"id":3,"method":"tools/call","params":{"arguments":{"n":1},"name":"a","inputResponses":{"k":{}},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        client {"id":4,"method":"tools/call","params":{"name":"a","arguments":{"n":1},"inputResponses":{"k":{}},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        client {"id":5,"method":"tools/call","params":{"name":"a","arguments":{"n":3},"inputResponses":{"k":{}},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        "#,
        "
        client · tools/call · a · n=1 · input required [1 3]
          client · tools/call · a · n=1 · pending [5]
          client · tools/call · a · n=1 · pending [6]
        client · tools/call · a · n=2 · input required [2 4]
        client · tools/call · a · n=3 · pending [7]
        ",
    );
}
