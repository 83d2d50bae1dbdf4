use super::*;

fn row(schema: &str, name: &str) -> Argument {
    arguments(schema)
        .into_iter()
        .find(|argument| argument.name == name)
        .unwrap_or_else(|| panic!("no argument {name}"))
}

fn type_of(schema: &str) -> String {
    row(
        &format!(r#"{{"type":"object","properties":{{"x":{schema}}}}}"#),
        "x",
    )
    .type_name
}

#[test]
fn arguments_keep_the_order_of_the_schema() {
    let schema = r#"{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"number"}},"required":["a"]}"#;
    let names: Vec<_> = arguments(schema)
        .into_iter()
        .map(|a| (a.name, a.required))
        .collect();
    assert_eq!(names, [("z".to_owned(), false), ("a".to_owned(), true)]);
}

#[test]
fn types_are_said_in_words() {
    assert_eq!(
        type_of(r#"{"type":"array","items":{"type":"string"}}"#),
        "array of string"
    );
    assert_eq!(type_of(r#"{"type":["string","null"]}"#), "string or null");
    assert_eq!(type_of(r#"{"enum":["a","b","c"]}"#), "string (3 choices)");
    assert_eq!(
        type_of(r#"{"type":"string","format":"date-time"}"#),
        "string (date-time)"
    );
    assert_eq!(
        type_of(r#"{"type":"integer","minimum":1,"maximum":10}"#),
        "integer 1..10"
    );
    assert_eq!(
        type_of(r#"{"anyOf":[{"type":"number"},{"type":"null"}]}"#),
        "number or null"
    );
    assert_eq!(type_of(r#"{"const":"on"}"#), r#"always "on""#);
    assert_eq!(type_of("{}"), "any");
    assert_eq!(type_of("true"), "any");
}

#[test]
fn nested_objects_have_dotted_names() {
    let schema = r#"{"properties":{"place":{"type":"object","required":["city"],"properties":{"city":{"type":"string"}}},
        "items":{"type":"array","items":{"type":"object","properties":{"sku":{"type":"string"}}}}}}"#;
    let names: Vec<_> = arguments(schema).into_iter().map(|a| a.name).collect();
    assert_eq!(names, ["place", "place.city", "items", "items[].sku"]);
    assert!(row(schema, "place.city").required);
}

#[test]
fn what_lies_too_deep_or_is_too_much_is_said_to_be_left_out() {
    let inside = |depth: usize, innermost: &str| {
        let (open, close) = (r#"{"properties":{"x":"#.repeat(depth), "}}".repeat(depth));
        format!("{open}{innermost}{close}")
    };
    let names = |schema: &str| -> Vec<String> {
        let rows = arguments(schema).into_iter();
        rows.map(|row| format!("{} {}", row.name, row.type_name))
            .collect()
    };
    let deepest = |innermost: &str| names(&inside(6, innermost)).pop().unwrap();
    assert_eq!(deepest(r#"{"type":"number"}"#), "x.x.x.x.x.x number");
    assert_eq!(deepest(r#"{"items":{}}"#), "x.x.x.x.x.x array of any");
    for inner in [
        r#"{"properties":{"y":{}}}"#,
        r#"{"additionalProperties":{}}"#,
        r#"{"items":{"properties":{"y":{}}}}"#,
    ] {
        assert_eq!(deepest(inner), "x.x.x.x.x.x.… deeper", "{inner}");
    }
    let many = |count: usize| {
        let members: Vec<_> = (0..count).map(|n| format!(r#""p{n}":{{}}"#)).collect();
        names(&format!(r#"{{"properties":{{{}}}}}"#, members.join(",")))
    };
    assert_eq!(many(MAX_ARGUMENTS).last().unwrap(), "p199 any");
    let cut = many(MAX_ARGUMENTS + 1);
    assert_eq!(cut[MAX_ARGUMENTS - 1..], ["p199 any", "… more"]);
}

#[test]
fn local_references_are_followed_and_circles_end() {
    let schema = r##"{"$defs":{"node":{"type":"object","properties":{"next":{"$ref":"#/$defs/node"},"v":{"$ref":"#/$defs/a~1b"}}},
        "a/b":{"type":"number"}},"properties":{"head":{"$ref":"#/$defs/node"},"loop":{"$ref":"#/properties/loop"}}}"##;
    assert_eq!(row(schema, "head.v").type_name, "number");
    assert!(arguments(schema).len() <= MAX_ARGUMENTS);
    assert_eq!(row(schema, "loop").type_name, "any");
}

#[test]
fn what_comes_again_inside_itself_is_named_once() {
    let schema = r##"{"$defs":{"node":{"properties":{"v":{"type":"integer"},
        "children":{"type":"array","items":{"$ref":"#/$defs/node"}},
        "next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}}}},
        "properties":{"root":{"$ref":"#/$defs/node","description":"The first."},"other":{"$ref":"#/$defs/node"}}}"##;
    let rows = arguments(schema);
    let said: Vec<String> = rows
        .iter()
        .map(|row| format!("{}  {}", row.name, row.type_name))
        .collect();
    assert_eq!(
        said[..4],
        [
            "root  object",
            "root.v  integer",
            "root.children  array of object, recursive",
            "root.next  object or null, recursive",
        ]
    );
    assert_eq!(
        (rows.len(), rows[0].description.as_str()),
        (8, "The first.")
    );
}

#[test]
fn limits_are_said_in_words() {
    let limits = |schema: &str| {
        let schema = format!(r#"{{"properties":{{"x":{schema}}}}}"#);
        row(&schema, "x").limits.join(", ")
    };
    assert_eq!(
        limits(r#"{"type":"string","pattern":"^a+$","minLength":1,"maxLength":8}"#),
        "1..8 characters, matches ^a+$"
    );
    assert_eq!(limits(r#"{"minItems":1}"#), "at least 1 item");
    assert_eq!(limits(r#"{"maxItems":3}"#), "at most 3 items");
    assert_eq!(
        limits(r#"{"$ref":"https://example.com/s.json"}"#),
        "defined in https://example.com/s.json, which is never fetched"
    );
    assert_eq!(limits(r##"{"$ref":"#/nowhere"}"##), "");
    assert_eq!(
        type_of(r#"{"prefixItems":[{"type":"string"},{"type":"number"}]}"#),
        "array [string, number]"
    );
    let map =
        r#"{"properties":{"env":{"type":"object","additionalProperties":{"type":"string"}}}}"#;
    assert_eq!(row(map, "env.*").type_name, "string");
}

#[test]
fn sets_of_arguments_one_of_which_is_needed_are_told() {
    let schema = r#"{"anyOf":[{"required":["a"]},{"required":["b","c"]}]}"#;
    assert_eq!(needed_sets(schema), ["a", "b and c"]);
    assert!(needed_sets(r#"{"anyOf":[{"required":["a"]},{}]}"#).is_empty());
}

#[test]
fn remote_references_stay_unknown() {
    assert_eq!(type_of(r#"{"$ref":"https://example.com/s.json"}"#), "any");
}

#[test]
fn parts_of_all_of_and_alternatives_are_arguments_too() {
    let schema = r#"{"allOf":[{"properties":{"a":{}},"required":["a"]}],
        "oneOf":[{"properties":{"b":{}},"required":["b"]},{"properties":{"c":{}}}]}"#;
    assert!(row(schema, "a").required);
    assert!(!row(schema, "b").required);
    assert_eq!(arguments(schema).len(), 3);
}

#[test]
fn what_several_alternatives_name_may_be_what_any_of_them_says() {
    let schema = |first: &str, second: &str| {
        format!(
            r#"{{"oneOf":[{{"properties":{{"x":{first}}}}},{{"properties":{{"x":{second}}}}}]}}"#
        )
    };
    let kinds = row(&schema(r#"{"const":"circle"}"#, r#"{"const":"box"}"#), "x");
    assert_eq!(kinds.type_name, "string (2 choices)");
    assert_eq!(kinds.choices, [r#""circle""#, r#""box""#]);
    let same = row(&schema(r#"{"const":1}"#, r#"{"const":1}"#), "x");
    assert_eq!(same.type_name, "always 1");
    let types = row(&schema(r#"{"type":"string"}"#, r#"{"type":"number"}"#), "x");
    assert_eq!(types.type_name, "string or number");
    // What stands beside the alternatives holds for each of them.
    let beside = r#"{"properties":{"x":{"type":"string"}},"anyOf":[{"properties":{"x":{}}}]}"#;
    assert_eq!(row(beside, "x").type_name, "string");
}

#[test]
fn what_lies_in_arrays_of_arrays_has_a_row() {
    let object = r#"{"properties":{"x":{"type":"number"}}}"#;
    let schema = format!(
        r#"{{"properties":{{"m":{{"type":"array","items":{{"type":"array","items":{object}}}}}}}}}"#
    );
    assert_eq!(row(&schema, "m").type_name, "array of array of object");
    assert_eq!(row(&schema, "m[][].x").type_name, "number");
}

#[test]
fn members_whose_names_match_a_pattern_have_a_row() {
    let schema = r#"{"patternProperties":{"^x-":{"type":"string"}},"additionalProperties":{"type":"integer"}}"#;
    assert_eq!(row(schema, "/^x-/").type_name, "string");
    assert_eq!(row(schema, "*").type_name, "integer");
}

#[test]
fn what_is_no_schema_has_no_arguments() {
    for hostile in [
        "",
        "null",
        "[]",
        "{",
        "\"x\"",
        r#"{"properties":7,"required":3}"#,
    ] {
        assert_eq!(arguments(hostile), []);
    }
}

#[test]
fn a_schema_that_unfolds_without_end_is_given_up() {
    let many = vec![r##"{"$ref":"#"}"##; 60].join(",");
    for schema in [
        format!(r#"{{"anyOf":[{many}]}}"#),
        format!(
            r#"{{"properties":{{"x":{{"anyOf":[{many}]}}}},"required":["x"],"allOf":[{many}]}}"#
        ),
    ] {
        let rows = arguments(&schema);
        assert!(rows.len() <= MAX_ARGUMENTS);
        assert_eq!(rows.last().map(|row| &*row.name), Some("…"));
        assert!(serde_json::from_str::<serde_json::Value>(&skeleton(&schema)).is_ok());
    }
}

/// To look at each for every other would take longer than anybody waits.
#[test]
fn values_that_alternatives_list_are_told_apart_however_many_there_are() {
    let alternative = |from: u32| {
        let values: Vec<_> = (from..from + 40_000).map(|it| it.to_string()).collect();
        format!(
            r#"{{"properties":{{"x":{{"enum":[{}]}}}}}}"#,
            values.join(",")
        )
    };
    let schema = format!(
        r#"{{"oneOf":[{},{}]}}"#,
        alternative(0),
        alternative(20_000)
    );
    assert_eq!(row(&schema, "x").choices.len(), 60_000);
}
