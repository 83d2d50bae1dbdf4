//! What the proxy costs over HTTP, measured from outside: whole processes, in interleaved rounds, against a bare TCP
//! copier and nginx as a streaming reverse proxy (where it is installed), and what the two bridges cost.
//!
//! `cargo bench --bench http [-- --rounds 5]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

use common::http::Visitor;
use common::messages::{INITIALIZE, INITIALIZED, request};
use common::pipes::{self, Conversation};
use common::{Client as _, Figures, check_bursts, memory, report};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const ROUND_TRIPS: usize = 10_000;
const FLOWING: usize = 50_000;
const SESSIONS: usize = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve"] => common::http::serve(),
        ["serve-stdio"] => pipes::serve(),
        ["copy", to] => common::http::copy(to.parse().unwrap()),
        _ => bench(&words),
    }
}

fn bench(words: &[&str]) {
    let rounds = common::rounds(words);
    allow_many_files();
    let home = tempfile::tempdir().unwrap();
    let setups: Vec<Setup> = SETUPS
        .into_iter()
        .filter(|setup| *setup != Setup::Nginx || has_nginx())
        .collect();
    let baseline = match setups.iter().position(|setup| *setup == Setup::Nginx) {
        Some(nginx) => nginx,
        None => {
            println!("\nnginx is not installed: compared with the TCP copier instead");
            1
        }
    };
    println!(
        "\n{rounds} rounds, medians; x = against {}, round by round",
        setups[baseline].name()
    );
    let mut results: Vec<Vec<Figures>> = vec![Vec::new(); setups.len()];
    for _ in 0..rounds {
        for (setup, figures) in setups.iter().zip(&mut results) {
            figures.push(measure(*setup, home.path()));
        }
    }
    let names: Vec<&str> = setups.iter().map(|setup| setup.name()).collect();
    report(&names, &results, baseline, "1000 sess.");
    check_capture(home.path());
}

/// A thousand sessions are two thousand sockets in the proxy.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, most).unwrap();
}

/// What stands between client and server.
#[derive(Clone, Copy, PartialEq)]
enum Setup {
    Direct,
    Copier,
    Nginx,
    UsWithoutCapture,
    Us,
    StdioToHttp,
    HttpToStdio,
}

const SETUPS: [Setup; 7] = [
    Setup::Direct,
    Setup::Copier,
    Setup::Nginx,
    Setup::UsWithoutCapture,
    Setup::Us,
    Setup::StdioToHttp,
    Setup::HttpToStdio,
];

impl Setup {
    fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Copier => "TCP copier",
            Self::Nginx => "nginx",
            Self::UsWithoutCapture => "us, --no-capture",
            Self::Us => "us, recording",
            Self::StdioToHttp => "us, stdio to HTTP",
            Self::HttpToStdio => "us, HTTP to stdio",
        }
    }
}

