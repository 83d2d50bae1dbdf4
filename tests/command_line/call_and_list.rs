//! `call` and `list`: one request, and out.

use super::*;

#[test]
fn a_call_prints_the_answers_text_and_nothing_else() {
    let house = House::new();
    let ran = house.run(&before_demo(&[
        "call",
        "echo",
        "--args",
        r#"{"message":"two\nlines"}"#,
    ]));
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "Echo: two\nlines\n"));
    assert_eq!(house.captures(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_call_in_either_era_gives_its_raw_result_as_json() {
    let house = House::new();
    for era in ["legacy", "modern"] {
        let arguments = [
            "call",
            "echo",
            "--json",
            "--era",
            era,
            "--args",
            r#"{"message":"x"}"#,
        ];
        let ran = house.run(&before_demo(&arguments));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let result: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(result["content"][0]["text"], "Echo: x");
        assert_eq!(result.get("resultType").is_some(), era == "modern");
    }
}

/// The methods that were sent in a run that is to go well.
fn methods_sent(house: &House, arguments: &[&str]) -> Vec<String> {
    let capture = house.path("methods.jsonl");
    let file = ["--capture", capture.to_str().unwrap()];
    let ran = house.run(&before_demo(&[arguments, &file].concat()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let captured = std::fs::read_to_string(&capture).unwrap();
    std::fs::remove_file(&capture).unwrap();
    let records = captured
        .lines()
        .map(serde_json::from_str::<serde_json::Value>);
    let sent = records
        .map(Result::unwrap)
        .filter(|it| it["from"] == "operator");
    sent.map(|it| it["message"]["method"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn nothing_is_asked_but_what_was_ordered_and_that_once() {
    let house = House::new();
    let legacy = ["initialize", "notifications/initialized"];
    for (era, handshake) in [("legacy", &legacy[..]), ("modern", &["server/discover"])] {
        let call = ["call", "echo", "--args", r#"{"message":"x"}"#, "--era", era];
        assert_eq!(
            methods_sent(&house, &call),
            [handshake, &["tools/call"]].concat()
        );
        let lists = [
            "tools/list",
            // In two pages.
            "resources/list",
            "resources/list",
            "resources/templates/list",
            "prompts/list",
        ];
        assert_eq!(
            methods_sent(&house, &["list", "--era", era]),
            [handshake, &lists].concat()
        );
    }
}

#[test]
fn arguments_come_from_a_file_or_from_stdin_as_well() {
    let house = House::new();
    let file = house.write("args.json", r#"{"message": "from a file"}"#);
    let from_file = format!("@{}", file.display());
    let ran = house.run(&before_demo(&["call", "echo", "--args", &from_file]));
    assert_eq!(ran.stdout, "Echo: from a file\n");
    let arguments = before_demo(&["call", "echo", "--args", "-"]);
    let ran = house.run_with_input(&arguments, r#"{"message": "from stdin"}"#);
    assert_eq!(ran.stdout, "Echo: from stdin\n");
}

#[test]
fn the_exit_code_tells_whose_fault_it_was() {
    let house = House::new();
    let call = |tool, args| house.run(&before_demo(&["call", tool, "--args", args]));
    let tool_error = call("get-sum", r#"{"a":"two","b":3}"#);
    assert_eq!(tool_error.code, Some(1));
    assert!(tool_error.stdout.contains("invalid type"), "{tool_error:?}");
    call("get-sum", "[2, 3]").fails(2, "--args has to be a JSON object");
    call("get-sum", "{").fails(2, "--args is not JSON");
    call("get-sum", "@/nowhere").fails(2, "cannot read /nowhere");
    call("get-sum", "@").fails(2, "--args @ names no file");
    call("no-such-tool", "{}").fails(3, "no-such-tool: the server answered with error -32602");
    house
        .run(&["call", "x", "--", "/nowhere/server"])
        .fails(3, "cannot start /nowhere/server");
    house.run(&["call", "x", "--", "true"]).fails(
        3,
        "mcp-sentinel: the server exited with status 0 before the handshake was over\n",
    );
}

#[test]
fn a_server_that_never_answers_is_given_up_after_the_timeout() {
    let house = House::new();
    let arguments = [
        "call",
        "slow",
        "--args",
        r#"{"seconds":600}"#,
        "--timeout",
        "1.5",
    ];
    house
        .run(&before_demo(&arguments))
        .fails(3, "no answer within 1.5 s");
    house
        .run(&["list", "--timeout", "0.2", "--", "sleep", "600"])
        .fails(3, "the server did not answer the handshake within 0.2 s");
}

#[test]
fn a_call_that_is_interrupted_ends_as_shells_expect() {
    use rustix::process::{Pid, Signal, kill_process};
    let house = House::new();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        // Before the handshake is over, and after.
        for (server, asked) in [
            (&["sleep", "600"][..], "server/discover"),
            (&DEMO, "tools/call"),
        ] {
            let capture = house.path("c.jsonl");
            let call = ["call", "slow", "--args", r#"{"seconds":600}"#, "--capture"];
            let file = [capture.to_str().unwrap(), "--"];
            let mut command = house.command(&[&call[..], &file, server].concat());
            let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
            until("it is under way", || {
                let so_far = std::fs::read_to_string(&capture).unwrap_or_default();
                so_far.contains(asked)
            });
            kill_process(Pid::from_child(&process), signal).unwrap();
            assert_eq!(process.wait().unwrap().code(), Some(code), "{server:?}");
            let mut said = String::new();
            let mut stderr = process.stderr.take().unwrap();
            stderr.read_to_string(&mut said).unwrap();
            assert!(said.ends_with("mcp-sentinel: interrupted before the server answered\n"));
            std::fs::remove_file(&capture).unwrap();
        }
    }
}

/// A legacy server in `sh` with tools, whose answer to `tools/list` is `answer` with `$n` for the request's number.
fn lists(answer: &str) -> String {
    let hello = r#""result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}"#;
    format!(
        r#"n=0
        while read -r line; do
            id=$(printf %s "$line" | sed -n 's/.*"id":\([^,}}]*\).*/\1/p')
            case $line in
            *'"initialize"'*) echo '{{"jsonrpc":"2.0","id":'"$id"',{hello}}}' ;;
            *'"tools/list"'*) n=$((n + 1)); printf '{{"jsonrpc":"2.0","id":%s,"result":{answer}}}\n' "$id" $n ;;
            esac
        done"#
    )
}

#[test]
fn a_list_that_goes_in_a_circle_is_said_to_have_no_end() {
    let house = House::new();
    let list = |script: &str| {
        let arguments = ["list", "--era", "legacy", "--timeout", "2", "--"];
        house.run(&[&arguments[..], &["sh", "-c", script]].concat())
    };
    let circle = list(&lists(r#"{"tools":[],"nextCursor":"again"}"#));
    circle.fails(3, r#"the server gave the cursor "again" twice"#);
    assert!(!circle.stderr.contains("no answer"), "{circle:?}");
    let endless = list(&lists(r#"{"tools":[],"nextCursor":"%s"}"#));
    endless.fails(3, "tools/list: not over within 2 s, after ");
}

#[test]
fn a_server_that_dies_in_the_middle_is_an_error_with_its_end() {
    let house = House::new();
    let answer = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}}"#;
    let script = format!("read a; echo '{answer}'; read b; read c; exit 9");
    let ran = house.run(&["call", "x", "--era", "legacy", "--", "sh", "-c", &script]);
    ran.fails(3, "the server exited with status 9");
}

#[test]
fn what_the_server_asks_back_is_declined() {
    let house = House::new();
    for era in ["legacy", "modern"] {
        let arguments = [
            "call",
            "book-berth",
            "--era",
            era,
            "--args",
            r#"{"boat":"Ida","length":7.5}"#,
        ];
        let ran = house.run(&before_demo(&arguments));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.starts_with("Not booked"), "{ran:?}");
    }
}

#[test]
fn a_call_is_recorded_where_it_is_told_to() {
    let house = House::new();
    let file = house.path("call.jsonl");
    let arguments = [
        "call",
        "echo",
        "--args",
        r#"{"message":"kept"}"#,
        "--capture",
        file.to_str().unwrap(),
    ];
    assert_eq!(house.run(&before_demo(&arguments)).code, Some(0));
    assert!(
        std::fs::read_to_string(file)
            .unwrap()
            .contains("Echo: kept")
    );
}

#[test]
fn a_list_shows_what_there_is_and_how_it_is_used() {
    let house = House::new();
    let ran = house.run(&before_demo(&["list"]));
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.stdout
            .contains("\n  get-sum(a: number, b: number)\n      Returns the sum"),
        "{}",
        ran.stdout
    );
    for title in [
        "Tools (17)",
        "Resources (7)",
        "Resource templates (2)",
        "Prompts (3)",
    ] {
        assert!(ran.stdout.contains(title), "{title}: {}", ran.stdout);
    }
    let json = house
        .run(&before_demo(&["list", "--json", "--era", "legacy"]))
        .stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    // Resources come in two pages.
    assert_eq!(json["resources"].as_array().unwrap().len(), 7);
    assert_eq!(json["tools"].as_array().unwrap().len(), 17);
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let house = House::new();
    let mut command = house.command(&before_demo(&["list"]));
    let mut process = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(process.stdout.take());
    assert_eq!(process.wait().unwrap().code(), Some(0));
}
