//! The bytes on their way into the capture file, plain or compressed.
//!
//! What could not be written stays here and is written first when writing works again, from the byte where it
//! stopped: so the file never holds a torn line with another one after it, and nothing has to be taken back.

use super::spool::Passage;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, Write};
use zstd::stream::raw::{Encoder, InBuffer, Operation, OutBuffer};

/// Compressed bytes are written when there are this many of them, at the latest.
const CHUNK: usize = 256 << 10;
/// The tail keeps at most this much memory when there is nothing to do.
const KEEP: usize = 64 << 10;

/// Bytes in order: a tail that grows, and large pieces before it that were never copied.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    pieces: VecDeque<Piece>,
    pieces_len: u64,
    tail: Vec<u8>,
    /// How much of the tail has been written.
    sent: usize,
}

#[derive(Debug)]
enum Piece {
    Here(Bytes),
    Spooled(Passage),
}

impl Buffer {
    /// Where text is appended.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Appends bytes without copying them.
    pub fn splice(&mut self, bytes: Bytes) {
        self.pieces_len += bytes.len() as u64;
        self.add(Piece::Here(bytes));
    }

    /// Appends bytes that are in a file, and stay there until they are written.
    pub fn refer(&mut self, passage: Passage) {
        self.pieces_len += passage.len();
        self.add(Piece::Spooled(passage));
    }

    fn add(&mut self, piece: Piece) {
        let mut tail = Bytes::from(std::mem::take(&mut self.tail));
        tail.advance(std::mem::take(&mut self.sent));
        self.pieces_len += tail.len() as u64;
        self.pieces.extend([Piece::Here(tail), piece]);
    }

    pub fn len(&self) -> u64 {
        self.pieces_len + (self.tail.len() - self.sent) as u64
    }

    /// Gives back memory that only a burst needs.
    pub fn slim(&mut self) {
        self.tail.shrink_to(KEEP);
    }

    /// How many lines have an end that was not written.
    fn line_ends(&self) -> usize {
        let in_pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Here(bytes) => memchr::memchr_iter(b'\n', bytes).count(),
            // However it is spelled.
            Piece::Spooled(_) => 0,
        });
        in_pieces.sum::<usize>() + memchr::memchr_iter(b'\n', &self.tail[self.sent..]).count()
    }

    /// Writes everything. After an error, what was not written is still here.
    pub fn write_to(&mut self, to: &mut impl Write) -> io::Result<()> {
        while let Some(piece) = self.pieces.front_mut() {
            match piece {
                Piece::Here(bytes) if !bytes.is_empty() => {
                    let written = write_some(to, bytes)?;
                    bytes.advance(written);
                    self.pieces_len -= written as u64;
                }
                Piece::Spooled(passage) if passage.len() > 0 => {
                    let before = passage.len();
                    let part = passage.next()?;
                    self.pieces_len -= before - passage.len();
                    self.pieces_len += part.len() as u64;
                    self.pieces.push_front(Piece::Here(part));
                }
                Piece::Here(_) | Piece::Spooled(_) => drop(self.pieces.pop_front()),
            }
        }
        while self.sent < self.tail.len() {
            self.sent += write_some(to, &self.tail[self.sent..])?;
        }
        self.tail.clear();
        self.sent = 0;
        Ok(())
    }
}

fn write_some(to: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match to.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The file, and what is on its way there.
pub(super) struct Output<W> {
    file: Counting<W>,
    lines: Buffer,
    compressor: Option<Compressor>,
}

impl<W: Write> Output<W> {
    pub fn new(file: W, compress: bool) -> io::Result<Self> {
        Ok(Self {
            file: Counting { file, bytes: 0 },
            lines: Buffer::default(),
            compressor: compress.then(Compressor::new).transpose()?,
        })
    }

    /// Where lines are appended.
    pub fn lines(&mut self) -> &mut Buffer {
        &mut self.lines
    }

    /// Bytes the file has taken.
    pub fn written(&self) -> u64 {
        self.file.bytes
    }

    /// How many of the lines are not in the file, not wholly at least; of a compressed one nobody knows.
    pub fn lines_left(&self) -> Option<u64> {
        let is_plain = self.compressor.is_none();
        is_plain.then(|| self.lines.line_ends() as u64)
    }

    /// Writes all lines so that a follower can read them. After an error, what was not written is still here.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.compressor {
            None => self.lines.write_to(&mut self.file),
            Some(compressor) => {
                compressor.take(&mut self.lines, &mut self.file)?;
                compressor.packed.write_to(&mut self.file)
            }
        }
    }

    /// Writes all lines and what the end of the file needs.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        if let Some(mut compressor) = self.compressor.take() {
            compressor.end()?;
            compressor.packed.write_to(&mut self.file)?;
        }
        Ok(())
    }
}

struct Counting<W> {
    file: W,
    bytes: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// One zstd frame for the whole file, with a block end after each batch.
struct Compressor {
    encoder: Encoder<'static>,
    packed: Buffer,
}

impl Compressor {
    fn new() -> io::Result<Self> {
        Ok(Self {
            encoder: Encoder::new(zstd::DEFAULT_COMPRESSION_LEVEL)?,
            packed: Buffer::default(),
        })
    }

