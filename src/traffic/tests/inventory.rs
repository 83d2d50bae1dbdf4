//! What the server offers, learned from what passes by.

use super::fold;
use crate::tap::Timestamp;
use crate::traffic::Traffic;

fn tools(traffic: &Traffic) -> Vec<(&str, bool)> {
    traffic
        .inventory()
        .tools
        .items
        .iter()
        .map(|tool| (&*tool.name, tool.unlisted))
        .collect()
}

#[test]
fn pages_are_merged_in_the_order_of_the_server() {
    let pages = r#"
        client {"id":1,"method":"tools/list"}
        server {"id":1,"result":{"tools":[{"name":"b"},{"name":"a"}],"nextCursor":""}}
        client {"id":2,"method":"tools/list","params":{"cursor":""}}
        server {"id":2,"result":{"tools":[{"name":"c"},{"name":"b","description":"twice"}]}}
    "#;
    let first: String = pages
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    let partial = fold(&first);
    assert_eq!(tools(&partial), [("b", false), ("a", false)]);
    assert!(
        !partial.inventory().tools.complete,
        "an empty cursor is a cursor"
    );

    let whole = fold(pages);
    assert_eq!(tools(&whole), [("b", false), ("a", false), ("c", false)]);
    assert!(whole.inventory().tools.complete);
    assert_eq!(whole.inventory().tools.listed_at, Some(Timestamp(4000)));
}

#[test]
fn what_is_listed_more_than_once_is_counted_in_each_walk() {
    let twice = r#"
        client {"id":1,"method":"tools/list"}
        server {"id":1,"result":{"tools":[{"name":"b"},{"name":"a"},{"name":"b","title":"B"}],"nextCursor":"2"}}
        client {"id":2,"method":"tools/list","params":{"cursor":"2"}}
        server {"id":2,"result":{"tools":[{"name":"b"}]}}
    "#;
    let times = |text: &str| {
        let traffic = fold(text);
        let tools = &traffic.inventory().tools;
        [tools.times_listed("a"), tools.times_listed("b")]
    };
    assert_eq!(times(twice), [1, 3]);
    let second = |text: &str, name: &str| {
        let traffic = fold(text);
        let second = traffic.inventory().tools.second(name);
        second.map(str::to_owned)
    };
    assert_eq!(second(twice, "a"), None);
    assert_eq!(second(twice, "b").unwrap(), r#"{"name":"b","title":"B"}"#);
    // Behind a whole list, a walk is shown once it is whole, too.
    let again = r#"
        client {"id":3,"method":"tools/list"}
        server {"id":3,"result":{"tools":[{"name":"a"},{"name":"b"}],"nextCursor":"2"}}
        client {"id":4,"method":"tools/list","params":{"cursor":"2"}}
        server {"id":4,"result":{"tools":[{"name":"a"}]}}
    "#;
    assert_eq!(times(&format!("{twice}{again}")), [2, 1]);
    let first: String = again
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(times(&format!("{twice}{first}")), [1, 3]);
}

#[test]
fn what_is_listed_again_takes_no_room_from_what_is_new() {
    let text = "x".repeat(3 << 20);
    let tool = |name: &str| format!("{{\"name\":\"{name}\",\"description\":\"{text}\"}}");
    let mut conversation = String::new();
    for page in 0..12 {
        let list = match page {
            11 => tool("new"),
            _ => format!("{0},{0}", tool(&page.to_string())),
        };
        conversation += &format!(
            "client {{\"id\":{page},\"method\":\"tools/list\",\"params\":{{\"cursor\":\"{page}\"}}}}\n\
             server {{\"id\":{page},\"result\":{{\"tools\":[{list}],\"nextCursor\":\"{}\"}}}}\n",
            page + 1
        );
    }
    let traffic = fold(&conversation);
    let tools = &traffic.inventory().tools;
    assert_eq!(tools.items.len(), 12);
    assert_eq!(tools.times_listed("10"), 2);
    let seconds = (0..11).filter(|page| tools.second(&page.to_string()).is_some());
    assert_eq!(seconds.count(), 2, "as many as there is room for");
}

#[test]
fn a_page_from_the_middle_is_shown_but_is_not_complete() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"tools/list","params":{"cursor":"2"}}
        server {"id":1,"result":{"tools":[{"name":"z"}]}}
        "#,
    );
    assert_eq!(tools(&traffic), [("z", false)]);
    assert!(!traffic.inventory().tools.complete);
}

#[test]
fn a_complete_list_stays_until_the_next_is_complete() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"tools/list"}
        server {"id":1,"result":{"tools":[{"name":"a"},{"name":"b"}]}}
        client {"id":2,"method":"tools/list"}
        server {"id":2,"result":{"tools":[{"name":"c"}],"nextCursor":"2"}}
        client@2 {"id":1,"method":"tools/list","params":{"cursor":"2"}}
        server@2 {"id":1,"result":{"tools":[{"name":"stray"}]}}
        "#,
    );
    assert_eq!(tools(&traffic), [("a", false), ("b", false)]);
    assert!(traffic.inventory().tools.complete);
}

