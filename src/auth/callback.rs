//! The browser's way back: a listener on this machine that waits for one redirect and answers with a plain page.
//!
//! Whatever else asks (another page that guesses the port, a favicon) is sent away and changes nothing. The pages say
//! nothing that came from outside.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use reqwest::Url;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PATH: &str = "/callback";
/// How long a browser may take to say what it wants.
const HEAD: Duration = Duration::from_secs(10);
/// How long the last page may take to get out.
const FAREWELL: Duration = Duration::from_secs(2);

/// A listener for one login.
#[derive(Debug)]
pub struct Callback {
    listener: TcpListener,
    address: SocketAddr,
}

/// What the authorization server sent along with the browser.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub outcome: Outcome,
    /// Who says so, if anybody does (RFC 9207).
    pub issuer: Option<String>,
}

#[derive(PartialEq, Eq)]
pub enum Outcome {
    Code(String),
    Refused {
        error: String,
        description: Option<String>,
    },
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Whoever has it can get the tokens.
            Self::Code(_) => f.write_str("Code(…)"),
            Self::Refused { error, description } => f
                .debug_struct("Refused")
                .field("error", error)
                .field("description", description)
                .finish(),
        }
    }
}

impl Callback {
    /// On 127.0.0.1; port 0 takes a free one.
    pub async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub fn redirect_uri(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Waits for the redirect that carries `state`. The browser waits on, until it is told how it went.
    pub async fn wait(&self, state: &str) -> (Answer, Browser) {
        let (arrived, mut arrivals) = mpsc::channel(1);
        let desk = Arc::new(Desk {
            address: self.address,
            state: state.to_owned(),
            arrived,
        });
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    // One that cannot be accepted is the browser's to try again.
                    if let Ok((stream, _)) = accepted {
                        connections.spawn(serve(stream, Arc::clone(&desk)));
                    }
                }
                Some(Arrival { answer, page, over }) = arrivals.recv() => {
                    return (answer, Browser { page, over, _connections: connections });
                }
            }
        }
    }
}

/// The browser, waiting for the last page.
#[derive(Debug)]
pub struct Browser {
    page: oneshot::Sender<Page>,
    /// Cancelled when its connection has ended.
    over: CancellationToken,
    _connections: JoinSet<()>,
}

impl Browser {
    /// Shows how it went.
    pub async fn tell(self, well: bool) {
        let page = if well { DONE } else { FAILED };
        if self.page.send(page).is_ok() {
            let _ = tokio::time::timeout(FAREWELL, self.over.cancelled()).await;
        }
    }
}

