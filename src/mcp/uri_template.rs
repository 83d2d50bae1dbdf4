//! URI templates of resources (RFC 6570): which variables they have, and filling them in.

use std::fmt::Write;

/// An expression's operator: what stands before, between and after its values (RFC 6570, section 3.2.1, appendix A).
struct Operator {
    first: &'static str,
    separator: &'static str,
    named: bool,
    /// What follows the name of a variable whose value is empty.
    empty: &'static str,
    /// Reserved characters and percent-encoded triplets pass as they are.
    reserved: bool,
}

const SIMPLE: Operator = Operator {
    first: "",
    separator: ",",
    named: false,
    empty: "",
    reserved: false,
};

fn operator(sign: char) -> Option<Operator> {
    Some(match sign {
        '+' => Operator {
            reserved: true,
            ..SIMPLE
        },
        '#' => Operator {
            first: "#",
            reserved: true,
            ..SIMPLE
        },
        '.' => Operator {
            first: ".",
            separator: ".",
            ..SIMPLE
        },
        '/' => Operator {
            first: "/",
            separator: "/",
            ..SIMPLE
        },
        ';' => Operator {
            first: ";",
            separator: ";",
            named: true,
            ..SIMPLE
        },
        '?' => Operator {
            first: "?",
            separator: "&",
            named: true,
            empty: "=",
            ..SIMPLE
        },
        '&' => Operator {
            first: "&",
            separator: "&",
            named: true,
            empty: "=",
            ..SIMPLE
        },
        _ => return None,
    })
}

/// The pieces of a template, in order. A brace without a partner is literal text.
enum Piece<'a> {
    Literal(&'a str),
    Expression(&'a str),
}

fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inside, behind)) = after.split_once('}') else {
            break;
        };
        found.push(Piece::Literal(before));
        found.push(Piece::Expression(inside));
        rest = behind;
    }
    found.push(Piece::Literal(rest));
    found
}

fn parse(expression: &str) -> (Operator, impl Iterator<Item = (&str, Option<usize>)>) {
    let sign = expression.chars().next().and_then(operator);
    let names = if sign.is_some() {
        &expression[1..]
    } else {
        expression
    };
    let variables = names.split(',').map(|spec| {
        let spec = spec.strip_suffix('*').unwrap_or(spec);
        match spec.split_once(':') {
            Some((name, length)) => (name, length.parse().ok()),
            None => (spec, None),
        }
    });
    (sign.unwrap_or(SIMPLE), variables)
}

/// The variables of a template, in order, each once.
pub fn variables(template: &str) -> Vec<String> {
    named_in(template, |_| true)
}

/// Those in its path: a query or a fragment may do without.
pub fn path_variables(template: &str) -> Vec<String> {
    named_in(template, |expression| {
        !expression.starts_with(['?', '&', '#'])
    })
}

fn named_in(template: &str, counts: impl Fn(&str) -> bool) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for piece in pieces(template) {
        let Piece::Expression(expression) = piece else {
            continue;
        };
        if !counts(expression) {
            continue;
        }
        for (name, _) in parse(expression).1 {
            if !name.is_empty() && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// The URI with each variable replaced by its value; variables without one leave nothing behind.
pub fn expand(template: &str, values: &[(String, String)]) -> String {
    let mut uri = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Literal(text) => encode(text, true, &mut uri),
            Piece::Expression(expression) => expand_expression(expression, values, &mut uri),
        }
    }
    uri
}

fn expand_expression(expression: &str, values: &[(String, String)], uri: &mut String) {
    let (operator, variables) = parse(expression);
    let mut before = operator.first;
    for (name, length) in variables {
        let Some((_, value)) = values.iter().find(|(known, _)| known == name) else {
            continue;
        };
        uri.push_str(before);
        before = operator.separator;
        if operator.named {
            uri.push_str(name);
            uri.push_str(if value.is_empty() {
                operator.empty
            } else {
                "="
            });
        }
        let end = length.and_then(|length| value.char_indices().nth(length));
        let value = end.map_or(value.as_str(), |(end, _)| &value[..end]);
        encode(value, operator.reserved, uri);
    }
}

/// Percent-encodes what is not unreserved (and, with `reserved`, not reserved either).
fn encode(text: &str, reserved: bool, uri: &mut String) {
    const RESERVED: &[u8] = b":/?#[]@!$&'()*+,;=";
    let bytes = text.as_bytes();
    for (index, &byte) in bytes.iter().enumerate() {
        let triplet = byte == b'%'
            && bytes
                .get(index + 1..index + 3)
                .is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
        let plain = byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || (reserved && (RESERVED.contains(&byte) || triplet));
        if plain {
            uri.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> String {
        let values = [
            ("var", "value"),
            ("hello", "Hello World!"),
            ("path", "/foo/bar"),
            ("x", "1024"),
            ("y", "768"),
            ("empty", ""),
            ("emoji", "é"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        expand(template, &values)
    }

    #[test]
    fn the_examples_of_rfc_6570_come_out_right() {
        for (template, expected) in [
            ("{var}", "value"),
            ("{hello}", "Hello%20World%21"),
            ("{+hello}", "Hello%20World!"),
            ("{+path}/here", "/foo/bar/here"),
            ("X{#var}", "X#value"),
            ("map?{x,y}", "map?1024,768"),
            ("{#path,x}/here", "#/foo/bar,1024/here"),
            ("X{.x,y}", "X.1024.768"),
            ("{/var,x}/here", "/value/1024/here"),
            ("{;x,y,empty}", ";x=1024;y=768;empty"),
            ("{?x,y,empty}", "?x=1024&y=768&empty="),
            ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
            ("{var:3}", "val"),
            ("{x,undef,y}", "1024,768"),
            ("{?undef}", ""),
            ("{emoji}", "%C3%A9"),
        ] {
            assert_eq!(filled(template), expected, "{template}");
        }
    }

    #[test]
    fn variables_are_named_once_and_in_order() {
        assert_eq!(variables("note://{id}/{?a,b*}{&a:3}"), ["id", "a", "b"]);
        assert_eq!(variables("note://plain"), Vec::<String>::new());
        assert_eq!(path_variables("x://{a}{/b*}{?c}{&d}{#e}"), ["a", "b"]);
    }

    #[test]
    fn a_lone_brace_is_literal() {
        assert_eq!(filled("a{b"), "a%7Bb");
        assert_eq!(variables("{"), Vec::<String>::new());
    }
}
