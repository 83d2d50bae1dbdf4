//! Rows that are no exchanges, counters, sessions, statistics and summaries.

use super::{check, fold, listing};
use crate::capture::reader::Reader;
use crate::capture::record::{Encoding, Location, Payload, Record};
use crate::tap::{Gap, Party, SessionId, Timestamp};
use crate::traffic::digest::{Content, Messages, digest};
use crate::traffic::{Status, Traffic};
use proptest::prelude::*;

#[test]
fn what_is_no_message_is_shown_as_it_came() {
    check(
        r#"
        opened client
        server Server listening on port 3000
        server {"id":1,"method":"a","result":{}}
        server [1,2
        server "text"
        server []
        server
        stderr warning: deprecated
        gap disk slow
        note the client went away
        damaged unexpected end
        closed
        "#,
        r#"
        sentinel · session opened · client stdio, process 7 [1]
        server · not JSON · Server listening on port 3000 [2]
        server · malformed · {"jsonrpc":"2.0","id":1,"method":"a","result":{}} [3]
        server · not JSON · [1,2 [4]
        server · not JSON-RPC · "text" [5]
        server · not JSON-RPC · [] [6]
        server · blank line [7]
        server · stderr · warning: deprecated [8]
        sentinel · gap · 14 messages not captured (disk slow) [9]
        sentinel · note · the client went away [10]
        sentinel · damaged line · 11: unexpected end [11]
        sentinel · session closed · exit status 0 [12]
        "#,
    );
}

#[test]
fn counters_count_who_sent_what() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"t"}}
        server {"id":1,"result":{"isError":true,"content":[]}}
        operator {"id":2,"method":"ping"}
        server>operator {"id":2,"error":{"code":-32601,"message":"no"}}
        server garbage
        stderr text
        gap no space left on device
        "#,
    );
    let counters = traffic.counters();
    let numbers = [
        counters.messages,
        counters.client_messages,
        counters.server_messages,
        counters.operator_messages,
        counters.errors,
        counters.pending,
        counters.garbage,
        counters.stderr_lines,
        counters.lost,
    ];
    assert_eq!(numbers, [5, 1, 3, 1, 2, 0, 1, 1, 14]);
    assert_eq!(traffic.latest(), Timestamp(7000));
}

#[test]
fn one_error_stands_for_one_request_however_often_the_response_ends() {
    let refused = r#"
        http#1 POST /mcp
        client#1 {"id":1,"method":7}
        http#1 400
        server#1 {"id":null,"error":{"code":-32600,"message":"no"}}
        client#1 {"id":1,"method":"tools/list"}
        http#1 end
        client#1 {"id":2,"method":"tools/list"}
        http#1 end
        "#;
    assert_eq!(fold(refused).counters().errors, 1);
    let answered = format!(
        r#"{refused}
        server#1 {{"id":1,"result":{{}}}}
        server#1 {{"id":2,"result":{{}}}}
        "#
    );
    assert_eq!(fold(&answered).counters().errors, 0);
}

#[test]
fn a_server_that_refuses_to_be_discovered_is_no_error() {
    let traffic = fold(
        r#"
        client {"id":0,"method":"server/discover"}
        server {"id":0,"error":{"code":-32601,"message":"Method not found"}}
        "#,
    );
    assert_eq!(traffic.row(0).unwrap().status, Status::Error);
    assert_eq!(traffic.counters().errors, 0);
}

#[test]
fn a_session_knows_who_speaks_which_version() {
    let traffic = fold(
        r#"
        opened@1 client
        opened@2 operator
        client@1 {"id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{"name":"Inspector","version":"2.12"}}}
        server@1 {"id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}
        operator@2 {"id":0,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"mcp-sentinel","version":"0.1"}}}}
        operator@1 {"id":9,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/clientInfo":{"name":"mcp-sentinel","version":"0.1"}}}}
        "#,
    );
    let [first, second] = traffic.sessions() else {
        panic!("{:?}", traffic.sessions())
    };
    assert_eq!(
        first.client.as_deref(),
        Some("Inspector 2.12"),
        "not the operator beside it"
    );
    assert_eq!(
        first.protocol_version.as_deref(),
        Some("2025-06-18"),
        "what the server settled on"
    );
    assert_eq!(
        (first.modern, first.pid, &*first.by),
        (false, Some(7), "client")
    );
    assert_eq!(second.client.as_deref(), Some("mcp-sentinel 0.1"));
    assert_eq!(
        (second.modern, second.protocol_version.as_deref()),
        (true, Some("2026-07-28"))
    );
}

