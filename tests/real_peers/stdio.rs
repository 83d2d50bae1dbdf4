//! Both peers on stdio: a witness on each side of the program keeps what crosses the pipes, so that the bytes are
//! compared too, and the capture with them.

use crate::desk::Desk;
use crate::installed::*;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::process::Output;
use tempfile::TempDir;

/// The whole comparison: nothing between client and server, then the program with its witnesses.
fn assert_no_difference(client: &[OsString], server: &[OsString]) {
    let desk = Desk::new();
    let direct = desk.printed(client, server);
    let through = desk.printed(client, &desk.watched(server));
    assert_eq!(direct, through);
    desk.assert_nothing_was_touched();
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn the_inspector_sees_no_difference() {
    for request in [
        &["--method", "tools/list"][..],
        &["--method", "resources/list"],
        &["--method", "resources/templates/list"],
        &["--method", "prompts/list"],
        &[
            "--method",
            "tools/call",
            "--tool-name",
            "get-sum",
            "--tool-arg",
            "a=2",
            "b=3",
        ],
        &[
            "--method",
            "tools/call",
            "--tool-name",
            "echo",
            "--tool-arg",
            "message=žluť 🦀",
        ],
        &[
            "--method",
            "prompts/get",
            "--prompt-name",
            "args-prompt",
            "--prompt-args",
            "city=Lom",
        ],
    ] {
        assert_no_difference(&inspector(request), &everything());
    }
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn the_python_sdk_sees_no_difference_with_server_everything() {
    for era in ["legacy", "auto"] {
        assert_no_difference(&python_client(era, EVERYTHING_STEPS), &everything());
    }
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn the_typescript_sdk_sees_no_difference_with_server_everything() {
    assert_no_difference(&typescript_client(EVERYTHING_STEPS), &everything());
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn both_sdks_see_no_difference_with_a_fastmcp_server_in_either_era() {
    for era in ["legacy", "auto"] {
        assert_no_difference(&python_client(era, ODD_STEPS), &odd());
    }
    assert_no_difference(&typescript_client(ODD_STEPS), &odd());
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn both_sdks_understand_the_built_in_server_in_either_era() {
    for era in ["legacy", "auto"] {
        assert_no_difference(&python_client(era, HARBOUR_STEPS), &harbour());
    }
    assert_no_difference(&typescript_client(HARBOUR_STEPS), &harbour());
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn both_sdks_see_no_difference_with_the_time_server() {
    assert_no_difference(&python_client("auto", TIME_STEPS), &time());
    assert_no_difference(&typescript_client(TIME_STEPS), &time());
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn both_sdks_see_no_difference_with_the_filesystem_server() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    fs::write(
        folder.join("long.txt"),
        "a line\r\nof text\n".repeat(20_000),
    )
    .unwrap();
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let steps = serde_json::json!([
        ["tools/list"],
        ["tools/call", "write_file", {"path": at("new file.txt"), "content": "ünï\r\n\u{7f}"}],
        ["tools/call", "read_text_file", {"path": at("new file.txt")}],
        ["tools/call", "read_text_file", {"path": at("long.txt")}],
        ["tools/call", "read_text_file", {"path": "/etc/hostname"}],
        ["tools/call", "list_directory", {"path": at("")}],
        ["tools/call", "list_allowed_directories", {}],
    ])
    .to_string();
    assert_no_difference(&python_client("legacy", &steps), &filesystem(&folder));
    assert_no_difference(&typescript_client(&steps), &filesystem(&folder));
}

#[test]
#[ignore = "needs the npm and PyPI peers that .ci/run installs"]
fn scripts_call_and_list_real_servers() {
    let desk = Desk::new();
    let sentinel = |arguments: &[&str], server: Vec<OsString>| {
        let mut command: Vec<OsString> = vec![SENTINEL.into()];
        command.extend(arguments.iter().map(OsString::from));
        command.push("--".into());
        command.extend(server);
        desk.run(&command)
    };
    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();

    let sum = sentinel(
        &["call", "get-sum", "--args", r#"{"a":2,"b":3}"#],
        everything(),
    );
    assert!(text(&sum).contains("The sum of 2 and 3 is 5."), "{sum:?}");
    assert_eq!(sum.status.code(), Some(0));

    let refused = sentinel(&["call", "fails"], odd());
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");

    let gone = sentinel(&["call", "x"], vec!["/no/such/server".into()]);
    assert_eq!(gone.status.code(), Some(3), "{gone:?}");

    let list = sentinel(&["list", "--json"], everything());
    let list: Value = serde_json::from_str(&text(&list)).unwrap();
    let steps = r#"[["tools/list"]]"#;
    let seen = desk.printed(&typescript_client(steps), &everything());
    for tool in list["tools"].as_array().unwrap() {
        assert!(
            seen.contains(&format!(r#""name":{}"#, tool["name"])),
            "{tool}"
        );
    }
    assert!(list["tools"].as_array().unwrap().len() >= 10);
}
