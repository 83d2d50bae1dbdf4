//! A compressed capture, decompressed into a temporary file as far as it is read, so that its lines can be read again.

use super::spool::unpacking_file;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

/// How much is decompressed at once, counted before decompression.
const STEP: usize = 128 << 10;

pub(super) struct Inflater {
    packed: File,
    /// How much of it has been decompressed.
    position: u64,
    decoder: Decoder<'static>,
    /// The next byte begins a frame.
    between_frames: bool,
    content: Arc<File>,
    inflated: u64,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Inflater {
    pub fn new(packed: File) -> io::Result<Self> {
        Ok(Self {
            packed,
            position: 0,
            decoder: Decoder::new()?,
            between_frames: true,
            content: Arc::new(unpacking_file()?),
            inflated: 0,
        })
    }

    pub fn packed(&self) -> &File {
        &self.packed
    }

    pub fn content(&self) -> &Arc<File> {
        &self.content
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    /// Decompresses the next part; whether there was any. A frame that is not complete yet gives what is there.
    pub fn more(&mut self) -> io::Result<bool> {
        let mut packed = vec![0; STEP];
        let read = self.packed.read_at(&mut packed, self.position)?;
        let mut input = InBuffer::around(&packed[..read]);
        let mut room = vec![0; STEP];
        loop {
            if std::mem::take(&mut self.between_frames) {
                self.decoder.reinit()?;
            }
            let mut output = OutBuffer::around(&mut room[..]);
            let hint = self.decoder.run(&mut input, &mut output)?;
            let inflated = output.pos();
            self.content
                .write_all_at(&room[..inflated], self.inflated)?;
            self.inflated += inflated as u64;
            self.between_frames = hint == 0;
            // A full room may have more behind it.
            if input.pos() == read && inflated < room.len() {
                break;
            }
        }
        self.position += read as u64;
        Ok(read > 0)
    }
}
