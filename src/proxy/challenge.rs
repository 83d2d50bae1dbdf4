//! Servers that refuse a token: what they say of it, and what may help.
//!
//! Knows challenges and where tokens come from; must not know what was asked for with them.

use super::http_client::Origin;
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// Why a token was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    Token,
    /// It does not allow what was asked: the scopes that would, if anybody says.
    Scope(Vec<String>),
}

impl Refusal {
    pub fn of(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        match status {
            StatusCode::UNAUTHORIZED => Some(Self::Token),
            StatusCode::FORBIDDEN => {
                let challenges = headers.get_all(header::WWW_AUTHENTICATE).iter();
                challenges
                    .filter_map(|it| it.to_str().ok())
                    .find_map(Self::scope)
            }
            _ => None,
        }
    }

    /// For a challenge of RFC 6750, 3.1.
    fn scope(challenge: &str) -> Option<Self> {
        let parameters = parameters(challenge);
        let value = |wanted: &str| {
            let is_it = |(name, _): &&(&str, &str)| name.eq_ignore_ascii_case(wanted);
            parameters.iter().find(is_it).map(|(_, value)| *value)
        };
        (value("error") == Some("insufficient_scope")).then(|| {
            let scopes = value("scope").unwrap_or_default().split(' ');
            let scopes = scopes.filter(|it| !it.is_empty());
            Self::Scope(scopes.map(str::to_owned).collect())
        })
    }
}

impl Origin {
    /// Another token in place of one of ours that was refused; the error says in a sentence what the operator should do.
    pub async fn another_token(
        &self,
        refused: Option<&HeaderValue>,
        refusal: &Refusal,
    ) -> Result<Option<HeaderValue>, String> {
        let Some(credentials) = self.credentials.as_ref() else {
            return Ok(None);
        };
        if self.has_authorization() {
            return Ok(None);
        }
        match (refusal, refused) {
            (Refusal::Token, _) => credentials.authorization(refused).await,
            (Refusal::Scope(_), Some(refused)) => credentials.of_later_login(refused).await,
            (Refusal::Scope(_), None) => Ok(None),
        }
    }

    /// What a token of ours lacks, and how to get one that does not.
    pub fn more_scope(&self, scopes: &[String]) -> String {
        let (whose, way_out) = match self.has_authorization() {
            true => ("that --header brings", String::new()),
            false => {
                let named = scopes.iter().map(|it| shell_words::quote(it));
                let named: String = named.map(|it| format!(" --scope {it}")).collect();
                let url = shell_words::quote(self.url.as_str());
                let command = format!("mcp-sentinel auth login {url}{named}");
                (
                    "of the stored login",
                    format!("; to log in again with more: {command}"),
                )
            }
        };
        match scopes {
            [] => format!(
                "the token {whose} does not allow this (insufficient_scope), and the server does not say what would"
            ),
            [scope] => format!(
                "the token {whose} does not allow this: the server wants the scope {scope}{way_out}"
            ),
            _ => {
                let scopes = scopes.join(" ");
                format!(
                    "the token {whose} does not allow this: the server wants the scopes {scopes}{way_out}"
                )
            }
        }
    }
}

/// The parameters of the challenges in a `WWW-Authenticate` (RFC 9110, 11.2), as they are written between the quotes.
fn parameters(challenges: &str) -> Vec<(&str, &str)> {
    let (mut found, mut rest) = (Vec::new(), challenges);
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',', '"']);
        let end = rest.find(['=', ' ', '\t', ',', '"']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(value) = after.trim_start().strip_prefix('=') else {
            if after.is_empty() {
                return found;
            }
            // The name of a scheme.
            rest = after;
            continue;
        };
        let value = value.trim_start();
        let (value, end) = match value.strip_prefix('"') {
            Some(quoted) => (quoted, end_of_quoted(quoted)),
            None => (value, value.find([' ', '\t', ',']).unwrap_or(value.len())),
        };
        found.push((name, &value[..end]));
        rest = &value[end..];
    }
}

fn end_of_quoted(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return at,
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_whatever_stands_in_the_others() {
        for (challenges, expected) in [
            (
                r#"Bearer error="insufficient_scope", scope="a b""#,
                &[("error", "insufficient_scope"), ("scope", "a b")][..],
            ),
            (
                r#"Basic dXNlcg==, Bearer x="scope=\"no\", \\",scope = yes ,y="open"#,
                &[
                    ("dXNlcg", "="),
                    ("x", r#"scope=\"no\", \\"#),
                    ("scope", "yes"),
                    ("y", "open"),
                ],
            ),
            ("Negotiate", &[]),
            ("=, ==,\"\"", &[("", ""), ("", "=")]),
        ] {
            assert_eq!(parameters(challenges), expected, "{challenges}");
        }
    }
}
