//! Lists: why one is empty, what its columns say, and where it stands.

use super::*;
use crate::common_ui::capture;
use mcp_sentinel::tap::Command;
use std::path::{Path, PathBuf};

const OPENED: &str = r#""opened":{"by":"operator","transport":"stdio","pid":1}"#;
const GREETED: &str = r#""from":"operator","message":{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"o","version":"1"}}}"#;
const REFUSED: [&str; 2] = [
    r#""from":"operator","message":{"jsonrpc":"2.0","id":0,"method":"server/discover"}"#,
    r#""from":"server","message":{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"Method not found"}}"#,
];

#[test]
fn an_empty_list_of_a_server_that_fell_says_how_to_start_it_again() {
    let directory = tempfile::tempdir().unwrap();
    let closed = r#""closed":{"exit":1,"reason":"the server exited with status 1"}"#;
    let path = capture(directory.path(), &[OPENED, GREETED, closed]);
    for pane in ["2", "3", "4"] {
        let mut stage = Stage::open(80, 24, &path, State::Live);
        stage.press(pane);
        let text = stage.text();
        assert!(text.contains("R starts it again; 6 shows"), "{text}");
        assert!(!text.contains("r asks the server now"), "{text}");
    }
}

#[test]
fn what_is_said_of_a_tool_never_costs_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let listed = r#""from":"server","message":{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"trigger-sampling-request","inputSchema":{},"annotations":{"readOnlyHint":false,"destructiveHint":false,"idempotentHint":false,"openWorldHint":true}}]}}"#;
    let asked = r#""from":"operator","message":{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    let path = capture(directory.path(), &[OPENED, asked, listed]);
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let mut stage = Stage::open(width, height, &path, State::Live);
        stage.press("2");
        let text = stage.text();
        let titles = text
            .lines()
            .filter(|line| line.contains("trigger-sampling-request"));
        assert!(titles.count() >= 1, "{text}");
        for words in ["not destructive", "not idempotent", "open world"] {
            assert!(text.contains(words), "{text}");
        }
        let page = text.lines().filter_map(|line| line.split_once('│'));
        assert!(
            page.map(|(_, page)| page)
                .any(|page| page.contains("trigger-sampling-request")),
            "{text}"
        );
    }
}

