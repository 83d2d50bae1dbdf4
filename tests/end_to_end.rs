//! The built binary on a pseudo-terminal, driven with keys, watched as a person would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod pty;

use mcp_sentinel::link::registry;
use pty::Terminal;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-sentinel");
const F5: &str = "\x1b[15~";
const ESC: &str = "\x1b";

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The operator in front of the built-in server.
fn operator(home: &Path, width: u16, height: u16) -> Terminal {
    let terminal = Terminal::start(
        PROGRAM,
        &["--", PROGRAM, "demo", "--server"],
        home,
        width,
        height,
    );
    terminal.wait_for("prompts/list");
    terminal
}

/// Waits until all lists have come: before, leaving asks whether their answers may be lost.
fn wait_listed(terminal: &Terminal) {
    terminal.wait_for("next page");
    terminal.wait_for("0 pending");
}

fn assert_restored(terminal: &Terminal) {
    terminal.look(|screen| {
        assert!(
            !screen.alternate_screen(),
            "the alternate screen was left on"
        );
        assert!(!screen.hide_cursor(), "the cursor was left hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste was left on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    });
}

#[test]
fn traffic_is_printed_beside_a_screen_where_it_does_not_spoil_it() {
    let home = home();
    let printing = ["--print=json", "--", PROGRAM, "demo", "--server"];
    let mut terminal = Terminal::start(PROGRAM, &printing, home.path(), 120, 40);
    assert_eq!(terminal.wait_exit(), 2);
    let said = terminal.contents();
    assert!(said.contains("stderr, and there the screen is"), "{said}");

    let elsewhere = format!("exec '{PROGRAM}' \"$@\" 2>printed");
    let arguments = [&["-c", &elsewhere, "sh"], &printing[..]].concat();
    let mut terminal = Terminal::start("sh", &arguments, home.path(), 120, 40);
    wait_listed(&terminal);
    terminal.press("q");
    assert_eq!(terminal.wait_exit(), 0);
    let printed = std::fs::read_to_string(home.path().join("printed")).unwrap();
    let lines: Vec<serde_json::Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines[0].get("started").is_some(), "{printed}");
    assert!(printed.contains("\"prompts/list\""), "{printed}");
    assert!(lines[lines.len() - 1].get("ended").is_some(), "{printed}");
}

#[test]
fn a_terminal_that_changes_its_size_while_the_screen_is_suspended_is_filled_afterwards() {
    let home = home();
    let jobs = "set -m; \"$@\"; echo stopped; read -r word; fg";
    let line = ["-c", jobs, "sh", PROGRAM, "--", PROGRAM, "demo", "--server"];
    let mut terminal = Terminal::start("sh", &line, home.path(), 120, 40);
    wait_listed(&terminal);
    terminal.press("\x1a");
    terminal.wait_for("stopped");
    terminal.resize(80, 24);
    terminal.press("\r");
    // What stands at the right end of the detail's first line.
    terminal.wait("the detail to fit", |screen| {
        screen
            .rows(0, 80)
            .any(|row| row.trim_end().ends_with("Raw"))
    });
    terminal.press("q");
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn the_demo_is_alive_can_be_filtered_and_leaves_the_terminal_as_it_was() {
    let home = home();
    let mut terminal = Terminal::start(PROGRAM, &["demo"], home.path(), 120, 40);
    terminal.wait_for("demo-client");
    terminal.wait_for("resources/read");
    terminal.press("/get-sum\r");
    terminal.wait_gone("resources/read");
    terminal.wait_for("get-sum");
    terminal.press(ESC);
    terminal.wait_for("initialize");
    terminal.press("?");
    terminal.wait_for("Everywhere");
    terminal.press(ESC);
    terminal.wait_gone("Everywhere");
    terminal.press("q");
    assert_eq!(terminal.wait_exit(), 0);
    assert_restored(&terminal);
}

#[test]
fn the_port_that_nobody_asked_for_wants_the_token_that_was_given() {
    let home = home();
    let line = ["--token", "s3cret", "--", PROGRAM, "demo", "--server"];
    let terminal = Terminal::start(PROGRAM, &line, home.path(), 120, 40);
    terminal.wait_for("listening on http://");
    let screen = terminal.contents();
    let (_, port) = screen.split_once("http://127.0.0.1:").unwrap();
    let (port, _) = port.split_once('/').unwrap();
    let ask = |token: &str| {
        let mut client =
            std::net::TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
        let headers =
            format!("Host: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close");
        write!(client, "GET /other HTTP/1.1\r\n{headers}\r\n\r\n").unwrap();
        std::io::read_to_string(client).unwrap()
    };
    assert!(ask("guess").starts_with("HTTP/1.1 401"));
    assert!(ask("s3cret").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_server_that_runs_is_ended_and_started_again_when_the_operator_says_so() {
    let home = home();
    let mut terminal = operator(home.path(), 120, 40);
    terminal.press("R");
    terminal.wait_for("End it and start it again?");
    terminal.press("y");
    terminal.wait_for("2 sessions");
    terminal.press("q");
    assert_eq!(terminal.wait_exit(), 0);
    let captures = home.path().join("state/mcp-sentinel/captures");
    let capture = captures.read_dir().unwrap().next().unwrap().unwrap();
    let capture = std::fs::read_to_string(capture.path()).unwrap();
    let ended = capture.find(r#""session":1,"closed""#).unwrap();
    let began = capture.find(r#""session":2,"opened""#).unwrap();
    assert!(ended < began, "{capture}");
}

#[test]
fn a_screen_shows_what_cannot_be_captured_and_says_so() {
    let home = home();
    let nowhere = "XDG_STATE_HOME=/dev/null/nowhere";
    let show = |line: &[&str], said: &str| {
        let line = [&[nowhere, PROGRAM], line].concat();
        let mut terminal = Terminal::start("env", &line, home.path(), 150, 40);
        terminal.wait_for("prompts/list");
        terminal.press("5");
        terminal.wait_for(said);
        terminal.press("q");
        assert_eq!(terminal.wait_exit(), 0);
    };
    let why = "none (not capturing: cannot use the captures directory: /dev/null/nowhere";
    show(&["--", PROGRAM, "demo", "--server"], why);
    show(&["demo"], why);
    show(&["demo", "--no-capture"], "none (--no-capture)");
    let left = std::fs::read_dir(home.path().join("tmp")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn an_operator_calls_a_tool_and_reads_its_answer() {
    let home = home();
    let mut terminal = operator(home.path(), 120, 40);
    terminal.press("2");
    terminal.wait_for("never called");
    terminal.press("/get-sum\r");
    terminal.wait_gone("book-berth");
    terminal.press("\r");
    terminal.wait_for("Call get-sum");
    terminal.press(F5);
    terminal.wait_for("structuredContent");
    // One at a time: an escape with a key right behind it is Alt and that key.
    terminal.press(ESC);
    terminal.wait_gone("Call get-sum");
    terminal.press(ESC);
    terminal.wait_for("book-berth");
    terminal.press("1");
    terminal.wait_for("tools/call");
    terminal.press("q");
    assert_eq!(terminal.wait_exit(), 0);
    assert_restored(&terminal);
    // What was seen can be found again.
    let left = terminal.look(|screen| screen.contents());
    assert!(left.contains("· captured in /"), "{left}");
}

#[test]
fn eighty_columns_keep_names_arguments_and_errors() {
    let home = home();
    let mut terminal = operator(home.path(), 80, 24);
    terminal.press("2");
    terminal.wait_for("book-berth");
    terminal.press("/get-sum\r");
    terminal.wait_gone("book-berth");
    terminal.press("\r");
    terminal.wait_for("Call get-sum");
    terminal.press(F5);
    terminal.wait_for("ok");
    // One at a time: an escape with a key right behind it is Alt and that key.
    terminal.press(ESC);
    terminal.wait_gone("Call get-sum");
    terminal.press(ESC);
    terminal.wait_for("book-berth");
    terminal.press("1");
    terminal.wait_for("a=0 b=0");
    terminal.resize(20, 5);
    terminal.wait_gone("a=0 b=0");
    terminal.resize(120, 40);
    terminal.wait_for("a=0 b=0");
    terminal.press("q");
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn a_terminated_screen_leaves_the_terminal_as_it_was() {
    let home = home();
    let mut terminal = operator(home.path(), 100, 30);
    let pid = rustix::process::Pid::from_raw(i32::try_from(terminal.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    terminal.wait_exit();
    assert_restored(&terminal);
}

#[test]
fn a_panic_leaves_the_terminal_as_it_was() {
    let home = home();
    let this = std::env::current_exe().unwrap();
    let args = [
        "--exact",
        "a_screen_that_panics",
        "--ignored",
        "--nocapture",
    ];
    let mut terminal = Terminal::start(this.to_str().unwrap(), &args, home.path(), 100, 30);
    assert_ne!(terminal.wait_exit(), 0);
    assert!(
        terminal.contents().contains("on purpose"),
        "the message was lost"
    );
    assert_restored(&terminal);
}

#[test]
#[ignore = "not a test of its own: the one above runs it in a terminal"]
fn a_screen_that_panics() {
    let _screen = mcp_sentinel::ui::terminal::Screen::take().unwrap();
    panic!("on purpose");
}

/// A client that speaks raw lines through a headless proxy to the built-in server.
struct Client {
    proxy: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Client {
    fn start(home: &Path) -> Self {
        for folder in ["state", "run", "config"] {
            std::fs::create_dir_all(home.join(folder)).unwrap();
        }
        let mut proxy = Command::new(PROGRAM)
            .args(["--", PROGRAM, "demo", "--server"])
            .env("HOME", home)
            .env("XDG_STATE_HOME", home.join("state"))
            .env("XDG_RUNTIME_DIR", home.join("run"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            to: proxy.stdin.take().unwrap(),
            from: BufReader::new(proxy.stdout.take().unwrap()),
            proxy,
        }
    }

    /// The proxy serves its client first, and is listed a moment later.
    fn wait_until_listed(&mut self, home: &Path) {
        let registry = home.join("run/mcp-sentinel");
        for _ in 0..60_000 {
            if registry::list(&registry).is_ok_and(|live| !live.is_empty()) {
                return;
            }
            assert_eq!(self.proxy.try_wait().unwrap(), None, "the proxy is gone");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("never: the proxy is listed");
    }

    fn send(&mut self, line: &str) {
        writeln!(self.to, "{line}").unwrap();
    }

    /// The next answer; notifications are passed over.
    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.from.read_line(&mut line).unwrap(),
                0,
                "the proxy is gone"
            );
            if line.contains("\"id\"") {
                return line;
            }
        }
    }

    fn call_sum(&mut self, id: u32, a: u32) -> String {
        self.send(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"get-sum","arguments":{{"a":{a},"b":1}}}}}}"#
        ));
        self.answer()
    }
}

#[test]
fn a_viewer_sees_what_came_before_it_and_its_replay_stays_hidden_from_the_client() {
    let home = home();
    let mut client = Client::start(home.path());
    client.send(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}"#);
    client.answer();
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    assert!(client.call_sum(1, 41).contains("42"));

    client.wait_until_listed(home.path());
    let mut viewer = Terminal::start(PROGRAM, &["attach"], home.path(), 120, 40);
    viewer.wait_for("initialize");
    viewer.wait_for("a=41 b=1");
    viewer.press("/a=41\r");
    viewer.wait_gone("initialize");
    viewer.press("r");
    // The client never asked what the tool may do, and the call goes into its session.
    viewer.wait_for("Call it?");
    viewer.press("y");
    viewer.wait_for("answer · ok");
    viewer.press(ESC);
    viewer.wait_gone("Send again");
    viewer.wait_for("↺");

    assert!(
        client.call_sum(2, 6).contains("\"id\":2"),
        "the client got the operator's answer"
    );
    viewer.press("q");
    assert_eq!(viewer.wait_exit(), 0);
    assert!(
        client.call_sum(3, 6).contains("\"id\":3"),
        "the viewer's end ended the session"
    );
    drop(client.to);
    assert!(client.proxy.wait().unwrap().success());

    let captures = home.path().join("state/mcp-sentinel/captures");
    let capture = std::fs::read_dir(captures)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut saved = Terminal::start(
        PROGRAM,
        &["open", capture.to_str().unwrap()],
        home.path(),
        120,
        40,
    );
    saved.wait_for("a=41 b=1");
    saved.wait_for("operator");
    saved.press("q");
    assert_eq!(saved.wait_exit(), 0);
    assert_restored(&saved);
}
