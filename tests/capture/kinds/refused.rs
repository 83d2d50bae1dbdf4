//! What HTTP refuses, and what bridges are refused, counted once.

use super::*;

#[test]
fn what_http_refuses_is_one_error_however_the_server_says_so() {
    for id in ["1", "null", "\"server-error\""] {
        let story = format!(
            r#"
            http#1 POST
            http#1 sends {{"id":1,"method":"tools/call"}}
            http#1 400 json
            http#1 answers {{"id":{id},"error":{{"code":-32000,"message":"no session"}}}}
            http#1 end
            http#2 POST
            http#2 sends {{"method":"notifications/x"}}
            http#2 500 json
            http#2 answers {{"id":null,"error":{{"code":-32000,"message":"no session"}}}}
            http#2 end
            "#
        );
        check(4, 2, &story);
    }
    check(
        3,
        2,
        r#"
        http#1 POST
        http#1 sends [{"id":1,"method":"a"},{"id":2,"method":"b"}]
        http#1 400 json
        http#1 answers {"id":null,"error":{"code":-32600,"message":"no batches"}}
        http#1 end
        "#,
    );
    for (third, errors) in [("", 2), (r#",{"id":3,"method":"c"}"#, 3)] {
        let story = format!(
            r#"
            http#1 POST
            http#1 sends [{{"id":1,"method":"a"}},{{"id":2,"method":"b"}}{third}]
            http#1 400 json
            http#1 answers [{{"id":null,"error":{{"code":-1,"message":"no"}}}},{{"id":null,"error":{{"code":-1,"message":"no"}}}}]
            http#1 end
            "#
        );
        check(2 + errors, errors, &story);
    }
    // What could not be read, and the client's answer to a request of the server's.
    for (status, sent) in [
        (400, "{broken"),
        (500, "{broken"),
        (400, r#"{"id":1,"result":{}}"#),
        (500, r#"{"id":1,"result":{}}"#),
    ] {
        let story = format!(
            r#"
            http#1 POST
            http#1 sends {sent}
            http#1 {status} json
            http#1 answers {{"id":null,"error":{{"code":-32700,"message":"Parse error"}}}}
            http#1 end
            "#
        );
        check(1 + u64::from(!sent.ends_with("broken")), 1, &story);
    }
}

#[test]
fn a_refusal_of_what_carries_no_message_is_an_error_when_the_server_fails() {
    for method in ["GET", "DELETE"] {
        for (status, errors) in [(405, 0), (404, 0), (503, 1)] {
            let story = format!(
                r#"
                http#1 {method}
                http#1 asked
                http#1 {status} json
                http#1 answers {{"id":null,"error":{{"code":-32000,"message":"Method not allowed."}}}}
                http#1 end
                http#2 {method}
                http#2 asked
                http#2 {status}
                sentinel#2 {{"id":null,"error":{{"code":-32603,"message":"mcp-sentinel: no"}}}}
                http#2 end
                "#
            );
            check(1, errors * 2, &story);
        }
    }
    // On a stream that was opened, it is one.
    check(
        1,
        1,
        r#"
        http#1 GET
        http#1 asked
        http#1 200 json
        http#1 answers {"id":null,"error":{"code":-32000,"message":"gone"}}
        http#1 end
        "#,
    );
}

#[test]
fn what_a_bridge_is_refused_is_told_by_its_own_answer() {
    for said in [
        r#"server>sentinel#1 {"id":null,"error":{"code":-32000,"message":"no session"}}"#,
        r#"server>sentinel#1 {"id":"r","error":{"code":-32001,"message":"no session"}}"#,
        "",
    ] {
        let story = format!(
            r#"
            http#1 POST bridge
            client#1 {{"id":"r","method":"tools/call"}}
            http#1 asked
            http#1 500
            http#1 end
            {said}
            sentinel#1 {{"id":"r","error":{{"code":-32603,"message":"mcp-sentinel: 500"}}}}
            "#
        );
        check(1 + u64::from(!said.is_empty()), 1, &story);
    }
    // Begun anew, it goes on.
    check(
        4,
        0,
        r#"
        http#1 POST bridge
        client#1 {"id":1,"method":"tools/call"}
        http#1 asked
        http#1 404
        http#1 end
        server>sentinel#1 {"id":1,"error":{"code":-32001,"message":"no session"}}
        http#2 POST sentinel bridge
        sentinel>server#2 {"id":0,"method":"initialize"}
        http#2 asked
        http#2 200
        http#2 end
        server>sentinel#2 {"id":0,"result":{}}
        http#3 POST sentinel bridge
        http#3 asked
        http#3 200
        http#3 end
        server#3 {"id":1,"result":{}}
        "#,
    );
    // A server that is away, and a line that is no message.
    check(
        2,
        1,
        r#"
        http#1 POST bridge
        client#1 {"id":1,"method":"tools/call"}
        http#1 asked
        http#1 end Connection refused
        sentinel#1 {"id":1,"error":{"code":-32603,"message":"mcp-sentinel: away"}}
        http#2 POST bridge
        client#2 no message
        http#2 asked
        http#2 500
        http#2 end
        "#,
    );
}

#[test]
fn a_notification_that_a_bridge_is_refused_is_one_error() {
    for said in [
        r#"server>sentinel#1 {"id":null,"error":{"code":-32000,"message":"no"}}"#,
        "",
    ] {
        for status in [400, 500] {
            let story = format!(
                r#"
                http#1 POST bridge
                client#1 {{"method":"notifications/x"}}
                http#1 asked
                http#1 {status}
                http#1 end
                {said}
                "#
            );
            check(1 + u64::from(!said.is_empty()), 1, &story);
        }
    }
    // Sent again, it has arrived.
    check(
        1,
        0,
        r#"
        http#1 POST bridge
        client#1 {"method":"notifications/x"}
        http#1 asked
        http#1 404
        http#1 again
        http#2 POST sentinel bridge
        http#2 asked
        http#2 202
        http#2 end
        "#,
    );
    // The batch's request has an answer of the bridge's own.
    check(
        2,
        2,
        r#"
        http#1 POST bridge
        client#1 [{"id":1,"method":"a"},{"method":"notifications/x"}]
        http#1 asked
        http#1 500
        http#1 end
        sentinel#1 {"id":1,"error":{"code":-32603,"message":"mcp-sentinel: 500"}}
        "#,
    );
}

#[test]
fn a_notification_that_a_bridge_is_refused_again_and_again_is_one_error() {
    let notification = r#"
        http#1 POST bridge
        client#1 {"method":"notifications/x"}
        http#1 asked
        http#1 404
        "#;
    let again = |number: u64, comes: &str| {
        format!("http#{number} POST sentinel bridge\nhttp#{number} asked\nhttp#{number} {comes}\n")
    };
    let refused = |number| again(number, &format!("404\nhttp#{number} end"));
    let again_404 = |number| again(number, &format!("404\nhttp#{number} again"));
    let (first, second) = (refused(2), again_404(2));
    check(1, 1, &format!("{notification}http#1 again\n{first}"));
    let third = refused(3);
    let thrice = format!("{notification}http#1 again\n{second}{third}");
    check(1, 1, &thrice);
    // The session is begun anew meanwhile, in an exchange that says itself what it is about.
    let handshake = r#"
        http#5 POST sentinel bridge
        sentinel>server#5 {"id":0,"method":"initialize"}
        http#5 asked
        http#5 200
        http#5 end
        "#;
    let anew = format!("{notification}{handshake}http#1 again\n{first}");
    check(1, 1, &anew);
    // What the bridge answers itself is told by its answer, and which is which by their order.
    let request = r#"
        http#4 POST bridge
        client#4 {"id":4,"method":"x"}
        http#4 asked
        http#4 404
        http#4 again
        "#;
    let answer = r#"sentinel#4 {"id":4,"error":{"code":-32603,"message":"mcp-sentinel: 404"}}"#;
    check(1, 1, &format!("{request}{first}{answer}"));
    let taken = again(2, "202\nhttp#2 end");
    let both = format!("{request}{notification}http#1 again\n{taken}{third}");
    check(2, 1, &both);
    let both = format!("{notification}http#1 again\n{request}{taken}{third}{answer}");
    check(2, 1, &both);
}

#[test]
fn a_response_that_ends_twice_has_failed_once() {
    for (sends, messages) in [
        (
            "http#1 POST\nhttp#1 sends {\"method\":\"notifications/x\"}",
            1,
        ),
        ("http#1 POST\nhttp#1 sends {\"id\":1,\"method\":\"x\"}", 1),
        ("http#1 POST\nhttp#1 sends {\"id\":1,\"result\":{}}", 1),
        ("http#1 GET\nhttp#1 asked", 0),
    ] {
        check(
            messages,
            1,
            &format!("{sends}\nhttp#1 500\nhttp#1 end\nhttp#1 end"),
        );
    }
}

#[test]
fn what_a_bridge_to_a_process_refuses_is_one_error() {
    check(
        2,
        2,
        r#"
        http#1 POST
        client#1 {"id":0,"method":"initialize"}
        http#1 asked
        http#1 503 json
        sentinel#1 {"id":0,"error":{"code":-32603,"message":"mcp-sentinel: too many"}}
        http#1 end
        http#2 POST
        client#2 {"method":"notifications/initialized"}
        http#2 asked
        http#2 404 json
        sentinel#2 {"id":null,"error":{"code":-32603,"message":"mcp-sentinel: no session"}}
        http#2 end
        "#,
    );
    // The answer may be told of before the response.
    check(
        2,
        1,
        r#"
        http#1 POST
        client#1 {"id":1,"method":"tools/call"}
        http#1 asked
        server#1 {"id":1,"error":{"code":-32602,"message":""}}
        http#1 400 json
        http#1 end
        "#,
    );
}

#[test]
fn what_the_operator_was_refused_is_one_error() {
    check(
        1,
        1,
        r#"
        http#1 POST operator
        operator#1 {"id":"mcpx-1","method":"tools/call"}
        http#1 asked
        http#1 401
        http#1 end
        "#,
    );
    check(
        2,
        1,
        r#"
        http#1 POST operator
        operator#1 {"id":"mcpx-1","method":"tools/call"}
        http#1 asked
        http#1 400
        server>operator#1 {"id":"mcpx-1","error":{"code":-32602,"message":""}}
        http#1 end
        "#,
    );
}

#[test]
fn what_is_asked_again_has_failed_when_that_has() {
    let asked = r#"
        http#1 POST
        http#1 sends {"id":1,"method":"tools/call"}
        http#1 401
        http#1 again
        http#2 POST sentinel
        http#2 asked
        "#;
    for (messages, errors, answer) in [
        (2, 0, "200 json\nhttp#2 answers {\"id\":1,\"result\":{}}"),
        (1, 1, "401 text"),
        (1, 1, "503 text"),
        (
            2,
            1,
            "400 json\nhttp#2 answers {\"id\":1,\"error\":{\"code\":-1,\"message\":\"\"}}",
        ),
        (
            2,
            1,
            "400 json\nhttp#2 answers {\"id\":null,\"error\":{\"code\":-1,\"message\":\"\"}}",
        ),
    ] {
        let story = format!("{asked}http#2 {answer}\nhttp#2 end");
        check(messages, errors, &story);
    }
    for (status, errors) in [(202, 0), (401, 1)] {
        let story = format!(
            r#"
            http#1 POST
            http#1 sends {{"method":"notifications/x"}}
            http#1 401
            http#1 again
            http#2 POST sentinel
            http#2 asked
            http#2 {status}
            http#2 end
            "#
        );
        check(1, errors, &story);
    }
}

#[test]
fn what_we_ask_of_our_own_accord_fails_for_nobody() {
    for (status, said) in [
        ("401", ""),
        ("503", ""),
        (
            "400",
            r#"server>sentinel#1 {"id":"mcpx-1","error":{"code":-1,"message":""}}"#,
        ),
    ] {
        for of in ["sentinel", "sentinel bridge"] {
            let story = format!(
                r#"
                http#1 POST {of}
                sentinel>server#1 {{"id":"mcpx-1","method":"tools/list"}}
                http#1 asked
                http#1 {status}
                {said}
                http#1 end
                http#2 GET {of}
                http#2 asked
                http#2 {status}
                http#2 end
                "#
            );
            check(u64::from(!said.is_empty()), 0, &story);
        }
    }
}

#[test]
fn what_is_not_answered_is_no_error() {
    check(
        4,
        0,
        r#"
        http#1 POST
        http#1 sends {"id":1,"method":"tools/call"}
        http#1 200 text
        http#1 answers <html>
        http#1 end
        http#2 POST
        http#2 sends {"id":2,"method":"tools/call"}
        http#2 200 stream
        http#2 end Connection reset
        http#3 POST
        http#3 sends {"id":3,"method":"tools/call"}
        http#3 end Connection refused
        http#4 POST
        http#4 sends {"id":4,"method":"tools/call"}
        http#4 200 stream
        http#4 end the client went away
        "#,
    );
}
