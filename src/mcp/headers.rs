//! What HTTP headers say of a message (specification 2026-07-28, basic/transports/streamable-http, and the session and
//! version headers of 2025-03-26 to 2025-11-25).
//!
//! Knows names and values as text; must not know how they travel.

use super::methods;
use crate::wire::object;
use crate::wire::{Envelope, Kind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::collections::HashMap;

pub const SESSION_ID: &str = "mcp-session-id";
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
pub const METHOD: &str = "mcp-method";
pub const NAME: &str = "mcp-name";
/// Followed by the name that a tool's schema gives with `x-mcp-header`.
pub const PARAM_PREFIX: &str = "mcp-param-";
pub const LAST_EVENT_ID: &str = "last-event-id";

/// The first revision of the modern era.
const MODERN: &str = "2026-07-28";
const VERSION: &[&str] = &["_meta", "io.modelcontextprotocol/protocolVersion"];
const ENCODED: (&str, &str) = ("=?base64?", "?=");
/// Schemas that nest their properties deeper are not read to the bottom.
const DEPTH: usize = 32;
/// Integers with more digits are left as they are spelled.
const DIGITS: usize = 400;

/// A header that a modern request carries besides its body: name in lower case, and the value as it is sent.
pub type Header = (String, String);

/// The parameters of one tool that its schema wants mirrored: header name (without prefix) and the path to the value in
/// `arguments`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mirrored {
    pub parameters: Vec<(String, Vec<String>)>,
}

/// Reads a tool's raw `inputSchema`: which of its parameters are mirrored. Annotations that break the rules count for
/// nothing.
pub fn mirrored(input_schema: &str) -> Mirrored {
    let mut parameters: Vec<(String, Vec<String>)> = Vec::new();
    let mut schemas = vec![(Vec::new(), input_schema)];
    while let Some((path, schema)) = schemas.pop() {
        let properties = object::at(schema, &["properties"]).unwrap_or_default();
        for (name, property) in object::members(properties) {
            let mut path: Vec<String> = path.clone();
            path.push(name.into_owned());
            if let Some(header) = annotation(property) {
                parameters.push((header.into_owned(), path.clone()));
            }
            if path.len() < DEPTH {
                schemas.push((path, property));
            }
        }
    }
    let mut uses = HashMap::new();
    for (name, _) in &parameters {
        *uses.entry(lower(name)).or_insert(0) += 1;
    }
    parameters.retain(|(name, _)| uses.get(&lower(name)) == Some(&1));
    Mirrored { parameters }
}

/// The header that a property is mirrored in, when it may be.
fn annotation(property: &str) -> Option<Cow<'_, str>> {
    let header = object::string_at(property, &["x-mcp-header"])?;
    let kind = object::string_at(property, &["type"])?;
    let allowed = matches!(&*kind, "string" | "integer" | "boolean");
    (allowed && is_token(&header)).then_some(header)
}

/// RFC 9110, 5.6.2.
fn is_token(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_tchar)
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Whether a version of the protocol is one of the modern era: revisions are dates, and sort as text.
pub fn is_modern(version: &[u8]) -> bool {
    version >= MODERN.as_bytes()
}

/// The version that a message of the modern era says it is written in; `None` for any other message.
pub fn modern_version<'a>(message: &Envelope<'a>) -> Option<Cow<'a, str>> {
    message.method.as_ref()?;
    object::string_at(message.params?, VERSION)
}

/// The headers that a message of the modern era must be sent with; none for any other message.
pub fn of(message: &Envelope<'_>, tool: Option<&Mirrored>) -> Vec<Header> {
    if modern_version(message).is_none() {
        return Vec::new();
    }
    let mirrored = parameters(message, tool)
        .into_iter()
        .filter_map(|(name, raw)| Some((name, in_header(raw?)?)));
    standard(message)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .chain(mirrored)
        .map(|(name, value)| (name, encode(&value)))
        .collect()
}

