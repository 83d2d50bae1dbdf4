//! The one cursor over a capture, finished or growing, plain or compressed.

use super::bare::{self, Bare};
use super::inflate::Inflater;
use super::lines::{Line, Lines, Source};
use super::parse::{self, Parser, Sequence};
use super::record::{Encoding, Header, Location, Payload, Record};
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
/// So many lines are looked at for a record, where the first is none.
const FIRST_LINES: usize = 100;
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
    #[error("the capture is unreadable from byte {at} of {of} on: {source}")]
    Broken {
        at: u64,
        of: u64,
        source: std::io::Error,
    },
    #[error("{path} is not a capture: {reason}")]
    NotACapture { path: PathBuf, reason: String },
}

/// Of a capture whose header nobody has written yet, or not to its end.
const UNBEGUN: &str = "it has no complete first line";

impl ReadError {
    /// Whether it may become a capture, if somebody writes it.
    pub fn is_unbegun(&self) -> bool {
        matches!(self, Self::NotACapture { reason, .. } if reason == UNBEGUN)
    }
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
    Capture(Parser, Sequence),
    /// Records of a capture that were chosen by somebody.
    Part(Parser),
    /// Messages and nothing else.
    Bare(Bare),
}

impl Reader {
    /// Opens from the start. A compressed capture, whatever its name, is decompressed into a nameless temporary file
    /// as it is read.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::open_at(path, 0)
    }

    /// Opens a capture, a part of one, or a file of bare messages, for somebody to look at.
    pub fn open_to_show(path: &Path) -> Result<Self, ReadError> {
        let refused = match Self::open(path) {
            Err(refused @ ReadError::NotACapture { .. }) if path.is_file() => refused,
            opened => return opened,
        };
        let failed = |source| ReadError::Open {
            path: path.to_owned(),
            source,
        };
        let lines = |longest| io::Result::Ok(Lines::new(source(File::open(path)?)?, longest));
        let mut lines_read = lines(LONGEST_HEADER).map_err(failed)?;
        let Some(beginning) = beginning(&mut lines_read).map_err(failed)? else {
            return Err(refused);
        };
        let (lines, format, header) = match beginning {
            Beginning::Header(header) => {
                lines_read.longest = LONGEST_RECORD;
                let format = Format::Capture(Parser::default(), Sequence::default());
                (lines_read, format, *header)
            }
            Beginning::Record | Beginning::Message => {
                let is_part = matches!(beginning, Beginning::Record);
                let format = match is_part {
                    true => Format::Part(Parser::default()),
                    false => Format::Bare(Bare::default()),
                };
                let header = Header {
                    bare: !is_part,
                    part: is_part,
                    ..bare::header(path)
                };
                (lines(LONGEST_RECORD).map_err(failed)?, format, header)
            }
        };
        Ok(Self {
            lines,
            format,
            header,
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
            return Err(no_capture(UNBEGUN.into()));
        };
        let header = header(lines.text(&line)).map_err(no_capture)?;
        lines.longest = LONGEST_RECORD;
        lines.skip_to(offset).map_err(failed)?;
        Ok(Self {
            lines,
            format: Format::Capture(Parser::default(), Sequence::default()),
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

    /// Hands at most `limit` complete records to `each`, and what is missing before one of them; how many there were. A
    /// torn last line stays unread.
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
                Err(source) => {
                    let (at, of) = self.progress();
                    return Err(ReadError::Broken { at, of, source });
                }
            };
            let record = match self.lines.text(&line) {
                Some(text) if bare::is_blank(text) => continue,
                Some(text) => match &mut self.format {
                    Format::Capture(parser, _) => parser.read(text, line.offset, line.number),
                    Format::Part(parser) => {
                        let unmarked = bare::without_mark(text);
                        let mark = (text.len() - unmarked.len()) as u64;
                        parser.read(unmarked, line.offset + mark, line.number)
                    }
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
            if let Format::Capture(_, sequence) = &mut self.format
                && let Some(missing) =
                    sequence.missing_before(&record, || parse::seq(self.lines.ahead()))
            {
                each(missing);
                count += 1;
            }
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

/// What a file that is no capture from its first byte on begins with.
enum Beginning {
    /// Behind a byte order mark.
    Header(Box<Header>),
    /// Of a capture, the header of which is missing or damaged.
    Record,
    Message,
}

/// Looked for in the first lines: one that nobody can read does not hide those behind it.
fn beginning(lines: &mut Lines) -> io::Result<Option<Beginning>> {
    let mut looked_at = 0;
    while looked_at < FIRST_LINES {
        let Some(line) = lines.next()? else {
            let message = lines.rest(bare::is_message)?;
            return Ok(message
                .filter(|_| looked_at == 0)
                .map(|_| Beginning::Message));
        };
        let text = bare::without_mark(lines.text(&line).unwrap_or_default());
        if bare::is_blank(text) && looked_at == 0 {
            continue;
        }
        let is_first = looked_at == 0;
        looked_at += 1;
        match serde_json::from_slice::<Header>(text) {
            Ok(newer) if is_first && newer.capture > FORMAT => return Ok(None),
            Ok(header) if is_first && header.capture > 0 => {
                return Ok(Some(Beginning::Header(Box::new(header))));
            }
            _ => {}
        }
        if is_first && bare::is_message(text) {
            return Ok(Some(Beginning::Message));
        }
        let record = Parser::default().read(text, line.offset, line.number);
        if !matches!(record.payload, Payload::Damaged { .. } | Payload::Unknown) {
            return Ok(Some(Beginning::Record));
        }
    }
    Ok(None)
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
