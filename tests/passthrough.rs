//! Transparency, end to end: the built binary between peers that know every byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

use common::driver::{
    self, Running, direct, in_front_of, is_alive, pids, sentinel, sentinel_with, until,
};
use common::{harness, peers};
use mcp_sentinel::capture::reader::Reader;
use mcp_sentinel::capture::record::Payload;
use mcp_sentinel::tap::Party;
use rustix::process::Signal;
use std::io::{BufReader, Read, Write as _};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    peers::be_one_if_told();
    harness::run(tests![
        an_mcp_server_answers_as_it_does_without_us,
        every_byte_arrives_as_it_was_in_both_directions,
        however_the_stream_is_cut_it_arrives_whole,
        a_line_of_50_mb_streams_through,
        a_long_line_is_held_by_nobody_but_the_recorder_and_not_for_long,
        both_directions_flow_at_once,
        a_server_may_answer_after_its_input_has_ended,
        a_server_that_dies_in_the_middle_of_a_line_is_passed_on_as_such,
        a_server_that_never_reads_blocks_nothing_but_its_input,
        a_client_that_never_reads_blocks_nothing_but_its_input,
        an_exit_code_is_handed_on,
        an_end_by_signal_is_handed_on_as_128_and_its_number,
        a_command_that_is_not_there_is_named_with_127,
        a_command_that_cannot_run_is_named_with_126,
        a_signal_reaches_the_server_as_itself,
        a_signal_that_is_to_be_ignored_reaches_nobody,
        a_server_that_ignores_signals_is_killed_after_the_grace,
        a_server_that_outstays_its_client_is_ended,
        nothing_survives_when_we_are_killed,
        what_the_server_leaves_behind_does_not_hold_the_client_up,
        the_capture_says_what_was_on_the_wire,
        stderr_is_handed_on_as_it_is,
        a_stderr_that_nobody_reads_does_not_stop_the_protocol,
        a_stderr_that_is_read_late_is_whole,
        stdin_may_be_a_file_and_stdout_too,
        sockets_are_as_good_as_pipes,
        inherited_descriptors_keep_their_flags,
    ])
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// What a raw client hears from the MCP upstream, answer by answer.
fn conversation(mut server: Running) -> Vec<String> {
    let mut answers = vec![server.ask(INITIALIZE)];
    server.send(format!("{INITIALIZED}\n"));
    for request in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"text":"a\u0062c \ud83e\udd80"}}}"#,
        r#"{"jsonrpc":"2.0","id":3,"method":"resources/list","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":4,"method":"resources/read","params":{"uri":"resource://hello.txt"}}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"prompts/list"}"#,
        r#"{"jsonrpc":"2.0","id":6,"method":"prompts/get","params":{"name":"summarize"}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"no/such/method"}"#,
    ] {
        answers.push(server.ask(request));
    }
    drop(server.stdin.take());
    assert_eq!(server.rest(), b"");
    assert_eq!(server.code(), Some(0));
    answers
}

fn an_mcp_server_answers_as_it_does_without_us() {
    let ours = conversation(sentinel(&["mcp"]));
    assert_eq!(ours, conversation(direct(&["mcp"])));
    for (answer, part) in ours.iter().zip([
        r#""capabilities":{"prompts":{},"resources":{},"tools":{}}"#,
        r#""name":"echo""#,
        "echo: abc \u{1F980}",
        "resource://hello.txt",
        "Hello, résumé",
        r#""name":"summarize""#,
        "Make it short.",
        "-32601",
    ]) {
        assert!(answer.contains(part), "{part} is not in {answer}");
    }
}

/// Everything that a typed peer would hide: spelling, order, unknown members, batches, broken JSON, broken UTF-8,
/// every line end, and none at the end.
fn awkward() -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in [
        &br#"{ "z":1.0,"a":1e3 , "big":12345678901234567890123,"n":null,"jsonrpc":"2.0","id":1.0}"#[..],
        br#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"x/unknown","params":[1,2],"future":true}"#,
        br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"y"}]"#,
        br#"{"a":1,"a":2,"s":"\u00e9\/\ud800"}"#,
        b"not json {{{",
        b"\xff\xfe broken \xc3\x28 utf-8 \x00 nul",
        b"\xef\xbb\xbf{\"bom\":true}",
        b"",
        b"carriage return\r",
        b"\r",
        b"\x1b[31mred\x1b[0m",
    ] {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(&vec![b'['; 100_000]);
    bytes.extend_from_slice(b"\nno line end at the end");
    bytes
}

