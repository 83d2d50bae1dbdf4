//! The one cursor over a capture, finished or growing, plain or compressed.

use super::bare::{self, Bare};
use super::inflate::Inflater;
use super::lines::{Line, Lines, Source};
use super::parse::{self, Parser};
use super::record::{Encoding, Header, Location, Record};
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A first line that is longer is no header.
const LONGEST_HEADER: usize = 16 << 20;
/// More than any message takes. A file, which may be anybody's, cannot fill the memory with one line.
const LONGEST_RECORD: usize = 256 << 20;
/// For [`Reader::pass_over`], where the recording is our own: as far as a [`Location`] reaches.
pub const ANY_LENGTH: usize = u32::MAX as usize;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The newest format that this version reads.
const FORMAT: u32 = 1;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot open capture {path}: {source}")]
    Open {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot read capture: {0}")]
    Read(#[from] std::io::Error),
    #[error("{path} is not a capture: {reason}")]
    NotACapture { path: PathBuf, reason: String },
}

/// Reads records in order. At the end of a growing file [`Reader::read`] returns 0 and may be called again later.
#[derive(Debug)]
pub struct Reader {
    lines: Lines,
    format: Format,
    header: Header,
}

/// What the lines are.
#[derive(Debug)]
enum Format {
    Capture(Parser),
    /// Messages and nothing else.
    Bare(Bare),
}

impl Reader {
    /// Opens from the start. A compressed capture, whatever its name, is decompressed into a nameless temporary file
    /// as it is read.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::open_at(path, 0)
    }

    /// Opens a capture, or a file of bare messages, for somebody to look at.
    pub fn open_to_show(path: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Open {
            path: path.to_owned(),
            source,
        };
        let refused = match Self::open(path) {
            Err(refused @ ReadError::NotACapture { .. }) if path.is_file() => refused,
            opened => return opened,
        };
        let lines = |longest| io::Result::Ok(Lines::new(source(File::open(path)?)?, longest));
        let mut first = lines(LONGEST_HEADER).map_err(failed)?;
        let is_bare = loop {
            match first.next().map_err(failed)? {
                Some(line) => match first.text(&line) {
                    Some(text) if bare::is_blank(text) => {}
                    text => break text.is_some_and(bare::is_message),
                },
                None => break first.rest(bare::is_message).map_err(failed)?.is_some(),
            }
        };
        if !is_bare {
            return Err(refused);
        }
        Ok(Self {
            lines: lines(LONGEST_RECORD).map_err(failed)?,
            format: Format::Bare(Bare::default()),
            header: bare::header(path),
        })
    }

    /// Opens at the first record that begins at `offset` or after it, in the uncompressed file; the header is read all
    /// the same. Damaged lines are then numbered as if that record came right after the header.
    pub fn open_at(path: &Path, offset: u64) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Open {
            path: path.to_owned(),
            source,
        };
        let no_capture = |reason| ReadError::NotACapture {
            path: path.to_owned(),
            reason,
        };
        // A pipe has no second reading; opening one could wait for ever.
        if !path.metadata().map_err(failed)?.is_file() {
            return Err(no_capture("it is not a regular file".into()));
        }
        let file = File::open(path).map_err(failed)?;
        let mut lines = Lines::new(source(file).map_err(failed)?, LONGEST_HEADER);
        let Some(line) = lines.next().map_err(failed)? else {
            return Err(no_capture("it has no complete first line".into()));
        };
        let header = header(lines.text(&line)).map_err(no_capture)?;
        lines.longest = LONGEST_RECORD;
        lines.skip_to(offset).map_err(failed)?;
        Ok(Self {
            lines,
            format: Format::Capture(Parser::default()),
            header,
        })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Lines from this length on are not read, and told of as damaged ones; unless told otherwise, those that are longer
    /// than any message.
    pub fn pass_over(mut self, longest: usize) -> Self {
        self.lines.longest = longest;
        self
    }

    /// Hands at most `limit` complete records to `each`; how many there were. A torn last line stays unread.
    pub fn read(
        &mut self,
        limit: usize,
        mut each: impl FnMut(Record<'_>),
    ) -> Result<usize, ReadError> {
        let mut count = 0;
        while count < limit {
            let line = match self.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                // What was handed out has been read; the error comes again.
                Err(_) if count > 0 => break,
                Err(error) => return Err(error.into()),
            };
            let record = match self.lines.text(&line) {
                Some(text) if bare::is_blank(text) => continue,
                Some(text) => match &mut self.format {
                    Format::Capture(parser) => parser.read(text, line.offset, line.number),
                    Format::Bare(bare) => bare.read(text, line.offset, line.number),
                },
                None => {
                    let location = Location {
                        line: line.offset,
                        ..Location::default()
                    };
                    let reason = format!("{} bytes are too many for one record", line.length);
                    parse::damaged(location, line.number, reason)
                }
            };
            each(record);
            count += 1;
        }
        Ok(count)
    }

    /// A recorder ends each line; others may not end the last one.
    fn next_line(&mut self) -> io::Result<Option<Line>> {
        match (self.lines.next()?, &self.format) {
            (None, Format::Bare(_)) => self.lines.rest(bare::is_message),
            (line, _) => Ok(line),
        }
    }

    /// Bytes read so far and bytes there are now (of the file as stored), for a progress display.
    pub fn progress(&self) -> (u64, u64) {
        self.lines.progress()
    }

    /// Bytes of a last line that is not complete, when everything before it has been read.
    pub fn torn(&self) -> Result<u64, ReadError> {
        Ok(self.lines.torn()?)
    }

    /// Random access to payloads that this reader has passed; independent of the cursor, usable from another thread.
    pub fn bodies(&self) -> Result<Bodies, ReadError> {
        Ok(Bodies {
            content: Arc::clone(self.lines.content()),
        })
    }
}

