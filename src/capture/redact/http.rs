//! Masking what HTTP carries beside messages: headers, targets, and bodies such as those of token endpoints.

use super::{
    MASK, anywhere, argument_text, is_plain, is_secret_name, mask_first_group, named_value,
    replaced,
};
use crate::tap::Header;
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Parameters and members of OAuth that are worth a token, and whose names do not say so.
const GRANTS: &[&str] = &[
    "assertion",
    "client_assertion",
    "code",
    "code_verifier",
    "device_code",
];
/// Parameters that name a session, as old event streams have them.
const SESSIONS: &[&str] = &["sessionid", "session_id", "mcp-session-id"];
/// What stays readable of a session's id: enough to tell sessions apart, too little to enter one.
const SESSION_START: usize = 8;

/// The value of a header that was sent.
pub fn value<'a>(it: Header<'a>, extra: &[Regex]) -> Cow<'a, str> {
    let text = String::from_utf8_lossy(it.value);
    match std::str::from_utf8(it.name).unwrap_or_default() {
        "authorization" | "proxy-authorization" => credentials(&text).into(),
        _ if it.is_sensitive => MASK.into(),
        name => header(name, text, extra),
    }
}

/// The value of a header of this name, which is in lower case.
pub fn header<'a>(name: &str, text: Cow<'a, str>, extra: &[Regex]) -> Cow<'a, str> {
    let masked = match name {
        "authorization" | "proxy-authorization" => credentials(&text),
        "cookie" => {
            let pairs: Vec<_> = text.split("; ").map(named).collect();
            pairs.join("; ")
        }
        "set-cookie" => match text.split_once(';') {
            Some((pair, attributes)) => format!("{};{attributes}", named(pair)),
            None => named(&text),
        },
        "mcp-session-id" => session(&text),
        // What is asked for is no secret, though it has the words of one.
        "www-authenticate" | "proxy-authenticate" => {
            configured(parameters(&text).into(), extra).into_owned()
        }
        _ if is_common(name) => return configured(text, extra),
        _ if is_secret_name(name) => MASK.into(),
        _ if is_plain(&text) => return configured(text, extra),
        _ => target(&text, extra).into_owned(),
    };
    masked.into()
}

/// Headers of nearly every exchange, which by their meaning hold no secret.
fn is_common(name: &str) -> bool {
    matches!(
        name,
        "accept"
            | "accept-encoding"
            | "accept-language"
            | "cache-control"
            | "connection"
            | "content-encoding"
            | "content-length"
            | "content-type"
            | "date"
            | "host"
            | "mcp-method"
            | "mcp-protocol-version"
            | "server"
            | "transfer-encoding"
            | "user-agent"
            | "vary"
    )
}

/// The scheme stays.
fn credentials(text: &str) -> String {
    match text.split_once(' ') {
        Some((scheme, _)) => format!("{scheme} {MASK}"),
        None => MASK.into(),
    }
}

/// A cookie's name stays.
fn named(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) => format!("{name}={MASK}"),
        None => MASK.into(),
    }
}

fn session(id: &str) -> String {
    let shown = SESSION_START.min(id.chars().count() / 2);
    let end = id.char_indices().nth(shown).map_or(id.len(), |(at, _)| at);
    [&id[..end], MASK].concat()
}

/// A path with its query, an address, or a header's value that may hold one.
pub fn target<'a>(text: &'a str, extra: &[Regex]) -> Cow<'a, str> {
    if is_plain(text) {
        return configured(text.into(), extra);
    }
    argument_text(&parameters(text), extra).into()
}

/// A body of the type `application/x-www-form-urlencoded`.
pub fn form(text: &str, extra: &[Regex]) -> String {
    let query = parameters_from(text, 0);
    configured(query.into(), extra).into_owned()
}

