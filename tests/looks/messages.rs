//! Messages as they are read below the list.

use super::*;
use crate::common_ui::capture;

const OPENED: &str = r#""opened":{"by":"client","transport":"stdio","pid":1}"#;

#[test]
fn what_a_tool_answered_is_read_without_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let lines = [
        OPENED,
        r#""from":"client","message":{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"weather"}}"#,
        r#""from":"server","message":{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"{\"sky\":\"clear\",\"wind\":3}"},{"type":"text","text":"first\nsecond"}]}}"#,
    ];
    let path = capture(directory.path(), &lines);
    let mut stage = Stage::open(120, 60, &path, State::Live);
    stage.press("G");
    let text = stage.text();
    for words in [r#"│   "sky": "clear""#, "│ second"] {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn the_outline_of_a_list_stays_short() {
    let directory = tempfile::tempdir().unwrap();
    let lines = [
        OPENED,
        r#""from":"client","message":{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#,
        r#""from":"server","message":{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"weather","description":"first\nsecond"}]}}"#,
    ];
    let path = capture(directory.path(), &lines);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("G");
    let text = stage.text();
    assert!(text.contains(r"first\nsecond"), "{text}");
}

const CALLS: [&str; 5] = [
    OPENED,
    r#""from":"client","message":{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t"}}"#,
    r#""from":"server","message":{"jsonrpc":"2.0","id":7,"result":{"a":"x","b":"the needle","c":"a needle"}}"#,
    r#""from":"client","message":{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"t"}}"#,
    r#""from":"server","message":{"jsonrpc":"2.0","id":8,"result":{"b":"one needle more"}}"#,
];

#[test]
fn what_the_list_was_narrowed_to_is_found_in_the_message() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &CALLS);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("/!absent needle<enter>g<enter>n");
    assert!(stage.text().contains("match 1 of 2"), "{}", stage.text());
    stage.press("n");
    assert!(stage.text().contains("match 2 of 2"), "{}", stage.text());
}

#[test]
fn what_the_list_is_narrowed_to_next_is_found_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &CALLS);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("/more<enter>g<enter>n");
    assert!(stage.text().contains("match 1 of 1"), "{}", stage.text());
    stage.press("<esc><esc>/needle<enter>g<enter>n");
    assert!(stage.text().contains("match 1 of 2"), "{}", stage.text());
}

#[test]
fn what_was_searched_for_goes_before_a_filter_that_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &CALLS);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("/needle<enter>gj<enter>/one<enter><esc>k<enter>n");
    assert!(!stage.text().contains("match 1 of 2"), "{}", stage.text());
    stage.press("<esc>j<enter>n");
    assert!(stage.text().contains("match 1 of 1"), "{}", stage.text());
}

#[test]
fn the_previous_match_of_nothing_is_the_last_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &CALLS);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("/needle<enter>g<enter>N");
    assert!(stage.text().contains("match 2 of 2"), "{}", stage.text());
}

#[test]
fn a_search_goes_on_in_the_next_message() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &CALLS);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("gj<enter>/needle<enter><esc>j<enter>n");
    assert!(stage.text().contains("match 1 of 1"), "{}", stage.text());
}

#[test]
fn the_next_match_of_nothing_says_how_to_search() {
    let mut stage = stage(120, 40, "live", State::Live);
    stage.press("g<enter>n");
    assert!(
        stage.status().contains("/ searches in the message"),
        "{}",
        stage.status()
    );
}

#[test]
fn what_has_no_name_is_saved_without_one() {
    let mut stage = stage(120, 40, "live", State::Live);
    for (keys, stem) in [
        ("/stderr<enter>gw", "stderr-"),
        ("<esc>/tools/call get-sum<enter>gw", "tools/call-get-sum-"),
    ] {
        stage.press(keys);
        let Some(Effect::Save { stem: said, .. }) = stage.effects.last() else {
            panic!("{:?}", stage.effects);
        };
        let number = said.strip_prefix(stem).unwrap();
        assert!(number.parse::<u64>().is_ok(), "{said}");
    }
}

#[test]
fn the_bytes_of_a_message_say_whose_they_are_and_how_much_is_below() {
    let mut stage = stage(80, 24, "live", State::Live);
    stage.press("/tools/list<enter>g<enter>]]");
    let text = stage.text();
    assert!(text.contains("request  record"), "{text}");
    assert!(text.contains("answer  record"), "{text}");
    assert!(text.contains("lines below"), "{text}");
    stage.press("G");
    assert!(!stage.text().contains("below"), "{}", stage.text());
}

