//! HTTP/1.1 as bytes: heads as they were written, bodies in the pieces in which they came.

use bytes::BytesMut;
use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Both ways of a connection.
pub fn split(stream: TcpStream) -> (Reader, Writer) {
    stream.set_nodelay(true).unwrap();
    let (reader, writer) = stream.into_split();
    let reader = Reader {
        half: reader,
        buffer: BytesMut::new(),
        left: Left::Nothing,
        raw: Vec::new(),
    };
    (reader, Writer(writer))
}

/// A head in bytes, with its blank line.
pub fn head(first_line: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("{first_line}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    (head + "\r\n").into_bytes()
}

/// One chunk of a chunked body; of nothing, it is the last one.
pub fn chunk(data: impl AsRef<[u8]>) -> Vec<u8> {
    let data = data.as_ref();
    let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
    chunk.extend(data);
    chunk.extend(b"\r\n");
    chunk
}

/// The lines before a body, as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Everything, with the blank line.
    pub raw: Vec<u8>,
    /// The request line or the status line.
    pub line: String,
    /// In their order and case; a byte that is no ASCII is the Latin-1 character of its number.
    pub headers: Vec<(String, String)>,
}

impl Head {
    fn parse(raw: Vec<u8>) -> Self {
        let text: String = raw.iter().map(|byte| char::from(*byte)).collect();
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .map(|line| line.split_once(':').unwrap_or_else(|| panic!("{line:?}")))
            .map(|(name, value)| (name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
            .collect();
        Self { raw, line, headers }
    }

    fn word(&self, at: usize) -> &str {
        self.line.split(' ').nth(at).unwrap_or_default()
    }

    pub fn method(&self) -> &str {
        self.word(0)
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        self.word(1)
    }

    pub fn status(&self) -> u16 {
        self.word(1).parse().unwrap()
    }

    /// The first of that name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
        let headers = self.headers.iter().filter(same);
        headers.map(|(_, value)| value.as_str()).collect()
    }

    fn is_response(&self) -> bool {
        self.line.starts_with("HTTP/")
    }

    fn body(&self) -> Left {
        let length = self.get("content-length").map(|it| it.parse().unwrap());
        let chunked = self
            .get("transfer-encoding")
            .is_some_and(|it| it.eq_ignore_ascii_case("chunked"));
        match (self.is_response(), chunked, length) {
            (true, ..) if matches!(self.status(), 100..200 | 204 | 304) => Left::Nothing,
            (_, true, _) => Left::Chunks,
            (_, false, Some(length)) => Left::Bytes(length),
            (true, false, None) => Left::Everything,
            (false, false, None) => Left::Nothing,
        }
    }
}

/// How much of a body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Bytes(usize),
    Chunks,
    /// Until the connection ends.
    Everything,
}

/// What the other side says.
#[derive(Debug)]
pub struct Reader {
    half: OwnedReadHalf,
    buffer: BytesMut,
    left: Left,
    raw: Vec<u8>,
}

impl Reader {
    /// The next head; `None` when the connection ended before it. What is left of the body before it must have been read.
    pub async fn head(&mut self) -> Result<Option<Head>> {
        assert_eq!(self.left, Left::Nothing, "the body was not read");
        let end = loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if !self.more().await? {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(ErrorKind::UnexpectedEof.into()),
                };
            }
        };
        let head = Head::parse(self.buffer.split_to(end).to_vec());
        self.left = head.body();
        self.raw.clear();
        Ok(Some(head))
    }

    /// That the message whose head was just read has no body, whatever the head says: it answers `HEAD`.
    pub fn expect_no_body(&mut self) {
        self.left = Left::Nothing;
    }

    pub fn has_body(&self) -> bool {
        !matches!(self.left, Left::Nothing | Left::Bytes(0))
    }

    /// The next piece of the body: a chunk if it is chunked, otherwise what came at once. `None` at its end; an error
    /// when it was broken off.
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>> {
        match self.left {
            Left::Nothing | Left::Bytes(0) => {
                self.left = Left::Nothing;
                Ok(None)
            }
            Left::Bytes(left) => {
                self.at_least(1).await?;
                let piece = self.take(left.min(self.buffer.len()));
                self.left = Left::Bytes(left - piece.len());
                Ok(Some(piece))
            }
            Left::Everything => match self.buffer.is_empty() && !self.more().await? {
                true => {
                    self.left = Left::Nothing;
                    Ok(None)
                }
                false => Ok(Some(self.take(self.buffer.len()))),
            },
            Left::Chunks => self.chunk().await,
        }
    }

    async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let size = self.line().await?;
        let size = size.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16)
            .map_err(|_| Error::new(ErrorKind::InvalidData, format!("a chunk of {size:?}")))?;
        if size == 0 {
            // Trailers.
            while !self.line().await?.is_empty() {}
            self.left = Left::Nothing;
            return Ok(None);
        }
        self.at_least(size + 2).await?;
        let piece = self.take(size);
        assert_eq!(self.take(2), b"\r\n", "after a chunk");
        Ok(Some(piece))
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n") {
                let line = self.take(end + 2);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.at_least(self.buffer.len() + 1).await?;
        }
    }

    /// Everything else of the body.
    pub async fn rest(&mut self) -> Result<Vec<u8>> {
        let mut rest = Vec::new();
        while let Some(piece) = self.piece().await? {
            rest.extend(piece);
        }
        Ok(rest)
    }

    /// The body so far as it was sent, chunks and all.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Reads on until nothing more comes; true if that was an orderly end.
    pub async fn gone(&mut self) -> bool {
        loop {
            self.buffer.clear();
            match self.more().await {
                Ok(true) => {}
                Ok(false) => return true,
                Err(_) => return false,
            }
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let taken = self.buffer.split_to(length).to_vec();
        self.raw.extend(&taken);
        taken
    }

    async fn at_least(&mut self, length: usize) -> Result<()> {
        while self.buffer.len() < length {
            if !self.more().await? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    async fn more(&mut self) -> Result<bool> {
        self.buffer.reserve(1 << 16);
        Ok(self.half.read_buf(&mut self.buffer).await? > 0)
    }
}

/// What we say.
#[derive(Debug)]
pub struct Writer(OwnedWriteHalf);

impl Writer {
    /// Exactly these bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.0.write_all(bytes.as_ref()).await
    }

    /// Says no more, and may still listen.
    pub async fn finish(&mut self) -> Result<()> {
        self.0.shutdown().await
    }
}

/// Ends a connection as a process that dies with unread bytes does.
pub fn reset(reader: Reader, writer: Writer) {
    let stream = reader.half.reunite(writer.0).unwrap();
    stream.set_zero_linger().unwrap();
}
