//! Masking what looks like a secret, before it reaches a file or a screen. Messages are never changed.
//!
//! It goes by names (`--api-key`, `GITHUB_TOKEN=`, `Authorization:`, `?access_token=`), by the shapes that well-known
//! tokens have, and by passwords in URLs. A value that no rule knows stays readable: who needs more adds patterns.

pub mod http;

use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;

/// What stands in place of a secret.
const MASK: &str = "***";

/// Masks argv elements that look like secrets: values of `--token X`, `--api-key=X`, `KEY=value` pairs, known token
/// shapes, passwords in URLs. `extra` holds patterns from the configuration: what they match is masked, or their first
/// group where they have one.
pub fn argv(argv: &[String], extra: &[Regex]) -> Vec<String> {
    let mut masked = Vec::with_capacity(argv.len());
    let mut awaited = false;
    for argument in argv {
        let is_value = awaited && !argument.starts_with("--");
        masked.push(match is_value {
            true if argument.is_empty() => String::new(),
            true => MASK.into(),
            false => argument_text(argument, extra),
        });
        awaited = !is_value && names_a_secret_flag(argument);
    }
    masked
}

/// Whether this is a flag whose value is a secret and comes next.
fn names_a_secret_flag(argument: &str) -> bool {
    argument
        .strip_prefix('-')
        .is_some_and(|flag| !flag.contains(['=', ':', ' ']) && is_secret_name(flag))
}

fn argument_text(argument: &str, extra: &[Regex]) -> String {
    let text = named_value(argument).map_or(Cow::Borrowed(argument), Cow::Owned);
    anywhere(text, extra)
}

/// Masks what is known for a secret wherever it stands.
fn anywhere(mut text: Cow<'_, str>, extra: &[Regex]) -> String {
    for pattern in &PATTERNS {
        if pattern.signs.iter().any(|sign| text.contains(sign)) {
            text = replaced(text, &pattern.expression, |found| pattern.by.mask(found));
        }
    }
    for pattern in extra {
        text = replaced(text, pattern, |found| Some(mask_first_group(found)));
    }
    text.into_owned()
}

/// `NAME=value`, `--name=value` and `Name: value` with a name that says secret. A value that is itself such a pair
/// (`--env=API_KEY=value`) is looked at, too.
fn named_value(argument: &str) -> Option<String> {
    let end = argument.find(['=', ':'])?;
    let (name, rest) = argument.split_at(end);
    if name.contains(['/', '?', '{', '"']) {
        return None;
    }
    let (separator, value) = rest.split_at(1);
    let space = value.len() - value.trim_start().len();
    let (space, value) = value.split_at(space);
    if value.is_empty() || (separator == ":" && value.starts_with("//")) {
        return None;
    }
    let value = if is_secret_name(name) {
        MASK.into()
    } else {
        named_value(value)?
    };
    Some(format!("{name}{separator}{space}{value}"))
}

/// Names that end with one of these words mean a secret.
const WORDS: &[&str] = &[
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "jwt",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "pat",
    "pwd",
    "secret",
    "token",
];
/// A key is a secret only in this company.
const KINDS_OF_KEY: &[&str] = &[
    "access",
    "account",
    "api",
    "app",
    "auth",
    "client",
    "encryption",
    "license",
    "master",
    "private",
    "secret",
    "service",
    "session",
    "shared",
    "signing",
    "subscription",
];

/// Whether a flag, variable, header or parameter of this name holds a secret: `GITHUB_TOKEN`, `--api-key`,
/// `clientSecret`, but not `--max-tokens`, `--token-file`, `PATH`.
fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    match words.as_slice() {
        // The working directory, of all things.
        [only] if only == "pwd" => false,
        [.., kind, key] if key == "key" => KINDS_OF_KEY.contains(&kind.as_str()),
        [.., last] => WORDS.contains(&last.as_str()),
        [] => false,
    }
}

