use super::*;
use crate::capture::record::Record;

const CAPTURE: &str = r#"{"capture":1,"program":"mcp-sentinel 0","name":"n"}
{"seq":1,"at":"2026-11-21T02:45:01.000000Z","session":1,"opened":{"by":"client","transport":"stdio"}}
{"seq":2,"at":"2026-11-21T02:45:01.001000Z","session":1,"from":"client","message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get-sum","arguments":{"a":2,"b":3}}}}
{"seq":3,"at":"2026-11-21T02:45:01.003000Z","session":1,"from":"server","message":{"jsonrpc":"2.0","id":1,"method":"roots/list"}}
{"seq":4,"at":"2026-11-21T02:45:01.004000Z","session":1,"from":"server","message":{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"5\u001b[2J"}]}}}
{"seq":5,"at":"2026-11-21T02:45:01.005000Z","session":1,"from":"client","message":{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}}
{"seq":6,"at":"2026-11-21T02:45:01.006000Z","session":2,"from":"server","text":"ready\u001b]0;x\u0007\n"}
{"seq":7,"at":"2026-11-21T02:45:01.007000Z","session":1,"closed":{"exit":0,"reason":"the server exited with status 0"}}
"#;

fn printed(print: Print) -> String {
    print_of(CAPTURE, print, false)
}

fn print_of(capture: &str, print: Print, tame: bool) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), capture).unwrap();
    let ended = CancellationToken::new();
    ended.cancel();
    let mut out = Vec::new();
    let reader = Reader::open(file.path()).unwrap();
    follow(reader, print, tame, &ended, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_capture_that_is_begun_later_is_printed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let first = Reader::open(file.path());
    assert!(first.is_err());
    let (path, ended) = (file.path().to_owned(), CancellationToken::new());
    let end = ended.clone();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(PAUSE * 3);
        std::fs::write(path, CAPTURE).unwrap();
        end.cancel();
    });
    assert!(once_begun(first, file.path(), &ended).is_ok());
    writer.join().unwrap();
    std::fs::write(file.path(), "").unwrap();
    assert!(once_begun(Reader::open(file.path()), file.path(), &ended).is_err());
}

