//! What the README says of keys and options is what the program has.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use mcp_sentinel::ui::keymap;
use regex::Regex;

const README: &str = include_str!("../README.md");
const KEYS: (&str, &str) = ("<!-- keys -->\n", "<!-- /keys -->");

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-sentinel"))
        .args(arguments)
        .arg("--help")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// One row a place, as the keymap has them.
fn key_table() -> String {
    let mut table = String::from("| where | keys |\n|---|---|");
    let mut last = None;
    for binding in keymap::TABLE.iter().copied().flatten() {
        if last.replace(binding.context) == Some(binding.context) {
            table.push_str(" · ");
        } else {
            write!(table, "\n| {} | ", binding.context.title()).unwrap();
        }
        for key in binding.keys {
            write!(table, "`{}` ", key.label()).unwrap();
        }
        table.push_str(binding.help);
    }
    table + "\n"
}

#[test]
fn the_readme_lists_the_keys_that_the_keymap_has() {
    let start = README.find(KEYS.0).unwrap() + KEYS.0.len();
    let end = README.find(KEYS.1).unwrap();
    let table = key_table();
    if std::env::var_os("UPDATE_ASSETS").is_some() {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        std::fs::write(readme, [&README[..start], &table, &README[end..]].concat()).unwrap();
        return;
    }
    assert!(
        README[start..end] == table,
        "the README's keys are out of date: run UPDATE_ASSETS=1 cargo test --test readme"
    );
}

#[test]
fn every_option_that_the_readme_names_exists() {
    let known: String = [
        &[][..],
        &["call"],
        &["list"],
        &["ps"],
        &["demo"],
        &["auth", "login"],
    ]
    .iter()
    .map(|mode| help(mode))
    .collect();
    let option = Regex::new(r"--[a-z][a-z-]+").unwrap();
    // Of cargo's and other programs' options only those that the README uses.
    let of_others = [
        "--release",
        "--path",
        "--document-private-items",
        "--open",
        "--rm",
        "--user",
    ];
    let unknown: BTreeSet<&str> = option
        .find_iter(README)
        .map(|found| found.as_str())
        .filter(|name| !of_others.contains(name) && !known.contains(name))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