/// The words of `SNAKE_CASE`, `kebab-case`, `dotted.names` and `camelCase`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && after_lower) {
            words.push(String::new());
        }
        after_lower = letter.is_lowercase() || letter.is_ascii_digit();
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|it| !it.is_empty());
    words
}

/// How a match is masked.
#[derive(Clone, Copy)]
enum By {
    /// The match, all but its groups `before` and `after`.
    Shape,
    /// The match, all but `before`, `up_to_value` and `after`, when `name` says secret.
    Name,
}

impl By {
    fn mask(self, found: &Captures<'_>) -> Option<String> {
        let group = |name| found.name(name).map_or("", |it| it.as_str());
        match self {
            Self::Shape => Some(format!("{}{MASK}{}", group("before"), group("after"))),
            Self::Name => is_secret_name(group("name")).then(|| {
                format!(
                    "{}{}{MASK}{}",
                    group("before"),
                    group("up_to_value"),
                    group("after")
                )
            }),
        }
    }
}

/// Where a secret may stand within an argument.
struct Pattern {
    /// One of these is in every argument that the expression matches. Compiling takes a tenth of a millisecond, so it
    /// is done only when there is a reason to: the server waits to be started.
    signs: &'static [&'static str],
    expression: LazyLock<Regex>,
    by: By,
}

/// What a secret looks like, whatever it is called. (Unicode classes are not compiled in; nor are they needed.)
const fn shape(signs: &'static [&'static str], compile: fn() -> Regex) -> Pattern {
    Pattern {
        signs,
        expression: LazyLock::new(compile),
        by: By::Shape,
    }
}

/// Where names stand beside values.
const fn name(signs: &'static [&'static str], compile: fn() -> Regex) -> Pattern {
    Pattern {
        signs,
        expression: LazyLock::new(compile),
        by: By::Name,
    }
}

static PATTERNS: [Pattern; 14] = [
    // The password of a user in a URL, up to the last @ before the path.
    shape(&["://"], || {
        regex(
            r#"(?<before>[A-Za-z][A-Za-z0-9+.-]*://[^ \t\r\n/?#:@'"]*:)[^ \t\r\n/?#'"]+(?<after>@)"#,
        )
    }),
    // A user of a web address who is as long as a token.
    shape(&["://"], || {
        regex(r#"(?<before>https?://)[^ \t\r\n/?#:@'"]{20,}(?<after>@)"#)
    }),
    // Authorization schemes.
    shape(&["earer ", "EARER "], || {
        regex(r"(?<before>(?-u:\b)(?i:bearer) +)[A-Za-z0-9._~+/=-]{8,}")
    }),
    shape(&["asic ", "ASIC "], || {
        regex(r"(?<before>(?-u:\b)(?i:basic) +)[A-Za-z0-9._~+/=-]{8,}")
    }),
    // Tokens of well-known issuers, by their prefixes.
    shape(
        &["gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_"],
        || regex(r"(?-u:\b)(?:gh[oprsu]_|github_pat_)[A-Za-z0-9_]{16,}"),
    ),
    shape(
        &[
            "glpat-", "npm_", "pypi-", "hf_", "dop_v1_", "lin_api_", "shpat_",
        ],
        || regex(r"(?-u:\b)(?:glpat-|npm_|pypi-|hf_|dop_v1_|lin_api_|shpat_)[A-Za-z0-9_-]{16,}"),
    ),
    shape(&["sk-", "sk_", "rk-", "rk_"], || {
        regex(r"(?-u:\b)(?:sk|rk)[-_](?:[A-Za-z0-9]+[-_])*[A-Za-z0-9_-]{16,}")
    }),
    shape(&["xox"], || {
        regex(r"(?-u:\b)xox[abeoprs]-[A-Za-z0-9-]{10,}")
    }),
    shape(&["AKIA", "ASIA"], || {
        regex(r"(?-u:\b)(?:AKIA|ASIA)[A-Z0-9]{16}(?-u:\b)")
    }),
    shape(&["AIza", "ya29."], || {
        regex(r"(?-u:\b)(?:AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{16,})")
    }),
    // JSON Web Tokens and private keys.
    shape(&["eyJ"], || {
        regex(r"(?-u:\b)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*")
    }),
    shape(&["PRIVATE KEY"], || {
        regex(r"(?<before>-----BEGIN [A-Z ]*PRIVATE KEY-----)(?s:.*)")
    }),
    // Parameters of a URL.
    name(&["?", "&", ";"], || {
        regex(r#"(?<before>[?&;])(?<up_to_value>(?<name>[A-Za-z0-9_.-]+)=)[^&;# \t\r\n'"]+"#)
    }),
    // Members of a JSON object, the last one perhaps cut short.
    name(&["\""], || {
        regex(
            r#"(?<before>")(?<up_to_value>(?<name>[A-Za-z0-9_.-]+)"[ \t\r\n]*:[ \t\r\n]*")(?:[^"\\]|\\.?)*(?<after>"|$)"#,
        )
    }),
];

#[expect(clippy::expect_used, reason = "constants, compiled by a test")]
fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of ours compiles")
}

/// Replaces what `mask` gives something for; a mask is never masked again.
fn replaced<'t>(
    text: Cow<'t, str>,
    pattern: &Regex,
    mask: impl Fn(&Captures<'_>) -> Option<String>,
) -> Cow<'t, str> {
    if !pattern.is_match(&text) {
        return text;
    }
    let replace = |found: &Captures<'_>| mask(found).unwrap_or_else(|| found[0].to_owned());
    Cow::Owned(pattern.replace_all(&text, replace).into_owned())
}

