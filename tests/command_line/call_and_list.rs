//! `call` and `list`: one request, and out.

use super::rounds::modern;
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
    let sent = operators_methods(&capture);
    std::fs::remove_file(&capture).unwrap();
    sent
}

fn operators_methods(capture: &std::path::Path) -> Vec<String> {
    let captured = std::fs::read_to_string(capture).unwrap();
    let records = captured
        .lines()
        .map(serde_json::from_str::<serde_json::Value>);
    let sent = records
        .map(Result::unwrap)
        .filter(|it| it["from"] == "operator");
    sent.map(|it| it["message"]["method"].as_str().unwrap().to_owned())
        .collect()
}

/// When a method was called, by the capture.
fn when(capture: &std::path::Path, method: &str) -> chrono::DateTime<chrono::FixedOffset> {
    let captured = std::fs::read_to_string(capture).unwrap();
    let records = captured
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut calls = records.filter(|it| it["message"]["method"] == method);
    let at = calls.next().unwrap()["at"].as_str().unwrap().to_owned();
    chrono::DateTime::parse_from_rfc3339(&at).unwrap()
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
    let two = format!("@{}", house.write("two.json", "{} {}").display());
    call("get-sum", &two).fails(2, &format!("--args {two} is not JSON"));
    call("get-sum", "-").fails(2, "--args - (stdin) is empty");
    call("no-such-tool", "{}").fails(3, "no-such-tool: the server answered with error -32602");
    house
        .run(&["call", "x", "--", "/nowhere/server"])
        .fails(3, "cannot start /nowhere/server");
    house.run(&["call", "x", "--", "true"]).fails(
        3,
        "mcp-sentinel: the server exited with status 0 before the handshake was over\n",
    );
}

/// What fails with these words, where `$t` is the time that it was given: on a busy machine, the first may be over before
/// the server has said anything.
#[track_caller]
pub fn fails_in_time(says: &str, run: impl Fn(&str) -> Ran) -> Ran {
    let mut last = None;
    for time in ["2", "8", "32", "128"] {
        let ran = run(time);
        let says = says.replace("$t", time);
        if ran.code == Some(3) && ran.stderr.contains(&says) {
            return ran;
        }
        last = Some(ran);
    }
    panic!("{says}: {last:?}")
}

