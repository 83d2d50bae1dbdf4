//! The built binary as scripts and client configurations see it: exit codes, what it says and where, what it leaves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod house;

use house::{DEMO, House, PROGRAM, Proxy, Ran, mode, until};
use std::io::Read as _;
use std::process::Stdio;

/// Options, then the demo's server.
fn before_demo<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &["--"], &DEMO].concat()
}

// A proxy

#[test]
fn a_proxy_says_one_line_at_the_start_and_one_at_the_end() {
    let house = House::new();
    let ran = house.run_with_input(
        &["--", "cat"],
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n",
    );
    assert_eq!(ran.code, Some(0));
    assert_eq!(
        ran.stdout,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n"
    );
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let capture = house.captures().remove(0);
    assert_eq!(
        lines[0],
        format!(
            "mcp-sentinel: stdio → cat · capturing to {}",
            capture.display()
        )
    );
    let counted = "mcp-sentinel: 1 message from the client, 1 from the server, 0 errors, ";
    assert!(lines[1].starts_with(counted), "{}", lines[1]);
    assert!(
        lines[1].ends_with("the server exited with status 0"),
        "{}",
        lines[1]
    );
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_proxy_exits_as_its_server_did() {
    let house = House::new();
    assert_eq!(house.run(&["--", "sh", "-c", "exit 7"]).code, Some(7));
    assert_eq!(house.run(&["--", "sh", "-c", "kill -9 $$"]).code, Some(137));
}

#[test]
fn a_command_that_cannot_start_leaves_one_line_and_nothing_else() {
    let house = House::new();
    let ran = house.run(&["--", "call", "x"]);
    ran.fails(127, "mcp-sentinel: cannot start call: ");
    assert_eq!(ran.stderr.lines().count(), 1);
    assert_eq!(ran.stdout, "");
    assert_eq!(house.captures(), Vec::<std::path::PathBuf>::new());
    let left = house.registry().read_dir().map_or(0, Iterator::count);
    assert_eq!(left, 0);
}

#[test]
fn what_is_recorded_is_for_the_owner_alone_and_listed_only_while_live() {
    let house = House::new();
    let mut proxy = house.start(&["--name", "mine"], &DEMO);
    proxy.shake_hands();
    until("the client's name is known", || {
        house.live().first().is_some_and(|it| it.client.is_some())
    });
    let entry = house.live().remove(0);
    assert_eq!(entry.pid, proxy.process.id());
    assert_eq!(entry.name, "mine");
    assert_eq!(entry.upstream, DEMO);
    assert_eq!(entry.client.as_deref(), Some("tester 1.2"));
    assert_eq!(entry.capture.as_ref(), house.captures().first());

    assert_eq!(mode(&house.registry()), 0o700);
    assert_eq!(mode(&entry.socket), 0o600);
    assert_eq!(mode(&entry.socket.with_extension("json")), 0o600);
    assert_eq!(mode(&house.path("state/mcp-sentinel/captures")), 0o700);
    assert_eq!(mode(&house.captures()[0]), 0o600);

    assert_eq!(proxy.leave().0, Some(0));
    assert_eq!(house.registry().read_dir().unwrap().count(), 0);
}

#[test]
fn secrets_of_the_command_are_masked_wherever_it_is_shown() {
    let house = House::new();
    house.write("config/mcp-sentinel/config.toml", "redact = ['acme-\\d+']");
    let server = ["sh", "-c", "cat", "--api-key=sesame", "acme-123"];
    let mut proxy = house.start(&[], &server);
    proxy.ask("{}");
    until("it is listed", || !house.live().is_empty());
    let ps = house.run(&["ps", "--json"]).stdout;
    let (_, stderr) = proxy.leave();
    let capture = std::fs::read_to_string(&house.captures()[0]).unwrap();
    for shown in [&ps, &stderr, &capture] {
        assert!(shown.contains("cat"), "{shown}");
        assert!(!shown.contains("sesame"), "{shown}");
        assert!(!shown.contains("acme-123"), "{shown}");
    }
}

#[test]
fn without_a_capture_nothing_is_left_on_the_disk() {
    let house = House::new();
    for options in [&["--no-capture"][..], &["--no-capture", "--print"]] {
        let arguments = [options, &["--", "cat"]].concat();
        let ran = house.run_with_input(&arguments, "{\"jsonrpc\":\"2.0\",\"method\":\"a\"}\n");
        assert_eq!(ran.code, Some(0));
        assert!(ran.stderr.contains("not capturing"), "{ran:?}");
        assert_eq!(
            ran.stderr.contains("client → a"),
            options.len() == 2,
            "{ran:?}"
        );
        assert_eq!(house.captures(), Vec::<std::path::PathBuf>::new());
        assert_eq!(house.path("tmp").read_dir().unwrap().count(), 0);
    }
}

#[test]
fn a_capture_that_was_asked_for_and_cannot_be_had_keeps_the_server_from_starting() {
    let house = House::new();
    let mark = house.path("started");
    let server = ["touch", mark.to_str().unwrap()];
    let ran = house.run(&[&["--capture", "/nowhere/x.jsonl", "--"], &server[..]].concat());
    ran.fails(1, "cannot create capture /nowhere/x.jsonl");
    assert!(!mark.exists());
}

#[test]
fn a_captures_directory_that_cannot_be_used_keeps_nobody_from_the_server() {
    let house = House::new();
    let file = house.write("occupied", "");
    let mut command = house.command(&["--", "echo", "hello"]);
    let ran = Ran::of(command.env("XDG_STATE_HOME", &file));
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.stdout, "hello\n");
    assert!(
        ran.stderr
            .contains("not capturing: cannot use the captures directory"),
        "{ran:?}"
    );
}

