//! Whatever goes wrong, what one request failed with is one error, to the recorder and to who reads its capture.

mod refused;

use super::counts::{Counted, both, counted};
use super::http::{body, end, headers, http};
use super::*;
use ::http::{Method, StatusCode};
use mcp_sentinel::tap::{ASKED_AGAIN, ExchangeId, Half, Http, Request, Response, Via};

/// A story, an event a line: who, and what. `#1` behind who is the HTTP exchange that carried it, `>operator` to whom
/// it went. Of an exchange: `POST`, by the `client` or who else is said, of a `bridge`'s making; `sends` and `answers`
/// with a body; a status, with the kind of body; `end`, or `again`. Messages lack `jsonrpc`, to be short.
fn told(story: &str) -> Counted {
    let lines = story.lines().map(str::trim).filter(|line| !line.is_empty());
    counted(lines.flat_map(events))
}

fn events(line: &str) -> Vec<Event> {
    let (who, what) = line.split_once(' ').unwrap();
    let (who, exchange) = who.split_once('#').unwrap_or((who, ""));
    let exchange = exchange.parse().unwrap_or(0);
    if who == "http" {
        return of_exchange(exchange, what);
    }
    let (from, to) = who.split_once('>').unwrap_or((who, ""));
    let from = party(from);
    let to = match (to, from) {
        ("", Party::Server | Party::Sentinel) => Party::Client,
        ("", _) => Party::Server,
        (to, _) => party(to),
    };
    vec![event(Body::Line {
        from,
        to,
        bytes: whole(what).into(),
        replay_of: None,
        via: (exchange > 0).then(|| Box::new(Via::body(ExchangeId(exchange)))),
    })]
}

fn party(word: &str) -> Party {
    match word {
        "client" => Party::Client,
        "server" => Party::Server,
        "operator" => Party::Operator,
        _ => Party::Sentinel,
    }
}

fn whole(message: &str) -> String {
    message
        .replace("{\"id\"", "{\"jsonrpc\":\"2.0\",\"id\"")
        .replace("{\"method\"", "{\"jsonrpc\":\"2.0\",\"method\"")
}

fn of_exchange(id: u64, what: &str) -> Vec<Event> {
    let (word, rest) = what.split_once(' ').unwrap_or((what, ""));
    let kind = match rest {
        "json" => &[("content-type", "application/json")][..],
        "stream" => &[("content-type", "text/event-stream")],
        _ => &[],
    };
    let broken = |why: &str| Http::End {
        of: Half::Response,
        bytes: None,
        broken: Some(why.to_owned()),
    };
    match word {
        "sends" => vec![body(id, Half::Request, whole(rest)), end(id, Half::Request)],
        "asked" => vec![end(id, Half::Request)],
        "answers" => vec![body(id, Half::Response, whole(rest))],
        "end" if rest.is_empty() => vec![end(id, Half::Response)],
        "end" => vec![http(id, broken(rest))],
        "again" => vec![http(id, broken(ASKED_AGAIN))],
        _ if word.starts_with(|it: char| it.is_ascii_digit()) => {
            let status = StatusCode::from_bytes(word.as_bytes()).unwrap();
            let head = Response::new(Party::Server, status, &headers(kind));
            vec![http(id, Http::Response(head))]
        }
        method => {
            let by = match rest {
                "" | "bridge" => Party::Client,
                by => party(by.split(' ').next().unwrap()),
            };
            let headers = match rest.ends_with("bridge") {
                true => headers(&[]),
                false => headers(&[("content-type", "application/json")]),
            };
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let head = Request::new(by, method, "/mcp", &headers);
            vec![http(id, Http::Request(head))]
        }
    }
}

/// The client cancels a request while its exchange, the first, is under way, which then fails.
fn cancelled_and_refused(id: u32) -> String {
    format!(
        r#"
        http#2 POST
        http#2 sends {{"method":"notifications/cancelled","params":{{"requestId":{id}}}}}
        http#2 202
        http#2 end
        http#1 500
        http#1 end
        "#
    )
}

#[track_caller]
fn check(messages: u64, errors: u64, story: &str) {
    assert_eq!(told(story), both(messages, errors), "{story}");
}