/// What the headers that every modern message has must say.
fn standard<'a>(message: &Envelope<'a>) -> Vec<(&'static str, Cow<'a, str>)> {
    [
        (PROTOCOL_VERSION, modern_version(message)),
        (METHOD, message.method.clone()),
        (NAME, name(message)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

fn name<'a>(message: &Envelope<'a>) -> Option<Cow<'a, str>> {
    let key = match message.method.as_deref()? {
        methods::TOOLS_CALL | methods::PROMPTS_GET => "name",
        methods::RESOURCES_READ => "uri",
        methods::TASKS_GET | methods::TASKS_UPDATE | methods::TASKS_CANCEL => "taskId",
        _ => return None,
    };
    object::string_at(message.params?, &[key])
}

/// The headers of a tool call's mirrored parameters, and the raw arguments, where there are any.
fn parameters<'a>(
    message: &Envelope<'a>,
    tool: Option<&Mirrored>,
) -> Vec<(String, Option<&'a str>)> {
    let calls = message.method.as_deref() == Some(methods::TOOLS_CALL);
    let Some(tool) = tool.filter(|_| calls) else {
        return Vec::new();
    };
    let params = message.params.unwrap_or_default();
    let value = |path: &[String]| {
        let path = path.iter().map(String::as_str);
        let path: Vec<&str> = std::iter::once("arguments").chain(path).collect();
        object::at(params, &path)
    };
    let header = |name: &str| format!("{PARAM_PREFIX}{}", lower(name));
    let parameters = tool.parameters.iter();
    parameters
        .map(|(name, path)| (header(name), value(path)))
        .collect()
}

/// A raw JSON value as text for a header; `null`, and what has parts, is not mirrored.
fn in_header(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => object::unescape(raw),
        b't' | b'f' => Some(raw.into()),
        b'-' | b'0'..=b'9' => Some(integer(raw).map_or(raw.into(), Into::into)),
        _ => None,
    }
}

/// The decimal digits of a number that is an integer, however it is spelled.
fn integer(number: &str) -> Option<String> {
    let (sign, number) = match number.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", number),
    };
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if whole.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let point = usize::try_from(point.max(0)).ok()?;
    if point > DIGITS {
        return None;
    }
    let padded = format!("{digits:0<point$}");
    let (integer, rest) = padded.split_at(point);
    if rest.bytes().any(|digit| digit != b'0') {
        return None;
    }
    Some(match integer.trim_start_matches('0') {
        "" => "0".to_owned(),
        integer => format!("{sign}{integer}"),
    })
}

/// What is wrong between the headers of a modern request and its body, in a sentence for the error `-32020`; `None` when
/// they agree. `header` finds a header's value by its name in lower case.
pub fn mismatch<'h>(
    message: &Envelope<'_>,
    header: &dyn Fn(&str) -> Option<&'h str>,
    tool: Option<&Mirrored>,
) -> Option<String> {
    // What the headers of a notification must say is not defined.
    if message.kind() != Kind::Request || modern_version(message).is_none() {
        return None;
    }
    let standard = standard(message).into_iter().find_map(|(name, value)| {
        let said = header(name);
        differs(name, said, |said| said == value)
    });
    standard.or_else(|| {
        parameters(message, tool)
            .into_iter()
            .find_map(|(name, raw)| match raw.and_then(in_header) {
                Some(value) => differs(&name, header(&name), |said| {
                    let is_number = raw.is_some_and(|raw| !raw.starts_with('"'));
                    said == value || is_number && integer(said).as_deref() == Some(&*value)
                }),
                None => header(&name)
                    .map(|_| format!("the header {name} stands for a parameter that is not there")),
            })
    })
}

/// What is wrong with the value of a header that must be there.
fn differs(name: &str, said: Option<&str>, agrees: impl Fn(&str) -> bool) -> Option<String> {
    let Some(said) = said else {
        return Some(format!("the header {name} is missing"));
    };
    match decode(said) {
        None => Some(format!("the header {name} cannot be decoded")),
        Some(said) if !agrees(&said) => Some(format!("the header {name} differs from the body")),
        Some(_) => None,
    }
}

/// A value as it is sent in a header: itself when it is plain, else `=?base64?…?=`.
pub fn encode(value: &str) -> String {
    let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !value.starts_with(' ')
        && !value.ends_with(' ')
        // Whoever reads it may take the marks in either case.
        && encoded(&lower(value)).is_none();
    if is_plain {
        return value.to_owned();
    }
    format!("{}{}{}", ENCODED.0, STANDARD.encode(value), ENCODED.1)
}