#[test]
fn a_runtime_directory_that_cannot_be_used_keeps_nobody_from_the_server() {
    let house = House::new();
    house.write("run/mcp-sentinel", "a file in its place");
    let ran = house.run(&["--", "sh", "-c", "sleep 0.3; echo hello"]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.stdout, "hello\n");
    assert!(ran.stderr.contains("nobody can attach"), "{ran:?}");
    let capture = std::fs::read_to_string(&house.captures()[0]).unwrap();
    assert!(capture.contains("nobody can attach"), "{capture}");
}

#[test]
fn only_the_newest_captures_are_kept() {
    let house = House::new();
    for day in 1..=4 {
        let name = format!("state/mcp-sentinel/captures/2026110{day}-120000-old.jsonl");
        house.write(&name, "{\"capture\":1}\n");
    }
    let ran = house.run(&["--keep-captures", "2", "--", "sh", "-c", "sleep 0.3"]);
    assert_eq!(ran.code, Some(0));
    let kept = house.captures();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept[0].ends_with("20261104-120000-old.jsonl"), "{kept:?}");
}

#[test]
fn printing_writes_lines_for_people_or_those_of_the_capture_to_stderr() {
    let house = House::new();
    let session = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get-sum","arguments":{"a":2}}}"#;
    let text = house.run_with_input(&["--print", "--", "cat"], session);
    assert_eq!(text.stdout, session);
    assert!(
        text.stderr.contains(" client → tools/call get-sum a=2\n"),
        "{text:?}"
    );

    let ran = house.run_with_input(
        &[
            "--capture",
            house.path("c.jsonl").to_str().unwrap(),
            "--print=json",
            "--",
            "cat",
        ],
        session,
    );
    let printed: Vec<&str> = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with('{'))
        .collect();
    let captured = std::fs::read_to_string(house.path("c.jsonl")).unwrap();
    assert_eq!(printed, captured.lines().collect::<Vec<_>>());
    assert_eq!(printed.len(), 5);
}

#[test]
fn a_compressed_capture_prints_and_opens_like_any_other() {
    let house = House::new();
    let file = house.path("c.jsonl.zst");
    let ran = house.run_with_input(
        &[
            "--capture",
            file.to_str().unwrap(),
            "--print=json",
            "--",
            "cat",
        ],
        "{\"a\":1}\n",
    );
    assert!(ran.stderr.contains("\"message\":{\"a\":1}}\n"), "{ran:?}");
    assert_eq!(std::fs::read(&file).unwrap()[..4], [0x28, 0xb5, 0x2f, 0xfd]);
    // It is read before the terminal is missed.
    house
        .run(&["open", file.to_str().unwrap()])
        .fails(2, "needs a terminal");
}

