use super::*;

fn environment(transport: &str, command: &str, url: &str) -> Result<Option<Upstream>, String> {
    let environment = Environment::from_iter([
        ("UPSTREAM_TRANSPORT", transport),
        ("UPSTREAM_CMD", command),
        ("UPSTREAM_URL", url),
    ]);
    resolve(
        Vec::new(),
        Vec::new(),
        RemoteArguments::default(),
        &environment,
        &Invocation::new(&["list"]),
    )
}

fn command(words: &[&str]) -> Option<Upstream> {
    Some(Upstream::Command(
        words.iter().map(OsString::from).collect(),
    ))
}

#[test]
fn what_is_shown_for_debugging_holds_no_secret() {
    let variable = (OsString::from("KEY"), OsString::from("s3cret"));
    let environment: Environment = [variable].into_iter().collect();
    let remote = Remote {
        url: "https://user:s3cret@h/mcp".to_owned(),
        headers: vec![header("X-Key", "s3cret").unwrap()],
        trust: Trust::default(),
        auto_reinit: false,
    };
    let shown = format!("{environment:?} {remote:?}");
    assert!(shown.contains("KEY") && shown.contains("x-key"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_transport_in_the_environment_may_not_contradict_the_command_line() {
    let named = |variables: &[(&str, &str)], words: &[&str], command: &[&str]| {
        resolve(
            words.iter().map(|it| (*it).to_owned()).collect(),
            command.iter().map(OsString::from).collect(),
            RemoteArguments::default(),
            &variables.iter().copied().collect(),
            &Invocation::new(&["list"]),
        )
    };
    let url = "http://h/mcp";
    for (transport, words, command) in [
        ("http", &[][..], &["srv"][..]),
        ("pigeon", &[], &["srv"]),
        ("pigeon", &[url], &[]),
        ("stdio", &[url], &[]),
    ] {
        let complaint = named(&[("UPSTREAM_TRANSPORT", transport)], words, command);
        let complaint = complaint.unwrap_err();
        assert!(complaint.contains("UPSTREAM_TRANSPORT is"), "{complaint}");
    }
    // A word that is no address contradicts nothing; it is another mistake.
    let complaint = named(&[("UPSTREAM_TRANSPORT", "stdio")], &["attahc"], &[]);
    let complaint = complaint.unwrap_err();
    assert!(complaint.starts_with("`attahc` is neither"), "{complaint}");
    for (variables, words, command) in [
        (
            &[("UPSTREAM_TRANSPORT", "stdio")][..],
            &[][..],
            &["srv"][..],
        ),
        (&[("UPSTREAM_TRANSPORT", "http")], &[url], &[]),
        // As a whole it is overridden.
        (
            &[("UPSTREAM_TRANSPORT", "http"), ("UPSTREAM_URL", url)],
            &[],
            &["srv"],
        ),
    ] {
        named(variables, words, command).unwrap();
    }
}

#[test]
fn an_address_that_is_none_is_not_repeated_with_its_secrets() {
    let complaint = environment("", "", "htp://user:hunter2@h/x?token=abc").unwrap_err();
    assert!(complaint.contains("htp://") && !complaint.contains("hunter2"));
    assert!(!complaint.contains("abc"), "{complaint}");
}

#[test]
fn the_command_variable_is_split_once_as_a_posix_shell_would() {
    let upstream = environment("", r#"node 'my server.js' --x="a b" $HOME \;"#, "");
    assert_eq!(
        upstream.unwrap(),
        command(&["node", "my server.js", "--x=a b", "$HOME", ";"])
    );
    assert!(
        environment("", "node 'open", "")
            .unwrap_err()
            .contains("UPSTREAM_CMD")
    );
}

#[test]
fn the_transport_decides_between_two() {
    let url = "https://host/mcp";
    assert_eq!(environment("stdio", "srv", url).unwrap(), command(&["srv"]));
    assert_eq!(environment("http", "srv", url).unwrap(), Some(at(url)));
    assert!(
        environment("", "srv", url)
            .unwrap_err()
            .contains("UPSTREAM_TRANSPORT")
    );
}

#[test]
fn a_transport_without_its_server_says_what_is_missing() {
    assert!(
        environment("stdio", "", "https://host")
            .unwrap_err()
            .contains("UPSTREAM_CMD=")
    );
    assert!(
        environment("http", "srv", "")
            .unwrap_err()
            .contains("UPSTREAM_URL=")
    );
    assert!(environment("sse", "srv", "").unwrap_err().contains("`sse`"));
    assert!(
        environment("http", "", "host/mcp")
            .unwrap_err()
            .contains("https://")
    );
}

fn named(words: &[&str], command: &[&str]) -> Result<Option<Upstream>, String> {
    let words = words.iter().map(|it| (*it).to_owned()).collect();
    let command = command.iter().map(OsString::from).collect();
    let environment = Environment::from_iter([("UPSTREAM_CMD", "other")]);
    resolve(
        words,
        command,
        RemoteArguments::default(),
        &environment,
        &Invocation::new(&["call", "a tool"]),
    )
}

fn at(url: &str) -> Upstream {
    Upstream::Http(Remote {
        url: url.to_owned(),
        headers: Vec::new(),
        trust: Trust::default(),
        auto_reinit: false,
    })
}

#[test]
fn the_argument_wins_over_the_environment() {
    assert_eq!(named(&[], &["srv"]).unwrap(), command(&["srv"]));
    let url = "http://host/mcp";
    assert_eq!(named(&[url], &[]).unwrap(), Some(at(url)));
    assert_eq!(named(&[], &[]).unwrap(), command(&["other"]));
}

#[test]
fn words_that_name_no_server_are_told_where_they_go() {
    let complaint = |words: &[&str], command: &[&str]| named(words, command).unwrap_err();
    let url = "https://host/mcp";
    assert!(complaint(&[url], &["srv"]).contains("two servers"));
    assert!(complaint(&[url, "more"], &[]).contains("`more` stands after"));
    assert!(complaint(&["a b", "c"], &[]).ends_with("\n  mcp-sentinel call 'a tool' -- 'a b' c"));
    assert!(complaint(&["host:80"], &[]).contains("http://"));
    assert!(complaint(&["word"], &["srv"]).contains("before the --"));
}

#[test]
fn every_mistake_comes_with_an_example_of_the_same_command() {
    let url = "https://host/mcp";
    let words: [(&[&str], &[&str]); 5] = [
        (&[url], &["srv"]),
        (&[url, "more"], &[]),
        (&["word"], &["srv"]),
        (&["ftp://x/"], &[]),
        (&[], &["", "x"]),
    ];
    for (words, command) in words {
        let complaint = named(words, command).unwrap_err();
        let example = "\n  mcp-sentinel call 'a tool' -- node server.js\n";
        assert!(complaint.contains(example), "{complaint}");
    }
    for (transport, command, url) in [
        ("", "node 'open", ""),
        ("", "  ", ""),
        ("", "''", ""),
        ("sse", "srv", url),
        ("", "srv", url),
        ("", "", "host/mcp"),
        ("stdio", "", ""),
        ("http", "", ""),
    ] {
        let complaint = environment(transport, command, url).unwrap_err();
        let example = "UPSTREAM_CMD='node server.js' mcp-sentinel list\n";
        assert!(complaint.contains(example), "{complaint}");
    }
}

#[test]
fn arguments_of_a_tool_that_stand_alone_are_put_where_they_go() {
    let call = |words: &[&str], command: &[&str]| {
        let words = words.iter().map(|it| (*it).to_owned()).collect();
        let command = command.iter().map(OsString::from).collect();
        let invocation = Invocation::new(&["call", "get-sum"]);
        let (remote, environment) = (RemoteArguments::default(), Environment::default());
        resolve(words, command, remote, &environment, &invocation).unwrap_err()
    };
    let complaint = call(&["a=2", "b=x y", "c=[1.0]", "d=007"], &["node", "a b.js"]);
    let ready = r#"mcp-sentinel call get-sum --args '{"a":2,"b":"x y","c":[1.0],"d":"007"}' -- node 'a b.js'"#;
    assert!(complaint.ends_with(&format!("\n  {ready}")), "{complaint}");
    let url = "https://host/mcp?a=b";
    let ready = format!(r#"mcp-sentinel call get-sum --args '{{"a":true}}' {url}"#);
    for words in [["a=true", url], [url, "a=true"]] {
        assert!(call(&words, &[]).ends_with(&ready));
    }
    assert!(!call(&["=2"], &["node"]).contains("--args"));
}

#[test]
fn a_header_is_a_name_and_a_value_that_nobody_prints() {
    let (name, value) = header_line("X-Api-Key:  a: b ").unwrap();
    assert_eq!(
        (name.as_str(), value.as_bytes()),
        ("x-api-key", &b"a: b"[..])
    );
    assert!(!format!("{value:?}").contains("a: b"));
    for (line, why) in [
        ("no colon", "NAME: VALUE"),
        ("a b: c", "not a header's name"),
        (": c", "not a header's name"),
        ("a: b\nc", "cannot be in a header"),
        ("Host: other", "connection's own"),
        ("Content-Length: 0", "connection's own"),
    ] {
        let complaint = header_line(line).unwrap_err();
        assert!(complaint.contains(why), "{line}: {complaint}");
    }
}
