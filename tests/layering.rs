//! Imports point down the map in `src/lib.rs`, and some things are known in one room only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A source file without its comments and tests.
struct Source {
    /// Below `src`, such as `ui/app.rs`.
    path: String,
    /// The room that it belongs to, such as `ui`.
    room: String,
    code: String,
}

/// All of them, read once.
fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(read_sources);
    &SOURCES
}

fn read_sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &mut found);
    found
        .iter()
        .map(|path| {
            let below = path.strip_prefix(&root).unwrap();
            let first = below.components().next().unwrap().as_os_str();
            let room = Path::new(first).file_stem().unwrap().to_str().unwrap();
            Source {
                path: below.to_str().unwrap().to_owned(),
                room: room.to_owned(),
                code: from_the_root(&code_of(&fs::read_to_string(path).unwrap()), &module(below)),
            }
        })
        .filter(|source| !is_test(&source.path))
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|part| part == "tests" || part == "tests.rs")
}

/// Tests stand at the end of a file, and may know more.
fn code_of(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The module that a file below `src` is, such as `["ui", "app"]`; the crate's root is empty.
fn module(below: &Path) -> Vec<String> {
    let mut path: Vec<String> = below
        .with_extension("")
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    path.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    path
}

/// The same code with every `super::` said from the root, so that none leaves its room unseen.
fn from_the_root(code: &str, module: &[String]) -> String {
    static UPWARDS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b(?:self::)?((?:super::)+)").unwrap());
    let whole = |found: &Captures<'_>| {
        let levels = found[1].matches("super").count();
        let above = module.len().saturating_sub(levels);
        let path = module[..above].iter().map(|name| format!("{name}::"));
        format!("crate::{}", path.collect::<String>())
    };
    UPWARDS.replace_all(code, whole).into_owned()
}

/// The rooms from top to bottom, as the crate's own documentation lists them.
fn rooms() -> Vec<String> {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let row = Regex::new(r"(?m)^//! \| \[`(\w+)`\] \|").unwrap();
    let rooms: Vec<String> = row
        .captures_iter(&map)
        .map(|found| found[1].to_owned())
        .collect();
    assert!(rooms.len() > 5, "the map has moved: {rooms:?}");
    rooms
}

/// The rooms that a piece of code names: `crate::room` and `crate::{room, room::{…}}`.
fn imports(code: &str, rooms: &[String]) -> Vec<String> {
    let direct = Regex::new(r"\bcrate::(\w+)").unwrap();
    let grouped = Regex::new(r"(?s)\bcrate::\{(.*?)\};").unwrap();
    let word = Regex::new(r"\b(\w+)\b").unwrap();
    let mut named: Vec<String> = direct
        .captures_iter(code)
        .map(|found| found[1].to_owned())
        .collect();
    for group in grouped.captures_iter(code) {
        named.extend(word.captures_iter(&group[1]).map(|it| it[1].to_owned()));
    }
    named.retain(|name| rooms.contains(name));
    named
}

#[test]
fn the_checker_sees_every_way_to_name_a_room() {
    let rooms: Vec<String> = ["ui", "proxy", "tap"].map(String::from).to_vec();
    for (code, expected) in [
        ("use crate::ui::app;", vec!["ui"]),
        (
            "use crate::{tap, proxy::{self, child}};",
            vec!["tap", "proxy"],
        ),
        ("fn f() { crate::proxy::run() }", vec!["proxy"]),
        ("use super::sibling; use std::io;", vec![]),
    ] {
        assert_eq!(imports(code, &rooms), expected, "{code}");
    }
    for (file, code, expected) in [
        ("proxy/pump.rs", "use super::super::ui::app;", vec!["ui"]),
        (
            "proxy/mod.rs",
            "use super::{tap, ui::app};",
            vec!["tap", "ui"],
        ),
        ("proxy.rs", "fn f() { super::ui::run() }", vec!["ui"]),
        (
            "proxy/http/mod.rs",
            "use self::super::super::ui;",
            vec!["ui"],
        ),
        ("proxy/http/body.rs", "use super::super::ui;", vec!["proxy"]),
        ("lib.rs", "use tap::Event;", vec![]),
    ] {
        let code = from_the_root(code, &module(Path::new(file)));
        assert_eq!(imports(&code, &rooms), expected, "{file}: {code}");
    }
    assert_eq!(
        code_of("// crate::ui\nuse a;\n#[cfg(test)]\nmod tests {\nuse crate::ui;"),
        "use a;"
    );
}

#[test]
fn imports_only_point_down_the_map() {
    let rooms = rooms();
    let depth = |room: &str| rooms.iter().position(|it| it == room);
    let mut wrong = Vec::new();
    for source in sources() {
        // `main` and `lib` stand above the map.
        let Some(from) = depth(&source.room) else {
            continue;
        };
        for import in imports(&source.code, &rooms) {
            if depth(&import).unwrap() < from {
                wrong.push(format!("{} sees {import}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_room_is_on_the_map() {
    let rooms = rooms();
    for source in sources() {
        let known = ["main", "lib"].contains(&source.room.as_str());
        assert!(known || rooms.contains(&source.room), "{}", source.path);
    }
}

#[test]
fn data_path_model_and_faces_do_not_see_each_other() {
    let rooms = rooms();
    let mut wrong = Vec::new();
    for source in sources() {
        let hidden = match source.room.as_str() {
            "traffic" | "ui" | "headless" => "proxy",
            "proxy" => "traffic",
            "demo" => "capture",
            _ => continue,
        };
        if imports(&source.code, &rooms).iter().any(|it| it == hidden) {
            wrong.push(format!("{} sees {hidden}", source.path));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_known_in_one_room_stays_there() {
    let terminal = Regex::new(r"\b(ratatui|crossterm|tui_textarea)::").unwrap();
    let arguments = Regex::new(r"\bclap::").unwrap();
    let waiting = Regex::new(r"\btokio::|\bstd::thread\b|\bthread::sleep").unwrap();
    let clocks =
        Regex::new(r"\bSystemTime\b|\bInstant::now\b|\bUtc::now\b|\bLocal::now\b").unwrap();
    let pure = |path: &str| {
        [
            "wire/",
            "mcp/",
            "traffic/",
            "ui/app",
            "ui/layout",
            "ui/render",
        ]
        .iter()
        .any(|room| path.starts_with(room))
    };
    let mut wrong = Vec::new();
    for Source { path, room, code } in sources() {
        let checks = [
            (&terminal, room != "ui"),
            (&arguments, room != "cli"),
            (&waiting, pure(path)),
            (&clocks, pure(path)),
        ];
        for (pattern, forbidden) in checks {
            if let (true, Some(found)) = (forbidden, pattern.find(code)) {
                wrong.push(format!("{path} knows {}", found.as_str()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
