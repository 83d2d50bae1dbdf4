//! What a bridge between stdio and HTTP tells, before or after what it is about.

use super::*;

#[test]
fn a_bridge_tells_the_answer_after_the_exchange_or_before_it() {
    let traffic = fold(
        r#"
        http#1 POST /mcp
        client#1 {"id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":1}}}
        http#1 asked
        http#1 200
        http#1 end
        server#1 {"id":1,"result":{"content":[{"type":"text","text":"after"}]}}
        http#2 POST /mcp
        client#2 {"id":2,"method":"tools/call","params":{"name":"a","arguments":{"x":2}}}
        http#2 asked
        server#2 {"id":2,"result":{"content":[{"type":"text","text":"before"}]}}
        http#2 200
        http#2 end
        http#3 POST /mcp
        client#3 {"id":3,"method":"tools/call","params":{"name":"a","arguments":{"x":3}}}
        http#3 asked
        http#3 502
        http#3 end
        sentinel#3>client {"id":3,"error":{"code":-32603,"message":"mcp-sentinel: 502"}}
        http#4 POST /mcp
        client#4 {"id":4,"method":"tools/call","params":{"name":"a","arguments":{"x":4}}}
        http#4 asked
        http#4 503
        http#4 end
        server#99 {"method":"notifications/message","params":{"level":"info","data":"of an unknown exchange"}}
        "#,
    );
    assert_eq!(
        listing(&traffic),
        "client · tools/call · a · x=1 · ok [2 6]\n\
         client · tools/call · a · x=2 · ok [8 10]\n\
         client · tools/call · a · x=3 → -32603 mcp-sentinel: 502 · error [14 18]\n\
         client · tools/call · a · x=4 · error [20]\n\
         server · notifications/message · info of an unknown exchange [24]\n"
    );
    consistent(&traffic);
    assert_eq!(traffic.counters().errors, 2);
    let stats = traffic.stats("tools/call", "a");
    assert_eq!((stats.ok, stats.errors, stats.pending), (2, 2, 0));
    assert_eq!(
        traffic.row(3).unwrap().outcome,
        "HTTP 503 Service Unavailable"
    );
}

#[test]
fn pages_and_rounds_that_a_bridge_tells_late_are_still_linked() {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let late = |exchange: u32, asks: &str, answer: &str| {
        format!(
            "client#{exchange} {asks}\nhttp#{exchange} 200\nhttp#{exchange} end\nserver#{exchange} {answer}\n"
        )
    };
    let traffic = fold(
        &[
            late(1, r#"{"id":1,"method":"tools/list"}"#, r#"{"id":1,"result":{"tools":[{"name":"a"}],"nextCursor":"2"}}"#),
            late(2, r#"{"id":2,"method":"tools/list","params":{"cursor":"2"}}"#, r#"{"id":2,"result":{"tools":[{"name":"b"}]}}"#),
            late(
                3,
                &format!(r#"{{"id":3,"method":"tools/call","params":{{"name":"a",{meta}}}}}"#),
                r#"{"id":3,"result":{"resultType":"input_required","requestState":"s"}}"#,
            ),
            format!(r#"client#4 {{"id":4,"method":"tools/call","params":{{"name":"a","requestState":"s",{meta}}}}}"#),
        ]
        .concat(),
    );
    let tools = &traffic.inventory().tools.items;
    assert_eq!(tools.len(), 2);
    assert_eq!(traffic.row(3).unwrap().parent, Some(2));
    consistent(&traffic);
}

#[test]
fn what_a_bridge_sent_on_waits_for_what_the_bridge_tells() {
    let story = r#"
        http#1 BRIDGED /mcp
        client#1 {"id":1,"method":"tools/list"}
        http#1 502
        http#1 end
        "#;
    assert_eq!(listing(&fold(story)), "client · tools/list · pending [2]\n");
    check(
        &format!(
            "{story}\nsentinel#1>client {{\"id\":1,\"error\":{{\"code\":-32603,\"message\":\"mcp-sentinel: 502\"}}}}"
        ),
        "client · tools/list · -32603 mcp-sentinel: 502 · error [2 5]",
    );
}

#[test]
fn a_round_that_is_told_late_says_its_outcome_once() {
    let call = r#""method":"tools/call","params":{"name":"t","arguments":{"n":1},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let traffic = fold(&format!(
        r#"
        client#1 {{"id":1,{call}}}}}
        server#1 {{"id":1,"result":{{"resultType":"input_required","requestState":"s"}}}}
        http#1 end
        client#2 {{"id":2,{call},"requestState":"s","inputResponses":{{}}}}}}
        http#2 500
        http#2 end
        server#2 {{"id":2,"error":{{"code":-32603,"message":"broke"}}}}
        "#
    ));
    let call = traffic.row(0).unwrap();
    assert_eq!((call.rounds, call.summary), (2, "n=1 → -32603 broke"));
    consistent(&traffic);
}
