//! Undoing a content coding, a chunk at a time, for the view only: the peers get what they sent each other.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status, write::MultiGzDecoder};
use std::io::Write as _;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};

/// How much is decompressed at once.
const ROOM: usize = 16 << 10;
/// What every body may become, and how many times larger than it was it may be beyond that.
const ENOUGH: u64 = 64 << 20;
const TIMES: u64 = 16;
/// The window that RFC 8878 asks decoders to bear, and none larger.
const ZSTD_WINDOW_LOG: u32 = 23;

/// What a body is packed with.
pub(super) struct Unpacker {
    name: &'static str,
    coding: Coding,
    packed: u64,
    unpacked: u64,
    /// What came last was an end; for the codings that know theirs.
    ended: bool,
}

enum Coding {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// In zlib's wrapping as the standard has it, or bare as some send it: the first byte tells.
    Deflate(Option<Box<Decompress>>),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    Zstd(Box<Decoder<'static>>),
}

/// What one step took and gave.
struct Step {
    taken: usize,
    given: usize,
    ended: bool,
}

impl Unpacker {
    /// For the value of a `Content-Encoding` header; none for a body that is not packed.
    pub fn of(encoding: &str) -> Result<Option<Self>, String> {
        let (name, coding) = match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => return Ok(None),
            "gzip" | "x-gzip" => (
                "gzip",
                Coding::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            ),
            "deflate" => ("deflate", Coding::Deflate(None)),
            "br" => {
                let alloc = StandardAlloc::default;
                (
                    "br",
                    Coding::Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()))),
                )
            }
            "zstd" => {
                let decoder = Decoder::new().and_then(|mut decoder| {
                    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
                    Ok(decoder)
                });
                let decoder = decoder.map_err(|error| format!("cannot decode zstd: {error}"))?;
                ("zstd", Coding::Zstd(Box::new(decoder)))
            }
            other => return Err(format!("cannot decode the content encoding {other:?}")),
        };
        Ok(Some(Self {
            name,
            coding,
            packed: 0,
            unpacked: 0,
            ended: false,
        }))
    }

    /// Hands on all that the next bytes hold. After an error, which is in words, nothing more can be had.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Bytes)) -> Result<(), String> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.packed += bytes.len() as u64;
        let unpacked = match &mut self.coding {
            Coding::Gzip(_) => self.gunzip(bytes, each),
            _ => self.steps(bytes, &mut each),
        };
        unpacked.map_err(|reason| format!("cannot decode the {} body: {reason}", self.name))
    }

    /// What is wrong when no more bytes come.
    pub fn finish(&mut self) -> Result<(), String> {
        let whole = match &mut self.coding {
            Coding::Gzip(decoder) => decoder.try_finish().is_ok(),
            _ => self.ended,
        };
        if whole || self.packed == 0 {
            return Ok(());
        }
        Err(format!("the {} body ends before its end", self.name))
    }

    fn gunzip(&mut self, mut bytes: &[u8], mut each: impl FnMut(Bytes)) -> Result<(), String> {
        loop {
            let Coding::Gzip(decoder) = &mut self.coding else {
                return Ok(());
            };
            // A write takes what fits into a small buffer; a flush brings out the rest.
            let step = match bytes {
                [] => decoder.flush().map(|()| 0),
                bytes => decoder.write(bytes),
            };
            let given = std::mem::take(decoder.get_mut());
            let last = bytes.is_empty();
            let taken = step.map_err(|error| error.to_string())?;
            if taken == 0 && !last {
                return Err("there is more behind its end".into());
            }
            bytes = &bytes[taken..];
            self.count(given.len())?;
            if !given.is_empty() {
                each(given.into());
            }
            if last {
                return Ok(());
            }
        }
    }

    fn steps(&mut self, mut bytes: &[u8], each: &mut impl FnMut(Bytes)) -> Result<(), String> {
        let mut room = [0; ROOM];
        loop {
            if self.ended && !bytes.is_empty() {
                self.begin_again()?;
            }
            let step = self.step(bytes, &mut room)?;
            self.ended = step.ended;
            bytes = &bytes[step.taken..];
            self.count(step.given)?;
            if step.given > 0 {
                each(Bytes::copy_from_slice(&room[..step.given]));
            }
            let idle = step.taken == 0 && step.given == 0;
            if idle && !bytes.is_empty() {
                return Err("it makes no sense".into());
            }
            if bytes.is_empty() && (step.ended || step.given < ROOM) {
                return Ok(());
            }
        }
    }

    fn step(&mut self, bytes: &[u8], room: &mut [u8]) -> Result<Step, String> {
        match &mut self.coding {
            Coding::Gzip(_) => Err("gzip has no steps".into()),
            Coding::Deflate(state) => inflate(state, bytes, room),
            Coding::Brotli(state) => {
                let (mut left, mut taken) = (bytes.len(), 0);
                let (mut free, mut given, mut total) = (room.len(), 0, 0);
                let result = BrotliDecompressStream(
                    &mut left, &mut taken, bytes, &mut free, &mut given, room, &mut total, state,
                );
                match result {
                    BrotliResult::ResultFailure => Err("it is damaged".into()),
                    result => Ok(Step {
                        taken,
                        given,
                        ended: matches!(result, BrotliResult::ResultSuccess),
                    }),
                }
            }
            Coding::Zstd(decoder) => {
                let mut input = InBuffer::around(bytes);
                let mut output = OutBuffer::around(room);
                let hint = decoder.run(&mut input, &mut output);
                Ok(Step {
                    ended: hint.map_err(|error| error.to_string())? == 0,
                    taken: input.pos(),
                    given: output.pos(),
                })
            }
        }
    }

    /// Only zstd has more frames behind its end.
    fn begin_again(&mut self) -> Result<(), String> {
        match &mut self.coding {
            Coding::Zstd(decoder) => decoder.reinit().map_err(|error| error.to_string()),
            _ => Err("there is more behind its end".into()),
        }
    }

    /// A few bytes can become more than any memory holds.
    fn count(&mut self, given: usize) -> Result<(), String> {
        self.unpacked += given as u64;
        if self.unpacked > ENOUGH + TIMES * self.packed {
            return Err(format!(
                "{} bytes have become {} already",
                self.packed, self.unpacked
            ));
        }
        Ok(())
    }
}