#[test]
fn an_error_that_was_answered_is_one_whoever_asked() {
    check(
        6,
        3,
        r#"
        client {"id":1,"method":"tools/call"}
        server {"id":1,"error":{"code":-32602,"message":""}}
        client {"id":2,"method":"tools/call"}
        server {"id":2,"result":{"isError":true}}
        server {"id":1,"method":"roots/list"}
        client {"id":1,"error":{"code":-32601,"message":""}}
        "#,
    );
    check(
        4,
        2,
        r#"
        operator {"id":"mcpx-1","method":"tools/call"}
        server>operator {"id":"mcpx-1","error":{"code":-32602,"message":""}}
        operator {"id":"mcpx-2","method":"tools/call"}
        server>operator {"id":"mcpx-2","result":{"isError":true}}
        "#,
    );
    // What nobody asked for, and what comes twice, somebody got all the same.
    check(
        4,
        3,
        r#"
        client {"id":1,"method":"x"}
        server {"id":7,"error":{"code":-1,"message":""}}
        server {"id":1,"error":{"code":-1,"message":""}}
        server {"id":1,"error":{"code":-1,"message":""}}
        "#,
    );
}

#[test]
fn what_was_cancelled_or_discovered_may_be_answered_by_an_error() {
    check(
        1,
        0,
        r#"
        http#1 POST
        client#1 {"id":1,"method":"tools/call"}
        http#1 asked
        sentinel>server#1 {"method":"notifications/cancelled","params":{"requestId":1}}
        http#1 400
        http#1 end
        "#,
    );
    for (code, errors) in [("-32800", 0), ("0", 0)] {
        let story = format!(
            r#"
            client {{"id":1,"method":"tools/call"}}
            client {{"method":"notifications/cancelled","params":{{"requestId":1}}}}
            server {{"id":1,"error":{{"code":{code},"message":"Request cancelled"}}}}
            "#
        );
        check(3, errors, &story);
    }
    // It is of the other side that the cancelled id is.
    check(
        5,
        1,
        r#"
        client {"id":1,"method":"tools/call"}
        server {"id":1,"method":"roots/list"}
        client {"method":"notifications/cancelled","params":{"requestId":1}}
        client {"id":1,"error":{"code":-1,"message":"no roots"}}
        server {"id":1,"error":{"code":-32800,"message":""}}
        "#,
    );
    check(
        3,
        1,
        r#"
        client {"id":1,"method":"tools/call"}
        client {"method":"notifications/cancelled","params":{"requestId":1}}
        server {"id":1,"result":{"isError":true}}
        "#,
    );
    // Over HTTP the cancellation goes another way than what it cancels.
    check(
        3,
        0,
        r#"
        http#1 POST
        http#1 sends {"id":1,"method":"tools/call"}
        http#1 200 json
        http#2 POST
        http#2 sends {"method":"notifications/cancelled","params":{"requestId":1}}
        http#2 202
        http#2 end
        http#1 answers {"id":1,"error":{"code":-32800,"message":"cancelled"}}
        http#1 end
        "#,
    );
    for (cancelled, errors) in [(1, 0), (2, 1)] {
        for sends in ["http#1 sends", "client#1"] {
            let story = format!(
                r#"
                http#1 POST
                {sends} {{"id":1,"method":"tools/call"}}
                http#1 asked
                "#
            );
            check(2, errors, &(story + &cancelled_and_refused(cancelled)));
        }
    }
    for id in ["7", "null", "\"server-error\""] {
        let story = format!(
            r#"
            http#1 POST
            http#1 sends {{"id":7,"method":"server/discover"}}
            http#1 400 json
            http#1 answers {{"id":{id},"error":{{"code":-32000,"message":"no session"}}}}
            http#1 end
            "#
        );
        check(2, 0, &story);
    }
}

#[test]
fn of_a_batch_only_what_was_not_cancelled_has_failed() {
    for (cancelled, errors) in [(1, 1), (3, 2)] {
        let story = r#"
            http#1 POST
            http#1 sends [{"id":1,"method":"a"},{"id":2,"method":"b"}]
            "#;
        check(
            3,
            errors,
            &(story.to_owned() + &cancelled_and_refused(cancelled)),
        );
    }
    check(
        5,
        1,
        r#"
        client [{"id":1,"method":"a"},{"id":2,"method":"b"}]
        client [{"method":"notifications/cancelled","params":{"requestId":1}}]
        server [{"id":1,"error":{"code":-1,"message":"cancelled"}},{"id":2,"error":{"code":-1,"message":""}}]
        "#,
    );
}

#[test]
fn however_many_are_cancelled_at_once_none_has_failed() {
    let all = |line: &str| -> String {
        (0..100)
            .map(|id| line.replace("$", &id.to_string()))
            .collect()
    };
    let asked = all("client {\"id\":$,\"method\":\"tools/call\"}\n");
    let cancelled =
        all("client {\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":$}}\n");
    let confirmed = all("server {\"id\":$,\"error\":{\"code\":0,\"message\":\"cancelled\"}}\n");
    check(300, 0, &[asked, cancelled, confirmed].concat());
}