#[test]
fn a_server_that_never_answers_is_given_up_after_the_timeout() {
    let house = House::new();
    let call = ["call", "slow", "--args", r#"{"seconds":600}"#, "--timeout"];
    fails_in_time("no answer within $t s", |time| {
        house.run(&before_demo(&[&call[..], &[time]].concat()))
    });
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

/// A legacy server in `sh` with tools and prompts. `answers` are a method each, and the rest of the answer to it, in
/// which `$n` is the number of the request.
fn legacy(answers: &[(&str, &str)]) -> String {
    let hello = r#""result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"prompts":{}},"serverInfo":{"name":"s","version":"1"}}"#;
    let cases: String = answers
        .iter()
        .chain(&[("initialize", hello)])
        .map(|(method, answer)| {
            let answer = answer.replace('"', "\\\"");
            format!("*'\"{method}\"'*) printf '%s\\n' \"{{\\\"jsonrpc\\\":\\\"2.0\\\",\\\"id\\\":$id,{answer}}}\" ;;\n")
        })
        .collect();
    format!(
        r#"n=0
        while read -r line; do
            n=$((n + 1))
            id=${{line##*'"id":'}}
            id=${{id%%[,\}}]*}}
            case $line in
            {cases}
            esac
        done"#
    )
}

fn run_legacy(house: &House, arguments: &[&str], answers: &[(&str, &str)]) -> Ran {
    let before = ["--era", "legacy", "--", "sh", "-c"];
    house.run(&[arguments, &before, &[&legacy(answers)]].concat())
}

#[test]
fn a_list_that_goes_in_a_circle_is_said_to_have_no_end() {
    let house = House::new();
    let list = |answer: &str, time: &str| {
        let list = ["list", "--timeout", time];
        run_legacy(&house, &list, &[("tools/list", answer)])
    };
    let circle = r#""result":{"tools":[],"nextCursor":"again"}"#;
    fails_in_time(r#"the server gave the cursor "again" twice"#, |time| {
        list(circle, time)
    });
    // No faster than that, or it reaches the most pages that are asked for.
    let endless = r#""result":{"tools":[],"nextCursor":"$n$(sleep 0.1)"}"#;
    fails_in_time("tools/list: not over within $t s, after ", |time| {
        list(endless, time)
    });
}

#[test]
fn what_came_of_the_lists_is_printed_when_one_of_them_did_not() {
    let house = House::new();
    let prompts = ("prompts/list", r#""result":{"prompts":[{"name":"p"}]}"#);
    let down = r#""error":{"code":-32603,"message":"database is down","data":{"retry":true}}"#;
    let failed = run_legacy(&house, &["list"], &[("tools/list", down), prompts]);
    failed.fails(
        3,
        r#"tools/list: the server answered with error -32603: database is down {"retry":true}"#,
    );
    assert_eq!(failed.stdout, "Prompts (1)\n  p()\n");
    let tools = ("tools/list", r#""result":{"tools":[{"name":"t"}]}"#);
    let hung = fails_in_time("prompts/list: no answer within $t s", |time| {
        run_legacy(&house, &["list", "--json", "--timeout", time], &[tools])
    });
    let came = r#"{"tools":[{"name":"t"}],"resources":[],"resourceTemplates":[]}"#;
    assert_eq!(hung.stdout, format!("{came}\n"));
    // Nor is an answer without a list an empty list.
    for odd in [r#"{"tools":null}"#, "{}", r#"{"tools":{"a":1}}"#] {
        let odd = format!("\"result\":{odd}");
        let ran = run_legacy(&house, &["list"], &[("tools/list", &odd), prompts]);
        ran.fails(
            3,
            "tools/list: the server's answer holds no list of `tools`",
        );
        assert!(ran.stdout.starts_with("Prompts (1)"), "{ran:?}");
    }
}

#[test]
fn an_error_of_the_protocol_can_be_read_by_scripts() {
    let house = House::new();
    let error = r#"{"code":-32000,"message":"no","data":{"why":"x"}}"#;
    let answer = format!("\"error\":{error}");
    let ran = run_legacy(&house, &["call", "t", "--json"], &[("tools/call", &answer)]);
    ran.fails(
        3,
        r#"t: the server answered with error -32000: no {"why":"x"}"#,
    );
    assert_eq!(ran.stdout, format!("{{\"error\":{error}}}\n"));
}

#[test]
fn one_is_the_tools_own_no_and_nothing_else() {
    let house = House::new();
    let call = ["call", "echo", "--args", r#"{"message":"x"}"#];
    let nowhere = [&call[..], &["--capture", "/nowhere/x.jsonl"]].concat();
    house
        .run(&before_demo(&nowhere))
        .fails(3, "cannot create capture /nowhere/x.jsonl");
    if cfg!(not(target_os = "linux")) {
        return;
    }
    let mut command = house.command(&before_demo(&call));
    let full = std::fs::File::options().write(true).open("/dev/full");
    let status = command.stdout(full.unwrap()).stderr(Stdio::null()).status();
    assert_eq!(status.unwrap().code(), Some(3));
}

/// An answer longer than what is held in memory, written by `sh`.
const LONG: &str =
    r#""result":{"content":[{"type":"text","text":"$(head -c 3000000 /dev/zero | tr '\0' x)"}]}"#;

#[test]
#[cfg(target_os = "linux")]
fn a_call_needs_no_directory_that_can_be_written() {
    let house = House::new();
    let packed = house.path("c.jsonl.zst");
    let call = ["call", "echo", "--args", r#"{"message":"x"}"#];
    let kept = [&call[..], &["--capture", packed.to_str().unwrap()]].concat();
    for call in [&call[..], &kept] {
        let mut command = house.command(&before_demo(call));
        let ran = Ran::of(command.env("TMPDIR", "/nowhere"));
        assert_eq!((ran.code, &*ran.stdout), (Some(0), "Echo: x\n"), "{ran:?}");
    }
    let server = legacy(&[("tools/call", LONG)]);
    let call = ["call", "t", "--era", "legacy", "--", "sh", "-c", &server];
    let ran = Ran::of(house.command(&call).env("TMPDIR", "/nowhere"));
    assert_eq!(
        (ran.code, ran.stdout.len()),
        (Some(0), 3_000_001),
        "{}",
        ran.stderr
    );
    // Not even memory takes anything where no file may grow.
    let script = r#"trap '' XFSZ; ulimit -f 0; exec "$@""#;
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script, "sh", PROGRAM]);
    let no_room = Ran::of(command.args(before_demo(&call[..2])));
    no_room.fails(3, "cannot keep the temporary log");
    no_room.fails(3, "TMPDIR");
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
fn what_the_server_asks_back_is_declined_and_said() {
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
        let said = ran
            .stderr
            .lines()
            .find(|line| line.starts_with("mcp-sentinel: "));
        let said = said.expect("a line of its own");
        assert!(said.starts_with("mcp-sentinel: the server asked elicitation/create ("));
        assert!(said.ends_with("): declined"), "{said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_ends_when_it_is_asked_for_its_era_is_started_once_more_as_a_legacy_one() {
    let house = House::new();
    let done = r#""result":{"content":[{"type":"text","text":"served"}]}"#;
    let script = legacy(&[("tools/call", done)]).replace(
        "case $line in",
        "echo started >&2; case $line in *discover*) exit 1 ;;",
    );
    let ran = house.run(&["call", "x", "--", "sh", "-c", &script]);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "served\n"), "{ran:?}");
    let advice = "ended at server/discover, and was started once more; with --era legacy";
    assert!(ran.stderr.contains(advice), "{ran:?}");
    // Nobody has waited for an answer.
    assert!(!ran.stderr.contains("never answered"), "{ran:?}");

    // What did not read the question has not ended because of it; what ends at initialize, too, is not started again.
    // Nor is what has answered the question, and ends at the initialize that follows.
    let answers = legacy(&[(
        "server/discover",
        r#""error":{"code":-32601,"message":"no"}"#,
    )])
    .replace("case $line in", "case $line in *initialize*) exit 1 ;;");
    for (script, starts) in [("exit 1", 1), ("read -r line; exit 1", 2), (&*answers, 1)] {
        let script = format!("echo started >&2; {script}");
        let ran = house.run(&["call", "x", "--", "sh", "-c", &script]);
        ran.fails(3, "exited with status 1 before the handshake was over");
        assert_eq!(ran.stderr.matches("started").count(), starts, "{ran:?}");
    }
}

#[test]
fn a_handshake_that_fails_says_what_to_try() {
    let house = House::new();
    let no_modern = r#""error":{"code":-32601,"message":"Method not found"}"#;
    let script = legacy(&[("server/discover", no_modern)]);
    let ran = house.run(&["list", "--era", "modern", "--", "sh", "-c", &script]);
    ran.fails(3, "-32601: Method not found; a server of an older version");
    ran.fails(3, "--era legacy");
    assert!(!ran.stderr.contains("exited"), "{ran:?}");
    let odd = run_legacy(
        &house,
        &["list"],
        &[("initialize", r#""result":{"odd":1}"#)],
    );
    odd.fails(3, r#"of another type): {"odd":1}; "#);
    let silent = house.run(&["list", "--timeout", "1", "--", "sh", "-c", &legacy(&[])]);
    silent.fails(3, "within 1 s; --timeout SECONDS waits longer");
    assert!(
        !cfg!(target_os = "linux") || !silent.stderr.contains("--era"),
        "{silent:?}"
    );
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", deaf.local_addr().unwrap());
    let silent = house.run(&["list", "--timeout", "1", &url]);
    silent.fails(
        3,
        "within 1 s; --timeout SECONDS waits longer, and --era legacy",
    );
    let usage = house.run(&[
        "call",
        "x",
        "--",
        "printf",
        "usage: x FILE\\n\\033[2Jtwo\\n",
    ]);
    usage.fails(3, "before the handshake was over");
    usage.fails(
        3,
        "on stdout stood no message of the protocol, but:\n  usage: x FILE\n  ",
    );
    assert!(!usage.stderr.contains('\u{1b}'), "{usage:?}");
}

#[test]
fn a_wait_for_nothing_is_said_to_be_avoidable() {
    let house = House::new();
    let done = r#""result":{"content":[{"type":"text","text":"done"}]}"#;
    let server = legacy(&[("tools/call", done)]);
    let file = house.path("waited.jsonl");
    let capture = ["--capture", file.to_str().unwrap()];
    let ran = house.run(&[&["call", "t"], &capture[..], &["--", "sh", "-c", &server]].concat());
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "done\n"), "{ran:?}");
    let advice = "never answered server/discover; with --era legacy";
    assert!(ran.stderr.contains(advice), "{ran:?}");
    // Two seconds since the server has read it, and not ten since it was sent.
    let [asked, given_up] = ["server/discover", "initialize"].map(|method| when(&file, method));
    let waited = (given_up - asked).num_seconds();
    assert!(
        !cfg!(target_os = "linux") || waited < 9,
        "it was waited for {waited} s"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_that_starts_slowly_is_asked_once_in_either_era() {
    let house = House::new();
    let done = r#""result":{"content":[{"type":"text","text":"done"}]}"#;
    let unknown = r#""error":{"code":-32601,"message":"Method not found"}"#;
    let old = legacy(&[("tools/call", done), ("server/discover", unknown)]);
    let handshake = &["server/discover", "initialize", "notifications/initialized"][..];
    std::thread::scope(|scope| {
        for (era, server, handshake) in [
            ("modern", modern("", 0), &handshake[..1]),
            ("legacy", old, handshake),
        ] {
            let house = &house;
            scope.spawn(move || {
                let capture = house.path(era);
                let file = ["--capture", capture.to_str().unwrap()];
                // Nothing is read meanwhile, as when a program is downloaded first.
                let server = format!("sleep 12; {server}");
                let server = ["--", "sh", "-c", &server];
                let ran = house.run(&[&["call", "t"], &file[..], &server].concat());
                assert_eq!((ran.code, &*ran.stdout), (Some(0), "done\n"), "{ran:?}");
                let asked = [handshake, &["tools/call"]].concat();
                assert_eq!(operators_methods(&capture), asked);
            });
        }
    });
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
