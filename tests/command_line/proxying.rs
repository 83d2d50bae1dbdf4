//! A proxy, and what it leaves behind.

use super::*;

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
fn the_summary_begins_a_line_though_the_server_has_not_ended_its_own() {
    let house = House::new();
    let ran = house.run(&["--", "sh", "-c", "printf 'bye' >&2"]);
    let last = ran.stderr.lines().last().unwrap();
    assert!(last.starts_with("mcp-sentinel: 0 messages"), "{ran:?}");
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
fn a_command_that_cannot_start_leaves_the_name_of_its_capture_free() {
    let house = House::new();
    let file = house.path("named.jsonl");
    let name = file.to_str().unwrap();
    let ran = house.run(&["--capture", name, "--", "no-such-command"]);
    ran.fails(127, "cannot start no-such-command");
    assert!(!file.exists());
    let empty = house.write("empty.jsonl", "");
    let empty_name = empty.to_str().unwrap();
    house
        .run(&["--capture", empty_name, "--", "no-such-command"])
        .fails(127, "cannot start");
    assert_eq!(empty.metadata().unwrap().len(), 0);
    let ran = house.run(&["--capture", name, "--", "true"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(file.exists());
}

#[test]
fn everything_on_stderr_is_json_where_that_is_asked_for() {
    let house = House::new();
    let server = "echo '  grumble' >&2; cat";
    for (words, kinds) in [
        (&["sh", "-c", server][..], ["started", "ended"]),
        (&["no-such-command"], ["capture", "warning"]),
    ] {
        let ran = house.run_with_input(
            &[&["--print=json", "--"], words].concat(),
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n",
        );
        let objects: Vec<serde_json::Value> = ran
            .stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [first, .., last] = &objects[..] else {
            panic!("{ran:?}");
        };
        assert!(first.get(kinds[0]).is_some(), "{first}");
        assert!(last.get(kinds[1]).is_some(), "{last}");
    }
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
fn without_a_capture_the_summary_counts_the_messages_and_says_that_it_knows_no_errors() {
    let house = House::new();
    let spoken = "{\"id\":1}\n\n \r\n{\"id\":2}\nthe last";
    let ran = house.run_with_input(&["--no-capture", "--", "cat"], spoken);
    assert_eq!(ran.stdout, spoken);
    let counted =
        "3 messages from the client, 3 from the server, errors not counted without a capture, ";
    assert!(ran.stderr.contains(counted), "{ran:?}");
}

#[test]
fn a_capture_that_was_asked_for_and_cannot_be_had_keeps_the_server_from_starting() {
    let house = House::new();
    let mark = house.path("started");
    let server = ["touch", mark.to_str().unwrap()];
    let ran = house.run(&[&["--capture", "/nowhere/x.jsonl", "--"], &server[..]].concat());
    ran.fails(
        1,
        "cannot create capture /nowhere/x.jsonl: there is no directory /nowhere; make it first",
    );
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
fn a_fault_in_the_configuration_keeps_nobody_from_the_server() {
    let house = House::new();
    let file = "config/mcp-sentinel/config.toml";
    house.write(file, "keep_captures = 3\nkeep_capture = 3\n");
    let ran = house.run(&["--", "echo", "hello"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "hello\n"));
    for said in [file, "line 2", "`keep_capture`", "going on without it"] {
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
    house.write(file, "redact = ['(']\n");
    house.run(&["--", "echo", "hello"]).fails(2, "redact");
}

#[test]
fn traffic_is_printed_where_it_cannot_be_captured() {
    let house = House::new();
    let file = house.write("occupied", "");
    let mut command = house.command(&["--print", "--", "echo", "hello"]);
    let ran = Ran::of(command.env("XDG_STATE_HOME", &file));
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "hello\n"));
    for said in ["not capturing: cannot use", "server", "hello"] {
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
}

/// Has a server wait until this is so, and give up when it never is.
fn until_shell(condition: &str) -> String {
    format!("i=0; until {condition}; do i=$((i+1)); test $i -lt 6000 || exit 9; sleep 0.05; done")
}

#[test]
fn a_runtime_directory_that_cannot_be_used_keeps_nobody_from_the_server() {
    let house = House::new();
    house.write("run/mcp-sentinel", "a file in its place");
    let told = r#"grep -qs "nobody can attach" "$XDG_STATE_HOME"/mcp-sentinel/captures/*"#;
    let server = format!("{}; echo hello", until_shell(told));
    let ran = house.run(&["--", "sh", "-c", &server]);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "hello\n"), "{ran:?}");
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
    let pruned = r#"test $(ls "$XDG_STATE_HOME"/mcp-sentinel/captures | wc -l) -le 2"#;
    let server = ["sh", "-c", &until_shell(pruned)];
    let ran = house.run(&[&["--keep-captures", "2", "--"], &server[..]].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let kept = house.captures();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept[0].ends_with("20261104-120000-old.jsonl"), "{kept:?}");
}

#[test]
fn what_the_end_of_a_long_capture_makes_too_much_goes_with_it() {
    let house = House::new();
    let line = format!("{{\"text\":\"{}\"}}\n", "x".repeat(1000));
    let mut kept = Vec::new();
    for _ in 0..3 {
        let arguments = ["--keep-bytes", "500k", "--", "cat"];
        let ran = house.run_with_input(&arguments, &line.repeat(150));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        kept = house.captures();
        assert_eq!(kept.len(), 1, "300 KB and 300 KB are more than 500");
    }
    assert!(kept[0].metadata().unwrap().len() > 300_000);
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
    let printed: Vec<&str> = ran.stderr.lines().collect();
    let [started, of_the_capture @ .., ended] = &printed[..] else {
        panic!("{ran:?}");
    };
    assert!(started.starts_with("{\"started\":"), "{started}");
    assert!(ended.starts_with("{\"ended\":"), "{ended}");
    let captured = std::fs::read_to_string(house.path("c.jsonl")).unwrap();
    assert_eq!(of_the_capture, captured.lines().collect::<Vec<_>>());
    assert_eq!(of_the_capture.len(), 5);
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

#[test]
fn answers_that_a_full_disk_did_not_take_are_said_to_be_missing() {
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else {
        return; // Only Linux has one.
    };
    let house = House::new();
    for options in [&["--no-capture"][..], &[]] {
        let mut command = house.command(&[options, &["--", "echo", "{}"]].concat());
        let mut process = command.stdout(full.try_clone().unwrap());
        process = process.stderr(Stdio::piped());
        let mut process = process.spawn().unwrap();
        let mut said = String::new();
        let mut stderr = process.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        assert!(
            said.contains(
                "; not all that it said could be written to the client: No space left on device"
            ),
            "{said}"
        );
        assert_eq!(process.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn where_hardly_any_file_may_be_open_that_is_said_at_once() {
    let house = House::new();
    let within = |files: u32, line: &[&str]| {
        Ran::of(&mut house.command_after(&format!("ulimit -n {files}"), line))
    };
    let why = "cannot start: Too many open files (os error 24); ulimit -n sets how many";
    for files in [8, 20] {
        within(files, &["--", "cat"]).fails(1, why);
        within(files, &["call", "t", "--", "cat"]).fails(3, why);
    }
    let ran = within(32, &["--", "cat"]);
    assert_eq!(
        (ran.code, ran.stderr.lines().count()),
        (Some(0), 2),
        "{ran:?}"
    );
}
