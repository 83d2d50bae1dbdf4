//! The built binary between HTTP ends, as scripts and client configurations see it: where it listens, for whom, and how
//! it reaches a server at a URL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod house;

use house::{DEMO, House, Proxy, Ran, until};
use mcp_sentinel::link::registry::Counts;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

#[test]
fn listening_for_other_machines_needs_a_token() {
    let house = House::new();
    let ran = house.run(&["--listen", "0.0.0.0:0", "--", "cat"]);
    ran.fails(2, "--token-env MCP_TOKEN");
    ran.fails(2, "--insecure-no-token");
    house
        .run(&["--listen", "here", "--", "cat"])
        .fails(2, "--listen here: `here` is not a port");
    house
        .run(&["--token", "t", "--", "cat"])
        .fails(2, "--listen ADDRESS says where they connect");
}

/// A proxy that listens, and the first line that it says.
fn listening(house: &House, arguments: &[&str]) -> (Proxy, String) {
    started(house.command(arguments))
}

fn started(command: Command) -> (Proxy, String) {
    let mut proxy = Proxy::start(command);
    let mut line = String::new();
    let stderr = proxy.process.stderr.take().unwrap();
    let mut stderr = BufReader::new(stderr);
    stderr.read_line(&mut line).unwrap();
    proxy.process.stderr = Some(stderr.into_inner());
    (proxy, line)
}

#[test]
fn a_listener_in_front_of_a_command_that_is_not_there_says_so_and_ends() {
    let house = House::new();
    let ran = house.run(&["--listen", "0", "--", "no-such-command"]);
    ran.fails(
        127,
        "mcp-sentinel: cannot start no-such-command: there is no such command in PATH",
    );
    assert_eq!(house.captures(), Vec::<std::path::PathBuf>::new());
    house
        .run(&["--listen", "0", "--", "/"])
        .fails(126, "is a directory");
}

#[test]
fn a_listener_says_where_it_is_and_is_listed_with_it() {
    let house = House::new();
    let arguments = [&["--listen", "0", "--name", "door", "--"][..], &DEMO].concat();
    let (proxy, line) = listening(&house, &arguments);
    let (url, rest) = line
        .strip_prefix("mcp-sentinel: ")
        .and_then(|line| line.split_once(" → "))
        .unwrap_or_else(|| panic!("{line}"));
    assert!(
        url.starts_with("http://127.0.0.1:") && url.ends_with("/mcp"),
        "{line}"
    );
    assert!(!url.contains(":0/"), "{line}");
    assert!(rest.contains("demo --server · capturing to "), "{line}");
    until("it is listed", || !house.live().is_empty());
    assert_eq!(house.live()[0].listening.as_deref(), Some(url));
    let table = house.run(&["ps"]).stdout;
    assert!(table.contains(&format!("  {url}  ")), "{table}");
    // Its own address is taken now.
    let port = url["http://".len()..].split('/').next().unwrap();
    house
        .run(&["--listen", port, "--", "cat"])
        .fails(1, &format!("cannot listen: {port} is in use"));

    let pid = rustix::process::Pid::from_child(&proxy.process);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let (code, said) = proxy.leave();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ended by signal 15"), "{said}");
    assert_eq!(house.live(), []);
}