#[test]
fn a_damaged_line_is_counted_and_has_the_time_of_the_one_before_it() {
    let mut traffic = fold("note here");
    let mut damaged = super::record(2, "damaged unexpected end");
    damaged.at = crate::tap::Timestamp(0);
    traffic.apply(crate::traffic::digest::digest(&damaged));
    assert_eq!(traffic.counters().damaged, 1);
    assert_eq!(traffic.row(1).unwrap().at, traffic.row(0).unwrap().at);
}

#[test]
fn only_a_request_to_the_server_is_a_call_under_way() {
    let asks = r#"server {"id":1,"method":"roots/list"}"#;
    let asked = fold(asks);
    assert!(!asked.has_call_under_way() && asked.has_question_open());
    let calls = r#"client {"id":1,"method":"tools/list"}"#;
    assert!(fold(&format!("{asks}\n{calls}")).has_call_under_way());
    assert!(!fold(calls).has_question_open());
}

#[test]
fn what_the_operators_session_finds_out_by_itself_is_no_call_under_way() {
    let begins = r#"operator {"id":1,"method":"tools/list"}"#;
    assert!(!fold(begins).has_call_under_way());
    let calls = r#"operator {"id":2,"method":"tools/call","params":{"name":"t"}}"#;
    assert!(fold(&format!("{begins}\n{calls}")).has_call_under_way());
}

#[test]
fn a_session_that_is_refused_as_modern_and_then_greets_is_legacy() {
    let traffic = fold(
        r#"
        opened@1 operator
        operator@1 {"id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        server@1 {"id":1,"error":{"code":-32601,"message":"Method not found"}}
        operator@1 {"id":2,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}
        server@1 {"id":2,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}
        "#,
    );
    assert!(!traffic.sessions()[0].modern);
}

#[test]
fn statistics_are_kept_for_each_name() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"t"}}
        server {"id":1,"result":{"content":[]}}
        client {"id":2,"method":"tools/call","params":{"name":"t"}}
        stderr slow
        server {"id":2,"result":{"isError":true,"content":[]}}
        client {"id":3,"method":"tools/call","params":{"name":"t"}}
        client {"id":4,"method":"tools/call","params":{"name":"u"}}
        "#,
    );
    let stats = traffic.stats("tools/call", "t");
    assert_eq!(
        (stats.calls, stats.ok, stats.tool_errors, stats.pending),
        (3, 1, 1, 1)
    );
    assert_eq!((stats.p50, stats.p95), (Some(1000), Some(2000)));
    assert_eq!(traffic.percentile_of(0, 95), Some(2000));
    assert_eq!(traffic.percentile_of(4, 50), None);
    assert_eq!(traffic.calls_of("tools/call", "t", 2), [3, 1]);
    assert_eq!(traffic.stats("tools/call", "never"), Default::default());
}