fn every_byte_arrives_as_it_was_in_both_directions() {
    let home = tempfile::tempdir().unwrap();
    let (say, hear) = (home.path().join("say"), home.path().join("hear"));
    let mut said = awkward();
    said.reverse();
    std::fs::write(&say, &said).unwrap();
    let mut proxy = sentinel(&["exchange", say.to_str().unwrap(), hear.to_str().unwrap()]);
    proxy.pour(awkward()).join().unwrap().unwrap();
    assert!(proxy.rest() == said, "server to client");
    assert_eq!(proxy.code(), Some(0));
    assert!(
        std::fs::read(&hear).unwrap() == awkward(),
        "client to server"
    );
}

fn however_the_stream_is_cut_it_arrives_whole() {
    let mut proxy = sentinel(&["echo"]);
    let text = awkward();
    let mut rest = &text[..];
    let mut size = 1;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(size.min(rest.len()));
        proxy.send(piece);
        rest = after;
        size = size * 7 % 1013 + 1;
        std::thread::yield_now();
    }
    drop(proxy.stdin.take());
    assert!(proxy.rest() == text);
    assert_eq!(proxy.code(), Some(0));
}

fn a_line_of_50_mb_streams_through() {
    let mut line = Vec::from(&br#"{"jsonrpc":"2.0","id":1,"result":""#[..]);
    line.resize(50 << 20, b'x');
    line.extend_from_slice(b"\"}\n");
    let mut proxy = sentinel_with(&["--no-capture"], &["echo"]);
    let pouring = proxy.pour(line.clone());
    assert!(proxy.rest() == line);
    pouring.join().unwrap().unwrap();
    assert_eq!(proxy.code(), Some(0));
}

fn a_long_line_is_held_by_nobody_but_the_recorder_and_not_for_long() {
    if !cfg!(target_os = "linux") {
        return;
    }
    const LONG: usize = 32 << 20;
    let mut line = vec![b'"'; LONG];
    line[1..LONG - 1].fill(b'x');
    line.push(b'\n');
    // How much is held at most while the line passes, in the queue and in the recorder, both ways; and how much of that
    // stays afterwards.
    for (options, at_most_held, at_most_kept) in
        [(&["--no-capture"][..], 0, 0), (&[], 5 * LONG, LONG / 8)]
    {
        let mut proxy = in_front_of(options, |command| {
            command.arg("cat");
        });
        let memory = |what: &str| {
            let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.process.id()));
            let status = status.unwrap();
            let size = status.lines().find_map(|it| it.strip_prefix(what)).unwrap();
            let kilobytes: usize = size.trim().trim_end_matches(" kB").parse().unwrap();
            kilobytes << 10
        };
        let mut stdin = proxy.stdin.take().unwrap();
        let sent = line.clone();
        let sending = std::thread::spawn(move || stdin.write_all(&sent).map(|()| stdin));
        let mut arrived = vec![0; line.len()];
        proxy.stdout.read_exact(&mut arrived).unwrap();
        assert!(arrived == line);
        // The program's own pages come into memory as they are used.
        let own = || memory("RssFile:") + (8 << 20);
        until("the memory is given back", || {
            memory("VmRSS:") < own() + at_most_kept
        });
        let own = own();
        let peak = memory("VmHWM:");
        assert!(peak < own + at_most_held, "{options:?} {peak}");
        drop(sending.join().unwrap().unwrap());
        assert_eq!(proxy.code(), Some(0));
    }
}