#[test]
fn two_sessions_list_at_the_same_time() {
    let traffic = fold(
        r#"
        client@1 {"id":1,"method":"tools/list"}
        server@1 {"id":1,"result":{"tools":[{"name":"a"}],"nextCursor":"2"}}
        client@2 {"id":1,"method":"tools/list"}
        server@2 {"id":1,"result":{"tools":[{"name":"a"}],"nextCursor":"2"}}
        client@2 {"id":2,"method":"tools/list","params":{"cursor":"2"}}
        server@2 {"id":2,"result":{"tools":[{"name":"b"}]}}
        client@1 {"id":2,"method":"tools/list","params":{"cursor":"2"}}
        server@1 {"id":2,"result":{"tools":[{"name":"b"}]}}
        "#,
    );
    assert_eq!(tools(&traffic), [("a", false), ("b", false)]);
    assert!(traffic.inventory().tools.complete);
}

#[test]
fn a_changed_list_is_stale_until_it_is_listed_again() {
    let changed = r#"
        client {"id":1,"method":"tools/list"}
        server {"id":1,"result":{"tools":[{"name":"a"}]}}
        server {"method":"notifications/tools/list_changed"}
        server {"method":"notifications/tools/list_changed"}
    "#;
    assert_eq!(
        fold(changed).inventory().tools.stale_since,
        Some(Timestamp(3000))
    );
    let again = format!(
        "{changed}
        client {{\"id\":2,\"method\":\"tools/list\"}}
        server {{\"id\":2,\"result\":{{\"tools\":[]}}}}"
    );
    let traffic = fold(&again);
    assert_eq!(traffic.inventory().tools.stale_since, None);
    assert!(tools(&traffic).is_empty());
}

#[test]
fn a_list_that_changed_while_it_was_listed_is_not_complete() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"tools/list"}
        server {"id":1,"result":{"tools":[{"name":"a"}],"nextCursor":"2"}}
        server {"method":"notifications/tools/list_changed"}
        client {"id":2,"method":"tools/list","params":{"cursor":"2"}}
        server {"id":2,"result":{"tools":[{"name":"b"}]}}
        "#,
    );
    let listing = &traffic.inventory().tools;
    assert_eq!(
        (listing.complete, listing.stale_since),
        (false, Some(Timestamp(3000)))
    );
    assert_eq!(listing.items.len(), 2);
}

#[test]
fn what_is_called_but_not_listed_is_shown_and_marked() {
    let called = r#"
        client {"id":1,"method":"tools/call","params":{"name":"hidden"}}
        client {"id":2,"method":"tools/call","params":{"name":"b"}}
        client {"id":3,"method":"tools/call","params":{"name":"hidden"}}
    "#;
    assert_eq!(tools(&fold(called)), [("hidden", true), ("b", true)]);
    let listed = format!(
        "{called}
        client {{\"id\":4,\"method\":\"tools/list\"}}
        server {{\"id\":4,\"result\":{{\"tools\":[{{\"name\":\"b\"}}]}}}}
        client {{\"id\":5,\"method\":\"tools/call\",\"params\":{{\"name\":\"new\"}}}}"
    );
    assert_eq!(
        tools(&fold(&listed)),
        [("b", false), ("hidden", true), ("new", true)]
    );
}

#[test]
fn a_tool_is_read_whole() {
    let definition = r#"{"name":"t","title":"T","description":"does \"it\"","inputSchema":{"type":"object"},"outputSchema":{"type":"object"},"annotations":{"readOnlyHint":true,"destructiveHint":false},"x-vendor":1.50}"#;
    let traffic = fold(&format!(
        "client {{\"id\":1,\"method\":\"tools/list\"}}\nserver {{\"id\":1,\"result\":{{\"tools\":[{definition}]}}}}"
    ));
    let tool = &traffic.inventory().tools.items[0];
    assert_eq!(
        (&*tool.name, tool.title.as_deref(), &*tool.description),
        ("t", Some("T"), "does \"it\"")
    );
    assert_eq!(tool.input_schema, r#"{"type":"object"}"#);
    assert_eq!(tool.output_schema.as_deref(), Some(r#"{"type":"object"}"#));
    assert_eq!(
        (tool.read_only, tool.destructive, tool.idempotent),
        (Some(true), Some(false), None)
    );
    assert_eq!(tool.raw, definition, "verbatim");
    assert_eq!(tool.tokens(), definition.len().div_ceil(4));
}

#[test]
fn resources_templates_and_prompts_are_listed_too() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"resources/list"}
        server {"id":1,"result":{"resources":[{"uri":"file:///a","name":"a","mimeType":"text/plain","size":12}]}}
        client {"id":2,"method":"resources/templates/list"}
        server {"id":2,"result":{"resourceTemplates":[{"uriTemplate":"file:///{x}","name":"x"}]}}
        client {"id":3,"method":"prompts/list"}
        server {"id":3,"result":{"prompts":[{"name":"p","arguments":[{"name":"topic","description":"what","required":true},{"name":"tone"}]}]}}
        client {"id":4,"method":"resources/read","params":{"uri":"file:///b"}}
        server {"method":"notifications/resources/list_changed"}
        "#,
    );
    let inventory = traffic.inventory();
    let uris: Vec<_> = inventory
        .resources
        .items
        .iter()
        .map(|item| (&*item.uri, item.unlisted))
        .collect();
    assert_eq!(uris, [("file:///a", false), ("file:///b", true)]);
    assert_eq!(inventory.resources.items[0].size, Some(12));
    assert_eq!(inventory.templates.items[0].uri, "file:///{x}");
    assert!(inventory.templates.items[0].template);
    let arguments = &inventory.prompts.items[0].arguments;
    assert_eq!(
        (
            &*arguments[0].name,
            arguments[0].required,
            arguments[1].required
        ),
        ("topic", true, false)
    );
    assert!(inventory.resources.stale_since.is_some() && inventory.templates.stale_since.is_some());
    assert_eq!(inventory.prompts.stale_since, None);
}

#[test]
fn an_answer_that_only_looks_like_a_list_teaches_nothing() {
    let traffic = fold(
        r#"
        client {"id":1,"method":"tools/call","params":{"name":"t"}}
        server {"id":1,"result":{"tools":[{"name":"fake"}],"content":[]}}
        server {"id":1,"method":"tools/list"}
        client {"id":1,"result":{"tools":[{"name":"backwards"}]}}
        client {"id":2,"method":"tools/list"}
        server {"id":2,"error":{"code":-32601,"message":"no"}}
        "#,
    );
    assert_eq!(tools(&traffic), [("t", true)]);
    assert_eq!(traffic.inventory().tools.listed_at, None);
}

#[test]
fn the_server_introduces_itself_in_either_era() {
    let legacy = fold(
        r#"
        client {"id":0,"method":"initialize","params":{}}
        server {"id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"everything","title":"Every","version":"2.0.0"},"instructions":"Be kind."}}
        "#,
    );
    let server = legacy.inventory().server.as_ref().unwrap();
    assert_eq!(
        (&*server.name, server.title.as_deref(), &*server.version),
        ("everything", Some("Every"), "2.0.0")
    );
    assert_eq!(
        (&*server.protocol_version, &*server.capabilities),
        ("2025-11-25", r#"{"tools":{}}"#)
    );
    assert_eq!(server.instructions.as_deref(), Some("Be kind."));

    let modern = fold(
        r#"
        client {"id":0,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        server {"id":0,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"prompts":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"new","version":"1"}}}}
        "#,
    );
    let server = modern.inventory().server.as_ref().unwrap();
    assert_eq!((&*server.name, &*server.version), ("new", "1"));
    assert_eq!(server.supported_versions, ["2026-07-28"]);
    assert_eq!(server.protocol_version, "2026-07-28");
    assert_eq!(server.capabilities, r#"{"prompts":{}}"#);

    let passing = fold(
        r#"
        client {"id":0,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        server {"id":0,"result":{"tools":[],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"seen","version":"3"}}}}
        "#,
    );
    assert_eq!(passing.inventory().server.as_ref().unwrap().name, "seen");
}

#[test]
fn a_server_that_never_ends_its_list_is_cut_off() {
    let mut conversation = String::new();
    for id in 0..30 {
        let cursor = if id == 0 {
            String::new()
        } else {
            format!(",\"params\":{{\"cursor\":\"{id}\"}}")
        };
        let tools: Vec<String> = (0..1000)
            .map(|n| format!("{{\"name\":\"t{id}-{n}\"}}"))
            .collect();
        conversation += &format!(
            "client {{\"id\":{id},\"method\":\"tools/list\"{cursor}}}\n\
             server {{\"id\":{id},\"result\":{{\"tools\":[{}],\"nextCursor\":\"{}\"}}}}\n",
            tools.join(","),
            id + 1
        );
    }
    conversation += "client {\"id\":30,\"method\":\"tools/list\",\"params\":{\"cursor\":\"30\"}}\n\
                     server {\"id\":30,\"result\":{\"tools\":[]}}\n";
    let traffic = fold(&conversation);
    assert_eq!(traffic.inventory().tools.items.len(), 20_000);
    assert!(!traffic.inventory().tools.complete);
}