type Page = (StatusCode, &'static str);

const DONE: Page = (
    StatusCode::OK,
    "MCP Sentinel is logged in. You can close this page.",
);
const FAILED: Page = (
    StatusCode::OK,
    "MCP Sentinel could not log in. The terminal says why; you can close this page.",
);
const STRANGER: Page = (
    StatusCode::BAD_REQUEST,
    "This is not the answer that MCP Sentinel is waiting for. Please open the address that the terminal shows.",
);
const OVER: Page = (StatusCode::GONE, "This login is over.");
const NOTHING: Page = (StatusCode::NOT_FOUND, "There is nothing here.");

/// What a connection needs to know.
struct Desk {
    address: SocketAddr,
    state: String,
    arrived: mpsc::Sender<Arrival>,
}

struct Arrival {
    answer: Answer,
    page: oneshot::Sender<Page>,
    over: CancellationToken,
}

async fn serve(stream: TcpStream, desk: Arc<Desk>) {
    let over = CancellationToken::new();
    let _ended = over.clone().drop_guard();
    let service = service_fn(|request| {
        let (desk, over) = (Arc::clone(&desk), over.clone());
        async move { Ok::<_, Infallible>(page(desk.receive(&request, over).await)) }
    });
    // A connection that breaks off is the browser's to open again.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Desk {
    async fn receive(&self, request: &Request<Incoming>, over: CancellationToken) -> Page {
        if request.method() != Method::GET || request.uri().path() != PATH || !self.is_us(request) {
            return NOTHING;
        }
        let Some(answer) = read(request.uri().query().unwrap_or_default(), &self.state) else {
            return STRANGER;
        };
        let (page, shown) = oneshot::channel();
        match self.arrived.send(Arrival { answer, page, over }).await {
            Ok(()) => shown.await.unwrap_or(FAILED),
            Err(_) => OVER,
        }
    }

    /// A page elsewhere can have its own name lead here, but not call us by ours.
    fn is_us(&self, request: &Request<Incoming>) -> bool {
        let host = request.headers().get(header::HOST);
        host.is_some_and(|host| host.as_bytes() == self.address.to_string().as_bytes())
    }
}

/// The answer in a query, when it carries our `state`.
fn read(query: &str, state: &str) -> Option<Answer> {
    let mut url = Url::parse("http://localhost").ok()?;
    url.set_query(Some(query));
    let value = |name: &str| {
        url.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    if !bool::from(value("state")?.as_bytes().ct_eq(state.as_bytes())) {
        return None;
    }
    let outcome = match (value("error"), value("code")) {
        (Some(error), _) => Outcome::Refused {
            error,
            description: value("error_description"),
        },
        (None, Some(code)) => Outcome::Code(code),
        (None, None) => return None,
    };
    Some(Answer {
        outcome,
        issuer: value("iss"),
    })
}

fn page((status, text): Page) -> Response<Full<Bytes>> {
    let body = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>MCP Sentinel</title><body style=\"font: 1.1em sans-serif; margin: 4em\"><p>{text}</p>\n"
    );
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // The address of this page holds the code.
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        ),
    ] {
        let value = header::HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_for_debugging_holds_no_code() {
        let outcome = Outcome::Code("s3cret".to_owned());
        let issuer = Some("https://h".to_owned());
        let shown = format!("{:?}", Answer { outcome, issuer });
        assert!(shown.contains("https://h") && !shown.contains("s3cret"));
    }
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[test]
    fn only_an_answer_with_our_state_is_one() {
        let code = |query| read(query, "s+t").map(|it| it.outcome);
        let expected = Some(Outcome::Code("a b".to_owned()));
        assert_eq!(code("code=a%20b&state=s%2Bt"), expected);
        for wrong in [
            "",
            "code=a",
            "code=a&state=",
            "code=a&state=s",
            "state=s%2Bt",
        ] {
            assert_eq!(code(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_refusal_says_why_and_who() {
        let query = "error=access_denied&error_description=not+you&state=s&iss=https%3A%2F%2Fas";
        let expected = Answer {
            outcome: Outcome::Refused {
                error: "access_denied".to_owned(),
                description: Some("not you".to_owned()),
            },
            issuer: Some("https://as".to_owned()),
        };
        assert_eq!(read(query, "s"), Some(expected));
    }

    async fn get(address: SocketAddr, host: &str, target: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn strangers_are_sent_away_and_the_browser_learns_how_it_went() {
        let callback = Callback::bind(0).await.unwrap();
        let address = callback.address;
        let us = address.to_string();
        let waiting = tokio::spawn(async move { callback.wait("s").await });
        for (host, target, status) in [
            (us.as_str(), "/favicon.ico", "404"),
            (us.as_str(), "/callback?code=c&state=guessed", "400"),
            ("evil.example", "/callback?code=c&state=s", "404"),
        ] {
            let page = get(address, host, target).await;
            assert!(page.starts_with(&format!("HTTP/1.1 {status}")), "{page}");
        }
        // A connection that says nothing holds nobody up.
        let _silent = TcpStream::connect(address).await.unwrap();
        let browser = tokio::spawn({
            let us = us.clone();
            async move { get(address, &us, "/callback?code=c&state=s").await }
        });
        let (answer, waits) = waiting.await.unwrap();
        assert_eq!(answer.outcome, Outcome::Code("c".to_owned()));
        waits.tell(true).await;
        let page = browser.await.unwrap();
        assert!(page.contains("is logged in"), "{page}");
        assert!(page.contains("referrer-policy: no-referrer"), "{page}");
    }
}