#[test]
fn summaries_say_what_a_person_would_say() {
    for (message, gist) in [
        (
            r#"{"id":1,"method":"tools/call","params":{"name":"t","arguments":{"s":"two\nlines","n":null,"o":{"x":1},"e":{},"a":[1],"z":[]}}}"#,
            r#"s="two lines" n=null o={…} e={} a=[1 item] z=[]"#,
        ),
        (
            r#"{"id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"lang","value":"py"}}}"#,
            r#"lang="py""#,
        ),
        (
            r#"{"id":1,"method":"tools/list","params":{"cursor":"eyJwYWdlIjoyfQ"}}"#,
            "next page",
        ),
        (
            r#"{"method":"notifications/message","params":{"level":"warning","logger":"db","data":"slow query"}}"#,
            "warning db: slow query",
        ),
        (
            r#"{"method":"notifications/message","params":{"level":"info","data":{"message":"ready","port":1}}}"#,
            "info ready",
        ),
        (
            r#"{"method":"notifications/message","params":{"level":"info","data":{"msg":"a sentence that is longer than any value in a list of arguments","extra":null}}}"#,
            "info a sentence that is longer than any value in a list of arguments",
        ),
        (
            r#"{"method":"notifications/message","params":{"level":"info","data":{"port":1,"tls":true}}}"#,
            "info port=1 tls=true",
        ),
        (
            r#"{"method":"notifications/progress","params":{"progressToken":1,"progress":3,"total":5,"message":"half way"}}"#,
            "3/5 half way",
        ),
        (
            r#"{"method":"x/custom","params":{"a":1,"_meta":{"b":2}}}"#,
            "a=1",
        ),
        (r#"{"method":"x/custom","params":[1,2]}"#, ""),
        (r#"{"id":1,"result":{"tools":[{}]}}"#, "1 tool"),
        (
            r#"{"id":1,"result":{"contents":[{"uri":"a","mimeType":"image/png","blob":""},{"uri":"b","blob":""}]}}"#,
            "image/png and 1 more",
        ),
        (r#"{"id":1,"result":{"messages":[{},{}]}}"#, "2 messages"),
        (
            r#"{"id":1,"result":{"content":[{"type":"text","text":"{\"berths\":[1,2],\"free\":true}"}]}}"#,
            "berths=[2 items] free=true",
        ),
        (
            r#"{"id":1,"result":{"content":[{"type":"text","text":"[info] ready"}]}}"#,
            "[info] ready",
        ),
        (
            r#"{"id":1,"result":{"completion":{"values":["a","b","c"]}}}"#,
            "3 values",
        ),
        (
            r#"{"id":1,"result":{"content":[],"structuredContent":{"result":5}}}"#,
            "result=5",
        ),
        (
            r#"{"id":1,"result":{"supportedVersions":["2026-07-28"],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}}"#,
            "s 1 2026-07-28",
        ),
        (
            r#"{"id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"},"b":{"method":"elicitation/create"}}}}"#,
            "asks: roots/list, elicitation/create",
        ),
        (
            r#"{"id":1,"error":{"code":-32000,"message":"\u001b[2Jboo"}}"#,
            "-32000 �[2Jboo",
        ),
        (r#"{"id":1,"error":"just text"}"#, "just text"),
    ] {
        let record = super::records(&format!("server {message}")).remove(0);
        let Content::Line {
            messages: Messages::One(message),
            ..
        } = digest(&record).content
        else {
            panic!("{message}");
        };
        assert_eq!(&*message.gist, gist);
    }
}

#[test]
fn hostile_names_are_harmless_and_still_found() {
    let name = format!("evil\u{1b}[2J\u{202e}{}", "x".repeat(10_000));
    let escaped = serde_json::to_string(&name).unwrap();
    let traffic = fold(&format!(
        r#"client {{"id":1,"method":"tools/call","params":{{"name":{escaped}}}}}"#
    ));
    let row = traffic.row(0).unwrap();
    assert!(
        row.name.len() < 256
            && !row
                .name
                .contains(|c: char| c.is_control() || c == '\u{202e}')
    );
    assert_eq!(traffic.calls_of("tools/call", &name, 9), [0]);
    assert_eq!(
        traffic.inventory().tools.items[0].name,
        name,
        "exact, to be called again"
    );
}

#[test]
fn an_answer_of_ours_counts_as_the_peers_whom_its_receiver_hears() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"ping"}
        sentinel>client {"id":1,"error":{"code":-32000,"message":"server is gone"}}
        "#,
    );
    assert_eq!(
        listing(&traffic),
        "client · ping · -32000 server is gone · error [1 2]\n"
    );
    assert_eq!(traffic.parts(0)[1].from, Party::Sentinel);
}

#[test]
fn sizes_are_those_of_request_and_answer() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"ping"}
        server {"id":1,"result":{}}
        "#,
    );
    let row = traffic.row(0).unwrap();
    assert_eq!(row.status, Status::Ok);
    assert_eq!(row.size, 40 + 36);
}

#[test]
fn what_a_row_is_made_of_can_be_read_back_from_the_capture() {
    read_back("");
}