    /// Compresses all lines, up to a block end. What is too much to hold is written at once.
    fn take(&mut self, lines: &mut Buffer, file: &mut impl Write) -> io::Result<()> {
        if lines.len() == 0 {
            return Ok(());
        }
        let compressor = &mut *self;
        lines.write_to(&mut Compressing { compressor, file })?;
        self.drive(|encoder, out| encoder.flush(out))
    }

    fn end(&mut self) -> io::Result<()> {
        self.drive(|encoder, out| encoder.finish(out, true))
    }

    /// Repeats a step that says how much is left to come out, until nothing is.
    fn drive(
        &mut self,
        mut step: impl FnMut(&mut Encoder<'static>, &mut OutBuffer<'_, [u8]>) -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut room = [0; 16 << 10];
        loop {
            let mut out = OutBuffer::around(&mut room[..]);
            let left = step(&mut self.encoder, &mut out)?;
            let packed = out.pos();
            self.packed.tail().extend_from_slice(&room[..packed]);
            if left == 0 {
                return Ok(());
            }
        }
    }
}

/// Takes bytes as long as the file takes what becomes of them.
struct Compressing<'a, W> {
    compressor: &'a mut Compressor,
    file: &'a mut W,
}

impl<W: Write> Write for Compressing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.compressor.packed.len() >= CHUNK as u64 {
            self.compressor.packed.write_to(self.file)?;
        }
        let some = &bytes[..bytes.len().min(CHUNK)];
        let mut input = InBuffer::around(some);
        self.compressor.drive(|encoder, out| {
            encoder.run(&mut input, out)?;
            Ok(some.len() - input.pos())
        })?;
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::spool::{Spelling, Spool};

    /// Takes `room` bytes, some at a time, and then none.
    struct Small {
        room: usize,
        most: usize,
        taken: Vec<u8>,
    }

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let some = bytes.len().min(self.most).min(self.room);
            if some == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= some;
            self.taken.extend_from_slice(&bytes[..some]);
            Ok(some)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_full_disk_refused_is_written_from_where_it_stopped() {
        let directory = tempfile::tempdir().unwrap();
        for room in 0..=30 {
            let mut small = Small {
                room,
                most: 3,
                taken: Vec::new(),
            };
            let mut buffer = Buffer::default();
            buffer.tail().extend_from_slice(b"one ");
            buffer.splice(Bytes::from_static(b"two "));
            let spool = Spool::begin(directory.path(), b"thr\0e ");
            let spooled = spool.finish().unwrap();
            buffer.refer(spooled.passage(Spelling::Escaped));
            buffer.tail().extend_from_slice(b"four ");
            assert_eq!(buffer.len(), 19);
            let refused = buffer.write_to(&mut small).is_err();
            assert_eq!(refused, room < 24);
            // What has not been looked at yet counts as it is, before it is escaped.
            let left = 24_u64.saturating_sub(room as u64);
            assert_eq!(buffer.len(), if room < 8 { left - 5 } else { left });
            buffer.tail().extend_from_slice(b"five ");
            buffer.splice(Bytes::from_static(b"six"));
            small.room = usize::MAX;
            buffer.write_to(&mut small).unwrap();
            assert_eq!(small.taken, b"one two thr\\u0000e four five six");
            assert_eq!(buffer.len(), 0);
        }
    }

    #[test]
    fn compressing_stops_while_the_file_refuses_and_loses_nothing() {
        // Does not get smaller.
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        });
        let noise: Vec<u8> = noise.take(8 * CHUNK).collect();
        let room = 2 * CHUNK;
        let small = Small {
            room,
            taken: Vec::new(),
            most: usize::MAX,
        };
        let mut output = Output::new(small, true).unwrap();
        output.lines().splice(Bytes::from(noise.clone()));
        for _ in 0..3 {
            output.flush().unwrap_err();
            let packed = output.compressor.as_ref().unwrap().packed.len();
            assert!(packed < 3 * CHUNK as u64, "{packed}");
        }
        output.file.file.room = usize::MAX;
        output.finish().unwrap();
        let taken = &output.file.file.taken;
        assert!(zstd::decode_all(&taken[..]).unwrap() == noise);
    }

    #[test]
    fn every_flush_of_a_compressed_output_can_be_read() {
        let mut output = Output::new(Vec::new(), true).unwrap();
        let mut expected = Vec::new();
        for batch in 0..50 {
            let line = format!("batch {batch} {}\n", "x".repeat(batch * 997));
            expected.extend_from_slice(line.as_bytes());
            output.lines().tail().extend_from_slice(line.as_bytes());
            output.flush().unwrap();
            let mut read = Vec::new();
            let mut decoder = zstd::stream::read::Decoder::new(&output.file.file[..]).unwrap();
            let _ends_early = io::copy(&mut decoder, &mut read);
            assert_eq!(read, expected);
        }
        output.finish().unwrap();
        assert_eq!(output.written(), output.file.file.len() as u64);
        assert_eq!(zstd::decode_all(&output.file.file[..]).unwrap(), expected);
    }
}
