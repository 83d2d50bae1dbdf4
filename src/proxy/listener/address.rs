//! Where to listen, as people write it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `127.0.0.1:7777`, `[::1]:0`, `localhost:7777`, or a port alone, which is one of the loopback address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    pub port: u16,
}

impl Address {
    /// The error says in words what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let host = rest.strip_suffix(']').ok_or("a [ without its ]")?;
                let address: Ipv6Addr = host
                    .parse()
                    .map_err(|_| format!("`{host}` is not an IPv6 address"))?;
                address.to_string()
            }
            None if host.contains(':') => {
                return Err(format!(
                    "an IPv6 address stands in brackets, such as [{host}]:{port}"
                ));
            }
            None if host.is_empty() => Ipv4Addr::LOCALHOST.to_string(),
            None => host.to_owned(),
        };
        if host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@?#".contains(c)) {
            return Err(format!("`{host}` is not a host"));
        }
        let port = port.parse().map_err(|_| match port {
            "" => "a port is missing".to_owned(),
            port => format!("`{port}` is not a port"),
        })?;
        Ok(Self { host, port })
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Whether a host, by name or address, with or without brackets, is this machine and nobody else. No name server is
/// asked: it might lie.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.');
    let localhost = |name: &str| name.eq_ignore_ascii_case("localhost");
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => localhost(host.rsplit_once('.').map_or(host, |(_, last)| last)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_in_each_of_its_spellings() {
        for (text, shown) in [
            ("127.0.0.1:7777", "127.0.0.1:7777"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:0", "[::1]:0"),
            ("[0:0::1]:9", "[::1]:9"),
            ("localhost:7777", "localhost:7777"),
            ("7777", "127.0.0.1:7777"),
            (":7777", "127.0.0.1:7777"),
            ("sentinel.lan:1", "sentinel.lan:1"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_why() {
        for (text, reason) in [
            ("", "a port is missing"),
            ("localhost", "`localhost` is not a port"),
            ("localhost:", "a port is missing"),
            ("127.0.0.1:70000", "`70000` is not a port"),
            ("::1:80", "[::1]:80"),
            ("[::1", "without its ]"),
            ("[host]:1", "`host` is not an IPv6 address"),
            ("http://host:1", "brackets"),
            ("a b:1", "not a host"),
            ("me@host:1", "not a host"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn only_what_cannot_be_anybody_else_is_loopback() {
        for host in [
            "localhost",
            "LOCALHOST.",
            "app.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.example",
            "127.0.0.1.example",
            "notlocalhost",
            "0.0.0.0",
            "::",
            "10.0.0.1",
            "",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
