//! Who may use the listener: the `Host` and the `Origin` of a request, what a browser says of how it came to be, and the
//! token.
//!
//! A page in the operator's browser can send requests to this machine, and by a name server of its own make itself
//! believe that they go home. `Host` and `Origin` give that away, and where there is no `Origin`, as of an image, what the
//! browser says besides; the token keeps everybody else out.

use super::address::{Address, is_loopback};
use super::{Listen, Token};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use std::net::{IpAddr, SocketAddr};
use subtle::ConstantTimeEq as _;

/// The token for us, when `Authorization` is meant for the server.
pub const TOKEN: HeaderName = HeaderName::from_static("x-mcp-sentinel-token");

/// What browsers say of where a request comes from and what for (W3C, Fetch Metadata).
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// As much of what a client says as fits in a reason.
const QUOTED: usize = 120;

/// Decides who comes in.
#[derive(Debug)]
pub(super) struct Guard {
    /// Lower case, each with a port or without.
    hosts: Vec<String>,
    /// Lower case.
    origins: Vec<String>,
    /// Bound to every address: each can be what the client dialled, and no name server has a say in an address.
    every_address: bool,
    /// The two names that nearly every request has for us.
    usual: [String; 2],
    token: Option<Token>,
}

/// Why a request does not come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: StatusCode,
    /// For the client and the operator.
    pub reason: String,
    /// The page that may read the answer.
    pub origin: Option<HeaderValue>,
}

impl Guard {
    pub(super) fn new(listen: &Listen, bound: SocketAddr) -> Self {
        let own = Address::parse(&listen.address).map(|own| own.host);
        let own = own.into_iter().chain([bound.ip().to_string()]);
        Self {
            hosts: own
                .chain(listen.allow_hosts.iter().cloned())
                .map(|host| host.to_ascii_lowercase())
                .collect(),
            origins: listen
                .allow_origins
                .iter()
                .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
                .collect(),
            every_address: bound.ip().is_unspecified(),
            usual: [bound.to_string(), format!("localhost:{}", bound.port())],
            token: listen.token.clone(),
        }
    }

    /// Lets a request in, without the token that was for us, or says why not.
    pub(super) fn admit<B>(&self, request: &mut Request<B>) -> Result<(), Refusal> {
        let origin = match self.is_usual(request) {
            true => None,
            false => {
                let host = self.host(request)?;
                self.origin(request.headers(), &host)?
            }
        };
        let shown = self.shown(request.headers_mut());
        if shown || is_preflight(request) {
            return Ok(());
        }
        Err(Refusal {
            status: StatusCode::UNAUTHORIZED,
            reason: format!(
                "this proxy wants its --token, as `Authorization: Bearer TOKEN` or as `{TOKEN}: TOKEN`"
            ),
            origin,
        })
    }

    /// Whether no page sends it, to one of our usual names: nothing about it needs a closer look.
    fn is_usual<B>(&self, request: &Request<B>) -> bool {
        let headers = request.headers();
        let mut hosts = headers.get_all(header::HOST).iter();
        let is_ours = |it: &HeaderValue| self.usual.iter().any(|usual| it == usual.as_str());
        hosts.next().is_some_and(is_ours)
            && hosts.next().is_none()
            && request.uri().authority().is_none()
            && !headers.contains_key(header::ORIGIN)
            && !headers.contains_key(SITE)
    }

    /// The host that the client believes to speak to.
    fn host<B>(&self, request: &Request<B>) -> Result<Authority, Refusal> {
        let mut named = request.headers().get_all(header::HOST).iter();
        let (host, more) = (named.next(), named.next());
        let host = match (request.uri().authority(), host, more) {
            (_, _, Some(_)) => return Err(Refusal::bad("the request has two Host headers")),
            // What the request line names counts (RFC 9112, 3.2.2).
            (Some(authority), ..) => authority.clone(),
            (None, Some(host), None) => Authority::try_from(host.as_bytes())
                .map_err(|_| Refusal::bad(format!("`{}` is not a Host", quoted(host))))?,
            (None, None, None) => return Err(Refusal::bad("the request has no Host header")),
        };
        if self.is_welcome(&host) {
            return Ok(host);
        }
        Err(Refusal::forbidden(format!(
            "the Host `{0}` is not a name of this proxy; start it with --allow-host {0} if it is",
            cut(host.as_str())
        )))
    }