#[test]
fn json_is_the_capture_with_what_each_answer_is_to() {
    let printed = printed(Print::Json);
    let sum = r#","answers":{"method":"tools/call","name":"get-sum","took_us":3000}"#;
    let roots = r#","answers":{"method":"roots/list","took_us":2000}"#;
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[4].contains(&format!(r#""from":"server"{sum},"message":{{"#)));
    assert!(lines[5].contains(&format!(r#""from":"client"{roots},"message":{{"#)));
    assert_eq!(printed.replace(sum, "").replace(roots, ""), CAPTURE);
}

#[test]
fn json_with_what_each_answer_is_to_can_be_read_as_a_capture() {
    let read = |text: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut payloads = Vec::new();
        let mut reader = Reader::open(file.path()).unwrap();
        let each = |record: Record<'_>| payloads.push(format!("{:?}", record.payload));
        reader.read(usize::MAX, each).unwrap();
        payloads
    };
    assert_eq!(read(&printed(Print::Json)), read(CAPTURE));
}

#[test]
fn a_batch_of_answers_says_what_each_of_them_is_to() {
    let line = |seq: u32, from: &str, message: &str| {
        format!(
            "{{\"seq\":{seq},\"at\":\"2026-11-21T02:45:01.00000{seq}Z\",\"session\":1,\"from\":\"{from}\",\"message\":{message}}}\n"
        )
    };
    let capture = [
        "{\"capture\":1,\"name\":\"n\"}\n",
        &line(1, "client", r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
        &line(
            3,
            "server",
            r#"[{"jsonrpc":"2.0","id":9,"result":{}},{"jsonrpc":"2.0","id":1,"result":{}}]"#,
        ),
    ]
    .concat();
    let printed = print_of(&capture, Print::Json, false);
    let answers = r#""answers":[null,{"method":"ping","took_us":2}],"message":["#;
    assert!(printed.contains(answers), "{printed}");
}

#[test]
fn json_on_a_terminal_holds_nothing_that_the_terminal_obeys() {
    let hostile = CAPTURE.replace("\"no\"", "\"\u{9b}2J\u{202e}no\"");
    let hostile_error = "\"\u{9b}2J\u{202e}no\"";
    let tame_error = "\"\u{fffd}2J\u{fffd}no\"";
    assert!(print_of(&hostile, Print::Json, true).contains(tame_error));
    assert!(print_of(&hostile, Print::Json, false).contains(hostile_error));
}

#[test]
fn text_is_one_line_a_message_with_answers_named_after_their_request() {
    let text = printed(Print::Text);
    let lines: Vec<&str> = text
        .lines()
        .map(|line| &line["12:04:01.120 ".len()..])
        .collect();
    assert_eq!(lines[0], "session opened by the client over stdio");
    assert_eq!(lines[1], "client → tools/call get-sum a=2 b=3");
    assert_eq!(lines[2], "server → roots/list");
    assert!(
        lines[3].starts_with("server → ok tools/call get-sum 3.0 ms"),
        "{}",
        lines[3]
    );
    assert!(
        lines[4].starts_with("client → error roots/list 2.0 ms"),
        "{}",
        lines[4]
    );
    assert!(
        lines[5].starts_with("#2 server → not JSON ready"),
        "{}",
        lines[5]
    );
    assert_eq!(lines[6], "session closed: the server exited with status 0");
    assert_eq!(lines.len(), 7);
}

fn without_times(text: &str) -> Vec<&str> {
    let lines = text.lines();
    lines.map(|line| &line["12:04:01.120 ".len()..]).collect()
}

const ODD: &str = r#"{"capture":1,"program":"mcp-sentinel 0","name":"n"}
{"seq":1,"at":"2026-11-21T02:45:01.000000Z","session":1,"from":"client","message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}}
{"seq":2,"at":"2026-11-21T02:45:01.001000Z","session":1,"from":"server","message":{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"who?"}}}
{"seq":3,"at":"2026-11-21T02:45:01.003000Z","session":1,"from":"client","message":{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"name":"Ana"}}}}
{"seq":4,"at":"2026-11-21T02:45:01.004000Z","session":1,"from":"client","message":{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}}
{"seq":5,"at":"2026-11-21T02:45:01.005000Z","session":1,"from":"server","message":{"jsonrpc":"2.0","id":1,"result":{}}}
{"seq":6,"at":"2026-11-21T02:45:01.005000Z","session":1,"from":"server","message":{"jsonrpc":"2.0","id":1,"result":{}}}
{"seq":7,"at":"2026-11-21T02:45:01.006000Z","session":1,"from":"server","message":{"jsonrpc":"2.0","id":"x","result":{}}}
{"seq":8,"at":"2026-11-21T02:45:01.007000Z","session":1,"from":"client","message":{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"b","requestState":"s"}}}
{"seq":9,"at":"2026-11-21T02:45:01.008000Z","session":1,"stderr":"  half"}
{"seq":10,"at":"2026-11-21T02:45:01.009000Z","session":1,"closed":{"exit":0,"reason":"it left"}}
"#;

#[test]
fn what_is_odd_about_an_answer_is_said() {
    let text = print_of(ODD, Print::Text, false);
    assert_eq!(
        without_times(&text),
        [
            "client → tools/call a",
            "server → elicitation/create who?",
            "client → ok elicitation/create 2.0 ms accept name=\"Ana\"",
            "client → notifications/cancelled request 1",
            "server → ok (late) tools/call a 5.0 ms",
            "server → ok (answered again: id 1)",
            "server → ok (unasked: id \"x\")",
            "client → tools/call b (next round)",
            "server stderr:   half",
            "never answered: tools/call b (id 2)",
            "session closed: it left",
        ]
    );
}

const OVER_HTTP: &str = r#"{"capture":1,"program":"mcp-sentinel 0","name":"n"}
{"seq":1,"at":"2026-11-21T02:45:01.000000Z","session":1,"http":{"exchange":1,"request":{"by":"client","method":"GET","target":"/mcp","headers":[]}}}
{"seq":2,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":1,"end":{"of":"request","bytes":0}}}
{"seq":3,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":1,"response":{"by":"server","status":405,"headers":[]}}}
{"seq":4,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":1,"end":{"of":"response","bytes":0}}}
{"seq":5,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":2,"request":{"by":"client","method":"POST","target":"/mcp","headers":[]}}}
{"seq":6,"at":"2026-11-21T02:45:01.001000Z","session":1,"from":"client","exchange":2,"message":{"jsonrpc":"2.0","method":"notifications/initialized"}}
{"seq":7,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":2,"response":{"by":"server","status":202,"headers":[]}}}
{"seq":8,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":2,"end":{"of":"response","bytes":0}}}
{"seq":9,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":3,"request":{"by":"client","method":"GET","target":"/mcp","headers":[]}}}
{"seq":10,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":3,"response":{"by":"server","status":200,"headers":[["content-type","text/event-stream"]]}}}
{"seq":11,"at":"2026-11-21T02:45:01.001000Z","session":1,"from":"server","exchange":3,"event":"1","message":{"jsonrpc":"2.0","method":"notifications/message"}}
{"seq":12,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":3,"end":{"of":"response","bytes":0,"broken":"the server went away"}}}
{"seq":13,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":4,"request":{"by":"client","method":"DELETE","target":"/mcp","headers":[]}}}
{"seq":14,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":4,"response":{"by":"server","status":200,"headers":[]}}}
{"seq":15,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":4,"end":{"of":"response","bytes":0}}}
"#;

#[test]
fn exchanges_that_their_messages_do_not_tell_of_are_one_line_each() {
    let text = print_of(OVER_HTTP, Print::Text, false);
    assert_eq!(
        without_times(&text),
        [
            "client → GET /mcp → 405 Method Not Allowed",
            "client → notifications/initialized",
            "client → GET /mcp → 200 OK",
            "server → notifications/message",
            "client → GET /mcp → 200 OK → broken off: the server went away",
            "client → DELETE /mcp → 200 OK",
        ]
    );
    assert_eq!(print_of(OVER_HTTP, Print::Json, false), OVER_HTTP);
}

#[test]
fn nothing_that_a_peer_wrote_reaches_the_terminal_as_a_command() {
    let text = printed(Print::Text);
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{text:?}"
    );
}
