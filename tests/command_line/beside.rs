//! `ps`, `attach` and `open`: looking at what others do.

use super::*;
use mcp_sentinel::link::registry::Counts;

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
            "MESSAGES",
            "ERRORS",
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
fn a_live_proxy_tells_how_much_was_said_and_what_of_it_went_wrong() {
    let house = House::new();
    let mut proxy = house.start(&[], &DEMO);
    proxy.shake_hands();
    proxy.ask(r#"{"jsonrpc":"2.0","id":7,"method":"no/such"}"#);
    let counts = Counts {
        messages: 5,
        errors: 1,
    };
    until("all of it is counted", || {
        house
            .live()
            .first()
            .is_some_and(|it| it.counts == Some(counts))
    });
    let json: serde_json::Value =
        serde_json::from_str(&house.run(&["ps", "--json"]).stdout).unwrap();
    assert_eq!(json["live"][0]["messages"], 5);
    assert_eq!(json["live"][0]["errors"], 1);
}

#[test]
fn a_proxy_of_which_nothing_is_known_yet_is_listed_with_nothing_said() {
    let house = House::new();
    let _proxy = house.start(&[], &["cat"]);
    until("it is listed", || !house.live().is_empty());
    assert_eq!(house.live()[0].counts, Some(Counts::default()));
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
    let saved = house.write(
        "tools-list-8.jsonl",
        "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"tools/list\"}\n",
    );
    house
        .run(&["open", saved.to_str().unwrap()])
        .fails(2, "open opens a screen and needs a terminal");
    let missing = house.run(&["open", "/nowhere.jsonl"]);
    missing.fails(1, "cannot open capture /nowhere.jsonl: No such file");
    assert_eq!(
        missing.stderr.matches("No such file").count(),
        1,
        "{missing:?}"
    );
}

#[test]
fn a_proxy_started_with_the_few_variables_that_an_sdk_passes_on_is_found_from_a_terminal() {
    let house = House::new();
    let mut command = house.command(&["--name", "stripped", "--", "cat"]);
    command.env_remove("XDG_RUNTIME_DIR");
    let mut proxy = Proxy::start(command);
    assert_eq!(proxy.ask("{}"), "{}\n");

    let login = format!("/run/user/{}", rustix::process::geteuid().as_raw());
    let runtime = std::path::Path::new(&login).is_dir().then_some(login);
    let found = || {
        let mut ps = house.command(&["ps"]);
        // Where there is a login session, its terminals have this.
        if let Some(login) = &runtime {
            ps.env("XDG_RUNTIME_DIR", login);
        }
        Ran::of(&mut ps).stdout.contains("  stripped  ")
    };
    until("the proxy is listed", found);
}