#[test]
fn what_somebody_has_put_behind_a_message_is_not_of_it() {
    read_back(r#","later":{"x":1}"#);
    read_back(r#" , "later" : [{}]"#);
}

#[test]
fn a_message_that_is_not_json_is_damage_and_not_its_senders() {
    let broken = |behind: &str| {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let record = format!(
            r#"{{"seq":1,"at":"2026-11-21T00:00:00.000000Z","session":1,"from":"client","message":{call}{behind}}}"#
        );
        let mut traffic = Traffic::default();
        traffic.apply(digest(&crate::capture::reader::line(record.as_bytes())));
        assert_eq!(traffic.counters().garbage, 0);
        traffic.counters().damaged
    };
    for whole in [r#","later":{}"#, " , \"later\":[]", " "] {
        assert_eq!(broken(whole), 0, "{whole}");
    }
    for garbage in [
        ",garbage}",
        ",{}",
        ",\"later\":{]}",
        ",}",
        ".5,\"later\":{}",
    ] {
        assert_eq!(broken(garbage), 1, "{garbage}");
    }
    assert_eq!(broken(&format!(",\"later\":\"{}\"}}", "\0".repeat(40))), 1);
}

/// With this behind each message in its record.
fn read_back(behind: &str) {
    let call =
        r#"{"jsonrpc":"2.0",  "id":1, "method":"tools/call","params":{"name":"t","x":1.50}}"#;
    let batch =
        r#"[{"jsonrpc":"2.0","id":2,"method":"ping"},{"jsonrpc":"2.0","id":3,"method":"ping"}]"#;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let answer = r#"{"jsonrpc":"2.0","id":3,"result":{}}"#;
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut text =
        String::from("{\"capture\":1,\"program\":\"test\",\"started\":\"2026-11-21T00:00:00Z\"}\n");
    for (seq, (from, message)) in [
        ("client", call),
        ("client", batch),
        ("client", cancel),
        ("server", answer),
    ]
    .iter()
    .enumerate()
    {
        let at = format!("2026-11-21T00:00:0{seq}.000000Z");
        text += &format!(
            "{{\"seq\":{seq},\"at\":\"{at}\",\"session\":1,\"from\":\"{from}\",\"message\":{message}{behind}}}\n"
        );
    }
    text += "{\"seq\":4,\"at\":\"2026-11-21T00:00:09.000000Z\",\"session\":1,\"from\":\"server\",\"text\":\"hi \\\"there\\\"\"}\n";
    std::fs::write(file.path(), text).unwrap();

    let mut traffic = Traffic::default();
    let mut reader = Reader::open(file.path()).unwrap();
    assert_eq!(
        reader
            .read(100, |record| traffic.apply(digest(&record)))
            .unwrap(),
        5
    );
    let bodies = reader.bodies().unwrap();
    let parts = |row| -> Vec<String> {
        let parts = traffic.parts(row).into_iter();
        parts
            .map(|part| String::from_utf8(bodies.fetch(part.location).unwrap()).unwrap())
            .collect()
    };
    let (first, second) = batch[1..batch.len() - 1].split_once("},").unwrap();
    assert_eq!(parts(0), [call, cancel]);
    assert_eq!(parts(1), [format!("{first}}}")]);
    assert_eq!(parts(2), [second, answer]);
    assert_eq!(parts(3), ["hi \"there\""]);
    assert_eq!(traffic.row(2).unwrap().took, Some(2_000_000));
}

#[test]
fn a_capture_may_claim_any_number() {
    let mut traffic = Traffic::default();
    let request = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#;
    let answer = br#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let line = |from, bytes: &'static [u8]| Payload::Line {
        from,
        to: None,
        replay_of: Some(u64::MAX),
        via: None,
        terminated: true,
        json: true,
        bytes: bytes.into(),
    };
    let gap = || {
        Payload::Gap(Gap {
            messages: u64::MAX,
            bytes: u64::MAX,
            reason: String::new(),
        })
    };
    let location = Location {
        line: u64::MAX,
        start: u32::MAX,
        len: u32::MAX,
        encoding: Encoding::Base64,
    };
    for (at, payload) in [
        (i64::MIN, line(Party::Client, request)),
        (i64::MAX, line(Party::Server, answer)),
        (0, line(Party::Operator, request)),
        (i64::MIN, line(Party::Server, answer)),
        (0, gap()),
        (0, gap()),
    ] {
        traffic.apply(digest(&Record {
            seq: u64::MAX,
            line_number: u64::MAX,
            at: Timestamp(at),
            session: SessionId(u32::MAX),
            location,
            payload,
        }));
    }
    assert_eq!(traffic.counters().lost, u64::MAX);
    let row = traffic.row(0).unwrap();
    assert_eq!((row.took, row.replay_of), (Some(i64::MAX), None));
    assert_eq!(traffic.row(1).unwrap().took, None);
    super::consistent(&traffic);
}

proptest! {
    #[test]
    fn any_bytes_are_digested(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fold_bytes(bytes);
    }
    #[test]
    fn any_json_like_text_is_digested(
        text in r#"([{}\[\],:" ]|"(method|id|params|result|error|jsonrpc|_meta|progressToken|tools|name|arguments|requestId|content)"|null|true|-?[0-9]{1,3}(\.[0-9])?|"\\u[0-9a-f]{4}"){0,40}"#
    ) {
        fold_bytes(text.into_bytes());
    }
}

fn fold_bytes(bytes: Vec<u8>) {
    let mut traffic = Traffic::default();
    let payload = Payload::Line {
        from: Party::Client,
        to: None,
        replay_of: None,
        via: None,
        terminated: true,
        json: false,
        bytes: bytes.into(),
    };
    let location = Location::default();
    let record = Record {
        seq: 1,
        line_number: 2,
        at: Timestamp(1),
        session: SessionId(1),
        location,
        payload,
    };
    traffic.apply(digest(&record));
    assert!(!traffic.is_empty());
    super::consistent(&traffic);
}

#[test]
fn names_that_only_look_the_same_are_counted_for_themselves() {
    let names = [
        "payment",
        "pay\\u200dment",
        "pay\\u200bment",
        "pay\\ufe0fment",
    ];
    let calls: String = (1..)
        .zip(names)
        .map(|(id, name)| {
            format!("client {{\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"{name}\"}}}}\n")
        })
        .collect();
    let traffic = fold(&calls);
    let shown: Vec<&str> = (0..4).map(|row| traffic.row(row).unwrap().name).collect();
    let marked = "pay\u{fffd}ment";
    assert_eq!(shown, ["payment", marked, marked, marked]);
    for (row, name) in [
        (0, "payment"),
        (1, "pay\u{200d}ment"),
        (2, "pay\u{200b}ment"),
    ] {
        assert_eq!(traffic.stats("tools/call", name).calls, 1, "{name:?}");
        assert_eq!(traffic.calls_of("tools/call", name, 9), [row]);
        assert_eq!(
            (traffic.stats_of(row).calls, traffic.written_name(row)),
            (1, name)
        );
    }
}

#[test]
fn the_size_of_what_is_written_otherwise_is_that_on_the_wire() {
    let sizes = |values: &[&str]| -> Vec<u64> {
        let mut traffic = Traffic::default();
        for (offset, value) in (0..).zip(values) {
            let record =
                format!(r#"{{"seq":1,"at":"2026-11-21T00:00:00.000000Z","session":1,{value}}}"#);
            let mut record = crate::capture::reader::line(record.as_bytes());
            record.location.line = offset;
            traffic.apply(digest(&record));
        }
        let rows = 0..traffic.len();
        rows.map(|row| traffic.row(row).unwrap().size).collect()
    };
    let nothing = format!(r#""from":"server","text":"{}""#, "\\u0000".repeat(100));
    let lines = [
        nothing.as_str(),
        r#""from":"server","base64":"//4=""#,
        r#""stderr":"plain\n""#,
        r#""stderr":"a \"b\"\r\n""#,
        r#""stderr":"prompt> ""#,
        r#""from":"client","text":"{\"jsonrpc\":\"2.0\",\n\"id\":1,\"method\":\"ping\"}""#,
        // Its answer has no row.
        r#""from":"server","text":"{\"jsonrpc\":\"2.0\",\n\"id\":1,\"result\":{}}""#,
    ];
    assert_eq!(sizes(&lines), [100, 2, 6, 7, 8, 41 + 37]);
    // Of a batch, that of the line which its messages share.
    let batch = r#""from":"client","text":"[{\"jsonrpc\":\"2.0\",\"method\":\"a\"},\n{\"jsonrpc\":\"2.0\",\"method\":\"b\"}]""#;
    assert_eq!(sizes(&[batch]), [64, 64]);
}