/// Whether nothing in the text gives a reason to look closer. Of what comes with every request, little does.
fn is_plain(text: &str) -> bool {
    static SIGNS: LazyLock<Regex> = LazyLock::new(|| {
        let signs = PATTERNS.iter().flat_map(|pattern| pattern.signs);
        let signs: Vec<_> = signs.map(|sign| regex::escape(sign)).collect();
        regex(&signs.join("|"))
    });
    !text.contains(['=', ':']) && !SIGNS.is_match(text)
}

fn mask_first_group(found: &Captures<'_>) -> String {
    let whole = &found[0];
    let start = found.get(0).map_or(0, |it| it.start());
    match found.get(1) {
        None => MASK.into(),
        Some(group) => {
            let (from, to) = (group.start() - start, group.end() - start);
            format!("{}{MASK}{}", &whole[..from], &whole[to..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(arguments: &[&str]) -> Vec<String> {
        let arguments: Vec<_> = arguments.iter().map(|it| (*it).to_owned()).collect();
        argv(&arguments, &[])
    }

    fn one(argument: &str) -> String {
        masked(&[argument]).remove(0)
    }

    #[test]
    fn the_value_after_a_secret_flag_is_masked() {
        for flag in [
            "--token",
            "--api-key",
            "--apiKey",
            "-token",
            "--auth",
            "--client-secret",
            "--db-password",
            "--GITHUB_PAT",
        ] {
            assert_eq!(
                masked(&["server", flag, "hunter2", "next"]),
                ["server", flag, "***", "next"]
            );
        }
        assert_eq!(masked(&["--token", "--verbose"]), ["--token", "--verbose"]);
        assert_eq!(masked(&["--token", "-x7"]), ["--token", "***"]);
        assert_eq!(
            masked(&["--token", "--token", "x"]),
            ["--token", "--token", "***"]
        );
        assert_eq!(masked(&["--token"]), ["--token"]);
    }

    #[test]
    fn what_only_sounds_like_a_secret_stays() {
        for (flag, value) in [
            ("--max-tokens", "100"),
            ("--token-file", "/run/token"),
            ("--key", "cert.pem"),
            ("--primary-key", "id"),
            ("--author", "me"),
            ("--path", "/tmp"),
            ("--auth-mode", "none"),
            ("--bypass-cache", "yes"),
            ("password", "list"),
        ] {
            assert_eq!(masked(&[flag, value]), [flag, value]);
            let pair = format!("{flag}={value}");
            if flag != "password" {
                assert_eq!(one(&pair), pair);
            }
        }
        for plain in [
            "PWD=/home/me",
            "node",
            "@modelcontextprotocol/server-everything",
            "https://host:8080/mcp?page=2#a",
            "ssh://git@github.com/x",
            "C:\\path=x",
            "sk-learn",
            "--tokenizer=bpe",
            "{\"path\":\"/\",\"n\":1}",
            "",
            "=",
            ":",
            "--",
            "-",
        ] {
            assert_eq!(one(plain), plain);
        }
    }

    #[test]
    fn values_joined_to_secret_names_are_masked() {
        for (argument, expected) in [
            ("--api-key=k1", "--api-key=***"),
            ("GITHUB_TOKEN=abc", "GITHUB_TOKEN=***"),
            ("--env=API_KEY=v=w", "--env=API_KEY=***"),
            ("-eDB_PASSWORD=x", "-eDB_PASSWORD=***"),
            ("Authorization: Bearer abc", "Authorization: ***"),
            ("--header=X-Api-Key: abc", "--header=X-Api-Key: ***"),
            ("--token=", "--token="),
            (
                r#"{"apiKey": "a\"b", "user":"me"}"#,
                r#"{"apiKey": "***", "user":"me"}"#,
            ),
            (r#"{"apiKey": "a\"#, r#"{"apiKey": "***"#),
            (
                "https://h/p?a=1&access_token=x#f",
                "https://h/p?a=1&access_token=***#f",
            ),
        ] {
            assert_eq!(one(argument), expected);
        }
    }

    #[test]
    fn passwords_in_urls_are_masked() {
        for (argument, expected) in [
            ("postgres://me:hunter2@db/x", "postgres://me:***@db/x"),
            ("--url=redis://:p@ss@db:6379", "--url=redis://:***@db:6379"),
            (
                "https://abcdefghijklmnopqrstuvwxyz@host/",
                "https://***@host/",
            ),
            ("https://me@host/", "https://me@host/"),
        ] {
            assert_eq!(one(argument), expected);
        }
    }

    #[test]
    fn well_known_tokens_are_masked_wherever_they_stand() {
        let long = "abcdefghij0123456789ABCDEFGHIJ0123456789";
        for token in [
            format!("ghp_{long}"),
            format!("github_pat_{long}"),
            format!("sk-{long}"),
            format!("sk-ant-api03-{long}"),
            format!("sk_live_{long}"),
            format!("xoxb-1234-{long}"),
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            format!("AIza{long}"),
            format!("eyJ{long}.eyJ{long}.{long}"),
        ] {
            assert_eq!(one(&token), "***", "{token}");
            assert_eq!(one(&format!("say({token})")), "say(***)");
        }
        assert_eq!(
            one(&format!("curl -H 'Bearer {long}'")),
            "curl -H 'Bearer ***'"
        );
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----";
        assert_eq!(one(key), "-----BEGIN RSA PRIVATE KEY-----***");
    }

    #[test]
    fn every_pattern_compiles() {
        for pattern in &PATTERNS {
            LazyLock::force(&pattern.expression);
        }
    }

    #[test]
    fn patterns_of_the_configuration_mask_their_match_or_their_first_group() {
        let extra = [
            Regex::new("corp-[0-9]+").unwrap(),
            Regex::new("pin(<[0-9]+>)!").unwrap(),
        ];
        let arguments = ["a corp-17 b".to_owned(), "x pin<42>! y".to_owned()];
        assert_eq!(argv(&arguments, &extra), ["a *** b", "x pin***! y"]);
    }

    #[test]
    fn masking_twice_changes_nothing() {
        let once = masked(&[
            "--token",
            "x",
            "A_TOKEN=y",
            "https://a:b@c/?key=1&api_key=2",
        ]);
        assert_eq!(argv(&once, &[]), once);
    }
}
