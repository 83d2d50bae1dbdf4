//! What the operator is subscribed to, and what has changed since it was read.

use super::fold;
use crate::traffic::Traffic;

fn is_subscribed(traffic: &Traffic, uri: &str) -> bool {
    traffic.own_subscription(uri).is_some()
}

const SUBSCRIBED: &str = r#"
    operator {"id":1,"method":"resources/subscribe","params":{"uri":"a:b"}}
    server {"id":1,"result":{}}
"#;

#[test]
fn a_subscription_lasts_until_it_is_ended_or_its_session_is() {
    assert!(is_subscribed(&fold(SUBSCRIBED), "a:b"));
    assert!(!is_subscribed(&fold(SUBSCRIBED), "a:c"));
    let asked: String = SUBSCRIBED.lines().take(2).collect();
    assert!(!is_subscribed(&fold(&asked), "a:b"));
    let end = r#"
        operator {"id":2,"method":"resources/unsubscribe","params":{"uri":"a:b"}}
        server {"id":2,"result":{}}
    "#;
    assert!(!is_subscribed(&fold(&format!("{SUBSCRIBED}{end}")), "a:b"));
    let again = SUBSCRIBED.replace("\"id\":1", "\"id\":3");
    assert!(is_subscribed(
        &fold(&format!("{SUBSCRIBED}{end}{again}")),
        "a:b"
    ));
    let refused = r#"
        operator {"id":4,"method":"resources/subscribe","params":{"uri":"a:b"}}
        server {"id":4,"error":{"code":1,"message":"already"}}
    "#;
    assert!(is_subscribed(
        &fold(&format!("{SUBSCRIBED}{refused}")),
        "a:b"
    ));
    let refused = refused.replace("subscribe", "unsubscribe");
    assert!(!is_subscribed(
        &fold(&format!("{SUBSCRIBED}{end}{refused}")),
        "a:b"
    ));
    let mut traffic = fold(SUBSCRIBED);
    traffic.cut_off();
    assert!(!is_subscribed(&traffic, "a:b"));
}

#[test]
fn a_clients_subscription_is_not_the_operators() {
    let theirs = SUBSCRIBED.replace("operator", "client");
    let traffic = fold(&theirs);
    assert!(!is_subscribed(&traffic, "a:b") && traffic.is_client_subscribed("a:b"));
    let other = r#"
        client@2 {"id":1,"method":"resources/subscribe","params":{"uri":"a:b"}}
        server@2 {"id":1,"result":{}}
        client@2 {"id":2,"method":"resources/unsubscribe","params":{"uri":"a:b"}}
        server@2 {"id":2,"result":{}}
    "#;
    assert!(fold(&format!("{theirs}{other}")).is_client_subscribed("a:b"));
    assert!(!fold(other).is_client_subscribed("a:b"));
    assert!(is_subscribed(
        &fold(&format!("{SUBSCRIBED}{theirs}")),
        "a:b"
    ));
}

#[test]
fn a_server_of_the_modern_era_takes_a_subscription_on_or_not() {
    let listen = r#"
        operator {"id":"s","method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["a:b"]}}}
    "#;
    let taken = |honoured: &str| {
        let meta = r#""_meta":{"io.modelcontextprotocol/subscriptionId":"s"}"#;
        format!(
            r#"{listen}
        server {{"method":"notifications/subscriptions/acknowledged","params":{{"notifications":{honoured},{meta}}}}}
        "#
        )
    };
    assert!(!is_subscribed(&fold(listen), "a:b"));
    assert!(!is_subscribed(&fold(&taken("{}")), "a:b"));
    let further = taken(r#"{"toolsListChanged":true,"resourceSubscriptions":["a:b"]}"#);
    assert!(is_subscribed(&fold(&further), "a:b"));
    let whole = taken(r#"{"resourceSubscriptions":["a:b"]}"#);
    assert!(is_subscribed(&fold(&whole), "a:b"));
    let refused = format!("{whole}{}", taken("{}").replace("\"s\"", "\"t\""));
    assert!(is_subscribed(&fold(&refused), "a:b"));
    let end = r#"
        operator {"method":"notifications/cancelled","params":{"requestId":"s"}}
    "#;
    assert!(!is_subscribed(&fold(&format!("{whole}{end}")), "a:b"));
}

#[test]
fn a_resource_has_changed_until_it_is_read_again() {
    let read = |id: u32, uri: &str| {
        format!(
            r#"
        operator {{"id":{id},"method":"resources/read","params":{{"uri":"{uri}"}}}}
        server {{"id":{id},"result":{{"contents":[]}}}}
        "#
        )
    };
    let update = |uri: &str| {
        format!(
            r#"
        server {{"method":"notifications/resources/updated","params":{{"uri":"{uri}"}}}}
        "#
        )
    };
    let changed = |text: &str, uri: &str| fold(text).changed_since_read(uri).is_some();
    let first = read(1, "a:b");
    assert!(!changed(&first, "a:b"));
    let updated = format!("{first}{}", update("a:b"));
    assert!(changed(&updated, "a:b"));
    assert!(!changed(&updated, "a:bc") && !changed(&updated, "a"));
    assert!(!changed(&format!("{updated}{}", read(2, "a:b")), "a:b"));
    // A part of it, which the server may name in its place.
    let part = format!("{first}{}", update("a:b/c"));
    assert!(changed(&part, "a:b") && changed(&part, "a:b/c"));
    let beside = format!("{first}{}", update("a:bc"));
    assert!(!changed(&beside, "a:b"));
}

#[test]
fn of_many_resources_those_are_remembered_that_changed_last() {
    let update = |number: usize| {
        format!(
            r#"server {{"method":"notifications/resources/updated","params":{{"uri":"a:{number}"}}}}"#
        )
    };
    let text = (0..1000).chain([0]).chain(1000..1003).map(update);
    let text: Vec<String> = text.collect();
    let traffic = fold(&text.join("\n"));
    let changed = |number: usize| traffic.changed_since_read(&format!("a:{number}")).is_some();
    assert!(changed(0) && changed(4) && changed(1002));
    assert!(!changed(1) && !changed(2) && !changed(3));
}

#[test]
fn a_uri_of_megabytes_is_not_remembered() {
    let long = format!("a:{}", "x".repeat(17 << 10));
    let update = format!(
        r#"server {{"method":"notifications/resources/updated","params":{{"uri":"{long}"}}}}"#
    );
    assert!(fold(&update).changed_since_read(&long).is_none());
}
