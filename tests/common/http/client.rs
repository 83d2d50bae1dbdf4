//! A client that sends what it is told, byte for byte.

use super::sse::{Event, Events};
use super::wire::{self, Head, Reader, Writer};
use super::within;
use std::io::Result;
use std::net::SocketAddr;
use tokio::net::{TcpSocket, TcpStream};

/// One connection. Reader and writer can be taken apart where both are needed at once.
#[derive(Debug)]
pub struct Client {
    pub reader: Reader,
    pub writer: Writer,
    address: SocketAddr,
    events: Events,
}

/// A whole response.
#[derive(Debug, Clone)]
pub struct Answer {
    pub head: Head,
    /// Without its chunks' sizes.
    pub body: Vec<u8>,
    /// With them.
    pub raw: Vec<u8>,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The JSON that it is; of a stream of events, the only one that has any.
    pub fn json(&self) -> serde_json::Value {
        if self.head.get("content-type") == Some("text/event-stream") {
            let has_data = |it: &Event| it.data.as_ref().is_some_and(|it| !it.is_empty());
            let mut all = self.events().into_iter().filter(has_data);
            let (only, none) = (all.next(), all.next());
            assert_eq!(none, None, "{:?}", self.text());
            return only.expect("an event with data").json();
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{:?}", self.text()))
    }

    pub fn events(&self) -> Vec<Event> {
        Events::of(&self.body)
    }
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let connection = within("a connection", TcpStream::connect(address)).await;
        Self::on(address, connection.unwrap())
    }

    /// A connection on which the system takes only about so many bytes before they are read.
    pub async fn connect_taking(address: SocketAddr, bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(bytes).unwrap();
        let connection = within("a connection", socket.connect(address)).await;
        Self::on(address, connection.unwrap())
    }

    fn on(address: SocketAddr, connection: TcpStream) -> Self {
        let (reader, writer) = wire::split(connection);
        Self {
            reader,
            writer,
            address,
            events: Events::default(),
        }
    }

    /// One request on a connection of its own, answered whole.
    pub async fn ask(
        address: SocketAddr,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let mut client = Self::connect(address).await;
        client.request(method, target, headers, body).await.unwrap();
        client.answer().await
    }

    /// A POST of a JSON body, with what an MCP client says of itself; `headers` come after.
    pub async fn post(
        address: SocketAddr,
        target: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let headers = [
            &[
                ("content-type", "application/json"),
                ("accept", "application/json, text/event-stream"),
            ],
            headers,
        ]
        .concat();
        Self::ask(address, "POST", target, &headers, body).await
    }

    /// Exactly these bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.writer.send(bytes).await
    }

    /// A request with `Host`, the headers, and the length of the body if it has one.
    pub async fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Result<()> {
        let (host, length) = (self.address.to_string(), body.as_ref().len().to_string());
        let mut all = vec![("Host", host.as_str())];
        all.extend(headers);
        if length != "0" {
            all.push(("Content-Length", &length));
        }
        let mut request = wire::head(&format!("{method} {target} HTTP/1.1"), &all);
        request.extend(body.as_ref());
        self.send(request).await
    }

    /// The head of the response, as soon as it is here.
    pub async fn head(&mut self) -> Head {
        let head = within("the head of a response", self.reader.head()).await;
        head.unwrap().expect("a response and no hang-up")
    }

    /// The next piece of the body; an error when it was broken off.
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>> {
        within("a piece of a body", self.reader.piece()).await
    }

    /// Everything else of the body; an error when it was broken off.
    pub async fn rest(&mut self) -> Result<Vec<u8>> {
        within("the end of a body", self.reader.rest()).await
    }

    /// The next server-sent event, as soon as its blank line is here.
    pub async fn event(&mut self) -> Result<Option<Event>> {
        within("an event", self.events.next(&mut self.reader)).await
    }

    /// Head and body of a response that is not broken off.
    pub async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let body = self.rest().await.unwrap();
        let raw = self.reader.raw().to_vec();
        Answer { head, body, raw }
    }

    /// Waits until the other side hangs up; true if it did so in an orderly way.
    pub async fn gone(&mut self) -> bool {
        within("the other side hangs up", self.reader.gone()).await
    }

    /// Hangs up as a process that dies does. (To hang up politely, drop it.)
    pub fn reset(self) {
        wire::reset(self.reader, self.writer);
    }
}