fn has_nginx() -> bool {
    let version = Command::new("nginx")
        .arg("-v")
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// A process of ours that a bench leaves behind with nobody.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// One that says its port on stdout.
    fn serving(arguments: &[&str]) -> (Self, SocketAddr) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = Self::start(command.args(arguments).stdout(Stdio::piped()));
        let mut port = String::new();
        let mut stdout = BufReader::new(process.0.stdout.take().unwrap());
        stdout.read_line(&mut port).unwrap();
        (process, loopback(port.trim().parse().unwrap()))
    }

    fn terminate(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(loopback(0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Everything of a setup that is not the client.
struct Stage {
    /// Ended in this order.
    between: Option<Process>,
    _server: Option<Process>,
    /// Where an HTTP client connects.
    address: SocketAddr,
}

impl Stage {
    fn start(setup: Setup, home: &Path) -> Self {
        let this = std::env::current_exe().unwrap();
        if setup == Setup::HttpToStdio {
            let (between, address) = us(home, true, |command| {
                command.arg("--").arg(this).arg("serve-stdio");
            });
            return Self {
                between: Some(between),
                _server: None,
                address,
            };
        }
        let (server, upstream) = Process::serving(&["serve"]);
        let (between, address) = match setup {
            Setup::Copier => {
                let (copier, address) = Process::serving(&["copy", &upstream.to_string()]);
                (Some(copier), address)
            }
            Setup::Nginx => {
                let (nginx, address) = nginx(home, upstream);
                (Some(nginx), address)
            }
            Setup::Us | Setup::UsWithoutCapture => {
                let (us, address) = us(home, setup == Setup::Us, |command| {
                    command.arg(format!("http://{upstream}/mcp"));
                });
                (Some(us), address)
            }
            _ => (None, upstream),
        };
        Self {
            between,
            _server: Some(server),
            address,
        }
    }

    /// The processes in between; nginx has its workers.
    fn processes(&self) -> Vec<u32> {
        let Some(Process(between)) = &self.between else {
            return Vec::new();
        };
        let pid = between.id();
        let mut processes = vec![pid];
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        if name.trim() == "nginx" {
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            let children = children.unwrap();
            processes.extend(
                children
                    .split_whitespace()
                    .map(|it| it.parse::<u32>().unwrap()),
            );
        }
        processes
    }

    fn end(mut self) {
        if let Some(between) = &mut self.between {
            between.terminate();
        }
    }
}

/// The program behind a listener of its own, and where that is.
fn us(home: &Path, capture: bool, upstream: impl FnOnce(&mut Command)) -> (Process, SocketAddr) {
    let mut command = common::sentinel(home);
    command.args(["--headless", "--listen", "127.0.0.1:0"]);
    match capture {
        true => command.arg("--capture").arg(fresh(&home.join("log"))),
        false => command.arg("--no-capture"),
    };
    upstream(&mut command);
    let mut us = Process::start(command.stdin(Stdio::null()).stderr(Stdio::piped()));
    let mut stderr = BufReader::new(us.0.stderr.take().unwrap());
    let mut line = String::new();
    let address = loop {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it listens");
        if let Some((_, url)) = line.split_once("http://") {
            break url.split('/').next().unwrap().parse().unwrap();
        }
    };
    std::thread::spawn(move || stderr.read_to_end(&mut Vec::new()));
    (us, address)
}

fn fresh(file: &Path) -> &Path {
    let _ = std::fs::remove_file(file);
    file
}

/// As it is set up for server-sent events: nothing held back, connections to the server kept.
fn nginx(home: &Path, upstream: SocketAddr) -> (Process, SocketAddr) {
    let address = loopback(free_port());
    let home = home.display();
    let configuration = format!(
        "daemon off; pid {home}/nginx.pid; error_log {home}/nginx.log; worker_processes auto;
        events {{ worker_connections 8192; }}
        http {{
            access_log off; keepalive_requests 1000000000; tcp_nodelay on;
            client_body_temp_path {home}/nginx-1; proxy_temp_path {home}/nginx-2;
            fastcgi_temp_path {home}/nginx-3; uwsgi_temp_path {home}/nginx-4; scgi_temp_path {home}/nginx-5;
            upstream server {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}
            server {{
                listen {address} backlog=4096;
                location / {{
                    proxy_pass http://server; proxy_http_version 1.1;
                    proxy_set_header Connection \"\"; proxy_set_header Host $host;
                    proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 1d;
                }}
            }}
        }}"
    );
    let file = Path::new(&home.to_string()).join("nginx.conf");
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file).stderr(Stdio::null());
    (Process::start(&mut command), address)
}

fn measure(setup: Setup, home: &Path) -> Figures {
    if setup == Setup::StdioToHttp {
        return measure_on_pipes(home);
    }
    let stage = Stage::start(setup, home);
    let mut client = Visitor::connect(stage.address);
    let mut figures = common::measure(&mut client, &stage.processes(), ROUND_TRIPS, FLOWING);
    drop(client);
    stage.end();
    // A child a session is a matter of the children.
    if !matches!(setup, Setup::Direct | Setup::HttpToStdio) {
        figures.own = with_many_sessions(setup, home);
    }
    figures
}

/// What is resident when each of a thousand sessions has its stream open and has called once.
fn with_many_sessions(setup: Setup, home: &Path) -> f64 {
    let stage = Stage::start(setup, home);
    let mut clients = Vec::new();
    for id in 0..SESSIONS {
        let mut client = Visitor::connect(stage.address);
        client.ask(&client.wrap(request(id, "tools/call")));
        client.listen();
        clients.push(client);
    }
    let processes = stage.processes();
    let resident = processes.iter().map(|it| memory(*it, "VmHWM")).sum();
    drop(clients);
    stage.end();
    resident
}

fn measure_on_pipes(home: &Path) -> Figures {
    let (_server, upstream) = Process::serving(&["serve"]);
    let mut command = common::sentinel(home);
    command
        .arg("--headless")
        .arg("--capture")
        .arg(fresh(&home.join("log")));
    command.arg(format!("http://{upstream}/mcp"));
    let mut us = Conversation::start(command);
    us.ask(format!("{INITIALIZE}\n").as_bytes());
    us.tell(format!("{INITIALIZED}\n").as_bytes());
    let between = us.id();
    let figures = common::measure(&mut us, &[between], ROUND_TRIPS, FLOWING);
    us.end();
    figures
}

/// Ten streams: nothing lost and nothing out of order in the capture.
fn check_capture(home: &Path) {
    let stage = Stage::start(Setup::Us, home);
    let mut client = Visitor::connect(stage.address);
    for _ in 0..10 {
        client.burst();
    }
    drop(client);
    stage.end();
    check_bursts(&home.join("log"), 10);
}