/// A body, or a part of one, of any other type.
pub fn text(text: &str, extra: &[Regex]) -> String {
    static MEMBERS: LazyLock<Regex> = LazyLock::new(|| {
        super::regex(
            r#"(?<before>"(?<name>[a-z_]*(?:code|assertion|verifier))"[ \t\r\n]*:[ \t\r\n]*")(?:[^"\\]|\\.?)*(?<after>"|$)"#,
        )
    });
    let mask = |found: &Captures<'_>| {
        GRANTS
            .contains(&&found["name"])
            .then(|| format!("{}{MASK}{}", &found["before"], &found["after"]))
    };
    let mut text = replaced(Cow::Borrowed(text), &MEMBERS, mask);
    // It may begin with a name and its value, which is no longer than the line, or the parameter.
    let begin = text.len() - text.trim_start().len();
    let end = text[begin..].find(['\r', '\n', '&']);
    let (first, rest) = text.split_at(end.map_or(text.len(), |end| begin + end));
    if let Some(first) = named_value(first) {
        text = Cow::Owned(first + rest);
    }
    anywhere(text, extra)
}

/// What only the configuration knows to be secret.
fn configured<'t>(text: Cow<'t, str>, extra: &[Regex]) -> Cow<'t, str> {
    extra.iter().fold(text, |text, pattern| {
        replaced(text, pattern, |found| Some(mask_first_group(found)))
    })
}

/// Masks the parameters behind the first question mark or hash.
fn parameters(text: &str) -> String {
    let start = text.find(['?', '#']).map_or(text.len(), |at| at + 1);
    parameters_from(text, start)
}

fn parameters_from(text: &str, start: usize) -> String {
    let (before, query) = text.split_at(start);
    let mut masked = before.to_owned();
    for part in query.split_inclusive(['&', ';', '#', '?', '"', ' ', ',']) {
        let end = part
            .trim_end_matches(['&', ';', '#', '?', '"', ' ', ','])
            .len();
        let (pair, separator) = part.split_at(end);
        masked += &parameter(pair);
        masked += separator;
    }
    masked
}

