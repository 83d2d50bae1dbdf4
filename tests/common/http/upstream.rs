//! A server that answers each request as the test says.

use super::wire::{self, Head, Reader, Writer};
use super::within;
use std::io::Result;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpSocket;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// Listens on loopback until it is dropped.
pub struct Upstream {
    pub address: SocketAddr,
    log: Arc<Log>,
    _serving: JoinSet<()>,
}

/// One request, as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The connection that brought it; the first is 0.
    pub connection: usize,
    pub head: Head,
    /// Without the chunks' sizes.
    pub body: Vec<u8>,
    /// With them; empty until it is whole.
    pub raw: Vec<u8>,
    /// Whether the body was read to its end.
    pub whole: bool,
}

impl Seen {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{:?}", self.text()))
    }
}

#[derive(Default)]
struct Log {
    seen: Mutex<Vec<Seen>>,
    changed: watch::Sender<()>,
}

impl Log {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap()
    }

    fn change(&self, number: usize, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen()[number]);
        self.changed.send_replace(());
    }
}

/// A port where nobody listens, and that nobody else gets.
pub fn unheard() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket
}

impl Upstream {
    /// The script is called for every request, once its head is here, and answers it through the call. A keep-alive
    /// connection goes on when the call is dropped.
    pub async fn start<F, R>(script: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Self::on(unheard(), script).await
    }

    /// On a socket that is bound.
    pub async fn on<F, R>(socket: TcpSocket, script: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        // A crowd may come at once.
        let listener = socket.listen(4096).unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let mut serving = JoinSet::new();
        let (script, shared) = (Arc::new(script), log.clone());
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, log) = (script.clone(), shared.clone());
                connections.spawn(async move {
                    let (reader, writer) = wire::split(stream);
                    let connection = Connection {
                        number,
                        reader,
                        writer,
                        log,
                    };
                    connection.serve(&*script).await;
                });
            }
        });
        Self {
            address,
            log,
            _serving: serving,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request so far, in the order of their heads.
    pub fn seen(&self) -> Vec<Seen> {
        self.log.seen().clone()
    }

    /// The request of that number (the first is 0), once it is here whole.
    pub async fn request(&self, number: usize) -> Seen {
        self.wait(&format!("request {number}"), |seen| {
            seen.get(number).filter(|it| it.whole).cloned()
        })
        .await
    }

    /// What `found` finds among the requests, as soon as it does.
    pub async fn wait<T>(&self, what: &str, found: impl Fn(&[Seen]) -> Option<T>) -> T {
        let mut changes = self.log.changed.subscribe();
        let finding = async {
            loop {
                if let Some(found) = found(&self.log.seen()) {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        within(what, finding).await
    }
}

struct Connection {
    number: usize,
    reader: Reader,
    writer: Writer,
    log: Arc<Log>,
}

impl Connection {
    async fn serve<R: Future<Output = ()>>(mut self, script: &impl Fn(Call) -> R) {
        while let Ok(Some(head)) = self.reader.head().await {
            let (log, connection) = (self.log.clone(), self.number);
            let request = {
                let mut seen = log.seen();
                seen.push(Seen {
                    connection,
                    head: head.clone(),
                    body: Vec::new(),
                    raw: Vec::new(),
                    whole: !self.reader.has_body(),
                });
                seen.len() - 1
            };
            log.changed.send_replace(());
            let (back, given_back) = oneshot::channel();
            script(Call {
                head,
                request,
                connection: Some(self),
                back: Some(back),
            })
            .await;
            match given_back.await {
                Ok(connection) => self = connection,
                Err(_) => return,
            }
            while !log.seen()[request].whole {
                if self.piece(request).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn piece(&mut self, request: usize) -> Result<Option<Vec<u8>>> {
        let piece = self.reader.piece().await?;
        self.log.change(request, |seen| match &piece {
            Some(piece) => seen.body.extend(piece),
            None => {
                seen.raw = self.reader.raw().to_vec();
                seen.whole = true;
            }
        });
        Ok(piece)
    }
}

/// A request to be answered.
pub struct Call {
    pub head: Head,
    /// Its number among all requests; the first is 0.
    pub request: usize,
    connection: Option<Connection>,
    back: Option<oneshot::Sender<Connection>>,
}

impl Call {
    fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("not hung up")
    }

    /// The next piece of the request's body, as it comes; an error when it is broken off.
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>> {
        let request = self.request;
        self.connection().piece(request).await
    }

    /// Everything else of the request's body; empty when it is broken off.
    pub async fn body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while let Ok(Some(piece)) = self.piece().await {
            body.extend(piece);
        }
        body
    }

    pub async fn json(&mut self) -> serde_json::Value {
        serde_json::from_slice(&self.body().await).unwrap()
    }

    /// Exactly these bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.connection().writer.send(bytes).await
    }

    /// A whole response with its length; `status` is such as `200 OK`.
    pub async fn answer(
        &mut self,
        status: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Result<()> {
        let length = body.as_ref().len().to_string();
        let headers = [headers, &[("Content-Length", length.as_str())]].concat();
        let mut response = wire::head(&format!("HTTP/1.1 {status}"), &headers);
        response.extend(body.as_ref());
        self.send(response).await
    }

    /// A whole 200 with a JSON body.
    pub async fn answer_json(&mut self, body: impl AsRef<[u8]>) -> Result<()> {
        let headers = [("Content-Type", "application/json")];
        self.answer("200 OK", &headers, body).await
    }

    /// The head of a chunked 200 of server-sent events.
    pub async fn open_stream(&mut self, headers: &[(&str, &str)]) -> Result<()> {
        let ours = [
            ("Content-Type", "text/event-stream"),
            ("Transfer-Encoding", "chunked"),
        ];
        self.send(wire::head("HTTP/1.1 200 OK", &[&ours, headers].concat()))
            .await
    }

    /// One chunk of a chunked body.
    pub async fn chunk(&mut self, data: impl AsRef<[u8]>) -> Result<()> {
        self.send(wire::chunk(data)).await
    }

    /// The end of a chunked body.
    pub async fn last_chunk(&mut self) -> Result<()> {
        self.send(wire::chunk("")).await
    }

    /// Says no more on this connection, and still listens.
    pub async fn finish(&mut self) -> Result<()> {
        self.connection().writer.finish().await
    }

    /// Waits until the other side hangs up.
    pub async fn gone(&mut self) {
        self.connection().reader.gone().await;
    }

    /// Hangs up politely, in the middle of whatever was said.
    pub fn hang_up(mut self) {
        self.connection = None;
    }

    /// Hangs up as a process that dies does.
    pub fn reset(mut self) {
        if let Some(connection) = self.connection.take() {
            wire::reset(connection.reader, connection.writer);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // A script that failed hangs up, so that nobody waits for its answer.
        if let (Some(connection), Some(back), false) = (
            self.connection.take(),
            self.back.take(),
            std::thread::panicking(),
        ) {
            let _ = back.send(connection);
        }
    }
}