#[test]
fn names_that_differ_at_their_end_are_told_apart_and_stand_whole_on_their_page() {
    let directory = tempfile::tempdir().unwrap();
    let name = |end: &str| format!("a_workflow_of_all_customers_of_the_harbour_office_{end}");
    let tools = ["create", "delete"].map(|end| format!(r#"{{"name":"{}"}}"#, name(end)));
    let path = self::tools(directory.path(), &tools.join(","), "");
    for (width, height) in [(80, 24), (120, 40)] {
        let mut stage = Stage::open(width, height, &path, State::Live);
        stage.press("2");
        let text = stage.text();
        let (list, page): (Vec<_>, Vec<_>) = text
            .lines()
            .filter_map(|line| line.split_once('│'))
            .map(|(list, page)| (list.trim_end(), page.trim()))
            .unzip();
        assert!(
            list[1].starts_with("▌ a_workflow_") && list[1].ends_with("_create"),
            "{text}"
        );
        assert!(
            list[2].starts_with("  a_workflow_") && list[2].ends_with("_delete"),
            "{text}"
        );
        assert!(page.concat().contains(&name("create")), "{text}");
        // A mark comes in front where it is read, and the name stays whole.
        stage.press("l");
        let text = stage.text();
        let page: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once('│'))
            .collect();
        let page: String = page.iter().map(|(_, page)| page.trim()).collect();
        assert!(page.contains(&format!("▌ {}", name("create"))), "{text}");
    }
}

#[test]
fn names_of_templates_are_whole_where_the_word_would_cut_them() {
    let directory = tempfile::tempdir().unwrap();
    let asked =
        r#""from":"client","message":{"jsonrpc":"2.0","id":2,"method":"resources/templates/list"}"#;
    let listed = r#""from":"server","message":{"jsonrpc":"2.0","id":2,"result":{"resourceTemplates":[{"name":"dynamic-text-resource","uriTemplate":"x://{a}"},{"name":"short","uriTemplate":"y://{a}"}]}}"#;
    let path = capture(directory.path(), &[OPENED, asked, listed]);
    let mut stage = Stage::open(80, 24, &path, State::Live);
    stage.press("3");
    let text = stage.text();
    assert!(text.contains("▌ dynamic-text-resource  {} │"), "{text}");
    assert!(text.contains("  short            template │"), "{text}");
}

#[test]
fn an_empty_list_of_a_server_that_is_not_reached_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(
        directory.path(),
        &[
            r#""opened":{"by":"operator","transport":"http"}"#,
            GREETED,
            r#""closed":{"reason":"the server does not answer: connection refused"}"#,
        ],
    );
    over_http(&path);
    let mut stage = Stage::open(80, 24, &path, State::Live);
    stage.press("2");
    let text = stage.text();
    for words in ["connection refused. R tries again.", "could not begin"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(!text.contains("stderr"), "{text}");
}

fn over_http(capture: &Path) {
    let stdio = std::fs::read_to_string(capture).unwrap();
    std::fs::write(capture, stdio.replace(r#""stdio""#, r#""http""#)).unwrap();
}

#[test]
fn of_a_server_that_is_reached_over_http_nobody_says_that_it_is_started() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &[]);
    over_http(&path);
    for state in [State::Live, State::Ended] {
        let text = Stage::open(80, 24, &path, state).text();
        assert!(
            !text.contains("running") && !text.contains("stderr"),
            "{text}"
        );
    }
    let closed = r#""closed":{"reason":"the server does not answer"}"#;
    let path = capture(directory.path(), &[OPENED, GREETED, closed]);
    over_http(&path);
    let mut stage = Stage::open(120, 24, &path, State::Live);
    let bar = stage.status();
    assert!(bar.contains("does not answer: R tries again"), "{bar}");
    stage.press("R");
    assert!(matches!(
        stage.effects.last(),
        Some(Effect::Command {
            command: Command::Renew,
            ..
        })
    ));
    let bar = stage.status();
    assert!(bar.contains("beginning a new session of yours"), "{bar}");
    let path = capture(directory.path(), &[OPENED, GREETED]);
    over_http(&path);
    let mut stage = Stage::open(120, 24, &path, State::Live);
    stage.press("R");
    assert!(!stage.status().contains("start"), "{}", stage.status());
    assert!(stage.status().contains("beginning a new session of yours"));
}

#[test]
fn an_empty_list_of_a_server_that_is_being_greeted_asks_for_patience() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &[OPENED, REFUSED[0], REFUSED[1], GREETED]);
    let mut stage = Stage::open(80, 24, &path, State::Live);
    stage.press("2");
    let text = stage.text();
    assert!(
        text.contains("The handshake with the server is not over yet."),
        "{text}"
    );
    assert!(!text.contains("r asks the server now"), "{text}");
}

#[test]
fn the_age_of_a_call_that_hangs_is_not_cut() {
    let directory = tempfile::tempdir().unwrap();
    let call = r#""from":"client","message":{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"hang"}}"#;
    let path = capture(directory.path(), &[OPENED, call]);
    for (seconds, age) in [(84, "1m24s…"), (754, "12m34s…"), (13_251, "3h40m…")] {
        let mut stage = Stage::open(80, 24, &path, State::Live);
        let asked = stage.app.world.traffic.row(1).unwrap().at;
        stage.send(Event::Tick {
            now: Timestamp(asked.0 + seconds * 1_000_000),
            utc_offset_seconds: 0,
        });
        let row = stage.selected();
        assert!(row.trim_end().ends_with(age), "{row}");
    }
}

