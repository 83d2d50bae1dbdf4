//! HTTP on one side of the program or on both. Bytes are compared with raw peers elsewhere; here it counts that nobody
//! notices.

use crate::desk::Desk;
use crate::installed::*;
use crate::ports;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than a server takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// A process that serves HTTP until it is dropped.
struct Serving {
    process: Child,
    /// What it says on stderr, and with it the reason when it does not start.
    errors: PathBuf,
    _folder: TempDir,
}

impl Serving {
    fn start(command: &[OsString], environment: &[(&str, String)]) -> Self {
        let folder = TempDir::new().unwrap();
        let errors = folder.path().join("stderr");
        let process = Command::new(&command[0])
            .args(&command[1..])
            .envs(environment.iter().cloned())
            .env("HOME", folder.path())
            .env("XDG_RUNTIME_DIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        Self {
            process,
            errors,
            _folder: folder,
        }
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.errors).unwrap()).into_owned()
    }

    /// Waits until `ready` finds what it looks for.
    fn wait<T>(&mut self, ready: impl Fn(&Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = ready(self) {
                return found;
            }
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", self.said());
            assert!(start.elapsed() < PATIENCE, "not ready: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server of another maker at its address.
struct Server {
    _serving: Serving,
    url: String,
}

impl Server {
    /// The command gets the port as its last argument, and in the environment.
    fn start(mut command: Vec<OsString>, path: &str) -> Self {
        let port = ports::free();
        command.push(port.to_string().into());
        let mut serving = Serving::start(&command, &[("PORT", port.to_string())]);
        serving.wait(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
        Self {
            _serving: serving,
            url: format!("http://127.0.0.1:{port}{path}"),
        }
    }

    fn everything(transport: &str, path: &str) -> Self {
        let mut command = everything();
        command.push(transport.into());
        Self::start(command, path)
    }

    fn odd() -> Self {
        Self::start(odd(), "/mcp")
    }
}

/// The program at its own address.
fn listening(options: &[&str], upstream: &[OsString]) -> Server {
    let mut command: Vec<OsString> = vec![SENTINEL.into()];
    command.extend(["--headless", "--listen", "127.0.0.1:0"].map(OsString::from));
    command.extend(options.iter().map(OsString::from));
    command.extend_from_slice(upstream);
    let mut serving = Serving::start(&command, &[]);
    let url = serving.wait(|serving| {
        let said = serving.said();
        let (_, url) = said.split_once("http://")?;
        // The line is there as a whole, or not yet.
        let (url, _) = url.split_once(' ')?;
        Some(format!("http://{url}"))
    });
    Server {
        _serving: serving,
        url,
    }
}

/// What a client prints that is given this address.
fn printed(client: &[OsString], url: &str) -> String {
    Desk::new().printed(client, &[url.into()])
}

/// The program in front of an HTTP server: for a client on HTTP, then for one on stdio.
fn assert_no_difference_over_http(client: &[OsString], server: &Server) {
    let direct = printed(client, &server.url);
    let proxy = listening(&[], &[OsString::from(&server.url)]);
    assert_eq!(direct, printed(client, &proxy.url), "HTTP to HTTP");
}

fn assert_no_difference_behind_stdio(client: &[OsString], server: &Server) {
    let direct = printed(client, &server.url);
    let bridge = [SENTINEL.into(), OsString::from(&server.url)];
    assert_eq!(
        direct,
        Desk::new().printed(client, &bridge),
        "stdio to HTTP"
    );
}

/// The program in front of a stdio server, for a client on HTTP.
fn assert_no_difference_before_stdio(client: &[OsString], server: &[OsString]) {
    let direct = Desk::new().printed(client, server);
    let bridge = listening(&[], &[&[OsString::from("--")], server].concat());
    assert_eq!(direct, printed(client, &bridge.url), "HTTP to stdio");
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn both_sdks_see_no_difference_with_server_everything_over_http() {
    let server = Server::everything("streamableHttp", "/mcp");
    for client in [
        python_client("legacy", EVERYTHING_STEPS),
        python_client("auto", EVERYTHING_STEPS),
        typescript_client(EVERYTHING_STEPS),
    ] {
        assert_no_difference_over_http(&client, &server);
        assert_no_difference_behind_stdio(&client, &server);
    }
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn both_sdks_see_no_difference_with_server_everything_over_the_old_transport() {
    let server = Server::everything("sse", "/sse");
    for client in [
        python_client("legacy", EVERYTHING_STEPS),
        typescript_client(EVERYTHING_STEPS),
    ] {
        assert_no_difference_over_http(&client, &server);
        assert_no_difference_behind_stdio(&client, &server);
    }
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn both_sdks_see_no_difference_with_server_everything_behind_http() {
    for client in [
        python_client("legacy", EVERYTHING_STEPS),
        python_client("auto", EVERYTHING_STEPS),
        typescript_client(EVERYTHING_STEPS),
    ] {
        assert_no_difference_before_stdio(&client, &everything());
    }
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn both_sdks_see_no_difference_with_a_fastmcp_server_over_http_in_either_era() {
    let server = Server::odd();
    for client in [
        python_client("legacy", ODD_STEPS),
        python_client("auto", ODD_STEPS),
        typescript_client(ODD_STEPS),
    ] {
        assert_no_difference_over_http(&client, &server);
        assert_no_difference_behind_stdio(&client, &server);
        assert_no_difference_before_stdio(&client, &odd());
    }
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn both_sdks_understand_the_built_in_server_behind_http_in_either_era() {
    for client in [
        python_client("legacy", HARBOUR_STEPS),
        python_client("auto", HARBOUR_STEPS),
        typescript_client(HARBOUR_STEPS),
    ] {
        assert_no_difference_before_stdio(&client, &harbour());
    }
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn clients_of_the_old_transport_are_served_by_a_stdio_server() {
    let bridge = listening(
        &["--sse"],
        &[&[OsString::from("--")], &*everything()].concat(),
    );
    let url = bridge.url.replace("/mcp", "/sse");
    for client in [
        python_client("legacy", EVERYTHING_STEPS),
        typescript_client(EVERYTHING_STEPS),
    ] {
        let direct = Desk::new().printed(&client, &everything());
        assert_eq!(direct, printed(&client, &url));
    }
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn the_inspector_sees_no_difference_over_http_in_either_era() {
    let (everything, odd) = (Server::everything("streamableHttp", "/mcp"), Server::odd());
    let sum = [
        "--method",
        "tools/call",
        "--tool-name",
        "get-sum",
        "--tool-arg",
        "a=2",
        "b=3",
    ];
    let steps = [
        "--method",
        "tools/call",
        "--tool-name",
        "steps",
        "--tool-arg",
        "count=3",
    ];
    for (server, era, request) in [
        (&everything, "legacy", &["--method", "tools/list"][..]),
        (&everything, "legacy", &sum),
        (&everything, "auto", &["--method", "prompts/list"]),
        (&odd, "legacy", &["--method", "tools/list"]),
        (&odd, "modern", &["--method", "tools/list"]),
        (&odd, "modern", &steps),
        (&odd, "auto", &["--method", "resources/templates/list"]),
    ] {
        let client = inspector(&[&["--protocol-era", era], request].concat());
        assert_no_difference_over_http(&client, server);
    }
    let client = inspector(&[&["--protocol-era", "modern"][..], &steps].concat());
    assert_no_difference_before_stdio(&client, &crate::installed::odd());
}