    fn is_welcome(&self, host: &Authority) -> bool {
        let name = host.host().trim_end_matches('.').to_ascii_lowercase();
        let name = name.trim_matches(['[', ']']);
        let with_port = host.as_str().to_ascii_lowercase();
        let address = || name.parse().is_ok_and(|it: IpAddr| !it.is_unspecified());
        // A user in front is nothing that a Host has.
        !with_port.contains('@')
            && (is_loopback(name)
                || self.every_address && address()
                || self.hosts.iter().any(|it| {
                    it == name || *it == with_port || it.trim_matches(['[', ']']) == name
                }))
    }

    /// The page that asks, when it is one that may. Without an `Origin` it is no page.
    fn origin(
        &self,
        headers: &HeaderMap,
        host: &Authority,
    ) -> Result<Option<HeaderValue>, Refusal> {
        for origin in headers.get_all(header::ORIGIN) {
            let text = origin.to_str().unwrap_or_default().to_ascii_lowercase();
            if !self.origins.contains(&text) && !is_ours(&text, host) {
                return Err(Refusal::forbidden(format!(
                    "the Origin `{0}` may not use this proxy; start it with --allow-origin {0} if it may",
                    quoted(origin)
                )));
            }
        }
        let origin = headers.get(header::ORIGIN).cloned();
        if origin.is_none() && is_loaded_elsewhere(headers) {
            let reason = "a page of another site loads this, as an image or in a frame (Sec-Fetch-Site: cross-site): what is here is for MCP clients";
            return Err(Refusal::forbidden(reason.to_owned()));
        }
        Ok(origin)
    }

    /// Whether the token was shown, or need not be. It goes no further.
    fn shown(&self, headers: &mut HeaderMap) -> bool {
        let ours = headers.remove(TOKEN);
        let Some(token) = &self.token else {
            return true;
        };
        let is_token = |shown: &[u8]| bool::from(shown.ct_eq(token.as_str().as_bytes()));
        if let Some(ours) = ours {
            return is_token(ours.as_bytes());
        }
        let shown = headers.get(header::AUTHORIZATION).and_then(bearer);
        let shown = shown.is_some_and(is_token);
        if shown {
            headers.remove(header::AUTHORIZATION);
        }
        shown
    }
}

impl Refusal {
    fn bad(reason: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            reason: reason.into(),
            origin: None,
        }
    }

    pub(super) fn forbidden(reason: String) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            reason,
            origin: None,
        }
    }

    /// The headers of the answer.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"mcp-sentinel\""),
            );
        }
        if let Some(origin) = &self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::VARY, HeaderValue::from_static("origin"));
        }
        headers
    }
}

/// A page of this machine, or of the host that it speaks to.
fn is_ours(origin: &str, host: &Authority) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else {
        return false;
    };
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return false;
    };
    // `Authority` compares without regard to case.
    is_loopback(authority.host()) || authority == host
}

/// Whether a page of another site has the browser load it. A link can lead here from anywhere, as the end of a login does.
fn is_loaded_elsewhere(headers: &HeaderMap) -> bool {
    let is = |name, value| headers.get(name).is_some_and(|it| it == value);
    is(SITE, "cross-site") && !is(MODE, "cors") && !is(DESTINATION, "document")
}

/// A browser asks with it whether it may ask, and cannot show a token yet.
fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

fn quoted(value: &HeaderValue) -> &str {
    cut(value.to_str().unwrap_or("(not text)"))
}

