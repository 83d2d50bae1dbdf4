//! A client and a server on HTTP, and the least that stands between two sockets. As little of HTTP as the bench speaks,
//! so that the peers are never what is measured.

use super::messages::{self, INITIALIZE, INITIALIZED};
use super::{BURST, Client, IN_FLIGHT};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// Every session of the server's is called that.
const SESSION: &str = "0123456789abcdef";

/// Runs on this thread alone: on two cores, more threads only get in each other's way.
pub fn on_one_thread<T>(what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let set = tokio::task::LocalSet::new();
    set.block_on(&runtime.unwrap(), what)
}

/// Binds a free port of the loopback and says it on stdout.
async fn bind() -> tokio::net::TcpListener {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    listener
}

/// The server: answers every POST, bursts when asked to, and holds a GET open.
pub fn serve() {
    on_one_thread(async {
        let listener = bind().await;
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            // A client that goes is no trouble of ours.
            tokio::task::spawn_local(async { drop(serve_one(stream).await) });
        }
    });
}

async fn serve_one(mut stream: tokio::net::TcpStream) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(1 << 16);
    let mut response = Vec::with_capacity(1 << 16);
    loop {
        let Some(length) = whole(&buffer) else {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        response.clear();
        let request = &buffer[..length];
        let body = &request[memchr::memmem::find(request, END_OF_HEAD).unwrap() + 4..];
        if request.starts_with(b"GET ") {
            let _ = write!(response, "{STREAM}8\r\n: open\n\n\r\n");
        } else if messages::is_burst(body) || messages::is_drizzle(body) {
            stream.write_all(STREAM.as_bytes()).await?;
            let at_once = if messages::is_burst(body) { 1 << 16 } else { 1 };
            burst(&mut stream, at_once).await?;
            let mut answer = Vec::new();
            messages::answer(body, &mut answer);
            event(&answer, &mut response);
            response.extend(b"0\r\n\r\n");
        } else {
            respond(body, &mut response);
        }
        stream.write_all(&response).await?;
        buffer.drain(..length);
    }
}

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