#[test]
fn a_stderr_that_nobody_reads_keeps_no_message_back() {
    let house = House::new();
    let mut proxy = house.start(&["--print"], &["cat"]);
    // More than a pipe holds, and nobody reads stderr.
    for id in 0..5000 {
        let message = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#);
        assert_eq!(proxy.ask(&message), format!("{message}\n"));
    }
}

// Which server

#[test]
fn the_environment_names_a_server_when_the_command_line_does_not() {
    let house = House::new();
    let mut command = house.command(&["--no-capture", "--headless"]);
    let ran = Ran::of(command.env("UPSTREAM_CMD", "printf '%s\\n' 'a  b' \"c'd\""));
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "a  b\nc'd\n"));

    let mut command = house.command(&["--no-capture", "--", "echo", "argument"]);
    let ran = Ran::of(command.env("UPSTREAM_CMD", "echo environment"));
    assert_eq!(ran.stdout, "argument\n");
}

#[test]
fn a_missing_or_contradictory_upstream_is_explained_with_an_example() {
    let house = House::new();
    house.run(&[]).fails(2, "mcp-sentinel -- node server.js");
    house
        .run(&["--headless"])
        .fails(2, "mcp-sentinel -- node server.js");
    house
        .run(&["list"])
        .fails(2, "mcp-sentinel -- node server.js");
    house.run(&["node"]).fails(2, "mcp-sentinel -- node");

    let with = |variables: &[(&str, &str)]| {
        Ran::of(
            house
                .command(&[] as &[&str])
                .envs(variables.iter().copied()),
        )
    };
    with(&[("UPSTREAM_TRANSPORT", "stdio")]).fails(2, "UPSTREAM_CMD='node server.js'");
    with(&[("UPSTREAM_TRANSPORT", "http")]).fails(2, "UPSTREAM_URL=https://");
    with(&[("UPSTREAM_TRANSPORT", "carrier pigeon")]).fails(2, "stdio or http");
    with(&[("UPSTREAM_CMD", "a"), ("UPSTREAM_URL", "http://b")]).fails(2, "UPSTREAM_TRANSPORT=");
}

#[test]
fn a_command_without_the_dashes_is_told_where_they_go_whatever_its_options_are() {
    let house = House::new();
    let ran = house.run(&["node", "server.js", "--port", "3"]);
    ran.fails(2, "\n  mcp-sentinel -- node server.js --port 3\n");
    let ran = house.run(&["call", "echo", "node", "server.js", "--port", "3"]);
    ran.fails(2, "goes after --");
}

#[test]
fn a_configuration_file_with_an_unknown_key_is_refused_with_its_place() {
    let house = House::new();
    house.write(
        "config/mcp-sentinel/config.toml",
        "overflow = \"wait\"\ncolour = \"red\"\n",
    );
    let ran = house.run(&["--", "echo", "hello"]);
    ran.fails(2, "mcp-sentinel/config.toml");
    ran.fails(2, "colour");
    // What does not record does not care.
    assert_eq!(house.run(&["ps"]).code, Some(0));
}