fn inflate(
    state: &mut Option<Box<Decompress>>,
    bytes: &[u8],
    room: &mut [u8],
) -> Result<Step, String> {
    let in_zlib = bytes.first().is_some_and(|first| first & 0x8f == 8);
    let state = state.get_or_insert_with(|| Box::new(Decompress::new(in_zlib)));
    let (before_in, before_out) = (state.total_in(), state.total_out());
    let status = state.decompress(bytes, room, FlushDecompress::None);
    Ok(Step {
        ended: status.map_err(|error| error.to_string())? == Status::StreamEnd,
        taken: usize::try_from(state.total_in() - before_in).unwrap_or(bytes.len()),
        given: usize::try_from(state.total_out() - before_out).unwrap_or(room.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_explodes_is_given_up_before_it_fills_the_memory() {
        let megabyte = vec![b' '; 1 << 20];
        let mut bomb = zstd::Encoder::new(Vec::new(), 1).unwrap();
        for _ in 0..200 {
            std::io::Write::write_all(&mut bomb, &megabyte).unwrap();
        }
        let bomb = bomb.finish().unwrap();
        let mut unpacker = Unpacker::of("zstd").unwrap().unwrap();
        let (mut length, mut largest) = (0, 0);
        let given_up = unpacker.push(&bomb, |bytes| {
            length += bytes.len();
            largest = largest.max(bytes.len());
        });
        assert!(given_up.unwrap_err().contains("have become"));
        assert!(length < 80 << 20 && largest <= ROOM, "{length} {largest}");
    }

    #[test]
    fn several_frames_of_zstd_are_one_body() {
        let frame = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        let both = [frame("one "), frame("two")].concat();
        let mut unpacker = Unpacker::of(" ZSTD ").unwrap().unwrap();
        let mut text = Vec::new();
        for byte in both {
            unpacker
                .push(&[byte], |bytes| text.extend_from_slice(&bytes))
                .unwrap();
        }
        unpacker.finish().unwrap();
        assert_eq!(text, b"one two");
    }
}