fn respond(body: &[u8], response: &mut Vec<u8>) {
    let mut answer = Vec::with_capacity(256);
    messages::answer(body, &mut answer);
    if answer.is_empty() {
        response.extend(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    response.extend(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
    if messages::is_initialize(body) {
        let _ = write!(response, "Mcp-Session-Id: {SESSION}\r\n");
    }
    let _ = write!(response, "Content-Length: {}\r\n\r\n", answer.len());
    response.extend(&answer);
}

/// Each notification is an event and a chunk of its own; they are written when so many bytes have come together.
async fn burst(stream: &mut tokio::net::TcpStream, at_once: usize) -> std::io::Result<()> {
    let (mut message, mut due) = (Vec::new(), Vec::with_capacity(1 << 17));
    for number in 0..BURST {
        message.clear();
        messages::write_progress(number, &mut message);
        event(&message, &mut due);
        if due.len() >= at_once {
            stream.write_all(&due).await?;
            due.clear();
        }
    }
    stream.write_all(&due).await
}

fn event(message: &[u8], to: &mut Vec<u8>) {
    const FRAME: usize = "data: \n\n".len();
    let _ = write!(to, "{:x}\r\ndata: ", message.len() + FRAME);
    to.extend(message);
    to.extend(b"\n\n\r\n");
}

/// The length of the first message in a buffer, if it is there whole.
fn whole(buffer: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(buffer, END_OF_HEAD)? + 4;
    if let Some(length) = header(&buffer[..head], "content-length") {
        let end = head + length.parse::<usize>().unwrap();
        return (buffer.len() >= end).then_some(end);
    }
    if header(&buffer[..head], "transfer-encoding").is_none() {
        return Some(head);
    }
    let mut at = head;
    loop {
        let line = at + memchr::memmem::find(&buffer[at..], b"\r\n")?;
        let size = std::str::from_utf8(&buffer[at..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        at = line + 2 + size + 2;
        if buffer.len() < at {
            return None;
        }
        if size == 0 {
            return Some(at);
        }
    }
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let head = std::str::from_utf8(head).unwrap();
    let headers = head.split("\r\n").filter_map(|line| line.split_once(": "));
    let mut same = headers.filter(|(other, _)| other.eq_ignore_ascii_case(name));
    same.next().map(|(_, value)| value)
}

/// A client with a session, on one kept connection; more where more are needed at once.
pub struct Visitor {
    address: SocketAddr,
    stream: TcpStream,
    session: Option<String>,
    buffer: Vec<u8>,
}

impl Visitor {
    pub fn connect(address: SocketAddr) -> Self {
        let mut client = Self {
            address,
            stream: connection(address),
            session: None,
            buffer: Vec::with_capacity(1 << 16),
        };
        let length = client.round_trip(&client.post(INITIALIZE.as_bytes()));
        let session = header(&client.buffer[..length], "mcp-session-id").unwrap();
        client.session = Some(session.to_owned());
        client.round_trip(&client.post(INITIALIZED.as_bytes()));
        assert!(client.buffer.starts_with(b"HTTP/1.1 202"), "accepted");
        client
    }

    /// A whole request around a message.
    fn post(&self, message: &[u8]) -> Vec<u8> {
        let mut post = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{}Content-Length: {}\r\n\r\n",
            self.address,
            self.session_headers(),
            message.len()
        )
        .into_bytes();
        post.extend(message);
        post
    }

    fn session_headers(&self) -> String {
        self.session.as_ref().map_or_else(String::new, |session| {
            format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-11-25\r\n")
        })
    }

    /// One whole request, one whole response, whose length in the buffer is returned.
    fn round_trip(&mut self, post: &[u8]) -> usize {
        self.stream.write_all(post).unwrap();
        self.buffer.clear();
        loop {
            let filled = self.buffer.len();
            self.buffer.resize(filled + (1 << 12), 0);
            let count = self.stream.read(&mut self.buffer[filled..]).unwrap();
            assert!(count > 0, "the server is still there");
            self.buffer.truncate(filled + count);
            if let Some(length) = whole(&self.buffer) {
                return length;
            }
        }
    }

    /// Opens the stream of this session, which stays open as long as the client is there.
    pub fn listen(&mut self) {
        let get = format!(
            "GET /mcp HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n{}\r\n",
            self.address,
            self.session_headers()
        );
        self.stream.write_all(get.as_bytes()).unwrap();
        let mut body = Body::of(BufReader::new(&self.stream));
        assert_eq!(body.line(), b": open\n");
    }
}

impl Client for Visitor {
    fn wrap(&self, message: Vec<u8>) -> Vec<u8> {
        self.post(message.trim_ascii_end())
    }

    fn ask(&mut self, post: &[u8]) {
        self.round_trip(post);
        assert!(self.buffer.starts_with(b"HTTP/1.1 200"), "an answer");
    }

    /// Over as many connections as there are requests on the way.
    fn in_flight(&mut self, posts: Vec<Vec<u8>>) -> f64 {
        let count = posts.len() as f64;
        let address = self.address;
        on_one_thread(async move {
            let posts = Rc::new(std::cell::RefCell::new(posts.into_iter()));
            let mut connections = Vec::new();
            for _ in 0..IN_FLIGHT {
                let stream = tokio::net::TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                connections.push(stream);
            }
            let start = Instant::now();
            let mut tasks = tokio::task::JoinSet::new();
            for mut stream in connections {
                let posts = posts.clone();
                tasks.spawn_local(async move {
                    let mut buffer = Vec::with_capacity(1 << 13);
                    loop {
                        let Some(post) = posts.borrow_mut().next() else {
                            return;
                        };
                        stream.write_all(&post).await.unwrap();
                        buffer.clear();
                        while whole(&buffer).is_none() {
                            let count = stream.read_buf(&mut buffer).await.unwrap();
                            assert!(count > 0, "the server is still there");
                        }
                        assert!(buffer.starts_with(b"HTTP/1.1 200"), "an answer");
                    }
                });
            }
            while let Some(task) = tasks.join_next().await {
                task.unwrap();
            }
            count / start.elapsed().as_secs_f64()
        })
    }

    fn burst(&mut self) -> f64 {
        let start = Instant::now();
        self.stream
            .write_all(&self.post(&messages::request(1, "burst")))
            .unwrap();
        let mut body = Body::of(BufReader::with_capacity(1 << 16, &self.stream));
        for number in 0..BURST {
            let heard = loop {
                if let Some(heard) = messages::number_in(body.line()) {
                    break heard;
                }
            };
            assert_eq!(heard, number, "in order");
        }
        let time = start.elapsed().as_secs_f64();
        while !body.line().is_empty() {}
        BURST as f64 / time
    }
}

fn connection(address: SocketAddr) -> TcpStream {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_nodelay(true).unwrap();
                return stream;
            }
            // It may still be starting.
            Err(error) => assert!(Instant::now() < patience, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The lines of a chunked body, as they come.
struct Body<'a> {
    reader: BufReader<&'a TcpStream>,
    /// Bytes of the chunk that are still to come.
    left: usize,
    line: Vec<u8>,
}

impl<'a> Body<'a> {
    /// Reads the head too.
    fn of(mut reader: BufReader<&'a TcpStream>) -> Self {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "a response");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert_eq!(
            header(head.as_bytes(), "transfer-encoding"),
            Some("chunked")
        );
        Self {
            reader,
            left: 0,
            line: Vec::new(),
        }
    }

    /// The next line with its line feed; empty at the end.
    fn line(&mut self) -> &[u8] {
        self.line.clear();
        loop {
            if self.left == 0 && !self.next_chunk() {
                return &self.line;
            }
            let buffer = self.reader.fill_buf().unwrap();
            assert!(!buffer.is_empty(), "the body is whole");
            let buffer = &buffer[..self.left.min(buffer.len())];
            let end = memchr::memchr(b'\n', buffer);
            let taken = end.map_or(buffer.len(), |end| end + 1);
            self.line.extend(&buffer[..taken]);
            self.reader.consume(taken);
            self.left -= taken;
            if self.left == 0 {
                self.reader.read_exact(&mut [0; 2]).unwrap();
            }
            if end.is_some() {
                return &self.line;
            }
        }
    }

    fn next_chunk(&mut self) -> bool {
        let mut size = String::new();
        self.reader.read_line(&mut size).unwrap();
        self.left = usize::from_str_radix(size.trim_end(), 16).unwrap();
        if self.left == 0 {
            self.reader.read_exact(&mut [0; 2]).unwrap();
        }
        self.left > 0
    }
}

/// The least that stands between two sockets.
pub fn copy(to: SocketAddr) {
    on_one_thread(async move {
        let listener = bind().await;
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::task::spawn_local(async move {
                let mut server = tokio::net::TcpStream::connect(to).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
}