fn source(file: File) -> io::Result<Source> {
    Ok(match is_packed(&file)? {
        true => Source::Packed(Inflater::new(file)?),
        false => Source::Plain(Arc::new(file)),
    })
}

pub(super) fn is_packed(file: &File) -> io::Result<bool> {
    let mut magic = [0; 4];
    match file.read_exact_at(&mut magic, 0) {
        // Too short for either; the first line will tell.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| magic == ZSTD_MAGIC),
    }
}

pub(super) fn header(line: Option<&[u8]>) -> Result<Header, String> {
    let header = line.and_then(|line| serde_json::from_slice::<Header>(line).ok());
    match header {
        None | Some(Header { capture: 0, .. }) => Err("its first line is not a header".into()),
        Some(header) if header.capture > FORMAT => Err(format!(
            "a newer version wrote it (format {}, this version reads {FORMAT})",
            header.capture
        )),
        Some(header) => Ok(header),
    }
}

/// Reads one line of a capture that was fetched by itself.
pub fn line(line: &[u8]) -> Record<'_> {
    parse::Parser::default().read(line, 0, 0)
}

/// Reads payloads back by location.
#[derive(Debug, Clone)]
pub struct Bodies {
    content: Arc<File>,
}

impl Bodies {
    /// The payload's bytes, decoded: what was on the wire.
    pub fn fetch(&self, location: Location) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; location.len as usize];
        let start = location.line + u64::from(location.start);
        self.content.read_exact_at(&mut bytes, start)?;
        if location.encoding == Encoding::Verbatim {
            return Ok(bytes);
        }
        parse::decode(&bytes, location.encoding)
            .map(Cow::into_owned)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData).into())
    }

    /// The whole line that a payload stands in, line feed included, as the capture has it.
    pub fn line(&self, location: Location) -> Result<Vec<u8>, ReadError> {
        let mut line = Vec::new();
        let known = (location.start + location.len) as usize;
        let mut room = known.max(256);
        loop {
            let start = line.len();
            line.resize(start + room, 0);
            let read = self
                .content
                .read_at(&mut line[start..], location.line + start as u64)?;
            line.truncate(start + read);
            if let Some(end) = memchr::memchr(b'\n', &line[start..]) {
                line.truncate(start + end + 1);
                return Ok(line);
            }
            if read == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            room = 256;
        }
    }
}

#[cfg(test)]
mod tests;
