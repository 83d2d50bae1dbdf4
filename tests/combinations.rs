//! rmcp's client in front of rmcp's server, with the built program between them, in every combination of transports
//! and in both lifecycles: what the client gets is what it gets directly.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[macro_use]
mod common;

use common::http::sdk::{self, Client, ERAS, Era, Server, Serving};
use common::http::{Sentinel, within};
use common::{harness, peers};
use serde_json::{Value, json};
use std::process::{ExitCode, Stdio};

fn main() -> ExitCode {
    peers::be_one_if_told();
    harness::run(tests![
        http_to_http_makes_no_difference,
        stdio_to_http_makes_no_difference,
        http_to_stdio_makes_no_difference,
        stdio_to_stdio_makes_no_difference,
        the_four_are_recorded_alike,
    ])
}

/// Every way to serve, in either lifecycle. Only a legacy server without sessions cannot ask back.
const SERVERS: [(Serving, Era, bool); 4] = [
    (Serving::Sessions, Era::Legacy, true),
    (Serving::Sessions, Era::Modern, true),
    (Serving::Stateless, Era::Legacy, false),
    (Serving::Stateless, Era::Modern, true),
];

fn on_a_runtime(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(test);
}

/// Everything that the client gets, and its way out.
async fn visit(client: Client, asks: bool) -> Vec<Value> {
    let mut seen = sdk::visit(&client).await;
    if asks {
        let asked = sdk::call(&client, "ask", json!({})).await;
        assert!(asked.to_string().contains("Ada"), "{asked}");
        seen.push(asked);
    }
    within("the client leaves", client.cancel()).await.unwrap();
    seen
}

/// The stdio server's command.
fn command() -> [String; 3] {
    let this = std::env::current_exe().unwrap();
    [this.to_str().unwrap(), "peer", "mcp"].map(str::to_owned)
}

/// What the client gets from the stdio server without us.
async fn directly_on_stdio(era: Era) -> Vec<Value> {
    let [program, arguments @ ..] = command();
    let mut server = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pipes = (server.stdout.take().unwrap(), server.stdin.take().unwrap());
    visit(sdk::connect_over(pipes, era).await, true).await
}

fn stdio_upstream() -> Vec<String> {
    let mut upstream = vec!["--".to_owned()];
    upstream.extend(command());
    upstream
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn http_to_http_makes_no_difference() {
    on_a_runtime(async {
        for (serving, era, asks) in SERVERS {
            let server = Server::start(serving).await;
            let direct = visit(sdk::connect(&server.url(), era).await, asks).await;
            let mut proxy = Sentinel::listening(&[&server.url()]).await;
            let through = visit(sdk::connect(proxy.url(), era).await, asks).await;
            assert_eq!(direct, through, "{serving:?} {era:?}");
            assert!(proxy.end().await.success(), "{}", proxy.errors());
        }
    });
}

fn stdio_to_http_makes_no_difference() {
    on_a_runtime(async {
        for (serving, era, asks) in SERVERS {
            let server = Server::start(serving).await;
            let direct = visit(sdk::connect(&server.url(), era).await, asks).await;
            let mut proxy = Sentinel::on_pipes(&[&server.url()]);
            let client = sdk::connect_over(proxy.pipes(), era).await;
            let through = visit(client, asks).await;
            assert_eq!(direct, through, "{serving:?} {era:?}");
            assert!(proxy.ended().await.success(), "{}", proxy.errors());
        }
    });
}

fn http_to_stdio_makes_no_difference() {
    on_a_runtime(async {
        for era in ERAS {
            let direct = directly_on_stdio(era).await;
            let mut proxy = Sentinel::listening(&words(&stdio_upstream())).await;
            let through = visit(sdk::connect(proxy.url(), era).await, true).await;
            assert_eq!(direct, through, "{era:?}");
            assert!(proxy.end().await.success(), "{}", proxy.errors());
        }
    });
}

fn stdio_to_stdio_makes_no_difference() {
    on_a_runtime(async {
        for era in ERAS {
            let direct = directly_on_stdio(era).await;
            let mut proxy = Sentinel::on_pipes(&words(&stdio_upstream()));
            let client = sdk::connect_over(proxy.pipes(), era).await;
            assert_eq!(direct, visit(client, true).await, "{era:?}");
            assert!(proxy.ended().await.success(), "{}", proxy.errors());
        }
    });
}

/// The methods that a client called, and what it was answered, as a capture has them.
fn recorded(proxy: &Sentinel) -> Vec<(String, Value)> {
    let capture = proxy.capture();
    let from = |who: &'static str| {
        let messages = capture.iter().filter(move |it| it["from"] == who);
        messages.map(|it| &it["message"])
    };
    let answer = |request: &Value| {
        from("server")
            .find(|it| it["id"] == request["id"] && it["method"].is_null())
            .unwrap_or_else(|| panic!("{request} has no answer: {capture:#?}"))
    };
    from("client")
        .filter(|it| it["method"].is_string() && !it["id"].is_null())
        .map(|it| {
            let method = it["method"].as_str().unwrap().to_owned();
            (method, answer(it)["result"].clone())
        })
        .collect()
}

fn the_four_are_recorded_alike() {
    on_a_runtime(async {
        for era in ERAS {
            let server = Server::start(Serving::Sessions).await;
            let mut recordings = Vec::new();
            for upstream in [stdio_upstream(), vec![server.url()]] {
                let mut on_http = Sentinel::listening(&words(&upstream)).await;
                sdk::visit(&sdk::connect(on_http.url(), era).await).await;
                on_http.end().await;
                recordings.push(recorded(&on_http));

                let mut on_pipes = Sentinel::on_pipes(&words(&upstream));
                let client = sdk::connect_over(on_pipes.pipes(), era).await;
                sdk::visit(&client).await;
                client.cancel().await.unwrap();
                on_pipes.ended().await;
                recordings.push(recorded(&on_pipes));
            }
            let methods = |recording: &[(String, Value)]| {
                let methods = recording.iter().map(|(method, _)| method.clone());
                methods.collect::<Vec<_>>()
            };
            assert!(methods(&recordings[0]).contains(&"prompts/get".to_owned()));
            for recording in &recordings {
                assert_eq!(methods(recording), methods(&recordings[0]), "{era:?}");
                assert_eq!(recording, &recordings[0], "{era:?}");
            }
        }
    });
}