fn both_directions_flow_at_once() {
    let home = tempfile::tempdir().unwrap();
    let (say, hear) = (home.path().join("say"), home.path().join("hear"));
    let text = awkward().repeat(50);
    std::fs::write(&say, &text).unwrap();
    let mut proxy = sentinel(&["exchange", say.to_str().unwrap(), hear.to_str().unwrap()]);
    let pouring = proxy.pour(text.clone());
    assert!(proxy.rest() == text, "server to client");
    pouring.join().unwrap().unwrap();
    assert_eq!(proxy.code(), Some(0));
    assert!(std::fs::read(&hear).unwrap() == text, "client to server");
}

fn a_server_may_answer_after_its_input_has_ended() {
    let mut proxy = sentinel(&["summary"]);
    proxy.pour(vec![b'x'; 1000]).join().unwrap().unwrap();
    assert_eq!(proxy.rest(), b"1000 bytes");
    assert_eq!(proxy.code(), Some(0));
}

fn a_server_that_dies_in_the_middle_of_a_line_is_passed_on_as_such() {
    let mut proxy = sentinel(&["abort"]);
    proxy.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}\n");
    assert_eq!(proxy.rest(), b"{\"jsonrpc\":\"2.0\",\"id\":1,\"res");
    assert_eq!(proxy.code(), Some(128 + 6));
}

fn a_server_that_never_reads_blocks_nothing_but_its_input() {
    let mut proxy = sentinel(&["deaf"]);
    let pouring = proxy.pour(vec![b'x'; 4 << 20]);
    for number in 0..100 {
        assert_eq!(proxy.line(), format!("{number}\n"));
    }
    assert!(!pouring.is_finished(), "4 MB fit into no pipe");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.code(), Some(128 + 15));
}

fn a_client_that_never_reads_blocks_nothing_but_its_input() {
    let home = tempfile::tempdir().unwrap();
    let hear = home.path().join("hear");
    let mut proxy = sentinel(&["flood", hear.to_str().unwrap()]);
    // Longer than it takes to fill every pipe on the way.
    std::thread::sleep(Duration::from_millis(300));
    proxy.send("still there?\n");
    until("the server has heard it", || {
        std::fs::read_to_string(&hear).is_ok_and(|heard| heard == "still there?\n")
    });
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.code(), Some(128 + 15));
}

fn an_exit_code_is_handed_on() {
    for code in [0, 3, 255] {
        let mut proxy = sentinel(&["exit", &code.to_string()]);
        assert_eq!(proxy.rest(), b"");
        assert_eq!(proxy.code(), Some(code));
    }
}

fn an_end_by_signal_is_handed_on_as_128_and_its_number() {
    for signal in [9, 15, 3] {
        let mut proxy = sentinel(&["kill-self", &signal.to_string()]);
        assert_eq!(proxy.code(), Some(128 + signal));
    }
}

fn a_command_that_is_not_there_is_named_with_127() {
    let mut proxy = in_front_of(&[], |command| {
        command.args(["no-such-server-anywhere", "--flag"]);
    });
    assert_eq!(proxy.rest(), b"", "stdout carries protocol or nothing");
    assert_eq!(proxy.code(), Some(127));
    let errors = proxy.errors();
    assert!(
        errors.contains("cannot start no-such-server-anywhere: there is no such command in PATH"),
        "{errors}"
    );
}

fn a_command_that_cannot_run_is_named_with_126() {
    let mut proxy = in_front_of(&[], |command| {
        command.arg(env!("CARGO_MANIFEST_DIR").to_owned() + "/Cargo.toml");
    });
    assert_eq!(proxy.rest(), b"");
    assert_eq!(proxy.code(), Some(126));
    let errors = proxy.errors();
    assert!(errors.contains("Cargo.toml is not executable"), "{errors}");
}

fn a_signal_reaches_the_server_as_itself() {
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
    ] {
        let mut proxy = sentinel(&["name-signal"]);
        assert_eq!(proxy.line(), "ready\n");
        proxy.signal(signal);
        assert_eq!(proxy.line(), format!("{name}\n"));
        assert_eq!(proxy.code(), Some(7), "its own way to end");
    }
}

