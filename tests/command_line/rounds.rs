//! `call` where a server of the modern era asks for more first.

use super::call_and_list::fails_in_time;
use super::*;

/// A modern server in `sh`: `again` answers a call while it was asked fewer than `rounds` times.
pub fn modern(again: &str, rounds: u32) -> String {
    format!(
        r#"n=0
        while read -r line; do
            id=${{line##*'"id":'}}
            id=${{id%%[,\}}]*}}
            case $line in
            *discover*) result='"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{{"tools":{{}}}},"ttlMs":0,"cacheScope":"private","_meta":{{"io.modelcontextprotocol/serverInfo":{{"name":"s","version":"1"}}}}' ;;
            *) n=$((n + 1)); result='{again}'
               test $n -le {rounds} || result='"resultType":"complete","content":[{{"type":"text","text":"done"}}]' ;;
            esac
            printf '{{"jsonrpc":"2.0","id":%s,"result":{{%s}}}}\n' "$id" "$result"
        done"#
    )
}

#[test]
fn a_modern_result_that_is_no_answer_yet_is_followed_as_far_as_it_makes_sense() {
    let house = House::new();
    let call = |again: &str, rounds, timeout: &str| {
        let before = ["call", "t", "--era", "modern", "--timeout", timeout];
        let server = ["--", "sh", "-c", &modern(again, rounds)];
        house.run(&[&before[..], &server].concat())
    };
    let later = r#""resultType":"input_required","requestState":"s""#;
    let ran = call(later, 3, "60");
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "done\n"), "{ran:?}");
    // It is given time, and no more of it than was said.
    fails_in_time("tools/call: not over within $t s, after ", |time| {
        call(later, 1000, time)
    });
    call(r#""resultType":"input_required""#, 1, "60")
        .fails(3, "t: the server asks for input and does not say which");
    let sample = r#""resultType":"input_required","inputRequests":{"s":{"method":"sampling/createMessage"}}"#;
    call(sample, 1, "60").fails(
        3,
        "t: the server asks for sampling/createMessage, although it was told that nobody here has a model",
    );
    let empty = r#""resultType":"complete""#;
    let why = "t: the server's answer is no tool result: it has no content";
    call(empty, 1, "60").fails(3, why);
    let odd = r#""resultType":"banana","content":[]"#;
    call(odd, 1, "60").fails(3, r#"t: the server answers with the resultType "banana""#);
}

#[test]
fn a_retry_holds_only_what_the_round_before_it_asked_for() {
    let house = House::new();
    let again = r#""resultType":"input_required",'$(case $n in
        1) echo '"inputRequests":{"a":{"method":"roots/list"}},"requestState":"one"' ;;
        2) echo '"requestState":"two"' ;;
        *) echo '"inputRequests":{"b":{"method":"roots/list"}}' ;;
        esac)'"#;
    let file = house.path("rounds.jsonl");
    let before = ["call", "t", "--era", "modern", "--capture"];
    let server = ["--", "sh", "-c", &modern(again, 3)];
    let ran = house.run(&[&before[..], &[file.to_str().unwrap()], &server].concat());
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "done\n"), "{ran:?}");
    let captured = std::fs::read_to_string(file).unwrap();
    let records = captured
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let said: Vec<_> = records
        .filter(|it| it["message"]["method"] == "tools/call")
        .map(|it| {
            let params = &it["message"]["params"];
            [&params["inputResponses"], &params["requestState"]].map(ToString::to_string)
        })
        .collect();
    let said: Vec<_> = said
        .iter()
        .map(|it| it.each_ref().map(String::as_str))
        .collect();
    assert_eq!(
        said,
        [
            ["null", "null"],
            [r#"{"a":{"roots":[]}}"#, r#""one""#],
            ["null", r#""two""#],
            [r#"{"b":{"roots":[]}}"#, "null"],
        ]
    );
}