#[test]
fn following_goes_on_where_the_view_was_paused() {
    let mut stage = stage(120, 40, "live", State::Live);
    stage.press("p");
    assert!(stage.status().contains("‖ paused"), "{}", stage.status());
    stage.press("f");
    assert!(
        stage.status().contains("● live  follow"),
        "{}",
        stage.status()
    );
}

#[test]
fn how_to_cancel_a_call_that_hangs_is_said_first() {
    let directory = tempfile::tempdir().unwrap();
    let call = r#""from":"operator","message":{"jsonrpc":"2.0","id":"o-1","method":"tools/call","params":{"name":"hang"}}"#;
    let path = capture(directory.path(), &[OPENED, call]);
    for keys in ["G", "G<enter>"] {
        let mut stage = Stage::open(100, 30, &path, State::Live);
        stage.press(keys);
        assert!(stage.status().contains("x cancel it"), "{}", stage.status());
    }
}

#[test]
fn a_narrowed_list_counts_as_the_whole_one_does() {
    let directory = tempfile::tempdir().unwrap();
    let tools: Vec<String> = (0..1200).map(|n| format!(r#"{{"name":"t{n}"}}"#)).collect();
    let listed = format!(
        r#""from":"server","message":{{"jsonrpc":"2.0","id":2,"result":{{"tools":[{}]}}}}"#,
        tools.join(",")
    );
    let asked = r#""from":"client","message":{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    let path = capture(directory.path(), &[OPENED, asked, &listed]);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("2");
    assert!(stage.text().contains("1 200 tools"), "{}", stage.text());
    let tabs = stage.text().lines().next().unwrap().to_owned();
    assert!(tabs.contains("2 Tools 1200  3 Resources"), "{tabs}");
    stage.press("/t");
    assert!(stage.text().contains("1 200 of 1 200"), "{}", stage.text());
    stage.press("<esc><esc>1");
    let row = stage.text();
    let row = row.lines().find(|line| line.contains("tools/list"));
    assert!(row.unwrap().contains("1 200 tools"), "{row:?}");
}

/// A list of tools, asked for and answered.
fn tools(directory: &Path, definitions: &str, more: &str) -> PathBuf {
    let asked = r#""from":"client","message":{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    let listed = format!(
        r#""from":"server","message":{{"jsonrpc":"2.0","id":2,"result":{{"tools":[{definitions}]{more}}}}}"#
    );
    capture(directory, &[OPENED, asked, &listed])
}

#[test]
fn a_tool_that_is_listed_twice_is_marked_and_explained() {
    let directory = tempfile::tempdir().unwrap();
    let definitions =
        r#"{"name":"add"},{"name":"product"},{"name":"product","description":"other"}"#;
    let path = tools(directory.path(), definitions, "");
    for (width, mark) in [(120, "product (listed 2 times)"), (60, "product ×2")] {
        let mut stage = Stage::open(width, 24, &path, State::Live);
        stage.press("2");
        let text = stage.text();
        assert!(text.contains(mark), "{text}");
        assert!(!text.contains("add ×") && !text.contains("add ("), "{text}");
        assert!(!text.contains("lists it"), "{text}");
        stage.press("j");
        assert!(
            stage.text().contains("lists it 2 times"),
            "{}",
            stage.text()
        );
    }
}

#[test]
fn what_the_second_definition_of_a_name_says_otherwise_stands_below_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let schema = r#"{"type":"object","properties":{"all":{"type":"boolean"}}}"#;
    let definitions = format!(
        r#"{{"name":"sum","title":"Sum","description":"adds"}},
        {{"name":"sum","title":"Sum","description":"deletes","inputSchema":{schema}}},{{"name":"add"}},{{"name" : "add"}}"#
    )
    .replace('\n', " ");
    let path = tools(directory.path(), &definitions, "");
    for (width, height) in [(80, 30), (120, 40)] {
        let mut stage = Stage::open(width, height, &path, State::Live);
        stage.press("2");
        let text = stage.text();
        let (first, second) = text.split_once("SECOND").expect(&text);
        assert!(
            first.contains("adds") && !first.contains("deletes"),
            "{text}"
        );
        assert!(
            second.contains("deletes") && second.contains("\"all\""),
            "{text}"
        );
        assert!(!second.contains("title"), "{text}");
        stage.press("j");
        let text = stage.text();
        let (_, second) = text.split_once("SECOND").expect(&text);
        assert!(
            second
                .trim()
                .starts_with("the second definition says the same"),
            "{text}"
        );
    }
}

