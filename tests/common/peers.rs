//! Servers of every temper, each a mode of the test's own executable. Their stdout carries what a test says and
//! nothing else.

use super::{counter, upstream};
use serde_json::{Value, json};
use std::io::{BufRead, Read, Write, stderr, stdin, stdout};
use std::process::{Command, Stdio, exit};
use std::time::Duration;

/// Becomes a peer if that is what the arguments say, and then does not return.
pub fn be_one_if_told() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ["peer", mode, rest @ ..] = words.as_slice() else {
        return;
    };
    match (*mode, rest) {
        ("mcp", []) => upstream::serve(),
        ("echo", []) => drop(std::io::copy(&mut stdin(), &mut stdout())),
        // Writes one file while it reads stdin into another, then goes.
        ("exchange", [say, hear]) => exchange(say, hear),
        // Says what it was told, but only once it was told everything.
        ("summary", []) => summary(),
        // Answers half a line and is gone.
        ("abort", []) => abort(),
        // Never reads; says and logs something all the time.
        ("deaf", []) => deaf(),
        // Floods stdout, and writes each line it reads to a file.
        ("flood", [hear]) => flood(hear),
        ("exit", [code]) => exit(code.parse().unwrap()),
        ("kill-self", [signal]) => kill_self(signal.parse().unwrap()),
        // Says the name of the signal that ends it.
        ("name-signal", []) => name_signal(),
        // Does not end for any signal that can be ignored.
        ("stubborn", []) => stubborn(),
        // Starts another one that holds on to everything, says both pids and stays.
        ("family", []) => family(),
        // Starts one that holds stdout open, says its pid and goes.
        ("leave-behind", []) => leave_behind(),
        // Says a lot on stderr, then echoes.
        ("complain", [bytes]) => complain(bytes.parse().unwrap()),
        // An MCP server that does what the operator's tests need.
        ("helpful", []) => helpful(true),
        // The same, and says nothing to the question for its era.
        ("helpful", ["mute"]) => helpful(false),
        // One that does what HTTP clients want to see.
        ("counter", [era]) => counter::serve(era),
        other => panic!("no such peer: {other:?}"),
    }
    exit(0);
}

fn exchange(say: &str, hear: &str) {
    let mut text = std::fs::File::open(say).unwrap();
    let saying = std::thread::spawn(move || drop(std::io::copy(&mut text, &mut stdout())));
    let mut file = std::fs::File::create(hear).unwrap();
    std::io::copy(&mut stdin(), &mut file).unwrap();
    saying.join().unwrap();
}

fn summary() {
    let mut heard = Vec::new();
    stdin().read_to_end(&mut heard).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    print!("{} bytes", heard.len());
}

fn abort() {
    stdin().read_line(&mut String::new()).unwrap();
    stdout()
        .write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"res")
        .unwrap();
    stdout().flush().unwrap();
    std::process::abort();
}

fn deaf() {
    for number in 0.. {
        let said = writeln!(stdout(), "{number}").and_then(|()| stdout().flush());
        eprintln!("log {number}");
        if said.is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn flood(hear: &str) {
    std::thread::spawn(|| while stdout().write_all(&[b'x'; 4096]).is_ok() {});
    let mut file = std::fs::File::create(hear).unwrap();
    for line in stdin().lock().lines() {
        writeln!(file, "{}", line.unwrap()).unwrap();
    }
}

fn kill_self(signal: i32) {
    use rustix::process::{Signal, getpid, kill_process};
    kill_process(getpid(), Signal::from_named_raw(signal).unwrap()).unwrap();
    std::thread::sleep(Duration::from_secs(10));
}

fn name_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let name = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        let mut interrupt = signal(SignalKind::interrupt()).unwrap();
        let mut hangup = signal(SignalKind::hangup()).unwrap();
        println!("ready");
        tokio::select! {
            _ = terminate.recv() => "TERM",
            _ = interrupt.recv() => "INT",
            _ = hangup.recv() => "HUP",
        }
    });
    println!("{name}");
    exit(7);
}

/// Handlers that do nothing are as good as ignoring.
fn stay_for_ever(say: &str) {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let _terminate = signal(SignalKind::terminate()).unwrap();
        let _interrupt = signal(SignalKind::interrupt()).unwrap();
        let _hangup = signal(SignalKind::hangup()).unwrap();
        println!("{say}");
        std::future::pending::<()>().await;
    });
}

fn stubborn() {
    stay_for_ever("ready");
}

#[expect(clippy::zombie_processes, reason = "it is meant to stay behind")]
fn start_another() -> u32 {
    let another = Command::new(std::env::current_exe().unwrap())
        .args(["peer", "stubborn"])
        .stdin(Stdio::inherit())
        .spawn()
        .unwrap();
    another.id()
}

fn family() {
    let other = start_another();
    stay_for_ever(&format!("pids {} {other}", std::process::id()));
}

fn leave_behind() {
    println!("pids {}", start_another());
}

fn complain(bytes: usize) {
    stderr().write_all(&vec![b'#'; bytes]).unwrap();
    std::io::copy(&mut stdin(), &mut stdout()).unwrap();
}

/// Answers every request with its own method, in one line, or as the method's name asks for.
fn helpful(knows_eras: bool) {
    let result = |id: &Value, result: Value| {
        println!("{}", json!({"jsonrpc": "2.0", "id": id, "result": result}))
    };
    let request = |id: &str, method: &str| {
        println!(
            "{}",
            json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {}})
        );
    };
    // The request that waits, for an answer to one of ours or to be answered.
    let mut waiting = Value::Null;
    for line in stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let id = &message["id"];
        let Some(method) = message["method"].as_str() else {
            result(&waiting, json!({"heard": message}));
            continue;
        };
        match method {
            "notifications/initialized" => {}
            "server/discover" if !knows_eras => {}
            "server/discover" => println!(
                "{}",
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no"}})
            ),
            "initialize" => result(
                id,
                json!({
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "helpful", "version": "1"}
                }),
            ),
            "tools/list" => result(id, json!({"tools": []})),
            "ask" => {
                waiting = id.clone();
                request("q", "elicitation/create");
            }
            "ping me" => {
                waiting = id.clone();
                request("p", "ping");
            }
            "progress" => {
                let token = &message["params"]["_meta"]["progressToken"];
                let params = json!({"progressToken": token, "progress": 1});
                println!(
                    "{}",
                    json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
                );
                result(id, json!({"method": method}));
            }
            // Answered when a line says so that `say` is told, with `$waiting` in place of the id.
            "wait" => waiting = id.clone(),
            "say" => {
                let text = message["params"]["text"].as_str().unwrap();
                println!("{}", text.replace("$waiting", &waiting.to_string()));
            }
            "twice" => {
                result(id, json!({"method": method}));
                result(id, json!({"again": true}));
            }
            _ => result(id, json!({"method": method})),
        }
    }
}