#[test]
fn a_listener_in_front_of_a_url_has_its_path_and_its_name_and_hides_its_secrets() {
    let house = House::new();
    let server = "http://user:pw123@127.0.0.1:9/deep/mcp?api_key=s3cret&page=2";
    let (proxy, line) = listening(&house, &["--listen", "0", server]);
    assert!(line.contains("/deep/mcp → http://"), "{line}");
    assert!(line.contains("page=2"), "{line}");
    until("it is listed", || !house.live().is_empty());
    let entry = house.live().remove(0);
    assert_eq!(entry.name, "127.0.0.1-9");
    let capture = std::fs::read_to_string(entry.capture.unwrap()).unwrap();
    assert!(capture.contains(r#""transport":"http""#), "{capture}");
    for text in [line, capture, format!("{:?}", entry.upstream)] {
        assert!(
            !text.contains("s3cret") && !text.contains("pw123"),
            "{text}"
        );
    }
    drop(proxy);
}

#[test]
fn a_call_goes_through_a_listener_with_the_token_that_it_asks_for() {
    let house = House::new();
    let options = ["--listen", "0", "--token", "t0k3n", "--"];
    let (proxy, line) = listening(&house, &[&options[..], &DEMO].concat());
    let url = line["mcp-sentinel: ".len()..].split(' ').next().unwrap();
    let call = ["call", "echo", url, "--args", r#"{"message":"over HTTP"}"#];
    house.run(&call).fails(3, "401");
    let mut command =
        house.command(&[&call[..], &["--header-env", "X-Mcp-Sentinel-Token=KEY"]].concat());
    let ran = Ran::of(command.env("KEY", "t0k3n"));
    assert_eq!(
        (ran.code, &*ran.stdout),
        (Some(0), "Echo: over HTTP\n"),
        "{ran:?}"
    );
    let bearer = ["list", url, "--header", "Authorization: Bearer t0k3n"];
    let listed = house.run(&bearer).stdout;
    assert!(listed.contains("get-sum(a: number, b: number)"), "{listed}");
    let pid = rustix::process::Pid::from_child(&proxy.process);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(proxy.leave().0, Some(0));
    let capture = std::fs::read_to_string(&house.captures()[0]).unwrap();
    assert!(capture.contains("Echo: over HTTP"), "{capture}");
    assert!(!capture.contains("t0k3n"), "{capture}");
}

/// A server that answers every request with these bytes, once its head is here, as long as the test runs.
fn answering(response: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for peer in listener.incoming() {
            let mut peer = BufReader::new(peer.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while peer.read_line(&mut line).unwrap_or(0) > 2 {
                let header = line.to_ascii_lowercase();
                if let Some(value) = header.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            let _ = peer.read_exact(&mut body);
            let _ = peer.get_mut().write_all(response.as_bytes());
        }
    });
    url
}

#[test]
fn why_a_server_cannot_be_used_is_said_once_in_one_sentence() {
    // Bound, so that nobody else gets it, and without a listener.
    let unheard = tokio::net::TcpSocket::new_v4().unwrap();
    unheard.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = unheard.local_addr().unwrap();
    let refused = TcpStream::connect(address).unwrap_err();
    let nobody = format!("http://{address}/mcp");
    let busy = answering(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    let elsewhere = answering(
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 14\r\nConnection: close\r\n\r\n<h1>what?</h1>",
    );
    let failed = "mcp-sentinel: the handshake with the server failed: ";
    for (url, reason) in [
        (&nobody, format!("cannot reach the server: {refused}")),
        (&busy, "the server says 503 Service Unavailable".into()),
        (&elsewhere, "the server says 404 Not Found at /mcp".into()),
    ] {
        for arguments in [&["list"][..], &["call", "echo"]] {
            for era in ["auto", "legacy", "modern"] {
                let house = House::new();
                let ran = house.run(&[arguments, &["--era", era, url]].concat());
                let said = format!("{failed}{reason}\n");
                assert_eq!((ran.code, &*ran.stderr), (Some(3), &*said), "{era}");
            }
        }
    }
}

/// What comes back for a message.
fn posted(address: &str, path: &str, message: &str) -> String {
    let mut client = TcpStream::connect(address).unwrap();
    write!(
        client,
        "POST /{path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{message}",
        message.len()
    )
    .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_live_proxy_counts_a_call_that_http_refuses_as_an_error() {
    let house = House::new();
    let refusing =
        answering("HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let (proxy, line) = listening(&house, &["--listen", "0", &refusing]);
    let url = line["mcp-sentinel: http://".len()..].split(' ').next();
    let (address, path) = url.unwrap().split_once('/').unwrap();
    let call = r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}},{"jsonrpc":"2.0","method":"notifications/x"}]"#;
    let answer = posted(address, path, call);
    assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    let counts = Counts {
        messages: 2,
        errors: 2,
    };
    until("all of it is counted", || {
        house
            .live()
            .first()
            .is_some_and(|it| it.counts == Some(counts))
    });
    let pid = rustix::process::Pid::from_child(&proxy.process);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let (_, said) = proxy.leave();
    let counted = "2 messages from the client, 0 from the server, 2 errors, ";
    assert!(said.contains(counted), "{said}");
}

#[test]
fn without_a_capture_the_messages_of_http_clients_are_counted() {
    let house = House::new();
    let arguments = [&["--no-capture", "--listen", "0", "--"][..], &DEMO].concat();
    let (proxy, line) = listening(&house, &arguments);
    let url = line["mcp-sentinel: http://".len()..].split(' ').next();
    let (address, path) = url.unwrap().split_once('/').unwrap();
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
    let answer = posted(address, path, hello);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let pid = rustix::process::Pid::from_child(&proxy.process);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let (_, said) = proxy.leave();
    let counted = "1 message from the client, 1 from the server, errors not counted";
    assert!(said.contains(counted), "{said}");
}

#[test]
fn a_listener_without_room_for_another_connection_goes_on_when_there_is_some_again() {
    let house = House::new();
    let command = house.command_after("ulimit -n 32", &["--listen", "0", "--", "cat"]);
    let (proxy, line) = started(command);
    let address = line["mcp-sentinel: http://".len()..]
        .split('/')
        .next()
        .unwrap();
    let capture = house.captures().remove(0);
    let many: Vec<_> = (0..40)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    until("it has no room", || {
        let capture = std::fs::read_to_string(&capture).unwrap();
        capture.contains("cannot accept a connection: ")
    });
    drop(many);
    let mut peer = TcpStream::connect(address).unwrap();
    peer.write_all(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    drop(proxy);
}

#[test]
fn trust_without_verification_is_said_aloud() {
    let house = House::new();
    let arguments = ["--listen", "0", "--insecure", "https://127.0.0.1:9/mcp"];
    let (proxy, line) = listening(&house, &arguments);
    assert!(
        line.starts_with("mcp-sentinel: WARNING: --insecure"),
        "{line}"
    );
    until("it is listed", || !house.live().is_empty());
    let capture = std::fs::read_to_string(&house.captures()[0]).unwrap();
    assert!(capture.contains(r#""insecure":true"#), "{capture}");
    drop(proxy);
}

#[test]
fn options_for_a_server_at_a_url_are_refused_for_a_command_and_the_other_way_round() {
    let house = House::new();
    house
        .run(&["--header", "a: b", "--", "cat"])
        .fails(2, "--header is for a server at a URL");
    house
        .run(&["--listen", "0", "--max-children", "3", "http://host/mcp"])
        .fails(2, "--max-children is for a server that is a command");
    house
        .run(&["--cacert", "/nowhere.pem", "https://host/mcp"])
        .fails(1, "cannot read /nowhere.pem: No such file");
    let text = house.write("ca.pem", "no certificate here\n");
    house
        .run(&["--cacert", text.to_str().unwrap(), "https://host/mcp"])
        .fails(1, "ca.pem holds no certificate in PEM");
    house
        .run(&["http://"])
        .fails(2, "http:// is not an address that can be used");
    let mut command = house.command(&["--header-env", "Authorization=KEY"]);
    Ran::of(command.env("UPSTREAM_URL", "http://host/mcp")).fails(2, "KEY is not set");
}

#[test]
fn a_session_is_begun_anew_for_a_client_on_stdio_in_front_of_a_url_alone() {
    let house = House::new();
    house
        .run(&["--auto-reinit", "--", "cat"])
        .fails(2, "--auto-reinit is for a server at a URL");
    house
        .run(&["--listen", "0", "--auto-reinit", "http://host/mcp"])
        .fails(2, "--auto-reinit is for a client on stdio");
}