#[test]
fn a_second_definition_that_there_was_no_room_for_is_not_said_to_be_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let long = "x".repeat(40 << 20);
    let definitions = format!(
        r#"{{"name":"sum","title":"{long}"}},{{"name":"sum","title":"{long}","description":"deletes"}}"#
    );
    let path = tools(directory.path(), &definitions, "");
    let mut stage = Stage::open(120, 200, &path, State::Live);
    stage.press("2");
    let text = stage.text();
    assert!(text.contains("lists it 2 times"), "{text}");
    assert!(!text.contains("below stands"), "{text}");
    assert!(text.contains("is not kept: there was no room"), "{text}");
}

#[test]
fn a_list_of_which_pages_are_missing_says_so() {
    let directory = tempfile::tempdir().unwrap();
    for (more, words) in [(r#","nextCursor":"2""#, "1 tool, not all"), ("", "1 tool")] {
        let path = tools(directory.path(), r#"{"name":"add"}"#, more);
        for width in [50, 80, 120] {
            let mut stage = Stage::open(width, 24, &path, State::Live);
            stage.press("2");
            let head = stage.text().lines().nth(2).unwrap().to_owned();
            let head = head.split('│').next().unwrap().trim();
            assert!(head.starts_with(words), "{head}");
            assert_eq!(head.contains("not all"), !more.is_empty(), "{head}");
        }
    }
}

#[test]
fn a_tool_whose_schema_cannot_be_used_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let definitions = [
        r#"{"name":"odd","inputSchema":{"type":"object","properties":{"a":{"pattern":"("}}}}"#,
        r#"{"name":"sound","inputSchema":{"type":"object"}}"#,
        r#"{"name":"vague","inputSchema":{"type":"object"},"outputSchema":{"type":7}}"#,
    ];
    let path = tools(directory.path(), &definitions.join(","), "");
    let mut stage = Stage::open(200, 24, &path, State::Live);
    stage.press("2");
    let why = |stage: &Stage, words: &str| {
        let text = stage.text();
        let line = text.lines().find(|line| line.contains("cannot be checked"));
        let said = line.map(|line| line.contains(words));
        said.unwrap_or_default()
    };
    let words = "Its arguments cannot be checked: the schema cannot be used: ";
    assert!(why(&stage, words), "{}", stage.text());
    stage.press("j");
    assert!(!why(&stage, ""), "{}", stage.text());
    stage.press("j");
    assert!(
        why(&stage, "Its answers cannot be checked"),
        "{}",
        stage.text()
    );
}

#[test]
fn a_narrowed_list_follows_what_is_listed_and_called_later() {
    let directory = tempfile::tempdir().unwrap();
    let listed = |id: u32, names: &str| {
        [
            format!(
                r#""from":"client","message":{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#
            ),
            format!(
                r#""from":"server","message":{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{names}]}}}}"#
            ),
        ]
    };
    let first = listed(1, r#"{"name":"add"},{"name":"sum"}"#);
    let second = listed(2, r#"{"name":"addend"}"#);
    let call = r#""from":"client","message":{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"address"}}"#;
    let lines = [OPENED, &first[0], &first[1], &second[0], &second[1], call];
    let path = capture(directory.path(), &lines);
    let mut stage = Stage::start(120, 24, &path, State::Live, Session::default());
    stage.read(3);
    stage.press("2/add<enter>");
    let names = |stage: &Stage| -> Vec<String> {
        let items = stage.app.tools.items(&stage.app.world).into_iter();
        items.map(|item| item.key().to_owned()).collect()
    };
    assert_eq!(names(&stage), ["add"]);
    stage.read(2);
    assert_eq!(names(&stage), ["addend"]);
    stage.read(1);
    assert_eq!(names(&stage), ["addend", "address"]);
}

#[test]
fn a_call_that_fell_with_its_session_says_what_it_asked_beside_why() {
    let directory = tempfile::tempdir().unwrap();
    let call = |id: u32, arguments: &str| {
        format!(
            r#""from":"client","message":{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"get-weather","arguments":{arguments}}}}}"#
        )
    };
    let (first, long) = (
        call(1, r#"{"city":"Oslo"}"#),
        call(
            2,
            r#"{"message":"hello there, how are you today?","count":3}"#,
        ),
    );
    let records = [
        r#""opened":{"by":"client","transport":"stdio","pid":4121}"#,
        &first,
        &long,
        r#""closed":{"signal":9,"reason":"the server was killed by signal 9"}"#,
    ];
    let path = capture(directory.path(), &records);
    let rows = |width: u16| {
        let text = Stage::open(width, 24, &path, State::Ended).text();
        let lost = text.lines().filter(|line| line.contains(" lost "));
        lost.map(str::to_owned).collect::<Vec<_>>()
    };
    let wide = rows(120);
    assert!(
        wide[0].contains(r#"city="Oslo" → the server was"#),
        "{wide:?}"
    );
    assert!(
        wide[1].contains("message=") && wide[1].contains("… → the server"),
        "{wide:?}"
    );
    // Where there is no room for both, why.
    let narrow = rows(80);
    assert!(narrow[0].contains("the server was"), "{narrow:?}");
}

#[test]
fn a_notification_has_the_room_of_what_tells_of_an_answer() {
    for width in [80, 120] {
        let text = Stage::open(width, 24, &fixture("live"), State::Live).text();
        let words = "warning cache: falling back to memory";
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn what_is_typed_selects_what_matches_best() {
    let directory = tempfile::tempdir().unwrap();
    let definitions = r#"{"name":"cut","description":"not as read_text does"},{"name":"list"},{"name":"read_text"}"#;
    let path = tools(directory.path(), definitions, "");
    let selected = |keys: &str| {
        let mut stage = Stage::open(120, 24, &path, State::Live);
        stage.press(keys);
        let tools = &stage.app.tools;
        tools.selected(&stage.app.world).unwrap().0.key().to_owned()
    };
    assert_eq!(selected("2/read_text"), "read_text");
    assert_eq!(selected("2j/read_text"), "read_text");
    assert_eq!(selected("2/li<bs><bs>r"), "read_text");
    // What was chosen by hand stays when the filter goes, and when it is brought back.
    assert_eq!(selected("2/read_text<enter>j<esc>"), "cut");
    assert_eq!(selected("2/read_text<esc><esc>gg/<up>"), "read_text");
}

#[test]
fn what_the_server_writes_where_messages_should_be_is_counted_where_one_looks() {
    let directory = tempfile::tempdir().unwrap();
    let rubbish = r#""from":"server","text":"DEBUG: ready""#;
    let path = capture(directory.path(), &[OPENED, rubbish, rubbish]);
    let status = |path: &Path| Stage::open(80, 24, path, State::Live).status();
    assert!(status(&path).contains("2 on stdout!"), "{}", status(&path));
    let clients = r#""from":"client","text":"hello""#;
    let path = capture(directory.path(), &[OPENED, clients]);
    assert!(!status(&path).contains("stdout"), "{}", status(&path));
}

#[test]
fn why_there_is_no_answer_is_read_to_its_end_in_half_a_screen_too() {
    let directory = tempfile::tempdir().unwrap();
    let call = r#""from":"client","message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#;
    let cancel = r#""from":"client","message":{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"nobody waits for this any longer, truly"}}"#;
    let path = capture(directory.path(), &[OPENED, call, cancel]);
    for width in [100, 110, 130] {
        let mut stage = Stage::open(width, 30, &path, State::Live);
        stage.press("G");
        let text = stage.text();
        assert!(text.contains("cancelled before"), "{width}: {text}");
        assert!(text.contains("truly"), "{width}: {text}");
    }
}

#[test]
fn what_keeps_a_capture_from_being_written_hides_no_counts_and_is_not_hidden() {
    let why = "cannot use the captures directory: /a/place/nobody/may/write/mcp-sentinel/captures";
    for width in [60, 80, 100, 120, 200] {
        let mut stage = Stage::open(width, 24, &fixture("live"), State::Live);
        stage.app.world.kept = Kept::Failed(why.to_owned());
        let status = stage.status();
        for said in ["not capturing", "2 errors", "1 pending"] {
            assert!(width < 80 || status.contains(said), "{width}: {status}");
        }
        assert!(status.contains("not captu"), "{width}: {status}");
    }
}

/// Calls of three clients, an hour and then a day after each other.
fn of_days(directory: &Path) -> PathBuf {
    let header = r#"{"capture":1,"name":"x","started":"2026-11-21T12:04:00.900Z"}"#;
    let calls = (1..).zip(["21T12", "21T13", "22T13"]).map(|(n, at)| {
        let of = format!(r#""at":"2026-11-{at}:05:00.000000Z","session":{n}"#);
        let opened = r#""opened":{"by":"client","transport":"http"}"#;
        let info = format!(r#"{{"clientInfo":{{"name":"client-{n}","version":"2"}}}}"#);
        let asks = format!(r#"{{"jsonrpc":"2.0","id":{n},"method":"initialize","params":{info}}}"#);
        let (first, second) = (2 * n - 1, 2 * n);
        format!("{{\"seq\":{first},{of},{opened}}}\n{{\"seq\":{second},{of},\"from\":\"client\",\"message\":{asks}}}\n")
    });
    let path = directory.join("days.jsonl");
    std::fs::write(&path, format!("{header}\n{}", calls.collect::<String>())).unwrap();
    path
}

#[test]
fn where_the_day_changes_the_list_says_which_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = of_days(directory.path());
    let mut stage = Stage::open(120, 24, &path, State::Saved);
    let text = stage.text();
    assert_eq!(text.matches("11-22 13:05").count(), 1, "{text}");
    assert!(!text.contains("11-21 "), "{text}");
    stage.press("5G");
    let started = stage.text();
    assert!(started.contains("2026-11-21 12:04:00 +00:00"), "{started}");
}

#[test]
fn which_session_a_call_is_of_is_said_where_there_are_several() {
    let directory = tempfile::tempdir().unwrap();
    let path = of_days(directory.path());
    for (width, height) in [(160, 45), (100, 24), (80, 24)] {
        let mut stage = Stage::open(width, height, &path, State::Saved);
        stage.press("G");
        let text = stage.text();
        assert!(text.contains(" · session 3"), "{width}: {text}");
        let wide = width == 160;
        assert!(!wide || stage.selected().contains("→ 3 "), "{text}");
        assert!(!wide || text.contains("session 3 · client-3 2"), "{text}");
    }
    let one = capture(directory.path(), &[OPENED, GREETED]);
    let mut stage = Stage::open(160, 45, &one, State::Saved);
    stage.press("G");
    assert!(!stage.text().contains(" · session 1"), "{}", stage.text());
}

#[test]
fn the_help_says_which_words_of_a_filter_are_more_than_texts() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut stage = Stage::open(width, height, &fixture("live"), State::Live);
        stage.press("?");
        let text = stage.text();
        let line = "ok error … #2       that STATUS; session 2; \"ok\" a text";
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn the_number_of_a_session_is_whole_however_many_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &[OPENED]);
    let many = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, many.replace("\"session\":1", "\"session\":12345")).unwrap();
    for width in [80, 120] {
        let mut stage = Stage::open(width, 40, &path, State::Saved);
        stage.press("5");
        let text = stage.text();
        assert!(text.contains("  12345 operator"), "{text}");
    }
}
