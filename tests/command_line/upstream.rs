//! Which server is meant, and what is said when that is not clear.

use super::*;

#[test]
fn the_environment_names_a_server_when_the_command_line_does_not() {
    let house = House::new();
    let mut command = house.command(&["--no-capture", "--headless"]);
    let ran = Ran::of(command.env("UPSTREAM_CMD", "printf '%s\\n' 'a  b' \"c'd\""));
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "a  b\nc'd\n"));

    let mut command = house.command(&["--no-capture", "--", "echo", "argument"]);
    let ran = Ran::of(command.env("UPSTREAM_CMD", "echo environment"));
    assert_eq!(ran.stdout, "argument\n");
}

#[test]
fn a_missing_or_contradictory_upstream_is_explained_with_an_example() {
    let house = House::new();
    house.run(&[]).fails(2, "mcp-sentinel -- node server.js");
    house
        .run(&["--headless"])
        .fails(2, "mcp-sentinel -- node server.js");
    house
        .run(&["list"])
        .fails(2, "mcp-sentinel list -- node server.js");
    house
        .run(&["--", ""])
        .fails(2, "the command after -- is empty");
    house.run(&["node"]).fails(2, "mcp-sentinel -- node");

    let with = |variables: &[(&str, &str)]| {
        Ran::of(
            house
                .command(&[] as &[&str])
                .envs(variables.iter().copied()),
        )
    };
    with(&[("UPSTREAM_TRANSPORT", "stdio")]).fails(2, "UPSTREAM_CMD='node server.js'");
    with(&[("UPSTREAM_TRANSPORT", "http")]).fails(2, "UPSTREAM_URL=https://");
    with(&[("UPSTREAM_TRANSPORT", "carrier pigeon")]).fails(2, "stdio or http");
    with(&[("UPSTREAM_CMD", "a"), ("UPSTREAM_URL", "http://b")]).fails(2, "UPSTREAM_TRANSPORT=");

    let mut command = house.command(&["--", "echo", "hello"]);
    Ran::of(command.env("UPSTREAM_TRANSPORT", "http")).fails(2, "the command line names a command");
}

#[test]
fn a_misspelt_subcommand_is_answered_with_the_right_one() {
    let house = House::new();
    house
        .run(&["attahc"])
        .fails(2, "did you mean mcp-sentinel attach?");
    // It may be a command all the same.
    let near = house.run(&["deno", "run", "-A", "server.ts"]);
    near.fails(2, "did you mean mcp-sentinel demo?");
    near.fails(2, "\n  mcp-sentinel -- deno run -A server.ts\n");
    assert_eq!(house.run(&["help", "--help"]).code, Some(0));
}

#[test]
fn options_that_do_nothing_here_are_refused() {
    let house = House::new();
    house
        .run(&["demo", "--server", "--print"])
        .fails(2, "cannot be used with");
    house
        .run(&["--capture", "-", "--", "true"])
        .fails(2, "goes into a file");
    house
        .run(&["--name", " ", "--", "true"])
        .fails(2, "a name is not empty");
}

#[test]
fn a_command_without_the_dashes_is_told_where_they_go_whatever_its_options_are() {
    let house = House::new();
    let ran = house.run(&["node", "server.js", "--port", "3"]);
    ran.fails(2, "\n  mcp-sentinel -- node server.js --port 3\n");
    // An option that we have too, and that needs another one.
    let ran = house.run(&["node", "server.js", "--allow-host", "x"]);
    ran.fails(2, "\n  mcp-sentinel -- node server.js --allow-host x\n");
    let ran = house.run(&["call", "echo", "node", "server.js", "--port", "3"]);
    ran.fails(2, "goes after --");
}

#[test]
fn a_configuration_file_with_an_unknown_key_is_refused_with_its_place() {
    let house = House::new();
    house.write(
        "config/mcp-sentinel/config.toml",
        "overflow = \"wait\"\ncolour = \"red\"\n",
    );
    let ran = house.run(&["list", "--", "cat"]);
    ran.fails(2, "mcp-sentinel/config.toml, line 2: ");
    ran.fails(2, "colour");
    // What does not record does not care.
    assert_eq!(house.run(&["ps"]).code, Some(0));
}

#[test]
fn help_and_version_are_answers_and_not_errors() {
    let house = House::new();
    let help = house.run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for word in [
        "attach",
        "ps",
        "open",
        "call",
        "list",
        "demo",
        "UPSTREAM_CMD",
        "Exit codes",
        "--listen",
        "--header-env",
    ] {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    assert!(!help.stdout.contains("not built"), "{}", help.stdout);
    let version = house.run(&["--version"]);
    assert_eq!(
        version.stdout,
        concat!("mcp-sentinel ", env!("CARGO_PKG_VERSION"), "\n")
    );
    house
        .run(&["--no-such-option"])
        .fails(2, "--no-such-option");
}
