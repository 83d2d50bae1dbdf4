//! The listener over raw TCP: what it lets in, what it keeps out, and how connections end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/files.rs"]
mod files;

use bytes::Bytes;
use files::room_for;
use futures_util::StreamExt as _;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use mcp_sentinel::capture::record::Header;
use mcp_sentinel::capture::recorder::Recorder;
use mcp_sentinel::proxy::listener::{
    Handler, Listen, Listener, RequestBody, Response, ResponseBody,
};
use mcp_sentinel::tap::{self, Overflow, Tap};
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a busy machine.
const TOO_LONG: Duration = Duration::from_secs(300);

/// More than a connection holds on its way.
static LARGE: LazyLock<String> = LazyLock::new(|| "x".repeat(16 << 20));

/// Answers by the path of a request, and tells what it got and when nobody waits for it any more.
struct Echo {
    told: mpsc::UnboundedSender<Told>,
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Headers(Vec<String>),
    Body(Result<usize, io::ErrorKind>),
    Dropped(&'static str),
}

/// Tells when it is dropped.
struct Held(&'static str, mpsc::UnboundedSender<Told>);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.1.send(Told::Dropped(self.0));
    }
}

impl Handler for Echo {
    async fn handle(
        self: Arc<Self>,
        request: http::Request<RequestBody>,
        _peer: SocketAddr,
    ) -> Response {
        let names = request.headers().keys().map(|it| it.as_str().to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        let _ = self.told.send(Told::Headers(names));
        let held = |what| Held(what, self.told.clone());
        match request.uri().path() {
            "/never" => {
                let _held = held("handler");
                std::future::pending().await
            }
            "/stream" => answer(stream(["data: 1\n\n"], None, Some(held("body")))),
            "/large-broken" => answer(stream([LARGE.as_str()], Some("upstream gone"), None)),
            "/broken" => answer(stream(["half of "], Some("upstream gone"), None)),
            "/body" => {
                let body = request.into_body().collect().await;
                let body = body.map(|it| it.to_bytes().len()).map_err(|it| it.kind());
                let _ = self.told.send(Told::Body(body));
                answer(full("read"))
            }
            _ => answer(full("hello")),
        }
    }
}

fn answer(body: ResponseBody) -> Response {
    http::Response::new(body)
}

fn full(text: &'static str) -> ResponseBody {
    let body = Full::new(Bytes::from(text));
    body.map_err(|never| match never {}).boxed_unsync()
}

/// These parts, then an error or silence for ever.
fn stream<const N: usize>(
    parts: [&'static str; N],
    error: Option<&'static str>,
    held: Option<Held>,
) -> ResponseBody {
    let parts = parts.map(|part| Ok(Frame::data(Bytes::from(part))));
    let error = error.map(|it| Err(io::Error::other(it)));
    let silence = futures_util::stream::poll_fn(move |_| {
        let _ = &held;
        std::task::Poll::<Option<_>>::Pending
    });
    let all = futures_util::stream::iter(parts.into_iter().chain(error));
    BodyExt::boxed_unsync(StreamBody::new(all.chain(silence)))
}

/// A listener at work.
struct House {
    address: SocketAddr,
    told: mpsc::UnboundedReceiver<Told>,
    recorder: Recorder,
    directory: tempfile::TempDir,
    over: CancellationToken,
    serving: JoinHandle<()>,
}

impl House {
    async fn new(change: impl FnOnce(&mut Listen)) -> Self {
        let mut listen = Listen::at("127.0.0.1:0");
        change(&mut listen);
        let bound = listen.bound.subscribe();
        let listener = Listener::bind(listen).await.unwrap();
        let address = bound.borrow().unwrap();
        let (tell, told) = mpsc::unbounded_channel();
        let (tap, drain) = tap::queue(1 << 20, Overflow::Wait);
        let directory = tempfile::tempdir().unwrap();
        let capture = directory.path().join("c.jsonl");
        let recorder = Recorder::start(capture, Header::default(), drain).unwrap();
        let over = CancellationToken::new();
        let handler = Arc::new(Echo { told: tell });
        let serving = listener.serve(handler, tap, Arc::default(), over.clone());
        Self {
            address,
            told,
            recorder,
            directory,
            over,
            serving: tokio::spawn(serving),
        }
    }

    async fn connect(&self) -> Peer {
        Peer(TcpStream::connect(self.address).await.unwrap())
    }

    /// One request on a connection of its own; all that comes back.
    async fn ask(&self, head: &str) -> String {
        let mut peer = self.connect().await;
        peer.send(&format!("{head}\r\nConnection: close\r\n\r\n"))
            .await;
        peer.rest().await
    }

    async fn told(&mut self) -> Told {
        soon(self.told.recv()).await.unwrap()
    }

    /// What was told of an end, past the headers that came before.
    async fn dropped(&mut self) -> Told {
        loop {
            match self.told().await {
                Told::Headers(_) => {}
                told => return told,
            }
        }
    }

    /// Ends it; the capture.
    async fn close(self) -> String {
        self.over.cancel();
        soon(self.serving).await.unwrap();
        self.recorder.finish();
        std::fs::read_to_string(self.directory.path().join("c.jsonl")).unwrap()
    }
}

struct Peer(TcpStream);

impl Peer {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until what was read ends so.
    async fn until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        soon(async {
            while !read.ends_with(end.as_bytes()) {
                read.push(self.0.read_u8().await.unwrap());
            }
        })
        .await;
        String::from_utf8(read).unwrap()
    }

    async fn rest(&mut self) -> String {
        let mut read = Vec::new();
        // A reset ends it, too.
        let _ = soon(self.0.read_to_end(&mut read)).await;
        String::from_utf8(read).unwrap()
    }

    /// Ends the connection with a reset, as a process does that is killed with bytes unread.
    fn reset(self) {
        self.0.set_zero_linger().unwrap();
    }
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(TOO_LONG, work).await.expect("in time")
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost")
}

// Other users of this machine

/// What comes back to another user, whom only root can be.
#[cfg(target_os = "linux")]
fn asked_by_nobody(address: SocketAddr) -> Option<String> {
    use std::os::unix::process::CommandExt as _;
    const ASK: &str = r#"exec 3<>/dev/tcp/127.0.0.1/$0
        printf 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3; cat <&3"#;
    let mut asking = std::process::Command::new("bash");
    let asking = asking.args(["-c", ASK, &address.port().to_string()]);
    let root = rustix::process::geteuid().is_root();
    let answer = root.then(|| asking.uid(65534).current_dir("/").output().unwrap());
    answer.map(|it| String::from_utf8(it.stdout).unwrap())
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_private_listener_is_for_one_user_of_this_machine() {
    for private in [false, true] {
        let house = House::new(|listen| listen.private = private).await;
        let mine = house.ask(&get("/")).await;
        assert!(mine.starts_with("HTTP/1.1 200"), "{mine}");
        let address = house.address;
        let asked = tokio::task::spawn_blocking(move || asked_by_nobody(address));
        let theirs = soon(asked).await.unwrap();
        let recorded = house.close().await;
        let Some(theirs) = theirs else {
            eprintln!("only root can ask as somebody else");
            return;
        };
        if !private {
            assert!(theirs.starts_with("HTTP/1.1 200"), "{theirs}");
            continue;
        }
        assert!(theirs.starts_with("HTTP/1.1 403"), "{theirs}");
        for told in [&theirs, &recorded] {
            assert!(told.contains("uid 65534"), "{told}");
            assert!(told.contains("--listen ADDRESS"), "{told}");
        }
    }
}

// Binding

#[tokio::test]
async fn the_real_address_is_told_once_it_is_bound() {
    let without_ipv6 = std::net::TcpListener::bind("[::1]:0").is_err();
    for address in ["127.0.0.1:0", "[::1]:0", "localhost:0", "0"] {
        if without_ipv6 && address.starts_with('[') {
            continue;
        }
        let listen = Listen::at(address);
        let bound = listen.bound.subscribe();
        let _listener = Listener::bind(listen).await.expect(address);
        let bound = bound.borrow().unwrap();
        assert!(bound.ip().is_loopback() && bound.port() != 0, "{bound}");
        assert_eq!(bound.is_ipv6(), address.starts_with('['), "{bound}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_had_is_named_with_the_reason() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (address, reason) in [
        (taken.as_str(), "is in use"),
        ("192.0.2.1:0", "is not an address of this machine"),
        ("no-such-host.invalid:0", "no-such-host.invalid:0: "),
        ("127.0.0.1", "is not a port"),
    ] {
        let listen = Listen::at(address);
        let bound = listen.bound.subscribe();
        let error = Listener::bind(listen).await.unwrap_err().to_string();
        let expected = format!("cannot listen: {address}");
        assert!(error.starts_with(&expected), "{error}");
        assert!(error.contains(reason), "{error}");
        assert_eq!(*bound.borrow(), None);
    }
}

// Connections

#[tokio::test]
async fn a_connection_carries_one_request_after_another_and_nothing_is_added() {
    let house = House::new(|_| {}).await;
    let mut peer = house.connect().await;
    for _ in 0..3 {
        peer.send(&format!("{}\r\n\r\n", get("/"))).await;
        let answer = peer.until("hello").await;
        assert_eq!(answer, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    }
    house.close().await;
}

#[tokio::test]
async fn a_client_that_goes_takes_its_waiting_request_and_its_idle_stream_along() {
    let mut house = House::new(|_| {}).await;
    type Leave = fn(Peer);
    let leaves: [Leave; 2] = [drop, Peer::reset];
    for leave in leaves {
        let mut peer = house.connect().await;
        peer.send(&format!("{}\r\n\r\n", get("/never"))).await;
        assert!(matches!(house.told().await, Told::Headers(_)));
        leave(peer);
        assert_eq!(house.dropped().await, Told::Dropped("handler"));

        let mut peer = house.connect().await;
        peer.send(&format!("{}\r\n\r\n", get("/stream"))).await;
        peer.until("data: 1\n\n\r\n").await;
        leave(peer);
        assert_eq!(house.dropped().await, Told::Dropped("body"));
    }
    house.close().await;
}

#[tokio::test]
async fn a_client_that_goes_in_the_middle_of_its_body_is_an_error_to_the_handler() {
    let mut house = House::new(|_| {}).await;
    let mut peer = house.connect().await;
    peer.send("POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
        .await;
    assert!(matches!(house.told().await, Told::Headers(_)));
    drop(peer);
    assert!(matches!(house.told().await, Told::Body(Err(_))));
    house.close().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_look_whole() {
    let house = House::new(|_| {}).await;
    let answer = house.ask(&get("/broken")).await;
    assert!(answer.contains("transfer-encoding: chunked"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n8\r\nhalf of \r\n"), "{answer}");
    house.close().await;
}

#[tokio::test]
async fn what_came_before_the_break_arrives_however_slow_the_client_is() {
    let house = House::new(|_| {}).await;
    let mut peer = house.connect().await;
    peer.send(&format!("{}\r\n\r\n", get("/large-broken")))
        .await;
    peer.until("\r\n\r\n").await;
    let rest = peer.rest().await;
    assert_eq!(rest.matches('x').count(), LARGE.len());
    assert!(!rest.ends_with("0\r\n\r\n"));
    house.close().await;
}

#[tokio::test]
async fn when_it_is_over_open_exchanges_are_broken_off_and_nobody_comes_in() {
    let mut house = House::new(|_| {}).await;
    let mut waiting = house.connect().await;
    waiting.send(&format!("{}\r\n\r\n", get("/never"))).await;
    assert!(matches!(house.told().await, Told::Headers(_)));
    let mut reading = house.connect().await;
    reading.send(&format!("{}\r\n\r\n", get("/stream"))).await;
    reading.until("data: 1\n\n\r\n").await;
    let address = house.address;
    house.close().await;
    assert_eq!(waiting.rest().await, "");
    // Without the last chunk.
    assert_eq!(reading.rest().await, "");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_thousand_clients_wait_side_by_side() {
    let mut house = House::new(|_| {}).await;
    let mut peers = Vec::new();
    // Both ends of a connection are ours.
    let clients = room_for(1000, 2);
    for _ in 0..clients {
        let mut peer = house.connect().await;
        peer.send(&format!("{}\r\n\r\n", get("/stream"))).await;
        peers.push(peer);
    }
    for peer in &mut peers {
        peer.until("data: 1\n\n\r\n").await;
    }
    drop(peers);
    for _ in 0..clients {
        assert_eq!(house.dropped().await, Told::Dropped("body"));
    }
    house.close().await;
}

// Limits

#[tokio::test]
async fn a_head_that_is_too_large_is_told_so() {
    let house = House::new(|listen| listen.limits.head = 16 << 10).await;
    let head = |bytes| format!("{}\r\nX-Long: {}", get("/"), "x".repeat(bytes));
    assert!(
        house
            .ask(&head(12 << 10))
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    let answer = house.ask(&head(20 << 10)).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let capture = house.close().await;
    assert!(
        capture.contains("sent what is no HTTP request"),
        "{capture}"
    );
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let house = House::new(|listen| listen.limits.patience = Duration::from_millis(50)).await;
    let mut peer = house.connect().await;
    peer.send("GET / HTT").await;
    peer.rest().await;
    let mut idle = house.connect().await;
    idle.rest().await;
    house.close().await;
}

#[tokio::test]
async fn a_body_that_stands_still_is_not_waited_for() {
    let mut house = House::new(|listen| listen.limits.patience = Duration::from_millis(50)).await;
    let mut peer = house.connect().await;
    peer.send("POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
        .await;
    let late = Told::Body(Err(io::ErrorKind::TimedOut));
    assert!(matches!(house.told().await, Told::Headers(_)));
    assert_eq!(house.told().await, late);
    house.close().await;
}

#[tokio::test]
async fn a_large_body_comes_through_whole() {
    let mut house = House::new(|_| {}).await;
    let mut peer = house.connect().await;
    let size = 20 << 20;
    let head = format!("POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}");
    peer.send(&format!("{head}\r\n\r\n{}", "x".repeat(size)))
        .await;
    assert!(matches!(house.told().await, Told::Headers(_)));
    assert_eq!(house.told().await, Told::Body(Ok(size)));
    house.close().await;
}

// Who comes in

#[tokio::test]
async fn a_page_of_somebody_elses_is_kept_out_and_the_operator_sees_it() {
    let mut house = House::new(|_| {}).await;
    let answer = house.ask("GET /mcp HTTP/1.1\r\nHost: evil.example").await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain"), "{answer}");
    assert!(
        answer.ends_with("--allow-host evil.example if it is\n"),
        "{answer}"
    );
    let head = format!("{}\r\nOrigin: https://evil.example", get("/mcp"));
    let answer = house.ask(&head).await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(
        answer.contains("--allow-origin https://evil.example"),
        "{answer}"
    );
    assert!(house.told.try_recv().is_err());
    let capture = house.close().await;
    assert!(
        capture.contains("refused GET /mcp of 127.0.0.1:"),
        "{capture}"
    );
    assert!(
        capture.contains("--allow-origin https://evil.example"),
        "{capture}"
    );
}

#[tokio::test]
async fn a_token_is_asked_for_and_seen_by_nobody_else() {
    let mut house = House::new(|listen| listen.token = Some("s3cret".into())).await;
    let answer = house.ask(&get("/")).await;
    assert!(
        answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"),
        "{answer}"
    );
    assert!(answer.contains("www-authenticate: Bearer "), "{answer}");
    assert!(answer.contains("Authorization: Bearer TOKEN"), "{answer}");
    for (header, left) in [
        ("Authorization: Bearer s3cret", vec!["connection", "host"]),
        (
            "X-Mcp-Sentinel-Token: s3cret\r\nAuthorization: Bearer theirs",
            vec!["authorization", "connection", "host"],
        ),
    ] {
        let answer = house.ask(&format!("{}\r\n{header}", get("/"))).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let left = left.into_iter().map(str::to_owned).collect();
        assert_eq!(house.told().await, Told::Headers(left));
    }
    // Who tries is on record; what was tried is not.
    let guess = "X-Mcp-Sentinel-Token: s3cre";
    house.ask(&format!("{}\r\n{guess}", get("/"))).await;
    let capture = house.close().await;
    assert_eq!(capture.matches("with 401").count(), 2, "{capture}");
    assert!(!capture.contains("s3cre"), "{capture}");
}

#[tokio::test]
async fn a_stranger_who_sends_much_still_learns_why_not() {
    let house = House::new(|_| {}).await;
    let mut peer = house.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 8388608\r\n\r\n";
    peer.send(&format!("{head}{}", "x".repeat(8 << 20))).await;
    let answer = peer.until("if it is\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    house.close().await;
}

#[tokio::test]
async fn a_flood_of_strangers_fills_no_disk() {
    let house = House::new(|_| {}).await;
    let mut peer = house.connect().await;
    for _ in 0..500 {
        peer.send("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
            .await;
        peer.until("if it is\n").await;
    }
    let capture = house.close().await;
    let told = capture.matches("refused GET /").count();
    assert!((1..100).contains(&told), "{told}");
    assert!(capture.contains("more requests were refused"), "{capture}");
}

/// Answers with the name of its thread, on as many threads as it may.
struct Named {
    may_be_moved: bool,
}

impl Handler for Named {
    async fn handle(
        self: Arc<Self>,
        _request: http::Request<RequestBody>,
        _peer: SocketAddr,
    ) -> Response {
        let name = format!("{:?}", std::thread::current().id());
        answer(full(name.leak()))
    }

    fn another(&self) -> Option<Arc<Self>> {
        self.may_be_moved
            .then(|| Arc::new(Self { may_be_moved: true }))
    }
}

/// The threads that answer so many connections, all of which are open at the same time.
async fn threads_of(may_be_moved: bool, connections: usize) -> BTreeSet<String> {
    let listen = Listen::at("127.0.0.1:0");
    let bound = listen.bound.subscribe();
    let listener = Listener::bind(listen).await.unwrap();
    let address = bound.borrow().unwrap();
    let over = CancellationToken::new();
    let handler = Arc::new(Named { may_be_moved });
    let serving = listener.serve(handler, Tap::disabled(), Arc::default(), over.clone());
    let serving = tokio::spawn(serving);
    let (mut open, mut threads) = (Vec::new(), BTreeSet::new());
    for _ in 0..connections {
        let mut peer = Peer(TcpStream::connect(address).await.unwrap());
        peer.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let head = peer.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        threads.insert(peer.until(")").await);
        open.push(peer);
    }
    over.cancel();
    soon(serving).await.unwrap();
    for mut peer in open {
        assert_eq!(peer.rest().await, "", "it ended with the listener");
    }
    threads
}

#[tokio::test]
async fn a_crowd_of_connections_is_served_by_several_threads() {
    let processors = std::thread::available_parallelism().unwrap().get();
    assert_eq!(threads_of(true, 8).await.len(), 1);
    assert_eq!(threads_of(true, 64).await.len(), processors.min(4));
    assert_eq!(threads_of(false, 64).await.len(), 1);
}
