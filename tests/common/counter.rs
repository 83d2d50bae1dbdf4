//! The server behind a counter that HTTP clients come to: does what the name of a request's method says, and tells what
//! it heard. Raw, so that it can do what no SDK would.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::process::exit;

/// `era` is what the server knows: `legacy`, `modern`, or `silent` to say nothing when it is asked; `slow` is a modern
/// one that takes longer to start than a question for the era is waited for.
pub fn serve(era: &str) {
    if era == "slow" {
        std::thread::sleep(std::time::Duration::from_secs(6));
    }
    let mut counter = Counter {
        era: era.to_owned(),
        waiting: VecDeque::new(),
        listening: Vec::new(),
    };
    for line in stdin().lock().lines() {
        let line = line.unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        match message.as_array() {
            Some(batch) => counter.batch(batch),
            None => counter.take(&line, &message),
        }
    }
}

struct Counter {
    era: String,
    /// Requests that wait for their answer.
    waiting: VecDeque<Value>,
    listening: Vec<Value>,
}

fn say(message: &Value) {
    let mut out = stdout().lock();
    writeln!(out, "{message}").unwrap();
    out.flush().unwrap();
}

fn answer(id: &Value, result: Value) {
    say(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
}

fn error(id: &Value, code: &Value) {
    let error = json!({"code": code, "message": "as you say"});
    say(&json!({"jsonrpc": "2.0", "id": id, "error": error}));
}

fn notify(method: &str, params: Value) {
    say(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
}

fn params_of(message: &Value, name: &str) -> usize {
    message["params"][name]
        .as_u64()
        .unwrap()
        .try_into()
        .unwrap()
}

impl Counter {
    /// Answers everything in one array; a request `one by one` in it has them answered apart.
    fn batch(&mut self, messages: &[Value]) {
        let requests = messages.iter().filter(|it| it.get("id").is_some());
        let answers: Vec<Value> = requests
            .map(|it| json!({"jsonrpc": "2.0", "id": it["id"], "result": {"did": it["method"]}}))
            .collect();
        if messages.iter().any(|it| it["method"] == "one by one") {
            answers.iter().for_each(say);
        } else if !answers.is_empty() {
            say(&Value::from(answers));
        }
    }

    fn take(&mut self, line: &str, message: &Value) {
        let (id, params) = (&message["id"], &message["params"]);
        let Some(method) = message["method"].as_str() else {
            // The answer to something that was asked.
            let asked = self.waiting.pop_front().unwrap();
            return answer(&asked, json!({"heard": message}));
        };
        match method {
            "initialize" if params["protocolVersion"] == "refused" => error(id, &json!(-32602)),
            "initialize" if params["protocolVersion"] == "deadly" => std::process::exit(3),
            // Not before there is such a file.
            "initialize"
                if params["protocolVersion"]
                    .as_str()
                    .is_some_and(|it| it.starts_with('/')) =>
            {
                let path = params["protocolVersion"].as_str().unwrap();
                while !std::path::Path::new(path).exists() {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                answer(
                    id,
                    json!({"protocolVersion": "2025-11-25", "capabilities": {}}),
                );
            }
            "initialize" => answer(
                id,
                json!({
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": {},
                    "serverInfo": {"name": "counter", "version": "1"}
                }),
            ),
            "server/discover" => self.discover(id),
            // What arrived, to the byte.
            "hear" => answer(id, json!({"line": line, "pid": std::process::id()})),
            "error" => error(id, &params["code"]),
            "error without an id" => say(&json!({
                "jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "what?"}
            })),
            "progress" => {
                let token = &params["_meta"]["progressToken"];
                notify(
                    "notifications/progress",
                    json!({"progressToken": token, "progress": 1}),
                );
                answer(id, json!({"resultType": "complete"}));
            }
            // Answered when somebody asks for it.
            "wait" => self.waiting.push_back(id.clone()),
            "go on" => {
                if let Some(waiting) = self.waiting.pop_front() {
                    answer(&waiting, json!({"waited": true}));
                }
                if !id.is_null() {
                    answer(id, json!({}));
                }
            }
            // A line that the client makes up, with `$waiting` in place of the id of what waits.
            "say" => {
                let waiting = self.waiting.front().unwrap_or(&Value::Null).to_string();
                let text = params["text"].as_str().unwrap();
                println!("{}", text.replace("$waiting", &waiting));
            }
            "notify" => {
                notify("notifications/tools/list_changed", json!({}));
                answer(id, json!({}));
            }
            "log" => {
                notify(
                    "notifications/message",
                    json!({"level": "info", "data": params["data"]}),
                );
                answer(id, json!({}));
            }
            "files" => {
                let most = rustix::process::getrlimit(rustix::process::Resource::Nofile);
                answer(id, json!({"files": most.current}));
            }
            "relate" => {
                let task =
                    json!({"io.modelcontextprotocol/related-task": {"taskId": params["task"]}});
                notify(
                    "notifications/message",
                    json!({"level": "info", "data": 1, "_meta": task}),
                );
                answer(id, json!({}));
            }
            "tasks/result" => self.waiting.push_back(id.clone()),
            "ask" => {
                self.waiting.push_back(id.clone());
                let params = json!({"message": "who?", "requestedSchema": {"type": "object"}});
                say(
                    &json!({"jsonrpc": "2.0", "id": "s1", "method": "elicitation/create", "params": params}),
                );
            }
            "chatter" => {
                print!("this is no JSON\n\n");
                answer(id, json!({"spaced": true}));
            }
            "flood" => {
                let text = "x".repeat(1000);
                for number in 0..params_of(message, "count") {
                    let token = &params["_meta"]["progressToken"];
                    let params =
                        json!({"progressToken": token, "progress": number, "message": text});
                    notify("notifications/progress", params);
                }
                answer(id, json!({"flooded": true}));
            }
            "grow" => {
                let token = &params["_meta"]["progressToken"];
                let params = |progress| json!({"progressToken": token, "progress": progress});
                notify("notifications/progress", params(1));
                notify("notifications/progress", params(2));
                let text = "x".repeat(params_of(message, "bytes"));
                answer(id, json!({"text": text}));
            }
            "die" => exit(3),
            "complain" => {
                eprintln!("counter: {}", params["text"].as_str().unwrap());
                answer(id, json!({}));
            }
            "go deaf" => std::thread::sleep(std::time::Duration::from_secs(3600)),
            "subscriptions/listen" => {
                self.listening.push(id.clone());
                let meta = json!({"io.modelcontextprotocol/subscriptionId": id});
                notify(
                    "notifications/subscriptions/acknowledged",
                    json!({"notifications": {}, "_meta": meta}),
                );
            }
            "change" => {
                for listener in &self.listening {
                    let meta = json!({"io.modelcontextprotocol/subscriptionId": listener});
                    notify("notifications/tools/list_changed", json!({"_meta": meta}));
                }
                notify("notifications/tools/list_changed", json!({}));
                answer(id, json!({"resultType": "complete"}));
            }
            "close up" => {
                for listener in std::mem::take(&mut self.listening) {
                    let meta = json!({"io.modelcontextprotocol/subscriptionId": listener});
                    answer(&listener, json!({"resultType": "complete", "_meta": meta}));
                }
                answer(id, json!({}));
            }
            "tools/list" => answer(
                id,
                json!({"resultType": "complete", "tools": [{
                    "name": "weather",
                    "inputSchema": {"type": "object", "properties": {
                        "region": {"type": "string", "x-mcp-header": "Region"}
                    }}
                }]}),
            ),
            // Answered all the same: late.
            "notifications/cancelled" => {
                answer(&params["requestId"], json!({"late": true}));
                self.waiting.retain(|it| *it != params["requestId"]);
            }
            _ if id.is_null() => {}
            _ => answer(id, json!({"did": method})),
        }
    }

    fn discover(&self, id: &Value) {
        match &*self.era {
            "modern" | "slow" => answer(
                id,
                json!({
                    "resultType": "complete", "supportedVersions": ["2026-07-28"],
                    "capabilities": {}, "ttlMs": 0, "cacheScope": "private"
                }),
            ),
            "legacy" => error(id, &json!(-32601)),
            _ => {}
        }
    }
}
