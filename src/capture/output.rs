//! The bytes on their way into the capture file, plain or compressed.
//!
//! What could not be written stays here and is written first when writing works again, from the byte where it
//! stopped: so the file never holds a torn line with another one after it, and nothing has to be taken back.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, Write};
use zstd::stream::raw::{Encoder, InBuffer, Operation, OutBuffer};

/// The tail keeps at most this much memory when there is nothing to do.
const KEEP: usize = 64 << 10;

/// Bytes in order: a tail that grows, and large pieces before it that were never copied.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    pieces: VecDeque<Bytes>,
    pieces_len: usize,
    tail: Vec<u8>,
    /// How much of the tail has been written.
    sent: usize,
}

impl Buffer {
    /// Where text is appended.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Appends bytes without copying them.
    pub fn splice(&mut self, bytes: Bytes) {
        let mut tail = Bytes::from(std::mem::take(&mut self.tail));
        tail.advance(std::mem::take(&mut self.sent));
        self.pieces_len += tail.len() + bytes.len();
        self.pieces.extend([tail, bytes]);
    }

    pub fn len(&self) -> usize {
        self.pieces_len + self.tail.len() - self.sent
    }

    /// Gives back memory that only a burst needs.
    pub fn slim(&mut self) {
        self.tail.shrink_to(KEEP);
    }

    /// Writes everything. After an error, what was not written is still here.
    pub fn write_to(&mut self, to: &mut impl Write) -> io::Result<()> {
        while let Some(piece) = self.pieces.front_mut() {
            if piece.is_empty() {
                self.pieces.pop_front();
                continue;
            }
            let written = write_some(to, piece)?;
            piece.advance(written);
            self.pieces_len -= written;
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

    /// Writes all lines so that a follower can read them. After an error, what was not written is still here.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.compressor {
            None => self.lines.write_to(&mut self.file),
            Some(compressor) => {
                compressor.take(&mut self.lines)?;
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

    /// Compresses all lines, up to a block end.
    fn take(&mut self, lines: &mut Buffer) -> io::Result<()> {
        if lines.len() == 0 {
            return Ok(());
        }
        lines.write_to(self)?;
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

impl Write for Compressor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut input = InBuffer::around(bytes);
        self.drive(|encoder, out| {
            encoder.run(&mut input, out)?;
            Ok(bytes.len() - input.pos())
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, three at a time, and then none.
    struct Small {
        room: usize,
        taken: Vec<u8>,
    }

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let some = bytes.len().min(3).min(self.room);
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
        for room in 0..=20 {
            let mut small = Small {
                room,
                taken: Vec::new(),
            };
            let mut buffer = Buffer::default();
            buffer.tail().extend_from_slice(b"one ");
            buffer.splice(Bytes::from_static(b"two "));
            buffer.tail().extend_from_slice(b"three ");
            assert_eq!(buffer.len(), 14);
            let refused = buffer.write_to(&mut small).is_err();
            assert_eq!(refused, room < 14);
            assert_eq!(buffer.len(), 14_usize.saturating_sub(room));
            buffer.tail().extend_from_slice(b"four ");
            buffer.splice(Bytes::from_static(b"five"));
            small.room = usize::MAX;
            buffer.write_to(&mut small).unwrap();
            assert_eq!(small.taken, b"one two three four five");
            assert_eq!(buffer.len(), 0);
        }
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