#[test]
fn help_and_version_are_answers_and_not_errors() {
    let house = House::new();
    let help = house.run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for word in [
        "attach",
        "ps",
        "open",
        "call",
        "list",
        "demo",
        "UPSTREAM_CMD",
        "Exit codes",
        "--listen",
        "--header-env",
    ] {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    assert!(!help.stdout.contains("not built"), "{}", help.stdout);
    let version = house.run(&["--version"]);
    assert_eq!(
        version.stdout,
        concat!("mcp-sentinel ", env!("CARGO_PKG_VERSION"), "\n")
    );
    house
        .run(&["--no-such-option"])
        .fails(2, "--no-such-option");
}

// call and list

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
    call("no-such-tool", "{}").fails(3, "no-such-tool: the server answered with error -32602");
    house
        .run(&["call", "x", "--", "/nowhere/server"])
        .fails(3, "cannot start /nowhere/server");
    house
        .run(&["call", "x", "--", "true"])
        .fails(3, "the server exited with status 0");
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
        .fails(3, "no answer within 0.2 s");
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

// ps, attach, open

#[test]
fn ps_shows_the_living_and_the_recent() {
    let house = House::new();
    house.run(&["--name", "earlier", "--", "true"]);
    let mut proxy = house.start(&["--name", "now"], &DEMO);
    proxy.shake_hands();
    until("the client's name is known", || {
        house.live().first().is_some_and(|it| it.client.is_some())
    });
    let table = house.run(&["ps"]).stdout;
    let lines: Vec<&str> = table.lines().collect();
    let heads: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(
        heads,
        [
            "PID",
            "NAME",
            "CLIENT",
            "UPTIME",
            "LISTENING",
            "UPSTREAM",
            "CAPTURE"
        ]
    );
    assert!(
        lines[1].starts_with(&format!("{}  now   tester 1.2", proxy.process.id())),
        "{table}"
    );
    assert!(lines[4].contains("  earlier  "), "{table}");
    assert_eq!(lines.len(), 5, "{table}");

    let json: serde_json::Value =
        serde_json::from_str(&house.run(&["ps", "--json"]).stdout).unwrap();
    assert_eq!(json["live"][0]["pid"], proxy.process.id());
    assert_eq!(json["live"][0]["client"], "tester 1.2");
    assert_eq!(json["captures"][0]["name"], "earlier");
    assert_eq!(json["captures"].as_array().unwrap().len(), 1);
}

#[test]
fn a_proxy_that_was_killed_is_not_live_and_neither_is_its_entry() {
    let house = House::new();
    let mut proxy = house.start(&[], &DEMO);
    proxy.shake_hands();
    until("the client's name is known, and so recorded", || {
        house.live().first().is_some_and(|it| it.client.is_some())
    });
    proxy.process.kill().unwrap();
    proxy.process.wait().unwrap();
    assert!(house.registry().read_dir().unwrap().count() > 0);

    let table = house.run(&["ps"]).stdout;
    assert!(table.starts_with("no proxy is live\n"), "{table}");
    assert_eq!(house.registry().read_dir().unwrap().count(), 0);
    // What it had recorded is there.
    let capture = std::fs::read_to_string(&house.captures()[0]).unwrap();
    assert!(capture.contains("\"clientInfo\""), "{capture}");
}

#[test]
fn a_screen_without_a_terminal_is_refused_in_words() {
    let house = House::new();
    house
        .run(&["attach"])
        .fails(2, "attach opens a screen and needs a terminal");
    let text = house.write("notes.txt", "no header here\n");
    house
        .run(&["open", text.to_str().unwrap()])
        .fails(1, "is not a capture");
    let missing = house.run(&["open", "/nowhere.jsonl"]);
    missing.fails(1, "cannot open capture /nowhere.jsonl: No such file");
    assert_eq!(
        missing.stderr.matches("No such file").count(),
        1,
        "{missing:?}"
    );
}

// The demo

#[test]
fn the_demo_talks_for_real_without_a_terminal_too() {
    let house = House::new();
    let mut command = house.command(&["demo"]);
    let mut process = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = process.stderr.take().unwrap();
    let (mut said, mut piece) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&said).contains("server → ok tools/call get-sum") {
        let read = stderr.read(&mut piece).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&piece[..read]);
    }
    let pid = rustix::process::Pid::from_child(&process);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    stderr.read_to_end(&mut said).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert!(String::from_utf8_lossy(&said).contains("the server exited with status 0"));
}

#[test]
fn the_demos_server_serves_alone() {
    let house = House::new();
    let mut command = house.command(&DEMO[1..]);
    command.env("PATH", "");
    assert_eq!(DEMO[0], PROGRAM);
    let mut server = Proxy::start(command);
    server.shake_hands();
    server.echo(1);
    assert_eq!(server.leave().0, Some(0));
}