fn parameter(pair: &str) -> Cow<'_, str> {
    let Some((name, value)) = pair.split_once('=').filter(|(_, value)| !value.is_empty()) else {
        return Cow::Borrowed(pair);
    };
    let lower = name.to_ascii_lowercase();
    if SESSIONS.contains(&&*lower) {
        Cow::Owned(format!("{name}={}", session(value)))
    } else if GRANTS.contains(&&*lower) || is_secret_name(name) {
        Cow::Owned(format!("{name}={MASK}"))
    } else {
        Cow::Borrowed(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::{Party, Response};
    use http::StatusCode;
    use http::{HeaderMap, HeaderValue};

    fn one(name: &str, value: &str) -> String {
        header(&name.to_ascii_lowercase(), value.into(), &[]).into_owned()
    }

    #[test]
    fn secret_headers_keep_what_identifies_nobody() {
        for (name, value, expected) in [
            ("Authorization", "Bearer abc.def", "Bearer ***"),
            ("authorization", "abc", "***"),
            ("Proxy-Authorization", "Basic dXNlcjpwYXNz", "Basic ***"),
            ("Cookie", "a=1; b=2==; c", "a=***; b=***; ***"),
            (
                "Set-Cookie",
                "id=s3cret; Path=/; HttpOnly",
                "id=***; Path=/; HttpOnly",
            ),
            ("X-Api-Key", "k", "***"),
            ("x-goog-api-key", "k", "***"),
            ("X-Auth-Token", "k", "***"),
            ("Mcp-Session-Id", "0123456789abcdef0123", "01234567***"),
            ("Mcp-Session-Id", "abc", "a***"),
            (
                "Location",
                "https://h/cb?state=1&code=xyz#x",
                "https://h/cb?state=1&code=***#x",
            ),
            (
                "Location",
                "https://h/#access_token=xyz&a=b",
                "https://h/#access_token=***&a=b",
            ),
        ] {
            assert_eq!(one(name, value), expected, "{name}: {value}");
        }
    }

    #[test]
    fn headers_that_hold_no_secret_stay() {
        for (name, value) in [
            ("Accept", "application/json, text/event-stream;q=0.9"),
            ("Date", "Sat, 21 Nov 2026 07:00:00 GMT"),
            ("MCP-Protocol-Version", "2025-11-25"),
            ("Mcp-Method", "tools/call"),
            (
                "WWW-Authenticate",
                r#"Bearer resource_metadata="https://h/.well-known/oauth-protected-resource", error="invalid_token""#,
            ),
            ("Host", "127.0.0.1:80"),
            ("Last-Event-ID", "s-1"),
            ("Content-Disposition", "attachment; filename=a.txt"),
        ] {
            assert_eq!(one(name, value), value, "{name}");
        }
    }

    #[test]
    fn a_value_that_somebody_called_sensitive_is_masked_whatever_its_name() {
        let mut value = HeaderValue::from_static("open sesame");
        value.set_sensitive(true);
        let mut map = HeaderMap::new();
        map.insert("x-door", value.clone());
        map.insert("authorization", value);
        let head = Response::new(Party::Server, StatusCode::OK, &map);
        let masked: Vec<_> = head
            .headers()
            .iter()
            .map(|it| super::value(it, &[]))
            .collect();
        assert_eq!(masked, ["***", "open ***"]);
    }

    #[test]
    fn targets_lose_their_secret_parameters_and_sessions_most_of_their_name() {
        for (text, expected) in [
            ("/mcp", "/mcp"),
            ("/mcp?a=1&b", "/mcp?a=1&b"),
            ("/cb?code=x&state=y", "/cb?code=***&state=y"),
            ("/mcp?access_token=x", "/mcp?access_token=***"),
            (
                "/m?sessionId=0123456789abcdef01",
                "/m?sessionId=01234567***",
            ),
            (
                "/messages/?session_id=0123456789abcdef01",
                "/messages/?session_id=01234567***",
            ),
        ] {
            assert_eq!(target(text, &[]), expected);
        }
    }

    #[test]
    fn token_endpoints_show_their_names_and_not_their_values() {
        let form_body =
            "grant_type=authorization_code&code=c&code_verifier=v&client_id=me&refresh_token=r";
        assert_eq!(
            form(form_body, &[]),
            "grant_type=authorization_code&code=***&code_verifier=***&client_id=me&refresh_token=***"
        );
        let json = "{\"access_token\":\"a\\\"b\",\"token_type\":\"Bearer\",\n \"id_token\": \"i\",\"refresh_token\":\"r\",\
                    \"client_secret\":\"s\",\"registration_access_token\":\"t\",\"code\" : \"c\",\"expires_in\":1}";
        assert_eq!(
            text(json, &[]),
            "{\"access_token\":\"***\",\"token_type\":\"Bearer\",\n \"id_token\": \"***\",\"refresh_token\":\"***\",\
             \"client_secret\":\"***\",\"registration_access_token\":\"***\",\"code\" : \"***\",\"expires_in\":1}"
        );
        assert_eq!(
            text("{\"client_secret\"\n:\r\n\t\"s\"}", &[]),
            "{\"client_secret\"\n:\r\n\t\"***\"}"
        );
        // Also where an answer breaks off.
        assert_eq!(
            text(r#"{"access_token":"hun"#, &[]),
            r#"{"access_token":"***"#
        );
        assert_eq!(text(r#"{"code":"hun"#, &[]), r#"{"code":"***"#);
        let metadata = r#"{"issuer":"https://as","token_endpoint":"https://as/token","response_types_supported":["code"]}"#;
        assert_eq!(text(metadata, &[]), metadata);
    }

    #[test]
    fn a_secret_that_a_body_begins_with_does_not_take_what_follows_along() {
        for (body, expected) in [
            ("Token: abc\r\nrest\n", "Token: ***\r\nrest\n"),
            ("\nToken: abc\nrest\n", "\nToken: ***\nrest\n"),
            ("access_token=x&page=2", "access_token=***&page=2"),
            ("Token: a b c", "Token: ***"),
            ("rest\nof it", "rest\nof it"),
        ] {
            assert_eq!(text(body, &[]), expected);
        }
    }

    #[test]
    fn patterns_of_the_configuration_are_masked_everywhere() {
        let extra = [Regex::new("corp-[0-9]+").unwrap()];
        assert_eq!(target("/a/corp-1?b=corp-2", &extra), "/a/***?b=***");
        assert_eq!(form("a=corp-1", &extra), "a=***");
        assert_eq!(text("say corp-1", &extra), "say ***");
        let realm = header("www-authenticate", "Corp realm=corp-1".into(), &extra);
        assert_eq!(realm, "Corp realm=***");
    }
}