/// What `nohup` makes of us.
fn a_signal_that_is_to_be_ignored_reaches_nobody() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]);
    let program = driver::at_home(&home);
    command.envs(
        program
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    command.arg(program.get_program()).arg("--no-capture");
    command.arg("--").arg(std::env::current_exe().unwrap());
    command.args(["peer", "name-signal"]);
    let mut proxy = driver::start(command, home);
    assert_eq!(proxy.line(), "ready\n");
    proxy.signal(Signal::HUP);
    // Long enough for it to arrive, if it did.
    std::thread::sleep(Duration::from_millis(300));
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.line(), "TERM\n");
    assert_eq!(proxy.code(), Some(7));
}

fn a_server_that_ignores_signals_is_killed_after_the_grace() {
    let mut proxy = sentinel_with(&["--grace", "1"], &["stubborn"]);
    assert_eq!(proxy.line(), "ready\n");
    let start = Instant::now();
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.code(), Some(128 + 9));
    assert!(start.elapsed() >= Duration::from_secs(1));
}

fn a_server_that_outstays_its_client_is_ended() {
    let mut proxy = sentinel_with(&["--grace", "1"], &["stubborn"]);
    assert_eq!(proxy.line(), "ready\n");
    drop(proxy.stdin.take());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        proxy.process.try_wait().unwrap(),
        None,
        "somebody may still listen"
    );
    let (nobody, _write) = std::io::pipe().unwrap();
    drop(std::mem::replace(
        &mut proxy.stdout,
        Box::new(BufReader::new(nobody)),
    ));
    assert_eq!(proxy.code(), Some(128 + 9));
}

fn nothing_survives_when_we_are_killed() {
    let mut proxy = sentinel_with(&["--grace", "1"], &["family"]);
    // The one that it has started speaks on the same stdout, sooner or later.
    let lines = [proxy.line(), proxy.line()];
    let family = lines.iter().find(|line| line.starts_with("pids")).unwrap();
    let family = pids(family);
    assert!(family.iter().all(|pid| is_alive(*pid)));
    proxy.signal(Signal::KILL);
    until("both are gone", || !family.iter().any(|pid| is_alive(*pid)));
}

fn what_the_server_leaves_behind_does_not_hold_the_client_up() {
    let mut proxy = sentinel(&["leave-behind"]);
    let text = String::from_utf8(proxy.rest()).unwrap();
    let left = pids(text.lines().find(|line| line.starts_with("pids")).unwrap());
    assert_eq!(proxy.code(), Some(0));
    until("it was ended", || !is_alive(left[0]));
}

/// What the capture holds of one party's stream, put together again.
fn recorded(proxy: &Running, party: Party) -> Vec<u8> {
    let mut reader = Reader::open(&driver::capture(&proxy.home)).unwrap();
    let mut bytes = Vec::new();
    let read = reader.read(usize::MAX, |record| {
        if let Payload::Line {
            from,
            bytes: line,
            terminated,
            ..
        } = record.payload
            && from == party
        {
            bytes.extend_from_slice(&line);
            bytes.extend(terminated.then_some(b'\n'));
        }
    });
    assert!(read.unwrap() > 0);
    bytes
}

fn the_capture_says_what_was_on_the_wire() {
    let mut proxy = sentinel(&["echo"]);
    proxy.pour(awkward()).join().unwrap().unwrap();
    assert!(proxy.rest() == awkward());
    assert_eq!(proxy.code(), Some(0));
    assert!(
        recorded(&proxy, Party::Client) == awkward(),
        "client to server"
    );
    assert!(
        recorded(&proxy, Party::Server) == awkward(),
        "server to client"
    );
}

fn stderr_is_handed_on_as_it_is() {
    let mut proxy = sentinel(&["complain", "100000"]);
    drop(proxy.stdin.take());
    // Our own lines may stand in between.
    assert_eq!(proxy.errors().matches('#').count(), 100_000);
    assert_eq!(proxy.code(), Some(0));
}

fn a_stderr_that_nobody_reads_does_not_stop_the_protocol() {
    let mut proxy = sentinel(&["complain", "2000000"]);
    assert_eq!(proxy.ask("hello"), "hello\n");
    drop(proxy.stdin.take());
    assert_eq!(proxy.rest(), b"");
    assert_eq!(proxy.code(), Some(0));
}