#[test]
fn a_message_says_how_much_of_it_is_below_until_one_is_there() {
    let mut stage = stage(120, 24, "live", State::Live);
    stage.press("/tools/list<enter>g<enter><right>");
    assert!(stage.text().contains("lines below"), "{}", stage.text());
    stage.press("G");
    assert!(!stage.text().contains("lines below"), "{}", stage.text());
}

#[test]
fn the_number_of_an_http_answer_stands_once_and_never_nowhere() {
    let stage = stage(80, 60, "http", State::Saved);
    let text = stage.text();
    let row = |start: &str| {
        let line = text.lines().find(|line| line.contains(start)).unwrap();
        line.to_owned()
    };
    assert!(
        row(" GET /mcp ").contains("200 OK, the capture ends here"),
        "{text}"
    );
    assert_eq!(row("DELETE /mcp").matches("502").count(), 1, "{text}");
    let mut stage = self::stage(80, 24, "http", State::Saved);
    stage.press("gj<enter>]");
    assert!(stage.text().contains("lines below"), "{}", stage.text());
    stage.press("G");
    assert!(!stage.text().contains("below"), "{}", stage.text());
}

#[test]
fn every_answer_to_one_request_can_be_read() {
    let mut stage = stage(120, 40, "trouble", State::Ended);
    stage.press("/again<enter><enter>");
    let text = stage.text();
    assert!(text.contains("answered again  a=1 b=1"), "{text}");
    assert!(text.contains("1 of 2") && text.contains("\"2\""), "{text}");
    stage.press("<right>");
    let text = stage.text();
    assert!(
        text.contains("2 of 2") && text.contains("\"content\": []"),
        "{text}"
    );
    stage.press("<left><left>");
    assert!(stage.text().contains("▌request"), "{}", stage.text());
    stage.press("]]");
    let text = stage.text();
    assert!(
        text.contains("answer  record 22") && text.contains("again!  record 23"),
        "{text}"
    );
}

#[test]
fn an_answer_is_held_against_the_schema_that_was_listed_last() {
    let listed = |id: u32, kind: &str| {
        [
            format!(
                r#""from":"client","message":{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#
            ),
            format!(
                r#""from":"server","message":{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{{"name":"t","inputSchema":{{}},"outputSchema":{{"properties":{{"a":{{"type":"{kind}"}}}}}}}}]}}}}"#
            ),
        ]
    };
    let (first, second) = (listed(1, "number"), listed(2, "string"));
    let answer = r#""from":"server","message":{"jsonrpc":"2.0","id":7,"result":{"structuredContent":{"a":"x"}}}"#;
    let lines = [
        OPENED, &first[0], &first[1], CALLS[1], answer, &second[0], &second[1],
    ];
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &lines);
    let mut stage = Stage::start(120, 40, &path, State::Live, Session::default());
    stage.read(5);
    stage.arrive();
    stage.press("G<enter>");
    assert!(stage.text().contains("is not of type"), "{}", stage.text());
    stage.read(2);
    assert!(!stage.text().contains("is not of type"), "{}", stage.text());
}