/// A value as it was meant; `None` for an encoded one that cannot be decoded.
pub fn decode(value: &str) -> Option<String> {
    match encoded(value) {
        Some(inner) => String::from_utf8(STANDARD.decode(inner).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

/// What stands between the marks of an encoded value.
fn encoded(value: &str) -> Option<&str> {
    value.strip_prefix(ENCODED.0)?.strip_suffix(ENCODED.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, parse};
    use proptest::prelude::*;
    use serde_json::Value;

    const SCHEMA: &str = r#"{"type":"object","x-mcp-header":"Root","properties":{
        "region":{"type":"string","x-mcp-header":"Region"},
        "where":{"type":"object","properties":{"deep\u0065r":{"type":"integer","x-mcp-header":"X-Deep"}}},
        "dry":{"type":"boolean","x-mcp-header":"dry!"},
        "rate":{"type":"number","x-mcp-header":"Rate"},
        "blank":{"type":"string","x-mcp-header":""},
        "spaced":{"type":"string","x-mcp-header":"a b"},
        "twin":{"type":"string","x-mcp-header":"Twin"},
        "other":{"type":"string","x-mcp-header":"tWIN"},
        "list":{"type":"array","items":{"type":"string","x-mcp-header":"Item"}}}}"#;

    fn call(arguments: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}}}}"#
        )
    }

    fn message(text: &str) -> Envelope<'_> {
        match parse(text.as_bytes()) {
            Frame::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    /// The headers of a call with these arguments, without the three standard ones.
    fn sent(arguments: &str) -> Vec<Header> {
        let text = call(arguments);
        of(&message(&text), Some(&mirrored(SCHEMA))).split_off(3)
    }

    /// What is found when the `changed` headers replace those of a call with these arguments; an empty one is left out.
    fn found(arguments: &str, changed: &[(&str, &str)]) -> Option<String> {
        let (text, tool) = (call(arguments), mirrored(SCHEMA));
        let message = message(&text);
        let sent = of(&message, Some(&tool));
        let header = |wanted: &str| match changed.iter().find(|(name, _)| *name == wanted) {
            Some((_, value)) => Some(*value).filter(|value| !value.is_empty()),
            None => sent
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.as_str()),
        };
        mismatch(&message, &header, Some(&tool))
    }

    fn header(name: &str, value: &str) -> Header {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn only_lawful_annotations_on_chains_of_properties_count() {
        let mut parameters = mirrored(SCHEMA).parameters;
        parameters.sort();
        let path = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let want: [(String, Vec<String>); 3] = [
            ("Region".to_owned(), path(&["region"])),
            ("X-Deep".to_owned(), path(&["where", "deeper"])),
            ("dry!".to_owned(), path(&["dry"])),
        ];
        assert_eq!(parameters, want);
        assert_eq!(mirrored("[]"), Mirrored::default());
    }

    #[test]
    fn a_schema_that_nests_without_end_is_read_to_a_depth_only() {
        let bottom = r#"{"type":"string","x-mcp-header":"Bottom"}"#;
        let schema = |depth| {
            let (open, close) = (r#"{"properties":{"a":"#.repeat(depth), "}}".repeat(depth));
            mirrored(&format!("{open}{bottom}{close}"))
        };
        assert_eq!(schema(DEPTH).parameters.len(), 1);
        assert_eq!(schema(5_000), Mirrored::default());
    }

    #[test]
    fn a_modern_message_is_mirrored_and_no_other_is() {
        let text = call(r#"{"region":"eu"}"#);
        let tool = mirrored(SCHEMA);
        let want = [
            header(PROTOCOL_VERSION, "2026-07-28"),
            header(METHOD, "tools/call"),
            header(NAME, "t"),
            header("mcp-param-region", "eu"),
        ];
        assert_eq!(of(&message(&text), Some(&tool)), want);
        assert_eq!(of(&message(&text), None), want[..3]);
        let legacy = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
        assert_eq!(of(&message(legacy), Some(&tool)), []);
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        assert_eq!(of(&message(answer), None), []);
    }

    #[test]
    fn each_method_is_named_after_its_own_parameter() {
        for (method, key) in [
            ("tools/call", "name"),
            ("prompts/get", "name"),
            ("resources/read", "uri"),
            ("tasks/get", "taskId"),
            ("tasks/update", "taskId"),
            ("tasks/cancel", "taskId"),
        ] {
            let text = format!(
                r#"{{"id":1,"method":"{method}","params":{{"{key}":"caf\u00e9","_meta":{{"io.modelcontextprotocol/protocolVersion":"v"}}}}}}"#
            );
            let headers = of(&message(&text), None);
            assert_eq!(headers[2], header(NAME, "=?base64?Y2Fmw6k=?="), "{method}");
        }
        let list = r#"{"id":1,"method":"tools/list","params":{"name":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"v"}}}"#;
        assert_eq!(of(&message(list), None).len(), 2);
    }

    #[test]
    fn values_of_every_kind_are_put_in_their_headers() {
        for (value, want) in [
            ("7", "7"),
            ("-12", "-12"),
            ("42.0", "42"),
            ("1.5e3", "1500"),
            ("120e-1", "12"),
            ("-0.0", "0"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("1.5", "1.5"),
            ("1e999999", "1e999999"),
            ("true", "true"),
            (r#""a b""#, "a b"),
        ] {
            let arguments = format!(r#"{{"where":{{"deeper":{value}}}}}"#);
            assert_eq!(
                sent(&arguments),
                [header("mcp-param-x-deep", want)],
                "{value}"
            );
        }
        for arguments in [
            "{}",
            r#"{"region":null}"#,
            r#"{"region":["a"]}"#,
            r#"{"where":"deeper"}"#,
        ] {
            assert_eq!(sent(arguments), [], "{arguments}");
        }
    }

    #[test]
    fn headers_that_agree_with_the_body_are_accepted() {
        let arguments = r#"{"region":" eu ","where":{"deeper":42},"dry":false}"#;
        assert_eq!(found(arguments, &[]), None);
        assert_eq!(found(arguments, &[("mcp-param-x-deep", "42.0")]), None);
        assert_eq!(found(arguments, &[("mcp-name", "=?base64?dA==?=")]), None);
        assert_eq!(found(arguments, &[("mcp-param-unknown", "x")]), None);
    }

    #[test]
    fn headers_that_differ_from_the_body_are_found() {
        let arguments = r#"{"region":"42","where":{"deeper":42}}"#;
        for changed in [
            ("mcp-protocol-version", "2025-11-25"),
            ("mcp-protocol-version", ""),
            ("mcp-method", "Tools/call"),
            ("mcp-method", ""),
            ("mcp-name", "u"),
            ("mcp-name", "=?base64?dA?="),
            ("mcp-name", ""),
            ("mcp-param-region", ""),
            // A string is no number.
            ("mcp-param-region", "42.0"),
            ("mcp-param-x-deep", "43"),
            ("mcp-param-x-deep", ""),
            // The body has none.
            ("mcp-param-dry!", "true"),
        ] {
            let sentence = found(arguments, &[changed]).unwrap_or_else(|| panic!("{changed:?}"));
            assert!(sentence.contains(changed.0), "{sentence}");
        }
    }

    #[test]
    fn a_notification_is_held_to_nothing() {
        let text = r#"{"method":"notifications/x","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"v"}}}"#;
        assert_eq!(mismatch(&message(text), &|_| None, None), None);
    }

    #[test]
    fn values_that_are_not_plain_are_encoded() {
        for plain in ["", "eu", "a b", "a=?base64?b?=", "=?base64?", "=?base64?="] {
            assert_eq!(encode(plain), plain);
        }
        for other in [
            " a",
            "a ",
            "a\tb",
            "a\nb",
            "caf\u{e9}",
            "\u{7f}",
            "=?base64??=",
            "=?base64?YQ==?=",
            "=?BASE64?YQ==?=",
        ] {
            let sent = encode(other);
            assert!(sent.starts_with("=?base64?") && sent != other, "{sent}");
        }
        assert_eq!(decode("=?base64?YQ==?=").as_deref(), Some("a"));
        for broken in ["=?base64?YQ?=", "=?base64?*?=", "=?base64?/w==?="] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back_from_a_header(value in "\\PC*|[ -~\t\n\u{e9}]{0,12}|=\\?(base64|BASE64)\\?[a-zA-Z=?]{0,8}\\?=") {
            let sent = encode(&value);
            prop_assert!(sent.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert_eq!(sent.trim(), &sent);
            prop_assert_eq!(decode(&sent), Some(value));
        }

        #[test]
        fn what_is_mirrored_agrees_with_its_body(region in any::<String>(), number in any::<i64>(), dry in any::<bool>()) {
            let arguments = format!(
                r#"{{"region":{},"where":{{"deeper":{number}}},"dry":{dry}}}"#,
                Value::from(region)
            );
            prop_assert_eq!(found(&arguments, &[]), None);
        }

        #[test]
        fn hostile_text_never_breaks_the_reading(text in any::<String>(), said in any::<String>()) {
            mirrored(&text);
            decode(&said);
            integer(&said);
        }
    }
}