/// Of a text in ASCII.
fn cut(text: &str) -> &str {
    text.get(..QUOTED).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(change: impl FnOnce(&mut Listen)) -> Guard {
        let mut listen = Listen::at("sentinel.lan:7777");
        change(&mut listen);
        Guard::new(&listen, "10.1.2.3:7777".parse().unwrap())
    }

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method("POST").uri("/mcp");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn admitted(guard: &Guard, headers: &[(&str, &str)]) -> Result<HeaderMap, Refusal> {
        let mut request = request(headers);
        guard.admit(&mut request)?;
        Ok(request.into_parts().0.headers)
    }

    const HOST: (&str, &str) = ("host", "localhost:7777");

    #[test]
    fn a_host_is_loopback_or_where_we_listen_or_allowed() {
        let guard = guard(|listen| {
            listen.allow_hosts = vec!["Proxy.Example".into(), "one-port.example:99".into()];
        });
        for host in [
            "localhost",
            "localhost:1",
            "127.0.0.1:7777",
            "[::1]:7777",
            "10.1.2.3:7777",
            "sentinel.lan",
            "SENTINEL.lan:7777",
            "proxy.example:5",
            "one-port.example:99",
        ] {
            assert!(admitted(&guard, &[("host", host)]).is_ok(), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:7777",
            "10.1.2.4:7777",
            "one-port.example:98",
            "localhost@evil.example",
            "evil.example@localhost",
        ] {
            let refusal = admitted(&guard, &[("host", host)]).unwrap_err();
            assert_eq!(refusal.status, StatusCode::FORBIDDEN, "{host}");
            assert!(refusal.reason.contains("--allow-host"), "{refusal:?}");
        }
    }

    #[test]
    fn a_request_names_one_host() {
        let guard = guard(|_| {});
        for headers in [vec![], vec![HOST, HOST], vec![("host", "a b")]] {
            let refusal = admitted(&guard, &headers).unwrap_err();
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{headers:?}");
        }
        let mut absolute = request(&[HOST]);
        *absolute.uri_mut() = "http://evil.example/mcp".parse().unwrap();
        assert!(guard.admit(&mut absolute).is_err());
    }

    #[test]
    fn an_address_cannot_be_rebound_so_all_pass_where_we_listen_on_all() {
        let listen = Listen::at("0.0.0.0:7777");
        let guard = Guard::new(&listen, "0.0.0.0:7777".parse().unwrap());
        assert!(admitted(&guard, &[("host", "192.168.7.7:7777")]).is_ok());
        assert!(admitted(&guard, &[("host", "[fe80::1]:7777")]).is_ok());
        assert!(admitted(&guard, &[("host", "evil.example:7777")]).is_err());
    }

    #[test]
    fn a_page_is_of_this_machine_or_of_the_same_host_or_allowed() {
        let guard = guard(|listen| {
            listen.allow_origins = vec!["https://App.example/".into(), "vscode-webview://x".into()];
        });
        for origin in [
            "http://localhost:6274",
            "https://127.0.0.1",
            "http://[::1]:1",
            "https://app.example",
            "vscode-webview://x",
        ] {
            assert!(
                admitted(&guard, &[HOST, ("origin", origin)]).is_ok(),
                "{origin}"
            );
        }
        let same = [
            ("host", "sentinel.lan:7"),
            ("origin", "http://sentinel.lan:7"),
        ];
        assert!(admitted(&guard, &same).is_ok());
        for origin in [
            "http://app.example",
            "https://app.example:444",
            "http://localhost.evil.example",
            "http://sentinel.lan:7",
            "null",
            "file://localhost",
            "",
        ] {
            let refusal = admitted(&guard, &[HOST, ("origin", origin)]).unwrap_err();
            assert_eq!(refusal.status, StatusCode::FORBIDDEN, "{origin}");
            assert!(refusal.reason.contains("--allow-origin"), "{refusal:?}");
        }
        let two = [
            HOST,
            ("origin", "http://localhost"),
            ("origin", "http://evil.example"),
        ];
        assert!(admitted(&guard, &two).is_err());
    }

    #[test]
    fn a_page_elsewhere_can_lead_its_reader_here_and_load_nothing_from_here() {
        let guard = guard(|_| {});
        let (elsewhere, host) = (("sec-fetch-site", "cross-site"), ("host", "10.1.2.3:7777"));
        for host in [HOST, host] {
            for (mode, dest) in [("no-cors", "image"), ("navigate", "iframe")] {
                let fetch = [("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
                let headers = [&[host, elsewhere][..], &fetch].concat();
                let refusal = admitted(&guard, &headers).unwrap_err();
                assert_eq!(refusal.status, StatusCode::FORBIDDEN, "{dest}");
                for site in ["same-origin", "same-site", "none"] {
                    let headers = [&[host, ("sec-fetch-site", site)][..], &fetch].concat();
                    assert!(admitted(&guard, &headers).is_ok(), "{site} {dest}");
                }
            }
        }
        let followed = [
            HOST,
            elsewhere,
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert!(admitted(&guard, &followed).is_ok());
        let allowed = [
            HOST,
            ("origin", "http://localhost:6274"),
            elsewhere,
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-dest", "empty"),
        ];
        assert!(admitted(&guard, &allowed).is_ok());
    }

    #[test]
    fn what_is_shown_for_debugging_holds_no_token() {
        let mut listen = Listen::at("127.0.0.1:0");
        listen.token = Some("s3cret".into());
        let guard = Guard::new(&listen, ([127, 0, 0, 1], 80).into());
        for shown in [format!("{listen:?}"), format!("{guard:?}")] {
            assert!(shown.contains("127.0.0.1"), "{shown}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }

    #[test]
    fn a_token_is_taken_from_either_header_and_goes_no_further() {
        let guard = guard(|listen| listen.token = Some("s3cret".into()));
        let headers = admitted(&guard, &[HOST, ("authorization", "bearer s3cret")]).unwrap();
        assert_eq!(headers.len(), 1);

        let theirs = ("authorization", "Bearer for-the-server");
        let both = [HOST, ("x-mcp-sentinel-token", "s3cret"), theirs];
        let headers = admitted(&guard, &both).unwrap();
        assert_eq!(headers[header::AUTHORIZATION], theirs.1);
        assert!(!headers.contains_key(TOKEN));

        for wrong in [
            ("authorization", "Bearer s3cre"),
            ("authorization", "Bearer s3crets"),
            ("authorization", "Basic s3cret"),
            ("authorization", "s3cret"),
            ("x-mcp-sentinel-token", "S3CRET"),
            ("x-other", "s3cret"),
        ] {
            let refusal = admitted(&guard, &[HOST, wrong]).unwrap_err();
            assert_eq!(refusal.status, StatusCode::UNAUTHORIZED, "{wrong:?}");
            let headers = refusal.headers();
            assert!(headers.contains_key(header::WWW_AUTHENTICATE));
            assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
        }
    }

    #[test]
    fn without_a_token_of_ours_all_authorization_is_the_servers() {
        let headers = [
            HOST,
            ("authorization", "Bearer theirs"),
            ("x-mcp-sentinel-token", "stray"),
        ];
        let headers = admitted(&guard(|_| {}), &headers).unwrap();
        assert_eq!(headers[header::AUTHORIZATION], "Bearer theirs");
        assert!(!headers.contains_key(TOKEN));
    }

    #[test]
    fn a_page_that_may_ask_can_ask_whether_it_may_and_read_why_not() {
        let guard = guard(|listen| listen.token = Some("s3cret".into()));
        let page = ("origin", "http://localhost:6274");
        let preflight = |headers: &[(&str, &str)]| {
            let mut request = request(headers);
            *request.method_mut() = Method::OPTIONS;
            guard.admit(&mut request)
        };
        let asks = ("access-control-request-method", "POST");
        assert!(preflight(&[HOST, page, asks]).is_ok());
        assert!(preflight(&[HOST, asks]).is_err());
        assert!(preflight(&[HOST, page]).is_err());
        assert!(preflight(&[HOST, ("origin", "http://evil.example"), asks]).is_err());

        let refusal = admitted(&guard, &[HOST, page]).unwrap_err();
        assert_eq!(
            refusal.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN],
            page.1
        );
    }
}