#[test]
fn an_answer_that_is_not_as_promised_says_so_above_itself() {
    let tool = r#"{"name":"add","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"sum":{"type":"number"}}}}"#;
    let call = |id: u32, result: &str| {
        [
            format!(
                r#""operator","message":{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"add","arguments":{{"a":{id}}}}}}}"#
            ),
            format!(r#""server","message":{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
        ]
    };
    let listed = [
        r#""operator","message":{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(),
        format!(r#""server","message":{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tool}]}}}}"#),
    ];
    let wrong = call(2, r#"{"content":[],"structuredContent":{"sum":"5"}}"#);
    let odd = call(3, r#"{"resultType":"banana\u001b[2J","content":[]}"#);
    let right = call(4, r#"{"content":[],"structuredContent":{"sum":5}}"#);
    let mut capture = String::from(
        r#"{"capture":1,"program":"p","started":"2026-11-21T12:00:00Z","name":"n","transport":"stdio","upstream":[],"pid":1,"cwd":"/"}"#,
    );
    for (seq, said) in (1..).zip([listed, wrong, odd, right].as_flattened()) {
        capture += &format!(
            "\n{{\"seq\":{seq},\"at\":\"2026-11-21T12:00:00.00{seq}000Z\",\"session\":1,\"from\":{said}}}"
        );
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("doubts.jsonl");
    std::fs::write(&path, capture + "\n").unwrap();
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let mut stage = Stage::open(width, height, &path, State::Live);
        stage.press("gj");
        let text = stage.text();
        assert!(
            text.contains("/structuredContent/sum: \"5\" is not"),
            "{text}"
        );
        let below = text.contains("\"sum\": \"5\"");
        assert!(below || height < 40, "{text}");
        stage.press("j");
        let text = stage.text();
        assert!(text.contains("resultType is \"banana"), "{text}");
        stage.press("j");
        let text = stage.text();
        assert!(
            text.contains("\"jsonrpc\"") && !text.contains("Schema"),
            "{text}"
        );
    }
}

#[test]
fn a_message_that_one_comes_back_to_is_as_it_was_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = capture(directory.path(), &CALLS);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    stage.press("g<down>");
    assert!(
        stage.text().contains(r#""b": "the needle""#),
        "{}",
        stage.text()
    );
    stage.press("<enter>z");
    let left = stage.text();
    assert!(!left.contains(r#""b": "the needle""#), "folded: {left}");
    stage.press("<esc><down>");
    assert!(
        stage.text().contains(r#""b": "one needle more""#),
        "{}",
        stage.text()
    );
    stage.press("<up><enter>");
    assert_eq!(stage.text(), left);
}

#[test]
fn a_long_id_is_cut_only_where_there_is_no_room_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let head = |id: &str, width| {
        let request = format!(
            r#""from":"client","message":{{"jsonrpc":"2.0","id":"{id}","method":"tools/call","params":{{"name":"t"}}}}"#
        );
        let path = capture(directory.path(), &[OPENED, &request]);
        let mut stage = Stage::open(width, 40, &path, State::Live);
        stage.press("G");
        let text = stage.text();
        let head = text.lines().find(|line| line.contains(" request "));
        head.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let id = "mcpx-5-7d0aeafa2182299c-0123";
    let whole = format!("id \"{id}\"");
    for (width, time, bytes) in [(200, true, true), (120, true, false), (100, false, false)] {
        let head = head(id, width);
        assert!(head.contains(&whole), "{head}");
        assert_eq!(
            (head.contains("12:05:02.000"), head.contains(" bytes")),
            (time, bytes),
            "{head}"
        );
    }
    let long = "0123456789".repeat(10);
    let cut = head(&long, 120);
    assert!(
        cut.contains("12:05:02.000  id …") && cut.contains("456789\""),
        "{cut}"
    );
}

#[test]
fn side_by_side_each_half_of_a_comparison_says_which_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t"}}"#;
    let answer = |sky| {
        format!(
            r#""from":"server","message":{{"jsonrpc":"2.0","id":7,"result":{{"sky":"{sky}"}}}}"#
        )
    };
    let again = call.replace('7', "\"s-1\"");
    let lines = [
        OPENED,
        &format!(r#""from":"client","message":{call}"#),
        &answer("clear"),
        &format!(r#""from":"operator","replay_of":2,"message":{again}"#),
        &answer("grey").replace('7', "\"s-1\""),
    ];
    let path = capture(directory.path(), &lines);
    let mut stage = Stage::open(240, 40, &path, State::Live);
    stage.press("G<enter>d");
    let text = stage.text();
    let head = text.lines().find(|line| line.contains("line differs"));
    let head = head.unwrap_or_else(|| panic!("{text}"));
    assert!(head.contains("- original   1 line differs"), "{head}");
    assert!(head.contains("│ + this one"), "{head}");
}

#[test]
fn a_message_gets_the_lines_that_the_other_one_does_not_need() {
    let directory = tempfile::tempdir().unwrap();
    let long = |at| {
        let members: Vec<_> = (0..60)
            .map(|n| format!(r#""{at}{n}":"{}""#, "x".repeat(60)))
            .collect();
        format!("{{{}}}", members.join(","))
    };
    let lines = |question: &str, answer: &str| {
        let path = capture(
            directory.path(),
            &[
                OPENED,
                &format!(
                    r#""from":"client","message":{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"t","arguments":{question}}}}}"#
                ),
                &format!(
                    r#""from":"server","message":{{"jsonrpc":"2.0","id":7,"result":{answer}}}"#
                ),
            ],
        );
        let mut stage = Stage::open(90, 100, &path, State::Live);
        stage.press("G<enter>");
        let text = stage.text();
        let shown = |name: &str| text.lines().filter(|line| line.contains(name)).count();
        (shown("\"q"), shown("\"a"))
    };
    let (question, answer) = lines(&long('q'), &long('a'));
    assert!(question > 2 && answer > question, "{question} {answer}");
    let (_, more) = lines("{}", &long('a'));
    assert!(more > answer + 5, "{answer} {more}");
    let (more, _) = lines(&long('q'), "{}");
    assert!(more > question + 5, "{question} {more}");
}

#[test]
fn bare_messages_are_shown_without_times_that_nobody_noted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saved.jsonl");
    let lines = [
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"add","arguments":{"a":2}}}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"five"}]}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
    ];
    std::fs::write(&path, lines.join("\n")).unwrap();
    for width in [80, 120] {
        let mut stage = Stage::open(width, 40, &path, State::Saved);
        stage.press("g");
        let text = stage.text();
        assert!(
            text.contains("bare messages, without times or directions of their own"),
            "{text}"
        );
        let row = stage.selected();
        assert!(row.contains("a=2") && row.contains("ok"), "{row}");
        assert!(text.contains("\"five\""), "{text}");
        assert!(!text.contains("answer    ok"), "{text}");
        for keys in ["", "]", "2", "5", "6"] {
            stage.press(keys);
            let text = stage.text();
            for words in ["00:00", "0 µs", "1970", "Timing"] {
                assert!(!text.contains(words), "{keys}: {words}: {text}");
            }
        }
    }
}

#[test]
fn a_change_at_a_time_that_nobody_noted_is_said_without_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saved.jsonl");
    let lines = [
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"resources":[{"uri":"a://b","name":"b"}]}}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"resources/read","params":{"uri":"a://b"}}"#,
        r#"{"jsonrpc":"2.0","id":2,"result":{"contents":[]}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a://b"}}"#,
    ];
    std::fs::write(&path, lines.join("\n")).unwrap();
    let mut stage = Stage::open(120, 40, &path, State::Saved);
    stage.press("3");
    let text = stage.text();
    let (_, changed) = text.split_once("CHANGED").expect(&text);
    assert!(changed.trim_start().starts_with("not read since"), "{text}");
}

/// The words of what is on the right, or over the whole width.
fn said(stage: &Stage) -> String {
    let text = stage.text();
    let right = text
        .lines()
        .map(|line| line.rsplit('│').next().unwrap_or(line));
    let words: Vec<&str> = right.flat_map(str::split_whitespace).collect();
    words.join(" ")
}

#[test]
fn an_answer_among_other_text_is_told_by_its_row_and_by_the_call_that_waits() {
    let directory = tempfile::tempdir().unwrap();
    let asked = r#""from":"client","message":{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"add"}}"#;
    let glued = r#""from":"server","text":"DEBUG x{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}""#;
    let path = capture(directory.path(), &[asked, glued]);
    for (width, height) in [(80, 24), (120, 40)] {
        let mut stage = Stage::open(width, height, &path, State::Live);
        stage.press("g");
        assert!(stage.selected().contains("pending"), "{}", stage.text());
        let waits = "a line on stdout (12:05:02.000) looks like the answer among other text: a message has to be a line of its own";
        stage.press("<enter>l");
        assert!(said(&stage).contains("no answer yet"), "{}", stage.text());
        assert!(said(&stage).contains(waits), "{}", stage.text());
        stage.press("<esc>j");
        assert!(stage.selected().contains("on stdout!"), "{}", stage.text());
        stage.press("<enter>");
        let holds = "this looks like the answer to request 3 among other text: a message has to be a line of its own";
        assert!(said(&stage).contains(holds), "{}", stage.text());
        assert!(said(&stage).contains("DEBUG x{"), "{}", stage.text());
    }
}

#[test]
fn an_answer_without_a_result_is_told_by_its_row_and_by_the_call_that_waits() {
    let directory = tempfile::tempdir().unwrap();
    let asked = r#""from":"client","message":{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"add"}}"#;
    let hollow = r#""from":"server","message":{"jsonrpc":"2.0","id":3,"results":{}}"#;
    let path = capture(directory.path(), &[asked, hollow]);
    let mut stage = Stage::open(120, 40, &path, State::Live);
    let why = "and is none: that has either a result or an error";
    stage.press("g<enter>l");
    let waits = format!("a line on stdout (12:05:02.000) looks like the answer {why}");
    assert!(said(&stage).contains(&waits), "{}", stage.text());
    stage.press("<esc>j<enter>");
    let holds = format!("this looks like the answer to request 3 {why}");
    assert!(said(&stage).contains(&holds), "{}", stage.text());
}