fn a_stderr_that_is_read_late_is_whole() {
    for _ in 0..100 {
        let mut proxy = sentinel(&["complain", "300000"]);
        let ending = Instant::now();
        drop(proxy.stdin.take());
        assert_eq!(proxy.rest(), b"");
        // A client that looks why its server has gone.
        std::thread::sleep(Duration::from_secs(1));
        let late = ending.elapsed();
        let errors = proxy.errors();
        if late > Duration::from_millis(1900) {
            // Nobody is waited for that long: the machine was busy with something else.
            continue;
        }
        assert_eq!(errors.matches('#').count(), 300_000);
        assert!(errors.contains(" · the server exited with status 0"));
        assert_eq!(proxy.code(), Some(0));
        return;
    }
    panic!("this machine is too slow to tell");
}

/// Runs a proxy in front of an echo with the given ends, and gives its exit code.
fn echo_between(
    stdin: impl Into<std::process::Stdio>,
    stdout: impl Into<std::process::Stdio>,
) -> Option<i32> {
    let home = tempfile::tempdir().unwrap();
    let mut proxy = std::process::Command::new(env!("CARGO_BIN_EXE_mcp-sentinel"))
        .arg("--headless")
        .arg("--capture")
        .arg(driver::capture(&home))
        .arg("--")
        .arg(std::env::current_exe().unwrap())
        .args(["peer", "echo"])
        .env("XDG_RUNTIME_DIR", home.path())
        .env("XDG_STATE_HOME", home.path())
        .stdin(stdin)
        .stdout(stdout)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    proxy.wait().unwrap().code()
}

fn stdin_may_be_a_file_and_stdout_too() {
    let home = tempfile::tempdir().unwrap();
    let (from, to) = (home.path().join("from"), home.path().join("to"));
    std::fs::write(&from, awkward()).unwrap();
    let (stdin, stdout) = (std::fs::File::open(&from), std::fs::File::create(&to));
    assert_eq!(echo_between(stdin.unwrap(), stdout.unwrap()), Some(0));
    assert!(std::fs::read(&to).unwrap() == awkward());
}

fn sockets_are_as_good_as_pipes() {
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    let (mut write, stdin) = UnixStream::pair().unwrap();
    let (mut read, stdout) = UnixStream::pair().unwrap();
    let text = awkward().repeat(20);
    let pouring = {
        let text = text.clone();
        std::thread::spawn(move || {
            write.write_all(&text).unwrap();
            write.shutdown(std::net::Shutdown::Write).unwrap();
            write
        })
    };
    let reading = std::thread::spawn(move || {
        let mut heard = Vec::new();
        read.read_to_end(&mut heard).unwrap();
        heard
    });
    assert_eq!(
        echo_between(OwnedFd::from(stdin), OwnedFd::from(stdout)),
        Some(0)
    );
    assert!(reading.join().unwrap() == text);
    drop(pouring.join().unwrap());
}

/// A pipe that others hold as well must not become non-blocking under their hands.
fn inherited_descriptors_keep_their_flags() {
    use rustix::fs::{OFlags, fcntl_getfl};
    let (stdin, mut write) = std::io::pipe().unwrap();
    let (mut read, stdout) = std::io::pipe().unwrap();
    let (ours_in, ours_out) = (stdin.try_clone().unwrap(), stdout.try_clone().unwrap());
    let talking = std::thread::spawn(move || {
        let mut seen = OFlags::empty();
        for _ in 0..20 {
            // What comes back says that both are in use.
            let mut back = [0; 4];
            write.write_all(b"{}\r\n").unwrap();
            read.read_exact(&mut back).unwrap();
            seen |= fcntl_getfl(&ours_in).unwrap() | fcntl_getfl(&ours_out).unwrap();
        }
        drop(write);
        (seen, read)
    });
    assert_eq!(echo_between(stdin, stdout), Some(0));
    let (seen, _read) = talking.join().unwrap();
    assert!(!seen.contains(OFlags::NONBLOCK));
}
